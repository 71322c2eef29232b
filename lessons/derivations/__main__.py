"""python -m lessons.derivations: what the derivations say about the tree, made from the tree.

  python -m lessons.derivations           say whether the pages are up to date
  python -m lessons.derivations --write   renew README.md's table and the chapters' lesson lines

The table tells for each equation which source uses it, which tests check it and which lessons show
it. It is read off the citations, eq. (8.4), and off the names of the tests, test_eq_8_4_...
"""

import argparse
import ast
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")
CITATION = re.compile(r"\beq\. \((\d+\.\d+)\)")
LINKED = re.compile(r"derivations/\d\d_\w+\.md#eq-(\d+)-(\d+)")
TABLE = re.compile(r"<!-- table -->\n.*?<!-- /table -->", re.S)
HEADING = re.compile(r"\A(# (\d+)\. .*\n)(?:\nLesson: .*\n)?")
OWN_TEST = re.compile(r"derivations/test_\d\d_\w+\.py")  # named without its file in the table


# What the texts say.

def tags(text):
    """The numbers of the equations in a chapter, in order."""
    return TAG.findall(text)


def cited(text):
    """Numbers of the equations that a text cites, as eq. (8.4) or as a link to a chapter."""
    return set(CITATION.findall(text)) | {".".join(n) for n in LINKED.findall(text)}


def places(source):
    """{number: where it is cited}, as function, Class or Class.method; '' for the top."""
    found = {}
    if not cited(source):
        return found
    scopes = [node for node in ast.walk(ast.parse(source))
              if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    scopes.sort(key=lambda node: node.lineno)
    for n, line in enumerate(source.splitlines(), 1):
        for number in cited(line):
            around = [node for node in scopes if node.lineno <= n <= node.end_lineno]
            depth = 2 if around and isinstance(around[0], ast.ClassDef) else 1
            name = ".".join(node.name for node in around[:depth])
            if name not in found.setdefault(number, []):
                found[number].append(name)
    return found


def named_tests(source):
    """{number: test functions named after it}."""
    found = {}
    for name, chapter, n in re.findall(r"^def (test_eq_(\d+)_(\d+)_\w+)\(", source, re.M):
        found.setdefault(f"{chapter}.{n}", []).append(name)
    return found


def in_words(text):
    """{number: reason}, from tests/derivations/in_words.txt."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return {number: reason for number, reason in lines}


# The tree.

def read(folder, pattern):
    """{path below the folder: text}."""
    folder = ROOT / folder
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
            for p in sorted(folder.glob(pattern))}


def tree():
    """The texts that the pages speak of."""
    tests = read("tests", "**/*.py")
    tests = {name: text for name, text in tests.items() if not name.endswith("test_links.py")}
    return {
        "chapters": read("lessons/derivations", "[0-9][0-9]_*.md"),
        "sources": read("minivae", "**/*.py"),
        "tests": tests,  # without test_links.py, which quotes broken citations
        "lessons": read("lessons", "[0-9][0-9]_*.py"),
        "in_words": in_words(read("tests/derivations", "in_words.txt").get("in_words.txt", "")),
    }


# The generated parts.

def row(number, chapter, in_words, found):
    """One line of the table. found: where sources, other tests and lessons cite, and named tests."""
    source = [f"[{name}](../../minivae/{name}) " + functions(cites[number])
              for name, cites in found["sources"].items() if number in cites]
    checks = ["in words"] if number in in_words else []
    checks += [f"`{name}`" for names in found["named"] for name in names.get(number, [])]
    checks += [f"[{name}](../../tests/{name}) " + functions(cites[number])
               for name, cites in found["tests"].items() if number in cites]
    lessons = [f"[{name[:2]}](../{name})" for name, numbers in found["lessons"].items()
               if number in numbers]
    cells = [f"[{number}]({chapter}#eq-{number.replace('.', '-')})"]
    cells += [", ".join(c.strip() for c in cell) for cell in (source, checks, lessons)]
    return "| " + " | ".join(cells) + " |"


def functions(names):
    return ", ".join(f"`{name}`" for name in names if name)


def table(tree):
    """Where each equation lives."""
    own = [name for name in tree["tests"] if OWN_TEST.fullmatch(name)]
    others = {name: text for name, text in tree["tests"].items() if name not in own}
    found = {
        "sources": {name: places(text) for name, text in tree["sources"].items()},
        "named": [named_tests(tree["tests"][name]) for name in own],
        "tests": {name: places(text) for name, text in others.items()},
        "lessons": {name: cited(text) for name, text in tree["lessons"].items()},
    }
    rows = [row(number, chapter, tree["in_words"], found)
            for chapter, text in tree["chapters"].items() for number in tags(text)]
    head = ["<!-- table -->", "| equation | source | tests | lessons |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "<!-- /table -->"])


def with_lessons(text, lessons):
    """A chapter with the line below its heading that names its lessons."""
    def heading(m):
        own = [f"[{name}](../{name})" for name in lessons if int(name[:2]) == int(m[2])]
        return m[1] + (f"\nLesson: {', '.join(own)}.\n" if own else "")
    return HEADING.sub(heading, text)


def refreshed(pages, tree):
    """{file: text} of all pages, with their generated parts as the tree has them."""
    fresh = {name: with_lessons(text, tree["lessons"]) for name, text in pages.items()}
    made = table(tree)
    fresh["README.md"] = TABLE.sub(lambda m: made, fresh["README.md"])
    return fresh


def main():
    parser = argparse.ArgumentParser(prog="python -m lessons.derivations", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="renew the generated parts")
    write = parser.parse_args().write
    pages = read("lessons/derivations", "*.md")
    stale = {name: text for name, text in refreshed(pages, tree()).items() if text != pages[name]}
    if write:
        for name, text in stale.items():
            (HERE / name).write_text(text, encoding="utf-8", newline="\n")
        print("renewed: " + ", ".join(stale) if stale else "all pages were up to date")
    elif stale:
        command = "python -m lessons.derivations --write"
        raise SystemExit(f"out of date: {', '.join(stale)}; run {command}")
    else:
        print("all pages are up to date")


if __name__ == "__main__":
    main()
