"""The lessons' form: headers, the ledger's rows and README's lists. What they measure is run by `python -m lessons`."""

import ast
import json
import re
from pathlib import Path

import pytest

import lesson as shared

LESSONS = Path(shared.__file__).parent
FILES = sorted(LESSONS.glob("[0-9][0-9]_*.py"))
README = (LESSONS / "README.md").read_text(encoding="utf-8")
FRONT = (LESSONS.parent / "README.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")]
        for line in re.search(r"<!-- ledger -->\n(.*?)<!-- /ledger -->", README, re.S)[1].splitlines()[2:]]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_each_lesson_has_the_form(path):
    text = path.read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(text))
    assert text.startswith('# %%\n"""') and doc.startswith(f"Lesson {path.name[:2]}: ") and "Takes about" in doc
    places = [re.search(pattern, text) for pattern in ("(?i)the question", r"(?i)[*#] ?predict", "(?i)your turn")]
    assert all(places) and [p.start() for p in places] == sorted(p.start() for p in places), "question, predict, your turn"
    assert "derivations/" in text or path.name[:2] in ("16", "17")
    assert f'"{path.stem}"' in text, "its figure has its name"
    assert re.search(r"^args = arguments\(__doc__", text, re.M) and re.search(r"^show\(args\)", text, re.M)
    assert text.count("mv.fit(") == text.count("finished(mv.fit("), "Ctrl-C must end the lesson"
    imported = {n.name.split(".")[0] for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import) for n in node.names}
    assert not imported & {"torch", "scipy", "sklearn", "jax"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_each_lesson_is_listed_and_has_claims(path):
    assert f"](lessons/{path.name})" in FRONT and f"]({path.name})" in README
    assert (LESSONS / "thumbnails" / f"{path.stem}.png").exists(), "run python -m lessons --write"
    assert any(f"({path.name})" in row[2] for row in ROWS), "no claim of it stands in the ledger"


def test_no_lesson_is_promised_that_is_not_there():
    for text, folder in ((FRONT, "lessons/"), (README, "")):
        promised = set(re.findall(rf"\]\({folder}(\d\d_\w+\.py)\)", text))
        assert promised == {p.name for p in FILES}


def test_the_ledger_has_its_form():
    assert len(ROWS) >= 40
    for row in ROWS:
        section, claim, lesson, measured, verdict = row
        assert re.fullmatch(r"-|summary|§\d(\.\d)?(, §\d(\.\d)?)*", section), row
        assert (LESSONS / re.fullmatch(r"\[\d\d\]\((.+)\)", lesson)[1]).exists()
        assert claim and re.search(r"\d|no ", measured), row
        assert verdict.startswith(("holds", "does not hold")), row
    assert len({(row[1], row[2]) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("ledger, fresh, same", [
    ("gap 0.047 nats (tol 0.01)", "gap 0.051 nats (tol 0.01)", True),
    ("gap 0.047 nats (tol 0.01)", "gap 0.059 nats (tol 0.01)", False),
    ("ratio 16800 to 7.5 (tol 10 %)", "ratio 17500 to 7.2 (tol 10 %)", True),
    ("ratio 16800 to 7.5 (tol 10 %)", "ratio 17500 to 6.2 (tol 10 %)", False),
    ("12 of 12 runs", "12 of 12 runs", True),
    ("12 of 12 runs", "11 of 12 runs", False),
    ("residual 4e-13 (tol 1e-10)", "residual 9e-12 (tol 1e-10)", True),
    ("residual 4e-13 (tol 1e-10)", "residual 9e-9 (tol 1e-10)", False),
    ("from -1.5 to 2 (tol 0.1)", "from 1.5 to 2 (tol 0.1)", False),
    ("5 nats (tol 1)", "5 bits (tol 1)", False),
    ("5 nats (tol 1)", "5 nats (tol 2)", False),
    ("5 nats (tol 1)", "nan nats (tol 1)", False),
])
def test_a_ledger_row_is_compared_within_its_tolerance(ledger, fresh, same):
    assert shared.same_within_tolerance(ledger, fresh) is same


def test_a_claim_is_printed_asserted_and_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIVAE_CLAIMS", str(tmp_path / "claims"))
    shared.claim("§2", "text", "1 of 1", "holds", True)
    assert "text" in capsys.readouterr().out
    assert json.loads((tmp_path / "claims").read_text()) == {"section": "§2", "text": "text", "measured": "1 of 1", "verdict": "holds"}
    with pytest.raises(AssertionError, match="does not bear the verdict out"):
        shared.claim("§2", "text", "1 of 1", "holds", False)
    with pytest.raises(ValueError, match="a verdict begins with"):
        shared.claim("§2", "text", "1 of 1", "true", True)
