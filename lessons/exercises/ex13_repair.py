"""Exercise 13: repair an exhibit of the bug museum. Belongs to lesson 16.

`exhibit` is a VAE's loss as it stands in three well-known programs: its gradients are right to the
last digit, it trains, and it is no bound on log p(x). Write it again with the mistake repaired;
logvar stays the log of the variance. One line is wrong, and no gradient check can find it, for the
gradient of a wrong loss may well be right.

Derived in
[eq. (9.2)](../derivations/09_reparameterization.md#eq-9-2),
[eq. (8.4)](../derivations/08_gaussian_kl.md#eq-8-4),
[eq. (10.2)](../derivations/10_vae.md#eq-10-2).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def exhibit(x, mu, logvar, eps, W, b):
    """nll + kl, shape (B,): x (B, D), mu, logvar and eps (B, Z); the decoder's logits are z W + b,
    W (Z, D), b (D,)."""
    z = mu + np.exp(logvar) * eps
    logits = z @ W + b
    nll = np.sum(np.logaddexp(0, logits) - logits * x, axis=1)
    kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)
    return nll + kl


def repaired(x, mu, logvar, eps, W, b):
    """The loss nll + kl in nats, shape (B,), as exhibit should have been."""
    raise NotImplementedError("which two lines read logvar, and do they mean the same by it?")


if __name__ == "__main__":
    run(__file__, repaired)
