"""What a wrong answer looks like, in sentences.

A sentence is said only if every case bears it out, the ones drawn afresh to refute it included.
The mistakes that people make in one exercise stand in its table (checks/exNN_name.py, MISTAKES), a
formula and a sentence a row; here is what can be said of any exercise."""

import warnings

import numpy as np

from .comparing import same_output
from .edits import one_edit, two_edits
from .facts import CONSTANTS, another_output, facts
from .places import mostly, not_finite, where
from .probing import follows
from .sums import as_a_sum

# What a formula may call besides NumPy; NumPy's methods import some of their parts on first use.
FUNCTIONS = (len, range, zip, sum, float, tuple, abs, slice, __import__)
BUILTINS = {function.__name__: function for function in FUNCTIONS}


def sentences(evidence, checks, answer, outputs):
    """What is so of this wrong output, the most telling first; an empty list where nothing known
    fits.

    evidence: Evidence of the output. checks: the exercise's module. answer: the learner's function.
    outputs: {name: the right array of each case}, for all outputs.
    """
    said = explain(evidence, checks, outputs)
    ordinary = evidence.only(lambda k: evidence.cases[k].note == "")
    if not said and ordinary.wrong and len(ordinary.cases) < len(evidence.cases):
        said = [
            f"with ordinary inputs (not with all of the special ones) it comes to this: {line}"
            for line in explain(ordinary, checks, outputs)
        ]
    if said:
        return said
    said = not_finite(evidence) + broken_laws(evidence, checks)
    if yes_or_no(evidence):
        return said + otherwise(evidence)
    return said + (
        where(evidence) or follows(evidence, answer) or mostly(evidence) or otherwise(evidence)
    )


def yes_or_no(evidence):
    """An output that says only yes or no follows too many conditions by chance."""
    return all(np.isin(r, (0, 1)).all() for r in evidence.right)


def explain(evidence, checks, outputs):
    """The mistake itself, from the first of these that knows it."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            another_output(evidence, outputs)
            or rows(evidence, checks)
            or facts(evidence, checks)
            or one_edit(evidence, checks)
            or rows(evidence, checks, tuple(CONSTANTS))
            or as_a_sum(evidence, checks, evaluate)
            or (not yes_or_no(evidence) and two_edits(evidence, checks))
            or []
        )


# The table of the exercise.


def namespace(checks, case, right):
    """What a row's formula may use: np, the case's inputs and sizes, the right outputs, and what
    names() adds.

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
    """The sentence of the first row whose formula gives the learner's output, if need be times a
    constant."""
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
            value = evaluate(formula, checks, case, evidence.all_right[k])
            value = c * np.asarray(value, np.float64)
        except (ValueError, IndexError, ZeroDivisionError):
            return False
        if not same_output(evidence.yours[k], value):
            return False
        values.append(value)
    return bool(evidence.wrong)


def row_of_another_shape(name, cases, yours, all_right, checks):
    """The sentence of a row that gives the learner's output where its shape is wrong; or
    nothing."""
    for formula, sentence in checks.MISTAKES.get(name, ()):
        try:
            values = [evaluate(formula, checks, c, r) for c, r in zip(cases, all_right)]
            values = [np.asarray(value, np.float64) for value in values]
        except (ValueError, IndexError, ZeroDivisionError):
            continue
        if all(v.shape == y.shape and same_output(y, v) for y, v in zip(yours, values)):
            return sentence
    return ""


def otherwise(evidence):
    """What is sure of this output even where nothing else fits: the exercise's OTHERWISE, a
    sentence or a function."""
    said = getattr(evidence.checks, "OTHERWISE", {}).get(evidence.name)
    if said is None:
        return []
    return [said(evidence) if callable(said) else said]


def broken_laws(evidence, checks):
    """The sentences of the exercise's LAWS that the learner's output breaks wherever it is
    wrong."""
    said = []
    for formula, sentence in getattr(checks, "LAWS", {}).get(evidence.name, ()):
        kept = []
        for k in evidence.wrong:
            known = namespace(checks, evidence.cases[k], evidence.all_right[k])
            known["yours"] = evidence.yours[k]
            with np.errstate(all="ignore"):
                kept.append(bool(eval(formula, known)))
        if not any(kept):
            said.append(sentence)
    return said
