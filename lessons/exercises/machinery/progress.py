"""How far the learner is: what `python -m lessons --exercises` prints."""

import ast
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from .running import SECONDS

HERE = Path(__file__).resolve().parents[1]
DONE, WRONG, NOT_BEGUN = 0, 1, 2
WORDS = {DONE: "done", WRONG: "wrong", NOT_BEGUN: "not begun"}


def exercises():
    """The exercises' files, in order."""
    return sorted(HERE.glob("ex[0-9]*.py"))


def verdict(file, stop=lambda: False):
    """(exit code, what the exercise printed) of running the file in a process of its own; never an
    exception.

    stop: asked ten times a second; when it says True, the run is ended and (None, "") comes back.
    """
    broken = cannot_run(file)
    if broken:
        return WRONG, f"{file.stem}: not right yet\n  {broken}\n"
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [sys.executable, str(file)], stdout=out, stderr=err, env=environment
        )
        try:
            ended = _wait(process, stop)
        finally:
            process.kill()
            process.wait()
        out.seek(0)
        err.seek(0)
        printed = out.read().decode("utf-8", "replace")
        errors = err.read().decode("utf-8", "replace").strip().splitlines()
    if ended is None:
        return None, ""
    if (
        re.search(rf"^{file.stem}: (done|not right yet|not begun)\r?$", printed, re.M)
        and process.returncode in WORDS
    ):
        return process.returncode, printed
    last = errors[-1] if errors else "it ended before there was a verdict"
    if any("Timeout" in line for line in errors) or not ended:
        last = f"it still ran after {SECONDS} s, in a single step that cannot be interrupted"
    return WRONG, f"{printed}{file.stem}: not right yet\n  {last}\n"


def _wait(process, stop):
    """True when the process has ended by itself, False when it takes too long, None when stop()
    says so."""
    started = time.monotonic()
    while time.monotonic() - started < SECONDS + 10:
        try:
            process.wait(0.1)
            return True
        except subprocess.TimeoutExpired:
            if stop():
                return None
    return False


def progress():
    """Print done, wrong or not begun for each exercise."""
    files = exercises()
    done = 0
    for file in files:
        code, text = verdict(file)
        done += code == DONE
        broken = cannot_run(file)
        note = f": {broken}" if broken else ""
        print(f"  {file.stem:<30}{WORDS[code]}{note}", flush=True)
    print(f"{done} of {len(files)} done")
    if done < len(files):
        folder = os.path.relpath(HERE)
        print(
            f"python {folder}/exNN_name.py says what is right and what is not;\n"
            f"python -m lessons --exercises --watch says so each time you save a file"
        )


# Files that cannot be run.


def cannot_run(file):
    """A sentence on a syntax error or a renamed function, or nothing."""
    try:
        text = Path(file).read_text(encoding="utf-8")
        tree = ast.parse(text)
    except SyntaxError as error:
        line = (error.text or "").strip()
        shown = f": {line}" if line else ""
        return f"line {error.lineno} is not Python yet ({error.msg}){shown}"
    except UnicodeDecodeError:
        return "the file is not UTF-8 text: save it with that encoding"
    return renamed(tree)


def renamed(tree):
    """A sentence if the last line passes a function to the check that the file does not define; or
    nothing."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "run"
            and len(node.args) == 2
        ):
            name = ast.unparse(node.args[1])
            known = [n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
            known += [
                ast.unparse(target)
                for n in tree.body
                if isinstance(n, ast.Assign)
                for target in n.targets
            ]
            known += [
                a.asname or a.name
                for n in tree.body
                if isinstance(n, (ast.Import, ast.ImportFrom))
                for a in n.names
            ]
            if name not in known:
                have = [n for n in known if n not in ("np", "run")]
                others = f" (the file has {', '.join(have)})" if have else ""
                return (
                    f"the function must be called {name}, for the last line passes it to the "
                    f"check{others}"
                )
    return ""


def explain_renamed_functions():
    """Let a file whose function was renamed end with that sentence and not with a NameError and
    its traceback."""
    usual = sys.excepthook

    def hook(kind, error, trace):
        file = getattr(sys.modules.get("__main__"), "__file__", None)
        sentence = cannot_run(file) if kind is NameError and file else ""
        if not sentence:
            return usual(kind, error, trace)
        print(f"{Path(file).stem}: not right yet")
        print(textwrap.fill(sentence, 79, initial_indent="  ", subsequent_indent="     "))

    sys.excepthook = hook
