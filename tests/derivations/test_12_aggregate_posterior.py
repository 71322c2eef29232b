"""Chapter 12: the aggregate posterior of four examples; of two latents where that matters."""

import math

import numpy as np
import pytest

import minivae as mv
from cases import OBSERVED, TAU, curve, midpoints
from page import holds, page
from tools import (LINE, NODES, WEIGHTS, close, expect, integrate, kl, log_normal, normal, quantile,
                   rng)

Q_MU, Q_LOGVAR = np.array([-1.5, -0.2, 0.4, 1.6]), np.array([-1.0, -0.5, -2.0, -1.5])
POSTERIORS = np.array([log_normal(LINE, m, np.exp(s)) for m, s in zip(Q_MU, Q_LOGVAR)])
PRIOR = log_normal(LINE)
EXAMPLES = np.arange(1, 5)


def aggregate(posteriors):
    """log q(z), from the page's mixture."""
    mixture = page("12.1", 1)(N=len(posteriors), z=LINE, x=np.arange(1, len(posteriors) + 1),
                              q=lambda z, n: np.exp(posteriors[n - 1]))
    return np.log(np.maximum(mixture, 1e-300))


AGGREGATE = aggregate(POSTERIORS)
SYMBOLS = {"N": 4, "x": EXAMPLES, "z": 0, "KL": kl, "q": lambda z, n: POSTERIORS[n - 1],
           "q_z": AGGREGATE, "p_z": PRIOR}
INFORMATION = page("12.4", 3)(**SYMBOLS)


def test_eq_12_1_what_random_images_give_as_codes():
    draws = np.concatenate([m + np.exp(s / 2) * NODES for m, s in zip(Q_MU, Q_LOGVAR)])
    weights = np.tile(WEIGHTS, 4) / 4  # each image as often as any other
    for power in (0, 1, 2, 3, 4):
        close(integrate(LINE**power * np.exp(AGGREGATE)), weights @ draws**power)


def test_eq_12_2_if_every_posterior_is_the_prior():
    z = np.linspace(-3, 3, 13)
    mixture = page("12.1", 1)(N=4, z=z, x=EXAMPLES, q=lambda z, n: normal(z))
    holds("12.2", 0, q_z=mixture, N=4, z=z, I=1)
    holds("12.2", 1, P_n_given_z=0.25, n=2, z=z, N=4, x=EXAMPLES, q=lambda z, n=None: normal(z))


def test_eq_12_3_mean_and_covariance():
    mu, var = rng().normal(size=(5, 2)), rng().random((5, 2))

    def moment(n, *latents):
        def product(*eps):
            return math.prod(mu[n, k] + var[n, k] ** 0.5 * eps[k] for k in latents)
        return expect(product, 2)
    first = np.array([np.mean([moment(n, i) for n in range(5)]) for i in (0, 1)])
    second = np.array([[np.mean([moment(n, i, j) for n in range(5)]) for j in (0, 1)]
                       for i in (0, 1)])
    symbols = {"N": 5, "mu": mu, "mu_q": first, "sigma": var**0.5, "z": 0}
    holds("12.3", **symbols, Cov=lambda z: second - np.outer(first, first))


def test_eq_12_4_the_exact_split():
    holds("12.4", **SYMBOLS, I_nz=INFORMATION)
    close(page("12.4", 0)(**SYMBOLS), mv.gaussian_kl(Q_MU[:, None], Q_LOGVAR[:, None]).mean())
    # I by another route: the entropy of the mixture less the mean entropy of its parts
    entropies = 0.5 * (np.log(2 * np.pi) + 1 + Q_LOGVAR)
    close(INFORMATION, -integrate(np.exp(AGGREGATE) * AGGREGATE) - entropies.mean())


def test_eq_12_5_information_is_at_most_log_n():
    apart = np.array([log_normal(LINE, m, 1e-2) for m in (-6.0, -2.0, 2.0, 6.0)])
    together = np.logaddexp.reduce(apart, axis=0) - np.log(4)
    known = np.mean([kl(q, together) for q in apart])
    close(known, page("12.5", 2)(N=4))  # reached when no two codes can be confused
    for information in (INFORMATION, known - 1e-12):
        holds("12.5", I_nz=information, N=4)


def test_eq_12_6_average_elbo_with_the_split():
    xs = np.array([-0.8, 0.1, 0.3, 0.9])
    log_likelihoods = [log_normal(x, curve(LINE), TAU**2) for x in xs]
    bounds = [integrate(np.exp(q) * (l + PRIOR - q)) for q, l in zip(POSTERIORS, log_likelihoods)]
    reconstruction = [integrate(np.exp(q) * l) for q, l in zip(POSTERIORS, log_likelihoods)]
    holds("12.6", N=4, n=EXAMPLES, x=EXAMPLES, z=0, L_b=lambda n: bounds[n - 1], I_nz=INFORMATION,
          KL=kl,
          q_z=AGGREGATE, p_z=PRIOR, p=lambda n, z: np.exp(reconstruction[n - 1]),
          E=lambda log_p: log_p)


def test_eq_12_7_the_gaussian_part_of_the_marginal_kl():
    mean = page("12.3", 1)(N=4, mu=Q_MU)
    fit = log_normal(LINE, mean, np.exp(Q_LOGVAR).mean() + Q_MU.var())
    holds("12.7", q_z=AGGREGATE, p=PRIOR, r=fit, KL=kl, z=0)


def test_eq_12_8_the_quantile_code_is_standard_normal():
    f = midpoints(0, 1, 4000)
    z = page("12.8", 1)(f=f)
    for t in (-1.5, 0.0, 0.7):
        close(np.mean(z <= t), integrate(normal(LINE)[LINE <= t], LINE[LINE <= t]), 1 / 2000)
    close([z.mean(), z.var()], [0, 1], 2e-3)
    close(z, [quantile(share) for share in f])


# Two latents on a grid: a mixture of two Gaussians whose latents hang together.

AXIS = np.linspace(-9, 9, 601)
STEP = AXIS[1] - AXIS[0]
Z1, Z2 = np.meshgrid(AXIS, AXIS, indexing="ij")


def log_gaussian(mean, covariance):
    away = np.stack([Z1, Z2], axis=-1) - mean
    return -0.5 * (np.log(np.linalg.det(2 * np.pi * covariance))
                   + np.sum(away @ np.linalg.inv(covariance) * away, axis=-1))


def kl_on_grid(p, q):
    """KL from log densities on the square; or on an axis, if they depend on one latent only."""
    step = STEP ** sum(size > 1 for size in np.shape(p))
    return np.sum(np.exp(p) * (p - q)) * step


def log_marginal(log_q, axis):
    return np.log(np.sum(np.exp(log_q), axis=axis, keepdims=True) * STEP)


S = np.array([[0.8, 0.5], [0.5, 1.3]])
TWO = {"one Gaussian": log_gaussian(np.zeros(2), S),
       "a mixture": np.logaddexp(log_gaussian([1.0, 0.8], 0.3 * S),
                                 log_gaussian([-0.9, -1.0], 0.2 * S)) - np.log(2)}


@pytest.mark.parametrize("log_q", TWO.values(), ids=TWO)
def test_eq_12_9_total_correlation(log_q):
    marginals = {1: log_marginal(log_q, 1), 2: log_marginal(log_q, 0)}
    priors = {1: log_normal(AXIS)[:, None], 2: log_normal(AXIS)[None]}
    joint_prior = priors[1] + priors[2]
    densities = {"z": {1: 1, 2: 2}, "q_z": log_q, "p_z": joint_prior}
    product = page("12.9", 3)(**densities, KL=lambda p, q: kl_on_grid(p, np.log(q)),
                              q=lambda j: np.exp(marginals[j]) + 0 * log_q)
    holds("12.9", 0, tol=1e-6, **densities, KL=kl_on_grid, q=lambda j: marginals[j],
          p=lambda j: priors[j], TC=product)
    assert product > 0.1


def test_eq_12_10_total_correlation_of_a_gaussian():
    log_q = TWO["one Gaussian"]
    independent = log_marginal(log_q, 1) + log_marginal(log_q, 0)
    holds("12.10", tol=1e-6, TC=kl_on_grid(log_q, independent), S=S)


def test_eq_12_11_the_best_prior_is_the_aggregate():
    tries = [AGGREGATE, PRIOR, log_normal(LINE, 0.1, 2.0), aggregate(POSTERIORS[:3]),
             np.log(0.99 * np.exp(AGGREGATE) + 0.01 * np.exp(PRIOR))]
    symbols = {**SYMBOLS, "KL": lambda q, p: np.array([kl(q, r) for r in p]), "p": tries,
               "I_nz": INFORMATION}
    holds("12.11", 0, **symbols)
    costs = np.mean([symbols["KL"](q, tries) for q in POSTERIORS], axis=0)
    holds("12.11", 1, p_z=tries[np.argmin(costs)], q_z=AGGREGATE)


def test_eq_12_12_the_kl_from_samples_for_any_prior():
    mu, s = np.array([0.4, -0.3]), np.array([-0.5, 0.3])
    priors = {"two bumps": lambda z: np.log(0.3 * normal(z, -1, 0.5) + 0.7 * normal(z, 1, 1.5)),
              "logistic": lambda z: -z - 2 * np.log1p(np.exp(-z))}
    for log_p in priors.values():
        by_quadrature = sum(kl(log_normal(LINE, m, np.exp(v)), log_p(LINE)) for m, v in zip(mu, s))
        eps = np.random.default_rng(0).standard_normal((2, 200_000))
        each = page("12.12", 1)(s=s[:, None] * np.ones(eps.shape[1]), eps=eps, mu=mu[:, None],
                                sigma=np.exp(s / 2)[:, None],
                                p=lambda z: np.exp(log_p(z).sum(axis=0)), E=lambda values: values)
        # 4 standard errors
        assert abs(each.mean() - by_quadrature) < 4 * each.std() / each.size**0.5
        exact = page("12.12", 1)(s=s[:1, None], eps=LINE[None], mu=mu[0], sigma=np.exp(s[0] / 2),
                                 p=lambda z: np.exp(log_p(z[0])),
                                 E=lambda values: integrate(normal(LINE) * values))
        close(exact, kl(log_normal(LINE, mu[0], np.exp(s[0])), log_p(LINE)), 1e-7)


def test_eq_12_13_a_gap_that_can_be_seen_at_once():
    holds("12.13", **SYMBOLS)
    narrow = np.array([log_normal(LINE, m, 1e-4) for m in (-1.0, 1.0)])
    mixture = np.logaddexp(*narrow) - np.log(2)
    symbols = {**SYMBOLS, "N": 2, "x": np.arange(1, 3), "q": lambda z, n: narrow[n - 1],
               "q_z": mixture}
    # equal where no two codes can be confused
    close(page("12.13", 0)(**symbols), page("12.13", 1)(**symbols))


def test_the_two_images_of_the_worked_number():
    for mu, var, expected in ((0.8, 0.36, [0.511, 0.473, 0.038]),
                              (0.98, 0.0396, [1.614, 0.693, 0.921])):
        pair = np.array([log_normal(LINE, m, var) for m in (mu, -mu)])
        symbols = {**SYMBOLS, "N": 2, "x": np.arange(1, 3), "q": lambda z, n: pair[n - 1],
                   "q_z": aggregate(pair)}
        found = [page("12.4", 0)(**symbols), page("12.4", 3)(**symbols), kl(aggregate(pair), PRIOR)]
        close(found, expected, 6e-4)
        close(page("12.3", 3)(N=2, mu=np.array([[mu], [-mu]]), mu_q=np.zeros(1),
                              sigma=np.full((2, 1), var**0.5)), [[1.0]])
