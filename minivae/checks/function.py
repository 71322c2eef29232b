"""A function at one point: its value, its gradient as the rule has it, and its value when an input
is moved."""

import contextlib
import functools
import inspect
import itertools

import numpy as np

from ..autodiff import Tensor, no_grad
from .recording import listener
from .watch import watch


class Obstacle(Exception):
    """A reason why nothing can be compared; it becomes the diagnosis."""


def single_precision(where):
    return (
        f"float32 ({where}): differences of float32 numbers are mostly noise. Check in float64: "
        "x.astype(np.float64), or dtype=np.float64 for a model"
    )


class Function:
    """f at its inputs, with the rule for its gradient.

    f: maps Tensors to a Tensor, whose rules are then the engine's; or, with vjp, arrays to an
        array.
    inputs: the arrays or Tensors of the point.
    vjp: None, or vjp(g, *arrays), the gradient of sum(g * f) in each input, written by hand.
    """

    def __init__(self, f, inputs, vjp=None):
        _must_be_callable(f, vjp)
        self.f = f
        self.vjp = vjp
        self.tensors = [_as_tensor(i, x, by_hand=vjp is not None) for i, x in enumerate(inputs)]
        self.names = [
            t.name or name for t, name in zip(self.tensors, _parameter_names(f, len(inputs)))
        ]
        self.variables = [k for k, t in enumerate(self.tensors) if t.requires_grad]
        if not self.variables:
            raise ValueError(
                "there is no input to differentiate f in: pass arrays, or Tensors with"
                " requires_grad=True"
            )

    def arrays(self):
        return [
            t.data.copy() for t in self.tensors
        ]  # copies, since code written by hand may write into them

    def value(self):
        """f at the inputs as they are now, as an array of its own."""
        with no_grad():
            y = self.f(*(self.tensors if self.vjp is None else self.arrays()))
        right_kind = isinstance(y, Tensor) == (self.vjp is None)
        if not right_kind or np.result_type(getattr(y, "dtype", type(y))).kind != "f":
            raise TypeError(
                f"f returned {getattr(y, 'dtype', type(y))}: without vjp= it must return one Tensor"
                " of floats, made by operations on its inputs (no .data, no float()); with vjp= an"
                " array of floats"
            )
        return np.array(
            y.data if isinstance(y, Tensor) else y
        )  # a copy, since y may be a view of an input

    def look(self):
        """The value y at the point, after making sure that differences can work with f. Raises
        Obstacle if not."""
        for i, k in itertools.combinations(range(len(self.tensors)), 2):
            if self._share_memory(i, k):
                raise Obstacle(
                    f"{self.names[i]} and {self.names[k]} share memory, so that moving one moves"
                    " the other: make one of them of a copy, Tensor(a.copy(), requires_grad=True)"
                )
        self.y = y = self.value()
        single = [self.names[k] for k in self.variables if self.tensors[k].dtype == np.float32]
        if single or y.dtype == np.float32:
            raise Obstacle(single_precision(", ".join(single) or "the result of f"))
        if not np.isfinite(y).all():
            raise Obstacle(
                f"f is not finite: {np.sum(~np.isfinite(y))} of its {y.size} values are NaN or"
                " infinite"
            )
        again = self.value()
        if again.shape != y.shape or np.abs(again - y).max(initial=0) > 1e-12 * np.abs(y).max(
            initial=0
        ):
            raise Obstacle(
                "f gives another value when it is called again: it draws fresh noise at each call"
                " (make the generator anew inside f), or it changes something that it depends on"
            )
        return y

    def _share_memory(self, i, k):
        one, other = self.tensors[i], self.tensors[k]
        if one is other or not (one.requires_grad or other.requires_grad):
            return False
        return np.may_share_memory(one.data, other.data) and np.shares_memory(one.data, other.data)

    def gradient(self, g):
        """The gradient of sum(g * f) in each input as the rule has it; None where none arrived."""
        return self._by_hand(g) if self.vjp is not None else self._by_engine(g)

    def _by_hand(self, g):
        grads = self.vjp(g.copy(), *self.arrays())
        if isinstance(grads, dict):
            raise TypeError(
                "vjp returned a dict: return the gradients in the order of the inputs, as a tuple "
                f"({', '.join(self.names)})"
            )
        several = isinstance(grads, tuple) or isinstance(grads, list) and len(self.tensors) > 1
        grads = grads if several else (grads,)
        if len(grads) != len(self.tensors):
            raise Obstacle(
                f"vjp returned {len(grads)} gradient(s), and there are {len(self.tensors)} inputs"
            )
        grads = [None if a is None else np.array(a) for a in grads]
        for name, a in zip(self.names, grads):
            if a is not None and a.dtype.kind not in "fiub":
                raise TypeError(
                    f"vjp returned {a.dtype} as the gradient of {name}: return an array of floats"
                )
        return grads

    def _by_engine(self, g):
        before = [t.grad for t in self.tensors]
        try:
            for t in self.tensors:
                t.grad = None
            y = self.f(*self.tensors)
            if y.requires_grad:
                y.backward(g)
            return [t.grad for t in self.tensors]
        except ValueError as error:  # the engine names a rule that returned a wrong shape
            raise Obstacle(str(error)) from error
        finally:
            for t, grad in zip(self.tensors, before):
                t.grad = grad

    def moved(self, moves):
        """f, flat, after x[where] += step for each (k, where, step) in moves, x being input k; and
        the steps as they came out, eq. (1.7). Where f refuses the moved inputs (a logarithm of -1,
        a singular matrix) it is NaN.
        """
        arrays = [self.tensors[k].data for k, _, _ in moves]
        before = [x[where].copy() for x, (_, where, _) in zip(arrays, moves)]
        try:
            for x, (_, where, step) in zip(arrays, moves):
                x[where] += step
            steps = [x[where] - old for x, (_, where, _), old in zip(arrays, moves, before)]
            try:
                y = self.value().ravel()
            except (ArithmeticError, ValueError):
                y = np.full(self.y.size, np.nan)
            return y, steps
        finally:
            for x, (_, where, _), old in zip(arrays, moves, before):
                x[where] = old

    @functools.cached_property
    def size_nearby(self):
        """How large an entry of f is, or becomes a little further off, on average."""
        rng = np.random.default_rng(0)
        sizes = [np.mean(np.abs(self.y))]
        for reach in (1e-3, 0.1):
            moves = [
                (k, ..., reach * rng.standard_normal(self.tensors[k].shape)) for k in self.variables
            ]
            y, _ = self.moved(moves)
            sizes.append(np.nan_to_num(np.mean(np.abs(y)), nan=0, posinf=0))
        return max(sizes)

    @functools.cached_property
    def inside(self):
        """The results of all operations on the way to f, as far as they can be watched."""
        results = []
        if self.vjp is None:
            with told_of_operations(lambda f, args, kwargs, result: results.append(result.data)):
                self.f(*self.tensors)
        else:
            try:
                results = [operation.result for operation in watch(self.f, self.arrays())[1]]
            except (
                Exception
            ):  # whatever f may stumble over when it is given arrays that are not quite plain
                pass
        return [r for r in results if isinstance(r, np.ndarray) and r.dtype.kind == "f"]

    @functools.cached_property
    def size_inside(self):
        """The same as size_nearby, or the largest number on the way to f: where terms cancel, this
        is their size."""
        sizes = [np.abs(result).max(initial=0) for result in self.inside]
        return max([self.size_nearby, *(size for size in sizes if np.isfinite(size))])


@contextlib.contextmanager
def told_of_operations(listen):
    """Inside, listen(f, args, kwargs, result) is called after every operation of the engine that is
    recorded."""
    before = listener.set(listen)
    try:
        yield
    finally:
        listener.reset(before)


def _must_be_callable(f, vjp):
    if not callable(f):
        raise TypeError(
            f"f must be a function of the inputs, got {type(f).__name__}: check_gradients(f, x,"
            " ...)"
        )
    if vjp is not None and not callable(vjp):
        raise TypeError(f"vjp must be a function vjp(g, *inputs), got {type(vjp).__name__}")


def _parameter_names(f, count):
    """What f calls its inputs, where it says so; 'input 2' where it does not."""
    code = getattr(inspect.unwrap(f), "__code__", None)
    known = code.co_varnames[: code.co_argcount] if code and not inspect.ismethod(f) else ()
    return [*known, *(f"input {i}" for i in range(len(known), count))][:count]


def _as_tensor(i, x, by_hand):
    if isinstance(x, Tensor) and by_hand:
        raise TypeError(f"with vjp=, f and vjp work on plain arrays: pass input {i} as its .data")
    if not isinstance(x, Tensor):
        if np.asarray(x).dtype.kind != "f":
            raise TypeError(
                f"input {i} holds {np.asarray(x).dtype}, which has no gradient: write 1.0 for 1, or"
                " keep it out of f's inputs"
            )
        return Tensor(np.array(x), requires_grad=True)
    if x.requires_grad and not x.data.flags.writeable:
        source = f", the result of {x.op}," if x.op else ""
        raise ValueError(
            f"input {i} is read-only{source} and cannot be moved by h: pass a leaf of its own, "
            "Tensor(t.data.copy(), requires_grad=True)"
        )
    return x
