# %%
"""Lesson 11: the tug of war over the noise.

The decoder wants codes without noise, the KL wants noise of variance 1. Damages trained decoders in several ways to see
what really sets the balance, then predicts from the data alone which latents give up, and ends with the scaling mistake
that makes all of them give up. Takes about 30 s; needs nothing but minivae.
"""

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show
from minivae import evaluate

args = arguments(__doc__)

# %% [markdown]
# ## The question
# The encoder chooses how much noise each code gets. The essay's section 6 says how: while the decoder is bad, the noise is
# lowered to make its task easier; once it is good, the noise rises to make the task harder. Is that so?
#
# **Predict.** Train a VAE, then replace its decoder by a new, untrained one and let only the encoder adapt. Does the noise
# go down (the essay's story), up, or does it stay? And if three pixels of the decoder are broken instead, so that its
# error is far larger, but always the same?
#
# Derivation: without the KL nothing holds the noise up, [eq. (5.11)](derivations/05_noise.md#eq-5-11); with it, the two pulls of
# [eq. (11.2)](derivations/11_tug_of_war.md#eq-11-2) balance at the noise of [eq. (11.3)](derivations/11_tug_of_war.md#eq-11-3), for a Bernoulli
# decoder [eq. (11.5)](derivations/11_tug_of_war.md#eq-11-5). What the linear model gives up is
# [eq. (15.15)](derivations/15_likelihood.md#eq-15-15).

# %%
x, y = mv.data.digits()
D, SEEDS, VARIANCE = x.shape[1], (0, 1, 2), 0.05  # VARIANCE: of the Gaussian decoder, sigma_x^2
LIKELIHOODS = ("gaussian", "bernoulli")


def new(likelihood, seed, kind=mv.VAE):
    return kind(D, (50,), 8, likelihood, np.log(VARIANCE) if likelihood == "gaussian" else None, activation="tanh",
                rng=np.random.default_rng(seed))


def fit(model, epochs, rng, optimizer=None, **settings):
    optimizer = optimizer or mv.Adam(model.parameters(), lr=3e-3)
    return finished(mv.fit(model, x, epochs=epochs, batch_size=100, rng=rng, optimizer=optimizer, **settings))


def posterior(model, x=x):
    """mu and logvar of every image in x."""
    with mv.no_grad():
        return [t.data for t in model.encode(x)]


def decoded(model, z):
    """What the decoder gives before any likelihood: logits, or Gaussian means."""
    with mv.no_grad():
        out = model.decode(z)
    return out.data if model.likelihood == "bernoulli" else out[0].data


def noise(model):
    """sigma: the geometric mean over images and latents of what the encoder chose."""
    return float(np.exp(posterior(model)[1].mean() / 2))


def noise_asked_for(model, rng, draws=2, h=0.05):
    """The same mean of the sigma at which the two pulls balance, from the decoder's slopes alone: eq. (11.3), or
    eq. (11.5) where the likelihood is Bernoulli. The slopes are central differences, eq. (1.4)."""
    some = x[::6]
    mu, logvar = posterior(model, some)
    sensitivity = 0
    for _ in range(draws):
        z = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape, mu.dtype))
        p = 1 / (1 + np.exp(-decoded(model, z)))
        weight = p * (1 - p) if model.likelihood == "bernoulli" else 1 / VARIANCE
        for e in np.eye(model.latent_dim, dtype=mu.dtype):
            J_j = (decoded(model, z + h * e) - decoded(model, z - h * e)) / (2 * h)
            sensitivity = sensitivity + np.outer((weight * J_j**2).sum(1), e) / draws
    return float(np.exp(-0.5 * np.log1p(sensitivity).mean()))


def spread(values):
    return f"{np.mean(values):6.3f} +- {np.std(values):.3f}"


# %% [markdown]
# ## Without the KL, and with it
# What counts is the noise next to the spread of the codes: ten times the spread makes the same noise ten times weaker.

# %%
print("1. The noise sigma, and sigma / spread of the codes, Gaussian decoder, mean +- sd over three seeds")
print("   epoch   without KL: sigma     sigma / spread      with KL: sigma     sigma / spread")
relative = {}
for beta in (0.0, 1.0):
    for seed in SEEDS:
        model, rng = new("gaussian", seed), np.random.default_rng(seed + 10)
        optimizer, done = mv.Adam(model.parameters(), lr=3e-3), 0
        for epoch in (1, 5, 12, 30):
            fit(model, epoch - done, rng, optimizer, beta=beta)
            done = epoch
            relative.setdefault((beta, epoch), []).append((noise(model), noise(model) / posterior(model)[0].std(0).mean()))
for epoch in (1, 5, 12, 30):
    print(f"   {epoch:4}     " + "     ".join(spread(v) for beta in (0.0, 1.0) for v in zip(*relative[beta, epoch])))
print("Without the KL the noise only ever falls, as eq. (5.11) says, though slowly. With it the noise even rises at the end,\n"
      "but so does the spread of the codes: next to it the noise has settled.")

# %% [markdown]
# ## Bad decoders
# Training alone cannot tell what the noise follows: quality and everything else change together. So we *intervene*: take
# a trained VAE, change its decoder, freeze it, and let the encoder alone choose new means and noise.
# - **new**: fresh random weights: much worse pictures.
# - **broken pixels**: pixels that are black in every digit are stuck at a wrong value: much worse, not more sensitive.
# - **steeper**: weights that take z doubled: with codes half as large it draws the same pictures, at twice the slope.

# %%
STEPS = 30  # epochs before and after the decoder is replaced
black = x.max(axis=0) == 0


def new_decoder(model, seed):
    for p, q in zip(model.decoder.parameters(), new(model.likelihood, seed + 50).decoder.parameters()):
        p.data[...] = q.data


def break_pixels(model, seed):
    last = model.decoder.layers[-1]
    last.weight.data[:, black] = 0
    last.bias.data[black] = 1.5 if model.likelihood == "gaussian" else 10


def make_steeper(model, seed):
    model.decoder.layers[0].weight.data[...] *= 2


CASES = {"as trained": lambda model, seed: None, "new": new_decoder, "broken pixels": break_pixels, "steeper": make_steeper}
frozen, courses = {}, {}
for likelihood in LIKELIHOODS:
    for seed in SEEDS:
        model, rng = new(likelihood, seed), np.random.default_rng(seed + 20)
        optimizer, course = mv.Adam(model.parameters(), lr=3e-3), []
        for epoch in range(2 * STEPS):
            if epoch == STEPS:
                trained = model.state_dict()
                new_decoder(model, seed)
                optimizer = mv.Adam(model.parameters(), lr=3e-3)
            history = fit(model, 1, rng, optimizer)
            course.append((noise(model), noise_asked_for(model, rng, draws=1), history.nll[0], history.kl[0]))
        courses.setdefault(likelihood, []).append(course)
        for case, change in CASES.items():
            model.load_state_dict(trained)
            change(model, seed)
            fit(model, 8, rng, mv.Adam(model.encoder.parameters(), lr=3e-3))
            with mv.no_grad():
                nll = float(model.terms(x, rng)[0].data.mean())
            frozen.setdefault((likelihood, case), []).append((nll, noise_asked_for(model, rng), noise(model)))

print("\n2. A trained VAE, its decoder changed and frozen, the encoder adapted (mean +- sd over three seeds)")
print("   likelihood  decoder         nll, nats   sigma asked for by its slopes   sigma chosen    the essay expects")
mean = {key: np.mean(values, axis=0) for key, values in frozen.items()}
for (likelihood, case), values in frozen.items():
    nll, asked, chosen = zip(*values)
    expects = {"as trained": "", "steeper": "no change"}.get(case, "less noise")
    print(f"   {likelihood:10}  {case:13}  {np.mean(nll):9.1f}         {spread(asked)}             {spread(chosen)}"
          f"  {expects}".rstrip())
miss = max(abs(asked / chosen - 1) for _, asked, chosen in mean.values())
print("A new decoder gets less noise in one setting and more in the other; broken pixels change nothing; a steeper one\n"
      f"gets less noise though it is just as good. The slopes foretell every row, to within {100 * miss:.0f} %.")

# %% [markdown]
# ## Collapse, known beforehand
# A latent whose slope is 0 asks for sigma = 1: its posterior is the prior, it is dead. For a linear VAE it can be said
# before training which latents live: those whose eigenvalue of the data's covariance exceeds beta sigma_x^2. A linear VAE
# sees only the mean and the covariance of the data, so 128 points with the digits' covariance may stand for all digits, and
# the mean over the noise is known, [eq. (11.1)](derivations/11_tug_of_war.md#eq-11-1), so that no noise disturbs the count.

# %%
class LinearVAE(mv.VAE):
    def terms(self, x, rng):
        mu, logvar = self.encode(x)
        mean, decoder_logvar = self.decode(mu)
        slopes = np.sum(self.decoder.layers[0].weight ** 2, axis=1)                    # norm(J_j)^2
        expected = 0.5 * np.exp(-decoder_logvar) * (np.exp(logvar) @ slopes)           # eq. (11.1)
        return mv.gaussian_nll(mean, decoder_logvar, x) + expected, mv.gaussian_kl(mu, logvar)


eigenvalues, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
points = vectors.T * np.sqrt(D * np.maximum(eigenvalues, 0))[:, None]
points = np.concatenate([points, -points])
eigenvalues, Z = eigenvalues[::-1], 12
print(f"\n3. Linear VAE, {Z} latents: living latents, foretold and counted, and the KL of each (largest error, nats)")
print("   beta   sigma_x^2   eigenvalues above beta sigma_x^2   active units (three seeds)   largest error of the KLs")
linear, errors = [], []
for beta, variance in ((1, 0.47), (5, 0.05), (1, 0.127)):
    foretold, counted = int((eigenvalues[:Z] > beta * variance).sum()), []
    expected_kl = 0.5 * np.log(np.maximum(eigenvalues[:Z] / (beta * variance), 1))     # eq. (15.16)
    for seed in SEEDS:
        model = LinearVAE(D, (), Z, "gaussian", np.log(variance), dtype=np.float64, rng=np.random.default_rng(seed))
        optimizer = mv.Adam(model.parameters(), lr=1e-2)
        for lr, epochs in ((3e-2, 600), (5e-3, 300)):
            optimizer.lr = lr
            finished(mv.fit(model, points, epochs=epochs, rng=np.random.default_rng(0), optimizer=optimizer, beta=beta))
        counted.append(int(evaluate.active_units(model, points).sum()))
        mu, logvar = posterior(model, points)
        kl = np.sort(0.5 * (mu**2 + np.exp(logvar) - logvar - 1).mean(0))[::-1]        # eq. (8.3), latent by latent
        errors.append(abs(kl - expected_kl).max())
    linear.append((beta * variance, foretold, counted))
    print(f"   {beta:4}   {variance:9}   {foretold:32}   {str(counted):26}   {max(errors[-3:]):24.4f}")

# %% [markdown]
# ## Sum or mean
# The mistake that public trackers of VAE code report most often: the nll is *averaged* over the D pixels while the KL is
# summed over the latents. Up to a common factor this is beta = D, [eq. (15.18)](derivations/15_likelihood.md#eq-15-18). And a measurement
# that misses it: the class accuracy of nearest neighbours among the codes.

# %%
class MeanOverPixels(mv.VAE):
    def terms(self, x, rng):
        nll, kl = super().terms(x, rng)
        return nll / D, kl


def class_accuracy(codes, k=10):
    """k nearest neighbours: every fifth image is classified from the others."""
    test = np.arange(len(x)) % 5 == 0
    a, b = codes[test], codes[~test]
    near = np.argsort((b**2).sum(1) - 2 * a @ b.T, axis=1)[:, :k]
    return float(np.mean([np.bincount(row).argmax() for row in y[~test][near]] == y[test]))


print("\n4. Eight latents, Gaussian decoder: beta, and the mean over pixels (= beta 64); three seeds, mean +- sd")
print("                             active units    ELBO, nats           class accuracy of mu    of drawn z")
found = {}
for name, kind, beta in (("beta 1", mv.VAE, 1), ("beta 4", mv.VAE, 4), ("beta 16", mv.VAE, 16),
                         ("mean over pixels", MeanOverPixels, 1)):
    for seed in SEEDS:
        model, rng = new("gaussian", seed, kind), np.random.default_rng(seed + 30)
        fit(model, 30, rng, beta=beta)
        mu, logvar = posterior(model)
        z = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape, mu.dtype))
        found.setdefault(name, []).append((int(evaluate.active_units(model, x).sum()), evaluate.elbo(model, x, rng).mean(),
                                           class_accuracy(mu), class_accuracy(z)))
    units, *rest = zip(*found[name])
    print(f"   {name:20} {str(units):>17}    " + "    ".join(spread(v) for v in rest))
good, dead, bad = (np.mean(found[name], axis=0) for name in ("beta 1", "beta 16", "mean over pixels"))
print("Collapsed means still differ by a hair, and neighbours are found at any scale (chance is 0.10). The decoder sees them\n"
      "under noise that is many times wider. Classify the drawn z, or count active units, and the collapse shows.")

# %% [markdown]
# ## Claim -> verdict

# %%
(_, without), (_, with_kl) = (np.mean(relative[beta, 30], axis=0) for beta in (0.0, 1.0))
claim("§5.2", "without the KL the noise shrinks towards nothing, and the VAE becomes an autoencoder",
      f"noise / spread of the codes after 30 epochs {without:.3f} without, {with_kl:.2f} with (tol 25 %)", "holds",
      without < 0.3 * with_kl)
g, b = ({case: mean[likelihood, case][2] for case in CASES} for likelihood in LIKELIHOODS)
claim("§6", "a bad decoder is given less noise, a good one more",
      f"noise of a trained and a new decoder: Gaussian {g['as trained']:.2f} and {g['new']:.2f}, "
      f"Bernoulli {b['as trained']:.2f} and {b['new']:.2f} (tol 0.06)",
      "does not hold: the decoder's sensitivity sets the noise, its quality does not",
      g["new"] < 0.7 * g["as trained"] and b["new"] > 1.1 * b["as trained"] and miss < 0.05)
claim("§6", "a large reconstruction error makes the encoder lower the noise",
      f"broken pixels: noise times {g['broken pixels'] / g['as trained']:.2f}; twice the slope, no worse: times "
      f"{g['steeper'] / g['as trained']:.2f} (tol 0.05)", "does not hold: an error that does not change with z has no say",
      abs(g["broken pixels"] / g["as trained"] - 1) < 0.05 and g["steeper"] < 0.65 * g["as trained"])
right = sum(n == foretold for _, foretold, counted in linear for n in counted)
claim("-", "which latents of a linear VAE live is known before training, from the eigenvalues of the data",
      f"active units as foretold in {right} of {len(errors)} runs", "holds", right == len(errors) and max(errors) < 0.1)
claim("-", "averaging the nll over the pixels only rescales the loss",
      f"active units {good[0]:.0f} with the sum, {bad[0]:.0f} with the mean; ELBO {good[1]:.1f} and {bad[1]:.1f} nats (tol 1)",
      "does not hold: the KL then counts once per pixel, and all latents collapse", good[0] > 6 and bad[0] == 0)
claim("-", "the class accuracy of the codes would show a collapse",
      f"collapsed: {dead[2]:.2f} (beta 16) and {bad[2]:.2f} (mean) from mu; {dead[3]:.2f} and {bad[3]:.2f} from drawn z "
      "(tol 0.15)",
      "does not hold: neighbours are found at any scale; only drawn codes show it",
      dead[0] < 1 and dead[2] > 0.5 and bad[2] > 0.25 and max(dead[3], bad[3]) < 0.15)

# %%
colours, epochs = mv.plot.COLOURS, np.arange(1, 2 * STEPS + 1)
fig, axes = plt.subplots(2, 3, figsize=(12.5, 6.8), layout="constrained")
for row, likelihood in zip(axes, LIKELIHOODS):
    chosen, asked, nll, kl = np.array(courses[likelihood]).T
    for ax, curves in ((row[0], ((chosen, "-", "chosen by the encoder"), (asked, ":", "asked for by the slopes"))),
                       (row[1], ((nll, "-", "nll"), (kl, ":", "KL")))):
        for colour, (values, style, label) in zip(colours, curves):
            ax.plot(epochs, values, style, color=colour, lw=1.3, label=[label] + [None] * (len(SEEDS) - 1))
        ax.axvline(STEPS + 0.5, color="0.6", lw=1)
        ax.set(title=f"{likelihood}, new decoder after epoch {STEPS}", xlabel="epoch")
        ax.legend(fontsize=9)
    row[0].set(ylabel="noise sigma", ylim=(None, 1.08 * np.max([chosen, asked])))
    row[1].set(ylabel="nats per image")
frozen_ax, units_ax = axes[:, 2]
frozen_ax.plot([0, 1], [0, 1], color="0.6", lw=1, zorder=0)
for likelihood, marker in zip(LIKELIHOODS, "os"):
    for colour, size, case in zip(colours, (13, 8, 8, 8), CASES):
        frozen_ax.plot(*mean[likelihood, case][1:], marker, color=colour, ms=size, mfc="none", mew=2, ls="none",
                       label=case if likelihood == "gaussian" else None)
frozen_ax.set(title="decoder changed and frozen\n(circles: gaussian, squares: bernoulli)",
              xlabel="noise asked for by the slopes", ylabel="noise chosen by the encoder")
frozen_ax.legend(fontsize=9)
thresholds = np.geomspace(0.045, 1, 400)
units_ax.plot(thresholds, [min(Z, (eigenvalues > t).sum()) for t in thresholds], color="0.5",
              label="foretold by the eigenvalues")
units_ax.plot(*np.array([(t, n) for t, _, counted in linear for n in counted]).T, "o",
              color=colours[0], label=f"linear VAE, {Z} latents")
units_ax.plot(*np.array([(beta * VARIANCE, values[0]) for beta in (1, 4, 16) for values in found[f"beta {beta}"]]).T, "^",
              color=colours[1], label="50 hidden, 8 latents")
units_ax.set(title="which latents live", xscale="log", xlabel="beta times decoder variance", ylabel="active units")
units_ax.legend(fontsize=9)
figure(fig, "11_tug_of_war")

# %% [markdown]
# ## Why
# The noise of a latent costs the decoder sigma^2 times its squared slope, and saves KL. So the balance is struck by the
# slope alone; the error itself does not appear in [eq. (11.3)](derivations/11_tug_of_war.md#eq-11-3). A new Gaussian decoder with small
# variance finds its random slopes expensive; to a new Bernoulli decoder, unsure of every pixel, slopes in the logits are
# cheap. The stretch of the curves where quality and noise rise together looks like the essay's story, but there the codes
# spread out (table 1), and the same pictures over wider codes mean smaller slopes. And nobody fights: both sides lower one
# common sum, unlike in a GAN.
#
# ## Your turn
# 1. Multiply all weights of the new decoder by 3. Predict both columns of table 2, then run it.
# 2. `new` with decoder_logvar="shared" (adapt `noise_asked_for`): [eq. (11.6)](derivations/11_tug_of_war.md#eq-11-6) says what a falling
#    error does to the noise. Which way does the new decoder's noise go?
# 3. Divide both nll and KL by D in `MeanOverPixels`. Which of the columns of table 4 change?
# 4. How small must the decoder's variance be for the mean over pixels to keep two living latents? Ask the eigenvalues.

# %%
show(args)
