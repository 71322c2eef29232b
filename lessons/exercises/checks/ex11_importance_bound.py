"""What exercise 11 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

from check import Case, draw, examine
from minivae.evaluate import log_mean_exp

HINTS = (
    "log w = log p(x | z) + log p(z) - log q(z | x), and z was made from eps: (z - mu)**2 / var is eps**2, so mu is not "
    "needed. The terms "
    "log 2 pi cancel. That is eq. (15.4).",
    "log w has shape (K, B): -nll plus half of the sum over the latents of eps**2 + logvar - z**2. For the log of the "
    "mean of exp over the "
    "draws (axis 0), take the largest log w of each example out first, eq. (6.10).",
    "top = log_w.max(axis=0); the bound is top + np.log(np.mean(np.exp(log_w - top), axis=0)), one number for each example.",
)

SIZES = ({"K": 1, "B": 1, "Z": 1}, {"K": 1, "B": 1, "Z": 1}, {"K": 1, "B": 1, "Z": 2}, {"K": 1, "B": 2, "Z": 1},
         {"K": 2, "B": 1, "Z": 1}, {"K": 3, "B": 1, "Z": 1}, {"K": 2, "B": 2, "Z": 2},
         {"K": 4, "B": 3, "Z": 2}, {"K": 3, "B": 2, "Z": 5}, {"K": 1, "B": 40, "Z": 2}, {"K": 1, "B": 30, "Z": 3})


def check(answer):
    rng, cases = np.random.default_rng(11), []
    for s in SIZES:
        logvar, eps, mu = draw(rng, "BZ", s), draw(rng, "KBZ", s), draw(rng, "BZ", s)
        cases.append(Case({"nll": np.round(3 + 2 * rng.uniform(size=(s["K"], s["B"])), 2), "eps": eps, "logvar": logvar,
                           "z": np.round(mu + np.exp(logvar / 2) * eps, 2)}, **s))
    for away in (900.0, -900.0):
        far = {n: a.copy() for n, a in cases[7].items()}
        far["nll"] += away * np.array([1.0, 2, 3])
        what = "underflows to 0, whose log is -inf" if away > 0 else "overflows"
        cases.append(Case(far, f"nll near {away:g}: exp(log w) {what}, so take the largest log w out first, "
                          "for each example its own", **SIZES[7]))
    half = lambda c, f: 0.5 * np.sum(f(c), axis=-1)
    log_w = lambda c: -c.nll + half(c, lambda c: c.eps**2 + c.logvar - c.z**2)
    bound = lambda f: lambda c: log_mean_exp(f(c))
    K = lambda c: len(c.nll)
    suspects = {"bound": {
        "the mean of the log weights, which is the ELBO: take the log of their mean": lambda c: log_w(c).mean(axis=0),
        "the sum of the log weights: take the log of the mean of the weights": lambda c: log_w(c).sum(axis=0),
        "the log of the sum of the weights: their mean is due, so log K is too many": lambda c:
            log_mean_exp(log_w(c)) + np.log(K(c)),
        "log K is subtracted twice": lambda c: log_mean_exp(log_w(c)) - np.log(K(c)),
        "divided by K after the logarithm: divide the sum of the weights, before it": lambda c:
            (log_mean_exp(log_w(c)) + np.log(K(c))) / K(c),
        "the largest log weight alone": lambda c: log_w(c).max(axis=0),
        "the largest log weight was taken out and not put back": lambda c: log_mean_exp(log_w(c)) - log_w(c).max(axis=0),
        "the mean over the batch as well, in each entry": lambda c: np.full(c.nll.shape[1], log_mean_exp(log_w(c)).mean()),
        "the sign of the result: it is a lower bound on log p(x), not a loss": lambda c: -log_mean_exp(log_w(c)),
        "the weight itself and not its logarithm": lambda c: np.exp(log_mean_exp(log_w(c))),
        "the weights are turned over, q / p: their signs are flipped inside": lambda c: log_mean_exp(-log_w(c)),
        "the sign of nll: log p(x | z) is -nll": bound(lambda c: log_w(c) + 2 * c.nll),
        "nll is missing": bound(lambda c: log_w(c) + c.nll),
        "log p(z) is missing, -z**2 / 2": bound(lambda c: -c.nll + half(c, lambda c: c.eps**2 + c.logvar)),
        "log q(z | x) is missing": bound(lambda c: -c.nll - half(c, lambda c: c.z**2)),
        "log q(z | x) and log p(z) are missing: this is the log of the mean of p(x | z)": bound(lambda c: -c.nll),
        "log q(z | x) is added, and should be subtracted":
            bound(lambda c: -c.nll - half(c, lambda c: c.eps**2 + c.logvar + c.z**2)),
        "the sign of log p(z) and of log q(z | x), both":
            bound(lambda c: -c.nll - half(c, lambda c: c.eps**2 + c.logvar - c.z**2)),
        "the term logvar of log q is missing": bound(lambda c: log_w(c) - half(c, lambda c: c.logvar + 0 * c.eps)),
        "the sign of the term logvar": bound(lambda c: log_w(c) - 2 * half(c, lambda c: c.logvar + 0 * c.eps)),
        "logvar without its 1/2: log of the standard deviation is logvar / 2":
            bound(lambda c: log_w(c) + half(c, lambda c: c.logvar + 0 * c.eps)),
        "the variance exp(logvar), where logvar is due":
            bound(lambda c: -c.nll + half(c, lambda c: c.eps**2 + np.exp(c.logvar) - c.z**2)),
        "the term eps**2 of log q is missing": bound(lambda c: log_w(c) - half(c, lambda c: c.eps**2)),
        "the sign of eps**2": bound(lambda c: log_w(c) - 2 * half(c, lambda c: c.eps**2)),
        "eps**2 is divided by the variance: (z - mu)**2 / var is eps**2 already":
            bound(lambda c: log_w(c) + half(c, lambda c: c.eps**2 * (np.exp(-c.logvar) - 1))),
        "eps**2 is multiplied by the variance: (z - mu)**2 / var is eps**2 already":
            bound(lambda c: log_w(c) + half(c, lambda c: c.eps**2 * (np.exp(c.logvar) - 1))),
        "the 1/2 is missing": bound(lambda c: -c.nll + 2 * half(c, lambda c: c.eps**2 + c.logvar - c.z**2)),
        "a mean over the latents: a sum is due": bound(lambda c: -c.nll + 0.5
                                                       * np.mean(c.eps**2 + c.logvar - c.z**2, axis=-1)),
        "the squares are missing": bound(lambda c: -c.nll + half(c, lambda c: c.eps + c.logvar - c.z)),
        "z and eps are exchanged": bound(lambda c: -c.nll + half(c, lambda c: c.z**2 + c.logvar - c.eps**2)),
        "log 2 pi belongs to both densities and cancels; only that of the prior is here":
            bound(lambda c: log_w(c) - 0.5 * np.log(2 * np.pi) * c.z.shape[-1]),
        "log 2 pi belongs to both densities and cancels; only that of q is here":
            bound(lambda c: log_w(c) + 0.5 * np.log(2 * np.pi) * c.z.shape[-1]),
        "the closed KL is subtracted: here each draw has its own log p(z) - log q(z | x)": bound(lambda c: -c.nll - half(
            c, lambda c: (c.z - np.exp(c.logvar / 2) * c.eps) ** 2 + np.exp(c.logvar) - c.logvar - 1)),
        "the mean of the weights' logs weighted by the weights (softmax)": lambda c:
            np.sum(np.exp(log_w(c) - log_mean_exp(log_w(c)) - np.log(K(c))) * log_w(c), axis=0),
    }}
    full = lambda c, a: np.broadcast_to(a, c.z.shape).sum(axis=-1).mean(axis=0)
    terms = {"bound": lambda c: {"nll": c.nll.mean(axis=0), "sum eps**2": full(c, c.eps**2),
                                 "sum logvar": full(c, c.logvar), "sum z**2": full(c, c.z**2),
                                 "sum exp(logvar)": full(c, np.exp(c.logvar)), "sum eps": full(c, c.eps),
                                 "sum z": full(c, c.z), "1": np.ones(c.nll.shape[1])}}
    alone = lambda cases: [c for c in cases if c.sizes["K"] == 1]
    return examine(answer, cases, {"bound": "B"}, lambda c: [log_mean_exp(log_w(c))], suspects, terms, sums_of=alone)
