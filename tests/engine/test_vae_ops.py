"""The four hand-derived rules of the VAE: their gradients in three ways, and what no gradient can see.

A wrong value can have the right gradient for it, and a check of gradients then passes at 1e-10: a VAE that takes
exp(logvar) for the standard deviation is the best known case. Hence the moments of z, the KL as an integral, the densities
that must integrate to 1, and the extremes.
"""

import inspect

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minivae as mv
from minivae import Tensor, check_gradients, taylor_test
from minivae.vae_ops import std

rngs = st.integers(0, 2**32).map(np.random.default_rng)
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))


@st.composite
def arguments(draw):
    """A generator, a shape (B, Z), and the same or a smaller one that broadcasts to it."""
    (B, Z), rng = draw(sizes), draw(rngs)
    return rng, (B, Z), draw(st.sampled_from([(), (Z,), (1, Z), (B, Z)]))


# The same formulas, put together from elementary rules. They overflow, or lose digits, where the fused ones do not.

def composed_reparameterize(mu, logvar, eps):
    return mu + np.sqrt(np.exp(logvar)) * eps


def composed_kl(mu, logvar, prior_mu=0.0):
    return 0.5 * np.sum((mu - prior_mu) ** 2 + np.exp(logvar) - logvar - 1, axis=1)


def composed_bernoulli_nll(logits, x):
    p = 1 / (1 + np.exp(-logits))
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


def composed_gaussian_nll(mean, logvar, x):
    return np.sum(0.5 * np.log(2 * np.pi * np.exp(logvar)) + (x - mean) ** 2 / (2 * np.exp(logvar)), axis=1)


def same_value_and_gradient(fused, composed, *arrays):
    results = []
    for f in (fused, composed):
        tensors = [Tensor(a, requires_grad=True) for a in arrays]
        y = f(*tensors)
        y.backward(np.cos(1 + np.arange(y.size)).reshape(y.shape))
        results.append([y.data, *(t.grad for t in tensors)])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@given(arguments())
def test_reparameterize_is_the_composed_formula_and_its_finite_difference(given_arguments):
    rng, shape, _ = given_arguments
    mu, logvar, eps = rng.normal(size=(3, *shape)) * 2
    f = lambda mu, logvar: mv.reparameterize(mu, logvar, eps)
    same_value_and_gradient(f, lambda mu, logvar: composed_reparameterize(mu, logvar, eps), mu, logvar)
    check_gradients(f, mu, logvar, rng=rng)  # eq. (9.3) and eq. (9.4)


@given(arguments())
def test_kl_is_the_composed_formula_and_its_finite_difference(given_arguments):
    rng, shape, prior_shape = given_arguments
    mu, logvar, prior_mu = *rng.normal(size=(2, *shape)), rng.normal(size=prior_shape)
    same_value_and_gradient(mv.gaussian_kl, composed_kl, mu, logvar)
    same_value_and_gradient(mv.gaussian_kl, composed_kl, mu, logvar, prior_mu)
    check_gradients(mv.gaussian_kl, mu, logvar, prior_mu, rng=rng)  # eq. (8.6), eq. (8.7) and eq. (8.8)
    constant = float(rng.normal())
    same_value_and_gradient(lambda m, s: mv.gaussian_kl(m, s, constant), lambda m, s: composed_kl(m, s, constant), mu, logvar)


@given(arguments(), st.booleans())
def test_bernoulli_nll_is_the_composed_formula_and_its_finite_difference(given_arguments, grey):
    rng, shape, _ = given_arguments
    logits, x = 3 * rng.normal(size=shape), rng.random(shape) if grey else rng.integers(0, 2, shape).astype(float)
    f = lambda logits: mv.bernoulli_nll(logits, x)
    same_value_and_gradient(f, lambda logits: composed_bernoulli_nll(logits, x), logits)
    check_gradients(f, logits, rng=rng)  # eq. (4.6)


@given(arguments())
def test_gaussian_nll_is_the_composed_formula_and_its_finite_difference(given_arguments):
    rng, shape, logvar_shape = given_arguments
    mean, x, logvar = *rng.normal(size=(2, *shape)), rng.normal(size=logvar_shape)
    f = lambda mean, logvar: mv.gaussian_nll(mean, logvar, x)
    same_value_and_gradient(f, lambda mean, logvar: composed_gaussian_nll(mean, logvar, x), mean, logvar)
    check_gradients(f, mean, logvar, rng=rng)  # eq. (10.6) and eq. (10.7)


@given(rngs)
def test_remainders_fall_as_the_square_of_the_step(rng):
    a, b, c = rng.normal(size=(3, 3, 4))
    x = rng.random((3, 4))
    for report in (taylor_test(lambda m, s: mv.reparameterize(m, s, c), a, b, rng=rng), taylor_test(mv.gaussian_kl, a, b, c, rng=rng),
                   taylor_test(lambda l: mv.bernoulli_nll(l, x), a, rng=rng),
                   taylor_test(lambda m, s: mv.gaussian_nll(m, s, c), a, b, rng=rng)):
        assume(report.remainders[0] > 0.3 * report.steps[0] ** 2)  # else the curvature along v nearly vanishes: not a square
        assert report.ok and abs(report.slope - 2) < 0.1, report


# What gradients cannot see: z.

@given(rngs)
def test_z_has_mean_mu_and_variance_exp_logvar(rng):
    """As eq. (9.2) says, with the expectations over eps by Gauss-Hermite quadrature: no sampling error, so no tolerance for one."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    weights = weights / np.sqrt(2 * np.pi)
    mu, logvar = rng.normal(size=4) * 2, rng.uniform(-3, 3, 4)
    repeat = lambda a: np.repeat(a[None], len(nodes), axis=0)
    z = mv.reparameterize(repeat(mu), repeat(logvar), repeat(nodes[:, None] * np.ones(4))[0])
    mean = weights @ z
    np.testing.assert_allclose(mean, mu, atol=1e-12)
    np.testing.assert_allclose(weights @ (z - mean) ** 2, np.exp(logvar), rtol=1e-12)
    np.testing.assert_allclose(weights @ (z - mean) ** 3, 0, atol=1e-9)
    np.testing.assert_allclose(weights @ (z - mean) ** 4, 3 * np.exp(2 * logvar), rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_drawn_z_have_the_moments_of_the_posterior(seed):
    rng, n = np.random.default_rng(seed), 100_000
    mu, logvar = np.array([-1.0, 0.0, 2.0]), np.array([-2.0, 0.5, 1.5])
    ones = np.ones((n, 1))
    z = mv.reparameterize(ones * mu, ones * logvar, rng.standard_normal((n, 3)))
    variance = np.exp(logvar)
    assert (np.abs(z.mean(axis=0) - mu) < 4 * np.sqrt(variance / n)).all()
    assert (np.abs(z.var(axis=0) / variance - 1) < 4 * np.sqrt(2 / n)).all()
    assert (np.abs(np.corrcoef(z.T) - np.eye(3)) < 4 / np.sqrt(n)).all()


def test_std_is_half_the_log_variance_in_the_exponent():
    logvar = np.linspace(-50, 50, 101)
    np.testing.assert_allclose(2 * np.log(std(logvar)), logvar, atol=1e-12)  # eq. (5.5)


@given(rngs)
def test_forward_and_backward_use_the_same_noise(rng):
    """dz/dlogvar is half of what z lies off mu, eq. (9.4), whatever the noise was; and eps stays as it is."""
    mu, logvar, eps = rng.normal(size=(3, 3, 2))
    m, s, before = Tensor(mu, requires_grad=True), Tensor(logvar, requires_grad=True), eps.copy()
    z = mv.reparameterize(m, s, eps)
    z.backward(np.ones(z.shape))
    np.testing.assert_allclose(s.grad, (z.data - mu) / 2, rtol=1e-12)
    np.testing.assert_array_equal(m.grad, 1)
    np.testing.assert_array_equal(eps, before)
    np.testing.assert_array_equal(mv.reparameterize(mu, logvar, 0 * eps), mu)


# What gradients cannot see: the KL.

def log_normal(z, mean, variance):
    return -0.5 * np.log(2 * np.pi * variance) - (z - mean) ** 2 / (2 * variance)  # eq. (5.1)


@given(rngs)
def test_kl_is_the_integral_by_quadrature(rng):
    """E_q[log q - log p], eq. (7.1), by Gauss-Hermite quadrature for each latent; then their sum, eq. (8.4) and eq. (8.5)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    mu, prior_mu, logvar = rng.normal(size=(3, 2)), rng.normal(size=(3, 2)), rng.uniform(-6, 3, (3, 2))
    z = mu + np.sqrt(np.exp(logvar)) * nodes[:, None, None]
    ratio = log_normal(z, mu, np.exp(logvar)) - log_normal(z, prior_mu, 1.0)
    want = np.einsum("k,kbz->b", weights / np.sqrt(2 * np.pi), ratio)
    np.testing.assert_allclose(mv.gaussian_kl(mu, logvar, prior_mu), want, rtol=1e-10, atol=1e-10)


def test_kl_is_the_integral_on_a_fine_grid():
    """The same without any change of variables: the density itself, summed over a grid (exact to rounding, for a Gaussian)."""
    z, dz = np.linspace(-40, 40, 40_001, retstep=True)
    for mu, logvar, prior_mu in [(0.7, -1.0, 0.0), (-2.0, 1.5, 0.5), (0.0, 0.0, 0.0), (1.0, 2.0, -1.0)]:
        log_q = log_normal(z, mu, np.exp(logvar))
        want = np.sum(np.exp(log_q) * (log_q - log_normal(z, prior_mu, 1.0))) * dz
        kl = mv.gaussian_kl(np.full((1, 1), mu), np.full((1, 1), logvar), prior_mu)
        np.testing.assert_allclose(kl, [want], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_kl_is_the_average_over_drawn_z(seed):
    rng, n = np.random.default_rng(seed), 20_000
    mu, logvar = np.array([[0.5, -1.5, 0.0]]), np.array([[-1.0, 0.7, 2.0]])
    repeat = lambda a: np.repeat(a, n, axis=0)
    z = mv.reparameterize(repeat(mu), repeat(logvar), rng.standard_normal((n, 3)))
    ratio = np.sum(log_normal(z, mu, np.exp(logvar)) - log_normal(z, 0, 1), axis=1)
    assert abs(ratio.mean() - mv.gaussian_kl(mu, logvar).item()) < 4 * ratio.std() / np.sqrt(n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kl_is_never_negative_and_zero_only_at_the_prior(dtype):
    """eq. (8.11). The naive exp(logvar) - 1 - logvar is -8e-9 in float32 at logvar = -1e-4, eq. (8.9)."""
    small = 10.0 ** np.arange(-30, 1.9, 0.01)  # up to 79, whose exp float32 still holds
    logvar = np.concatenate([-small, [0], small]).astype(dtype)[:, None]
    zero = np.zeros_like(logvar)
    kl = mv.gaussian_kl(zero, logvar)
    assert kl.dtype == dtype and (kl >= 0).all() and mv.gaussian_kl(zero, zero).max() == 0
    visible = np.abs(logvar[:, 0]) > np.finfo(dtype).eps ** 0.5
    assert (kl[visible] > 0).all()
    near = np.abs(logvar[:, 0]) < 1e-3
    want = logvar[near, 0].astype(float) ** 2 / 4 + logvar[near, 0].astype(float) ** 3 / 12  # eq. (8.14), the next term too
    np.testing.assert_allclose(kl[near], want, rtol=1e-6, atol=np.finfo(dtype).eps * 1e-3)
    mu = np.array([[1e-3], [-2], [0.25]], dtype)
    assert (mv.gaussian_kl(mu, 0 * mu) > 0).all() and (mv.gaussian_kl(mu, 0 * mu, mu) == 0).all()


# What gradients cannot see: the likelihoods.

@given(rngs)
def test_the_bernoulli_probabilities_of_a_pixel_sum_to_one(rng):
    logits = 20 * rng.normal(size=(8, 1))
    p0, p1 = (np.exp(-mv.bernoulli_nll(logits, np.full((8, 1), x))) for x in (0.0, 1.0))
    np.testing.assert_allclose(p0 + p1, 1, rtol=1e-12)
    np.testing.assert_allclose(np.log(p1 / p0), logits[:, 0], rtol=1e-4, atol=1e-9)  # eq. (4.2): these are the logits
    np.testing.assert_allclose(mv.bernoulli_nll(np.zeros((2, 64)), rng.random((2, 64))), 64 * np.log(2), rtol=1e-14)  # eq. (4.9)


@given(rngs)
def test_the_gaussian_density_integrates_to_one_with_the_stated_moments(rng):
    mean, logvar = rng.normal(), rng.uniform(-3, 3)
    x, dx = np.linspace(-60, 60, 20_001, retstep=True)
    density = np.exp(-mv.gaussian_nll(np.full((len(x), 1), mean), np.float64(logvar), x[:, None]))
    for power, want in (0, 1), (1, mean), (2, mean**2 + np.exp(logvar)):  # eq. (5.2) and eq. (5.3)
        np.testing.assert_allclose(np.sum(density * x**power) * dx, want, rtol=1e-9, atol=1e-9)


@given(arguments())
def test_each_example_is_on_its_own(given_arguments):
    """Value and gradient of one example do not depend on the others, and no rule averages over the batch."""
    rng, (B, Z), _ = given_arguments
    a, b, c, x = *rng.normal(size=(3, B, Z)), rng.random((B, Z))
    for f, arrays in [(mv.gaussian_kl, (a, b, c)), (lambda l: mv.bernoulli_nll(l, x[:len(l)]), (a,)),
                      (lambda m, s: mv.gaussian_nll(m, s, c[:len(m)]), (a, b))]:
        every = [Tensor(v, requires_grad=True) for v in arrays]
        first = [Tensor(v[:1], requires_grad=True) for v in arrays]
        y, y_first = f(*every), f(*first)
        assert y.shape == (B,)
        np.testing.assert_allclose(y.data[:1], y_first.data, rtol=1e-12)
        y.backward(np.eye(B)[0])
        y_first.backward(np.ones(1))
        for t, t_first in zip(every, first):
            np.testing.assert_allclose(t.grad[:1], t_first.grad, rtol=1e-12)
            assert not t.grad[1:].any()


# Extremes: nothing overflows, nothing is clipped.

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bernoulli_nll_far_out(dtype):
    logits = np.array([[1e4], [1e4], [-1e4], [-1e4], [0], [0], [100], [-100]], dtype)
    x = np.array([[1], [0], [1], [0], [1], [0.25], [0.5], [0.5]], dtype)
    t = Tensor(logits, requires_grad=True)
    nll = mv.bernoulli_nll(t, x)
    nll.backward(np.ones(len(x)))
    np.testing.assert_allclose(nll.data, [0, 1e4, 1e4, 0, np.log(2), np.log(2), 50, 50], rtol=1e-6)
    np.testing.assert_allclose(t.grad[:, 0], [0, 1, -1, 0, -0.5, 0.25, 0.5, -0.5], rtol=1e-6)


@pytest.mark.parametrize("dtype, logit", [(np.float32, 17.0), (np.float32, 60.0), (np.float64, 37.0), (np.float64, 300.0)])
def test_bernoulli_gradient_keeps_its_last_digits(dtype, logit):
    """Where x is 1 and the logit large, sigmoid(l) - 1 is 0 in floating point, and eq. (4.7) is not."""
    t = Tensor(np.array([[logit], [-logit]], dtype), requires_grad=True)
    mv.bernoulli_nll(t, np.array([[1], [0]], dtype)).backward(np.ones(2))
    exact = 1 / (1 + np.exp(logit))
    np.testing.assert_allclose(t.grad[:, 0], [-exact, exact], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_and_large_variances(dtype):
    logvar = np.array([[-50], [-20], [20], [50]], dtype)
    t, zero = Tensor(logvar, requires_grad=True), np.zeros((4, 1), dtype)
    kl = mv.gaussian_kl(zero, t)
    kl.backward(np.ones(4))
    wide = logvar.astype(float)
    np.testing.assert_allclose(kl.data, ((np.exp(wide) - wide - 1) / 2)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(t.grad, (np.exp(wide) - 1) / 2, rtol=1e-5)
    t.grad = None
    mv.reparameterize(zero, t, 1 + zero).backward(1 + zero)
    np.testing.assert_allclose(t.grad, np.exp(wide / 2) / 2, rtol=1e-5)
    t.grad = None
    nll = mv.gaussian_nll(zero, t, zero)
    nll.backward(np.ones(4))
    np.testing.assert_allclose(nll.data, ((np.log(2 * np.pi) + wide) / 2)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(t.grad, 0.5, rtol=1e-6)


# Errors.

a, b = np.zeros((3, 2)), np.zeros((3, 4))


@pytest.mark.parametrize("call, message", [
    (lambda: mv.reparameterize(a, b, a), r"reparameterize needs arrays of one shape, got mu \(3, 2\), logvar \(3, 4\), eps"),
    (lambda: mv.reparameterize(a, a, a[0]), r"one shape, got .*eps \(2,\)"),
    (lambda: mv.gaussian_kl(a, a[0]), r"gaussian_kl needs arrays of one shape, got mu \(3, 2\), logvar \(2,\)"),
    (lambda: mv.gaussian_kl(a[:1], a[:1], a), r"prior_mu of shape \(3, 2\) does not fit mu of shape \(1, 2\)"),
    (lambda: mv.bernoulli_nll(a, b), r"bernoulli_nll needs arrays of one shape, got logits \(3, 2\), x \(3, 4\)"),
    (lambda: mv.gaussian_nll(a, 0.0, a[0]), r"gaussian_nll needs arrays of one shape, got mean \(3, 2\), x \(2,\)"),
    (lambda: mv.gaussian_nll(a[:1], a, a[:1]), r"logvar of shape \(3, 2\) does not fit x of shape \(1, 2\)"),
])
def test_shapes_that_do_not_fit_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("f, place", [(mv.reparameterize, "eps"), (mv.bernoulli_nll, "x"), (mv.gaussian_nll, "x")])
def test_noise_and_data_are_constants(f, place):
    values = [Tensor(a, requires_grad=True) for _ in inspect.signature(f).parameters]
    assert list(inspect.signature(f).parameters)[-1] == place
    with pytest.raises(TypeError, match="pass its .data"):
        f(*values)
