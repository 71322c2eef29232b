"""What is embedded and drawn is exact; what is read or downloaded is whole, or refused in words."""

import gzip
import hashlib
import http.server
import io
import math
import os
import re
import socket
import struct
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minivae import data
from minivae.files import idx, mnist

REAL_MNIST = os.environ.get("MINIVAE_DATA")  # taken before any test changes the environment
TRAIN = mnist.MNIST["train"]


# Digits


def test_the_embedded_digits_are_the_published_file():
    folder = Path(data.__file__).with_name("digits")
    sha256 = hashlib.sha256((folder / "digits.csv.gz").read_bytes()).hexdigest()
    assert sha256 == "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
    assert sha256 in (folder / "README.md").read_text(encoding="utf-8")


def test_digits_values_and_labels():
    x, y = data.digits()
    assert x.shape == (1797, 64) and x.dtype == np.float32
    assert y.shape == (1797,) and y.dtype == np.int64
    assert x.min() == 0 and x.max() == 1 and np.array_equal(x * 16, np.round(x * 16))
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.flatnonzero(x.min(axis=0) == x.max(axis=0)).tolist() == [0, 32, 39]
    first_row = [0, 0, 5, 13, 9, 1, 0, 0]  # the file's first eight numbers: the top of a zero
    assert (x[0, :8] * 16).tolist() == first_row and y[0] == 0


def test_digits_are_new_writable_arrays_at_each_call():
    x, y = data.digits()
    x[:], y[:] = 7, 7
    x, y = data.digits()
    assert x.max() == 1 and y[0] == 0


# Moons


fractions = st.floats(0, 1)


def disc_area(size):
    return math.pi * (0.42 * size) ** 2


@settings(deadline=None)
@given(f=fractions, size=st.integers(1, 40))
def test_moon_lit_area_is_its_phase(f, size):
    x, _ = data.moons(1, size, phases=[f])
    rounding = size**2 * 2.0**-25  # half a unit in the last place of each float32 pixel
    assert abs(x.sum(dtype=np.float64) - f * disc_area(size)) < rounding + 1e-9


@settings(deadline=None, max_examples=30)
@given(f=fractions, size=st.integers(1, 20))
def test_moon_pixels_against_a_row_by_row_quadrature(f, size):
    R, steps, left = 0.42 * size, 1000, np.arange(size) - size / 2
    x, _ = data.moons(1, size, phases=[f])
    for row, pixels in enumerate(x.reshape(size, size)):
        # Exact in x; in y the midpoint rule, with y = R sin(t), which has no corner at the disc's
        # top and bottom.
        start, stop = np.arcsin(np.clip([left[row] / R, (left[row] + 1) / R], -1, 1))
        w = R * np.cos(start + (stop - start) * (np.arange(steps) + 0.5) / steps)
        lit = np.clip(w[:, None], left, left + 1) - np.clip(
            (1 - 2 * f) * w[:, None], left, left + 1
        )
        assert np.abs(pixels - w @ lit * (stop - start) / steps).max() < 2e-6


@settings(deadline=None, max_examples=50)
@given(f=fractions, g=fractions, size=st.integers(2, 30))
def test_moons_wax_from_the_right_and_mirror(f, g, size):
    f, g = sorted((f, g))
    x, _ = data.moons(4, size, phases=[f, g, 1 - f, 1])
    a, b, rest, full = x.reshape(4, size, size)
    assert x.min() >= 0 and x.max() <= 1
    assert np.all(a <= b + 1e-6)  # more light never darkens a pixel
    np.testing.assert_allclose(
        a + rest[:, ::-1], full, atol=1e-6
    )  # what is dark looks like the mirrored other moon
    np.testing.assert_allclose(a, a[::-1], atol=1e-6)  # top and bottom
    assert a[:, : size // 2].sum() <= a[:, size // 2 :].sum() + 1e-4


def test_new_half_and_full_moon():
    x, _ = data.moons(3, 16, phases=[0, 0.5, 1])
    new, half, full = x.reshape(3, 16, 16)
    assert not new.any()
    assert not half[:, :8].any() and np.array_equal(half[:, 8:], full[:, 8:])
    inside = np.hypot(*np.mgrid[-7.5:8, -7.5:8]) < 0.42 * 16 - 1
    assert np.all(full[inside] == 1) and full[0, 0] == 0


def test_moon_phases_are_drawn_uniformly_from_rng():
    x, f = data.moons(5, 12, rng=np.random.default_rng(3))
    assert np.array_equal(f, np.random.default_rng(3).random(5))
    assert np.array_equal(x, data.moons(5, 12, phases=f)[0])
    assert x.shape == (5, 144) and x.dtype == np.float32 and f.shape == (5,)
    assert data.moons(2, phases=[0.1, 0.2])[0].shape == (2, 28 * 28)


def test_moons_copy_the_phases():
    phases = np.array([0.25, 0.75])
    _, f = data.moons(2, 8, phases=phases)
    f[:] = 0
    assert phases.tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    "arguments, error, says",
    [
        (dict(n=3), TypeError, "rng=np.random.default_rng(0), not None"),
        (dict(n=3, rng=0), TypeError, "default_rng(0), not 0"),
        (dict(n=3, phases=[0.5]), ValueError, "n=3 pictures, not phases of shape (1,)"),
        (dict(n=1, phases=0.5), ValueError, "shape ()"),
        (dict(n=2, phases=[0.5, 1.5]), ValueError, "not 1.5"),
        (dict(n=1, phases=[-0.1]), ValueError, "not -0.1"),
        (dict(n=1, phases=[math.nan]), ValueError, "not nan"),
        (dict(n=0, phases=[]), ValueError, "n=0"),
        (dict(n=1, size=0, phases=[0.5]), ValueError, "size=0"),
    ],
)
def test_moons_refuse(arguments, error, says):
    with pytest.raises(error, match=re.escape(says)):
        data.moons(**arguments)


# The IDX format: written here by the letter of its description, byte by byte


CODES = {
    "uint8": 0x08,
    "int8": 0x09,
    "int16": 0x0B,
    "int32": 0x0C,
    "float32": 0x0D,
    "float64": 0x0E,
}


def idx(array):
    array = np.asarray(array)
    header = bytes([0, 0, CODES[array.dtype.name], array.ndim]) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4), (2, 1, 3, 2), (0, 3)])
@pytest.mark.parametrize("dtype", CODES)
def test_idx_round_trip(tmp_path, dtype, shape, pack):
    array = (
        np.random.default_rng(0).random(shape) * 200 - (0 if dtype == "uint8" else 100)
    ).astype(dtype)
    got = data.read_idx(write(tmp_path / "any-name", pack(idx(array))))
    assert np.array_equal(got, array)
    assert got.dtype == array.dtype and got.dtype.isnative and got.flags.writeable


def test_idx_takes_a_path_as_text_and_gzip_in_several_members(tmp_path):
    content = idx(np.arange(100, dtype=np.int16))
    path = write(tmp_path / "a", gzip.compress(content[:50]) + gzip.compress(content[50:]))
    assert np.array_equal(data.read_idx(str(path)), np.arange(100))


GOOD = idx(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
PACKED = gzip.compress(GOOD)
TERABYTES = bytes([0, 0, 8, 3]) + struct.pack(">3I", 60000, 60000, 60000)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "cut off inside its header"),
        (GOOD[:3], "cut off inside its header"),
        (GOOD[:9], "cut off inside its header"),
        (b"<!DOCTYPE html>", "begins with 3c 21 44 4f"),
        (b"\0\1" + GOOD[2:], "not an IDX file"),
        (b"\0\0\x0a" + GOOD[3:], "type byte is 0a; IDX knows 08, 09, 0b, 0c, 0d, 0e"),
        (b"\0\0\x08\0" + b"\7", "0 dimensions"),
        (b"\0\0\x08\x21" + b"\0\0\0\1" * 33 + b"\7", "33 dimensions"),
        (GOOD[:-1], "promises 24 bytes of data (uint8, shape (2, 3, 4)), but 23 follow"),
        (GOOD + b"\n", "but 25 follow"),
        (
            b"\0\0\x0c" + GOOD[3:],
            "promises 96 bytes of data (int32, shape (2, 3, 4)), but 24 follow",
        ),
        (TERABYTES + b"\0" * 100, "promises 216,000,000,000,000 bytes"),
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 0, 2**32 - 1, 2**32 - 1), "too big"),
        (gzip.compress(b""), "cut off inside its header"),
        (gzip.compress(GOOD[:9]), "cut off inside its header"),
        (gzip.compress(GOOD[:-1]), "but only 23 follow"),
        (gzip.compress(GOOD + b"\n"), "but more follow"),
        (
            gzip.compress(TERABYTES),
            "216,000,000,000,000 bytes of data (uint8, shape (60000, 60000, 60000)), more than",
        ),
        (PACKED[:1], "cut off"),
        (PACKED[:5], "ended before"),
        (PACKED[:-9], "ended before"),  # in the compressed data
        (PACKED[:-1], "ended before"),  # in the length at the end
        (PACKED[:-6] + b"??" + PACKED[-4:], "CRC check failed"),
        (PACKED[:-1] + b"?", "Incorrect length of data"),
        (PACKED + b"surplus", "Not a gzipped file"),
        (PACKED[:10] + b"\xff" * 20, "invalid block type"),
        (PACKED[:2] + b"\7" + PACKED[3:], "Unknown compression method"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # gzip's bytes hold the time
)
def test_a_damaged_idx_file_is_refused_by_name_and_fact(tmp_path, content, says):
    path = write(tmp_path / "train-images", content)
    with pytest.raises(data.DataError, match=re.escape(says)) as caught:
        data.read_idx(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_or_a_folder_is_a_data_error(tmp_path):
    with pytest.raises(data.DataError, match="nothing-here: No such file"):
        data.read_idx(tmp_path / "nothing-here")
    with pytest.raises(data.DataError, match=re.escape(str(tmp_path))):
        data.read_idx(tmp_path)


def peak_of_reading(path):
    """The array or DataError that reading gives, and the most memory it took, in bytes."""
    tracemalloc.start()
    try:
        outcome = data.read_idx(path)
    except data.DataError as error:
        outcome = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return outcome, peak


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(TERABYTES + bytes(100), id="terabytes promised, raw"),
        pytest.param(gzip.compress(TERABYTES + bytes(100)), id="terabytes promised, gzip"),
        # 32 MB promised, which 33 kB of gzip could just hold; only 100 bytes are there.
        pytest.param(
            gzip.compress(b"\0\0\x08\1" + struct.pack(">I", 32 << 20) + bytes(100))
            + b"".join(gzip.compress(b"") for _ in range(1700)),
            id="megabytes promised, gzip",
        ),
        pytest.param(
            gzip.compress(idx(np.zeros(100, np.uint8)) + bytes(32 << 20), 1),
            id="unpacks to more than promised",
        ),
        pytest.param(
            b"\0\0\x08\1" + struct.pack(">I", 32 << 20) + bytes((32 << 20) - 1),
            id="one byte short, raw",
        ),
    ],
)
def test_nothing_large_is_allocated_for_a_file_that_is_refused(tmp_path, content):
    outcome, peak = peak_of_reading(write(tmp_path / "bomb", content))
    assert isinstance(outcome, data.DataError)
    assert peak < 2 << 20


def test_a_gzip_is_unpacked_no_further_than_needed(tmp_path):
    # Damage that lies a megabyte behind the promised data is not reached: the surplus is reported.
    bomb = gzip.compress(idx(np.zeros(100, np.uint8)) + np.random.default_rng(0).bytes(1 << 20))
    with pytest.raises(data.DataError, match="but more follow"):
        data.read_idx(write(tmp_path / "bomb", bomb[:-1000]))


def mutated(content, rng):
    """content changed, cut or doubled in one to three places, more often near its beginning."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(len(content) * rng.random() ** 3)
        some = rng.bytes(rng.integers(1, 5))
        change = rng.integers(6)
        if change == 0:
            content[at : at + len(some)] = some
        elif change == 1:
            content[at : at + 1] = bytes([rng.choice([0, 1, 8, 0x0B, 0x0E, 0x7F, 0xFF])])
        elif change == 2:
            del content[at:]
        elif change == 3:
            del content[at : at + len(some)]
        elif change == 4:
            content[at:at] = some
        else:
            content += content[at:]
    return bytes(content)


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files_are_read_exactly_or_refused(tmp_path, seed):
    rng = np.random.default_rng(seed)
    arrays = [
        np.arange(60, dtype=np.uint8).reshape(3, 4, 5),
        np.arange(7, dtype=np.int32),
        np.linspace(-1, 1, 8).reshape(2, 2, 2),
        np.zeros((0, 3), np.int16),
    ]
    read = 0
    for i in range(1000):
        path = (
            tmp_path / f"mutant-{i}"
        )  # a new file each time: some file systems are slow to empty an old one
        content = idx(arrays[i % len(arrays)])
        content = [
            lambda: mutated(content, rng),
            lambda: gzip.compress(mutated(content, rng), mtime=0),
            lambda: mutated(gzip.compress(content, mtime=0), rng),
        ][i % 3]()
        outcome, peak = peak_of_reading(write(path, content))  # any other exception fails here
        assert peak < 1 << 20
        if isinstance(outcome, data.DataError):
            assert str(outcome).startswith(f"{path}: ")
        else:  # nothing was changed by the reading: written again, it is the same file
            assert idx(outcome) == (
                gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            )
            read += 1
    assert 0 < read < 1000  # both kinds of outcome were met


# MNIST from folders


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Three empty folders, as root, $MINIVAE_DATA and cache; no mirror; nothing of the user's."""
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("MINIVAE_DATA", str(tmp_path / "environment"))
    monkeypatch.setenv("no_proxy", "*")
    for folder in ("root", "environment", "cache/minivae"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def images(n=3, rows=2, cols=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, rows, cols)).astype(np.uint8)


def put(folder, x, y, split="train", pack=bytes, end=""):
    for name, array in zip(mnist.MNIST[split], (x, y)):
        write(folder / (name + end), pack(idx(array)))


@pytest.mark.parametrize("pack, end", [(bytes, ""), (gzip.compress, ".gz"), (gzip.compress, "")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_data_in_mnist_format_of_any_size(home, split, pack, end):
    pixels, labels = images(4, 3, 7), np.array([0, 255, 9, 10], np.uint8)
    put(home / "root", pixels, labels, split, pack, end)
    x, y = data.mnist(split, root=home / "root")
    assert x.shape == (4, 21) and x.dtype == np.float32 and y.dtype == np.int64
    assert np.array_equal(x, (pixels.reshape(4, 21) / 255).astype(np.float32))
    assert y.tolist() == [0, 255, 9, 10]
    x[:], y[:] = 0, 0  # writable


def test_mnist_looks_in_root_then_environment_then_cache(home):
    for label, folder in enumerate(("cache/minivae", "environment", "root")):
        put(home / folder, images(1), np.array([label], np.uint8))
        assert data.mnist(root=str(home / "root"))[1].tolist() == [label]
    assert data.mnist()[1].tolist() == [1]


@pytest.mark.parametrize(
    "platform, variables, folder",
    [
        ("linux", {}, "~/.cache/minivae"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/minivae"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "~/Library/Caches/minivae"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/minivae"),
        ("win32", {}, "~/AppData/Local/minivae"),
    ],
)
def test_the_cache_folder_of_each_system(monkeypatch, platform, variables, folder):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "MINIVAE_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.platform", platform)
    assert mnist._folders(None) == [Path(os.path.expanduser(folder))]
    assert mnist._folders("~/here")[0] == Path(os.path.expanduser("~/here"))


@pytest.mark.parametrize("pack, end", [(bytes, ""), (gzip.compress, ".gz")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_mnist_under_the_other_names_it_goes_by(home, split, pack, end):
    pixels, labels = images(4), np.array([0, 1, 2, 3], np.uint8)
    for name, array in zip(mnist.MNIST[split], (pixels, labels)):
        write(home / "root" / f"{name.replace('-idx', '.idx')}{end}", pack(idx(array)))
    assert data.mnist(split, root=home / "root", download=False)[1].tolist() == [0, 1, 2, 3]
    raw = home / "environment" / "MNIST" / "raw"  # as torchvision leaves it
    raw.mkdir(parents=True)
    put(raw, images(2), np.array([7, 8], np.uint8), split, pack, end)
    assert data.mnist(split, download=False)[1].tolist() == [7, 8]


def test_files_that_may_be_meant_are_named(home):
    for name in ("mnist.npz", "train-images.zip", "notes.txt", "t10k-labels-idx1-ubyte"):
        write(home / "root" / name, b"?")
    with pytest.raises(data.DataError) as caught:
        data.mnist(root=home / "root", download=False)
    message = str(caught.value)
    assert f"{home / 'root' / 'mnist.npz'}, {home / 'root' / 'train-images.zip'} may be" in message
    assert "notes.txt" not in message and "t10k" not in message  # these have their right names


def test_a_home_that_is_not_known_makes_no_folder(home, monkeypatch):
    """For a user without a home, expanduser leaves the ~ as it is."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("MINIVAE_DATA")
    monkeypatch.setattr(os.path, "expanduser", lambda path: str(path))
    monkeypatch.chdir(home)
    with pytest.raises(data.DataError, match="no home folder: say with root="):
        data.mnist()
    with pytest.raises(data.DataError, match="~nobody/mnist begins with a home that is not known"):
        data.mnist(root="~nobody/mnist")
    put(home / "root", images(), np.array([3, 1, 4], np.uint8))
    assert data.mnist(root=home / "root")[1].tolist() == [3, 1, 4]
    assert not (home / "~").exists() and not (home / "~nobody").exists()


@pytest.mark.parametrize(
    "x, y, says",
    [
        (
            images().astype(np.int16),
            np.zeros(3, np.uint8),
            "train-images-idx3-ubyte: images are uint8 .* not int16",
        ),
        (
            images()[0],
            np.zeros(2, np.uint8),
            r"train-images-idx3-ubyte: images .* not uint8 \(2, 5\)",
        ),
        (
            images(0),
            np.zeros(0, np.uint8),
            r"train-images-idx3-ubyte: images .* not uint8 \(0, 2, 5\)",
        ),
        (images(), np.zeros(3, np.int32), "train-labels-idx1-ubyte: labels .* not int32"),
        (
            images(),
            np.zeros((3, 1), np.uint8),
            r"train-labels-idx1-ubyte: labels .* not uint8 \(3, 1\)",
        ),
        (images(), np.zeros(4, np.uint8), "holds 3 images, but .*train-labels-idx1-ubyte 4 labels"),
    ],
)
def test_files_that_are_no_images_and_labels_are_refused(home, x, y, says):
    put(home / "root", x, y)
    with pytest.raises(data.DataError, match=says):
        data.mnist(root=home / "root")


def test_unknown_split():
    with pytest.raises(ValueError, match="'train' or 'test', not 'val'"):
        data.mnist("val")


@pytest.fixture
def originals(monkeypatch):
    """Two small files that stand for MNIST's own: ORIGINALS knows their sizes and checksums."""
    contents = {
        name: idx(array) for name, array in zip(TRAIN, (images(), np.array([3, 1, 4], np.uint8)))
    }
    monkeypatch.setattr(
        mnist,
        "ORIGINALS",
        {
            name: (len(content), hashlib.sha256(content).hexdigest())
            for name, content in contents.items()
        },
    )
    return contents


def test_halves_in_two_folders_are_joined_only_if_both_are_mnists_own(home, originals):
    write(home / "environment" / TRAIN[0], originals[TRAIN[0]])
    write(home / "root" / f"{TRAIN[1]}.gz", gzip.compress(originals[TRAIN[1]]))
    assert data.mnist(root=home / "root")[1].tolist() == [3, 1, 4]
    other = write(home / "root" / TRAIN[1], idx(np.array([7, 7, 7], np.uint8)))
    with pytest.raises(data.DataError, match=re.escape(f"{other} is not MNIST's own")):
        data.mnist(root=home / "root")
    write(home / "root" / TRAIN[0], originals[TRAIN[0]])  # side by side, they are taken as they are
    assert data.mnist(root=home / "root")[1].tolist() == [7, 7, 7]


@pytest.mark.parametrize("download", [True, False])
def test_without_files_the_error_says_what_to_put_where(home, monkeypatch, download):
    with socket.socket() as nobody, pytest.raises(data.DataError) as caught:
        nobody.bind(("127.0.0.1", 0))  # holds a port at which nobody listens
        monkeypatch.setattr(mnist, "MIRRORS", (f"http://127.0.0.1:{nobody.getsockname()[1]}/",))
        data.mnist("test", root=home / "root", download=download)
    message = str(caught.value)
    assert all(name in message for name in mnist.MNIST["test"])
    assert f"put what is missing into {home / 'root'}" in message
    assert all(str(home / folder) in message for folder in ("root", "environment", "cache/minivae"))
    assert ("download=False" in message) == (not download) and ("refused" in message) == download


# Downloads, from a server on the loopback interface


@pytest.fixture
def server(originals):
    """A mirror that answers in the manner its path names; `.asked` lists the paths asked for."""

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            manner, name = self.path.strip("/").split("/")
            asked.append(self.path)
            content = gzip.compress(originals[name.removesuffix(".gz")], 1)
            if manner == "absent" or manner == "half" and name.startswith(TRAIN[1]):
                return self.send_error(404)
            if manner == "wrong":
                content = gzip.compress(bytes(len(content)))
            if manner == "page":
                content = b"<html>Forbidden</html>"
            if manner == "damaged":
                content = content[:10] + b"\xff" * 20
            if manner == "no-http":
                return self.wfile.write(b"220 mail server ready\r\n")
            self.send_response(200)
            if manner not in ("endless", "unsized"):
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            try:
                self.wfile.write(content[:-20] if manner in ("cut", "unsized") else content)
                for _ in range(200 if manner == "endless" else 0):
                    self.wfile.write(b"more" * (1 << 14))
            except OSError:
                pass  # the client has heard enough

        def log_message(self, *_):
            pass

    asked = []
    mirror = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    mirror.asked, mirror.url = asked, f"http://127.0.0.1:{mirror.server_port}/"
    thread = threading.Thread(target=mirror.serve_forever, kwargs=dict(poll_interval=0.01))
    thread.start()
    yield mirror
    mirror.shutdown()
    mirror.server_close()
    thread.join()


def mirrors(monkeypatch, server, *manners):
    monkeypatch.setattr(mnist, "MIRRORS", tuple(f"{server.url}{manner}/" for manner in manners))


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_is_missing_is_downloaded_once(home, monkeypatch, server):
    mirrors(monkeypatch, server, "good")
    root = home / "root" / "made" / "on the way"
    x, y = data.mnist(root=root)
    assert np.array_equal(x, (images().reshape(3, 10) / 255).astype(np.float32)) and y.tolist() == [
        3,
        1,
        4,
    ]
    assert files(root) == [f"{name}.gz" for name in TRAIN]
    assert data.mnist(root=root, download=False)[1].tolist() == [3, 1, 4]
    assert server.asked == [f"/good/{name}.gz" for name in TRAIN]


@pytest.mark.parametrize("set_up, folder", [("environment", "environment"), ("", "cache/minivae")])
def test_a_download_goes_to_the_first_folder_that_is_set(home, monkeypatch, server, set_up, folder):
    mirrors(monkeypatch, server, "good")
    monkeypatch.setenv("MINIVAE_DATA", set_up and str(home / set_up))
    data.mnist()
    assert len(files(home / folder)) == 2


@pytest.mark.parametrize(
    "bad, says",
    [
        ("absent", "404"),
        ("cut", "cut off after"),
        ("unsized", "SHA-256 differs"),
        ("wrong", "SHA-256 differs"),
        ("page", "SHA-256 differs"),
        ("damaged", "SHA-256 differs"),
        ("endless", "SHA-256 differs"),
        ("no-http", "220 mail"),
    ],
)
def test_a_bad_mirror_leaves_nothing_and_the_next_is_tried(home, monkeypatch, server, bad, says):
    mirrors(monkeypatch, server, bad)
    with pytest.raises(data.DataError, match=says) as caught:
        data.mnist(root=home / "root")
    assert f"{server.url}{bad}/" in str(caught.value)
    assert files(home / "root") == []
    mirrors(monkeypatch, server, bad, "good")
    assert data.mnist(root=home / "root")[1].tolist() == [3, 1, 4]
    assert files(home / "root") == [f"{name}.gz" for name in TRAIN]


def test_a_mirror_that_never_ends_is_left(home, monkeypatch, server):
    mirrors(monkeypatch, server, "endless")
    written = []
    monkeypatch.setattr(
        mnist, "_is_original", lambda part, name: written.append(part.stat().st_size)
    )
    with pytest.raises(data.DataError):
        data.mnist(root=home / "root")
    assert written[0] < 1 << 12  # of 13 MB on offer


def test_a_download_that_stops_half_way_is_completed_later(home, monkeypatch, server):
    mirrors(monkeypatch, server, "half")
    with pytest.raises(
        data.DataError, match=f"^no {TRAIN[1]}, raw"
    ):  # and no word of the images, which are here
        data.mnist(root=home / "root")
    mirrors(monkeypatch, server, "good")
    assert data.mnist(root=home / "root")[1].tolist() == [3, 1, 4]
    assert server.asked.count(f"/good/{TRAIN[0]}.gz") == 0


def test_mnists_labels_are_not_downloaded_beside_other_images(home, monkeypatch, server):
    mirrors(monkeypatch, server, "good")
    write(home / "root" / TRAIN[0], idx(images(seed=1)))
    with pytest.raises(data.DataError, match="not MNIST's own"):
        data.mnist(root=home / "root")
    assert files(home / "root") == [TRAIN[0]] and server.asked == []


def test_a_file_is_renamed_only_when_checked_and_on_the_disk(home, monkeypatch, server):
    mirrors(monkeypatch, server, "good")
    steps = []
    for module, name in ((os, "fsync"), (mnist, "_is_original"), (os, "replace")):

        def step(*arguments, name=name, original=getattr(module, name)):
            steps.append(name)
            assert [file[-5:] for file in files(home / "root") if TRAIN[0] in file] == [".part"]
            return original(*arguments)

        monkeypatch.setattr(module, name, step)
    mnist._download(TRAIN[0], home / "root")
    assert steps == ["fsync", "_is_original", "replace"]


def test_ctrl_c_leaves_no_part(home, monkeypatch, server):
    mirrors(monkeypatch, server, "good")

    def interrupt(_):
        assert len(files(home / "root")) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "_progress", interrupt)
    with pytest.raises(KeyboardInterrupt):
        data.mnist(root=home / "root")
    assert files(home / "root") == []


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(home, monkeypatch, server, terminal):
    mirrors(monkeypatch, server, "good")
    screen = io.StringIO()
    screen.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", screen)
    data.mnist(root=home / "root")
    assert (f"\r{TRAIN[0]}: 0.0 of 0.0 MB" in screen.getvalue()) == terminal and bool(
        screen.getvalue()
    ) == terminal
    monkeypatch.setattr("sys.stderr", None)  # as in a Windows program without a console
    data.mnist(root=home / "elsewhere")


def test_the_mirrors_are_reached_by_https_only():
    assert mnist.MIRRORS and all(
        mirror.startswith("https://") and mirror.endswith("/") for mirror in mnist.MIRRORS
    )


# The real MNIST


@pytest.mark.skipif(
    not REAL_MNIST, reason="MINIVAE_DATA is not set: it would name the folder with the MNIST files"
)
@pytest.mark.parametrize(
    "split, counts",
    [
        ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_the_real_mnist(split, counts):
    for name in mnist.MNIST[split]:
        path = Path(REAL_MNIST) / name
        assert mnist._is_original(path if path.is_file() else path.with_name(f"{name}.gz"), name)
    x, y = data.mnist(split, root=REAL_MNIST, download=False)
    assert x.shape == (sum(counts), 784) and x.min() == 0 and x.max() == 1
    assert np.bincount(y).tolist() == counts


# Binarizing


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binarized_pixels_are_bernoulli(dtype):
    x = np.broadcast_to(np.linspace(0, 1, 17, dtype=dtype), (20000, 17))
    for seed in range(3):
        b = data.binarize(x, np.random.default_rng(seed))
        assert b.dtype == dtype and b.shape == x.shape and set(np.unique(b)) == {0, 1}
        p = x[0].astype(np.float64)
        assert np.all(
            np.abs(b.mean(axis=0, dtype=np.float64) - p) <= 5 * np.sqrt(p * (1 - p) / len(x))
        )
        correlation = np.corrcoef(b[:, 1:-1], rowvar=False) - np.eye(15)
        assert np.abs(correlation).max() < 5 / np.sqrt(len(x))  # each pixel has a draw of its own


def test_binarize_draws_anew_and_leaves_x_alone():
    x = np.full((4, 50), 0.5, np.float32)
    rng = np.random.default_rng(0)
    first, second = data.binarize(x, rng), data.binarize(x, rng)
    assert not np.array_equal(first, second) and np.all(x == 0.5)
    assert np.array_equal(first, data.binarize(x, np.random.default_rng(0)))


@pytest.mark.parametrize(
    "value, says",
    [
        (-0.01, "found -0.01"),
        (1.01, "found 1.01"),
        (255, "found 255"),
        (math.nan, "found nan"),
        (math.inf, "found inf"),
    ],
)
def test_binarize_refuses_what_is_no_probability(value, says):
    x = np.full((2, 3), 0.5)
    x[1, 2] = value
    with pytest.raises(ValueError, match=re.escape(says) + r".*1 of 6 values"):
        data.binarize(x, np.random.default_rng(0))


def test_binarize_needs_a_generator():
    with pytest.raises(TypeError, match="default_rng"):
        data.binarize(np.zeros(3), 0)
