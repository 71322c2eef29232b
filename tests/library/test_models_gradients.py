"""Every parameter of every model, end to end: the gradient of the loss against finite differences, entry by entry, and the
loss itself against its definition, since a wrong loss can have the right gradient for it.

The noise is held fixed by making the generator anew in each call, so that the loss is an ordinary function of the parameters.
"""

import numpy as np
import pytest

import minivae as mv
from minivae import Tensor, check_gradients, taylor_test

B, D, Z = 5, 6, 2
KINDS = {
    "bernoulli": {},
    "fixed": {"likelihood": "gaussian", "decoder_logvar": -0.7},
    "shared": {"likelihood": "gaussian", "decoder_logvar": "shared"},
    "per_pixel": {"likelihood": "gaussian", "decoder_logvar": "per_pixel"},
}


def make(cls, kind="bernoulli", activation="tanh", hidden_dims=(4,), dtype=np.float64, **extra):
    """A small model away from its start: no parameter is zero, where a wrong gradient can hide."""
    rng = np.random.default_rng(5)
    model = cls(D, hidden_dims, Z, activation=activation, dtype=dtype, rng=rng, **KINDS[kind], **extra)
    for p in model.parameters():
        p.data[...] += 0.4 * rng.standard_normal(p.shape)
    return model


def objective(model, beta=1.0, seed=3):
    """The loss as a function of the parameters, with data and noise held fixed."""
    rng = np.random.default_rng(11)
    x, y = rng.random((B, D)), rng.integers(0, 3, B)
    labels = {"y": y} if isinstance(model, mv.ConditionalVAE) else {}
    return lambda *parameters: model.loss(x, np.random.default_rng(seed), beta=beta, **labels)


def conditional(*args, **kwargs):
    return mv.ConditionalVAE(*args, n_classes=4, **kwargs)  # one class has no example


def loss_by_hand(model, beta=1.0, seed=3):
    """The same number from the definitions alone, in plain NumPy: eq. (3.4), eq. (10.1) and eq. (10.3)."""
    rng = np.random.default_rng(11)
    x, y = rng.random((B, D)), rng.integers(0, 3, B)
    value = {name: p.data for name, p in model.named_parameters()}
    activation = {"tanh": np.tanh, "relu": lambda a: a * (a > 0), "softplus": lambda a: np.log(1 + np.exp(a))}[model.config["activation"]]

    def through(name, a):
        for i in range(len(model.hidden_dims) + 1):
            a = (activation(a) if i else a) @ value[f"{name}.{i}.weight"] + value[f"{name}.{i}.bias"]
        return a

    code, kl = through("encoder", x), 0.0
    if isinstance(model, mv.VAE):
        mu, logvar = code[:, :Z], code[:, Z:]
        prior_mu = value["prior_mu"][y] if isinstance(model, mv.ConditionalVAE) else 0.0
        kl = np.sum((np.exp(logvar) + (mu - prior_mu) ** 2 - 1 - logvar) / 2, axis=1)
        code = mu + np.sqrt(np.exp(logvar)) * np.random.default_rng(seed).standard_normal((B, Z))
    out = through("decoder", code)
    if model.likelihood == "bernoulli":
        p = 1 / (1 + np.exp(-out))
        nll = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    else:
        variance = np.exp({"shared": value.get("decoder_logvar"), "per_pixel": out[:, D:]}.get(model.variance, model.variance))
        nll = np.sum(np.log(2 * np.pi * variance) / 2 + (x - out[:, :D]) ** 2 / (2 * variance), axis=1)
    return np.mean(nll + beta * kl)


def check_all(model, **kwargs):
    parameters = model.parameters()
    np.testing.assert_allclose(objective(model, **kwargs)().item(), loss_by_hand(model, **kwargs), rtol=1e-12)
    report = check_gradients(objective(model, **kwargs), *parameters, h=1e-4)
    assert len(report.lines) == len(parameters) and all(p.grad is None for p in parameters)
    for p, line in zip(parameters, report.lines):
        assert line.startswith(f"{p.name}: shape {p.shape}, {p.size} entries")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", [mv.Autoencoder, mv.VAE, conditional])
def test_every_parameter(cls, kind):
    check_all(make(cls, kind))


@pytest.mark.parametrize("activation", ["relu", "softplus"])
@pytest.mark.parametrize("cls", [mv.Autoencoder, mv.VAE, conditional])
def test_other_activations(cls, activation):
    check_all(make(cls, activation=activation))


@pytest.mark.parametrize("hidden_dims", [(), (3, 4)])
@pytest.mark.parametrize("kind", ["bernoulli", "shared"])
def test_linear_and_deeper_models(kind, hidden_dims):
    check_all(make(mv.VAE, kind, hidden_dims=hidden_dims))


@pytest.mark.parametrize("beta", [0.0, 0.3, 4.0])
@pytest.mark.parametrize("cls", [mv.VAE, conditional])
def test_other_weights_of_the_kl(cls, beta):
    check_all(make(cls), beta=beta)


def test_an_unused_class_gets_a_gradient_of_zero():
    model = make(conditional)
    objective(model)().backward()
    assert model.prior_mu.grad[3].tolist() == [0, 0] and model.prior_mu.grad[:3].any(axis=1).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_the_remainder_falls_as_the_square_of_the_step(kind, activation):
    model = make(mv.VAE, kind, activation)
    report = taylor_test(objective(model), *model.parameters())
    assert report.ok and abs(report.slope - 2) < 0.1, report


@pytest.mark.parametrize("seed", range(3))
def test_the_gradient_belongs_to_the_noise_of_its_own_draw(seed):
    """The gradient at one draw of the noise is the slope at that draw and at no other."""
    model = make(mv.VAE)
    weight = model.encoder.layers[-1].bias
    objective(model, seed=seed)().backward()
    slopes = []
    for other in range(3):
        loss, h = objective(model, seed=other), 1e-5
        weight.data[-1] += h
        high = loss().item()
        weight.data[-1] -= 2 * h
        slopes.append((high - loss().item()) / (2 * h))
        weight.data[-1] += h
    off = np.abs(np.array(slopes) - weight.grad[-1])
    assert off[seed] < 1e-8 and np.delete(off, seed).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", [mv.Autoencoder, mv.VAE, conditional])
def test_float32_models_compute_the_same_gradient(cls, kind):
    double, single = make(cls, kind), make(cls, kind, dtype=np.float32)
    single.load_state_dict({name: value.astype(np.float32) for name, value in double.state_dict().items()})
    eps = np.random.default_rng(3).standard_normal((B, Z), np.float32)

    class Noise(np.random.Generator):  # the same noise in both precisions
        def standard_normal(self, size, dtype):
            return eps.astype(dtype)

    x, labels = np.random.default_rng(11).random((B, D)), {"y": np.arange(B) % 3} if cls is conditional else {}
    for model in (double, single):
        loss = model.loss(x, Noise(np.random.PCG64(0)), **labels)
        loss.backward()
        assert loss.dtype == model.dtype
    for p, q in zip(double.parameters(), single.parameters()):
        assert q.grad.dtype == np.float32
        np.testing.assert_allclose(q.grad, p.grad, rtol=1e-3, atol=1e-4)


def test_gradients_reach_the_layers_as_derived():
    """One dense layer and its loss by hand, eq. (3.1) to eq. (3.3), with none of the engine's rules in between."""
    rng = np.random.default_rng(0)
    x, W, b, t = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2), rng.random((5, 2))
    tensors = [Tensor(a, requires_grad=True) for a in (x, W, b)]
    mv.bernoulli_nll(mv.dense(*tensors), t).mean().backward()
    g = (1 / (1 + np.exp(-(x @ W + b))) - t) / 5
    for tensor, want in zip(tensors, (g @ W.T, x.T @ g, g.sum(axis=0))):
        np.testing.assert_allclose(tensor.grad, want, rtol=1e-12)
