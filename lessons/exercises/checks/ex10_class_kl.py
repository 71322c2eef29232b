"""What exercise 10 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

import minivae as mv
from check import HERE, Case, draw, examine_rule, load

HINTS = (
    "class_mu[y] has shape (B, Z): row b is the prior mean of example b. With it the KL and its gradients in mu and "
    "logvar are those of the "
    "KL rule with mu - class_mu[y] in place of mu.",
    "The gradient in the prior mean of example b is minus that in mu[b], eq. (8.8). A class mean was copied to all "
    "examples of its class, so "
    "it collects their sum, eq. (2.24).",
    "g_class_mu = np.zeros_like(class_mu); np.add.at(g_class_mu, y, -g_mu). Note that g_class_mu[y] += ... keeps only one "
    "example of each class: "
    "NumPy writes the entry once for each, and the last one stays.",
)

SIZES = ({"B": 1, "Z": 1, "C": 1}, {"B": 1, "Z": 1, "C": 2}, {"B": 2, "Z": 1, "C": 1}, {"B": 1, "Z": 2, "C": 2},
         {"B": 2, "Z": 2, "C": 2}, {"B": 2, "Z": 3, "C": 4},
         {"B": 5, "Z": 3, "C": 2}, {"B": 6, "Z": 2, "C": 3}, {"B": 30, "Z": 2, "C": 4})


def check(answer):
    rng, cases = np.random.default_rng(10), []
    for s in SIZES:
        y = np.minimum(rng.integers(s["C"], size=s["B"]), max(s["C"] - 2, 0))  # the last class has no example
        y = y[::-1].copy() if s["B"] > 2 else y
        cases.append(Case({"g": draw(rng, "B", s), "mu": draw(rng, "BZ", s), "logvar": draw(rng, "BZ", s),
                           "class_mu": draw(rng, "CZ", s), "y": y}, **s))
    shift = lambda c: c.mu - c.class_mu[c.y]
    suspects, terms = load(HERE / "checks" / "ex09_kl_rule.py").suspects_and_terms(shift)
    of_kl = lambda prior: lambda c: mv.gaussian_kl(c.mu, c.logvar, prior(c))
    away = lambda c: -c.g[:, None] * shift(c)

    def collect(c, rows):
        found = np.zeros_like(c.class_mu)
        np.add.at(found, c.y, rows)
        return found

    def one_each(c, rows):
        found = np.zeros_like(c.class_mu)
        found[c.y] += rows
        return found

    def average(c, rows):
        return collect(c, rows) / np.maximum(np.bincount(c.y, minlength=len(c.class_mu)), 1)[:, None]

    suspects["kl"] |= {"the prior's mean is not used: this is the KL from N(0, I)": of_kl(lambda c: 0.0),
                       "class 0 is taken for every example: use class_mu[y]": of_kl(lambda c: c.class_mu[0]),
                       "the mean of all class means is taken: use class_mu[y]": of_kl(lambda c: c.class_mu.mean(axis=0)),
                       "the prior's mean is added to mu: subtract it": of_kl(lambda c: -c.class_mu[c.y]),
                       "mu**2 - class_mu[y]**2 in place of the square of the difference": lambda c:
                           mv.gaussian_kl(c.mu, c.logvar) - 0.5 * np.sum(c.class_mu[c.y]**2, axis=1),
                       "mu**2 + class_mu[y]**2: the mixed term of the square is missing": lambda c:
                           mv.gaussian_kl(c.mu, c.logvar) + 0.5 * np.sum(c.class_mu[c.y]**2, axis=1)}
    suspects["g_mu"] |= {"g times mu: the prior's mean is not subtracted": lambda c: c.g[:, None] * c.mu,
                         "the prior's mean is added to mu: subtract it": lambda c: c.g[:, None] * (c.mu + c.class_mu[c.y])}
    suspects["g_class_mu"] = {
        "of several examples of a class only one is kept: a[y] += ... writes each entry once; use np.add.at(a, y, ...)":
            lambda c: one_each(c, away(c)),
        "of several examples of a class only one is kept (and the sign is flipped): use np.add.at(a, y, ...)": lambda c:
            one_each(c, -away(c)),
        "a mean over the examples of a class: their gradients add up": lambda c: average(c, away(c)),
        "a mean over the examples of a class, with the sign flipped: the gradients add up, with a minus": lambda c:
            average(c, -away(c)),
        "a mean over the batch: the gradients add up": lambda c: collect(c, away(c)) / len(c.g),
        "the sign is flipped: the KL falls when the class mean comes nearer to mu": lambda c: collect(c, -away(c)),
        "all classes get the sum of all examples: add up by class": lambda c:
            np.broadcast_to(away(c).sum(axis=0), c.class_mu.shape),
        "g is not used: each example counts g[b] times": lambda c: collect(c, -shift(c)),
        "g is not used, and the sign is flipped": lambda c: collect(c, shift(c)),
        "mu is missing: the slope is -(mu - class_mu[y])": lambda c: collect(c, c.g[:, None] * c.class_mu[c.y]),
        "class_mu is missing: the slope is -(mu - class_mu[y])": lambda c: collect(c, -c.g[:, None] * c.mu),
        "the same for each class, whatever y: mu is compared with every class mean": lambda c:
            np.array([-(c.g[:, None] * (c.mu - m)).sum(axis=0) for m in c.class_mu]),
    }
    plain = lambda mu, logvar, class_mu, y: mv.gaussian_kl(mu, logvar, class_mu[y])
    return examine_rule(answer, cases, {"kl": "B", "g_mu": "BZ", "g_logvar": "BZ", "g_class_mu": "CZ"}, plain, suspects,
                        terms)
