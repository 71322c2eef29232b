# %%
"""Lesson 16, third part: a loss on the X-ray table.

Somebody hands you a loss. You may call it, and need not read it. You will find out which terms it
is made of, with which weights, and what they do to the pictures. Takes about 6 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import held_out, sheet, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from exhibits import PROGRAMS, loss_of

begin(__doc__)

# %% [markdown]
# ## The question
# Most faults of VAEs are faults of the loss, and the commonest is a sum in one place and a mean
# in another. The gradient of such a loss is right, and the training goes on. How can you find out
# what a loss is?
#
# **What you need:** the [second part](16_diagnoses.py); the loss of
# [eq. (10.3)](derivations/10_vae.md#eq-10-3), which *sums* the [nll](GLOSSARY.md#nll) over the
# pixels and the [kl](GLOSSARY.md#kl) over the latents, and takes the mean over the batch.
# [beta](GLOSSARY.md#beta) is the weight of the KL beside the nll: 1 in that loss.

# %%
mean_sum = predict("""784 pixels, 20 latents. Both terms are averaged over the batch. The nll is
                   averaged over the pixels, too, and the KL is summed over the latents. How many
                   times does the KL count, compared with the right loss?""",
                   a="1/784 times", b="20 times", c="784 times", d="once: only the scale changes")
mean_mean = predict("And if the KL is averaged over the latents as well?",
                    a="once: both are means", b="39.2 times", c="784 times")

# %% [markdown]
# ## Ask least squares
# A VAE's loss is a weighted sum of terms that are known: the cross-entropy, and the parts of
# [eq. (8.4)](derivations/08_gaussian_kl.md#eq-8-4),
#
# $$ \mathrm{kl} = \tfrac12 \textstyle\sum_j \mu_j^2 + \tfrac12 \sum_j e^{s_j}
#    - \tfrac12 \sum_j s_j - \tfrac12 Z, \qquad s = \mathrm{logvar}. $$
#
# So call the loss on random inputs, compute the terms for the same inputs, and ask which weights
# make the terms add up to the loss. If they do to the last digit, the weights *are* the loss.

# %%
B, D, Z = 8, 784, 20


def terms(x, logits, mu, s):
    """The terms, each summed over everything: (5,)."""
    return [np.sum(np.logaddexp(0, logits) - x * logits),                           # eq. (4.5)
            np.sum(mu**2) / 2, np.sum(np.exp(s)) / 2, -np.sum(s) / 2, -B * Z / 2]   # eq. (8.4)


def xray(loss):
    """B times the weight of each term in the loss, (5,), and how far their sum is off."""
    draws = [random_inputs(rng(i)) for i in range(12)]
    A = np.array([terms(*draw) for draw in draws])                                  # (12, 5)
    y = np.array([float(loss(*draw)) for draw in draws])                            # (12,)
    weights = np.linalg.lstsq(A, y, rcond=None)[0]                                  # (5,)
    return B * weights, np.abs(A @ weights / y - 1).max()


def random_inputs(rng):
    """x in {0, 1}, logits, mu, s. Of another size in every draw, or their sums would be alike."""
    x = (rng.random((B, D)) < 0.5).astype(float)
    return x, *(rng.uniform(0.3, 2) * rng.normal(size=(B, n)) for n in (D, Z, Z))


# %% [markdown]
# Three ways to write the two terms, as one meets them; `bce` and `kl` give each entry, (B, D) and
# (B, Z), and the function decides how they are summed.

# %%
def bce(x, logits):
    return np.logaddexp(0, logits) - x * logits


def kl(mu, s):
    return 0.5 * (mu**2 + np.exp(s) - s - 1)


LOSSES = {"sum, sum": lambda x, l, mu, s: (bce(x, l).sum(1) + kl(mu, s).sum(1)).mean(),
          "mean, mean": lambda x, l, mu, s: bce(x, l).mean() + kl(mu, s).mean(),
          "mean, sum": lambda x, l, mu, s: bce(x, l).mean() + kl(mu, s).sum(1).mean()}
found = {name: xray(loss) for name, loss in LOSSES.items()}
print(f"\nWeights that make up each loss, times B; {D} pixels, {Z} latents")
table(["pixels, latents", "nll", "mu^2 / 2", "e^s / 2", "-s / 2", "-1/2", "off by", "beta"],
      [[name, *(f"{w:.5f}" for w in weights), f"{off:.0e}", f"{weights[1] / weights[0]:.1f}"]
       for name, (weights, off) in found.items()])

# %%
betas = {name: weights[1] / weights[0] for name, (weights, _) in found.items()}
mean_sum.answer("c", """The nll has shrunk by 784 and the KL has not. Multiply the whole by 784,
    and it is nll + 784 kl, eq. (15.18).""")
mean_mean.answer("b", """784 / 20: the nll has shrunk by 784 and the KL by 20. Only if both are
    divided by the same number does nothing change but the scale.""")

# %% [markdown]
# ## The same, ready made
# `mv.check_loss` ([minivae/checks/losses.py](../minivae/checks/losses.py)) knows more terms,
# tries several sizes, and so tells 784 from D. It takes any function of x, x_hat, mu and s, yours
# too: with PyTorch, `mv.check_loss(lambda *a: my_loss(*map(torch.as_tensor, a)))`. Here are the
# losses of the museum; the programs that are wrong elsewhere have the loss of the healthy one.

# %%
named = 0
for name, says in {"healthy": "beta = 1:", "3 mean over pixels": "beta = D",
                   "4 sign of the KL": "wrong sign", "5 lost 1/2 in the KL": "1/2 is missing",
                   "8 log(sigmoid)": "unstable"}.items():
    report = mv.check_loss(loss_of(PROGRAMS[name]), rng=rng(0))
    print(f"\n{name}: {str(report).splitlines()[0]}")
    print(str(report)[str(report).index("  =>"):].split("\n\n")[0])     # the remarks alone
    named += says in report.diagnosis and (name == "healthy" or not report or says == "unstable")

# %%
claim("-", "if both terms are averaged, over pixels and over latents, only the scale changes",
      f"784 pixels, 20 latents: beta {betas['mean, mean']:.1f}; with the KL summed "
      f"{betas['mean, sum']:.0f}",
      "does not hold: the KL counts D/Z times, for the two are divided by different numbers",
      abs(betas["mean, sum"] - 784) < 0.5 and abs(betas["mean, mean"] - 39.2) < 0.05)
claim("-", "one has to read a loss to know what is wrong with it",
      f"{named} of 5 losses named, the healthy one among them, by calling them", "does not hold: "
      "a loss that is a sum of known terms can be told by its values", named == 5)

# %% [markdown]
# ## What it does to the pictures
# On our digits there are 64 pixels; with 16 latents 'mean, mean' is beta = 4, and 'mean, sum' is
# beta = 64. Both are trained here, and the same digits rebuilt.

# %%
x, y = mv.data.digits()                                                             # (1797, 64)
x_train, _, x_test, _ = held_out(x, y, 297)
rows, labels = [x_test[:10]], ["digits"]
print("\nTrained with that beta, 16 latents:")
for name, beta in (("sum, sum", 1), ("mean, mean", 4), ("mean, sum", 64)):
    model = trained(mv.VAE, x_train, 0, epochs=60, beta=beta, hidden_dims=(64,), latent_dim=16)
    units = mv.evaluate.active_units(model, x_test).sum()                           # eq. (15.7)
    print(f"  {name:10}  beta {beta:2}: {units} latents say anything about the picture")
    rows, labels = [*rows, model.reconstruct(x_test[:10])], [*labels, f"{name}: beta = {beta}"]
fig, ax = plt.subplots(figsize=(9, 3.3), layout="constrained")
sheet(ax, rows, labels)
ax.tick_params(labelsize=14)
ax.set_title("Ten digits, rebuilt: who averages over pixels forgets the picture", fontsize=14)
figure(fig, "16_xray")
end()

# %% [markdown]
# ## Your turn
# 1. Add up over the batch, too: the first loss ends in `.sum()` in place of `.mean()`. Which
#    numbers of its row change?
# 2. Take s for log std in one place of the KL: `np.exp(2 * s)`. What does the column 'off by'
#    say, and what are the weights worth then?
# 3. Weigh the KL of 'mean, mean' by 1/4, as one does who tunes beta by hand: `("mean, mean", 4)`
#    becomes `("mean, mean", 0.25 * 4)`. Which row of the figure should it resemble?
#
# Exercises that answer back: [ex09_kl_rule](exercises/ex09_kl_rule.py),
# [ex13_repair](exercises/ex13_repair.py).
#
# ## What you should see
# 1. All five weights are 8, the batch, and beta is still 1: a factor in front of the whole loss
#    moves no minimum. (The learning rate then is another, unless Adam divides it out.)
# 2. The sum is off by 200 % in the best case, and the weights are nonsense, such as 506 for the
#    constant: no weights make those terms into that loss. 'Off by' tells whether the X-ray may be
#    believed. `mv.check_loss` knows e^(2 s), too, and would name the slip.
# 3. The first: 11 latents are in use again. 0.25 * 4 is the loss of 'sum, sum' divided by 64, and
#    Adam hardly notices a factor.
