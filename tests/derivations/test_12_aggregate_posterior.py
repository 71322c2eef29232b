"""Chapter 12: the aggregate posterior of four examples."""

import math

import numpy as np

import minivae as mv
from cases import TAU, curve, midpoints
from tools import LINE, close, expect, integrate, kl, log_normal, normal, quantile, rng


Q_MU, Q_LOGVAR = np.array([-1.5, -0.2, 0.4, 1.6]), np.array([-1.0, -0.5, -2.0, -1.5])
POSTERIORS = np.array([log_normal(LINE, m, np.exp(s)) for m, s in zip(Q_MU, Q_LOGVAR)])
AGGREGATE = np.log(np.exp(POSTERIORS).mean(axis=0))
INFORMATION = np.mean([kl(q, AGGREGATE) for q in POSTERIORS])


def test_eq_12_2_if_every_posterior_is_the_prior():
    q = np.tile(log_normal(LINE), (4, 1))
    aggregate = np.exp(q).mean(axis=0)
    close(aggregate, normal(LINE))
    close(np.exp(q) / 4 / aggregate, 0.25)
    close(np.mean([kl(q_n, np.log(aggregate)) for q_n in q]), 0)


def test_eq_12_3_mean_and_covariance():
    close(integrate(LINE * np.exp(AGGREGATE)), Q_MU.mean())
    close(integrate((LINE - Q_MU.mean()) ** 2 * np.exp(AGGREGATE)), np.exp(Q_LOGVAR).mean() + Q_MU.var())
    mu, var = rng().normal(size=(5, 2)), rng().random((5, 2))  # two latents: a covariance, component by component
    def moment(n, i, j):
        def product(*eps):
            return math.prod(mu[n, k] + var[n, k] ** 0.5 * eps[k] for k in (i, j))
        return expect(product, 2)
    second = np.array([[np.mean([moment(n, i, j) for n in range(5)]) for j in (0, 1)] for i in (0, 1)])
    centred = mu - mu.mean(0)
    close(second - np.outer(mu.mean(0), mu.mean(0)), np.diag(var.mean(0)) + centred.T @ centred / 5)


def test_eq_12_4_the_exact_split():
    mean_kl = mv.gaussian_kl(Q_MU[:, None], Q_LOGVAR[:, None]).mean()
    close(mean_kl, INFORMATION + kl(AGGREGATE, log_normal(LINE)))


def test_eq_12_5_information_is_at_most_log_n():
    assert 0 < INFORMATION < math.log(4)
    apart = np.array([log_normal(LINE, m, 1e-2) for m in (-6.0, -2.0, 2.0, 6.0)])
    together = np.log(np.exp(apart).mean(axis=0) + 1e-300)
    close(np.mean([kl(q, together) for q in apart]), math.log(4))


def test_eq_12_6_average_elbo_with_the_split():
    xs = np.array([-0.8, 0.1, 0.3, 0.9])
    log_likelihoods = [log_normal(x, curve(LINE), TAU**2) for x in xs]
    bounds = [integrate(np.exp(q) * (l + log_normal(LINE) - q)) for q, l in zip(POSTERIORS, log_likelihoods)]
    reconstruction = np.mean([integrate(np.exp(q) * l) for q, l in zip(POSTERIORS, log_likelihoods)])
    close(np.mean(bounds), reconstruction - INFORMATION - kl(AGGREGATE, log_normal(LINE)))


def test_eq_12_7_the_gaussian_part_of_the_marginal_kl():
    fit = log_normal(LINE, Q_MU.mean(), np.exp(Q_LOGVAR).mean() + Q_MU.var())
    close(kl(AGGREGATE, log_normal(LINE)), kl(AGGREGATE, fit) + kl(fit, log_normal(LINE)))


def test_eq_12_8_the_quantile_code_is_standard_normal():
    z = np.array([quantile(f) for f in midpoints(0, 1, 4000)])
    for t in (-1.5, 0.0, 0.7):
        close(np.mean(z <= t), integrate(normal(LINE)[LINE <= t], LINE[LINE <= t]), 1 / 2000)
    close([z.mean(), z.var()], [0, 1], 2e-3)
