"""A lesson as a Jupyter notebook: a cell for each '# %%', figures beside their cell."""

import ast
import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE / "out" / "notebooks"

FIND_THE_CHECKOUT = """\
# Run this first: it finds the checkout of minivae that this notebook stands in.
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: more threads would mostly wait
%matplotlib inline

here = Path.cwd().resolve()
roots = [folder for folder in (here, *here.parents) if (folder / "lessons" / "workbench").is_dir()]
if not roots:
    raise SystemExit("Put this notebook somewhere inside the checkout of minivae.")
sys.path[:0] = [str(roots[0]), str(roots[0] / "lessons")]
print("minivae at", roots[0])"""


def cells_of(script):
    """[(kind, text)] of a script in percent format; kind is 'markdown' or 'code'."""
    cells = []
    for part in re.split(r"^# %%", script, flags=re.M)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            lines = [re.sub(r"^# ?", "", line) for line in body.strip().splitlines()]
            cells.append(("markdown", "\n".join(lines)))
        elif body.strip():
            cells.append(("code", body.strip()))
    return cells


def notebook(script):
    """The notebook of a script, a dict for json.dump; the docstring becomes the title cell."""
    doc = ast.get_docstring(ast.parse(script))
    title, _, rest = doc.partition("\n")
    cells = [_cell("markdown", f"# {title.rstrip('.')}\n{rest}"), _cell("code", FIND_THE_CHECKOUT)]
    for kind, text in cells_of(script):
        if kind == "code" and text.startswith('"""'):
            text = text.split('"""', 2)[2].strip()
        if (
            kind == "markdown"
        ):  # links are meant from lessons/, the notebook stands two folders below
            text = re.sub(r"\]\((?!https?:|#)", "](../../", text)
        cells.append(_cell(kind, text))
    for i, cell in enumerate(cells):
        cell["id"] = f"cell-{i}"
    language = {"name": "python"}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": language},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind, text):
    cell = {"cell_type": kind, "metadata": {}, "source": text.strip().splitlines(keepends=True)}
    if kind == "code":
        cell.update(execution_count=None, outputs=[])
    return cell


def write(lessons):
    """Write a notebook for each of these scripts into lessons/out/notebooks/; returns the paths."""
    OUT.mkdir(parents=True, exist_ok=True)
    paths = []
    for lesson in lessons:
        path = OUT / f"{lesson.stem}.ipynb"
        text = json.dumps(
            notebook(lesson.read_text(encoding="utf-8")), indent=1, ensure_ascii=False
        )
        path.write_text(text + "\n", encoding="utf-8")
        paths.append(path)
    return paths
