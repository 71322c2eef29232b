"""What exercise 1 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

from check import Case, Wrong, call, draw, examine

HINTS = (
    "eq. (1.4): f at x + h and f at x - h differ by 2 h f'(x), nearly. With several entries, do this for one of them while "
    "the others stay where they are.",
    "Loop over np.ndindex(x.shape). For each index, make a copy of x and add h to that entry; make another and subtract h. "
    "Calling f on both gives two numbers; write their difference, divided by the distance, into np.zeros(x.shape).",
    "for i in np.ndindex(x.shape): up, down = x.copy(), x.copy(); up[i] += h; down[i] -= h; then entry i of the gradient "
    "is "
    "(f(up) - f(down)) divided by the distance between the two points, which is not h.",
)


def cubic(a):
    """f(x) = sum(a x^3): its central difference is 3 a x^2 + a h^2 exactly, so that every other formula shows."""
    return lambda x: float(np.sum(a * np.asarray(x) ** 3))


def due(case):
    return case.x.shape


due.hint = lambda yours, due: "The gradient has one entry for each entry of x: begin with np.zeros(x.shape)."


def check(answer):
    rng = np.random.default_rng(1)
    cases = []
    for shape in ((1,), (2,), (3,), (2, 3), (2, 1, 2)):
        for h in (0.1, 0.5):
            a = draw(rng, "AB", {"A": int(np.prod(shape)), "B": 1}).reshape(shape)
            case = Case({"f": cubic(a), "x": draw(rng, "AB", {"A": a.size, "B": 1}).reshape(shape), "h": h},
                        f"f(x) = sum of a x^3 with a = {np.array2string(a, separator=', ').replace(chr(10), '')}",
                        entries=a.size)
            case.a = a
            cases.append(case)
    same_shape(answer, cases[-1])
    s = lambda formula: lambda c: formula(c.__dict__["a"], c.x, c.h)
    suspects = {
        "the forward difference (f(x + h) - f(x)) / h: take one step to either side":
            s(lambda a, x, h: a * (3 * x**2 + 3 * x * h + h * h)),
        "the backward difference (f(x) - f(x - h)) / h: take one step to either side":
            s(lambda a, x, h: a * (3 * x**2 - 3 * x * h + h * h)),
        "the central difference over h/2 to either side: x moves by h to either side":
            s(lambda a, x, h: a * (3 * x**2 + h * h / 4)),
        "the central difference divided by h: the two points are 2 h apart": s(lambda a, x, h: 2 * a * (3 * x**2 + h * h)),
        "the central difference divided by 4 h or halved twice: the two points are 2 h apart":
            s(lambda a, x, h: a * (3 * x**2 + h * h) / 2),
        "the central difference, not divided by the distance 2 h": s(lambda a, x, h: 2 * h * a * (3 * x**2 + h * h)),
        "divided by h^2, as a second derivative is; the distance between the points is 2 h":
            s(lambda a, x, h: 2 * a * (3 * x**2 + h * h) / h),
        "the second difference (f(x + h) - 2 f(x) + f(x - h)) / h^2: the first derivative is due":
            s(lambda a, x, h: 6 * a * x),
        "the two values are subtracted the wrong way round": s(lambda a, x, h: -a * (3 * x**2 + h * h)),
        "the exact derivative, or one with a far smaller step: use the h that is given": s(lambda a, x, h: 3 * a * x**2),
        "multiplied where it should be divided: (f(x + h) - f(x - h)) / 2 * h":
            s(lambda a, x, h: h * h * a * (3 * x**2 + h * h)),
        "each entry moves by a share h of itself, x (1 + h) and x (1 - h), where it should move by h":
            s(lambda a, x, h: a * x**3 * (3 + h * h)),
        "all entries move at once, which gives the sum of the derivatives: move one at a time":
            s(lambda a, x, h: np.broadcast_to(np.sum(a * (3 * x**2 + h * h)), x.shape)),
        "entries that were moved do not go back before the next one moves: take a fresh copy for each": s(stale),
        "entries that were moved down stay there when the next one moves: take a fresh copy for each": s(stale_low),
        "the sum of f(x + h) and f(x - h), where their difference is due":
            s(lambda a, x, h: np.array([(np.sum(a * (x + h * e) ** 3) + np.sum(a * (x - h * e) ** 3))
                                        / (2 * h) for e in units(x)]).reshape(x.shape)),
    }
    right = lambda c: [c.__dict__["a"] * (3 * c.x**2 + c.h**2)]
    return examine(answer, cases, {"derivative": due}, right, {"derivative": suspects}, {"derivative": s(
        lambda a, x, h: {"a x^2": a * x**2, "a x h": a * x * h, "a h^2": a * h**2, "a x": a * x, "a": a})}, tol=1e-7)


def same_shape(answer, case):
    """f must be called, and with arrays of x's shape alone."""
    shape, seen = case.x.shape, []

    def f(x):
        seen.append(np.shape(x))
        return case.f(x) if np.shape(x) == shape else 0.0
    result = call(answer, Case({"f": f, "x": case.x, "h": 0.1}))
    odd = [s for s in seen if s != shape]
    if odd:
        raise Wrong(f"f must be called with arrays of the shape of x, {shape}, and you call it with shape {odd[0]}.\n"
                    f"=> Move one entry of a copy of the whole x; the others stay where they are, but they stay.")
    if not seen and np.shape(result) == shape:
        raise Wrong("f was never called: the gradient comes from values of f alone")


def units(x):
    return np.eye(x.size).reshape(-1, *x.shape)


def stale(a, x, h):
    """x + h is left standing."""
    found, moved = [], x.copy()
    for e in units(x):
        up = moved + h * e
        found.append((np.sum(a * up**3) - np.sum(a * (x - h * e) ** 3)) / (2 * h))
        moved = up
    return np.array(found).reshape(x.shape)


def stale_low(a, x, h):
    """up = x + h, down = up - 2 h, and down is where the next entry starts from."""
    found, moved = [], x.copy()
    for e in units(x):
        up, down = moved + h * e, moved - h * e
        found.append((np.sum(a * up**3) - np.sum(a * down**3)) / (2 * h))
        moved = down
    return np.array(found).reshape(x.shape)
