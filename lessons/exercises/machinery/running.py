"""Running the learner's code: whatever happens inside becomes a plain sentence, and it ends in any
case."""

import ast
import contextlib
import copy
import faulthandler
import inspect
import linecache
import os
import sys
import textwrap
import threading
import traceback
import warnings
from pathlib import Path

import numpy as np

from .cases import NotBegun, Wrong
from .showing import show, shown

SECONDS = 20


def call(f, case):
    """f of the case's inputs. Raises Wrong where it stops or changes its inputs, NotBegun where it
    is still the stub."""
    inputs = copy.deepcopy(case.inputs)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = f(*inputs.values())
    except NotImplementedError as error:
        raise _still_a_stub(f, error) from None
    except Wrong:
        raise
    except (Exception, SystemExit) as error:
        about = _shapes(case, error) or f"with {shown(case)}"
        raise Wrong(f"your code stopped with {_exception(error, f)}\n{about}") from None
    for name, before in case.inputs.items():
        if not callable(before) and not same(before, inputs[name]):
            raise Wrong(
                f"your code changed its input {name} in place: it came in as "
                f"{show(before)} and is "
                f"{show(inputs[name])} after the call.\n=> The caller still needs {name}. "
                f"Make a new array: "
                f"a = a + 1 in place of a += 1, and a = a.copy() before a[i] = ..."
            )
    return result


def same(a, b):
    """Equal to the last bit, NaN equal to NaN; through lists, tuples and dicts."""
    if isinstance(a, dict):
        return (
            isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
        )
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        numbers = a.dtype.kind in "fc"
        return isinstance(b, np.ndarray) and np.array_equal(a, b, equal_nan=numbers)
    return a is b or a == b


# What went wrong, as a sentence.


def _still_a_stub(f, error):
    """NotBegun; but if there is code behind the raise line, that line is what is wrong."""
    line = _raise_with_code_below(f)
    if line is None:
        return NotBegun(str(error))
    return Wrong(
        f"the line `raise NotImplementedError(...)`, line {line}, is still there, and "
        f"stops the function before "
        f"the code below it.\n=> Delete that line."
    )


def _raise_with_code_below(f):
    """The number of the stub's raise line, where statements follow it in the same block; else
    None."""
    try:
        lines, first = inspect.getsourcelines(inspect.unwrap(f))
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    for i, statement in enumerate(tree.body[0].body):
        if isinstance(statement, ast.Raise) and "NotImplementedError" in ast.unparse(statement):
            return first + statement.lineno - 1 if i + 1 < len(tree.body[0].body) else None
    return None


def _exception(error, f):
    """The exception, and the last line of the learner's file that it went through."""
    text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    if isinstance(error, RecursionError):
        text = "RecursionError: it calls itself too often"
    file = getattr(getattr(inspect.unwrap(f), "__code__", None), "co_filename", None)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    if not lines:
        return f"{text} (as it was called)"
    return f"{text}\nin line {lines[-1]}: {linecache.getline(file, lines[-1]).strip()}"


def _shapes(case, error):
    """The shapes of the inputs, where the exception is about shapes; else nothing."""
    about_shapes = ("shape", "dimension", "broadcast", "axis", "axes", "index", "mismatch")
    if not any(word in str(error) for word in about_shapes):
        return ""
    arrays = [f"{name} {a.shape}" for name, a in case.inputs.items() if isinstance(a, np.ndarray)]
    return f"shapes: {', '.join(arrays)}" if arrays else ""


# The time limit.


@contextlib.contextmanager
def limit(file, exit_code, seconds=SECONDS):
    """End this process after so many seconds, whatever the answer does: it may catch every
    exception that is thrown.

    A thread says where the learner's file stands, and ends the process. It waits for its turn,
    though, and a single call such as sum(range(10**12)) gives it none; then Python's own watchdog,
    which needs no turn, ends it a second later.
    """
    # In a debugger time does not count, and a test must not end all of pytest.
    if sys.gettrace() is not None or "pytest" in sys.modules:
        yield
        return
    main = threading.main_thread().ident

    def stop():
        place = _line_of(file, sys._current_frames().get(main))
        print(f"{Path(file).stem}: not right yet\n  it still ran after {seconds:g} s{place}")
        print("  => Is there a loop that does not end, or far more steps than needed?", flush=True)
        os._exit(exit_code)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(seconds + 1, exit=True)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def _line_of(file, frame):
    """', in line 7: while True:', the innermost line of the file in this frame's stack."""
    while frame is not None and frame.f_code.co_filename != str(file):
        frame = frame.f_back
    if frame is None:
        return ""
    return f", in line {frame.f_lineno}: {linecache.getline(str(file), frame.f_lineno).strip()}"
