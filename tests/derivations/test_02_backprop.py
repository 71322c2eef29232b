"""Chapter 2: backpropagation."""

import itertools

import numpy as np
import pytest

import minivae as mv
from page import holds, page
from tools import close, gradients, numeric, rng

X = np.array([0.7, -1.3, 2.1, -0.4, 1.6, -2.2])
Y = np.array([1.2, 0.9, -0.8, -1.5, 0.6, 1.9])


def test_eq_2_1_chain_rule():
    x, weights = np.array([0.3, -0.2]), rng().normal(size=(2, 3))

    def inner(x):
        return np.tanh(x @ weights)

    def outer(y):
        return np.sum(np.exp(y) * y[::-1])
    y = inner(x)
    dy_dx = np.array([numeric(lambda x: inner(x)[j], x) for j in range(3)])
    dL_dx = numeric(lambda x: outer(inner(x)), x)
    for i in (1, 2):
        holds("2.1", i=i, y=y, dL_dx=dL_dx, dL_dy=numeric(outer, y), dy_dx=dy_dx, tol=1e-8)


def test_eq_2_2_reverse_mode_multiplies_from_the_loss_back():
    A, C, F = rng().normal(size=(3, 3, 3))

    def f(x):  # three steps, none with a symmetric Jacobian
        return np.tanh(np.exp(x @ A) @ C) @ F
    x, g = np.array([0.1, -0.3, 0.2]), rng().normal(size=3)
    e = np.exp(x @ A)
    bent = np.diag(1 - np.tanh(e @ C) ** 2)
    chain = {"J_1": np.diag(e) @ A.T, "J_2": bent @ C.T, "J_3": F.T, "g": g}
    holds("2.2", x_bar=numeric(lambda x: np.sum(g * f(x)), x), **chain, tol=1e-8)
    t = mv.Tensor(x[None], requires_grad=True)
    f(t).backward(g[None])
    holds("2.2", x_bar=t.grad[0], **chain)


def test_eq_2_3_gradients_of_a_shared_value_add_up():
    A, C = rng().normal(size=(2, 2)), rng().normal(size=(2, 2))

    def f(x):  # x is used by a = A x and by b = tanh(C x); the result is the sum of a b
        return (A @ x) * np.tanh(C @ x)
    x = np.array([0.3, -1.2])
    b = np.tanh(C @ x)
    shared = {"J_a": A, "a_bar": b, "J_b": np.diag(1 - b**2) @ C, "b_bar": A @ x}
    holds("2.3", x_bar=numeric(lambda x: np.sum(f(x)), x), **shared, tol=1e-8)
    holds("2.3", x_bar=gradients(f, x)[0], **shared)


def test_eq_2_4_elementwise():
    g = rng().normal(size=X.shape)
    holds("2.4", x_bar=numeric(lambda x: np.sum(g * np.sin(x)), X), g=g, f_prime=np.cos, x=X,
          tol=1e-8)


def rule(number, op, *inputs, plain=None, at=None, **more):
    """A rule of minivae, and difference quotients of the plain function, against the page."""
    plain = plain or op
    result = plain(*inputs)
    g = rng().normal(size=np.shape(result))
    symbols = {"g": g, "x": inputs[0], "y": inputs[1] if len(inputs) > 1 else result, **more}
    tensors = [mv.Tensor(x, requires_grad=True) for x in inputs]
    found = op(*tensors)
    close(found.data, result, 1e-12)
    found.backward(g)
    exact = {f"{name}_bar": t.grad for name, t in zip("xy", tensors)}
    by_steps = {}
    for i, name in zip(range(len(inputs)), "xy"):
        def loss(x):
            return np.sum(g * plain(*inputs[:i], x, *inputs[i + 1:]))
        by_steps[f"{name}_bar"] = numeric(loss, inputs[i])
    holds(number, at, tol=1e-12, **symbols, **exact)
    holds(number, at, tol=1e-8, **symbols, **by_steps)


def test_eq_2_5_exp():
    rule("2.5", np.exp, X)


def test_eq_2_6_log():
    rule("2.6", np.log, abs(X))


def test_eq_2_7_sqrt():
    rule("2.7", np.sqrt, abs(X))


@pytest.mark.parametrize("n", [2, 3, -1, 0.5])
def test_eq_2_8_power(n):
    rule("2.8", lambda x: x**n, X if isinstance(n, int) else abs(X), n=n)


def test_eq_2_9_tanh():
    rule("2.9", np.tanh, X)


def test_eq_2_10_sigmoid():
    rule("2.10", mv.sigmoid, X, plain=lambda x: 1 / (1 + np.exp(-x)))


def test_eq_2_11_softplus():
    rule("2.11", mv.softplus, X, plain=lambda x: np.log(1 + np.exp(x)))


def test_eq_2_12_relu():
    rule("2.12", mv.relu, X, plain=lambda x: np.maximum(x, 0))
    holds("2.12", x_bar=gradients(mv.relu, [0.0])[0], g=1.0, x=0.0)


def test_eq_2_13_absolute():
    rule("2.13", np.abs, X)
    holds("2.13", x_bar=gradients(np.abs, [0.0])[0], g=1.0, x=0.0)


def test_eq_2_14_maximum():
    # finite differences agree at a tie, see eq. (1.12)
    tied = np.where([True, False, False] * 2, X, Y)
    rule("2.14", np.maximum, X, tied)


def test_eq_2_15_add_subtract_negative():
    for side, at, op in ((0, 1, np.add), (4, [3, 4], np.subtract)):
        rule("2.15", op, X, Y, at=at)
        close(page("2.15", side)(x=X, y=Y), op(X, Y))
    rule("2.15", np.negative, X, at=6)
    close(page("2.15", 9)(x=X), -X)


def test_eq_2_16_multiply():
    rule("2.16", np.multiply, X, Y)


def test_eq_2_17_divide():
    rule("2.17", np.divide, X, Y)


def test_eq_2_18_a_broadcast_input_gets_the_sum_over_its_copies():
    x, g = np.array([0.3, -1.0]), rng().normal(size=(4, 2, 3))
    t = mv.Tensor(x[:, None], requires_grad=True)
    np.broadcast_to(t, (4, 2, 3)).backward(g)
    copied = np.broadcast_to([[1], [2]], (4, 2, 3)).ravel()  # which entry of x each copy is
    for i in (1, 2):
        holds("2.18", i=i, c=lambda j: copied[j - 1], g=g.ravel(), x_bar=t.grad[:, 0])
    by_steps = numeric(lambda x: np.sum(g * np.broadcast_to(x[:, None], (4, 2, 3))), x)
    close(t.grad[:, 0], by_steps, 1e-8)


def test_eq_2_19_sum():
    rule("2.19", np.sum, X)


def test_eq_2_20_mean():
    rule("2.20", np.mean, X, n=6)


def test_eq_2_21_matmul():
    A, C, g = X.reshape(2, 3), Y.reshape(3, 2), rng().normal(size=(2, 2))
    tensors = [mv.Tensor(a, requires_grad=True) for a in (A, C)]
    np.matmul(*tensors).backward(g)
    holds("2.21", A=A, C=C, g=g, A_bar=tensors[0].grad, C_bar=tensors[1].grad)
    A_bar, C_bar = numeric(lambda a: np.sum(g * (a @ C)),
                           A), numeric(lambda c: np.sum(g * (A @ c)), C)
    holds("2.21", A=A, C=C, g=g, A_bar=A_bar, C_bar=C_bar, tol=1e-8)


def test_eq_2_22_transpose():
    t, g = mv.Tensor(X.reshape(2, 3), requires_grad=True), rng().normal(size=(3, 2))
    y = np.transpose(t)
    y.backward(g)
    close(t.grad, numeric(lambda x: np.sum(g * x.T), t.data), 1e-8)
    for i, j in itertools.product((1, 2), (1, 2, 3)):
        holds("2.22", i=i, j=j, X=t.data, Y=y.data, X_bar=t.grad, g=g)


def test_eq_2_23_reshape():
    t, g = mv.Tensor(X.reshape(2, 3), requires_grad=True), rng().normal(size=(3, 2))
    y = np.reshape(t, (3, 2))
    y.backward(g)
    close(t.grad, numeric(lambda x: np.sum(g * x.reshape(3, 2)), t.data), 1e-8)
    for k in range(1, 7):
        holds("2.23", k=k, x=t.data.ravel(), y=y.data.ravel(), x_bar=t.grad.ravel(), g=g.ravel())


def test_eq_2_24_getitem_adds_what_was_taken_twice():
    places, g = np.array([2, 0, 2]), rng().normal(size=3)
    t = mv.Tensor(X[:4], requires_grad=True)
    t[places].backward(g)
    close(t.grad, numeric(lambda x: np.sum(g * x[places]), X[:4]), 1e-8)
    for i in range(1, 5):
        holds("2.24", i=i, c=lambda k: places[k - 1] + 1, x_bar=t.grad, g=g)


def test_eq_2_25_concatenate():
    g = rng().normal(size=6)
    a, b = mv.Tensor(X[:4], requires_grad=True), mv.Tensor(X[4:], requires_grad=True)
    np.concatenate([a, b]).backward(g)
    holds("2.25", g=g, g_1=g[:4], g_2=g[4:], a_bar=a.grad, b_bar=b.grad)


@pytest.mark.parametrize("linear", [
    lambda x: np.broadcast_to(x, (5, 2, 3)), lambda x: np.sum(x, axis=1),
    lambda x: x[np.array([1, 1, 0])], np.transpose,
    lambda x: np.concatenate([x, 3 * x]), lambda x: np.reshape(x, 6),
    lambda x: np.matmul(x, Y.reshape(3, 2)),
    lambda x: np.mean(x, axis=0)])
def test_eq_2_26_dot_product_test(linear):
    # forward, a column at a time
    J = np.array([linear(row.reshape(2, 3)).ravel() for row in np.eye(6)]).T
    u, v = rng().normal(size=J.shape[0]), rng().normal(size=6)
    holds("2.26", J=J, u=u, v=v)
    t = mv.Tensor(X.reshape(2, 3), requires_grad=True)
    y = linear(t)
    y.backward(u.reshape(y.shape))
    close(page("2.26", 0)(J=J, u=u, v=v), t.grad.ravel() @ v)


def test_eq_2_28_log1p():
    rule("2.28", np.log1p, abs(X))


def test_eq_2_29_expm1():
    rule("2.29", np.expm1, X)


def test_eq_2_30_square():
    rule("2.30", np.square, X)


def test_eq_2_31_sin_and_cos():
    rule("2.31", np.sin, X, at=0)
    rule("2.31", np.cos, X, at=1)


def test_eq_2_32_minimum():
    tied = np.where([True, False, False] * 2, X, Y)
    rule("2.32", np.minimum, X, tied)


def test_eq_2_33_logaddexp():
    rule("2.33", np.logaddexp, X, Y, z=np.log(np.exp(X) + np.exp(Y)))


def test_eq_2_34_where():
    c = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    rule("2.34", lambda x, y: np.where(c > 0, x, y), X, Y, c=c, z=np.where(c > 0, X, Y))


def test_eq_2_35_clip():
    rule("2.35", lambda x: np.clip(x, -1.0, 1.2), X, a=-1.0, b=1.2)
    holds("2.35", x_bar=gradients(lambda x: np.clip(x, -1.0, 1.2), [1.2])[0], g=1.0, x=1.2, a=-1.0, b=1.2)


@pytest.mark.parametrize("tied", [1, 3])
def test_eq_2_36_max_and_min(tied):
    x = np.array([0.2, 1.0, -3.0, *[5.0] * tied])
    for op, values in ((np.max, x), (np.min, -x)):
        found = gradients(op, values)[0]
        for i in range(1, len(x) + 1):
            holds("2.36", i=i, x=values, y=op(values), x_bar=found, g=1.0, t=tied)


@pytest.mark.parametrize("ddof", [0, 1])
def test_eq_2_37_var(ddof):
    rule("2.37", lambda x: np.var(x, ddof=ddof), X, n=len(X) - ddof, m=X.mean())


@pytest.mark.parametrize("ddof", [0, 1])
def test_eq_2_38_std(ddof):
    rule("2.38", lambda x: np.std(x, ddof=ddof), X, n=len(X) - ddof, m=X.mean())


def test_eq_2_27_worked_number():
    holds("2.27", x_bar=gradients(lambda x: x * np.exp(x), 1.0)[0], y=np.e, x=1, tol=1e-6)
