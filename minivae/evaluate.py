"""How good is a model? Its bound, the importance-weighted bound, and the exact likelihood where there is one.

All values are float64 nats per example; no gradients are recorded. Grey pixels under the Bernoulli likelihood give a
cross-entropy, not the likelihood of any data: binarize them first (data.binarize) to compare with published numbers.
"""

import dataclasses

import numpy as np

from .autodiff import no_grad
from .checks.arguments import check_rng, positive_int
from .models import VAE, ConditionalVAE
from .screen.progress import Progress
from .vae_ops import gaussian_kl, reparameterize, std

BLOCK = 2**18  # numbers in the largest array that is made at a time: memory stays bounded whatever n and n_samples are


def elbo(model, x, rng, n_samples=1, y=None):
    """ELBO of each example, ndarray (n,): -(mean nll over n_samples draws of z) - kl, eq. (7.7) and eq. (10.2).

    x (n, D). The KL is exact, so the noise is the nll's alone; its mean is the ELBO for any n_samples. y: labels (n,),
    for a ConditionalVAE. Raises TypeError for a model without q(z | x), ValueError for bad x, y or n_samples.
    """
    x, mu, logvar, prior_mu = _posteriors(model, x, y)
    total = np.zeros(len(x))
    for rows, _, _, nll in _draws(model, x, mu, logvar, n_samples, rng):
        total[rows] += nll.sum(axis=0)
    return -total / n_samples - gaussian_kl(*_float64(mu, logvar, prior_mu))


@dataclasses.dataclass(frozen=True, eq=False)
class LogLikelihood:
    """mean: of per_example (n,). standard_error: of that mean, over the examples (NaN for one), eq. (15.6); it says how
    far another test set of this size may be, not how far the bound is from log p(x)."""

    mean: float
    standard_error: float
    n_samples: int
    per_example: np.ndarray = dataclasses.field(repr=False)


def log_likelihood(model, x, n_samples, rng, y=None, progress=None):
    """The importance-weighted bound on log p(x), eq. (15.2): log of the mean of n_samples weights p(x, z)/q(z | x).

    On average it is below log p(x), closer the more samples; with one sample it is an ELBO, eq. (15.3). Arguments and
    errors as in elbo; for a ConditionalVAE the bound is on log p(x | y). Memory is bounded: the samples are drawn and
    summed up in blocks. progress: None shows a line on a terminal, True about ten lines elsewhere as well.
    Returns a LogLikelihood: .per_example (n,), .mean, .standard_error, .n_samples.
    """
    x, mu, logvar, prior_mu = _posteriors(model, x, y)
    prior_mu = np.broadcast_to(prior_mu, mu.shape)
    total, done, show = np.full(len(x), -np.inf), 0, Progress(progress)
    for rows, eps, z, nll in _draws(model, x, mu, logvar, n_samples, rng):
        eps, lv, shift = _float64(eps, logvar[rows], z - prior_mu[rows])
        log_w = -nll + 0.5 * np.sum(eps**2 + lv - shift**2, axis=-1)  # eq. (15.4)
        total[rows] = np.logaddexp(total[rows], log_mean_exp(log_w) + np.log(len(log_w)))
        done += log_w.size
        show(f"log-likelihood, {n_samples} samples each: {100 * done // (len(x) * n_samples)} %", done / (len(x) * n_samples))
    total -= np.log(n_samples)
    error = total.std(ddof=1) / len(total)**0.5 if len(total) > 1 else float("nan")
    return LogLikelihood(float(total.mean()), float(error), int(n_samples), total)


def log_mean_exp(a):
    """log(mean(exp(a))) over the first axis; the largest entry is taken out, so that nothing overflows, eq. (6.10)."""
    top = np.max(a, axis=0)
    top = np.where(np.isneginf(top), 0, top)  # all weights zero: the log is -inf, not NaN
    with np.errstate(divide="ignore"):
        return top + np.log(np.mean(np.exp(a - top), axis=0))


def active_units(model, x, threshold=0.01):
    """Which latents say anything about x: boolean ndarray (Z,); .sum() counts them.

    Latent j is active if the encoder mean mu_j(x) varies over x (n, D) by more than threshold: variance > 0.01,
    eq. (15.7), Burda et al. 2016 (arXiv 1509.00519). Raises as elbo.
    """
    _, mu, _ = _encode(model, x)
    return np.var(mu, axis=0, dtype=np.float64) > threshold


@dataclasses.dataclass(frozen=True, eq=False)
class AggregatedPosterior:
    """mean, variance (Z,): of z ~ q(z). kl = mutual_information + marginal_kl, in nats; standard_error: of these two."""

    mean: np.ndarray
    variance: np.ndarray
    kl: float
    mutual_information: float
    marginal_kl: float
    standard_error: float


def aggregated_posterior(model, x, rng, n_samples=1, y=None):
    """The mixture q(z) of the posteriors of all n examples, eq. (12.1), and how far it is from the prior.

    Moments per latent are exact, eq. (12.3). The mean KL splits into I(n; z), what a code tells about which example it
    came from, and KL(q(z) || p(z)), eq. (12.4) (Hoffman and Johnson 2016). The left side is exact, I is the mean of
    log q(z | x_n) - log q(z) over n_samples draws from each posterior, with all n in the mixture (time grows as n^2),
    and the marginal KL is the rest. I never exceeds log n, eq. (12.5). A ConditionalVAE needs y, and its codes are
    measured from the prior mean of their class. Returns an AggregatedPosterior. Raises as elbo.
    """
    _, mu, logvar, prior_mu = _posteriors(model, x, y)
    mu, logvar = _float64(mu - prior_mu, logvar)
    check_rng(rng)
    positive_int("n_samples", n_samples)
    n, Z = mu.shape
    log_scale = -0.5 * np.sum(np.log(2 * np.pi) + logvar, axis=1)
    log_ratio = np.empty((n_samples, n))
    step = max(1, BLOCK // (n * Z))
    for s in range(n_samples):
        for start in range(0, n, step):
            own = np.arange(start, min(start + step, n))
            z = reparameterize(mu[own], logvar[own], rng.standard_normal((len(own), Z)))
            away = (z[:, None] - mu) / std(logvar)
            log_q = log_scale - 0.5 * np.einsum("bnz,bnz->bn", away, away)  # draw b under the posterior of example n
            log_ratio[s, own] = log_q[np.arange(len(own)), own] - log_mean_exp(log_q.T)
    kl, information = float(gaussian_kl(mu, logvar).mean()), float(log_ratio.mean())
    return AggregatedPosterior(mu.mean(axis=0), mu.var(axis=0) + np.exp(logvar).mean(axis=0), kl, information,
                               kl - information, float(log_ratio.std() / log_ratio.size**0.5))


@dataclasses.dataclass(frozen=True, eq=False)
class PPCA:
    """p(x) = N(mean, W W^T + variance I), eq. (15.8): mean (D,), W (D, Z), variance of the noise (a number), and the mean
    log_likelihood in nats of the data it was fitted to."""

    mean: np.ndarray
    W: np.ndarray
    variance: float
    log_likelihood: float = dataclasses.field(default=float("nan"))

    def log_prob(self, x):
        """Exact log p(x) of each row of x (n, D), ndarray (n,)."""
        r = np.asarray(x, np.float64) - self.mean
        C = self.W @ self.W.T + self.variance * np.eye(len(self.mean))
        square = np.sum(r * np.linalg.solve(C, r.T).T, axis=1)
        return -0.5 * (len(self.mean) * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + square)

    def linear_vae(self, dtype=np.float64):
        """The VAE without hidden layers whose decoder is this model and whose encoder is its exact posterior, eq. (15.13):
        N(W^T (x - mean)/M, variance/M), where M = W^T W + variance is diagonal. Its ELBO is log p(x)."""
        (D, Z), M = self.W.shape, np.sum(self.W**2, axis=0) + self.variance
        model = VAE(D, (), Z, "gaussian", "shared", dtype=dtype, rng=np.random.default_rng(0))
        values = {"encoder.0.weight": np.hstack([self.W / M, np.zeros((D, Z))]),
                  "encoder.0.bias": np.hstack([-self.mean @ self.W / M, np.log(self.variance / M)]),
                  "decoder.0.weight": self.W.T, "decoder.0.bias": self.mean, "decoder_logvar": np.log(self.variance)}
        model.load_state_dict({name: np.asarray(value, dtype) for name, value in values.items()})
        return model


def ppca(x, latent_dim):
    """Probabilistic PCA by maximum likelihood, in closed form (Tipping and Bishop 1999): the exact answer to what a
    linear VAE on x (n, D) with latent_dim latents can reach.

    With the eigenvalues l_1 >= ... >= l_D of the covariance of x (1/n): variance = mean of the discarded ones,
    eq. (15.11), and W = U (L - variance)^(1/2), eq. (15.10). Any rotation of W gives the same p(x); here it is the one
    with W^T W diagonal, largest first, the only one where a diagonal posterior is exact. Returns a PPCA.
    Raises ValueError for latent_dim outside 1 .. D-1, bad x, or x that lies in latent_dim dimensions (variance 0).
    """
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise ValueError(f"ppca needs finite x (n, D) with n at least 2, got shape {x.shape}")
    D = x.shape[1]
    if positive_int("latent_dim", latent_dim) >= D:
        raise ValueError(f"latent_dim must be below D={D}, got {latent_dim}: the noise needs a direction that is left over")
    mean = x.mean(axis=0)
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept, variance = values[:latent_dim], float(values[latent_dim:].mean())
    if variance <= 1e-12 * values[0]:
        raise ValueError(f"x varies in no more than {latent_dim} directions, so the noise has variance 0 and the likelihood "
                         f"is unbounded: choose a smaller latent_dim")
    W = vectors[:, :latent_dim] * np.sqrt(kept - variance)
    log_likelihood = -0.5 * (D * np.log(2 * np.pi) + np.sum(np.log(kept)) + (D - latent_dim) * np.log(variance) + D)
    return PPCA(mean, W, variance, float(log_likelihood))  # eq. (15.12)


def _encode(model, x):
    """x checked, and mu and logvar (n, Z) of its posteriors, in the model's dtype."""
    if not isinstance(model, VAE):
        raise TypeError(f"this needs a VAE: {type(model).__name__} has no q(z | x) and no prior, hence no bound on log p(x)")
    x = model.check_input(x)
    step = max(1, BLOCK // x.shape[1])
    with no_grad():
        parts = [[t.data for t in model.encode(x[i:i + step])] for i in range(0, len(x), step)]
    return x, *map(np.concatenate, zip(*parts))


def _posteriors(model, x, y):
    """As _encode, and the prior means: 0.0, or (n, Z) for the labels of a ConditionalVAE."""
    x, mu, logvar = _encode(model, x)
    if isinstance(model, ConditionalVAE):
        return x, mu, logvar, model.prior_mu.data[model.check_labels(y, len(x))]
    if y is not None:
        raise ValueError(f"a {type(model).__name__} takes no labels: leave out y, or use a ConditionalVAE")
    return x, mu, logvar, 0.0


def _draws(model, x, mu, logvar, n_samples, rng):
    """n_samples draws for every example, in blocks: yields rows (a slice), eps and z (s, b, Z), nll (s, b) in float64."""
    check_rng(rng)
    positive_int("n_samples", n_samples)
    most = max(1, BLOCK // max(model.input_dim, model.latent_dim, *model.hidden_dims, 1))
    samples = min(n_samples, most)
    step = max(1, most // samples)
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        for drawn in range(0, n_samples, samples):
            shape = (min(samples, n_samples - drawn), *mu[rows].shape)
            eps = rng.standard_normal(shape, model.dtype)
            z = reparameterize(*(np.broadcast_to(a[rows], shape) for a in (mu, logvar)), eps)
            with no_grad():
                decoded = model.decode(z.reshape(-1, shape[-1]))
                nll = model.nll(decoded, np.tile(x[rows], (shape[0], 1))).data
            yield rows, eps, z, nll.reshape(shape[:2]).astype(np.float64)


def _float64(*arrays):
    return [np.asarray(a, np.float64) for a in arrays]
