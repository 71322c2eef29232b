"""Exercise 12: active units. Belongs to lesson 15.

A latent is active if the encoder's mean moves with the data: if the variance of mu_j(x) over the
examples x is above the threshold. Write which latents of a model are active, given the encoder's
means of N examples. The variance divides by N, and a latent whose variance equals the threshold is
not active.

Derived in
[eq. (15.7)](../derivations/15_likelihood.md#eq-15-7).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def active_units(mu, threshold):
    """A boolean array (Z,) for mu (N, Z)."""
    raise NotImplementedError("one variance for each latent, over the examples; then compare")


if __name__ == "__main__":
    run(__file__, active_units)
