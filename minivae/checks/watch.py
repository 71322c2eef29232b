"""Arrays that tell of every operation made on them: how an f of plain arrays is looked into from
outside."""

from collections import namedtuple

import numpy as np

METHODS = ("sum", "mean", "var", "std", "max", "min", "prod", "cumsum", "dot", "clip", "trace")
WORDS = {
    "true_divide": "divide",
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "maximum.reduce": "max",
    "minimum.reduce": "min",
    "add.reduce": "sum",
}
Operation = namedtuple(
    "Operation", "name arguments result"
)  # the arguments that are watched arrays, and the result


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
        return self.tape.run("indexing", lambda a: a[_plain(index)], (self,), {})


def _method(name):
    return lambda self, *args, **kwargs: self.tape.run(
        name, getattr(np.ndarray, name), (self, *args), kwargs
    )


for _name in METHODS:
    setattr(Watched, _name, _method(_name))


def _plain(a):
    if isinstance(a, Watched):
        return a.view(np.ndarray)
    if isinstance(a, (tuple, list)) and not hasattr(a, "_fields"):
        return type(a)(map(_plain, a))
    return a


class Tape:
    """One run of f: the operations in order. change(i, arguments, compute) may step in before
    operation i is computed."""

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
        arguments = [
            np.array(_plain(a)) for a in watched
        ]  # copies: code written by hand may overwrite
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
        self.operations.append(Operation(WORDS.get(name, name), arguments, _copy(result)))
        return self.watch(result)


def _copy(result):
    return np.array(result) if isinstance(result, (np.ndarray, np.generic)) else result


def _collect(args, found):
    for a in args:
        if isinstance(a, Watched):
            found.append(a)
        elif isinstance(a, (tuple, list)):
            _collect(a, found)


def _put_back(args, values):
    """The arguments of a call again, with the next of the values in each place of a watched
    array."""
    place = lambda a: next(values) if isinstance(a, Watched) else _put_back(a, values)
    return [place(a) if isinstance(a, (Watched, tuple, list)) else a for a in args]


def _plain_values(kwargs):
    return {key: _plain(value) for key, value in kwargs.items()}


def watch(f, arrays, change=None):
    """f(*arrays), flat, and its operations in order. Raises whatever f raises that cannot work with
    watched arrays."""
    tape = Tape(change)
    y = f(*[tape.watch(a) for a in arrays])
    return np.array(_plain(y), float).ravel(), tape.operations
