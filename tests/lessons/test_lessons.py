"""The lessons' form, read from their text. What they measure is run by `python -m lessons`.

Not every rule can be tested by a machine. That nothing above a measurement gives its answer away, that the options of a
prediction are all plausible, and that a figure has one message, is for the reader to judge.
"""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import ledger
import notebooks
import turns

LESSONS = Path(ledger.__file__).parent
FILES = sorted(LESSONS.glob("[0-9][0-9]_*.py"))
README = (LESSONS / "README.md").read_text(encoding="utf-8")
FRONT = (LESSONS.parent / "README.md").read_text(encoding="utf-8")
ROWS = ledger.read(README)

names = {"ids": lambda p: p.stem}


def text_of(path):
    return path.read_text(encoding="utf-8")


def lines_of_code(text):
    """How many lines hold code: no comments, no blank lines, no docstrings."""
    docs = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            docs |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
             tokenize.ENDMARKER)
    code = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in blank:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - docs)


def complaints(name, text):
    """What is wrong with the form of a lesson's text, a line each."""
    bad = []
    lines = text.splitlines()
    bad += [f"{len(lines)} lines, of 170 at most"] * (len(lines) > 170)
    bad += [f"line {n} has {len(line)} columns" for n, line in enumerate(lines, 1) if len(line) > 100]
    code = [body for kind, body in notebooks.cells_of(text) if kind == "code"]
    bad += [f"a cell of {lines_of_code(cell)} lines of code, of 25 at most: {cell[:40]!r}"
            for cell in code if lines_of_code(cell) > 25]

    doc = ast.get_docstring(ast.parse(text)) or ""
    if not re.match(rf"Lesson {name[:2]}(, \w+ part)?: .+[.?]\n\n", doc):
        bad.append("the docstring begins 'Lesson NN: title.' and an empty line")
    if not re.search(r"Takes about \d+ s\.$", " ".join(doc.split())):
        bad.append("the docstring ends with 'Takes about N s.'")
    if not text.startswith('# %%\n"""'):
        bad.append("the first cell begins with the docstring")

    # The parts, in their order.
    parts = {"the question": r"^# ## The question$", "what you need": r"^# \*\*What you need:\*\*",
             "a prediction": r"\bpredict\(", "a claim": r"^ *claim\(", "the end": r"^end\(\)$",
             "your turn": r"^# ## Your turn$", "what you should see": r"^# ## What you should see$"}
    found = {part: re.search(pattern, text, re.M) for part, pattern in parts.items()}
    bad += [f"{part} is missing" for part, match in found.items() if not match]
    places = [match.start() for match in found.values() if match]
    if places != sorted(places):
        bad.append(f"the order is {', '.join(parts)}")
    if f'figure(fig, "{name}"' not in text:
        bad.append("its figure has its name")

    # Predictions are asked and answered.
    asked = {m[1]: m.start() for m in re.finditer(r"^(\w+) = (?:\{\w+: )?predict\(", text, re.M)}
    for variable, start in asked.items():
        answer = re.search(rf"^ *{variable}(\[.+?\])?\.answer\(", text, re.M)
        if not answer or answer.start() < start:
            bad.append(f"the prediction {variable} is not answered after it is asked")
        elif not re.search(r"\bprint\(|\btable\(|figure\(", text[start:answer.start()]):
            bad.append(f"the prediction {variable} is answered before anything is shown")

    # What a lesson does not do.
    tree = ast.parse(text)
    if any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        bad.append("an assert is no check: python -O skips it; use claim")
    if "np.random" in text:
        bad.append("chance comes from rng(k) or seed(k), which --seeds can shift")
    if "(tol " in text:
        bad.append("a figure has its own tolerance: 0.71 ± 0.05")
    if text.count("mv.fit(") != text.count("finished(mv.fit(") + text.count("`mv.fit("):
        bad.append("finished(mv.fit(...)): Ctrl-C must end the lesson")
    modules = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import)
               for alias in node.names}
    bad += [f"it imports {module}" for module in modules & {"torch", "scipy", "sklearn", "jax"}]
    return bad


@pytest.mark.parametrize("path", FILES, **names)
def test_each_lesson_has_the_form(path):
    assert complaints(path.stem, text_of(path)) == []


@pytest.mark.parametrize("path", FILES, **names)
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#\s]+)", text_of(path)):
        assert link.startswith("https://") or (LESSONS / link).exists(), link
    words = re.findall(r"\]\(GLOSSARY\.md#([\w-]+)\)", text_of(path))
    glossary = (LESSONS / "GLOSSARY.md").read_text(encoding="utf-8")
    assert [word for word in words if f'<a id="{word}"></a>' not in glossary] == []
    if path.stem[:2] not in ("16", "17"):
        assert f"derivations/{path.stem[:2]}_" in text_of(path), "it links no equation of its chapter"


@pytest.mark.parametrize("path", FILES, **names)
def test_each_turn_is_kept_beside_the_lesson(path):
    edits = LESSONS / "your_turn" / f"{path.stem}.txt"
    text = text_of(path)
    kept = turns.read(text_of(edits))
    seen = [int(n) for n in turns.ITEM.findall(text.split("# ## What you should see")[1])]
    assert turns.asked(text) == [turn.number for turn in kept] == seen
    assert 2 <= len(kept) <= 4 and any(turn.edits for turn in kept)
    for turn in kept:
        compile(turns.applied(text, turn), str(path), "exec")


@pytest.mark.parametrize("path", FILES, **names)
def test_each_lesson_is_listed_and_has_claims(path):
    assert f"]({path.name})" in README
    assert (LESSONS / "thumbnails" / f"{path.stem}.png").exists(), "run python -m lessons --write"
    assert any(file == path.name for file, _ in ROWS), "no claim of it stands in the ledger"


def test_the_ledgers_claims_are_those_of_the_lessons():
    """Each row's words stand in its lesson. (That they are measured is checked by running it.)"""
    for file, claim in ROWS:
        source = re.sub(r'"\s*\n\s*f?"', "", text_of(LESSONS / file))
        assert claim in source, (file, claim)


def test_the_front_page_promises_only_what_is_there():
    for text, folder in ((FRONT, "lessons/"), (README, "")):
        promised = set(re.findall(rf"\]\({folder}(\d\d_\w+\.py)\)", text))
        assert promised <= {p.name for p in FILES}
        assert {name[:2] for name in promised} == {p.name[:2] for p in FILES}


def test_the_ledger_has_its_form():
    assert len(ROWS) >= 78
    for (file, claim), row in ROWS.items():
        assert re.fullmatch(r"-|summary|§\d(\.\d)?(, §\d(\.\d)?)*", row.section), row
        assert (LESSONS / file).exists() and claim
        assert re.search(r"\d|no ", row.measured), row
        assert row.verdict.startswith(("holds", "does not hold")), row


GOOD = (LESSONS / "10_judge.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("old, new, complaint", [
    ("end()\n", "end()\n" + "# x\n" * 90, "170 at most"),
    ("end()\n", "end()  # " + "x" * 100 + "\n", "columns"),
    ("end()\n", "x = 1\n" * 26 + "end()\n", "lines of code, of 25"),
    ('"""Lesson 10', '"""Lesson 11', "the docstring begins"),
    ("Takes about", "It takes", "Takes about N s."),
    ("# ## The question", "# ## A question", "the question is missing"),
    ("# **What you need:**", "# You need", "what you need is missing"),
    ("end()\n", "", "the end is missing"),
    ("# ## What you should see", "# ## Answers", "what you should see is missing"),
    ('figure(fig, "10_judge")', 'figure(fig, "judge")', "its figure has its name"),
    ("averages.answer(", "averages.reply(", "is not answered"),
    ("end()\n", "assert True\nend()\n", "an assert is no check"),
    ("rng(k, 1)", "np.random.default_rng(1)", "chance comes from rng"),
    ("± 0.08", "(tol 0.08)", "a figure has its own tolerance"),
    ("end()\n", "mv.fit(model, x)\nend()\n", "finished(mv.fit"),
    ("import minivae as mv", "import minivae as mv\nimport torch", "it imports torch"),
])
def test_a_broken_form_is_found(old, new, complaint):
    assert old in GOOD
    assert any(complaint in line for line in complaints("10_judge", GOOD.replace(old, new)))


def test_an_answer_before_the_measurement_is_found():
    start, end = GOOD.index("averages.answer("), GOOD.index('claim("-"')
    answer = GOOD[start:end]
    early = GOOD.replace(answer, "").replace("x, y = mv.data.digits()", answer + "x, y = mv.data.digits()")
    assert any("before anything is shown" in line for line in complaints("10_judge", early))
