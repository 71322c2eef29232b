"""Layers and optimisers: how they start, names, loading, and steps against the published rules."""

import numpy as np
import pytest

import minivae as mv
from minivae import MLP, SGD, Adam, Dense, Module, Tensor


def parameters(dtype=float):
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (4,), ()]
    return [Tensor(rng.normal(size=s).astype(dtype), requires_grad=True) for s in shapes]


# How layers start

def assert_variance(values, variance):
    """Within 4 standard errors of the variance of a normal sample."""
    assert abs(values.var() / variance - 1) < 4 * np.sqrt(2 / values.size)


@pytest.mark.parametrize("activation, variance", [
    ("relu", 2 / 200),
    ("softplus", 2 / 200),
    ("tanh", 2 / 700),
    (None, 2 / 700),
])
def test_initial_weights_have_the_stated_variance(activation, variance):
    layer = Dense(200, 500, activation, rng=np.random.default_rng(0))
    weight = layer.weight.data
    assert_variance(weight, variance)
    assert abs(weight.mean()) < 4 * np.sqrt(variance / weight.size)
    assert not layer.bias.data.any()
    assert layer.weight.dtype == np.float32


def test_a_uniform_start_is_that_of_pytorch():
    layer = Dense(400, 300, "relu", np.float64, np.random.default_rng(0), uniform=True)
    for values in (layer.weight.data, layer.bias.data):
        assert 0.99 / 20 < np.abs(values).max() <= 1 / 20
        # A uniform variable's kurtosis is 1.8.
        assert abs(values.var() * 3 * 400 - 1) < 4 * np.sqrt(0.8 / values.size)


@pytest.mark.parametrize("changes, uniform", [
    ({}, True),
    ({"activation": "softplus"}, True),
    ({"activation": "tanh"}, False),
    ({"hidden_dims": ()}, False),
])
def test_which_start_the_models_take(changes, uniform):
    arguments = {"hidden_dims": (3,), "latent_dim": 2, "rng": np.random.default_rng(0), **changes}
    first = mv.VAE(4, **arguments).encoder.layers[0]
    assert first.bias.data.any() == uniform


def test_mlp_applies_the_activation_between_layers_only():
    net = MLP((3, 5, 2), "tanh", np.float64, np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(4, 3))
    first, last = net.layers
    first.bias.data[...] = 0.3
    want = np.tanh(x @ first.weight.data + 0.3) @ last.weight.data + last.bias.data
    np.testing.assert_allclose(net(x).data, want, rtol=1e-14)


def test_initialisation_follows_what_comes_after_each_layer():
    net = MLP((400, 300, 200), "relu", rng=np.random.default_rng(0))
    first, last = net.layers
    assert_variance(first.weight.data, 2 / 400)
    assert_variance(last.weight.data, 2 / 500)


def test_unknown_activation_lists_the_known_ones():
    with pytest.raises(ValueError, match="'swish'.*'relu', 'tanh', 'softplus'"):
        MLP((2, 2, 2), "swish")


# Names and loading

class Pair(Module):
    def __init__(self):
        self.first = MLP((2, 3, 1), rng=np.random.default_rng(0))
        self.scale = Tensor(1.0, requires_grad=True)
        self.fixed = Tensor(2.0)


def test_parameters_have_stable_names():
    names = ["first.0.weight", "first.0.bias", "first.1.weight", "first.1.bias", "scale"]
    assert [p.name for p in Pair().parameters()] == names
    assert list(Pair().state_dict()) == names


def test_state_dict_is_a_copy():
    pair = Pair()
    state = pair.state_dict()
    pair.scale.data[...] = 6
    assert state["scale"] == 1


def test_a_state_loads_into_the_same_arrays():
    pair = Pair()
    arrays = [p.data for p in pair.parameters()]
    pair.load_state_dict({**pair.state_dict(), "scale": np.array(5.0)})
    assert pair.scale.data == 5
    assert all(p.data is array for p, array in zip(pair.parameters(), arrays))


@pytest.mark.parametrize("change, message", [
    (lambda state: state.pop("scale"), "scale is missing"),
    (lambda state: state.update(extra=np.ones(1)), "extra is not a parameter"),
    (
        lambda state: state.update(scale=np.ones(2)),
        r"scale is float64 \(2,\), the model has float64 \(\)",
    ),
    (
        lambda state: state.update(scale=np.float32(1)),
        r"scale is float32 \(\), the model has float64 \(\)",
    ),
])
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    model = Pair()
    before = model.state_dict()
    state = {name: value + 1 for name, value in before.items()}
    change(state)
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


# Steps

def adam_by_the_book(p, gradients, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
    beta1, beta2 = betas
    m = np.zeros_like(p)
    v = np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p


def sgd_by_the_book(p, gradients, lr, momentum=0):
    v = np.zeros_like(p)
    for g in gradients:
        v = momentum * v + g
        p = p - lr * v
    return p


def random_gradients(params, steps):
    """Of every size from 1e-6 to 100."""
    rng = np.random.default_rng(1)
    for _ in range(steps):
        yield [np.asarray(rng.normal(size=p.shape) * 10.0 ** rng.integers(-6, 3)) for p in params]


@pytest.mark.parametrize("stretch", [1, 5, 12, 13, 65536])
@pytest.mark.parametrize("optimizer, by_the_book, settings", [
    (Adam, adam_by_the_book, {}),
    (Adam, adam_by_the_book, {"lr": 0.03, "betas": (0.8, 0.95), "eps": 0.1}),
    (SGD, sgd_by_the_book, {"lr": 0.1}),
    (SGD, sgd_by_the_book, {"lr": 0.1, "momentum": 0.9}),
])
def test_twenty_steps_follow_the_published_rule(
    optimizer, by_the_book, settings, stretch, monkeypatch
):
    monkeypatch.setattr(mv.optim.Optimizer, "stretch", stretch)
    params = parameters()
    start = [p.data.copy() for p in params]
    steps = list(random_gradients(params, 20))
    opt = optimizer(params, **settings)
    for gradients in steps:
        for p, g in zip(params, gradients):
            p.grad = g
        opt.step()
    for p, first, gradients in zip(params, start, zip(*steps)):
        want = by_the_book(first, gradients, **settings)
        np.testing.assert_allclose(p.data, want, rtol=1e-12, atol=1e-15)


def test_running_means_of_vanished_gradients_leave_the_subnormal_numbers():
    """Entry 1 has a gradient in the first step only: its mean would be stuck at 6e-45.

    A CPU is slow there. Entry 3 has a gradient that is small, and stays.
    """
    p = Tensor(np.ones(4, np.float32), requires_grad=True)
    q = Tensor(np.ones(4, np.float32), requires_grad=True)
    opt, slow = Adam([p]), Adam([q])
    slow._drop_subnormals = lambda: None
    for t in range(1200):
        g = np.array([1, t == 0, 0, 1e-14], np.float32)
        p.grad = g
        q.grad = g
        opt.step()
        slow.step()

    # Without these two this test would show nothing.
    assert 0 < abs(slow.state["M"][1]) < np.finfo(np.float32).tiny
    assert 0 < opt.state["V"][1]

    assert list(opt.state["M"][1:3]) == [0, 0]
    for name in ("M", "V"):
        np.testing.assert_array_equal(opt.state[name][[0, 3]], slow.state[name][[0, 3]])
    np.testing.assert_array_equal(p.data, q.data)


def set_gradients(params, value=1.0):
    for p in params:
        p.grad = np.full_like(p.data, value)


def test_zero_grad_clears():
    params = parameters()
    opt = Adam(params)
    set_gradients(params)
    opt.step()
    opt.zero_grad()
    assert all(p.grad is None for p in params)


def test_a_missing_gradient_is_named():
    params = parameters()
    params[1].name = "layer.bias"
    opt = Adam(params)
    params[0].grad = np.ones(params[0].shape)
    with pytest.raises(RuntimeError, match="layer.bias has no gradient: call loss.backward"):
        opt.step()


def test_writing_into_a_parameter_works():
    params = parameters(np.float32)
    opt = SGD(params, lr=1.0)
    params[0].data[...] = 7
    set_gradients(params)
    opt.step()
    assert (params[0].data == 6).all()
    assert params[0].dtype == np.float32


def test_a_python_number_will_do_as_the_gradient_of_one_number():
    params = parameters()
    opt = SGD(params, lr=1.0)
    before = params[2].item()
    set_gradients(params)
    params[2].grad = 2.0
    opt.step()
    assert params[2].item() == before - 2


def test_a_gradient_of_another_shape_is_named():
    params = parameters()
    opt = SGD(params, lr=1.0)
    set_gradients(params)
    params[0].grad = np.ones((4, 3))
    with pytest.raises(ValueError, match=r"has shape \(3, 4\), but its gradient \(4, 3\)"):
        opt.step()


def test_replacing_the_array_of_a_parameter_is_named():
    params = parameters()
    opt = SGD(params, lr=1.0)
    set_gradients(params)
    params[0].data = np.zeros((3, 4))
    with pytest.raises(RuntimeError, match=r"no longer views.*p.data\[...\] = value"):
        opt.step()


@pytest.mark.parametrize("call, message", [
    (lambda: Adam([]), "got no parameters"),
    (lambda: Adam(parameters(), lr=-1), "not negative, got -1"),
    (lambda: Adam(parameters(), lr=np.nan), "finite"),
    (lambda: SGD(parameters()[:1] * 2, lr=1), "distinct"),
    (lambda: SGD(parameters() + parameters(np.float32), lr=1), "one dtype"),
])
def test_bad_arguments_of_an_optimiser(call, message):
    with pytest.raises(ValueError, match=message):
        call()
