"""Every parameter of every model, end to end.

The gradient of the loss against finite differences, entry by entry, and the loss itself against its
definition, since a wrong loss can have the right gradient for it. The noise is held fixed by making
the generator anew in each call, so that the loss is an ordinary function of the parameters.
"""

import functools

import numpy as np
import pytest

import minivae as mv
from minivae import Tensor, check_gradients, taylor_test

B, D, Z = 5, 6, 2
X = np.random.default_rng(11).random((B, D))
Y = np.array([0, 2, 1, 2, 0])

KINDS = {
    "bernoulli": {},
    "fixed": {"likelihood": "gaussian", "decoder_logvar": -0.7},
    "shared": {"likelihood": "gaussian", "decoder_logvar": "shared"},
    "per_pixel": {"likelihood": "gaussian", "decoder_logvar": "per_pixel"},
}
MODELS = {
    "autoencoder": mv.Autoencoder,
    "vae": mv.VAE,
    "conditional": functools.partial(mv.ConditionalVAE, n_classes=4),  # class 3 has no example
}
ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda a: a * (a > 0),
    "softplus": lambda a: np.log(1 + np.exp(a)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_model = pytest.mark.parametrize("name", MODELS)


def make(name, kind="bernoulli", activation="tanh", hidden_dims=(4,), dtype=np.float64):
    """A small model away from its start: no parameter is zero, where a wrong gradient can hide."""
    rng = np.random.default_rng(5)
    settings = {"activation": activation, "dtype": dtype, "rng": rng, **KINDS[kind]}
    model = MODELS[name](D, hidden_dims, Z, **settings)
    for p in model.parameters():
        p.data[...] += 0.4 * rng.standard_normal(p.shape)
    return model


def labels_for(model):
    """The keyword arguments that name the classes, for a model that has some."""
    return {"y": Y} if isinstance(model, mv.ConditionalVAE) else {}


def objective(model, beta=1.0, seed=3):
    """The loss as a function of the parameters, with data and noise held fixed."""
    def loss(*parameters):
        rng = np.random.default_rng(seed)
        return model.loss(X, rng, beta=beta, **labels_for(model))

    return loss


# The same number from the definitions alone, in plain NumPy

def affine_layers(model, name, a):
    """Through the encoder or the decoder, eq. (3.4)."""
    value = model.state_dict()
    activation = ACTIVATIONS[model.config["activation"]]
    for i in range(len(model.hidden_dims) + 1):
        if i > 0:
            a = activation(a)
        a = a @ value[f"{name}.{i}.weight"] + value[f"{name}.{i}.bias"]
    return a


def nll_by_hand(model, decoded):
    """From what the last layer gives."""
    if model.likelihood == "bernoulli":
        p = 1 / (1 + np.exp(-decoded))
        return -np.sum(X * np.log(p) + (1 - X) * np.log(1 - p), axis=1)
    if model.variance == "shared":
        logvar = model.decoder_logvar.data
    elif model.variance == "per_pixel":
        logvar = decoded[:, D:]
    else:
        logvar = model.variance
    v = np.exp(logvar)
    squared = (X - decoded[:, :D]) ** 2
    return np.sum(np.log(2 * np.pi * v) / 2 + squared / (2 * v), axis=1)


def loss_by_hand(model, beta=1.0, seed=3):
    """As eq. (10.1) and eq. (10.3) say."""
    code = affine_layers(model, "encoder", X)
    if not isinstance(model, mv.VAE):
        return np.mean(nll_by_hand(model, affine_layers(model, "decoder", code)))
    mu, logvar = code[:, :Z], code[:, Z:]
    prior_mu = model.prior_mu.data[Y] if isinstance(model, mv.ConditionalVAE) else 0.0
    kl = np.sum((np.exp(logvar) + (mu - prior_mu) ** 2 - 1 - logvar) / 2, axis=1)
    eps = np.random.default_rng(seed).standard_normal((B, Z))
    z = mu + np.sqrt(np.exp(logvar)) * eps
    nll = nll_by_hand(model, affine_layers(model, "decoder", z))
    return np.mean(nll + beta * kl)


# Every parameter

def check_all(model, beta=1.0):
    parameters = model.parameters()
    loss = objective(model, beta)
    np.testing.assert_allclose(loss().item(), loss_by_hand(model, beta), rtol=1e-12)
    report = check_gradients(loss, *parameters, h=1e-4)
    assert len(report.lines) == len(parameters)
    assert all(p.grad is None for p in parameters)
    for p, line in zip(parameters, report.lines):
        assert line.startswith(f"{p.name}: shape {p.shape}, {p.size} entries")


@every_kind
@every_model
def test_every_parameter(name, kind):
    check_all(make(name, kind))


@every_model
@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_other_activations(name, activation):
    check_all(make(name, activation=activation))


@pytest.mark.parametrize("hidden_dims", [(), (3, 4)])
@pytest.mark.parametrize("kind", ["bernoulli", "shared"])
def test_linear_and_deeper_models(kind, hidden_dims):
    check_all(make("vae", kind, hidden_dims=hidden_dims))


@pytest.mark.parametrize("beta", [0.0, 0.3, 4.0])
@pytest.mark.parametrize("name", ["vae", "conditional"])
def test_other_weights_of_the_kl(name, beta):
    check_all(make(name), beta=beta)


def test_an_unused_class_gets_a_gradient_of_zero():
    model = make("conditional")
    objective(model)().backward()
    assert model.prior_mu.grad[3].tolist() == [0, 0]
    assert model.prior_mu.grad[:3].any(axis=1).all()


@every_kind
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_the_remainder_falls_as_the_square_of_the_step(kind, activation):
    model = make("vae", kind, activation)
    report = taylor_test(objective(model), *model.parameters())
    assert report.ok, report
    assert abs(report.slope - 2) < 0.1, report


def slope_in(entry, loss, h=1e-5):
    """The central difference of the loss in one entry, an array (1,) that views a parameter."""
    start = entry.copy()
    entry[...] = start + h
    high = loss().item()
    entry[...] = start - h
    low = loss().item()
    entry[...] = start
    return (high - low) / (2 * h)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_belongs_to_the_noise_of_its_own_draw(seed):
    """The gradient at one draw of the noise is the slope at that draw and at no other."""
    model = make("vae")
    bias = model.encoder.layers[-1].bias
    objective(model, seed=seed)().backward()
    slopes = [slope_in(bias.data[-1:], objective(model, seed=other)) for other in range(3)]
    off = np.abs(np.array(slopes) - bias.grad[-1])
    assert off[seed] < 1e-8
    assert np.delete(off, seed).min() > 1e-3


EPS = np.random.default_rng(3).standard_normal((B, Z), np.float32)


class SameNoise(np.random.Generator):
    """The same noise in both precisions."""

    def standard_normal(self, size, dtype):
        return EPS.astype(dtype)


@every_kind
@every_model
def test_float32_models_compute_the_same_gradient(name, kind):
    double = make(name, kind)
    single = make(name, kind, dtype=np.float32)
    state = double.state_dict()
    single.load_state_dict({key: value.astype(np.float32) for key, value in state.items()})
    for model in (double, single):
        loss = model.loss(X, SameNoise(np.random.PCG64(0)), **labels_for(model))
        loss.backward()
        assert loss.dtype == model.dtype
    for p, q in zip(double.parameters(), single.parameters()):
        assert q.grad.dtype == np.float32
        np.testing.assert_allclose(q.grad, p.grad, rtol=1e-3, atol=1e-4)


def test_gradients_reach_the_layers_as_derived():
    """One dense layer and its loss by hand, eq. (3.1) to eq. (3.3), without the engine's rules."""
    rng = np.random.default_rng(0)
    x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    target = rng.random((5, 2))
    tensors = [Tensor(a, requires_grad=True) for a in (x, W, b)]
    mv.bernoulli_nll(mv.dense(*tensors), target).mean().backward()

    g = (1 / (1 + np.exp(-(x @ W + b))) - target) / 5
    for tensor, want in zip(tensors, (g @ W.T, x.T @ g, g.sum(axis=0))):
        np.testing.assert_allclose(tensor.grad, want, rtol=1e-12)
