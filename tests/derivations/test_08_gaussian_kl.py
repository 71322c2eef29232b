"""Chapter 8: the KL between Gaussians."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest

import minivae as mv
from cases import LOGVAR, MU, PRIOR, midpoints
from page import Normal, formula, holds, page
from tools import LINE, close, expect, gradients, integrate, kl, log_normal, lowest, normal, rng

ONE_LATENT = pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
STD = np.exp(LOGVAR / 2)


def between(q, p):
    """KL of two Normals, by quadrature."""
    return kl(log_normal(2 * LINE, q.mean, q.var), log_normal(2 * LINE, p.mean, p.var), 2 * LINE)


@ONE_LATENT
def test_eq_8_1_the_kl_as_one_integral(mu, var):
    holds("8.1", KL=between, mu=mu, sigma=var**0.5)


@ONE_LATENT
def test_eq_8_2_the_three_integrals(mu, var):
    holds("8.2", q=normal(LINE, mu, var), mu=mu, sigma=var**0.5)


@ONE_LATENT
def test_eq_8_3_their_sum(mu, var):
    holds("8.3", KL=between, mu=mu, sigma=var**0.5)


def by_quadrature(mu, logvar, prior):
    """The sum over latents, of one example."""
    return sum(between(Normal(m, np.exp(s)), Normal(p, 1.0)) for m, s, p in zip(mu, logvar, prior))


def test_eq_8_4_kl_of_independent_latents():
    for mu, s, sigma in zip(MU, LOGVAR, STD):
        holds("8.4", KL=by_quadrature(mu, s, np.zeros(3)), Z=3, mu=mu, sigma=sigma)
        holds("8.4", KL=mv.gaussian_kl(mu[None], s[None])[0], Z=3, mu=mu, sigma=sigma, tol=1e-14)
    # and in all dimensions at once, by sampling
    z = MU[0] + STD[0] * rng().standard_normal((100_000, 3))
    log_ratio = np.sum(log_normal(z, MU[0], STD[0] ** 2) - log_normal(z), axis=1)
    error = log_ratio.mean() - page("8.4", 1)(Z=3, mu=MU[0], sigma=STD[0])
    assert abs(error) < 4 * log_ratio.std() / 100_000**0.5  # 4 standard errors


def test_eq_8_5_kl_from_a_prior_with_another_mean():
    for mu, s, sigma in zip(MU, LOGVAR, STD):
        holds("8.5", KL=by_quadrature(mu, s, PRIOR), mu=mu, sigma=sigma, mu_p=PRIOR)
        holds("8.5", KL=mv.gaussian_kl(mu[None], s[None], PRIOR)[0], mu=mu, sigma=sigma,
              mu_p=PRIOR, tol=1e-14)


INPUTS = {"mu": MU[0], "s": LOGVAR[0], "mu_p": PRIOR}


def kl_gradient(number, name, **more):
    """A gradient on the page against difference quotients, and against minivae's rule."""
    def plain(mu, s, mu_p):
        return by_quadrature(mu, s, mu_p)
    holds(number, KL=plain, **INPUTS, **more, tol=1e-7)
    exact = gradients(mv.gaussian_kl, *(v[None] for v in INPUTS.values()))
    given = {f"dKL_d{key}": grad[0] for key, grad in zip(INPUTS, exact)}
    holds(number, dKL_dmu=given["dKL_dmu"], dKL_ds=given["dKL_ds"], dKL_dmu_p=given["dKL_dmu_p"],
          **INPUTS, **more, tol=1e-13)


@pytest.mark.parametrize("j", [1, 2, 3])
def test_eq_8_6_gradient_in_mu(j):
    kl_gradient("8.6", "mu", j=j)


@pytest.mark.parametrize("j", [1, 2, 3])
def test_eq_8_7_gradient_in_logvar(j):
    kl_gradient("8.7", "s", j=j, sigma=STD[0])


@pytest.mark.parametrize("j", [1, 2, 3])
def test_eq_8_8_gradient_in_the_prior_mean(j):
    kl_gradient("8.8", "mu_p", j=j)


@pytest.mark.parametrize("s", [-1e-4, 1e-4, 3e-7, -2.0])
def test_eq_8_9_close_to_the_prior(s):
    with localcontext() as context:
        context.prec = 50
        exact = float(Decimal(s).exp() - 1 - Decimal(s))
    holds("8.9", sigma=math.exp(s / 2), s=s)
    assert abs(page("8.9", 1)(s=s) - exact) <= 2e-9 * abs(s)
    single = mv.gaussian_kl(np.zeros((1, 1), np.float32), np.full((1, 1), s, np.float32))[0]
    assert single >= 0 and abs(single - exact / 2) <= 1e-7 * abs(s)
    # what the plain formula gives
    assert np.exp(np.float32(-1e-4)) - np.float32(1) - np.float32(-1e-4) < 0


def test_eq_8_10_the_two_parts():
    for mu, s, sigma in zip(MU, LOGVAR, STD):
        nothing = np.zeros(3)
        holds("8.10", KL=by_quadrature(mu, s, nothing), L_mu=by_quadrature(mu, nothing, nothing),
              L_sigma2=by_quadrature(nothing, s, nothing), mu=mu, sigma=sigma)
        close(mv.gaussian_kl(mu[None], nothing[None])[0], page("8.10", 3)(mu=mu), 1e-13)
        close(mv.gaussian_kl(nothing[None], s[None])[0], page("8.10", 5)(sigma=sigma), 1e-13)


def test_eq_8_11_the_variance_part_is_smallest_at_0():
    for s in (-3.0, -0.5, 0.5, 2.0):
        holds("8.11", 0, s=s)
    (best,), value = lowest(lambda s: page("8.11", 0)(s=s), np.linspace(-4, 4, 8001))
    assert abs(best - page("8.11", 5)()) < 1e-9 and abs(value - page("8.11", 3)()) < 1e-15


def test_eq_8_12_the_essays_sum_is_plus_twice_the_kl():
    mu, s = np.array([0.0, 1.3]), np.array([1.0, -0.8])
    holds("8.12", KL=by_quadrature(mu, s, np.zeros(2)), s=s, mu=mu, sigma=np.exp(s / 2))


def test_eq_8_13_and_no_multiple_of_it_if_std_is_exp_sigma():
    sums, kls = [], []
    for mu, a in [(0.0, 1.0), (1.3, -0.8), (0.0, 0.1), (0.0, -3.0)]:
        kls.append(kl(log_normal(3 * LINE, mu, np.exp(2 * a)), log_normal(3 * LINE), 3 * LINE))
        holds("8.13", KL=kls[-1], a=a, mu=mu, sigma=np.exp(a), tol=1e-8)
        sums.append(formula("e^a-(1+a)+\\mu^2")(a=a, mu=mu))  # the essay's
    close([sums[0], kls[0]], [0.718, 2.195], 1e-3)  # as the page says
    assert np.ptp(np.divide(sums, kls)) > 0.5
    (best,), least = lowest(lambda a: page("8.13", 1)(a=a), np.linspace(-3, 2, 5001))
    assert abs(best) < 1e-9 and abs(least) < 1e-12  # it never exceeds 2 KL


def test_eq_8_14_the_naive_penalty_is_the_kl_to_second_order():
    mu = np.array([0.3, -0.5])
    for s in (0.2, -0.2, 0.02):
        both = np.array([s, -s / 2])
        divergence = by_quadrature(mu, both, np.zeros(2))
        rest = divergence - page("8.14", 1)(O=lambda cube: 0, mu=mu, s=both)
        close(rest / np.sum(both**3), 1 / 12, abs(s) / 10)
        holds("8.14", KL=divergence, O=lambda cube: cube * rest / np.sum(both**3), mu=mu, s=both)
    far = np.array([[-40.0]])  # far from the prior they part
    close(mv.gaussian_kl(0 * far, far)[0], 20 - 0.5)


def uniform(a, b):
    return a, b


def from_uniform(q, p):
    """KL from a uniform density on q = (a, b) to another, or to a Normal."""
    z = midpoints(*q)
    if isinstance(p, Normal):
        log_p = log_normal(z, p.mean, p.var)
    else:
        with np.errstate(divide="ignore"):
            log_p = np.log(np.where((z >= p[0]) & (z <= p[1]), 1 / (p[1] - p[0]), 0))
    return np.mean(-np.log(q[1] - q[0]) - log_p)


def test_eq_8_15_kl_between_uniforms():
    inside = {"a": 0.2, "b": 0.9, "c": -1.0, "d": 2.0}
    holds("8.15", KL=from_uniform, U=uniform, **inside)
    outside = {**inside, "a": -1.1}
    assert page("8.15", 0)(KL=from_uniform, U=uniform, **outside) == page("8.15", 6)() == math.inf
    with pytest.raises(AssertionError):
        holds("8.15", 1, **outside)
    holds("8.15", 1, a=-1.0, b=2.0, c=-1.0, d=2.0)


@pytest.mark.parametrize("a, b", [(-1.0, 1.0), (0.3, 2.0)])
def test_eq_8_16_kl_from_a_uniform_to_a_gaussian(a, b):
    holds("8.16", KL=from_uniform, U=uniform, a=a, b=b)


def test_eq_8_17_a_uniform_posterior_costs_a_constant_more():
    mu, sigma = 0.4, 0.6
    ends = (mu - 3**0.5 * sigma, mu + 3**0.5 * sigma)
    holds("8.17", KL=from_uniform, U=ends, mu=mu, sigma=sigma)
    gaussian = mv.gaussian_kl(np.array([[mu]]), 2 * np.log([[sigma]]))[0]
    close(page("8.17", 1)(mu=mu, sigma=sigma) - gaussian, 0.176, 1e-3)  # as the page says


def test_eq_8_18_full_covariance():
    mu, S = np.array([0.3, -0.8]), np.array([[1.2, 0.5], [0.5, 0.7]])
    L, inverse = np.linalg.cholesky(S), np.linalg.inv(S)

    def log_ratio(a, b):
        x, y = mu[0] + L[0, 0] * a, mu[1] + L[1, 0] * a + L[1, 1] * b
        u, v = x - mu[0], y - mu[1]
        square = inverse[0, 0] * u * u + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v * v
        return -0.5 * (np.log(np.linalg.det(S)) + square) + 0.5 * (x * x + y * y)

    def divergence(q, p):
        assert q.mean is mu and q.var is S and p.mean == 0 and np.all(p.var == np.eye(2))
        return expect(log_ratio, 2)
    holds("8.18", KL=divergence, mu=mu, S=S, I=np.eye(2), Z=2)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_eq_8_19_which_way_round(sigma):
    holds("8.19", KL=between, sigma=sigma)
    if sigma == 2:
        wide, narrow = Normal(0, 4.0), Normal(0, 1.0)
        # as the page says
        close([between(wide, narrow), between(narrow, wide)], [0.807, 0.318], 5e-4)


def test_eq_8_20_worked_number():
    holds("8.20", tol=5e-6)
    close(page("8.20", 0)(), between(Normal(2, 0.25), Normal(0, 1)))
    close(page("8.20", 0)(), mv.gaussian_kl(np.full((1, 1), 2.0),
                                            np.full((1, 1), 2 * np.log(0.5)))[0])
    close(page("8.10", 5)(sigma=np.array([0.5])), 0.318, 5e-4)  # as the page says
