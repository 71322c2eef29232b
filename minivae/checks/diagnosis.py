"""What a wrong gradient looks like: the mistakes that are known by name, and which of them fits.

A pattern is a function of the Evidence about one input. It returns a sentence where it explains
what is wrong exactly, to within 1 % of the difference and 1e-6 of the gradient, and None elsewhere.
To teach the check one more mistake, write one more such function and put its name into PATTERNS:

    def halved(e):
        if e.is_A(e.J / 2):
            return "it is half of what it should be"

e.J is the Jacobian as measured, e.A as the rule implies it, e.D = e.J - e.A (all None where they
are too large); e.n and e.a are the gradients of sum(u * f), numeric and analytic, entry by entry.
See jacobian.py.
"""

import numpy as np

from .jacobian import Evidence
from .patterns import constants, factors, parts, places, whole

# Simple readings first. Of the first group in which any fits, all that fit are given.
PATTERNS = [
    [whole.zero],
    [whole.g_unused, whole.g_not_linear],
    [whole.factor, whole.constant_or_factor, whole.first_row, whole.transposed, whole.swapped],
    [places.jacobian_transposed],
    [places.entries_moved],
    [places.only_diagonal],
    [places.only_own_rows, places.repeats_lost],
    [places.mask_forgotten],
    [places.spread_out],
    [factors.wrong_axis, places.derivative_moved],
    [factors.entry_factor],
    [places.entries_permuted, places.label_off],
    [places.amounts_misplaced],
    [factors.taken_elsewhere],
    [parts.wrong_where],
    [constants.path_missing],
    [whole.constant_term],
    [constants.operation_wrong],
    [factors.output_factor],
    [factors.input_factor],
    [factors.term],
    [constants.path_factor],
    [constants.path_rows],
    [constants.rank_one],
    [places.rows_mixed],
    [places.reaches_too_far],
    [parts.rows_wrong],
    [parts.outputs_wrong],
    [parts.pairs_missing],
    [parts.entries_wrong],
    [constants.along],
    [parts.same_everywhere],
]


def explain(fn, u, measured, h):
    """What is seen, in words. measured: the Derivatives of all inputs, right and wrong."""
    again = fn.gradient(u)
    return "\n".join(
        f"{d.name}: {_explain_one(fn, u, d, measured, h, again[d.k])}" for d in measured if not d.ok
    )


def _explain_one(fn, u, d, measured, h, again):
    if not d.missing and not np.array_equal(again, d.gradient, equal_nan=True):
        return (
            "the gradient changes from call to call, though f does not: fresh noise is drawn on the"
            " way back"
        )
    if not d.right_shape:
        return _wrong_shape(d.gradient, d.x)
    for what, values in ("analytic", d.analytic), ("numeric", d.numeric):
        if not np.isfinite(values).all():
            return (
                f"{np.sum(~np.isfinite(values))} of {len(values)} {what} derivatives are NaN or"
                " infinite"
            )
    found = []
    wrong = (d.error > d.tol) & ~d.kink
    if d.unsettled.any():
        wrong = np.abs(d.analytic - d.numeric) > 10 * d.doubt.max()  # in spite of the noise
        found.append(
            f"the numeric gradient does not settle at any step (uncertain by {d.doubt.max():.0e}):"
            " part of f computes in float32, or stops at a tolerance, or jumps"
        )
    elif d.kink.any():
        found.append(_at_a_kink(d, wrong))
    entries = len(d.index)
    if wrong[:entries].any():
        found.append(_pattern_or_error(fn, u, d, measured, h))
    elif wrong.any():
        found.append(
            "the entries looked at are right, but the derivative along a random direction is not:"
            " raise samples"
        )
    return "; ".join(found)


def _wrong_shape(gradient, x):
    text = f"its gradient has shape {gradient.shape}, and the input {x.shape}"
    copied = all(k in (1, n) for k, n in zip(x.shape[::-1], gradient.shape[::-1]))
    if gradient.T.shape == x.shape:
        return text + ": is it transposed?"
    if gradient.size == x.size:
        return text + ": does it want a reshape?"
    if copied and gradient.size > x.size:
        return text + ": was it not summed over the axes along which the input is broadcast?"
    return text


def _at_a_kink(d, wrong):
    outside = d.outside.any()
    alone = "" if wrong.any() or outside else "right except "
    where = d.where(np.flatnonzero(d.kink)[0])
    return (
        f"{alone}at a kink: f has no derivative at {d.kink.sum()} place(s), such as {where}, where"
        f" the analytic value lies {'outside' if outside else 'within'} the slopes on either side."
        " Move the input away from there"
    )


def _pattern_or_error(fn, u, d, measured, h):
    """The rule and f are asked for more here than they may have been written for."""
    try:
        return _pattern(Evidence(fn, u, d, measured, h))
    except (ArithmeticError, ValueError) as error:
        return f"no known pattern fits, as far as one could look: {type(error).__name__}, {error}"


def _pattern(e):
    """The simplest mistakes that fit, all that are equally simple; or that none does."""
    for tier in PATTERNS:
        found = [sentence for pattern in tier if (sentence := pattern(e))]
        if found and e.telling.sum() == 1 and tier not in PATTERNS[:2]:
            return "only one entry tells, so this is a guess: " + " or ".join(found)
        if found:
            return " or ".join(found)
    return (
        f"no known pattern fits: {e.wrong.sum()} of {len(e.wrong)} entries are wrong; check the"
        " steps of f one at a time"
    )


# A check that passed, but could not have failed.


def why_nothing_shows(fn, d, u):
    """Why no gradient of input d could be told from zero, and what to do."""
    hidden = d.doubt.min()
    if d.slope == 0:
        return (
            f"{d.name}: nothing was shown, for f does not change with it: is it meant to be an"
            " input of f?"
        )
    if hidden > 0.01 * d.slope:
        return (
            f"{d.name}: nothing was shown, for the rounding of f hides slopes below {hidden:.0e},"
            f" and f is as large as {np.abs(fn.y).max():.0e}: leave out a large constant, or pass a"
            " larger h"
        )
    return (
        f"{d.name}: nothing was shown, for f is flat here (its slopes are zero to within"
        f" {max(hidden, 1e-300):.0e}): move {d.name} to a point where it is not"
    )
