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

import itertools
import math

import numpy as np

from .jacobian import Evidence, constants, words as _words_of
from .paths import as_flipped, as_transposed

# Functions of an input, or of f, that are often forgotten in a derivative, or taken twice.
SUSPECTS = {
    "{0}": lambda t: t,
    "{0}**2": np.square,
    "exp({0})": np.exp,
    "exp({0}/2)": lambda t: np.exp(t / 2),
    "(1 - {0})": lambda t: 1 - t,
    "(1 + {0})": lambda t: 1 + t,
    "(1 - {0}**2)": lambda t: 1 - t**2,
    "{0} (1 - {0})": lambda t: t * (1 - t),
    "sign({0})": np.sign,
    "tanh({0})": np.tanh,
    "(1 - tanh({0})**2)": lambda t: 1 - np.tanh(t) ** 2,
    "[{0} > 0]": lambda t: 1.0 * (t > 0),
}


# The frame: one line for each input that is wrong.


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
        wrong = (
            np.abs(d.analytic - d.numeric) > 10 * d.doubt.max()
        )  # what is wrong in spite of the noise
        found.append(
            f"the numeric gradient does not settle at any step (uncertain by {d.doubt.max():.0e}):"
            " part of f computes in float32, or stops at a tolerance, or jumps"
        )
    elif d.kink.any():
        found.append(_at_a_kink(d, wrong))
    entries = len(d.index)
    if wrong[:entries].any():
        found.append(_pattern(Evidence(fn, u, d, measured, h)))
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


def _pattern(e):
    """The simplest mistakes that fit, all that are equally simple; or that none does."""
    for tier in PATTERNS:
        found = list(
            dict.fromkeys(sentence for pattern in tier for sentence in _sentences(pattern(e)))
        )
        if found:
            guess = (
                ""
                if e.telling.sum() > 1 or tier in PATTERNS[:2]
                else "only one entry tells, so this is a guess: "
            )
            return guess + " or ".join(found[:3])
    return (
        f"no known pattern fits: {e.wrong.sum()} of {len(e.wrong)} entries are wrong; check the"
        " steps of f one at a time"
    )


def _sentences(found):
    if found is None:
        return []
    return [found] if isinstance(found, str) else found


def _times(b, t, fine):
    """The number c for which b = c t in every entry, or None."""
    c = b @ t / (t @ t) if t.any() else 0.0
    largest = max(np.abs(b).max(initial=0), np.abs(c * t).max(initial=0))
    return c if b.any() and np.abs(b - c * t).max() <= fine * largest else None


def _is(c, value):
    return abs(c / value - 1) < 1e-5


def _number(c):
    return "" if _is(c, 1) else f"{c:.6g} "


# The rule as a whole: no gradient at all, or one that does not belong to g.


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


# One number, one term, one place: seen in the gradient itself.


def factor(e):
    c = _times(e.a, e.n, e.fine)
    return None if c is None else _factor(c, e)


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
    c = _times(a - n, np.ones(len(a)), e.fine)
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
    if _fits_once(e.a, n, e.fine):
        return "only the first row of the output sends its gradient back: the others are missing"


def transposed(e):
    whole = e.d.gradient
    if whole.ndim < 2 or whole.shape[-1] != whole.shape[-2]:
        return None
    flipped = np.swapaxes(whole, -1, -2)
    if np.array_equal(flipped, whole):
        return None
    c = _times(np.array([flipped[i] for i in e.index]), e.n, e.fine)
    if c is None:
        return None
    if _is(c, 1):
        return "it is transposed"
    if e.telling.sum() >= 2:
        return f"it is transposed, and {_factor(c, e)}"


def swapped(e):
    for other in e.measured:
        if other.k != e.k and other.right_shape and other.x.shape == e.d.x.shape:
            mine = np.array([e.d.gradient[i] for i in other.index])
            if _fits_once(mine, other.numeric[: len(mine)], e.fine):
                return f"it is the gradient of {other.name}: were two gradients swapped?"


def _fits_once(a, n, fine):
    c = _times(a, n, fine)
    return c is not None and _is(c, 1)


def _factor(c, e):
    """A constant factor in words, with the explanations that its value allows."""
    if _is(-c, 1):
        return "the sign is flipped"
    sign = "the sign is flipped and " if c < 0 else ""
    hints = "; or ".join(_hints(abs(c), e)) or "a constant forgotten, or counted twice?"
    return f"{sign}every entry is {c:.6g} times the numeric one ({hints})"


def _hints(size, e):
    """Where a factor may come from: 2, the length of an axis, its root, n - 1 for n, a number in
    the text of f."""
    if _is(size, 2):
        yield "a 1/2 forgotten?"
    if _is(size, 0.5):
        yield "a 1/2 too many, or a 2 forgotten?"
    found = _is(size, 2) or _is(size, 0.5)
    lengths = _lengths(e)
    for k, what in lengths.items():
        found = found or _is(size, k) or _is(size, 1 / k)
        if _is(size, k):
            yield f"a sum where a mean is meant? {k} is {what}"
        elif _is(size, 1 / k):
            yield f"a mean where a sum is meant? {k} is {what}"
    if found:
        return
    for name, values in e.arrays():
        for text, number in (name, 1), (f"2 {name}", 2), (f"{name}/2", 0.5):
            if values.size == 1 and _is(size, abs(number * values.item())):
                yield f"a factor {text} too many?"
            elif (
                values.size == 1 and values.item() and _is(size, abs(1 / (number * values.item())))
            ):
                yield f"a factor {text} forgotten?"
    plain = {k: what for k, what in lengths.items() if " times " not in what}
    for (j, one), (k, other) in itertools.permutations(plain.items(), 2):
        if _is(size, k / j) and one.split()[-1] == other.split()[-1]:
            yield f"a mean over {j} ({one}) where one over {k} ({other}) is due?"
    for k, what in plain.items():
        centred = _words_of(e.fn.f) & {"var", "std", "mean", "sum", "cov"}
        if centred and _is(size, k / (k - 1)):
            yield f"n - 1 where n is due? n = {k} is {what}"
        elif centred and _is(size, (k - 1) / k) and k > 2:
            yield f"n where n - 1 is due? n = {k} is {what}"
        elif _is(size, k**0.5):
            yield f"1/sqrt({k}) forgotten? {k} is {what}"
        elif _is(size, k**-0.5):
            yield f"sqrt({k}) forgotten, or 1/sqrt({k}) counted twice? {k} is {what}"
    for name, value in constants(e.fn.f, float):
        if (
            value
            and abs(value) not in (1, 2, 0.5, *lengths)
            and not (isinstance(value, int) and value < 3)
        ):
            if _is(size, 1 / abs(value)):
                yield f"is a factor {_called(name, value)} forgotten?"
                break
            if _is(size, abs(value)):
                yield f"is {_called(name, value)} counted twice, or a division by it forgotten?"
                break


def _called(name, value):
    return name if name == f"{value:g}" else f"{name} = {value:g}"


def _lengths(e):
    """The lengths of all axes, and their products in pairs, with their names."""
    shapes = [*zip(e.fn.names, (t.shape for t in e.fn.tensors)), ("f", e.fn.y.shape)]
    axes = {}
    for name, shape in shapes:
        for i, k in enumerate(shape):
            if k > 1:
                axes.setdefault(k, f"axis {i} of {name}")
    products = {}
    for (j, a), (k, b) in itertools.combinations_with_replacement(axes.items(), 2):
        products.setdefault(j * k, f"{a} times {b}")
    return {**products, **axes}


# Right numbers in the wrong places: seen in the Jacobian.


def jacobian_transposed(e):
    if e.square and e.is_A(e.J.T):
        return (
            "its Jacobian is transposed: g is treated as f treats x, where the other direction is"
            " due (a sum that runs from the end, a shift or a rotation undone, W.T for W)"
        )


def entries_moved(e):
    """Reversed, shifted or swapped along an axis of x, of f, or of both."""
    if e.J is None or e.nonzero(e.J).sum() < 2:
        return None
    at_x = [
        (f"of {e.name}", name, lambda J, m=move: m(J.reshape(-1, *e.x.shape), 1).reshape(J.shape))
        for name, move in _moves(e.x.shape)
    ]
    at_f = [
        ("of f", name, lambda J, m=move: m(J.reshape(*e.y.shape, -1), 0).reshape(J.shape))
        for name, move in _moves(e.y.shape)
    ]
    for whose, name, move in at_x:
        if e.is_A(move(e.J)):
            return f"its entries stand in the wrong places: {name} {whose}"
    for whose, name, move in at_f:
        if e.is_A(move(e.J)):
            return f"g is taken in the wrong order: {name} {whose}"
    for (_, one, move), (_, other, then) in (
        itertools.product(at_x, at_f) if not e.elementwise else ()
    ):
        if "reversed" in one and "reversed" in other and e.is_A(move(then(e.J))):
            return (
                f"it is right but for a reversal, {one} of {e.name} and {other} of f: was a kernel"
                " or a window not turned round on the way back?"
            )


def _moves(shape):
    """(name, function of an array and the first of its axes that count)."""
    for axis, n in enumerate(shape):
        if n > 1:
            yield f"reversed along axis {axis}", lambda M, first, a=axis: np.flip(M, first + a)
    for i, j in itertools.combinations(range(len(shape)), 2):
        if shape[i] == shape[j] > 1:
            yield f"axes {i} and {j} exchanged", lambda M, first, i=i, j=j: np.swapaxes(
                M, first + i, first + j
            )
    if sum(n > 1 for n in shape) > 1:
        axes = np.arange(len(shape))
        yield "reversed along all axes", lambda M, first: np.flip(M, tuple(first + axes))
    for axis, n in enumerate(shape):
        for by in sorted(range(1 - n // 2 - n % 2, n // 2 + 1), key=abs)[1:] if n < 65 else ():
            yield f"shifted by {by} along axis {axis}", lambda M, first, a=axis, by=by: np.roll(
                M, by, first + a
            )


def entries_permuted(e):
    if e.J is None:
        return None
    for M, N, what in (e.J.T, e.A.T, e.name), (e.J, e.A, "f"):
        if M.shape[0] < 3 or M.shape[1] * M.shape[0] < 4:
            continue
        goes_to = _permutation(M, N, e.close)
        if goes_to is None:
            continue
        shape = e.x.shape if what == e.name else e.y.shape
        one = next(i for i, k in enumerate(goes_to) if i != k)
        here, there = (tuple(map(int, np.unravel_index(i, shape))) for i in (one, goes_to[one]))
        share = f"{sum(i != k for i, k in enumerate(goes_to))} of {len(goes_to)}"
        if what == "f":
            return (
                f"g is taken in the wrong order ({share} of its entries): what belongs to {here} of"
                f" f is used for {there}"
            )
        return (
            f"{share} entries are right but stand in the wrong places: what belongs to {here}"
            f" stands at {there}"
        )


def _permutation(M, N, close):
    """goes_to with N[goes_to[i]] = M[i] for all rows; None if there is none, or if equal rows leave
    more than one."""
    if len(M) > 300:
        return None
    same = np.abs(M[:, None] - N[None]).max(axis=2) <= close
    if (same.sum(axis=1) != 1).any() or (same.sum(axis=0) != 1).any():
        return None
    return same.argmax(axis=1).tolist()


def amounts_misplaced(e):
    """Each output sends the right amounts, but to other entries."""
    if e.J is None or e.J.shape[1] < 2:
        return None
    if (
        np.abs(np.sort(e.J, axis=1) - np.sort(e.A, axis=1)).max() > e.close
        or (e.nonzero(e.J).sum(axis=1) > 1).any()
    ):
        return None
    output = np.flatnonzero(e.nonzero(e.D).any(axis=1))[0]
    due, given = np.abs(e.J[output]).argmax(), np.abs(e.A[output]).argmax()
    of_f = tuple(map(int, np.unravel_index(output, e.y.shape)))
    due, given = (tuple(map(int, np.unravel_index(i, e.x.shape))) for i in (due, given))
    return (
        f"each output sends the right amount, but to the wrong entry: that of {of_f} goes to"
        f" {given} where {due} is due. An index mixed up, or a sum over the wrong axis?"
    )


def derivative_moved(e):
    """f takes entry by entry, and its derivative stands reversed, shifted or transposed."""
    if not e.square or e.x.shape != e.y.shape or not e.elementwise:
        return None
    j, a = np.diag(e.J).reshape(e.x.shape), np.diag(e.A).reshape(e.x.shape)
    if max(np.abs(M - np.diag(np.diag(M))).max() for M in (e.J, e.A)) > e.close:
        return None
    for name, move in _moves(e.x.shape):
        if np.abs(move(j, 0) - a).max() <= e.close:
            return f"the derivative of each entry stands in the wrong place: {name}"


def rows_mixed(e):
    """f keeps each row (or column) to itself, and the rule does not."""
    for axis, word in enumerate(["row", "column"]):
        own = _own(e, axis)
        if (
            own is not None
            and np.abs(np.where(own, 0, e.J)).max()
            <= e.close
            < np.abs(np.where(own, 0, e.A)).max() / 10
        ):
            return (
                f"f keeps each {word} of {e.name} to itself, and the rule mixes different {word}s:"
                " does a sum or a mean on the way back run over the wrong axis?"
            )


def reaches_too_far(e):
    """Entries that f does not depend on get a gradient, and others are wrong, too."""
    if e.J is None:
        return None
    idle = ~e.nonzero(e.J) & e.nonzero(e.A)
    entries = np.flatnonzero(~e.nonzero(e.J).any(axis=0) & e.nonzero(e.A).any(axis=0))
    if len(entries):
        one = tuple(map(int, np.unravel_index(entries[0], e.x.shape)))
        return (
            f"f does not change with {len(entries)} of {e.x.size} entries, such as {one}, and the"
            " rule gives them a gradient: is a mask or a selection missing on the way back?"
        )
    if idle.any(axis=1).sum() > 1:
        return (
            f"{idle.sum()} pairs of output and entry that f does not link get a gradient: is a mask"
            " missing, or does a sum on the way back run too far?"
        )


# A part is missing, or too much: which pairs of output and entry are wrong.


def only_diagonal(e):
    if e.square and e.x.shape == e.y.shape and len(e.J) > 1 and e.is_A(np.diag(np.diag(e.J))):
        return (
            "only the diagonal of its Jacobian is there: the rule treats f as elementwise, but each"
            " output depends on several entries"
        )


def only_own_rows(e):
    """The part of J that links different rows (or columns) of the batch is missing."""
    for axis, word in enumerate(["row", "column"]):
        own = _own(e, axis)
        if own is not None and e.is_A(np.where(own, e.J, 0)):
            return (
                f"what links one {word} with another is missing (a statistic over the batch?);"
                f" within each {word} it is right"
            )


def _own(e, axis):
    """Which pairs of output and entry belong to the same row (axis 0) or column (axis 1)."""
    if (
        e.J is None
        or e.x.ndim <= axis
        or e.x.ndim < 2
        or e.y.ndim <= axis
        or e.x.shape[axis] != e.y.shape[axis]
    ):
        return None
    of_f = np.indices(e.y.shape)[axis].ravel()
    of_x = np.indices(e.x.shape)[axis].ravel()
    own = of_f[:, None] == of_x[None]
    return None if own.all() else own


def repeats_lost(e):
    """Of an entry that is used several times, only the last (or the first) use sends its gradient
    back."""
    if e.J is None:
        return None
    J, A, lost = e.nonzero(e.J), e.nonzero(e.A), e.nonzero(e.D)
    wrong = np.flatnonzero(lost.any(axis=0))
    if (lost & A).any():
        return None
    for which, pick in ("last", lambda c: np.flatnonzero(c)[-1:]), (
        "first",
        lambda c: np.flatnonzero(c)[:1],
    ):
        kept = [
            np.array_equal(np.flatnonzero(A[:, j]), pick(J[:, j])) and J[:, j].sum() > 1
            for j in wrong
        ]
        if all(kept) and (J & ~lost).any():
            return (
                f"an entry that f uses several times gets the gradient of its {which} use only: add"
                " them up, as np.add.at does (d[i] += g keeps one of them)"
            )


def mask_forgotten(e):
    """Something arrives where f does not change, and all else is right."""
    if e.J is None:
        return None
    wrong = e.nonzero(e.D)
    if (wrong & e.nonzero(e.J)).any() or not e.nonzero(e.J).any():
        return None
    entries = ~e.nonzero(e.J).any(axis=0)
    if np.array_equal(wrong.any(axis=0), entries):
        where = _where(e, entries)
        return (
            f"wrong exactly where f does not change with {e.name}{where}: the numeric derivative is"
            " zero there, and the rule's is not. Was a mask, a clip or a maximum forgotten?"
        )
    outputs = ~e.nonzero(e.J).any(axis=1)
    if np.array_equal(wrong.any(axis=1), outputs):
        return (
            "wrong exactly for the outputs that do not change: the rule sends their gradient back."
            " Was a mask, a clip or a maximum forgotten?"
        )
    return (
        f"it is right but for a gradient that {wrong.sum()} pairs of output and entry get and"
        " should not: there f does not change. Was a mask or a maximum forgotten?"
    )


def spread_out(e):
    """Each output depends on one entry, and the rule gives to several; or the other way round."""
    if e.J is None or len(e.J) < 2 or e.J.shape[1] < 3:
        return None
    J, A = e.nonzero(e.J), e.nonzero(e.A)
    live = J.any(axis=1)
    many = lambda M: (M[live].sum(axis=1) > 1).all()
    single = lambda M: (M[live].sum(axis=1) == 1).all()
    if not live.any():
        return None
    if (
        single(J)
        and many(A)
        and (A & J)[live].any(axis=1).all()
        and e.is_A(np.where(A, np.max(e.A, axis=1, keepdims=True), 0))
    ):
        return (
            "each output depends on one entry alone (a maximum, a selection), and the rule spreads"
            " its gradient over several"
        )
    if many(J) and single(A) and np.allclose(e.J.sum(axis=1), e.A.sum(axis=1), atol=10 * e.close):
        return (
            "each output depends on several entries, and the rule gives all of its gradient to one"
            " (argmax where a softmax is due?)"
        )


def label_off(e):
    """In each row of x one entry has too much, and another too little by the same amount."""
    if e.J is None or e.x.ndim != 2 or len(e.x) < 2:
        return None
    excess = (e.A - e.J).sum(axis=0).reshape(e.x.shape)
    wrong = np.abs(excess) > 3 * e.close
    if (wrong.sum(axis=1) != 2).any() or np.abs(excess.sum(axis=1)).max() > 10 * e.close:
        return None
    offsets = {int(d) for d in (excess.argmin(axis=1) - excess.argmax(axis=1)) % e.x.shape[1]}
    text = "in each row one entry has too much and another too little, by the same amount: "
    if len(offsets) == 1:
        by = min(offsets.pop(), key=abs) if False else offsets.pop()
        return text + f"an index or a label is off by {min(by, e.x.shape[1] - by)}"
    return text + "a label or an index names the wrong column"


# A factor that is not the same everywhere.


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
        for name, text, q in _suspects(e, e.d.x.shape)
    ]
    suspects = [(name, text, q) for name, text, q in suspects if e.telling.sum() >= _least(q)]
    for name, text, q in suspects:
        if (c := _times(e.n, q * e.a, e.fine)) is not None and _believable(c, q):
            return f"a factor {text} is missing (numeric = {_number(c)}{text} analytic)"
        if (c := _times(e.a, q * e.n, e.fine)) is not None and _believable(c, q):
            return f"a factor {text} is too many (analytic = {_number(c)}{text} numeric)"
    for (one, text, q), (other, due, r) in itertools.permutations(suspects, 2):
        if text.replace(one, other) == due and one != other and len(np.unique(q)) > 3:
            if (c := _times(e.n * q, e.a * r, e.fine)) is not None and _is(c, 1):
                return f"{text} stands where {due} is due"


def _believable(c, q):
    """A mask with a constant fits whatever is zero in the right places: no constant is allowed
    there."""
    return len(np.unique(q)) > 2 or _is(abs(c), 1)


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
        if np.isfinite(n).all() and _fits_once(e.a, n, max(e.fine, 1e-7)):
            return f"it is the derivative at {name}, not at {e.name}"


def _least(q):
    """How many telling entries it takes to believe in a factor or a term with these values."""
    counts = np.unique(q, return_counts=True)[1]
    if len(counts) > 2:
        return 3
    return 6 if len(counts) == 2 and min(counts) > 1 else np.inf


def _suspects(e, shape, broadcast=False):
    for name, values in e.arrays():
        if values.shape != shape and not broadcast:
            continue
        try:
            values = np.broadcast_to(values, shape)
        except ValueError:
            continue
        for text, function in SUSPECTS.items():
            yield name, text.format(name), function(values)


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
    for name, text, q in _suspects(e, shape, broadcast=True):
        q = q.ravel()[live]
        if len(rho) < _least(q):
            continue
        if (c := _times(1 / rho, q, fine)) is not None:
            return (
                f"a factor {text} is missing, one number for each {what} (numeric ="
                f" {_number(c)}{text} analytic)"
            )
        if (c := _times(rho, q, fine)) is not None:
            return (
                f"a factor {text} is too many, one number for each {what} (analytic ="
                f" {_number(c)}{text} numeric)"
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
    for name, text, q in _suspects(e, e.d.x.shape):
        q = np.array([q[i] for i in e.index])
        if len(q) < _least(q):
            continue
        if (c := _times(a - n, q, e.fine)) is not None:
            return f"{at}analytic - numeric is {_number(c)}{text}: a term is missing, or too many"
        if len(q) >= max(_least(q), 5):
            both = np.array([q, np.ones(len(q))]).T
            c, *_ = np.linalg.lstsq(both, a - n, rcond=None)
            if np.abs(both @ c - (a - n)).max() <= e.fine * np.abs(a - n).max():
                return (
                    f"{at}analytic - numeric is {c[0]:.6g} {text} {'+' if c[1] > 0 else '-'}"
                    f" {abs(c[1]):.6g}: a term is missing, or too many"
                )


# A part of f taken for a constant: seen by running f with that part held fast. See paths.py.


def path_missing(e):
    """What flows through one operation, or through two, is missing, has the wrong sign, or counts
    twice."""
    flows, fits = e.flows, []
    if not flows:
        return None
    D = e.D[:, e.columns].ravel()
    if (np.abs(D) > 10 * e.close).sum() < 2:
        return None
    for edge in flows:
        c = _times(D, edge[2].ravel(), 2 * e.close / np.abs(D).max())
        if c is not None:
            fits.append((_oddness(1 - c, e), edge, 1 - c))
    if fits:
        _, edge, weight = min(fits, key=lambda fit: fit[0])
        return _path_in_words(e, edge, weight)
    for one, other in itertools.combinations(flows, 2):
        both = np.array([one[2].ravel(), other[2].ravel()]).T
        c, *_ = np.linalg.lstsq(both, D, rcond=None)
        odd = max(_oddness(1 - w, e) for w in c)
        alike = abs(c[0] - c[1]) < 1e-5
        if (
            odd < (np.inf if alike else 4)
            and (np.abs(D) > 10 * e.close).sum() >= 4
            and np.abs(both @ c - D).max() <= 2 * e.close
        ):
            return "; and ".join(_path_in_words(e, edge, 1 - w) for edge, w in zip((one, other), c))


def _oddness(weight, e):
    """How unlikely a weight is: 0 for a path that is missing, inf for a number that nothing
    explains."""
    lengths = list(_lengths(e))
    simple = [0, -1, 2, 0.5, *lengths, *(1 / k for k in lengths)]
    return next((rank for rank, value in enumerate(simple) if abs(weight - value) < 1e-5), np.inf)


def _path_in_words(e, edge, weight):
    """A sentence about all operations through which the same part of the gradient flows as through
    this edge."""
    same = [(i, j) for i, j, flow in e.flows if np.abs(flow - edge[2]).max() <= 2 * e.close]
    names = list(dict.fromkeys(e.operations[i].name for i, _ in same))
    i, j = same[-1]
    argument = e.operations[i].arguments[j]
    place = ""
    if len(e.operations[i].arguments) > 1 and j < 3:
        place = ["as its first argument, ", "as its second argument, ", "as its third argument, "][
            j
        ]
    through = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    where = f"what flows back through {through} ({place}of shape {argument.shape})"
    if abs(weight) < 1e-5:
        return f"{where} is missing: it was treated as a constant"
    if abs(weight + 1) < 1e-5:
        return f"{where} has the wrong sign"
    hints = "; or ".join(_hints(abs(weight), e))
    return f"{where} counts {weight:.6g} times" + (f" ({hints})" if hints else "")


def operation_wrong(e):
    """One operation's own derivative is left out, or is transposed."""
    for kind, i, derivative in e.other_changes():
        if np.abs(derivative - e.A[:, e.columns]).max() > 2 * e.close:
            continue
        operation = e.operations[i]
        what = f"{operation.name} (of shape {np.shape(operation.result)})"
        if kind is as_flipped:
            return (
                f"on its way back the gradient is transposed at {what}, and should not be (or the"
                " other way round)"
            )
        if kind is as_transposed:
            return (
                f"{what} is done on the way back as in f, where its transpose is due (W.T for W; a"
                " running sum from the end)"
            )
        if operation.name in ("multiply", "divide", "matmul"):
            return f"{what} is left out: its other factor is not applied on the way back"
        return f"the derivative of {what} is left out: the gradient passes through it as it is"


def path_factor(e):
    """For an f that takes entry by entry: what flows through one operation lacks a known factor, or
    has it twice."""
    if not e.flows or len(e.columns) < 4 or not e.elementwise or e.y.size not in (1, e.x.size):
        return None
    columns = np.array(e.columns)
    rows = columns if e.y.size > 1 else 0 * columns
    D = e.D[rows, columns]
    for edge in e.flows:
        flow = edge[2][rows, range(len(columns))]
        if (np.abs(flow) <= 10 * e.close).any():
            continue
        weight = 1 - D / flow
        for text, values in _local_factors(e):
            q = values.ravel()[columns]
            if len(np.unique(q)) < 4:
                continue
            where = _path_in_words(e, edge, 0).split(" is missing")[0]
            if np.abs(weight * q - 1).max() < 1e-5:
                return f"{where} lacks the factor {text}"
            if np.abs(weight - q).max() < 1e-5 * np.abs(q).max():
                return f"{where} has the factor {text} once too often"


def _local_factors(e):
    """(name, values) of what a derivative inside f may have as a factor: functions of arrays of x's
    shape."""
    for _, text, values in _suspects(e, e.x.shape):
        yield text, values
    for operation, slope in zip(e.operations, e.slopes_inside()):
        if slope is not None and slope.shape == e.x.shape:
            for text, function in SUSPECTS.items():
                yield f"{text.format('t')}, t being the result of {operation.name}", function(
                    operation.result
                )
            yield f"that is the derivative of {operation.name} in {e.name}", slope


def path_rows(e):
    """What flows through one operation is off by a factor of its own for each output."""
    if not e.flows or len(e.J) < 2:
        return None
    D = e.D[:, e.columns]
    for edge in e.flows:
        flow = edge[2]
        squares = np.sum(flow**2, axis=1, keepdims=True)
        c = np.sum(D * flow, axis=1, keepdims=True) / np.where(squares > 0, squares, 1)
        told = (np.abs(flow) > 10 * e.close).sum(axis=1) > 1
        if told.sum() > 1 and np.abs(D - c * flow).max() <= 2 * e.close:
            where = _path_in_words(e, edge, 0).split(" is missing")[0]
            return f"{where} is off by a factor that is not the same for all outputs"


# The difference is simple, though f could not be watched.


def rank_one(e):
    """J - A has rank one, as a whole or in each row or column: a shared quantity was taken for a
    constant."""
    for word, own in _blocks(e):
        blocks = [e.D[np.ix_(outputs, entries)] for outputs, entries in own]
        if min(blocks[0].shape) < 2 or blocks[0].size < 5:
            continue
        values = [np.linalg.svd(block) for block in blocks]
        live = [i for i, (_, s, _) in enumerate(values) if s[0] > 10 * e.close]
        if not live or any(values[i][1][1] > 1e-4 * values[i][1][0] for i in live):
            continue
        vectors = [values[i][2][0] for i in live]
        sides = [values[i][0][:, 0] for i in live]
        if all((np.abs(v) > 1e-6).sum() < 2 for v in vectors) or all(
            (np.abs(v) > 1e-6).sum() < 2 for v in sides
        ):
            continue
        direction = _direction(e, [own[i] for i in live], vectors)
        if direction:
            return (
                f"{word}numeric - analytic has rank one, along {direction}, is missing or wrong on"
                " the way back"
            )
        return (
            f"{word}numeric - analytic has rank one: one quantity that all outputs share is missing"
            " or wrong on the way back"
        )


def _blocks(e):
    """(word, list of (outputs, entries)): all of the Jacobian, or its rows or columns where these
    do not mix in D."""
    if e.J is None:
        return
    for axis, word in enumerate(["in each row ", "in each column "]):
        own = _own(e, axis)
        if own is not None and np.abs(np.where(own, 0, e.D)).max() <= e.close:
            of_f, of_x = np.indices(e.y.shape)[axis].ravel(), np.indices(e.x.shape)[axis].ravel()
            yield word, [
                (np.flatnonzero(of_f == i), np.flatnonzero(of_x == i))
                for i in range(e.x.shape[axis])
            ]
    yield "", [(np.arange(len(e.J)), np.arange(e.J.shape[1]))]


def _direction(e, own, vectors):
    """The name of the direction in which all vectors lie, and what has such a gradient."""
    x, y = e.x.ravel(), e.y.ravel()
    known = [
        ("(1, ..., 1): a sum or a mean", lambda o, i: np.ones(len(i))),
        (f"{e.name} itself: a norm or a sum of squares", lambda o, i: x[i]),
        (
            f"{e.name} less its mean: a variance or a standard deviation",
            lambda o, i: x[i] - x[i].mean(),
        ),
        (
            "f: what f is divided by, such as the sum in a softmax",
            lambda o, i: y[o] if len(o) == len(i) else None,
        ),
    ]
    for name, function in known:
        tries = [(function(outputs, entries), v) for (outputs, entries), v in zip(own, vectors)]
        if all(
            t is not None and np.linalg.norm(t) and abs(abs(t @ v) / np.linalg.norm(t) - 1) < 1e-6
            for t, v in tries
        ):
            return name
    if all((np.abs(v) > 1e-6).sum() == 1 for v in vectors):
        return "one entry: a maximum, or a single entry that all outputs use"


def along(e):
    """What is missing is the same all along each row, or each column, of x, for every output."""
    if e.J is None or e.x.ndim != 2:
        return None
    D = e.D.reshape(-1, *e.x.shape)
    for axis, word in (1, "column"), (2, "row"):
        if D.shape[axis] > 2 and np.ptp(D, axis=axis).max() <= 3 * e.close:
            return (
                f"numeric - analytic is one number for all of each {word} of {e.name}: something"
                f" that the {word} shares, such as its mean or sum, was left out on the way back"
            )
        t = np.moveaxis(e.x, axis - 1, -1)
        M = np.moveaxis(D, axis, -1)
        c = np.sum(M * t, axis=-1, keepdims=True) / np.sum(t * t, axis=-1, keepdims=True)
        if t.shape[-1] > 2 and np.abs(M - c * t).max() <= 3 * e.close:
            return (
                f"numeric - analytic is a multiple of {e.name} in each {word} of it: something that"
                f" the {word} shares, such as its norm, was left out on the way back"
            )


# Wrong in a part of the entries only.


def wrong_where(e):
    right = e.telling & ~e.wrong
    if not right.any():
        return None
    shaped = np.zeros(e.d.x.shape, bool)
    decided = np.zeros(e.d.x.shape, bool)
    for index, wrong, tells in zip(e.index, e.wrong, e.telling):
        shaped[index], decided[index] = wrong, wrong or tells
    text = _where(e, shaped.ravel(), decided.ravel(), whole=e.d.x)
    if text:
        return f"wrong exactly{text}{_there(e)}"


def _where(e, mask, decided=None, whole=None):
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
    c = _times(a, n, e.fine) if e.wrong.sum() > 1 else None
    if not a.any():
        return "; there it is zero"
    if np.abs(n).max() <= 10 * e.fine * np.abs(a).max():
        return "; there it should be zero"
    if c:
        return f"; there {_factor(c, e)}"
    if e.elementwise:
        a, n = (values[e.wrong] for values in e.both_at(np.ones_like(e.u)))
        c = _times(a - n, np.ones(len(a)), e.fine)
        return f"; there analytic - numeric is {c:.6g} at g = 1" if c else ""
    return ""


def rows_or_entries(e):
    """Some rows, columns or entries are wrong and the others right; listed if they are few."""
    right = e.telling & ~e.wrong
    if not right.any():
        return None
    for axis, word in enumerate(["row", "column"] if e.d.x.ndim == 2 else []):
        bad, good = (
            sorted({i[axis] for i, w in zip(e.index, which) if w}) for which in (e.wrong, right)
        )
        if good and not set(bad) & set(good):
            which = _rows_where(e, bad, good)
            return (
                f"{word} {str(bad)[1:-1]} wrong, {word} {str(good)[1:-1]} right{which}{_there(e)}"
            )
    listed = lambda which: ", ".join(str(i) for i, w in zip(e.index, which) if w)
    if e.wrong.sum() < 5:
        return f"right but for entry {listed(e.wrong)}{_there(e)}"
    if right.sum() < 5:
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


# Simple readings first. Of the first group in which any fits, all that fit are given.
PATTERNS = [
    [zero],
    [g_unused, g_not_linear],
    [factor, constant_or_factor, first_row, transposed, swapped],
    [jacobian_transposed],
    [entries_moved],
    [only_diagonal],
    [only_own_rows, repeats_lost],
    [mask_forgotten],
    [spread_out],
    [wrong_axis, derivative_moved],
    [entry_factor],
    [entries_permuted, label_off],
    [amounts_misplaced],
    [taken_elsewhere],
    [wrong_where],
    [path_missing],
    [constant_term],
    [operation_wrong],
    [output_factor],
    [input_factor],
    [term],
    [path_factor],
    [rank_one],
    [rows_mixed],
    [reaches_too_far],
    [rows_or_entries],
    [outputs_wrong],
    [path_rows],
    [along],
    [pairs_missing],
    [same_everywhere],
]


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
