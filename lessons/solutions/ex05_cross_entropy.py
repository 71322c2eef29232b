"""A solution of exercise 5, the cross-entropy from logits."""

import numpy as np


def cross_entropy(g, logits, x):
    e = np.exp(-np.abs(logits))
    nll = np.sum(np.maximum(logits, 0) - logits * x + np.log1p(e), axis=1)  # eq. (4.5)
    sigmoid = np.where(logits >= 0, 1, e) / (1 + e)
    return nll, g[:, None] * (sigmoid - x)  # eq. (4.6)
