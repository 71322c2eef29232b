"""What an answer gave in every case, beside what is right; its form first, then its numbers."""

import copy

import numpy as np

from .cases import Wrong
from .running import call
from .showing import compared, describe, show, shown

TOLERANCE = 1e-9


def close(a, b, tolerance=TOLERANCE):
    """Equal, entry by entry, to within this share of b (where that is below 1e-3, of 1e-3); all
    entries finite."""
    return a.shape == b.shape and not wrong_entries(a, b, tolerance).any()


def wrong_entries(a, b, tolerance=TOLERANCE):
    """A boolean array: where a is not b."""
    return ~(np.abs(a - b) <= tolerance * np.maximum(np.abs(b), 1e-3))


class Evidence:
    """One output of an answer in many cases.

    checks: the exercise's module.
    name: of the output.
    cases: first those that a learner may be shown, then as many others, drawn only to refute what
    is said of the first.
    yours: a float64 array for each case.
    all_right: for each case a list of all right outputs; .right has those of this output.
    shown: how many cases are of the first kind.
    """

    def __init__(self, checks, name, cases, yours, all_right, shown, tolerance):
        self.checks = checks
        self.name = name
        self.position = list(checks.OUTPUTS).index(name)
        self.cases = cases
        self.yours = yours
        self.all_right = all_right
        self.right = [outputs[self.position] for outputs in all_right]
        self.shown = shown
        self.off = [wrong_entries(y, r, tolerance) for y, r in zip(yours, self.right)]

    @property
    def wrong(self):
        """The numbers of the cases that are wrong."""
        return [k for k, off in enumerate(self.off) if off.any()]

    def only(self, keep):
        """The same for some of the cases: those for which keep(k) is true."""
        kept = [k for k in range(len(self.cases)) if keep(k)]
        other = copy.copy(self)
        other.shown = sum(k < self.shown for k in kept)
        for field in ("cases", "yours", "all_right", "right", "off"):
            setattr(other, field, [getattr(self, field)[k] for k in kept])
        return other

    def example(self):
        """The smallest wrong case to show, an ordinary one if possible, and not degenerate if
        possible.

        A loop that leaves out the last entry gives [0] at size 1, which teaches nothing; at size 2
        one entry is right beside a wrong one. So the smallest case that has both goes first, if it
        can be shown in full."""
        wrong = [k for k in self.wrong if k < self.shown] or self.wrong
        wrong.sort(key=lambda k: (self.cases[k].note != "", self.cases[k].size))
        first = wrong[0]
        for k in wrong:
            right_beside = ~self.off[k] & (self.right[k] != 0)
            same_kind = (self.cases[k].note == "") == (self.cases[first].note == "")
            if right_beside.any() and same_kind and self.cases[k].size <= 30:
                return k
        return first

    def report(self):
        """The lines that show the example."""
        k = self.example()
        case = self.cases[k]
        count = len([k for k in self.wrong if k < self.shown])
        title = f"wrong: {self.name}, in {count} of {self.shown} cases."
        if k >= self.shown:
            title = f"wrong: {self.name}, in a case that was drawn afresh."
        about = f" ({case})" if str(case) else ""
        return [
            f"{title} The smallest that says something{about}:",
            f"  {shown(case)}",
            *compared(self.name, self.yours[k], self.right[k], self.off[k]),
        ]


def matches(evidence, values):
    """Are these, an array for each case, the learner's output (and is that wrong somewhere)?"""
    pairs = zip(evidence.yours, values)
    return bool(evidence.wrong) and all(
        same_output(y, np.asarray(v, np.float64)) for y, v in pairs
    )


def same_output(yours, value):
    """Equal; where one is NaN or infinite, so is the other. A value of fewer axes is copied."""
    if value.shape != yours.shape:
        try:
            value = np.broadcast_to(value, yours.shape)
        except ValueError:
            return False
    finite = np.isfinite(yours)
    return np.array_equal(finite, np.isfinite(value)) and close(yours[finite], value[finite], 1e-8)


# The form: how many outputs, of which kind and shape.


def collect(answer, cases, outputs):
    """(what the answer gives in every case, notes): float64 arrays, one for each output. Raises
    Wrong where the form is.

    outputs: {name: letters of the shape, such as "BZ", or a function of the case}.
    """
    names = list(outputs)
    raw = {}
    by_size = sorted(range(len(cases)), key=lambda k: cases[k].size)
    try:
        for k in sorted(by_size, key=lambda k: _sizes_differ(cases[k]), reverse=True):
            raw[k] = unpack(call(answer, cases[k]), names)
    except Wrong as message:
        if "shapes: " not in str(message):  # else it is told best where all sizes differ
            for k in by_size:
                call(answer, cases[k])
        raise
    for k in by_size:
        for name, value in zip(names, raw[k]):
            _check_kind(name, value, outputs[name], cases[k])
    found = [[_numbers(value) for value in raw[k]] for k in range(len(cases))]
    notes = []
    for i, name in enumerate(names):
        if any(np.asarray(row[i]).dtype == object for row in raw.values()):
            notes.append(
                f"{name} is an array of Python objects (dtype object); np.array(..., "
                f"dtype=bool or float) makes "
                f"it one of numbers"
            )
    return found, notes


def _sizes_differ(case):
    """Shapes are told apart best where all sizes differ."""
    sizes = list(case.sizes.values())
    return len(set(sizes)) == len(sizes) and 1 not in sizes


def unpack(result, names):
    """The outputs, as many as there are names."""
    if len(names) == 1:
        if (
            isinstance(result, (tuple, list))
            and len(result) == 1
            and isinstance(result[0], np.ndarray)
        ):
            raise Wrong(
                f"it returned {describe(result)}, and one array is due: is there a comma "
                f"behind the `return`?"
            )
        return [result]
    if not isinstance(result, (tuple, list)) or len(result) != len(names):
        raise Wrong(
            f"it must return {len(names)} things, {', '.join(names)}, and it returned "
            f"{describe(result)}"
        )
    return list(result)


def shape_of(letters, case):
    return (
        tuple(letters(case))
        if callable(letters)
        else tuple(case.sizes[letter] for letter in letters)
    )


def _check_kind(name, value, letters, case):
    wanted = f"{name} must be an array of shape {_named_shape(letters, case)}"
    scalar = isinstance(value, (int, float)) and shape_of(letters, case) == ()
    if isinstance(value, list):
        raise Wrong(
            f"{wanted}, and it is {describe(value)}: put it together with np.array, or compute "
            f"with whole arrays\nwith {shown(case)}"
        )
    if not isinstance(value, (np.ndarray, np.generic)) and not scalar:
        raise Wrong(f"{wanted}, and it is {describe(value)}\nwith {shown(case)}")
    if _numbers(value) is None:
        found = describe(np.asarray(value))
        raise Wrong(f"{wanted} of numbers, and it is {found}\nwith {shown(case)}")


def _named_shape(letters, case):
    due = shape_of(letters, case)
    if callable(letters) or not letters:
        return f"{due}"
    comma = "," if len(letters) == 1 else ""
    return f"({', '.join(letters)}{comma}) = {due}"


def _numbers(value):
    """The value as a float64 array, or None if it has no numbers."""
    a = np.asarray(value)
    if a.dtype == object and not all(
        isinstance(v, (bool, int, float, np.generic)) for v in a.ravel()
    ):
        return None
    if a.dtype.kind not in "fiubO":
        return None
    return a.astype(np.float64)


def check_shapes(name, letters, cases, yours, right, known):
    """Raises Wrong where one of the shapes is not the right one, and says what the numbers show
    about it.

    known(): what the exercise's table says about these numbers, a sentence or nothing.
    """
    wrong = [k for k in range(len(cases)) if yours[k].shape != right[k].shape]
    if not wrong:
        return
    k = min(wrong, key=lambda k: (not _sizes_differ(cases[k]), cases[k].size))
    case = cases[k]
    inputs = []
    for key, value in case.inputs.items():
        if isinstance(value, np.ndarray):
            inputs.append(f"{key} {value.shape}")
        elif not callable(value):
            inputs.append(f"{key} = {show(value)}")
    lines = [
        f"{name} must have shape {_named_shape(letters, case)}, and yours has {yours[k].shape}",
        f"with {', '.join(inputs)}",
    ]
    hint = known() or _shape_hint([yours[k] for k in wrong], [right[k] for k in wrong], letters)
    if hint:
        lines.append(f"=> {hint}")
    raise Wrong("\n".join(lines))


def _shape_hint(yours, right, letters):
    """What is true of all the arrays of a wrong shape, or nothing."""

    def everywhere(change_yours, change_right=lambda r: r):
        try:
            pairs = [(change_yours(y), change_right(r)) for y, r in zip(yours, right)]
        except (ValueError, IndexError):
            return False
        return all(
            close(y, np.broadcast_to(r, y.shape)) if r.ndim == 0 else close(y, r) for y, r in pairs
        )

    if everywhere(lambda y: y.T):
        return "The numbers are right; it is transposed."
    if all(y.size == r.size for y, r in zip(yours, right)) and everywhere(np.ravel, np.ravel):
        return (
            "The numbers are right; the axes of length 1 are not: look at keepdims, [:, None] "
            "and reshape."
        )
    for axis in range(3):
        if everywhere(lambda y: y.sum(axis=axis)):
            return f"It is right once it is summed over axis {axis}: that sum is missing."
        if everywhere(lambda y: np.take(y, 0, axis)) and everywhere(
            lambda y: np.take(y, -1, axis)
        ):
            return f"It is right in each row along axis {axis}: that axis is one too many."
        letter = letters[axis] if isinstance(letters, str) and axis < len(letters) else None
        if letter is not None:
            for word, reduce in (("summed", np.sum), ("averaged", np.mean)):
                if everywhere(np.squeeze, lambda r: np.squeeze(reduce(r, axis=axis))):
                    return (
                        f"It is the right answer, {word} over {letter} as well: one step too "
                        f"many."
                    )
    if everywhere(np.squeeze, np.sum):
        return "It is the sum of all entries of the right answer: one sum too many."
    difference = {y.ndim - r.ndim for y, r in zip(yours, right)}
    if len(difference) == 1:
        more = difference.pop()
        count = {1: "one axis", 2: "two axes"}.get(abs(more), f"{abs(more)} axes")
        if more:
            return f"It has {count} {'too many' if more > 0 else 'too few'}."
    return ""
