"""The line of progress: on a terminal, elsewhere, and where there is no stderr at all."""

import io
import sys

import pytest
from small_runs import X, bits, make, run


def test_it_is_quiet_unless_asked(capsys):
    run(make())
    assert capsys.readouterr() == ("", "")
    run(make(), progress=True, x_val=X)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6 and "epoch 6/6" in lines[-1]
    assert all(word in lines[-1] for word in ("loss", "nll", "kl", "nats", "held out"))


def test_it_updates_one_line_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    run(make())
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.startswith("\r")
    assert "epoch 6/6  loss" in text.split("\r")[-1]
    run(make(), progress=False)
    assert capsys.readouterr().err == ""


class Broken(io.StringIO):
    """A terminal whose other end is gone."""

    def isatty(self):
        return True

    def write(self, text):
        raise BrokenPipeError


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stderr", [None, closed(), Broken()], ids=["none", "closed", "broken"])
@pytest.mark.parametrize("progress", [None, True])
def test_without_a_stderr_the_work_is_done_in_silence(monkeypatch, capsys, stderr, progress):
    monkeypatch.setattr(sys, "stderr", stderr)
    model = make()
    history = run(model, progress=progress)
    monkeypatch.undo()
    same = make()
    assert history.loss == run(same).loss and bits(model) == bits(same)
    assert capsys.readouterr().out == ""  # nor does it go to stdout instead


def test_a_stderr_that_is_closed_half_way(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    history = run(make(), progress=True, callback=lambda model, history: stream.close())
    assert len(history.loss) == 6
