"""Chapter 1: finite differences."""

import math

import numpy as np
import pytest

import minivae as mv
from minivae.checks.gradients import taylor_test
from page import holds, page
from tools import close, lowest, numeric, rng


def scalar(x):
    return np.exp(0.5 * x[0]) * np.sin(x[1]) + x[0] * x[1] ** 2


def slopes(x):
    """The gradient of scalar."""
    e = np.exp(0.5 * x[0])
    return np.array([0.5 * e * np.sin(x[1]) + x[1] ** 2, e * np.cos(x[1]) + 2 * x[0] * x[1]])


AT = np.array([0.4, 0.9])
V = np.array([0.8, -0.5])
SINE = {"f": np.sin, "f_prime": np.cos, "f_second": lambda x: -np.sin(x),
        "f_third": lambda x: -np.cos(x)}


def test_eq_1_1_the_slope_along_a_direction():
    holds("1.1", f=scalar, df_dx=slopes(AT), x=AT, v=V, tol=5e-5)


@pytest.mark.parametrize("x, h", [(0.4, 0.7), (1.1, -0.3)])
def test_eq_1_2_taylor_with_its_remainder(x, h):
    holds("1.2", **SINE, x=x, h=h, tol=1e-12)


def parabola(x):
    return 3 * x**2 - x + 2


def cubic(x):
    return 2 * x**3 - x**2 + 5


def test_eq_1_3_error_of_the_forward_difference():
    x, h = 0.3, 0.2
    curved = {"f": parabola, "f_prime": lambda x: 6 * x - 1, "f_second": lambda x: 6.0}
    holds("1.3", **curved, x=x, h=h, xi=7.0)  # f'' is the same everywhere
    exponential = {"f": np.exp, "f_prime": np.exp, "f_second": np.exp, "x": x, "h": h}
    low, high = (page("1.3", 1)(**exponential, xi=xi) for xi in (x, x + h))
    assert low < page("1.3", 0)(**exponential) < high


def test_eq_1_4_error_of_the_central_difference():
    x, h = 0.3, 0.2
    curved = {"f": cubic, "f_prime": lambda x: 6 * x**2 - 2 * x, "f_third": lambda x: 12.0}
    holds("1.4", **curved, x=x, h=h, xi=7.0)  # f''' is the same everywhere
    exponential = {"f": np.exp, "f_prime": np.exp, "f_third": np.exp, "x": x, "h": h}
    low, high = (page("1.4", 1)(**exponential, xi=xi) for xi in (x - h, x + h))
    assert low < page("1.4", 0)(**exponential) < high


def test_eq_1_5_truncation_and_rounding():
    h = 0.5 ** np.arange(2, 40)
    error = np.abs((np.exp(1 + h) - np.exp(1 - h)) / (2 * h) - math.e)
    bound = {"f": np.exp(1 + h), "M": np.exp(1 + h), "h": h}
    holds("1.5", E=lambda h: error, epsilon=np.finfo(float).eps, **bound)
    # small steps show rounding
    assert np.any(error[-10:] > page("1.5", 1)(epsilon=0, **bound)[-10:])

    # the worst case: both values of a cubic are off, by epsilon |f| and apart
    x, h, epsilon = 0.4, 0.1, 0.01
    size = 30.0
    high = cubic(x + h) + epsilon * size
    low = cubic(x - h) - epsilon * size
    worst = (high - low) / (2 * h) - (6 * x**2 - 2 * x)
    close(page("1.5", 1)(h=h, M=12.0, epsilon=epsilon, f=size), worst)


def test_eq_1_6_best_step():
    symbols = {"epsilon": 1e-10, "f": -3.0, "M": 0.5}
    best = page("1.6", 1)(**symbols)
    tries = best * np.exp(np.linspace(-1, 1, 2001))
    (h,), error = lowest(lambda h: page("1.5", 1)(h=h, **symbols), tries)
    close(h / best, 1, 1e-3)
    holds("1.6", 1, E=lambda h: error * (1 - 1e-6), h_0=best, M=0.5)
    close(page("1.6", 3)(h_0=best, M=0.5) / error, 1, 1e-6)
    holds("1.6", 0, h_0=best, **symbols)


def test_eq_1_7_the_step_that_was_taken():
    x, h = 1e6 / 3, 1e-5
    stored = {"x_plus": x + h, "x_minus": x - h}
    assert page("1.7", 1)(f=lambda x: 4 * x, **stored) == 4
    assert abs((4 * stored["x_plus"] - 4 * stored["x_minus"]) / (2 * h) - 4) > 1e-8
    holds("1.7", f=np.sin, f_prime=np.cos, x=0.3, x_plus=0.3 + h, x_minus=0.3 - h)


def test_eq_1_8_one_random_cotangent_checks_a_jacobian():
    def f(x):
        return np.array([np.sin(x[0] * x[1]), x[2] ** 2, np.exp(x[0]), x[1] * x[2]])
    x, v, u = np.array([0.3, -0.8, 1.1]), rng().normal(size=3), rng().normal(size=4)
    c = np.cos(x[0] * x[1])
    J = np.array([[x[1] * c, x[0] * c, 0], [0, 0, 2 * x[2]], [np.exp(x[0]), 0, 0], [0, x[2], x[1]]])
    holds("1.8", u=u, J=J, v=v, f=f, x=x)


def remainder(h, wrong=0.0):
    return abs(scalar(AT + h * V) - scalar(AT) - h * (slopes(AT) + wrong) @ V)


GRADIENT = np.array([1.0, 2.0])  # of a cubic at 0
CURVED = np.array([[3.0, 1.0], [1.0, 2.0]])  # its second derivatives there


def cubic_of_two(x):
    return 7.0 + GRADIENT @ x + 0.5 * x @ CURVED @ x + x[0] ** 3


def test_eq_1_9_taylor_remainder_falls_with_slope_2():
    holds("1.9", R=lambda h: abs(cubic_of_two(h * V) - 7.0 - h * GRADIENT @ V), f=cubic_of_two,
          h=0.5,
          x=np.zeros(2), v=V, g=GRADIENT, H=CURVED, O=lambda h_cubed: V[0] ** 3 * h_cubed)
    close(np.log2(remainder(1e-3) / remainder(5e-4)), 2, 1e-2)
    assert taylor_test(lambda x: np.sum(np.exp(x) * np.tanh(x)), AT, rng=rng()).ok


def test_eq_1_10_a_wrong_gradient_has_slope_1():
    delta = np.array([-0.3, 0.1])

    def R(h):  # of f = 1/2 x H x at 0, where the right gradient is 0
        return abs(0.5 * (h * V) @ CURVED @ (h * V) - h * delta @ V)
    holds("1.10", R=R, h=0.2, delta=delta, v=V,
          O=lambda h_squared: 0.5 * V @ CURVED @ V * h_squared)
    close(np.log2(remainder(2e-6, delta) / remainder(1e-6, delta)), 1, 1e-4)


def test_eq_1_11_the_error_of_one_entry():
    analytic, by_steps = np.array([2.0, 0.1, 0.0]), np.array([2.5, 0.0, 0.05])
    for i, by_hand in ((1, 0.5 / 2.5), (2, 0.1 / 2.5), (3, 0.05 / 2.5)):
        holds("1.11", i=i, d=np.array([0.2, 0.04, 0.02]), a=analytic, n=by_steps)
        close(page("1.11", 1)(i=i, a=analytic, n=by_steps), by_hand)
    # a alone may be the largest
    close(page("1.11", 1)(i=1, a=np.array([-4.0]), n=np.array([-2.0])), 0.5)

    x = np.array([3.0, 0.5, -1.0])
    wrong = np.array([0.0, 0.2, 0.0])
    report = mv.check_gradients(lambda x: np.sum(x**2), x, vjp=lambda g, x: (g * (2 * x + wrong),),
                                raise_error=False)
    close(report.error, page("1.11", 1)(i=2, a=2 * x + wrong, n=2 * x), 1e-6)


@pytest.mark.parametrize("h", [1e-1, 1e-5])
def test_eq_1_12_at_a_kink_the_mean_of_both_slopes(h):
    holds("1.12", f=lambda x: np.where(x < 2, 3 * x, 5 * x - 4), x=2.0, h=h, a_minus=3, a_plus=5)
    close(numeric(lambda x: np.sum(np.abs(x)), np.zeros(1), h),
          [page("1.12", 1)(a_plus=1, a_minus=-1)])


def test_eq_1_13_worked_number():
    holds("1.13")
    close(page("1.4", 0)(f=lambda x: x**3, x=1, h=0.1), page("1.13", 0)())
