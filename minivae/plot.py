"""The figures: each function takes a model or a history and returns a matplotlib Figure; none of them shows it."""

import textwrap
from math import isqrt
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

from .autodiff import no_grad
from .models import ConditionalVAE

# Okabe and Ito's palette, which keeps apart under the common kinds of colour blindness.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999", "#8C510A", "#6A3D9A"]


def curves(history):
    """Loss and its two parts over the epochs, with the loss on x_val where there was one."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    epochs = np.arange(1, len(history.loss) + 1)
    mark = "o" if len(epochs) == 1 else None
    left.plot(epochs, history.loss, color=COLOURS[0], marker=mark, label="training")
    if history.val_loss:
        left.plot(epochs, history.val_loss, color=COLOURS[1], marker=mark, linestyle="--", label="held out")
    left.set(title="loss", xlabel="epoch", ylabel="nats per example")
    right.plot(epochs, history.nll, color=COLOURS[2], marker=mark, label="nll (reconstruction)")
    right.plot(epochs, history.kl, color=COLOURS[3], marker=mark, linestyle="--", label="kl")
    right.set(title="its two parts", xlabel="epoch", ylabel="nats per example", ylim=(0, None))
    left.legend()
    right.legend()
    return fig


def reconstructions(model, x, n=10):
    """The first n images of x, and below each what the model makes of it."""
    return _grid([x[:n], model.reconstruct(x[:n])], "originals, and their reconstructions below")


def samples(model, rng, n=10):
    """An n by n sheet of decoder means at draws from the prior; for a ConditionalVAE one row per class."""
    if isinstance(model, ConditionalVAE):
        rows = [model.sample(n, rng, y=k) for k in range(model.n_classes)]
        return _grid(rows, "samples from the prior, one class per row", labels=range(model.n_classes))
    return _grid(model.sample(n * n, rng).reshape(n, n, -1), "decoder means at z ~ N(0, I)")


def manifold(model, n=15, y=0):
    """Decoder means over the first two latents (others at their prior mean) at an n by n grid of Gaussian quantiles,
    eq. (12.8): every picture stands for the same share of the prior. For a ConditionalVAE around the mean of class y."""
    quantiles = np.array([NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)])
    rows = n if model.latent_dim > 1 else 1
    z = np.zeros((rows, n, model.latent_dim), model.dtype)
    z[..., 0] = quantiles
    if rows > 1:
        z[..., 1] = quantiles[::-1, None]
    if isinstance(model, ConditionalVAE):
        z += model.prior_mu.data[y]
    pictures = model.pixels(z.reshape(-1, model.latent_dim)).reshape(rows, n, -1)
    rest = ", the others 0" if model.latent_dim > 2 else ""
    fig = _grid(pictures, f"the decoder over the prior's quantiles{rest}")
    ends = f"from {quantiles[0]:.1f} to {quantiles[-1]:.1f}"
    fig.supxlabel(f"latent 0, {ends}", fontsize=9)
    if rows > 1:
        fig.supylabel(f"latent 1, {ends}", fontsize=9)
    return fig


def latent_map(model, x, y):
    """Where the encoder puts each x (its mu, or an autoencoder's code), over the two latents that vary most.

    y: integers are drawn as their digit and in its colour, other numbers by a colour scale."""
    with no_grad():
        code = model.encode(x)
    code = (code[0] if isinstance(code, tuple) else code).data
    if code.shape[1] == 1:
        code = np.concatenate([code, np.zeros_like(code)], axis=1)
    across, up = sorted(np.argsort(code.var(axis=0))[::-1][:2])
    fig, ax = plt.subplots(figsize=(6, 5.4), layout="constrained")
    if np.asarray(y).dtype.kind in "iu":
        for i, k in enumerate(np.unique(y)):
            ax.scatter(*code[y == k][:, [across, up]].T, marker=f"${k}$", s=28, linewidths=0.2,
                       color=COLOURS[i % len(COLOURS)])
    else:
        fig.colorbar(ax.scatter(*code[:, [across, up]].T, c=y, s=10, cmap="viridis"), label="y")
    ax.set(title="where the encoder puts each image", xlabel=f"latent {across}", ylabel=f"latent {up}", aspect="equal")
    return fig


def _grid(rows, title, labels=()):
    """Rows of images (rows, n, D) as one picture, a thin border around each; black is 0 and white is 1."""
    rows = np.asarray(rows)
    n_rows, n, d = rows.shape
    side = isqrt(d)
    shape = (side, side) if side * side == d else (1, d)
    cells = np.pad(rows.reshape(n_rows, n, *shape), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
    picture = cells.transpose(0, 2, 1, 3).reshape(n_rows * (shape[0] + 2), n * (shape[1] + 2))
    width = min(8.0, 0.8 * n)
    fig, ax = plt.subplots(figsize=(width, width * picture.shape[0] / picture.shape[1] + 0.4), layout="constrained")
    ax.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize=10)
    ax.set(xticks=[], yticks=[(i + 0.5) * (shape[0] + 2) - 0.5 for i in range(len(labels))], yticklabels=list(labels))
    return fig


def taylor(report):
    """The remainder of a taylor_test against the step h, beside lines of slope 2 (a right gradient) and 1 (a wrong one).
    Raises ValueError for a report of check_gradients, which has no remainder; one of 0 is drawn at 1e-18."""
    if not len(report.steps):
        raise ValueError("this report has no remainders to draw: pass the one that taylor_test returned")
    h, remainder = report.steps, np.maximum(report.remainders, 1e-18)
    fig, ax = plt.subplots(figsize=(5.5, 4), layout="constrained")
    for power, style, colour in ((2, "--", COLOURS[2]), (1, ":", COLOURS[1])) if np.isfinite(report.slope) else ():
        ax.loglog(h, remainder[0] * (h / h[0]) ** power, style, color=colour, label=f"falls as h^{power}")
    ax.loglog(h, remainder, "o", color=COLOURS[0], label="remainder")
    ax.set(xlabel="step h", ylabel="|f(x + h v) - f(x) - h g.v|")
    ax.set_title("\n".join([report.title, *textwrap.wrap(report.diagnosis, 64)]), fontsize=10)
    ax.legend()
    return fig
