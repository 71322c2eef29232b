"""Exercise 11, the importance-weighted bound: its hints, its inputs, the right answer, and
mistakes by name."""

import numpy as np

from machinery.cases import DRAWS_BATCH_LATENTS, Case, draw, table

HINTS = (
    """log w = log p(x | z) + log p(z) - log q(z | x), and z was made from eps: (z - mu)**2 / var
    is eps**2, so mu is not needed. The terms log 2 pi cancel. That is eq. (15.4).""",
    """log w has shape (K, B): -nll plus half of the sum over the latents of eps**2 + logvar -
    z**2. For the log of the mean of exp over the draws (axis 0), take the largest log w of each
    example out first, eq. (6.10).""",
    """top = log_w.max(axis=0); the bound is top + np.log(np.mean(np.exp(log_w - top), axis=0)),
    one number for each example.""",
)

INPUTS = {"nll": "KB", "eps": "KBZ", "logvar": "BZ", "z": "KBZ"}
OUTPUTS = {"bound": "B"}


def cases(rng):
    for K, B, Z in DRAWS_BATCH_LATENTS:
        yield _case(rng, K, B, Z)
    far = 1000.0
    for note, away in (
        ("every weight underflows: exp(-1000) is 0", [[far, far], [far, far], [far, far]]),
        (
            "every weight overflows: exp(1000) is infinite",
            [[-far, -far], [-far, -far], [-far, -far]],
        ),
        ("the first weight is far smaller than the others", [[far, far], [0, 0], [1, 2]]),
        ("the last weight is far smaller than the others", [[1, 2], [0, 1], [far, far]]),
        (
            "the largest weight is another draw in each example",
            [[2 * far, 0], [0, 2 * far], [2 * far, 2 * far]],
        ),
        ("one example's weights are far smaller than the other's", [[0, far], [1, far], [0, far]]),
    ):
        c = _case(rng, 3, 2, 2)
        c.inputs["nll"] = c.inputs["nll"] + np.array(away)
        yield Case(c.inputs, note, **c.sizes)


def _case(rng, K, B, Z):
    c = draw(rng, INPUTS, K=K, B=B, Z=Z)
    c["nll"] = np.round(3 + 2 * rng.uniform(size=(K, B)), 2)
    c["z"] = np.round(rng.normal(size=(B, Z)) + np.exp(c["logvar"] / 2) * c["eps"], 2)
    return Case(c, K=K, B=B, Z=Z)


def right(nll, eps, logvar, z):
    log_w = -nll + 0.5 * np.sum(eps**2 + logvar - z**2, axis=-1)
    top = np.max(log_w, axis=0)
    return top + np.log(np.mean(np.exp(log_w - top), axis=0))


def names(nll, eps, logvar, z):
    def bound_of(log_w):
        """log of the mean of exp over the draws, safely."""
        top = log_w.max(axis=0)
        return top + np.log(np.mean(np.exp(log_w - top), axis=0))

    half = lambda a: 0.5 * np.sum(a + 0 * z, axis=-1)
    log_w = -nll + half(eps**2 + logvar - z**2)
    return {"bound_of": bound_of, "half": half, "log_w": log_w}


MISTAKES = table("""
bound
    log_w.mean(axis=0)
        this is the mean of the log weights, the ELBO: the log of the weights' mean is due
    log_w.sum(axis=0)
        this is the sum of the log weights: the log of the weights' mean is due
    bound + np.log(K)
        this is the log of the sum of the weights: their mean is due, so log K is too many
    bound - np.log(K)
        log K is subtracted once too often
    (bound + np.log(K)) / K
        divided by K after the logarithm: divide the sum of the weights, before it
    log_w.max(axis=0)
        this is the largest log weight alone
    bound - log_w.max(axis=0)
        the largest log weight was taken out, and not put back
    -bound
        the sign is flipped: the bound lies below log p(x), it is no loss
    np.exp(bound)
        this is the mean of the weights, and its logarithm is due
    np.log(np.mean(np.exp(log_w), axis=0))
        the weights themselves are computed, and they under- or overflow: take the largest log
        weight of each example out first
    log_w.max() + np.log(np.mean(np.exp(log_w - log_w.max()), axis=0))
        the largest log weight of all is taken out: take for each example its own
    log_w[0] + np.log(np.mean(np.exp(log_w - log_w[0]), axis=0))
        it behaves as if the first log weight were taken out before exp: take out the largest
    log_w[-1] + np.log(np.mean(np.exp(log_w - log_w[-1]), axis=0))
        it behaves as if the last log weight were taken out before exp: take out the largest
    log_w.mean(axis=0) + np.log(np.mean(np.exp(log_w - log_w.mean(axis=0)), axis=0))
        what is taken out before exp is not the largest log weight, and exp overflows where the
        largest is far above it
    log_w.min(axis=0) + np.log(np.mean(np.exp(log_w - log_w.min(axis=0)), axis=0))
        it behaves as if the smallest log weight were taken out before exp: take out the largest
    bound_of(-log_w)
        the weights are turned over, q / p
    bound_of(log_w + 2 * nll)
        the sign of nll is wrong: log p(x | z) is -nll
    bound_of(log_w + nll)
        nll is missing
    bound_of(-nll + half(eps**2 + logvar))
        log p(z) is missing, -z**2 / 2
    bound_of(-nll - half(z**2))
        log q(z | x) is missing
    bound_of(-nll)
        log p(z) and log q(z | x) are missing: this is the log of the mean of p(x | z)
    bound_of(-nll - half(eps**2 + logvar + z**2))
        log q(z | x) is added: it should be subtracted
    bound_of(-nll - half(eps**2 + logvar - z**2))
        the signs of log p(z) and of log q(z | x) are wrong, both
    bound_of(log_w - half(logvar))
        the term logvar of log q is missing
    bound_of(log_w - 2 * half(logvar))
        the sign of the term logvar is wrong
    bound_of(log_w + half(logvar))
        the term logvar lacks its 1/2: the log of the standard deviation is logvar / 2
    bound_of(-nll + half(eps**2 + np.exp(logvar) - z**2))
        the variance exp(logvar) stands where logvar is due
    bound_of(-nll + half(eps**2 * np.exp(-logvar) + logvar - z**2))
        eps**2 is divided by the variance: (z - mu)**2 / var is eps**2 already
    bound_of(-nll + half(eps**2 * np.exp(logvar) + logvar - z**2))
        eps**2 is multiplied by the variance: (z - mu)**2 / var is eps**2 already
    bound_of(-nll + half(eps**2 + logvar - z**2 * np.exp(-logvar)))
        z**2 is divided by the variance of q: the prior's variance is 1
    bound_of(-nll + 2 * half(eps**2 + logvar - z**2))
        the 1/2 is missing
    bound_of(-nll + half(eps**2 + logvar - z**2) / Z)
        this is a mean over the latents, and a sum is due
    bound_of(-nll - half((z - np.exp(logvar / 2) * eps)**2 + np.exp(logvar) - logvar - 1))
        the closed KL is subtracted: here each draw has its own log p(z) - log q(z | x)
""")

TERMS = {
    "bound": {
        "nll": "nll[0]",
        "sum eps**2": "np.sum(eps[0]**2, axis=1)",
        "sum logvar": "np.sum(logvar, axis=1)",
        "sum z**2": "np.sum(z[0]**2, axis=1)",
        "sum exp(logvar)": "np.sum(np.exp(logvar), axis=1)",
        "sum eps": "np.sum(eps[0], axis=1)",
        "sum z": "np.sum(z[0], axis=1)",
        "1": "1",
        "Z": "Z",
    }
}


SUMS_WHERE = "with one draw, K = 1, "


def sums_of(case):
    """With one draw the bound is a sum, and its terms can be told apart."""
    return case.sizes["K"] == 1
