"""Training: the history tells the truth, nothing is lost at Ctrl-C or SIGKILL, and files are refused for a reason."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest

import minivae as mv

RNG = np.random.default_rng
X = RNG(0).random((50, 6)).astype(np.float32)
Y = np.arange(50) % 3


def make(model=mv.VAE, **changes):
    return model(6, **{"hidden_dims": (8,), "latent_dim": 2, "rng": RNG(1), **changes})


def run(model, rng=2, **changes):
    return mv.fit(model, X, **{"epochs": 6, "batch_size": 16, "rng": RNG(rng), **changes})


def bits(model):
    return b"".join(p.data.tobytes() for p in model.parameters())


# The loop

def test_one_epoch_is_the_loop_by_hand():
    model, by_hand = make(), make()
    history = run(model, epochs=1)
    opt, rng, total = mv.Adam(by_hand.parameters(), lr=1e-3), RNG(2), 0.0
    order = rng.permutation(50)
    for i in range(0, 50, 16):
        opt.zero_grad()
        loss = by_hand.loss(X[order[i:i + 16]], rng)
        loss.backward()
        opt.step()
        total += len(order[i:i + 16]) * loss.item()
    assert bits(model) == bits(by_hand)
    assert history.loss[0] == pytest.approx(total / 50, rel=1e-12)


@pytest.mark.parametrize("kind, extra", [(mv.Autoencoder, {}), (mv.VAE, {}), (mv.ConditionalVAE, {"n_classes": 3})])
def test_training_lowers_the_loss_and_history_adds_up(kind, extra):
    dark = X**4  # a start at grey 0.5 leaves much to gain
    y, x_val = (Y, (dark[:9], Y[:9])) if extra else (None, dark[:9])
    history = mv.fit(make(kind, **extra), dark, y=y, x_val=x_val, lr=1e-2, epochs=20, batch_size=16, beta=0.5, rng=RNG(2))
    assert history.loss[-1] < history.loss[0] - 0.3 and history.val_loss[-1] < history.val_loss[0] - 0.3
    np.testing.assert_allclose(history.loss, np.array(history.nll) + 0.5 * np.array(history.kl), rtol=1e-5)
    assert {len(v) for v in (history.loss, history.nll, history.kl, history.val_loss, history.seconds)} == {20}
    assert not history.interrupted


def test_validation_does_not_disturb_training_and_has_its_own_loss():
    a, b = make(), make()
    assert run(a).loss == run(b, x_val=X[:10]).loss and bits(a) == bits(b)
    c = make()
    history = run(c, epochs=1, x_val=X[:10])
    rng = RNG(2)
    rng.permutation(50)
    for i in range(0, 50, 16):
        rng.standard_normal((len(X[i:i + 16]), 2), np.float32)
    assert history.val_loss == [pytest.approx(c.loss(X[:10], rng).item(), rel=1e-6)]


def test_the_same_rngs_give_the_same_bits():
    a, b, c = make(), make(), make()
    assert run(a).loss == run(b).loss and bits(a) == bits(b)
    assert run(c, rng=3).loss != run(make()).loss


def test_beta_may_be_a_function_of_the_epoch():
    seen = []
    run(make(), epochs=3, beta=lambda epoch: seen.append(epoch) or 0.5)
    assert seen == [0, 1, 2]
    a, b = make(), make()
    assert run(a, beta=lambda epoch: 0.25).loss == run(b, beta=0.25).loss
    assert run(make(), beta=1.0).loss != run(make(), beta=0.25).loss


def test_an_optimiser_of_ones_own():
    model = make()
    run(model, optimizer=mv.SGD(model.parameters(), lr=0.0))
    assert bits(model) == bits(make())


def test_binarize_draws_pixels_anew_for_each_batch():
    seen = []

    class Spy(mv.VAE):
        def terms(self, x, rng):
            seen.append(x.copy())
            return super().terms(x, rng)

    half = np.full((32, 6), 0.5, np.float32)
    mv.fit(make(Spy), half, epochs=2, batch_size=32, rng=RNG(0), binarize=True)
    assert all(set(np.unique(x)) == {0, 1} for x in seen) and not np.array_equal(seen[0], seen[1])


@pytest.mark.parametrize("changes, message", [
    ({"epochs": 0}, "epochs must be an integer of at least 1, got 0"),
    ({"batch_size": 0}, "batch_size must be"),
    ({"batch_size": 2.5}, "batch_size must be"),
    ({"every": 0}, "every must be"),
    ({"y": Y}, "VAE takes no labels"),
    ({"x_val": X[:, :3]}, r"\(50, 3\).*\(B, 6\)"),
])
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        run(make(), **changes)


def test_more_bad_arguments():
    with pytest.raises(TypeError, match="default_rng"):
        mv.fit(make(), X, epochs=1, rng=0)
    with pytest.raises(ValueError, match="pass y="):
        run(make(mv.ConditionalVAE, n_classes=3))
    with pytest.raises(ValueError, match="50 integers"):
        run(make(mv.ConditionalVAE, n_classes=3), y=Y[:9])
    with pytest.raises(ValueError, match=r"x\[4, 5\] is nan"):
        bad = X.copy()
        bad[4, 5] = np.nan
        mv.fit(make(), bad, epochs=1, rng=RNG(0))


@pytest.mark.parametrize("term", ["nll", "kl"])
def test_a_loss_that_is_not_finite_is_named_and_the_parameters_stay(term):
    class Breaks(mv.VAE):
        calls, last = 0, None

        def terms(self, x, rng):
            nll, kl = super().terms(x, rng)
            self.calls += 1
            if self.calls == 6:  # epoch 2 of 4 batches, batch 2
                nll, kl = (nll * np.inf, kl) if term == "nll" else (nll, kl * np.inf)
                self.last = bits(self)
            return nll, kl

    model = make(Breaks)
    with pytest.raises(FloatingPointError, match=f"the {term} is not finite.*epoch 2, batch 2"):
        run(model)
    assert bits(model) == model.last


def test_a_gradient_that_is_not_finite_is_named_and_the_parameters_stay():
    @mv.primitive
    def explosive(x):
        return x, lambda g: g * np.inf

    class Breaks(mv.VAE):
        def decode(self, z):
            self.last = bits(self)
            return explosive(super().decode(z))

    model = make(Breaks)
    with pytest.raises(FloatingPointError, match="gradient of encoder.0.weight is not finite at epoch 1, batch 1"):
        run(model)
    assert bits(model) == model.last


def test_large_but_finite_gradients_pass():
    model = make(dtype=np.float32)

    @mv.primitive
    def steep(x):
        return x, lambda g: g * np.float32(1e25)  # its square overflows float32

    model.decode = lambda z: steep(mv.VAE.decode(model, z))
    run(model, epochs=1)


def test_progress_is_quiet_unless_asked(capsys):
    run(make())
    assert capsys.readouterr() == ("", "")
    run(make(), progress=True, x_val=X)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6 and "epoch 6/6" in lines[-1] and all(w in lines[-1] for w in ("loss", "nll", "kl", "nats", "held out"))


def test_progress_updates_one_line_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(make())
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.startswith("\r") and "epoch 6/6  loss" in text.split("\r")[-1]
    run(make(), progress=False)
    assert capsys.readouterr().err == ""


# Ctrl-C

class Interrupted(mv.VAE):
    """Sends Ctrl-C to this process inside the n-th batch."""

    calls, at = 0, 6

    def terms(self, x, rng):
        self.calls += 1
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return super().terms(x, rng)


def test_ctrl_c_is_taken_between_batches_and_keeps_the_history():
    model = make(Interrupted)
    history = run(model)
    assert history.interrupted and len(history.loss) == 1 and model.calls == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert history.loss == run(make(), epochs=1).loss


def test_after_ctrl_c_a_checkpoint_goes_on_at_the_very_batch(tmp_path):
    path, whole, model = tmp_path / "run.npz", make(), make(Interrupted)
    expected = run(whole)
    assert run(model, checkpoint=path, every=100).interrupted
    model.at = None
    rng = RNG(99)
    history = mv.fit(model, X, epochs=6, batch_size=16, rng=rng, resume=path)
    assert bits(model) == bits(whole) and model.calls == 24
    assert (history.loss, history.kl, history.interrupted) == (expected.loss, expected.kl, False)


def test_a_second_ctrl_c_stops_inside_the_batch_and_keeps_the_last_whole_checkpoint(tmp_path):
    class Impatient(Interrupted):
        def terms(self, x, rng):
            if self.calls + 1 == self.at:
                rng.random(5)  # work of a batch that will not be finished
                os.kill(os.getpid(), signal.SIGINT)
            return super().terms(x, rng)

    path, model, whole = tmp_path / "run.npz", make(Impatient), make()
    run(whole)
    assert run(model, checkpoint=path).interrupted
    again = make(Impatient)
    again.at = None
    run(again, resume=path)
    assert bits(again) == bits(whole)


# Checkpoints

@pytest.mark.parametrize("kind, extra", [(mv.VAE, {}), (mv.Autoencoder, {}), (mv.ConditionalVAE, {"n_classes": 3}),
                                         (mv.VAE, {"likelihood": "gaussian", "decoder_logvar": "shared"})])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_stopped_run_ends_with_the_same_bits(tmp_path, kind, extra, optimizer):
    def go(model, **changes):
        opt = mv.SGD(model.parameters(), lr=1e-3, momentum=0.9) if optimizer == "sgd" else None
        return run(model, y=Y if kind is mv.ConditionalVAE else None, optimizer=opt, **changes)

    path, whole, first, second = tmp_path / "run.npz", *(make(kind, **extra) for _ in range(3))
    expected = go(whole)
    go(first, epochs=4, checkpoint=path)
    arrays, rng = [p for p in second.parameters()], RNG(77)
    history = go(second, resume=path, checkpoint=path)
    assert bits(second) == bits(whole) and history.loss == expected.loss
    assert all(p is q for p, q in zip(arrays, second.parameters()))
    again = make(kind, **extra)
    calls = []
    again.terms = lambda *a, **k: calls.append(1)
    assert go(again, resume=path).loss == expected.loss and not calls  # finished: returns at once
    assert bits(again) == bits(whole)


def test_the_rng_is_brought_back_in_place(tmp_path):
    path, rng, other = tmp_path / "run.npz", RNG(2), RNG(5)
    mv.fit(make(), X, epochs=2, rng=rng, checkpoint=path)
    mv.fit(make(), X, epochs=2, rng=other, resume=path)
    assert rng.random() == other.random()


def test_checkpoints_come_every_so_many_epochs_and_at_the_end(tmp_path):
    path, seen = tmp_path / "run.npz", []
    run(make(), epochs=5, every=2, checkpoint=path, beta=lambda epoch: seen.append(path.exists() and path.stat().st_mtime_ns) or 1.0)
    times = [*seen, path.stat().st_mtime_ns]
    assert times[:2] == [False, False] and times[2] == times[3] < times[4] < times[5]
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_resume_from_a_path_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        run(make(), resume=tmp_path / "none.npz")
    model = make()
    run(model, resume=tmp_path / "run.npz", checkpoint=tmp_path / "run.npz")
    assert bits(model) != bits(make())


@pytest.mark.parametrize("changes, message", [
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
])
def test_resuming_another_run_is_refused_and_changes_nothing(tmp_path, changes, message):
    path = tmp_path / "run.npz"
    run(make(), epochs=2, checkpoint=path)
    arguments = {"model": make(), "x": X, "epochs": 4, "batch_size": 16, "rng": RNG(2), "resume": path, **changes}
    model, x = arguments.pop("model"), arguments.pop("x")
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        mv.fit(model, x, **arguments)
    assert bits(model) == before


KILLED = """
import sys, numpy as np, minivae as mv
x = np.random.default_rng(0).random((64, 6)).astype(np.float32)
model = mv.VAE(6, (8,), 2, rng=np.random.default_rng(1))
mv.fit(model, x, epochs=300, batch_size=16, rng=np.random.default_rng(2), checkpoint=sys.argv[1], resume=sys.argv[1])
mv.save(model, sys.argv[2])
"""


def test_a_run_killed_at_any_moment_ends_with_the_same_bits(tmp_path):
    def start(name):
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / f"{name}.ckpt"), str(tmp_path / name)],
                                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})

    assert start("whole").wait() == 0
    delays, kills = RNG(3), 0
    while not (tmp_path / "killed").exists():
        process = start("killed")
        began = time.perf_counter()
        while not (tmp_path / "killed.ckpt").exists() and process.poll() is None and time.perf_counter() - began < 30:
            time.sleep(0.005)
        try:
            process.wait(delays.uniform(0.0, 0.2) if kills < 4 else 60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 0
    assert bits(mv.load(tmp_path / "killed")) == bits(mv.load(tmp_path / "whole"))


# Saved models

@pytest.mark.parametrize("model", [make(), make(mv.Autoencoder), make(mv.ConditionalVAE, n_classes=4), make(hidden_dims=()),
                                   make(likelihood="gaussian", decoder_logvar=-1.5, dtype=np.float64),
                                   make(likelihood="gaussian", decoder_logvar="per_pixel", activation="softplus")])
def test_a_loaded_model_is_the_saved_one(tmp_path, model):
    for p in model.parameters():
        p.data[...] += 0.25
    mv.save(model, tmp_path / "m.npz")
    again = mv.load(tmp_path / "m.npz")
    assert type(again) is type(model) and again.config == model.config and bits(again) == bits(model)
    np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.npz"]


def rewrite(path, change):
    with np.load(path) as f:
        arrays = dict(f)
    meta = json.loads(str(arrays["minivae"]))
    change(meta, arrays)
    arrays["minivae"] = np.array(json.dumps(meta)) if meta is not None else arrays["minivae"]
    with open(path, "wb") as f:
        np.savez(f, **arrays)


@pytest.mark.parametrize("change, message", [
    (lambda m, a: a.pop("encoder.0.bias"), "encoder.0.bias is missing"),
    (lambda m, a: a.update(extra=np.ones(3)), "extra is not a parameter"),
    (lambda m, a: a.update({"encoder.0.bias": np.ones(9, np.float32)}), r"encoder.0.bias is float32 \(9,\)"),
    (lambda m, a: m.update({"class": "Transformer"}), "Transformer"),
    (lambda m, a: m.update(kind="checkpoint"), "a minivae checkpoint, and a model is wanted"),
    (lambda m, a: m["config"].update(latent_dim=-1), "latent_dim"),
    (lambda m, a: m["config"].pop("input_dim"), "input_dim"),
    (lambda m, a: m.pop("config"), "config"),
])
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, message):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=f"m.npz.*{message}"):
        mv.load(path)


def test_foreign_and_damaged_files_are_refused(tmp_path):
    good, path = tmp_path / "good.npz", tmp_path / "bad.npz"
    mv.save(make(), good)
    whole = good.read_bytes()
    rng = RNG(0)
    damaged = [b"", b"hello", whole[:len(whole) // 2], whole[:-1]]
    for _ in range(60):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        damaged.append(bytes(broken))
    refused = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            model = mv.load(path)
        except ValueError as error:
            assert "bad.npz" in str(error)
            refused += 1
        else:  # a flipped bit in a date of the zip directory harms nothing
            assert bits(model) == bits(make())
    assert refused > 40
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="minivae did not write it"):
        mv.load(path)
    with pytest.raises(FileNotFoundError):
        mv.load(tmp_path / "none.npz")


def test_nothing_is_ever_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    path = tmp_path / "bomb.npz"
    mv.save(make(), path)
    with np.load(path) as f:
        arrays = dict(f)
    for key in ("minivae", "encoder.0.bias"):
        with open(path, "wb") as f, zipfile.ZipFile(f, "w") as z:
            for name, value in {**arrays, key: np.array(Bomb(), dtype=object)}.items():
                with z.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, value, allow_pickle=True)
        with pytest.raises(ValueError, match="bomb.npz"):
            mv.load(path)
    assert not (tmp_path / "exploded").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.npz"
    mv.save(make(), path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        mv.save(make(latent_dim=3), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["m.npz"]
