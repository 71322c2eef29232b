"""What exercise 13 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

import minivae as mv
from check import Case, Wrong, call, close, draw, examine

HINTS = (
    "Draw many z by the exhibit's first line, for one mu and one logvar. What is their variance, and for which variance "
    "does the last line "
    "compute the KL?",
    "The KL is right: with logvar the log of the variance, it is eq. (8.4). The variance of mu + a * eps is a squared, so "
    "a must be the "
    "standard deviation. Look at eq. (9.2).",
    "exp(logvar) is the variance. Its square root, exp(logvar / 2), is what multiplies eps; everything else stays as it "
    "was.",
)

SIZES = ({"B": 1, "D": 1, "Z": 1}, {"B": 1, "D": 2, "Z": 1}, {"B": 1, "D": 1, "Z": 2}, {"B": 2, "D": 1, "Z": 1},
         {"B": 2, "D": 3, "Z": 4}, {"B": 5, "D": 4, "Z": 2})


def check(answer):
    rng, cases = np.random.default_rng(13), []
    for s in SIZES:
        cases.append(Case({"x": np.round(rng.uniform(size=(s["B"], s["D"]))),
                           **{n: draw(rng, "BZ", s) for n in ("mu", "logvar", "eps")},
                           "W": draw(rng, "ZD", s), "b": draw(rng, "D", s)}, **s))
    e = np.exp

    def loss(c, z=None, kl=None, nll=None, std=None):
        z = mv.reparameterize(c.mu, c.logvar, c.eps) if z is None else z(c)
        logits = z @ c.W + c.b
        kl = mv.gaussian_kl(c.mu, c.logvar) if kl is None else kl(c)
        return (mv.bernoulli_nll(logits, c.x) if nll is None else nll(logits, c)) + kl

    sloppy = lambda c: c.mu + e(c.logvar) * c.eps
    as_log_std = lambda c: 0.5 * np.sum(c.mu**2 + e(2 * c.logvar) - 2 * c.logvar - 1, axis=1)
    doubled = lambda c: 2 * mv.gaussian_kl(c.mu, c.logvar)
    suspects = {"loss": {
        "the exhibit as it was: its draw z has the variance exp(2 logvar), and its KL takes it to be exp(logvar)": lambda c:
            loss(c, z=sloppy),
        "consistent, but the other way: the KL now reads logvar as the log of the standard deviation. logvar stays the "
        "log of the variance, so it is the "
        "line of z that is wrong": lambda c: loss(c, z=sloppy, kl=as_log_std),
        "both lines were changed: now z is right, and the KL reads logvar as the log of the standard deviation": lambda c:
            loss(c, kl=as_log_std),
        "the draw of z was left as it was, and the factor 1/2 of the KL was dropped": lambda c:
            loss(c, z=sloppy, kl=doubled),
        "z is right now, but the factor 1/2 of the KL was dropped": lambda c: loss(c, kl=doubled),
        "the sign of the KL was changed: the loss adds it": lambda c:
            loss(c, z=sloppy, kl=lambda c: -mv.gaussian_kl(c.mu, c.logvar)),
        "z is right now, but the sign of the KL was changed": lambda c:
            loss(c, kl=lambda c: -mv.gaussian_kl(c.mu, c.logvar)),
        "the KL is missing: the loss is nll + kl": lambda c: loss(c, kl=lambda c: 0.0),
        "the KL is missing, and z is as it was": lambda c: loss(c, z=sloppy, kl=lambda c: 0.0),
        "this is the KL alone: the loss is nll + kl": lambda c: mv.gaussian_kl(c.mu, c.logvar),
        "z uses logvar / 2 without exp": lambda c: loss(c, z=lambda c: c.mu + c.logvar / 2 * c.eps),
        "z uses exp(logvar) / 2: the root of exp(logvar) is exp(logvar / 2)": lambda c:
            loss(c, z=lambda c: c.mu + e(c.logvar) / 2 * c.eps),
        "z uses exp(2 logvar), which is further off": lambda c: loss(c, z=lambda c: c.mu + e(2 * c.logvar) * c.eps),
        "z uses the square root of logvar: the standard deviation is the root of exp(logvar)": lambda c:
            loss(c, z=lambda c: c.mu + np.sqrt(c.logvar) * c.eps),
        "z uses exp(-logvar / 2): the sign of the exponent": lambda c: loss(c, z=lambda c: c.mu + e(-c.logvar / 2) * c.eps),
        "z uses logvar as the standard deviation": lambda c: loss(c, z=lambda c: c.mu + c.logvar * c.eps),
        "z is mu, without noise: then the KL has no reason": lambda c: loss(c, z=lambda c: c.mu),
        "the draw is a mean over the pixels now: nll is a sum": lambda c:
            loss(c, nll=lambda l, c: mv.bernoulli_nll(l, c.x) / c.x.shape[1]),
        "the line of the KL was changed to exp(logvar / 2): the KL was right": lambda c: loss(
            c, z=sloppy, kl=lambda c: 0.5 * np.sum(c.mu**2 + e(c.logvar / 2) - c.logvar - 1, axis=1)),
        "z is right now, but the line of the KL was changed to exp(logvar / 2), and it was right": lambda c: loss(
            c, kl=lambda c: 0.5 * np.sum(c.mu**2 + e(c.logvar / 2) - c.logvar - 1, axis=1)),
        "the KL now reads exp(2 logvar) but still logvar: neither": lambda c:
            loss(c, z=sloppy, kl=lambda c: 0.5 * np.sum(c.mu**2 + e(2 * c.logvar) - c.logvar - 1, axis=1)),
        "the line of nll was changed, and it was right: the sign of logits * x": lambda c:
            loss(c, nll=lambda l, c: np.sum(np.logaddexp(0, l) + l * c.x, axis=1)),
        "z is right, and the result is negated: the loss is due, not the ELBO": lambda c: -loss(c),
        "the sum over the batch, in each entry": lambda c: np.full(len(c.x), loss(c).sum()),
        "the mean over the batch, in each entry": lambda c: np.full(len(c.x), loss(c).mean()),
    }}

    def tutor(i, wrong_cases):
        fixed = [Case({**c, "W": 0 * c.W}, **c.sizes) for c in cases]
        without_z = all(close(np.asarray(call(answer, c), float), loss(c)) for c in fixed)
        return ["with W = 0, where z plays no part, it is right: so the lines of nll and of the KL are right, and that of "
                "z is not" if without_z else
                "with W = 0, where z plays no part, it is wrong as well: so look at the line of the KL, at that of nll, "
                "and at the last one"]
    done = examine(answer, cases, {"loss": "B"}, lambda c: [loss(c)], suspects, tutor=tutor)
    c = cases[-1]
    gap = np.mean(np.abs(loss(c, z=sloppy) - loss(c)))
    report = mv.check_gradients(lambda mu, logvar: mv.bernoulli_nll((mu + np.exp(logvar) * c.eps) @ c.W + c.b, c.x)
                                + mv.gaussian_kl(mu, logvar),
                                c.mu, c.logvar, raise_error=False)
    if not report.ok:
        raise Wrong(str(report))
    return f"{done}\nThe exhibit passes a gradient check (error {report.error:.0e}), and its loss is off by {gap:.2g} nats on average in the last case."
