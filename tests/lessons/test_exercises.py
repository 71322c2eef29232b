"""The exercises answer back: stubs give their hint, solutions pass, and wrong answers get a message that names the mistake.

A wrong answer is a solution with a piece of its text replaced, or the lines of a whole function.
"""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

LESSONS = Path(__file__).resolve().parents[2] / "lessons"
EXERCISES = LESSONS / "exercises"
sys.path.insert(0, str(EXERCISES))

import check  # noqa: E402

FILES = sorted(EXERCISES.glob("ex[0-9]*.py"))
NAMES = {f.stem: re.search(r"run\(__file__, (\w+)\)", f.read_text(encoding="utf-8"))[1] for f in FILES}

# {exercise: [(what is replaced in the solution, by what, words of the message)]}
WRONG = {
    "ex01_numerical_derivative": [
        ("(f(up) - f(down)) / (2 * h)", "(f(up) - f(x)) / h", "forward difference"),
        ("(f(up) - f(down)) / (2 * h)", "(f(x) - f(down)) / h", "backward difference"),
        ("(2 * h)", "h", "divided by h: the two points are 2 h apart"),
        ("/ (2 * h)", "/ 2 * h", "multiplied where it should be divided"),
        ("f(up) - f(down)", "f(down) - f(up)", "wrong way round"),
        ("        up, down = x.copy(), x.copy()", "        up, down = x.copy(), x", "changed its input x in place"),
        ("up[i] += h\n        down[i] -= h", "up += h\n        down -= h", "all entries move at once"),
        ("    for i in np", "    h = 1e-5\n    for i in np", "use the h that is given"),
        ("f(up) - f(down)", "f(up[i]) - f(down[i])", "Move one entry of a copy of the whole x"),
        ("x.shape)\n    for", "x.size)\n    for", "IndexError"),
        ("np.ndindex(x.shape)", "range(len(x))", "right as long as"),
        ("return grad", "return grad.sum()", "shape"),
        ("np.zeros(x.shape)", "np.zeros(x.shape, int)", "whole numbers"),
    ],
    "ex02_backward_order": [
        ("            if uses[p] == 0:  # its last user has reported, eq. (2.3)\n                ready.append(p)",
         "            if p not in order:\n                ready.append(p)", "is listed 2 times"),
        ("            if uses[p] == 0:  # its last user has reported, eq. (2.3)\n                ready.append(p)",
         "            if p not in order and p not in ready:\n                ready.append(p)",
         "lists a node at its first user; it must wait for its last"),
        ("return order", "return order[::-1]", "oldest first"),
        ("return order", "return order[1:]", "is not listed"),
        ("return order", "return [n for n in order if parents[n]]", "Leaves belong there, too"),
        ("return order", "return set(order)", "it must return a list of nodes"),
        ("    uses, stack", "    return list(parents)[::-1]\n    uses, stack", "should not be listed"),
        ("    uses, stack", "    return [root] + [n for p in parents[root] for n in backward_order(p, parents)]\n    uses, stack", "listed 2 times"),
        ("            uses[p] += 1", "            uses[p] = 1", "stands before"),
        ("    uses, stack", """    found = []
    def visit(node):
        if node not in found:
            for p in parents[node]:
                visit(p)
            found.append(node)
    visit(root)
    return found[::-1]
    uses, stack""", "calls itself once per node"),
        ("    uses, stack", """    found = []
    def visit(node):
        for p in parents[node]:
            visit(p)
        found.append(node)
    visit(root)
    return list(dict.fromkeys(found))[::-1]
    uses, stack""", "along every path"),
    ],
    "ex03_unbroadcast": [
        (", keepdims=True", "", "keepdims"),
        ("g.sum(axis=tuple(i", "g.mean(axis=tuple(i", "along those of length 1 it is averaged"),
        ("range(g.ndim - len(shape))", "range(len(shape), g.ndim)", "sum over the axes in front"),
        ("    g = g.sum", "    return np.resize(g, shape)\n    g = g.sum", "repeated or cut to size"),
        ("    g = g.sum", "    return np.full(shape, g.sum())\n    g = g.sum", "sum of all of g"),
        ("    g = g.sum", "    return g.sum(axis=0)\n    g = g.sum", "shape"),
        ("    g = g.sum", "    return g[tuple(slice(n) for n in shape)]\n    g = g.sum", "shape"),
        ("    g = g.sum", "    return g\n    g = g.sum", "shape"),
        ("    g = g.sum", "    while g.ndim > len(shape):\n        g = g[0]\n    g = g.sum",
         "in front g is taken at its first copy"),
    ],
    "ex04_dense_rule": [
        ("g @ W.T", "g @ W", "shapes: g (2, 4), x (2, 3), W (3, 4), b (4,)"),
        ("x.T @ g", "g.T @ x", "transposed"),
        ("g.sum(axis=0)", "g.mean(axis=0)", "a mean over the batch"),
        ("g.sum(axis=0)", "g.sum(axis=1)", "axis O is gone"),
        ("g.sum(axis=0)", "g", "was it not summed over B?"),
        ("g.sum(axis=0)", "g.sum(axis=0, keepdims=True)", "keepdims"),
        ("g.sum(axis=0)", "g.sum()", "gone"),
        ("g.sum(axis=0)", "b", "it is the input b itself"),
        ("x.T @ g", "x.T @ g / len(x)", "a mean over the batch"),
        ("x @ W + b", "x @ W", "the bias is not added"),
        ("g @ W.T, x.T @ g", "x.T @ g, g @ W.T", "shape"),
        ("x @ W + b, ", "", "it must return 4 things"),
        ("x @ W + b, ", "x @ W + b, -", "sign is flipped"),
    ],
    "ex05_cross_entropy": [
        ("np.log1p(e), axis=1)", "np.log1p(e), axis=0)", "shape"),
        ("np.sum(np", "np.mean(np", "a mean over the pixels"),
        ("np.log1p(e)", "np.log(1 + e + 1e-8)", "digits only"),
        ("- logits * x", "+ logits * x", "sign of logits * x"),
        ("np.maximum(logits, 0) - logits * x + np.log1p(e)", "np.log1p(np.exp(logits)) - logits * x",
         "exp(1000) overflows"),
        ("    nll = ", "    p = np.clip(1 / (1 + np.exp(-logits)), 1e-7, 1 - 1e-7)\n    nll = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)\n    _ = ",
         "clipped at 1e-07"),
        ("    nll = ", "    p = 1 / (1 + np.exp(-logits))\n    nll = -np.sum(x * np.log(p + 1e-8) + (1 - x) * np.log(1 - p + 1e-8), axis=1)\n    _ = ", "1e-08 is added inside a logarithm"),
        ("g[:, None] * (sigmoid - x)", "sigmoid - x", "g is not used"),
        ("(sigmoid - x)", "(x - sigmoid)", "sign is flipped"),
        ("(sigmoid - x)", "(logits - x)", "the logit and not its sigmoid"),
        ("g[:, None] * (sigmoid - x)", "g * (sigmoid - x)", "ValueError"),
        ("np.where(logits >= 0, 1, e)", "1", "sigmoid of |l|"),
        ("np.where(logits >= 0, 1, e) / (1 + e)", "1 / (1 + np.exp(logits))", "sign of the logit"),
        ("return nll,", "return nll.sum(),", "shape"),
        ("np.exp(-np.abs(logits))", "np.exp(-logits)", "the exponent should be -|l|"),
    ],
    "ex06_adam_step": [
        ("m / (1 - beta1**t), v / (1 - beta2**t)", "m, v", "the bias is not corrected"),
        ("v / (1 - beta2**t)", "v", "the bias of v is not corrected"),
        ("(np.sqrt(v_hat) + eps)", "np.sqrt(v_hat + eps)", "eps is inside of the root"),
        ("np.sqrt(v_hat)", "v_hat", "the root of v is missing"),
        ("beta1 * m + (1 - beta1) * g", "(1 - beta1) * m + beta1 * g", "two shares are exchanged"),
        ("(1 - beta2) * g**2", "(1 - beta2) * g", "g is not squared"),
        ("p - lr", "p + lr", "goes uphill"),
        ("+ eps), m, v", "+ eps), m_hat, v_hat", "the corrected mean m_hat"),
        ("beta1**t", "beta1", "1 - beta"),
        ("beta1**t), v / (1 - beta2**t)", "beta1**(t - 1)), v / (1 - beta2**(t - 1))", "one too few"),
        ("beta1**t), v / (1 - beta2**t)", "beta1**(t + 1)), v / (1 - beta2**(t + 1))", "one too many"),
        ("    m = beta1 * m + (1 - beta1) * g ", "    m *= beta1; m += (1 - beta1) * g ", "changed its input m in place"),
        ("beta2 * v + (1 - beta2) * g**2", "beta1 * v + (1 - beta1) * g**2", "it uses beta1"),
        ("p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v", "m, v, p - lr * m_hat / (np.sqrt(v_hat) + eps)",
         "is the order of what you return right?"),
        ("+ eps)", "+ 1e-8)", "1e-8 always"),
        ("p - lr * m_hat", "p - m_hat", "lr is missing"),
    ],
    "ex07_em_step": [
        ("np.log(pi) - ", "- ", "the old pi is not in the responsibilities"),
        ("r.sum(axis=1, keepdims=True)", "r.sum(axis=0, keepdims=True)", "normalised over the points"),
        ("- 0.5 * np.log(var) ", "", "lacks its factor 1 / sqrt(var)"),
        ("/ var  #", "/ var**2  #", "is var taken for a standard deviation?"),
        ("np.log(pi) - 0.5 * np.log(var) - 0.5", "-0.5",
         "the old pi is not in the responsibilities: each density counts pi[k] times; and the density lacks its factor"),
        ("n / len(x)", "n", "not divided by the number of points"),
        ("mu, np.sum(r * (x[:, None] - mu) ** 2, axis=0) / n",
         "mu, np.sqrt(np.sum(r * (x[:, None] - mu) ** 2, axis=0) / n)", "standard deviation"),
        ("axis=0) / n\n", "axis=0) / (n - 1)\n", "N_k - 1"),
        ("    mu = x @ r / n", "    mu, old = x @ r / n, mu\n    return n / len(x), mu, np.sum(r * (x[:, None] - old) ** 2, axis=0) / n", "about the old mu"),
        (" - log_joint.max(axis=1, keepdims=True)", "", "underflow"),
        ("0.5 * (x[:, None]", "(x[:, None]", "lacks the 1/2"),
        ("x @ r / n", "x @ r / len(x)", "N_k"),
        ("(x[:, None] - mu) ** 2 / var", "(x - mu) ** 2 / var", "ValueError"),
        ("n / len(x), mu", "mu, n / len(x)", "order"),
    ],
    "ex08_reparameterize": [
        ("logvar / 2", "logvar", "exp(logvar) is the variance"),
        ("g * noise / 2", "g * noise", "1/2"),
        ("g, g * noise", "1.0, g * noise", "g_mu must be an array"),
        ("g, g * noise", "np.ones_like(g), g * noise", "g is not used"),
        ("g * noise / 2", "noise / 2", "g is not used"),
        ("np.exp(logvar / 2) * eps", "np.exp(logvar / 2) * np.random.default_rng().normal(size=mu.shape)",
         "random numbers of its own"),
        ("g * noise / 2", "g * np.exp(logvar / 2) / 2", "eps is missing"),
        ("g * noise / 2", "g * (mu + noise) / 2", "mu does not change with logvar"),
        ("g, g * noise / 2", "g * noise / 2, g", "order"),
        ("np.exp(logvar / 2) * eps", "np.sqrt(logvar) * eps", "NaN"),
        ("logvar / 2", "-logvar / 2", "sign of the exponent"),
        ("g * noise / 2", "-g * noise / 2", "sign is flipped"),
    ],
    "ex09_kl_rule": [
        ("0.5 * np.sum", "np.sum", "1/2"),
        ("np.sum(mu", "np.mean(mu", "mean over the latents"),
        ("(np.exp(logvar) - 1) / 2", "np.exp(logvar) - 1", "the term in g exp(logvar) is 2 times what it should be"),
        ("(np.exp(logvar) - 1) / 2", "np.exp(logvar) / 2", "the -1 is missing"),
        ("np.exp(logvar) - logvar", "np.exp(2 * logvar) - 2 * logvar", "log of the standard deviation"),
        ("np.exp(logvar) - logvar", "logvar**2 - np.log(logvar**2)", "when logvar changes, it does not"),
        ("- logvar - 1", "+ logvar - 1", "the term in sum logvar has the wrong sign"),
        ("- logvar - 1", "- 1", "the term in sum logvar is missing"),
        ("0.5 * np.sum", "-0.5 * np.sum", "minus the KL"),
        ("axis=1)", "axis=0)", "shape"),
        ("axis=1)", "axis=1, keepdims=True)", "keepdims"),
        ("g[:, None] * mu", "mu", "g is not used"),
        ("g[:, None] * mu", "g[:, None] * mu**2", "square"),
        ("(np.exp(logvar) - 1) / 2", "(1 - np.exp(-logvar)) / 2", "derivative in the variance"),
        ("axis=1)", "axis=1).mean()", "shape"),
        ("- logvar - 1, axis=1)", "- logvar, axis=1) - 0.5", "once"),
    ],
    "ex10_class_kl": [
        ("np.add.at(g_class_mu, y, -g_mu)", "g_class_mu[y] += -g_mu", "np.add.at"),
        ("np.add.at(g_class_mu, y, -g_mu)", "np.add.at(g_class_mu, y, g_mu)", "sign is flipped"),
        ("g_class_mu, y, -g_mu", "g_class_mu, y, -shift", "g is not used"),
        ("np.zeros_like(class_mu)", "-g_mu", "class"),
        ("mu - class_mu[y]", "mu - class_mu[0]", "class 0"),
        ("mu - class_mu[y]", "mu + class_mu[y]", "subtract it"),
        ("mu - class_mu[y]", "mu - class_mu", "ValueError"),
        ("g_mu = g[:, None] * shift", "g_mu = g[:, None] * mu", "prior's mean is not subtracted"),
        ("    return kl", "    g_class_mu = g_class_mu / np.maximum(np.bincount(y, minlength=len(class_mu)), 1)[:, None]\n    return kl", "mean over the examples of a class"),
        ("shift**2 +", "mu**2 +", "prior's mean is not used"),
        ("0.5 * np.sum", "np.sum", "1/2"),
    ],
    "ex11_importance_bound": [
        ("top + np.log(np.mean(np.exp(log_w - top), axis=0))", "log_w.mean(axis=0)", "ELBO"),
        ("np.mean(np.exp", "np.sum(np.exp", "log K is too many"),
        ("0.5 * np.sum", "np.sum", "1/2"),
        ("eps**2 + logvar - z**2", "eps**2 - z**2", "logvar"),
        ("-nll +", "nll +", "sign of nll"),
        ("top + np.log(np.mean(np.exp(log_w - top), axis=0))", "np.log(np.mean(np.exp(log_w), axis=0))", "underflows"),
        ("top + np.log", "np.log", "not put back"),
        ("log_w.max(axis=0)", "log_w.max()", "for each example its own"),
        ("np.exp(log_w - top), axis=0", "np.exp(log_w - top), axis=1", "shape"),
        ("- z**2", "+ z**2", "the term in sum z**2 has the wrong sign"),
        ("np.sum(eps", "np.mean(eps", "a mean over the latents"),
        ("eps**2 + logvar - z**2", "eps**2 + np.exp(logvar) - z**2", "exp(logvar), where logvar is due"),
        ("eps**2 + logvar - z**2", "-(eps**2) - logvar - z**2", "should be subtracted"),
    ],
    "ex12_active_units": [
        ("np.var(mu, axis=0)", "np.std(mu, axis=0)", "standard deviation"),
        ("axis=0", "axis=0, ddof=1", "N - 1"),
        ("axis=0", "axis=1", "shape"),
        (">", ">=", "equal to the threshold"),
        ("np.var(mu, axis=0)", "np.mean(mu**2, axis=0)", "mean of mu**2"),
        ("np.var(mu, axis=0) > threshold", "np.sum(np.var(mu, axis=0) > threshold)", "how many are active"),
        ("np.var(mu, axis=0) > threshold", "np.flatnonzero(np.var(mu, axis=0) > threshold)",
         "numbers of the active latents"),
        ("np.var(mu, axis=0) > threshold", "np.var(mu, axis=0)", "the variances themselves"),
        ("> threshold", "> 0.01", "0.01 always"),
        ("> threshold", "< threshold", "below the threshold is taken for active"),
        ("np.var(mu, axis=0) > threshold", "[bool(v > threshold) for v in np.var(mu, axis=0)]", "a list"),
        ("np.var(mu, axis=0) > threshold", "bool(np.var(mu) > threshold)", "bool"),
    ],
    "ex13_repair": [
        ("logvar / 2", "logvar", "the exhibit as it was"),
        ("np.exp(logvar / 2) * eps", "np.exp(logvar) * eps; logvar = 2 * logvar", "the other way"),
        ("logvar / 2", "2 * logvar", "further off"),
        ("np.exp(logvar / 2)", "np.sqrt(logvar)", "square root of logvar"),
        ("np.exp(logvar / 2) * eps", "np.exp(logvar) / 2 * eps", "the root of exp(logvar)"),
        ("nll + kl", "nll", "the KL is missing"),
        ("nll + kl", "(nll + kl).mean()", "shape"),
        ("nll + kl", "nll - kl", "sign of the KL"),
        ("0.5 * np", "np", "1/2 of the KL"),
        ("nll + kl", "nll, kl", "an array"),
    ],
}

FUNCTIONS = """
import numpy as np
import minivae as mv

def none(*inputs): pass
def nothing_like_it(*inputs): return "0.5"
def numbers(*inputs): return tuple([0.5] * COUNT) if COUNT > 1 else 0.5
def lists(*inputs): return tuple([[[0.5]]] * COUNT) if COUNT > 1 else [0.5]
def tensors(*inputs): return tuple([mv.Tensor([0.5])] * COUNT) if COUNT > 1 else mv.Tensor([0.5])
def functions(*inputs): return tuple([np.sum] * COUNT) if COUNT > 1 else np.sum
def texts(*inputs): return tuple([np.array(["a"])] * COUNT) if COUNT > 1 else np.array(["a"])
def too_many(*inputs): return tuple([np.ones(2)] * (COUNT + 1))
def key_error(*inputs): return {}["lr"]
def exits(*inputs): raise SystemExit("bye")
def too_few_inputs(a): return a
"""


def written(tmp_path, text):
    """The functions of a text, from a file, so that messages can show its lines."""
    path = tmp_path / "answer.py"
    path.write_text(f"import numpy as np\n{text}", encoding="utf-8")
    return check.load(path)


def solution(name):
    return (LESSONS / "solutions" / f"{name}.py").read_text(encoding="utf-8")


def judged(name, answer):
    return check.judge(check.checks_of(EXERCISES / f"{name}.py"), answer)


def run(path, *arguments, **options):
    return subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True, **options)


def test_every_exercise_has_a_solution_wrong_answers_and_a_lesson():
    assert list(NAMES) == list(WRONG) == sorted(f.stem for f in (LESSONS / "solutions").glob("*.py")) and len(NAMES) >= 13
    assert all(len(wrong) >= 3 for wrong in WRONG.values())
    for number, file in enumerate(FILES, 1):
        text = file.read_text(encoding="utf-8")
        assert re.match(rf'"""Exercise {number}: .*\. Belongs to lesson (0[1-9]|1[0-6])\.\n',
                        text) and "derivations/" in text
        assert f"]({file.name})" in (EXERCISES / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_fails_with_its_hint_and_a_solution_passes(name):
    stub = check.load(EXERCISES / f"{name}.py")
    code, text = judged(name, getattr(stub, NAMES[name]))
    assert code == check.NOT_BEGUN and text in (EXERCISES / f"{name}.py").read_text(encoding="utf-8")
    assert "\n" not in text and len(text) > 20
    code, text = judged(name, getattr(check.load(LESSONS / "solutions" / f"{name}.py"), NAMES[name]))
    assert code == check.DONE and text.startswith("right: "), text


@pytest.mark.parametrize("name", NAMES)
def test_there_are_three_hints_that_do_not_repeat_each_other(name):
    hints = check.checks_of(EXERCISES / f"{name}.py").HINTS
    assert len(set(hints)) == 3 and min(map(len, hints)) > 60


@pytest.mark.parametrize("name, old, new, words", [(name, *row) for name, rows in WRONG.items() for row in rows],
                         ids=[f"{name}-{i}" for name, rows in WRONG.items() for i, _ in enumerate(rows)])
def test_a_wrong_answer_is_told_what_it_looks_like(name, old, new, words, tmp_path):
    assert old in solution(name)
    text = solution(name).replace(old, new, 1)
    code, message = judged(name, getattr(written(tmp_path, text), NAMES[name]))
    assert code == check.WRONG and words in message, message
    assert "no pattern" not in message and "could not make sense" not in message and len(message.splitlines()) < 13


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_function_does_it_gets_an_answer(name, tmp_path):
    outputs = {"ex04": 4, "ex05": 2, "ex06": 3, "ex07": 3, "ex08": 3, "ex09": 3, "ex10": 4}.get(name[:4], 1)
    answers = written(tmp_path, FUNCTIONS.replace("COUNT", str(outputs)))
    for wrong, words in (("none", "None (does the function end with a `return`?)"), ("nothing_like_it", "'0.5'"),
                         ("numbers", "0.5"), ("lists", ""),
                         ("tensors", "Tensor"), ("functions", "a function"), ("texts", ""), ("too_many", ""),
                         ("key_error", "KeyError"),
                         ("exits", "SystemExit: bye"), ("too_few_inputs", "positional argument")):
        code, message = judged(name, getattr(answers, wrong))
        assert code == check.WRONG and words in message and "could not make sense" not in message, (wrong, message)
    assert "line " in judged(name, answers.key_error)[1] and '{}["lr"]' in judged(name, answers.key_error)[1]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "ex02_backward_order"])
def test_inputs_must_not_be_changed(name):
    right = getattr(check.load(LESSONS / "solutions" / f"{name}.py"), NAMES[name])

    def answer(*inputs):
        result = right(*inputs)
        next(a for a in inputs if hasattr(a, "flags"))[...] *= 2
        return result
    code, message = judged(name, answer)
    assert code == check.WRONG and "in place" in message


def test_an_unforeseen_mistake_is_traced_to_an_input(tmp_path):
    text = solution("ex09_kl_rule").replace("np.exp(logvar) - logvar", "np.cosh(logvar) - logvar", 1)
    code, message = judged("ex09_kl_rule", written(tmp_path, text).kl_rule)
    assert code == check.WRONG and "when mu changes, it changes as it should; when logvar changes, it does not: look there" in message
    text = solution("ex13_repair").replace("mu + np.exp(logvar / 2) * eps", "mu + np.exp(logvar / 2)")
    code, message = judged("ex13_repair", written(tmp_path, text).repaired)
    assert code == check.WRONG and "does not change with eps" in message


def test_the_ladder_and_the_exit_codes(tmp_path):
    path = EXERCISES / "ex08_reparameterize.py"  # from another folder, and without minivae on the path
    begun = run(path, cwd=tmp_path)
    assert begun.returncode == check.NOT_BEGUN and "not begun\n  the standard deviation" in begun.stdout and "--hint" in begun.stdout
    first, last = run(path, "--hint", cwd=tmp_path), run(path, "--hint", "3", cwd=tmp_path)
    assert "hint 1 of 3" in first.stdout and "--hint 2" in first.stdout and "hint 3 of 3" in last.stdout and "the last one" in last.stdout
    assert "choose from 1, 2, 3" in run(path, "--hint", "4", cwd=tmp_path).stderr
    assert not begun.stderr and not first.stderr and first.returncode == 0


def test_progress(tmp_path, capsys, monkeypatch):
    for folder in (tmp_path, tmp_path / "checks"):
        folder.mkdir(exist_ok=True)
    (tmp_path / "check.py").write_text((EXERCISES / "check.py").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(LESSONS.parent))
    stub, head = "def active_units(mu, threshold):\n    raise NotImplementedError('a hint')\n", "import numpy as np\nfrom check import run\n"
    right = "def active_units(mu, threshold):\n    print('hello')\n    return np.var(mu, axis=0) > threshold\n"
    for name, text in (("ex01_done", right), ("ex02_wrong", right.replace("var", "std")), ("ex03_stub", stub),
                       ("ex04_broken", right.replace(":\n", "\n"))):
        (tmp_path / f"{name}.py").write_text(f"{head}{text}if __name__ == '__main__':\n    run(__file__, active_units)\n",
                                             encoding="utf-8")
        (tmp_path / "checks" / f"{name}.py").write_text((EXERCISES / "checks"
                                                         / "ex12_active_units.py").read_text(encoding="utf-8"),
                                                         encoding="utf-8")
    monkeypatch.setattr(check, "HERE", tmp_path)
    check.progress()
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == ["ex01_done done", "ex02_wrong wrong", "ex03_stub not begun"]
    assert lines[3].startswith("ex04_broken wrong: SyntaxError") and lines[4].startswith("1 of 4 done")


def test_the_lessons_command_shows_progress(monkeypatch, capsys):
    main = runpy.run_path(str(LESSONS / "__main__.py"), run_name="lessons.__main__.py")["main"]
    monkeypatch.setattr(check, "progress", lambda: print("2 of 13 done"))
    monkeypatch.setattr(sys, "argv", ["lessons", "--exercises"])
    main()
    assert capsys.readouterr().out == "2 of 13 done\n"
