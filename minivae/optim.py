"""Optimisers: SGD with momentum, and Adam.

Both gather the parameters into one flat vector, of which each parameter's .data becomes a view, so that a step is a few
passes over one array. Write into a parameter with p.data[...] = value.
"""

import numpy as np


class Optimizer:
    """What both share: the flat vector of the parameters, zero_grad, step, and the errors.

    state: the names of the flat vectors that an update keeps from step to step; .state maps them to the vectors. A
    subclass has _update(p, g, *state), which changes a stretch of the parameters and of the state in place, given the
    gradient g, which it may use as scratch space."""

    stretch = 65536  # numbers; small enough for all passes of an update over one stretch to stay in the cache

    def __init__(self, params, lr, state):
        self.params, self.lr, self.t = list(params), lr, 0
        if not self.params:
            raise ValueError("the optimiser got no parameters")
        if not np.isfinite(lr) or lr < 0:
            raise ValueError(f"lr must be a finite number and not negative, got {lr}")
        dtypes = {p.dtype for p in self.params}
        if len(dtypes) > 1 or len(set(map(id, self.params))) < len(self.params):
            raise ValueError(f"the parameters must be distinct Tensors of one dtype, got {len(self.params)} of "
                             f"{', '.join(map(str, dtypes))}")
        self.flat = np.concatenate([p.data.ravel() for p in self.params])
        self.state = {name: np.zeros_like(self.flat) for name in state}
        self._g = np.empty(min(self.stretch, self.flat.size), self.flat.dtype)  # the gradient of one stretch
        ends = np.cumsum([p.size for p in self.params])
        for p, end in zip(self.params, ends):
            p.data = self.flat[end - p.size:end].reshape(p.shape)
        self._stretches = [self._cut(start, ends) for start in range(0, self.flat.size, self.stretch)]

    def _cut(self, start, ends):
        """The stretch of every vector from start on, and the pieces of its gradient: (parameter, slice of it, target)."""
        stop, pieces = min(start + self.stretch, self.flat.size), []
        for i, (p, end) in enumerate(zip(self.params, ends)):
            first = end - p.size
            a, b = max(start, first), min(stop, end)  # the overlap of stretch and parameter
            if a < b:
                pieces.append((i, slice(a - first, b - first), self._g[a - start:b - start]))
        flat, *state = (v[start:stop] for v in (self.flat, *self.state.values()))
        return pieces, (flat, self._g[:stop - start], *state)

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        """Change the parameters by one update. Raises, before anything is changed, RuntimeError for a parameter that has no
        gradient, or whose .data was replaced, and ValueError for a gradient of another shape."""
        for i, p in enumerate(self.params):
            if p.grad is None:
                raise RuntimeError(f"parameter {p.name or i} has no gradient: call loss.backward() between zero_grad() "
                                   f"and step(), and give the optimiser only parameters that the loss depends on")
            if p.data.base is not self.flat:
                raise RuntimeError(f"parameter {p.name or i} no longer views this optimiser's vector: write into it with "
                                   f"p.data[...] = value, and use one optimiser at a time")
            if np.shape(p.grad) != p.data.shape:
                raise ValueError(f"parameter {p.name or i} has shape {p.shape}, but its gradient {np.shape(p.grad)}")
        grads = [np.reshape(p.grad, -1) for p in self.params]
        self.t += 1
        for pieces, vectors in self._stretches:
            for i, piece, target in pieces:
                target[...] = grads[i][piece]
            self._update(*vectors)
        if self.t % 100 == 0:
            self._drop_subnormals()

    def _drop_subnormals(self):
        """Where a gradient vanishes for good (a relu unit that no example wakes any more), its running mean shrinks by a
        factor a step until it is stuck at the smallest numbers of all, the subnormal ones, on which many CPUs are slow. What
        would get there within the next 100 steps at a factor of 0.9 is set to 0: far too small to move a parameter."""
        for v in self.state.values():
            v[np.abs(v) < 1e5 * np.finfo(v.dtype).tiny] = 0


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum v + g, p = p - lr v, eq. (3.9), as in PyTorch."""

    def __init__(self, params, lr, momentum=0):
        super().__init__(params, lr, state=("v",))
        self.momentum = momentum

    def _update(self, p, g, v):
        v *= self.momentum
        v += g
        np.multiply(v, self.lr, out=g)
        p -= g


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): m and v are running means of the gradient and of its square, eq. (3.11), the bias of
    their start at zero is corrected, eq. (3.12), and p = p - lr m_hat / (sqrt(v_hat) + eps), eq. (3.13).

    Here M = m / (1 - beta1) and V = v / (1 - beta2) are kept instead, which saves two passes: M = beta1 M + g and
    V = beta2 V + g^2. All constant factors then go into two numbers, eq. (3.14): with root = sqrt((1 - beta2) /
    (1 - beta2^t)), sqrt(v_hat) is root sqrt(V), so p = p - size M / (sqrt(V) + eps / root).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr, state=("M", "V"))
        self.betas, self.eps = betas, eps

    def _update(self, p, g, M, V):
        beta1, beta2 = self.betas
        root = ((1 - beta2) / (1 - beta2**self.t)) ** 0.5
        size = self.lr * (1 - beta1) / (1 - beta1**self.t) / root
        M *= beta1
        M += g
        V *= beta2
        np.multiply(g, g, out=g)
        V += g
        np.sqrt(V, out=g)
        g += self.eps / root
        np.divide(M, g, out=g)
        g *= size
        p -= g
