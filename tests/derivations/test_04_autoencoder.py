"""Chapter 4: the autoencoder."""

import itertools
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

import minivae as mv
from cases import LOGITS, PIXELS, bernoulli
from tools import close, gradients, integrate, lowest, numeric, rng


def test_eq_4_2_sigmoid_and_logit():
    l = np.linspace(-5, 5, 11)
    x = mv.sigmoid(l)
    close(np.log(x / (1 - x)), l)
    close(1 - x, mv.sigmoid(-l))


def test_eq_4_4_cross_entropy_from_logits():
    close(np.sum(np.log(1 + np.exp(LOGITS)) - LOGITS * PIXELS, axis=-1), bernoulli(LOGITS, PIXELS))
    images = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    close(np.exp(-np.sum(np.log(1 + np.exp(LOGITS[0])) - LOGITS[0] * images, axis=-1)).sum(), 1)  # all images together


def test_eq_4_5_without_overflow():
    close(mv.bernoulli_nll(LOGITS, PIXELS), bernoulli(LOGITS, PIXELS))
    l, x = np.array([[1e4, -1e4, 1e4, 800.0]]), np.array([[1.0, 0.0, 0.0, 0.25]])
    close(mv.bernoulli_nll(l, x), [1e4 + 600])  # by hand: 0, 0, 10000 and 800 - 200


def test_eq_4_6_gradient_of_the_cross_entropy():
    by_hand = 1 / (1 + np.exp(-LOGITS)) - PIXELS
    close(by_hand, numeric(lambda l: bernoulli(l, PIXELS).sum(), LOGITS), 1e-8)
    close(gradients(lambda l: mv.bernoulli_nll(l, PIXELS), LOGITS)[0], by_hand, 1e-13)
    close(gradients(lambda l: mv.bernoulli_nll(l, np.ones((1, 1))), [[0.0]])[0], [[-0.5]])  # no kink at 0


@pytest.mark.parametrize("l, x", [(40, 1), (-40, 0), (3, 1), (-2, 1), (0, 1), (700, 1), (1, 0)])
def test_eq_4_7_gradient_with_all_its_digits(l, x):
    with localcontext() as context:
        context.prec = 400
        exact = float(1 / (1 + Decimal(-l).exp()) - x)
    t = math.exp(-abs(l)) / (1 + math.exp(-abs(l)))
    by_hand = ((l >= 0) - x) - (1 if l >= 0 else -1) * t
    found = gradients(lambda logits: mv.bernoulli_nll(logits, np.full((1, 1), float(x))), [[float(l)]])[0][0, 0]
    assert abs(by_hand - exact) <= 1e-15 * abs(exact) and abs(found - exact) <= 1e-15 * abs(exact)


@pytest.mark.parametrize("x", [0.1, 0.5, 0.8])
def test_eq_4_8_the_floor_is_the_entropy(x):
    l = np.linspace(-4, 4, 800001)
    (best,), floor = lowest(lambda l: np.log(1 + np.exp(l)) - l * x, l)
    close(floor, -x * np.log(x) - (1 - x) * np.log(1 - x))
    close(1 / (1 + np.exp(-best)), x, 1e-5)


def test_eq_4_9_loss_at_zero_logits():
    close(mv.bernoulli_nll(np.zeros((2, 784)), rng().random((2, 784))), [543.42739, 543.42739], 1e-8)
    close(784 * math.log(2), 543.42739, 1e-8)


def test_eq_4_10_the_best_linear_autoencoder_is_pca():
    x = rng().normal(size=(200, 5)) @ rng().normal(size=(5, 5))
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / 200)
    def error(basis):
        U = np.linalg.qr(basis)[0]
        return np.mean(np.sum((x - x @ U @ U.T) ** 2, axis=1))
    close(error(vectors[:, 3:]), values[:3].sum())
    r = rng()
    for start, size in ((0, 1.0), (vectors[:, 3:], 0.1)):  # any other plane, and planes near the best one
        assert min(error(start + size * r.normal(size=(5, 2))) for _ in range(300)) > values[:3].sum()
    code = rng().normal(size=(200, 2))  # no encoder and decoder, linear or not in the encoder, does better: alternate them
    for _ in range(200):
        decoder = np.linalg.lstsq(code, x, rcond=None)[0]
        code = x @ np.linalg.pinv(decoder)
    close(np.mean(np.sum((x - code @ decoder) ** 2, axis=1)), values[:3].sum(), 1e-8)


def test_eq_4_11_the_lit_fraction_of_a_moon():
    phases = np.array([0.1, 0.5, 0.75, 1.0])
    R = 2.0
    eta = R * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 20001))
    w = np.sqrt(np.maximum(R**2 - eta**2, 0))
    for f in phases:
        close(integrate(w - (1 - 2 * f) * w, eta), f * np.pi * R**2, 1e-7)
    x, found = mv.data.moons(4, size=16, phases=phases)
    close(found, phases)
    close(x.sum(axis=1, dtype=np.float64), phases * np.pi * (0.42 * 16) ** 2, 1e-5)  # float32 pixels
