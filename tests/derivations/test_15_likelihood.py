"""Chapter 15: likelihood, linear models, and which units live."""

import itertools
import math
from statistics import stdev

import numpy as np
import pytest

import minivae as mv
from cases import GRID, LOGVAR, MEAN, MU, OBSERVED, PIXELS, PRIOR, TAU, curve, toy
from page import holds, page
from tools import LINE, close, expect, integrate, kl, log_normal, normal, numeric, rng


def test_eq_15_1_weights_average_to_the_likelihood():
    joint, evidence, _ = toy()
    q = log_normal(GRID, 0.4, 0.6)
    symbols = {"z": GRID, "q_z_given_x": np.exp(q), "p_xz": np.exp(joint), "w": np.exp(joint - q),
               "E": lambda values: integrate(np.exp(q) * values, GRID)}
    holds("15.1", **symbols, p_x=np.exp(evidence))
    z = 0.4 + 0.6**0.5 * rng().standard_normal(100_000)
    w = np.exp(log_normal(z) + log_normal(OBSERVED, curve(z), TAU**2) - log_normal(z, 0.4, 0.6))
    error = page("15.1", 2)(w=w, E=np.mean) - np.exp(evidence)
    assert abs(error) < 4 * w.std() / 100_000**0.5  # 4 standard errors


Q = np.array([0.5, 0.3, 0.2])  # for a code with three values
WEIGHT = np.array([0.2, 1.5, 0.9])  # of each


def outcomes(K):
    """Every choice of K codes: the probability of each, and their weights, (3**K, K)."""
    chosen = np.array(list(itertools.product(range(3), repeat=K)))
    return np.prod(Q[chosen], axis=1), WEIGHT[chosen]


def importance_bound(K):
    """L_K, as the page defines it, by enumeration."""
    probability, weights = outcomes(K)
    return page("15.2", 1)(K=K, w=lambda k: weights[:, k - 1],
                           E=lambda values: probability @ values)


def test_eq_15_2_the_importance_weighted_bound():
    close(importance_bound(1), Q @ np.log(WEIGHT))
    pairs = [Q[i] * Q[k] * math.log((WEIGHT[i] + WEIGHT[k]) / 2)
             for i in range(3) for k in range(3)]
    close(importance_bound(2), sum(pairs))
    weights = np.exp(rng().normal(size=(4, 6)))
    by_page = [page("15.2", 1)(K=6, w=row, E=lambda value: value) for row in weights]
    close(mv.evaluate.log_mean_exp(np.log(weights).T), by_page)


def test_eq_15_3_the_bounds_rise_towards_log_p():
    symbols = {"L_b": Q @ np.log(WEIGHT), "p_x": Q @ WEIGHT}
    for K in range(1, 8):
        holds("15.3", **symbols, L=importance_bound, K=K)
    exact_q = {"w": lambda k: 0.7, "E": lambda value: value}  # then every weight is p(x)
    close(page("15.2", 1)(K=3, **exact_q), page("15.3", 4)(p_x=0.7))


def test_eq_15_4_the_weight_of_a_reparameterized_draw():
    mu, s, eps = MU[0], LOGVAR[0], rng().standard_normal(3)
    z = mu + np.exp(s / 2) * eps
    log_w = -7.0 + np.sum(log_normal(z, PRIOR)) - np.sum(log_normal(z, mu, np.exp(s)))
    holds("15.4", w=np.exp(log_w), nll=7.0, eps=eps, s=s, z=z, mu_p=PRIOR)


def test_eq_15_5_how_far_below():
    share, low, high = 0.4, 0.5, 2.0  # a weight with two values: the mean of K of them is binomial
    p, var = share * high + (1 - share) * low, share * (1 - share) * (high - low) ** 2

    def bound(K):
        k = np.arange(K + 1)
        log_choose = np.array([math.lgamma(K + 1) - math.lgamma(j + 1) - math.lgamma(K - j + 1)
                               for j in k])
        probability = np.exp(log_choose + k * math.log(share) + (K - k) * math.log(1 - share))
        return probability @ np.log((k * high + (K - k) * low) / K)

    def by_page(K, size):
        return page("15.5", 1)(p_x=p, w=0, Var=lambda w: var, K=K, O=lambda power: size * power)
    def size_of_the_rest(K):
        return (bound(K) - by_page(K, 0)) / (by_page(K, 1) - by_page(K, 0))
    rest = [size_of_the_rest(K) for K in (200, 400, 800)]
    assert 0.05 < abs(rest[0]) < 0.5
    close(rest[1:], rest[0], 5e-3)
    for K in (200, 800):
        close(page("15.5", 0)(L=bound, K=K), by_page(K, rest[0]), 1e-7)


def test_eq_15_6_standard_error():
    values = rng().normal(size=7)
    by_page = page("15.6", 1)(n=7, a=values, a_bar=values.mean())
    close(by_page, stdev(values) / 7**0.5)
    model, x = mv.VAE(6, (4,), 2, dtype=np.float64, rng=rng()), rng().random((7, 6))
    found = mv.evaluate.log_likelihood(model, x, 3, rng())
    a = found.per_example
    close(found.standard_error, page("15.6", 1)(n=7, a=a, a_bar=a.mean()))


@pytest.mark.parametrize("variance, active",
                         [(0.0101, True), (0.0099, False), (2.0, True), (0.0, False)])
def test_eq_15_7_active_units(variance, active):
    x = np.array([[0.0], [1.0]])
    model = mv.VAE(1, (), 1, dtype=np.float64, rng=rng())
    model.encoder.layers[0].weight.data[...] = [[2 * variance**0.5, 0.0]]
    symbols = {"x": x, "mu": lambda x: model.encode(x)[0].data, "Var": np.var}
    assert mv.evaluate.active_units(model, x)[0] == active
    if active:
        holds("15.7", **symbols)
    else:
        with pytest.raises(AssertionError, match="15.7"):
            holds("15.7", **symbols)


# Probabilistic PCA, on 300 examples with 5 pixels.

ROTATION = np.linalg.qr(rng().normal(size=(5, 5)))[0]
DATA = rng().normal(size=(300, 5)) * np.array([3.0, 2.0, 1.0, 0.5, 0.4]) @ ROTATION
CENTRE = DATA.mean(axis=0)
COVARIANCE = (DATA - CENTRE).T @ (DATA - CENTRE) / 300
EIGENVALUES, AXES = (part[..., ::-1] for part in np.linalg.eigh(COVARIANCE))
TURN = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])


def log_densities(C, x=DATA):
    """log N(x; CENTRE, C), as independent Gaussians along the axes of C."""
    values, vectors = np.linalg.eigh(C)
    return np.sum(log_normal((x - CENTRE) @ vectors, 0, values), axis=1)


def test_eq_15_8_a_linear_decoder_gives_a_gaussian():
    W, b, sigma_x = np.array([[0.8], [-0.5]]), np.array([0.1, -0.2]), 0.3**0.5
    C = page("15.8", 3)(W=W, sigma_x=sigma_x, I=np.eye(2))
    for x in (np.array([0.4, 1.0]), np.array([-1.0, 0.2])):
        means = b[:, None] + W * LINE
        given_z = normal(x[0], means[0], sigma_x**2) * normal(x[1], means[1], sigma_x**2)
        integral = integrate(normal(LINE) * given_z)
        holds("15.8", p_x=integral, x=x, b=b, W=W, C=C, sigma_x=sigma_x, I=np.eye(2))
        model = mv.evaluate.PPCA(b, W, sigma_x**2)
        close(model.log_prob(x[None])[0], np.log(page("15.8", 1)(x=x, b=b, C=C)))


def test_eq_15_9_log_likelihood_through_the_covariance():
    r = rng().normal(size=(5, 2))
    C = r @ r.T + 0.7 * np.eye(5)
    densities = np.exp(log_densities(C))
    holds("15.9", N=300, x=np.arange(300), p=lambda n: densities[n], D=5, C=C, S=COVARIANCE)


def best_weights(sigma_x, R=np.eye(2)):
    return page("15.10", 1)(U=AXES[:, :2], Lambda=np.diag(EIGENVALUES[:2]), sigma_x=sigma_x,
                            I=np.eye(2), R=R)


def likelihood(W, variance):
    return log_densities(W @ W.T + variance * np.eye(5)).mean()


def test_eq_15_10_and_of_all_weights_these_are_best():
    fit = mv.evaluate.ppca(DATA, 2)
    W = best_weights(fit.variance**0.5, TURN)
    close(W @ W.T, fit.W @ fit.W.T)
    close(numeric(lambda W: likelihood(W, fit.variance), W, 1e-4), np.zeros((5, 2)), 1e-6)
    r = rng()
    tries = [W + size * r.normal(size=(5, 2)) for size in (0.01, 0.3, 3.0) for _ in range(30)]
    assert all(likelihood(other, fit.variance) < likelihood(W, fit.variance) for other in tries)


def test_eq_15_11_the_best_noise_is_the_mean_of_the_discarded():
    fit = mv.evaluate.ppca(DATA, 2)
    holds("15.11", sigma_x=fit.variance**0.5, D=5, Z=2, lam=EIGENVALUES)
    best = page("15.11", 1)(D=5, Z=2, lam=EIGENVALUES)

    def with_variance(variance):
        return likelihood(best_weights(variance**0.5), variance)
    assert all(with_variance(best) > with_variance(k * best) for k in (0.8, 0.99, 1.01, 1.2))


def test_eq_15_12_log_likelihood_at_the_maximum():
    fit, r = mv.evaluate.ppca(DATA, 2), rng()
    candidates = [(fit.W, fit.variance)]
    candidates += [(fit.W + 0.3 * r.normal(size=(5, 2)), fit.variance * np.exp(0.3 * r.normal()))
                   for _ in range(50)]
    densities = np.array([np.exp(log_densities(W @ W.T + v * np.eye(5))) for W, v in candidates])
    symbols = {"N": 300, "D": 5, "Z": 2, "lam": EIGENVALUES, "sigma_x": fit.variance**0.5}
    holds("15.12", **symbols, x=np.arange(300), p=lambda n: densities[:, n])
    close(fit.log_likelihood, page("15.12", 1)(**symbols))


def test_eq_15_13_posterior_of_a_linear_decoder():
    W = np.array([[0.8, 0.3], [-0.5, 0.9], [0.1, 0.4]])
    b = np.array([0.2, 0.0, -0.1])
    variance = 0.3
    x = np.array([0.4, 1.0, -0.2])
    axis = np.linspace(-5, 5, 401)
    z = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    log_joint = log_normal(z).sum(axis=-1) + log_normal(x, z @ W.T + b, variance).sum(axis=-1)
    posterior = np.exp(log_joint) / np.sum(np.exp(log_joint)) / (axis[1] - axis[0]) ** 2
    M = page("15.13", 3)(W=W, sigma_x=variance**0.5, I=np.eye(2))
    holds("15.13", tol=1e-7, p_z_given_x=posterior, z=z, M=M, W=W, x=x, b=b, sigma_x=variance**0.5,
          I=np.eye(2))


@pytest.mark.parametrize("R, tight", [(np.eye(2), True), (np.eye(2)[::-1], True), (TURN, False)])
def test_eq_15_14_gap_of_the_linear_vae(R, tight):
    variance = mv.evaluate.ppca(DATA, 2).variance
    W = best_weights(variance**0.5, R)
    M = page("15.13", 3)(W=W, sigma_x=variance**0.5, I=np.eye(2))
    std = np.sqrt(variance / np.diag(M))
    for x in DATA[:2]:
        mu = np.linalg.solve(M, W.T @ (x - CENTRE))

        def log_weight(*eps):
            z = mu + std * np.stack(eps, axis=-1)
            log_likelihood = log_normal(x, z @ W.T + CENTRE, variance).sum(axis=-1)
            log_q = sum(log_normal(e) for e in eps) - np.log(std).sum()
            return log_likelihood + log_normal(z).sum(axis=-1) - log_q
        log_p = log_densities(W @ W.T + variance * np.eye(5), x[None])[0]
        holds("15.14", p_x=np.exp(log_p), L_b=expect(log_weight, 2), M=M)
    assert (abs(page("15.14", 1)(M=M)) < 1e-12) == tight


# One latent and one coordinate.

def linear_unit(lam, variance, beta):
    """The best a, log variance and w for a coordinate of variance lam, by gradient descent."""
    def cost(p):  # of one example on average, as written out above eq. (15.15)
        a, s, w = p
        error = lam * (1 - w * a) ** 2 + w**2 * np.exp(s)
        return error / (2 * variance) + beta / 2 * (a**2 * lam + np.exp(s) - s - 1)
    p = np.array([0.3, -0.5, 0.4])
    for _ in range(3000):
        p = p - 0.03 * numeric(cost, p)
    close(numeric(cost, p), np.zeros(3), 1e-6)
    return p


@pytest.mark.parametrize("lam, variance, beta, active",
                         [(2.0, 0.5, 1.0, True), (2.0, 0.5, 3.0, True),
                          (2.0, 1.0, 3.0, False), (0.6, 1.0, 1.0, False)])
def test_eq_15_15_a_unit_lives_if_its_eigenvalue_is_large_enough(lam, variance, beta, active):
    a, s, w = linear_unit(lam, variance, beta)
    symbols = {"lam": lam, "beta": beta, "sigma_x": variance**0.5, "w": w}
    if active:
        holds("15.15", tol=1e-6, **symbols)
    else:
        close(w, 0, 1e-5)
        with pytest.raises(AssertionError, match="15.15"):
            holds("15.15", 0, **symbols)


def test_eq_15_16_what_a_living_unit_costs():
    for lam, variance, beta in ((2.0, 0.5, 3.0), (1.5, 0.4, 1.0)):
        a, s, _ = linear_unit(lam, variance, beta)
        cost = 0.5 * (a**2 * lam + np.exp(s) - s - 1)
        holds("15.16", tol=1e-7, KL=cost, sigma=np.exp(s / 2), mu=a, Var=lambda a: a**2 * lam,
              lam=lam, beta=beta, sigma_x=variance**0.5)


def test_eq_15_17_beta_is_a_decoder_variance():
    variance, beta = 0.3, 4.0
    symbols = {"x": PIXELS, "x_hat": MEAN, "sigma_x": variance**0.5, "beta": beta,
               "KL": mv.gaussian_kl(MU, LOGVAR)}
    holds("15.17", **symbols)

    def without_constant(variance):
        return mv.gaussian_nll(MEAN, np.log(variance), PIXELS) - 1.5 * np.log(2 * np.pi * variance)
    close(without_constant(variance) + beta * symbols["KL"], page("15.17", 0)(**symbols))
    close(beta * (without_constant(beta * variance) + symbols["KL"]), page("15.17", 1)(**symbols))


def test_eq_15_18_mean_over_pixels_is_beta_d():
    D, grads = 12, []
    x = rng().random((4, D))
    for side in (0, 1):
        model = mv.VAE(D, (5,), 2, dtype=np.float64, rng=np.random.default_rng(3))
        nll, kls = model.terms(x, np.random.default_rng(4))
        holds("15.18", nll=nll.data, KL=kls.data, D=D)
        by_hand = np.mean(nll / D + kls) if side else np.mean(nll + D * kls) / D
        close(by_hand.item(), page("15.18", side)(nll=nll.data, KL=kls.data, D=D).mean())
        by_hand.backward()
        grads.append(np.concatenate([p.grad.ravel() for p in model.parameters()]))
    close(grads[1], grads[0], 1e-13)


@pytest.mark.parametrize("ratio", [0.55, 0.8, 1.0, 4.0])
def test_eq_15_19_the_variance_of_the_weights(ratio):
    sigma_0, evidence = 0.7, 0.3
    sigma = sigma_0 * ratio**0.5
    z = np.linspace(-60, 60, 200_001)
    # of posterior and q, which is w / p(x)
    log_ratio = log_normal(z, 0, sigma_0**2) - log_normal(z, 0, sigma**2)
    variance = integrate(np.exp(2 * log_ratio + log_normal(z, 0, sigma**2)), z) - 1
    holds("15.19", tol=1e-8, w=0, Var=lambda w: variance * evidence**2, p_x=evidence, sigma=sigma,
          sigma_0=sigma_0)
    with pytest.raises(AssertionError, match="15.19"):
        holds("15.19", 1, sigma=(0.49 * sigma_0**2) ** 0.5, sigma_0=sigma_0)
    holds("15.19", 1, sigma=(0.51 * sigma_0**2) ** 0.5, sigma_0=sigma_0)


@pytest.mark.parametrize("K", [1, 2, 5])
def test_eq_15_20_the_gap_as_a_mean_without_negative_terms(K):
    probability, weights = outcomes(K)
    v = weights.mean(axis=1) / (Q @ WEIGHT)
    holds("15.20", p_x=Q @ WEIGHT, L=importance_bound, K=K, v=v,
          E=lambda values: probability @ values)
    assert np.all(page("15.20", 1)(v=v, E=lambda values: values) >= 0)


def rate_and_error(eigenvalues, variance, beta):
    """Of the best linear units, one for each eigenvalue, by gradient descent."""
    rate = error = 0
    for lam in eigenvalues:
        a, s, w = linear_unit(lam, variance, beta)
        rate += 0.5 * (a**2 * lam + np.exp(s) - s - 1)
        error += lam * (1 - w * a) ** 2 + w**2 * np.exp(s)
    return rate, error


def test_eq_15_21_rate_and_error_of_linear_units():
    eigenvalues, variance, beta = np.array([2.0, 1.5, 0.6]), 0.5, 2.0
    rate, error = rate_and_error(eigenvalues, variance, beta)
    holds("15.21", tol=1e-6, rate=rate, lam=eigenvalues, t=beta * variance, x=np.zeros(1),
          x_hat=np.zeros(1), E=lambda norm: norm + error)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_eq_15_22_beta_is_the_slope(beta):
    variance = 0.5
    t = beta * variance

    def rate_and_distortion(t):
        symbols = {"lam": np.array([2.0, 1.5, 0.6]), "t": t}
        return page("15.21", 1)(**symbols), page("15.21", 3)(**symbols) / (2 * variance)
    low, high = rate_and_distortion(t * (1 - 1e-4)), rate_and_distortion(t * (1 + 1e-4))
    holds("15.22", tol=1e-6, d=1, rate=high[0] - low[0], distortion=high[1] - low[1], t=t,
          sigma_x=variance**0.5, beta=beta)


def test_the_worked_numbers():
    symbols = {"lam": 0.5, "beta": 2, "sigma_x": 0.05**0.5}
    close(page("15.15", 3)(**symbols), 0.4)
    close([page("15.16", side)(**symbols) for side in (1, 3, 5)], [0.805, 0.2, 0.8], 5e-4)
    close(page("15.14", 1)(M=np.array([[2.0, 1.0], [1.0, 2.0]])), 0.144, 5e-4)
    close(page("15.19", 1)(sigma=2, sigma_0=1), 0.512, 5e-4)
