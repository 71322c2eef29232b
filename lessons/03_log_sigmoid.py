# %%
"""Lesson 03, second part: why never log(sigmoid)?

The cost of a pixel has a formula that is right on paper. You will take it apart step by step, and
see what a computer makes of it. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The last layer of a decoder gives a number l for each pixel, the [logit](GLOSSARY.md#logits),
# and the pixel is white with probability p = sigmoid(l) = 1 / (1 + e^-l). If the picture has x
# there, 0 or 1, this costs the *cross-entropy*, in nats:
#
# $$ \mathrm{nll} = -x \log p - (1 - x) \log(1 - p) $$
#
# Training needs its gradient in l. Is it enough to program what stands there?
#
# **What you need:** backpropagation step by step ([lesson 2](02_backprop.py)), gradient descent,
# and that a computer keeps 7 digits of a number in [float32](GLOSSARY.md#float), 16 in float64.

# %%
loss = predict("""The network says white, with l = 20, and the pixel is black. What is
                -log(1 - sigmoid(20)), computed step by step in float32?""",
                a="about 20", b="0", c="infinite")
patch = predict("""Many write -log(1 - p + 1e-8), so that the logarithm never meets a 0. From
                 l = 30, 100 steps of gradient descent with lr 1: where is l then?""",
                 a="below 0", b="at 30 still", c="at 18.4, where the patched loss begins")

# %% [markdown]
# ## Step by step, and in one line
# Cut into small steps, each has a derivative that everybody knows, and they are multiplied from
# the loss back to l. On paper nearly everything cancels, and what is left is
# [eq. (4.6)](derivations/04_autoencoder.md#eq-4-6):
#
# $$ \mathrm{nll} = \max(l, 0) - l\, x + \log(1 + e^{-|l|}), \qquad
#    \frac{\partial\, \mathrm{nll}}{\partial l} = \mathrm{sigmoid}(l) - x $$
#
# The loss in this form is [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5). Both are one rule,
# `bernoulli_nll` in [minivae/vae_ops.py](../minivae/vae_ops.py); like the rules of a layer,
# [eq. (3.2)](derivations/03_dense_layers.md#eq-3-2), it skips the steps.

# %%
def staged(l, x, patch=0.0):
    """nll and its gradient in l, one step at a time; patch is added inside the second logarithm."""
    e = np.exp(-l)
    p = 1 / (1 + e)                              # the sigmoid
    q = 1 - p + patch
    nll = -(x * np.log(p) + (1 - x) * np.log(q))
    dp = -x / p + (1 - x) / q                    # back through the two logarithms  eq. (2.6)
    de = dp * -(p**2)                            # through 1 / (1 + e)              eq. (2.17)
    return nll, de * -e                          # through exp(-l)                  eq. (2.5)


def from_logits(l, x):
    """nll and its gradient in l by minivae's rule."""
    t = mv.Tensor(l[:, None], requires_grad=True)
    nll = mv.bernoulli_nll(t, x[:, None])        # (n,)   eq. (4.5)
    nll.backward(np.ones_like(l))
    return nll.data, t.grad[:, 0]                # (n,)   eq. (4.6)


l, x = rng(0).normal(0, 3, 10_000), rng(0, 1).random(10_000)
apart = max(np.abs(a - b).max() for a, b in zip(staged(l, x), from_logits(l, x)))
print(f"\n10,000 moderate logits, float64: the two ways differ by at most {apart:.0e}")

# %% [markdown]
# ## A network that is very wrong
# The pixel is black, x = 0. The exact nll is nearly l, and the exact gradient nearly 1.

# %%
rows = []
with np.errstate(all="ignore"):
    for value in (10.0, 15.0, 20.0, 30.0, 40.0):
        single, double = np.array([value], np.float32), np.array([value])
        ways = (staged(single, 0 * single), staged(double, 0 * double),
                staged(double, 0 * double, patch=1e-8), from_logits(single, 0 * single))
        rows.append([f"{value:.0f}", *(f"{nll[0]:.4f}, {slope[0]:.4f}" for nll, slope in ways)])
print("\nnll and gradient, black pixel:")
table(["l", "steps, float32", "steps, float64", "with 1e-8, float64", "one line, float32"], rows)

# %%
loss.answer("c", """sigmoid(20) is 1 - 2e-9. In 7 digits that is 1, so the logarithm meets a 0,
    and on the way back so does a division. Even at l = 15, digits are lost in 1 - p.""")

# %% [markdown]
# The sigmoid is rounded to 1 from l = log(2 / eps) on, where eps is the format's relative step.

# %%
line = np.linspace(0, 50, 5001)
breaks, foretold = {}, {}
with np.errstate(all="ignore"):
    for dtype in (np.float32, np.float64):
        nll = staged(line.astype(dtype), np.zeros_like(line, dtype))[0]
        breaks[dtype] = line[~np.isfinite(nll)][0]
        foretold[dtype] = np.log(2 / np.finfo(dtype).eps)
        print(f"{dtype.__name__}: infinite from l = {breaks[dtype]:.2f} on; "
              f"log(2 / eps) is {foretold[dtype]:.2f}")
claim("-", "step by step or in one line, the gradient of the cross-entropy in the logits is "
      "sigmoid(l) - x",
      f"black pixel: infinite, step by step, from l = {breaks[np.float32]:.1f} in float32, "
      f"{breaks[np.float64]:.1f} in float64",
      "holds if the logits are moderate: for large ones only the one-line rule has a value",
      apart < 1e-9 and all(abs(breaks[d] - foretold[d]) < 0.2 for d in breaks))

# %% [markdown]
# ## Does 1e-8 help?

# %%
def descend(gradient, steps=100):
    l = np.array([30.0])
    for _ in range(steps):
        l = l - gradient(l)                      # lr = 1
    return l[0]


patched = descend(lambda l: staged(l, 0 * l, patch=1e-8)[1])
whole = descend(lambda l: from_logits(l, 0 * l)[1])
print(f"\n100 steps of gradient descent: to {patched:.3f} with 1e-8, to {whole:.2f} in one line")
patch.answer("b", """The loss is finite now, but from l = 18.4 = -log(1e-8) on it hardly changes:
    a network that is more wrong pays no more. Its gradient is 0 where it is needed most, and
    nothing pulls the logit back.""")
claim("-", "adding 1e-8 inside the logarithm repairs log(sigmoid)",
      f"a logit of 30 for a black pixel, after 100 steps: {patched:.1f} with 1e-8, {whole:.1f} "
      "from logits",
      "does not hold: the loss is finite, but its gradient dies where the network is most wrong",
      patched > 29.9 and whole < 0)

# %%
fig, ax = plt.subplots(figsize=(8, 4.4), layout="constrained")
blue, red, green, pink = mv.plot.COLOURS[:4]
zero = np.zeros_like(line)
with np.errstate(all="ignore"):
    for name, slope, colour in (
        ("one line", from_logits(line, zero)[1], blue),
        ("step by step, float32", staged(np.float32(line), np.float32(zero))[1], red),
        ("with 1e-8, float64", staged(line, zero, patch=1e-8)[1], green),
    ):
        ax.plot(line, np.where(np.isfinite(slope), slope, np.nan), color=colour, linewidth=2,
                label=name)
ax.plot(breaks[np.float32], 1, "X", color=red, markersize=11, label="infinite from here")
ax.set(xlim=(0, 40), ylim=(-0.1, 2.1))
ax.set_title("The gradient where the network is wrong (it should be 1)", fontsize=14)
ax.set_xlabel("logit of a black pixel", fontsize=13)
ax.set_ylabel("gradient", fontsize=13)
ax.legend(fontsize=11, loc="upper right")
figure(fig, "03_log_sigmoid")
end()

# %% [markdown]
# ## Your turn
# 1. Make the pixel white. In the table's cell write `(-20.0, -90.0, -800.0)` for the five logits,
#    and `1 + 0 * single`, `1 + 0 * double` for the pixels. Which numbers break the steps now?
# 2. Start the descent less wrong: `l = np.array([20.0])`. Does 1e-8 do there?
#
# Exercises that answer back: [ex04_dense_rule](exercises/ex04_dense_rule.py).
#
# ## What you should see
# 1. e^-l itself: e^90 is more than float32 can hold, and e^800 more than float64, so that p is 0.
#    The 1e-8 is of no use, it stands in the other logarithm. One line never takes the exponential
#    of a positive number.
# 2. Nearly as well as the one line: -4.28 and -4.36. At l = 20 there is still a slope of 0.17,
#    and the way back begins. It is the very wrong that are lost.
