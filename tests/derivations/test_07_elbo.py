"""Chapter 7: the bound."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

import minivae as mv
from cases import GRID, OBSERVED, TAU, bound, curve, em_step, toy
from page import holds, page
from tools import LINE, NODES, WEIGHTS, close, expect, integrate, kl, log_normal, normal, rng


def test_eq_7_1_the_kl():
    holds("7.1", KL_p_vs_q=math.log(3 / 0.7), p=lambda x: (x < 0.7) / 0.7 + 1e-300,
          q=lambda x: np.full_like(x, 1 / 3),
          x=np.linspace(0, 0.7, 10_001) - 1e-12, tol=1e-3)  # uniform ones, the second wider
    p, q = NormalDist(0.5, 0.7), NormalDist(-0.2, 1.5)
    nodes = 0.5 + 0.7 * NODES
    by_nodes = WEIGHTS @ (log_normal(nodes, 0.5, 0.49) - log_normal(nodes, -0.2, 2.25))
    holds("7.1", KL_p_vs_q=by_nodes, p=lambda x: normal(x, p.mean, p.variance),
          q=lambda x: normal(x, q.mean, q.variance),
          x=np.linspace(-9, 9, 9001))


def test_eq_7_2_kl_is_never_negative():
    r = rng()
    for _ in range(200):
        p, q = r.dirichlet(np.ones(4), 2)
        holds("7.2", 0, KL_p_vs_q=np.sum(p * np.log(p / q)))
    half = np.array([0.5, 0.5])
    # and with a zero in p, where q has 0.4
    holds("7.2", 0, KL_p_vs_q=np.sum(half * np.log(half / 0.3)))
    laplace, logistic = -np.abs(LINE) - np.log(2), -LINE - 2 * np.log1p(np.exp(-LINE))
    assert kl(laplace, logistic) > 0.01 and kl(logistic, laplace) > 0.01
    close(kl(laplace, laplace), page("7.2", 2)())
    assert page("7.2", 1)() == 0
    holds("7.2", 2, p=half, q=half)
    t = np.linspace(0.01, 5, 500)
    assert np.all(np.log(t) <= t - 1)


def test_eq_7_3_every_summand_can_be_made_non_negative():
    p, q = log_normal(LINE, 0.5, 0.7), log_normal(LINE, -0.2, 1.5)
    assert np.any(p - q < 0)  # while single log-ratios are negative
    inside = slice(8000, -8000)  # where no ratio overflows
    densities = {"p": np.exp(p)[inside], "q": np.exp(q)[inside], "x": LINE[inside]}
    holds("7.3", KL_p_vs_q=kl(p, q), **densities)
    assert page("7.3", 2)(p=0.3, q=0.3) == 0


Q = log_normal(GRID, 0.4, 0.3)
JOINT, EVIDENCE, POSTERIOR = toy()


def gaps():
    """Several q, as log densities."""
    sizes = itertools.product([-1, 0, 0.7, 1], [0.05, 0.2, 1.0])
    return [log_normal(GRID, mu, var) for mu, var in sizes]


def test_eq_7_4_the_bound():
    z = 0.4 + 0.3**0.5 * NODES
    log_weight = log_normal(z) + log_normal(OBSERVED, curve(z), TAU**2) - log_normal(z, 0.4, 0.3)
    holds("7.4", L_b=WEIGHTS @ log_weight, q_z_given_x=np.exp(Q), p_xz=np.exp(JOINT), z=GRID,
          tol=1e-8)


def test_eq_7_5_log_p_is_bound_plus_gap():
    for q in gaps():
        holds("7.5", p_x=np.exp(EVIDENCE), L_b=bound(q, JOINT),
              KL_q_z_given_x_vs_p_z_given_x=kl(q, POSTERIOR, GRID))


def test_eq_7_5_needs_a_posterior_where_q_is_and_not_the_reverse():
    inside = (GRID > 0) & (GRID < 1.2)
    q = inside / np.sum(inside) / (GRID[1] - GRID[0])  # uniform: 0 where the posterior is not

    def mean(values):
        return np.sum(q[inside] * values[inside]) * (GRID[1] - GRID[0])
    log_q = np.log(q[inside][0])
    holds("7.5", p_x=np.exp(EVIDENCE), L_b=mean(JOINT - log_q),
          KL_q_z_given_x_vs_p_z_given_x=mean(log_q - POSTERIOR))


def test_eq_7_6_the_bound_is_reached_only_at_the_posterior():
    for q in gaps():
        holds("7.6", 0, L_b=bound(q, JOINT) + 1e-3, p_x=np.exp(EVIDENCE))
    close(bound(np.log(page("7.6", 3)(p_z_given_x=np.exp(POSTERIOR))), JOINT),
          page("7.6", 1)(p_x=np.exp(EVIDENCE)))
    assert page("7.6", 2)(q_z_given_x=3) == 3


RECONSTRUCTION = {"log p": log_normal(OBSERVED, curve(GRID), TAU**2)}


def parts(q):
    """The symbols of the bound's second form, on the grid."""
    divergence = kl(q, log_normal(GRID), GRID)
    return {"E": lambda values: integrate(np.exp(q) * values, GRID),
            "p_x_given_z": np.exp(RECONSTRUCTION["log p"]),
            "KL_q_z_given_x_vs_p_z": divergence}


def test_eq_7_7_reconstruction_minus_kl():
    for q in gaps():
        holds("7.7", L_b=bound(q, JOINT), **parts(q))
    closed = {**parts(Q), "KL_q_z_given_x_vs_p_z": mv.gaussian_kl(np.array([[0.4]]),
                                                                  np.log([[0.3]]))[0]}
    holds("7.7", L_b=bound(Q, JOINT), **closed)


def test_eq_7_8_the_loss():
    found = parts(Q)
    holds("7.8", L_thetaphi=-bound(Q, JOINT), E=found["E"], p_theta_x_given_z=found["p_x_given_z"],
          KL_q_phi_z_given_x_vs_p_z=found["KL_q_z_given_x_vs_p_z"])


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
    found = np.array([divergence(v) for v in tries])
    assert np.argmin(found) == 20  # the best variance is 1 - rho^2
    holds("7.9", 0, KL=found, Lambda=P)
    close(page("7.9", 2)(rho=rho), found.min())
    shown = {0.3: 0.047, 0.99: 1.959}  # as the page says
    close(found.min(), shown.get(rho, found.min()), 5e-4)


def test_eq_7_10_gap_at_two_humps_tends_to_log_2():
    limit = page("7.10", 1)()
    left = []
    for tau in (0.1, 0.05, 0.025):
        z = np.linspace(-3, 3, 60_001)

        def energy(z):  # -log p(z, x = 1) up to a constant
            return z**2 / 2 + (1 - z**2) ** 2 / (2 * tau**2)
        log_p = -energy(z) - np.log(integrate(np.exp(-energy(z)), z))
        m, log_s, width = 1.0, np.log(tau / 2), 0.2
        for _ in range(5):  # the best Gaussian, on ever finer grids around one hump
            ms, ss = np.meshgrid(m + width * tau * np.linspace(-1, 1, 21),
                                 log_s + width * np.linspace(-1, 1, 21))
            cost = energy(ms[..., None] + np.exp(ss)[..., None] * NODES) @ WEIGHTS - ss
            best = np.unravel_index(np.argmin(cost), cost.shape)
            m, log_s, width = ms[best], ss[best], width / 4
        # both humps are halves of p; the reader takes the least over the tries
        tries = [kl(log_normal(z, m, np.exp(2 * log_s)), log_p, z)]
        # wide ones
        tries += [kl(log_normal(z, 0, s**2), log_p, z) for s in np.linspace(0.05, 0.6, 12)]
        humps = {"p_plus": 2 * np.exp(log_p) * (z > 0), "p_minus": 2 * np.exp(log_p) * (z < 0)}
        whole = {}

        def divergence(q, p):
            whole["p"] = p
            return np.array(tries)
        left.append(page("7.10", 0)(KL=divergence, q=0, **humps) - limit)
        close(whole["p"], np.exp(log_p) * (z != 0))
        assert min(tries[1:]) > limit + 0.3
    # what is left falls as tau^2
    assert 3.9 < left[1] / left[2] < left[0] / left[1] < 4.2 and left[2] < 2e-4, left


def test_eq_7_11_where_the_bound_drives_the_decoder():
    gap = {"KL_q_vs_p_theta_z_given_x": lambda theta: kl(Q, toy(theta)[2], GRID)}
    holds("7.11", theta=1.0, L_b=lambda theta: bound(Q, toy(theta)[0]),
          p_theta_x=lambda theta: np.exp(toy(theta)[1]), **gap,
          tol=1e-8)
    # it has a say
    assert abs(gap["KL_q_vs_p_theta_z_given_x"](1.001)
               - gap["KL_q_vs_p_theta_z_given_x"](0.999)) > 1e-4


def mixture_bound(theta, r, x):
    """L_b of one point under a mixture theta, with responsibilities r."""
    pi, means, variances = theta
    return np.sum(r * (np.log(pi) + log_normal(x, means, variances) - np.log(r)))


def test_eq_7_12_exact_em_never_lowers_the_likelihood():
    x = 0.6
    theta = (np.array([0.3, 0.7]), np.array([-0.2, 0.1]), np.array([2.0, 2.0]))
    joint = theta[0] * normal(x, theta[1], theta[2])
    q = joint / joint.sum()
    better = (q, np.array([0.3, 0.4]), np.array([1.0, 0.5]))
    likelihood = [np.sum(pi * normal(x, m, v)) for pi, m, v in (better, theta)]
    holds("7.12", L_b=lambda theta, q: mixture_bound(theta, q, x) - (theta is better) * 1e-9,
          theta_prime=better, theta=theta,
          q=q, p_theta_prime_x=likelihood[0], p_theta_x=likelihood[1])

    for side, value in ((0, likelihood[0]), (3, likelihood[1])):
        close(page("7.12", side)(p_theta_prime_x=value, p_theta_x=value), np.log(value))

    state, history = (np.array([0.5, 0.5]), np.array([-0.2, 0.1]), np.array([2.0, 2.0])), []
    for _ in range(60):
        _, state, mean_likelihood = em_step(*state)
        history.append(mean_likelihood)
    assert np.all(np.diff(history) >= -1e-14) and history[-1] > history[0] + 0.1


def test_eq_7_13_the_bound_pulls_the_decoder_back():
    w, tau, x = 0.7, 0.5, 1.2
    z = np.linspace(-8, 8, 801)
    inner = np.array([integrate(normal(z) * normal(x, w * (z + other), tau**2), z) for other in z])
    log_p = np.log(integrate(normal(z) * inner, z))
    P = np.eye(2) + w**2 / tau**2  # the posterior's precision, and many variances for q
    v = np.linspace(0.05, 1, 20_001)
    tries = log_p - (P[0, 0] * v - np.log(v) - 1) + 0.5 * np.linalg.slogdet(P)[1]
    holds("7.13", L_b=tries, x=x, w=w, tau=tau, a=w**2 / tau**2, tol=1e-8)

    def closed(w):
        return page("7.13", 1)(x=x, w=w, tau=tau, a=w**2 / tau**2)
    best = math.sqrt((x**2 - tau**2) / 2)  # maximises log p(x), as x^2 > tau^2
    likelihoods = [log_normal(x, 0, 2 * w**2 + tau**2) for w in (best, best - 0.05, best + 0.05)]
    assert likelihoods[0] == max(likelihoods) and closed(best - 0.05) > closed(best)
    small = [log_normal(0.3, 0, 2 * w**2 + tau**2) for w in (0, 0.1, 0.5)]
    assert np.all(np.diff(small) < 0)  # for x^2 < tau^2 the best w is 0


def test_eq_7_14_the_two_terms_cannot_be_taken_apart():
    x, log_p = 1.0, log_normal(1.0, 0, 2.0)  # x = z + eps
    for largest in (1.5, 0.6):  # the second family of q does not contain the prior
        mu, var = np.meshgrid(np.linspace(-0.5, 1.5, 41), np.linspace(1e-3, largest, 1500))
        reconstruction = (log_normal(x, mu, 1.0) - var / 2).ravel()
        divergence = 0.5 * (mu**2 + var - np.log(var) - 1).ravel()
        symbols = {"L_b": reconstruction - divergence, "KL_q_z_given_x_vs_p_z": divergence,
                   # averaged already
                   "E": lambda log_p: log_p, "p_x_given_z": np.exp(reconstruction)}
        holds("7.14", **symbols)
        close(page("7.14", 0)(**symbols), log_p, 1e-4)
        close(page("7.14", 1)(**symbols), reconstruction.max() - divergence.min())
    close([reconstruction.max(), log_p], [-0.919, -1.516], 1e-3)  # as the page says


def test_eq_7_15_the_ratio_of_two_densities_from_a_classifier():
    def p(x):
        return normal(x, 0.5, 0.7)

    def q(x):
        return normal(x, -0.2, 1.5)
    x = np.linspace(-2, 3, 50)
    h = 1e-4
    both = [NormalDist(0.5, 0.7**0.5), NormalDist(-0.2, 1.5**0.5)]
    # of equally many samples, near x
    counts = np.array([[n.cdf(x + h) - n.cdf(x - h) for x in x] for n in both])
    holds("7.15", 0, c=lambda x: counts[0] / counts.sum(0), p=p, q=q, x=x, tol=1e-7)
    holds("7.15", 1, c=lambda x: counts[0] / counts.sum(0), p=p, q=q, x=x, tol=1e-6)


def test_eq_7_16_worked_number():
    holds("7.16", tol=5e-6)
    z = 0.5 + 0.5 * NODES
    by_nodes = WEIGHTS @ (log_normal(z) + log_normal(1.0, z, 1.0) - log_normal(z, 0.5, 0.25))
    close(page("7.16", 0)(), by_nodes)
    first, second = log_normal(1.0, 0, 2.0), 0.5 * (0.25 / 0.5 - 1 - np.log(0.25 / 0.5))
    close([first, second], [-1.51551, 0.09657], 5e-6)  # as the page says
    close([WEIGHTS @ log_normal(1.0, z, 1.0), 0.5 * (0.5 - np.log(0.25) - 1)], [-1.16894, 0.44315],
          5e-6)
