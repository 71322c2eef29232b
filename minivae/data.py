"""The data that the lessons train on: digits, moons, MNIST; and binarized pixels.

Images come as rows: x is (n, D) float32 in [0, 1], pixels row by row from the top left.
"""

from pathlib import Path

import numpy as np

from .files.idx import DataError, read_idx
from .files.images import images
from .files.mnist import mnist


def digits():
    """The 1,797 handwritten digits that come with minivae, 8x8 pixels.

    Returns (x, y): x (1797, 64) float32 in [0, 1], in steps of 1/16; y (1797,) int64, the digit,
    0 to 9. Both are new arrays at each call. Source and licence: digits/README.md (E. Alpaydin,
    C. Kaynak 1998, CC BY 4.0).
    """
    path = Path(__file__).with_name("digits") / "digits.csv.gz"
    table = np.loadtxt(path, delimiter=",", dtype=np.int64)  # (1797, 65)
    x = (table[:, :64] / 16).astype(np.float32)
    return x, table[:, 64].copy()


def moons(n, size=28, phases=None, rng=None):
    """n pictures of the moon with one degree of freedom: the fraction f of its disc that is lit.

    n: how many.
    size: of a picture, in pixels along each side.
    phases: n fractions in [0, 1]; without them rng draws them uniformly.
    rng: see phases.

    With the origin in the picture's middle, (x, y) is lit where (1 - 2f) w < x < w, with
    w = sqrt(R^2 - y^2) and R = 0.42 size: the terminator is half an ellipse, so the lit area is
    exactly f pi R^2, eq. (4.11). The light comes from the right. A pixel's value is the part of
    its area that is lit, in closed form; f = 0 is black, f = 1 the full disc.

    Returns (x, f): x (n, size*size) float32 in [0, 1]; f (n,) float64, the fractions.
    Raises ValueError for n or size below 1 and for phases of another shape or outside [0, 1],
    TypeError when there are neither phases nor an rng to draw them.
    """
    f = _check_phases(n, size, phases, rng)  # (n,)
    radius = 0.42 * size
    half_disc = _half_ellipse(radius, radius, size)  # (size, size)
    x = np.empty((n, size, size), dtype=np.float32)
    for image, c in zip(x, 1 - 2 * f):
        # A crescent is the right half of the disc less half an ellipse; past half moon the ellipse
        # adds on the left.
        terminator = _half_ellipse(abs(c) * radius, radius, size)
        moon = half_disc - terminator if c > 0 else half_disc + terminator[:, ::-1]
        image[...] = np.clip(moon, 0, 1)  # takes off rounding only: about 1e-14
    return x.reshape(n, size * size), f


def _check_phases(n, size, phases, rng):
    if n < 1 or size < 1:
        raise ValueError(f"moons needs n and size of at least 1, not n={n} and size={size}")
    if phases is None and not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"moons without phases draws them: pass rng=np.random.default_rng(0), not {rng!r}"
        )
    f = rng.random(n) if phases is None else np.array(phases, dtype=np.float64)
    if f.shape != (n,):
        raise ValueError(
            f"moons needs one phase for each of the n={n} pictures, not phases of shape {f.shape}"
        )
    good = (f >= 0) & (f <= 1)  # false for NaN, too
    if not good.all():
        raise ValueError(f"phases are lit fractions in [0, 1], not {f[~good][0]}")
    return f


def _half_ellipse(a, b, size):
    """How much of each pixel the right half of the ellipse (x/a)^2 + (y/b)^2 < 1 covers.

    The area between the axes and a pixel corner is known in closed form; differences of it along
    both directions give every pixel, (size, size). On the unit circle, to the corner (u, v), it is
    u t + W(v) - W(t), where the circle is right of u up to the height t, and W(v) is the integral
    of sqrt(1 - y^2) from 0 to v.
    """
    edges = np.arange(size + 1) - size / 2
    u = np.clip(edges / a, 0, 1) if a > 0 else np.zeros(size + 1)
    v = np.clip(edges / b, -1, 1)[:, None]
    top = np.sqrt(1 - u**2)
    t = np.clip(v, -top, top)
    W = lambda y: (y * np.sqrt(1 - y**2) + np.arcsin(y)) / 2
    return np.diff(np.diff(a * b * (u * t + W(v) - W(t)), axis=0), axis=1)


def binarize(x, rng):
    """Pixels drawn at random: 1 with probability x, else 0, anew at each call.

    x: array of grey values in [0, 1]. Returns an array of its shape and dtype. This is how Burda et
    al. 2016 (arXiv 1509.00519) treat MNIST.
    Raises ValueError for a value outside [0, 1] or NaN, TypeError for an rng that is no Generator.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"binarize draws with rng: pass np.random.default_rng(0), not {rng!r}")
    x = np.asarray(x)
    good = (x >= 0) & (x <= 1)  # false for NaN, too
    if not good.all():
        raise ValueError(
            f"binarize takes grey values in [0, 1] as probabilities, but found {x[~good].flat[0]} "
            f"({np.sum(~good)} of {x.size} values outside): divide the pixels by the largest value"
        )
    return (rng.random(x.shape) < x).astype(x.dtype)
