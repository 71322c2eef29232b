"""Right numbers in the wrong places; parts of the Jacobian that are missing, or too much."""

import itertools

import numpy as np

from .parts import condition
from .tools import own_pairs


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
        own = own_pairs(e, axis)
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


def only_diagonal(e):
    if e.square and e.x.shape == e.y.shape and len(e.J) > 1 and e.is_A(np.diag(np.diag(e.J))):
        return (
            "only the diagonal of its Jacobian is there: the rule treats f as elementwise, but each"
            " output depends on several entries"
        )


def only_own_rows(e):
    """The part of J that links different rows (or columns) of the batch is missing."""
    for axis, word in enumerate(["row", "column"]):
        own = own_pairs(e, axis)
        if own is not None and e.is_A(np.where(own, e.J, 0)):
            return (
                f"what links one {word} with another is missing (a statistic over the batch?);"
                f" within each {word} it is right"
            )


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
        where = condition(e, entries)
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
