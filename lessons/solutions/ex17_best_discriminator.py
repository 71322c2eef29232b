"""A solution of exercise 17, the best discriminator."""

import numpy as np


def best_discriminator(p, q):
    D = p / (p + q)  # eq. (19.1)

    def mean_log(w, share):  # the mean of log(share) over w; 0 log 0 is 0
        return np.sum(w * np.log(np.where(w > 0, share, 1)), axis=-1)

    return D, (mean_log(p, D) + mean_log(q, 1 - D)) / 2 + np.log(2)  # eq. (19.4)
