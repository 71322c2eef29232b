"""Optimisers: SGD with momentum, and Adam.

Both gather the parameters into one flat vector, of which each parameter's .data becomes a view, so that a step is a few
passes over one array. Write into a parameter with p.data[...] = value.
"""

import numpy as np


class Optimizer:
    """What both share: the flat vector of parameters, zero_grad, and the errors. state holds what a checkpoint needs."""

    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        if not self.params:
            raise ValueError("the optimiser got no parameters")
        if not np.isfinite(lr) or lr < 0:
            raise ValueError(f"lr must be a finite number and not negative, got {lr}")
        dtypes = {p.dtype for p in self.params}
        if len(dtypes) > 1 or len(set(map(id, self.params))) < len(self.params):
            raise ValueError(f"the parameters must be distinct Tensors of one dtype, got {len(self.params)} of "
                             f"{', '.join(map(str, dtypes))}")
        self.flat = np.concatenate([p.data.ravel() for p in self.params])
        for p, view in zip(self.params, self._views(self.flat)):
            p.data = view
        self.t, self.state = 0, {}

    def _views(self, flat):
        ends = np.cumsum([p.size for p in self.params])
        return [flat[end - p.size:end].reshape(p.shape) for p, end in zip(self.params, ends)]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    def _gradients(self):
        """The gradients, in order. Raises RuntimeError for one that is missing, or a parameter that was replaced."""
        for i, p in enumerate(self.params):
            if p.grad is None:
                raise RuntimeError(f"parameter {p.name or i} has no gradient: call loss.backward() between zero_grad() "
                                   f"and step(), and give the optimiser only parameters that the loss depends on")
            if p.data.base is not self.flat:
                raise RuntimeError(f"parameter {p.name or i} no longer views this optimiser's vector: write into it with "
                                   f"p.data[...] = value, and use one optimiser at a time")
        return [p.grad for p in self.params]


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum v + g, p = p - lr v, eq. (3.9), as in PyTorch."""

    def __init__(self, params, lr, momentum=0):
        super().__init__(params, lr)
        self.momentum = momentum
        self.state = {"v": np.zeros_like(self.flat)}
        self._v = self._views(self.state["v"])

    def step(self):
        gradients = self._gradients()
        v = self.state["v"]
        v *= self.momentum
        for v_i, g in zip(self._v, gradients):
            v_i += g
        self.flat -= self.lr * v
        self.t += 1


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): m and v are running means of the gradient and of its square, eq. (3.11), the bias of
    their start at zero is corrected, eq. (3.12), and p = p - lr m / (sqrt(v) + eps), eq. (3.13).

    Here M = m / (1 - beta1) and V = v / (1 - beta2) are kept instead, which saves two passes: M = beta1 M + g,
    V = beta2 V + g^2, and the factors go into two numbers, step size and eps, eq. (3.14).
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr)
        self.betas, self.eps = betas, eps
        self.state = {"M": np.zeros_like(self.flat), "V": np.zeros_like(self.flat)}
        self._work = np.empty_like(self.flat)
        self._M, self._work_views = self._views(self.state["M"]), self._views(self._work)

    def step(self):
        gradients = self._gradients()
        self.t += 1
        (beta1, beta2), M, V, work = self.betas, self.state["M"], self.state["V"], self._work
        M *= beta1
        V *= beta2
        for g, M_i, work_i in zip(gradients, self._M, self._work_views):
            M_i += g
            np.multiply(g, g, out=work_i)
        V += work
        # m_hat / (sqrt(v_hat) + eps) = size M / (sqrt(V) + eps / root): both corrections and both (1 - beta) in two numbers
        root = ((1 - beta2) / (1 - beta2**self.t)) ** 0.5
        size = (1 - beta1) / (1 - beta1**self.t) / root
        np.sqrt(V, out=work)
        work += self.eps / root
        np.divide(M, work, out=work)
        work *= self.lr * size
        self.flat -= work
