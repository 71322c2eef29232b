# %%
"""Lesson 05: noise on the code, and two ways out of it.

You add noise to an autoencoder's codes, of a fixed size and of a size that it may choose, and
follow what the training does about it. Takes about 10 s.
"""
from workbench import begin, claim, end, figure, finished, predict, rng
from workbench import table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# An autoencoder decodes its codes, and nothing was ever decoded between them. So the essay adds
# noise to each code: then the decoder is trained all around it. But the encoder is trained, too,
# and noise makes pictures worse. Does the noise stay as large as it was meant to be?
#
# **What you need:** an [autoencoder](04_autoencoder.py) and [moons](04_moons.py). The noise has
# the standard deviation [std](GLOSSARY.md#std), and a network gives its
# [logvar](GLOSSARY.md#logvar), which may have any sign: std = exp(logvar / 2),
# [eq. (5.5)](derivations/05_noise.md#eq-5-5).

# %%
codes = predict("""Noise of std 1 is added to every code, always. It makes the pictures less sharp,
                and the encoder cannot touch it. What will the encoder do with the codes?""",
                a="gather them around 0", b="leave them where they are", c="spread them out")
half = predict("""Now it may choose std, and pays a penalty that is smallest at std 1. A VAE pays a
               second one, ½ mu², for codes far from 0. What becomes of the noise, measured in
               the codes' own std, if you drop that second penalty?""",
               a="nothing", b="about half is left", c="less than a hundredth is left")

# %% [markdown]
# ## One model, several penalties
# z = mu + std · eps, [eq. (9.2)](derivations/09_reparameterization.md#eq-9-2), and a penalty with
# two halves, one for the codes and one for the noise,
# [eq. (8.10)](derivations/08_gaussian_kl.md#eq-8-10):
#
# $$ \tfrac12 \mu^2 \qquad\text{and}\qquad \tfrac12 (e^s - s - 1), \quad s = \mathrm{logvar} $$
#
# Both together are the KL of a VAE: `gaussian_kl` in [minivae/vae_ops.py](../minivae/vae_ops.py).

# %%
class Noisy(mv.VAE):
    learned, hold_codes, hold_noise = True, 1, 1

    def terms(self, x, rng):
        mu, logvar = self.encode(x)                                     # (B, 2) each
        if not self.learned:
            logvar = 0 * logvar                                         # std = 1
        eps = rng.standard_normal(mu.shape, np.float32)                 # (B, 2)
        z = mv.reparameterize(mu, logvar, eps)                          # (B, 2)  eq. (9.2)
        nll = self.nll(self.decode(z), x)                               # (B,)    eq. (4.5)
        for_codes = 0.5 * (mu * mu).sum(axis=1)                         # (B,)    eq. (8.10)
        for_noise = 0.5 * (np.exp(logvar) - logvar - 1).sum(axis=1)     # (B,)    eq. (8.10)
        return nll, self.hold_codes * for_codes + self.hold_noise * for_noise

    def sizes(self, x):
        """Std of the codes; std of the noise (a geometric mean)."""
        mu, logvar = (t.data for t in self.encode(x))
        noise = np.exp(logvar.mean() / 2) if self.learned else 1.0
        return mu.std(axis=0).mean(), noise


SETTINGS = {"fixed, codes free": (False, 0, 0), "fixed, codes held": (False, 1, 0),
            "learned, both free": (True, 0, 0), "learned, noise held": (True, 0, 1),
            "learned, both held (VAE)": (True, 1, 1)}
STEPS = (0, 50, 100, 200, 400, 800)


# %%
def train(x, k, setting):
    """The fitted model, its sizes (6, 2) after each of STEPS, and the nll at the end."""
    model = Noisy(256, (64,), 2, activation="tanh", rng=rng(k))
    model.learned, model.hold_codes, model.hold_noise = setting
    adam, chance = mv.Adam(model.parameters(), lr=3e-3), rng(k, 1)
    sizes = [model.sizes(x)]
    for steps in np.diff(STEPS):                            # an epoch has 4 steps of 64 pictures
        history = finished(mv.fit(model, x, epochs=int(steps) // 4, batch_size=64, rng=chance,
                                  optimizer=adam))
        sizes.append(model.sizes(x))
    return model, np.array(sizes), history.nll[-1]


moons = [mv.data.moons(256, 16, rng=rng(k, 2))[0] for k in range(3)]    # (256, 256) each
size, nll = {}, {}
for name, setting in SETTINGS.items():
    runs = [train(x, k, setting) for k, x in enumerate(moons)]
    size[name] = np.array([sizes for _, sizes, _ in runs])              # (3, 6, 2)
    nll[name] = np.mean([run[2] for run in runs])
plain = [trained(mv.Autoencoder, x, k, epochs=200, batch_size=64, hidden_dims=(64,), latent_dim=2,
                 activation="tanh") for k, x in enumerate(moons)]
nll["no noise"] = np.mean([model.terms(x)[0].data.mean() for model, x in zip(plain, moons)])

ratio = {name: (both[:, :, 1] / both[:, :, 0]).mean(axis=0) for name, both in size.items()}  # (6,)
print(f"\n256 moons in 2 numbers, {STEPS[-1]} steps, mean of 3 seeds")
table(["noise", "std of codes", "std of noise", "noise / codes", "nll"],
      [[name, *(f"{v:.3f}" for v in both[:, -1].mean(axis=0)), f"{ratio[name][-1]:.3f}",
        f"{nll[name]:.1f}"] for name, both in size.items()])
print(f"Without noise the nll is {nll['no noise']:.1f}.")

# %%
FREE, HELD, LEARNED, HALF, BOTH = SETTINGS
codes.answer("c", """Larger codes are as good as smaller noise: the decoder divides by the scale,
    eq. (5.9). So the codes move apart, and the noise ends at a few hundredths of their std. The
    penalty ½ mu² closes that way out.""")
half.answer("b", """The noise's own penalty keeps its std near 1, as it should, but the codes run
    away from it as they did from fixed noise. It takes both halves to close both ways out.""")

# %%
noise = size[LEARNED][:, :, 1].mean(axis=0)                             # (6,)
print("\nLearned noise without a penalty, its std by steps: "
      + ", ".join(f"{std:.3f} ({n})" for n, std in zip(STEPS, noise)))
claim("-", "noise of a fixed size stays as large as it was made",
      f"noise / codes after 200 and 800 steps: {ratio[FREE][3]:.2f} ± 0.03 and "
      f"{ratio[FREE][-1]:.3f} ± 0.015 with free codes, {ratio[HELD][3]:.2f} ± 0.04 and "
      f"{ratio[HELD][-1]:.2f} ± 0.04 with mu^2/2",
      "does not hold: free codes outgrow it, for as long as they are trained",
      ratio[FREE][-1] < 0.75 * ratio[FREE][3] and ratio[HELD][-1] > 0.75 * ratio[HELD][3])
claim("§1, §5.2", "without the second loss the learned noise shrinks towards nothing: an "
      "autoencoder is left",
      f"noise std {noise[0]:.2f} ± 0.6 at the start, {noise[3]:.3f} ± 0.02 after 200 and "
      f"{noise[-1]:.3f} ± 0.007 after 800 steps; nll {nll[LEARNED]:.1f} ± 0.7 against "
      f"{nll['no noise']:.1f} ± 0.7 nats without noise, {abs(nll[LEARNED] - nll['no noise']):.2f} "
      "± 0.2 apart", "holds: gradually, with no end",
      np.all(np.diff(noise) < 0) and noise[-1] < 0.04
      and abs(nll[LEARNED] - nll["no noise"]) < 0.3)
claim("§1", "the half exp(s) - (1 + s) of the second loss keeps the noise from being trained away",
      f"noise std {size[HALF][:, -1, 1].mean():.2f} ± 0.1 but noise / codes "
      f"{ratio[HALF][-1]:.3f} ± 0.02 with that half alone, {ratio[BOTH][-1]:.3f} ± 0.04 with m^2, "
      "too",
      "holds if the other half, m^2, holds the codes; alone it keeps the noise, and the codes "
      "outgrow it", size[HALF][:, -1, 1].mean() > 0.6 and ratio[HALF][-1] < 0.7 * ratio[BOTH][-1])

# %%
fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
for name, colour, up in zip(SETTINGS, mv.plot.COLOURS, (2, -4, -4, -12, -4)):
    ax.loglog(STEPS[1:], ratio[name][1:], marker="o", color=colour, linewidth=2.5)
    ax.annotate(name, (STEPS[-1], ratio[name][-1]), (8, up), textcoords="offset points",
                fontsize=13, color=colour)
ax.set_xlim(45, 6000)
ax.set_xticks([], minor=True)
ax.set_xticks(STEPS[1:], STEPS[1:])
ax.set_xlabel("training step", fontsize=13)
ax.set_ylabel("std of noise / std of codes", fontsize=13)
ax.set_title("Noise keeps its size only where the codes are held", fontsize=15)
figure(fig, "05_noise")
end()

# %% [markdown]
# ## Your turn
# 1. Hold the codes in place of the noise: `"learned, codes held": (True, 1, 0)` in place of
#    `"learned, noise held": (True, 0, 1)`. Which of the two stds stays, which falls?
# 2. In the last setting give both halves a tenth of their weight, `(True, 0.1, 0.1)`. What
#    becomes of the codes, of the noise and of the nll?
# 3. Replace the penalty for the codes by one that keeps only their sum near 0: `for_codes = 0.5 *
#    mu.sum(axis=1)**2`. Does it close the way out?
#
# ## What you should see
# 1. The codes stay, at 0.77; the noise falls to 0.002, less than a hundredth of that: held codes
#    do not help against noise that may shrink. The model is an autoencoder with small codes.
# 2. The codes spread to 1.7 (from 1.1), the noise falls to 0.08 (from 0.17), and the nll falls
#    from 20.3 to 19.3: a cheaper penalty is paid with less noise and sharper pictures. That
#    weight is the [beta](GLOSSARY.md#beta) of chapter 11.
# 3. No. Noise / codes of the VAE is 0.055, hardly a third of 0.154: the codes run away along the
#    line on which their sum is 0.
