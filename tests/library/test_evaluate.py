"""evaluate: every estimate is held against a case where the truth is known in closed form or by quadrature."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minivae as mv
from minivae import evaluate

PIXELS = mv.data.digits()[0].astype(np.float64) * 16  # raw values 0 .. 16, on which the table below was computed
# latents: noise variance, mean log-likelihood, mean KL (probabilistic PCA of these digits, computed independently)
TABLE = {2: (13.8539480782, -177.439971498, 2.513657), 5: (9.2663838536, -168.538041537, 6.481393),
         10: (5.8243513193, -159.993731201, 12.796141), 20: (2.8861945003, -150.168378294, 25.438269)}


def rng(seed=0):
    return np.random.default_rng(seed)


def expected_terms(model, x):
    """(nll, kl), Tensors (n,), with the expectation over the noise exact: the nll of an affine Gaussian decoder is
    quadratic in eps, and the 2Z points +-sqrt(Z) e_j have the mean, covariance and odd moments of N(0, I)."""
    mu, logvar = model.encode(x)
    Z = model.latent_dim
    points = np.sqrt(Z) * np.vstack([np.eye(Z), -np.eye(Z)])
    nll = sum(model.nll(model.decode(mv.reparameterize(mu, logvar, np.tile(p, (len(x), 1)))), x) for p in points)
    return nll / len(points), mv.gaussian_kl(mu, logvar)


def expected_elbo(model, x):
    nll, kl = expected_terms(model, x)
    return -(nll + kl).data


def own_log_prob(model, x):
    """Exact log p(x) under a linear VAE's own parameters, eq. (15.8)."""
    layer = model.decoder.layers[0]
    return evaluate.PPCA(layer.bias.data, layer.weight.data.T, np.exp(model.decoder_logvar.data)).log_prob(x)


def set_posteriors(mu, logvar, **kwargs):
    """A linear VAE and x (the rows of the identity) such that q(z | x_n) = N(mu[n], exp(logvar[n]))."""
    n, Z = mu.shape
    kind = mv.ConditionalVAE if "n_classes" in kwargs else mv.VAE
    model = kind(n, (), Z, "gaussian", dtype=np.float64, rng=rng(), **kwargs)
    model.encoder.layers[0].weight.data[...] = np.hstack([mu, logvar])
    return model, np.eye(n)


# Probabilistic PCA

@pytest.mark.parametrize("q", TABLE)
def test_ppca_of_the_digits(q):
    variance, log_likelihood, kl = TABLE[q]
    p = evaluate.ppca(PIXELS, q)
    assert abs(p.variance - variance) < 1e-8                                     # eq. (15.11)
    assert abs(p.log_likelihood - log_likelihood) < 1e-8                         # eq. (15.12)
    assert abs(p.log_prob(PIXELS).mean() - log_likelihood) < 1e-8                # eq. (15.9)
    model = p.linear_vae()
    assert abs(mv.gaussian_kl(*model.encode(PIXELS)).data.mean() - kl) < 1e-6    # eq. (15.16)
    gram = p.W.T @ p.W
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-10 * gram[0, 0])
    assert (np.diff(np.diag(gram)) < 0).all()


def test_log_prob_is_the_integral_over_z():
    p = evaluate.PPCA(np.array([0.5, -1.0]), np.array([[1.5], [-0.7]]), 0.3)
    x = rng().normal(size=(5, 2))
    z = np.linspace(-12, 12, 4001)
    mean = p.mean + z[:, None] * p.W[:, 0]
    density = np.exp(-0.5 * z**2 - ((x[:, None] - mean)**2).sum(-1) / 0.6) / (2 * np.pi)**1.5 / 0.3
    np.testing.assert_allclose(p.log_prob(x), np.log(density.sum(1) * (z[1] - z[0])), rtol=1e-12)  # eq. (15.8)


def test_log_prob_is_the_joint_over_the_posterior():
    """For any W: log p(x) = log p(x, z) - log p(z | x) at every z, with the posterior of eq. (15.13)."""
    x, z, W, s2 = rng(1).normal(size=(4, 6)), rng(2).normal(size=(4, 3)), rng(3).normal(size=(6, 3)), 0.4
    M = W.T @ W + s2 * np.eye(3)
    away = z - x @ W @ np.linalg.inv(M)
    log_posterior = -0.5 * (3 * np.log(2 * np.pi * s2) - np.linalg.slogdet(M)[1] + np.einsum("ni,ij,nj->n", away, M, away) / s2)
    log_joint = -0.5 * (9 * np.log(2 * np.pi) + 6 * np.log(s2) + ((x - z @ W.T)**2).sum(1) / s2 + (z**2).sum(1))
    np.testing.assert_allclose(evaluate.PPCA(np.zeros(6), W, s2).log_prob(x), log_joint - log_posterior, rtol=1e-12)


@given(seed=st.integers(0, 10**6), size=st.sampled_from([1e-3, 0.1, 1.0]))
def test_nothing_beats_ppca(seed, size):
    """eq. (15.10) and eq. (15.11) are the maximum: other parameters, near or far, are less likely."""
    r = rng(seed)
    x = r.normal(size=(40, 5)) * [3, 2, 1, 1, 0.5]
    p = evaluate.ppca(x, 2)
    other = evaluate.PPCA(p.mean + size * r.normal(size=5), p.W + size * r.normal(size=(5, 2)), p.variance * np.exp(size * r.normal()))
    assert other.log_prob(x).mean() < p.log_likelihood


@pytest.mark.parametrize("x, q, message", [
    (PIXELS, 64, "below D=64"), (PIXELS, 0, "at least 1"), (PIXELS, 61, "variance 0"), (PIXELS[:1], 2, "n at least 2"),
    (PIXELS[0], 2, "shape"), (np.full((5, 3), np.nan), 1, "finite")])
def test_ppca_errors(x, q, message):
    with pytest.raises(ValueError, match=message):
        evaluate.ppca(x, q)


# The linear VAE that holds the pPCA solution

@pytest.mark.parametrize("q", TABLE)
def test_the_weights_are_constant(q):
    """A single log w is the exact log p(x), for every image; so is every importance-weighted bound, eq. (15.4)."""
    p = evaluate.ppca(PIXELS, q)
    model, exact = p.linear_vae(), p.log_prob(PIXELS)
    for n_samples in (1, 7):
        found = evaluate.log_likelihood(model, PIXELS, n_samples, rng(q))
        np.testing.assert_allclose(found.per_example, exact, rtol=0, atol=1e-9)
    assert abs(found.mean - p.log_likelihood) < 1e-9 and found.n_samples == 7
    assert abs(found.standard_error - exact.std(ddof=1) / len(exact)**0.5) < 1e-9  # eq. (15.6)


@pytest.mark.parametrize("q", TABLE)
def test_the_bound_is_tight_and_stationary(q):
    p = evaluate.ppca(PIXELS, q)
    model = p.linear_vae()
    np.testing.assert_allclose(expected_elbo(model, PIXELS), p.log_prob(PIXELS), rtol=0, atol=1e-9)
    sampled = np.stack([evaluate.elbo(model, PIXELS, rng(i), 2) for i in range(10)])
    assert sampled.shape == (10, len(PIXELS)) and sampled.dtype == np.float64
    means = sampled.mean(axis=1)
    noise = np.sqrt(sampled.var(axis=0, ddof=1).mean() / sampled.size)  # of the noise alone, pooled over the images
    assert abs(means.mean() - p.log_likelihood) < 4 * noise < 0.1
    nll, kl = expected_terms(model, PIXELS)
    (nll + kl).mean().backward()
    for t in model.parameters():
        assert np.abs(t.grad).max() < 1e-10, t.name


def test_float32_holds_it_too():
    p = evaluate.ppca(PIXELS, 5)
    found = evaluate.log_likelihood(p.linear_vae(np.float32), PIXELS, 3, rng())
    assert found.per_example.dtype == np.float64
    np.testing.assert_allclose(found.per_example, p.log_prob(PIXELS), rtol=1e-5)


def test_another_rotation_opens_a_gap():
    """With W R in place of W the same p(x), but the best diagonal posterior is off by the gap of eq. (15.14)."""
    p = evaluate.ppca(PIXELS, 5)
    R = np.linalg.qr(rng(3).normal(size=(5, 5)))[0]
    turned = evaluate.PPCA(p.mean, p.W @ R, p.variance)
    np.testing.assert_allclose(turned.log_prob(PIXELS), p.log_prob(PIXELS), rtol=1e-12)
    M = turned.W.T @ turned.W + p.variance * np.eye(5)
    model = turned.linear_vae()  # right for a diagonal M; here the mean has to use the whole of it
    model.encoder.layers[0].weight.data[:, :5] = turned.W @ np.linalg.inv(M)
    model.encoder.layers[0].bias.data[:5] = -p.mean @ turned.W @ np.linalg.inv(M)
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
        bound, own = expected_elbo(model, x).mean(), own_log_prob(model, x).mean()
        assert bound <= own <= p.log_likelihood
    assert p.log_likelihood - bound < 0.5
    sampled = evaluate.log_likelihood(model, x, 10, rng(2)).per_example - own_log_prob(model, x)
    assert sampled.mean() < 4 * sampled.std() / len(x)**0.5


@pytest.mark.parametrize("beta", [0.5, 1, 4])
def test_collapse_is_predicted_by_the_eigenvalues(beta):
    """Under a fixed decoder variance s2, the loss nll + beta kl of a linear VAE is stationary at pPCA with variance
    beta s2, eq. (15.17); latent j is active iff its eigenvalue exceeds beta s2, eq. (15.15)."""
    eigenvalues, s2 = np.array([8.0, 4.5, 1.5, 0.6, 0.4]), 1.0
    x = rng(5).normal(size=(200, 5))
    x = np.linalg.qr(x - x.mean(axis=0))[0] * np.sqrt(200 * eigenvalues)  # its covariance is diag(eigenvalues)
    gain = np.sqrt(np.maximum(eigenvalues - beta * s2, 0))
    model = evaluate.PPCA(np.zeros(5), np.diag(gain), beta * s2).linear_vae()
    model.decoder_logvar.data[...] = np.log(s2)
    nll, kl = expected_terms(model, x)
    (nll + beta * kl).mean().backward()
    assert all(np.abs(t.grad).max() < 1e-10 for t in model.parameters() if t.name != "decoder_logvar")
    active = eigenvalues > beta * s2
    np.testing.assert_array_equal(evaluate.active_units(model, x), active)
    shares = beta * s2 / eigenvalues[active]
    assert abs(kl.data.mean() + 0.5 * np.log(shares).sum()) < 1e-10              # eq. (15.16)
    np.testing.assert_allclose(model.encode(x)[0].data.var(0)[active], 1 - shares, rtol=1e-10)
    D_times = mv.VAE(5, (), 5, "gaussian", dtype=np.float64, rng=rng())          # eq. (15.18): mean over D pixels
    nll, kl = D_times.terms(x, rng(1))
    np.testing.assert_allclose(5 * (nll / 5 + kl).data.mean(), D_times.loss(x, rng(1), beta=5).item(), rtol=1e-12)


# Bounds where log p(x) is known and the bound is not tight

@given(seed=st.integers(0, 10**6), D=st.integers(1, 5), Z=st.integers(1, 3), scale=st.sampled_from([0.2, 0.5, 1.0]))
def test_elbo_below_importance_weighted_below_exact(seed, D, Z, scale):
    """eq. (15.3) on any data, for any parameters; each bound is the mean of 300 runs, taken with 5 standard errors."""
    r = rng(seed)
    model = mv.VAE(D, (), Z, "gaussian", "shared", dtype=np.float64, rng=r)
    for t in model.parameters():
        t.data[...] = scale * r.normal(size=t.shape)
    x = r.normal(size=(3, D))
    runs = np.repeat(x, 300, axis=0)
    elbo, exact = expected_elbo(model, x), own_log_prob(model, x)
    assert (elbo <= exact + 1e-12).all()
    bounds = [evaluate.elbo(model, runs, r)] + [evaluate.log_likelihood(model, runs, k, r).per_example for k in (1, 10, 100)]
    mean = np.array([b.reshape(3, 300).mean(1) for b in bounds])
    error = np.array([b.reshape(3, 300).std(1) for b in bounds]) / 300**0.5 + 1e-12
    assert (abs(mean[:2] - elbo) < 5 * error[:2]).all()
    assert (mean[:-1] <= mean[1:] + 5 * (error[:-1] + error[1:])).all()
    assert (mean[2:] <= exact + 5 * error[2:]).all()
    assert (elbo <= mean[2:] + 5 * error[2:]).all()


def nonlinear(Z):
    """A small nonlinear model with a posterior that is not Gaussian, and a q wider than the prior, so that the weights have
    finite moments."""
    model = mv.VAE(3, (4,), Z, *([("bernoulli",), ("gaussian", -0.5)][Z - 1]), activation="tanh", dtype=np.float64, rng=rng(Z))
    model.decoder.layers[0].weight.data *= 2
    model.encoder.layers[1].weight.data[:, Z:] = 0
    model.encoder.layers[1].bias.data[Z:] = 0.1
    return model


def by_quadrature(model, x):
    """log p(x), the exact ELBO, and the second and third central moments of w/p(x), for one x (1, D), on a grid of z."""
    Z = model.latent_dim
    axis = np.linspace(-15, 15, [4001, 401][Z - 1])
    z = np.stack(np.meshgrid(*[axis] * Z, indexing="ij"), -1).reshape(-1, Z)
    cell = (axis[1] - axis[0]) ** Z
    mu, logvar = (t.data for t in model.encode(x))
    nll = model.nll(model.decode(z), np.tile(x, (len(z), 1))).data
    log_joint = -nll - 0.5 * (z**2 + np.log(2 * np.pi)).sum(1)
    log_q = -0.5 * (logvar + np.log(2 * np.pi) + (z - mu)**2 / np.exp(logvar)).sum(1)
    log_p = np.log(np.exp(log_joint).sum() * cell)
    q, ratio = np.exp(log_q) * cell, np.exp(log_joint - log_q - log_p)
    assert abs(q.sum() - 1) < 1e-9 and abs((q * ratio).sum() - 1) < 1e-9
    return log_p, (q * (log_joint - log_q)).sum(), (q * (ratio - 1)**2).sum(), (q * (ratio - 1)**3).sum()


@pytest.mark.parametrize("Z", [1, 2])
def test_importance_weighted_bound_converges_as_one_over_k(Z):
    """log p(x) - L_K = Var(w)/(2 K p^2) + O(1/K^2), eq. (15.5); the O(1/K^2) term (Nowozin 2018) is taken along.

    exp(L_K)/p has mean 1 (the mean weight is unbiased, eq. (15.1)); subtracted, it takes nearly all of the noise away."""
    model, x = nonlinear(Z), np.array([[1.0, 0.0, 1.0]])
    log_p, elbo, m2, m3 = by_quadrature(model, x)
    assert 0.05 < m2 < 5
    runs = np.tile(x, (8000, 1))
    found = evaluate.elbo(model, runs, rng(1), 5)
    assert abs(found.mean() - elbo) < 4 * found.std() / len(runs)**0.5
    for k in (8, 32, 128):
        excess = evaluate.log_likelihood(model, runs, k, rng(k)).per_example - log_p
        mean_weight = np.exp(excess)
        assert abs(mean_weight.mean() - 1) < 4 * mean_weight.std() / len(runs)**0.5
        bias = excess - (mean_weight - 1)
        theory = -m2 / (2 * k) + (m3 / 3 - 0.75 * m2**2) / k**2
        assert abs(bias.mean() - theory) < 4 * bias.std() / len(runs)**0.5 < 0.1 * m2 / (2 * k)


@pytest.mark.parametrize("block", [36, 300, 2**18])
@pytest.mark.parametrize("n_samples", [1, 3, 101])
def test_blocks_do_not_change_the_result(monkeypatch, block, n_samples):
    monkeypatch.setattr(evaluate, "BLOCK", block)
    x = PIXELS[:23, 18:30]
    p = evaluate.ppca(x, 3)
    found = evaluate.log_likelihood(p.linear_vae(), x, n_samples, rng()).per_example
    np.testing.assert_allclose(found, p.log_prob(x), rtol=0, atol=1e-9)
    model, runs = nonlinear(1), np.tile([[1.0, 0.0, 1.0]], (200, 1))
    log_p, elbo, m2, _ = by_quadrature(model, runs[:1])
    weights = np.exp(evaluate.log_likelihood(model, runs, n_samples, rng()).per_example - log_p)
    assert abs(weights.mean() - 1) < 4 * np.sqrt(m2 / n_samples / 200)
    np.testing.assert_allclose(weights.var(), m2 / n_samples, rtol=0.6)  # every draw is new
    bounds = evaluate.elbo(model, runs, rng(), n_samples)
    assert abs(bounds.mean() - elbo) < 5 * bounds.std() / 200**0.5


def test_memory_is_bounded():
    model = mv.VAE(784, (20,), 2, rng=rng())
    x = np.zeros((3, 784), np.float32)
    tracemalloc.start()
    try:
        evaluate.log_likelihood(model, x, 10_000, rng())  # all draws at once: 94 MB for one array of pixels
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20e6


def test_log_mean_exp():
    a = np.array([[1e4, -1e4, -np.inf, -np.inf, 0.0], [1e4, -np.inf, -np.inf, 2.0, 0.0]])
    with np.errstate(all="raise"):
        found = evaluate.log_mean_exp(a[:, :2])
    np.testing.assert_allclose(found, [1e4, -1e4 - np.log(2)])  # eq. (6.10)
    np.testing.assert_allclose(evaluate.log_mean_exp(a[:, 2:]), [-np.inf, 2 - np.log(2), 0])


# Latents

def test_active_units():
    wave = np.resize([1.0, -1.0], (10, 1))
    mu = np.hstack([wave * np.sqrt(0.0101), wave * np.sqrt(0.0099), 5 + 0 * wave, 3 * wave])
    model, x = set_posteriors(mu, np.full(mu.shape, 2.0))
    found = evaluate.active_units(model, x)  # eq. (15.7)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, [True, False, False, True])
    np.testing.assert_array_equal(evaluate.active_units(model, x, threshold=0.005), [True, True, False, True])


def test_aggregated_posterior_moments():
    mu, logvar = rng(1).normal(size=(30, 3)), rng(2).normal(size=(30, 3))
    found = evaluate.aggregated_posterior(*set_posteriors(mu, logvar), rng())
    np.testing.assert_allclose(found.mean, mu.mean(0), rtol=1e-12)                          # eq. (12.3)
    np.testing.assert_allclose(found.variance, (mu**2 + np.exp(logvar)).mean(0) - mu.mean(0)**2, rtol=1e-12)
    at_ppca = evaluate.aggregated_posterior(evaluate.ppca(PIXELS, 3).linear_vae(), PIXELS, rng())
    np.testing.assert_allclose(at_ppca.mean, 0, atol=1e-9)
    np.testing.assert_allclose(at_ppca.variance, 1, rtol=1e-9)


@pytest.mark.parametrize("block", [30_000, 2**18])
def test_the_split_of_the_mean_kl(monkeypatch, block):
    """eq. (12.4) where the marginal KL is known by quadrature, found without the sampled mutual information."""
    monkeypatch.setattr(evaluate, "BLOCK", block)
    mu, logvar = np.array([[-2.0], [-1.5], [0.3], [0.5], [2.5]]), np.array([[-2.0], [0.0], [-1.0], [-4.0], [0.5]])
    z = np.linspace(-15, 15, 60001)
    q = np.exp(-0.5 * (logvar + np.log(2 * np.pi) + (z - mu)**2 / np.exp(logvar))).mean(axis=0)
    marginal = (q * (np.log(q) + 0.5 * (z**2 + np.log(2 * np.pi)))).sum() * (z[1] - z[0])
    kl = 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).mean()
    alike = [np.repeat(a, 100, axis=0) for a in (mu, logvar)]  # the same mixture, and more draws
    found = evaluate.aggregated_posterior(*set_posteriors(*alike), rng(), n_samples=50)
    assert abs(found.kl - kl) < 1e-12
    assert abs(found.marginal_kl - marginal) < 4 * found.standard_error < 0.02
    assert abs(found.mutual_information - (kl - marginal)) < 4 * found.standard_error
    assert found.kl == pytest.approx(found.mutual_information + found.marginal_kl, abs=1e-12)


def test_the_split_at_its_ends():
    """Equal posteriors tell nothing of x, posteriors far apart everything: I = 0 and I = log n, eq. (12.5)."""
    same = evaluate.aggregated_posterior(*set_posteriors(np.full((7, 2), 0.8), np.full((7, 2), -1.0)), rng())
    assert abs(same.mutual_information) < 1e-12
    assert abs(same.marginal_kl - mv.gaussian_kl(np.full((1, 2), 0.8), np.full((1, 2), -1.0))[0]) < 1e-12
    apart = 100.0 * np.arange(7)[:, None] * np.ones(2)
    for logvar in (0.0, -50.0):
        far = evaluate.aggregated_posterior(*set_posteriors(apart, np.full((7, 2), logvar)), rng())
        assert abs(far.mutual_information - np.log(7)) < 1e-12
        assert far.standard_error < 1e-12



# A prior mean per class

def conditional_ppca(prior_mu, right_for):
    """The pPCA model with a prior mean per class, and the encoder that is exact for the class right_for."""
    x = PIXELS[:60, 10:22]
    p = evaluate.ppca(x, 2)
    model = mv.ConditionalVAE(12, (), 2, "gaussian", dtype=np.float64, rng=rng(), n_classes=len(prior_mu))
    M = np.sum(p.W**2, axis=0) + p.variance
    state = {**p.linear_vae().state_dict(), "prior_mu": prior_mu}
    state["encoder.0.bias"][:2] += p.variance / M * prior_mu[right_for]
    model.load_state_dict(state)
    exact = np.stack([evaluate.PPCA(p.mean + p.W @ m, p.W, p.variance).log_prob(x) for m in prior_mu])
    return model, x, exact


def test_conditional_vae_bounds_log_p_of_x_given_y():
    prior_mu = np.array([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    model, x, exact = conditional_ppca(prior_mu, right_for=1)
    ones = np.ones(len(x), int)
    np.testing.assert_allclose(evaluate.log_likelihood(model, x, 3, rng(), y=ones).per_example, exact[1], atol=1e-9)
    y = np.arange(len(x)) % 3
    truth = exact[y, np.arange(len(x))]
    bound = evaluate.log_likelihood(model, x, 2000, rng(), y=y)
    assert abs(bound.mean - truth.mean()) < 0.02
    elbo = np.stack([evaluate.elbo(model, x, rng(i), 50, y=y) for i in range(20)])
    closed = expected_elbo(model, x) + mv.gaussian_kl(*model.encode(x)).data - mv.gaussian_kl(
        *model.encode(x), prior_mu=prior_mu[y]).data  # eq. (14.2): only the KL knows the class
    assert abs(elbo.mean() - closed.mean()) < 4 * np.sqrt(elbo.var(axis=0, ddof=1).mean() / elbo.size)
    assert (closed <= truth + 1e-9).all() and (closed[y != 1] < truth[y != 1] - 0.01).all()


def test_aggregated_posterior_is_taken_from_the_class_means():
    mu, logvar, prior_mu = rng(1).normal(size=(8, 2)), rng(2).normal(size=(8, 2)), np.array([[5.0, 0.0], [-5.0, 1.0]])
    y = np.arange(8) % 2
    model, x = set_posteriors(mu + prior_mu[y], logvar, n_classes=2)
    model.prior_mu.data[...] = prior_mu
    shifted = evaluate.aggregated_posterior(model, x, rng(), y=y)
    plain = evaluate.aggregated_posterior(*set_posteriors(mu, logvar), rng())
    np.testing.assert_allclose(shifted.mean, plain.mean, atol=1e-12)
    assert shifted.kl == pytest.approx(plain.kl, abs=1e-12)
    assert shifted.mutual_information == pytest.approx(plain.mutual_information, abs=1e-12)


# What a user meets

def test_errors():
    x, y = np.zeros((4, 3)), np.zeros(4, int)
    ae, vae = mv.Autoencoder(3, (), 2, rng=rng()), mv.VAE(3, (), 2, rng=rng())
    conditional = mv.ConditionalVAE(3, (), 2, n_classes=2, rng=rng())
    calls = {"elbo": lambda m, n=1, r=rng(), **k: evaluate.elbo(m, x, r, n, **k),
             "log_likelihood": lambda m, n=1, r=rng(), **k: evaluate.log_likelihood(m, x, n, r, **k),
             "aggregated_posterior": lambda m, n=1, r=rng(), **k: evaluate.aggregated_posterior(m, x, r, n, **k)}
    with pytest.raises(TypeError, match="needs a VAE: Autoencoder has no"):
        evaluate.active_units(ae, x)
    for call in calls.values():
        with pytest.raises(TypeError, match="needs a VAE: Autoencoder has no"):
            call(ae)
        with pytest.raises(ValueError, match="takes no labels"):
            call(vae, y=y)
        with pytest.raises(ValueError, match="needs the labels"):
            call(conditional)
        with pytest.raises(ValueError, match="n_samples must be an integer of at least 1, got 0"):
            call(vae, n=0)
        with pytest.raises(TypeError, match="default_rng"):
            call(vae, r=0)
    with pytest.raises(ValueError, match=r"this model takes \(B, 3\)"):
        evaluate.elbo(vae, np.zeros((4, 2)), rng())


def test_no_graph_is_built_and_nothing_is_trained():
    model, made = mv.VAE(3, (4,), 2, rng=rng()), []
    before, encode, decode = model.state_dict(), model.encode, model.decode
    model.encode = lambda x: made.extend(encode(x)) or made[-2:]
    model.decode = lambda z: made.append(decode(z)) or made[-1]
    evaluate.elbo(model, np.ones((4, 3)), rng())
    evaluate.log_likelihood(model, np.ones((4, 3)), 5, rng())
    assert len(made) == 6 and not any(t.requires_grad for t in made)
    assert all(t.grad is None and (t.data == before[t.name]).all() for t in model.parameters())


def test_one_example_has_no_standard_error():
    assert np.isnan(evaluate.log_likelihood(mv.VAE(3, (), 2, rng=rng()), np.ones((1, 3)), 5, rng()).standard_error)


def test_progress(capsys, monkeypatch):
    monkeypatch.setattr(evaluate, "BLOCK", 3000)
    model, x = mv.VAE(3, (), 2, rng=rng()), np.ones((400, 3))
    evaluate.log_likelihood(model, x, 250, rng())
    evaluate.log_likelihood(model, x, 250, rng(), progress=False)
    assert capsys.readouterr() == ("", "")
    evaluate.log_likelihood(model, x, 250, rng(), progress=True)  # 100 blocks
    out, err = capsys.readouterr()
    assert out == "" and [line.split()[4:6] for line in err.splitlines()] == [[str(p), "%"] for p in range(10, 101, 10)]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    evaluate.log_likelihood(model, x, 250, rng())
    err = capsys.readouterr().err
    assert err.startswith("\rlog-l") and err.count("\r") >= 2 and err.index("\n") == len(err) - 1  # one line, written over
