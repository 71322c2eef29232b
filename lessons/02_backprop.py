# %%
"""Lesson 02: backpropagation in one page.

You write the machine that turns small derivatives into one gradient. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, graph, predict

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A loss is computed from thousands of numbers in thousands of small steps, and each step is easy
# to differentiate. How do they become the gradient of the loss? The chain rule says: go back from
# the loss. What a *node* gets from all its users adds up, and it sends each parent that sum times
# its slope in it, [eq. (2.2)](derivations/02_backprop.md#eq-2-2) and
# [eq. (2.3)](derivations/02_backprop.md#eq-2-3). The smallest computation in which something is
# used twice:
#
#     b = a + a
#     c = b + b          so c = 4 a, and dc/da = 4
#
# **What you need:** the chain rule; the words [node, parent, user](GLOSSARY.md#graph).

# %%
at_arrival = predict("""A program starts at c with gradient 1 and follows every edge back. Arriving
    at a node, it adds what it brings to the node's total, and at once sends that total on to the
    parents. It arrives at b twice. What does it report for dc/da?""", a="4", b="6", c="8")
first_only = predict("""The same, but a node sends only once, when it is reached for the first
    time. What does the program report now?""", a="4", b="2", c="1")

# %% [markdown]
# ## A number that remembers
# Forward, each node notes its parents and its slope in each. Backward we only read the notes.

# %%
class Node:
    created = 0

    def __init__(self, value, parents=(), name=""):
        Node.created += 1
        self.age = Node.created
        self.value = value
        self.parents = parents                      # pairs (parent, slope of this node in it)
        self.name = name
        self.grad = 0.0

    def __add__(self, other):                                                     # eq. (2.15)
        return Node(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):                                                     # eq. (2.16)
        return Node(self.value * other.value, [(self, other.value), (other, self.value)])


def four_times(a):
    b = a + a
    c = b + b
    b.name, c.name = "b", "c"
    return c

# %% [markdown]
# ## Two orders that look right
# The first prints what it does. In the second a node sends only once.

# %%
def at_once(node, tell=False):
    for parent, slope in node.parents:
        parent.grad += slope * node.grad
        if tell:
            print(f"  {node.name} has {node.grad:g} and sends {slope * node.grad:g} "
                  f"to {parent.name}, which now has {parent.grad:g}")
        at_once(parent, tell)


def once_each(node, sent=None):
    sent = set() if sent is None else sent
    if node not in sent:
        sent.add(node)
        for parent, slope in node.parents:
            parent.grad += slope * node.grad
            once_each(parent, sent)


def gradients(order, f, leaves):
    """The gradient of f(*leaves) in each leaf, if one goes back in this order."""
    root = f(*leaves)
    root.grad = 1.0
    order(root)
    return [leaf.grad for leaf in leaves]

# %%
print("\nEvery step of at_once:")
[first] = gradients(lambda c: at_once(c, tell=True), four_times, [Node(3.0, name="a")])
at_arrival.answer("b", """b first has 1 and sends it along both its edges: a gets 1 + 1. Then b
    has 2 and sends that along both: 2 + 2 more. The 1 that b had first is inside the 2: it was
    counted twice.""")
[second] = gradients(once_each, four_times, [Node(3.0, name="a")])
print(f"\nOnce each: a has {second:g}")
first_only.answer("b", """b sends its first 1 along both edges. The second 1 arrives when b has
    already sent, and is lost.""")

# %% [markdown]
# ## The order that is right
# b must wait until *all* its users have reported. A user is always younger than what it uses, so
# it is enough to go from the youngest to the oldest. `backward` in
# [minivae/autodiff.py](../minivae/autodiff.py) does the same.

# %%
def youngest_first(root):
    found, stack = {root}, [root]
    while stack:
        new = {parent for parent, _ in stack.pop().parents} - found
        found |= new
        stack += new
    for node in sorted(found, key=lambda node: -node.age):
        for parent, slope in node.parents:
            parent.grad += slope * node.grad                                      # eq. (2.3)


# %% [markdown]
# Where nothing computed is used twice, as in p q + r, all orders should agree.

# %%
[third] = gradients(youngest_first, four_times, [Node(3.0, name="a")])
ORDERS = at_once, once_each, youngest_first
trees = [gradients(order, lambda p, q, r: p * q + r, [Node(2.0), Node(5.0), Node(1.0)])
         for order in ORDERS]                                                     # (3, 3)
print("\nGradient of p q + r at (2, 5, 1), in the three orders:", *trees)
a = mv.Tensor(3.0, requires_grad=True)
four_times(a).backward()
print(f"b = a + a, c = b + b: a has {third:g} youngest first, and {a.grad:g} in minivae")
claim("-", "going back from the loss, node by node along the edges, the order does not matter",
      f"b = a + a, c = b + b, dc/da = 4: at once {first:.0f}, once each {second:.0f}, "
      f"youngest first {third:.0f}",
      "holds if no computed value is used twice; else each must wait for all its users",
      np.allclose(trees, trees[0]) and (first, second, third) == (6, 2, 4) and a.grad == 4)

# %%
fig, axes = plt.subplots(1, 3, figsize=(7.5, 4.4), layout="constrained")
for ax, order, verdict in zip(axes, ORDERS, ("wrong", "wrong", "right")):
    c = four_times(Node(3.0, name="a"))
    c.grad = 1.0
    order(c)
    graph(ax, c, lambda node: [parent for parent, _ in node.parents],
          lambda node: f"{node.name} = {node.value:g}\ngradient {node.grad:g}",
          f"{order.__name__}: {verdict}", fontsize=12)
fig.suptitle("The true gradient of a is 4", fontsize=14)
figure(fig, "02_backprop")
end()

# %% [markdown]
# ## Your turn
# 1. Let `four_times` double once more: `d = c + c`, and return d (name it "d"). How often does b
#    send now, and what? Write the lines down before you run it.
# 2. A third way: let only what is *new* travel. In `at_once`, in place of `at_once(parent,
#    tell)`, walk on with a copy of the parent that holds nothing but the new gradient. Is the
#    answer right? What would it cost for 20 doublings?
#
# Exercises that answer back: [ex02_backward_order](exercises/ex02_backward_order.py),
# [ex03_unbroadcast](exercises/ex03_unbroadcast.py).
#
# ## What you should see
# 1. Four times, along both edges: 1, 2, 4 and 6. So a ends with 2 (1 + 2 + 4 + 6) = 26 where 8 is
#    right.
# 2. It is right: 4. But every path from c to a is walked on its own: after 20 doublings a
#    million, where youngest_first sends 40 times.
