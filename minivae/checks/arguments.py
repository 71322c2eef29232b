"""Arguments of the wrong kind, told so in one sentence."""

import numpy as np


def positive_int(name, value):
    if not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    return value


def check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"noise needs a generator: pass rng=np.random.default_rng(seed), got {rng!r}")
    return rng
