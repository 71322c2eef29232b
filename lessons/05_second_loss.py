# %%
"""Lesson 05, third part: the second loss, by algebra.

The essay writes the VAE's second loss without its derivation and calls it minus the KL. You
compare the two, and find out what a wrong formula would do. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay's section 1 makes a noisy code from a mean m and a number s: code = m + exp(s) ·
# noise, with exp so that the noise's weight is positive. To keep the noise from being trained
# away it adds a second loss, and section 2 says that this is exactly -KL(q, p), for q the
# Gaussian of the noisy code and p = N(0, I):
#
# $$ \sum ( e^{s} - (1 + s) + m^2 ) $$
#
# (The essay's letter for s is σ. Here σ is the standard deviation and nothing else.) Is it the
# KL?
#
# **What you need:** the [first part](05_noise.py), and the [KL](GLOSSARY.md#kl) of a Gaussian,
# which [lesson 08](08_gaussian_kl.py) derives; here it is only used.

# %%
same = predict("""The KL is 0 where q = p and positive elsewhere. Of the essay's sum you know that
               e^s is never below 1 + s. What can the sum be?""",
               a="the KL, or a positive multiple", b="minus the KL", c="either")
trained = predict("""Somebody trains a VAE with twice the KL in place of the KL, by a slip. How much
                  noisier can the codes become that the training settles on?""",
                  a="up to 1.4 times", b="exactly 2 times", c="up to 10 times")

# %% [markdown]
# ## Two readings of s
# For one latent, with variance σ² ([eq. (8.4)](derivations/08_gaussian_kl.md#eq-8-4)),
#
# $$ \mathrm{KL} = \tfrac12 ( m^2 + \sigma^2 - \log\sigma^2 - 1 ) $$
#
# `gaussian_kl` in [minivae/vae_ops.py](../minivae/vae_ops.py) takes m and log σ². Now s can be
# two things. Section 2 fits if s is the log *variance*: σ² = exp(s), and the noise has the weight
# exp(s/2). But section 1 gives it the weight exp(s): then s is the log of the *standard
# deviation*, and log σ² = 2s, [eq. (5.6)](derivations/05_noise.md#eq-5-6).

# %%
s, m = np.meshgrid(np.linspace(-2, 2, 81), np.linspace(-2, 2, 81))          # (81, 81) each
essay = np.exp(s) - (1 + s) + m**2                                          # (81, 81)
log_variance = mv.gaussian_kl(m[..., None], s[..., None])                   # (81, 81)  eq. (8.4)
log_std = mv.gaussian_kl(m[..., None], 2 * s[..., None])                    # (81, 81)  eq. (8.4)

print("\nThe essay's sum, and the KL for either reading of s, at some m and s:")
table(["m", "s", "essay's sum", "KL if s = log variance", "KL if s = log std"],
      [[f"{m[i, j]:.0f}", f"{s[i, j]:.0f}"]
       + [f"{values[i, j]:.3f}" for values in (essay, log_variance, log_std)]
       for i, j in ((40, 40), (40, 60), (40, 80), (40, 20), (60, 40), (60, 60))])
away = log_std > 0                                                          # all but m = s = 0
off = np.abs(essay - 2 * log_variance).max()
ratio = essay[away] / log_std[away]
i, j = np.unravel_index(essay.argmin(), essay.shape)
print(f"\nOver all m and s from -2 to 2 the essay's sum is smallest at m = {m[i, j]:.0f}, s = "
      f"{s[i, j]:.0f}: {essay.min():.2f}.")
print(f"If s is the log variance, it differs from 2 KL by at most {off:.0e}.")
print(f"If s is the log std, it is between {ratio.min():.2f} and {ratio.max():.2f} times the KL.")

# %%
same.answer("a", """It is never negative, so it cannot be minus a KL. Read with the log variance
    it is exactly twice the KL, eq. (8.12): the sign is wrong and the ½ is missing. Read with the
    weight exp(s) of section 1 it is no multiple of the KL at all, eq. (8.13).""")
claim("§1", "exp(s) - (1 + s) is smallest at s = 0",
      f"least value {essay.min():.2f} at m = {m[i, j]:.2f}, s = {s[i, j]:.2f}", "holds",
      essay.min() == 0 and m[i, j] == 0 and s[i, j] == 0)
claim("§2", "sum(exp(s) - (1 + s) + m^2) is exactly -KL(q, p), where exp(s) is the noise's weight",
      f"with std = exp(s/2) it is +2 KL, with std = exp(s) {ratio.min():.2f} to {ratio.max():.2f} "
      "times the KL",
      "does not hold: the sign is wrong and the 1/2 missing; with std = exp(s) it is no multiple "
      "of the KL", off < 1e-12 and ratio.max() / ratio.min() > 10 and essay.min() >= 0)

# %%
fig, ax = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
line, orange, blue, green = s[40], *(mv.plot.COLOURS[k] for k in (1, 0, 2))
ax.plot(line, essay[40], color=orange, linewidth=7, alpha=0.5, label="essay: exp(s) - (1 + s)")
ax.plot(line, 2 * log_variance[40], "--", color="black", label="2 KL, s the log variance")
ax.plot(line, log_variance[40], color=blue, linewidth=2.5, label="KL, s the log variance")
ax.plot(line, log_std[40], ":", color=green, linewidth=3, label="KL, s the log std")
ax.set_xlabel("s", fontsize=13)
ax.set_ylabel("nats, at m = 0", fontsize=13)
ax.set_ylim(0, 4.5)
ax.set_title("The essay's second loss is twice the KL,\nif s is the log variance", fontsize=15)
ax.legend(fontsize=12)
figure(fig, "05_second_loss")

# %% [markdown]
# ## Would a training show it?
# Let a step in the code change the picture by a square size a (in units of the decoder's
# variance). Noise of std σ then costs ½ a σ² in pixels
# ([eq. (5.10)](derivations/05_noise.md#eq-5-10)), and training looks for the σ with the smallest
# sum of cost and penalty:
#
# $$ \tfrac12 a\sigma^2 + \text{penalty}(\sigma) $$
#
# Setting the derivative to 0 gives σ² = 1 / (1 + a) for the KL
# ([eq. (11.3)](derivations/11_tug_of_war.md#eq-11-3)), 2 / (2 + a) for twice the KL
# ([eq. (11.4)](derivations/11_tug_of_war.md#eq-11-4)), and the positive root of a σ² + σ = 1 for
# the essay's sum with σ = exp(s).

# %%
a = np.array([0.1, 1, 10, 100, 1000])
asked = {"KL": (1 + a) ** -0.5, "twice the KL": (2 / (2 + a)) ** 0.5,
         "essay's sum, std = exp(s)": (np.sqrt(1 + 4 * a) - 1) / (2 * a)}
print("\nThe std of the noise that each penalty asks for, by the decoder's sensitivity a:")
table(["penalty", *(f"a = {value:g}" for value in a)],
      [[name, *(f"{value:.3f}" for value in row)] for name, row in asked.items()])
kl, twice, other = asked.values()
trained.answer("a", """The noise changes by a factor between 1 and the root of 2: pixels and
    penalty both grow with it, and neither wins outright. What a wrong formula ruins is the
    meaning: the loss is no longer a bound on log p(x), so it cannot be compared with another
    model's.""")
claim("-", "a wrong factor in the penalty shows in the size of the noise",
      f"at a = 1000: twice the KL {twice[-1] / kl[-1]:.2f} times the noise of the KL; at a = 1 the "
      f"essay's sum with std = exp(s) {other[1] / kl[1]:.2f} times",
      "does not hold: it changes the noise by a factor of 0.8 to 1.42, whatever the decoder",
      np.all((twice / kl < 1.42) & (twice / kl > 1) & (other / kl > 0.8) & (other / kl < 1)))
end()

# %% [markdown]
# ## Your turn
# 1. Write the mended sum, `essay = 0.5 * (np.exp(s) - (1 + s) + m**2)`, and look at the table.
#    With which column does it agree?
# 2. Mend it for the other reading: `essay = 0.5 * (np.exp(2 * s) - (1 + 2 * s) + m**2)`. Predict
#    which two of the printed sentences change.
# 3. On paper: set the derivative of ½ a σ² + exp(s) - 1 - s in s to 0, with σ = exp(s), and find
#    a σ² + σ = 1.
#
# Exercises that answer back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. With the fourth, the KL if s is the log variance: the
#    ½ was all that was missing.
# 2. The last two: it is now 1.00 times the KL if s is the log std, everywhere, and differs from 2
#    KL of the log variance by up to 20.
# 3. σ = exp(s) has the derivative σ in s, so ½ a σ² has a σ², exp(s) has σ, and s has 1: a σ² + σ
#    - 1 = 0.
