"""evaluate: every estimate where the truth is known, in closed form or by quadrature."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minivae as mv
from minivae import evaluate
from minivae.evaluate import PPCA

# Raw values 0 .. 16, on which the table below was computed.
PIXELS = mv.data.digits()[0].astype(np.float64) * 16
# latents: noise variance, mean log-likelihood, mean KL of probabilistic PCA of these digits,
# computed independently.
TABLE = {
    2: (13.8539480782, -177.439971498, 2.513657),
    5: (9.2663838536, -168.538041537, 6.481393),
    10: (5.8243513193, -159.993731201, 12.796141),
    20: (2.8861945003, -150.168378294, 25.438269),
}
LOG_2_PI = np.log(2 * np.pi)

each_row_of_the_table = pytest.mark.parametrize("q", TABLE)


def rng(seed=0):
    return np.random.default_rng(seed)


def standard_error(values):
    return values.std() / np.sqrt(values.size)


# Models in which everything is known

def expected_terms(model, x):
    """(nll, kl), Tensors (n,), with the expectation over the noise exact, for a linear VAE.

    The nll of an affine Gaussian decoder is quadratic in eps, and the 2Z points +-sqrt(Z) e_j have
    the mean, covariance and odd moments of N(0, I).
    """
    mu, logvar = model.encode(x)
    Z = model.latent_dim
    points = np.sqrt(Z) * np.vstack([np.eye(Z), -np.eye(Z)])
    total = 0.0
    for point in points:
        z = mv.reparameterize(mu, logvar, np.tile(point, (len(x), 1)))
        total = total + model.nll(model.decode(z), x)
    return total / len(points), mv.gaussian_kl(mu, logvar)


def expected_elbo(model, x):
    nll, kl = expected_terms(model, x)
    return -(nll + kl).data


def own_log_prob(model, x):
    """Exact log p(x) under a linear VAE's own parameters, eq. (15.8)."""
    layer = model.decoder.layers[0]
    variance = np.exp(model.decoder_logvar.data)
    return PPCA(layer.bias.data, layer.weight.data.T, variance).log_prob(x)


def set_posteriors(mu, logvar, model=mv.VAE, **extra):
    """A linear VAE, and x, for which q(z | x_n) is N(mu[n], exp(logvar[n]))."""
    n, Z = mu.shape
    made = model(n, (), Z, "gaussian", dtype=np.float64, rng=rng(), **extra)
    made.encoder.layers[0].weight.data[...] = np.hstack([mu, logvar])
    return made, np.eye(n)  # so that x_n picks row n of the weight


def assert_stationary(loss, parameters):
    loss.backward()
    for p in parameters:
        assert np.abs(p.grad).max() < 1e-10, p.name


# Probabilistic PCA

@each_row_of_the_table
def test_ppca_of_the_digits(q):
    variance, log_likelihood, kl = TABLE[q]
    p = evaluate.ppca(PIXELS, q)
    assert abs(p.variance - variance) < 1e-8  # eq. (15.11)
    assert abs(p.log_likelihood - log_likelihood) < 1e-8  # eq. (15.12)
    assert abs(p.log_prob(PIXELS).mean() - log_likelihood) < 1e-8  # eq. (15.9)
    posterior = p.linear_vae().encode(PIXELS)
    assert abs(mv.gaussian_kl(*posterior).data.mean() - kl) < 1e-6  # eq. (15.16)


@each_row_of_the_table
def test_ppca_gives_orthogonal_directions_the_largest_first(q):
    W = evaluate.ppca(PIXELS, q).W
    gram = W.T @ W
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-10 * gram[0, 0])
    assert (np.diff(np.diag(gram)) < 0).all()


@pytest.mark.parametrize("variance", [0.1, 0.2, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("D, q", [(5, 2), (4, 1), (7, 3)])
def test_ppca_of_equal_eigenvalues_is_the_noise_alone(D, q, variance):
    """No direction stands out: W is 0, and p(x) is the spherical Gaussian of that variance."""
    x = np.vstack([np.eye(D), -np.eye(D)]) * np.sqrt(variance * D)  # covariance variance * I
    p = evaluate.ppca(x, q)
    assert abs(p.variance - variance) < 1e-14
    np.testing.assert_allclose(p.W, 0, atol=1e-7)
    entropy = 0.5 * D * (LOG_2_PI + np.log(variance) + 1)
    assert abs(p.log_likelihood + entropy) < 1e-12
    np.testing.assert_allclose(p.log_prob(x), -entropy, rtol=1e-12)
    np.testing.assert_allclose(expected_elbo(p.linear_vae(), x), -entropy, rtol=1e-12)


def test_log_prob_is_the_integral_over_z():
    p = PPCA(np.array([0.5, -1.0]), np.array([[1.5], [-0.7]]), 0.3)
    x = rng().normal(size=(5, 2))
    z, dz = np.linspace(-12, 12, 4001, retstep=True)
    mean = p.mean + z[:, None] * p.W[:, 0]  # (4001, 2)
    squares = ((x[:, None] - mean) ** 2).sum(-1)  # (5, 4001)
    joint = np.exp(-0.5 * z**2 - squares / 0.6) / (2 * np.pi) ** 1.5 / 0.3
    np.testing.assert_allclose(p.log_prob(x), np.log(joint.sum(1) * dz), rtol=1e-12)  # eq. (15.8)


def test_log_prob_is_the_joint_over_the_posterior():
    """For any W: log p(x) = log p(x, z) - log p(z | x) at every z, with the q of eq. (15.13)."""
    x, z, W = rng(1).normal(size=(4, 6)), rng(2).normal(size=(4, 3)), rng(3).normal(size=(6, 3))
    v = 0.4
    M = W.T @ W + v * np.eye(3)
    away = z - x @ W @ np.linalg.inv(M)
    square = np.einsum("ni,ij,nj->n", away, M, away) / v
    log_det = 3 * np.log(v) - np.linalg.slogdet(M)[1]  # of the posterior's covariance
    log_posterior = -0.5 * (3 * LOG_2_PI + log_det + square)
    log_p_of_x_given_z = -0.5 * (6 * np.log(2 * np.pi * v) + ((x - z @ W.T) ** 2).sum(1) / v)
    log_p_of_z = -0.5 * (3 * LOG_2_PI + (z**2).sum(1))
    want = log_p_of_x_given_z + log_p_of_z - log_posterior
    np.testing.assert_allclose(PPCA(np.zeros(6), W, v).log_prob(x), want, rtol=1e-12)


@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-3, 0.1, 1.0]))
def test_nothing_beats_ppca(seed, size):
    """eq. (15.10) and eq. (15.11) are the maximum: others are less likely, near or far."""
    r = rng(seed)
    x = r.normal(size=(40, 5)) * [3, 2, 1, 1, 0.5]
    p = evaluate.ppca(x, 2)
    other = PPCA(
        p.mean + size * r.normal(size=5),
        p.W + size * r.normal(size=(5, 2)),
        p.variance * np.exp(size * r.normal()),
    )
    assert other.log_prob(x).mean() < p.log_likelihood


@pytest.mark.parametrize("x, q, message", [
    (PIXELS, 64, "below D=64"),
    (PIXELS, 0, "at least 1"),
    (PIXELS, 61, "variance 0"),
    (PIXELS[:1], 2, "n at least 2"),
    (PIXELS[0], 2, "shape"),
    (np.full((5, 3), np.nan), 1, "finite"),
])
def test_ppca_errors(x, q, message):
    with pytest.raises(ValueError, match=message):
        evaluate.ppca(x, q)


# The linear VAE that holds the pPCA solution

@each_row_of_the_table
def test_the_weights_are_constant(q):
    """A single log w is the exact log p(x), for every image, eq. (15.4); so is every bound."""
    p = evaluate.ppca(PIXELS, q)
    exact = p.log_prob(PIXELS)
    for n_samples in (1, 7):
        found = evaluate.log_likelihood(p.linear_vae(), PIXELS, n_samples, rng(q))
        np.testing.assert_allclose(found.per_example, exact, rtol=0, atol=1e-9)
        assert abs(found.mean - p.log_likelihood) < 1e-9
        assert found.n_samples == n_samples
        error = exact.std(ddof=1) / len(exact) ** 0.5
        assert abs(found.standard_error - error) < 1e-9  # eq. (15.6)


@each_row_of_the_table
def test_the_bound_is_tight_and_stationary(q):
    p = evaluate.ppca(PIXELS, q)
    model = p.linear_vae()
    np.testing.assert_allclose(expected_elbo(model, PIXELS), p.log_prob(PIXELS), rtol=0, atol=1e-9)
    nll, kl = expected_terms(model, PIXELS)
    assert_stationary((nll + kl).mean(), model.parameters())


@each_row_of_the_table
def test_the_sampled_bound_averages_to_log_p(q):
    p = evaluate.ppca(PIXELS, q)
    model = p.linear_vae()
    sampled = np.stack([evaluate.elbo(model, PIXELS, rng(i), 2) for i in range(10)])
    assert sampled.shape == (10, len(PIXELS))
    assert sampled.dtype == np.float64
    # The standard error of the noise alone, pooled over the images.
    noise = np.sqrt(sampled.var(axis=0, ddof=1).mean() / sampled.size)
    assert abs(sampled.mean() - p.log_likelihood) < 4 * noise < 0.1


def test_float32_holds_it_too():
    p = evaluate.ppca(PIXELS, 5)
    found = evaluate.log_likelihood(p.linear_vae(np.float32), PIXELS, 3, rng())
    assert found.per_example.dtype == np.float64
    np.testing.assert_allclose(found.per_example, p.log_prob(PIXELS), rtol=1e-5)


def test_another_rotation_opens_a_gap():
    """W R in place of W: the same p(x), but a diagonal posterior is off by eq. (15.14)."""
    p = evaluate.ppca(PIXELS, 5)
    R = np.linalg.qr(rng(3).normal(size=(5, 5)))[0]
    turned = PPCA(p.mean, p.W @ R, p.variance)
    np.testing.assert_allclose(turned.log_prob(PIXELS), p.log_prob(PIXELS), rtol=1e-12)

    # linear_vae is right for a diagonal M; here the mean has to use the whole of it.
    M = turned.W.T @ turned.W + p.variance * np.eye(5)
    to_mean = turned.W @ np.linalg.inv(M)
    model = turned.linear_vae()
    encoder = model.encoder.layers[0]
    encoder.weight.data[:, :5] = to_mean
    encoder.bias.data[:5] = -p.mean @ to_mean

    gap = 0.5 * (np.log(np.diag(M)).sum() - np.linalg.slogdet(M)[1])
    assert gap > 0.01
    np.testing.assert_allclose(p.log_prob(PIXELS) - expected_elbo(model, PIXELS), gap, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_fit_reaches_the_closed_form_and_never_exceeds_it(seed):
    x = PIXELS / 16
    p = evaluate.ppca(x, 5)
    model = mv.VAE(64, (), 5, "gaussian", "shared", dtype=np.float64, rng=rng(seed))
    optimizer = mv.Adam(model.parameters())
    for lr in (0.02, 0.01, 0.003, 0.001):
        optimizer.lr = lr
        mv.fit(model, x, epochs=30, batch_size=200, optimizer=optimizer, rng=rng(seed))
        bound = expected_elbo(model, x).mean()
        own = own_log_prob(model, x)
        assert bound <= own.mean() <= p.log_likelihood
    assert p.log_likelihood - bound < 0.5
    excess = evaluate.log_likelihood(model, x, 10, rng(2)).per_example - own
    assert excess.mean() < 4 * standard_error(excess)


# Collapse

EIGENVALUES = np.array([8.0, 4.5, 1.5, 0.6, 0.4])


def data_with_covariance(eigenvalues):
    """x (200, 5), whose covariance is diagonal with these entries."""
    x = rng(5).normal(size=(200, 5))
    return np.linalg.qr(x - x.mean(axis=0))[0] * np.sqrt(200 * eigenvalues)


@pytest.mark.parametrize("beta", [0.5, 1, 4])
def test_collapse_is_predicted_by_the_eigenvalues(beta):
    """Latent j is active iff its eigenvalue exceeds beta times the decoder's variance, eq. (15.15).

    Under a fixed decoder variance s2 = 1 the loss nll + beta kl of a linear VAE is stationary at
    pPCA with variance beta s2, eq. (15.17).
    """
    x = data_with_covariance(EIGENVALUES)
    W = np.diag(np.sqrt(np.maximum(EIGENVALUES - beta, 0)))
    model = PPCA(np.zeros(5), W, float(beta)).linear_vae()
    model.decoder_logvar.data[...] = 0.0  # s2 = 1
    nll, kl = expected_terms(model, x)
    others = [p for p in model.parameters() if p.name != "decoder_logvar"]
    assert_stationary((nll + beta * kl).mean(), others)

    active = EIGENVALUES > beta
    shares = beta / EIGENVALUES[active]
    np.testing.assert_array_equal(evaluate.active_units(model, x), active)
    each = evaluate.kl_per_latent(model, x)
    np.testing.assert_allclose(each[active], -0.5 * np.log(shares), atol=1e-10)  # eq. (15.16)
    np.testing.assert_allclose(each[~active], 0, atol=1e-10)
    assert abs(kl.data.mean() + 0.5 * np.log(shares).sum()) < 1e-10
    np.testing.assert_allclose(model.codes(x).var(0)[active], 1 - shares, rtol=1e-10)


def test_a_mean_over_pixels_is_a_weight_of_d():
    """As eq. (15.18) says: D times (nll / D + kl) is the loss with beta = D."""
    x = data_with_covariance(EIGENVALUES)
    model = mv.VAE(5, (), 5, "gaussian", dtype=np.float64, rng=rng())
    nll, kl = model.terms(x, rng(1))
    want = 5 * (nll / 5 + kl).data.mean()
    np.testing.assert_allclose(model.loss(x, rng(1), beta=5).item(), want, rtol=1e-12)


# Bounds where log p(x) is known and the bound is not tight

@given(
    seed=st.integers(0, 10**6),
    D=st.integers(1, 5),
    Z=st.integers(1, 3),
    scale=st.sampled_from([0.2, 0.5, 1.0]),
)
def test_elbo_below_importance_weighted_below_exact(seed, D, Z, scale):
    """eq. (15.3) on any data, for any parameters.

    Each bound is the mean of 300 runs, taken with 5 standard errors.
    """
    r = rng(seed)
    model = mv.VAE(D, (), Z, "gaussian", "shared", dtype=np.float64, rng=r)
    for p in model.parameters():
        p.data[...] = scale * r.normal(size=p.shape)
    x = r.normal(size=(3, D))
    elbo, exact = expected_elbo(model, x), own_log_prob(model, x)
    assert (elbo <= exact + 1e-12).all()

    # The sampled ELBO, and the bounds of 1, 10 and 100 samples: (4, 3, 300).
    runs = np.repeat(x, 300, axis=0)
    bounds = [evaluate.elbo(model, runs, r)]
    for k in (1, 10, 100):
        bounds.append(evaluate.log_likelihood(model, runs, k, r).per_example)
    bounds = np.reshape(bounds, (4, 3, 300))
    mean = bounds.mean(axis=2)
    five_errors = 5 * (bounds.std(axis=2) / np.sqrt(300) + 1e-12)

    assert (abs(mean[:2] - elbo) < five_errors[:2]).all()  # with one sample it is an ELBO
    assert (mean[:-1] <= mean[1:] + five_errors[:-1] + five_errors[1:]).all()
    assert (mean[2:] <= exact + five_errors[2:]).all()
    assert (elbo <= mean[2:] + five_errors[2:]).all()


def nonlinear(Z):
    """A small nonlinear model with Z = 1 or 2 latents, whose posterior is not Gaussian.

    Its q is wider than the prior, so that the weights have finite moments.
    """
    likelihood = {1: ("bernoulli",), 2: ("gaussian", -0.5)}[Z]
    model = mv.VAE(3, (4,), Z, *likelihood, activation="tanh", dtype=np.float64, rng=rng(Z))
    model.decoder.layers[0].weight.data *= 2
    model.encoder.layers[1].weight.data[:, Z:] = 0
    model.encoder.layers[1].bias.data[Z:] = 0.1
    return model


def by_quadrature(model, x):
    """log p(x), the exact ELBO, and the second and third central moments of w / p(x), on a grid.

    x: one example, (1, D).
    """
    Z = model.latent_dim
    points = {1: 4001, 2: 401}[Z]
    axis, step = np.linspace(-15, 15, points, retstep=True)
    z = np.stack(np.meshgrid(*[axis] * Z, indexing="ij"), -1).reshape(-1, Z)
    cell = step**Z
    mu, logvar = (t.data for t in model.encode(x))
    nll = model.nll(model.decode(z), np.tile(x, (len(z), 1))).data
    log_joint = -nll - 0.5 * (z**2 + LOG_2_PI).sum(1)
    log_q = -0.5 * (logvar + LOG_2_PI + (z - mu) ** 2 / np.exp(logvar)).sum(1)
    log_p = np.log(np.exp(log_joint).sum() * cell)

    q = np.exp(log_q) * cell
    ratio = np.exp(log_joint - log_q - log_p)  # w / p(x)
    assert abs(q.sum() - 1) < 1e-9
    assert abs((q * ratio).sum() - 1) < 1e-9
    elbo = (q * (log_joint - log_q)).sum()
    return log_p, elbo, (q * (ratio - 1) ** 2).sum(), (q * (ratio - 1) ** 3).sum()


ONE_EXAMPLE = np.array([[1.0, 0.0, 1.0]])


@pytest.mark.parametrize("Z", [1, 2])
def test_the_sampled_elbo_averages_to_the_exact_one(Z):
    model = nonlinear(Z)
    _, elbo, _, _ = by_quadrature(model, ONE_EXAMPLE)
    found = evaluate.elbo(model, np.tile(ONE_EXAMPLE, (8000, 1)), rng(1), 5)
    assert abs(found.mean() - elbo) < 4 * standard_error(found)


@pytest.mark.parametrize("Z", [1, 2])
def test_importance_weighted_bound_converges_as_one_over_k(Z):
    """log p(x) - L_K = Var(w)/(2 K p^2) + O(1/K^2), eq. (15.5).

    The O(1/K^2) term (Nowozin 2018) is taken along. exp(L_K)/p has mean 1, since the mean weight is
    unbiased, eq. (15.1); subtracted, it takes nearly all of the noise away.
    """
    model = nonlinear(Z)
    log_p, _, m2, m3 = by_quadrature(model, ONE_EXAMPLE)
    assert 0.05 < m2 < 5
    runs = np.tile(ONE_EXAMPLE, (8000, 1))
    for k in (8, 32, 128):
        excess = evaluate.log_likelihood(model, runs, k, rng(k)).per_example - log_p
        mean_weight = np.exp(excess)
        assert abs(mean_weight.mean() - 1) < 4 * standard_error(mean_weight)
        bias = excess - (mean_weight - 1)
        theory = -m2 / (2 * k) + (m3 / 3 - 0.75 * m2**2) / k**2
        assert abs(bias.mean() - theory) < 4 * standard_error(bias) < 0.1 * m2 / (2 * k)


# Blocks and memory

every_block = pytest.mark.parametrize("block", [36, 300, 2**18])
some_samples = pytest.mark.parametrize("n_samples", [1, 3, 101])


@every_block
@some_samples
def test_blocks_do_not_change_an_exact_bound(monkeypatch, block, n_samples):
    monkeypatch.setattr(evaluate, "BLOCK", block)
    x = PIXELS[:23, 18:30]
    p = evaluate.ppca(x, 3)
    found = evaluate.log_likelihood(p.linear_vae(), x, n_samples, rng()).per_example
    np.testing.assert_allclose(found, p.log_prob(x), rtol=0, atol=1e-9)


@every_block
@some_samples
def test_blocks_do_not_change_the_draws_moments(monkeypatch, block, n_samples):
    monkeypatch.setattr(evaluate, "BLOCK", block)
    model = nonlinear(1)
    runs = np.tile(ONE_EXAMPLE, (200, 1))
    log_p, elbo, m2, _ = by_quadrature(model, ONE_EXAMPLE)
    found = evaluate.log_likelihood(model, runs, n_samples, rng()).per_example
    weights = np.exp(found - log_p)
    assert abs(weights.mean() - 1) < 4 * np.sqrt(m2 / n_samples / 200)
    np.testing.assert_allclose(weights.var(), m2 / n_samples, rtol=0.6)  # every draw is new
    bounds = evaluate.elbo(model, runs, rng(), n_samples)
    assert abs(bounds.mean() - elbo) < 5 * standard_error(bounds)


def test_memory_is_bounded():
    """All draws at once would take 94 MB for one array of pixels."""
    model = mv.VAE(784, (20,), 2, rng=rng())
    x = np.zeros((3, 784), np.float32)
    tracemalloc.start()
    try:
        evaluate.log_likelihood(model, x, 10_000, rng())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_log_mean_exp():
    a = np.array([
        [1e4, -1e4],
        [1e4, -np.inf],
    ])
    with np.errstate(all="raise"):
        found = evaluate.log_mean_exp(a)
    np.testing.assert_allclose(found, [1e4, -1e4 - np.log(2)])  # eq. (6.10)


def test_log_mean_exp_of_weights_that_are_zero():
    a = np.array([
        [-np.inf, -np.inf, 0.0],
        [-np.inf, 2.0, 0.0],
    ])
    np.testing.assert_allclose(evaluate.log_mean_exp(a), [-np.inf, 2 - np.log(2), 0])


# Latents

WAVE = np.resize([1.0, -1.0], (10, 1))
MU = np.hstack([WAVE * np.sqrt(0.0101), WAVE * np.sqrt(0.0099), 5 + 0 * WAVE, 3 * WAVE])
LOGVAR = np.full(MU.shape, 2.0)


def test_active_units():
    model, x = set_posteriors(MU, LOGVAR)
    found = evaluate.active_units(model, x)  # eq. (15.7)
    assert found.dtype == bool
    assert found.tolist() == [True, False, False, True]
    found = evaluate.active_units(model, x, threshold=0.005)
    assert found.tolist() == [True, True, False, True]


def test_kl_per_latent_by_hand():
    mu = np.array([[0.0, 1.0], [0.0, -3.0]])
    logvar = np.array([[0.0, 0.0], [0.0, np.log(2)]])
    each = evaluate.kl_per_latent(*set_posteriors(mu, logvar))  # eq. (8.3)
    np.testing.assert_allclose(each, [0, (0.5 + (9 + 2 - np.log(2) - 1) / 2) / 2], rtol=1e-14)


def test_kl_per_latent_adds_up_to_the_kl_of_the_loss():
    model = mv.VAE(64, (8,), 3, rng=rng())
    x = PIXELS[:50] / 16
    each = evaluate.kl_per_latent(model, x)
    assert each.shape == (3,)
    assert each.dtype == np.float64
    _, kl = model.terms(x, rng())
    np.testing.assert_allclose(each.sum(), kl.data.mean(), rtol=1e-5)  # eq. (8.4)


def test_kl_per_latent_is_measured_from_the_mean_of_the_class():
    prior_mu = np.array([[5.0, 0.0], [-5.0, 1.0]])
    y = np.array([0, 1, 1])
    mu, logvar = rng(1).normal(size=(2, 3, 2))
    model, x = set_posteriors(mu + prior_mu[y], logvar, mv.ConditionalVAE, n_classes=2)
    model.prior_mu.data[...] = prior_mu
    want = evaluate.kl_per_latent((mu, logvar))
    np.testing.assert_allclose(evaluate.kl_per_latent(model, x, y), want, rtol=1e-12)  # eq. (8.5)
    np.testing.assert_array_equal(evaluate.active_units(model, x), [True, True])


def test_arrays_of_any_encoder_do_as_well_as_a_model():
    model, x = set_posteriors(MU, LOGVAR)
    active = evaluate.active_units(model, x)
    kl = evaluate.kl_per_latent(model, x)
    for pair in [(MU, LOGVAR), [MU.tolist(), LOGVAR.tolist()]]:
        np.testing.assert_array_equal(evaluate.active_units(pair), active)
        np.testing.assert_allclose(evaluate.kl_per_latent(pair), kl, rtol=1e-14)


@pytest.mark.parametrize("arguments, error, message", [
    ([(MU, LOGVAR[:5])], ValueError, r"shapes \(10, 4\) and \(5, 4\)"),
    ([(MU[0], LOGVAR[0])], ValueError, r"shapes \(4,\)"),
    ([(MU[:0], LOGVAR[:0])], ValueError, r"shapes \(0, 4\)"),
    ([(MU, np.nan * LOGVAR)], ValueError, "logvar holds NaN"),
    ([(MU, LOGVAR), np.eye(10)], ValueError, "no x to encode"),
    ([MU, LOGVAR], TypeError, r"one pair: \(mu, logvar\)"),
    ([(np.ma.masked_array(MU), LOGVAR)], TypeError, "masked"),
    ([mv.Autoencoder(4, (), 2, rng=rng()), MU], TypeError, "needs a VAE: Autoencoder has no"),
])
@pytest.mark.parametrize("function", [evaluate.active_units, evaluate.kl_per_latent])
def test_arrays_and_models_that_do_not_fit(function, arguments, error, message):
    with pytest.raises(error, match=message):
        function(*arguments)


def test_labels_belong_to_a_conditional_vae():
    with pytest.raises(ValueError, match="labels y are for a ConditionalVAE"):
        evaluate.kl_per_latent((MU, LOGVAR), y=np.zeros(10, int))


def test_aggregated_posterior_moments():
    mu, logvar = rng(1).normal(size=(30, 3)), rng(2).normal(size=(30, 3))
    found = evaluate.aggregated_posterior(*set_posteriors(mu, logvar), rng())
    variance = (mu**2 + np.exp(logvar)).mean(0) - mu.mean(0) ** 2
    np.testing.assert_allclose(found.mean, mu.mean(0), rtol=1e-12)  # eq. (12.3)
    np.testing.assert_allclose(found.variance, variance, rtol=1e-12)


def test_aggregated_posterior_of_ppca_has_the_moments_of_the_prior():
    found = evaluate.aggregated_posterior(evaluate.ppca(PIXELS, 3).linear_vae(), PIXELS, rng())
    np.testing.assert_allclose(found.mean, 0, atol=1e-9)
    np.testing.assert_allclose(found.variance, 1, rtol=1e-9)


@pytest.mark.parametrize("block", [30_000, 2**18])
def test_the_split_of_the_mean_kl(monkeypatch, block):
    """eq. (12.4) where the marginal KL is known by quadrature, without the sampled information."""
    monkeypatch.setattr(evaluate, "BLOCK", block)
    mu = np.array([[-2.0], [-1.5], [0.3], [0.5], [2.5]])
    logvar = np.array([[-2.0], [0.0], [-1.0], [-4.0], [0.5]])
    z, dz = np.linspace(-15, 15, 60001, retstep=True)
    log_each = -0.5 * (logvar + LOG_2_PI + (z - mu) ** 2 / np.exp(logvar))  # (5, 60001)
    q = np.exp(log_each).mean(axis=0)
    marginal = (q * (np.log(q) + 0.5 * (z**2 + LOG_2_PI))).sum() * dz
    kl = 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).mean()

    # Each example a hundred times: the same mixture, and more draws.
    alike = np.repeat(mu, 100, axis=0), np.repeat(logvar, 100, axis=0)
    found = evaluate.aggregated_posterior(*set_posteriors(*alike), rng(), n_samples=50)
    assert abs(found.kl - kl) < 1e-12
    assert abs(found.marginal_kl - marginal) < 4 * found.standard_error < 0.02
    assert abs(found.mutual_information - (kl - marginal)) < 4 * found.standard_error
    assert found.kl == pytest.approx(found.mutual_information + found.marginal_kl, abs=1e-12)


def test_equal_posteriors_tell_nothing_of_x():
    mu, logvar = np.full((7, 2), 0.8), np.full((7, 2), -1.0)
    found = evaluate.aggregated_posterior(*set_posteriors(mu, logvar), rng())
    assert abs(found.mutual_information) < 1e-12
    assert abs(found.marginal_kl - mv.gaussian_kl(mu, logvar)[0]) < 1e-12


@pytest.mark.parametrize("logvar", [0.0, -50.0])
def test_the_split_at_its_ends(logvar):
    """Posteriors far apart tell everything: I = log n, eq. (12.5)."""
    apart = 100.0 * np.arange(7)[:, None] * np.ones(2)
    posteriors = set_posteriors(apart, np.full((7, 2), logvar))
    found = evaluate.aggregated_posterior(*posteriors, rng())
    assert abs(found.mutual_information - np.log(7)) < 1e-12
    assert found.standard_error < 1e-12


# A prior mean per class

def conditional_ppca(prior_mu, right_for):
    """The pPCA model with a prior mean per class; its encoder is exact for the class right_for.

    Gives the model, x, and the exact log p(x | y) for every class, (n_classes, n).
    """
    x = PIXELS[:60, 10:22]
    p = evaluate.ppca(x, 2)
    M = np.sum(p.W**2, axis=0) + p.variance
    state = {**p.linear_vae().state_dict(), "prior_mu": prior_mu}
    state["encoder.0.bias"][:2] += p.variance / M * prior_mu[right_for]
    settings = {"dtype": np.float64, "rng": rng(), "n_classes": len(prior_mu)}
    model = mv.ConditionalVAE(12, (), 2, "gaussian", **settings)
    model.load_state_dict(state)
    exact = [PPCA(p.mean + p.W @ m, p.W, p.variance).log_prob(x) for m in prior_mu]
    return model, x, np.stack(exact)


PRIOR_MU = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])


def test_the_conditional_bound_is_exact_for_the_class_that_the_encoder_knows():
    model, x, exact = conditional_ppca(PRIOR_MU, right_for=1)
    y = np.ones(len(x), int)
    found = evaluate.log_likelihood(model, x, 3, rng(), y=y).per_example
    np.testing.assert_allclose(found, exact[1], atol=1e-9)


def test_conditional_vae_bounds_log_p_of_x_given_y():
    model, x, exact = conditional_ppca(PRIOR_MU, right_for=1)
    y = np.arange(len(x)) % 3
    truth = exact[y, np.arange(len(x))]
    bound = evaluate.log_likelihood(model, x, 2000, rng(), y=y)
    assert abs(bound.mean - truth.mean()) < 0.02

    # Only the KL knows the class, eq. (14.2).
    posterior = model.encode(x)
    from_zero = mv.gaussian_kl(*posterior).data
    from_class = mv.gaussian_kl(*posterior, prior_mu=PRIOR_MU[y]).data
    closed = expected_elbo(model, x) + from_zero - from_class
    assert (closed <= truth + 1e-9).all()
    assert (closed[y != 1] < truth[y != 1] - 0.01).all()

    elbo = np.stack([evaluate.elbo(model, x, rng(i), 50, y=y) for i in range(20)])
    noise = np.sqrt(elbo.var(axis=0, ddof=1).mean() / elbo.size)
    assert abs(elbo.mean() - closed.mean()) < 4 * noise


def test_aggregated_posterior_is_taken_from_the_class_means():
    mu, logvar = rng(1).normal(size=(8, 2)), rng(2).normal(size=(8, 2))
    prior_mu = np.array([[5.0, 0.0], [-5.0, 1.0]])
    y = np.arange(8) % 2
    model, x = set_posteriors(mu + prior_mu[y], logvar, mv.ConditionalVAE, n_classes=2)
    model.prior_mu.data[...] = prior_mu
    shifted = evaluate.aggregated_posterior(model, x, rng(), y=y)
    plain = evaluate.aggregated_posterior(*set_posteriors(mu, logvar), rng())
    np.testing.assert_allclose(shifted.mean, plain.mean, atol=1e-12)
    assert shifted.kl == pytest.approx(plain.kl, abs=1e-12)
    assert shifted.mutual_information == pytest.approx(plain.mutual_information, abs=1e-12)


# What a user meets

def call_elbo(model, x, n_samples=1, r=None, **labels):
    return evaluate.elbo(model, x, r or rng(), n_samples, **labels)


def call_log_likelihood(model, x, n_samples=1, r=None, **labels):
    return evaluate.log_likelihood(model, x, n_samples, r or rng(), **labels)


def call_aggregated_posterior(model, x, n_samples=1, r=None, **labels):
    return evaluate.aggregated_posterior(model, x, r or rng(), n_samples, **labels)


@pytest.mark.parametrize("call", [call_elbo, call_log_likelihood, call_aggregated_posterior])
def test_errors(call):
    x = np.zeros((4, 3))
    vae = mv.VAE(3, (), 2, rng=rng())
    with pytest.raises(TypeError, match="needs a VAE: Autoencoder has no"):
        call(mv.Autoencoder(3, (), 2, rng=rng()), x)
    with pytest.raises(ValueError, match="takes no labels"):
        call(vae, x, y=np.zeros(4, int))
    with pytest.raises(ValueError, match="needs the labels"):
        call(mv.ConditionalVAE(3, (), 2, n_classes=2, rng=rng()), x)
    with pytest.raises(ValueError, match="n_samples must be an integer of at least 1, got 0"):
        call(vae, x, n_samples=0)
    with pytest.raises(TypeError, match="default_rng"):
        call(vae, x, r=7)
    with pytest.raises(ValueError, match=r"this model takes \(B, 3\)"):
        call(vae, np.zeros((4, 2)))


def test_no_graph_is_built_and_nothing_is_trained():
    model = mv.VAE(3, (4,), 2, rng=rng())
    before = model.state_dict()
    encode, decode = model.encode, model.decode
    made = []

    def watched_encode(x):
        made.extend(encode(x))
        return made[-2:]

    def watched_decode(z):
        made.append(decode(z))
        return made[-1]

    model.encode = watched_encode
    model.decode = watched_decode
    evaluate.elbo(model, np.ones((4, 3)), rng())
    evaluate.log_likelihood(model, np.ones((4, 3)), 5, rng())
    assert len(made) == 6
    assert not any(t.requires_grad for t in made)
    for p in model.parameters():
        assert p.grad is None
        np.testing.assert_array_equal(p.data, before[p.name])


def test_one_example_has_no_standard_error():
    model = mv.VAE(3, (), 2, rng=rng())
    assert np.isnan(evaluate.log_likelihood(model, np.ones((1, 3)), 5, rng()).standard_error)


@pytest.fixture
def run_of_100_blocks(monkeypatch):
    monkeypatch.setattr(evaluate, "BLOCK", 3000)
    model = mv.VAE(3, (), 2, rng=rng())

    def run(**progress):
        evaluate.log_likelihood(model, np.ones((400, 3)), 250, rng(), **progress)

    return run


def test_progress_is_quiet_away_from_a_terminal(run_of_100_blocks, capsys):
    run_of_100_blocks()
    run_of_100_blocks(progress=False)
    assert capsys.readouterr() == ("", "")


def test_progress_of_ten_lines_if_wanted(run_of_100_blocks, capsys):
    run_of_100_blocks(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    percents = [line.split()[4:6] for line in err.splitlines()]
    assert percents == [[str(p), "%"] for p in range(10, 101, 10)]


def test_progress_on_a_terminal_is_one_line_written_over(run_of_100_blocks, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run_of_100_blocks()
    err = capsys.readouterr().err
    assert err.startswith("\rlog-l")
    assert err.count("\r") >= 2
    assert err.index("\n") == len(err) - 1
