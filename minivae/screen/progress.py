"""One line that says how far the work is, and Ctrl-C taken at a moment when nothing is lost."""

import signal
import sys
import threading
import time


class Progress:
    """One line on stderr, written over, where that is a terminal; elsewhere, if it is wanted, about ten lines in all.

    Without a stderr (a Windows program has none, a daemon may have closed it) the work goes on in silence.
    """

    def __init__(self, wanted=None):
        self.terminal = on_terminal()
        self.on = self.terminal if wanted is None else wanted
        self.started = time.perf_counter()
        self.last_time = 0.0
        self.last_tenth = 0
        self.length = 0  # of the line on the terminal, which a shorter one must cover

    def __call__(self, text, share):
        """Show text, if it is time for it; share of the work that is done, 0 to 1."""
        now = time.perf_counter()
        if not (self.on and self._is_due(now, share)):
            return
        text = f"{text}  {now - self.started:.0f} s"
        if self.terminal:
            end = "\n" if share == 1 else ""
            write_line(f"\r{text:{self.length}}{end}")
        else:
            write_line(f"{text}\n")
        self.last_time = now
        self.last_tenth = int(10 * share)
        self.length = len(text)

    def _is_due(self, now, share):
        if share == 1:
            return True
        if self.terminal:
            return now - self.last_time > 0.2  # seconds
        return int(10 * share) > self.last_tenth


def on_terminal():
    """Whether stderr is there, open, and a terminal."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError, OSError):  # None or without isatty; closed; gone
        return False


def write_line(text):
    """text to stderr at once, or nowhere if there is none."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, ValueError, OSError):
        pass


class CtrlC:
    """`with CtrlC() as ctrl_c:` counts Ctrl-C instead of stopping the program at once; ask ctrl_c.pressed between steps.

    A step that is run by ctrl_c.breakable(step) is broken off at the second press, with one KeyboardInterrupt. Nowhere
    else inside the block is one raised, whatever is pressed, so what must not be cut in two needs no care of its own.

    In another thread than the main one, and where the program handles Ctrl-C in its own way, nothing is changed.
    """

    def __init__(self):
        self.pressed = 0
        self._may_break = False
        self._ours = False

    def __enter__(self):
        in_main = threading.current_thread() is threading.main_thread()
        self._ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_):
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, signum, frame):
        self.pressed += 1
        if self.pressed > 1 and self._may_break:
            self._may_break = False  # before it raises: a third press finds nothing left to break off
            raise KeyboardInterrupt

    def breakable(self, step, *arguments):
        """What step(*arguments) returns. A second Ctrl-C meanwhile raises KeyboardInterrupt."""
        self._may_break = True
        try:
            return step(*arguments)
        finally:
            self._may_break = False
