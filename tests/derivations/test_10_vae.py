"""Chapter 10: the VAE."""

import itertools
import math
from statistics import NormalDist

import numpy as np

import minivae as mv
from cases import GRID, IMAGES, LOGVAR, MEAN, MU, OBSERVED, PIXELS, T, TAU, bernoulli, bound, curve, draw, toy
from tools import WEIGHTS, close, gradients, log_normal, numeric, rng


def test_eq_10_2_one_draw_of_noise_is_unbiased():
    joint, _, _ = toy()
    z = draw(0.4, np.log(0.3))
    nll = mv.gaussian_nll(curve(z)[:, None], 2 * np.log(TAU), np.full((40, 1), OBSERVED))
    kls = mv.gaussian_kl(np.full((40, 1), 0.4), np.full((40, 1), np.log(0.3)))
    close(WEIGHTS @ -(nll + kls), bound(log_normal(GRID, 0.4, 0.3), joint))


def test_eq_10_4_batches_are_unbiased():
    losses = np.array([3.0, -1.0, 4.0, 1.5, 9.0])
    close(np.mean([np.mean(losses[list(batch)]) for batch in itertools.combinations(range(5), 2)]), losses.mean())


def gaussian(mean, t):
    return sum(-math.log(NormalDist(m, math.exp(s / 2)).pdf(x)) for m, s, x in zip(mean.ravel(), t.ravel(), PIXELS.ravel()))


def test_eq_10_5_gaussian_nll():
    by_hand = 0.5 * np.sum(np.log(2 * np.pi) + T + (PIXELS - MEAN) ** 2 / np.exp(T), axis=1)
    close(by_hand.sum(), gaussian(MEAN, T))
    close(mv.gaussian_nll(MEAN, T, PIXELS), by_hand)


def test_eq_10_6_gradient_in_the_mean():
    by_hand = (MEAN - PIXELS) / np.exp(T)
    close(by_hand, numeric(lambda m: gaussian(m, T), MEAN), 1e-8)
    close(gradients(lambda m: mv.gaussian_nll(m, T, PIXELS), MEAN)[0], by_hand, 1e-13)


def test_eq_10_7_gradient_in_the_decoders_logvar():
    by_hand = 0.5 * (1 - (PIXELS - MEAN) ** 2 / np.exp(T))
    close(by_hand, numeric(lambda t: gaussian(MEAN, t), T), 1e-8)
    close(gradients(lambda t: mv.gaussian_nll(MEAN, t, PIXELS), T)[0], by_hand, 1e-13)


def test_eq_10_8_the_best_shared_variance_is_the_mean_squared_error():
    e = np.mean((PIXELS - MEAN) ** 2)
    tries = np.log(e) + np.linspace(-1, 1, 2001)
    costs = [mv.gaussian_nll(MEAN, t, PIXELS).mean() for t in tries]
    close(tries[np.argmin(costs)], np.log(e), 1e-12)
    close(min(costs), 3 / 2 * (np.log(2 * np.pi) + 1 + np.log(e)))


def test_eq_10_9_a_variance_per_pixel_has_no_floor():
    costs = [mv.gaussian_nll(PIXELS[:, :1], np.full((2, 1), t), PIXELS[:, :1])[0] for t in (0.0, -100.0, -600.0)]
    close(costs, [0.5 * (math.log(2 * math.pi) + t) for t in (0.0, -100.0, -600.0)])


def test_eq_10_10_gradients_at_the_encoders_outputs():
    r = rng()
    mu, s, eps, V, beta = MU[:, :2], LOGVAR[:, :2], r.standard_normal((2, 2)), r.normal(size=(2, 3)), 1.7
    def loss(mu, s):
        z = mv.reparameterize(mu, s, eps)
        return mv.bernoulli_nll(np.tanh(z) @ V, PIXELS) + beta * mv.gaussian_kl(mu, s)
    sigma = np.exp(s / 2)
    z = mu + sigma * eps
    delta = numeric(lambda z: bernoulli(np.tanh(z) @ V, PIXELS).sum(), z)
    found = gradients(loss, mu, s)
    close(found[0], delta + beta * mu, 1e-8)
    close(found[1], 0.5 * sigma * eps * delta + beta / 2 * (sigma**2 - 1), 1e-8)


def test_eq_10_11_squared_error_is_a_decoder_with_variance_one_half():
    for scale, var in [(1.0, 0.5), (0.5, 1.0)]:
        offset = scale * np.sum((PIXELS - MEAN) ** 2, axis=1) - mv.gaussian_nll(MEAN, np.log(var), PIXELS)
        close(offset, -3 / 2 * np.log(2 * np.pi * var))


def test_eq_10_12_codes_from_the_prior_teach_the_mean_image():
    codes = np.array([-1.0, 0.0, 2.0])  # every code is paired with every image equally often
    def cost(decoded):
        return sum(np.sum((x - d) ** 2) for d in decoded for x in IMAGES)
    best = np.tile(IMAGES.mean(axis=0), (len(codes), 1))
    close(numeric(cost, best), np.zeros_like(best), 1e-7)
    assert cost(best + 0.01) > cost(best)
