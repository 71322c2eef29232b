# %%
"""Lesson 01, third part: what kind of mistake is it?

Three gradients were worked out by hand, and each has one mistake. You see them beside the true
ones, and try to say what went wrong before the checker does. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A check that says 'these numbers differ' is a poor help: which of your lines is wrong? Can a
# checker say what kind of mistake it has found?
#
# **What you need:** the [second part](01_gradient_check.py): a rule takes g, the gradient that
# arrives from above, and the inputs, and returns the gradient of each input. For y = x @ W the
# rule is
#
# $$ \bar x = g\, W^T, \qquad \bar W = x^T g, $$
#
# with a bar for 'the gradient of'; it is derived as
# [eq. (2.21)](derivations/02_backprop.md#eq-2-21), and the measure of disagreement is
# [eq. (1.8)](derivations/01_finite_differences.md#eq-1-8).
#
# ## Three suspects
# Each entry holds a function and its rule, written by hand. Find the mistake in each.

# %%
target = rng(9).normal(size=(4, 3))
suspects = {
    "mean squared error": (
        lambda x, W: np.mean((x @ W - target) ** 2),
        lambda g, x, W: (g * 2 * (x @ W - target) @ W.T, g * 2 * x.T @ (x @ W - target))),
    "x @ W": (
        lambda x, W: x @ W,
        lambda g, x, W: (g @ W.T, g.T @ x)),
    "tanh(x @ W)": (
        lambda x, W: np.tanh(x @ W),
        lambda g, x, W: ((1 - np.tanh(x @ W) ** 2) @ W.T,
                         x.T @ (1 - np.tanh(x @ W) ** 2)))}

# %%
OPTIONS = {"a": "a factor is missing", "b": "right entries in wrong places", "c": "g is not used"}
guesses = {title: predict(f"What is wrong with the rule of {title}?", **OPTIONS)
           for title in suspects}

# %% [markdown]
# ## The evidence
# For each suspect: the gradient of W by finite differences
# ([eq. (1.4)](derivations/01_finite_differences.md#eq-1-4)), for one random g, and what the rule
# gives. A second look at the figure may change your mind.

# %%
def numeric_gradient(f, g, x, W, h=1e-5):
    """The gradient of (g * f(x, W)).sum() in W, entry by entry, by central differences."""
    out = np.zeros_like(W)                                                            # (3, 3)
    for i in np.ndindex(W.shape):
        step = np.zeros_like(W)
        step[i] = h
        out[i] = (g * (f(x, W + step) - f(x, W - step))).sum() / (2 * h)              # eq. (1.4)
    return out


x, W = rng(0).normal(size=(4, 3)), rng(0, 1).normal(size=(3, 3))
fig, axes = plt.subplots(2, 3, figsize=(8, 5.6), layout="constrained")
for (title, (f, rule)), (above, below) in zip(suspects.items(), axes.T):
    g = rng(1).normal(size=np.shape(f(x, W)))
    true, by_hand = numeric_gradient(f, g, x, W), rule(g, x, W)[1]
    for ax, values, name in ((above, true, "true"), (below, by_hand, "by hand")):
        ax.imshow(values, cmap="RdBu", vmin=-9, vmax=9)
        for (row, column), value in np.ndenumerate(values):
            ax.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=11)
        ax.set(xticks=[], yticks=[], ylabel=name)
    above.set_title(title, fontsize=13)
fig.suptitle("The gradient of W: what is wrong in the lower row?", fontsize=14)
figure(fig, "01_three_suspects")

# %% [markdown]
# ## The diagnoses
# `mv.check_gradients` ([minivae/checks/gradients.py](../minivae/checks/gradients.py)) draws its
# weights at random and then looks for patterns: all entries off by one factor, the right entries
# in wrong places, g without effect. We ask it five times each, with five sets of random inputs.

# %%
tell_tale = {"mean squared error": "mean", "x @ W": "transposed", "tanh(x @ W)": "not used"}
named = 0
for title, (f, rule) in suspects.items():
    for k in range(5):
        inputs = rng(k).normal(size=(4, 3)), rng(k, 1).normal(size=(3, 3))
        report = mv.check_gradients(f, *inputs, vjp=rule, raise_error=False)
        named += not report and tell_tale[title] in report.diagnosis
    print(f"\n{title}:\n{report.diagnosis}")

# %%
guesses["mean squared error"].answer("a", """The mean divides by its 12 entries, and the
    rule forgot to: every entry is 12 times too large.""")
guesses["x @ W"].answer("b", """x.T @ g was meant. g.T @ x is its transpose, and as W is
    square its shape gives nothing away.""")
guesses["tanh(x @ W)"].answer("c", """g should multiply the derivative of tanh and is
    missing. With a g of all ones the rule would pass.""")
claim("-", "a gradient check can say that a derivative is wrong, but not what is wrong with it",
      f"three mistakes, five random inputs each: {named} of 15 named",
      "does not hold: a mistake that leaves a simple pattern can be named", named == 15)
end()

# %% [markdown]
# ## Your turn
# 1. Add a minus sign to the second rule: `-g.T @ x`. What does the checker say of two mistakes at
#    once?
# 2. Repair the first suspect: divide both gradients by 12. What does the checker print?
# 3. Give the rule of x @ W the gradient of x as `g @ W`, and let the one of W be right (`x.T @
#    g`). Why is no shape wrong?
#
# An exercise that answers back: [ex04_dense_rule](exercises/ex04_dense_rule.py).
#
# ## What you should see
# 1. 'W: it is transposed, and the sign is flipped': two simple patterns can be told together.
# 2. An empty line: nothing is wrong. The claim then says that this run differs, as only ten of 15
#    are named.
# 3. W is square, so g @ W has the shape of g @ W.T. The checker finds no known pattern: the
#    entries are mixed, not merely exchanged. It says so and guesses nothing.
