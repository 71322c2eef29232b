"""Exercise 5, the cross-entropy from logits: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, draw, table

HINTS = (
    """-x log p - (1 - x) log(1 - p) with p = sigmoid(l) is log(1 + exp(l)) - l x. Only the
    logarithm can overflow, and only for large l: take exp(l) out of it there.""",
    """log(1 + exp(l)) = max(l, 0) + log(1 + exp(-|l|)), whose exponent is never positive. Its
    derivative is the sigmoid, so the gradient of one pixel is sigmoid(l) - x. Write the sigmoid
    with exp(-|l|), too: 1/(1 + e) for l >= 0 and e/(1 + e) below.""",
    """nll = np.sum(np.maximum(l, 0) - l * x + np.log1p(np.exp(-np.abs(l))), axis=1). With e =
    np.exp(-np.abs(l)), the sigmoid is np.where(l >= 0, 1, e) / (1 + e). The gradient has one row
    per picture: its number g[b] multiplies row b, so g[:, None].""",
)

INPUTS = {"g": "B", "logits": "BD", "x": "BD"}
OUTPUTS = {"nll": "B", "g_logits": "BD"}


def cases(rng):
    for B, D in ((1, 1), (1, 1), (2, 1), (1, 2), (2, 2), (2, 3), (4, 3), (3, 5)):
        c = draw(rng, INPUTS, B=B, D=D)
        c["x"] = np.round(rng.uniform(0.05, 0.95, size=(B, D)), 2)  # grey
        yield Case(c, B=B, D=D)
    yield Case(draw(rng, INPUTS, B=2, D=2) | {"x": np.array([[0.0, 1], [1, 0]])}, B=2, D=2)
    yield Case(
        draw(rng, INPUTS, B=2, D=2)
        | {"logits": np.zeros((2, 2)), "x": np.array([[0.0, 1], [0.3, 0.5]])},
        "logits of 0",
        B=2,
        D=2,
    )
    for size in (9.0, 12.0, 20.0, 40.0, 1000.0):
        for white, what in ((1.0, "agree with the pixel"), (0.0, "contradict it")):
            logits = size * np.array([[1.0], [-1]])
            x = np.array([[white], [1 - white]])
            yield Case(
                {"g": np.array([1.0, -2]), "logits": logits, "x": x},
                f"logits of {size:g} and -{size:g} that {what}",
                B=2,
                D=1,
            )
    yield Case(
        {
            "g": np.array([1.0, -2, 0.5]),
            "logits": np.array([[1000.0, -1000], [30, -30], [-1000, 1]]),
            "x": np.array([[0.25, 0.5], [0.75, 0.1], [0.5, 0.5]]),
        },
        "logits from -1000 to 1000, grey pixels",
        B=3,
        D=2,
    )


def right(g, logits, x):
    e = np.exp(-np.abs(logits))
    nll = np.sum(np.maximum(logits, 0) - logits * x + np.log1p(e), axis=1)
    sigmoid = np.where(logits >= 0, 1, e) / (1 + e)
    return nll, g[:, None] * (sigmoid - x)


def names(g, logits, x):
    def softplus(l):
        return np.logaddexp(0, l)

    def sigmoid(l):
        return np.exp(-np.logaddexp(0, -l))

    p = sigmoid(logits)

    def nll_of(p, q):
        """From probabilities of white and of black."""
        return -np.sum(x * np.log(p) + (1 - x) * np.log(q), axis=1)

    def clipped(low):
        return nll_of(np.clip(p, low, 1 - low), 1 - np.clip(p, low, 1 - low))

    return {
        "softplus": softplus,
        "sigmoid": sigmoid,
        "p": p,
        "q": 1 - p,
        "G": g[:, None],
        "nll_of": nll_of,
        "clipped": clipped,
        "row": lambda a: np.sum(a, axis=1),
        "l": logits,
        "clip": np.clip,
    }


CLIPPED = [
    (
        f"clipped({low:g})",
        f"probabilities are clipped at {low:g}, and large logits lose "
        f"their price: work in logits",
    )
    for low in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)
]
ADDED = [
    (
        f"nll_of(p + {low:g}, q + {low:g})",
        f"{low:g} is added inside of the logarithms, and changes them: work in logits",
    )
    for low in (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)
]
CUT = [
    (
        f"row(softplus(clip(l, -{most}, {most})) - clip(l, -{most}, {most}) * x)",
        f"the logits are clipped at {most}, and larger ones lose their price",
    )
    for most in (8, 10, 15, 20, 30, 50, 100)
]

MISTAKES = table("""
nll
    np.sum(softplus(l) - l * x, axis=0)
        this is summed over the pictures: over the pixels, axis 1, is due
    nll / D
        this is a mean over the pixels, and a sum is due
    nll * g
        it is multiplied by g already: g belongs into the gradient alone
    row(softplus(l) - l * (1 - x))
        black and white are exchanged: x and 1 - x
    row(softplus(l) + l * x)
        the sign of logits * x is wrong: a white pixel wants a large logit
    row(x * softplus(-l))
        half of it is missing: the term of the black pixels, (1 - x) log(1 - p)
    row((1 - x) * softplus(l))
        half of it is missing: the term of the white pixels, x log p
    row(np.maximum(l, 0) - l * x + np.log1p(np.exp(-l)))
        the exponent is -l, and -|l| is due
    row(np.maximum(l, 0) - l * x + np.log1p(np.exp(np.abs(l))))
        the exponent is |l|, and -|l| is due
    row(np.log1p(np.exp(-np.abs(l))) - l * x)
        the part max(l, 0) is missing
    row(np.log1p(np.exp(-np.abs(l))) + np.abs(l) - l * x)
        |l| stands where max(l, 0) is due
    row(np.maximum(l, 0) - l * x - np.abs(l))
        the 1 of log(1 + exp(-|l|)) is missing
    row(np.maximum(l, 0) - l * x)
        log(1 + exp(-|l|)) is missing
    row(np.log1p(np.exp(l)) - l * x)
        log(1 + exp(l)) is computed as it stands, and exp(1000) overflows: eq. (4.5)
    nll_of(p, q)
        it is computed from the sigmoid, which rounds to 0 or 1 for large logits: work in logits
    nll / np.log(2)
        it is in bits, and not in nats: the logarithm to base 2
    row((p - x)**2)
        this is the squared error, and not the cross-entropy

g_logits
    np.sum(g) * (p - x)
        g is summed over the batch: row b counts g[b] times
    p - x
        g is missing: multiply row b by g[b]
    G * p
        x is missing: this is g times the sigmoid alone
    G * (x - p)
        the sign is flipped: sigmoid(l) - x is due
    G * (l - x)
        the logit itself stands where its sigmoid is due
    G * (p - x) / (p * (1 - p))
        this is the gradient in the probability: that in the logit has the factor p (1 - p) besides
    G * (p - x) * p * (1 - p)
        the sigmoid's slope p (1 - p) is a factor too many: it has cancelled
    G * (sigmoid(-l) - x)
        the sign of the logit inside the sigmoid is wrong
    G * (sigmoid(np.abs(l)) - x)
        this has the sigmoid of |l|: below 0 it is e/(1 + e)
    G * (sigmoid(-np.abs(l)) - x)
        this has the sigmoid of -|l|: from 0 on it is 1/(1 + e)
    G * ((l > 0) - x)
        the sigmoid is rounded to 0 and 1
    g_logits / D
        this is divided by the number of pixels, and nll is their sum
    g_logits / B
        this is divided by the size of the batch: what a picture counts is said by g
    G * (np.exp(l) / (1 + np.exp(l)) - x)
        exp(l) overflows: write the sigmoid with exp(-|l|)
""")
MISTAKES["nll"] += CLIPPED
MISTAKES["nll"] += ADDED
MISTAKES["nll"] += CUT

TERMS = {
    "nll": {
        "sum log(1 + exp(l))": "row(softplus(l))",
        "sum l x": "row(l * x)",
        "sum l": "row(l)",
        "sum x": "row(x)",
        "sum x log(1 + exp(l))": "row(x * softplus(l))",
        "sum |l|": "row(np.abs(l))",
        "D": "D",
    },
    "g_logits": {
        "g sigmoid(l)": "G * p",
        "g x": "G * x",
        "g": "G",
        "g x sigmoid(l)": "G * x * p",
        "g l": "G * l",
        "sigmoid(l)": "p",
        "x": "x",
    },
}
