# %%
"""Lesson 05, second part: are there holes between the codes?

You decode places between the codes of an autoencoder, with noise on the codes and without. Takes
about 8 s.
"""
from workbench import begin, claim, distances, end, figure, finished, predict, rng
from workbench import share_real, sheet, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay says that places between an autoencoder's codes decode to garbage, and that noise
# covers them. The usual test draws codes from N(0, I) and counts the real pictures. What does
# that test measure, and are there holes?
#
# **What you need:** [the first part](05_noise.py); the best decoder of noisy codes shows means of
# pictures, [eq. (5.7)](derivations/05_noise.md#eq-5-7). A moon counts as real if it is closer
# than 0.10 per pixel to some true moon, a digit closer than 1.25 to some training digit ([how far
# to trust that](10_judge.py)).

# %%
between = predict("""An autoencoder without noise has learned 256 moons. You take the codes of two
                  of them and decode the place halfway between. How often is it a real moon?""",
                  a="hardly ever", b="about half the time", c="nearly always")
drawn = predict("""And of codes drawn from N(0, I), how many does it decode to real moons?""",
                a="about 1 in 4", b="as many as halfway", c="more than halfway")

# %% [markdown]
# ## Three models
# Noise of std 1 or none, and codes free or held by ½ mu², which `mv.fit` weighs by beta, 0 or 1.

# %%
class NoisyAutoencoder(mv.Autoencoder):
    noise = 1.0

    def terms(self, x, rng):
        mu = self.encode(x)                                             # (B, Z)
        eps = rng.standard_normal(mu.shape, np.float32)                 # (B, Z)
        nll = self.nll(self.decode(mu + self.noise * eps), x)           # (B,)    eq. (4.5)
        return nll, 0.5 * (mu * mu).sum(axis=1)                         # (B,) each


def train(x, k, latents, noise, beta, epochs):
    model = NoisyAutoencoder(x.shape[1], (64,), latents, activation="tanh", rng=rng(k))
    model.noise = noise
    finished(mv.fit(model, x, epochs=epochs, batch_size=64, lr=3e-3, beta=beta, rng=rng(k, 1)))
    return model


SETTINGS = {"no noise": (0, 0), "noise, codes free": (1, 0), "noise, codes held": (1, 1)}
moons = [mv.data.moons(256, 16, rng=rng(k, 2))[0] for k in range(3)]    # (256, 256) each
digits = [mv.data.digits()[0][rng(k, 2).permutation(1797)[:1500]] for k in range(3)]
models = {}
for name, setting in SETTINGS.items():
    models["moons", name] = [train(x, k, 2, *setting, epochs=200) for k, x in enumerate(moons)]
    models["digits", name] = [train(x, k, 8, *setting, epochs=30) for k, x in enumerate(digits)]

# %% [markdown]
# ## Three kinds of places
# Halfway between the codes of two pictures; draws from N(0, I); and the same draws moved and
# stretched to where the model's own codes lie. With the codes' mean and covariance S, and L the
# triangular matrix with L Lᵀ = S (Cholesky), that is
#
# $$ z = \bar\mu + L\, \varepsilon $$

# %%
def places(model, x, k):
    """1,000 places of each kind, (1000, Z) each."""
    code, chance = model.codes(x), rng(k, 4)
    i, j = chance.integers(0, len(x), (2, 1000))
    eps = chance.standard_normal((1000, code.shape[1]), np.float32)
    L = np.linalg.cholesky(np.cov(code.T))
    return (code[i] + code[j]) / 2, eps, code.mean(axis=0) + eps @ L.T


def reached(model, x, k):
    """Share of the box around the codes that lies within two std of the noise of a code."""
    code = model.codes(x)
    box = rng(k, 3).uniform(code.min(axis=0), code.max(axis=0), (1000, 2))
    return np.mean(distances(box, code).min(axis=1) < 2 * model.noise)


reach = {name: [reached(models["moons", name][k], moons[k], k) for k in range(3)]
         for name in SETTINGS}
print("\nShare of the box around the moons' codes that the noise reaches, mean of 3 seeds (range):")
table(["", "reached"], [[name, spread(shares)] for name, shares in reach.items()])

# %%
every_moon = mv.data.moons(501, 16, phases=np.linspace(0, 1, 501))[0]
real = {}
for (data, name), three in models.items():
    shares = []
    for k, model in enumerate(three):
        x, judge = digits[k], (digits[k], 1.25)
        if data == "moons":
            x, judge = moons[k], (every_moon, 0.10 * 16)
        shares.append([share_real(model.pixels(z), *judge) for z in places(model, x, k)])
    real[data, name] = np.mean(shares, axis=0)              # (3,)
print("\nShare of the decoded pictures that count as real, mean of 3 seeds")
table(["", "halfway", "N(0, I)", "N(0, I), stretched"],
      [[f"{data}, {name}", *(f"{share:.2f}" for share in real[data, name])]
       for data in ("moons", "digits") for name in SETTINGS])

# %%
PLAIN, FREE, HELD = SETTINGS
half = {key: shares[0] for key, shares in real.items()}
between.answer("c", """Nearly always, and without any noise: its networks are smooth, so that
    between neighbours they decode something between. Digits are harder, and a little noise helps
    there. But noise so large that it reaches most places makes fewer pictures real: where several
    codes with their noise overlap, the best decoder shows the mean picture, eq. (5.7).""")
drawn.answer("a", """N(0, I) draws near 0, and the codes lie where they like. Moved to where they
    lie, the same draws decode to real moons. So this test does not see holes; it sees whether the
    codes lie where it draws, and that is what held codes change.""")

# %%
claim("§1", "noise of a fixed size on the codes covers the empty places between them",
      f"within reach of the noise: {np.mean(reach[FREE]):.2f} ± 0.12 of the box around the codes "
      f"if they are free, {np.mean(reach[HELD]):.2f} ± 0.15 if they are held by mu^2/2",
      "holds if the scale of the codes is held; free codes outgrow the noise",
      max(reach[FREE]) < 0.4 and min(reach[HELD]) > 0.5)
claim("§1", "between its codes an autoencoder decodes garbage, and noise mends that",
      f"real pictures halfway between two codes, moons: {half['moons', PLAIN]:.2f} ± 0.02 without "
      f"noise, {half['moons', HELD]:.2f} ± 0.06 with noise and held codes; digits: "
      f"{half['digits', PLAIN]:.2f} ± 0.05 without noise, {half['digits', FREE]:.2f} ± 0.05 with "
      f"free codes, {half['digits', HELD]:.2f} ± 0.06 with held ones",
      "does not hold: moons need no noise, noise that is small beside the codes helps digits a "
      "little, and noise that reaches most places makes fewer pictures real",
      half["moons", PLAIN] > 0.97 and half["digits", PLAIN] > 0.4
      and half["digits", FREE] > half["digits", PLAIN] + 0.03
      and all(half[data, HELD] < half[data, PLAIN] - 0.02 for data in ("moons", "digits")))
plain, held = real["moons", PLAIN], real["moons", HELD]                 # (3,) each
claim("-", "whether draws from N(0, I) decode to real pictures shows whether the holes are filled",
      f"moons without noise: {plain[1]:.2f} ± 0.12 of the draws real, {plain[2]:.2f} ± 0.02 of the "
      f"same draws stretched to its codes; noise and held codes: {held[1]:.2f} ± 0.06 and "
      f"{held[2]:.2f} ± 0.06", "does not hold: it shows whether the codes lie where N(0, I) draws",
      plain[1] < 0.5 and plain[2] > 0.95 and held[1] > 0.8)

# %%
fig, axes = plt.subplots(2, 3, figsize=(10, 4.9), layout="constrained", height_ratios=(2.7, 1))
side = 1.1 * max(np.abs(models["moons", name][0].codes(moons[0])).max() for name in SETTINGS)
for (top, low), name in zip(axes.T, SETTINGS):
    model, x = models["moons", name][0], moons[0]
    top.scatter(*model.codes(x).T, s=14, c=x.mean(axis=1), cmap="viridis")
    top.add_patch(plt.Circle((0, 0), 2, fill=False, color="black", linestyle="--", linewidth=2))
    top.set(aspect="equal", xlim=(-side, side), ylim=(-side, side))
    top.set_title(name, fontsize=15)
    sheet(low, [model.pixels(z[:7]) for z in places(model, x, 0)[:2]], ["halfway", "N(0, I)"])
fig.suptitle("Codes of moons (dots), and where N(0, I) draws (dashed)", fontsize=15)
figure(fig, "05_holes", width=640)
end()

# %% [markdown]
# ## Your turn
# 1. Show the models four moons only: `phases=np.arange(256) % 4 / 3` in place of `rng=rng(k, 2)`.
#    What is decoded halfway?
# 2. Make the noise three times as large, `(3, 0)` and `(3, 1)`. Which row of moons changes?
#
# ## What you should see
# 1. 0.61 are real without noise, 0.58 with noise and held codes. A quarter are halfway between
#    two codes of the same moon; of the others about half are real. A model must have seen
#    pictures from between; noise does not replace them.
# 2. Of the moons only the last: 0.73 halfway in place of 0.89. The free codes spread to a greater
#    width, and their moons are as before.
