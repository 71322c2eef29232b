"""The evidence about one wrong input: its two Jacobians, as measured and as the rule implies.

One cotangent's gradient is a shadow of a mistake; the mistake itself stands in the matrix. J[o, i]
is the derivative of output o in entry i, by moving each entry once. A[o, i] is the same as the rule
has it: its answer to a cotangent that is 1 at output o and 0 elsewhere is row o.
"""

import functools
import inspect
import time

import numpy as np

from .paths import Paths

LARGEST = 200_000  # entries of a Jacobian
PATIENCE = 5  # seconds that it may take


class Evidence:
    """What is known about an input whose gradient is wrong.

    fn, u: the function and the cotangent. d, measured: the derivatives of this input and of all.
    x, y: the input and the output. name: of the input.
    use: its places that are entries, without those at a kink. index: their indices. a, n: the
        analytic and numeric derivatives of sum(u * f) there.
    wrong: which of them differ. telling: which of them are clear of rounding. fine: what counts as
        equal, as a share.
    """

    def __init__(self, fn, u, d, measured, h):
        self.fn, self.u, self.d, self.measured = fn, u, d, measured
        self.name, self.x, self.y, self.k = d.name, d.x, fn.y, d.k
        usable = ~d.kink[: len(d.index)]
        clear = usable & (d.doubt < 1e-3 * d.size)[: len(d.index)]
        self.use = np.flatnonzero(clear if clear.any() else usable)
        self.index = [d.index[i] for i in self.use]
        self.flat = np.array([np.ravel_multi_index(i, self.x.shape) for i in self.index], int)
        self.a = d.analytic[self.use]
        self.n = d.numeric[self.use]
        self.h = min(h, d.steps[self.use].min())
        size = max(np.abs(self.a).max(), np.abs(self.n).max())
        self.wrong = (d.error > d.tol)[self.use]
        self.fine = d.doubt[self.use].max() / size + min(
            1e-6, 0.01 * np.abs(self.a - self.n).max() / size
        )
        self.telling = np.maximum(np.abs(self.a), np.abs(self.n)) > 10 * self.fine * size
        self.J = self.A = None
        self._measure_jacobians()

    def _measure_jacobians(self):
        """J and A, where sizes and time allow; of a batch that is too large, the first rows
        alone."""
        started = time.perf_counter()
        self.fn.gradient(self.u)
        seconds = (time.perf_counter() - started) * (self.y.size + 4 * self.x.size)
        rows = self._rows_that_fit(min(1, PATIENCE / seconds if seconds else 1))
        if rows == 0:
            return
        outputs, entries = range(self.y.size), range(self.x.size)
        if rows is not None:
            outputs, entries = range(rows * self.y[0].size), range(rows * self.x[0].size)
            self.x, self.y = self.x[:rows], self.y[:rows]
        self.J = np.array([self.fn_derivative(i) for i in entries]).T[outputs.start : outputs.stop]
        A = [self.analytic_at(self._unit(o)) for o in outputs]
        self.A = np.array([a.ravel()[: len(entries)] for a in A])
        kinks = [
            np.ravel_multi_index(self.d.index[i], self.d.x.shape)
            for i in np.flatnonzero(self.d.kink[: len(self.d.index)])
        ]
        inside = [i for i in kinks if i < len(entries)]
        self.J[:, inside] = self.A[:, inside]  # there is no derivative: neither is wrong
        self.D = self.J - self.A
        self.size = max(np.abs(self.J).max(initial=0), np.abs(self.A).max(initial=0))
        rounding = 1e3 * np.finfo(float).eps * np.abs(self.y).max(initial=0) / self.h
        self.close = max(1e-6 * self.size, rounding)
        usable = (
            np.isfinite(self.J).all()
            and np.isfinite(self.A).all()
            and np.abs(self.D).max(initial=0) > 10 * self.close
        )
        if not usable:
            self.J = self.A = None

    def _rows_that_fit(self, share):
        """None: all of it fits; 0: nothing does; else how many rows of a batch."""
        fits = (
            lambda outputs, entries: outputs * entries <= LARGEST
            and outputs + entries <= share * (self.y.size + self.x.size)
        )
        if fits(self.y.size, self.x.size):
            return None
        if self.x.ndim < 2 or self.y.ndim < 1 or len(self.y) != len(self.x):
            return 0
        return next(
            (
                r
                for r in (4, 3, 2)
                if len(self.x) > r and fits(r * self.y[0].size, r * self.x[0].size)
            ),
            0,
        )

    def _unit(self, output):
        g = np.zeros(self.fn.y.size)
        g[output] = 1
        return g.reshape(self.fn.y.shape)

    def fn_derivative(self, entry, away=0.0):
        """The derivative of all outputs in one entry, from four values of f: eq. (1.4) with its h^2
        cancelled; at x + away."""
        place = np.zeros(self.d.x.shape)
        where = np.unravel_index(entry, self.d.x.shape)
        slopes = []
        for step in (self.h, 2 * self.h):
            place[where] = step
            high, (up,) = self.fn.moved([(self.k, ..., away + place)])
            low, (down,) = self.fn.moved([(self.k, ..., away - place)])
            slopes.append((high - low) / (up - down)[where])
        near, far = slopes
        return (4 * near - far) / 3

    def analytic_at(self, g):
        """The gradient that the rule gives for the cotangent g, whole."""
        a = self.fn.gradient(g)[self.k]
        return (
            np.zeros(self.d.x.shape)
            if a is None
            else np.broadcast_to(np.asarray(a, float), self.d.x.shape)
        )

    def both_at(self, g):
        """The analytic and numeric gradients for the cotangent g, at the entries in use."""
        analytic = self.analytic_at(g).ravel()[self.flat]
        return analytic, np.array([g.ravel() @ self.fn_derivative(i) for i in self.flat])

    # What the patterns ask.

    @property
    def square(self):
        return self.J is not None and self.J.shape[0] == self.J.shape[1]

    @property
    def elementwise(self):
        """Whether each entry goes into one output at most, the same as measured and by the rule; a
        single output counts."""
        if self.y.size == 1:
            return True
        if self.J is None:
            return False
        linked = self.nonzero(self.J) | self.nonzero(self.A)
        return bool((linked.sum(axis=0) <= 1).all())

    def is_A(self, matrix):
        """Whether the rule's Jacobian is this matrix, to within rounding."""
        return matrix.shape == self.A.shape and np.abs(self.A - matrix).max() <= self.close

    def nonzero(self, matrix):
        return np.abs(matrix) > self.close

    def arrays(self):
        """(name, array) of all that f is known to work with: its inputs, its value, and the arrays
        in its text."""
        inputs = [(name, t.data) for name, t in zip(self.fn.names, self.fn.tensors)]
        return [*inputs, ("f", self.fn.y), *constants(self.fn.f, np.ndarray)]

    # What flows through the operations of f; see paths.py. At up to 16 entries: where most is
    # wrong, and elsewhere.

    @functools.cached_property
    def columns(self):
        order = np.argsort(-np.abs(self.D).max(axis=0))
        return sorted({int(i) for i in (*order[:8], *order[:: max(1, len(order) // 8)])})

    @functools.cached_property
    def _paths(self):
        return Paths(self.fn, self.k, self.columns, self.h)

    @property
    def operations(self):
        return self._paths.operations

    @functools.cached_property
    def flows(self):
        """(i, j, derivative): what flows through argument j of operation i, for an f of plain
        arrays; None elsewhere."""
        if self.J is None or self.fn.vjp is None:
            return None
        return self._paths.flows(self.J[:, self.columns], 5 * self.close)

    def slopes_inside(self):
        """For an f that takes entry by entry: the derivative of each operation's result in x."""
        return self._paths.slopes_inside()

    def other_changes(self):
        return self._paths.other_changes() if self.flows else []


def constants(f, kind, depth=1):
    """(name, value) of the constants of a kind that stand in the text of f, or that it finds around
    it."""
    f = inspect.unwrap(f)
    code = getattr(f, "__code__", None)
    if code is None:
        return []
    found = [(f"{value:g}", value) for value in code.co_consts if type(value) in (int, float)]
    around = [(name, f.__globals__[name]) for name in code.co_names if name in f.__globals__]
    for name, cell in zip(code.co_freevars, f.__closure__ or ()):
        try:
            around.append((name, cell.cell_contents))
        except ValueError:  # a name that has no value yet
            pass
    inner = [value for value in code.co_consts if inspect.iscode(value)]
    for value in inner:  # lambdas inside f: the numbers in their text
        found += [
            (f"{number:g}", number) for number in value.co_consts if type(number) in (int, float)
        ]
    found += around
    if depth:
        for _, value in around:
            found += constants(value, kind, depth - 1) if inspect.isfunction(value) else []
    wanted = (
        (lambda v: isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim)
        if kind is np.ndarray
        else (lambda v: isinstance(v, (int, float, np.number)) and not isinstance(v, bool))
    )
    return [(name, value) for name, value in found if wanted(value)]


def words(f):
    """The names that the text of f uses."""
    code = getattr(inspect.unwrap(f), "__code__", None)
    inner = [c for c in code.co_consts if inspect.iscode(c)] if code else []
    return {name for c in [code, *inner] if c for name in c.co_names}
