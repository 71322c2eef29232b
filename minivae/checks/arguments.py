"""Arguments of the wrong kind, told so in one sentence."""

import numpy as np


def positive_int(name, value):
    """value, if it is an integer of at least 1; else ValueError."""
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return value


def check_rng(rng):
    """rng, if it is a numpy Generator; else TypeError."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"noise needs a generator: pass rng=np.random.default_rng(seed), got {rng!r}")
    return rng


def plain_array(a):
    """a as a plain ndarray of float32, float64, integers or booleans, without a copy where it is one.

    Raises TypeError for what is no such array, or is one with rules of its own (a masked array, a
    matrix, a sparse matrix, a data frame): computing with it here would follow half of them.
    """
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
