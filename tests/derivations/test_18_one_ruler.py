"""Chapter 18: the rival families, written for pictures of zeros and ones."""

import itertools
import math
import sys
from pathlib import Path
from statistics import stdev

import numpy as np
import pytest

import minivae as mv
from page import holds, page
from tools import LINE, close, integrate, lowest, normal, numeric, rng

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lessons"))

from workbench import rivals  # noqa: E402

PICTURES = np.array(list(itertools.product([0.0, 1.0], repeat=4)))  # all of 4 pixels
SHARES = np.array([0.5, 0.3, 0.2])
WHITE = np.array([[0.9, 0.2, 0.4, 0.7], [0.1, 0.6, 0.3, 0.2], [0.5, 0.8, 0.15, 0.35]])


def drawn(weights, white, n=40):
    """Training pictures (n, D) of a mixture, and the numbers of their components, 1, 2, ..."""
    r = rng()
    y = np.concatenate([np.arange(len(weights)), r.choice(len(weights), n - len(weights), p=weights)])
    return (r.random((n, white.shape[1])) < white[y]).astype(float), y + 1


def test_eq_18_1_a_mixture_of_bernoullis():
    model = rivals.Mixture(SHARES, WHITE)
    total = 0
    for x in PICTURES:
        # by hand: draw a class, then look at each pixel
        by_hand = sum(w * math.prod(p if on else 1 - p for p, on in zip(row, x))
                      for w, row in zip(SHARES, WHITE))
        holds("18.1", p_x=by_hand, pi=SHARES, p=WHITE, x=x)
        close(np.exp(model.log_prob(x[None]))[0], by_hand, 1e-7)
        total += page("18.1", 1)(pi=SHARES, p=WHITE, x=x)
    close(total, 1)
    pairs = [page("18.1", 1)(pi=SHARES, p=WHITE[:, :2], x=np.array(x)) for x in ([1, 1], [1, 0])]
    close(sum(pairs), SHARES @ WHITE[:, 0])


def classes_likelihood(p, x, y):
    return sum(np.log(np.where(row, p[k - 1], 1 - p[k - 1])).sum() for row, k in zip(x > 0, y))


def test_eq_18_2_counting_is_the_best_fit():
    x, y = drawn(SHARES, WHITE, 60)
    count = np.bincount(y)[1:]
    for c in (1, 2, 3):
        for d in range(1, 5):
            best = lowest(lambda p: -(x[y == c, d - 1].sum() * np.log(p)
                                      + (1 - x[y == c, d - 1]).sum() * np.log(1 - p)),
                          np.linspace(0.0005, 0.9995, 2001))[0][0]
            holds("18.2", 1, p=best, p_cd=best, N=count, x=x, y=y, c=c, d=d, tol=6e-4)
    found = np.array([page("18.2", 1)(N=60, N_c=count[c], c=c + 1) for c in range(3)])
    # no other shares have a higher likelihood
    for other in rng().dirichlet(np.ones(3), 200):
        assert count @ np.log(found) >= count @ np.log(other)
    model = rivals.fit_shares(x, np.eye(3)[y - 1], a=1e-9)
    close(model.weight, found)
    close(model.p[1, 2], page("18.2", 3)(N_c=count[1], x=x, y=y, c=2, d=3), 1e-7)


@pytest.mark.parametrize("a", [0.5, 1.0, 2.5])
def test_eq_18_3_as_if_some_had_been_seen_besides(a):
    x, y = drawn(SHARES, WHITE)
    u = np.linspace(0, np.pi, 20001)  # p = (1 - cos u) / 2 has no infinite ends
    p = np.clip((1 - np.cos(u)) / 2, 1e-300, 1 - 1e-16)
    for c, d in ((1, 1), (3, 2)):
        pixels = x[y == c, d - 1]
        weight = p ** (a - 1 + pixels.sum()) * (1 - p) ** (a - 1 + (1 - pixels).sum()) * np.sin(u)
        mean = integrate(p * weight, u) / integrate(weight, u)
        holds("18.3", tol=1e-6, p_cd=mean, a=a, x=x, y=y, c=c, d=d, N_c=(y == c).sum())
        close(rivals.fit_shares(x, np.eye(3)[y - 1], a).p[c - 1, d - 1], mean, 1e-6)


def test_eq_18_4_the_shares_of_a_picture():
    model = rivals.Mixture(SHARES, WHITE)
    for x in PICTURES:
        joint = [w * math.prod(np.where(x, row, 1 - row)) for w, row in zip(SHARES, WHITE)]
        for m in (1, 2, 3):
            holds("18.4", tol=1e-9, r_m_x=joint[m - 1] / sum(joint),
                  pi=SHARES, p=WHITE, x=x, m=m)
        log_joint = model.log_joint(x[None])[0]
        close(np.exp(log_joint - rivals.log_sum_exp(log_joint)), np.array(joint) / sum(joint), 1e-7)


def test_eq_18_5_one_step_of_em():
    x, _ = drawn(SHARES, WHITE)
    r = rng().dirichlet(np.ones(3), len(x))

    def q(p, pi):  # what EM maximises with the shares held fixed
        return np.sum(r * (np.log(pi) + x @ np.log(p).T + (1 - x) @ np.log(1 - p).T))
    p = np.array([[page("18.5", 1)(r=r, x=x, m=m, d=d) for d in range(1, 5)] for m in (1, 2, 3)])
    pi = np.array([page("18.5", 3)(r=r, N=len(x), m=m) for m in (1, 2, 3)])
    close(numeric(lambda p: q(p, pi), p), np.zeros((3, 4)), 1e-6)
    close(pi.sum(), 1)
    assert all(q(p, pi) >= q(p, other) for other in rng().dirichlet(np.ones(3), 200))
    model = rivals.fit_shares(x, r, a=1e-12)
    close(model.p, p)
    close(model.weight, pi)


def test_em_never_falls():
    x, _ = drawn(SHARES, WHITE, 200)
    a, share = 0.5, np.eye(4)[rng().permutation(200) % 4]
    values = []
    for _ in range(40):
        model = rivals.fit_shares(x, share, a)
        log_joint = model.log_joint(x)
        share = np.exp(log_joint - rivals.log_sum_exp(log_joint)[:, None])
        # with the counts that are added, as the page says
        values.append(model.log_prob(x).sum() + a * np.log(model.p * (1 - model.p)).sum())
    assert np.all(np.diff(values) > -1e-9) and values[-1] > values[0] + 1


# A hidden Markov model: 3 states, 3 rows of 2 pixels.

FIRST = np.array([0.5, 0.2, 0.3])
MOVE = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.05, 0.15, 0.8]])
PIXEL = np.array([[0.9, 0.3], [0.2, 0.6], [0.45, 0.05]])
MARKOV = rivals.HMM(FIRST, MOVE, PIXEL)
PATHS = list(itertools.product([1, 2, 3], repeat=3))
SIXES = np.array(list(itertools.product([0.0, 1.0], repeat=6)))  # all pictures of 3 rows


def row_probabilities(x):
    return np.array([[math.prod(np.where(row, p, 1 - p)) for p in PIXEL] for row in x.reshape(3, 2)])


def path_probability(x, path):
    """Step by step along one sequence of states."""
    b, total = row_probabilities(x), FIRST[path[0] - 1]
    for t, state in enumerate(path):
        total *= b[t, state - 1]
        if t < 2:
            total *= MOVE[state - 1, path[t + 1] - 1]
    return total


def by_enumeration(x, wanted=lambda path: True):
    return sum(path_probability(x, path) for path in PATHS if wanted(path))


def test_eq_18_6_a_picture_and_its_states():
    for x in SIXES[::5]:
        for path in PATHS:
            holds("18.6", p_xs=path_probability(x, path), pi=FIRST, A=MOVE,
                  b=row_probabilities(x), s=np.array(path), T=3)
    close(sum(page("18.6", 1)(pi=FIRST, A=MOVE, b=row_probabilities(x), s=np.array(path), T=3)
              for x in SIXES for path in PATHS), 1)


def alphas(x):
    """(3, 3), from the page's recursion."""
    b = row_probabilities(x)
    alpha = np.zeros((3, 3))
    alpha[0] = [page("18.7", 1)(pi=FIRST, b=b, i=i) for i in (1, 2, 3)]
    for t in (1, 2):
        alpha[t] = [page("18.7", 3)(b=b, alpha=alpha, A=MOVE, t=t, j=j) for j in (1, 2, 3)]
    return alpha


def test_eq_18_7_the_forward_recursion():
    for x in SIXES[::5]:
        alpha = alphas(x)
        for t in (1, 2, 3):
            for i in (1, 2, 3):
                # the first t rows only: later ones are summed out, which leaves the paths to t
                to_here = {path[:t] for path in PATHS if path[t - 1] == i}
                b = row_probabilities(x)
                right = sum(FIRST[p[0] - 1] * math.prod(b[k, s - 1] for k, s in enumerate(p))
                            * math.prod(MOVE[u - 1, v - 1] for u, v in zip(p, p[1:]))
                            for p in to_here)
                close(alpha[t - 1, i - 1], right)


def test_eq_18_8_the_sum_over_all_sequences():
    total = 0
    for x in SIXES:
        holds("18.8", p_x=by_enumeration(x), alpha=alphas(x), T=3)
        close(np.exp(MARKOV.log_prob(x[None]))[0], by_enumeration(x), 1e-7)
        total += by_enumeration(x)
    close(total, 1)


def test_eq_18_9_scaled_it_is_a_sum_of_logarithms():
    for x in SIXES[::5]:
        given_above = []  # each row's probability, given the rows above it
        for t in (1, 2, 3):
            same = [by_enumeration(o) for o in SIXES if np.all(o[:2 * t] == x[:2 * t])]
            above = [by_enumeration(o) for o in SIXES if np.all(o[:2 * t - 2] == x[:2 * t - 2])]
            given_above.append(sum(same) / sum(above))
        holds("18.9", p_x=by_enumeration(x), c=np.array(given_above))


def betas(x):
    b, beta = row_probabilities(x), np.ones((3, 3))
    for t in (2, 1):
        beta[t - 1] = [page("18.10", 1)(A=MOVE, b=b, beta=beta, t=t, i=i) for i in (1, 2, 3)]
    return beta


def test_eq_18_10_where_it_was():
    for x in SIXES[::5]:
        p = by_enumeration(x)
        for t, i in itertools.product((1, 2, 3), (1, 2, 3)):
            there = by_enumeration(x, lambda path: path[t - 1] == i) / p
            holds("18.10", 1, gamma=lambda *_: there, alpha=alphas(x), beta=betas(x), p_x=p, t=t, i=i)


def test_eq_18_11_which_moves_it_made():
    for x in SIXES[::9]:
        p, symbols = by_enumeration(x), {"alpha": alphas(x), "beta": betas(x), "A": MOVE}
        for t, i, j in itertools.product((1, 2), (1, 2, 3), (1, 2, 3)):
            moved = by_enumeration(x, lambda path: path[t - 1:t + 1] == (i, j)) / p
            holds("18.11", xi=lambda *_: moved, b=row_probabilities(x), p_x=p, t=t, i=i, j=j, **symbols)


def test_a_step_of_baum_welch_counts_what_enumeration_counts():
    x = SIXES[[3, 17, 17, 42, 60, 5, 31]]
    first, moved = np.zeros(3), np.zeros((3, 3))
    white, owned = np.zeros((3, 2)), np.zeros(3)
    for picture in x:
        p = by_enumeration(picture)
        for path in PATHS:
            weight = path_probability(picture, path) / p
            first[path[0] - 1] += weight
            for t, state in enumerate(path):
                owned[state - 1] += weight
                white[state - 1] += weight * picture.reshape(3, 2)[t]
            for u, v in zip(path, path[1:]):
                moved[u - 1, v - 1] += weight
    step = rivals.baum_welch_step(MARKOV, x, a=1e-9, moves=1e-9)
    close(step.first, first / 7, 1e-7)
    close(step.move, moved / moved.sum(axis=1, keepdims=True), 1e-7)
    close(step.pixel, white / owned[:, None], 1e-7)
    values = [step.log_prob(x).sum()]
    for _ in range(20):
        step = rivals.baum_welch_step(step, x, a=1e-9, moves=1e-9)
        values.append(step.log_prob(x).sum())
    assert np.all(np.diff(values) > -1e-6) and values[0] > MARKOV.log_prob(x).sum()


# Autoregressive, and decoders.

def test_eq_18_12_a_product_of_conditionals():
    W = np.triu(rng().normal(size=(4, 4)), 1)
    b = np.array([0.3, -0.5, 0.1, 0.8])
    model = rivals.Autoregressive(W, b)
    total = 0
    for x in PICTURES:
        p = 1
        for d in range(4):
            white = 1 / (1 + math.exp(-b[d] - sum(x[i] * W[i, d] for i in range(d))))
            p *= white if x[d] else 1 - white
        logits = np.array([page("18.12", 3)(b=b, x=x, W=W, d=d) for d in (1, 2, 3, 4)])
        holds("18.12", 0, p_x=p, x=x, l=logits)
        close(np.exp(model.log_prob(x[None]))[0], p)
        total += p
    close(total, 1)
    open_mask = W + np.tril(np.ones((4, 4)))  # without the mask the sum is not 1
    assert abs(np.exp(rivals.Autoregressive(open_mask, b).log_prob(PICTURES)).sum() - 1) > 0.05


def logits_of(z):
    """A decoder from one latent to 3 logits, (3, ...)."""
    return np.stack([3 * np.tanh(z + 0.3), 1 - 2 * np.sin(z), 0.5 * z - 0.4])


THREES = np.array(list(itertools.product([0.0, 1.0], repeat=3)))


def by_quadrature(x, kappa=1.0):
    """By Gauss and Hermite's rule, in place of the page's trapezoids."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    white = 1 / (1 + np.exp(-kappa * logits_of(nodes)))
    return weights @ np.prod(np.where(x[:, None] > 0, white, 1 - white), axis=0) / weights.sum()


def test_eq_18_13_a_decoder_read_as_a_density():
    total = 0
    for x in THREES:
        holds("18.13", tol=1e-6, p_x=by_quadrature(x), x=x, l=logits_of(LINE), z=LINE, p=normal)
        total += page("18.13", 1)(x=x, l=logits_of(LINE), z=LINE, p=normal)
    close(total, 1)


@pytest.mark.parametrize("kappa", [0.0, 0.3, 0.8])
def test_eq_18_14_softened(kappa):
    for x in THREES:
        by_page = page("18.14", 1)(x=x, l=logits_of(LINE), z=LINE, p=normal, kappa=kappa)
        close(by_page, by_quadrature(x, kappa), 1e-6)
        if kappa == 0:
            close(by_page, 1 / 8, 1e-6)


def test_the_grid_of_two_latents_is_a_density():
    net = mv.MLP((2, 8, 4), "tanh", np.float32, rng())
    model = rivals.Decoder(net, side=80)
    assert abs(np.exp(model.log_prob(PICTURES)).sum() - 1) < 1e-9
    z = rng().standard_normal((400_000, 2))
    logits = net(mv.Tensor(z.astype(np.float32))).data.astype(float)
    for x in PICTURES[::5]:
        p = np.exp(-mv.bernoulli_nll(logits, np.tile(x, (len(z), 1))))
        assert abs(np.exp(model.log_prob(x[None]))[0] - p.mean()) < 5 * p.std() / len(z) ** 0.5
    soft = np.exp(model.softened(0.0).log_prob(PICTURES))
    close(soft, np.full(16, 1 / 16))


def test_random_z_do_as_well_as_the_grid():
    net = mv.MLP((2, 8, 4), "tanh", np.float32, rng())
    grid, free = rivals.Decoder(net), rivals.Decoder(lambda z: net(z[:, :2]), 3, rng())
    close(free.log_prob(PICTURES), grid.log_prob(PICTURES), 0.01)
    low, high = rivals.bracket(free, 200, rng())
    assert low <= high < low + 0.01


def test_eq_18_15_a_blend_costs_little():
    r = rng()
    for _ in range(200):
        p, q, a = r.random(3) ** 4
        holds("18.15", p_x=p, q_x=q, a=a)
    # and no smaller cost will do: it is reached where q is 0
    close(page("18.15", 0)(p_x=0.3, q_x=0, a=0.01), page("18.15", 1)(p_x=0.3, a=0.01))


def test_eq_18_16_the_error_of_a_difference():
    r = rng()
    a = r.normal(size=9)
    b = 0.8 * a + 0.3 * r.normal(size=9)
    by_hand = stdev(a - b) / 3
    symbols = {"a": a, "b": b, "n": 9, "Cov": lambda a, b: np.cov(a, b)[0, 1]}
    holds("18.16", SE=lambda v: stdev(v) / len(v) ** 0.5, **symbols)
    close(page("18.16", 1)(SE=lambda v: stdev(v) / len(v) ** 0.5, **symbols), by_hand**2)


def test_eq_18_17_worked_number():
    holds("18.17", p_x=0.19)
    model = rivals.HMM(np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([[0.8], [0.3]]))
    close(np.exp(model.log_prob(np.array([[1.0, 0.0]])))[0], page("18.17", 1)())
    second = [np.exp(model.log_prob(np.array([[on, 1.0]])))[0] for on in (0.0, 1.0)]
    close(sum(second), 0.575)  # as the page says
    close(math.log(0.19), -1.661, 5e-4)
