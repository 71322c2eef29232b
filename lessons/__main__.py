"""python -m lessons: run the lessons, report times and verdicts, and keep the ledger in README.md honest.

  python -m lessons               run every lesson
  python -m lessons 07 elbo       run those whose file name has one of the words (so with each option below)
  python -m lessons --check       fail where the committed ledger and this run disagree
  python -m lessons --check --seeds 100-104   the same under five other sets of seeds: how often each verdict holds
  python -m lessons --write       renew the ledger and the thumbnails from what was measured
  python -m lessons --notebooks   write them as Jupyter notebooks into lessons/out/notebooks/
  python -m lessons --your-turn   make each change that a lesson's 'your turn' asks for, and run it
  python -m lessons --exercises   show which exercises are done, wrong, or not begun
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

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import ledger  # noqa: E402
import notebooks  # noqa: E402
import turns  # noqa: E402

README = HERE / "README.md"


def run(script, **settings):
    """Run a script in a process of its own: its claims, what it printed, the exit code and the seconds it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims"
        path.touch()
        env = {**os.environ, "MINIVAE_CLAIMS": str(path), "MINIVAE_VERDICTS": "stop", "PYTHONUTF8": "1", **settings}
        env.setdefault("OMP_NUM_THREADS", "1")  # the arrays are small: more threads would mostly wait for one another
        started = time.perf_counter()
        done = subprocess.run([sys.executable, str(script)], env=env, capture_output=True, text=True, encoding="utf-8",
                              stdin=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        claims = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return claims, done.stdout + done.stderr, done.returncode, seconds


def run_all(lessons, write):
    """Run the lessons and report. Returns {(lesson file, claim): Row}, and what failed, a line each."""
    rows = {}
    failed = []
    settings = {"MINIVAE_THUMBNAILS": "1"} if write else {}
    for i, lesson in enumerate(lessons, 1):
        print(f"[{i}/{len(lessons)}] {lesson.name} ...", flush=True)
        claims, output, code, seconds = run(lesson, **settings)
        if code:
            print(output[-5000:])
            failed.append(f"{lesson.name} failed, see above")
            continue
        for c in claims:
            rows[lesson.name, c["text"]] = ledger.Row(c["section"], c["measured"], c["verdict"])
            print(f"    {re.match('holds if|holds|does not hold', c['verdict'])[0]:>13}  {c['text']}")
        print(f"    {len(claims)} claims, {seconds:.0f} s", flush=True)
    return rows, failed


def differences(known, fresh):
    """Where a run and the ledger disagree, a line each."""
    bad = [f"{file}: not in the ledger: {claim}" for file, claim in fresh.keys() - known.keys()]
    bad += [f"{file}: in the ledger, but not measured now: {claim}" for file, claim in known.keys() - fresh.keys()]
    for key in fresh.keys() & known.keys():
        old, new = known[key], fresh[key]
        if old.verdict != new.verdict or not ledger.same_within_tolerance(old.measured, new.measured):
            bad.append(f"{key[0]}: {key[1]}: the ledger says {old.measured}, {old.verdict}; "
                       f"now {new.measured}, {new.verdict}")
    return bad


def under_seeds(lessons, shifts, known):
    """Run the lessons once for each shift of their seeds, and print how often each verdict holds."""
    holds = {key: 0 for key in known}
    close = dict(holds)
    for shift in shifts:
        for lesson in lessons:
            claims, output, code, seconds = run(lesson, MINIVAE_SEED_SHIFT=str(shift), MINIVAE_VERDICTS="go on")
            print(f"seeds {shift}  {lesson.name}  {seconds:.0f} s", flush=True)
            if code:
                print(output[-3000:])
            for c in claims:
                key = lesson.name, c["text"]
                holds[key] = holds.get(key, 0) + c["holds"]
                same = key in known and ledger.same_within_tolerance(known[key].measured, c["measured"])
                close[key] = close.get(key, 0) + same
                if not c["holds"] or not same:
                    print(f"    {'figures differ' if c['holds'] else 'DOES NOT BEAR OUT'}: {c['text']}: {c['measured']}")
    print("\nverdict holds | figures within the ledger's tolerance")
    for (file, claim), n in sorted(holds.items(), key=lambda item: item[0][0]):
        print(f"  {n} of {len(shifts)} | {close[file, claim]} of {len(shifts)}  {file}: {claim}")
    every = len(shifts) * len(holds)
    print(f"figures: {sum(close.values())} of {every}")
    print(f"verdicts: {sum(holds.values())} of {every}")


def your_turns(lessons):
    """Make each change that the lessons ask for, run it, and return what went wrong, a line each."""
    failed = []
    out = HERE / "out" / "your_turn"
    out.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    for lesson in lessons:
        edits = HERE / "your_turn" / f"{lesson.stem}.txt"
        if not edits.exists():
            failed.append(f"{lesson.name}: no your_turn/{edits.name}")
            continue
        for turn in turns.read(edits.read_text(encoding="utf-8")):
            if not turn.edits:
                continue  # on paper
            script = out / f"{lesson.stem}_{turn.number}.py"
            script.write_text(turns.applied(lesson.read_text(encoding="utf-8"), turn), encoding="utf-8")
            _, output, code, seconds = run(script, MINIVAE_VERDICTS="go on", MINIVAE_OUT=str(out), PYTHONPATH=paths)
            script.with_suffix(".txt").write_text(output, encoding="utf-8")
            missing = turns.unseen(turn, output)
            print(f"{lesson.name}  turn {turn.number}  {seconds:.0f} s", flush=True)
            if code:
                failed.append(f"{lesson.name}, turn {turn.number} stops:\n{output[-2000:]}")
            failed += [f"{lesson.name}, turn {turn.number} does not print: {words}" for words in missing]
    print(f"What they printed, and their figures, are in {os.path.relpath(out)}")
    return failed


def arguments():
    parser = argparse.ArgumentParser(prog="python -m lessons", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="only lessons whose file name has one of these words")
    parser.add_argument("--write", action="store_true", help="renew the ledger and the thumbnails")
    parser.add_argument("--check", action="store_true", help="compare this run with the committed ledger")
    parser.add_argument("--seeds", metavar="A-B", type=seed_range, help="run under other seeds, once for each of A to B")
    parser.add_argument("--notebooks", action="store_true", help="write notebooks, and run no lesson")
    parser.add_argument("--your-turn", action="store_true", help="make and run the changes each lesson asks for")
    parser.add_argument("--exercises", action="store_true", help="check the exercises, and run no lesson")
    return parser, parser.parse_args()


def seed_range(text):
    """'100-104' -> range(100, 105), and '100' -> range(100, 101)."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"write two whole numbers, such as 100-104, not {text!r}")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def main():
    parser, args = arguments()
    if args.exercises:
        sys.path.insert(0, str(HERE / "exercises"))
        from check import progress
        return progress()

    lessons = [path for path in sorted(HERE.glob("[0-9][0-9]_*.py"))
               if not args.words or any(word in path.name for word in args.words)]
    if not lessons:
        parser.error(f"no lesson has {' or '.join(args.words)} in its name")
    text = README.read_text(encoding="utf-8")
    names = {path.name for path in lessons}
    known = {key: row for key, row in ledger.read(text).items() if key[0] in names}
    if args.notebooks:
        for path in notebooks.write(lessons):
            print(os.path.relpath(path))
        return None
    if args.seeds:
        return under_seeds(lessons, args.seeds, known)
    if args.your_turn:
        sys.exit("\n".join(your_turns(lessons)) or 0)

    fresh, failed = run_all(lessons, args.write)
    if args.write and not failed:
        there = {path.name for path in HERE.glob("[0-9][0-9]_*.py")}
        others = {key: row for key, row in ledger.read(text).items() if key[0] in there - names}
        README.write_text(ledger.written(text, {**others, **fresh}), encoding="utf-8")
        print(f"wrote {len(others) + len(fresh)} claims to {README.name}")
    if args.check:
        failed += differences(known, fresh)
    if failed:
        sys.exit("\n".join(sorted(failed)))


if __name__ == "__main__":
    main()
