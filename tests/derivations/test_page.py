r"""The reader of the derivations: right on what it can read, and loud about the rest."""

import numpy as np
import pytest

import page as reader
from page import Average, Unreadable, formula, holds, page, statements

A = np.array([[1.0, 2.0], [3.0, 5.0]])
U = np.array([0.5, -1.5])
V = np.array([2.0, 4.0])


@pytest.mark.parametrize("tex, symbols, expected", [
    ("1+2\\cdot 3-4/2", {}, 5),
    ("-a^2", {"a": 3}, -9),
    ("2^{-1}", {}, 0.5),
    ("\\frac{1}{2}e^{2s}", {"s": 0.5}, np.e / 2),
    ("\\log 2\\pi+1", {}, np.log(2 * np.pi) + 1),
    ("\\log(2)\\pi", {}, np.log(2) * np.pi),
    ("\\log\\frac{a}{2}-1", {"a": 2}, -1),
    ("\\cos 2kz-\\sin(k)z", {"k": 2, "z": 0.3}, np.cos(1.2) - np.sin(2) * 0.3),
    ("\\sqrt{ab}", {"a": 2, "b": 8}, 4),
    ("\\left\\lvert a-b\\right\\rvert", {"a": 2, "b": 8}, 6),
    ("\\lVert u\\rVert^2", {"u": U}, 2.5),
    ("[a\\ge 2]+3[a=1]-[a\\lt 2]", {"a": 2}, 1),
    ("\\max(a,1,2b)", {"a": 2, "b": 8}, 16),
    ("\\mathrm{sig}(0)+\\mathrm{softplus}(0)", {}, 0.5 + np.log(2)),
    ("\\Phi(0)+\\varphi(0)", {}, 0.5 + 1 / np.sqrt(2 * np.pi)),
    ("\\Phi^{-1}(\\Phi(0.7))", {}, 0.7),
    ("\\mathcal N(x;\\mu,\\sigma^2)", {"x": 1, "mu": 1, "sigma": 2}, 1 / np.sqrt(8 * np.pi)),
    ("u\\cdot Jv", {"u": U, "J": A, "v": V}, U @ A @ V),
    ("(J^Tu)\\cdot v", {"u": U, "J": A, "v": V}, U @ A @ V),
    ("uv", {"u": U, "v": V}, U * V),
    ("uv^T", {"u": U, "v": V}, np.outer(U, V)),
    ("u\\odot v", {"u": U, "v": V}, U * V),
    ("M^{-1}M", {"M": A}, np.eye(2)),
    ("\\log\\det M", {"M": A @ A}, 0),
    ("\\mathrm{tr}(M)", {"M": A}, 6),
])
def test_arithmetic(tex, symbols, expected):
    np.testing.assert_allclose(formula(tex)(**symbols), expected, atol=1e-12)


@pytest.mark.parametrize("tex, symbols, expected", [
    ("\\hat m_t+\\bar x", {"m_hat_t": 1, "x_bar": 2}, 3),
    ("\\lambda\\varepsilon", {"lam": 2, "eps": 3}, 6),
    ("x_i'-x_i", {"x_prime": V, "x": U, "i": 2}, 5.5),
    ("x_+-x_-", {"x_plus": 3, "x_minus": 1}, 2),
    ("\\sigma_x^2", {"sigma_x": 3}, 9),
    ("n_{\\mathrm{in}}+L_b", {"n_in": 3, "L_b": 1}, 4),
    ("\\mu_j-\\mu_{p,j}", {"mu": V, "mu_p": U}, V - U),
    ("\\mu_{p,j}", {"mu_p": U, "j": 2}, -1.5),
    ("v_{t-1}", {"v": V, "t": 2}, 2),
    ("h_{k-1}", {"h": {0: 7.0}, "k": 1}, 7),
    ("A_{ij}", {"A": A, "i": 1, "j": 2}, 2),
    ("\\mu^c", {"mu_sup": V, "c": 2}, 4),
    ("\\mathrm{Var}(\\text{path})", {"path": V, "Var": np.var}, 1),
    ("\\text{lit area}", {"lit_area": 1}, 1),
    ("\\mathbb E_q[f(z)]", {"E": np.mean, "f": np.square, "z": V}, 10),
    ("\\mathbb E\\lVert x\\rVert^2", {"E": np.mean, "x": A}, 19.5),
    ("p(z\\mid x)p(x)", {"p_z_given_x": 2, "p_x": 3}, 6),
    ("\\sigma^2(0)", {"sigma": lambda t: t + 3}, 9),
    ("f''(x)", {"f_second": np.exp, "x": 0}, 1),
    ("\\mathrm{KL}", {"KL": lambda a: 2 * a, "a": 3}, 6),
    ("\\mathrm{KL}(p\\Vert q)", {"KL_p_vs_q": 6}, 6),
    ("\\mathrm{KL}(q(z\\mid x)\\Vert p(z))", {"KL_q_z_given_x_vs_p_z": 6}, 6),
    ("\\Phi^{-1}(\\Phi(a))", {"a": 0.3}, 0.3),
    ("F^{-1}(a)+M^{-1}(a)", {"F_inverse": np.sqrt, "F": np.square, "a": 4, "M": 2}, 4),
    ("w_k(z)x_k", {"w_z": U, "x": V, "k": 2}, -6),
    ("f_c(x)f(x)", {"f": lambda x: 2 * x, "f_c": lambda x: 3, "x": 5}, 30),
    ("\\mathbb E\\lVert Au\\rVert^2", {"A": A, "E": Average("u", np.eye(2), [0.5, 0.5])}, 19.5),
    ("\\lbrace x:\\ f(x)\\gt 10\\rbrace", {"f": np.square, "x": V}, [0, 1]),
    ("\\mathrm{KL}(\\mathcal N(\\mu,1)\\Vert q)", {"KL": lambda p, q: p.mean + q, "mu": 1, "q": 2},
     3),
])
def test_names_subscripts_and_functions(tex, symbols, expected):
    np.testing.assert_allclose(formula(tex)(**symbols), expected, atol=1e-12)


@pytest.mark.parametrize("tex, symbols, expected", [
    ("\\sum_i u_iv_i+1", {"u": U, "v": V}, -4),
    ("\\sum_{i,j}u_iA_{ij}v_j", {"u": U, "v": V, "A": A}, U @ A @ V),
    ("\\sum_{k=1}^tb^{t-k}g_k", {"b": 2, "t": 2, "g": V}, 8),
    ("\\sum_{i\\gt 1}v_i", {"v": V}, 4),
    ("\\sum_{i\\gt q}v_i", {"v": V, "q": 2}, 0),
    ("\\sum_{n:\\ y_n=c}x_n", {"x": V, "y": np.array([3, 1]), "c": 1}, 4),
    ("\\prod_iv_i", {"v": V}, 8),
    ("\\sum_ix_i\\sum_kv_k", {"x": U, "v": V}, -6),
    ("\\max_kv_k", {"v": V}, 4),
    ("\\min_a(a-1)^2", {"a": np.linspace(0, 2, 5)}, 0),
    ("\\int_0^ht^2dt", {"h": 3}, 9),
    ("\\int z^2\\mathcal N(z;0,1)dz", {}, 1),
    ("\\int_{-\\infty}^{\\infty}\\varphi(u)du", {}, 1),
    ("\\lim_{h\\to 0}\\frac{f(x+h)-f(x-h)}{2h}", {"f": np.square, "x": 3}, 6),
    ("\\frac{\\partial L}{\\partial a}", {"L": lambda a: a**3, "a": 2}, 12),
    ("\\frac{\\partial L}{\\partial a_j}", {"L": lambda a: np.sum(a**3), "a": V}, 3 * V**2),
    ("\\frac{\\partial L}{\\partial a_j}", {"L": lambda a: np.sum(a**3), "a": V, "j": 2}, 48),
    ("\\frac{\\partial L}{\\partial a}", {"dL_da": 7}, 7),
    ("\\frac{\\partial}{\\partial a^c}L(x)", {"L_x": lambda a_sup: a_sup[1]**3, "a_sup": V, "c": 2},
     48),
    ("\\frac{\\partial}{\\partial a}(ba^2)+1", {"a": 3, "b": 2}, 13),
    ("\\sum_j\\frac{\\partial L}{\\partial y_j}\\frac{\\partial y_j}{\\partial x_i}",
     {"y": U, "dL_dy": V, "dy_dx": A, "i": 2}, V @ A[:, 1]),
    ("\\nabla f(x)\\cdot v", {"f": lambda x: x @ x, "x": U, "v": V}, -10),
    ("\\nabla_\\theta L", {"L": lambda theta: theta @ theta, "theta": U}, 2 * U),
])
def test_sums_integrals_and_derivatives(tex, symbols, expected):
    np.testing.assert_allclose(formula(tex)(**symbols), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("tex, symbols, complaint", [
    ("a+b", {"a": 1}, "no value was given for b"),
    ("a\\pm b", {"a": 1, "b": 1}, "pm"),
    ("1+\\dots", {}, "dots"),
    ("a?", {"a": 1}, "\\?"),
    ("a+", {"a": 1}, "the end"),
    ("(a", {"a": 1}, "\\) was expected|more was expected"),
    ("a)", {"a": 1}, "\\) was not expected"),
    ("a/bc", {"a": 1, "b": 1, "c": 1}, "two ways"),
    ("\\log(a)^2", {"a": 1}, "two ways"),
    ("f(x)", {"f": 2, "x": 1}, "stands before a bracket like a function"),
    ("p(x,z)", {"p": 2, "x": 1, "z": 1}, "give p as one, or its value as p_xz"),
    ("F^{-1}(a)", {"F": np.square, "a": 4}, "the inverse of F was not given"),
    ("x_i", {"x": V, "i": 3}, "no entry"),
    ("x_i", {"x": V, "i": 0}, "no entry"),
    ("x_i", {"x": V, "i": 1.5}, "whole number"),
    ("A_{ij}", {"A": A}, "each needs a value"),
    ("\\sum_i a", {"a": 1}, "how far i runs"),
    ("\\sum_i u_iw_i", {"u": U, "w": np.ones(3)}, "how far i runs"),
    ("\\sum_{i=0}^n u_i", {"u": U, "n": 2}, "only sums from 1"),
    ("\\mathrm{KL}", {"KL": lambda a: a}, "needs a"),
    ("\\int_Ax dx", {"A": 1}, "only bounds"),
])
def test_what_it_cannot_read_it_names(tex, symbols, complaint):
    with pytest.raises(Unreadable, match=complaint):
        formula(tex)(**symbols)


@pytest.fixture
def chapter(monkeypatch):
    """A chapter 99 with one equation, as text."""
    def write(tex):
        text = f'Text\n\n<a id="eq-99-1"></a>\n\n$$\n{tex}\n\\tag{{99.1}}\n$$\n\nText\n'
        monkeypatch.setattr(reader, "chapter", lambda number: text)
        statements.cache_clear()
    yield write
    statements.cache_clear()


def test_statements_and_sides(chapter):
    chapter("a=b\\le c,\\qquad\\text{so}\\quad d=(e,f)\\ \\text{ for } g=1")
    assert [s.relations for s in statements("99.1")] == [["=", "\\le"], ["="], ["="]]
    assert page("99.1", 3)(d=5) == 5
    assert page("99.1", 6)() == 1
    chapter("x+y:\\ z=1")
    assert [s.relations for s in statements("99.1")] == [[], ["="]]
    chapter("\\begin{aligned}\na&=b\\\\\nc&=d\n\\end{aligned}")
    assert [s.relations for s in statements("99.1")] == [["="], ["="]]
    with pytest.raises(Unreadable, match="no equation"):
        page("1.999")


@pytest.mark.parametrize("tex, true", [
    ("a=2", True), ("a=-2", False), ("a\\le 2", True), ("a\\lt 2", False), ("a\\lt 3\\lt 4", True),
    ("a\\lt 3\\lt 3", False), ("1\\le a=2", True), ("a\\ge 3", False), ("a\\to 2", True),
    ("a\\to\\infty", False), ("a\\ne 2", False), ("b=2,\\quad a=1", False),
])
def test_holds(chapter, tex, true):
    chapter(tex)
    if true:
        holds("99.1", a=2, b=2)
    else:
        with pytest.raises(AssertionError):
            holds("99.1", a=2, b=2)


def test_holds_checks_something_or_complains(chapter):
    chapter("a=2,\\quad b=3,\\quad c")
    holds("99.1", 0, a=2)
    holds("99.1", [0, 1], a=2, b=3)
    holds("99.1", 0, a=2 + 1e-6, tol=1e-5)
    with pytest.raises(AssertionError):
        holds("99.1", 0, a=2 + 1e-6)
    with pytest.raises(AssertionError, match="shapes"):
        chapter("a=b")
        holds("99.1", a=U, b=np.ones(3))
    with pytest.raises(Unreadable, match="no relation"):
        chapter("a")
        holds("99.1", a=1)
    with pytest.raises(Unreadable, match="cannot be checked"):
        chapter("a\\sim b")
        holds("99.1", a=1, b=1)
