# %%
"""Lesson 11, fourth part: sum or mean.

You make the mistake that users of VAEs report most often, in one line, and look for a measurement
that notices it. Takes about 4 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import class_accuracy, held_out, posteriors, sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The nll of a picture is a *sum* over its 64 pixels. Many a program writes a mean instead: it
# looks tidier, and does not grow with the picture. The KL stays a sum over the latents. Does it
# matter?
#
# **What you need:** the [third part](11_collapse.py): a latent lives if the data vary enough
# along some direction, lambda > beta sigma_x². There the variance sigma_x² of the decoder's
# pixels was fixed, and so it is here, at 0.05.

# %%
units = predict("""Eight latents, all of them alive with the sum. Somebody takes the mean over the
                pixels. How many are alive after the training? (The largest variance of the
                digits along any direction is 0.70.)""", a="eight", b="about four", c="none")
judged = predict("""A collapsed encoder: every q(z | x) is the prior, as good as exactly. You judge
                 its codes mu by the class of their ten nearest neighbours. (Chance is 0.10.) The
                 class is right for""", a="about 0.10 of the digits", b="about 0.20",
                 c="0.30 and more")

# %% [markdown]
# ## The mistake
# The mean is the sum over D, and a factor in front of a loss moves no minimum,
# [eq. (15.18)](derivations/15_likelihood.md#eq-15-18):
#
# $$
# \frac{1}{D} \mathrm{nll} + \mathrm{KL}
#    = \frac{1}{D} \left( \mathrm{nll} + D\,\mathrm{KL} \right)
# $$
#
# So it is a VAE with beta = 64, and its noise is that of a decoder with 64 times the variance,
# [eq. (11.4)](derivations/11_tug_of_war.md#eq-11-4). In code it is one line. Beside it we train
# with beta = 16, and the right one.

# %%
x, y = mv.data.digits()


class MeanOverPixels(mv.VAE):
    def terms(self, x, rng):
        nll, kl = super().terms(x, rng)                               # (B,) each
        return nll / 64, kl


VARIANTS = {"sum": (mv.VAE, 1), "beta 16": (mv.VAE, 16), "mean": (MeanOverPixels, 1)}
found, drawn = {}, {}
for name, (kind, beta) in VARIANTS.items():
    for k in range(4):
        x_train, y_train, x_test, y_test = held_out(x, y, 297, k)
        model = trained(kind, x_train, k, epochs=30, beta=beta, hidden_dims=(50,), latent_dim=8,
                        activation="tanh", likelihood="gaussian", decoder_logvar=np.log(0.05))
        active = int(mv.evaluate.active_units(model, x_train).sum())
        elbo = mv.evaluate.elbo(model, x_test, rng(k, 2)).mean()
        found.setdefault(name, []).append((active, elbo, model, k))
        drawn.setdefault("digits", x_test[:8])
        drawn.setdefault(name, model.reconstruct(x_test[:8]))
print("Four runs each:")
table(["", "active latents", "ELBO of held-out digits, nats"],
      [[name, [row[0] for row in rows], spread([row[1] for row in rows], ".1f")]
       for name, rows in found.items()])

# %%
units.answer("c", """With beta = 64 a latent needs a direction along which the data vary by more
    than 64 times 0.05, which is 3.2. There is none: the largest is 0.70.""")
good, bad = ([row[0] for row in found[name]] for name in ("sum", "mean"))
elbos = {name: np.mean([row[1] for row in rows]) for name, rows in found.items()}
claim("-", "averaging the nll over the pixels only rescales the loss",
      f"active units {min(good)} with the sum, {max(bad)} with the mean; ELBO "
      f"{elbos['sum']:.1f} ± 2 and {elbos['mean']:.1f} ± 2 nats",
      "does not hold: the KL then counts once per pixel, and all latents collapse",
      min(good) > 6 and max(bad) == 0)

# %%
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
sheet(ax, list(drawn.values()), list(drawn))
ax.tick_params(labelsize=14)
ax.set_title("Digits, and what three VAEs make of them", fontsize=15)
figure(fig, "11_sum_or_mean")

# %% [markdown]
# ## A measurement that misses it
# One could ask whether the codes still tell the classes apart: for each held-out digit, let the
# ten training digits with the nearest codes vote. Once the codes are the means mu, and once they
# are drawn, z = mu + sigma eps, as the decoder gets them
# ([eq. (9.2)](derivations/09_reparameterization.md#eq-9-2)).

# %%
class Drawn:
    """An encoder whose codes are draws from q(z | x)."""

    def __init__(self, model, k):
        self.model, self.chance = model, rng(k, 5)

    def codes(self, x):
        mu, logvar = posteriors(self.model, x)                        # (n, 8) each
        return mu + np.exp(logvar / 2) * self.chance.standard_normal(mu.shape)


accuracy = {}
for name, rows in found.items():
    for _, _, model, k in rows:
        split = held_out(x, y, 297, k)
        pair = class_accuracy(model, *split), class_accuracy(Drawn(model, k), *split)
        accuracy.setdefault(name, []).append(pair)
accuracy = {name: np.array(pairs) for name, pairs in accuracy.items()}                   # (4, 2)
print("\nClass accuracy, four runs and splits; chance is 0.10:")
table(["", "codes mu", "drawn codes z"],
      [[name, spread(pairs[:, 0]), spread(pairs[:, 1])] for name, pairs in accuracy.items()])

# %%
sixteen, mean = accuracy["beta 16"].mean(axis=0), accuracy["mean"].mean(axis=0)
judged.answer("c", """The means still differ by a hair, and the nearest are found at any scale.
    The decoder sees them under noise that is many times wider, and to it they are one and the
    same. Judge the codes that it gets, or count active latents.""")
claim("-", "the class accuracy of the codes would show a collapse",
      f"collapsed: {sixteen[0]:.2f} ± 0.08 (beta 16) and {mean[0]:.2f} ± 0.08 (mean) from mu; "
      f"{sixteen[1]:.2f} ± 0.03 and {mean[1]:.2f} ± 0.03 from drawn z",
      "does not hold: neighbours are found at any scale; only drawn codes show it",
      min(sixteen[0], mean[0]) > 0.3 and max(sixteen[1], mean[1]) < 0.15)
end()

# %% [markdown]
# ## Your turn
# 1. Divide both: `return nll / 64, kl / 64`. Predict the number of active latents, then run.
# 2. Repair the mean in another way: keep it, and make the decoder's variance smaller,
#    `np.log(0.05 / 64)`, for all three variants. Which of the other two is damaged, and why?
#
# An exercise that answers back: [ex12_active_units](exercises/ex12_active_units.py).
#
# ## What you should see
# 1. Eight. Dividing the whole loss by 64 moves no minimum, and Adam does not even notice the size
#    of a gradient. A mean over pixels is fine if the KL is divided as well.
# 2. Eight latents live in all three, and 'mean' has the drawn accuracy that the sum had before,
#    0.88: beta and the variance occur as a product, 64 times 0.05 / 64. The other two are now
#    nearly autoencoders: so little noise is left that drawn codes are as good as mu (0.95). And
#    the ELBO is far below -800 for all three, for a decoder that claims such precision is wrong.
