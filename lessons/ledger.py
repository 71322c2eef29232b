"""The ledger of claims in README.md: read, compared with a run, and written."""

import re
from decimal import Decimal
from typing import NamedTuple

LEDGER = re.compile(r"<!-- ledger -->\n(.*?)<!-- /ledger -->", re.S)
HEADER = "| essay § | claim | lesson | measured | verdict |\n|---|---|---|---|---|\n"
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
FIGURE = re.compile(rf"({NUMBER})(?: ± ({NUMBER})( %)?)?")


class Row(NamedTuple):
    section: str
    measured: str
    verdict: str


def read(text):
    """{(lesson file, claim): Row} from the text of README.md."""
    rows = {}
    for line in LEDGER.search(text)[1].splitlines()[2:]:
        section, claim, lesson, measured, verdict = (
            cell.strip() for cell in line.strip("|").split(" | ")
        )
        file = re.search(r"\((.+?)\)", lesson)[1]
        rows[file, claim] = Row(section, measured, verdict)
    return rows


def written(text, rows):
    """The text of README.md with these rows in its ledger, in the order of the lessons."""
    lines = [
        f"| {row.section} | {claim} | [{file[:2]}]({file}) | {row.measured} | {row.verdict} |\n"
        for (file, claim), row in sorted(rows.items(), key=lambda item: item[0][0])
    ]
    table = f"<!-- ledger -->\n{HEADER}{''.join(lines)}<!-- /ledger -->"
    return LEDGER.sub(lambda m: table, text)


def same_within_tolerance(a, b):
    """Do two 'measured' sentences say the same, each figure within its own tolerance?

    '0.71 ± 0.05' and '0.76 ± 0.05' do, and so do '100 ± 10 %' and '91 ± 10 %' (of the larger). A
    figure without a tolerance, the words and the tolerances must be equal. Compared are the decimals
    as they are printed: a difference of exactly the tolerance is within it.
    """
    figures = [FIGURE.findall(s) for s in (a, b)]
    words = [FIGURE.sub("#", s) for s in (a, b)]
    if words[0] != words[1] or len(figures[0]) != len(figures[1]):
        return False
    return all(_close(*pair) for pair in zip(*figures))


def _close(one, other):
    (p, tolerance, percent), (q, *other_tolerance) = one, other
    if [tolerance, percent] != other_tolerance:
        return False
    p, q, limit = Decimal(p), Decimal(q), Decimal(tolerance or 0)
    if percent:
        limit = limit / 100 * max(abs(p), abs(q))
    return abs(p - q) <= limit
