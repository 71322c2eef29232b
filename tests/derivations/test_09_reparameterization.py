"""Chapter 9: reparameterization."""

import numpy as np
import pytest

import minivae as mv
from cases import LOGVAR, MU, draw
from page import holds, page
from tools import LINE, NODES, WEIGHTS, cdf, close, gradients, integrate, normal, numeric, rng


def average(values):
    """Over standard normal noise at the quadrature nodes."""
    return WEIGHTS @ values


def variance(values):
    return average(values**2) - average(values) ** 2


def over(dimensions):
    """Several independent noises at the product of the nodes, and the variance over them."""
    eps = np.meshgrid(*[NODES] * dimensions, indexing="ij")
    weights = np.prod(np.meshgrid(*[WEIGHTS] * dimensions, indexing="ij"), axis=0)

    def variance(values):
        return np.sum(weights * values**2) - np.sum(weights * values) ** 2
    return eps, variance


def drawn(mu, s, eps):
    return page("9.2", 1)(mu=mu, s=s, eps=eps)


def test_eq_9_1_change_of_variables():
    mu, sigma = 0.6, 0.4
    z = np.linspace(0.1, 1.3, 20001)
    eps = (z - mu) / sigma
    # of the density times d z, with d z = 1
    per_z = page("9.1", 0)(mu=mu, sigma=sigma, z=z, d=1 / z)
    per_eps = page("9.1", 1)(eps=eps, d=1 / eps)
    close(integrate(per_z, z), integrate(per_eps, eps))
    close(integrate(per_z, z), cdf((1.3 - mu) / sigma) - cdf((0.1 - mu) / sigma), 1e-8)


def test_eq_9_2_moments_of_the_reparameterized_draw():
    z = draw(0.7, -0.9)
    holds("9.2", tol=1e-12, z=z, mu=0.7, s=-0.9, eps=NODES, E=average, Var=variance)
    close(average((z - 0.7) ** 4), 3 * np.exp(-1.8))  # and it is Gaussian


def gradients_of_z():
    """By minivae, in mu and in logvar."""
    eps = rng().standard_normal(MU.shape)
    in_mu, in_logvar = gradients(lambda mu, logvar: mv.reparameterize(mu, logvar, eps), MU, LOGVAR)
    return eps.ravel(), in_mu.ravel(), in_logvar.ravel()


def test_eq_9_3_gradient_in_mu():
    holds("9.3", tol=1e-8, mu=0.7, s=-0.9, eps=1.3, z=drawn)
    close(gradients_of_z()[1], page("9.3", 1)(), 1e-14)


def test_eq_9_4_gradient_in_logvar():
    holds("9.4", tol=1e-8, mu=0.7, s=-0.9, eps=1.3, z=drawn)
    eps, _, in_logvar = gradients_of_z()
    close(in_logvar, page("9.4", 1)(s=LOGVAR.ravel(), eps=eps), 1e-14)


def smooth(z):
    return np.sin(z) + z**2


def slope(z):
    return np.cos(z) + 2 * z


MEAN, S = 0.7, -0.9
PARAMETERS = {  # alpha is the mean, or the log variance
    "mu": (MEAN, lambda alpha: drawn(alpha, S, NODES),
           lambda z, alpha: normal(z, alpha, np.exp(S))),
    "s": (S, lambda alpha: drawn(MEAN, alpha, NODES),
          lambda z, alpha: normal(z, MEAN, np.exp(alpha))),
}


@pytest.mark.parametrize("alpha, z, q", PARAMETERS.values(), ids=PARAMETERS)
def test_eq_9_5_pathwise_gradient(alpha, z, q):
    holds("9.5", tol=1e-8, alpha=alpha, z=z, E=average, f=smooth, f_prime=slope)
    close(page("9.5", 1)(alpha=alpha, z=z, E=average, f_prime=slope),
          numeric(lambda a: integrate(smooth(LINE) * q(LINE, a)), alpha), 1e-8)


@pytest.mark.parametrize("alpha, z, q", PARAMETERS.values(), ids=PARAMETERS)
def test_eq_9_6_score_function_gradient(alpha, z, q):
    truth = page("9.6", 0)(alpha=alpha, z=z, E=average, f=smooth)
    close(page("9.6", 1)(alpha=alpha, f=smooth, q_z=q), truth, 1e-8)
    close(page("9.6", 2)(alpha=alpha, f=smooth, q_z=q, z=z(alpha), E=average), truth, 1e-8)
    close(truth, numeric(lambda a: integrate(smooth(LINE) * q(LINE, a)), alpha), 1e-8)


def test_eq_9_7_the_scores():
    mu, s, eps = 0.7, -0.9, 1.3
    z = drawn(mu, s, eps)
    holds("9.7", tol=1e-8, mu=mu, s=s, eps=eps, z=z, sigma=lambda s: np.exp(s / 2),
          q=lambda mu, s: normal(z, mu, np.exp(s)))


MUS = [(0.7, 0.5), (1.0, 1.0), (-2.0, 0.3)]  # means and standard deviations


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_8_pathwise_variance(mu, s):
    holds("9.8", z=mu + s * NODES, sigma=s, Var=variance)


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_9_score_function_variance(mu, s):
    holds("9.9", z=mu + s * NODES, eps=NODES, mu=mu, sigma=s, Var=variance)


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_10_baselines(mu, s):
    def with_baseline(b):
        z = mu + s * NODES
        close(average((z**2 - b) * NODES / s), 2 * mu)
        return page("9.10", 0)(z=z, eps=NODES, sigma=s, b=b, Var=variance)
    usual, best = (page("9.10", side)(mu=mu, sigma=s) for side in (3, 6))
    close(with_baseline(usual), page("9.10", 1)(mu=mu, sigma=s))
    close(with_baseline(best), page("9.10", 4)(mu=mu, sigma=s))
    close(average((mu + s * NODES) ** 2), usual)  # it is the mean of f
    assert all(with_baseline(best + step) > with_baseline(best) for step in (-0.1, 0.1))


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_11_both_variances_in_sigma(mu, s):
    z = mu + s * NODES
    close(average(2 * z * NODES), 2 * s)
    close(average(z**2 * (NODES**2 - 1) / s), 2 * s)
    holds("9.11", z=z, eps=NODES, mu=mu, sigma=s, Var=variance)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_eq_9_12_the_score_hears_every_latent(d):
    eps, variance = over(d)
    score = sum((1 + e) ** 2 for e in eps) * eps[0]
    holds("9.12", d=d, score=score, path=2 * (1 + eps[0]), Var=variance)


@pytest.mark.parametrize("mu, s, k", [(0.3, 0.4, 2), (0.1, 1.0, 10)])
def test_eq_9_13_sine_reverses_the_order(mu, s, k):
    z = mu + s * LINE
    symbols = {"mu": mu, "sigma": s, "k": k}
    holds("9.13", **symbols, path=k * np.cos(k * z), score=np.sin(k * z) * LINE / s,
          E=lambda values: integrate(normal(LINE) * values))
    if k == 10:
        close([page("9.13", 1)(**symbols), page("9.13", 3)(**symbols)], [50, 0.5])


def test_eq_9_14_a_step_has_no_pathwise_gradient():
    mu, s = 0.5, 0.5
    above = np.linspace(0, 8, 20_001)
    holds("9.14", 0, tol=1e-7, mu=mu, sigma=s,
          P_zgt0=lambda mu: integrate(normal(above, mu, s**2), above))
    eps = np.linspace(-mu / s, 16, 200_001)
    mean_of_score = integrate(normal(eps) * eps / s, eps)
    close(mean_of_score, page("9.14", 1)(mu=mu, sigma=s), 1e-8)
    step = np.where(LINE > 0, 1.0, 0.0)
    close(np.median(np.diff(step)), page("9.14", 2)())  # the slope of the step, wherever it has one


def test_eq_9_15_finite_differences_with_fresh_and_common_noise():
    mu, s, h = 0.7, 0.5, 0.1
    (a, b), variance = over(2)
    holds("9.15", mu=mu, sigma=s, h=h, Var=variance,
          fresh=((mu + h + s * a) ** 2 - (mu - h + s * b) ** 2) / (2 * h),
          common=((mu + h + s * a) ** 2 - (mu - h + s * a) ** 2) / (2 * h))


def test_the_worked_number():
    close(page("9.2", 1)(mu=0.5, s=-1, eps=1.2), 1.2278, 5e-5)
    close(page("9.4", 1)(s=-1, eps=1.2), 0.3639, 5e-5)
