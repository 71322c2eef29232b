# %%
"""Lesson 18: naive Bayes, mixtures, and what a continuous latent buys.

The essay names the families that a VAE competes with. You will fit two of them to handwritten
digits by counting, and put a VAE beside them. Takes about 20 s.
"""
from workbench import begin, claim, end, figure, predict, rng, spread, table
from workbench import rivals

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay says: the mainstream generative models are hidden Markov models, naive Bayes and
# Gaussian mixtures, and the last is the basis of the VAE. This lesson takes two of them. To
# compare all in the same unit, every pixel of our digits is made 0 or 1; a model then gives a
# *probability* to each picture, and its logarithm, in nats, on pictures it has not seen, says how
# well it explains them. (No pixel is Gaussian any more, so the mixtures here have Bernoulli
# pixels.)
#
# **What you need:** [mixtures and EM](06_mixtures.py), and
# [the decoder as an integral over z](06_integral.py). Nats: [glossary](GLOSSARY.md#nat).

# %%
labels = predict("""Naive Bayes has one component for each digit, and is told which picture is
                 which digit. A mixture of 10 components is told nothing. Which gives unseen
                 digits more probability?""",
                 a="naive Bayes, by more than half a nat", b="they are within half a nat",
                 c="the mixture, by more than half a nat")
data = predict("""A VAE with 8 latents against a mixture of 64 components. Who explains unseen
               digits better, learning from 90 pictures, and from 1,437?""",
               a="the VAE, and by more with 1,437", b="the VAE, and by more with 90",
               c="the mixture with 90, the VAE with 1,437", d="the mixture, both times")

# %% [markdown]
# ## Naive Bayes: count
# Each class c has its share of the pictures, and each of its pixels is white with a probability of
# its own, whatever the other pixels are. Then
# [eq. (18.1)](derivations/18_one_ruler.md#eq-18-1)
#
# $$ p(x) = \sum_c \pi_c \prod_d p_{cd}^{x_d} (1 - p_{cd})^{1 - x_d} $$
#
# The best parameters are shares that are counted,
# [eq. (18.3)](derivations/18_one_ruler.md#eq-18-3); half a white and half a black picture are
# added, so that no pixel is impossible.

# %%
x, y, x_test, y_test = rivals.binary_digits(0)           # (1437, 64), 0 or 1; 360 are held out
share = np.eye(10)[y]                                    # (1437, 10)  1 where it is the class


def fit(share):
    """pi (M,) and p (M, 64), if component m owns share[n, m] of picture n."""
    N_m = share.sum(axis=0)                                             # (M,)
    return N_m / N_m.sum(), (share.T @ x + 0.5) / (N_m[:, None] + 1)    # eq. (18.3)


def log_joint(x, pi, p):
    """log of pi_m p(x | m), (n, M): a sum over the pixels."""
    return np.log(pi + 1e-300) + x @ np.log(p).T + (1 - x) @ np.log(1 - p).T


def nats(x, pi, p):
    return np.logaddexp.reduce(log_joint(x, pi, p), axis=1)             # (n,)  eq. (18.1)


print(f"\nIndependent pixels (one component): {nats(x_test, *fit(np.ones((1437, 1)))).mean():.2f}")
print(f"Naive Bayes, 10 classes:            {nats(x_test, *fit(share)).mean():.2f} nats per picture")

# %% [markdown]
# ## A mixture: count, with shares that are guessed
# Without labels the shares come from Bayes' rule,
# [eq. (18.4)](derivations/18_one_ruler.md#eq-18-4), and the counting is the same,
# [eq. (18.5)](derivations/18_one_ruler.md#eq-18-5). The two take turns: that is EM. We start from
# shares at random.

# %%
share = np.eye(10)[rng(1).permutation(1437) % 10]
climb = []
for step in range(60):
    pi, p = fit(share)                                   # the M step: count
    a = log_joint(x, pi, p)                              # (1437, 10)
    share = np.exp(a - np.logaddexp.reduce(a, axis=1)[:, None])         # the E step, eq. (18.4)
    climb.append(nats(x, pi, p).sum() + 0.5 * np.log(p * (1 - p)).sum())   # with what is added
print(f"\nEM, 60 steps: the smallest step up is {np.diff(climb).min():.1e}: it never falls")
print(f"A mixture of 10, no labels:         {nats(x_test, pi, p).mean():.2f} nats per picture")

# %%
bayes, ten = [], []
for k in range(5):                                       # five splits, each with its own start
    x_k, y_k, test_k, _ = rivals.binary_digits(k)
    bayes.append(rivals.naive_bayes(x_k, y_k).log_prob(test_k).mean())
    ten.append(rivals.bernoulli_mixture(x_k, 10, rng(k, 1)).log_prob(test_k).mean())
print("\nNats per unseen picture, mean of five splits (smallest to largest):")
table(["", "nats"], [["naive Bayes", spread(bayes)], ["mixture of 10", spread(ten)]])
labels.answer("b", """Naive Bayes is a mixture; only its shares are given. A label is a good
    division of the pictures, but no better for nats than the one EM finds: to explain pixels it
    may be worth more to part two ways of writing a 1 than a 3 from an 8.""")
claim("§2", "HMM, naive Bayes and GMM are three families",
      f"naive Bayes {np.mean(bayes):.2f} ± 0.25, a mixture of 10 without labels "
      f"{np.mean(ten):.2f} ± 0.25 nats per picture, by one function that counts shares",
      "does not hold: naive Bayes is a mixture whose components are given by labels",
      abs(np.mean(bayes) - np.mean(ten)) < 0.5 and np.diff(climb).min() > -1e-6)

# %% [markdown]
# ## A VAE as a mixture
# The VAE's density is an integral over z,
# [eq. (18.13)](derivations/18_one_ruler.md#eq-18-13). With 2 latents a grid does it: each grid
# point is a component, with weight p(z) dz and pixels decoded from z. So we can *make* the mixture
# from the decoder. How many components is a VAE?

# %%
vae = rivals.vae(x, 0)                                   # 2 latents, hidden layers of 128 and 128
exact = vae.log_prob(x_test)                             # (360,) a grid of 160 x 160
rows, off = [], {}
for side in (4, 8, 16, 32):
    coarse = rivals.Decoder(vae.decode, 0, side=side, reach=3.5)
    table_of_means = rivals.Mixture(np.exp(coarse.log_share), 1 / (1 + np.exp(-coarse.grid)))
    off[side] = exact.mean() - table_of_means.log_prob(x_test).mean()
    rows.append([f"{side} x {side}", table_of_means.parameters, f"{off[side]:.3f}"])
print(f"\nThe VAE: {exact.mean():.2f} nats, with {vae.parameters} parameters in its decoder")
table(["mixture made of it", "parameters", "nats lost"], rows)
claim("§2", "the VAE's basis is the mixture model",
      f"a mixture of 1,024 components made from the decoder loses {off[32]:.3f} ± 0.08 nats",
      "holds as algebra: the integral over z is a mixture; the components share one function",
      abs(off[32]) < 0.1 and off[8] > 0.1)

# %% [markdown]
# ## What the function buys
# A row of the table learns from its own pictures only, a function learns from all of them. So it
# should need less data. Three runs, each with its own split and seeds. (With 8 latents there is no
# grid: the bound of [eq. (15.2)](derivations/15_likelihood.md#eq-15-2) is at most log p(x), so the
# VAE is never flattered.)

# %%
SIZES = (90, 360, 1437)
families = {"mixture of 16": lambda x, k: rivals.bernoulli_mixture(x, 16, rng(k, 2)),
            "mixture of 64": lambda x, k: rivals.bernoulli_mixture(x, 64, rng(k, 2)),
            "VAE, 8 latents": lambda x, k: rivals.vae(x, k, 8, hidden=(128,))}
found, small = {name: [] for name in families}, []
for k in range(3):
    x_k, _, test_k, _ = rivals.binary_digits(k)
    for name, family in families.items():
        found[name].append([family(x_k[:N], k).log_prob(test_k).mean() for N in SIZES])
    tiny = rivals.vae(x_k, k, 8, hidden=(13,), epochs=300)
    small.append(tiny.log_prob(test_k).mean())
found = {name: np.array(values) for name, values in found.items()}                     # (3, 3)
print("\nNats per unseen picture, mean of three runs (smallest to largest), learnt from")
table(["", *SIZES], [[name, *map(spread, values.T)] for name, values in found.items()])
print(f"A VAE with {tiny.parameters} parameters in its decoder, from 1,437: {spread(small)}")
print(f"The mixture of 16 has {16 * 65 - 1} parameters")

# %%
best = np.maximum(found["mixture of 16"], found["mixture of 64"])
ahead = (found["VAE, 8 latents"] - best).mean(axis=0)
equal = (np.array(small) - found["mixture of 16"][:, 2]).mean()
fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
for name, mark, colour in zip(found, "osD", mv.plot.COLOURS):
    ax.plot(SIZES, found[name].mean(axis=0), f"-{mark}", color=colour, lw=2.5, ms=9, label=name)
    ax.plot(SIZES, found[name].T, ".", color=colour, ms=6)
ax.set_xscale("log")
ax.set_xticks(SIZES, [f"{N:,}" for N in SIZES], fontsize=14)
ax.minorticks_off()
ax.tick_params(labelsize=14)
ax.set_xlabel("training pictures", fontsize=15)
ax.set_ylabel("nats per unseen picture", fontsize=15)
ax.set_title("One function for all components needs less data", fontsize=15)
ax.legend(fontsize=14, loc="lower right")
figure(fig, "18_mixtures")

# %%
data.answer("b", f"""From 90 pictures the VAE is {ahead[0]:.1f} nats ahead of the better mixture,
    from 1,437 it is {ahead[2]:.1f}. A component of the table that owns two pictures knows little;
    what the decoder learns of strokes from one picture serves for all.""")
claim("-", "a continuous latent explains unseen data better than a table of components",
      f"8 latents ahead of the better mixture by {ahead[0]:.1f} ± 0.7 nats from 90 pictures, "
      f"{ahead[1]:.1f} ± 0.5 from 360, {ahead[2]:.1f} ± 0.35 from 1,437",
      "holds, and most where data are few", ahead.min() > 0.3 and ahead[0] > ahead[2] + 0.4)
claim("-", "a continuous latent needs fewer parameters for it",
      f"about 1,000 parameters each, 1,437 pictures: the VAE differs from a mixture of 16 by "
      f"{equal:.1f} ± 0.4 nats", "does not hold here: as many parameters, about as many nats",
      abs(equal) < 0.5)
end()

# %% [markdown]
# ## Your turn
# 1. Give EM 64 components: `share = np.eye(64)[rng(1).permutation(1437) % 64]`. A component then
#    owns 22 pictures. Is that too few? Predict the nats.
# 2. Start EM from the labels: `share = np.eye(10)[y]` in place of the random shares. Does it stay
#    with the digits, and is it better?
#
# ## What you should see
# 1. It is not: -18.0 nats. The components are averages of a few pictures each, and half a white and
#    half a black picture keep them modest. (The line still says 'a mixture of 10'.)
# 2. It leaves them, since EM knows nothing of digits, and ends at -19.97: neither better nor worse
#    than from a random start. Classes are one good division of the pictures among many.
