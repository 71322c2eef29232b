"""Every rule in the table PRIMITIVES against finite differences, eq. (1.4), and against NumPy.

A rule that has no strategy in CASES fails. The strategies themselves are in strategies.py.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import axes, full_shapes, keep_or_drop, permutations
from strategies import bernoulli_nlls, draws_of_z, gaussian_nlls, kls
from strategies import broadcasts, concatenations, items, layers, products, reshapes
from strategies import choices, clips, extremes, one_axis, spreads, stacks, swaps
from strategies import naive_relu, naive_sigmoid, naive_softplus
from strategies import not_zero, positive, real, rngs
from strategies import one, powers, two, two_without_ties

import minivae as mv
from minivae import PRIMITIVES, Tensor, check_gradients

CASES = {
    # Two inputs that broadcast against each other
    "add": two("add"),
    "subtract": two("subtract"),
    "multiply": two("multiply"),
    "divide": two("divide", real, not_zero),
    "maximum": two_without_ties("maximum"),
    "minimum": two_without_ties("minimum"),
    "logaddexp": two("logaddexp"),
    "where": choices(),
    # One input, entry by entry
    "negative": one("negative", real),
    "power": powers(),
    "exp": one("exp", real),
    "log": one("log", positive),
    "sqrt": one("sqrt", positive),
    "log1p": one("log1p", positive),
    "expm1": one("expm1", real),
    "square": one("square", real),
    "sin": one("sin", real),
    "cos": one("cos", real),
    "clip": clips(),
    "tanh": one("tanh", real),
    "sigmoid": one("sigmoid", real, naive_sigmoid),
    "softplus": one("softplus", real, naive_softplus),
    "relu": one("relu", not_zero, naive_relu),
    "absolute": one("absolute", not_zero),
    # Sums and shapes
    "sum": one("sum", real, axis=axes, keepdims=keep_or_drop),
    "mean": one("mean", real, shapes=full_shapes, axis=axes, keepdims=keep_or_drop),
    "max": extremes("max"),
    "min": extremes("min"),
    "var": spreads("var"),
    "std": spreads("std"),
    "transpose": one("transpose", real, axes=permutations),
    "swapaxes": swaps(),
    "ravel": one("ravel", real),
    "squeeze": one("squeeze", real),
    "expand_dims": one("expand_dims", real, axis=one_axis),
    "reshape": reshapes(),
    "broadcast_to": broadcasts(),
    "getitem": items(),
    "concatenate": concatenations(),
    "stack": stacks(),
    # Matrix products
    "matmul": products(),
    "dot": products(stacked=False, name="dot"),
    "dense": layers(),
    # The VAE's own; test_vae_ops.py looks at them more closely
    "reparameterize": draws_of_z(),
    "gaussian_kl": kls(),
    "bernoulli_nll": bernoulli_nlls(),
    "gaussian_nll": gaussian_nlls(),
}
LINEAR = ["negative", "sum", "mean", "transpose"]
LINEAR += ["swapaxes", "ravel", "squeeze", "expand_dims"]
LINEAR += ["reshape", "broadcast_to", "getitem", "concatenate", "stack", "where"]

every_rule = pytest.mark.parametrize("name", sorted(PRIMITIVES))
linear_rules = pytest.mark.parametrize("name", LINEAR)


def test_every_rule_has_a_strategy():
    assert set(PRIMITIVES) == set(CASES), "add a strategy for the new rule to CASES"


@every_rule
@given(data=st.data(), rng=rngs)
def test_gradient_is_the_finite_difference(name, data, rng):
    case = data.draw(CASES[name])
    y = case.value(*map(Tensor, case.inputs))
    np.testing.assert_allclose(y.data, case.want, rtol=1e-12, atol=1e-12)
    check_gradients(case.value, *case.inputs, rng=rng)


def value_and_inputs(case, place=np.array):
    """The result of a case, and its input Tensors; place puts each array into memory."""
    tensors = [Tensor(place(x), requires_grad=True) for x in case.inputs]
    return case.value(*tensors), tensors


def cotangent(data, y):
    """A random gradient g of the loss in y."""
    return np.asarray(data.draw(rngs).normal(size=y.shape))


def in_fortran_order(x):
    return np.array(x, order="F")


def backwards(x):
    flip = (slice(None, None, -1),) * x.ndim
    return np.array(x[flip], order="C")[flip]


def with_gaps(x):
    if x.ndim == 0:
        return x.copy()
    room = np.full((*x.shape[:-1], 2 * x.shape[-1] + 1), np.nan, x.dtype)
    room[..., 1::2] = x
    return room[..., 1::2]


@every_rule
@given(data=st.data())
def test_gradient_does_not_depend_on_the_memory_layout(name, data):
    def elsewhere(x):
        layout = data.draw(st.sampled_from([in_fortran_order, backwards, with_gaps]))
        return layout(x)

    case = data.draw(CASES[name])
    y, tensors = value_and_inputs(case, place=elsewhere)
    y_plain, plain = value_and_inputs(case)
    g = cotangent(data, y)
    y.backward(elsewhere(g))
    y_plain.backward(g)
    for t, p in zip(tensors, plain):
        np.testing.assert_allclose(t.grad, p.grad, rtol=1e-12, atol=1e-14)


@every_rule
@given(data=st.data())
def test_float32_gives_the_gradient_of_float64_in_float32(name, data):
    single = data.draw(CASES[name]).astype(np.float32)
    double = single.astype(np.float64)
    found = []
    for case, dtype in ((single, np.float32), (double, np.float64)):
        y, tensors = value_and_inputs(case)
        y.backward(np.cos(np.arange(y.size)).reshape(y.shape))
        assert y.dtype == dtype
        assert all(t.grad.dtype == dtype and t.grad.shape == t.shape for t in tensors)
        found.append([y.data, *(t.grad for t in tensors)])
    for in_single, in_double in zip(*found):
        np.testing.assert_allclose(in_single, in_double, rtol=1e-4, atol=1e-4)


@every_rule
@given(data=st.data())
def test_rules_are_linear_in_g_and_leave_it_alone(name, data):
    y, _ = value_and_inputs(data.draw(CASES[name]))
    g, k = cotangent(data, y), cotangent(data, y)
    g.flags.writeable = False  # a rule that writes into it raises
    k.flags.writeable = False
    for _, vjp in y._parents:
        np.testing.assert_allclose(vjp(2 * g - k), 2 * vjp(g) - vjp(k), rtol=1e-9, atol=1e-9)


@linear_rules
@given(data=st.data())
def test_linear_rules_pass_the_dot_product_test(name, data):
    """u.(J v) = (J^T u).v, eq. (2.26).

    J v is f(v) itself, so no difference quotient blurs the comparison.
    """
    y, tensors = value_and_inputs(data.draw(CASES[name]))
    u = cotangent(data, y)
    y.backward(u)
    there = np.sum(u * y.data)
    back = sum(np.sum(t.grad * t.data) for t in tensors)
    assert abs(there - back) <= 1e-12 * max(1, np.sum(np.abs(u * y.data)))


# Indices, operators, and rules together

INDICES_WITH_REPEATS = [
    np.array([0, 0, 1]),
    [0, 0, 1],
    ((0, 0, 1),),
    (slice(None), [2, 2]),
    (slice(None), (2, 2)),
    (..., np.array([1, 1, 1])),
    ([0, 0], [1, 1]),
    Tensor(np.array([0, 0, 1])),
    (None, [1, 1]),
    np.array([[0, 0], [1, 0]]),
    ([[0], [0]], [1, 1]),
]


@pytest.mark.parametrize("index", INDICES_WITH_REPEATS, ids=repr)
def test_an_element_named_twice_gets_both_gradients(index):
    check_gradients(lambda t: t[index], np.random.default_rng(0).normal(size=(2, 3)))


@pytest.mark.parametrize("expression", [
    "t + 2", "2 + t",
    "t - a", "a - t",
    "t * a", "a * t",
    "t / 3", "3 / t",
    "t**2", "t**-1",
    "-t", "abs(t)",
    "np.float64(2) * t",
    "np.ones((2, *t.shape)) * t - np.ones((3, 1, *t.shape)) / t",
])
@given(shape=full_shapes, rng=rngs)
def test_operators_with_numbers_and_arrays_on_either_side(expression, shape, rng):
    x, a = not_zero(rng, shape), not_zero(rng, ())

    def f(t):
        return eval(expression, {"np": np, "t": t, "a": a})

    np.testing.assert_allclose(f(Tensor(x)).data, f(x), rtol=1e-14)
    check_gradients(f, x)


@given(shape=full_shapes, rng=rngs)
def test_matrix_products_of_a_vector_and_an_array_on_either_side(shape, rng):
    x = not_zero(rng, shape).reshape(-1)
    matrix = rng.normal(size=(shape[-1] if shape else 1, 2))
    vector = x[:len(matrix)]
    check_gradients(lambda t: t @ matrix, vector)
    check_gradients(lambda t: matrix.T @ t, vector)


@given(rng=rngs)
def test_a_value_used_several_times_gets_the_sum(rng):
    """What eq. (2.3) says, across rules: x goes through five of them, and twice through one."""
    def f(t):
        return np.exp(-t) * t @ t.T + np.log(t) / t - np.sum(t * t, axis=0)

    check_gradients(f, positive(rng, (3, 3)))


# On a kink there is no derivative to compare with: what the rules do there is a convention.

def slope(f, *values):
    """The gradient that f's rule gives at these numbers."""
    tensors = [Tensor(np.array(v), requires_grad=True) for v in values]
    f(*tensors).backward(np.float64(2))
    return [t.grad.item() / 2 for t in tensors]


def test_conventions_at_kinks():
    assert slope(mv.relu, 0.0) == [0]
    assert slope(np.abs, 0.0) == [0]
    assert slope(np.maximum, 1.0, 1.0) == [0.5, 0.5]  # ties share


def test_slopes_where_a_careless_rule_divides_by_zero():
    assert slope(mv.softplus, 0.0) == [0.5]
    assert slope(mv.sigmoid, 0.0) == [0.25]
    assert slope(lambda t: t**0, 0.0) == [0]
    assert slope(lambda t: t**1, 0.0) == [1]


# Far out nothing overflows: FAR is where exp is still just representable.

FAR = pytest.mark.parametrize("dtype, far", [(np.float32, 80.0), (np.float64, 700.0)])


def value_and_gradient(f, x):
    t = Tensor(x, requires_grad=True)
    y = f(t)
    y.backward(np.ones(y.shape))
    return y.data, t.grad


def far_points(dtype, far):
    """x, and exp(-|x|) of its first two entries."""
    small = np.exp(np.array([-far, -20], float))
    return np.array([-far, -20, 20, far, -1e4, 1e4], dtype), small


@FAR
def test_sigmoid_far_out(dtype, far):
    x, small = far_points(dtype, far)
    y, x_grad = value_and_gradient(mv.sigmoid, x)
    np.testing.assert_allclose(y[:2], small, rtol=1e-5)  # 0 only where exp underflows
    np.testing.assert_allclose(x_grad[:2], small, rtol=1e-5)
    assert y.tolist()[3:] == [1, 0, 1]


@FAR
def test_softplus_far_out(dtype, far):
    x, small = far_points(dtype, far)
    y, x_grad = value_and_gradient(mv.softplus, x)
    np.testing.assert_allclose(y, [*small, 20, far, 0, 1e4], rtol=1e-5)
    np.testing.assert_allclose(x_grad, [*small, 1, 1, 0, 1], rtol=1e-5)


@FAR
def test_tanh_far_out(dtype, far):
    x, _ = far_points(dtype, far)
    _, x_grad = value_and_gradient(np.tanh, x)
    assert np.isfinite(x_grad).all()
    assert x_grad[-1] == 0
