"""Which rule is wrong? Each rule on the engine that f goes through is checked at the values that it
met there."""

import functools
import time

import numpy as np

from ..autodiff import Tensor
from .function import told_of_operations

ENTRIES = 24  # of each input of a rule, at random; and two directions
PATIENCE = 10  # seconds
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()


class Call:
    """One call of a primitive: what it was given and what came out, ready to be run again with
    other values.

    f: the function under @primitive, which returns (value, VJPs). places: which of its inputs need
        a gradient.
    """

    def __init__(self, f, args, kwargs, result):
        several = (
            bool(args)
            and type(args[0]) in (list, tuple)
            and any(type(a) is Tensor for a in args[0])
        )
        self.f = f
        self.first = len(args[0]) if several else None  # the length of a list of inputs
        inputs = [*args[0], *args[1:]] if several else [*args]
        self.places = [i for i, a in enumerate(inputs) if type(a) is Tensor and a.requires_grad]
        self.inputs = [_data(a) for a in inputs]
        self.kwargs = {key: _data(a) for key, a in kwargs.items()}
        self.result = np.array(result.data)

    @property
    def name(self):
        return self.f.__name__

    def run(self, moved):
        """(value, VJPs) with the given arrays in the places that need a gradient."""
        inputs = [*self.inputs]
        for i, a in zip(self.places, moved):
            inputs[i] = a
        if self.first is not None:
            inputs = [inputs[: self.first], *inputs[self.first :]]
        return self.f(*inputs, **self.kwargs)

    def value(self, *moved):
        return np.asarray(self.run(moved)[0], float)

    def vjp(self, g, *moved):
        vjps = self.run(moved)[1]
        vjps = (vjps,) if callable(vjps) else vjps
        return tuple(vjps[i](g) for i in self.places)

    def here(self):
        return [self.inputs[i] for i in self.places]

    def can_be_repeated(self):
        """Not where a generator among the arguments has moved on."""
        return np.array_equal(self.value(*self.here()), self.result, equal_nan=True)

    def report(self, check):
        """A Report on this rule alone, its inputs called as the function calls them."""
        value = functools.wraps(self.f)(lambda *moved: self.value(*moved))
        if self.first is not None or self.places != [*range(len(self.places))]:
            del value.__wrapped__  # the names of its parameters would not fit
        return check(value, *self.here(), vjp=self.vjp, samples=ENTRIES, raise_error=False)


def _data(a):
    return a.data.copy() if type(a) is Tensor else a


def record(fn):
    """The calls of primitives in one run of f, in order, as far as they need a gradient."""
    calls = []

    def listen(f, args, kwargs, result):
        if result.requires_grad:
            calls.append(Call(f, args, kwargs, result))

    with told_of_operations(listen):
        fn.f(*fn.tensors)
    return calls


def look_at_rules(fn, check):
    """(diagnosis, remark): what is wrong with the rules, or None; and what to add if none of them
    is wrong."""
    calls = record(fn)
    started = time.perf_counter()
    found = []
    judged = 0
    for at, call in enumerate(calls):
        if time.perf_counter() - started > PATIENCE:
            break
        report = _report(call, check)
        if report is None:
            continue
        judged += 1
        if not report.ok and not _doubtful(report.diagnosis):
            found.append((at, call.name, report.diagnosis))
    if not found:
        remark = (
            f"each of the {len(calls)} rules on the way is right at the values that it met, so look"
            " between them"
        )
        return None, remark if judged == len(calls) > 1 else ""
    if len(calls) == 1:
        return found[0][2], ""
    sentences = [
        f"the rule of {name}, called {_ordinal(at)}, is wrong for"
        f" {'; for '.join(diagnosis.splitlines())}"
        for at, name, diagnosis in found
    ]
    others = len(calls) - len(found)
    if judged < len(calls):
        sentences.append(
            f"{judged - len(found)} of the {others} others could be checked, and are right"
        )
    elif others == 1:
        sentences.append("the other one is right")
    elif others:
        sentences.append(f"all {others} others are right")
    return "; ".join(sentences), ""


def _report(call, check):
    """The Report on one call; None where it cannot be repeated, or h is lost in large inputs."""
    try:
        return call.report(check) if call.can_be_repeated() else None
    except (ArithmeticError, TypeError, ValueError):
        return None


def _doubtful(diagnosis):
    """Whether it was the point that failed, and not the rule."""
    return (
        "at a kink" in diagnosis
        or "does not settle" in diagnosis
        or "derivatives are NaN" in diagnosis
    )


def _ordinal(at):
    return ORDINALS[at] if at < len(ORDINALS) else f"as number {at + 1}"
