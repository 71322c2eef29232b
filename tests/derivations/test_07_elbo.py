"""Chapter 7: the bound."""

import itertools
import math

import numpy as np
import pytest

import minivae as mv
from cases import GRID, OBSERVED, TAU, bound, curve, em_step, toy
from tools import LINE, NODES, WEIGHTS, close, expect, integrate, kl, log_normal, normal, rng


def test_eq_7_2_kl_is_never_negative():
    r = rng()
    for _ in range(200):
        p, q = r.dirichlet(np.ones(4), 2)
        assert np.sum(p * np.log(p / q)) > 0
    p = np.array([0.5, 0.5, 0.0])  # and with a zero in p
    assert np.sum(p[:2] * np.log(p[:2] / np.array([0.3, 0.3]))) > 0
    laplace, logistic = -np.abs(LINE) - np.log(2), -LINE - 2 * np.log1p(np.exp(-LINE))
    assert kl(laplace, logistic) > 0.01 and kl(logistic, laplace) > 0.01
    close(kl(laplace, laplace), 0)
    t = np.linspace(0.01, 5, 500)
    assert np.all(np.log(t) <= t - 1)


def test_eq_7_3_every_summand_can_be_made_non_negative():
    p, q = log_normal(LINE, 0.5, 0.7), log_normal(LINE, -0.2, 1.5)
    summand = np.exp(p) * (np.expm1(q - p) - (q - p))
    assert np.all(summand >= 0)
    close(integrate(summand), kl(p, q))
    assert np.any(p - q < 0)  # while single log-ratios are negative


def test_eq_7_5_log_p_is_bound_plus_gap():
    joint, evidence, posterior = toy()
    for mu, var in [(0.5, 0.2), (-0.3, 0.6), (1.0, 0.05)]:
        q = log_normal(GRID, mu, var)
        close(bound(q, joint) + kl(q, posterior, GRID), evidence, 1e-11)


def test_eq_7_6_the_bound_is_reached_only_at_the_posterior():
    joint, evidence, posterior = toy()
    close(bound(posterior, joint), evidence, 1e-11)
    for mu, var in itertools.product([-1, 0, 0.7, 1], [0.05, 0.2, 1.0]):
        assert bound(log_normal(GRID, mu, var), joint) < evidence - 1e-3


def test_eq_7_7_reconstruction_minus_kl():
    joint, _, _ = toy()
    q = log_normal(GRID, 0.6, 0.3)
    reconstruction = integrate(np.exp(q) * log_normal(OBSERVED, curve(GRID), TAU**2), GRID)
    divergence = mv.gaussian_kl(np.array([[0.6]]), np.log([[0.3]]))[0]
    close(reconstruction - divergence, bound(q, joint), 1e-11)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9, 0.99])
def test_eq_7_9_gap_at_a_correlated_posterior(rho):
    P = np.linalg.inv([[1, rho], [rho, 1]])
    log_det = np.linalg.slogdet(P)[1]
    def divergence(v):  # KL(q || p) for equal variances v, as two-dimensional averages under q
        def log_ratio(a, b):
            x, y = np.sqrt(v) * a, np.sqrt(v) * b
            log_p = 0.5 * log_det - 0.5 * (P[0, 0] * x * x + 2 * P[0, 1] * x * y + P[1, 1] * y * y)
            return -np.log(v) - 0.5 * (a * a + b * b) - log_p
        return expect(log_ratio, 2)
    tries = (1 - rho**2) * np.exp(np.linspace(-0.5, 0.5, 41))
    gaps = [divergence(v) for v in tries]
    assert np.argmin(gaps) == 20  # the best variance is 1 - rho^2
    close(min(gaps), -0.5 * np.log(1 - rho**2))
    close(0.5 * (np.log(np.diag(P)).sum() - log_det), -0.5 * np.log(1 - rho**2))


def test_eq_7_10_gap_at_two_humps_tends_to_log_2():
    gaps = []
    for tau in (0.1, 0.05, 0.025):
        z = np.linspace(-3, 3, 60_001)
        def energy(z):  # -log p(z, x = 1) up to a constant
            return z**2 / 2 + (1 - z**2) ** 2 / (2 * tau**2)
        log_p = -energy(z) - np.log(integrate(np.exp(-energy(z)), z))
        m, log_s, width = 1.0, np.log(tau / 2), 0.2
        for _ in range(5):  # the best Gaussian, on ever finer grids around one hump
            ms, ss = np.meshgrid(m + width * tau * np.linspace(-1, 1, 21), log_s + width * np.linspace(-1, 1, 21))
            cost = energy(ms[..., None] + np.exp(ss)[..., None] * NODES) @ WEIGHTS - ss
            best = np.unravel_index(np.argmin(cost), cost.shape)
            m, log_s, width = ms[best], ss[best], width / 4
        gaps.append(kl(log_normal(z, m, np.exp(2 * log_s)), log_p, z) - math.log(2))
        assert min(kl(log_normal(z, 0, s**2), log_p, z) for s in np.linspace(0.05, 0.6, 12)) > math.log(2) + 0.3  # a wide q
    assert 3.9 < gaps[1] / gaps[2] < gaps[0] / gaps[1] < 4.2 and gaps[2] < 2e-4, gaps  # what is left falls as tau^2


def test_eq_7_11_where_the_bound_drives_the_decoder():
    q = log_normal(GRID, 0.4, 0.3)
    def slope(f):
        return (f(1 + 1e-4) - f(1 - 1e-4)) / 2e-4
    of_bound = slope(lambda t: bound(q, toy(t)[0]))
    close(of_bound, slope(lambda t: toy(t)[1]) - slope(lambda t: kl(q, toy(t)[2], GRID)), 1e-8)
    assert abs(slope(lambda t: kl(q, toy(t)[2], GRID))) > 0.1  # the gap has a say


def test_eq_7_12_exact_em_never_lowers_the_likelihood():
    state, history = (np.array([0.5, 0.5]), np.array([-0.2, 0.1]), np.array([2.0, 2.0])), []
    for _ in range(60):
        _, state, likelihood = em_step(*state)
        history.append(likelihood)
    assert np.all(np.diff(history) >= -1e-14) and history[-1] > history[0] + 0.1


def test_eq_7_13_the_bound_pulls_the_decoder_back():
    tau, x = 0.5, 1.2
    def closed(w):
        a = w**2 / tau**2
        return log_normal(x, 0, 2 * w**2 + tau**2) - 0.5 * np.log((1 + a) ** 2 / (1 + 2 * a))
    z = np.linspace(-8, 8, 801)
    inner = np.array([integrate(normal(z) * normal(x, 0.7 * (z + other), tau**2), z) for other in z])
    log_p = np.log(integrate(normal(z) * inner, z))
    P = np.eye(2) + 0.7**2 / tau**2  # the posterior's precision, and the best of many variances for q
    v = np.linspace(0.05, 1, 20001)
    close(closed(0.7), log_p - np.min(P[0, 0] * v - np.log(v) - 1) + 0.5 * np.linalg.slogdet(P)[1], 1e-8)
    best = math.sqrt((x**2 - tau**2) / 2)  # maximises log p(x)
    lower = best - 0.05
    assert closed(lower) > closed(best) and log_normal(x, 0, 2 * lower**2 + tau**2) < log_normal(x, 0, 2 * best**2 + tau**2)
