"""Layers: a Module holds parameters under names, Dense is one layer, MLP is several with a nonlinearity between."""

import numpy as np

from . import ops
from .autodiff import Tensor

ACTIVATIONS = {"relu": ops.relu, "tanh": ops.tanh, "softplus": ops.softplus}


class Module:
    """Anything with parameters: its Tensors that need a gradient, and those of the Modules it holds."""

    def children(self):
        return vars(self).items()

    def named_parameters(self, prefix=""):
        """Yield (name, Tensor) in a stable order, with names like encoder.0.weight, and write the name into .name."""
        for key, value in self.children():
            if isinstance(value, Tensor) and value.requires_grad:
                value.name = f"{prefix}{key}"
                yield value.name, value
            elif isinstance(value, Module):
                yield from value.named_parameters(f"{prefix}{key}.")

    def parameters(self):
        return [p for _, p in self.named_parameters()]

    def state_dict(self):
        """dict name -> ndarray, a copy that later training does not change."""
        return {name: p.data.copy() for name, p in self.named_parameters()}

    def load_state_dict(self, state):
        """Write the values into the existing arrays, in place. Raises ValueError, before anything is written, for a
        missing or surplus name, another shape or another dtype."""
        own = dict(self.named_parameters())
        problems = [f"{name} is missing" for name in own if name not in state]
        problems += [f"{name} is not a parameter of this model" for name in state if name not in own]
        for name in own.keys() & state.keys():
            have, want = np.asarray(state[name]), own[name].data
            if have.shape != want.shape or have.dtype != want.dtype:
                problems.append(f"{name} is {have.dtype} {have.shape}, the model has {want.dtype} {want.shape}")
        if problems:
            raise ValueError("the state does not fit this model: " + "; ".join(sorted(problems)))
        for name, p in own.items():
            p.data[...] = state[name]


class Dense(Module):
    """x (B, n_in) -> x @ weight + bias (B, n_out).

    activation names what follows this layer (it is not applied here), and sets how the weights start: normal, with
    variance 2 / n_in before a relu or softplus (He, eq. (3.7)), else 2 / (n_in + n_out) (Glorot, eq. (3.8)); the bias
    starts at 0. uniform=True starts both uniformly within 1 / sqrt(n_in) instead, as PyTorch's Linear does.
    """

    def __init__(self, n_in, n_out, activation=None, dtype=np.float32, rng=None, uniform=False):
        rng = np.random.default_rng() if rng is None else rng
        if uniform:
            weight, bias = (rng.uniform(-(n_in**-0.5), n_in**-0.5, shape) for shape in ((n_in, n_out), n_out))
        else:
            variance = 2 / n_in if activation in ("relu", "softplus") else 2 / (n_in + n_out)
            weight, bias = rng.normal(0, variance**0.5, (n_in, n_out)), np.zeros(n_out)
        self.weight = Tensor(weight.astype(dtype), requires_grad=True)
        self.bias = Tensor(bias.astype(dtype), requires_grad=True)

    def __call__(self, x):
        return ops.dense(x, self.weight, self.bias)


class MLP(Module):
    """Dense layers of the given sizes (n_in, hidden ..., n_out), with the activation after all but the last, eq. (3.4).

    uniform: how the layers start, see Dense. Raises ValueError for an unknown activation.
    """

    def __init__(self, sizes, activation="relu", dtype=np.float32, rng=None, uniform=False):
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}: choose one of {', '.join(map(repr, ACTIVATIONS))}")
        self.activation = ACTIVATIONS[activation]
        kinds = [activation] * (len(sizes) - 2) + [None]
        self.layers = [Dense(*pair, kind, dtype, rng, uniform) for *pair, kind in zip(sizes, sizes[1:], kinds)]

    def children(self):
        return enumerate(self.layers)

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)
