"""Which part of a gradient flows through which operation of f? Found without knowing any rule.

f is run on arrays that tell of every operation made on them. Then it is run again with a change:
one argument of one operation stays what it was, although the inputs move. The derivative that is
lost by this is what flows through that argument. A gradient by hand in which just that part is
missing took the argument for a constant.
"""

import time

import numpy as np

from .watch import watch

PATIENCE = 3  # seconds

ELEMENTWISE = {
    "add",
    "subtract",
    "multiply",
    "divide",
    "negative",
    "exp",
    "log",
    "log1p",
    "tanh",
    "sqrt",
    "square",
    "power",
    "abs",
    "maximum",
    "minimum",
    "where",
    "clip",
}


# Changes: what may happen to operation i, whose argument j was `then` at the point and gave
# `result`. Each is a function of the arguments as they are now, and of the operation itself, and
# returns its result.


def as_constant(arguments, compute, j, then, result):
    """Argument j stays what it was."""
    return compute(_with(arguments, j, then))


def as_identity(arguments, compute, j, then, result):
    """The change of argument j is passed on as it is: the operation's own derivative is left
    out."""
    return compute(_with(arguments, j, then)) + (arguments[j] - then)


def as_flipped(arguments, compute, j, then, result):
    """The change of argument j, a square matrix, is transposed."""
    return compute(_with(arguments, j, then + np.swapaxes(arguments[j] - then, -1, -2)))


def as_transposed(arguments, compute, j, then, result):
    """The operation's Jacobian in argument j is transposed."""
    here = compute(_with(arguments, j, then))
    step = 1e-6
    columns = []
    for k in range(then.size):
        e = np.zeros(then.size)
        e[k] = step
        sides = [
            compute(_with(arguments, j, then + sign * e.reshape(then.shape))) for sign in (1, -1)
        ]
        columns.append((sides[0] - sides[1]).ravel() / (2 * step))
    return here + ((arguments[j] - then).ravel() @ np.array(columns).T).reshape(here.shape)


def _with(arguments, j, value):
    return [value if k == j else a for k, a in enumerate(arguments)]


class Paths:
    """The derivative of an f of plain arrays in some entries of one input, whole and with changes.

    fn, k: f and the number of the input; entries: the flat positions of the entries; h: the step.
    operations: those of f at the point; none if f does something that cannot be watched.
    edges: (i, j) for argument j of operation i, where it changes when the input does.
    idle: those of them that do not matter, such as the maximum that a softmax takes off; they are
        kept constant.
    """

    def __init__(self, fn, k, entries, h):
        self.fn, self.k, self.entries, self.h = fn, k, entries, h
        self.operations = []
        self.edges = []
        self.idle = []
        try:
            self._record()
        except (
            Exception
        ):  # whatever f may stumble over when it is given arrays that are not quite plain
            self.operations = self.edges = []

    def _record(self):
        y, operations = watch(self.fn.f, self.fn.arrays())
        moved = self.fn.arrays()
        moved[self.k] = moved[self.k] + 1e-3 * np.random.default_rng(0).standard_normal(
            moved[self.k].shape
        )
        _, elsewhere = watch(self.fn.f, moved)
        if not np.array_equal(y, self.fn.y.ravel()) or len(elsewhere) != len(operations):
            return
        self.operations = operations
        for i, (here, there) in enumerate(zip(operations, elsewhere)):
            for j, (a, b) in enumerate(zip(here.arguments, there.arguments)):
                if a.shape == b.shape and not np.array_equal(a, b):
                    self.edges.append((i, j))

    def derivative(self, kind=None, i=None, j=None):
        """d f / d x, one row per output and one column per entry, with a change of edge (i, j);
        None where that fails."""

        def change(now, arguments, compute):
            for p, q in self.idle:
                if p == now:
                    arguments = _with(arguments, q, self.operations[p].arguments[q])
            if kind is None or now != i:
                return compute(arguments)
            operation = self.operations[i]
            return kind(arguments, compute, j, operation.arguments[j], operation.result)

        try:
            columns = []
            for entry in self.entries:
                near, far = (self._slope(entry, step, change) for step in (self.h, 2 * self.h))
                columns.append((4 * near - far) / 3)
            return np.array(columns).T
        except Exception:
            return None

    def _slope(self, entry, step, change):
        high, low = self.fn.arrays(), self.fn.arrays()
        high[self.k].flat[entry] += step
        low[self.k].flat[entry] -= step
        taken = high[self.k].flat[entry] - low[self.k].flat[entry]
        return (watch(self.fn.f, high, change)[0] - watch(self.fn.f, low, change)[0]) / taken

    def flows(self, J, close):
        """(i, j, what flows through it) for each edge through which anything does. J: the
        derivative in the entries."""
        started = time.perf_counter()
        for _ in range(2):
            found = []
            for i, j in self.edges:
                if time.perf_counter() - started > PATIENCE:
                    return []
                found.append((i, j, self.derivative(as_constant, i, j)))
            idle = [
                (i, j)
                for i, j, left in found
                if left is not None and np.abs(J - left).max() <= close
            ]
            if self.idle or not idle:
                break
            self.idle = idle
        return [
            (i, j, J - left)
            for i, j, left in found
            if left is not None and np.abs(J - left).max() > close
        ]

    def slopes_inside(self):
        """How each operation's result changes when all entries move by the same step; None if it is
        no array."""
        runs = []
        for step in (self.h, -self.h):
            arrays = self.fn.arrays()
            arrays[self.k] = arrays[self.k] + step
            runs.append([operation.result for operation in watch(self.fn.f, arrays)[1]])
        return [
            (a - b) / (2 * self.h) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else None
            for a, b in zip(*runs)
        ]

    def other_changes(self):
        """(kind, i, derivative) for each change of a kind that is not as_constant, where it makes
        sense."""
        started = time.perf_counter()
        for i, j in self.edges:
            if (i, j) in self.idle or time.perf_counter() - started > PATIENCE:
                continue
            argument, result = self.operations[i].arguments[j], self.operations[i].result
            kinds = []
            if not isinstance(result, np.ndarray):
                continue
            if result.dtype.kind == "f" and argument.shape == result.shape:
                kinds.append(as_identity)
            if argument.ndim > 1 and argument.shape[-1] == argument.shape[-2]:
                kinds.append(as_flipped)
            if (
                1 < argument.size == result.size <= 40
                and self.operations[i].name not in ELEMENTWISE
            ):
                kinds.append(as_transposed)
            for kind in kinds:
                derivative = self.derivative(kind, i, j)
                if derivative is not None:
                    yield kind, i, derivative
