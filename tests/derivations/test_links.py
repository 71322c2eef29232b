"""The thread derivation -> source -> test -> lesson, checked: no citation leads nowhere and no rule goes uncited.

Each check is a function over texts that returns a list of complaints, so that it can be shown a broken text as well.
`python tests/test_links.py --write` renews what derivations.md says about the tree: the table at its end, and the lesson
named below each chapter's heading.
"""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DERIVATIONS = ROOT / "lessons" / "derivations.md"
CHAPTERS = range(1, 16)

# Equations that are the gradient in a rule of minivae/, or a formula computed there: each must be cited by that file.
IMPLEMENTED = {
    "ops.py": [f"2.{n}" for n in range(5, 26)] + ["3.1", "3.2", "3.3"],
    "vae_ops.py": ["4.5", "4.6", "4.7", "5.5", "8.4", "8.5", "8.6", "8.7", "8.8", "8.9", "9.2", "9.3", "9.4",
                   "10.5", "10.6", "10.7"],
    "autodiff.py": ["2.2", "2.3"],
    "gradcheck.py": ["1.4", "1.9", "1.11"],
    "nn.py": ["3.4", "3.7", "3.8"],
    "optim.py": ["3.9", "3.11", "3.12", "3.13", "3.14"],
    "models.py": ["4.1", "10.1", "10.2", "10.3", "14.1", "14.2"],
    "data.py": ["4.11"],
    "evaluate.py": ["6.10", "7.7", "12.1", "12.3", "12.4", "15.2", "15.4", "15.6", "15.7", "15.8", "15.10", "15.11",
                    "15.12"],
    "plot.py": ["12.8"],
}

# LaTeX that GitHub's MathJax renders. Not there, on purpose: \operatorname, \label, \newcommand, \boldsymbol.
COMMANDS = set("""Delta Lambda Phi Sigma Vert alpha approx bar begin beta cdot cdots cos delta det dots end epsilon eta exp
    frac ge gt hat infty int lVert lambda lbrace le left lim log longrightarrow lt lvert mapsto mathbb mathcal mathrm max
    mid min mu nabla ne odot partial phi pi pm prod qquad quad rVert rbrace rho right rvert sigma sim sin sqrt sum tag tanh
    tau text tfrac theta thinspace times to varepsilon varphi vert xi""".split())

ANCHOR = re.compile(r'<a id="eq-(\d+)-(\d+)"></a>')
TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")
CITATION = re.compile(r"\beq\. \((\d+\.\d+)\)")
# Anything that looks like a citation; '... and (8.5)' is one too, which no search for its number would find.
LOOSE = re.compile(r"(?i)\beq(?:s|n|uation|uations)?\.?\s*\(?\d+\.\d+\)?(?:(?:,| and| to| or) \(\d+\.\d+\))?")
LINK = re.compile(r"\[([^]\n]*)\]\((?:derivations\.md)?#eq-(\d+)-(\d+)\)")
DISPLAY = re.compile(r"^\$\$\n(.*?)\n\$\$$", re.S | re.M)
INLINE = re.compile(r"\$([^$\n]+)\$")
TABLE = re.compile(r"<!-- table -->\n.*?<!-- /table -->", re.S)
HEADING = re.compile(r"^(## (\d+)\. .*\n)(?:\nLesson: .*\n)?", re.M)


# What the texts say.

def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


def tags(text):
    return TAG.findall(text)


def order(number):
    return tuple(map(int, number.split(".")))


def cited(text):
    """Numbers of the equations that a text cites, as eq. (8.4) or as a link into derivations.md."""
    return set(CITATION.findall(text)) | {".".join(n) for n in re.findall(r"derivations\.md#eq-(\d+)-(\d+)", text)}


def places(source):
    """{number: where it is cited}, as function, Class or Class.method; '' for the top of the file."""
    scopes = sorted(((node.lineno, node.end_lineno, node) for node in ast.walk(ast.parse(source))
                     if isinstance(node, (ast.FunctionDef, ast.ClassDef))), key=lambda scope: scope[0])
    found = {}
    for n, line in enumerate(source.splitlines(), 1):
        around = [node for first, last, node in scopes if first <= n <= last]
        name = ".".join(node.name for node in around[:2 if around and isinstance(around[0], ast.ClassDef) else 1])
        for number in cited(line):
            if name not in found.setdefault(number, []):
                found[number].append(name)
    return found


def named_tests(source):
    """{number: test functions named after it}."""
    found = {}
    for name, chapter, n in re.findall(r"^def (test_eq_(\d+)_(\d+)_\w+)\(", source, re.M):
        found.setdefault(f"{chapter}.{n}", []).append(name)
    return found


def definitions(source):
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "DEFINITIONS":
            return set(ast.literal_eval(node.value))


# The checks.

def bad_anchors(text):
    """Each numbered equation stands below its own anchor, and the numbers run 1.1, 1.2, ... without gap or repetition."""
    bad, last, anchored = [], (1, 0), []
    for m in ANCHOR.finditer(text):
        number = f"{m[1]}.{m[2]}"
        anchored.append(number)
        after = re.match(r"\n\n\$\$\n(.*?)\n\$\$\n", text[m.end():], re.S)
        if text[m.start() - 2:m.start()] != "\n\n" or not after:
            bad.append(f"the anchor of {number} does not stand alone above a displayed equation")
        elif tags(after[1]) != [number]:
            bad.append(f"below the anchor of {number} the tag is {tags(after[1])}")
        if order(number) not in [(last[0], last[1] + 1), (last[0] + 1, 1)]:
            bad.append(f"{number} comes after {last[0]}.{last[1]}")
        last = order(number)
    return bad + [f"\\tag{{{n}}} has no anchor, or more than one" for n in tags(text) if anchored.count(n) != 1]


def bad_math(text):
    """What GitHub would show as raw text or as a mistake: it runs Markdown over the formulas before it renders them."""
    bad, rest = [], without_code(text)
    if len(re.findall(r"^\$\$$", rest, re.M)) % 2 or "$$" in re.sub(r"^\$\$$", "", rest, flags=re.M):
        return ["$$ must stand alone on its line, and in pairs"]
    displays = DISPLAY.findall(rest)
    for block in displays:
        bad += [f"an empty line inside $$: {block}"] if "\n\n" in block else []
        bad += [f"a display's line begins like a list or a heading: {line}" for line in block.splitlines()
                if re.match(r"\s*([-+*] |[#>]|=+$|\d+[.)] )", line)]
    rest = DISPLAY.sub("DISPLAY", rest)
    bad += [f"no empty line around the $$ after {m[0]!r}" for m in re.finditer(r"[^\n]*\n?DISPLAY|DISPLAY\n?[^\n]+", rest)
            if m[0] not in ("\nDISPLAY", "DISPLAY")]
    bad += [f"an odd number of $ in: {line}" for line in rest.splitlines() if line.count("$") % 2]
    bad += [f"${m[2]}$ touches a letter, digit or hyphen" for m in re.finditer(r"(\S?)\$([^$\n]+)\$(\S?)", rest)
            if re.match(r"[\w-]", m[1]) or re.match(r"[\w-]", m[3])]
    for formula in displays + INLINE.findall(rest):
        bad += [f"\\{c} is not on the list of commands: {formula}" for c in re.findall(r"\\([a-zA-Z]+)", formula)
                if c not in COMMANDS]
        bad += [f"Markdown eats the backslash of {m[0]!r}: {formula}"
                for m in re.finditer(r"\\\\(?!\n)|(?<!\\)\\[^a-zA-Z\\ ]", formula)]
        bad += [f"Markdown may take {m[0]!r} for emphasis: {formula}" for m in re.finditer(r"\*|(?<![A-Za-z0-9])_", formula)]
        bad += [f"{c!r} in a formula, write it as a command: {formula}" for c in ("<", ">", "](") if c in formula]
        plain = formula.replace(r"\left.", r"\left(").replace("\\lbrace", "")
        depth = [plain[:i].count("{") - plain[:i].count("}") for i in range(len(plain) + 1)]
        if min(depth) < 0 or depth[-1] or any(len(re.findall(rf"\\{a}\b", plain)) != len(re.findall(rf"\\{b}\b", plain))
                                              for a, b in (("left", "right"), ("begin", "end"))):
            bad.append(f"braces, \\left ... \\right or \\begin ... \\end do not match: {formula}")
    return bad


def bad_citations(texts, known):
    """texts: {name: text}. Citations of equations that are not there, in a wrong form, or with a link to another one."""
    bad = []
    for name, text in texts.items():
        bad += [f"{name} cites eq. ({n}), which is not in derivations.md" for n in sorted(cited(text) - known)]
        bad += [f"{name}: {m[0]!r} should read eq. (8.4)" for m in LOOSE.finditer(text)
                if not CITATION.fullmatch(m[0]) and not text[:m.start()].endswith("#")
                and not (name == DERIVATIONS.name and CITATION.fullmatch(m[0].lower()))]
        bad += [f"{name}: the link [{m[1]}] leads to {m[2]}.{m[3]}" for m in LINK.finditer(text)
                if re.search(r"\d+\.\d+", m[1]) and f"{m[2]}.{m[3]}" not in m[1]]
        bad += [f"{name} links {m[2]}.{m[3]}, which is not in derivations.md" for m in LINK.finditer(text)
                if f"{m[2]}.{m[3]}" not in known]
    return bad


def uncited_rules(sources):
    """Primitives of minivae/ whose lines cite no equation."""
    bad = []
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and any("primitive" in ast.unparse(d) for d in node.decorator_list):
                if not cited("\n".join(source.splitlines()[node.lineno - 1:node.end_lineno])):
                    bad.append(f"{name}: the rule {node.name} cites no equation")
    return bad


def uncited_equations(sources, implemented, known):
    return ([f"{name} does not cite eq. ({n})" for name, numbers in implemented.items() for n in numbers
             if n not in cited(sources.get(name, ""))]
            + [f"eq. ({n}) is said to be in {name}, and is not in derivations.md" for name, numbers in implemented.items()
               for n in numbers if n not in known])


def untested(known, defined, tested):
    return ([f"eq. ({n}) has no test, and is no definition" for n in sorted(known - defined - set(tested), key=order)]
            + [f"{n} is listed or tested, and is no equation" for n in sorted((defined | set(tested)) - known, key=order)])


def bad_lessons(lessons):
    """Lesson 8 links an equation of chapter 8."""
    return [f"{name} links no equation of chapter {int(name[:2])}" for name, text in lessons.items()
            if int(name[:2]) in CHAPTERS and f"derivations.md#eq-{int(name[:2])}-" not in text]


def bad_files(text, exists):
    """Links of derivations.md to files that are not there."""
    paths = re.findall(r"\]\(([^)#\s]+)\)", without_code(text))
    return [f"derivations.md links {path}, which does not exist" for path in paths
            if not path.startswith("http") and not exists(path)]


# The generated parts of derivations.md.

def refreshed(text, sources, tests, lessons):
    """derivations.md with its table and its lesson lines as the tree has them now."""
    defined = definitions(tests["test_derivations.py"])
    source_places = {name: places(s) for name, s in sources.items()}
    test_places = {name: places(s) for name, s in tests.items()}
    named = named_tests(tests["test_derivations.py"])
    rows = []
    for n in tags(text):
        by = [f"[{name}](../minivae/{name}) " + ", ".join(f"`{f}`" for f in found[n] if f)
              for name, found in source_places.items() if n in found]
        checks = ["definition"] * (n in defined) + [f"`{t}`" for t in named.get(n, [])]
        checks += [f"[{name}](../tests/{name}) " + ", ".join(f"`{f}`" for f in found[n] if f)
                   for name, found in test_places.items() if n in found and name != "test_derivations.py"]
        shown = [f"[{name[:2]}]({name})" for name, lesson in lessons.items() if n in cited(lesson)]
        cells = [f"[{n}](#eq-{n.replace('.', '-')})"] + [", ".join(c.strip() for c in cell) for cell in (by, checks, shown)]
        rows.append("| " + " | ".join(cells) + " |")
    table = "\n".join(["<!-- table -->", "| equation | source | tests | lessons |", "|---|---|---|---|", *rows,
                       "<!-- /table -->"])
    of_chapter = {int(name[:2]): name for name in lessons}

    def heading(m):
        name = of_chapter.get(int(m[2]))
        return m[1] + (f"\nLesson: [{name}]({name}).\n" if name else "")
    return TABLE.sub(lambda m: table, HEADING.sub(heading, text))


# The tree.

def read(folder, pattern):
    folder = ROOT / folder
    return {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in sorted(folder.glob(pattern))}


def tree():
    text = DERIVATIONS.read_text(encoding="utf-8")
    tests = {name: t for name, t in read("tests", "*.py").items() if name != Path(__file__).name}  # it quotes broken ones
    return text, read("minivae", "*.py"), tests, read("lessons", "[0-9][0-9]_*.py")


def everything():
    text, sources, tests, lessons = tree()
    return {**sources, **tests, **lessons, **read("lessons", "**/*.py"), **read("lessons", "*.md"), **read(".", "*.md")}


def test_the_tree():
    text, sources, tests, lessons = tree()
    known = set(tags(text))
    complaints = (bad_anchors(text) + bad_math(text) + bad_citations(everything(), known) + uncited_rules(sources)
                  + uncited_equations(sources, IMPLEMENTED, known) + bad_lessons(lessons)
                  + untested(known, definitions(tests["test_derivations.py"]), named_tests(tests["test_derivations.py"]))
                  + bad_files(text, lambda path: (DERIVATIONS.parent / path).exists()))
    assert not complaints, "\n".join(complaints)


def test_the_table_is_fresh():
    text, *rest = tree()
    assert refreshed(text, *rest) == text, "derivations.md is out of date: run python tests/test_links.py --write"


# Each kind of link, broken once.

GOOD = """## 1. One

Text with $x_i$ and [eq. (1.1)](#eq-1-1), `code with $`.

<a id="eq-1-1"></a>

$$
\\begin{aligned}
a&=b\\\\
c&=\\left(d\\right)
\\end{aligned}
\\tag{1.1}
$$

And

<a id="eq-1-2"></a>

$$
e=f
\\tag{1.2}
$$

<!-- table -->
<!-- /table -->
"""


def test_a_sound_text_passes():
    assert bad_anchors(GOOD) + bad_math(GOOD) + bad_citations({"derivations.md": GOOD}, {"1.1", "1.2"}) == []


@pytest.mark.parametrize("old, new, complaint", [
    ("tag{1.2}", "tag{1.3}", "below the anchor of 1.2 the tag is ['1.3']"),
    ("eq-1-2", "eq-1-3", "1.3 comes after 1.1"),
    ("eq-1-2", "eq-1-1", "1.1 comes after 1.1"),
    ("eq-1-1", "eq-2-2", "2.2 comes after 1.0"),
    ('<a id="eq-1-2"></a>\n\n', "", "\\tag{1.2} has no anchor, or more than one"),
    ("e=f\n\\tag{1.2}", "e=f", "below the anchor of 1.2 the tag is []"),
    ('And\n\n<a id="eq-1-2"></a>', 'And <a id="eq-1-2"></a>', "the anchor of 1.2 does not stand alone"),
])
def test_broken_anchors_are_found(old, new, complaint):
    assert any(complaint in bad for bad in bad_anchors(GOOD.replace(old, new)))


@pytest.mark.parametrize("old, new, complaint", [
    ("e=f", "e=\\operatorname{f}", "\\operatorname is not on the list"),
    ("$$\ne=f", "e=f", "$$ must stand alone"),
    ("e=f", "e=f$$", "$$ must stand alone"),
    ("$x_i$", "$x_i", "an odd number of $"),
    ("$x_i$", "$\\hat{x}_i$", "for emphasis"),
    ("$x_i$", "$x^*$", "for emphasis"),
    ("$x_i$", "$\\{x\\}$", "Markdown eats the backslash"),
    ("$x_i$", "$x\\,y$", "Markdown eats the backslash"),
    ("$x_i$", "$x$-th", "touches a letter, digit or hyphen"),
    ("$x_i$", "$x<y$", "write it as a command"),
    ("$x_i$", "$[x](y)$", "write it as a command"),
    ("a&=b\\\\\n", "a&=b\\\\ ", "Markdown eats the backslash"),
    ("e=f", "e=\n- f", "begins like a list"),
    ("e=f", "e=\n\nf", "an empty line inside $$"),
    ("And\n\n", "And\n", "no empty line around"),
    ("e=f", "e={f", "do not match"),
    ("e=f", "e=}f{", "do not match"),
    ("\\right)", ")", "do not match"),
    ("\\end{aligned}\n", "", "do not match"),
])
def test_broken_math_is_found(old, new, complaint):
    text = GOOD.replace('<a id="eq-1-2"></a>\n\n', "") if old == "And\n\n" else GOOD
    assert any(complaint in bad for bad in bad_math(text.replace(old, new))), bad_math(text.replace(old, new))


@pytest.mark.parametrize("text, complaint", [
    ("# eq. (1.3)", "cites eq. (1.3), which is not"),
    ("# [the KL](derivations.md#eq-1-7)", "cites eq. (1.7), which is not"),
    ("[eq. (1.1)](derivations.md#eq-1-2)", "leads to 1.2"),
    ("[see](#eq-4-4)", "links 4.4, which is not"),
    ("# eq (1.1)", "should read"), ("# Eq. (1.1)", "should read"), ("# eqs. (1.1) and (1.2)", "should read"),
    ("# equation 1.1", "should read"), ("# eq. 1.1", "should read"), ("# eq. (1.1) and (1.2)", "should read"),
])
def test_broken_citations_are_found(text, complaint):
    assert any(complaint in bad for bad in bad_citations({"file.py": text}, {"1.1", "1.2"}))


RULE = """
@primitive
def twice(x):
    return 2 * x, lambda g: 2 * g  # eq. (1.1)
"""


def test_a_rule_without_an_equation_is_found():
    assert uncited_rules({"ops.py": RULE}) == []
    broken = {"ops.py": RULE.replace("eq. (1.1)", "as everybody knows")}
    assert uncited_rules(broken) == ["ops.py: the rule twice cites no equation"]


def test_a_gradient_that_no_rule_cites_is_found():
    source = {"ops.py": RULE}
    assert uncited_equations(source, {"ops.py": ["1.1"]}, {"1.1"}) == []
    assert uncited_equations(source, {"ops.py": ["1.1", "1.2"]}, {"1.1", "1.2"}) == ["ops.py does not cite eq. (1.2)"]
    assert "not in derivations.md" in uncited_equations(source, {"ops.py": ["1.1"]}, {"1.2"})[0]


def test_an_equation_without_a_test_is_found():
    source = "DEFINITIONS = {'1.1'}\n\ndef test_eq_1_2_says(x):\n    pass\n"
    defined, tested = definitions(source), named_tests(source)
    assert untested({"1.1", "1.2"}, defined, tested) == []
    assert untested({"1.1", "1.2", "1.3"}, defined, tested) == ["eq. (1.3) has no test, and is no definition"]
    assert untested({"1.1"}, defined, tested) == ["1.2 is listed or tested, and is no equation"]


def test_a_lesson_that_skips_its_chapter_is_found():
    assert bad_lessons({"08_kl.py": "derivations.md#eq-8-4", "16_museum.py": ""}) == []
    assert bad_lessons({"08_kl.py": "derivations.md#eq-7-4"}) == ["08_kl.py links no equation of chapter 8"]


def test_a_link_to_a_missing_file_is_found():
    assert bad_files("[a](08_kl.py) and `[b](c.py)`", lambda path: True) == []
    assert bad_files("[a](08_kl.py)", lambda path: False) == ["derivations.md links 08_kl.py, which does not exist"]


def test_a_stale_table_is_found():
    tests = {"test_derivations.py": "DEFINITIONS = {'1.1'}\n\ndef test_eq_1_2_says():\n    pass\n"}
    text = refreshed(GOOD, {"ops.py": RULE}, tests, {"01_one.py": "eq. (1.2)"})
    assert "| [1.1](#eq-1-1) | [ops.py](../minivae/ops.py) `twice` | definition |  |" in text
    assert "| [1.2](#eq-1-2) |  | `test_eq_1_2_says` | [01](01_one.py) |" in text
    assert "## 1. One\n\nLesson: [01_one.py](01_one.py).\n" in text
    assert refreshed(text, {"ops.py": RULE}, tests, {"01_one.py": "eq. (1.2)"}) == text
    assert refreshed(text, {"ops.py": RULE.replace("twice", "double")}, tests, {"01_one.py": "eq. (1.2)"}) != text
    assert "Lesson:" not in refreshed(text, {"ops.py": RULE}, tests, {})


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/test_links.py --write   (the checks themselves run under pytest)")
    before, *rest = tree()
    after = refreshed(before, *rest)
    DERIVATIONS.write_text(after, encoding="utf-8")
    print("derivations.md was up to date" if after == before else "derivations.md renewed")
