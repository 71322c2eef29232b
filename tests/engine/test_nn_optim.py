"""Layers and optimisers: initialisation, names, loading, and steps against the published update rules."""

import numpy as np
import pytest

import minivae as mv
from minivae import MLP, SGD, Adam, Dense, Module, Tensor


def parameters(dtype=float):
    rng = np.random.default_rng(0)
    return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in ((3, 4), (4,), ())]


@pytest.mark.parametrize("activation, variance", [("relu", 2 / 200), ("softplus", 2 / 200), ("tanh", 2 / 700), (None, 2 / 700)])
def test_initial_weights_have_the_stated_variance(activation, variance):
    layer = Dense(200, 500, activation, rng=np.random.default_rng(0))
    n = layer.weight.size
    assert abs(layer.weight.data.var() / variance - 1) < 4 * np.sqrt(2 / n)  # 4 standard errors of a normal's variance
    assert abs(layer.weight.data.mean()) < 4 * np.sqrt(variance / n)
    assert not layer.bias.data.any() and layer.weight.dtype == np.float32


def test_a_uniform_start_is_that_of_pytorch():
    layer = Dense(400, 300, "relu", np.float64, np.random.default_rng(0), uniform=True)
    for values in (layer.weight.data, layer.bias.data):
        assert np.abs(values).max() <= 1 / 20 and np.abs(values).max() > 0.99 / 20
        assert abs(values.var() * 3 * 400 - 1) < 4 * np.sqrt(0.8 / values.size)  # a uniform's kurtosis is 1.8


def test_which_start_the_models_take():
    def first_bias(**changes):
        return mv.VAE(4, **{"hidden_dims": (3,), "latent_dim": 2, "rng": np.random.default_rng(0), **changes}).encoder.layers[0].bias.data

    assert first_bias().any() and first_bias(activation="softplus").any()
    assert not first_bias(activation="tanh").any() and not first_bias(hidden_dims=()).any()


def test_mlp_applies_the_activation_between_layers_only():
    net = MLP((3, 5, 2), "tanh", np.float64, np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(4, 3))
    first, last = net.layers
    first.bias.data[...] = 0.3
    want = np.tanh(x @ first.weight.data + 0.3) @ last.weight.data + last.bias.data
    np.testing.assert_allclose(net(x).data, want, rtol=1e-14)


def test_initialisation_follows_what_comes_after_each_layer():
    net = MLP((400, 300, 200), "relu", rng=np.random.default_rng(0))
    for layer, variance in zip(net.layers, (2 / 400, 2 / 500)):
        assert abs(layer.weight.data.var() / variance - 1) < 4 * np.sqrt(2 / layer.weight.size)


def test_unknown_activation_lists_the_known_ones():
    with pytest.raises(ValueError, match="'swish'.*'relu', 'tanh', 'softplus'"):
        MLP((2, 2, 2), "swish")


class Pair(Module):
    def __init__(self):
        self.first, self.scale, self.fixed = MLP((2, 3, 1), rng=np.random.default_rng(0)), Tensor(1.0, requires_grad=True), Tensor(2.0)


def test_parameters_have_stable_names():
    names = ["first.0.weight", "first.0.bias", "first.1.weight", "first.1.bias", "scale"]
    assert list(Pair().state_dict()) == names == [p.name for p in Pair().parameters()]


def test_state_dict_is_a_copy_and_loads_into_the_same_arrays():
    a, b = Pair(), Pair()
    a.scale.data[...] = 5
    state, arrays = a.state_dict(), [p.data for p in b.parameters()]
    a.scale.data[...] = 6
    b.load_state_dict(state)
    assert b.scale.data == 5 and all(p.data is array for p, array in zip(b.parameters(), arrays))


@pytest.mark.parametrize("change, message", [
    (lambda s: s.pop("scale"), "scale is missing"),
    (lambda s: s.update(extra=np.ones(1)), "extra is not a parameter"),
    (lambda s: s.update(scale=np.ones(2)), r"scale is float64 \(2,\), the model has float64 \(\)"),
    (lambda s: s.update(scale=np.float32(1)), r"scale is float32 \(\), the model has float64 \(\)"),
])
def test_a_state_that_does_not_fit_changes_nothing(change, message):
    model = Pair()
    state = {k: v + 1 for k, v in model.state_dict().items()}
    before = model.state_dict()
    change(state)
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def adam_by_the_book(p, gradients, lr, beta1, beta2, eps):
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p


def sgd_by_the_book(p, gradients, lr, momentum):
    v = np.zeros_like(p)
    for g in gradients:
        v = momentum * v + g
        p = p - lr * v
    return p


@pytest.mark.parametrize("stretch", [1, 5, 12, 13, 65536])
@pytest.mark.parametrize("make, by_the_book", [
    (lambda p: Adam(p), lambda p, g: adam_by_the_book(p, g, 1e-3, 0.9, 0.999, 1e-8)),
    (lambda p: Adam(p, lr=0.03, betas=(0.8, 0.95), eps=0.1), lambda p, g: adam_by_the_book(p, g, 0.03, 0.8, 0.95, 0.1)),
    (lambda p: SGD(p, lr=0.1), lambda p, g: sgd_by_the_book(p, g, 0.1, 0)),
    (lambda p: SGD(p, lr=0.1, momentum=0.9), lambda p, g: sgd_by_the_book(p, g, 0.1, 0.9)),
])
def test_twenty_steps_follow_the_published_rule(make, by_the_book, stretch, monkeypatch):
    monkeypatch.setattr(mv.optim.Optimizer, "stretch", stretch)
    params, rng = parameters(), np.random.default_rng(1)
    start = [p.data.copy() for p in params]
    gradients = [[rng.normal(size=p.shape) * 10.0 ** rng.integers(-6, 3) for p in params] for _ in range(20)]
    opt = make(params)
    for step in gradients:
        for p, g in zip(params, step):
            p.grad = np.asarray(g)
        opt.step()
    for i, p in enumerate(params):
        want = by_the_book(start[i], [np.asarray(step[i]) for step in gradients], )
        np.testing.assert_allclose(p.data, want, rtol=1e-12, atol=1e-15)


def test_running_means_of_vanished_gradients_leave_the_subnormal_numbers():
    """One entry has a gradient in the first step only: its mean would be stuck at 6e-45, where a CPU is slow."""
    tiny = np.finfo(np.float32).tiny
    p, q = (Tensor(np.ones(4, np.float32), requires_grad=True) for _ in range(2))
    gradients = [np.array([1, t == 0, 0, 1e-14], np.float32) for t in range(1200)]  # the last is small, and stays
    opt, slow = Adam([p]), Adam([q])
    slow._drop_subnormals = lambda: None
    for g in gradients:
        p.grad, q.grad = g, g
        opt.step(), slow.step()
    assert 0 < abs(slow.state["M"][1]) < tiny and 0 < opt.state["V"][1]  # otherwise this test shows nothing
    assert list(opt.state["M"][1:3]) == [0, 0]
    for name in ("M", "V"):
        np.testing.assert_array_equal(opt.state[name][[0, 3]], slow.state[name][[0, 3]])
    np.testing.assert_array_equal(p.data, q.data)


def test_zero_grad_clears_and_a_missing_gradient_is_named():
    params = parameters()
    params[1].name = "layer.bias"
    opt = Adam(params)
    for p in params:
        p.grad = np.ones(p.shape)
    opt.step()
    opt.zero_grad()
    assert all(p.grad is None for p in params)
    params[0].grad = np.ones(params[0].shape)
    with pytest.raises(RuntimeError, match="layer.bias has no gradient: call loss.backward"):
        opt.step()


def test_writing_into_a_parameter_works_and_replacing_it_is_named():
    params = parameters(np.float32)
    opt = SGD(params, lr=1.0)
    params[0].data[...] = 7
    for p in params:
        p.grad = np.ones_like(p.data)
    opt.step()
    assert (params[0].data == 6).all() and params[0].dtype == np.float32
    params[2].grad = 2.0  # a Python number will do for one number
    opt.step()
    params[0].grad = np.ones((4, 3), np.float32)
    with pytest.raises(ValueError, match=r"has shape \(3, 4\), but its gradient \(4, 3\)"):
        opt.step()
    params[0].data = np.zeros((3, 4), np.float32)
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
