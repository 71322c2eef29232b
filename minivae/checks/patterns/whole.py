"""The rule as a whole: no gradient, one without g, one number or one term that is wrong."""

import numpy as np

from .tools import equals, factor_in_words, fits_once, times


def zero(e):
    if not e.a.any():
        if e.d.missing:
            return (
                "the gradient is zero: none arrives, so the path to this input is cut, perhaps by"
                " .data or float()"
            )
        return "the gradient is zero: its rule was dropped, or returns zeros"
    if np.abs(e.n).max() <= 10 * e.fine * np.abs(e.a).max():
        return (
            "the numeric gradient is zero, for f does not change with this input here, but the"
            " analytic one is not"
        )


def g_unused(e):
    if np.array_equal(e.analytic_at(2 * e.u), e.analytic_at(e.u)):
        _, n = e.both_at(np.ones_like(e.u))
        all_of_it = np.abs(e.a - n).max() <= e.fine * max(np.abs(e.a).max(), np.abs(n).max())
        return "the upstream gradient g is not used: multiply by it" + (
            "" if all_of_it else ", but that is not all"
        )


def g_not_linear(e):
    once, none = e.analytic_at(e.u), e.analytic_at(np.zeros_like(e.u))
    size = np.abs(once).max()
    if np.abs(none).max() > 1e-6 * size:
        if not np.array_equal(e.analytic_at(2 * e.u), once):
            return (
                "the gradient is not zero where the upstream gradient g is: one of its terms is not"
                " multiplied by g"
            )
    elif np.abs(e.analytic_at(2 * e.u) - 2 * once).max() > 1e-6 * size:
        return (
            "the gradient does not double when the upstream gradient g does: every term of it must"
            " be linear in g"
        )


def factor(e):
    c = times(e.a, e.n, e.fine)
    return None if c is None else factor_in_words(c, e)


def constant_or_factor(e):
    """Where all entries are alike, an offset is as simple as a factor."""
    if np.ptp(e.n) < 1e-6 * np.abs(e.n).max():
        return constant_term(e)


def constant_term(e):
    """Where the cotangent is all ones, a constant added to an elementwise derivative is still a
    constant."""
    if not e.elementwise:
        return None
    a, n = e.both_at(np.ones_like(e.u))
    c = times(a - n, np.ones(len(a)), e.fine)
    if c is not None:
        at = "at g = 1, " if e.y.size > 1 else ""
        return (
            f"{at}analytic - numeric is {c:.6g} throughout: a constant term is missing, or too many"
        )


def first_row(e):
    if e.y.size < 2 or e.y.ndim == 0:
        return None
    g = np.zeros_like(e.u)
    g[0] = e.u[0]
    n = np.array([g.ravel() @ e.fn_derivative(i) for i in e.flat])
    if fits_once(e.a, n, e.fine):
        return "only the first row of the output sends its gradient back: the others are missing"


def transposed(e):
    whole = e.d.gradient
    if whole.ndim < 2 or whole.shape[-1] != whole.shape[-2]:
        return None
    flipped = np.swapaxes(whole, -1, -2)
    if np.array_equal(flipped, whole):
        return None
    c = times(np.array([flipped[i] for i in e.index]), e.n, e.fine)
    if c is None:
        return None
    if equals(c, 1):
        return "it is transposed"
    if e.telling.sum() >= 2:
        return f"it is transposed, and {factor_in_words(c, e)}"


def swapped(e):
    for other in e.measured:
        if other.k != e.k and other.right_shape and other.x.shape == e.d.x.shape:
            mine = np.array([e.d.gradient[i] for i in other.index])
            if fits_once(mine, other.numeric[: len(mine)], e.fine):
                return f"it is the gradient of {other.name}: were two gradients swapped?"
