"""Chapter 14: the conditional VAE."""

import numpy as np
import pytest

import minivae as mv
from cases import GRID, OBSERVED, TAU, curve
from tools import LINE, cdf, close, gradients, integrate, kl, log_normal, normal, numeric, rng


CLASS_MU, LABELS = np.array([[-1.0, 0.5], [1.0, 0.0], [0.3, 2.0]]), np.array([0, 2, 1, 2, 2, 0])
ENCODED, ENCODED_S = rng().normal(size=(6, 2)), rng().normal(size=(6, 2))


def test_eq_14_2_conditional_bound():
    shift = 1.2
    joint = log_normal(GRID, shift) + log_normal(OBSERVED, curve(GRID), TAU**2)
    evidence = np.log(integrate(np.exp(joint), GRID))
    q = log_normal(GRID, 0.6, 0.3)
    reconstruction = integrate(np.exp(q) * log_normal(OBSERVED, curve(GRID), TAU**2), GRID)
    bound_y = reconstruction - mv.gaussian_kl(np.array([[0.6]]), np.log([[0.3]]), shift)[0]
    close(evidence - bound_y, kl(q, joint - evidence, GRID))
    assert bound_y < evidence


def test_eq_14_3_gradient_in_the_class_means():
    found = gradients(lambda table: mv.gaussian_kl(ENCODED, ENCODED_S, table[LABELS]), CLASS_MU)[0]
    by_hand = np.array([-(ENCODED[LABELS == c] - CLASS_MU[c]).sum(axis=0) for c in range(3)])
    close(found, by_hand, 1e-12)
    close(by_hand, numeric(lambda table: 0.5 * np.sum((ENCODED - table[LABELS]) ** 2), CLASS_MU), 1e-8)


def test_eq_14_4_class_means_settle_at_the_mean_of_their_codes():
    best = np.array([ENCODED[LABELS == c].mean(axis=0) for c in range(3)])
    one_hot = np.eye(3)[LABELS]
    close(best, np.linalg.lstsq(one_hot, ENCODED, rcond=None)[0])  # the quadratic in eq. (8.5), minimised


def test_eq_14_5_class_of_a_code():
    z, share = np.array([0.4, 0.9]), np.array([0.5, 0.3, 0.2])
    density = np.array([p * np.prod(normal(z, m)) for p, m in zip(share, CLASS_MU)])
    score = share * np.exp(CLASS_MU @ z - 0.5 * np.sum(CLASS_MU**2, axis=1))
    close(score / score.sum(), density / density.sum())


@pytest.mark.parametrize("distance", [0.5, 2.0, 4.0])
def test_eq_14_6_two_classes_overlap(distance):
    right = integrate(np.maximum(0.5 * normal(LINE, distance / 2), 0.5 * normal(LINE, -distance / 2)))
    close(cdf(distance / 2), right, 1e-6)
