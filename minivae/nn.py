"""Layers: a Module holds parameters under names, Dense is one layer, an MLP is several of them."""

import numpy as np

from . import ops
from .autodiff import Tensor

ACTIVATIONS = {"relu": ops.relu, "tanh": ops.tanh, "softplus": ops.softplus}


class _Named(type):
    """The type of Modules: when a constructor is done, each parameter learns its name."""

    def __call__(cls, *args, **kwargs):
        module = super().__call__(*args, **kwargs)
        for name, p in module.named_parameters():
            p.name = name  # of the outermost Module so far, which is made last
        return module


class Module(metaclass=_Named):
    """Anything with parameters: its Tensors that need a gradient, and those of Modules it holds.

    They may stand in lists, tuples and dicts, too; a layer that stands in two places counts once,
    under its first name. Set requires_grad=False later, and a parameter is frozen: it is saved and
    loaded with the others as before, and no optimiser moves it.
    """

    def children(self):
        """Pairs (key, what stands there), in the order in which they were set."""
        return vars(self).items()

    def named_parameters(self):
        """Pairs (name, Tensor) in a stable order, with names like encoder.0.weight."""
        found = {}
        for name, tensor in _tensors(self.children(), ""):
            if tensor.requires_grad or tensor.name:  # a frozen parameter has kept its name
                found.setdefault(id(tensor), (name, tensor))
        return list(found.values())

    def parameters(self):
        """The Tensors to hand to an optimiser or to check_gradients."""
        return [p for _, p in self.named_parameters()]

    def state_dict(self):
        """dict name -> ndarray, copies that later training does not change."""
        return {name: p.data.copy() for name, p in self.named_parameters()}

    def load_state_dict(self, state):
        """Write the values into the parameters, in place.

        Raises ValueError, before anything is written, for a missing or surplus name, another shape
        or another dtype.
        """
        own = dict(self.named_parameters())
        problems = [f"{name} is missing" for name in own if name not in state]
        for name in state:
            if name not in own:
                problems.append(f"{name} is not a parameter of this model")
        for name in own.keys() & state.keys():
            given = np.asarray(state[name])
            p = own[name]
            if given.shape != p.shape or given.dtype != p.dtype:
                problems.append(
                    f"{name} is {given.dtype} {given.shape}, the model has {p.dtype} {p.shape}"
                )
        if problems:
            raise ValueError("the state does not fit this model: " + "; ".join(sorted(problems)))
        for name, p in own.items():
            p.data[...] = state[name]


def _tensors(pairs, prefix):
    """The pairs (name, Tensor) behind the given pairs (key, value), depth first."""
    for key, value in pairs:
        name = f"{prefix}{key}"
        if isinstance(value, Tensor):
            yield name, value
        elif isinstance(value, Module):
            yield from _tensors(value.children(), f"{name}.")
        elif isinstance(value, dict):
            yield from _tensors(value.items(), f"{name}.")
        elif isinstance(value, (list, tuple)):
            yield from _tensors(enumerate(value), f"{name}.")


class Dense(Module):
    """One layer: x (B, n_in) -> x @ weight + bias (B, n_out).

    activation: what follows this layer; it is not applied here, and only sets how large the weights
        start. They are normal with variance 2 / n_in before a relu or softplus (He, eq. (3.7)),
        else with 2 / (n_in + n_out) (Glorot, eq. (3.8)), and the bias starts at 0.
    uniform: True starts weight and bias uniformly within 1 / sqrt(n_in) instead, as PyTorch does.
    dtype: float32 or float64.
    rng: draws the start; fresh numbers at every run if left out.
    """

    def __init__(self, n_in, n_out, activation=None, dtype=np.float32, rng=None, uniform=False):
        rng = np.random.default_rng() if rng is None else rng
        if uniform:
            bound = n_in**-0.5
            weight = rng.uniform(-bound, bound, (n_in, n_out))
            bias = rng.uniform(-bound, bound, n_out)
        else:
            variance = 2 / n_in if activation in ("relu", "softplus") else 2 / (n_in + n_out)
            weight = rng.normal(0, variance**0.5, (n_in, n_out))
            bias = np.zeros(n_out)
        self.weight = Tensor(weight.astype(dtype), requires_grad=True)
        self.bias = Tensor(bias.astype(dtype), requires_grad=True)

    def __call__(self, x):
        return ops.dense(x, self.weight, self.bias)


class MLP(Module):
    """Dense layers of the given sizes, with the activation after all but the last, eq. (3.4).

    sizes: (n_in, hidden ..., n_out).
    activation: "relu", "tanh" or "softplus".
    dtype, rng, uniform: how the layers start, see Dense.

    Raises ValueError for an unknown activation.
    """

    def __init__(self, sizes, activation="relu", dtype=np.float32, rng=None, uniform=False):
        if activation not in ACTIVATIONS:
            known = ", ".join(map(repr, ACTIVATIONS))
            raise ValueError(f"unknown activation {activation!r}: choose one of {known}")
        self.activation = ACTIVATIONS[activation]
        self.layers = []
        for n_in, n_out in zip(sizes, sizes[1:]):
            last = len(self.layers) == len(sizes) - 2
            follows = None if last else activation
            self.layers.append(Dense(n_in, n_out, follows, dtype, rng, uniform))

    def children(self):
        return enumerate(self.layers)  # encoder.0.weight reads better than encoder.layers.0.weight

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)
