"""What the outside sees: light imports, public names, and files that say what they are for."""

import ast
import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest

import minivae as mv

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(mv.__file__).resolve().parent


def python(code):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout


def test_importing_is_light():
    loaded = python("import sys, minivae; print(*sorted(sys.modules))").split()
    assert "minivae" in loaded
    assert not {"matplotlib", "PIL", "hypothesis", "pytest"} & set(loaded)
    assert (
        python(
            "import minivae, sys; minivae.plot.curves; print('matplotlib' in sys.modules)"
        ).strip()
        == "True"
    )


def test_importing_takes_under_a_quarter_second_beyond_numpy():
    clock = "import numpy, time; start = time.process_time()"
    code = f"{clock}; import minivae; print(time.process_time() - start)"
    assert min(float(python(code)) for _ in range(3)) < 0.25


def test_importing_leaves_numpys_global_generator_alone():
    assert (
        python(
            "import numpy as np; a = np.random.get_state()[1].tolist(); import minivae; "
            "print(a == np.random.get_state()[1].tolist())"
        ).strip()
        == "True"
    )


def test_the_public_names_of_the_design():
    names = """
        Tensor primitive PRIMITIVES no_grad reparameterize gaussian_kl bernoulli_nll
        gaussian_nll dense sigmoid relu softplus Module Dense MLP SGD Adam Autoencoder VAE
        ConditionalVAE fit History save load check_gradients taylor_test GradientError
        check_loss LossReport Report data evaluate plot ops
    """.split()
    assert [n for n in names if not hasattr(mv, n)] == []


# The reading order.
COURSE = ["autodiff", "ops", "vae_ops", "nn", "optim", "models", "data", "train"]
COURSE += ["evaluate", "plot"]
# Downstairs. Each may be used by any file of the course that stands after what it uses itself.
DOWNSTAIRS = {
    "checks.arguments": [],
    "checks.missing": [],
    "checks.recording": [],
    "checks.finite": ["optim"],
    "checks.fitting": [],
    "checks.loss_words": [],
    "checks.losses": ["autodiff", "checks.arguments", "checks.loss_words"],
    "checks.watch": [],
    "checks.function": ["autodiff", "checks.recording", "checks.watch"],
    "checks.paths": ["checks.watch"],
    "checks.jacobian": ["checks.paths"],
    "checks.patterns.tools": ["checks.jacobian"],
    "checks.patterns.whole": ["checks.patterns.tools"],
    "checks.patterns.parts": ["checks.jacobian", "checks.patterns.tools"],
    "checks.patterns.places": ["checks.patterns.parts", "checks.patterns.tools"],
    "checks.patterns.factors": ["checks.patterns.tools", "checks.patterns.whole"],
    "checks.patterns.constants": ["checks.paths", "checks.patterns.tools"],
    "checks.diagnosis": [
        "checks.jacobian",
        "checks.patterns.constants",
        "checks.patterns.factors",
        "checks.patterns.parts",
        "checks.patterns.places",
        "checks.patterns.whole",
    ],
    "checks.rules": ["autodiff", "checks.function"],
    "screen.progress": [],
    "checks.measuring": ["screen.progress"],
    "checks.gradients": ["checks.diagnosis", "checks.function", "checks.measuring", "checks.rules"],
    "files.npz": [],
    "files.checkpoints": ["files.npz"],
    "files.idx": [],
    "files.images": ["files.idx"],
    "files.mnist": ["files.idx", "screen.progress"],
    "files.saved": ["models", "files.npz"],
}


def imports(path):
    """(modules of minivae, others) that a file imports, the former as 'nn' or 'files.npz'."""
    own, others = set(), set()
    package = ["minivae", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            others |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            others.add(node.module.split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            names = [node.module]
            if (
                not node.module or PACKAGE.joinpath(*base[1:], node.module).is_dir()
            ):  # modules, not what is in one
                names = [".".join(filter(None, (node.module, alias.name))) for alias in node.names]
            own |= {".".join([*base, name][1:]) for name in names}
    return own, others


MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem != "__init__"
}


def test_minivae_has_these_files():
    assert sorted(MODULES) == sorted([*COURSE, *DOWNSTAIRS])


@pytest.mark.parametrize("name, path", MODULES.items(), ids=list(MODULES))
def test_each_file_opens_with_a_sentence_and_imports_only_from_above(name, path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{name} does not say what it is for"

    own, others = imports(path)
    if name in DOWNSTAIRS:
        allowed = set(DOWNSTAIRS[name])
    else:
        above = set(COURSE[: COURSE.index(name)])
        usable = [
            file for file, needs in DOWNSTAIRS.items() if set(needs) <= above | set(DOWNSTAIRS)
        ]
        allowed = above | set(usable)
    assert own <= allowed, f"{name} imports {sorted(own - allowed)}"

    known = set(sys.stdlib_module_names) | {"numpy"}
    if name in ("plot", "screen.explore", "files.images"):
        known.add("matplotlib")
    assert others <= known, f"{name} imports {sorted(others - known)}"


def test_the_dependencies_are_the_four_of_the_card():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert config["options"]["install_requires"].split() == ["numpy>=1.24", "matplotlib>=3.7"]
    assert config["options.extras_require"]["test"].split() == ["pytest", "hypothesis"]


def test_the_readme_opens_with_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fence = text.split("```")[1]
    assert fence.startswith("sh\n") and len(fence.strip().splitlines()) == 3
