"""Wrong gradients as people write them, with the mistake in words, and what the check says of each.

One row for each pattern at least: a test below makes sure that every pattern has spoken.
"""

import re

import numpy as np
import pytest

import minivae as mv
from minivae.checks import diagnosis

rng = np.random.default_rng(2)
X = rng.normal(size=(5, 4))
Y = rng.normal(size=(5, 4))
LOGITS = rng.normal(size=(6, 3))
V = rng.normal(size=7)
W = np.arange(1.0, 8)
SQUARE = rng.normal(size=(4, 4))
LABELS = np.array([0, 2, 1, 1, 2, 0])
TARGETS = np.array([1.0, 0, 1, 1, 0, 1, 0])
HOT = np.eye(3)[LABELS]
IDS = np.array([2, 0, 2, 1])
EPS = rng.normal(size=(5, 4))
LOW = np.array([0.3, 1.2, -0.4, -1.1, 0.9, 0.1, -0.2, 0.7])


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softmax_back(g, p):
    return p * (g - (g * p).sum(axis=1, keepdims=True))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x):
    return np.sqrt((x * x).sum(axis=1, keepdims=True))


def layer_norm(x):
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


def layer_norm_back(g, x, mean=1, std=1, axis=1):
    y = layer_norm(x)
    g = (
        g
        - mean * g.mean(axis=axis, keepdims=True)
        - std * y * (g * y).mean(axis=axis, keepdims=True)
    )
    return g / x.std(axis=1, keepdims=True)


def cross_entropy(x):
    return np.mean(np.log(np.exp(x).sum(axis=1)) - x[np.arange(6), LABELS])


def windows(x):
    return np.array([x[i : i + 3] @ np.array([0.5, -1.0, 2.0]) for i in range(len(x) - 2)])


def rms_back(g, x, power):
    r = np.sqrt(np.mean(x * x, axis=1, keepdims=True))
    return g / r - x * np.sum(g * x, axis=1, keepdims=True) / (4 * r**power)


def lookup_back(g, E):
    d = np.zeros_like(E)
    d[IDS] += g
    return d


def pool(x):
    return x.reshape(4, 2).max(axis=1)


def unwatched(x):
    return np.asarray(x.tolist())  # leaves no trace: f cannot be looked into


def kernel(x):
    return np.exp(-((x[:, None] - x[None]) ** 2).sum(axis=-1) / 2)


def kernel_back(g, x, other=1):
    part = (-g * kernel(x))[..., None] * (x[:, None] - x[None])
    return part.sum(axis=1) - other * part.sum(axis=0)


def attention_back(g, q, k, transposed):
    d = softmax_back(g, softmax(q @ k.T / 2)) / 2
    return d @ k, (d if transposed else d.T) @ q


MISTAKES = [  # the mistake, f, a wrong gradient, the inputs, what is said
    ("zero", np.tanh, lambda g, x: 0 * x, [V], "the gradient is zero"),
    (
        "g forgotten",
        np.tanh,
        lambda g, x: 1 - np.tanh(x) ** 2,
        [V],
        "g is not used: multiply by it$",
    ),
    ("g forgotten, and more", np.tanh, lambda g, x: np.cos(x), [V], "g is not used.*not all"),
    (
        "g in one of two terms",
        lambda x: x * x + x,
        lambda g, x: 2 * g * x + 1,
        [V],
        "one of its terms is not multiplied by g",
    ),
    ("g squared", np.tanh, lambda g, x: g * g * (1 - np.tanh(x) ** 2), [V], "must be linear in g"),
    (
        "sum for mean",
        cross_entropy,
        lambda g, x: g * (softmax(x) - HOT),
        [LOGITS],
        "every entry is 6 times .*a sum where a mean is meant. 6 is axis 0 of x",
    ),
    (
        "a root",
        lambda x: x / np.sqrt(4 + 3),
        lambda g, x: g,
        [V],
        r"2.64575 times .*1/sqrt\(7\) forgotten",
    ),
    (
        "a constant of f",
        lambda x: np.tanh(x / 0.3),
        lambda g, x: g * (1 - np.tanh(x / 0.3) ** 2),
        [V],
        "0.3 times .*0.3 counted twice, or a division by it forgotten",
    ),
    (
        "n - 1 for n",
        lambda x: x.var(),
        lambda g, x: g * 2 * (x - x.mean()) / 6,
        [V],
        "1.16667 times .*n - 1 where n is due. n = 7",
    ),
    (
        "a factor f",
        lambda x: np.sqrt(np.sum(x * x)),
        lambda g, x: g * x,
        [V],
        "a factor f too many",
    ),
    (
        "alike",
        np.sum,
        lambda g, x: 1.5 * g * np.ones_like(x),
        [V],
        "1.5 times .* or analytic - numeric",
    ),
    (
        "first row",
        lambda x: x @ SQUARE,
        lambda g, x: np.outer([1, 0, 0, 0, 0], g[0] @ SQUARE.T),
        [X],
        "only the first row of the output",
    ),
    (
        "transposed",
        lambda x: np.sum(np.sin(x)),
        lambda g, x: g * np.cos(x).T,
        [SQUARE],
        "^x: it is transposed",
    ),
    (
        "swapped",
        lambda x, y: x * y**2,
        lambda g, x, y: (2 * g * x * y, g * y**2),
        [X, Y],
        "it is the gradient of y: were two gradients swapped.*\n.*the gradient of x",
    ),
    ("running sum", np.cumsum, lambda g, x: np.cumsum(g), [V], "its Jacobian is transposed"),
    (
        "not reversed",
        lambda x: x[::-1] * W,
        lambda g, x: g * W,
        [V],
        "wrong places: reversed along axis 0 of x",
    ),
    (
        "shifted",
        lambda x: np.roll(x, 2) * W,
        lambda g, x: np.roll(g * W, -1),
        [V],
        "wrong places: shifted by 1 along axis 0",
    ),
    (
        "outer product",
        lambda x, y: np.outer(x, y),
        lambda g, x, y: (g.T @ y, g.T @ x),
        [V[:4], W[:4]],
        "g is taken in the wrong order: axes 0 and 1 exchanged of f",
    ),
    ("kernel", windows, lambda g, x: np.convolve(g, [2.0, -1.0, 0.5]), [V], "a kernel or a window"),
    (
        "elementwise",
        softmax,
        lambda g, x: g * softmax(x) * (1 - softmax(x)),
        [LOGITS],
        "only the diagonal of its Jacobian",
    ),
    ("links", kernel, lambda g, x: kernel_back(g, x, 0), [X[:, :2]], "links one row with another"),
    ("repeats", lambda E: E[IDS], lookup_back, [SQUARE[:3]], "its last use only"),
    (
        "mask",
        lambda x: x * (np.arange(7) % 3 > 0) / 0.7,
        lambda g, x: g / 0.7,
        [V],
        "wrong exactly where f does not change with x.*mask",
    ),
    ("pooling", pool, lambda g, x: np.repeat(g, 2) / 2, [LOW], "spreads its gradient over several"),
    (
        "argmax",
        lambda x: np.log(np.exp(x).sum(axis=1)),
        lambda g, x: g[:, None] * (x == x.max(axis=1, keepdims=True)),
        [LOGITS],
        "all of its gradient to one",
    ),
    (
        "wrong axis",
        lambda x: x * W[:4],
        lambda g, x: g * W[:5, None],
        [X],
        "wrong axis: f has a factor for each column, and the rule for each row",
    ),
    ("triangle", np.triu, lambda g, x: np.tril(g), [SQUARE], "axes 0 and 1 exchanged"),
    ("sign(x)", np.abs, lambda g, x: g, [V], r"a factor sign\(.*\) is missing"),
    (
        "noise",
        lambda m, s: m + np.exp(s / 2) * EPS,
        lambda g, m, s: (g, g * 0.5 * np.exp(s / 2)),
        [X, Y],
        "s: a factor EPS is missing",
    ),
    (
        "x for tanh(x)",
        np.tanh,
        lambda g, x: g * (1 - x**2),
        [V],
        r"\(1 - .*\) stands where \(1 - f",
    ),
    (
        "sigmoid twice",
        sigmoid,
        lambda g, x: g * sigmoid(sigmoid(x)) * (1 - sigmoid(sigmoid(x))),
        [V],
        "it is the derivative at f, not at x",
    ),
    (
        "permutation",
        lambda x: x[[3, 1, 4, 0, 6, 2, 5]] * W,
        lambda g, x: (g * W)[[3, 1, 4, 0, 6, 2, 5]],
        [V],
        "right but stand in the wrong places",
    ),
    (
        "label",
        cross_entropy,
        lambda g, x: g * (softmax(x) - np.roll(HOT, 1, axis=1)) / 6,
        [LOGITS],
        "in each row one entry has too much .* off by 1$",
    ),
    ("first of a window", pool, lambda g, x: np.kron(g, [1, 0]), [LOW], "but to the wrong entry"),
    (
        "clip",
        lambda x: np.where(np.abs(x) < 1, x * x / 2, np.abs(x) - 0.5),
        lambda g, x: g * x,
        [2 * V],
        r"wrong exactly where \|x\| > 1",
    ),
    (
        "norm",
        lambda x: x / norm(x),
        lambda g, x: g / norm(x),
        [X],
        "what flows back through sum, sqrt and divide .* is missing: it was treated as a constant$",
    ),
    (
        "mean and std",
        layer_norm,
        lambda g, x: layer_norm_back(g, x, 0, 0),
        [X],
        "through mean and subtract .* constant; and .* through std and divide .* constant$",
    ),
    (
        "sign of a path",
        lambda m, s: np.sum(m**2 / np.exp(s) + s),
        lambda g, m, s: (2 * g * m / np.exp(s), g * (1 + m**2 / np.exp(s))),
        [X, Y],
        "s: what flows back through exp, divide .* wrong sign",
    ),
    (
        "two paths",
        lambda x: np.tanh(x) * np.exp(np.tanh(x)),
        lambda g, x: g * (1 - np.tanh(x) ** 2) * np.exp(np.tanh(x)),
        [V],
        "through tanh, exp and multiply .* is missing",
    ),
    (
        "softmax's sum",
        softmax,
        lambda g, x: g * softmax(x),
        [LOGITS],
        "through sum and divide .* missing",
    ),
    (
        "offset",
        np.sin,
        lambda g, x: g * (np.cos(x) + 0.1),
        [V],
        "at g = 1, analytic - numeric is 0.1 thr",
    ),
    (
        "tanh left out",
        lambda x: np.exp(np.tanh(x)),
        lambda g, x: g * np.exp(np.tanh(x)),
        [V],
        r"the derivative of tanh|\(1 - tanh\(x\)\*\*2\) is missing",
    ),
    (
        "W for W.T",
        lambda x, W: np.tanh(x @ W),
        lambda g, x, W: (
            (g * (1 - np.tanh(x @ W) ** 2)) @ W,
            x.T @ (g * (1 - np.tanh(x @ W) ** 2)),
        ),
        [X, SQUARE],
        "x: matmul .* where its transpose is due",
    ),
    (
        "attention",
        lambda q, k: softmax(q @ k.T / 2),
        lambda g, q, k: attention_back(g, q, k, True),
        [SQUARE, np.sin(SQUARE)],
        "k: on its way back the gradient is transposed at",
    ),
    (
        "length of f",
        lambda x: norm(x)[:, 0],
        lambda g, x: g[:, None] * x,
        [X],
        "a factor f is too many, one number for each output",
    ),
    (
        "columns",
        lambda x, c: (unwatched(x) * c).cumsum(axis=0),
        lambda g, x, c: (
            np.cumsum(g[::-1], axis=0)[::-1],
            (np.cumsum(g[::-1], axis=0)[::-1] * x).sum(axis=0),
        ),
        [X, W[:4] + 1],
        "x: a factor c is missing",
    ),
    (
        "columns mixed",
        lambda x, c: (unwatched(x) * c) @ SQUARE,
        lambda g, x, c: (g @ SQUARE.T, ((g @ SQUARE.T) * x).sum(axis=0)),
        [X, W[:4] + 1],
        "x: a factor c is missing, one number for each entry",
    ),
    (
        "one entry",
        lambda x: np.sum(np.sin(x)),
        lambda g, x: g * np.cos(x) * [1, 1, 1, 1.3, 1, 1, 1],
        [V],
        r"right but for entry \(3,\)",
    ),
    (
        "targets",
        lambda x: np.sum(np.logaddexp(0, x) - x * TARGETS),
        lambda g, x: g * (sigmoid(x) - 1 + TARGETS),
        [V],
        "analytic - numeric is 2 TARGETS - 1",
    ),
    (
        "smoothing",
        lambda x: -np.sum((0.9 * HOT + 0.1 / 3) * np.log(softmax(x))),
        lambda g, x: g * (softmax(x) - HOT),
        [LOGITS],
        r"analytic - numeric is -0.1 HOT \+ 0.03",
    ),
    (
        "swish",
        lambda x: x * sigmoid(x),
        lambda g, x: g * (sigmoid(x) + x * sigmoid(x)),
        [V],
        r"lacks the factor \(1 - t\), t being the result of divide",
    ),
    (
        "a power",
        lambda x: x / np.sqrt(np.mean(x * x, axis=1, keepdims=True)),
        lambda g, x: rms_back(g, x, 2),
        [X],
        "off by a factor that is not the same for all outputs",
    ),
    (
        "unseen norm",
        lambda x: unwatched(x) / norm(unwatched(x)),
        lambda g, x: g / norm(x),
        [X],
        "in each row numeric - analytic has rank one, along x itself",
    ),
    (
        "unseen mean",
        lambda x: unwatched(x) - unwatched(x).mean(axis=1, keepdims=True),
        lambda g, x: g,
        [X],
        r"in each row .* rank one, along \(1, ..., 1\)",
    ),
    (
        "mixed rows",
        layer_norm,
        lambda g, x: layer_norm_back(g, x, axis=0),
        [X],
        "mixes different rows",
    ),
    (
        "causal",
        lambda x: softmax(np.where(np.tri(4) > 0, x, -1e9)),
        lambda g, x: softmax_back(g, softmax(x)),
        [SQUARE],
        "f does not change with 6 of 16 entries|with 7 of 16 entries",
    ),
    (
        "a column",
        lambda x: np.sum(np.sin(x)),
        lambda g, x: g * np.cos(x) * [1, 1, 2, 1],
        [X],
        "column 2 wrong, column 0, 1, 3 right; there every entry is 2 times",
    ),
    (
        "some outputs",
        lambda x: x @ SQUARE,
        lambda g, x: (g * (np.arange(4) < 3)) @ SQUARE.T,
        [X],
        "5 of 20 outputs send nothing back",
    ),
    (
        "not centred",
        lambda x: x.var(axis=0),
        lambda g, x: g * 2 * x / 5,
        [X],
        "one number for all of each column of x",
    ),
    (
        "a band",
        lambda x: unwatched(x)[1:] - unwatched(x)[:-1],
        lambda g, x: np.r_[0, g],
        [V],
        "6 of the 12 pairs of output and entry",
    ),
    (
        "all the same",
        lambda x: np.sum(np.tanh(SQUARE @ x)),
        lambda g, x: g * np.full(4, 0.2),
        [V[:4]],
        "the same number",
    ),
]


def check(f, inputs, vjp):
    return mv.check_gradients(f, *inputs, vjp=vjp, raise_error=False)


@pytest.mark.parametrize(
    "f, wrong, inputs, said", [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_a_mistake_is_named(f, wrong, inputs, said):
    report = check(f, inputs, wrong)
    assert not report and re.search(
        said, report.diagnosis, re.DOTALL | re.MULTILINE
    ), report.diagnosis


def test_every_pattern_has_spoken(monkeypatch):
    spoke = set()

    def listened(pattern):
        def listening(e):
            sentence = pattern(e)
            if sentence:
                spoke.add(pattern.__name__)
            return sentence

        return listening

    patterns = [[listened(pattern) for pattern in tier] for tier in diagnosis.PATTERNS]
    names = {pattern.__name__ for tier in diagnosis.PATTERNS for pattern in tier}
    monkeypatch.setattr(diagnosis, "PATTERNS", patterns)
    for _, f, wrong, inputs, _ in MISTAKES:
        check(f, inputs, wrong)
    assert names - spoke == set()


def test_a_learner_can_add_a_pattern(monkeypatch):
    def thirds(e):
        if e.is_A(e.J / 3):
            return "it is a third of what it should be"

    monkeypatch.setattr(diagnosis, "PATTERNS", [[thirds], *diagnosis.PATTERNS])
    assert check(np.tanh, [V], lambda g, x: g * (1 - np.tanh(x) ** 2) / 3).diagnosis.endswith(
        "a third of what it should be"
    )


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_made_up_for_noise(seed):
    """A gradient that has nothing to do with f fits no pattern, and the report says so."""
    draw = np.random.default_rng(seed)
    M, x = draw.normal(size=(6, 7)), draw.normal(size=7)
    wrong = draw.normal(size=(7, 6))
    report = check(lambda x: np.tanh(M @ x), [x], lambda g, x: wrong @ g)
    assert "no known pattern fits" in report.diagnosis, report.diagnosis


# Rules on the engine are named.


@mv.primitive
def cube(x):
    return x**3, lambda g: 2 * g * x**2


@mv.primitive
def right_cube(x):
    return x**3, lambda g: 3 * g * x**2


@mv.primitive
def join(arrays):
    return np.concatenate(arrays, axis=1), [lambda g: g[:, :4], lambda g: g[:, :4]]


def test_the_wrong_rule_is_named():
    report = mv.check_gradients(
        lambda x, w: np.sum(cube(np.tanh(x @ w))), X, SQUARE, raise_error=False
    )
    assert report.diagnosis.startswith(
        "the rule of cube, called third, is wrong for x: every entry is 0.666667 times"
    )
    assert (
        report.diagnosis.endswith("all 3 others are right")
        and len(report.diagnosis.splitlines()) == 1
    )
    assert mv.check_gradients(lambda x, w: np.sum(right_cube(np.tanh(x @ w))), X, SQUARE)


def test_a_rule_of_a_list_of_inputs_is_named():
    report = mv.check_gradients(lambda x, y: np.tanh(join([x, y])), X, Y, raise_error=False)
    assert "the rule of join, called first, is wrong for input 1" in report.diagnosis


def test_where_all_rules_are_right_that_is_said():
    report = mv.check_gradients(lambda x: np.sum(x * np.tanh(x.data)), X, raise_error=False)
    assert "each of the 2 rules on the way is right at the values that it met" in report.diagnosis


def test_a_kink_on_the_way_is_no_wrong_rule():
    report = mv.check_gradients(
        lambda x: np.sum(mv.relu(x) * right_cube(x)) + np.sum(mv.relu(x)),
        np.array([0.0, 1, 2]),
        raise_error=False,
    )
    assert "at a kink" in report.diagnosis and "is wrong" not in report.diagnosis


def test_checking_rules_leaves_no_listener_behind():
    mv.check_gradients(lambda x: cube(np.tanh(x)), X, raise_error=False)
    assert mv.autodiff.listener.get() is None
