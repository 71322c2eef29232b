"""The models: an autoencoder, the VAE that adds noise and a prior, and a VAE with labels."""

import math

import numpy as np

from . import ops
from .autodiff import Tensor, no_grad
from .checks.arguments import check_rng, plain_array, positive_int
from .nn import MLP, Module
from .vae_ops import bernoulli_nll, gaussian_kl, gaussian_nll, reparameterize, std


def mean_loss(nll, kl, beta=1.0):
    """The loss to minimise, in nats: the batch mean of nll + beta kl, eq. (10.3).

    nll, kl: Tensors (B,). No other place takes a batch mean.
    """
    if beta != 1:
        kl = beta * kl
    return (nll + kl).mean()


class Autoencoder(Module):
    """Two MLPs, x -> code -> x, eq. (4.1); its loss is the nll of x under the decoder.

    input_dim: D, the numbers in one example.
    hidden_dims: the sizes between data and code; the decoder has them reversed. () makes both maps
        affine.
    latent_dim: Z, the numbers in one code.
    likelihood: "bernoulli", for x in [0, 1] (the decoder gives logits), or "gaussian" (means).
    decoder_logvar: the log variance of the pixels, for "gaussian" only: a number (fixed), "shared"
        (one number that is learned, the default) or "per_pixel" (a second output of the decoder).
    activation: "relu", "tanh" or "softplus".
    dtype: float32 or float64; inputs are converted to it.
    rng: draws the initial weights; fresh ones at every run if left out.

    Raises ValueError for a size below 1 or an unknown choice.
    """

    numbers_per_latent = 1  # that the encoder gives: the code itself
    n_classes = None  # of the labels that the model takes: none

    def __init__(
        self,
        input_dim,
        hidden_dims=(400,),
        latent_dim=20,
        likelihood="bernoulli",
        decoder_logvar=None,
        activation="relu",
        dtype=np.float32,
        rng=None,
    ):
        self.input_dim = int(positive_int("input_dim", input_dim))
        self.hidden_dims = _sizes(hidden_dims)
        self.latent_dim = int(positive_int("latent_dim", latent_dim))
        self.likelihood = likelihood
        self.variance = _decoder_variance(likelihood, decoder_logvar)
        self.activation = activation
        self.dtype = np.dtype(dtype)

        # What the encoder and the decoder give for one example.
        code = self.numbers_per_latent * self.latent_dim
        pixels = self.input_dim
        if self.variance == "per_pixel":
            pixels *= 2

        # On MNIST (784-400-20, relu) this start ends 0.8 nats better after ten epochs than He's;
        # see tests/benchmarks/start.py.
        uniform = bool(self.hidden_dims) and activation != "tanh"
        rng = np.random.default_rng() if rng is None else rng
        inward = (self.input_dim, *self.hidden_dims, code)
        outward = (self.latent_dim, *reversed(self.hidden_dims), pixels)
        self.encoder = MLP(inward, activation, dtype, rng, uniform)
        self.decoder = MLP(outward, activation, dtype, rng, uniform)
        if self.variance == "shared":
            self.decoder_logvar = Tensor(np.zeros((), dtype), requires_grad=True)

    @property
    def config(self):
        """The arguments that make a model of this shape again; plain values, for save and load."""
        return {
            "input_dim": self.input_dim,
            "hidden_dims": list(self.hidden_dims),
            "latent_dim": self.latent_dim,
            "likelihood": self.likelihood,
            "decoder_logvar": self.variance,
            "activation": self.activation,
            "dtype": self.dtype.name,
        }

    def encode(self, x):
        """x (B, D) -> codes, a Tensor (B, Z)."""
        return self.encoder(self.check_input(x))

    def decode(self, z):
        """z (B, Z), array or Tensor -> logits (B, D); for "gaussian" (mean (B, D), logvar).

        All are Tensors; logvar is one number or, per pixel, (B, D). Raises ValueError for another
        width.
        """
        z = z if isinstance(z, Tensor) else np.asarray(z, self.dtype)
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(
                f"z has shape {z.shape}, but this model's codes have shape (B, {self.latent_dim})"
            )
        out = self.decoder(z)
        if self.likelihood == "bernoulli":
            return out
        if self.variance == "per_pixel":
            return out[:, : self.input_dim], out[:, self.input_dim :]
        if self.variance == "shared":
            return out, self.decoder_logvar
        return out, Tensor(np.asarray(self.variance, self.dtype))

    def nll(self, decoded, x):
        """-log p(x | z) in nats, (B,), from what decode(z) gave."""
        if self.likelihood == "bernoulli":
            return bernoulli_nll(decoded, x)
        mean, logvar = decoded
        return gaussian_nll(mean, logvar, x)

    def terms(self, x, rng=None):
        """(nll, kl), Tensors (B,) in nats; without noise and prior kl is 0, and rng is not used."""
        x = self._array(x)  # encode checks it
        nll = self.nll(self.decode(self.encode(x)), x)
        return nll, Tensor(np.zeros(len(x), self.dtype))

    def loss(self, x, rng=None, beta=1.0):
        """Batch mean of nll + beta kl, a scalar Tensor in nats."""
        return mean_loss(*self.terms(x, rng), beta)

    # Without gradients, on plain arrays: what one looks at.

    def codes(self, x):
        """x (B, D) -> one point per example, ndarray (B, Z): the code; of a VAE, mu."""
        with no_grad():
            return self.encode(x).data

    def pixels(self, z, rng=None):
        """z (B, Z) -> the decoder's means, ndarray (B, D); with an rng the pixels are drawn."""
        with no_grad():
            decoded = self.decode(z)
        if self.likelihood == "bernoulli":
            p = ops.sigmoid(decoded.data)
            return p if rng is None else (rng.random(p.shape, p.dtype) < p).astype(p.dtype)
        mean, logvar = (t.data for t in decoded)
        if rng is None:
            return mean
        return mean + std(logvar) * rng.standard_normal(mean.shape, self.dtype)

    def reconstruct(self, x):
        """x (B, D) -> the pixel means decoded at codes(x), ndarray (B, D)."""
        return self.pixels(self.codes(x))

    def sample(self, n, rng, noise=False):
        """Decoder means at n draws z ~ N(0, I), ndarray (n, D); with noise=True pixels are drawn.

        A VAE is trained to decode such z, a plain autoencoder is not.
        """
        return self._sample(n, rng, noise, y=None)

    def _sample(self, n, rng, noise, y):
        positive_int("n", n)
        check_rng(rng)
        z = self.prior_mean(y, n) + rng.standard_normal((n, self.latent_dim), self.dtype)
        return self.pixels(z, rng if noise else None)

    def prior_mean(self, y, n):
        """The mean of the prior of n examples with labels y: 0.0 here, for y must be None."""
        self.check_labels(y, n)
        return 0.0

    def check_labels(self, y, n):
        """The labels y of n examples, checked: None here. Raises ValueError if there are any."""
        if y is not None:
            raise ValueError(
                f"a {type(self).__name__} takes no labels: leave out y, or use a ConditionalVAE"
            )

    def check_input(self, x):
        """x as an array (B, D) of the model's dtype.

        Raises ValueError for another shape, an empty batch, NaN or infinity and, for the Bernoulli
        likelihood, values outside [0, 1].
        """
        x = self._array(x)
        if x.ndim != 2 or x.shape[1] != self.input_dim or not len(x):
            takes = f"this model takes (B, {self.input_dim}) with B at least 1"
            if x.ndim > 2 and x[0].size == self.input_dim:
                takes += ": write x.reshape(len(x), -1)"
            raise ValueError(f"x has shape {x.shape}, but {takes}")
        low = x.min()  # NaN comes through min and max
        high = x.max()
        if not (math.isfinite(low) and math.isfinite(high)):
            row, column = np.argwhere(~np.isfinite(x))[0]
            raise ValueError(f"x[{row}, {column}] is {x[row, column]}: clean the data first")
        if self.likelihood == "bernoulli" and (low < 0 or high > 1):
            raise ValueError(
                f"x runs from {low} to {high}, but the Bernoulli likelihood needs values in "
                f"[0, 1]: rescale x or use likelihood='gaussian'"
            )
        return x

    def _array(self, x):
        """x, an array or a Tensor, as an array of the model's dtype."""
        return plain_array(x.data if isinstance(x, Tensor) else x).astype(self.dtype, copy=False)


class VAE(Autoencoder):
    """The variational autoencoder. Arguments as for Autoencoder.

    Where the autoencoder has a code, the encoder here gives a Gaussian, q(z | x) = N(mu,
    exp(logvar)), from which z is drawn; and the loss adds its distance from the prior
    p(z) = N(0, I), eq. (10.1) and eq. (10.2).
    """

    numbers_per_latent = 2  # mu and logvar

    def encode(self, x):
        """x (B, D) -> (mu, logvar) of q(z | x), Tensors (B, Z); one layer gives both."""
        both = self.encoder(self.check_input(x))  # (B, 2 Z)
        return both[:, : self.latent_dim], both[:, self.latent_dim :]

    def terms(self, x, rng):
        """(nll, kl) of each example, Tensors (B,) in nats.

        -(nll + kl) is an estimate of its ELBO from one draw, eq. (10.2).
        """
        return self._terms(x, rng, prior_mu=0.0)

    def _terms(self, x, rng, prior_mu):
        check_rng(rng)
        x = self._array(x)  # encode checks it
        mu, logvar = self.encode(x)  # (B, Z)
        eps = rng.standard_normal(mu.shape, self.dtype)
        z = reparameterize(mu, logvar, eps)
        nll = self.nll(self.decode(z), x)  # (B,)
        kl = gaussian_kl(mu, logvar, prior_mu)  # (B,)
        return nll, kl

    def loss(self, x, rng, beta=1.0):
        """Batch mean of nll + beta kl, a scalar Tensor in nats, eq. (10.3)."""
        return mean_loss(*self.terms(x, rng), beta)

    def codes(self, x):
        with no_grad():
            mu, _ = self.encode(x)
        return mu.data


class ConditionalVAE(VAE):
    """A VAE whose prior has one learned mean per class, p(z | y) = N(prior_mu[y], I), eq. (14.1).

    n_classes: how many classes; labels y are integers below it. The other arguments are VAE's.
    prior_mu is a Tensor (n_classes, Z) that starts at 0. Only the KL differs from a VAE's.
    """

    def __init__(self, *args, n_classes, **kwargs):
        super().__init__(*args, **kwargs)
        self.n_classes = int(positive_int("n_classes", n_classes))
        start = np.zeros((self.n_classes, self.latent_dim), self.dtype)
        self.prior_mu = Tensor(start, requires_grad=True)

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
        if y is not None and np.ndim(y) == 0:
            y = np.full(n, y)
        return self._sample(n, rng, noise, y)

    def prior_mean(self, y, n):
        """The means of the priors of n examples with labels y (n,), ndarray (n, Z)."""
        return self.prior_mu.data[self.check_labels(y, n)]

    def check_labels(self, y, n):
        """y as an int array (n,).

        Raises ValueError for another shape or kind, or a class outside 0 .. n_classes - 1.
        """
        if y is None:
            raise ValueError("a ConditionalVAE needs the labels: pass y=")
        y = np.asarray(y)
        wanted = f"y must be {n} integers from 0 to {self.n_classes - 1}"
        if y.dtype.kind in "USO":
            raise ValueError(
                f"{wanted}, got {y.dtype}: number the classes by "
                f"names, y = np.unique(y, return_inverse=True)"
            )
        if y.shape != (n,) or y.dtype.kind not in "iu":
            raise ValueError(f"{wanted}, got {y.dtype} of shape {y.shape}")
        if n and not 0 <= y.min() <= y.max() < self.n_classes:
            raise ValueError(f"{wanted}, got some from {y.min()} to {y.max()}")
        return y


def _sizes(hidden_dims):
    """hidden_dims as a tuple of ints. Raises TypeError for a bare number."""
    if isinstance(hidden_dims, (int, np.integer)):
        raise TypeError(f"hidden_dims is a tuple of sizes: write ({hidden_dims},) for one layer")
    return tuple(int(positive_int("hidden_dims", size)) for size in hidden_dims)


def _decoder_variance(likelihood, decoder_logvar):
    """decoder_logvar, or its default. Raises ValueError for an unknown choice of either."""
    if likelihood not in ("bernoulli", "gaussian"):
        raise ValueError(f"unknown likelihood {likelihood!r}: choose 'bernoulli' or 'gaussian'")
    if likelihood == "bernoulli":
        if decoder_logvar is not None:
            raise ValueError(
                f"decoder_logvar={decoder_logvar!r} is for likelihood='gaussian'; "
                f"'bernoulli' has no variance"
            )
        return None
    if decoder_logvar is None:
        return "shared"
    if isinstance(decoder_logvar, str) and decoder_logvar not in ("shared", "per_pixel"):
        raise ValueError(
            f"unknown decoder_logvar {decoder_logvar!r}: give a number, 'shared' or 'per_pixel'"
        )
    return decoder_logvar
