"""The form of a lesson: it begins, asks for predictions, judges claims, saves figures, and ends.

The runner sets environment variables: MINIVAE_CLAIMS, a file to which claims are added;
MINIVAE_VERDICTS, 'stop' where a verdict that fails must end the lesson; MINIVAE_OUT, the folder for
figures; MINIVAE_THUMBNAILS, to renew those.
"""

import argparse
import json
import os
import re
import sys
import tempfile
import textwrap
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.transforms import Bbox

LESSONS = Path(__file__).resolve().parents[1]
TOLERANCE = re.compile(r" ± [\d.e+-]+(?: %)?")
WITHOUT_WINDOWS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
WIDTH = 96

_asking = False
_showing = False
_make_window = None
_predictions = []
_figures = []


class VerdictError(Exception):
    """What was measured does not bear the verdict out."""


def begin(doc, add=None):
    """Read the lesson's arguments, print its title, and return them. add(parser) adds arguments."""
    global _asking, _showing
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, formatter_class=style)
    parser.add_argument("--show", action="store_true", help="open the figures in one window")
    parser.add_argument("--ask", action="store_true", help="wait for your letter at each question")
    if add is not None:
        add(parser)
    if "ipykernel" in sys.modules:  # a notebook: its arguments are not ours, its figures are shown
        return parser.parse_args([])
    args = parser.parse_args()
    _asking = args.ask
    _showing = args.show and _can_open_windows()
    if not _showing:
        matplotlib.use("Agg")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a console that has no σ prints ?
    print(doc.strip().splitlines()[0])
    return args


# Predict, then see.

class Prediction:
    """A question with lettered answers, and the letter that was foretold (or None)."""

    def __init__(self, question, options):
        _predictions.append(self)
        self.number = len(_predictions)
        self.options = options
        self.right = None
        _say(f"\nPredict {self.number}: ", question)
        for letter, text in options.items():
            _say(f"  ({letter}) ", text)
        self.foretold = self._ask() if _asking else None

    def _ask(self):
        while True:
            try:
                letter = input("  Your letter, or Enter to leave it open: ")
            except EOFError:
                print()
                return None
            letter = letter.strip("() ").lower()
            if letter in self.options:
                return letter
            if not letter:
                return None
            print(f"  {letter!r} is none of {', '.join(self.options)}.")

    def answer(self, letter, because):
        """Print the answer, where it has been measured, and the reason."""
        if letter not in self.options:
            raise ValueError(f"{letter!r} is none of the options {', '.join(self.options)}")
        self.right = letter
        _say(f"\nAnswer {self.number}: ", f"({letter}) {self.options[letter]}")
        _say("  ", because)
        if self.foretold is not None:
            print(f"  You said ({self.foretold}).")


def predict(question, **options):
    """Print a question with lettered answers; with --ask wait for a letter.

    largest = predict("Which is largest?", a="this", b="that"); then, after the measurement,
    largest.answer("b", "why it is that").
    """
    return Prediction(question, options)


# Claim -> verdict.

def claim(section, text, measured, verdict, check):
    """Print a claim, the figures that were measured, and the verdict.

    section: where the essay says it ('§2', 'summary'), or '-' where others say it, or we do.
    measured: a short sentence with its figures, each followed by ' ± 0.02' or ' ± 10 %': how far
        another run may be from it. The ledger has that, the lesson's reader is spared it. A figure
        without it must come out the same.
    verdict: begins with 'holds', 'holds if' or 'does not hold'.
    check: is that what was measured? If not, a lesson run by hand says so, and the runner stops.
    """
    if not verdict.startswith(("holds", "does not hold")):
        raise ValueError("a verdict begins with 'holds', 'holds if' or 'does not hold', "
                         f"got {verdict!r}")
    told = {"-": "often heard", "summary": "essay, summary"}.get(section, f"essay {section}")
    _say(f"\nClaim ({told}): ", text)
    _say("  measured: ", TOLERANCE.sub("", measured))
    _say("  verdict:  ", verdict)
    if "MINIVAE_CLAIMS" in os.environ:
        row = {"section": section, "text": text, "measured": measured, "verdict": verdict}
        with open(os.environ["MINIVAE_CLAIMS"], "a", encoding="utf-8") as f:
            f.write(json.dumps({**row, "holds": bool(check)}) + "\n")
    if check:
        return
    by_hand = "stop" if "CI" in os.environ else "go on"
    if os.environ.get("MINIVAE_VERDICTS", by_hand) == "stop":
        raise VerdictError(f"this run does not bear the verdict out: {text}: {measured}")
    _say("  but:      ", "this run differs from the ledger in lessons/README.md: its figures do not "
                         "bear that verdict out.")


# Figures.

def figure(fig, name, thumbnail=None, width=420):
    """Save the figure as lessons/out/<name>.png, say where, and return the path.

    thumbnail: axes (one or a list) that the small picture shows; without them it shows all.
    width: of the small picture, in pixels.
    """
    path = _out() / f"{name}.png"
    fig.savefig(path, dpi=110)
    print(f"\nFigure: {_short(path)}")
    _figures.append((fig, path))
    if "MINIVAE_THUMBNAILS" in os.environ:
        _save_thumbnail(fig, LESSONS / "thumbnails" / path.name, thumbnail, width)
    return path


def _out():
    """The folder for figures: lessons/out or, where that cannot be written, a temporary one."""
    folder = Path(os.environ.get("MINIVAE_OUT", LESSONS / "out"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        other = Path(tempfile.gettempdir()) / "minivae-lessons"
        other.mkdir(exist_ok=True)
        print(f"\n{folder} cannot be written, so figures go to {other}")
        return other


def _save_thumbnail(fig, path, axes, width):
    path.parent.mkdir(exist_ok=True)
    box = None
    inches = fig.get_figwidth()
    if axes is not None:
        parts = axes if isinstance(axes, (list, tuple)) else [axes]
        pixels = Bbox.union([ax.get_tightbbox() for ax in parts]).padded(6)
        box = pixels.transformed(fig.dpi_scale_trans.inverted())
        inches = box.width
    fig.savefig(path, dpi=width / inches, bbox_inches=box, pil_kwargs={"optimize": True})


def _short(path):
    try:
        return os.path.relpath(path)
    except ValueError:  # on another drive
        return str(path)


# The end.

def window(make):
    """With --show the lesson ends with the window that make() makes, in place of its figures."""
    global _make_window
    _make_window = make


def end():
    """Say what was foretold and, with --show, open one window with the lesson's figures."""
    told = [p for p in _predictions if p.foretold is not None]
    if told:
        right = sum(p.foretold == p.right for p in told)
        print(f"\nOf {len(told)} predictions {right} came out as you said.")
        for p in told:
            print(f"  {p.number}: you said ({p.foretold}), measured was ({p.right})")
    if _showing and _make_window is not None:
        import matplotlib.pyplot as plt

        plt.close("all")
        _make_window()
        plt.show()
    elif _showing and _figures:
        _one_window()


def _one_window():
    keep = _figures[0][0]
    if len(_figures) > 1:
        n = len(_figures)
        keep, axes = plt.subplots(n, 1, figsize=(10, 5 * n), layout="constrained")
        for ax, (_, path) in zip(axes, _figures):
            ax.imshow(plt.imread(path))
            ax.axis("off")
    for number in plt.get_fignums():
        if plt.figure(number) is not keep:
            plt.close(number)
    plt.show()


def _can_open_windows():
    """Does matplotlib find a display? If not, say so."""
    try:
        plt.close(plt.figure())
        found = plt.get_backend().lower() not in WITHOUT_WINDOWS
    except Exception:  # each toolkit has errors of its own
        found = False
    if not found:
        print("--show: no window can be opened here (no display, or no window toolkit). "
              "The figures are saved all the same; each is named below.")
    return found


def _say(head, text):
    """Print a paragraph, its further lines set in below the first."""
    if head.startswith("\n"):
        print()
        head = head[1:]
    inset = " " * min(len(head), 12)
    text = " ".join(text.split())
    print(textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=inset))
