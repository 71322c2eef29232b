"""Checkpoints: where a training run stands, in a file, so that it goes on as if it had never stopped."""

import copy
import json
import zlib

import numpy as np

from . import npz

HISTORY = ("loss", "nll", "kl", "val_loss", "seconds")  # the lists of a History, one entry an epoch


def settings(model, optimizer, batch_size, beta, data, held_out):
    """What must be the same when a run goes on, as a dict of plain values; of the data, a checksum."""
    found = {"model": type(model).__name__, **model.config, "optimizer": type(optimizer).__name__}
    for name in ("lr", "momentum", "betas", "eps"):
        if hasattr(optimizer, name):
            found[name] = getattr(optimizer, name)
    found["batch_size"] = batch_size
    found["binarize"] = data.binarize
    found["beta"] = "a function" if callable(beta) else beta
    found["data"] = _fingerprint(data)
    found["validation data"] = _fingerprint(held_out)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    if frozen:
        found["frozen"] = frozen
    return json.loads(json.dumps(found, default=float))  # as a file gives them back: lists for tuples


def _fingerprint(data):
    """Shape and checksum of x and of y; None for what is not there."""
    arrays = (None, None) if data is None else (data.x, data.y)
    return [None if a is None else [list(a.shape), zlib.crc32(np.ascontiguousarray(a))] for a in arrays]


def write(path, run, settings):
    """Write where the run stands to path, whole or not at all."""
    arrays = {f"model/{name}": value for name, value in run.model.state_dict().items()}
    arrays.update({f"optimizer/{name}": value for name, value in run.optimizer.state.items()})
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

    Raises ValueError, naming the file and the fact and before anything is changed, for a file that is damaged or no
    checkpoint, and for a run of another model, other data or other settings.
    """
    state = run.optimizer.state
    with npz.reading(path, "checkpoint") as file:
        header = file.header
        _check_same(header["settings"], settings)
        n = settings["data"][0][0][0]

        # First everything is looked at ...
        own = [*run.model.state_dict().values(), *state.values()]
        arrays = file.arrays(room=sum(value.nbytes for value in own) + 8 * n)
        new_state = {name: arrays.pop(f"optimizer/{name}") for name in state}
        for name, value in new_state.items():
            if value.shape != state[name].shape or value.dtype != state[name].dtype:
                raise ValueError(f"its state {name} of the optimiser is {value.dtype} of shape {value.shape}, "
                                 f"here it is {state[name].dtype} of shape {state[name].shape}")
        epoch, t, history = _check_counts(header)
        order, done, totals = _check_middle(header["middle"], arrays.pop("order", None), n, settings["batch_size"])
        rng = copy.deepcopy(run.rng)
        rng.bit_generator.state = header["rng"]
        # ... last of all by the model, which writes only if all names and shapes fit.
        run.model.load_state_dict({name.removeprefix("model/"): value for name, value in arrays.items()})

    # From here on nothing can fail.
    for name, value in new_state.items():
        state[name][...] = value
    run.optimizer.t = t
    run.rng.bit_generator.state = rng.bit_generator.state
    for name in HISTORY:
        getattr(run.history, name)[:] = history[name]
    run.epoch = epoch
    run.order = order
    run.done = done
    run.totals = totals


def _check_same(theirs, ours):
    different = []
    for name in {**ours, **theirs}:
        if theirs.get(name) != ours.get(name) and "data" in name:
            different.append(f"{name} differs")
        elif theirs.get(name) != ours.get(name):
            different.append(f"{name} was {theirs.get(name)}, and is {ours.get(name)} now")
    if different:
        raise ValueError("it was made with other settings: " + "; ".join(different))


def _check_counts(header):
    """epoch, t and history, of the right kinds and lengths."""
    epoch, t, history = header["epoch"], header["t"], header["history"]
    if not all(type(count) is int and count >= 0 for count in (epoch, t)):
        raise ValueError(f"epoch and t must be counts, and are {epoch!r} and {t!r}")
    for name in HISTORY:
        values = history[name]
        if not (isinstance(values, list) and all(type(value) in (int, float) for value in values)):
            raise ValueError(f"the history's {name} is no list of numbers")
        if len(values) != epoch and not (name == "val_loss" and not values):
            raise ValueError(f"the history has {len(values)} entries of {name} for {epoch} epochs")
    return epoch, t, history


def _check_middle(middle, order, n, batch_size):
    """The order of the n examples, how many of them are done, and the sums so far: of an epoch under way, if one is."""
    if middle is None:
        return None, 0, None
    done, totals = middle["done"], np.array(middle["totals"], dtype=np.float64)
    if order is None or order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(n)):
        raise ValueError(f"its order is no order of the {n} examples")
    if type(done) is not int or not 0 <= done <= n or (done % batch_size and done < n):
        raise ValueError(f"it stands at example {done!r} of {n}, which is no end of a batch of {batch_size}")
    if totals.shape != (3,) or not np.isfinite(totals).all():
        raise ValueError(f"its sums of loss, nll and kl are {totals.tolist()}")
    return order, done, totals
