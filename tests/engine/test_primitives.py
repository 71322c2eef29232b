"""Every rule in the table PRIMITIVES against finite differences, eq. (1.4): a rule without a strategy here fails.

Shapes run from scalars to three dimensions, with empty arrays, broadcasting, odd memory layouts and both dtypes. Values
stay away from kinks; what a rule does exactly on one is a convention, and is stated separately.
"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minivae as mv
from minivae import PRIMITIVES, Tensor, check_gradients

REAL = lambda rng, shape: np.asarray(rng.normal(size=shape))
POSITIVE = lambda rng, shape: np.asarray(0.5 + rng.gamma(2.0, size=shape))
NOT_ZERO = lambda rng, shape: np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 2, shape))

rngs = st.integers(0, 2**32).map(np.random.default_rng)
# From lists, since hypothesis by itself seldom draws two different lengths above 1, where a wrong axis shows.
FULL = [(), (1,), (3,), (2, 3), (3, 2), (3, 3), (1, 3), (3, 1), (2, 3, 2), (3, 2, 2), (2, 1, 3), (1, 2, 3)]
full_shapes, shapes = st.sampled_from(FULL), st.sampled_from(FULL + [(0,), (2, 0), (2, 0, 3)])
matrices = st.sampled_from([(2, 3), (3, 2), (3, 3), (2, 4), (1, 3), (4, 1), (1, 1)])


@dataclasses.dataclass
class Case:
    """f(*inputs, *constants), and want: what NumPy says that its value is. The gradient is taken in the inputs."""

    f: object
    inputs: list
    want: object
    constants: tuple = ()


@st.composite
def one(draw, name, domain, want=None, shapes=shapes, **arguments):
    """A function of one array, with keyword arguments drawn for its shape."""
    x = domain(draw(rngs), draw(shapes))
    chosen = {key: draw(strategy(x.shape)) for key, strategy in arguments.items()}
    want = want or getattr(np, name)
    return Case(lambda t: PRIMITIVES[name](t, **chosen), [x], want(x, **chosen))


@st.composite
def two(draw, name, domain=REAL, second=None):
    """A function of two arrays that broadcast against each other: each keeps some axes of one shape, has length 1 along
    others, and may lack the first ones."""
    shape, rng = draw(shapes), draw(rngs)
    pair = [tuple(draw(st.sampled_from([n, n, n, 1])) for n in shape)[draw(st.sampled_from([0, 0, 0, *range(len(shape) + 1)])):] for _ in "xy"]
    x, y = domain(rng, pair[0]), (second or domain)(rng, pair[1])
    return Case(PRIMITIVES[name], [x, y], getattr(np, name)(x, y))


@st.composite
def maxima(draw):
    case = draw(two("maximum"))
    x, y = np.broadcast_arrays(*case.inputs)
    while x.size and np.abs(x - y).min() < 0.01:  # away from ties
        case.inputs = [REAL(draw(rngs), np.shape(a)) for a in case.inputs]
        x, y = np.broadcast_arrays(*case.inputs)
    case.want = np.maximum(x, y)
    return case


@st.composite
def powers(draw):
    n, domain = draw(st.sampled_from([(0, REAL), (1, REAL), (2, REAL), (3, REAL), (2.0, REAL), (-1, NOT_ZERO), (-2, NOT_ZERO),
                                      (0.5, POSITIVE), (2.5, POSITIVE), (-1.5, POSITIVE)]))
    x = domain(draw(rngs), draw(shapes))
    return Case(lambda t: PRIMITIVES["power"](t, n), [x], x**n)


def axes(shape):
    """An axis, several, or None; counted from either end."""
    n = len(shape)
    if n == 0:
        return st.none()
    several = st.lists(st.integers(0, n - 1), unique=True).flatmap(
        lambda chosen: st.tuples(*[st.sampled_from([a, a - n]) for a in chosen]))
    return st.one_of(st.none(), st.integers(-n, n - 1), several)


def permutations(shape):
    n = len(shape)
    return st.one_of(st.none(), st.permutations(range(n)).flatmap(
        lambda order: st.tuples(*[st.sampled_from([a, a - n]) for a in order])))


@st.composite
def new_shapes(draw, shape):
    """A shape of the same size, from its prime factors in any grouping; perhaps with one length left to NumPy."""
    size = math.prod(shape)
    if size == 0:
        return draw(st.sampled_from([(0,), (0, 2), (3, 0, 1)]))
    factors = [p for p in (2, 2, 2, 3, 3, 3) if size % p == 0]
    lengths = []
    for p in draw(st.permutations(factors)):
        if size % p == 0:
            size //= p
            lengths.append(p)
    lengths += [1] * draw(st.integers(0, 1))
    if lengths and draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    return tuple(lengths)


@st.composite
def broadcasts(draw):
    shape = draw(shapes)
    small = tuple(draw(st.sampled_from([n, 1])) for n in shape)[draw(st.integers(0, len(shape))):]
    x = REAL(draw(rngs), small)
    return Case(lambda t: np.broadcast_to(t, shape), [x], np.broadcast_to(x, shape))


@st.composite
def indices(draw, shape):
    """Integers, slices, None and ...; masks; and integer arrays, alone or among others, which may name an element twice."""
    kinds = [hnp.basic_indices(shape, allow_newaxis=True)]
    if math.prod(shape):
        kinds.append(hnp.arrays(bool, shape))
    if shape and math.prod(shape):
        first, last = (st.lists(st.integers(-n, n - 1), min_size=1, max_size=4) for n in (shape[0], shape[-1]))
        kinds += [first, hnp.integer_array_indices(shape), last.map(lambda i: (..., np.array(i))), first.map(lambda i: (i, ..., None))]
    return draw(st.one_of(kinds))


@st.composite
def items(draw):
    x = REAL(draw(rngs), draw(shapes))
    index = draw(indices(x.shape))
    return Case(lambda t: t[index], [x], x[index])


@st.composite
def concatenations(draw):
    shape = draw(full_shapes.filter(len))
    axis, rng = draw(st.integers(-len(shape), len(shape) - 1)), draw(rngs)
    lengths = draw(st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=4))
    arrays = [REAL(rng, tuple(n if i == axis % len(shape) else k for i, k in enumerate(shape))) for n in lengths]
    return Case(lambda *ts: np.concatenate(ts, axis=axis), arrays, np.concatenate(arrays, axis))


@st.composite
def products(draw):
    """Vectors, matrices and stacks of matrices that broadcast."""
    pair = draw(hnp.mutually_broadcastable_shapes(signature="(m?,n),(n,p?)->(m?,p?)", max_dims=1, max_side=3)).input_shapes
    rng = draw(rngs)
    x, y = (REAL(rng, shape) for shape in pair)
    return Case(lambda a, b: a @ b, [x, y], x @ y)


@st.composite
def layers(draw):
    (n, out), B, rng = draw(matrices), draw(st.sampled_from([0, 1, 2, 3, 4])), draw(rngs)
    x, W, b = REAL(rng, (B, n)), REAL(rng, (n, out)), REAL(rng, out)
    return Case(mv.dense, [x, W, b], x @ W + b)


# The four rules of the VAE; test_vae_ops.py looks at them more closely. Their value here is by the density's formula.

@st.composite
def draws_of_z(draw):
    shape, rng = draw(matrices), draw(rngs)
    mu, logvar, eps = (REAL(rng, shape) for _ in range(3))
    return Case(mv.reparameterize, [mu, logvar], mu + np.sqrt(np.exp(logvar)) * eps, (eps,))


@st.composite
def kls(draw):
    shape, rng = draw(matrices), draw(rngs)
    mu, logvar, prior = REAL(rng, shape), REAL(rng, shape), REAL(rng, draw(st.sampled_from([(), shape[1:], (1, shape[1]), shape])))
    want = np.sum(np.exp(logvar) / 2 + (mu - prior) ** 2 / 2 - 1 / 2 - logvar / 2, axis=1)
    return Case(mv.gaussian_kl, [mu, logvar, prior], want)


@st.composite
def bernoulli(draw):
    shape, rng = draw(matrices), draw(rngs)
    logits, x = 3 * REAL(rng, shape), rng.random(shape) if draw(st.booleans()) else rng.integers(0, 2, shape) * 1.0
    p = 1 / (1 + np.exp(-logits))
    return Case(mv.bernoulli_nll, [logits], -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1), (x,))


@st.composite
def gaussian(draw):
    shape, rng = draw(matrices), draw(rngs)
    mean, x, logvar = REAL(rng, shape), REAL(rng, shape), REAL(rng, draw(st.sampled_from([(), shape[1:], (1, shape[1]), shape])))
    density = np.exp(-((x - mean) ** 2) / (2 * np.exp(logvar))) / np.sqrt(2 * np.pi * np.exp(logvar))
    return Case(mv.gaussian_nll, [mean, logvar], -np.sum(np.log(density), axis=1), (x,))


CASES = {
    "add": two("add"), "subtract": two("subtract"), "multiply": two("multiply"), "divide": two("divide", REAL, NOT_ZERO),
    "maximum": maxima(), "power": powers(), "negative": one("negative", REAL),
    "exp": one("exp", REAL), "log": one("log", POSITIVE), "sqrt": one("sqrt", POSITIVE), "tanh": one("tanh", REAL),
    "sigmoid": one("sigmoid", REAL, lambda x: 1 / (1 + np.exp(-x))), "softplus": one("softplus", REAL, lambda x: np.log(1 + np.exp(x))),
    "relu": one("relu", NOT_ZERO, lambda x: x * (x > 0)), "absolute": one("absolute", NOT_ZERO),
    "sum": one("sum", REAL, axis=axes, keepdims=lambda _: st.booleans()),
    "mean": one("mean", REAL, shapes=full_shapes, axis=axes, keepdims=lambda _: st.booleans()),
    "transpose": one("transpose", REAL, axes=permutations), "reshape": one("reshape", REAL, lambda x, shape: np.reshape(x, shape),
                                                                           shape=new_shapes),
    "broadcast_to": broadcasts(), "getitem": items(), "concatenate": concatenations(), "matmul": products(), "dense": layers(),
    "reparameterize": draws_of_z(), "gaussian_kl": kls(), "bernoulli_nll": bernoulli(), "gaussian_nll": gaussian(),
}
every_rule = pytest.mark.parametrize("name", sorted(PRIMITIVES))


def test_every_rule_has_a_strategy():
    assert set(PRIMITIVES) == set(CASES), "add a strategy for the new rule to CASES"


@every_rule
@given(data=st.data(), rng=rngs)
def test_gradient_is_the_finite_difference(name, data, rng):
    case = data.draw(CASES[name])
    np.testing.assert_allclose(case.f(*map(Tensor, case.inputs), *case.constants).data, case.want, rtol=1e-12, atol=1e-12)
    check_gradients(lambda *ts: case.f(*ts, *case.constants), *case.inputs, rng=rng)


def result(case, dtype=float, place=np.array):
    """The value and the Tensors of a case, computed in a dtype from arrays put into memory by `place`."""
    tensors = [Tensor(place(x.astype(dtype)), requires_grad=True) for x in case.inputs]
    return case.f(*tensors, *(c.astype(dtype) for c in case.constants)), tensors


@every_rule
@given(data=st.data())
def test_gradient_does_not_depend_on_the_memory_layout(name, data):
    def elsewhere(x):
        """The same numbers in Fortran's order, backwards, or with gaps."""
        kind = data.draw(st.sampled_from(["Fortran", "backwards", "gaps"]))
        if kind == "backwards":
            flip = (slice(None, None, -1),) * x.ndim
            return np.array(x[flip], order="C")[flip]
        if kind == "gaps" and x.ndim:
            room = np.full((*x.shape[:-1], 2 * x.shape[-1] + 1), np.nan, x.dtype)
            room[..., 1::2] = x
            return room[..., 1::2]
        return np.array(x, order="F")

    case = data.draw(CASES[name])
    (y, tensors), (y_plain, plain) = result(case, place=elsewhere), result(case)
    g = np.asarray(data.draw(rngs).normal(size=y.shape))
    y.backward(elsewhere(g))
    y_plain.backward(g)
    for t, p in zip(tensors, plain):
        np.testing.assert_allclose(t.grad, p.grad, rtol=1e-12, atol=1e-14)


@every_rule
@given(data=st.data())
def test_float32_gives_the_gradient_of_float64_in_float32(name, data):
    case = data.draw(CASES[name])
    case.inputs, case.constants = ([np.asarray(a, np.float32) for a in arrays] for arrays in (case.inputs, case.constants))
    both = []
    for dtype in (np.float32, np.float64):
        y, tensors = result(case, dtype)
        y.backward(np.cos(np.arange(y.size)).reshape(y.shape))
        assert y.dtype == dtype and all(t.grad.dtype == dtype and t.grad.shape == t.shape for t in tensors)
        both.append([y.data, *(t.grad for t in tensors)])
    for single, double in zip(*both):
        np.testing.assert_allclose(single, double, rtol=1e-4, atol=1e-4)


@every_rule
@given(data=st.data())
def test_rules_are_linear_in_g_and_leave_it_alone(name, data):
    y, _ = result(data.draw(CASES[name]))
    g, k = (np.asarray(data.draw(rngs).normal(size=y.shape)) for _ in range(2))
    for a in (g, k):
        a.flags.writeable = False  # a rule that writes into it raises
    for _, vjp in y._parents:
        np.testing.assert_allclose(vjp(2 * g - k), 2 * vjp(g) - vjp(k), rtol=1e-9, atol=1e-9)


LINEAR = ["negative", "sum", "mean", "transpose", "reshape", "broadcast_to", "getitem", "concatenate"]


@pytest.mark.parametrize("name", LINEAR)
@given(data=st.data())
def test_linear_rules_pass_the_dot_product_test(name, data):
    """u.(J v) = (J^T u).v, eq. (2.26): J v is f(v) itself, so no difference quotient blurs the comparison."""
    case = data.draw(CASES[name])
    y, tensors = result(case)
    u = np.asarray(data.draw(rngs).normal(size=y.shape))
    y.backward(u)
    there, back = np.sum(u * y.data), sum(np.sum(t.grad * t.data) for t in tensors)
    assert abs(there - back) <= 1e-12 * max(1, np.sum(np.abs(u * y.data)))


@pytest.mark.parametrize("index", [np.array([0, 0, 1]), [0, 0, 1], ((0, 0, 1),), (slice(None), [2, 2]), (slice(None), (2, 2)),
                                   (..., np.array([1, 1, 1])), ([0, 0], [1, 1]), Tensor(np.array([0, 0, 1])), (None, [1, 1]),
                                   np.array([[0, 0], [1, 0]]), ([[0], [0]], [1, 1])], ids=repr)
def test_an_element_named_twice_gets_both_gradients(index):
    check_gradients(lambda t: t[index], np.random.default_rng(0).normal(size=(2, 3)))


@given(data=st.data())
def test_operators_with_numbers_and_arrays_on_either_side(data):
    rng = data.draw(rngs)
    x, a = NOT_ZERO(rng, data.draw(full_shapes)), NOT_ZERO(rng, ())
    for f in (lambda t: t + 2, lambda t: 2 + t, lambda t: t - a, lambda t: a - t, lambda t: t * a, lambda t: a * t, lambda t: t / 3,
              lambda t: 3 / t, lambda t: t**2, lambda t: t**-1, lambda t: -t, lambda t: abs(t), lambda t: np.float64(2) * t,
              lambda t: np.ones((2, *x.shape)) * t - np.ones((3, 1, *x.shape)) / t):
        np.testing.assert_allclose(f(Tensor(x)).data, f(x), rtol=1e-14)
        check_gradients(f, x)
    matrix = rng.normal(size=(x.shape[-1] if x.ndim else 1, 2))
    vector = x.reshape(-1)[:matrix.shape[0]]
    check_gradients(lambda t: t @ matrix, vector)
    check_gradients(lambda t: matrix.T @ t, vector)


@given(rng=rngs)
def test_a_value_used_several_times_gets_the_sum(rng):
    """What eq. (2.3) says, across rules: x goes through five of them, and twice through one."""
    x = POSITIVE(rng, (3, 3))
    check_gradients(lambda t: np.exp(-t) * t @ t.T + np.log(t) / t - np.sum(t * t, axis=0), x)


# On a kink there is no derivative to compare with: what the rules do there is a convention.


def test_conventions_at_kinks():
    def slope(f, *values):
        tensors = [Tensor(np.array(v), requires_grad=True) for v in values]
        f(*tensors).backward(np.float64(2))
        return [t.grad.item() / 2 for t in tensors]

    assert slope(mv.relu, 0.0) == [0] and slope(np.abs, 0.0) == [0]
    assert slope(np.maximum, 1.0, 1.0) == [0.5, 0.5]  # ties share
    assert slope(mv.softplus, 0.0) == [0.5] and slope(mv.sigmoid, 0.0) == [0.25]
    assert slope(lambda t: t**0, 0.0) == [0] and slope(lambda t: t**1, 0.0) == [1]


@pytest.mark.parametrize("dtype, far", [(np.float32, 80.0), (np.float64, 700.0)])
def test_sigmoid_softplus_and_tanh_far_out(dtype, far):
    x = Tensor(np.array([-far, -20, 20, far, -1e4, 1e4], dtype), requires_grad=True)
    y = mv.sigmoid(x)
    y.backward(np.ones(6))
    small = np.exp(np.array([-far, -20, -20, -far], float))
    np.testing.assert_allclose(y.data[:2], small[:2], rtol=1e-5)  # underflows to nothing only where exp does
    np.testing.assert_allclose(x.grad[:2], small[:2], rtol=1e-5)
    assert y.data.tolist()[3:] == [1, 0, 1]
    x.grad = None
    y = mv.softplus(x)
    y.backward(np.ones(6))
    np.testing.assert_allclose(y.data, [*small[:2], 20, far, 0, 1e4], rtol=1e-5)
    np.testing.assert_allclose(x.grad, [*small[:2], 1, 1, 0, 1], rtol=1e-5)
    x.grad = None
    np.tanh(x).backward(np.ones(6))
    assert np.isfinite(x.grad).all() and x.grad[-1] == 0
