"""Numbers that are not finite: found at once, named, and the step that made them taken back."""

import numpy as np

from ..optim import SGD, Adam

AS_BEFORE = "the parameters are those of the step before: try a smaller lr"


def check_loss(loss, nll, kl, where):
    """Raises FloatingPointError, naming the term, if one of three numbers is not finite."""
    if np.isfinite(loss) and np.isfinite(nll) and np.isfinite(kl):
        return
    name = "loss"
    if not np.isfinite(nll):
        name = "nll"
    elif not np.isfinite(kl):
        name = "kl"
    values = f"(loss {loss}, nll {nll}, kl {kl})"
    raise FloatingPointError(f"the {name} is not finite at {where} {values}; {AS_BEFORE}")


class Steps:
    """The steps of an optimiser, none of which leaves a parameter that is not finite.

    To take a step back one needs a copy of the parameters. A copy for each step would cost some
    percent of the time, and nearly all steps can do without, because one step in a thousand that
    is looked at shows how large parameters and running means are. With all of them below 1e15,
    each gradient below 1e6, lr up to 1e3 and eps from 1e-12, each of the next thousand steps moves
    a parameter by at most lr M / eps, 1e30, in Adam, and by lr v, 1e18, in SGD (see optim.py for
    M and v). float32 ends at 3e38.
    """

    def __init__(self, optimizer):
        self.optimizer = optimizer
        self.trusted = 0  # how many steps need not be looked at, for that reason

    def step(self, where):
        """One step. Raises FloatingPointError, with everything as it was, if the gradient or what
        the step would make of the parameters is not finite."""
        is_small = self._largest_gradient(where) < 1e6
        if is_small and self.trusted > 0:
            self.trusted -= 1
            self.optimizer.step()
        else:
            largest = self._careful_step(where)
            self.trusted = 1000 if is_small and largest < 1e15 and self._is_known() else 0

    def _largest_gradient(self, where):
        """The norm of one parameter's gradient, the largest; inf if its square is too large."""
        largest = 0.0
        for i, p in enumerate(self.optimizer.params):
            if p.grad is None:
                continue  # step says what is wrong then
            square = np.vdot(p.grad, p.grad)  # in one pass; finite only if every entry is
            if not np.isfinite(square) and not np.isfinite(p.grad).all():
                raise FloatingPointError(
                    f"the gradient of {p.name or i} is not finite at {where}; {AS_BEFORE}"
                )
            largest = max(largest, square)
        return largest**0.5

    def _careful_step(self, where):
        """A step that is taken back if it fails. Returns the largest number in what it changed."""
        optimizer = self.optimizer
        changed = [*(p.data for p in optimizer.params), *optimizer.state.values()]
        before = [values.copy() for values in changed]
        t = optimizer.t
        optimizer.step()
        for i, p in enumerate(optimizer.params):
            if np.isfinite(p.data).all():
                continue
            for values, old in zip(changed, before):
                values[...] = old
            optimizer.t = t
            raise FloatingPointError(
                f"the step at {where} would make {p.name or i} infinite or NaN; {AS_BEFORE}"
            )
        return max(np.abs(values).max() for values in changed)

    def _is_known(self):
        """Whether the bounds above hold for this optimiser with its present settings."""
        optimizer = self.optimizer
        if optimizer.lr > 1e3:
            return False
        if type(optimizer) is SGD:
            return abs(optimizer.momentum) <= 1
        if type(optimizer) is Adam:
            return optimizer.eps >= 1e-12 and all(0 <= beta < 1 for beta in optimizer.betas)
        return False
