"""Exercise 4, the rule of a dense layer: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, draw, table

HINTS = (
    """One entry of y is y[n, j] = sum over i of x[n, i] W[i, j], plus b[j]. How much does y[n, j]
    change with x[n, i], with W[i, j], with b[j]? The gradient adds that up over all entries of y,
    each times its g[n, j].""",
    """dL/dx[n, i] = sum over j of g[n, j] W[i, j]; dL/dW[i, j] = sum over n of x[n, i] g[n, j];
    dL/db[j] = sum over n of g[n, j]. Write the first two as matrix products: which one is
    transposed, and where does it stand?""",
    """g_x is g @ (something).T, g_W is (something).T @ g, and g_b is the sum of g over the axis of
    the batch.""",
)

INPUTS = {"g": "BO", "x": "BI", "W": "IO", "b": "O"}
OUTPUTS = {"y": "BO", "g_x": "BI", "g_W": "IO", "g_b": "O"}


def cases(rng):
    for B, I, O in (
        (1, 1, 1),
        (1, 2, 1),
        (1, 1, 2),
        (2, 1, 1),
        (2, 2, 2),
        (2, 3, 4),
        (5, 2, 3),
        (3, 3, 3),
        (4, 2, 5),
    ):
        yield Case(draw(rng, INPUTS, B=B, I=I, O=O), B=B, I=I, O=O)


def right(g, x, W, b):
    return x @ W + b, g @ W.T, x.T @ g, np.sum(g, axis=0)


MISTAKES = table("""
y
    x @ W
        the bias is not added
    x @ W - b
        the bias is subtracted: it is added
    np.maximum(y, 0)
        there is a relu behind the layer: the layer alone is asked for
    np.tanh(y)
        there is a tanh behind the layer: the layer alone is asked for

g_x
    np.ones_like(g) @ W.T
        g is missing: the loss depends on x through y, so that g is a factor
    (g * (x @ W + b > 0)) @ W.T
        g is masked where y is negative, as for a relu: this layer has none
    g_x / B
        this is a mean over the batch: nothing divides here

g_W
    x.T @ np.ones_like(g)
        g is missing: the loss depends on W through y, so that g is a factor
    g_W / B
        this is a mean over the batch: the sum over it is part of the matrix product, and nothing
        divides it
    x[:1].T @ g[:1]
        only the first example of the batch counts: sum over the batch
    x[-1:].T @ g[-1:]
        only the last example of the batch counts: sum over the batch
    x.T @ (g * (x @ W + b > 0))
        g is masked where y is negative, as for a relu: this layer has none
    W * g_W
        W is a factor: y is linear in W, so W itself is not in its gradient

g_b
    g.sum(axis=1)
        this is summed over the outputs: over the batch, axis 0, is due
    g.mean(axis=0)
        this is a mean over the batch: b is copied to every row, and the gradients of copies add up
    np.full(O, float(B))
        g is missing: this counts the rows
    np.ones(O)
        this is 1, the slope of y in b: times g, and summed over the batch
    g[0]
        this is the first row of g alone: sum over the batch
    g[-1]
        this is the last row of g alone: sum over the batch
    np.full(O, np.sum(g))
        this is the sum of all of g, in each entry: sum over the batch alone
    np.sum(g, axis=0) * b
        b is a factor: y is b plus something, so b itself is not in its gradient
    b
        this is b itself: sum g over the batch
""")
