"""lessons/elsewhere: the same weights in PyTorch and in JAX give the same ELBO and gradient.

Skipped where they are not installed; they are no dependencies, and nothing else here uses them."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import minivae as mv
from minivae import evaluate

FOLDER = Path(__file__).resolve().parents[2] / "lessons" / "elsewhere"


def example(name):
    """The module lessons/elsewhere/NAME.py."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained():
    """A float64 model, digits, one draw's noise, minivae's ELBO (n,), and its mean's gradient."""
    x = mv.data.digits()[0][:300].astype(np.float64)
    model = mv.VAE(64, (32,), 3, dtype=np.float64, rng=np.random.default_rng(0))
    mv.fit(model, x, epochs=3, rng=np.random.default_rng(1), progress=False)
    eps = np.random.default_rng(2).standard_normal((len(x), 3))
    elbo = evaluate.elbo(model, x, np.random.default_rng(2))
    for p in model.parameters():
        p.grad = None
    model.loss(x, np.random.default_rng(2)).backward()
    return model, x, eps, elbo, {name: -p.grad for name, p in model.named_parameters()}


def test_in_pytorch(trained):
    torch = pytest.importorskip("torch")
    model, x, eps, elbo, gradient = trained
    there = example("in_pytorch")
    theirs = there.VAE(D=64, H=32, Z=3).double()
    theirs.load_state_dict(there.from_minivae(model.state_dict()))
    result = theirs.elbo(torch.as_tensor(x), torch.as_tensor(eps))
    assert np.abs(result.detach().numpy() - elbo).max() < 1e-5
    assert np.allclose(result.detach().numpy(), elbo, rtol=1e-12)
    result.mean().backward()
    wanted = there.from_minivae(gradient)
    for name, p in theirs.named_parameters():
        assert torch.allclose(p.grad, wanted[name], rtol=1e-9, atol=1e-12), name


def test_in_jax(trained):
    jax = pytest.importorskip("jax")
    model, x, eps, elbo, gradient = trained
    there = example("in_jax")
    p = {name: np.float32(a) for name, a in model.state_dict().items()}
    x, eps = np.float32(x), np.float32(eps)
    result = np.asarray(there.elbo(p, x, eps))
    # JAX computes in float32 unless told otherwise: 1e-5 is meant relative to the size of the ELBO.
    assert np.allclose(result, elbo, rtol=1e-5)
    grads = jax.grad(lambda p: there.elbo(p, x, eps).mean())(p)
    for name, wanted in gradient.items():
        assert np.allclose(grads[name], wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max()), name


@pytest.mark.parametrize("name, needs", [("in_pytorch", "torch"), ("in_jax", "jax")])
def test_the_script_compares_the_two(name, needs, capsys):
    pytest.importorskip(needs)
    example(name).main()
    printed = capsys.readouterr().out
    assert (
        printed.startswith("ELBO of 1797 digits: minivae -")
        and float(printed.rsplit(maxsplit=1)[-1]) < 2e-4
    )
