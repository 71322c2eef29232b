# %%
"""Lesson 13, third part: blur.

You compare real digits with what a VAE draws: with its decoder's means, and with true samples of
the model, noise and all. Takes about 5 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import distances, held_out, sharpness, sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The pictures of a VAE are blurred, one reads, in the essay's summary too. Yet such a picture is
# hardly ever one that the model has drawn. A Gaussian decoder gives for each pixel a mean *and* a
# variance, here one number sigma_x² that is learned; what is shown are the means. Is a true
# sample of the model blurred as well?
#
# **What you need:** the [VAE](10_vae.py), and that decoder's cost,
# [eq. (10.5)](derivations/10_vae.md#eq-10-5).

# %%
sharper = predict("""Sharpness is how much a pixel differs from its four neighbours. A true sample
                  has the noise that the model says its pixels have. Its sharpness is""",
                  a="below that of the means", b="that of the means",
                  c="above that of the means")
nearer = predict("""And which of the two are nearer to real digits, by the distance to the nearest
                 training digit?""", a="the means", b="the true samples", c="both alike")

# %% [markdown]
# ## Where a variance goes
# Let x and z be drawn from the model. The variance of a pixel has two parts,
# [eq. (13.4)](derivations/13_what_it_cannot_see.md#eq-13-4):
#
# $$ \mathrm{Var}(x) = \mathbb{E}_z[\mathrm{Var}(x \mid z)] + \mathrm{Var}(\mathbb{E}[x \mid z]) $$
#
# The means have the second part only. The first, sigma_x², is all that z did not tell: the
# decoder's best mean is the average of all pictures that could have come with this z.
# `model.sample(n, rng)` gives means, with `noise=True` true samples. `sharpness` is the mean size
# of four times a pixel less its four neighbours, over the 36 inner pixels.

# %%
x, y = mv.data.digits()
found, noise, kinds = {}, [], {}
for k in range(4):
    train, _, test, _ = held_out(x, y, 360, k)
    model = trained(mv.VAE, train, k, epochs=120, hidden_dims=(100,), latent_dim=8,
                    activation="tanh", likelihood="gaussian", decoder_logvar="shared")
    noise.append(64 * np.exp(model.decoder_logvar.item()))
    kinds = {"held-out digits": test, "reconstructed": model.reconstruct(test),
             "decoder means": model.sample(3000, rng(k, 2)),
             "true samples": model.sample(3000, rng(k, 2), noise=True)}              # same z
    for name, images in kinds.items():
        near = np.median(distances(images[:360], train).min(axis=1))
        row = sharpness(images), near, images.var(axis=0).sum()
        found.setdefault(name, []).append(row)
grey = np.median(distances(train.mean(axis=0)[None], train).min(axis=1))
found = {name: np.array(rows) for name, rows in found.items()}        # (4, 3)
print("Mean of four runs (smallest to largest); z from N(0, I) in the last two rows:")
table(["", "sharpness", "distance to a digit", "variance, sum over pixels"],
      [[name, *(spread(column) for column in rows.T)] for name, rows in found.items()])
print(f"\nsigma_x² summed over the pixels: {np.mean(noise):.2f}")
print(f"The mean of all digits, a grey blot, has the distance {grey:.2f}.")

# %%
digits, _, means, samples = (rows.mean(axis=0) for rows in found.values())            # (3,) each
sharper.answer("c", f"""The means leave the noise out, and vary too little, by {means[2]:.2f}, where
    digits have {digits[2]:.2f}. The samples put it back, {means[2]:.2f} + {np.mean(noise):.2f} =
    {means[2] + np.mean(noise):.2f}, and are nearly as rough as digits.""")
nearer.answer("a", f"""The noise is put into each pixel by itself, and knows nothing of strokes. The
    samples are farther from any digit, {samples[1]:.2f}, than the grey mean of all digits. Grain is
    not sharpness; a measure of sharpness alone cannot tell the two apart.""")
claim("summary", "the pictures of a VAE are blurred",
      f"sharpness: digits {digits[0]:.2f} ± 0.04, decoder means {means[0]:.2f} ± 0.04, samples "
      f"{samples[0]:.2f} ± 0.04; distance to a digit {digits[1]:.2f} ± 0.06, {means[1]:.2f} ± "
      f"0.07, {samples[1]:.2f} ± 0.07",
      "holds if the picture is the decoder's mean; a true sample is grainy, not blurred",
      means[0] < 0.85 * digits[0] and samples[0] > 1.15 * means[0] and samples[1] > means[1] + 0.15)

# %%
fig, ax = plt.subplots(figsize=(8, 3.7), layout="constrained")
sheet(ax, [images[:10] for images in kinds.values()], list(kinds))
ax.tick_params(labelsize=14)
ax.set_title("The means are blurred, the samples grainy", fontsize=15)
figure(fig, "13_blur")
end()

# %% [markdown]
# ## Your turn
# 1. Fix the variance at a tenth or so of what was learned: `decoder_logvar=np.log(0.002)`. What
#    becomes of the sharpness of the means, and of their distance to a digit?
# 2. Fix it too large, `decoder_logvar=np.log(0.2)`. Predict the same two numbers.
#
# An exercise that answers back: [ex08_reparameterize](exercises/ex08_reparameterize.py).
#
# ## What you should see
# 1. They are hardly sharper, 0.66 in place of 0.62, and much farther from any digit: 2.39, and
#    1.34 before. A decoder that tolerates little needs narrow codes, and draws from N(0, I) then
#    fall into [holes](12_holes.py). Sharpness does not come from a small variance.
# 2. Sharpness falls to 0.49: codes are wider, more pictures share a place, and their mean is more
#    blurred. The distance falls too, to 1.25: a blurred picture is near to many. The samples are
#    drowned in noise, 3.44 from any digit.
