"""Chapter 3: dense layers, initial weights, optimisers."""

import itertools

import numpy as np
import pytest

import minivae as mv
from page import holds, page
from tools import LINE, close, integrate, normal, numeric, rng

X = np.array([[0.7, -1.3, 2.1], [-0.4, 1.6, -2.2]])
W = np.array([[0.5, -0.2], [0.1, 0.9], [-0.7, 0.4]])
B = np.array([0.3, -0.6])


def dense_case():
    """g, and the gradients by minivae and by difference quotients."""
    g = rng().normal(size=(2, 2))
    tensors = [mv.Tensor(a, requires_grad=True) for a in (X, W, B)]
    mv.dense(*tensors).backward(g)
    by_steps = [numeric(lambda x: np.sum(g * (x @ W + B)), X),
                numeric(lambda w: np.sum(g * (X @ w + B)), W),
                numeric(lambda b: np.sum(g * (X @ W + b)), B)]
    return g, [t.grad for t in tensors], by_steps


def test_eq_3_1_dense_gradient_of_the_input():
    g, exact, by_steps = dense_case()
    holds("3.1", g=g, W=W, X_bar=exact[0])
    holds("3.1", g=g, W=W, X_bar=by_steps[0], tol=1e-8)


def test_eq_3_2_dense_gradient_of_the_weights():
    g, exact, by_steps = dense_case()
    holds("3.2", g=g, X=X, W_bar=exact[1])
    holds("3.2", g=g, X=X, W_bar=by_steps[1], tol=1e-8)


def test_eq_3_3_dense_gradient_of_the_bias():
    g, exact, by_steps = dense_case()
    for j in (1, 2):
        holds("3.3", j=j, g=g, b_bar=exact[2])
        holds("3.3", j=j, g=g, b_bar=by_steps[2], tol=1e-8)


def small_network():
    net = mv.MLP((3, 4, 2), "tanh", np.float64, rng())
    for p in net.parameters():
        p.data += 0.1  # so that no bias is 0
    W, b = ({k + 1: p.data for k, p in enumerate(net.parameters()[i::2])} for i in (0, 1))
    first = net.layers[0](X).data
    u = {1: first, 2: net.layers[1](np.tanh(first)).data}
    return net, W, b, u, {0: X, 1: np.tanh(first)}


@pytest.mark.parametrize("k", [1, 2])
def test_eq_3_4_a_network(k):
    net, W, b, u, h = small_network()
    symbols = {"u": u, "W": W, "b": b, "a": np.tanh, "k": k, "K": 2, "output": net(X).data}
    holds("3.4", [0, 2], h=h, **symbols)
    holds("3.4", 1, h={**h, 2: np.tanh(u[2])}, **symbols)


def test_eq_3_5_backpropagation_through_an_mlp():
    net, W, b, u, h = small_network()
    g = rng().normal(size=(2, 2))
    net(X).backward(g)
    grads = [p.grad for p in net.parameters()]
    delta = {1: numeric(lambda a: np.sum(g * (np.tanh(a) @ W[2] + b[2])), u[1]), 2: g}
    symbols = {"delta": delta, "W": W, "u": u, "h": h, "a_prime": lambda u: 1 - np.tanh(u) ** 2}
    holds("3.5", 0, k=1, **symbols, tol=1e-8)
    for k, grad in ((1, grads[0]), (2, grads[2])):
        holds("3.5", 1, k=k, W_bar={k: grad}, **symbols, tol=1e-8)


def test_eq_3_6_variance_of_a_layer():
    v = 0.3
    rows = np.array([[1.0, 2.0, -0.5, 0.0], [2.0, -1.0, 0.0, 0.5], [-0.5, 0.0, 1.0, 2.0],
                     [0.0, 0.5, 2.0, -1.0]])
    # one of four rows, by chance
    y = [row @ w for row in rows for w in itertools.product([-v**0.5, v**0.5], repeat=4)]
    close(np.mean(y), 0)
    close(np.mean(rows**2, axis=0), np.full(4, np.mean(rows**2)))  # the common mean square
    holds("3.6", Var_y=np.var(y), n=4, v=v, E=np.mean, x=rows)


def test_eq_3_7_he_keeps_the_variance_through_relu():
    kept = integrate(np.maximum(LINE, 0) ** 2 * normal(LINE))  # E relu(u)^2 for Var u = 1
    holds("3.7", Var_W=1 / (50 * kept), n_in=50)
    W = mv.Dense(400, 300, "relu", np.float64, rng()).weight.data
    # 5 standard errors
    holds("3.7", Var_W=W.var(), n_in=400, tol=5 * (2 / W.size) ** 0.5 * 2 / 400)


def test_eq_3_8_glorot():
    shape = {"n_in": 400, "n_out": 200}
    a = page("3.8", 3)(**shape)
    w = np.linspace(-a, a, 100001)
    holds("3.8", Var_W=integrate(w**2 / (2 * a), w), a=abs(a), **shape)
    holds("3.8", 0, Var_W=1 / np.mean([400, 200]), **shape)  # the two factors n Var(W) average to 1
    W = mv.Dense(400, 200, "tanh", np.float64, rng()).weight.data
    # 5 standard errors
    holds("3.8", 0, Var_W=W.var(), **shape, tol=5 * (2 / W.size) ** 0.5 * 2 / 600)


def optimise(make, gradient_list, start=1.0):
    """The parameter before and after each step, as minivae takes them: (steps + 1, entries)."""
    p = mv.Tensor(np.full(len(np.atleast_1d(gradient_list[0])), start), requires_grad=True)
    optimizer = make([p])
    path = [p.data.copy()]
    for g in gradient_list:
        p.grad = np.atleast_1d(np.array(g, float))
        optimizer.step()
        path.append(p.data.copy())
    return np.array(path)


GRADIENTS = np.array([0.5, -1.0, 2.0, 0.1])
TIMES = (1, 2, 3, 4)


def test_eq_3_9_momentum_as_defined():
    path = optimise(lambda ps: mv.SGD(ps, lr=0.1, momentum=0.8), GRADIENTS)[:, 0]
    velocity = {0: 0.0, **{t: sum(0.8**k * GRADIENTS[t - 1 - k] for k in range(t)) for t in TIMES}}
    for t in TIMES:
        holds("3.9", t=t, v=velocity, g=GRADIENTS, theta=dict(enumerate(path)), eta=0.1, gamma=0.8)


def test_eq_3_10_momentum_in_a_constant_gradient():
    path = optimise(lambda ps: mv.SGD(ps, lr=0.1, momentum=0.9), [2.0] * 300)
    steps = -np.diff(path[:, 0]) / 0.1
    for t in (1, 2, 5, 40):
        close(page("3.10", 1)(gamma=0.9, t=t, g=2.0), steps[t - 1])
    holds("3.10", v_t=steps[-1], gamma=0.9, t=300, g=2.0)


B1, B2 = 0.9, 0.99
RATES = {"beta_1": B1, "beta_2": B2}


def unrolled(beta, values):
    """sum over k of beta^(t-k) values_k, for each t."""
    return {t: sum(beta ** (t - 1 - k) * values[k] for k in range(t)) for t in (0, *TIMES)}


def test_eq_3_11_running_means():
    m = {t: (1 - B1) * M for t, M in unrolled(B1, GRADIENTS).items()}
    v = {t: (1 - B2) * V for t, V in unrolled(B2, GRADIENTS**2).items()}
    for t in TIMES:
        holds("3.11", t=t, m=m, v=v, g=GRADIENTS, **RATES)


def test_eq_3_12_why_adam_corrects_its_means():
    values, t = [-1.0, 3.0, 4.0], 4
    histories = list(itertools.product(values, repeat=t))  # every equally likely one
    m = np.array([(1 - B1) * unrolled(B1, g)[t] for g in histories])
    v = np.array([(1 - B2) * unrolled(B2, np.square(g))[t] for g in histories])
    holds("3.12", E=np.mean, m_t=m, v_t=v, g=np.array(values), t=t, **RATES)


def adam(lr, eps):
    return optimise(lambda ps: mv.Adam(ps, lr=lr, betas=(B1, B2), eps=eps), GRADIENTS)[:, 0]


def averages(t):
    """Adam's corrected means: the weighted averages of what it has seen."""
    seen = GRADIENTS[:t]
    ages = np.arange(t)[::-1]
    return np.average(seen, weights=B1**ages), np.average(seen**2, weights=B2**ages)


@pytest.mark.parametrize("t", TIMES)
def test_eq_3_13_adam_as_defined(t):
    lr, eps = 0.01, 0.3
    m_hat, v_hat = averages(t)
    m, v = (1 - B1) * unrolled(B1, GRADIENTS)[t], (1 - B2) * unrolled(B2, GRADIENTS**2)[t]
    holds("3.13", t=t, theta=dict(enumerate(adam(lr, eps))), eta=lr, epsilon=eps, m_hat_t=m_hat,
          v_hat_t=v_hat, m_t=m, v_t=v,
          **RATES)


@pytest.mark.parametrize("t", TIMES)
def test_eq_3_14_adam_from_unscaled_sums(t):
    lr, eps = 0.01, 0.3
    m_hat, v_hat = averages(t)
    M, V = unrolled(B1, GRADIENTS)[t], unrolled(B2, GRADIENTS**2)[t]
    symbols = {"M_t": M, "V_t": V, "c_t": (v_hat / V) ** 0.5, "eta": lr, "epsilon": eps, "t": t,
               **RATES}
    holds("3.14", m_hat_t=m_hat, v_hat_t=v_hat, **symbols)
    path = adam(lr, eps)
    close(path[t - 1] - path[t], page("3.14", 1)(**symbols))


def test_eq_3_15_adams_first_step_does_not_see_the_scale():
    g = np.array([1e-3, -5.0, 1e6])
    path = optimise(lambda ps: mv.Adam(ps, lr=0.01, eps=1e-3), [g])
    holds("3.15", theta_0=path[0], theta_1=path[1], eta=0.01, g=g, epsilon=1e-3)
    close(page("3.15", 1)(eta=0.01, g=g, epsilon=1e-8), -0.01 * np.array([1, -1, 1]), 1e-5)


def test_eq_3_16_the_start_that_the_models_use():
    a = 400**-0.5
    w = np.linspace(-a, a, 100001)
    holds("3.16", Var_W=integrate(w**2 / (2 * a), w), n_in=400)
    W = mv.VAE(400, (300,), 2, rng=rng()).encoder.layers[0].weight.data
    assert abs(W).max() < a
    # 5 standard errors
    holds("3.16", 0, Var_W=W.var(dtype=float), n_in=400, tol=5 * (0.8 / W.size) ** 0.5 / 1200)


def test_eq_3_17_worked_number():
    holds("3.17", tol=5e-5)
    x = rng().normal(size=(500, 300))
    shrunk = np.maximum(x @ rng().normal(0, 0.01, (300, 300)), 0)
    close(np.mean(shrunk**2) / np.mean(x**2) / page("3.17", 0)(), 1, 0.1)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9])
def test_eq_3_18_how_large_a_step_may_be(gamma):
    lam = 7.0

    def distance(lr):
        p = mv.Tensor([1.0], requires_grad=True)
        optimizer = mv.SGD([p], lr=lr, momentum=gamma)
        for _ in range(600):
            p.grad = lam * p.data
            optimizer.step()
        return abs(p.data[0])
    limit = page("3.18", 2)(gamma=gamma, lam=lam)
    for share in (0.02, 0.98):
        holds("3.18", eta=share * limit, gamma=gamma, lam=lam)
        assert distance(share * limit) < 1e-2
    assert distance(1.02 * limit) > 10
    for lr in (0.0, 1.02 * limit):
        with pytest.raises(AssertionError):
            holds("3.18", eta=lr, gamma=gamma, lam=lam)
