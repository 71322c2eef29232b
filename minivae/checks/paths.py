"""Which part of a gradient flows through which operation of f? Found without knowing any rule.

f is run on arrays that tell of every operation made on them. Then it is run again with a change: one argument of one
operation stays what it was, although the inputs move. The derivative that is lost by this is what flows through that
argument. A gradient by hand in which just that part is missing took the argument for a constant.
"""

from collections import namedtuple

import numpy as np

METHODS = ("sum", "mean", "var", "std", "max", "min", "prod", "cumsum", "dot", "clip", "trace")
WORDS = {"true_divide": "divide", "absolute": "abs", "amax": "max", "amin": "min", "maximum.reduce": "max",
         "minimum.reduce": "min", "add.reduce": "sum"}
Operation = namedtuple("Operation", "name arguments operands result")  # arguments: the watched arrays; operands: all


class Watched(np.ndarray):
    """An array whose operations go through a Tape, as do those of everything computed from it."""

    def __array_finalize__(self, parent):
        self.tape = getattr(parent, "tape", None)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        if out is not None:
            kwargs["out"] = tuple(_plain(o) for o in out)
        return self._tape_of(inputs).run(name, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return self._tape_of(args).run(function.__name__, function, args, kwargs)

    def _tape_of(self, args):
        tapes = [a.tape for a in args if isinstance(a, Watched) and a.tape is not None]
        return self.tape or tapes[0]

    def __getitem__(self, index):  # x[0] of a vector would be a plain number
        return self.tape.watch(self.view(np.ndarray)[_plain(index)])


def _method(name):
    return lambda self, *args, **kwargs: self.tape.run(name, getattr(np.ndarray, name), (self, *args), kwargs)


for _name in METHODS:
    setattr(Watched, _name, _method(_name))


def _plain(a):
    if isinstance(a, Watched):
        return a.view(np.ndarray)
    if isinstance(a, (tuple, list)) and not hasattr(a, "_fields"):
        return type(a)(map(_plain, a))
    return a


class Tape:
    """One run of f: the operations in order. change(i, arguments, compute) may step in before operation i is computed."""

    def __init__(self, change=None):
        self.operations = []
        self.change = change

    def watch(self, a):
        if isinstance(a, (tuple, list)):
            return [self.watch(part) for part in a]
        if not isinstance(a, (np.ndarray, np.floating)) or a.dtype.kind != "f":
            return a
        a = np.asarray(a).view(Watched)
        a.tape = self
        return a

    def run(self, name, function, args, kwargs):
        watched = []
        _collect(args, watched)
        arguments = [np.array(_plain(a)) for a in watched]  # copies: code written by hand may overwrite
        compute = lambda values: function(*_put_back(args, iter(values)), **_plain_values(kwargs))
        i = len(self.operations)
        if self.change is None:
            result = compute([_plain(a) for a in watched])
        else:
            result = self.change(i, arguments, compute)
        out = kwargs.get("out")
        if out is not None and self.change is not None:
            out[0][...] = result
            result = out[0]
        result = self.watch(result)
        self.operations.append(Operation(WORDS.get(name, name), arguments, args, result))
        return result


def _collect(args, found):
    for a in args:
        if isinstance(a, Watched):
            found.append(a)
        elif isinstance(a, (tuple, list)):
            _collect(a, found)


def _put_back(args, values):
    """The arguments of a call again, with the next of the values in each place of a watched array."""
    place = lambda a: next(values) if isinstance(a, Watched) else _put_back(a, values)
    return [place(a) if isinstance(a, (Watched, tuple, list)) else a for a in args]


def _plain_values(kwargs):
    return {key: _plain(value) for key, value in kwargs.items()}


# Changes: what happens to operation i, given its arguments now and as they were at the point.

def as_constant(i, j, before):
    """Argument j of operation i stays what it was."""
    def change(now, arguments, compute):
        if now == i:
            arguments = [*arguments]
            arguments[j] = before[i].arguments[j]
        return compute(arguments)
    return change


def as_identity(i, j, before):
    """Operation i passes the change of argument j on as it is: its own derivative is left out."""
    def change(now, arguments, compute):
        if now != i:
            return compute(arguments)
        return before[i].result + (arguments[j] - before[i].arguments[j])
    return change


def as_transposed(i, j, before):
    """The matrix product i has its other, square factor transposed, as far as the change of argument j is concerned."""
    def change(now, arguments, compute):
        if now != i:
            return compute(arguments)
        left, right = map(_plain, before[i].operands)
        step = arguments[j] - before[i].arguments[j]
        return before[i].result + (step @ right.T if _stands_left(before[i], j) else left.T @ step)
    return change


def _stands_left(product, j):
    return j == 0 and isinstance(product.operands[0], Watched)


class Paths:
    """The derivative of an f of plain arrays in some entries of one input, whole and with changes.

    fn, k: f and the number of the input; entries: the flat positions of the entries; h: the step.
    """

    def __init__(self, fn, k, entries, h):
        self.fn, self.k, self.entries, self.h = fn, k, entries, h
        self.operations = self._record()

    def _run(self, arrays, change=None):
        tape = Tape(change)
        y = self.fn.f(*[tape.watch(a) for a in arrays])
        return np.array(_plain(y), float).ravel(), tape.operations

    def _record(self):
        """The operations of f at the point; none if f does something that cannot be watched."""
        try:
            y, operations = self._run(self.fn.arrays())
            moved = self.fn.arrays()
            moved[self.k] = moved[self.k] + 1e-3 * np.random.default_rng(0).standard_normal(moved[self.k].shape)
            self.elsewhere = self._run(moved)[1]
        except Exception:  # whatever f may stumble over when it is given arrays that are not quite plain
            return []
        same = np.array_equal(y, self.fn.y.ravel()) and len(self.elsewhere) == len(operations)
        return operations if same else []

    def derivative(self, change=None):
        """d f / d x, one row per output and one column per entry, with the change in force; None where that fails."""
        columns = []
        try:
            for entry in self.entries:
                near, far = (self._slope(entry, step, change) for step in (self.h, 2 * self.h))
                columns.append((4 * near - far) / 3)
        except Exception:
            return None
        return np.array(columns).T

    def _slope(self, entry, step, change):
        high, low = self.fn.arrays(), self.fn.arrays()
        high[self.k].flat[entry] += step
        low[self.k].flat[entry] -= step
        taken = high[self.k].flat[entry] - low[self.k].flat[entry]
        return (self._run(high, change)[0] - self._run(low, change)[0]) / taken

    def edges(self):
        """(i, j) for argument j of operation i, where it changes when the input does."""
        for i, (here, there) in enumerate(zip(self.operations, self.elsewhere)):
            for j, (a, b) in enumerate(zip(here.arguments, there.arguments)):
                if a.shape == b.shape and not np.array_equal(a, b):
                    yield i, j

    def with_changes(self):
        """(kind, i, j, derivative) for every change that can be made: 'constant', 'identity' or 'transposed'."""
        for i, j in self.edges():
            operation = self.operations[i]
            changes = [("constant", as_constant)]
            result = np.asarray(operation.result)
            if result.dtype.kind == "f" and operation.arguments[j].shape == result.shape:
                changes.append(("identity", as_identity))
            if operation.name == "matmul" and _square(operation.operands[_stands_left(operation, j)]):
                changes.append(("transposed", as_transposed))
            for kind, change in changes:
                derivative = self.derivative(change(i, j, self.operations))
                if derivative is not None:
                    yield kind, i, j, derivative


def _square(a):
    return a.ndim == 2 and a.shape[0] == a.shape[1]
