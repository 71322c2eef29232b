"""Plain relations between an output and the right one; they need no knowledge of the exercise."""

import itertools

import numpy as np

from .comparing import close, matches
from .places import aligned

CONSTANTS = {
    -1: "the sign is flipped",
    2: "it is twice the right answer",
    0.5: "it is half of the right answer",
    -2: "it is twice the right answer, with the sign flipped",
    -0.5: "it is half of the right answer, with the sign flipped",
}
FUNCTIONS = {
    "the exponential": np.exp,
    "the logarithm": np.log,
    "the square": np.square,
    "the square root": np.sqrt,
    "the absolute value": np.abs,
    "one divided by it, 1 /": lambda r: 1 / r,
    "the positive part": lambda r: np.maximum(r, 0),
    "the negative part": lambda r: np.minimum(r, 0),
    "what is left, cut down to whole numbers,": np.trunc,
}


def another_output(evidence, outputs):
    """Two outputs in each other's place."""
    for other, right in outputs.items():
        if other != evidence.name and matches(evidence, right):
            order = ", ".join(outputs)
            return [f"it is what {other} should be: return {order} in this order"]
    return []


def facts(evidence, checks):
    """The first of the plain relations between the learner's output and the right one that
    holds."""
    right, cases = evidence.right, evidence.cases
    yours = np.concatenate([y.ravel() for y in evidence.yours])
    due = np.concatenate([r.ravel() for r in right])
    if yours.size < 3 or not np.isfinite(yours).all():
        return []
    if not yours.any():
        return ["it is zero throughout"]
    for name in cases[0].inputs:
        values = [case.inputs[name] for case in cases]
        if all(isinstance(v, np.ndarray) and v.shape == r.shape for v, r in zip(values, right)):
            if matches(evidence, values):
                return [f"it is the input {name} itself"]
    return (
        _times(evidence, yours, due)
        or _plus(evidence)
        or _nearly(evidence)
        or _function_of(evidence)
        or _rearranged(evidence, checks)
    )


def _nearly(evidence):
    """Right to some digits, where that is the only thing that is wrong."""
    if not any(evidence.cases[k].note == "" for k in evidence.wrong):
        return []
    shares = [
        abs(y - r) / np.maximum(abs(r), 1e-99) for y, r in zip(evidence.yours, evidence.right)
    ]
    off = max(share.max(initial=0) for share in shares)
    if off >= 1e-4:
        return []
    if matches(evidence, [r.astype(np.float32) for r in evidence.right]):
        return ["it is the right answer rounded to float32"]
    return [f"it is right to {int(-np.log10(off))} digits, and not to more"]


def _times(evidence, yours, due):
    """The right answer times a constant, a size, or an input."""
    right, cases = evidence.right, evidence.cases
    c = yours @ due / (due @ due) if due.any() else np.nan
    if np.isfinite(c) and matches(evidence, [c * r for r in right]):
        return [CONSTANTS.get(round(c, 9), f"it is {c:.10g} times the right answer, everywhere")]
    for letters, n in _products(cases):
        if matches(evidence, [r / m for m, r in zip(n, right)]):
            return [f"it is the right answer divided by {letters}: a mean where a sum is due"]
        if matches(evidence, [r * m for m, r in zip(n, right)]):
            return [f"it is {letters} times the right answer: a sum where a mean is due"]
        if min(n) > 1 and matches(evidence, [r * m / (m - 1) for m, r in zip(n, right)]):
            factor = f"{letters} / ({letters} - 1)"
            return [f"it is {factor} times the right answer, as with ddof=1"]
    for name, values in aligned(evidence):
        for word, change in (("times", np.multiply), ("divided by", np.divide)):
            for sign, other in ((1, ""), (-1, ", with the sign flipped")):
                if matches(evidence, [sign * change(r, v) for r, v in zip(right, values)]):
                    return [f"it is the right answer {word} {name}{other}"]
    return []


def _plus(evidence):
    """The right answer plus a constant, a size, or an input."""
    right, cases = evidence.right, evidence.cases
    offset = np.mean(np.concatenate([(y - r).ravel() for y, r in zip(evidence.yours, right)]))
    if matches(evidence, [r + offset for r in right]):
        return [f"it is off by {offset:.6g}, everywhere: a constant is missing, or too many"]
    terms = [(name, values) for name, values in aligned(evidence)]
    for letters, n in _products(cases):
        terms += [
            (letters, n),
            (f"log {letters}", np.log(n)),
            (f"{letters} / 2", np.divide(n, 2)),
            (f"{letters} / 2 log(2 pi)", np.multiply(n, 0.5 * np.log(2 * np.pi))),
        ]
    for name, values in terms:
        for word, sign in (("plus", 1), ("minus", -1)):
            if matches(evidence, [r + sign * v for r, v in zip(right, values)]):
                return [f"it is the right answer {word} {name}"]
    return []


def _function_of(evidence):
    for word, function in FUNCTIONS.items():
        if matches(evidence, [function(r) for r in evidence.right]):
            return [f"it is {word} of the right answer"]
    return []


def _rearranged(evidence, checks):
    """The right numbers in other places, or added up and put into every place."""
    right = evidence.right
    square = all(r.ndim == 2 and r.shape[0] == r.shape[1] for r in right)
    if square and matches(evidence, [r.T for r in right]):
        return ["it is transposed"]
    letters = checks.OUTPUTS[evidence.name]
    axes = range(min(r.ndim for r in right))
    for axis in axes:
        name = f" along {letters[axis]}" if isinstance(letters, str) else ""
        if matches(evidence, [np.flip(r, axis) for r in right]):
            return [f"its entries stand in reverse order{name}"]
        for word, reduce in (("sum", np.sum), ("mean", np.mean)):
            if matches(evidence, [reduce(r, axis=axis, keepdims=True) for r in right]):
                return [f"each entry is the {word} of the right ones{name}"]
    for word, reduce in (("sum", np.sum), ("mean", np.mean)):
        if matches(evidence, [np.full(r.shape, reduce(r)) for r in right]):
            return [f"each entry is the {word} of all the right ones"]
    in_order = lambda arrays: [np.sort(a, axis=None) for a in arrays]
    if all(close(y, r) for y, r in zip(in_order(evidence.yours), in_order(right))):
        return ["the numbers are right, their order is not"]
    return []


def _products(cases):
    """(letters, their product in each case): the sizes, and products of two."""
    letters = [c for c in cases[0].sizes if any(case.sizes[c] > 1 for case in cases)]
    for pair in [(c,) for c in letters] + list(itertools.combinations(letters, 2)):
        products = [np.prod([case.sizes[c] for c in pair]) for case in cases]
        yield " times ".join(pair), [float(n) for n in products]
