"""Exercise 10: the KL with a class mean. Belongs to lesson 14.

Now the prior has a mean of its own for each class: example b, of class y[b], is compared with
N(class_mu[y[b]], I). Write its KL, and the gradients of sum(g * kl) in mu, in logvar and in the
class means, by hand. Several examples may share a class, whose mean then collects the gradients of
all of them; a class without an example gets zeros.

Derived in
[eq. (8.5)](../derivations/08_gaussian_kl.md#eq-8-5),
[eq. (8.6)](../derivations/08_gaussian_kl.md#eq-8-6),
[eq. (8.7)](../derivations/08_gaussian_kl.md#eq-8-7),
[eq. (8.8)](../derivations/08_gaussian_kl.md#eq-8-8),
[eq. (2.24)](../derivations/02_backprop.md#eq-2-24).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def class_kl(g, mu, logvar, class_mu, y):
    """(kl, g_mu, g_logvar, g_class_mu); g (B,), mu and logvar (B, Z), class_mu (C, Z), y (B,)
    integers below C."""
    raise NotImplementedError("the KL rule with mu - class_mu[y] for mu; then add up by class")


if __name__ == "__main__":
    run(__file__, class_kl)
