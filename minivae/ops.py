"""The elementary operations, each with its derivative beside it; read it as a table of derivatives.

The names are NumPy's, and np.exp(t), t + 1 or np.sum(t, axis=0) arrive here. Lines marked eq. (...)
are derived in lessons/derivations/. g is the gradient of the loss in the result.
"""

import numpy as np

from .autodiff import primitive


def unbroadcast(g, shape):
    """Sum g over the axes along which an input of this shape was repeated, eq. (2.18)."""
    if g.shape == shape:
        return g
    g = sum_over(g, tuple(range(g.ndim - len(shape))))  # axes that the input does not have
    return sum_over(g, tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def sum_over(g, axis, keepdims=False):
    """np.sum, also where millions of float32 rows are added up one by one.

    A float32 total stops growing when the next row is 2^24 times smaller; float64 does not.
    """
    if g.size > 2**20 and g.dtype == np.float32:
        return g.sum(axis, np.float64, keepdims=keepdims).astype(np.float32)
    return g.sum(axis, keepdims=keepdims)


# Arithmetic. The inputs broadcast against each other as in NumPy.


@primitive
def add(x, y):
    return x + y, (
        lambda g: unbroadcast(g, np.shape(x)),  # eq. (2.15)
        lambda g: unbroadcast(g, np.shape(y)),
    )


@primitive
def subtract(x, y):
    return x - y, (
        lambda g: unbroadcast(g, np.shape(x)),  # eq. (2.15)
        lambda g: unbroadcast(-g, np.shape(y)),
    )


@primitive
def multiply(x, y):
    return x * y, (
        lambda g: unbroadcast(g * y, np.shape(x)),  # eq. (2.16)
        lambda g: unbroadcast(g * x, np.shape(y)),
    )


@primitive
def divide(x, y):
    return x / y, (
        lambda g: unbroadcast(g / y, np.shape(x)),  # eq. (2.17)
        lambda g: unbroadcast(-g * (x / y) / y, np.shape(y)),
    )


@primitive
def negative(x):
    return -x, lambda g: -g  # eq. (2.15)


@primitive
def power(x, exponent):
    """x ** exponent for a constant number; for one that varies write exp(exponent * log(x))."""
    if np.ndim(exponent):
        raise TypeError(
            f"power takes one number as exponent, got an array of shape {np.shape(exponent)}: "
            f"write exp(exponent * log(x))"
        )
    n = exponent if isinstance(exponent, int) else float(exponent)
    if n == 0:
        return x**n, lambda g: 0 * g
    return x**n, lambda g: g * n * x ** (n - 1)  # eq. (2.8)


# Functions of one variable, elementwise.


@primitive
def exp(x):
    y = np.exp(x)
    return y, lambda g: g * y  # eq. (2.5)


@primitive
def log(x):
    return np.log(x), lambda g: g / x  # eq. (2.6)


@primitive
def log1p(x):
    return np.log1p(x), lambda g: g / (1 + x)  # eq. (2.28)


@primitive
def expm1(x):
    y = np.expm1(x)
    return y, lambda g: g * (y + 1)  # eq. (2.29)


@primitive
def square(x):
    return np.square(x), lambda g: g * 2 * x  # eq. (2.30)


@primitive
def sin(x):
    return np.sin(x), lambda g: g * np.cos(x)  # eq. (2.31)


@primitive
def cos(x):
    return np.cos(x), lambda g: -g * np.sin(x)  # eq. (2.31)


@primitive
def sqrt(x):
    y = np.sqrt(x)
    return y, lambda g: g / (2 * y)  # eq. (2.7)


@primitive
def tanh(x):
    y = np.tanh(x)
    return y, lambda g: g * (1 - y * y)  # eq. (2.9)


@primitive
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow on either side."""
    e = np.exp(-np.abs(x))
    y = np.maximum(x >= 0, e) / (1 + e)
    return y, lambda g: g * y * (1 - y)  # eq. (2.10)


@primitive
def softplus(x):
    """log(1 + exp(x)), without overflow."""
    e = np.exp(-np.abs(x))
    y = np.maximum(x, 0) + np.log1p(e)
    return y, lambda g: g * np.maximum(x >= 0, e) / (1 + e)  # eq. (2.11)


@primitive
def relu(x):
    y = np.maximum(x, 0)
    return y, lambda g: g * (y > 0)  # eq. (2.12)


@primitive
def absolute(x):
    return np.abs(x), lambda g: g * np.sign(x)  # eq. (2.13)


@primitive
def maximum(x, y):
    """The larger of x and y; equal ones get half of the gradient each, as in PyTorch and JAX."""

    return np.maximum(x, y), (
        lambda g: unbroadcast(g * _share(x > y, x == y), np.shape(x)),  # eq. (2.14)
        lambda g: unbroadcast(g * _share(y > x, x == y), np.shape(y)),
    )


@primitive
def minimum(x, y):
    """The smaller of x and y; equal ones get half of the gradient each."""
    return np.minimum(x, y), (
        lambda g: unbroadcast(g * _share(x < y, x == y), np.shape(x)),  # eq. (2.32)
        lambda g: unbroadcast(g * _share(y < x, x == y), np.shape(y)),
    )


def _share(chosen, tied):
    """Which part of the gradient an entry gets: all of it, half, or none; never in float64."""
    return np.where(tied, np.float32(0.5), chosen)


@primitive
def logaddexp(x, y):
    """log(exp(x) + exp(y)), without overflow."""
    z = np.logaddexp(x, y)
    return z, (
        lambda g: unbroadcast(g * np.exp(x - z), np.shape(x)),  # eq. (2.33)
        lambda g: unbroadcast(g * np.exp(y - z), np.shape(y)),
    )


@primitive
def where(condition, x, y):
    """x where the condition holds, else y."""
    condition = np.asarray(condition, bool)
    return np.where(condition, x, y), (
        None,
        lambda g: unbroadcast(g * condition, np.shape(x)),  # eq. (2.34)
        lambda g: unbroadcast(g * ~condition, np.shape(y)),
    )


@primitive
def clip(x, a_min, a_max):
    """x, brought into [a_min, a_max]; None is no bound. Where it is moved its gradient is 0."""
    y = np.clip(x, a_min, a_max)
    if y.shape != np.shape(x):
        raise ValueError(
            f"clip: the bounds have shapes {np.shape(a_min)} and {np.shape(a_max)}, which do not "
            f"fit x of shape {np.shape(x)}"
        )
    return y, lambda g: g * (x == y)  # eq. (2.35)


# Reductions.


def spread(g, x, axis, keepdims):
    """The gradient of a reduction over axis, repeated to the shape of x, what was reduced."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, axis)
    return np.full(np.shape(x), g, g.dtype)


def _per_entry(x, y):
    """How many entries of x go into each entry of its reduction y."""
    return np.size(x) // y.size if y.size else 0


@primitive
def sum(x, axis=None, keepdims=False):
    y = np.sum(x, axis=axis, keepdims=keepdims)
    return y, lambda g: spread(g, x, axis, keepdims)  # eq. (2.19)


@primitive
def mean(x, axis=None, keepdims=False):
    y = np.sum(x, axis=axis, keepdims=keepdims)
    n = _per_entry(x, y)
    return y / n, lambda g: spread(g / n, x, axis, keepdims)  # eq. (2.20)


@primitive
def max(x, axis=None, keepdims=False):
    """The largest entry; equal ones share the gradient."""
    return _extreme(x, np.max(x, axis=axis, keepdims=True), axis, keepdims)  # eq. (2.36)


@primitive
def min(x, axis=None, keepdims=False):
    """The smallest entry; equal ones share the gradient."""
    return _extreme(x, np.min(x, axis=axis, keepdims=True), axis, keepdims)  # eq. (2.36)


def _extreme(x, y, axis, keepdims):
    """Value and VJP of max and min, from y, which has kept its axes."""
    best = x == y
    ties = np.sum(best, axis=axis, keepdims=True, dtype=x.dtype)
    value = y if keepdims else np.squeeze(y, axis)
    return value, lambda g: spread(g, x, axis, keepdims) * best / ties


@primitive
def var(x, axis=None, ddof=0, keepdims=False):
    """The mean square distance from the mean, over n - ddof."""
    away = x - np.mean(x, axis=axis, keepdims=True)
    total = np.sum(away * away, axis=axis, keepdims=keepdims)
    n = _per_entry(x, total) - ddof
    return total / n, lambda g: spread(2 * g / n, x, axis, keepdims) * away  # eq. (2.37)


@primitive
def std(x, axis=None, ddof=0, keepdims=False):
    """The square root of var. Where all entries are equal it has a kink, and no gradient: NaN."""
    away = x - np.mean(x, axis=axis, keepdims=True)
    total = np.sum(away * away, axis=axis, keepdims=keepdims)
    n = _per_entry(x, total) - ddof
    y = np.sqrt(total / n)
    return y, lambda g: spread(g / (n * y), x, axis, keepdims) * away  # eq. (2.38)


# Shapes and pieces.


@primitive
def transpose(x, axes=None):
    back = None if axes is None else np.argsort([a % x.ndim for a in axes])
    return np.transpose(x, axes), lambda g: np.transpose(g, back)  # eq. (2.22)


@primitive
def reshape(x, shape):
    return np.reshape(x, shape), lambda g: g.reshape(x.shape)  # eq. (2.23)


@primitive
def ravel(x):
    return np.ravel(x), lambda g: g.reshape(x.shape)  # eq. (2.23)


@primitive
def squeeze(x, axis=None):
    return np.squeeze(x, axis), lambda g: g.reshape(x.shape)  # eq. (2.23)


@primitive
def expand_dims(x, axis):
    return np.expand_dims(x, axis), lambda g: g.reshape(x.shape)  # eq. (2.23)


@primitive
def swapaxes(x, axis1, axis2):
    return np.swapaxes(x, axis1, axis2), lambda g: np.swapaxes(g, axis1, axis2)  # eq. (2.22)


@primitive
def broadcast_to(x, shape):
    return np.broadcast_to(x, shape), lambda g: unbroadcast(g, x.shape)  # eq. (2.18)


@primitive
def getitem(x, index):
    """x[index], by integers, slices, None, ..., boolean masks and integer arrays."""
    entries = index if isinstance(index, tuple) else (index,)
    simple = all(isinstance(i, (int, np.integer, slice, type(None), type(...))) for i in entries)
    if not simple:  # the caller's index arrays may change before backward
        index = tuple(np.array(i) if isinstance(i, (list, np.ndarray)) else i for i in entries)

    def vjp(g):
        x_grad = np.zeros(x.shape, x.dtype)
        if simple:
            x_grad[index] = g
        else:
            np.add.at(x_grad, index, g)  # entries named twice add up, eq. (2.24)
        return x_grad

    return x[index], vjp


@primitive
def concatenate(arrays, axis=0):
    """The arrays joined along an axis."""
    ends = np.cumsum([a.shape[axis] for a in arrays])

    def piece(start, end):
        return lambda g: np.moveaxis(np.moveaxis(g, axis, 0)[start:end], 0, axis)  # eq. (2.25)

    vjps = tuple(piece(end - a.shape[axis], end) for a, end in zip(arrays, ends))
    return np.concatenate(arrays, axis), vjps


@primitive
def stack(arrays, axis=0):
    """The arrays side by side along a new axis."""

    def layer(i):
        return lambda g: np.take(g, i, axis)  # eq. (2.25)

    return np.stack(arrays, axis), tuple(layer(i) for i in range(len(arrays)))


# Matrix products.


@primitive
def matmul(x, y):
    """x @ y with NumPy's meaning for vectors (a 1-D operand) and for stacks of matrices."""
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        raise ValueError("matmul takes vectors and matrices: for a number write x * y")
    X = x[None, :] if x.ndim == 1 else x
    Y = y[:, None] if y.ndim == 1 else y
    Z = X @ Y
    z = Z
    if x.ndim == 1:
        z = z.reshape(*z.shape[:-2], z.shape[-1])
    if y.ndim == 1:
        z = z.reshape(z.shape[:-1])

    def x_vjp(g):
        return unbroadcast(g.reshape(Z.shape) @ Y.swapaxes(-1, -2), X.shape).reshape(x.shape)

    def y_vjp(g):
        return unbroadcast(X.swapaxes(-1, -2) @ g.reshape(Z.shape), Y.shape).reshape(y.shape)

    return z, (x_vjp, y_vjp)  # eq. (2.21)


@primitive
def dot(x, y):
    """x @ y for vectors and matrices; with a number it is x * y. eq. (2.21)"""
    if np.ndim(x) > 2 or np.ndim(y) > 2:
        raise ValueError(
            f"dot takes vectors and matrices here, got {np.shape(x)} and {np.shape(y)}: write x @ y"
        )
    number = np.ndim(x) == 0 or np.ndim(y) == 0
    rule = multiply if number else matmul
    return rule.__wrapped__(x, y)


@primitive
def dense(x, W, b):
    """The dense layer x @ W + b for x (B, in), W (in, out), b (out,); gives (B, out)."""
    if not (x.ndim == W.ndim == 2 and x.shape[1] == W.shape[0] and b.shape == W.shape[1:]):
        raise ValueError(
            f"dense needs x (B, in), W (in, out) and b (out,), got {x.shape}, {W.shape} and "
            f"{b.shape}"
        )
    y = x @ W
    y += b
    return y, (
        lambda g: g @ W.T,  # eq. (3.1)
        lambda g: x.T @ g,  # eq. (3.2)
        lambda g: sum_over(g, axis=0),  # eq. (3.3)
    )
