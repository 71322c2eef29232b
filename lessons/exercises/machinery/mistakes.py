"""What a wrong answer looks like, in sentences.

A sentence is said only if every case bears it out, the ones drawn afresh to refute it included. The mistakes that people
make in one exercise stand in its table (checks/exNN_name.py, MISTAKES), a formula and a sentence a row; here is what can be
said of any exercise.
"""

import ast
import inspect
import itertools
import textwrap
import warnings

import numpy as np

from .cases import Case, NotBegun, Wrong
from .comparing import close, unpack
from .edits import pairs, variants
from .running import call

BUILTINS = {"len": len, "range": range, "zip": zip, "sum": sum, "float": float,
            "__import__": __import__}  # NumPy's methods import some of their parts when they are first called
MOST_PAIRS = 3000  # so that a verdict takes about a second

CONSTANTS = {-1: "the sign is flipped", 2: "it is twice the right answer", 0.5: "it is half of the right answer",
             -2: "it is twice the right answer, with the sign flipped", -0.5: "it is half, with the sign flipped"}
FUNCTIONS = {"the exponential": np.exp, "the logarithm": np.log, "the square": np.square,
             "the square root": np.sqrt, "the absolute value": np.abs, "one divided by it, 1 /": lambda r: 1 / r,
             "the positive part": lambda r: np.maximum(r, 0), "the negative part": lambda r: np.minimum(r, 0)}


def sentences(evidence, checks, answer, outputs):
    """What is so of this wrong output, the most telling first; an empty list where nothing known fits.

    evidence: Evidence of the output. checks: the exercise's module. answer: the learner's function.
    outputs: {name: the right array of each case}, for all outputs.
    """
    said = explain(evidence, checks, outputs)
    ordinary = evidence.only(lambda k: evidence.cases[k].note == "")
    if not said and ordinary.wrong and len(ordinary.cases) < len(evidence.cases):
        said = [f"{line} (but for the special inputs, where something else is wrong as well)"
                for line in explain(ordinary, checks, outputs)]
    explained = bool(said)
    said += not_finite(evidence)
    if not explained:
        said += where(evidence)
    if not said:
        said += dependence(evidence, checks, answer)
    return said


def explain(evidence, checks, outputs):
    """The mistake itself, from the first of these that knows it."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (rows(evidence, checks) or another_output(evidence, outputs) or facts(evidence, checks)
                or one_edit(evidence, checks) or rows(evidence, checks, tuple(CONSTANTS))
                or as_a_sum(evidence, checks) or two_edits(evidence, checks))


def matches(evidence, values):
    """Are these, one array for each case, what the learner's output is (and is that wrong somewhere)?"""
    if not evidence.wrong:
        return False
    for yours, value in zip(evidence.yours, values):
        value = np.asarray(value, np.float64)
        if value.shape != yours.shape:
            try:
                value = np.broadcast_to(value, yours.shape)
            except ValueError:
                return False
        finite = np.isfinite(yours)
        if (finite != np.isfinite(value)).any() or not close(yours[finite], value[finite], 1e-8):
            return False
    return True


# The table of the exercise.

def namespace(checks, case, right):
    """What a row's formula may use: np, the case's inputs and sizes, the right outputs, and what names() adds.

    An input hides an output of the same name.
    """
    known = {"__builtins__": BUILTINS, "np": np, **case.sizes}
    known |= dict(zip(checks.OUTPUTS, right)) | case.inputs
    if hasattr(checks, "names"):
        known |= checks.names(**case.inputs)
    return known


def evaluate(formula, checks, case, right):
    return eval(formula, namespace(checks, case, right))


def rows(evidence, checks, factors=(1,)):
    """The sentences of those rows whose formula gives the learner's output, if need be times a constant."""
    said = []
    for formula, sentence in checks.MISTAKES.get(evidence.name, ()):
        values = []
        for k, case in enumerate(evidence.cases):  # stops at the first case that refutes the row
            try:
                values.append(evaluate(formula, checks, case, evidence.all_right[k]))
            except (ValueError, IndexError, ZeroDivisionError):
                break
            one = evidence.only(lambda j: j == k)
            if one.wrong and not any(matches(one, [c * values[-1]]) for c in factors):
                break
        for c in factors:
            if len(values) == len(evidence.cases) and matches(evidence, [c * v for v in values]):
                said.append(sentence if c == 1 else f"{sentence}; besides, {CONSTANTS[c]}")
    return said[:1]


# What can be said without knowing the exercise.

def another_output(evidence, outputs):
    """Two outputs in each other's place."""
    for other, right in outputs.items():
        if other != evidence.name and len(right) == len(evidence.yours) and matches(evidence, right):
            return [f"it is what {other} should be: is the order of what you return right? ({', '.join(outputs)})"]
    return []


def facts(evidence, checks):
    """The first of the plain relations between the learner's output and the right one that holds."""
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
    return (_nearly(evidence) or _times(evidence, yours, due) or _plus(evidence) or _function_of(evidence)
            or _rearranged(evidence, checks))


def _nearly(evidence):
    """Right to some digits."""
    off = max(np.abs(y - r).max(initial=0) / max(np.abs(r).max(initial=0), 1e-3)
              for y, r in zip(evidence.yours, evidence.right))
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
        return [CONSTANTS.get(round(c, 9), f"it is {c:.6g} times the right answer, everywhere")]
    for letters, n in _products(cases):
        if matches(evidence, [r / m for m, r in zip(n, right)]):
            return [f"it is the right answer divided by {letters}: a mean where a sum is due"]
        if matches(evidence, [r * m for m, r in zip(n, right)]):
            return [f"it is {letters} times the right answer: a sum where a mean is due"]
        if min(n) > 1 and matches(evidence, [r * m / (m - 1) for m, r in zip(n, right)]):
            return [f"it is {letters} / ({letters} - 1) times the right answer: as if {letters} - 1 were divided by (ddof)"]
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
        terms += [(letters, n), (f"log {letters}", np.log(n)), (f"{letters} / 2", np.divide(n, 2)),
                  (f"{letters} / 2 log(2 pi)", np.multiply(n, 0.5 * np.log(2 * np.pi)))]
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
    if all(r.ndim == 2 and r.shape[0] == r.shape[1] for r in right) and matches(evidence, [r.T for r in right]):
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
        yield " times ".join(pair), [float(np.prod([case.sizes[c] for c in pair])) for case in cases]


def aligned(evidence):
    """(name, its values in each case, of a shape that fits the output) for each input that has one, and for numbers."""
    cases = evidence.cases
    letters = evidence.checks.OUTPUTS[evidence.name]
    for name, value in cases[0].inputs.items():
        if isinstance(value, (int, float)):
            yield name, [case.inputs[name] for case in cases]
        own = evidence.checks.INPUTS.get(name)
        if isinstance(letters, str) and own and set(own) <= set(letters) and [c for c in letters if c in own] == list(own):
            index = tuple(slice(None) if c in own else None for c in letters)
            yield name, [case.inputs[name][index] for case in cases]


# The right function, with one place changed, or two.

def changed(evidence, checks):
    """(the right function's tree, fits(), names): fits() is true if the tree, as it stands, gives the learner's output."""
    module = ast.parse(textwrap.dedent(inspect.getsource(checks.right)))
    function = module.body[0]
    names = {}
    for name, letters in checks.INPUTS.items():
        names[name] = [other for other, its in checks.INPUTS.items() if its == letters and other != name]
    order = sorted(range(len(evidence.cases)), key=lambda k: (not evidence.off[k].any(), abs(evidence.cases[k].size - 12)))
    first = evidence.only(lambda k: k == order[0])

    def fits():
        try:
            code = compile(ast.fix_missing_locations(module), "right", "exec")
            known = dict(checks.right.__globals__)
            exec(code, known)
            give = lambda case: np.asarray(_copied(known[function.name], case)[evidence.position], np.float64)
            return matches(first, [give(first.cases[0])]) and matches(evidence, [give(c) for c in evidence.cases])
        except Exception:  # most changes make no sense, and may do anything
            return False
    return function, fits, names


def _copied(right, case):
    inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
    result = right(**inputs)
    return result if isinstance(result, tuple) else (result,)


def one_edit(evidence, checks):
    """'it is what comes out with ... in place of ...', by the shortest change that does it."""
    function, fits, names = changed(evidence, checks)
    for small in (True, False):
        found = [str(edit) for edit in variants(function, names) if edit.small == small and fits()]
        if found:
            return [f"it is what comes out with {min(found, key=len)}"]
    return []


def two_edits(evidence, checks):
    """The same with two changes, where there are not too many pairs of them to try."""
    function, fits, names = changed(evidence, checks)
    small = sum(edit.small for edit in variants(function, names))
    if small * (small - 1) / 2 > MOST_PAIRS:
        return []
    for one, two in pairs(function, names):
        if fits():
            return [f"it is what comes out with two changes: {one}; and {two}"]
    return []


# A sum of known terms.

def as_a_sum(evidence, checks):
    """If the output is a sum of the exercise's TERMS with constant factors: which of its terms are wrong."""
    terms = getattr(checks, "TERMS", {}).get(evidence.name)
    keep = getattr(checks, "sums_of", lambda case: True)
    some = evidence.only(lambda k: evidence.cases[k].note == "" and keep(evidence.cases[k]))
    if not terms or not some.wrong or not all(np.isfinite(y).all() for y in some.yours):
        return []
    columns = []
    for term in terms:
        values = [evaluate(term, checks, c, r) for c, r in zip(some.cases, some.all_right)]
        columns.append(np.concatenate([np.broadcast_to(v, y.shape).ravel() for v, y in zip(values, some.yours)]))
    A = np.array(columns, float).T
    yours, right = _factors(A, some.yours), _factors(A, some.right)
    if yours is None or right is None or np.count_nonzero(yours) > 6:
        return []
    said = []
    for name, got, due in zip(terms, yours, right):
        if np.isclose(got, due, rtol=1e-6, atol=1e-9):
            continue
        if got == 0:
            said.append(f"the term {name} is missing")
        elif due == 0:
            said.append(f"there is no term {name}")
        elif np.isclose(got, -due, rtol=1e-6):
            said.append(f"the term {name} has the wrong sign")
        else:
            said.append(f"the term {name} is {got / due:.6g} times what it should be")
    sum_of = " + ".join(f"{c:.6g} {name}" for name, c in zip(terms, yours) if c).replace("+ -", "- ")
    return [f"it is {sum_of or '0'}: {'; '.join(said)}"] if said else []


def _factors(A, arrays):
    """The factors of the columns of A in these arrays, by least squares; None where they are no such sum."""
    y = np.concatenate([a.ravel() for a in arrays])
    if not np.isfinite(A).all() or len(A) < 2 * A.shape[1]:
        return None
    scale = np.maximum(np.abs(A).max(axis=0), 1e-12)
    c = np.linalg.lstsq(A / scale, y, rcond=None)[0] / scale
    if np.abs(A @ c - y).max() > 1e-8 * np.abs(y).max():
        return None
    return np.where(np.abs(c) < 1e-7, 0, c)


# Where it is wrong, and what it follows.

def not_finite(evidence):
    """NaN and infinity, where the right answer has none."""
    bad = [k for k, y in enumerate(evidence.yours) if not np.isfinite(y).all()]
    if not bad:
        return []
    shown = evidence.example()
    if shown in bad:
        count = int((~np.isfinite(evidence.yours[shown])).sum())
        return [f"{count} of its {evidence.yours[shown].size} entries are NaN or infinite: something overflows, or is 0/0, or "
                f"is the log or root of a number that has none"]
    notes = sorted({evidence.cases[k].note for k in bad} - {""})
    return [f"it is NaN or infinite {'for ' + '; '.join(notes) if notes else 'in another case'}"]


def where(evidence):
    """The condition on a case, or on an entry, that tells right from wrong exactly."""
    wrong = set(evidence.wrong)
    ordinary = [k for k, case in enumerate(evidence.cases) if case.note == ""]
    if wrong and not wrong & set(ordinary):
        notes = sorted({evidence.cases[k].note for k in wrong})
        return [f"it is right in all ordinary cases, and wrong for: {'; '.join(notes)}"]
    for letter in evidence.cases[0].sizes:
        small = {k for k in ordinary if evidence.cases[k].sizes[letter] == 1}
        if small and wrong & set(ordinary) == set(ordinary) - small:
            return [f"it is right where {letter} is 1, and wrong in every case where {letter} is more"]
    off = np.concatenate([o.ravel() for o in evidence.off])
    if off.all():
        return []
    for name, values in list(aligned(evidence)):
        a = np.concatenate([np.broadcast_to(v, o.shape).ravel() for v, o in zip(values, evidence.off)])
        for text, mask in (("negative", a < 0), ("positive", a > 0), ("0", a == 0), ("not 0", a != 0), ("1", a == 1),
                           ("neither 0 nor 1", (a != 0) & (a != 1))):
            if (mask == off).all():
                return [f"it is wrong exactly where {name} is {text}"]
        low, high = np.abs(a)[off].min(), np.abs(a)[~off].max()
        if low > high:
            return [f"it is wrong exactly where |{name}| is large: right up to {high:.4g}, wrong from {low:.4g} on"]
    return _which_places(evidence)


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
    return []


def dependence(evidence, checks, answer):
    """Change one input at a time, in every ordinary case: does the output change as it should?"""
    ordinary = [k for k, case in enumerate(evidence.cases) if case.note == ""]
    names = list(checks.OUTPUTS)
    fine, off = [], []
    for name in checks.INPUTS:
        verdicts = set()
        for k in ordinary:
            case = evidence.cases[k]
            value = case.inputs[name]
            if value.dtype.kind != "f":
                break
            wave = np.where(np.arange(value.size).reshape(value.shape) % 3 == 0, 0.9, 1.1)
            other = Case({**case.inputs, name: wave * value}, **case.sizes)
            try:
                moved = np.asarray(unpack(call(answer, other), names)[evidence.position], float) - evidence.yours[k]
            except (Wrong, NotBegun, TypeError, ValueError):
                return []
            due = np.asarray(_copied(checks.right, other)[evidence.position], float) - evidence.right[k]
            verdicts.add(_follows(moved, due))
        verdicts.discard("no part")
        if verdicts == {"not at all"}:
            return [f"when {name} alone changes it stays as it is, in every case, and it should change"]
        if verdicts == {"without reason"}:
            return [f"it changes with {name}, which has no part in it"]
        if verdicts == {"as it should"}:
            fine.append(name)
        if verdicts and verdicts <= {"otherwise", "without reason", "not at all"}:
            off.append(name)
    if fine and off:
        return [f"when {' or '.join(fine)} alone changes, it changes by what it should; when {' or '.join(off)} alone "
                f"changes, it does not"]
    return []


def _follows(moved, due):
    if not np.isfinite(moved).all():
        return "otherwise"
    if not due.any():
        return "without reason" if moved.any() else "no part"
    if not moved.any():
        return "not at all"
    return "as it should" if np.abs(moved - due).max() < 1e-7 * np.abs(due).max() else "otherwise"
