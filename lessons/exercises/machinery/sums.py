"""An output that is a sum of known terms with constant factors: which of its terms are wrong."""

import numpy as np

from .comparing import same_output


def as_a_sum(evidence, checks, evaluate):
    """If the output is a sum of the exercise's TERMS: what is wrong with them, in one sentence.

    evaluate(formula, checks, case, right outputs) gives a term; sums_of(case) of the exercise says
    in which cases it is a sum.
    """
    terms = getattr(checks, "TERMS", {}).get(evidence.name)
    some = evidence.only(
        lambda k: getattr(checks, "sums_of", lambda case: True)(evidence.cases[k])
    )
    ordinary = some.only(lambda k: some.cases[k].note == "")
    if not terms or not ordinary.wrong or not all(np.isfinite(y).all() for y in ordinary.yours):
        return []

    def columns(part):
        """One column for each term, the entries of all cases below one another."""
        found = []
        for formula in terms.values():
            values = [evaluate(formula, checks, c, r) for c, r in zip(part.cases, part.all_right)]
            found.append(_below([np.broadcast_to(v, y.shape) for v, y in zip(values, part.yours)]))
        return np.array(found, float).T

    yours = _factors(columns(ordinary), _below(ordinary.yours))
    right = _factors(columns(ordinary), _below(ordinary.right))
    if yours is None or right is None or np.count_nonzero(yours) > 6:
        return []
    with np.errstate(all="ignore"):
        if not same_output(_below(some.yours), columns(some) @ yours):
            return []  # the special cases refute it
    faults = [_fault(name, got, due) for name, got, due in zip(terms, yours, right)]
    faults = "; ".join(fault for fault in faults if fault)
    sum_of = " + ".join(_term(c, name) for name, c in zip(terms, yours) if c)
    in_which = getattr(checks, "SUMS_WHERE", "")
    return [f"{in_which}it is {sum_of.replace('+ -', '- ') or '0'}: {faults}"] if faults else []


def _below(arrays):
    return np.concatenate([a.ravel() for a in arrays])


def _term(c, name):
    if name == "1":
        return f"{c:.6g}"
    return name if np.isclose(c, 1) else f"{c:.6g} {name}".replace("-1 ", "-")


def _fault(name, got, due):
    """What is wrong with a term of the sum, or nothing."""
    if np.isclose(got, due, rtol=1e-6, atol=1e-9):
        return ""
    if got == 0:
        return f"the term {name} is missing"
    if due == 0:
        return f"there is no term {name}"
    if np.isclose(got, -due, rtol=1e-6):
        return f"the term {name} has the wrong sign"
    return f"the term {name} is {got / due:.6g} times what it should be"


def _factors(A, y):
    """The factors of the columns of A in y, by least squares; None where y is no such sum."""
    if not np.isfinite(A).all() or len(A) < 2 * A.shape[1]:
        return None
    scale = np.maximum(np.abs(A).max(axis=0), 1e-12)
    c = np.linalg.lstsq(A / scale, y, rcond=None)[0] / scale
    if np.abs(A @ c - y).max() > 1e-11 * np.abs(y).max():
        return None
    return np.where(np.abs(c) < 1e-9, 0, c)
