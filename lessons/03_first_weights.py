# %%
"""Lesson 03, fourth part: where to start.

Before a network learns, its weights are random numbers of some size. You will send numbers
through ten layers, and train from starts of different sizes. Takes about 3 s.
"""
from workbench import begin, claim, end, figure, predict, rng, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Ten dense layers of 300 units, each followed by a *relu*, which keeps positive numbers and sets
# negative ones to 0. The first weights are drawn from N(0, Var(W)). How large should they be?
#
# **What you need:** the [first part](03_dense_layers.py), and that variances of independent
# numbers add up.

# %%
through = predict("""Somebody takes a std of 0.01 for the weights, to be on the safe side. The
                  inputs have a mean square of 1. What is it after ten layers?""",
                  a="about 1", b="about 0.01", c="below 1e-15")
learns = predict("A network of ten layers with such weights is trained for 100 steps. It learns",
                 a="as fast as others: training makes the weights larger", b="more slowly",
                 c="nothing")

# %% [markdown]
# ## One layer
# Each unit sums n = 300 products of a weight and an input. The variance of the sum is
# [eq. (3.6)](derivations/03_dense_layers.md#eq-3-6), where E x² is the mean square of the inputs:
#
# $$ \mathrm{Var}(y) = n\, \mathrm{Var}(W)\, E[x^2] $$
#
# Relu then throws half of it away. So each layer multiplies the mean square by n Var(W)/2. He's
# rule, Var(W) = 2/n, [eq. (3.7)](derivations/03_dense_layers.md#eq-3-7), makes this factor 1; it
# is what `Dense` in [minivae/nn.py](../minivae/nn.py) does before a relu.

# %%
N = 300
LAYERS = 10
HE = "He's, 1"
factors = {"std 0.01": N * 0.01**2 / 2, "1/6": 1 / 6, "1/2": 1 / 2, HE: 1.0, "2": 2.0}


def send(factor, k):
    """Mean square of the sums of each layer, and of the gradient that arrives at the input."""
    x = mv.Tensor(rng(k).standard_normal((50, N)), requires_grad=True)
    h, squares = x, []
    for layer in range(LAYERS):
        W = rng(k, 1, layer).normal(0, np.sqrt(2 * factor / N), (N, N))
        u = h @ W                                                      # (50, 300)   eq. (3.6)
        h = u.relu()
        squares.append(np.mean(u.data**2))
    u.backward(rng(k, 2).standard_normal(u.shape))                     # mean square 1
    return [*squares, np.mean(x.grad**2)]


sent = {name: np.array([send(f, k) for k in range(5)]) for name, f in factors.items()}    # (5, 11)
print("\nMean square in a network of ten relu layers, median of five seeds:")
table(["factor per layer", "layer 1", "layer 10", "eq. (3.6) says", "gradient in the input"],
      [[name, *(f"{a:.1e}" for a in (m[0], m[9], 2 * f**10, m[10]))]
       for (name, f), m in zip(factors.items(), (np.median(s, axis=0) for s in sent.values()))])

# %%
through.answer("c", """Each layer multiplies by 300 * 0.0001 / 2 = 1/67, and ten such factors
    leave next to nothing. The gradient goes back through the same weights, and fares no better.
    What counts is the factor per layer: its tenth power must be near 1.""")

# %% [markdown]
# ## And training?
# Networks of 64 units, with the same factors per layer, learn to name digits: 100 steps of Adam
# with the [cross-entropy](03_log_sigmoid.py). Once with ten layers of weights, and once with
# three.

# %%
digits, labels = mv.data.digits()
one_hot = np.eye(10, dtype=np.float32)[labels]                         # (1797, 10)


def accuracy(factor, depth, k):
    """Share of the digits that are named right after a short training."""
    model = mv.MLP((64,) * depth + (10,), "relu", rng=rng(k))
    for p in model.parameters():
        p.data *= factor**0.5                                          # from He's start
    adam = mv.Adam(model.parameters(), lr=1e-3)
    draw = rng(k, 1)
    for _ in range(100):
        rows = draw.integers(0, len(digits), 100)
        adam.zero_grad()
        mv.bernoulli_nll(model(digits[rows]), one_hot[rows]).mean().backward()
        adam.step()
    with mv.no_grad():
        return float(np.mean(model(digits).data.argmax(axis=1) == labels))


named = {name: [[accuracy(f, depth, k) for k in range(3)] for depth in (10, 2)]
         for name, f in factors.items()}                               # (2, 3) each
print("\nDigits named right after 100 steps, three seeds, mean (smallest to largest):")
table(["factor per layer", "ten layers", "two layers"],
      [[name, *(spread(a) for a in shares)] for name, shares in named.items()])

# %%
ten = {name: np.mean(shares[0]) for name, shares in named.items()}
sixth = np.mean(named["1/6"][1])
learns.answer("c", """It names 1 in 10, as one that guesses. Nothing of the picture reaches the
    last layer, and no gradient reaches the first. Two layers have only two such factors, and
    there a start that is somewhat small, 1/6, costs little.""")
kept = np.median(sent[HE][:, 9] / sent[HE][:, 0])
claim("-", "small first weights are safe",
      f"ten relu layers, digits right after 100 steps: {ten['std 0.01']:.2f} ± 0.05 with Var(W) = "
      f"0.0001, {ten[HE]:.2f} ± 0.06 with 2/n, which keeps {kept:.1f} ± 0.5 of the mean square; "
      f"two layers at 1/6 {sixth:.2f} ± 0.08",
      "does not hold: no signal gets through ten layers; the factor per layer of eq. (3.6) must be "
      "near 1, the nearer the deeper the network",
      0.4 < kept < 2.5 and ten["std 0.01"] < 0.2 and ten[HE] > 0.8 and sixth > 0.6)

# %%
fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
layers = np.arange(1, LAYERS + 1)
for (name, factor), colour in zip(factors.items(), mv.plot.COLOURS):
    ax.semilogy(layers, 2 * factor**layers, color=colour, linewidth=2)                # eq. (3.6)
    ax.semilogy(layers, sent[name][:, :LAYERS].T, "o", color=colour, markersize=4)
    ax.text(LAYERS + 0.2, 2 * factor**LAYERS, name, color=colour, fontsize=13, va="center")
ax.set_xlim(0.8, 12)
ax.set_xticks(layers)
ax.text(LAYERS + 0.2, 1e6, "factor:", fontsize=13, va="center")
ax.set_ylim(top=1e8)
ax.set_title("Ten layers take the factor per layer to the tenth power", fontsize=14)
ax.set_xlabel("layer", fontsize=13)
ax.set_ylabel("mean square of the sums", fontsize=13)
figure(fig, "03_first_weights")
end()

# %% [markdown]
# ## Your turn
# 1. Train longer: 500 steps in place of 100. Which of the bad starts recover, with ten layers and
#    with two?
# 2. Leave the relu out of `send`: `h = u`. Which of the five factors is now the good one?
#
# Exercises that answer back: [ex04_dense_rule](exercises/ex04_dense_rule.py),
# [ex06_adam_step](exercises/ex06_adam_step.py).
#
# ## What you should see
# 1. With two layers all do, nearly: 0.88, 0.94 and 0.95. With ten the first two still guess:
#    where no gradient arrives, patience does not help. minivae's own VAEs begin with 1/6 per relu
#    layer, as PyTorch's do, [eq. (3.16)](derivations/03_dense_layers.md#eq-3-16). They have two
#    layers on either side, and there that is safe.
# 2. 1/2: without relu nothing is thrown away, each layer multiplies by n Var(W), twice as much as
#    before, and He's 1 has become 2. (Nor does such a network need ten layers: a product of ten
#    matrices is one matrix.)
