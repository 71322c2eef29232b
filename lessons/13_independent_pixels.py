# %%
"""Lesson 13, second part: independent pixels.

You scramble the pixels of all digits and train again, and then draw pictures of two pixels with a
decoder that draws each pixel by itself. Takes about 2 s.
"""
from itertools import product

from workbench import begin, claim, end, figure, finished, held_out, predict, rng, sheet, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Given z, the pixels are independent of one another: log p(x given z) is a sum over pixels. A sum
# does not know the order of its terms. What can such a model know of strokes, that is of pixels
# that are neighbours?
#
# **What you need:** the [first part](13_what_it_cannot_see.py), [nll](GLOSSARY.md#nll), and
# probabilities of independent events, which are multiplied.

# %%
order = predict("""You scramble the 64 pixels, in the same way for all digits, so that to you they
                look like noise. How much worse does a VAE train on them?""",
                a="it cannot learn them", b="by some nats", c="not at all")
ring = predict("""Six pixels in a ring, and six pictures: two neighbours lit, the rest dark. z is
               one of three numbers, and each stands for two of the six pictures, side by side. A
               draw from the best such decoder is one of the six with probability""",
               a="1/4", b="1/2", c="1")

# %% [markdown]
# ## Scrambled digits
# Reorder the pixels of all digits with a permutation P, and in the same way the first weights,
# the last weights and the last bias. Then every hidden number is what it was, and
# ([eq. (13.2)](derivations/13_what_it_cannot_see.md#eq-13-2))
#
# $$ \mathrm{nll}(l P, x P) = \mathrm{nll}(l, x) $$
#
# We train twins: one on digits, one on scrambled digits, with the same draws, in float64.

# %%
x, y = mv.data.digits()
train, _, test, _ = held_out(x, y, 360)
P = rng(7).permutation(64)
twins = [mv.VAE(64, (100,), 8, activation="tanh", dtype=np.float64, rng=rng(0)) for _ in range(2)]
start = twins[0].state_dict()
start["encoder.0.weight"] = start["encoder.0.weight"][P]              # (64, 100)
start["decoder.1.weight"] = start["decoder.1.weight"][:, P]           # (100, 64)
start["decoder.1.bias"] = start["decoder.1.bias"][P]                  # (64,)
twins[1].load_state_dict(start)
runs = [finished(mv.fit(twin, data, epochs=20, batch_size=100, lr=3e-3, rng=rng(1)))
        for twin, data in zip(twins, (train, train[:, P]))]
losses = np.array([run.loss for run in runs])                         # (2, 20)
difference = np.ptp(losses, axis=0).max()
print(f"Loss after 20 epochs: digits {losses[0, -1]:.6f}, scrambled {losses[1, -1]:.6f} nats;")
print(f"largest difference in any epoch: {difference:.0e}")

# %%
order.answer("c", """The two trainings are one and the same, up to rounding. The network learns
    which pixels are lit together. Which of them are neighbours it is never told.""")
claim("§4", "a VAE has never learned what an image is",
      "scrambled pixels change the loss of 20 epochs by less than 1e-8 nats",
      "holds: it learns which pixels go together, and nothing of neighbours", difference < 1e-8)

# %% [markdown]
# ## What must come from z
# The ring has 64 possible pictures, so every probability can be summed up exactly. For each value
# of z the best decoder gives each pixel the mean of the pictures that z stands for, and
#
# $$ p(x) = \sum_z p(z) \prod_i p_i(z)^{x_i} (1 - p_i(z))^{1 - x_i} $$
#
# ([eq. (4.4)](derivations/04_autoencoder.md#eq-4-4) is minus the logarithm of the product).

# %%
pictures = np.array(list(product([0, 1], repeat=6)))                  # (64, 6)
real = np.array([np.roll([1, 1, 0, 0, 0, 0], shift) for shift in range(6)])            # (6, 6)
is_real = (pictures[:, None] == real).all(axis=2).any(axis=1)         # (64,)
apart = (pictures.sum(axis=1) == real[0].sum()) & ~is_real            # as many lit, but apart
shares, draws, rows = {}, {}, []
for values in (1, 2, 3, 6):
    means = real.reshape(values, 6 // values, 6).mean(axis=1)         # (values, 6), p_i(z)
    each = np.where(pictures[:, None] == 1, means, 1 - means)         # (64, values, 6)
    p = each.prod(axis=2).mean(axis=1)                                # (64,), p(x)
    shares[values] = p[is_real].sum()
    draws[values] = rng(3).choice(64, 9, p=p / p.sum())
    rows.append([values, *(f"{p[kind].sum():.3f}" for kind in (is_real, apart)),
                 *(f"{p[kind].max():.3f}" for kind in (is_real, apart))])
print("\nProbability that a draw is one of the six, or has two lit that are not neighbours:")
table(["values of z", "one of the six", "two apart", "likeliest of six", "likeliest apart"], rows)

# %%
ring.answer("b", """z tells which two pictures. They share one pixel, which is lit for certain;
    the other is to its left or to its right, a coin toss for each side. Half of the time both
    come up the same, and the picture is wrong. With one value of z two neighbours are exactly as
    likely as two pixels apart.""")
claim("-", "a decoder with independent pixels can draw only connected pairs",
      f"real pictures {shares[1]:.3f}, {shares[3]:.3f}, {shares[6]:.3f} with 1, 3, 6 values of z",
      "holds if z tells everything that ties the pixels together",
      shares[1] < shares[3] < shares[6] and abs(shares[6] - 1) < 1e-12)

# %%
fig, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
angle = np.pi / 2 - np.arange(6) * np.pi / 3
for row, values in enumerate((1, 3, 6)):
    for column, which in enumerate(draws[values]):
        lit = mv.plot.COLOURS[0] if is_real[which] else mv.plot.COLOURS[1]
        ax.scatter(column + 0.3 * np.cos(angle), row - 0.3 * np.sin(angle), s=130,
                   color=np.where(pictures[which] == 1, lit, "0.88"))
ax.set(xlim=(-0.6, 8.6), ylim=(2.6, -0.6), aspect="equal", xticks=[], yticks=range(3))
ax.set_yticklabels(["1 value of z", "3 values", "6 values"], fontsize=14)
ax.set_title("Nine draws each; blue: two neighbours, orange: wrong", fontsize=15)
figure(fig, "13_independent_pixels")

# %%
fig, ax = plt.subplots(figsize=(8, 3.7), layout="constrained")
back = twins[1].reconstruct(test[:10, P])                             # (10, 64), scrambled
sheet(ax, [test[:10], test[:10, P], back, back[:, P.argsort()]],
      ["digits", "scrambled", "its VAE", "put in order"])
ax.tick_params(labelsize=14)
ax.set_title("A VAE of scrambled digits learns as well", fontsize=15)
figure(fig, "13_scrambled")
end()

# %% [markdown]
# ## Your turn
# 1. Scramble everything but the start: leave out the line with `start["encoder.0.weight"] =`. How
#    far are the losses apart now?
# 2. Light three neighbours: `[1, 1, 1, 0, 0, 0]`. Predict the share for 3 values of z, and for 2.
#
# An exercise that answers back: [ex05_cross_entropy](exercises/ex05_cross_entropy.py).
#
# ## What you should see
# 1. By up to 0.4 nats, on their way, and by 0.02 after 20 epochs. The twin then starts from other
#    weights, drawn alike: that is all a scrambled picture is to a dense network. The lesson says
#    that this run differs.
# 2. Again 0.500 and 0.296: neighbouring pictures share all pixels but the two at the ends, and
#    those are coin tosses as before. It is not how many pixels are lit that counts, but how many
#    bits z does not tell.
