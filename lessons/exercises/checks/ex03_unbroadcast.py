"""Exercise 3, unbroadcast: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, table

HINTS = (
    """By eq. (2.18) the gradient of an entry is the sum of the gradients of its copies. So nothing
    but sums over axes is needed: the question is which axes.""",
    """First the axes in front: g has g.ndim - len(shape) more of them than x, and they vanish.
    Then those axes where shape has a 1 and g does not: they stay, with length 1.""",
    """g = g.sum(axis=tuple(range(g.ndim - len(shape)))) takes care of the first kind. For the
    second, sum over the axes i with shape[i] == 1, with keepdims=True. Return the result.""",
)

INPUTS = {}
OUTPUTS = {"unbroadcast": lambda case: case.inputs["shape"]}

PAIRS = (
    ((2,), (2,)),
    ((2,), (1,)),
    ((2,), ()),
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((2, 3), (1, 3)),
    ((2, 3), (2, 1)),
    ((2, 2), (2,)),
    ((2, 2), (1, 2)),
    ((2, 2), (2, 1)),
    ((2, 3), (1, 1)),
    ((2, 3), (1,)),
    ((2, 3), ()),
    ((1, 3), (1, 3)),
    ((1, 3), (3,)),
    ((3, 1), (1, 1)),
    ((1, 1, 3), (3,)),
    ((2, 3, 4), (3, 1)),
    ((2, 3, 4), (1, 4)),
    ((2, 3, 4), (4,)),
    ((2, 3, 4), (1, 1, 4)),
    ((2, 3, 4), (2, 1, 1)),
    ((4, 2, 3), (4, 1, 3)),
    ((4, 2, 3), (1, 1)),
    ((3, 3, 3), (3, 1)),
    ((3, 3, 3), (3, 3)),
    ((3, 3, 3), (3,)),
    ((2, 1, 3, 2), (1, 3, 1)),
    ((2, 3, 2, 2), (1, 2)),
    ((2, 2, 2, 2), (2, 1, 1)),
)


class Kind(Case):
    """A case whose shapes say enough."""

    def __str__(self):
        return ""


def cases(rng):
    for big, small in PAIRS:
        g = np.round(rng.normal(size=big), 1)
        stretched = sum(n == 1 < b for n, b in zip(small[::-1], big[::-1]))
        yield Kind(
            {"g": np.where(g == 0, 0.5, g), "shape": small},
            **{
                "the number of axes in front": len(big) - len(small),
                "the number of stretched axes": stretched,
            }
        )


def right(g, shape):
    g = np.sum(g, axis=tuple(range(g.ndim - len(shape))))
    return np.sum(g, axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


def names(g, shape):
    def reduced(front, stretched):
        """The right axes, with other reductions than sums: over those in front, and over those of
        length 1."""
        a = g
        for _ in range(g.ndim - len(shape)):
            a = front(a, axis=0)
        for i, n in enumerate(shape):
            if n == 1:
                a = stretched(a, axis=i, keepdims=True)
        return a

    def first(a, axis, keepdims=False):
        return np.take(a, [0] if keepdims else 0, axis)

    def last(a, axis, keepdims=False):
        return np.take(a, [-1] if keepdims else -1, axis)

    def kept(axes):
        """Summed over these axes, and nothing else."""
        return np.sum(g, axis=tuple(axes))

    front = range(g.ndim - len(shape))
    ones = [i + len(front) for i, n in enumerate(shape) if n == 1]
    return {
        "reduced": reduced,
        "first": first,
        "last": last,
        "kept": kept,
        "front": front,
        "ones": ones,
    }


MISTAKES = table("""
unbroadcast
    reduced(np.mean, np.mean)
        it is the mean of the gradients of the copies: their sum is due
    reduced(np.mean, np.sum)
        along the axes in front it is averaged: the gradients of all copies add up
    reduced(np.sum, np.mean)
        along the axes of length 1 it is averaged: the gradients of all copies add up
    reduced(first, first)
        it is the gradient of the first copy alone: those of all copies add up
    reduced(first, np.sum)
        along the axes in front only the first copy counts: the gradients of all copies add up
    reduced(np.sum, first)
        along the axes of length 1 only the first copy counts: the gradients of all copies add up
    reduced(last, last)
        it is the gradient of the last copy alone: those of all copies add up
    reduced(np.median, np.median)
        it is the median of the gradients of the copies: their sum is due
    reduced(np.max, np.max)
        it is the largest of the gradients of the copies: their sum is due
    np.full(shape, np.sum(g))
        it is the sum of all of g, in every entry: sum over the copies of that entry alone
    np.full(shape, np.mean(g))
        it is the mean of all of g, in every entry: sum over the copies of that entry alone
    g
        g is returned as it is: sum it over the axes that were copied
    np.sum(g, axis=0)
        it is summed over axis 0, whatever shape is
    kept(range(len(shape), g.ndim))
        it is summed over the last axes: those that were added stand in front
    kept(front)
        it is summed over the axes in front, and not over those of length 1
    kept([*front, *ones])
        the axes of length 1 are summed over, and gone: they stay, with length 1 (keepdims)
    g[tuple(slice(n) for n in shape)]
        g is cut to the size of shape: the gradients of the copies add up
    np.resize(g, shape)
        g is repeated or cut to size, and not summed
    np.zeros(shape)
        it is zero throughout
    np.ones(shape)
        it is 1 throughout: the gradients of the copies add up
""")
