"""The figures: each function gives a matplotlib Figure and shows nothing.

Where images are drawn, shape=(rows, cols) or (rows, cols, 3) says what the D numbers of an example
are; it may be left out for 8 x 8, 28 x 28 and other grey squares, unless the side is a multiple of
3, since D could then be a colour image as well. Black is 0 and white is 1.
"""

import textwrap
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from .checks.arguments import image_shape
from .screen.explore import explore  # noqa: F401
from .screen.marks import COLOURS, check_labels, draw, scatter, sheet

BLUE, VERMILION, GREEN, PURPLE = COLOURS[:4]
TEXT = 12  # points: in a figure 8 inches wide as large as the text of the page around it


def curves(history):
    """Loss and its two parts over the epochs, with the loss on x_val where there was one."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.4), layout="constrained")
    epochs = np.arange(1, len(history.loss) + 1)
    mark = "o" if len(epochs) == 1 else None  # one epoch makes no line

    left.plot(epochs, history.loss, color=BLUE, marker=mark, label="training")
    if history.val_loss:
        left.plot(epochs, history.val_loss, "--", color=VERMILION, marker=mark, label="held out")
    left.set(title="loss", xlabel="epoch", ylabel="nats per example")
    left.legend()

    right.plot(epochs, history.nll, color=GREEN, marker=mark, label="nll (reconstruction)")
    right.plot(epochs, history.kl, "--", color=PURPLE, marker=mark, label="kl")
    right.set(title="its two parts", xlabel="epoch", ylabel="nats per example", ylim=(0, None))
    right.legend()
    return _legible(fig)


def reconstructions(model, x, n=10, shape=None):
    """The first n images of x, and below each what the model makes of it."""
    x = np.asarray(x)[:n]
    rows = np.stack([x, model.reconstruct(x)])  # (2, n, D)
    return _sheet(rows, shape, "originals, and their reconstructions below")


def samples(model, rng, n=10, shape=None):
    """An n by n sheet of decoder means at draws from the prior; with classes, one row for each."""
    if model.n_classes:
        rows = np.stack([model.sample(n, rng, y=k) for k in range(model.n_classes)])
        names = [str(k) for k in range(model.n_classes)]
        return _sheet(rows, shape, "samples from the prior, one class per row", names)
    rows = model.sample(n * n, rng).reshape(n, n, -1)
    return _sheet(rows, shape, "decoder means at z ~ N(0, I)")


def manifold(model, n=15, y=None, shape=None):
    """Decoder means over the first two latents, on a grid of n Gaussian quantiles each, eq. (12.8).

    So each picture stands for the same share of the prior. The other latents are at their mean.

    y: for a ConditionalVAE, the class around whose mean the grid lies; class 0 if left out.
    """
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    Z = model.latent_dim
    rows = n if Z > 1 else 1
    z = np.zeros((rows, n, Z), model.dtype)
    z[..., 0] = quantiles
    if Z > 1:
        z[..., 1] = quantiles[::-1, None]
    z = z.reshape(-1, Z)

    title = "the decoder over the prior's quantiles"
    axis = f"from {quantiles[0]:.1f} to {quantiles[-1]:.1f}"
    labels = None
    if y is None and model.n_classes:
        y = 0
    if y is not None:
        labels = np.full(len(z), y)
        title += f" of class {y}"
        axis += " about its mean"
    if Z > 2:
        title += ", the other latents at their mean"
    pictures = model.pixels(z + model.prior_mean(labels, len(z))).reshape(rows, n, -1)

    fig = _sheet(pictures, shape, title)
    fig.supxlabel(f"latent 0, {axis}", fontsize=TEXT)
    if Z > 1:
        fig.supylabel(f"latent 1, {axis}", fontsize=TEXT)
    return fig


def latent_map(model, x, y=None, shape=None):
    """Where the encoder puts each x: its mu, or an autoencoder's code, in the two widest latents.

    y: labels (n,). Integers are drawn as their digits, strings in colours with a legend, other
        numbers by a colour scale; without labels all points look alike.
    shape: if given, some of the images are drawn where they lie, none over another.

    Raises ValueError where x and y differ in length.
    """
    codes = model.codes(x)  # (n, Z)
    n, Z = codes.shape
    if y is not None:
        y = check_labels(y, n)
    fig, ax = plt.subplots(figsize=(6, 5.4), layout="constrained")
    if Z == 1:
        points = np.stack([codes[:, 0], np.arange(n)], axis=1)
        ax.set(xlabel="latent 0", ylabel="which image of x")
    else:
        across, up = sorted(np.argsort(codes.var(axis=0))[-2:])
        points = codes[:, [across, up]]
        ax.set(xlabel=f"latent {across}", ylabel=f"latent {up}", aspect="equal")
    ax.set_title("where the encoder puts each image")
    scatter(ax, points, y, loc="upper left", bbox_to_anchor=(1, 1))
    if shape is not None:
        _draw_some(ax, points, np.asarray(x), shape)
    return _legible(fig)


def taylor(report):
    """The remainder of a taylor_test against the step h.

    Beside it stand lines of slope 2 (a right gradient) and 1 (a wrong one). A remainder of 0 is
    drawn at 1e-18. Raises ValueError for a report of check_gradients, which has no remainder.
    """
    if not len(report.steps):
        raise ValueError(
            "this report has no remainders to draw: pass the one that taylor_test returned"
        )
    h = report.steps
    remainder = np.maximum(report.remainders, 1e-18)
    fig, ax = plt.subplots(figsize=(6, 4.4), layout="constrained")
    if np.isfinite(report.slope):
        ax.loglog(h, remainder[0] * (h / h[0]) ** 2, "--", color=GREEN, label="falls as h^2")
        ax.loglog(h, remainder[0] * (h / h[0]), ":", color=VERMILION, label="falls as h^1")
    ax.loglog(h, remainder, "o", color=BLUE, label="remainder")
    ax.set(xlabel="step h", ylabel="|f(x + h v) - f(x) - h g.v|")
    ax.set_title("\n".join([report.title, *textwrap.wrap(report.diagnosis, 56)]))
    ax.legend()
    return _legible(fig)


def _legible(fig):
    """The figure, with its text as large as the text of the page that it will stand on."""
    for ax in fig.axes:
        ax.tick_params(labelsize=TEXT)
        texts = [ax.title, ax.xaxis.label, ax.yaxis.label]
        if ax.get_legend() is not None:
            texts += ax.get_legend().get_texts()
        for text in texts:
            text.set_fontsize(TEXT)
    return fig


# Images

def _sheet(rows, shape, title, names=()):
    """Rows of images (rows, n, D) as one picture, with a thin grey border around each.

    names: what stands at the left of each row.
    """
    images = _as_images(rows, shape)  # (rows, n, height, width) or (..., 3)
    picture = sheet(images)
    height, width = picture.shape[:2]
    inches = min(0.8 * len(images[0]), 6.5, 8.0 * width / height)  # at most 6.5 wide, 8 high
    title = textwrap.wrap(title, max(12, int(9 * inches)))
    size = (inches, inches * height / width + 0.3 + 0.2 * len(title))
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    draw(ax, picture)
    ax.set_title("\n".join(title))
    centres = (np.arange(len(names)) + 0.5) * (images.shape[2] + 2) - 0.5
    ax.set(xticks=[], yticks=centres, yticklabels=names)
    return _legible(fig)


def _as_images(x, shape):
    """x (..., D) as images (..., height, width) or (..., height, width, 3)."""
    return x.reshape(*x.shape[:-1], *image_shape(shape, x.shape[-1]))


# The map of codes

def _draw_some(ax, points, x, shape):
    """Small pictures of some x (n, D), each about its point, as many as do not overlap."""
    before = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim(), "aspect": ax.get_aspect()}
    side = np.ptp([before["xlim"], before["ylim"]], axis=1) / 18  # of a picture, in both latents
    if before["aspect"] != "auto":
        side[:] = side.max()
    chosen = []
    for i, point in enumerate(points):
        if (np.abs(points[chosen] - point) > side).any(axis=1).all():
            chosen.append(i)
    images = _as_images(x[chosen], shape)  # (m, height, width) or (m, height, width, 3)
    height, width = np.array(images.shape[1:3]) / max(images.shape[1:3])
    across, up = 0.5 * side * (width, height)
    for (a, b), image in zip(points[chosen], images):
        draw(ax, image, extent=(a - across, a + across, b - up, b + up), zorder=3)
    ax.set(**before)  # drawing an image changes them
