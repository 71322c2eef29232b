# %%
"""Lesson 06, fourth part: from the sum to the integral.

A mixture has a table of components. You will replace the table by two functions, and the sum by
an integral: that is a decoder. Takes about 1 s.
"""
from workbench import begin, claim, end, figure, log_mixture, predict, table, total_variation

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A table of 512 components does not know which of them are neighbours. Let the number m become a
# continuous z, drawn from a density p(z), and let two functions of z give the component's mean
# and standard deviation. The sum becomes an integral,
# [eq. (6.8)](derivations/06_mixtures.md#eq-6-8):
#
# $$ P(x) = \int p(z)\, N(x;\, \mathrm{mean}(z), \mathrm{std}(z)^2)\, dz $$
#
# In a VAE the two functions are the [decoder](GLOSSARY.md#decoder), and p(z) is the
# [prior](GLOSSARY.md#prior), N(0, 1). Is this still a mixture, and does it matter which prior one
# takes?
#
# **What you need:** [mixtures](06_mixtures.py) and their total variation.

# %%
enough = predict("""The functions describe a spiral in the plane. The integral is replaced by a sum
                 over K values of z. With 8 the sum is a string of beads; from how many on can you
                 not tell the two apart?""",
                 a="about 20", b="about 100", c="never, a sum stays a sum")
other = predict("""The prior is N(0, 1). Somebody insists on a uniform z, from 0 to 1. With the
                right functions, can it give the same density?""",
                a="yes, the same", b="nearly", c="no, it has sharp edges")

# %% [markdown]
# ## A spiral
# Here the functions are written down by hand; a VAE learns them. They take u, from 0 to 1, along
# the spiral; and u is the share of N(0, 1) below z.

# %%
def spiral(u):
    """Means (K, 2) and variances (K, 2) at the places u (K,) along the spiral."""
    around = np.stack([np.cos(4 * np.pi * u), np.sin(4 * np.pi * u)], axis=1)
    mean = (0.4 + 1.2 * u)[:, None] * around                 # two turns, outwards
    std = 0.05 + 0.08 * u                                    # and thicker
    return mean, np.stack([std**2, std**2], axis=1)


side = (np.arange(112) + 0.5) / 28 - 2                       # the plane, from -2 to 2
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)       # (12544, 2)
CELL = (1 / 28) ** 2

z = np.linspace(-8, 8, 1601)                                 # a sum so fine that it is the integral
p_z = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * 0.01        # (1601,), times dz
u = np.array([NormalDist().cdf(value) for value in z])       # (1601,)
integral = np.exp(log_mixture(plane, p_z, *spiral(u)))       # (12544,)   eq. (6.8)

sums, apart = {}, {}
for K in (8, 16, 32, 64, 128, 512):
    u = (np.arange(K) + 0.5) / K                             # K values of z, equally probable
    sums[K] = np.exp(log_mixture(plane, np.full(K, 1 / K), *spiral(u)))
    apart[K] = total_variation(integral, sums[K], CELL)
print("\nTotal variation between the integral and a sum over K values of z:")
table(["K", "total variation"], [[K, f"{t:.4f}"] for K, t in apart.items()])

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained")
pictures = {"a sum over 8 values of z": sums[8], "over 32": sums[32], "the integral": integral}
for ax, (title, density) in zip(axes, pictures.items()):
    ax.imshow(np.sqrt(density).reshape(112, 112), origin="lower", cmap="magma")
    ax.set_title(title, fontsize=15)
    ax.axis("off")
figure(fig, "06_integral")

# %%
enough.answer("b", """Once neighbouring beads lie closer than they are wide, the sum is smooth. It
    then comes near very fast: with 64 the total variation is a hundredth, with 128 next to
    nothing.""")

# %% [markdown]
# ## Where it can be done on paper
# If mean(z) = w z + b and std is constant, x is a sum of Gaussian numbers, and the integral is a
# Gaussian, [eq. (6.9)](derivations/06_mixtures.md#eq-6-9): N(b, w² + std²). In general it cannot
# be done; and with many latents no sum can replace it either. That is what [lesson 7](07_elbo.py)
# is for.

# %%
x = np.linspace(-4, 4, 81)[:, None]                          # w = 1, b = std = 0.5
by_sum = np.exp(log_mixture(x, p_z, z[:, None] + 0.5, np.full((len(z), 1), 0.25)))
on_paper = np.exp(-((x[:, 0] - 0.5) ** 2) / (2 * 1.25)) / np.sqrt(2 * np.pi * 1.25)     # eq. (6.9)
off = np.abs(on_paper - by_sum).max()
print(f"\nA linear decoder: integral and formula differ by at most {off:.0e}")
claim("§2", "with a continuous z the sum becomes an integral, and two functions of z take the "
      "place of the components",
      f"total variation between the sum over K values of z and the integral: {apart[8]:.3f} with "
      f"8, {apart[32]:.4f} with 32, {apart[128]:.4f} with 128", "holds",
      apart[512] < 1e-3 and apart[8] > 0.5 and off < 1e-12)

# %% [markdown]
# ## Another prior
# Now z is uniform from 0 to 1, and the functions take it as u, without the step from z to u.

# %%
nodes, weights = np.polynomial.legendre.leggauss(400)        # an exact sum for smooth functions
uniform = np.exp(log_mixture(plane, weights / 2, *spiral((nodes + 1) / 2)))
difference = np.abs(integral - uniform).max()
print(f"\nUniform z: the density differs by at most {difference:.0e}, the total variation is "
      f"{total_variation(integral, uniform, CELL):.4f}")
other.answer("a", """Only the density of x counts. A change of z can be undone by the functions:
    that from normal to uniform is the first step of the spiral here. A decoder can learn such a
    step, so N(0, 1) is a convenience.""")
claim("§2", "z need not be N(0, 1); other continuous distributions do as well",
      "the same density from uniform z, to 1e-8",
      "holds if the functions change with it: mean(z) and sd(z) have to undo the change of z",
      difference < 1e-8)
end()

# %% [markdown]
# ## Your turn
# 1. Make the spiral half as thick: `std = 0.025 + 0.04 * u`. How many values of z does the sum
#    need now? Predict the factor.
# 2. Change the prior and not the functions: in the last part let u be the square of the uniform
#    z, `spiral(((nodes + 1) / 2) ** 2)`. What becomes of the density?
#
# ## What you should see
# 1. Twice as many: the beads are half as wide, so they must lie twice as close. With 64 it is now
#    what it was with 32. (In a plane instead of along a line it would be four times as many.)
# 2. The total variation is 0.25: the spiral lies where it lay, but its inner end is too bright,
#    since squares of numbers below 1 crowd near 0. The place comes from the functions, the weight
#    from the prior, and they must fit.
