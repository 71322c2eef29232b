"""What the exercises share: calling the learner's function, comparing what it gives, and saying what a mistake looks like.

You need not read this to do the exercises. What is special to one of them, its hints included, is in checks/.
"""

import argparse
import copy
import functools
import importlib.util
import itertools
import linecache
import os
import signal
import subprocess
import sys
import textwrap
import traceback
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))  # finds minivae beside lessons/ where it is not installed

import minivae as mv  # noqa: E402

DONE, WRONG, NOT_BEGUN = 0, 1, 2  # exit codes of an exercise
SECONDS = 20


class Wrong(Exception):
    """What is wrong with an answer, in lines for the learner."""


class NotBegun(Exception):
    """The stub has not been replaced; carries its one-line hint."""


class Case(dict):
    """The inputs of one call, by name (also as attributes). sizes: by letter, {"B": 2, "Z": 3}. note: what is special here."""

    def __init__(self, inputs, note="", **sizes):
        super().__init__(inputs)
        self.note, self.sizes = note, sizes

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __str__(self):
        sizes = ", ".join(f"{letter} = {n}" for letter, n in self.sizes.items())
        return "; ".join(filter(None, [sizes, self.note])) or "the smallest one"


def draw(rng, letters, sizes):
    """Random numbers with two digits, none of them 0, so that an example can be redone by hand."""
    a = np.round(rng.normal(size=[sizes[c] for c in letters]), 2)
    return np.where(a == 0, 0.5, a)


# Running the learner's code.

def call(f, case):
    """f of the case's inputs; whatever goes wrong inside becomes a sentence. The inputs must come back as they were."""
    inputs = {name: copy.deepcopy(value) for name, value in case.items()}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = f(*inputs.values())
    except NotImplementedError as error:
        raise NotBegun(str(error)) from None
    except Wrong:
        raise
    except (Exception, SystemExit) as error:
        raise Wrong(f"your code stopped with {_exception(error, f)}\n{_shapes(case, error) or 'with ' + _shown(case)}") from None
    for name, before in case.items():
        if isinstance(before, (np.ndarray, list, dict)) and not _same(before, inputs[name]):
            raise Wrong(f"your code changed its input {name} in place: it came in as {_show(before)} and is {_show(inputs[name])} "
                        f"after the call.\n=> The caller still needs {name}. Make a new array: a = a + 1 in place of a += 1, and "
                        f"a = a.copy() before a[i] = ...")
    return result


def _same(a, b):
    return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b


def _exception(error, f):
    """The exception, and the last line of the learner's file that it went through."""
    file = getattr(getattr(f, "__code__", None), "co_filename", None)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    if isinstance(error, RecursionError):
        text = "RecursionError: it calls itself too often"
    if not lines:
        return f"{text} (as it was called)"
    return f"{text}\nin line {lines[-1]}: {linecache.getline(file, lines[-1]).strip()}"


def _shapes(case, error):
    arrays = {name: a.shape for name, a in case.items() if isinstance(a, np.ndarray)}
    speaks = any(word in str(error) for word in ("shape", "dimension", "broadcast", "axis", "axes", "index", "mismatch"))
    return "shapes: " + ", ".join(f"{n} {s}" for n, s in arrays.items()) if arrays and speaks else ""


def describe(value):
    if value is None:
        return "None (does the function end with a `return`?)"
    if isinstance(value, mv.Tensor):
        return f"a Tensor of shape {value.shape} (these are plain arrays: use NumPy, no mv.Tensor)"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}" + (f" and dtype {value.dtype}" if value.dtype.kind not in "fiu" else "")
    if isinstance(value, (tuple, list)):
        kinds = ", ".join([type(v).__name__ for v in value[:4]] + ["..."] * (len(value) > 4))
        return f"a {type(value).__name__} of {len(value)} ({kinds})"
    if callable(value):
        return "a function (was it not called?)"
    return f"the {type(value).__name__} {value!r}"[:80]


def unpack(result, names):
    """The outputs, as many as there are names."""
    if len(names) == 1:
        if isinstance(result, (tuple, list)) and len(result) == 1 and isinstance(result[0], np.ndarray):
            raise Wrong(f"it returned {describe(result)}, and one array is due: is there a comma behind the `return`?")
        return [result]
    if not isinstance(result, (tuple, list)) or len(result) != len(names):
        raise Wrong(f"it must return {len(names)} things, {', '.join(names)}, and it returned {describe(result)}")
    return list(result)


def as_array(name, value, letters, case):
    """The value as a float64 array, after its type and shape are found right."""
    due = shape_of(letters, case)
    wanted = f"({', '.join(letters)}{',' * (len(letters) == 1)}) = {due}" if isinstance(letters, str) and letters else f"{due}"
    scalar = isinstance(value, (int, float)) and not isinstance(value, np.generic)
    if not isinstance(value, (np.ndarray, np.generic)) and not (scalar and due == ()):
        what = ": put it together with np.array, or compute with whole arrays" if isinstance(value, list) else ""
        raise Wrong(f"{name} must be an array of shape {wanted}, and it is {describe(value)}{what}\nwith {_shown(case)}")
    if np.asarray(value).dtype.kind not in "fiub":
        raise Wrong(f"{name} must be an array of numbers, and it is {describe(value)}\nwith {_shown(case)}")
    if np.shape(value) != due:
        inputs = ", ".join(f"{n} {a.shape}" if isinstance(a, np.ndarray) else f"{n} = {_show(a)}"
                           for n, a in case.items() if not callable(a))
        raise Wrong(f"{name} must have shape {wanted}, and yours has {np.shape(value)}\nwith {inputs}"
                    + _shape_hint(np.shape(value), due, letters, case))
    return np.asarray(value, np.float64)


def shape_of(letters, case):
    return tuple(letters(case)) if callable(letters) else tuple(case.sizes[c] for c in letters)


def _shape_hint(yours, due, letters, case):
    size = lambda shape: [n for n in shape if n != 1]
    if len(yours) > 1 and yours == due[::-1]:
        return "\n=> It looks transposed."
    if size(yours) == size(due):
        return "\n=> The numbers may be right, but the axes of length 1 are not: look at keepdims, [:, None] and reshape."
    known = {n: c for c, n in case.sizes.items() if n > 1 and list(case.sizes.values()).count(n) == 1}
    if hasattr(letters, "hint"):
        return f"\n=> {letters.hint(yours, due)}"
    if not isinstance(letters, str) or not all(n in known or n == 1 for n in yours):
        return ""
    mine = [known[n] for n in yours if n in known]
    extra, lacking = [c for c in mine if c not in letters], [c for c in letters if c not in mine and case.sizes[c] > 1]
    said = [f"one number per {', '.join(extra)} where there should be none: was it not summed over {', '.join(extra)}?"] * bool(extra)
    said += [f"the axis {', '.join(lacking)} is gone: was it summed, or averaged, as well?"] * bool(lacking)
    return "".join(f"\n=> {s[0].upper()}{s[1:]}" for s in said)


# Comparing.

def examine(f, cases, outputs, right, suspects=None, terms=None, tol=1e-9, tutor=None, order=None, sums_of=None):
    """Call f on every case and compare what it gives; raise Wrong with the smallest example of the first output that is wrong.

    outputs: {"kl": "B", "g_mu": "BZ"}, the shape of each in letters, or as a function of the case. right(case): the right
    outputs. suspects: {output: {text: function of the case}}, wrong answers known by name. terms: {output: function of the
    case that gives {name: array}}, of which a wrong answer may be a sum with constant factors: that is then said. tutor(i,
    cases): one more opinion on output i, from its wrong cases. order: of the outputs, where one can only be right if another is.
    sums_of(cases): those cases in which the terms make sense. Cases stand in the order of their size.
    """
    suspects, terms, names = suspects or {}, terms or {}, list(outputs)
    plain = lambda c: len(set(c.sizes.values())) < len(c.sizes) or 1 in c.sizes.values()
    found = {}
    for case in sorted(cases, key=plain):  # shapes are told best where all sizes differ
        results = unpack(call(f, case), names)
        found[id(case)] = [as_array(name, v, outputs[name], case) for name, v in zip(names, results)]
    yours = [found[id(case)] for case in cases]
    due = [[np.asarray(r, np.float64) for r in right(case)] for case in cases]
    again = [np.asarray(a, np.float64) for a in unpack(call(f, cases[-1]), names)]
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(again, yours[-1])):
        raise Wrong(f"called twice with the same inputs, it gives two answers.\n=> It draws random numbers of its own, or remembers "
                    f"something from call to call. Use only the inputs: {', '.join(cases[0])}.")
    for done, name in enumerate(order or names):
        i = names.index(name)
        wrong = [k for k in range(len(cases)) if not close(yours[k][i], due[k][i], tol)]
        if wrong:
            first = wrong[0]
            looks = _looks_like(i, names, yours, due, cases, wrong, suspects.get(name, {}), terms.get(name), sums_of, tol)
            if all(line.startswith("it is right ") for line in looks):
                telling = max(wrong, key=lambda k: (not cases[k].note, yours[k][i].size))
                looks += _by_input(f, i, names, right, cases[telling])
            looks += [line for line in (tutor(i, [cases[k] for k in wrong]) if tutor else []) if line not in looks]
            looks = looks or ["no pattern that is known here fits: redo the small example by hand, step by step"]
            raise Wrong("\n".join(
                [f"right: {', '.join((order or names)[:done])}"] * (done > 0)
                + [f"wrong: {name}, in {len(wrong)} of {len(cases)} cases. The smallest ({cases[first]}):",
                   f"  {_shown(cases[first])}", *_both(name, yours[first][i], due[first][i])]
                + [f"=> {line}" for line in looks[:5]]))
    return f"right: {', '.join(names)}, in {len(cases)} cases"


def close(a, b, tol=1e-9):
    """Equal to within tol of the largest entry of b (where b is 0, of 1e-3)."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    return bool(np.abs(a - b).max(initial=0) <= tol * max(np.abs(b).max(initial=0), 1e-3))


def _both(name, yours, right):
    if yours.size <= 12:
        return [f"  your {name}: {_show(yours)}", f"  right{' ' * len(name)}: {_show(right)}"]
    off = np.abs(np.where(np.isfinite(yours), yours, np.inf) - right)
    at = tuple(int(i) for i in np.unravel_index(np.argmax(off > 1e-9 * max(np.abs(right).max(), 1e-3)), yours.shape))
    return [f"  your {name}{list(at)}: {yours[at]:.7g}", f"  right{' ' * len(name)}: {right[at]:.7g}"]


def _shown(case):
    return ", ".join(f"{name} = {_show(value)}" for name, value in case.items() if not callable(value))


def _show(value):
    if isinstance(value, np.ndarray) and value.size > 12:
        return f"<array {value.shape}>"
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        digits = 7 if value.size == 1 else 5
        return np.array2string(value, separator=", ", formatter={"float_kind": lambda v: f"{v:.{digits}g}"}).replace("\n", "")
    return " ".join(repr(value).split())[:200]


# What a wrong answer looks like.

FACTORS = {1: "", -1: ", and with the sign flipped", 2: ", and twice as large", 0.5: ", and half as large",
           -2: ", and twice as large with the sign flipped", -0.5: ", and half as large with the sign flipped"}
FUNCTIONS = {"exp": np.exp, "log": np.log, "square": np.square, "square root": np.sqrt, "absolute value": np.abs,
             "reciprocal": lambda r: 1 / r}


def _looks_like(i, names, yours, due, cases, wrong, suspects, terms, sums_of, tol):
    """Sentences on output i, the most certain first."""
    mine, right = [y[i] for y in yours], [d[i] for d in due]
    first = wrong[0]
    nan, shown_nan = ~np.isfinite(mine[first]), []
    if nan.any():
        note = f" Here: {cases[first].note}." if cases[first].note else ""
        shown_nan = [f"{nan.sum()} of its {nan.size} entries are NaN or infinite: something overflows, or is 0/0, or the "
                     f"log or root of a number that has none.{note}"]
    elif not all(np.isfinite(mine[k]).all() for k in wrong):
        k = next(k for k in wrong if not np.isfinite(mine[k]).all())
        shown_nan = [f"in another case it is NaN or infinite (the log or root of a negative number? 0/0?): {_shown(cases[k])}"]
    finite = [k for k in range(len(cases)) if np.isfinite(mine[k]).all()]
    ordinary = [k for k in finite if not cases[k].note]
    every, value = _with_inputs(suspects, cases, mine)
    with np.errstate(all="ignore"):
        said = [f"it is what {other} should be: is the order of what you return right? ({', '.join(names)})"
                for j, other in enumerate(names) if j != i and _all_close(mine, [d[j] for d in due], tol)]
        groups = [finite] + [ordinary] * (first in ordinary and ordinary != finite) + [[k for k in finite if k in wrong]]
        for some in groups:
            y, r, c = [mine[k] for k in some], [right[k] for k in some], [cases[k] for k in some]
            if some and not said and not _all_close(y, r, tol):
                said = (_named(some, mine, right, every, value, (1,), tol) or _generic(y, r, c, tol)
                        or _named(some, mine, right, every, value, FACTORS, tol))
        if terms is not None and not said:
            some = (ordinary or finite) if sums_of is None else [k for k in ordinary if any(cases[k] is c for c in sums_of(cases))]
            said = _as_a_sum([mine[k] for k in some], [right[k] for k in some], [cases[k] for k in some], terms)
    said += shown_nan + ([] if nan.any() else _where(wrong, cases))
    if mine[first].size > 1 and not said:
        off = np.abs(mine[first] - right[first]) > tol * max(np.abs(right[first]).max(), 1e-3)
        if 0 < off.sum() < off.size:
            said.append(f"right but for the entries {', '.join(str([int(n) for n in at]) for at in np.argwhere(off)[:4])}")
    return said


def _with_inputs(suspects, cases, mine):
    """The suspects, and each input of the answer's shape; computed once for each case."""
    same = lambda n: all(isinstance(c[n], np.ndarray) and c[n].shape == y.shape for c, y in zip(cases, mine))
    arrays = [n for n in cases[0] if same(n)]
    every = suspects | {f"it is the input {n} itself": (lambda n: lambda case: case[n])(n) for n in arrays}
    return every, functools.cache(lambda text, k: np.broadcast_to(np.asarray(every[text](cases[k]), float), mine[k].shape))


def _named(some, mine, right, every, value, factors, tol):
    """The wrong answers known by name that this is in some of the cases, if need be but for a factor; two at most."""
    for c in factors:
        said = [text + FACTORS[c] for text in every if some and all(close(mine[k], c * value(text, k), tol / 10) for k in some)
                and not all(close(c * value(text, k), right[k], tol) for k in some)]
        if said:
            return said[:2]
    return []


def _all_close(a, b, tol):
    return bool(a) and all(x.shape == y.shape and close(x, y, tol) for x, y in zip(a, b))


def _generic(mine, right, cases, tol):
    """Patterns that need no knowledge of the exercise: zero, a factor, a difference, a function of it, an order."""
    y, r = (np.concatenate([a.ravel() for a in arrays]) for arrays in (mine, right))
    if y.size < 3:
        return []
    if not y.any():
        return ["it is zero throughout"]
    off = np.abs(y - r).max() / max(np.abs(r).max(), 1e-3)
    if off < 1e-4:
        return [f"it is right to {int(-np.log10(off))} digits only: is there a float32, a rounded constant, or a 1e-8 that is "
                f"added or clipped at?"]
    if _all_close(mine, [np.trunc(a) for a in right], 0) or _all_close(mine, [np.floor(a) for a in right], 0):
        return ["it is the right answer cut down to whole numbers: is there an array of integers, or a //?"]
    c = y @ r / (r @ r) if r.any() else np.nan
    if np.isfinite(c) and close(y, c * r, 1e-8):
        word = {-1.0: "the sign is flipped", 2.0: "it is twice too large: was a 1/2 forgotten, or something counted twice?",
                0.5: "it is half of what it should be: one 1/2 too many, or a 2 forgotten?"}
        return [word.get(round(c, 9), f"it is {c:.6g} times the right answer, everywhere: a constant factor")]
    for letters, n in _products(cases):
        for word, factor in (("a mean over {} where a sum is due", 1 / n), ("a sum over {} where a mean is due", n),
                             (("n - 1 in place of n ({}): ddof", n / (n - 1)) if n.min() > 1 else ("", n * np.nan))):
            if _all_close(mine, [f * a for f, a in zip(factor, right)], 1e-8):
                return [f"it looks like {word.format(letters)}"]
        for word, term in (("log {}", np.log(n)), ("{}", n), ("{} / 2", n / 2), ("{} / 2 log(2 pi)", n / 2 * np.log(2 * np.pi))):
            for sign, side in ((1, "larger"), (-1, "smaller")):
                if n.any() and term.any() and _all_close(mine, [a + sign * t for t, a in zip(term, right)], 1e-8):
                    return [f"it is {side} than the right answer by {word.format(letters)}, throughout"]
    if np.ptp(y - r) < 1e-9 * max(np.abs(r).max(), 1):
        return [f"it is off by {np.mean(y - r):.6g} throughout: a constant term is missing, or too many"]
    for word, function in FUNCTIONS.items():
        if _all_close(mine, [function(a) for a in right], 1e-8):
            return [f"it is the {word} of the right answer"]
    if all(a.ndim == 2 and a.shape[0] == a.shape[1] for a in mine) and _all_close([a.T for a in mine], right, tol):
        return ["it is transposed"]
    if _all_close([np.sort(a, axis=None) for a in mine], [np.sort(a, axis=None) for a in right], tol):
        return ["the numbers are right, their order is not"]
    return []


def _products(cases):
    """The sizes by letter, and products of two, as one array over the cases."""
    letters = [c for c in cases[0].sizes if any(case.sizes[c] > 1 for case in cases)]
    for pair in [(c,) for c in letters] + list(itertools.combinations(letters, 2)):
        yield " times ".join(pair), np.array([np.prod([case.sizes[c] for c in pair]) for case in cases], float)


def _as_a_sum(mine, right, cases, terms):
    """If the answer is a sum of known terms with constant factors, say which of its terms are wrong."""
    if not mine:
        return []
    columns = [terms(case) for case in cases]
    names = list(columns[0])
    A = np.array([np.concatenate([np.broadcast_to(np.asarray(t[n], float), m.shape).ravel() for t, m in zip(columns, mine)])
                  for n in names]).T
    if not np.isfinite(A).all() or len(A) < 2 * len(names):
        return []
    scale = np.maximum(np.abs(A).max(axis=0), 1e-12)

    def factors(values):
        y = np.concatenate([v.ravel() for v in values])
        c = np.linalg.lstsq(A / scale, y, rcond=None)[0] / scale
        return np.where(np.abs(c) < 1e-7, 0, c) if np.abs(A @ c - y).max() < 1e-8 * np.abs(y).max() else None

    a, b = factors(mine), factors(right)
    if a is None or b is None or np.count_nonzero(a) > 6:
        return []
    said = []
    for name, got, wanted in zip(names, a, b):
        if not np.isclose(got, wanted, rtol=1e-6, atol=1e-9):
            said.append(f"the term in {name} is missing" if got == 0 else f"there is no term in {name}" if wanted == 0
                        else f"the term in {name} has the wrong sign" if np.isclose(got, -wanted, rtol=1e-6)
                        else f"the term in {name} is {got / wanted:.6g} times what it should be")
    size = lambda c, n: f"{abs(c):.6g}" if n == "1" else n if np.isclose(abs(c), 1) else f"{abs(c):.6g} {n}"
    text = " ".join(f"{'-' if c < 0 else '+'} {size(c, n)}" for n, c in zip(names, a) if c)
    return [f"what your code computes is {text.removeprefix('+ ') or '0'}: {'; '.join(said)}"] if said else []


def _where(wrong, cases):
    """For which sizes is it right?"""
    if len(wrong) == len(cases):
        return []
    said = []
    for c in cases[0].sizes:
        ordinary = {k for k, case in enumerate(cases) if not case.note or all(case.note for case in cases)}
        small = {k for k in ordinary if cases[k].sizes[c] == 1}
        if small and ordinary & set(wrong) and not small & set(wrong):
            said.append(c)
    if said:
        axis = "the axis " * said[0].isupper()
        said = [f"it is right as long as {said[0]} is 1: look at what you do with {axis}{said[0]}" if len(said) == 1 else
                f"it is right as long as one of {', '.join(said)} is 1"]
    noted = {cases[k].note for k in wrong}
    if not said and "" not in noted and len(noted) < len({case.note for case in cases}):
        said.append(f"it is right but for: {'; '.join(sorted(noted))}")
    return said


def _by_input(f, i, names, right, case):
    """Change one input at a time: does the answer follow as it should?"""
    fine, off = [], []

    def both(case):
        with np.errstate(all="ignore"):
            return np.asarray(unpack(call(f, case), names)[i], float), np.asarray(right(case)[i], float)
    try:
        y, r = both(case)
        if set(np.unique(r)) <= {0, 1}:
            return []
        for n, value in case.items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                other = copy.copy(case)
                other[n] = np.where(np.arange(value.size).reshape(value.shape) % 3 == 0, 0.9, 1.1) * value
                moved, due = (a - b for a, b in zip(both(other), (y, r)))
                if moved.shape == due.shape and np.isfinite(moved).all() and (moved.any() or due.any()):
                    if not moved.any():
                        return [f"it does not change with {n}, and it should: is {n} used?"]
                    if not np.abs(due).max() > 1e-12:
                        return [f"it changes with {n}, which has no part in it"]
                    (fine if np.abs(moved - due).max() < 1e-7 * np.abs(due).max() else off).append(n)
    except (Wrong, NotBegun):
        pass
    if fine and off:
        return [f"when {' or '.join(fine)} changes, it changes as it should; when {' or '.join(off)} changes, it does not: look there"]
    return []


# Rules: a value, and the gradient of sum(g * value) in each input, written by hand.

def examine_rule(rule, cases, outputs, reference, suspects=None, terms=None, tol=1e-9):
    """examine a rule(g, inputs...) that returns (value, g_a, g_b, ...) against a function of Tensors; check_gradients gives
    its diagnosis. The first input of every case is g; outputs named g_mu are gradients in the input mu."""
    names = [name.removeprefix("g_") for name in list(outputs)[1:]]

    def forward(case, moved):
        return reference(*{**{k: v for k, v in case.items() if k != "g"}, **dict(zip(names, moved))}.values())

    def right(case):
        tensors = [mv.Tensor(case[name].copy(), requires_grad=True) for name in names]
        y = forward(case, tensors)
        y.backward(case.g)
        return y.data, *(t.grad for t in tensors)

    def report(case):
        vjp = lambda g, *moved: tuple(np.asarray(v, float) for v in
                                      rule(*{**case, "g": g, **dict(zip(names, moved))}.values())[1:])
        plain = lambda *moved: np.asarray(forward(case, moved))
        return mv.check_gradients(plain, *(case[name] for name in names), vjp=vjp, raise_error=False)

    def tutor(i, wrong_cases):
        ordinary = [c for c in wrong_cases if not c.note]
        if i == 0 or not ordinary:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            diagnosis = report(ordinary[-1]).diagnosis
        for k in reversed(range(len(names))):
            diagnosis = diagnosis.replace(f"input {k}", names[k])
        return [f"check_gradients on {line}" for line in diagnosis.splitlines()
                if line.startswith(names[i - 1]) and "no known pattern" not in line]

    done = examine(rule, cases, outputs, right, suspects, terms, tol, tutor)
    last = [report(case) for case in cases if not case.note][-1]
    if not last.ok:
        raise Wrong(str(last))
    return f"{done}\n{last.title}"


# The face: a run, the hint ladder, and everyone's progress.

def load(path):
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_check", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checks_of(file):
    """The module checks/exNN_name.py of an exercise: its HINTS and its check(answer)."""
    return load(HERE / "checks" / Path(file).name)


def judge(checks, answer):
    """(exit code, text) for an answer."""
    try:
        return DONE, checks.check(answer)
    except NotBegun as hint:
        return NOT_BEGUN, str(hint)
    except Wrong as message:
        return WRONG, str(message)
    except Exception as error:  # nothing that an answer does should end in a traceback
        return WRONG, f"the check could not make sense of this answer: {type(error).__name__}: {error}"


def run(file, answer):
    """What `python exNN_name.py` does: check the answer, or show a hint."""
    name, checks = Path(file).stem, checks_of(file)
    parser = argparse.ArgumentParser(description=f"Check your answer to {name}, or show a hint.")
    parser.add_argument("--hint", nargs="?", const=1, type=int, choices=range(1, len(checks.HINTS) + 1), metavar="N",
                        help="show hint N of 3 (the last is nearly the answer)")
    n = parser.parse_args().hint
    command = f"python {os.path.relpath(file)}"
    if n:
        print(f"hint {n} of {len(checks.HINTS)}: {checks.HINTS[n - 1]}")
        print(f"the next one: {command} --hint {n + 1}" if n < len(checks.HINTS) else "that was the last one")
        sys.exit(DONE)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(SECONDS)
    code, text = judge(checks, answer)
    print(f"{name}: {('done', 'not right yet', 'not begun')[code]}")
    for line in text.splitlines():
        print(textwrap.fill(line, 110, initial_indent="  ", subsequent_indent="     ", break_on_hyphens=False))
    if code != DONE:
        print(f"  a hint: {command} --hint")
    sys.exit(code)


def _too_long(*_):
    raise TimeoutError(f"it still ran after {SECONDS} s: is there a loop that does not end, or far more steps than needed?")


def progress():
    """What `python -m lessons --exercises` prints: done, wrong or not begun for each exercise."""
    files = sorted(HERE.glob("ex[0-9]*.py"))
    done = 0
    for file in files:
        try:
            ran = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=2 * SECONDS)
            known = ran.stdout.startswith(f"{file.stem}: ") or f"\n{file.stem}: " in ran.stdout
            code, crash = (ran.returncode, "") if known else (WRONG, (ran.stderr.splitlines() or ["it printed nothing"])[-1])
        except subprocess.TimeoutExpired:
            code, crash = WRONG, "it did not stop"
        done += code == DONE
        print(f"  {file.stem:<30}{('done', 'wrong', 'not begun')[code]}{': ' * bool(crash)}{crash}", flush=True)
    print(f"{done} of {len(files)} done" + f"; python {os.path.relpath(HERE)}/exNN_name.py says what is right and what is not"
          * (done < len(files)))
