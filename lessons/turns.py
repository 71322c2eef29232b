"""Every 'your turn' of a lesson, applied and run.

your_turn/NN_name.txt holds, for each numbered thing to change in the lesson NN_name.py, the edit and
what must be seen:

    == 1
    - lines of the lesson, as they stand there
    + the lines that take their place
    = words that the changed lesson prints

A '-' after a '+' begins a further edit; a turn without edits is one to be done on paper. Lines that
begin with # are remarks. Spaces count in - and +, not in =.
"""

import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ITEM = re.compile(r"^# (\d+)\. ", re.M)


class Turn(NamedTuple):
    number: int
    edits: list  # of (old text, new text)
    seen: list  # words that the run prints


def read(text):
    """The turns in a file of your_turn/. Raises ValueError for a line of no known kind."""
    turns = []
    last = ""
    for line in text.splitlines():
        mark, content = line[:1], line[2:]
        if line.startswith("=="):
            turns.append(Turn(int(line[2:]), [], []))
        elif mark == "=":
            turns[-1].seen.append(content)
        elif mark == "-" and last != "-":
            turns[-1].edits.append((content, None))
        elif mark in ("-", "+"):
            old, new = turns[-1].edits[-1]
            if mark == "-":
                turns[-1].edits[-1] = (f"{old}\n{content}", new)
            else:
                turns[-1].edits[-1] = (old, content if new is None else f"{new}\n{content}")
        elif mark not in ("", "#"):
            raise ValueError(f"a line begins with ==, -, +, = or #, not as {line!r}")
        last = mark
    return turns


def applied(script, turn):
    """The lesson's text, edited. Raises ValueError where an old text does not stand there once."""
    for old, new in turn.edits:
        places = list(re.finditer(f"^{re.escape(old)}$", script, re.M))
        if len(places) != 1:
            raise ValueError(f"turn {turn.number}: these lines stand {len(places)} times in the "
                             f"lesson:\n{old}")
        start, end = places[0].span()
        script = script[:start] + (new or "") + script[end:]
    return script


def asked(script):
    """The numbers of the things to change that stand in the lesson's last part, 'Your turn'."""
    part = script.split("# ## Your turn")[1].split("# ## ")[0]
    return [int(number) for number in ITEM.findall(part)]


def unseen(turn, output):
    """The words of the turn that the output does not have, spaces aside."""
    flat = " ".join(output.split())
    return [words for words in turn.seen if " ".join(words.split()) not in flat]
