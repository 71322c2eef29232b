"""Exercise 10, the KL with a class mean: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, draw, table

HINTS = (
    """class_mu[y] has shape (B, Z): row b is the prior mean of example b. With it the KL and its
    gradients in mu and logvar are those of the KL rule with mu - class_mu[y] in place of mu.""",
    """The gradient in the prior mean of example b is minus that in mu[b], eq. (8.8). A class mean
    was copied to all examples of its class, so it collects their sum, eq. (2.24).""",
    """g_class_mu = np.zeros_like(class_mu); np.add.at(g_class_mu, y, -g_mu). Note that
    g_class_mu[y] += ... keeps only one example of each class: NumPy writes the entry once for
    each, and the last one stays.""",
)

INPUTS = {"g": "B", "mu": "BZ", "logvar": "BZ", "class_mu": "CZ", "y": "B"}
OUTPUTS = {"kl": "B", "g_mu": "BZ", "g_logvar": "BZ", "g_class_mu": "CZ"}
LABELS = (
    [0],
    [1],
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
    [2, 0],
    [1, 2, 1],
    [0, 2, 2, 0],
    [2, 1, 1, 2, 1],
    [3, 0, 3, 1, 0, 3],
)


def cases(rng):
    """Every class is absent somewhere: the first, the last, one between; and labels come in every
    order."""
    for y in LABELS:
        for Z in (1, 2, 3):
            C = max(max(y) + 1, 2 + len(y) % 2)
            yield _case(rng, np.array(y), C, Z)
    yield _case(rng, np.array([0]), 1, 2)
    yield _case(rng, rng.integers(4, size=30), 4, 2)
    c = _case(rng, np.array([2, 0, 2]), 3, 2)
    c.inputs["logvar"] = np.array([[-12.0, -30], [20, 12], [0, 0]])
    yield Case(c.inputs, "logvar from -30 to 20", **c.sizes)


def _case(rng, y, C, Z):
    sizes = {"B": len(y), "C": C, "Z": Z, "the number of classes that occur": len(set(y.tolist()))}
    arrays = draw(rng, {name: letters for name, letters in INPUTS.items() if name != "y"}, **sizes)
    return Case(arrays | {"y": y}, **sizes)


def right(g, mu, logvar, class_mu, y):
    shift = mu - class_mu[y]
    kl = 0.5 * np.sum(shift**2 + np.exp(logvar) - logvar - 1, axis=1)
    g_mu = g[:, None] * shift
    g_class_mu = np.zeros_like(class_mu)
    np.add.at(g_class_mu, y, -g_mu)
    return kl, g_mu, g[:, None] * (np.exp(logvar) - 1) / 2, g_class_mu


def names(g, mu, logvar, class_mu, y):
    def total(rows):
        """The sum of the rows of each class."""
        return np.array([rows[y == c].sum(axis=0) for c in range(len(class_mu))])

    def last(rows):
        """The last row of each class, as a[y] = rows leaves it."""
        a = np.zeros_like(class_mu)
        a[y] = rows
        return a

    def first(rows):
        return np.array([rows[np.argmax(y == c)] * (y == c).any() for c in range(len(class_mu))])

    count = np.maximum(np.bincount(y, minlength=len(class_mu)), 1)[:, None]
    return {
        "total": total,
        "last": last,
        "first": first,
        "count": count,
        "shift": mu - class_mu[y],
        "rest": np.exp(logvar) - logvar - 1,
    }


MISTAKES = table("""
kl
    0.5 * np.sum(mu**2 + rest, axis=1)
        the prior's mean is not used: this is the KL from N(0, I)
    0.5 * np.sum((mu - class_mu[0])**2 + rest, axis=1)
        class 0 is taken for every example: use class_mu[y]
    0.5 * np.sum((mu - class_mu.mean(axis=0))**2 + rest, axis=1)
        the mean of all class means is taken: use class_mu[y]
    0.5 * np.sum((mu + class_mu[y])**2 + rest, axis=1)
        the prior's mean is added to mu: subtract it
    0.5 * np.sum(mu**2 - class_mu[y]**2 + rest, axis=1)
        this has mu**2 - class_mu[y]**2, where the square of the difference is due
    0.5 * np.sum(mu**2 + class_mu[y]**2 + rest, axis=1)
        the mixed term of the square is missing
    np.sum(shift**2 + rest, axis=1)
        the 1/2 in front is missing
    kl / Z
        this is a mean over the latents, and a sum is due

g_mu
    g[:, None] * mu
        the prior's mean is not subtracted from mu
    g[:, None] * (mu + class_mu[y])
        the prior's mean is added to mu: subtract it
    shift
        g is missing: multiply row b by g[b]

g_logvar
    (np.exp(logvar) - 1) / 2
        g is missing: multiply row b by g[b]
    g[:, None] * (np.exp(logvar) - 1)
        the 1/2 is missing
    g[:, None] * np.exp(logvar) / 2
        the -1 is missing: it is the derivative of -logvar

g_class_mu
    total(-g_mu)[:y.max() + 1]
        the classes above the largest label are left out: every class has a row, and one without an
        example gets zeros
    total(-g_mu)[np.unique(y)]
        the classes without an example are left out: they get zeros
    last(-g_mu)
        of several examples of a class only the last is kept: a[y] += ... and a[y] = ... write each
        entry once; use np.add.at(a, y, ...)
    last(g_mu)
        of several examples of a class only the last is kept, and the sign is flipped: use
        np.add.at
    first(-g_mu)
        of several examples of a class only the first is kept: their gradients add up
    total(-g_mu) / count
        this is a mean over the examples of a class: their gradients add up
    total(g_mu) / count
        this is a mean over the examples of a class, with the sign flipped
    total(g_mu)
        the sign is flipped: the KL falls when the class mean comes nearer to mu
    np.broadcast_to(-g_mu.sum(axis=0), class_mu.shape)
        every class gets the sum of all examples: add up by class
    total(-shift)
        g is missing: each example counts g[b] times
    total(shift)
        g is missing, and the sign is flipped
    total(g[:, None] * class_mu[y])
        mu is missing: the slope is -(mu - class_mu[y])
    total(-g[:, None] * mu)
        class_mu is missing: the slope is -(mu - class_mu[y])
    np.array([-(g[:, None] * (mu - m)).sum(axis=0) for m in class_mu])
        mu is compared with every class mean, whatever y says
""")
