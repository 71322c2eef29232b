"""How good is a model? Its bound, the importance-weighted bound, the exact likelihood if known.

All values are float64 nats per example; no gradients are recorded. Grey pixels under the Bernoulli
likelihood give a cross-entropy, not the likelihood of any data: binarize them first (data.binarize)
to compare with published numbers.
"""

import dataclasses

import numpy as np

from .autodiff import no_grad
from .checks.arguments import check_rng, plain_array, positive_int
from .models import VAE
from .screen.progress import Progress
from .vae_ops import gaussian_kl, reparameterize, std

# Numbers in the largest array that is made at a time: memory stays bounded, whatever n and
# n_samples are.
BLOCK = 2**18


# The bounds

def elbo(model, x, rng, n_samples=1, y=None):
    """The ELBO of each example, ndarray (n,), eq. (7.7) and eq. (10.2).

    It is -(mean nll over the draws of z) - kl. The KL is exact, so the noise is the nll's alone;
    its mean is the ELBO for any n_samples.

    model: a VAE.
    x: (n, D).
    rng: draws z.
    n_samples: how many z for each example.
    y: labels (n,), for a ConditionalVAE.

    Raises TypeError for a model without q(z | x), and ValueError for bad x, y or n_samples.
    """
    x, mu, logvar = _encode(model, x)
    prior_mu = model.prior_mean(y, len(x))
    total = np.zeros(len(x))
    for rows, _, _, nll in _draws(model, x, mu, logvar, n_samples, rng):
        total[rows] += nll.sum(axis=0)
    return -total / n_samples - gaussian_kl(*_float64(mu, logvar, prior_mu))


@dataclasses.dataclass(frozen=True, eq=False)
class LogLikelihood:
    """What log_likelihood found.

    mean: of per_example (n,).
    standard_error: of that mean, over the examples (NaN for one), eq. (15.6). It says how far
        another test set of this size may be, not how far the bound is from log p(x).
    """

    mean: float
    standard_error: float
    n_samples: int
    per_example: np.ndarray = dataclasses.field(repr=False)


def log_likelihood(model, x, n_samples, rng, y=None, progress=None):
    """The importance-weighted bound on log p(x), eq. (15.2); gives a LogLikelihood.

    It is the log of the mean of n_samples weights p(x, z) / q(z | x). On average it is below
    log p(x), and closer the more samples; with one sample it is an ELBO, eq. (15.3). Memory is
    bounded: the samples are drawn and summed up in blocks.

    model, x, rng, y: as for elbo; of a ConditionalVAE the bound is on log p(x | y).
    n_samples: how many z for each example.
    progress: None shows a line on a terminal, True about ten lines elsewhere as well.

    Raises as elbo.
    """
    x, mu, logvar = _encode(model, x)
    prior_mu = np.broadcast_to(model.prior_mean(y, len(x)), mu.shape)
    log_sum = np.full(len(x), -np.inf)  # of the weights so far, (n,)
    done = 0
    show = Progress(progress)
    for rows, eps, z, nll in _draws(model, x, mu, logvar, n_samples, rng):
        eps, lv, shift = _float64(eps, logvar[rows], z - prior_mu[rows])
        log_w = -nll + 0.5 * np.sum(eps**2 + lv - shift**2, axis=-1)  # (s, b), eq. (15.4)
        log_sum[rows] = np.logaddexp(log_sum[rows], log_mean_exp(log_w) + np.log(len(log_w)))
        done += log_w.size
        of = len(x) * n_samples
        show(f"log-likelihood, {n_samples} samples each: {100 * done // of} %", done / of)

    bounds = log_sum - np.log(n_samples)
    error = float("nan")
    if len(bounds) > 1:
        error = float(bounds.std(ddof=1) / len(bounds) ** 0.5)
    return LogLikelihood(float(bounds.mean()), error, int(n_samples), bounds)


def log_mean_exp(a):
    """log(mean(exp(a))) over the first axis, eq. (6.10); the largest comes out first."""
    top = np.max(a, axis=0)
    top = np.where(np.isneginf(top), 0, top)  # all weights zero: the log is -inf, not NaN
    with np.errstate(divide="ignore"):
        return top + np.log(np.mean(np.exp(a - top), axis=0))


# What the latents do

def active_units(model, x=None, threshold=0.01):
    """Which latents say anything about x: boolean ndarray (Z,); .sum() counts them.

    Latent j is active if its mean mu_j(x) varies over the examples by more than the threshold:
    variance > 0.01, eq. (15.7), Burda et al. 2016 (arXiv 1509.00519).

    model, x: a VAE and examples (n, D), or the arrays (mu, logvar), each (n, Z), that an encoder of
        any other framework gave: active_units((mu, logvar)).

    Raises TypeError for a model without q(z | x), and ValueError for bad x, mu or logvar.
    """
    mu, _ = _posteriors(model, x)
    return np.var(mu, axis=0) > threshold


def kl_per_latent(model, x=None, y=None):
    """The KL of each latent, averaged over the examples: ndarray (Z,) in nats, eq. (8.3).

    Their sum is the mean KL of the loss, eq. (8.4); a latent that has collapsed is at 0.

    model, x: as for active_units: a VAE and examples (n, D), or arrays (mu, logvar).
    y: labels (n,), for a ConditionalVAE: its KL is measured from the mean of the class, eq. (8.5).

    Raises as active_units, and ValueError for bad y.
    """
    mu, logvar = _posteriors(model, x)
    n, Z = mu.shape
    if not _is_pair(model):
        mu = mu - model.prior_mean(y, n)
    elif y is not None:
        raise ValueError("labels y are for a ConditionalVAE: of arrays, subtract the prior's mean")
    each = gaussian_kl(mu.reshape(-1, 1), logvar.reshape(-1, 1))  # (n Z,), one latent at a time
    return each.reshape(n, Z).mean(axis=0)


@dataclasses.dataclass(frozen=True, eq=False)
class AggregatedPosterior:
    """What aggregated_posterior found.

    mean, variance: (Z,), of z ~ q(z).
    kl: the mean KL, in nats; it is mutual_information + marginal_kl.
    standard_error: of these two.
    """

    mean: np.ndarray
    variance: np.ndarray
    kl: float
    mutual_information: float
    marginal_kl: float
    standard_error: float


def aggregated_posterior(model, x, rng, n_samples=1, y=None):
    """The mixture q(z) of the posteriors of all n examples, eq. (12.1), and how far off the prior.

    Gives an AggregatedPosterior. Its moments per latent are exact, eq. (12.3). The mean KL splits
    into I(n; z), what a code tells about which example it came from, and KL(q(z) || p(z)),
    eq. (12.4) (Hoffman and Johnson 2016). The mean KL is exact, I is estimated, and the marginal KL
    is the rest. I never exceeds log n, eq. (12.5).

    model, x, rng: as for elbo.
    n_samples: draws from each posterior; all n are in the mixture, so time grows as n^2.
    y: labels (n,), for a ConditionalVAE, whose codes are measured from the mean of their class.

    Raises as elbo.
    """
    x, mu, logvar = _encode(model, x)
    mu, logvar = _float64(mu - model.prior_mean(y, len(x)), logvar)
    check_rng(rng)
    positive_int("n_samples", n_samples)
    log_ratio = _log_ratios(mu, logvar, n_samples, rng)
    kl = float(gaussian_kl(mu, logvar).mean())
    information = float(log_ratio.mean())
    return AggregatedPosterior(
        mean=mu.mean(axis=0),
        variance=mu.var(axis=0) + np.exp(logvar).mean(axis=0),
        kl=kl,
        mutual_information=information,
        marginal_kl=kl - information,
        standard_error=float(log_ratio.std() / log_ratio.size**0.5),
    )


def _log_ratios(mu, logvar, n_samples, rng):
    """log q(z | x_n) - log q(z) at n_samples draws from each posterior: (n_samples, n)."""
    n, Z = mu.shape
    log_scale = -0.5 * np.sum(np.log(2 * np.pi) + logvar, axis=1)  # (n,)
    log_ratio = np.empty((n_samples, n))
    step = max(1, BLOCK // (n * Z))
    for sample in range(n_samples):
        for start in range(0, n, step):
            own = np.arange(start, min(start + step, n))  # the examples whose z are drawn
            b = np.arange(len(own))
            z = reparameterize(mu[own], logvar[own], rng.standard_normal((len(own), Z)))
            away = (z[:, None] - mu) / std(logvar)  # (b, n, Z): draw b from posterior n
            log_q = log_scale - 0.5 * np.einsum("bnz,bnz->bn", away, away)
            log_ratio[sample, own] = log_q[b, own] - log_mean_exp(log_q.T)
    return log_ratio


# Where the truth is known

@dataclasses.dataclass(frozen=True, eq=False)
class PPCA:
    """Probabilistic PCA: p(x) = N(mean, W W^T + variance I), eq. (15.8).

    mean: (D,).
    W: (D, Z).
    variance: of the noise, a number.
    log_likelihood: the mean over the data it was fitted to, in nats.
    """

    mean: np.ndarray
    W: np.ndarray
    variance: float
    log_likelihood: float = float("nan")

    def log_prob(self, x):
        """Exact log p(x) of each row of x (n, D), ndarray (n,)."""
        D = len(self.mean)
        r = np.asarray(x, np.float64) - self.mean
        C = self.W @ self.W.T + self.variance * np.eye(D)
        _, log_det = np.linalg.slogdet(C)
        square = np.sum(r * np.linalg.solve(C, r.T).T, axis=1)
        return -0.5 * (D * np.log(2 * np.pi) + log_det + square)

    def linear_vae(self, dtype=np.float64):
        """The VAE without hidden layers that is this model; its ELBO is log p(x).

        Its encoder is the exact posterior, eq. (15.13): N(W^T (x - mean) / M, variance / M), where
        M = W^T W + variance is diagonal.
        """
        D, Z = self.W.shape
        M = np.sum(self.W**2, axis=0) + self.variance  # the diagonal, (Z,)
        model = VAE(D, (), Z, "gaussian", "shared", dtype=dtype, rng=np.random.default_rng(0))
        values = {
            "encoder.0.weight": np.hstack([self.W / M, np.zeros((D, Z))]),
            "encoder.0.bias": np.hstack([-self.mean @ self.W / M, np.log(self.variance / M)]),
            "decoder.0.weight": self.W.T,
            "decoder.0.bias": self.mean,
            "decoder_logvar": np.log(self.variance),
        }
        model.load_state_dict({name: np.asarray(v, dtype) for name, v in values.items()})
        return model


def ppca(x, latent_dim):
    """Probabilistic PCA by maximum likelihood, in closed form (Tipping and Bishop 1999).

    It is the exact answer to what a linear VAE on x (n, D) with latent_dim latents can reach; gives
    a PPCA. With the eigenvalues l_1 >= ... >= l_D of the covariance of x (1/n), the variance is the
    mean of the discarded ones, eq. (15.11), and W = U (L - variance)^(1/2), eq. (15.10). Any
    rotation of W gives the same p(x); here it is the one with W^T W diagonal, largest first, the
    only one where a diagonal posterior is exact.

    Raises ValueError for latent_dim outside 1 .. D-1, bad x, or x that lies in latent_dim
    dimensions (variance 0).
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"ppca needs finite x (n, D) with n at least 2, got shape {x.shape}")
    D = x.shape[1]
    if positive_int("latent_dim", latent_dim) >= D:
        raise ValueError(
            f"latent_dim must be below D={D}, got {latent_dim}: "
            f"the noise needs a direction that is left over"
        )
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    values, vectors = values[::-1], vectors[:, ::-1]  # largest first
    kept = values[:latent_dim]
    variance = float(values[latent_dim:].mean())
    if variance <= 1e-12 * values[0]:
        raise ValueError(
            f"x varies in no more than {latent_dim} directions, so the noise has variance 0 and "
            f"the likelihood is unbounded: choose a smaller latent_dim"
        )
    gain = np.maximum(kept - variance, 0)  # of equal eigenvalues the mean may be rounded up
    W = vectors[:, :latent_dim] * np.sqrt(gain)
    log_det = np.sum(np.log(kept)) + (D - latent_dim) * np.log(variance)
    log_likelihood = -0.5 * (D * np.log(2 * np.pi) + log_det + D)  # eq. (15.12)
    return PPCA(mean, W, variance, float(log_likelihood))


# Inside: encoding and drawing in blocks

def _encode(model, x):
    """x checked, and mu and logvar (n, Z) of its posteriors, in the model's dtype."""
    if not isinstance(model, VAE):
        raise TypeError(
            f"this needs a VAE: {type(model).__name__} has no q(z | x) and no prior, "
            f"hence no bound on log p(x)"
        )
    x = model.check_input(x)
    step = max(1, BLOCK // x.shape[1])
    means = []
    logvars = []
    with no_grad():
        for start in range(0, len(x), step):
            mu, logvar = model.encode(x[start : start + step])
            means.append(mu.data)
            logvars.append(logvar.data)
    return x, np.concatenate(means), np.concatenate(logvars)


def _posteriors(model, x):
    """mu and logvar (n, Z) in float64: of a VAE's q(z | x), or those that were given as a pair."""
    if isinstance(model, np.ndarray):
        raise TypeError("arrays are given as one pair: (mu, logvar)")
    if not _is_pair(model):
        _, mu, logvar = _encode(model, x)
        return _float64(mu, logvar)
    if x is not None:
        raise ValueError("beside the arrays (mu, logvar) there is no x to encode: leave it out")
    mu, logvar = _float64(*map(plain_array, model))
    if mu.ndim != 2 or mu.shape != logvar.shape or not len(mu):
        raise ValueError(
            f"(mu, logvar) must be two arrays (n, Z), got shapes {mu.shape} and {logvar.shape}"
        )
    for name, values in (("mu", mu), ("logvar", logvar)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity: find out where the encoder made it")
    return mu, logvar


def _is_pair(model):
    return isinstance(model, (tuple, list)) and len(model) == 2


def _draws(model, x, mu, logvar, n_samples, rng):
    """n_samples draws of z for every example, in blocks.

    Yields rows (a slice of the examples), eps and z (s, b, Z), and nll (s, b) in float64.
    """
    check_rng(rng)
    positive_int("n_samples", n_samples)
    widest = max(model.input_dim, model.latent_dim, *model.hidden_dims, 1)
    most = max(1, BLOCK // widest)  # draws in a block
    samples = min(n_samples, most)
    step = max(1, most // samples)
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        for drawn in range(0, n_samples, samples):
            s = min(samples, n_samples - drawn)
            shape = (s, *mu[rows].shape)
            eps = rng.standard_normal(shape, model.dtype)
            z = reparameterize(
                np.broadcast_to(mu[rows], shape), np.broadcast_to(logvar[rows], shape), eps
            )
            with no_grad():
                decoded = model.decode(z.reshape(-1, shape[-1]))  # (s b, ...)
                nll = model.nll(decoded, np.tile(x[rows], (s, 1)))  # (s b,)
            yield rows, eps, z, nll.data.reshape(shape[:2]).astype(np.float64)


def _float64(*arrays):
    return [np.asarray(a, np.float64) for a in arrays]
