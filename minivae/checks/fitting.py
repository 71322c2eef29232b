"""The arguments of fit: what is wrong with one is told in a sentence that says what to write."""

import numpy as np


def check_choices(beta, optimizer, callback):
    if not callable(beta):
        check_beta(beta)
    if optimizer is not None and not hasattr(optimizer, "params"):  # a class has none yet
        raise TypeError(
            f"optimizer={optimizer!r} is no optimiser of this model's parameters: write "
            f"optimizer=mv.Adam(model.parameters(), lr=1e-3), or leave it out"
        )
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of (model, history), got {callback!r}")


def check_beta(beta):
    """beta itself, if it is a finite number."""
    number = np.asarray(beta)
    if number.shape != () or number.dtype.kind not in "biuf" or not np.isfinite(number):
        raise ValueError(
            f"beta must be a finite number, or a function of the epoch that gives one, "
            f"got {beta!r}: leave it out for the VAE's own weight, 1"
        )
    return beta


def check_no_pair(x):
    if isinstance(x, tuple):
        raise ValueError(
            f"x is a tuple of {len(x)}, where only the data are wanted: take it apart with "
            f"x, y = ..., and pass x"
        )


def pair(x_val):
    """x_val as the pair (x, y); y is None for data alone."""
    if isinstance(x_val, tuple) and len(x_val) == 2:
        return x_val
    is_list_of_data = isinstance(x_val, list) and len(x_val) > 0 and np.ndim(x_val[0]) == 2
    if isinstance(x_val, tuple) or is_list_of_data:
        raise ValueError(
            f"x_val is a {type(x_val).__name__} of {len(x_val)}: write x_val=x for data alone, "
            f"and the pair x_val=(x, y) for data with labels"
        )
    return x_val, None


def is_true(answer):
    """Whether a callback returned True, and not just something, such as a Figure."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)
