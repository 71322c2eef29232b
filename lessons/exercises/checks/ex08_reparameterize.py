"""What exercise 8 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

import minivae as mv
from check import Case, draw, examine_rule

HINTS = (
    "A standard normal number times s, plus mu, has mean mu and standard deviation s, eq. (9.2). What is s if logvar is "
    "the log of s squared?",
    "z = mu + exp(logvar / 2) * eps. With eps fixed, differentiate: once in mu, once in logvar. The chain rule brings "
    "down a factor from the "
    "exponent.",
    "dz/dmu = 1, so g_mu is g itself. dz/dlogvar = exp(logvar / 2) * eps / 2, and g multiplies it, entry by entry.",
)

SIZES = ({"B": 1, "Z": 1}, {"B": 1, "Z": 2}, {"B": 2, "Z": 1}, {"B": 2, "Z": 2}, {"B": 2, "Z": 3}, {"B": 4, "Z": 3},
         {"B": 5, "Z": 4})


def check(answer):
    rng = np.random.default_rng(8)
    cases = [Case({name: draw(rng, "BZ", s) for name in ("g", "mu", "logvar", "eps")}, **s) for s in SIZES]
    std, e = (lambda c: np.exp(c.logvar / 2)), np.exp
    suspects = {
        "z": {"exp(logvar) is the variance, and here it stands for the standard deviation": lambda c:
                  c.mu + e(c.logvar) * c.eps,
              "logvar stands for the standard deviation: it is the log of the variance": lambda c: c.mu + c.logvar * c.eps,
              "logvar stands for the variance: it is the log of the variance": lambda c:
                  c.mu + np.sqrt(np.abs(c.logvar)) * c.eps,
              "exp(2 logvar), where exp(logvar / 2) is due": lambda c: c.mu + e(2 * c.logvar) * c.eps,
              "exp(-logvar / 2): the sign of the exponent is wrong": lambda c: c.mu + e(-c.logvar / 2) * c.eps,
              "the square root of logvar's exponential is taken twice": lambda c: c.mu + e(c.logvar / 4) * c.eps,
              "mu is missing": lambda c: std(c) * c.eps, "the noise is missing: z is mu": lambda c: c.mu,
              "the noise is not scaled by the standard deviation": lambda c: c.mu + c.eps,
              "eps is missing: the noise is a constant": lambda c: c.mu + std(c),
              "eps is subtracted: it has the same distribution, and another z than eq. (9.2)": lambda c:
                  c.mu - std(c) * c.eps,
              "mu and eps are exchanged": lambda c: c.eps + std(c) * c.mu,
              "mu and logvar are exchanged": lambda c: c.logvar + e(c.mu / 2) * c.eps,
              "mu is scaled, too": lambda c: std(c) * (c.mu + c.eps),
              "logvar is added where it should be scaled with": lambda c: c.mu + c.logvar + c.eps,
              "eps is squared": lambda c: c.mu + std(c) * c.eps**2},
        "g_mu": {"1, the slope of z in mu, but g is not used: times g": lambda c: np.ones_like(c.g),
                 "the standard deviation is no part of dz/dmu": lambda c: c.g * std(c),
                 "eps is no part of dz/dmu": lambda c: c.g * c.eps,
                 "g times mu: the slope of z in mu is 1": lambda c: c.g * c.mu,
                 "g times z: the slope of z in mu is 1": lambda c: c.g * (c.mu + std(c) * c.eps)},
        "g_logvar": {"the factor 1/2 of the exponent logvar / 2 is missing": lambda c: c.g * std(c) * c.eps,
                     "eps is missing": lambda c: c.g * std(c) / 2, "eps and the 1/2 are missing": lambda c: c.g * std(c),
                     "g is not used: multiply by it": lambda c: std(c) * c.eps / 2,
                     "g is not used, and the 1/2 is missing": lambda c: std(c) * c.eps,
                     "the derivative of exp(logvar) eps: the standard deviation is exp(logvar / 2)": lambda c:
                         c.g * e(c.logvar) * c.eps,
                     "exp(logvar), where exp(logvar / 2) is due": lambda c: c.g * e(c.logvar) * c.eps / 2,
                     "the gradient in the standard deviation: that in logvar has the factor std / 2 besides": lambda c:
                         c.g * c.eps,
                     "exp(logvar / 2) is missing": lambda c: c.g * c.eps / 2,
                     "the derivative of the KL may have got in: here only z counts": lambda c: c.g * (e(c.logvar) - 1) / 2,
                     "z / 2 in place of (z - mu) / 2: mu does not change with logvar": lambda c:
                         c.g * (c.mu + std(c) * c.eps) / 2,
                     "the noise is squared": lambda c: c.g * std(c) * c.eps**2 / 2,
                     "the slope in mu, 1, times g": lambda c: c.g},
    }
    powers = lambda c: {f"{name}{a}{b}": np.broadcast_to(p * q * r, c.mu.shape) for (name, r) in (("g ", c.g), ("", 1.0))
                        for a, p in (("", 1.0), ("exp(logvar / 2) ", std(c)), ("exp(logvar) ", e(c.logvar)),
                                     ("logvar ", c.logvar))
                        for b, q in (("1", 1.0), ("eps", c.eps), ("mu", c.mu))}
    terms = {"z": lambda c: {k: v for k, v in powers(c).items() if not k.startswith("g ")}, "g_mu": powers,
             "g_logvar": powers}
    return examine_rule(answer, cases, {"z": "BZ", "g_mu": "BZ", "g_logvar": "BZ"}, mv.reparameterize, suspects, terms)
