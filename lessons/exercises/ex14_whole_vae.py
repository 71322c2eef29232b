"""Exercise 14: the whole VAE on one page. Belongs to lesson 10.

Write a variational autoencoder in plain NumPy, in about 80 lines, and train it on the digits. You
have written every piece of it before: the dense layer in exercise 4, the cross-entropy in 5, Adam
in 6, the draw of z in 8 and the KL in 9.

    x  ->  h  ->  mu, logvar  ->  z = mu + std * eps  ->  k  ->  logits  ->  loss = nll + kl
       encoder                                       decoder

The parameters are a dict p. With B examples, D pixels, H hidden units and Z latents:

    W1 (D, H),   b1 (H,)     h = tanh(x W1 + b1)
    W2 (H, 2Z),  b2 (2Z,)    h W2 + b2: its first Z columns are mu, its last Z columns logvar
    W3 (Z, H),   b3 (H,)     k = tanh(z W3 + b3)
    W4 (H, D),   b4 (D,)     logits = k W4 + b4

Write one function after the other: the check takes them in this order, and says what is right so
far.

Derived in
[eq. (10.2)](../derivations/10_vae.md#eq-10-2),
[eq. (10.3)](../derivations/10_vae.md#eq-10-3),
[eq. (9.3)](../derivations/09_reparameterization.md#eq-9-3),
[eq. (9.4)](../derivations/09_reparameterization.md#eq-9-4),
[eq. (2.9)](../derivations/02_backprop.md#eq-2-9).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def start(rng, D, H, Z):
    """The dict p: biases 0, weights normal with standard deviation 1 / sqrt(number of rows)."""
    raise NotImplementedError("eight arrays in a dict, drawn with rng.normal")


def forward(p, x, eps):
    """(loss, values): the mean of nll + kl in nats, x (B, D), eps (B, Z); values as you like."""
    raise NotImplementedError("seven lines: h, mu and logvar, z, k, logits, nll, kl")


def backward(p, x, eps, values):
    """{name: the gradient of the loss in p[name]}; values is what forward gave beside the loss."""
    raise NotImplementedError("begin at the logits, and go through forward from its last line")


def adam(p, g, m, v, t, lr):
    """Step t = 1, 2, ... of Adam with betas 0.9 and 0.999 and eps 1e-8: puts new arrays into the
    dicts p, m and v."""
    raise NotImplementedError("exercise 6, for every name in p")


def train(x, rng, epochs=30, batch=50, lr=3e-3, H=100, Z=8):
    """The dict p after training on x (n, D): in every epoch each picture once, in a new order,
    with fresh noise."""
    raise NotImplementedError("for each batch: draw eps, forward, backward, adam")


if __name__ == "__main__":
    run(__file__, train)
