"""What to say when a NumPy function meets a Tensor and has no rule."""

INSTEAD = {
    "average": "np.sum(w * x) / np.sum(w)",
    "column_stack": "np.stack([x, y], axis=1)",
    "cosh": "(np.exp(x) + np.exp(-x)) / 2",
    "cumsum": "np.tril(np.ones((n, n))) @ x for x of shape (n,) or (n, m)",
    "diag": "x[np.arange(n), np.arange(n)], or x * np.eye(n)",
    "diff": "x[1:] - x[:-1]",
    "einsum": "@, * and np.sum, or np.swapaxes before an @",
    "exp2": "np.exp(x * np.log(2))",
    "flip": "x[::-1]",
    "hstack": "np.concatenate([x, y], axis=1), with axis=0 for vectors",
    "inner": "x @ np.swapaxes(y, -1, -2), or x @ y for vectors",
    "linalg.norm": "np.sqrt(np.sum(x**2))",
    "linalg.trace": "np.sum(x * np.eye(n))",
    "log10": "np.log(x) / np.log(10)",
    "log2": "np.log(x) / np.log(2)",
    "matvec": "A @ x",
    "outer": "x[:, None] * y",
    "prod": "np.exp(np.sum(np.log(x))) for positive x",
    "ptp": "np.max(x) - np.min(x)",
    "reciprocal": "1 / x",
    "repeat": "x[np.repeat(np.arange(n), times)]",
    "roll": "x[np.roll(np.arange(n), shift)]",
    "sinh": "(np.exp(x) - np.exp(-x)) / 2",
    "sort": "x[np.argsort(x)]",
    "split": "slices such as x[:n] and x[n:]",
    "take": "x[indices]",
    "tan": "np.sin(x) / np.cos(x)",
    "tensordot": "np.reshape, and then @",
    "tile": "np.concatenate([x] * times)",
    "trace": "np.sum(x * np.eye(n))",
    "vecdot": "np.sum(x * y, axis=-1)",
    "vstack": "np.concatenate([x, y]), or np.stack([x, y]) for vectors",
}


def no_rule(name, known):
    """The sentence for np.name: what to write instead, or else which functions have a rule.

    name: as after 'np.', such as linalg.norm. known: the names that have a rule.
    """
    if name in INSTEAD:
        return f"np.{name} has no rule for Tensors: write {INSTEAD[name]}"
    return (
        f"np.{name} has no rule for Tensors. These have one: {', '.join(sorted(known))}. "
        f"A rule of your own takes five lines: see minivae.primitive"
    )
