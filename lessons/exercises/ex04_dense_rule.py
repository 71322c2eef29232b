"""Exercise 4: the rule of a dense layer. Belongs to lesson 03.

Write a dense layer and its backward pass by hand: y = x W + b for a batch of rows x. The loss is
L; g is the gradient of L in y. Return y and the gradients of L in x, in W and in b, each of the
shape of what it is the gradient in.

Derived in
[eq. (3.1)](../derivations/03_dense_layers.md#eq-3-1),
[eq. (3.2)](../derivations/03_dense_layers.md#eq-3-2),
[eq. (3.3)](../derivations/03_dense_layers.md#eq-3-3).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def dense_rule(g, x, W, b):
    """(y, g_x, g_W, g_b) for g (B, O), x (B, I), W (I, O), b (O,): B examples, I inputs, O
    outputs."""
    raise NotImplementedError("three products or sums of g, x and W; the shapes allow one way each")


if __name__ == "__main__":
    run(__file__, dense_rule)
