r"""page("9.9", 1)(mu=0.7, sigma=0.5): a formula evaluated as it stands in lessons/derivations.

The tests compare the page with another route to the same number, so the page itself must be read.
This module finds an equation by its number, parts it into statements and their sides, and evaluates
a side from its LaTeX. What it cannot read it names, in an Unreadable error; it skips nothing.

    page("8.7", 2)(sigma=0.5)               the value of side 2, counted from 0 over the equation
    holds("8.7", sigma=0.5, s=-1.4, KL=...) asserts the sides equal, or ordered as the page says
    python tests/derivations/page.py 8.7    prints an equation's statements and sides, numbered

**Parts.** Commas, quads, colons and words (\text by itself, or with a space at its edge) part the
statements. The signs = \le \lt \ge \gt \to \approx \longrightarrow part the sides.

**Names.** A symbol is given by its LaTeX name: \mu is mu. Besides, \lambda is lam, \varepsilon eps,
\hat x x_hat, \bar x x_bar, x' x_prime, f'' f_second, f''' f_third, x_+ x_plus, \text{path} path.

**Subscripts.** x_i is given as x_i (as x_i=lambda i: ... in a sum over i); or it is entry i of x,
counted from 1 (x may also be a dict or a function of the index). A single i, j, k, m or n without a
value is left out, for the whole array. An upper index, as in \mu^c, is looked up in mu_sup, if that
is given.

**Products.** A matrix (two axes) beside a matrix or vector is a matrix product; all else goes entry
by entry. With \cdot between them two vectors make their dot product.

**Functions.** A name before a bracket is applied to it if it was given as a function. A value may
be given for the whole: p(x,z) as p_xz, p(z\mid x) as p_z_given_x. E, Var and KL are such functions
too; they get the values of what is in the bracket; \mathcal N(\mu,\sigma^2) is a Normal(mean, var).
A function that stands without arguments gets them by name: for \mathrm{KL} give
KL=lambda mu, sigma: ... Then \frac{\partial\mathrm{KL}}{\partial\mu} is its difference quotient
(unless dKL_dmu is given). For \mathrm{KL}(p\Vert q) as a value give KL_p_vs_q. E may be an Average
over a symbol, for formulas that take one vector at a time.

**Over something.** \sum_j runs as far as the arrays in it that carry j. \int ... dz without bounds
goes over the grid given as z, or from -16 to 16. \max_A reduces the last axis, over tries.
"""

import functools
import inspect
import re
import sys
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "lessons" / "derivations"
TOKEN = re.compile(r"\\text\{[^}]*\}|\\[a-zA-Z]+|\\\\|\\ |\d+(?:\.\d+)?|[a-zA-Z]|\S")
LAYOUT = {r"\left", r"\right", r"\thinspace", r"\big", r"\ ", "&"}
PARTING = {",", ":", r"\qquad", r"\quad", r"\\", r"\begin{aligned}", r"\end{aligned}", "."}
OPENING = {"(": ")", "[": "]", "{": "}",
           r"\lvert": r"\rvert", r"\lVert": r"\rVert", r"\lbrace": r"\rbrace"}
EQUAL = {"=", r"\approx", r"\to", r"\longrightarrow"}
ORDER = {r"\le": np.less_equal, r"\ge": np.greater_equal, r"\lt": np.less, r"\gt": np.greater,
         r"\ne": np.not_equal}
RELATIONS = EQUAL | set(ORDER) | {r"\sim", r"\mapsto"}
SEPARATORS = {",", ";", r"\mid", r"\Vert"}  # between the arguments of a function
PRODUCTS = {r"\cdot", r"\odot", r"\times", "/"}
ENDING = {"+", "-"} | PRODUCTS | RELATIONS | SEPARATORS | PARTING | set(OPENING.values())
INDICES = set("ijkmn")  # subscripts that may be left out
LINE = np.linspace(-16, 16, 32001)  # for integrals without bounds
NAMES = {r"\lambda": "lam", r"\varepsilon": "eps", "+": "plus", "-": "minus"}
UNSPOKEN = {"{", "}", ")", "^", r"\mathrm", r"\mathcal", r"\mathbb"} | SEPARATORS
PRIMES = {1: "_prime", 2: "_second", 3: "_third"}
NAME_BEFORE = re.compile(r"(\\(hat|bar) )?(\S|\\\w+|\\math\w+ \{( \w)+ \})( ')*$")


INVERSE = ["^", "{", "-", "1", "}", "("]  # F^{-1}(x), the inverse of a function


class Unreadable(ValueError):
    """The page, or a symbol's value, is not what the reader understands."""


class Normal(NamedTuple):
    """\\mathcal N with two arguments: a distribution, for a function such as KL to take."""
    mean: object
    var: object


class Average(NamedTuple):
    """For E: the average over a symbol that takes these values with these weights."""
    name: str
    values: object
    weights: object

    def __call__(self, *arguments):
        raise TypeError("an Average is taken of a formula, not of a number")


def density(x, mean, var):
    """The Gaussian density of each entry of x, or of the vectors in it if var is a matrix."""
    if np.ndim(var) < 2:
        return np.exp(-(x - mean) ** 2 / (2 * var)) / np.sqrt(2 * np.pi * var)
    away = x - mean
    square = np.sum(away * np.linalg.solve(var, away[..., None])[..., 0], axis=-1)
    return np.exp(-square / 2) / np.sqrt(np.linalg.det(2 * np.pi * var))


def normal(*arguments):
    return Normal(*arguments) if len(arguments) == 2 else density(*arguments)


def sig(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    r"\log": np.log, r"\exp": np.exp, r"\sin": np.sin, r"\cos": np.cos, r"\tanh": np.tanh,
    "sig": sig, "softplus": lambda x: np.log1p(np.exp(x)), "expm1": np.expm1,
    "sign": np.sign, "sgn": lambda x: np.where(np.asarray(x) >= 0, 1.0, -1.0),
    r"\det": np.linalg.det, "tr": np.trace, "diag": np.diag,
    r"\varphi": lambda x: density(x, 0, 1), r"\Phi": np.vectorize(NormalDist().cdf),
}
INVERSES = {"Phi_inverse": np.vectorize(NormalDist().inv_cdf)}


# Finding an equation, and parting it.

@functools.cache
def chapter(number):
    file, = FOLDER.glob(f"{int(number):02}_*.md")
    return file.read_text(encoding="utf-8")


def latex(number):
    """The LaTeX of equation '8.4', without its tag."""
    anchor = f'<a id="eq-{number.replace(".", "-")}"></a>'
    after = chapter(number.split(".")[0]).partition(anchor)[2]
    found = re.match(r"\n\n\$\$\n(.*?)\n\\tag\{" + re.escape(number) + r"\}\n\$\$\n", after, re.S)
    if not found:
        raise Unreadable(f"there is no equation ({number}) with an anchor and a tag")
    return found[1]


class Statement(NamedTuple):
    sides: list  # of lists of tokens
    relations: list  # between them


def is_words(tokens, i):
    r"""\text is words, and no name, if a space is at its edge or beside it, or if it is alone."""
    text = tokens[i][6:-1]
    before = tokens[i - 1] if i else r"\quad"
    after = tokens[i + 1] if i + 1 < len(tokens) else r"\quad"
    alone = before in PARTING and after in PARTING
    return alone or text != text.strip() or r"\ " in (before, after)


@functools.cache
def statements(number):
    """The statements of an equation, each with its sides and the relations between them."""
    tex = re.sub(r"\\(begin|end)\{aligned\}", "", latex(number))
    tokens = TOKEN.findall(tex)
    found = [Statement([[]], [])]
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token in OPENING) - (token in OPENING.values())
        parting = token in PARTING or token.startswith(r"\text") and is_words(tokens, i)
        if depth == 0 and parting:
            found.append(Statement([[]], []))
        elif depth == 0 and token in RELATIONS:
            found[-1].relations.append(token)
            found[-1].sides.append([])
        elif token not in LAYOUT:
            found[-1].sides[-1].append(token)
    found = [s for s in found if s.relations or s.sides != [[]]]
    if any(not side for s in found for side in s.sides):
        raise Unreadable(f"eq. ({number}) has an empty side: {tex}")
    return found


def sides(number):
    return [side for statement in statements(number) for side in statement.sides]


def formula(tex):
    """A piece of LaTeX as a function of its symbols."""
    tokens = [t for t in TOKEN.findall(tex) if t not in LAYOUT]
    return lambda **symbols: value("none", tokens, symbols)


def page(number, side=0):
    """Side number `side` of an equation, as a function of its symbols, given by name."""
    tokens = sides(number)[side]

    def evaluate(**symbols):
        return value(number, tokens, symbols)
    return evaluate


def value(number, tokens, symbols):
    try:
        return Reader([], symbols).part(tokens)(symbols)
    except Unreadable as error:
        raise Unreadable(f"eq. ({number}), in {' '.join(tokens)}: {error}") from None


def holds(number, at=None, tol=1e-9, **symbols):
    """Assert what an equation says of these symbols: all of its statements, or those in `at`.

    tol is relative for numbers above 1 and absolute below, as in tools.close.
    """
    chosen = range(len(statements(number))) if at is None else np.atleast_1d(at)
    related = [statements(number)[k] for k in chosen if statements(number)[k].relations]
    if not related:
        raise Unreadable(f"eq. ({number}) has no relation there to check")
    for statement in related:
        values = [np.asarray(value(number, side, symbols), float) for side in statement.sides]
        for relation, a, b in zip(statement.relations, values, values[1:]):
            fits = a.shape == b.shape or a.ndim == 0 or b.ndim == 0
            assert fits, f"eq. ({number}): {relation} between shapes {a.shape} and {b.shape}"
            assert agree(relation, a, b, tol), f"eq. ({number}): {a}\n{relation}\n{b}"


def agree(relation, a, b, tol):
    if relation in ORDER:
        return bool(np.all(ORDER[relation](a, b)))
    if relation not in EQUAL:
        raise Unreadable(f"{relation} cannot be checked")
    with np.errstate(invalid="ignore"):
        near = np.isfinite(b) & (np.abs(a - b) <= tol * np.maximum(1, np.abs(b)))
    return bool(np.all(near | (a == b)))


# Products and derivatives.

def product(a, b):
    """Of things written beside each other."""
    if np.ndim(a) < 2 and np.ndim(b) < 2 or np.ndim(a) == 0 or np.ndim(b) == 0:
        return a * b
    if np.ndim(a) == 1 and np.shape(b)[0] == 1:
        return np.outer(a, b)  # a column and a row
    return a @ b


def dot(a, b):
    return a @ b if np.ndim(a) and np.ndim(b) else a * b


def power(base, exponent, literal):
    """base ** exponent; of a matrix T is the transpose, -1 the inverse, 1/2 the root."""
    if literal == ["T"]:
        return np.reshape(base, (1, -1)) if np.ndim(base) == 1 else np.transpose(base)
    if np.ndim(base) == 2 and literal == ["-", "1"]:
        return np.linalg.inv(base)
    if np.ndim(base) == 2 and literal == ["1", "/", "2"]:
        values, vectors = np.linalg.eigh(base)
        return vectors * np.sqrt(values) @ vectors.T
    return base ** exponent


def called(function, arguments, env):
    """A function of what stands in a bracket; or an average of it over a symbol."""
    if not isinstance(function, Average):
        return function(*[a(env) for a in arguments])
    argument, = arguments
    values = [argument({**env, function.name: v}) for v in function.values]
    return np.tensordot(function.weights, values, axes=1)


def by_name(function, env):
    """Call a function that stands without its arguments."""
    wanted = inspect.signature(function).parameters
    missing = [name for name in wanted if name not in env]
    if missing:
        raise Unreadable(f"a function without arguments here needs {', '.join(missing)}")
    return function(**{name: known(env[name], env) for name in wanted})


def known(x, env):
    return by_name(x, env) if callable(x) else x


def derivative(formula, name, env, h=1e-4):
    """The difference quotient of a formula in a symbol, entry by entry, once extrapolated."""
    if name not in env:
        raise Unreadable(f"the derivative in {name} needs its value")
    at = np.array(env[name], np.float64)
    out = []
    for i in np.ndindex(at.shape):
        def moved(step):
            x = at.copy()
            x[i] += step
            return formula({**env, name: x if x.ndim else float(x)})
        wide, narrow = ((moved(k) - moved(-k)) / (2 * k) for k in (2 * h, h))
        out.append((4 * narrow - wide) / 3)
    return np.reshape(out, at.shape + np.shape(out[0])) if at.ndim else out[0]


@functools.cache
def gauss_legendre():
    return np.polynomial.legendre.leggauss(200)


def integral(body, name, low, high, env):
    """By Gauss and Legendre's rule between finite bounds, by trapezoids on a grid otherwise."""
    if low is not None and np.isfinite([low, high]).all():
        nodes, weights = gauss_legendre()
        x = (high + low) / 2 + (high - low) / 2 * nodes
        return np.sum(weights * body({**env, name: x}), axis=-1) * (high - low) / 2
    x = np.asarray(env.get(name, LINE))
    if low is not None:
        x = np.linspace(max(low, x[0]), min(high, x[-1]), x.size)
    y = body({**env, name: x}) * np.ones_like(x)
    return np.sum((y[..., 1:] + y[..., :-1]) * np.diff(x), axis=-1) / 2


# The reader. Each method takes its piece from the tokens, and returns a function of the symbols.

class Reader:
    def __init__(self, tokens, symbols):
        self.tokens = tokens
        self.symbols = symbols
        self.at = 0
        self.integrals = 0  # how many are open: within one, d begins its end

    def peek(self, ahead=0):
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def take(self, wanted=None):
        token = self.peek()
        if token is None or wanted not in (None, token):
            raise Unreadable(f"{wanted or 'more'} was expected, and {token or 'the end'} came")
        self.at += 1
        return token

    def part(self, tokens):
        """Another reader for a piece of the formula, read to its end."""
        reader = Reader(tokens, self.symbols)
        formula = reader.relation()
        if reader.peek() is not None:
            raise Unreadable(f"{reader.peek()} was not expected in {' '.join(tokens)}")
        return formula

    def raw(self):
        """The tokens of a group in braces, or the one token that stands for it."""
        if self.peek() != "{":
            return [self.take()]
        return self.inside()

    def inside(self):
        """The tokens within the bracket that opens here."""
        close = [OPENING[self.take()]]
        start = self.at
        while close:
            token = self.take()
            if token == close[-1]:
                close.pop()
            elif token in OPENING:
                close.append(OPENING[token])
            elif token in OPENING.values():
                raise Unreadable(f"{token} closes no bracket")
        return self.tokens[start:self.at - 1]

    # From the loosest binding to the tightest.

    def relation(self):
        """A sum; or 1 where a relation holds between sums, and 0 where it does not."""
        left = self.sum()
        if self.peek() not in EQUAL | set(ORDER):
            return left
        compare = ORDER.get(self.take(), np.equal)
        right = self.sum()
        return lambda env: compare(left(env), right(env)) * 1.0

    def sum(self):
        terms = []
        while not terms or self.peek() in ("+", "-"):
            sign = self.take() if self.peek() in ("+", "-") else "+"
            terms.append((-1 if sign == "-" else 1, self.term()))
        if len(terms) == 1:
            sign, term = terms[0]
            return term if sign == 1 else lambda env: -term(env)

        def added(env):
            first, *others = [sign * term(env) for sign, term in terms]
            return functools.reduce(lambda a, b: a + b, others, first)
        return added

    def term(self):
        value = self.run()
        while self.peek() in PRODUCTS:
            value = self.joined(self.take(), value)
        return value

    def joined(self, sign, left):
        if sign == "/":
            right = self.factor()
            if self.starts_factor():
                raise Unreadable(f"a/b {self.peek()} may be read in two ways; write a fraction")
            return lambda env: left(env) / right(env)
        right = self.run()
        if sign == r"\cdot":
            return lambda env: dot(left(env), right(env))
        return lambda env: left(env) * right(env)

    def starts_factor(self):
        token = self.peek()
        if token is None or token in ENDING:
            return False
        ends_integral = token == "d" and self.integrals and is_symbol([self.peek(1) or ""])
        return not ends_integral

    def run(self):
        """Factors beside each other."""
        factors = [self.factor()]
        while self.starts_factor():
            factors.append(self.factor())

        def multiplied(env):
            values = [f(env) for f in factors[::-1]]  # from the right, where the vectors stand
            return functools.reduce(lambda right, left: product(left, right), values)
        return multiplied

    def factor(self):
        base = self.atom()
        while self.peek() == "^":
            base = self.raised(base)
        return base

    def raised(self, base):
        self.take("^")
        literal = self.raw()
        exponent = (lambda env: None) if literal == ["T"] else self.part(literal)
        return lambda env: power(base(env), exponent(env), literal)

    def atom(self):
        token = self.peek()
        if re.fullmatch(r"[\d.]+", token or ""):
            number = float(self.take())
            return lambda env: number
        special = {
            r"\frac": self.fraction, r"\tfrac": self.fraction, r"\sqrt": self.root,
            r"\int": self.integral, r"\sum": self.repeated, r"\prod": self.repeated,
            r"\max": self.extreme, r"\min": self.extreme, r"\lim": self.limit,
            r"\nabla": self.nabla, r"\infty": self.infinity,
        }
        if token in special:
            return special[token]()
        if token in OPENING:
            return self.bracket()
        if token == "e" and self.peek(1) == "^" and "e" not in self.symbols:
            return self.exponential()
        if token is None or not re.fullmatch(r"[a-zA-Z]|\\[a-zA-Z]+|\\text\{.*\}", token):
            raise Unreadable(f"a number, name or bracket was expected, not {token or 'the end'}")
        return self.name()

    def exponential(self):
        """e^x by exp, which has more digits than a power of e."""
        self.take("e")
        self.take("^")
        exponent = self.part(self.raw())
        return lambda env: np.exp(exponent(env))

    # Brackets, fractions, and the signs with a subscript of their own.

    def bracket(self):
        opened = self.peek()
        inside = self.inside()
        if opened == r"\lbrace":
            variable, condition = split(inside, {":"})
            return self.part(condition)  # a set, as 1 or 0 for each value that its variable has
        parts = split(inside, SEPARATORS)
        values = [self.part(p) for p in parts]
        if len(values) > 1 and opened != "(":
            raise Unreadable(f"{opened} with {len(values)} parts")
        if len(values) > 1:
            return lambda env: np.concatenate([np.atleast_1d(v(env)) for v in values])
        inner, = values
        if opened == r"\lvert":
            return lambda env: np.abs(inner(env))
        if opened == r"\lVert":
            return lambda env: np.sqrt(np.sum(np.square(inner(env)), axis=-1))
        return inner

    def fraction(self):
        self.take()
        above = self.raw()
        below = self.raw()
        if r"\partial" in above[:1] + below[:1]:
            return self.partial(above[1:], below[1:])
        top = self.part(above)
        bottom = self.part(below)
        return lambda env: top(env) / bottom(env)

    def partial(self, above, below):
        r"""\frac{\partial f}{\partial x}, or \frac{\partial}{\partial x} of what follows."""
        body = self.part(above) if above else self.run()
        for key, index in readings(below):
            if is_symbol(above):
                function, first = symbol(above)
                given = f"d{function}_d{key}"
                if given in self.symbols:
                    return lambda env: entry(env[given], first + index, env)
            if key in self.symbols:
                return lambda env: entry(derivative(body, key, env), index, env)
        raise Unreadable(f"the derivative in {spelled(below)} needs its value")

    def root(self):
        self.take()
        inner = self.part(self.raw())
        return lambda env: np.sqrt(inner(env))

    def infinity(self):
        self.take()
        return lambda env: np.inf

    def limit(self):
        r"""\lim_{h\to 0}, taken at h = 1e-5."""
        self.take()
        self.take("_")
        name, arrow, *where = self.raw()
        if arrow != r"\to" or where != ["0"]:
            raise Unreadable("only limits at 0 can be read")
        body = self.term()
        return lambda env: body({**env, spelled([name]): 1e-5})

    def nabla(self):
        r"""\nabla_\theta of what follows; or \nabla f(x), the gradient of f at x."""
        self.take()
        if self.peek() == "_":
            self.take()
            name = spelled(self.raw())
            body = self.run()
            return lambda env: derivative(body, name, env)
        function = spelled([self.take()])
        where = self.part(self.inside())
        return lambda env: derivative(lambda e: env[function](e["_"]), "_", {"_": where(env)})

    def integral(self):
        self.take()
        low = high = None
        while self.peek() in ("_", "^"):
            sign = self.take()
            bound = self.part(self.raw())
            low, high = (bound, high) if sign == "_" else (low, bound)
        self.integrals += 1
        body = self.term() if self.starts_factor() else (lambda env: 1.0)
        self.integrals -= 1
        self.take("d")
        name = spelled([self.take()])
        if (low is None) != (high is None):
            raise Unreadable("an integral over a set; only bounds below and above can be read")
        if low is None:
            return lambda env: integral(body, name, None, None, env)
        return lambda env: integral(body, name, low(env), high(env), env)

    def repeated(self):
        """A sum or product over an index."""
        reduce = {r"\sum": np.sum, r"\prod": np.prod}[self.take()]
        indices, condition, last = self.over()
        start = self.at
        body = self.term()
        used = self.tokens[start:self.at]

        def total(env):
            values = [body(inner) for inner in bound(indices, condition, last, used, env)]
            return reduce(np.array(values), axis=0) if values else float(reduce(()))
        return total

    def over(self):
        """Under and over a sum: its indices, a condition or None, a last value or None."""
        self.take("_")
        below = self.raw()
        last = None
        if self.peek() == "^":
            self.take()
            last = self.part(self.raw())
        if last is not None and below[1:] == ["=", "1"]:
            return below[:1], None, last
        if last is not None:
            raise Unreadable(f"a sum from {' '.join(below)}; only sums from 1 can be read")
        index, *rest = split(below, {":"})
        if rest:
            return index, self.part(rest[0]), None
        if all(re.fullmatch("[a-z]", t) for t in below if t != ","):
            return [t for t in below if t != ","], None, None
        return below[:1], self.part(below), None

    def extreme(self):
        r"""\max of several, \max_k over an index, or \max_A over tries, along the last axis."""
        reduce = {r"\max": np.max, r"\min": np.min}[self.take()]
        if self.peek() == "(":
            values = [self.part(p) for p in split(self.inside(), {","})]
            pairwise = np.maximum if reduce is np.max else np.minimum
            return lambda env: functools.reduce(pairwise, [v(env) for v in values])
        below = []
        if self.peek() == "_":
            self.take()
            below = self.raw()
        start = self.at
        body = self.term()
        used = self.tokens[start:self.at]
        if len(below) != 1 or below[0] not in INDICES or below[0] in self.symbols:
            return lambda env: reduce(body(env), axis=-1)
        return lambda env: reduce([body(e) for e in bound(below, None, None, used, env)], axis=0)

    # Names.

    def name(self):
        start = self.at
        tokens = self.spelling()
        key, index = symbol(tokens)
        function = spelled(tokens) if spelled(tokens) in self.symbols else key
        if self.peek() == "^" and key + "_sup" in self.symbols:
            self.take()
            upper = self.part(self.raw())
            return lambda env: entry(env[key + "_sup"], [upper], env)
        if tokens[0] == r"\mathcal" and tokens[2] == "N":
            return self.applied(lambda env: normal)
        built_in = FUNCTIONS.get(tokens[0], FUNCTIONS.get(key))
        if self.tokens[self.at:self.at + len(INVERSE)] == INVERSE and self.inverse(key):
            self.at += len(INVERSE) - 1
            return self.applied(lambda env: self.inverse(key))
        if built_in and function not in self.symbols:
            return self.applied(lambda env: built_in, sharp=True)
        if tokens[0] == r"\mathbb" and function not in self.symbols:
            function = key = tokens[2]  # E_q, if only E is given
        if callable(self.symbols.get(function)) and self.peek() == "^" and self.follows_power():
            return self.power_of_function(function)
        if self.peek() in ("(", "["):
            found = self.with_bracket(tokens, key, function)
            if found:
                return found
        elif tokens[0] == r"\mathbb":
            return self.applied(lambda env: env[function])
        if self.at == start:
            raise Unreadable(f"{self.peek()} cannot be read")
        return lambda env: lookup(tokens, env)

    def inverse(self, key):
        """The inverse of a function, if the name before it is one."""
        found = {**INVERSES, **self.symbols}.get(key + "_inverse")
        if found is None and (callable(self.symbols.get(key)) or "\\" + key in FUNCTIONS):
            raise Unreadable(f"the inverse of {key} was not given, as {key}_inverse")
        return found

    def spelling(self):
        """The tokens of a name with its accents, primes and subscript."""
        start = self.at
        token = self.take()
        if token in (r"\hat", r"\bar"):
            self.spelling_of_one()
        elif token in (r"\mathrm", r"\mathcal", r"\mathbb"):
            if self.peek() != "{":
                braced = ["{", self.peek(), "}"]
                self.tokens = [*self.tokens[:self.at], *braced, *self.tokens[self.at + 1:]]
            self.raw()
        while self.peek() in ("'", "_"):
            if self.take() == "_":
                self.raw()
        return self.tokens[start:self.at]

    def spelling_of_one(self):
        if self.peek() == "{":
            self.raw()
        else:
            self.take()

    def follows_power(self):
        """f^2(x): is there a bracket after the exponent?"""
        probe = Reader(self.tokens, self.symbols)
        probe.at = self.at + 1
        probe.raw()
        return probe.peek() == "("

    def power_of_function(self, function):
        self.take("^")
        exponent = self.part(self.raw())
        called = self.applied(lambda env: env[function])
        return lambda env: called(env) ** exponent(env)

    def applied(self, function, sharp=False):
        """A function and its argument: a bracket, or else the factors that follow."""
        if self.peek() not in ("(", "["):
            argument = self.run()
            return lambda env: called(function(env), [argument], env)
        arguments = [self.part(p) for p in split(self.inside(), SEPARATORS)]
        if sharp and self.peek() == "^":
            raise Unreadable("a power after a function's bracket may be read in two ways")
        return lambda env: called(function(env), arguments, env)

    def with_bracket(self, tokens, key, function):
        """p(x, z) given by its value, or by a function; None if the bracket is a factor."""
        probe = Reader(self.tokens, self.symbols)
        probe.at = self.at
        inside = probe.inside()
        for name, index in ((spelled(tokens), []), (key, symbol(tokens)[1])):
            value_name = f"{name}_{spelled(inside)}"
            if value_name in self.symbols:
                self.inside()
                return lambda env: entry(env[value_name], index, env)
        if callable(self.symbols.get(function)):
            return self.applied(lambda env: env[function])
        if len(split(inside, SEPARATORS)) > 1 or is_symbol(inside):
            name = spelled(tokens)
            raise Unreadable(f"{name} stands before a bracket like a function: "
                             f"give {name} as one, or its value as {name}_{spelled(inside)}")
        return None


# Names, subscripts, and the values that belong to them.

def split(tokens, at):
    """Cut a list of tokens at separators that stand in no bracket."""
    parts, depth = [[]], 0
    for token in tokens:
        depth += (token in OPENING) - (token in OPENING.values())
        if depth == 0 and token in at:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def is_symbol(tokens):
    """Is it one name, with or without accents and subscripts?"""
    begins = bool(tokens) and re.fullmatch(r"[a-zA-Z]|\\[a-zA-Z]+|\\text\{.*\}", tokens[0])
    return bool(begins) and not any(t in RELATIONS or t in "+-/([^" for t in tokens)


def spelled(tokens):
    """The Python name of some tokens: \\hat m_t is m_hat_t, and 'z \\mid x' is z_given_x."""
    out, accent = "", ""
    for token in tokens:
        if token in (r"\hat", r"\bar"):
            accent = "_" + token[1:]
        elif token in (r"\mid", r"\Vert"):
            out += "_given_" if token == r"\mid" else "_vs_"
        elif token in ("_", "'"):
            out += "_" if token == "_" else "'"
        elif token == "(":
            out += "_"
        elif token not in UNSPOKEN:
            if token.startswith(r"\text"):
                token = token[6:-1].replace(" ", "_")
            out += NAMES.get(token, token.lstrip("\\")) + accent
            accent = ""
    primes = out.count("'")
    return out.replace("'", "") + PRIMES.get(primes, "")


def symbol(tokens):
    """(name, subscripts): the name without its subscripts, and these as lists of tokens."""
    if "_" not in tokens:
        return spelled(tokens), []
    at = tokens.index("_")
    below = tokens[at + 1:]
    after = [t for t in below if t == "'"]
    below = [t for t in below if t != "'"]
    below = below[1:-1] if below[0] == "{" else below
    pieces = split(below, {","})
    if len(pieces) == 1 and len(below) > 1 and all(re.fullmatch("[a-zA-Z]", t) for t in below):
        pieces = [[t] for t in below]
    return spelled(tokens[:at] + after), pieces


def readings(tokens):
    """What a name may be: mu_{p,j} is mu_p_j, or entry j of mu_p, or entry p, j of mu."""
    if "^" in tokens:  # \mu^c, in a derivative, is entry c of mu_sup
        at = tokens.index("^")
        yield spelled(tokens[:at]) + "_sup", [tokens[at + 1:]]
        return
    key, pieces = symbol(tokens)
    for n in range(len(pieces), -1, -1):
        yield "_".join([key, *[spelled(p) for p in pieces[:n]]]), pieces[n:]


def lookup(tokens, env):
    """The value of a name: as it is spelled, or an entry of an array, or the whole array."""
    name = spelled(tokens)
    if name in env:
        return known(env[name], env)
    if tokens == [r"\pi"]:
        return np.pi
    if tokens == ["e"]:
        return np.e
    for base, rest in readings(tokens):
        if base in env:
            return entry(env[base], rest, env)
    raise Unreadable(f"no value was given for {name}")


def entry(x, pieces, env):
    """x with its subscripts: pieces are lists of tokens, or functions of the symbols."""
    free = [p for p in pieces if is_free(p, env)]
    if not pieces or free and len(pieces) == 1:
        return known(x, env)
    if free:
        raise Unreadable(f"of several subscripts each needs a value: {pieces}")
    index = tuple(integer(p(env) if callable(p) else value_of(p, env)) for p in pieces)
    if callable(x):
        return x(*index)
    if isinstance(x, dict):
        return x[index[0] if len(index) == 1 else index]
    x = np.asarray(x)
    if len(index) > x.ndim or any(not 1 <= i <= size for i, size in zip(index, x.shape)):
        raise Unreadable(f"there is no entry {index}, counted from 1, in shape {x.shape}")
    return x[tuple(i - 1 for i in index)]


def is_free(piece, env):
    """Is a subscript an index without a value?"""
    return not callable(piece) and len(piece) == 1 and piece[0] in INDICES and piece[0] not in env


def value_of(tokens, env):
    return Reader([], env).part(tokens)(env)


def integer(x):
    if np.ndim(x) or x != int(x):
        raise Unreadable(f"a subscript must be a whole number, not {x}")
    return int(x)


def bound(indices, condition, last, used, env):
    """The symbols, with each value in turn that the indices of a sum take."""
    if not indices:
        yield env
        return
    first, *others = indices
    stop = integer(last(env)) if last else length(first, used, env)
    for i in range(1, stop + 1):
        inner = {**env, first: i}
        if condition is None or others or condition(inner):
            yield from bound(others, condition, last, used, inner)


def length(index, used, env):
    """How far an index runs, from the arrays that carry it."""
    found = set()
    for at, token in enumerate(used):
        if token == "_" and index in used[at + 1:]:
            reader = Reader(used, env)
            reader.at = at + 1
            pieces = symbol(["x", "_", "{", *reader.raw(), "}"])[1]
            found |= sizes(index, pieces, used[:at], env)
    if len(found) != 1:
        raise Unreadable(f"how far {index} runs does not follow from the arrays: {sorted(found)}")
    return found.pop()


def sizes(index, pieces, before, env):
    """The lengths of the array whose name ends `before`, along the axes that carry the index."""
    base = NAME_BEFORE.search(" ".join(before))[0].split()
    below = [token for piece in pieces for token in [",", *piece]][1:]
    for name, rest in readings([*base, "_", "{", *below, "}"]):
        x = env.get(name)
        axes = [k for k, p in enumerate(rest) if p == [index]]
        if isinstance(x, dict):
            return {len(x)} if axes else set()
        if x is not None:
            return set() if callable(x) else {np.shape(x)[k] for k in axes}
    return set()


if __name__ == "__main__":
    for number in sys.argv[1:]:
        count = 0
        for k, statement in enumerate(statements(number)):
            print(f"({number}) statement {k}: relations {' '.join(statement.relations) or 'none'}")
            for tokens in statement.sides:
                print(f"    side {count}: {' '.join(tokens)}")
                count += 1
