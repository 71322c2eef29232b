"""The inputs on which an answer is tried, and the two things that can be said of it without
comparing numbers."""

import numpy as np

# Draws, examples and latents of an exercise on a bound: at first sizes of 1, in which little can be
# mixed up, at last one draw of many examples, from which the terms of a sum can be told apart.
DRAWS_BATCH_LATENTS = (
    (1, 1, 1),
    (1, 1, 2),
    (1, 2, 1),
    (2, 1, 1),
    (3, 1, 1),
    (2, 2, 2),
    (4, 3, 2),
    (3, 2, 5),
    (1, 40, 2),
    (1, 30, 3),
)


class Wrong(Exception):
    """What is wrong with an answer, in lines for the learner."""


class NotBegun(Exception):
    """The stub has not been replaced; carries its one-line hint."""


class Case:
    """The inputs of one call.

    inputs: {name: value}, in the order of the function's arguments.
    note: what is special about them, for the learner; "" for an ordinary case.
    sizes: by letter, such as B=2, Z=3.
    """

    def __init__(self, inputs, note="", **sizes):
        self.inputs = inputs
        self.note = note
        self.sizes = sizes

    @property
    def size(self):
        """How many numbers somebody who redoes the case by hand has to read."""
        return sum(np.size(value) for value in self.inputs.values())

    def __str__(self):
        sizes = ", ".join(f"{letter} = {n}" for letter, n in self.sizes.items())
        return "; ".join(part for part in (sizes, self.note) if part)


def draw(rng, shapes, **sizes):
    """{name: array} for shapes such as {"g": "B", "mu": "BZ"}: two digits behind the point, and no
    zero."""
    inputs = {}
    for name, letters in shapes.items():
        a = np.round(rng.normal(size=[sizes[letter] for letter in letters]), 2)
        inputs[name] = np.where(a == 0, 0.5, a)
    return inputs


def table(text):
    """{output: [(formula, sentence), ...]} from a table of mistakes.

    A line without indent names an output. Below it stand the mistakes, each a formula (indented by
    4) and, below that, the sentence (indented by 8); either may go on in the next line.
    """
    rows = {}
    formula, sentence = [], []
    name = None

    def finish():
        if formula:
            rows[name].append((" ".join(formula), " ".join(sentence)))
        formula.clear()
        sentence.clear()

    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            continue
        if indent == 0:
            finish()
            name = line
            rows[name] = []
        elif indent < 8:
            if sentence:
                finish()
            formula.append(line.strip())
        else:
            sentence.append(line.strip())
    finish()
    return rows
