"""Exercise 9: the KL rule. Belongs to lesson 08.

Write the KL divergence of N(mu, exp(logvar)) from the standard normal in nats, one number per
example, summed over the latents. Return it with the gradients of sum(g * kl) in mu and in logvar,
by hand. g holds one number per example.

Derived in
[eq. (8.4)](../derivations/08_gaussian_kl.md#eq-8-4),
[eq. (8.6)](../derivations/08_gaussian_kl.md#eq-8-6),
[eq. (8.7)](../derivations/08_gaussian_kl.md#eq-8-7).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def kl_rule(g, mu, logvar):
    """(kl, g_mu, g_logvar) of shapes (B,), (B, Z) and (B, Z), for g (B,), mu and logvar (B, Z)."""
    raise NotImplementedError("write one latent's KL with s = logvar, differentiate, then sum")


if __name__ == "__main__":
    run(__file__, kl_rule)
