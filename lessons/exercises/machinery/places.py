"""Where an output is wrong: which entries, and for which values of the inputs."""

import numpy as np

MOST_NOTES = 3
ROWS = (
    ("0", lambda v: v == 0),
    ("1", lambda v: v == 1),
    ("0 or 1", lambda v: (v == 0) | (v == 1)),
    ("positive", lambda v: v > 0),
    ("negative", lambda v: v < 0),
)


def aligned(evidence):
    """(name, its values in each case, of a shape that fits the output) for inputs that are numbers
    or go with its axes."""
    letters = evidence.checks.OUTPUTS[evidence.name]
    for name, value in evidence.cases[0].inputs.items():
        values = [case.inputs[name] for case in evidence.cases]
        own = evidence.checks.INPUTS.get(name)
        if isinstance(value, (int, float)):
            yield name, values
        elif isinstance(letters, str) and own and _is_part(own, letters):
            index = tuple(slice(None) if c in own else None for c in letters)
            yield name, [v[index] for v in values]
        elif callable(letters) and all(
            np.shape(v) == r.shape for v, r in zip(values, evidence.right)
        ):
            yield name, values


def _is_part(own, letters):
    return set(own) <= set(letters) and [c for c in letters if c in own] == list(own)


def rows_of(evidence):
    """(name, the values that each entry of the output depends on, as its last axis) for inputs
    with more axes than it."""
    letters = evidence.checks.OUTPUTS[evidence.name]
    for name, own in evidence.checks.INPUTS.items():
        if (
            isinstance(letters, str)
            and own[: len(letters)] == letters
            and len(own) == len(letters) + 1
        ):
            yield name, [case.inputs[name] for case in evidence.cases]


def not_finite(evidence):
    """NaN and infinity, where the right answer has none."""
    bad = [k for k, y in enumerate(evidence.yours) if not np.isfinite(y).all()]
    if not bad:
        return []
    k = evidence.example()
    y = evidence.yours[k]
    if k in bad:
        count = int((~np.isfinite(y)).sum())
        which = "it is" if count == y.size else f"{count} of its {y.size} entries are"
        return [
            f"{which} NaN or infinite: something overflows, or is 0/0, or is the log or root "
            f"of a number that has none"
        ]
    notes = sorted({evidence.cases[k].note for k in bad} - {""})
    return [f"it is NaN or infinite in {_some(notes) if notes else 'another case'}"]


def _some(notes):
    """A few of the notes."""
    if len(notes) == 1:
        return f"this one: {notes[0]}"
    more = f"; and {len(notes) - MOST_NOTES} more" if len(notes) > MOST_NOTES else ""
    return f"these: {'; '.join(notes[:MOST_NOTES])}{more}"


def where(evidence):
    """The condition on a case, or on an entry, that tells right from wrong exactly."""
    wrong = set(evidence.wrong)
    ordinary = [k for k, case in enumerate(evidence.cases) if case.note == ""]
    if not wrong & set(ordinary):
        notes = sorted({evidence.cases[k].note for k in wrong})
        return [f"it is right in all ordinary cases, and wrong in {_some(notes)}"]
    return (
        _sizes(evidence, wrong & set(ordinary), ordinary)
        or _values(evidence)
        or _which_places(evidence)
        or _largest_of_case(evidence)
    )


def _sizes(evidence, wrong, ordinary):
    for letter in evidence.cases[0].sizes:
        sizes = {k: evidence.cases[k].sizes[letter] for k in ordinary}
        least = min(sizes.values())
        small = {k for k in ordinary if sizes[k] == least}
        if least <= 1 and len(small) > 1 and wrong == set(ordinary) - small:
            return [f"it is right where {letter} is {least}, and wrong wherever it is more"]
    return []


def mostly(evidence):
    """Kinds of cases in which it is always right; what is left to say where nothing tells right
    from wrong exactly."""
    wrong = {k for k in evidence.wrong if evidence.cases[k].note == ""}
    ordinary = {k for k, case in enumerate(evidence.cases) if case.note == ""}
    for letter in evidence.cases[0].sizes:
        least = min(evidence.cases[k].sizes[letter] for k in ordinary)
        small = {k for k in ordinary if evidence.cases[k].sizes[letter] == least}
        if least <= 1 and len(small) >= 4 and wrong and not wrong & small:
            return [f"it is right in all {len(small)} cases where {letter} is {least}"]
    off = np.concatenate([o.ravel() for o in evidence.off])
    for name, values in rows_of(evidence):
        for text, test in ROWS:
            mask = _flat(evidence, [test(v).all(axis=-1) for v in values])
            if mask.sum() >= 6 and not off[mask].any():
                return [f"it is right wherever every {name} of its row is {text}"]
    return []


def _values(evidence):
    """Wrong exactly where an input, or the right answer itself, has certain values."""
    off = np.concatenate([o.ravel() for o in evidence.off])
    if off.sum() < 3 or (~off).sum() < 3:
        return []
    for name, values in [*aligned(evidence), (f"the right {evidence.name}", evidence.right)]:
        a = _flat(evidence, values)
        if values is evidence.right and not np.abs(a[~off]).max() > 1e-3:
            continue  # a factor on the right answer is right where that is 0, which says nothing
        for text, mask in _kinds(a):
            if np.array_equal(mask, off):
                return [f"it is wrong exactly where {name} is {text}"]
        said = _interval(name, a, off)
        if said:
            return [said]
    return _row_values(evidence, off)


def _flat(evidence, values):
    """The values, one for each entry of the output, all cases in one row."""
    pairs = zip(values, evidence.off)
    return np.concatenate([np.broadcast_to(v, o.shape).ravel() for v, o in pairs])


def _kinds(a):
    return (
        ("0", a == 0),
        ("1", a == 1),
        ("not 0", a != 0),
        ("not 1", a != 1),
        ("negative", a < 0),
        ("positive", a > 0),
        ("not negative", a >= 0),
        ("not positive", a <= 0),
        ("neither 0 nor 1", (a != 0) & (a != 1)),
    )


def _row_values(evidence, off):
    """The same for inputs with one axis more than the output: what is so of a whole row."""
    for name, values in rows_of(evidence):
        for text, test in ROWS:
            if np.array_equal(_flat(evidence, [test(v).all(axis=-1) for v in values]), ~off):
                return [f"it is right exactly where every {name} of its row is {text}"]
        reductions = (("largest", np.max), ("smallest", np.min), ("largest size of", _largest_size))
        for word, reduce in reductions:
            a = _flat(evidence, [reduce(v, axis=-1) for v in values])
            said = _interval(f"the {word} {name} of its row", a, off)
            if said:
                return [said]
    return []


def _interval(name, a, off):
    """Right in an interval, and wrong below, above or on both sides of it."""
    low, high = a[~off].min(), a[~off].max()
    if np.abs(a[~off]).max() < 1e-3:  # where everything is nearly 0, everything is nearly right
        return ""
    below, above = a[off & (a < low)], a[off & (a > high)]
    if len(below) + len(above) < off.sum() or low == high:
        return ""
    text = f"it is right for {name} from {low:.4g} to {high:.4g}"
    if len(below):
        text += f", and wrong for every one from {below.max():.4g} downwards"
    if len(above):
        text += f", and wrong for every one from {above.min():.4g} upwards"
    return text


def _largest_size(v, axis):
    return np.abs(v).max(axis=axis)


def _largest_of_case(evidence):
    """Wrong exactly in those cases in which an input has a large entry."""
    off = np.array([o.any() for o in evidence.off])
    if off.sum() < 3 or (~off).sum() < 3:
        return []
    for name, value in evidence.cases[0].inputs.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            a = np.array([np.abs(case.inputs[name]).max(initial=0) for case in evidence.cases])
            low, high = a[off].min(), a[~off].max()
            if low > high:
                return [
                    f"it is right in every case where the largest |{name}| is up to "
                    f"{high:.4g}, and wrong in every case from "
                    f"{low:.4g} on"
                ]
    return []


def _which_places(evidence):
    """Wrong in the first or last place of an axis alone, or everywhere else."""
    letters = evidence.checks.OUTPUTS[evidence.name]
    several = [o for o in evidence.off if o.size > 1]
    for axis in range(min((o.ndim for o in several), default=0)):
        name = f" along {letters[axis]}" if isinstance(letters, str) else ""
        for word, place in (("first", 0), ("last", -1)):
            masks = []
            for o in evidence.off:
                mask = np.zeros(o.shape, bool)
                if o.ndim > axis:
                    np.moveaxis(mask, axis, 0)[place] = True
                masks.append(mask)
            if all((m == o).all() for m, o in zip(masks, evidence.off)):
                return [f"it is wrong in the {word} place{name}, and right in all others"]
            if all((m != o).all() for m, o in zip(masks, evidence.off)):
                return [f"it is right in the {word} place{name}, and wrong in all others"]
    for word, place in (("first", 0), ("last", -1)):
        ends = [np.flatnonzero(o).tolist() == [range(o.size)[place]] for o in evidence.off]
        if all(ends):
            return [f"it is wrong in the {word} entry of all, and right in all others"]
    return []
