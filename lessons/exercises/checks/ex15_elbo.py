"""Exercise 15, the ELBO: its hints, its inputs, the right answer, and mistakes by name."""

import numpy as np

from machinery.cases import DRAWS_BATCH_LATENTS, Case, draw, table

HINTS = (
    """The bound is E_q[log p(x | z)] - KL(q || prior), eq. (7.7). The expected value is estimated
    by the average over the L draws; log p(x | z) is -nll.""",
    """The KL of one latent is 1/2 (mu**2 + exp(logvar) - logvar - 1), eq. (8.4); latents are
    independent, so their KLs are added up. The KL is that of the example: it is subtracted once,
    however many draws there are.""",
    """kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1), and the bound is
    -nll.mean(axis=0) - kl, one number for each example.""",
)

INPUTS = {"nll": "LB", "mu": "BZ", "logvar": "BZ"}
OUTPUTS = {"bound": "B"}


def cases(rng):
    for L, B, Z in DRAWS_BATCH_LATENTS:
        yield _case(rng, L, B, Z)
    c = _case(rng, 2, 2, 2)
    c.inputs["logvar"] = np.array([[-30.0, -40.0], [12.0, 15.0]])
    yield Case(c.inputs, "very small and very large variances", **c.sizes)
    c = _case(rng, 3, 2, 2)
    c.inputs["nll"] = c.inputs["nll"] + 1000.0
    yield Case(c.inputs, "a picture that is hardly explained: exp(-1000) is 0", **c.sizes)
    c = _case(rng, 2, 2, 3)
    c.inputs["mu"] = np.zeros((2, 3))
    c.inputs["logvar"] = np.zeros((2, 3))
    yield Case(c.inputs, "q is the prior", **c.sizes)


def _case(rng, L, B, Z):
    c = draw(rng, INPUTS, L=L, B=B, Z=Z)
    c["nll"] = np.round(3 + 2 * rng.uniform(size=(L, B)), 2)
    return Case(c, L=L, B=B, Z=Z)


def right(nll, mu, logvar):
    kl = 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)
    return -np.mean(nll, axis=0) - kl


def names(nll, mu, logvar):
    half = lambda a: 0.5 * np.sum(a, axis=1)
    kl = half(mu**2 + np.exp(logvar) - logvar - 1)
    fit = -nll.mean(axis=0)
    top = (-nll).max(axis=0)
    safe = top + np.log(np.mean(np.exp(-nll - top), axis=0))
    return {"half": half, "kl": kl, "fit": fit, "safe": safe}


MISTAKES = table("""
bound
    -bound
        the sign is flipped: this is the loss, and the bound is minus that
    fit + kl
        the KL is added: it is what q costs, and has to be subtracted
    -fit - kl
        the sign of nll is wrong: log p(x | z) is -nll
    fit
        the KL is missing
    -kl
        the nll is missing
    L * fit - kl
        this is a sum over the draws: their average is due
    fit - L * kl
        the KL is subtracted once for each draw: it belongs to the example, once
    fit - kl / L
        the KL is divided by the number of draws: it belongs to the example, whole
    L * (fit - kl)
        this is a sum over the draws, the KL included: the average is due
    safe - kl
        this is the log of the average of p(x | z): the average of log p(x | z) is due
    np.log(np.mean(np.exp(-nll), axis=0)) - kl
        this is the log of the average of p(x | z), and it underflows: the average of log p(x | z)
        is due
    -nll.min(axis=0) - kl
        this takes the best draw: the average over the draws is due
    -nll.max(axis=0) - kl
        this takes the worst draw: the average over the draws is due
    -nll[0] - kl
        this takes the first draw only: the average over the draws is due
    fit - kl / Z
        the KL is a mean over the latents, and their sum is due
    fit - 2 * kl
        the KL counts twice: its 1/2 is missing, or beta is 2
    fit - kl / 2
        the KL counts half
    fit - half(mu**2 + np.exp(logvar) - 1)
        in the KL the term -logvar is missing
    fit - half(mu**2 + np.exp(logvar) + logvar - 1)
        in the KL the sign of logvar is wrong
    fit - half(mu**2 - logvar - 1)
        in the KL the variance exp(logvar) is missing
    fit - half(np.exp(logvar) - logvar - 1)
        in the KL mu**2 is missing
    fit - half(mu**2 + np.exp(logvar) - logvar)
        in the KL the -1 is missing
    fit - half(mu**2 + np.exp(logvar / 2) - logvar - 1)
        in the KL the standard deviation exp(logvar / 2) stands where the variance is due
    fit - half(mu**2 + np.exp(2 * logvar) - 2 * logvar - 1)
        logvar is taken for the log of the standard deviation
    fit - half((1 + mu**2) * np.exp(-logvar) + logvar - 1)
        this is KL(prior || q), the other way round
    fit - half(np.abs(mu) + np.exp(logvar) - logvar - 1)
        in the KL mu stands where its square is due
    fit.mean() - kl
        the nll is averaged over the examples, too: each has a bound of its own
    fit - kl.mean()
        the KL is averaged over the examples: each has a bound of its own
    (fit - kl).mean() + 0 * kl
        this is the mean of the bounds: each example has its own
    np.exp(bound)
        this is exp of the bound: the bound itself is due
""")

TERMS = {
    "bound": {
        "mean nll": "nll.mean(axis=0)",
        "sum mu**2": "np.sum(mu**2, axis=1)",
        "sum logvar": "np.sum(logvar, axis=1)",
        "sum exp(logvar)": "np.sum(np.exp(logvar), axis=1)",
        "sum mu": "np.sum(mu, axis=1)",
        "1": "1",
        "Z": "Z",
    }
}
