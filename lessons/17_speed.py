# %%
"""Lesson 17: where the time of a training step goes.

minivae is Python and NumPy, without a compiler of its own. You will take one training step apart
and see what it is made of. Takes about 3 s.
"""
from workbench import begin, claim, end, figure, milliseconds, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A training step takes a few milliseconds. Which part of it takes the most, and would another
# program be faster?
#
# **What you need:** one training step, line by line ([lesson 10](10_vae.py)), and a machine that
# is not too busy. All runs on one thread. What is measured is the processor time of this program,
# each part many times over, and the fastest counts, since other programs only ever add to it.

# %%
large = predict("""A step of a VAE of layers 784-400-20 on 128 pictures needs 11 matrix
                products, about 60 passes over arrays of up to 128 x 784 numbers (exp, log, ...),
                ten passes over 653,000 parameters (Adam), and a graph of 13 nodes in Python. What
                takes most?""",
                a="the products", b="the passes over arrays", c="Adam", d="Python's graph")
small = predict("And for a small VAE, 64-128-2 on 64 pictures?",
                a="the products", b="the passes over arrays", c="Adam", d="Python's graph")

# %% [markdown]
# ## One step, and its parts
# The products are two for each layer going back and one going forward,
# [eq. (3.1)](derivations/03_dense_layers.md#eq-3-1) and
# [eq. (3.2)](derivations/03_dense_layers.md#eq-3-2); the pictures themselves need no gradient.
# Python's share is timed on a net whose arrays hold one number each. The passes over arrays are
# what is left.

# %%
class Step:
    """One training step of a D-H-Z VAE on B images, and its matrix products alone."""

    def __init__(self, D, H, Z, B, dtype=np.float32):
        self.model = mv.VAE(D, (H,), Z, dtype=dtype, rng=rng(0))
        self.x = rng(0, 1).random((B, D)).astype(dtype)
        self.noise = rng(0, 2)
        self.adam = mv.Adam(self.model.parameters(), lr=0.0)    # the same work, and nothing moves
        sizes = [(D, H), (H, 2 * Z), (Z, H), (H, D)]            # encoder, decoder
        self.layers = [tuple(np.ones(shape, dtype) for shape in ((B, n), (n, m), (B, m)))
                       for n, m in sizes]

    def whole(self):
        self.adam.zero_grad()
        self.model.loss(self.x, self.noise).backward()
        self.adam.step()

    def products(self):
        for i, (x, W, y) in enumerate(self.layers):             # x is input, y output or gradient
            x @ W
            x.T @ y                                             # eq. (3.2)
            if i > 0:
                y @ W.T                                         # eq. (3.1)

# %%
def parts(step):
    """Milliseconds of the whole step, and of its four parts."""
    tiny = Step(1, 1, 1, 1)
    step.whole(), tiny.whole()                                  # Adam needs a gradient
    whole, products, adam, graph, tiny_adam = milliseconds(
        step.whole, step.products, step.adam.step, tiny.whole, tiny.adam.step)
    graph = graph - tiny_adam
    return whole, [products, max(whole - products - adam - graph, 0), adam, graph]


# %%
NAMES = ["matrix products", "passes over arrays", "Adam", "Python's graph"]
nets = {"784-400-20, 128 pictures": Step(784, 400, 20, 128), "64-128-2, 64": Step(64, 128, 2, 64)}
found = {name: parts(step) for name, step in nets.items()}
shares = {name: np.array(times) / whole for name, (whole, times) in found.items()}      # (4,)
print("\nShares of a training step, float32:")
table(["", "ms", *NAMES], [[name, f"{found[name][0]:.2f}", *(f"{share:.0%}" for share in s)]
                           for name, s in shares.items()])

# %%
main = nets["784-400-20, 128 pictures"]
operations = 2 * sum(3 * x.size * W.shape[1] for x, W, _ in main.layers)
operations -= 2 * main.x.size * 400                             # the pictures' gradient
square = np.ones((1024, 1024), np.float32)
peak = 2 * 1024**3 / milliseconds(lambda: square @ square)[0]
speed = operations / found["784-400-20, 128 pictures"][1][0]
print(f"\nThe products do {speed / 1e6:.0f} billion operations a second; in a product of two\n"
      f"matrices of 1024 x 1024 this machine does {peak / 1e6:.0f}.")

# %%
letters = dict(enumerate("abcd"))
(big, little), (whole, times) = shares.values(), found["784-400-20, 128 pictures"]
large.answer(letters[big.argmax()], """Each of its large products has 40 million multiplications,
    and NumPy hands them to a library that is nearly as fast as the machine allows. Another
    program could save little of it.""")
small.answer(letters[little.argmax()], """The arrays are small, but Python has as many nodes to make
    and to walk as for large ones.""")
claim("-", "an engine in Python is slow, because Python is",
      f"share of the graph {big[3]:.2f} ± 0.04 of a 784-400-20 step, {little[3]:.2f} ± 0.25 of a "
      "64-128-2 step", "holds if the arrays are small", big[3] < 0.1 and little[3] > 0.25)
claim("-", "the time of a step is the time of its matrix products",
      f"784-400-20: a step takes {whole / times[0]:.1f} ± 0.8 times its matrix products",
      "does not hold: passes over arrays and parameters take a good part of it",
      whole / times[0] > 1.2)

# %%
fig, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
left = np.zeros(2)
for i, (name, hatch) in enumerate(zip(NAMES, ("", "//", "..", "xx"))):
    widths = np.array([100 * s[i] for s in shares.values()])
    ax.barh(list(nets), widths, left=left, label=name, color=mv.plot.COLOURS[i], hatch=hatch,
            edgecolor="white")
    left += widths
ax.set_title("Large arrays: NumPy's time. Small ones: Python's", fontsize=14)
ax.set_xlabel("% of the time of one training step", fontsize=13)
ax.tick_params(labelsize=12)
ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.25), ncols=2, fontsize=12)
figure(fig, "17_speed")
end()

# %% [markdown]
# ## Your turn
# 1. Twice as many pictures in a step: `Step(784, 400, 20, 256)`. Which share falls?
# 2. Compute in float64: `Step(784, 400, 20, 128, np.float64)`. How much longer is the step?
#
# ## What you should see
# 1. Adam's, from 15 to 9 %, and Python's: both do the same work as before, once a step, whatever
#    the number of pictures. The step takes not quite twice as long.
# 2. More than twice as long, 15 ms for 6. Each number has twice the bytes, the processor takes
#    half as many at once, and the products fall from 92 to 41 billion operations a second. Hence
#    float32.
