"""The map that organises itself: codes and the decoder's pictures side by side, while a VAE trains.

  python lessons/workbench/film.py [FRAMES]    lessons/thumbnails/training.gif, of digits 8 by 8
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.colors import to_rgb
from PIL import Image  # matplotlib stands on it

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    import workbench  # noqa: F401  finds minivae

import minivae as mv

THUMBNAILS = Path(__file__).resolve().parents[1] / "thumbnails"
BEFORE = "before training"
TEXT = 12.5  # points: at README width as large as the text beside it


class Pair:
    """A map of codes, and beside it what the decoder draws, over the same two latents.

    A picture on the right stands exactly where its z lies on the left.

    x, y: what is encoded (n, D), and its classes (n,).
    reach: both panels go from -reach to reach.
    n: pictures in a row.
    mark: the area of a digit of the map, in square points.
    """

    def __init__(self, x, y, reach=2.5, n=10, mark=34):
        self.x = x
        self.y = y
        self.reach = reach
        self.n = n
        self.mark = mark
        self.fig, axes = plt.subplots(1, 2, figsize=(8.3, 4.7), layout="constrained")
        self.left, self.right = axes
        side = int(x.shape[1] ** 0.5)
        self.shape = (side, side)
        extent = (-reach, reach, -reach, reach)
        style = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
        self.image = self.right.imshow(np.zeros((n * side, n * side)), extent=extent, **style)
        edges = np.linspace(-reach, reach, n + 1)[1:-1]
        self.right.hlines(edges, -reach, reach, color="0.5", linewidth=1)
        self.right.vlines(edges, -reach, reach, color="0.5", linewidth=1)
        self.left.set_title("where the encoder puts digits", fontsize=TEXT)
        self.right.set_title("what the decoder draws there", fontsize=TEXT)
        most = int(np.ceil(reach)) - 1  # a tick at the very edge would touch its neighbour's
        ticks = np.arange(-most, most + 1)
        for ax in axes:
            ax.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xticks=ticks, yticks=ticks)
            ax.set_xlabel("latent 0", fontsize=TEXT)
            ax.tick_params(labelsize=TEXT)
        self.left.set_ylabel("latent 1", fontsize=TEXT)
        self.marks = []
        self.title = self.fig.suptitle(BEFORE, fontsize=TEXT + 1)
        self.fig.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
        for _ in range(2):  # the second time finds how large square axes came out
            self.fig.draw_without_rendering()
        self.fig.set_layout_engine("none")  # the layout is found and stays, so nothing jumps

    def show(self, model, title=""):
        """The two panels as this model has them."""
        for marks in self.marks:
            marks.remove()
        codes = model.codes(self.x)  # (n, 2)
        self.marks = []
        for k in np.unique(self.y):
            style = {"marker": f"${k}$", "color": mv.plot.COLOURS[k], "s": self.mark, "linewidths": 0.3}
            self.marks.append(self.left.scatter(*codes[self.y == k].T, **style))
        self.image.set_data(self.manifold(model))
        self.title.set_text(title)

    def manifold(self, model):
        """One picture of n by n decoder means, each at the centre of its square of the plane."""
        n = self.n
        centres = self.reach * ((np.arange(n) + 0.5) / n * 2 - 1)
        across, up = np.meshgrid(centres, centres[::-1])
        z = np.stack([across.ravel(), up.ravel()], axis=1)  # (n^2, 2)
        pictures = model.pixels(z).reshape(n, n, *self.shape)
        return np.concatenate([np.concatenate(row, axis=1) for row in pictures], axis=0)


class FewColours(PillowWriter):
    """One small palette for all frames, so that nothing flickers and the file is a third as large.

    It has the colours of the map, pure and half as strong, and eleven greys.
    """

    palette = Image.new("P", (1, 1))
    strong = np.array([to_rgb(colour) for colour in mv.plot.COLOURS])
    greys = np.linspace(0, 1, 11)[:, None] * np.ones(3)
    colours = np.concatenate([strong, (1 + strong) / 2, greys])
    palette.putpalette((255 * colours).round().astype(np.uint8).tobytes())

    def grab_frame(self, **options):
        super().grab_frame(**options)
        frame = self._frames[-1].convert("RGB")
        self._frames[-1] = frame.quantize(palette=self.palette, dither=Image.Dither.NONE)


def film(path, model, x, y, frames, epochs, rng, seconds=9.0, shown=400, **options):
    """Train the model on x, and write a GIF of `frames` frames of how its map comes about.

    frames: at most epochs + 1. The first is of the model before training; the gaps between the
        others grow, since most happens early.
    x, y: what it is trained on (n, D), and classes that only colour the map (n,).
    seconds: that the film takes, before it stops at the last frame for two more.
    shown: how many of x are on the map.
    options: for fit.
    """
    pair = Pair(x[:shown], y[:shown])
    chosen = growing_gaps(frames, epochs)
    writer = FewColours(fps=frames / seconds)
    with writer.saving(pair.fig, path, dpi=100):

        def add(model, history):
            epoch = len(history.loss)
            if epoch in chosen:
                title = f"epoch {epoch}: -ELBO {history.loss[-1]:.1f} nats" if epoch else BEFORE
                pair.show(model, title)
                writer.grab_frame()

        add(model, mv.History())
        history = mv.fit(model, x, epochs=epochs, rng=rng, callback=add, **options)
        for _ in range(round(2 * frames / seconds)):
            writer.grab_frame()
    plt.close(pair.fig)
    return history


def growing_gaps(frames, epochs):
    """`frames` epochs from 0 to `epochs`, each gap at least as long as the one before."""
    if not 2 <= frames <= epochs + 1:
        raise ValueError(f"{epochs} epochs give 2 to {epochs + 1} frames, not {frames}")
    chosen = [0]
    for left in range(frames - 1, 0, -1):
        # What is left over, shared out so that the last frame is the last epoch.
        ratio = (epochs / max(chosen[-1], 1)) ** (1 / left)
        chosen.append(max(chosen[-1] + 1, round(max(chosen[-1], 1) * ratio)))
    chosen[-1] = epochs
    return chosen


def main(frames=30):
    x, y = mv.data.digits()
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    start = np.random.default_rng(1)
    model = mv.VAE(64, hidden_dims=(128,), latent_dim=2, activation="tanh", rng=start)
    path = THUMBNAILS / "training.gif"
    options = {"epochs": 150, "batch_size": 64, "lr": 3e-3, "rng": np.random.default_rng(3)}
    history = film(path, model, x, y, frames, **options)
    print(f"{history}\n{frames} frames, {path.stat().st_size / 1e6:.2f} MB: {path}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
