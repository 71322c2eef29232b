"""A solution of exercise 6, one step of Adam."""

import numpy as np


def adam_step(p, g, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g  # eq. (3.11)
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)  # eq. (3.12)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v  # eq. (3.13)
