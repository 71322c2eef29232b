"""minivae: the variational autoencoder from scratch in NumPy, to run, read and check.

Reading order: autodiff, ops, vae_ops, nn, optim, models, data, train, evaluate, plot.
"""

import importlib

from . import data, evaluate
from .autodiff import PRIMITIVES, Tensor, no_grad, primitive
from .checks.gradients import GradientError, Report, check_gradients, taylor_test
from .checks.losses import LossReport, check_loss
from .models import VAE, Autoencoder, ConditionalVAE
from .nn import MLP, Dense, Module
from .ops import dense, relu, sigmoid, softplus
from .optim import SGD, Adam
from .files.saved import load, save
from .train import History, fit
from .vae_ops import bernoulli_nll, gaussian_kl, gaussian_nll, reparameterize


def __getattr__(name):  # plot is loaded at its first use, so that importing minivae does not import matplotlib
    if name == "plot":
        return importlib.import_module(".plot", __name__)
    raise AttributeError(f"module 'minivae' has no attribute {name!r}")
