"""Chapter 2: backpropagation."""

import numpy as np
import pytest

import minivae as mv
from cases import X, Y
from tools import close, gradients, numeric, rng


def test_eq_2_1_chain_rule():
    x, W = np.array([0.3, -0.2]), rng().normal(size=(2, 3))
    def inner(x):
        return np.tanh(x @ W)
    def outer(y):
        return np.sum(np.exp(y) * y[::-1])
    J = np.array([numeric(lambda x: inner(x)[j], x) for j in range(3)])
    close(numeric(outer, inner(x)) @ J, numeric(lambda x: outer(inner(x)), x), 1e-8)


def test_eq_2_2_reverse_mode_multiplies_from_the_loss_back():
    A, C = rng().normal(size=(3, 4)), rng().normal(size=(4, 2))
    def f(x):
        return np.tanh(np.exp(x @ A) @ C)
    x, g = np.array([[0.1, -0.3, 0.2]]), rng().normal(size=(1, 2))
    e = np.exp(x @ A)
    by_hand = (g * (1 - np.tanh(e @ C) ** 2)) @ C.T * e @ A.T  # a row vector, so that each step stands on the right
    close(by_hand, numeric(lambda x: np.sum(g * f(x)), x), 1e-8)
    t = mv.Tensor(x, requires_grad=True)
    f(t).backward(g)
    close(t.grad, by_hand)


def test_eq_2_3_gradients_of_a_shared_value_add_up():
    def f(x):
        y = np.exp(x)
        return y * np.tanh(y) + y
    x = np.array([0.3, -1.2])
    close(gradients(f, x)[0], numeric(lambda x: np.sum(f(x)), x), 1e-8)


def test_eq_2_4_elementwise():
    x, g = rng().normal(size=5), rng().normal(size=5)
    J = np.array([numeric(lambda x: np.sin(x)[j], x) for j in range(5)])
    close(J.T @ g, g * np.cos(x), 1e-8)


def rule(op, formulas, *inputs, plain=None):
    """A rule of minivae and its formula against finite differences of the plain function, at a random g."""
    plain = plain or op
    y = plain(*inputs)
    g = rng().normal(size=np.shape(y))
    tensors = [mv.Tensor(x, requires_grad=True) for x in inputs]
    result = op(*tensors)
    close(result.data, y, 1e-12)
    result.backward(g)
    for i, formula in enumerate(formulas):
        by_hand = formula(g, y)
        close(by_hand, numeric(lambda x: np.sum(g * plain(*inputs[:i], x, *inputs[i + 1:])), inputs[i]), 1e-8)
        close(tensors[i].grad, by_hand, 1e-12)


def test_eq_2_5_exp():
    rule(np.exp, [lambda g, y: g * y], X)


def test_eq_2_6_log():
    rule(np.log, [lambda g, y: g / abs(X)], abs(X))


def test_eq_2_7_sqrt():
    rule(np.sqrt, [lambda g, y: g / (2 * y)], abs(X))


@pytest.mark.parametrize("n", [2, 3, -1, 0.5])
def test_eq_2_8_power(n):
    x = X if isinstance(n, int) else abs(X)
    rule(lambda x: x**n, [lambda g, y: g * n * x ** (n - 1)], x)


def test_eq_2_9_tanh():
    rule(np.tanh, [lambda g, y: g * (1 - y * y)], X)


def test_eq_2_10_sigmoid():
    rule(mv.sigmoid, [lambda g, y: g * y * (1 - y)], X, plain=lambda x: 1 / (1 + np.exp(-x)))


def test_eq_2_11_softplus():
    rule(mv.softplus, [lambda g, y: g / (1 + np.exp(-X))], X, plain=lambda x: np.log(1 + np.exp(x)))


def test_eq_2_12_relu():
    rule(mv.relu, [lambda g, y: g * (X > 0)], X, plain=lambda x: np.maximum(x, 0))
    assert gradients(mv.relu, [0.0])[0] == 0


def test_eq_2_13_absolute():
    rule(np.abs, [lambda g, y: g * np.sign(X)], X)
    assert gradients(np.abs, [0.0])[0] == 0


def test_eq_2_14_maximum():
    tied = np.where([True, False, False], X, Y)  # finite differences agree at a tie, see eq. (1.12)
    rule(np.maximum, [lambda g, y: g * ((X > tied) + 0.5 * (X == tied)), lambda g, y: g * ((tied > X) + 0.5 * (X == tied))],
         X, tied)


def test_eq_2_15_add_subtract_negative():
    rule(np.add, [lambda g, y: g, lambda g, y: g], X, Y)
    rule(np.subtract, [lambda g, y: g, lambda g, y: -g], X, Y)
    rule(np.negative, [lambda g, y: -g], X)


def test_eq_2_16_multiply():
    rule(np.multiply, [lambda g, y: g * Y, lambda g, y: g * X], X, Y)


def test_eq_2_17_divide():
    rule(np.divide, [lambda g, y: g / Y, lambda g, y: -g * X / Y**2], X, Y)


def test_eq_2_18_a_broadcast_input_gets_the_sum_over_its_copies():
    column = X[:, :1]
    rule(lambda x: np.broadcast_to(x, (4, 2, 3)), [lambda g, y: g.sum(axis=(0, 2))[:, None]], column)
    rule(np.multiply, [lambda g, y: g * Y[0], lambda g, y: (g * X).sum(axis=0)], X, Y[0])


def test_eq_2_19_sum():
    rule(lambda x: np.sum(x, axis=0), [lambda g, y: np.stack([g, g])], X)


def test_eq_2_20_mean():
    rule(lambda x: np.mean(x, axis=1), [lambda g, y: np.stack([g / 3] * 3, axis=1)], X)


def test_eq_2_21_matmul():
    rule(np.matmul, [lambda g, y: g @ Y, lambda g, y: X.T @ g], X, Y.T.copy())


def test_eq_2_22_transpose():
    rule(np.transpose, [lambda g, y: g.T], X)


def test_eq_2_23_reshape():
    rule(lambda x: np.reshape(x, (3, 2)), [lambda g, y: g.reshape(2, 3)], X)


def test_eq_2_24_getitem_adds_what_was_taken_twice():
    rule(lambda x: x[:, np.array([2, 0, 2])], [lambda g, y: np.stack([g[:, 1], 0 * g[:, 0], g[:, 0] + g[:, 2]], axis=1)], X)


def test_eq_2_25_concatenate():
    rule(lambda x, y: np.concatenate([x, y], axis=1), [lambda g, y: g[:, :3], lambda g, y: g[:, 3:]], X, Y)


@pytest.mark.parametrize("linear", [
    lambda x: np.broadcast_to(x, (5, 2, 3)), lambda x: np.sum(x, axis=1), lambda x: x[np.array([1, 1, 0])], np.transpose,
    lambda x: np.concatenate([x, 3 * x]), lambda x: np.reshape(x, 6), lambda x: np.matmul(x, Y.T),
    lambda x: np.mean(x, axis=0)])
def test_eq_2_26_dot_product_test(linear):
    t = mv.Tensor(X, requires_grad=True)
    u, v = rng().normal(size=linear(X).shape), rng().normal(size=X.shape)
    linear(t).backward(u)
    close(np.sum(t.grad * v), np.sum(u * linear(v)), 1e-14)
