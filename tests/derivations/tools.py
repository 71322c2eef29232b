"""What the tests of the derivations share: comparing, integrating, differentiating.

Each test checks what stands on the page (read by page.py) by a route that does not repeat its
derivation: quadrature, enumeration, finite differences, a closed form of another kind, or Monte
Carlo within a stated number of standard errors; and where minivae implements the equation, by its
function too.
"""

from statistics import NormalDist

import numpy as np

import minivae as mv

# the trapezoidal rule on it is exact to rounding for smooth densities
LINE = np.linspace(-16, 16, 32001)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
cdf, quantile = NormalDist().cdf, NormalDist().inv_cdf


def close(a, b, tol=1e-9):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape or a.ndim == 0 or b.ndim == 0, (a.shape, b.shape)
    near = np.isfinite(b) & (np.abs(a - b) <= tol * np.maximum(1, np.abs(b)))
    assert np.all(near | (a == b)), f"{a}\nis not\n{b}"


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
    assert all(0 < i < len(g) - 1 for i, g in zip(best,
                                                  grids)), "the minimum lies at the grid's edge"
    return [m[best] for m in mesh], values[best]
