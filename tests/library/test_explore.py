"""The explorer, driven by events: what it draws, decodes and prints is what the model says."""

import gc
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import minivae as mv
from minivae.screen.explore import DRAWS, log_p_on_grid
from minivae.screen.marks import ink

RNG = np.random.default_rng
X = RNG(0).random((20, 16))
Y = np.arange(20) % 3
MODELS = {
    "bernoulli, relu": (mv.VAE, {}),
    "tanh": (mv.VAE, {"activation": "tanh"}),
    "softplus": (mv.VAE, {"activation": "softplus"}),
    "gaussian, fixed": (mv.VAE, {"likelihood": "gaussian", "decoder_logvar": -2.0}),
    "gaussian, shared": (mv.VAE, {"likelihood": "gaussian"}),
    "gaussian, per pixel": (mv.VAE, {"likelihood": "gaussian", "decoder_logvar": "per_pixel"}),
    "one latent": (mv.VAE, {"latent_dim": 1}),
    "five latents": (mv.VAE, {"latent_dim": 5}),
    "conditional": (mv.ConditionalVAE, {"n_classes": 3}),
    "conditional, five": (mv.ConditionalVAE, {"n_classes": 3, "latent_dim": 5}),
    "autoencoder": (mv.Autoencoder, {}),
    "autoencoder, gaussian": (mv.Autoencoder, {"likelihood": "gaussian", "latent_dim": 3}),
}


def make(name, **more):
    """A model with random weights, large enough that codes and pictures differ."""
    kind, extra = MODELS[name]
    model = kind(16, (8,), **{"latent_dim": 2, "dtype": np.float64, "rng": RNG(0), **extra, **more})
    for parameter in model.parameters():
        parameter.data[...] += RNG(parameter.size).normal(size=parameter.shape) * 0.5
    return model


@pytest.fixture(params=MODELS)
def model(request):
    return make(request.param)


@pytest.fixture(autouse=True)
def idle(monkeypatch):
    """How often a canvas was asked to draw when idle, which here it never is (Agg alone does so
    at once). No figure is left over."""
    asked = []
    monkeypatch.setattr(FigureCanvasAgg, "draw_idle", lambda canvas: asked.append(canvas))
    yield asked
    plt.close("all")


# The hand

def mouse(fig, what, ax, place, button=None):
    """what: 'motion_notify', 'button_press' or 'button_release', at a place in the data of ax."""
    x, y = ax.transData.transform(place)
    name = f"{what}_event"
    fig.canvas.callbacks.process(name, MouseEvent(name, fig.canvas, x, y, button))


def move(fig, place):
    mouse(fig, "motion_notify", parts(fig).map, place)


def click(fig, place, button=1):
    mouse(fig, "button_press", parts(fig).map, place, button)
    mouse(fig, "button_release", parts(fig).map, place, button)


def draw_line(fig, places, button=1, let_go=True):
    """With the mouse, on the pad: places are (column, row)."""
    pad = parts(fig).pad
    mouse(fig, "button_press", pad, places[0], button)
    for place in places:
        mouse(fig, "motion_notify", pad, place, button)
    if let_go:
        mouse(fig, "button_release", pad, places[-1], button)


def press(fig, key):
    fig.canvas.callbacks.process("key_press_event", KeyEvent("key_press_event", fig.canvas, key))


# What is seen

def parts(fig):
    return fig.explorer.window


def picture(fig, i):
    return np.asarray(parts(fig).pictures[i].get_array()).ravel()


def pad(fig):
    """What is drawn on it, as a batch of one."""
    return picture(fig, 0)[None]


def numbers(fig):
    """{'nll': ..., 'kl': ...}, as they stand beside their names; 'at the mouse' for the last."""
    (names,) = [text.get_text() for text in fig.texts if text.get_text().startswith("nats")]
    values = parts(fig).numbers.get_text()
    found = {}
    for name, value in zip(names.split("\n"), values.split("\n")):
        key = name.split("  ")[0]
        if name.endswith("at the mouse"):
            key = "at the mouse"
        if value:
            found[key] = value
    return found


def code_at(fig, place):
    """The z that a place on the map stands for, the other latents being where they are."""
    z = fig.explorer.z.copy()
    z[fig.explorer.shown] = place[: len(fig.explorer.shown)]
    return z[None]


def posterior(model, x):
    """mu and std."""
    mu, logvar = model.encode(x)
    return mu.data[0], np.exp(logvar.data[0] / 2)


def the_numbers_are_the_models_own(fig, model, labels=None):
    x = pad(fig)
    found = numbers(fig)
    nll = model.nll(model.decode(fig.explorer.z[None]), x).item()
    wanted = {"at the mouse": nll}
    if isinstance(model, mv.VAE):
        elbo = mv.evaluate.elbo(model, x, RNG(0), DRAWS, labels)[0]
        kl = mv.evaluate.kl_per_latent(model, x, labels).sum()
        wanted.update(nll=-elbo - kl, kl=kl, ELBO=elbo)
        if model.latent_dim <= 2:
            wanted["log p(x)"] = log_p_on_grid(model, x[0], model.prior_mean(labels, 1))
    else:
        wanted["nll"] = model.terms(x)[0].item()
    assert {name: float(value) for name, value in found.items()} == pytest.approx(wanted, abs=0.006)


# The map

def test_it_gives_a_figure_and_does_not_wait(model):
    y = Y if model.n_classes else None
    fig = mv.plot.explore(model, X, y)
    assert isinstance(fig, Figure)
    fig.canvas.draw()
    the_numbers_are_the_models_own(fig, model, [0] if model.n_classes else None)


def test_what_lies_under_the_mouse_is_decoded(model):
    fig = mv.plot.explore(model, X, Y)
    for place in [(0.3, -0.4), (-1.0, 1.1)]:
        move(fig, place)
        z = code_at(fig, place)
        np.testing.assert_allclose(picture(fig, 2), np.clip(model.pixels(z)[0], 0, 1), atol=1e-6)
        np.testing.assert_allclose(fig.explorer.z, z[0], atol=1e-6)
        nll = model.nll(model.decode(z), pad(fig)).item()
        assert float(numbers(fig)["at the mouse"]) == pytest.approx(nll, abs=0.006)


def test_a_click_takes_the_image_with_the_nearest_code(model):
    i = 11
    fig = mv.plot.explore(model, X, Y)
    click(fig, fig.explorer.points[i])
    np.testing.assert_array_equal(pad(fig), X[[i]])
    np.testing.assert_allclose(picture(fig, 1), np.clip(model.reconstruct(X[[i]])[0], 0, 1))
    assert parts(fig).source.get_text() == f"x is image {i}, labelled {Y[i]}"
    the_numbers_are_the_models_own(fig, model, [Y[i]] if model.n_classes else None)


def test_the_points_are_the_codes_in_the_latents_that_vary_most():
    model = make("five latents")
    fig = mv.plot.explore(model, X)
    codes = model.codes(X)
    first, second = np.sort(np.argsort(codes.var(axis=0))[-2:])
    (marks,) = [c for c in parts(fig).map.collections]
    np.testing.assert_allclose(marks.get_offsets(), codes[:, [first, second]])
    assert parts(fig).map.get_xlabel() == f"latent {first}"
    assert parts(fig).map.get_ylabel() == f"latent {second}"


def test_the_ellipse_is_two_std_of_the_posterior():
    model = make("bernoulli, relu")
    fig = mv.plot.explore(model, X)
    click(fig, fig.explorer.points[7])
    mu, std = posterior(model, X[[7]])
    ellipse = parts(fig).posterior
    np.testing.assert_allclose(ellipse.center, mu)
    np.testing.assert_allclose([ellipse.width, ellipse.height], 4 * std)
    np.testing.assert_allclose(np.ravel(parts(fig).mean.get_data()), mu)
    assert tuple(parts(fig).prior.center) == (0, 0)
    assert parts(fig).prior.width == parts(fig).prior.height == 4


def test_one_latent_has_its_ellipse_across():
    model = make("one latent")
    fig = mv.plot.explore(model, X)
    click(fig, fig.explorer.points[7])
    mu, std = posterior(model, X[[7]])
    assert parts(fig).posterior.width == pytest.approx(4 * std[0])
    assert parts(fig).posterior.center[0] == pytest.approx(mu[0])


def test_an_autoencoder_has_no_ellipse_and_no_kl():
    model = make("autoencoder")
    fig = mv.plot.explore(model, X)
    assert not parts(fig).posterior.get_visible() and not parts(fig).prior.get_visible()
    assert list(numbers(fig)) == ["nll", "at the mouse"]
    np.testing.assert_allclose(np.ravel(parts(fig).mean.get_data()), model.codes(X[:1])[0])


def test_without_images_the_map_shows_what_the_decoder_draws(model):
    fig = mv.plot.explore(model)
    image = parts(fig).map.images[0]
    drawn = np.asarray(image.get_array())
    n = len(drawn) // 6  # a picture has 4 pixels and a border of 1
    left, right, bottom, top = image.get_extent()
    for row, column in [(0, 0), (2, 5), (n - 1, n - 1)]:
        across = left + (right - left) * (column + 0.5) / n
        up = top + (bottom - top) * (row + 0.5) / n
        cell = drawn[6 * row + 1 : 6 * row + 5, 6 * column + 1 : 6 * column + 5]
        want = model.pixels(code_at(fig, (across, up)))[0]
        np.testing.assert_allclose(cell.ravel(), np.clip(want, 0, 1))
        move(fig, (across, up))
        np.testing.assert_allclose(picture(fig, 2), np.clip(cell.ravel(), 0, 1))
    click(fig, (0, 0))  # there is no image to take
    assert not pad(fig).any()


# The pad

def test_the_posterior_moves_while_one_draws():
    model = make("bernoulli, relu")
    fig = mv.plot.explore(model, X)
    press(fig, "e")
    seen = []
    for places in [[(1, 0), (1, 3)], [(1, 3), (3, 3)]]:
        draw_line(fig, places, let_go=False)
        mu, std = posterior(model, pad(fig))
        np.testing.assert_allclose(parts(fig).posterior.center, mu)
        assert parts(fig).posterior.width == pytest.approx(4 * std[0])
        np.testing.assert_allclose(picture(fig, 1), model.reconstruct(pad(fig))[0])
        assert numbers(fig)["log p(x)"] == "..."
        seen.append(mu)
    assert np.abs(seen[1] - seen[0]).max() > 0.01
    mouse(fig, "button_release", parts(fig).pad, (3, 3), 1)
    the_numbers_are_the_models_own(fig, model)
    assert parts(fig).source.get_text() == "x is your drawing"


@pytest.mark.parametrize("model", ["tanh", "conditional, five", "autoencoder"], indirect=True)
def test_drawing_rubbing_out_and_emptying(model):
    fig = mv.plot.explore(model, X, Y)
    press(fig, "e")
    assert not pad(fig).any()
    draw_line(fig, [(1, 0), (1, 3)])
    drawn = pad(fig).reshape(4, 4)
    assert (drawn[:, 1] == 1).all() and not drawn[:, 3].any()
    draw_line(fig, [(1, 0), (1, 3)], button=3)
    assert not pad(fig).reshape(4, 4)[:, 1].any()
    draw_line(fig, [(0, 0)])
    press(fig, "x")
    assert pad(fig).any()
    press(fig, "e")
    assert not pad(fig).any()


def test_drawing_on_an_image_leaves_the_image_alone():
    x = X.copy()
    fig = mv.plot.explore(make("bernoulli, relu"), x)
    draw_line(fig, [(0, 0), (3, 3)])
    np.testing.assert_array_equal(x, X)


def test_moving_over_the_pad_without_a_button_draws_nothing():
    fig = mv.plot.explore(make("bernoulli, relu"), X)
    mouse(fig, "motion_notify", parts(fig).pad, (1, 1))
    np.testing.assert_array_equal(pad(fig), X[:1])


def test_the_pen_goes_from_place_to_place():
    fig = mv.plot.explore(make("bernoulli, relu"), X)
    press(fig, "e")
    draw_line(fig, [(0, 0), (0, 3), (3, 3)])
    drawn = pad(fig).reshape(4, 4)
    assert (drawn[:, 0] == 1).all() and (drawn[3] == 1).all()
    assert drawn[1, 2] == 0 and drawn[0, 3] == 0


def test_ink_is_a_soft_line_of_the_right_width():
    image = np.zeros((28, 28))
    ink(image, np.array([5.0, 14.0]), np.array([20.0, 14.0]))
    radius = 28 / 22
    want = np.clip(radius + 0.5 - np.abs(np.arange(28) - 14), 0, 1)
    np.testing.assert_allclose(image[:, 12], want)
    assert not image[:, 3].any() and not image[:, 22].any()
    ink(image, np.array([5.0, 14.0]), np.array([20.0, 14.0]), rubs_out=True)
    assert image.max() < 1 - want.max() + 0.5


def test_colour_images():
    model = mv.VAE(4 * 3 * 3, (8,), 2, rng=RNG(0))
    x = RNG(0).random((5, 36))
    fig = mv.plot.explore(model, x, shape=(4, 3, 3))
    np.testing.assert_allclose(pad(fig), x[:1], atol=1e-6)
    press(fig, "e")
    draw_line(fig, [(1, 0), (1, 3)])
    drawn = np.asarray(parts(fig).pictures[0].get_array())
    assert drawn.shape == (4, 3, 3) and (drawn[:, 1] == 1).all()
    assert mv.plot.explore(model, shape=(4, 3, 3))


# Sliders

def test_sliders_hold_the_latents_that_the_map_does_not_show():
    model = make("five latents")
    fig = mv.plot.explore(model, X)
    sliders = parts(fig).sliders
    assert sorted([*sliders, *fig.explorer.shown]) == [0, 1, 2, 3, 4]
    click(fig, fig.explorer.points[5])
    for j, slider in sliders.items():
        assert slider.val == pytest.approx(model.codes(X[[5]])[0, j])
    j = list(sliders)[1]
    sliders[j].set_val(1.5)
    move(fig, (0.2, 0.1))
    z = model.codes(X[[5]])
    z[0, fig.explorer.shown] = 0.2, 0.1
    z[0, j] = 1.5
    np.testing.assert_allclose(picture(fig, 2), model.pixels(z)[0])


def test_a_slider_redraws_the_map_of_the_decoder(idle):
    fig = mv.plot.explore(make("five latents"))
    image = parts(fig).map.images[0]
    before = np.array(image.get_array())
    idle.clear()
    parts(fig).sliders[4].set_val(2.0)
    assert fig.canvas in idle
    assert np.abs(image.get_array() - before).max() > 0.01


def test_many_latents_have_sixteen_sliders():
    fig = mv.plot.explore(make("five latents", latent_dim=30), X)
    assert len(parts(fig).sliders) == 16


@pytest.mark.parametrize("name", ["conditional", "conditional, five"])
def test_the_class_has_a_slider(name):
    model = make(name)
    fig = mv.plot.explore(model, X, Y)
    click(fig, fig.explorer.points[5])
    slider = parts(fig).sliders["class"]
    assert slider.val == Y[5]
    for k in (0, 1, 2):
        slider.set_val(k)
        the_numbers_are_the_models_own(fig, model, [k])
        shown = model.prior_mu.data[k, fig.explorer.shown]
        np.testing.assert_allclose(parts(fig).prior.center, shown)


# The window

def screen(fig):
    return np.array(fig.canvas.buffer_rgba())


@pytest.mark.parametrize("model", ["tanh", "conditional, five", "autoencoder"], indirect=True)
def test_painting_gives_the_same_picture_as_drawing_everything(model):
    fig = mv.plot.explore(model, X, Y)
    fig.canvas.draw()
    before = screen(fig)
    move(fig, (0.4, 0.3))
    draw_line(fig, [(0, 0), (3, 2)], let_go=False)
    painted = screen(fig)
    assert (painted != before).any()
    fig.canvas.draw()
    np.testing.assert_array_equal(screen(fig), painted)


def test_a_canvas_that_cannot_paint_over_draws_everything(monkeypatch, idle):
    monkeypatch.setattr(FigureCanvasAgg, "supports_blit", False)
    fig = mv.plot.explore(make("bernoulli, relu"), X, Y)
    fig.canvas.draw()
    before = screen(fig)
    idle.clear()
    move(fig, (0.4, 0.3))
    assert idle == [fig.canvas]
    fig.canvas.draw()
    assert (screen(fig) != before).any()


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_saved_figure_shows_what_moves_as_well(kind):
    fig = mv.plot.explore(make("bernoulli, relu"), X, Y)
    sizes = []
    for visible in (True, False):
        for artist in parts(fig).moving:
            artist.set_visible(visible)
        file = io.BytesIO()
        fig.savefig(file, format=kind)
        sizes.append(len(file.getvalue()))
    assert sizes[0] > sizes[1] + 1000


def test_saving_at_another_size_disturbs_nothing():
    fig = mv.plot.explore(make("bernoulli, relu"), X, Y)
    fig.canvas.draw()
    fig.savefig(io.BytesIO(), dpi=60)
    move(fig, (0.4, 0.3))
    painted = screen(fig)
    fig.canvas.draw()
    np.testing.assert_array_equal(screen(fig), painted)


def test_the_toolbar_keeps_its_clicks():
    fig = mv.plot.explore(make("bernoulli, relu"), X)
    fig.canvas.widgetlock("the toolbar")
    click(fig, fig.explorer.points[5])
    draw_line(fig, [(0, 0), (3, 3)])
    np.testing.assert_array_equal(pad(fig), X[:1])


def test_it_lives_as_long_as_its_figure():
    fig = mv.plot.explore(make("bernoulli, relu"), X)
    gc.collect()
    click(fig, fig.explorer.points[5])
    np.testing.assert_array_equal(pad(fig), X[[5]])


# What does not fit

@pytest.mark.parametrize("x, y, message", [
    (X, Y[:5], "y must be 20 labels, one for each x, got shape"),
    (None, Y, "y must be 0 labels, one for each x, got shape"),
    (X[:, :5], None, "x has shape"),
    (X * 2, None, "rescale x"),
])
def test_what_does_not_fit_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        mv.plot.explore(make("bernoulli, relu"), x, y)


def test_classes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="integers from 0 to 2"):
        mv.plot.explore(make("conditional"), X, Y + 1)
    assert not plt.get_fignums()


# log p(x)

def test_log_p_on_a_grid_is_exact_where_log_p_is_known():
    x = RNG(3).normal(size=(200, 5)) @ RNG(4).normal(size=(5, 5))
    for latents in (1, 2):
        truth = mv.evaluate.ppca(x, latents)
        model = truth.linear_vae()
        found = [log_p_on_grid(model, row) for row in x[:10]]
        np.testing.assert_allclose(found, truth.log_prob(x[:10]), atol=1e-6)


def test_log_p_on_a_grid_finds_a_posterior_that_is_narrow_or_elsewhere():
    x = RNG(3).normal(size=(200, 5)) @ RNG(4).normal(size=(5, 5))
    truth = mv.evaluate.ppca(x, 2)
    narrow = mv.evaluate.PPCA(truth.mean, 30 * truth.W, truth.variance)  # std 0.03 and less
    found = [log_p_on_grid(narrow.linear_vae(), row) for row in x[:10]]
    np.testing.assert_allclose(found, narrow.log_prob(x[:10]), atol=1e-3)


def test_log_p_of_a_class_lies_about_its_mean():
    model = make("conditional")
    model.prior_mu.data[...] = [[30, 0], [0, 30], [-30, 0]]
    plain = make("bernoulli, relu")
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if k != "prior_mu"})
    shift = model.prior_mu.data[1]
    # The same model, with its codes measured from that mean.
    first = plain.decoder.layers[0]
    first.bias.data[...] += shift @ first.weight.data
    want = log_p_on_grid(plain, X[0])
    assert log_p_on_grid(model, X[0], shift) == pytest.approx(want, abs=1e-9)


def test_log_p_on_a_grid_agrees_with_many_weighted_samples():
    model = make("bernoulli, relu")
    for row in X[:5]:
        bound = mv.evaluate.log_likelihood(model, row[None], 4000, RNG(1)).mean
        assert log_p_on_grid(model, row) == pytest.approx(bound, abs=0.1)
