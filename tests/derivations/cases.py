"""Small examples that the tests of several chapters of the derivations share."""

import numpy as np

import minivae as mv
from tools import NODES, expect, integrate, log_normal, normal, rng

X = np.array([[0.7, -1.3, 2.1], [-0.4, 1.6, -2.2]])
Y = np.array([[1.2, 0.9, -0.8], [-1.5, 0.6, 1.9]])


LOGITS = np.array([[0.3, -2.0, 1.5], [4.0, -0.1, 0.8]])
PIXELS = np.array([[1.0, 0.0, 0.4], [0.9, 1.0, 0.0]])


def bernoulli(l, x):
    p = 1 / (1 + np.exp(-l))
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=-1)


IMAGES = rng().random((4, 6))
CODES, NOISE = np.array([-1.0, 0.2, 0.5, 2.0]), 0.8


# an affine decoder, D = 3, Z = 2
W, B = np.array([[0.5, -1.0], [0.2, 0.7], [1.1, 0.3]]), np.array([0.1, 0.0, -0.4])
# one example and its posterior
X1, MU1, STD1 = np.array([0.4, 1.0, -0.3]), np.array([0.3, -0.6]), np.array([0.7, 0.4])


def affine_error(mu, std):
    return expect(lambda a, b: sum((X1[i] - W[i, 0] * (mu[0] + std[0] * a) - W[i, 1]
                                    * (mu[1] + std[1] * b) - B[i]) ** 2
                                   for i in range(3)), 2)


DATA = np.concatenate([rng().normal(-1, 0.5, 30), rng().normal(2, 0.8, 20)])


def em_step(pi, means, variances):
    joint = pi * normal(DATA[:, None], means, variances)
    r = joint / joint.sum(1, keepdims=True)
    N = r.sum(0)
    means = r.T @ DATA / N
    return r, (N / len(DATA), means, np.sum(r * (DATA[:, None] - means) ** 2, axis=0)
               / N), np.log(joint.sum(1)).mean()


GRID = np.linspace(-7, 7, 7001)
OBSERVED, TAU = 0.8, 0.5


def curve(z, theta=1.0):
    return theta * np.sin(z) + 0.3 * z


def toy(theta=1.0):
    """log p(x, z), log p(x), log p(z | x) on the grid: x = theta sin z + 0.3 z + 0.5 noise."""
    joint = log_normal(GRID) + log_normal(OBSERVED, curve(GRID, theta), TAU**2)
    evidence = np.log(integrate(np.exp(joint), GRID))
    return joint, evidence, joint - evidence


def bound(log_q, joint):
    return integrate(np.exp(log_q) * (joint - log_q), GRID)


MU, LOGVAR = np.array([[0.5, -1.0, 0.0], [2.0, 0.1, -0.3]]), np.array([[-0.4, 0.9, 0.0],
                                                                       [-3.0, 1.0, 0.2]])
PRIOR = np.array([0.3, -0.5, 1.0])


def midpoints(a, b, n=200_000):
    return a + (np.arange(n) + 0.5) * (b - a) / n


def draw(mu, logvar):
    """z at the quadrature nodes, through minivae."""
    return mv.reparameterize(np.full((40, 1), mu), np.full((40, 1), logvar), NODES[:, None])[:, 0]


MEAN, T = rng().normal(size=(2, 3)), np.array([[-0.5, 0.3, 1.0], [0.2, -1.0, 0.0]])
