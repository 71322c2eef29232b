"""Exercise 7: one step of EM. Belongs to lesson 06.

Write one step of EM for a mixture of K Gaussians in one dimension. First compute the
responsibilities, the probability of each component given each point, with the old parameters; then
the new weights, means and variances, in which each point counts with its responsibility. A point
so far out that all its densities underflow must not give NaN.

Derived in
[eq. (6.3)](../derivations/06_mixtures.md#eq-6-3),
[eq. (6.5)](../derivations/06_mixtures.md#eq-6-5),
[eq. (6.10)](../derivations/06_mixtures.md#eq-6-10).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def em_step(x, pi, mu, var):
    """The new (pi, mu, var), each of shape (K,), for points x (N,); var holds variances."""
    raise NotImplementedError("responsibilities (N, K) first; then three weighted averages")


if __name__ == "__main__":
    run(__file__, em_step)
