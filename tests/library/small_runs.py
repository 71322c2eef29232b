"""Small models and short runs for the tests of training and of its files."""

import os
import signal
import subprocess
import sys

import numpy as np

import minivae as mv

RNG = np.random.default_rng
X = RNG(0).random((50, 6)).astype(np.float32)  # four batches of 16
Y = np.arange(50) % 3


def make(kind=mv.VAE, **changes):
    return kind(6, **{"hidden_dims": (8,), "latent_dim": 2, "rng": RNG(1), **changes})


def run(model, rng=2, **changes):
    return mv.fit(model, X, **{"epochs": 6, "batch_size": 16, "rng": RNG(rng), **changes})


def bits(model):
    """All numbers of a model, to compare two of them to the last bit."""
    return b"".join(p.data.tobytes() for _, p in model.named_parameters())


class Interrupted(mv.VAE):
    """Has Ctrl-C pressed `presses` times in its batch number `at`, counted from 1."""

    calls = 0
    at = 6  # the second batch of the second epoch
    presses = 1

    def terms(self, x, rng):
        self.calls += 1
        if self.calls == self.at:
            for _ in range(self.presses):
                signal.raise_signal(signal.SIGINT)
        return super().terms(x, rng)


def uninterrupted():
    model = make(Interrupted)
    model.at = None
    return model


def start(code, *arguments, **options):
    """Python code in a process of its own, which finds minivae where this one does."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, **options)
