"""save and load: a model in one file."""

import numpy as np

from .. import models
from .npz import read_npz, refuses, write_npz


def save(model, path):
    """Write the model to path, one .npz file, whole or not at all; nothing is pickled."""
    write_npz(path, "model", {"class": type(model).__name__, "config": model.config}, model.state_dict())


def load(path):
    """The model that save wrote, of its own class. Raises ValueError for a foreign or damaged file, and where names or
    shapes do not fit; nothing is ever unpickled."""
    meta, arrays = read_npz(path, "model")
    with refuses(path):
        known = {c.__name__: c for c in (models.Autoencoder, models.VAE, models.ConditionalVAE)}
        if meta["class"] not in known:
            raise ValueError(f"it holds a {meta['class']}, which is not a model of minivae")
        model = known[meta["class"]](**meta["config"], rng=np.random.default_rng(0))
        model.load_state_dict(arrays)
    return model
