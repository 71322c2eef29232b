# %%
"""Lesson 10, second part: three pictures of the latent space.

The essay shows the codes of the digits with the reconstruction alone, with the KL alone, and with
both. Here they are, measured. Takes about 20 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import class_accuracy, digit_map, distance_from_prior, held_out, spread
from workbench import table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The loss of a VAE has two parts, nll + kl. What does each part do to the *map*, the place that
# every picture gets in the latent space? Take one of them away and look.
#
# **What you need:** [the first part](10_vae.py). Two measurements, both in [the
# workbench](workbench/measure.py):
# - *class accuracy*: the ten nearest codes vote on the class of a held-out picture, and how often
#   they are right;
# - *distance from N(0, I)*: the KL in nats of the Gaussian that has the codes' mean and
#   covariance, noise included, [eq. (8.18)](derivations/08_gaussian_kl.md#eq-8-18).

# %%
accuracy = predict("""You drop the KL and keep all else, noise included. What becomes of the class
                   accuracy of the codes?""", a="it falls to chance",
                   b="it stays about as it is, or rises a little", c="it rises to nearly 1")
distance = predict("""And what becomes of the distance of the codes from N(0, I), which is near 0
                   with both parts?""", a="it stays below 1 nat", b="it grows to some nats",
                   c="it grows to many tens of nats")

# %% [markdown]
# ## Four models
# All have the same networks and two latents, so that the map can be drawn as it is. What differs
# is the loss,
#
# $$ \mathrm{loss} = \mathrm{nll} + \beta\, \mathrm{KL} $$
#
# ([eq. (10.3)](derivations/10_vae.md#eq-10-3)), with beta 0 for the reconstruction alone; for the
# KL alone the nll is multiplied by 0.

# %%
class KLOnly(mv.VAE):
    def terms(self, x, rng):
        nll, kl = super().terms(x, rng)                      # (B,) each
        return 0 * nll, kl


variants = {"autoencoder": (mv.Autoencoder, 1), "reconstruction only": (mv.VAE, 0),
            "KL only": (KLOnly, 1), "both: the VAE": (mv.VAE, 1)}
SEEDS = 5
x, y = mv.data.digits()
splits = [held_out(x, y, 297, k) for k in range(SEEDS)]      # x_train, y_train, x_test, y_test

# %%
found, last = {}, {}
for name, (kind, beta) in variants.items():
    models = [trained(kind, splits[k][0], k, epochs=80, beta=beta, hidden_dims=(100,),
                      latent_dim=2, activation="tanh") for k in range(SEEDS)]
    accuracies = [class_accuracy(model, *split) for model, split in zip(models, splits)]
    away = [distance_from_prior(model, split[0]) for model, split in zip(models, splits)]
    found[name] = accuracies, away
    last[name] = models[-1].codes(splits[-1][2])             # (297, 2)

print(f"\nMean over {SEEDS} seeds and splits (smallest to largest):")
table(["", "class accuracy", "distance from N(0, I), nats"],
      [[name, spread(accuracies), spread(away)] for name, (accuracies, away) in found.items()])

# %%
fig, axes = plt.subplots(2, 2, figsize=(8, 8.4), layout="constrained")
for ax, (name, code) in zip(axes.flat, last.items()):
    digit_map(ax, code, splits[-1][3])
    ax.set_title(name, fontsize=15)
fig.suptitle("Codes of held-out digits. Dashed: two standard deviations of N(0, I).\n"
             "Mind the scales.", fontsize=13)
figure(fig, "10_three_maps")

# %%
ae, reconstruction, kl_only, both = (np.array(found[name]) for name in variants)     # (2, SEEDS)
accuracy.answer("b", """The class accuracy asks only whether neighbours are alike, at whatever
    scale. The reconstruction alone sees to that: it even does so a little better, for the KL
    pushes classes together until they touch.""")
distance.answer("c", """The reconstruction term pays for distance between the codes, since the
    noise then matters less. So they run outwards, and nothing holds them but the KL.""")
claim("§3.2", "with the KL alone the codes of all classes fall onto one another",
      f"class accuracy {kl_only[0].mean():.2f} ± 0.06 (chance 0.10), distance from N(0, I) "
      f"{kl_only[1].mean():.2f} ± 0.01 nats",
      "holds", kl_only[0].mean() < 0.2 and kl_only[1].max() < 0.01)
claim("§3.2", "without the KL the codes scatter, each image on its own",
      f"distance from N(0, I) {reconstruction[1].mean():.0f} ± 40 % nats without the KL, "
      f"{both[1].mean():.2f} ± 0.05 with it",
      "holds", reconstruction[1].min() > 20 > 1 > both[1].max())
claim("§3", "the VAE brings the classes together and still keeps them apart, "
      "better than an autoencoder",
      f"class accuracy VAE {both[0].mean():.2f} ± 0.05, autoencoder {ae[0].mean():.2f} ± 0.05",
      "does not hold: together yes, better apart no", 0.5 < both[0].mean() < ae[0].mean() + 0.02)
end()

# %% [markdown]
# ## Why
# The reconstruction alone pays for distance, so codes run outwards. The KL alone pays for nothing
# about x, so every q(z | x) becomes the prior, and a code says nothing of its picture. Their sum
# spends nats on z only where that saves more nats on pixels.
#
# ## Your turn
# 1. Set beta of the last variant to 4. Predict both columns, then run.
# 2. Give all four 8 latents. Does the class accuracy now tell the VAE from the autoencoder?
#
# An exercise that answers back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. Accuracy 0.38, distance 0.00: the map shrinks until the classes lie on one another; the KL
#    has nearly won.
# 2. No: 0.96 and 0.94. With eight numbers there is room for ten classes. The distance from N(0,
#    I) tells them apart as before, 80 nats against 0.02. The KL-only model now has 0.27: its
#    codes keep a trace of the picture that costs nothing.
