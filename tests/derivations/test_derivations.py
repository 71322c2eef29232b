"""Every equation of lessons/derivations.md, checked by a route that does not repeat its derivation.

test_eq_8_4_... checks eq. (8.4): by quadrature, enumeration, finite differences, a closed form of another kind, or Monte
Carlo within a stated number of standard errors; and where minivae implements the equation, by its function too.
"""

import itertools
import math
from decimal import Decimal, localcontext
from statistics import NormalDist

import numpy as np
import pytest

import minivae as mv
from minivae import evaluate
from minivae.checks.gradients import taylor_test

# Equations that only define something. They have no truth to test; some of them have a test of minivae's version.
DEFINITIONS = {"1.1", "1.11", "3.4", "3.9", "3.11", "3.13", "4.1", "4.3", "5.1", "5.5", "6.1", "6.6", "6.8", "7.1", "7.4",
               "7.8", "10.1", "10.3", "12.1", "14.1", "15.2", "15.6", "15.7"}

LINE = np.linspace(-16, 16, 32001)  # the trapezoidal rule on it is exact to rounding for smooth densities
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
cdf, quantile = NormalDist().cdf, NormalDist().inv_cdf


def close(a, b, tol=1e-9):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape or a.ndim == 0 or b.ndim == 0, (a.shape, b.shape)
    assert np.all(np.abs(a - b) <= tol * np.maximum(1, np.abs(b))), f"{a}\nis not\n{b}"


def integrate(y, x=LINE):
    return np.sum((y[1:] + y[:-1]) * np.diff(x)) / 2


def log_normal(x, mu=0.0, var=1.0):
    return -0.5 * (np.log(2 * np.pi * var) + (x - mu) ** 2 / var)


def normal(x, mu=0.0, var=1.0):
    return np.exp(log_normal(x, mu, var))


def expect(f, n=1):
    """E f(eps_1, ..., eps_n) over independent standard normal noise, exact for polynomials."""
    eps = np.meshgrid(*[NODES] * n, indexing="ij")
    return np.sum(np.prod(np.meshgrid(*[WEIGHTS] * n, indexing="ij"), axis=0) * f(*eps))


def variance(f, n=1):
    return expect(lambda *eps: f(*eps) ** 2, n) - expect(f, n) ** 2


def kl(p, q, x=LINE):
    """KL from log densities on a grid."""
    return integrate(np.exp(p) * (p - q), x)


def numeric(f, x, h=1e-5):
    """Gradient of a scalar f by central differences."""
    x = np.array(x, np.float64)
    out = np.empty_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        out[i] = (f(x + step) - f(x - step)) / (2 * h)
    return out


def gradients(f, *inputs):
    """Gradients of the sum of f by minivae."""
    tensors = [mv.Tensor(np.array(x, np.float64), requires_grad=True) for x in inputs]
    np.sum(f(*tensors)).backward()
    return [t.grad for t in tensors]


def rng():
    return np.random.default_rng(0)


def lowest(f, *grids):
    """Where f is smallest on a product of grids; f is called once, on arrays."""
    mesh = np.meshgrid(*grids, indexing="ij")
    values = f(*mesh)
    best = np.unravel_index(np.argmin(values), values.shape)
    assert all(0 < i < len(g) - 1 for i, g in zip(best, grids)), "the minimum lies at the grid's edge"
    return [m[best] for m in mesh], values[best]


# Chapter 1: finite differences.

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


# Chapter 2: backpropagation.

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


X = np.array([[0.7, -1.3, 2.1], [-0.4, 1.6, -2.2]])
Y = np.array([[1.2, 0.9, -0.8], [-1.5, 0.6, 1.9]])


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


# Chapter 3: dense layers, initial weights, optimisers.

DENSE_W, DENSE_B = np.array([[0.5, -0.2], [0.1, 0.9], [-0.7, 0.4]]), np.array([0.3, -0.6])


def dense_case(i, by_hand):
    g = rng().normal(size=(2, 2))
    inputs = [X, DENSE_W, DENSE_B]
    tensors = [mv.Tensor(a, requires_grad=True) for a in inputs]
    mv.dense(*tensors).backward(g)
    close(tensors[i].grad, by_hand(g), 1e-12)
    def loss(a):
        x, W, b = [*inputs[:i], a, *inputs[i + 1:]]
        return np.sum(g * (x @ W + b))
    close(by_hand(g), numeric(loss, inputs[i]), 1e-8)


def test_eq_3_1_dense_gradient_of_the_input():
    dense_case(0, lambda g: g @ DENSE_W.T)


def test_eq_3_2_dense_gradient_of_the_weights():
    dense_case(1, lambda g: np.array([[sum(X[n, i] * g[n, j] for n in range(2)) for j in range(2)] for i in range(3)]))


def test_eq_3_3_dense_gradient_of_the_bias():
    dense_case(2, lambda g: g.sum(axis=0))


def test_eq_3_5_backpropagation_through_an_mlp():
    net = mv.MLP((3, 4, 2), "tanh", np.float64, rng())
    (W1, b1), (W2, b2) = [(layer.weight.data, layer.bias.data) for layer in net.layers]
    h = np.tanh(X @ W1 + b1)
    g = rng().normal(size=(2, 2))
    net(X).backward(g)
    delta = g @ W2.T * (1 - h**2)
    for tensor, by_hand in zip(net.parameters(), [X.T @ delta, delta.sum(0), h.T @ g, g.sum(0)]):
        close(tensor.grad, by_hand, 1e-12)
    close(X.T @ delta, numeric(lambda W: np.sum(g * (np.tanh(X @ W + b1) @ W2 + b2)), W1), 1e-8)


def test_eq_3_6_variance_of_a_layer():
    v, x = 0.3, np.array([[1.0, 2.0, -0.5, 0.0], [0.2, 1.0, 1.0, -3.0]])  # the input is one of two rows, by chance
    y = [row @ w for row in x for w in itertools.product([-v**0.5, v**0.5], repeat=4)]
    close(np.mean(y), 0)
    close(np.var(y), 4 * v * np.mean(x**2))


def test_eq_3_7_he_keeps_the_variance_through_relu():
    kept = integrate(np.maximum(LINE, 0) ** 2 * normal(LINE))  # E relu(u)^2 for Var u = 1
    close(50 * (2 / 50) * kept, 1)
    W = mv.Dense(400, 300, "relu", np.float64, rng()).weight.data
    close(W.var() * 400 / 2, 1, 5 * (2 / W.size) ** 0.5)  # 5 standard errors


def test_eq_3_8_glorot():
    a = (6 / (400 + 200)) ** 0.5
    w = np.linspace(-a, a, 100001)
    close(integrate(w**2 / (2 * a), w), 2 / 600)
    W = mv.Dense(400, 200, "tanh", np.float64, rng()).weight.data
    close(W.var() * 600 / 2, 1, 5 * (2 / W.size) ** 0.5)  # 5 standard errors


def optimise(make, gradient_list, start=1.0):
    p = mv.Tensor(np.full(len(np.atleast_1d(gradient_list[0])), start), requires_grad=True)
    optimizer = make([p])
    path = [p.data.copy()]
    for g in gradient_list:
        p.grad = np.atleast_1d(np.array(g, float))
        optimizer.step()
        path.append(p.data.copy())
    return np.array(path)


def test_eq_3_9_momentum_as_defined():
    gs, v, p = [0.5, -1.0, 2.0], 0.0, 1.0
    for g in gs:
        v = 0.8 * v + g
        p -= 0.1 * v
    close(optimise(lambda ps: mv.SGD(ps, lr=0.1, momentum=0.8), gs)[-1], [p], 1e-14)


def test_eq_3_10_momentum_in_a_constant_gradient():
    path = optimise(lambda ps: mv.SGD(ps, lr=0.1, momentum=0.9), [2.0] * 300)
    steps = -np.diff(path[:, 0]) / 0.1
    close(steps, 2 * (1 - 0.9 ** np.arange(1, 301)) / 0.1, 1e-9)
    close(steps[-1], 2 / 0.1)


def test_eq_3_12_why_adam_corrects_its_means():
    beta, values, t = 0.9, [-1.0, 3.0, 4.0], 5
    m, v = [], []
    for gs in itertools.product(values, repeat=t):  # every equally likely history
        a = b = 0.0
        for g in gs:
            a, b = beta * a + (1 - beta) * g, beta * b + (1 - beta) * g * g
        m.append(a), v.append(b)
    close(np.mean(m), (1 - beta**t) * np.mean(values))
    close(np.mean(v), (1 - beta**t) * np.mean(np.square(values)))


def adam(gs, lr=0.01, b1=0.9, b2=0.999, eps=1e-3):
    m = v = 0.0
    p = 1.0
    for t, g in enumerate(gs, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        p -= lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + eps)
    return p


def test_eq_3_13_adam_as_defined():
    gs = [0.5, -1.0, 2.0, 0.1]
    close(optimise(lambda ps: mv.Adam(ps, lr=0.01, eps=1e-3), gs)[-1], [adam(gs)], 1e-13)


def test_eq_3_14_adam_from_unscaled_sums():
    gs, b1, b2, eps, lr = [0.5, -1.0, 2.0, 0.1], 0.9, 0.999, 1e-3, 0.01
    M = V = 0.0
    p = 1.0
    for t, g in enumerate(gs, 1):
        M, V = b1 * M + g, b2 * V + g * g
        c = ((1 - b2) / (1 - b2**t)) ** 0.5
        p -= lr * (1 - b1) / ((1 - b1**t) * c) * M / (V**0.5 + eps / c)
    close(p, adam(gs), 1e-14)


def test_eq_3_15_adams_first_step_does_not_see_the_scale():
    path = optimise(lambda ps: mv.Adam(ps, lr=0.01, eps=1e-8), [[1e-3, -5.0, 1e6]])
    close(path[1] - path[0], -0.01 * np.array([1e-3 / (1e-3 + 1e-8), -1, 1]), 1e-10)


# Chapter 4: the autoencoder.

def test_eq_4_2_sigmoid_and_logit():
    l = np.linspace(-5, 5, 11)
    x = mv.sigmoid(l)
    close(np.log(x / (1 - x)), l)
    close(1 - x, mv.sigmoid(-l))


LOGITS = np.array([[0.3, -2.0, 1.5], [4.0, -0.1, 0.8]])
PIXELS = np.array([[1.0, 0.0, 0.4], [0.9, 1.0, 0.0]])


def bernoulli(l, x):
    p = 1 / (1 + np.exp(-l))
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=-1)


def test_eq_4_4_cross_entropy_from_logits():
    close(np.sum(np.log(1 + np.exp(LOGITS)) - LOGITS * PIXELS, axis=-1), bernoulli(LOGITS, PIXELS))
    images = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    close(np.exp(-np.sum(np.log(1 + np.exp(LOGITS[0])) - LOGITS[0] * images, axis=-1)).sum(), 1)  # all images together


def test_eq_4_5_without_overflow():
    close(mv.bernoulli_nll(LOGITS, PIXELS), bernoulli(LOGITS, PIXELS))
    l, x = np.array([[1e4, -1e4, 1e4, 800.0]]), np.array([[1.0, 0.0, 0.0, 0.25]])
    close(mv.bernoulli_nll(l, x), [1e4 + 600])  # by hand: 0, 0, 10000 and 800 - 200


def test_eq_4_6_gradient_of_the_cross_entropy():
    by_hand = 1 / (1 + np.exp(-LOGITS)) - PIXELS
    close(by_hand, numeric(lambda l: bernoulli(l, PIXELS).sum(), LOGITS), 1e-8)
    close(gradients(lambda l: mv.bernoulli_nll(l, PIXELS), LOGITS)[0], by_hand, 1e-13)
    close(gradients(lambda l: mv.bernoulli_nll(l, np.ones((1, 1))), [[0.0]])[0], [[-0.5]])  # no kink at 0


@pytest.mark.parametrize("l, x", [(40, 1), (-40, 0), (3, 1), (-2, 1), (0, 1), (700, 1), (1, 0)])
def test_eq_4_7_gradient_with_all_its_digits(l, x):
    with localcontext() as context:
        context.prec = 400
        exact = float(1 / (1 + Decimal(-l).exp()) - x)
    t = math.exp(-abs(l)) / (1 + math.exp(-abs(l)))
    by_hand = ((l >= 0) - x) - (1 if l >= 0 else -1) * t
    found = gradients(lambda logits: mv.bernoulli_nll(logits, np.full((1, 1), float(x))), [[float(l)]])[0][0, 0]
    assert abs(by_hand - exact) <= 1e-15 * abs(exact) and abs(found - exact) <= 1e-15 * abs(exact)


@pytest.mark.parametrize("x", [0.1, 0.5, 0.8])
def test_eq_4_8_the_floor_is_the_entropy(x):
    l = np.linspace(-4, 4, 800001)
    (best,), floor = lowest(lambda l: np.log(1 + np.exp(l)) - l * x, l)
    close(floor, -x * np.log(x) - (1 - x) * np.log(1 - x))
    close(1 / (1 + np.exp(-best)), x, 1e-5)


def test_eq_4_9_loss_at_zero_logits():
    close(mv.bernoulli_nll(np.zeros((2, 784)), rng().random((2, 784))), [543.42739, 543.42739], 1e-8)
    close(784 * math.log(2), 543.42739, 1e-8)


def test_eq_4_10_the_best_linear_autoencoder_is_pca():
    x = rng().normal(size=(200, 5)) @ rng().normal(size=(5, 5))
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(x.T @ x / 200)
    def error(basis):
        U = np.linalg.qr(basis)[0]
        return np.mean(np.sum((x - x @ U @ U.T) ** 2, axis=1))
    close(error(vectors[:, 3:]), values[:3].sum())
    r = rng()
    for start, size in ((0, 1.0), (vectors[:, 3:], 0.1)):  # any other plane, and planes near the best one
        assert min(error(start + size * r.normal(size=(5, 2))) for _ in range(300)) > values[:3].sum()
    code = rng().normal(size=(200, 2))  # no encoder and decoder, linear or not in the encoder, does better: alternate them
    for _ in range(200):
        decoder = np.linalg.lstsq(code, x, rcond=None)[0]
        code = x @ np.linalg.pinv(decoder)
    close(np.mean(np.sum((x - code @ decoder) ** 2, axis=1)), values[:3].sum(), 1e-8)


def test_eq_4_11_the_lit_fraction_of_a_moon():
    phases = np.array([0.1, 0.5, 0.75, 1.0])
    R = 2.0
    eta = R * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 20001))
    w = np.sqrt(np.maximum(R**2 - eta**2, 0))
    for f in phases:
        close(integrate(w - (1 - 2 * f) * w, eta), f * np.pi * R**2, 1e-7)
    x, found = mv.data.moons(4, size=16, phases=phases)
    close(found, phases)
    close(x.sum(axis=1, dtype=np.float64), phases * np.pi * (0.42 * 16) ** 2, 1e-5)  # float32 pixels


# Chapter 5: noise on the code.

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


IMAGES = rng().random((4, 6))
CODES, NOISE = np.array([-1.0, 0.2, 0.5, 2.0]), 0.8


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


W, B = np.array([[0.5, -1.0], [0.2, 0.7], [1.1, 0.3]]), np.array([0.1, 0.0, -0.4])  # an affine decoder, D = 3, Z = 2
X1, MU1, STD1 = np.array([0.4, 1.0, -0.3]), np.array([0.3, -0.6]), np.array([0.7, 0.4])  # one example and its posterior


def affine_error(mu, std):
    return expect(lambda a, b: sum((X1[i] - W[i, 0] * (mu[0] + std[0] * a) - W[i, 1] * (mu[1] + std[1] * b) - B[i]) ** 2
                                   for i in range(3)), 2)


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


# Chapter 6: mixtures.

PI, MEANS, VARS = np.array([0.2, 0.5, 0.3]), np.array([-2.0, 0.5, 1.5]), np.array([0.3, 1.0, 0.2])


def mixture(x, means=MEANS):
    return sum(p * normal(x, m, v) for p, m, v in zip(PI, means, VARS))


def test_eq_6_2_mean_and_variance_of_a_mixture():
    mean = PI @ MEANS
    close(integrate(LINE * mixture(LINE)), mean)
    close(integrate((LINE - mean) ** 2 * mixture(LINE)), PI @ (VARS + MEANS**2) - mean**2)


def test_eq_6_3_responsibilities():
    r = rng()
    m = r.choice(3, size=100_000, p=PI)  # draw the component, then x
    x = r.normal(MEANS[m], np.sqrt(VARS[m]))
    responsibility = PI * normal(x[:, None], MEANS, VARS) / mixture(x)[:, None]
    for weight in (np.ones_like(x), x):  # in whatever region of x one looks
        excess = (np.eye(3)[m] - responsibility) * weight[:, None]
        assert np.all(np.abs(excess.mean(axis=0)) < 4 * excess.std(axis=0) / len(x) ** 0.5)  # 4 standard errors


def test_eq_6_4_gradient_in_a_components_mean():
    r = PI * normal(0.8, MEANS, VARS) / mixture(0.8)
    close(r * (0.8 - MEANS) / VARS, numeric(lambda m: np.log(mixture(0.8, m)), MEANS), 1e-8)


DATA = np.concatenate([rng().normal(-1, 0.5, 30), rng().normal(2, 0.8, 20)])


def em_step(pi, means, variances):
    joint = pi * normal(DATA[:, None], means, variances)
    r = joint / joint.sum(1, keepdims=True)
    N = r.sum(0)
    means = r.T @ DATA / N
    return r, (N / len(DATA), means, np.sum(r * (DATA[:, None] - means) ** 2, axis=0) / N), np.log(joint.sum(1)).mean()


def test_eq_6_5_em_solves_for_fixed_responsibilities():
    r, (pi, means, variances), _ = em_step(np.array([0.5, 0.5]), np.array([-0.5, 1.0]), np.array([1.0, 1.0]))
    def Q(logits, means, logvar):
        log_pi = logits - np.log(np.exp(logits).sum())
        return np.sum(r * (log_pi + log_normal(DATA[:, None], means, np.exp(logvar))))
    at = [np.log(pi), means, np.log(variances)]
    for i in range(3):
        close(numeric(lambda a: Q(*at[:i], a, *at[i + 1:]), at[i]), np.zeros(2), 1e-6)


def test_eq_6_7_total_variation_is_the_largest_difference():
    p, q = np.array([0.1, 0.4, 0.2, 0.05, 0.25]), np.array([0.3, 0.1, 0.25, 0.15, 0.2])
    best = max(itertools.product([False, True], repeat=5), key=lambda A: (p - q)[list(A)].sum())  # every event
    close((p - q)[list(best)].sum(), 0.5 * np.abs(p - q).sum())
    assert list(best) == list(p > q)


def test_eq_6_9_a_linear_decoder_can_be_integrated():
    w, b, tau = 0.8, -0.3, 0.6
    for x in (-1.0, 0.4, 2.0):
        close(integrate(normal(LINE) * normal(x, w * LINE + b, tau**2)), normal(x, b, w**2 + tau**2))


def test_eq_6_10_log_of_a_sum_of_exponentials():
    a = np.array([-1.0, 0.5, 2.0])
    close(a.max() + np.log(np.exp(a - a.max()).sum()), math.log(math.fsum(map(math.exp, a))))
    far = np.array([-5000.0, -5001.0])
    close(evaluate.log_mean_exp(far), -5000 + math.log1p(math.exp(-1)) - math.log(2), 1e-14)


def test_eq_6_11_maximum_likelihood_is_the_smallest_kl_from_the_data():
    p = np.array([0.1, 0.5, 0.15, 0.25])
    data = [0, 2, 3]
    divergence = sum(1 / 3 * math.log((1 / 3) / p[n]) for n in data)
    close(np.mean(np.log(p[data])), -math.log(3) - divergence)


# Chapter 7: the bound.

def test_eq_7_2_kl_is_never_negative():
    r = rng()
    for _ in range(200):
        p, q = r.dirichlet(np.ones(4), 2)
        assert np.sum(p * np.log(p / q)) > 0
    p = np.array([0.5, 0.5, 0.0])  # and with a zero in p
    assert np.sum(p[:2] * np.log(p[:2] / np.array([0.3, 0.3]))) > 0
    laplace, logistic = -np.abs(LINE) - np.log(2), -LINE - 2 * np.log1p(np.exp(-LINE))
    assert kl(laplace, logistic) > 0.01 and kl(logistic, laplace) > 0.01
    close(kl(laplace, laplace), 0)
    t = np.linspace(0.01, 5, 500)
    assert np.all(np.log(t) <= t - 1)


def test_eq_7_3_every_summand_can_be_made_non_negative():
    p, q = log_normal(LINE, 0.5, 0.7), log_normal(LINE, -0.2, 1.5)
    summand = np.exp(p) * (np.expm1(q - p) - (q - p))
    assert np.all(summand >= 0)
    close(integrate(summand), kl(p, q))
    assert np.any(p - q < 0)  # while single log-ratios are negative


GRID = np.linspace(-7, 7, 7001)
OBSERVED, TAU = 0.8, 0.5


def curve(z, theta=1.0):
    return theta * np.sin(z) + 0.3 * z


def toy(theta=1.0):
    """log p(x, z), log p(x) and log p(z | x) on the grid, for x = theta sin z + 0.3 z + 0.5 noise."""
    joint = log_normal(GRID) + log_normal(OBSERVED, curve(GRID, theta), TAU**2)
    evidence = np.log(integrate(np.exp(joint), GRID))
    return joint, evidence, joint - evidence


def bound(log_q, joint):
    return integrate(np.exp(log_q) * (joint - log_q), GRID)


def test_eq_7_5_log_p_is_bound_plus_gap():
    joint, evidence, posterior = toy()
    for mu, var in [(0.5, 0.2), (-0.3, 0.6), (1.0, 0.05)]:
        q = log_normal(GRID, mu, var)
        close(bound(q, joint) + kl(q, posterior, GRID), evidence, 1e-11)


def test_eq_7_6_the_bound_is_reached_only_at_the_posterior():
    joint, evidence, posterior = toy()
    close(bound(posterior, joint), evidence, 1e-11)
    for mu, var in itertools.product([-1, 0, 0.7, 1], [0.05, 0.2, 1.0]):
        assert bound(log_normal(GRID, mu, var), joint) < evidence - 1e-3


def test_eq_7_7_reconstruction_minus_kl():
    joint, _, _ = toy()
    q = log_normal(GRID, 0.6, 0.3)
    reconstruction = integrate(np.exp(q) * log_normal(OBSERVED, curve(GRID), TAU**2), GRID)
    divergence = mv.gaussian_kl(np.array([[0.6]]), np.log([[0.3]]))[0]
    close(reconstruction - divergence, bound(q, joint), 1e-11)


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9, 0.99])
def test_eq_7_9_gap_at_a_correlated_posterior(rho):
    P = np.linalg.inv([[1, rho], [rho, 1]])
    log_det = np.linalg.slogdet(P)[1]
    def divergence(v):  # KL(q || p) for equal variances v, as two-dimensional averages under q
        def log_ratio(a, b):
            x, y = np.sqrt(v) * a, np.sqrt(v) * b
            log_p = 0.5 * log_det - 0.5 * (P[0, 0] * x * x + 2 * P[0, 1] * x * y + P[1, 1] * y * y)
            return -np.log(v) - 0.5 * (a * a + b * b) - log_p
        return expect(log_ratio, 2)
    tries = (1 - rho**2) * np.exp(np.linspace(-0.5, 0.5, 41))
    gaps = [divergence(v) for v in tries]
    assert np.argmin(gaps) == 20  # the best variance is 1 - rho^2
    close(min(gaps), -0.5 * np.log(1 - rho**2))
    close(0.5 * (np.log(np.diag(P)).sum() - log_det), -0.5 * np.log(1 - rho**2))


def test_eq_7_10_gap_at_two_humps_tends_to_log_2():
    gaps = []
    for tau in (0.1, 0.05, 0.025):
        z = np.linspace(-3, 3, 60_001)
        def energy(z):  # -log p(z, x = 1) up to a constant
            return z**2 / 2 + (1 - z**2) ** 2 / (2 * tau**2)
        log_p = -energy(z) - np.log(integrate(np.exp(-energy(z)), z))
        m, log_s, width = 1.0, np.log(tau / 2), 0.2
        for _ in range(5):  # the best Gaussian, on ever finer grids around one hump
            ms, ss = np.meshgrid(m + width * tau * np.linspace(-1, 1, 21), log_s + width * np.linspace(-1, 1, 21))
            cost = energy(ms[..., None] + np.exp(ss)[..., None] * NODES) @ WEIGHTS - ss
            best = np.unravel_index(np.argmin(cost), cost.shape)
            m, log_s, width = ms[best], ss[best], width / 4
        gaps.append(kl(log_normal(z, m, np.exp(2 * log_s)), log_p, z) - math.log(2))
        assert min(kl(log_normal(z, 0, s**2), log_p, z) for s in np.linspace(0.05, 0.6, 12)) > math.log(2) + 0.3  # a wide q
    assert 3.9 < gaps[1] / gaps[2] < gaps[0] / gaps[1] < 4.2 and gaps[2] < 2e-4, gaps  # what is left falls as tau^2


def test_eq_7_11_where_the_bound_drives_the_decoder():
    q = log_normal(GRID, 0.4, 0.3)
    def slope(f):
        return (f(1 + 1e-4) - f(1 - 1e-4)) / 2e-4
    of_bound = slope(lambda t: bound(q, toy(t)[0]))
    close(of_bound, slope(lambda t: toy(t)[1]) - slope(lambda t: kl(q, toy(t)[2], GRID)), 1e-8)
    assert abs(slope(lambda t: kl(q, toy(t)[2], GRID))) > 0.1  # the gap has a say


def test_eq_7_12_exact_em_never_lowers_the_likelihood():
    state, history = (np.array([0.5, 0.5]), np.array([-0.2, 0.1]), np.array([2.0, 2.0])), []
    for _ in range(60):
        _, state, likelihood = em_step(*state)
        history.append(likelihood)
    assert np.all(np.diff(history) >= -1e-14) and history[-1] > history[0] + 0.1


def test_eq_7_13_the_bound_pulls_the_decoder_back():
    tau, x = 0.5, 1.2
    def closed(w):
        a = w**2 / tau**2
        return log_normal(x, 0, 2 * w**2 + tau**2) - 0.5 * np.log((1 + a) ** 2 / (1 + 2 * a))
    z = np.linspace(-8, 8, 801)
    inner = np.array([integrate(normal(z) * normal(x, 0.7 * (z + other), tau**2), z) for other in z])
    log_p = np.log(integrate(normal(z) * inner, z))
    P = np.eye(2) + 0.7**2 / tau**2  # the posterior's precision, and the best of many variances for q
    v = np.linspace(0.05, 1, 20001)
    close(closed(0.7), log_p - np.min(P[0, 0] * v - np.log(v) - 1) + 0.5 * np.linalg.slogdet(P)[1], 1e-8)
    best = math.sqrt((x**2 - tau**2) / 2)  # maximises log p(x)
    lower = best - 0.05
    assert closed(lower) > closed(best) and log_normal(x, 0, 2 * lower**2 + tau**2) < log_normal(x, 0, 2 * best**2 + tau**2)


# Chapter 8: the KL between Gaussians.

@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
def test_eq_8_1_the_kl_as_one_integral(mu, var):
    close(0.5 * integrate(normal(LINE, mu, var) * (-np.log(var) + LINE**2 - (LINE - mu) ** 2 / var)),
          kl(log_normal(LINE, mu, var), log_normal(LINE)))


@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
def test_eq_8_2_the_three_integrals(mu, var):
    q = normal(LINE, mu, var)
    close(integrate(q * -np.log(var)), -np.log(var))
    close(integrate(q * LINE**2), mu**2 + var)
    close(-integrate(q * (LINE - mu) ** 2 / var), -1)


@pytest.mark.parametrize("mu, var", [(0, 1), (0.7, 0.3), (-1.5, 2.0)])
def test_eq_8_3_their_sum(mu, var):
    close(0.5 * (mu**2 + var - np.log(var) - 1), kl(log_normal(LINE, mu, var), log_normal(LINE)))


MU, LOGVAR = np.array([[0.5, -1.0, 0.0], [2.0, 0.1, -0.3]]), np.array([[-0.4, 0.9, 0.0], [-3.0, 1.0, 0.2]])
PRIOR = np.array([0.3, -0.5, 1.0])


def kl_by_quadrature(mu, logvar, prior):
    return [sum(kl(log_normal(LINE, m, np.exp(s)), log_normal(LINE, p)) for m, s, p in zip(*row, prior))
            for row in zip(mu, logvar)]


def test_eq_8_4_kl_of_independent_latents():
    by_hand = 0.5 * np.sum(MU**2 + np.exp(LOGVAR) - LOGVAR - 1, axis=1)
    close(by_hand, kl_by_quadrature(MU, LOGVAR, np.zeros(3)))
    close(mv.gaussian_kl(MU, LOGVAR), by_hand, 1e-14)
    z = MU[0] + np.exp(LOGVAR[0] / 2) * rng().standard_normal((100_000, 3))  # and in all dimensions at once, by sampling
    log_ratio = np.sum(log_normal(z, MU[0], np.exp(LOGVAR[0])) - log_normal(z), axis=1)
    assert abs(log_ratio.mean() - by_hand[0]) < 4 * log_ratio.std() / 100_000**0.5  # 4 standard errors


def test_eq_8_5_kl_from_a_prior_with_another_mean():
    by_hand = 0.5 * np.sum((MU - PRIOR) ** 2 + np.exp(LOGVAR) - LOGVAR - 1, axis=1)
    close(by_hand, kl_by_quadrature(MU, LOGVAR, PRIOR))
    close(mv.gaussian_kl(MU, LOGVAR, PRIOR), by_hand, 1e-14)


def kl_gradient(i, by_hand):
    inputs = [MU, LOGVAR, np.tile(PRIOR, (2, 1))]
    def plain(a):
        m, s, p = [*inputs[:i], a, *inputs[i + 1:]]
        return 0.5 * np.sum((m - p) ** 2 + np.exp(s) - s - 1)
    close(by_hand, numeric(plain, inputs[i]), 1e-8)
    close(gradients(mv.gaussian_kl, *inputs)[i], by_hand, 1e-14)


def test_eq_8_6_gradient_in_mu():
    kl_gradient(0, MU - PRIOR)


def test_eq_8_7_gradient_in_logvar():
    kl_gradient(1, 0.5 * (np.exp(LOGVAR) - 1))


def test_eq_8_8_gradient_in_the_prior_mean():
    kl_gradient(2, -(MU - PRIOR))


@pytest.mark.parametrize("s", [-1e-4, 1e-4, 3e-7, -2.0])
def test_eq_8_9_close_to_the_prior(s):
    with localcontext() as context:
        context.prec = 50
        exact = float((Decimal(s).exp() - 1 - Decimal(s)) / 2)
    assert abs(0.5 * (np.expm1(s) - s) - exact) <= 1e-9 * abs(s)
    single = mv.gaussian_kl(np.zeros((1, 1), np.float32), np.full((1, 1), s, np.float32))[0]
    assert single >= 0 and abs(single - exact) <= 1e-7 * abs(s)
    assert 0.5 * (np.exp(np.float32(-1e-4)) - np.float32(1) - np.float32(-1e-4)) < 0  # what the plain formula gives


def test_eq_8_10_the_two_parts():
    means, variances = mv.gaussian_kl(MU, 0 * LOGVAR), mv.gaussian_kl(0 * MU, LOGVAR)
    close(means, 0.5 * np.sum(MU**2, axis=1))
    close(variances, 0.5 * np.sum(np.exp(LOGVAR) - LOGVAR - 1, axis=1))
    close(means + variances, kl_by_quadrature(MU, LOGVAR, np.zeros(3)))


def test_eq_8_11_the_variance_part_is_smallest_at_0():
    for s in (-3.0, -0.5, 0.5, 2.0):
        u = np.linspace(0, s, 20001)
        close(integrate(np.exp(u) - 1, u), np.exp(s) - 1 - s, 1e-7)
    (best,), value = lowest(lambda s: np.expm1(s) - s, np.linspace(-4, 4, 8001))
    assert abs(best) < 1e-9 and abs(value) < 1e-15


def test_eq_8_12_the_essays_sum_is_plus_twice_the_kl():
    for m, s in [(0.0, 1.0), (1.3, -0.8)]:
        close(np.exp(s) - (1 + s) + m**2, 2 * kl(log_normal(LINE, m, np.exp(s)), log_normal(LINE)))


def test_eq_8_13_and_no_multiple_of_it_if_std_is_exp_sigma():
    sums, kls = [], []
    for m, a in [(0.0, 1.0), (1.3, -0.8), (0.0, 0.1), (0.0, -3.0)]:
        sums.append(np.exp(a) - (1 + a) + m**2)
        kls.append(kl(log_normal(3 * LINE, m, np.exp(2 * a)), log_normal(3 * LINE), 3 * LINE))
        close(2 * kls[-1] - sums[-1], np.exp(2 * a) - np.exp(a) - a, 1e-8)
    close([sums[0], kls[0]], [0.718, 2.195], 1e-3)
    assert np.ptp(np.divide(sums, kls)) > 0.5


def test_eq_8_14_the_naive_penalty_is_the_kl_to_second_order():
    for mu, s in [(0.3, 0.2), (0.3, -0.2), (0.1, 0.02), (0.0, -0.02)]:
        rest = mv.gaussian_kl(np.array([[mu]]), np.array([[s]]))[0] - (0.5 * mu**2 + 0.25 * s**2)
        close(rest / s**3, 1 / 12, abs(s) / 10)
    far = np.array([[-40.0]])  # far from the prior they part
    close(mv.gaussian_kl(0 * far, far)[0], 20 - 0.5)


def midpoints(a, b, n=200_000):
    return a + (np.arange(n) + 0.5) * (b - a) / n


def test_eq_8_15_kl_between_uniforms():
    def divergence(a, b, c, d):
        z = midpoints(a, b)
        q = np.where((z >= c) & (z <= d), 1 / (d - c), 0)
        with np.errstate(divide="ignore"):
            return np.mean(np.log(1 / (b - a)) - np.log(q))
    close(divergence(0.2, 0.9, -1, 2), math.log(3 / 0.7))
    assert divergence(-1.1, 0.9, -1, 2) == math.inf


@pytest.mark.parametrize("a, b", [(-1.0, 1.0), (0.3, 2.0)])
def test_eq_8_16_kl_from_a_uniform_to_a_gaussian(a, b):
    numeric_kl = np.mean(-np.log(b - a) - log_normal(midpoints(a, b)))
    close(0.5 * np.log(2 * np.pi) - np.log(b - a) + (a * a + a * b + b * b) / 6, numeric_kl)


def test_eq_8_17_a_uniform_posterior_costs_a_constant_more():
    mu, sigma = 0.4, 0.6
    a, b = mu - 3**0.5 * sigma, mu + 3**0.5 * sigma
    numeric_kl = np.mean(-np.log(b - a) - log_normal(midpoints(a, b)))
    constant = 0.5 * np.log(2 * np.pi * np.e / 12)
    close(mv.gaussian_kl(np.array([[mu]]), 2 * np.log([[sigma]]))[0] + constant, numeric_kl)
    close(constant, 0.176, 1e-3)


def test_eq_8_18_full_covariance():
    m, S = np.array([0.3, -0.8]), np.array([[1.2, 0.5], [0.5, 0.7]])
    L, inverse = np.linalg.cholesky(S), np.linalg.inv(S)
    def log_ratio(a, b):
        x, y = m[0] + L[0, 0] * a, m[1] + L[1, 0] * a + L[1, 1] * b
        u, v = x - m[0], y - m[1]
        log_q = -0.5 * (np.log(np.linalg.det(S)) + inverse[0, 0] * u * u + 2 * inverse[0, 1] * u * v + inverse[1, 1] * v * v)
        return log_q + 0.5 * (x * x + y * y)
    close(0.5 * (m @ m + np.trace(S) - np.log(np.linalg.det(S)) - 2), expect(log_ratio, 2))


# Chapter 9: reparameterization.

def test_eq_9_1_change_of_variables():
    mu, sigma, (a, b) = 0.6, 0.4, (0.1, 1.3)
    z = np.linspace(a, b, 20001)
    eps = np.linspace((a - mu) / sigma, (b - mu) / sigma, 20001)
    close(integrate(normal(z, mu, sigma**2), z), integrate(normal(eps), eps))
    close(integrate(normal(z, mu, sigma**2), z), cdf((b - mu) / sigma) - cdf((a - mu) / sigma), 1e-8)


def draw(mu, logvar):
    """z at the quadrature nodes, through minivae."""
    return mv.reparameterize(np.full((40, 1), mu), np.full((40, 1), logvar), NODES[:, None])[:, 0]


def test_eq_9_2_moments_of_the_reparameterized_draw():
    z = draw(0.7, -0.9)
    close(WEIGHTS @ z, 0.7)
    close(WEIGHTS @ z**2 - 0.7**2, np.exp(-0.9))
    close(WEIGHTS @ (z - 0.7) ** 4, 3 * np.exp(-1.8))  # and it is Gaussian


def reparameterize_gradient(i, by_hand):
    inputs = [MU, LOGVAR]
    eps = rng().standard_normal(MU.shape)
    def plain(a):
        m, s = [*inputs[:i], a, *inputs[i + 1:]]
        return np.sum(m + np.exp(s / 2) * eps)
    close(by_hand(eps), numeric(plain, inputs[i]), 1e-8)
    close(gradients(lambda m, s: mv.reparameterize(m, s, eps), *inputs)[i], by_hand(eps), 1e-14)


def test_eq_9_3_gradient_in_mu():
    reparameterize_gradient(0, lambda eps: np.ones_like(eps))


def test_eq_9_4_gradient_in_logvar():
    reparameterize_gradient(1, lambda eps: 0.5 * np.exp(LOGVAR / 2) * eps)


def smooth(z):
    return np.sin(z) + z**2


def mean_of_smooth(a):
    return integrate(smooth(LINE) * normal(LINE, a[0], np.exp(a[1])))


AT = np.array([0.7, -0.9])  # mu and logvar


def test_eq_9_5_pathwise_gradient():
    z, sigma = draw(*AT), np.exp(AT[1] / 2)
    slope = np.cos(z) + 2 * z
    close([WEIGHTS @ slope, WEIGHTS @ (slope * 0.5 * sigma * NODES)], numeric(mean_of_smooth, AT), 1e-8)


def test_eq_9_6_score_function_gradient():
    z, sigma = draw(*AT), np.exp(AT[1] / 2)
    scores = [NODES / sigma, 0.5 * (NODES**2 - 1)]
    close([WEIGHTS @ (smooth(z) * score) for score in scores], numeric(mean_of_smooth, AT), 1e-8)


def test_eq_9_7_the_scores():
    z, sigma = 1.1, np.exp(AT[1] / 2)
    eps = (z - AT[0]) / sigma
    close([eps / sigma, 0.5 * (eps**2 - 1)], numeric(lambda a: log_normal(z, a[0], np.exp(a[1])), AT), 1e-8)


MUS = [(0.7, 0.5), (1.0, 1.0), (-2.0, 0.3)]


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_8_pathwise_variance(mu, s):
    close(variance(lambda e: 2 * (mu + s * e)), 4 * s**2)


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_9_score_function_variance(mu, s):
    close(variance(lambda e: (mu + s * e) ** 2 * e / s), mu**4 / s**2 + 14 * mu**2 + 15 * s**2)


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_10_baselines(mu, s):
    def with_baseline(b):
        close(expect(lambda e: ((mu + s * e) ** 2 - b) * e / s), 2 * mu)
        return variance(lambda e: ((mu + s * e) ** 2 - b) * e / s)
    close(with_baseline(mu**2 + s**2), 8 * mu**2 + 10 * s**2)
    close(with_baseline(mu**2 + 3 * s**2), 8 * mu**2 + 6 * s**2)
    assert min(with_baseline(mu**2 + k * s**2) for k in np.linspace(1, 5, 41)) >= 8 * mu**2 + 6 * s**2 - 1e-9


@pytest.mark.parametrize("mu, s", MUS)
def test_eq_9_11_both_variances_in_sigma(mu, s):
    close(expect(lambda e: 2 * (mu + s * e) * e), 2 * s)
    close(variance(lambda e: 2 * (mu + s * e) * e), 4 * mu**2 + 8 * s**2)
    close(variance(lambda e: (mu + s * e) ** 2 * (e**2 - 1) / s), 2 * mu**4 / s**2 + 60 * mu**2 + 74 * s**2)


def test_eq_9_12_the_score_hears_every_latent():
    close(variance(lambda a: (1 + a) ** 2 * a), 4 + 14 + 12)
    close(variance(lambda a, b: ((1 + a) ** 2 + (1 + b) ** 2) * a, 2), 4 * 4 + 14 * 2 + 12)
    close(variance(lambda a, b, c: ((1 + a) ** 2 + (1 + b) ** 2 + (1 + c) ** 2) * a, 3), 4 * 9 + 14 * 3 + 12)
    close((4 * 128**2 + 14 * 128 + 12) / 4, 16835)


@pytest.mark.parametrize("mu, s, k", [(0.3, 0.4, 2), (0.1, 1.0, 10)])
def test_eq_9_13_sine_reverses_the_order(mu, s, k):
    z = mu + s * LINE
    path = integrate(normal(LINE) * (k * np.cos(k * z)) ** 2)
    score = integrate(normal(LINE) * (np.sin(k * z) * LINE / s) ** 2)
    c = np.cos(2 * k * mu) * np.exp(-2 * k**2 * s**2)
    close(path, k**2 / 2 * (1 + c))
    close(score, (1 - (1 - 4 * k**2 * s**2) * c) / (2 * s**2))
    if k == 10:
        close([path, score], [50, 0.5])


def test_eq_9_14_a_step_has_no_pathwise_gradient():
    mu, s, h = 0.5, 0.5, 1e-5
    truth = (cdf((mu + h) / s) - cdf((mu - h) / s)) / (2 * h)
    close(normal(mu / s) / s, truth, 1e-8)
    eps = np.linspace(-mu / s, 16, 200_001)
    close(integrate(normal(eps) * eps / s, eps), truth, 1e-8)  # the score function's mean


def test_eq_9_15_finite_differences_with_fresh_and_common_noise():
    mu, s, h = 0.7, 0.5, 0.1
    fresh = variance(lambda a, b: ((mu + h + s * a) ** 2 - (mu - h + s * b) ** 2) / (2 * h), 2)
    common = variance(lambda a: ((mu + h + s * a) ** 2 - (mu - h + s * a) ** 2) / (2 * h))
    close(fresh, (2 * mu**2 * s**2 + s**4) / h**2 + 2 * s**2)
    close(common, 4 * s**2)


# Chapter 10: the VAE.

def test_eq_10_2_one_draw_of_noise_is_unbiased():
    joint, _, _ = toy()
    z = draw(0.4, np.log(0.3))
    nll = mv.gaussian_nll(curve(z)[:, None], 2 * np.log(TAU), np.full((40, 1), OBSERVED))
    kls = mv.gaussian_kl(np.full((40, 1), 0.4), np.full((40, 1), np.log(0.3)))
    close(WEIGHTS @ -(nll + kls), bound(log_normal(GRID, 0.4, 0.3), joint))


def test_eq_10_4_batches_are_unbiased():
    losses = np.array([3.0, -1.0, 4.0, 1.5, 9.0])
    close(np.mean([np.mean(losses[list(batch)]) for batch in itertools.combinations(range(5), 2)]), losses.mean())


MEAN, T = rng().normal(size=(2, 3)), np.array([[-0.5, 0.3, 1.0], [0.2, -1.0, 0.0]])


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


# Chapter 11: the tug of war. The affine decoder of chapter 5, with variance VX.

VX = 0.2


def pull(s, beta=1.0, vx=VX):
    """E nll + beta KL for the affine decoder, by quadrature."""
    def cost(a, b):
        z = np.stack([MU1[0] + np.exp(s[0] / 2) * a, MU1[1] + np.exp(s[1] / 2) * b], axis=-1).reshape(-1, 2)
        return mv.gaussian_nll(z @ W.T + B, np.log(vx), np.tile(X1, (len(z), 1))).reshape(a.shape)
    return expect(cost, 2) + beta * mv.gaussian_kl(MU1[None], np.asarray(s)[None])[0]


SENSITIVITY = np.sum(W**2, axis=0)


def test_eq_11_1_expected_nll_of_a_linear_decoder():
    at_mu = mv.gaussian_nll((W @ MU1 + B)[None], np.log(VX), X1[None])[0]
    close(pull(2 * np.log(STD1), beta=0), at_mu + np.sum(STD1**2 * SENSITIVITY / (2 * VX)))


def test_eq_11_2_two_forces():
    for beta in (0.5, 1.0, 3.0):
        close(0.5 * STD1**2 * SENSITIVITY / VX + beta / 2 * (STD1**2 - 1),
              numeric(lambda s: pull(s, beta), 2 * np.log(STD1)), 1e-7)


def balance(beta, vx=VX):
    """Where the force in logvar changes its sign, by bisection."""
    low, high = np.full(2, -15.0), np.full(2, 5.0)
    for _ in range(60):
        s = (low + high) / 2
        force = numeric(lambda s: pull(s, beta, vx), s, 1e-3)
        low, high = np.where(force < 0, s, low), np.where(force < 0, high, s)
    return np.exp(s)


def test_eq_11_3_the_noise_that_a_decoder_asks_for():
    close(balance(1.0), 1 / (1 + SENSITIVITY / VX), 1e-5)


def test_eq_11_4_with_beta():
    close(balance(4.0), 1 / (1 + SENSITIVITY / (4 * VX)), 1e-5)
    close(balance(1e-3), 1 / (1 + SENSITIVITY / (1e-3 * VX)), 1e-5)
    assert np.all(1 / (1 + SENSITIVITY / (1e-9 * VX)) < 1e-8)


def test_eq_11_5_bernoulli_decoder():
    l0, J, mu = np.array([0.5, -1.0, 2.0]), np.array([1.2, -0.7, 0.4]), 0.3
    def nll(z):
        return mv.bernoulli_nll(l0 + np.asarray(z)[:, None] * J, np.tile([1.0, 0.0, 0.3], (np.size(z), 1)))
    p = 1 / (1 + np.exp(-(l0 + mu * J)))
    curvature = np.sum(p * (1 - p) * J**2)
    sigma = 1e-2
    close((WEIGHTS @ nll(mu + sigma * NODES) - nll([mu])[0]) / sigma**2, 0.5 * curvature, 1e-3)
    (s,), _ = lowest(lambda s: 0.5 * np.exp(s) * curvature + 0.5 * (np.exp(s) - s), np.linspace(-4, 0.5, 450_001))
    close(np.exp(s), 1 / (1 + curvature), 1e-4)


def test_eq_11_6_a_smaller_error_asks_for_less_noise():
    noises = []
    for e in (1.0, 0.3, 0.05):
        (t,), _ = lowest(lambda t: t + e * np.exp(-t), np.linspace(-5, 2, 70_001))  # the decoder's variance, as it learns it
        noises.append(balance(1.0, vx=np.exp(t)))
        close(noises[-1], e / (e + SENSITIVITY), 1e-3)
    assert np.all(np.diff(noises, axis=0) < 0)


# Chapter 12: the aggregate posterior of four examples.

Q_MU, Q_LOGVAR = np.array([-1.5, -0.2, 0.4, 1.6]), np.array([-1.0, -0.5, -2.0, -1.5])
POSTERIORS = np.array([log_normal(LINE, m, np.exp(s)) for m, s in zip(Q_MU, Q_LOGVAR)])
AGGREGATE = np.log(np.exp(POSTERIORS).mean(axis=0))
INFORMATION = np.mean([kl(q, AGGREGATE) for q in POSTERIORS])


def test_eq_12_2_if_every_posterior_is_the_prior():
    q = np.tile(log_normal(LINE), (4, 1))
    aggregate = np.exp(q).mean(axis=0)
    close(aggregate, normal(LINE))
    close(np.exp(q) / 4 / aggregate, 0.25)
    close(np.mean([kl(q_n, np.log(aggregate)) for q_n in q]), 0)


def test_eq_12_3_mean_and_covariance():
    close(integrate(LINE * np.exp(AGGREGATE)), Q_MU.mean())
    close(integrate((LINE - Q_MU.mean()) ** 2 * np.exp(AGGREGATE)), np.exp(Q_LOGVAR).mean() + Q_MU.var())
    mu, var = rng().normal(size=(5, 2)), rng().random((5, 2))  # two latents: a covariance, component by component
    def moment(n, i, j):
        def product(*eps):
            return math.prod(mu[n, k] + var[n, k] ** 0.5 * eps[k] for k in (i, j))
        return expect(product, 2)
    second = np.array([[np.mean([moment(n, i, j) for n in range(5)]) for j in (0, 1)] for i in (0, 1)])
    centred = mu - mu.mean(0)
    close(second - np.outer(mu.mean(0), mu.mean(0)), np.diag(var.mean(0)) + centred.T @ centred / 5)


def test_eq_12_4_the_exact_split():
    mean_kl = mv.gaussian_kl(Q_MU[:, None], Q_LOGVAR[:, None]).mean()
    close(mean_kl, INFORMATION + kl(AGGREGATE, log_normal(LINE)))


def test_eq_12_5_information_is_at_most_log_n():
    assert 0 < INFORMATION < math.log(4)
    apart = np.array([log_normal(LINE, m, 1e-2) for m in (-6.0, -2.0, 2.0, 6.0)])
    together = np.log(np.exp(apart).mean(axis=0) + 1e-300)
    close(np.mean([kl(q, together) for q in apart]), math.log(4))


def test_eq_12_6_average_elbo_with_the_split():
    xs = np.array([-0.8, 0.1, 0.3, 0.9])
    log_likelihoods = [log_normal(x, curve(LINE), TAU**2) for x in xs]
    bounds = [integrate(np.exp(q) * (l + log_normal(LINE) - q)) for q, l in zip(POSTERIORS, log_likelihoods)]
    reconstruction = np.mean([integrate(np.exp(q) * l) for q, l in zip(POSTERIORS, log_likelihoods)])
    close(np.mean(bounds), reconstruction - INFORMATION - kl(AGGREGATE, log_normal(LINE)))


def test_eq_12_7_the_gaussian_part_of_the_marginal_kl():
    fit = log_normal(LINE, Q_MU.mean(), np.exp(Q_LOGVAR).mean() + Q_MU.var())
    close(kl(AGGREGATE, log_normal(LINE)), kl(AGGREGATE, fit) + kl(fit, log_normal(LINE)))


def test_eq_12_8_the_quantile_code_is_standard_normal():
    z = np.array([quantile(f) for f in midpoints(0, 1, 4000)])
    for t in (-1.5, 0.0, 0.7):
        close(np.mean(z <= t), integrate(normal(LINE)[LINE <= t], LINE[LINE <= t]), 1 / 2000)
    close([z.mean(), z.var()], [0, 1], 2e-3)


# Chapter 13: what it cannot see.

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


# Chapter 14: the conditional VAE.

CLASS_MU, LABELS = np.array([[-1.0, 0.5], [1.0, 0.0], [0.3, 2.0]]), np.array([0, 2, 1, 2, 2, 0])
ENCODED, ENCODED_S = rng().normal(size=(6, 2)), rng().normal(size=(6, 2))


def test_eq_14_2_conditional_bound():
    shift = 1.2
    joint = log_normal(GRID, shift) + log_normal(OBSERVED, curve(GRID), TAU**2)
    evidence = np.log(integrate(np.exp(joint), GRID))
    q = log_normal(GRID, 0.6, 0.3)
    reconstruction = integrate(np.exp(q) * log_normal(OBSERVED, curve(GRID), TAU**2), GRID)
    bound_y = reconstruction - mv.gaussian_kl(np.array([[0.6]]), np.log([[0.3]]), shift)[0]
    close(evidence - bound_y, kl(q, joint - evidence, GRID))
    assert bound_y < evidence


def test_eq_14_3_gradient_in_the_class_means():
    found = gradients(lambda table: mv.gaussian_kl(ENCODED, ENCODED_S, table[LABELS]), CLASS_MU)[0]
    by_hand = np.array([-(ENCODED[LABELS == c] - CLASS_MU[c]).sum(axis=0) for c in range(3)])
    close(found, by_hand, 1e-12)
    close(by_hand, numeric(lambda table: 0.5 * np.sum((ENCODED - table[LABELS]) ** 2), CLASS_MU), 1e-8)


def test_eq_14_4_class_means_settle_at_the_mean_of_their_codes():
    best = np.array([ENCODED[LABELS == c].mean(axis=0) for c in range(3)])
    one_hot = np.eye(3)[LABELS]
    close(best, np.linalg.lstsq(one_hot, ENCODED, rcond=None)[0])  # the quadratic in eq. (8.5), minimised


def test_eq_14_5_class_of_a_code():
    z, share = np.array([0.4, 0.9]), np.array([0.5, 0.3, 0.2])
    density = np.array([p * np.prod(normal(z, m)) for p, m in zip(share, CLASS_MU)])
    score = share * np.exp(CLASS_MU @ z - 0.5 * np.sum(CLASS_MU**2, axis=1))
    close(score / score.sum(), density / density.sum())


@pytest.mark.parametrize("distance", [0.5, 2.0, 4.0])
def test_eq_14_6_two_classes_overlap(distance):
    right = integrate(np.maximum(0.5 * normal(LINE, distance / 2), 0.5 * normal(LINE, -distance / 2)))
    close(cdf(distance / 2), right, 1e-6)


# Chapter 15: likelihood and linear models.

def test_eq_15_1_weights_average_to_the_likelihood():
    joint, evidence, _ = toy()
    q = log_normal(GRID, 0.4, 0.6)
    close(np.log(integrate(np.exp(q) * np.exp(joint - q), GRID)), evidence)
    z = 0.4 + 0.6**0.5 * rng().standard_normal(100_000)
    w = np.exp(log_normal(z) + log_normal(OBSERVED, curve(z), TAU**2) - log_normal(z, 0.4, 0.6))
    assert abs(w.mean() - np.exp(evidence)) < 4 * w.std() / 100_000**0.5  # 4 standard errors


def test_eq_15_3_the_bounds_rise_towards_log_p():
    q, w = np.array([0.5, 0.3, 0.2]), np.array([0.2, 1.5, 0.9])  # a code with three values, all K-tuples enumerated
    bounds = [sum(math.prod(q[list(ks)]) * math.log(np.mean(w[list(ks)])) for ks in itertools.product(range(3), repeat=K))
              for K in range(1, 8)]
    close(bounds[0], q @ np.log(w))
    assert np.all(np.diff(bounds) > 0) and bounds[-1] < math.log(q @ w)


def test_eq_15_4_the_weight_of_a_reparameterized_draw():
    mu, s, prior, eps = MU[:1], LOGVAR[:1], PRIOR, rng().standard_normal((1, 3))
    z = mu + np.exp(s / 2) * eps
    log_w = 7.0 * -1 + 0.5 * np.sum(eps**2 + s - (z - prior) ** 2)
    close(log_w, -7.0 + np.sum(log_normal(z, prior)) - np.sum(log_normal(z, mu, np.exp(s))))


def test_eq_15_5_how_far_below():
    share, low, high = 0.4, 0.5, 2.0  # a weight with two values: the mean of K of them is binomial
    p, var = share * high + (1 - share) * low, share * (1 - share) * (high - low) ** 2
    def bias(K):
        k = np.arange(K + 1)
        log_choose = np.array([math.lgamma(K + 1) - math.lgamma(j + 1) - math.lgamma(K - j + 1) for j in k])
        probability = np.exp(log_choose + k * math.log(share) + (K - k) * math.log(1 - share))
        return probability @ np.log((k * high + (K - k) * low) / K) - math.log(p)
    for K in (100, 400):
        assert abs(K * bias(K) + var / (2 * p**2)) < 2 / K


PPCA_X = rng().normal(size=(300, 5)) * np.array([3.0, 2.0, 1.0, 0.5, 0.4]) @ np.linalg.qr(rng().normal(size=(5, 5)))[0]
PPCA_X -= PPCA_X.mean(0)
PPCA_S = PPCA_X.T @ PPCA_X / 300
EIGENVALUES = np.linalg.eigvalsh(PPCA_S)[::-1]


def mean_log_density(C):
    values, vectors = np.linalg.eigh(C)
    return np.mean(np.sum(log_normal(PPCA_X @ vectors, 0, values), axis=1))  # one independent Gaussian per axis of C


def test_eq_15_8_a_linear_decoder_gives_a_gaussian():
    w, vx = np.array([0.8, -0.5]), 0.3
    C = np.outer(w, w) + vx * np.eye(2)
    for x in (np.array([0.4, 1.0]), np.array([-1.0, 0.2])):
        density = np.exp(-0.5 * x @ np.linalg.solve(C, x)) / (2 * np.pi * np.sqrt(np.linalg.det(C)))
        close(integrate(normal(LINE) * normal(x[0], w[0] * LINE, vx) * normal(x[1], w[1] * LINE, vx)), density)


def test_eq_15_9_log_likelihood_through_the_covariance():
    r = rng().normal(size=(5, 2))
    C = r @ r.T + 0.7 * np.eye(5)
    trace = np.trace(np.linalg.solve(C, PPCA_S))
    close(-0.5 * (5 * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + trace), mean_log_density(C))


def test_eq_15_10_and_of_all_weights_these_are_best():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    vectors = np.linalg.eigh(PPCA_S)[1][:, ::-1]
    rotation = np.linalg.qr(rng().normal(size=(2, 2)))[0]
    W = vectors[:, :2] * np.sqrt(EIGENVALUES[:2] - fit.variance) @ rotation
    close(W @ W.T, fit.W @ fit.W.T)
    def likelihood(W):
        return mean_log_density(W @ W.T + fit.variance * np.eye(5))
    close(numeric(likelihood, W, 1e-4), np.zeros((5, 2)), 1e-6)
    r = rng()
    assert all(likelihood(W + size * r.normal(size=(5, 2))) < likelihood(W) for size in (0.01, 0.3, 3.0) for _ in range(30))


def test_eq_15_11_the_best_noise_is_the_mean_of_the_discarded():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    close(fit.variance, EIGENVALUES[2:].mean())
    vectors = np.linalg.eigh(PPCA_S)[1][:, ::-1]
    def likelihood(v):
        U = vectors[:, :2] * np.sqrt(EIGENVALUES[:2] - v)
        return mean_log_density(U @ U.T + v * np.eye(5))
    assert all(likelihood(fit.variance) > likelihood(fit.variance * k) for k in (0.8, 0.99, 1.01, 1.2))


def test_eq_15_12_log_likelihood_at_the_maximum():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    by_hand = -0.5 * (5 * np.log(2 * np.pi) + np.log(EIGENVALUES[:2]).sum() + 3 * np.log(fit.variance) + 5)
    close(by_hand, mean_log_density(fit.W @ fit.W.T + fit.variance * np.eye(5)))
    close(fit.log_likelihood, by_hand)


def test_eq_15_13_posterior_of_a_linear_decoder():
    w, vx, x = np.array([[0.8, 0.3], [-0.5, 0.9], [0.1, 0.4]]), 0.3, np.array([0.4, 1.0, -0.2])
    z = np.linspace(-5, 5, 401)
    z1, z2 = np.meshgrid(z, z, indexing="ij")
    joint = normal(z1) * normal(z2) * np.prod([normal(x[i], w[i, 0] * z1 + w[i, 1] * z2, vx) for i in range(3)], axis=0)
    joint /= joint.sum()
    mean = np.array([np.sum(joint * z1), np.sum(joint * z2)])
    M = w.T @ w + vx * np.eye(2)
    close(mean, np.linalg.solve(M, w.T @ x), 1e-8)
    close(np.sum(joint * z1 * z2) - mean[0] * mean[1], (vx * np.linalg.inv(M))[0, 1], 1e-8)
    close(np.sum(joint * z2 * z2) - mean[1] ** 2, (vx * np.linalg.inv(M))[1, 1], 1e-8)


def test_eq_15_14_gap_of_the_linear_vae():
    fit = mv.evaluate.ppca(PPCA_X, 2)
    turn = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]])
    for rotation, tight in ((np.eye(2), True), (turn, False)):
        w = fit.W @ rotation
        M = w.T @ w + fit.variance * np.eye(2)
        std = np.sqrt(fit.variance / np.diag(M))
        gap = 0.5 * (np.log(np.diag(M)).sum() - np.linalg.slogdet(M)[1])
        for x in PPCA_X[:2]:
            mu = np.linalg.solve(M, w.T @ x)
            def log_weight(a, b):
                z = np.stack([mu[0] + std[0] * a, mu[1] + std[1] * b], axis=-1)
                return (log_normal(x, z @ w.T, fit.variance).sum(-1) + log_normal(z).sum(-1)
                        - log_normal(a) - log_normal(b) + np.log(std).sum())
            C = fit.W @ fit.W.T + fit.variance * np.eye(5)
            log_p = -0.5 * (5 * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + x @ np.linalg.solve(C, x))
            close(log_p - expect(log_weight, 2), gap)
        assert (gap < 1e-12) == tight


def linear_unit(lam, vx, beta):
    """The best a, log variance and w for one latent and one coordinate of variance lam, by gradient descent."""
    def cost(p):  # of one example on average, as written out above eq. (15.15)
        a, s, w = p
        return (lam * (1 - w * a) ** 2 + w**2 * np.exp(s)) / (2 * vx) + beta / 2 * (a**2 * lam + np.exp(s) - s - 1)
    p = np.array([0.3, -0.5, 0.4])
    for _ in range(3000):
        p = p - 0.03 * numeric(cost, p)
    close(numeric(cost, p), np.zeros(3), 1e-6)
    return p


@pytest.mark.parametrize("lam, vx, beta, active", [(2.0, 0.5, 1.0, True), (2.0, 0.5, 3.0, True), (2.0, 1.0, 3.0, False),
                                                   (0.6, 1.0, 1.0, False)])
def test_eq_15_15_a_unit_lives_if_its_eigenvalue_is_large_enough(lam, vx, beta, active):
    a, s, w = linear_unit(lam, vx, beta)
    assert active == (lam > beta * vx)
    close(w**2, max(lam - beta * vx, 0), 1e-6)


def test_eq_15_16_what_a_living_unit_costs():
    lam, vx, beta = 2.0, 0.5, 3.0
    a, s, w = linear_unit(lam, vx, beta)
    close(np.exp(s), beta * vx / lam, 1e-7)
    close(a**2 * lam, 1 - beta * vx / lam, 1e-7)
    close(0.5 * (a**2 * lam + np.exp(s) - s - 1), 0.5 * np.log(lam / (beta * vx)), 1e-7)


def test_eq_15_17_beta_is_a_decoder_variance():
    vx, beta = 0.3, 4.0
    kls = mv.gaussian_kl(MU, LOGVAR)
    with_beta = mv.gaussian_nll(MEAN, np.log(vx), PIXELS) - 1.5 * np.log(2 * np.pi * vx) + beta * kls
    another_model = mv.gaussian_nll(MEAN, np.log(beta * vx), PIXELS) - 1.5 * np.log(2 * np.pi * beta * vx) + kls
    close(with_beta, beta * another_model)


def test_eq_15_18_mean_over_pixels_is_beta_d():
    D = 12
    x = rng().random((4, D))
    grads = []
    for scale, beta in ((1.0, float(D)), (1 / D, 1.0)):
        model = mv.VAE(D, (5,), 2, dtype=np.float64, rng=np.random.default_rng(3))
        nll, kls = model.terms(x, np.random.default_rng(4))
        np.mean(scale * nll + beta * kls).backward()
        grads.append(np.concatenate([p.grad.ravel() for p in model.parameters()]))
    close(grads[1], grads[0] / D, 1e-13)
