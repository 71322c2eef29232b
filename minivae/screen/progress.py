"""One line that says how far the work is, and Ctrl-C taken at a moment when nothing is lost."""

import contextlib
import signal
import sys
import threading
import time


class Progress:
    """One line on stderr, written over, where that is a terminal; elsewhere, if wanted is true, about ten lines in all."""

    def __init__(self, wanted=None):
        self.terminal = sys.stderr.isatty()
        self.on = self.terminal if wanted is None else wanted
        self.started, self.last, self.length, self.tenths = time.perf_counter(), 0.0, 0, 0

    def __call__(self, text, share):
        """Show text, if it is time for it; share of the work that is done, 0 to 1."""
        now, end = time.perf_counter(), "\n"
        if self.on and (share == 1 or (now - self.last > 0.2 if self.terminal else int(10 * share) > self.tenths)):
            text = f"{text}  {now - self.started:.0f} s"
            if self.terminal:
                text, end = f"\r{text:{self.length}}", "\n" if share == 1 else ""
            print(text, end=end, file=sys.stderr, flush=True)
            self.last, self.length, self.tenths = now, len(text) - 1, int(10 * share)


@contextlib.contextmanager
def interrupts():
    """Gives a list that is empty until Ctrl-C; a second Ctrl-C acts at once, as usual."""
    caught = []
    def handler(signum, frame):
        caught.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    ours = (threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    if ours:
        signal.signal(signal.SIGINT, handler)
    try:
        yield caught
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
