# %%
"""Lesson 19: a measure that is learned.

You train a small network to tell two kinds of samples apart, and read off it how far apart the two
distributions are. Takes about 12 s.
"""
from workbench import begin, claim, end, figure, predict, rng, shifted_js, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A VAE is trained by a distance that somebody wrote down, the [KL](GLOSSARY.md#kl) and the
# [nll](GLOSSARY.md#nll). The essay describes another road, the [GAN](GLOSSARY.md#gan): the KL
# cannot be computed from samples alone, so one trains a network to be the distance. Can it not? And
# is what the network says a distance?
#
# **What you need:** the KL between Gaussians, [lesson 8](08_gaussian_kl.py), and that a
# [logit](GLOSSARY.md#logits) l stands for the probability 1 / (1 + exp(-l)).

# %%
readable = predict("""A network is shown 4,000 samples of N(0, 1) and 4,000 of N(m, 1), and learns
                   to tell which is which. The KL of the two is m²/2. For which m can it be read off
                   the network?""",
                   a="for none: samples are no densities", b="for small m, up to about 2",
                   c="for all m")
flat = predict("""The network is right half of the time if m = 0, and nearly always if m = 8. What
               does the measure that a GAN is trained on say if m = 32, compared with m = 8?""",
               a="four times as much", b="the same", c="16 times as much, as the KL does")

# %% [markdown]
# ## What the best discriminator knows
# A *discriminator* D(x) says how probable it is that x is of the first kind. The best one is
# [eq. (19.1)](derivations/19_the_other_road.md#eq-19-1), so its logit is the log ratio of the two
# densities, and the mean of that over the first kind is the KL,
# [eq. (19.2)](derivations/19_the_other_road.md#eq-19-2):
#
# $$ D(x) = \frac{p(x)}{p(x) + q(x)}, \qquad \mathrm{KL}(p, q) = E_p \log \frac{D(x)}{1 - D(x)} $$
#
# It is trained by the cross-entropy, `bernoulli_nll`
# ([minivae/vae_ops.py](../minivae/vae_ops.py)), and log 2 less what it pays is a lower bound on the
# Jensen-Shannon divergence JS, [eq. (19.3)](derivations/19_the_other_road.md#eq-19-3) and
# [eq. (19.4)](derivations/19_the_other_road.md#eq-19-4). A GAN's generator is trained to lower it.

# %%
SAMPLES, SHIFTS = 4000, (0.5, 1.0, 2.0, 4.0, 8.0, 32.0)


def samples(m, n, *stream):
    """n of N(0, 1), then n of N(m, 1), and which is which: (2n, 1), (2n, 1)."""
    x = rng(*stream).standard_normal((2 * n, 1), np.float32)
    x[n:] += np.float32(m)
    real = np.zeros((2 * n, 1), np.float32)
    real[:n] = 1
    return x, real


def discriminator(m, k, steps=600):
    """A network trained on samples alone; x (n, 1) -> logits (n, 1)."""
    x, real = samples(m, SAMPLES, k, 1)
    net = mv.MLP((1, 32, 32, 1), "tanh", rng=rng(k))
    adam, chance = mv.Adam(net.parameters()), rng(k, 2)
    for step in range(steps):
        adam.lr = 1e-2 * (1 - step / steps)
        rows = chance.integers(2 * SAMPLES, size=256)
        adam.zero_grad()
        mv.bernoulli_nll(net(x[rows]), real[rows]).mean().backward()
        adam.step()
    return net

# %%
def read(net, m, k):
    """What it says of fresh samples: the KL and the JS, in nats."""
    x, real = samples(m, 20_000, k, 3)
    logits = net(x).data                                       # (40000, 1)
    pays = mv.bernoulli_nll(logits, real).mean()
    return logits[:20_000].mean(), np.log(2) - pays            # eq. (19.2), eq. (19.4)


# %%
found = {m: np.array([read(discriminator(m, k), m, k) for k in range(3)]) for m in SHIFTS}
exact = {m: shifted_js(m) for m in SHIFTS}
print("\nWhat the network says, three seeds (mean and range), beside what is so; nats")
table(["m", "its KL", "KL", "its JS", "JS"],
      [[f"{m:g}", spread(rows[:, 0]), f"{m * m / 2:.2f}", spread(rows[:, 1], ".3f"),
        f"{exact[m]:.3f}"] for m, rows in found.items()])

# %%
kl = {m: rows[:, 0].mean() for m, rows in found.items()}
js = {m: rows[:, 1].mean() for m, rows in found.items()}
readable.answer("b", """As long as samples of both kinds are met in the same places the network
    sees how many of each there are, and that is the ratio. Where only one kind is ever met, it
    knows that the ratio is large, and nothing in the samples says how large. What it says there
    depends on how long it was trained.""")
flat.answer("b", """JS is log 2 = 0.693 as soon as the two are told apart for sure, and then it says
    no more. A generator that is far off gets no hint in which direction to go. (In practice it
    is trained on another loss, -log D, for that reason; its gradient does not vanish, but it
    still depends on what the discriminator says far from the real data.)""")
claim("§5.1", "the KL cannot be had from samples alone",
      f"mean logit of a discriminator: {kl[1.0]:.2f} ± 0.05 where the KL is 0.5, {kl[2.0]:.2f} ± "
      f"0.2 of 2, {kl[8.0]:.1f} ± 3 of 32, {kl[32.0]:.1f} ± 5 of 512",
      "does not hold where the samples overlap; where they no longer do, it holds",
      abs(kl[1.0] - 0.5) < 0.06 and abs(kl[2.0] - 2) < 0.35 and kl[8.0] < 20 and kl[32.0] < 30)
claim("§5.1", "a network can be trained to be the measure",
      "JS on fresh samples, m = 1, 2, 4: " + ", ".join(f"{js[m]:.3f} ± 0.012" for m in (1., 2., 4.))
      + "; exact " + ", ".join(f"{exact[m]:.3f}" for m in (1., 2., 4.)), "holds",
      all(abs(js[m] - exact[m]) < 0.015 for m in SHIFTS))

# %%
fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
line = np.linspace(0.05, 32, 150)
ax.plot(line, [shifted_js(m) for m in line], color="black", linewidth=2, label="JS, exact")
ax.plot(line, line**2 / 2, "--", color="0.4", linewidth=2, label="KL, exact")
ax.plot(SHIFTS, [js[m] for m in SHIFTS], "o", color=mv.plot.COLOURS[0], markersize=10,
        label="JS, learned")
ax.plot(SHIFTS, [kl[m] for m in SHIFTS], "s", color=mv.plot.COLOURS[1], markersize=10,
        label="KL, learned")
ax.set(xscale="log", yscale="log", xlim=(0.4, 40), ylim=(0.02, 900), xticks=SHIFTS)
ax.set_xticklabels([f"{m:g}" for m in SHIFTS], fontsize=12)
ax.minorticks_off()
ax.tick_params(labelsize=12)
ax.set_xlabel("distance m between N(0, 1) and N(m, 1)", fontsize=14)
ax.set_ylabel("nats", fontsize=14)
ax.legend(fontsize=14, loc="upper left")
ax.set_title("Once told apart for sure, JS is flat, and the KL is not seen", fontsize=15)
figure(fig, "19_learned_measure")
end()

# %% [markdown]
# ## Your turn
# 1. Ten times fewer samples, `SAMPLES = 400`. Up to which m can the KL be read now?
# 2. Train ten times shorter, `steps=60`. Is JS read too large or too small?
#
# An exercise that answers back: [ex17_best_discriminator](exercises/ex17_best_discriminator.py).
#
# ## What you should see
# 1. As before, up to 2, where it says 2.00; and 10.2 at m = 8, as with ten times the samples. Only
#    the JS of small m is a little noisier.
# 2. A little too small, 0.335 for 0.337 and 0.690 for 0.693, as a lower bound must be. The KL at
#    m = 8 is now read as 6.2, where it was 10.3: that is a matter of training, and not of what the
#    distributions are.
