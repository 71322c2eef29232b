"""A solution of exercise 12, active units."""

import numpy as np


def active_units(mu, threshold):
    return np.var(mu, axis=0) > threshold  # eq. (15.7)
