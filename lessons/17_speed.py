# %%
"""Lesson 17: where the time of a training step goes.

Takes one training step apart (matrix products, elementwise functions, Adam, the graph), holds the parts against what this
machine can do at best, writes the same step naively to see which lines cost what, and trains an optimiser that gets slower
as it learns. Takes about 15 s; needs nothing but minivae, and a machine that is not busy with something else.
"""

import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy is imported: its matrix products shall use one thread

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

import minivae as mv  # noqa: E402
from lesson import arguments, claim, figure, show  # noqa: E402

args = arguments(__doc__)

# %% [markdown]
# ## The question
# minivae is written in Python and NumPy, without a compiler of its own. Where does the time of a step go, and how much of
# it could any other program save?
#
# **Predict.** A step of the 784-400-20 VAE on 128 images needs 11 matrix products, about 60 passes over arrays of 128 x 784
# or fewer numbers, ten passes over 653,000 parameters, and a graph of 13 nodes in Python. Which of the four takes most of
# the time? And which takes most for a small net, 64-128-2?
#
# Everything here runs on one thread, and what is measured is the processor time of this process, so that a busy machine
# disturbs little. With two threads the matrix products take about half as long by the clock, and all other shares grow.
#
# Derivation: the products are [eq. (3.1)](derivations/03_dense_layers.md#eq-3-1) to [eq. (3.3)](derivations/03_dense_layers.md#eq-3-3), the elementwise
# part is mostly [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5) and [eq. (4.6)](derivations/04_autoencoder.md#eq-4-6), Adam is
# [eq. (3.14)](derivations/03_dense_layers.md#eq-3-14).

# %%
def milliseconds(*functions, blocks=25, length=0.015):
    """Processor time of each function: the fastest of many short blocks in turn, since other programs only ever add to it."""
    counts, times = [], [[] for _ in functions]
    for f in functions:
        f()
        start = time.process_time()
        f()
        counts.append(max(1, int(length / max(time.process_time() - start, 1e-6))))
    for _ in range(blocks):
        for f, n, found in zip(functions, counts, times):
            start = time.process_time()
            for _ in range(n):
                f()
            found.append(1e3 * (time.process_time() - start) / n)
    return [min(found) for found in times]


class Step:
    """One training step of a D-H-Z VAE on B images, and its parts, each as a function to time."""

    def __init__(self, D, H, Z, B, dtype=np.float32):
        self.model = mv.VAE(D, (H,), Z, dtype=dtype, rng=np.random.default_rng(0))
        self.x, self.rng = np.random.default_rng(1).random((B, D)).astype(dtype), np.random.default_rng(2)
        self.opt = mv.Adam(self.model.parameters(), lr=0.0)  # the same work, and the model stays where it is
        self.arrays = {n: np.ones((B, n), dtype) for n in (D, H, 2 * Z, Z)}
        self.sizes = D, H, 2 * Z, Z
        layers = [(D, H)] * 2 + [(H, 2 * Z), (Z, H), (H, D)] * 3  # products; x itself needs no gradient
        self.operations = sum(2 * B * n_in * n_out for n_in, n_out in layers)
        self.bytes = sum(4 * (B * n_in + n_in * n_out + B * n_out) for n_in, n_out in layers)

    def whole(self):
        self.opt.zero_grad()
        self.model.loss(self.x, self.rng).backward()
        self.opt.step()

    def products(self):
        D, H, ZZ, Z = self.sizes
        W1, W2, W3, W4 = (p.data for p in self.model.parameters()[::2])
        x, h, both, z = (self.arrays[n] for n in (D, H, ZZ, Z))
        x @ W1, h @ W2, z @ W3, h @ W4                                     # forward
        h.T @ x, x @ W4.T, z.T @ h, h @ W3.T, h.T @ both, both @ W2.T, x.T @ h  # backward, without the gradient of x


def parts(step):
    """(whole, products, Adam, graph, elementwise) in ms. The graph is timed on a net of the same shape whose arrays hold
    one number each: what is left is Python and the fixed cost of calling NumPy. The elementwise part is the rest."""
    step.whole()
    one = Step(1, 1, 1, 1)
    whole, products, adam, tiny, tiny_adam = milliseconds(step.whole, step.products, step.opt.step, one.whole, one.opt.step)
    graph = tiny - tiny_adam
    return whole, products, adam, graph, max(whole - products - adam - graph, 0)


nets = {"784-400-20, 128 images": Step(784, 400, 20, 128), "64-128-2, 64 images": Step(64, 128, 2, 64)}
found = {name: parts(step) for name, step in nets.items()}
labels = ("matrix products", "Adam", "graph and calls", "elementwise")
print("Shares of one training step (forward, backward, Adam), float32:")
for name, (whole, *rest) in found.items():
    print(f"  {name:24} {whole:6.2f} ms: " + ", ".join(f"{label} {100 * t / whole:.0f} %" for label, t in zip(labels, rest)))

# %% [markdown]
# ## The roofline
# A machine has two limits: how many operations it can do each second, and how many bytes it can move. A piece of work with
# few operations per byte is bound by the second limit however clever its code. Both are measured here and now, the second
# with arrays as long as the parameters are: the level of the memory that holds these sets it.

# %%
big, long = np.ones((1024, 1024), np.float32), np.ones(653_000, np.float32)
out = np.empty_like(long)
peak_ms, pass_ms = milliseconds(lambda: big @ big, lambda: np.multiply(long, 0.5, out=out))
peak, bandwidth = 2 * 1024**3 / peak_ms / 1e6, 2 * long.nbytes / pass_ms / 1e6  # GFLOP/s, GB/s
main = nets["784-400-20, 128 images"]
count = sum(p.size for p in main.model.parameters())
whole, products, adam, graph, elementwise = found["784-400-20, 128 images"]
work = {"matrix products": (main.operations, main.bytes, products),  # operations, bytes, ms
        "Adam": (10 * count, 4 * 26 * count, adam)}  # ten passes read or write 24 numbers a parameter, gathering the gradient 2
print(f"\nThis machine: {peak:.0f} GFLOP/s in a 1024 x 1024 product, {bandwidth:.0f} GB/s in a pass over 653,000 numbers")
for name, (operations, moved, ms) in work.items():
    bound = min(peak, bandwidth * operations / moved)
    print(f"  {name:16} {operations / moved:6.2f} operations a byte: {operations / ms / 1e6:6.1f} GFLOP/s; the limit is {bound:.1f}")
print("Adam may pass its limit: it works through the parameters in stretches that stay in the cache for all its passes.")

# %% [markdown]
# ## The same step, written naively
# The formulas as one would type them from a paper. Each line is right, and each has a twin that computes the same faster.

# %%
def naive_nll_and_gradient(logits, x):
    nll = np.sum(np.where(logits > 0, logits, 0) - logits * x + np.log1p(np.exp(-np.abs(logits))), axis=1)
    p = np.where(logits > 0, 1 / (1 + np.exp(-np.abs(logits))), np.exp(-np.abs(logits)) / (1 + np.exp(-np.abs(logits))))
    return nll, p - x


def our_nll_and_gradient(logits, x):
    t = mv.Tensor(logits, requires_grad=True)
    nll = mv.bernoulli_nll(t, x)
    nll.backward(np.ones(len(x), logits.dtype))
    return nll.data, t.grad


def naive_adam(params, grads, state, t=10):
    for i, (p, g) in enumerate(zip(params, grads)):
        m, v = state[i]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        state[i], m_hat, v_hat = (m, v), m / (1 - 0.9**t), v / (1 - 0.999**t)
        params[i] = p - 0.001 * m_hat / (np.sqrt(v_hat) + 1e-8)


logits = np.random.default_rng(3).normal(size=(128, 784)).astype(np.float32)
params = [p.data.copy() for p in main.model.parameters()]
grads, state = [p.grad.copy() for p in main.model.parameters()], [(np.zeros_like(p), np.zeros_like(p)) for p in params]
double = Step(784, 400, 20, 128, np.float64)
assert np.allclose(naive_nll_and_gradient(logits, main.x)[0], our_nll_and_gradient(logits, main.x)[0], rtol=1e-5)
assert np.allclose(naive_nll_and_gradient(logits, main.x)[1], our_nll_and_gradient(logits, main.x)[1], atol=1e-6)
nll_ms, naive_nll_ms, adam_ms, naive_adam_ms, single_ms, double_ms = milliseconds(
    lambda: our_nll_and_gradient(logits, main.x), lambda: naive_nll_and_gradient(logits, main.x), main.opt.step,
    lambda: naive_adam(params, grads, state), main.whole, double.whole)
pairs = {"cross-entropy and gradient": (nll_ms, naive_nll_ms), "Adam": (adam_ms, naive_adam_ms),
         "whole step, float32 / float64": (single_ms, double_ms)}
print("\nms for the 784-400-20 step:          ours    naive   naive takes")
for name, (fast, slow) in pairs.items():
    print(f"  {name:32} {fast:6.2f}   {slow:6.2f}   {slow / fast:.1f} times as long")

# %% [markdown]
# ## An optimiser that gets slower as it learns
# Some gradients vanish for good: those of a relu unit that no image wakes any more. Then Adam's running mean only shrinks,
# by 0.9 a step. **Predict**: where does it end, and what happens to the time of a step?
#
# Below 1.2e-38 float32 has only *subnormal* numbers, with fewer and fewer digits, and many processors compute with them in
# a slow detour. Worse, the mean never leaves them: 5.6e-45 is 4 times the smallest one, and 0.9 times as much is rounded to
# 4 again. minivae's optimisers set means below 1e-33 to 0 every 100 steps; here is training on digits with and without.

# %%
class NaiveAdam(mv.Adam):
    def _drop_subnormals(self):
        pass


class Training:
    """The digits VAE 64-400-20 under one optimiser; step() gives the processor time that the optimiser took."""

    def __init__(self, optimiser):
        self.x, self.rng = mv.data.digits()[0].astype(np.float32), np.random.default_rng(5)
        self.model = mv.VAE(64, (400,), 20, rng=np.random.default_rng(4))
        self.opt = optimiser(self.model.parameters())

    def step(self):
        self.opt.zero_grad()
        self.model.loss(self.x[self.rng.integers(0, len(self.x), 100)], self.rng).backward()
        start = time.process_time()
        self.opt.step()
        return time.process_time() - start

    def subnormal(self):
        M = np.abs(self.opt.state["M"])
        return np.mean((M > 0) & (M < np.finfo(M.dtype).tiny))


cleared, uncleared = Training(mv.Adam), Training(NaiveAdam)
times = np.array([(cleared.step(), uncleared.step()) for _ in range(1500)])  # side by side, step by step
first, last = (min(part[:, 1]) / min(part[:, 0]) for part in (times[:200], times[-200:]))
assert np.array_equal(cleared.opt.flat, uncleared.opt.flat)  # the dropped numbers are far too small to move a parameter
print(f"\nAfter 1500 steps on digits {100 * uncleared.subnormal():.0f} % of the naive Adam's running means are subnormal, of ours "
      f"{100 * cleared.subnormal():.0f} %.\nThe naive step takes {first:.1f} times as long as ours in the first 200 steps, {last:.1f} times in the "
      "last 200;\nthe trained parameters are the same to the last bit.")

# %% [markdown]
# ## Claim -> verdict
# Shares and ratios are of one run on this machine; the tolerances leave room for other machines, and noisy ones.

# %%
small = found["64-128-2, 64 images"]
claim("-", "an engine in Python is slow, because Python is",
      f"the graph takes {100 * graph / whole:.0f} % of a 784-400-20 step, {100 * small[3] / small[0]:.0f} % of a 64-128-2 step (tol 70 %)",
      "holds if the arrays are small", graph / whole < 0.2 and small[3] / small[0] > graph / whole)
claim("-", "the time of a step is the time of its matrix products",
      f"784-400-20: a step takes {whole / products:.1f} times its matrix products (tol 1.8)",
      "does not hold: passes over arrays and parameters take a good part of it", whole / products > 1.2)
claim("-", "it hardly matters how an elementwise formula is written",
      f"the cross-entropy takes {naive_nll_ms / nll_ms:.1f} times as long with log1p and np.where, Adam {naive_adam_ms / adam_ms:.1f} times with "
      "a new array for each operation (tol 70 %)", "does not hold", naive_nll_ms > 1.2 * nll_ms and naive_adam_ms > 1.1 * adam_ms)
# Not every processor is slow with subnormal numbers, so the last claim rests on their number; the times are reported.
claim("-", "a step late in the training costs what the first one cost",
      f"Adam with {100 * uncleared.subnormal():.0f} % subnormal means takes {last:.1f} times as long as without, {first:.1f} times at the start (tol 70 %)",
      "holds if running means that die away are set to 0", uncleared.subnormal() > 0.01 and cleared.subnormal() == 0)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", gridspec_kw={"width_ratios": [1.3, 1]})
start = np.zeros(2)
for label, hatch, colour, values in zip(labels, ("", "//", "..", "xx"), mv.plot.COLOURS, np.array([v[1:] for v in found.values()]).T):
    shares = 100 * values / np.array([v[0] for v in found.values()])
    left.barh(list(found), shares, left=start, label=label, color=colour, hatch=hatch, edgecolor="white")
    start += shares
left.set(xlabel="% of the time of one training step", title="where the time goes")
left.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncol=4, fontsize=9)
intensity = np.logspace(-2, 3, 100)
right.loglog(intensity, np.minimum(peak, bandwidth * intensity), color="0.3", label="limit")
for (name, (operations, moved, ms)), mark, colour in zip(work.items(), "os", mv.plot.COLOURS):
    right.loglog(operations / moved, operations / ms / 1e6, mark, ms=9, color=colour, label=name)
right.set(xlabel="operations per byte moved", ylabel="GFLOP/s", title="roofline")
right.legend(fontsize=9)
figure(fig, "17_speed")

# %% [markdown]
# ## Why
# A matrix product does some forty operations for each byte it moves, so it runs near the machine's peak. Adam does a tenth of
# one, so the bytes set its limit: what helps is fewer passes, and stretches small enough for all ten passes to find them in
# the cache, which is how it passes the limit drawn here. `np.where` is slow for another reason: it goes through the numbers
# one at a time, and where the mask has no pattern the processor guesses wrong half of the time, while `maximum`, `abs`, `exp`
# and `log` take several numbers at once. So does `log1p`, but only on processors with AVX-512.
#
# ## Your turn
# 1. Double the batch. Which share grows, which shrinks? Predict first. (`Step(784, 400, 20, 256)`)
# 2. Set `mv.Adam.stretch` (it is in `minivae/optim.py`) to 10,000,000 and build a new `Step`, so that nothing is cut. What
#    does Adam cost now?
# 3. Write `tanh` as `(e^x - e^-x) / (e^x + e^-x)` and time it against `np.tanh`. For which x is it wrong as well as slow?
# 4. Sort `logits` along their rows. How long does `np.where(logits > 0, logits, 0)` take before and after, and why?
# 5. A gradient of 0.001 comes once and then stays 0. After how many steps is the M of [eq. (3.14)](derivations/03_dense_layers.md#eq-3-14)
#    below 1.2e-38? Compute it, then try it with `NaiveAdam` and one parameter.

# %%
show(args)
