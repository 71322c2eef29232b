"""What exercise 9 knows: its hints, its cases, and wrong answers by name. Exercise 10 uses them with a prior mean."""

import numpy as np

import minivae as mv
from check import Case, draw, examine_rule

HINTS = (
    "Write eq. (8.4) in terms of s = logvar: sigma squared is exp(s), and log sigma squared is s itself. Sum over the "
    "latents, axis 1; not over "
    "the batch.",
    "One latent: (mu**2 + exp(s) - s - 1) / 2. Its derivative in mu is mu, that in s is (exp(s) - 1) / 2. Each example "
    "has one g, which "
    "multiplies its row.",
    "kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1); the gradients are g[:, None] * mu, and g[:, None] "
    "times half of "
    "(np.exp(logvar) - 1).",
)

SIZES = ({"B": 1, "Z": 1}, {"B": 1, "Z": 2}, {"B": 2, "Z": 1}, {"B": 2, "Z": 2}, {"B": 2, "Z": 3}, {"B": 4, "Z": 3},
         {"B": 3, "Z": 5}, {"B": 30, "Z": 2})


def suspects_and_terms(shift):
    """shift(c) is mu minus the prior's mean."""
    e, G = np.exp, lambda c: c.g[:, None]
    total = lambda f: lambda c: np.sum(f(c), axis=1)
    cell = lambda c: (shift(c) ** 2 + e(c.logvar) - c.logvar - 1) / 2
    suspects = {
        "kl": {"the 1/2 in front is missing": total(lambda c: 2 * cell(c)),
               "a mean over the latents: a sum is due": lambda c: cell(c).mean(axis=1),
               "the sign is flipped: this is minus the KL, and a KL is never negative": lambda c: -cell(c).sum(axis=1),
               "the sum over everything, in each entry: sum over the latents alone": lambda c:
                   np.full(len(c.g), cell(c).sum()),
               "the mean over the batch, in each entry: no batch mean here": lambda c:
                   np.full(len(c.g), cell(c).sum(axis=1).mean()),
               "already multiplied by g: g belongs into the gradients alone": lambda c: c.g * cell(c).sum(axis=1),
               "logvar is read as the log of the standard deviation: exp(2 logvar) and 2 logvar":
                   total(lambda c: (shift(c) ** 2 + e(2 * c.logvar) - 2 * c.logvar - 1) / 2),
               "logvar is read as the log of the standard deviation in exp(2 logvar)":
                   total(lambda c: (shift(c) ** 2 + e(2 * c.logvar) - c.logvar - 1) / 2),
               "exp(logvar / 2) is the standard deviation, and the variance is due":
                   total(lambda c: (shift(c) ** 2 + e(c.logvar / 2) - c.logvar - 1) / 2),
               "logvar is read as the variance: log(logvar) and logvar":
                   total(lambda c: (shift(c) ** 2 + c.logvar - np.log(c.logvar) - 1) / 2),
               "the log of logvar: it is a log already":
                   total(lambda c: (shift(c) ** 2 + e(c.logvar) - np.log(np.abs(c.logvar)) - 1) / 2),
               "the KL the other way round, KL(prior, q)":
                   total(lambda c: ((1 + shift(c) ** 2) * e(-c.logvar) + c.logvar - 1) / 2),
               "mu is not squared": total(lambda c: (shift(c) + e(c.logvar) - c.logvar - 1) / 2),
               "the 1/2 belongs to mu**2 alone here: it is in front of everything":
                   total(lambda c: shift(c) ** 2 / 2 + e(c.logvar) - c.logvar - 1),
               "the 1/2 belongs in front of everything, mu**2 too":
                   total(lambda c: shift(c) ** 2 + (e(c.logvar) - c.logvar - 1) / 2),
               "the square is around the whole sum of mu: square first, then sum": lambda c:
                   (shift(c).sum(axis=1) ** 2 + np.sum(e(c.logvar) - c.logvar - 1, axis=1)) / 2,
               "the 1 is subtracted once, and it belongs to every latent": lambda c:
                   (np.sum(shift(c) ** 2 + e(c.logvar) - c.logvar, axis=1) - 1) / 2},
        "g_mu": {"g is summed over the batch: row b counts g[b] times": lambda c: c.g.sum() * shift(c),
                 "g is not used: multiply row b by g[b]": shift,
                 "half of it: the derivative of mu**2 / 2 is mu": lambda c: G(c) * shift(c) / 2,
                 "twice as much: the 1/2 in front belongs to the derivative, too": lambda c: G(c) * 2 * shift(c),
                 "the square: the derivative is due": lambda c: G(c) * shift(c) ** 2,
                 "a mean over the latents, though kl is a sum": lambda c: G(c) * shift(c) / c.mu.shape[1],
                 "a mean over the batch: g does that": lambda c: G(c) * shift(c) / len(c.g),
                 "divided by the variance, as for the other KL": lambda c: G(c) * shift(c) * e(-c.logvar),
                 "g alone: times mu": lambda c: G(c) + 0 * c.mu,
                 "times kl: the chain rule has g in its place": lambda c: cell(c).sum(axis=1)[:, None] * shift(c)},
        "g_logvar": {"g is summed over the batch: row b counts g[b] times": lambda c: c.g.sum() * (e(c.logvar) - 1) / 2,
                     "g is not used: multiply row b by g[b]": lambda c: (e(c.logvar) - 1) / 2,
                     "the 1/2 is missing": lambda c: G(c) * (e(c.logvar) - 1),
                     "the -1 is missing: the derivative of -logvar": lambda c: G(c) * e(c.logvar) / 2,
                     "the sign of 1 is wrong: it comes from -logvar": lambda c: G(c) * (e(c.logvar) + 1) / 2,
                     "this is the derivative in the variance, (1 - 1/var) / 2: that in logvar has the factor var besides":
                         lambda c: G(c) * (1 - e(-c.logvar)) / 2,
                     "the derivative in the standard deviation, std - 1/std: that in logvar has the factor std / 2 besides":
                         lambda c: G(c) * (e(c.logvar / 2) - e(-c.logvar / 2)),
                     "exp(logvar / 2) is the standard deviation, and the variance is due": lambda c:
                         G(c) * (e(c.logvar / 2) - 1) / 2,
                     "exp(2 logvar), where the variance exp(logvar) is due": lambda c: G(c) * (e(2 * c.logvar) - 1) / 2,
                     "the log of the standard deviation is meant: exp(2 s) - 1": lambda c: G(c) * (e(2 * c.logvar) - 1),
                     "the -1 of the derivative has become 1/logvar: logvar is a log already": lambda c:
                         G(c) * (e(c.logvar) - 1 / c.logvar) / 2,
                     "logvar is differentiated as if it were the variance, (1 - 1/logvar) / 2": lambda c:
                         G(c) * (1 - 1 / c.logvar) / 2,
                     "the value of the KL's part, not its derivative": lambda c: G(c) * (e(c.logvar) - c.logvar - 1) / 2,
                     "logvar in place of 1: the derivative of -logvar is -1": lambda c: G(c) * (e(c.logvar) - c.logvar) / 2,
                     "a mean over the latents, though kl is a sum": lambda c: G(c) * (e(c.logvar) - 1) / 2 / c.mu.shape[1],
                     "a mean over the batch: g does that": lambda c: G(c) * (e(c.logvar) - 1) / 2 / len(c.g)},
    }
    full = lambda c, v: np.broadcast_to(np.asarray(v, float), c.mu.shape)
    parts = lambda c: {"mu": shift(c), "mu**2": shift(c) ** 2, "exp(logvar)": e(c.logvar), "logvar": c.logvar,
                       "exp(logvar / 2)": e(c.logvar / 2),
                       "exp(2 logvar)": e(2 * c.logvar), "1": full(c, 1.0)}
    summed = lambda c: {f"sum {k}".replace("sum 1", "Z"): v.sum(axis=1) for k,
                        v in parts(c).items()} | {"1": np.ones(len(c.g))}
    with_g = lambda c: {f"g {k}".replace("g 1", "g"): G(c) * v for k, v in parts(c).items()} | parts(c)
    return suspects, {"kl": summed, "g_mu": with_g, "g_logvar": with_g}


def check(answer):
    rng = np.random.default_rng(9)
    cases = [Case({"g": draw(rng, "B", s), "mu": draw(rng, "BZ", s), "logvar": draw(rng, "BZ", s)}, **s) for s in SIZES]
    suspects, terms = suspects_and_terms(lambda c: c.mu)
    return examine_rule(answer, cases, {"kl": "B", "g_mu": "BZ", "g_logvar": "BZ"}, mv.gaussian_kl, suspects, terms)
