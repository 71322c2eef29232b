# %%
"""Lesson 06, third part: 512 Gaussians for 1,437 digits.

For data there is no density to compare with. You will fit mixtures to digits, and ask the digits
that were not among them. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, fit_mixture, held_out, log_mixture, predict, rng
from workbench import sheet, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A picture of a digit is a point in 64 dimensions. Fit a mixture of Gaussians to 1,437 of them.
# The more components, the nearer it can come to these points. Is it nearer to what digits are
# like?
#
# **What you need:** the [first part](06_mixtures.py), and the
# [log-likelihood](GLOSSARY.md#likelihood), log P(x) in nats, larger is better: how probable the
# mixture finds x. [Held-out](GLOSSARY.md#held-out) digits are not fitted to.

# %%
seen = predict("""Of mixtures of 1, 16, 64, 256 and 512 Gaussians, which has the largest
               log-likelihood on the digits that it was fitted to?""", a="16", b="64", c="512")
unseen = predict("And which on 360 held-out digits?", a="16", b="64", c="512")

# %% [markdown]
# ## Fitted by EM
# Each component starts at some digit and is fitted by
# [eq. (6.5)](derivations/06_mixtures.md#eq-6-5), written out in the first part. Its variances may
# not fall below 1/(12 * 16²), which is the variance of rounding to 16 levels of grey. The score
# is the mean of log P(x), [eq. (6.1)](derivations/06_mixtures.md#eq-6-1).

# %%
x, y = mv.data.digits()
x = x.astype(float)
counts = (1, 16, 64, 256, 512)
FLOOR = 1 / (12 * 16**2)


def scores(K, k):
    """Mean log-likelihood of seen and unseen digits, and the means of the components."""
    train, _, test, _ = held_out(x, y, 360, k)               # (1437, 64), (360, 64)
    start = train[rng(k).permutation(len(train))[:K]]        # (K, 64)
    mixture = fit_mixture(train, start, np.full((K, 64), 0.05), steps=15, floor=FLOOR)
    return [log_mixture(part, *mixture).mean() for part in (train, test)], mixture[1]


runs = {K: [scores(K, k) for k in range(3)] for K in counts}
found = {K: np.array([pair for pair, _ in run]) for K, run in runs.items()}      # (3, 2)
print("\nMean log-likelihood of a digit in nats, three splits (smallest to largest):")
table(["Gaussians", "seen", "unseen"],
      [[K, *(spread(column, ".0f") for column in f.T)] for K, f in found.items()])

# %%
seen.answer("c", "Each component is one more way to come close to the digits that are there.")
unseen.answer("b", """With 512 there are fewer than three digits to a component. It becomes narrow
    around these three, and a new digit, which is near none of them, has next to no probability.
    It has learned the digits by heart, not what digits are like: it overfits.""")
mean = {K: f.mean(axis=0) for K, f in found.items()}
claim("§2", "512 Gaussians fitted to data are close to its distribution",
      f"digits, nats per image: 512 Gaussians {mean[512][0]:.0f} ± 8 on those they were fitted to, "
      f"{mean[512][1]:.0f} ± 15 on unseen ones, where 64 have {mean[64][1]:.0f} ± 8",
      "does not hold: fitted to 1,437 digits they overfit",
      mean[512][0] > mean[64][0] and mean[512][1] < mean[64][1] - 20)

# %%
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for i, (name, style) in enumerate((("seen", "o-"), ("unseen", "s--"))):
    ax.plot(counts, [mean[K][i] for K in counts], style, color=mv.plot.COLOURS[i], linewidth=2,
            markersize=8, label=f"{name} digits")
ax.set_xscale("log", base=2)
ax.set_xticks(counts, [str(K) for K in counts])
ax.set_title("More Gaussians know the seen digits better, and others worse", fontsize=14)
ax.set_xlabel("number of Gaussians", fontsize=13)
ax.set_ylabel("log-likelihood of a digit, nats", fontsize=13)
ax.tick_params(labelsize=12)
ax.legend(fontsize=13)
figure(fig, "06_overfit")

# %% [markdown]
# What a component looks like: the means of ten of 16, and of ten of 512. The first are blurred,
# each the mean of some 90 digits; the second are single digits, nearly.

# %%
fig, ax = plt.subplots(figsize=(8, 2), layout="constrained")
sheet(ax, [runs[16][0][1][:10], runs[512][0][1][:10]], ["of 16", "of 512"])
ax.tick_params(labelsize=13)
ax.set_title("The means of ten components", fontsize=14)
figure(fig, "06_components")
end()

# %% [markdown]
# ## Your turn
# 1. Let no variance fall below ten times the floor: `FLOOR = 10 / (12 * 16**2)`. Which column
#    moves, and for how many Gaussians?
# 2. Stop EM early, `steps=3` in place of 15. Stopping early is a known remedy for overfitting; is
#    it one here?
#
# Exercises that answer back: [ex07_em_step](exercises/ex07_em_step.py).
#
# ## What you should see
# 1. All fall, by 12 to 40 nats, for every pixel is blurred now; most the seen ones of 512. Only
#    one rises: 512 Gaussians on unseen digits, from 19 to 34. Where the variances are too small,
#    a floor helps; elsewhere it does harm.
# 2. No: 19 on unseen digits, as before. Each component starts on a digit and is narrow after
#    three steps. What overfits here is the number of components, not the time.
