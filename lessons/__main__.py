"""python -m lessons: run the lessons, report times and verdicts, and keep the ledger in README.md honest.

  python -m lessons             run every lesson      python -m lessons 07 elbo     run those whose name has the word
  python -m lessons --write     renew the ledger and the thumbnails from what was measured
  python -m lessons --check     fail where the committed ledger and this run disagree
  python -m lessons --exercises           show which exercises are done, wrong, or not begun
  python -m lessons --exercises --watch   check the next one whenever its file is saved
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

from lesson import same_within_tolerance  # noqa: E402

LEDGER = re.compile(r"<!-- ledger -->\n(.*?)<!-- /ledger -->", re.S)
HEADER = "| essay § | claim | lesson | measured | verdict |\n|---|---|---|---|---|\n"


def read_ledger(text):
    """{(lesson file, claim): (measured, verdict)} from the README."""
    rows = {}
    for line in LEDGER.search(text)[1].splitlines()[2:]:
        section, claim, lesson, measured, verdict = (cell.strip() for cell in line.strip("|").split(" | "))
        rows[re.search(r"\((.+?)\)", lesson)[1], claim] = section, measured, verdict
    return rows


def ledger_text(rows):
    return HEADER + "".join(f"| {section} | {claim} | [{lesson[:2]}]({lesson}) | {measured} | {verdict} |\n"
                            for (lesson, claim), (section, measured, verdict) in sorted(rows.items(), key=lambda r: r[0][0]))


def run(lesson, write):
    """Run one lesson in a process of its own; gives its claims and seconds, or None for the claims if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "claims"
        path.touch()
        env = {**os.environ, "MINIVAE_CLAIMS": str(path), **({"MINIVAE_THUMBNAILS": "1"} if write else {})}
        env.setdefault("OMP_NUM_THREADS", "1")  # the arrays are small: more threads would mostly wait for one another
        started = time.perf_counter()
        done = subprocess.run([sys.executable, str(lesson)], env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - started
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-4000:], sep="\n")
            return None, seconds
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], seconds


def main():
    parser = argparse.ArgumentParser(prog="python -m lessons", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="run the lessons whose file name has one of these words")
    parser.add_argument("--write", action="store_true", help="renew the ledger and the thumbnails")
    parser.add_argument("--check", action="store_true", help="compare this run with the committed ledger")
    parser.add_argument("--exercises", action="store_true", help="check the exercises, and run no lesson")
    parser.add_argument("--watch", action="store_true", help="with --exercises: check an exercise whenever you save it")
    args = parser.parse_args()
    if args.exercises or args.watch:
        sys.path.insert(0, str(HERE / "exercises"))
        import check
        return check.watch() if args.watch else check.progress()
    lessons = [p for p in sorted(HERE.glob("[0-9][0-9]_*.py")) if not args.words or any(w in p.name for w in args.words)]
    if not lessons:
        parser.error(f"no lesson has {' or '.join(args.words)} in its name")
    fresh, failed = {}, []
    for i, lesson in enumerate(lessons, 1):
        print(f"[{i}/{len(lessons)}] {lesson.name} ...", flush=True)
        claims, seconds = run(lesson, args.write)
        if claims is None:
            failed.append(f"{lesson.name} failed, see above")
            continue
        for c in claims:
            fresh[lesson.name, c["text"]] = c["section"], c["measured"], c["verdict"]
            print(f"    {re.match('holds if|holds|does not hold', c['verdict'])[0]:>13}  {c['text']}")
        print(f"    {len(claims)} claims, {seconds:.0f} s", flush=True)

    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    ran = {p.name for p in lessons}
    committed = read_ledger(text)
    if args.write and not failed:
        rows = {**{k: v for k, v in committed.items() if k[0] not in ran}, **fresh}
        readme.write_text(LEDGER.sub(lambda m: f"<!-- ledger -->\n{ledger_text(rows)}<!-- /ledger -->", text), encoding="utf-8")
        print(f"wrote {len(rows)} claims to {readme.name}")
    if args.check:
        known = {k: v for k, v in committed.items() if k[0] in ran}
        failed += [f"{k[0]}: not in the ledger: {k[1]}" for k in fresh.keys() - known.keys()]
        failed += [f"{k[0]}: in the ledger, but not measured now: {k[1]}" for k in known.keys() - fresh.keys()]
        for k in fresh.keys() & known.keys():
            if fresh[k][2] != known[k][2] or not same_within_tolerance(known[k][1], fresh[k][1]):
                failed.append(f"{k[0]}: {k[1]}: the ledger says {known[k][1]}, {known[k][2]}; now {fresh[k][1]}, {fresh[k][2]}")
    if failed:
        sys.exit("\n".join(sorted(failed)))


if __name__ == "__main__":
    main()
