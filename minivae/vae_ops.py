"""The heart of the VAE: four functions with their gradients derived by hand, per example, in nats.

Each is one primitive (value and gradients side by side), and each derivation stands, step by step,
in lessons/derivations/. Shapes: B examples, D data, Z latents. Nothing is clipped: extreme inputs
are handled by writing each formula so that it does not overflow.
"""

import math

import numpy as np

from .autodiff import primitive
from .ops import unbroadcast


def std(logvar):
    """Standard deviation from log variance, exp(logvar / 2), eq. (5.5); written only here."""
    return np.exp(0.5 * logvar)


@primitive
def reparameterize(mu, logvar, eps):
    """A draw z (B, Z) from N(mu, exp(logvar)), made of standard normal noise eps, eq. (9.2).

    mu, logvar, eps: (B, Z). The noise is an argument, so that forward and backward see the same.

    Derivation: z = mu + std eps, and with eps held fixed z is an ordinary function of mu and
    logvar. Hence dz/dmu = 1, eq. (9.3), and dz/dlogvar = d exp(logvar/2)/dlogvar eps = 1/2 std eps,
    eq. (9.4).

    Raises ValueError where the three shapes differ.
    """
    _same_shape("reparameterize", mu=mu, logvar=logvar, eps=eps)
    noise = std(logvar) * eps
    return mu + noise, (
        lambda g: g,  # eq. (9.3)
        lambda g: g * (0.5 * noise),  # eq. (9.4)
    )


@primitive
def gaussian_kl(mu, logvar, prior_mu=0.0):
    """KL(N(mu, exp(logvar)) || N(prior_mu, 1)) in nats, summed over the latents: shape (B,).

    mu, logvar: (B, Z). prior_mu: a number, (Z,) or (B, Z).

    Derivation: for one latent with variance v = exp(logvar), KL = E_q[log q - log p] =
    1/2 E_q[-log v - (z - mu)^2/v + (z - prior_mu)^2] = 1/2 (-log v - 1 + v + (mu - prior_mu)^2),
    eq. (8.4) and eq. (8.5). Its derivatives are mu - prior_mu, eq. (8.6), 1/2 (v - 1), eq. (8.7),
    and the first one with the opposite sign, eq. (8.8). v - 1 comes from expm1, or rounding would
    make the KL negative near the prior, eq. (8.9).

    Raises ValueError where the shapes do not fit.
    """
    _same_shape("gaussian_kl", mu=mu, logvar=logvar)
    shift = mu - prior_mu
    if shift.shape != mu.shape:
        raise ValueError(
            f"gaussian_kl: prior_mu of shape {np.shape(prior_mu)} does not fit mu of shape "
            f"{mu.shape}: give a number, (Z,) or (B, Z)"
        )
    v_minus_1 = np.expm1(logvar)
    kl = 0.5 * (shift * shift + (v_minus_1 - logvar)).sum(axis=-1)
    return kl, (
        lambda g: g[..., None] * shift,  # eq. (8.6)
        lambda g: g[..., None] * (0.5 * v_minus_1),  # eq. (8.7)
        lambda g: unbroadcast(-g[..., None] * shift, np.shape(prior_mu)),  # eq. (8.8)
    )


@primitive
def bernoulli_nll(logits, x):
    """-log p(x | logits) of independent pixels in nats, summed over them: shape (B,), eq. (4.5).

    logits, x: (B, D), x in [0, 1] and constant.

    Derivation: with p = sigmoid(l), -x log p - (1-x) log(1-p) = log(1 + exp(l)) - l x, and
    log(1 + exp(l)) = max(l, 0) + log(1 + exp(-|l|)) does not overflow. Its derivative is
    sigmoid(l) - x, eq. (4.6). With e = exp(-|l|) the sigmoid is 1/(1+e) for l >= 0 and e/(1+e)
    below, and the subtraction is done before the division, so that -e/(1+e) survives where x = 1
    and l is large, eq. (4.7).

    Raises ValueError where the shapes differ.
    """
    _same_shape("bernoulli_nll", logits=logits, x=x)
    e = np.exp(-np.abs(logits))
    nll = 1 + e
    np.log(nll, out=nll)
    nll += np.maximum(logits, 0)
    nll -= logits * x
    total = nll.sum(axis=-1)
    if math.isnan(total.sum()):
        total = _with_infinite_logits(nll, logits, x).sum(axis=-1)

    def vjp(g):
        d = np.maximum(logits >= 0, e)  # 1 + e times the sigmoid
        d -= x
        d -= x * e
        d /= 1 + e  # sigmoid - x, eq. (4.6)
        d *= g[..., None]
        return d

    return total, vjp


def _with_infinite_logits(nll, logits, x):
    """The limits of nll where a logit is infinite: 0 where it points at x, else infinite."""
    limit = np.where(x == (logits > 0), 0, np.inf)
    return np.where(np.isinf(logits), limit, nll).astype(nll.dtype)


@primitive
def gaussian_nll(mean, logvar, x):
    """-log N(x; mean, exp(logvar)) in nats, summed over the pixels: shape (B,), eq. (10.5).

    mean, x: (B, D). logvar: a number, (D,) or (B, D).

    Derivation: one pixel costs 1/2 (log 2 pi + logvar + r^2) with r = (x - mean)/std; hence
    d/dmean = -r/std = (mean - x) exp(-logvar), eq. (10.6), and d/dlogvar = 1/2 (1 - r^2),
    eq. (10.7).

    Raises ValueError where the shapes do not fit.
    """
    _same_shape("gaussian_nll", mean=mean, x=x)
    s = std(logvar)
    r = (x - mean) / s
    if r.shape != x.shape:
        raise ValueError(
            f"gaussian_nll: logvar of shape {np.shape(logvar)} does not fit x of shape {x.shape}: "
            f"give a number, (D,) or (B, D)"
        )
    nll = 0.5 * (np.log(2 * np.pi) + logvar + r * r).sum(axis=-1)
    return nll, (
        lambda g: g[..., None] * (-r / s),  # eq. (10.6)
        lambda g: unbroadcast(g[..., None] * (0.5 * (1 - r * r)), np.shape(logvar)),  # eq. (10.7)
    )


def _same_shape(name, **arrays):
    """Raises ValueError unless the arrays have one shape, with at least one axis to sum over."""
    shapes = [getattr(a, "shape", ()) for a in arrays.values()]  # a number has none
    if len(set(shapes)) > 1:
        got = ", ".join(f"{key} {shape}" for key, shape in zip(arrays, shapes))
        raise ValueError(f"{name} needs arrays of one shape, got {got}")
    if not shapes[0]:
        raise ValueError(f"{name} needs arrays such as (B, Z), got numbers: wrap them, [[0.5]]")
