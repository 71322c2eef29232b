# %%
"""Lesson 11: the tug of war over the noise.

You turn the noise of a trained code up and down by hand and see what each half of the loss says
to it. Then you train with one of the halves left out. Takes about 4 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import balanced_std, finished, posteriors, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# For every picture the encoder of a VAE chooses a mean and, for each latent, how much noise is
# added: its [std](GLOSSARY.md#std), sigma. The reconstruction would like none. The KL would like
# sigma = 1, the noise of the [prior](GLOSSARY.md#prior). Who wins?
#
# **What you need:** the [VAE](10_vae.py) and its loss, nll + kl, and the noise z = mu + sigma eps
# of [lesson 09](09_reparameterization.py). The decoder here is Gaussian, with a fixed variance
# sigma_x² = 0.05, [eq. (10.5)](derivations/10_vae.md#eq-10-5).

# %%
steep = predict("""The latents of a trained VAE differ: along some of them the decoded picture
                changes fast, along others slowly. Which of them are given much noise?""",
                a="those along which it changes fast", b="those along which it changes slowly",
                c="all the same, for the KL treats all latents alike")
alone = predict("""You train the same networks with the nll only. The noise is still there, and
                the encoder may choose it. After 30 epochs, what is the ratio of sigma to the
                spread of the codes, compared with that of the VAE?""",
                a="about the same", b="about half", c="ten times smaller", d="exactly 0")

# %% [markdown]
# ## The two pulls
# Take one picture and one latent j, and turn its sigma up and down; all else stays. The KL of
# this latent is [eq. (8.3)](derivations/08_gaussian_kl.md#eq-8-3). The nll rises with the noise:
# if the picture moves by the slope J_j per unit of z_j, noise of variance sigma² moves it by
# sigma² times the squared length of J_j, on average,
# [eq. (11.1)](derivations/11_tug_of_war.md#eq-11-1). What depends on sigma is
#
# $$
# \sigma_j^2 \frac{\lVert J_j \rVert^2}{2 \sigma_x^2}
#    + \frac{1}{2} \left( \mu_j^2 + \sigma_j^2 - \log \sigma_j^2 - 1 \right)
# $$

# %%
x, y = mv.data.digits()
VARIANCE = 0.05                                                       # sigma_x²
net = {"hidden_dims": (50,), "latent_dim": 8, "activation": "tanh", "likelihood": "gaussian",
       "decoder_logvar": np.log(VARIANCE)}
model = trained(mv.VAE, x, 0, epochs=60, **net)
mu, logvar = posteriors(model, x)                                     # (1797, 8) each
eps = rng(2).standard_normal((4000, 8))
by_hand = np.geomspace(0.08, 1, 30)

def costs(n, j):
    """nll and KL of picture n in nats, for each sigma of latent j in by_hand: (30, 2)."""
    found = []
    for sigma in by_hand:
        noise = np.exp(logvar[n] / 2)                                 # (8,)
        noise[j] = sigma
        z = mu[n] + noise * eps                                       # (4000, 8)  eq. (9.2)
        off = x[n] - model.pixels(z)                                  # (4000, 64)
        nll = (off**2).sum(axis=1).mean() / (2 * VARIANCE)            #            eq. (10.5)
        kl = 0.5 * (mu[n, j]**2 + sigma**2 - np.log(sigma**2) - 1)    #            eq. (8.3)
        found.append((nll, kl))
    return np.array(found)

n, j = 0, int(np.exp(logvar[0]).argmin())
nll, kl = costs(n, j).T
chosen = np.exp(logvar[n, j] / 2)
print(f"picture {n}, latent {j}: nll + kl is lowest at {by_hand[(nll + kl).argmin()]:.2f}; "
      f"the encoder chose {chosen:.2f}")

# %% [markdown]
# ## Where they balance
# Differentiate the cost in log sigma² and set it to 0,
# [eq. (11.2)](derivations/11_tug_of_war.md#eq-11-2). The balance is at
#
# $$ \sigma_j^2 = \frac{1}{1 + \lVert J_j \rVert^2 / \sigma_x^2} $$
#
# ([eq. (11.3)](derivations/11_tug_of_war.md#eq-11-3)). Does the encoder choose that? The slopes
# come from the decoder, by finite differences ([workbench](workbench/measure.py)).

# %%
foretold = np.sqrt((balanced_std(model, x[::4], 0) ** 2).mean(axis=0))             # (8,)
sigma = np.sqrt(np.exp(logvar).mean(axis=0))                                       # (8,)
slope = np.sqrt(VARIANCE * (1 / foretold**2 - 1))                                  # (8,)
print("\nThe latents, the steepest first; root mean square over the pictures:")
table(["latent", "slope", "sigma by eq. (11.3)", "sigma chosen"],
      [[j, f"{slope[j]:.2f}", f"{foretold[j]:.2f}", f"{sigma[j]:.2f}"] for j in foretold.argsort()])
steep.answer("b", """Noise in a latent costs nats in proportion to its squared slope, and saves
    the same KL everywhere: where the picture moves fast there is little noise.""")
off = np.abs(sigma / foretold - 1).mean()
claim("§6", "reconstruction wants no noise, the KL wants noise: the two are opposed",
      f"mean distance of eight sigmas from the balance of eq. (11.3): {off:.3f} ± 0.03 of it",
      "holds: they balance where the decoder's slope says", off < 0.08)

# %% [markdown]
# ## One side lets go
# Now we train with beta = 0, the nll alone, [eq. (11.4)](derivations/11_tug_of_war.md#eq-11-4).
# In codes that spread ten times wider the same sigma is ten times less noise: hence the ratio.

# %%
EPOCHS = (1, 3, 10, 30)
ratios = {beta: [] for beta in (0.0, 1.0)}
for beta, runs in ratios.items():
    for k in range(4):
        vae, course = mv.VAE(64, rng=rng(k), **net), []
        adam = mv.Adam(vae.parameters(), lr=3e-3)
        for before, epoch in zip((0, *EPOCHS), EPOCHS):
            finished(mv.fit(vae, x, epochs=epoch - before, batch_size=100, beta=beta,
                            optimizer=adam, rng=rng(k, 1, epoch)))
            mu_now, logvar_now = posteriors(vae, x)                   # (1797, 8) each
            course.append(np.exp(logvar_now.mean() / 2) / mu_now.std(axis=0).mean())
        runs.append(course)
ratios = {beta: np.array(runs) for beta, runs in ratios.items()}      # (4, 4): run, epoch
print("\nsigma / spread of the codes, mean of four runs (smallest to largest):")
table(["epoch", "nll alone", "nll + kl"],
      [[epoch, *(spread(ratios[beta][:, i], ".3f") for beta in (0.0, 1.0))]
       for i, epoch in enumerate(EPOCHS)])

# %%
without, with_kl = (ratios[beta][:, -1] for beta in (0.0, 1.0))
alone.answer("c", """Nothing holds the noise up any more. It is trained away, by a smaller sigma
    and by codes that run apart: an autoencoder in the end. But it never reaches 0.""")
claim("§5.2", "without the KL the noise shrinks towards nothing, "
      "and the VAE becomes an autoencoder",
      f"noise / spread of the codes after 30 epochs {without.mean():.3f} ± 0.015 without, "
      f"{with_kl.mean():.2f} ± 0.06 with", "holds",
      without.max() < 0.3 * with_kl.min() and np.all(np.diff(ratios[0.0].mean(axis=0)) < 0))

# %%
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for values, colour, name in ((nll - nll.min(), mv.plot.COLOURS[0], "nll: wants no noise"),
                             (kl - kl.min(), mv.plot.COLOURS[1], "KL: wants sigma = 1"),
                             (nll + kl - (nll + kl).min(), "black", "their sum")):
    ax.plot(by_hand, values, color=colour, linewidth=2.5, label=name)
ax.axvline(chosen, color="0.5", linestyle="--", label="what the encoder chose")
ax.set_ylim(0, 4)
ax.set_xlabel("noise sigma of one latent, turned by hand", fontsize=13)
ax.set_ylabel("nats above its lowest", fontsize=13)
ax.set_title("Two pulls, and the noise where they balance", fontsize=15)
ax.legend(fontsize=12)
figure(fig, "11_tug_of_war")
end()

# %% [markdown]
# ## Your turn
# 1. Take the latent with the most noise: `argmax` for `argmin` in the line `n, j =`. Where is the
#    balance now, and which curve has changed its shape?
# 2. Weigh the KL four times: pass `beta=4` to the first call of `trained`. The column 'by
#    eq. (11.3)' does not know of it. Which of the two columns is larger?
# 3. Train longer: `EPOCHS = (1, 10, 30, 100)`. Has the noise without the KL settled?
#
# An exercise that answers back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. At 0.50. The curve of the KL is the same for all latents, up to a constant. The nll rises
#    more slowly, for this latent moves the picture by 0.39 per unit only, and not by 0.7.
# 2. The chosen ones, 0.50 beside 0.29: the variance in the formula counts four times,
#    [eq. (11.4)](derivations/11_tug_of_war.md#eq-11-4). Four latents have given up: their slope
#    is near 0, their sigma near 1. The lesson says that this run differs.
# 3. No: 0.035 after 30 epochs, 0.010 after 100. With the KL it stays at 0.4.
