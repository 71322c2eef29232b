"""Exercise 12, active units: hints, inputs, the right answer, mistakes by name."""

import sys

import numpy as np

from machinery.cases import Case, Wrong, table
from machinery.comparing import unpack
from machinery.examining import examine
from machinery.running import call
from machinery.showing import describe

HINTS = (
    """mu has one row per example and one column per latent. Does a column move from row to row?
    Its average has no part in that.""",
    """The variance of column j over the examples is the mean of the squared distances from the
    column's mean. NumPy has np.var; which axis?""",
    """np.var(mu, axis=0) has one variance per latent, shape (Z,), and divides by N. Compare it
    with the threshold: larger is active, equal is not.""",
)

INPUTS = {"mu": "NZ"}
OUTPUTS = {"active": "Z"}


def cases(rng):
    by_hand = (
        ([[0, 1]], 0.2),
        ([[0, 1]], 0.3),
        ([[0, 0.19]], 0.01),
        ([[0, 0.5]], 0.1),
        ([[-3, -3], [5, 6]], 0.01),
        ([[0, 0], [2, 2], [5, 7]], 0.01),
        ([[1, 0.9, 1.1, 1], [1, 1, 1, 1], [2, 2, 2.05, 1.95]], 0.001),
        ([[0, 4], [4, 0]], 3.0),
        ([[0, 4], [1, 1.5]], 1.0),
    )
    for columns, threshold in by_hand:
        yield _case(columns, threshold)
    for N, Z in ((2, 3), (5, 3), (4, 4), (8, 2), (30, 5), (50, 7)):
        for threshold in (0.01, 0.5, 2.0):
            shares = np.array([0.3, 0.8, 0.95, 1.05, 1.2, 3, 0])[rng.permutation(7)[:Z]]
            moves = np.sqrt(threshold) * shares * rng.normal(size=(N, Z))
            mu = np.round(rng.normal(size=Z) + moves, 2)
            if np.abs(mu.var(axis=0) - threshold).min() > 1e-6:  # no verdict may hang on rounding
                yield _case(mu.T, threshold)
    yield _case([[0, 1], [0, 2]], 0.25, "the first variance equals the threshold")
    yield _case([[3, 3], [-3, -3]], 0.01, "the means are far from 0, and nothing moves")
    yield _case([[1000, 1000.5], [0, 0.1]], 0.01, "a mean of 1000, and a column that moves little")


def _case(columns, threshold, note=""):
    mu = np.array(columns, float).T.copy()
    return Case({"mu": mu, "threshold": threshold}, note, N=len(mu), Z=len(mu[0]))


def right(mu, threshold):
    return np.mean((mu - np.mean(mu, axis=0)) ** 2, axis=0) > threshold


def names(mu, threshold):
    return {"v": np.var(mu, axis=0)}


MISTAKES = table("""
active
    v <= threshold
        these are the latents that are not active: above the threshold is active
    v < threshold
        below the threshold is taken for active
    v >= threshold
        equal to the threshold is taken for active: only above is
    np.var(mu, axis=0, ddof=1) > threshold
        the variance divides by N - 1 (ddof=1): divide by N
    np.std(mu, axis=0) > threshold
        the standard deviation is compared with the threshold (or the variance with its square)
    np.mean(mu**2, axis=0) > threshold
        the mean of mu**2 is compared: take the column's mean off first
    np.mean(mu, axis=0) > threshold
        the mean is compared, and not the variance
    np.abs(np.mean(mu, axis=0)) > threshold
        the size of the mean is compared, and not the variance
    np.ptp(mu, axis=0) > threshold
        the largest minus the smallest is compared: the variance is due
    np.mean(np.abs(mu - mu.mean(axis=0)), axis=0) > threshold
        the mean absolute distance is compared: the variance is due
    v * N > threshold
        the sum of the squared distances is compared: divide it by N
    v > 0.01
        the threshold is not used: it is 0.01 always
    v > np.sqrt(threshold)
        the root of the threshold is compared (or the square of the variance)
    np.full(Z, np.var(mu) > threshold)
        the variance of all of mu together decides, for every latent
    np.any(np.abs(mu) > threshold, axis=0)
        a single mu above the threshold counts: it is the variance that decides
    np.mean((mu - mu.mean())**2, axis=0) > threshold
        distances are taken from the mean of all of mu: take each column's own
    np.var(mu, axis=1) > threshold
        the variance is taken over the latents: over the examples, axis 0, is due
    np.bool_(np.var(mu) > threshold)
        the variance of all of mu decides, in one answer: one for each latent is due
    np.ones(Z)
        all are taken for active
    np.zeros(Z)
        none is taken for active
""")


def variances_shown(evidence):
    """What the right comparison would be, and in which direction the learner's goes wrong."""
    case = evidence.cases[evidence.example()]
    shown = np.array2string(np.var(case.inputs["mu"], axis=0), precision=4, separator=", ")
    too_many = any((y > r).any() for y, r in zip(evidence.yours, evidence.right))
    too_few = any((y < r).any() for y, r in zip(evidence.yours, evidence.right))
    direction = ""
    if not too_few:
        direction = "; every latent that is active is found, but others are as well"
    if not too_many:
        direction = "; every latent that is found is active, but some are not found"
    return f"in this example the variances are {shown}, by eq. (15.7){direction}"


OTHERWISE = {"active": variances_shown}

# Other things than True and False: {what it looks like: formula}.
LOOKS = {
    "how many are active": "np.sum(right)",
    "the numbers of the active latents, as np.flatnonzero gives them": "np.flatnonzero(right)",
    "the variances themselves": "v",
    "0 and 1 for False and True": "right.astype(float)",
}


def check(answer):
    for case in cases(np.random.default_rng(1)):
        result = unpack(call(answer, case), ["active"])[0]
        kind = np.asarray(result).dtype.kind
        if (
            isinstance(result, (np.ndarray, np.generic, int))
            and kind in "fiu"
            and not isinstance(result, bool)
        ):
            looks = ""
            for text, formula in LOOKS.items():
                due = eval(
                    formula,
                    {
                        "np": np,
                        "right": right(**case.inputs),
                        "v": np.var(case.inputs["mu"], axis=0),
                    },
                )
                if np.shape(due) == np.shape(result) and np.allclose(due, result):
                    found = f"\n=> In this case it is {text}; what the comparison gives is due"
                    looks = looks or found
            raise Wrong(
                f"it must return True or False for each latent, shape (Z,) = "
                f"({case.sizes['Z']},), and it returned "
                f"{describe(result)}{looks}"
            )
    return examine(answer, sys.modules[__name__])
