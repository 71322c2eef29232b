"""The explorer's window: its parts, their places, and how those that move are painted quickly."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from matplotlib.widgets import Slider

from .marks import VERMILION, draw

KEYS = (
    "map: move to decode, click to take the nearest image      "
    "pad: left button draws, right button rubs out, key e empties it"
)
MARKS = "+ the code of x   "
ELLIPSES = "orange: q(z | x)   dashed: the prior   (two std)"


class Window:
    """A figure with a map, three pictures, numbers and sliders.

    shape: of a picture.
    corners: the lowest and the highest point of the map, each (2,).
    names: of the numbers, one a line.
    has_posterior: whether the two ellipses of the map, prior and posterior, are to be seen.
    """

    def __init__(self, shape, corners, names, has_posterior):
        self.fig = plt.figure(figsize=(12.4, 6.5))
        self.shape = shape
        self.background = None  # the picture of all that does not move, once it is drawn
        self.moving = []  # the artists that are painted over it
        self.sliders = {}
        self.extent = np.stack(corners, axis=1).ravel()  # left, right, bottom, top
        self.add_map(has_posterior)
        self.add_pictures()
        self.add_numbers(names)
        self.fig.canvas.mpl_connect("draw_event", self.on_draw)

    def add_map(self, has_posterior):
        limits = {"xlim": self.extent[:2], "ylim": self.extent[2:], "aspect": "equal"}
        self.map = self.fig.add_axes((0.06, 0.18, 0.41, 0.76), **limits)
        style = {"fill": False, "visible": has_posterior}
        self.prior = self.map.add_patch(Ellipse((0, 0), 4, 4, color="0.4", ls="--", **style))
        self.posterior = self.map.add_patch(Ellipse((0, 0), 4, 4, color=VERMILION, lw=2, **style))
        (self.mean,) = self.map.plot([0], [0], "+", color=VERMILION, ms=12, mew=2)
        (self.here,) = self.map.plot([0], [0], "X", color="white", mec="black", ms=9)
        for artist in (self.prior, self.posterior, self.mean, self.here):
            artist.set_zorder(3)
            self.moves(artist)

    def add_pictures(self):
        self.pictures = []
        for i, title in enumerate(["the pad: x", "x reconstructed", "decoded at the mouse"]):
            place = (0.51 + 0.165 * i, 0.64, 0.15, 0.3)
            ax = self.fig.add_axes(place, title=title, xticks=[], yticks=[])
            self.pictures.append(self.moves(draw(ax, np.zeros(self.shape))))
        self.pad = self.pictures[0].axes

    def add_numbers(self, names):
        style = {"va": "top", "family": "monospace", "fontsize": 12, "linespacing": 1.4}
        self.source = self.moves(self.fig.text(0.51, 0.6, "", fontsize=12))
        self.fig.text(0.6, 0.56, "\n".join(names), **style)
        self.numbers = self.moves(self.fig.text(0.585, 0.56, "", ha="right", **style))
        self.fig.text(0.5, 0.03, KEYS, ha="center", fontsize=11)
        marks = MARKS + ELLIPSES if self.prior.get_visible() else MARKS
        self.fig.text(0.265, 0.075, marks, ha="center", fontsize=11)

    def add_slider(self, key, name, values, changed):
        """A slider over the range of values (n,), in steps if they are integers, below the others.

        changed: called with the new value, but not by set_slider.
        """
        ax = self.fig.add_axes((0.9, 0.55 - 0.028 * len(self.sliders), 0.06, 0.02))
        style = {"valfmt": "%.1f", "initcolor": "none"}
        if values.dtype.kind == "i":
            style.update(valfmt="%d", valstep=1)
        self.sliders[key] = Slider(ax, name, values.min(), values.max(), **style)
        self.sliders[key].on_changed(changed)

    def set_slider(self, key, value):
        slider = self.sliders[key]
        slider.eventson = False
        slider.drawon = False
        slider.set_val(value)
        slider.eventson = True
        slider.drawon = True

    def set_picture(self, i, x):
        self.pictures[i].set_data(np.clip(x, 0, 1).reshape(self.shape))

    # What moves is left out when the canvas draws, and painted over a copy of what it drew.

    def moves(self, artist):
        artist.set_animated(self.fig.canvas.supports_blit)
        self.moving.append(artist)
        return artist

    def on_draw(self, event):
        canvas = self.fig.canvas
        if canvas.supports_blit and not canvas.is_saving():
            self.background = canvas.copy_from_bbox(self.fig.bbox)
            self.paint()

    def paint(self):
        canvas = self.fig.canvas
        if self.background is None:
            canvas.draw_idle()
            return
        canvas.restore_region(self.background)
        for artist in self.moving:
            self.fig.draw_artist(artist)
        canvas.blit(self.fig.bbox)
