# %%
"""Lesson 03, third part: three ways down a ravine.

The loss of a network is steep in some directions and flat in others. You will send gradient
descent, momentum and Adam down the same valley, and then turn it. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The loss is (u² + steep w²)/2, a valley that is much steeper across (w) than along its floor
# (u). Its gradient is (u, steep w). Which optimiser reaches the bottom first?
#
# **What you need:** [gradient descent](GLOSSARY.md#gradient-descent) with its learning rate lr.
# The two others remember earlier gradients g. *Momentum*,
# [eq. (3.9)](derivations/03_dense_layers.md#eq-3-9), steps along a sum of them in which old ones
# fade:
#
# $$ v \leftarrow 0.9\, v + g, \qquad \theta \leftarrow \theta - \mathrm{lr}\; v $$
#
# *Adam*, [eq. (3.13)](derivations/03_dense_layers.md#eq-3-13), keeps two running means, of the
# gradients and of their squares, and divides the one by the root of the other, for each parameter
# by itself:
#
# $$ \theta \leftarrow \theta - \mathrm{lr}\;
#    \frac{\text{mean of } g}{\sqrt{\text{mean of } g^2} + 10^{-8}} $$
#
# All three are in [minivae/optim.py](../minivae/optim.py).

# %%
along = predict("""The valley runs along the axis of u and is 10,000 times steeper across. Each
                optimiser has 300 steps and its best learning rate. Who is nearest the bottom?""",
                a="gradient descent", b="momentum", c="Adam", d="momentum and Adam alike")
turned = predict("""The same valley, turned by 45 degrees, so that it runs between the two axes,
                 1,000 times steeper across. Who is nearest now?""",
                 a="gradient descent", b="momentum", c="Adam", d="momentum and Adam alike")

# %% [markdown]
# ## The race
# Each optimiser gets the best of 12 learning rates, and nine random starts at a distance of 1.
# The first two diverge from lr = 2/steep and 3.8/steep on,
# [eq. (3.18)](derivations/03_dense_layers.md#eq-3-18), so their rates go up to that.

# %%
angles = rng(1).uniform(0, 2 * np.pi, 9)
starts = np.stack([np.cos(angles), np.sin(angles)], axis=1)            # (9, 2)
optimisers = {
    "gradient descent": (lambda p, lr: mv.SGD(p, lr), np.linspace(0.5, 3.75, 12), True),
    "momentum": (lambda p, lr: mv.SGD(p, lr, momentum=0.9), np.linspace(0.5, 3.75, 12), True),
    "Adam": (lambda p, lr: mv.Adam(p, lr), np.geomspace(0.01, 2, 12), False),
}

# %%
def descend(make, lr, steep, degrees, steps=300):
    """Distance from the bottom at each step, (steps + 1, 9), in a valley turned by so much."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    axes = np.array([[c, s], [-s, c]])                                 # the valley's own axes
    H = axes.T @ np.diag([1.0, steep]) @ axes
    p = mv.Tensor(starts @ axes, requires_grad=True)                   # (9, 2), nine runs at once
    optimiser, path = make([p], lr), [p.data.copy()]
    for _ in range(steps):
        p.grad = p.data @ H
        optimiser.step()
        path.append(p.data.copy())
    return np.linalg.norm(path, axis=2)


def best(name, steep, degrees):
    """The run with the learning rate that leaves the worst of the starts nearest to the bottom."""
    make, rates, by_steepness = optimisers[name]
    if by_steepness:
        rates = rates / steep
    with np.errstate(all="ignore"):
        runs = [descend(make, lr, steep, degrees) for lr in rates]
    return min(runs, key=lambda run: np.nan_to_num(run[-1], nan=np.inf).max())

# %%
valleys = [(degrees, steep) for degrees in (0, 45) for steep in (1e2, 1e3, 1e4)]
runs = {(name, degrees, steep): best(name, steep, degrees)
        for name in optimisers for degrees, steep in valleys}
left = {key: np.median(run[-1]) for key, run in runs.items()}
print("\nDistance left after 300 steps, 1 at the start, median of nine starts:")
table(["", *(f"{int(steep):,} : 1, {degrees}°" for degrees, steep in valleys)],
      [[name, *(f"{left[(name, *valley)]:.0e}" for valley in valleys)] for name in optimisers])

# %%
along.answer("c", """Adam divides each coordinate by the size of its own gradients, so along an
    axis the steepness cancels: its row does not depend on it. Momentum adds up its steps along
    the floor, to ten times a plain one, while those across cancel. That carries it through 1,000
    : 1, and no further.""")
turned.answer("b", """Turning changes nothing for the first two. But now each of Adam's
    coordinates sees the steep walls: both have large gradients, and there is nothing left to
    divide out.""")
duels = [(0, 1e2), (0, 1e4), (45, 1e3)]
(a, b), (c, d), (e, f) = [[-np.log10(left[(name, *duel)]) for name in ("Adam", "momentum")]
                          for duel in duels]
claim("-", "Adam gets through a ravine faster than momentum",
      f"powers of ten gained in 300 steps, Adam and momentum: steeper by 1e2 {a:.1f} ± 0.7, "
      f"{b:.1f} ± 0.7; 1e4 {c:.1f} ± 0.7, {d:.1f} ± 0.4; 1e3, turned {e:.1f} ± 0.5, {f:.1f} ± 0.7",
      "holds if the ravine is very steep and lies along an axis; turned, momentum is faster",
      abs(a - b) < 2 and c > d + 3 and f > e + 3)

# %%
fig, panels = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained", sharey=True)
titles = {(0, 1e4): "along an axis, 10,000 : 1", (45, 1e3): "turned by 45°, 1,000 : 1"}
for ax, (valley, title) in zip(panels, titles.items()):
    for name, colour, style in zip(optimisers, mv.plot.COLOURS, ("-", "--", "-")):
        ax.semilogy(np.median(runs[(name, *valley)], axis=1), style, color=colour, linewidth=2,
                    label=name)
    ax.set_title(title, fontsize=14)
    ax.set_xlabel("step", fontsize=13)
    ax.set_ylim(1e-8, 3)
panels[0].set_ylabel("distance from the bottom", fontsize=13)
panels[0].legend(fontsize=12, loc="lower left")
figure(fig, "03_ravine")
end()

# %% [markdown]
# ## Your turn
# 1. Turn the valley by only 5 degrees, too: `for degrees in (0, 5, 45)`. Is 5 nearer to 0 or to
#    45, for Adam?
# 2. Give momentum a longer memory: `momentum=0.99`. How far does it get in the valley of 10,000 :
#    1, and how far in that of 100 : 1?
#
# Exercises that answer back: [ex06_adam_step](exercises/ex06_adam_step.py).
#
# ## What you should see
# 1. With 1,000 : 1 it is like 0, and Adam arrives; with 10,000 : 1 it is half way, 0.05 from the
#    bottom. A steeper wall has more to say even in a coordinate that it hardly leans into.
# 2. To 0.09 in all of them. In the steepest valley that is better than 0.3, since old gradients
#    are kept longer and add up to more. But it cannot come to rest: it swings across the bottom,
#    and the swings die away only as fast as the memory does. In 300 steps that is not far.
