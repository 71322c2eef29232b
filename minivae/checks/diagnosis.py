"""What a wrong gradient looks like: the mistakes that are known by name, and which of them fits."""

import itertools

import numpy as np


# From here on: what a and n look like where they differ. A pattern is named only if it explains the difference to within 1 %
# of it and 1e-6 of the gradient. All patterns that do are named; if none does, that is said.

SUSPECTS = {"{0}": lambda t: t, "{0}**2": np.square, "exp({0})": np.exp, "exp({0}/2)": lambda t: np.exp(t / 2),
            "(1 - {0}**2)": lambda t: 1 - t**2, "{0} (1 - {0})": lambda t: t * (1 - t), "sign({0})": np.sign,
            "(1 - tanh({0})**2)": lambda t: 1 - np.tanh(t) ** 2, "[{0} > 0]": lambda t: 1.0 * (t > 0)}


def diagnose(c, checks, probe, again, at_ones):
    """What is seen of input c, in words. again: its analytic gradient once more; at_ones: that for a cotangent of ones."""
    if not c.missing and not np.array_equal(again, c.a, equal_nan=True):
        return "the gradient changes from call to call, though f does not: fresh noise is drawn on the way back"
    if not c.right_shape:
        shape, copied = c.x.shape, all(k in (1, n) for k, n in zip(c.x.shape[::-1], c.a.shape[::-1]))
        return f"its gradient has shape {c.a.shape}, and the input {shape}" + (
            ": is it transposed?" if c.a.T.shape == shape else ": does it want a reshape?" if c.a.size == c.x.size else
            ": was it not summed over the axes along which the input is broadcast?" if copied and c.a.size > c.x.size else "")
    for what, values in ("analytic", c.at), ("numeric", c.n[0]):
        if not np.isfinite(values).all():
            return f"{np.sum(~np.isfinite(values))} of {len(values)} {what} derivatives are NaN or infinite"
    m, wrong, found = len(c.index), (c.error > c.tol) & ~c.kink, []
    if c.unsettled.any():
        wrong = np.abs(c.at - c.n[0]) > 10 * c.noise.max()  # what is wrong in spite of the noise
        found.append(f"the numeric gradient does not settle at any step (uncertain by {c.noise.max():.0e}): part of f "
                     f"computes in float32, or stops at a tolerance, or jumps")
    elif c.kink.any():
        where = (*c.index, "a direction")[min(np.flatnonzero(c.kink)[0], m)]
        found.append(f"{'' if wrong.any() or c.outside.any() else 'right except '}at a kink: f has no derivative at {c.kink.sum()} "
                     f"place(s), such as {where}, where the analytic value lies {'outside' if c.outside.any() else 'within'} the "
                     f"slopes on either side. Move the input away from there")
    if wrong[:m].any():
        found.append(_pattern(c, wrong[:m], checks, probe, at_ones))
    elif wrong.any():
        found.append("the entries looked at are right, but the derivative along a random direction is not: raise samples")
    return "; ".join(found)


def _pattern(c, wrong, checks, probe, at_ones):
    """The simplest mistakes that fit, all of them; else which rows, columns or entries are wrong; else that none fits."""
    use = np.flatnonzero(~c.kink[:len(wrong)])
    index, wrong, a, n = [c.index[i] for i in use], wrong[use], c.at[use], c.n[0, use]
    size = max(np.abs(a).max(), np.abs(n).max())
    fine = c.noise[use].max() / size + min(1e-6, 0.01 * np.abs(a - n).max() / size)
    telling = np.maximum(np.abs(a), np.abs(n)) > 10 * fine * size
    if not a.any():
        return "the gradient is zero: " + ("none arrives, so the path to this input is cut, perhaps by .data or float()"
                                           if c.missing else "its rule was dropped, or returns zeros")
    if np.abs(n).max() <= 10 * fine * size:
        return "the numeric gradient is zero, for f does not change with this input, but the analytic one is not"
    found = []
    for text, b, t, least in _candidates(c, checks, at_ones, probe, use, index):
        ratio = _times(b, t, fine) if least < 2 or telling.sum() >= least and not found else None
        if ratio is not None and ("{" in text or _is(ratio, 1)):
            found.append(text.format(c=f"{ratio:.6g}", times="" if _is(ratio, 1) else f"{ratio:.6g} ", factor=_factor(ratio, probe)))
            if least == 0:
                break
    if found:
        return ("" if telling.sum() > 1 else "only one entry tells, so this is a guess: ") + " or ".join(found[:3])
    # Otherwise some rows, columns or entries are wrong; these are listed if they are few.
    right, part = telling & ~wrong, ""
    listed = lambda which: ", ".join(str(i) for i, w in zip(index, which) if w)
    if right.any() and min(wrong.sum(), right.sum()) < 5:
        part = f"right but for entry {listed(wrong)}" if wrong.sum() < 5 else f"wrong but for entry {listed(right)}"
    for axis, word in enumerate(["row", "column"] if c.x.ndim == 2 else []):
        bad, good = (sorted({i[axis] for i, w in zip(index, which) if w}) for which in (wrong, right))
        if good and not set(bad) & set(good):
            part = f"{word} {str(bad)[1:-1]} wrong, {word} {str(good)[1:-1]} right"
    if part:
        ratio = _times(a[wrong], n[wrong], fine) if wrong.sum() > 1 else None
        return part + ("; there it is zero" if not a[wrong].any() else f"; there {_factor(ratio, probe)}" if ratio else "")
    return (f"no known pattern fits: {wrong.sum()} of {len(wrong)} entries are wrong, and analytic and numeric are correlated by "
            f"{np.corrcoef(a, n)[0, 1]:.2f}; check the steps of f one at a time")


def _candidates(c, checks, at_ones, probe, use, index):
    """Hypotheses (text, b, t, least), each that b is a constant times t; the constant is 1 where the text does not use it.
    least: the telling entries that it needs, if nothing was found before; 1: try it anyway; 0: if it fits, try no other."""
    a, (n, n_at_ones, n_first_row) = c.at[use], c.n[:, use]
    pick = lambda values: np.array([values[i] for i in index])
    yield "the upstream gradient g is not used: multiply by it", a, n_at_ones, 0
    yield "{factor}", a, n, 1
    if probe.y.size > 1:
        yield "only the first row of the output sends its gradient back: the others are missing", a, n_first_row, 1
    flipped = np.swapaxes(c.a, -1, -2) if c.x.ndim > 1 and c.x.shape[-1] == c.x.shape[-2] else c.a
    if not np.array_equal(flipped, c.a):
        yield "it is transposed", pick(flipped), n, 1
        yield "it is transposed, and {factor}", pick(flipped), n, 2
    for other in checks:
        if other is not c and other.x.shape == c.x.shape:
            theirs = np.array([c.a[i] for i in other.index])
            yield f"it is the gradient of {other.name}: were two gradients swapped?", theirs, other.n[0, :len(theirs)], 1
    # Where the cotangent is all ones, a constant added to an elementwise derivative is still a constant.
    excess, constant, at = pick(at_ones) - n_at_ones, np.ptp(n) < 1e-6 * np.abs(n).max(), "at g = 1, " * (probe.y.size > 1)
    yield at + "analytic - numeric is {c} throughout: a constant term is missing, or too many", excess, 1 + 0 * a, 2 - constant
    for name, values in [*zip(probe.names, (t.data for t in probe.tensors)), ("f", probe.y)]:
        for text, function in SUSPECTS.items() if values.shape == c.x.shape else ():
            q, text = pick(function(values)), text.format(name)
            counts = np.unique(q, return_counts=True)[1]
            least = 3 if len(counts) > 2 else 6 if len(counts) == 2 and min(counts) > 1 else np.inf
            yield f"a factor {text} is missing (numeric = {{times}}{text} analytic)", n, q * a, least
            yield f"a factor {text} is too many (analytic = {{times}}{text} numeric)", a, q * n, least
            yield f"{at}analytic - numeric is {{times}}{text}: a term is missing, or too many", excess, q, least


def _times(b, t, fine):
    """The number c for which b = c t in every entry, or None."""
    c = b @ t / (t @ t) if t.any() else 0.0
    return c if b.any() and np.abs(b - c * t).max() <= fine * max(np.abs(b).max(), np.abs(c * t).max()) else None


def _is(c, value):
    return abs(c / value - 1) < 1e-5


def _factor(c, probe):
    """A constant factor in words, with the explanations that its value allows."""
    shapes = [*zip(probe.names, (t.shape for t in probe.tensors)), ("f", probe.y.shape)]
    axes = {k: f"axis {i} of {name}" for name, shape in shapes[::-1] for i, k in [*enumerate(shape)][::-1] if k > 1}
    lengths = {j * k: f"{a} times {b}" for (j, a), (k, b) in itertools.combinations_with_replacement(axes.items(), 2)} | axes
    size, whole = abs(c), round(max(abs(c), 1 / abs(c)))
    hints = [text for value, text in ((2, "a 1/2 forgotten?"), (0.5, "a 1/2 too many, or a 2 forgotten?")) if _is(size, value)]
    if whole in lengths or whole > 2:
        kinds = "a sum where a mean is meant", "a mean where a sum is meant"
        hints += [f"{kind}? {whole} is {lengths.get(whole, 'no axis that is seen here')}"
                  for kind, value in zip(kinds, (whole, 1 / whole)) if _is(size, value)]
    return "the sign is flipped" if _is(-c, 1) else ("the sign is flipped and " if c < 0 else "") + \
        f"every entry is {c:.6g} times the numeric one ({'; or '.join(hints) or 'a constant forgotten, or counted twice?'})"
