"""Values as text for the learner: short, and enough to redo a small example by hand."""

import numpy as np

import minivae as mv

ENTRIES = 12  # larger arrays are shown by one entry


def show(value):
    """The value in one line; a large array by its shape, a dict by its keys."""
    if isinstance(value, np.ndarray) and value.size > ENTRIES:
        return f"<array {value.shape}>"
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        digits = 7 if value.size == 1 else 5
        text = np.array2string(
            value, separator=", ", formatter={"float_kind": lambda v: f"{v:.{digits}g}"}
        )
        return " ".join(text.split())
    if isinstance(value, dict) and any(isinstance(v, np.ndarray) for v in value.values()):
        return "{" + ", ".join(f"{key} {np.shape(v)}" for key, v in value.items()) + "}"
    return " ".join(repr(value).split())[:200]


def shown(case):
    return ", ".join(
        f"{name} = {show(value)}" for name, value in case.inputs.items() if not callable(value)
    )


def describe(value):
    """What kind of thing this is, for 'it must return ..., and it returned ...'."""
    if value is None:
        return "None (does the function end with a `return`?)"
    if isinstance(value, mv.Tensor):
        return f"a Tensor of shape {value.shape} (these are plain arrays: use NumPy, no mv.Tensor)"
    if isinstance(value, np.ndarray):
        unusual = f" and dtype {value.dtype}" if value.dtype.kind not in "fiu" else ""
        return f"an array of shape {value.shape}{unusual}"
    if isinstance(value, (tuple, list)):
        kinds = [type(v).__name__ for v in value[:4]]
        if len(value) > 4:
            kinds.append("...")
        return f"a {type(value).__name__} of {len(value)} ({', '.join(kinds)})"
    if callable(value):
        return "a function (was it not called?)"
    return f"the {type(value).__name__} {value!r}"[:80]


def compared(name, yours, right, off):
    """Two lines, the learner's output and the right one; a third where they print alike. off:
    which entries are wrong."""
    if yours.size <= ENTRIES:
        at, mine, due = "", show(yours), show(right)
    else:
        index = tuple(int(i) for i in np.argwhere(off)[0])
        at, mine, due = str(list(index)), f"{yours[index]:.7g}", f"{right[index]:.7g}"
    lines = [f"  your {name}{at}: {mine}", f"  right{' ' * len(name + at)}: {due}"]
    if mine == due:
        lines.append(
            f"  they print alike; the largest difference is {np.abs(yours - right).max():.2g}"
        )
    return lines
