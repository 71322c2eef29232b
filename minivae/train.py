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
        terms = f"nll {self.nll[-1]:.2f}, kl {self.kl[-1]:.2f}"
        held_out = f", held out {self.val_loss[-1]:.2f}" if self.val_loss else ""
        return f"loss {self.loss[-1]:.2f} nats ({terms}{held_out})"


@dataclasses.dataclass
class Examples:
    """Data to train on, or to measure the loss on."""

    x: np.ndarray  # (N, D)
    y: np.ndarray  # (N,), or None
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
    order: np.ndarray = None  # (N,), the examples as the present epoch takes them; None between two
    done: int = 0  # how many of them it has trained on
    totals: np.ndarray = None  # (3,), loss, nll and kl summed over these
    started: float = 0.0  # the clock when it began, or was taken up again


def fit(
    model, x, *, epochs, batch_size=128, lr=1e-3, rng, y=None, x_val=None, beta=1.0, optimizer=None,
    progress=None, checkpoint=None, every=1, resume=None, binarize=False, callback=None,
):
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
    checkpoint: a path to write after each `every` epochs, and at the end, whatever the reason.
    every: see checkpoint.
    resume: a checkpoint to go on from; if it is the checkpoint's path, it may not be there yet.
    binarize: True draws the pixels anew for each batch, 1 with probability x.
    callback: called with (model, history) after each epoch; if it returns True, the run ends.

    A resumed run ends with the same bits as one that was never stopped. Ctrl-C ends the run after
    the batch under way; a second one breaks that batch off, and the last checkpoint stands.

    Raises, before the first step, ValueError or TypeError for bad arguments, OSError for a
    checkpoint that cannot be written, and ValueError for one to resume from that is damaged or of
    another model, data or setting. Raises FloatingPointError when a loss, a gradient or a step is
    not finite; the parameters are then those of the last good step.
    """
    # What can be wrong is found here, before anything is changed.
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("every", every)):
        positive_int(name, value)
    check_rng(rng)
    data = _examples(model, x, y, binarize)
    held_out = _held_out(model, x_val, binarize)
    run = Run(model, _check_optimizer(optimizer, model, lr), rng)
    if not callable(beta):
        _beta_of(beta, epoch=0)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be a function of (model, history), got {callback!r}")
    settings = None
    if checkpoint is not None or resume is not None:
        settings = checkpoints.settings(run, batch_size, beta, data, held_out)

    with CtrlC() as ctrl_c:
        if checkpoint is not None:
            npz.check_place(checkpoint)
        if resume is not None and not _is_first_start(resume, checkpoint):
            checkpoints.read(resume, run, settings)
        history = run.history
        written = (run.epoch, run.done)  # what the file holds
        show = Progress(progress)
        try:
            while run.epoch < epochs and not ctrl_c.pressed and not history.stopped:
                # An epoch: each example once, and then the loss on what was held out.
                weight = _beta_of(beta, run.epoch)
                _train_epoch(run, data, batch_size, weight, ctrl_c, show, epochs)
                if run.done < len(data):
                    break  # Ctrl-C, between two batches
                val_loss = ctrl_c.breakable(_validation_loss, run, held_out, weight)
                _end_epoch(run, val_loss)

                # A report, on the screen and to the caller.
                show(f"epoch {run.epoch}/{epochs}  {history}", run.epoch / epochs)
                if callback is not None:
                    answer = ctrl_c.breakable(callback, model, history)
                    history.stopped = _is_true(answer) and run.epoch < epochs

                # A checkpoint.
                if checkpoint is not None and run.epoch % every == 0:
                    checkpoints.write(checkpoint, run, settings)
                    written = (run.epoch, run.done)
        except KeyboardInterrupt:  # a second Ctrl-C
            ctrl_c.pressed += 1
            if run.order is not None:  # inside a batch, whose noise is drawn already
                checkpoint = None

        # The end, for one of three reasons: all is done, the callback said so, or Ctrl-C.
        if ctrl_c.pressed and run.epoch < epochs:
            history.interrupted = True
            show(f"stopped by Ctrl-C in epoch {run.epoch + 1}/{epochs}", 1)
        if checkpoint is not None and written != (run.epoch, run.done):
            checkpoints.write(checkpoint, run, settings)
    return history


def _train_epoch(run, data, batch_size, beta, ctrl_c, show, epochs):
    """The batches of this epoch that are still to do, or those up to a Ctrl-C."""
    if run.order is None:  # otherwise a checkpoint left the epoch in the middle
        run.order = run.rng.permutation(len(data))
        run.totals = np.zeros(3)
    run.started = time.perf_counter()
    steps = Steps(run.optimizer)
    with np.errstate(over="ignore", invalid="ignore"):  # told as errors, in words
        while run.done < len(data):
            # One step of gradient descent.
            rows = run.order[run.done : run.done + batch_size]
            where = f"epoch {run.epoch + 1}, batch {run.done // batch_size + 1}"
            x, y = data.batch(rows, run.rng)
            means = ctrl_c.breakable(_backward, run, x, y, beta, where)
            steps.step(where)
            run.totals += len(rows) * means
            run.done += len(rows)

            # Between two steps.
            if show.terminal and run.done < len(data):
                percent = 100 * run.done // len(data)
                show(f"epoch {run.epoch + 1}/{epochs}, {percent} %", run.epoch / epochs)
            if ctrl_c.pressed:
                break


def _backward(run, x, y, beta, where):
    """The gradient of the loss on a batch, left in the parameters' .grad.

    Returns the batch means of loss, nll and kl, (3,).
    """
    run.optimizer.zero_grad()
    nll, kl = _terms(run.model, x, y, run.rng)  # (B,), (B,)
    loss = mean_loss(nll, kl, beta)  # ()
    means = np.array([loss.item(), nll.data.mean(), kl.data.mean()])
    check_loss(*means, where)
    loss.backward()
    return means


def _terms(model, x, y, rng):
    return model.terms(x, rng) if y is None else model.terms(x, rng, y=y)


def _validation_loss(run, held_out, beta):
    """The loss on the held-out data; None if there are none.

    Its noise is drawn from a copy of the rng, so that training goes on as if nothing was measured.
    """
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
        raise FloatingPointError(
            f"the loss on x_val is not finite after epoch {run.epoch + 1} ({val_loss}); "
            f"the parameters are those of the epoch's last step: try a smaller lr"
        )
    return val_loss


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
    run.done = 0


# The arguments of fit


def _examples(model, x, y, binarize):
    """x and y as the model takes them; ValueError, in its words, where it does not."""
    if isinstance(x, tuple):
        raise ValueError(f"x is a tuple of {len(x)}: take it apart, x, y = x, and pass what is meant")
    x = model.check_input(x)
    return Examples(x, model.check_labels(y, len(x)), bool(binarize))


def _held_out(model, x_val, binarize):
    if x_val is None:
        return None
    if isinstance(x_val, tuple) and len(x_val) == 2:
        return _examples(model, *x_val, binarize)
    is_list_of_data = isinstance(x_val, list) and len(x_val) > 0 and np.ndim(x_val[0]) == 2
    if isinstance(x_val, tuple) or is_list_of_data:
        raise ValueError(
            f"x_val is a {type(x_val).__name__} of {len(x_val)}: write x_val=x for data alone, "
            f"and the pair x_val=(x, y) for data with labels"
        )
    return _examples(model, x_val, None, binarize)


def _check_optimizer(optimizer, model, lr):
    if optimizer is None:
        return Adam(model.parameters(), lr=lr)
    if not hasattr(optimizer, "params"):  # a class has none yet
        raise TypeError(
            f"optimizer={optimizer!r} is no optimiser of this model's parameters: write "
            f"optimizer=mv.Adam(model.parameters(), lr=1e-3), or leave it out"
        )
    return optimizer


def _beta_of(beta, epoch):
    """The weight of the KL in this epoch, a number."""
    value = beta(epoch) if callable(beta) else beta
    number = np.asarray(value)
    if number.shape != () or number.dtype.kind not in "biuf" or not np.isfinite(number):
        raise ValueError(
            f"beta must be a finite number, or a function of the epoch that gives one, "
            f"got {value!r}: leave it out for the VAE's own weight, 1"
        )
    return value


def _is_first_start(resume, checkpoint):
    """Whether one path is given to go on from and to write to, and nothing is there yet."""
    if checkpoint is None or os.path.exists(resume):
        return False
    return os.path.abspath(os.fsdecode(resume)) == os.path.abspath(os.fsdecode(checkpoint))


def _is_true(answer):
    """Whether a callback returned True, and not just something, such as a Figure."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)
