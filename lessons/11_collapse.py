# %%
"""Lesson 11, third part: which latents live.

A VAE without hidden layers is given twelve latents. You say before the training how many of them
it will use, from the data alone. Takes about 6 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import finished, sheet, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Some latents of a trained VAE have sigma = 1 and mu = 0 for every picture: they have
# [collapsed](GLOSSARY.md#collapse), and say nothing. When does that happen, and can it be known
# beforehand?
#
# **What you need:** the [first part](11_tug_of_war.py), and [PCA](GLOSSARY.md#pca): the
# covariance of the data has an eigenvalue for each of its directions, the variance of the data
# along it. The VAE here is *linear*: the encoder's mu and the decoder's picture are affine. Its
# decoder is Gaussian and has a fixed variance sigma_x² for each pixel.

# %%
x, y = mv.data.digits()
eigenvalues, directions = np.linalg.eigh(np.cov(x.T, bias=True))      # (64,), (64, 64)
eigenvalues, directions = eigenvalues[::-1], directions[:, ::-1]      # the largest first
print("The twelve largest eigenvalues of the digits' covariance:")
print("  " + "  ".join(f"{value:.2f}" for value in eigenvalues[:12]))

# %%
OPTIONS = {"a": "none", "b": "3", "c": "5", "d": "10", "e": "all 12"}
plain = predict("""A linear VAE with 12 latents and sigma_x² = 0.127. How many does it use?""",
                **OPTIONS)
weighted = predict("""Now with sigma_x² = 0.05, and the KL weighed with beta = 5?""", **OPTIONS)

# %% [markdown]
# ## One line
# Let the decoder move the picture by w per unit of z along a direction in which the data have the
# variance lambda. Then the model says that pictures vary by w² there, on account of z, plus its
# own pixels' noise, sigma_x². The best fit makes the two equal to what the data have,
#
# $$
# w^2 + \sigma_x^2 = \lambda, \qquad\text{so}\quad w^2 = \lambda - \sigma_x^2
#    \quad\text{if}\quad \lambda > \sigma_x^2
# $$
#
# and if lambda is smaller, the pixels' noise alone is already too much, and the best w is 0: the
# latent moves nothing, and by [eq. (11.3)](derivations/11_tug_of_war.md#eq-11-3) its sigma is 1.
# It is dead. A weight beta on the KL does what a variance beta sigma_x² would do
# ([eq. (11.4)](derivations/11_tug_of_war.md#eq-11-4)). So a latent lives if
#
# $$ \lambda > \beta \sigma_x^2 $$
#
# and then, by (11.4) with w² for the squared slope, sigma² = beta sigma_x² / lambda, which makes
# its KL half the logarithm of lambda / (beta sigma_x²). Step by step this is
# [eq. (15.15)](derivations/15_likelihood.md#eq-15-15) and
# [eq. (15.16)](derivations/15_likelihood.md#eq-15-16).

# %% [markdown]
# ## The test
# A linear VAE sees only mean and covariance of the data, so 128 points with the digits'
# covariance stand for all of them. The mean over the noise is known, too
# ([eq. (11.1)](derivations/11_tug_of_war.md#eq-11-1)): nothing is left to chance but the start.

# %%
class LinearVAE(mv.VAE):
    def terms(self, x, rng):
        mu, logvar = self.encode(x)                                                    # (B, Z)
        mean, decoder_logvar = self.decode(mu)                                         # (B, D), ()
        slopes = np.sum(self.decoder.layers[0].weight ** 2, axis=1)                    # (Z,)
        expected = 0.5 * np.exp(-decoder_logvar) * (np.exp(logvar) @ slopes)           # eq. (11.1)
        return mv.gaussian_nll(mean, decoder_logvar, x) + expected, mv.gaussian_kl(mu, logvar)


points = directions.T * np.sqrt(64 * np.maximum(eigenvalues, 0))[:, None]             # (64, 64)
points = np.concatenate([points, -points])                                            # (128, 64)


def linear_vae(k, beta, variance):
    model = LinearVAE(64, (), 12, "gaussian", np.log(variance), dtype=np.float64, rng=rng(k))
    adam = mv.Adam(model.parameters())
    for adam.lr, epochs in ((3e-2, 500), (5e-3, 300)):
        finished(mv.fit(model, points, epochs=epochs, batch_size=128, optimizer=adam, beta=beta,
                        rng=rng(k, 1)))
    return model


# %%
RUNS = 3
SETTINGS = ((1, 0.127), (5, 0.05), (1, 0.47), (10, 0.1))              # beta, sigma_x²
rows, counted, off, share, moved = [], [], [], [], {}
for beta, variance in SETTINGS:
    foretold = int((eigenvalues[:12] > beta * variance).sum())        # eq. (15.15)
    kl = 0.5 * np.log(np.maximum(eigenvalues[:12] / (beta * variance), 1))             # eq. (15.16)
    for k in range(RUNS):
        model = linear_vae(k, beta, variance)
        found = mv.evaluate.kl_per_latent(model, points)              # (12,)
        order = found.argsort()[::-1]
        w = model.decoder.layers[0].weight.data[order]                # (12, 64), a row per latent
        off.append(np.abs(found[order] - kl).max())
        counted.append(int(mv.evaluate.active_units(model, points).sum()) - foretold)
        if foretold:
            along = w[:foretold] @ directions[:, :foretold]           # (foretold, foretold)
            share.append((along**2).sum() / (w[:foretold] ** 2).sum())
        moved.setdefault((beta, variance), w)
    used = [foretold + difference for difference in counted[-RUNS:]]
    rows.append([beta, variance, f"{beta * variance:.3f}", foretold, used,
                 f"{max(off[-RUNS:]):.3f}"])
print(f"\nLatents foretold and used (active) in {RUNS} runs, and the KL of each, largest error:")
table(["beta", "sigma_x²", "product", "foretold", "used", "error of a KL, nats"], rows)

# %%
plain.answer("d", "Ten eigenvalues are above 0.127, the eleventh is below.")
weighted.answer("c", """Only the product counts, 5 times 0.05 = 0.25. The sixth eigenvalue, 0.23,
    is below that: what it would save on pixels is less than its KL costs.""")
right = counted.count(0)
claim("-", "which latents of a linear VAE live is known before training, "
      "from the eigenvalues of the data",
      f"share of their slopes that lies along the foretold eigenvectors {min(share):.3f} ± 0.002",
      "holds", min(share) > 0.99)
claim("-", "collapse is predictable: a linear VAE keeps as many latents as there are eigenvalues "
      "above beta times its variance", f"{right} of {len(counted)} runs as predicted",
      "holds if it is trained to the end", right == len(counted))
claim("-", "the KL of a latent is half the log of its eigenvalue over beta times the variance",
      f"largest deviation, mean over {len(off)} runs, {np.mean(off):.2f} ± 0.02 nats of up to "
      f"{0.5 * np.log(eigenvalues[0] / 0.127):.2f}", "holds", np.mean(off) < 0.05)

# %%
fig, ax = plt.subplots(figsize=(9, 3.1), layout="constrained")
pictures = [0.5 + 1.8 * w for w in moved.values()]                    # (12, 64) each
labels = [f"{beta} · {variance} = {beta * variance:.3g}" for beta, variance in moved]
sheet(ax, pictures, labels)
for row, (beta, variance) in enumerate(moved):
    edge = 10 * (eigenvalues[:12] > beta * variance).sum() - 0.5
    ax.plot([edge, edge], [10 * row - 0.5, 10 * row + 9.5], color=mv.plot.COLOURS[1], linewidth=4,
            clip_on=False)
ax.tick_params(labelsize=13)
ax.set_ylabel("beta · sigma_x²", fontsize=13)
ax.set_title("What each of 12 latents moves; grey: nothing.\n"
             "Orange: where life was foretold to end", fontsize=14)
figure(fig, "11_collapse", width=480)
end()

# %% [markdown]
# ## Your turn
# 1. On paper: with sigma_x² = 0.05, between which two numbers must beta lie for exactly seven
#    latents to live? Then put your (beta, 0.05) in the place of (1, 0.127) in `SETTINGS`.
# 2. Train too little: write `((3e-2, 40), (5e-3, 20))` in `linear_vae`. What does the count of
#    the living do?
# 3. Double the contrast: a line `x = 2 * x` below the one that loads the digits. How many live
#    now?
#
# An exercise that answers back: [ex12_active_units](exercises/ex12_active_units.py).
#
# ## What you should see
# 1. The seventh eigenvalue is 0.20 and the eighth 0.17, so between 3.44 and 4.05. With 3.7 all
#    three runs use seven.
# 2. All 12 still count as alive, except in the last row. A latent that does not pay dies slowly:
#    near death it costs hardly anything. Count only after a training that has come to its end.
# 3. 12, 12, 10 and 5: the eigenvalues are four times as large. No sigma_x² is good or bad by
#    itself; it is a statement about the scale of the data. A VAE whose latents all die may simply
#    have pixels that are small beside its decoder's std.
