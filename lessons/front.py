"""The first picture of README.md: a map of handwritten digits, and what the decoder draws there.

  python lessons/front.py    trains on 20,000 images of MNIST and writes lessons/thumbnails/front.png

It takes about 15 s and needs the four files of MNIST (see mv.data.mnist): they are not downloaded.
"""

import sys

import matplotlib

matplotlib.use("Agg")

import numpy as np  # noqa: E402
from workbench import finished, rng  # noqa: E402
from workbench.film import TEXT, THUMBNAILS, Pair  # noqa: E402

import minivae as mv  # noqa: E402


def main():
    try:
        x, _ = mv.data.mnist("train", download=False)
        x_test, y_test = mv.data.mnist("test", download=False)
    except mv.data.DataError as error:
        sys.exit(f"This picture is of MNIST, which is not at hand. {error}")

    model = mv.VAE(784, hidden_dims=(256,), latent_dim=2, rng=rng(0))
    options = {"epochs": 12, "batch_size": 100, "lr": 2e-3}
    print(finished(mv.fit(model, x[:20000], rng=rng(1), **options)))

    pair = Pair(x_test[:800], y_test[:800], reach=3.5, n=14, mark=30)
    pair.left.set_title("where it puts digits it has not seen", fontsize=TEXT)
    pair.right.set_title("what it draws from there", fontsize=TEXT)
    pair.show(model, "A VAE that keeps two numbers of each picture")
    path = THUMBNAILS / "front.png"
    pair.fig.savefig(path, dpi=200)
    print(f"{path.stat().st_size / 1e6:.2f} MB: {path}")


if __name__ == "__main__":
    main()
