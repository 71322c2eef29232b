"""Chapter 11: the tug of war, with the affine decoder of chapter 5 and a decoder variance VX."""

import numpy as np
import pytest

import minivae as mv
from cases import MU1, STD1, X1, B, W
from page import holds, page
from tools import NODES, WEIGHTS, close, expect, lowest, numeric

VX = 0.2
S1 = 2 * np.log(STD1)
COLUMNS = W.T  # J_j is the column of latent j


def nll(mu, std, vx, a, b):
    """At mu + std * (a, b), for arrays of noise."""
    z = np.stack([mu[0] + std[0] * a, mu[1] + std[1] * b], axis=-1).reshape(-1, 2)
    return mv.gaussian_nll(z @ W.T + B, np.log(vx), np.tile(X1, (len(z), 1))).reshape(np.shape(a))


def expected_nll(s, vx=VX):
    """By quadrature."""
    return expect(lambda a, b: nll(MU1, np.exp(s / 2), vx, a, b), 2)


def kl(s):
    return mv.gaussian_kl(MU1[None], np.asarray(s)[None])[0]


def test_eq_11_1_expected_nll_of_a_linear_decoder():
    a, b = np.meshgrid(NODES, NODES)
    weights = np.outer(WEIGHTS, WEIGHTS)
    holds("11.1", E=lambda values: np.sum(weights * values), nll=nll(MU1, STD1, VX, a, b),
          nll_mu=nll(MU1, STD1, VX, np.zeros(1), np.zeros(1))[0],
          sigma=STD1, J=COLUMNS, sigma_x=VX**0.5)


@pytest.mark.parametrize("beta", [0.5, 1.0, 3.0])
def test_eq_11_2_two_forces(beta):
    holds("11.2", tol=1e-7, s=S1, sigma=STD1, beta=beta, J=COLUMNS, sigma_x=VX**0.5,
          nll=lambda s: expected_nll(s), E=lambda mean: mean, KL=kl)


def balance(beta, vx=VX):
    """Where the force in logvar changes its sign, by bisection."""
    low, high = np.full(2, -15.0), np.full(2, 5.0)
    for _ in range(60):
        s = (low + high) / 2
        force = numeric(lambda s: expected_nll(s, vx) + beta * kl(s), s, 1e-3)
        low, high = np.where(force < 0, s, low), np.where(force < 0, high, s)
    return np.exp(s / 2)


def test_eq_11_3_the_noise_that_a_decoder_asks_for():
    holds("11.3", tol=1e-5, sigma=balance(1.0), J=COLUMNS, sigma_x=VX**0.5)


def test_eq_11_4_with_beta():
    for beta in (4.0, 1e-3):
        holds("11.4", 0, tol=1e-5, sigma=balance(beta), J=COLUMNS, sigma_x=VX**0.5, beta=beta)
    beta = 1e-12
    sigma = page("11.4", 1)(J=COLUMNS, sigma_x=VX**0.5, beta=beta) ** 0.5
    holds("11.4", [1, 2], sigma=sigma, beta=beta)


def test_eq_11_5_bernoulli_decoder():
    l0, J, mu = np.array([0.5, -1.0, 2.0]), np.array([1.2, -0.7, 0.4]), 0.3

    def nll(z):
        return mv.bernoulli_nll(l0 + np.reshape(z, (-1, 1)) * J,
                                np.tile([1.0, 0.0, 0.3], (np.size(z), 1)))
    p = 1 / (1 + np.exp(-(l0 + mu * J)))
    at_mu, sigma = nll(mu)[0], 1e-2
    expected = page("11.5", 0)(E=lambda values: WEIGHTS @ values, nll=nll(mu + sigma * NODES))
    by_page = page("11.5", 1)(p=p, J=J[:, None], nll_mu=at_mu, sigma=np.array([sigma]))
    close((expected - at_mu) / sigma**2, (by_page - at_mu) / sigma**2, 1e-3)
    curvature = numeric(lambda z: numeric(lambda z: nll(z)[0], z, 1e-3), mu, 1e-3)
    (s,), _ = lowest(lambda s: 0.5 * np.exp(s) * curvature + 0.5 * (np.exp(s) - s),
                     np.linspace(-4, 0.5, 450_001))
    holds("11.5", 1, tol=1e-4, p=p, J=J[:, None], j=1, sigma=np.array([np.exp(s / 2)]))


def test_eq_11_6_a_smaller_error_asks_for_less_noise():
    noises = []
    for mse in (1.0, 0.3, 0.05):
        # the decoder's variance, as it learns it
        (t,), _ = lowest(lambda t: t + mse * np.exp(-t), np.linspace(-5, 2, 70_001))
        noises.append(balance(1.0, vx=np.exp(t)))
        holds("11.6", tol=1e-3, sigma=noises[-1], mse=mse, J=COLUMNS)
    assert np.all(np.diff(noises, axis=0) < 0)


# Free bits.

def kl_of_each(s):
    return 0.5 * (MU1**2 + np.exp(s) - s - 1)


def test_eq_11_7_free_bits():
    for kappa in (0.0, 0.3, 2.0):
        costs = kl_of_each(S1)
        by_page = page("11.7", 1)(nll=7.0, kappa=kappa, k=costs)
        close(by_page, 7.0 + sum(cost if cost > kappa else kappa for cost in costs))
        assert by_page >= 7.0 + kl(S1) - 1e-12
    close(page("11.7", 1)(nll=7.0, kappa=0, k=kl_of_each(S1)), 7.0 + kl(S1))


@pytest.mark.parametrize("s", [-2.0, -0.5, 0.4, 1.5])
def test_eq_11_8_below_the_free_amount_the_kl_does_not_pull(s):
    def k(s):
        return 0.5 * (0.1**2 + np.exp(s) - s - 1)
    holds("11.8", tol=1e-8, kappa=0.2, s=s, k=k, sigma=np.exp(s / 2))


@pytest.mark.parametrize("sensitivity", [0.05, 0.5, 3.0, 20.0])
def test_eq_11_9_where_the_noise_settles(sensitivity):
    kappa, s = 0.4, np.linspace(-8, 2, 1_000_001)
    k = 0.5 * (0.1**2 + np.exp(s) - s - 1)
    pull = 0.5 * np.exp(s) * sensitivity
    at_balance, settled = (k[np.argmin(pull + cost)] for cost in (k, np.maximum(kappa, k)))
    holds("11.9", tol=1e-4, k=settled, k_0=at_balance, kappa=kappa)
    assert (at_balance < kappa) == (sensitivity < 10)  # both cases occur


def test_the_worked_number():
    symbols = {"J": np.array([[0.6]]), "sigma_x": 0.2}
    close(page("11.3", 1)(**symbols), [0.1])
    close(page("11.2", 1)(**symbols, sigma=np.array([0.1**0.5]), beta=1), [0.0])
