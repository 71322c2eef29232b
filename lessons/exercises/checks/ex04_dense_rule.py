"""What exercise 4 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

import minivae as mv
from check import Case, draw, examine_rule

HINTS = (
    "One entry of y is y[n, j] = sum over i of x[n, i] W[i, j], plus b[j]. How much does y[n, j] change with x[n, i], "
    "with W[i, j], "
    "with b[j]? The gradient adds that up over all entries of y, each times its g[n, j].",
    "dL/dx[n, i] = sum over j of g[n, j] W[i, j]; dL/dW[i, j] = sum over n of x[n, i] g[n, j]; dL/db[j] = sum over n of "
    "g[n, j]. "
    "Write the first two as matrix products: which one is transposed, and where does it stand?",
    "g_x is g @ (something).T, g_W is (something).T @ g, and g_b is the sum of g over the axis of the batch.",
)

SIZES = ({"B": 1, "I": 1, "O": 1}, {"B": 1, "I": 2, "O": 1}, {"B": 1, "I": 1, "O": 2}, {"B": 2, "I": 1, "O": 1},
         {"B": 2, "I": 2, "O": 2},
         {"B": 2, "I": 3, "O": 4}, {"B": 5, "I": 2, "O": 3}, {"B": 3, "I": 3, "O": 3})


def check(answer):
    rng = np.random.default_rng(4)
    cases = [Case({"g": draw(rng, "BO", s), "x": draw(rng, "BI", s), "W": draw(rng, "IO", s), "b": draw(rng, "O", s)},
                  **s) for s in SIZES]
    suspects = {
        "y": {"the bias is not added": lambda c: c.x @ c.W, "the bias is subtracted": lambda c: c.x @ c.W - c.b,
              "the bias is added twice": lambda c: c.x @ c.W + 2 * c.b},
        "g_x": {"g is not used: the loss depends on x through y, so that g is a factor": lambda c:
                    np.ones_like(c.g) @ c.W.T},
        "g_W": {"g is not used: the loss depends on W through y, so that g is a factor": lambda c:
                    c.x.T @ np.ones_like(c.g),
                "a mean over the batch: the sum over the batch is part of the matrix product, and nothing divides it":
                    lambda c: c.x.T @ c.g / len(c.g),
                "only the first example of the batch": lambda c: c.x[:1].T @ c.g[:1]},
        "g_b": {"a mean over the batch: b is copied to every row, and the gradients of copies add up": lambda c:
                    c.g.mean(axis=0),
                "g is not used: count what y[n, j] does to the loss": lambda c: np.full(c.b.shape, len(c.g)),
                "1, the slope of y in b: times g, and summed over the batch": lambda c: np.ones_like(c.b),
                "only the first row of g: sum over the batch": lambda c: c.g[0],
                "only the last row of g: sum over the batch": lambda c: c.g[-1],
                "the sum over everything, in each entry: sum over the batch alone": lambda c: np.full(c.b.shape, c.g.sum()),
                "the sum of g times the bias: b itself is not in its gradient": lambda c: c.g.sum(axis=0) * c.b},
    }
    return examine_rule(answer, cases, {"y": "BO", "g_x": "BI", "g_W": "IO", "g_b": "O"}, mv.dense, suspects)
