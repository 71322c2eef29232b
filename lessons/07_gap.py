# %%
"""Lesson 07, second part: the gap of a Gaussian.

A picture that two quite different codes explain is explained by one Gaussian q(z). You measure how
many nats that costs. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, log_normal, predict, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# L_b is log p(x) less KL(q, [posterior](GLOSSARY.md#posterior)). So the best q is the posterior,
# and then nothing is missing. But a VAE may not choose any q: its encoder gives a mean and a
# variance, and q is the [Gaussian](GLOSSARY.md#gaussian) that has them. Does the essay's step hold,
# that adjusting q always brings L_b up to log p(x)?
#
# **What you need:** [what the ELBO is](07_elbo.py), log r(z) = log p(x, z) - log q(z), and its
# average over q.

# %%
cost = predict("""A pixel is x = z^2 + noise of std 0.3, z comes from N(0, 1), and x = 2 is seen. So
               z is near 1.4 or near -1.4. How many nats does the best Gaussian q stay below
               log p(x)?""",
               a="none, if its variance is large enough", b="about 0.7",
               c="it is hopeless: more than 5")
noise = predict("""The noise is made smaller, 0.1, so that the two hills get narrower and further
                apart, measured by their width. What becomes of the gap?""",
                a="it grows without limit", b="it shrinks to 0", c="it stays at about 0.7")

# %% [markdown]
# ## Two hills, one q
# The posterior has two hills of equal area. A Gaussian can cover both only if it also covers the
# valley between them, where p(x, z) is nearly 0 and log r(z) is terribly low. Or it takes one hill
# and leaves the other. Which is better, and what is lost, is worked out in
# [eq. (7.10)](derivations/07_elbo.md#eq-7-10); here every family of q is tried, and its best kept.

# %%
z = np.linspace(-6, 6, 6001)                                   # steps of 0.002
DZ = 0.002


def one_hill(mean, std):
    return log_normal(z, mean, std)                            # log q(z), (6001,)


def two_hills(mean, std):
    return np.logaddexp(one_hill(mean, std), one_hill(-mean, std)) - np.log(2)


def l_b(log_q, log_joint):
    return np.sum(np.exp(log_q) * (log_joint - log_q)) * DZ    # eq. (7.4)


def best(family, log_joint):
    """The log q of this family with the largest L_b, from a grid that is refined three times."""
    mean, std, reach = 0.8, 0.6, 0.6
    for _ in range(4):
        tries = [(m, s) for m in np.linspace(max(mean - reach, 0), mean + reach, 13)
                 for s in np.linspace(max(std - reach, 0.02), std + reach, 13)]
        mean, std = max(tries, key=lambda p: l_b(family(*p), log_joint))
        reach /= 5
    return family(mean, std)

# %%
rows, kept = [], {}
for s in (0.5, 0.3, 0.2, 0.1):
    log_joint = log_normal(z, 0, 1) + log_normal(2.0, z**2, s)
    log_px = np.logaddexp.reduce(log_joint) + np.log(DZ)
    qs = {"one Gaussian": best(one_hill, log_joint), "two bumps": best(two_hills, log_joint),
          "posterior": log_joint - log_px}
    gaps = {name: log_px - l_b(log_q, log_joint) for name, log_q in qs.items()}
    over_both = log_px - l_b(one_hill(0.0, 1.4), log_joint)
    rows.append([s, f"{log_px:.3f}", f"{over_both:.1f}",
                 *(f"{abs(value):.4f}" for value in gaps.values())])
    kept[s] = gaps, qs, log_joint, log_px
print("\nNats missing to log p(x), by what q may be (log 2 = 0.6931):")
table(["noise", "log p(x)", "over both hills", "best Gaussian", "best two bumps", "posterior"],
      rows)

# %%
cost.answer("b", """About log 2. The best Gaussian takes one hill, which has half of the area: it is
    as if it saw half of p(x), and log of a half is -0.69. Wide over both hills it loses far
    more.""")
noise.answer("c", """However narrow the hills, half of the area is on the other side, and the
    Gaussian that takes one of them leaves log 2. With wide hills it is a little more, for they
    are not quite Gaussians.""")

# %%
fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
gaps, qs, log_joint, log_px = kept[0.3]
ax.fill_between(z, np.exp(log_joint - log_px), color="0.8", label="posterior: two hills")
ax.plot(z, np.exp(qs["one Gaussian"]), color=mv.plot.COLOURS[0], linewidth=2.5,
        label=f"best Gaussian: {gaps['one Gaussian']:.2f} nats missing")
ax.plot(z, np.exp(one_hill(0.0, 1.4)), "--", color=mv.plot.COLOURS[1], linewidth=2.5,
        label=f"over both hills: {log_px - l_b(one_hill(0.0, 1.4), log_joint):.1f} nats missing")
ax.set_xlim(-3, 3)
ax.set_xlabel("z", fontsize=14)
ax.set_ylabel("density", fontsize=14)
ax.tick_params(labelsize=12)
ax.set_ylim(0, 6.4)
ax.legend(fontsize=14, loc="upper left")
ax.set_title("One Gaussian takes one hill, and misses log 2", fontsize=16)
figure(fig, "07_gap")
gaps, narrow = kept[0.3][0], kept[0.1][0]["one Gaussian"]
claim("§2", "adjusting q always brings L_b up to log p(x)",
      f"gap left with any density {abs(gaps['posterior']):.4f}, with two bumps "
      f"{gaps['two bumps']:.4f} ± 0.001, with one Gaussian {gaps['one Gaussian']:.4f} ± 0.001 nats",
      "holds if q may be any density: a family such as the Gaussians leaves a gap",
      abs(gaps["posterior"]) < 1e-9 and gaps["two bumps"] < 0.01
      and abs(narrow - np.log(2)) < 0.001)
end()

# %% [markdown]
# ## Your turn
# 1. Let x = 0 be seen: `log_normal(0.0, z**2, s)`. How many hills are there, and is the gap 0?
# 2. Let a hill be three times as heavy as the other: multiply p(x, z) by 3 where z > 0, so
#    `+ np.log(3) * (z > 0)` at the end of `log_joint`. Predict what the best Gaussian misses.
#
# ## What you should see
# 1. One, round z = 0, and flatter than a Gaussian, so the gap is small but not 0: 0.05 nats with
#    noise 0.3. Two bumps make it ten times smaller.
# 2. log(4/3) = 0.288, seen at noise 0.1: it takes the heavier hill, which has three quarters of the
#    area. Two bumps of equal weight now miss something, too, 0.144.
