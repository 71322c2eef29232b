"""Chapter 6: mixtures."""

import itertools
import math
from statistics import NormalDist

import numpy as np

from cases import DATA, em_step
from minivae import evaluate
from page import formula, holds, page
from tools import LINE, cdf, close, integrate, log_normal, normal, numeric, rng

PI, MEANS, STDS = np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.5, 1.5]), np.array([0.55, 1.0, 0.45])
PARTS = [NormalDist(m, s) for m, s in zip(MEANS, STDS)]


def mixture(x, mu=MEANS):
    return sum(p * normal(x, m, s**2) for p, m, s in zip(PI, mu, STDS))


def share(m, low, high):
    """The probability of component m and of x between low and high."""
    return PI[m] * (PARTS[m].cdf(high) - PARTS[m].cdf(low))


def test_eq_6_1_a_finite_mixture():
    for x in (-1.5, 0.8):
        density = sum(share(m, x - 1e-4, x + 1e-4) for m in range(3)) / 2e-4
        holds("6.1", P_x=density, P_m=lambda m: PI[m - 1],
              P_x_given_m=lambda m: PARTS[m - 1].pdf(x), K=3, pi=PI, x=x,
              mu=MEANS, Sigma=STDS**2, tol=1e-7)


def test_eq_6_2_mean_and_variance_of_a_mixture():
    def mean(values):
        return integrate(values * mixture(LINE))
    holds("6.2", E=mean, Var=lambda x: mean(x**2) - mean(x) ** 2, x=LINE, pi=PI, mu=MEANS,
          sigma=STDS)


def test_eq_6_3_responsibilities():
    x, h = 0.8, 1e-5
    shares = np.array([share(m, x - h, x + h) for m in range(3)])  # of what falls near x
    r = shares / shares.sum()
    for m in (1, 2, 3):
        holds("6.3", m=m, r_x=r, P_m_given_x=lambda m: r[m - 1], pi=PI, x=x, mu=MEANS,
              Sigma=STDS**2, tol=1e-7)


def test_eq_6_4_gradient_in_a_components_mean():
    x = 0.8
    r = np.array([page("6.3", 2)(m=m, pi=PI, x=x, mu=MEANS, Sigma=STDS**2) for m in (1, 2, 3)])
    for m in (1, 2, 3):
        holds("6.4", m=m, P_x=lambda mu: mixture(x, mu), r_x=r, x=x, mu=MEANS, sigma=STDS, tol=1e-8)


def test_eq_6_5_em_solves_for_fixed_responsibilities():
    r, (pi, means, variances), _ = em_step(np.array([0.5, 0.5]), np.array([-0.5, 1.0]),
                                           np.array([1.0, 1.0]))
    for m in (1, 2):
        weights = r[:, m - 1]
        holds("6.5", m=m, r=r, x=DATA, N_m=weights.sum(), N=len(DATA), pi=[np.mean(weights)] * 2,
              mu=[np.average(DATA, weights=weights)] * 2,
              sigma=[np.cov(DATA, aweights=weights, ddof=0) ** 0.5] * 2)

    def Q(logits, means, logvar):  # what EM maximises, with weights that add up to 1
        log_pi = logits - np.log(np.exp(logits).sum())
        return np.sum(r * (log_pi + log_normal(DATA[:, None], means, np.exp(logvar))))
    at = [np.log(pi), means, np.log(variances)]
    for i in range(3):
        close(numeric(lambda a: Q(*at[:i], a, *at[i + 1:]), at[i]), np.zeros(2), 1e-6)


P5, Q5 = np.array([0.1, 0.4, 0.2, 0.05, 0.25]), np.array([0.3, 0.1, 0.25, 0.15, 0.2])
EVENTS = np.array(list(itertools.product([0.0, 1.0], repeat=5)))  # every set of five values


def test_eq_6_6_total_variation():
    def p(x):
        return normal(x, 0.7)

    def q(x):
        return normal(x, -0.5)
    # the densities cross half way between the means
    holds("6.6", TV_pq=2 * cdf(0.6) - 1, p=p, q=q, tol=1e-6)
    holds("6.6", TV_pq=1, p=lambda x: normal(x, 9.0, 0.01), q=q, tol=1e-6)


def test_eq_6_7_total_variation_is_the_largest_difference():
    best = EVENTS[np.argmax(EVENTS @ (P5 - Q5))]
    holds("6.7", 0, P=lambda A: EVENTS @ P5, Q=lambda A: EVENTS @ Q5, A=EVENTS[0],
          TV_pq=0.5 * np.abs(P5 - Q5).sum())
    holds("6.7", 1, A=best, p=lambda x: P5, q=lambda x: Q5, x=np.arange(5))


def test_eq_6_8_a_continuous_mixture():
    x, w, b, tau = 0.7, 0.8, -0.3, 0.6
    given = {"p_z": lambda z: normal(z), "p_x_given_z": lambda z: normal(x, w * z + b, tau**2)}
    # x is a sum of Gaussians here
    holds("6.8", 0, p_x=NormalDist(b, math.hypot(w, tau)).pdf(x), **given)
    holds("6.8", [1, 2], z=0.4, I=1, x=x, x_hat=lambda z: w * z + b, sigma_x=lambda z: tau, **given)


def test_eq_6_9_a_linear_decoder_can_be_integrated():
    for x in (-1.0, 0.4, 2.0):
        holds("6.9", x=x, w=0.8, b=-0.3, tau=0.6)
        close(page("6.9", 1)(x=x, w=0.8, b=-0.3, tau=0.6),
              (NormalDist(0, 0.8) + NormalDist(-0.3, 0.6)).pdf(x))


def test_eq_6_10_log_of_a_sum_of_exponentials():
    a = np.array([-1.0, 0.5, 2.0])
    holds("6.10", a=a, a_0=2.0)
    close(page("6.10", 1)(a=a, a_0=2.0), math.log(math.fsum(map(math.exp, a))))
    far = np.array([-5000.0, -5001.0])
    by_hand = -5000 + math.log1p(math.exp(-1))
    close(page("6.10", 1)(a=far, a_0=-5000.0), by_hand, 1e-14)
    close(evaluate.log_mean_exp(far), by_hand - math.log(2), 1e-14)


def test_eq_6_11_maximum_likelihood_is_the_smallest_kl_from_the_data():
    p = np.array([0.1, 0.5, 0.15, 0.25])
    data = [0, 2, 3]
    divergence = sum(1 / 3 * math.log((1 / 3) / p[n]) for n in data)
    holds("6.11", N=3, p=lambda n: p[n], x=np.array(data), KL_p_hat_vs_p=divergence)


def test_eq_6_12_the_same_for_densities():
    p, p_d = normal(LINE, 0.3, 0.7), mixture(LINE)
    divergence = integrate(p_d * (np.log(p_d) - np.log(p)))
    holds("6.12", 0, E=lambda values: integrate(p_d * values), p_x=p, p_d_x=p_d,
          KL_p_d_vs_p=divergence)


def test_eq_6_13_change_of_variables():
    z, h = 0.4, 1e-5
    # of e^z, from a short stretch
    density = (cdf(z + h) - cdf(z - h)) / (np.exp(z + h) - np.exp(z - h))
    holds("6.13", 0, p=lambda x: density, x_hat=np.exp, z=z, p_z=normal(z),
          J=np.array([[np.exp(z)]]), tol=1e-8)

    # two latents: A z is Gaussian, of covariance A A^T
    A, z = np.array([[1.0, 0.5], [-0.3, 2.0]]), np.array([0.4, -0.7])

    def p(x):
        C = A @ A.T
        return np.exp(-0.5 * x @ np.linalg.solve(C, x)) / (2 * np.pi * np.sqrt(np.linalg.det(C)))
    holds("6.13", 0, p=p, x_hat=lambda z: A @ z, z=z, p_z=np.prod(normal(z)), J=A)

    def curved(z):
        return np.array([np.sinh(z[0]), z[1] + z[0] ** 2])
    J = np.array([[np.cosh(z[0]), 0], [2 * z[0], 1]])
    slopes = np.array([numeric(lambda z: curved(z)[i], z) for i in (0, 1)])
    for i, j in itertools.product((1, 2), repeat=2):
        holds("6.13", 1, i=i, j=j, J=J, dx_hat_dz=slopes, tol=1e-8)


def test_eq_6_14_without_noise_there_is_no_density():
    point = {"x_1": 0.4, "x_2": 0.02, "tau": 0.1}
    holds("6.14", **point)
    close(page("6.14", 1)(**point), NormalDist(0, math.hypot(1, 0.1)).pdf(0.4)
          * NormalDist(0, 0.1).pdf(0.02))
    on, off = ([page("6.14", 1)(x_1=0.4, x_2=x_2, tau=tau) for tau in (1e-1, 1e-2, 1e-3)]
               for x_2 in (0, 0.05))
    close(np.array(on[1:]) / np.array(on[:-1]), [10, 10], 2e-2)  # on the line it grows like 1 / tau
    assert off[2] < 1e-200  # and beside it nothing is left


def test_eq_6_15_any_continuous_prior():
    def P(event):
        return integrate(event * normal(LINE))

    def F(t):
        return 1 - np.exp(-t)
    for t in (0.1, 0.7, 3.0):
        holds("6.15", P=P, F=F, F_inverse=lambda u: -np.log(1 - u), u=np.clip(LINE, -8, 8), t=t,
              tol=1e-3)


def test_eq_6_16_a_comb():
    def comb(x, T):
        return 2.0 * ((x > 0) & (x < 1) & (x * T % 1 < 0.5))
    for T, K in ((4, 1), (8, 3)):
        x = (np.arange(96_000) + 0.5) / 96_000
        p = comb(x, T)
        # what the argument leaves: T - K bars not above 1, all else right
        q = np.where(x < (T - K) / T, np.minimum(p, 1.0), p)
        close(0.5 * np.mean(np.abs(p - q)), page("6.16", 1)(T=T, K=K), 1e-9)
    x = np.linspace(-1, 2, 3001)
    r = rng()
    for _ in range(200):  # mixtures of two Gaussians against four bars
        pi = r.dirichlet(np.ones(2))
        means, stds = r.random(2), 10 ** r.uniform(-2, 0, 2)
        q = sum(p * normal(x, m, s**2) for p, m, s in zip(pi, means, stds))
        tv = 0.5 * np.sum(np.abs(comb(x, 4) - q)) * (x[1] - x[0])
        holds("6.16", TV_pq=tv, T=4, K=2)
    close(page("6.16", 1)(T=1024, K=512), 0.125)  # as the page says


def test_eq_6_17_worked_number():
    holds("6.17", tol=5e-6)
    symbols = {"pi": np.array([0.75, 0.25]), "x": 0.5, "mu": np.array([-1.0, 1.0]),
               "Sigma": np.ones(2), "m": 2}
    close(page("6.3", 2)(**symbols), page("6.17", 1)())
    # the ratio in the text
    close(formula("\\exp\\left(-\\frac{1}{2}(1.5^2-0.5^2)\\right)")(), math.exp(-1))
