"""Exercise 2: the order of a backward pass. Belongs to lesson 02.

Write the order in which a backward pass visits the nodes of a graph, beginning with root. A node
may pass its gradient on only after all nodes that use it have passed on theirs, so it must stand
behind all of them. List each node that root was computed from once, and no others; a graph of many
thousands of nodes in a row must not hit Python's recursion limit.

Derived in
[eq. (2.2)](../derivations/02_backprop.md#eq-2-2),
[eq. (2.3)](../derivations/02_backprop.md#eq-2-3).
Run this file to check your answer; run it with --hint if you are stuck.
"""

from check import run


def backward_order(root, parents):
    """A list of nodes. parents: dict, node -> list of nodes it was computed from ([] for a leaf).

    For c = b + b and b = a * d, root is "c", and
    parents = {"a": [], "d": [], "b": ["a", "d"], "c": ["b", "b"]}.
    """
    raise NotImplementedError("a node may be listed once all of its users are listed")


if __name__ == "__main__":
    run(__file__, backward_order)
