"""What exercise 3 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

from check import Case, examine
from minivae.ops import unbroadcast

HINTS = (
    "By eq. (2.18) the gradient of an entry is the sum of the gradients of its copies. So nothing but sums over axes is "
    "needed: the "
    "question is which axes.",
    "First the axes in front: g has g.ndim - len(shape) more of them than x, and they vanish. Then those axes where shape "
    "has a 1 and "
    "g does not: they stay, with length 1.",
    "g = g.sum(axis=tuple(range(g.ndim - len(shape)))) takes care of the first kind. For the second, sum over the axes i "
    "with "
    "shape[i] == 1, with keepdims=True. Return the result.",
)

PAIRS = (((2,), (2,)), ((2,), (1,)), ((2,), ()), ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), (1, 3)), ((2, 3), (2, 1)),
         ((2, 2), (2,)),
         ((2, 3), (1, 1)), ((2, 3), (1,)), ((2, 3), ()), ((1, 3), (1, 3)), ((1, 3), (3,)), ((3, 1), (1, 1)),
         ((2, 3, 4), (3, 1)), ((2, 3, 4), (1, 4)),
         ((4, 2, 3), (4, 1, 3)), ((4, 2, 3), (1, 1)), ((3, 3, 3), (3, 1)), ((2, 1, 3, 2), (1, 3, 1)))


def kind(big, small):
    added, stretched = len(big) > len(small), any(n == 1 < b for n, b in zip(small[::-1], big[::-1]))
    return ("axes in front are added, and axes of length 1 stretched" if added and stretched else "axes in front are added" if added else
            "axes of length 1 are stretched" if stretched else "nothing is copied")


def due(case):
    return case.shape


def hint(yours, due):
    if len(yours) > len(due):
        return "There are axes too many: those that broadcasting added stand in front, and vanish when they are summed over."
    if len(yours) < len(due):
        return "There are axes too few: where shape has a 1, the axis stays, with length 1."
    return ("The number of axes is right, their lengths are not: sum over the axes in front that were added, and over those "
            "where shape has a 1.")


due.hint = hint


def check(answer):
    rng = np.random.default_rng(3)
    cases = [Case({"g": np.round(rng.normal(size=big), 1), "shape": small}, kind(big, small)) for big, small in PAIRS]

    def with_(front, stretched):
        """The right axes, with another reduction than the sum over those in front or over those of length 1."""
        def f(c):
            g = c.g
            for _ in range(c.g.ndim - len(c.shape)):
                g = front(g, axis=0)
            for i, n in enumerate(c.shape):
                g = np.expand_dims(stretched(g, axis=i), i) if n == 1 < g.shape[i] else g
            return g
        return f

    ways = {"summed": np.sum, "averaged": np.mean, "taken at its largest": np.max, "taken at its first copy": lambda g,
            axis: np.take(g, 0, axis),
            "taken at its last copy": lambda g, axis: np.take(g, -1, axis)}
    def last(c):
        """The added axes taken from the end."""
        g = c.g
        for _ in range(c.g.ndim - len(c.shape)):
            g = g.sum(axis=-1)
        return unbroadcast(g, c.shape) if g.shape == c.shape else np.full(c.shape, np.inf)

    suspects = {
        **{f"along the axes in front g is {a}, along those of length 1 it is {b}: the gradients of all copies add up":
               with_(f, s)
           for a, f in ways.items() for b, s in ways.items() if a != "summed" or b != "summed"},
        "the axes that broadcasting adds are in front, and you sum over the last ones": last,
        "it is the sum of all of g, in every entry: sum over the copies of that entry alone": lambda c:
            np.full(c.shape, c.g.sum()),
        "g is repeated or cut to size, and not summed": lambda c: np.resize(c.g, c.shape),
    }
    return examine(answer, cases, {"unbroadcast": due}, lambda c: [unbroadcast(c.g, c.shape)], {"unbroadcast": suspects})
