"""The engine: graphs of every shape, dtypes, NumPy as the interface, and its error messages."""

import gc
import weakref

import numpy as np
import pytest

import minivae as mv
from minivae import PRIMITIVES, Tensor, no_grad, primitive


def leaf(values, dtype=float):
    return Tensor(np.array(values, dtype), requires_grad=True)


# Graphs

def test_a_scalar_expression_with_shared_nodes_by_hand():
    a, b = leaf(-4.0), leaf(2.0)
    c = a + b
    c += c + 1            # c = 2 (a + b) + 1
    d = a * b + b**3
    e = (c - d) ** 2 / 2.0
    e.backward()
    inner = (2 * (-4 + 2) + 1) - (-8 + 8)
    assert e.item() == inner**2 / 2
    assert a.grad == inner * (2 - 2)
    assert b.grad == inner * (2 - (-4 + 3 * 4))


def test_a_node_used_twice_waits_for_both_gradients():
    a = leaf(3.0)
    b = a + a
    c = b + b
    (c * b).backward()  # 8 a^2
    assert a.grad == 16 * 3


def test_a_chain_of_100_000_additions():
    x = y = leaf(1.0)
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1
    assert y.item() == 100_001


def test_a_long_chain_can_be_thrown_away():
    y = leaf(1.0)
    for _ in range(100_000):
        y = y + 1.0
    del y


def test_a_node_used_10_000_times():
    x = leaf([1.0, 2.0])
    h = x * 3
    total = h.sum()
    for _ in range(10_000):
        total = total + h.sum()
    total.backward()
    np.testing.assert_array_equal(x.grad, [30_003, 30_003])


def test_leaf_gradients_add_up_until_cleared():
    x = leaf([1.0, 2.0])
    (x * x).sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [4, 8])
    x.grad = None
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 4])


def test_leaves_never_share_a_gradient_array():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    g = np.ones(2)
    (x + y).backward(g)
    x.grad += 100
    np.testing.assert_array_equal(y.grad, [1, 1])
    np.testing.assert_array_equal(g, [1, 1])


def test_a_gradient_that_was_broadcast_is_a_writable_array_of_its_own():
    x = leaf(np.ones((2, 2)))
    np.transpose(x).sum().backward()
    x.grad[...] = 5


def test_a_leaf_is_its_own_gradient_of_one():
    x = leaf(2.0)
    x.backward()
    assert x.grad == 1


def test_gradients_are_arrays_also_for_scalars_and_sums_of_them():
    x = leaf(2.0)
    for _ in range(2):
        (x * x).backward()
        assert type(x.grad) is np.ndarray
        assert x.grad.shape == ()
        assert x.grad.dtype == float


def test_backward_frees_the_graph():
    x = leaf(np.ones(1000))
    h = np.exp(x)
    dead = weakref.ref(h.data)
    loss = h.sum()
    del h
    loss.backward()
    gc.collect()
    assert dead() is None


def test_rules_run_only_for_inputs_that_need_a_gradient():
    called = []

    def rule(name):
        return lambda g: called.append(name) or g

    @primitive
    def both(x, y):
        return x + y, (rule("x"), rule("y"))

    both(leaf([1.0]), Tensor([1.0])).backward()
    assert called == ["x"]


def test_no_grad_builds_no_graph_and_ends():
    x = leaf([1.0])
    with no_grad():
        y = np.exp(x)
        assert not y.requires_grad
    assert np.exp(x).requires_grad


def test_no_grad_ends_also_where_something_raises():
    x = leaf([1.0])
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0
    assert np.exp(x).requires_grad


# Dtypes

def results_of(x):
    """x beside numbers and under functions of every kind, where NumPy might change the dtype."""
    yield x * 0.5
    yield 2 * x
    yield x / 3
    yield 1 / x
    yield x**2
    yield x**0.5
    yield x - np.float64(1.5)
    yield x + np.arange(1)
    yield x + True
    yield -x
    yield abs(x)
    yield np.exp(x)
    yield np.maximum(x, 0)
    yield x.sum()
    yield x.mean()
    yield mv.sigmoid(x)
    yield mv.softplus(x)


@pytest.mark.parametrize("values", [2.0, [1.0, 2.0]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_pass_through_also_for_zero_dimensions(dtype, values):
    x = leaf(values, dtype)
    for y in results_of(x):
        assert y.dtype == dtype, y.op
        assert type(y.data) is np.ndarray, y.op
        y.sum().backward()
        assert x.grad.dtype == dtype
        assert x.grad.shape == x.shape
        x.grad = None


def test_python_numbers_make_float64_and_integers_stay():
    assert Tensor(1.5).dtype == np.float64
    assert Tensor([1, 2]).dtype.kind == "i"
    assert (Tensor([1, 2]) * leaf([1.0, 2.0], np.float32)).dtype == np.float32


def test_mixed_precision_raises():
    with pytest.raises(TypeError, match="float32.*float64|float64.*float32"):
        leaf([1.0], np.float32) * leaf([1.0])
    with pytest.raises(TypeError, match="convert one of them"):
        np.ones(1) * leaf([1.0], np.float32)


@pytest.mark.parametrize("data", [np.float16(1), 1j, "text", None])
def test_other_dtypes_raise(data):
    with pytest.raises(TypeError, match="float32, float64"):
        Tensor(data)


def test_integers_cannot_need_a_gradient():
    with pytest.raises(TypeError, match="int.*1.0, not 1"):
        Tensor([1, 2], requires_grad=True)


# The face of a Tensor

def test_attributes_and_conversions():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert x.shape == (2, 2)
    assert x.ndim == 2
    assert x.size == 4
    assert len(x) == 2
    assert x.grad is None
    assert x.sum().item() == 10
    assert x.mean().item() == 2.5
    assert [row.sum().item() for row in x] == [3, 7]
    np.testing.assert_array_equal(x.T.data, [[1, 3], [2, 4]])
    np.testing.assert_array_equal(x.reshape(4).data, x.reshape((4,)).data)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "relu"])
def test_methods_are_the_rules_of_their_name(name):
    assert getattr(leaf([1.0, 2.0]), name)().op == name


def test_repr_shows_values_dtype_and_origin():
    x = leaf([1.0, 2.0])
    x.name = "weight"
    assert repr(x) == "Tensor([1., 2.], float64, requires_grad=True, name=weight)"
    assert repr(np.exp(x * 0)) == "Tensor([1., 1.], float64, from exp)"


def test_comparisons_are_plain():
    x, y = leaf([1.0, 2.0]), leaf([1.0, 3.0])
    for found, want in [
        (x == y, [True, False]),
        (x != y, [False, True]),
        (x < y, [False, True]),
        (x <= y, [True, True]),
        (x > y, [False, False]),
        (x >= 2, [False, True]),
        (0 < x, [True, True]),
        (np.isfinite(x), [True, True]),
    ]:
        assert type(found) is np.ndarray
        assert found.tolist() == want


def test_hashing_is_by_identity():
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    assert len({x, y, x}) == 2


def test_in_place_addition_makes_a_new_tensor():
    x = leaf([1.0])
    y = x
    y += 1
    assert y is not x
    assert x.data == 1
    assert y.data == 2


def test_indexing_accumulates_repeated_entries():
    x = leaf([1.0, 2.0, 3.0])
    x[np.array([0, 0, 2])].sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 0, 1])
    x.grad = None
    x[[2, 2, 2]].sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 3])


def test_indices_of_every_kind_add_up():
    m = leaf(np.arange(6.0).reshape(2, 3))
    parts = [
        m[..., 1:],
        m[0, 1],
        m[:, None, -1],
        m[m > 3],
        m[Tensor([0, 0])],
    ]
    sum(part.sum() for part in parts).backward()
    np.testing.assert_array_equal(m.grad, [[2, 4, 4], [0, 2, 3]])


# Plain NumPy is the interface

def test_numpy_functions_find_their_rules():
    x = leaf([0.5, 1.5])
    plain = x.data
    for found, want in [
        (np.exp(x), np.exp(plain)),
        (np.sqrt(x), np.sqrt(plain)),
        (np.abs(-x), plain),
        (np.power(x, 2), plain**2),
        (np.maximum(x, 1), [1, 1.5]),
        (np.true_divide(x, 2), plain / 2),
        (1.0 - x, 1 - plain),
        (np.ones(3)[:, None] * x, np.ones((3, 2)) * plain),
        (np.ones((3, 2)) @ x, [2, 2, 2]),
        (np.sum(x, axis=0), 2.0),
        (np.mean(x, keepdims=True), [1.0]),
        (np.reshape(x, (2, 1)), [[0.5], [1.5]]),
        (np.broadcast_to(x, (2, 2)), [[0.5, 1.5], [0.5, 1.5]]),
        (np.concatenate([x, np.zeros(1), x]), [0.5, 1.5, 0, 0.5, 1.5]),
    ]:
        assert isinstance(found, Tensor)
        assert found.requires_grad
        np.testing.assert_allclose(found.data, want)


def test_numpy_functions_without_a_gradient_give_plain_values():
    x = leaf([0.5, 1.5])
    assert np.shape(x) == (2,)
    assert np.ndim(x) == 1
    assert np.argmax(x) == 1
    assert np.allclose(x, x)


def test_arrays_in_arrays_out():
    y = mv.sigmoid(np.zeros(2))
    assert type(y) is np.ndarray
    assert y.flags.writeable
    assert y.tolist() == [0.5, 0.5]


def test_keywords_find_their_rules():
    mu, logvar, prior = leaf([[1.0]]), leaf([[0.0]]), leaf([0.5])
    mv.gaussian_kl(logvar=logvar, mu=mu, prior_mu=prior).sum().backward()
    assert mu.grad == 0.5
    assert prior.grad == -0.5
    assert logvar.grad == 0


@pytest.mark.parametrize("call, message", [
    (lambda x: np.median(x), "np.median has no rule.*These have one: .*exp.*sum"),
    (lambda x: np.add.reduce(x), "np.add.reduce has no rule"),
    (lambda x: np.add(x, 1, out=np.zeros(2)), r"a = a \+ t"),
    (lambda x: np.sum(x, where=[True, False]), "sum: .*where"),
    (lambda x: np.asarray(x), "use .data"),
    (lambda x: 2.0**x[0], r"exp\(exponent|elsewhere: pass its .data"),
    (lambda x: x ** np.array([1.0, 2.0]), r"exp\(exponent \* log"),
    (lambda x: mv.reparameterize(x.data, x.data, x), "elsewhere: pass its .data"),
    (lambda x: mv.bernoulli_nll(x.data, x), "elsewhere: pass its .data"),
    (lambda x: mv.ops.getitem(x.data, x), "arrays used as indices|index|pass its .data"),
    (lambda x: mv.ops.sum(x.data, axis=x[0]), "integer|elsewhere"),
])
def test_no_gradient_is_lost_silently(call, message):
    with pytest.raises((TypeError, IndexError), match=message):
        call(leaf([1.0, 2.0]))


def test_a_tensor_without_gradient_becomes_an_array():
    np.testing.assert_array_equal(np.asarray(Tensor([1.0, 2.0])), [1, 2])
    assert np.array(Tensor([1.0]), copy=True).flags.writeable


# Errors of backward

def test_backward_asks_for_a_gradient_that_fits():
    y = leaf([1.0, 2.0]) * 2
    with pytest.raises(ValueError, match=r"shape \(2,\) needs g.*\.sum\(\) or \.mean\(\)"):
        y.backward()
    with pytest.raises(ValueError, match=r"g has shape \(3,\).*\(2,\)"):
        y.backward(np.ones(3))


def test_a_graph_serves_one_backward():
    x = leaf([1.0, 2.0])
    y = x * 2
    y.backward(np.ones(2))
    with pytest.raises(RuntimeError, match="freed.*compute the loss again"):
        y.backward(np.ones(2))
    with pytest.raises(RuntimeError, match="freed"):
        (y * 2).sum().backward()  # a new graph on top of a freed one
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_backward_says_that_nothing_needs_a_gradient():
    with pytest.raises(RuntimeError, match="nothing to differentiate.*requires_grad"):
        Tensor([1.0]).backward()


def test_a_rule_with_the_wrong_shape_is_named():
    @primitive
    def wrong(x, b):
        return x + b, (lambda g: g, lambda g: g)

    with pytest.raises(ValueError, match=r"rule of wrong .*\(3, 2\).*\(2,\).*broadcast axis"):
        wrong(Tensor(np.ones((3, 2))), leaf([1.0, 2.0])).sum().backward()


def test_a_rule_that_returns_nothing_is_named():
    @primitive
    def forgetful(x):
        return x * 2, lambda g: None

    with pytest.raises(ValueError, match="rule of forgetful"):
        forgetful(leaf(1.0)).backward()


# What may be written into

def test_intermediate_values_cannot_be_changed():
    y = np.exp(leaf([1.0, 2.0]))
    with pytest.raises(ValueError, match="read-only"):
        y.data += 1


def test_leaves_are_never_frozen():
    mine = np.ones(2)
    t = Tensor(mine, requires_grad=True)
    (t.reshape(2) * t[:]).sum().backward()
    mine[...] = 3
    assert t.data.tolist() == [3, 3]


def test_a_primitive_that_returns_its_input_does_not_freeze_it():
    @primitive
    def same(x):
        return x, lambda g: g

    mine = np.ones(2)
    same(Tensor(mine, requires_grad=True)).sum().backward()
    mine[...] = 2


# The table of rules

def test_only_rules_of_minivae_enter_the_table():
    before = dict(PRIMITIVES)
    primitive(lambda x: (x, lambda g: g))
    assert PRIMITIVES == before
    assert {"exp", "dense", "gaussian_kl"} <= set(before)


def test_dense_names_the_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"\(2, 3\), \(4, 5\) and \(5,\)"):
        mv.dense(np.ones((2, 3)), np.ones((4, 5)), np.ones(5))
