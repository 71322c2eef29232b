"""One line that says how far the work is, and Ctrl-C taken at a moment when nothing is lost."""

import signal
import sys
import threading
import time


class Progress:
    """One line on stderr, written over, where that is a terminal; elsewhere, if wanted, about ten.

    Without a stderr (a Windows program has none, a daemon may have closed it) there is none.
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
    except (AttributeError, ValueError, OSError):  # None; closed; gone
        return False


def write_line(text):
    """text to stderr at once, or nowhere if there is none."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, ValueError, OSError):
        pass


class CtrlC:
    """`with CtrlC() as ctrl_c:` counts Ctrl-C; ask for ctrl_c.pressed between two pieces of work.

    ctrl_c.breakable(f, ...) is a piece that a second press breaks off, with a KeyboardInterrupt.
    It raises one at most, and nowhere else inside the block, so that all the rest is whole without
    a care of its own. After a press the block ends once a moment has passed without another: the
    second of two quick ones would hit what comes next, before it has what the block gave.

    In another thread than the main one, and where the program handles Ctrl-C in its own way,
    nothing is changed.
    """

    moment = 0.3  # seconds

    def __init__(self):
        self.pressed = 0
        self.last_press = 0.0
        self._may_break = False
        self._is_ours = False

    def __enter__(self):
        is_main = threading.current_thread() is threading.main_thread()
        is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        self._is_ours = is_main and is_default
        if self._is_ours:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, error, *_):
        if error is None:
            self._wait_for_a_quiet_moment()
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _press(self, signum, frame):
        self.pressed += 1
        self.last_press = time.perf_counter()
        if self.pressed > 1 and self._may_break:
            self._may_break = False  # first, so that a third press finds nothing to break off
            raise KeyboardInterrupt

    def _wait_for_a_quiet_moment(self):
        while self.pressed:
            left = self.last_press + self.moment - time.perf_counter()
            if left <= 0:
                break
            time.sleep(left)

    def breakable(self, work, *arguments):
        """What work(*arguments) returns."""
        self._may_break = True
        try:
            return work(*arguments)
        finally:
            self._may_break = False
