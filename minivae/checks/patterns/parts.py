"""Wrong in a part of the entries, or of the outputs, only."""

import itertools
import math

import numpy as np

from ..jacobian import constants
from .tools import factor_in_words, times


def wrong_where(e):
    right = e.telling & ~e.wrong
    if not right.any():
        return None
    shaped = np.zeros(e.d.x.shape, bool)
    decided = np.zeros(e.d.x.shape, bool)
    for index, wrong, tells in zip(e.index, e.wrong, e.telling):
        shaped[index], decided[index] = wrong, wrong or tells
    text = condition(e, shaped.ravel(), decided.ravel(), whole=e.d.x)
    if text:
        return f"wrong exactly{text}{_there(e)}"


def condition(e, mask, decided=None, whole=None):
    """' where x > 0' if such a condition picks just the entries of the mask; '' if none does, or if
    that may be chance.

    By chance a threshold fits k of n entries once in comb(n, k) / 2. One that stands in the text of
    f needs less evidence.
    """
    decided = np.ones(len(mask), bool) if decided is None else decided
    x = e.x if whole is None else whole
    inside, outside = mask & decided, ~mask & decided
    evidence = math.comb(inside.sum() + outside.sum(), inside.sum())
    if min(inside.sum(), outside.sum()) < 2 or evidence < 20:
        return ""
    same = [(name, values.ravel()) for name, values in e.arrays() if values.shape == x.shape]
    known = [0, *(abs(value) for _, value in constants(e.fn.f, float))]
    for name, v in same:
        if name == "f" and not v[inside].any():
            continue  # that f is 0 there goes without saying
        if np.ptp(v[inside]) == 0 != v[inside][0] and not (v[outside] == v[inside][0]).any():
            return f" where {name} is {v[inside][0]:g}"
        for text, t in (name, v), (f"|{name}|", np.abs(v)):
            threshold = _threshold(t[inside], t[outside], known, evidence)
            if threshold:
                return f" where {text} {threshold}"
    for (one, a), (other, b) in itertools.combinations(same, 2):
        for sign, flags in (">", a > b), ("<", a < b):
            if np.array_equal(flags[decided], mask[decided]):
                return f" where {one} {sign} {other}"
    return ""


def _threshold(inside, outside, known, evidence):
    """'> 1' if that tells those inside from those outside."""
    for sign, low, high in (">", outside.max(), inside.min()), ("<", inside.max(), outside.min()):
        if low >= high:
            continue
        fits = lambda number: low < number < high or number == (low if sign == ">" else high)
        named = [number for k in known for number in (k, -k) if fits(number)]
        if named:
            return f"{sign} {named[0] + 0:g}"
        if evidence > 5000:
            digits = range(-3, 12)
            middle = (low + high) / 2
            return (
                f"{sign}"
                f" {next((round(middle, n) for n in digits if fits(round(middle, n))), middle):g}"
            )


def _there(e):
    a, n = e.a[e.wrong], e.n[e.wrong]
    c = times(a, n, e.fine) if e.wrong.sum() > 1 else None
    if not a.any():
        return "; there it is zero"
    if np.abs(n).max() <= 10 * e.fine * np.abs(a).max():
        return "; there it should be zero"
    if c:
        return f"; there {factor_in_words(c, e)}"
    if e.elementwise:
        a, n = (values[e.wrong] for values in e.both_at(np.ones_like(e.u)))
        c = times(a - n, np.ones(len(a)), e.fine)
        return f"; there analytic - numeric is {c:.6g} at g = 1" if c else ""
    return ""


def rows_wrong(e):
    """Some rows, or columns, are wrong and the others right."""
    right = e.telling & ~e.wrong
    for axis, word in enumerate(["row", "column"] if e.d.x.ndim == 2 else []):
        bad = sorted({i[axis] for i, wrong in zip(e.index, e.wrong) if wrong})
        good = sorted({i[axis] for i, fine in zip(e.index, right) if fine})
        if good and not set(bad) & set(good):
            which = f"{word} {str(bad)[1:-1]} wrong, {word} {str(good)[1:-1]} right"
            return which + _rows_where(e, bad, good) + _there(e)


def entries_wrong(e):
    """A few entries are wrong and the others right, or the other way round."""
    right = e.telling & ~e.wrong
    listed = lambda which: ", ".join(str(i) for i, w in zip(e.index, which) if w)
    if right.any() and e.wrong.sum() < 5:
        return f"right but for entry {listed(e.wrong)}{_there(e)}"
    if 0 < right.sum() < 5:
        return f"wrong but for entry {listed(right)}{_there(e)}"


def _rows_where(e, bad, good):
    """', just where t is 0' for an array t that has one number for each row (or column), and tells
    the two apart."""
    for name, values in e.arrays():
        if values.ndim == 1 and len(values) == len(bad) + len(good) > 4 and len(bad) > 1:
            if np.ptp(values[bad]) == 0 and not (values[good] == values[bad[0]]).any():
                return f", just where {name} is {values[bad[0]]:g}"
    return ""


def outputs_wrong(e):
    """Some outputs send back what they should, and others nothing."""
    if e.J is None or len(e.J) < 2:
        return None
    wrong = e.nonzero(e.D).any(axis=1)
    silent = wrong & ~e.nonzero(e.A).any(axis=1)
    if np.array_equal(wrong, silent) and not wrong.all():
        which = [tuple(map(int, np.unravel_index(o, e.y.shape))) for o in np.flatnonzero(wrong)]
        listed = ", ".join(map(str, which[:4])) + (", ..." if len(which) > 4 else "")
        return (
            f"{len(which)} of {len(wrong)} outputs send nothing back, the others are right:"
            f" {listed}"
        )


def pairs_missing(e):
    """The rule is right where it gives something, and some of the pairs of output and entry are
    missing."""
    if e.J is None or len(e.J) < 2:
        return None
    missing = e.nonzero(e.D)
    if (missing & e.nonzero(e.A)).any() or not e.nonzero(e.A).any():
        return None
    return (
        f"it is right where it is not zero, and {missing.sum()} of the {e.nonzero(e.J).sum()} pairs"
        " of output and entry that f links are missing: a path, an index or a term was left out"
    )


def same_everywhere(e):
    """The rule gives one number for all entries, and there are several."""
    if e.y.size == 1 and len(e.a) > 2 and np.ptp(e.a) <= 1e-9 * np.abs(e.a).max():
        return (
            f"the rule gives the same number for every entry of {e.name}, and the numeric"
            " derivatives differ"
        )
