"""What exercise 5 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

import minivae as mv
from check import Case, draw, examine_rule

HINTS = (
    "-x log p - (1 - x) log(1 - p) with p = sigmoid(l) is log(1 + exp(l)) - l x. Only the logarithm can overflow, and "
    "only for large l: "
    "take exp(l) out of it there.",
    "log(1 + exp(l)) = max(l, 0) + log(1 + exp(-|l|)), whose exponent is never positive. Its derivative is the sigmoid, "
    "so the gradient "
    "of one pixel is sigmoid(l) - x. Write the sigmoid with exp(-|l|), too: 1/(1 + e) for l >= 0 and e/(1 + e) below.",
    "nll = np.sum(np.maximum(l, 0) - l * x + np.log1p(np.exp(-np.abs(l))), axis=1). With e = np.exp(-np.abs(l)), the "
    "sigmoid is "
    "np.where(l >= 0, 1, e) / (1 + e). The gradient has one row per picture: its number g[b] multiplies row b, so g[:, "
    "None].",
)


def sig(l):
    return np.exp(-np.logaddexp(0, -l))


def check(answer):
    rng, cases = np.random.default_rng(5), []
    for s in ({"B": 1, "D": 1}, {"B": 1, "D": 1}, {"B": 2, "D": 1}, {"B": 1, "D": 2}, {"B": 2, "D": 2}, {"B": 2, "D": 3},
              {"B": 4, "D": 3}, {"B": 3, "D": 5}):
        cases.append(Case({"g": draw(rng, "B", s), "logits": draw(rng, "BD", s),
                           "x": np.round(rng.uniform(size=(s["B"], s["D"])), 1)}, **s))
    cases.append(Case({"g": np.ones(4), "logits": np.array([[0.0], [0.0], [20], [-20]]),
                       "x": np.array([[0.0], [1], [0], [1]])}, "logits of 0 and of 20", B=4, D=1))
    for size in (40.0, 1000.0):
        cases.append(Case({"g": np.array([1.0, -2, 0.5, 3]), "logits": size * np.array([[1.0], [1], [-1], [-1]]),
                           "x": np.array([[1.0], [0], [1], [0]])},
                          f"logits of {size:.0f} and -{size:.0f}: exp({size:.0f}) "
                          + ("overflows, and a sigmoid rounds to 0 or 1" if size > 700 else "is so large that a sigmoid "
                                                                                            "rounds to 1"), B=4, D=1))
    cell = lambda c: np.logaddexp(0, c.logits) - c.logits * c.x
    p = lambda c: sig(c.logits)
    clipped = lambda low: lambda c: -np.sum(c.x * np.log(np.clip(p(c), low, 1 - low)) + (1 - c.x)
                                            * np.log(np.clip(1 - p(c), low, 1 - low)), axis=1)
    added = lambda low: lambda c: -np.sum(c.x * np.log(p(c) + low) + (1 - c.x) * np.log(1 - p(c) + low), axis=1)
    G = lambda c: c.g[:, None]
    suspects = {
        "nll": {"a mean over the pixels: sum over them, and take no mean": lambda c: cell(c).mean(axis=1),
                "the sum over everything, in each entry: sum over the pixels of each picture": lambda c:
                    np.full(len(c.g), cell(c).sum()),
                "already multiplied by g: g belongs into the gradient alone": lambda c: c.g * cell(c).sum(axis=1),
                "black and white are exchanged: x and 1 - x": lambda c:
                    np.sum(np.logaddexp(0, c.logits) - c.logits * (1 - c.x), axis=1),
                "the sign of logits * x is wrong: a white pixel wants a large logit": lambda c:
                    np.sum(np.logaddexp(0, c.logits) + c.logits * c.x, axis=1),
                "half of it is missing: the term of the black pixels, (1 - x) log(1 - p)": lambda c:
                    np.sum(c.x * np.logaddexp(0, -c.logits), axis=1),
                "half of it is missing: the term of the white pixels, x log p": lambda c:
                    np.sum((1 - c.x) * np.logaddexp(0, c.logits), axis=1),
                "the exponent should be -|l|, and it is -l": lambda c:
                    np.sum(np.maximum(c.logits, 0) - c.logits * c.x + np.logaddexp(0, -c.logits), axis=1),
                "the exponent should be -|l|, and it is |l|": lambda c:
                    np.sum(np.maximum(c.logits, 0) - c.logits * c.x + np.logaddexp(0, np.abs(c.logits)), axis=1),
                "the part max(l, 0) is missing": lambda c:
                    np.sum(np.logaddexp(0, -np.abs(c.logits)) - c.logits * c.x, axis=1),
                "the 1 of log(1 + exp(-|l|)) is missing": lambda c:
                    np.sum(np.maximum(c.logits, 0) - c.logits * c.x - np.abs(c.logits), axis=1),
                "max(l, 0) is |l|": lambda c: np.sum(np.logaddexp(0, -np.abs(c.logits)) + np.abs(c.logits) - c.logits * c.x,
                                                     axis=1),
                "the sigmoid is missing: p and not the logit": lambda c:
                    -np.sum(c.x * np.log(np.abs(c.logits)) + (1 - c.x) * np.log(np.abs(1 - c.logits)), axis=1),
                "in bits and not in nats: the logarithm to base 2": lambda c: cell(c).sum(axis=1) / np.log(2),
                "the squared error, not the cross-entropy": lambda c: np.sum((p(c) - c.x) ** 2, axis=1),
                **{f"probabilities are clipped at {low:g}, which costs a large logit its price: work in logits":
                       clipped(low) for low in
                   (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)},
                **{f"{low:g} is added inside a logarithm, which changes the result: work in logits": added(low) for low in
                   (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)}},
        "g_logits": {"g is summed over the batch: row b counts g[b] times": lambda c: c.g.sum() * (p(c) - c.x),
                     "g is not used: multiply row b by g[b]": lambda c: p(c) - c.x,
                     "x is missing: this is g times the sigmoid alone": lambda c: G(c) * p(c),
                     "the logit and not its sigmoid": lambda c: G(c) * (c.logits - c.x),
                     "the gradient in the probability is due times sigmoid's slope; this is only the first": lambda c:
                         G(c) * (p(c) - c.x) / (p(c) * (1 - p(c))),
                     "the sigmoid's slope p (1 - p) is a factor too many: it has cancelled already": lambda c:
                         G(c) * (p(c) - c.x) * p(c) * (1 - p(c)),
                     "the sign of the logit inside the sigmoid is wrong": lambda c: G(c) * (sig(-c.logits) - c.x),
                     "the sigmoid of |l|: below 0 it is e/(1 + e)": lambda c: G(c) * (sig(np.abs(c.logits)) - c.x),
                     "the sigmoid of -|l|: from 0 on it is 1/(1 + e)": lambda c: G(c) * (sig(-np.abs(c.logits)) - c.x),
                     "a mean over the pixels: the nll is a sum, so nothing divides its gradient": lambda c:
                         G(c) * (p(c) - c.x) / c.x.shape[1],
                     "a mean over the batch: g says what each picture counts for": lambda c: G(c) * (p(c) - c.x) / len(c.x),
                     "x times something is missing or too many; this is g (p - 1) x": lambda c: G(c) * (p(c) - 1) * c.x},
    }
    total = lambda a: np.sum(a, axis=1)
    terms = {"nll": lambda c: {"sum log(1 + exp(l))": total(np.logaddexp(0, c.logits)), "sum l x": total(c.logits * c.x),
                               "sum l": total(c.logits),
                               "sum x": total(c.x), "sum x log(1 + exp(l))": total(c.x * np.logaddexp(0, c.logits)),
                               "D": np.full(len(c.x), c.x.shape[1])},
             "g_logits": lambda c: {"g sigmoid(l)": G(c) * p(c), "g x": G(c) * c.x, "g": G(c) + 0 * c.x,
                                    "g x sigmoid(l)": G(c) * c.x * p(c),
                                    "g l": G(c) * c.logits, "sigmoid(l)": p(c), "x": c.x}}
    return examine_rule(answer, cases, {"nll": "B", "g_logits": "BD"}, mv.bernoulli_nll, suspects, terms)
