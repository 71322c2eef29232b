# %%
"""Lesson 01: finite differences, or how small a small step should be.

A derivative worked out by hand can be compared with a difference quotient. You will see for which
step h the two agree best, and that this step can be known beforehand. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A VAE is trained with derivatives that somebody worked out by hand. A wrong one rarely stops the
# program: it just trains badly. The definition of the derivative offers a second opinion,
#
# $$ f'(x) \approx \frac{f(x+h) - f(x-h)}{2h}, $$
#
# which is [eq. (1.4)](derivations/01_finite_differences.md#eq-1-4). The definition lets h go to
# zero. A computer cannot: it keeps about 16 digits of a number (float64), or about 7 (float32).
# So which h should you take, and how far can you trust the answer?
#
# **What you need:** derivatives, and Taylor's formula as far as the third derivative. Words with
# a meaning of their own are in the [glossary](GLOSSARY.md), for this lesson [float32 and
# float64](GLOSSARY.md#float).

# %%
step = predict("In float64, which of these steps gives the smallest error?",
               a="h = 0.1", b="h = 0.00001", c="h = 0.000000000001")
digits = predict("In float32, with the best step, how many digits of the derivative are right?",
                 a="all 7", b="4 or 5", c="1 or 2")

# %% [markdown]
# ## Try it on a cube
# Take f(x) = x^3, of which everything is known: its derivative is 3x^2 and its third derivative
# is 6. We compute the difference quotient at 1000 points between 1 and 1.1 and keep the worst
# error.

# %%
def cube(x):
    return x * x * x


def worst_error(dtype, h):
    """The largest error of the difference quotient of x^3, x between 1 and 1.1."""
    x = np.linspace(1, 1.1, 1000).astype(dtype)               # (1000,)
    up = x + dtype(h)
    down = x - dtype(h)
    quotient = (cube(up) - cube(down)) / (up - down)          # eq. (1.4); up - down is eq. (1.7)
    return np.abs(quotient - 3 * x.astype(np.float64) ** 2).max()


print("       h   error in float64   error in float32")
for h in 10.0 ** np.arange(-1, -13, -1):
    single = "h is lost in x"
    if h > np.finfo(np.float32).eps:
        single = f"{worst_error(np.float32, h):.0e}"
    print(f"{h:8.0e}{worst_error(np.float64, h):19.0e}{single:>19}")

# %% [markdown]
# Read the columns from the top. The error falls a hundredfold for every ten times smaller h, as
# Taylor's formula says it should. Then it turns round: from there on, ten times smaller is about
# ten times *worse*.

# %%
step.answer("b", """Two errors pull in opposite directions. Taylor's remainder shrinks as h^2. But
            f(x+h) and f(x-h) are rounded, each to its 16 digits; when they are subtracted the
            leading digits cancel and the rounding stays, and it is then divided by the small h. At
            0.1 the first error is large, at 1e-12 the second.""")

# %% [markdown]
# ## The best step, beforehand
# Write the two errors down, with M for the third derivative and eps for the relative rounding
# error of one number (2.2e-16 in float64, 1.2e-7 in float32). Their sum is
# [eq. (1.5)](derivations/01_finite_differences.md#eq-1-5):
#
# $$ \text{error}(h) \approx \frac{h^2}{6} M + \frac{\varepsilon |f|}{h} $$
#
# Set its derivative in h to zero, and the best step comes out,
# [eq. (1.6)](derivations/01_finite_differences.md#eq-1-6):
#
# $$ h_0 = \left( \frac{3 \varepsilon |f|}{M} \right)^{1/3} $$

# %%
def expected_error(dtype, h, f=1.1**3, M=6):
    return h**2 / 6 * M + np.finfo(dtype).eps * f / h         # eq. (1.5)


def best_step(dtype, f=1.1**3, M=6):
    return (3 * np.finfo(dtype).eps * f / M) ** (1 / 3)       # eq. (1.6)


steps = 10.0 ** np.arange(-13, -0.9, 0.1)
found = {}
for dtype in (np.float64, np.float32):
    usable = steps[steps > np.finfo(dtype).eps]
    errors = np.array([worst_error(dtype, h) for h in usable])
    at_best = worst_error(dtype, best_step(dtype))
    found[dtype] = usable, errors, at_best
    print(f"{dtype.__name__}: predicted best step {best_step(dtype):.0e}, error {at_best:.0e}; "
          f"best of {len(usable)} steps {usable[errors.argmin()]:.0e}, error {errors.min():.0e}")

# %%
digits.answer("b", """The error in float32 does not fall below about 0.00004 of a derivative near 3:
              four to five digits, of the seven that float32 keeps. That is too few to tell a right
              derivative from one that is a little wrong, so mv.check_gradients
              (minivae/checks/gradients.py) works in float64 only.""")

# %%
fig, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
blue, orange = mv.plot.COLOURS[:2]
for dtype, colour, mark in ((np.float64, blue, "o"), (np.float32, orange, "s")):
    usable, errors, _ = found[dtype]
    name = f"measured, {dtype.__name__}"
    ax.loglog(usable[::3], errors[::3], mark, color=colour, markersize=5, label=name)
    ax.loglog(usable, expected_error(dtype, usable), color=colour, linewidth=1)
    ax.axvline(best_step(dtype), color=colour, linewidth=1, linestyle=":")
ax.set_title("Too small a step is as bad as too large a one", fontsize=14)
ax.set_xlabel("step h  (dotted: the best one, predicted)", fontsize=12)
ax.set_ylabel("error of the derivative  (lines: predicted)", fontsize=12)
ax.annotate("rounding", (3e-9, 3e-6), fontsize=13)
ax.annotate("Taylor's\nremainder", (1.2e-4, 1e-10), fontsize=13, backgroundcolor="white")
ax.legend(fontsize=11, loc="lower left")
figure(fig, "01_finite_differences")

# %%
tiny = worst_error(np.float64, 1e-12)
double, single = found[np.float64][2], found[np.float32][2]
claim("-", "the smaller the step h, the better the difference quotient",
      f"float64: error {double:.0e} ± 60 % at h = {best_step(np.float64):.0e}, "
      f"{tiny:.0e} ± 60 % at 1e-12; "
      f"float32: {single:.0e} ± 60 % at h = {best_step(np.float32):.0e}",
      "does not hold: rounding grows as 1/h, and the best step is the one that eq. (1.6) predicts",
      double < 2 * found[np.float64][1].min() and single < 2 * found[np.float32][1].min()
      and tiny > 1e5 * double and single > 1e5 * double)
end()

# %% [markdown]
# ## Your turn
# 1. In `worst_error`, divide by `2 * dtype(h)` in place of `(up - down)`. Which branch of the
#    table changes, and why?
# 2. Replace the quotient by the one-sided `(cube(up) - cube(x)) / (up - x)`. Before you run it:
#    will the smallest error be larger or smaller, and at a larger or a smaller h?
# 3. Keep that change. Derive the best step for the one-sided quotient from
#    [eq. (1.3)](derivations/01_finite_differences.md#eq-1-3) plus rounding, and put it into
#    `best_step` (the second derivative of x^3 is at most 6.6 here). Does the line 'predicted best
#    step' agree with the steps tried?
#
# An exercise that answers back:
# [ex01_numerical_derivative](exercises/ex01_numerical_derivative.py).
#
# ## What you should see
# 1. Only the rounding branch, below the best step, gets worse. x + h is rounded as well, so that
#    the step really taken is not h; `up - down` is the step that was taken.
# 2. The smallest error is about 7e-8 in place of 6e-11, and it is reached at a smaller step, near
#    1e-8: the remainder now shrinks only as h, so one has to go further down, where rounding is
#    worse. The lesson says that this run differs.
# 3. The error is about h/2 |f''| + 2 eps |f|/h, smallest at h = 2 sqrt(eps |f|/|f''|). That is
#    1e-8 in float64 and 3e-4 in float32, and both are the best of the steps tried.
