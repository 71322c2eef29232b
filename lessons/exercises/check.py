"""The face of an exercise: run(__file__, answer) checks the answer or shows a hint.

You need not read this to do the exercises. What is special to one of them, its hints included, is
in checks/; what they share is in machinery/."""

import argparse
import importlib.util
import os
import sys
import textwrap
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))  # finds minivae beside lessons/ where it is not installed
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))

from machinery import examining, running  # noqa: E402
from machinery.cases import NotBegun, Wrong  # noqa: E402
from machinery.progress import explain_renamed_functions, progress  # noqa: E402, F401
from machinery.watching import watch  # noqa: E402, F401

DONE, WRONG, NOT_BEGUN = 0, 1, 2  # exit codes of an exercise
WORDS = {DONE: "done", WRONG: "not right yet", NOT_BEGUN: "not begun"}
WIDTH = 79


def load(path):
    """The module in a file."""
    name = f"{Path(path).parent.name}_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def checks_of(file):
    """The module checks/exNN_name.py of an exercise: its HINTS and what examine() reads, or a
    check(answer) of its own."""
    return load(HERE / "checks" / Path(file).name)


def judge(checks, answer):
    """(exit code, text) for an answer."""
    try:
        if hasattr(checks, "check"):
            return DONE, checks.check(answer)
        return DONE, examining.examine(answer, checks)
    except NotBegun as hint:
        return NOT_BEGUN, str(hint)
    except Wrong as message:
        return WRONG, str(message)
    except Exception as error:  # nothing that an answer does should end in a traceback
        text = f"{type(error).__name__}: {error}"
        return WRONG, f"the check could not make sense of this answer: {text}"


def run(file, answer):
    """What `python exNN_name.py` does: check the answer, or show a hint. Ends with the exit
    code."""
    name, checks = Path(file).stem, checks_of(file)
    parser = argparse.ArgumentParser(description=f"Check your answer to {name}, or show a hint.")
    parser.add_argument(
        "--hint",
        nargs="?",
        const=1,
        type=int,
        choices=range(1, len(checks.HINTS) + 1),
        metavar="N",
        help=f"show hint N of {len(checks.HINTS)} (the last is nearly the answer)",
    )
    n = parser.parse_args().hint
    command = f"python {os.path.relpath(file)}"
    if n:
        show_hint(checks.HINTS, n, command)
        sys.exit(DONE)
    with running.limit(file, WRONG):
        code, text = judge(checks, answer)
    print(f"{name}: {WORDS[code]}")
    for line in text.splitlines():
        print(wrapped(line, indent="  "))
    if code != DONE:
        print(f"  a hint: {command} --hint")
    sys.exit(code)


def show_hint(hints, n, command):
    text = " ".join(hints[n - 1].split())
    print(wrapped(f"hint {n} of {len(hints)}: {text}"))
    print(f"the next one: {command} --hint {n + 1}" if n < len(hints) else "that was the last one")


def wrapped(line, indent=""):
    """The line in as many as it needs; an indented one, such as an example, keeps its indent."""
    own = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        WIDTH,
        initial_indent=indent + own,
        subsequent_indent=indent + own + "   ",
        break_on_hyphens=False,
        break_long_words=False,
    )


explain_renamed_functions()
