"""The checker is checked: planted mistakes of every kind must fail with the right diagnosis, and
right rules must pass.

A diagnosis is compared as a set of kinds, so that a second, wrong explanation beside the right one
fails as well.
"""

import re

import numpy as np
import pytest

import minivae as mv
from minivae import GradientError, Report, Tensor, check_gradients, primitive, taylor_test

KINDS = {
    "sign": "sign is flipped",
    "factor": "every entry is",
    "mean": "a mean where a sum is meant",
    "sum": "a sum where a mean is meant",
    "zero": "the gradient is zero",
    "offset": "throughout: a constant",
    "transposed": "transposed",
    "swapped": "two gradients swapped",
    "first row": "only the first row of the output",
    "g unused": "the upstream gradient g is not used",
    "missing factor": r"a factor .* is missing",
    "extra factor": r"a factor .* is too many",
    "term": "a term is missing, or too many",
    "rows": r"row .* wrong, row",
    "columns": r"column .* wrong, column",
    "entries": "right but for entry",
    "kink": "at a kink",
    "noise": "draws fresh noise at each call",
    "noise back": "fresh noise is drawn on the way back",
    "float32": "float32",
    "not summed": "not summed over the axes",
    "reshape": "want a reshape",
    "nan": "are NaN or infinite",
    "guess": "this is a guess",
    "unknown": "no known pattern",
    "path": "what flows back through",
    "mask": "Was a mask",
    "one more": "raise samples",
    "flat": "numeric gradient is zero",
    "count": "vjp returned",
}


def kinds(diagnosis):
    return {kind for kind, pattern in KINDS.items() if re.search(pattern, diagnosis)}


def check(f, *inputs, **kwargs):
    return check_gradients(f, *inputs, raise_error=False, **kwargs)


# Functions with their right gradients by hand, as people write them.

rng = np.random.default_rng(42)
X, W, BIAS, T = (
    rng.normal(size=(5, 3)),
    rng.normal(size=(3, 4)),
    rng.normal(size=4),
    rng.random((5, 4)),
)
MU, LOGVAR, EPS = rng.normal(size=(3, 5, 4))
SQUARE, VECTOR = rng.normal(size=(4, 4)), rng.normal(size=6)
sigmoid = lambda l: 1 / (1 + np.exp(-l))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


FUNCTIONS = {  # name: (f, vjp, inputs)
    "dense": (
        lambda x, W, b: x @ W + b,
        lambda g, x, W, b: (g @ W.T, x.T @ g, g.sum(axis=0)),
        (X, W, BIAS),
    ),
    "kl": (
        lambda mu, logvar: 0.5 * np.sum(mu**2 + np.exp(logvar) - logvar - 1, axis=1),
        lambda g, mu, logvar: (g[:, None] * mu, 0.5 * g[:, None] * (np.exp(logvar) - 1)),
        (MU, LOGVAR),
    ),
    "reparameterize": (
        lambda mu, logvar: mu + np.exp(logvar / 2) * EPS,
        lambda g, mu, logvar: (g, 0.5 * g * np.exp(logvar / 2) * EPS),
        (MU, LOGVAR),
    ),
    "loss": (
        lambda l: np.mean(np.sum(np.logaddexp(0, l) - l * T, axis=1)),
        lambda g, l: g * (sigmoid(l) - T) / 5,
        (MU,),
    ),
    "tanh": (lambda x: np.tanh(x), lambda g, x: g * (1 - np.tanh(x) ** 2), (SQUARE,)),
    "square": (lambda x: x**2, lambda g, x: 2 * g * x, (SQUARE,)),
    "softmax": (
        softmax,
        lambda g, x: softmax(x) * (g - np.sum(g * softmax(x), axis=1, keepdims=True)),
        (SQUARE,),
    ),
    "sine": (lambda x: np.sum(np.sin(x)), lambda g, x: g * np.cos(x), (VECTOR,)),
}
everywhere = pytest.mark.parametrize(
    "name, k", [(name, k) for name, (*_, inputs) in FUNCTIONS.items() for k in range(len(inputs))]
)


def planted(name, k, change):
    """The report for the function `name` with `change` made to the gradient of its input k
    alone."""
    f, vjp, inputs = FUNCTIONS[name]

    def wrong(g, *inputs):
        grads = vjp(g, *inputs)
        grads = list(grads) if isinstance(grads, tuple) else [grads]
        grads[k] = change(grads[k])
        return tuple(grads)

    return check(f, *inputs, vjp=wrong)


def one_entry(a):
    a = a.copy()
    a.flat[a.size // 2] *= 1.3
    return a


@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_gradients_pass(name):
    f, vjp, inputs = FUNCTIONS[name]
    report = check_gradients(f, *inputs, vjp=vjp)
    assert report and report.ok and report.diagnosis == "" and report.error < 1e-8
    assert len(report.worst) == 5 and len(report.lines) == len(inputs)
    assert f"{sum(x.size for x in inputs)} derivatives" in str(report)


@everywhere
@pytest.mark.parametrize(
    "change, kind",
    [
        (lambda a: -a, {"sign"}),
        (lambda a: 0.37 * a, {"factor"}),
        (lambda a: 1.0005 * a, {"factor"}),
        (lambda a: -3.7 * a, {"sign", "factor"}),
        (lambda a: 0 * a, {"zero"}),
        (lambda a: None, {"zero"}),
        (lambda a: np.where(np.arange(a.size).reshape(a.shape) == 1, np.nan, a), {"nan"}),
        (one_entry, {"entries"}),
    ],
    ids=["sign", "factor", "0.05 %", "minus 3.7", "zero", "none", "nan", "one entry"],
)
def test_planted_mistakes_of_every_function(name, k, change, kind):
    report = planted(name, k, change)
    assert not report and kinds(report.diagnosis) == kind, report
    assert len(report.diagnosis.splitlines()) == 1  # the other inputs are not blamed


@everywhere
def test_factors_of_two_and_of_a_length(name, k):
    x = FUNCTIONS[name][2][k]
    for factor, hint in [
        (2, "a 1/2 forgotten?"),
        (0.5, "a 1/2 too many, or a 2 forgotten?"),
        (1 / len(x), rf"a mean where a sum is meant\? {len(x)} is axis . of"),
        (len(x), rf"a sum where a mean is meant\? {len(x)} is axis . of"),
        (
            len(x) ** -2,
            (
                rf"a mean where a sum is meant\? {len(x) ** 2} is axis . of . times"
                rf" axis|{len(x) ** 2} is"
            ),
        ),
    ]:
        diagnosis = planted(name, k, lambda a: factor * a).diagnosis
        assert re.search(hint, diagnosis) and "factor" in kinds(diagnosis) <= {
            "factor",
            "mean",
            "sum",
        }, diagnosis


@pytest.mark.parametrize(
    "name, k", [("dense", 1), ("kl", 1), ("loss", 0), ("tanh", 0), ("softmax", 0)]
)
def test_wrong_rows_and_columns(name, k):
    rows = planted(name, k, lambda a: np.where(np.arange(len(a))[:, None] == 1, 2 * a, a))
    assert kinds(rows.diagnosis) == {"rows", "factor"} and re.search(
        "row 1 wrong, row 0, 2", rows.diagnosis
    )
    columns = planted(name, k, lambda a: np.where(np.arange(a.shape[1]) == 3, 0, a))
    assert (
        kinds(columns.diagnosis) == {"columns"}
        and "column 3 wrong, column 0, 1, 2 right; there it is zero" in columns.diagnosis
    )


def test_only_the_first_row():
    assert kinds(
        planted("loss", 0, lambda a: np.where(np.arange(len(a))[:, None] == 0, a, 0)).diagnosis
    ) == {"rows"}
    for name, k in ("dense", 0), ("kl", 0), ("softmax", 0):
        report = planted(name, k, lambda a: np.where(np.arange(len(a))[:, None] == 0, a, 0))
        assert kinds(report.diagnosis) == {"first row"}, report
    f, vjp, inputs = FUNCTIONS[
        "dense"
    ]  # the first example alone, where the sum over the batch is meant
    report = check(f, *inputs, vjp=lambda g, x, W, b: (g @ W.T, np.outer(x[0], g[0]), g[0]))
    assert [kinds(line) for line in report.diagnosis.splitlines()] == [{"first row"}] * 2, report


# what is wrong, in which function, the wrong gradients, and the kinds in each line of the diagnosis
SPECIFIC = [
    (
        "KL without the half",
        "kl",
        lambda g, m, s: (2 * g[:, None] * m, g[:, None] * (np.exp(s) - 1)),
        [{"factor"}, {"factor"}],
    ),
    (
        "KL divided by the batch",
        "kl",
        lambda g, m, s: (g[:, None] * m / 5, 0.1 * g[:, None] * (np.exp(s) - 1)),
        [{"factor", "mean"}, {"factor", "mean"}],
    ),
    (
        "KL without the -1",
        "kl",
        lambda g, m, s: (g[:, None] * m, 0.5 * g[:, None] * np.exp(s)),
        [{"path"}],
    ),
    (
        "KL without exp(logvar)",
        "kl",
        lambda g, m, s: (g[:, None] * m, -0.5 * g[:, None] * np.ones_like(s)),
        [{"path"}],
    ),
    (
        "KL, the two swapped",
        "kl",
        lambda g, m, s: (0.5 * g[:, None] * (np.exp(s) - 1), g[:, None] * m),
        [{"swapped"}, {"swapped"}],
    ),
    (
        "KL, g forgotten",
        "kl",
        lambda g, m, s: (m, 0.5 * (np.exp(s) - 1)),
        [{"g unused"}, {"g unused"}],
    ),
    (
        "exp(logvar) for exp(logvar / 2)",
        "reparameterize",
        lambda g, m, s: (g, 0.5 * g * np.exp(s) * EPS),
        [{"extra factor"}],
    ),
    ("std left out", "reparameterize", lambda g, m, s: (g, 0.5 * g * EPS), [{"missing factor"}]),
    (
        "noise left out",
        "reparameterize",
        lambda g, m, s: (g, 0.5 * g * np.exp(s / 2)),
        [{"missing factor"}],
    ),
    (
        "noise of another draw",
        "reparameterize",
        lambda g, m, s: (
            g,
            0.5 * g * np.exp(s / 2) * np.random.default_rng(1).normal(size=s.shape),
        ),
        [{"unknown"}],
    ),
    (
        "noise drawn again",
        "reparameterize",
        lambda g, m, s: (g, 0.5 * g * np.exp(s / 2) * np.random.default_rng().normal(size=s.shape)),
        [{"noise back"}],
    ),
    ("mean missing in the loss", "loss", lambda g, l: g * (sigmoid(l) - T), [{"factor", "sum"}]),
    (
        "mean over everything",
        "loss",
        lambda g, l: g * (sigmoid(l) - T) / l.size,
        [{"factor", "mean"}],
    ),
    ("targets forgotten", "loss", lambda g, l: g * sigmoid(l) / 5, [{"path"}]),
    ("g forgotten in a scalar", "loss", lambda g, l: (sigmoid(l) - T) / 5, [{"g unused"}]),
    ("chain factor missing", "tanh", lambda g, x: g, [{"missing factor"}]),
    ("x for 2 x", "square", lambda g, x: g * x, [{"factor"}]),
    ("2 for 2 x", "square", lambda g, x: 2 * g, [{"missing factor"}]),
    ("x too often", "square", lambda g, x: 2 * g * x**2, [{"extra factor"}]),
    ("softmax: zeros pass a plain sum", "softmax", lambda g, x: 0 * g, [{"zero"}]),
    ("softmax: y g", "softmax", lambda g, x: g * softmax(x), [{"path"}]),
    ("constant added", "sine", lambda g, x: g * (np.cos(x) + 0.1), [{"offset"}]),
    ("bias not summed", "dense", lambda g, x, W, b: (g @ W.T, x.T @ g, g), [{"not summed"}]),
    (
        "bias averaged",
        "dense",
        lambda g, x, W, b: (g @ W.T, x.T @ g, g.mean(axis=0)),
        [{"factor", "mean"}],
    ),
    (
        "bias kept two axes",
        "dense",
        lambda g, x, W, b: (g @ W.T, x.T @ g, g.sum(axis=0, keepdims=True)),
        [{"reshape"}],
    ),
    (
        "weights transposed",
        "dense",
        lambda g, x, W, b: (g @ W.T, g.T @ x, g.sum(axis=0)),
        [{"transposed"}],
    ),
    ("square transposed", "square", lambda g, x: 2 * g.T * x.T, [{"transposed"}]),
    ("square transposed and halved", "square", lambda g, x: g.T * x.T, [{"transposed", "factor"}]),
    ("a gradient too few", "dense", lambda g, x, W, b: (g @ W.T, x.T @ g), [{"count"}]),
]


@pytest.mark.parametrize(
    "name, wrong, expected", [row[1:] for row in SPECIFIC], ids=[row[0] for row in SPECIFIC]
)
def test_mistakes_that_people_make(name, wrong, expected):
    f, _, inputs = FUNCTIONS[name]
    report = check(f, *inputs, vjp=wrong)
    assert (
        not report and [kinds(line) for line in report.diagnosis.splitlines()] == expected
    ), report


@pytest.mark.parametrize(
    "f, wrong, x, expected",
    [
        (lambda x: np.maximum(x, 0), lambda g, x: g, VECTOR, {"mask"}),
        (np.abs, lambda g, x: g, VECTOR, {"missing factor"}),
        (np.exp, lambda g, x: g * x * np.exp(x), VECTOR, {"extra factor"}),
        (
            lambda x: np.sum(np.sin(x)) + 0.05 * np.sum(x**2),
            lambda g, x: g * np.cos(x),
            VECTOR,
            {"path"},
        ),
        (
            lambda x: x @ x.T @ VECTOR[:4],
            lambda g, x: np.outer(g, x.T @ VECTOR[:4]),
            SQUARE,
            {"path"},
        ),
    ],
    ids=[
        "relu without mask",
        "abs without sign",
        "x too often",
        "weight decay forgotten",
        "half of the product rule",
    ],
)
def test_missing_masks_factors_and_terms(f, wrong, x, expected):
    assert kinds(check(f, x, vjp=wrong).diagnosis) == expected


# The same with Tensors, where rules sit in primitives.


def rule(value, vjp):
    return primitive(lambda x: (value(x), lambda g: vjp(g, x)))


@pytest.mark.parametrize(
    "bad, expected",
    [
        (rule(np.exp, lambda g, x: -g * np.exp(x)), {"sign"}),
        (rule(np.exp, lambda g, x: 1000 * g), {"missing factor"}),
        (rule(np.tanh, lambda g, x: np.zeros_like(x)), {"zero"}),
        (rule(np.tanh, lambda g, x: np.cos(x)), {"g unused"}),
        (rule(np.square, lambda g, x: 2 * x), {"g unused"}),
        (rule(np.sin, lambda g, x: (g * np.cos(x)).T), {"transposed"}),
        (
            rule(np.sin, lambda g, x: g * np.cos(x) * np.random.default_rng().normal(size=x.shape)),
            {"noise back"},
        ),
        (
            rule(np.sum, lambda g, x: g * np.ones_like(x) / x.size),
            {"factor", "mean", "offset"},
        ),  # equal entries: both fit
    ],
)
def test_wrong_primitives(bad, expected):
    report = check(bad, SQUARE)
    assert not report and kinds(report.diagnosis) == expected, report


def test_a_rule_with_the_wrong_shape_is_reported_by_the_engine():
    add = primitive(lambda x, b: (x + b, (lambda g: g, lambda g: g)))
    report = check(add, SQUARE, BIAS)
    assert (
        not report
        and "<lambda>" in report.diagnosis
        and "was a broadcast axis not summed?" in report.diagnosis
    )
    with pytest.raises(GradientError, match="broadcast axis"):
        check_gradients(add, SQUARE, BIAS)


def test_a_cut_path():
    for cut in (
        lambda t: np.sum(t.data * np.tanh(t.data) + 0 * t),
        lambda t: Tensor(np.tanh(t.data)),
        lambda t: Tensor(2.0) * t.data.sum(),
    ):
        report = check(cut, VECTOR)
        assert kinds(report.diagnosis) == {"zero"}, report
    half = check(lambda t: np.sum(t * t.data), VECTOR)
    assert kinds(half.diagnosis) == {"factor"} and "0.5 times" in half.diagnosis


def test_a_gradient_where_f_does_not_change():
    assert kinds(
        check(
            lambda x, y: np.sin(x), VECTOR, VECTOR, vjp=lambda g, x, y: (g * np.cos(x), g)
        ).diagnosis
    ) == {"flat"}


# Small mistakes, small gradients, large values.


@pytest.mark.parametrize(
    "scale, offset", [(1, 0), (1e-6, 0), (1e-6, 1), (1e-6, 50), (1e-9, 0), (1e6, 0), (1e6, 1e6)]
)
@pytest.mark.parametrize("off", [1.0005, 0.9995, 0.0, -1.0])
def test_half_a_per_mille_is_caught_at_any_scale(scale, offset, off):
    value = lambda x: offset + scale * np.sum(np.exp(x))
    gradient = lambda g, x: g * scale * np.exp(x)
    assert check(value, VECTOR, vjp=gradient), "a false alarm"
    report = check(value, VECTOR, vjp=lambda g, x: off * gradient(g, x))
    expected = {0.0: "zero", -1.0: "sign"}.get(off, "factor")
    assert not report and kinds(report.diagnosis) == {expected}, report
    elementwise = check(
        lambda x: offset + scale * np.exp(x), VECTOR, vjp=lambda g, x: off * gradient(g, x)
    )
    assert not elementwise, elementwise


def test_one_small_entry_beside_large_ones_is_caught():
    weights = np.array([1.0, 1.0, 1e-3])
    f = lambda x: np.sum(weights * np.sin(x))
    report = check(f, VECTOR[:3], vjp=lambda g, x: g * weights * np.cos(x) * [1, 1, 1.01])
    assert kinds(report.diagnosis) == {"entries"} and report.worst[0].index == (2,)
    largest = np.abs(
        np.cos(VECTOR[:2])
    ).max()  # the error is a share of this, eq. (1.11), not of the small entry
    assert abs(report.error / (1e-5 * abs(np.cos(VECTOR[2])) / largest) - 1) < 1e-3


def test_no_false_alarm_in_1000_random_expressions():
    """Trees of right rules over random inputs of random shapes, scales and offsets."""
    unary = [
        np.exp,
        np.tanh,
        mv.sigmoid,
        mv.softplus,
        np.negative,
        lambda t: t**2,
        lambda t: t**3,
        lambda t: np.log(1 + t * t),
        lambda t: np.sqrt(2 + np.tanh(t)),
        lambda t: 1e-3 * t,
        lambda t: t + 1,
        lambda t: np.sum(t, axis=-1, keepdims=True),
        lambda t: t / (1 + np.exp(t)),
        lambda t: mv.sigmoid(9 * t),
        lambda t: np.mean(t),
    ]
    binary = [
        np.add,
        np.subtract,
        np.multiply,
        lambda a, b: a / (2 + np.tanh(b)),
        lambda a, b: mv.softplus(a - b),
    ]
    for seed in range(1000):
        draw = np.random.default_rng(seed)
        first, second = draw.integers(len(unary), size=(2, 2))
        join, shape = binary[draw.integers(len(binary))], draw.integers(1, 3, draw.integers(0, 3))
        x, y = draw.normal(size=(2, *shape))

        def f(x, y):
            for i, j in zip(first, second):
                x, y = np.tanh(unary[i](x)), np.tanh(unary[j](y))
            return np.sum(join(x, y), axis=()) * 10.0**draw_scale

        draw_scale = draw.integers(-6, 4)
        report = check(
            lambda x, y: f(np.reshape(x, (*shape, 1)), np.reshape(y, (*shape, 1))), x, y, rng=draw
        )
        assert report, f"seed {seed}\n{report}"


def test_hard_but_right_functions_pass():
    x = VECTOR
    for f, at in [
        (lambda t: t**3, np.zeros(3)),
        (lambda t: t**3, np.float64(0)),
        (lambda t: (t + 1e6) - 1e6, x),
        (lambda t: np.exp(100 * t), x),
        (mv.sigmoid, x + 20),
        (mv.sigmoid, x + 40),
        (mv.softplus, x - 40),
        (lambda t: 50 + 1e-9 * np.exp(t), x),
        (np.log, np.array([1e-4, 1.0])),
        (lambda t: t * 0, x),
        (
            lambda t: np.maximum(t, 0),
            np.array([3e-6, -2e-6, 1.0]),
        ),  # a kink near by, but not at the point
        (lambda t: np.abs(t), np.zeros(2)),
        (lambda t: np.exp(t) / np.sum(np.exp(t)), np.zeros(1)),
    ]:
        assert check(f, at), check(f, at)


# Kinks, noise, float32 and other things at which differences fail.


@pytest.mark.parametrize(
    "f, x",
    [
        (mv.relu, np.array([0.0, 1.0, -1.0])),
        (lambda t: np.sum(mv.relu(t) * VECTOR[:3]), np.array([1.0, 0.0, 2.0])),
        (lambda t: mv.relu(t @ np.eye(2)) ** 2 + mv.relu(t), np.array([[0.0, 2.0]])),
        (lambda t: mv.relu(t - 0.3), np.array([0.3, 0.5])),
    ],
)
def test_a_kink_is_named_and_nothing_else_blamed(f, x):
    report = check(f, x)
    assert (
        not report
        and kinds(report.diagnosis) == {"kink"}
        and "right except at a kink" in report.diagnosis
    ), report


def test_a_mistake_beside_a_kink_is_named_too():
    report = check(
        lambda x: np.maximum(x, 0), np.array([0.0, 1, 2, -1]), vjp=lambda g, x: -g * (x >= 0)
    )
    assert kinds(report.diagnosis) == {"kink", "sign"} and "outside the slopes" in report.diagnosis
    report = check(
        lambda x: np.maximum(x, 0), np.array([0.0, 1, 2, -1]), vjp=lambda g, x: 3.3 * g * (x > 0)
    )
    assert kinds(report.diagnosis) == {"kink", "factor"} and "within the slopes" in report.diagnosis


@pytest.mark.parametrize(
    "f",
    [
        lambda t: t * np.random.default_rng().normal(),
        lambda t: mv.reparameterize(t, t, np.random.default_rng().normal(size=6)),
        lambda t: np.sum(t) + np.random.default_rng().normal(),
    ],
)
def test_fresh_noise_is_named(f):
    assert kinds(check(f, VECTOR).diagnosis) == {"noise"}


def test_a_model_with_fresh_noise_and_with_the_same_noise():
    model = mv.VAE(3, (2,), 2, dtype=np.float64, activation="tanh", rng=np.random.default_rng(0))
    x, generator = np.random.default_rng(1).random((4, 3)), np.random.default_rng(2)
    assert kinds(check(lambda *_: model.loss(x, generator), *model.parameters()).diagnosis) == {
        "noise"
    }
    assert check(lambda *_: model.loss(x, np.random.default_rng(2)), *model.parameters(), h=1e-4)


def test_float32_is_reported_wherever_it_sits():
    single = VECTOR.astype(np.float32)
    model = mv.VAE(3, (2,), 2, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).random((4, 3))
    for report in (
        check(np.exp, single),
        check(np.exp, Tensor(single, requires_grad=True)),
        check(np.exp, single, vjp=lambda g, x: g * np.exp(x)),
        check(lambda *_: model.loss(x, np.random.default_rng(2)), *model.parameters()),
        check(lambda x: np.exp(x.astype(np.float32)), VECTOR, vjp=lambda g, x: g * np.exp(x)),
        check(
            lambda x: np.exp(x.astype(np.float32)).astype(float),
            VECTOR,
            vjp=lambda g, x: g * np.exp(x),
        ),
    ):
        assert not report and kinds(report.diagnosis) == {"float32"}, report
    assert (
        "the result of f" in check(
            lambda x: np.exp(x.astype(np.float32)), VECTOR, vjp=lambda g, x: g * np.exp(x)
        ).diagnosis
    )
    upcast = check(
        lambda single: np.exp(single.astype(float)), single, vjp=lambda g, x: g * np.exp(x)
    )
    assert not upcast and "float32 (single)" in upcast.diagnosis
    assert (
        "encoder.0.weight" in check(
            lambda *_: model.loss(x, np.random.default_rng(2)), *model.parameters()
        ).diagnosis
    )


def test_values_that_are_not_finite():
    assert "f is not finite: 1 of its 2 values" in check(np.log, np.array([0.0, 1.0])).diagnosis
    report = check(np.sqrt, np.array([0.0, 1.0]))
    assert not report and kinds(report.diagnosis) == {"nan"}


def test_a_jump_is_not_smooth():
    report = check(lambda x: np.round(x) + x, np.array([0.5, 0.2, 0.3]), vjp=lambda g, x: g)
    assert not report and "jumps" in report.diagnosis


# Rounding where terms cancel, points that show nothing, lengths shorter than h.

CANCELLING = {  # f and its gradient, as exact as float64 allows; f and gradient vanish at 0
    "kl": (
        lambda s: 0.5 * np.sum(np.exp(s) - s - 1, axis=1),
        lambda g, s: 0.5 * g[:, None] * np.expm1(s),
    ),
    "sine": (lambda x: x - np.sin(x), lambda g, x: g * 2 * np.sin(x / 2) ** 2),
    "cosine": (lambda x: 1 - np.cos(x), lambda g, x: g * np.sin(x)),
    "root": (lambda x: np.sqrt(1 + x * x) - 1, lambda g, x: g * x / np.sqrt(1 + x * x)),
    "softplus": (
        lambda x: np.logaddexp(0, x) - np.log(2) - x / 2,
        lambda g, x: g * 0.5 * np.tanh(x / 2),
    ),
    "log-sum-exp": (
        lambda x: np.log(np.exp(x).sum(axis=1)) - x.mean(axis=1) - np.log(3),
        lambda g, x: g[:, None] * (softmax(x) - 1 / 3),
    ),
    "variance": (
        lambda x: (100 + x).var(axis=1),
        lambda g, x: g[:, None] * 2 * (x - x.mean(axis=1, keepdims=True)) / 3,
    ),
    "sum": (lambda x: np.sum(np.exp(x) - x - 1), lambda g, x: g * np.expm1(x)),
    "fourth power": (lambda x: x**4, lambda g, x: 4 * g * x**3),
}
cancelling = pytest.mark.parametrize("name", CANCELLING)


@cancelling
def test_no_false_alarm_where_terms_cancel(name):
    f, vjp = CANCELLING[name]
    for scale in (0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3):
        for seed in range(3):
            x = scale * np.random.default_rng(seed).normal(size=(4, 3))
            report = check(f, x, vjp=vjp)
            assert report, f"scale {scale}, seed {seed}\n{report}"
            assert (
                scale
                or "nothing was shown" in report.title
                and "nothing was shown" in report.diagnosis
            )


@cancelling
def test_a_wrong_gradient_near_a_cancellation_is_caught(name):
    f, vjp = CANCELLING[name]
    for scale in (1e-2, 0.1):
        x = scale * np.random.default_rng(9).normal(size=(4, 3))
        for off in (2, 0.5, -1, 0, 1.01):
            assert not check(f, x, vjp=lambda g, x: off * vjp(g, x)), (scale, off)


@pytest.mark.parametrize(
    "f, vjp, said",
    [
        (
            lambda x: 1e12 + np.sum(np.sin(x)),
            lambda g, x: g * np.cos(x),
            "the rounding of f hides slopes",
        ),
        (lambda x: np.sum((x - VECTOR) ** 2), lambda g, x: 2 * g * (x - VECTOR), "f is flat here"),
        (lambda x: np.sum(x * 0), lambda g, x: 0 * x, "f does not change with it"),
    ],
)
def test_a_check_that_shows_nothing_says_so(f, vjp, said):
    report = check(f, VECTOR, vjp=vjp)
    assert (
        report.ok and "passed, but nothing was shown" in report.title and said in report.diagnosis
    )
    assert ("does not change with it" in str(report)) == ("does not change" in said)


def test_nothing_shown_of_one_input_of_two():
    report = check(
        lambda x, y: np.sin(x) + 0 * y, VECTOR, VECTOR, vjp=lambda g, x, y: (g * np.cos(x), 0 * y)
    )
    assert report.ok and report.title.endswith("nothing was shown of y")


SINGULAR = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-7]])


@pytest.mark.parametrize(
    "f, vjp, x",
    [
        (lambda x: 1 / x, lambda g, x: -g / x**2, np.array([1e-6, 1.0])),
        (np.log, lambda g, x: g / x, np.array([1e-8])),
        (
            lambda x: np.tanh(1e6 * x),
            lambda g, x: g * 1e6 * (1 - np.tanh(1e6 * x) ** 2),
            np.array([1e-7, 3e-7, 0.0]),
        ),
        (np.linalg.inv, lambda g, M: -np.linalg.inv(M).T @ g @ np.linalg.inv(M).T, SINGULAR),
    ],
    ids=["1/x", "log", "tanh", "inverse"],
)
def test_lengths_shorter_than_h(f, vjp, x):
    report = check(f, x, vjp=vjp)
    assert (
        report.ok
        and "h is too large here: try h=" in report.diagnosis
        and "kink" not in report.diagnosis
    )
    h = float(re.search("try h=([^ ]*)[.] ", report.diagnosis)[1])
    assert "too large" not in check(f, x, vjp=vjp, h=h).diagnosis  # the advice can be followed
    for off in (2, -1, 1.001):
        assert not check(f, x, vjp=lambda g, x: off * vjp(g, x))


def test_an_f_that_raises_a_little_further_off():
    import math

    f = lambda x: np.array(math.log(x[0]))
    assert check(f, np.array([1e-6]), vjp=lambda g, x: g / x)


def test_inputs_that_share_memory_are_named():
    start = np.ones(3)
    p, q = Tensor(start, requires_grad=True), Tensor(start[::-1], requires_grad=True)
    report = check(lambda p, q: (p * q * q).sum(), p, q)
    assert not report and "p and q share memory" in report.diagnosis
    assert check(lambda p, q: (p * q * q).sum(), p, Tensor(start.copy(), requires_grad=True))


def test_a_long_check_shows_how_far_it_is(monkeypatch):
    from minivae.checks import measuring

    lines, clock = [], iter(range(0, 10**6, 2))
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(
        measuring, "Progress", lambda: lambda text, share: lines.append((text, share))
    )
    patience = measuring.Patience(100)
    for _ in range(100):
        patience.one_more()
    assert lines[0][0] == "check_gradients: 1 of 100, 198 s to go, samples=50 is quicker"
    assert lines[-1] == ("check_gradients: 100 of 100, 0 s to go", 1.0)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"rng": 0}, TypeError, "rng must be a generator"),
        ({"samples": -1}, ValueError, "samples must be None"),
        ({"samples": 2.5}, ValueError, "samples must be None"),
        ({"h": 0}, ValueError, "h must be a positive number"),
        ({"tol": -1}, ValueError, "tol must be a positive number"),
        ({"vjp": 3}, TypeError, "vjp must be a function"),
        ({"vjp": lambda g, x: {"x": g}}, TypeError, "vjp returned a dict: .* as a tuple"),
        ({"vjp": lambda g, x: "abc"}, TypeError, "vjp returned <U3 as the gradient of x"),
    ],
)
def test_bad_arguments_get_a_sentence(arguments, error, message):
    with pytest.raises(error, match=message):
        check(lambda x: x * 1.0, VECTOR, **arguments)


# Modesty: where the evidence allows two readings, both are given.


def test_one_entry_is_only_a_guess():
    for factor in (2, 0.5, 0.37, -1):
        report = check(lambda x: x**3, 0.7, vjp=lambda g, x: factor * g * 3 * x**2)
        assert {"guess", "offset"} < kinds(report.diagnosis), report
    assert kinds(check(lambda x: x**3, 0.7, vjp=lambda g, x: 0.0).diagnosis) == {"zero"}
    report = check(lambda x: np.sum(x**3), np.array([0.0, 0.7, 0.0]), vjp=lambda g, x: 2 * g * x**2)
    assert "guess" in kinds(report.diagnosis)


def test_a_single_wrong_entry_is_no_pattern_of_the_input():
    """It is also the only one where x is positive: one coincidence does not make a missing mask."""
    x = np.array([0.5, -1.0, -2.0, -0.3, -0.7])
    report = check(lambda x: np.sum(np.sin(x)), x, vjp=lambda g, x: g * np.cos(x) * [2, 1, 1, 1, 1])
    assert kinds(report.diagnosis) == {"entries"}, report
    report = check(lambda x: np.sum(np.sin(x)), x[:2], vjp=lambda g, x: g * np.cos(x) * [2, 3])
    assert kinds(report.diagnosis) == {"unknown"}, report


def test_a_factor_that_two_lengths_explain_names_both():
    diagnosis = check(
        lambda x: np.sum(np.sin(x)), SQUARE[:2], vjp=lambda g, x: 2 * g * np.cos(x)
    ).diagnosis
    assert (
        "a 1/2 forgotten?" in diagnosis
        and "a sum where a mean is meant? 2 is axis 0 of x" in diagnosis
    )


def test_equal_entries_cannot_tell_a_factor_from_an_offset():
    assert kinds(check(np.sum, VECTOR, vjp=lambda g, x: 1.5 * g * np.ones_like(x)).diagnosis) == {
        "factor",
        "offset",
    }


def test_a_symmetric_gradient_cannot_be_called_transposed():
    f = lambda x: np.sum(np.sin(x))
    assert kinds(check(f, SQUARE + SQUARE.T, vjp=lambda g, x: 2 * g * np.cos(x).T).diagnosis) == {
        "factor"
    }


# Samples.


def test_samples_say_what_they_looked_at():
    report = check_gradients(np.tanh, np.linspace(-2, 2, 60).reshape(3, 20), samples=7)
    assert (
        len(report.lines) == 1
        and "7 of 60 entries and 2 directions" in report.lines[0]
        and "9 derivatives" in report.title
    )
    whole = check_gradients(lambda x: np.tanh(x), VECTOR, samples=7)
    assert "6 entries" in whole.lines[0] and "direction" not in whole.lines[0]


@pytest.mark.parametrize("seed", range(5))
def test_a_direction_finds_what_the_samples_missed(seed):
    x = np.random.default_rng(seed).normal(size=400)
    spoil = lambda a: np.where(np.arange(400) == 123, 1.1 * a, a)
    report = check(
        lambda x: np.sum(np.sin(x)),
        x,
        vjp=lambda g, x: g * spoil(np.cos(x)),
        samples=5,
        rng=np.random.default_rng(seed),
    )
    assert not report and kinds(report.diagnosis) in ({"one more"}, {"entries"}), report


def test_samples_still_diagnose():
    x = np.random.default_rng(0).normal(size=(30, 30))
    for change, kind in [
        (lambda a: -a, "sign"),
        (lambda a: a.T, "transposed"),
        (lambda a: 0 * a, "zero"),
        (lambda a: a + 0.2, "offset"),
    ]:
        report = check(
            lambda x: np.sum(np.sin(x)), x, vjp=lambda g, x: g * change(np.cos(x)), samples=6
        )
        assert kinds(report.diagnosis) == {kind}, report


# What a check leaves behind, and how it is called.


def test_tensors_are_put_back_also_after_an_exception():
    t = Tensor(VECTOR.copy(), requires_grad=True)
    t.grad = np.full(6, 7.0)
    calls = []

    def fails_late(t):
        calls.append(t.data.copy())
        if len(calls) == 5:
            raise RuntimeError("in the middle")
        return np.tanh(t)

    with pytest.raises(RuntimeError, match="in the middle"):
        check_gradients(fails_late, t)
    assert (
        (calls[-1] != VECTOR).any()
        and np.array_equal(t.data, VECTOR)
        and t.grad.tolist() == [7] * 6
    )
    check_gradients(np.tanh, t)
    taylor_test(np.tanh, t)
    assert np.array_equal(t.data, VECTOR) and t.grad.tolist() == [7] * 6
    array = VECTOR.copy()
    check_gradients(np.tanh, array)
    assert np.array_equal(array, VECTOR)


def test_tensors_of_any_layout_and_shared_ones():
    t = Tensor(np.arange(12.0).reshape(3, 4)[::-1, ::2], requires_grad=True)
    assert check(lambda t: np.tanh(t) * 2, t)
    assert (
        check(lambda t: t.T, t) and check(lambda t: t[1:], t) and check(lambda t: t, t)
    )  # f may be a view of its input
    assert check(
        lambda a, b: a * np.tanh(b), t, t
    )  # one Tensor twice: its gradient is that of both places


def test_by_hand_code_may_overwrite_what_it_gets():
    def f(x):
        x *= x
        return x

    def vjp(g, x):
        g *= 2 * x
        x[...] = 0
        return g

    assert check(f, VECTOR, vjp=vjp)


def test_constants_are_named_and_not_checked():
    report = check_gradients(mv.reparameterize, MU, LOGVAR, Tensor(EPS))
    assert report.lines[2] == "eps: a constant, not checked" and "40 derivatives" in report.title


def test_inputs_without_effect_or_entries_are_said_to_be_so():
    report = check_gradients(lambda x, y, z: np.tanh(x), VECTOR, VECTOR, np.zeros((0, 3)))
    assert (
        "all zero, for f does not change with it" in report.lines[1]
        and "0 entries" in report.lines[2]
    )


def test_the_same_call_gives_the_same_report_and_rng_another():
    bad = lambda g, x: 1.01 * g * np.cos(x)
    first, again, other = (
        str(check(np.sin, VECTOR, vjp=bad, **kwargs))
        for kwargs in ({}, {}, {"rng": np.random.default_rng(9)})
    )
    assert first == again != other


def test_scalar_functions_show_their_own_gradient():
    report = check(lambda x: np.sum(x**2), np.array([1.0, 2.0]), vjp=lambda g, x: g * x)
    worst = report.worst[0]
    assert (
        worst.index == (1,)
        and abs(worst.analytic - 2) < 1e-12
        and abs(worst.numeric - 4) < 1e-8
        and abs(worst.error - 0.5) < 1e-6
    )


def test_names_come_from_the_tensor_or_from_f():
    named = Tensor(VECTOR, requires_grad=True)
    named.name = "encoder.0.bias"
    assert check_gradients(lambda b: b * 1.0, named).lines[0].startswith("encoder.0.bias:")
    assert (
        check_gradients(lambda weight, *rest: weight * rest[0], VECTOR, VECTOR)
        .lines[1]
        .startswith("input 1:")
    )
    assert check_gradients(np.tanh, VECTOR).lines[0].startswith("input 0:")
    assert [line.split(":")[0] for line in check_gradients(mv.gaussian_kl, MU, LOGVAR).lines] == [
        "mu",
        "logvar",
    ]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: check_gradients(np.tanh), ValueError, "no input to differentiate"),
        (lambda: check_gradients(np.tanh, Tensor(VECTOR)), ValueError, "no input to differentiate"),
        (
            lambda: check_gradients(np.tanh, 1),
            TypeError,
            "input 0 holds int64, which has no gradient",
        ),
        (lambda: check_gradients(np.tanh, np.arange(3)), TypeError, "write 1.0 for 1"),
        (lambda: check_gradients(np.tanh, VECTOR.astype(np.float16)), TypeError, "float16"),
        (
            lambda: check_gradients(lambda x: float(x.sum()), VECTOR),
            TypeError,
            "f returned <class 'float'>: without vjp=",
        ),
        (
            lambda: check_gradients(lambda x: np.tanh(x.data), VECTOR),
            TypeError,
            "must return one Tensor",
        ),
        (
            lambda: check_gradients(lambda x: (x, x), VECTOR),
            TypeError,
            "f returned <class 'tuple'>",
        ),
        (
            lambda: check_gradients(lambda x: Tensor(np.array([1, 2])), VECTOR),
            TypeError,
            "f returned int64",
        ),
        (
            lambda: check_gradients(lambda x: np.exp(Tensor(x)), VECTOR, vjp=lambda g, x: g),
            TypeError,
            "with vjp= an array of floats",
        ),
        (
            lambda: check_gradients(lambda x: x > 0, VECTOR, vjp=lambda g, x: g),
            TypeError,
            "f returned bool",
        ),
        (
            lambda: check_gradients(np.sin, Tensor(VECTOR, requires_grad=True), vjp=lambda g, x: g),
            TypeError,
            "pass input 0 as its .data",
        ),
        (
            lambda: check_gradients(np.tanh, Tensor(VECTOR, requires_grad=True) * 2),
            ValueError,
            "the result of multiply",
        ),
        (
            lambda: check_gradients(np.tanh, Tensor(np.broadcast_to(1.0, 3), requires_grad=True)),
            ValueError,
            "input 0 is read-only",
        ),
        (
            lambda: check_gradients(np.tanh, np.array([1e15])),
            ValueError,
            "the step h = 1e-05 is lost",
        ),
    ],
)
def test_misuse_gets_one_clear_sentence(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_failing_check_raises_with_the_report():
    with pytest.raises(AssertionError, match="FAILED") as caught:
        check_gradients(np.sin, VECTOR, vjp=lambda g, x: g)
    assert type(caught.value) is GradientError and isinstance(caught.value.report, Report)
    assert str(caught.value) == str(caught.value.report)


# What is printed.


def some_reports():
    for name, k in [("kl", 1), ("loss", 0)]:
        for change in (
            lambda a: a,
            lambda a: -2 * a,
            lambda a: 0 * a,
            lambda a: a + 1e-3 * a**2,
            one_entry,
            lambda a: a[0],
            lambda a: None,
        ):
            yield planted(name, k, change)
    for row in SPECIFIC:
        f, _, inputs = FUNCTIONS[row[1]]
        yield check(f, *inputs, vjp=row[2])
    yield check(mv.relu, np.zeros((2, 2)))
    yield check(np.tanh, VECTOR.astype(np.float32))
    yield check(lambda t: t * np.random.default_rng().normal(), VECTOR)
    yield check(np.tanh, np.ones((12, 13, 14)), samples=3)
    yield taylor_test(np.tanh, VECTOR)
    yield taylor_test(lambda t: np.abs(t), VECTOR * 1e-3)


def test_reports_fit_80_columns_and_say_whether_they_passed():
    for report in some_reports():
        text = str(report)
        assert max(map(len, text.splitlines())) < 80, text
        assert ("passed" if report.ok else "FAILED") in text.splitlines()[0]
        assert ("worst entries" in text) == (not report.ok and len(report.worst) > 0)
        assert bool(report) == report.ok


def test_the_table_shows_the_five_worst_entries():
    report = planted("kl", 0, lambda a: 2 * a)
    errors = [entry.error for entry in report.worst]
    assert (
        errors == sorted(errors, reverse=True)
        and errors[0] == report.error
        and abs(report.error - 0.5) < 1e-6
    )
    entry = report.worst[0]
    assert entry.input == "mu" and len(report.worst) == 5
    line = next(
        line for line in str(report).splitlines() if str(entry.index).replace(" ", "") in line
    )
    assert f"{entry.analytic:.7g}" in line and f"{entry.numeric:.7g}" in line and "5.0e-01" in line


# The Taylor test.


def test_remainder_of_right_and_wrong_gradients():
    for f in (np.tanh, lambda t: np.sum(np.exp(t) * np.tanh(t)), lambda t: mv.softplus(3 * t) * 50):
        report = taylor_test(f, VECTOR)
        assert report.ok and abs(report.slope - 2) < 0.1 and report.diagnosis == ""
        assert len(report.steps) == len(report.remainders) == 7 and report.steps[0] == 0.01
    for off in (-1, 0, 0.9, 1.001):
        report = taylor_test(rule(np.exp, lambda g, x: off * g * np.exp(x)), VECTOR)
        assert not report.ok and report.slope < 1.5 and "gradient is wrong" in report.diagnosis


@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm_of_the_taylor_test(seed):
    draw = np.random.default_rng(seed)
    A, x = draw.normal(size=(4, 4)), draw.normal(size=(3, 4))
    for f in (
        lambda t: np.sum(np.tanh(t @ A)),
        lambda t: np.exp(t) / (1 + t * t),
        lambda t: 1e3 * np.tanh(t) + 40,
    ):
        report = taylor_test(f, x, rng=draw)
        assert report.ok and 1.9 < report.slope < 2.1, report


def test_odd_functions_fall_faster():
    assert taylor_test(np.tanh, np.zeros(3)).slope > 2.9 and taylor_test(np.tanh, np.zeros(3)).ok


@pytest.mark.parametrize(
    "f, x, ok, word",
    [
        (lambda t: np.sum(3 * t), VECTOR, True, "affine"),
        (lambda t: t @ W, X, True, "affine"),
        (lambda t: t * 0 + 2.0, VECTOR, True, "affine"),
        (mv.relu, VECTOR + 5, True, "affine"),
        (lambda t: np.sum(mv.relu(t)), np.zeros(3), False, "kink"),
        (lambda t: np.sum(np.abs(t) + np.exp(t)), np.array([0.0, 0.5]), False, "kink"),
        (lambda t: np.sum(mv.relu(t)), np.array([2e-4, 1.0]), False, "kink"),
        (lambda t: 1e9 + 1e-9 * np.sum(np.exp(t)), VECTOR, False, "sunk into rounding"),
        (lambda t: np.sum(t) + 1e-9 * np.sum(t**2), VECTOR, True, "sunk into rounding|affine"),
        (rule(lambda x: 3 * x, lambda g, x: 2 * g), VECTOR, False, "gradient is wrong"),
        (np.log, np.array([1e-3, 1.0]), False, "not finite"),
        (np.tanh, VECTOR.astype(np.float32), False, "float32"),
        (lambda t: t * np.random.default_rng().normal(), VECTOR, False, "fresh noise"),
    ],
)
def test_the_taylor_test_says_what_it_sees(f, x, ok, word):
    report = taylor_test(f, x)
    assert report.ok == ok and re.search(word, report.diagnosis), report


def test_the_taylor_test_and_the_difference_agree_on_a_model():
    model = mv.VAE(3, (4,), 2, dtype=np.float64, activation="tanh", rng=np.random.default_rng(0))
    x = np.random.default_rng(1).random((4, 3))
    loss = lambda *_: model.loss(x, np.random.default_rng(2))
    assert taylor_test(loss, *model.parameters()) and check_gradients(
        loss, *model.parameters(), h=1e-4
    )


def test_the_remainder_can_be_plotted():
    right, wrong = taylor_test(np.tanh, VECTOR), taylor_test(
        rule(np.exp, lambda g, x: 1.1 * g * np.exp(x)), VECTOR
    )
    for report in (right, wrong, taylor_test(lambda t: 2 * t, VECTOR)):
        figure = mv.plot.taylor(report)
        axes = figure.axes[0]
        assert axes.get_xscale() == axes.get_yscale() == "log" and "step h" in axes.get_xlabel()
        np.testing.assert_allclose(axes.lines[-1].get_ydata(), np.maximum(report.remainders, 1e-18))
        mv.plot.plt.close(figure)
    with pytest.raises(ValueError, match="taylor_test"):
        mv.plot.taylor(check_gradients(np.tanh, VECTOR))
