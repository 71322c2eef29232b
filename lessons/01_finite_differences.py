# %%
"""Lesson 01: finite differences, or how to know that a derivative is right.

Measures which step h gives the best difference quotient, shows a wrong gradient that passes a popular check, tests a
gradient by Taylor's formula, and lets minivae name three mistakes. Takes about 2 s; needs nothing but minivae.
"""
import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, show

args = arguments(__doc__)

# %% [markdown]
# ## The question
# A VAE is trained with derivatives that somebody worked out by hand, and a wrong one rarely crashes: it just trains badly.
# The definition of the derivative gives a second opinion, (f(x+h) - f(x-h)) / 2h. How far can we trust it?
#
# **Predict.** (a) The derivative is the limit h -> 0. Of h = 0.1, 1e-5 and 1e-12, which gives the smallest error on a
# computer? And in float32, which keeps 7 digits in place of 16? (b) Softmax turns numbers into probabilities. Its gradient
# rule returns zeros, always. You test it by comparing the gradient of the *sum* of its outputs with finite differences.
# Is the mistake found? (c) Follow a gradient for a step h, and compare with what f really does. If you halve h, how much
# smaller is the difference for a right gradient, and for one that is 1 % too large?
#
# Derivation: [eq. (1.4)](derivations/01_finite_differences.md#eq-1-4) is the quotient, [eq. (1.5)](derivations/01_finite_differences.md#eq-1-5) its error and
# [eq. (1.6)](derivations/01_finite_differences.md#eq-1-6) the best step; [eq. (1.8)](derivations/01_finite_differences.md#eq-1-8) is about (b),
# [eq. (1.9)](derivations/01_finite_differences.md#eq-1-9) and [eq. (1.10)](derivations/01_finite_differences.md#eq-1-10) about (c).
#
# ## How small a step?
# We take f(x) = x^3, since everything about it is known: f' = 3x^2, and the third derivative M is 6. A computer stores
# every number to about one part in 1/eps: eps is 2.2e-16 in float64 and 1.2e-7 in float32.

# %%
def cube(x):
    return x * x * x


def worst_error(dtype, h, central=True):
    """Largest error of the difference quotient of x^3 at 1000 points between 1 and 1.1."""
    x = np.linspace(1, 1.1, 1000).astype(dtype)
    up, down = x + dtype(h), x - dtype(h) if central else x
    quotient = (cube(up) - cube(down)) / (up - down)  # eq. (1.4), with the step that was really taken, eq. (1.7)
    return np.abs(quotient - 3 * x.astype(float) ** 2).max()


def predicted(dtype, h, f=1.1**3, M=6):
    return h**2 / 6 * M + np.finfo(dtype).eps * f / h  # eq. (1.5)


best, steps = {}, 10.0 ** np.arange(-14, -0.9, 0.1)
print("Worst error of the difference quotient of x^3, x between 1 and 1.1\n"
      "       h   float64   predicted     float32   predicted     float64, (f(x+h) - f(x)) / h")
for h in 10.0 ** np.arange(-1, -13.1, -1):
    single = (f"{worst_error(np.float32, h):12.0e}{predicted(np.float32, h):12.0e}" if h > 1.2e-7 else
              "         (h < eps)      ")
    print(f"{h:8.0e}{worst_error(np.float64, h):10.0e}{predicted(np.float64, h):12.0e}{single}"
          f"{worst_error(np.float64, h, central=False):14.0e}")
for dtype in (np.float64, np.float32):
    eps = np.finfo(dtype).eps
    h0 = (3 * eps * 1.1**3 / 6) ** (1 / 3)  # eq. (1.6)
    errors = np.array([worst_error(dtype, h) for h in steps[steps > eps]])
    best[dtype] = h0, worst_error(dtype, h0), errors.min()
    print(f"{dtype.__name__}: predicted best step {h0:.1e}, error there {best[dtype][1]:.0e}; "
          f"best of all steps tried {steps[steps > eps][errors.argmin()]:.1e}, error {errors.min():.0e}")
print("From the top, the error falls with h until rounding takes over; from there on, ten times smaller is ten times worse.")

# %% [markdown]
# **(a)** 1e-5. Shrinking h makes Taylor's remainder smaller, as h^2. But f(x+h) and f(x-h) are each rounded, and what is
# left after they cancel is divided by h: that error grows as 1/h. The two cross near 5e-6. In float32 the crossing comes at
# 4e-3 and leaves fewer than five digits: too few to prove anything, which is why mv.check_gradients works in float64 only.

# %%
(h64, at64, min64), (h32, at32, min32) = best.values()
tiny = worst_error(np.float64, 1e-12)
claim("-", "the smaller the step h, the better the difference quotient",
      f"float64: error {at64:.0e} at h = {h64:.0e}, {tiny:.0e} at 1e-12; float32: {at32:.0e} at h = {h32:.0e} (tol 60 %)",
      "does not hold: rounding grows as 1/h, and the best step is the one that eq. (1.6) predicts",
      at64 < 2 * min64 and at32 < 2 * min32 and tiny > 1e5 * at64 and at32 > 1e5 * at64)

# %% [markdown]
# ## A sum that hides
# A function with several outputs is checked through one number: weight the outputs with a *cotangent* u, and compare the
# gradient of u.f with differences of u.f. A rule gets u and returns that gradient. The weights are ours to choose.

# %%
def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def right(u, x):
    y = softmax(x)
    return y * (u - u @ y)


rules = {"right": right,
         "wrong: always zeros": lambda u, x: 0 * x,
         "wrong: mean of u for u.y": lambda u, x: softmax(x) * (u - u.mean()),
         "wrong: only the diagonal": lambda u, x: u * softmax(x) * (1 - softmax(x))}


def disagreement(rule, u, x, h=1e-5):
    """Largest difference between the rule and the central difference of u.softmax, eq. (1.8)."""
    numeric = [u @ (softmax(x + h * e) - softmax(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    return np.abs(rule(u, x) - numeric).max()


rng = np.random.default_rng(0)
cases = [(rng.normal(size=5), rng.normal(size=5)) for _ in range(200)]
print("\nSoftmax of five numbers: the worst |rule - finite difference| of the five, in 200 random cases\n"
      "                              u all ones (a sum)         u random\n"
      "                              median   largest           median   largest   smallest")
seen = {}
for name, rule in rules.items():
    ones, random = ([disagreement(rule, u, x) for u, x in pairs] for pairs in ([(np.ones(5), x) for x, _ in cases], cases))
    seen[name] = np.median(ones), max(ones), np.median(random), max(random), min(random)
    print(f"  {name:28}" + "{:6.0e}{:10.0e}{:17.0e}{:10.0e}{:11.0e}".format(*seen[name]))
print("1e-11 is the accuracy of the finite difference: there the rule agrees with it. Probabilities sum to 1, so the true\n"
      "gradient of their sum is 0, and two of the wrong rules give that too.")

# %% [markdown]
# **(b)** No. Probabilities sum to 1 whatever x is, so the true gradient of the sum is zero, and a rule that returns zeros
# agrees with it. Two of the three wrong rules pass. A random u leaves no such place to hide: for a wrong rule to pass, u
# would have to lie exactly in one of a few special directions, and in 200 tries none came near.

# %%
hidden = ("wrong: always zeros", "wrong: mean of u for u.y")
claim("-", "if the gradient of the sum of the outputs is right, the rule is right",
      f"two wrong rules for softmax agree to 1e-10 on the sum; with random weights they are off by "
      f"{seen[hidden[0]][2]:.2f} and {seen[hidden[1]][2]:.2f}, median (tol 30 %)",
      "does not hold: errors that cancel between outputs stay hidden",
      max(seen[name][1] for name in hidden) < 1e-10 and seen["right"][3] < 1e-9
      and min(seen[name][4] for name in hidden) > 1e-7)

# %% [markdown]
# ## Taylor's test
# One more test, for all inputs at once: walk a step h along a direction v and see what f does beyond the straight line
# that the gradient promises. Our f is log(sum(exp(x))), whose gradient is softmax(x).

# %%
def log_sum_exp(percent):
    @mv.primitive
    def rule(x):
        return np.log(np.exp(x).sum()), lambda g: g * softmax(x) * (1 + percent / 100)
    return rule


x, v = cases[0]
print("\nRemainder |f(x + h v) - f(x) - h g.v| of log(sum(exp(x))), eq. (1.9)\n       h   gradient right   1 % too large")
for h in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
    rise = log_sum_exp(0)(x + h * v) - log_sum_exp(0)(x)
    print(f"{h:8.0e}" + "".join(f"{abs(rise - h * softmax(x) @ v * (1 + p / 100)):16.1e}" for p in (0, 1)))
reports = {p: [mv.taylor_test(log_sum_exp(p), x, rng=np.random.default_rng(seed)) for seed in range(10)] for p in (0, 1)}
slopes = {p: [r.slope for r in reports[p]] for p in (0, 1)}
print("mv.taylor_test does this along a random direction; ten of them give the slopes (the power of h)\n"
      f"  right {min(slopes[0]):.2f} to {max(slopes[0]):.2f}, 1 % too large {min(slopes[1]):.2f} to {max(slopes[1]):.2f}.\n"
      "A right gradient leaves the curvature, of order h^2; a wrong one leaves its error, of order h.")
print("The same test, of relu(x) next to its kink at 0:\n  " + mv.taylor_test(lambda x: mv.relu(x), 1e-3 * x).diagnosis)

# %% [markdown]
# **(c)** To a quarter for the right one (slope 2), to a half for the wrong one (slope 1): after the right slope is taken
# off, only curvature is left, and that is of order h^2; an error in the slope leaves a term of order h, which wins as soon
# as h is small. A single h tells nothing: at 0.1 the columns look alike, and at 0.01 the error of the wrong gradient and
# the curvature happen to cancel, so that it looks better than the right one.

# %%
claim("-", "the remainder falls as h^2 for a right gradient, and as h for one that is 1 % off",
      f"powers of h along ten directions, median: {np.median(slopes[0]):.2f} and {np.median(slopes[1]):.2f} (tol 0.05)",
      "holds if f is smooth: next to a kink nothing falls in order",
      min(slopes[0]) > 1.9 and all(reports[0]) and not any(reports[1]))

# %% [markdown]
# ## What kind of mistake?
# Numbers that differ are a poor hint. Many mistakes leave a pattern, though: all entries off by one factor, the right
# entries in the wrong places. mv.check_gradients draws u at random and looks for such patterns. Three gradients written by
# hand follow, passed as vjp= (a function of u, here g, and the inputs). Find the mistake in each before you read on.

# %%
def draw(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 3)), rng.normal(size=(3, 3))


target = np.random.default_rng(9).normal(size=(4, 3))
suspects = [("mean squared error", lambda x, W: np.mean((x @ W - target) ** 2),
             lambda g, x, W: (g * 2 * (x @ W - target) @ W.T, g * 2 * x.T @ (x @ W - target)), "mean"),
            ("x @ W", lambda x, W: x @ W, lambda g, x, W: (g @ W.T, g.T @ x), "transposed"),
            ("tanh(x @ W)", lambda x, W: np.tanh(x @ W),
             lambda g, x, W: ((1 - np.tanh(x @ W) ** 2) @ W.T, x.T @ (1 - np.tanh(x @ W) ** 2)), "not used")]
named = 0
for title, f, by_hand, word in suspects:
    reports_of = [mv.check_gradients(f, *draw(seed), vjp=by_hand, raise_error=False) for seed in range(5)]
    named += sum(not r and word in r.diagnosis for r in reports_of)
    print(f"\n{title}, gradients by hand:\n{reports_of[0]}")
print("\nA forgotten division by the 12 entries; (x.T @ g).T in place of x.T @ g; and a rule that drops g altogether.")
claim("-", "a gradient check can say that a derivative is wrong, but not what is wrong with it",
      f"three mistakes, five random inputs each: {named} of {5 * len(suspects)} named",
      "does not hold: a mistake that leaves a simple pattern can be named", named == 15)

# %%
fig, (a, b) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
blue, red, green = mv.plot.COLOURS[:3]
for dtype, colour, mark, h0 in ((np.float64, blue, "o", h64), (np.float32, red, "s", h32)):
    fine = steps[steps > np.finfo(dtype).eps]
    measured = [worst_error(dtype, h) for h in fine[::3]]
    a.loglog(fine[::3], measured, mark, color=colour, ms=4, label=f"{dtype.__name__}, central")
    a.loglog(fine, predicted(dtype, fine), color=colour, lw=1)
    a.axvline(h0, color=colour, lw=1, linestyle=":")
forward = [worst_error(np.float64, h, central=False) for h in steps[::3]]
a.loglog(steps[::3], forward, "^", color=green, ms=3, label="float64, forward")
a.set(title="error of the derivative of $x^3$\n(lines: eq. (1.5); dotted: best step, eq. (1.6))", xlabel="step h",
      ylabel="largest error")
a.legend(fontsize=8, loc="lower left")
for p, colour, mark, name in ((0, blue, "o-", "right: slope 2"), (1, red, "s--", "1 % too large: slope 1")):
    b.loglog(reports[p][0].steps, reports[p][0].remainders, mark, color=colour, ms=4, label=f"gradient {name}")
b.set(title="what is left of log(sum(exp(x)))\nwhen h g.v is taken off", xlabel="step h", ylabel="remainder")
b.legend(fontsize=8)
figure(fig, "01_finite_differences")
show(args)

# %% [markdown]
# ## Your turn
# 1. Divide by 2h in place of `up - down` in worst_error. Which side of the V moves, and by how much?
# 2. What is the best step for (f(x+h) - f(x)) / h? Derive it from [eq. (1.3)](derivations/01_finite_differences.md#eq-1-3) plus rounding, then
#    find it in the table.
# 3. Return g @ W in place of g @ W.T as the gradient of x in x @ W. What does check_gradients say, and why no more?
# 4. For which u, other than all ones, does the rule 'mean of u for u.y' pass at a given x?
#
# Exercises that answer back: [ex01_numerical_derivative](exercises/ex01_numerical_derivative.py).
