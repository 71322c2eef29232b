"""A solution of exercise 1, the numerical derivative."""

import numpy as np


def derivative(f, x, h):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        grad[i] = (f(up) - f(down)) / (2 * h)  # eq. (1.4)
    return grad
