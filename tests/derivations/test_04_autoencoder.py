"""Chapter 4: the autoencoder."""

import itertools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

import minivae as mv
from cases import LOGITS, PIXELS, bernoulli
from page import holds, page
from tools import close, gradients, numeric, rng


def test_eq_4_1_two_networks():
    x = rng().random((3, 8))
    model = mv.Autoencoder(8, (5,), 2, dtype=np.float64, rng=rng())
    z = model.encode(x).data
    symbols = {"enc": lambda x: model.encode(x).data, "dec": lambda z: model.decode(z).data}
    holds("4.1", x=x, z=z, l=model.decode(z).data, x_hat=model.reconstruct(x), **symbols)


def test_eq_4_2_sigmoid_and_logit():
    l = np.linspace(-5, 5, 11)
    holds("4.2", l=l, x_hat=mv.sigmoid(l))


IMAGES = np.array(list(itertools.product([0.0, 1.0], repeat=3)))


def test_eq_4_3_the_probability_of_an_image():
    p = np.array([0.2, 0.9, 0.6])
    for x in IMAGES:
        probability = math.prod(p if white else 1 - p for p, white in zip(p, x))
        holds("4.3", nll=-math.log(probability), D=3, x=x, x_hat=p)
    close(sum(np.exp(-page("4.3", 1)(D=3, x=x, x_hat=p)) for x in IMAGES), 1)  # all images together
    grey = np.array([0.3, 0.5, 0.9])
    holds("4.3", nll=mv.bernoulli_nll(np.log(p / (1 - p))[None], grey[None])[0], D=3, x=grey,
          x_hat=p)


def test_eq_4_4_cross_entropy_from_logits():
    for l, x in zip(LOGITS, PIXELS):
        holds("4.4", nll=bernoulli(l, x), l=l, x=x)
    close(sum(np.exp(-page("4.4", 1)(l=LOGITS[0], x=x)) for x in IMAGES), 1)  # all images together


def test_eq_4_5_without_overflow():
    for l, x in zip(LOGITS, PIXELS):
        holds("4.5", nll=bernoulli(l, x), l=l, x=x)
        holds("4.5", nll=mv.bernoulli_nll(l[None], x[None])[0], l=l, x=x)
    l, x = np.array([1e4, -1e4, 1e4, 800.0]), np.array([1.0, 0.0, 0.0, 0.25])
    by_hand = 1e4 + 600  # 0, 0, 10000 and 800 - 200
    holds("4.5", nll=by_hand, l=l, x=x)
    close(mv.bernoulli_nll(l[None], x[None]), [by_hand])


def test_eq_4_6_gradient_of_the_cross_entropy():
    for l, x in zip(LOGITS, PIXELS):
        holds("4.6", nll=lambda l, x: bernoulli(l, x), l=l, x=x, tol=1e-8)
        exact = gradients(lambda l: mv.bernoulli_nll(l, x[None]), l[None])[0][0]
        holds("4.6", dnll_dl=exact, l=l, x=x, tol=1e-13)
    at_zero = gradients(lambda l: mv.bernoulli_nll(l, np.ones((1, 1))), [[0.0]])[0][0]
    holds("4.6", dnll_dl=at_zero, l=np.zeros(1), x=np.ones(1))  # no kink there


@pytest.mark.parametrize("l, x", [(40, 1), (-40, 0), (3, 1), (-2, 1), (0, 1), (700, 1), (1, 0),
                                  (-1, 0.3)])
def test_eq_4_7_gradient_with_all_its_digits(l, x):
    with localcontext() as context:
        context.prec = 400
        exact = float(1 / (1 + Decimal(-l).exp()) - Decimal(x))
    t = page("4.7", 3)(l=l)
    found = gradients(lambda logits: mv.bernoulli_nll(logits, np.full((1, 1), float(x))),
                      [[float(l)]])[0][0, 0]
    assert abs(found - exact) <= 1e-15 * abs(exact)
    assert abs(page("4.7", 1)(l=l, x=x, t=t) - exact) <= 1e-15 * abs(exact)
    holds("4.7", l=l, x=x, t=t)


@pytest.mark.parametrize("x", [0.1, 0.5, 0.8])
def test_eq_4_8_the_floor_is_the_entropy(x):
    l = np.linspace(-4, 4, 800_001)
    holds("4.8", l=l, x=x)
    best = l[np.argmin(np.log(1 + np.exp(l)) - l * x)]
    close(mv.sigmoid(best), x, 1e-5)


def test_eq_4_8_black_and_white_have_an_infimum_only():
    costs = np.log1p(np.exp(np.linspace(0, -30, 31)))  # x = 0
    assert np.all(np.diff(costs) < 0) and 0 < costs[-1] < 1e-12
    with pytest.raises(AssertionError):
        holds("4.8", 1, x=0)
    with pytest.raises(AssertionError):
        holds("4.8", 1, x=1)


def test_eq_4_9_loss_at_zero_logits():
    nll = mv.bernoulli_nll(np.zeros((2, 784)), rng().random((2, 784)))
    holds("4.9", nll=nll, D=784, l=0)
    close([page("4.9", 1)(D=784), page("4.9", 1)(D=64)], [543.43, 44.36], 1e-4)  # as the page says


def test_eq_4_10_the_best_linear_autoencoder_is_pca():
    x = rng().normal(size=(60, 5)) @ rng().normal(size=(5, 5)) + np.arange(5)
    mean = x.mean(0)
    values, vectors = np.linalg.eigh(np.cov(x.T, ddof=0))
    r = rng()
    tries = [mean + (x - mean) @ vectors[:, 3:] @ vectors[:, 3:].T]
    # any plane, and planes near the best one, through any point
    for start, size in ((0, 1.0), (vectors[:, 3:], 0.1)):
        for _ in range(100):
            U = np.linalg.qr(start + size * r.normal(size=(5, 2)))[0]
            through = mean + 0.1 * r.normal(size=5)
            tries.append(through + (x - through) @ U @ U.T)
    tries = np.stack(tries, axis=1)  # (images, tries, pixels)
    holds("4.10", x=x, x_hat=tries, N=60, lam=values[::-1], Z=2)
    assert np.argmin(np.mean(np.sum((x[:, None] - tries) ** 2, axis=2), axis=0)) == 0

    # nor does any encoder, linear or not, do better: alternate the two
    code = rng().normal(size=(60, 2))
    for _ in range(300):
        design = np.column_stack([code, np.ones(60)])
        weights = np.linalg.lstsq(design, x, rcond=None)[0]
        code = (x - weights[2]) @ np.linalg.pinv(weights[:2])
    error = np.mean(np.sum((x - code @ weights[:2] - weights[2]) ** 2, axis=1))
    close(error, page("4.10", 1)(lam=values[::-1], Z=2), 1e-8)


def test_eq_4_11_the_lit_fraction_of_a_moon():
    phases = np.array([0.1, 0.5, 0.75, 1.0])
    R = 0.42 * 16
    x, found = mv.data.moons(4, size=16, phases=phases)
    close(found, phases)
    for image, f in zip(x, phases):
        holds("4.11", lit_area=image.sum(dtype=np.float64), R=R, f=f, tol=2e-6)  # float32 pixels
    side = np.linspace(-R, R, 1001)
    u, w = np.meshgrid(side, side)
    lit = (u**2 + w**2 < R**2) & (u > (1 - 2 * 0.3) * np.sqrt(np.maximum(R**2 - w**2, 0)))
    # counted by the rule itself
    close(lit.sum() * (side[1] - side[0]) ** 2, page("4.11", 2)(f=0.3, R=R), 1e-2)


def test_eq_4_12_worked_number():
    holds_at = {"l": np.array([0.8]), "x": np.array([0.3])}
    close(page("4.12", 0)(), bernoulli(**holds_at))
    close(page("4.12", 2)(), numeric(lambda l: bernoulli(l, holds_at["x"]), [0.8])[0], 1e-8)
    holds("4.12", tol=5e-6)
    close(page("4.8", 1)(x=0.3), 0.61086, 5e-6)  # as the page says


@pytest.mark.parametrize("dtype, shown", [(np.float32, 16.6), (np.float64, 36.7)])
def test_eq_4_13_where_the_direct_way_breaks(dtype, shown):
    l = np.linspace(0, 50, 50_001).astype(dtype)
    with np.errstate(divide="ignore"):
        direct = -np.log(1 - 1 / (1 + np.exp(-l)))
    holds("4.13", l=l[~np.isfinite(direct)][0], epsilon=np.finfo(dtype).eps, tol=1e-4)
    close(page("4.13", 1)(epsilon=np.finfo(dtype).eps), shown, 0.05 / shown)  # as the page says
