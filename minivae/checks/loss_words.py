"""What a fitted loss is, in words: the weights as powers of B, D and Z, the ELBO they make, slips.

losses.py finds the weights. A loss is then read as

    weight * (reconstruction + beta * KL) + constant

and each remark below is made only where the weights say so, at every size and to within the
uncertainty of the fit.
"""

import dataclasses
import itertools

import numpy as np

# The reconstructions: what they are, and in words.
KINDS = {"cross-entropy (p)": ("bernoulli", "Bernoulli cross-entropy of probabilities"),
         "cross-entropy (logits)": ("bernoulli", "Bernoulli cross-entropy of logits"),
         "1/2 (x - x_hat)^2": ("squared", "squared error"),
         "1/2 (x - sigmoid(x_hat))^2": ("squared", "squared error of sigmoid(x_hat)"),
         "|x - x_hat|": ("absolute", "absolute error")}

# What the encoder's second output s may be: the terms that are then 1/2 sigma^2 and, but for the
# factor, 1/2 log sigma^2; and in words what s is, and the standard deviation to sample with.
# The KL of eq. (8.4) is, with these and summed over the latents,
# 1/2 mu^2 + 1/2 sigma^2 - 1/2 log sigma^2 - 1/2.
MEANINGS = {"logvar": ("1/2 e^s", "1/2 s", 1, "log sigma^2", "e^(s/2)"),
            "logstd": ("1/2 e^2s", "1/2 s", 2, "log sigma", "e^s"),
            "std": ("1/2 s^2", "1/2 log s", 2, "sigma", "s"),
            "variance": ("1/2 s", "1/2 log s", 1, "sigma^2", "s^(1/2)"),
            "softplus": ("1/2 softplus(s)^2", "1/2 log softplus(s)", 2, "sigma before a softplus",
                         "softplus(s)")}
X_HAT = {"cross-entropy (p)": "a probability: the decoder has to end in a sigmoid",
         "cross-entropy (logits)": "a logit: the decoder must not end in a sigmoid",
         "1/2 (x - sigmoid(x_hat))^2": "a logit: the decoder must not end in a sigmoid"}
BITS = 1 / np.log(2)


class Obstacle(Exception):
    """A reason why a loss cannot be taken apart; it becomes the diagnosis."""


# Weights as powers of the sizes: c B^b D^d Z^z.

@dataclasses.dataclass
class Law:
    """value: at the largest size. factor: c. powers: (b, d, z). text: 'D/Z', say, or ''."""

    value: float
    factor: float = np.nan
    powers: tuple = (0, 0, 0)
    text: str = ""

    @property
    def shown(self):
        """'D, here 784', or just the number where it depends on no size."""
        here = f"{self.value:.6g}"
        return f"{self.text}, here {here}" if any(self.powers) else here


def law(values, sizes, tol):
    """The product of powers of B, D and Z that one weight is at all the sizes, to within tol."""
    values = np.array(values)
    sizes = np.array(sizes, float)
    if not values.any():
        return Law(0.0, 0.0, text="0")
    found = []
    for powers in itertools.product((0, -1, 1, -2, 2), repeat=3):
        factors = values / np.prod(sizes ** np.array(powers), axis=1)
        if np.ptp(factors) <= tol * np.abs(factors).max():
            found.append((_rounded(factors[-1], tol), powers))
    if not found:
        return Law(float(values[-1]))
    found = simplest(found, held=np.ptp(sizes, axis=0) == 0)
    factor, powers = found[0]
    value = factor * np.prod(sizes[-1] ** np.array(powers))
    return Law(float(value), factor, powers, " or ".join(_product(*f) for f in found))


def simplest(found, held):
    """Of the (factor, powers) that fit, several if some sizes were held: the simplest, or a tie.

    That is a plain 1, 2 or 1/2; else the factor 1, else 2 or 1/2, with as few sizes as possible;
    else the one without the sizes that were held.
    """
    cost = lambda f: np.abs(f[1]).sum()
    plain = [f for f in found if abs(f[0]) in (1, 2, 0.5) and cost(f) == 0]
    whole = [f for f in found if abs(f[0]) == 1]
    halves = [f for f in found if abs(f[0]) in (2, 0.5)]
    free = [f for f in found if not np.any(np.array(f[1])[held])]
    best = found if len(found) == 1 else plain or whole or halves or free
    return [f for f in best if cost(f) == min(map(cost, best))]


def _rounded(c, tol):
    """c, or the simple number that it is to within tol."""
    inverse = 1 / round(1 / c) if 0 < abs(c) < 1 else 0
    for simple in (round(c), inverse, float(f"{c:.3g}")):
        if simple and abs(c / simple - 1) <= tol:
            return float(simple)
    return float(c)


def _product(factor, powers):
    """'D/Z', '0.001 D', '-1/(B D)': a factor and powers of B, D and Z as one would write them."""
    above, below = [], []
    for name, power in zip("BDZ", powers):
        text = name if abs(power) == 1 else f"{name}^{abs(power)}"
        if power:
            (above if power > 0 else below).append(text)
    number = abs(factor)
    whole = number < 1 and abs(round(1 / number) * number - 1) < 1e-12
    if whole and (above or len(f"{1 / number:.0f}") + 2 < len(f"{number:.6g}")):
        below.insert(0, f"{1 / number:.0f}")
    elif number != 1 or not above:
        above.insert(0, f"{number:.6g}")
    text = " ".join(above) or "1"
    if below:
        text += f"/{below[0]}" if len(below) == 1 else f"/({' '.join(below)})"
    return f"-{text}" if factor < 0 else text


# What the weights mean.

class Reading:
    """The fits at all sizes, read as one loss. Weights are arrays over the sizes.

    weights: {name: weight}, all terms. tol: how far apart two weights are that count as equal.
    name, kind, weight: of the reconstruction; name is '' if there is none or more than one.
    second: which of MEANINGS s has, '' if that is unclear or s is not used.
    mu2, sigma2, log: the weights of 1/2 mu^2, 1/2 sigma^2 and -1/2 log sigma^2, equal in a KL.
    others: the terms of mu and s that are none of these.
    kl: the weight of the KL. excess: the constant beside its -1/2 per latent.
    has_kl_shape: mu2, sigma2 and log are equal, and there are no others.
    is_kl: and its -1 is not missing.
    """

    def __init__(self, fits):
        self.sizes = np.array([f.size for f in fits])
        self.error = max(f.error for f in fits)
        self.tol = max(10 * max(f.doubt for f in fits), 1e-9)
        if self.tol > 0.02:
            raise Obstacle("some of its terms are so small beside the others that rounding hides "
                           "their weights: let it compute in float64, or check the reconstruction "
                           "and the penalty one at a time")
        names = list(dict.fromkeys(name for f in fits for name in f.weights))
        self.weights = {n: np.array([f.weights.get(n, 0.0) for f in fits]) for n in names}
        self.reconstructions = [name for name in names if name in KINDS]
        self.name = self.reconstructions[0] if len(self.reconstructions) == 1 else ""
        self.kind = KINDS[self.name][0] if self.name else ""
        self.weight = self.of(self.name)
        self.mu2 = self.of("1/2 mu^2")
        self.read_second()
        self.kl = self.log if self.log.any() else self.sigma2
        half_per_latent = self.kl * self.sizes[:, 0] * self.sizes[:, 2] / 2
        constant = self.of("constant")
        self.excess = constant + half_per_latent
        rounding = self.tol * (np.abs(constant) + np.abs(half_per_latent))
        self.excess[np.abs(self.excess) <= rounding] = 0
        self.has_kl_shape = self.second != "" and not self.others and self.same(
            self.mu2, self.log) and self.same(self.sigma2, self.log)
        self.one_missing = self.has_kl_shape and self.same(self.excess, half_per_latent)
        self.is_kl = self.has_kl_shape and not self.one_missing

    def read_second(self):
        """Give s the meaning with which the penalty is least strange, if there is just one."""
        least = min(map(self.strangeness, MEANINGS))
        candidates = [m for m in MEANINGS if self.strangeness(m) == least]
        self.sigma2, self.log, self.others = self.read_as(candidates[0])
        known_slip = self.others == ["1/2 s^2"] and self.sigma2.any()  # (log sigma)^2
        clear = len(candidates) == 1 or known_slip
        used = self.sigma2.any() or self.log.any()
        self.second = candidates[0] if clear and used else ""
        # A KL the wrong way round has none of the right terms, and says just as well what s is.
        self.reversed = False
        for meaning, k in (("logvar", ""), ("logstd", "2")):
            turned = f"1/2 e^-{k}s", f"1/2 mu^2 e^-{k}s"
            if set(self.others) == set(turned) and not self.mu2.any():
                self.second = meaning
                self.reversed = self.same(*map(self.of, turned))

    def read_as(self, meaning):
        """The weights of 1/2 sigma^2 and -1/2 log sigma^2 if s is that, and what terms remain."""
        variance, logarithm, factor, *_ = MEANINGS[meaning]
        known = {*KINDS, "1/2 mu^2", "constant", variance, logarithm}
        others = [n for n in self.weights if n not in known and not n.startswith("eps")]
        return self.of(variance), -self.of(logarithm) / factor, others

    def strangeness(self, meaning):
        """How many terms are left over, and how many of the KL's three weights differ."""
        sigma2, log, others = self.read_as(meaning)
        three = self.mu2, sigma2, log
        agree = max(sum(bool(b.any()) and self.same(a, b) for b in three) for a in three)
        return len(others) + (3 - agree) / 2

    def of(self, name):
        return self.weights.get(name, np.zeros(len(self.sizes)))

    def same(self, a, b):
        return bool(np.all(np.abs(a - b) <= self.tol * np.maximum(np.abs(a), np.abs(b))))

    def law(self, values):
        return law(values, self.sizes, self.tol)

    def beta(self):
        """The weight of the KL beside the reconstruction's, a Law; nan where there is no KL."""
        return self.law(self.kl / self.weight) if self.is_kl and self.name else Law(np.nan)

    def found(self):
        """All fields of a LossReport but the diagnosis."""
        beta = self.beta()
        has_one = self.same(beta.value, 1.0) if self.kind == "bernoulli" else beta.value > 0
        ok = bool(has_one and self.weight[-1] > 0)
        second = "" if self.second == "softplus" else self.second
        sigma2 = beta.value if self.kind == "squared" else np.nan
        terms = [(name, w[-1], self.law(w).text) for name, w in self.weights.items()]
        return dict(reconstruction=self.kind, second=second, is_kl=self.is_kl, beta=beta.value,
                    sigma2=sigma2, ok=ok, title=title(self, beta, ok), facts=facts(self),
                    terms=terms)

    def remarks(self):
        """The diagnosis, remark by remark."""
        if np.isfinite(self.beta().value):
            yield from about_beta(self, self.beta())
        elif not self.has_kl_shape:
            yield from about_penalty(self)
        yield from about_rest(self)


# The words: first a line for the whole, and three facts.

def title(r, beta, ok):
    if ok and r.kind == "squared":
        return f"passed: a negative ELBO for the decoder variance sigma2 = {beta.shown}"
    if ok:
        return f"passed: a negative ELBO, beta = {beta.shown}"
    if np.isfinite(beta.value) and r.weight[-1] < 0:
        return f"FAILED: beta = {beta.shown}, but upside down"
    if np.isfinite(beta.value):
        return f"FAILED: beta = {beta.shown}, where an ELBO has 1"
    if r.has_kl_shape:
        return "FAILED: no ELBO"
    return "FAILED: the penalty is no KL to the prior"


def facts(r):
    """What was found, as (label, text)."""
    B, D, Z = r.sizes[-1]
    found = [("reconstruction", _reconstruction(r)), ("second output", _second(r)),
             ("penalty", _penalty(r)),
             ("numbers are for", f"B = {B} examples, D = {D} pixels, Z = {Z} latents")]
    if r.name in X_HAT:
        found.insert(1, ("x_hat", X_HAT[r.name]))
    return found


def reduced(weight, inner, k):
    """A weight in words, 'summed over pixels, averaged over the batch', and the factor left over.

    weight: a Law. inner: 'pixels' or 'latents'. k: which of the powers is theirs, 1 or 2.
    """
    batch, own, foreign = weight.powers[0], weight.powers[k], weight.powers[3 - k]
    if not weight.text or " or " in weight.text or not {batch, own} <= {0, -1}:
        return f"with weight {weight.text or f'{weight.value:.6g}'}", 1.0
    how = {0: "summed", -1: "averaged"}
    text = f"{how[own]} over {inner}, {how[batch]} over the batch"
    if batch == own:
        text = f"{how[own]} over {inner} and batch"
    if foreign:
        text += ", times " + _product(1, (0, foreign, 0) if k == 2 else (0, 0, foreign))
    return text, weight.factor


def times(factor):
    return "" if factor == 1 else f", times {factor:.6g}"


def _reconstruction(r):
    if not r.name:
        return " + ".join(KINDS[name][1] for name in r.reconstructions) or "none"
    how, factor = reduced(r.law(r.weight), "pixels", 1)
    text = f"{KINDS[r.name][1]}, {how}"
    if r.kind == "bernoulli":
        return text + (", in bits" if r.same(abs(factor), BITS) else ", in nats" + times(factor))
    if r.kind == "absolute":
        return text + times(factor)
    return f"1/2 {text}" if factor == 1 else text + times(factor / 2)


def _second(r):
    if r.second and r.others and not r.reversed:
        return f"s = {MEANINGS[r.second][3]} ({r.second}) in some of the terms"
    if r.second:
        *_, meaning, std = MEANINGS[r.second]
        return f"s = {meaning} ({r.second}), so draw z with the standard deviation {std}"
    return "unclear" if r.others or r.log.any() or r.sigma2.any() else "not used"


def _penalty(r):
    if r.has_kl_shape:
        how, factor = reduced(r.law(r.kl), "latents", 2)
        unit = ", in bits" if r.same(abs(factor), BITS) else times(factor)
        return f"KL(N(mu, sigma^2) || N(0, I)), {how}{unit}"
    return "no KL to the prior N(0, I)" if r.mu2.any() or r.second or r.others else "none"


# Then the remarks: on beta, on a penalty that is no KL, on the rest.

def about_beta(r, beta):
    """Why the effective beta is what it is, and what follows."""
    rec, kl = reduced(r.law(r.weight), "pixels", 1), reduced(r.law(r.kl), "latents", 2)
    shown = f"beta = {beta.shown}"
    if beta.value < 0:
        yield (f"{shown}: the KL has the wrong sign, and the loss falls without end as q(z | x) "
               f"leaves the prior")
        return
    if any(beta.powers):
        yield f"{shown}: the reconstruction is {rec[0]}, and the KL {kl[0]}"
    elif r.kind == "bernoulli":
        yield f"{shown}: " + _constant_beta(r, beta, rec)
    # What beta means for this kind of error.
    if r.kind == "squared":
        yield (f"it is the negative ELBO of a Gaussian decoder with the fixed variance sigma2 = "
               f"{beta.value:.6g}, eq. (10.11) and eq. (15.17): pixels with a noise of standard "
               f"deviation {beta.value**0.5:.3g}")
    elif r.kind == "absolute":
        yield (f"absolute error is, but for a constant, the nll of a Laplace density: this is the "
               f"negative ELBO of one with the scale {beta.value:.6g}")
    elif any(beta.powers):
        yield ("an ELBO sums over pixels and over latents, and averages over the batch alone, "
               "eq. (10.3) and eq. (15.18)")
    yield from _collapse(r, beta.value)


def _constant_beta(r, beta, rec):
    if not beta.text:
        return "it depends on the sizes in a way that is no product of powers"
    if r.same(beta.value, 1.0):
        return f"the negative ELBO, eq. (10.3), {rec[0]}{times(rec[1])}"
    if r.same(beta.value, 2.0):
        return "the KL counts twice. Its 1/2 is missing, eq. (8.4), unless a weight of 2 is meant"
    if r.same(beta.value, 0.5):
        return "the KL counts half. There is a 1/2 too many, unless a weight of 1/2 is meant"
    if r.same(beta.value, np.log(2)) or r.same(beta.value, BITS):
        return "one of the two is in bits, the other in nats, which differ by log 2"
    return ("a weight on the KL, as in a beta-VAE. Minus its value is no ELBO: that has beta = 1, "
            "eq. (10.3)")


def _collapse(r, beta):
    """All latents collapse where no code can be worth its price.

    Let I be the information that z has about x, which is at most the mean KL. By z the nll of a
    Bernoulli pixel falls by at most I, eq. (10.16), and the squared error of a pixel in [0, 1] by
    at most I/2, eq. (10.17). So D pixels win at most D I, or D I/2, whatever the data and the
    decoder.
    """
    D = float(r.sizes[-1][1])
    if r.kind == "bernoulli" and beta >= D * (1 - r.tol):
        yield (f"all latents will collapse: a code lowers the nll by at most D times its KL, "
               f"whatever the data and the decoder, and here the KL costs {beta:.6g} times")
    if r.kind == "squared" and beta >= D / 4 * (1 - r.tol):
        yield (f"all latents will collapse if pixels lie in [0, 1]: a code lowers |x - x_hat|^2 by "
               f"at most D/2 times its KL, whatever the data and the decoder, and here the KL "
               f"costs {2 * beta:.6g} times")


def about_penalty(r):
    """What is wrong with a penalty that is no KL, term by term."""
    if not (r.mu2.any() or r.sigma2.any() or r.log.any() or r.others):
        yield ("there is no penalty on mu and s: it is the loss of an autoencoder, whose decoder "
               "need not make anything of codes drawn from N(0, I)")
    elif r.reversed:
        yield ("that is the KL the other way round, KL(N(0, I) || q): the ELBO has "
               "KL(q || N(0, I)), eq. (8.4)")
    elif r.second:
        yield from _missing(r)
        yield from _unequal(r)
        yield from _foreign(r)
    elif r.others or r.sigma2.any() or r.log.any():
        terms = [n for n in r.weights if n not in KINDS and n != "constant" and n[:3] != "eps"]
        yield (f"its terms are {', '.join(terms)}, and whatever s is, they are not mu^2, sigma^2 "
               f"and log sigma^2")
    else:
        yield "1/2 mu^2 is a penalty on the size of the code alone; the second output is not used"


def _missing(r):
    """Which of the KL's terms are not there, or have the sign turned."""
    variance, logarithm, factor, *_ = MEANINGS[r.second]
    log_text = logarithm[4:] if factor == 1 else f"2 {logarithm[4:]}"
    terms = (("mu^2", r.mu2, "nothing keeps the means near 0"),
             (f"sigma^2 = {variance[4:]}", r.sigma2, "-log sigma^2 falls without end with sigma"),
             (f"-log sigma^2 = -{log_text}", r.log, "nothing keeps sigma from going to 0"))
    for what, weight, consequence in terms:
        others = [w for _, w, _ in terms if w is not weight]
        turned = any(r.same(weight, -w) for w in others)
        if not weight.any():
            yield f"{what} is missing: {consequence}"
        elif turned and not any(r.same(weight, w) for w in others):
            yield f"{what} has the wrong sign"


def _unequal(r):
    """Which of the KL's terms have another weight than the rest."""
    m, v, c = r.mu2[-1], r.sigma2[-1], r.log[-1]
    if v > 0 and c > 0 and not r.same(v, c):
        lost = ": a 1/2 is lost somewhere" if r.same(v, 2 * c) or r.same(c, 2 * v) else ""
        yield (f"sigma^2 counts {v / c:.6g} times what -log sigma^2 counts, so the penalty is "
               f"smallest at sigma^2 = {c / v:.6g}, not at 1{lost}")
        if r.same(m, v):
            yield f"but for a constant that is the KL to another prior, N(0, {c / v:.6g} I)"
        yield from (question for (second, ratio), question in QUESTIONS.items()
                    if r.second == second and r.same(v / c, ratio))
    if m and v and not r.same(abs(m), abs(v)):
        yield f"mu^2 counts {m / v:.6g} times what sigma^2 counts"


QUESTIONS = {("logvar", 0.5): "or is s meant as log sigma? Then e^s should be e^2s",
             ("logstd", 2.0): "or is s meant as log sigma^2? Then e^2s should be e^s",
             ("std", 2.0): "or was log s written for log s^2, which is twice as much?"}


def _foreign(r):
    """The terms that belong to no KL, with the slip that they are if it is a known one."""
    slips = {"1/2 e^(s/2)": ": it is sigma, where sigma^2 is due",
             "mu": ": it draws the means to another place than 0"}
    if not r.log.any():
        slips["1/2 s^2"] = ": was (log sigma)^2 or (log sigma^2)^2 written for log sigma^2?"
    for name in r.others:
        weight = r.weights[name][-1]
        yield f"{name}, with weight {weight:.6g}, belongs to no KL{slips.get(name, '')}"


def about_rest(r):
    """The sign of the whole, what is missing, constants, an eps, float32, sizes held fixed."""
    if r.weight[-1] < 0:
        yield "everything has the opposite sign: it is a bound to be maximised, not a loss"
    if len(r.reconstructions) > 1:
        yield "two reconstructions at once are the log-likelihood of no decoder: there is no beta"
    if not r.reconstructions:
        yield "there is no reconstruction term"
    if r.one_missing:
        yield ("the KL lacks its -1 per latent. Gradients do not feel it, but the value is too "
               "large by half the KL's weight per latent, and not 0 at the prior, eq. (8.4)")
    elif r.excess.any() and (r.has_kl_shape or not r.kl.any()):
        yield _constant(r)
    for name in r.weights:
        if name.startswith("eps") and r.weights[name][-1]:
            base = r.log if " s" in name and "sigmoid" not in name else r.weight
            yield (f"{r.weights[name][-1] / base[-1]:.2g} is added inside a logarithm "
                   f"({name[7:]}); away from 0 it makes no difference")
    if r.error > 1e-9 and not any(name.startswith("eps") for name in r.weights):
        yield (f"the sum fits to a relative {r.error:.0e} and not to 1e-15: something is computed "
               f"in float32, or rounded as coarsely. A wrong term would be off by more")
    held = [f"{name} = {r.sizes[-1][k]}" for k, name in enumerate("BDZ")
            if np.ptp(r.sizes[:, k]) == 0 and r.beta().powers[k]]
    if held:
        yield (f"it was called with {' and '.join(held)} alone, where a size cannot be told from a "
               f"plain number of that value")


def _constant(r):
    """A part of the loss that depends on nothing: the normaliser of a Gaussian, or a number."""
    rec = r.law(r.weight)
    pixels = r.sizes[:, 0] * r.sizes[:, 1] * np.prod(r.sizes ** np.array(rec.powers, float), axis=1)
    if r.kind == "squared" and rec.factor > 0:
        sigma2 = 1 / rec.factor
        if r.same(r.excess, pixels * np.log(2 * np.pi * sigma2) / 2):
            return (f"a constant is that of a Gaussian density, 1/2 log(2 pi sigma2) per pixel "
                    f"with sigma2 = {sigma2:.6g}: the nll is whole, eq. (10.5)")
    return (f"a constant, {r.law(r.excess).shown}, depends on nothing. Take it off before the "
            f"value is read as a bound")
