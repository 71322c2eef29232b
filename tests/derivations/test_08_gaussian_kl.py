"""Chapter 8: the KL between Gaussians."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

import minivae as mv
from cases import LOGVAR, MU, PRIOR, midpoints
from tools import LINE, close, expect, gradients, integrate, kl, log_normal, lowest, normal, numeric, rng


@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
def test_eq_8_1_the_kl_as_one_integral(mu, var):
    close(0.5 * integrate(normal(LINE, mu, var) * (-np.log(var) + LINE**2 - (LINE - mu) ** 2 / var)),
          kl(log_normal(LINE, mu, var), log_normal(LINE)))


@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
def test_eq_8_2_the_three_integrals(mu, var):
    q = normal(LINE, mu, var)
    close(integrate(q * -np.log(var)), -np.log(var))
    close(integrate(q * LINE**2), mu**2 + var)
    close(-integrate(q * (LINE - mu) ** 2 / var), -1)


@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
def test_eq_8_3_their_sum(mu, var):
    close(0.5 * (mu**2 + var - np.log(var) - 1), kl(log_normal(LINE, mu, var), log_normal(LINE)))


def kl_by_quadrature(mu, logvar, prior):
    return [sum(kl(log_normal(LINE, m, np.exp(s)), log_normal(LINE, p)) for m, s, p in zip(*row, prior))
            for row in zip(mu, logvar)]


def test_eq_8_4_kl_of_independent_latents():
    by_hand = 0.5 * np.sum(MU**2 + np.exp(LOGVAR) - LOGVAR - 1, axis=1)
    close(by_hand, kl_by_quadrature(MU, LOGVAR, np.zeros(3)))
    close(mv.gaussian_kl(MU, LOGVAR), by_hand, 1e-14)
    z = MU[0] + np.exp(LOGVAR[0] / 2) * rng().standard_normal((100_000, 3))  # and in all dimensions at once, by sampling
    log_ratio = np.sum(log_normal(z, MU[0], np.exp(LOGVAR[0])) - log_normal(z), axis=1)
    assert abs(log_ratio.mean() - by_hand[0]) < 4 * log_ratio.std() / 100_000**0.5  # 4 standard errors


def test_eq_8_5_kl_from_a_prior_with_another_mean():
    by_hand = 0.5 * np.sum((MU - PRIOR) ** 2 + np.exp(LOGVAR) - LOGVAR - 1, axis=1)
    close(by_hand, kl_by_quadrature(MU, LOGVAR, PRIOR))
    close(mv.gaussian_kl(MU, LOGVAR, PRIOR), by_hand, 1e-14)


def kl_gradient(i, by_hand):
    inputs = [MU, LOGVAR, np.tile(PRIOR, (2, 1))]
    def plain(a):
        m, s, p = [*inputs[:i], a, *inputs[i + 1:]]
        return 0.5 * np.sum((m - p) ** 2 + np.exp(s) - s - 1)
    close(by_hand, numeric(plain, inputs[i]), 1e-8)
    close(gradients(mv.gaussian_kl, *inputs)[i], by_hand, 1e-14)


def test_eq_8_6_gradient_in_mu():
    kl_gradient(0, MU - PRIOR)


def test_eq_8_7_gradient_in_logvar():
    kl_gradient(1, 0.5 * (np.exp(LOGVAR) - 1))


def test_eq_8_8_gradient_in_the_prior_mean():
    kl_gradient(2, -(MU - PRIOR))


@pytest.mark.parametrize("s", [-1e-4, 1e-4, 3e-7, -2.0])
def test_eq_8_9_close_to_the_prior(s):
    with localcontext() as context:
        context.prec = 50
        exact = float((Decimal(s).exp() - 1 - Decimal(s)) / 2)
    assert abs(0.5 * (np.expm1(s) - s) - exact) <= 1e-9 * abs(s)
    single = mv.gaussian_kl(np.zeros((1, 1), np.float32), np.full((1, 1), s, np.float32))[0]
    assert single >= 0 and abs(single - exact) <= 1e-7 * abs(s)
    assert 0.5 * (np.exp(np.float32(-1e-4)) - np.float32(1) - np.float32(-1e-4)) < 0  # what the plain formula gives


def test_eq_8_10_the_two_parts():
    means, variances = mv.gaussian_kl(MU, 0 * LOGVAR), mv.gaussian_kl(0 * MU, LOGVAR)
    close(means, 0.5 * np.sum(MU**2, axis=1))
    close(variances, 0.5 * np.sum(np.exp(LOGVAR) - LOGVAR - 1, axis=1))
    close(means + variances, kl_by_quadrature(MU, LOGVAR, np.zeros(3)))


def test_eq_8_11_the_variance_part_is_smallest_at_0():
    for s in (-3.0, -0.5, 0.5, 2.0):
        u = np.linspace(0, s, 20001)
        close(integrate(np.exp(u) - 1, u), np.exp(s) - 1 - s, 1e-7)
    (best,), value = lowest(lambda s: np.expm1(s) - s, np.linspace(-4, 4, 8001))
    assert abs(best) < 1e-9 and abs(value) < 1e-15


def test_eq_8_12_the_essays_sum_is_plus_twice_the_kl():
    for m, s in [(0.0, 1.0), (1.3, -0.8)]:
        close(np.exp(s) - (1 + s) + m**2, 2 * kl(log_normal(LINE, m, np.exp(s)), log_normal(LINE)))


def test_eq_8_13_and_no_multiple_of_it_if_std_is_exp_sigma():
    sums, kls = [], []
    for m, a in [(0.0, 1.0), (1.3, -0.8), (0.0, 0.1), (0.0, -3.0)]:
        sums.append(np.exp(a) - (1 + a) + m**2)
        kls.append(kl(log_normal(3 * LINE, m, np.exp(2 * a)), log_normal(3 * LINE), 3 * LINE))
        close(2 * kls[-1] - sums[-1], np.exp(2 * a) - np.exp(a) - a, 1e-8)
    close([sums[0], kls[0]], [0.718, 2.195], 1e-3)
    assert np.ptp(np.divide(sums, kls)) > 0.5


def test_eq_8_14_the_naive_penalty_is_the_kl_to_second_order():
    for mu, s in [(0.3, 0.2), (0.3, -0.2), (0.1, 0.02), (0.0, -0.02)]:
        rest = mv.gaussian_kl(np.array([[mu]]), np.array([[s]]))[0] - (0.5 * mu**2 + 0.25 * s**2)
        close(rest / s**3, 1 / 12, abs(s) / 10)
    far = np.array([[-40.0]])  # far from the prior they part
    close(mv.gaussian_kl(0 * far, far)[0], 20 - 0.5)


def test_eq_8_15_kl_between_uniforms():
    def divergence(a, b, c, d):
        z = midpoints(a, b)
        q = np.where((z >= c) & (z <= d), 1 / (d - c), 0)
        with np.errstate(divide="ignore"):
            return np.mean(np.log(1 / (b - a)) - np.log(q))
    close(divergence(0.2, 0.9, -1, 2), math.log(3 / 0.7))
    assert divergence(-1.1, 0.9, -1, 2) == math.inf


@pytest.mark.parametrize("a, b", [(-1.0, 1.0), (0.3, 2.0)])
def test_eq_8_16_kl_from_a_uniform_to_a_gaussian(a, b):
    numeric_kl = np.mean(-np.log(b - a) - log_normal(midpoints(a, b)))
    close(0.5 * np.log(2 * np.pi) - np.log(b - a) + (a * a + a * b + b * b) / 6, numeric_kl)


def test_eq_8_17_a_uniform_posterior_costs_a_constant_more():
    mu, sigma = 0.4, 0.6
    a, b = mu - 3**0.5 * sigma, mu + 3**0.5 * sigma
    numeric_kl = np.mean(-np.log(b - a) - log_normal(midpoints(a, b)))
    constant = 0.5 * np.log(2 * np.pi * np.e / 12)
    close(mv.gaussian_kl(np.array([[mu]]), 2 * np.log([[sigma]]))[0] + constant, numeric_kl)
    close(constant, 0.176, 1e-3)


def test_eq_8_18_full_covariance():
    m, S = np.array([0.3, -0.8]), np.array([[1.2, 0.5], [0.5, 0.7]])
    L, inverse = np.linalg.cholesky(S), np.linalg.inv(S)
    def log_ratio(a, b):
        x, y = m[0] + L[0, 0] * a, m[1] + L[1, 0] * a + L[1, 1] * b
        u, v = x - m[0], y - m[1]
        log_q = -0.5 * (np.log(np.linalg.det(S)) + inverse[0, 0] * u * u + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v * v)
        return log_q + 0.5 * (x * x + y * y)
    close(0.5 * (m @ m + np.trace(S) - np.log(np.linalg.det(S)) - 2), expect(log_ratio, 2))
