"""A window in which the mouse moves through a latent space: the map, the pad and the numbers."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from matplotlib.widgets import Slider

from ..autodiff import no_grad
from ..checks.arguments import image_shape
from ..evaluate import elbo, kl_per_latent, log_mean_exp
from ..models import VAE
from ..vae_ops import std
from .marks import VERMILION, check_labels, draw, ink, scatter, sheet

DRAWS = 64  # of z, for the ELBO: the same at each look, so that the numbers do not flicker
MOST_SLIDERS = 16
KEYS = (
    "map: move to decode, click to take the nearest image      "
    "pad: left button draws, right button rubs out, key e empties it"
)
# What the numbers are: of x, and of x at the mouse.
OF_X = ["nll   of the pixels, given z", "kl    of q(z | x) from the prior", "ELBO  -(nll + kl)"]
LOG_P = "log p(x)  added up on a grid of z"
AT_THE_MOUSE = "nll   of x, decoded at the mouse"


def explore(model, x=None, y=None, shape=None):
    """A window to move through a model's latent space by hand. Gives its Figure, and never waits.

    The map shows the codes of x, and what lies under the mouse is decoded at once. A click takes
    the image with the nearest code to the pad, where you can draw, too: q(z | x), an ellipse of two
    std, moves as you do. The numbers are of what lies on the pad, in nats: nll, kl and ELBO,
    eq. (10.2), from 64 draws of z; with one or two latents also log p(x), see log_p_on_grid.

    With more than two latents the map shows the two that vary most, and sliders hold the rest (16
    of them at most). A ConditionalVAE has a slider for the class, an Autoencoder no ellipse or kl.

    model: any of the three.
    x: images (n, D), a few thousand at most; left out, the map shows what the decoder draws.
    y: their labels (n,), as for latent_map; for a ConditionalVAE, their classes.
    shape: of an image, (rows, cols) or (rows, cols, 3).

    In a script, plt.show() opens the window. Raises ValueError where x, y and shape do not fit.
    """
    shape = image_shape(shape, model.input_dim)
    if x is not None:
        x = model.check_input(x)
    if y is not None:
        y = check_labels(y, 0 if x is None else len(x))
        if model.n_classes:
            model.check_labels(y, len(x))
    fig = plt.figure(figsize=(12.4, 6.5))
    fig.explorer = Explorer(fig, model, x, y, shape)  # matplotlib alone would not keep it alive
    return fig


def log_p_on_grid(model, x, prior_mu=0.0, n=40):
    """log p(x) of one x (D,), nats: p(x | z) p(z), added up over a grid of one or two latents.

    The grid has n cells a side. The first reaches 6 std of the prior to each side; two more are
    laid over the part of the one before that counts, down to a share of e^-30 of its peak.
    """
    Z = model.latent_dim
    low = np.zeros(Z) + prior_mu - 6
    high = low + 12
    for _ in range(3):
        cell = (high - low) / n
        sides = low + cell * (np.arange(n)[:, None] + 0.5)  # (n, Z)
        z = np.stack(np.meshgrid(*sides.T), axis=-1).reshape(-1, Z)  # (n^Z, Z)
        with no_grad():
            nll = model.nll(model.decode(z), np.tile(x, (len(z), 1))).data  # (n^Z,)
        square = np.sum((z - prior_mu) ** 2, axis=1)
        log_joint = -nll.astype(np.float64) - 0.5 * (square + Z * np.log(2 * np.pi))
        log_p = log_mean_exp(log_joint) + np.log(high - low).sum()
        counts = z[log_joint > log_joint.max() - 30]
        low = counts.min(axis=0) - cell
        high = counts.max(axis=0) + cell
    return float(log_p)


class Explorer:
    """What the window shows, and what the hand does to it.

    x (D,) lies on the pad, z (Z,) is decoded; label is [the class of x], of a ConditionalVAE.
    """

    def __init__(self, fig, model, images, labels, shape):
        self.fig = fig
        self.model = model
        self.images = images
        self.labels = labels
        self.shape = shape
        self.is_vae = isinstance(model, VAE)
        self.label = [0] if model.n_classes else None
        self.z = self.prior_mean()
        self.pen = None  # where the mouse was, while a button is down on the pad
        self.background = None  # the picture of all that does not move, once it is drawn
        self.moving = []  # the artists that are painted over it

        # Which latents the map shows, and which have sliders: those that vary most.
        codes = self.z[None] if images is None else model.codes(images)  # (n, Z)
        order = np.argsort(-codes.var(axis=0), kind="stable")
        self.shown = np.sort(order[:2])
        self.add_map(codes)
        self.add_pictures_and_numbers()
        self.add_sliders(np.sort(order[2 : 2 + MOST_SLIDERS]), codes)
        self.take(0)
        for name in ("draw", "motion_notify", "button_press", "button_release", "key_press"):
            fig.canvas.mpl_connect(f"{name}_event", getattr(self, f"on_{name}"))

    # What the model says

    def prior_mean(self):
        zero = np.zeros((1, self.model.latent_dim), self.model.dtype)
        return (zero + self.model.prior_mean(self.label, 1))[0]  # (Z,)

    def q(self):
        """mu and std of q(z | x), each (Z,); of an autoencoder, the code and 0."""
        with no_grad():
            found = self.model.encode(self.x[None])
        if not self.is_vae:
            return found.data[0], np.zeros(self.model.latent_dim)
        mu, logvar = found
        return mu.data[0], std(logvar.data[0])

    def numbers_of_x(self, rests):
        """As OF_X and LOG_P name them; NaN for what takes too long while the hand moves."""
        x = self.x[None]
        if not self.is_vae:
            return [self.model.terms(x)[0].item()]
        (bound,) = elbo(self.model, x, np.random.default_rng(0), DRAWS, self.label)
        kl = kl_per_latent(self.model, x, self.label).sum()
        numbers = [-bound - kl, kl, bound]
        if self.model.latent_dim <= 2:
            numbers.append(log_p_on_grid(self.model, self.x, self.prior_mean()) if rests else np.nan)
        return numbers

    def on_map(self, values, other=0.0):
        """The two latents of the map from values (n, Z), (n, 2); one that is not there is other."""
        pair = np.full((len(values), 2), other, dtype=np.float64)
        pair[:, : len(self.shown)] = values[:, self.shown]
        return pair

    def decoded_sheet(self, n=17):
        """What the decoder draws all over the map, each picture at its z."""
        low, high = self.corners
        centres = low + (high - low) * (np.arange(n)[:, None] + 0.5) / n  # (n, 2)
        across, up = np.meshgrid(centres[:, 0], centres[::-1, 1])
        z = np.tile(self.z, (n * n, 1))  # (n^2, Z)
        z[:, self.shown] = np.stack([across.ravel(), up.ravel()])[: len(self.shown)].T
        return sheet(self.model.pixels(z).reshape(n, n, *self.shape))

    # The parts of the window

    def animated(self, artist):
        """The artist, left out of what does not move (where the canvas can paint over that)."""
        artist.set_animated(self.fig.canvas.supports_blit)
        self.moving.append(artist)
        return artist

    def add_map(self, codes):
        points = self.on_map(codes)
        if len(self.shown) == 1:
            points[:, 1] = np.linspace(-2, 2, len(codes))  # apart, to be seen
        self.points = points

        # A square that holds the codes and the priors.
        priors = self.on_map(self.model.prior_mu.data if self.model.n_classes else self.z[None])
        seen = np.concatenate([priors - 2.4, priors + 2.4, points])
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
        half = 0.52 * np.ptp(seen, axis=0).max()
        self.corners = (middle - half, middle + half)
        extent = np.stack(self.corners, axis=1).ravel()

        names = [f"latent {j}" for j in self.shown] + ["(there is no second latent)"]
        self.map = self.fig.add_axes((0.06, 0.16, 0.41, 0.78), xlabel=names[0], ylabel=names[1])
        if self.images is None:
            self.sheet = draw(self.map, self.decoded_sheet(), extent=extent)
            self.map.set_title("the map: what the decoder draws")
        else:
            scatter(self.map, points, self.labels, loc="upper left")
            self.map.set_title("the map: where the encoder puts x")
        self.map.set(xlim=extent[:2], ylim=extent[2:], aspect="equal")

        # The prior and q(z | x), two std each, and the places of mu and z.
        style = {"fill": False, "visible": self.is_vae}
        self.prior = self.map.add_patch(Ellipse((0, 0), 4, 4, color="0.4", ls="--", **style))
        self.ellipse = self.map.add_patch(Ellipse((0, 0), 4, 4, color=VERMILION, lw=2, **style))
        (self.mean,) = self.map.plot([0], [0], "+", color=VERMILION, ms=12, mew=2)
        (self.here,) = self.map.plot([0], [0], "x", color="0.2", ms=8, mew=2)
        for artist in (self.prior, self.ellipse, self.mean, self.here):
            self.animated(artist)

    def add_pictures_and_numbers(self):
        self.pictures = []
        for i, title in enumerate(["the pad: x", "x reconstructed", "decoded at the mouse"]):
            ax = self.fig.add_axes((0.51 + 0.165 * i, 0.64, 0.15, 0.3), title=title, xticks=[], yticks=[])
            self.pictures.append(self.animated(draw(ax, np.zeros(self.shape))))
        self.pad = self.pictures[0].axes

        names = OF_X if self.is_vae else OF_X[:1]
        if self.is_vae and self.model.latent_dim <= 2:
            names = [*names, LOG_P]
        names = ["nats", *names, AT_THE_MOUSE]
        style = {"va": "top", "family": "monospace", "fontsize": 12, "linespacing": 1.4}
        self.fig.text(0.6, 0.57, "\n".join(names), **style)
        self.numbers = self.animated(self.fig.text(0.585, 0.57, "", ha="right", **style))
        self.source = self.fig.text(0.51, 0.6, "", fontsize=12)
        self.fig.text(0.5, 0.03, KEYS, ha="center", fontsize=11)

    def add_sliders(self, latents, codes):
        """self.sliders: {latent, or "class": its Slider}, from top to bottom at the right."""
        ranges = {int(j): (min(-3.0, *codes[:, j]), max(3.0, *codes[:, j]), None) for j in latents}
        if self.model.n_classes:
            ranges = {"class": (0, self.model.n_classes - 1, 1), **ranges}
        self.sliders = {}
        for key, (low, high, step) in ranges.items():
            ax = self.fig.add_axes((0.9, 0.55 - 0.028 * len(self.sliders), 0.06, 0.02))
            name = key if key == "class" else f"latent {key}"
            self.sliders[key] = Slider(ax, name, low, high, valinit=low, valstep=step)
            self.sliders[key].on_changed(self.slide)

    # What it shows

    def show_x(self, rests):
        """What lies on the pad: q(z | x), the reconstruction, the numbers."""
        mu, spread = self.q()
        (centre,) = self.on_map(mu[None])
        self.mean.set_data(centre[:1], centre[1:])
        self.ellipse.center = centre
        self.ellipse.width, self.ellipse.height = 4 * self.on_map(spread[None], 1.0)[0]
        (self.prior.center,) = self.on_map(self.prior_mean()[None])
        self.show_picture(0, self.x)
        self.show_picture(1, self.model.pixels(mu[None]))
        self.of_x = self.numbers_of_x(rests)
        self.show_z()

    def show_z(self):
        """What z decodes to, and what x costs from there; then all that moves is painted."""
        z = self.z[None]
        with no_grad():
            nll = self.model.nll(self.model.decode(z), self.x[None]).item()
        self.show_picture(2, self.model.pixels(z))
        (place,) = self.on_map(z)
        self.here.set_data(place[:1], place[1:])
        numbers = [f"{value:.2f}" for value in [*self.of_x, nll]]
        self.numbers.set_text("\n".join(["", *numbers]).replace("nan", "..."))
        self.paint()

    def show_picture(self, i, x):
        self.pictures[i].set_data(np.clip(x, 0, 1).reshape(self.shape))

    def paint(self):
        """Paint what moves over what does not, which is much quicker than drawing everything."""
        canvas = self.fig.canvas
        if self.background is None:
            canvas.draw_idle()
            return
        canvas.restore_region(self.background)
        for artist in self.moving:
            self.fig.draw_artist(artist)
        canvas.blit(self.fig.bbox)

    # What the hand does

    def take(self, i):
        """Image i comes onto the pad; or nothing, if i is None or there are no images."""
        self.x = np.zeros(self.model.input_dim, self.model.dtype)
        source = "x is empty: draw"
        if i is not None and self.images is not None:
            self.x = self.images[i].copy()
            source = f"x is image {i}"
            if self.labels is not None:
                source += f", labelled {self.labels[i]}"
                self.label = [int(self.labels[i])] if self.model.n_classes else None
        self.rest(source)

    def rest(self, source):
        """z and the sliders go to mu, and log p(x) is worked out."""
        self.source.set_text(source)
        self.z, _ = self.q()
        for key, slider in self.sliders.items():
            slider.eventson = slider.drawon = False
            slider.set_val(self.label[0] if key == "class" else self.z[key])
            slider.eventson = slider.drawon = True
        self.show_x(rests=True)
        self.fig.canvas.draw_idle()

    def slide(self, _):
        for key, slider in self.sliders.items():
            if key == "class":
                self.label = [int(slider.val)]
            else:
                self.z[key] = slider.val
        if self.images is None:
            self.sheet.set_data(self.decoded_sheet())
        self.show_x(rests=True)
        self.fig.canvas.draw_idle()

    def stroke(self, event):
        here = np.array([event.xdata, event.ydata])
        ink(self.x.reshape(self.shape), self.pen, here, self.rubs_out)
        self.pen = here
        self.show_x(rests=False)

    # Events

    def on_draw(self, event):
        canvas = self.fig.canvas
        if canvas.supports_blit and not canvas.is_saving():
            self.background = canvas.copy_from_bbox(self.fig.bbox)
            self.paint()

    def on_motion_notify(self, event):
        if event.inaxes is self.map:
            self.z[self.shown] = (event.xdata, event.ydata)[: len(self.shown)]
            self.show_z()
        elif event.inaxes is self.pad and self.pen is not None:
            self.stroke(event)

    def on_button_press(self, event):
        if self.fig.canvas.widgetlock.locked():
            return  # the toolbar zooms or moves
        if event.inaxes is self.pad:
            self.rubs_out = event.button == 3  # the right one
            self.pen = np.array([event.xdata, event.ydata])
            self.stroke(event)
        elif event.inaxes is self.map and self.images is not None:
            away = self.map.transData.transform(self.points) - (event.x, event.y)
            self.take(np.sum(away**2, axis=1).argmin())

    def on_button_release(self, event):
        if self.pen is not None:
            self.pen = None
            self.rest("x is your drawing")

    def on_key_press(self, event):
        if event.key == "e":
            self.take(None)
