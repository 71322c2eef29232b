# %%
"""Lesson 15, second part: a bound that can be tightened.

You draw not one z but a thousand, take the logarithm after the average, and see how near the bound
comes to log p(x), which a grid tells. Takes about 12 s.
"""
from workbench import begin, claim, end, figure, held_out, predict, rng, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from minivae.evaluate import log_likelihood

begin(__doc__)

# %% [markdown]
# ## The question
# Draw K codes from q and average their weights w = p(x, z) / q(z) *before* the logarithm:
# [eq. (15.2)](derivations/15_likelihood.md#eq-15-2),
#
# $$ L_K = E\, \log \frac1K \sum_{k=1}^K w_k $$
#
# L_1 is the [ELBO](GLOSSARY.md#elbo), and each further draw raises the bound. It is
# `mv.evaluate.log_likelihood` ([minivae/evaluate.py](../minivae/evaluate.py)), which papers report
# as 'log p(x)'. How fast does it come up to the real one?
#
# **What you need:** [the answers log r](07_elbo.py), and the first part, [nats that can be
# checked](15_exact.py). With two latents log p(x) is a sum over a grid of z, for any decoder.

# %%
faster = predict("""Take a trained VAE, and change its q: halve its std, or widen it to a std of
                 0.8. From 10 draws to 1,000 the gap to log p(x) shrinks. For which of the two by a
                 factor of about 100?""",
                 a="for both", b="for the narrow one only", c="for the wide one only")
winner = predict("Which of the two has the smaller gap, with 1 draw and with 1,000?",
                 a="the narrow one, both times", b="the wide one, both times",
                 c="the narrow one with 1 draw, the wide one with 1,000",
                 d="the wide one with 1 draw, the narrow one with 1,000")

# %% [markdown]
# ## When the gap falls as 1/K
# The average of K weights is noisy, and the logarithm of a noisy number is too low by half of its
# relative variance: [eq. (15.5)](derivations/15_likelihood.md#eq-15-5),
#
# $$ \log p(x) - L_K \approx \frac{\mathrm{Var}(w)}{2 K\, p(x)^2} $$
#
# That needs a finite variance. Far out p(x, z) falls like the prior, as exp(-z²/2), and w² q like
# exp(-z² + z²/2v), where v is the variance of q. So the variance is finite for sure if v is above
# 1/2, and a std of 0.8 is enough.

# %%
class Reshaped(mv.VAE):
    """A VAE whose q has its std multiplied by a factor, and made at least so large."""

    factor, least = 1.0, 1e-9

    def encode(self, x):
        mu, logvar = super().encode(x)
        return mu, np.maximum(logvar + 2 * np.log(self.factor), 2 * np.log(self.least))


SHAPES = {"std halved": (0.5, 1e-9), "as trained": (1.0, 1e-9), "std of 0.8": (1.0, 0.8)}
KS = np.array([1, 10, 100, 1000])
side = np.arange(-7, 7.05, 0.1)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)           # (19881, 2)


def on_grid(model, x):
    """log p(x) (n,), and the mean over x of Var(w) / p(x)^2."""
    with mv.no_grad():
        mu, logvar = (t.data[:, None] for t in model.encode(x))            # (n, 1, 2)
        logits = model.decode(grid).data                                   # (19881, 64)
    log_lik = x @ logits.T - np.logaddexp(0, logits).sum(axis=1)           # (n, 19881)
    log_joint = log_lik - 0.5 * (grid**2 + np.log(2 * np.pi)).sum(axis=1)
    log_p = np.logaddexp.reduce(log_joint, axis=1) + np.log(0.01)
    log_q = -0.5 * (logvar + np.log(2 * np.pi) + (grid - mu) ** 2 / np.exp(logvar)).sum(axis=2)
    with np.errstate(over="ignore"):
        square = np.exp(2 * (log_joint - log_p[:, None]) - log_q).sum(axis=1) * 0.01
    return log_p, square.mean() - 1


def gap(model, x, log_p, K, wide):
    """Mean of log p(x) - L_K. With v = exp(L_K) / p(x), whose mean is 1, it is also the mean of
    v - 1 - log v, which is less noisy, if v has a finite variance."""
    log_v = np.concatenate([log_likelihood(model, x, K, rng(K, i)).per_example - log_p
                            for i in range(max(4, 600 // K))])
    return np.mean((np.exp(log_v) - 1 if wide else 0) - log_v)

# %%
x = mv.data.binarize(mv.data.digits()[0], rng(0, 3)).astype(np.float64)    # (1797, 64), 0 or 1
x_train, _, x_test, _ = held_out(x, x, 80)
gaps, variances = {name: [] for name in SHAPES}, []
for k in range(3):
    model = trained(Reshaped, x_train, k, epochs=40, batch_size=64, lr=5e-3, hidden_dims=(64,),
                    latent_dim=2, activation="tanh", dtype=np.float64)
    for name, (model.factor, model.least) in SHAPES.items():
        log_p, variance = on_grid(model, x_test)
        gaps[name].append([gap(model, x_test, log_p, K, model.least > 0.7) for K in KS])
    variances.append(variance)                                 # of the last, the wide one
mean = {name: np.mean(rows, axis=0) for name, rows in gaps.items()}        # (4,) each
theory = np.mean(variances) / (2 * KS)                         # eq. (15.5)
mean["as trained"][3] = np.nan                                # lost in its noise, 0.003
print(f"\nNats below log p(x), which is {log_p.mean():.2f} on average; three models, 80 digits")
table(["q", *(f"K = {K}" for K in KS), "from 10 to 1000"],
      [[name, *(f"{g:.4f}".replace("nan", "in the noise") for g in row),
        f"by {row[1] / row[3]:.1f}".replace("by nan", "")] for name, row in mean.items()])
print("Var(w) / (2 K p²), std of 0.8: " + ", ".join(f"{t:.4f}" for t in theory[2:])
      + " for the last two K")

# %%
faster.answer("c", """Where q is too narrow it sees what it misses by rare draws only, of enormous
    weight. Most of the time they do not come, so the bound creeps.""")
winner.answer("c", """With one draw too much width costs more than too little, and that is how q was
    trained, with one draw. With a thousand the draws that miss cost nothing, as long as some
    hit; and the wide q has draws everywhere.""")

# %%
fig, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
for (name, row), colour, marker in zip(mean.items(), mv.plot.COLOURS[1::-1] + mv.plot.COLOURS[2:3],
                                       "vos"):
    ax.loglog(KS, row, marker + "-", color=colour, linewidth=2.5, markersize=9, label=name)
ax.loglog(KS[1:], theory[1:], "--", color="0.4", linewidth=2, label="Var(w) / (2 K p²)")
ax.set_xlabel("draws K", fontsize=14)
ax.set_ylabel("log p(x) - L_K, nats", fontsize=14)
ax.tick_params(labelsize=12)
ax.legend(fontsize=14)
ax.set_title("Too wide costs more at first, and nothing in the end", fontsize=16)
figure(fig, "15_bound")
wide, narrow = mean["std of 0.8"], mean["std halved"]
claim("-", "the importance-weighted bound approaches log p(x) as 1/K",
      f"from K = 10 to 1000 the gap falls by a factor of {wide[1] / wide[3]:.0f} ± 30 % for a q "
      f"with a std of 0.8, {narrow[1] / narrow[3]:.1f} ± 2 if the trained std is halved; at K = "
      f"1000 the wide gap is {wide[3] / theory[3]:.2f} ± 0.12 of Var(w) / (2 K p²)",
      "holds if the weights have a finite variance: q's tails must be wide enough",
      abs(wide[3] / theory[3] - 1) < 0.2 and narrow[1] / narrow[3] < 10
      and wide[1] / wide[3] > 30)
end()

# %% [markdown]
# ## Your turn
# 1. Try a std of 1.5, `(1.0, 1.5)`. What becomes of the gap at K = 1, and at K = 1000?
# 2. Train for longer, `epochs=200`. What becomes of the gap of the trained q?
#
# Exercises that answer back: [ex11_importance_bound](exercises/ex11_importance_bound.py).
#
# ## What you should see
# 1. Much worse with one draw, 5.8 nats; with 1,000 it is 0.003, and by the formula it goes on
#    falling as 1/K. Width costs draws, and never more.
# 2. It grows, from 0.22 to 0.93 with one draw, though log p(x) rises by a nat. So the
#    trained q fits its decoder worse than before; why is not shown here.
