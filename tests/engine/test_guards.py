"""What goes wrong in silence elsewhere: here it raises, or comes out right."""

import asyncio
import copy
import math
import pickle
import threading

import numpy as np
import pytest

import minivae as mv
from minivae import Tensor, no_grad


def leaf(values):
    return Tensor(np.array(values, float), requires_grad=True)


# no_grad belongs to the thread and the task that entered it

def test_no_grad_in_another_thread_leaves_this_one_alone():
    inside = threading.Event()
    leave = threading.Event()

    def viewer():
        with no_grad():
            inside.set()
            leave.wait()

    w = leaf(3.0)
    before = w * w
    thread = threading.Thread(target=viewer)
    thread.start()
    inside.wait()
    meanwhile = 5 * w
    leave.set()
    thread.join()
    (before + meanwhile).backward()
    assert w.grad == 11


def test_no_grad_in_another_task_leaves_this_one_alone():
    w = leaf(1.0)

    async def viewer(inside, leave):
        with no_grad():
            inside.set()
            await leave.wait()
            assert not (w * 2).requires_grad

    async def both():
        inside = asyncio.Event()
        leave = asyncio.Event()
        task = asyncio.create_task(viewer(inside, leave))
        await inside.wait()
        recorded = (w * 2).requires_grad
        leave.set()
        await task
        return recorded

    assert asyncio.run(both())


@pytest.mark.parametrize("decorate", [no_grad, no_grad()], ids=["@no_grad", "@no_grad()"])
def test_no_grad_as_a_decorator(decorate):
    w = leaf(1.0)

    @decorate
    def twice(t):
        """Docs."""
        return 2 * t

    assert not twice(w).requires_grad
    assert twice.__name__ == "twice" and twice.__doc__ == "Docs."
    assert (2 * w).requires_grad


@pytest.mark.parametrize("decorate", [no_grad, no_grad()], ids=["@no_grad", "@no_grad()"])
def test_no_grad_around_a_generator_holds_only_while_it_runs(decorate):
    w = leaf(1.0)
    seen = []

    @decorate
    def generator():
        try:
            while True:
                seen.append((w * 2).requires_grad)
                seen.append((yield len(seen)))
        except KeyError:
            yield "caught"
        return "end"

    running = generator()
    assert next(running) == 1
    assert (w * 2).requires_grad  # here, between two steps, it is recorded
    assert running.send("sent") == 3
    assert seen == [False, "sent", False]
    assert running.throw(KeyError) == "caught"
    with pytest.raises(StopIteration) as stopped:
        next(running)
    assert stopped.value.value == "end"
    closing = generator()
    next(closing)
    closing.close()
    assert (w * 2).requires_grad


def test_one_no_grad_object_can_be_entered_inside_itself():
    quiet = no_grad()
    w = leaf(1.0)
    with quiet:
        with quiet:
            assert not (w * 2).requires_grad
        assert not (w * 2).requires_grad
    assert (w * 2).requires_grad


# No gradient is lost without a word

@pytest.mark.parametrize("lose", [float, math.exp, np.asarray])
def test_a_number_or_array_of_a_tensor_that_needs_a_gradient_raises(lose):
    w = leaf(2.0)
    with pytest.raises(TypeError, match=r"\.data or \.item\(\)"):
        lose(w)
    with no_grad():
        lose(w)
    lose(Tensor(2.0))


def test_filling_an_array_with_results_raises():
    a = np.zeros(2)
    with pytest.raises((TypeError, ValueError)) as error:
        a[0] = leaf(2.0) * 3
    causes = f"{error.value} {error.value.__cause__}"
    assert ".item()" in causes
    with no_grad():
        a[0] = leaf(2.0) * 3
    assert a[0] == 6


def test_a_tensor_prints_with_digits():
    assert f"{leaf(1.5):.3f}" == "1.500"
    assert f"{leaf([1.5])}" == str(leaf([1.5]))


def test_results_are_not_copied_and_leaves_and_models_are():
    w = leaf([1.0, 2.0])
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=r"result of multiply.*\.data"):
            duplicate(w * 2)
    again = pickle.loads(pickle.dumps(copy.deepcopy(w)))
    (again * again).sum().backward()
    np.testing.assert_array_equal(again.grad, [2, 4])
    assert w.grad is None
    with no_grad():
        assert copy.deepcopy(w * 2).data.tolist() == [2, 4]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_model_and_optimiser_goes_on_like_the_original(again):
    x, _ = mv.data.digits()

    def steps(model, opt):
        rng = np.random.default_rng(1)
        for _ in range(3):
            opt.zero_grad()
            model.loss(x[:32], rng).backward()
            opt.step()
        return [p.data.copy() for p in model.parameters()]

    model = mv.VAE(64, (8,), 2, rng=np.random.default_rng(0))
    opt = mv.Adam(model.parameters(), lr=1e-2)
    steps(model, opt)
    other = again((model, opt))
    here = steps(model, opt)
    there = steps(*other)
    for a, b in zip(here, there):
        np.testing.assert_array_equal(a, b)


def test_the_usual_update_under_no_grad_is_explained():
    w = leaf([1.0, 2.0])
    (w * w).sum().backward()
    with no_grad():
        w -= 0.1 * w.grad
    with pytest.raises(RuntimeError, match=r"w\.data -= lr \* w\.grad"):
        (w * w).sum().backward()


def test_two_leaves_never_share_one_gradient():
    slope = np.array([3.0, 4.0])

    @mv.primitive
    def both(x, y):
        return (x + y) * slope, (lambda g: slope, lambda g: slope)

    a = leaf([1.0, 1.0])
    b = leaf([1.0, 1.0])
    both(a, b).sum().backward()
    a.grad *= 0
    assert b.grad.tolist() == [3, 4]


def test_an_index_array_that_changes_later_changes_no_gradient():
    for index in (np.array([0, 0, 2]), (np.array([0, 0, 2]), ...)):
        w = leaf([1.0, 2.0, 3.0])
        y = w[index].sum()
        (index[0] if isinstance(index, tuple) else index)[...] = 1
        y.backward()
        assert w.grad.tolist() == [2, 0, 1]


# Foreign arrays

class Sparse:
    """As SciPy's: no ndarray, and toarray() gives one."""

    shape = (2,)

    def toarray(self):
        return np.ones(2)


class Frame:
    """As a column of pandas: computes by itself, and to_numpy() gives the array."""

    def __array__(self, dtype=None, copy=None):
        return np.ones(2)

    def to_numpy(self):
        return np.ones(2)


FOREIGN = [
    (np.ma.array([1.0, 2.0], mask=[0, 1]), r"mask.*filled"),
    (np.ones((1, 2)).view(np.matrix), r"np\.asarray"),
    (np.ones(2, np.complex128), r"complex128.*a\.real"),
    (np.ones(2, np.float16), r"float16.*astype\(np\.float64\)"),
    (np.ones(2, ">f8"), r"another order.*astype\('float64'\)"),
    (np.array([1.0, None]), r"object"),
    (Sparse(), r"toarray"),
    (Frame(), r"to_numpy"),
]


@pytest.mark.parametrize("array, advice", FOREIGN, ids=lambda v: type(v).__name__)
def test_foreign_arrays_are_refused_with_advice(array, advice):
    w = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=advice):
        Tensor(array)
    with pytest.raises(TypeError, match=advice):
        w * array
    with pytest.raises(TypeError, match=advice):
        mv.VAE(2, (3,), 1).encode(array)


def test_what_only_holds_a_plain_array_is_that_array(tmp_path):
    np.save(tmp_path / "a.npy", np.array([10.0, 20.0]))
    w = leaf([1.0, 2.0])
    (w * np.load(tmp_path / "a.npy", mmap_mode="r")).sum().backward()
    assert w.grad.tolist() == [10, 20]


def test_lists_stand_for_arrays_beside_every_operator():
    w = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert (w @ [1.0, 1.0]).data.tolist() == [3, 7]
    assert ([1.0, 1.0] @ w).data.tolist() == [4, 6]
    assert (w * [10, 100]).data.tolist() == [[10, 200], [30, 400]]
    for parts in ([leaf(1.0), leaf(2.0)], [Tensor(1.0), 2.0]):
        with pytest.raises(TypeError, match="multiply takes no list of Tensors: np.stack"):
            parts * leaf(3.0)


def test_a_product_with_a_number_is_no_matmul():
    with pytest.raises(ValueError, match=r"x \* y"):
        leaf([1.0, 2.0]) @ 2


@pytest.mark.parametrize("rule", [
    lambda: mv.gaussian_kl(1.0, 0.0),
    lambda: mv.bernoulli_nll(0.5, 1.0),
    lambda: mv.reparameterize(0.5, 1.0, 0.1),
])
def test_the_rules_of_the_vae_say_that_they_take_arrays(rule):
    with pytest.raises(ValueError, match="needs arrays"):
        rule()


def test_an_option_that_needs_a_gradient_raises():
    @mv.primitive
    def scaled(x, *, by=1.0):
        return x * by, lambda g: g * by

    assert scaled(leaf([1.0]), by=3.0).data.tolist() == [3]
    with pytest.raises(TypeError, match="by is no input"):
        scaled(leaf([1.0]), by=leaf(3.0))


# NumPy's functions

@pytest.mark.parametrize("f", [np.zeros_like, np.ones_like, np.sign, np.floor, np.round, np.all,
                               np.any, np.argsort, np.isfinite, np.argmax])
def test_functions_without_a_gradient_run_on_the_data(f):
    t = leaf([[1.0, -2.0], [3.0, 4.0]])
    result = f(t)
    assert not isinstance(result, Tensor)
    np.testing.assert_array_equal(result, f(t.data))


@pytest.mark.parametrize("f, message", [
    (np.linalg.norm, r"np\.linalg\.norm has no rule .*np\.sqrt\(np\.sum\(x\*\*2\)\)"),
    (np.cumsum, r"np\.cumsum has no rule .*np\.tril"),
    (np.prod, r"np\.prod has no rule .*np\.exp\(np\.sum\(np\.log\(x\)\)\)"),
    (np.fft.fft, r"np\.fft\.fft has no rule .*These have one: .*exp.*minivae\.primitive"),
    (np.arctan, r"np\.arctan has no rule .*These have one"),
])
def test_a_function_without_a_rule_is_named_in_full(f, message):
    with pytest.raises(TypeError, match=message):
        f(leaf([1.0, 2.0]))


@pytest.mark.parametrize("name, instead", [
    ("cumsum", lambda x: np.tril(np.ones((3, 3))) @ x),
    ("cosh", lambda x: (np.exp(x) + np.exp(-x)) / 2),
    ("prod", lambda x: np.exp(np.sum(np.log(x)))),
    ("flip", lambda x: x[::-1]),
    ("sort", lambda x: x[np.argsort(x)]),
    ("ptp", lambda x: np.max(x) - np.min(x)),
    ("roll", lambda x: x[np.roll(np.arange(3), 1)]),
    ("diff", lambda x: x[1:] - x[:-1]),
    ("tan", lambda x: np.sin(x) / np.cos(x)),
    ("log2", lambda x: np.log(x) / np.log(2)),
    ("exp2", lambda x: np.exp(x * np.log(2))),
])
def test_what_is_offered_instead_is_the_same(name, instead):
    x = np.array([0.3, 0.9, 0.5])
    more = (1,) if name == "roll" else ()
    np.testing.assert_allclose(instead(leaf(x)).data, getattr(np, name)(x, *more), rtol=1e-14)


# Numbers at the edge

def test_infinite_logits_have_their_limits():
    logits = np.array([[np.inf], [-np.inf], [np.inf], [-np.inf], [np.inf]])
    x = np.array([[1.0], [0.0], [0.0], [1.0], [0.5]])
    with np.errstate(all="ignore"):
        nll = mv.bernoulli_nll(logits, x)
    assert nll.tolist() == [0, 0, np.inf, np.inf, np.inf]


def test_a_nan_stays_a_nan_beside_infinite_logits():
    with np.errstate(all="ignore"):
        nll = mv.bernoulli_nll(np.array([[np.inf, np.nan], [np.inf, 0.0]]), np.ones((2, 2)))
    assert np.isnan(nll[0]) and nll[1] == np.log(2)


def test_a_tiny_variance_at_its_mean_is_finite_in_float32():
    one = np.ones((1, 1), np.float32)
    mean = Tensor(one.copy(), requires_grad=True)
    logvar = Tensor(-90 * one, requires_grad=True)
    nll = mv.gaussian_nll(mean, logvar, one)
    nll.sum().backward()
    np.testing.assert_allclose(nll.data, 0.5 * (np.log(2 * np.pi) - 90), rtol=1e-6)
    assert mean.grad == 0 and logvar.grad == 0.5


def test_a_bias_gradient_counts_beyond_two_to_the_24():
    n = 2**24 + 1000
    x = np.zeros((n, 1), np.float32)
    W = np.zeros((1, 1), np.float32)
    b = Tensor(np.zeros(1, np.float32), requires_grad=True)
    mv.dense(x, W, b).backward(np.ones((n, 1)))
    assert b.grad == n and b.grad.dtype == np.float32
    b.grad = None
    (x + b).backward(np.ones((n, 1)))
    assert b.grad == n
