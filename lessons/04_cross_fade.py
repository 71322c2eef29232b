# %%
"""Lesson 04, third part: what noise makes of two pictures.

You fix the codes of two moons, add noise, and train a decoder only. Then you compare what it shows
with what can be worked out on paper. Takes about 3 s.
"""
from workbench import begin, claim, end, figure, predict, rms, rng
from workbench import sheet, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay gives a reason why noise should help between two codes: where the noise of both
# overlaps, the decoder must make a compromise between the half moon and the full moon, and that
# would be the 3/4 moon. Here is the argument by itself. The codes are fixed, -1 for the half moon
# and +1 for the full moon. Noise of a given size [sigma](GLOSSARY.md#std) is added, and the decoder
# alone is trained. What is the compromise?
#
# **What you need:** [the second part](04_moons.py), and Bayes' rule.

# %%
halfway = predict("""The decoder has been trained on noisy codes. What does it show at 0, halfway
                  between the two?""",
                  a="the 3/4 moon", b="the average of the two pictures, pixel by pixel",
                  c="half moon or full moon, depending on the seed")
larger = predict("""The noise is made larger, from half the codes' size to twice their size. You
                 look at the way from -1 to +1. What changes?""",
                 a="the fade becomes slower, so that both moons show everywhere",
                 b="nothing, the compromise is the same", c="the picture becomes noise")

# %% [markdown]
# ## The best decoder
# It is given z and cannot know which picture that came from. By Bayes' rule the probability w
# that it was the full moon is the full moon's share of the two bells at z, and that turns out to
# be a sigmoid, [eq. (5.8)](derivations/05_noise.md#eq-5-8):
#
# $$ w(z) = \frac{N(z;\, 1, \sigma^2)}{N(z;\, 1, \sigma^2) + N(z;\, {-1}, \sigma^2)}
#         = \mathrm{sigmoid}\left(\frac{2 z}{\sigma^2}\right) $$
#
# A decoder pays for each pixel by the [cross-entropy](derivations/04_autoencoder.md#eq-4-5), and
# pays least in the mean if it shows the mean of what the pixel may be,
# [eq. (5.7)](derivations/05_noise.md#eq-5-7):
#
# $$ \hat x(z) = (1 - w(z))\, x_{half} + w(z)\, x_{full} $$
#
# In the cinema that is a *cross-fade*: one picture goes while the other comes.

# %%
SIDE = 16                                                               # 256 pixels
half, three_quarters, full = mv.data.moons(3, SIDE, phases=[0.5, 0.75, 1])[0]       # (256,) each
average = (half + full) / 2


def cross_fade(z, sigma):
    w = mv.sigmoid(2 * z[:, None] / sigma**2)                           # (n, 1)    eq. (5.8)
    return (1 - w) * half + w * full                                    # (n, 256)  eq. (5.7)


def noisy_decoder(sigma, k, steps=500):
    """A trained decoder, from codes z (n,) to pixels (n, 256)."""
    decoder = mv.MLP((1, 64, SIDE**2), "tanh", rng=rng(k))
    adam, chance = mv.Adam(decoder.parameters(), lr=5e-3), rng(k, 1)
    x = np.stack([half, full]).repeat(32, axis=0)                       # (64, 256)
    code = np.float32([[-1], [1]]).repeat(32, axis=0)                   # (64, 1)
    for _ in range(steps):
        z = code + np.float32(sigma) * chance.standard_normal(code.shape, np.float32)
        adam.zero_grad()
        mv.bernoulli_nll(decoder(z), x).mean().backward()               #           eq. (4.5)
        adam.step()
    return lambda z: mv.sigmoid(decoder(np.float32(z)[:, None]).data)


# %%
z = np.linspace(-2, 2, 41)                                              # z[20] is 0: halfway
decoders = {sigma: [noisy_decoder(sigma, k) for k in range(5)] for sigma in (0.5, 1, 2)}
off = {}
for sigma, five in decoders.items():
    shown = np.array([decode(z) for decode in five])                    # (5, 41, 256)
    off[sigma] = {"3/4 moon": rms(shown[:, 20], three_quarters),        # (5,) each
                  "average": rms(shown[:, 20], average),
                  "cross-fade": rms(shown, cross_fade(z, sigma)).mean(axis=1)}
print("\nRMS difference per pixel, mean of 5 seeds (and range): halfway from the 3/4 moon and from")
print("the average of both pictures; and all along, from -2 to 2, from the cross-fade on paper.")
table(["sigma", *off[1]],
      [[sigma, *(spread(values, ".3f") for values in row.values())] for sigma, row in off.items()])
print(f"The average and the 3/4 moon are {rms(average, three_quarters):.3f} apart.")

# %%
places = np.linspace(-1, 1, 9)
rows = {"true moons": mv.data.moons(9, SIDE, phases=np.linspace(0.5, 1, 9))[0]}
for sigma, five in decoders.items():
    decode = five[0]
    rows[f"noise {sigma}"] = decode(places)
rows["on paper, 2"] = cross_fade(places, 2)
fig, ax = plt.subplots(figsize=(9, 5.1), layout="constrained")
sheet(ax, list(rows.values()), list(rows))
ax.tick_params(labelsize=15)
ax.set_xticks(np.array([0, 4, 8]) * (SIDE + 2) + SIDE / 2 + 0.5, ["z = -1", "z = 0", "z = 1"])
ax.set_title("Noise on two codes: a cross-fade, not a moon between", fontsize=16)
figure(fig, "04_cross_fade")

# %%
halfway.answer("b", """At 0 both pictures are equally probable, and the best answer to an even bet
    is the average. Each pixel follows its own bet: none can know where the edge of a 3/4 moon
    would lie, since no picture ever had an edge there.""")
larger.answer("a", """With small noise a code says clearly which picture it is, and the fade happens
    close to 0. With noise of twice the codes' size even at +1 the full moon has a probability of
    sigmoid(1/2) = 0.62 only, so the other one still shows.""")
claim("§1",
      "noise on the codes makes the point between a compromise of both pictures, the 3/4 moon",
      f"with noise of twice the codes' size, decoded halfway: {off[2]['3/4 moon'].mean():.3f} ± "
      f"0.01 from the 3/4 moon, {off[2]['average'].mean():.3f} ± 0.01 from the pixels' average; "
      f"all along, {off[2]['cross-fade'].mean():.3f} ± 0.006 from the cross-fade of eq. (5.8)",
      "does not hold: the compromise is a cross-fade of the two pictures",
      all(row["3/4 moon"].min() > 0.2 and row["average"].max() < 0.12
          and row["cross-fade"].max() < 0.04 for row in off.values()))
end()

# %% [markdown]
# ## Your turn
# 1. Fix a third code: the 3/4 moon at 0, so `x = np.stack([half, three_quarters,
#    full]).repeat(21, axis=0)` and `code = np.float32([[-1], [0], [1]]).repeat(21, axis=0)`. With
#    which noise is it shown at 0?
# 2. Make the training ten times shorter, `steps=50`. Is a decoder that has learned little nearer
#    to the 3/4 moon?
#
# ## What you should see
# 1. With small noise, 0.5: 0.05 from the 3/4 moon. With noise 1 and 2 it is as near to the average,
#    or nearer: at 0 the 3/4 moon now has the probability 1 / (1 + 2 exp(-1 / (2 sigma²))), which is
#    0.79, 0.45 and 0.36, and the rest is the other two. Large noise hides even what was seen.
# 2. No: 0.23 from it, as before. It has learned the average first, 0.03 to 0.04 from it; how fast
#    the one picture goes and the other comes is learned later.
