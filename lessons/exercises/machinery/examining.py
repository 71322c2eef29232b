"""One examination: an exercise's cases, its right answer, and the learner's function."""

import numpy as np

from .cases import Wrong
from .comparing import TOLERANCE, Evidence, check_shapes, close, collect, unpack
from .mistakes import row_of_another_shape, sentences
from .running import call

MOST_SENTENCES = 4


def examine(answer, checks):
    """'right: ...' if the answer is right; else raises Wrong about the first output that is not,
    or NotBegun.

    checks: the exercise's module, with INPUTS and OUTPUTS ({name: letters of its shape}),
    cases(rng), right(inputs...), MISTAKES, and if need be ORDER (in which outputs are looked at),
    TOLERANCE, names(inputs...), TERMS and sums_of(case), and OTHERWISE ({output: what is sure even
    where nothing fits})."""
    names = list(checks.OUTPUTS)
    shown = list(checks.cases(np.random.default_rng(1)))
    cases = shown + list(
        checks.cases(np.random.default_rng(2))
    )  # the second half is there to refute what is said
    yours, notes = collect(answer, cases, checks.OUTPUTS)
    right = [right_outputs(checks, case) for case in cases]
    _check_twice(answer, cases[-1], names, yours[-1])
    tolerance = getattr(checks, "TOLERANCE", TOLERANCE)
    order = getattr(checks, "ORDER", names)
    columns = {name: [r[i] for r in right] for i, name in enumerate(names)}
    for done, name in enumerate(order):
        i = names.index(name)
        mine = [y[i] for y in yours]
        _check_order_and_shape(name, checks, cases, mine, right, columns)
        evidence = Evidence(checks, name, cases, mine, right, len(shown), tolerance)
        if evidence.wrong:
            lines = [f"right: {', '.join(order[:done])}"] if done else []
            lines += evidence.report()
            said = sentences(evidence, checks, answer, columns)
            said = said or [
                "no pattern that is known here fits: redo the small example by hand, "
                "step by step"
            ]
            raise Wrong("\n".join(lines + [f"=> {line}" for line in said[:MOST_SENTENCES]]))
    return "\n".join([f"right: {', '.join(names)}, in {len(cases)} cases", *notes])


def right_outputs(checks, case):
    """The right outputs, a list of float64 arrays."""
    inputs = {n: v.copy() if isinstance(v, np.ndarray) else v for n, v in case.inputs.items()}
    with np.errstate(all="ignore"):
        result = checks.right(**inputs)
    return [
        np.asarray(r, np.float64) for r in (result if isinstance(result, tuple) else (result,))
    ]


def _check_twice(answer, case, names, before):
    """The same inputs must give the same outputs."""
    again = [np.asarray(a, np.float64) for a in unpack(call(answer, case), names)]
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(again, before)):
        raise Wrong(
            f"called twice with the same inputs, it gives two answers.\n=> It draws "
            f"random numbers of its own, or "
            f"remembers something from call to call. Use only the inputs: "
            f"{', '.join(case.inputs)}."
        )


def _check_order_and_shape(name, checks, cases, yours, right, columns):
    def known():
        for other, values in columns.items():
            if other != name and all(close(y, v) for y, v in zip(yours, values)):
                return (
                    f"It is what {other} should be: return {', '.join(checks.OUTPUTS)} in this "
                    f"order."
                )
        return row_of_another_shape(name, cases, yours, right, checks)

    check_shapes(name, checks.OUTPUTS[name], cases, yours, columns[name], known)
