"""The data the lessons train on: digits (embedded), moons (drawn), MNIST (read or downloaded), binarized pixels.

Images come as rows: x is (n, D) float32 in [0, 1], pixels row by row from the top left.
"""

import gzip
import hashlib
import math
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np


class DataError(ValueError):
    """A data file is missing, damaged or of another kind than needed; the message names the file and the fact."""


def digits():
    """The 1,797 handwritten digits that come with minivae, 8x8 pixels.

    Returns (x, y): x (1797, 64) float32 in [0, 1], in steps of 1/16; y (1797,) int64, the digit 0..9. Both are new
    arrays at each call. Source and licence: digits/README.md (E. Alpaydin, C. Kaynak 1998, CC BY 4.0).
    """
    table = np.loadtxt(Path(__file__).with_name("digits") / "digits.csv.gz", delimiter=",", dtype=np.int64)
    return (table[:, :64] / 16).astype(np.float32), table[:, 64].copy()


def moons(n, size=28, phases=None, rng=None):
    """n pictures of the moon, one degree of freedom each: the fraction f of its disc that is lit, from the right.

    With the origin in the picture's middle, (x, y) is lit where (1 - 2f) w < x < w, w = sqrt(R^2 - y^2), R = 0.42
    size: the terminator is half an ellipse, so the lit area is exactly f pi R^2, eq. (4.11). A pixel's value is the
    part of its area that is lit, in closed form; f = 0 is black, f = 1 the full disc.

    phases: n fractions in [0, 1]; without them rng draws them uniformly.
    Returns (x, f): x (n, size*size) float32 in [0, 1]; f (n,) float64, the fractions.
    Raises ValueError for n or size below 1 and for phases of another shape or outside [0, 1], TypeError when there
    are neither phases nor an rng to draw them.
    """
    if n < 1 or size < 1:
        raise ValueError(f"moons needs n and size of at least 1, not n={n} and size={size}")
    if phases is None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"moons without phases draws them with rng: pass rng=np.random.default_rng(0), not {rng!r}")
    f = rng.random(n) if phases is None else np.array(phases, dtype=np.float64)
    if f.shape != (n,):
        raise ValueError(f"moons needs one phase for each of the n={n} pictures, not phases of shape {f.shape}")
    good = (f >= 0) & (f <= 1)  # false for NaN, too
    if not good.all():
        raise ValueError(f"phases are lit fractions in [0, 1], not {f[~good][0]}")
    radius = 0.42 * size
    half_disc = _half_ellipse(radius, radius, size)
    x = np.empty((n, size, size), dtype=np.float32)
    for image, c in zip(x, 1 - 2 * f):
        # A crescent is the right half of the disc less half an ellipse; past half moon the ellipse adds on the left.
        terminator = _half_ellipse(abs(c) * radius, radius, size)
        moon = half_disc - terminator if c > 0 else half_disc + terminator[:, ::-1]
        image[...] = np.clip(moon, 0, 1)  # takes off rounding only: about 1e-14
    return x.reshape(n, size * size), f


def _half_ellipse(a, b, size):
    """How much of each pixel, (size, size), the right half of the ellipse (x/a)^2 + (y/b)^2 < 1 covers.

    The area between the axes and a pixel corner is known in closed form; differences of it along both directions
    give every pixel. On the unit circle, to the corner (u, v): u t + W(v) - W(t), where the circle is right of u
    up to the height t, and W(v) is the integral of sqrt(1 - y^2) from 0 to v.
    """
    edges = np.arange(size + 1) - size / 2
    u = np.clip(edges / a, 0, 1) if a > 0 else np.zeros(size + 1)
    v = np.clip(edges / b, -1, 1)[:, None]
    top = np.sqrt(1 - u**2)
    t = np.clip(v, -top, top)
    W = lambda y: (y * np.sqrt(1 - y**2) + np.arcsin(y)) / 2
    return np.diff(np.diff(a * b * (u * t + W(v) - W(t)), axis=0), axis=1)


# Bytes 0, 0, type, number of dimensions; each dimension as a big-endian uint32; then the values, big-endian.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
DEFLATE_RATIO = 1032  # the most bytes that one byte of gzip can unpack to (a match of 258 bytes coded in 2 bits)


def read_idx(path):
    """The array in an IDX file (the format of MNIST), raw or gzipped; its content tells which, not its name.

    Returns an ndarray of the header's shape and type, in native byte order, writable.
    Raises DataError, naming the file and the fact, for whatever is not one whole IDX file. Memory stays in
    proportion to what the file truly holds, whatever its header claims or its gzip unpacks to.
    """
    try:
        with open(path, "rb") as file:
            return _parse_idx(file)
    except (OSError, EOFError, ValueError, zlib.error) as error:  # ValueError: DataError, or NumPy on the shape
        raise DataError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _parse_idx(file):
    stream = _unpacked(file)
    magic = _header(stream, 4)
    kind, ndim = magic[2:]
    if magic[:2] != b"\0\0":
        raise DataError(f"not an IDX file: it begins with {magic.hex(' ')}, not with two zero bytes")
    if kind not in IDX_TYPES:
        known = ", ".join(f"{k:02x}" for k in IDX_TYPES)
        raise DataError(f"its type byte is {kind:02x}; IDX knows {known}")
    if not 1 <= ndim <= 32:
        raise DataError(f"its header gives {ndim} dimensions; an array has 1 to 32")
    shape = struct.unpack(f">{ndim}I", _header(stream, 4 * ndim))
    dtype = np.dtype(IDX_TYPES[kind])
    need = math.prod(shape) * dtype.itemsize
    promise = f"its header promises {need:,} bytes of data ({dtype.name}, shape {shape})"
    size = os.fstat(file.fileno()).st_size
    if stream is file and need != size - 4 - 4 * ndim:
        raise DataError(f"{promise}, but {size - 4 - 4 * ndim:,} follow")
    if need > size * DEFLATE_RATIO:
        raise DataError(f"{promise}, more than {size:,} bytes of gzip can hold")
    data = bytearray()  # grows with what is there: a gzip's true length shows only on unpacking
    for chunk in _chunks(stream, need + 1):  # one byte beyond what is needed, to see that the data end there
        data += chunk
    if len(data) != need:
        raise DataError(f"{promise}, but {'more' if len(data) > need else f'only {len(data):,}'} follow")
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _header(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise DataError("cut off inside its header")
    return data


def _unpacked(file):
    """The open file itself, or a stream that unpacks it when it is gzipped; both at their beginning."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file


def _chunks(stream, limit):
    """The stream's bytes, piece by piece, up to limit of them."""
    while limit > 0 and (chunk := stream.read(min(limit, 1 << 18))):
        limit -= len(chunk)
        yield chunk


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


def binarize(x, rng):
    """Pixels drawn at random: 1 with probability x, else 0, anew at each call (Burda et al. 2016, arXiv 1509.00519).

    x: array of grey values in [0, 1]. Returns an array of its shape and dtype.
    Raises ValueError for a value outside [0, 1] or NaN, TypeError for an rng that is no numpy Generator.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"binarize draws with rng: pass np.random.default_rng(0), say, not {rng!r}")
    x = np.asarray(x)
    good = (x >= 0) & (x <= 1)  # false for NaN, too
    if not good.all():
        raise ValueError(f"binarize takes grey values in [0, 1] as probabilities, but found {x[~good].flat[0]}"
                         f" ({np.sum(~good)} of {x.size} values outside): divide the pixels by their largest value")
    return (rng.random(x.shape) < x).astype(x.dtype)
