"""Is a gradient right? check_gradients compares it with finite differences and says what kind of mistake it sees;
taylor_test asks the same of the remainder of Taylor's formula.

The first part measures, the second explains. a is the analytic gradient, n the numeric one, u the cotangent.
"""

import contextlib
import dataclasses
import inspect
import textwrap
from collections import namedtuple

import numpy as np

from .autodiff import Tensor, no_grad

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
    lines: list = dataclasses.field(default_factory=list)
    error: float = np.inf
    worst: list = dataclasses.field(default_factory=list)
    steps: list = dataclasses.field(default_factory=list)
    remainders: list = dataclasses.field(default_factory=list)
    slope: float = np.nan

    def __bool__(self):
        return self.ok

    def __str__(self):
        text = [("", self.title), *(("  ", line) for line in self.lines), *(("  => ", d) for d in self.diagnosis.splitlines())]
        text = [textwrap.fill(line, 79, initial_indent=indent, subsequent_indent="     ") for indent, line in text]
        if self.worst and not self.ok:
            text.append(f"  {'worst entries':<24}{'index':<13}{'analytic':>15}{'numeric':>15}{'error':>10}")
            text += [f"  {e.input[:23]:<24}{e.index[:12]:<13}{e.analytic:>15.7g}{e.numeric:>15.7g}{e.error:>10.1e}"
                     for e in self.worst]
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
    checks, diagnosis = [], ""
    try:
        with np.errstate(all="ignore"):
            probe = _Probe(f, inputs, vjp)
            u = probe.cotangent(rng)
            grads = probe.gradient(u)
            checks = [_Check(probe, k, grads[k], u, h, tol, samples, rng) for k in probe.variables]
            if not all(c.ok for c in checks):
                probe.grads_at_ones = probe.gradient(np.ones_like(u))
                diagnosis = "\n".join(f"{c.name}: {_diagnose(c, checks, probe)}" for c in checks if not c.ok)
    except _Obstacle as obstacle:
        diagnosis = str(obstacle)
    entries = sorted((e for c in checks for e in c.entries()), key=lambda e: -e.error)
    error = max((c.error.max(initial=0) for c in checks), default=np.inf)
    title = (f"check_gradients passed: {len(entries)} entries, largest error {error:.1e} (tol {tol:g})." if not diagnosis else
             f"check_gradients FAILED: {sum(not c.ok for c in checks)} of {len(checks)} inputs differ from central differences "
             f"(tol {tol:g})." if checks else "check_gradients FAILED: nothing could be compared.")
    lines = [c.line() for c in checks] + [f"{name}: a constant, not checked" for name in (probe.constants if checks else ())]
    report = Report(not diagnosis, title, diagnosis, lines, error, entries[:5])
    if raise_error and not report.ok:
        raise GradientError(report)
    return report


def taylor_test(f, *inputs, rng=None):
    """The remainder |f(x + h v) - f(x) - h g.v| along a random direction v, which must fall as h^2, eq. (1.9).

    f, inputs, rng: as for check_gradients; f must be smooth. With a wrong gradient g the remainder falls as h, eq. (1.10).
    It is taken for h from 1e-2 to 1e-5, and read where it stands clear of the rounding of f.

    Returns a Report and raises nothing where the test fails: ok, slope (above 1.9 if g is right), steps, remainders, and
    a diagnosis that says so if f is affine, if it has a kink, or if the remainder has sunk into rounding.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    steps = 10.0 ** np.arange(-2, -5.1, -0.5)
    try:
        with np.errstate(all="ignore"):
            probe = _Probe(f, inputs)
            u = probe.cotangent(rng)
            arrays = [probe.tensors[k].data for k in probe.variables]
            v = [rng.standard_normal(x.shape) for x in arrays]
            ahead, behind = (np.array([probe.along(arrays, v, sign * h, u) for h in steps]) for sign in (1, -1))
            grads = probe.gradient(u)
            rise = sum(np.sum(grads[k] * d) for k, d in zip(probe.variables, v) if grads[k] is not None)
    except _Obstacle as obstacle:
        return Report(False, "taylor_test FAILED: nothing could be compared.", str(obstacle))
    floor = 1e3 * EPS_MACHINE * np.sum(np.abs(u * probe.y))
    remainder, bend = np.abs(ahead - steps * rise), np.abs(ahead + behind)  # bend: what no gradient, right or wrong, enters
    clear = remainder > floor
    slope = np.polyfit(np.log(steps[clear][-4:]), np.log(remainder[clear][-4:]), 1)[0] if clear.sum() > 2 else np.nan
    falls = np.log10(bend[:-1] / np.maximum(bend[1:], floor))[bend[:-1] > floor] / 0.5
    share = floor / (steps[~clear][0] * abs(rise)) if not clear.all() and rise else 0.0
    if not np.isfinite(remainder).all():
        ok, diagnosis = False, "f is not finite within 0.01 of its inputs: move them away from the edge of its domain"
    elif ((falls < 1.7) & (bend[1:] > floor)[bend[:-1] > floor] | (falls > 6)).any():
        ok, diagnosis = False, ("f has a kink near its inputs (its second difference does not fall as h^2): use a smooth f, "
                                "such as tanh or softplus for relu")
    elif clear.sum() > 2:
        ok, diagnosis = slope > 1.9, "" if slope > 1.9 else (
            f"the remainder falls as h^{slope:.2f}, not as h^2: the gradient is wrong; check_gradients says in which entries")
    elif share < 1e-5:
        ok, diagnosis = True, "f is affine along v: there is no remainder" if not clear.any() else (
            f"the remainder has sunk into rounding: f is so nearly affine that no slope shows, and g is right to {share:.0e}")
    else:
        ok, diagnosis = False, "the remainder has sunk into rounding, and so has what the gradient predicts: nothing is proved"
    title = f"taylor_test {'passed' if ok else 'FAILED'}" + (f": the remainder falls as h^{slope:.3f}" if clear.sum() > 2 else "")
    lines = [f"h = {h:.1e}   remainder {r:.2e}{'' if r > floor else '   (rounding)'}" for h, r in zip(steps, remainder)]
    return Report(bool(ok), title, diagnosis, lines, steps=steps.tolist(), remainders=remainder.tolist(), slope=float(slope))


class _Obstacle(Exception):
    """A reason why nothing can be compared; it becomes the diagnosis."""


class _Probe:
    """f at its inputs: its value, its analytic gradient, and what it does when an input is moved."""

    def __init__(self, f, inputs, vjp=None):
        self.f, self.vjp = f, vjp
        self.tensors = [_as_tensor(i, x, by_hand=vjp is not None) for i, x in enumerate(inputs)]
        try:
            known = [p.name for p in inspect.signature(f).parameters.values() if p.kind <= p.POSITIONAL_OR_KEYWORD]
        except (TypeError, ValueError):
            known = []
        known += [None] * len(inputs)
        self.short = [t.name or name or f"input {i}" for i, (t, name) in enumerate(zip(self.tensors, known))]
        self.names = [s if s == f"input {i}" or self.tensors[i].name else f"input {i} ({s})" for i, s in enumerate(self.short)]
        self.variables = [k for k, t in enumerate(self.tensors) if t.requires_grad]
        self.constants = [name for name, t in zip(self.names, self.tensors) if not t.requires_grad]
        if not self.variables:
            raise ValueError("there is no input to differentiate f in: pass arrays, or Tensors with requires_grad=True")

    def value(self):
        if self.vjp is None:
            with no_grad():
                y = self.f(*self.tensors)
        else:
            y = self.f(*(t.data.copy() for t in self.tensors))  # copies, so that f may write into them
        if isinstance(y, Tensor) != (self.vjp is None):
            raise TypeError(f"f returned a {type(y).__name__}: without vjp= it must return one Tensor, made by operations on "
                            f"its inputs (no .data, no float()); with vjp= it must return a plain array")
        y = y.data if self.vjp is None else np.asarray(y)
        if y.dtype.kind != "f":
            raise TypeError(f"f must return floats, and returned {y.dtype} of shape {y.shape}")
        return y

    def cotangent(self, rng):
        """A random cotangent, bounded away from 0, for an f that differences can work with."""
        y = self.y = self.value()
        single = [self.names[k] for k in self.variables if self.tensors[k].dtype == np.float32]
        if single or y.dtype == np.float32:
            raise _Obstacle(f"float32 ({', '.join(single) or 'the result of f'}): differences of float32 numbers are mostly "
                            f"noise. Check in float64: x.astype(np.float64), or dtype=np.float64 for a model")
        if not np.isfinite(y).all():
            raise _Obstacle(f"f is not finite: {np.sum(~np.isfinite(y))} of its {y.size} values are NaN or infinite")
        again = self.value()
        if again.shape != y.shape or np.abs(again - y).max(initial=0) > 1e-12 * np.abs(y).max(initial=0):
            raise _Obstacle("f gives another value when it is called again: it draws fresh noise at each call (pass the noise "
                            "in, or make the generator anew inside f), or changes something that it depends on")
        return rng.choice([-1.0, 1.0], y.shape) * rng.uniform(0.5, 1.5, y.shape)

    def gradient(self, g):
        """The analytic gradient of sum(g * f) in each input; None where none arrived."""
        if self.vjp is not None:
            grads = self.vjp(g.copy(), *(t.data.copy() for t in self.tensors))
            if not isinstance(grads, tuple):
                grads = tuple(grads) if isinstance(grads, list) and len(self.tensors) > 1 else (grads,)
            if len(grads) != len(self.tensors):
                raise _Obstacle(f"vjp returned {len(grads)} gradient(s) for {len(self.tensors)} input(s): return a tuple of "
                                f"one for each")
            return [None if a is None else np.asarray(a) for a in grads]
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

    def along(self, arrays, directions, h, u):
        """u.(f(x + h v) - f(x)), all inputs moved at once."""
        with contextlib.ExitStack() as stack:
            for x, v in zip(arrays, directions):
                stack.enter_context(_moved(x, ..., h * v))
            return np.sum(u * (self.value() - self.y))

    def slopes(self, k, where, v, h, cotangents):
        """Input k moved at `where` along v: the central difference of c.f for each cotangent c, eq. (1.4), with the step as
        realised, eq. (1.7); the rounding in the first; and the two one-sided differences of the first, eq. (1.3)."""
        x, y = self.tensors[k].data, self.y.ravel()
        with _moved(x, where, h * v) as up:
            high = self.value().ravel()
        with _moved(x, where, -h * v) as down:
            low = self.value().ravel()
        up, down = np.sum(up * v), -np.sum(down * v)  # v.v is 1
        if not up > 0 < down:
            raise ValueError(f"the step h = {h:g} is lost in the rounding of {x[where]} in {self.names[k]}: pass a larger h")
        c = cotangents[0]
        rounding = 4 * EPS_MACHINE * np.sum(np.abs(c * y)[high != low]) / (up + down)
        return cotangents @ (high - low) / (up + down), rounding, c @ (high - y) / up, c @ (y - low) / down


def _as_tensor(i, x, by_hand):
    if isinstance(x, Tensor):
        if by_hand:
            raise TypeError(f"with vjp=, f and vjp work on plain arrays: pass input {i} as its .data")
        if x.requires_grad and not x.data.flags.writeable:
            raise ValueError(f"input {i} is read-only and cannot be moved by h (it is {'from ' + x.op if x.op else 'a leaf'}): "
                             f"pass a leaf made of a copy, Tensor(t.data.copy(), requires_grad=True)")
        return x
    if np.asarray(x).dtype.kind != "f":
        raise TypeError(f"input {i} holds {np.asarray(x).dtype}, and only floats have a gradient: write 1.0 for 1, and let f "
                        f"take labels and indices from outside")
    return Tensor(np.array(x), requires_grad=True)


@contextlib.contextmanager
def _moved(x, where, step):
    """Move x[where] by step for a while; gives the step as it came out in floating point."""
    before = x[where].copy()
    try:
        x[where] = before + step
        yield x[where] - before
    finally:
        x[where] = before


class _Check:
    """One input k: analytic and numeric derivatives at its entries (and directions), and where the two differ.

    n has one row per cotangent: u, and as evidence all ones, and u on the first row of the output alone.
    """

    def __init__(self, probe, k, a, u, h, tol, samples, rng):
        self.k, self.name, self.x, self.missing = k, probe.names[k], probe.tensors[k].data, a is None
        self.a, self.h, self.tol = np.zeros(self.x.shape) if a is None else a, h, tol
        size = self.x.size
        chosen = np.arange(size) if samples is None or samples >= size else np.sort(rng.choice(size, samples, replace=False))
        self.index = [tuple(map(int, np.unravel_index(i, self.x.shape))) for i in chosen]
        self.places = [(index, 1.0) for index in self.index]
        if len(chosen) < size:
            self.places += [(..., rng.choice([-1.0, 1.0], self.x.shape) / size**0.5) for _ in range(2)]
        row = np.where(np.arange(len(u)).reshape(-1, *[1] * (u.ndim - 1)) == 0, u, 0) if u.ndim else u
        cotangents = np.array([u.ravel(), np.ones(u.size), row.ravel()])
        self.slopes = lambda i, step: probe.slopes(k, *self.places[i], step, cotangents)
        self.unit = u.item() if u.size == 1 else 1.0

        measured = [self.slopes(i, h) for i in range(len(self.places))]
        self.n = np.array([m[0] for m in measured]).reshape(-1, 3).T
        self.noise = np.array([m[1] for m in measured])
        self.scale = np.abs(self.n[0]).max(initial=0)
        self.kink, self.unsettled = np.zeros((2, len(measured)), bool)
        self.error = np.full(len(measured), np.inf)
        self.right_shape = self.a.shape == self.x.shape
        if self.right_shape:
            self.at = np.array([np.sum(self.a[where] * v) for where, v in self.places])
            doubtful = np.flatnonzero((self.compare() > tol) | (self.noise > TOO_COARSE * self.size))
            for i in doubtful[np.argsort(-self.error[doubtful])][:200]:
                self.refine(i)
            self.compare()
        self.ok = self.right_shape and not (self.unsettled | (self.error > tol)).any()

    def compare(self):
        """The error of each entry, eq. (1.11)."""
        self.size = np.maximum(np.maximum(np.abs(self.at), np.abs(self.n[0])), self.scale)
        beyond = np.maximum(np.abs(self.at - self.n[0]) - self.noise, 0)
        self.error = np.where(beyond > 0, beyond / self.size, np.where(np.isfinite(self.at + self.n[0]), 0, np.inf))
        return self.error

    def refine(self, i):
        """Replace n by the most certain of three extrapolations, each from two steps, and look for a kink, eq. (1.12)."""
        options, gaps = [], []
        for s in (self.h, self.h / 32, 32 * self.h):
            near, rounding, right, left = self.slopes(i, s)
            far = self.slopes(i, 2 * s)[0]
            options.append((abs(near[0] - far[0]) + rounding, rounding, (4 * near - far) / 3))
            gaps.append((abs(right - left), min(left, right), max(left, right)))
        doubt, rounding, n = min(options, key=lambda o: np.nan_to_num(o[0], nan=np.inf))
        (gap, low, high), (smaller, *_), _ = gaps
        # Where f is smooth its one-sided slopes come together in proportion to the step.
        smooth = gap < 1e-3 * self.size[i] or gap / 64 < smaller < gap / 16
        self.kink[i] = not smooth and abs(self.at[i] - n[0]) > doubt and low - gap / 1e3 <= self.at[i] <= high + gap / 1e3
        self.unsettled[i] = not self.kink[i] and doubt > max(TOO_COARSE * self.size[i], 30 * rounding)
        self.n[:, i], self.noise[i] = n, 10 * doubt if self.unsettled[i] else doubt

    def entries(self):
        if not self.right_shape:
            return []
        where = [*map(str, self.index), *["direction"] * (len(self.places) - len(self.index))]
        return [Entry(self.name, *row) for row in zip((w.replace(" ", "") for w in where), (self.at / self.unit).tolist(),
                                                      (self.n[0] / self.unit).tolist(), self.error.tolist())]

    def line(self):
        checked = f"{len(self.index)} of {self.x.size} entries and 2 random directions" if len(self.places) > len(self.index) \
            else f"{self.x.size} entries"
        text = f"{self.name}, shape {self.x.shape}: {checked}, "
        if not self.right_shape:
            return text + f"but the gradient has shape {self.a.shape}"
        text += f"largest error {self.error.max(initial=0):.1e}" if self.ok else f"{np.sum(self.error > self.tol)} differ"
        return text + ("; all are zero: f does not change with it here" if self.ok and self.x.size and not self.at.any() else "")
