"""The models: shapes, what the loss is made of, reconstruction and sampling, and each message for bad input.

Their gradients are checked in test_models_gradients.py.
"""

import numpy as np
import pytest

import minivae as mv

RNG = np.random.default_rng
X = RNG(0).random((7, 6))
KINDS = {"bernoulli": {}, "fixed": {"likelihood": "gaussian", "decoder_logvar": -1.0},
         "shared": {"likelihood": "gaussian", "decoder_logvar": "shared"},
         "per_pixel": {"likelihood": "gaussian", "decoder_logvar": "per_pixel"}, "linear": {"hidden_dims": (), "likelihood": "gaussian"}}


def make(kind="bernoulli", model=mv.VAE, seed=0, **changes):
    arguments = {"hidden_dims": (5, 4), "latent_dim": 3, "dtype": np.float64, "rng": RNG(seed), **KINDS[kind], **changes}
    return model(6, **arguments)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_batch_mean_of_nll_plus_beta_kl(kind):
    m = make(kind)
    nll, kl = m.terms(X, RNG(1))
    assert nll.shape == kl.shape == (7,)
    for beta in (1.0, 0.3):
        assert m.loss(X, RNG(1), beta=beta).item() == pytest.approx(np.mean(nll.data + beta * kl.data), rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_terms_are_what_the_definitions_say(kind):
    m = make(kind)
    mu, logvar = m.encode(X)
    assert mu.shape == logvar.shape == (7, 3)
    z = mu.data + np.exp(logvar.data / 2) * RNG(1).standard_normal((7, 3))
    out = m.decode(z)
    if kind == "bernoulli":
        p = 1 / (1 + np.exp(-out.data))
        want = -(X * np.log(p) + (1 - X) * np.log(1 - p)).sum(1)
    else:
        mean, lv = out[0].data, np.broadcast_to(out[1].data, X.shape)
        want = -np.log(np.exp(-(X - mean) ** 2 / (2 * np.exp(lv))) / np.sqrt(2 * np.pi * np.exp(lv))).sum(1)
    nll, kl = m.terms(X, RNG(1))
    np.testing.assert_allclose(nll.data, want, rtol=1e-12)
    np.testing.assert_allclose(kl.data, 0.5 * (mu.data**2 + np.exp(logvar.data) - logvar.data - 1).sum(1), rtol=1e-12)


def test_kl_of_the_conditional_model_is_measured_from_the_class_mean():
    m = make(model=mv.ConditionalVAE, n_classes=2)
    m.prior_mu.data[...] = [[1.0, 2.0, 3.0], [-1.0, 0.0, 1.0]]
    y = np.array([0, 1, 1, 0, 0, 1, 0])
    mu, logvar = m.encode(X)
    want = 0.5 * ((mu.data - m.prior_mu.data[y]) ** 2 + np.exp(logvar.data) - logvar.data - 1).sum(1)
    np.testing.assert_allclose(m.terms(X, RNG(1), y=y)[1].data, want, rtol=1e-12)
    assert m.loss(X, RNG(1), y=y).item() == pytest.approx(sum(t.data.mean() for t in m.terms(X, RNG(1), y=y)))


def test_an_autoencoder_has_the_same_face_without_noise():
    m = make(model=mv.Autoencoder)
    assert m.encode(X).shape == (7, 3)
    nll, kl = m.terms(X)
    assert not kl.data.any() and m.loss(X).item() == m.loss(X, RNG(0)).item() == pytest.approx(nll.data.mean())
    assert m.sample(4, RNG(0)).shape == (4, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_reconstruct_decodes_at_the_mean(kind):
    m = make(kind)
    out = m.decode(m.encode(X)[0])
    want = 1 / (1 + np.exp(-out.data)) if kind == "bernoulli" else out[0].data
    got = m.reconstruct(X)
    assert type(got) is np.ndarray and got.flags.writeable
    np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_moments_of_the_model(kind):
    """Pixels drawn with noise average to the decoder means, within 5 standard errors; and spread as the model says."""
    m = make(kind)
    means, draws = m.sample(20_000, RNG(5)), m.sample(20_000, RNG(5), noise=True)
    assert means.shape == draws.shape == (20_000, 6) and type(means) is np.ndarray
    noise = draws - means
    assert (np.abs(noise.mean(0)) < 5 * noise.std(0) / np.sqrt(len(noise))).all()
    if kind == "bernoulli":
        assert set(np.unique(draws)) == {0.0, 1.0}
    else:
        z = RNG(5).standard_normal((20_000, 3))
        variance = np.broadcast_to(np.exp(m.decode(z)[1].data), noise.shape)
        scaled = noise**2 / variance  # chi-square with one degree of freedom: mean 1, variance 2
        assert (np.abs(scaled.mean(0) - 1) < 5 * np.sqrt(2 / len(noise))).all()


def test_samples_come_from_a_standard_normal_latent():
    m = make("linear", latent_dim=1)
    samples = m.sample(50_000, RNG(3))
    w, b = m.decoder.layers[0].weight.data[0], m.decoder.layers[0].bias.data
    assert (np.abs(samples.mean(0) - b) < 5 * np.abs(w) / np.sqrt(50_000)).all()
    assert np.allclose(samples.var(0), w**2, rtol=5 * np.sqrt(2 / 50_000))


def test_conditional_samples_take_one_class_or_one_each():
    m = make(model=mv.ConditionalVAE, n_classes=3, kind="linear", latent_dim=2)
    m.prior_mu.data[...] = [[50, 0], [0, 50], [-50, -50]]
    w, b = m.decoder.layers[0].weight.data, m.decoder.layers[0].bias.data
    classes = np.array([2, 0, 1])
    for y in (1, np.int64(1), classes):
        got = m.sample(3, RNG(0), y=y)
        want = (m.prior_mu.data[y] + RNG(0).standard_normal((3, 2))) @ w + b
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_inputs_are_converted_once_to_the_dtype_of_the_model():
    m = make(dtype=np.float32)
    for x in (X, X.astype(np.float32), (X > 0.5).astype(int), X > 0.5, mv.Tensor(X)):
        assert m.loss(x, RNG(0)).dtype == np.float32 and m.encode(x)[0].dtype == np.float32
    assert m.decode(np.zeros((2, 3))).dtype == np.float32 and m.sample(2, RNG(0), noise=True).dtype == np.float32
    assert make("per_pixel", dtype=np.float32).sample(2, RNG(0), noise=True).dtype == np.float32


def test_names_of_the_parameters():
    names = [p.name for p in make("shared", hidden_dims=(5,)).parameters()]
    assert names == ["encoder.0.weight", "encoder.0.bias", "encoder.1.weight", "encoder.1.bias",
                     "decoder.0.weight", "decoder.0.bias", "decoder.1.weight", "decoder.1.bias", "decoder_logvar"]
    assert make(model=mv.ConditionalVAE, n_classes=2).parameters()[-1].name == "prior_mu"
    assert [p.shape for p in make("per_pixel").parameters()][-1] == (12,)


def test_the_same_rngs_give_the_same_numbers():
    a, b = make(seed=3), make(seed=3)
    assert a.loss(X, RNG(1)).item() == b.loss(X, RNG(1)).item() != make(seed=4).loss(X, RNG(1)).item()


BAD = np.array(X)
BAD[2, 3] = np.nan


@pytest.mark.parametrize("call, message", [
    (lambda: make().loss(X[:, :5], RNG(0)), r"\(7, 5\).*\(B, 6\)"),
    (lambda: make().encode(X[0]), r"\(6,\).*\(B, 6\)"),
    (lambda: make().loss(X[:0], RNG(0)), "B at least 1"),
    (lambda: make().loss(2 * X, RNG(0)), r"runs from .* \[0, 1\].*rescale"),
    (lambda: make().loss(-X, RNG(0)), r"\[0, 1\]"),
    (lambda: make().loss(BAD, RNG(0)), r"x\[2, 3\] is nan"),
    (lambda: make("shared").loss(BAD / 0.1, RNG(0)), r"x\[2, 3\] is nan"),
    (lambda: make().decode(np.zeros((2, 4))), r"\(2, 4\).*\(B, 3\)"),
    (lambda: make(latent_dim=0), "latent_dim must be an integer of at least 1, got 0"),
    (lambda: make(latent_dim=1.5), "latent_dim"),
    (lambda: make(hidden_dims=(5, 0)), "hidden_dims.*got 0"),
    (lambda: make(likelihood="poisson"), "'poisson'.*'bernoulli' or 'gaussian'"),
    (lambda: make(activation="elu"), "'elu'.*'relu', 'tanh', 'softplus'"),
    (lambda: make(decoder_logvar=0.0), "for likelihood='gaussian'"),
    (lambda: make("shared", decoder_logvar="both"), "'both'.*'shared' or 'per_pixel'"),
    (lambda: make(model=mv.ConditionalVAE, n_classes=0), "n_classes"),
    (lambda: make(model=mv.ConditionalVAE, n_classes=2).terms(X, RNG(0), y=None), "pass y="),
    (lambda: make(model=mv.ConditionalVAE, n_classes=2).terms(X, RNG(0), y=[2] * 7), "7 integers from 0 to 1.*from 2 to 2"),
    (lambda: make(model=mv.ConditionalVAE, n_classes=2).terms(X, RNG(0), y=[-1] * 7), "from 0 to 1"),
    (lambda: make(model=mv.ConditionalVAE, n_classes=2).terms(X, RNG(0), y=[0.0] * 7), "integers"),
    (lambda: make(model=mv.ConditionalVAE, n_classes=2).sample(3, RNG(0), y=[0, 1]), r"3 integers.*\(2,\)"),
    (lambda: make().sample(0, RNG(0)), "n must be"),
])
def test_bad_input_gets_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)])
def test_a_missing_generator_is_named(rng):
    for call in (lambda: make().loss(X, rng), lambda: make().sample(2, rng)):
        with pytest.raises(TypeError, match=r"np.random.default_rng\(seed\)"):
            call()
