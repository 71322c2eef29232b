"""What the lessons measure with: seeds, training, tables, and judges of codes and pictures."""

import os
import sys
import time

import numpy as np

import minivae as mv

# Chance.

def seed(k):
    """The k-th seed of a lesson; `python -m lessons --check --seeds 100-104` shifts them all."""
    return k + 1000 * int(os.environ.get("MINIVAE_SEED_SHIFT", "0"))


def rng(k, *stream):
    """A numpy.random.Generator from seed(k). rng(k, 1), rng(k, 2) are others, independent."""
    return np.random.default_rng([seed(k), *stream] if stream else seed(k))


def held_out(x, y, n, k=0):
    """Shuffle and set n examples aside: x_train, y_train, x_test, y_test."""
    order = rng(k, 99).permutation(len(x))
    train, test = order[:-n], order[-n:]
    return x[train], y[train], x[test], y[test]


# Training.

def finished(history):
    """The history of a finished fit; after Ctrl-C the lesson ends here, unjudged."""
    if history.interrupted:
        sys.exit("Stopped by Ctrl-C: nothing was judged.")
    return history


def trained(kind, x, k, epochs, beta=1.0, batch_size=100, lr=3e-3, y=None, **options):
    """A model kind(D, **options) fitted to x (n, D); weights, batches and noise from seed k."""
    model = kind(x.shape[1], rng=rng(k), **options)
    finished(
        mv.fit(model, x, y=y, epochs=epochs, batch_size=batch_size, lr=lr, beta=beta, rng=rng(k, 1))
    )
    return model


# Time.

def milliseconds(*functions, blocks=20, length=0.01):
    """Processor time of one call of each function, the fastest of many short blocks of calls.

    Other programs only ever add to a time, so the fastest counts; the functions take turns.
    """
    times = [[] for _ in functions]
    for block in range(blocks + 1):
        for f, found in zip(functions, times):
            calls = 1
            if found:
                calls = max(1, int(1e3 * length / found[0]))
            start = time.process_time_ns()
            for _ in range(calls):
                f()
            found.append(max(time.process_time_ns() - start, 1000) / 1e6 / calls)
    return [min(found[1:]) for found in times]              # the first warms up


# Tables.

def spread(values, form=".2f"):
    """'0.71 (0.68 to 0.74)': the mean, and the smallest and largest."""
    return f"{np.mean(values):{form}} ({np.min(values):{form}} to {np.max(values):{form}})"


def table(head, rows):
    """Print rows of cells below their headings: the first column flush left, the others right."""
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))
        print("  " + "   ".join([first, *rest]).rstrip())


# Codes and their noise.

def posteriors(model, x):
    """mu and logvar of q(z | x), each an ndarray (n, Z) in float64."""
    with mv.no_grad():
        return [t.data.astype(float) for t in model.encode(x)]


def balanced_std(model, x, k, draws=4, h=0.05):
    """The std (n, Z) at which nll and KL balance, from the decoder's slopes: eq. (11.3), eq. (11.5).

    The slopes are central differences, eq. (1.4), averaged over the noise that the codes have.
    """
    mu, logvar = posteriors(model, x)
    sensitivity = np.zeros_like(mu)  # the squared slopes over the decoder's variance
    for draw in range(draws):
        z = mu + np.exp(logvar / 2) * rng(k, 7, draw).standard_normal(mu.shape)
        for j, step in enumerate(h * np.eye(mu.shape[1])):
            outputs = []
            with mv.no_grad():
                for place in (z + step, z - step, z):
                    decoded = model.decode(place)
                    outputs.append(decoded if model.likelihood == "bernoulli" else decoded[0])
            above, below, here = (output.data for output in outputs)
            if model.likelihood == "bernoulli":
                p = 1 / (1 + np.exp(-here))
                weight = p * (1 - p)
            else:
                weight = np.exp(-decoded[1].data)
            sensitivity[:, j] += (weight * ((above - below) / (2 * h)) ** 2).sum(axis=1) / draws
    return 1 / np.sqrt(1 + sensitivity)


# Judges.

def distances(a, b):
    """Euclidean distance of each row of a from each row of b, (len(a), len(b))."""
    squares = (a * a).sum(axis=1)[:, None] - 2 * a @ b.T + (b * b).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0))


def class_accuracy(model, x_train, y_train, x_test, y_test, k=10):
    """Share of held-out pictures whose class is the commonest of their k nearest codes."""
    away = distances(model.codes(x_test), model.codes(x_train))
    near = away.argsort(axis=1)[:, :k]  # (n, k)
    votes = [np.bincount(row).argmax() for row in y_train[near]]
    return float(np.mean(votes == y_test))


def rms(a, b):
    """Root mean square difference per pixel between the pictures a and b (..., D)."""
    return np.sqrt(np.mean((a - b) ** 2, axis=-1))


def share_real(pictures, real, threshold=1.25):
    """Share of the pictures whose distance from some real one is below the threshold."""
    return float(np.mean(distances(pictures, real).min(axis=1) < threshold))


def reader(x, y, width=4.0, ridge=0.1):
    """A judge that reads pictures (n, D) as classes (n,): kernel ridge regression on (x, y)."""
    kernel = np.exp(-(distances(x, x) ** 2) / width) + ridge * np.eye(len(x))
    weights = np.linalg.solve(kernel, np.eye(y.max() + 1)[y])  # (n, classes)
    return lambda pictures: (np.exp(-(distances(pictures, x) ** 2) / width) @ weights).argmax(axis=1)


def one_pixel_edits(pictures):
    """Every black pixel of 8 x 8 pictures (n, 64) that may be switched on: picture, pixel, stray.

    A connected pixel has a neighbour of 0.5 at least above, below, left or right; round a stray one
    all eight are 0. Three arrays, an entry for each edit: int, int, bool.
    """
    found = []
    for n, picture in enumerate(pictures):
        g = np.pad(picture.reshape(8, 8), 1)
        beside = np.max([g[:-2, 1:-1], g[2:, 1:-1], g[1:-1, :-2], g[1:-1, 2:]], axis=0).ravel()
        around = np.max([g[i : i + 8, j : j + 8] for i in range(3) for j in range(3)], axis=0)
        found += [(n, i, False) for i in np.flatnonzero((picture == 0) & (beside >= 0.5))]
        found += [(n, i, True) for i in np.flatnonzero(around == 0)]
    picture, pixel, stray = np.array(found).T
    return picture, pixel, stray.astype(bool)


def at_the_same_pixels(price, pixel, stray, least=3):
    """Mean price of connected and of stray edits, compared at the pixels that have both.

    Each pixel is weighted by its rarer kind, and counts if there are `least` of either.
    """
    rows = []
    for i in range(64):
        a, b = price[(pixel == i) & ~stray], price[(pixel == i) & stray]
        if min(len(a), len(b)) >= least:
            rows.append((min(len(a), len(b)), a.mean(), b.mean()))
    weight, a, b = np.array(rows).T
    return np.average(a, weights=weight), np.average(b, weights=weight)


def sharpness(pictures):
    """How far an inner pixel is from the mean of its four neighbours, times 4: mean over (n, 64)."""
    a = pictures.reshape(-1, 8, 8)
    around = a[:, :-2, 1:-1] + a[:, 2:, 1:-1] + a[:, 1:-1, :-2] + a[:, 1:-1, 2:]
    return float(np.abs(4 * a[:, 1:-1, 1:-1] - around).mean())


def ranked_above(a, b):
    """How often a score of a (n,) is above one of b (m,), ties counted half: the AUC."""
    above = a[:, None] - b
    return float(np.mean(above > 0) + 0.5 * np.mean(above == 0))


def distance_from_prior(model, x):
    """KL in nats from the Gaussian with the codes' mean and covariance to N(0, I), eq. (8.18).

    The codes of a VAE are taken with their noise: each x has the variance of its q(z | x).
    """
    mu = model.codes(x).astype(float)
    covariance = np.atleast_2d(np.cov(mu.T))
    if isinstance(model, mv.VAE):
        with mv.no_grad():
            _, logvar = model.encode(x)
        covariance = covariance + np.diag(np.exp(logvar.data.astype(float)).mean(axis=0))
    mean = mu.mean(axis=0)
    log_det = np.linalg.slogdet(covariance)[1]
    return float(0.5 * (np.trace(covariance) + mean @ mean - len(mean) - log_det))


def entropy_floor(x):
    """The smallest nll that any decoder can reach on grey pictures, nats per picture, eq. (4.8)."""
    grey = x[(x > 0) & (x < 1)].astype(float)
    return float(-(grey * np.log(grey) + (1 - grey) * np.log(1 - grey)).sum() / len(x))


# Densities, in logarithms.

def log_normal(x, mean, std):
    """log N(x; mean, std²) of each number, eq. (5.1)."""
    return -0.5 * ((x - mean) / std) ** 2 - np.log(std) - 0.5 * np.log(2 * np.pi)


def shifted_js(m):
    """The Jensen-Shannon divergence of N(0, 1) and N(m, 1), m up to 32, in nats, eq. (19.3)."""
    x = np.linspace(-12, 44, 56_001)  # steps of 0.001
    p, q = (np.exp(log_normal(x, mean, 1)) for mean in (0, m))
    middle = np.maximum((p + q) / 2, 1e-300)
    return 0.5 * sum(np.sum(y * np.log(np.maximum(y, 1e-300) / middle)) for y in (p, q)) * 0.001


def log_sum_exp(a):
    """log of the sum of exp over the last axis; the largest comes out first, eq. (6.10)."""
    top = a.max(axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(a - top).sum(axis=-1))


# Mixtures of Gaussians, eq. (6.1): weight (K,), mu (K, D), var (K, D), one variance per direction.

def fit_mixture(x, mu, var, steps, floor, share=None):
    """A mixture fitted to the points x (N, D) by EM, eq. (6.5): weight, mu, var.

    mu, var: where it starts. floor: the smallest variance. share (N,): the points' weights.
    """
    if share is None:
        share = np.full(len(x), 1 / len(x))
    weight = np.full(len(mu), 1 / len(mu))
    for _ in range(steps):
        r = _log_joint(x, weight, mu, var)
        r = np.exp(r - r.max(axis=1, keepdims=True))
        r *= (share / r.sum(axis=1))[:, None]  # eq. (6.3), times the weight of the point
        weight = r.sum(axis=0) + 1e-300  # never quite 0, for the logarithm
        mu = r.T @ x / weight[:, None]
        var = np.maximum(r.T @ x**2 / weight[:, None] - mu**2, floor)
    return weight, mu, var


def log_mixture(x, weight, mu, var):
    """log p of each point of x (N, D) under the mixture, eq. (6.10): (N,)."""
    parts = []
    for some in np.array_split(x, 1 + len(x) // 4000):  # so that the table stays small
        parts.append(log_sum_exp(_log_joint(some, weight, mu, var)))
    return np.concatenate(parts)


def _log_joint(x, weight, mu, var):
    """log weight + log N(x; mu, var), (N, K); the square is multiplied out, for speed."""
    scale = np.log(weight) - 0.5 * (mu**2 / var + np.log(2 * np.pi * var)).sum(axis=1)
    return x**2 @ (-0.5 / var).T + x @ (mu / var).T + scale


def total_variation(p, q, cell):
    """Half the integral of |p - q| over a grid, and what q has outside of it, eq. (6.6)."""
    return float(0.5 * np.abs(p - q).sum() * cell + 0.5 * max(0, 1 - q.sum() * cell))
