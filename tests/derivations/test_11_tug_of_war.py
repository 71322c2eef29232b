"""Chapter 11: the tug of war."""

import numpy as np

import minivae as mv
from cases import B, MU1, STD1, W, X1
from tools import NODES, WEIGHTS, close, expect, lowest, numeric, variance


VX = 0.2


def pull(s, beta=1.0, vx=VX):
    """E nll + beta KL for the affine decoder, by quadrature."""
    def cost(a, b):
        z = np.stack([MU1[0] + np.exp(s[0] / 2) * a, MU1[1] + np.exp(s[1] / 2) * b], axis=-1).reshape(-1, 2)
        return mv.gaussian_nll(z @ W.T + B, np.log(vx), np.tile(X1, (len(z), 1))).reshape(a.shape)
    return expect(cost, 2) + beta * mv.gaussian_kl(MU1[None], np.asarray(s)[None])[0]


SENSITIVITY = np.sum(W**2, axis=0)


def test_eq_11_1_expected_nll_of_a_linear_decoder():
    at_mu = mv.gaussian_nll((W @ MU1 + B)[None], np.log(VX), X1[None])[0]
    close(pull(2 * np.log(STD1), beta=0), at_mu + np.sum(STD1**2 * SENSITIVITY / (2 * VX)))


def test_eq_11_2_two_forces():
    for beta in (0.5, 1.0, 3.0):
        close(0.5 * STD1**2 * SENSITIVITY / VX + beta / 2 * (STD1**2 - 1),
              numeric(lambda s: pull(s, beta), 2 * np.log(STD1)), 1e-7)


def balance(beta, vx=VX):
    """Where the force in logvar changes its sign, by bisection."""
    low, high = np.full(2, -15.0), np.full(2, 5.0)
    for _ in range(60):
        s = (low + high) / 2
        force = numeric(lambda s: pull(s, beta, vx), s, 1e-3)
        low, high = np.where(force < 0, s, low), np.where(force < 0, high, s)
    return np.exp(s)


def test_eq_11_3_the_noise_that_a_decoder_asks_for():
    close(balance(1.0), 1 / (1 + SENSITIVITY / VX), 1e-5)


def test_eq_11_4_with_beta():
    close(balance(4.0), 1 / (1 + SENSITIVITY / (4 * VX)), 1e-5)
    close(balance(1e-3), 1 / (1 + SENSITIVITY / (1e-3 * VX)), 1e-5)
    assert np.all(1 / (1 + SENSITIVITY / (1e-9 * VX)) < 1e-8)


def test_eq_11_5_bernoulli_decoder():
    l0, J, mu = np.array([0.5, -1.0, 2.0]), np.array([1.2, -0.7, 0.4]), 0.3
    def nll(z):
        return mv.bernoulli_nll(l0 + np.asarray(z)[:, None] * J, np.tile([1.0, 0.0, 0.3], (np.size(z), 1)))
    p = 1 / (1 + np.exp(-(l0 + mu * J)))
    curvature = np.sum(p * (1 - p) * J**2)
    sigma = 1e-2
    close((WEIGHTS @ nll(mu + sigma * NODES) - nll([mu])[0]) / sigma**2, 0.5 * curvature, 1e-3)
    (s,), _ = lowest(lambda s: 0.5 * np.exp(s) * curvature + 0.5 * (np.exp(s) - s), np.linspace(-4, 0.5, 450_001))
    close(np.exp(s), 1 / (1 + curvature), 1e-4)


def test_eq_11_6_a_smaller_error_asks_for_less_noise():
    noises = []
    for e in (1.0, 0.3, 0.05):
        (t,), _ = lowest(lambda t: t + e * np.exp(-t), np.linspace(-5, 2, 70_001))  # the decoder's variance, as it learns it
        noises.append(balance(1.0, vx=np.exp(t)))
        close(noises[-1], e / (e + SENSITIVITY), 1e-3)
    assert np.all(np.diff(noises, axis=0) < 0)
