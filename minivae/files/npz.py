"""One .npz file with a JSON header and named arrays, written whole or not at all, read without unpickling anything."""

import contextlib
import json
import os
import tempfile
import zipfile
import zlib

import numpy as np


@contextlib.contextmanager
def refuses(path):
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error,
            NotImplementedError) as error:
        raise ValueError(f"cannot use {os.fspath(path)}: {error}") from error


def write_npz(path, kind, meta, arrays):
    """Written beside its place, brought to the disk, then renamed: a reader sees the old file or the new one, whole."""
    path = os.path.abspath(os.fspath(path))
    handle, part = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path), suffix=".part")
    try:
        with os.fdopen(handle, "wb") as f:
            np.savez(f, minivae=np.array(json.dumps({"kind": kind, **meta}, default=lambda a: a.tolist())), **arrays)
            f.flush()
            os.fsync(f.fileno())
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def read_npz(path, kind):
    with open(path, "rb") as f, refuses(path):
        with np.load(f, allow_pickle=False) as files:
            if "minivae" not in files:
                raise ValueError("minivae did not write it")
            meta = json.loads(str(files["minivae"]))
            if meta.get("kind") != kind:
                raise ValueError(f"it is a minivae {meta.get('kind')}, and a {kind} is wanted")
            return meta, {name: files[name] for name in files.files if name != "minivae"}
