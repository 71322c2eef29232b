"""The film of a training: as many frames as asked for, of one size and few colours, small."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image, ImageSequence
from workbench.film import Pair, film, growing_gaps

import minivae as mv

RNG = np.random.default_rng


def small():
    x, y = mv.data.digits()
    model = mv.VAE(64, hidden_dims=(8,), latent_dim=2, rng=RNG(0))
    return model, x[:100], y[:100]


@pytest.mark.parametrize("frames, epochs", [(2, 1), (2, 50), (7, 6), (30, 150), (40, 41)])
def test_frames_come_at_growing_gaps(frames, epochs):
    chosen = growing_gaps(frames, epochs)
    gaps = np.diff(chosen)
    assert len(chosen) == frames
    assert (chosen[0], chosen[-1]) == (0, epochs)
    assert gaps.min() >= 1
    assert (np.diff(gaps) >= -1).all()  # but for rounding


@pytest.mark.parametrize("frames, epochs", [(1, 5), (7, 5)])
def test_frames_that_there_are_not(frames, epochs):
    with pytest.raises(ValueError, match="5 epochs give 2 to 6 frames"):
        growing_gaps(frames, epochs)


def test_a_film_of_four_frames(tmp_path):
    model, x, y = small()
    path = tmp_path / "film.gif"
    history = film(path, model, x, y, frames=4, epochs=5, rng=RNG(1), batch_size=50)
    assert len(history.loss) == 5
    with Image.open(path) as gif:
        shots = [shot.convert("RGB") for shot in ImageSequence.Iterator(gif)]
    assert len(shots) == 4
    assert {shot.size for shot in shots} == {(830, 470)}
    assert all(len(shot.getcolors()) <= 31 for shot in shots)
    assert path.stat().st_size < 4 * 35_000
    blue = tuple(round(255 * c) for c in to_rgb(mv.plot.COLOURS[0]))
    assert blue in [colour for _, colour in shots[-1].getcolors()]


def test_a_picture_stands_where_its_code_lies():
    model, x, y = small()
    pair = Pair(x, y, reach=2.0, n=4)
    pair.show(model)
    drawn = np.asarray(pair.image.get_array())
    for z, row, column in [((-1.5, 1.5), 0, 0), ((0.5, -1.5), 3, 2)]:
        cell = drawn[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        np.testing.assert_allclose(cell.ravel(), model.pixels(np.array([z]))[0], atol=1e-6)
    assert pair.image.get_extent() == [*pair.left.get_xlim(), *pair.left.get_ylim()]
