"""The four hand-derived rules of the VAE: their gradients in three ways, and what no gradient sees.

A wrong value can have the right gradient for it, and a check of gradients then passes at 1e-10: a
VAE that takes exp(logvar) for the standard deviation is the best known case. Hence the moments of
z, the KL as an integral, the densities that must integrate to 1, and the extremes.
"""

import inspect

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import per_row_or_less, rngs

import minivae as mv
from minivae import Tensor, check_gradients, taylor_test
from minivae.vae_ops import std

batches = st.tuples(st.integers(1, 4), st.integers(1, 4))  # (B, Z) or (B, D)
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
four_seeds = pytest.mark.parametrize("seed", range(4))


def leaf(values):
    return Tensor(values, requires_grad=True)


# The same formulas, put together from elementary rules. They overflow, or lose digits, where the
# fused ones do not.

def composed_reparameterize(mu, logvar, eps):
    return mu + np.sqrt(np.exp(logvar)) * eps


def composed_kl(mu, logvar, prior_mu=0.0):
    return 0.5 * np.sum((mu - prior_mu) ** 2 + np.exp(logvar) - logvar - 1, axis=1)


def composed_bernoulli_nll(logits, x):
    p = 1 / (1 + np.exp(-logits))
    return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)


def composed_gaussian_nll(mean, logvar, x):
    log_scale = 0.5 * np.log(2 * np.pi * np.exp(logvar))
    return np.sum(log_scale + (x - mean) ** 2 / (2 * np.exp(logvar)), axis=1)


def value_and_gradients(f, arrays, constants):
    tensors = [leaf(a) for a in arrays]
    y = f(*tensors, *constants)
    y.backward(np.cos(1 + np.arange(y.size)).reshape(y.shape))
    return [y.data, *(t.grad for t in tensors)]


def assert_same(fused, composed, *arrays, constants=()):
    """Two functions have the same value, and the same gradients in the arrays."""
    found = value_and_gradients(fused, arrays, constants)
    want = value_and_gradients(composed, arrays, constants)
    for a, b in zip(found, want):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@given(shape=batches, rng=rngs)
def test_reparameterize_is_the_composed_formula_and_its_finite_difference(shape, rng):
    mu, logvar, eps = 2 * rng.normal(size=(3, *shape))
    assert_same(mv.reparameterize, composed_reparameterize, mu, logvar, constants=[eps])

    def f(mu, logvar):
        return mv.reparameterize(mu, logvar, eps)

    check_gradients(f, mu, logvar, rng=rng)  # eq. (9.3) and eq. (9.4)


@given(shape=batches, rng=rngs, data=st.data())
def test_kl_is_the_composed_formula_and_its_finite_difference(shape, rng, data):
    mu, logvar = rng.normal(size=(2, *shape))
    prior_mu = np.asarray(rng.normal(size=data.draw(per_row_or_less(shape))))
    number = float(rng.normal())
    assert_same(mv.gaussian_kl, composed_kl, mu, logvar)
    assert_same(mv.gaussian_kl, composed_kl, mu, logvar, prior_mu)
    assert_same(mv.gaussian_kl, composed_kl, mu, logvar, constants=[number])
    # eq. (8.6), eq. (8.7) and eq. (8.8)
    check_gradients(mv.gaussian_kl, mu, logvar, prior_mu, rng=rng)


@given(shape=batches, rng=rngs, grey=st.booleans())
def test_bernoulli_nll_is_the_composed_formula_and_its_finite_difference(shape, rng, grey):
    logits = 3 * rng.normal(size=shape)
    x = rng.random(shape)
    if not grey:
        x = np.round(x)
    assert_same(mv.bernoulli_nll, composed_bernoulli_nll, logits, constants=[x])

    def f(logits):
        return mv.bernoulli_nll(logits, x)

    check_gradients(f, logits, rng=rng)  # eq. (4.6)


@given(shape=batches, rng=rngs, data=st.data())
def test_gaussian_nll_is_the_composed_formula_and_its_finite_difference(shape, rng, data):
    mean, x = rng.normal(size=(2, *shape))
    logvar = np.asarray(rng.normal(size=data.draw(per_row_or_less(shape))))
    assert_same(mv.gaussian_nll, composed_gaussian_nll, mean, logvar, constants=[x])

    def f(mean, logvar):
        return mv.gaussian_nll(mean, logvar, x)

    check_gradients(f, mean, logvar, rng=rng)  # eq. (10.6) and eq. (10.7)


@given(rng=rngs)
def test_remainders_fall_as_the_square_of_the_step(rng):
    a, b, c = rng.normal(size=(3, 3, 4))
    x = rng.random((3, 4))
    for f, arrays in [
        (lambda mu, logvar: mv.reparameterize(mu, logvar, c), [a, b]),
        (mv.gaussian_kl, [a, b, c]),
        (lambda logits: mv.bernoulli_nll(logits, x), [a]),
        (lambda mean, logvar: mv.gaussian_nll(mean, logvar, c), [a, b]),
    ]:
        report = taylor_test(f, *arrays, rng=rng)
        # Where the curvature along v nearly vanishes the remainder is no square.
        assume(report.remainders[0] > 0.3 * report.steps[0] ** 2)
        assert report.ok, report
        assert abs(report.slope - 2) < 0.1, report


# What gradients cannot see: z

def gauss_hermite(n=20):
    """Nodes, and weights that add up to 1, for the expectation over a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes, weights / np.sqrt(2 * np.pi)


def repeat(row, n):
    """The row (Z,) or (1, Z) n times, (n, Z)."""
    return np.tile(row, (n, 1))


@given(rng=rngs)
def test_z_has_mean_mu_and_variance_exp_logvar(rng):
    """As eq. (9.2) says, by quadrature over eps: no sampling error, so no tolerance for one."""
    nodes, weights = gauss_hermite()
    n = len(nodes)
    mu = 2 * rng.normal(size=4)
    logvar = rng.uniform(-3, 3, 4)
    eps = np.repeat(nodes[:, None], 4, axis=1)
    z = mv.reparameterize(repeat(mu, n), repeat(logvar, n), eps)  # (n, 4)
    mean = weights @ z
    np.testing.assert_allclose(mean, mu, atol=1e-12)
    np.testing.assert_allclose(weights @ (z - mean) ** 2, np.exp(logvar), rtol=1e-12)
    np.testing.assert_allclose(weights @ (z - mean) ** 3, 0, atol=1e-9)
    np.testing.assert_allclose(weights @ (z - mean) ** 4, 3 * np.exp(2 * logvar), rtol=1e-12)


@four_seeds
def test_drawn_z_have_the_moments_of_the_posterior(seed):
    """Each within 4 standard errors."""
    rng = np.random.default_rng(seed)
    n = 100_000
    mu = np.array([-1.0, 0.0, 2.0])
    logvar = np.array([-2.0, 0.5, 1.5])
    variance = np.exp(logvar)
    z = mv.reparameterize(repeat(mu, n), repeat(logvar, n), rng.standard_normal((n, 3)))
    assert (np.abs(z.mean(axis=0) - mu) < 4 * np.sqrt(variance / n)).all()
    assert (np.abs(z.var(axis=0) / variance - 1) < 4 * np.sqrt(2 / n)).all()
    assert (np.abs(np.corrcoef(z.T) - np.eye(3)) < 4 / np.sqrt(n)).all()


def test_std_is_half_the_log_variance_in_the_exponent():
    logvar = np.linspace(-50, 50, 101)
    np.testing.assert_allclose(2 * np.log(std(logvar)), logvar, atol=1e-12)  # eq. (5.5)


@given(rng=rngs)
def test_forward_and_backward_use_the_same_noise(rng):
    """dz/dlogvar is half of what z lies off mu, eq. (9.4), whatever the noise was."""
    mu, logvar, eps = rng.normal(size=(3, 3, 2))
    eps_before = eps.copy()
    mu_leaf, logvar_leaf = leaf(mu), leaf(logvar)
    z = mv.reparameterize(mu_leaf, logvar_leaf, eps)
    z.backward(np.ones(z.shape))
    off = mv.reparameterize(0 * mu, logvar, eps)  # z - mu would cancel where the noise is small
    np.testing.assert_array_equal(z.data, mu + off)
    np.testing.assert_allclose(logvar_leaf.grad, off / 2, rtol=1e-12)
    np.testing.assert_array_equal(mu_leaf.grad, 1)
    np.testing.assert_array_equal(eps, eps_before)
    np.testing.assert_array_equal(mv.reparameterize(mu, logvar, 0 * eps), mu)


# What gradients cannot see: the KL

def log_normal(z, mean, variance):
    return -0.5 * np.log(2 * np.pi * variance) - (z - mean) ** 2 / (2 * variance)  # eq. (5.1)


@given(rng=rngs)
def test_kl_is_the_integral_by_quadrature(rng):
    """E_q[log q - log p], eq. (7.1), for each latent; then their sum, eq. (8.4) and eq. (8.5)."""
    nodes, weights = gauss_hermite()
    mu, prior_mu = rng.normal(size=(2, 3, 2))
    logvar = rng.uniform(-6, 3, (3, 2))
    variance = np.exp(logvar)
    z = mu + np.sqrt(variance) * nodes[:, None, None]  # (20, 3, 2)
    ratio = log_normal(z, mu, variance) - log_normal(z, prior_mu, 1.0)
    want = np.einsum("k,kbz->b", weights, ratio)
    np.testing.assert_allclose(mv.gaussian_kl(mu, logvar, prior_mu), want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mu, logvar, prior_mu", [
    (0.7, -1.0, 0.0),
    (-2.0, 1.5, 0.5),
    (0.0, 0.0, 0.0),
    (1.0, 2.0, -1.0),
])
def test_kl_is_the_integral_on_a_fine_grid(mu, logvar, prior_mu):
    """The same without a change of variables: the density itself, summed over a grid.

    For a Gaussian such a sum is exact to rounding.
    """
    z, dz = np.linspace(-40, 40, 40_001, retstep=True)
    log_q = log_normal(z, mu, np.exp(logvar))
    want = np.sum(np.exp(log_q) * (log_q - log_normal(z, prior_mu, 1.0))) * dz
    kl = mv.gaussian_kl(np.full((1, 1), mu), np.full((1, 1), logvar), prior_mu)
    np.testing.assert_allclose(kl, [want], rtol=1e-10, atol=1e-10)


@four_seeds
def test_kl_is_the_average_over_drawn_z(seed):
    rng = np.random.default_rng(seed)
    n = 20_000
    mu = np.array([[0.5, -1.5, 0.0]])
    logvar = np.array([[-1.0, 0.7, 2.0]])
    z = mv.reparameterize(repeat(mu, n), repeat(logvar, n), rng.standard_normal((n, 3)))
    ratio = np.sum(log_normal(z, mu, np.exp(logvar)) - log_normal(z, 0, 1), axis=1)
    kl = mv.gaussian_kl(mu, logvar).item()
    assert abs(ratio.mean() - kl) < 4 * ratio.std() / np.sqrt(n)


def kl_from_the_prior(logvar):
    """The KL of N(0, exp(logvar)), each entry of logvar an example with one latent."""
    column = logvar[:, None]
    return mv.gaussian_kl(np.zeros_like(column), column)


@both_dtypes
def test_kl_is_never_negative_and_zero_only_at_the_prior(dtype):
    """What eq. (8.11) says, also in rounded numbers.

    The naive exp(logvar) - 1 - logvar is -8e-9 in float32 at logvar = -1e-4, eq. (8.9).
    """
    sizes = 10.0 ** np.arange(-30, 1.9, 0.01)  # up to 79, whose exp float32 still holds
    logvar = np.concatenate([-sizes, [0], sizes]).astype(dtype)
    kl = kl_from_the_prior(logvar)
    assert kl.dtype == dtype
    assert (kl >= 0).all()
    assert (kl[logvar == 0] == 0).all()
    assert (kl[np.abs(logvar) > np.finfo(dtype).eps ** 0.5] > 0).all()


@both_dtypes
def test_kl_close_to_the_prior_is_its_expansion(dtype):
    sizes = 10.0 ** np.arange(-30, -3, 0.01)
    logvar = np.concatenate([-sizes, [0], sizes]).astype(dtype)
    a = logvar.astype(float)
    want = a**2 / 4 + a**3 / 12  # eq. (8.14), and the next term
    atol = np.finfo(dtype).eps * 1e-3
    np.testing.assert_allclose(kl_from_the_prior(logvar), want, rtol=1e-6, atol=atol)


@both_dtypes
def test_kl_of_a_shifted_mean_is_zero_only_where_the_prior_shifts_along(dtype):
    mu = np.array([[1e-3], [-2], [0.25]], dtype)
    assert (mv.gaussian_kl(mu, 0 * mu) > 0).all()
    assert (mv.gaussian_kl(mu, 0 * mu, mu) == 0).all()


# What gradients cannot see: the likelihoods

@given(rng=rngs)
def test_the_bernoulli_probabilities_of_a_pixel_sum_to_one(rng):
    logits = 20 * rng.normal(size=(8, 1))
    p0 = np.exp(-mv.bernoulli_nll(logits, np.zeros((8, 1))))
    p1 = np.exp(-mv.bernoulli_nll(logits, np.ones((8, 1))))
    np.testing.assert_allclose(p0 + p1, 1, rtol=1e-12)
    log_odds = np.log(p1 / p0)  # these are the logits, eq. (4.2)
    np.testing.assert_allclose(log_odds, logits[:, 0], rtol=1e-4, atol=1e-9)
    at_zero = mv.bernoulli_nll(np.zeros((2, 64)), rng.random((2, 64)))
    np.testing.assert_allclose(at_zero, 64 * np.log(2), rtol=1e-14)  # eq. (4.9)


@given(rng=rngs)
def test_the_gaussian_density_integrates_to_one_with_the_stated_moments(rng):
    mean, logvar = rng.normal(), rng.uniform(-3, 3)
    x, dx = np.linspace(-60, 60, 20_001, retstep=True)
    nll = mv.gaussian_nll(np.full((len(x), 1), mean), np.float64(logvar), x[:, None])
    density = np.exp(-nll)

    def expected(power):
        return np.sum(density * x**power) * dx

    np.testing.assert_allclose(expected(0), 1, rtol=1e-9, atol=1e-9)  # eq. (5.2)
    np.testing.assert_allclose(expected(1), mean, rtol=1e-9, atol=1e-9)  # eq. (5.3)
    np.testing.assert_allclose(expected(2), mean**2 + np.exp(logvar), rtol=1e-9, atol=1e-9)


def assert_the_first_example_is_on_its_own(f, arrays, constants=()):
    B = len(arrays[0])
    every = [leaf(a) for a in arrays]
    first = [leaf(a[:1]) for a in arrays]
    y = f(*every, *constants)
    y_first = f(*first, *(c[:1] for c in constants))
    assert y.shape == (B,)
    np.testing.assert_allclose(y.data[:1], y_first.data, rtol=1e-12)
    y.backward(np.eye(B)[0])
    y_first.backward(np.ones(1))
    for t, t_first in zip(every, first):
        np.testing.assert_allclose(t.grad[:1], t_first.grad, rtol=1e-12)
        assert not t.grad[1:].any()


@given(shape=batches, rng=rngs)
def test_each_example_is_on_its_own(shape, rng):
    """Value and gradient of one example do not depend on the others; no rule takes a batch mean."""
    a, b, c = rng.normal(size=(3, *shape))
    x = rng.random(shape)
    assert_the_first_example_is_on_its_own(mv.gaussian_kl, [a, b, c])
    assert_the_first_example_is_on_its_own(mv.bernoulli_nll, [a], constants=[x])
    assert_the_first_example_is_on_its_own(mv.gaussian_nll, [a, b], constants=[c])


# Extremes: nothing overflows, nothing is clipped

def value_and_gradient(f, t):
    """f at the leaf t, and the gradient of its sum."""
    t.grad = None
    y = f(t)
    y.backward(np.ones(y.shape))
    return y.data, t.grad


@both_dtypes
def test_bernoulli_nll_far_out(dtype):
    log2 = np.log(2)
    table = np.array([
        # logit, x, nll, gradient
        (1e4, 1, 0, 0),
        (1e4, 0, 1e4, 1),
        (-1e4, 1, 1e4, -1),
        (-1e4, 0, 0, 0),
        (0, 1, log2, -0.5),
        (0, 0.25, log2, 0.25),
        (100, 0.5, 50, 0.5),
        (-100, 0.5, 50, -0.5),
    ])
    logits, x, want_nll, want_grad = table.T[:, :, None].astype(dtype)
    nll, grad = value_and_gradient(lambda t: mv.bernoulli_nll(t, x), leaf(logits))
    np.testing.assert_allclose(nll, want_nll[:, 0], rtol=1e-6)
    np.testing.assert_allclose(grad, want_grad, rtol=1e-6)


@pytest.mark.parametrize("dtype, logit", [
    (np.float32, 17.0),
    (np.float32, 60.0),
    (np.float64, 37.0),
    (np.float64, 300.0),
])
def test_bernoulli_gradient_keeps_its_last_digits(dtype, logit):
    """Where x is 1 and the logit large, sigmoid(l) - 1 is 0 in floating point; eq. (4.7) is not."""
    logits = np.array([[logit], [-logit]], dtype)
    x = np.array([[1], [0]], dtype)
    _, grad = value_and_gradient(lambda t: mv.bernoulli_nll(t, x), leaf(logits))
    exact = 1 / (1 + np.exp(logit))
    np.testing.assert_allclose(grad[:, 0], [-exact, exact], rtol=1e-6)


@both_dtypes
def test_small_and_large_variances(dtype):
    logvar = np.array([[-50], [-20], [20], [50]], dtype)
    t = leaf(logvar)
    zero = np.zeros((4, 1), dtype)
    exact = logvar.astype(float)

    kl, grad = value_and_gradient(lambda t: mv.gaussian_kl(zero, t), t)
    np.testing.assert_allclose(kl, ((np.exp(exact) - exact - 1) / 2)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(grad, (np.exp(exact) - 1) / 2, rtol=1e-5)

    _, grad = value_and_gradient(lambda t: mv.reparameterize(zero, t, zero + 1), t)
    np.testing.assert_allclose(grad, np.exp(exact / 2) / 2, rtol=1e-5)

    nll, grad = value_and_gradient(lambda t: mv.gaussian_nll(zero, t, zero), t)
    np.testing.assert_allclose(nll, ((np.log(2 * np.pi) + exact) / 2)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(grad, 0.5, rtol=1e-6)


# Errors

a, b = np.zeros((3, 2)), np.zeros((3, 4))


@pytest.mark.parametrize("rule, arguments, message", [
    (
        mv.reparameterize, (a, b, a),
        r"reparameterize needs arrays of one shape, got mu \(3, 2\), logvar \(3, 4\), eps",
    ),
    (mv.reparameterize, (a, a, a[0]), r"one shape, got .*eps \(2,\)"),
    (
        mv.gaussian_kl, (a, a[0]),
        r"gaussian_kl needs arrays of one shape, got mu \(3, 2\), logvar \(2,\)",
    ),
    (
        mv.gaussian_kl, (a[:1], a[:1], a),
        r"prior_mu of shape \(3, 2\) does not fit mu of shape \(1, 2\)",
    ),
    (
        mv.bernoulli_nll, (a, b),
        r"bernoulli_nll needs arrays of one shape, got logits \(3, 2\), x \(3, 4\)",
    ),
    (
        mv.gaussian_nll, (a, 0.0, a[0]),
        r"gaussian_nll needs arrays of one shape, got mean \(3, 2\), x \(2,\)",
    ),
    (
        mv.gaussian_nll, (a[:1], a, a[:1]),
        r"logvar of shape \(3, 2\) does not fit x of shape \(1, 2\)",
    ),
])
def test_shapes_that_do_not_fit_are_named(rule, arguments, message):
    with pytest.raises(ValueError, match=message):
        rule(*arguments)


@pytest.mark.parametrize("rule, place", [
    (mv.reparameterize, "eps"),
    (mv.bernoulli_nll, "x"),
    (mv.gaussian_nll, "x"),
])
def test_noise_and_data_are_constants(rule, place):
    names = list(inspect.signature(rule).parameters)
    assert names[-1] == place
    with pytest.raises(TypeError, match="pass its .data"):
        rule(*(leaf(a) for _ in names))
