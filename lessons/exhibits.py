"""The bug museum: a healthy VAE, and eight exhibits that each replace one method by a wrong one.

Lesson 16 trains them and checks them. Each fault has been met in a published program.
"""

import numpy as np

import minivae as mv


class Healthy(mv.VAE):
    """mv.VAE with the lines that the exhibits break in methods of their own."""

    def noise(self, mu, rng):
        return rng.standard_normal(mu.shape, self.dtype)

    def draw(self, mu, logvar, rng):
        return mv.reparameterize(mu, logvar, self.noise(mu, rng))  # eq. (9.2)

    def kl(self, mu, logvar):
        return mv.gaussian_kl(mu, logvar)  # eq. (8.4)

    def terms(self, x, rng):
        x = self.check_input(x)
        mu, logvar = self.encode(x)
        z = self.draw(mu, logvar, rng)
        return self.nll(self.decode(z), x), self.kl(mu, logvar)

    def test_loss(self, x, rng):
        """What this program reports for each picture: an estimate of -ELBO, (n,) nats."""
        with mv.no_grad():
            nll, kl = self.terms(x, rng)
        return (nll + kl).data


class VarianceAsStd(Healthy):
    def draw(self, mu, logvar, rng):
        return mu + np.exp(logvar) * self.noise(mu, rng)  # exp(logvar / 2) is right, eq. (5.5)


@mv.primitive
def two_noises(mu, logvar, eps, eps_again):
    std = np.exp(logvar / 2)
    back = 0.5 * std * eps_again  # the same eps is right, eq. (9.4)
    return mu + std * eps, (lambda g: g, lambda g: g * back)


class NoiseTwice(Healthy):
    def draw(self, mu, logvar, rng):
        return two_noises(mu, logvar, self.noise(mu, rng), self.noise(mu, rng))


class MeanOverPixels(Healthy):
    def nll(self, decoded, x):
        return super().nll(decoded, x) / x.shape[1]  # the sum is right, eq. (10.3), eq. (15.18)


class WrongSign(Healthy):
    def kl(self, mu, logvar):
        return 0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar), axis=1)  # minus eq. (8.4)


class LostHalf(Healthy):
    def kl(self, mu, logvar):
        return np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)  # half of it is eq. (8.4)


@mv.primitive
def dense_wrong_axis(x, W, b):
    # g.sum(axis=0) is right, eq. (3.3). With 64 pixels and batches of 64 the shape is the same.
    return x @ W + b, (lambda g: g @ W.T, lambda g: x.T @ g, lambda g: g.sum(axis=1))


class WrongAxis(Healthy):
    def decode(self, z):
        *hidden, last = self.decoder.layers
        for layer in hidden:
            z = self.decoder.activation(layer(z))
        out = dense_wrong_axis(z, last.weight, last.bias)
        return out if self.likelihood == "bernoulli" else (out, self.decoder_logvar)


class TestedAtMu(Healthy):
    __test__ = False  # for pytest: no test, in spite of its name

    def test_loss(self, x, rng):
        x = self.check_input(x)
        with mv.no_grad():
            mu, logvar = self.encode(x)
            nll = self.nll(self.decode(mu), x)  # decode(z), z drawn, is right, eq. (10.2)
            return (nll + self.kl(mu, logvar)).data


class LogOfSigmoid(Healthy):
    def nll(self, decoded, x):
        if self.likelihood == "gaussian":
            return super().nll(decoded, x)
        p = 1 / (1 + np.exp(-decoded))  # the formula in the logits is right, eq. (4.5)
        return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


PROGRAMS = {
    "healthy": Healthy,
    "1 exp(logvar) as std": VarianceAsStd,
    "2 noise drawn twice": NoiseTwice,
    "3 mean over pixels": MeanOverPixels,
    "4 sign of the KL": WrongSign,
    "5 lost 1/2 in the KL": LostHalf,
    "6 bias, wrong axis": WrongAxis,
    "7 tested at z = mu": TestedAtMu,
    "8 log(sigmoid)": LogOfSigmoid,
}
FAULTS = list(PROGRAMS)[1:]


def loss_of(kind):
    """The program's loss as mv.check_loss wants it: a function of x, x_hat, mu and s, of any size."""

    def loss(x, x_hat, mu, s):
        model = kind(x.shape[1], (), mu.shape[1], dtype=np.float64)
        return (model.nll(mv.Tensor(x_hat), x) + model.kl(mv.Tensor(mu), mv.Tensor(s))).mean()

    return loss
