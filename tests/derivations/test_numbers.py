r"""Every sum in figures on the pages comes out, such as $\frac{1}{2}\log 5\approx 0.805$.

In a formula between the lines, neighbouring sides without any letter are compared: after \approx to
half a unit of the last digit that is printed, after = exactly.
"""

import re

import pytest

from page import FOLDER, FUNCTIONS, formula

INLINE = re.compile(r"(?<!\$)\$([^$\n]+)\$(?!\$)")
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
COMMANDS = {r"\frac", r"\tfrac", r"\sqrt", r"\cdot", r"\pi", r"\left", r"\right", "e"}


def in_figures(side):
    """Whether a side has figures in it, and no letter that would need a value."""
    side = re.sub(r"\\mathrm\{(\w+)\}", r"\1", side)
    words = re.findall(r"\\[a-zA-Z]+|[a-zA-Z]+", side)
    return bool(re.search(r"\d", side)) and all(w in COMMANDS or w in FUNCTIONS for w in words)


def sums(text):
    """(formula, left side, relation, right side) of each pair of sides in figures."""
    found = []
    for tex in INLINE.findall(re.sub(r"`[^`\n]*`", "", text)):
        for statement in re.split(r"\\qquad|\\quad|\\text\{[^}]*\}", tex):
            parts = [part.strip(" ,") for part in re.split(r"(=|\\approx)", statement)]
            for left, relation, right in zip(parts[::2], parts[1::2], parts[2::2]):
                if in_figures(left) and in_figures(right):
                    found.append((tex, left, relation, right))
    return found


def comes_out(left, relation, right):
    a, b = formula(left)(), formula(right)()
    tolerance = 1e-12 * max(1, abs(b))
    if relation == r"\approx":
        decimals = right.partition(".")[2]
        tolerance += 0.5 * 10.0 ** -len(decimals)
    return abs(a - b) <= tolerance


@pytest.mark.parametrize("file", PAGES, ids=[p.name[:2] for p in PAGES])
def test_sums_in_figures_come_out(file):
    wrong = [tex for tex, *parts in sums(file.read_text(encoding="utf-8")) if not comes_out(*parts)]
    assert not wrong, f"in {file.name}: {wrong}"


@pytest.mark.parametrize("text, right", [
    (r"so $w=2\cdot 3=6$ and $\log 2\approx 0.693$", [True, True]),
    (r"so $w=2\cdot 3=7$ and $\log 2\approx 0.694$", [False, False]),
    (r"$\frac{1}{2}e^{-1/2}\approx 0.30,\qquad 1-1=0$", [True, True]),
    (r"$\frac{1}{2}e^{-1/2}\approx 0.3033$ and $x=2$ and `$1=2$`", [True]),
])
def test_which_sums_are_found_and_which_come_out(text, right):
    assert [comes_out(*parts) for _, *parts in sums(text)] == right
