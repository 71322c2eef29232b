"""Training: fit runs the epochs and keeps their history."""

import copy
import dataclasses
import time

import numpy as np

from .autodiff import no_grad
from .checks import fitting
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
class Plan:
    """What fit was asked to do; its docstring explains the names."""

    data: Examples
    held_out: Examples  # or None
    epochs: int
    batch_size: int
    beta: object
    callback: object


@dataclasses.dataclass
class Run:
    """Where a run of fit stands, down to the batch: what a checkpoint holds."""

    model: object
    optimizer: object
    rng: np.random.Generator
    steps: Steps  # the optimiser's, none of which leaves a number that is not finite
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

    Raises, before the first step, ValueError or TypeError for bad arguments, OSError where a
    checkpoint cannot be written or is not there, and ValueError for one that is damaged or of
    another model, data or setting. Raises FloatingPointError when a loss, a gradient or a step is
    not finite; the parameters are then those of the last good step.
    """
    # What can be wrong is found here, before anything is changed.
    for name, value in (("epochs", epochs), ("batch_size", batch_size), ("every", every)):
        positive_int(name, value)
    check_rng(rng)
    fitting.check_choices(beta, optimizer, callback)
    data = _examples(model, x, y, binarize)
    held_out = None if x_val is None else _examples(model, *fitting.pair(x_val), binarize)
    plan = Plan(data, held_out, epochs, batch_size, beta, callback)
    if optimizer is None:
        optimizer = Adam(model.parameters(), lr=lr)
    run = Run(model, optimizer, rng, Steps(optimizer))
    settings = None
    if checkpoint is not None or resume is not None:
        settings = checkpoints.settings(run, plan)

    with CtrlC() as ctrl_c:
        if checkpoint is not None:
            npz.check_place(checkpoint)
        if resume is not None and not checkpoints.is_first_start(resume, checkpoint):
            checkpoints.read(resume, run, settings)
        written = (run.epoch, run.done)  # where the run stands in the file
        show = Progress(progress)

        # Epoch, report, checkpoint; over and over.
        try:
            while run.epoch < epochs and not ctrl_c.pressed and not run.history.stopped:
                if not _epoch(run, plan, ctrl_c, show):
                    break
                _report(run, plan, ctrl_c, show)
                if checkpoint is not None and run.epoch % every == 0:
                    checkpoints.write(checkpoint, run, settings)
                    written = (run.epoch, run.done)
        except KeyboardInterrupt:  # a second Ctrl-C
            ctrl_c.pressed += 1
            if run.order is not None:  # inside a batch, whose noise is drawn already
                checkpoint = None

        # The end: all is done, or the callback said so, or Ctrl-C.
        if ctrl_c.pressed and run.epoch < epochs:
            run.history.interrupted = True
            show(f"stopped by Ctrl-C in epoch {run.epoch + 1}/{epochs}", 1)
        if checkpoint is not None and written != (run.epoch, run.done):
            checkpoints.write(checkpoint, run, settings)
    return run.history


def _epoch(run, plan, ctrl_c, show):
    """Each example once, then the loss on what was held out, then an entry in the history.

    Returns whether it was finished: Ctrl-C ends it between two batches.
    """
    beta = fitting.check_beta(plan.beta(run.epoch)) if callable(plan.beta) else plan.beta
    _train(run, plan, beta, ctrl_c, show)
    if run.done < len(plan.data):
        return False
    val_loss = None
    if plan.held_out is not None:
        val_loss = ctrl_c.breakable(_validation_loss, run, plan.held_out, beta)

    history = run.history
    for values, total in zip((history.loss, history.nll, history.kl), run.totals):
        values.append(float(total / run.done))
    if val_loss is not None:
        history.val_loss.append(val_loss)
    history.seconds.append(time.perf_counter() - run.started)
    run.epoch += 1
    run.order = None
    run.done = 0
    return True


def _report(run, plan, ctrl_c, show):
    """After an epoch: a line on the screen, and the word of the caller."""
    show(f"epoch {run.epoch}/{plan.epochs}  {run.history}", run.epoch / plan.epochs)
    if plan.callback is not None:
        answer = ctrl_c.breakable(plan.callback, run.model, run.history)
        run.steps.trusted = 0  # the caller may have changed anything: lr, say
        run.history.stopped = fitting.is_true(answer) and run.epoch < plan.epochs


def _train(run, plan, beta, ctrl_c, show):
    """The batches of this epoch that are still to do, or those up to a Ctrl-C."""
    n = len(plan.data)
    if run.order is None:  # otherwise a checkpoint left the epoch in the middle
        run.order = run.rng.permutation(n)
        run.totals = np.zeros(3)
    run.started = time.perf_counter()
    with np.errstate(over="ignore", invalid="ignore"):  # told as errors, in words
        while run.done < n:
            # One step of gradient descent.
            rows = run.order[run.done : run.done + plan.batch_size]
            where = f"epoch {run.epoch + 1}, batch {run.done // plan.batch_size + 1}"
            x, y = plan.data.batch(rows, run.rng)  # (B, D), (B,)
            means = ctrl_c.breakable(_backward, run, x, y, beta, where)
            run.steps.step(where)
            run.totals += len(rows) * means
            run.done += len(rows)

            # Between two steps.
            if show.terminal and run.done < n:
                epoch = f"epoch {run.epoch + 1}/{plan.epochs}"
                show(f"{epoch}, {100 * run.done // n} %", run.epoch / plan.epochs)
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
    """The loss on the held-out data.

    Its noise is drawn from a copy of the rng, so that training goes on as if nothing was measured.
    """
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


def _examples(model, x, y, binarize):
    """x and y as the model takes them; ValueError, in its words, where it does not."""
    fitting.check_no_pair(x)
    x = model.check_input(x)
    return Examples(x, model.check_labels(y, len(x)), bool(binarize))
