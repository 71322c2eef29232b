"""A solution of exercise 7, one step of EM."""

import numpy as np


def em_step(x, pi, mu, var):
    log_density = -0.5 * np.log(var) - 0.5 * (x[:, None] - mu) ** 2 / var  # but for log(2 pi) / 2
    log_joint = np.log(pi) + log_density  # (N, K)
    r = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))  # eq. (6.10)
    r = r / r.sum(axis=1, keepdims=True)  # eq. (6.3)
    n = r.sum(axis=0)
    mu = x @ r / n  # eq. (6.5)
    return n / len(x), mu, np.sum(r * (x[:, None] - mu) ** 2, axis=0) / n
