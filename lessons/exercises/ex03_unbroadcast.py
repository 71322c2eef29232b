"""Exercise 3: unbroadcast. Belongs to lesson 02.

When x of a small shape meets a larger array, NumPy copies x along new axes in front and along axes
of length 1. Given the gradient g of the loss in the copies, write the gradient in x itself. It has
the given shape, and each of its entries collects what all of its copies received.

Derived in
[eq. (2.18)](../derivations/02_backprop.md#eq-2-18).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def unbroadcast(g, shape):
    """The gradient in an array of this shape, from the gradient g in what it was broadcast to."""
    raise NotImplementedError("each entry of x was copied; what do the gradients of the copies do?")


if __name__ == "__main__":
    run(__file__, unbroadcast)
