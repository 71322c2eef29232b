# %%
"""Lesson 01, second part: how a gradient check can fail to check.

A popular test compares one number in place of many derivatives. You will try it on rules that are
wrong, and then a test of another kind. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng, spread

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Lesson 01 found the step with which a derivative can be checked. But a function with many inputs
# and outputs has many derivatives, and nobody compares them all. People compare one number
# instead. Which wrong gradients slip through?
#
# **What you need:** the [first part](01_finite_differences.py); the dot product u @ v; the chain
# rule.

# %%
total = predict("""Softmax turns numbers into probabilities. Somebody's rule for its gradient
                returns zeros, always. You compare the gradient of the sum of the outputs with
                finite differences. Is the mistake found?""",
                a="yes", b="only if the inputs are large", c="no")
halved = predict("""You follow a gradient for a step h and look how far f is from where it should
                 be. Now you halve h. What is left of the difference?""",
                 a="a quarter for a right gradient, a half for one that is 1 % off",
                 b="a half for both", c="a quarter for both, and 1 % more for the wrong one")

# %% [markdown]
# ## A sum that hides
# A function with several outputs is checked through one number: weigh the outputs with a vector u
# and compare the gradient of u @ f with finite differences,
# [eq. (1.8)](derivations/01_finite_differences.md#eq-1-8). A *gradient rule* takes u and x and
# returns that gradient. The weights are ours to choose; all ones means the sum. Here is softmax
# with one right rule and three wrong ones.

# %%
def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


rules = {"right": lambda u, x: softmax(x) * (u - u @ softmax(x)),
         "wrong: always zeros": lambda u, x: 0 * x,
         "wrong: u.mean() for u @ y": lambda u, x: softmax(x) * (u - u.mean()),
         "wrong: only the diagonal": lambda u, x: u * softmax(x) * (1 - softmax(x))}


def disagreement(rule, u, x, h=1e-5):
    """The largest difference between the rule and the difference quotient of u @ softmax(x)."""
    numeric = [u @ (softmax(x + h * e) - softmax(x - h * e)) / (2 * h)      # eq. (1.4)
               for e in np.eye(len(x))]
    return np.abs(rule(u, x) - numeric).max()

# %%
draws = rng(0)
cases = [(draws.normal(size=5), draws.normal(size=5)) for _ in range(200)]  # u (5,), x (5,)
on_ones, on_random = {}, {}
print("median disagreement in 200 cases   u all ones (the sum)    u random")
for name, rule in rules.items():
    on_ones[name] = [disagreement(rule, np.ones(5), x) for _, x in cases]
    on_random[name] = [disagreement(rule, u, x) for u, x in cases]
    print(f"  {name:32}{np.median(on_ones[name]):16.0e}{np.median(on_random[name]):16.0e}")
print("1e-11 and less is the accuracy of the finite difference itself: the rule agrees.")

# %%
total.answer("c", """Probabilities sum to 1 whatever x is, so the true gradient of their sum is
             zero, and a rule that returns zeros agrees with it. So does a second wrong rule.
             Random weights leave no such place to hide.""")
hidden = "wrong: always zeros", "wrong: u.mean() for u @ y"
first, second = (np.median(on_random[name]) for name in hidden)
claim("-", "if the gradient of the sum of the outputs is right, the rule is right",
      f"two wrong rules for softmax agree to 1e-10 on the sum; with random weights they are off by "
      f"{first:.2f} ± 0.08 and {second:.2f} ± 0.04",
      "does not hold: errors that cancel between outputs stay hidden",
      max(max(on_ones[name]) for name in hidden) < 1e-10 and max(on_random["right"]) < 1e-9
      and min(min(on_random[name]) for name in hidden) > 1e-8)

# %% [markdown]
# ## Taylor's test
# A second test serves all inputs at once: walk a step h along a direction v, and see how far f is
# from where the gradient g says it should be,
# [eq. (1.9)](derivations/01_finite_differences.md#eq-1-9):
#
# $$ r(h) = | f(x + h v) - f(x) - h\, g \cdot v | $$
#
# Our f is log(sum(exp(x))), whose gradient is softmax(x). One gradient is right, the other 1 %
# too large.

# %%
def log_sum_exp(x):
    return np.log(np.exp(x).sum())


def remainder(h, x, v, factor):
    return abs(log_sum_exp(x + h * v) - log_sum_exp(x) - h * factor * softmax(x) @ v)    # eq. (1.9)


TOO_LARGE = 1.01
v, x = cases[0]
print("\n       h    right    too large")
for h in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
    print(f"{h:8.0e}{remainder(h, x, v, 1):9.0e}{remainder(h, x, v, TOO_LARGE):13.0e}")

# %%
def with_rule(factor):
    """log_sum_exp for minivae's engine, its rule the right one times the factor."""
    return mv.primitive(lambda x: (log_sum_exp(x), lambda g: g * factor * softmax(x)))


power = {factor: [mv.taylor_test(with_rule(factor), x, rng=rng(k)).slope for k in range(10)]
         for factor in (1, TOO_LARGE)}
print("The power of h with which it falls, by mv.taylor_test (minivae/checks/gradients.py):")
print(f"  right {spread(power[1])}, too large {spread(power[TOO_LARGE])}")

# %%
halved.answer("a", """Once the right slope is taken off, only the curvature of f is left, and that
              is of order h^2: halve h, and a quarter remains. An error in the slope leaves a
              term of order h, which wins as soon as h is small. A single h tells nothing: at
              h = 0.1 the two columns look alike.""")
claim("-", "the remainder falls as h^2 for a right gradient, and as h for one that is 1 % off",
      f"powers of h along ten directions, median: {np.median(power[1]):.2f} ± 0.05 and "
      f"{np.median(power[TOO_LARGE]):.2f} ± 0.1",
      "holds if f is smooth: next to a kink nothing falls in order",
      min(power[1]) > 1.9 and np.max(power[TOO_LARGE]) < 1.5)

# %%
fig, ax = plt.subplots(figsize=(7, 4.6), layout="constrained")
steps = 10.0 ** np.arange(-6, -0.4, 0.5)
for factor, mark, colour, name in ((1, "o-", mv.plot.COLOURS[0], "right"),
                                   (TOO_LARGE, "s--", mv.plot.COLOURS[1], "too large")):
    left = [remainder(h, x, v, factor) for h in steps]
    ax.loglog(steps, left, mark, color=colour, label=f"gradient {name}")
ax.set_title("A right gradient leaves less and less, as h squared", fontsize=14)
ax.set_xlabel("step h along v", fontsize=12)
ax.set_ylabel("distance from the straight line", fontsize=12)
ax.legend(fontsize=12)
figure(fig, "01_gradient_check")
end()

# %% [markdown]
# ## Your turn
# 1. In `cases`, draw x ten times as large (`10 * draws.normal(size=5)` in the second place). Does
#    the third wrong rule, 'only the diagonal', pass the sum now? Think of softmax where one entry
#    is much larger than the others.
# 2. Let the wrong gradient be only 0.01 % too large: `TOO_LARGE = 1.0001`. At which h do the two
#    columns part now? Does the power of h still give the mistake away?
# 3. On paper: for which other u does the rule `u.mean() for u @ y` pass, at a given x?
#
# An exercise that answers back:
# [ex01_numerical_derivative](exercises/ex01_numerical_derivative.py).
#
# ## What you should see
# 1. Nearly: its median on the sum falls from 0.2 to 0.005. 'Always zeros' falls from 0.2 to 0.003
#    even with random weights. Where one entry is much larger than the others softmax hardly
#    changes, and its true gradient is nearly zero: a check in the flat part of a function checks
#    little.
# 2. Not before h = 1e-4. The measured powers now lie anywhere between 0.3 and 2.7: within the
#    steps tried, curvature and error are of one size. A smaller mistake needs smaller steps,
#    until rounding is in the way.
# 3. For every u with u @ y equal to the plain mean of u, where y = softmax(x). All ones is one of
#    them; they fill a plane of one dimension less than the whole, which a random u has no chance
#    to hit.
