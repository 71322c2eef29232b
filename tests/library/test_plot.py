"""The figures: each comes back as a Figure that is not shown, for every model, with the right pictures in it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import minivae as mv

RNG = np.random.default_rng
X, Y = RNG(0).random((20, 16)), np.arange(20) % 3
MODELS = {"vae": (mv.VAE, {}), "one latent": (mv.VAE, {"latent_dim": 1}), "five latents": (mv.VAE, {"latent_dim": 5}),
          "gaussian": (mv.VAE, {"likelihood": "gaussian"}), "autoencoder": (mv.Autoencoder, {}),
          "conditional": (mv.ConditionalVAE, {"n_classes": 3})}


@pytest.fixture(params=MODELS)
def model(request):
    kind, extra = MODELS[request.param]
    yield kind(16, (8,), **{"latent_dim": 2, "rng": RNG(0), **extra})
    plt.close("all")


def picture(fig):
    return np.asarray(fig.axes[0].images[0].get_array())


def test_every_figure_for_every_model(model):
    for fig in (mv.plot.reconstructions(model, X), mv.plot.samples(model, RNG(1), n=3), mv.plot.manifold(model, n=4),
                mv.plot.latent_map(model, X, Y), mv.plot.latent_map(model, X, Y / 3)):
        assert isinstance(fig, Figure)
        fig.canvas.draw()


def test_reconstructions_stand_below_their_originals(model):
    image = picture(mv.plot.reconstructions(model, X, n=3))
    assert image.shape == (2 * 6, 3 * 6)
    np.testing.assert_array_equal(image[1:5, 7:11].ravel(), X[1])
    np.testing.assert_allclose(image[7:11, 7:11].ravel(), model.reconstruct(X)[1], atol=1e-6)


def test_the_manifold_is_a_grid_of_gaussian_quantiles():
    model = mv.VAE(16, (), 2, likelihood="gaussian", dtype=np.float64, rng=RNG(0))
    image = picture(mv.plot.manifold(model, n=2))
    q = 0.6744897501960817  # the normal distribution's upper quartile
    for row, column, z in ((0, 0, (-q, q)), (0, 1, (q, q)), (1, 0, (-q, -q)), (1, 1, (q, -q))):
        cell = image[6 * row + 1:6 * row + 5, 6 * column + 1:6 * column + 5]
        np.testing.assert_allclose(cell.ravel(), model.decode(np.array([z]))[0].data[0], rtol=1e-12)
    plt.close("all")


def test_conditional_samples_have_one_row_per_class():
    model = mv.ConditionalVAE(16, (), 2, likelihood="gaussian", n_classes=3, dtype=np.float64, rng=RNG(0))
    model.prior_mu.data[...] = [[30, 0], [0, 30], [-30, 0]]
    image, centres = picture(mv.plot.samples(model, RNG(1), n=5)), model.prior_mu.data @ model.decoder.layers[0].weight.data
    for k in range(3):
        row = image[6 * k:6 * k + 6].reshape(6, 5, 6)[1:5, :, 1:5].transpose(1, 0, 2).reshape(5, 16)
        distance = ((row[:, None] - centres) ** 2).sum(-1)
        assert (distance.argmin(1) == k).all()
    plt.close("all")


def test_curves_show_the_history():
    history = mv.History(loss=[3.0, 2.0], nll=[2.0, 1.0], kl=[1.0, 1.0], val_loss=[3.5, 2.5], seconds=[1, 1])
    lines = [line.get_ydata().tolist() for ax in mv.plot.curves(history).axes for line in ax.lines]
    assert lines == [[3.0, 2.0], [3.5, 2.5], [2.0, 1.0], [1.0, 1.0]]
    mv.plot.curves(mv.History(loss=[1.0], nll=[1.0], kl=[0.0], seconds=[1]))
    plt.close("all")
