# %%
"""Lesson 03: dense layers, and what it takes to train them.

Derives the gradients of a dense layer and of the cross-entropy step by step, and again in one line; finds where
log(sigmoid) breaks; sends three optimisers down one ravine, and numbers through ten layers. Takes about 5 s; needs
nothing but minivae.
"""
import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, show

args = arguments(__doc__)

# %% [markdown]
# ## The question
# The networks of a VAE are dense layers, y = x W + b, with a bend in between. What do their gradients look like, and what,
# apart from right gradients, must be taken care of before such a network learns?
#
# **Predict.** (a) The network says 'white' with logit 20, and the pixel is black. The loss is -log(1 - sigmoid(20)). What
# is it in float32, and what is its gradient? Does -log(1 - sigmoid(l) + 1e-8) help? (b) A valley is 1000 times steeper
# across than along its floor. Which is at the bottom first: gradient descent, momentum or Adam? And if the valley is turned
# by 45 degrees? (c) Ten layers of 300 relu units. The weights of unit variance would be far too large;
# is 0.01^2 a good small choice? What becomes of the numbers, and of the gradient, on the way?
#
# Derivation: the dense layer's gradients are [eq. (3.1)](derivations/03_dense_layers.md#eq-3-1) to [eq. (3.3)](derivations/03_dense_layers.md#eq-3-3), the
# cross-entropy from logits [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5), the start [eq. (3.6)](derivations/03_dense_layers.md#eq-3-6), the optimisers
# [eq. (3.9)](derivations/03_dense_layers.md#eq-3-9) and [eq. (3.13)](derivations/03_dense_layers.md#eq-3-13).
#
# ## Step by step, and in one line
# The cross-entropy of a pixel x in [0, 1] is -x log p - (1-x) log(1-p), with p = sigmoid(l) = 1/(1 + e^-l). Cut it into
# steps so small that each derivative is in the table of chapter 2, and multiply them from the loss back to l.

# %%
def staged(l, x, patch=0.0):
    """Cross-entropy and its gradient in l, one step at a time; patch is added inside the second logarithm."""
    e = np.exp(-l)
    s = 1 + e
    p = 1 / s
    q = 1 - p + patch
    nll = -(x * np.log(p) + (1 - x) * np.log(q))
    dp = -x / p + (1 - x) / q  # eq. (2.6)
    ds = dp * -1 / s**2  # eq. (2.17)
    de = ds  # eq. (2.15)
    dl = de * -e  # eq. (2.5)
    return nll, dl, {"p": (p, dp), "s = 1 + e": (s, ds), "e = exp(-l)": (e, de), "l": (l, dl)}


def from_logits(l, x):
    """The same by minivae's rule: eq. (4.5), and its gradient sigmoid(l) - x, eq. (4.6)."""
    t = mv.Tensor(l[:, None], requires_grad=True)
    nll = mv.bernoulli_nll(t, x[:, None])
    nll.backward(np.ones_like(l))
    return nll.data, t.grad[:, 0]


nll, dl, stages = staged(np.array([0.8]), np.array([0.3]))
print(f"Cross-entropy of l = 0.8 with x = 0.3: {nll[0]:.4f} nats. Going back, step by step:\n"
      "     step           value   gradient")
for name, (value, gradient) in stages.items():
    print(f"  {name:14}{value[0]:10.4f}{gradient[0]:11.4f}")
print(f"  in one line, sigmoid(l) - x = {mv.sigmoid(np.array(0.8)) - 0.3:.4f}, eq. (4.6)")

rng = np.random.default_rng(0)
l, x = rng.normal(0, 3, 10_000), rng.random(10_000)
apart = np.abs(staged(l, x)[1] - from_logits(l, x)[1]).max()
layer_x, W, b, g = (rng.normal(size=shape) for shape in ((20, 5), (5, 3), (3,), (20, 3)))
grads = []
for layer in (lambda x, W, b: x @ W + b, mv.dense):  # eq. (2.21) and eq. (2.18); then eq. (3.1), eq. (3.2), eq. (3.3)
    inputs = [mv.Tensor(a, requires_grad=True) for a in (layer_x, W, b)]
    layer(*inputs).backward(g)
    grads.append([t.grad for t in inputs])
print(f"10,000 logits: the two ways differ by at most {apart:.0e}. A dense layer in two steps (x @ W, then + b) and in one\n"
      f"(mv.dense): by at most {max(np.abs(a - b).max() for a, b in zip(*grads)):.0e}")

# %% [markdown]
# ## Why not log(sigmoid)
# On paper both are the same. In the computer, sigmoid(l) is rounded to 1 as soon as e^-l is below half of eps, at
# l = log(2/eps). Then log(1 - 1) is minus infinity.

# %%
print("\nThe pixel is black (x = 0); the exact nll is l, and its gradient 1, to the digits shown\n"
      "              step by step, float32      float64         from logits, float32   float64, 1 - p + 1e-8\n"
      "       l         nll   gradient       nll   gradient       nll   gradient       nll   gradient")
with np.errstate(all="ignore"):
    for value in (10.0, 15.0, 20.0, 30.0, 40.0, 100.0):
        single, double = np.array([value], np.float32), np.array([value])
        cells = (staged(single, 0 * single)[:2], staged(double, 0 * double)[:2], from_logits(single, 0 * single),
                 staged(double, 0 * double, patch=1e-8)[:2])
        print(f"{value:8.0f}  " + "".join(f"{n[0]:10.4f}{d[0]:11.4f}" for n, d in cells))
    line = np.linspace(0, 50, 5001)
    breaks = {}
    for dtype in (np.float32, np.float64):
        nll = staged(line.astype(dtype), np.zeros_like(line, dtype))[0]
        breaks[dtype] = line[~np.isfinite(nll)][0]
        predicted = np.log(2 / np.finfo(dtype).eps)
        print(f"{dtype.__name__}, step by step: infinite from l = {breaks[dtype]:.2f} on; log(2/eps) = {predicted:.2f}")


def descend(gradient, steps=100):
    l = np.array([30.0])
    for _ in range(steps):
        l = l - gradient(l)
    return l[0]


patched = descend(lambda l: staged(l, 0 * l, patch=1e-8)[1])
whole = descend(lambda l: from_logits(l, 0 * l)[1])
print(f"100 steps of gradient descent from l = 30: to {patched:.3f} with 1e-8 in the logarithm, to {whole:.2f} from logits.\n"
      "Where 1 - p is rounded to 0 the logarithm is infinite; with 1e-8 the loss is flat there: nothing pulls the logit back.")

# %% [markdown]
# **(a)** Infinite in float32, and so is the gradient, which is divided by 1 - p = 0 on the way. Even before that digits are
# lost: 1 - p is a difference of nearly equal numbers (see l = 15, and l = 30 in float64). With 1e-8 the loss is finite and
# stops at -log(1e-8) = 18.4: being wrong costs the same from there on, so the gradient dies exactly where the network is
# most wrong. The one-line rule, max(l, 0) - l x + log(1 + e^-|l|), takes no exponential of a positive number and no
# difference of nearly equal ones.

# %%
claim("-", "step by step or in one line, the gradient of the cross-entropy in the logits is sigmoid(l) - x",
      f"black pixel: infinite, step by step, from l = {breaks[np.float32]:.1f} in float32, {breaks[np.float64]:.1f} in "
      "float64 (tol 0.2)",
      "holds if the logits are moderate: for large ones only the one-line rule has a value",
      apart < 1e-9 and all(abs(at - np.log(2 / np.finfo(dtype).eps)) < 0.2 for dtype, at in breaks.items()))
claim("-", "adding 1e-8 inside the logarithm repairs log(sigmoid)",
      f"a logit of 30 for a black pixel, after 100 steps: {patched:.1f} with 1e-8, {whole:.1f} from logits (tol 0.5)",
      "does not hold: the loss is finite, but its gradient dies where the network is most wrong",
      patched > 29.9 and whole < 0)

# %% [markdown]
# ## One ravine
# The loss is 1/2 (u^2 + steep v^2), with gradient (u, steep v). Each optimiser gets 300 steps, and the best of 12 learning
# rates: the one with the smallest distance left, for the worst of five random starts. Those of the first two are spread up
# to where they diverge, which is at 2/steep and 3.8/steep.

# %%
angles = np.random.default_rng(1).uniform(0, 2 * np.pi, 5)
starts = np.stack([np.cos(angles), np.sin(angles)], axis=1)
optimisers = {"gradient descent": (lambda p, lr: mv.SGD(p, lr), lambda steep: np.linspace(0.5, 3.75, 12) / steep),
              "momentum 0.9": (lambda p, lr: mv.SGD(p, lr, momentum=0.9), lambda steep: np.linspace(0.5, 3.75, 12) / steep),
              "Adam": (lambda p, lr: mv.Adam(p, lr), lambda steep: np.geomspace(0.01, 2, 12))}


def distances(make, lr, steep, turn, steps=300):
    """Distance from the bottom, (steps + 1, starts); the ravine is turned by so many degrees."""
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    axes = np.array([[c, s], [-s, c]])
    H = axes.T @ np.diag([1.0, steep]) @ axes
    p = mv.Tensor(starts @ axes, requires_grad=True)  # five runs side by side: the optimisers treat each entry by itself
    optimiser, path = make([p], lr), [p.data.copy()]
    for _ in range(steps):
        p.grad = p.data @ H
        optimiser.step()
        path.append(p.data.copy())
    return np.linalg.norm(path, axis=2)


curves, left = {}, {}
print("\nDistance left after 300 steps (1 at the start), five starts: median (largest)\n"
      "                      a ravine along an axis                                 turned by 45 degrees\n"
      "  steeper by" + 2 * "          100               1000              10,000   ")
for name, (make, rates) in optimisers.items():
    row = f"  {name:18}"
    for turn in (0, 45):
        for steep in (1e2, 1e3, 1e4):
            with np.errstate(all="ignore"):
                tries = [distances(make, lr, steep, turn) for lr in rates(steep)]
            best = min(tries, key=lambda t: np.nan_to_num(t[-1], nan=np.inf).max())
            curves[name, turn, steep], left[name, turn, steep] = best, np.median(best[-1])
            row += f"  {np.median(best[-1]):.0e} ({best[-1].max():.0e})"
    print(row)
print("Adam divides each coordinate by its own slope, so along an axis no steepness matters; turned, both slopes are alike.")

# %% [markdown]
# **(b)** Along an axis, Adam and momentum arrive together, until the sides get very steep; then only Adam does. It divides
# each coordinate by the size of its own gradients, so its columns do not depend on the steepness at all. Momentum sums up
# its steps along the floor to ten times the plain ones, eq. (3.10), while those across cancel; that carries it through a
# moderate ravine and no further. Plain descent may not step further than 2/steep times the gradient, and creeps. Turned by
# 45 degrees nothing changes for these two, but Adam's two coordinates are now equally steep: there is nothing left to
# divide out, and momentum beats it.

# %%
duels = [(0, 1e2), (0, 1e4), (45, 1e3)]
powers = [[-np.log10(left[(name, *duel)]) for name in ("Adam", "momentum 0.9")] for duel in duels]
claim("-", "Adam gets through a ravine faster than momentum",
      "powers of ten gained in 300 steps, Adam and momentum: steeper by 1e2 {:.1f}, {:.1f}; 1e4 {:.1f}, {:.1f}; "
      "1e3, turned {:.1f}, {:.1f} (tol 1)".format(*sum(powers, [])),
      "holds if the ravine is very steep and lies along an axis; turned, momentum is faster",
      abs(powers[0][0] - powers[0][1]) < 2 and powers[1][0] > powers[1][1] + 3 and powers[2][1] > powers[2][0] + 3)

# %% [markdown]
# ## Where to start
# Each unit sums 300 products. By eq. (3.6) the variance of the sum is 300 Var(W) times the mean square of the inputs, and
# relu throws half of that away: every layer multiplies by 300 Var(W)/2. He's rule, eq. (3.7), makes this factor 1.

# %%
n, layers = 300, 10
choices = {"too small, 0.0001": 1e-4, "half of He's, 1/n": 1 / n, "He's, 2/n": 2 / n, "twice He's, 4/n": 4 / n}


def through(variance, seed):
    """Mean square of the sums of each layer, and of the gradient in the input if the one at the output is 1."""
    rng = np.random.default_rng(seed)
    x = mv.Tensor(rng.standard_normal((50, n)), requires_grad=True)
    h, found = x, []
    for _ in range(layers):
        u = h @ rng.normal(0, variance**0.5, (n, n))
        h = u.relu()
        found.append(np.mean(u.data**2))
    u.backward(rng.standard_normal(u.shape))
    return np.array(found), np.mean(x.grad**2)


def accuracy(variance, seed, steps=100):
    """Share of digits named right by a network of ten layers of 64 units after a short training."""
    rng = np.random.default_rng(seed)
    model = mv.MLP((64,) * 10 + (10,), "relu", rng=rng)
    for p in model.parameters():
        p.data *= (variance * n / 2) ** 0.5  # minivae starts with He's 2/n; the factor per layer becomes that of above
    optimiser = mv.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        rows = rng.integers(0, len(digits), 100)
        optimiser.zero_grad()
        mv.bernoulli_nll(model(digits[rows]), one_hot[rows]).mean().backward()
        optimiser.step()
    with mv.no_grad():
        return float((model(digits).data.argmax(axis=1) == labels).mean())


digits, labels = mv.data.digits()
one_hot = np.eye(10, dtype=np.float32)[labels]
profile = {}
print("\nTen layers of 300 relu units, unit inputs, five seeds: mean square of the sums, median (smallest to largest)\n"
      "  Var(W)                layer 1   layer 10                    predicted   gradient in the input   digits right")
for name, variance in choices.items():
    runs = [through(variance, seed) for seed in range(5)]
    sums, grads = np.array([r[0] for r in runs]), np.array([r[1] for r in runs])
    right = [accuracy(variance, seed) for seed in range(3)]
    profile[name] = sums, n * variance * (n * variance / 2) ** np.arange(layers), np.mean(right)  # eq. (3.6)
    last = sums[:, -1]
    print(f"  {name:20}{np.median(sums[:, 0]):9.2g}{np.median(last):11.1e} ({last.min():.0e} to {last.max():.0e})"
          f"{profile[name][1][-1]:11.1e}{np.median(grads):24.1e}{np.mean(right):15.2f}")
print("Last column: ten layers of 64 units with the same factor per layer, trained for 100 steps of Adam, three seeds.\n"
      "Each layer multiplies by 300 Var(W)/2, forward and back: 1 with He's rule, 1/67 with 0.0001.")

# %% [markdown]
# **(c)** 0.01^2 is far too small: each layer divides the mean square by 67, so after ten layers next to nothing of the input
# is left, and next to nothing of the gradient on the way back, which takes the same factors. What counts is the factor per
# layer: its tenth power must be near 1.

# %%
ratio = {name: float(np.median(sums[:, -1]) / p[-1]) for name, (sums, p, _) in profile.items()}
he, small = profile["He's, 2/n"], profile["too small, 0.0001"]
kept = np.median(he[0][:, -1] / he[0][:, 0])
claim("-", "small first weights are safe",
      f"ten relu layers, digits right after 100 steps: {small[2]:.2f} with Var(W) = 0.0001, {he[2]:.2f} with 2/n, which keeps "
      f"{kept:.1f} of the mean square (tol 40 %)",
      "does not hold: no signal gets through; the factor per layer of eq. (3.6) must be near 1",
      all(0.4 < r < 2.5 for r in ratio.values()) and 0.4 < kept < 2.5 and small[2] < 0.25 < 0.6 < he[2])

# %%
fig, (a, b, c) = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
blue, red, green, pink = mv.plot.COLOURS[:4]
a.plot(line, from_logits(line, 0 * line)[1], color=blue, label="one line, sigmoid(l) - x")
with np.errstate(all="ignore"):
    for dtype, patch, colour, style, name in ((np.float32, 0, red, "--", "step by step, float32"),
                                              (np.float64, 0, green, "-.", "step by step, float64"),
                                              (np.float64, 1e-8, pink, ":", "with 1e-8, float64")):
        gradient = staged(line.astype(dtype), np.zeros_like(line, dtype), patch)[1]
        a.plot(line, np.where(np.isfinite(gradient), gradient, np.nan), style, color=colour, label=name)
a.set(title="gradient of the cross-entropy, black pixel\n(a curve that ends is infinite from there)", xlabel="logit l",
      ylabel="d nll / d l", ylim=(-0.1, 2.1))
a.legend(fontsize=8, loc="upper right")
for i, name in enumerate(optimisers):
    for turn, style in ((0, "-"), (45, "--")):
        b.semilogy(np.median(curves[name, turn, 1e3], axis=1), style, color=mv.plot.COLOURS[i], alpha=1 - turn / 150,
                   lw=1.5 + turn / 45, label=name + (", turned" if turn else ""))
b.set(title="a ravine, 1000 times steeper across\n(median of five starts)", xlabel="step", ylabel="distance from the bottom",
      ylim=(1e-8, 3))
b.legend(fontsize=8, loc="lower left")
for i, (name, (sums, predicted, _)) in enumerate(profile.items()):
    c.semilogy(range(1, layers + 1), predicted, color=mv.plot.COLOURS[i], label=name)
    c.semilogy(range(1, layers + 1), sums.T, ".", color=mv.plot.COLOURS[i], ms=4)
c.set(title="sums in ten relu layers\n(lines: eq. (3.6); points: five seeds)", xlabel="layer", ylabel="mean square")
c.legend(fontsize=8)
figure(fig, "03_dense_layers")
show(args)

# %% [markdown]
# ## Your turn
# 1. Repeat the table for a white pixel (x = 1) and l = -20, -90, -800. Where does each way break, and through what?
# 2. Adam's first step is lr in every coordinate that has a gradient, however small, [eq. (3.15)](derivations/03_dense_layers.md#eq-3-15).
#    Check it. From which size of the gradient on does it fail, and why there?
# 3. Turn the ravine by 5 degrees. Is that nearer to 0 or to 45 for Adam?
# 4. Start all weights at 0. Which gradients of a network with one hidden layer are zero, and do they stay so?
#
# Exercises that answer back: [ex04_dense_rule](exercises/ex04_dense_rule.py),
# [ex06_adam_step](exercises/ex06_adam_step.py).
