"""Exercise 6: one step of Adam. Belongs to lesson 03.

Write one step of Adam for a parameter p whose gradient is g. m and v are the running means of the
gradient and of its square, as they were left by the last step; t is the number of this step, and
the first one has t = 1. Return the new p, m and v as new arrays, m and v without the correction of
their bias, since the next step goes on from them.

Derived in
[eq. (3.11)](../derivations/03_dense_layers.md#eq-3-11),
[eq. (3.12)](../derivations/03_dense_layers.md#eq-3-12),
[eq. (3.13)](../derivations/03_dense_layers.md#eq-3-13).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def adam_step(p, g, m, v, t, lr, beta1, beta2, eps):
    """(p, m, v) after step t, each of the shape of p."""
    raise NotImplementedError("first the two running means, then their bias, then p")


if __name__ == "__main__":
    run(__file__, adam_step)
