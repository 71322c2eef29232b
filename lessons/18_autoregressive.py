# %%
"""Lesson 18, third part: pixel by pixel.

An autoregressive model predicts each pixel from those before it, and has nothing hidden at all. You
will put 64 regressions into one matrix. Takes about 5 s.
"""
from workbench import begin, claim, end, figure, predict, rivals, rng, sheet, spread, table

import itertools

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay's list of families has a gap. Any probability is a product of conditional ones,
#
# $$ p(x) = p(x_1)\, p(x_2 \mid x_1)\, p(x_3 \mid x_1, x_2) \cdots $$
#
# so one may predict each pixel from those before it, and needs no hidden state, no EM, no integral.
# That is how language models work. How far does the simplest of these come, a logistic regression
# for each pixel? And is it free to choose the order?
#
# **What you need:** [logits](GLOSSARY.md#logits), and [the first part](18_mixtures.py).

# %%
order = predict("""The model goes from the top left to the bottom right, as one reads. You let it go
                the other way round, from the bottom right. Unseen digits get""",
                a="less probability, by 2 nats or more", b="about the same",
                c="more probability, by 2 nats or more")
cheat = predict("""A colleague's model predicts each pixel from all 63 others, before and after, and
                reports much better nats. What is wrong?""",
                a="nothing: more is known, so more is predicted",
                b="these are no probabilities: over all pictures they do not add up to 1",
                c="it overfits, and unseen digits will show it")

# %% [markdown]
# ## One matrix and a mask
# The logit of pixel d is linear in the pixels before it,
# [eq. (18.12)](derivations/18_one_ruler.md#eq-18-12):
#
# $$ p(x) = \prod_d \frac{e^{x_d l_d}}{1 + e^{l_d}}, \qquad l_d = b_d + \sum_i x_i W_{id} $$
#
# where the mask makes W zero unless i < d. The cost is `mv.bernoulli_nll`
# ([minivae/vae_ops.py](../minivae/vae_ops.py)), which a VAE's decoder pays, too: all 64 regressions
# are trained at once.

# %%
x, y, x_test, y_test = rivals.binary_digits(0)           # (1437, 64), 0 or 1; 360 are held out


def trained_logits(x, mask, steps=150):
    """W (D, D) and b (D,) of logistic regressions; the mask says who may speak for whom."""
    W = mv.Tensor(np.zeros(mask.shape), requires_grad=True)
    b = mv.Tensor(np.zeros(len(mask)), requires_grad=True)
    adam = mv.Adam([W, b], lr=0.02)
    for _ in range(steps):
        logits = x @ (W * mask) + b                      # (n, D)  eq. (18.12)
        loss = mv.bernoulli_nll(logits, x).mean()        # -log p(x), a sum over the pixels
        adam.zero_grad()
        loss.backward()
        adam.step()
    return W.data * mask, b.data


def nats(x, W, b):
    return -mv.bernoulli_nll(x @ W + b, x)               # (n,)


before = np.triu(np.ones((64, 64)), 1)                   # pixel i may speak for d if i < d
others = 1 - np.eye(64)                                  # the colleague's: all but d itself
unseen = {}
for name, mask in (("those before", before), ("all others", others)):
    unseen[name] = nats(x_test, *trained_logits(x, mask)).mean()
print()
table(["each pixel from", "nats per unseen digit"],
      [[name, f"{value:.2f}"] for name, value in unseen.items()])

# %% [markdown]
# ## Do they add up to 1?
# For 8 by 8 pixels nobody can say. For 3 by 3 there are 512 pictures, and one can: cut the middle
# out of each digit, train both models on that, and add up over all 512.

# %%
middle = x.reshape(-1, 8, 8)[:, 2:5, 2:5].reshape(-1, 9)                                # (1437, 9)
every = np.array(list(itertools.product([0.0, 1.0], repeat=9)))                         # (512, 9)
total = {}
for name, mask in (("those before", np.triu(np.ones((9, 9)), 1)), ("all others", 1 - np.eye(9))):
    total[name] = np.exp(nats(every, *trained_logits(middle, mask))).sum()
    print(f"Each pixel from {name}: the 512 pictures add up to {total[name]:.4f}")
cheat.answer("b", """Each factor is a probability, their product is none: two pixels that agree are
    counted twice, each as predicted by the other. Before nats are compared, somebody has to make
    sure that they are nats.""")
claim("-", "predicting each pixel from all others gives a better model of pictures",
      f"{unseen['all others']:.1f} ± 0.7 nats from all others, {unseen['those before']:.1f} ± 0.7 "
      f"from those before; over all 512 pictures of 3 x 3 the first add up to "
      f"{total['all others']:.1f} ± 40 %, the second to {total['those before']:.3f} ± 0.001",
      "does not hold: what is computed is no probability",
      unseen["all others"] > unseen["those before"] + 2 and abs(total["all others"] - 1) > 0.2
      and abs(total["those before"] - 1) < 1e-9)

# %% [markdown]
# ## On the ruler
# `rivals.autoregressive` is the same, with batches, and a cost for large weights.

# %%
found = rivals.runs({
    "naive Bayes": lambda x, y, k: rivals.naive_bayes(x, y),
    "HMM, 64 states": lambda x, y, k: rivals.baum_welch(x, 64, rng(k, 2)),
    "from the top": lambda x, y, k: rivals.autoregressive(x, k),
    "from the bottom": lambda x, y, k: rivals.autoregressive(x, k, backwards=True)})
print("\nNats per unseen digit, mean of three runs (smallest to largest):")
table(["", "nats"], [[name, spread(values)] for name, values in found.items()])
bayes, hmm, top, bottom = (values.mean() for values in found.values())
order.answer("b", """The product of conditionals is exact in any order, and for a logistic
    regression one order is about as easy as the other.""")
claim("-", "an autoregressive model needs the natural order of the pixels",
      f"from the top {top:.1f} ± 0.3, from the bottom {bottom:.1f} ± 0.3 nats per unseen digit",
      "does not hold here: either order gives nearly the same", abs(top - bottom) < 0.5)
claim("§2", "generative models are mainly HMM, naive Bayes and GMM",
      f"64 logistic regressions: {top:.1f} ± 0.3 nats, naive Bayes {bayes:.1f} ± 0.3, HMM with 64 "
      f"states {hmm:.1f} ± 0.3",
      "does not hold: an autoregressive model is none of them, and does as well as the HMM",
      top > bayes + 0.4 and abs(top - hmm) < 0.6)

# %%
forwards, backwards = (rivals.autoregressive(x, 0, backwards=way) for way in (False, True))
rows = {"real digits": x_test[:12], "from the top": forwards.draw(12, rng(5)),
        "from the bottom": backwards.draw(12, rng(6))}
fig, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
sheet(ax, list(rows.values()), list(rows))
ax.tick_params(labelsize=17)
ax.set_title("Drawn pixel by pixel", fontsize=18)
figure(fig, "18_autoregressive")
end()

# %% [markdown]
# ## Your turn
# 1. Let each pixel see the row above it only: after `before = ...` write `before *=
#    np.subtract.outer(np.arange(64), np.arange(64)) >= -8`. What do the far pixels contribute?
# 2. Train ten times as long: `steps=1500`. What becomes of unseen digits?
#
# ## What you should see
# 1. -21.4 in place of -19.1: what lies further up than a row contributes 2 nats. A digit is made of
#    more than its neighbourhoods.
# 2. They get -18.54, and gain: with 2,080 parameters and 1,437 pictures of 64 pixels each there is
#    little to overfit. It had simply not been trained to its end.
