"""Arguments of the wrong kind, told so in one sentence."""

from math import isqrt, prod

import numpy as np


def positive_int(name, value):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return value


def check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"noise needs a generator: pass rng=np.random.default_rng(seed), got {rng!r}")
    return rng


def image_shape(shape, D):
    """The shape of an image of D numbers: (rows, cols) or (rows, cols, 3); None is a grey square."""
    if shape is None:
        side = isqrt(D)
        if side * side == D:
            return side, side
        example = "(rows, cols, 3) for colour"
        k = isqrt(D // 3)
        if 3 * k * k == D:
            example = f"({k}, {k}, 3) if it is a square in colour"
        raise ValueError(
            f"{D} numbers are no square grey image: say which image they are by "
            f"shape=(rows, cols), or {example}"
        )
    if np.ndim(shape) != 1 or len(shape) not in (2, 3) or tuple(shape[2:]) not in ((), (3,)):
        raise ValueError(f"shape is (rows, cols), or (rows, cols, 3) for colour, not {shape!r}")
    shape = tuple(int(positive_int("shape", n)) for n in shape)
    if prod(shape) != D:
        raise ValueError(f"shape {shape} is {prod(shape)} numbers, but an image here has {D}")
    return shape
