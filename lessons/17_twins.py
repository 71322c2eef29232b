# %%
"""Lesson 17, second part: the same formula, written twice.

A formula from a paper can be typed in several ways that are all right. You will time some pairs
of them. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, milliseconds, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Besides its matrix products, a training step goes through many arrays number by number: the
# cross-entropy, the relu, Adam. Does it matter how that is written?
#
# **What you need:** the [first part](17_speed.py), and that NumPy goes through a whole array for
# each operation, and makes a new array for each result.

# %%
twins = predict("""128 x 784 logits l, of either sign, and e = exp(-|l|). Which pair of equal
                expressions differs most in time?""",
                a="np.where(l > 0, l, 0) and np.maximum(l, 0)", b="np.log1p(e) and np.log(1 + e)",
                c="l**2 and l * l", d="a new array l - e, and the same written into an old one")

# %% [markdown]
# ## Four pairs

# %%
l = rng(0).normal(size=(128, 784)).astype(np.float32)                  # (128, 784)
e = np.exp(-np.abs(l))
out = np.empty_like(l)
pairs = {
    "np.where(l > 0, l, 0)": (lambda: np.where(l > 0, l, 0), lambda: np.maximum(l, 0)),
    "np.log1p(e)": (lambda: np.log1p(e), lambda: np.log(1 + e)),
    "l**2": (lambda: l**2, lambda: l * l),
    "l - e, a new array": (lambda: l - e, lambda: np.subtract(l, e, out=out)),
}
others = ["np.maximum(l, 0)", "np.log(1 + e)", "l * l", "into an old one"]
times = {name: milliseconds(*pair) for name, pair in pairs.items()}
ratio = {name: slow / fast for name, (slow, fast) in times.items()}
print("\nMilliseconds for 128 x 784 numbers, float32:")
table(["written so", "ms", "or so", "ms", "times as long"],
      [[name, f"{slow:.3f}", other, f"{fast:.3f}", f"{slow / fast:.1f}"]
       for (name, (slow, fast)), other in zip(times.items(), others)])

# %%
twins.answer(dict(zip(ratio, "abcd"))[max(ratio, key=ratio.get)], """np.where picks
    number by number, and where the mask has no pattern the processor guesses wrong half of the
    time; maximum takes several numbers at once. log1p does so on some processors only. NumPy
    itself turns l**2 into l * l.""")

# %% [markdown]
# ## The cross-entropy, and Adam
# Both written as one would type them from a paper, against the rules of minivae: `bernoulli_nll`
# in [minivae/vae_ops.py](../minivae/vae_ops.py),
# [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5) and
# [eq. (4.6)](derivations/04_autoencoder.md#eq-4-6), and `Adam` in
# [minivae/optim.py](../minivae/optim.py), [eq. (3.14)](derivations/03_dense_layers.md#eq-3-14),
# which works in place, in stretches that fit into the processor's cache.

# %%
def typed_nll(l, x):
    """The cross-entropy of each picture, and its gradient in l."""
    e = np.exp(-np.abs(l))
    nll = np.where(l > 0, l, 0) - l * x + np.log1p(e)                  # (B, D)   eq. (4.5)
    return nll.sum(axis=1), np.where(l > 0, 1 / (1 + e), e / (1 + e)) - x       # eq. (4.6)


def our_nll(l, x):
    t = mv.Tensor(l, requires_grad=True)
    nll = mv.bernoulli_nll(t, x)
    nll.backward(np.ones(len(x), l.dtype))
    return nll.data, t.grad


def typed_adam(params, grads, state, t=10):
    for i, (p, g) in enumerate(zip(params, grads)):
        m, v = state[i]
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        state[i] = m, v
        params[i] = p - 0.001 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


# %%
x = rng(1).random((128, 784), np.float32)
model = mv.VAE(784, (400,), 20, rng=rng(2))
adam = mv.Adam(model.parameters(), lr=1e-3)
model.loss(x, rng(3)).backward()
params = [p.data.copy() for p in model.parameters()]                   # 653,000 numbers
grads = [p.grad for p in model.parameters()]
state = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
same = max(np.abs(a - b).max() for a, b in zip(typed_nll(l, x), our_nll(l, x)))
nll = milliseconds(lambda: typed_nll(l, x), lambda: our_nll(l, x))
steps = milliseconds(lambda: typed_adam(params, grads, state), adam.step)
whole = {"cross-entropy and gradient": nll, "a step of Adam": steps}
print(f"\nThe two cross-entropies differ by at most {same:.0e}. Milliseconds:")
table(["", "typed", "minivae's", "times as long"],
      [[name, f"{slow:.2f}", f"{fast:.2f}", f"{slow / fast:.1f}"]
       for name, (slow, fast) in whole.items()])

# %%
claim("-", "it hardly matters how an elementwise formula is written",
      f"the cross-entropy takes {nll[0] / nll[1]:.1f} ± 60 % times as long with log1p and "
      f"np.where, Adam {steps[0] / steps[1]:.1f} ± 60 % times with a new array for each operation",
      "does not hold", nll[0] > 1.2 * nll[1] and steps[0] > 1.1 * steps[1] and same < 1e-3)

# %%
ratio.update({name: slow / fast for name, (slow, fast) in whole.items()})
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
colours = [mv.plot.COLOURS[0]] * 4 + [mv.plot.COLOURS[1]] * 2
ax.barh(list(ratio), list(ratio.values()), color=colours)
ax.axvline(1, color="0.2")
ax.invert_yaxis()
ax.tick_params(labelsize=12)
ax.set_title("How many times slower than its twin?", fontsize=14)
ax.set_xlabel("time, over that of its twin", fontsize=13)
figure(fig, "17_twins")
end()

# %% [markdown]
# ## Your turn
# 1. Sort the logits along the rows: `l = np.sort(rng(0).normal(size=(128,
#    784))).astype(np.float32)`. Which of the four pairs does that touch?
# 2. In `typed_nll`, write `np.maximum(l, 0)` for the first np.where. How much of the difference
#    is gone?
#
# ## What you should see
# 1. Only the first: np.where takes 1.7 times as long in place of 9, with the same numbers in
#    another order. Now the mask has a pattern, and the processor guesses right. The typed
#    cross-entropy is nearly as fast as minivae's then.
# 2. About half: 1.9 times as long in place of 2.9. The other half is in the second np.where.
