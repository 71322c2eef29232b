"""Small changes to the right function, to find the one that an answer amounts to.

A learner's formula is mostly right. So: take the right function, change one place of it (drop a
term, turn a sign, double a number, take another function ...), and see whether what comes out is
what the learner's function gives."""

import ast
import copy
import inspect
import itertools
import textwrap

import numpy as np

from .comparing import same_output

MOST_PAIRS = 1500  # so that a verdict takes about a second

FUNCTIONS = ("exp", "log", "sqrt", "abs", "square")  # each may stand where another should
REDUCTIONS = ("sum", "mean", "max")


def variants(function, names):
    """Yield (what was there, what is there now, the changed function's tree). names: {input:
    inputs it may be taken for}.

    function: an ast.FunctionDef; it is changed in place while a variant is out, and restored after.
    """
    for place in places(function):
        before = place.node
        for now, small in alternatives(before, names):
            ast.fix_missing_locations(ast.copy_location(now, before))
            place.put(now)
            yield Edit(place, before, now, small)
            place.put(before)


class Place:
    """Where an expression stands in the tree."""

    def __init__(self, parent, field, index=None):
        self.parent = parent
        self.field = field
        self.index = index

    @property
    def node(self):
        value = getattr(self.parent, self.field)
        return value if self.index is None else value[self.index]

    def put(self, node):
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


class Edit:
    """One place changed. small: whether it may come together with another one."""

    def __init__(self, place, before, now, small):
        self.place = place
        self.before = before
        self.now = now
        self.small = small

    def __str__(self):
        """While the change is in the tree. A single name or number is shown with what stands
        around it."""
        now, before = ast.unparse(self.now), ast.unparse(self.before)
        if isinstance(self.before, (ast.Name, ast.Constant)) and isinstance(
            self.place.parent, ast.expr
        ):
            now = ast.unparse(self.place.parent)
            self.place.put(self.before)
            before = ast.unparse(self.place.parent)
            self.place.put(self.now)
        return f"`{now}` in place of `{before}`"


def places(function):
    """Every expression in the body whose value is read."""
    found = []
    for statement in function.body:
        for parent in ast.walk(statement):
            for field, value in ast.iter_fields(parent):
                if field in ("func", "op", "ops", "targets", "target", "ctx", "slice", "keywords"):
                    continue
                if isinstance(value, ast.expr):
                    found.append(Place(parent, field))
                elif isinstance(value, list):
                    found += [
                        Place(parent, field, i)
                        for i, v in enumerate(value)
                        if isinstance(v, ast.expr)
                    ]
    return [place for place in found if not isinstance(place.node, ast.Tuple)]


def alternatives(node, names):
    """(expression, whether it is a small change) for each that may stand where node should."""
    if isinstance(node, ast.Name) and node.id == "np":
        return
    yield from _of_operators(node)
    yield from _of_calls(node)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        c = node.value
        half = c // 2 if c % 2 == 0 and isinstance(c, int) else c / 2
        for other in sorted({2 * c, half, c + 1, c - 1, -c} - {c}):
            yield ast.Constant(other), other in (2 * c, half)
    if isinstance(node, ast.Name):
        for other in names.get(node.id, ()):
            yield ast.Name(other, ast.Load()), False
    if isinstance(node, (ast.Name, ast.BinOp, ast.Call)):
        yield ast.UnaryOp(ast.USub(), node), True
        for op, c in (
            (ast.Mult(), 2),
            (ast.Div(), 2),
            (ast.Pow(), 2),
            (ast.Add(), 1),
            (ast.Sub(), 1),
        ):
            yield ast.BinOp(node, op, ast.Constant(c)), isinstance(op, (ast.Mult, ast.Div))
        for name in FUNCTIONS[:4]:
            yield _call(name, node), False
        yield ast.parse(f"np.maximum({ast.unparse(node)}, 0)", mode="eval").body, False


def _of_operators(node):
    if not isinstance(node, ast.BinOp):
        if isinstance(node, ast.UnaryOp):
            yield node.operand, True
        if isinstance(node, ast.Compare):
            for op in (ast.Gt(), ast.GtE(), ast.Lt(), ast.LtE()):
                if type(op) is not type(node.ops[0]):
                    yield ast.Compare(node.left, [op], node.comparators), True
        return
    a, b = node.left, node.right
    yield a, True
    if isinstance(node.op, (ast.Add, ast.Sub)):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield (ast.UnaryOp(ast.USub(), b) if isinstance(node.op, ast.Sub) else b), True
        yield ast.BinOp(a, other, b), True
        yield ast.BinOp(b, ast.Sub(), a), True
    if isinstance(node.op, (ast.Mult, ast.Div)):
        other = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
        yield b, True
        yield ast.BinOp(a, other, b), True
        yield ast.BinOp(b, ast.Div(), a), True
        yield ast.BinOp(a, ast.Add(), b), False
    if isinstance(node.op, ast.MatMult):
        yield ast.BinOp(b, ast.MatMult(), a), False
        yield b, False
    if isinstance(node.op, ast.Pow):
        yield _call("abs", a), True
        yield ast.BinOp(a, ast.Pow(), ast.BinOp(b, ast.Sub(), ast.Constant(1))), False
        yield ast.BinOp(a, ast.Pow(), ast.BinOp(b, ast.Add(), ast.Constant(1))), False
        yield ast.BinOp(a, ast.Mult(), b), False


def _of_calls(node):
    """Another function, none at all, or another axis."""
    if not isinstance(node, ast.Call) or not node.args:
        return
    yield node.args[0], True
    name = ast.unparse(node.func).removeprefix("np.")
    for group in (FUNCTIONS, REDUCTIONS):
        for other in group:
            if name in group and other != name:
                changed = copy.copy(node)
                changed.func = ast.parse(f"np.{other}", mode="eval").body
                yield changed, other == "mean"
    for i, keyword in enumerate(node.keywords):
        if keyword.arg == "axis" and isinstance(keyword.value, ast.Constant):
            for axis in {0, 1, None} - {keyword.value.value}:
                changed = copy.copy(node)
                changed.keywords = list(node.keywords)
                changed.keywords[i] = ast.keyword("axis", ast.Constant(axis))
                yield changed, False
    if len(node.args) == 2 and name in ("maximum", "minimum"):
        yield node.args[1], True


def _call(name, node):
    return ast.Call(ast.parse(f"np.{name}", mode="eval").body, [node], [])


def pairs(function, names):
    """Yield two small edits at once, at different places."""
    small = [edit for edit in variants(function, names) if edit.small]
    for one, two in itertools.combinations(small, 2):
        if one.place is two.place:
            continue
        one.place.put(one.now)
        if two.place.node is two.before:  # else the first edit took the second one's place away
            two.place.put(two.now)
            yield one, two
            two.place.put(two.before)
        one.place.put(one.before)


# Which change makes the right function give what the learner's gives?


def changed(evidence, checks):
    """(the right function's tree, fits(), names): fits() is true if the tree, as it stands, gives
    the learner's output."""
    position = evidence.position
    module = ast.parse(textwrap.dedent(inspect.getsource(checks.right)))
    function = module.body[0]
    kinds = checks.INPUTS.items()
    names = {a: [b for b, its in kinds if its == letters and b != a] for a, letters in kinds}

    def telling(k):
        """Small cases where the learner is wrong go first: most changes are refuted there."""
        return not evidence.off[k].any(), abs(evidence.cases[k].size - 12)

    order = sorted(range(len(evidence.cases)), key=telling)

    def fits():
        try:
            known = dict(checks.right.__globals__)
            exec(compile(module, "right", "exec"), known)
            give = known[function.name]
            for k in order:
                if not same_output(evidence.yours[k], _output(give, evidence.cases[k], position)):
                    return False
            return True
        except Exception:  # most changes make no sense, and may do anything
            return False

    return function, fits, names


def _output(right, case, position):
    """One output of a function of copies of the case's inputs."""
    inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
    result = right(**inputs)
    return np.asarray(result[position] if isinstance(result, tuple) else result, np.float64)


def one_edit(evidence, checks):
    """'it is what comes out with ... in place of ...', by the shortest change that does it."""
    function, fits, names = changed(evidence, checks)
    for small in (True, False):
        found = [str(edit) for edit in variants(function, names) if edit.small == small and fits()]
        if found:
            return [f"it is what comes out with {min(found, key=len)}"]
    return []


def two_edits(evidence, checks):
    """The same with two changes, where there are not too many pairs of them to try."""
    function, fits, names = changed(evidence, checks)
    small = sum(edit.small for edit in variants(function, names))
    if small * (small - 1) / 2 > MOST_PAIRS:
        return []
    for one, two in pairs(function, names):
        if fits():
            return [f"it is what comes out with two changes: {one}; and {two}"]
    return []
