"""Exercise 8, the reparameterization rule: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, draw, table

HINTS = (
    """A standard normal number times s, plus mu, has mean mu and standard deviation s, eq. (9.2).
    What is s if logvar is the log of s squared?""",
    """z = mu + exp(logvar / 2) * eps. With eps fixed, differentiate: once in mu, once in logvar.
    The chain rule brings down a factor from the exponent.""",
    """dz/dmu = 1, so g_mu is g itself. dz/dlogvar = exp(logvar / 2) * eps / 2, and g multiplies
    it, entry by entry.""",
)

INPUTS = {"g": "BZ", "mu": "BZ", "logvar": "BZ", "eps": "BZ"}
OUTPUTS = {"z": "BZ", "g_mu": "BZ", "g_logvar": "BZ"}


def cases(rng):
    for B, Z in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (4, 3), (5, 4)):
        yield Case(draw(rng, INPUTS, B=B, Z=Z), B=B, Z=Z)
    special = {
        "logvar from -12 to 12": [[-12.0, 9], [12, -9]],
        "logvar of 30 and of -30": [[30.0, -30], [-30, 30]],
        "a standard deviation of 3e-9, so that nothing hides eps": [[-39.0, -40], [-40, -39]],
    }
    for note, logvar in special.items():
        c = draw(rng, INPUTS, B=2, Z=2) | {"logvar": np.array(logvar)}
        if "hides" in note:
            c["mu"] = np.zeros((2, 2))
        yield Case(c, note, B=2, Z=2)


def right(g, mu, logvar, eps):
    z = mu + np.exp(logvar / 2) * eps
    return z, g, g * np.exp(logvar / 2) * eps / 2


MISTAKES = table("""
z
    mu + np.exp(logvar) * eps
        exp(logvar) is the variance, and here it stands for the standard deviation
    mu + logvar * eps
        logvar stands for the standard deviation: it is the log of the variance
    mu + np.sqrt(np.abs(logvar)) * eps
        logvar stands for the variance: it is the log of the variance
    mu + np.sqrt(logvar) * eps
        the square root of logvar: the standard deviation is that of exp(logvar)
    mu + np.exp(2 * logvar) * eps
        exp(2 logvar), where exp(logvar / 2) is due
    mu + np.exp(-logvar / 2) * eps
        exp(-logvar / 2): the sign of the exponent is wrong
    mu + eps
        the noise is not scaled by the standard deviation
    mu + np.exp(logvar / 2)
        eps is missing: the standard deviation itself is added
    mu - np.exp(logvar / 2) * eps
        eps is subtracted: of the same distribution, but not the z of eq. (9.2)
    np.exp(logvar / 2) * (mu + eps)
        mu is scaled by the standard deviation, too

g_mu
    np.ones_like(g)
        this is 1, the slope of z in mu, and g is missing: the chain rule multiplies by it
    g * np.exp(logvar / 2)
        the standard deviation is no part of dz/dmu

g_logvar
    g * np.exp(logvar / 2) * eps
        the factor 1/2 of the exponent logvar / 2 is missing
    g * np.exp(logvar) * eps
        this is the derivative of exp(logvar) eps: the standard deviation is exp(logvar / 2)
    g * eps
        this is the gradient in the standard deviation: that in logvar has the factor std / 2
        besides
    g * z / 2
        z / 2, where (z - mu) / 2 is due: mu does not change with logvar
""")
