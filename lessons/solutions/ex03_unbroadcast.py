"""A solution of exercise 3, unbroadcast."""


def unbroadcast(g, shape):
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))  # eq. (2.18): the axes that were added
    ones = tuple(i for i, n in enumerate(shape) if n == 1)
    return g.sum(axis=ones, keepdims=True)  # and those that were stretched
