"""The models: an autoencoder, the VAE that adds noise and a prior to it, and the VAE with one prior mean per class."""

import numpy as np

from . import ops
from .autodiff import Tensor, no_grad
from .checks.arguments import check_rng, positive_int
from .nn import MLP, Module
from .vae_ops import bernoulli_nll, gaussian_kl, gaussian_nll, reparameterize, std


def mean_loss(nll, kl, beta=1.0):
    """The loss to minimise, in nats: the batch mean of nll + beta kl, eq. (10.3); no other place takes a batch mean."""
    return (nll + (kl if beta == 1 else beta * kl)).mean()


class Autoencoder(Module):
    """Two MLPs, x -> code -> x, eq. (4.1); its loss is the nll of x under the decoder.

    input_dim: D. hidden_dims: sizes between data and code (the decoder has them reversed); () makes both maps affine.
    latent_dim: Z. likelihood: "bernoulli", for x in [0, 1] (the decoder gives logits), or "gaussian" (it gives means).
    decoder_logvar, for "gaussian" only: a number (fixed), "shared" (one learned number, the default) or "per_pixel"
    (the decoder gives a second output). activation: "relu", "tanh" or "softplus". dtype: float32 or float64; inputs are
    converted to it. rng: for the initial weights; fresh ones at every run if left out.
    Raises ValueError for a size below 1 or an unknown choice.
    """

    numbers_per_latent = 1

    def __init__(self, input_dim, hidden_dims=(400,), latent_dim=20, likelihood="bernoulli", decoder_logvar=None,
                 activation="relu", dtype=np.float32, rng=None):
        for name, size in [("input_dim", input_dim), ("latent_dim", latent_dim), *(("hidden_dims", n) for n in hidden_dims)]:
            positive_int(name, size)
        if likelihood not in ("bernoulli", "gaussian"):
            raise ValueError(f"unknown likelihood {likelihood!r}: choose 'bernoulli' or 'gaussian'")
        if likelihood == "bernoulli" and decoder_logvar is not None:
            raise ValueError(f"decoder_logvar={decoder_logvar!r} is for likelihood='gaussian'; 'bernoulli' has no variance")
        if likelihood == "gaussian" and decoder_logvar is None:
            decoder_logvar = "shared"
        if isinstance(decoder_logvar, str) and decoder_logvar not in ("shared", "per_pixel"):
            raise ValueError(f"unknown decoder_logvar {decoder_logvar!r}: give a number, 'shared' or 'per_pixel'")
        self.input_dim, self.hidden_dims, self.latent_dim = int(input_dim), tuple(map(int, hidden_dims)), int(latent_dim)
        self.likelihood, self.variance, self.activation = likelihood, decoder_logvar, activation
        self.dtype = np.dtype(dtype)
        rng = np.random.default_rng() if rng is None else rng
        code = self.numbers_per_latent * self.latent_dim
        out = self.input_dim * (2 if decoder_logvar == "per_pixel" else 1)
        # On MNIST (784-400-20, relu) this start ends 0.8 nats better after ten epochs than He's; see tests/benchmarks/start.py
        uniform = bool(self.hidden_dims) and activation != "tanh"
        self.encoder = MLP((self.input_dim, *self.hidden_dims, code), activation, dtype, rng, uniform)
        self.decoder = MLP((self.latent_dim, *self.hidden_dims[::-1], out), activation, dtype, rng, uniform)
        if decoder_logvar == "shared":
            self.decoder_logvar = Tensor(np.zeros((), dtype), requires_grad=True)

    @property
    def config(self):
        """The arguments that make a model of this shape again; plain values, for save and load."""
        return {"input_dim": self.input_dim, "hidden_dims": list(self.hidden_dims), "latent_dim": self.latent_dim,
                "likelihood": self.likelihood, "decoder_logvar": self.variance, "activation": self.activation,
                "dtype": self.dtype.name}

    def encode(self, x):
        """x (B, D) -> codes, a Tensor (B, Z)."""
        return self.encoder(self.check_input(x))

    def decode(self, z):
        """z (B, Z), array or Tensor -> logits (B, D); for the Gaussian likelihood (mean (B, D), logvar), where logvar is
        one number or, per pixel, (B, D). All Tensors. Raises ValueError for another width."""
        z = z if isinstance(z, Tensor) else np.asarray(z, self.dtype)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"z has shape {z.shape}, but this model's codes have shape (B, {self.latent_dim})")
        out = self.decoder(z)
        if self.likelihood == "bernoulli":
            return out
        if self.variance == "per_pixel":
            return out[:, :self.input_dim], out[:, self.input_dim:]
        return out, self.decoder_logvar if self.variance == "shared" else Tensor(np.asarray(self.variance, self.dtype))

    def nll(self, decoded, x):
        """-log p(x | z) in nats, (B,), from what decode(z) gave."""
        return bernoulli_nll(decoded, x) if self.likelihood == "bernoulli" else gaussian_nll(*decoded, x)

    def terms(self, x, rng=None):
        """(nll, kl), Tensors (B,) in nats. Without noise and prior kl is 0 and rng is not used."""
        x = self._array(x)  # encode checks it
        return self.nll(self.decode(self.encode(x)), x), Tensor(np.zeros(len(x), self.dtype))

    def loss(self, x, rng=None, beta=1.0):
        """Batch mean of nll + beta kl, a scalar Tensor in nats."""
        return mean_loss(*self.terms(x, rng), beta)

    def reconstruct(self, x):
        """x (B, D) -> the pixel means decoded at the code of x, ndarray (B, D). A VAE decodes at z = mu."""
        with no_grad():
            code = self.encode(x)
            return self._pixels(code[0] if isinstance(code, tuple) else code)

    def sample(self, n, rng, noise=False):
        """Decoder means at n draws z ~ N(0, I), ndarray (n, D); with noise=True the pixels are drawn as well. A VAE is
        trained to decode such z, a plain autoencoder is not."""
        return self._sample(n, rng, noise, prior_mu=0.0)

    def _sample(self, n, rng, noise, prior_mu):
        positive_int("n", n)
        z = prior_mu + check_rng(rng).standard_normal((n, self.latent_dim), self.dtype)
        return self._pixels(z, rng if noise else None)

    def _pixels(self, z, rng=None):
        """Decoder means at z, or draws of the pixels where an rng is given."""
        with no_grad():
            out = self.decode(z)
        if self.likelihood == "bernoulli":
            p = ops.sigmoid(out.data)
            return p if rng is None else (rng.random(p.shape, p.dtype) < p).astype(p.dtype)
        mean, logvar = out[0].data, out[1].data
        return mean if rng is None else mean + std(logvar) * rng.standard_normal(mean.shape, self.dtype)

    def _array(self, x):
        """x, an array or a Tensor, as an array of the model's dtype."""
        return np.asarray(x.data if isinstance(x, Tensor) else x).astype(self.dtype, copy=False)

    def check_input(self, x):
        """x as an array (B, D) of the model's dtype. Raises ValueError for another shape, an empty batch, NaN or infinity
        and, for the Bernoulli likelihood, values outside [0, 1]."""
        x = self._array(x)
        if x.ndim != 2 or x.shape[1] != self.input_dim or not len(x):
            raise ValueError(f"x has shape {x.shape}, but this model takes (B, {self.input_dim}) with B at least 1")
        low, high = x.min(), x.max()  # NaN comes through min and max
        if not (np.isfinite(low) and np.isfinite(high)):
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise ValueError(f"x[{row}, {column}] is {x[row, column]}: clean the data first")
        if self.likelihood == "bernoulli" and (low < 0 or high > 1):
            raise ValueError(f"x runs from {low:g} to {high:g}, but the Bernoulli likelihood needs values in [0, 1]: "
                             f"rescale x or use likelihood='gaussian'")
        return x


class VAE(Autoencoder):
    """The variational autoencoder: the encoder gives a Gaussian q(z | x) = N(mu, exp(logvar)) in place of a code, and
    the loss adds its distance from the prior p(z) = N(0, I), eq. (10.1) and eq. (10.2). Arguments as for Autoencoder."""

    numbers_per_latent = 2

    def encode(self, x):
        """x (B, D) -> (mu, logvar) of q(z | x), Tensors (B, Z); the last layer gives both, side by side."""
        both = self.encoder(self.check_input(x))
        return both[:, :self.latent_dim], both[:, self.latent_dim:]

    def terms(self, x, rng):
        """(nll, kl) of each example, Tensors (B,) in nats; -(nll + kl) is a one-draw estimate of its ELBO, eq. (10.2)."""
        return self._terms(x, rng, prior_mu=0.0)

    def loss(self, x, rng, beta=1.0):
        """Batch mean of nll + beta kl, a scalar Tensor in nats, eq. (10.3)."""
        return mean_loss(*self.terms(x, rng), beta)

    def _terms(self, x, rng, prior_mu):
        x = self._array(x)  # encode checks it
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar, check_rng(rng).standard_normal(mu.shape, self.dtype))
        return self.nll(self.decode(z), x), gaussian_kl(mu, logvar, prior_mu)


class ConditionalVAE(VAE):
    """A VAE whose prior has one learned mean per class, p(z | y) = N(prior_mu[y], I), eq. (14.1); only the KL changes.

    n_classes: how many classes; labels y are integers below it. prior_mu: Tensor (n_classes, Z), starting at 0.
    """

    def __init__(self, *args, n_classes, **kwargs):
        super().__init__(*args, **kwargs)
        self.n_classes = int(positive_int("n_classes", n_classes))
        self.prior_mu = Tensor(np.zeros((self.n_classes, self.latent_dim), self.dtype), requires_grad=True)

    @property
    def config(self):
        return {**super().config, "n_classes": self.n_classes}

    def terms(self, x, rng, y):
        """As VAE.terms, with labels y (B,): the bound on log p(x | y), eq. (14.2)."""
        return self._terms(x, rng, self.prior_mu[self.check_labels(y, len(x))])

    def loss(self, x, rng, beta=1.0, y=None):
        return mean_loss(*self.terms(x, rng, y), beta)

    def sample(self, n, rng, y, noise=False):
        """As VAE.sample, from the class y (an int) or the classes y (an int array (n,))."""
        y = self.check_labels(np.full(n, y) if np.ndim(y) == 0 and y is not None else y, n)
        return self._sample(n, rng, noise, self.prior_mu.data[y])

    def check_labels(self, y, n):
        """y as an int array (n,). Raises ValueError for another shape or kind, or a class outside 0 .. n_classes - 1."""
        if y is None:
            raise ValueError("a ConditionalVAE needs the labels: pass y=")
        y = np.asarray(y)
        if y.shape != (n,) or y.dtype.kind not in "iu" or n and not 0 <= y.min() <= y.max() < self.n_classes:
            raise ValueError(f"y must be {n} integers from 0 to {self.n_classes - 1}, got {y.dtype} of shape {y.shape}"
                             + (f" from {y.min()} to {y.max()}" if y.size else ""))
        return y
