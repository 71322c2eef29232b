"""Chapter 19: the other road, GANs."""

from itertools import permutations

import numpy as np
import pytest

import minivae as mv
from page import holds, page
from tools import LINE, cdf, close, integrate, lowest, normal, numeric, quantile

PAIRS = pytest.mark.parametrize("mean, std", [(1.0, 1.0), (-0.7, 1.6), (2.0, 1.2)])


def pair(mean, std):
    """The densities p and q as functions, and the discriminator of the page."""
    def p(x):
        return normal(x)

    def q(x):
        return normal(x, mean, std**2)

    return p, q, lambda x: page("19.1", 1)(x=x, p=p, q=q)


def js(p, q):
    """From entropies: that of the mixture less the mean of both."""
    def entropy(y):
        return -integrate(y * np.log(np.maximum(y, 1e-300)))
    y, w = p(LINE), q(LINE)
    return entropy((y + w) / 2) - (entropy(y) + entropy(w)) / 2


@PAIRS
def test_eq_19_1_the_best_discriminator(mean, std):
    p, q, _ = pair(mean, std)
    for x in (-0.8, 0.1, 1.3):
        def cost(D, x=x):
            return -(p(x) * np.log(D) + q(x) * np.log(1 - D))
        (best,), _ = lowest(cost, np.linspace(0.0005, 0.9995, 1999))
        close(page("19.1", 1)(x=x, p=p, q=q), best, 5e-4)
        by_bayes = 1 / (1 + q(x) / p(x))
        holds("19.1", D_x=by_bayes, x=x, p=p, q=q)


@PAIRS
def test_eq_19_2_its_logits_give_the_kl(mean, std):
    p, q, D = pair(mean, std)
    closed = np.log(std) + (1 + mean**2) / (2 * std**2) - 0.5  # between two Gaussians
    near = np.linspace(-9, 9, 20001)  # beyond it 1 - D is rounded to 0
    holds("19.2", KL_p_vs_q=closed, p=p, D=D, x=near, tol=1e-6)


@PAIRS
def test_eq_19_3_jensen_shannon(mean, std):
    p, q, _ = pair(mean, std)
    near = np.linspace(-8, 8, 20001)

    def m(x):
        return (p(x) + q(x)) / 2
    holds("19.3", JS=js(p, q), p=p, q=q, m=m, x=near, tol=1e-6)
    assert 0 < js(p, q) < np.log(2)


@PAIRS
def test_eq_19_4_what_the_best_discriminator_pays(mean, std):
    p, q, D = pair(mean, std)
    holds("19.4", JS=js(p, q), p=p, q=q, D=D, x=np.linspace(-9, 9, 20001), tol=1e-6)


GAME = pytest.mark.parametrize("x, y, eta", [(1.0, 0.0, 0.1), (0.3, -0.8, 0.5), (-2.0, 1.5, 1.3)])


@GAME
def test_eq_19_5_together_they_drift_apart(x, y, eta):
    holds("19.5", x=x, y=y, eta=eta)
    z = complex(x, y) * complex(1, eta)  # one step is a turn and a stretch
    close(page("19.5", 0)(x=x, y=y, eta=eta), abs(z) ** 2)


@GAME
def test_eq_19_6_in_turn_they_stay_on_an_ellipse(x, y, eta):
    step = np.array([[1, -eta], [eta, 1 - eta**2]])  # x first, then y with the new x
    new = step @ [x, y]
    holds("19.6", x=x, y=y, eta=eta, x_prime=new[0], y_prime=new[1])


def test_eq_19_7_worked_number():
    _, _, D = pair(1.0, 1.0)
    holds("19.7", D=D, tol=5e-7)


def grains(seed, n=6):
    return np.random.default_rng(seed).standard_normal((2, n))


def staircase(places):
    return lambda t: np.mean(places[:, None] <= t, axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_eq_19_8_sorting_is_the_cheapest_of_all_pairings(seed):
    x, y = grains(seed)
    cheapest = min(np.abs(x - y[list(order)]).mean() for order in permutations(range(6)))
    holds("19.8", W=cheapest, N=6, u=np.sort(x), v=np.sort(y), tol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_eq_19_9_the_same_work_place_by_place(seed):
    x, y = grains(seed)
    places = np.sort(np.concatenate([x, y]))  # between two of them nothing changes
    middle = (places[1:] + places[:-1]) / 2
    exact = np.sum(np.abs(staircase(x)(middle) - staircase(y)(middle)) * np.diff(places))
    close(exact, np.abs(np.sort(x) - np.sort(y)).mean(), 1e-12)
    holds("19.9", W=exact, F=staircase(x), G=staircase(y), t=LINE, tol=2e-3)  # steps of 0.001


@pytest.mark.parametrize("mean, std", [(1.0, 1.0), (-0.7, 1.6), (0.0, 3.0)])
def test_eq_19_9_of_densities_by_their_quantiles(mean, std):
    share = (np.arange(20_000) + 0.5) / 20_000
    z = np.array([quantile(p) for p in share])
    by_quantiles = np.abs(z - (mean + std * z)).mean()
    holds("19.9", W=by_quantiles, F=np.vectorize(cdf), t=LINE,
          G=np.vectorize(lambda t: cdf((t - mean) / std)), tol=2e-4)


@pytest.mark.parametrize("mean, std", [(1.0, 1.0), (-0.7, 1.6)])
def test_eq_19_10_no_critic_reads_more_than_the_work(mean, std):
    F = np.array([cdf(t) for t in LINE])
    G = np.array([cdf((t - mean) / std) for t in LINE])
    best = np.sign(G - F)  # the slope of the best critic; its values add the slopes up
    values = np.concatenate([[0], np.cumsum((best[1:] + best[:-1]) / 2 * np.diff(LINE))])
    critics = {"best": (values, best), "sine": (np.sin(LINE), np.cos(LINE)),
               "half as steep": (LINE / 2, 0 * LINE + 0.5)}
    reads = {}
    for name, (f, slope) in critics.items():
        reads[name], by_parts, work = (page("19.10", side)(
            f=lambda t: f, f_prime=lambda t: slope, p=normal, q=lambda t: normal(t, mean, std**2),
            F=lambda t: F, G=lambda t: G, t=LINE) for side in range(3))
        close(reads[name], by_parts, 1e-3)  # a step of the grid, where the slope jumps
    assert max(reads.values()) <= work + 1e-3
    close(reads["best"], work, 1e-3)


def test_eq_19_11_the_slope_that_gains_most():
    for W, lam in ((0.5, 10.0), (8.0, 10.0), (3.0, 100.0)):
        (best,), _ = lowest(lambda s: -(s * W - lam * np.maximum(0, s - 1) ** 2),
                            np.linspace(0.5, 2, 15_001))
        holds("19.11", s=best, W=W, lam=lam, tol=1e-4)


@pytest.mark.parametrize("logit", [-3.0, -0.2, 0.0, 1.7])
def test_eq_19_12_what_they_pay(logit):
    D = 1 / (1 + np.exp(-logit))
    holds("19.12", D=D, l=logit)
    paid = mv.bernoulli_nll(np.array([[logit], [logit]]), np.array([[1.0], [0.0]]))
    close(page("19.12", 1)(l=logit), paid[0])
    close(page("19.12", 3)(l=logit), paid[1])


@pytest.mark.parametrize("logit", [-6.0, -0.2, 1.7])
def test_eq_19_13_the_slopes(logit):
    def D(l):
        return 1 / (1 + np.exp(-l))
    slope = numeric(lambda l: np.log(1 - D(l)), np.array(logit))
    close(page("19.13", 1)(D=D(logit)), slope, 1e-8)
    slope = numeric(lambda l: -np.log(D(l)), np.array(logit))
    close(page("19.13", 3)(D=D(logit)), slope, 1e-8)


def test_eq_19_14_with_classes_their_shares_cancel():
    share = np.array([0.7, 0.3])  # of the classes
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])  # of three pictures, within each class
    q = np.array([[0.2, 0.2, 0.6], [0.3, 0.4, 0.3]])
    for c in range(2):
        for x in range(3):
            def cost(D, c=c, x=x):  # of a discriminator that sees picture x of class c
                return -share[c] * (p[c, x] * np.log(D) + q[c, x] * np.log(1 - D))
            (best,), _ = lowest(cost, np.linspace(0.0005, 0.9995, 1999))
            given = {"p_x_given_c": p[c, x], "q_x_given_c": q[c, x], "p": lambda c: share[c]}
            for side in (1, 2):
                close(page("19.14", side)(**given, c=c), best, 5e-4)


def test_eq_19_15_the_joined_loss():
    for w_1, w_2 in ((1.0, 10.0), (1.0, 0.0), (0.0, 1.0)):
        nll, kl, logit = 20.0, 3.5, -0.7
        taken_for_real = 1 / (1 + np.exp(0.7))
        holds("19.15", L=w_1 * 23.5 - w_2 * np.log(taken_for_real), w_1=w_1, w_2=w_2, nll=nll,
              KL=kl, l=logit)


def test_eq_19_16_worked_number():
    share = (np.arange(20_000) + 0.5) / 20_000
    z = np.array([quantile(p) for p in share])
    holds("19.16", W=np.abs(3 * z - z).mean(), tol=2e-4)
    holds("19.16", W=integrate(2 * np.abs(LINE) * normal(LINE)), tol=5e-7)
