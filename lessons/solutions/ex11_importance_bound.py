"""A solution of exercise 11, the importance-weighted bound."""

import numpy as np


def importance_bound(nll, eps, logvar, z):
    log_w = -nll + 0.5 * np.sum(eps**2 + logvar - z**2, axis=-1)  # eq. (15.4)
    top = log_w.max(axis=0)
    return top + np.log(np.mean(np.exp(log_w - top), axis=0))  # eq. (15.2) by eq. (6.10)
