"""Chapter 5: noise on the code."""

import math
from statistics import NormalDist

import numpy as np
import pytest

import minivae as mv
from cases import B, MU1, STD1, W, X1, affine_error
from page import Average, holds, page
from tools import NODES, WEIGHTS, close, gradients, normal, numeric, rng


def mean(values):
    """The expected value over the quadrature's nodes."""
    return WEIGHTS @ values


def var(values):
    return mean(values**2) - mean(values) ** 2


CASES = pytest.mark.parametrize("mu, sigma", [(0, 1), (0.7, 0.55), (-2, 1.6)])


@CASES
def test_eq_5_1_the_gaussian_density(mu, sigma):
    for x in (-1.3, 0.4, 2.0):
        close(page("5.1", 1)(x=x, mu=mu, sigma=sigma), NormalDist(mu, sigma).pdf(x))
        holds("5.1", x=x, mu=mu, sigma=sigma)


@CASES
def test_eq_5_2_the_gaussian_integrates_to_1(mu, sigma):
    holds("5.2", mu=mu, sigma=sigma, tol=1e-12)


@CASES
def test_eq_5_3_moments(mu, sigma):
    holds("5.3", [0, 1], E=mean, x=mu + sigma * NODES, mu=mu, sigma=sigma)
    for k in range(7):
        holds("5.3", 2, E=mean, u=NODES, k=k)
    close([mean(NODES**k) for k in (2, 4, 6, 8)], [1, 3, 15, 105])  # as the page says


def test_eq_5_4_log_density_of_independent_latents():
    mu, s, z = np.array([0.5, -1.0]), np.array([-0.4, 0.9]), np.array([0.1, 0.2])
    product = math.prod(NormalDist(m, math.exp(s / 2)).pdf(z) for m, s, z in zip(mu, s, z))
    holds("5.4", q_z=product, Z=2, mu=mu, s=s, z=z)


@pytest.mark.parametrize("s", [-1.3, 0.0, 2.0])
def test_eq_5_5_log_variance(s):
    std = mv.reparameterize(np.zeros((1, 1)), np.full((1, 1), s), np.ones((1, 1)))[0, 0]
    holds("5.5", sigma=std, s=s)
    holds("5.5", sigma=var(std * NODES) ** 0.5, s=s)


def test_eq_5_6_the_essays_noise_has_log_variance_2_sigma():
    for sigma in (-0.7, 0.4):
        c = 0.4 + np.exp(sigma) * NODES
        holds("5.6", Var=var, c=c, sigma=sigma, s=np.log(var(c)))


IMAGES = rng().random((4, 6))


def encoder(z, image):
    """A density q(z | x) whose mean is 4 times the first pixel."""
    return normal(z, 4 * image[0], 0.8**2)


@pytest.mark.parametrize("z", [-1.0, 0.3, 1.2])
def test_eq_5_7_the_best_decoder_averages_images(z):
    q = np.array([encoder(z, image) for image in IMAGES])
    root = np.sqrt(q)[:, None]
    best = np.linalg.lstsq(root, root * IMAGES, rcond=None)[0][0]  # least sum of q |x - a|^2
    weights = q / q.sum()
    holds("5.7", 0, x_hat_z=best, w_z=weights, x=IMAGES)
    for k in range(1, 5):
        holds("5.7", 1, k=k, w_z=weights, q=encoder, z=z, x=IMAGES)
    logits = np.tile(np.log(best / (1 - best)), (4, 1))  # and the cross-entropy agrees
    slope = gradients(lambda l: q * mv.bernoulli_nll(l, IMAGES), logits)[0].sum(axis=0)
    close(slope, np.zeros(6), 1e-12)


def test_eq_5_8_two_images_cross_fade():
    z, sigma = np.linspace(-3, 3, 7), 1.3
    plus, minus = normal(z, 1, sigma**2), normal(z, -1, sigma**2)
    holds("5.8", w_plus_z=plus / (plus + minus), z=z, sigma=sigma)


def test_eq_5_9_larger_codes_are_smaller_noise():
    def decoder(z):
        return np.stack([np.tanh(z + 0.3), np.sin(z)], axis=-1)
    noise = np.exp(NODES) - 2  # not symmetric, so that no sign is lost
    symbols = {"E": mean, "x": np.array([0.8, -0.1]), "mu": 0.5, "eps": noise, "x_hat": decoder}
    holds("5.9", sigma=0.9, c=7.0, x_hat_c=lambda z: decoder(z / 7.0), **symbols)
    right = [page("5.9", 1)(sigma=0.9, c=c, **symbols) for c in (1.0, 7.0)]
    assert right[1] < right[0]


# noise with mean 0 and variance 1, independent
SIGNS = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)])


def affine(std):
    """The symbols of eq. (5.10) for the affine decoder; W_j is a column of W."""
    noise = Average("eps", SIGNS, np.full(4, 0.25))
    return {"E": noise, "x": X1, "W": W, "W_j": lambda j: W[:, j - 1], "mu": MU1, "sigma": std,
            "b": B}


def test_eq_5_10_what_noise_costs_an_affine_decoder():
    holds("5.10", **affine(STD1))
    # the noise is Gaussian here
    close(page("5.10", 1)(**affine(STD1)), affine_error(MU1, STD1))


def test_eq_5_11_learned_noise_falls_like_one_over_time():
    a, s, dt = 0.6, 0.3, 1e-2
    path = [s]

    def slope(s):
        return -a * np.exp(s)
    for _ in range(2000):  # Runge and Kutta's method, to time 20
        k1 = slope(s)
        k2 = slope(s + dt / 2 * k1)
        k3 = slope(s + dt / 2 * k2)
        s += dt / 6 * (k1 + 2 * k2 + 2 * k3 + slope(s + dt * k3))
        path.append(s)
    for t in (0, 1, 20):
        holds("5.11", t=t, a=a, s=lambda t: path[round(t / dt)],
              sigma=lambda t: np.exp(path[round(t / dt)] / 2))
    force = numeric(lambda s: page("5.10", 0)(**affine(np.exp(s / 2))), 2 * np.log(STD1))
    close(force, STD1**2 * np.sum(W**2, axis=0), 1e-8)  # a is the squared length of the column


def test_eq_5_12_worked_number():
    holds("5.12", tol=5e-6)
    near, far = NormalDist(1, 2).pdf(0.5), NormalDist(-1, 2).pdf(0.5)
    close(page("5.12", 0)(), near / (near + far))
    close(page("5.8", 2)(z=0.5, sigma=0.5), 0.982, 5e-4)  # as the page says
