"""A part of f that was taken for a constant on the way back.

Seen by running f with that part held fast, see paths.py; and in J - A, where f cannot be watched.
"""

import itertools

import numpy as np

from ..paths import as_flipped, as_transposed
from .tools import SUSPECTS, explanations, axis_lengths, own_pairs, known_factors, times

ORDINALS = ["first", "second", "third"]


def path_missing(e):
    """What flows through one operation, or through two, is missing, has the wrong sign, or counts
    twice."""
    flows, fits = e.flows, []
    if not flows:
        return None
    D = e.D[:, e.columns].ravel()
    telling = (np.abs(D) > 10 * e.close).sum()
    if telling < 2:
        return None
    for edge in flows:
        c = times(D, edge[2].ravel(), 2 * e.close / np.abs(D).max())
        if c is not None and (telling > 3 or _oddness(1 - c, e) < np.inf):
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
            and telling > 3
            and np.abs(both @ c - D).max() <= 2 * e.close
        ):
            return "; and ".join(_path_in_words(e, edge, 1 - w) for edge, w in zip((one, other), c))


def _oddness(weight, e):
    """How unlikely a weight is: 0 for a path that is missing, inf for a number that nothing
    explains."""
    lengths = list(axis_lengths(e))
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
    if len(e.operations[i].arguments) > 1 and j < len(ORDINALS):
        place = f"as its {ORDINALS[j]} argument, "
    through = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    where = f"what flows back through {through} ({place}of shape {argument.shape})"
    if abs(weight) < 1e-5:
        return f"{where} is missing: it was treated as a constant"
    if abs(weight + 1) < 1e-5:
        return f"{where} has the wrong sign"
    hints = "; or ".join(explanations(abs(weight), e))
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
    for _, text, values in known_factors(e, e.x.shape):
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
        explained = np.abs(D - c * flow).max() <= 2 * e.close
        if told.sum() > 1 and np.abs(c[told]).min() > 1e-5 and explained:
            where = _path_in_words(e, edge, 0).split(" is missing")[0]
            return f"{where} is off by a factor that is not the same for all outputs"


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
        own = own_pairs(e, axis)
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
