"""Is a VAE's loss right? check_loss takes a loss apart into known terms, and says which ELBO it is, or why it is none.

A loss is a function that can be called on any inputs. So evaluate every term that the losses of VAEs are made of on many
random inputs, and ask least squares for the weights with which they add up to the loss. If the sum fits to rounding, the
weights are the loss; if it does not, nothing is known of it, and that is what is said. The weights at several sizes
(B, D, Z) tell what is summed and what is averaged: a weight that falls as 1/D is a mean over the pixels.

Below: the terms; the random inputs; the fit; the weights as powers of B, D and Z; what they mean; the words.
"""

import dataclasses
import itertools
import textwrap

import numpy as np

from ..autodiff import Tensor
from .arguments import check_rng

# Sizes (B, D, Z). The last is the largest, and the one whose numbers are reported. A loss may be written for 784 pixels only.
SIZES = ((6, 20, 3), (6, 20, 7), (11, 20, 3), (6, 33, 3), (7, 784, 3), (11, 784, 7), (16, 784, 20))
DRAWS = 48  # random inputs at each size, twice as many as there are terms
EXACT = 1e-11  # largest relative error of a fit in float64
CLOSE = 1e-5  # and of one in float32, or with an eps in its logarithms; a wrong term is off by more


# The terms. Each is summed over the batch and over pixels or latents, so its weight in a loss that sums everything is 1.

RECONSTRUCTIONS = {"cross-entropy (p)": "bernoulli", "cross-entropy (logits)": "bernoulli", "1/2 (x - x_hat)^2": "squared",
                   "1/2 (x - sigmoid(x_hat))^2": "squared", "|x - x_hat|": "absolute"}

# What the second output s may be: the terms that are then sigma^2 and log sigma^2, the latter with its factor. With them
# the KL of eq. (8.4) is 1/2 mu^2 + 1/2 sigma^2 - 1/2 log sigma^2 - 1/2, summed over the latents.
MEANINGS = {"logvar": ("1/2 e^s", "1/2 s", 1, "log sigma^2"), "logstd": ("1/2 e^2s", "1/2 s", 2, "log sigma"),
            "std": ("1/2 s^2", "1/2 log s", 2, "sigma"), "variance": ("1/2 s", "1/2 log s", 1, "sigma^2"),
            "softplus": ("1/2 softplus(s)^2", "1/2 log softplus(s)", 2, "sigma before a softplus")}
PLAIN = (*RECONSTRUCTIONS, "1/2 mu^2", "1/2 e^s", "1/2 e^2s", "1/2 s^2", "1/2 s", "1/2 log s", "constant")

# Terms that are tried where those do not fit: an eps inside a logarithm, to first order; a KL the wrong way round; others.
FURTHER = (("eps in log p", "eps in log sigmoid", "eps in log sigma^2 (std)", "eps in log sigma^2 (variance)"),
           ("1/2 e^-s", "1/2 mu^2 e^-s", "1/2 e^-2s", "1/2 mu^2 e^-2s"),
           ("1/2 softplus(s)^2", "1/2 log softplus(s)"),
           ("1/2 e^(s/2)", "|mu|", "|s|", "mu"))


def known_terms(x, x_hat, mu, s):
    """The value of every known term on x, x_hat (B, D) and mu, s (B, Z), by name. Terms not defined there are NaN."""
    softplus = np.logaddexp(0, s)
    inverse = 1 / np.square(s)
    values = {
        "cross-entropy (p)": -x * np.log(x_hat) - (1 - x) * np.log(1 - x_hat),
        "cross-entropy (logits)": np.logaddexp(0, x_hat) - x * x_hat,  # eq. (4.5)
        "1/2 (x - x_hat)^2": (x - x_hat) ** 2 / 2,  # eq. (10.11)
        "1/2 (x - sigmoid(x_hat))^2": (x - 1 / (1 + np.exp(-x_hat))) ** 2 / 2,
        "|x - x_hat|": np.abs(x - x_hat),
        "1/2 mu^2": mu**2 / 2,
        "1/2 e^s": np.exp(s) / 2,
        "1/2 e^2s": np.exp(2 * s) / 2,
        "1/2 s^2": s**2 / 2,
        "1/2 s": s / 2,
        "1/2 log s": np.log(np.abs(s)) / 2,
        "constant": np.ones(1),
        # d/d eps of -x log(p + eps) - (1 - x) log(1 - p + eps) and of -1/2 log(sigma^2 + eps) at eps = 0
        "eps in log p": -x / x_hat - (1 - x) / (1 - x_hat),
        "eps in log sigmoid": -x * (1 + np.exp(-x_hat)) - (1 - x) * (1 + np.exp(x_hat)),
        "eps in log sigma^2 (std)": -inverse / 2,
        "eps in log sigma^2 (variance)": -1 / (2 * s),
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


# The random inputs. They differ in scale from draw to draw, or else all the sums would be nearly proportional.

@dataclasses.dataclass(frozen=True)
class Domain:
    """Which inputs a loss is defined on. Tried in the order of DOMAINS, until one fits."""

    positive: bool = False  # s > 0, for a standard deviation or a variance
    binary: bool = False  # x is 0 or 1 throughout; else in half of the draws
    wide: bool = False  # x_hat of any size; else within (0, 1), where it may be probabilities, means or logits


DOMAINS = [Domain(positive, binary) for binary in (False, True) for positive in (False, True)]


def random_inputs(size, domain, rng):
    """x, x_hat (B, D) and mu, s (B, Z) in float64: one draw."""
    B, D, Z = size
    x = (rng.random((B, D)) < rng.uniform(0.1, 0.9)).astype(float)
    if not domain.binary and rng.random() < 0.5:
        x = 0.5 + rng.uniform(0.3, 1) * (x - 0.5) * rng.uniform(0.1, 1, (B, D))
    logits = rng.uniform(-1, 1) + rng.uniform(-0.5, 2) * (2 * x - 1) + rng.uniform(0.2, 1) * rng.normal(size=(B, D))
    x_hat = 2 * logits if domain.wide else 0.01 + 0.98 / (1 + np.exp(-logits))
    mu = rng.uniform(0, 1) ** 2 * 3 * (rng.normal() + rng.normal(size=(B, Z)))
    s = rng.uniform(-2.5, 2.5) + rng.uniform(0.05, 1) * rng.normal(size=(B, Z))
    if rng.random() < 0.2:  # close to the prior, where a penalty with a threshold shows
        mu, s = mu / 30, s / 30
    return x, x_hat, mu, np.exp(s / 1.5) if domain.positive else s


# Calling the loss.

class Obstacle(Exception):
    """A reason why a loss cannot be taken apart; it becomes the diagnosis."""


def call(loss, inputs):
    """loss(*inputs) as a float. It gets copies, since it may write into them."""
    result = loss(*(a.copy() for a in inputs))
    if isinstance(result, Tensor):
        result = result.data
    elif hasattr(result, "detach"):
        result = result.detach()  # PyTorch warns when a tensor that has a gradient becomes a number
    shape = tuple(getattr(result, "shape", ()))
    if np.prod(shape, dtype=int) != 1:
        raise Obstacle(f"it returns an array of shape {shape} where a loss is one number: take its mean over the batch first")
    return float(result)


def measured(loss, size, domain, rng):
    """The known terms and the loss on DRAWS random inputs; Obstacle for a loss that is not finite or not repeatable."""
    terms, y = [], []
    for draw in range(DRAWS):
        inputs = random_inputs(size, domain, rng)
        with np.errstate(all="ignore"):
            y.append(call(loss, inputs))
            again = call(loss, inputs) if draw < 2 else y[-1]
            terms.append(known_terms(*inputs))
        if not np.isfinite(y[-1]):
            raise Obstacle(f"it is {y[-1]} for x_hat within {_range(inputs[1])}, mu within {_range(inputs[2])} and s within "
                           f"{_range(inputs[3])}, where every VAE's loss is finite")
        if abs(again - y[-1]) > CLOSE * abs(y[-1]):
            raise Obstacle("it gives another value when it is called again with the same inputs: it draws noise. Only a "
                           "function of x, x_hat, mu and s can be taken apart: let it take its noise or its z from "
                           "outside, and use the KL in closed form, eq. (8.4), in place of a draw of it")
    return terms, np.array(y)


def _range(a):
    return f"({a.min():.2g}, {a.max():.2g})"


def widened(loss, size, domain, found, rng):
    """The domain and the fit with x_hat of any size, where that fits as well. Logits must: what agrees with their
    cross-entropy between 0 and 1 alone is something else."""
    wide = dataclasses.replace(domain, wide=True)
    try:
        beyond = best_fit(*measured(loss, size, wide, rng), size)
    except Exception:  # whatever a stranger's loss may raise
        beyond = dataclasses.replace(found, error=np.inf)
    if beyond.error < CLOSE or {"cross-entropy (logits)", "1/2 (x - sigmoid(x_hat))^2"} & set(found.weights):
        return wide, beyond
    return domain, found


def fits_at(loss, sizes, rng):
    """The domain, the fits at the sizes that the loss takes (largest last), and why it did not take the others."""
    best, obstacles, largest = None, [], sizes[-1]
    for domain in DOMAINS:
        try:
            values = measured(loss, largest, domain, rng)
        except Exception as obstacle:  # whatever a stranger's loss may raise
            obstacles.append(obstacle)
            continue
        found = best_fit(*values, largest)
        if best is None or found.error < best[1].error:
            best = domain, found
        if found.error < CLOSE:
            break
    if best is None and isinstance(obstacles[0], Obstacle):
        raise obstacles[0]
    if best is None:
        raise ValueError(f"the loss raises {type(obstacles[0]).__name__}: {obstacles[0]}. It is called with float64 arrays x, x_hat "
                         f"(B, D) and mu, s (B, Z): convert them if it wants others, as in lambda *a: loss(*map(torch.as_tensor, "
                         f"a)), and give sizes=(B, D, Z) if it takes no other than those") from obstacles[0]
    domain, found = best
    if found.error < CLOSE and "cross-entropy (p)" not in found.weights:
        domain, found = widened(loss, largest, domain, found, rng)
    fits, refused = [], {}
    for size in sizes[:-1]:
        try:
            values = measured(loss, size, domain, rng)
        except Exception as error:
            refused[size] = error
        else:
            fits.append(best_fit(*values, size))
    return domain, [*fits, found], refused


# The fit.

@dataclasses.dataclass
class Fit:
    """The loss at one size as a sum of known terms. weights: {name: number}, those that are not 0. error: the largest
    relative error of the sum. doubt: the largest relative uncertainty of a weight, from what is left over as noise."""

    size: tuple
    weights: dict
    error: float
    doubt: float


def fit_terms(terms, y, size, names):
    """Least squares on the relative errors of y (DRAWS,); the terms that the loss does without are then left out."""
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
        allowed = max(3 * error, 1e-12)
        for j in [keep[i] for i in np.argsort(np.abs(A[:, keep] * w).max(axis=0))]:
            fewer = [k for k in keep if k != j]
            if fewer and solve(fewer)[1] <= allowed:
                keep = fewer
        w, error = solve(keep)
    unit = np.abs(A[:, keep]).max(axis=0)
    spread = np.sqrt(np.diag(np.linalg.pinv(A[:, keep].T @ A[:, keep] / np.outer(unit, unit)))) / unit
    doubts = [error * d / abs(v) for j, d, v in zip(keep, spread, w) if v and "eps" not in names[j]]
    return Fit(size, {names[j]: float(v) for j, v in zip(keep, w) if v}, float(error), float(max(doubts, default=0)))


def best_fit(terms, y, size):
    """The plain terms if they fit exactly; else the smallest further set that does; else whichever comes closest."""
    fits = [fit_terms(terms, y, size, PLAIN)]
    for further in FURTHER:
        if fits[-1].error < EXACT:
            return fits[-1]
        fits.append(fit_terms(terms, y, size, PLAIN + further))
    closest = min(fits, key=lambda f: f.error)
    return closest if closest.error < fits[0].error / 30 else fits[0]  # 30: more terms always fit a little better


# Weights as powers of the sizes: c B^b D^d Z^z.

@dataclasses.dataclass
class Law:
    """factor: c. powers: (b, d, z). text: 'D/Z', say; '' if no product of powers fits. value: at the largest size."""

    value: float
    factor: float = np.nan
    powers: tuple = (0, 0, 0)
    text: str = ""

    @property
    def shown(self):
        """'D, here 784': the law, and its value where they are not the same."""
        here = f"{self.value:.6g}"
        return f"{self.text}, here {here}" if any(self.powers) else here


def law(values, sizes, tol):
    """How one weight depends on the size: the product of powers that fits all values, and if the sizes leave several open
    (one size leaves everything open), those whose factor is 1, 2 or 1/2."""
    values, sizes = np.array(values), np.array(sizes, float)
    if not values.any():
        return Law(0.0, 0.0, text="0")
    found = []
    for powers in itertools.product((0, -1, 1, -2, 2), repeat=3):
        factors = values / np.prod(sizes ** np.array(powers), axis=1)
        if np.ptp(factors) <= tol * np.abs(factors).max():
            found.append((_round(factors[-1], tol), powers))
    if len(found) > 1:
        varied = np.ptp(sizes, axis=0) > 0
        plain = [f for f in found if abs(f[0]) == 1] or [f for f in found if abs(f[0]) in (2, 0.5)]
        found = plain or [f for f in found if not np.any(np.array(f[1])[~varied])]
        cost = lambda f: np.abs(f[1]).sum()
        found = [f for f in found if cost(f) == min(map(cost, found))]
    if not found:
        return Law(float(values[-1]))
    factor, powers = found[0]
    return Law(float(factor * np.prod(sizes[-1] ** np.array(powers))), factor, powers,
               " or ".join(_product(*f) for f in found))


def _round(c, tol):
    """c, or the simple number that it is to within tol."""
    for simple in (round(c), 1 / round(1 / c) if 0 < abs(c) < 1 else 0, float(f"{c:.3g}")):
        if simple and abs(c / simple - 1) <= tol:
            return float(simple)
    return float(c)


def _product(factor, powers):
    """'D/Z', '0.001 D', '-1/(B D)': a factor and powers of B, D and Z as one would write them."""
    above, below = ([name if abs(p) == 1 else f"{name}^{abs(p)}" for name, p in zip("BDZ", powers) if sign * p > 0]
                    for sign in (1, -1))
    number = abs(factor)
    whole = abs(round(1 / number) * number - 1) < 1e-12 and number < 1
    if whole and (above or len(f"{1 / number:.0f}") < len(f"{number:.6g}") - 2):
        below.insert(0, f"{1 / number:.0f}")
    elif number != 1 or not above:
        above.insert(0, f"{number:.6g}")
    text = " ".join(above) or "1"
    if below:
        text += "/" + (f"({' '.join(below)})" if len(below) > 1 else below[0])
    return f"-{text}" if factor < 0 else text


# What the weights mean.

class Reading:
    """The fits at all sizes, read as weight * (reconstruction + beta * KL) + constant. Weights are arrays over the sizes.

    name, kind: of the reconstruction, '' if there is none or more than one. second: which of MEANINGS. mu2, sigma2, log:
    what 1/2 mu^2, 1/2 sigma^2 and -1/2 log sigma^2 are weighted with; three times the same in a KL. others: terms that
    belong to none of these. excess: the constant, less the -1/2 per latent that belongs to the KL.
    """

    def __init__(self, fits):
        self.sizes = np.array([f.size for f in fits])
        self.error = max(f.error for f in fits)
        self.tol = max(10 * max(f.doubt for f in fits), 1e-9)  # how far apart two weights are that count as equal
        if self.tol > 0.02:
            raise Obstacle("some of its terms are so small beside the others that rounding hides their weights: let it compute "
                           "in float64, or check the reconstruction and the penalty one at a time")
        names = sorted({name for f in fits for name in f.weights}, key=(PLAIN + sum(FURTHER, ())).index)
        self.weights = {name: np.array([f.weights.get(name, 0.0) for f in fits]) for name in names}
        reconstructions = [name for name in names if name in RECONSTRUCTIONS]
        self.name = reconstructions[0] if len(reconstructions) == 1 else ""
        self.kind = RECONSTRUCTIONS.get(self.name, "")
        self.several = reconstructions if len(reconstructions) > 1 else []
        self.weight = self.of(self.name)
        self.mu2 = self.of("1/2 mu^2")
        least = min(map(self.strangeness, MEANINGS))
        candidates = [second for second in MEANINGS if self.strangeness(second) == least]
        self.sigma2, self.log, self.others = self.read_as(candidates[0])
        clear = len(candidates) == 1 or self.sigma2.any() and self.others == ["1/2 s^2"]  # (log sigma)^2, a known slip
        self.second = candidates[0] if clear and (self.sigma2.any() or self.log.any()) else ""
        self.reversed = ""
        for second, k in (("logvar", ""), ("logstd", "2")):
            if set(self.others) == {f"1/2 e^-{k}s", f"1/2 mu^2 e^-{k}s"} and not self.mu2.any():
                self.second = self.reversed = second
        per_latent = self.sizes[:, 0] * self.sizes[:, 2] / 2
        self.kl = self.log if self.log.any() else self.sigma2
        self.excess = self.of("constant") + self.kl * per_latent
        self.excess[np.abs(self.excess) <= self.tol * (np.abs(self.of("constant")) + np.abs(self.kl * per_latent))] = 0
        self.one_missing = bool(self.kl.any()) and self.same(self.excess, self.kl * per_latent)
        self.has_kl_shape = not self.others and self.second != "" and self.same(self.mu2, self.log) \
            and self.same(self.sigma2, self.log)
        self.is_kl = self.has_kl_shape and not self.one_missing

    def of(self, name):
        return self.weights.get(name, np.zeros(len(self.sizes)))

    def same(self, a, b):
        return bool(np.all(np.abs(a - b) <= self.tol * np.maximum(np.abs(a), np.abs(b))))

    def read_as(self, second):
        """The weights of 1/2 sigma^2 and of -1/2 log sigma^2 if s is `second`, and the latents' terms that then remain."""
        variance, logarithm, factor, _ = MEANINGS[second]
        rest = set(self.weights) - {*RECONSTRUCTIONS, "1/2 mu^2", "constant", variance, logarithm}
        return self.of(variance), -self.of(logarithm) / factor, [n for n in self.weights if n in rest and "eps" not in n]

    def strangeness(self, second):
        """How many terms are left over, and how many of the KL's three weights differ from the others."""
        sigma2, log, others = self.read_as(second)
        three = (self.mu2, sigma2, log)
        agree = max(sum(self.same(a, b) and bool(b.any()) for b in three) for a in three)
        return len(others) + (3 - agree) / 2

    def near(self, a, b):
        return bool(abs(a - b) <= self.tol * max(abs(a), abs(b)))

    def law(self, values):
        return law(values, self.sizes, self.tol)


# The words.

KINDS = {"cross-entropy (p)": "Bernoulli cross-entropy of probabilities",
         "cross-entropy (logits)": "Bernoulli cross-entropy of logits",
         "1/2 (x - x_hat)^2": "squared error", "1/2 (x - sigmoid(x_hat))^2": "squared error of sigmoid(x_hat)",
         "|x - x_hat|": "absolute error"}
BITS = 1 / np.log(2)


def reduced(weight, inner, k):
    """A weight's law in words: 'summed over pixels, averaged over the batch'; and the factor that is left.

    inner: 'pixels' or 'latents'. k: which of the powers (b, d, z) is theirs, 1 or 2.
    """
    b, own = weight.powers[0], weight.powers[k]
    if not weight.text or " or " in weight.text or not {b, own} <= {0, -1}:
        return f"with weight {weight.text or f'{weight.value:.6g}'}", 1.0
    how = {0: "summed", -1: "averaged"}
    text = f"{how[own]} over {inner} and batch"
    if b != own:
        text = f"{how[own]} over {inner}, {how[b]} over the batch"
    if weight.powers[3 - k]:
        text += f", times {_product(1, (0, weight.powers[1] * (k == 2), weight.powers[2] * (k == 1)))}"
    return text, weight.factor


def times(factor):
    return "" if factor == 1 else f", times {factor:.6g}"


def facts(r):
    """What was found, as (label, text)."""
    B, D, Z = r.sizes[-1]
    return [("reconstruction", _reconstruction(r)), ("second output", _second(r)), ("penalty", _penalty(r)),
            ("numbers are for", f"B = {B} examples, D = {D} pixels, Z = {Z} latents")]


def _reconstruction(r):
    if not r.name:
        return " + ".join(KINDS[name] for name in r.several) or "none"
    how, factor = reduced(r.law(r.weight), "pixels", 1)
    text = f"{KINDS[r.name]}, {how}"
    if r.kind == "bernoulli":
        return text + (", in bits" if r.near(abs(factor), BITS) else ", in nats" + times(factor))
    if r.kind == "absolute":
        return text + times(factor)
    return f"1/2 {text}" if factor == 1 else text + times(factor / 2)


def _second(r):
    if r.second:
        return f"s = {MEANINGS[r.second][3]} ({r.second})" + (", in a part of the terms" if r.others else "")
    return "unclear" if r.others or r.log.any() or r.sigma2.any() else "not used"


def _penalty(r):
    if not r.has_kl_shape:
        return "no KL to the prior N(0, I)" if r.mu2.any() or r.second or r.others else "none"
    how, factor = reduced(r.law(r.kl), "latents", 2)
    return f"KL(N(mu, sigma^2) || N(0, I)), {how}" + (", in bits" if r.near(factor, BITS) else times(factor))


def about_beta(r, beta):
    """Why the effective beta is what it is, and what follows; for a loss that has a KL and one reconstruction."""
    said = [f"beta = {beta.shown}"]
    if beta.value < 0:
        return [said[0] + ": the KL has the wrong sign, and the loss falls without end as q(z | x) leaves the prior"]
    if any(beta.powers):
        said[0] += (f": the reconstruction is {reduced(r.law(r.weight), 'pixels', 1)[0]}, and the KL "
                    f"{reduced(r.law(r.kl), 'latents', 2)[0]}")
    if r.kind == "squared":
        said.append(f"it is the negative ELBO of a Gaussian decoder with the fixed variance sigma2 = {beta.value:.6g}, "
                    f"eq. (10.11) and eq. (15.17): pixels with a noise of standard deviation {beta.value**0.5:.3g}")
    elif r.kind == "absolute":
        said.append("absolute error is the nll of a Laplace density, but for a constant: it is the negative ELBO of one with "
                    f"the scale {beta.value:.6g}")
    elif any(beta.powers):
        said.append("an ELBO sums over pixels and over latents, and averages over the batch alone, eq. (10.3) and eq. (15.18)")
    else:
        said[0] += _plain_factor(r, beta.value)
    return said + _collapse(r, beta.value)


def _plain_factor(r, beta):
    if not r.law(r.kl / r.weight).text:
        return ": it depends on the sizes in a way that is no product of powers"
    if r.near(beta, 1):
        how, factor = reduced(r.law(r.weight), "pixels", 1)
        return f": the negative ELBO, eq. (10.3), {how}{times(factor)}"
    if r.near(beta, 2):
        return ": the KL counts twice. Its 1/2 is missing, eq. (8.4), unless a weight of 2 is meant"
    if r.near(beta, 0.5):
        return ": the KL counts half. There is a 1/2 too many, unless a weight of 1/2 is meant"
    if r.near(beta, np.log(2)) or r.near(beta, BITS):
        return ": one of the two is in bits, the other in nats, which differ by log 2"
    return ": a weight on the KL, as in a beta-VAE. Minus its value is no ELBO: that has beta = 1, eq. (10.3)"


def _collapse(r, beta):
    """All latents collapse where no code can be worth its price. With I the information that z has about x in nats, and
    I <= KL, each pixel's nll falls by at most I, if it is Bernoulli, and by at most I / (4 sigma2) if it is Gaussian and
    lies in [0, 1]: so D pixels win at most D I."""
    D = float(r.sizes[-1][1])
    if r.kind == "bernoulli" and beta >= D * (1 - r.tol):
        return ["all latents will collapse: a code lowers the nll by at most D times its KL, whatever the data and the decoder, "
                f"and here its KL costs {beta:.6g} times"]
    if r.kind == "squared" and beta >= D / 4 * (1 - r.tol):
        return [f"all latents will collapse, if pixels lie in [0, 1]: a code lowers |x - x_hat|^2 by at most D/2 times its KL, "
                f"whatever the data and the decoder, and here its KL costs {2 * beta:.6g} times"]
    return []


def about_penalty(r):
    """What is wrong with a penalty that is no KL, term by term."""
    if not (r.mu2.any() or r.sigma2.any() or r.log.any() or r.others):
        return ["there is no penalty on mu and s: it is the loss of an autoencoder, whose decoder need not make anything of "
                "codes drawn from N(0, I)"]
    if r.reversed and all(r.same(r.of(name), r.of(r.others[0])) for name in r.others):
        return ["that is the KL the other way round, KL(N(0, I) || q): the ELBO has KL(q || N(0, I)), eq. (8.4)"]
    said = []
    if r.second:
        said = [*_missing(r), *_unequal(r)]
    elif r.mu2.any() and not r.others:
        said = ["1/2 mu^2 is a penalty on the size of the code alone; the second output is never used"]
    slips = {"1/2 e^(s/2)": ": it is sigma, where sigma^2 is due", "mu": ": it draws the means to another place than 0"}
    if not r.log.any():
        slips["1/2 s^2"] = ": was (log sigma)^2 or (log sigma^2)^2 written for log sigma^2?"
    for name in r.others:
        if r.second:
            said.append(f"{name}, with weight {r.weights[name][-1]:.6g}, belongs to no KL" + slips.get(name, ""))
    if r.others and not r.second:
        in_s = [name for name in r.weights if name not in RECONSTRUCTIONS and name != "constant" and "eps" not in name]
        said.append(f"its terms are {', '.join(in_s)}, and whatever s is, they are not mu^2, sigma^2 and log sigma^2")
    return said


def _missing(r):
    """Which of the KL's terms are not there, or have the sign turned."""
    variance, logarithm, factor, _ = MEANINGS[r.second]
    terms = {"mu^2": (r.mu2, "nothing keeps the means near 0"),
             f"sigma^2 = {variance[4:]}": (r.sigma2, "-log sigma^2 falls without end as sigma grows"),
             f"-log sigma^2 = -{'2 ' if factor == 2 else ''}{logarithm[4:]}": (r.log, "nothing keeps sigma from going to 0")}
    for what, (weight, consequence) in terms.items():
        others = [w for w, _ in terms.values() if w is not weight]
        if not weight.any():
            yield f"{what} is missing: {consequence}"
        elif any(r.same(weight, -w) for w in others) and not any(r.same(weight, w) for w in others):
            yield f"{what} has the wrong sign"


def _unequal(r):
    """Which of the KL's terms have another weight than the rest."""
    m, v, c = r.mu2[-1], r.sigma2[-1], r.log[-1]
    if v > 0 and c > 0 and not r.near(v, c):
        yield (f"sigma^2 counts {v / c:.6g} times what -log sigma^2 counts, so the penalty is smallest at sigma^2 = {c / v:.6g}, "
               "not at 1" + (": a 1/2 is lost somewhere" if r.near(v, 2 * c) or r.near(c, 2 * v) else ""))
        if r.near(m, v):
            yield f"but for a constant that is the KL to another prior, N(0, {c / v:.6g} I)"
        slips = {("logvar", 0.5): "is s meant as log sigma? Then e^s should be e^2s",
                 ("logstd", 2.0): "or is s meant as log sigma^2? Then e^2s should be e^s",
                 ("std", 2.0): "or was log s written for log s^2, which is twice as much?"}
        for (second, ratio), question in slips.items():
            if r.second == second and r.near(v / c, ratio):
                yield question
    if m and v and not r.near(abs(m), abs(v)):
        yield f"mu^2 counts {m / v:.6g} times what sigma^2 counts"


def about_rest(r):
    """The sign of the whole, what is missing or too many, constants, an eps, float32."""
    if r.weight[-1] < 0:
        yield "everything has the opposite sign: this is a bound, to be maximised; a loss is minus that"
    if r.several:
        yield "two reconstruction terms at once are the log-likelihood of no decoder, so there is no beta"
    if not r.name and not r.several:
        yield "there is no reconstruction term"
    if r.one_missing and r.has_kl_shape:
        yield ("the KL lacks its -1 per latent. Gradients do not feel it, but the value is too large by half the KL's weight per "
               "latent, and not 0 at the prior, eq. (8.4)")
    elif r.excess.any() and (r.has_kl_shape or not r.kl.any()):
        yield _constant(r)
    for name in [name for name in r.weights if "eps" in name]:
        eps = r.weights[name][-1] / (r.log if "sigma^2" in name else r.weight)[-1]
        yield f"{eps:.2g} is added inside a logarithm ({name.removeprefix('eps in ')}); away from 0 it makes no difference"
    if 1e-9 < r.error < CLOSE and not any("eps" in name for name in r.weights):
        yield (f"the sum fits to a relative {r.error:.0e} and not to 1e-15: something is computed in float32, or rounded as "
               "coarsely. A wrong term would be off by more")
    laws = r.law(r.weight), r.law(r.kl)
    held = [f"{name} = {r.sizes[-1][k]}" for k, name in enumerate("BDZ")
            if np.ptp(r.sizes[:, k]) == 0 and any(law.powers[k] for law in laws)]
    if held:
        yield f"it was called with {' and '.join(held)} alone, where a size cannot be told from a plain number of that value"


def _constant(r):
    """A part of the loss that depends on nothing: the normaliser of a Gaussian, or just a number."""
    rec = r.law(r.weight)
    pixels = np.prod(r.sizes ** np.array(rec.powers, float), axis=1) * r.sizes[:, 0] * r.sizes[:, 1]
    if r.kind == "squared" and rec.factor > 0 and r.same(r.excess, pixels * np.log(2 * np.pi / rec.factor) / 2):
        return (f"a constant is that of a Gaussian density, 1/2 log(2 pi sigma2) per pixel with sigma2 = {1 / rec.factor:.6g}: "
                "the nll is whole, eq. (10.5)")
    return f"a constant, {r.law(r.excess).shown}, depends on nothing. Take it off before the value is read as a bound"


def about_edges(loss, r, domain):
    """What a pixel costs that is certain, wrongly and rightly: where formulas take a logarithm of 0, they differ."""
    if r.kind != "bernoulli":
        return []
    logits = "logits" in r.name
    B, D, Z = r.sizes[-1]
    mu, s = np.zeros((B, Z)), np.full((B, Z), float(domain.positive))
    even, certain = (0.0, 60.0) if logits else (0.5, 1.0)

    def cost(pixel):
        x, x_hat = np.zeros((B, D)), np.full((B, D), even)
        before = call(loss, (x, x_hat, mu, s))
        x[0, 0], x_hat[0, 0] = pixel, certain
        return (call(loss, (x, x_hat, mu, s)) - before) / r.weight[-1] + np.log(2)

    try:
        with np.errstate(all="ignore"):
            wrong, right = cost(0.0), cost(1.0)
    except Exception as error:  # whatever a stranger's loss may raise
        return [f"for a pixel with x_hat = {certain:g} it raises {type(error).__name__}"]
    cure = "Compute the cross-entropy from logits, as eq. (4.5) does"
    if not np.isfinite([wrong, right]).all():
        return [f"it is unstable: a pixel with x_hat = {certain:g} costs {wrong:.3g} if x = 0, and {right:.3g} if x = 1, which should "
                f"be 0. One such pixel ends the training. {cure}"]
    if logits and abs(wrong - certain) < 0.1:
        return []
    return [f"a pixel with x_hat = {certain:g} where x = 0 costs {wrong:.3g} nats, and should cost {'60' if logits else 'infinitely many'}: "
            f"the logarithm is cut off there, and no gradient reaches the logit. {cure}"]


def about_inputs(reading, domain, refused):
    """Where the loss could not be called, or was not what it is elsewhere."""
    if domain.positive:
        yield "it was checked for s > 0 only"
    if reading.kind and not domain.wide and reading.name != "cross-entropy (p)":
        yield "it was checked for x_hat in (0, 1) only: further away it raises, or is something else"
    if domain.binary:
        yield "it was checked for x of 0 and 1 only: for grey x it raises, or is something else"
    if refused:
        size, error = next(iter(refused.items()))
        yield f"at {len(refused)} of the sizes it could not be used, such as (B, D, Z) = {size}: " + " ".join(str(error).split())[:200]


# The report.

@dataclasses.dataclass
class LossReport:
    """What a loss was found to be: print it to read it. It counts as true where ok is.

    reconstruction: 'bernoulli', 'squared', 'absolute' or ''. second: what the loss takes the encoder's second output for:
    'logvar', 'logstd', 'std', 'variance' or ''. is_kl: whether the rest is a multiple of KL(N(mu, .) || N(0, I)).
    beta: that multiple, relative to the nll that the reconstruction is; for squared error to 1/2 |x - x_hat|^2, for
    absolute error to sum |x - x_hat|; at the largest size, nan where there is no KL.
    sigma2: for squared error the decoder variance at which the loss is a negative ELBO with beta = 1; else nan.
    ok: whether it is a negative ELBO: is_kl, and beta = 1 (for squared and absolute error, beta > 0).
    diagnosis: what there is to say, in words, a line for each remark.
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
        lines = textwrap.wrap(self.title, 79, subsequent_indent="  ")
        for label, text in self.facts:
            lines += textwrap.wrap(text, 79, initial_indent=f"  {label:16}", subsequent_indent=" " * 18)
        for remark in self.diagnosis.splitlines():
            lines += textwrap.wrap(remark, 79, initial_indent="  => ", subsequent_indent="     ")
        if self.terms:
            lines += ["", f"  {'the loss is the sum of':30}{'times':>12}   that is"]
            lines += [f"  {name:30}{weight:>12.6g}   {text}".rstrip() for name, weight, text in self.terms]
        return "\n".join(lines)


def check_loss(loss, sizes=None, rng=None):
    """Take a VAE's loss apart: which reconstruction, which KL, and at which beta it is an ELBO, or why it is none.

    loss: loss(x, x_hat, mu, s) takes float64 arrays (B, D), (B, D), (B, Z), (B, Z) and returns a number. x_hat is what the
        decoder gives (probabilities, means or logits), s the encoder's second output. A loss of another framework needs a
        line such as lambda *a: their_loss(*map(torch.as_tensor, a)).
    sizes: (B, D, Z), for a loss that takes no other; else it is called at several, to see what is summed and averaged.
    rng: draws the inputs; if left out, the same at each call.

    The loss is fitted as a sum of known terms, the pieces of eq. (10.3), and all that is reported is read off the weights.
    Where no sum fits, the report says so and claims nothing. Returns a LossReport. Raises TypeError or ValueError for
    arguments of the wrong kind, and ValueError for a loss that raises at every size.
    """
    if not callable(loss):
        raise TypeError(f"check_loss takes a function loss(x, x_hat, mu, s), not {type(loss).__name__}")
    if sizes is not None and (len(sizes) != 3 or min(sizes) < 1):
        raise ValueError(f"sizes is (B, D, Z), three numbers of at least 1, not {sizes!r}")
    rng = np.random.default_rng(0) if rng is None else check_rng(rng)
    try:
        domain, fits, refused = fits_at(loss, SIZES if sizes is None else (tuple(sizes),), rng)
        error = max(f.error for f in fits)
        if error >= CLOSE:
            raise Obstacle(f"no sum of the known terms is this loss{_by(error)}, so nothing more is "
                           "said. Known are cross-entropy, squared and absolute error and the terms of the KL between "
                           "Gaussians. A threshold, a root or a penalty on samples is none of them: take it out, and check "
                           "what remains")
        reading = Reading(fits)
    except Obstacle as obstacle:
        return LossReport(diagnosis=str(obstacle), title="check_loss FAILED: nothing was recognised")
    return report(reading, [*about_edges(loss, reading, domain), *about_inputs(reading, domain, refused)])


def _by(error):
    return f": the closest is off by {100 * error:.2g} %" if error < 1 else ""


def report(r, further):
    """The LossReport of a reading."""
    beta = r.law(r.kl / r.weight) if r.is_kl and r.name else Law(np.nan)
    one = r.near(beta.value, 1) if r.kind == "bernoulli" else beta.value > 0
    ok = bool(r.is_kl and r.name and one and r.weight[-1] > 0)
    if ok:
        title = "check_loss passed: a negative ELBO"
        title += f" for the decoder variance sigma2 = {beta.shown}" if r.kind == "squared" else f", beta = {beta.shown}"
    elif np.isfinite(beta.value):
        title = f"check_loss FAILED: beta = {beta.shown}"
        title += (", but upside down" if one else ", where an ELBO has 1")
    else:
        title = "check_loss FAILED: no ELBO" if r.has_kl_shape else "check_loss FAILED: the penalty is no KL to the prior"
    said = []
    if np.isfinite(beta.value):
        said = about_beta(r, beta)
    elif not r.has_kl_shape:
        said = about_penalty(r)
    terms = [(name, values[-1], r.law(values).text) for name, values in r.weights.items()]
    second = r.second if r.second != "softplus" else ""
    sigma2 = beta.value if r.kind == "squared" else np.nan
    return LossReport(r.kind, second, r.is_kl, float(beta.value), float(sigma2), ok, "\n".join([*said, *about_rest(r), *further]),
                      title, tuple(facts(r)), tuple(terms))
