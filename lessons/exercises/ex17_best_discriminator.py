"""Exercise 17: the best discriminator. Belongs to lesson 19.

There are K kinds of pictures. Real ones have the probabilities p; B generators have the
probabilities q, a row for each. A discriminator is shown a real or a drawn picture, each half of
the time, and says how probable it is that the picture is real. Write the best one, and the
Jensen-Shannon divergence of real and drawn, in nats, which is what a GAN's generator is to lower.

Some probabilities are 0. No kind has probability 0 in both.

Derived in
[eq. (19.1)](../derivations/19_the_other_road.md#eq-19-1),
[eq. (19.3)](../derivations/19_the_other_road.md#eq-19-3),
[eq. (19.4)](../derivations/19_the_other_road.md#eq-19-4).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def best_discriminator(p, q):
    """D (B, K) and the JS (B,), for p (B, K) and q (B, K)."""
    raise NotImplementedError("first D, then the JS; 0 log 0 is 0")


if __name__ == "__main__":
    run(__file__, best_discriminator)
