"""Chapter 1: finite differences."""

import math

import numpy as np
import pytest

from minivae.checks.gradients import taylor_test
from tools import close, integrate, lowest, numeric, rng


def test_eq_1_2_taylor_with_its_remainder():
    x, h = 0.4, 0.7
    t = np.linspace(0, h, 20001)
    remainder = integrate((h - t) ** 2 / 2 * -np.cos(x + t), t)
    close(np.sin(x) + h * np.cos(x) - h**2 / 2 * np.sin(x) + remainder, np.sin(x + h))


def test_eq_1_3_error_of_the_forward_difference():
    x, h = 0.3, 1e-3
    error = (np.exp(x + h) - np.exp(x)) / h - np.exp(x)
    assert h / 2 * np.exp(x) < error < h / 2 * np.exp(x + h)


def test_eq_1_4_error_of_the_central_difference():
    x, h = 0.3, 1e-2
    error = (np.exp(x + h) - np.exp(x - h)) / (2 * h) - np.exp(x)
    assert h**2 / 6 * np.exp(x - h) < error < h**2 / 6 * np.exp(x + h)


def test_eq_1_5_truncation_and_rounding():
    h = 0.5 ** np.arange(2, 40)
    error = np.abs((np.exp(1 + h) - np.exp(1 - h)) / (2 * h) - math.e)
    truncation = h**2 / 6 * np.exp(1 + h)
    assert np.all(error <= truncation + np.finfo(float).eps * np.exp(1 + h) / h)
    assert np.any(error[-10:] > truncation[-10:])  # rounding is needed to explain the small steps


def test_eq_1_6_best_step():
    eps, f, M = np.finfo(float).eps, 3.0, 0.5
    best = (3 * eps * f / M) ** (1 / 3)
    (h,), bound = lowest(lambda h: h**2 / 6 * M + eps * f / h, best * np.exp(np.linspace(-1, 1, 2001)))
    close(h / best, 1, 1e-3)
    close(bound / (0.5 * M * best**2), 1, 1e-6)


def test_eq_1_7_the_step_that_was_taken():
    x, h = 1e6 / 3, 1e-5
    plus, minus = x + h, x - h
    assert (4 * plus - 4 * minus) / (plus - minus) == 4
    assert abs((4 * plus - 4 * minus) / (2 * h) - 4) > 1e-8


def test_eq_1_8_one_random_cotangent_checks_a_jacobian():
    def f(x):
        return np.array([np.sin(x[0] * x[1]), x[2] ** 2, np.exp(x[0]), x[1] * x[2]])
    x, v, u, h = np.array([0.3, -0.8, 1.1]), rng().normal(size=3), rng().normal(size=4), 1e-5
    c = np.cos(x[0] * x[1])
    J = np.array([[x[1] * c, x[0] * c, 0], [0, 0, 2 * x[2]], [np.exp(x[0]), 0, 0], [0, x[2], x[1]]])
    close((u @ f(x + h * v) - u @ f(x - h * v)) / (2 * h), (J.T @ u) @ v)
    close((J.T @ u) @ v, u @ (J @ v))


def scalar(x):
    return np.exp(0.5 * x[0]) * np.sin(x[1]) + x[0] * x[1] ** 2


SCALAR_AT, SCALAR_V = np.array([0.4, 0.9]), np.array([0.8, -0.5])


def remainder(h, wrong=0.0):
    g = numeric(scalar, SCALAR_AT) + wrong
    return abs(scalar(SCALAR_AT + h * SCALAR_V) - scalar(SCALAR_AT) - h * g @ SCALAR_V)


def test_eq_1_9_taylor_remainder_falls_with_slope_2():
    a, b = SCALAR_AT
    e = np.exp(0.5 * a)
    mixed = 0.5 * e * np.cos(b) + 2 * b
    H = np.array([[0.25 * e * np.sin(b), mixed], [mixed, -e * np.sin(b) + 2 * a]])
    close(remainder(1e-4) / 1e-8, 0.5 * abs(SCALAR_V @ H @ SCALAR_V), 1e-2)
    close(np.log2(remainder(1e-3) / remainder(5e-4)), 2, 1e-2)
    assert taylor_test(lambda x: np.sum(np.exp(x) * np.tanh(x)), SCALAR_AT, rng=rng()).ok


def test_eq_1_10_a_wrong_gradient_has_slope_1():
    wrong = np.array([0.3, 0.1])
    close(remainder(1e-6, wrong) / 1e-6, abs(wrong @ SCALAR_V), 1e-5)
    close(np.log2(remainder(2e-6, wrong) / remainder(1e-6, wrong)), 1, 1e-4)


@pytest.mark.parametrize("h", [1e-1, 1e-5])
def test_eq_1_12_at_a_kink_the_mean_of_both_slopes(h):
    close(numeric(lambda x: np.sum(np.maximum(x, 0)), np.zeros(1), h), [0.5])
    close(numeric(lambda x: np.sum(np.abs(x)), np.zeros(1), h), [0.0])
