"""A latent space to move through by hand: what the window shows, and what the mouse does."""

import numpy as np

from ..autodiff import no_grad
from ..checks.arguments import image_shape
from ..evaluate import elbo, kl_per_latent, log_mean_exp
from ..models import VAE
from ..vae_ops import std
from .marks import check_labels, draw, ink, scatter, sheet
from .window import Window

DRAWS = 64  # of z, for the ELBO: the same at each look, so that the numbers do not flicker
MOST_SLIDERS = 16


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
    explorer = Explorer(model, x, y, shape)
    fig = explorer.window.fig
    fig.explorer = explorer  # matplotlib alone would not keep it alive
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

    def __init__(self, model, images, labels, shape):
        self.model = model
        self.images = images
        self.labels = labels
        self.shape = shape
        self.is_vae = isinstance(model, VAE)
        self.label = [0] if model.n_classes else None
        self.z = self.prior_mean()
        self.pen = None  # where the mouse was, while a button is down on the pad

        # Which latents the map shows, and which have sliders: those that vary most.
        codes = self.z[None] if images is None else model.codes(images)  # (n, Z)
        order = np.argsort(-codes.var(axis=0), kind="stable")
        self.shown = np.sort(order[:2])
        self.points = self.on_map(codes)
        if model.latent_dim == 1:
            self.points[:, 1] = np.linspace(-2, 2, len(codes))  # apart, to be seen
        self.window = Window(shape, self.corners(), self.names(), self.is_vae)
        self.fill_map()
        self.add_sliders(np.sort(order[2 : 2 + MOST_SLIDERS]), codes)
        self.take(0)
        for name in ("motion_notify", "button_press", "button_release", "key_press"):
            self.window.fig.canvas.mpl_connect(f"{name}_event", getattr(self, f"on_{name}"))

    # The map

    def on_map(self, values, other=0.0):
        """The two latents of the map from values (n, Z), (n, 2); one that is not there is other."""
        pair = np.full((len(values), 2), other, dtype=np.float64)
        pair[:, : len(self.shown)] = values[:, self.shown]
        return pair

    def corners(self):
        """The lowest and highest of a square that holds the codes and the priors, each (2,)."""
        priors = self.on_map(self.prior_mean()[None])
        if self.model.n_classes:
            priors = self.on_map(self.model.prior_mu.data)
        seen = np.concatenate([priors - 2.4, priors + 2.4, self.points])
        middle = (seen.min(axis=0) + seen.max(axis=0)) / 2
        half = 0.52 * np.ptp(seen, axis=0).max()
        return middle - half, middle + half

    def fill_map(self):
        ax = self.window.map
        names = [f"latent {j}" for j in self.shown] + ["(there is no second latent)"]
        title = "the map: where the encoder puts x"
        if self.images is None:
            title = "the map: what the decoder draws"
            self.sheet = draw(ax, self.decoded_sheet(), extent=self.window.extent)
        else:
            scatter(ax, self.points, self.labels, loc="upper left")
        ax.set(title=title, xlabel=names[0], ylabel=names[1])

    def decoded_sheet(self, n=17):
        """What the decoder draws all over the map, each picture at its z."""
        low, high = self.corners()
        centres = low + (high - low) * (np.arange(n)[:, None] + 0.5) / n  # (n, 2)
        across, up = np.meshgrid(centres[:, 0], centres[::-1, 1])
        z = np.tile(self.z, (n * n, 1))  # (n^2, Z)
        z[:, self.shown] = np.stack([across.ravel(), up.ravel()])[: len(self.shown)].T
        pixels = np.clip(self.model.pixels(z), 0, 1)
        return sheet(pixels.reshape(n, n, *self.shape))

    # The numbers

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

    def names(self):
        """What stands beside the numbers, a line each."""
        names = ["nats", "nll   of x, given its code"]
        if self.is_vae:
            names = ["nats", "nll   of x, given z", "kl    from the prior", "ELBO  -(nll + kl)"]
        if self.is_vae and self.model.latent_dim <= 2:
            names.append("log p(x)  on a grid of z")
        return [*names, "", "nll   of x at the mouse"]

    def numbers_of_x(self, rests):
        """As names says; NaN for log p(x) while the hand moves, for that takes longer."""
        x = self.x[None]
        if not self.is_vae:
            nll, _ = self.model.terms(x)
            return [nll.item()]
        (bound,) = elbo(self.model, x, np.random.default_rng(0), DRAWS, self.label)
        kl = kl_per_latent(self.model, x, self.label).sum()
        numbers = [-bound - kl, kl, bound]
        if self.model.latent_dim <= 2:
            log_p = log_p_on_grid(self.model, self.x, self.prior_mean()) if rests else np.nan
            numbers.append(log_p)
        return numbers

    # What the window shows

    def show_x(self, rests):
        """What lies on the pad: q(z | x), the reconstruction, the numbers; then z."""
        mu, spread = self.q()
        (centre,) = self.on_map(mu[None])
        (width, height) = 4 * self.on_map(spread[None], 1.0)[0]
        window = self.window
        window.mean.set_data(centre[:1], centre[1:])
        window.posterior.center = centre
        window.posterior.width = width
        window.posterior.height = height
        (window.prior.center,) = self.on_map(self.prior_mean()[None])
        window.set_picture(0, self.x)
        window.set_picture(1, self.model.pixels(mu[None]))
        self.of_x = self.numbers_of_x(rests)
        self.show_z()

    def show_z(self):
        """What z decodes to, and what x costs from there; then all that moves is painted."""
        z = self.z[None]
        with no_grad():
            nll = self.model.nll(self.model.decode(z), self.x[None]).item()
        (place,) = self.on_map(z)
        lines = ["", *[f"{value:.2f}" for value in self.of_x], "", f"{nll:.2f}"]
        self.window.here.set_data(place[:1], place[1:])
        self.window.set_picture(2, self.model.pixels(z))
        self.window.numbers.set_text("\n".join(lines).replace("nan", "..."))
        self.window.paint()

    # What the hand does

    def add_sliders(self, latents, codes):
        """One for the class, if the model takes one, and one for each of these latents."""
        if self.model.n_classes:
            classes = np.arange(self.model.n_classes)
            self.window.add_slider("class", "class", classes, self.slide_class)
        for j in latents:
            values = np.append(codes[:, j], [-3, 3])
            self.window.add_slider(j, f"latent {j}", values, self.slider_of(j))

    def slide_class(self, value):
        self.label = [int(value)]
        self.show_x(rests=True)

    def slider_of(self, j):
        def slide(value):
            self.z[j] = value
            self.show_z()
            self.redraw()

        return slide

    def redraw(self):
        """Draw what does not move in the same stroke: sliders, and the map of the decoder."""
        if self.images is None:
            self.sheet.set_data(self.decoded_sheet())
        self.window.fig.canvas.draw_idle()

    def take(self, i):
        """Image i comes onto the pad; or nothing, if i is None or there are no images."""
        self.x = np.zeros(self.model.input_dim, self.model.dtype)
        name = "x is empty: draw"
        if i is not None and self.images is not None:
            self.x = self.images[i].copy()
            name = f"x is image {i}"
            if self.labels is not None:
                name += f", labelled {self.labels[i]}"
                self.label = [int(self.labels[i])] if self.model.n_classes else None
        self.window.source.set_text(name)
        self.rest()

    def rest(self):
        """The hand rests: z and the sliders go to mu, and log p(x) is worked out."""
        self.z = self.q()[0].copy()
        for key in self.window.sliders:
            self.window.set_slider(key, self.label[0] if key == "class" else self.z[key])
        self.show_x(rests=True)
        if self.window.sliders:
            self.redraw()

    def stroke(self, event):
        here = np.array([event.xdata, event.ydata])
        ink(self.x.reshape(self.shape), self.pen, here, self.rubs_out)
        self.pen = here
        self.window.source.set_text("x is your drawing")
        self.show_x(rests=False)

    def on_motion_notify(self, event):
        if event.inaxes is self.window.map:
            self.z[self.shown] = (event.xdata, event.ydata)[: len(self.shown)]
            self.show_z()
        elif event.inaxes is self.window.pad and self.pen is not None:
            self.stroke(event)

    def on_button_press(self, event):
        window = self.window
        if window.fig.canvas.widgetlock.locked():
            return  # the toolbar zooms or moves
        if event.inaxes is window.pad:
            self.rubs_out = event.button == 3  # the right one
            self.pen = np.array([event.xdata, event.ydata])
            self.stroke(event)
        elif event.inaxes is window.map and self.images is not None:
            away = window.map.transData.transform(self.points) - (event.x, event.y)
            self.take(np.sum(away**2, axis=1).argmin())

    def on_button_release(self, event):
        if self.pen is not None:
            self.pen = None
            self.rest()

    def on_key_press(self, event):
        if event.key == "e":
            self.take(None)
