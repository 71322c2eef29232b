"""What every lesson shares: its arguments, the claim it measures, the figure it saves, and a clean stop at Ctrl-C."""

import argparse
import json
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def arguments(doc, add=None):
    """The lesson's arguments; --show opens the figures, which otherwise are only saved. add(parser) adds others."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="open the figures, too")
    if add is not None:
        add(parser)
    args = parser.parse_args([] if "ipykernel" in sys.modules else None)  # a notebook's own arguments are not ours
    if not args.show and "ipykernel" not in sys.modules:
        import matplotlib
        matplotlib.use("Agg")
    return args


def finished(history):
    """The history of a finished fit; after Ctrl-C the lesson ends here, before it judges a half-trained model."""
    if history.interrupted:
        sys.exit("stopped by Ctrl-C: nothing was judged")
    return history


def claim(section, text, measured, verdict, check):
    """Print one claim of the essay (section '§2'; '-' where it is ours) with what was measured and the verdict.

    measured: a short sentence with its figures, ending in their tolerance: '(tol 0.02)' in the figures' own unit,
    '(tol 10 %)' of each; without one they must come out the same in every run. verdict begins with 'holds', 'holds if' or
    'does not hold'. check: what the lesson measured, as a condition; the lesson stops where it is not true.
    """
    if not verdict.startswith(("holds", "does not hold")):
        raise ValueError(f"a verdict begins with 'holds', 'holds if' or 'does not hold', got {verdict!r}")
    print(f"\nclaim {section}: {text}\n  measured: {measured}\n  verdict:  {verdict}")
    assert check, f"this run does not bear the verdict out: {text}: {measured}"
    if "MINIVAE_CLAIMS" in os.environ:  # set by `python -m lessons`
        with open(os.environ["MINIVAE_CLAIMS"], "a", encoding="utf-8") as f:
            f.write(json.dumps({"section": section, "text": text, "measured": measured, "verdict": verdict}) + "\n")


def figure(fig, name, thumbnail_width=420):
    """Save the figure as lessons/out/<name>.png, say where, and return the path."""
    path = HERE / "out" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    fig.savefig(path, dpi=110)
    print(f"figure: {os.path.relpath(path)}")
    if "MINIVAE_THUMBNAILS" in os.environ:  # set by `python -m lessons --write`
        small = HERE / "thumbnails" / path.name
        small.parent.mkdir(exist_ok=True)
        fig.savefig(small, dpi=thumbnail_width / fig.get_figwidth(), pil_kwargs={"optimize": True})
    return path


def show(args):
    """Open the figures if --show asked for it."""
    if args.show:
        import matplotlib.pyplot as plt
        plt.show()


def same_within_tolerance(a, b):
    """Do two 'measured' sentences say the same, each figure within the tolerance that both state?"""
    tolerances = [re.search(r"\(tol ([\d.e+-]+)( %)?\)", s) for s in (a, b)]
    if [t and t[0] for t in tolerances] != [tolerances[0] and tolerances[0][0]] * 2:
        return False
    limit, relative = (float(tolerances[0][1]), tolerances[0][2]) if tolerances[0] else (0.0, None)
    x, y = ([float(n) for n in NUMBER.findall(s)] for s in (a, b))
    return (NUMBER.sub("#", a) == NUMBER.sub("#", b)
            and all(abs(p - q) <= (limit / 100 * max(abs(p), abs(q)) if relative else limit) for p, q in zip(x, y)))
