"""minivae: the variational autoencoder from scratch in NumPy, to run, read and check.

The course, in reading order: autodiff, ops, vae_ops, nn, optim, models, data, train, evaluate,
plot.
Downstairs, what it stands on and nobody needs to read on the way: checks/ (is a gradient right, and
what does a mistake look like), files/ (models, checkpoints and data on disk), screen/ (progress,
Ctrl-C).
"""

import importlib

from . import data, evaluate
from .autodiff import PRIMITIVES, Tensor, no_grad, primitive
from .checks.gradients import GradientError, Report, check_gradients, taylor_test
from .checks.losses import LossReport, check_loss
from .files.saved import load, save
from .models import VAE, Autoencoder, ConditionalVAE
from .nn import MLP, Dense, Module
from .ops import dense, relu, sigmoid, softplus
from .optim import SGD, Adam
from .train import History, fit
from .vae_ops import bernoulli_nll, gaussian_kl, gaussian_nll, reparameterize


def __getattr__(name):
    if name == "plot":  # loaded at its first use, so that importing minivae imports no matplotlib
        return importlib.import_module(".plot", __name__)
    raise AttributeError(f"module 'minivae' has no attribute {name!r}")
