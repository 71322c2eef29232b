"""Chapter 14: the conditional VAE."""

import numpy as np
import pytest

import minivae as mv
from cases import GRID, OBSERVED, TAU, curve, midpoints
from page import holds, page
from tools import LINE, close, gradients, integrate, kl, log_normal, normal, quantile, rng

CLASS_MU, LABELS = np.array([[-1.0, 0.5], [1.0, 0.0], [0.3, 2.0]]), np.array([0, 2, 1, 2, 2, 0])
ENCODED, ENCODED_S = rng().normal(size=(6, 2)), rng().normal(size=(6, 2))
CLASSES = LABELS + 1  # on the page they count from 1


@pytest.mark.parametrize("c", [1, 2, 3])
def test_eq_14_1_the_class_is_in_the_prior_and_not_in_the_decoder(c):
    z, x = rng().normal(size=(5, 2)), rng().random((4, 6))
    model = mv.ConditionalVAE(6, (4,), 2, n_classes=3, dtype=np.float64, rng=rng())
    model.prior_mu.data[...] = CLASS_MU
    by_page = page("14.1", 1)(z=z, mu_sup=CLASS_MU, y=c, I=np.eye(2))
    close(by_page, np.prod(normal(z, CLASS_MU[c - 1]), axis=1))
    nll, kls = (t.data for t in model.terms(x, rng(), y=np.full(4, c - 1)))
    other_nll, _ = (t.data for t in model.terms(x, rng(), y=np.zeros(4, int)))
    holds("14.1", 1, p_x_given_zy=np.exp(-nll), p_x_given_z=np.exp(-other_nll))
    mu, logvar = (t.data for t in model.encode(x))
    prior = page("14.1", 1)(z=mu, mu_sup=CLASS_MU, y=c, I=np.eye(2))  # in the KL, E log p(z | y)
    cross = -np.log(prior) + 0.5 * np.exp(logvar).sum(axis=1)
    close(kls, cross - 0.5 * np.sum(np.log(2 * np.pi) + 1 + logvar, axis=1))


def check_bound(number, decoder):
    """The gap against the KL to the exact posterior, by quadrature; the class mean is y."""
    for y, mean, var in ((1.2, 0.6, 0.3), (-0.5, 0.2, 0.5)):
        prior, likelihood = log_normal(GRID, y), log_normal(OBSERVED, decoder(GRID, y), TAU**2)
        evidence = np.log(integrate(np.exp(prior + likelihood), GRID))
        q = log_normal(GRID, mean, var)
        cost = mv.gaussian_kl(np.array([[mean]]), np.log([[var]]), y)[0]
        symbols = {"p_x_given_y": np.exp(evidence), "p_x_given_z": np.exp(likelihood),
                   "p_x_given_zy": np.exp(likelihood), "q_z_given_x": "q", "q_z_given_xy": "q",
                   "p_z_given_y": "p", "KL": lambda q, p: {"qp": cost, "pq": np.nan}[q + p],
                   "E": lambda values: integrate(np.exp(q) * values, GRID)}
        holds(number, **symbols)
        gap = page(number, 0)(**symbols) - page(number, 1)(**symbols)
        close(gap, kl(q, prior + likelihood - evidence, GRID))


def test_eq_14_2_conditional_bound():
    check_bound("14.2", lambda z, y: curve(z))


def test_eq_14_7_a_decoder_that_is_told_the_class():
    check_bound("14.7", lambda z, y: curve(z) * (1 + y) - y)


def kl_of(mu_sup, n):
    """Of example n to the prior of its class."""
    row = n - 1
    return mv.gaussian_kl(ENCODED[[row]], ENCODED_S[[row]], mu_sup[[LABELS[row]]])[0]


@pytest.mark.parametrize("c", [1, 2, 3])
def test_eq_14_3_gradient_in_the_class_means(c):
    symbols = {"mu_sup": CLASS_MU, "c": c, "mu": ENCODED, "y": CLASSES, "x": np.arange(1, 7),
               "KL_x_n": kl_of}
    holds("14.3", tol=1e-8, **symbols)
    found = gradients(lambda table: mv.gaussian_kl(ENCODED, ENCODED_S, table[LABELS]), CLASS_MU)[0]
    close(found[c - 1], page("14.3", 1)(**symbols), 1e-12)


@pytest.mark.parametrize("c", [1, 2, 3])
def test_eq_14_4_class_means_settle_at_the_mean_of_their_codes(c):
    # the quadratic in eq. (8.5), minimised
    settled = np.linalg.lstsq(np.eye(3)[LABELS], ENCODED, rcond=None)[0]
    holds("14.4", mu_sup=settled, c=c, N=np.bincount(LABELS), mu=ENCODED, y=CLASSES)


@pytest.mark.parametrize("y", [1, 2, 3])
def test_eq_14_5_class_of_a_code(y):
    z, share = np.array([0.4, 0.9]), np.array([0.5, 0.3, 0.2])
    density = share * np.prod(normal(z, CLASS_MU), axis=1)
    holds("14.5", p_y_given_z=density[y - 1] / density.sum(), pi=share, z=z, mu_sup=CLASS_MU, y=y)


@pytest.mark.parametrize("distance", [0.5, 2.0, 4.0])
def test_eq_14_6_two_classes_overlap(distance):
    right = integrate(np.maximum(0.5 * normal(LINE, distance / 2),
                                 0.5 * normal(LINE, -distance / 2)))
    noise = np.array([quantile(share) for share in midpoints(0, 1, 100_000)])
    holds("14.6", tol=2e-5, P_right=right, P=np.mean, eps=noise, Delta=distance)


@pytest.mark.parametrize("y", [1, 2, 3])
def test_eq_14_8_a_decoder_that_is_told_the_class_can_shift_the_code_itself(y):
    holds("14.8", mu_sup=np.array([-1.0, 0.7, 2.0]), y=y, I=1, x=OBSERVED, z=LINE,
          p=lambda x, z: normal(x, curve(z), TAU**2))
