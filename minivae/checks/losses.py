"""Is a VAE's loss right? check_loss takes it apart, and says which ELBO it is, or why it is none.

A loss is a function that can be called on any inputs. So evaluate all the terms that the losses of
VAEs are made of on many random inputs, and ask least squares for the weights with which they add
up to the loss. If the sum fits to rounding, the weights are the loss. If it does not, nothing is
known of the loss, and that is what is said. The weights at several sizes (B, D, Z) tell what is
summed and what is averaged: a weight that falls as 1/D is a mean over the pixels.

This file finds the weights: the terms, the random inputs, the calls, the fit. What the weights mean
is read in loss_words.py.
"""

import dataclasses
import textwrap

import numpy as np

from ..autodiff import Tensor
from .arguments import check_rng
from .loss_words import Obstacle, Reading

# Sizes (B, D, Z); numbers are reported for the last. Some losses are written for 784 pixels alone.
SIZES = ((6, 20, 3), (6, 20, 7), (11, 20, 3), (6, 33, 3), (7, 784, 3), (11, 784, 7), (16, 784, 20))
DRAWS = 32  # random inputs at each size: twice as many as there are terms in a fit
EXACT = 1e-11  # the largest relative error of a fit in float64
CLOSE = 1e-5  # and of one in float32, or with an eps in a logarithm; a wrong term is off by more


@dataclasses.dataclass
class LossReport:
    """What a loss was found to be: print it to read it. It counts as true where ok is.

    reconstruction: 'bernoulli', 'squared', 'absolute' or ''.
    second: what the loss takes s for: 'logvar', 'logstd', 'std', 'variance' or ''.
    is_kl: whether the rest is a multiple of KL(N(mu, .) || N(0, I)).
    beta: that multiple, relative to the nll that the reconstruction is; for squared error relative
        to 1/2 |x - x_hat|^2, for absolute error to sum |x - x_hat|. At the largest size; nan where
        there is no KL.
    sigma2: for squared error the decoder variance at which the loss is an ELBO with beta = 1.
    ok: whether it is a negative ELBO: is_kl, and beta = 1, or for other errors beta > 0.
    diagnosis: what there is to say, in words; a line for each remark.
    title, facts, terms: what is printed above and below it.
    """

    reconstruction: str = ""
    second: str = ""
    is_kl: bool = False
    beta: float = np.nan
    sigma2: float = np.nan
    ok: bool = False
    diagnosis: str = ""
    title: str = ""
    facts: tuple = ()
    terms: tuple = ()

    def __bool__(self):
        return self.ok

    def __str__(self):
        lines = textwrap.wrap(f"check_loss {self.title}", 79, subsequent_indent="  ")
        for label, text in self.facts:
            start = f"  {label:16}"
            lines += textwrap.wrap(text, 79, initial_indent=start, subsequent_indent=" " * 18)
        for remark in self.diagnosis.splitlines():
            lines += textwrap.wrap(remark, 79, initial_indent="  => ", subsequent_indent="     ")
        if self.terms:
            lines += ["", f"  {'the loss is the sum of':30}{'times':>12}   that is"]
        for name, weight, text in self.terms:
            lines.append(f"  {name:30}{weight:>12.6g}   {text}".rstrip())
        return "\n".join(lines)


def check_loss(loss, sizes=None, rng=None):
    """Take a VAE's loss apart: which reconstruction, which KL, at which beta an ELBO, or why none.

    loss: loss(x, x_hat, mu, s) takes float64 arrays (B, D), (B, D), (B, Z), (B, Z) and returns a
        number. x_hat is what the decoder gives: probabilities, means or logits. s is the encoder's
        second output. A loss of another framework needs a line such as
        lambda *a: their_loss(*map(torch.as_tensor, a)).
    sizes: (B, D, Z), for a loss that takes no other; else it is called at several sizes.
    rng: draws the inputs; if left out, the same at each call.

    The loss is fitted as a sum of known terms, the pieces of eq. (10.15), and all that is reported
    is read off the weights. Where no sum fits, the report says so and claims nothing.

    Returns a LossReport. Raises TypeError or ValueError for arguments of the wrong kind, and
    ValueError for a loss that raises at every size.
    """
    if not callable(loss):
        raise TypeError(f"check_loss takes a function loss(x, x_hat, mu, s), not {loss!r}")
    if sizes is not None and (len(sizes) != 3 or min(sizes) < 1):
        raise ValueError(f"sizes is (B, D, Z), three numbers of at least 1, not {sizes!r}")
    rng = np.random.default_rng(0) if rng is None else check_rng(rng)
    try:
        domain, fits, refused = fits_at(loss, SIZES if sizes is None else (tuple(sizes),), rng)
        error = max(f.error for f in fits)
        if error >= CLOSE:
            off = f" (the closest is off by {100 * error:.2g} %)" if error < 1 else ""
            raise Obstacle(
                f"no sum of the known terms is this loss{off}, so nothing more is said. Known are "
                f"cross-entropy, squared and absolute error, and the terms of the KL between "
                f"Gaussians. A threshold, a root or a penalty on samples is none of them: take it "
                f"out, and check what remains")
        reading = Reading(fits)
    except Obstacle as obstacle:
        return LossReport(diagnosis=str(obstacle), title="FAILED: nothing was recognised")
    remarks = [*reading.remarks(), *about_edges(loss, reading, domain),
               *about_inputs(reading, domain, refused)]
    return LossReport(diagnosis="\n".join(remarks), **reading.found())


# The terms. Each is summed over the batch and over pixels or latents, so that its weight is 1 in a
# loss that sums everything. Terms that are not defined somewhere are NaN there, and left out.

PLAIN = ("cross-entropy (p)", "cross-entropy (logits)", "1/2 (x - x_hat)^2",
         "1/2 (x - sigmoid(x_hat))^2", "|x - x_hat|",
         "1/2 mu^2", "1/2 e^s", "1/2 e^2s", "1/2 s^2", "1/2 s", "1/2 log s", "constant")

# Sets that are tried where those do not fit: an eps inside a logarithm; a KL the wrong way round;
# a softplus; other penalties.
FURTHER = (("eps in log p", "eps in log sigmoid", "eps in log s^2", "eps in log s"),
           ("1/2 e^-s", "1/2 mu^2 e^-s", "1/2 e^-2s", "1/2 mu^2 e^-2s"),
           ("1/2 softplus(s)^2", "1/2 log softplus(s)"),
           ("1/2 e^(s/2)", "|mu|", "|s|", "mu"))


def known_terms(x, x_hat, mu, s):
    """The value of every known term, by name. x, x_hat: (B, D). mu, s: (B, Z)."""
    softplus = np.logaddexp(0, s)
    values = {
        "cross-entropy (p)": -x * np.log(x_hat) - (1 - x) * np.log(1 - x_hat),
        "cross-entropy (logits)": np.logaddexp(0, x_hat) - x * x_hat,  # eq. (4.5)
        "1/2 (x - x_hat)^2": (x - x_hat) ** 2 / 2,  # eq. (10.11)
        "1/2 (x - sigmoid(x_hat))^2": (x - 1 / (1 + np.exp(-x_hat))) ** 2 / 2,
        "|x - x_hat|": np.abs(x - x_hat),
        # What eq. (8.4) may consist of, whatever s is.
        "1/2 mu^2": mu**2 / 2,
        "1/2 e^s": np.exp(s) / 2,
        "1/2 e^2s": np.exp(2 * s) / 2,
        "1/2 s^2": s**2 / 2,
        "1/2 s": s / 2,
        "1/2 log s": np.log(np.abs(s)) / 2,
        "constant": np.ones(1),
        # The derivative of a term in an eps added inside its logarithm, at eps = 0.
        "eps in log p": -x / x_hat - (1 - x) / (1 - x_hat),
        "eps in log sigmoid": -x * (1 + np.exp(-x_hat)) - (1 - x) * (1 + np.exp(x_hat)),
        "eps in log s^2": -1 / (2 * s**2),
        "eps in log s": -1 / (2 * s),
        "1/2 e^-s": np.exp(-s) / 2,
        "1/2 mu^2 e^-s": mu**2 * np.exp(-s) / 2,
        "1/2 e^-2s": np.exp(-2 * s) / 2,
        "1/2 mu^2 e^-2s": mu**2 * np.exp(-2 * s) / 2,
        "1/2 softplus(s)^2": softplus**2 / 2,
        "1/2 log softplus(s)": np.log(softplus) / 2,
        "1/2 e^(s/2)": np.exp(s / 2) / 2,
        "|mu|": np.abs(mu),
        "|s|": np.abs(s),
        "mu": mu,
    }
    return {name: np.sum(value) for name, value in values.items()}


# The random inputs. They differ in scale from draw to draw, or all sums would be proportional.

@dataclasses.dataclass(frozen=True)
class Domain:
    """Which inputs a loss is defined on. DOMAINS are tried in turn, until one fits."""

    positive: bool = False  # s > 0, for a standard deviation or a variance
    binary: bool = False  # x is 0 or 1 throughout; else it is grey in half of the draws
    wide: bool = False  # x_hat of any size; else in (0, 1): probabilities, means or logits


DOMAINS = [Domain(positive, binary) for binary in (False, True) for positive in (False, True)]


def random_inputs(size, domain, rng):
    """One draw in float64: x, x_hat (B, D) and mu, s (B, Z)."""
    B, D, Z = size
    x = (rng.random((B, D)) < rng.uniform(0.1, 0.9)).astype(float)
    if not domain.binary and rng.random() < 0.5:
        x = 0.5 + rng.uniform(0.3, 1) * (x - 0.5) * rng.uniform(0.1, 1, (B, D))
    # The decoder's output is often close to x, sometimes far from it.
    logits = rng.uniform(-1, 1) + rng.uniform(-0.5, 2) * (2 * x - 1)
    logits += rng.uniform(0.2, 1) * rng.normal(size=(B, D))
    x_hat = 2 * logits if domain.wide else 0.01 + 0.98 / (1 + np.exp(-logits))
    mu = 3 * rng.uniform(0, 1) ** 2 * (rng.normal() + rng.normal(size=(B, Z)))
    s = rng.uniform(-2.5, 2.5) + rng.uniform(0.05, 1) * rng.normal(size=(B, Z))
    if rng.random() < 0.2:  # close to the prior, where a penalty with a threshold shows
        mu /= 30
        s /= 30
    return x, x_hat, mu, np.exp(s / 1.5) if domain.positive else s


# The calls.

def call(loss, inputs):
    """loss(*inputs) as a float. It gets copies, since it may write into them."""
    result = loss(*(a.copy() for a in inputs))
    if isinstance(result, Tensor):
        result = result.data
    elif hasattr(result, "detach"):
        result = result.detach()  # PyTorch warns when a tensor with a gradient becomes a number
    shape = tuple(getattr(result, "shape", ()))
    if np.prod(shape, dtype=int) != 1:
        raise Obstacle(f"it returns an array of shape {shape}, and a loss is one number: take its "
                       f"mean over the batch first")
    return float(result.item() if shape else result)


def measured(loss, size, domain, rng):
    """The known terms and the loss on DRAWS inputs. Obstacle if that is no number, or noisy."""
    terms, y = [], []
    for draw in range(DRAWS):
        inputs = random_inputs(size, domain, rng)
        with np.errstate(all="ignore"):
            terms.append(known_terms(*inputs))
            y.append(call(loss, inputs))
            again = call(loss, inputs) if draw < 2 else y[-1]
        if not np.isfinite(y[-1]):
            x_hat, mu, s = (f"({a.min():.2g}, {a.max():.2g})" for a in inputs[1:])
            raise Obstacle(f"it is {y[-1]} for x_hat within {x_hat}, mu within {mu} and s within "
                           f"{s}, where every VAE's loss is finite")
        if abs(again - y[-1]) > CLOSE * abs(y[-1]):
            raise Obstacle("it gives another value when it is called again with the same inputs: "
                           "it draws noise. What can be taken apart is a function of x, x_hat, mu "
                           "and s: let it take its noise or z from outside, and use the KL in "
                           "closed form, eq. (8.4), in place of a draw of it")
    return terms, np.array(y)


def fits_at(loss, sizes, rng):
    """The domain, the fits at the sizes that the loss takes, largest last, and {size: error}."""
    domain, found = first_fit(loss, sizes[-1], rng)
    if found.error < CLOSE and "cross-entropy (p)" not in found.weights:
        domain, found = widened(loss, sizes[-1], domain, found, rng)
    fits, refused = [], {}
    for size in sizes[:-1]:
        try:
            values = measured(loss, size, domain, rng)
        except Exception as error:  # whatever a stranger's loss may raise
            refused[size] = error
        else:
            fits.append(best_fit(*values, size))
    fits.append(found)
    # A term of the loss is there at every size. What is not was picked up from rounding.
    common = [name for name in found.weights if all(name in f.weights for f in fits)]
    again = [fit_terms(*f.values, f.size, common) for f in fits] if common else fits
    as_good = all(b.error <= max(30 * a.error, EXACT) for a, b in zip(fits, again))
    return domain, again if as_good else fits, refused


def first_fit(loss, size, rng):
    """The first domain on which the loss fits, and the fit; else those that come closest."""
    best, obstacles = None, {}
    for domain in DOMAINS:
        try:
            values = measured(loss, size, domain, rng)
        except Exception as obstacle:  # whatever a stranger's loss may raise
            obstacles[domain] = obstacle
            continue
        found = best_fit(*values, size)
        # A loss that can be called with s < 0 has to fit there, too, unless it has a log of s.
        any_sign = dataclasses.replace(domain, positive=False)
        if domain.positive and any_sign not in obstacles and "1/2 log s" not in found.weights:
            continue
        if best is None or found.error < best[1].error / 30:
            best = domain, found
        if found.error < EXACT:
            break
    if best is None:
        raise _explained(obstacles[DOMAINS[0]])
    return best


def _explained(error):
    if isinstance(error, Obstacle):
        return error
    explained = ValueError(
        f"the loss raises {type(error).__name__}: {error}. It is called with float64 arrays x and "
        f"x_hat (B, D), mu and s (B, Z): convert them if it wants others, as in lambda *a: "
        f"loss(*map(torch.as_tensor, a)), and give sizes=(B, D, Z) if it takes no other than those")
    explained.__cause__ = error
    return explained


def widened(loss, size, domain, found, rng):
    """The domain and the fit with x_hat of any size, where that fits as well.

    With logits it must: what agrees with their cross-entropy for x_hat in (0, 1) alone is another.
    """
    wide = dataclasses.replace(domain, wide=True)
    try:
        beyond = best_fit(*measured(loss, size, wide, rng), size)
    except Exception:  # whatever a stranger's loss may raise
        beyond = dataclasses.replace(found, error=np.inf)
    takes_logits = {"cross-entropy (logits)", "1/2 (x - sigmoid(x_hat))^2"} & set(found.weights)
    if beyond.error < CLOSE or takes_logits:
        return wide, beyond
    return domain, found


# The fit.

@dataclasses.dataclass
class Fit:
    """The loss at one size as a sum of known terms.

    values: the terms and the loss it was fitted to. size: (B, D, Z). weights: {name: number}, those
    that are not 0. error: the largest relative error of the sum. doubt: how uncertain a weight is
    at most, relative, if that error is noise.
    """

    values: tuple = dataclasses.field(repr=False)
    size: tuple
    weights: dict
    error: float
    doubt: float


def fit_terms(terms, y, size, names):
    """Least squares on relative errors of y (DRAWS,); what the loss does without is left out."""
    scale = np.abs(y) + 0.1 * np.median(np.abs(y))
    scale[scale == 0] = 1
    A = np.array([[row[name] for name in names] for row in terms]) / scale[:, None]
    keep = [j for j in range(len(names)) if np.isfinite(A[:, j]).all()]

    def solve(columns):
        unit = np.abs(A[:, columns]).max(axis=0)
        w = np.linalg.lstsq(A[:, columns] / unit, y / scale, rcond=1e-14)[0] / unit
        return w, np.abs(A[:, columns] @ w - y / scale).max()

    w, error = solve(keep)
    if error < CLOSE:
        # Leave out one term after the other, the smallest first, as long as the sum fits as well.
        allowed = max(3 * error, 1e-12)
        for j in [keep[i] for i in np.argsort(np.abs(A[:, keep] * w).max(axis=0))]:
            fewer = [k for k in keep if k != j]
            if fewer and solve(fewer)[1] <= allowed:
                keep = fewer
        w, error = solve(keep)
    unit = np.abs(A[:, keep]).max(axis=0)
    inverse = np.linalg.pinv(A[:, keep].T @ A[:, keep] / np.outer(unit, unit))
    spread = error * np.sqrt(np.diag(inverse)) / unit
    weights = {names[j]: float(v) for j, v in zip(keep, w) if v}
    doubts = [d / abs(v) for j, d, v in zip(keep, spread, w) if v and "eps" not in names[j]]
    return Fit((terms, y), size, weights, float(error), float(max(doubts, default=0)))


def best_fit(terms, y, size):
    """The plain terms if they fit exactly, else the first further set that does, or the closest."""
    fits = [fit_terms(terms, y, size, PLAIN)]
    for further in FURTHER:
        if fits[-1].error < EXACT:
            return fits[-1]
        fits.append(fit_terms(terms, y, size, PLAIN + further))
    closest = min(fits, key=lambda f: f.error)
    much_closer = closest.error < fits[0].error / 30  # more terms always fit a little better
    return closest if much_closer else fits[0]


# What shows only where a pixel is certain, and what could not be looked at.

def about_edges(loss, reading, domain):
    """What a certain pixel costs, wrong and right: where formulas take a logarithm of 0."""
    if reading.kind != "bernoulli":
        return []
    logits = "logits" in reading.name
    even, certain = (0.0, 60.0) if logits else (0.5, 1.0)
    B, D, Z = reading.sizes[-1]
    mu = np.zeros((B, Z))
    s = np.full((B, Z), float(domain.positive))

    def cost(pixel):
        x = np.zeros((B, D))
        x_hat = np.full((B, D), even)
        before = call(loss, (x, x_hat, mu, s))
        x[0, 0] = pixel
        x_hat[0, 0] = certain
        return (call(loss, (x, x_hat, mu, s)) - before) / reading.weight[-1] + np.log(2)

    try:
        with np.errstate(all="ignore"):
            wrong, right = cost(0.0), cost(1.0)
    except Exception as error:  # whatever a stranger's loss may raise
        return [f"for a pixel with x_hat = {certain:g} it raises {type(error).__name__}"]
    cure = "Compute the cross-entropy from logits, as eq. (4.5) does"
    if not np.isfinite([wrong, right]).all():
        return [f"it is unstable: a pixel with x_hat = {certain:g} costs {wrong:.3g} if x = 0, and "
                f"{right:.3g} if x = 1, which should be 0. One such pixel ends the training. "
                f"{cure}"]
    if logits and abs(wrong - certain) < 0.1:
        return []
    due = "60" if logits else "infinitely many"
    return [f"a pixel with x_hat = {certain:g} where x = 0 costs {wrong:.3g} nats, and should cost "
            f"{due}: the logarithm is cut off there, and no gradient reaches the logit. {cure}"]


def about_inputs(reading, domain, refused):
    """Where the loss could not be called, or is not what it is elsewhere."""
    if reading.kind and not domain.wide and reading.name != "cross-entropy (p)":
        yield "it was checked for x_hat in (0, 1): further away it raises, or is something else"
    if domain.positive:
        yield "it was checked for s > 0"
    if domain.binary:
        yield "it was checked for x of 0 and 1: for grey x it raises, or is something else"
    if refused:
        size, error = next(iter(refused.items()))
        yield (f"at {len(refused)} of {len(SIZES)} sizes it could not be used, such as (B, D, Z) = "
               f"{size}: {' '.join(str(error).split())[:200]}")
