"""Chapter 5: noise on the code."""

import math
from statistics import NormalDist

import numpy as np
import pytest

import minivae as mv
from cases import B, CODES, IMAGES, MU1, NOISE, STD1, W, X1, affine_error
from tools import LINE, close, expect, gradients, integrate, normal, numeric, variance


@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-2, 2.5)])
def test_eq_5_2_the_gaussian_integrates_to_1(mu, var):
    close(integrate(normal(LINE, mu, var)), 1, 1e-12)


def test_eq_5_3_moments():
    mu, var = 0.7, 0.3
    close(integrate(LINE * normal(LINE, mu, var)), mu)
    close(integrate(LINE**2 * normal(LINE, mu, var)), mu**2 + var)
    moments = [integrate(LINE**k * normal(LINE)) for k in range(10)]
    for k in range(8):
        close(moments[k + 2], (k + 1) * moments[k])
    close(moments[::2], [1, 1, 3, 15, 105])


def test_eq_5_4_log_density_of_independent_latents():
    mu, logvar, z = np.array([0.5, -1.0]), np.array([-0.4, 0.9]), np.array([0.1, 0.2])
    product = math.prod(NormalDist(m, math.exp(s / 2)).pdf(v) for m, s, v in zip(mu, logvar, z))
    close(-0.5 * np.sum(np.log(2 * np.pi) + logvar + (z - mu) ** 2 / np.exp(logvar)), math.log(product))


def test_eq_5_6_the_essays_noise_has_log_variance_2_sigma():
    m, sigma = 0.4, -0.7
    close(np.log(variance(lambda e: m + np.exp(sigma) * e)), 2 * sigma)


@pytest.mark.parametrize("z", [-1.0, 0.3, 1.2])
def test_eq_5_7_the_best_decoder_averages_images(z):
    q = normal(z, CODES, NOISE**2)
    best = (q / q.sum()) @ IMAGES
    close(numeric(lambda a: np.sum(q[:, None] * (IMAGES - a) ** 2), best), np.zeros(6), 1e-8)  # squared error, convex
    logits = np.tile(np.log(best / (1 - best)), (4, 1))
    slope = gradients(lambda l: q * mv.bernoulli_nll(l, IMAGES), logits)[0].sum(axis=0)  # cross-entropy
    close(slope, np.zeros(6), 1e-12)


def test_eq_5_8_two_images_cross_fade():
    z, sigma = np.linspace(-3, 3, 7), 1.3
    plus, minus = normal(z, 1, sigma**2), normal(z, -1, sigma**2)
    close(plus / (plus + minus), 1 / (1 + np.exp(-2 * z / sigma**2)))


def test_eq_5_9_larger_codes_are_smaller_noise():
    def decoder(z):
        return np.tanh(z + 0.3)
    def cost(decoder, mu, sigma):
        return expect(lambda e: (0.8 - decoder(mu + sigma * e)) ** 2)
    close(cost(lambda z: decoder(z / 7), 7 * 0.5, 0.9), cost(decoder, 0.5, 0.9 / 7))
    assert cost(decoder, 0.5, 0.9 / 7) < cost(decoder, 0.5, 0.9)


def test_eq_5_10_what_noise_costs_an_affine_decoder():
    close(affine_error(MU1, STD1), np.sum((X1 - W @ MU1 - B) ** 2) + np.sum(STD1**2 * np.sum(W**2, axis=0)))


def test_eq_5_11_learned_noise_falls_like_one_over_time():
    close(numeric(lambda s: affine_error(MU1, np.exp(s / 2)), 2 * np.log(STD1)), STD1**2 * np.sum(W**2, axis=0), 1e-8)
    a, s, dt = 0.6, 0.0, 1e-2
    def f(s):
        return -a * np.exp(s)
    for _ in range(5000):  # Runge and Kutta's method, to time 50
        k1 = f(s)
        k2 = f(s + dt / 2 * k1)
        k3 = f(s + dt / 2 * k2)
        s += dt / 6 * (k1 + 2 * k2 + 2 * k3 + f(s + dt * k3))
    close(np.exp(s), 1 / (1 + a * 50))
