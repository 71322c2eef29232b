"""Chapter 3: dense layers, initial weights, optimisers."""

import itertools

import numpy as np

import minivae as mv
from cases import X
from tools import LINE, close, integrate, normal, numeric, rng


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
