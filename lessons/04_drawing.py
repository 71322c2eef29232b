# %%
"""Lesson 04, fourth part: codes drawn at random.

You draw codes from N(0, I), decode them with an autoencoder and with a VAE, and count how many of
the pictures are moons. Takes about 5 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import share_real, sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A decoder makes a picture from any code. So can one draw a new moon by making up a code at random?
# The essay says: from a VAE yes, from an autoencoder no. Both decoders are the same network here,
# trained on the same 256 moons of all phases. What does the autoencoder lack?
#
# **What you need:** [the second part](04_moons.py). Of the VAE: its loss pulls the codes of all
# pictures towards the [prior](GLOSSARY.md#prior) N(0, I), eight independent numbers of mean 0 and
# standard deviation 1 here.

# %%
drawn = predict("""1,000 codes are drawn from N(0, I) and decoded. How many are moons?""",
                a="of both models nearly all", b="of the VAE nearly all, of the autoencoder few",
                c="of both few: most codes lie between those that were learned")
lacks = predict("""For the autoencoder you then draw from a Gaussian that has the mean and the
                covariance of its own codes. How many are moons now?""",
                a="as few as before: without noise in training there are holes between codes",
                b="about half", c="about as many as of the VAE")

# %% [markdown]
# ## What counts as a moon
# The pictures of all true moons are known
# ([eq. (4.11)](derivations/04_autoencoder.md#eq-4-11)), so a decoded picture can be compared with
# the nearest of them. It is taken for a moon if the root mean square (RMS) of the difference is
# below 0.10 per pixel; two true moons 0.05 apart in phase differ by about that much. To generate,
# one draws $z \sim N(0, I)$ and decodes it,
# [eq. (12.1)](derivations/12_aggregate_posterior.md#eq-12-1); `model.sample` does that
# ([minivae/models.py](../minivae/models.py)).

# %%
SIDE, SEEDS = 16, range(3)                                              # 256 pixels
every_moon = mv.data.moons(501, SIDE, phases=np.linspace(0, 1, 501))[0]             # (501, 256)


def fitted_draws(model, x, n, chance):
    """n codes from the Gaussian with the mean and covariance of the codes of x: (n, Z)."""
    codes = model.codes(x)                                              # (256, Z)
    return chance.multivariate_normal(codes.mean(axis=0), np.cov(codes.T), n)


moons = [mv.data.moons(256, SIDE, rng=rng(k, 2))[0] for k in SEEDS]     # (256, 256) each
models = {name: [trained(kind, x, k, 250, batch_size=64, hidden_dims=(64,), latent_dim=8,
                         activation="tanh") for k, x in enumerate(moons)]
          for name, kind in (("autoencoder", mv.Autoencoder), ("VAE", mv.VAE))}

# %%
pictures = {}
for name, three in models.items():
    pictures[name, "N(0, I)"] = [model.sample(1000, rng(k, 3)) for k, model in enumerate(three)]
    pictures[name, "a Gaussian fitted to its codes"] = [
        model.pixels(fitted_draws(model, x, 1000, rng(k, 4)))
        for k, (model, x) in enumerate(zip(three, moons))]
shares = {key: [share_real(p, every_moon, 0.10 * SIDE) for p in three]      # RMS below 0.10
          for key, three in pictures.items()}
spreads = {name: np.mean([m.codes(x).std() for m, x in zip(three, moons)])
           for name, three in models.items()}
print("\nShare of moons among 1,000 decoded draws, mean of three models (and range):")
table(["", "moons"], [[", from ".join(key), spread(three)] for key, three in shares.items()])
print("Standard deviation of the codes: "
      + ", ".join(f"{name} {value:.1f}" for name, value in spreads.items()))

# %%
drawn.answer("b", """The VAE's loss has put its codes where N(0, I) draws. Nothing tells the
    autoencoder where to put its own, and they lie far wider than N(0, I) reaches.""")
lacks.answer("c", """Drawn from where its codes really are, the autoencoder draws moons, too. It has
    learned no worse pictures; what it has not got is a place to draw from that is known
    beforehand. With eight numbers and moons a Gaussian fits the codes well enough. Of other
    pictures it need not.""")
ae, vae, fitted = (np.mean(shares[key]) for key in (
    ("autoencoder", "N(0, I)"), ("VAE", "N(0, I)"),
    ("autoencoder", "a Gaussian fitted to its codes")))

# %%
fig, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
rows = {"VAE,\nN(0, I)": pictures["VAE", "N(0, I)"],
        "autoencoder,\nN(0, I)": pictures["autoencoder", "N(0, I)"],
        "autoencoder,\nfitted": pictures["autoencoder", "a Gaussian fitted to its codes"]}
sheet(ax, [three[0][:9] for three in rows.values()], list(rows))
ax.tick_params(labelsize=14)
ax.set_title("Decoded draws: the autoencoder must be told where its codes are", fontsize=15)
figure(fig, "04_drawing")
claim("§1", "a code drawn at random decodes to a real picture from a VAE, but not from an "
      "autoencoder",
      f"real moons among the decoded draws from N(0, I): VAE {vae:.2f} ± 0.08, autoencoder "
      f"{ae:.2f} ± 0.1", "holds", vae > 0.8 and ae < 0.5)
claim("-", "what the autoencoder lacks is knowing where its codes are",
      f"real moons among draws from a Gaussian fitted to the autoencoder's own codes: {fitted:.2f} "
      f"± 0.05; from N(0, I): {ae:.2f} ± 0.1", "holds if a Gaussian fits the codes, as it does "
      "here", fitted > 0.8 and fitted > ae + 0.3)
end()

# %% [markdown]
# ## Your turn
# 1. Two numbers in place of eight: `latent_dim=2`. Does a Gaussian still fit the autoencoder's
#    codes?
# 2. Draw from N(0, I) times the model's own standard deviation: in the first line of the loop
#    `model.pixels(np.float32(model.codes(moons[k]).std() * rng(k, 3).standard_normal((1000, 8))))`.
#    Is knowing the size enough, without the mean and the covariance?
#
# ## What you should see
# 1. It does, 1.00 are moons. From N(0, I) 0.26 are, for the codes lie even wider, 13.5.
# 2. No, 0.35: moons that differ in one number have codes along a line in eight dimensions, and
#    draws that are as wide in all directions miss it.
