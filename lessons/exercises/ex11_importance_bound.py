"""Exercise 11: the importance-weighted bound. Belongs to lesson 15.

Write the importance-weighted bound on log p(x) for B examples, from K draws z of each posterior:
the log of the average weight w = p(x, z)/q(z | x), in nats. The prior is standard normal, z = mu +
exp(logvar / 2) eps, and nll is -log p(x | z). The weights are far too small for floating point, so
they may never be computed themselves, only their logarithms.

Derived in
[eq. (15.4)](../derivations/15_likelihood.md#eq-15-4),
[eq. (15.2)](../derivations/15_likelihood.md#eq-15-2),
[eq. (6.10)](../derivations/06_mixtures.md#eq-6-10).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def importance_bound(nll, eps, logvar, z):
    """The bound, shape (B,), for nll (K, B), eps and z (K, B, Z), logvar (B, Z)."""
    raise NotImplementedError("the log weights (K, B) first, then log of the mean of exp")


if __name__ == "__main__":
    run(__file__, importance_bound)
