"""The workbench: predictions, claims, figures, seeds; the notebooks; and the edits of 'your turn'."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import minivae as mv
import notebooks
import turns
import workbench
from workbench import measure, page

LESSONS = Path(notebooks.__file__).parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    for name in ("MINIVAE_CLAIMS", "MINIVAE_VERDICTS", "MINIVAE_SEED_SHIFT", "MINIVAE_THUMBNAILS", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MINIVAE_OUT", str(tmp_path / "out"))
    monkeypatch.setattr(page, "_predictions", [])
    monkeypatch.setattr(page, "_figures", [])
    monkeypatch.setattr(page, "_asking", False)
    monkeypatch.setattr(page, "_showing", False)
    yield
    plt.close("all")


def begin(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["lesson.py", *arguments])
    return workbench.begin("Lesson 99: a test.\n\nMore.")


def letters(monkeypatch, *answers):
    answers = iter(answers)

    def answer(prompt):
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None
    monkeypatch.setattr(builtins, "input", answer)


# Predict, then see.

def test_without_ask_nothing_blocks(monkeypatch, capsys):
    letters(monkeypatch)
    monkeypatch.setattr(builtins, "input", lambda prompt: pytest.fail("it asked"))
    begin(monkeypatch)
    p = workbench.predict("Which?", a="this", b="that")
    assert "Predict 1: Which?\n  (a) this\n  (b) that\n" in capsys.readouterr().out
    p.answer("b", "because")
    workbench.end()
    out = capsys.readouterr().out
    assert "Answer 1: (b) that\n  because\n" in out and "You said" not in out and "predictions" not in out


def test_with_ask_it_waits_for_a_letter_and_says_what_you_foretold(monkeypatch, capsys):
    letters(monkeypatch, "x", "(B)", "a", "")
    begin(monkeypatch, "--ask")
    first = workbench.predict("Which?", a="this", b="that")
    second = workbench.predict("And which?", a="this", b="that")
    third = workbench.predict("And?", a="this", b="that")
    assert "'x' is none of a, b" in capsys.readouterr().out
    for p in (first, second, third):
        p.answer("b", "because")
    assert "You said (a)." in capsys.readouterr().out
    workbench.end()
    out = capsys.readouterr().out
    assert "Of 2 predictions 1 came out as you said." in out
    assert "1: you said (b), measured was (b)" in out and "2: you said (a), measured was (b)" in out and "3:" not in out


def test_an_end_of_input_does_not_block(monkeypatch):
    letters(monkeypatch)
    begin(monkeypatch, "--ask")
    assert workbench.predict("Which?", a="this", b="that").foretold is None


def test_an_answer_is_one_of_the_options():
    with pytest.raises(ValueError, match="none of the options a, b"):
        workbench.predict("Which?", a="this", b="that").answer("c", "because")


# Claims.

def test_a_claim_is_printed_without_tolerances_and_recorded_with_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIVAE_CLAIMS", str(tmp_path / "claims"))
    workbench.claim("§2", "text", "1.50 ± 0.05 nats, 3 ± 10 %, 2e-3 ± 1e-3", "holds", True)
    out = capsys.readouterr().out
    assert "Claim (essay §2): text\n  measured: 1.50 nats, 3, 2e-3\n  verdict:  holds\n" in out
    assert json.loads((tmp_path / "claims").read_text(encoding="utf-8")) == {
        "section": "§2", "text": "text", "measured": "1.50 ± 0.05 nats, 3 ± 10 %, 2e-3 ± 1e-3", "verdict": "holds",
        "holds": True}


def test_a_verdict_that_fails_is_told_by_hand_and_stops_a_run(tmp_path, monkeypatch, capsys):
    workbench.claim("-", "text", "1 of 2", "holds", np.bool_(False))
    assert "this run differs from the ledger" in capsys.readouterr().out
    for name, value in (("MINIVAE_VERDICTS", "stop"), ("CI", "true")):
        monkeypatch.setenv(name, value)
        with pytest.raises(page.VerdictError, match="does not bear the verdict out: text: 1 of 2"):
            workbench.claim("-", "text", "1 of 2", "holds", False)
        monkeypatch.delenv(name)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("MINIVAE_VERDICTS", "go on")  # under --seeds
    workbench.claim("-", "text", "1 of 2", "holds", False)


def test_a_verdict_does_not_rest_on_assert():
    code = "from workbench import claim; claim('-', 'text', '1 of 2', 'holds', False)"
    done = subprocess.run([sys.executable, "-O", "-c", code], cwd=LESSONS, capture_output=True, text=True,
                          env={**__import__("os").environ, "MINIVAE_VERDICTS": "stop", "PYTHONPATH": str(LESSONS.parent)})
    assert done.returncode and "does not bear the verdict out" in done.stderr


def test_a_verdict_has_its_form():
    with pytest.raises(ValueError, match="a verdict begins with"):
        workbench.claim("§2", "text", "1 of 1", "true", True)


# Figures.

def test_a_figure_is_saved_and_named(tmp_path, capsys):
    fig, ax = plt.subplots()
    path = workbench.figure(fig, "99_test")
    assert path == tmp_path / "out" / "99_test.png" and path.exists() and "99_test.png" in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_replaced_by_one_that_it_names(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MINIVAE_OUT", str(tmp_path / "file" / "out"))
    monkeypatch.setattr(page.tempfile, "gettempdir", lambda: str(tmp_path))
    path = workbench.figure(plt.figure(), "99_test")
    assert path.exists() and f"figures go to {path.parent}" in capsys.readouterr().out


def test_a_thumbnail_shows_the_axes_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "LESSONS", tmp_path)
    monkeypatch.setenv("MINIVAE_THUMBNAILS", "1")
    fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    workbench.figure(fig, "all")
    workbench.figure(fig, "left", thumbnail=left)
    whole, part = (plt.imread(tmp_path / "thumbnails" / f"{name}.png") for name in ("all", "left"))
    assert whole.shape[1] == 420 and whole.shape[0] == 168
    assert abs(part.shape[1] - 420) <= 2 and part.shape[0] > 250


def test_show_says_so_where_there_is_no_display(monkeypatch, capsys):
    begin(monkeypatch, "--show")
    assert "no window can be opened here" in capsys.readouterr().out
    workbench.figure(plt.figure(), "99_test")
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("it tried"))
    workbench.end()


def test_show_opens_one_window(monkeypatch):
    monkeypatch.setattr(page, "_can_open_windows", lambda: True)
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.get_fignums()))
    begin(monkeypatch, "--show")
    workbench.figure(plt.figure(), "one")
    plt.figure()  # one that was not for showing
    workbench.figure(plt.figure(), "two")
    workbench.end()
    assert len(shown) == 1 and len(shown[0]) == 1


# Measuring and drawing.

def test_seeds_are_shifted(monkeypatch):
    assert workbench.seed(3) == 3 and workbench.rng(3).integers(10**9) == np.random.default_rng(3).integers(10**9)
    before = [workbench.rng(*k).integers(10**9) for k in ((0,), (0, 1), (0, 2), (1,))]
    monkeypatch.setenv("MINIVAE_SEED_SHIFT", "100")
    after = [workbench.rng(*k).integers(10**9) for k in ((0,), (0, 1), (0, 2), (1,))]
    assert workbench.seed(3) == 100003 and len(set(before + after)) == 8


def test_the_split_is_a_split():
    x, y = np.arange(20)[:, None], np.arange(20)
    x_train, y_train, x_test, y_test = workbench.held_out(x, y, 5)
    assert len(x_test) == 5 and sorted([*y_train, *y_test]) == list(range(20))
    assert np.all(x_train[:, 0] == y_train) and np.all(x_test[:, 0] == y_test)


def test_judges():
    a, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 1.0]])
    assert np.allclose(workbench.distances(a, b), [[0, 1], [5, np.hypot(3, 3)]])
    assert workbench.share_real(a, b, threshold=2) == 0.5
    assert np.isclose(workbench.entropy_floor(np.array([[0.5, 0.0], [0.5, 1.0]])), np.log(2))
    x = workbench.rng(0).random((200, 4)).astype(np.float32)
    model = mv.VAE(4, (), 2, rng=workbench.rng(1))
    for p in model.parameters():
        p.data[...] = 0  # every q(z | x) is then the prior
    assert abs(workbench.distance_from_prior(model, x)) < 1e-12
    model.encoder.layers[0].bias.data[:2] = 1  # mu = (1, 1): KL = 1/2 + 1/2
    assert np.isclose(workbench.distance_from_prior(model, x), 1)


def test_which_pixels_are_connected_and_which_are_stray():
    picture = np.zeros((8, 8))
    picture[3, 3:6] = 1, 0.5, 0.2  # a stroke that fades: beside 0.2 a pixel is neither
    found = set(zip(*(a.tolist() for a in measure.one_pixel_edits(picture.reshape(1, 64)))))
    connected = {pixel for n, pixel, stray in found if not stray}
    assert connected == {8 * row + column for row, column in ((2, 3), (4, 3), (3, 2), (2, 4), (4, 4))}
    inside = {8 * row + column for row in (2, 3, 4) for column in range(2, 7)}
    assert {pixel for n, pixel, stray in found if stray} == set(range(64)) - inside


def test_prices_are_compared_at_pixels_that_have_both_kinds():
    pixel = np.array([5] * 6 + [9] * 4)
    stray = np.array([True] * 3 + [False] * 3 + [True] * 4)
    price = np.array([2.0, 3, 4, 1, 1, 1, 100, 100, 100, 100])
    assert measure.at_the_same_pixels(price, pixel, stray) == (1, 3)


def test_sharpness_of_a_dot_a_ramp_and_a_board():
    dot = np.zeros((8, 8))
    dot[3, 3] = 1
    ramp = np.tile(np.arange(8.0), (8, 1))
    board = np.indices((8, 8)).sum(axis=0) % 2.0
    for picture, expected in ((dot, 8 / 36), (ramp, 0), (board, 4)):
        assert measure.sharpness(picture.reshape(1, 64)) == pytest.approx(expected)


def test_ranked_above_counts_ties_half():
    assert measure.ranked_above(np.array([1.0, 3.0]), np.array([0.0, 1.0])) == 3.5 / 4


def test_the_divergence_of_two_shifted_normals():
    x = np.random.default_rng(0).standard_normal(400_000)
    for m in (0.5, 2.0):
        at_p, at_q = (measure.log_normal(x, 0, 1) - measure.log_normal(x, m, 1),
                      measure.log_normal(x + m, 0, 1) - measure.log_normal(x + m, m, 1))
        pays = (np.logaddexp(0, -at_p).mean() + np.logaddexp(0, at_q).mean()) / 2
        assert abs(measure.shifted_js(m) - (np.log(2) - pays)) < 0.002
    assert measure.shifted_js(32) == pytest.approx(np.log(2), abs=1e-9)


def test_class_accuracy_finds_classes_that_lie_apart():
    rng = workbench.rng(0)
    y = rng.integers(0, 3, 300)
    x = np.eye(3, dtype=np.float32)[y] * 0.8 + 0.1 * rng.random((300, 3), np.float32)
    model = mv.Autoencoder(3, (), 3, rng=workbench.rng(1))
    model.encoder.layers[0].weight.data[...] = np.eye(3)
    assert workbench.class_accuracy(model, x[:200], y[:200], x[200:], y[200:]) == 1
    assert workbench.class_accuracy(model, x[:200], (y[:200] + 1) % 3, x[200:], y[200:]) == 0


def test_ctrl_c_ends_the_lesson():
    history = type("History", (), {"interrupted": True})()
    with pytest.raises(SystemExit, match="nothing was judged"):
        measure.finished(history)


def test_a_table_is_aligned(capsys):
    workbench.table(["", "share"], [["VAE", workbench.spread([0.5, 0.7])], ["autoencoder", "0"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  VAE           0.60 (0.50 to 0.70)" and len({len(line) for line in lines}) == 1


def test_a_sheet_shows_every_picture():
    _, ax = plt.subplots()
    rows = np.zeros((2, 3, 16))
    rows[1, 2] = 1
    workbench.sheet(ax, rows, ["upper", "lower"])
    picture = ax.images[0].get_array()
    assert picture.shape == (12, 18) and picture[7:11, 13:17].min() == 1 and picture[1:5, 1:5].max() == 0


# Notebooks.

SCRIPT = '''# %%
"""Lesson 99: a test.

More.
"""
import math

# %% [markdown]
# ## The question
# See [the first](01_a.py#x) and [a page](https://example.org).
#
# $$ a = b $$

# %%
print(math.pi)
'''


def test_a_script_becomes_a_notebook():
    cells = notebooks.notebook(SCRIPT)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "code", "markdown", "code"]
    texts = ["".join(cell["source"]) for cell in cells]
    assert texts[0].startswith("# Lesson 99: a test\n") and "More." in texts[0] and texts[2] == "import math"
    assert "[the first](../../01_a.py#x)" in texts[3] and "(https://example.org)" in texts[3] and "\n\n$$ a = b $$" in texts[3]
    assert len({cell["id"] for cell in cells}) == 5


def test_notebooks_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "OUT", tmp_path / "a" / "b")
    lesson = LESSONS / "10_vae.py"
    path, = notebooks.write([lesson])
    book = json.loads(path.read_text(encoding="utf-8"))
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    for cell in code:
        compile(cell.replace("%matplotlib inline", ""), "cell", "exec")
    assert path.name == "10_vae.ipynb" and book["nbformat"] == 4 and "end()" in code[-1]


def test_the_first_cell_finds_the_checkout(tmp_path, monkeypatch, capsys):
    code = notebooks.FIND_THE_CHECKOUT.replace("%matplotlib inline", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    (LESSONS / "out" / "notebooks").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(LESSONS / "out" / "notebooks")
    exec(code, {})
    assert sys.path[:2] == [str(LESSONS.parent), str(LESSONS)]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="inside the checkout"):
        exec(code, {})


# Your turn.

def test_the_edits_are_read_and_made():
    first, second = turns.read("# a remark\n== 1\n- a = 1\n- b = 2\n+ a = 3\n- c = 4\n+ c = 5\n+ \n+ d = 6\n= seen  here\n\n== 2\n# on paper\n")
    assert first == turns.Turn(1, [("a = 1\nb = 2", "a = 3"), ("c = 4", "c = 5\n\nd = 6")], ["seen  here"])
    assert second == turns.Turn(2, [], [])
    assert turns.applied("a = 1\nb = 2\nc = 4\n", first) == "a = 3\nc = 5\n\nd = 6\n"
    assert turns.unseen(first, "it is seen\n here") == [] and turns.unseen(first, "no") == ["seen  here"]
    for script in ("a = 1\nb = 3\nc = 4\n", "a = 1\nb = 2\nc = 4\nc = 4\n", "a = 1\n b = 2\nc = 4\n"):
        with pytest.raises(ValueError, match="in the lesson"):
            turns.applied(script, first)
    with pytest.raises(ValueError, match="begins with"):
        turns.read("== 1\nnonsense")
