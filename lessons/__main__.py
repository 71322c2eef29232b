"""python -m lessons: run the lessons, report times and verdicts, and keep the ledger honest.

  python -m lessons               run every lesson
  python -m lessons 07 elbo       only those with one of the words in their name; so with each option
  python -m lessons --check       fail where this run and the ledger in README.md disagree
  python -m lessons --check --seeds 100-104    how often each verdict holds under other seeds
  python -m lessons --write       renew the ledger and the thumbnails from what was measured
  python -m lessons --notebooks   write Jupyter notebooks into lessons/out/notebooks/
  python -m lessons --your-turn   make each change that a lesson's 'your turn' asks for, and run it
  python -m lessons --exercises   show which exercises are done, wrong, or not begun
  python -m lessons --exercises --watch     check an exercise whenever you save it
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import ledger  # noqa: E402
import notebooks  # noqa: E402
import turns  # noqa: E402

README = HERE / "README.md"


class Run(NamedTuple):
    claims: list
    output: str
    code: int
    seconds: float


def run(script, **settings):
    """Run a script in a process of its own. settings: environment variables of workbench/page.py."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims"
        path.touch()
        env = {**os.environ, "MINIVAE_CLAIMS": str(path), "MINIVAE_VERDICTS": "stop", **settings}
        env["PYTHONUTF8"] = "1"
        env.setdefault("OMP_NUM_THREADS", "1")  # the arrays are small: more threads would mostly wait
        started = time.perf_counter()
        done = subprocess.run([sys.executable, str(script)], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, encoding="utf-8")
        seconds = time.perf_counter() - started
        claims = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return Run(claims, done.stdout + done.stderr, done.returncode, seconds)


def run_all(lessons, write):
    """Run the lessons and report. Returns {(file, claim): Row}, and what failed, a line each."""
    rows = {}
    failed = []
    settings = {"MINIVAE_THUMBNAILS": "1"} if write else {}
    for i, lesson in enumerate(lessons, 1):
        print(f"[{i}/{len(lessons)}] {lesson.name} ...", flush=True)
        done = run(lesson, **settings)
        if done.code:
            print(done.output[-5000:])
            failed.append(f"{lesson.name} failed, see above")
            continue
        for c in done.claims:
            rows[lesson.name, c["text"]] = ledger.Row(c["section"], c["measured"], c["verdict"])
            print(f"    {re.match('holds if|holds|does not hold', c['verdict'])[0]:>13}  {c['text']}")
        print(f"    {len(done.claims)} claims, {done.seconds:.0f} s", flush=True)
    return rows, failed


def differences(known, fresh):
    """Where the ledger and a run disagree, a line each."""
    bad = [f"{file}: not in the ledger: {claim}" for file, claim in fresh.keys() - known.keys()]
    bad += [f"{file}: in the ledger, but not measured now: {claim}"
            for file, claim in known.keys() - fresh.keys()]
    for key in fresh.keys() & known.keys():
        old, new = known[key], fresh[key]
        same = ledger.same_within_tolerance(old.measured, new.measured)
        if not same or old.verdict != new.verdict:
            bad.append(f"{key[0]}: {key[1]}: the ledger says {old.measured}, {old.verdict}; "
                       f"now {new.measured}, {new.verdict}")
    return bad


def under_seeds(lessons, shifts, known):
    """Run the lessons once for each shift of their seeds, and print how often each verdict holds."""
    holds = dict.fromkeys(known, 0)
    close = dict.fromkeys(known, 0)
    for shift, lesson in ((shift, lesson) for shift in shifts for lesson in lessons):
        done = run(lesson, MINIVAE_SEED_SHIFT=str(shift), MINIVAE_VERDICTS="go on")
        print(f"seeds {shift}  {lesson.name}  {done.seconds:.0f} s", flush=True)
        if done.code:
            print(done.output[-3000:])
        for c in done.claims:
            key = lesson.name, c["text"]
            same = key in known and ledger.same_within_tolerance(known[key].measured, c["measured"])
            holds[key] = holds.get(key, 0) + c["holds"]
            close[key] = close.get(key, 0) + same
            if not c["holds"]:
                print(f"    does not bear its verdict out: {c['text']}: {c['measured']}")
            elif not same:
                print(f"    figures beyond their tolerance: {c['text']}: {c['measured']}")

    n = len(shifts)
    print("\nverdict holds | figures within the ledger's tolerances")
    for key in sorted(holds, key=lambda key: key[0]):
        print(f"  {holds[key]} of {n} | {close[key]} of {n}  {key[0]}: {key[1]}")
    print(f"figures: {sum(close.values())} of {n * len(holds)}")
    print(f"verdicts: {sum(holds.values())} of {n * len(holds)}")


def your_turns(lessons):
    """Make and run each change that the lessons ask for. Returns what went wrong, a line each."""
    failed = []
    out = HERE / "out" / "your_turn"
    out.mkdir(parents=True, exist_ok=True)
    for lesson in lessons:
        edits = HERE / "your_turn" / f"{lesson.stem}.txt"
        if not edits.exists():
            failed.append(f"{lesson.name}: there is no your_turn/{edits.name}")
            continue
        for turn in turns.read(edits.read_text(encoding="utf-8")):
            if turn.edits:  # the others are done on paper
                failed += _one_turn(lesson, turn, out)
    print(f"What they printed, and their figures, are in {out.relative_to(HERE.parent)}")
    return failed


def _one_turn(lesson, turn, out):
    changed = turns.applied(lesson.read_text(encoding="utf-8"), turn)
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / lesson.name
        script.write_text(changed, encoding="utf-8")
        done = run(script, MINIVAE_VERDICTS="go on", MINIVAE_OUT=str(out), PYTHONPATH=path)
    kept = out / f"{lesson.stem}_{turn.number}.txt"
    kept.write_text(done.output, encoding="utf-8")
    print(f"{lesson.name}  turn {turn.number}  {done.seconds:.0f} s", flush=True)
    if done.code:
        return [f"{lesson.name}, turn {turn.number} stops:\n{done.output[-2000:]}"]
    return [f"{lesson.name}, turn {turn.number} does not print: {words}"
            for words in turns.unseen(turn, done.output)]


def seed_range(text):
    """'100-104' -> range(100, 105), and '100' -> range(100, 101)."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"write whole numbers, such as 100-104, not {text!r}")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def make_parser():
    parser = argparse.ArgumentParser(prog="python -m lessons", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("words", nargs="*", help="only lessons with one of these words in their file's name")
    add("--write", action="store_true", help="renew the ledger and the thumbnails")
    add("--check", action="store_true", help="compare this run with the ledger")
    add("--seeds", metavar="A-B", type=seed_range, help="run under other seeds, once for each number")
    add("--notebooks", action="store_true", help="write notebooks, and run no lesson")
    add("--your-turn", action="store_true", help="make and run the changes the lessons ask for")
    add("--exercises", action="store_true", help="check the exercises, and run no lesson")
    add("--watch", action="store_true", help="with --exercises: check one whenever you save it")
    return parser


def main():
    parser = make_parser()
    args = parser.parse_args()
    if args.exercises or args.watch:
        sys.path.insert(0, str(HERE / "exercises"))
        import check

        return check.watch() if args.watch else check.progress()

    everything = sorted(HERE.glob("[0-9][0-9]_*.py"))
    lessons = everything
    if args.words:
        lessons = [path for path in everything if any(word in path.name for word in args.words)]
    if not lessons:
        parser.error(f"no lesson has {' or '.join(args.words)} in its name")
    if args.notebooks:
        for path in notebooks.write(lessons):
            print(os.path.relpath(path))
        return None
    if args.your_turn:
        return sys.exit("\n".join(your_turns(lessons)) or 0)

    text = README.read_text(encoding="utf-8")
    rows = ledger.read(text)
    ran = {path.name for path in lessons}
    known = {key: row for key, row in rows.items() if key[0] in ran}
    if args.seeds:
        return under_seeds(lessons, args.seeds, known)

    fresh, failed = run_all(lessons, args.write)
    if args.write and not failed:
        there = {path.name for path in everything}
        others = {key: row for key, row in rows.items() if key[0] in there - ran}
        README.write_text(ledger.written(text, {**others, **fresh}), encoding="utf-8")
        print(f"wrote {len(others) + len(fresh)} claims to {README.name}")
    if args.check:
        failed += differences(known, fresh)
    if failed:
        return sys.exit("\n".join(sorted(failed)))


if __name__ == "__main__":
    main()
