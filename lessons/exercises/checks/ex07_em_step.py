"""Exercise 7, one step of EM: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, table

HINTS = (
    """By eq. (6.3) the responsibility of component k for point n is pi[k] N(x[n]; mu[k], var[k]),
    divided by the sum of that over the components. Work with its logarithm: log pi - log(var) / 2
    - (x - mu)**2 / (2 var); constants cancel.""",
    """a = that logarithm, shape (N, K), with x[:, None]. Take a.max(axis=1, keepdims=True) off
    before exp, so that nothing underflows in every component; divide by the sum over axis 1. Call
    it r.""",
    """N_k = r.sum(axis=0). The new pi is N_k / N; the new mu is r.T @ x / N_k; the new var is the
    average of (x - mu)**2 with the weights r, about the new mu: np.sum(r * (x[:, None] - mu)**2,
    axis=0) / N_k.""",
)

INPUTS = {"x": "N", "pi": "K", "mu": "K", "var": "K"}
OUTPUTS = {"pi": "K", "mu": "K", "var": "K"}


def cases(rng):
    for N, K in ((2, 1), (3, 1), (2, 2), (3, 2), (4, 3), (7, 2), (9, 4)):
        pi = np.round(rng.dirichlet(np.full(K, 5.0)), 2)
        pi[-1] += 1 - pi.sum()
        yield Case(
            {
                "x": np.round(2 * rng.normal(size=N), 1),
                "pi": pi,
                "mu": np.round(rng.normal(size=K), 1),
                "var": np.round(rng.uniform(0.3, 2.5, size=K), 1),
            },
            N=N,
            K=K,
        )
    two = {"pi": np.array([0.4, 0.6]), "mu": np.array([0.0, 2.0]), "var": np.array([1.0, 0.5])}
    for note, x in (
        ("x = 90 is so far out that all of its densities underflow to 0", [0.5, 1.0, 90.0]),
        ("x = -90 is so far out that all of its densities underflow to 0", [-90.0, 0.5, 1.0]),
        ("x = 9 has densities below 1e-17", [0.5, 1.0, 9.0]),
    ):
        yield Case({"x": np.array(x), **two}, note, N=3, K=2)
    yield Case(
        {
            "x": np.array([0.5, 1.0, 1.5]),
            **two,
            "var": np.array([1e-4, 2e-4]),
            "mu": np.array([0.5, 1.4]),
        },
        "variances of 1e-4",
        N=3,
        K=2,
    )
    yield Case(
        {"x": np.array([1.5, 1.5]), "pi": np.ones(1), "mu": np.zeros(1), "var": np.ones(1)},
        "all points are the same, so that the new variance is 0",
        N=2,
        K=1,
    )


def right(x, pi, mu, var):
    log_a = np.log(pi) - 0.5 * np.log(var) - 0.5 * (x[:, None] - mu) ** 2 / var
    r = np.exp(log_a - np.max(log_a, axis=1, keepdims=True))
    r = r / np.sum(r, axis=1, keepdims=True)
    n = np.sum(r, axis=0)
    new_mu = x @ r / n
    return n / len(x), new_mu, np.sum(r * (x[:, None] - new_mu) ** 2, axis=0) / n


def names(x, pi, mu, var):
    """d2 (N, K), the log densities, soft(a) that normalises exp(a) over the components, and the
    right r and N_k."""
    d2 = (x[:, None] - mu) ** 2
    log_density = -0.5 * np.log(var) - 0.5 * d2 / var

    def soft(a):
        e = np.exp(a - a.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    r = soft(np.log(pi) + log_density)
    n = r.sum(axis=0)
    M = x @ r / n
    density = np.exp(log_density) / np.sqrt(2 * np.pi)
    return {
        "d2": d2,
        "soft": soft,
        "r": r,
        "n": n,
        "M": M,
        "log_density": log_density,
        "density": density,
        "share": lambda r: r.sum(axis=0) / len(x),
        "spread": lambda m: np.sum(r * (x[:, None] - m) ** 2, axis=0),
    }


MISTAKES = table("""
pi
    share(soft(log_density))
        the old pi is not in the responsibilities: each density counts pi[k] times
    share(soft(np.log(pi) - 0.5 * d2 / var))
        the density lacks its factor 1 / sqrt(var)
    share(soft(-0.5 * d2 / var))
        the old pi is not in the responsibilities, and the density lacks its factor 1 / sqrt(var)
    share(soft(np.log(pi) - np.log(var) - 0.5 * d2 / var))
        the density has 1 / var in front, and 1 / sqrt(var) is due
    share(soft(np.log(pi) - 0.5 * np.log(var) - d2 / var))
        the density lacks the 1/2 in its exponent
    share(soft(np.log(pi) - 0.5 * np.log(var) + 0.5 * d2 / var))
        the sign of the exponent is wrong
    share(soft(np.log(pi) - 0.5 * np.log(var) - 0.5 * d2 / var**2))
        the exponent has the square of var: var is the variance already
    share(soft(np.log(pi) - np.log(var) - 0.5 * d2 / var**2))
        var is taken for the standard deviation, in front of the density and in its exponent
    share(soft(np.log(pi) - 0.5 * np.log(var) - 0.5 * d2 / np.sqrt(var)))
        the exponent has the root of var
    share(soft(np.log(pi) - 0.5 * np.log(var) - 0.5 * d2))
        the exponent is not divided by var
    share(soft(np.log(pi) - 0.5 * np.log(var) - 0.5 * np.sqrt(d2) / var))
        the distance in the exponent is not squared
    share(r == r.max(axis=1, keepdims=True))
        each point goes to its likeliest component alone, as in k-means: it counts in all of them
    share(pi * density)
        the responsibilities are not normalised: divide by their sum over the components
    share(pi * density / (pi * density).sum(axis=0))
        the responsibilities are normalised over the points: they add up to 1 over the components
        of each point
    share(pi * density / (pi * density).sum(axis=1, keepdims=True))
        for a point far out all exponentials are 0, and 0/0 is NaN: take off each point's own
        largest logarithm before exp
    n
        these are the sums N_k, not divided by the number of points
    pi + 0
        pi was not updated
    np.full(K, 1 / K)
        all weights are equal: they are N_k / N
    n / K
        it is divided by the number of components: the number of points is due

mu
    x @ r / N
        it is divided by N: N_k, the sum of the responsibilities, is due
    x @ r
        it is not divided by N_k, the sum of the responsibilities
    mu + 0
        mu was not updated
    np.full(K, x.mean())
        this is the mean of all points, for each component
    x @ (r == r.max(axis=1, keepdims=True)) / (r == r.max(axis=1, keepdims=True)).sum(axis=0)
        each point counts in its likeliest component alone: it counts in all of them
    (pi * M)
        it is weighted with pi
    0.5 * (mu + M)
        this is halfway between the old mu and the new

var
    spread(mu) / n
        it is taken about the old mu: the new mu is due
    spread(M) / N
        it is divided by N: N_k, the sum of the responsibilities, is due
    spread(mu) / N
        it is taken about the old mu, and divided by N where N_k is due
    spread(M)
        it is not divided by N_k, the sum of the responsibilities
    spread(M) / (n - 1)
        it is divided by N_k - 1: no correction (ddof) here
    np.sqrt(spread(M) / n)
        this is the standard deviation: var is its square
    var + 0
        var was not updated
    x**2 @ r / n
        this is the mean of x**2: the square of the mean is not subtracted
    np.sum(r**2 * (x[:, None] - M)**2, axis=0) / n
        the responsibilities are squared
    np.sum(r * np.abs(x[:, None] - M), axis=0) / n
        the distances are not squared
    np.full(K, x.var())
        this is the variance of all points, for each component
    spread(x.mean()) / n
        it is taken about the mean of all points: each component has its own new mu
    spread(M) / n + 1e-6
        1e-6 is added
    np.maximum(spread(M) / n, 1e-6)
        it is kept above 1e-6
    np.maximum(spread(M) / n, 1e-3)
        it is kept above 1e-3
""")

LAWS = {
    "pi": (("abs(np.sum(yours) - 1) < 1e-9", "the weights must add up to 1, and yours do not"),)
}

OTHERWISE = {
    "mu": "pi is right, the mean of the responsibilities: it is what comes after them",
    "var": "pi and mu are right: it is the line of var",
}
