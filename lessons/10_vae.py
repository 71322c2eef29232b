# %%
"""Lesson 10: the variational autoencoder at work.

Trains a VAE with two latents on handwritten digits, shows what it reconstructs, what it draws and how it lays the
digits out; then takes the machine apart (only the reconstruction, only the KL, no noise at all) and measures what each
half of the loss is for. Takes about 25 s; needs nothing but minivae.
"""

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show

args = arguments(__doc__)

# %% [markdown]
# ## The question
# A VAE minimises nll + kl: the first wants codes that tell the images apart, the second wants all of them to look like
# noise from N(0, I). What does each term do to the map of the digits, and which measurement would notice if one were
# missing?
#
# **Predict.** Drop the KL and keep everything else, noise included. A nearest-neighbour classifier on the codes: does it
# get worse? And the pictures decoded from z ~ N(0, I)?
#
# Derivation: the loss is [eq. (10.3)](derivations/10_vae.md#eq-10-3), a bound on log p(x) by
# [eq. (10.2)](derivations/10_vae.md#eq-10-2); the distance from N(0, I) below is [eq. (8.18)](derivations/08_gaussian_kl.md#eq-8-18).

# %%
x, y = mv.data.digits()
order = np.random.default_rng(0).permutation(len(x))
train, test = order[:1500], order[1500:]

print("Training: 64 pixels -> 128 -> 2 latents -> 128 -> 64 pixels, 1500 images, loss = nll + kl in nats per image")
model = mv.VAE(64, hidden_dims=(128,), latent_dim=2, activation="tanh", rng=np.random.default_rng(1))
history = finished(mv.fit(model, x[train], epochs=150, batch_size=64, lr=3e-3, rng=np.random.default_rng(2),
                          x_val=x[test], progress=True))

# %% [markdown]
# ## What the numbers mean
# A grey pixel of value 0.5 costs log 2 nats even when the decoder says exactly 0.5: cross-entropy with a target x in
# (0, 1) cannot fall below the entropy of x, [eq. (4.8)](derivations/04_autoencoder.md#eq-4-8). Read the nll as floor + avoidable part.

# %%
def entropy_floor(x):
    """The smallest nll that any decoder can reach on grey images, nats per image: eq. (4.8)."""
    inner = x[(x > 0) & (x < 1)].astype(float)
    return -(inner * np.log(inner) + (1 - inner) * np.log(1 - inner)).sum() / len(x)


with mv.no_grad():
    draws = [model.terms(x[test], np.random.default_rng(seed)) for seed in range(20)]
nll, kl = (float(np.mean([d[i].data for d in draws])) for i in (0, 1))
floor = entropy_floor(x)
print(f"\nOn {len(test)} held-out images, mean over 20 draws of the noise, in nats per image:")
print(f"  nll    {nll:6.2f}   what the pixels cost, given z (of this {floor:.2f} is the entropy of the grey values)")
print(f"  kl     {kl:6.2f}   what z costs: how far q(z | x) is from the prior N(0, I)")
print(f"  -elbo  {nll + kl:6.2f}   their sum, an upper bound of -log p(x); knowing nothing costs 64 log 2 = {64 * np.log(2):.2f}")

figure(mv.plot.curves(history), "10_curves")
figure(mv.plot.reconstructions(model, x[test]), "10_reconstructions")
figure(mv.plot.samples(model, np.random.default_rng(3)), "10_samples")
pair = [figure(mv.plot.manifold(model), "10_manifold"), figure(mv.plot.latent_map(model, x[test], y[test]), "10_latent_map")]

fig, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")  # both in one, for the project's front page
for ax, path in zip(axes, pair):
    ax.imshow(plt.imread(path))
    ax.axis("off")
figure(fig, "10_front", thumbnail_width=900)

# %% [markdown]
# ## Taking it apart
# The essay's section 3.2 shows three maps: reconstruction only, KL only, both. Here they are, with the plain autoencoder
# beside them, three seeds each. Three measurements per model:
# - **class accuracy**: 10 nearest neighbours on the codes of held-out images;
# - **distance of the codes from N(0, I)**: the KL of the Gaussian with the codes' mean and covariance (noise included);
# - **real prior samples**: share of decoder means at z ~ N(0, I) within 1.25 of some training image (pixels in [0, 1]).

# %%
class KLOnly(mv.VAE):
    def terms(self, x, rng):
        nll, kl = super().terms(x, rng)
        return 0 * nll, kl


def codes(model, x):
    """Mean and noise variance of each code; an autoencoder has no noise."""
    with mv.no_grad():
        out = model.encode(x)
    return (out[0].data, np.exp(out[1].data)) if isinstance(out, tuple) else (out.data, np.zeros_like(out.data))


def squared_distances(a, b):
    return np.maximum((a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1), 0)


def class_accuracy(model, k=10):
    near = np.argsort(squared_distances(codes(model, x[test])[0], codes(model, x[train])[0]), axis=1)[:, :k]
    votes = np.array([np.bincount(row, minlength=10).argmax() for row in y[train][near]])
    return float((votes == y[test]).mean())


def distance_from_prior(model):
    """KL(N(m, S) || N(0, I)) with the moments of the aggregate of all q(z | x), eq. (8.18)."""
    mu, variance = codes(model, x[train])
    S = np.cov(mu.T) + np.diag(variance.mean(0))
    return float(0.5 * (np.trace(S) + (mu.mean(0) ** 2).sum() - len(S) - np.linalg.slogdet(S)[1]))


def share_real(images, threshold=1.25):
    return float((squared_distances(images, x[train]).min(1) < threshold**2).mean())


def trained(kind, latents, beta, seed):
    m = kind(64, (100,), latents, activation="tanh", rng=np.random.default_rng(seed))
    finished(mv.fit(m, x[train], epochs=80, batch_size=100, lr=3e-3, rng=np.random.default_rng(seed + 10), beta=beta))
    return m


variants = {"autoencoder": (mv.Autoencoder, 1.0), "reconstruction only": (mv.VAE, 0.0), "KL only": (KLOnly, 1.0),
            "VAE (both)": (mv.VAE, 1.0)}
found, kept = {}, {}
for latents, names in ((2, list(variants)), (8, ["autoencoder", "VAE (both)"])):
    print(f"\n{latents} latents, three seeds each, mean (and spread, largest - smallest):")
    print("                        class accuracy   distance from N(0, I), nats   real prior samples")
    for name in names:
        models = [trained(variants[name][0], latents, variants[name][1], seed) for seed in range(3)]
        rows = [(class_accuracy(m), distance_from_prior(m), share_real(m.sample(500, np.random.default_rng(seed + 20))))
                for seed, m in enumerate(models)]
        found[name, latents], (da, dd, dr) = np.mean(rows, axis=0), np.ptp(rows, axis=0)
        a, d, r = found[name, latents]
        print(f"  {name:20}   {a:.2f} ({da:.2f})      {d:8.2f} ({dd:5.2f})             {r:.2f} ({dr:.2f})")
        kept.setdefault(name, models[-1])
print("The class accuracy hardly sees that the KL is gone; the distance from N(0, I) does. With 2 latents the prior may hit"
      "\nthe autoencoder's codes by luck (see the spread), so its samples can look fine; with 8 there is no such luck.")

# %% [markdown]
# ## Metrics that lie
# 'Close to a training image' needs a threshold. The natural choice is the one that 95 % of held-out digits pass, but it
# passes things that are no digits. What each threshold lets through, on images whose quality is known:

# %%
rng = np.random.default_rng(4)
i, j = rng.integers(0, len(test), (2, 1000))
different = y[test][i] != y[test][j]
averages = 0.5 * (x[test][i] + x[test][j])[different]
known = {"held-out digits": x[test], "pixel average of two classes": averages, "the mean image": x[train].mean(0)[None],
         "uniform noise": rng.random((500, 64), dtype=np.float32)}
natural = float(np.quantile(squared_distances(x[test], x[train]).min(1), 0.95) ** 0.5)
print(f"\nShare that passes:             at 1.25   at {natural:.2f} (95 % of held-out digits pass)")
for name, images in known.items():
    print(f"  {name:28}   {share_real(images):.2f}      {share_real(images, natural):.2f}")
lenient, strict = share_real(averages, natural), share_real(averages)

# %% [markdown]
# ## Claim -> verdict

# %%
ae, rec, kl_only, both = (found[name, 2] for name in variants)
ae8, both8 = found["autoencoder", 8], found["VAE (both)", 8]
claim("§3.2", "with the KL alone the codes of all classes fall onto one another",
      f"class accuracy {kl_only[0]:.2f} (chance 0.10), distance from N(0, I) {kl_only[1]:.2f} nats (tol 0.1)",
      "holds", kl_only[0] < 0.25 and kl_only[1] < 0.01)
claim("§3.2", "without the KL the codes scatter, each image on its own",
      f"distance from N(0, I) {rec[1]:.1f} nats without the KL, {both[1]:.2f} with it (tol 60 %)", "holds", rec[1] > 10 * both[1])
claim("§3", "the VAE brings the classes together and still keeps them apart, better than an autoencoder",
      f"class accuracy VAE {both[0]:.2f}, autoencoder {ae[0]:.2f} (tol 0.08)",
      "does not hold: together yes, better apart no", 0.5 < both[0] < ae[0] + 0.05)
claim("§3.3", "decoding z drawn from N(0, I) gives real images from a VAE and not from an autoencoder",
      f"real samples with 8 latents: VAE {both8[2]:.2f}, autoencoder {ae8[2]:.2f} (tol 0.12)",
      "holds if there are more than a few latents: with 2 the autoencoder may be lucky", both8[2] > 0.4 > 0.1 > ae8[2])
claim("-", "being near a training image, at the threshold 95 % of real digits pass, tells digits from junk",
      f"averages of two classes pass {lenient:.2f}; at the stricter 1.25 {strict:.2f} (tol 0.05)",
      "does not hold: most averages pass, and a stricter threshold still passes some", lenient > 0.4 > 0.2 > strict)

# %%
fig, axes = plt.subplots(1, 4, figsize=(13, 3.7), layout="constrained")
for ax, (name, m) in zip(axes, kept.items()):
    mu = codes(m, x[test])[0]
    for digit in range(10):
        ax.scatter(*mu[y[test] == digit].T, marker=f"${digit}$", s=22, linewidths=0.2, color=mv.plot.COLOURS[digit])
    reach = 1.05 * max(3.0, float(np.abs(mu).max()))
    ax.add_patch(plt.Circle((0, 0), 2, fill=False, color="0.4", linestyle="--"))
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="latent 0", ylabel="latent 1")
    ax.set_title(f"{name}\nclass accuracy {found[name, 2][0]:.2f}", fontsize=10)
fig.suptitle("codes of held-out digits; dashed: two standard deviations of the prior (mind the scales)", fontsize=10)
figure(fig, "10_vae")

# %% [markdown]
# ## Why
# The reconstruction term alone pays for distance between codes (the noise then matters less), so they run outwards; the
# KL alone pays for nothing about x, so every q(z | x) becomes the prior. Their sum spends nats on z only where that
# saves more nats on pixels. The classifier works on any map in which neighbours are alike, at any scale: it cannot see
# that the decoder was never shown the region where the prior puts its samples. In 2 dimensions that region is small and
# often lies among the codes anyhow; in 8 nearly all of it is empty.
#
# ## Your turn
# 1. Give the first model 8 latents. Which of nll, kl and -elbo falls? Does the manifold figure still mean anything?
# 2. Set `beta=4` in the three-picture experiment. Predict all three columns, then run.
# 3. Scale the autoencoder's codes: is there a z ~ N(0, s I) from which it decodes real digits? (Lesson 4 fits one.)

# %%
show(args)
