"""Finding MNIST on this computer, or downloading it."""

import hashlib
import os
import sys
import zlib
from pathlib import Path

import numpy as np

from .idx import DataError, _chunks, _unpacked, read_idx

MNIST = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
         "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}
MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
TIMEOUT = 10  # seconds without an answer from a mirror's address; a mirror may have several
ORIGINALS = {  # bytes and SHA-256 of the unpacked files, so that a copy compressed anew is as good
    "train-images-idx3-ubyte": (47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2")}


def mnist(split="train", root=None, download=True):
    """MNIST, or other data in its files' names and format (Fashion-MNIST, say; any number and size of images).

    Looks for the split's two files, raw or gzipped, in root, then $MINIVAE_DATA, then the user's cache folder, and
    downloads what is in none of them into the first of these folders that is set.

    Returns (x, y): x (n, rows*cols) float32 in [0, 1], the grey values over 255; y (n,) int64, the labels.
    Raises ValueError for an unknown split, and DataError for a file that is damaged, does not fit its partner, or is
    missing and cannot be downloaded: the message then says which files to put where.
    """
    if split not in MNIST:
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    images_path, labels_path = _mnist_files(split, _folders(root), download)
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
        raise DataError(f"{images_path}: images are uint8 of shape (n, rows, cols), not {images.dtype} {images.shape}")
    if labels.ndim != 1 or labels.dtype != np.uint8:
        raise DataError(f"{labels_path}: labels are uint8 of shape (n,), not {labels.dtype} {labels.shape}")
    if len(images) != len(labels):
        raise DataError(f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels")
    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255
    return x, labels.astype(np.int64)


def _folders(root):
    """Where to look, in this order: root, $MINIVAE_DATA, the user's cache folder."""
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        cache = "~/Library/Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folders = (root, os.environ.get("MINIVAE_DATA"), os.path.join(cache, "minivae"))
    return [Path(os.path.expanduser(folder)) for folder in folders if folder]


def _mnist_files(split, folders, download):
    """The paths of the split's images and labels, downloaded if need be."""
    places = {name: [folder / (name + end) for folder in folders for end in ("", ".gz")] for name in MNIST[split]}
    found = {name: next(filter(os.path.isfile, paths), None) for name, paths in places.items()}
    if len({path and path.parent for path in found.values()}) > 1:
        # Images from here and labels from there may be of different data, which no count would show.
        for name, path in found.items():
            if path and not _is_original(path, name):
                raise DataError(f"{path} is not MNIST's own and the other half of the {split} data is not beside it: "
                                f"put both into one folder ({' and '.join(found)})")
    try:
        if not (download or all(found.values())):
            raise DataError("download=False")
        for name in found:
            found[name] = found[name] or _download(name, folders[0])
    except DataError as error:
        missing = " and ".join(name for name in found if not found[name])
        raise DataError(f"no {missing}, raw or as .gz, in {', '.join(map(str, folders))}, and no download ({error}): "
                        f"put what is missing into {folders[0]}; it can be had from {' or '.join(MIRRORS)}") from error
    return found.values()


def _is_original(path, name):
    """Whether the file, raw or gzipped, holds MNIST's own bytes."""
    size, sha256 = ORIGINALS[name]
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in _chunks(_unpacked(file), size + 1):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return digest.hexdigest() == sha256


def _download(name, folder):
    """Fetch name from the first mirror that gives it whole. It gets its own name only once it is checked."""
    import http.client  # here, not above: the two take longer to import than the rest of this file
    import urllib.request

    path, part = folder / f"{name}.gz", folder / f"{name}.gz.{os.getpid()}.part"
    failures = []
    for mirror in MIRRORS:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(mirror + path.name, timeout=TIMEOUT) as reply, open(part, "wb") as file:
                total = int(reply.headers["Content-Length"] or 0)
                for chunk in _chunks(reply, ORIGINALS[name][0] + 1024):  # packed, it is no longer than unpacked
                    file.write(chunk)
                    _progress(f"\r{name}: {file.tell() / 1e6:.1f} of {total / 1e6:.1f} MB ")
                _progress("\n")
                file.flush()
                os.fsync(file.fileno())
                got = file.tell()
            if not _is_original(part, name):
                raise DataError(f"cut off after {got:,} of {total:,} bytes" if got < total else
                                "what it sends is not MNIST's own: the SHA-256 differs")
            os.replace(part, path)
            return path
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{mirror}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise DataError("; ".join(failures))


def _progress(text):
    if sys.stderr and sys.stderr.isatty():
        print(text, end="", file=sys.stderr, flush=True)
