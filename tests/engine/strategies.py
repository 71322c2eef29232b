"""What the rules in PRIMITIVES are tried on: shapes, numbers, and a strategy for each kind of rule.

Shapes run from scalars to three dimensions, with empty arrays and every way of broadcasting. Values
stay away from kinks: what a rule does exactly on one is a convention, and is tested separately.
"""

import dataclasses
import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minivae as mv
from minivae import PRIMITIVES

rngs = st.integers(0, 2**32).map(np.random.default_rng)


@dataclasses.dataclass
class Case:
    """One call of a rule, f(*inputs, *constants). The gradient is taken in the inputs.

    want: what NumPy says that the value is.
    """

    f: object
    inputs: list
    want: object
    constants: tuple = ()

    def value(self, *inputs):
        return self.f(*inputs, *self.constants)

    def astype(self, dtype):
        inputs = [a.astype(dtype) for a in self.inputs]
        constants = [a.astype(dtype) for a in self.constants]
        return dataclasses.replace(self, inputs=inputs, constants=constants)


# Shapes. They are drawn from lists, since hypothesis by itself seldom draws two different lengths
# above 1, and only there does a wrong axis show.

VECTORS = [(1,), (3,)]
MATRICES = [(2, 3), (3, 2), (3, 3), (1, 3), (3, 1)]
STACKS = [(2, 3, 2), (3, 2, 2), (2, 1, 3), (1, 2, 3)]
EMPTY = [(0,), (2, 0), (2, 0, 3)]

full_shapes = st.sampled_from([(), *VECTORS, *MATRICES, *STACKS])
shapes = st.sampled_from([(), *VECTORS, *MATRICES, *STACKS, *EMPTY])
# (B, Z) or (B, D)
batches = st.sampled_from([(2, 3), (3, 2), (3, 3), (2, 4), (1, 3), (4, 1), (1, 1)])


@st.composite
def narrower(draw, shape):
    """A shape that broadcasts to this one: length 1 along some axes, perhaps without the first."""
    lengths = [draw(st.sampled_from([n, n, n, 1])) for n in shape]
    missing = draw(st.sampled_from([0, 0, 0, *range(len(shape) + 1)]))
    return tuple(lengths[missing:])


# Numbers

def real(rng, shape):
    return np.asarray(rng.normal(size=shape))


def positive(rng, shape):
    return np.asarray(0.5 + rng.gamma(2.0, size=shape))


def not_zero(rng, shape):
    return np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.3, 2, shape))


# Rules of one array

@st.composite
def one(draw, name, numbers, want=None, shapes=shapes, **options):
    """A function of one array, with keyword options drawn for its shape.

    numbers: draws the array. want: the same function in NumPy, where it has another name there.
    """
    x = numbers(draw(rngs), draw(shapes))
    chosen = {key: draw(strategy(x.shape)) for key, strategy in options.items()}
    want = want or getattr(np, name)
    return Case(lambda t: PRIMITIVES[name](t, **chosen), [x], want(x, **chosen))


def naive_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def naive_softplus(x):
    return np.log(1 + np.exp(x))


def naive_relu(x):
    return x * (x > 0)


POWERS = [
    *[(n, real) for n in (0, 1, 2, 3, 2.0)],
    *[(n, not_zero) for n in (-1, -2)],
    *[(n, positive) for n in (0.5, 2.5, -1.5)],
]


@st.composite
def powers(draw):
    n, numbers = draw(st.sampled_from(POWERS))
    x = numbers(draw(rngs), draw(shapes))
    return Case(lambda t: PRIMITIVES["power"](t, n), [x], x**n)


# Rules of two arrays

@st.composite
def two(draw, name, numbers=real, second=None):
    """A function of two arrays that broadcast against each other.

    numbers: draws the first array, and the second unless `second` does.
    """
    rng = draw(rngs)
    shape = draw(shapes)
    x = numbers(rng, draw(narrower(shape)))
    y = (second or numbers)(rng, draw(narrower(shape)))
    return Case(PRIMITIVES[name], [x, y], getattr(np, name)(x, y))


@st.composite
def two_without_ties(draw, name):
    """As two, with entries at least 0.01 apart, since a tie is a kink."""
    case = draw(two(name))
    x, y = np.broadcast_arrays(*case.inputs)
    while x.size and np.abs(x - y).min() < 0.01:
        case.inputs = [real(draw(rngs), a.shape) for a in case.inputs]
        x, y = np.broadcast_arrays(*case.inputs)
    case.want = getattr(np, name)(x, y)
    return case


@st.composite
def products(draw, stacked=True, name="matmul"):
    """Vectors, matrices, and stacks of matrices that broadcast."""
    signature = "(m?,n),(n,p?)->(m?,p?)"
    drawn = hnp.mutually_broadcastable_shapes(
        signature=signature, max_dims=int(stacked), max_side=3
    )
    first, second = draw(drawn).input_shapes
    rng = draw(rngs)
    x, y = real(rng, first), real(rng, second)
    return Case(PRIMITIVES[name], [x, y], x @ y)


@st.composite
def layers(draw):
    n_in, n_out = draw(batches)
    B = draw(st.sampled_from([0, 1, 2, 3, 4]))
    rng = draw(rngs)
    x, W, b = real(rng, (B, n_in)), real(rng, (n_in, n_out)), real(rng, n_out)
    return Case(mv.dense, [x, W, b], x @ W + b)


# Axes, shapes and indices

def either_sign(axes, n):
    """These axes of n, each counted from the front or from the back."""
    return st.tuples(*[st.sampled_from([axis, axis - n]) for axis in axes])


def axes(shape):
    """One axis, several, or None."""
    n = len(shape)
    if n == 0:
        return st.none()
    some = st.lists(st.integers(0, n - 1), unique=True)
    several = some.flatmap(lambda chosen: either_sign(chosen, n))
    return st.one_of(st.none(), st.integers(-n, n - 1), several)


def permutations(shape):
    """All axes in some order, or None."""
    n = len(shape)
    orders = st.permutations(range(n)).flatmap(lambda order: either_sign(order, n))
    return st.one_of(st.none(), orders)


def keep_or_drop(shape):
    return st.booleans()


@st.composite
def new_shapes(draw, shape):
    """A shape of the same size, of its prime factors; one length may be left to NumPy."""
    size = math.prod(shape)
    if size == 0:
        return draw(st.sampled_from([(0,), (0, 2), (3, 0, 1)]))
    lengths = []
    for p in draw(st.permutations([2, 2, 2, 3, 3, 3])):
        if size % p == 0:
            size //= p
            lengths.append(p)
    lengths += [1] * draw(st.integers(0, 1))
    if lengths and draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    return tuple(lengths)


@st.composite
def reshapes(draw):
    x = real(draw(rngs), draw(shapes))
    shape = draw(new_shapes(x.shape))
    return Case(lambda t: PRIMITIVES["reshape"](t, shape), [x], x.reshape(shape))


@st.composite
def broadcasts(draw):
    shape = draw(shapes)
    x = real(draw(rngs), draw(narrower(shape)))
    return Case(lambda t: np.broadcast_to(t, shape), [x], np.broadcast_to(x, shape))


@st.composite
def indices(draw, shape):
    """Anything that stands in x[...]; an integer array may name an element twice."""
    kinds = [hnp.basic_indices(shape, allow_newaxis=True)]
    if math.prod(shape):
        kinds.append(hnp.arrays(bool, shape))
    if shape and math.prod(shape):
        first = st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=4)
        last = st.lists(st.integers(-shape[-1], shape[-1] - 1), min_size=1, max_size=4)
        kinds.append(first)
        kinds.append(first.map(lambda i: (i, ..., None)))
        kinds.append(last.map(lambda i: (..., np.array(i))))
        kinds.append(hnp.integer_array_indices(shape))
    return draw(st.one_of(kinds))


@st.composite
def items(draw):
    x = real(draw(rngs), draw(shapes))
    index = draw(indices(x.shape))
    return Case(lambda t: t[index], [x], x[index])


@st.composite
def concatenations(draw):
    """One to four arrays that differ in length along one axis only."""
    shape = draw(full_shapes.filter(len))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    rng = draw(rngs)
    arrays = []
    for n in draw(st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=4)):
        lengths = list(shape)
        lengths[axis] = n
        arrays.append(real(rng, lengths))
    return Case(lambda *ts: np.concatenate(ts, axis=axis), arrays, np.concatenate(arrays, axis))


@st.composite
def stacks(draw):
    """One to three arrays of one shape."""
    shape = draw(full_shapes)
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    n = draw(st.integers(1, 3))
    arrays = list(real(draw(rngs), (n, *shape)))
    return Case(lambda *ts: np.stack(ts, axis=axis), arrays, np.stack(arrays, axis))


def one_axis(shape):
    """An axis of this shape, or of the shape with one more."""
    return st.integers(-len(shape) - 1, len(shape))


@st.composite
def swaps(draw):
    x = real(draw(rngs), draw(shapes.filter(len)))
    a, b = draw(st.lists(st.integers(-x.ndim, x.ndim - 1), min_size=2, max_size=2))
    return Case(lambda t: np.swapaxes(t, a, b), [x], np.swapaxes(x, a, b))


# Rules that choose entries, away from where the choice changes

@st.composite
def choices(draw):
    """where(condition, x, y), three arrays that broadcast."""
    rng = draw(rngs)
    shape = draw(shapes)
    condition = rng.random(draw(narrower(shape))) < 0.5
    x = real(rng, draw(narrower(shape)))
    y = real(rng, draw(narrower(shape)))
    return Case(lambda a, b: np.where(condition, a, b), [x, y], np.where(condition, x, y))


@st.composite
def clips(draw):
    x = not_zero(draw(rngs), draw(shapes))  # no entry within 0.01 of a bound
    low, high = draw(st.sampled_from([(-0.29, None), (None, 0.29), (-0.29, 0.29), (-3, 3)]))
    x = np.where(np.abs(np.abs(x) - 0.29) < 0.01, 1.0, x)
    return Case(lambda t: np.clip(t, low, high), [x], np.clip(x, low, high))


@st.composite
def extremes(draw, name):
    """max or min of entries that are at least 0.1 apart."""
    shape = draw(full_shapes)
    x = np.asarray(draw(rngs).permutation(math.prod(shape)).reshape(shape) * 0.1)
    axis, keepdims = draw(axes(shape)), draw(st.booleans())
    want = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    f = getattr(np, name)
    return Case(lambda t: f(t, axis=axis, keepdims=keepdims), [x], want)


@st.composite
def spreads(draw, name):
    """var or std over an axis of at least two entries, or over all of them."""
    shape = draw(st.sampled_from([(3,), (2, 3), (3, 2), (2, 3, 2)]))
    x = real(draw(rngs), shape)
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    options = {"axis": axis, "ddof": draw(st.integers(0, 1)), "keepdims": draw(st.booleans())}
    f = getattr(np, name)
    return Case(lambda t: f(t, **options), [x], f(x, **options))


# The four rules of the VAE. The value wanted is the density's, not the fused formula's.

def per_row_or_less(shape):
    """The shapes that a prior mean or a decoder's logvar may have beside an array (B, n)."""
    return st.sampled_from([(), shape[1:], (1, shape[1]), shape])


@st.composite
def draws_of_z(draw):
    shape = draw(batches)
    mu, logvar, eps = real(draw(rngs), (3, *shape))
    want = mu + np.sqrt(np.exp(logvar)) * eps
    return Case(mv.reparameterize, [mu, logvar], want, (eps,))


@st.composite
def kls(draw):
    shape = draw(batches)
    rng = draw(rngs)
    mu, logvar = real(rng, (2, *shape))
    prior_mu = real(rng, draw(per_row_or_less(shape)))
    per_latent = np.exp(logvar) / 2 + (mu - prior_mu) ** 2 / 2 - 1 / 2 - logvar / 2
    return Case(mv.gaussian_kl, [mu, logvar, prior_mu], np.sum(per_latent, axis=1))


@st.composite
def bernoulli_nlls(draw):
    """Pixels that are grey, or only black and white."""
    shape = draw(batches)
    rng = draw(rngs)
    logits = 3 * real(rng, shape)
    grey = rng.random(shape)
    x = draw(st.sampled_from([grey, np.round(grey)]))
    p = naive_sigmoid(logits)
    log_p = np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    return Case(mv.bernoulli_nll, [logits], -log_p, (x,))


@st.composite
def gaussian_nlls(draw):
    shape = draw(batches)
    rng = draw(rngs)
    mean, x = real(rng, (2, *shape))
    logvar = real(rng, draw(per_row_or_less(shape)))
    v = np.exp(logvar)
    density = np.exp(-((x - mean) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
    return Case(mv.gaussian_nll, [mean, logvar], -np.sum(np.log(density), axis=1), (x,))
