"""Exercise 9, the KL rule: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, draw, table

HINTS = (
    """Write eq. (8.4) in terms of s = logvar: sigma squared is exp(s), and log sigma squared is s
    itself. Sum over the latents, axis 1; not over the batch.""",
    """One latent: (mu**2 + exp(s) - s - 1) / 2. Its derivative in mu is mu, that in s is (exp(s) -
    1) / 2. Each example has one g, which multiplies its row.""",
    """kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1); the gradients are g[:, None]
    * mu, and g[:, None] times half of (np.exp(logvar) - 1).""",
)

INPUTS = {"g": "B", "mu": "BZ", "logvar": "BZ"}
OUTPUTS = {"kl": "B", "g_mu": "BZ", "g_logvar": "BZ"}


def cases(rng):
    for B, Z in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (4, 3), (3, 5), (30, 2)):
        yield Case(draw(rng, INPUTS, B=B, Z=Z), B=B, Z=Z)
    yield Case(
        draw(rng, INPUTS, B=2, Z=1) | {"mu": np.zeros((2, 1)), "logvar": np.zeros((2, 1))},
        "q is the prior itself",
        B=2,
        Z=1,
    )
    for note, mu, logvar in (
        ("logvar from -12 to 12", 1.0, [[-12.0, -9], [12, 9]]),
        ("logvar of 20 and of -30", 1.0, [[20.0, 15], [-30, -20]]),
        ("mu of 15 and of -15", 15.0, [[0.5, -0.5], [-0.5, 0.5]]),
    ):
        yield Case(
            draw(rng, INPUTS, B=2, Z=2)
            | {"mu": mu * np.array([[1.0, -1], [-1, 1]]), "logvar": np.array(logvar)},
            note,
            B=2,
            Z=2,
        )


def right(g, mu, logvar):
    kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)
    return kl, g[:, None] * mu, g[:, None] * (np.exp(logvar) - 1) / 2


MISTAKES = table("""
kl
    np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)
        the 1/2 in front is missing
    -kl
        the sign is flipped: this is minus the KL, and a KL is never negative
    np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=0) / 2
        this is summed over the batch: over the latents, axis 1, is due
    kl / Z
        this is a mean over the latents, and a sum is due
    kl * g
        it is multiplied by g already: g belongs into the gradients alone
    0.5 * np.sum(mu**2 + np.exp(2 * logvar) - 2 * logvar - 1, axis=1)
        logvar is read as the log of the standard deviation: exp(2 logvar) and 2 logvar
    0.5 * np.sum(mu**2 + np.exp(logvar / 2) - logvar - 1, axis=1)
        exp(logvar / 2) is the standard deviation, and the variance is due
    0.5 * np.sum(mu**2 + logvar - np.log(logvar) - 1, axis=1)
        logvar is read as the variance: its log is taken
    0.5 * np.sum((1 + mu**2) * np.exp(-logvar) + logvar - 1, axis=1)
        this is the KL the other way round, of the prior from q
    0.5 * np.sum(mu**2 * np.exp(-logvar) + np.exp(logvar) - logvar - 1, axis=1)
        mu**2 is divided by the variance of q: the prior's variance is 1
    0.5 * np.sum(mu**2, axis=1) + np.sum(np.exp(logvar) - logvar - 1, axis=1)
        the 1/2 is on mu**2 alone: it belongs in front of everything
    0.5 * (np.sum(mu**2 + np.exp(logvar) - logvar, axis=1) - 1)
        the 1 is subtracted once, and it belongs to every latent
    0.5 * (np.sum(mu, axis=1)**2 + np.sum(np.exp(logvar) - logvar - 1, axis=1))
        the mu are summed before they are squared

g_mu
    mu
        g is missing: multiply row b by g[b]
    np.sum(g) * mu
        g is summed over the batch: row b counts g[b] times
    g[:, None] * mu / 2
        half of it: the derivative of mu**2 / 2 is mu
    g[:, None] * 2 * mu
        twice as much: the derivative of mu**2 / 2 is mu
    g_mu / Z
        this is divided by the number of latents, and kl is their sum
    g_mu / B
        this is divided by the size of the batch: what an example counts is said by g

g_logvar
    (np.exp(logvar) - 1) / 2
        g is missing: multiply row b by g[b]
    np.sum(g) * (np.exp(logvar) - 1) / 2
        g is summed over the batch: row b counts g[b] times
    g[:, None] * (np.exp(logvar) - 1)
        the 1/2 is missing
    g[:, None] * np.exp(logvar) / 2
        the -1 is missing: it is the derivative of -logvar
    g[:, None] * (1 - np.exp(-logvar)) / 2
        this is the derivative in the variance: that in logvar has the factor exp(logvar) besides
    g[:, None] * (np.exp(logvar / 2) - np.exp(-logvar / 2))
        this is the derivative in the standard deviation: that in logvar has the factor exp(logvar
        / 2) / 2 besides
    g[:, None] * (np.exp(logvar) - logvar - 1) / 2
        this is a part of the KL itself, and not its derivative
""")

TERMS = {
    "kl": {
        "sum mu": "np.sum(mu, axis=1)",
        "sum mu**2": "np.sum(mu**2, axis=1)",
        "sum exp(logvar)": "np.sum(np.exp(logvar), axis=1)",
        "sum logvar": "np.sum(logvar, axis=1)",
        "sum exp(logvar / 2)": "np.sum(np.exp(logvar / 2), axis=1)",
        "sum exp(2 logvar)": "np.sum(np.exp(2 * logvar), axis=1)",
        "Z": "Z",
        "1": "1",
    },
    "g_mu": {
        "g mu": "g[:, None] * mu",
        "g mu**2": "g[:, None] * mu**2",
        "g": "g[:, None]",
        "g logvar": "g[:, None] * logvar",
        "g exp(logvar)": "g[:, None] * np.exp(logvar)",
        "mu": "mu",
        "1": "1",
    },
    "g_logvar": {
        "g exp(logvar)": "g[:, None] * np.exp(logvar)",
        "g": "g[:, None]",
        "g logvar": "g[:, None] * logvar",
        "g exp(logvar / 2)": "g[:, None] * np.exp(logvar / 2)",
        "g exp(2 logvar)": "g[:, None] * np.exp(2 * logvar)",
        "exp(logvar)": "np.exp(logvar)",
        "g mu": "g[:, None] * mu",
        "1": "1",
    },
}
