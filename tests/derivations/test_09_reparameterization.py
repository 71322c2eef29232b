"""Chapter 9: reparameterization."""

import numpy as np
import pytest

import minivae as mv
from cases import LOGVAR, MU, draw
from tools import LINE, NODES, WEIGHTS, cdf, close, expect, gradients, integrate, log_normal, normal, numeric, rng, variance


def test_eq_9_1_change_of_variables():
    mu, sigma, (a, b) = 0.6, 0.4, (0.1, 1.3)
    z = np.linspace(a, b, 20001)
    eps = np.linspace((a - mu) / sigma, (b - mu) / sigma, 20001)
    close(integrate(normal(z, mu, sigma**2), z), integrate(normal(eps), eps))
    close(integrate(normal(z, mu, sigma**2), z), cdf((b - mu) / sigma) - cdf((a - mu) / sigma), 1e-8)


def test_eq_9_2_moments_of_the_reparameterized_draw():
    z = draw(0.7, -0.9)
    close(WEIGHTS @ z, 0.7)
    close(WEIGHTS @ z**2 - 0.7**2, np.exp(-0.9))
    close(WEIGHTS @ (z - 0.7) ** 4, 3 * np.exp(-1.8))  # and it is Gaussian


def reparameterize_gradient(i, by_hand):
    inputs = [MU, LOGVAR]
    eps = rng().standard_normal(MU.shape)
    def plain(a):
        m, s = [*inputs[:i], a, *inputs[i + 1:]]
        return np.sum(m + np.exp(s / 2) * eps)
    close(by_hand(eps), numeric(plain, inputs[i]), 1e-8)
    close(gradients(lambda m, s: mv.reparameterize(m, s, eps), *inputs)[i], by_hand(eps), 1e-14)


def test_eq_9_3_gradient_in_mu():
    reparameterize_gradient(0, lambda eps: np.ones_like(eps))


def test_eq_9_4_gradient_in_logvar():
    reparameterize_gradient(1, lambda eps: 0.5 * np.exp(LOGVAR / 2) * eps)


def smooth(z):
    return np.sin(z) + z**2


def mean_of_smooth(a):
    return integrate(smooth(LINE) * normal(LINE, a[0], np.exp(a[1])))


AT = np.array([0.7, -0.9])  # mu and logvar


def test_eq_9_5_pathwise_gradient():
    z, sigma = draw(*AT), np.exp(AT[1] / 2)
    slope = np.cos(z) + 2 * z
    close([WEIGHTS @ slope, WEIGHTS @ (slope * 0.5 * sigma * NODES)], numeric(mean_of_smooth, AT), 1e-8)


def test_eq_9_6_score_function_gradient():
    z, sigma = draw(*AT), np.exp(AT[1] / 2)
    scores = [NODES / sigma, 0.5 * (NODES**2 - 1)]
    close([WEIGHTS @ (smooth(z) * score) for score in scores], numeric(mean_of_smooth, AT), 1e-8)


def test_eq_9_7_the_scores():
    z, sigma = 1.1, np.exp(AT[1] / 2)
    eps = (z - AT[0]) / sigma
    close([eps / sigma, 0.5 * (eps**2 - 1)], numeric(lambda a: log_normal(z, a[0], np.exp(a[1])), AT), 1e-8)


MUS = [(0.7, 0.5), (1.0, 1.0), (-2.0, 0.3)]


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_8_pathwise_variance(mu, s):
    close(variance(lambda e: 2 * (mu + s * e)), 4 * s**2)


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_9_score_function_variance(mu, s):
    close(variance(lambda e: (mu + s * e) ** 2 * e / s), mu**4 / s**2 + 14 * mu**2 + 15 * s**2)


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_10_baselines(mu, s):
    def with_baseline(b):
        close(expect(lambda e: ((mu + s * e) ** 2 - b) * e / s), 2 * mu)
        return variance(lambda e: ((mu + s * e) ** 2 - b) * e / s)
    close(with_baseline(mu**2 + s**2), 8 * mu**2 + 10 * s**2)
    close(with_baseline(mu**2 + 3 * s**2), 8 * mu**2 + 6 * s**2)
    assert min(with_baseline(mu**2 + k * s**2) for k in np.linspace(1, 5, 41)) >= 8 * mu**2 + 6 * s**2 - 1e-9


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_11_both_variances_in_sigma(mu, s):
    close(expect(lambda e: 2 * (mu + s * e) * e), 2 * s)
    close(variance(lambda e: 2 * (mu + s * e) * e), 4 * mu**2 + 8 * s**2)
    close(variance(lambda e: (mu + s * e) ** 2 * (e**2 - 1) / s), 2 * mu**4 / s**2 + 60 * mu**2 + 74 * s**2)


def test_eq_9_12_the_score_hears_every_latent():
    close(variance(lambda a: (1 + a) ** 2 * a), 4 + 14 + 12)
    close(variance(lambda a, b: ((1 + a) ** 2 + (1 + b) ** 2) * a, 2), 4 * 4 + 14 * 2 + 12)
    close(variance(lambda a, b, c: ((1 + a) ** 2 + (1 + b) ** 2 + (1 + c) ** 2) * a, 3), 4 * 9 + 14 * 3 + 12)
    close((4 * 128**2 + 14 * 128 + 12) / 4, 16835)


@pytest.mark.parametrize("mu, s, k", [(0.3, 0.4, 2), (0.1, 1.0, 10)])
def test_eq_9_13_sine_reverses_the_order(mu, s, k):
    z = mu + s * LINE
    path = integrate(normal(LINE) * (k * np.cos(k * z)) ** 2)
    score = integrate(normal(LINE) * (np.sin(k * z) * LINE / s) ** 2)
    c = np.cos(2 * k * mu) * np.exp(-2 * k**2 * s**2)
    close(path, k**2 / 2 * (1 + c))
    close(score, (1 - (1 - 4 * k**2 * s**2) * c) / (2 * s**2))
    if k == 10:
        close([path, score], [50, 0.5])


def test_eq_9_14_a_step_has_no_pathwise_gradient():
    mu, s, h = 0.5, 0.5, 1e-5
    truth = (cdf((mu + h) / s) - cdf((mu - h) / s)) / (2 * h)
    close(normal(mu / s) / s, truth, 1e-8)
    eps = np.linspace(-mu / s, 16, 200_001)
    close(integrate(normal(eps) * eps / s, eps), truth, 1e-8)  # the score function's mean


def test_eq_9_15_finite_differences_with_fresh_and_common_noise():
    mu, s, h = 0.7, 0.5, 0.1
    fresh = variance(lambda a, b: ((mu + h + s * a) ** 2 - (mu - h + s * b) ** 2) / (2 * h), 2)
    common = variance(lambda a: ((mu + h + s * a) ** 2 - (mu - h + s * a) ** 2) / (2 * h))
    close(fresh, (2 * mu**2 * s**2 + s**4) / h**2 + 2 * s**2)
    close(common, 4 * s**2)
