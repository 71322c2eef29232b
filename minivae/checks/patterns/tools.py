"""What the patterns are made of: comparing numbers, naming factors, known functions."""

import itertools

import numpy as np

from ..jacobian import constants, words

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


def times(b, t, fine):
    """The number c for which b = c t in every entry, or None."""
    c = b @ t / (t @ t) if t.any() else 0.0
    largest = max(np.abs(b).max(initial=0), np.abs(c * t).max(initial=0))
    return c if b.any() and np.abs(b - c * t).max() <= fine * largest else None


def equals(c, value):
    return abs(c / value - 1) < 1e-5


def as_factor(c):
    return "" if equals(c, 1) else f"{c:.6g} "


def fits_once(a, n, fine):
    c = times(a, n, fine)
    return c is not None and equals(c, 1)


def factor_in_words(c, e):
    """A constant factor in words, with the explanations that its value allows."""
    if equals(-c, 1):
        return "the sign is flipped"
    sign = "the sign is flipped and " if c < 0 else ""
    hints = "; or ".join(explanations(abs(c), e)) or "a constant forgotten, or counted twice?"
    return f"{sign}every entry is {c:.6g} times the numeric one ({hints})"


def explanations(size, e):
    """Where a factor may come from; the plain ones alone, if there are any."""
    return list(_plain_reasons(size, e)) or list(_other_reasons(size, e))


def _plain_reasons(size, e):
    """A 2, or the length of an axis."""
    if equals(size, 2):
        yield "a 1/2 forgotten?"
    if equals(size, 0.5):
        yield "a 1/2 too many, or a 2 forgotten?"
    for k, what in axis_lengths(e).items():
        if equals(size, k):
            yield f"a sum where a mean is meant? {k} is {what}"
        elif equals(size, 1 / k):
            yield f"a mean where a sum is meant? {k} is {what}"


def _other_reasons(size, e):
    """A single number that f works with; the ratio of two axes; n - 1 for n; a root."""
    for name, values in e.arrays():
        for text, number in (name, 1), (f"2 {name}", 2), (f"{name}/2", 0.5):
            value = abs(number * values.item()) if values.size == 1 else 0
            if value and equals(size, value):
                yield f"a factor {text} too many?"
            elif value and equals(size, 1 / value):
                yield f"a factor {text} forgotten?"
    axes = {k: what for k, what in axis_lengths(e).items() if " times " not in what}
    for (j, one), (k, other) in itertools.permutations(axes.items(), 2):
        if equals(size, k / j) and one.split()[-1] == other.split()[-1]:
            yield f"a mean over {j} ({one}) where one over {k} ({other}) is due?"
    has_statistics = words(e.fn.f) & {"var", "std", "mean", "sum", "cov"}
    for k, what in axes.items():
        if has_statistics and equals(size, k / (k - 1)):
            yield f"n - 1 where n is due? n = {k} is {what}"
        elif has_statistics and k > 2 and equals(size, (k - 1) / k):
            yield f"n where n - 1 is due? n = {k} is {what}"
        elif equals(size, k**0.5):
            yield f"1/sqrt({k}) forgotten? {k} is {what}"
        elif equals(size, k**-0.5):
            yield f"sqrt({k}) forgotten, or 1/sqrt({k}) counted twice? {k} is {what}"
    yield from _numbers_in_the_text(size, e)


def _numbers_in_the_text(size, e):
    """A number that stands in the text of f, or that it finds around it; the first that fits."""
    for name, value in constants(e.fn.f, float):
        small = abs(value) in (0, 0.5, 1, 2)
        if not small and equals(size, 1 / abs(value)):
            yield f"is a factor {_called(name, value)} forgotten?"
            return
        if not small and equals(size, abs(value)):
            yield f"is {_called(name, value)} counted twice, or a division by it forgotten?"
            return


def _called(name, value):
    return name if name == f"{value:g}" else f"{name} = {value:g}"


def axis_lengths(e):
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


def least_evidence(q):
    """How many telling entries it takes to believe in a factor or a term with these values."""
    counts = np.unique(q, return_counts=True)[1]
    if len(counts) > 2:
        return 3
    return 6 if len(counts) == 2 and min(counts) > 1 else np.inf


def known_factors(e, shape, broadcast=False):
    for name, values in e.arrays():
        if values.shape != shape and not broadcast:
            continue
        try:
            values = np.broadcast_to(values, shape)
        except ValueError:
            continue
        for text, function in SUSPECTS.items():
            yield name, text.format(name), function(values)


def own_pairs(e, axis):
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
