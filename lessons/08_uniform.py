# %%
"""Lesson 08, third part: can the noise be uniform?

The noise of a VAE is Gaussian. You will find out what the KL says of uniform noise, and train a
VAE with it. Takes about 4 s.
"""
from workbench import begin, claim, end, figure, finished, held_out, predict, rng, sheet, spread
from workbench import table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Let q(z | x) be uniform on an interval instead of Gaussian, and the prior uniform, too. Section
# 6.1 of the essay says that two different uniform distributions always have an infinite KL, so
# that this must fail. Does it?
#
# **What you need:** the KL is the mean of log q(z)/p(z) over z drawn from q ([first
# part](08_gaussian_kl.py)), and the [ELBO](GLOSSARY.md#elbo), larger is better.

# %%
inside = predict("q is uniform on [0, 1], the prior p on [-1, 1]. What is KL(q || p)?",
                 a="0", b="log 2 = 0.69 nats", c="infinite")
outside = predict("And KL(p || q), the other way round?",
                  a="-0.69 nats", b="0.69 nats", c="infinite")

# %% [markdown]
# ## Two uniform distributions
# A uniform distribution on [a, b] has the density 1/(b - a) there, and 0 elsewhere. We draw from
# the first and average the logarithm of the ratio. The rule to compare with is
# [eq. (8.15)](derivations/08_gaussian_kl.md#eq-8-15):
#
# $$ \mathrm{KL}(U(a, b) \,\Vert\, U(c, d)) = \log\frac{d - c}{b - a}
#    \quad \text{if } [a, b] \text{ lies inside } [c, d], \text{ else infinite} $$

# %%
def density(z, a, b):
    return ((a <= z) & (z <= b)) / (b - a)


def kl_uniform(a, b, c, d):
    if c <= a and b <= d:
        return np.log((d - c) / (b - a))                               # eq. (8.15)
    return np.inf


rows = []
for a, b, c, d in ((0, 1, -1, 1), (-1, 1, 0, 1), (-0.3, 0.4, -1, 1), (-0.3, 1.2, -1, 1)):
    z = rng(0).uniform(a, b, 10_000)                                   # (10000,)
    with np.errstate(divide="ignore"):
        ratio = np.log(density(z, a, b)) - np.log(density(z, c, d))
    rows.append([f"U({a}, {b}) from U({c}, {d})", f"{ratio.mean():.4f}",
                 f"{kl_uniform(a, b, c, d):.4f}", f"{np.mean(np.isinf(ratio)):.2f}"])
print("\nMean of log q/p over 10,000 draws of q:")
table(["KL, nats", "mean", "eq. (8.15)", "draws where p is 0"], rows)

# %%
inside.answer("b", """Everywhere on [0, 1] the ratio of the densities is 2, so its logarithm is
    log 2 in every draw. It says how much narrower q is than p.""")
outside.answer("c", """Half of the draws fall where q has no density at all: one who believes in q
    is infinitely surprised by them. The essay looks at this way round only; the VAE's KL is the
    other one, and needs no more than that q stays inside the prior.""")

# %% [markdown]
# ## A VAE of uniforms
# The prior is uniform on [-1, 1] for each latent. The encoder gives the half width h of q,
# through a sigmoid so that 0 < h < 1, and its centre, at most 1 - h from 0 so that q stays
# inside. Its KL is -log h, since the prior's half width is 1. Everything else is as in
# `VAE.terms` in [minivae/models.py](../minivae/models.py).

# %%
class UniformVAE(mv.VAE):
    def terms(self, x, rng):
        where, width = self.encode(x)                                  # (B, 8) each
        h = mv.sigmoid(width)
        u = rng.uniform(-1, 1, h.shape).astype(self.dtype)             # the noise
        z = (1 - h) * np.tanh(where) + h * u                           # inside [-1, 1]
        kl = mv.softplus(-width).sum(axis=1)                           # -log h   eq. (8.15)
        return self.nll(self.decode(z), x), kl


def train(kind, k):
    """A trained model; its ELBO and kl on held-out digits, and the ELBO of the mean image."""
    x_train, _, x_test, _ = held_out(*mv.data.digits(), 297, k)
    model = kind(64, (100,), 8, "gaussian", float(np.log(0.05)), "tanh", rng=rng(k))
    finished(mv.fit(model, x_train, epochs=40, batch_size=100, lr=4e-3, rng=rng(k, 1)))
    with mv.no_grad():
        terms = [model.terms(x_test, rng(k, 2, i)) for i in range(8)]
    nll, kl = (np.mean([pair[i].data for pair in terms]) for i in range(2))
    mean = np.broadcast_to(x_train.mean(axis=0), x_test.shape)
    blind = -mv.gaussian_nll(mean, np.log(0.05), x_test).mean()
    return model, [-(nll + kl), kl, blind]


runs = {name: [train(kind, k) for k in range(3)]
        for name, kind in (("Gaussian", mv.VAE), ("uniform", UniformVAE))}
found = {name: np.array([numbers for _, numbers in run]) for name, run in runs.items()}  # (3, 3)
print("\nDigits, 8 latents, held out, nats, mean of three splits (smallest to largest):")
table(["q and prior", "ELBO", "kl", "ELBO without a code"],
      [[name, *(spread(column, ".1f") for column in f.T)] for name, f in found.items()])

# %%
fig, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
drawn = {"Gaussian": rng(5).standard_normal((10, 8)), "uniform": rng(5).uniform(-1, 1, (10, 8))}
sheet(ax, [mv.data.digits()[0][:10], *(runs[name][0][0].pixels(z) for name, z in drawn.items())],
      ["real digits", *drawn])
ax.tick_params(labelsize=13)
ax.set_title("Drawn from the prior: a VAE of uniforms draws, too", fontsize=14)
figure(fig, "08_uniform")

# %%
gaussian, uniform = (f.mean(axis=0) for f in found.values())
claim("§6.1", "two different uniform distributions have an infinite KL, "
      "so a VAE with uniform q fails",
      f"KL(U(0, 1), U(-1, 1)) = {kl_uniform(0, 1, -1, 1):.2f} nats; VAE with uniform q and prior: "
      f"ELBO {uniform[0]:.1f} ± 3 (Gaussian {gaussian[0]:.1f} ± 1.2), KL {uniform[1]:.1f} ± 1; "
      f"without a code {uniform[2]:.1f} ± 1.2",
      "does not hold: it is finite for q inside the prior, and such a VAE trains",
      uniform[1] > 4 and uniform[0] > uniform[2] + 8)
end()

# %% [markdown]
# ## Your turn
# 1. Give uniform noise the Gaussian prior, which is nowhere 0. In `terms`, let `where` be mu and
#    `width` be logvar: `z = where + np.sqrt(3) * np.exp(width / 2) * u` has this mean and
#    variance, and `kl = mv.gaussian_kl(where, width) + 8 * 0.1765`, by
#    [eq. (8.17)](derivations/08_gaussian_kl.md#eq-8-17). Foretell the ELBO, from that of the
#    Gaussian.
# 2. Let q stick out of the prior: `z = np.tanh(where) + h * u`, with `kl` as it is. What does the
#    table say, and is it true?
#
# Exercises that answer back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. 10.9 less 8 times 0.1765 is 9.5; measured are 9.6. The constant has no gradient, so the two
#    VAEs are trained nearly alike, and uniform noise is the dearer one only because it resembles
#    the prior less.
# 2. An ELBO of 11.9, better than the Gaussian's, and not true: the KL is infinite now, and -log h
#    is the formula for another case. Numbers that come from a formula used outside its condition
#    look like any others.
