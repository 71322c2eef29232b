"""What exercise 12 knows: its hints, its cases, and wrong answers by name."""

import statistics

import numpy as np

from check import Case, Wrong, call, describe, examine

HINTS = (
    "mu has one row per example and one column per latent. Does a column move from row to row? Its average has no part in "
    "that.",
    "The variance of column j over the examples is the mean of the squared distances from the column's mean. NumPy has "
    "np.var; which axis?",
    "np.var(mu, axis=0) has one variance per latent, shape (Z,), and divides by N. Compare it with the threshold: larger "
    "is active, equal is not.",
)


def check(answer):
    rng, cases = np.random.default_rng(12), []
    add = lambda mu, threshold, note="": cases.append(Case({"mu": np.array(mu, float), "threshold": threshold}, note,
                                                           N=len(mu), Z=len(mu[0])))
    add([[0], [1]], 0.2)
    add([[0], [1]], 0.3)
    add([[0], [0.19]], 0.01)                  # variance 0.009: above the threshold only with N - 1
    add([[0], [0.5]], 0.1)                    # 0.0625: the standard deviation, 0.25, is above
    add([[0], [1]], 0.25, "the variance equals the threshold")
    add([[3], [3]], 0.01, "the mean is far from 0, and nothing moves")
    add([[-3, 5], [-3, 6]], 0.01)
    add([[0, 2, 5], [0, 2, 7]], 0.01)
    add([[1, 1, 2], [0.9, 1, 2], [1.1, 1, 2.05], [1, 1, 1.95]], 0.001)
    for N, Z in ((2, 3), (5, 3), (4, 4), (8, 2), (30, 5), (50, 7)):
        for threshold in (0.01, 0.5, 2.0):
            spread = np.sqrt(threshold) * np.array([0.3, 0.8, 0.95, 1.05, 1.2, 3, 0])[rng.permutation(7)[:Z]]
            add(np.round(rng.normal(size=Z) + spread * rng.normal(size=(N, Z)), 2), threshold)
    v = lambda c: np.array([statistics.pvariance(column) for column in c.mu.T.tolist()])
    right = lambda c: [(v(c) > c.threshold + 1e-15)]
    for case in cases:
        result = call(answer, case)
        if isinstance(result, (np.ndarray, np.generic, int)) and np.asarray(result).dtype.kind in "fiu":
            a, due = np.asarray(result), right(case)[0]
            looks = ("how many are active" if a.ndim == 0 else "the numbers of the active latents, as np.where or "
                                                               "np.flatnonzero give them"
                     if np.array_equal(a, np.flatnonzero(due)) and a.dtype.kind == "i" and not np.array_equal(a, due) else
                     "the variances themselves" if a.shape == due.shape and np.allclose(a, v(case)) else
                     "0 and 1" if a.shape == due.shape and set(np.unique(a).tolist()) <= {0, 1} else "numbers")
            raise Wrong(f"it must return True or False for each latent, shape (Z,) = {due.shape}, and it returned {describe(result)}.\n=> It looks "
                        f"like {looks}; compare the variances with the threshold, and return what that gives")
    m = lambda c: c.mu
    suspects = {"active": {
        "the mask of the latents that are *not* active: above the threshold is active": lambda c: v(c) <= c.threshold,
        "below the threshold is taken for active": lambda c: v(c) < c.threshold,
        "equal to the threshold is taken for active: only above is": lambda c: v(c) >= c.threshold,
        "the variance divides by N - 1 (ddof=1): divide by N": lambda c: np.var(m(c), axis=0, ddof=1) > c.threshold,
        "the standard deviation is compared with the threshold: the variance is due": lambda c:
            np.std(m(c), axis=0) > c.threshold,
        "the mean of mu**2 is compared: take the column's mean off first, a constant column says nothing of x": lambda c:
            np.mean(m(c) ** 2, axis=0) > c.threshold,
        "the mean is compared, and not the variance": lambda c: np.mean(m(c), axis=0) > c.threshold,
        "the absolute value of the mean is compared, and not the variance": lambda c:
            np.abs(np.mean(m(c), axis=0)) > c.threshold,
        "the largest minus the smallest is compared: the variance is due": lambda c: np.ptp(m(c), axis=0) > c.threshold,
        "the mean absolute distance is compared: the variance is due": lambda c:
            np.abs(m(c) - m(c).mean(axis=0)).mean(axis=0) > c.threshold,
        "the sum of squared distances is compared: divide by N": lambda c: v(c) * len(m(c)) > c.threshold,
        "the threshold is not used: it is 0.01 always": lambda c: v(c) > 0.01,
        "the threshold is not used: it is 0 always": lambda c: v(c) > 1e-15,
        "the threshold is squared": lambda c: v(c) > c.threshold**2,
        "the root of the threshold is compared": lambda c: v(c) > np.sqrt(c.threshold),
        "the variance is squared": lambda c: v(c) ** 2 > c.threshold,
        "the variance of all of mu together is compared, the same for each latent": lambda c:
            np.full(m(c).shape[1], np.var(m(c)) > c.threshold),
        "all are taken for active": lambda c: np.ones(m(c).shape[1]),
        "none is taken for active": lambda c: np.zeros(m(c).shape[1]),
        "any row above the threshold counts: it is the variance that decides": lambda c:
            np.any(np.abs(m(c)) > c.threshold, axis=0),
        "the distance of the means from the overall mean is compared: take each column's own": lambda c:
            np.mean((m(c) - m(c).mean()) ** 2, axis=0) > c.threshold,
        "the variance over the latents (axis 1) is taken: over the examples, axis 0": lambda c:
            np.resize(np.var(m(c), axis=1), m(c).shape[1]) > c.threshold,
    }}

    def tutor(i, wrong_cases):
        return [f"in this example the variances are {np.array2string(v(wrong_cases[0]), precision=4, separator=', ')}, by eq. (15.7)"]
    return examine(answer, cases, {"active": "Z"}, right, suspects, tutor=tutor)
