"""Your own pictures: PNG and JPEG files as rows of pixels, all of one size."""

import os
from pathlib import Path

import numpy as np

from .idx import DataError

ENDINGS = (".png", ".jpg", ".jpeg")
LUMA = np.array([0.299, 0.587, 0.114])  # how bright red, green and blue look: ITU-R BT.601


def images(paths, size=None, color=False):
    """Pictures from files, as (x, shape): x (n, D) float32 in [0, 1], and the shape of one picture.

    paths: a folder, whose .png, .jpg and .jpeg files are read in the order of their names; or a
        file; or a list of files.
    size: (rows, cols) to bring them to; if left out, they must all be of one size. A new pixel is
        the mean over the area that it covers, exactly; what is not of that shape is stretched.
    color: False makes all of them grey, shape (rows, cols), by the brightness of red, green and
        blue; True makes all of them RGB, shape (rows, cols, 3).

    x.reshape(-1, *shape) are the pictures. A turn that is only noted in a JPEG (EXIF) is not made.
    Raises DataError, a ValueError, for an empty folder or list, a file that is missing, damaged or
    no picture (it is named), mixed sizes without size, and pictures with transparent pixels.
    """
    files = _files(paths)
    if size is not None and (np.shape(size) != (2,) or not all(_is_count(s) for s in size)):
        raise ValueError(f"size is (rows, cols), two whole numbers of at least 1, not {size!r}")
    pictures = []
    for file in files:
        picture = _read(file, color)
        if size is not None:
            picture = resized(picture, size)
        elif pictures and picture.shape != pictures[0].shape:
            first, other = (f"{p.shape[0]} rows of {p.shape[1]}" for p in (pictures[0], picture))
            raise DataError(f"{files[0]} has {first} pixels, and {file} has {other}: bring them to "
                            f"one size, with size=(28, 28), say")
        pictures.append(picture.astype(np.float32))
    x = np.stack(pictures)
    return x.reshape(len(x), -1), x.shape[1:]


def resized(picture, size):
    """picture (h, w) or (h, w, 3) brought to size = (rows, cols): A @ picture @ B.T."""
    A, B = (averages(old, new) for old, new in zip(picture.shape, size))
    if picture.ndim == 2:
        return A @ picture @ B.T
    return np.einsum("rh,hwc,kw->rkc", A, picture, B, optimize=True)


def averages(old, new):
    """The matrix (new, old) of area averages: row i has the part of new pixel i in each old one.

    With the picture's edge as the unit, old pixel k reaches from k/old to (k+1)/old, new pixel i
    from i/new to (i+1)/new. In units of 1/(old new) these are whole numbers: the overlap is exact.
    """
    new_edges = np.arange(new + 1)[:, None] * old
    old_edges = np.arange(old + 1) * new
    overlap = np.minimum(new_edges[1:], old_edges[1:]) - np.maximum(new_edges[:-1], old_edges[:-1])
    return np.maximum(overlap, 0) / old


def _files(paths):
    """The files that are meant, a list of Paths; at least one."""
    if not isinstance(paths, (str, os.PathLike)):
        files = [Path(path) for path in paths]
        if not files:
            raise DataError("the list of pictures is empty")
        return files
    path = Path(paths)
    if not path.is_dir():
        return [path]
    found = [file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file()]
    files = sorted(file for file in found if not file.name.startswith("."))
    if not files:
        below = [file for file in path.rglob("*") if file.suffix.lower() in ENDINGS]
        hint = (f"; {len(below)} in its subfolders do: pass them as a list, such as "
                f"sorted(Path(folder).rglob('*{below[0].suffix}'))") if below else ""
        raise DataError(f"no file in the folder {path} ends in {', '.join(ENDINGS)}{hint}")
    return files


def _read(file, color):
    """One picture in float64: (rows, cols), or (rows, cols, 3) in colour."""
    from matplotlib.image import imread  # here, so that importing minivae does not import it

    try:
        with open(file, "rb") as stream:
            is_png = stream.read(8) == b"\x89PNG\r\n\x1a\n"  # its content tells, not its name
            stream.seek(0)
            picture = imread(stream, format="png" if is_png else "jpg")
    except IsADirectoryError as error:
        raise DataError(f"{file} is a folder: pass it alone, or a list of files") from error
    except FileNotFoundError as error:
        raise DataError(f"{file}: there is no such file or folder") from error
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise DataError(f"{file} cannot be read as a PNG or JPEG picture: {error}") from error
    if picture.dtype.kind != "f":
        picture = picture / np.iinfo(picture.dtype).max
    picture = np.asarray(picture, np.float64)
    if picture.ndim == 3 and picture.shape[2] == 4:
        if picture[..., 3].min() < 1:
            raise DataError(f"{file} has transparent pixels, and no background for them to show: "
                            f"save it without transparency")
        picture = picture[..., :3]
    if color and picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=2)
    return picture if color or picture.ndim == 2 else picture @ LUMA


def _is_count(value):
    return isinstance(value, (int, np.integer)) and value >= 1
