# %%
"""Lesson 02: backpropagation in one page.

Writes reverse mode from nothing, first with an order of the nodes that looks right and is wrong, then repaired; shows a
bias that silently grows into a matrix; finds the same two points in minivae's engine, and draws its graph. Takes about
2 s; needs nothing but minivae.
"""
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, show

args = arguments(__doc__)

# %% [markdown]
# ## The question
# A loss is computed from thousands of numbers in thousands of small steps, each of which is easy to differentiate. How do
# the small derivatives become the gradient of the loss, and where do programs that do this go wrong?
#
# **Predict.** (a) b = a + a and c = b + b. What is dc/da? A program starts at c with gradient 1 and walks back, giving each
# parent its share as soon as it gets there. b is reached twice. What does the program answer? And if it visits each node
# only once? (b) A bias has 3 numbers, and a batch has 20 rows. Its gradient, by mistake not summed over the rows, has shape
# (20, 3). What shape has the bias after `b = b - 0.1 * g`, and what does the training loss do then?
#
# Derivation: the chain rule in this form is [eq. (2.2)](derivations/02_backprop.md#eq-2-2), a value used twice
# [eq. (2.3)](derivations/02_backprop.md#eq-2-3), broadcasting [eq. (2.18)](derivations/02_backprop.md#eq-2-18).
#
# ## A number that remembers
# Each Node keeps its value and, for each number it was computed from (its parents), its own slope in that parent. That is
# all that is needed: forward we compute and take notes, backward we read the notes.

# %%
class Node:
    """A number, and how it was computed: parents holds pairs (parent, slope of this number in that parent)."""
    created = 0

    def __init__(self, value, parents=()):
        Node.created += 1
        self.value, self.parents, self.grad, self.age = value, parents, 0.0, Node.created

    def __add__(self, other):
        return Node(self.value + other.value, [(self, 1.0), (other, 1.0)])  # eq. (2.15)

    def __mul__(self, other):
        return Node(self.value * other.value, [(self, other.value), (other, self.value)])  # eq. (2.16)

    def tanh(self):
        y = np.tanh(self.value)
        return Node(y, [(self, 1 - y * y)])  # eq. (2.9)


def at_once(node):
    """WRONG: pass the gradient on to a parent, and go on from there at once."""
    for parent, slope in node.parents:
        parent.grad += slope * node.grad
        at_once(parent)


def once_each(node, visited=None):
    """WRONG as well: the same, but no node passes its gradient on a second time."""
    visited = set() if visited is None else visited
    if node not in visited:
        visited.add(node)
        for parent, slope in node.parents:
            parent.grad += slope * node.grad
            once_each(parent, visited)


def youngest_first(root):
    """RIGHT: a node waits until all that use it have reported; and users are younger than what they use."""
    found, stack = {root}, [root]
    while stack:
        new = {parent for parent, _ in stack.pop().parents} - found
        found |= new
        stack += new
    for node in sorted(found, key=lambda node: -node.age):
        for parent, slope in node.parents:
            parent.grad += slope * node.grad  # eq. (2.3)
    return sum(len(node.parents) for node in found)  # slopes used


def doubled(n):
    """a = 3, and n doublings: x = x + x."""
    nodes = [Node(3.0)]
    for _ in range(n):
        nodes.append(nodes[-1] + nodes[-1])
    nodes[-1].grad = 1.0
    return nodes


answers = {}
print("Gradient of n doublings x = x + x, in the number they start from\n"
      "    n    truth 2^n     at once   once each   youngest first")
for n in (1, 2, 3, 5):
    for order in (at_once, once_each, youngest_first):
        nodes = doubled(n)
        order(nodes[-1])
        answers[order, n] = nodes[0].grad
    print(f"{n:5}{2**n:13}{answers[at_once, n]:12.0f}{answers[once_each, n]:12.0f}{answers[youngest_first, n]:17.0f}")
print("For n = 2: at once, b passes on the first 1 that it gets, and then 2, which contains that 1 again (2 + 4 = 6);\n"
      "once each, it passes on the first 1 and never the second; youngest first, it waits for both.")
tree = [Node(v) for v in (0.5, -1.2, 0.7)]
for order in (at_once, once_each, youngest_first):
    for node in tree:
        node.grad = 0.0
    root = (tree[0] * tree[1] + tree[2]).tanh()
    root.grad = 1.0
    order(root)
    answers[order, "tree"] = [node.grad for node in tree]
print("tanh(p q + r), where nothing is used twice, has the same gradient in all three orders:",
      np.round(answers[at_once, "tree"], 4))

# %% [markdown]
# **(a)** 4. Walking at once answers 6: when b is reached first, it holds 1 and passes that on (a gets 1 + 1); when it is
# reached again it holds 2 and passes that on (2 + 2), so the first 1 is counted twice. Visiting each node once answers 2: b
# has passed on its 1 before the second 1 arrives. Both go down before they have gone sideways. The repair is an order in
# which b waits for all of its users, a *topological order*; sorting by age is the shortest way to get one.

# %%
right = all(answers[youngest_first, n] == 2**n for n in (1, 2, 3, 5))
claim("-", "going back from the loss, node by node along the edges, the order does not matter",
      f"b = a + a, c = b + b, dc/da = 4: at once {answers[at_once, 2]:.0f}, once each {answers[once_each, 2]:.0f}, "
      f"youngest first {answers[youngest_first, 2]:.0f}",
      "holds if no computed value is used twice; else each must wait for all its users",
      right and answers[at_once, 2] == 6 and answers[once_each, 2] == 2
      and answers[at_once, "tree"] == answers[once_each, "tree"] == answers[youngest_first, "tree"])


# %% [markdown]
# ## What it costs
# Why backwards at all? A finite difference needs two evaluations of the loss per input. One walk back serves all inputs.

# %%
def network(inputs):
    """A little network: ten numbers x and a hundred weights; ten units, each tanh of a weighted sum of x; their squares."""
    x, total = inputs[:10], inputs[0] * inputs[0]
    for w in (inputs[i:i + 10] for i in range(10, 110, 10)):
        unit = x[0] * w[0]
        for i in range(1, 10):
            unit = unit + x[i] * w[i]
        y = unit.tanh()
        total = total + y * y
    return total


worst = 0.0
for seed in range(3):
    values = np.random.default_rng(seed).normal(size=110)
    inputs = [Node(v) for v in values]
    before = Node.created
    root = network(inputs)
    forward, root.grad = Node.created - before, 1.0
    backward = youngest_first(root)

    def f(values):
        return network([Node(v) for v in values]).value
    numeric = [(f(values + 1e-5 * e) - f(values - 1e-5 * e)) / 2e-5 for e in np.eye(110)]  # eq. (1.4)
    tensors = [mv.Tensor(v, requires_grad=True) for v in values]
    network(tensors).backward()  # the same function, on minivae's engine
    worst = max(worst, np.abs(np.array([node.grad for node in inputs]) - numeric).max())
    ours, theirs = [node.grad for node in inputs], [float(t.grad) for t in tensors]
    assert np.allclose(ours, theirs, rtol=1e-12, atol=1e-14), "the page and minivae disagree"
print(f"\nA network of 110 numbers takes {forward} operations forward. The walk back uses {backward} slopes, for all\n"
      f"derivatives; finite differences repeat the forward pass 220 times, {220 * forward} operations. The two differ by at\n"
      f"most {worst:.0e}, the page and minivae's engine by rounding only.")
assert backward <= 2 * forward and worst < 1e-8

# %% [markdown]
# ## The bias that grew
# A dense layer adds the bias b to every row of its batch. NumPy copies b for that (it *broadcasts*), and a value that is
# copied 20 times is used 20 times: by eq. (2.18) its gradient is the sum over the rows. Here is a linear model,
# y = x W + b, fitted by gradient descent to 20 rows of noisy data, with that sum and without it.

# %%
def fit(seed, summed, steps=3000, lr=0.1):
    rng = np.random.default_rng(seed)
    true_W = rng.normal(size=(5, 3))
    x, x_new = rng.normal(size=(2, 20, 5))
    y, y_new = (a @ true_W + 1 + 0.5 * rng.normal(size=(20, 3)) for a in (x, x_new))
    W, b = np.zeros((5, 3)), np.zeros(3)
    for _ in range(steps):
        g = 2 * (x @ W + b - y) / len(x)  # gradient of the mean over rows of the squared error, in x W + b
        W = W - lr * x.T @ g  # eq. (3.2)
        b = b - lr * (g.sum(axis=0) if summed else g)  # eq. (3.3)
    return b.shape, np.mean((x @ W + b - y) ** 2), np.mean((x_new @ W + b - y_new) ** 2)


fits = {summed: [fit(seed, summed) for seed in range(5)] for summed in (True, False)}
print("\nMean squared error of x W + b after 3000 steps, five seeds: mean (smallest to largest)\n"
      "  gradient of b      shape of b       20 training rows          20 new rows")
for summed, rows in fits.items():
    cells = [f"{np.mean(e):.4f} ({min(e):.4f} to {max(e):.4f})" for e in list(zip(*rows))[1:]]
    print(f"  {'summed over rows' if summed else 'not summed':19}{str(rows[0][0]):13}{cells[0]:>26}{cells[1]:>26}")
print("Not summed, every training row has a bias of its own, which learns that row's noise by heart.")
b, g = np.zeros(3), np.ones((20, 3))
try:
    b -= 0.1 * g
except ValueError as error:
    print("With b -= 0.1 * g instead of b = b - 0.1 * g, NumPy says:", error)

# %% [markdown]
# **(b)** (20, 3): the subtraction broadcasts as well, now in the other direction. Each training row then has a bias of its
# own, which learns that row's noise by heart. So the training loss is *lower* than the right model's, and no error is
# raised as long as all batches have 20 rows. Only new rows show the damage.

# %%
train, new = ({s: np.mean([row[i] for row in rows]) for s, rows in fits.items()} for i in (1, 2))
claim("-", "a gradient of the wrong shape shows itself in training",
      f"error on training rows {train[True]:.2f}, with the grown bias {train[False]:.2f}; on new rows {new[True]:.2f} and "
      f"{new[False]:.2f} (tol 30 %)",
      "does not hold: the training loss is better than with the right gradient; new data are worse",
      all(bad[1] < good[1] and bad[2] > good[2] for good, bad in zip(*fits.values())))

# %% [markdown]
# ## The same on minivae's engine
# Tensor is Node with arrays for numbers and functions (VJPs) for slopes; backward() sorts by age. And the shape of every
# gradient is compared with its tensor's, so the forgotten sum cannot pass.

# %%
a = mv.Tensor(3.0, requires_grad=True)
b = a + a
c = b + b
c.backward()
print(f"\nminivae, b = a + a, c = b + b: dc/da = {float(a.grad):g}")


@mv.primitive
def forgetful(x, W, b):
    """WRONG: a dense layer whose rule for the bias does not sum over the rows."""
    return x @ W + b, (lambda g: g @ W.T, lambda g: x.T @ g, lambda g: g)


rng = np.random.default_rng(0)
x, W, bias = rng.normal(size=(20, 5)), rng.normal(size=(5, 3)), mv.Tensor(np.zeros(3), requires_grad=True)
try:
    forgetful(x, W, bias).sum().backward()
except ValueError as error:
    print("minivae, the forgotten sum:", error)
mv.dense(x, W, bias).sum().backward()
print("mv.dense sums, so the gradient of the bias has shape", bias.grad.shape)


# %% [markdown]
# ## The graph, drawn
# What backward() walks along is no more than this: each result knows its operation (t.op) and the tensors that it sends a
# gradient to (t._parents). The figure shows the three orders on c = b + b, and the graph of a small network's loss. The
# data x are not in it: nobody asked for their gradient.

# %%
def parents(t):
    return [p for p, _ in (t.parents if isinstance(t, Node) else t._parents)]


def layout(root):
    """{node: (column, row)}: a node stands one row below the lowest of its users, in the order in which it is found."""
    rows, stack = {root: 0}, [root]
    while stack:
        node = stack.pop()
        for parent in parents(node):
            if rows.get(parent, -1) <= rows[node]:
                rows[parent] = rows[node] + 1
                stack.append(parent)
    width = Counter(rows.values())
    place, seen = {}, Counter()
    for node in rows:
        row = rows[node]
        place[node] = seen[row] - (width[row] - 1) / 2, row
        seen[row] += 1
    return place


def draw(ax, root, label, title):
    place = layout(root)
    for node, (x, y) in place.items():
        for k, parent in enumerate(parents(node)):
            bend = (0.35, -0.35)[k] if sum(p is parent for p in parents(node)) > 1 else 0  # both edges to be seen
            ax.annotate("", place[parent], (x, y), arrowprops=dict(
                arrowstyle="->", color="0.45", shrinkA=16, shrinkB=16, connectionstyle=f"arc3,rad={bend}"))
        leaf = not parents(node)
        ax.text(x, y, label(node), ha="center", va="center", fontsize=8, bbox=dict(
            boxstyle="round,pad=0.35", fc="#FCE9D9" if leaf else "#DCEBF6", ec=mv.plot.COLOURS[1 if leaf else 0]))
    columns, rows = zip(*place.values())
    ax.set(xlim=(min(columns) - 0.7, max(columns) + 0.7), ylim=(max(rows) + 0.5, -0.5))
    ax.set_title(title, fontsize=10)
    ax.axis("off")


fig, axes = plt.subplots(1, 4, figsize=(10, 5.6), layout="constrained", width_ratios=[1, 1, 1, 2.6])
for ax, order, verdict in zip(axes, (at_once, once_each, youngest_first),
                              ("at once:\nwrong", "once each:\nwrong", "youngest first:\nright")):
    nodes = doubled(2)
    order(nodes[-1])
    names = dict(zip(nodes, "abc"))
    draw(ax, nodes[-1], lambda n: f"{names[n]} = {n.value:.0f}\ngradient {n.grad:.0f}", verdict)
model = mv.MLP((5, 4, 3), "tanh", np.float64, rng)
model.parameters()  # writes the names into the tensors
loss = ((model(x) - rng.normal(size=(20, 3))) ** 2).sum() / 20
draw(axes[3], loss, lambda t: f"{t.op or t.name}\n{t.shape}",
     "loss of a network with one hidden layer,\nas minivae keeps it")
fig.suptitle("arrows: the way of the gradient; orange: leaves, where it is kept; in brackets: shapes", fontsize=10)
figure(fig, "02_backprop")
show(args)

# %% [markdown]
# ## Your turn
# 1. A third way: carry the increment instead of the total, `walk(parent, slope * g)`, and add g to each node on arrival. Is
#    it right? Count the visits for 20 doublings, then say why nobody does it.
# 2. Give Node an exp and a division. Differentiate the sigmoid 1 / (1 + exp(-x)) and compare with y (1 - y).
# 3. at_once calls itself. What happens with 100,000 additions in a row? Why does youngest_first not mind?
# 4. In `fit`, take a fresh batch of 20 rows at each step. What does the grown bias learn now?
#
# Exercises that answer back: [ex02_backward_order](exercises/ex02_backward_order.py),
# [ex03_unbroadcast](exercises/ex03_unbroadcast.py).
