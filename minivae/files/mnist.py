"""Finding MNIST on this computer, or downloading it."""

import hashlib
import os
import re
import sys
import zlib
from pathlib import Path

import numpy as np

from ..screen.progress import on_terminal, write_line
from .idx import DataError, chunks, read_idx, unpacked

MNIST = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
ORIGINALS = {  # bytes and SHA-256 of the unpacked files, so that a copy compressed anew is as good
    "train-images-idx3-ubyte": (
        47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": (
        60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": (
        7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": (
        10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
TIMEOUT = 10  # seconds without an answer from a mirror's address; a mirror may have several


def mnist(split="train", root=None, download=True):
    """MNIST, or other data in its files' names and format: Fashion-MNIST, say, of any size.

    split: "train" or "test".
    root: a folder to look in first; $MINIVAE_DATA and the user's cache folder come after it.
    download: whether to download what is in none of them, into the first of them that is set.

    In a folder, or in MNIST/raw inside it, where torchvision puts them, the split's two files may
    be raw or gzipped, and be called train-images-idx3-ubyte or train-images.idx3-ubyte.

    Returns (x, y): x (n, rows*cols) float32 in [0, 1], the grey values over 255; y (n,) int64, the
    labels. Raises ValueError for an unknown split, and DataError for a file that is damaged, does
    not fit its partner, or is missing and cannot be downloaded: the message then says which files
    to put where.
    """
    if split not in MNIST:
        raise ValueError(f"split is 'train' or 'test', not {split!r}")
    images_path, labels_path = _paths(split, _folders(root), download)
    images = read_idx(images_path)
    labels = read_idx(labels_path)
    if images.ndim != 3 or images.dtype != np.uint8 or images.size == 0:
        found = f"{images.dtype} {images.shape}"
        raise DataError(f"{images_path}: images are uint8 of shape (n, rows, cols), not {found}")
    if labels.ndim != 1 or labels.dtype != np.uint8:
        found = f"{labels.dtype} {labels.shape}"
        raise DataError(f"{labels_path}: labels are uint8 of shape (n,), not {found}")
    if len(images) != len(labels):
        found = f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels"
        raise DataError(found)
    x = images.reshape(len(images), -1).astype(np.float32)  # (n, rows*cols)
    x /= 255
    return x, labels.astype(np.int64)


# Finding


def _folders(root):
    """Where to look, in this order: root, $MINIVAE_DATA, the user's cache folder."""
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        cache = "~/Library/Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folders = []
    for folder in (root, os.environ.get("MINIVAE_DATA")):
        if folder:
            folders.append(os.path.expanduser(folder))
            if folders[-1].startswith("~"):
                raise DataError(f"{folder} begins with a home that is not known here: write it out")
    cache = os.path.expanduser(os.path.join(cache, "minivae"))
    if not cache.startswith("~"):  # some users have no home, and so no cache
        folders.append(cache)
    if not folders:
        raise DataError("this user has no home folder: say with root= where MNIST is, or is to go")
    return [Path(folder) for folder in folders]


def _places(name, folder):
    """Where in a folder one of MNIST's files may lie, under the names it goes by."""
    for place in (folder, folder / "MNIST" / "raw"):
        for spelling in (name, name.replace("-idx", ".idx")):
            yield place / spelling
            yield place / f"{spelling}.gz"


def _find(name, folders):
    """The first path at which the file is; None if it is nowhere."""
    for folder in folders:
        for path in _places(name, folder):
            if path.is_file():
                return path
    return None


def _paths(split, folders, download):
    """The paths of the split's images and labels, downloaded if need be."""
    found = {name: _find(name, folders) for name in MNIST[split]}

    if len({path and path.parent for path in found.values()}) > 1:
        # Images from here and labels from there may be of different data: no count would show it.
        for name, path in found.items():
            if path and not _is_original(path, name):
                raise DataError(
                    f"{path} is not MNIST's own and the other half of the {split} data is not "
                    f"beside it: put both into one folder ({' and '.join(found)})"
                )

    # What is in none of the folders is downloaded.
    missing = [name for name, path in found.items() if path is None]
    try:
        if missing and not download:
            raise DataError("download=False")
        for name in list(missing):
            found[name] = _download(name, folders[0])
            missing.remove(name)
    except DataError as error:
        names = " and ".join(missing)
        places = ", ".join(map(str, folders))
        raise DataError(
            f"no {names}, raw or as .gz, in {places}, and no download ({error}): put what is "
            f"missing into {folders[0]}; it can be had from {' or '.join(MIRRORS)}"
            f"{_strangers(folders)}"
        ) from error
    return found.values()


def _strangers(folders):
    """The end of a message: files that look as if they were meant; "" if there are none."""
    known = set()
    for name in (*MNIST["train"], *MNIST["test"]):
        known |= {path.name for path in _places(name, Path())}
    seen = []
    for folder in folders:
        for path in sorted(folder.glob("*")):
            looks_meant = re.search("mnist|ubyte|t10k|train-", path.name, re.IGNORECASE)
            if looks_meant and path.name not in known:
                seen.append(str(path))
    if not seen:
        return ""
    return f"; {', '.join(seen[:4])} may be meant, but has another name or format"


def _is_original(path, name):
    """Whether the file, raw or gzipped, holds MNIST's own bytes."""
    size, sha256 = ORIGINALS[name]
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for chunk in chunks(unpacked(file), size + 1):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return digest.hexdigest() == sha256


# Downloading


def _download(name, folder):
    """Fetch name from the first mirror that gives it whole; only then the file gets its name."""
    import http.client  # here, not above: it takes longer to import than all the rest

    path = folder / f"{name}.gz"
    part = folder / f"{name}.gz.{os.getpid()}.part"
    failures = []
    for mirror in MIRRORS:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            got, total = _fetch(mirror + path.name, name, part)
            if not _is_original(part, name):
                if got < total:
                    raise DataError(f"cut off after {got:,} of {total:,} bytes")
                raise DataError("what it sends is not MNIST's own: the SHA-256 differs")
            os.replace(part, path)
            return path
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{mirror}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise DataError("; ".join(failures))


def _fetch(url, name, part):
    """Write what is at url into the file part, and bring it to the disk.

    Returns how many bytes came, and how many were announced, or 0.
    """
    import urllib.request

    with urllib.request.urlopen(url, timeout=TIMEOUT) as reply, open(part, "wb") as file:
        total = int(reply.headers["Content-Length"] or 0)
        most = ORIGINALS[name][0] + 1024  # packed, it is no longer than unpacked
        for chunk in chunks(reply, most):
            file.write(chunk)
            _progress(f"\r{name}: {file.tell() / 1e6:.1f} of {total / 1e6:.1f} MB ")
        _progress("\n")
        file.flush()
        os.fsync(file.fileno())
        return file.tell(), total


def _progress(text):
    if on_terminal():
        write_line(text)
