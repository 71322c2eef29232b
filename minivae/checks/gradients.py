"""Is a gradient right? check_gradients compares it with finite differences, taylor_test with
Taylor's formula.

function.py holds f at its point, measuring.py takes the differences, diagnosis.py says what a
mistake looks like, and rules.py finds the wrong rule among those of the engine.
"""

import dataclasses
import math
import textwrap
import time

import numpy as np

from .diagnosis import explain, why_nothing_shows
from .function import Function, Obstacle, single_precision
from .measuring import (
    EPS_MACHINE,
    Derivatives,
    Patience,
    beyond,
    measure,
    places_of,
    slope_further_off,
)
from .rules import look_at_rules


class GradientError(AssertionError):
    """A gradient check that failed: the message is the whole report, .report the Report itself."""

    def __init__(self, report):
        super().__init__(str(report))
        self.report = report


@dataclasses.dataclass
class Report:
    """What a check found: print it to read it. It counts as true where the check passed.

    ok: whether it passed.
    title: the first line of the text, with the verdict.
    diagnosis: what the mistake looks like; or what a check that passed could not show; "" if there
        is nothing to say.
    lines: what was checked, one line per input.
    error: the largest error.
    worst: the five worst entries, as (input, index, analytic, numeric, error).
    steps, remainders, slope: of taylor_test, for plot.taylor.
    """

    ok: bool
    title: str
    diagnosis: str = ""
    lines: tuple = ()
    error: float = np.inf
    worst: tuple = ()
    steps: tuple = ()
    remainders: tuple = ()
    slope: float = np.nan

    def __bool__(self):
        return self.ok

    def __str__(self):
        text = [self.title]
        text += ["  " + line for line in self.lines]
        text += ["  => " + line for line in self.diagnosis.splitlines()]
        text = [textwrap.fill(line, 79, subsequent_indent="     ") for line in text]
        if self.worst and not self.ok:
            text += [
                f"  {'worst entries':<24}{'index':<13}{'analytic':>15}{'numeric':>15}{'error':>10}"
            ]
            text += [_row(entry) for entry in self.worst]
        return "\n".join(text)


def _row(entry):
    index = str(entry.index).replace(" ", "")
    numbers = f"{entry.analytic:>15.7g}{entry.numeric:>15.7g}{entry.error:>10.1e}"
    return f"  {entry.input[:23]:<24}{index[:12]:<13}{numbers}"


def check_gradients(
    f, *inputs, vjp=None, h=1e-5, tol=1e-7, samples=None, rng=None, raise_error=True
):
    """Compare the gradient of f in every entry of every input with a central difference, eq. (1.4),
    in float64.

    f: takes the inputs as Tensors and returns a Tensor of any shape. It is projected on a random
        cotangent u: compared is the gradient of sum(u * f), eq. (1.8), since a plain sum hides
        mistakes (the sum of a softmax is always 1). For an f of one number the report divides by u
        again, so that it shows the gradient of f itself.
    inputs: arrays or floats, made into Tensors; or Tensors, such as the parameters of a model,
        which are moved in place and put back, also after an exception. A Tensor without
        requires_grad is a constant.
    vjp: for a gradient written by hand. f then maps plain arrays to an array, and vjp(g, *inputs)
        returns the gradient of sum(g * f) in each input (several as a tuple); for a scalar f:
        lambda g, x: g * my_grad(x).
    h: the step; 1e-4 suits a whole loss of tens of nats better, eq. (1.6).
    tol: the largest error allowed.
    samples: check this many random entries of each input, and two random directions if those are
        not all.
    rng: for u, samples and directions; if left out, the same numbers at each call.
    raise_error: False to get the Report of a check that fails, in place of the exception.

    The error of an entry is |a - n| over max(|a|, |n|, the largest |n| of its input), eq. (1.11): a
    zero beside large entries may have their rounding, but where all entries are small, a small
    share of them still shows. |a - n| is taken less what n is uncertain by. At first that is the
    rounding of f, eq. (1.5). Where it leaves a doubt, n is extrapolated from several steps, with
    the scatter of f about a smooth curve as its rounding, and the most certain value counts.

    Returns a Report. Where a check passes but could not have failed (f ignores an input, is flat
    where it is looked at, or drowns in rounding), title and diagnosis say that nothing was shown.
    float32 always fails: it proves nothing. Raises GradientError, an AssertionError that carries
    the Report, if the check fails and raise_error is true; TypeError or ValueError for arguments of
    the wrong kind.
    """
    rng = _check_arguments(h, tol, samples, rng)
    fn = Function(f, inputs, vjp)
    try:
        with np.errstate(all="ignore"):
            u = _cotangent(fn.look(), rng)
            report = _compare_all(fn, u, h, tol, samples, rng)
    except Obstacle as obstacle:
        report = Report(False, "check_gradients FAILED: nothing could be compared", str(obstacle))
    if raise_error and not report.ok:
        raise GradientError(report)
    return report


def _check_arguments(h, tol, samples, rng):
    for name, value in ("h", h), ("tol", tol):
        if not isinstance(value, (int, float, np.number)) or not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number, got {value!r}")
    if samples is not None and (not isinstance(samples, (int, np.integer)) or samples < 1):
        raise ValueError(
            f"samples must be None, for all entries, or an integer of at least 1, got {samples!r}"
        )
    return _check_rng(rng)


def _check_rng(rng):
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a generator, such as np.random.default_rng(0), got {rng!r}")
    return np.random.default_rng(0) if rng is None else rng


def _cotangent(y, rng):
    """Random numbers of either sign, none near 0."""
    return rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape)


# Comparing: every input, then what to say about it.


def _compare_all(fn, u, h, tol, samples, rng):
    started = time.perf_counter()
    places = [places_of(fn.tensors[k].data, samples, rng) for k in fn.variables]
    patience = Patience(sum(map(len, places)))
    measured = []
    for k, a, at in zip(fn.variables, _of_variables(fn, fn.gradient(u)), places):
        d = Derivatives(k, fn.names[k], fn.tensors[k].data, a, at, tol)
        if d.right_shape:
            measure(fn, d, u, h, patience)
        measured.append(d)

    wrong = [d for d in measured if not d.ok]
    unseen = [d for d in measured if d.ok and d.x.size and not d.shows]
    for d in unseen:
        d.slope = slope_further_off(fn, d, u)
    if wrong:
        diagnosis = _explain(fn, u, measured, h)
    else:
        notes = [_too_large(d) for d in measured if d.coarse.any()]
        notes += [why_nothing_shows(fn, d, u) for d in unseen]
        diagnosis = "\n".join(notes)
    lines = _lines(fn, measured)
    if (seconds := time.perf_counter() - started) > 10 and samples is None:
        lines.append(f"this took {seconds:.0f} s: samples=50 checks a random part of each input")
    entries = sorted((e for d in measured for e in d.entries(u)), key=lambda e: -e.error)
    error = max(float(d.error.max(initial=0)) for d in measured)
    return Report(
        not wrong, _title(measured, wrong, unseen, error, tol), diagnosis, lines, error, entries[:5]
    )


def _explain(fn, u, measured, h):
    """What is wrong, in words: for an f of Tensors with the name of the rule, where one is found to
    be wrong."""
    remark = ""
    if any(result.dtype == np.float32 for result in fn.inside):
        return single_precision("inside f")
    if fn.vjp is None and any(d.surely_wrong for d in measured):
        diagnosis, remark = look_at_rules(fn, check_gradients)
        if diagnosis:
            return diagnosis
    lines = explain(fn, u, measured, h).splitlines()
    return "\n".join([*lines, remark]) if remark else "\n".join(lines)


def _of_variables(fn, grads):
    return [grads[k] for k in fn.variables]


def _title(measured, wrong, unseen, error, tol):
    if wrong:
        return f"check_gradients FAILED for {len(wrong)} of {len(measured)} inputs (tol {tol:g})"
    if unseen and len(unseen) == len(measured):
        return "check_gradients passed, but nothing was shown: no gradient could be told from zero"
    count = sum(len(d.places) for d in measured)
    title = (
        f"check_gradients passed: {count} derivatives, largest error {beyond(error)} (tol {tol:g})"
    )
    if unseen:
        title += f"; nothing was shown of {', '.join(d.name for d in unseen)}"
    return title


def _lines(fn, measured):
    found = {d.k: d.line() for d in measured}
    return [f"{name}: {found.get(k, 'a constant, not checked')}" for k, name in enumerate(fn.names)]


def _too_large(d):
    """The sentence for entries that only a step much smaller than h can measure."""
    steps = d.steps[d.coarse]
    where = d.where(np.flatnonzero(d.coarse)[0])
    h = 10.0 ** math.floor(math.log10(steps.min()))
    return (
        f"{d.name}: h is too large here: try h={h:.0e}. Near {where} f changes its slope within h,"
        " and the gradient agrees with smaller steps only"
    )


# The Taylor test.


def taylor_test(f, *inputs, rng=None):
    """The remainder |f(x + h v) - f(x) - h g.v| along a random direction v, which must fall as h^2,
    eq. (1.9).

    f, inputs, rng: as for check_gradients; f must be smooth. With a wrong gradient g the remainder
        falls as h, eq. (1.10). It is taken for h from 1e-2 to 1e-5, and read where it stands clear
        of the rounding of f.

    Returns a Report and raises nothing where the test fails: ok, slope (2, more if the curvature
    vanishes), steps, remainders, and a diagnosis that says so if f is affine, has a kink, or the
    remainder has sunk into rounding.
    """
    rng = _check_rng(rng)
    fn = Function(f, inputs)
    steps = 10.0 ** np.arange(-2, -5.1, -0.5)
    try:
        with np.errstate(all="ignore"):
            u = _cotangent(fn.look(), rng)
            v = [rng.standard_normal(fn.tensors[k].shape) for k in fn.variables]
            ahead = _rises(fn, u, v, steps)
            behind = _rises(fn, u, v, -steps)
            grads = _of_variables(fn, fn.gradient(u))
    except Obstacle as obstacle:
        return Report(False, "taylor_test FAILED: nothing could be compared", str(obstacle))

    predicted = sum(
        np.sum(g * d) for g, d in zip(grads, v) if g is not None
    )  # g.v, the rise per unit of h
    floor = 1e3 * EPS_MACHINE * np.sum(np.abs(u * fn.y)) + 1e-300
    remainder = np.abs(ahead - steps * predicted)
    slope = _last_slope(steps, remainder, floor)
    ok, diagnosis = _read_remainder(steps, ahead, behind, predicted, remainder, floor, slope)

    title = "taylor_test passed" if ok else "taylor_test FAILED"
    if np.isfinite(slope):
        title += f": the remainder falls as h^{slope:.3f}"
    lines = []
    for h, r in zip(steps, remainder):
        lines.append(f"h = {h:.1e}   remainder {r:.2e}" + ("" if r > floor else "   (rounding)"))
    return Report(
        ok, title, diagnosis, lines, steps=steps, remainders=remainder, slope=float(slope)
    )


def _rises(fn, u, v, steps):
    """How far sum(u * f) rises when all inputs move along v by each of the steps."""
    rise = lambda h: fn.moved([(k, ..., h * d) for k, d in zip(fn.variables, v)])[0] - fn.y.ravel()
    return np.array([u.ravel() @ rise(h) for h in steps])


def _last_slope(steps, values, floor):
    """The power of h by which the values fall at the smallest steps that stand clear of rounding;
    NaN if there are none."""
    clear = np.flatnonzero(values > floor)[-2:]
    if len(clear) < 2:
        return np.nan
    return np.diff(np.log(values[clear])).item() / np.diff(np.log(steps[clear])).item()


def _read_remainder(steps, ahead, behind, predicted, remainder, floor, slope):
    """The verdict and its reason. The second difference, ahead + behind, has no gradient in it: it
    shows what f itself does, whether the gradient is right or not."""
    bend = np.maximum(np.abs(ahead + behind), floor)
    falls = np.diff(np.log(bend)) / np.diff(np.log(steps))
    at_last = falls[bend[1:] > floor][-1:]
    if not np.isfinite(bend).all():
        return (
            False,
            "f is not finite within 0.01 of its inputs: move them away from the edge of its domain",
        )
    if falls.max() > 6 or (at_last < 1.7).any():
        return (
            False,
            (
                "f has a kink nearby, for its second difference does not fall as h^2: use tanh or"
                " softplus for relu"
            ),
        )
    if slope > 1.9:
        return True, ""
    if np.isfinite(slope):
        return False, "the gradient is wrong: check_gradients says in which entries"

    # The remainder has sunk into rounding. Was there a rise that could have shown a mistake?
    sunk = steps[remainder <= floor][0]
    if not (floor < 1e-5 * sunk * abs(predicted) or not (ahead.any() or predicted)):
        return (
            False,
            (
                "the remainder has sunk into rounding, and so has the rise that g predicts: nothing"
                " is shown"
            ),
        )
    if (remainder > floor).any():
        return (
            True,
            "the remainder has sunk into rounding at once, and g is right to 1e-5 or better",
        )
    return True, "f is affine along v: it has no remainder, and g is right"
