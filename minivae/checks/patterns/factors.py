"""A factor that is not the same everywhere, or a term: known functions of what f works with."""

import itertools

import numpy as np

from .tools import equals, fits_once, least_evidence, as_factor, known_factors, times
from .whole import factor


def wrong_axis(e):
    """J scales each column, and the rule each row; or the other way round."""
    if e.J is None or e.x.ndim != 2 or e.x.shape != e.y.shape or min(e.x.shape) < 2:
        return None
    if not all(np.abs(M - np.diag(np.diag(M))).max() <= e.close for M in (e.J, e.A)):
        return None
    j, a = (np.diag(M).reshape(e.x.shape) for M in (e.J, e.A))
    level = lambda M, axis: np.ptp(M, axis=axis).max() <= e.close
    for axis, one, other in (0, "column", "row"), (1, "row", "column"):
        if level(j, axis) and level(a, 1 - axis) and not level(j, 1 - axis) and not level(a, axis):
            return (
                f"the scale stands on the wrong axis: f has a factor for each {one}, and the rule"
                f" for each {other}"
            )


def entry_factor(e):
    """A factor that is a known function of an input, of f, or of a constant of f."""
    if factor(e) is not None:
        return None
    suspects = [
        (name, text, np.array([q[i] for i in e.index]))
        for name, text, q in known_factors(e, e.d.x.shape)
    ]
    told = e.telling.sum()
    suspects = [(name, text, q) for name, text, q in suspects if told >= least_evidence(q)]
    for name, text, q in suspects:
        if (c := times(e.n, q * e.a, e.fine)) is not None and _believable(c, q):
            return f"a factor {text} is missing (numeric = {as_factor(c)}{text} analytic)"
        if (c := times(e.a, q * e.n, e.fine)) is not None and _believable(c, q):
            return f"a factor {text} is too many (analytic = {as_factor(c)}{text} numeric)"
    for (one, text, q), (other, due, r) in itertools.permutations(suspects, 2):
        if text.replace(one, other) == due and one != other and len(np.unique(q)) > 3:
            if (c := times(e.n * q, e.a * r, e.fine)) is not None and equals(c, 1):
                return f"{text} stands where {due} is due"


def _believable(c, q):
    """A mask with a constant fits whatever is zero in the right places: no constant is allowed
    there."""
    return len(np.unique(q)) > 2 or equals(abs(c), 1)


def taken_elsewhere(e):
    """The derivative is right, but for other values of x: at -x, at 2 x, at f, at another input."""
    points = [(f"-{e.name}", -e.d.x), (f"2 {e.name}", 2 * e.d.x), (f"{e.name}/2", e.d.x / 2)]
    points += [
        (name, values)
        for name, values in e.arrays()
        if name != e.name and values.shape == e.d.x.shape
    ]
    if e.telling.sum() < 3 or len(e.flat) > 100:
        return None
    for name, point in points:
        n = np.array([e.u.ravel() @ e.fn_derivative(i, point - e.d.x) for i in e.flat])
        if np.isfinite(n).all() and fits_once(e.a, n, max(e.fine, 1e-7)):
            return f"it is the derivative at {name}, not at {e.name}"


def output_factor(e):
    """Each row of the Jacobian is right up to a factor of its own, and rows have more than one
    entry."""
    if e.J is None or len(e.J) < 2 or (e.nonzero(e.J).sum(axis=1) < 2).all():
        return None
    squares = np.sum(e.J**2, axis=1)
    rho = np.sum(e.A * e.J, axis=1) / np.where(squares > 0, squares, 1)
    live = e.nonzero(e.J).any(axis=1)
    if np.abs(e.A - rho[:, None] * e.J).max() > e.close or live.sum() < 2 or not rho[live].all():
        return None
    return _name_factor(e, rho[live], live, e.y.shape, "f", "output")


def input_factor(e):
    """The same for columns: each entry's derivatives are right up to a factor of its own."""
    if e.J is None or e.x.ndim < 2:
        return None
    squares = np.sum(e.J**2, axis=0)
    rho = np.sum(e.A * e.J, axis=0) / np.where(squares > 0, squares, 1)
    live = e.nonzero(e.J).any(axis=0)
    if np.abs(e.A - rho * e.J).max() > e.close or live.sum() < 2 or not rho[live].all():
        return None
    return _name_factor(e, rho[live], live, e.x.shape, e.name, "entry")


def _name_factor(e, rho, live, shape, whose, what):
    fine = 10 * e.close / e.size
    for name, text, q in known_factors(e, shape, broadcast=True):
        q = q.ravel()[live]
        if len(rho) < least_evidence(q):
            continue
        if (c := times(1 / rho, q, fine)) is not None:
            return (
                f"a factor {text} is missing, one number for each {what} (numeric ="
                f" {as_factor(c)}{text} analytic)"
            )
        if (c := times(rho, q, fine)) is not None:
            return (
                f"a factor {text} is too many, one number for each {what} (analytic ="
                f" {as_factor(c)}{text} numeric)"
            )
    if np.abs(rho - 1).min() < 1e-5:
        return None  # some are right: say which are wrong
    grid = np.full(live.shape, np.nan)
    grid[live] = rho
    grid = grid.reshape(shape)
    if grid.ndim == 2 and min(shape) > 1 and np.isfinite(grid).all():
        for axis, word in enumerate(["column", "row"]):
            if np.ptp(grid, axis=axis).max() <= fine * np.abs(grid).max():
                factors = ", ".join(f"{c:.4g}" for c in np.take(grid, 0, axis=axis)[:6])
                return (
                    f"each {word} of {whose} is off by a factor of its own ({factors}): a scale for"
                    f" each {word} is missing"
                )
    if what == "output" and e.nonzero(e.J).sum(axis=1).max() > 1:
        return (
            "each output's part is right up to a factor of its own: something that each output is"
            " multiplied with, or divided by, is missing or too many"
        )


def term(e):
    """A term that is a known function of an input or of f is missing, or too many, at g = 1."""
    if not e.elementwise:
        return None
    a, n = e.both_at(np.ones_like(e.u))
    at = "at g = 1, " if e.y.size > 1 else ""
    for name, text, q in known_factors(e, e.d.x.shape):
        q = np.array([q[i] for i in e.index])
        if len(q) < least_evidence(q):
            continue
        if (c := times(a - n, q, e.fine)) is not None:
            return f"{at}analytic - numeric is {as_factor(c)}{text}: a term is missing, or too many"
        if len(q) >= max(least_evidence(q), 5):
            both = np.array([q, np.ones(len(q))]).T
            c, *_ = np.linalg.lstsq(both, a - n, rcond=None)
            if np.abs(both @ c - (a - n)).max() <= e.fine * np.abs(a - n).max():
                return (
                    f"{at}analytic - numeric is {c[0]:.6g} {text} {'+' if c[1] > 0 else '-'}"
                    f" {abs(c[1]):.6g}: a term is missing, or too many"
                )
