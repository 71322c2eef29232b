# %%
"""Lesson 12: the mixture of all posteriors, which is what the decoder knows.

Measures how far the codes of all images, taken together, are from the prior: exactly, in nats, beside the moments and
histograms that look fine; and what the decoder draws where the prior has a hole under it. Ends with the decoder that is
given images with codes drawn from the prior. Takes about 20 s; needs nothing but minivae.
"""

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show
from minivae import evaluate

args = arguments(__doc__)

# %% [markdown]
# ## The question
# A VAE draws a new image by decoding z ~ N(0, I), but its decoder was only ever shown codes of images. The essay's eq. (2)
# says that the two are the same, because every q(z given x) is pulled towards N(0, I). Are they?
#
# **Predict.** Eight latents, well trained: each latent, over all images, has mean 0 and variance 1 and a bell-shaped
# histogram. What share of the draws from N(0, I) falls where hardly any image has its code: 1 %, 10 %, 60 %?
#
# Derivation: the mixture q(z) is [eq. (12.1)](derivations/12_aggregate_posterior.md#eq-12-1), the essay's argument
# [eq. (12.2)](derivations/12_aggregate_posterior.md#eq-12-2), and the split that is measured below [eq. (12.4)](derivations/12_aggregate_posterior.md#eq-12-4):
#
#     mean KL of the single posteriors = I, what a code tells about its image + KL(q(z), prior)

# %%
x, y = mv.data.digits()
order = np.random.default_rng(0).permutation(len(x))
train, test = x[order[:1437]], x[order[1437:]]
SEEDS, normal = (0, 1, 2), NormalDist()
GAUSSIAN = {"likelihood": "gaussian", "decoder_logvar": np.log(0.05)}
VARIANTS = {"2 latents, Bernoulli": (2, {}, 1.0), "8 latents, Gaussian": (8, GAUSSIAN, 1.0),
            "the same, beta 64": (8, GAUSSIAN, 64.0), "the same, no KL": (8, GAUSSIAN, 0.0)}


def posteriors(model, x):
    with mv.no_grad():
        return [t.data.astype(float) for t in model.encode(x)]


def log_ratio(model, z):
    """log q(z)/p(z) at each row of z: how much more often the decoder was shown this place than the prior asks for it."""
    mu, logvar = posteriors(model, train)
    out = []
    for part in np.array_split(z, max(1, len(z) // 50)):
        away = (part[:, None] - mu) / np.exp(logvar / 2)
        out.append(evaluate.log_mean_exp(-0.5 * np.sum(away**2 + logvar, axis=2).T) + 0.5 * (part**2).sum(1))
    return np.concatenate(out)


def moments_kl(model):
    """KL from the prior of the Gaussian with the mean and covariance of q(z): all that moments can see, eq. (12.7)."""
    mu, logvar = posteriors(model, train)
    S = np.cov(mu.T, bias=True) + np.diag(np.exp(logvar).mean(0))                               # eq. (12.3)
    return 0.5 * (np.trace(S) + (mu.mean(0) ** 2).sum() - len(S) - np.linalg.slogdet(S)[1])     # eq. (8.18)


def kolmogorov_smirnov(codes):
    """The largest distance of any latent's distribution function from that of N(0, 1)."""
    n, gaps = len(codes), []
    for latent in np.sort(codes, axis=0).T:
        wanted = np.array([normal.cdf(v) for v in latent])
        gaps.append(max(np.abs(wanted - np.arange(n) / n).max(), np.abs(wanted - np.arange(1, n + 1) / n).max()))
    return max(gaps)


def is_real(images, threshold=1.25):
    """Whether each image is near some training image (pixels in [0, 1])."""
    square = (images**2).sum(1)[:, None] - 2 * images @ train.T + (train**2).sum(1)
    return square.min(1) < threshold**2


# %% [markdown]
# ## The split
# `evaluate.aggregated_posterior` gives its three numbers. A place is called a **hole** if q(z) has less than a tenth of the
# prior's density there.

# %%
found, kept = {}, {}
for name, (latents, settings, beta) in VARIANTS.items():
    for seed in SEEDS:
        model = mv.VAE(64, (50,), latents, activation="tanh", rng=np.random.default_rng(seed), **settings)
        rng = np.random.default_rng(seed + 10)
        finished(mv.fit(model, train, epochs=60, batch_size=100, lr=3e-3, rng=rng, beta=beta))
        q = evaluate.aggregated_posterior(model, train, rng, n_samples=2)
        mu, logvar = posteriors(model, test)
        held_out = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape))
        prior = rng.standard_normal((500, latents))
        with mv.no_grad():
            decoded = model.decode(prior)
        images = 1 / (1 + np.exp(-decoded.data)) if "Bernoulli" in name else decoded[0].data
        mu, logvar = posteriors(model, train)
        codes = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape))
        ratio, held_out_ratio = log_ratio(model, prior), log_ratio(model, held_out)
        hole, real = ratio < np.log(0.1), is_real(images)
        found.setdefault(name, []).append({
            "kl": q.kl, "I": q.mutual_information, "marginal": q.marginal_kl, "mean": np.abs(q.mean).max(),
            "variance": np.abs(q.variance - 1).max(), "moments": moments_kl(model), "ks": kolmogorov_smirnov(codes),
            "holes": hole.mean(), "held out": (held_out_ratio < np.log(0.1)).mean(), "real": real.mean(),
            "real in holes": real[hole].mean() if hole.any() else np.nan,
            "real elsewhere": real[~hole].mean() if not hole.all() else np.nan,
            "from mean": np.sqrt(((model.reconstruct(test) - train.mean(0)) ** 2).mean())})
        kept.setdefault(name, (model, codes, images, hole, ratio, held_out_ratio))


def table(heading, columns):
    print(f"\n{heading}, mean (and spread, largest - smallest) of {len(SEEDS)} seeds")
    print(" " * 24 + "".join(f"{column:>17}" for column in columns.values()))
    for name, rows in found.items():
        cells = [[row[key] for row in rows] for key in columns]
        print(f"   {name:21}" + "".join("-".rjust(17) if np.isnan(c).any() else f"{np.mean(c):10.2f} ({np.ptp(c):.2f})"
                                        for c in cells))


table("1. The split, in nats", {"kl": "mean KL", "I": "= I", "marginal": "+ KL(q(z), p)"})
print("With beta 64 every posterior is the prior, as the essay's eq. (2) supposes: then I = 0 and nothing is known of x.\n"
      f"I is at most log {len(train)} = {np.log(len(train)):.2f}, eq. (12.5): without the KL a code names its image outright.")
table("2. What looks fine: moments and single latents",
      {"mean": "abs mean", "variance": "abs variance - 1", "ks": "KS distance", "moments": "moments, nats",
       "marginal": "all, nats"})
print("The first three are of single latents, the worst one each. 'moments, nats' is the part of KL(q(z), p), 'all', that\n"
      "mean and covariance show, eq. (12.7). From two latents to eight the first three about double; the gap grows far more.")
table("3. Prior draws that fall into holes, and what is decoded there (shares)",
      {"holes": "in holes", "held out": "held-out codes", "real": "real draws", "real in holes": "real: in holes",
       "real elsewhere": "real: elsewhere"})
print(f"'real': within 1.25 of a training image, as {is_real(test).mean():.2f} of held-out digits are. With the KL in the loss, the\n"
      "codes of held-out digits hardly ever fall into holes: these are empty of digits, not just of training digits.")

# %% [markdown]
# ## The wrong pairing
# Why not simply draw z from the prior, pair it with an image, and train the decoder on the pair? The essay's section 5.1
# says that we cannot know which image belongs to the draw. Here it is done.

# %%
class WrongPairing(mv.VAE):
    def encode(self, x):
        """N(0, I) whatever x is: z is a draw from the prior, and the KL is 0."""
        zeros = mv.Tensor(np.zeros((len(x), self.latent_dim), self.dtype))
        return zeros, zeros


pairs = []
for seed in SEEDS:
    model = WrongPairing(64, (50,), 8, activation="tanh", rng=np.random.default_rng(seed), **GAUSSIAN)
    optimizer, rng = mv.Adam(model.decoder.parameters(), lr=3e-3), np.random.default_rng(seed + 10)
    for lr, epochs in ((3e-3, 30), (3e-4, 15)):
        optimizer.lr = lr
        finished(mv.fit(model, train, epochs=epochs, batch_size=100, rng=rng, optimizer=optimizer))
    drawn = model.sample(500, rng)
    pairs.append((np.sqrt(((drawn - train.mean(0)) ** 2).mean()), np.sqrt(((train - train.mean(0)) ** 2).mean())))
wrong, data = np.mean(pairs, axis=0)
print("\n4. Wrong pairing: root mean square distance from the mean image, per pixel:\n"
      f"   decoded draws {wrong:.3f}, digits {data:.3f}")
print("The decoder learned the mean image, eq. (10.12): over all z it is shown the same mixture of images.")

# %% [markdown]
# ## Claim -> verdict

# %%
two, eight, collapsed, free = ({key: np.mean([row[key] for row in rows]) for key in rows[0]} for rows in found.values())
above = sum(row["marginal"] > 10 for row in found["the same, no KL"])
claim("§5.2", "if every posterior is N(0, I), their mixture is N(0, I), too",
      f"beta 64: KL(q(z), p) {collapsed['marginal']:.3f}, I {collapsed['I']:.3f} nats; reconstructions "
      f"{collapsed['from mean']:.3f} from the mean image, digits {data:.2f} (tol 0.02)",
      "holds: and then a code says nothing about its image",
      abs(collapsed["marginal"]) < 0.02 and abs(collapsed["I"]) < 0.02 and collapsed["from mean"] < 0.1 * data)
claim("§6", "posteriors that keep information about x still mix to N(0, I), nearly",
      f"two latents: I {two['I']:.2f}, KL(q(z), p) {two['marginal']:.2f} nats; eight: {eight['I']:.2f} and "
      f"{eight['marginal']:.2f} (tol 0.2)", "holds if the code is small: with two latents, not with eight",
      two["marginal"] < 0.1 * two["I"] and eight["marginal"] > 0.3 * eight["I"])
claim("-", "moments and histograms of single latents show how far q(z) is from the prior",
      f"two latents: KS distance {two['ks']:.2f}, KL(q(z), p) {two['marginal']:.2f} nats; eight: {eight['ks']:.2f}, "
      f"{eight['marginal']:.2f} nats, of which moments show {eight['moments']:.2f} (tol 0.2)",
      "does not hold: the gap is in several latents at once",
      eight["ks"] < 0.2 and eight["moments"] < 0.15 * eight["marginal"] and eight["marginal"] > 10 * two["marginal"])
claim("§5.2", "so one may safely decode draws from N(0, I)",
      f"eight latents: {eight['holes']:.2f} of the draws in holes (held-out codes {eight['held out']:.2f}); real images there "
      f"{eight['real in holes']:.2f}, elsewhere {eight['real elsewhere']:.2f} (tol 0.12)",
      "holds if the draw does not fall into a hole: with eight latents most do",
      eight["holes"] > 0.5 and eight["held out"] < 0.1 and eight["real in holes"] < 0.5 * eight["real elsewhere"])
claim("§5.1", "that p(z) is N(0, I) is not important; that q(z given x) is normal is",
      f"p(z) left out of the loss: KL(q(z), p) above ten nats in {above} of {len(SEEDS)} runs; real draws {free['real']:.2f} "
      f"instead of {eight['real']:.2f} (tol 0.08)",
      "does not hold: p(z) stands in the KL, and without it draws from it decode to junk",
      free["marginal"] > 10 and free["real"] < 0.5 * eight["real"])
claim("§5.1", "images paired with draws from the prior teach the decoder nothing",
      f"decoded draws {wrong:.3f} from the mean image per pixel, digits {data:.3f} (tol 0.01)",
      "holds: it learns the mean image", wrong < 0.1 * data)

# %%
fig = plt.figure(figsize=(12.5, 6), layout="constrained")
top, bottom = fig.subfigures(2, 1, height_ratios=(2, 1))
axes = top.subplots(1, 3)
colours = mv.plot.COLOURS
model, codes, *_ = kept["2 latents, Bernoulli"]
grid = np.linspace(-3.3, 3.3, 80)
z = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
density = np.exp(log_ratio(model, z) - 0.5 * (z**2).sum(1)) / (2 * np.pi)
axes[0].pcolormesh(grid, grid, density.reshape(80, 80), cmap="Blues", shading="nearest")
for radius in (1, 2, 3):
    axes[0].add_patch(plt.Circle((0, 0), radius, fill=False, color=colours[1], linestyle="--"))
axes[0].set(title="q(z), two latents; dashed: prior at 1, 2, 3 sd", xlabel="latent 0", ylabel="latent 1", aspect="equal")
model, codes, images, hole, ratio, held_out_ratio = kept["8 latents, Gaussian"]
bins = np.linspace(-3.5, 3.5, 36)
for j, latent in enumerate(codes.T):
    axes[1].hist(latent, bins, density=True, histtype="step", color=colours[0], label="eight latents" if j == 0 else None)
axes[1].plot(bins, np.exp(-0.5 * bins**2) / np.sqrt(2 * np.pi), color=colours[1], lw=2.5, ls="--", label="N(0, 1)")
axes[1].set(title="codes, one latent at a time", xlabel="z_j", ylabel="density")
bins = np.linspace(-25, 10, 36)
axes[2].hist(held_out_ratio, bins, density=True, color=colours[0], alpha=0.6, label="codes of held-out digits")
axes[2].hist(ratio, bins, density=True, histtype="step", lw=2, color=colours[1], label="draws from the prior")
axes[2].axvline(np.log(0.1), color="0.3", ls=":", label="below: holes")
axes[2].set(title="eight latents together", xlabel="log q(z)/p(z), nats", ylabel="density")
for ax in axes[1:]:
    ax.legend(fontsize=9)
sheets = {"decoded draws outside the holes": images[~hole], "decoded draws in holes": images[hole],
          "wrong pairing; last: the mean image": np.concatenate([drawn[:23], [train.mean(0)]])}
for ax, (title, pictures) in zip(bottom.subplots(1, 3), sheets.items()):
    cells = np.pad(pictures[:24].reshape(3, 8, 8, 8), ((0, 0), (0, 0), (1, 0), (1, 0)), constant_values=0.5)
    ax.imshow(cells.transpose(0, 2, 1, 3).reshape(27, 72), cmap="gray", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])
figure(fig, "12_aggregate_posterior")

# %% [markdown]
# ## Why
# The loss holds the *sum* I + KL(q(z), p). Information pays for itself in the reconstruction. The second part buys nothing,
# but bells as narrow as the decoder wants them (lesson 11) leave gaps, and the more latents, the more room there is between
# them. Some of it cannot be helped: the mean KL with eight latents is more than log 1437, the most that I can be, so the
# difference is a gap, wherever the encoder puts its bells. Moments do not see gaps: a hollow sphere and a full bell may
# agree in them. And what generation needs is that the *mixture* is the prior; no single posterior has to be.
#
# ## Your turn
# 1. Give the Gaussian model 16 latents. Predict I (it has a ceiling), KL(q(z), p) and the share of holes, then run.
# 2. Draw z from q(z) instead of N(0, I): take a training image's posterior at random. How many decoded draws are real now,
#    and what have you given up? (Lesson 4 fits a Gaussian to the codes; by 'moments' above, how much can that help here?)
# 3. Train on moons (`mv.data.moons`) with one latent. Which code of the phase makes q(z) = N(0, 1)? See
#    [eq. (12.8)](derivations/12_aggregate_posterior.md#eq-12-8); plot mu against it.
# 4. In `WrongPairing` let z depend on x a little: mu = ten times the mean of its pixels. What does the decoder learn now?

# %%
show(args)
