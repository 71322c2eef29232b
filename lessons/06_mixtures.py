# %%
"""Lesson 06: Mixtures of Gaussians, from a sum to an integral.

Fits mixtures with EM to densities on a line, in the plane and to digits, and measures how the error falls with the number
of components, and where 512 are not enough. Then lets the components become a continuum, which is a decoder.

Takes about 15 s; needs nothing but minivae.
"""

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np
from lesson import arguments, claim, figure, show

import minivae as mv

args = arguments(__doc__)

# %% [markdown]
# ## The question
# The essay builds the VAE on mixtures: any distribution is a sum of Gaussians, and 512 of them leave next to no error.
# How fast does the error fall, is it ever large with 512, and what takes the place of the sum?
#
# ## Predict
# 1. A density on the line is flat with sharp edges. Four times as many Gaussians: by what factor does the error fall?
# 2. A density of 1,024 narrow bars, and 512 Gaussians. What is the best they can do?
# 3. A mixture of 512 Gaussians for 1,437 digits has a higher likelihood than one of 64 on those digits. And on others?
#
# ## Derivation
# A finite mixture is [eq. (6.1)](derivations/06_mixtures.md#eq-6-1). EM asks which component is responsible for a point,
# [eq. (6.3)](derivations/06_mixtures.md#eq-6-3), and moves each component to the mean and variance of its share,
# [eq. (6.5)](derivations/06_mixtures.md#eq-6-5). The error is the total variation TV, [eq. (6.6)](derivations/06_mixtures.md#eq-6-6): the largest
# difference that the two distributions make for the probability of any event, 0 to 1, [eq. (6.7)](derivations/06_mixtures.md#eq-6-7).
# The continuous mixture is [eq. (6.8)](derivations/06_mixtures.md#eq-6-8).

# %% [markdown]
# ## Code
# EM for Gaussians with diagonal covariance, on weighted points: a density is given by a fine grid whose points have its
# values as weights. So that no component settles on a single grid point, variances have a floor, and the error is judged
# on another grid.


# %%
def log_joint(x, weight, mu, var):
    """log P(m) N(x_n; mu_m, diag var_m): points (N, D), components (K,), (K, D), (K, D) -> (N, K)."""
    a = x**2 @ (-0.5 / var).T  # the square (x - mu)^2 multiplied out: matrix products in place of N K D differences
    a += x @ (mu / var).T
    a += np.log(weight) - 0.5 * (mu**2 / var + np.log(2 * np.pi * var)).sum(axis=1)
    return a


def log_density(x, *mixture):
    a = log_joint(x, *mixture)
    top = a.max(axis=1, keepdims=True)
    return (top + np.log(np.exp(a - top).sum(axis=1, keepdims=True)))[:, 0]  # eq. (6.10)


def density(x, *mixture):
    """In slices, so that the table of points and components stays small."""
    return np.concatenate([np.exp(log_density(part, *mixture)) for part in np.array_split(x, 1 + len(x) // 4000)])


def fit_mixture(x, share, mu, var, steps, floor):
    """EM from given means (K, D) and variances; share (N,) are the weights of the points, summing to 1."""
    weight = np.full(len(mu), 1 / len(mu))
    for _ in range(steps):
        r = log_joint(x, weight, mu, var)
        r -= r.max(axis=1, keepdims=True)
        np.exp(r, out=r)
        r *= (share / r.sum(axis=1))[:, None]  # eq. (6.3), times the weight of the point
        weight = r.sum(axis=0) + 1e-300        # eq. (6.5), here and in the next two lines; never quite 0, for the log
        mu = r.T @ x / weight[:, None]
        var = np.maximum(r.T @ x**2 / weight[:, None] - mu**2, floor)
    return weight, mu, var


def total_variation(p, q, cell):
    """Half of the integral of |p - q|; what q puts outside of the grid counts, too. eq. (6.6)"""
    return 0.5 * np.abs(p - q).sum() * cell + 0.5 * max(0, 1 - q.sum() * cell)


# %% [markdown]
# ## On the line
# EM starts with the components at the density's quantiles.


# %%
def on_the_line(p, low, high, cells, judge, K, start=None, width=1):
    """TV between the density p, given up to its scale on (low, high), and a mixture of K Gaussians fitted to it; also the
    points at which it was judged and the mixture's density there. width: the first sds, in distances to the neighbours."""
    x = low + (high - low) * (np.arange(cells) + 0.5) / cells
    share = p(x) / p(x).sum()
    mu = np.interp((np.arange(K) + 0.5) / K, np.cumsum(share), x) if start is None else start
    mixture = fit_mixture(x[share > 0, None], share[share > 0], mu[:, None], (width * np.gradient(mu)[:, None]) ** 2,
                          steps=max(10, 600 // K), floor=((high - low) / cells) ** 2)
    x = low + (high - low) * (np.arange(judge) + 0.5) / judge
    cell = (high - low) / judge
    q = density(x[:, None], *mixture)
    return total_variation(p(x) / (p(x).sum() * cell), q, cell), x, q


def bars(x):
    """1,024 bars on (0, 1), as wide as the gaps between them."""
    return ((x > 0) & (x < 1) & (x * 1024 % 1 < 0.5)).astype(float)


COUNTS = (2, 8, 32, 128, 512)
LINE = {"flat": (lambda x: (np.abs(x) < 1).astype(float), -1.5, 1.5),
        "two-sided exponential": (lambda x: np.exp(-np.abs(x)), -14, 14),
        "one-sided exponential": (lambda x: np.exp(-np.abs(x)) * (x > 0), -0.25, 9.75)}
print("Densities on the line: total variation to the fitted mixture, by the number of Gaussians")
print(f"  {'':24}" + "".join(f"{K:8}" for K in COUNTS))
tv = {}
for name, setting in LINE.items():
    tv[name] = [on_the_line(*setting, 4080, 12360, K)[0] for K in COUNTS]
    print(f"  {name:24}" + "".join(f"{error:8.4f}" for error in tv[name]))
print("Each column has four times as many Gaussians as the one before, and about a quarter of its error: pieces a quarter as wide.")
claim("§2", "any distribution is a sum of Gaussians; on the line the error falls with their number",
      "total variation with 8 and with 512: " + ", ".join(f"{name} {v[1]:.2g} and {v[-1]:.2g}" for name, v in tv.items())
      + " (tol 10 %)", "holds if 'is' means 'can be approximated by'",
      all(np.all(np.diff(v) < 0) and v[-1] < 0.003 for v in tv.values()))

# %% [markdown]
# Four times as many Gaussians make the error about four times smaller, as each takes care of a piece a quarter as wide;
# an edge is smoothed over a shorter stretch, but never hit. (The last figure of the one-sided exponential is held up by
# the floor under the variances.) For these three densities 512 are practically enough, as the essay says.
#
# ## Where 512 are not enough
# 1,024 bars need more than 512 Gaussians. A sum of K Gaussians crosses a given height at most 2K times (Kalai, Moitra,
# Valiant 2010, proposition 7), and to be above the mean height in every one of T bars and below it in every gap it
# would have to cross it 2T - 1 times. At least T - K bars or gaps are therefore wholly on the wrong side, and each adds
# 1/(4T) to the total variation: no mixture at all has less than (T - K)/(4T). In the plane edges are lines, not points,
# and take more Gaussians to draw: on a checkerboard four times as many do not even halve the error.

# %%
some = np.concatenate([(np.arange(480) + 0.25) / 1024, (np.arange(32) + 0.5) / 32 * 544 / 1024 + 480 / 1024])
best, x_bars, q_bars = on_the_line(bars, -0.125, 1.125, 7680, 12800, 512, start=some, width=0.2)


def board(x):
    """Eight by eight squares on [-2, 2]^2, every other one lit."""
    return (np.floor(2 * x).sum(axis=1) % 2 == 0).astype(float)


def plane(n):
    side = (np.arange(n) + 0.5) / n * 4 - 2
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


fine, lit = plane(112), plane(80)[board(plane(80)) > 0]
boards = {}
for K in (32, 128, 512):
    errors = []
    for seed in range(3):
        mu = lit[np.random.default_rng(seed).choice(len(lit), K, replace=False)]
        mixture = fit_mixture(lit, np.full(len(lit), 1 / len(lit)), mu, np.full((K, 2), 1 / K), steps=15, floor=0.025**2)
        q = density(fine, *mixture)
        errors.append(total_variation(board(fine) / (board(fine).sum() * (4 / 112) ** 2), q, (4 / 112) ** 2))
    boards[K] = np.mean(errors), q
print(f"\n1,024 bars, 512 Gaussians: total variation {best:.3f} with 480 Gaussians on 480 bars and 32 for the rest.\n"
      f"  A flat sum, blind to the bars, has 0.5; no mixture has less than {(1024 - 512) / 4096:.3f}")
print("Checkerboard of 8 x 8 squares: total variation " + ", ".join(f"{v[0]:.3f} with {K}" for K, v in boards.items())
      + " (mean over 3 starts)")
claim("§2", "with 512 Gaussians the error is practically nothing",
      f"total variation with 512: 1,024 bars {best:.2f} (no mixture has less than 0.125), checkerboard {boards[512][0]:.2f} "
      "(tol 0.05)",
      "does not hold: it depends on the density, and in the plane 512 are soon too few", best > 0.125 and boards[512][0] > 0.08)

# %% [markdown]
# ## Digits: 64 dimensions, and few examples
# For data there is no density to compare with, only unseen examples: the log-likelihood of 360 digits that EM did not
# see. The variance floor, 1/(12 * 16^2), is that of the rounding to 16 grey levels.

# %%
x, _ = mv.data.digits()
x = x.astype(float)
table = np.empty((5, 3, 2))
for seed in range(3):
    rng = np.random.default_rng(seed)
    train, unseen = np.split(rng.permutation(x), [1437])
    for i, K in enumerate((1, 16, 64, 256, 512)):
        mixture = fit_mixture(train, np.full(1437, 1 / 1437), rng.permutation(train)[:K], np.full((K, 64), 0.05), steps=15,
                              floor=1 / (12 * 16**2))
        table[i, seed] = [log_density(part, *mixture).mean() for part in (train, unseen)]
print("\nMixtures fitted to 1,437 digits: log-likelihood per digit (nats), mean and sd over 3 splits")
for K, values in zip((1, 16, 64, 256, 512), table):
    (seen, unseen), (seen_sd, unseen_sd) = values.mean(axis=0), values.std(axis=0)
    print(f"  {K:3} Gaussians:  seen {seen:6.1f} ± {seen_sd:.1f}   unseen {unseen:6.1f} ± {unseen_sd:.1f}")
print("With 512 there are fewer than three digits to a Gaussian: it learns those three, not digits.")
claim("§2", "512 Gaussians fitted to data are close to its distribution",
      f"digits, nats per image: 512 Gaussians {seen:.0f} on those they were fitted to, {unseen:.0f} on unseen ones, where 64 "
      f"have {table[2, :, 1].mean():.0f} (tol 10)", "does not hold: fitted to 1,437 digits they overfit",
      seen > table[2, :, 0].mean() and unseen < table[2, :, 1].mean() - 20)

# %% [markdown]
# ## From the sum to the integral
# A table of 512 components knows nothing of which are neighbours. Replace the number m by a continuous z and the table
# by two functions, mean(z) and sd(z): that is a decoder, and p(x) is an integral. Here they are written down by hand, a
# spiral in the plane with z ~ N(0, 1); a VAE learns them. Where mean(z) is linear the integral can be done on paper,
# [eq. (6.9)](derivations/06_mixtures.md#eq-6-9); elsewhere, with one latent, by quadrature; with many latents by neither, which is
# what lesson 07 is for.


# %%
def spiral(u):
    """mean (K, 2) and variance (K, 2) along the spiral, u from 0 to 1."""
    mean = (0.4 + 1.2 * u)[:, None] * np.stack([np.cos(4 * np.pi * u), np.sin(4 * np.pi * u)], axis=1)
    return mean, np.repeat((0.05 + 0.08 * u)[:, None] ** 2, 2, axis=1)


normal = NormalDist()
z = np.linspace(-8, 8, 1601)
p_z = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])  # the trapezoid rule for the integral over z
integral = density(fine, p_z, *spiral(np.array([normal.cdf(v) for v in z])))
nodes, node_weights = np.polynomial.legendre.leggauss(400)
uniform = density(fine, node_weights / 2, *spiral((nodes + 1) / 2))
line = np.linspace(-4, 4, 81)[:, None]
on_paper = np.exp(-(line[:, 0] - 0.5) ** 2 / (2 * 1.25)) / np.sqrt(2 * np.pi * 1.25)  # eq. (6.9), w = 1, b = sd = 0.5
by_sum = density(line, p_z, z[:, None] + 0.5, np.full((len(z), 1), 0.25))
sums = {}
for K in (8, 16, 32, 64, 128, 512):
    sums[K] = density(fine, np.full(K, 1 / K), *spiral((np.arange(K) + 0.5) / K))  # z at the K quantiles of N(0, 1)
print("\nThe spiral: total variation between the integral over z and the sum over K values of z\n  "
      + ", ".join(f"{total_variation(integral, q, (4 / 112) ** 2):.4f} with {K}" for K, q in sums.items()))
print(f"Linear decoder: the quadrature differs from eq. (6.9) by at most {np.abs(on_paper - by_sum).max():.0e}")
print(f"Uniform z in place of normal (same curve): the density differs by at most {np.abs(integral - uniform).max():.0e}")
errors = [total_variation(integral, q, (4 / 112) ** 2) for q in sums.values()]
claim("§2", "with a continuous z the sum becomes an integral, and two functions of z take the place of the components",
      f"total variation between the sum over K values of z and the integral: {errors[0]:.3f} with 8, {errors[2]:.4f} with 32, "
      f"{errors[4]:.4f} with 128 (tol 0.001)", "holds", errors[-1] < 1e-3 and np.abs(on_paper - by_sum).max() < 1e-12)
claim("§2", "z need not be N(0, 1); other continuous distributions do as well",
      "the same density from uniform z, to 1e-8",
      "holds if the functions change with it: mean(z) and sd(z) have to undo the change of z",
      np.abs(integral - uniform).max() < 1e-8)

# %%
fig, axes = plt.subplots(2, 3, figsize=(10.5, 6.4), layout="constrained")
ax = axes[0, 0]
for (name, v), mark, colour in zip(tv.items(), "os^", mv.plot.COLOURS):
    ax.loglog(COUNTS, v, marker=mark, color=colour, label=name)
ax.loglog(list(boards), [v[0] for v in boards.values()], "D--", color=mv.plot.COLOURS[3], label="checkerboard")
ax.plot(512, best, "*", color="black", markersize=10, label="1,024 bars")
ax.set(xlabel="number of Gaussians", ylabel="total variation", title="error of the fitted mixture", ylim=(None, 30))
ax.legend(fontsize=7, ncols=2, loc="upper center")
ax = axes[0, 1]
near = (x_bars > 0.462) & (x_bars < 0.476)
ax.fill_between(x_bars[near], 2 * bars(x_bars[near]), step="mid", color="#cccccc", label="bars")
ax.plot(x_bars[near], q_bars[near], color=mv.plot.COLOURS[1], label="512 Gaussians")
ax.set(xlabel="x", ylabel="density", title="1,024 bars (detail)", ylim=(0, 3.2))
ax.legend(fontsize=8, loc="upper right")
ax = axes[0, 2]
mean, sd = table.mean(axis=1), table.std(axis=1)
for j, (name, style) in enumerate((("seen", "o-"), ("unseen", "s--"))):
    ax.errorbar((1, 16, 64, 256, 512), mean[:, j], sd[:, j], fmt=style, color=mv.plot.COLOURS[j], label=name)
ax.set(xscale="log", xlabel="number of Gaussians", ylabel="nats per digit", title="log-likelihood of digits")
ax.legend(fontsize=8)
maps = {"checkerboard, 512 Gaussians": boards[512][1], "spiral, sum over 16 values of z": sums[16],
        "spiral, integral over z": integral}
for ax, (title, q) in zip(axes[1], maps.items()):
    ax.imshow(np.sqrt(q).reshape(112, 112), origin="lower", extent=(-2, 2, -2, 2), cmap="magma")  # sqrt shows faint parts
    ax.set(title=title, xlabel="x1", ylabel="x2")
figure(fig, "06_mixtures")

# %% [markdown]
# ## Your turn
# 1. Halve the variance floor of the digits, then make it ten times larger. Predict which column moves, and for how many
#    Gaussians.
# 2. How many Gaussians would you need for 4,096 bars to get below a total variation of 0.2? Use the bound, then try it.
# 3. Give the checkerboard 32 components that start at the middles of its lit squares. Why is the error not much better
#    than from a random start, and what limits it?
# 4. Make mean(z) and sd(z) of your own for the ring 1.2 < r < 1.4. Which sum over K values of z is the first without beads?
#
# Exercises that answer back: [ex07_em_step](exercises/ex07_em_step.py).
show(args)
