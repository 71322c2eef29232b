# %%
"""Lesson 08: the KL term, integral by integral.

A VAE pays for its codes by a short formula of mu and logvar. You will take it apart, check every
part of it, and see whether such a price can be negative. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, log_normal, predict, rng, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The encoder gives each picture its own Gaussian q = N(mu, std²), and the prior is p = N(0, 1).
# The loss charges how far the two are apart, the *KL divergence*: the mean of log q(z)/p(z) over
# z drawn from q ([glossary](GLOSSARY.md#kl)). For one latent that is
# [eq. (8.3)](derivations/08_gaussian_kl.md#eq-8-3):
#
# $$ \mathrm{KL}(q \,\Vert\, p)
#    = \frac{1}{2} \left( \mu^2 + \mathrm{std}^2 - \log \mathrm{std}^2 - 1 \right) $$
#
# Where does this come from, and what does it charge for?
#
# **What you need:** the density of a [Gaussian](GLOSSARY.md#gaussian), its mean and variance, and
# that the mean of g(z) under q is the integral of q(z) g(z).

# %%
wide = predict("With mu = 0, which costs more: noise of half the prior's std, or of twice its std?",
               a="half", b="twice", c="both the same")
sign = predict("The KL is a mean of log q(z)/p(z). What can be negative?",
               a="the value of a single draw, but not the mean", b="neither", c="both")

# %% [markdown]
# ## Three integrals
# The logarithm of the two densities' ratio has three terms,
# [eq. (8.1)](derivations/08_gaussian_kl.md#eq-8-1), and each has a mean that one can write down,
# [eq. (8.2)](derivations/08_gaussian_kl.md#eq-8-2):
#
# $$ 2 \log\frac{q}{p} = -\log \mathrm{std}^2 + z^2 - \frac{(z-\mu)^2}{\mathrm{std}^2},
#    \qquad \text{means} \quad -\log \mathrm{std}^2, \quad \mu^2 + \mathrm{std}^2, \quad -1 $$
#
# In code it is `gaussian_kl` in [minivae/vae_ops.py](../minivae/vae_ops.py), which takes
# logvar = log std². We compare both with sums over 4,001 points.

# %%
def three_means(mu, std):
    """The means of the three terms, by summing q(z) times each over 14 std to both sides."""
    z, dz = np.linspace(mu - 14 * std, mu + 14 * std, 4001, retstep=True)
    q = np.exp(log_normal(z, mu, std)) * dz                            # (4001,), adds up to 1
    return [np.sum(q * term) for term in (-np.log(std**2), z**2, -(((z - mu) / std) ** 2))]


rows = []
for mu, std in ((1.5, 0.6), (0.0, 0.5), (0.0, 1.0), (0.0, 2.0)):
    by_rule = mv.gaussian_kl(np.array([mu]), np.log([std**2]))         # ()        eq. (8.4)
    rows.append([f"mu = {mu}, std = {std}", *three_means(mu, std), by_rule])
print("\nThe three means by sums, and the KL by the formula, which is half of their sum:")
table(["", "-log std^2", "mu^2 + std^2", "-1", "KL"],
      [[name, *(f"{a:.4f}" for a in numbers)] for name, *numbers in rows])

# %%
mus, logvars = rng(0).normal(0, 2, 200), rng(0, 1).uniform(-6, 3, 200)
means = np.array([three_means(m, np.exp(v / 2)) for m, v in zip(mus, logvars)])      # (200, 3)
closed = np.stack([-logvars, mus**2 + np.exp(logvars), -np.ones(200)], axis=1)       # eq. (8.2)
kl = mv.gaussian_kl(mus[:, None], logvars[:, None])                                  # (200,)
off = max(np.abs(means - closed).max(), np.abs(means.sum(axis=1) / 2 - kl).max())
print(f"\n200 random mu and logvar: the largest residual is {off:.0e}")
wide.answer("b", """Twice costs 0.81 nats, half 0.32. z² in the second term grows with the square
    of the std, while -log std² grows slowly where the std falls.""")
claim("§5.2", "the KL is half the sum of three integrals: -log s^2, mu^2 + s^2, -1",
      f"largest residual {off:.0e} ± 1e-12 against quadrature in 200 cases", "holds", off < 1e-12)

# %% [markdown]
# ## Can it be negative?
# Now the same KL from draws of q, with mu = 0.3 and std = 0.7.

# %%
exact = mv.gaussian_kl(np.array([0.3]), np.log([0.49]))
draws = [0.3 + 0.7 * rng(k, 2).standard_normal(100_000) for k in range(5)]
ratios = [log_normal(z, 0.3, 0.7) - log_normal(z, 0, 1) for z in draws]
negative = np.mean([np.mean(ratio < 0) for ratio in ratios])
print(f"\nKL {exact:.4f} nats; mean of log q/p over 100,000 draws, five seeds: "
      f"{spread([ratio.mean() for ratio in ratios], '.4f')}\n"
      f"single draws that are negative: {negative:.1%}")

# %% [markdown]
# Where q is smaller than p the logarithm is negative, but there q has few draws. That the mean
# cannot be negative takes one line: log t <= t - 1 for every t > 0, because the curve lies below
# its tangent at t = 1. Put t = p/q, and add q (t - 1) = p - q, whose integral is 1 - 1 = 0,
# [eq. (7.3)](derivations/07_elbo.md#eq-7-3):
#
# $$ \mathrm{KL}(q \,\Vert\, p) = \int q\, (t - 1 - \log t)\, dz, \qquad t - 1 - \log t \ge 0 $$

# %%
q, p = rng(0, 3).dirichlet(np.ones(6), (2, 100_000))                   # (100000, 6) each
summands = q * (p / q - 1 - np.log(p / q))                             # (100000, 6)   eq. (7.3)
below = np.sum(summands < -1e-15)                                      # beyond rounding
same = np.abs(summands.sum(axis=1) - np.sum(q * np.log(q / p), axis=1)).max()
print(f"\n100,000 pairs of distributions over six outcomes: {below} of 600,000 summands are\n"
      f"negative, and their sum is the KL to {same:.0e}")
sign.answer("a", """A mean may have negative members. Written with t - 1 added, which changes no
    mean, not even a member is negative.""")
claim("§6.2", "that KL is never negative takes the calculus of variations to prove",
      f"{below} of 600,000 summands of eq. (7.3) below 0; of single draws of log q/p a share of "
      f"{negative:.3f} ± 0.003",
      "does not hold: never negative is right, but log t <= t - 1 is proof enough",
      below == 0 and same < 1e-12 and negative > 0.2)

# %%
z = np.linspace(-3.2, 3.2, 641)
q, p = np.exp(log_normal(z, 0.3, 0.7)), np.exp(log_normal(z, 0, 1))
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
blue, orange = mv.plot.COLOURS[:2]
with_signs = q * np.log(q / p)
left.fill_between(z, with_signs, 0, where=with_signs > 0, color=blue, label="above 0")
left.fill_between(z, with_signs, 0, where=with_signs < 0, color=orange, label="below 0")
right.fill_between(z, p - q - q * np.log(p / q), 0, color=blue)
left.set_title("q log(q/p)", fontsize=14)
right.set_title("q (t - 1 - log t), where t = p/q", fontsize=14)
for ax in (left, right):
    ax.set_xlabel("z", fontsize=13)
left.set_ylabel("nats per unit of z", fontsize=13)
left.legend(fontsize=12)
fig.suptitle(f"The same area, {exact:.2f} nats: with signs, and without", fontsize=14)
figure(fig, "08_gaussian_kl")
end()

# %% [markdown]
# ## Your turn
# 1. Turn the KL around: draw from the prior and average log p/q. Write `draws = [rng(k,
#    2).standard_normal(100_000) for k in range(5)]` and swap the two terms in `ratios`. Is it the
#    same number?
# 2. The formula has exp(logvar) - 1 - logvar in it. Try it with 7 digits, near the prior: below
#    the line `off = ...` add `v = np.float32(-1e-4)` and `print("rounding:", np.exp(v) - 1 - v,
#    np.expm1(v) - v)`. Exact is 5.0e-9.
#
# Exercises that answer back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. No: 0.255 in place of 0.147, though more than half of the draws are negative now. It is the
#    price of believing in the narrow q where the wide p is true, and p has draws far out, where q
#    has next to nothing; each of them counts much.
# 2. -1.7e-8, and the KL of this latent would be negative: exp(v) - 1 is a difference of nearly
#    equal numbers and has lost its digits. `np.expm1` has kept them, and so does `gaussian_kl`,
#    [eq. (8.9)](derivations/08_gaussian_kl.md#eq-8-9).
