"""The engine: a Tensor remembers how it was computed, and backward() sends gradients back along that path.

A *primitive* computes its value from plain arrays and returns it together with one VJP (vector-Jacobian
product) per differentiable input. For y = f(x), the VJP of x turns the gradient g of the loss in y into the
gradient of the loss in x. Everything else in this file is bookkeeping around that one idea.
"""

import contextlib
import functools
import inspect
import itertools

import numpy as np

PRIMITIVES = {}  # NumPy's name for it -> the function; holds the rules defined inside minivae
# NumPy functions whose answer has no gradient: they run on the plain data and give plain arrays.
NO_GRADIENT = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isfinite", "isnan", "isinf",
               "isclose", "allclose", "array_equal", "argmax", "argmin", "shape", "ndim", "size"}
listeners = []  # functions that are told of every recorded operation; checks/rules.py puts one here for a moment
_clock = itertools.count()
_recording = True


@contextlib.contextmanager
def no_grad():
    """Inside `with no_grad():` no graph is built, so results need no gradient and hold no memory."""
    global _recording
    before, _recording = _recording, False
    try:
        yield
    finally:
        _recording = before


class Tensor:
    """An array that can be differentiated.

    data: anything np.asarray takes. Floats must be float32 or float64 and stay what they are; Python floats become
        float64. The array is not copied: a leaf shares its memory with the array it was made from. Leaves are not
        protected, since the optimiser writes into them; the results of operations are read-only, so that changing
        one between forward and backward raises instead of giving a wrong gradient.
    requires_grad: True for what you want `.grad` of (a plain array of the same shape and dtype, None until backward).

    Raises TypeError for other dtypes, and for integers with requires_grad.
    """

    __slots__ = ("data", "grad", "name", "requires_grad", "op", "_parents", "_age")

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data)
        dtype = self.data.dtype
        if dtype.kind not in "fiub" or dtype.kind == "f" and dtype.itemsize not in (4, 8):
            raise TypeError(f"a Tensor holds float32, float64, integers or booleans, not {dtype}")
        if requires_grad and dtype.kind != "f":
            raise TypeError(f"only a float Tensor can need a gradient, and this one is {dtype}: "
                            f"write floats (1.0, not 1) or use .astype(np.float32)")
        self.grad, self.name, self.requires_grad = None, None, requires_grad
        self.op, self._parents, self._age = None, (), next(_clock)

    def backward(self, g=None):
        """Add to `.grad` of every leaf the gradient of sum(g * self) in it, by reverse mode, eq. (2.2).

        g: array of this Tensor's shape, taken in its dtype; may be left out where the Tensor has one element (g = 1).
        The graph is freed on the way, so that its memory comes back; leaf gradients add up until they are set to None.
        Raises RuntimeError where there is nothing to differentiate, or the graph was freed by an earlier backward,
        and ValueError for a missing g or one of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward has nothing to differentiate: no Tensor in this computation was made with "
                               "requires_grad=True (or it ran under no_grad)")
        if g is None and self.size != 1:
            raise ValueError(f"backward of a Tensor of shape {self.shape} needs g, the gradient of the loss in it: "
                             f"take .sum() or .mean() first, or pass an array of that shape")
        g = np.ones_like(self.data) if g is None else np.array(_plain(g), self.dtype)
        if g.shape != self.shape:
            raise ValueError(f"g has shape {g.shape}, but the Tensor it is the gradient of has shape {self.shape}")
        order, grads = _oldest_first(self), {self: g}
        if not order:
            _add_to_leaf(self, g)
        while order:
            t = order.pop()
            g = grads.pop(t)
            parents, t._parents = t._parents, None  # None marks a freed node
            for parent, vjp in parents:
                c, x = vjp(g), parent.data
                if c is None or (c := np.asarray(c, x.dtype)).shape != x.shape:
                    raise ValueError(f"the rule of {t.op} gave a gradient of shape {np.shape(c)} for an input of shape "
                                     f"{x.shape}: was a broadcast axis not summed?")
                if parent._parents == ():
                    # A rule may hand on g itself or a view of it; a leaf's gradient must be an array of its own.
                    _add_to_leaf(parent, c.copy() if c is g or c.base is not None else c)
                else:
                    grads[parent] = grads[parent] + c if parent in grads else c  # eq. (2.3)

    # What follows is the public face; the rules behind the operators are in ops.py.
    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    dtype = property(lambda self: self.data.dtype)
    T = property(lambda self: PRIMITIVES["transpose"](self))

    def sum(self, axis=None, keepdims=False):
        return PRIMITIVES["sum"](self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        return PRIMITIVES["mean"](self, axis, keepdims)

    def reshape(self, *shape):
        return PRIMITIVES["reshape"](self, shape[0] if len(shape) == 1 else shape)

    def relu(self):
        return PRIMITIVES["relu"](self)

    def exp(self):
        return PRIMITIVES["exp"](self)

    def log(self):
        return PRIMITIVES["log"](self)

    def tanh(self):
        return PRIMITIVES["tanh"](self)

    def item(self):
        return self.data.item()

    def __float__(self):
        return float(self.item())

    def __bool__(self):
        return bool(self.data)

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return PRIMITIVES["getitem"](self, index)

    def __repr__(self):
        values = np.array2string(self.data, separator=", ", prefix="Tensor(")
        source = f", from {self.op}" if self.op else ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({values}, {self.dtype}{source}{f', name={self.name}' if self.name else ''})"

    def _operator(name, swapped=False):
        def method(self, other):
            a, b = (other, self) if swapped else (self, other)
            return _numpy_call(name, (a, b), {})
        return method

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", swapped=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", swapped=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", swapped=True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", swapped=True)
    __pow__, __rpow__ = _operator("power"), _operator("power", swapped=True)
    __lt__, __le__, __gt__, __ge__ = map(_operator, ("less", "less_equal", "greater", "greater_equal"))
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __hash__ = object.__hash__  # by identity, since == compares the values

    def __neg__(self):
        return PRIMITIVES["negative"](self)

    def __abs__(self):
        return PRIMITIVES["absolute"](self)

    # NumPy asks these when one of its functions meets a Tensor: np.exp(t), np.sum(t, axis=1), array * t.
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if "out" in kwargs:
            raise TypeError(f"np.{ufunc.__name__} cannot write a Tensor into an existing array: use a = a + t, not a += t")
        return _numpy_call(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}", inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        return _numpy_call(function.__name__, args, kwargs)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise TypeError("turning a Tensor that needs a gradient into a plain array would lose the gradient: "
                            "use .data if that is what you want")
        return np.array(self.data, dtype) if copy else np.asarray(self.data, dtype)


def _oldest_first(root):
    """Every computed Tensor behind root, sorted by age. A result is younger than its inputs, so walking this list from
    its end meets a Tensor only after everything that was computed from it: that is a topological order."""
    found, stack = set(), [root]
    while stack:
        t = stack.pop()
        if t._parents is None:
            raise RuntimeError(f"an earlier backward freed the graph of this {t.op}: compute the loss again before "
                               f"you call backward again")
        if t._parents and t not in found:
            found.add(t)
            stack += [parent for parent, _ in t._parents]
    return sorted(found, key=lambda t: t._age)


def _add_to_leaf(leaf, g):
    leaf.grad = g if leaf.grad is None else np.asarray(leaf.grad + g)  # + makes a NumPy scalar of 0-d arrays


def primitive(f):
    """Make a differentiable operation of f, which takes plain arrays and returns (value, VJPs).

    There is one VJP per differentiable input, in the order of the leading parameters (for a list of inputs, of its
    entries); a single VJP may stand alone:

        @primitive
        def square(x):
            return x * x, lambda g: g * 2 * x

    A VJP gets the gradient g of the result, must not write into it, and returns a gradient of its input's shape. It is
    called only where its input needs a gradient. The operation gives plain arrays for plain arrays, and a Tensor as
    soon as there is one among its arguments.

    Raises TypeError where float32 meets float64 (a Python number takes the Tensor's dtype), and where a Tensor that
    needs a gradient stands in a place that has no VJP.
    """
    signature, name = inspect.signature(f), f.__name__

    @functools.wraps(f)
    def operation(*args, **kwargs):
        if kwargs:  # gaussian_kl(mu, logvar, prior_mu=m) finds the VJP of m by its place
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        inputs = args[0] if args and type(args[0]) in (list, tuple) and any(type(a) is Tensor for a in args[0]) else None
        values = args if inputs is None else (*inputs, *args[1:])

        plain, tensors, needing, dtype = [], 0, 0, None
        for a in (*values, *kwargs.values()) if kwargs else values:
            if type(a) is Tensor:
                tensors += 1
                needing += a.requires_grad
                a = a.data
            if type(a) is np.ndarray and a.dtype is not dtype and a.dtype.kind == "f":  # Python numbers have no say
                if dtype is not None and a.dtype != dtype:
                    raise TypeError(f"{name} got both {dtype} and {a.dtype}: convert one of them first, "
                                    f"for example with x.astype(np.{dtype})")
                dtype = a.dtype
            plain.append(a)
        if not tensors:
            return f(*args, **kwargs)[0]
        if inputs is not None:
            plain = [plain[:len(inputs)], *plain[len(inputs):]]
        if kwargs:
            kwargs = dict(zip(kwargs, plain[-len(kwargs):]))
            plain = plain[:-len(kwargs)]

        y, vjps = f(*plain, **kwargs)
        y = np.asarray(y, dtype)  # 0-d results come as NumPy scalars, and from NumPy 1 as float64
        if not (needing and _recording):
            return _result(y, name, ())
        y = y.view()  # y may be an input itself, which must stay writable
        y.flags.writeable = False
        vjps = (vjps,) if callable(vjps) else vjps
        parents = [(a, vjp) for a, vjp in zip(values, vjps) if type(a) is Tensor and a.requires_grad]
        if len(parents) < needing:
            raise TypeError(f"{name} has rules for the gradient of its first {len(vjps)} input(s) only, and a Tensor that "
                            f"needs a gradient stands elsewhere: pass its .data to treat it as a constant")
        result = _result(y, name, parents)
        for told in listeners:
            told(f, args, kwargs, result)
        return result

    if f.__module__.startswith("minivae."):
        PRIMITIVES[name] = operation
    return operation


def _result(y, op, parents):
    """A Tensor without the checks of the constructor, which would cost more than the graph itself."""
    t = Tensor.__new__(Tensor)
    t.data, t.grad, t.name, t.requires_grad = y, None, None, bool(parents)
    t.op, t._parents, t._age = op, parents, next(_clock)
    return t


def _plain(a):
    return a.data if isinstance(a, Tensor) else a


def _numpy_call(name, args, kwargs):
    """What an operator or a NumPy function does when it meets a Tensor: the rule of that name, if there is one."""
    if name in PRIMITIVES:
        return PRIMITIVES[name](*args, **kwargs)
    if name in NO_GRADIENT:
        return getattr(np, name)(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()})
    known = ", ".join(sorted(n for n in PRIMITIVES if hasattr(np, n)))
    raise TypeError(f"np.{name} has no rule for Tensors. These have one: {known}. "
                    f"A rule of your own takes five lines: see minivae.primitive")
