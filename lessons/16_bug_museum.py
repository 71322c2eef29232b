# %%
"""Lesson 16: the bug museum.

Nine VAE programs are trained before your eyes, and eight of them have a fault. You try to say
which is which from what everybody looks at: the loss and the pictures. Takes about 7 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import entropy_floor, finished, held_out, sheet, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from exhibits import FAULTS, PROGRAMS, Healthy

begin(__doc__)

# %% [markdown]
# ## The question
# A VAE with a fault in it still trains: a number falls, and pictures come out. Can you see that
# something is wrong? The eight faults, and where they have been met:
#
# 1. exp(logvar) is used as the standard deviation (three published VAEs at least)
# 2. the noise is drawn twice, forwards and again for the backward pass (a published NumPy VAE)
# 3. the nll is a mean over the pixels, the KL a sum over the latents (the commonest question to
#    authors of VAEs)
# 4. the KL has the wrong sign
# 5. the KL has lost its 1/2 (as in the essay's section 2)
# 6. the gradient of the last bias is summed over the wrong axis
# 7. training is right, but the test loss is taken at z = mu, without noise (an MNIST example)
# 8. log(sigmoid(l)) is computed in two steps, in place of one formula in the
#    [logits](GLOSSARY.md#logits) l
#
# **What you need:** [lesson 10](10_vae.py): the loss is the batch mean of [nll](GLOSSARY.md#nll)
# + [kl](GLOSSARY.md#kl), in [nats](GLOSSARY.md#nat) per picture,
# [eq. (10.3)](derivations/10_vae.md#eq-10-3).
#
# ## Nine trainings
# All nine have the same networks, data, first weights and noise; with three seeds each. Their
# code is in [exhibits.py](exhibits.py); look there *after* you have guessed.

# %%
EPOCHS, SEEDS = 12, range(3)
x, y = mv.data.digits()                                        # (1797, 64)


def train(kind, k):
    """The trained model, its training loss after each epoch, and the two parts of the data."""
    x_train, _, x_test, _ = held_out(x, y, 325, k)             # (1472, 64), (325, 64)
    model = kind(64, (64,), 4, activation="tanh", rng=rng(k))
    history = finished(mv.fit(model, x_train, epochs=EPOCHS, batch_size=64, lr=5e-3,
                              rng=rng(k, 1)))
    return model, np.array(history.loss), x_train, x_test


runs = {name: [train(kind, k) for k in SEEDS] for name, kind in PROGRAMS.items()}
hidden = [list(PROGRAMS)[i] for i in rng(16).permutation(9)]   # row A is hidden[0], and so on
print("Look at the figure, and write to each row the number of its fault, or 'healthy'.")

# %%
fig, axes = plt.subplots(9, 3, figsize=(10, 10), width_ratios=(1, 2, 2), layout="constrained")
for ax, letter, name in zip(axes, "ABCDEFGHI", hidden):
    model, losses, _, x_test = runs[name][0]
    ax[0].plot(np.arange(1, EPOCHS + 1), losses, color=mv.plot.COLOURS[0], linewidth=2)
    ax[0].set_ylabel(letter, rotation=0, fontsize=20, labelpad=16, va="center")
    ax[0].set_xticks([])
    if losses.min() < -1e4:
        ax[0].set_yscale("symlog")
        ax[0].set_yticks([0, -1e20])
    for column, pictures in zip(ax[1:], (model.reconstruct(x_test[:6]), model.sample(6, rng(5)))):
        sheet(column, pictures[None])
for ax, title in zip(axes[0], ("training loss", "six digits, rebuilt", "six draws from N(0, I)")):
    ax.set_title(title, fontsize=16)
fig.suptitle("Eight of these nine programs are wrong. Which one is right?", fontsize=18)
figure(fig, "16_bug_museum", width=600)

# %%
healthy = predict("Which row is the healthy program?",
                  **{letter: f"row {letter.upper()}" for letter in "abcdefghi"})
visible = predict("""A rebuilt digit that is more than a twentieth further from the original than
                  with the healthy program: for how many of the eight faults?""",
                  a="none", b="two", c="four", d="all eight")
lower = predict("""Each program reports its own test loss. Leave out 3 and 4, whose numbers are of
                another kind. How many of the other six report one that is lower, by half a nat,
                than the healthy program's?""", a="none", b="two", c="four")

# %% [markdown]
# ## The key
# 'Reported' is the test loss that the program itself prints. 'True' is what healthy code says of
# the same weights, `mv.evaluate.elbo` ([minivae/evaluate.py](../minivae/evaluate.py)), five draws
# of the noise for each picture. 'Rebuilt' is the distance of a picture from its reconstruction,
# and 'std' the mean standard deviation of the noise.

# %%
def seen(run, k):
    """Last training loss, reported and true test loss, distance of the rebuilt, std."""
    model, losses, _, x_test = run
    twin = Healthy(64, (64,), 4, activation="tanh")
    twin.load_state_dict(model.state_dict())
    reported = np.mean([model.test_loss(x_test, rng(k, 2, i)).mean() for i in range(5)])
    true = -mv.evaluate.elbo(twin, x_test, rng(k, 3), n_samples=5).mean()
    off = np.sqrt(((model.reconstruct(x_test) - x_test) ** 2).sum(axis=1)).mean()
    with mv.no_grad():
        std = np.exp(model.encode(x_test)[1].data / 2).mean()
    return losses[-1], reported, true, off, std


figures = {name: np.mean([seen(run, k) for k, run in enumerate(three)], axis=0)
           for name, three in runs.items()}                    # (5,) each: means over the seeds
table(["row", "program", "last loss", "reported", "true", "rebuilt", "std"],
      [["ABCDEFGHI"[hidden.index(name)], f"{name:21}", *(f"{v:.2f}" if abs(v) < 1e5 else f"{v:.0e}"
                                                         for v in row)]
       for name, row in figures.items()])

# %%
_, reported, true, off, _ = np.array(list(figures.values())).T                          # (9,) each
worse = int((off[1:] > 1.05 * off[0]).sum())
better = int((reported[[1, 2, 5, 6, 7, 8]] < reported[0] - 0.5).sum())
healthy.answer("abcdefghi"[hidden.index("healthy")], """Nobody can know. 6 and 8 leave no trace
    here, and 7 trains as the healthy one does, so four rows look alike. In 6 the decoder makes
    up for a bias that takes wrong steps; 8 goes off only where a logit is large.""")
visible.answer("c", """In 3 and 5 the code is too dear, so less of the picture is kept, in 3
    nothing. In 2 the noise is never lowered (std 1.00): its gradient is that of another noise,
    whose mean is 0. 4 is paid for driving its codes away. 1, 6, 7 and 8 rebuild as well as the
    healthy one.""")
lower.answer("b", """1 and 7. In 1 the noise is exp(logvar), less than the exp(logvar / 2) that
    its KL pays for; in 7 there is no noise at all. Neither has better weights.""")

# %%
FLOOR, NOTHING = entropy_floor(x), 64 * np.log(2)              # eq. (4.8), eq. (4.9)
curves = {name: [losses for _, losses, _, _ in runs[name]] for name in FAULTS}
odd = sum(all(c.min() < 0 or c[-1] > c[0] for c in curves[name]) for name in FAULTS)
outside = sum(all(not FLOOR < c[-1] < NOTHING for c in curves[name]) for name in FAULTS)
print(f"\nNo nll of these grey pictures is below {FLOOR:.1f} nats; who knows nothing pays "
      f"{NOTHING:.1f}.")
claim("-", "the loss curve gives a fault away",
      f"by its shape {odd} of 8; read in nats against what is possible {outside} of 8",
      "does not hold: nearly all fall smoothly to a plausible number", odd == 1 and outside == 2)
claim("-", "the pictures give a fault away",
      "reconstructions more than a twentieth worse than the healthy ones beside them: "
      f"{worse} of 8",
      "holds if the fault does harm and a healthy program is there to compare", worse == 4)
gain_1, gain_7, harm_1 = reported[0] - reported[1], reported[0] - reported[7], true[1] - true[0]
claim("-", "of two programs the one with the lower test loss is better",
      f"exp(logvar) as std reports {gain_1:.2f} ± 0.4 nats less than healthy, z = mu {gain_7:.2f} "
      f"± 0.3; in truth the first is {harm_1:.2f} ± 0.4 worse",
      "does not hold: a fault can flatter the number that is reported",
      better == 2 and gain_1 > 0.5 and gain_7 > 0.5 and harm_1 > 0.2)
end()

# %% [markdown]
# ## Your turn
# 1. Train five times as long: `EPOCHS = 60` (one minute). Do the rows that look alike part? What
#    becomes of the harm that 1 does?
# 2. Give the programs one latent: `(64,), 4,` becomes `(64,), 1,` in two places. How many faults
#    harm the pictures now?
#
# ## What you should see
# 1. They do not: 24.23 and 24.24 in the end. The healthy program has gained 1.0 nat; 1 has gained
#    0.9 and reports 1.7. Its std has fallen from 0.51 to 0.45, and the noise that it draws is
#    about the square of that: the longer it trains, the more it flatters itself.
# 2. Two: 3 and 4. With one latent the healthy program rebuilds badly, too, so 2 and 5 have little
#    to spoil. A fault shows where the program would otherwise be good. The lesson says that this
#    run differs.
