"""Is a gradient right? check_gradients compares it with finite differences and says what kind of mistake it sees;
taylor_test asks the same of the remainder of Taylor's formula.

The first part measures, the second explains. a is the analytic gradient, n the numeric one, u the cotangent.
"""

import dataclasses
import inspect
import math
import textwrap
from collections import namedtuple

import numpy as np

from ..autodiff import Tensor, no_grad
from .diagnosis import diagnose

EPS_MACHINE = np.finfo(float).eps
TOO_COARSE = 1e-4  # where n is less certain than this share of its size, other steps are tried
Entry = namedtuple("Entry", "input index analytic numeric error")


class GradientError(AssertionError):
    """A gradient check that failed: the message is the whole report, .report the Report itself."""

    def __init__(self, report):
        super().__init__(str(report))
        self.report = report


@dataclasses.dataclass
class Report:
    """What a check found: print it to read it. It counts as true where the check passed.

    ok: whether it passed. diagnosis: what it looks like, one line per input; "" if there is nothing to say. error: the
    largest error. worst: the five worst entries, as (input, index, analytic, numeric, error). lines: what was checked.
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
        text = [self.title, *("  " + line for line in self.lines), *("  => " + line for line in self.diagnosis.splitlines())]
        text = [textwrap.fill(line, 79, subsequent_indent="     ") for line in text]
        if self.worst and not self.ok:
            text.append(f"  {'worst entries':<24}{'index':<13}{'analytic':>15}{'numeric':>15}{'error':>10}")
            text += [f"  {name[:23]:<24}{str(i).replace(' ', '')[:12]:<13}{a:>15.7g}{n:>15.7g}{e:>10.1e}" for name, i, a, n, e in self.worst]
        return "\n".join(text)


def check_gradients(f, *inputs, vjp=None, h=1e-5, tol=1e-7, samples=None, rng=None, raise_error=True):
    """Compare the gradient of f in every entry of every input with a central difference, eq. (1.4), in float64.

    f: takes the inputs as Tensors and returns a Tensor of any shape. It is projected on a random cotangent u: compared is
        the gradient of sum(u * f), eq. (1.8), since a plain sum hides mistakes (the sum of a softmax is always 1). For
        an f of one number the report divides by u again, so that it shows the gradient of f itself.
    inputs: arrays or floats, made into Tensors; or Tensors, such as the parameters of a model, which are moved in place
        and put back, also after an exception. A Tensor without requires_grad is a constant.
    vjp: for a gradient written by hand. f then maps plain arrays to an array, and vjp(g, *inputs) returns the gradient of
        sum(g * f) in each input (several as a tuple); for the plain gradient of a scalar f: lambda g, x: g * my_grad(x).
    h: the step; 1e-4 suits a whole loss of tens of nats better, eq. (1.6). tol: the largest error allowed.
    samples: check this many random entries of each input, and two random directions if those are not all.
    rng: for u, samples and directions; if left out, the same numbers at each call.

    The error of an entry is |a - n| over max(|a|, |n|, the largest |n| of its input), eq. (1.11): a zero beside large
    entries may have their rounding, but where all entries are small, a small share of them still shows. |a - n| is taken
    less the rounding of f, at 4 eps_machine sum|u f| / 2h, eq. (1.5). Where the error is above tol, or that allowance too
    generous to see one, n is extrapolated from several other steps, and the most certain value counts.

    Returns a Report. Raises GradientError, an AssertionError that carries it, if the check fails and raise_error is true;
    TypeError or ValueError if f or the inputs are of the wrong kind. float32 always fails: it can prove nothing.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    probe, checks, diagnosis = _Probe(f, inputs, vjp), [], ""
    try:
        with np.errstate(all="ignore"):
            u = probe.cotangent(rng)
            grads = probe.gradient(u)
            checks = [_Check(probe, k, grads[k], u, h, tol, samples, rng) for k in probe.variables]
            bad = [c for c in checks if not c.ok]
            if bad:
                again, at_ones = probe.gradient(u), probe.gradient(np.ones_like(u))
                diagnosis = "\n".join(f"{c.name}: {diagnose(c, checks, probe, again[c.k], at_ones[c.k])}" for c in bad)
    except _Obstacle as obstacle:
        checks, diagnosis = [], str(obstacle)
    entries = sorted((e for c in checks for e in c.entries()), key=lambda e: -e.error)
    error = max((float(c.error.max(initial=0)) for c in checks), default=np.inf)
    title = "check_gradients " + ("FAILED: nothing could be compared" if not checks else
                                  f"FAILED for {len(bad)} of {len(checks)} inputs (tol {tol:g})" if bad else
                                  f"passed: {len(entries)} derivatives, largest error {_beyond(error)} (tol {tol:g})")
    done = {c.k: c.line() for c in checks}
    lines = [f"{name}: {done.get(k, 'a constant, not checked')}" for k, name in enumerate(probe.names) if checks]
    report = Report(not diagnosis, title, diagnosis, lines, error, entries[:5])
    if raise_error and not report.ok:
        raise GradientError(report)
    return report


def taylor_test(f, *inputs, rng=None):
    """The remainder |f(x + h v) - f(x) - h g.v| along a random direction v, which must fall as h^2, eq. (1.9).

    f, inputs, rng: as for check_gradients; f must be smooth. With a wrong gradient g the remainder falls as h, eq. (1.10).
    It is taken for h from 1e-2 to 1e-5, and read where it stands clear of the rounding of f.

    Returns a Report and raises nothing where the test fails: ok, slope (2, more if the curvature vanishes), steps,
    remainders, and a diagnosis that says so if f is affine, has a kink, or the remainder has sunk into rounding.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    probe, steps = _Probe(f, inputs), 10.0 ** np.arange(-2, -5.1, -0.5)
    try:
        with np.errstate(all="ignore"):
            u = probe.cotangent(rng)
            v = [rng.standard_normal(probe.tensors[k].shape) for k in probe.variables]
            moves = lambda h: [(probe.tensors[k].data, ..., h * d) for k, d in zip(probe.variables, v)]
            ahead, behind = (np.array([np.sum(u.ravel() * (probe.moved(moves(sign * h))[0] - probe.y.ravel())) for h in steps])
                             for sign in (1, -1))
            grads = probe.gradient(u)
    except _Obstacle as obstacle:
        return Report(False, "taylor_test FAILED: nothing could be compared", str(obstacle))
    rise = sum(np.sum(grads[k] * d) for k, d in zip(probe.variables, v) if grads[k] is not None)
    floor = 1e3 * EPS_MACHINE * np.sum(np.abs(u * probe.y)) + 1e-300
    remainder, bend = np.abs(ahead - steps * rise), np.maximum(np.abs(ahead + behind), floor)  # bend has no gradient in it
    clear, falls = remainder > floor, np.diff(np.log(bend)) / np.diff(np.log(steps))
    slope = np.diff(np.log(remainder[clear][-2:])).sum() / np.log(10**-0.5) if clear.sum() > 1 else np.nan
    ok, diagnosis = bool(slope > 1.9), "" if slope > 1.9 else "the gradient is wrong: check_gradients says in which entries"
    if not np.isfinite(bend).all():
        ok, diagnosis = False, "f is not finite within 0.01 of its inputs: move them away from the edge of its domain"
    elif falls.max() > 6 or (falls[bend[1:] > floor][-1:] < 1.7).any():
        ok, diagnosis = False, "f has a kink nearby, for its second difference does not fall as h^2: use tanh or softplus for relu"
    elif np.isnan(slope):
        ok = bool(floor < 1e-5 * steps[~clear][0] * abs(rise) or not (ahead.any() or rise))
        diagnosis = "the remainder has sunk into rounding, and so has the rise that g predicts: nothing is shown" if not ok else \
            "the remainder has sunk into rounding at once, and g is right to 1e-5 or better" if clear.any() else \
            "f is affine along v: it has no remainder, and g is right"
    title = f"taylor_test {'passed' if ok else 'FAILED'}" + ("" if np.isnan(slope) else f": the remainder falls as h^{slope:.3f}")
    lines = [f"h = {h:.1e}   remainder {r:.2e}{'' if r > floor else '   (rounding)'}" for h, r in zip(steps, remainder)]
    return Report(ok, title, diagnosis, lines, steps=steps, remainders=remainder, slope=float(slope))


class _Obstacle(Exception):
    """A reason why nothing can be compared; it becomes the diagnosis."""


class _Probe:
    """f at its inputs: its value, its analytic gradient, and how it changes when an input is moved."""

    def __init__(self, f, inputs, vjp=None):
        self.f, self.vjp, self.tensors = f, vjp, [_as_tensor(i, x, by_hand=vjp is not None) for i, x in enumerate(inputs)]
        code = getattr(inspect.unwrap(f), "__code__", None)
        known = code.co_varnames[:code.co_argcount] if code and not inspect.ismethod(f) else ()
        self.names = [t.name or (known[i] if i < len(known) else f"input {i}") for i, t in enumerate(self.tensors)]
        self.variables = [k for k, t in enumerate(self.tensors) if t.requires_grad]
        if not self.variables:
            raise ValueError("there is no input to differentiate f in: pass arrays, or Tensors with requires_grad=True")

    def arrays(self):
        return [t.data.copy() for t in self.tensors]  # copies, since code written by hand may write into them

    def value(self):
        with no_grad():
            y = self.f(*(self.tensors if self.vjp is None else self.arrays()))
        if isinstance(y, Tensor) != (self.vjp is None) or np.result_type(getattr(y, "dtype", type(y))).kind != "f":
            raise TypeError(f"f returned {getattr(y, 'dtype', type(y))}: without vjp= it must return one Tensor of floats, made by "
                            f"operations on its inputs (no .data, no float()); with vjp= an array of floats")
        return np.array(y.data if isinstance(y, Tensor) else y)  # a copy, since y may be a view of an input

    def cotangent(self, rng):
        """A random cotangent with no entry near 0, provided that f is one that differences can work with."""
        y = self.y = self.value()
        single = [self.names[k] for k in self.variables if self.tensors[k].dtype == np.float32]
        if single or y.dtype == np.float32:
            raise _Obstacle(f"float32 ({', '.join(single) or 'the result of f'}): differences of float32 numbers are mostly "
                            f"noise. Check in float64: x.astype(np.float64), or dtype=np.float64 for a model")
        if not np.isfinite(y).all():
            raise _Obstacle(f"f is not finite: {np.sum(~np.isfinite(y))} of its {y.size} values are NaN or infinite")
        again = self.value()
        if again.shape != y.shape or np.abs(again - y).max(initial=0) > 1e-12 * np.abs(y).max(initial=0):
            raise _Obstacle("f gives another value when it is called again: it draws fresh noise at each call (make the "
                            "generator anew inside f), or it changes something that it depends on")
        return rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape)

    def gradient(self, g):
        """The analytic gradient of sum(g * f) in each input; None where none arrived."""
        if self.vjp is not None:
            grads = self.vjp(g.copy(), *self.arrays())
            grads = grads if isinstance(grads, tuple) or isinstance(grads, list) and len(self.tensors) > 1 else (grads,)
            if len(grads) != len(self.tensors):
                raise _Obstacle(f"vjp returned {len(grads)} gradient(s), and there are {len(self.tensors)} inputs")
            return [None if a is None else np.array(a) for a in grads]
        before = [t.grad for t in self.tensors]
        try:
            for t in self.tensors:
                t.grad = None
            y = self.f(*self.tensors)
            if y.requires_grad:
                y.backward(g)
            return [t.grad for t in self.tensors]
        except ValueError as error:  # the engine names a rule that returned a wrong shape
            raise _Obstacle(str(error)) from error
        finally:
            for t, grad in zip(self.tensors, before):
                t.grad = grad

    def moved(self, moves):
        """f(x + step) with x[where] += step for the (x, where, step) in moves, and the steps as realised, eq. (1.7)."""
        before = [x[where].copy() for x, where, _ in moves]
        try:
            for x, where, step in moves:
                x[where] += step
            return self.value().ravel(), [x[where] - old for (x, where, _), old in zip(moves, before)]
        finally:
            for (x, where, _), old in zip(moves, before):
                x[where] = old

    def slopes(self, k, where, v, h, cotangents):
        """For input k moved at `where` along v, v.v = 1: the central difference of c.f for each cotangent c, eq. (1.4);
        the rounding in the first of them, eq. (1.5); and the two one-sided differences of the first, eq. (1.3)."""
        x, y, c = self.tensors[k].data, self.y.ravel(), cotangents[0]
        (high, (up,)), (low, (down,)) = (self.moved([(x, where, step * v)]) for step in (h, -h))
        up, down, changed = np.sum(up * v), -np.sum(down * v), high != low
        if not up > 0 < down:
            raise ValueError(f"the step h = {h:g} is lost in the rounding of {x[where]} in {self.names[k]}: pass a larger h")
        size = np.abs(c) * np.maximum(np.abs(high), np.abs(low))
        rounding = 4 * EPS_MACHINE * np.sum(size[changed if changed.any() else ...]) / (up + down)
        return cotangents @ (high - low) / (up + down), rounding, c @ (high - y) / up, c @ (y - low) / down


def _as_tensor(i, x, by_hand):
    if isinstance(x, Tensor) and by_hand:
        raise TypeError(f"with vjp=, f and vjp work on plain arrays: pass input {i} as its .data")
    if not isinstance(x, Tensor):
        if np.asarray(x).dtype.kind != "f":
            raise TypeError(f"input {i} holds {np.asarray(x).dtype}, which has no gradient: write 1.0 for 1, or keep it out of f's inputs")
        return Tensor(np.array(x), requires_grad=True)
    if x.requires_grad and not x.data.flags.writeable:
        raise ValueError(f"input {i} is read-only{f', the result of {x.op},' * bool(x.op)} and cannot be moved by h: pass a leaf "
                         f"of its own, Tensor(t.data.copy(), requires_grad=True)")
    return x


def _noise(steps, walks):
    """The standard deviation of the noise in f, from its high differences on each side of an entry. They hold little else;
    the least is taken over the orders, which rids it of curvature, and over the sides, which rids it of a kink."""
    found = []
    for s, walk in zip(steps, walks):
        sides = [[s * j * quotients[side] for j, quotients in enumerate(walk, 1)] for side in (2, 3)]
        found.append(min(np.sqrt(np.mean(np.diff(side, k) ** 2) / math.comb(2 * k, k)) for side in sides for k in (4, 5, 6, 7)))
    return np.nan_to_num(sorted(found)[1] or max(found))  # at a small step rounding can hide it, at a large one curvature


def _beyond(error):
    return f"{error:.1e}" if error else "below rounding"


class _Check:
    """Input k: its analytic and numeric derivatives at the checked entries (and directions), and where the two differ.

    n has one row per cotangent: u, and for the diagnosis all ones, and u on the first row of the output alone.
    """

    def __init__(self, probe, k, a, u, h, tol, samples, rng):
        self.k, self.name, self.x, self.missing, self.tol = k, probe.names[k], probe.tensors[k].data, a is None, tol
        self.a, size = np.zeros(self.x.shape) if a is None else a, self.x.size
        chosen = range(size) if samples is None or samples >= size else np.sort(rng.choice(size, samples, replace=False))
        self.index = [tuple(map(int, np.unravel_index(i, self.x.shape))) for i in chosen]
        directions = [rng.choice([-1.0, 1.0], self.x.shape) / size**0.5 for _ in range(2)] if len(chosen) < size else []
        self.places = [(index, 1.0) for index in self.index] + [(..., v) for v in directions]
        self.unit = u.item() if u.size == 1 else 1.0
        in_first_row = np.arange(u.size) < (u[0].size if u.size and u.ndim else 1)
        cotangents = np.array([u.ravel(), np.ones(u.size), u.ravel() * in_first_row])
        slopes = lambda i, step: probe.slopes(k, *self.places[i], step, cotangents)

        measured = [slopes(i, h)[:2] for i in range(len(self.places))]
        self.n = np.array([n for n, _ in measured]).reshape(-1, 3).T
        self.noise = np.array([rounding for _, rounding in measured])
        self.error, (self.kink, self.outside, self.unsettled) = np.full(len(measured), np.inf), np.zeros((3, len(measured)), bool)
        self.ok = self.right_shape = self.a.shape == self.x.shape
        if self.right_shape:
            self.at = np.array([np.sum(self.a[where] * v) for where, v in self.places])
            self.compare()
            doubtful, still = np.flatnonzero((self.error > tol) | (self.noise > TOO_COARSE * self.size)), 0
            for done, i in enumerate(doubtful[np.argsort(-self.error[doubtful])]):
                if still == 10 or done > 10 and self.error[i] <= tol:
                    break  # 10 are evidence enough
                still += self.refine(i, h, slopes)
            self.compare()
            self.ok = not (self.unsettled | (self.error > tol)).any()

    def compare(self):
        """The error of each entry, eq. (1.11), and the size that it is a share of."""
        a, n = np.abs(self.at), np.abs(self.n[0])
        self.size = np.maximum(np.maximum(a, n), n.max(initial=0))
        beyond = np.maximum(np.abs(self.at - self.n[0]) - self.noise, 0)
        self.error = np.where(beyond == 0, 0, np.nan_to_num(beyond / self.size, nan=np.inf))

    def refine(self, i, h, slopes):
        """Replace n by the most certain of three extrapolations, each from two steps; look for noise, a jump and a kink.
        Returns whether a and n still differ."""
        steps = (h, h / 32, 32 * h)
        walks = [[slopes(i, j * s) for j in range(1, 11)] for s in steps]
        noise = max(_noise(steps, walks), walks[0][0][1] * h / 2)
        tries = []
        for s, ((near, rounding, *_), (far, *_), *_) in zip(steps, walks):
            doubt = abs(near[0] - far[0]) + rounding + 20 * noise / s
            tries.append((np.nan_to_num(doubt, nan=np.inf), (4 * near - far) / 3))
        self.noise[i], self.n[:, i] = min(tries, key=lambda t: t[0])
        # The slopes on the two sides: where f is smooth they come together with the step, at a kink, eq. (1.12), they do not.
        (_, rounding, *slope), (_, _, *closer) = walks[0][0], walks[1][0]
        gap, smaller = np.ptp(slope), np.ptp(closer)
        noisy, jump = noise / h > 2e6 * rounding, smaller > 4 * gap + 400 * noise / h  # noisy: beyond 1e-9 of the value of f
        apart = abs(self.at[i] - self.n[0, i])
        self.unsettled[i] = min(self.noise[i] / TOO_COARSE, apart / self.tol) > self.size[i] and (noisy or jump)
        self.kink[i] = gap > 1e-3 * self.size[i] + 20 * noise / h and not (gap / 64 < smaller < gap / 16 or self.unsettled[i]) \
            and apart > self.noise[i]
        self.outside[i] = self.kink[i] and not min(slope) <= self.at[i] + gap / 1e3 <= max(slope) + gap / 500
        return apart > self.noise[i] + self.tol * self.size[i]

    def entries(self):
        where = [*self.index, *["direction"] * (len(self.places) - len(self.index))] if self.right_shape else []
        return [Entry(self.name, i, float(self.at[j] / self.unit), float(self.n[0, j] / self.unit), float(self.error[j]))
                for j, i in enumerate(where)]

    def line(self):
        some = f"{len(self.index)} of " * (len(self.index) < self.x.size)
        found = "all wrong" if not self.right_shape else f"{np.sum(self.error > self.tol)} wrong" if not self.ok else \
            "all zero, for f does not change with it" if self.x.size and not self.at.any() else f"error {_beyond(self.error.max(initial=0))}"
        return f"shape {self.x.shape}, {some}{self.x.size} entries{' and 2 directions' if some else ''}, {found}"
