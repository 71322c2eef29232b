"""Checkpoints: a stopped run ends with the same bits, and one of another run changes nothing."""

import json
import subprocess
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from small_runs import RNG, X, Y, bits, make, run, start

import minivae as mv
from minivae.checks.finite import Steps
from minivae.files import checkpoints
from minivae.train import Run

OLD = Path(__file__).with_name("written_by_0_1_0")
KINDS = [
    (mv.VAE, {}),
    (mv.Autoencoder, {}),
    (mv.ConditionalVAE, {"n_classes": 3}),
    (mv.VAE, {"likelihood": "gaussian", "decoder_logvar": "shared"}),
]


@pytest.mark.parametrize("kind, extra", KINDS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_stopped_run_ends_with_the_same_bits(tmp_path, kind, extra, optimizer):
    def go(model, **changes):
        opt = None
        if optimizer == "sgd":
            opt = mv.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        y = Y if kind is mv.ConditionalVAE else None
        return run(model, y=y, optimizer=opt, **changes)

    path, whole, first, second = tmp_path / "run.npz", *(make(kind, **extra) for _ in range(3))
    expected = go(whole)
    go(first, epochs=4, checkpoint=path)
    arrays = second.parameters()
    history = go(second, resume=path, checkpoint=path)
    assert bits(second) == bits(whole) and history.loss == expected.loss
    assert all(p is q for p, q in zip(arrays, second.parameters()))

    # What is finished returns at once.
    again = make(kind, **extra)
    calls = []
    again.terms = lambda *a, **k: calls.append(1)
    assert go(again, resume=path).loss == expected.loss and not calls
    assert bits(again) == bits(whole)


@pytest.mark.parametrize("generator", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_rng_is_brought_back_in_place(tmp_path, generator):
    bit_generator = getattr(np.random, generator)
    path = tmp_path / "run.npz"
    rng, other = (np.random.Generator(bit_generator(seed)) for seed in (2, 5))
    mv.fit(make(), X, epochs=2, rng=rng, checkpoint=path)
    mv.fit(make(), X, epochs=2, rng=other, resume=path)
    assert rng.random() == other.random()


def freeze(model):
    for p in model.encoder.parameters():
        p.requires_grad = False
    return model


def test_frozen_parameters_are_kept(tmp_path):
    path, whole = tmp_path / "run.npz", freeze(make())
    expected = run(whole)
    run(freeze(make()), epochs=4, checkpoint=path)
    again = freeze(make(rng=RNG(77)))
    assert run(again, resume=path).loss == expected.loss and bits(again) == bits(whole)
    with pytest.raises(ValueError, match="frozen was .'encoder.0.weight.* and is None now"):
        run(make(), resume=path)


def test_checkpoints_come_every_so_many_epochs_and_at_the_end(tmp_path):
    path, seen = tmp_path / "run.npz", []

    def beta(epoch):
        seen.append(path.exists() and path.stat().st_mtime_ns)
        return 1.0

    run(make(), epochs=5, every=2, checkpoint=path, beta=beta)
    times = [*seen, path.stat().st_mtime_ns]
    assert times[:2] == [False, False] and times[2] == times[3] < times[4] < times[5]
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_a_run_that_the_callback_ended_can_go_on(tmp_path):
    path, whole, model = tmp_path / "run.npz", make(), make()
    expected = run(whole)
    callback = lambda model, history: len(history.loss) == 3
    assert run(model, checkpoint=path, every=100, callback=callback).stopped
    history = run(model, resume=path, callback=callback)
    assert history.loss == expected.loss and bits(model) == bits(whole) and not history.stopped


def test_resume_from_a_path_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(make(), resume=tmp_path / "none.npz")
    model = make()
    run(model, resume=tmp_path / "run.npz", checkpoint=tmp_path / "run.npz")
    assert bits(model) != bits(make())


@pytest.mark.parametrize(
    "path, error, message",
    [
        ("no/folder/c.npz", FileNotFoundError, "there is no folder .*no.folder"),
        ("file/c.npz", FileNotFoundError, "there is no folder .*file"),
        (".", IsADirectoryError, "it is a folder"),
        ("n" * 300, OSError, "n" * 300),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_first_step(
    tmp_path, path, error, message
):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    model = make()
    with pytest.raises(error, match=message):
        run(model, checkpoint=tmp_path / path, every=6)
    assert bits(model) == bits(make())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model": make(hidden_dims=(9,))}, r"hidden_dims was \[8\], and is \[9\] now"),
        ({"model": make(mv.Autoencoder)}, "model was VAE, and is Autoencoder now"),
        ({"model": make(activation="tanh")}, "activation was relu"),
        ({"batch_size": 8}, "batch_size was 16, and is 8 now"),
        ({"lr": 1e-2}, "lr was 0.001, and is 0.01 now"),
        ({"x": X + np.float32(1e-7) * (X < 0.5)}, "data differs"),
        ({"x": X[:40]}, "data differs"),
        ({"x_val": X[:5]}, "validation data differs"),
        ({"beta": 0.5}, "beta was 1.0, and is 0.5 now"),
        ({"binarize": True}, "binarize was False, and is True now"),
        ({"rng": np.random.Generator(np.random.MT19937(0))}, "PCG64|MT19937"),
    ],
)
def test_resuming_another_run_is_refused_and_changes_nothing(tmp_path, changes, message):
    path = tmp_path / "run.npz"
    run(make(), epochs=2, checkpoint=path)
    settings = {"epochs": 4, "batch_size": 16, "rng": RNG(2), "resume": path}
    arguments = {"model": make(), "x": X, **settings, **changes}
    model, x = arguments.pop("model"), arguments.pop("x")
    rng = arguments["rng"]
    before = bits(model), str(rng.bit_generator.state)
    with pytest.raises(ValueError, match=message):
        mv.fit(model, x, **arguments)
    assert (bits(model), str(rng.bit_generator.state)) == before


# Damaged files


def rewrite(path, change):
    """Change the header and the arrays of a file, as somebody could who knows how it is made."""
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["minivae"]))
    change(header, arrays)
    arrays["minivae"] = np.array(json.dumps(header))
    with open(path, "wb") as file:
        np.savez(file, **arrays)


MIDDLE = OLD / "in_the_middle.npz"
SETTINGS = {"epochs": 4, "batch_size": 16, "lr": 1e-2, "x_val": X[:9], "binarize": True}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda h, a: h.pop("rng"), "it lacks 'rng'"),
        (lambda h, a: h.pop("middle"), "it lacks 'middle'"),
        (lambda h, a: h.update(settings=[]), "settings|list"),
        (lambda h, a: h.update(epoch=-1), "epoch and t must be counts"),
        (lambda h, a: h.update(t=1.5), "epoch and t must be counts"),
        (lambda h, a: h.update(epoch=3), "loss has 1 entries for 3 epochs"),
        (lambda h, a: h["history"].update(kl=["a"]), "kl is no list of numbers"),
        (lambda h, a: h["history"].update(seconds=None), "seconds is no list of numbers"),
        (lambda h, a: h["history"].pop("nll"), "it lacks 'nll'"),
        (lambda h, a: h["rng"]["state"].update(state=-1), "."),
        (lambda h, a: h["rng"].update(state=None), "."),
        (lambda h, a: h["rng"]["state"].update(state=2**128 + 5), "."),
        (lambda h, a: h["rng"].update(more=1), "its state of the rng is none"),
        (lambda h, a: h["middle"].update(done=5), "example 5 of 50, inside a batch of 16"),
        (lambda h, a: h["middle"].update(done=64), "example 64 of 50"),
        (lambda h, a: h["middle"].update(totals=[1.0, 2.0]), r"\[1.0, 2.0\]"),
        (lambda h, a: h["middle"].update(totals=[1.0, 2.0, float("nan")]), "nan"),
        (lambda h, a: a.pop("order"), "no order of the 50 examples"),
        (lambda h, a: a.update(order=a["order"][:-1]), "no order of the 50 examples"),
        (lambda h, a: a.update(order=a["order"] * 1.0), "no order of the 50 examples"),
        (lambda h, a: a.update(order=a["order"] * 0), "an example twice"),
        (lambda h, a: a.pop("optimizer/V"), "it lacks 'optimizer/V'"),
        (lambda h, a: a.update({"optimizer/M": a["optimizer/M"][1:]}), "the optimiser's M is"),
        (lambda h, a: a.pop("model/decoder.0.bias"), "decoder.0.bias is missing"),
        (lambda h, a: a.update(more=np.zeros(3)), "more is not a parameter"),
        (lambda h, a: a.update(more=np.zeros(99999)), "arrays where .* are of use"),
    ],
)
def test_a_checkpoint_that_is_wrong_changes_nothing(tmp_path, change, message):
    path = tmp_path / "run.npz"
    path.write_bytes(MIDDLE.read_bytes())
    rewrite(path, change)
    model, rng = make(hidden_dims=(4,)), RNG(9)
    optimizer = mv.Adam(model.parameters(), lr=1e-2)
    before = bits(model)
    with pytest.raises(ValueError, match=f"cannot use .*run.npz: .*{message}"):
        mv.fit(model, X, rng=rng, resume=path, optimizer=optimizer, **{**SETTINGS, "lr": 1e-3})
    assert bits(model) == before and rng.bit_generator.state == RNG(9).bit_generator.state
    assert optimizer.t == 0 and not any(values.any() for values in optimizer.state.values())


def test_single_bits_of_a_checkpoint(tmp_path):
    """A flipped bit is refused, with nothing changed, or leaves the same run; see test_saved."""
    path, whole = tmp_path / "run.npz", MIDDLE.read_bytes()
    expected = make(hidden_dims=(4,))
    mv.fit(expected, X, rng=RNG(9), resume=MIDDLE, **SETTINGS)
    refused = 0
    positions = RNG(0).integers(8 * len(whole), size=150)
    for position in positions:
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        model, rng = make(hidden_dims=(4,)), RNG(9)
        before = bits(model)
        try:
            mv.fit(model, X, rng=rng, resume=path, **SETTINGS)
        except ValueError as error:
            assert "run.npz" in str(error) and bits(model) == before
            assert rng.bit_generator.state == RNG(9).bit_generator.state
            refused += 1
        else:
            assert bits(model) == bits(expected)
    assert refused > 100


# What 0.1.0 wrote


@pytest.mark.parametrize("name", ["two_epochs", "in_the_middle", "sgd"])
def test_a_run_begun_by_0_1_0_goes_on(name):
    model = make(hidden_dims=(4,))
    settings, end = SETTINGS, "end"
    if name == "sgd":
        optimizer = mv.SGD(model.parameters(), lr=1e-2, momentum=0.9)
        settings, end = {"epochs": 4, "batch_size": 16, "optimizer": optimizer}, "sgd_end"
    history = mv.fit(model, X, rng=RNG(99), resume=OLD / f"{name}.npz", **settings)
    with np.load(OLD / "expected.npz") as expected:
        flat = np.concatenate([p.data.ravel() for p in model.parameters()])
        np.testing.assert_allclose(flat, expected[end], rtol=1e-4, atol=1e-6)
        if name != "sgd":
            np.testing.assert_allclose(history.loss, expected["loss"], rtol=1e-5)
            np.testing.assert_allclose(history.val_loss, expected["val_loss"], rtol=1e-5)


@pytest.mark.parametrize("name", ["two_epochs", "in_the_middle"])
def test_members_and_header_keys_are_those_of_0_1_0(tmp_path, name):
    """Written anew from where the old file stands, the new one has the same layout."""
    path = tmp_path / "run.npz"

    model = make(hidden_dims=(4,))
    optimizer = mv.Adam(model.parameters(), lr=1e-2)
    at = Run(model, optimizer, RNG(0), Steps(optimizer))
    with zipfile.ZipFile(OLD / f"{name}.npz") as old:
        header = json.loads(str(np.load(OLD / f"{name}.npz")["minivae"]))
        checkpoints.read(OLD / f"{name}.npz", at, header["settings"])
        checkpoints.write(path, at, header["settings"])
        with zipfile.ZipFile(path) as new:
            assert sorted(new.namelist()) == sorted(old.namelist())
            for member in new.namelist():
                if member != "minivae.npy":
                    assert new.read(member) == old.read(member)
    again = json.loads(str(np.load(path)["minivae"]))
    assert again == header


# Killed


KILLED = """
import sys, numpy as np, minivae as mv
x = np.random.default_rng(0).random((64, 6)).astype(np.float32)
model = mv.VAE(6, (8,), 2, rng=np.random.default_rng(1))
settings = dict(batch_size=16, checkpoint=sys.argv[1], resume=sys.argv[1])
mv.fit(model, x, epochs=200, rng=np.random.default_rng(2), **settings)
mv.save(model, sys.argv[2])
"""


def test_a_run_killed_at_any_moment_ends_with_the_same_bits(tmp_path):
    def begin(name):
        return start(KILLED, tmp_path / f"{name}.ckpt", tmp_path / name)

    assert begin("whole").wait() == 0
    delays, kills = RNG(3), 0
    while not (tmp_path / "killed").exists():
        process = begin("killed")
        deadline = time.perf_counter() + 30
        while not (tmp_path / "killed.ckpt").exists() and process.poll() is None:
            assert time.perf_counter() < deadline
            time.sleep(0.005)
        try:
            process.wait(delays.uniform(0.0, 0.2) if kills < 3 else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 0
    assert bits(mv.load(tmp_path / "killed")) == bits(mv.load(tmp_path / "whole"))
