# %%
"""Lesson 07: what the ELBO is.

You explain one smudged picture by three possible digits, with numbers that you can check by hand,
and then with a decoder. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, log_normal, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A model is good if it gives the pictures x that we have a high probability p(x). Training a VAE
# raises another number instead, L_b, which is called the [ELBO](GLOSSARY.md#elbo). What is it, and
# how is it related to p(x)?
#
# **What you need:** Bayes' rule, and that a model draws a [latent](GLOSSARY.md#latent) z from the
# [prior](GLOSSARY.md#prior) p(z) and then x from p(x | z): a [mixture](06_mixtures.py).
#
# ## One picture, three explanations
# x is one smudged picture. It may be a 1, a 7 or a 9, and z says which. The model knows how often
# each digit is written, p(z), and how probable this smudge is for each, p(x | z). Their product
# p(x, z) says how far each z explains x, and p(x) is the sum of the three, 0.036.

# %%
digits = ["1", "7", "9"]
p_z = np.array([0.5, 0.3, 0.2])
p_x_given_z = np.array([0.02, 0.08, 0.01])
joint = p_z * p_x_given_z                                      # p(x, z), (3,)
p_x = joint.sum()
posterior = joint / p_x                                        # p(z | x), by Bayes' rule
print("\nHow well does each digit explain the picture?")
table(["z", "p(z)", "p(x | z)", "p(x, z)", "p(z | x)"],
      [[d, a, b, f"{c:.3f}", f"{e:.2f}"]
       for d, a, b, c, e in zip(digits, p_z, p_x_given_z, joint, posterior)])
print(f"Sum of p(x, z): p(x) = {p_x:.3f}, and log p(x) = {np.log(p_x):.3f} nats.")

# %% [markdown]
# Three terms are quickly added. With many latents there are far too many z, and the sum cannot be
# had. What can be had is p(x, z) at a single z. So take any distribution q(z) to draw z from, and
# ask each z what the sum is. Its answer is the ratio r(z) = p(x, z) / q(z): what is found there,
# over how often one looks there. The ELBO is the average of log r over draws from q,
# [eq. (7.4)](derivations/07_elbo.md#eq-7-4):
#
# $$ L_b = \sum_z q(z) \log r(z), \qquad r(z) = \frac{p(x, z)}{q(z)} $$

# %%
same = predict("""Let q be the posterior p(z | x), the last column of the table. What do the three z
               answer?""",
               a="the same, log p(x), all three", b="the most probable digit answers most",
               c="0, all three")
above = predict("""Let q be something else, of your choice. Can the average of log r be above
                log p(x)?""",
                a="yes, if q prefers the z with the largest p(x, z)", b="no, never",
                c="it is above for about half of all q")

# %%
def elbo(q):
    return np.sum(q * np.log(joint / q))                       # eq. (7.4)


def gap(q):
    return np.sum(q * np.log(q / posterior))                   # KL(q, posterior)


guesses = {"q = the prior": p_z, "q prefers 7": np.array([0.1, 0.85, 0.05]),
           "q = the posterior": posterior}
print(f"\nWhat each z answers, log r(z); log p(x) is {np.log(p_x):.3f}")
table(["q", *digits, "average L_b", "KL(q, posterior)", "sum of both"],
      [[name, *(f"{v:.3f}" for v in np.log(joint / q)), f"{elbo(q):.3f}", f"{gap(q):.3f}",
        f"{elbo(q) + gap(q):.3f}"] for name, q in guesses.items()])
many = rng(0).dirichlet(np.ones(3), 10_000)                    # 10,000 random q, (10000, 3)
best = max(elbo(q) for q in many)
print(f"The largest L_b of 10,000 random q: {best:.4f}")

# %%
same.answer("a", """p(x, z) / p(z | x) is p(x), whatever z is. If q has the shape of the posterior,
    a single z tells all.""")
above.answer("b", """Where q is too large r is too small, and there q looks often. An average of
    logarithms is below the logarithm of the average, and the average of r itself is p(x). What is
    missing is KL(q, posterior), which is never negative: the last column is log p(x) for each
    q.""")

# %%
fig, axes = plt.subplots(1, 3, figsize=(10, 4), layout="constrained", sharey=True)
for ax, (name, q) in zip(axes, guesses.items()):
    left = np.cumsum(q) - q
    ax.bar(left, np.log(joint / q) + 6, q, -6, align="edge", edgecolor="white", linewidth=2,
           color=mv.plot.COLOURS[0], alpha=0.55)
    for digit, start, width in zip(digits, left, q):
        ax.text(start + width / 2, -5.85, digit, ha="center", fontsize=14)
    ax.axhline(np.log(p_x), color="black", linewidth=2)
    ax.axhline(elbo(q), color=mv.plot.COLOURS[1], linewidth=3, linestyle="--")
    ax.set_title(name, fontsize=16)
    ax.set_xlabel("z, as wide as q(z)", fontsize=14)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.tick_params(labelsize=12)
axes[0].set_ylabel("its answer log r(z), nats", fontsize=14)
axes[0].text(0.98, np.log(p_x) + 0.05, "log p(x)", fontsize=14, ha="right")
axes[0].text(0.98, elbo(p_z) - 0.24, "average: L_b", fontsize=14, ha="right",
             color=mv.plot.COLOURS[1])
axes[0].set_ylim(-6, -2)
figure(fig, "07_elbo")

# %% [markdown]
# ## The form that a VAE computes
# Split the logarithm: log r = log p(x | z) + log p(z) - log q(z). Then the average is
# [eq. (7.7)](derivations/07_elbo.md#eq-7-7):
#
# $$ L_b = E_q \log p(x \mid z) - \mathrm{KL}(q, p(z)) $$
#
# how well the z drawn from q explain x, less what it costs q to differ from the prior. Minus the
# first term is `bernoulli_nll` or `gaussian_nll`, the second is `gaussian_kl`
# ([minivae/vae_ops.py](../minivae/vae_ops.py)). Below, z is one continuous latent, the decoder a
# random network to two pixels, q a random Gaussian; sums over z are sums over a fine grid. All
# three parts of log p(x) = L_b + KL(q, posterior), [eq. (7.5)](derivations/07_elbo.md#eq-7-5), are
# computed, each by a way of its own.

# %%
z = np.linspace(-20, 20, 8001)                                 # steps of 0.005


worst = 0.0
for k in range(100):
    decoded = mv.MLP((1, 8, 2), "tanh", np.float64, rng(k))(z[:, None]).data        # (8001, 2)
    mu, std = rng(k, 1).normal(), rng(k, 1).uniform(0.2, 1.5)
    x = decoded[4000] + 0.3 * rng(k, 2).normal(size=2)         # near what z = 0 draws, (2,)
    log_lik = log_normal(x, decoded, 0.3).sum(axis=1)          # log p(x | z), (8001,)
    log_q = log_normal(z, mu, std)
    log_joint = log_lik + log_normal(z, 0, 1)
    log_px = np.logaddexp.reduce(log_joint) + np.log(0.005)
    q = np.exp(log_q) * 0.005
    l_b = np.sum(q * log_lik) - mv.gaussian_kl(np.array([mu]), 2 * np.log([std]))   # eq. (7.7)
    worst = max(worst, abs(log_px - l_b - np.sum(q * (log_q - (log_joint - log_px)))))
print(f"\n100 decoders, pictures and q: log p(x) and L_b + KL differ by at most {worst:.0e} nats.")
claim("§2", "log p(x) = L_b + KL(q, posterior), whatever q is",
      f"largest residual {worst:.0e} ± 1e-10 nats in 100 cases", "holds",
      worst < 1e-10 and best < np.log(p_x))
end()

# %% [markdown]
# ## Your turn
# 1. On paper: q = (0, 1, 0), all on the 7. What are L_b and the gap? (0 log 0 counts as 0.)
# 2. Make the smudge hopeless: `p_x_given_z = np.array([0.02, 0.02, 0.02])`. Predict the posterior
#    and the gap of the prior, then run.
#
# An exercise that answers back: [ex15_elbo](exercises/ex15_elbo.py).
#
# ## What you should see
# 1. L_b = log 0.024 = -3.730. The gap is log(1 / 0.667) = 0.405, and the sum is -3.324 again.
# 2. A picture that all z explain equally well says nothing about z. So the posterior is the prior,
#    and the prior has no gap: 0.000.
