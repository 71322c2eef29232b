"""What the outside sees: light imports, public names, and files that say what they are for."""

import ast
import configparser
import os
import subprocess
import sys
from pathlib import Path

import minivae as mv

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(mv.__file__).resolve().parent


def python(code):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


def test_importing_is_light():
    loaded = python("import sys, minivae; print('matplotlib' in sys.modules, 'hypothesis' in sys.modules, 'pytest' in sys.modules)")
    assert loaded.split() == ["False"] * 3
    assert python("import minivae, sys; minivae.plot.curves; print('matplotlib' in sys.modules)").strip() == "True"


def test_importing_takes_under_a_quarter_second_beyond_numpy():
    code = "import numpy, time; start = time.perf_counter(); import minivae; print(time.perf_counter() - start)"
    assert min(float(python(code)) for _ in range(3)) < 0.25


def test_importing_leaves_numpys_global_generator_alone():
    assert python("import numpy as np; a = np.random.get_state()[1].tolist(); import minivae; "
                  "print(a == np.random.get_state()[1].tolist())").strip() == "True"


def test_the_public_names_of_the_design():
    names = """Tensor primitive PRIMITIVES no_grad reparameterize gaussian_kl bernoulli_nll gaussian_nll dense sigmoid relu softplus
        Module Dense MLP SGD Adam Autoencoder VAE ConditionalVAE fit History save load check_gradients taylor_test GradientError
        Report data evaluate plot ops""".split()
    assert [n for n in names if not hasattr(mv, n)] == []


def test_each_file_opens_with_a_sentence_and_imports_only_from_above():
    order = ["autodiff", "ops", "gradcheck", "vae_ops", "nn", "optim", "models", "data", "train", "evaluate", "plot"]
    assert sorted(order) == sorted(p.stem for p in PACKAGE.glob("*.py") if p.stem != "__init__")
    for i, name in enumerate(order):
        tree = ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{name}.py does not say what it is for"
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                found = [node.module] if node.module else [a.name for a in node.names]
                assert set(found) <= set(order[:i]), f"{name} imports {found}"
            if isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0):
                tops = {a.name.split(".")[0] for a in node.names} if isinstance(node, ast.Import) else {node.module.split(".")[0]}
                assert tops <= set(sys.stdlib_module_names) | {"numpy"} | ({"matplotlib"} if name == "plot" else set())


def test_the_dependencies_are_the_four_of_the_card():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert config["options"]["install_requires"].split() == ["numpy>=1.24", "matplotlib>=3.7"]
    assert config["options.extras_require"]["test"].split() == ["pytest", "hypothesis"]


def test_the_readme_opens_with_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fence = text.split("```")[1]
    assert fence.startswith("sh\n") and len(fence.strip().splitlines()) == 3
