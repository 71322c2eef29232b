"""Exercise 15: the ELBO. Belongs to lesson 07.

Write the lower bound on log p(x) for B examples, in nats. For each example L draws of z from q(z |
x) were decoded, and nll is what the decoder makes of x each time, -log p(x | z). q is a Gaussian
with mean mu and variance exp(logvar), the prior is N(0, I), and their KL is known in closed form.

Derived in
[eq. (7.7)](../derivations/07_elbo.md#eq-7-7),
[eq. (8.4)](../derivations/08_gaussian_kl.md#eq-8-4).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def elbo(nll, mu, logvar):
    """The ELBO, shape (B,), for nll (L, B), mu and logvar (B, Z)."""
    raise NotImplementedError("how well the draws explain x, less what q costs")


if __name__ == "__main__":
    run(__file__, elbo)
