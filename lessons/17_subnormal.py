# %%
"""Lesson 17, third part: an optimiser that gets slower as it learns.

The same step, thousands of times over, should take the same time. You will look into Adam's
memory and find numbers that are hard to compute with. Takes about 4 s.
"""
from workbench import begin, claim, end, figure, milliseconds, predict, rng, table

import time

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Adam keeps a running mean of each parameter's gradients, M in
# [eq. (3.14)](derivations/03_dense_layers.md#eq-3-14). Some gradients vanish for good: those of a
# relu unit that no picture wakes any more. What becomes of their means?
#
# $$ M \leftarrow 0.9\, M + g, \qquad g = 0 $$
#
# **What you need:** the [first part](17_speed.py), and that the smallest normal number of
# [float32](GLOSSARY.md#float) is 1.2e-38. Below it the digits run out: *subnormal* numbers are
# multiples of 1.4e-45, and some processors compute with them by a slow detour.

# %%
stuck = predict("M is 0.001, and from now on g = 0. Where is M after 2,000 steps?",
                a="at 0", b="below 1e-90", c="at a few times 1.4e-45")

# %% [markdown]
# ## One mean

# %%
M, DECAY = np.float32([0.001, 0.9])
path = []
for step in range(2000):
    path.append(M)
    M = DECAY * M                                            # g = 0     eq. (3.14)
print("\nA mean without new gradients:")
table(["step", "M"], [[step, f"{path[step]:.2e}"] for step in (0, 100, 700, 800, 900, 1000, 1999)])
tiny = np.finfo(M.dtype).tiny
print(f"below {tiny:.1e} in {np.sum(np.array(path) < tiny)} of 2,000 steps")

# %%
stuck.answer("c", """It stays at 5.6e-45 for ever. That is 4 times the smallest number of all, and
    0.9 times 4 is 3.6, which is rounded to 4 again: float32 has nothing between.""")

# %% [markdown]
# ## In training
# minivae's optimisers set means below 1e-33 to 0 every 100 steps (`_drop_subnormals` in
# [minivae/optim.py](../minivae/optim.py)). Here is training on digits with it and without it,
# side by side, with the processor time of each optimiser's step.

# %%
class NaiveAdam(mv.Adam):
    def _drop_subnormals(self):
        pass


class Training:
    """The digits VAE 64-400-20 under one optimiser; step() returns the seconds that it took."""

    def __init__(self, optimiser):
        self.x = mv.data.digits()[0]
        self.model = mv.VAE(64, (400,), 20, rng=rng(4))
        self.adam = optimiser(self.model.parameters())
        self.draw = rng(5)

    def step(self):
        rows = self.draw.integers(0, len(self.x), 100)
        self.adam.zero_grad()
        self.model.loss(self.x[rows], self.draw).backward()
        start = time.perf_counter()
        self.adam.step()
        return time.perf_counter() - start

    def subnormal(self):
        """Share of the running means that are subnormal."""
        M = np.abs(self.adam.state["M"])
        return float(np.mean((M > 0) & (M < np.finfo(M.dtype).tiny)))

# %%
ours, naive = Training(mv.Adam), Training(NaiveAdam)
shares, times = [], []
for step in range(1500):
    times.append((naive.step(), ours.step()))
    if step % 50 == 49:
        shares.append((naive.subnormal(), ours.subnormal()))
times, shares = np.array(times), np.array(shares)            # (1500, 2), (30, 2)
slower = np.median(times[-200:, 0]) / np.median(times[-200:, 1])
same = np.array_equal(ours.adam.flat, naive.adam.flat)
print("\n1,500 steps on digits:")
table(["", "without the reset", "with it"],
      [["subnormal means at the end", *(f"{share:.0%}" for share in shares[-1])],
       ["ms of a step, first 200", *(f"{1e3 * t:.2f}" for t in np.median(times[:200], axis=0))],
       ["ms of a step, last 200", *(f"{1e3 * t:.2f}" for t in np.median(times[-200:], axis=0))]])
print(f"parameters the same to the last bit: {same}")

# %% [markdown]
# Does it matter? That is the processor's affair. On one that was tried, the last 200 steps took
# 3.1 times as long without the reset; another is as quick as ever. We ask the one at hand, with
# 100,000 numbers of 1e-40. The parameters never feel them: a step of 1e-40 moves nothing.

# %%
normal, few = np.full(100_000, 0.5, np.float32), np.full(100_000, 1e-40, np.float32)
out = np.empty_like(normal)
product, product_few, root, root_few = milliseconds(
    lambda: np.multiply(normal, DECAY, out=out), lambda: np.multiply(few, DECAY, out=out),
    lambda: np.sqrt(normal, out=out), lambda: np.sqrt(few, out=out))
print(f"\nWith them this processor takes {product_few / product:.1f} times as long for products,\n"
      f"and {root_few / root:.1f} times as long for square roots.")
claim("-", "a step late in the training costs what the first one cost",
      f"without a reset {shares[-1, 0]:.2f} ± 0.04 of Adam's means end subnormal, with it "
      f"{shares[-1, 1]:.2f}; such a step takes {slower:.1f} ± 80 % times as long",
      "holds if the processor is quick with subnormal numbers, or means that die away are set to "
      "0",
      shares[-1, 0] > 0.03 and shares[-1, 1] == 0 and same)

# %%
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
at = np.arange(50, 1501, 50)
for column, colour, name in ((0, mv.plot.COLOURS[1], "means are left alone"),
                             (1, mv.plot.COLOURS[0], "small means are set to 0")):
    ax.plot(at, 100 * shares[:, column], color=colour, linewidth=2.5, label=name)
ax.set_title("Adam's memory fills with numbers that are nearly 0", fontsize=14)
ax.set_xlabel("training step", fontsize=13)
ax.set_ylabel("% of the means subnormal", fontsize=13)
ax.legend(fontsize=12)
figure(fig, "17_subnormal")
end()

# %% [markdown]
# ## Your turn
# 1. Let the mean die away faster: write 0.5 for 0.9 in the line `M, DECAY = ...`. Where is M
#    after 2,000 steps?
# 2. And in float64? `M, DECAY = np.float64([0.001, 0.9])`. Its smallest normal number is
#    2.2e-308.
#
# ## What you should see
# 1. At 0. Half of the smallest number of all is as near to 0 as to it, and such a tie is rounded
#    to the even one, 0. Factors above 0.5 never get there.
# 2. At 3e-95: a long way down is left, and M is not subnormal yet. It would be after some 6,700
#    steps, and then get stuck just so.
