# %%
"""Lesson 04, fifth part: one number for a moon.

A VAE has one number to keep of each moon, and the moons differ in one number, their phase. You
find the rule by which it codes them. Takes about 4 s.
"""
from workbench import begin, claim, distances, end, figure, predict, rng, spread, table, trained

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The moons differ in nothing but the phase f, the share of the disc that is lit
# ([eq. (4.11)](derivations/04_autoencoder.md#eq-4-11)). A VAE that may keep one number of each has
# to turn a phase into a code. By which rule?
#
# **What you need:** [the second part](04_moons.py), and that a VAE's loss pulls all its codes
# together towards the [prior](GLOSSARY.md#prior) N(0, 1).

# %%
rule = predict("""The phases of the training moons are spread evenly from 0 to 1. Which code does
               the moon of phase f get, up to sign and scale?""",
               a="f itself, moved so that the half moon is at 0",
               b="the place below which the share f of N(0, 1) lies",
               c="a different rule for each seed")
halfway = predict("""You decode the place halfway between the codes of the phases 0.50 and 0.98,
                  whose mean is 0.74. Which phase appears?""",
                  a="about 0.74", b="a larger one, about 0.85", c="a smaller one, about 0.60")

# %% [markdown]
# ## What the rule must do
# The codes of all moons together should be spread as N(0, 1), and the phases are spread evenly. If
# the encoder keeps the order, the moon that is larger than the share f of all moons must get the
# code that is larger than the share f of N(0, 1). That is the *normal quantile* of f, with
# $\Phi$ for the normal distribution function,
# [eq. (12.8)](derivations/12_aggregate_posterior.md#eq-12-8):
#
# $$ \mu(f) = \Phi^{-1}(f) $$

# %%
quantile = np.vectorize(NormalDist().inv_cdf)
SIDE = 16                                                               # 256 pixels
phase = np.linspace(0.02, 0.98, 49)                                     # phase[24] is 0.50
x = mv.data.moons(49, SIDE, phases=phase)[0]                            # (49, 256)
every_phase = np.linspace(0, 1, 501)
every_moon = mv.data.moons(501, SIDE, phases=every_phase)[0]            # (501, 256)

codes, shown = [], []
for k in range(4):
    moons = mv.data.moons(256, SIDE, rng=rng(k, 2))[0]                  # (256, 256)
    model = trained(mv.VAE, moons, k, 250, batch_size=64, hidden_dims=(64, 64), latent_dim=1,
                    activation="tanh")
    code = model.codes(x)[:, 0]                                         # (49,)
    picture = model.pixels((code[24:25] + code[48:])[:, None] / 2)      # (1, 256)  halfway
    shown.append(every_phase[distances(picture, every_moon).argmin()])
    codes.append(code * np.sign(code[-1] - code[0]))                    # which end is up is chance

# %%
straight = [np.corrcoef(code, phase)[0, 1] for code in codes]
normal = [np.corrcoef(code, quantile(phase))[0, 1] for code in codes]
slopes, at_half = np.array([np.polyfit(quantile(phase), code, 1) for code in codes]).T
expected = NormalDist().cdf(quantile(0.98) / 2)
print("\nThe code against the phase, four seeds:")
rows = {"correlation with the phase itself": spread(straight, ".3f"),
        "correlation with the normal quantile of the phase": spread(normal, ".3f"),
        "slope of the code over the quantile": spread(slopes),
        "code of the half moon": spread(at_half),
        "phase shown halfway between 0.50 and 0.98": spread(shown)}
table(["", "mean (range)"], rows.items())
print(f"Halfway between the two codes the quantile says phase {expected:.2f}.")

# %%
rule.answer("b", """The correlation with the quantile is nearly 1. The ends of the curve are where
    one sees it: near f = 0 and f = 1 a small step of the phase is a large step of the code, for
    few draws of N(0, 1) lie out there, so the few moons that do are far apart.""")
halfway.answer("b", f"""Halfway from 0 to the quantile of 0.98, which is 2.05, lies 1.03, and below
    1.03 lies the share {expected:.2f} of N(0, 1). So the middle between two codes is not the mean
    of what they code.""")

# %%
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
ax.plot(phase, quantile(phase), color="black", linewidth=2, label="normal quantile")
for code, colour, marker in zip(codes, mv.plot.COLOURS, "os^D"):
    ax.plot(phase[::2], code[::2], marker, color=colour, markersize=6, linestyle="none")
ax.plot([], [], "o", color=mv.plot.COLOURS[0], label="a VAE's code, four seeds")
for f in (0.1, 0.3, 0.5, 0.7, 0.9):
    inset = ax.inset_axes([f - 0.05, 1.0, 0.1, 0.16])
    inset.imshow(mv.data.moons(1, SIDE, phases=[f])[0].reshape(SIDE, SIDE), cmap="gray")
    inset.axis("off")
ax.set_xlim(0, 1)
ax.set_xlabel("phase: the share that is lit", fontsize=14)
ax.set_ylabel("code", fontsize=14)
ax.tick_params(labelsize=12)
ax.legend(fontsize=14, loc="upper left")
figure(fig, "04_quantile")
claim("-", "one latent, phases spread evenly: the VAE's code is the normal quantile of the phase",
      f"correlation {np.mean(normal):.3f} ± 0.006, slope {np.mean(slopes):.2f} ± 0.08, half moon "
      f"at {np.mean(at_half):.2f} ± 0.2; halfway between 0.50 and 0.98 it shows phase "
      f"{np.mean(shown):.2f} ± 0.03, where the quantile says {expected:.2f}",
      "holds if the network keeps the phases in order, and up to the scale of the code",
      min(normal) > 0.99 and max(straight) < min(normal) and abs(np.mean(at_half)) < 0.25
      and abs(np.mean(shown) - expected) < 0.04)
end()

# %% [markdown]
# ## Your turn
# 1. Make thin moons common: `mv.data.moons(256, SIDE, phases=rng(k, 2).random(256) ** 2)[0]`.
#    Which code does the half moon get now? (Its phase is larger than that of 71 % of all moons.)
# 2. Take away hidden layers: `hidden_dims=(64,)`. Does the rule change?
#
# ## What you should see
# 1. 0.57, and the quantile of 0.71 is 0.55. The code belongs to the rank of a moon among those that
#    were seen, and not to its phase.
# 2. Not the rule, the correlation is the same. But the slope is 1.47, further from 1: with fewer
#    layers the VAE needs a wider code to tell the phases apart.
