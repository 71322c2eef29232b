"""Exercise 16, the forward algorithm: its hints, its inputs, the right answer, and mistakes by
name."""

import numpy as np

from machinery.cases import Case, table

HINTS = (
    """alpha[j] is the probability of all rows so far and of being in state j now. In the first row
    it is first[j] times the row's probability in state j. That is eq. (18.7).""",
    """A row further: to be in j one must have been in some i and have moved. So add up alpha[i] *
    move[i, j] over i, which is alpha @ move, and multiply by the *new* row's probability. After the
    last row add up alpha over the states.""",
    """Take the largest log_b of each row out before exp, and add it to the result. After each row
    divide alpha by its sum over the states, and add the logarithm of that sum to the result: the
    last sum needs no line of its own then, eq. (18.9).""",
)

INPUTS = {"log_b": "BTS", "first": "S", "move": "SS"}
OUTPUTS = {"log_p": "B"}


def cases(rng):
    for B, T, S in (
        (1, 1, 2),
        (2, 1, 3),
        (1, 2, 2),
        (1, 2, 3),
        (2, 2, 2),
        (1, 3, 2),
        (2, 3, 3),
        (3, 4, 2),
        (2, 5, 4),
    ):
        yield _case(rng, B, T, S)
    for note, B, T, away in (
        ("every probability of a row underflows: exp(-1000) is 0", 2, 3, -1000.0),
        ("each row has about exp(-20), and 60 of them underflow", 1, 60, -20.0),
    ):
        c = _case(rng, B, T, 2)
        c.inputs["log_b"] = c.inputs["log_b"] + away
        yield Case(c.inputs, note, **c.sizes)
    c = _case(rng, 2, 2, 2)
    c.inputs["log_b"] = c.inputs["log_b"] + np.array([0.0, -1000.0])[:, None, None]
    yield Case(c.inputs, "the second picture has far smaller probabilities than the first", **c.sizes)


def _case(rng, B, T, S):
    def shares(*shape):
        p = np.round(rng.dirichlet(np.full(S, 2.0), size=shape) * 0.8 + 0.2 / S, 2)
        p[..., -1] += 1 - p.sum(axis=-1)
        return np.round(p, 2)

    log_b = np.round(-0.2 - 2.5 * rng.uniform(size=(B, T, S)), 2)
    return Case({"log_b": log_b, "first": shares(), "move": shares(S)}, B=B, T=T, S=S)


def right(log_b, first, move):
    top = np.max(log_b, axis=2, keepdims=True)
    b = np.exp(log_b - top)
    log_p = np.sum(top[:, :, 0], axis=1)
    before = first
    for t in range(log_b.shape[1]):
        alpha = before * b[:, t]
        scale = np.sum(alpha, axis=1, keepdims=True)
        log_p = log_p + np.log(scale[:, 0])
        before = alpha / scale @ move
    return log_p


def names(log_b, first, move):
    """F: the algorithm, with what is given in place of the right first, move and log_b; lse and
    largest: over states, in logarithms; step(how): the recursion with how in place of lse."""

    def lse(a, axis):
        top = a.max(axis=axis, keepdims=True)
        return (top + np.log(np.exp(a - top).sum(axis=axis, keepdims=True))).squeeze(axis)

    def largest(a, axis):
        return a.max(axis=axis)

    def everything(a, axis):
        return a.sum(axis=axis)

    def step(how, last=lse, first=first, move=move, log_b=log_b):
        a = np.log(first) + log_b[:, 0]
        for t in range(1, log_b.shape[1]):
            a = log_b[:, t] + how(a[:, :, None] + np.log(move), 1)
        return last(a, 1)

    def F(first=first, move=move, log_b=log_b):
        return step(lse, lse, first, move, log_b)

    rows = np.arange(log_b.shape[1])
    empty = log_b.copy()
    empty[:, 0] = 0
    return {
        "F": F,
        "step": step,
        "lse": lse,
        "largest": largest,
        "everything": everything,
        "late": log_b[:, np.maximum(rows - 1, 0)],
        "empty": empty,
        "but_last": log_b[:, : max(len(rows) - 1, 1)],
    }


MISTAKES = table("""
log_p
    F(move=move.T)
        move is transposed: it leads from the row's state to the column's, so it is alpha @ move
    F(first=np.ones(S))
        the initial state is forgotten: alpha begins with first times the first row
    F(first=np.full(S, 1 / S))
        all initial states count alike: alpha begins with first times the first row
    F(first=first @ move)
        a move is made before the first row: the first state is drawn with first alone
    F(log_b=empty)
        the first row is missing: alpha begins with first times the first row's probability
    F(log_b=late)
        the emission is that of the wrong row: after the move the new row's probability is due, and
        not that of the row before
    F(log_b=log_b[:, ::-1])
        the rows are read from the last to the first
    F(log_b=but_last)
        the last row is missing
    F(move=np.eye(S))
        the state never moves: alpha @ move is missing
    F(move=np.ones((S, S)))
        the moves are not weighted: alpha is added up over the states without move
    F(move=np.tile(first, (S, 1)))
        each row's state is drawn with first: after the first row it is move that says where
    step(largest, largest)
        this is the likeliest sequence of states alone, Viterbi's answer: add up over the states in
        place of taking the largest
    step(largest)
        in the recursion the largest term stands in place of the sum over the states one comes from
    step(lse, largest)
        at the end the largest alpha is taken: add up over the last states
    step(everything)
        in the recursion the terms are multiplied over the states one comes from (their logarithms
        added up): their sum is due
    step(lse, everything)
        at the end the alphas are multiplied over the states (their logarithms added up): their sum
        is due
    log_p - np.log(S)
        this is the mean over the last states: their sum is due
    np.exp(log_p)
        this is p(x) itself, and its logarithm is due
    -log_p
        the sign is flipped: this is the cost -log p(x)
    log_p / T
        it is divided by the number of rows
    log_p - F(log_b=log_b[:, :1])
        the first scale is missing: the logarithm of the first alpha's sum belongs to it
    F(log_b=log_b - log_b.max(axis=2, keepdims=True))
        the largest log_b of each row was taken out before exp, and not put back
    np.log(np.exp(log_p))
        the probabilities themselves are computed, and they underflow to 0: scale alpha after each
        row, and take the largest log_b out before exp
    np.full(B, log_p.sum())
        this is the sum over the pictures: one number for each is due
    np.full(B, log_p.mean())
        this is the mean over the pictures: one number for each is due
""")
