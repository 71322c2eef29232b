"""Arguments of the wrong kind, told so in one sentence."""

from math import isqrt, prod

import numpy as np


def positive_int(name, value):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return value


def check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"noise needs a generator: pass rng=np.random.default_rng(seed), got {rng!r}"
        )
    return rng


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
