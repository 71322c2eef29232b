# %%
"""Lesson 04: An autoencoder, and what lies between its codes.

Squeezes digits and drawn moons into a few numbers and back, then decodes the points in between. Of the moons every true
picture is known, so the essay's story of the full moon, the half moon and the garbage between them can be put to the test.

Takes about 20 s; needs nothing but minivae. If MNIST is at hand one more measurement is made, in 5 s.
"""

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np
from lesson import arguments, claim, figure, finished, show

import minivae as mv

args = arguments(__doc__)

# %% [markdown]
# ## The question
# An autoencoder turns a picture into a few numbers, its code, and the code back into the picture. Is every code a
# picture, and what does the code halfway between two pictures show?
#
# ## Predict
# 1. A model has seen two pictures, the half moon and the full moon. You decode the point halfway between their codes: is
#    it the 3/4 moon, a blend of both pictures, or neither? Does noise on the codes, as in a VAE, change your answer?
# 2. You draw codes from N(0, I) and decode them. Does an autoencoder give moons, does a VAE, and why?
#
# ## Derivation
# The model is [eq. (4.1)](derivations/04_autoencoder.md#eq-4-1), its loss the cross-entropy from logits,
# [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5). A moon of phase f is drawn with exactly the share f of its disc lit,
# [eq. (4.11)](derivations/04_autoencoder.md#eq-4-11). The best decoder of a *noisy* code is a weighted average of the training
# pictures, [eq. (5.7)](derivations/05_noise.md#eq-5-7); for two pictures the weight is a sigmoid of the code,
# [eq. (5.8)](derivations/05_noise.md#eq-5-8).

# %% [markdown]
# ## Far fewer numbers than pixels
# The essay opens with 784 pixels in 30 numbers; here 64 go into 8. 'Recognisable' needs a judge: a reader that looks up
# the most similar training digit. The rival is PCA, the best linear autoencoder, [eq. (4.10)](derivations/04_autoencoder.md#eq-4-10).


# %%
def distances(a, b):
    """Euclidean distances between the rows of a and of b, (len(a), len(b))."""
    return np.sqrt(np.maximum((a * a).sum(axis=1)[:, None] - 2 * a @ b.T + (b * b).sum(axis=1), 0))


def squeeze(x, y, n_train, latents, hidden, epochs, seeds):
    """RMSE per pixel and the reader's hits (%) on unseen pictures: originals, PCA, autoencoder (mean over seeds)."""
    rows = np.zeros((3, 2))
    for seed in range(seeds):
        train, unseen = np.split(np.random.default_rng(seed).permutation(len(x)), [n_train])
        mean = x[train].mean(axis=0)
        axes = np.linalg.eigh(np.cov(x[train].T))[1][:, -latents:].astype(x.dtype)
        model = mv.Autoencoder(x.shape[1], (hidden,), latents, rng=np.random.default_rng(seed))
        finished(mv.fit(model, x[train], epochs=epochs, batch_size=100, lr=3e-3, rng=np.random.default_rng(100 + seed)))
        for row, decoded in zip(rows, (x[unseen], mean + (x[unseen] - mean) @ axes @ axes.T, model.reconstruct(x[unseen]))):
            hits = np.mean(y[train][distances(decoded, x[train]).argmin(axis=1)] == y[unseen])
            row += np.array([np.sqrt(np.mean((decoded - x[unseen]) ** 2)), 100 * hits]) / seeds
    for name, row in zip(("the originals", f"PCA, {latents} numbers", f"autoencoder, {latents} numbers"), rows):
        print("  {:24} error {:.3f}   read correctly {:5.1f} %".format(name, *row))
    return rows


print("64 pixels -> 8 numbers -> 64 pixels, 360 unseen digits; error: RMSE per pixel (black 0, white 1); mean of 3 splits")
originals, pca, decoded = squeeze(*mv.data.digits(), n_train=1437, latents=8, hidden=128, epochs=30, seeds=3)
claim("§1", "a deep autoencoder packs a picture into far fewer numbers and decodes it recognisably",
      f"64 pixels in 8 numbers: {decoded[1]:.1f} % of the decoded unseen digits are read correctly, {pca[1]:.1f} % after PCA, "
      f"{originals[1]:.1f} % of the originals (tol 3)", "holds", decoded[1] > pca[1] and decoded[0] < 0.9 * pca[0])
try:
    x, y = mv.data.mnist("test", download=False)
    print("\nthe essay's own example: 784 pixels -> 30 numbers -> 784 pixels, 1,000 unseen pictures of MNIST")
    squeeze(x, y, n_train=9000, latents=30, hidden=256, epochs=8, seeds=1)
except mv.data.DataError:
    print("\n(The essay's own example, 784 pixels in 30 numbers, is left out: MNIST is not at hand. "
          "mv.data.mnist('test') fetches it once.)")

# %% [markdown]
# ## The moon between
# A decoded picture counts as *real* when its RMSE to the nearest of 501 true moons is below 0.10. (Moons 0.05 apart in
# phase differ by about 0.11.) Three training sets: the essay's two pictures; five even phases with a one-number code;
# 256 phases drawn at random.

# %%
SIZE = 16
half, three_quarters, full = mv.data.moons(3, SIZE, phases=[0.5, 0.75, 1])[0]
phases = np.linspace(0, 1, 501)
every_moon = mv.data.moons(501, SIZE, phases=phases)[0]
AE, VAE = mv.Autoencoder, mv.VAE


def rmse(a, b):
    return np.sqrt(np.mean((a - b) ** 2, axis=-1))


def from_real(pictures):
    """RMSE of each picture to the nearest true moon."""
    return distances(pictures, every_moon).min(axis=1) / SIZE


def training_set(n, seed):
    if n == 256:
        return mv.data.moons(n, SIZE, rng=np.random.default_rng(50 + seed))[0]
    x, _ = mv.data.moons(n, SIZE, phases=[0.5, 1] if n == 2 else np.linspace(0, 1, n))
    return np.repeat(x, 64 // n, axis=0)  # the same few pictures again: more draws of the noise in each step


def train(kind, n, latents, steps, seed, hidden=(64,)):
    x = training_set(n, seed)
    model = kind(SIZE**2, hidden, latents, activation="tanh", rng=np.random.default_rng(seed))
    finished(mv.fit(model, x, epochs=steps * 64 // max(len(x), 64), batch_size=64, lr=3e-3, rng=np.random.default_rng(seed)))
    return model


def codes(model, x):
    code = model.encode(x)
    return (code[0] if isinstance(code, tuple) else code).data  # a VAE gives mu and logvar


def between(model, a, b, t):
    """Decoded pictures on the straight line from the code of picture a (t = 0) to that of b (t = 1)."""
    start, end = codes(model, np.stack([a, b]))
    return mv.sigmoid(model.decode(start + np.float32(t)[:, None] * (end - start)).data)


average = (half + full) / 2
print(f"\nDecoded halfway between half and full moon: RMSE per pixel, mean and sd over seeds. For comparison, the pixel\n"
      f"average of the two pictures is {rmse(average, three_quarters):.3f} from the 3/4 moon; 0.10 from every moon is no moon.")
print(f"  {'trained on':>10} {'code':>4} {'model':>6}  {'to the 3/4 moon':>15}  {'to the average':>14}  "
      f"{'to any true moon':>16}")
models, error = {}, {}
for n, latents, steps, seeds in ((2, 2, 300, 5), (5, 1, 500, 5), (256, 8, 1000, 3)):
    for kind in (AE, VAE):
        models[n, kind] = [train(kind, n, latents, steps, seed) for seed in range(seeds)]
        halfway = np.array([between(m, half, full, [0.5])[0] for m in models[n, kind]])
        columns = rmse(halfway, three_quarters), rmse(halfway, average), from_real(halfway)
        error[n, kind] = [column.mean() for column in columns]
        print(f"  {n:4} moons {latents:4} {'VAE' if kind is VAE else 'AE':>6}  "
              + "  ".join(f"{column.mean():8.3f} ± {column.std():.3f}" for column in columns))

print("\nFive moons in one number, five seeds: where the code of the 3/4 moon lies on the way from half (0) to full moon (1),\n"
      "and how far the picture decoded at 0.5 is from the 3/4 moon (RMSE)")
for kind in (AE, VAE):
    c = np.array([codes(m, np.stack([half, three_quarters, full]))[:, 0] for m in models[5, kind]]).T
    five = [rmse(between(m, half, full, [0.5])[0], three_quarters) for m in models[5, kind]]
    print(f"  {'VAE' if kind is VAE else 'AE':>4}   place" + "".join(f"{share:7.2f}" for share in (c[1] - c[0]) / (c[2] - c[0]))
          + "   RMSE" + "".join(f"{value:7.2f}" for value in five))
print("Two pictures do not say what lies between them, to either model. Where the phases between were seen, the AE finds them.")

# %% [markdown]
# From two pictures *neither* model can know a third phase: what lies halfway is no moon, and closest to the pixel
# average. With five phases in one number the essay's picture does appear, for most seeds: the VAE's codes are then in
# order and spread about evenly, while the autoencoder's need be neither. With 256 phases the plain autoencoder finds
# the 3/4 moon by itself: what was missing were pictures in between, not noise.

# %%
claim("§1", "halfway between half and full moon the autoencoder decodes garbage, the VAE a 3/4 moon",
      f"RMSE to the 3/4 moon: two pictures, AE {error[2, AE][0]:.3f}, VAE {error[2, VAE][0]:.3f} (pixel average "
      f"{rmse(average, three_quarters):.3f}); 256 phases, AE {error[256, AE][0]:.3f} (tol 0.04)",
      "does not hold: two pictures give neither model the phase between; with many phases the autoencoder finds it, too",
      min(error[2, AE][0], error[2, VAE][0]) > 0.18 and error[2, VAE][2] > 0.10 and error[256, AE][0] < 0.10)

# %% [markdown]
# ## What noise makes of two pictures
# Now the essay's argument in its purest form: the codes are fixed at -1 (half) and +1 (full), noise is added, and only a
# decoder is trained. A code z then comes from the full moon with probability sigmoid(2 z / sigma^2), eq. (5.8), and the
# best decoder shows each pixel's mean under that bet: a cross-fade. No pixel can learn where a 3/4 moon would end.


# %%
def noisy_decoder(sigma, seed):
    rng = np.random.default_rng(seed)
    decoder = mv.MLP((1, 64, SIZE**2), "tanh", rng=rng)
    optimizer = mv.Adam(decoder.parameters(), lr=5e-3)
    x = np.stack([half, full]).repeat(32, axis=0)
    code = np.float32([[-1], [1]]).repeat(32, axis=0)
    for _ in range(500):
        optimizer.zero_grad()
        mv.bernoulli_nll(decoder(code + sigma * rng.standard_normal(code.shape, np.float32)), x).mean().backward()
        optimizer.step()
    return lambda z: mv.sigmoid(decoder(np.float32(z)[:, None]).data)


print("\nTwo fixed codes with noise sigma, the decoder at z = 0 and along z = -2 ... 2: RMSE, mean over 3 seeds.")
print(f"  {'sigma':>5}  {'to the 3/4 moon':>15}  {'to the average':>14}  {'to the cross-fade of eq. (5.8)':>30}")
z = np.linspace(-2, 2, 41)
for sigma in (0.5, 1, 2):
    weight = 1 / (1 + np.exp(-2 * z[:, None] / sigma**2))  # eq. (5.8)
    fades = [noisy_decoder(sigma, seed)(z) for seed in range(3)]
    fade = [np.mean([f(p) for p in fades]) for f in (lambda p: rmse(p[20], three_quarters), lambda p: rmse(p[20], average),
                                                     lambda p: rmse(p, (1 - weight) * half + weight * full).mean())]
    print("  {:5}  {:15.3f}  {:14.3f}  {:30.3f}".format(sigma, *fade))
print("A noisy code is a bet on which picture it came from, and the best picture to show for a bet is a weighted average.")
claim("§1", "noise on the codes makes the point between a compromise of both pictures, the 3/4 moon",
      f"noise of twice the codes' size, decoded halfway: {fade[0]:.3f} from the 3/4 moon, {fade[1]:.3f} from the pixel average "
      "(tol 0.02)", "does not hold: the compromise is a cross-fade of the two pictures", fade[0] > 0.2 and fade[1] < 0.03)

# %% [markdown]
# ## Drawing codes at random
# The models that saw 256 phases, with 8 numbers per picture. The KL of the VAE pulls its codes towards N(0, I); nothing
# tells the autoencoder where to put its own. So we also draw from a Gaussian with the mean and covariance of its codes.

# %%
real = {}
for seed in range(3):
    rng = np.random.default_rng(200 + seed)
    for kind in (AE, VAE):
        real.setdefault((kind, "N(0, I)"), []).append(models[256, kind][seed].sample(1000, rng))
    model = models[256, AE][seed]
    c = codes(model, training_set(256, seed))
    z = rng.multivariate_normal(c.mean(axis=0), np.cov(c.T), 1000)
    real.setdefault((AE, "a Gaussian fitted to its codes"), []).append(mv.sigmoid(model.decode(z).data))
samples = {key: sheets[0][:8] for key, sheets in real.items()}
print("\nCodes drawn at random and decoded, 1,000 per model: how many are real moons (%), for each of three seeds")
for (kind, source), sheets in real.items():
    shares = [100 * np.mean(from_real(sheet) < 0.10) for sheet in sheets]
    real[kind, source] = np.mean(shares)
    print(f"  {'VAE' if kind is VAE else 'AE':>4} from {source:30} " + "  ".join(f"{share:5.1f}" for share in shares))
print("The KL put the VAE's codes where N(0, I) draws; the AE's codes are elsewhere, and drawn from there they decode as well.")
ae, vae, fitted = (real[k] for k in ((AE, "N(0, I)"), (VAE, "N(0, I)"), (AE, "a Gaussian fitted to its codes")))
claim("§1", "a code drawn at random decodes to a real picture from a VAE, but not from an autoencoder",
      f"real moons among the decoded draws from N(0, I): VAE {vae:.0f} %, AE {ae:.0f} % (tol 15)", "holds",
      vae > 80 and ae < 50)
claim("-", "what the autoencoder lacks is knowing where its codes are",
      f"real moons among draws from a Gaussian fitted to the AE's own codes: {fitted:.0f} %; from N(0, I): {ae:.0f} % (tol 15)",
      "holds if a Gaussian fits the codes, as it does here", fitted > vae)

# %% [markdown]
# ## One number: the code is a quantile
# A VAE with one latent has to bring phases that are spread evenly over [0, 1] to codes spread like N(0, 1). If it keeps
# their order there is one way to do that: code = quantile(phase), the inverse of the normal distribution function,
# [eq. (12.8)](derivations/12_aggregate_posterior.md#eq-12-8). Halfway between two codes is then *not* the mean phase.

# %%
quantile = np.vectorize(NormalDist().inv_cdf)
f = np.linspace(0.02, 0.98, 49)
x = mv.data.moons(49, SIZE, phases=f)[0]
line = [train(VAE, 256, 1, 1000, seed, hidden=(64, 64)) for seed in range(3)]
learned = [codes(m, x)[:, 0] for m in line]
learned = [c * np.sign(c[-1] - c[0]) for c in learned]  # which end is positive is chance
correlation = [np.corrcoef(c, quantile(f))[0, 1] for c in learned]
slope, at_half = np.array([np.polyfit(quantile(f), c, 1) for c in learned]).T  # the quantile of 0.5 is 0
found = [phases[distances(between(m, x[24], x[48], [0.5]), every_moon).argmin()] for m in line]
expected = NormalDist().cdf(quantile(f[48]) / 2)
print("\nVAE with one number, three seeds: the code against the normal quantile of the phase")
print("  correlation " + "  ".join(f"{r:.4f}" for r in correlation) + "   slope " + "  ".join(f"{b:.2f}" for b in slope)
      + "   code of the half moon " + "  ".join(f"{c:.2f}" for c in at_half))
print(f"  halfway between the codes of phases 0.50 and 0.98 (mean 0.74, by the quantile {expected:.2f}) it decodes phase "
      + "  ".join(f"{p:.2f}" for p in found))
claim("-", "one latent, phases spread evenly: the VAE's code is the normal quantile of the phase",
      f"correlation {min(correlation):.3f}, slope {np.mean(slope):.2f}, half moon at {np.mean(at_half):.2f}; halfway between "
      f"0.50 and 0.98 it shows phase {np.mean(found):.2f}, where the quantile says {expected:.2f} (tol 0.2)",
      "holds if the network keeps the phases in order, and up to the scale of the code",
      min(correlation) > 0.99 and abs(np.mean(at_half)) < 0.25 and abs(np.mean(found) - expected) < 0.04)

# %%
def sheet(ax, rows, title):
    picture = np.pad(np.array([p for _, p in rows]).reshape(len(rows), -1, SIZE, SIZE), ((0, 0), (0, 0), (1, 1), (1, 1)),
                     constant_values=0.5)
    n_rows, n, side, _ = picture.shape
    ax.imshow(picture.transpose(0, 2, 1, 3).reshape(n_rows * side, n * side), cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=(np.arange(n_rows) + 0.5) * side, yticklabels=[label for label, _ in rows], title=title)
    ax.tick_params(length=0)


t = np.linspace(0, 1, 9)
rows = [("true phases", mv.data.moons(9, SIZE, phases=0.5 + t / 2)[0]),
        ("AE, 2 moons", between(models[2, AE][0], half, full, t)),
        ("VAE, 2 moons", between(models[2, VAE][0], half, full, t)), ("noise 1 on codes ±1", noisy_decoder(1, 0)(2 * t - 1)),
        ("AE, 256 moons", between(models[256, AE][0], half, full, t)),
        ("VAE, 256 moons", between(models[256, VAE][0], half, full, t))]
fig = plt.figure(figsize=(11, 4.2), layout="constrained")
left, right = fig.subfigures(1, 2, width_ratios=(1.4, 1))
sheet(left.subplots(), rows, "on the line from half moon to full moon")
upper, lower = right.subplots(2, 1, height_ratios=(1, 1.5))
sheet(upper, [("AE, N(0, I)", samples[AE, "N(0, I)"]), ("AE, fitted", samples[AE, "a Gaussian fitted to its codes"]),
              ("VAE, N(0, I)", samples[VAE, "N(0, I)"])], "decoded random codes")
lower.plot(f, quantile(f), color="black", label="normal quantile")
lower.plot(f, learned[0], "o", markersize=4, color=mv.plot.COLOURS[1], label="VAE with one latent")
lower.set(xlabel="phase (lit fraction)", ylabel="code", title="one number per moon")
lower.legend()
figure(fig, "04_autoencoder")

# %% [markdown]
# ## Your turn
# 1. In `train`, use activation="relu". Which pictures do the two-moon models show halfway now, and does the one-number
#    code still keep the phases in order? What do you expect of its midpoint where it does not?
# 2. Predict the halfway row of a VAE that has seen three moons (0.5, 0.75, 1); then of one that has seen all phases but
#    those between 0.65 and 0.85.
# 3. Let the phases be squares of uniform numbers, so that thin moons are common. Which code will the one-number VAE give
#    the half moon? (A share of sqrt(0.5) of the moons is thinner.) Then train it.
# 4. Draw codes for the digits of the first part from a Gaussian fitted to the autoencoder's codes, with 2 and with 16
#    numbers. When does a Gaussian stop fitting?
#
# Exercises that answer back: [ex05_cross_entropy](exercises/ex05_cross_entropy.py).
show(args)
