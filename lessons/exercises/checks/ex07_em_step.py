"""What exercise 7 knows: its hints, its cases, and wrong answers by name."""

import itertools

import numpy as np

import minivae as mv
from check import Case, examine

HINTS = (
    "By eq. (6.3) the responsibility of component k for point n is pi[k] N(x[n]; mu[k], var[k]), divided by the sum of "
    "that over the components. "
    "Work with its logarithm: log pi - log(var) / 2 - (x - mu)**2 / (2 var); constants cancel.",
    "a = that logarithm, shape (N, K), with x[:, None]. Take a.max(axis=1, keepdims=True) off before exp, so that nothing "
    "underflows in every "
    "component; divide by the sum over axis 1. Call it r.",
    "N_k = r.sum(axis=0). The new pi is N_k / N; the new mu is r.T @ x / N_k; the new var is the average of (x - mu)**2 "
    "with the weights r, "
    "about the new mu: np.sum(r * (x[:, None] - mu)**2, axis=0) / N_k.",
)


def responsibilities(c, log_a):
    """They are the gradient of log P(x) in the logarithms of the summands, so that the engine gives them."""
    a = mv.Tensor(log_a, requires_grad=True)
    top = log_a.max(axis=1, keepdims=True)
    np.sum(np.log(np.sum(np.exp(a - top), axis=1))).backward()
    return a.grad


def log_summands(c, pi=1.0, root=0.5, half=0.5, power=1.0):
    return pi * np.log(c.pi) - root * np.log(c.var) - half * (c.x[:, None] - c.mu) ** 2 / c.var**power


# What may be wrong in the responsibilities, alone or together: {argument of log_summands: {value: text}}.
SLIPS = {"pi": {0: "the old pi is not in the responsibilities: each density counts pi[k] times"},
         "root": {0: "the density lacks its factor 1 / sqrt(var)",
                  1: "the density has 1 / var in front, where 1 / sqrt(var) is due",
                  -0.5: "the density is multiplied by sqrt(var), and it should be divided"},
         "half": {1: "the density lacks the 1/2 in its exponent", 0.25: "the density has the 1/2 in its exponent twice",
                  -0.5: "the sign of the exponent is wrong"},
         "power": {2: "the exponent has the square of var: is var taken for a standard deviation?",
                   0.5: "the exponent has the root of var",
                   0: "the exponent is not divided by var"}}


def update(c, r):
    n = r.sum(axis=0)
    mu = np.array([np.average(c.x, weights=w) for w in r.T])
    return n / len(c.x), mu, np.array([np.average((c.x - m) ** 2, weights=w) for m, w in zip(mu, r.T)])


def check(answer):
    rng, cases = np.random.default_rng(7), []
    for N, K in ((2, 1), (3, 1), (2, 2), (3, 2), (4, 3), (7, 2), (9, 4)):
        pi = np.round(rng.dirichlet(np.full(K, 5.0)), 2)
        pi[-1] += 1 - pi.sum()
        cases.append(Case({"x": np.round(2 * rng.normal(size=N), 1), "pi": pi, "mu": np.round(rng.normal(size=K), 1),
                           "var": np.round(rng.uniform(0.3, 2.5, size=K), 1)}, N=N, K=K))
    cases.append(Case({"x": np.array([0.5, 1.0, 90.0]), "pi": np.array([0.4, 0.6]), "mu": np.array([0.0, 2.0]),
                       "var": np.array([1.0, 0.5])},
                      "x = 90 is so far out that both of its densities underflow to 0, and 0/0 is NaN: take the largest "
                      "logarithm off before exp", N=3, K=2))
    right = lambda c: update(c, responsibilities(c, log_summands(c)))
    other = lambda **o: (lambda c: update(c, responsibilities(c, log_summands(c, **o))))

    def hard(c):
        a = log_summands(c)
        return update(c, 1.0 * (a == a.max(axis=1, keepdims=True)) + 1e-300)

    def by_points(c):
        d = np.exp(log_summands(c))
        return update(c, d / d.sum(axis=0))

    def raw(c):
        return update(c, np.exp(log_summands(c)) / np.sqrt(2 * np.pi))

    steps = {}
    for values in itertools.product(*([None, *texts] for texts in SLIPS.values())):
        slip = {key: value for key, value in zip(SLIPS, values) if value is not None}
        if slip:
            steps["; and ".join(SLIPS[key][value] for key, value in slip.items())] = other(**slip)
    steps |= {
             "each point goes to its likeliest component alone (that is k-means): let it count in all of them": hard,
             "the responsibilities are normalised over the points: they add up to 1 over the components of each point":
                 by_points,
             "the responsibilities are not normalised: divide by their sum over the components": raw}
    r = lambda c: responsibilities(c, log_summands(c))
    about = lambda c, mu, n: np.array([np.sum(w * (c.x - m) ** 2) / k for m, w, k in zip(mu, r(c).T, n)])
    n = lambda c: r(c).sum(axis=0)
    suspects = {
        "pi": {**{t: (lambda s: lambda c: s(c)[0])(s) for t, s in steps.items()},
               "the sums N_k, not divided by the number of points": n, "pi was not updated": lambda c: c.pi,
               "all weights are equal: they are N_k / N": lambda c: np.full(len(c.pi), 1 / len(c.pi)),
               "divided by the number of components, where the number of points is due": lambda c: n(c) / len(c.pi)},
        "mu": {**{t: (lambda s: lambda c: s(c)[1])(s) for t, s in steps.items()},
               "divided by N where N_k, the sum of the responsibilities, is due": lambda c: r(c).T @ c.x / len(c.x),
               "not divided by N_k, the sum of the responsibilities": lambda c: r(c).T @ c.x,
               "mu was not updated": lambda c: c.mu,
               "the mean of all points, in each component": lambda c: np.full(len(c.mu), c.x.mean()),
               "divided by N - 1": lambda c: r(c).T @ c.x / (len(c.x) - 1)},
        "var": {**{t: (lambda s: lambda c: s(c)[2])(s) for t, s in steps.items()},
                "taken about the old mu: the new mu is due": lambda c: about(c, c.mu, n(c)),
                "divided by N where N_k, the sum of the responsibilities, is due": lambda c:
                    about(c, right(c)[1], 0 * n(c) + len(c.x)),
                "about the old mu, and divided by N where N_k is due": lambda c: about(c, c.mu, 0 * n(c) + len(c.x)),
                "not divided by N_k, the sum of the responsibilities": lambda c: about(c, right(c)[1], 0 * n(c) + 1),
                "N_k - 1 in place of N_k: no correction (ddof) here": lambda c: about(c, right(c)[1], n(c) - 1),
                "the standard deviation: var is its square": lambda c: np.sqrt(right(c)[2]),
                "var was not updated": lambda c: c.var,
                "the mean of x**2: the square of the mean is not subtracted": lambda c: right(c)[2] + right(c)[1] ** 2,
                "the responsibilities are squared": lambda c:
                    np.sum(r(c) ** 2 * (c.x[:, None] - right(c)[1]) ** 2, axis=0) / n(c),
                "the distances are not squared": lambda c: np.sum(r(c) * np.abs(c.x[:, None] - right(c)[1]), axis=0) / n(c),
                "the variance of all points, in each component": lambda c: np.full(len(c.mu), c.x.var())},
    }

    def tutor(i, wrong_cases):
        small = [c for c in wrong_cases if c.sizes["N"] * c.sizes["K"] <= 12]
        r_shown = np.array2string(r(small[0]), precision=4, separator=", ").replace("\n", "") if i == 0 and small else ""
        return [f"pi is the mean of the responsibilities over the points; in this example, by eq. (6.3), they are {r_shown}"] * bool(r_shown)

    return examine(answer, cases, {"pi": "K", "mu": "K", "var": "K"}, right, suspects, tol=1e-8, tutor=tutor)
