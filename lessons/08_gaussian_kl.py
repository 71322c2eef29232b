# %%
"""Lesson 08: the KL term, integral by integral.

Checks the closed form of KL(N(mu, s^2), N(0, 1)) against quadrature and against draws, and puts its rivals beside it: the
essay's formula of section 2, the naive penalty, uniform posteriors. Takes about 15 s; needs nothing but minivae.
"""
import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show
from minivae.evaluate import elbo

args = arguments(__doc__)

# %% [markdown]
# ## The question
# The VAE's loss charges each q(z given x) = N(mu, s^2) with 1/2 (mu^2 + s^2 - log s^2 - 1) nats. Where does this formula
# come from, and would another penalty, or another shape of q, do as well?
#
# **Predict.** (a) KL is an average of log q(z)/p(z). Can a single draw of it be negative? Can the average? (b) To keep mu
# and log s^2 near 0, a mu^2 + b (log s^2)^2 should do. Which a and b come closest to the KL? (c) q is uniform on [0, 1],
# the prior uniform on [-1, 1]. Is KL(q, prior) infinite? And KL(prior, q)?
#
# Derivation: the three integrals are [eq. (8.2)](derivations/08_gaussian_kl.md#eq-8-2), their sum [eq. (8.3)](derivations/08_gaussian_kl.md#eq-8-3), and
# KL >= 0 is [eq. (7.2)](derivations/07_elbo.md#eq-7-2). In code: mv.gaussian_kl takes mu and logvar = log s^2.
#
# ## Three integrals, and draws
# log q/p is 1/2 (-log s^2 + z^2 - (z - mu)^2/s^2), eq. (8.1): three terms to average over z from N(mu, s^2).

# %%
def log_normal(z, mean, std):
    return -0.5 * ((z - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def three_integrals(mu, std):
    """The averages of the three terms by quadrature over 14 standard deviations to each side."""
    z, dz = np.linspace(mu - 14 * std, mu + 14 * std, 4001, retstep=True)
    q = np.exp(log_normal(z, mu, std)) * dz
    return np.array([np.sum(q * -np.log(std**2)), np.sum(q * z**2), np.sum(q * -(((z - mu) / std) ** 2))])


print("The three integrals for mu = 1.5, s = 0.6:\n               quadrature    closed form")
for name, number, formula in zip(("-log s^2", "mu^2 + s^2", "-1"), three_integrals(1.5, 0.6), (-np.log(0.36), 2.25 + 0.36, -1)):
    print(f"  {name:12}{number:11.6f}{formula:15.6f}")
rng = np.random.default_rng(0)
mu, logvar = rng.normal(0, 2, 200), rng.uniform(-6, 3, 200)
integrals = np.array([three_integrals(m, np.exp(lv / 2)) for m, lv in zip(mu, logvar)])
residual = np.abs(integrals - np.stack([-logvar, mu**2 + np.exp(logvar), -np.ones(200)], axis=1)).max()  # eq. (8.2)
residual = max(residual, np.abs(integrals.sum(axis=1) / 2 - mv.gaussian_kl(mu[:, None], logvar[:, None])).max())  # eq. (8.3)
claim("§5.2", "the KL is half the sum of three integrals: -log s^2, mu^2 + s^2, -1",
      f"largest residual {residual:.0e} against quadrature in 200 cases (tol 1e-10)", "holds", residual < 1e-10)

exact = mv.gaussian_kl(np.array([0.3]), np.log([0.49]))
print(f"\nKL(N(0.3, 0.7^2), N(0, 1)) = {exact:.5f} nats. The average of log q/p over 100,000 draws, five seeds:")
negative = []
for seed in range(5):
    draws = 0.3 + 0.7 * np.random.default_rng(seed).standard_normal(100_000)
    ratio = log_normal(draws, 0.3, 0.7) - log_normal(draws, 0, 1)
    standard_error = ratio.std() / len(ratio) ** 0.5
    negative.append(np.mean(ratio < 0))
    assert abs(ratio.mean() - exact) < 4 * standard_error
    print(f"  seed {seed}: {ratio.mean():.5f} +- {standard_error:.5f}, negative single draws: {100 * negative[-1]:.1f} %")

# %% [markdown]
# **(a)** A draw can, the average cannot. Where q < p the log is negative, but q has too little mass there. Proof in one
# line: log t <= t - 1, the tangent at t = 1. Put t = p/q: each summand of KL = sum of q (p/q - 1 - log p/q) is >= 0,
# eq. (7.3), because the added q (p/q - 1) = p - q sums to 0. No functional was varied. Here on 100,000 random pairs.

# %%
summands, smallest, off = [], np.inf, 0.0
for seed in range(5):
    q, p = np.random.default_rng(seed).dirichlet(np.ones(6), (2, 20_000))
    summands.append(q * (p / q - 1 - np.log(p / q)))
    kl = np.sum(q * np.log(q / p), axis=1)
    smallest, off = min(smallest, kl.min()), max(off, np.abs(summands[-1].sum(axis=1) - kl).max())
below = np.sum(np.array(summands) < -1e-15)  # what rounding may do to a zero
print("\n100,000 pairs of random distributions over six outcomes:\n"
      f"  smallest KL {smallest:.4f} nats; summands below 0: {below} of 600,000; their sum is the KL to {off:.0e}")
print("  the nearer, the smaller: " + ", ".join(f"KL(N(0, 1), N({h:g}, 1)) = {h * h / 2:g}" for h in (0.1, 0.01)) + " nats")
claim("§6.2", "that KL is never negative takes the calculus of variations to prove",
      f"{below} of 600,000 summands of eq. (7.3) below 0, while {100 * np.mean(negative):.1f} % of single draws of log q/p are (tol 1)",
      "does not hold: never negative is right, but log t <= t - 1 is proof enough",
      below == 0 and smallest > 0 and off < 1e-12)

# %% [markdown]
# ## The formula of section 2
# The essay says there that -KL is the sum of exp(s) - (1 + s) + m^2, while its noise is exp(s) times eps. So is s the log
# of a variance or of a standard deviation? We try both; the KL is that of the noise that is really added.

# %%
m, s = rng.normal(0, 1, 1000), rng.uniform(-6, 3, 1000)
as_logvar = (np.exp(s) - (1 + s) + m**2) / mv.gaussian_kl(m[:, None], s[:, None])
print("\nThe essay's sum divided by the KL:")
print(f"  noise exp(s/2) eps, 1000 random (m, s): from {as_logvar.min():.4f} to {as_logvar.max():.4f}   eq. (8.12)")
s = np.array([-6.0, -3, -1, 1, 2, 3])
as_log_std = (np.exp(s) - (1 + s)) / mv.gaussian_kl(0 * s[:, None], 2 * s[:, None])
print("  noise exp(s) eps, m = 0:  " + ", ".join(f"{ratio:.3f} at s = {at:g}" for at, ratio in zip(s, as_log_std)) + "   eq. (8.13)")
claim("§2", "the sum of exp(s) - (1 + s) + m^2 is -KL, for noise exp(s) eps",
      f"sum / KL: {as_logvar.min():.3f} to {as_logvar.max():.3f} for noise exp(s/2) eps; for exp(s) eps (m = 0) {as_log_std[0]:.3f} at "
      f"s = -6, {as_log_std[-1]:.3f} at s = 3 (tol 0.005)",
      "does not hold: it is +2 KL, and only if s is a log variance",
      np.allclose(as_logvar, 2, atol=1e-9) and as_log_std.min() > 0 and as_log_std.max() > 5 * as_log_std.min())

# %% [markdown]
# ## The naive penalty
# exp(logvar) = 1 + logvar + logvar^2/2 + ..., so near the prior the KL is 1/2 mu^2 + 1/4 logvar^2, eq. (8.14): **(b)** is
# a = 1/2, b = 1/4. Only far from the prior do they part: for small noise the KL grows like -logvar/2, the naive one with the
# square. Now train on digits with these weights, with both ten times as large and as small, and with other ratios, both
# ways. The score is the true ELBO, which is what the KL model is trained for: its small lead over the good naive pairs
# proves little, the large distances do. Sharpness is the mean absolute Laplacian of decoder means at z drawn from the
# prior: large where neighbouring pixels differ.

# %%
x, _ = mv.data.digits()
order = np.random.default_rng(0).permutation(len(x))
train, test = x[order[:1437]], x[order[1437:]]


class NaiveVAE(mv.VAE):
    """A VAE with a |mu|^2 + b |logvar|^2 in place of the KL: the essay's eq. 3."""

    def terms(self, x, rng):
        x = self.check_input(x)
        mu, logvar = self.encode(x)
        z = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape, self.dtype))
        a, b = self.weights
        return self.nll(self.decode(z), x), np.sum(a * mu**2 + b * logvar**2, axis=1)


class UniformVAE(mv.VAE):
    """Prior uniform on [-1, 1], q uniform inside it: half width h, centre at most 1 - h from 0. KL = -log h, eq. (8.15)."""

    def terms(self, x, rng):
        x = self.check_input(x)
        where, width = self.encode(x)
        h = mv.sigmoid(width)
        z = (1 - h) * np.tanh(where) + h * rng.uniform(-1, 1, h.shape).astype(self.dtype)
        return self.nll(self.decode(z), x), np.sum(mv.softplus(-width), axis=1)  # -log sigmoid

    def sample(self, n, rng):
        with mv.no_grad():
            return self.decode(rng.uniform(-1, 1, (n, self.latent_dim)))[0].data


def sharpness(images):
    a = images.reshape(-1, 8, 8)
    return np.abs(4 * a[:, 1:-1, 1:-1] - a[:, :-2, 1:-1] - a[:, 2:, 1:-1] - a[:, 1:-1, :-2] - a[:, 1:-1, 2:]).mean()


def share_real(images):
    """Share with a training image within distance 1.25; of held-out digits about 8 in 10 have one."""
    squared = np.sum(images**2, axis=1)[:, None] - 2 * images @ train.T + np.sum(train**2, axis=1)
    return np.mean(np.min(squared, axis=1) < 1.25**2)


def score(model, seed):
    rng = np.random.default_rng(seed)
    if isinstance(model, UniformVAE):
        with mv.no_grad():
            draws = [[t.data for t in model.terms(test, rng)] for _ in range(8)]
        bound, kl = -np.mean(np.sum(draws, axis=1)), np.mean(draws[0][1])
    else:
        bound, kl = elbo(model, test, rng, n_samples=8).mean(), mv.gaussian_kl(*(t.data for t in model.encode(test))).mean()
    images = model.sample(300, rng)
    return bound, kl, sharpness(images), images.mean(), share_real(images)


kinds = {"KL": (mv.VAE, None), "1/2, 1/4": (NaiveVAE, (0.5, 0.25)), "5, 5/2": (NaiveVAE, (5, 2.5)),
         "1/20, 1/40": (NaiveVAE, (0.05, 0.025)), "1/2, 1/20": (NaiveVAE, (0.5, 0.05)), "1, 1/1000": (NaiveVAE, (1, 0.001)),
         "1/100, 1": (NaiveVAE, (0.01, 1)), "uniform q": (UniformVAE, None)}
found, pictures = {}, {"digits": test[:14]}
print("\nDigits, 8 latents, Gaussian decoder of variance 0.05; held out, three seeds: mean (largest - smallest)")
print("penalty (a, b)     ELBO, nats      KL, nats    sharpness of draws    mean pixel   near a digit")
for name, (kind, weights) in kinds.items():
    scores = []
    for seed in range(3):
        model = kind(64, (100,), 8, "gaussian", float(np.log(0.05)), "tanh", rng=np.random.default_rng(seed))
        model.weights = weights
        finished(mv.fit(model, train, epochs=40, batch_size=100, lr=4e-3, rng=np.random.default_rng(seed + 10), progress=False))
        scores.append(score(model, seed))
    found[name], pictures[name] = np.mean(scores, axis=0), model.sample(14, np.random.default_rng(3))
    cells = [f"{mean:8.2f} ({spread:.2f})" for mean, spread in zip(found[name], np.ptp(scores, axis=0))]
    print(f"{name:10}" + "".join(f"{cell:>16}" for cell in cells))
sharp_data = sharpness(test)
print(f"{'held-out digits':42}{sharp_data:9.2f}{test.mean():16.2f}{share_real(test):16.2f}")
print("Both too large, and every q is pressed onto the prior: one grey average. Otherwise bad weights leave the codes unlike draws\n"
      "from the prior, and the decoder is asked about z it never met: no digits, with (1, 1/1000) sharp, with (1/100, 1) nearly black. A\n"
      "black picture has a low 'sharpness', too, so look at the mean pixel and at the figure before you call it blurred.")

bound, _, sharp, light, real = ({name: row[i] for name, row in found.items()} for i in range(5))
naive = [name for name, (kind, _) in kinds.items() if kind is NaiveVAE]
good = ("1/2, 1/4", "1/2, 1/20")
claim("§5.2", "the naive penalty needs its two weights chosen well; the KL needs no choice",
      f"ELBO: KL {bound['KL']:.1f}; naive " + ", ".join(f"({n}) {bound[n]:.1f}" for n in naive) + " nats (tol 2)", "holds",
      min(bound[n] for n in ("KL", *good)) > 3 + max(bound[n] for n in naive if n not in good))
claim("§5.2", "with badly chosen weights the pictures are blurred",
      f"sharpness and mean pixel: digits {sharp_data:.2f}, {test.mean():.2f}; KL {sharp['KL']:.2f}, {light['KL']:.2f}; naive "
      + "; ".join(f"({n}) {sharp[n]:.2f}, {light[n]:.2f}" for n in ("5, 5/2", "1, 1/1000", "1/100, 1")) + " (tol 25 %)",
      "holds if both weights are too large: lopsided ones give sharp or dark pictures that are no digits",
      sharp["5, 5/2"] < 0.8 * sharp["KL"] and abs(light["5, 5/2"] - test.mean()) < 0.05 and sharp["1, 1/1000"] > 1.5 * sharp_data
      and light["1/100, 1"] < 0.7 * test.mean() and max(real["1, 1/1000"], real["1/100, 1"]) < 0.05)

# %% [markdown]
# ## Uniform distributions
# **(c)** log 2 one way: on all of [0, 1] the ratio of the densities is 2. Infinite the other way: the prior has mass where q
# has none. The essay looks at the second case only. As long as q stays inside the prior, the KL is the log of how much
# narrower it is, finite and with a gradient. (With a *normal* prior any uniform q is allowed, eq. (8.17): the Gaussian's
# KL plus 0.176.) Nor does the KL term win at once: the last row of the table above is a VAE with uniform q and prior.

# %%
def kl_uniform(a, b, c, d):
    return np.log((d - c) / (b - a)) if c <= a and b <= d else np.inf  # eq. (8.15)


print("\nKL in nats, uniform from uniform:")
for pair in ((0, 1, -1, 1), (-1, 1, 0, 1), (-0.3, 0.4, -1, 1), (-0.3, 1.2, -1, 1)):
    print("  of U({:g}, {:g}) from U({:g}, {:g}):".format(*pair).ljust(34), f"{kl_uniform(*pair):.4f}")
print("of a uniform from N(0, 1), by quadrature, less the KL of the Gaussian with the same mean and standard deviation:")
extra = []
for mean, std in ((0, 1), (1.5, 0.6), (-1, 0.1)):
    z, dz = np.linspace(mean - 3**0.5 * std, mean + 3**0.5 * std, 100_001, retstep=True)
    q = 1 / (12**0.5 * std)
    kl = np.sum(q * (np.log(q) - log_normal(z, 0, 1))[:-1] + np.diff(-q * log_normal(z, 0, 1)) / 2) * dz  # trapezoids
    extra.append(kl - mv.gaussian_kl(np.array([mean]), 2 * np.log([std])))
    print(f"  mean {mean:g}, standard deviation {std:g}:".ljust(34), f"{kl:.4f} less {kl - extra[-1]:.4f} is {extra[-1]:.4f}")
assert np.allclose(extra, 0.5 * np.log(2 * np.pi * np.e / 12), atol=1e-8)  # eq. (8.17)
claim("§6.1", "two different uniform distributions have an infinite KL, so a VAE with uniform q fails",
      f"KL(U(0, 1), U(-1, 1)) = {kl_uniform(0, 1, -1, 1):.2f} nats; VAE with uniform q and prior: ELBO {bound['uniform q']:.1f} "
      f"(Gaussian {bound['KL']:.1f}), KL {found['uniform q'][1]:.1f} (tol 2.5)",
      "does not hold: it is finite for q inside the prior, and such a VAE trains",
      found["uniform q"][1] > 4 and bound["uniform q"] > 4 + bound["5, 5/2"])

# %%
fig, axes = plt.subplot_mosaic("AB;CC", figsize=(9.4, 8.4), height_ratios=(1, 1.55), layout="constrained")
blue, red, green, pink = mv.plot.COLOURS[:4]
t = np.linspace(0.05, 3, 200)
axes["A"].plot(t, t - 1, "--", color=red, label="t - 1")
axes["A"].plot(t, np.log(t), color=blue, label="log t")
axes["A"].fill_between(t, np.log(t), t - 1, color="0.85", label="the summand t - 1 - log t")
axes["A"].set(title="Why KL >= 0: the tangent at t = 1", xlabel="t = p/q", ylim=(-3, 2.2))
lv = np.linspace(-7, 2, 300)
for y, style, colour, name in ((np.exp(lv) - 1 - lv, "-", blue, "KL"), (lv**2 / 2, "--", red, "naive, b = 1/4"),
                               (2 * (np.exp(lv / 2) - 1 - lv / 2), "-.", green, "section 2, noise exp(s) eps")):
    axes["B"].plot(lv, y / 2, style, color=colour, label=name)
axes["B"].set(title="What each penalty charges for the noise", xlabel="logvar = log of the noise's variance",
              ylabel="nats per latent", ylim=(0, 4))
for key in "AB":
    axes[key].legend(fontsize=8)
tiles = np.pad([rows.reshape(-1, 8, 8) for rows in pictures.values()], ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
axes["C"].imshow(tiles.transpose(0, 2, 1, 3).reshape(len(tiles) * 10, -1), cmap="gray", vmin=0, vmax=1, aspect="auto")
names = ["digits", "KL", *(f"naive {n}" for n in naive), "uniform q"]
axes["C"].set(title="decoder means at z drawn from the prior, for each penalty (a, b)", xticks=[],
              yticks=10 * np.arange(len(names)) + 4.5, yticklabels=names)
figure(fig, "08_gaussian_kl")
show(args)

# %% [markdown]
# ## Your turn
# 1. In the naive penalty, keep a = 1/2 and find the best b. Does any beat the KL? Do it again with 2 latents.
# 2. Give UniformVAE a normal prior: z = mu + std sqrt(3) u with u uniform on [-1, 1], and mv.gaussian_kl + 0.1765 per
#    latent. Predict its ELBO next to the Gaussian's before you run it.
# 3. Turn the KL around: KL(N(0, 1), N(mu, s^2)). Which of the three integrals change? What would it charge for s near 0?
# 4. Compute exp(logvar) - 1 - logvar in float32 at logvar = -1e-4. What is the sign, and what does eq. (8.9) do about it?
#
# Exercises that answer back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
