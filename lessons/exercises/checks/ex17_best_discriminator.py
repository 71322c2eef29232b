"""Exercise 17, the best discriminator: its hints, its inputs, the right answer, and mistakes by
name."""

import numpy as np

from machinery.cases import Case, table

HINTS = (
    """Of a kind that has probability p among the real and q among the drawn, and is shown from
    either side half of the time, what share is real? That is eq. (19.1).""",
    """The JS is the mean of two KLs, each against the mixture m = (p + q) / 2, eq. (19.3): a half of
    the sum of p log(p / m), and a half of the sum of q log(q / m), over the kinds. Each generator
    has its own.""",
    """p / m is 2 D and q / m is 2 (1 - D). Where p is 0 its term is 0: take the logarithm of
    np.where(p > 0, p / m, 1).""",
)

INPUTS = {"p": "BK", "q": "BK"}
OUTPUTS = {"D": "BK", "js": "B"}


def cases(rng):
    for B, K in ((1, 2), (1, 3), (2, 2), (2, 3), (3, 5), (4, 2), (1, 40)):
        yield Case({"p": _shares(rng, B, K), "q": _shares(rng, B, K)}, B=B, K=K)
    p = _shares(rng, 2, 3)
    yield Case({"p": p, "q": p.copy()}, "the generator is perfect", B=2, K=3)
    yield Case({"p": np.array([[0.4, 0.6, 0, 0]]), "q": np.array([[0, 0, 0.5, 0.5]])},
               "real and drawn never meet", B=1, K=4)
    yield Case({"p": np.array([[0.5, 0.3, 0.2], [0.2, 0.8, 0]]),
                "q": np.array([[0.4, 0.6, 0], [0.3, 0.3, 0.4]])},
               "a kind that is never drawn, and one that is not real", B=2, K=3)
    yield Case({"p": np.array([[1 - 1e-9, 1e-9]]), "q": np.array([[0.5, 0.5]])},
               "a kind that is hardly ever real", B=1, K=2)


def _shares(rng, B, K):
    p = np.round(rng.dirichlet(np.full(K, 2.0), size=B) * 0.8 + 0.2 / K, 3)
    p[:, -1] += 1 - p.sum(axis=1)
    return np.round(p, 3)


def right(p, q):
    D = p / (p + q)
    m = (p + q) / 2
    return D, (_kl(p, m) + _kl(q, m)) / 2


def _kl(p, m):
    return np.sum(p * np.log(np.where(p > 0, p / np.where(m > 0, m, 1e-300), 1)), axis=1)


def names(p, q):
    return {"kl": _kl, "m": (p + q) / 2, "tv": np.abs(p - q).sum(axis=1) / 2}


MISTAKES = table("""
D
    q / (p + q)
        real and drawn are exchanged: this is the share of drawn pictures
    p
        this is the probability of the picture among the real ones: divide it by that of being
        shown at all, p + q
    p / q
        this is the ratio of the two: the share p / (p + q) is due
    np.log(p / q)
        this is the logit: the probability is due
    p - q
        this is the difference of the two: the share p / (p + q) is due
    m
        this is how often the picture is shown: the share of the real among them is due
    p / m
        this is twice the share of the real: m is half of p + q
    p / np.sum(p + q, axis=1, keepdims=True)
        it is divided by the sum over all kinds: each kind has its own p + q
    0.5 + 0 * p
        this is the discriminator that cannot tell: the best one does better unless p is q
    1.0 * (p > q)
        this says the likelier side and not how probable it is
    p**2 / (p**2 + q**2)
        the squares have no part in it: the share is p / (p + q)
    p / (p + q + 1e-8)
        something was added below to be safe: p + q is never 0 here, and D is off by it
js
    kl(p, m) + kl(q, m)
        the 1/2 is missing: it is the mean of the two KLs
    kl(p, m)
        this is KL(p || m) alone: the mean of it and of KL(q || m) is due
    kl(q, m)
        this is KL(q || m) alone: the mean of it and of KL(p || m) is due
    kl(p, m) / 2
        the half of q is missing
    kl(q, m) / 2
        the half of p is missing
    kl(p, q)
        this is KL(p || q): each is to be compared with the mixture m
    kl(q, p)
        this is KL(q || p): each is to be compared with the mixture m
    (kl(p, q) + kl(q, p)) / 2
        this is the mean of the two KLs of p and q with one another: each is to be compared with the
        mixture m
    (kl(m, p) + kl(m, q)) / 2
        the KLs are the other way round: KL(p || m) and KL(q || m) are due
    kl(p, p + q) / 2 + kl(q, p + q) / 2
        the mixture is (p + q) / 2: its 1/2 is missing, and log 2 with it
    kl(p, p + q) + kl(q, p + q)
        this is minus twice what the best discriminator pays: add 2 log 2 and take the half
    np.log(2) - js
        this is what the best discriminator pays: the JS is log 2 less that
    -js
        the sign is flipped: the JS is never negative
    js / np.log(2)
        these are bits: nats are due, so no division by log 2
    np.sqrt(js)
        this is the root of the JS: the JS itself is due
    tv
        this is the total variation, half the sum of |p - q|
    js / K
        this is the mean over the kinds: their sum is due
    np.full(B, js.mean())
        this is the mean over the generators: one number for each is due
    np.full(B, js.sum())
        this is the sum over the generators: one number for each is due
    0.5 * np.sum(p * np.log(p / m) + q * np.log(q / m), axis=1)
        where a probability is 0, 0 times the logarithm of 0 is computed: that term is 0
    0.5 * np.sum(p * np.log(p / m + 1e-8) + q * np.log(q / m + 1e-8), axis=1)
        something was added in the logarithm to be safe: it is off by that
""")
