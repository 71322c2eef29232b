# %%
"""Lesson 16: the bug museum.

Eight faults that VAE programs are known for, built into our own code one at a time. Trains each, shows what its loss curve
and its pictures give away, and measures which check catches it. Takes about 15 s; needs nothing but minivae.
"""

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show
from minivae import evaluate

args = arguments(__doc__)

# %% [markdown]
# ## The question
# A VAE with a fault in it still trains: something goes down, and pictures come out. Which checks tell a wrong program from
# a right one, and how many of them do you need?
#
# The eight faults, and where they have been met:
# 1. exp(logvar) is used as the standard deviation (in three published VAEs at least)
# 2. the noise is drawn twice, for the forward pass and again for the backward pass (in a published NumPy VAE)
# 3. the nll is a mean over the pixels, the KL a sum over the latents (the commonest question to VAE authors)
# 4. the KL has the wrong sign
# 5. the KL has lost its 1/2 (as in the essay's section 2, eq. (8.12))
# 6. the gradient of the last bias is summed over the wrong axis
# 7. the model is right, but its test loss is taken at z = mu (96 instead of 105 nats in an MNIST example)
# 8. log(sigmoid(l)) in place of a formula in the logits l
#
# **Predict.** The first figure, 16_guess, shows nine rows in shuffled order: the eight exhibits and a healthy VAE. Which is
# which? Write it down before you read the tables. And: how many of the eight will a gradient check let pass?
#
# Derivation: the right versions are [eq. (5.5)](derivations/05_noise.md#eq-5-5) (1), [eq. (9.4)](derivations/09_reparameterization.md#eq-9-4) (2),
# [eq. (15.18)](derivations/15_likelihood.md#eq-15-18) (3), [eq. (8.4)](derivations/08_gaussian_kl.md#eq-8-4) (4, 5),
# [eq. (3.3)](derivations/03_dense_layers.md#eq-3-3) (6), [eq. (10.2)](derivations/10_vae.md#eq-10-2) (7) and
# [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5) (8).
#
# ## The exhibits
# `Healthy` is mv.VAE with the lines that the exhibits break in methods of their own. Every exhibit replaces one method.

# %%
class Healthy(mv.VAE):
    def noise(self, mu, rng):
        return rng.standard_normal(mu.shape, self.dtype)

    def draw(self, mu, logvar, rng):
        return mv.reparameterize(mu, logvar, self.noise(mu, rng))  # eq. (9.2)

    def kl(self, mu, logvar):
        return mv.gaussian_kl(mu, logvar)  # eq. (8.4)

    def terms(self, x, rng):
        x = self.check_input(x)
        mu, logvar = self.encode(x)
        return self.nll(self.decode(self.draw(mu, logvar, rng)), x), self.kl(mu, logvar)

    def test_loss(self, x, rng):
        """What this program would report for each image: an estimate of -ELBO, nats."""
        with mv.no_grad():
            nll, kl = self.terms(x, rng)
        return (nll + kl).data


class VarianceAsStd(Healthy):
    def draw(self, mu, logvar, rng):
        return mu + np.exp(logvar) * self.noise(mu, rng)


@mv.primitive
def two_noises(mu, logvar, eps, eps_again):
    std = np.exp(logvar / 2)
    return mu + std * eps, (lambda g: g, lambda g: g * 0.5 * std * eps_again)


class NoiseTwice(Healthy):
    def draw(self, mu, logvar, rng):
        return two_noises(mu, logvar, self.noise(mu, rng), self.noise(mu, rng))


class MeanOverPixels(Healthy):
    def nll(self, decoded, x):
        return super().nll(decoded, x) / self.input_dim


class WrongSign(Healthy):
    def kl(self, mu, logvar):
        return -super().kl(mu, logvar)


class LostHalf(Healthy):
    def kl(self, mu, logvar):
        return np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1)


@mv.primitive
def dense_wrong_axis(x, W, b):
    return x @ W + b, (lambda g: g @ W.T, lambda g: x.T @ g, lambda g: g.sum(axis=1))


class WrongAxis(Healthy):  # batches of 64 and 64 pixels: the shape of the gradient is right by accident
    def decode(self, z):
        *hidden, last = self.decoder.layers
        for layer in hidden:
            z = self.decoder.activation(layer(z))
        out = dense_wrong_axis(z, last.weight, last.bias)
        return out if self.likelihood == "bernoulli" else (out, self.decoder_logvar)


class EvaluatedAtMu(Healthy):
    def test_loss(self, x, rng):
        x = self.check_input(x)
        with mv.no_grad():
            mu, logvar = self.encode(x)
            return (self.nll(self.decode(mu), x) + self.kl(mu, logvar)).data


class LogOfSigmoid(Healthy):
    def nll(self, decoded, x):
        if self.likelihood == "gaussian":
            return super().nll(decoded, x)
        p = 1 / (1 + np.exp(-decoded))
        return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


NAMES = {Healthy: "healthy", VarianceAsStd: "1 exp(logvar) as std", NoiseTwice: "2 noise drawn twice",
         MeanOverPixels: "3 mean over pixels", WrongSign: "4 sign of the KL", LostHalf: "5 lost 1/2 in the KL",
         WrongAxis: "6 bias, wrong axis", EvaluatedAtMu: "7 tested at z = mu", LogOfSigmoid: "8 log(sigmoid)"}
FAULTS = list(NAMES)[1:]

# %% [markdown]
# ## What training shows
# All are trained in the same way from the same seeds. 'Reported' is the test loss that the program itself would print,
# 'true' is what healthy code says of the same weights.

# %%
SEEDS, BATCH, EPOCHS, Z = (0, 1, 2), 64, 12, 4
x = mv.data.digits()[0]
D = x.shape[1]
order = np.random.default_rng(0).permutation(len(x))
train, test = x[order[:23 * BATCH]], x[order[23 * BATCH:]]
inner = x[(x > 0) & (x < 1)].astype(float)
floor = -(inner * np.log(inner) + (1 - inner) * np.log(1 - inner)).sum() / len(x)  # eq. (4.8)
nothing = D * np.log(2)  # eq. (4.9)


def trained(kind, seed):
    """The model after training, and its loss per epoch; inf where training stopped because it was not finite."""
    model = kind(D, (64,), Z, activation="tanh", rng=np.random.default_rng(seed))
    optimizer, rng, losses = mv.Adam(model.parameters(), lr=5e-3), np.random.default_rng(seed + 10), []
    try:
        while len(losses) < EPOCHS:
            losses += finished(mv.fit(model, train, epochs=1, batch_size=BATCH, rng=rng, optimizer=optimizer)).loss
    except FloatingPointError:
        losses += [np.inf] * (EPOCHS - len(losses))
    return model, np.array(losses)


def seen(kind, seed):
    """First and last training loss, reported and true test loss (five draws), mean noise, how far reconstructions are from
    the image and prior samples from the nearest training image (root of the summed squares)."""
    (model, losses), rng = runs[kind][seed], np.random.default_rng(seed + 20)
    healthy = Healthy(D, (64,), Z, activation="tanh")
    healthy.load_state_dict(model.state_dict())
    with mv.no_grad():
        noise = np.exp(model.encode(test)[1].data / 2).mean()
    with np.errstate(all="ignore"):
        reported = np.mean([model.test_loss(test, rng).mean() for _ in range(5)])
        true = -evaluate.elbo(healthy, test, rng, 5).mean()
        off = np.sqrt(((model.reconstruct(test) - test)**2).sum(1)).mean()
        far = np.sqrt(((model.sample(100, rng)[:, None] - train[::2])**2).sum(2).min(1)).mean()
    return losses[0], losses[-1], reported, true, noise, off, far


def gallery(kinds, labels, name):
    """One row per program, first seed: its loss curve, reconstructions of six test images, eight samples from the prior."""
    fig, axes = plt.subplots(len(kinds) + 1, 3, figsize=(10, 10), width_ratios=(1, 1, 4 / 3), layout="constrained")
    rows = [(test[:6], np.ones((8, D)))]
    for ax, kind, label in zip(axes[1:, 0], kinds, labels):
        model, losses = runs[kind][SEEDS[0]]
        rows.append((model.reconstruct(test[:6]), model.sample(8, np.random.default_rng(5))))
        ax.plot(np.arange(1, EPOCHS + 1), losses, color=mv.plot.COLOURS[0])
        ax.set_title(label, fontsize=9, loc="left")
        ax.tick_params(labelsize=8)
        if losses.min() < -1e4:
            ax.set_yscale("symlog")
            ax.set_yticks([0, -1e10, -1e20])
    for pair, row in zip(axes[:, 1:], rows):
        for ax, images in zip(pair, row):
            framed = np.pad(images.reshape(-1, 8, 8), ((0, 0), (0, 0), (0, 1)), constant_values=1)
            ax.imshow(np.hstack(framed), cmap="gray", vmin=0, vmax=1)
    for ax in (axes[0, 0], *axes[:, 1:].flat):
        ax.axis("off")
    axes[0, 0].text(0, 0, "training loss (nats) over epochs", fontsize=10)
    axes[0, 1].set_title("test images, reconstructions below", fontsize=10)
    axes[0, 2].text(0, 6, "decoder means at z ~ N(0, I)", fontsize=10)
    figure(fig, name)


runs = {kind: {seed: trained(kind, seed) for seed in SEEDS} for kind in NAMES}
hidden_order = [list(NAMES)[i] for i in np.random.default_rng(16).permutation(len(NAMES))]
print("1. Nine programs, one of them healthy. Which is which? Guess before you read on; the key is in the last lines.")
gallery(hidden_order, "ABCDEFGHI", "16_guess")

table = {kind: np.array([seen(kind, seed) for seed in SEEDS]) for kind in NAMES}
spread = max(np.ptp(table[kind][:, 1:4], axis=0).max() for kind in NAMES if kind is not WrongSign)
print(f"\n2. What training shows: {D}-64-{Z}-64-{D}, {EPOCHS} epochs, mean of three seeds; losses in nats per image")
print(f"   (no nll of these grey images is below {floor:.2f}; a program that knows nothing has {nothing:.2f})")
print("                            training loss         test loss       noise   distance of reconstruction,")
print("                            first     last    reported     true   sigma   of prior sample to nearest image")
for kind, rows in table.items():
    print(f"   {NAMES[kind]:21}" + "".join(f"{v:9.2f}" if abs(v) < 1e5 else f"{v:9.0e}" for v in rows.mean(0)))
print(f"   The last three losses differ between seeds by {spread:.2f} at most (exhibit 4 left out).")
print("The curve of 4 (below 0) looks wrong and, if you know the range, that of 3. 1 and 7 report less than the healthy\n"
      "program, though no weights are better; 6 and 8 leave no trace. In 2 the second noise has nothing to do with the\n"
      "first, so the decoder's pull on sigma is 0 on average, and the KL alone sets it, to 1.")

# %% [markdown]
# Exhibit 6 sums over the wrong axis. Without any sum plain NumPy goes on as well: the step b = b - lr * g broadcasts, and
# the bias gets a row for every place in the batch. This engine compares the shapes:

# %%
@mv.primitive
def dense_unsummed(x, W, b):
    return x @ W + b, (lambda g: g @ W.T, lambda g: x.T @ g, lambda g: g)


b, g = np.zeros(3), np.ones((5, 3))
report = mv.check_gradients(dense_unsummed, np.ones((5, 2)), np.ones((2, 3)), b, raise_error=False)
print(f"\n3. A bias gradient that is not summed: NumPy takes b = b - lr * g, and {b.shape} becomes {(b - g).shape}"
      f"\n   check_gradients: {report.diagnosis}")

# %% [markdown]
# ## The checks
# Each returns a figure and whether the program passes. None may compare with the healthy program: you would not have one.

# %%
def small_loss(kind, seed):
    """The loss of a small float64 model on one batch, as a function of its parameters, with the noise held fixed."""
    model = kind(D, (6,), 2, activation="tanh", dtype=np.float64, rng=np.random.default_rng(seed))
    batch = train[seed * BATCH:(seed + 1) * BATCH]
    return lambda *parameters: model.loss(batch, np.random.default_rng(seed)), *model.parameters()


def gradient(kind, seed):
    """Largest error against central differences, eq. (1.4), in 6 entries of each parameter and two directions."""
    report = mv.check_gradients(*small_loss(kind, seed), h=1e-4, samples=6, raise_error=False)
    return report.error, report.ok


def taylor(kind, seed):
    """Slope of the remainder in Taylor's formula, eq. (1.9): 2 if the gradient is right, eq. (1.10): 1 if not."""
    report = mv.taylor_test(*small_loss(kind, seed))
    return report.slope, report.ok


def drawn(kind, seed, n=20_000):
    """n draws of six latents by the program, and the mu and logvar it was given."""
    rng = np.random.default_rng(seed)
    mu, logvar = (np.tile(v, (n, 1)) for v in (rng.normal(size=6), rng.uniform(-3, 1, 6)))
    model = kind(D, (), 6, dtype=np.float64, rng=rng)
    return model, mu, logvar, model.draw(mu, logvar, rng)


def moments(kind, seed):
    """Mean and variance of the draws against mu and exp(logvar), eq. (9.2): largest deviation in standard errors."""
    _, mu, logvar, z = drawn(kind, seed)
    u = (z - mu) / np.exp(logvar / 2)  # N(0, 1): the mean of u has variance 1 / n, that of u^2 has 2 / n
    worst = len(u)**0.5 * max(np.abs(u.mean(0)).max(), np.abs((u**2).mean(0) - 1).max() / 2**0.5)
    return worst, worst < 5


def monte_carlo_kl(kind, seed):
    """kl against the mean of log q(z) - log p(z) over the program's own draws, eq. (7.1): deviation in standard errors."""
    model, mu, logvar, z = drawn(kind, seed)
    log_ratio = 0.5 * (z**2 - (z - mu)**2 / np.exp(logvar) - logvar).sum(1)  # eq. (5.4)
    off = abs(log_ratio.mean() - model.kl(mu, logvar)[0]) / (log_ratio.std() / len(z)**0.5)
    return off, off < 5


def large_logits(kind, seed):
    """The nll of a black less that of a white image is the sum of the logits, eq. (4.4), of size 40, too: error in nats."""
    model, black = kind(D, (), 2), np.zeros((2, D), np.float32)
    logits = np.float32(np.random.default_rng(seed).uniform(35, 45, (2, D)) * [[1], [-1]])
    with np.errstate(all="ignore"):
        error = np.abs(model.nll(logits, black) - model.nll(logits, black + 1) - logits.sum(1)).max()
    return error, error < 0.01


pca = evaluate.ppca(x, Z)


def exact_model(kind, seed):
    """Test loss of the linear VAE that is pPCA, less its exact -log p(x), eq. (15.8): 0 nats on average, eq. (15.14)."""
    model = kind(D, (), Z, "gaussian", "shared", dtype=np.float64)
    model.load_state_dict(pca.linear_vae().state_dict())
    excess = model.test_loss(x, np.random.default_rng(seed)) + pca.log_prob(x)
    return excess.mean(), abs(excess.mean()) < 5 * excess.std() / len(x)**0.5


def active_units(kind, seed):
    """Active units after training, eq. (15.7): none means that z says nothing about x."""
    count = evaluate.active_units(runs[kind][seed][0], test).sum()
    return count, count > 0


def curve(kind, seed):
    """The loss curve as a picture: does it fall, finite and never negative (a cross-entropy plus a KL)? Shown: its fall."""
    losses = runs[kind][seed][1]
    return losses[0] - losses[-1], np.isfinite(losses).all() and losses[0] > losses[-1] and losses.min() > 0


def nats(kind, seed):
    """The last training loss in nats: between the floor of the nll, eq. (4.8), and knowing nothing, eq. (4.9)?"""
    last = runs[kind][seed][1][-1]
    return last, floor < last < nothing


CHECKS = {"gradient": gradient, "Taylor": taylor, "moments": moments, "MC KL": monte_carlo_kl, "logits": large_logits,
          "exact": exact_model, "active": active_units, "curve": curve, "nats": nats}
cells = {(kind, name): [check(kind, seed) for seed in SEEDS] for kind in NAMES for name, check in CHECKS.items()}
caught = {key: sum(not ok for _, ok in three) for key, three in cells.items()}
print("\n4. Which check catches it? Median figure of three seeds; * caught with every seed, ? with some, else it passes")
for name, check in CHECKS.items():
    print(f"   {name:9} {' '.join(check.__doc__.split())}")
print("\n" + " " * 23 + "".join(f"{name:>10}" for name in CHECKS))
for kind in NAMES:
    row = ((np.median([v for v, _ in cells[kind, name]]), " ??*"[caught[kind, name]]) for name in CHECKS)
    print(f"   {NAMES[kind]:20}" + "".join(f"{v:9.2g}{mark}" for v, mark in row))
enough = [names for k in range(1, len(CHECKS) + 1) for names in itertools.combinations(CHECKS, k)
          if all(any(caught[kind, name] == 3 for name in names) for kind in FAULTS)]
fewest = min(map(len, enough), default=0)
smallest = [" + ".join(names) for names in enough if len(names) == fewest]
print(f"The fewest checks that together catch all eight are {fewest}: {', or '.join(smallest)}.")
print("A gradient check asks whether the gradient belongs to the loss, and cannot know whether the loss is the right one.\n"
      "That takes a number known from elsewhere: an exact log p(x), a Monte Carlo mean, an identity.")

# %% [markdown]
# ## Claim -> verdict

# %%
def count(*names):
    """How many of the eight are caught, with every seed, by one of these checks."""
    return sum(any(caught[kind, name] == 3 for name in names) for kind in FAULTS)


reported, true, off = (np.array([table[kind].mean(0)[i] for kind in NAMES]) for i in (2, 3, 5))
claim("-", "a program that passes a gradient check is right",
      f"of 8 faults {8 - count('gradient')} pass central differences, {8 - count('Taylor')} the Taylor test",
      "does not hold: a wrong loss has a right gradient", count("gradient") == count("Taylor") == 2)
claim("-", "the loss curve gives a fault away",
      f"by its shape {count('curve')} of 8; read in nats against what is possible {count('curve', 'nats')} of 8",
      "does not hold: nearly all fall smoothly to a plausible number", count("curve") == 1 and count("curve", "nats") == 2)
worse = int((off[1:] > 1.05 * off[0]).sum())
claim("-", "the pictures give a fault away",
      f"reconstructions more than a twentieth worse than the healthy ones beside them: {worse} of 8",
      "holds if the fault does harm and a healthy program is there to compare", 3 <= worse <= 5)
gain_1, gain_7, harm_1 = reported[0] - reported[1], reported[0] - reported[7], true[1] - true[0]
claim("-", "of two programs the one with the lower test loss is better",
      f"exp(logvar) as std reports {gain_1:.2f} nats less than healthy, z = mu {gain_7:.2f}; in truth the first is "
      f"{harm_1:.2f} worse (tol 0.4)", "does not hold: a fault can flatter the number that is reported",
      gain_1 > 0.5 and gain_7 > 0.5 and harm_1 > 0.2)
alarms = sum(caught[Healthy, name] for name in CHECKS)
claim("-", "every one of the eight is caught by some check that the healthy program passes",
      f"{count(*CHECKS)} of 8 caught, {alarms} false alarms; {fewest} checks are enough", "holds",
      count(*CHECKS) == 8 and alarms == 0 and fewest == 3 and "gradient + logits + exact" in smallest)

# %%
gallery(list(NAMES), [f"{NAMES[kind]}: caught by {', '.join(n for n in CHECKS if caught[kind, n] == 3) or 'none'}"
                      for kind in NAMES], "16_bug_museum")
print("Key to the first figure: " + ", ".join(f"{letter} {NAMES[kind]}" for letter, kind in zip("ABCDEFGHI", hidden_order)))

# %% [markdown]
# ## Why
# Six of the eight have a right gradient: of a loss that is not the one meant (1, 3, 4, 5), of a right one that is
# reported wrongly (7), or of one that is right while the numbers are small (8). So there is one check per kind of mistake:
# finite differences for the step from loss to gradient, a model with a known answer for the step from equation to loss and
# report, extreme inputs for the arithmetic. Training judges none of them well, for what is learned makes up for much: the
# bias of exhibit 6 takes steps that have nothing to do with it, and the loss ends where it should.
#
# ## Your turn
# 1. Leave the 1/2 out of the gradient in logvar (0.5 in `two_noises`, with eps in both places). Predict its row in table 4.
# 2. `exact_model` lets exhibits 2 and 6 pass, for it only looks at a value. At the exact answer the mean gradient must be
#    0: write that check. Which of the eight does it catch?
# 3. Exhibit 6 with batches of 32: what happens, and when? And with the last batch of an epoch that does not divide by 64?
# 4. On these digits exhibit 8 never goes off, for no pixel is 1 in all of them. Train it on 1 - np.round(train), black on
#    white, with lr=0.02: after how many epochs does it stop? Does log(p + 1e-8), a common cure, pass `large_logits`?
#
# Exercises that answer back: [ex13_repair](exercises/ex13_repair.py).

# %%
show(args)
