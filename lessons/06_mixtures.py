# %%
"""Lesson 06: any density from Gaussians?

A sum of bells can take many shapes. You will fit such sums to three densities that are no bells
at all, and watch how fast the error falls. Takes about 3 s.
"""
from workbench import begin, claim, end, figure, predict, table, total_variation

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A [mixture](GLOSSARY.md#mixture) of K Gaussians is a weighted sum of their densities,
# [eq. (6.1)](derivations/06_mixtures.md#eq-6-1):
#
# $$ P(x) = \sum_{m=1}^{K} P(m)\, N(x;\, \mu_m, \sigma_m^2) $$
#
# The essay builds the VAE on it: any distribution is such a sum, if K is large. How near does one
# come, and how large must K be?
#
# **What you need:** the density of a [Gaussian](GLOSSARY.md#gaussian). The error is the *total
# variation*, [eq. (6.6)](derivations/06_mixtures.md#eq-6-6), half of the area between the two
# densities: the largest difference that they make for the probability of any event, from 0 to 1.

# %%
easy = predict("""Which density can 8 Gaussians match best?""",
               a="a flat one, 0 outside of [-1, 1]",
               b="exp(-x) for x > 0, which jumps from 0 to 1", c="exp(-|x|)/2, with a peak at 0")
faster = predict("The flat one has sharp edges. Four times as many Gaussians: the error falls to",
                 a="a half", b="about a quarter", c="about a sixteenth")

# %% [markdown]
# ## EM
# How does one fit a mixture? If one knew which component each x belongs to, each component would
# get the mean and the variance of its own. One does not know, but a mixture says how probable
# each is, [eq. (6.3)](derivations/06_mixtures.md#eq-6-3). So guess, share, fit, and repeat,
# [eq. (6.5)](derivations/06_mixtures.md#eq-6-5): this is EM.
#
# $$ r_m(x) = \frac{P(m)\, N(x; \mu_m, \sigma_m^2)}{P(x)}, \qquad
#    \mu_m = \text{mean of } x \text{ with weights } r_m(x) $$
#
# Here the points are a fine grid, each with the density's value as its weight. No variance may fall
# below the square of the grid's step, or a component would settle on a single point.

# %%
def components(x, weight, mu, var):
    """P(m) N(x; mu_m, var_m) for points (N,) and components (K,): (N, K)."""
    exponent = -((x[:, None] - mu) ** 2) / (2 * var)
    return weight * np.exp(exponent) / np.sqrt(2 * np.pi * var)


def em(x, share, mu, steps, floor):
    """A mixture fitted to the grid x (N,) with weights share (N,), from the means mu (K,)."""
    weight = np.full(len(mu), 1 / len(mu))
    var = np.gradient(mu) ** 2                               # as wide as the way to the next
    for _ in range(steps):
        r = components(x, weight, mu, var)                   # (N, K)
        r = r / (r.sum(axis=1, keepdims=True) + 1e-300)      # (N, K)   eq. (6.3)
        r = r * share[:, None]
        weight = r.sum(axis=0) + 1e-300                      # (K,)     eq. (6.5), to the end
        mu = x @ r / weight
        var = np.maximum(x**2 @ r / weight - mu**2, floor)
    return weight, mu, var


def fit(density, low, high, K, cells=4080):
    """The error of K Gaussians, the grid it is judged on, and both densities there."""
    width = (high - low) / cells
    x = low + width * (np.arange(cells) + 0.5)
    share = density(x) / density(x).sum()
    start = np.interp((np.arange(K) + 0.5) / K, np.cumsum(share), x)    # at the quantiles
    mixture = em(x[share > 0], share[share > 0], start, max(10, 600 // K), width**2)
    x = low + width / 3 * (np.arange(3 * cells) + 0.5)       # another grid, three times as fine
    p, q = density(x) / (density(x).sum() * width / 3), components(x, *mixture).sum(axis=1)
    return total_variation(p, q, width / 3), x, p, q


# %%
densities = {"flat": (lambda x: 1.0 * (np.abs(x) < 1), -1.5, 1.5),
             "two-sided exponential": (lambda x: np.exp(-np.abs(x)), -14, 14),
             "one-sided exponential": (lambda x: np.exp(-np.abs(x)) * (x > 0), -0.25, 9.75)}
counts = (2, 8, 32, 128, 512)
errors = {name: [fit(*d, K)[0] for K in counts] for name, d in densities.items()}
print("\nTotal variation to the fitted mixture, by the number of Gaussians:")
table(["", *counts], [[name, *(f"{e:.4f}" for e in row)] for name, row in errors.items()])

# %%
easy.answer("c", """A peak is a small thing: a narrow bell is set on it. A jump is never hit,
    since a sum of bells is smooth; it can only become steeper. The flat density has two
    jumps.""")
faster.answer("b", """With four times as many, each takes care of a piece a quarter as wide, and
    the jump is smoothed over a stretch a quarter as wide. (The last figure of the one-sided
    exponential is held up by the smallest variance allowed, that of the grid.)""")
claim("§2", "any distribution is a sum of Gaussians; on the line the error falls with their number",
      "total variation with 8 and with 512: "
      + ", ".join(f"{name} {row[1]:.2g} ± 10 % and {row[-1]:.2g} ± 15 %"
                  for name, row in errors.items()),
      "holds if 'is' means 'can be approximated by'",
      all(np.all(np.diff(row) < 0) and row[-1] < 0.003 for row in errors.values()))

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained", sharey=True)
for ax, K in zip(axes, (2, 8, 32)):
    error, x, p, q = fit(*densities["flat"], K)
    ax.fill_between(x, p, color="0.85")
    ax.plot(x, q, color=mv.plot.COLOURS[0], linewidth=2)
    ax.set_title(f"{K} Gaussians, error {error:.3f}", fontsize=14)
    ax.set_xlabel("x", fontsize=13)
axes[0].set_ylabel("density", fontsize=13)
figure(fig, "06_mixtures")
end()

# %% [markdown]
# ## Your turn
# 1. Put a triangle in place of the flat density, `np.maximum(0, 1 - np.abs(x))`. It has corners,
#    but no jump. Does its error fall faster?
# 2. Let EM make ten times as many steps: `max(100, 6000 // K)`, with `counts = (2, 8, 32)`. How
#    much of the error was impatience?
#
# Exercises that answer back: [ex07_em_step](exercises/ex07_em_step.py).
#
# ## What you should see
# 1. No. It is smaller from the start, 0.013 in place of 0.046 with 8 Gaussians, but then it falls
#    by about four at each step, as the other does. A corner is a smaller fault than a jump, and
#    the pieces get narrower just as fast.
# 2. About a fifth of it: 0.037 in place of 0.046 with 8, 0.011 in place of 0.013 with 32. For the
#    one-sided exponential with 8 the error even rises a little, for EM raises the likelihood, and
#    that is not what we judge by.
