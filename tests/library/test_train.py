"""Training: fit is the loop by hand, its history tells the truth, and what is wrong is named."""

import numpy as np
import pytest
from small_runs import RNG, X, Y, bits, make, run

import minivae as mv

# The loop


def test_one_epoch_is_the_loop_by_hand():
    model, by_hand = make(), make()
    history = run(model, epochs=1)
    opt = mv.Adam(by_hand.parameters(), lr=1e-3)
    rng = RNG(2)
    total = 0.0
    order = rng.permutation(50)
    for i in range(0, 50, 16):
        opt.zero_grad()
        loss = by_hand.loss(X[order[i : i + 16]], rng)
        loss.backward()
        opt.step()
        total += len(order[i : i + 16]) * loss.item()
    assert bits(model) == bits(by_hand)
    assert history.loss[0] == pytest.approx(total / 50, rel=1e-12)


@pytest.mark.parametrize(
    "kind, extra",
    [(mv.Autoencoder, {}), (mv.VAE, {}), (mv.ConditionalVAE, {"n_classes": 3})],
)
def test_training_lowers_the_loss_and_history_adds_up(kind, extra):
    dark = X**4  # a start at grey 0.5 leaves much to gain
    y = Y if extra else None
    x_val = (dark[:9], Y[:9]) if extra else dark[:9]
    settings = {"lr": 1e-2, "epochs": 20, "batch_size": 16, "beta": 0.5, "rng": RNG(2)}
    history = mv.fit(make(kind, **extra), dark, y=y, x_val=x_val, **settings)
    assert history.loss[-1] < history.loss[0] - 0.3
    assert history.val_loss[-1] < history.val_loss[0] - 0.3
    total = np.array(history.nll) + 0.5 * np.array(history.kl)
    np.testing.assert_allclose(history.loss, total, rtol=1e-5)
    lists = (history.loss, history.nll, history.kl, history.val_loss, history.seconds)
    assert {len(values) for values in lists} == {20}
    assert (history.interrupted, history.stopped) == (False, False)


def test_validation_does_not_disturb_training_and_has_its_own_loss():
    a, b = make(), make()
    assert run(a).loss == run(b, x_val=X[:10]).loss and bits(a) == bits(b)
    c = make()
    history = run(c, epochs=1, x_val=X[:10])
    rng = RNG(2)
    rng.permutation(50)
    for i in range(0, 50, 16):
        rng.standard_normal((len(X[i : i + 16]), 2), np.float32)
    assert history.val_loss == [pytest.approx(c.loss(X[:10], rng).item(), rel=1e-6)]


def test_the_same_rngs_give_the_same_bits():
    a, b, c = make(), make(), make()
    assert run(a).loss == run(b).loss and bits(a) == bits(b)
    assert run(c, rng=3).loss != run(make()).loss


def test_beta_may_be_a_function_of_the_epoch():
    seen = []
    run(make(), epochs=3, beta=lambda epoch: seen.append(epoch) or 0.5)
    assert seen == [0, 1, 2]
    a, b = make(), make()
    assert run(a, beta=lambda epoch: 0.25).loss == run(b, beta=0.25).loss
    assert run(make(), beta=1.0).loss != run(make(), beta=0.25).loss


def test_an_optimiser_of_ones_own():
    model = make()
    run(model, optimizer=mv.SGD(model.parameters(), lr=0.0))
    assert bits(model) == bits(make())


def test_frozen_parameters_stay_as_they_are():
    model = make()
    frozen = model.encoder.parameters()
    before = [p.data.copy() for p in frozen]
    for p in frozen:
        p.requires_grad = False
    run(model)
    assert all(np.array_equal(p.data, old) for p, old in zip(frozen, before))
    assert bits(model) != bits(make())


def test_binarize_draws_pixels_anew_for_each_batch():
    seen = []

    class Spy(mv.VAE):
        def terms(self, x, rng):
            seen.append(x.copy())
            return super().terms(x, rng)

    half = np.full((32, 6), 0.5, np.float32)
    mv.fit(make(Spy), half, epochs=2, batch_size=32, rng=RNG(0), binarize=True)
    assert all(set(np.unique(x)) == {0, 1} for x in seen)
    assert not np.array_equal(seen[0], seen[1])


# The callback


def test_the_callback_sees_model_and_history_after_each_epoch():
    seen = []

    def callback(model, history):
        seen.append((model, len(history.loss), bits(model)))

    model = make()
    history = run(model, epochs=3, callback=callback)
    assert [(m is model, n) for m, n, _ in seen] == [(True, 1), (True, 2), (True, 3)]
    assert seen[-1][2] == bits(model) != seen[0][2]
    assert history.loss == run(make(), epochs=3).loss and not history.stopped


@pytest.mark.parametrize("answer", [True, np.True_])
def test_the_callback_ends_the_run_by_returning_true(answer):
    history = run(make(), callback=lambda model, history: len(history.loss) == 2 and answer)
    assert history.stopped and not history.interrupted and len(history.loss) == 2


@pytest.mark.parametrize("answer", [None, False, 1, "yes", [1]])
def test_other_answers_do_not_end_it(answer):
    history = run(make(), epochs=2, callback=lambda model, history: answer)
    assert len(history.loss) == 2 and not history.stopped


def test_true_after_the_last_epoch_is_not_an_early_end():
    assert not run(make(), epochs=2, callback=lambda _, history: len(history.loss) == 2).stopped


# Arguments


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"epochs": 0}, ValueError, "epochs must be an integer of at least 1, got 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be"),
        ({"batch_size": 2.5}, ValueError, "batch_size must be"),
        ({"every": 0}, ValueError, "every must be"),
        ({"rng": 0}, TypeError, "default_rng"),
        ({"y": Y}, ValueError, "VAE takes no labels"),
        ({"x_val": X[:, :3]}, ValueError, r"\(50, 3\).*\(B, 6\)"),
        ({"x_val": (X, Y)}, ValueError, "VAE takes no labels"),
        ({"x_val": [X, Y]}, ValueError, r"a list of 2: .* the pair x_val=\(x, y\)"),
        ({"x_val": (X,)}, ValueError, r"a tuple of 1: .* the pair x_val=\(x, y\)"),
        ({"beta": None}, ValueError, "beta must be a finite number.* got None"),
        ({"beta": "1"}, ValueError, "beta must be a finite number.* got '1'"),
        ({"beta": np.nan}, ValueError, "beta must be a finite number.* got nan"),
        ({"beta": lambda epoch: None}, ValueError, "a function of the epoch.* got None"),
        ({"optimizer": mv.Adam}, TypeError, r"optimizer=mv.Adam\(model.parameters\(\), lr=1e-3\)"),
        ({"optimizer": "adam"}, TypeError, r"optimizer=mv.Adam\(model.parameters\(\), lr=1e-3\)"),
        ({"callback": True}, TypeError, r"function of \(model, history\), got True"),
    ],
)
def test_bad_arguments_change_nothing(changes, error, message):
    model = make()
    arguments = {"epochs": 2, "batch_size": 16, "rng": RNG(2), **changes}
    with pytest.raises(error, match=message):
        mv.fit(model, X, **arguments)
    assert bits(model) == bits(make())


@pytest.mark.parametrize(
    "y, message",
    [
        (None, "pass y="),
        (Y[:9], "50 integers"),
        (Y.astype(str), r"50 integers.*np.unique\(y, return_inverse=True\)"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        run(make(mv.ConditionalVAE, n_classes=3), y=y)


def test_bad_data():
    bad = X.copy()
    bad[4, 5] = np.nan
    with pytest.raises(ValueError, match=r"x\[4, 5\] is nan"):
        mv.fit(make(), bad, epochs=1, rng=RNG(0))
    with pytest.raises(ValueError, match=r"\(50, 2, 3\).*x.reshape\(len\(x\), -1\)"):
        mv.fit(make(), X.reshape(50, 2, 3), epochs=1, rng=RNG(0))
    with pytest.raises(ValueError, match="x is a tuple of 2"):
        mv.fit(make(), (X, Y), epochs=1, rng=RNG(0))


# Numbers that are not finite


@pytest.mark.parametrize("term", ["nll", "kl"])
def test_a_loss_that_is_not_finite_is_named_and_the_parameters_stay(term):
    class Breaks(mv.VAE):
        calls, last = 0, None

        def terms(self, x, rng):
            nll, kl = super().terms(x, rng)
            self.calls += 1
            if self.calls == 6:  # epoch 2 of 4 batches, batch 2
                nll, kl = (nll * np.inf, kl) if term == "nll" else (nll, kl * np.inf)
                self.last = bits(self)
            return nll, kl

    model = make(Breaks)
    with pytest.raises(FloatingPointError, match=f"the {term} is not finite.*epoch 2, batch 2"):
        run(model)
    assert bits(model) == model.last


def test_a_gradient_that_is_not_finite_is_named_and_the_parameters_stay():
    @mv.primitive
    def explosive(x):
        return x, lambda g: g * np.inf

    class Breaks(mv.VAE):
        def decode(self, z):
            self.last = bits(self)
            return explosive(super().decode(z))

    model = make(Breaks)
    message = "gradient of encoder.0.weight is not finite at epoch 1, batch 1"
    with pytest.raises(FloatingPointError, match=message):
        run(model)
    assert bits(model) == model.last


def test_large_but_finite_gradients_pass():
    model = make(dtype=np.float32)

    @mv.primitive
    def steep(x):
        return x, lambda g: g * np.float32(1e25)  # its square overflows float32

    model.decode = lambda z: steep(mv.VAE.decode(model, z))
    run(model, epochs=1)


class Spy(mv.VAE):
    """Remembers what it was before each step."""

    def terms(self, x, rng):
        self.before = bits(self)
        return super().terms(x, rng)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("dtype, lr", [(np.float32, 1e39), (np.float32, 3e38), (np.float64, 1e308)])
@pytest.mark.parametrize("optimizer", [mv.SGD, mv.Adam])
def test_a_step_beyond_the_finite_numbers_is_not_taken(optimizer, dtype, lr):
    model = make(Spy, dtype=dtype)

    @mv.primitive
    def steep(x):
        return x, lambda g: g * dtype(1e3)

    model.decode = lambda z: steep(mv.VAE.decode(model, z))
    opt = optimizer(model.parameters(), lr=lr)
    with pytest.raises(FloatingPointError, match="parameters are those of the step before"):
        run(model, optimizer=opt)
    assert bits(model) == model.before
    assert all(np.isfinite(p.data).all() for p in model.parameters())
    assert all(np.isfinite(values).all() for values in opt.state.values())


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_step_that_fails_late_is_taken_back_too():
    """The first step is looked at, found small, and the next ones are trusted; but not when a
    callback may have changed lr, nor with a large gradient."""
    model = make(Spy)
    opt = mv.SGD(model.parameters(), lr=1e-3)

    def raise_lr(model, history):
        opt.lr = 1e39

    with pytest.raises(FloatingPointError, match="the step at epoch 2, batch 1 would make"):
        run(model, optimizer=opt, callback=raise_lr)
    assert bits(model) == model.before and opt.t == 4

    class Jumps(Spy):
        calls = 0

        def decode(self, z):
            self.calls += 1
            factor = np.float32(2e38 if self.calls == 3 else 1e-5)

            @mv.primitive
            def jump(x):
                return x, lambda g: g * factor

            return jump(super().decode(z))

    model = make(Jumps)
    with pytest.raises(FloatingPointError, match="the step at epoch 1, batch 3 would make"):
        run(model, beta=0, optimizer=mv.SGD(model.parameters(), lr=100.0))
    assert bits(model) == model.before and model.calls == 3


def test_nearly_all_steps_are_taken_without_a_copy():
    from minivae.checks.finite import Steps

    model = make()
    opt = mv.Adam(model.parameters())
    steps = Steps(opt)
    looks = []
    careful_step = steps._careful_step
    steps._careful_step = lambda where: looks.append(where) or careful_step(where)
    for i in range(1100):
        opt.zero_grad()
        model.loss(X[:4], RNG(i)).backward()
        steps.step(i)
    assert looks == [0, 1001]


def test_an_optimiser_that_nothing_is_known_of_is_looked_at_each_time():
    class Jumps(mv.SGD):
        def step(self):
            super().step()
            if self.t == 3:
                self.flat[0] = np.inf

    model = make(Spy)
    with pytest.raises(FloatingPointError, match="the step at epoch 1, batch 3 would make"):
        run(model, optimizer=Jumps(model.parameters(), lr=1e-3))
    assert bits(model) == model.before


def test_a_validation_loss_that_is_not_finite_ends_the_run():
    class Breaks(mv.VAE):
        def terms(self, x, rng):
            nll, kl = super().terms(x, rng)
            return (nll * np.inf if len(x) == 10 else nll), kl

    model, same = make(Breaks), make()
    with pytest.raises(FloatingPointError, match="x_val is not finite after epoch 1"):
        run(model, x_val=X[:10])
    run(same, epochs=1)
    assert bits(model) == bits(same)
