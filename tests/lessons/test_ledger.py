"""The ledger: read, compared and written; and the runner's arguments."""

import argparse
import os
import re
import runpy
import sys
from pathlib import Path

import pytest

import ledger

LESSONS = Path(ledger.__file__).parent
RUNNER = str(LESSONS / "__main__.py")


@pytest.mark.parametrize("kept, fresh, same", [
    ("gap 0.047 ± 0.01 nats", "gap 0.051 ± 0.01 nats", True),
    ("gap 0.047 ± 0.01 nats", "gap 0.057 ± 0.01 nats", True),  # exactly the tolerance, whatever floats make of it
    ("gap 0.07 ± 0.01 nats", "gap 0.06 ± 0.01 nats", True),
    ("gap 0.047 ± 0.01 nats", "gap 0.058 ± 0.01 nats", False),
    ("ratio 16800 ± 10 % to 7.5 ± 1", "ratio 17500 ± 10 % to 6.5 ± 1", True),
    ("ratio 16800 ± 10 % to 7.5 ± 1", "ratio 15119 ± 10 % to 7.5 ± 1", False),
    ("ratio 16800 ± 10 % to 7.5 ± 1", "ratio 16800 ± 10 % to 6.4 ± 1", False),  # each figure has its own
    ("12 of 12 runs, 0.5 ± 0.1", "11 of 12 runs, 0.5 ± 0.1", False),  # no tolerance: none
    ("residual 4e-13 ± 1e-10", "residual 9e-12 ± 1e-10", True),
    ("residual 4e-13 ± 1e-10", "residual 9e-9 ± 1e-10", False),
    ("from -1.5 ± 0.1 to 2", "from 1.5 ± 0.1 to 2", False),
    ("5 ± 1 nats", "5 ± 1 bits", False),
    ("5 ± 1 nats", "5 ± 2 nats", False),
    ("5 ± 1 nats", "5 ± 1 % nats", False),
    ("5 ± 1 nats", "nan ± 1 nats", False),
    ("5 nats, 3 bits", "5 nats", False),
])
def test_each_figure_is_compared_within_its_own_tolerance(kept, fresh, same):
    assert ledger.same_within_tolerance(kept, fresh) is same
    assert ledger.same_within_tolerance(fresh, kept) is same


def test_what_is_written_is_read_again():
    before = "A\n<!-- ledger -->\nold\n<!-- /ledger -->\nB"
    rows = {("02_b.py", "a claim"): ledger.Row("§2", r"x is 1 ± 0.1, \g<0>", "holds"),
            ("01_a.py", "another"): ledger.Row("-", "2 of 2", "does not hold: no")}
    after = ledger.written(before, rows)
    assert after.startswith("A\n<!-- ledger -->\n| essay §") and after.endswith("<!-- /ledger -->\nB")
    assert after.index("01_a.py") < after.index("02_b.py")
    assert ledger.read(after) == rows


@pytest.fixture
def runner(tmp_path, monkeypatch, capsys):
    """The runner over a folder with one little lesson; call it with arguments, get (exit, output)."""
    module = runpy.run_path(RUNNER, run_name="lessons.__main__")
    main = module["main"]
    shared = main.__globals__
    shared["HERE"], shared["README"] = tmp_path, tmp_path / "README.md"
    lesson = tmp_path / "01_dice.py"
    lesson.write_text(
        '"""Lesson 01: dice."""\n'
        "from workbench import begin, claim, end, rng\n"
        "begin(__doc__)\n"
        "mean = rng(0).integers(1, 7, 1000).mean()\n"
        "print('mean', mean)\n"
        'claim("-", "a die shows 3.5 on average", f"{mean:.1f} ± 0.3", "holds", abs(mean - 3.5) < 0.3)\n'
        'claim("-", "the seed is not shifted", "1 of 1", "holds", rng(0).integers(1000) == 850)\n'
        "end()\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("<!-- ledger -->\n<!-- /ledger -->\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(LESSONS), str(LESSONS.parent)]))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["lessons", *arguments])
        code = None
        try:
            main()
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().out
    run.lesson, run.readme = lesson, tmp_path / "README.md"
    return run


def test_write_then_check(runner):
    code, out = runner("--write")
    assert code is None and "wrote 2 claims" in out and "± 0.3" in runner.readme.read_text(encoding="utf-8")
    assert runner("--check")[0] is None
    text = runner.readme.read_text(encoding="utf-8")
    runner.readme.write_text(re.sub(r"\d\.\d ± 0.3", "4.5 ± 0.3", text), encoding="utf-8")
    code, out = runner("--check")
    assert "the ledger says 4.5" in code
    runner.readme.write_text(text.replace("a die shows", "two dice show"), encoding="utf-8")
    code, out = runner("--check")
    assert "not in the ledger: a die shows" in code and "but not measured now: two dice show" in code


def test_a_verdict_that_fails_stops_the_run(runner):
    runner("--write")
    runner.lesson.write_text(runner.lesson.read_text(encoding="utf-8").replace("< 0.3)", "< -1)"), encoding="utf-8")
    code, out = runner("--check")
    assert "01_dice.py failed" in code and "does not bear the verdict out" in out


def test_seeds_shift_the_chance_and_count_the_verdicts(runner):
    runner("--write")
    code, out = runner("--check", "--seeds", "100-102")
    assert code is None and out.splitlines()[-1] == "verdicts: 3 of 6"  # the second claim fails whenever shifted
    assert "3 of 3 | 3 of 3  01_dice.py: a die shows" in out and "0 of 3 | 3 of 3  01_dice.py: the seed" in out


def test_a_lesson_that_stops_counts_as_missed(runner):
    runner("--write")
    runner.lesson.write_text("1 / 0", encoding="utf-8")
    assert runner("--seeds", "5")[1].splitlines()[-1] == "verdicts: 0 of 2"


def test_words_choose_the_lessons(runner):
    assert "[1/1] 01_dice.py" in runner("dice")[1]
    assert runner("poker")[0] == 2


def test_your_turn_edits_runs_and_looks(runner):
    code, _ = runner("--your-turn")
    assert "there is no your_turn/01_dice.txt" in code
    edits = runner.lesson.parent / "your_turn" / "01_dice.txt"
    edits.parent.mkdir()
    edits.write_text("== 1\n- print('mean', mean)\n+ print('the mean is',\n+       mean)\n= the mean is\n== 2\n# on paper\n")
    assert runner("--your-turn")[0] == 0
    edits.write_text("== 1\n- print('mean', mean)\n+ print('oh')\n= the mean\n== 2\n- end()\n+ 1 / 0\n")
    code, _ = runner("--your-turn")
    assert "turn 1 does not print: the mean" in code and "turn 2 stops" in code and "ZeroDivisionError" in code


def test_seed_range():
    seed_range = runpy.run_path(RUNNER, run_name="lessons.__main__")["seed_range"]
    assert list(seed_range("100-102")) == [100, 101, 102] and list(seed_range("7")) == [7]
    with pytest.raises(argparse.ArgumentTypeError, match="such as 100-104"):
        seed_range("100:104")
