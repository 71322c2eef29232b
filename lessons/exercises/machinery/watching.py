"""python -m lessons --exercises --watch: the verdict each time the learner's file is saved, from
one exercise to the next."""

import ast
import itertools
import os
import shutil
import time

from .progress import DONE, HERE, exercises, verdict

PAUSE = 0.1  # seconds between two looks at the file
SOLUTIONS = HERE.parent / "solutions"


def watch():
    """Go from exercise to exercise; an exercise that is done already is passed over. Ctrl-C ends
    it."""
    files = exercises()
    done = 0
    try:
        for file in files:
            stamp = _stamp(file)
            code, text = verdict(file)
            if code == DONE:
                print(f"{file.stem}: done", flush=True)
            else:
                _until_done(file, stamp, text)
            done += 1
        print(f"all {len(files)} exercises are done")
    except KeyboardInterrupt:
        print(f"\nstopped; {done} of the {len(files)} exercises are done up to here")


def _until_done(file, stamp, text):
    """Run the file whenever it is saved, until it is right; then show the project's solution."""
    print(
        f"\n{text.rstrip()}\n\nwatching {os.path.relpath(file)}: save it, and the verdict comes "
        f"by itself (Ctrl-C ends it)",
        flush=True,
    )
    code = None
    while code != DONE:
        stamp = _saved(file, stamp)
        code, text = verdict(file, stop=lambda: _stamp(file) not in (None, stamp))
        if code is not None:  # else it was saved again meanwhile
            print(f"\n{time.strftime('%H:%M:%S')}  {text.rstrip()}", flush=True)
    print(
        beside(_code(file), _code(SOLUTIONS / file.name), shutil.get_terminal_size().columns),
        flush=True,
    )


def _stamp(file):
    """What changes when the file is saved; None while an editor has it away."""
    try:
        state = os.stat(file)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


def _saved(file, stamp):
    """Wait until the file has changed and is at rest; gives its new stamp."""
    before = stamp
    while True:
        now = _stamp(file)
        if now is not None and now != stamp and now == before:
            return now
        before = now
        time.sleep(PAUSE)


def _code(file):
    """The functions of a file, without what stands around them."""
    try:
        text = file.read_text(encoding="utf-8")
        nodes = ast.parse(text).body
    except (OSError, SyntaxError):
        return [f"({file.name} cannot be read)"]
    around = (ast.Import, ast.ImportFrom, ast.Expr, ast.If)
    parts = [ast.get_source_segment(text, node) for node in nodes if not isinstance(node, around)]
    return "\n\n".join(parts).splitlines()


def beside(yours, ours, columns):
    """The learner's lines and the project's, side by side where the terminal is wide enough."""
    left, right = "yours", "the project's solution"
    width = max(map(len, [left, *yours]))
    if width + 3 + max(map(len, [right, *ours])) > columns:
        return "\n".join(["", f"{left}:", *yours, "", f"{right}:", *ours, ""])
    rows = itertools.zip_longest([left, "", *yours], [right, "", *ours], fillvalue="")
    return "\n".join(["", *(f"{a:{width}} | {b}".rstrip() for a, b in rows), ""])
