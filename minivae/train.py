"""Training: fit runs the epochs and keeps the history; checkpoints and saved models are plain .npz files."""

import copy
import dataclasses
import json
import os
import time
import zlib

import numpy as np

from . import models
from .autodiff import no_grad
from .checks.arguments import check_rng, positive_int
from .data import binarize as draw_pixels
from .files.npz import read_npz, refuses, write_npz
from .optim import Adam
from .screen.progress import Progress, interrupts


@dataclasses.dataclass
class History:
    """One entry per finished epoch, in nats per example: the means of loss, nll and kl over the epoch's batches, the
    loss on x_val after it (empty without x_val), and the seconds it took. interrupted: whether Ctrl-C ended the run."""

    loss: list = dataclasses.field(default_factory=list)
    nll: list = dataclasses.field(default_factory=list)
    kl: list = dataclasses.field(default_factory=list)
    val_loss: list = dataclasses.field(default_factory=list)
    seconds: list = dataclasses.field(default_factory=list)
    interrupted: bool = False

    def __str__(self):
        """The last epoch in a line."""
        if not self.loss:
            return "no epoch yet"
        held_out = f", held out {self.val_loss[-1]:.2f}" if self.val_loss else ""
        return f"loss {self.loss[-1]:.2f} nats (nll {self.nll[-1]:.2f}, kl {self.kl[-1]:.2f}{held_out})"


def fit(model, x, *, epochs, batch_size=128, lr=1e-3, rng, y=None, x_val=None, beta=1.0, optimizer=None, progress=None,
        checkpoint=None, every=1, resume=None, binarize=False):
    """Train the model on x (N, D) by minibatch gradient descent on its loss; returns a History.

    epochs: the total number, also when resuming. rng: draws the order of the examples and the noise. y: labels (N,) for
    a ConditionalVAE. x_val: held-out data, or (x_val, y_val). beta: the weight of the KL, a number or a function of the
    epoch (0, 1, ...). optimizer: by default Adam(model.parameters(), lr). binarize: draw the pixels anew for each batch.
    progress: None shows one line on a terminal and nothing elsewhere; True and False decide.

    checkpoint: a path written after each `every` epochs, at the end and at Ctrl-C. resume: a path to go on from; model,
    optimiser and rng take the state found there, and the run ends with the same bits as one that was never stopped. Both
    may be one path, which need not exist at the first start. Ctrl-C is taken between batches.

    Raises ValueError for bad arguments, and for a checkpoint made with another model, data or setting;
    FloatingPointError when a loss or gradient is not finite (the parameters are then those of the last good step).
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("every", every)):
        positive_int(name, value)
    check_rng(rng)
    x, y = _check_data(model, x, y)
    x_val, y_val = x_val if isinstance(x_val, tuple) else (x_val, None)
    if x_val is not None:
        x_val, y_val = _check_data(model, x_val, y_val)
    optimizer = Adam(model.parameters(), lr=lr) if optimizer is None else optimizer
    run = _Run(model, optimizer, rng, settings={
        "model": type(model).__name__, **model.config, "optimizer": type(optimizer).__name__,
        **{k: v for k, v in vars(optimizer).items() if k in ("lr", "momentum", "betas", "eps")},
        "batch_size": batch_size, "binarize": bool(binarize), "beta": "a function" if callable(beta) else beta,
        "data": _fingerprint(x, y), "validation data": _fingerprint(x_val, y_val)})
    if resume is not None and not (checkpoint is not None and os.fspath(resume) == os.fspath(checkpoint)
                                   and not os.path.exists(resume)):
        run.read(resume)
    show = Progress(progress)

    with interrupts() as interrupted, np.errstate(over="ignore", invalid="ignore"):
        try:
            while run.epoch < epochs and not interrupted:
                weight = beta(run.epoch) if callable(beta) else beta
                for batch in run.batches(len(x), batch_size):
                    x_batch = draw_pixels(x[batch], rng) if binarize else x[batch]
                    run.totals += len(batch) * _step(model, optimizer, x_batch, None if y is None else y[batch], rng, weight,
                                                     f"epoch {run.epoch + 1}, batch {run.done // batch_size + 1}")
                    run.done += len(batch)
                    if show.terminal and run.done < len(x):
                        show(f"epoch {run.epoch + 1}/{epochs}, {100 * run.done // len(x)} %", run.epoch / epochs)
                    if interrupted:
                        break
                if run.done == len(x):
                    run.end_epoch(len(x), None if x_val is None else
                                  _validation_loss(model, x_val, y_val, weight, copy.deepcopy(rng), binarize))
                    show(f"epoch {run.epoch}/{epochs}  {run.history}", run.epoch / epochs)
                    if checkpoint is not None and (run.epoch % every == 0 or run.epoch == epochs):
                        run.write(checkpoint)
        except KeyboardInterrupt:  # a second Ctrl-C, in the middle of something: the last whole checkpoint stands
            interrupted.append(True)
            checkpoint = None
    if interrupted:
        show(f"stopped by Ctrl-C in epoch {run.epoch + 1}/{epochs}", 1)
        if checkpoint is not None:
            run.write(checkpoint)
    run.history.interrupted = bool(interrupted)
    return run.history


def _step(model, optimizer, x, y, rng, beta, where):
    """One step of gradient descent; returns the batch means of loss, nll and kl."""
    optimizer.zero_grad()
    nll, kl = model.terms(x, rng) if y is None else model.terms(x, rng, y=y)
    loss = models.mean_loss(nll, kl, beta)
    means = np.array([loss.item(), nll.data.mean(), kl.data.mean()])
    if not np.isfinite(means).all():
        name = "nll" if not np.isfinite(means[1]) else "kl" if not np.isfinite(means[2]) else "loss"
        raise FloatingPointError(f"the {name} is not finite at {where} (loss {means[0]}, nll {means[1]}, kl {means[2]}); the "
                                 f"parameters are those of the step before: try a smaller lr")
    loss.backward()
    for i, p in enumerate(optimizer.params):
        # The sum of squares is finite only if every entry is, and costs one pass; overflow is looked at again.
        if p.grad is not None and not np.isfinite(np.vdot(p.grad, p.grad)) and not np.isfinite(p.grad).all():
            raise FloatingPointError(f"the gradient of {p.name or i} is not finite at {where}; the parameters are those of "
                                     f"the step before: try a smaller lr")
    optimizer.step()
    return means


def _validation_loss(model, x, y, beta, rng, binarize):
    total = 0.0
    with no_grad():
        for i in range(0, len(x), 1000):
            part = draw_pixels(x[i:i + 1000], rng) if binarize else x[i:i + 1000]
            terms = model.terms(part, rng) if y is None else model.terms(part, rng, y=y[i:i + 1000])
            total += len(part) * models.mean_loss(*terms, beta).item()
    return total / len(x)


def _check_data(model, x, y):
    x = model.check_input(x)
    conditional = isinstance(model, models.ConditionalVAE)
    if y is not None and not conditional:
        raise ValueError(f"a {type(model).__name__} takes no labels: leave out y, or train a ConditionalVAE")
    return x, model.check_labels(y, len(x)) if conditional else None


def _fingerprint(*arrays):
    return [None if a is None else [list(a.shape), zlib.crc32(np.ascontiguousarray(a))] for a in arrays]


class _Run:
    """Where a training run stands, down to the batch; it can be written to a file and read back."""

    def __init__(self, model, optimizer, rng, settings):
        self.model, self.optimizer, self.rng = model, optimizer, rng
        self.settings = json.loads(json.dumps(settings, default=float))
        self.history, self.epoch, self.order = History(), 0, None

    def batches(self, n, batch_size):
        """The indices of the batches of this epoch that are still to do; a new epoch draws a new order."""
        if self.order is None:
            self.order, self.done = self.rng.permutation(n), 0
            self.totals, self.started = np.zeros(3), time.perf_counter()
        return (self.order[i:i + batch_size] for i in range(self.done, n, batch_size))

    def end_epoch(self, n, val_loss):
        for values, total in zip((self.history.loss, self.history.nll, self.history.kl), self.totals):
            values.append(float(total / n))
        if val_loss is not None:
            self.history.val_loss.append(val_loss)
        self.history.seconds.append(time.perf_counter() - self.started)
        self.epoch, self.order = self.epoch + 1, None

    def write(self, path):
        middle = None if self.order is None else {"done": self.done, "totals": self.totals.tolist()}
        meta = {"settings": self.settings, "epoch": self.epoch, "middle": middle, "t": self.optimizer.t,
                "rng": self.rng.bit_generator.state, "history": dataclasses.asdict(self.history)}
        arrays = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        arrays.update({f"optimizer/{k}": v for k, v in self.optimizer.state.items()})
        write_npz(path, "checkpoint", meta, {**arrays, **({} if middle is None else {"order": self.order})})

    def read(self, path):
        """Raises ValueError where the checkpoint is of another run, before anything is changed."""
        meta, arrays = read_npz(path, "checkpoint")
        with refuses(path):
            theirs = meta["settings"]
            different = [f"{k} differs" if "data" in k else f"{k} was {theirs.get(k)}, and is {v} now"
                         for k, v in self.settings.items() if theirs.get(k) != v]
            if different:
                raise ValueError("it was made with other settings: " + "; ".join(different))
            state = {k: arrays.pop(f"optimizer/{k}") for k in self.optimizer.state}
            order = arrays.pop("order", None)
            rng_state = copy.deepcopy(self.rng)
            rng_state.bit_generator.state = meta["rng"]
            for k, v in state.items():
                if v.shape != self.optimizer.flat.shape or v.dtype != self.optimizer.flat.dtype:
                    raise ValueError(f"optimizer state {k} has shape {v.shape}")
            history = History(**meta["history"])
            self.model.load_state_dict({k.removeprefix("model/"): v for k, v in arrays.items()})
        for k, v in state.items():
            self.optimizer.state[k][...] = v
        self.optimizer.t, self.epoch, self.history = meta["t"], meta["epoch"], history
        self.rng.bit_generator.state = meta["rng"]
        if meta["middle"] is not None:
            self.order, self.done = order, meta["middle"]["done"]
            self.totals, self.started = np.array(meta["middle"]["totals"]), time.perf_counter()
