"""What an output follows: change one input, in every ordinary case, and see whether it changes as
it should."""

import numpy as np

from .cases import Case, NotBegun, Wrong
from .comparing import close, unpack
from .running import call


class Cannot(Exception):
    """The changed inputs cannot be tried."""


def follows(evidence, answer):
    """The first of these observations that holds in every ordinary case and is not so of the right
    answer."""
    cases = [k for k, case in enumerate(evidence.cases) if case.note == ""]
    floats = [
        name
        for name, v in evidence.cases[0].inputs.items()
        if isinstance(v, float) or _is_float_array(v)
    ]
    probe = Probe(evidence, answer, cases)
    try:
        return (
            _dependence(probe, floats)
            or _unused_places(probe, floats)
            or _scaling(probe, floats)
            or _shifting(probe, floats)
            or _fixed(probe, floats)
        )
    except Cannot:
        return []


def _is_float_array(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


class Probe:
    """Both functions at changed inputs."""

    def __init__(self, evidence, answer, cases):
        self.evidence = evidence
        self.answer = answer
        self.cases = cases

    def changes(self, name, change):
        """Yield (how yours moved, how the right one moved) for change(value) of one input, case by
        case."""
        checks, i = self.evidence.checks, self.evidence.position
        for k in self.cases:
            case = self.evidence.cases[k]
            other = Case({**case.inputs, name: change(case.inputs[name])}, **case.sizes)
            try:
                yours = np.asarray(
                    unpack(call(self.answer, other), list(checks.OUTPUTS))[i], float
                )
            except (Wrong, NotBegun, TypeError, ValueError):
                raise Cannot from None
            inputs = {
                n: v.copy() if isinstance(v, np.ndarray) else v for n, v in other.inputs.items()
            }
            with np.errstate(all="ignore"):
                right = checks.right(**inputs)
            right = np.asarray(right[i] if isinstance(right, tuple) else right, float)
            if (
                not (np.isfinite(yours).all() and np.isfinite(right).all())
                or yours.shape != right.shape
            ):
                raise Cannot
            yield yours - self.evidence.yours[k], right - self.evidence.right[k], yours, right, k


def _wave(value):
    """Every entry a little different, none by the same share as its neighbour."""
    if isinstance(value, float):
        return 1.1 * value
    return np.where(np.arange(value.size).reshape(value.shape) % 3 == 0, 0.9, 1.1) * value


def _dependence(probe, names):
    fine, off = [], []
    for name in names:
        verdicts = set()
        for moved, due, *_ in probe.changes(name, _wave):
            verdicts.add(_verdict(moved, due))
        verdicts.discard("no part")
        if verdicts == {"not at all"}:
            return [
                f"when {name} alone changes it stays as it is, in every case, and it should "
                f"change"
            ]
        if verdicts == {"without reason"}:
            return [f"it changes with {name}, which has no part in it"]
        if verdicts == {"as it should"}:
            fine.append(name)
        elif verdicts and "as it should" not in verdicts:
            off.append(name)
    if fine and off:
        return [
            f"when {' or '.join(fine)} alone changes, it changes by what it should; when "
            f"{' or '.join(off)} alone "
            f"changes, it does not"
        ]
    return []


def _verdict(moved, due):
    if not due.any():
        return "without reason" if moved.any() else "no part"
    if not moved.any():
        return "not at all"
    return "as it should" if np.abs(moved - due).max() < 1e-7 * np.abs(due).max() else "otherwise"


def _unused_places(probe, names):
    """The first or last place along an axis of an input that has no effect, and should have one."""
    for name in names:
        letters = probe.evidence.checks.INPUTS.get(name, "")
        for axis, letter in enumerate(letters):
            for word, place in (("first", 0), ("last", -1)):
                if _unused(probe, name, axis, place):
                    return [
                        f"the {word} place of {name} along {letter} has no effect on it, in "
                        f"any case, and it should have one"
                    ]
    return []


def _unused(probe, name, axis, place):
    def change(value):
        changed = value.copy()
        np.moveaxis(changed, axis, 0)[place] *= 1.1
        return changed

    return all(due.any() and not moved.any() for moved, due, *_ in probe.changes(name, change))


def _scaling(probe, names):
    """The right answer is proportional to an input, and the learner's is not."""

    def three_times(now, before):
        return np.allclose(now, 3 * before, rtol=1e-9, atol=1e-12)

    for name in names:
        kept = True
        for _, _, yours, right, k in probe.changes(name, lambda value: 3.0 * value):
            if not three_times(right, probe.evidence.right[k]):
                break
            kept = kept and three_times(yours, probe.evidence.yours[k])
        else:
            if not kept:
                return [
                    f"it is not proportional to {name}: with three times {name}, three times "
                    f"the answer is due"
                ]
    return []


def _shifting(probe, names):
    """A number added to all entries of an input changes nothing, and should."""
    for name in names:
        due_somewhere = False
        for moved, due, yours, _, _ in probe.changes(name, lambda value: value + 0.75):
            small = 1e-10 * max(np.abs(yours).max(initial=0), 1)
            if np.abs(moved).max(initial=0) > small:
                break
            due_somewhere = due_somewhere or np.abs(due).max(initial=0) > small
        else:
            if due_somewhere:
                return [
                    f"it stays as it is when a number is added to every entry of {name}, and "
                    f"it should change"
                ]
    return []


def _fixed(probe, names):
    """With one input 0 throughout, or 1, it is right."""
    for number in (0, 1):
        for name in names:
            if not isinstance(probe.evidence.cases[0].inputs[name], np.ndarray):
                continue
            found = probe.changes(name, lambda value: np.full(value.shape, float(number)))
            if all(close(yours, right) and right.any() for _, _, yours, right, _ in found):
                return [f"it is right when {name} is {number} throughout"]
    return []
