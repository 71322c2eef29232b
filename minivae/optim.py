"""Optimisers: SGD with momentum, and Adam.

Both gather the parameters into one flat vector, of which each parameter's .data becomes a view, so
that a step is a few passes over one array. Write into a parameter with p.data[...] = value.
"""

import numpy as np

class Optimizer:
    """What both share: the flat vector of the parameters, zero_grad, step, and the errors.

    params: Tensors; frozen ones (requires_grad=False) are left alone.
    lr: the learning rate.
    state: names of the vectors that an update keeps from step to step, such as Adam's running
        means; .state maps them to the vectors.

    A subclass has _update(p, g, *state), which changes a stretch of the parameters p and of the
    state in place, given the gradient g, which it may use as scratch space.
    """

    stretch = 65536  # numbers; all passes of an update over one stretch find it in the cache

    def __init__(self, params, lr, state):
        self.params = [p for p in params if p.requires_grad]
        self.lr = lr
        self.t = 0  # steps done
        if not self.params:
            raise ValueError("the optimiser got no parameters that need a gradient")
        if not np.isfinite(lr) or lr < 0:
            raise ValueError(f"lr must be a finite number and not negative, got {lr}")
        dtypes = {p.dtype for p in self.params}
        if len(dtypes) > 1 or len(set(map(id, self.params))) < len(self.params):
            names = ", ".join(map(str, dtypes))
            raise ValueError(
                f"the parameters must be distinct Tensors of one dtype, got {len(self.params)} of "
                f"{names}"
            )
        self.flat = np.concatenate([p.data.ravel() for p in self.params])
        self.state = {name: np.zeros_like(self.flat) for name in state}
        self._g = np.empty(min(self.stretch, self.flat.size), self.flat.dtype)
        self._stretches = [self._cut(i) for i in range(0, self.flat.size, self.stretch)]
        self._make_views()

    def _make_views(self):
        """Let each parameter's data be a piece of the flat vector."""
        end = 0
        for p in self.params:
            start = end
            end += p.size
            self.flat[start:end] = p.data.ravel()
            p.data = self.flat[start:end].reshape(p.shape)

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_views()  # a copied or unpickled view is an array of its own

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def step(self):
        """Change the parameters by one update.

        Raises, before anything is changed, RuntimeError for a parameter that has no gradient or
        whose .data was replaced, and ValueError for a gradient of another shape.
        """
        grads = [np.asarray(p.grad) for p in self.params]
        for i, (p, g) in enumerate(zip(self.params, grads)):
            if p.data.base is not self.flat or g.shape != p.data.shape or p.grad is None:
                self._refuse(p, p.name or i)
        grads = [g.reshape(-1) for g in grads]
        self.t += 1
        for here, pieces in self._stretches:
            p = self.flat[here]
            g = np.concatenate([grads[i][part] for i, part in pieces], out=self._g[: p.size])
            self._update(p, g, *(v[here] for v in self.state.values()))
        if self.t % 100 == 0:
            self._drop_subnormals()

    def _cut(self, start):
        """The stretch from start on, and what its gradient is put together from.

        A slice of the flat vector, and pairs (number of the parameter, slice of its gradient).
        """
        stop = min(start + self.stretch, self.flat.size)
        pieces = []
        first = 0
        for i, p in enumerate(self.params):
            part = slice(max(start - first, 0), min(stop - first, p.size))
            if part.start < part.stop:
                pieces.append((i, part))
            first += p.size
        return slice(start, stop), pieces

    def _refuse(self, p, name):
        if p.grad is None:
            raise RuntimeError(
                f"parameter {name} has no gradient: call loss.backward() between zero_grad() and "
                f"step(), and give the optimiser only parameters that the loss depends on"
            )
        if p.data.base is not self.flat:
            raise RuntimeError(
                f"parameter {name} no longer views this optimiser's vector: write into it with "
                f"p.data[...] = value, and use one optimiser at a time"
            )
        raise ValueError(
            f"parameter {name} has shape {p.shape}, but its gradient {np.shape(p.grad)}"
        )

    def _drop_subnormals(self):
        """Set to 0 what is too small to move a parameter, and slow.

        Where a gradient vanishes for good (a relu unit that no example wakes any more), its running
        mean shrinks by a factor a step until it is stuck at the smallest numbers of all, the
        subnormal ones, on which many CPUs are slow. What would get there within the next 100 steps
        at a factor of 0.9 is dropped.
        """
        for v in self.state.values():
            v[np.abs(v) < 1e5 * np.finfo(v.dtype).tiny] = 0


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum v + g, p = p - lr v, eq. (3.9)."""

    def __init__(self, params, lr, momentum=0):
        super().__init__(params, lr, state=("v",))
        self.momentum = momentum

    def _update(self, p, g, v):
        v *= self.momentum
        v += g
        np.multiply(v, self.lr, out=g)
        p -= g


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015).

    m and v are running means of the gradient and of its square, eq. (3.11), the bias of their start
    at zero is corrected, eq. (3.12), and p = p - lr m_hat / (sqrt(v_hat) + eps), eq. (3.13).

    Here M = m / (1 - beta1) and V = v / (1 - beta2) are kept instead, which saves two passes:
    M = beta1 M + g and V = beta2 V + g^2. All constant factors then go into two numbers: with
    root = sqrt((1 - beta2) / (1 - beta2^t)), sqrt(v_hat) is root sqrt(V), so that
    p = p - size M / (sqrt(V) + eps / root), eq. (3.14).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr, state=("M", "V"))
        self.betas = betas
        self.eps = eps

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
        np.divide(M, g, out=g)  # M / (sqrt(V) + eps / root)
        g *= size
        p -= g
