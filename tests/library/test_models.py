"""The models: shapes, what the loss is made of, reconstruction and sampling, and error messages.

Their gradients are checked in test_models_gradients.py.
"""

import numpy as np
import pytest

import minivae as mv
from minivae import Autoencoder, ConditionalVAE, VAE

RNG = np.random.default_rng
X = RNG(0).random((7, 6))
Y = np.array([0, 1, 1, 0, 0, 1, 0])

KINDS = {
    "bernoulli": {},
    "fixed": {"likelihood": "gaussian", "decoder_logvar": -1.0},
    "shared": {"likelihood": "gaussian", "decoder_logvar": "shared"},
    "per_pixel": {"likelihood": "gaussian", "decoder_logvar": "per_pixel"},
    "linear": {"likelihood": "gaussian", "hidden_dims": ()},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind="bernoulli", model=VAE, seed=0, **changes):
    arguments = {"hidden_dims": (5, 4), "latent_dim": 3, "dtype": np.float64, "rng": RNG(seed)}
    return model(6, **{**arguments, **KINDS[kind], **changes})


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def kl_by_definition(mu, logvar, prior_mu=0.0):
    return 0.5 * np.sum((mu - prior_mu) ** 2 + np.exp(logvar) - logvar - 1, axis=1)


def nll_by_definition(model, z, x):
    decoded = model.decode(z)
    if model.likelihood == "bernoulli":
        p = sigmoid(decoded.data)
        return -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    mean, logvar = (t.data for t in decoded)
    v = np.broadcast_to(np.exp(logvar), x.shape)
    density = np.exp(-((x - mean) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
    return -np.sum(np.log(density), axis=1)


# The loss

@every_kind
@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_the_loss_is_the_batch_mean_of_nll_plus_beta_kl(kind, beta):
    m = make(kind)
    nll, kl = m.terms(X, RNG(1))
    assert nll.shape == kl.shape == (7,)
    want = np.mean(nll.data + beta * kl.data)
    assert m.loss(X, RNG(1), beta=beta).item() == pytest.approx(want, rel=1e-14)


@every_kind
def test_terms_are_what_the_definitions_say(kind):
    m = make(kind)
    mu, logvar = (t.data for t in m.encode(X))
    assert mu.shape == logvar.shape == (7, 3)
    z = mu + np.exp(logvar / 2) * RNG(1).standard_normal((7, 3))
    nll, kl = m.terms(X, RNG(1))
    np.testing.assert_allclose(nll.data, nll_by_definition(m, z, X), rtol=1e-12)
    np.testing.assert_allclose(kl.data, kl_by_definition(mu, logvar), rtol=1e-12)


def test_kl_of_the_conditional_model_is_measured_from_the_class_mean():
    m = make(model=ConditionalVAE, n_classes=2)
    m.prior_mu.data[...] = [[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]]
    mu, logvar = (t.data for t in m.encode(X))
    nll, kl = m.terms(X, RNG(1), y=Y)
    want = kl_by_definition(mu, logvar, m.prior_mu.data[Y])
    np.testing.assert_allclose(kl.data, want, rtol=1e-12)
    assert m.loss(X, RNG(1), y=Y).item() == pytest.approx(nll.data.mean() + kl.data.mean())


def test_an_autoencoder_has_the_same_face_without_noise():
    m = make(model=Autoencoder)
    assert m.encode(X).shape == (7, 3)
    nll, kl = m.terms(X)
    assert not kl.data.any()
    assert m.loss(X).item() == m.loss(X, RNG(0)).item() == pytest.approx(nll.data.mean())
    assert m.sample(4, RNG(0)).shape == (4, 6)


def test_the_same_rngs_give_the_same_numbers():
    def loss(seed):
        return make(seed=seed).loss(X, RNG(1)).item()

    assert loss(3) == loss(3) != loss(4)


# Reconstructions and samples

@every_kind
def test_reconstruct_decodes_at_the_mean(kind):
    m = make(kind)
    mu, _ = m.encode(X)
    decoded = m.decode(mu)
    want = sigmoid(decoded.data) if kind == "bernoulli" else decoded[0].data
    found = m.reconstruct(X)
    assert type(found) is np.ndarray
    assert found.flags.writeable
    np.testing.assert_allclose(found, want, rtol=1e-12)


@pytest.mark.parametrize("model, extra", [
    (Autoencoder, {}),
    (VAE, {}),
    (ConditionalVAE, {"n_classes": 2}),
])
def test_codes_and_pixels_are_plain_arrays(model, extra):
    m = make(model=model, **extra)
    codes = m.codes(X)
    pixels = m.pixels(codes)
    assert type(codes) is np.ndarray
    assert codes.shape == (7, 3)
    assert type(pixels) is np.ndarray
    np.testing.assert_array_equal(pixels, m.reconstruct(X))


def draws_and_means(kind):
    n = 20_000
    m = make(kind)
    means = m.sample(n, RNG(5))
    draws = m.sample(n, RNG(5), noise=True)
    assert type(means) is np.ndarray
    assert means.shape == draws.shape == (n, 6)
    return m, draws, means


@every_kind
def test_drawn_pixels_average_to_the_decoder_means(kind):
    """Within 5 standard errors."""
    _, draws, means = draws_and_means(kind)
    noise = draws - means
    assert (np.abs(noise.mean(0)) < 5 * noise.std(0) / np.sqrt(len(noise))).all()


def test_drawn_pixels_of_the_bernoulli_likelihood_are_black_or_white():
    _, draws, _ = draws_and_means("bernoulli")
    assert set(np.unique(draws)) == {0.0, 1.0}


@pytest.mark.parametrize("kind", ["fixed", "shared", "per_pixel", "linear"])
def test_drawn_pixels_of_the_gaussian_likelihood_have_its_variance(kind):
    m, draws, means = draws_and_means(kind)
    n = len(draws)
    _, logvar = m.decode(RNG(5).standard_normal((n, 3)))
    variance = np.broadcast_to(np.exp(logvar.data), draws.shape)
    scaled = (draws - means) ** 2 / variance  # chi-square, 1 degree of freedom: mean 1, variance 2
    assert (np.abs(scaled.mean(0) - 1) < 5 * np.sqrt(2 / n)).all()


def decoder_weights(linear_model):
    layer = linear_model.decoder.layers[0]
    return layer.weight.data, layer.bias.data


def test_samples_come_from_a_standard_normal_latent():
    n = 50_000
    m = make("linear", latent_dim=1)
    samples = m.sample(n, RNG(3))
    W, b = decoder_weights(m)
    assert (np.abs(samples.mean(0) - b) < 5 * np.abs(W[0]) / np.sqrt(n)).all()
    assert np.allclose(samples.var(0), W[0] ** 2, rtol=5 * np.sqrt(2 / n))


@pytest.mark.parametrize("y", [1, np.int64(1), np.array([2, 0, 1])], ids=repr)
def test_conditional_samples_take_one_class_or_one_each(y):
    m = make("linear", model=ConditionalVAE, n_classes=3, latent_dim=2)
    m.prior_mu.data[...] = [[50, 0], [0, 50], [-50, -50]]
    W, b = decoder_weights(m)
    z = m.prior_mu.data[y] + RNG(0).standard_normal((3, 2))
    np.testing.assert_allclose(m.sample(3, RNG(0), y=y), z @ W + b, rtol=1e-12)


# Dtypes and names

@pytest.mark.parametrize("x", [
    X,
    X.astype(np.float32),
    (X > 0.5).astype(int),
    X > 0.5,
    mv.Tensor(X),
], ids=["float64", "float32", "int", "bool", "Tensor"])
def test_inputs_are_converted_to_the_dtype_of_the_model(x):
    m = make(dtype=np.float32)
    assert m.loss(x, RNG(0)).dtype == np.float32
    assert m.encode(x)[0].dtype == np.float32


@pytest.mark.parametrize("kind", ["bernoulli", "per_pixel"])
def test_outputs_have_the_dtype_of_the_model(kind):
    m = make(kind, dtype=np.float32)
    assert m.pixels(np.zeros((2, 3))).dtype == np.float32
    assert m.sample(2, RNG(0), noise=True).dtype == np.float32


def test_names_of_the_parameters():
    assert [p.name for p in make("shared", hidden_dims=(5,)).parameters()] == [
        "encoder.0.weight",
        "encoder.0.bias",
        "encoder.1.weight",
        "encoder.1.bias",
        "decoder.0.weight",
        "decoder.0.bias",
        "decoder.1.weight",
        "decoder.1.bias",
        "decoder_logvar",
    ]
    assert make(model=ConditionalVAE, n_classes=2).parameters()[-1].name == "prior_mu"


def test_a_variance_per_pixel_doubles_the_last_layer():
    assert make("per_pixel").parameters()[-1].shape == (12,)


# Errors: one clear sentence each

NOT_A_NUMBER = X.copy()
NOT_A_NUMBER[2, 3] = np.nan


@pytest.mark.parametrize("x, message", [
    (X[:, :5], r"\(7, 5\).*\(B, 6\)"),
    (X[0], r"\(6,\).*\(B, 6\)"),
    (X[:0], "B at least 1"),
    (2 * X, r"runs from .* \[0, 1\].*rescale"),
    (-X, r"\[0, 1\]"),
    (NOT_A_NUMBER, r"x\[2, 3\] is nan"),
])
def test_bad_data(x, message):
    with pytest.raises(ValueError, match=message):
        make().loss(x, RNG(0))
    with pytest.raises(ValueError, match=message):
        make().encode(x)


def test_bad_data_of_a_gaussian_likelihood():
    with pytest.raises(ValueError, match=r"x\[2, 3\] is nan"):
        make("shared").loss(NOT_A_NUMBER / 0.1, RNG(0))


def test_codes_of_another_width():
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(B, 3\)"):
        make().decode(np.zeros((2, 4)))


@pytest.mark.parametrize("arguments, message", [
    ({"latent_dim": 0}, "latent_dim must be an integer of at least 1, got 0"),
    ({"latent_dim": 1.5}, "latent_dim"),
    ({"hidden_dims": (5, 0)}, "hidden_dims.*got 0"),
    ({"likelihood": "poisson"}, "'poisson'.*'bernoulli' or 'gaussian'"),
    ({"activation": "elu"}, "'elu'.*'relu', 'tanh', 'softplus'"),
    ({"decoder_logvar": 0.0}, "for likelihood='gaussian'"),
    ({"kind": "shared", "decoder_logvar": "both"}, "'both'.*'shared' or 'per_pixel'"),
    ({"model": ConditionalVAE, "n_classes": 0}, "n_classes"),
])
def test_bad_sizes_and_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


@pytest.mark.parametrize("y, message", [
    (None, "pass y="),
    ([2] * 7, "7 integers from 0 to 1.*from 2 to 2"),
    ([-1] * 7, "from 0 to 1"),
    ([0.0] * 7, "integers"),
])
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        make(model=ConditionalVAE, n_classes=2).terms(X, RNG(0), y=y)


def test_bad_labels_of_samples():
    m = make(model=ConditionalVAE, n_classes=2)
    with pytest.raises(ValueError, match=r"3 integers.*\(2,\)"):
        m.sample(3, RNG(0), y=[0, 1])


def test_no_samples_at_all():
    with pytest.raises(ValueError, match="n must be"):
        make().sample(0, RNG(0))


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)], ids=type)
def test_a_missing_generator_is_named(rng):
    with pytest.raises(TypeError, match=r"np.random.default_rng\(seed\)"):
        make().loss(X, rng)
    with pytest.raises(TypeError, match=r"np.random.default_rng\(seed\)"):
        make().sample(2, rng)
