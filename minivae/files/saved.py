"""save and load: a model in one file."""

import numpy as np

from .. import models
from . import npz

CLASSES = {kind.__name__: kind for kind in (models.Autoencoder, models.VAE, models.ConditionalVAE)}


def save(model, path):
    """Write the model to path, one .npz file, whole or not at all; nothing is pickled.

    All parameters are written, frozen ones too; that they are frozen is not.
    Raises TypeError for a model of another class, ValueError for one that was changed so that load
    could not build it again, and OSError if path cannot be written.
    """
    _check_loadable(model)
    header = {"class": type(model).__name__, "config": model.config}
    npz.write(path, "model", header, model.state_dict())


def load(path):
    """The model that save wrote, of its own class.

    Raises ValueError, naming the file and the fact, for a foreign or damaged file and where names
    or shapes do not fit, and FileNotFoundError where there is none. Nothing is unpickled, and
    memory stays in proportion to what the file holds.
    """
    with npz.reading(path, "model") as file:
        kind, config = file.header["class"], file.header["config"]
        if kind not in CLASSES:
            raise ValueError(f"it holds a {kind}, which is not a model of minivae")
        _check_size(config, file.size)
        model = CLASSES[kind](**config, rng=np.random.default_rng(0))
        room = sum(value.nbytes for value in model.state_dict().values())
        model.load_state_dict(file.arrays(room))
    return model


def _check_size(config, held):
    """Refuses a header whose model is larger than what the file holds, before it is built."""
    sizes = [config["input_dim"], *config["hidden_dims"], config["latent_dim"]]
    n_classes = config.get("n_classes", 1)
    if not all(type(size) is int and size > 0 for size in (*sizes, n_classes)):
        raise ValueError(
            f"input_dim, hidden_dims and latent_dim, {sizes}, or n_classes, {n_classes}, "
            f"are no positive integers"
        )
    weights = 2 * sum(a * b for a, b in zip(sizes, sizes[1:]))  # of encoder and decoder, at least
    needed = 4 * (weights + (n_classes - 1) * config["latent_dim"])  # bytes
    if needed > held:
        raise ValueError(
            f"its header describes a model of over {needed:,} bytes, its arrays have {held:,}"
        )


def _check_loadable(model):
    """Refuses a model that load would not give back, by building what load would build."""
    way_out = (
        "keep its numbers with np.savez(path, **model.state_dict()), and bring them back into a "
        "model made the same way with model.load_state_dict(dict(np.load(path)))"
    )
    if type(model) not in CLASSES.values():
        kinds = ", ".join(CLASSES)
        raise TypeError(f"load can build {kinds}, but no {type(model).__name__}: {way_out}")
    twin = type(model)(**model.config, rng=np.random.default_rng(0))
    try:
        twin.load_state_dict(model.state_dict())
    except ValueError as error:
        raise ValueError(f"load could not build this model ({error}): {way_out}") from error

    # Numbers that fit do not tell of another activation, or of a method replaced on this object.
    replaced = [name for name in vars(model) if callable(getattr(type(model), name, None))]
    x = np.random.default_rng(0).random((8, model.input_dim))
    with np.errstate(all="ignore"):
        ours, theirs = model.reconstruct(x), twin.reconstruct(x)
    if replaced or not np.allclose(ours, theirs, rtol=1e-4, atol=1e-6, equal_nan=True):
        part = ", ".join(replaced) or "encoder or decoder"
        raise ValueError(f"load could not build this model, whose {part} was replaced: {way_out}")
