"""The engine: a Tensor remembers how it was computed, and backward() sends gradients back that way.

A *primitive* computes its value from plain arrays and returns it together with one VJP
(vector-Jacobian product) per differentiable input. For y = f(x), the VJP of x turns the gradient g
of the loss in y into the gradient of the loss in x. Everything else in this file is bookkeeping
around that one idea: Tensor, backward, primitive, and at the end how NumPy's functions get here.
"""

import functools
import inspect
import itertools
import operator

import numpy as np

from .checks.arguments import plain_array, plain_value
from .checks.missing import no_rule
from .checks.recording import listener, no_grad, recording

PRIMITIVES = {}  # NumPy's name for it -> the function; holds the rules defined inside minivae
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
PLAIN = {np.ndarray, float, int, bool, type(None), tuple, slice}  # taken as they are
_clock = itertools.count()  # gives each Tensor its age


class Tensor:
    """An array that can be differentiated.

    data: anything np.asarray takes. Floats must be float32 or float64 and stay what they are;
        Python floats become float64. The array is not copied: a leaf shares its memory with the
        array it was made from. Leaves are not protected, since the optimiser writes into them; the
        results of operations are read-only, so that changing one between forward and backward
        raises instead of giving a wrong gradient.
    requires_grad: True for what you want `.grad` of (a plain array of the same shape and dtype,
        None until backward).

    Raises TypeError for other dtypes, and for integers with requires_grad.
    """

    __slots__ = ("data", "grad", "name", "requires_grad", "op", "_parents", "_age")

    def __init__(self, data, requires_grad=False):
        self.data = plain_array(data)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(
                f"only a float Tensor can need a gradient, and this one is {self.data.dtype}: "
                f"write floats (1.0, not 1) or use .astype(np.float32)"
            )
        self.grad = None
        self.name = None
        self.requires_grad = requires_grad
        self.op = None  # the primitive that made it
        self._parents = ()  # pairs (input, VJP): how it was made; None once backward has used them
        self._age = next(_clock)

    def backward(self, g=None):
        """Add to `.grad` of every leaf the gradient of sum(g * self) in it, eq. (2.2).

        g: an array of this Tensor's shape, taken in its dtype; may be left out where the Tensor has
            one element (g = 1).

        The graph is freed on the way, so that its memory comes back. Leaf gradients add up from
        call to call until they are set to None.

        Raises RuntimeError where there is nothing to differentiate, or the graph was freed by an
        earlier backward, and ValueError for a missing g or one of another shape.
        """
        g = self._first_gradient(g)
        order = _oldest_first(self)
        if not order:  # this Tensor is a leaf itself
            _add_to_leaf(self, g)
        grads = {self: g}
        taken = set()  # the arrays that some leaf has as its gradient

        # From the loss to the leaves: a Tensor's gradient is complete when its turn comes.
        while order:
            t = order.pop()
            g = grads.pop(t)
            parents = t._parents
            t._parents = None  # freed
            for parent, vjp in parents:
                c = vjp(g)
                x = parent.data
                if type(c) is not np.ndarray or c.shape != x.shape or c.dtype != x.dtype:
                    c = _as_gradient(c, t.op, x)
                if parent._parents == ():
                    # A rule may hand on g itself, a view of it, or one array to two inputs; a
                    # leaf's gradient is an array of its own.
                    if c is g or c.base is not None or id(c) in taken:
                        c = c.copy()
                    taken.add(id(c))
                    _add_to_leaf(parent, c)
                elif parent in grads:
                    grads[parent] = grads[parent] + c  # eq. (2.3)
                else:
                    grads[parent] = c

    def _first_gradient(self, g):
        """The gradient that backward starts from, checked."""
        if not self.requires_grad:
            raise RuntimeError(
                "backward has nothing to differentiate: no Tensor in this computation was made "
                "with requires_grad=True (or it ran under no_grad; there w -= lr * w.grad makes a "
                "new Tensor, which needs none: write w.data -= lr * w.grad)"
            )
        if g is None and self.size != 1:
            raise ValueError(
                f"backward of a Tensor of shape {self.shape} needs g, the gradient of the loss in "
                f"it: take .sum() or .mean() first, or pass an array of that shape"
            )
        g = np.ones_like(self.data) if g is None else np.array(plain_array(g), self.dtype)
        if g.shape != self.shape:
            raise ValueError(
                f"g has shape {g.shape}, but the Tensor it is the gradient of has {self.shape}"
            )
        return g

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

    def __getitem__(self, index):
        return PRIMITIVES["getitem"](self, index)

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self.data)

    def __float__(self):
        return float(self.__array__().item())

    def __format__(self, spec):
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self):
        values = np.array2string(self.data, separator=", ", prefix="Tensor(")
        notes = [str(self.dtype)]
        if self.op:
            notes.append(f"from {self.op}")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        if self.name:
            notes.append(f"name={self.name}")
        return f"Tensor({values}, {', '.join(notes)})"

    def __reduce_ex__(self, protocol):
        if self._parents != ():  # pickle and copy.deepcopy ask here
            raise TypeError(
                f"the result of {self.op} cannot be copied or pickled, for its graph would be "
                f"lost: take its .data"
            )
        return super().__reduce_ex__(protocol)

    def _operator(name, swapped=False):
        def method(self, other):
            a, b = (other, self) if swapped else (self, other)
            return _numpy_call(name, name, (a, b), {})

        return method

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("subtract"), _operator("subtract", swapped=True)
    __mul__, __rmul__ = _operator("multiply"), _operator("multiply", swapped=True)
    __truediv__, __rtruediv__ = _operator("divide"), _operator("divide", swapped=True)
    __matmul__, __rmatmul__ = _operator("matmul"), _operator("matmul", swapped=True)
    __pow__, __rpow__ = _operator("power"), _operator("power", swapped=True)
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")
    __hash__ = object.__hash__  # by identity, since == compares the values

    def __neg__(self):
        return PRIMITIVES["negative"](self)

    def __abs__(self):
        return PRIMITIVES["absolute"](self)

    # NumPy asks these when one of its functions meets a Tensor: np.exp(t), np.sum(t, axis=1).

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        name = ufunc.__name__
        if "out" in kwargs:
            raise TypeError(
                f"np.{name} cannot write a Tensor into an existing array: use a = a + t, not a += t"
            )
        if method != "__call__":
            name += "." + method
        return _numpy_call(name, name, inputs, kwargs)

    def __array_function__(self, function, types, args, kwargs):
        name = function.__name__
        module = function.__module__.removeprefix("numpy").lstrip(".")  # 'linalg' of np.linalg.norm
        return _numpy_call(name, f"{module}.{name}".lstrip("."), args, kwargs)

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad and recording.get():
            raise TypeError(
                "turning a Tensor that needs a gradient into a plain array or number would lose "
                "the gradient: use .data or .item() if that is what you want"
            )
        return np.array(self.data, dtype) if copy else np.asarray(self.data, dtype)


def _oldest_first(root):
    """Every computed Tensor behind root, sorted by age.

    A result is younger than its inputs, so walking this list from its end meets a Tensor only after
    everything that was computed from it: that is a topological order.
    """
    found = set()
    stack = [root]
    while stack:
        t = stack.pop()
        if t._parents is None:
            raise RuntimeError(
                f"an earlier backward freed the graph of this {t.op}: compute the loss again "
                f"before you call backward again"
            )
        if t._parents and t not in found:
            found.add(t)
            stack += [parent for parent, _ in t._parents]
    return sorted(found, key=operator.attrgetter("_age"))


def _as_gradient(c, op, x):
    """What the rule of op gave for its input x, as an array of the shape and dtype of x."""
    if c is None or np.shape(c) != x.shape:
        raise ValueError(
            f"the rule of {op} gave a gradient of shape {np.shape(c)} for an input of shape "
            f"{x.shape}: was a broadcast axis not summed?"
        )
    return np.asarray(c, x.dtype)


def _add_to_leaf(leaf, g):
    if leaf.grad is None:
        leaf.grad = g
    else:
        leaf.grad = np.asarray(leaf.grad + g)  # + makes a NumPy scalar of 0-d arrays


def primitive(f):
    """Make a differentiable operation of f, which takes plain arrays and returns (value, VJPs).

    There is one VJP per differentiable input, in the order of the leading parameters; a single VJP
    may stand alone:

        @primitive
        def square(x):
            return x * x, lambda g: g * 2 * x

    A VJP gets the gradient g of the result, must not write into it, and returns a gradient of its
    input's shape. It is called only where its input needs a gradient. None stands for an input that
    has none. Where the first parameter is called `arrays`, it is a list of inputs, each with a VJP.

    The operation gives plain arrays for plain arrays, and a Tensor as soon as there is one among
    its arguments. Lists are taken as arrays.

    Raises TypeError where float32 meets float64 (a Python number takes the Tensor's dtype), and
    where a Tensor that needs a gradient stands in a place that has no VJP.
    """
    signature = inspect.signature(f)
    name = f.__name__
    takes_a_list = next(iter(signature.parameters), None) == "arrays"

    @functools.wraps(f)
    def operation(*args, **kwargs):
        if kwargs:
            args, kwargs = _in_place(name, signature, args, kwargs)
        inputs = (*args[0], *args[1:]) if takes_a_list else args

        plain, dtype, tensors, needing = _unwrapped(name, inputs)
        if takes_a_list:
            plain = [plain[: len(args[0])], *plain[len(args[0]) :]]

        # The value, and the rules beside it.
        y, vjps = f(*plain, **kwargs)
        if not tensors:
            return y
        y = np.asarray(y, dtype)  # 0-d results are NumPy scalars, and from NumPy 1 float64
        if not (needing and recording.get()):
            return _result(y, name, ())
        y = y.view()  # y may be an input itself, which must stay writable
        y.flags.writeable = False
        vjps = (vjps,) if callable(vjps) else vjps
        result = _result(y, name, _parents(name, inputs, vjps, needing))
        listen = listener.get()
        if listen is not None:  # check_gradients looks at each rule on the way
            listen(f, args, kwargs, result)
        return result

    if f.__module__.startswith("minivae."):
        PRIMITIVES[name] = operation
    return operation


def _in_place(name, signature, args, kwargs):
    """All arguments in their places: gaussian_kl(mu, logvar, prior_mu=m) finds the VJP of m by it.

    Returns the positional ones, and those that can only be given by keyword.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    bound.apply_defaults()
    for key, value in bound.kwargs.items():
        if type(value) is Tensor:
            raise TypeError(f"{name}: {key} is no input but an option: pass its .data")
    return bound.args, bound.kwargs


def _unwrapped(name, inputs):
    """The inputs without their Tensors, and what has to be known of them.

    Returns (values, the float type that they share, how many are Tensors, how many of these need a
    gradient).
    """
    plain = []
    dtype = None
    tensors = 0
    needing = 0
    for a in inputs:
        if type(a) is Tensor:
            tensors += 1
            needing += a.requires_grad
            a = a.data
        elif type(a) not in PLAIN:
            if type(a) is list and any(type(part) is Tensor for part in a):
                raise TypeError(
                    f"{name} takes no list of Tensors: np.stack or np.concatenate them first (a "
                    f"rule that takes a list calls its first parameter arrays)"
                )
            a = plain_value(a)
        if type(a) is np.ndarray and a.dtype is not dtype and a.dtype.kind not in "iub":
            if dtype is not None or a.dtype not in FLOATS:
                _refuse_dtype(name, dtype, a)
            dtype = a.dtype  # Python numbers have no say in it
        plain.append(a)
    return plain, dtype, tensors, needing


def _refuse_dtype(name, dtype, a):
    """Raises TypeError where a is of a foreign kind, or of another float type than the rest."""
    if a.dtype not in FLOATS:
        plain_array(a)  # says what is wrong with complex numbers and the like
    if a.dtype != dtype:
        raise TypeError(
            f"{name} got both {dtype} and {a.dtype}: convert one of them first, for example with "
            f"x.astype(np.{dtype})"
        )


def _parents(name, inputs, vjps, needing):
    """Who gets a gradient, by which rule: pairs (Tensor, VJP). All `needing` of them must."""
    parents = [
        (a, vjp)
        for a, vjp in zip(inputs, vjps)
        if type(a) is Tensor and a.requires_grad and vjp is not None
    ]
    if len(parents) < needing:
        raise TypeError(
            f"{name} has rules for the gradient of its first {len(vjps)} input(s) only, and a "
            f"Tensor that needs a gradient stands elsewhere: pass its .data to treat it as a "
            f"constant"
        )
    return parents


def _result(y, op, parents):
    """A Tensor without the checks of the constructor, which would cost more than the graph."""
    t = Tensor.__new__(Tensor)
    t.data = y
    t.grad = None
    t.name = None
    t.requires_grad = bool(parents)
    t.op = op
    t._parents = parents
    t._age = next(_clock)
    return t


# NumPy functions whose answer has no gradient: they run on the plain data and give plain arrays.
NO_GRADIENT = set(
    """equal not_equal less less_equal greater greater_equal isfinite isnan isinf isclose allclose
    array_equal all any logical_and logical_or logical_not argmax argmin argsort shape ndim size
    zeros_like ones_like full_like sign floor ceil round rint trunc count_nonzero nonzero""".split()
)
ALIASES = {"amax": "max", "amin": "min", "around": "round", "round_": "round"}


def _numpy_call(name, full_name, args, kwargs):
    """What an operator or NumPy function does when it meets a Tensor: the rule of that name."""
    name = ALIASES.get(name, name)
    if name in PRIMITIVES:
        return PRIMITIVES[name](*args, **kwargs)
    if name in NO_GRADIENT:
        with no_grad():
            args = [a.data if type(a) is Tensor else a for a in args]
            kwargs = {key: a.data if type(a) is Tensor else a for key, a in kwargs.items()}
            return getattr(np, name)(*args, **kwargs)
    raise TypeError(no_rule(full_name, [n for n in PRIMITIVES if hasattr(np, n)]))
