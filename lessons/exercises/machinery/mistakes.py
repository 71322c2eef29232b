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

from .comparing import close
from .edits import pairs, variants
from .places import aligned, mostly, not_finite, where
from .probing import follows

BUILTINS = {"len": len, "range": range, "zip": zip, "sum": sum, "float": float, "tuple": tuple, "abs": abs, "slice": slice,
            "__import__": __import__}  # NumPy's methods import some of their parts when they are first called
MOST_PAIRS = 1500  # so that a verdict takes about a second

CONSTANTS = {-1: "the sign is flipped", 2: "it is twice the right answer", 0.5: "it is half of the right answer",
             -2: "it is twice the right answer, with the sign flipped", -0.5: "it is half, with the sign flipped"}
FUNCTIONS = {"the exponential": np.exp, "the logarithm": np.log, "the square": np.square,
             "the square root": np.sqrt, "the absolute value": np.abs, "one divided by it, 1 /": lambda r: 1 / r,
             "the positive part": lambda r: np.maximum(r, 0), "the negative part": lambda r: np.minimum(r, 0),
             "what is left, cut down to whole numbers,": np.trunc}


def sentences(evidence, checks, answer, outputs):
    """What is so of this wrong output, the most telling first; an empty list where nothing known fits.

    evidence: Evidence of the output. checks: the exercise's module. answer: the learner's function.
    outputs: {name: the right array of each case}, for all outputs.
    """
    said = explain(evidence, checks, outputs)
    ordinary = evidence.only(lambda k: evidence.cases[k].note == "")
    if not said and ordinary.wrong and len(ordinary.cases) < len(evidence.cases):
        said = [f"with ordinary inputs (not with all of the special ones) it comes to this: {line}"
                for line in explain(ordinary, checks, outputs)]
    if said:
        return said
    said = not_finite(evidence) + broken_laws(evidence, checks)
    return said + (where(evidence) or follows(evidence, answer) or mostly(evidence) or otherwise(evidence))


def explain(evidence, checks, outputs):
    """The mistake itself, from the first of these that knows it."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (another_output(evidence, outputs) or rows(evidence, checks) or facts(evidence, checks)
                or one_edit(evidence, checks) or rows(evidence, checks, tuple(CONSTANTS))
                or as_a_sum(evidence, checks) or two_edits(evidence, checks))


def matches(evidence, values):
    """Are these, one array for each case, what the learner's output is (and is that wrong somewhere)?"""
    return bool(evidence.wrong) and all(_same(y, np.asarray(v, np.float64)) for y, v in zip(evidence.yours, values))


def _same(yours, value):
    """Equal; where one is NaN or infinite, the other is, too. A value of fewer axes is copied along the others."""
    if value.shape != yours.shape:
        try:
            value = np.broadcast_to(value, yours.shape)
        except ValueError:
            return False
    finite = np.isfinite(yours)
    return np.array_equal(finite, np.isfinite(value)) and close(yours[finite], value[finite], 1e-8)


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
    with np.errstate(all="ignore"):
        return eval(formula, namespace(checks, case, right))


def rows(evidence, checks, factors=(1,)):
    """The sentence of the first row whose formula gives the learner's output, if need be times a constant."""
    for formula, sentence in checks.MISTAKES.get(evidence.name, ()):
        for c in factors:
            if _row_fits(evidence, checks, formula, c):
                return [sentence if c == 1 else f"{sentence}; besides, {CONSTANTS[c]}"]
    return []


def _row_fits(evidence, checks, formula, c):
    """Stops at the first case that refutes the row."""
    values = []
    for k, case in enumerate(evidence.cases):
        try:
            value = c * np.asarray(evaluate(formula, checks, case, evidence.all_right[k]), np.float64)
        except (ValueError, IndexError, ZeroDivisionError):
            return False
        if not _same(evidence.yours[k], value):
            return False
        values.append(value)
    return bool(evidence.wrong)


def row_of_another_shape(name, cases, yours, all_right, checks):
    """The sentence of a row that gives the learner's output where its shape is wrong; or nothing."""
    for formula, sentence in checks.MISTAKES.get(name, ()):
        try:
            values = [np.asarray(evaluate(formula, checks, c, r), np.float64) for c, r in zip(cases, all_right)]
        except (ValueError, IndexError, ZeroDivisionError):
            continue
        if all(v.shape == y.shape and _same(y, v) for y, v in zip(yours, values)):
            return sentence
    return ""


def otherwise(evidence):
    """What is sure of this output even where nothing else fits: the exercise's OTHERWISE, a sentence or a function."""
    said = getattr(evidence.checks, "OTHERWISE", {}).get(evidence.name)
    if said is None:
        return []
    return [said(evidence) if callable(said) else said]


def broken_laws(evidence, checks):
    """The sentences of the exercise's LAWS that the learner's output breaks wherever it is wrong."""
    said = []
    for formula, sentence in getattr(checks, "LAWS", {}).get(evidence.name, ()):
        kept = []
        for k in evidence.wrong:
            known = namespace(checks, evidence.cases[k], evidence.all_right[k]) | {"yours": evidence.yours[k]}
            with np.errstate(all="ignore"):
                kept.append(bool(eval(formula, known)))
        if not any(kept):
            said.append(sentence)
    return said


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
    """Right to some digits, where that is the only thing that is wrong."""
    if not any(evidence.cases[k].note == "" for k in evidence.wrong):
        return []
    off = max((np.abs(y - r) / np.maximum(np.abs(r), 1e-3)).max(initial=0) for y, r in zip(evidence.yours, evidence.right))
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


# The right function, with one place changed, or two.

def changed(evidence, checks):
    """(the right function's tree, fits(), names): fits() is true if the tree, as it stands, gives the learner's output."""
    module = ast.parse(textwrap.dedent(inspect.getsource(checks.right)))
    function = module.body[0]
    names = {}
    for name, letters in checks.INPUTS.items():
        names[name] = [other for other, its in checks.INPUTS.items() if its == letters and other != name]
    order = sorted(range(len(evidence.cases)), key=lambda k: (not evidence.off[k].any(), abs(evidence.cases[k].size - 12)))

    def fits():
        try:
            known = dict(checks.right.__globals__)
            exec(compile(module, "right", "exec"), known)
            changed_right = known[function.name]
            return all(_same(evidence.yours[k], _output(changed_right, evidence.cases[k], evidence.position)) for k in order)
        except Exception:  # most changes make no sense, and may do anything
            return False
    return function, fits, names


def _output(right, case, position):
    """One output of a function of copies of the case's inputs."""
    inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
    result = right(**inputs)
    return np.asarray(result[position] if isinstance(result, tuple) else result, np.float64)


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
    for formula in terms.values():
        values = [evaluate(formula, checks, c, r) for c, r in zip(some.cases, some.all_right)]
        columns.append(np.concatenate([np.broadcast_to(v, y.shape).ravel() for v, y in zip(values, some.yours)]))
    A = np.array(columns, float).T
    yours, right = _factors(A, some.yours), _factors(A, some.right)
    if yours is None or right is None or np.count_nonzero(yours) > 6:
        return []
    with_one = getattr(checks, "SUMS_WHERE", "")
    faults = [_fault(name, got, due) for name, got, due in zip(terms, yours, right)]
    sum_of = " + ".join(_term(c, name) for name, c in zip(terms, yours) if c).replace("+ -", "- ")
    return [f"{with_one}it is {sum_of or '0'}: {'; '.join(fault for fault in faults if fault)}"] if any(faults) else []


def _term(c, name):
    if name == "1":
        return f"{c:.6g}"
    return name if np.isclose(c, 1) else f"{c:.6g} {name}".replace("-1 ", "-")


def _fault(name, got, due):
    """What is wrong with a term of the sum, or nothing."""
    if np.isclose(got, due, rtol=1e-6, atol=1e-9):
        return ""
    if got == 0:
        return f"the term {name} is missing"
    if due == 0:
        return f"there is no term {name}"
    if np.isclose(got, -due, rtol=1e-6):
        return f"the term {name} has the wrong sign"
    return f"the term {name} is {got / due:.6g} times what it should be"


def _factors(A, arrays):
    """The factors of the columns of A in these arrays, by least squares; None where they are no such sum."""
    y = np.concatenate([a.ravel() for a in arrays])
    if not np.isfinite(A).all() or len(A) < 2 * A.shape[1]:
        return None
    scale = np.maximum(np.abs(A).max(axis=0), 1e-12)
    c = np.linalg.lstsq(A / scale, y, rcond=None)[0] / scale
    if np.abs(A @ c - y).max() > 1e-11 * np.abs(y).max():
        return None
    return np.where(np.abs(c) < 1e-9, 0, c)
