"""Chapter 13: what it cannot see."""

import numpy as np

import minivae as mv
from cases import LOGITS, MEAN, PIXELS, bound
from tools import LINE, close, integrate, normal, numeric, rng, variance


def test_eq_13_1_an_edit_costs_what_its_own_pixel_says():
    edited = PIXELS.copy()
    edited[:, 1] = [0.7, 0.2]
    change = edited[:, 1] - PIXELS[:, 1]
    close(mv.bernoulli_nll(LOGITS, edited) - mv.bernoulli_nll(LOGITS, PIXELS), -change * LOGITS[:, 1])
    close(mv.gaussian_nll(MEAN, np.log(0.3), edited) - mv.gaussian_nll(MEAN, np.log(0.3), PIXELS),
          ((edited[:, 1] - MEAN[:, 1]) ** 2 - (PIXELS[:, 1] - MEAN[:, 1]) ** 2) / 0.6)


def test_eq_13_2_reordered_pixels_make_no_difference():
    x, order = rng().random((5, 12)), rng().permutation(12)
    model, twin = (mv.VAE(12, (7,), 2, dtype=np.float64, rng=rng()) for _ in range(2))
    weights = model.state_dict()
    weights["encoder.0.weight"] = weights["encoder.0.weight"][order]
    for name in ("decoder.1.weight", "decoder.1.bias"):
        weights[name] = weights[name][..., order]
    twin.load_state_dict(weights)
    loss, twin_loss = model.loss(x, rng()), twin.loss(x[:, order], rng())
    close(twin_loss.item(), loss.item(), 1e-13)
    loss.backward(), twin_loss.backward()
    one, other = ({p.name: p.grad for p in m.parameters()} for m in (model, twin))
    close(other["encoder.0.weight"], one["encoder.0.weight"][order], 1e-12)
    close(other["decoder.0.weight"], one["decoder.0.weight"], 1e-12)


def test_eq_13_3_the_best_bound_asks_the_other_pixels():
    prior, logits = np.array([0.2, 0.5, 0.3]), rng().normal(size=(3, 4))  # a code with three values
    def log_joint(x):
        return np.log(prior) - mv.bernoulli_nll(logits, np.tile(x, (3, 1)))
    def log_p(x):  # the bound at its best q, which is the exact posterior
        return np.log(np.exp(log_joint(x)).sum())
    for x in (np.array([1.0, 0.0, 1.0, 0.3]), np.array([0.0, 1.0, 1.0, 0.3])):
        posterior = np.exp(log_joint(x) - log_p(x))
        close(numeric(log_p, x), posterior @ logits, 1e-8)


def test_eq_13_4_means_vary_less_than_data():
    def mean(z):
        return np.sin(z) + 0.3 * z + 0.4
    def within(z):  # the variance of x given z
        return 0.1 + 0.05 * np.cos(z) ** 2
    x, z = np.linspace(-4, 5, 901), np.linspace(-7, 7, 1401)
    density = np.sum(normal(x[:, None], mean(z), within(z)) * normal(z), axis=1) * (z[1] - z[0])
    total = integrate(x**2 * density, x) - integrate(x * density, x) ** 2
    of_means = integrate((mean(LINE) - 0.4) ** 2 * normal(LINE))
    close(total, integrate(within(LINE) * normal(LINE)) + of_means, 1e-7)
