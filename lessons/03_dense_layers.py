# %%
"""Lesson 03: a dense layer, forwards and backwards.

The networks of a VAE are made of one kind of layer. You will find its gradients, first with
nothing but the shapes of the matrices. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A dense layer turns a batch x of B rows into y = x @ W + b: each output is a weighted sum of all
# inputs, and an offset. Backpropagation hands it g, the gradient of the loss in y. What are the
# gradients in x, W and b?
#
# **What you need:** matrix products, and backpropagation ([lesson 2](02_backprop.py)): each
# operation turns the gradient of its output into those of its inputs, by its
# [rule](GLOSSARY.md#vjp). A gradient has the shape of what it belongs to.

# %%
shapes = predict("""x is (6, 5), W (5, 3), g (6, 3). Multiply x or its transpose with g or its
                 transpose, in either order: 8 products. How many have the shape of W?""",
                 a="1", b="2", c="4")
square = predict("""Now B = 4, with 4 inputs and 4 outputs, so that all matrices are square.
                 How many of the 8 have the right shape, and how many are right?""",
                 a="1 and 1", b="8 and 1", c="8 and 2")

# %% [markdown]
# ## What the shapes say
# We write all eight down and look.

# %%
def products(x, g):
    """{name: product} of x or x.T with g or g.T, in either order, where the shapes allow it."""
    xs, gs = {"x": x, "x.T": x.T}, {"g": g, "g.T": g.T}
    pairs = [(p, q) for p in xs.items() for q in gs.items()]
    pairs += [(q, p) for p, q in pairs]
    return {f"{m} @ {n}": a @ b for (m, a), (n, b) in pairs if a.shape[1] == b.shape[0]}


def layer(B, n_in, n_out):
    """Random x, W, b, and the gradient g of the loss in y, as it might arrive."""
    sizes = ((B, n_in), (n_in, n_out), (n_out,), (B, n_out))
    return [rng(0, i).normal(size=size) for i, size in enumerate(sizes)]


x, W, b, g = layer(6, 5, 3)
print("\nx (6, 5), g (6, 3), W (5, 3):")
table(["product", "shape"], [[name, p.shape] for name, p in products(x, g).items()])
fits = [name for name, p in products(x, g).items() if p.shape == W.shape]
print("of the shape of W:", ", ".join(fits))

# %%
shapes.answer("a", """x.T @ g alone. (g.T @ x is its transpose.) The batch size 6 must be summed
    away, so the two 6s stand in the middle, and 5 must come first.""")

# %% [markdown]
# ## The rules
# One output is y[n, j] = sum over i of x[n, i] W[i, j], plus b[j]. So W[i, j] is used in every
# row n, where its derivative is x[n, i]. A value used in several places adds up what comes back:
# [eq. (3.2)](derivations/03_dense_layers.md#eq-3-2). The same goes for x,
# [eq. (3.1)](derivations/03_dense_layers.md#eq-3-1), and for b, which each row uses once,
# [eq. (3.3)](derivations/03_dense_layers.md#eq-3-3):
#
# $$ \bar W = x^{\mathsf T} g, \qquad \bar x = g\, W^{\mathsf T},
#    \qquad \bar b = \sum_{\text{rows}} g $$
#
# These are the three lines that `dense` in [minivae/ops.py](../minivae/ops.py) returns. We compare
# them with central differences of the sum of y * g, whose gradient in y is g.

# %%
def numeric(f, a, h=1e-6):
    """Central differences of the number f(a) in each entry of a, eq. (1.4)."""
    slopes = np.zeros_like(a)
    for index in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[index] = h
        slopes[index] = (f(a + step) - f(a - step)) / (2 * h)
    return slopes


rows = []
for name, by_rule, slopes in (
    ("x", g @ W.T, numeric(lambda a: np.sum((a @ W + b) * g), x)),                  # eq. (3.1)
    ("W", x.T @ g, numeric(lambda a: np.sum((x @ a + b) * g), W)),                  # eq. (3.2)
    ("b", g.sum(axis=0), numeric(lambda a: np.sum((x @ W + a) * g), b)),            # eq. (3.3)
):
    rows.append([name, by_rule.shape, f"{np.abs(by_rule - slopes).max():.0e}"])
inputs = [mv.Tensor(a, requires_grad=True) for a in (x, W, b)]
mv.dense(*inputs).backward(g)
for row, tensor, rule in zip(rows, inputs, (g @ W.T, x.T @ g, g.sum(axis=0))):
    row.append(f"{np.abs(tensor.grad - rule).max():.0e}")
print("\nThe rule, less central differences, and less minivae's mv.dense:")
table(["gradient of", "shape", "differences", "mv.dense"], rows)

# %% [markdown]
# ## Where the shapes are silent

# %%
x4, W4, b4, g4 = layer(4, 4, 4)
slopes = numeric(lambda a: np.sum((x4 @ a + b4) * g4), W4)
found = {name: np.abs(p - slopes).max() for name, p in products(x4, g4).items()}
right = [name for name, off in found.items() if off < 1e-6]
print("\nB = 4, 4 inputs, 4 outputs: largest error of each product as the gradient of W")
table(["product", "error"], [[name, f"{off:.0e}"] for name, off in found.items()])
square.answer("b", """All eight fit, and only x.T @ g is right. No shape tells the others; a
    comparison with differences does.""")
claim("-", "the shapes tell which product is the gradient of W",
      f"of 8 products {len(fits)} fits where the three sizes differ; where they are equal "
      f"{len(found)} fit and {len(right)} is right",
      "holds if the sizes differ: so test a rule with sizes that do",
      fits == right == ["x.T @ g"] and len(found) == 8)

# %%
fig, ax = plt.subplots(figsize=(7.5, 6.2), layout="constrained")
lines = [("y\n= x @ W", x @ W, x, W), ("gradient of W\n= x.T @ g", x.T @ g, x.T, g),
         ("gradient of x\n= g @ W.T", g @ W.T, g, W.T)]
for i, (name, *matrices) in enumerate(lines):
    left, top = 0, -8 * i
    ax.text(-9, top - 2.5, name, fontsize=15, va="center")
    for matrix, sign in zip(matrices, ("=", "@", "")):
        height, width = matrix.shape
        ax.imshow(matrix, cmap="PuOr", vmin=-4, vmax=4,
                  extent=(left, left + width, top - height, top))
        ax.text(left + width + 1.5, top - 2.5, sign, fontsize=18, ha="center", va="center")
        left += width + 3
ax.set(xlim=(-9.5, 18), ylim=(-22.5, 0.5))
ax.set_title("Each product sums over the size in its middle", fontsize=15)
ax.axis("off")
figure(fig, "03_dense_layers")
end()

# %% [markdown]
# ## Your turn
# 1. Give the first layer as many outputs as inputs: `layer(6, 5, 5)`. How many products have the
#    shape of W now?
# 2. Check the square layer with the plain sum of y, as many do: below the line with `layer(4, 4,
#    4)` add `g4 = np.ones((4, 4))`. How many of the eight pass?
#
# Exercises that answer back: [ex04_dense_rule](exercises/ex04_dense_rule.py).
#
# ## What you should see
# 1. Two: x.T @ g and its transpose, g.T @ x. W is square, so its own transpose has its shape. A
#    transposed matrix is the commonest mistake in such rules, and here nothing would stop it.
# 2. Two: x.T @ g, and x.T @ g.T, since a matrix of ones is its own transpose. A check needs a
#    gradient with different numbers in it, as [lesson 1](01_gradient_check.py) found.
