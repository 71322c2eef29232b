"""Chapter 6: mixtures."""

import itertools
import math

import numpy as np

from cases import DATA, em_step
from minivae import evaluate
from tools import LINE, close, integrate, log_normal, normal, numeric, rng


PI, MEANS, VARS = np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.5, 1.5]), np.array([0.3, 1.0, 0.2])


def mixture(x, means=MEANS):
    return sum(p * normal(x, m, v) for p, m, v in zip(PI, means, VARS))


def test_eq_6_2_mean_and_variance_of_a_mixture():
    mean = PI @ MEANS
    close(integrate(LINE * mixture(LINE)), mean)
    close(integrate((LINE - mean) ** 2 * mixture(LINE)), PI @ (VARS + MEANS**2) - mean**2)


def test_eq_6_3_responsibilities():
    r = rng()
    m = r.choice(3, size=100_000, p=PI)  # draw the component, then x
    x = r.normal(MEANS[m], np.sqrt(VARS[m]))
    responsibility = PI * normal(x[:, None], MEANS, VARS) / mixture(x)[:, None]
    for weight in (np.ones_like(x), x):  # in whatever region of x one looks
        excess = (np.eye(3)[m] - responsibility) * weight[:, None]
        assert np.all(np.abs(excess.mean(axis=0)) < 4 * excess.std(axis=0) / len(x) ** 0.5)  # 4 standard errors


def test_eq_6_4_gradient_in_a_components_mean():
    r = PI * normal(0.8, MEANS, VARS) / mixture(0.8)
    close(r * (0.8 - MEANS) / VARS, numeric(lambda m: np.log(mixture(0.8, m)), MEANS), 1e-8)


def test_eq_6_5_em_solves_for_fixed_responsibilities():
    r, (pi, means, variances), _ = em_step(np.array([0.5, 0.5]), np.array([-0.5, 1.0]), np.array([1.0, 1.0]))
    def Q(logits, means, logvar):
        log_pi = logits - np.log(np.exp(logits).sum())
        return np.sum(r * (log_pi + log_normal(DATA[:, None], means, np.exp(logvar))))
    at = [np.log(pi), means, np.log(variances)]
    for i in range(3):
        close(numeric(lambda a: Q(*at[:i], a, *at[i + 1:]), at[i]), np.zeros(2), 1e-6)


def test_eq_6_7_total_variation_is_the_largest_difference():
    p, q = np.array([0.1, 0.4, 0.2, 0.05, 0.25]), np.array([0.3, 0.1, 0.25, 0.15, 0.2])
    best = max(itertools.product([False, True], repeat=5), key=lambda A: (p - q)[list(A)].sum())  # every event
    close((p - q)[list(best)].sum(), 0.5 * np.abs(p - q).sum())
    assert list(best) == list(p > q)


def test_eq_6_9_a_linear_decoder_can_be_integrated():
    w, b, tau = 0.8, -0.3, 0.6
    for x in (-1.0, 0.4, 2.0):
        close(integrate(normal(LINE) * normal(x, w * LINE + b, tau**2)), normal(x, b, w**2 + tau**2))


def test_eq_6_10_log_of_a_sum_of_exponentials():
    a = np.array([-1.0, 0.5, 2.0])
    close(a.max() + np.log(np.exp(a - a.max()).sum()), math.log(math.fsum(map(math.exp, a))))
    far = np.array([-5000.0, -5001.0])
    close(evaluate.log_mean_exp(far), -5000 + math.log1p(math.exp(-1)) - math.log(2), 1e-14)


def test_eq_6_11_maximum_likelihood_is_the_smallest_kl_from_the_data():
    p = np.array([0.1, 0.5, 0.15, 0.25])
    data = [0, 2, 3]
    divergence = sum(1 / 3 * math.log((1 / 3) / p[n]) for n in data)
    close(np.mean(np.log(p[data])), -math.log(3) - divergence)
