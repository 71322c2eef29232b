"""data.images: pictures from files are their pixels exactly, or are refused with a reason."""

import shutil
import subprocess
import sys

import matplotlib.image
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minivae import data
from minivae.files import images as module


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def pixels(rng, *shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def save(path, array, mode=None, **settings):
    image = PIL.Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path, **settings)
    return path


def test_a_folder_of_grey_pictures(tmp_path, rng):
    arrays = [pixels(rng, 28, 20) for _ in range(5)]
    for i, array in enumerate(arrays):
        save(tmp_path / f"{i}.png", array)
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_text("nor this")
    x, shape = data.images(tmp_path)
    assert x.shape == (5, 560) and x.dtype == np.float32 and shape == (28, 20)
    assert np.array_equal(x.reshape(-1, *shape), np.float32(np.array(arrays) / 255))
    again, _ = data.images(str(tmp_path))
    assert np.array_equal(x, again)


def test_colour_and_its_brightness(tmp_path, rng):
    arrays = [pixels(rng, 6, 7, 3) for _ in range(3)]
    files = [save(tmp_path / f"{i}.png", a) for i, a in enumerate(arrays)]
    x, shape = data.images(files[::-1], color=True)  # a list keeps its order
    assert shape == (6, 7, 3) and x.shape == (3, 126)
    assert np.array_equal(x.reshape(-1, *shape), np.float32(np.array(arrays[::-1]) / 255))
    x, shape = data.images(files)
    assert shape == (6, 7)
    assert np.allclose(
        x.reshape(3, 6, 7), np.array(arrays) / 255 @ [0.299, 0.587, 0.114], atol=1e-6
    )
    assert x.min() >= 0 and x.max() <= 1


def test_grey_files_are_made_rgb_where_colour_is_asked_for(tmp_path, rng):
    grey = save(tmp_path / "a.png", pixels(rng, 4, 5))
    save(tmp_path / "b.png", pixels(rng, 4, 5, 3))
    x, shape = data.images(tmp_path, color=True)
    assert shape == (4, 5, 3) and x.shape == (2, 60)
    assert np.array_equal(x[0].reshape(shape)[..., 2], data.images(grey)[0].reshape(4, 5))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "LA", "RGBA", "I;16"])
def test_every_kind_of_png_that_has_no_transparent_pixels(tmp_path, rng, mode):
    array = pixels(rng, 8, 9)
    array[0, 0], array[0, 1] = 0, 255
    if mode == "1":
        array = np.uint8(255 * (array > 127))
    if mode == "I;16":
        PIL.Image.fromarray(array.astype(np.uint16) * 257).save(tmp_path / "a.png")
    else:
        save(tmp_path / "a.png", array, mode)
    x, shape = data.images(tmp_path)
    assert shape == (8, 9) and np.allclose(x.reshape(shape), array / 255, atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, mode):
    array = np.uint8(
        np.add.outer(np.arange(16), np.arange(24)) * 6
    )  # smooth, so that little is lost
    save(tmp_path / "a.JPEG", array, mode, quality=95)
    x, shape = data.images(tmp_path)
    assert shape == (16, 24) and np.abs(x.reshape(shape) - array / 255).max() < 0.02


def test_what_a_file_is_is_told_by_its_content_not_its_name(tmp_path, rng):
    array = pixels(rng, 5, 6)
    save(tmp_path / "a.jpg", array, format="png")
    save(tmp_path / "b.png", np.full((5, 6), 128, np.uint8), format="jpeg")
    x, shape = data.images(tmp_path)
    assert np.array_equal(x[0].reshape(shape), np.float32(array / 255)) and np.allclose(
        x[1], 128 / 255, atol=0.01
    )


# Sizes.


def test_area_averages_by_hand(tmp_path):
    save(tmp_path / "a.png", np.array([[0, 0, 255], [255, 255, 0], [0, 0, 0]], np.uint8))
    x, shape = data.images(tmp_path, size=(3, 1))
    assert shape == (3, 1) and np.allclose(x[0], [1 / 3, 2 / 3, 0])
    x, _ = data.images(tmp_path, size=(2, 2))
    # The upper left new pixel covers 1, 1/2, 1/2 and 1/4 of four old ones:
    # (0 + 0 + 1/2 + 1/4) / (9/4).
    assert np.allclose(x[0], [1 / 3, (0 + 1 + 0.25 + 0) / 2.25, (0.5 + 0.25) / 2.25, 0.25 / 2.25])
    x, _ = data.images(tmp_path, size=(3, 6))
    assert np.allclose(x.reshape(3, 6), np.repeat([[0, 0, 1], [1, 1, 0], [0, 0, 0]], 2, axis=1))


@given(old=st.integers(1, 40), new=st.integers(1, 40))
def test_averages_keep_the_mean_and_a_constant(old, new):
    A = module.averages(old, new)
    assert A.shape == (new, old) and A.min() >= 0
    assert np.allclose(A.sum(1), 1, rtol=1e-14) and np.allclose(A.sum(0), new / old, rtol=1e-14)
    if old % new == 0:
        v = np.arange(old) ** 2.0
        assert np.allclose(A @ v, v.reshape(new, -1).mean(1))
    # Against the integral of a step function, taken at the edges of the new pixels.
    v = np.sin(np.arange(old))
    integral = np.interp(
        np.arange(new + 1) / new, np.arange(old + 1) / old, np.append(0, np.cumsum(v)) / old
    )
    assert np.allclose(A @ v, np.diff(integral) * new)


def test_mixed_sizes_need_a_size(tmp_path, rng):
    save(tmp_path / "a.png", pixels(rng, 10, 12))
    save(tmp_path / "b.png", pixels(rng, 11, 12, 3))
    with pytest.raises(
        data.DataError,
        match=r"a\.png has 10 rows of 12 pixels, and .*b\.png has 11 rows of 12.*size=\(28, 28\)",
    ):
        data.images(tmp_path)
    x, shape = data.images(tmp_path, size=(7, 5))
    assert shape == (7, 5) and x.shape == (2, 35)
    x, shape = data.images(tmp_path, size=np.array([7, 5]), color=True)
    assert shape == (7, 5, 3) and x.shape == (2, 105)
    channels = np.stack(
        [
            module.resized(c, (7, 5))
            for c in np.moveaxis(matplotlib.image.imread(tmp_path / "b.png").astype(float), 2, 0)
        ],
        axis=2,
    )
    assert np.allclose(x[1].reshape(shape), channels, atol=1e-6)


@pytest.mark.parametrize("size", [28, (28,), (0, 5), (2.5, 2), (3, 4, 5), "28"])
def test_a_size_of_the_wrong_kind(tmp_path, rng, size):
    save(tmp_path / "a.png", pixels(rng, 4, 4))
    with pytest.raises(ValueError, match=r"size is \(rows, cols\), two whole numbers"):
        data.images(tmp_path, size=size)


# Refusals, each naming the file.


def test_nothing_to_read(tmp_path):
    with pytest.raises(data.DataError, match="no file in the folder .* ends in .png, .jpg, .jpeg$"):
        data.images(tmp_path)
    with pytest.raises(data.DataError, match="the list of pictures is empty"):
        data.images([])
    with pytest.raises(data.DataError, match=r"nowhere.png: there is no such file or folder"):
        data.images(tmp_path / "nowhere.png")
    (tmp_path / "cats").mkdir()
    with pytest.raises(
        data.DataError, match="cats is a folder|cats cannot be read"
    ):  # Windows denies it
        data.images([tmp_path / "cats"])
    (tmp_path / "cats" / "a.jpg").write_bytes(b"")
    with pytest.raises(data.DataError, match=r"1 in its subfolders do.*rglob\('\*.jpg'\)"):
        data.images(tmp_path)


@pytest.mark.parametrize("name", ["bad.png", "bad.jpg"])
def test_a_damaged_file_is_named(tmp_path, rng, name):
    whole = save(tmp_path / name.replace("bad", "good"), pixels(rng, 40, 40)).read_bytes()
    for content in (b"", b"no picture at all", whole[:60], whole[: len(whole) // 2]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(data.DataError, match=name + " cannot be read as a PNG or JPEG picture"):
            data.images([tmp_path / name.replace("bad", "good"), tmp_path / name])


def test_transparent_pixels_are_refused(tmp_path, rng):
    array = pixels(rng, 4, 4, 4)
    array[..., 3] = 255
    save(tmp_path / "a.png", array)
    x, _ = data.images(tmp_path, color=True)
    assert np.array_equal(x.reshape(4, 4, 3), np.float32(array[..., :3] / 255))
    array[2, 2, 3] = 254
    save(tmp_path / "a.png", array)
    with pytest.raises(data.DataError, match="a.png has transparent pixels"):
        data.images(tmp_path)


def test_importing_minivae_does_not_import_matplotlib():
    code = "import sys, minivae; assert minivae.data.images; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"matplotlib", "PIL"} & set(done.stdout.split())


def test_a_copy_of_the_digits_comes_back_through_files(tmp_path):
    digits, _ = data.digits()
    for i, row in enumerate(digits[:20]):
        save(tmp_path / f"{i:02}.png", np.uint8(np.round(row.reshape(8, 8) * 255)))
    x, shape = data.images(tmp_path)
    assert shape == (8, 8) and np.abs(x - digits[:20]).max() <= 0.5 / 255 + 1e-6
    shutil.rmtree(tmp_path)  # no file is held open
