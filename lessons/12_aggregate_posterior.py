# %%
"""Lesson 12: all posteriors together.

You encode all pictures, throw their codes together, and measure how far the heap is from the
prior: exactly, and as one usually looks at it. Takes about 8 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import distance_from_prior, held_out, posteriors, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A VAE draws a new picture by decoding z from N(0, I), the [prior](GLOSSARY.md#prior). But its
# decoder was only ever shown codes of pictures, from q(z given x). All these together are the
# [aggregate posterior](GLOSSARY.md#aggregate),
# [eq. (12.1)](derivations/12_aggregate_posterior.md#eq-12-1):
#
# $$ q(z) = \frac{1}{N} \sum_{n=1}^{N} q(z \mid x_n) $$
#
# The essay's equation (2) says that q(z) is the prior, since every q(z given x) is pulled there.
#
# **What you need:** the [VAE](10_vae.py) and its [KL](GLOSSARY.md#kl).

# %%
nats = predict("""A VAE with 8 latents. Each latent, looked at alone over all pictures, has mean 0,
               variance 1 and a bell-shaped histogram. KL(q(z), prior), of all 8 together, is""",
               a="below 0.1 nats", b="about 0.5 nats", c="2 nats or more")
equal = predict("""Now press every q(z given x) onto N(0, I), with a KL that weighs 64 times as
                much. Then q(z) is the prior. What does a code still tell about its picture?""",
                a="as much as before", b="about half as much", c="nothing")

# %% [markdown]
# ## The split
# The mean KL of the single posteriors has two parts,
# [eq. (12.4)](derivations/12_aggregate_posterior.md#eq-12-4): what a code tells about which
# picture it came from, I, and how far the heap is from the prior,
#
# $$
# \frac{1}{N} \sum_n \mathrm{KL}(q(z \mid x_n) \Vert p(z))
#    = I + \mathrm{KL}(q(z) \Vert p(z)), \qquad I \le \log N
# $$
#
# `mv.evaluate.aggregated_posterior` ([minivae/evaluate.py](../minivae/evaluate.py)) gives all
# three. For two small posteriors it can be done by hand, with 100,000 draws:

# %%
mu, std = np.array([-1.0, 1.0]), np.array([0.5, 0.5])                 # two pictures, one latent
n = rng(0).integers(0, 2, 100_000)                                    # which picture
z = mu[n] + std[n] * rng(1).standard_normal(len(n))                   # (100000,), from q(z)
log_q = -0.5 * ((z[:, None] - mu) / std) ** 2 - np.log(std)           # (100000, 2), log q(z | x_n)
log_heap = np.log(np.exp(log_q).mean(axis=1))                         # (100000,)      eq. (12.1)
log_prior = -0.5 * z**2                                               # (log sqrt 2 pi left out)
own = log_q[np.arange(len(z)), n]                                     # log q(z | its own x)
print("Two posteriors, N(-1, 0.25) and N(1, 0.25), in nats:")
print(f"  mean KL {np.mean(own - log_prior):.3f} = I {np.mean(own - log_heap):.3f} "
      f"+ KL(q(z), p) {np.mean(log_heap - log_prior):.3f};  I is at most log 2 = {np.log(2):.3f}")

# %% [markdown]
# ## Four models
# KL(q(z), p) is a gap that nobody wanted. What would one see of it who looks at the usual things?
# Mean and covariance account for a part of it that is known exactly,
# [eq. (12.7)](derivations/12_aggregate_posterior.md#eq-12-7). And of every latent alone the heap
# is a mixture in one dimension, so its own KL from N(0, 1) is a sum over a grid.

# %%
def latents_alone(model, x):
    """The sum over the latents of KL(q(z_j), N(0, 1)), each latent looked at alone."""
    grid = np.linspace(-6, 6, 601)
    log_prior = -0.5 * (grid**2 + np.log(2 * np.pi))
    total = 0
    for mu, logvar in zip(*(t.T for t in posteriors(model, x))):      # (N,) each
        off = (grid[:, None] - mu) / np.exp(logvar / 2)               # (601, N)
        q = np.exp(-0.5 * (off**2 + logvar + np.log(2 * np.pi))).mean(axis=1)            # (601,)
        total += np.sum(q * (np.log(q) - log_prior)) * (grid[1] - grid[0])
    return total


# %%
x, y = mv.data.digits()
GAUSSIAN = {"likelihood": "gaussian", "decoder_logvar": np.log(0.05)}
VARIANTS = {"2 latents, Bernoulli": (2, {}, 1), "2 latents": (2, GAUSSIAN, 1),
            "8 latents": (8, GAUSSIAN, 1), "8 latents, beta 64": (8, GAUSSIAN, 64)}
found, from_mean, last = {}, [], {}
for name, (latents, options, beta) in VARIANTS.items():
    for k in range(4):
        train, _, test, _ = held_out(x, y, 360, k)
        model = trained(mv.VAE, train, k, epochs=60, beta=beta, hidden_dims=(50,),
                        latent_dim=latents, activation="tanh", **options)
        q = mv.evaluate.aggregated_posterior(model, train, rng(k, 2), n_samples=2)
        alone, moments = latents_alone(model, train), distance_from_prior(model, train)
        row = q.kl, q.mutual_information, q.marginal_kl, alone, moments
        found.setdefault(name, []).append(row)
    last[name] = model
    off = model.reconstruct(test) - train.mean(axis=0), test - train.mean(axis=0)
    from_mean.append([np.sqrt(np.mean(d**2)) for d in off])

# %%
found = {name: np.array(rows) for name, rows in found.items()}        # (4, 5)
print("\nMean of four runs, nats (smallest to largest in the third column):")
table(["", "mean KL", "I", "KL(q(z), p)", "single latents see", "mean and covariance see"],
      [[name, f"{m[0]:.2f}", f"{m[1]:.2f}", spread(rows[:, 2]), f"{m[3]:.2f}", f"{m[4]:.2f}"]
       for name, rows in found.items() for m in [rows.mean(axis=0)]])

# %%
small, two, eight, flat = (rows.mean(axis=0) for rows in found.values())     # (5,) each
near, digits = from_mean[-1]
nats.answer("c", f"""It is {eight[2]:.1f}. Each latent alone looks nearly normal; but the bells of
    the pictures leave gaps between them that lie in several latents at once.""")
equal.answer("c", """If every picture has the same q(z given x), its code says nothing of it. The
    essay's premise makes I = 0, and then the VAE draws one mean picture for all.""")
claim("§5.2", "if every posterior is N(0, I), their mixture is N(0, I), too",
      f"beta 64: KL(q(z), p) {abs(flat[2]):.3f} ± 0.01, I {abs(flat[1]):.3f} ± 0.01 nats; "
      f"reconstructions {near:.3f} ± 0.01 from the mean image, digits {digits:.2f} ± 0.02",
      "holds: and then a code says nothing about its image",
      abs(flat[2]) < 0.02 and abs(flat[1]) < 0.02 and near < 0.1 * digits)
claim("§6", "posteriors that keep information about x still mix to N(0, I), nearly",
      f"two latents, Bernoulli: I {small[1]:.2f} ± 0.12, KL(q(z), p) {small[2]:.2f} ± 0.05 nats; "
      f"Gaussian: {two[1]:.2f} ± 0.4 and {two[2]:.2f} ± 0.12; eight: {eight[1]:.2f} ± 0.15 and "
      f"{eight[2]:.2f} ± 0.3", "holds if the code is small: with two latents, not with eight",
      small[2] < 0.1 * small[1] and two[2] < 0.2 * two[1] and eight[2] > 0.3 * eight[1])
claim("-", "moments and histograms of single latents show how far q(z) is from the prior",
      f"eight latents: KL(q(z), p) {eight[2]:.2f} ± 0.3 nats, of which single latents show "
      f"{eight[3]:.2f} ± 0.08 and moments {eight[4]:.2f} ± 0.08",
      "does not hold: the gap is in several latents at once",
      max(eight[3], eight[4]) < 0.15 * eight[2])

# %%
mu, logvar = posteriors(last["8 latents"], train)
codes = mu + np.exp(logvar / 2) * rng(5).standard_normal(mu.shape)    # (1437, 8)
bins = np.linspace(-3.5, 3.5, 29)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for latent in codes.T:
    left.hist(latent, bins, density=True, histtype="step", color=mv.plot.COLOURS[0])
left.plot(bins, np.exp(-0.5 * bins**2) / np.sqrt(2 * np.pi), "--", color=mv.plot.COLOURS[1],
          linewidth=3, label="prior N(0, 1)")
left.legend(fontsize=12)
left.set_title("Eight latents, one at a time: fine", fontsize=15)
seen = ["single\nlatents", "mean and\ncovariance", "all there is"]
bars = right.bar(seen, eight[[3, 4, 2]], color=mv.plot.COLOURS[:3])
right.bar_label(bars, fmt="%.2f", fontsize=13)
right.set_ylabel("distance from the prior seen, nats", fontsize=13)
right.set_title("All together: not", fontsize=15)
right.margins(y=0.15)
figure(fig, "12_aggregate_posterior", width=520)
end()

# %% [markdown]
# ## Why
# The loss holds the *sum* I + KL(q(z), p). Information pays for itself in the reconstruction; the
# gap buys nothing, but narrow bells leave room between them. Some of it cannot be helped: with
# eight latents the mean KL is above log 1437 = 7.27, the most that I can be
# ([eq. (12.5)](derivations/12_aggregate_posterior.md#eq-12-5)).
#
# ## Your turn
# 1. Move the two posteriors by hand to -3 and 3. Which part of the split grows, and which cannot?
# 2. Use 16 latents: `"8 latents": (16, GAUSSIAN, 1)`. Predict I and the gap.
#
# An exercise that answers back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. The gap: from 0.19 to 4.13 nats. I rises from 0.63 to 0.693 = log 2, and no further: a code
#    can at most name its picture.
# 2. I grows by a third of a nat, to 6.05, as it has a ceiling. The gap grows by one nat, to 3.60,
#    and single latents see even less of it, 0.15.
