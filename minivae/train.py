"""Training: fit runs the epochs and keeps their history."""

import copy
import dataclasses
import os
import time

import numpy as np

from .autodiff import no_grad
from .checks.arguments import check_rng, positive_int
from .checks.finite import Steps, check_loss
from .data import binarize as draw_pixels
from .files import checkpoints, npz
from .models import mean_loss
from .optim import Adam
from .screen.progress import CtrlC, Progress


@dataclasses.dataclass
class History:
    """What fit returns: one entry per finished epoch in each list, in nats per example.

    loss, nll, kl: means over the epoch's batches.
    val_loss: the loss on x_val after the epoch; empty without x_val.
    seconds: how long the epoch took.
    interrupted: whether Ctrl-C ended the run before its last epoch.
    stopped: whether the callback did.
    """

    loss: list = dataclasses.field(default_factory=list)
    nll: list = dataclasses.field(default_factory=list)
    kl: list = dataclasses.field(default_factory=list)
    val_loss: list = dataclasses.field(default_factory=list)
    seconds: list = dataclasses.field(default_factory=list)
    interrupted: bool = False
    stopped: bool = False

    def __str__(self):
        """The last epoch in a line."""
        if not self.loss:
            return "no epoch yet"
        held_out = f", held out {self.val_loss[-1]:.2f}" if self.val_loss else ""
        return f"loss {self.loss[-1]:.2f} nats (nll {self.nll[-1]:.2f}, kl {self.kl[-1]:.2f}{held_out})"


@dataclasses.dataclass
class Examples:
    """Data to train on, or to measure the loss on: x (N, D), and y (N,) or None."""

    x: np.ndarray
    y: np.ndarray
    binarize: bool  # whether each batch draws its pixels anew

    def __len__(self):
        return len(self.x)

    def batch(self, rows, rng):
        x = draw_pixels(self.x[rows], rng) if self.binarize else self.x[rows]
        return x, None if self.y is None else self.y[rows]


@dataclasses.dataclass
class Run:
    """Where a run of fit stands, down to the batch: what a checkpoint holds."""

    model: object
    optimizer: object
    rng: np.random.Generator
    history: History = dataclasses.field(default_factory=History)
    epoch: int = 0  # how many epochs are finished
    order: np.ndarray = None  # (N,), the examples as the epoch under way takes them; None between epochs
    done: int = 0  # how many of them it has trained on
    totals: np.ndarray = None  # (3,), loss, nll and kl summed over these
    started: float = 0.0  # the clock when it began, or was taken up again


def fit(model, x, *, epochs, batch_size=128, lr=1e-3, rng, y=None, x_val=None, beta=1.0, optimizer=None,
        progress=None, checkpoint=None, every=1, resume=None, binarize=False, callback=None):
    """Train the model on x (N, D) by minibatch gradient descent on its loss; returns a History.

    epochs: how many in all, those before a resume included.
    batch_size: examples in a step; the last batch of an epoch may be smaller.
    lr: the learning rate of the default optimiser.
    rng: draws the order of the examples and the noise; the same rng gives the same bits.
    y: labels (N,), for a ConditionalVAE.
    x_val: held-out data (M, D), or the pair (x_val, y_val).
    beta: the weight of the KL, a number or a function of the epoch (0, 1, ...).
    optimizer: made from the model's parameters; by default Adam(model.parameters(), lr).
    progress: True or False; None shows one line on a terminal and nothing elsewhere.
    checkpoint: a path to write after each `every` epochs, at the end and when the run is stopped.
    every: see checkpoint.
    resume: a checkpoint to go on from. It may be the same path as checkpoint, and need not exist then at the first start.
    binarize: True draws the pixels anew for each batch, 1 with probability x.
    callback: called with (model, history) after each epoch; returning True ends the run, and history.stopped says so.

    A resumed run ends with the same bits as one that was never stopped. Ctrl-C ends the run after the batch under way,
    with the history so far; a second one breaks that batch off, and the last checkpoint stands.

    Raises ValueError or TypeError for bad arguments, OSError for a checkpoint that cannot be written, both before the
    first step; ValueError for a checkpoint of another model, data or setting; FloatingPointError when a loss, gradient,
    step or loss on x_val is not finite. The parameters are then finite, those of the last good step.
    """
    # What can be wrong is found here, before anything is changed.
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("every", every)):
        positive_int(name, value)
    check_rng(rng)
    data = _examples(model, x, y, binarize)
    held_out = _held_out(model, x_val, binarize)
    if not callable(beta):
        _beta_of(beta, epoch=0)
    run = Run(model, _optimizer(optimizer, model, lr), rng)
    settings = None
    if checkpoint is not None or resume is not None:
        settings = checkpoints.settings(model, run.optimizer, batch_size, beta, data, held_out)
    if checkpoint is not None:
        npz.check_place(checkpoint)

    history = run.history
    show = Progress(progress)
    with CtrlC() as ctrl_c:
        def goes_on():
            """Between two batches: a word on the terminal, and whether there is a next one."""
            if show.terminal and run.done < len(data):
                show(f"epoch {run.epoch + 1}/{epochs}, {100 * run.done // len(data)} %", run.epoch / epochs)
            return not ctrl_c.pressed

        if resume is not None and not _is_first_start(resume, checkpoint):
            checkpoints.read(resume, run, settings)
        try:
            while run.epoch < epochs and not ctrl_c.pressed and not history.stopped:
                # An epoch: each example once, and then the loss on what was held out.
                weight = _beta_of(beta, run.epoch)
                ctrl_c.breakable(_train_epoch, run, data, batch_size, weight, goes_on)
                if run.done < len(data):
                    break  # Ctrl-C, between two batches
                val_loss = ctrl_c.breakable(_validation_loss, run, held_out, weight)
                _end_epoch(run, val_loss)

                # A report, on the screen and to the caller.
                show(f"epoch {run.epoch}/{epochs}  {history}", run.epoch / epochs)
                if callback is not None:
                    says_stop = _is_true(ctrl_c.breakable(callback, model, history))
                    history.stopped = says_stop and run.epoch < epochs

                # A checkpoint.
                is_last = run.epoch == epochs or history.stopped
                if checkpoint is not None and (run.epoch % every == 0 or is_last):
                    checkpoints.write(checkpoint, run, settings)
        except KeyboardInterrupt:  # a second Ctrl-C, in the middle of something
            ctrl_c.pressed += 1
            checkpoint = None

        if ctrl_c.pressed and run.epoch < epochs:
            history.interrupted = True
            show(f"stopped by Ctrl-C in epoch {run.epoch + 1}/{epochs}", 1)
            if checkpoint is not None:
                checkpoints.write(checkpoint, run, settings)
    return history


def _train_epoch(run, data, batch_size, beta, goes_on):
    """The batches of this epoch that are still to do, for as long as goes_on() says so after each."""
    if run.order is None:  # otherwise a checkpoint left the epoch in the middle
        run.order = run.rng.permutation(len(data))
        run.done = 0
        run.totals = np.zeros(3)
    run.started = time.perf_counter()
    steps = Steps(run.optimizer)
    with np.errstate(over="ignore", invalid="ignore"):  # told as errors, in words
        while run.done < len(data):
            rows = run.order[run.done:run.done + batch_size]
            x, y = data.batch(rows, run.rng)
            where = f"epoch {run.epoch + 1}, batch {run.done // batch_size + 1}"
            run.totals += len(rows) * _step(run, steps, x, y, beta, where)
            run.done += len(rows)
            if not goes_on():
                break


def _step(run, steps, x, y, beta, where):
    """One step of gradient descent; returns the batch means of loss, nll and kl, (3,)."""
    run.optimizer.zero_grad()
    nll, kl = _terms(run.model, x, y, run.rng)  # (B,), (B,)
    loss = mean_loss(nll, kl, beta)  # ()
    means = np.array([loss.item(), nll.data.mean(), kl.data.mean()])
    check_loss(*means, where)
    loss.backward()
    steps.step(where)
    return means


def _validation_loss(run, held_out, beta):
    """The loss on the held-out data, with noise of its own: training goes on as if it had not been measured."""
    if held_out is None:
        return None
    rng = copy.deepcopy(run.rng)
    total = 0.0
    with no_grad(), np.errstate(over="ignore", invalid="ignore"):
        for i in range(0, len(held_out), 1000):
            x, y = held_out.batch(slice(i, i + 1000), rng)
            total += len(x) * mean_loss(*_terms(run.model, x, y, rng), beta).item()
    val_loss = total / len(held_out)
    if not np.isfinite(val_loss):
        raise FloatingPointError(f"the loss on x_val is not finite after epoch {run.epoch + 1} ({val_loss}); the "
                                 f"parameters are finite, those of its last step: try a smaller lr")
    return val_loss


def _terms(model, x, y, rng):
    return model.terms(x, rng) if y is None else model.terms(x, rng, y=y)


def _end_epoch(run, val_loss):
    """The epoch goes into the history, and the run stands between two epochs."""
    history = run.history
    for values, total in zip((history.loss, history.nll, history.kl), run.totals):
        values.append(float(total / run.done))
    if val_loss is not None:
        history.val_loss.append(val_loss)
    history.seconds.append(time.perf_counter() - run.started)
    run.epoch += 1
    run.order = None


def _examples(model, x, y, binarize):
    """x and y as the model takes them; ValueError, in its words, where it does not."""
    x = model.check_input(x)
    return Examples(x, model.check_labels(y, len(x)), bool(binarize))


def _held_out(model, x_val, binarize):
    if x_val is None:
        return None
    if isinstance(x_val, tuple) and len(x_val) == 2:
        return _examples(model, *x_val, binarize)
    if isinstance(x_val, tuple) or (isinstance(x_val, list) and len(x_val) and np.ndim(x_val[0]) == 2):
        raise ValueError(f"x_val is a {type(x_val).__name__} of {len(x_val)}: for data with labels, write the pair "
                         f"x_val=(x, y); for data alone, x_val=x")
    return _examples(model, x_val, None, binarize)


def _optimizer(optimizer, model, lr):
    if optimizer is None:
        return Adam(model.parameters(), lr=lr)
    if isinstance(optimizer, type) or not hasattr(optimizer, "step"):
        raise TypeError(f"optimizer={optimizer!r} is no optimiser with parameters: write "
                        f"optimizer=mv.Adam(model.parameters(), lr=1e-3), or leave it out")
    return optimizer


def _beta_of(beta, epoch):
    """The weight of the KL in this epoch, a number."""
    value = beta(epoch) if callable(beta) else beta
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "biuf" or not np.isfinite(number):
        raise ValueError(f"beta must be a finite number, or a function of the epoch that gives one, got {value!r}: "
                         f"leave it out for the VAE's own weight, 1")
    return value


def _is_first_start(resume, checkpoint):
    """Whether one path is given to go on from and to write to, and nothing is there yet."""
    if checkpoint is None or os.path.exists(resume):
        return False
    return os.path.abspath(os.fsdecode(resume)) == os.path.abspath(os.fsdecode(checkpoint))


def _is_true(answer):
    """Whether a callback returned True, and not just something, such as a Figure."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)
