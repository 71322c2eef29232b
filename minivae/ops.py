"""The elementary operations, each with its derivative beside it; read this file as a table of derivatives.

The names are NumPy's, and np.exp(t), t + 1 or np.sum(t, axis=0) arrive here. Lines marked eq. (...) are derived in
lessons/derivations/. g is the gradient of the loss in the result.
"""

import numpy as np

from .autodiff import primitive


def unbroadcast(g, shape):
    """Sum g over the axes along which an input of this shape was repeated to meet its partner, eq. (2.18)."""
    if g.shape == shape:
        return g
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    return g.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


# Arithmetic. The inputs broadcast against each other as in NumPy.

@primitive
def add(x, y):
    return x + y, (lambda g: unbroadcast(g, x.shape), lambda g: unbroadcast(g, y.shape))  # eq. (2.15)


@primitive
def subtract(x, y):
    return x - y, (lambda g: unbroadcast(g, x.shape), lambda g: unbroadcast(-g, y.shape))  # eq. (2.15)


@primitive
def multiply(x, y):
    return x * y, (lambda g: unbroadcast(g * y, x.shape), lambda g: unbroadcast(g * x, y.shape))  # eq. (2.16)


@primitive
def divide(x, y):
    return x / y, (lambda g: unbroadcast(g / y, x.shape), lambda g: unbroadcast(-g * (x / y) / y, y.shape))  # eq. (2.17)


@primitive
def negative(x):
    return -x, lambda g: -g  # eq. (2.15)


@primitive
def power(x, exponent):
    """x ** exponent for a constant number; for an exponent that varies write exp(exponent * log(x))."""
    if np.ndim(exponent):
        raise TypeError(f"power takes one number as exponent, got an array of shape {np.shape(exponent)}: "
                        f"write exp(exponent * log(x))")
    n = exponent if isinstance(exponent, int) else float(exponent)
    return x**n, lambda g: g * n * x ** (n - 1) if n else 0 * g  # eq. (2.8)


# Functions of one variable, elementwise.

@primitive
def exp(x):
    y = np.exp(x)
    return y, lambda g: g * y  # eq. (2.5)


@primitive
def log(x):
    return np.log(x), lambda g: g / x  # eq. (2.6)


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
    return np.maximum(x, 0) + np.log1p(e), lambda g: g * np.maximum(x >= 0, e) / (1 + e)  # eq. (2.11)


@primitive
def relu(x):
    y = np.maximum(x, 0)
    return y, lambda g: g * (y > 0)  # eq. (2.12)


@primitive
def absolute(x):
    return np.abs(x), lambda g: g * np.sign(x)  # eq. (2.13)


@primitive
def maximum(x, y):
    """The larger of x and y; where they are equal each gets half of the gradient, as in PyTorch and JAX."""
    return np.maximum(x, y), (lambda g: unbroadcast(g * (x > y) + 0.5 * g * (x == y), np.shape(x)),
                              lambda g: unbroadcast(g * (y > x) + 0.5 * g * (x == y), np.shape(y)))  # eq. (2.14)


# Reductions and shapes.

def _spread(g, x, axis, keepdims):
    """The gradient of a reduction of x over axis, given back its reduced axes and repeated to x's shape."""
    if axis is not None and not keepdims:
        g = np.expand_dims(g, axis)
    return np.full(x.shape, g, x.dtype)


@primitive
def sum(x, axis=None, keepdims=False):
    return np.sum(x, axis=axis, keepdims=keepdims), lambda g: _spread(g, x, axis, keepdims)  # eq. (2.19)


@primitive
def mean(x, axis=None, keepdims=False):
    total = np.sum(x, axis=axis, keepdims=keepdims)
    n = np.size(x) // max(total.size, 1)
    return total / n, lambda g: _spread(g / n, x, axis, keepdims)  # eq. (2.20)


@primitive
def transpose(x, axes=None):
    back = None if axes is None else np.argsort([a % x.ndim for a in axes])
    return np.transpose(x, axes), lambda g: np.transpose(g, back)  # eq. (2.22)


@primitive
def reshape(x, shape):
    return np.reshape(x, shape), lambda g: g.reshape(x.shape)  # eq. (2.23)


@primitive
def broadcast_to(x, shape):
    return np.broadcast_to(x, shape), lambda g: unbroadcast(g, x.shape)  # eq. (2.18)


@primitive
def getitem(x, index):
    """x[index], by integers, slices, None, ..., boolean masks and integer arrays."""
    def vjp(g):
        x_grad = np.zeros(x.shape, x.dtype)
        entries = index if isinstance(index, tuple) else (index,)
        if all(isinstance(i, (int, np.integer, slice, type(None), type(...))) for i in entries):
            x_grad[index] = g
        else:
            np.add.at(x_grad, index, g)  # an integer array may name an element twice: its gradients add up, eq. (2.24)
        return x_grad
    return x[index], vjp


@primitive
def concatenate(arrays, axis=0):
    """The arrays joined along an axis; the rules belong to the entries of the list."""
    ends = np.cumsum([np.shape(a)[axis] for a in arrays])
    def piece(start, end):
        return lambda g: np.moveaxis(np.moveaxis(g, axis, 0)[start:end], 0, axis)  # eq. (2.25)
    return np.concatenate(arrays, axis), tuple(piece(end - np.shape(a)[axis], end) for a, end in zip(arrays, ends))


# Matrix products.

@primitive
def matmul(x, y):
    """x @ y with NumPy's meaning for vectors (a 1-D operand) and for stacks of matrices (broadcast)."""
    X = x[None, :] if x.ndim == 1 else x
    Y = y[:, None] if y.ndim == 1 else y
    Z = X @ Y
    def as_matrix(g):
        return g.reshape(Z.shape)
    z = Z.reshape(Z.shape[:-2] + (Z.shape[-2:-1] if x.ndim > 1 else ()) + (Z.shape[-1:] if y.ndim > 1 else ()))
    return z, (lambda g: unbroadcast(as_matrix(g) @ Y.swapaxes(-1, -2), X.shape).reshape(x.shape),
               lambda g: unbroadcast(X.swapaxes(-1, -2) @ as_matrix(g), Y.shape).reshape(y.shape))  # eq. (2.21)


@primitive
def dense(x, W, b):
    """The dense layer x @ W + b for x (B, in), W (in, out), b (out,); gives (B, out)."""
    if not (x.ndim == W.ndim == 2 and x.shape[1] == W.shape[0] and b.shape == W.shape[1:]):
        raise ValueError(f"dense needs x (B, in), W (in, out) and b (out,), got {x.shape}, {W.shape} and {b.shape}")
    y = x @ W
    y += b
    return y, (lambda g: g @ W.T, lambda g: x.T @ g, lambda g: g.sum(axis=0))  # eq. (3.1), eq. (3.2), eq. (3.3)
