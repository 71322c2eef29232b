"""Checkpoints: where a training run stands, in a file, so that it can go on as if never stopped."""

import copy
import json
import os
import zlib

import numpy as np

from . import npz

HISTORY = ("loss", "nll", "kl", "val_loss", "seconds")  # the lists of a History


def settings(run, plan):
    """What must be the same when the run goes on, in plain values; of the data, a checksum."""
    model, optimizer = run.model, run.optimizer
    found = {"model": type(model).__name__, **model.config, "optimizer": type(optimizer).__name__}
    for name in ("lr", "momentum", "betas", "eps"):
        if hasattr(optimizer, name):
            found[name] = getattr(optimizer, name)
    found["batch_size"] = plan.batch_size
    found["binarize"] = plan.data.binarize
    found["beta"] = "a function" if callable(plan.beta) else plan.beta
    found["data"] = _fingerprint(plan.data)
    found["validation data"] = _fingerprint(plan.held_out)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    if frozen:
        found["frozen"] = frozen
    return json.loads(json.dumps(found, default=float))  # lists for tuples, as a file gives them


def _fingerprint(data):
    """Shape and checksum of x and of y; None for what is not there."""
    prints = []
    for array in (None, None) if data is None else (data.x, data.y):
        if array is None:
            prints.append(None)
        else:
            prints.append([list(array.shape), zlib.crc32(np.ascontiguousarray(array))])
    return prints


def is_first_start(resume, checkpoint):
    """Whether one path is given to go on from and to write to, and nothing is there yet."""
    if checkpoint is None or os.path.exists(resume):
        return False
    return os.path.abspath(os.fsdecode(resume)) == os.path.abspath(os.fsdecode(checkpoint))


def write(path, run, settings):
    """Write where the run stands to path, whole or not at all."""
    arrays = {f"model/{name}": value for name, value in run.model.state_dict().items()}
    for name, value in run.optimizer.state.items():
        arrays[f"optimizer/{name}"] = value
    middle = None
    if run.order is not None:  # in the middle of an epoch
        arrays["order"] = run.order
        middle = {"done": run.done, "totals": run.totals.tolist()}
    history = {name: getattr(run.history, name) for name in HISTORY}
    header = {
        "settings": settings,
        "epoch": run.epoch,
        "middle": middle,
        "t": run.optimizer.t,
        "rng": run.rng.bit_generator.state,
        "history": {**history, "interrupted": run.history.interrupted},
    }
    npz.write(path, "checkpoint", header, arrays)


def read(path, run, settings):
    """Bring model, optimiser, rng and the run itself to where the run in the file stood.

    Raises ValueError, naming the file and the fact and before anything is changed, for a file that
    is damaged or no checkpoint, and for a run with another model, other data or other settings.
    """
    state = run.optimizer.state
    n = settings["data"][0][0][0]
    with npz.reading(path, "checkpoint") as file:
        # First everything is looked at ...
        header = file.header
        _check_same(header["settings"], settings)
        own = [*run.model.state_dict().values(), *state.values()]
        arrays = file.arrays(room=sum(value.nbytes for value in own) + 8 * n)
        new_state = {name: arrays.pop(f"optimizer/{name}") for name in state}
        _check_state(new_state, state)
        _check_counts(header)
        order = arrays.pop("order", None)
        middle = header["middle"]
        _check_middle(middle, order, n, settings["batch_size"])
        rng = _rng_at(header["rng"], run.rng)
        # ... last of all by the model, which writes only if all names and shapes fit.
        parameters = {name.removeprefix("model/"): value for name, value in arrays.items()}
        run.model.load_state_dict(parameters)

    # From here on nothing can fail.
    for name, value in new_state.items():
        state[name][...] = value
    run.optimizer.t = header["t"]
    run.rng.bit_generator.state = rng.bit_generator.state
    for name in HISTORY:
        getattr(run.history, name)[:] = header["history"][name]
    run.epoch = header["epoch"]
    if middle is not None:
        run.order = order.copy()
        run.done = middle["done"]
        run.totals = np.array(middle["totals"], dtype=np.float64)


def _rng_at(state, rng):
    """A copy of the rng that stands where the state says."""
    rng = copy.deepcopy(rng)
    rng.bit_generator.state = state
    again = json.dumps(rng.bit_generator.state, default=lambda array: array.tolist())
    if json.loads(again) != state:
        raise ValueError("its state of the rng is none that this kind of rng has")
    return rng


def _check_same(theirs, ours):
    different = []
    for name in {**ours, **theirs}:
        if theirs.get(name) == ours.get(name):
            continue
        if "data" in name:
            different.append(f"{name} differs")
        else:
            different.append(f"{name} was {theirs.get(name)}, and is {ours.get(name)} now")
    if different:
        raise ValueError("it was made with other settings: " + "; ".join(different))


def _check_state(theirs, ours):
    for name, value in theirs.items():
        own = ours[name]
        if value.shape != own.shape or value.dtype != own.dtype:
            raise ValueError(
                f"the optimiser's {name} is {value.dtype} of shape {value.shape} there, "
                f"and {own.dtype} of shape {own.shape} here"
            )


def _check_counts(header):
    """That epoch and t are counts, and the history has a number in each list for each epoch."""
    epoch, t = header["epoch"], header["t"]
    if not all(type(count) is int and count >= 0 for count in (epoch, t)):
        raise ValueError(f"epoch and t must be counts, and are {epoch!r} and {t!r}")
    for name in HISTORY:
        values = header["history"][name]
        if not isinstance(values, list) or any(type(v) not in (int, float) for v in values):
            raise ValueError(f"the history's {name} is no list of numbers")
        is_left_out = name == "val_loss" and not values
        if len(values) != epoch and not is_left_out:
            raise ValueError(f"the history's {name} has {len(values)} entries for {epoch} epochs")


def _check_middle(middle, order, n, batch_size):
    """That an epoch under way has an order of the n examples, and stands between two batches."""
    if middle is None:
        return
    if order is None or order.dtype.kind not in "iu" or order.shape != (n,):
        raise ValueError(f"it has no order of the {n} examples")
    if not np.array_equal(np.sort(order), np.arange(n)):
        raise ValueError("its order has an example twice")
    done = middle["done"]
    if type(done) is not int or not 0 <= done <= n or (done % batch_size and done < n):
        raise ValueError(f"it stands at example {done!r} of {n}, inside a batch of {batch_size}")
    totals = np.array(middle["totals"], dtype=np.float64)
    if totals.shape != (3,) or not np.isfinite(totals).all():
        raise ValueError(f"its sums of loss, nll and kl are {totals.tolist()}")
