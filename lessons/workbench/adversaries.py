"""The plainest GAN, for three lessons: 19_both_move, 19_forgeries and 19_neighbours."""

import numpy as np

import minivae as mv

from .measure import rng


def players(k, dtype=np.float32):
    """A generator (n, 16) -> logits of pixels (n, 64), and a discriminator (n, 64) -> (n, 1)."""
    G = mv.MLP((16, 128, 128, 64), "relu", dtype=dtype, rng=rng(k, 1))
    D = mv.MLP((64, 128, 128, 1), "relu", dtype=dtype, rng=rng(k, 2))
    return G, D


def gan(G, D, x, k, steps=1500, lr=2e-3, in_turn=True):
    """Train G and D on pictures x (n, 64); what D paid in each step, nats, (steps,).

    G pays -log D for its drawings, D pays -log D for a real picture and -log(1 - D) for a drawn
    one, eq. (19.12); softplus(-l) is -log D, if l is D's logit.
    in_turn: D sees what G has become in this step; otherwise both move from where they were.
    """
    adam_G, adam_D = (mv.Adam(net.parameters(), betas=(0, 0.999)) for net in (G, D))
    chance, paid = rng(k, 3), []
    for step in range(steps):
        adam_G.lr = adam_D.lr = lr * (1 - step / steps)
        z = chance.standard_normal((2, 100, 16)).astype(x.dtype)
        real = x[chance.integers(len(x), size=100)]
        adam_G.zero_grad()
        mv.softplus(-D(mv.sigmoid(G(z[0])))).mean().backward()
        if in_turn:
            adam_G.step()
        with mv.no_grad():
            drawn = mv.sigmoid(G(z[1])).data
        loss = mv.softplus(-D(real)).mean() + mv.softplus(D(drawn)).mean()
        adam_D.zero_grad()  # G's loss has left gradients in D as well
        loss.backward()
        adam_D.step()
        if not in_turn:
            adam_G.step()
        paid.append(loss.item())
    return np.array(paid)


def scores(D):
    """The function that gives D's logits of pictures, (n, 64) -> (n,): the larger, the more real."""
    def logits(x):
        with mv.no_grad():
            return D(x).data[:, 0]
    return logits
