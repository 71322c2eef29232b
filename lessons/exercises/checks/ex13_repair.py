"""Exercise 13, repair an exhibit of the bug museum: its hints, its inputs, the right answer, and
mistakes by name."""

import sys

import numpy as np

import minivae as mv
from machinery.cases import Case, draw, table
from machinery.examining import examine

HINTS = (
    """Draw many z by the exhibit's first line, for one mu and one logvar. What is their variance,
    and for which variance does the last line compute the KL?""",
    """The KL is right: with logvar the log of the variance, it is eq. (8.4). The variance of mu +
    a * eps is a squared, so a must be the standard deviation. Look at eq. (9.2).""",
    """exp(logvar) is the variance. Its square root, exp(logvar / 2), is what multiplies eps;
    everything else stays as it was.""",
)

INPUTS = {"x": "BD", "mu": "BZ", "logvar": "BZ", "eps": "BZ", "W": "ZD", "b": "D"}
OUTPUTS = {"loss": "B"}


def cases(rng):
    for B, D, Z in ((1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (2, 3, 4), (5, 4, 2), (3, 2, 2)):
        c = draw(rng, INPUTS, B=B, D=D, Z=Z)
        c["x"] = np.round(rng.uniform(0.05, 0.95, size=(B, D)), 2)  # grey
        if B % 2 == 0:
            c["x"] = np.round(c["x"])  # black and white
        yield Case(c, B=B, D=D, Z=Z)
    for note, logvar in (
        ("logvar of 9 and of -9", [[9.0, 7], [-9, -7]]),
        ("logvar of 12 and of -30", [[12.0, 11], [-30, -12]]),
    ):
        c = draw(rng, INPUTS, B=2, D=2, Z=2) | {
            "logvar": np.array(logvar),
            "x": np.array([[0.25, 1], [0, 0.5]]),
        }
        yield Case(c, note, B=2, D=2, Z=2)
    c = draw(rng, INPUTS, B=2, D=2, Z=2) | {
        "x": np.array([[0.25, 1], [0, 1]]),
        "b": np.array([50.0, -50]),
    }
    yield Case(c, "logits of 50 and of -50", B=2, D=2, Z=2)


def right(x, mu, logvar, eps, W, b):
    z = mu + np.exp(logvar / 2) * eps
    logits = z @ W + b
    nll = np.sum(np.logaddexp(0, logits) - logits * x, axis=1)
    kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)
    return nll + kl


def names(x, mu, logvar, eps, W, b):
    def nll(scale):
        """With z = mu + scale * eps."""
        logits = (mu + scale * eps) @ W + b
        return np.sum(np.logaddexp(0, logits) - logits * x, axis=1)

    def kl(variance, log_variance):
        return 0.5 * np.sum(mu**2 + variance - log_variance - 1, axis=1)

    return {
        "nll": nll,
        "kl": kl,
        "std": np.exp(logvar / 2),
        "var": np.exp(logvar),
        "KL": kl(np.exp(logvar), logvar),
        "NLL": nll(np.exp(logvar / 2)),
    }


MISTAKES = table("""
loss
    nll(var) + KL
        this is the exhibit as it was: its draw z has the variance exp(2 logvar), and its KL takes
        it to be exp(logvar)
    nll(var) + kl(var**2, 2 * logvar)
        consistent, but the other way: the KL reads logvar as the log of the standard deviation
        now. It stays the log of the variance, so the line of z is to be changed
    NLL + kl(var**2, 2 * logvar)
        both lines are changed: z is right, and the KL reads logvar as the log of the standard
        deviation
    nll(var) + 2 * KL
        z is as it was, and the 1/2 of the KL is gone
    NLL + 2 * KL
        z is right, and the 1/2 of the KL is gone
    nll(var) - KL
        z is as it was, and the sign of the KL is changed
    NLL - KL
        z is right, and the sign of the KL is changed: the loss adds it
    NLL
        the KL is missing: the loss is nll + kl
    nll(var)
        the KL is missing, and z is as it was
    KL
        this is the KL alone: the loss is nll + kl
    nll(logvar / 2) + KL
        z uses logvar / 2 without exp
    nll(logvar) + KL
        z uses logvar as the standard deviation
    nll(var / 2) + KL
        z uses exp(logvar) / 2: the root of exp(logvar) is exp(logvar / 2)
    nll(var**2) + KL
        z uses exp(2 logvar), which is further off
    nll(np.sqrt(logvar)) + KL
        z uses the square root of logvar: the standard deviation is the root of exp(logvar)
    nll(1 / std) + KL
        z uses exp(-logvar / 2): the sign of the exponent is wrong
    nll(0) + KL
        z is mu, without noise
    NLL / D + KL
        z is right, and nll is a mean over the pixels: it was a sum
    nll(var) + kl(std, logvar)
        the line of the KL was changed to exp(logvar / 2): the KL was right, and z is not
    NLL + kl(std, logvar)
        z is right, and the line of the KL was changed to exp(logvar / 2): it was right
    -loss
        z is right, and the sign of the result is flipped: the loss is due, not the ELBO
""")


def check(answer):
    done = examine(answer, sys.modules[__name__])
    c = list(cases(np.random.default_rng(1)))[5].inputs
    exhibit = lambda mu, logvar: (
        mv.bernoulli_nll((mu + np.exp(logvar) * c["eps"]) @ c["W"] + c["b"], c["x"])
        + mv.gaussian_kl(mu, logvar)
    )
    passes = mv.check_gradients(exhibit, c["mu"], c["logvar"], raise_error=False).ok
    gap = np.mean(np.abs(np.asarray(exhibit(c["mu"], c["logvar"])) - right(**c)))
    return (
        f"{done}\nThe exhibit {'passes' if passes else 'fails'} check_gradients, and in one "
        f"of the cases its loss is off "
        f"by {gap:.2g} nats on average."
    )
