"""Exercise 1: the numerical derivative. Belongs to lesson 01.

Write the gradient of any function f of an array, without knowing a formula for f: the central
difference in each entry of x. Move one entry at a time, by h to either side, and leave all others
where they are. f takes an array of x's shape and returns one number; your gradient has the shape
of x, and x itself is the same afterwards.

Derived in
[eq. (1.4)](../derivations/01_finite_differences.md#eq-1-4).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def derivative(f, x, h):
    """The gradient of f at x, entry by entry, with step h: x any shape, result of the same
    shape."""
    raise NotImplementedError("move one entry of a copy of x by h either way, and compare f")


if __name__ == "__main__":
    run(__file__, derivative)
