"""The thread derivation -> source -> test -> lesson, checked: no citation leads nowhere.

Each check is a function over texts that returns a list of complaints, so that it can be shown a
broken text as well. `python -m lessons.derivations --write` renews what the pages say of the tree.
"""

import ast
import posixpath
import re

import pytest

from lessons.derivations.__main__ import (CITATION, OWN_TEST, ROOT, cited, in_words, named_tests,
                                          read, refreshed,
                                          tags, tree)

CHAPTERS = [*range(1, 16), 18, 19]
MOST_IN_WORDS = 35

# Equations that are the gradient in a rule of minivae/, or a formula computed there: each must be
# cited by that file.
IMPLEMENTED = {
    "ops.py": [f"2.{n}" for n in (*range(5, 26), *range(28, 39))] + ["3.1", "3.2", "3.3"],
    "vae_ops.py": ["4.5", "4.6", "4.7", "5.5", "8.4", "8.5", "8.6", "8.7", "8.8", "8.9", "9.2",
                   "9.3", "9.4",
                   "10.5", "10.6", "10.7"],
    "autodiff.py": ["2.2", "2.3"],
    "checks/gradients.py": ["1.4", "1.9", "1.11"],
    "nn.py": ["3.4", "3.7", "3.8"],
    "optim.py": ["3.9", "3.11", "3.12", "3.13", "3.14"],
    "models.py": ["4.1", "10.1", "10.2", "10.3", "14.1", "14.2"],
    "checks/losses.py": ["10.15"],
    "checks/loss_words.py": ["10.11", "10.16", "10.17"],
    "data.py": ["4.11"],
    "evaluate.py": ["6.10", "7.7", "12.1", "12.3", "12.4", "15.2", "15.4", "15.6", "15.7", "15.8",
                    "15.10", "15.11",
                    "15.12"],
    "plot.py": ["12.8"],
}

# LaTeX that GitHub's MathJax renders. Not there, on purpose: \operatorname, \label, \newcommand,
# \boldsymbol.
COMMANDS = set("""Delta Lambda Phi Sigma Vert alpha approx bar begin beta cdot cdots cos delta det
    dots end epsilon eta exp frac gamma ge gt hat infty int kappa lVert lambda lbrace le left lim log
    longrightarrow lt lvert mapsto mathbb mathcal mathrm max mid min mu nabla ne odot partial phi pi
    pm prod qquad quad rVert rbrace rho right rvert sigma sim sin sqrt sum tag tanh tau text tfrac
    theta thinspace times to varepsilon varphi vert xi""".split())

ANCHOR = re.compile(r'<a id="eq-(\d+)-(\d+)"></a>')
# Anything that looks like a citation; '... and (8.5)' is one too, which no search for its number
# would find.
LOOSE = re.compile(r"(?i)\beq(?:s|n|uation|uations)?\.?\s*\(?\d+\.\d+\)?"
                   r"(?:(?:,| and| to| or) \(\d+\.\d+\))?")
LINK = re.compile(r"(?:\[([^]\n]*))?\]\(([^)\s#]*)#eq-(\d+)-(\d+)\)")
DISPLAY = re.compile(r"^\$\$\n(.*?)\n\$\$$", re.S | re.M)
INLINE = re.compile(r"\$([^$\n]+)\$")


# What the texts say.

def without_code(text):
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))


def order(number):
    return tuple(map(int, number.split(".")))


# The checks.

def bad_anchors(text, chapter=1):
    """Each numbered equation stands below its own anchor; the numbers run 1.1, 1.2, ..."""
    bad = []
    last = (chapter, 0)
    anchored = []
    for m in ANCHOR.finditer(text):
        number = f"{m[1]}.{m[2]}"
        anchored.append(number)
        after = re.match(r"\n\n\$\$\n(.*?)\n\$\$\n", text[m.end():], re.S)
        if text[m.start() - 2:m.start()] != "\n\n" or not after:
            bad.append(f"the anchor of {number} does not stand alone above a displayed equation")
        elif tags(after[1]) != [number]:
            bad.append(f"below the anchor of {number} the tag is {tags(after[1])}")
        if order(number) != (chapter, last[1] + 1):
            bad.append(f"{number} comes after {last[0]}.{last[1]}")
        last = order(number)
    return bad + [f"\\tag{{{n}}} has no anchor, or more than one" for n in tags(text)
                  if anchored.count(n) != 1]


def bad_math(text):
    """What GitHub would show raw or as a mistake: it runs Markdown over the formulas first."""
    bad, rest = [], without_code(text)
    if len(re.findall(r"^\$\$$", rest, re.M)) % 2 or "$$" in re.sub(r"^\$\$$", "", rest,
                                                                    flags=re.M):
        return ["$$ must stand alone on its line, and in pairs"]
    displays = DISPLAY.findall(rest)
    for block in displays:
        bad += [f"an empty line inside $$: {block}"] if "\n\n" in block else []
        bad += [f"a display's line begins like a list or a heading: {line}"
                for line in block.splitlines()
                if re.match(r"\s*([-+*] |[#>]|=+$|\d+[.)] )", line)]
    rest = DISPLAY.sub("DISPLAY", rest)
    bad += [f"no empty line around the $$ after {m[0]!r}"
            for m in re.finditer(r"[^\n]*\n?DISPLAY|DISPLAY\n?[^\n]+", rest)
            if m[0] not in ("\nDISPLAY", "DISPLAY")]
    bad += [f"an odd number of $ in: {line}" for line in rest.splitlines() if line.count("$") % 2]
    bad += [f"${m[2]}$ touches a letter, digit or hyphen"
            for m in re.finditer(r"(\S?)\$([^$\n]+)\$(\S?)", rest)
            if re.match(r"[\w-]", m[1]) or re.match(r"[\w-]", m[3])]
    for formula in displays + INLINE.findall(rest):
        bad += [f"\\{c} is not on the list of commands: {formula}"
                for c in re.findall(r"\\([a-zA-Z]+)", formula)
                if c not in COMMANDS]
        bad += [f"Markdown eats the backslash of {m[0]!r}: {formula}"
                for m in re.finditer(r"\\\\(?!\n)|(?<!\\)\\[^a-zA-Z\\ ]", formula)]
        bad += [f"Markdown may take {m[0]!r} for emphasis: {formula}"
                for m in re.finditer(r"\*|(?<![A-Za-z0-9])_", formula)]
        bad += [f"{c!r} in a formula, write it as a command: {formula}" for c in ("<", ">", "](")
                if c in formula]
        plain = formula.replace(r"\left.", r"\left(").replace("\\lbrace", "")
        depth = [plain[:i].count("{") - plain[:i].count("}") for i in range(len(plain) + 1)]
        if min(depth) < 0 or depth[-1] or any(len(re.findall(rf"\\{a}\b",
                                                             plain)) != len(re.findall(rf"\\{b}\b",
                                                                                       plain))
                                              for a, b in (("left", "right"), ("begin", "end"))):
            bad.append(f"braces, \\left ... \\right or \\begin ... \\end do not match: {formula}")
    return bad


def bad_citations(texts, known):
    """texts: {path from the root: text}. Citations of what is not there, or in a wrong form."""
    bad = []
    for name, text in texts.items():
        bad += [f"{name} cites eq. ({n}), which is not in the derivations"
                for n in sorted(cited(text) - known)]
        for m in LOOSE.finditer(text):
            on_a_page = name.startswith("lessons/derivations/")
            begins_a_sentence = on_a_page and CITATION.fullmatch(m[0].lower())
            is_anchor = text[:m.start()].endswith("#")
            if not (CITATION.fullmatch(m[0]) or is_anchor or begins_a_sentence):
                bad.append(f"{name}: {m[0]!r} should read eq. (8.4)")
    return bad


def bad_links(texts, files):
    """Links to another equation. texts: {path from the root: text}; files: {number: its page}."""
    bad = []
    for name, text in texts.items():
        for label, path, chapter, n in LINK.findall(text):
            number = f"{chapter}.{n}"
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name),
                                                       path)) if path else name
            if number not in files:
                bad.append(f"{name} links {number}, which is not in the derivations")
            elif target != f"lessons/derivations/{files[number]}":
                bad.append(f"{name}: the link to {number} leads to {target}")
            if re.search(r"\d+\.\d+", label) and number not in re.findall(r"\d+\.\d+", label):
                bad.append(f"{name}: the link [{label}] leads to {number}")
    return bad


def uncited_rules(sources):
    """Primitives of minivae/ whose lines cite no equation."""
    bad = []
    for name, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and any("primitive" in ast.unparse(d)
                                                         for d in node.decorator_list):
                if not cited("\n".join(source.splitlines()[node.lineno - 1:node.end_lineno])):
                    bad.append(f"{name}: the rule {node.name} cites no equation")
    return bad


def uncited_equations(sources, implemented, known):
    bad = []
    for name, numbers in implemented.items():
        missing = [n for n in numbers if n not in cited(sources.get(name, ""))]
        unknown = [n for n in numbers if n not in known]
        bad += [f"{name} does not cite eq. ({n})" for n in missing]
        bad += [f"eq. ({n}) is said to be in {name}, and is not in the derivations" for n in unknown]
    return bad


def untested(known, words, tests):
    """tests: {path: source}. Equations without a test of their name that reads the page."""
    named = {n for source in tests.values() for n in named_tests(source)}
    quoted = {n for source in tests.values() for n in re.findall(r'"(\d+\.\d+)"', source)}
    asked = sorted(known - set(words), key=order)
    unnamed = [n for n in asked if n not in named]
    retyped = [n for n in asked if n in named - quoted]
    unknown = sorted((set(words) | named) - known, key=order)
    return ([f"eq. ({n}) has no test, and is not among those in words" for n in unnamed]
            + [f"the test of eq. ({n}) does not read it from the page" for n in retyped]
            + [f"eq. ({n}) is listed or tested, and is no equation" for n in unknown])


def bad_words(words):
    """The list of what is stated in words: short, and each with its reason."""
    unexplained = [n for n, why in words.items() if len(why) < 20]
    bad = [f"eq. ({n}) is listed as stated in words without a reason" for n in unexplained]
    if len(words) > MOST_IN_WORDS:
        bad.append(f"{len(words)} equations are in words; at most {MOST_IN_WORDS}")
    return bad


def bad_lessons(lessons):
    """Lesson 8 links an equation of chapter 8."""
    bad = []
    for name, text in lessons.items():
        chapter = int(name[:2])
        if chapter in CHAPTERS and chapter not in {int(n.split(".")[0]) for n in linked(text)}:
            bad.append(f"{name} links no equation of chapter {chapter}")
    return bad


def linked(text):
    return [f"{chapter}.{n}" for _, _, chapter, n in LINK.findall(text)]


def bad_files(name, text, exists):
    """Links of a page to files that are not there."""
    paths = re.findall(r"\]\(([^)#\s]+)", without_code(text))
    return [f"{name} links {path}, which does not exist" for path in paths
            if not path.startswith("http") and not exists(path)]


# The tree.

def everything():
    """{path from the root: text} of all that may cite an equation."""
    places = [("minivae", "**/*.py"), ("tests", "**/*.py"), ("lessons", "**/*.py"),
              ("lessons", "**/*.md"), (".", "*.md")]
    texts = {posixpath.normpath(f"{folder}/{name}"): text
             for folder, pattern in places for name, text in read(folder, pattern).items()}
    # broken citations, on purpose
    quoting = {"tests/derivations/test_links.py", "tests/derivations/test_page.py"}
    return {name: text for name, text in texts.items() if name not in quoting}


def test_the_tree():
    parts = tree()
    chapters, words = parts["chapters"], parts["in_words"]
    files = {n: name for name, text in chapters.items() for n in tags(text)}
    known = set(files)
    tests = {name: text for name, text in parts["tests"].items() if OWN_TEST.fullmatch(name)}
    complaints = (bad_citations(everything(), known) + bad_links(everything(), files)
                  + uncited_rules(parts["sources"])
                  + uncited_equations(parts["sources"], IMPLEMENTED, known)
                  + bad_lessons(parts["lessons"]) + untested(known, words, tests)
                  + bad_words(words))
    for name, text in chapters.items():
        complaints += bad_anchors(text, int(name[:2]))
    for name, text in read("lessons/derivations", "*.md").items():
        complaints += bad_math(text)
        complaints += bad_files(name, text, lambda path: (ROOT / "lessons" / "derivations"
                                                          / path).exists())
    assert [int(name[:2]) for name in chapters] == list(CHAPTERS)
    assert not complaints, "\n".join(complaints)


def test_the_pages_are_fresh():
    pages = read("lessons/derivations", "*.md")
    stale = [name for name, text in refreshed(pages, tree()).items() if text != pages[name]]
    assert not stale, f"{stale} are out of date: run python -m lessons.derivations --write"


# Each kind of link, broken once.

GOOD = """# 1. One

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
FILES = {"1.1": "01_one.md", "1.2": "01_one.md", "2.1": "02_two.md"}


def test_a_sound_text_passes():
    assert bad_anchors(GOOD) + bad_math(GOOD) + bad_citations({"a.md": GOOD}, {"1.1", "1.2"}) == []
    assert bad_links({"lessons/derivations/01_one.md": GOOD}, FILES) == []


@pytest.mark.parametrize("old, new, complaint", [
    ("tag{1.2}", "tag{1.3}", "below the anchor of 1.2 the tag is ['1.3']"),
    ("eq-1-2", "eq-1-3", "1.3 comes after 1.1"),
    ("eq-1-2", "eq-1-1", "1.1 comes after 1.1"),
    ("eq-1-1", "eq-2-2", "2.2 comes after 1.0"),
    ("eq-1-2", "eq-2-1", "2.1 comes after 1.1"),
    ('<a id="eq-1-2"></a>\n\n', "", "\\tag{1.2} has no anchor, or more than one"),
    ("e=f\n\\tag{1.2}", "e=f", "below the anchor of 1.2 the tag is []"),
    ('And\n\n<a id="eq-1-2"></a>', 'And <a id="eq-1-2"></a>',
     "the anchor of 1.2 does not stand alone"),
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
    found = bad_math(text.replace(old, new))
    assert any(complaint in bad for bad in found), found


@pytest.mark.parametrize("text, complaint", [
    ("# eq. (1.3)", "cites eq. (1.3), which is not"),
    ("# [the KL](derivations/01_one.md#eq-1-7)", "cites eq. (1.7), which is not"),
    ("# eq (1.1)", "should read"), ("# Eq. (1.1)", "should read"),
    ("# eqs. (1.1) and (1.2)", "should read"),
    ("# equation 1.1", "should read"), ("# eq. 1.1", "should read"),
    ("# eq. (1.1) and (1.2)", "should read"),
])
def test_broken_citations_are_found(text, complaint):
    assert any(complaint in bad for bad in bad_citations({"file.py": text}, {"1.1", "1.2"}))


@pytest.mark.parametrize("name, text, complaint", [
    ("lessons/01_a.py", "[eq. (1.1)](derivations/01_one.md#eq-1-2)",
     "the link [eq. (1.1)] leads to 1.2"),
    ("lessons/01_a.py", "[eq. (1.1)](derivations/01_one.md#eq-1-11)", "links 1.11, which is not"),
    ("lessons/01_a.py", "[see](derivations/01_one.md#eq-4-4)", "links 4.4, which is not"),
    ("lessons/01_a.py", "[see](derivations/02_two.md#eq-1-1)",
     "leads to lessons/derivations/02_two.md"),
    ("lessons/01_a.py", "[see](01_one.md#eq-1-1)", "leads to lessons/01_one.md"),
    ("lessons/01_a.py", "over a line's\nend](01_one.md#eq-1-1)", "leads to lessons/01_one.md"),
    ("lessons/derivations/02_two.md", "[see](#eq-1-1)", "leads to lessons/derivations/02_two.md"),
])
def test_broken_links_are_found(name, text, complaint):
    assert any(complaint in bad for bad in bad_links({name: text}, FILES))


def test_sound_links_pass():
    sound = {"lessons/01_a.py": "[see](derivations/01_one.md#eq-1-1)",
             "README.md": "[see](lessons/derivations/02_two.md#eq-2-1)",
             "lessons/derivations/02_two.md": "[eq. (1.2)](01_one.md#eq-1-2), [eq. (2.1)](#eq-2-1)"}
    assert bad_links(sound, FILES) == []


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
    assert uncited_equations(source, {"ops.py": ["1.1", "1.2"]},
                             {"1.1", "1.2"}) == ["ops.py does not cite eq. (1.2)"]
    assert "not in the derivations" in uncited_equations(source, {"ops.py": ["1.1"]}, {"1.2"})[0]


def test_an_equation_without_a_test_is_found():
    source = "def test_eq_1_2_says(x):\n    holds(\"1.2\")\n"
    words = in_words("1.1 a statement about everything\n")
    assert untested({"1.1", "1.2"}, words, {"test.py": source}) == []
    assert untested({"1.1", "1.2", "1.3"}, words, {"test.py": source}) == [
        "eq. (1.3) has no test, and is not among those in words"]
    assert untested({"1.1"}, words, {"test.py": source}) == [
        "eq. (1.2) is listed or tested, and is no equation"]
    assert untested({"1.2"}, {}, {"test.py": source.replace("holds", "close").replace("1.2",
                                                                                      "")}) == [
        "the test of eq. (1.2) does not read it from the page"]


def test_a_list_without_reasons_or_end_is_found():
    assert bad_words({"1.1": "why", "1.2": "a reason of some length"}) == [
        "eq. (1.1) is listed as stated in words without a reason"]
    assert bad_words({f"1.{n}": "a reason of some length"
                      for n in range(36)}) == ["36 equations are in words; at most 35"]


def test_a_lesson_that_skips_its_chapter_is_found():
    assert bad_lessons({"08_kl.py": "](derivations/08_kl.md#eq-8-4)", "16_museum.py": ""}) == []
    assert bad_lessons({"08_kl.py": "](derivations/07_elbo.md#eq-7-4)"}) == [
        "08_kl.py links no equation of chapter 8"]


def test_a_link_to_a_missing_file_is_found():
    assert bad_files("08.md", "[a](08_kl.py) and `[b](c.py)`", lambda path: True) == []
    assert bad_files("08.md", "[a](08_kl.md#eq-8-1)",
                     lambda path: False) == ["08.md links 08_kl.md, which does not exist"]


def test_a_stale_page_is_found():
    pages = {"README.md": "<!-- table -->\n<!-- /table -->\n", "01_one.md": GOOD}
    parts = {"chapters": {"01_one.md": GOOD}, "sources": {"ops.py": RULE},
             "in_words": {"1.1": "a reason"},
             "tests": {"derivations/test_01_one.py": "def test_eq_1_2_says():\n    pass\n",
                       "engine/test_a.py": "# eq. (1.2)"},
             "lessons": {"01_one.py": "eq. (1.2)"}}
    fresh = refreshed(pages, parts)
    rows = fresh["README.md"].splitlines()[3:5]
    assert rows[0] == ("| [1.1](01_one.md#eq-1-1) | [ops.py](../../minivae/ops.py) `twice` "
                       "| in words |  |")
    assert rows[1] == ("| [1.2](01_one.md#eq-1-2) |  | `test_eq_1_2_says`, "
                       "[engine/test_a.py](../../tests/engine/test_a.py) | [01](../01_one.py) |")
    assert "# 1. One\n\nLesson: [01_one.py](../01_one.py).\n" in fresh["01_one.md"]
    assert refreshed(fresh, parts) == fresh
    assert refreshed(fresh, {**parts, "sources": {"ops.py": RULE.replace("twice",
                                                                         "double")}}) != fresh
    assert "Lesson:" not in refreshed(fresh, {**parts, "lessons": {}})["01_one.md"]
