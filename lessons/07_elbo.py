# %%
"""Lesson 07: what the ELBO is, and what climbing it does.

One latent and one picture, small enough to see everything, show the ELBO as an average over guesses and what it lacks
to log p(x). Two latents show what a step of q and a step of the decoder do, and a decoder that goes backwards while the
ELBO rises. Takes about 5 s; needs nothing but minivae.
"""
import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show

args = arguments(__doc__)

# %% [markdown]
# ## The question
# A VAE should make log p(x) large, and climbs another number instead: L_b, the ELBO. What is that number, and does
# log p(x) rise whenever it does?
#
# **Predict.** (a) Let x = z^2 + noise, and x = 2 is seen: z may be near 1.4 or near -1.4. Explain x by any *one* Gaussian
# q(z). How many nats does the best one stay below log p(x)? (b) A decoder is already the best there is, and q is the best
# of its kind. You take steps that raise L_b. Can log p(x) fall?
#
# Derivation: log p(x) = L_b + KL is [eq. (7.5)](derivations/07_elbo.md#eq-7-5), the second form of L_b is
# [eq. (7.7)](derivations/07_elbo.md#eq-7-7), what pulls at the decoder is [eq. (7.11)](derivations/07_elbo.md#eq-7-11).
#
# ## What it is
# How well does a model explain x? Every z does, a little: by p(x, z) = p(z) p(x given z). The total, p(x), is the area
# under that curve. Its height at one z is cheap to compute; the area, with many latents, is not. So draw a guess z from a
# density q of your choice, and let it answer what the area is: r(z) = p(x, z) / q(z), the height there over how densely
# you look there. If q has the curve's own shape, every guess gives the same answer, the area. If not, some answers are
# too large and some too small. **The ELBO is the average of log r over guesses from q**, eq. (7.4). An average of logs is
# below the log of the average, and further below the more the answers differ. That shortfall is KL(q, posterior).

# %%
z = np.linspace(-20, 20, 8001)  # every integral over z is a sum over this grid
dz = z[1] - z[0]


def log_normal(x, mean, std):
    return -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def average(log_q, values):
    return np.sum(np.exp(log_q) * values) * dz


def log_area(log_curve):
    top = log_curve.max()
    return top + np.log(np.exp(log_curve - top).sum() * dz)


def climb(score, p, step=0.3):
    """The best p by trial: take the single change that raises the score most, halve the step where none does."""
    while step > 1e-7:
        best = max((p + step * d for d in np.vstack([np.eye(len(p)), -np.eye(len(p))])), key=score)
        p, step = (best, step) if score(best) > score(p) else (p, step / 2)
    return p


def explain(x, s):
    """x = z^2 + s noise: log p(x, z) on the grid, and log q(z) for guesses of rising quality; the last is the posterior."""
    log_joint = log_normal(z, 0, 1) + log_normal(x, z**2, s)
    def one(p):
        return log_normal(z, p[0], np.exp(p[1]))
    def two(p):
        return np.logaddexp(one(p), one([-p[0], p[1]])) - np.log(2)
    best = [family(climb(lambda p: average(family(p), log_joint - family(p)), np.array([1.0, -1.0]))) for family in (one, two)]
    return log_joint, {"the prior": log_normal(z, 0, 1), "a poor guess": log_normal(z, 1.2, 0.3), "best Gaussian": best[0],
                       "best two bumps": best[1], "the posterior": log_joint - log_area(log_joint)}


x, s = 2.0, 0.3
log_joint, guesses = explain(x, s)
log_p = log_area(log_joint)
print(f"One picture, x = {x:g} = z^2 + {s:g} noise. log p(x) = {log_p:.4f} nats, by adding up p(x, z) over all z.\n")
print("guess q            E log p(x given z)   KL(q, prior)       L_b   KL(q, posterior)   L_b + KL(q, posterior)")
elbo, gap = {}, {}
for name, log_q in guesses.items():
    elbo[name] = average(log_q, log_joint - log_q)  # eq. (7.4): the average of log r
    gap[name] = average(log_q, log_q - guesses["the posterior"])
    fit, cost = average(log_q, log_normal(x, z**2, s)), average(log_q, log_q - log_normal(z, 0, 1))
    assert abs(fit - cost - elbo[name]) < 1e-9  # eq. (7.7)
    print(f"{name:15}{fit:22.4f}{cost:15.4f}{elbo[name]:10.4f}{gap[name]:19.4f}{elbo[name] + gap[name]:25.4f}")
print("Whatever q is, the last column is log p(x): L_b is log p(x) minus how wrong q is. The first two columns are the same\n"
      "L_b, read another way: how well the guesses explain x, less what it costs q to differ from the prior.")
draws = 1.2 + 0.3 * np.random.default_rng(0).standard_normal(100_000)
log_r = log_normal(draws, 0, 1) + log_normal(x, draws**2, s) - log_normal(draws, 1.2, 0.3)
print(f"L_b needs no area: 100,000 draws from the poor guess give {log_r.mean():.3f}, "
      f"standard error {log_r.std() / 100_000**0.5:.3f}.")

# %% [markdown]
# **(a)** About 0.69 = log 2. A Gaussian over both hills must also stand in the valley between, where log r is terrible.
# So the best one takes one hill, and one hill has half of the area. Two bumps close nearly all of the gap: it comes from
# the family that q is chosen from, not from the model. Below, the three terms by separate routes (the KL in L_b in closed
# form, eq. (8.4), the rest by quadrature) for random decoders, pictures and q; and the gap as the hills get narrow.

# %%
worst = 0.0
for seed in range(5):
    rng = np.random.default_rng(seed)
    decoded = mv.MLP((1, 8, 2), "tanh", np.float64, rng)(z[:, None]).data  # from one latent to two pixels
    for mu, std in zip(rng.normal(size=20), rng.uniform(0.2, 1.5, 20)):
        pixels = decoded[rng.integers(3600, 4400)] + 0.3 * rng.normal(size=2)
        log_lik, log_q = log_normal(pixels, decoded, 0.3).sum(axis=1), log_normal(z, mu, std)
        log_px = log_area(log_lik + log_normal(z, 0, 1))
        l_b = average(log_q, log_lik) - mv.gaussian_kl(np.array([mu]), 2 * np.log([std]))
        worst = max(worst, abs(log_px - l_b - average(log_q, log_q - (log_lik + log_normal(z, 0, 1) - log_px))))
claim("§2", "log p(x) = L_b + KL(q, posterior), whatever q is", f"largest residual {worst:.0e} nats in 100 cases (tol 1e-10)",
      "holds", worst < 1e-10)

print("\nnoise of the picture   gap of the best Gaussian, nats   of the best two bumps   (log 2 = 0.6931)")
for noise in (0.5, 0.3, 0.2, 0.1):
    curve, q = explain(2.0, noise)
    one, two = (log_area(curve) - average(q[k], curve - q[k]) for k in ("best Gaussian", "best two bumps"))
    print(f"{noise:12g}{one:30.4f}{two:27.4f}")
claim("§2", "adjusting q always brings L_b up to log p(x)",
      f"gap left with any density {abs(gap['the posterior']):.4f}, with two bumps {gap['best two bumps']:.4f}, with one Gaussian "
      f"{gap['best Gaussian']:.4f} nats (tol 0.001)",
      "holds if q may be any density: a family such as the Gaussians leaves a gap",
      abs(gap["the posterior"]) < 1e-9 and gap["best two bumps"] < 0.01 and abs(one - np.log(2)) < 0.001)

# %% [markdown]
# ## Two steps, in turn
# Now two latents and one pixel: x = w (z1 + z2) + noise of variance tau2 = 0.25, for data with mean 0 and variance 2. The
# decoder is one number, w, and everything is exact. Since x tells only about the sum, z1 and z2 are *correlated* in the
# posterior: if one is larger, the other must be smaller. A step of q makes q the best of its kind for this w; a step of
# the decoder makes w the best for this q. Both raise L_b. First q may be any Gaussian and reaches the posterior (this is
# EM); then its latents are independent, as in the diagonal q of a VAE.

# %%
V, tau2 = 2.0, 0.25
w_best = np.sqrt((V - tau2) / 2)  # maximum likelihood: 2 w^2 + tau2 = V


def log_px(w):
    return -0.5 * (np.log(2 * np.pi * (2 * w * w + tau2)) + V / (2 * w * w + tau2))  # eq. (6.9)


def step_of_q(w, independent):
    """The best q, for both latents: mean c x, variance v, and their correlation rho."""
    a = w * w / tau2
    c = w / tau2 / (1 + 2 * a)
    return (c, 1 / (1 + a), 0.0) if independent else (c, (1 + a) / (1 + 2 * a), -a / (1 + a))


def step_of_decoder(q):
    c, v, rho = q
    return 2 * c * V / (4 * c * c * V + 2 * v * (1 + rho))


def l_b(w, q):
    """Mean of L_b over the data, eq. (7.7), with the KL of eq. (8.18)."""
    c, v, rho = q
    error = V * (1 - 2 * w * c) ** 2 + w * w * 2 * v * (1 + rho)
    return -0.5 * (np.log(2 * np.pi * tau2) + error / tau2) - (c * c * V + v - 1 - 0.5 * np.log(v * v * (1 - rho * rho)))


def alternate(w, independent, rounds):
    """Rows (w, L_b, log p) after each half step; q comes first, and starts as the prior."""
    rows = [(w, l_b(w, (0, 1, 0)), log_px(w))]
    for _ in range(rounds):
        q = step_of_q(w, independent)
        rows.append((w, l_b(w, q), log_px(w)))
        w = step_of_decoder(q)
        rows.append((w, l_b(w, q), log_px(w)))
    return np.array(rows)


em, diagonal = alternate(0.3, False, 100), alternate(w_best, True, 300)
for title, rows in (("q as good as the posterior, from a poor decoder (EM)", em),
                    ("independent latents in q, from the best decoder", diagonal)):
    print(f"\n{title}; nats per example\n  step of         w       L_b       gap    log p(x)")
    for kind, (w, bound, lp) in zip(("(start)", *3 * ("q", "decoder"), "(last)"), (*rows[:7], rows[-1])):
        print(f"  {kind:9}{w:8.4f}{bound:10.4f}{abs(lp - bound):10.4f}{lp:12.4f}")
print("A step of q cannot change log p(x); it closes the gap, as far as this kind of q can. With no gap left, L_b stands right\n"
      "under log p(x) and whatever raises it pushes log p(x) up. With a gap left, the decoder may raise L_b by closing the gap.")
h = 1e-5
slopes = [(f(w_best + h) - f(w_best - h)) / (2 * h) for f in (log_px, lambda w: log_px(w) - l_b(w, step_of_q(w, True)))]
print(f"At the best decoder, in nats per unit of w: slope of log p(x) {abs(slopes[0]):.3f}, of the gap {slopes[1]:.3f}. "
      "Only the gap pulls.")

# %% [markdown]
# **(b)** Yes. log p(x) = L_b + gap, so L_b also rises when the gap shrinks. At the best decoder log p(x) is flat, and the
# whole pull is towards decoders whose posterior is easy for q, eq. (7.11). Does a VAE do that? Here is a linear mv.VAE
# that starts from the best decoder and its best diagonal q. It has one freedom more: two different weights.

# %%
paths = []  # per seed and epoch: exact L_b, exact log p, w1, w2
for seed in range(4):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(512, 1))
    data = (data - data.mean()) / data.std() * V**0.5
    model = mv.VAE(1, (), 2, likelihood="gaussian", decoder_logvar=float(np.log(tau2)), dtype=np.float64, rng=rng)
    c, v, _ = step_of_q(w_best, True)
    model.load_state_dict({"encoder.0.weight": np.array([[c, c, 0, 0]]), "encoder.0.bias": np.log([1, 1, v, v]),
                           "decoder.0.weight": np.full((2, 1), w_best), "decoder.0.bias": np.zeros(1)})
    optimizer, path = mv.Adam(model.parameters(), lr=5e-3), []
    for _ in range(150):
        W, b = (p.data for p in model.decoder.parameters())
        mu, logvar = (t.data for t in model.encode(data))
        variance, error = np.sum(W**2) + tau2, (data - mu @ W - b) ** 2 + np.exp(logvar) @ W**2
        path.append((np.mean(-0.5 * (np.log(2 * np.pi * tau2) + error[:, 0] / tau2) - mv.gaussian_kl(mu, logvar)),  # eq. (7.7)
                     np.mean(-0.5 * (np.log(2 * np.pi * variance) + (data - b) ** 2 / variance)), *W[:, 0]))  # eq. (6.9)
        finished(mv.fit(model, data, epochs=1, rng=rng, optimizer=optimizer, progress=False))
    paths.append(path)
paths = np.array(paths)
low = [path[path[:, 1].argmin()] for path in paths]
print("\nmv.VAE from the best decoder, exact values in nats per example\n"
      "          start               at the lowest log p(x)                  after 150 epochs\n"
      "seed     L_b   log p       L_b   log p        w1, w2         L_b   log p        w1, w2")
for seed, (start, lowest, end) in enumerate(zip(paths[:, 0], low, paths[:, -1])):
    print(f"{seed:4}{start[0]:8.3f}{start[1]:8.3f}"
          + "  ".join(f"{r[0]:10.3f}{r[1]:8.3f}{r[2]:8.2f}, {r[3]:5.2f}" for r in (lowest, end)))
print("It goes back as well, and here it finds a way out: once one weight is near 0, only the other latent explains x, nothing\n"
      "is correlated, the gap closes, and log p(x) is back where it began. A linear decoder can turn so; others may not.")
fall, rise = paths[0, 0, 1] - np.mean(low, axis=0)[1], np.mean(low, axis=0)[0] - paths[0, 0, 0]

claim("§2", "log p(x) never falls if q is brought up to the posterior before each step of the decoder",
      f"100 rounds of EM: log p from {em[0, 2]:.3f} to {em[-1, 2]:.3f} nats, no fall (tol 0.001)", "holds",
      np.diff(em[:, 2]).min() > -1e-12 and em[-1, 2] > em[0, 2] + 0.1
      and np.diff(em[:, 1]).min() > -1e-12 and np.allclose(em[1::2, 1], em[1::2, 2], rtol=0, atol=1e-12))
start, end, a = diagonal[1], diagonal[-1], w_best**2 / tau2
assert abs(start[2] - start[1] - 0.5 * np.log((1 + a) ** 2 / (1 + 2 * a))) < 1e-12  # eq. (7.13)
assert np.allclose(paths[:, 0, :2], start[1:], rtol=0, atol=1e-9)  # the VAE begins there, by other formulas
claim("§2", "in a VAE the decoder can only go forward, never back",
      f"independent latents: L_b {start[1]:.3f} to {end[1]:.3f} while log p {start[2]:.3f} to {end[2]:.3f}; "
      f"mv.VAE: L_b up by {rise:.3f} while log p down by {fall:.3f} (tol 0.04)",
      "does not hold: where q leaves a gap, the decoder may go back to close it",
      np.diff(diagonal[1:, 1]).min() > -1e-12 and np.diff(diagonal[1:, 2]).max() < 1e-12 and end[2] < start[2] - 0.05
      and all(r[1] < p[0, 1] - 0.03 and r[0] > p[0, 0] + 0.05 and p[-1, 1] > p[0, 1] - 0.01 for p, r in zip(paths, low)))
claim("§2", "to maximise L_b is to maximise log p(x)",
      f"best w for log p {w_best:.3f}, for L_b with the posterior {em[-1, 0]:.3f}, with independent latents {end[0]:.3f} (tol 0.002)",
      "holds if q can reach the posterior", abs(em[-1, 0] - w_best) < 1e-3 and end[0] < w_best - 0.1)

# %%
fig, axes = plt.subplot_mosaic("AAABBB;CCDDEE", figsize=(9.4, 7), layout="constrained")
blue, red, green = mv.plot.COLOURS[:3]
styles = {"a poor guess": ("--", red), "best Gaussian": ("-", blue)}
near = np.abs(z) < 2.3
axes["A"].fill_between(z[near], np.exp(log_joint[near]), color="0.8", label="p(x, z): its area is p(x)")
axes["B"].axhline(log_p, color=green, linestyle="-.", label=f"the posterior: the same for all z, {log_p:.2f} = log p(x)")
for name, (dash, colour) in styles.items():
    axes["A"].plot(z[near], np.exp(guesses[name] + log_p)[near], dash, color=colour, label=f"q(z), {name}, given the same area")
    often = np.abs(z - average(guesses[name], z)) < 2 * np.sqrt(average(guesses[name], z**2) - average(guesses[name], z) ** 2)
    axes["B"].plot(z[often], (log_joint - guesses[name])[often], dash, color=colour,
                   label=f"{name}: average {elbo[name]:.2f} = L_b")
axes["A"].set(title=f"Which z explain the picture x = {x:g}?", xlabel="z", ylabel="height", ylim=(0, 0.6))
axes["B"].set(title="What does each z answer? (central 95 % of q)", xlabel="z", ylabel="log r(z), nats",
              xlim=axes["A"].get_xlim(), ylim=(-24, 1))
for key, rows, title in (("C", em[1:], "q as good as the posterior (EM),\nfrom a poor decoder"),
                         ("D", diagonal[1:], "independent latents in q,\nfrom the best decoder")):
    axes[key].plot(rows[:15, 2], "o-", color=green, markersize=4, label="log p(x)")
    axes[key].plot(rows[:15, 1], "s--", color=blue, markersize=4, label="L_b")
    axes[key].set(title=title, xlabel="steps: q, decoder, q, decoder, ...", ylabel="nats per example")
for path in paths:
    axes["E"].plot(path[:, 1], color=green, linewidth=1.2)
    axes["E"].plot(path[:, 0], "--", color=blue, linewidth=1.2)
axes["E"].set(title="mv.VAE (four seeds),\nfrom the best decoder", xlabel="epochs", ylabel="nats per example")
for key in "ABC":
    axes[key].legend(fontsize=8, loc="lower right" if key == "C" else "lower left" if key == "B" else "upper left")
figure(fig, "07_elbo")
show(args)

# %% [markdown]
# ## Your turn
# 1. Set x = 0 in the first picture. How many hills are there now? Is the best Gaussian's gap 0? (No: look at its shape.)
# 2. Make tau2 four times as large. Are z1 and z2 more or less correlated, given x? Predict whether the decoder of the
#    independent latents goes back further or less far, then run.
# 3. Start the independent latents at w = 0.3 instead. Does log p(x) fall on the way? Where does w stop?
# 4. In EM, let q go only half of the way from the old to the new (c, v, rho). Does L_b still rise at each step? log p(x)?
