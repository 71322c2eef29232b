"""The exercises answer back: stubs give their hint, solutions pass, and what is said of a wrong
answer is so."""

import inspect
import re
import runpy
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

import minivae as mv

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
EXERCISES = LESSONS / "exercises"
sys.path.insert(0, str(EXERCISES))

import check  # noqa: E402
from machinery import edits, examining, mistakes, watching  # noqa: E402
from machinery.cases import Case, Wrong, table  # noqa: E402

FILES = sorted(EXERCISES.glob("ex[0-9]*.py"))
NAMES = {
    f.stem: re.search(r"run\(__file__, (\w+)\)", f.read_text(encoding="utf-8"))[1] for f in FILES
}
CHECKS = {name: check.checks_of(EXERCISES / f"{name}.py") for name in NAMES}
WHOLE = CHECKS["ex14_whole_vae"]
PARTS = {"ex14 forward": WHOLE.FORWARD, "ex14 backward": WHOLE.BACKWARD, "ex14 adam": WHOLE.ADAM}
TABLES = {name: c for name, c in CHECKS.items() if hasattr(c, "MISTAKES")} | PARTS
ROWS = [
    (name, output, formula, sentence)
    for name, c in TABLES.items()
    for output, rows in c.MISTAKES.items()
    for formula, sentence in rows
]
ANSWERS = Path(__file__).parent / "answers"


def solution(name):
    return (LESSONS / "solutions" / f"{name}.py").read_text(encoding="utf-8")


def written(tmp_path, text):
    """The functions of a text, from a file, so that messages can show its lines."""
    path = tmp_path / "answer.py"
    path.write_text(f"import numpy as np\n{text}", encoding="utf-8")
    return check.load(path)


def judged(name, answer):
    return check.judge(CHECKS[name], answer)


def both_draws(checks):
    return [case for seed in (1, 2) for case in checks.cases(np.random.default_rng(seed))]


def answers(kind):
    """[(exercise, code, words of the message)] from answers/, for "right" (without words) or
    "wrong"."""
    found = []
    for file in sorted(ANSWERS.glob("*.txt")):
        parts = re.split(r"^# (right|wrong: .*)\n", file.read_text(encoding="utf-8"), flags=re.M)
        for title, code in zip(parts[1::2], parts[2::2]):
            if title.startswith(kind):
                found.append((file.stem, code, title.removeprefix("wrong: ")))
    return found


# What every exercise has.


def test_every_exercise_has_a_solution_a_check_and_a_lesson():
    assert list(NAMES) == sorted(f.stem for f in (LESSONS / "solutions").glob("*.py"))
    assert list(NAMES) == sorted(f.stem for f in (EXERCISES / "checks").glob("*.py"))
    readme = (EXERCISES / "README.md").read_text(encoding="utf-8")
    for number, file in enumerate(FILES, 1):
        text = file.read_text(encoding="utf-8")
        title = rf'"""Exercise {number}: .*\. Belongs to lesson (0[1-9]|1[0-9])\.\n'
        assert re.match(title, text) and "derivations/" in text
        assert f"]({file.name})" in readme


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_gives_its_hint_and_a_solution_passes(name):
    stub = check.load(EXERCISES / f"{name}.py")
    code, text = judged(name, getattr(stub, NAMES[name]))
    assert code == check.NOT_BEGUN and text in (EXERCISES / f"{name}.py").read_text(
        encoding="utf-8"
    )
    assert "\n" not in text and len(text) > 20
    code, text = judged(
        name, getattr(check.load(LESSONS / "solutions" / f"{name}.py"), NAMES[name])
    )
    assert code == check.DONE and text.startswith("right: "), text


@pytest.mark.parametrize("name", NAMES)
def test_there_are_three_hints_that_do_not_repeat_each_other(name, capsys):
    hints = CHECKS[name].HINTS
    assert len(set(hints)) == len(hints) == 3 and min(map(len, hints)) > 60
    for n in (1, 2, 3):
        check.show_hint(hints, n, f"python lessons/exercises/{name}.py")
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 79


# The right answers of the checks are the engine's.


def engine(name, c):
    """What the engine gives for the inputs of a case."""
    t = {
        n: mv.Tensor(a.copy(), requires_grad=True)
        for n, a in c.items()
        if isinstance(a, np.ndarray) and a.dtype.kind == "f" and a.ndim
    }
    if name == "ex04_dense_rule":
        return with_gradients(mv.dense(t["x"], t["W"], t["b"]), c["g"], t["x"], t["W"], t["b"])
    if name == "ex05_cross_entropy":
        return with_gradients(mv.bernoulli_nll(t["logits"], c["x"]), c["g"], t["logits"])
    if name == "ex08_reparameterize":
        z = mv.reparameterize(t["mu"], t["logvar"], c["eps"])
        return with_gradients(z, c["g"], t["mu"], t["logvar"])
    if name == "ex09_kl_rule":
        return with_gradients(mv.gaussian_kl(t["mu"], t["logvar"]), c["g"], t["mu"], t["logvar"])
    if name == "ex10_class_kl":
        kl = mv.gaussian_kl(t["mu"], t["logvar"], t["class_mu"][c["y"]])
        return with_gradients(kl, c["g"], t["mu"], t["logvar"], t["class_mu"])
    z = mv.reparameterize(c["mu"], c["logvar"], c["eps"])
    nll = mv.bernoulli_nll(np.asarray(z) @ c["W"] + c["b"], c["x"])
    return [np.asarray(nll) + np.asarray(mv.gaussian_kl(c["mu"], c["logvar"]))]


def with_gradients(y, g, *inputs):
    y.backward(g)
    return [y.data, *(t.grad for t in inputs)]


@pytest.mark.parametrize(
    "name",
    [
        "ex04_dense_rule",
        "ex05_cross_entropy",
        "ex08_reparameterize",
        "ex09_kl_rule",
        "ex10_class_kl",
        "ex13_repair",
    ],
)
def test_the_right_answer_of_a_rule_is_the_engines(name):
    for case in both_draws(CHECKS[name]):
        for ours, theirs in zip(
            examining.right_outputs(CHECKS[name], case), engine(name, case.inputs)
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_the_right_adam_step_is_the_engines():
    for case in both_draws(CHECKS["ex06_adam_step"]):
        c = case.inputs
        p = mv.Tensor(c["p"].copy(), requires_grad=True)
        adam = mv.Adam([p], c["lr"], (c["beta1"], c["beta2"]), c["eps"])
        adam.t, p.grad = c["t"] - 1, c["g"]
        adam.state["M"][...] = c["m"].ravel() / (1 - c["beta1"])
        adam.state["V"][...] = c["v"].ravel() / (1 - c["beta2"])
        adam.step()
        right = examining.right_outputs(CHECKS["ex06_adam_step"], case)
        np.testing.assert_allclose(right[0], p.data, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(
            right[1].ravel(), adam.state["M"] * (1 - c["beta1"]), atol=1e-12
        )
        np.testing.assert_allclose(
            right[2].ravel(), adam.state["V"] * (1 - c["beta2"]), atol=1e-12
        )


def test_the_right_answers_without_a_gradient():
    for case in both_draws(CHECKS["ex01_numerical_derivative"]):
        f, x, h = case.inputs.values()
        right = examining.right_outputs(CHECKS["ex01_numerical_derivative"], case)[0]
        np.testing.assert_allclose(right, f.slope(x) + f.a * h**2, rtol=1e-9)
    for case in both_draws(CHECKS["ex03_unbroadcast"]):
        right = examining.right_outputs(CHECKS["ex03_unbroadcast"], case)[0]
        np.testing.assert_allclose(right, mv.ops.unbroadcast(*case.inputs.values()))
    for case in both_draws(CHECKS["ex07_em_step"]):
        c = case.inputs
        log_a = (
            np.log(c["pi"])
            - 0.5 * np.log(c["var"])
            - 0.5 * (c["x"][:, None] - c["mu"]) ** 2 / c["var"]
        )
        r = np.exp(log_a - np.logaddexp.reduce(log_a, axis=1)[:, None])
        pi, mu, var = examining.right_outputs(CHECKS["ex07_em_step"], case)
        np.testing.assert_allclose(pi, r.mean(axis=0), rtol=1e-9)
        for k, weights in enumerate(r.T):
            mean = np.average(c["x"], weights=weights)
            np.testing.assert_allclose(
                [mu[k], var[k]],
                [mean, np.average((c["x"] - mean) ** 2, weights=weights)],
                atol=1e-9,
            )
    for case in both_draws(CHECKS["ex11_importance_bound"]):
        c = case.inputs
        log_w = -c["nll"] + 0.5 * np.sum(c["eps"] ** 2 + c["logvar"] - c["z"] ** 2, axis=-1)
        right = examining.right_outputs(CHECKS["ex11_importance_bound"], case)[0]
        np.testing.assert_allclose(
            right, np.logaddexp.reduce(log_w, axis=0) - np.log(len(log_w)), rtol=1e-12
        )


# The tables of mistakes: every row by itself.


def answer_of_row(checks, output, formula):
    """An answer that is right but for one output, which is what the row's formula gives."""
    names = list(checks.OUTPUTS)
    parameters = list(inspect.signature(checks.right).parameters)
    cases = both_draws(checks)

    def answer(*inputs):
        inputs = dict(zip(parameters, inputs))
        if callable(inputs.get("f")) and not hasattr(inputs["f"], "slope"):
            return checks.right(**inputs)  # exercise 1 first looks at how f is called
        shapes = [np.shape(value) for value in inputs.values()]
        fits = lambda case: [np.shape(value) for value in case.inputs.values()] == shapes
        case = Case(inputs, **next(case.sizes for case in cases if fits(case)))
        outputs = examining.right_outputs(checks, case)
        value = np.array(mistakes.evaluate(formula, checks, case, outputs), float)
        outputs[names.index(output)] = value
        if output == "active":
            outputs = [value.astype(bool)]
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    return answer


@pytest.mark.parametrize(
    "name, output, formula, sentence",
    ROWS,
    ids=[f"{n}-{o}-{i}" for i, (n, o, *_) in enumerate(ROWS)],
)
def test_every_row_is_provoked_by_its_mistake(name, output, formula, sentence):
    answer = answer_of_row(TABLES[name], output, formula)
    try:
        said = examining.examine(answer, PARTS[name]) if name in PARTS else judged(name, answer)
    except Wrong as message:
        said = check.WRONG, str(message)
    assert said[0] == check.WRONG and sentence in said[1], said


ORDERS = {
    "fault(order[::-1]": "return order[::-1]",
    "fault([root": "return order[1:]",
    "set(order)": "return [node for node in order if parents[node]]",
    "len(needed": "return order[:-1]",
    "fault(order,": "return order + order[-1:]",
}


@pytest.mark.parametrize("formula, sentence", CHECKS["ex02_backward_order"].ALWAYS)
def test_every_sentence_on_an_order_is_provoked(formula, sentence, tmp_path):
    checks = CHECKS["ex02_backward_order"]
    known = vars(checks)
    text = solution("ex02_backward_order")
    if formula.startswith("order == "):
        walk = formula.removeprefix("order == ")
        answer = lambda root, parents: eval(walk, known | {"root": root, "parents": parents})
    else:
        start = next(start for start in ORDERS if formula.startswith(start))
        text = text.replace("return order", ORDERS[start])
        answer = written(tmp_path, text).backward_order
    code, message = judged("ex02_backward_order", answer)
    assert code == check.WRONG and sentence in message, message


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("parents[stack.pop()]", "set(parents[stack.pop()])", "no node uses another one twice"),
        ("uses[p] += 1", "uses[p] = 1", "no node is used twice"),
        ("for p in parents[", "for p in parents[", "no node has more than two parents"),
        ("in parents[node]", "in parents[node][:1]", "no node has more than one parent"),
    ],
)
def test_every_kind_of_graph_is_told(old, new, words, tmp_path):
    text = solution("ex02_backward_order").replace(old, new)
    if "two" in words:
        text = text.replace("parents[stack.pop()]", "parents[stack.pop()][:2]")
        text = text.replace("for p in parents[node]", "for p in parents[node][:2]")
    code, message = judged("ex02_backward_order", written(tmp_path, text).backward_order)
    assert code == check.WRONG and f"in which {words}" in message, message


def test_a_table_is_read_from_text():
    rows = table("""
a
    x + 1
        a sentence that goes on
        in the next line
    x +
    2
        another

b
    0
        a third
""")
    assert rows == {
        "a": [("x + 1", "a sentence that goes on in the next line"), ("x + 2", "another")],
        "b": [("0", "a third")],
    }


def test_a_row_is_not_said_where_a_fresh_case_refutes_it():
    checks = CHECKS["ex08_reparameterize"]
    shown = [case.inputs["mu"] for case in checks.cases(np.random.default_rng(1))]

    def answer(g, mu, logvar, eps):
        z, g_mu, g_logvar = checks.right(g, mu, logvar, eps)
        known = any(np.array_equal(mu, other) for other in shown)
        return (mu + np.exp(logvar) * eps if known else z), g_mu, g_logvar

    assert "variance" not in judged("ex08_reparameterize", answer)[1]

    def other_way(g, mu, logvar, eps):
        z, g_mu, g_logvar = checks.right(g, mu, logvar, eps)
        known = any(np.array_equal(mu, other) for other in shown)
        return (z if known else z + 1), g_mu, g_logvar

    code, text = judged("ex08_reparameterize", other_way)
    assert code == check.WRONG and "in a case that was drawn afresh" in text


def test_the_right_function_is_whole_again_after_its_changes():
    import ast

    for name, c in TABLES.items():
        function = ast.parse(textwrap.dedent(inspect.getsource(c.right))).body[0]
        before = ast.unparse(function)
        names = {a: [b for b in c.INPUTS if b != a] for a in c.INPUTS}
        texts = set()
        for _ in edits.variants(function, names):
            texts.add(ast.unparse(function))
        assert before not in texts and ast.unparse(function) == before and len(texts) > 20, name


# Answers: wrong ones and right ones, as text.


@pytest.mark.parametrize("name, text, words", answers("wrong"))
def test_a_wrong_answer_is_refused_and_told_what_is_so(name, text, words, tmp_path):
    code, message = judged(name, getattr(written(tmp_path, text), NAMES[name]))
    assert code == check.WRONG and words in message, message
    assert "could not make sense" not in message and len(message.splitlines()) < 13


@pytest.mark.parametrize("name, text, words", answers("right"))
def test_an_unusual_right_answer_is_accepted(name, text, words, tmp_path):
    code, message = judged(name, getattr(written(tmp_path, text), NAMES[name]))
    assert code == check.DONE, message


def test_there_are_answers_of_both_kinds():
    for kind, least in (("wrong", 6), ("right", 3)):
        names = [name for name, *_ in answers(kind)]
        assert all(names.count(name) >= least for name in NAMES if name != "ex14_whole_vae")


@pytest.mark.parametrize(
    "name, old, new, words",
    [
        (
            "ex01_numerical_derivative",
            "x.copy(), x.copy()",
            "x.copy(), x",
            "changed its input x in place",
        ),
        (
            "ex01_numerical_derivative",
            "f(up) - f(down)",
            "f(up[i]) - f(down[i])",
            "Move one entry of a copy of the whole x",
        ),
        ("ex01_numerical_derivative", "x.shape)\n    for", "x.size)\n    for", "IndexError"),
        (
            "ex02_backward_order",
            "return order",
            "return set(order)",
            "it must return a list of nodes",
        ),
        ("ex04_dense_rule", "g @ W.T", "g @ W", "shapes: g (2, 4), x (2, 3), W (3, 4), b (4,)"),
        ("ex04_dense_rule", "x.T @ g", "g.T @ x", "The numbers are right; it is transposed."),
        ("ex04_dense_rule", "g.sum(axis=0)", "g", "once it is summed over axis 0"),
        (
            "ex04_dense_rule",
            "g.sum(axis=0)",
            "g.sum(axis=0, keepdims=True)",
            "The numbers are right; the axes of length 1 are not",
        ),
        ("ex04_dense_rule", "g.sum(axis=0)", "g.sum()", "summed over O as well"),
        ("ex04_dense_rule", "g @ W.T, x.T @ g", "x.T @ g, g @ W.T", "It is what g_W should be"),
        ("ex04_dense_rule", "x @ W + b, ", "", "it must return 4 things"),
        ("ex07_em_step", "n / len(x), mu", "mu, n / len(x)", "it is what mu should be"),
        (
            "ex08_reparameterize",
            "* eps",
            "* np.random.default_rng().normal(size=mu.shape)",
            "random numbers of its own",
        ),
        ("ex08_reparameterize", "g, g * noise", "1.0, g * noise", "it is the float 1.0"),
        (
            "ex12_active_units",
            "np.var(mu, axis=0) > threshold",
            "np.sum(np.var(mu, axis=0) > threshold)",
            "how many are active",
        ),
        (
            "ex12_active_units",
            "np.var(mu, axis=0) > threshold",
            "(np.var(mu, axis=0) > threshold).tolist()",
            "a list",
        ),
        ("ex13_repair", "nll + kl", "nll, kl", "a tuple of 2"),
    ],
)
def test_the_form_of_an_answer(name, old, new, words, tmp_path):
    assert old in solution(name)
    text = solution(name).replace(old, new, 1)
    code, message = judged(name, getattr(written(tmp_path, text), NAMES[name]))
    assert code == check.WRONG and words in message, message


FUNCTIONS = """
import numpy as np
import minivae as mv

def each(value): return tuple([value] * COUNT) if COUNT > 1 else value
def none(*inputs): pass
def nothing_like_it(*inputs): return "0.5"
def numbers(*inputs): return each(0.5)
def lists(*inputs): return each([[0.5]])
def tensors(*inputs): return each(mv.Tensor([0.5]))
def functions(*inputs): return each(np.sum)
def texts(*inputs): return each(np.array(["a"]))
def objects(*inputs): return each(np.array([{}, None]))
def too_many(*inputs): return tuple([np.ones(2)] * (COUNT + 1))
def key_error(*inputs): return {}["lr"]
def exits(*inputs): raise SystemExit("bye")
def too_few_inputs(a): return a
"""


@pytest.mark.parametrize("name", [name for name in NAMES if name != "ex14_whole_vae"])
def test_whatever_a_function_does_it_gets_an_answer(name, tmp_path):
    count = len(getattr(CHECKS[name], "OUTPUTS", "1"))
    answers = written(tmp_path, FUNCTIONS.replace("COUNT", str(count)))
    for wrong, words in (
        ("none", "None (does the function end with a `return`?)"),
        ("nothing_like_it", "'0.5'"),
        ("numbers", "0.5"),
        ("lists", ""),
        ("tensors", "Tensor"),
        ("functions", "a function"),
        ("texts", ""),
        ("objects", ""),
        ("too_many", ""),
        ("key_error", "KeyError"),
        ("exits", "SystemExit: bye"),
        ("too_few_inputs", "positional argument"),
    ):
        code, message = judged(name, getattr(answers, wrong))
        assert code == check.WRONG and words in message, (wrong, message)
        assert "could not make sense" not in message, (wrong, message)
    assert (
        "line " in judged(name, answers.key_error)[1]
        and '{}["lr"]' in judged(name, answers.key_error)[1]
    )


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in ("ex02_backward_order", "ex14_whole_vae")]
)
def test_inputs_must_not_be_changed(name):
    right = getattr(check.load(LESSONS / "solutions" / f"{name}.py"), NAMES[name])

    def answer(*inputs):
        result = right(*inputs)
        next(a for a in inputs if hasattr(a, "flags"))[...] *= 2
        return result

    code, message = judged(name, answer)
    assert code == check.WRONG and "in place" in message


# What is shown.


def test_the_example_is_the_smallest_that_teaches_something(tmp_path):
    text = solution("ex01_numerical_derivative").replace(
        "np.ndindex(x.shape)", "list(np.ndindex(x.shape))[:-1]"
    )
    _, message = judged("ex01_numerical_derivative", written(tmp_path, text).derivative)
    yours = re.search(r"your derivative: \[(.*)\]", message)[1].split(",")
    assert len(yours) == 2 and float(yours[1]) == 0 != float(yours[0])


def test_a_difference_that_does_not_show_is_told(tmp_path):
    text = solution("ex08_reparameterize").replace("mu + noise", "mu + noise + 3e-9")
    _, message = judged("ex08_reparameterize", written(tmp_path, text).reparameterize)
    assert "they print alike; the largest difference is 3e-09" in message


def test_an_object_array_is_right_and_told_so(tmp_path):
    text = (
        "def active_units(mu, threshold):\n    return np.array(list(mu.var(axis=0) > "
        "threshold), object)\n"
    )
    code, message = judged("ex12_active_units", written(tmp_path, text).active_units)
    assert (
        code == check.DONE
        and len([line for line in message.splitlines() if "dtype object" in line]) == 1
    )


# The frame: files that are run.


def run(path, *arguments, **options):
    return subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, **options
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of lessons/ without the lessons, with a time limit of two seconds."""
    away = ("__pycache__", "[0-9]*", "derivations", "thumbnails", "out")
    shutil.copytree(LESSONS, tmp_path / "lessons", ignore=shutil.ignore_patterns(*away))
    running = tmp_path / "lessons" / "exercises" / "machinery" / "running.py"
    text = running.read_text(encoding="utf-8")
    assert "SECONDS = 20\n" in text
    running.write_text(text.replace("SECONDS = 20\n", "SECONDS = 2\n"), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(LESSONS.parent))
    return tmp_path / "lessons" / "exercises"


def change(folder, old, new, name="ex12_active_units"):
    file = folder / f"{name}.py"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return file


STUB = 'raise NotImplementedError("one variance for each latent, over the examples; then compare")'
RIGHT = "return np.var(mu, axis=0) > threshold"


def test_the_ladder_and_the_exit_codes(tmp_path):
    path = (
        EXERCISES / "ex08_reparameterize.py"
    )  # from another folder, and without minivae on the path
    begun = run(path, cwd=tmp_path)
    assert (
        begun.returncode == check.NOT_BEGUN
        and "not begun\n  the standard deviation" in begun.stdout
    )
    first, last = run(path, "--hint", cwd=tmp_path), run(path, "--hint", "3", cwd=tmp_path)
    assert (
        "--hint" in begun.stdout and "hint 1 of 3" in first.stdout and "--hint 2" in first.stdout
    )
    assert "hint 3 of 3" in last.stdout and "the last one" in last.stdout
    assert "choose from" in run(path, "--hint", "4", cwd=tmp_path).stderr
    assert not begun.stderr and not first.stderr and first.returncode == 0


@pytest.mark.parametrize(
    "old, new, words",
    [
        (
            STUB,
            f"{STUB}\n    {RIGHT}",
            "is still there, and stops the function before the code below it",
        ),
        ("def active_units", "def active_unit", "must be called active_units"),
        (
            STUB,
            "while True:\n        try:\n            pass\n        except BaseException:\n          "
            "  pass",
            "still ran after 2 s, in line",
        ),
        (STUB, "return sum(range(10**13))", ""),
        (STUB, "quit()", "SystemExit"),
    ],
    ids=["below", "renamed", "catches", "one-call", "quits"],
)
def test_each_accident_gets_its_sentence(folder, old, new, words):
    ran = run(change(folder, old, new), timeout=60)
    assert ran.returncode == check.WRONG and words in " ".join(ran.stdout.split()), ran
    assert "Traceback" not in ran.stderr


def test_a_stub_whose_raise_line_comes_last_is_done(folder):
    assert run(change(folder, STUB, f"{RIGHT}\n    {STUB}")).returncode == check.DONE


def test_progress(folder):
    for name in [
        n
        for n in NAMES
        if n not in ("ex08_reparameterize", "ex09_kl_rule", "ex12_active_units", "ex13_repair")
    ]:
        (folder / f"{name}.py").unlink()
    change(folder, STUB, f'print("hello")\n    {RIGHT}')
    change(folder, "raise NotImpl", "return (mu, raise NotImpl", "ex08_reparameterize")
    change(folder, "raise NotImpl", "import os; os._exit(0)\n    raise NotImpl", "ex09_kl_rule")
    ran = subprocess.run(
        [sys.executable, "-m", "lessons", "--exercises"],
        cwd=folder.parents[1],
        capture_output=True,
        text=True,
    )
    lines = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert (
        lines[0].startswith("ex08_reparameterize wrong: line ") and "is not Python yet" in lines[0]
    ), ran
    assert lines[1:5] == [
        "ex09_kl_rule wrong",
        "ex12_active_units done",
        "ex13_repair not begun",
        "1 of 4 done",
    ]


def test_the_lessons_command_shows_progress(monkeypatch, capsys):
    main = runpy.run_path(str(LESSONS / "__main__.py"), run_name="lessons.__main__.py")["main"]
    monkeypatch.setattr(check, "progress", lambda: print("2 of 14 done"))
    monkeypatch.setattr(sys, "argv", ["lessons", "--exercises"])
    main()
    assert capsys.readouterr().out == "2 of 14 done\n"


def test_watch_goes_from_exercise_to_exercise(folder):
    for name in [
        n for n in NAMES if n not in ("ex08_reparameterize", "ex12_active_units", "ex13_repair")
    ]:
        (folder / f"{name}.py").unlink()
    done = solution("ex08_reparameterize")
    done += "\nfrom check import run\nrun(__file__, reparameterize)\n"
    (folder / "ex08_reparameterize.py").write_text(done, encoding="utf-8")
    log = folder / "log.txt"

    def shows(words, seconds=20):
        started = time.monotonic()
        while words not in log.read_text(encoding="utf-8"):
            assert time.monotonic() - started < seconds, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        return time.monotonic() - started

    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "lessons", "--exercises", "--watch"],
            cwd=folder.parents[1],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            shows("watching")
            assert "ex08_reparameterize: done" in log.read_text(encoding="utf-8")
            change(folder, STUB, "return np.std(mu, axis=0) > threshold")
            shows("the standard deviation is compared")
            assert "the project's solution" not in log.read_text(encoding="utf-8")
            change(folder, "np.std(", "(np.var(")
            shows("is not Python yet")
            change(folder, "(np.var(", "np.var(")
            shows("ex12_active_units: done")
            shows("the project's solution")
            shows("ex13_repair: not begun")
            if sys.platform != "win32":
                process.send_signal(signal.SIGINT)
                shows("stopped; 2 of the 3 exercises are done")
                assert process.wait(20) == 0 and "Traceback" not in log.read_text(encoding="utf-8")
        finally:
            process.kill()
            process.wait()


def test_two_solutions_stand_side_by_side_where_there_is_room():
    wide = watching.beside(["a = 1", "b"], ["c"], 79).splitlines()
    assert wide[1:] == ["yours | the project's solution", "      |", "a = 1 | c", "b     |"]
    narrow = watching.beside(["a" * 40], ["c" * 40], 79).splitlines()
    assert (
        narrow.index("yours:") < narrow.index("the project's solution:")
        and max(map(len, narrow)) == 40
    )


# Exercise 14.


def test_the_page_has_the_engines_gradients():
    page = check.load(LESSONS / "solutions" / "ex14_whole_vae.py")
    rng = np.random.default_rng(0)
    model = mv.VAE(64, (20,), 5, activation="tanh", dtype=np.float64, rng=rng)
    x = mv.data.digits()[0][:30].astype(float)
    order = ("encoder.0", "encoder.1", "decoder.0", "decoder.1")
    state = model.state_dict()
    layers = sorted({name.rsplit(".", 1)[0] for name in state})
    assert len(layers) == 4
    layers = [layer for layer in layers if "encoder" in layer] + [
        layer for layer in layers if "decoder" in layer
    ]
    p = {}
    for i, layer in enumerate(layers, 1):
        p[f"W{i}"], p[f"b{i}"] = state[f"{layer}.weight"], state[f"{layer}.bias"] + 0.1
    for name, t in model.named_parameters():
        if name.endswith("bias"):
            t.data[...] += 0.1
    eps = np.random.default_rng(1).standard_normal((30, 5))
    engine_loss = model.loss(x, np.random.default_rng(1))
    engine_loss.backward()
    loss, values = page.forward(p, x, eps)
    g = page.backward(p, x, eps, values)
    assert abs(loss - engine_loss.item()) < 1e-10, order
    by_name = dict(model.named_parameters())
    for i, layer in enumerate(layers, 1):
        np.testing.assert_allclose(g[f"W{i}"], by_name[f"{layer}.weight"].grad, rtol=0, atol=1e-10)
        np.testing.assert_allclose(g[f"b{i}"], by_name[f"{layer}.bias"].grad, rtol=0, atol=1e-10)


def test_the_reference_of_the_check_is_the_page():
    page = check.load(LESSONS / "solutions" / "ex14_whole_vae.py")
    for case in both_draws(WHOLE.BACKWARD):
        *arrays, x, eps = case.inputs.values()
        p = dict(zip(WHOLE.SHAPES, arrays))
        loss, values = page.forward(p, x, eps)
        np.testing.assert_allclose(loss, WHOLE.loss(**case.inputs), rtol=1e-12)
        for output, right in zip(WHOLE.BACKWARD.OUTPUTS, WHOLE.gradients(**case.inputs)):
            np.testing.assert_allclose(
                page.backward(p, x, eps, values)[output[3:5]], right, rtol=1e-9, atol=1e-12
            )


def test_the_page_is_a_page():
    lines = [
        line
        for line in solution("ex14_whole_vae").splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]
    text = re.sub(r'""".*?"""', "", solution("ex14_whole_vae"), flags=re.S)
    code = [line for line in text.splitlines() if line.strip()]
    assert (
        len(code) <= 80
        and max(map(len, lines)) <= 100
        and "minivae" not in text.split("__main__")[0]
    )
    ran = run(LESSONS / "solutions" / "ex14_whole_vae.py")
    assert ran.returncode == 0 and 24 < float(ran.stdout.split()[0]) < 25 and "##" in ran.stdout


@pytest.mark.parametrize(
    "old, new",
    [
        ("+ mu / len(x)", ""),
        ("(std**2 - 1) / 2 / len(x)", "(std**2 - 1) / len(x)"),
        ("std * eps / 2 +", "std * eps +"),
        ("g_z * std * eps / 2 + ", ""),
        ("* (1 - k**2)", ""),
        ("sigmoid - x)", "logits - x)"),
    ],
)
def test_wrong_gradients_miss_the_bar(old, new, tmp_path):
    """Not all do: with the slope of the encoder's tanh left out it learns as well, which only the
    gradients show."""
    text = solution("ex14_whole_vae")
    assert old in text
    page = written(tmp_path, text.replace(old, new))
    x = np.random.default_rng(0).permutation(mv.data.digits()[0].astype(float))
    with np.errstate(all="ignore"):
        p = page.train(x[:1500], np.random.default_rng(1))
        eps = np.random.default_rng(1).normal(size=(5, 297, 8))
        nats = np.mean([WHOLE.loss(*(p[name] for name in WHOLE.SHAPES), x[1500:], e) for e in eps])
    assert not nats < WHOLE.BAR


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("/ np.sqrt(rows)", "", "in start: the standard deviation of W1 is"),
        ("def sample", "def samples", ""),
        ("def adam", "def adams", "it has no adam"),
        (
            "return np.mean(nll + kl), (h, mu, std, z, k, logits)",
            "raise NotImplementedError('seven lines')",
            "next: forward: seven lines",
        ),
        (
            "np.logaddexp(0, logits)",
            "np.log(1 + np.exp(logits))",
            "right in all ordinary cases, and wrong in this one: logits of about",
        ),
        ("    return g\n", "", "right so far: start, forward\nin backward: it must return a dict"),
        ("+ mu / len(x)", "", "the KL's share mu / B is missing in the gradient in mu"),
        ("1 - h**2", "1 - np.tanh(h)**2", "it lies between"),
        (
            "p[name] = p[name] - lr",
            "p[name] = p[name] + lr",
            "right so far: start, forward, backward\nin adam: ",
        ),
        (
            "eps = rng.normal(size=(len(rows), Z))",
            "eps = np.zeros((len(rows), Z))",
            "in train: after training, a held-out picture costs",
        ),
    ],
)
def test_the_whole_vae_is_examined_part_by_part(old, new, words, tmp_path):
    text = solution("ex14_whole_vae")
    assert old in text
    code, message = judged("ex14_whole_vae", written(tmp_path, text.replace(old, new)).train)
    assert code == (check.WRONG if words else check.DONE) and words in message, message
