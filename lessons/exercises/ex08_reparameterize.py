"""Exercise 8: the reparameterization rule. Belongs to lesson 09.

Write the draw z from N(mu, exp(logvar)) as a function of standard normal noise eps, and its
gradients by hand. logvar is the log of the variance, not of the standard deviation. Return z and
the gradients of sum(g * z) in mu and in logvar; no random number is drawn here, since forward and
backward must see the same noise.

Derived in
[eq. (9.2)](../derivations/09_reparameterization.md#eq-9-2),
[eq. (9.3)](../derivations/09_reparameterization.md#eq-9-3),
[eq. (9.4)](../derivations/09_reparameterization.md#eq-9-4).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def reparameterize(g, mu, logvar, eps):
    """(z, g_mu, g_logvar), all of shape (B, Z), as are g, mu, logvar and eps."""
    raise NotImplementedError("the standard deviation is exp(logvar / 2); keep eps fixed")


if __name__ == "__main__":
    run(__file__, reparameterize)
