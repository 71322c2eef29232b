"""A solution of exercise 16, the forward algorithm."""

import numpy as np


def log_probability(log_b, first, move):
    top = log_b.max(axis=2, keepdims=True)
    b = np.exp(log_b - top)  # (B, T, S), the likeliest state of each row at 1
    log_p = top[:, :, 0].sum(axis=1)
    before = first
    for t in range(log_b.shape[1]):
        alpha = before * b[:, t]  # (B, S), eq. (18.7)
        scale = alpha.sum(axis=1, keepdims=True)
        log_p = log_p + np.log(scale[:, 0])  # eq. (18.9)
        before = alpha / scale @ move
    return log_p
