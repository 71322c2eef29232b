# %%
"""Lesson 02, second part: the bias that grew.

One forgotten sum lets a vector of 3 numbers grow into a matrix, without a word of warning. You
will see what the losses say about it. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A dense layer computes x @ W + b. The batch x has 20 rows, the bias b has 3 numbers, and NumPy
# copies b into all 20 rows: it *broadcasts*. What does that do to the gradient of b, and what
# happens to a program that does not know?
#
# **What you need:** the [first part](02_backprop.py): a value that is used several times adds up
# what comes back. Gradient descent: b becomes b - lr * gradient
# ([glossary](GLOSSARY.md#gradient-descent)).

# %%
grown = predict("""The gradient that arrives at x @ W + b has shape (20, 3). Somebody hands it to
                b as it is, and writes b = b - 0.1 * g, with b of shape (3,). What happens?""",
                a="NumPy raises an error", b="b becomes (20, 3)", c="b stays (3,)")
losses = predict("And the training loss, compared with that of the right program?",
                 a="it is higher", b="it is lower", c="it is the same")

# %% [markdown]
# ## The rule
# A value that is copied into 20 rows is used 20 times, so its gradient is the sum of what comes
# back from the 20 rows, [eq. (2.18)](derivations/02_backprop.md#eq-2-18), and for a layer
# [eq. (3.3)](derivations/03_dense_layers.md#eq-3-3):
#
# $$ \bar b = \sum_{\text{rows}} g $$
#
# The line of minivae that does it is the last one of `dense` in
# [minivae/ops.py](../minivae/ops.py). Here is a linear model, fitted by gradient descent to 20
# rows of noisy data, with that sum and without it.

# %%
STEPS = 1000


def fit(k, summed, lr=0.1):
    """Mean squared error on the 20 training rows and on 20 new ones, after each step; and b."""
    draws = rng(k)
    true_W = draws.normal(size=(5, 3))
    x, x_new = draws.normal(size=(2, 20, 5))
    y, y_new = (rows @ true_W + 1 + 0.5 * draws.normal(size=(20, 3)) for rows in (x, x_new))
    W, b = np.zeros((5, 3)), np.zeros(3)
    errors = []
    for _ in range(STEPS):
        off = x @ W + b - y                         # (20, 3)
        g = 2 * off / len(x)                        # (20, 3), the gradient in x @ W + b
        W = W - lr * x.T @ g                        # (5, 3)   eq. (3.2)
        if summed:
            g = g.sum(axis=0)                       # (3,)     eq. (3.3)
        b = b - lr * g
        errors.append((np.mean(off**2), np.mean((x_new @ W + b - y_new) ** 2)))
    return np.array(errors), b                      # (STEPS, 2)


runs = {summed: [fit(k, summed) for k in range(5)] for summed in (True, False)}
final = {s: np.array([errors[-1] for errors, _ in run]) for s, run in runs.items()}     # (5, 2)
print(f"After {STEPS} steps, mean of five data sets (smallest to largest):")
table(["gradient of b", "shape of b", "20 training rows", "20 new rows"],
      [[name, runs[summed][0][1].shape, *(spread(column) for column in final[summed].T)]
       for summed, name in ((True, "summed"), (False, "as it came"))])

# %%
grown.answer("b", """The subtraction broadcasts, too, now in the other direction: (3,) minus (20,
    3) is (20, 3). No error is raised as long as all batches have 20 rows.""")
losses.answer("b", """Every training row now has a bias of its own, and that bias learns the row's
    noise by heart. The loss falls below that of the right program. Only new rows show the
    damage.""")
good, bad = final[True], final[False]
claim("-", "a gradient of the wrong shape shows itself in training",
      f"error on training rows {good[:, 0].mean():.2f} ± 0.06, with the grown bias "
      f"{bad[:, 0].mean():.2f} ± 0.02; on new rows {good[:, 1].mean():.2f} ± 0.12 and "
      f"{bad[:, 1].mean():.2f} ± 0.5",
      "does not hold: the training loss is better than with the right gradient; new data are worse",
      np.all(bad[:, 0] < good[:, 0]) and bad[:, 1].mean() > 1.2 * good[:, 1].mean())

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(8, 4.2), layout="constrained", sharey=True)
blue, orange = mv.plot.COLOURS[:2]
for summed, colour, name in ((True, blue, "summed: right"), (False, orange, "not summed: wrong")):
    errors = np.mean([errors for errors, _ in runs[summed]], axis=0)           # (STEPS, 2)
    left.semilogy(errors[:, 0], color=colour, linewidth=2, label=name)
    right.semilogy(errors[:, 1], color=colour, linewidth=2)
left.set_title("training rows: wrong looks better", fontsize=13)
right.set_title("new rows: it is worse", fontsize=13)
left.set_ylabel("mean squared error", fontsize=12)
for ax in (left, right):
    ax.set_xlabel("step", fontsize=12)
left.legend(fontsize=11)
figure(fig, "02_bias_that_grew")

# %% [markdown]
# ## What would have caught it
# `b -= 0.1 * g` works in place, and an array cannot grow in place. And minivae's engine compares
# the shape of every gradient with that of its tensor (`backward` in
# [minivae/autodiff.py](../minivae/autodiff.py)).

# %%
@mv.primitive
def forgetful(x, W, b):
    return x @ W + b, (lambda g: g @ W.T, lambda g: x.T @ g, lambda g: g)    # the last is wrong


b = np.zeros(3)
try:
    b -= 0.1 * np.ones((20, 3))
except ValueError as error:
    print("\nb -= 0.1 * g:", error)

x, W = rng(0).normal(size=(20, 5)), rng(0, 1).normal(size=(5, 3))
bias = mv.Tensor(b, requires_grad=True)
try:
    forgetful(x, W, bias).sum().backward()
except ValueError as error:
    print("\nminivae, sum forgotten:", error)
mv.dense(x, W, bias).sum().backward()
print("\nminivae, mv.dense: the gradient of the bias has shape", bias.grad.shape)
end()

# %% [markdown]
# ## Your turn
# 1. In `fit`, take fresh rows at each step: draw x and y anew inside the loop. What can the grown
#    bias learn now?
# 2. Average in place of summing: `g = g.mean(axis=0)`, and stop after 100 steps (`STEPS = 100`).
#    The shape is right now, so no check of shapes would help. What do the losses show?
# 3. Draw only 4 rows, not 20 (in both places). What happens to the gap between training and new
#    rows, even with the right gradient?
#
# Exercises that answer back: [ex03_unbroadcast](exercises/ex03_unbroadcast.py),
# [ex04_dense_rule](exercises/ex04_dense_rule.py).
#
# ## What you should see
# 1. Nothing that lasts: row 7 is another row every time, so its bias is pulled everywhere at
#    once. All four errors are 0.25, the variance of the noise.
# 2. On new rows 0.63 in place of 0.33: with the mean over 20 rows, b learns 20 times too slowly.
#    The curves still fall smoothly, and after 1000 steps nothing is left to be seen. A gradient
#    check finds it at once.
# 3. Four rows, and six numbers to fit for each output: now even the right program fits the noise.
#    The training error is zero, and the one on new rows several times that of 20 rows.
