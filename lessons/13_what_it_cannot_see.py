# %%
"""Lesson 13: what a VAE cannot see.

You switch on one black pixel of a digit, sometimes beside the stroke and sometimes far from it,
and ask what it costs. Takes about 4 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import at_the_same_pixels, held_out, one_pixel_edits, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Section 4 of the essay says that a VAE has never learned what a picture is. Its example is a 7
# with one pixel too many: whether that pixel continues the stroke (*connected*) or stands alone
# (*stray*) is the same to it. Is it?
#
# **What you need:** the [VAE](10_vae.py), its [ELBO](GLOSSARY.md#elbo), which is a lower bound of
# log p(x), and the [logits](GLOSSARY.md#logits) of its decoder.

# %%
output = predict("""A decoder draws a digit with one pixel wrong by 1: a connected one, or a stray
                 one. Which has the larger squared error?""", a="the connected one",
                 b="the stray one", c="they are equal")
bound = predict("""A trained VAE is shown a held-out digit to which one pixel was added. By how many
                nats does its bound on log p(x) fall?""", a="by the same for both kinds",
                b="by more for a stray one", c="by more for a connected one")

# %% [markdown]
# ## The edits
# Every black pixel (0) of every held-out digit is set to 1, in turn. It is connected if a pixel
# above, below, left or right of it is at least 0.5, and stray if all eight around it are 0.

# %%
x, y = mv.data.digits()
train, _, test, label = held_out(x, y, 360)
image, pixel, stray = one_pixel_edits(test)                           # (n,) each
before = test[image]                                                  # (n, 64)
edited = before.copy()
edited[np.arange(len(pixel)), pixel] = 1
squared_error = ((edited - before) ** 2).sum(axis=1)                  # (n,)
print(f"{len(pixel)} edits of {len(test)} digits, {stray.mean():.0%} of them stray")
print(f"squared error, connected: {squared_error[~stray].mean():.3f}, "
      f"stray: {squared_error[stray].mean():.3f}")

# %%
output.answer("c", """The squared error is a sum over pixels, each asked by itself: no term looks
    at a neighbour, and a 1 in place of a 0 costs 1 wherever it stands.""")
claim("§4", "an output that is wrong in one pixel costs the same, connected or stray",
      f"squared error {squared_error[~stray].mean():.3f} connected, "
      f"{squared_error[stray].mean():.3f} stray", "holds", np.ptp(squared_error) < 1e-6)

# %% [markdown]
# ## The trained bound
# With a [Bernoulli](GLOSSARY.md#bernoulli) decoder and z held fixed, setting pixel i from 0 to 1
# costs minus its logit, [eq. (13.1)](derivations/13_what_it_cannot_see.md#eq-13-1). For the bound
# of the best q it is, per unit of ink,
# [eq. (13.3)](derivations/13_what_it_cannot_see.md#eq-13-3),
#
# $$
# -\frac{\partial}{\partial x_i} \max_q L_b(x, q)
#    = -\mathbb{E}_{q(z \mid x)}\left[ l_i(z) \right]
# $$
#
# Each pixel still has a price of its own; but z was read from *all* pixels, and z sets the
# logits. Some pixels are black in nearly every digit, so part of a price is mere position. As a
# control, connected and stray edits are compared at the same pixel, where there are three of both
# at least.

# %%
prices, same, everywhere = [], [], []
for k in range(3):
    model = trained(mv.VAE, train, k, epochs=100, hidden_dims=(100,), latent_dim=8,
                    activation="tanh")
    bounds = [mv.evaluate.elbo(model, pictures, rng(k, 2), 10) for pictures in (before, edited)]
    price = bounds[0] - bounds[1]                                     # (n,), nats
    prices.append(price)
    everywhere.append((price[~stray].mean(), price[stray].mean()))
    same.append(at_the_same_pixels(price, pixel, stray))
everywhere, same = np.array(everywhere), np.array(same)               # (3, 2) each
print("\nFall of the bound in nats, mean of three models (smallest to largest):")
table(["", "connected", "stray"], [["all edits", *(spread(c) for c in everywhere.T)],
                                   ["at the same pixels", *(spread(c) for c in same.T)]])

# %%
whole, control = everywhere.mean(axis=0), same.mean(axis=0)
bound.answer("b", """A stray pixel is ink where the model, having seen the rest of the picture,
    expects none. Much of the difference is position, but at the same pixels some of it is left:
    through z the bound does look at the rest of the picture.""")
claim("§4", "a picture with a stray pixel is the same to a VAE as one with a connected pixel",
      f"bound falls by {whole[0]:.1f} ± 0.5 nats connected, {whole[1]:.1f} ± 1.2 stray; "
      f"at the same pixels {control[0]:.1f} ± 0.8, {control[1]:.1f} ± 0.8",
      "does not hold: the trained bound charges more for the stray one, at the same pixels too",
      np.all(everywhere[:, 1] > 2 * everywhere[:, 0]) and np.all(same[:, 1] > 1.15 * same[:, 0]))

# %%
seven = next(n for n in np.unique(image[stray]) if label[n] == 7)
price = np.mean(prices, axis=0)
fig, axes = plt.subplots(1, 4, figsize=(10, 3.3), layout="constrained")
for ax, kind, name in ((axes[1], ~stray, "connected"), (axes[2], stray, "stray")):
    edits = np.flatnonzero((image == seven) & kind)
    e = edits[price[edits].argsort()[len(edits) // 2]]                # the one of median price
    ax.imshow(edited[e].reshape(8, 8), cmap="gray")
    ax.set_title(f"{name}: {price[e]:.1f} nats", fontsize=15)
    ax.add_patch(plt.Rectangle((pixel[e] % 8 - 0.5, pixel[e] // 8 - 0.5), 1, 1, fill=False,
                               color=mv.plot.COLOURS[1], linewidth=4, clip_on=False))
axes[0].imshow(test[seven].reshape(8, 8), cmap="gray")
axes[0].set_title("a held-out 7", fontsize=15)
with mv.no_grad():
    logits = model.decode(model.codes(test[[seven]])).data            # (1, 64)
shown = axes[3].imshow(-logits.reshape(8, 8), cmap="viridis", vmin=-3, vmax=12)
axes[3].set_title("price of ink, nats", fontsize=15)
fig.colorbar(shown, ax=axes[3], shrink=0.8)
for ax in axes:
    ax.set(xticks=[], yticks=[])
figure(fig, "13_what_it_cannot_see", width=520)
end()

# %% [markdown]
# ## Your turn
# 1. Let the ink be grey: set the pixel to 0.5 and not to 1 (`edited[...] = 0.5`). What does the
#    formula say of the prices?
# 2. Train with 1 latent. What becomes of the difference at the same pixels, and why?
#
# An exercise that answers back: [ex05_cross_entropy](exercises/ex05_cross_entropy.py).
#
# ## What you should see
# 1. A unit of ink has its price, the logit, so half the ink costs about half: 1.5 and 4.5 nats in
#    place of 2.9 and 9.1.
# 2. It all but vanishes: 5.2 connected, 5.6 stray. One number can tell little about the other
#    pixels, so hardly more than position is left. (All edits: still 2.4 and 7.2, for the same
#    reason.)
