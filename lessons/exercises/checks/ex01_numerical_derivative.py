"""Exercise 1, the numerical derivative: hints, inputs, the right answer, mistakes by name."""

import sys

import numpy as np

from machinery.cases import Case, Wrong, draw, table
from machinery.examining import examine
from machinery.running import call

HINTS = (
    """eq. (1.4): f at x + h and f at x - h differ by 2 h f'(x), nearly. With several entries, do
    this for one of them while the others stay where they are.""",
    """Loop over np.ndindex(x.shape). For each index, make a copy of x and add h to that entry;
    make another and subtract h. Calling f on both gives two numbers; write their difference,
    divided by the distance, into np.zeros(x.shape).""",
    """for i in np.ndindex(x.shape): up, down = x.copy(), x.copy(); up[i] += h; down[i] -= h; then
    entry i of the gradient is (f(up) - f(down)) divided by the distance between the two points,
    which is not h.""",
)

INPUTS = {}
OUTPUTS = {"derivative": lambda case: case.inputs["x"].shape}


class Cubic:
    """f(x) = sum of a x^3, plus b (sum of x)^2 where b is not 0: the central difference is the
    slope plus a h^2, exactly."""

    def __init__(self, a, b=0.0):
        self.a = a
        self.b = b

    def __call__(self, x):
        x = np.asarray(x)
        return float(np.sum(self.a * x**3) + self.b * np.sum(x) ** 2)

    def __deepcopy__(self, memo):
        return self

    def slope(self, x):
        return 3 * self.a * x**2 + 2 * self.b * np.sum(x)

    def __str__(self):
        a = " ".join(np.array2string(self.a, separator=", ").split())
        square = f" + {self.b} (sum of x)^2" if self.b else ""
        return f"f(x) = sum of a x^3{square}, with a = {a}"


class Shown(Case):
    """A case that says what its f is."""

    def __str__(self):
        return str(self.inputs["f"])


def cases(rng):
    for shape in ((1,), (2,), (3,), (2, 3), (2, 1, 2), (2, 2), (4,)):
        for h in (0.1, 0.5):
            n = int(np.prod(shape))
            both = draw(rng, {"a": "N", "x": "N"}, N=n)
            f = Cubic(both["a"].reshape(shape), b=0.0 if n < 4 else 0.7)
            yield Shown(
                {"f": f, "x": both["x"].reshape(shape), "h": h}, entries=n, axes=len(shape)
            )


def right(f, x, h):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up = x.copy()
        down = x.copy()
        up[i] += h
        down[i] -= h
        grad[i] = (f(up) - f(down)) / (2 * h)
    return grad


def names(f, x, h):
    units = np.eye(x.size).reshape(-1, *x.shape)

    def each(formula):
        """The formula of e, for each e that is 1 in one entry of x and 0 in the others."""
        return np.array([formula(e) for e in units]).reshape(x.shape)

    def stale(up, down):
        """f(x + ...) - f(x - ...) over 2 h, where x keeps what was added to it for the entries
        before."""
        found, moved = [], x.copy()
        for e in units:
            found.append(
                (f(moved + up[0] * h * e) - f((moved if down[1] else x) + down[0] * h * e))
                / (2 * h)
            )
            moved = moved + (up[1] + down[1]) * h * e
        return np.array(found).reshape(x.shape)

    def together(axis):
        """The entries along all other axes move at once."""
        found = np.zeros(x.shape)
        for i in range(x.shape[axis]):
            e = np.zeros(x.shape)
            np.moveaxis(e, axis, 0)[i] = h
            np.moveaxis(found, axis, 0)[i] = (f(x + e) - f(x - e)) / (2 * h)
        return found

    return {
        "f": f,
        "each": each,
        "together": together,
        "stale": stale,
        "slope": f.slope(x),
        "all": np.ones(x.shape),
    }


MISTAKES = table("""
derivative
    each(lambda e: (f(x + h*e) - f(x)) / h)
        this is the forward difference (f(x + h) - f(x)) / h: take one step to either side
    each(lambda e: (f(x) - f(x - h*e)) / h)
        this is the backward difference (f(x) - f(x - h)) / h: take one step to either side
    each(lambda e: (f(x + h*e/2) - f(x - h*e/2)) / h)
        x moves by h/2 to either side: it should move by h
    each(lambda e: (f(x + 2*h*e) - f(x - 2*h*e)) / (4*h))
        x moves by 2 h to either side: it should move by h
    each(lambda e: (f((x + h)*e) - f((x - h)*e)) / (2*h))
        the other entries are 0 while one moves: they stay where they are
    each(lambda e: (f(x - x*e + h*e) - f(x - x*e - h*e)) / (2*h))
        the entry is set to h and to -h: h is added to it, and subtracted
    derivative * h / x
        it is divided by the sum of the two points: their distance, 2 h, is due
    derivative * 2
        it is divided by h: the two points are 2 h apart
    derivative / 2
        it is half of it: the two points are 2 h apart, not 4 h
    derivative * 2 * h
        it is not divided by the distance of the two points, 2 h
    derivative * h**2
        it is multiplied by h where it should be divided: (f(x + h) - f(x - h)) / 2 * h
    derivative * 2 / h
        it is divided by h^2, as a second derivative is; the distance between the points is 2 h
    each(lambda e: (f(x + h*e) - 2*f(x) + f(x - h*e)) / h**2)
        this is the second difference, which gives the second derivative
    -derivative
        the two values are subtracted the wrong way round
    slope
        it has no error from h at all, as with a far smaller step or a formula of higher order: the
        central difference with the h that is given is due
    each(lambda e: (f(x * (1 + h*e)) - f(x * (1 - h*e))) / (2*h))
        each entry moves by the share h of itself: it should move by h
    each(lambda e: (f(x + h*all) - f(x - h*all)) / (2*h))
        all entries move at once: move one at a time
    together(0)
        all entries x[i] move at once, a whole row where x has rows: move one entry at a time
    together(-1)
        all entries x[..., i] move at once, a whole column where x has rows: move one entry at a
        time
    stale((1, 1), (-1, 0))
        an entry that was moved up does not go back before the next one moves: take a fresh copy
        for each
    stale((1, 0), (-1, -1))
        an entry that was moved down stays there when the next one moves: take a fresh copy for
        each
    each(lambda e: (f(x + h*e) + f(x - h*e)) / (2*h))
        the two values are added: their difference is due
    each(lambda e: f(x + h*e) - f(x) / h)
        brackets are missing: f(x + h) - f(x) / h divides f(x) alone
    each(lambda e: f(x + h*e) - f(x - h*e) / (2*h))
        brackets are missing: f(x + h) - f(x - h) / (2 h) divides the second value alone
""")


def check(answer):
    _calls_f_with_whole_arrays(answer)
    return examine(answer, sys.modules[__name__])


def _calls_f_with_whole_arrays(answer):
    shape, seen = (2, 1, 2), []

    def f(x):
        seen.append(np.shape(x))
        return float(np.sum(np.asarray(x, float) ** 3)) if np.shape(x) == shape else 0.0

    result = call(answer, Case({"f": f, "x": np.array([[[0.5, -1.0]], [[2.0, 0.25]]]), "h": 0.1}))
    odd = [s for s in seen if s != shape]
    if odd:
        raise Wrong(
            f"f must be called with arrays of the shape of x, {shape}, and you call it "
            f"with shape {odd[0]}.\n"
            f"=> Move one entry of a copy of the whole x; the others stay where they are, "
            f"but they stay."
        )
    if not seen and np.shape(result) == shape:
        raise Wrong("f was never called: the gradient comes from values of f alone")
