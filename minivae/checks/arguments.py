"""Arguments of the wrong kind, told so in one sentence."""

from math import isqrt, prod

import numpy as np


def positive_int(name, value):
    """value, if it is an integer of at least 1; else ValueError."""
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return value


def check_rng(rng):
    """rng, if it is a numpy Generator; else TypeError."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"noise needs a generator: pass rng=np.random.default_rng(seed), got {rng!r}"
        )
    return rng


def plain_array(a):
    """a as a plain ndarray of floats, integers or booleans; no copy where it is one already.

    Raises TypeError for what is no such array, or is one with rules of its own (a masked array, a
    matrix, a sparse matrix, a data frame): computing with it here would follow half of them.
    """
    if type(a) is not np.ndarray:
        _refuse_other_rules(a)
    array = np.asarray(a)
    dtype = array.dtype
    if not dtype.isnative:
        raise TypeError(
            f"the array's bytes are in another order ({dtype.str}): pass a.astype({dtype.name!r})"
        )
    if dtype.kind not in "fiub" or dtype.kind == "f" and dtype.itemsize not in (4, 8):
        advice = "a.real or a.imag" if dtype.kind == "c" else "a.astype(np.float64)"
        raise TypeError(
            f"arrays here hold float32, float64, integers or booleans, not {dtype}: pass {advice}"
        )
    return array


def _refuse_other_rules(a):
    """Raises TypeError for an array-like that computes by rules of its own."""
    if isinstance(a, np.ma.MaskedArray):
        raise TypeError(
            "a masked array would lose its mask here: fill it (a.filled(0)) and multiply by a mask "
            "of ones and zeros"
        )
    if isinstance(a, np.matrix):
        raise TypeError("np.matrix has a * of its own: pass np.asarray(a)")
    if hasattr(a, "toarray"):  # SciPy's sparse matrices
        raise TypeError(f"a {type(a).__name__} is sparse: pass a.toarray()")
    if hasattr(a, "to_numpy"):  # data frames and their columns
        raise TypeError(f"a {type(a).__name__} is not a plain array: pass a.to_numpy()")
    if hasattr(a, "detach"):  # PyTorch's tensors
        raise TypeError("a torch.Tensor is not a plain array: pass a.detach().numpy()")


def plain_value(a):
    """An argument that may be an array, a list, a number, or an option such as an axis or a shape.

    Arrays of other kinds and lists become plain arrays; whatever is no array comes back as it is.
    Raises TypeError as plain_array.
    """
    if isinstance(a, np.generic):
        return a
    if isinstance(a, (list, complex)) or hasattr(a, "__array__") or hasattr(a, "toarray"):
        return plain_array(a)
    return a


def image_shape(shape, D):
    """The shape of an image of D numbers: (rows, cols), or (rows, cols, 3) for colour.

    None stands for a grey square, where that is the likely shape. Where the side would be a
    multiple of 3 it is not: any 4:3 picture in colour, and any grey one of 16:9, has such a D.
    """
    if shape is None:
        side = isqrt(D)
        if side * side == D and side % 3:
            return side, side
        raise ValueError(
            f"{D} numbers could be an image of several shapes: say shape=(rows, cols), "
            f"or (rows, cols, 3) for colour{_square_shape(D)}"
        )
    if np.ndim(shape) != 1 or len(shape) not in (2, 3) or tuple(shape[2:]) not in ((), (3,)):
        raise ValueError(f"shape is (rows, cols), or (rows, cols, 3) for colour, not {shape!r}")
    shape = tuple(int(positive_int("shape", n)) for n in shape)
    if prod(shape) != D:
        raise ValueError(f"shape {shape} is {prod(shape)} numbers, but an image here has {D}")
    return shape


def _square_shape(D):
    """The end of a sentence that asks for a shape: which one a square image would have."""
    for colours in ((), (3,)):
        side = isqrt(D // prod(colours))
        shape = (side, side, *colours)
        if prod(shape) == D:
            return f"; shape={shape} if it is square"
    return ""
