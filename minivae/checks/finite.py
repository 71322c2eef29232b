"""Numbers that are no longer finite: found at once, named, and the step that made them taken back."""

import numpy as np

from ..optim import SGD, Adam


def check_loss(loss, nll, kl, where):
    """Raises FloatingPointError naming the term, if one of three numbers is not finite."""
    if np.isfinite(loss) and np.isfinite(nll) and np.isfinite(kl):
        return
    name = "loss"
    if not np.isfinite(nll):
        name = "nll"
    elif not np.isfinite(kl):
        name = "kl"
    raise FloatingPointError(f"the {name} is not finite at {where} (loss {loss}, nll {nll}, kl {kl}); the parameters "
                             f"are those of the step before: try a smaller lr")


class Steps:
    """The steps of an optimiser, of which none leaves a parameter that is not finite.

    To take a step back, a copy of the parameters is needed, which would cost some percent of the time if each step made
    one. Nearly all of them can do without. A step that is looked at shows how large parameters and running means are;
    with all of them below 1e15, every gradient below 1e6, lr up to 1e3 and eps from 1e-12, each of the next 1000 steps
    moves a parameter by at most lr M / eps = 1e30 in Adam, by lr v = 1e18 in SGD, and float32 ends at 3e38.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.trusted = 0  # how many further steps are safe for that reason

    def step(self, where):
        """One step. Raises FloatingPointError, with everything as it was, for a gradient or a step that is not finite."""
        calm = self._largest_gradient(where) < 1e6
        if calm and self.trusted > 0:
            self.trusted -= 1
            self.optimizer.step()
        else:
            largest = self._careful_step(where)
            self.trusted = 1000 if calm and largest < 1e15 and self._is_moderate() else 0

    def _largest_gradient(self, where):
        """The norm of the gradient of one parameter, the largest; inf where its square is beyond the dtype."""
        largest = 0.0
        for i, p in enumerate(self.optimizer.params):
            if p.grad is None:
                continue  # the optimiser says so better
            square = np.vdot(p.grad, p.grad)  # finite only if every entry is, and one pass
            if not np.isfinite(square) and not np.isfinite(p.grad).all():
                raise FloatingPointError(f"the gradient of {p.name or i} is not finite at {where}; the parameters are "
                                         f"those of the step before: try a smaller lr")
            largest = max(largest, square)
        return largest**0.5

    def _careful_step(self, where):
        """A step that is taken back if it fails. Returns the largest absolute value of all it keeps."""
        optimizer = self.optimizer
        vectors = [*(p.data for p in optimizer.params), *optimizer.state.values()]
        before = [vector.copy() for vector in vectors]
        t = optimizer.t
        optimizer.step()
        for i, p in enumerate(optimizer.params):
            if not np.isfinite(p.data).all():
                for vector, old in zip(vectors, before):
                    vector[...] = old
                optimizer.t = t
                raise FloatingPointError(f"the step of the optimiser at {where} makes {p.name or i} infinite or NaN, and "
                                         f"is not taken; the parameters are those of the step before: try a smaller lr")
        return max(np.abs(vector).max() for vector in vectors)

    def _is_moderate(self):
        """Whether the sentence above speaks of this optimiser with these numbers."""
        optimizer = self.optimizer
        if type(optimizer) is SGD:
            return optimizer.lr <= 1e3 and abs(optimizer.momentum) <= 1
        if type(optimizer) is Adam:
            return optimizer.lr <= 1e3 and optimizer.eps >= 1e-12 and all(0 <= beta < 1 for beta in optimizer.betas)
        return False
