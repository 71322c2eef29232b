"""A solution of exercise 13, repair an exhibit of the bug museum."""

import numpy as np


def repaired(x, mu, logvar, eps, W, b):
    z = mu + np.exp(logvar / 2) * eps  # eq. (9.2)
    logits = z @ W + b
    nll = np.sum(np.logaddexp(0, logits) - logits * x, axis=1)
    kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)  # eq. (8.4)
    return nll + kl  # eq. (10.2)
