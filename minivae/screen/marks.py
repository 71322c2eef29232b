"""What the figures and the explorer draw with: colours, an image, points marked by their labels."""

import numpy as np

# Okabe and Ito's palette, which keeps apart under the common kinds of colour blindness, and two
# more, for ten classes.
COLOURS = [
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # green
    "#CC79A7",  # purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#999999",  # grey
    "#8C510A",  # brown
    "#6A3D9A",  # violet
]
BLUE, VERMILION, GREEN, PURPLE = COLOURS[:4]
MARKERS = ["o", "s", "^", "v", "D", "P", "X"]  # seven, so that ten colours come round differently


def draw(ax, image, **place):
    """An image (height, width), or (height, width, 3); what is outside [0, 1] is black or white."""
    if image.ndim == 3:
        image = np.clip(image, 0, 1)  # for a grey one vmin and vmax do it
    return ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **place)


def sheet(images):
    """Images (rows, n, height, width, ...) as one picture, with a grey pixel around each."""
    widths = [(0, 0)] * images.ndim
    widths[2] = widths[3] = (1, 1)
    cells = np.pad(images, widths, constant_values=0.5)
    return np.concatenate([np.concatenate(row, axis=1) for row in cells], axis=0)


def ink(image, start, end, rubs_out=False):
    """Draw a soft line into an image (height, width, ...), in place, or rub it out.

    start, end: (column, row), each (2,).
    """
    height, width = image.shape[:2]
    radius = max(0.7, max(height, width) / 22)
    rows, columns = np.indices((height, width))
    offset = np.stack([columns, rows], axis=-1) - start  # of each pixel, (height, width, 2)
    step = end - start
    along = np.clip(offset @ step / max(step @ step, 1e-9), 0, 1)  # 0 at the start, 1 at the end
    away = np.linalg.norm(offset - along[..., None] * step, axis=-1)  # (height, width)
    line = np.clip(radius + 0.5 - away, 0, 1)
    if image.ndim == 3:
        line = line[..., None]
    if rubs_out:
        np.minimum(image, 1 - line, out=image)
    else:
        np.maximum(image, line, out=image)


def check_labels(y, n):
    """The labels y of n images as an array (n,). Raises ValueError for another shape."""
    if np.shape(y) != (n,):
        raise ValueError(f"y must be {n} labels, one for each x, got shape {np.shape(y)}")
    return np.asarray(y)


def scatter(ax, points, y, **legend):
    """The points (n, 2), marked by their labels y.

    legend: where the names stand, if y are words: arguments of ax.legend.
    """
    if y is None:
        ax.scatter(*points.T, s=10, color=BLUE, linewidths=0)
        return
    y = np.asarray(y)
    if y.dtype.kind == "f":
        dots = ax.scatter(*points.T, c=y, s=10, cmap="viridis")
        ax.figure.colorbar(dots, label="y", shrink=0.8)
    elif y.dtype.kind in "iu":
        _mark_by_digit(ax, points, y)
    else:
        _mark_by_word(ax, points, y.astype(str), legend)


def _mark_by_digit(ax, points, y):
    for i, label in enumerate(np.unique(y)):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": f"${label}$"}
        ax.scatter(*points[y == label].T, s=28, linewidths=0.2, **style)


def _mark_by_word(ax, points, y, legend):
    words = np.unique(y)
    for i, word in enumerate(words):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        ax.scatter(*points[y == word].T, s=16, linewidths=0, **style)
    names = [_as_text(word) for word in words]
    ax.legend(ax.collections, names, **legend)


def _as_text(label):
    """A label as matplotlib's legend shows it: no formula, and not left out for its underscore."""
    label = label.replace("$", r"\$")
    return f" {label}" if label.startswith("_") else label
