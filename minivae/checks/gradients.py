"""Is a gradient right? check_gradients compares it with finite differences, taylor_test with
Taylor's formula.

This page measures. What a mistake looks like is told by diagnosis.py, from what is measured here.
"""

import dataclasses
import math
import textwrap
import time
from collections import namedtuple

import numpy as np

from ..screen.progress import Progress
from .diagnosis import explain, why_nothing_shows
from .function import Function, Obstacle, single_precision
from .rules import look_at_rules

EPS_MACHINE = np.finfo(float).eps
# where a numeric derivative is less certain than this share of its size, other steps are tried
VAGUE = 1e-4
BLIND = 0.1  # where it is less certain than this share, it shows nothing
NOISE = (
    1e-9  # a share of f: rounding in float64 stays below it, float32 and a stopped iteration do not
)
Entry = namedtuple("Entry", "input index analytic numeric error")


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
    places = [_places(fn.tensors[k].data, samples, rng) for k in fn.variables]
    patience = _Patience(sum(map(len, places)))
    measured = []
    for k, a, at in zip(fn.variables, _of_variables(fn, fn.gradient(u)), places):
        d = Derivatives(k, fn.names[k], fn.tensors[k].data, a, at, tol)
        if d.right_shape:
            _measure(fn, d, u, h, patience)
        measured.append(d)

    wrong = [d for d in measured if not d.ok]
    unseen = [d for d in measured if d.ok and d.x.size and not d.shows]
    for d in unseen:
        d.slope = _slope_further_off(fn, d, u)
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
        f"check_gradients passed: {count} derivatives, largest error {_beyond(error)} (tol {tol:g})"
    )
    if unseen:
        title += f"; nothing was shown of {', '.join(d.name for d in unseen)}"
    return title


def _lines(fn, measured):
    found = {d.k: d.line() for d in measured}
    return [f"{name}: {found.get(k, 'a constant, not checked')}" for k, name in enumerate(fn.names)]


def _beyond(error):
    return f"{error:.1e}" if error else "below rounding"


def _too_large(d):
    """The sentence for entries that only a step much smaller than h can measure."""
    steps = d.steps[d.coarse]
    where = d.where(np.flatnonzero(d.coarse)[0])
    h = 10.0 ** math.floor(math.log10(steps.min()))
    return (
        f"{d.name}: h is too large here: try h={h:.0e}. Near {where} f changes its slope within h,"
        " and the gradient agrees with smaller steps only"
    )


@dataclasses.dataclass
class Derivatives:
    """The derivatives of sum(u * f) in input k, analytic and numeric, one for each place that is
    looked at.

    k, name, x: which input, what it is called, and its array.
    gradient: its whole analytic gradient; None if none arrived.
    places: where x is moved, as (index, 1.0), or (..., v) for a direction v of length 1.
    tol: the error allowed.
    analytic, numeric: the derivatives. doubt: what the numeric ones are uncertain by. steps: the
        steps behind them.
    slope: how steep f is over longer ways, where nothing else was shown.
    kink, outside: f has no derivative there; and the analytic value is not between the slopes on
        the two sides.
    unsettled: no step gives an answer, for f is noisy or jumps. coarse: h is too large there.
    """

    k: int
    name: str
    x: np.ndarray
    gradient: np.ndarray
    places: list
    tol: float

    def __post_init__(self):
        count = len(self.places)
        self.missing = self.gradient is None
        if self.missing:
            self.gradient = np.zeros(self.x.shape)
        self.right_shape = self.gradient.shape == self.x.shape
        if self.right_shape:
            self.analytic = np.array([np.sum(self.gradient[where] * v) for where, v in self.places])
        self.numeric = np.full(count, np.nan)
        self.doubt = np.zeros(count)
        self.steps = np.zeros(count)
        self.kink, self.outside, self.unsettled, self.coarse = np.zeros((4, count), bool)
        self.slope = None

    @property
    def index(self):
        """The entries among the places; directions come after them."""
        return [where for where, _ in self.places if where is not ...]

    @property
    def size(self):
        """What the error of each place is a share of, eq. (1.11)."""
        a, n = (
            np.nan_to_num(np.abs(values), nan=0, posinf=0)
            for values in (self.analytic, self.numeric)
        )
        return np.maximum(np.maximum(a, n), n.max(initial=0))

    @property
    def error(self):
        """The error of each place, eq. (1.11), beyond what the numeric derivative is uncertain
        by."""
        if not self.right_shape:
            return np.full(len(self.places), np.inf)
        beyond = np.maximum(np.abs(self.analytic - self.numeric) - self.doubt, 0)
        return np.where(beyond == 0, 0, np.nan_to_num(beyond / self.size, nan=np.inf))

    @property
    def ok(self):
        return self.right_shape and not (self.unsettled | (self.error > self.tol)).any()

    @property
    def surely_wrong(self):
        return self.right_shape and bool(
            ((self.error > self.tol) & ~self.kink & ~self.unsettled).any()
        )

    @property
    def shows(self):
        """Whether a wrong gradient would have been seen."""
        return bool((self.doubt < BLIND * self.size).any())

    def where(self, i):
        return "a direction" if self.places[i][0] is ... else self.places[i][0]

    def entries(self, u):
        unit = u.item() if u.size == 1 else 1.0
        names = [
            str(self.where(i)).removeprefix("a ") if w is ... else w
            for i, (w, _) in enumerate(self.places)
        ]
        if not self.right_shape:
            return []
        numbers = zip(names, self.analytic / unit, self.numeric / unit, self.error)
        return [
            Entry(self.name, where, float(a), float(n), float(error))
            for where, a, n, error in numbers
        ]

    def line(self):
        some = len(self.index) < self.x.size
        count = (
            f"{len(self.index)} of {self.x.size} entries and 2 directions"
            if some
            else f"{self.x.size} entries"
        )
        if not self.right_shape:
            found = "all wrong"
        elif not self.ok:
            found = f"{np.sum(self.error > self.tol)} wrong"
        elif self.x.size and self.slope == 0:
            found = "all zero, for f does not change with it"
        elif self.x.size and not self.shows:
            found = "nothing shown"
        else:
            found = f"error {_beyond(self.error.max(initial=0))}"
        return f"shape {self.x.shape}, {count}, {found}"


# Measuring: one central difference per place; where it leaves a doubt, several.


def _places(x, samples, rng):
    chosen = range(x.size)
    directions = []
    if samples is not None and samples < x.size:
        chosen = np.sort(rng.choice(x.size, samples, replace=False))
        directions = [(..., rng.choice([-1.0, 1.0], x.shape) / x.size**0.5) for _ in range(2)]
    return [(tuple(map(int, np.unravel_index(i, x.shape))), 1.0) for i in chosen] + directions


def _measure(fn, d, u, h, patience):
    """Fill in the numeric derivatives of d, and what is to be said about each."""
    for i, place in enumerate(d.places):
        d.numeric[i], d.doubt[i] = _central(fn, d.k, place, h, u)
        d.steps[i] = h
        patience.one_more()

    # Look again where the gradient seems wrong, the worst first, and where rounding could hide that
    # it is.
    again = np.flatnonzero((d.error > d.tol) | (d.doubt > VAGUE * d.size))
    wrong = []
    blind = []
    for i in again[np.argsort(-d.error[again], kind="stable")]:
        if len(blind) == 10:  # ten are evidence enough: rounding is no smaller elsewhere
            d.doubt[i] = max(d.doubt[i], d.doubt[blind].max())
        elif len(wrong) < 10 or d.error[i] <= d.tol:
            _settle(fn, d, i, h, u)
            if d.error[i] > d.tol:
                wrong.append(i)
            elif d.doubt[i] > BLIND * d.size[i]:
                blind.append(i)


def _central(fn, k, place, h, u):
    """The derivative of sum(u * f) at a place by eq. (1.4), and its rounding as estimated from the
    size of f, eq. (1.5)."""
    where, v = place
    high, (up,) = fn.moved([(k, where, h * v)])
    low, (down,) = fn.moved([(k, where, -h * v)])
    taken = np.sum(up * v) - np.sum(down * v)
    if not np.sum(up * v) > 0 > np.sum(down * v):
        x = fn.tensors[k].data[where]
        raise ValueError(
            f"the step h = {h:g} is lost in the rounding of {x} in {fn.names[k]}: pass a larger h"
        )
    changed = high != low
    size = np.abs(u.ravel()) * np.maximum(np.abs(high), np.abs(low))
    rounding = 4 * EPS_MACHINE * np.sum(size[changed if changed.any() else ...])
    return u.ravel() @ (high - low) / taken, rounding / taken


Walk = namedtuple("Walk", "step near far left right scatter values")
FEW = 7
SIDE = np.arange(1, 11)
CURVE, _ = np.linalg.qr(np.vander(SIDE / 10, 4))  # the cubic polynomials at ten points


def _walk(fn, k, place, step, u):
    """Walk from a place in ten steps to either side and look at sum(u * f) on the way.

    near, far: the central differences over one step and over two. left, right: the differences on
        either side.
    scatter: how far f scatters about a cubic on either side. That is its rounding, and what a cubic
        cannot follow.
    values: how many different values f takes on the way. Where they are few, rounding may hide what
        f does.
    """
    where, v = place
    rises = {}
    moved = {}
    for j in (*SIDE, *-SIDE):
        y, (taken,) = fn.moved([(k, where, j * step * v)])
        rises[j] = u.ravel() @ (y - fn.y.ravel())
        moved[j] = np.sum(taken * v)
        if j == 1:
            changed = y != fn.y.ravel()
    near = (rises[1] - rises[-1]) / (moved[1] - moved[-1])
    far = (rises[2] - rises[-2]) / (moved[2] - moved[-2])
    sides = [np.array([rises[sign * j] for j in SIDE]) for sign in (1, -1)]
    scatter = [
        np.linalg.norm(side - CURVE @ (CURVE.T @ side)) / math.sqrt(10 - 4) for side in sides
    ]
    values = len({*rises.values()})
    least = EPS_MACHINE * np.sum(np.abs(u * fn.y).ravel()[changed if changed.any() else ...])
    if values < FEW:
        least = max(least, 100 * EPS_MACHINE * np.sum(np.abs(u)) * fn.size_nearby)
    return Walk(
        step, near, far, rises[-1] / moved[-1], rises[1] / moved[1], max(*scatter, least), values
    )


def _settle(fn, d, i, h, u):
    """Find the step that tells most about place i of d: not so large that f bends, nor so small
    that rounding drowns it."""
    walk = lambda step: _walk(fn, d.k, d.places[i], step, u)
    walks = [walk(32 * h), walk(h), walk(h / 32)]
    scale = np.sum(np.abs(u)) * fn.size_inside
    while len(walks) < 8 and _goes_on(walks, d.size[i], scale):
        walks.append(walk(walks[-1].step / 32))
    rounding = min((w.scatter for w in walks if w.values > 1), default=0)
    hidden = min(
        rounding, 1000 * EPS_MACHINE * scale
    )  # what rounding may hide where f does not seem to change
    best = _best(
        [w if w.values >= FEW else w._replace(scatter=max(w.scatter, hidden)) for w in walks]
    )
    d.numeric[i] = _slope(best)
    d.doubt[i] = _doubt(best)
    d.steps[i] = best.step

    # What kind of place is this?
    size = d.size[i]
    apart = abs(d.analytic[i] - d.numeric[i])
    gaps = [abs(w.right - w.left) for w in walks[-2:]]
    blur = 20 * walks[-1].scatter / walks[-1].step
    jumps = gaps[1] > 4 * gaps[0] + 20 * blur
    noisy = rounding > NOISE * scale
    d.unsettled[i] = min(d.doubt[i] / VAGUE, apart / d.tol) > size and (jumps or noisy)
    parted = (
        gaps[1] > 1e-3 * size + blur and gaps[1] > gaps[0] / 8
    )  # eq. (1.12): smooth sides come together
    d.kink[i] = parted and not d.unsettled[i] and apart > d.doubt[i]
    slopes = sorted([walks[-1].left, walks[-1].right])
    d.outside[i] = (
        d.kink[i] and not slopes[0] <= d.analytic[i] + gaps[1] / 1e3 <= slopes[1] + gaps[1] / 500
    )
    would_do = [w.step for w in walks if abs(w.near - d.numeric[i]) < 1e-3 * size + d.doubt[i]]
    d.coarse[i] = would_do and max(would_do) < h / 100 and not d.kink[i] and not d.unsettled[i]
    if d.coarse[i]:
        d.steps[i] = max(would_do)


def _slope(walk):
    return (4 * walk.near - walk.far) / 3  # the h^2 of eq. (1.4) cancels


def _doubt(walk):
    """What the slope of a walk is uncertain by: f bends on the way, eq. (1.4), and is rounded, eq.
    (1.5)."""
    doubt = abs(walk.near - walk.far) + 20 * walk.scatter / walk.step
    return doubt if np.isfinite(doubt) else np.inf


def _best(walks):
    """The least doubtful walk, of those that no walk with smaller steps contradicts."""
    agree = lambda w, v: not abs(_slope(w) - _slope(v)) > _doubt(w) + _doubt(v)
    standing = [w for w in walks if all(agree(w, v) for v in walks if v.step < w.step)]
    return min(standing, key=_doubt)


def _goes_on(walks, size, scale):
    """Whether smaller steps may still tell more: f bends, or has no value, or scatters more than
    rounding explains."""
    last = walks[-1]
    alone = last.values >= FEW and all(w.values < FEW for w in walks[:-1])
    if not np.isfinite(last.near) or last.scatter > NOISE * scale or alone:
        return True
    seen = 1e-3 * size + 20 * last.scatter / last.step
    gap, before = (abs(w.right - w.left) for w in (last, walks[-2]))
    return (
        abs(last.near - last.far) > seen or gap > seen and gap > before / 8
    )  # smooth sides come together


def _slope_further_off(fn, d, u):
    """How steep f is over a way of 0.01 in input d, or over a longer one; 0 if f does not change at
    all."""
    rng = np.random.default_rng(0)
    slopes = []
    for reach in (0.01, 0.1, 1.0, 10.0):
        y, _ = fn.moved([(d.k, ..., reach * rng.standard_normal(d.x.shape))])
        slopes.append(np.sum(np.abs(u.ravel() * (y - fn.y.ravel()))) / reach)
    return next((slope for slope in np.nan_to_num(slopes, nan=1.0) if slope > 0), 0.0)


class _Patience:
    """A line on the terminal once a check has taken a second: how far it is, and what would be
    quicker."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.started = time.perf_counter()
        self.line = None

    def one_more(self):
        self.done += 1
        seconds = time.perf_counter() - self.started
        if seconds < 1:
            return
        if self.line is None:
            self.line = Progress()
        left = seconds / self.done * (self.total - self.done)
        quicker = ", samples=50 is quicker" if left > 10 else ""
        self.line(
            f"check_gradients: {self.done} of {self.total}, {left:.0f} s to go{quicker}",
            self.done / self.total,
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
