"""Chapter 15: likelihood and linear models."""

import itertools
import math

import numpy as np
import pytest

import minivae as mv
from cases import GRID, LOGVAR, MEAN, MU, OBSERVED, PIXELS, PRIOR, TAU, W, curve, toy
from tools import LINE, close, expect, integrate, log_normal, normal, numeric, rng, variance


def test_eq_15_1_weights_average_to_the_likelihood():
    joint, evidence, _ = toy()
    q = log_normal(GRID, 0.4, 0.6)
    close(np.log(integrate(np.exp(q) * np.exp(joint - q), GRID)), evidence)
    z = 0.4 + 0.6**0.5 * rng().standard_normal(100_000)
    w = np.exp(log_normal(z) + log_normal(OBSERVED, curve(z), TAU**2) - log_normal(z, 0.4, 0.6))
    assert abs(w.mean() - np.exp(evidence)) < 4 * w.std() / 100_000**0.5  # 4 standard errors


def test_eq_15_3_the_bounds_rise_towards_log_p():
    q, w = np.array([0.5, 0.3, 0.2]), np.array([0.2, 1.5, 0.9])  # a code with three values, all K-tuples enumerated
    bounds = [sum(math.prod(q[list(ks)]) * math.log(np.mean(w[list(ks)])) for ks in itertools.product(range(3), repeat=K))
              for K in range(1, 8)]
    close(bounds[0], q @ np.log(w))
    assert np.all(np.diff(bounds) > 0) and bounds[-1] < math.log(q @ w)


def test_eq_15_4_the_weight_of_a_reparameterized_draw():
    mu, s, prior, eps = MU[:1], LOGVAR[:1], PRIOR, rng().standard_normal((1, 3))
    z = mu + np.exp(s / 2) * eps
    log_w = 7.0 * -1 + 0.5 * np.sum(eps**2 + s - (z - prior) ** 2)
    close(log_w, -7.0 + np.sum(log_normal(z, prior)) - np.sum(log_normal(z, mu, np.exp(s))))


def test_eq_15_5_how_far_below():
    share, low, high = 0.4, 0.5, 2.0  # a weight with two values: the mean of K of them is binomial
    p, var = share * high + (1 - share) * low, share * (1 - share) * (high - low) ** 2
    def bias(K):
        k = np.arange(K + 1)
        log_choose = np.array([math.lgamma(K + 1) - math.lgamma(j + 1) - math.lgamma(K - j + 1) for j in k])
        probability = np.exp(log_choose + k * math.log(share) + (K - k) * math.log(1 - share))
        return probability @ np.log((k * high + (K - k) * low) / K) - math.log(p)
    for K in (100, 400):
        assert abs(K * bias(K) + var / (2 * p**2)) < 2 / K


PPCA_X = rng().normal(size=(300, 5)) * np.array([3.0, 2.0, 1.0, 0.5, 0.4]) @ np.linalg.qr(rng().normal(size=(5, 5)))[0]
PPCA_X -= PPCA_X.mean(0)
PPCA_S = PPCA_X.T @ PPCA_X / 300
EIGENVALUES = np.linalg.eigvalsh(PPCA_S)[::-1]


def mean_log_density(C):
    values, vectors = np.linalg.eigh(C)
    return np.mean(np.sum(log_normal(PPCA_X @ vectors, 0, values), axis=1))  # one independent Gaussian per axis of C


def test_eq_15_8_a_linear_decoder_gives_a_gaussian():
    w, vx = np.array([0.8, -0.5]), 0.3
    C = np.outer(w, w) + vx * np.eye(2)
    for x in (np.array([0.4, 1.0]), np.array([-1.0, 0.2])):
        density = np.exp(-0.5 * x @ np.linalg.solve(C, x)) / (2 * np.pi * np.sqrt(np.linalg.det(C)))
        close(integrate(normal(LINE) * normal(x[0], w[0] * LINE, vx) * normal(x[1], w[1] * LINE, vx)), density)


def test_eq_15_9_log_likelihood_through_the_covariance():
    r = rng().normal(size=(5, 2))
    C = r @ r.T + 0.7 * np.eye(5)
    trace = np.trace(np.linalg.solve(C, PPCA_S))
    close(-0.5 * (5 * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + trace), mean_log_density(C))


def test_eq_15_10_and_of_all_weights_these_are_best():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    vectors = np.linalg.eigh(PPCA_S)[1][:, ::-1]
    rotation = np.linalg.qr(rng().normal(size=(2, 2)))[0]
    W = vectors[:, :2] * np.sqrt(EIGENVALUES[:2] - fit.variance) @ rotation
    close(W @ W.T, fit.W @ fit.W.T)
    def likelihood(W):
        return mean_log_density(W @ W.T + fit.variance * np.eye(5))
    close(numeric(likelihood, W, 1e-4), np.zeros((5, 2)), 1e-6)
    r = rng()
    assert all(likelihood(W + size * r.normal(size=(5, 2))) < likelihood(W) for size in (0.01, 0.3, 3.0) for _ in range(30))


def test_eq_15_11_the_best_noise_is_the_mean_of_the_discarded():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    close(fit.variance, EIGENVALUES[2:].mean())
    vectors = np.linalg.eigh(PPCA_S)[1][:, ::-1]
    def likelihood(v):
        U = vectors[:, :2] * np.sqrt(EIGENVALUES[:2] - v)
        return mean_log_density(U @ U.T + v * np.eye(5))
    assert all(likelihood(fit.variance) > likelihood(fit.variance * k) for k in (0.8, 0.99, 1.01, 1.2))


def test_eq_15_12_log_likelihood_at_the_maximum():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    by_hand = -0.5 * (5 * np.log(2 * np.pi) + np.log(EIGENVALUES[:2]).sum() + 3 * np.log(fit.variance) + 5)
    close(by_hand, mean_log_density(fit.W @ fit.W.T + fit.variance * np.eye(5)))
    close(fit.log_likelihood, by_hand)


def test_eq_15_13_posterior_of_a_linear_decoder():
    w, vx, x = np.array([[0.8, 0.3], [-0.5, 0.9], [0.1, 0.4]]), 0.3, np.array([0.4, 1.0, -0.2])
    z = np.linspace(-5, 5, 401)
    z1, z2 = np.meshgrid(z, z, indexing="ij")
    joint = normal(z1) * normal(z2) * np.prod([normal(x[i], w[i, 0] * z1 + w[i, 1] * z2, vx) for i in range(3)], axis=0)
    joint /= joint.sum()
    mean = np.array([np.sum(joint * z1), np.sum(joint * z2)])
    M = w.T @ w + vx * np.eye(2)
    close(mean, np.linalg.solve(M, w.T @ x), 1e-8)
    close(np.sum(joint * z1 * z2) - mean[0] * mean[1], (vx * np.linalg.inv(M))[0, 1], 1e-8)
    close(np.sum(joint * z2 * z2) - mean[1] ** 2, (vx * np.linalg.inv(M))[1, 1], 1e-8)


def test_eq_15_14_gap_of_the_linear_vae():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    for rotation, tight in ((np.eye(2), True), (turn, False)):
        w = fit.W @ rotation
        M = w.T @ w + fit.variance * np.eye(2)
        std = np.sqrt(fit.variance / np.diag(M))
        gap = 0.5 * (np.log(np.diag(M)).sum() - np.linalg.slogdet(M)[1])
        for x in PPCA_X[:2]:
            mu = np.linalg.solve(M, w.T @ x)
            def log_weight(a, b):
                z = np.stack([mu[0] + std[0] * a, mu[1] + std[1] * b], axis=-1)
                return (log_normal(x, z @ w.T, fit.variance).sum(-1) + log_normal(z).sum(-1)
                        - log_normal(a) - log_normal(b) + np.log(std).sum())
            C = fit.W @ fit.W.T + fit.variance * np.eye(5)
            log_p = -0.5 * (5 * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + x @ np.linalg.solve(C, x))
            close(log_p - expect(log_weight, 2), gap)
        assert (gap < 1e-12) == tight


def linear_unit(lam, vx, beta):
    """The best a, log variance and w for one latent and one coordinate of variance lam, by gradient descent."""
    def cost(p):  # of one example on average, as written out above eq. (15.15)
        a, s, w = p
        return (lam * (1 - w * a) ** 2 + w**2 * np.exp(s)) / (2 * vx) + beta / 2 * (a**2 * lam + np.exp(s) - s - 1)
    p = np.array([0.3, -0.5, 0.4])
    for _ in range(3000):
        p = p - 0.03 * numeric(cost, p)
    close(numeric(cost, p), np.zeros(3), 1e-6)
    return p


@pytest.mark.parametrize("lam, vx, beta, active", [(2.0, 0.5, 1.0, True), (2.0, 0.5, 3.0, True), (2.0, 1.0, 3.0, False),
                                                   (0.6, 1.0, 1.0, False)])
def test_eq_15_15_a_unit_lives_if_its_eigenvalue_is_large_enough(lam, vx, beta, active):
    a, s, w = linear_unit(lam, vx, beta)
    assert active == (lam > beta * vx)
    close(w**2, max(lam - beta * vx, 0), 1e-6)


def test_eq_15_16_what_a_living_unit_costs():
    lam, vx, beta = 2.0, 0.5, 3.0
    a, s, w = linear_unit(lam, vx, beta)
    close(np.exp(s), beta * vx / lam, 1e-7)
    close(a**2 * lam, 1 - beta * vx / lam, 1e-7)
    close(0.5 * (a**2 * lam + np.exp(s) - s - 1), 0.5 * np.log(lam / (beta * vx)), 1e-7)


def test_eq_15_17_beta_is_a_decoder_variance():
    vx, beta = 0.3, 4.0
    kls = mv.gaussian_kl(MU, LOGVAR)
    with_beta = mv.gaussian_nll(MEAN, np.log(vx), PIXELS) - 1.5 * np.log(2 * np.pi * vx) + beta * kls
    another_model = mv.gaussian_nll(MEAN, np.log(beta * vx), PIXELS) - 1.5 * np.log(2 * np.pi * beta * vx) + kls
    close(with_beta, beta * another_model)


def test_eq_15_18_mean_over_pixels_is_beta_d():
    D = 12
    x = rng().random((4, D))
    grads = []
    for scale, beta in ((1.0, float(D)), (1 / D, 1.0)):
        model = mv.VAE(D, (5,), 2, dtype=np.float64, rng=np.random.default_rng(3))
        nll, kls = model.terms(x, np.random.default_rng(4))
        np.mean(scale * nll + beta * kls).backward()
        grads.append(np.concatenate([p.grad.ravel() for p in model.parameters()]))
    close(grads[1], grads[0] / D, 1e-13)
