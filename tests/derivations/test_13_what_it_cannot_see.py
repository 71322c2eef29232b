"""Chapter 13: what it cannot see."""

import itertools

import numpy as np
import pytest

import minivae as mv
from cases import LOGITS, MEAN, PIXELS
from page import holds, page
from tools import LINE, close, integrate, normal, rng


@pytest.mark.parametrize("n", [0, 1])
def test_eq_13_1_an_edit_costs_what_its_own_pixel_says(n):
    edited = PIXELS[n].copy()
    edited[1] = [0.7, 0.2][n]
    symbols = {"x": PIXELS[n], "x_prime": edited, "i": 2}
    holds("13.1", 0, **symbols, l=LOGITS[n],
          nll=lambda x: mv.bernoulli_nll(LOGITS[[n]], x[None])[0])
    change = page("13.1", 0)(**symbols,
                             nll=lambda x: mv.gaussian_nll(MEAN[[n]], np.log(0.3), x[None])[0])
    close(page("13.1", 2)(**symbols, x_hat=MEAN[n], sigma_x=0.3**0.5), change)


def test_eq_13_2_reordered_pixels_make_no_difference():
    order = rng().permutation(12)
    P = np.eye(12)[:, order]  # x P has the pixels of x in that order
    x, logits = rng().random((5, 12)), rng().normal(size=(5, 12))
    close(x @ P, x[:, order])
    holds("13.2", l=logits, x=x, P=P, nll=mv.bernoulli_nll)


def test_a_network_with_reordered_weights_has_the_same_loss_and_gradients():
    # as said above eq. (13.2)
    x, order = rng().random((5, 12)), rng().permutation(12)
    model, twin = (mv.VAE(12, (7,), 2, dtype=np.float64, rng=rng()) for _ in range(2))
    weights = model.state_dict()
    weights["encoder.0.weight"] = weights["encoder.0.weight"][order]
    for name in ("decoder.1.weight", "decoder.1.bias"):
        weights[name] = weights[name][..., order]
    twin.load_state_dict(weights)
    loss, twin_loss = model.loss(x, rng()), twin.loss(x[:, order], rng())
    close(twin_loss.item(), loss.item(), 1e-13)
    loss.backward()
    twin_loss.backward()
    one, other = ({p.name: p.grad for p in m.parameters()} for m in (model, twin))
    close(other["encoder.0.weight"], one["encoder.0.weight"][order], 1e-12)
    close(other["decoder.0.weight"], one["decoder.0.weight"], 1e-12)


@pytest.mark.parametrize("x", [np.array([1.0, 0.0, 1.0, 0.3]), np.array([0.0, 1.0, 1.0, 0.3])])
def test_eq_13_3_the_best_bound_asks_the_other_pixels(x):
    prior, logits = np.array([0.2, 0.5, 0.3]), rng().normal(size=(3, 4))  # a code with three values

    def log_joint(x):
        return np.log(prior) - mv.bernoulli_nll(logits, np.tile(x, (3, 1)))

    def posterior(x):
        joint = np.exp(log_joint(x))
        return joint / joint.sum()

    def bounds(x, others):
        """L_b with q the exact posterior, and with others."""
        return np.array([q @ (log_joint(x) - np.log(q)) for q in (posterior(x), *others)])
    others = rng().dirichlet(np.ones(3), size=20)
    holds("13.3", tol=1e-8, x=x, q=others, L_b=bounds, z=np.arange(3), l=lambda z: logits[z],
          E=lambda v: posterior(x) @ v)


def test_eq_13_4_means_vary_less_than_data():
    def mean(z):
        return np.sin(z) + 0.3 * z + 0.4

    def within(z):  # the variance of x given z
        return 0.1 + 0.05 * np.cos(z) ** 2
    x, z = np.linspace(-4, 5, 901), np.linspace(-7, 7, 1401)
    density = np.sum(normal(x[:, None], mean(z), within(z)) * normal(z), axis=1) * (z[1] - z[0])
    total = integrate(x**2 * density, x) - integrate(x * density, x) ** 2

    def over_z(values):
        return integrate(values * normal(LINE))

    def variance(values):
        return total if values is x else over_z(values**2) - over_z(values) ** 2
    holds("13.4", tol=1e-7, x=x, Var=variance, E=over_z, Var_x_given_z=within(LINE),
          E_x_given_z=mean(LINE))


def test_eq_13_5_what_ties_pixels_together():
    share = np.array([0.5, 0.3, 0.2])  # of three codes
    lit = rng().random((3, 2))  # how often each lights each of two pixels
    pictures = list(itertools.product([0, 1], repeat=2))
    likely = [share @ np.prod(np.where(picture, lit, 1 - lit), axis=1) for picture in pictures]
    first, second = np.array(pictures).T
    of_pixels = likely @ (first * second) - (likely @ first) * (likely @ second)

    def covariance(a, b):
        return share @ (a * b) - (share @ a) * (share @ b)
    means = {1: lit[:, 0], 2: lit[:, 1]}
    pixels = {"x": {1: 1, 2: 2}, "i": 1, "k": 2}
    by_page = page("13.5", 1)(**pixels, z=0, Cov=covariance, E=lambda x, z: means[x])
    close(page("13.5", 0)(**pixels, Cov=lambda a, b: of_pixels), by_page)
    assert abs(by_page) > 0.01
    holds("13.5", 1, i=1, k=2)
    own_variance = covariance(lit[:, 0], lit[:, 0]) + share @ (lit[:, 0] * (1 - lit[:, 0]))
    assert own_variance > covariance(lit[:, 0], lit[:, 0]) + 0.01  # for i = k it does not hold


def test_the_worked_numbers():
    for logit, price in ((-3.0, 3.0), (3.0, -3.0)):
        found = page("13.1", 1)(x=np.zeros(1), x_prime=np.ones(1), l=np.array([logit]), i=1)
        close(found, price)
    lit = np.array([0.9, 0.1])
    by_page = page("13.4", 1)(E=np.mean, Var=np.var, Var_x_given_z=lit * (1 - lit), E_x_given_z=lit)
    close(by_page, 0.25)
