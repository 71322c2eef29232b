# %%
"""Lesson 19, fifth part: does a GAN see neighbours?

You ask a GAN's discriminator what one pixel costs, connected or stray, and train a GAN on pictures
whose pixels are scrambled. Takes about 18 s.
"""
from workbench import adversaries, at_the_same_pixels, begin, claim, end, figure, held_out
from workbench import one_pixel_edits, predict, rng, sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay says that a VAE has never learned what a picture is: to its loss one wrong pixel is like
# another, and it goes on to the GAN, whose measure is trained. Does a GAN know what lies beside
# what? Lessons [13](13_what_it_cannot_see.py) and [13](13_independent_pixels.py) asked a VAE two
# questions. Here a GAN of the same kind of layers is asked the same two.
#
# **What you need:** lesson 13, and a [GAN's](GLOSSARY.md#gan) two nets,
# [workbench/adversaries.py](workbench/adversaries.py).

# %%
price = predict("""One black pixel of a digit is switched on, connected to the stroke or stray, at
                the same places. A stray one lowers a VAE's bound 1.4 times as much as a connected
                one. And the logit of a GAN's discriminator?""",
                a="as much as a connected one", b="1.5 to 2 times as much", c="10 times as much")
shuffled = predict("""The pixels of all digits are scrambled, in the same way. What becomes of a GAN
                   that is trained on them?""",
                   a="it trains worse: strokes are gone", b="it trains exactly as before",
                   c="it does not train at all")

# %% [markdown]
# ## The price of a pixel
# As in lesson 13: a connected pixel has a bright neighbour above, below, left or right, a stray
# one none at all around it, and both are compared at the same places. The price is what the VAE's
# bound falls by, or the discriminator's logit, which is its log ratio of real to drawn,
# [eq. (19.1)](derivations/19_the_other_road.md#eq-19-1). By squared error all prices are the same.

# %%
x, y = mv.data.digits()                                        # (1797, 64)
prices = {"VAE's bound, nats": [], "discriminator's logit": []}
for k in range(4):
    x_train, _, x_test, _ = held_out(x, y, 360, k)
    vae = trained(mv.VAE, x_train, k, 100, hidden_dims=(100,), latent_dim=8, activation="tanh")
    G, D = adversaries.players(k)
    adversaries.gan(G, D, x_train, k)
    picture, pixel, stray = one_pixel_edits(x_test)
    before, edited = x_test[picture], x_test[picture]
    edited[np.arange(len(pixel)), pixel] = 1
    for name, score in (("VAE's bound, nats", lambda a: mv.evaluate.elbo(vae, a, rng(k, 7), 5)),
                        ("discriminator's logit", adversaries.scores(D))):
        fall = score(before) - score(edited)                   # (n,)
        prices[name].append(at_the_same_pixels(fall, pixel, stray))
ratio = {}
for name, pairs in prices.items():
    prices[name] = np.array(pairs)                             # (4, 2): connected, stray
    ratio[name] = prices[name][:, 1] / prices[name][:, 0]
print("\nPrice at the same places, four runs (mean and range)")
table(["", "connected", "stray", "stray / connected"],
      [[name, *(spread(c) for c in prices[name].T), spread(ratio[name])] for name in prices])
bound, own = ratio.values()
price.answer("b", """Both see all pixels at once, and have learned what usually goes with what. The
    discriminator makes a little more of it than the bound does.""")

# %% [markdown]
# ## Scrambled digits
# Scramble the pixels of all digits, and the weights at the start accordingly: the generator's last
# layer, the discriminator's first. Does what the discriminator pays differ in any step?

# %%
order = rng(0, 8).permutation(64)
plain, other = adversaries.players(0, np.float64), adversaries.players(0, np.float64)
last, first = other[0].layers[-1], other[1].layers[0]
last.weight.data[...], last.bias.data[...] = last.weight.data[:, order], last.bias.data[order]
first.weight.data[...] = first.weight.data[order]
digits = x.astype(float)
paid = [adversaries.gan(*plain, digits, 0, 600),
        adversaries.gan(*other, digits[:, order], 0, 600)]     # nats, (600,) each
apart = np.abs(paid[0] - paid[1]).max()
ends = [f"{values[0]:.2f} nats at first, {values[-50:].mean():.2f} in the end" for values in paid]
print(f"\nThe discriminator pays, with digits: {ends[0]}; with scrambled digits: {ends[1]}")
print(f"In none of 600 steps they differ by more than {apart:.0e}")
shuffled.answer("b", """To a dense layer the pixels are a list, and any order is as good. A layer
    that looks at neighbours together, as a convolution does, is another matter. VAEs can have such
    layers as well as GANs: it is the layers that know neighbours, not the game.""")

# %%
claim("§4", "a GAN cures the VAE's blindness for a wrong pixel",
      f"stray over connected pixel: VAE's bound {bound.mean():.2f} ± 0.06, discriminator "
      f"{own.mean():.1f} ± 0.4; scrambled pixels change what it pays by less than 1e-9 nats",
      "does not hold of dense nets: it sees a little more, and no neighbours",
      1.2 < bound.mean() < own.mean() < 2.3 and apart < 1e-9)

# %%
z = rng(0, 9).standard_normal((10, 16))
with mv.no_grad():
    from_digits, from_scrambled = (mv.sigmoid(G(z)).data for G, _ in (plain, other))
put_back = np.empty_like(from_scrambled)
put_back[:, order] = from_scrambled
fig, ax = plt.subplots(figsize=(9, 3.2), layout="constrained")
sheet(ax, [from_digits, from_scrambled, put_back],
      ["GAN of digits", "GAN of\nscrambled digits", "its drawings,\nput in order"])
ax.tick_params(labelsize=15)
ax.set_title("A GAN of dense layers does not see which pixels touch", fontsize=16)
figure(fig, "19_neighbours")
end()

# %% [markdown]
# ## Your turn
# 1. Scramble the digits and leave the start as it was: put `first.weight.data[...] =
#    first.weight.data[order]` out of action with a `#`. Is it worse, or only different?
# 2. Switch the pixel on to a half, `edited[...] = 0.5`. What becomes of the ratios?
#
# ## What you should see
# 1. Only different: 1.18 nats in the end in place of 1.14, and digits as good, but other ones. The
#    two GANs start from different weights now. The lesson says that this run differs.
# 2. The bound's stays, 1.37, as half the ink costs half. The discriminator's is 2.1 (1.7 to 2.4).
