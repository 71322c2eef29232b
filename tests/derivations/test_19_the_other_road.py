"""Chapter 19: the other road, GANs."""

import numpy as np
import pytest

from page import holds, page
from tools import LINE, close, integrate, lowest, normal

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
