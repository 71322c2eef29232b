"""Exercise 5: the cross-entropy from logits. Belongs to lesson 04.

Write the cross-entropy -log p(x) of B pictures with D pixels each, in nats, summed over the
pixels, given the decoder's logits; the probability that a pixel is white is sigmoid(logit). Also
return the gradient of sum(g * nll) in the logits, with one number g per picture. Logits of 1000
and of -1000 must give the right finite numbers: work without probabilities.

Derived in
[eq. (4.5)](../derivations/04_autoencoder.md#eq-4-5),
[eq. (4.6)](../derivations/04_autoencoder.md#eq-4-6).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def cross_entropy(g, logits, x):
    """(nll, g_logits) of shapes (B,) and (B, D), for g (B,), logits (B, D) and x (B, D) in [0,
    1]."""
    raise NotImplementedError("start from eq. (4.5), which cannot overflow, and differentiate it")


if __name__ == "__main__":
    run(__file__, cross_entropy)
