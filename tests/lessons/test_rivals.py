"""Chapter 18's families draw what their log_prob says, and the judge can see; chapter 19's GAN."""

import copy
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

import minivae as mv
from workbench import adversaries, measure, rivals

LESSONS = Path(rivals.__file__).resolve().parents[1]
PICTURES = np.array(list(itertools.product([0.0, 1.0], repeat=4)))


def rng(k=0):
    return np.random.default_rng(k)


def some_digits():
    """Pictures of 4 pixels in which neighbours agree."""
    r = rng(1)
    left = r.random((300, 1)) < 0.4
    return (r.random((300, 4)) < np.where(left, 0.8, 0.15)).astype(float), left[:, 0].astype(int)


X, Y = some_digits()
MODELS = {
    "mixture": lambda: rivals.bernoulli_mixture(X, 3, rng(2)),
    "naive Bayes": lambda: rivals.naive_bayes(X, Y),
    "autoregressive": lambda: rivals.autoregressive(X, 3),
    "from the end": lambda: rivals.autoregressive(X, 3, backwards=True),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_drawn_is_what_the_probabilities_say(name):
    model = MODELS[name]()
    p = np.exp(model.log_prob(PICTURES))
    assert abs(p.sum() - 1) < 1e-6
    drawn = model.draw(20_000, rng(3)) @ [8, 4, 2, 1]
    share = np.bincount(drawn.astype(int), minlength=16) / 20_000
    assert np.all(np.abs(share - p) < 5 * np.sqrt(p / 20_000) + 1e-4)


def test_a_hidden_markov_model_draws_what_it_says():
    model = rivals.baum_welch(X, 3, rng(4), width=2)
    p = np.exp(model.log_prob(PICTURES))
    assert abs(p.sum() - 1) < 1e-6
    drawn = model.draw(20_000, rng(5), rows=2) @ [8, 4, 2, 1]
    share = np.bincount(drawn.astype(int), minlength=16) / 20_000
    assert np.all(np.abs(share - p) < 5 * np.sqrt(p / 20_000) + 1e-4)


def test_more_components_explain_the_training_pictures_better():
    values = [rivals.bernoulli_mixture(X, M, rng(6)).log_prob(X).mean() for M in (1, 2)]
    assert values[1] > values[0] + 0.1


def test_the_judge_sees_a_difference_and_no_difference():
    r = rng(7)
    real, other = (r.random((2, 600, 16)) < 0.3).astype(float)
    noise = (r.random((600, 16)) < 0.7).astype(float)
    alike = rivals.told_apart(real[:300], other[:300], real[300:], other[300:], 1)
    apart = rivals.told_apart(real[:300], noise[:300], real[300:], noise[300:], 1)
    assert abs(alike - 0.5) < 0.1 and apart > 0.95


@pytest.mark.parametrize("in_turn", [True, False])
def test_the_gan_of_chapter_19_moves_together_or_in_turn(in_turn):
    """One step by hand: in turn, D is shown what the generator draws after its own step."""
    x = np.random.default_rng(0).random((30, 64))
    G, D = adversaries.players(0, np.float64)
    chance = measure.rng(0, 3)
    z = chance.standard_normal((2, 100, 16))
    real = x[chance.integers(30, size=100)]
    old_G, old_D = copy.deepcopy(G), copy.deepcopy(D)
    (paid,) = adversaries.gan(G, D, x, 0, steps=1, lr=1e-2, in_turn=in_turn)
    with mv.no_grad():
        drawn = mv.sigmoid((G if in_turn else old_G)(z[1])).data
    loss_D = -np.log(mv.sigmoid(old_D(real))).mean() - np.log(1 - mv.sigmoid(old_D(drawn))).mean()
    loss_D.backward()
    assert paid == pytest.approx(loss_D.item(), rel=1e-12)
    slopes_D = [p.grad for p in old_D.parameters()]
    (-np.log(mv.sigmoid(old_D(mv.sigmoid(old_G(z[0]))))).mean()).backward()
    slopes_G = [p.grad for p in old_G.parameters()]
    for net, old, slopes in ((G, old_G, slopes_G), (D, old_D, slopes_D)):
        for p, before, slope in zip(net.parameters(), old.parameters(), slopes):
            clear = np.abs(slope) > 1e-5  # Adam's first step is lr times the sign of the slope
            step = (p.data - before.data)[clear]
            assert np.allclose(step, -1e-2 * np.sign(slope[clear]), rtol=1e-2)


def test_the_generator_comes_nearer_to_digits_and_the_discriminator_knows_them():
    x = mv.data.digits()[0][:500]
    G, D = adversaries.players(1)
    z = measure.rng(2).standard_normal((500, 16), np.float32)
    with mv.no_grad():
        raw = mv.sigmoid(G(z)).data
    adversaries.gan(G, D, x, 1, steps=150)
    with mv.no_grad():
        drawn = mv.sigmoid(G(z)).data
    away = [measure.distances(some, x).min(axis=1).mean() for some in (raw, drawn)]
    assert away[1] < 0.8 * away[0]
    assert adversaries.scores(D)(x).mean() > adversaries.scores(D)(raw).mean() + 1


def test_the_forward_algorithm_of_the_exercise_counts_every_sequence():
    sys.path.insert(0, str(LESSONS / "exercises"))
    import check

    solution = check.load(LESSONS / "solutions" / "ex16_forward_algorithm.py").log_probability
    for case in check.checks_of(LESSONS / "exercises" / "ex16_forward_algorithm.py").cases(rng()):
        log_b, first, move = case.inputs.values()
        B, T, S = log_b.shape
        if S**T > 5000:
            continue
        paths = np.array(list(itertools.product(range(S), repeat=T)))               # (S**T, T)
        log_path = np.log(first)[paths[:, 0]]
        for t in range(1, T):
            log_path = log_path + np.log(move)[paths[:, t - 1], paths[:, t]]
        seen = log_b[:, np.arange(T), paths].sum(axis=2)                            # (B, S**T)
        np.testing.assert_allclose(solution(log_b, first, move),
                                   np.logaddexp.reduce(log_path + seen, axis=1), rtol=1e-12)
