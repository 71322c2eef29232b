"""Ctrl-C: taken between batches, or at once the second time; the history is never lost."""

import signal
import threading
import time

import numpy as np
import pytest
from small_runs import RNG, X, Interrupted, bits, make, run, start, uninterrupted

import minivae as mv
from minivae.files import npz
from minivae.screen.progress import CtrlC


@pytest.fixture(autouse=True)
def a_short_moment(monkeypatch):
    monkeypatch.setattr(CtrlC, "moment", 0.01)


def test_it_is_taken_between_batches_and_keeps_the_history():
    model = make(Interrupted)
    history = run(model)
    assert history.interrupted and len(history.loss) == 1 and model.calls == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert history.loss == run(make(), epochs=1).loss


def test_after_it_a_checkpoint_goes_on_at_the_very_batch(tmp_path):
    path, whole, model = tmp_path / "run.npz", make(), make(Interrupted)
    expected = run(whole)
    assert run(model, checkpoint=path, every=100).interrupted
    model.at = None
    history = mv.fit(model, X, epochs=6, batch_size=16, rng=RNG(99), resume=path)
    assert bits(model) == bits(whole) and model.calls == 24
    assert (history.loss, history.kl) == (expected.loss, expected.kl) and not history.interrupted


@pytest.mark.parametrize("presses", [2, 3])
def test_a_second_one_breaks_the_batch_off_and_the_last_whole_checkpoint_stands(tmp_path, presses):
    class Impatient(Interrupted):
        def terms(self, x, rng):
            if self.calls + 1 == self.at:
                rng.random(5)  # work of a batch that will not be finished
            return super().terms(x, rng)

    path, model, whole = tmp_path / "run.npz", make(Impatient), make()
    model.presses = presses
    run(whole)
    history = run(model, checkpoint=path)
    assert history.interrupted and len(history.loss) == len(history.seconds) == 1
    again = make(Impatient)
    again.at = None
    run(again, resume=path)
    assert bits(again) == bits(whole)


@pytest.mark.parametrize("presses, interrupted", [(1, False), (2, True)])
def test_in_the_very_last_batch_it_ends_nothing(tmp_path, presses, interrupted):
    model, whole = make(Interrupted), make()
    model.at = 24
    model.presses = presses
    history = run(model, checkpoint=tmp_path / "run.npz", every=100)
    assert history.interrupted == interrupted
    assert len(history.loss) == 6 - interrupted
    if not interrupted:
        assert history.loss == run(whole).loss and bits(model) == bits(whole)
        assert run(uninterrupted(), resume=tmp_path / "run.npz").loss == history.loss


@pytest.mark.parametrize("call", ["fsync", "replace", "unlink"])
@pytest.mark.parametrize("at", [2, 24])
def test_pressed_again_and_again_during_the_last_write_the_file_is_whole(
    tmp_path, monkeypatch, call, at
):
    path, model = tmp_path / "run.npz", make(Interrupted)
    model.at = at
    original = getattr(npz.os, call)

    def pressed(*arguments):
        presses = 3 if model.calls == at else 0
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)
        original(*arguments)
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(npz.os, call, pressed)
    history = run(model, checkpoint=path, every=100)
    monkeypatch.undo()
    assert history.interrupted == (at == 2)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    again, whole = uninterrupted(), make()
    assert run(again, resume=path).loss == run(whole).loss and bits(again) == bits(whole)


def test_in_validation_and_callback():
    class Validates(mv.VAE):
        def terms(self, x, rng):
            if len(x) == 10:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
            return super().terms(x, rng)

    history = run(make(Validates), x_val=X[:10])
    assert history.interrupted and history.loss == history.val_loss == history.seconds == []

    def callback(model, history):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second one should have broken this off")

    history = run(make(), callback=callback)
    assert history.interrupted and len(history.loss) == len(history.seconds) == 1
    assert len(run(make(), callback=lambda *_: signal.raise_signal(signal.SIGINT)).loss) == 1


def test_broken_off_between_epochs_the_checkpoint_is_of_the_last_one(tmp_path):
    def callback(model, history):
        if len(history.loss) == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    path = tmp_path / "run.npz"
    assert run(make(), callback=callback, checkpoint=path, every=100).interrupted
    again, whole = make(), make()
    assert run(again, resume=path, epochs=3).loss == run(whole, epochs=3).loss
    assert bits(again) == bits(whole)


def test_a_program_that_handles_it_itself_goes_on_doing_so():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("mine"))
    try:
        assert not run(make(Interrupted)).interrupted
        handler = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    handler()
    assert seen == ["mine", "mine"]


def test_in_another_thread_nothing_is_changed():
    histories = []
    thread = threading.Thread(target=lambda: histories.append(run(make())))
    thread.start()
    thread.join()
    assert len(histories[0].loss) == 6 and not histories[0].interrupted


def test_breakable_gives_the_result_and_leaves_other_errors_alone():
    with CtrlC() as ctrl_c:
        assert ctrl_c.breakable(divmod, 7, 3) == (2, 1)
        with pytest.raises(ZeroDivisionError):
            ctrl_c.breakable(divmod, 7, 0)
        for _ in range(5):
            signal.raise_signal(signal.SIGINT)  # outside of it: counted, and that is all
        assert ctrl_c.pressed == 5
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_third_press_adds_no_second_exception():
    def work():
        try:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)  # while the first one is on its way out

    with CtrlC() as ctrl_c, pytest.raises(KeyboardInterrupt) as caught:
        ctrl_c.breakable(work)
    assert ctrl_c.pressed == 3 and caught.value.__context__ is None


def test_the_second_of_two_quick_presses_does_not_hit_what_comes_next(monkeypatch):
    monkeypatch.setattr(CtrlC, "moment", 0.2)
    timer = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT])
    began = time.perf_counter()
    with CtrlC() as ctrl_c:
        signal.raise_signal(signal.SIGINT)
        timer.start()
    assert ctrl_c.pressed == 2 and time.perf_counter() - began > 0.25
    began = time.perf_counter()
    with CtrlC():
        pass
    assert time.perf_counter() - began < 0.1  # nothing was pressed


PRESSED = """
import signal, sys, threading, time, numpy as np, minivae as mv
x = np.random.default_rng(0).random((64, 6)).astype(np.float32)
model = mv.VAE(6, (8,), 2, rng=np.random.default_rng(1))
ended = threading.Event()
def press(pauses):
    for pause in pauses:
        time.sleep(pause)
        if not ended.is_set():
            signal.raise_signal(signal.SIGINT)
def start(_, history):
    if len(history.loss) == 5:
        threading.Thread(target=press, args=(map(float, sys.argv[2:]),), daemon=True).start()
settings = dict(batch_size=16, x_val=x, rng=np.random.default_rng(2), checkpoint=sys.argv[1])
history = mv.fit(model, x, epochs=10**6, callback=start, **settings)
ended.set()
lists = (history.loss, history.nll, history.kl, history.val_loss, history.seconds)
lengths = {len(values) for values in lists}
print("history", history.interrupted, len(lengths))
"""


def test_pressed_two_and_three_times_at_random_moments(tmp_path):
    """The pauses are a few milliseconds, about as long as an epoch here and the write after it."""
    pauses = RNG(int(time.time()))
    for presses in (2, 3):
        moments = pauses.uniform(0, 0.004, presses)
        process = start(PRESSED, tmp_path / "run.npz", *moments, stdout=-1, stderr=-1, text=True)
        out, err = process.communicate(timeout=60)
        assert out == "history True 1\n", (moments, err)
        x = RNG(0).random((64, 6)).astype(np.float32)
        settings = {"batch_size": 16, "x_val": x, "rng": RNG(0)}
        again = mv.fit(make(), x, epochs=1, resume=tmp_path / "run.npz", **settings)
        assert len(again.loss) >= 4
        assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
