"""The figures: each a Figure that is not shown, for every model, with the right pictures in it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import minivae as mv
from minivae.checks.arguments import image_shape

RNG = np.random.default_rng
X = RNG(0).random((20, 16))
Y = np.arange(20) % 3
WORDS = np.array(["_shoe", "$bag$", "coat"])[Y]
MODELS = {
    "vae": (mv.VAE, {}),
    "one latent": (mv.VAE, {"latent_dim": 1}),
    "five latents": (mv.VAE, {"latent_dim": 5}),
    "gaussian": (mv.VAE, {"likelihood": "gaussian"}),
    "autoencoder": (mv.Autoencoder, {}),
    "conditional": (mv.ConditionalVAE, {"n_classes": 3}),
}


@pytest.fixture(autouse=True)
def no_figure_is_left():
    yield
    plt.close("all")


@pytest.fixture(params=MODELS)
def model(request):
    kind, extra = MODELS[request.param]
    return kind(16, (8,), **{"latent_dim": 2, "rng": RNG(0), **extra})


def linear(D, model=mv.VAE, **extra):
    """A model without hidden layers, whose decoder is z @ W."""
    return model(D, (), 2, likelihood="gaussian", dtype=np.float64, rng=RNG(0), **extra)


def picture(fig):
    return np.asarray(fig.axes[0].images[0].get_array())


def cell(image, row, column, height=4, width=4):
    """One picture of a sheet, without its border of one pixel."""
    top = row * (height + 2) + 1
    left = column * (width + 2) + 1
    return image[top : top + height, left : left + width]


def is_drawn(fig):
    assert isinstance(fig, Figure)
    fig.canvas.draw()
    return True


# Sheets of images

def test_every_sheet_for_every_model(model):
    assert is_drawn(mv.plot.reconstructions(model, X))
    assert is_drawn(mv.plot.samples(model, RNG(1), n=3))
    assert is_drawn(mv.plot.manifold(model, n=4))


def test_reconstructions_stand_below_their_originals(model):
    image = picture(mv.plot.reconstructions(model, X, n=3))
    assert image.shape == (2 * 6, 3 * 6)
    np.testing.assert_array_equal(cell(image, 0, 1).ravel(), X[1])
    np.testing.assert_allclose(cell(image, 1, 1).ravel(), model.reconstruct(X)[1], atol=1e-6)


Q = 0.6744897501960817  # the normal distribution's upper quartile


@pytest.mark.parametrize("row, column, z", [
    (0, 0, (-Q, Q)),
    (0, 1, (Q, Q)),
    (1, 0, (-Q, -Q)),
    (1, 1, (Q, -Q)),
])
def test_the_manifold_is_a_grid_of_gaussian_quantiles(row, column, z):
    model = linear(16)
    image = picture(mv.plot.manifold(model, n=2))
    want = model.pixels(np.array([z]))[0]
    np.testing.assert_allclose(cell(image, row, column).ravel(), want, rtol=1e-12)


def conditional():
    model = linear(16, mv.ConditionalVAE, n_classes=3)
    model.prior_mu.data[...] = [[30, 0], [0, 30], [-30, 0]]
    return model


@pytest.mark.parametrize("y, row", [(None, 0), (0, 0), (2, 2)])
def test_the_manifold_of_a_class_lies_about_its_mean(y, row):
    model = conditional()
    image = picture(mv.plot.manifold(model, n=1, y=y))  # the median only
    want = model.pixels(model.prior_mu.data[[row]])[0]
    np.testing.assert_allclose(cell(image, 0, 0).ravel(), want, rtol=1e-12)


def test_conditional_samples_have_one_row_per_class():
    model = conditional()
    image = picture(mv.plot.samples(model, RNG(1), n=5))
    centres = model.pixels(model.prior_mu.data)  # (3, 16)
    for k in range(3):
        for column in range(5):
            distances = np.sum((cell(image, k, column).ravel() - centres) ** 2, axis=1)
            assert distances.argmin() == k


# The shape of an image

@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (15, 1)])
def test_grey_images_of_any_shape(shape):
    x = RNG(0).random((4, 15))
    model = linear(15)
    image = picture(mv.plot.reconstructions(model, x, shape=shape))
    np.testing.assert_array_equal(cell(image, 0, 2, *shape), x[2].reshape(shape))
    image = picture(mv.plot.samples(model, RNG(1), n=2, shape=shape))
    assert image.shape == (2 * (shape[0] + 2), 2 * (shape[1] + 2))
    image = picture(mv.plot.manifold(model, n=2, shape=shape))
    want = model.pixels(np.array([[Q, -Q]])).reshape(shape)
    np.testing.assert_allclose(cell(image, 1, 1, *shape), want, rtol=1e-12)


def test_colour_images():
    x = RNG(0).random((4, 4 * 3 * 3))
    model = linear(36)
    image = picture(mv.plot.reconstructions(model, x, shape=(4, 3, 3)))
    assert image.shape == (2 * 6, 4 * 5, 3)
    np.testing.assert_array_equal(cell(image, 0, 2, 4, 3), x[2].reshape(4, 3, 3))
    assert is_drawn(mv.plot.samples(model, RNG(1), shape=(4, 3, 3)))
    assert is_drawn(mv.plot.manifold(model, n=2, shape=(4, 3, 3)))
    assert is_drawn(mv.plot.latent_map(model, x, shape=(4, 3, 3)))


@pytest.mark.parametrize("D, shape", [(64, (8, 8)), (784, (28, 28)), (1024, (32, 32)), (1, (1, 1))])
def test_a_grey_square_is_guessed(D, shape):
    assert image_shape(None, D) == shape


@pytest.mark.parametrize("D, square", [
    (560, ""),  # 28 x 20
    (3072, r"shape=\(32, 32, 3\)"),
    (324, r"shape=\(18, 18\)"),  # or 12 x 9 in colour
    (144 * 100, r"shape=\(120, 120\)"),  # or 160 x 90
    (17, ""),
])
def test_a_shape_that_cannot_be_guessed_is_asked_for(D, square):
    message = rf"{D} numbers .* shape=\(rows, cols\), or \(rows, cols, 3\) for colour.*{square}"
    model = linear(D)
    for draw in (
        lambda: mv.plot.samples(model, RNG(0)),
        lambda: mv.plot.manifold(model),
        lambda: mv.plot.reconstructions(model, np.zeros((2, D))),
    ):
        with pytest.raises(ValueError, match=message):
            draw()


@pytest.mark.parametrize("shape, message", [
    ((4, 5), r"shape \(4, 5\) is 20 numbers, but an image here has 16"),
    ((4, 4, 3), r"shape \(4, 4, 3\) is 48 numbers"),
    ((2, 4, 2), r"\(rows, cols, 3\) for colour, not \(2, 4, 2\)"),
    (4, "not 4"),
    ((-4, -4), "integer of at least 1, got -4"),
    ((3.2, 5), "integer of at least 1, got 3.2"),
])
def test_a_shape_that_does_not_fit_is_named(shape, message):
    with pytest.raises(ValueError, match=message):
        mv.plot.samples(linear(16), RNG(0), shape=shape)


# The map of codes

@pytest.mark.parametrize("y", [None, Y, Y / 3, WORDS, WORDS.tolist(), Y > 0, Y.astype(object)])
def test_a_map_for_every_model_and_kind_of_label(model, y):
    assert is_drawn(mv.plot.latent_map(model, X, y))


def dots(fig):
    """The points of each kind of mark, in the order in which they were drawn."""
    return [np.asarray(marks.get_offsets()) for marks in fig.axes[0].collections]


def test_a_map_shows_the_codes():
    model = linear(16)
    (found,) = dots(mv.plot.latent_map(model, X))
    np.testing.assert_allclose(found, model.codes(X), rtol=1e-12)


def test_a_map_takes_the_two_latents_that_vary_most():
    model = mv.VAE(3, (), 3, dtype=np.float64, rng=RNG(0))
    model.encoder.layers[0].weight.data[:, :3] = np.diag([2.0, 0.1, 3.0])
    x = RNG(0).random((9, 3))
    fig = mv.plot.latent_map(model, x)
    np.testing.assert_allclose(dots(fig)[0], x[:, [0, 2]] * [2, 3], rtol=1e-12)
    assert fig.axes[0].get_xlabel() == "latent 0"
    assert fig.axes[0].get_ylabel() == "latent 2"


@pytest.mark.parametrize("y", [Y, WORDS, WORDS.astype(object)])
def test_each_class_has_a_colour_of_its_own(y):
    model = linear(16)
    fig = mv.plot.latent_map(model, X, y)
    codes = model.codes(X)
    for marks, points, label in zip(fig.axes[0].collections, dots(fig), np.unique(y)):
        np.testing.assert_allclose(points, codes[y == label], rtol=1e-12)
    colours = [to_hex(marks.get_facecolor()[0]).upper() for marks in fig.axes[0].collections]
    assert colours == mv.plot.COLOURS[:3]


def test_words_stand_in_the_legend_as_they_are_written():
    legend = mv.plot.latent_map(linear(16), X, WORDS).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [r"\$bag\$", " _shoe", "coat"]


def test_some_images_are_drawn_where_they_lie():
    model = linear(16)
    ax = mv.plot.latent_map(model, X, shape=(4, 4)).axes[0]
    codes = model.codes(X)
    centres = []
    for image in ax.images:
        left, right, low, high = image.get_extent()
        centre = np.array([left + right, low + high]) / 2
        (i,) = np.flatnonzero(np.isclose(codes, centre).all(axis=1))
        np.testing.assert_array_equal(image.get_array(), X[i].reshape(4, 4))
        centres.append(centre)
        side = right - left
    assert 1 < len(centres) <= len(X)
    for i, a in enumerate(centres):
        for b in centres[:i]:
            assert np.abs(a - b).max() > side  # no picture lies over another


@pytest.mark.parametrize("y", [Y[:5], Y[:, None], "cat"])
def test_labels_that_do_not_fit(y):
    with pytest.raises(ValueError, match="y must be 20 labels, one for each x"):
        mv.plot.latent_map(linear(16), X, y)


# Curves and remainders

def test_curves_show_the_history():
    history = mv.History(
        loss=[3.0, 2.0],
        nll=[2.0, 1.0],
        kl=[1.0, 1.0],
        val_loss=[3.5, 2.5],
        seconds=[1, 1],
    )
    fig = mv.plot.curves(history)
    lines = [line.get_ydata().tolist() for ax in fig.axes for line in ax.lines]
    assert lines == [[3.0, 2.0], [3.5, 2.5], [2.0, 1.0], [1.0, 1.0]]


def test_curves_of_one_epoch_are_points():
    fig = mv.plot.curves(mv.History(loss=[1.0], nll=[1.0], kl=[0.0], seconds=[1]))
    assert [line.get_marker() for ax in fig.axes for line in ax.lines] == ["o"] * 3


def test_the_remainder_is_drawn_between_the_slopes():
    report = mv.taylor_test(mv.gaussian_kl, *RNG(0).normal(size=(2, 3, 2)), rng=RNG(1))
    square, straight, remainder = mv.plot.taylor(report).axes[0].lines
    np.testing.assert_allclose(remainder.get_ydata(), report.remainders)
    ratio = report.steps[-1] / report.steps[0]
    assert square.get_ydata()[-1] / square.get_ydata()[0] == pytest.approx(ratio**2)
    assert straight.get_ydata()[-1] / straight.get_ydata()[0] == pytest.approx(ratio)


def test_a_report_without_remainders_is_refused():
    report = mv.check_gradients(np.exp, np.zeros(2))
    with pytest.raises(ValueError, match="no remainders to draw"):
        mv.plot.taylor(report)
