# %%
"""Lesson 19, second part: when both move.

You let two players take gradient steps against each other, together and in turn, and do the same to
the two nets of a GAN and to the two halves of a VAE. Takes about 20 s.
"""
from workbench import adversaries, begin, claim, end, figure, held_out, predict, rivals
from workbench import rng, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# In a [GAN](GLOSSARY.md#gan) two networks are trained against each other, and usually one stands
# still while the other moves. In a VAE encoder and decoder move together. The essay counts that
# against the GAN. Is standing still a drawback, and would it be one for a VAE?
#
# **What you need:** gradient descent, [lesson 3](03_ravine.py); [part 1](19_learned_measure.py).

# %%
path = predict("""One player owns x and lowers xy, the other owns y and raises it; both take small
               gradient steps, from the point (1, 0). The balance is at (0, 0). Where does the
               point go if they move at the same time?""",
               a="to the balance, in a spiral", b="round the balance, for ever",
               c="away from it, in a spiral")
turns = predict("""And if they move in turn, each seeing what the other has done?""",
                a="to the balance, in a spiral", b="round the balance, for ever",
                c="away from it, in a spiral")
vae = predict("""A VAE's encoder and decoder are trained in turn: a step of one, on one batch, then
              a step of the other on the next. What does that do to the test loss?""",
              a="nothing", b="it is as if it had been trained for half as many batches",
              c="it does not settle: the two chase each other")

# %% [markdown]
# ## The smallest game
# Moved together, x' = x - ηy and y' = y + ηx, so each step multiplies the distance from the
# balance by the same factor, [eq. (19.5)](derivations/19_the_other_road.md#eq-19-5). Moved in turn,
# y' = y + ηx', and another quantity does not change at all,
# [eq. (19.6)](derivations/19_the_other_road.md#eq-19-6):
#
# $$ r' = \sqrt{1 + \eta^2}\; r, \qquad x'^2 + y'^2 - \eta x' y' = x^2 + y^2 - \eta x y $$

# %%
ETA, STEPS = 0.1, 400


def played(in_turn):
    """The points (x, y) of the game, by the engine's gradients: (STEPS + 1, 2)."""
    x, y = (mv.Tensor(np.array(start), requires_grad=True) for start in (1.0, 0.0))
    points = [(1.0, 0.0)]
    for _ in range(STEPS):
        x.grad = y.grad = None
        (x * y).backward()
        x.data -= ETA * x.grad
        if in_turn:
            y.grad = None
            (x * y).backward()                                 # y sees the new x
        y.data += ETA * y.grad
        points.append((x.item(), y.item()))
    return np.array(points)

# %%
together, in_turn = played(in_turn=False), played(in_turn=True)
radius = np.hypot(*together.T)
kept = np.sum(in_turn**2, axis=1) - ETA * in_turn[:, 0] * in_turn[:, 1]
print(f"\nTogether: the distance grows by {(radius[-1] / radius[0]) ** (1 / STEPS):.6f} a step; "
      f"sqrt(1 + eta²) is {np.sqrt(1 + ETA**2):.6f}")
print(f"In turn: x² + y² - eta x y stays between {kept.min():.12f} and {kept.max():.12f}")
print(f"In turn, the mean of all points: ({in_turn[:, 0].mean():.3f}, {in_turn[:, 1].mean():.3f})")
path.answer("c", """Each runs after where the other was. The steps go along the tangent of a circle,
    and a tangent leads outwards.""")
turns.answer("b", """Seeing the other's move turns the spiral into a closed path. It does not arrive
    either, but its mean lies at the balance, which is one reason to average a GAN's weights over
    its last steps.""")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
for ax, points, title in zip(axes, (together, in_turn), ("together: away", "in turn: round")):
    ax.plot(*points.T, "-", color=mv.plot.COLOURS[0], linewidth=1.5)
    ax.plot(*points[0], "o", color=mv.plot.COLOURS[1], markersize=10, label="start")
    ax.plot(*points.mean(axis=0), "X", color=mv.plot.COLOURS[2], markersize=12, label="mean")
    ax.plot(0, 0, "+", color="black", markersize=16, markeredgewidth=2, label="balance")
    ax.set_aspect("equal")
    ax.set_title(title, fontsize=16)
    ax.set_xlabel("x lowers xy", fontsize=14)
    ax.tick_params(labelsize=12)
axes[0].set_ylabel("y raises xy", fontsize=14)
axes[1].legend(fontsize=13, loc="lower center", bbox_to_anchor=(0.5, 0.1))
figure(fig, "19_both_move")

# %% [markdown]
# ## The same with a GAN, and with a VAE
# A GAN of digits ([workbench/adversaries.py](workbench/adversaries.py)) is trained either way, and
# a judge looks at its drawings: how often does it rank an unseen digit above a new drawing?
# A VAE's encoder and decoder are no adversaries, both lower the same loss: no one is chased.

# %%
x, y = mv.data.digits()                                        # (1797, 64)


def looks_of_gan(k, in_turn):
    """0.5 if its drawings pass for digits, 1 if they never do."""
    x_train, _, x_test, _ = held_out(x, y, 360, k)
    G, D = adversaries.players(k)
    adversaries.gan(G, D, x_train, k, in_turn=in_turn)
    with mv.no_grad():
        drawn = mv.sigmoid(G(rng(k, 5).standard_normal((2000, 16), np.float32))).data
    return rivals.told_apart(x_train, drawn[:1500], x_test, drawn[1500:], k)


def trained_vae(k, batches, alternate):
    """The test loss in nats, after this many batches of 64."""
    x_train, _, x_test, _ = held_out(x, y, 360, k)
    model = mv.VAE(64, (100,), 8, rng=rng(k))
    halves = [mv.Adam(part.parameters(), lr=2e-3) for part in (model.encoder, model.decoder)]
    chance = rng(k, 1)
    for step in range(batches):
        rows = chance.integers(len(x_train), size=64)
        for p in model.parameters():
            p.grad = None
        model.loss(x_train[rows], chance).backward()
        moving = [halves[step % 2]] if alternate else halves
        for adam in moving:
            adam.step()
    return -mv.evaluate.elbo(model, x_test, rng(k, 2), n_samples=5).mean()

# %%
ways = {"together, 1,000 batches": (1000, False), "in turn, 1,000 batches": (1000, True),
        "together, 500 batches": (500, False)}
losses = {name: np.array([trained_vae(k, *way) for k in range(4)]) for name, way in ways.items()}
print("\nTest loss of a VAE, nats, four seeds (mean and range):")
table(["", "loss"], [[name, spread(values)] for name, values in losses.items()])
looks = {way: np.array([looks_of_gan(k, way) for k in range(3)]) for way in (True, False)}
print(f"Looks of a GAN's drawings, three seeds (0.5: as digits): in turn {spread(looks[True])}, "
      f"together {spread(looks[False])}")
vae.answer("b", """In turn, each half has moved in 500 of the 1,000 batches, and that is what one
    sees. The half that stands still loses its step and nothing else.""")

# %%
whole, turned, half = (values.mean() for values in losses.values())
claim("§6", "in a GAN one side stands still while the other moves, in a VAE both move: the VAE is "
      "the finer idea",
      f"x y, 400 steps: distance together {radius[-1]:.2f}, in turn {np.hypot(*in_turn[-1]):.2f}; "
      f"a VAE in turn {turned:.2f} ± 0.15 nats, together {whole:.2f} ± 0.15, with half the batches "
      f"{half:.2f} ± 0.15; a GAN's looks (0.5: as digits) in turn {looks[True].mean():.2f} ± 0.08, "
      f"together {looks[False].mean():.2f} ± 0.04",
      "does not hold as a drawback: adversaries that move together drift apart, in turn they do "
      "not; and the GAN in turn draws better after as many steps",
      abs(radius[-1] - (1 + ETA**2) ** (STEPS / 2)) < 1e-9 and np.ptp(kept) < 1e-12
      and abs(turned - half) < 0.3 and turned > whole + 0.2
      and looks[True].mean() + 0.05 < looks[False].mean())
end()

# %% [markdown]
# ## Your turn
# 1. Let y take two steps for each step of x: `y.data += 2 * ETA * y.grad`. (A GAN's discriminator
#    often gets more steps.) Where does the point go?
# 2. Add a little friction: x lowers xy + x²/10, so `x.data -= ETA * (x.grad + 0.2 * x.data)`. And
#    now, in turn and together?
#
# ## What you should see
# 1. It moves on an ellipse now, twice as long as wide: still round. Together the distance grows
#    twice as fast, by 1.010 a step.
# 2. Both arrive: together the distance is 0.14 after 400 steps, in turn 0.02. A little of what one
#    player wants by itself is enough. The lesson says that this run differs.
