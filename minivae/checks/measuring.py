"""Measuring: the derivative of sum(u * f) in every entry of an input, and what it is uncertain by.

A central difference, eq. (1.4), is right to within the bend of f and its rounding, eq. (1.5). Where
that leaves a doubt, f is walked along in steps of several lengths. On a short way a smooth f is a
cubic, and what is left of it beside the best cubic is its rounding.
"""

import dataclasses
import math
import time
from collections import namedtuple

import numpy as np

from ..screen.progress import Progress

EPS_MACHINE = np.finfo(float).eps
VAGUE = 1e-4  # a numeric derivative less certain than this share of its size is measured again
BLIND = 0.1  # one less certain than this shows nothing
NOISE = 1e-9  # a share of f: rounding in float64 stays below, float32 and stopped iterations do not
Entry = namedtuple("Entry", "input index analytic numeric error")


def beyond(error):
    return f"{error:.1e}" if error else "below rounding"


@dataclasses.dataclass
class Derivatives:
    """The derivatives of sum(u * f) in input k, analytic and numeric, one for each place that is
    looked at.

    k, name, x: which input, what it is called, and its array.
    gradient: its whole analytic gradient; None if none arrived.
    places: where x is moved, as (index, 1.0), or (..., v) for a direction v of length 1.
    tol: the error allowed.
    analytic, numeric: the derivatives. doubt: what the numeric ones are uncertain by. steps: the
        steps behind them. error: eq. (1.11), as compare() finds it; size: what it is a share of.
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
        self.error = np.full(count, np.inf)

    @property
    def index(self):
        """The entries among the places; directions come after them."""
        return [where for where, _ in self.places if where is not ...]

    def compare(self):
        """Compute the error of each place, eq. (1.11), beyond what the numeric derivative is
        uncertain by; and the size that it is a share of."""
        a, n = (np.abs(values) for values in (self.analytic, self.numeric))
        apart = np.abs(self.analytic - self.numeric)
        a[~np.isfinite(a)] = 0
        n[~np.isfinite(n)] = 0
        self.size = np.maximum(np.maximum(a, n), n.max(initial=0))
        beyond = np.maximum(apart - self.doubt, 0)
        self.error = np.where(beyond == 0, 0, beyond / self.size)
        self.error[np.isnan(self.error)] = np.inf

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
            found = f"error {beyond(self.error.max(initial=0))}"
        return f"shape {self.x.shape}, {count}, {found}"


# One central difference per place; where it leaves a doubt, several.


def places_of(x, samples, rng):
    chosen = range(x.size)
    directions = []
    if samples is not None and samples < x.size:
        chosen = np.sort(rng.choice(x.size, samples, replace=False))
        directions = [(..., rng.choice([-1.0, 1.0], x.shape) / x.size**0.5) for _ in range(2)]
    return [(tuple(map(int, np.unravel_index(i, x.shape))), 1.0) for i in chosen] + directions


def measure(fn, d, u, h, patience):
    """Fill in the numeric derivatives of d, and what is to be said about each."""
    for i, place in enumerate(d.places):
        d.numeric[i], d.doubt[i] = _central(fn, d.k, place, h, u)
        d.steps[i] = h
        patience.one_more()
    d.compare()

    # Look again where the gradient seems wrong, the worst first, and where rounding could hide that
    # it is.
    again = np.flatnonzero((d.error > d.tol) | (d.doubt > VAGUE * d.size))
    wrong = []
    blind = []
    for i in again[np.argsort(-d.error[again], kind="stable")]:
        if len(blind) >= 10:  # ten are evidence enough: rounding is no smaller elsewhere
            d.doubt[i] = max(d.doubt[i], d.doubt[blind].max())
            d.compare()
            if d.error[i] <= d.tol:
                continue
        if len(wrong) < 10 or d.error[i] <= d.tol:
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
    up, down = np.sum(up * v), np.sum(down * v)
    if not up > 0 > down:
        x = fn.tensors[k].data[where]
        raise ValueError(
            f"the step h = {h:g} is lost in the rounding of {x} in {fn.names[k]}: pass a larger h"
        )
    changed = high != low
    size = np.abs(u.ravel()) * np.maximum(np.abs(high), np.abs(low))
    rounding = 4 * EPS_MACHINE * np.sum(size[changed if changed.any() else ...])
    return u.ravel() @ (high - low) / (up - down), rounding / (up - down)


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
    that rounding drowns it. Then say what kind of place it is."""
    walk = lambda step: _walk(fn, d.k, d.places[i], step, u)
    scale = np.sum(np.abs(u)) * fn.size_inside
    walks = [walk(32 * h), walk(h), walk(h / 32)]
    while len(walks) < 8 and _goes_on(walks, d.size[i], scale):
        walks.append(walk(walks[-1].step / 32))

    # Where f does not seem to change, rounding may hide what it does.
    rounding = min((w.scatter for w in walks if w.values > 1), default=0)
    hidden = min(rounding, 1000 * EPS_MACHINE * scale)
    for n, w in enumerate(walks):
        if w.values < FEW:
            walks[n] = w._replace(scatter=max(w.scatter, hidden))
    best = _best(walks)
    d.numeric[i] = _slope(best)
    d.doubt[i] = _doubt(best)
    d.steps[i] = best.step
    d.compare()
    _judge(d, i, walks, noisy=rounding > NOISE * scale)
    enough = [w.step for w in walks if abs(w.near - d.numeric[i]) < 1e-3 * d.size[i] + d.doubt[i]]
    if enough and max(enough) < h / 100 and not d.kink[i] and not d.unsettled[i]:
        d.coarse[i] = True
        d.steps[i] = max(enough)


def _judge(d, i, walks, noisy):
    """Is place i one where f has no derivative, or none that can be measured?"""
    size = d.size[i]
    apart = abs(d.analytic[i] - d.numeric[i])
    if len(walks) > 3 and _drowned(walks[-1]):
        walks = walks[:-1]
    last = walks[-1]
    blur = 20 * last.scatter / last.step
    before, gap = (abs(w.right - w.left) for w in walks[-2:])

    # At a jump the difference quotient grows as the step falls.
    jumps = gap > 4 * before + 20 * blur
    d.unsettled[i] = min(d.doubt[i] / VAGUE, apart / d.tol) > size and (jumps or noisy)

    # At a kink the slopes on the two sides stay apart, eq. (1.12); elsewhere they come together.
    parted = gap > 1e-3 * size + blur and gap > before / 8
    d.kink[i] = parted and not d.unsettled[i] and apart > d.doubt[i]
    low, high = sorted([last.left, last.right])
    between = low <= d.analytic[i] + gap / 1e3 <= high + gap / 500
    d.outside[i] = d.kink[i] and not between


def _slope(walk):
    return (4 * walk.near - walk.far) / 3  # the h^2 of eq. (1.4) cancels


def _doubt(walk):
    """What the slope of a walk is uncertain by: f bends on the way, eq. (1.4), and is rounded,
    eq. (1.5)."""
    doubt = abs(walk.near - walk.far) + 20 * walk.scatter / walk.step
    return doubt if np.isfinite(doubt) else np.inf


def _best(walks):
    """The least doubtful walk, of those that no walk with smaller steps contradicts."""
    agree = lambda w, v: not abs(_slope(w) - _slope(v)) > _doubt(w) + _doubt(v)
    standing = [w for w in walks if all(agree(w, v) for v in walks if v.step < w.step)]
    return min(standing, key=_doubt)


def _drowned(walk):
    """Whether rounding covers all that may differ between the two sides."""
    differ = max(abs(walk.right - walk.left), abs(walk.near - walk.far))
    return 20 * walk.scatter / walk.step > differ


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


def slope_further_off(fn, d, u):
    """How steep f is over a way of 0.01 in input d, or over a longer one; 0 if f does not change at
    all."""
    rng = np.random.default_rng(0)
    slopes = []
    for reach in (0.01, 0.1, 1.0, 10.0):
        y, _ = fn.moved([(d.k, ..., reach * rng.standard_normal(d.x.shape))])
        slopes.append(np.sum(np.abs(u.ravel() * (y - fn.y.ravel()))) / reach)
    return next((slope for slope in np.nan_to_num(slopes, nan=1.0) if slope > 0), 0.0)


class Patience:
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
