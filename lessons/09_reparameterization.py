# %%
"""Lesson 09: the reparameterization trick.

The code of a VAE is drawn at random. You will try to differentiate a draw, see it fail, and find
the one way to write it that works. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng, table

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The encoder gives two numbers, mu and logvar; the code z is a draw from N(mu, std²) with std =
# exp(logvar / 2); and the loss is computed from z. To train the encoder we need the derivative of
# z in mu and in logvar. How does one differentiate a draw?
#
# **What you need:** backpropagation ([lesson 2](02_backprop.py)), and the terms
# [mu](GLOSSARY.md#mu), [logvar](GLOSSARY.md#logvar), [std](GLOSSARY.md#std). A derivative is the
# limit of a *difference quotient*, the change of z over a small change h of mu ([lesson
# 1](01_finite_differences.py)).

# %%
quotient = predict("""You draw z from N(mu, 1) with mu = 1. Then you draw again, with mu = 1 + h.
                   What does the difference of the draws, divided by h, do as h gets smaller?""",
                   a="it tends to 1", b="it tends to 0", c="it grows without limit")
direction = predict("""Now the noise is held fixed: z = mu + std * eps, and eps happens to be -2.
                    You make logvar a little larger. Which way does z move?""",
                    a="up", b="down", c="that depends on mu")

# %% [markdown]
# ## A draw has no derivative
# We do what the question says, 1,000 times for each h. And beside it the same with the noise held
# fixed: eps is drawn first, from N(0, 1), and used for both values of mu. That is
# [eq. (9.2)](derivations/09_reparameterization.md#eq-9-2), the *reparameterization trick*:
#
# $$ z = \mu + e^{\mathrm{logvar}/2}\, \varepsilon, \qquad \varepsilon \sim N(0, 1) $$

# %%
steps = [0.1, 0.01, 0.001, 0.0001]
rows = []
for h in steps:
    eps, other = rng(0).standard_normal((2, 1000))                     # (1000,) each
    fresh = ((1 + h + other) - (1 + eps)) / h
    fixed = ((1 + h + eps) - (1 + eps)) / h
    rows.append([h, f"{fresh[0]:.1f}", f"{np.abs(fresh).mean():.1f}", f"{fixed.min():.1f}",
                 f"{fixed.max():.1f}"])
print("\nThe difference quotient of z in mu, 1,000 times:")
table(["h", "new draw: the first", "mean size", "fixed eps: smallest", "largest"], rows)

# %%
quotient.answer("c", """Two draws differ by about 1 however near their means are, and a difference
    of about 1 divided by h grows without limit. A derivative compares z at mu and at mu + h with
    all else equal; for two draws all else is not equal. With eps fixed it is, and the quotient is
    1 for every h.""")

# %% [markdown]
# ## It is the same draw
# Nothing is lost by writing it so: mu + std * eps has the distribution that was asked for. We
# compare the share of 100,000 such draws below each of 200 points with the exact probability.

# %%
points = np.linspace(-2, 4, 200)
exact = np.array([NormalDist(1.0, np.exp(-0.5)).cdf(q) for q in points])
errors = []
for k in range(5):
    z = mv.reparameterize(np.full(100_000, 1.0), np.full(100_000, -1.0),
                          rng(k).standard_normal(100_000))             # (100000,)  eq. (9.2)
    share = np.searchsorted(np.sort(z), points) / len(z)               # (200,)
    errors.append(np.abs(share - exact).max())
print("\nN(1, exp(-1)): largest error of the share of draws below a point, five seeds: "
      + ", ".join(f"{error:.4f}" for error in errors))
claim("§5.3", "mu + s eps has the distribution of a draw from N(mu, s^2)",
      f"share of 100,000 draws below each of 200 points: largest error {np.mean(errors):.4f} ± "
      "0.0012, mean of five seeds", "holds",
      np.mean(errors) * 100_000**0.5 < 1.3)  # 0.87 on average for the right distribution

# %% [markdown]
# ## The two derivatives
# With eps fixed, z is an ordinary function of mu and logvar. Its derivatives are
# [eq. (9.3)](derivations/09_reparameterization.md#eq-9-3) and
# [eq. (9.4)](derivations/09_reparameterization.md#eq-9-4):
#
# $$ \frac{\partial z}{\partial \mu} = 1, \qquad
#    \frac{\partial z}{\partial\, \mathrm{logvar}} = \frac{1}{2}\, \mathrm{std}\; \varepsilon $$
#
# These are the two lines below `return mu + noise` of `reparameterize` in
# [minivae/vae_ops.py](../minivae/vae_ops.py).

# %%
rows = []
for eps in (-2.0, 0.5, 1.0):
    mu = mv.Tensor(np.array([1.0]), requires_grad=True)
    logvar = mv.Tensor(np.array([-1.0]), requires_grad=True)
    z = mv.reparameterize(mu, logvar, np.array([eps]))                 # (1,)       eq. (9.2)
    z.backward()
    by_hand = 0.5 * np.exp(-0.5) * eps                                 #            eq. (9.4)
    rows.append([eps, *(f"{a[0]:.4f}" for a in (z.data, mu.grad, logvar.grad)), f"{by_hand:.4f}"])
print("\nmu = 1, logvar = -1:")
table(["eps", "z", "dz/dmu", "dz/dlogvar", "1/2 std eps"], rows)

# %%
direction.answer("b", """A larger logvar spreads the draws: each moves away from mu, on the side
    where it already is. With eps = -2 that is down, and mu, which only shifts z, has no say.""")

# %% [markdown]
# ## Finite differences know it, too
# Not only one draw, also the mean of 1,000 has this trouble. The mean of z² has the derivative 2
# in mu, where mu = 1 and std = 1. A difference quotient with new noise on each side scatters
# about it with a standard deviation that grows as 1/h; with the same noise on both sides it does
# not, [eq. (9.15)](derivations/09_reparameterization.md#eq-9-15).

# %%
up, down = rng(1).standard_normal((2, 200, 1000))                      # 200 repeats of 1000 draws
spreads = []
for h in steps:
    quotients = [np.mean((1 + h + up) ** 2 - (1 - h + other) ** 2, axis=1) / (2 * h)
                 for other in (down, up)]                              # (200,) each
    spreads.append([q.std() for q in quotients])
print("\nstandard deviation of the difference quotient of a mean of z^2, over 200 repeats:")
table(["h", "new noise", "as eq. (9.15) says", "same noise", "as eq. (9.15) says"],
      [[h, f"{a:.2f}", f"{np.sqrt((3 / h**2 + 2) / 1000):.2f}", f"{b:.3f}", f"{np.sqrt(0.004):.3f}"]
       for h, (a, b) in zip(steps, spreads)])

# %%
blue, orange = mv.plot.COLOURS[:2]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
line = np.linspace(0, 2, 41)
left.plot(line, line + rng(3).standard_normal(41), "o", color=orange, label="a new draw at each mu")
left.plot(line, line + 1.5, color=blue, linewidth=2, label="eps fixed: 1.5, 0.5, -0.5, -1.5")
for eps in (-1.5, -0.5, 0.5):
    left.plot(line, line + eps, color=blue, linewidth=2)
left.set_title("z follows mu only where eps is fixed", fontsize=13)
right.loglog(steps, spreads, "o-", linewidth=2, label=["new noise", "same noise"])
for drawn, colour in zip(right.lines, (orange, blue)):
    drawn.set_color(colour)
right.set_title("scatter of a finite difference", fontsize=13)
for ax, x_label, y_label in ((left, "mu", "z"), (right, "step h", "standard deviation")):
    ax.set_xlabel(x_label, fontsize=12)
    ax.set_ylabel(y_label, fontsize=12)
left.set_ylim(-2.8, 6)
left.legend(fontsize=11, loc="upper left")
right.legend(fontsize=11)
figure(fig, "09_reparameterization")
end()

# %% [markdown]
# ## Your turn
# 1. Draw eps from another distribution with mean 0 and variance 1: in the comparison with N(mu,
#    std²) write `rng(k).uniform(-(3**0.5), 3**0.5, 100_000)` for the standard normal draws. What
#    of this lesson still stands, and what does not?
# 2. Let the noise on the two sides be nearly the same, with a correlation of 0.99: in the last
#    measurement write `for other in (0.99 * up + 0.14 * down, up)`. Does the scatter still grow
#    as 1/h?
#
# Exercises that answer back: [ex08_reparameterize](exercises/ex08_reparameterize.py).
#
# ## What you should see
# 1. The largest error is 0.058, more than twenty times as large: z is then uniform, not normal,
#    and the lesson says that this run differs. But the two derivatives stay as they are. They
#    never asked what eps is drawn from, only that it be held fixed.
# 2. It does: 60 in place of 538 at h = 0.0001, about a ninth, and still ten times as much for
#    each tenth of h. Nearly the same noise is new noise; only the same noise gives a derivative.
