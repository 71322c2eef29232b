# %%
"""Lesson 19, fourth part: forgeries.

You train discriminators on forged digits, and see what they have learned: what a digit is, or what
this forger does. Takes about 15 s.
"""
from workbench import adversaries, begin, claim, distances, end, figure, held_out, predict
from workbench import ranked_above, rng, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# How good is a picture? A person would write down a measure, say, the distance to the nearest real
# one. The essay finds it better to train the measure, as a GAN does. Is it better? And what has a
# discriminator learned: what a digit is?
#
# **What you need:** [a measure that is learned](19_learned_measure.py), and that a picture drawn
# from a VAE is grainy where its mean is smooth, [lesson 13](13_blur.py).

# %%
near = predict("""Three forgers: one averages two digits of different classes, one shows a VAE's
               means, one its grainy drawings, every pixel black or white. Which of them does the
               distance to the nearest real digit find out least?""",
               a="the averages", b="the VAE's means", c="the grainy drawings")
grain = predict("""A discriminator was trained to tell real digits from the grainy drawings. Now it
                is shown averages of two digits. How does it rank them?""",
                a="below nearly all real digits", b="below half of them: it cannot say",
                c="above nearly all real digits")

# %% [markdown]
# ## The forgers
# Digits have 17 shades of grey; the averages and the means are smooth, the drawings are grainy.

# %%
def forgeries(x, y, vae, n, k):
    """n of each kind, (n, 64): made from the digits x of classes y, or drawn by the VAE."""
    chance = rng(k, 4, n)
    i, j = chance.integers(len(x), size=(2, 4 * n))
    means, p = vae.pixels(chance.standard_normal((2 * n, 8), np.float32)).reshape(2, n, 64)
    return {"averages": ((x[i] + x[j]) / 2)[y[i] != y[j]][:n], "VAE means": means,
            "grainy drawings": mv.data.binarize(p, chance)}

# %% [markdown]
# ## The measures
# A discriminator gives a logit, large for 'real'. One is trained against each forger, paying
# log(1 + exp(-l)) for a real digit and log(1 + exp(l)) for a forged one, which is the cross-entropy
# of [eq. (19.4)](derivations/19_the_other_road.md#eq-19-4).

# %%
def discriminator(real, forged, k, steps=600):
    """Trained to tell them apart; the function that gives its logits, (n, 64) -> (n,)."""
    D, chance = mv.MLP((64, 64, 64, 1), "relu", rng=rng(k, 5)), rng(k, 6)
    adam = mv.Adam(D.parameters())
    for step in range(steps):
        adam.lr = 2e-3 * (1 - step / steps)
        a, b = (x[chance.integers(len(x), size=100)] for x in (real, forged))
        adam.zero_grad()
        (mv.softplus(-D(a)).mean() + mv.softplus(D(b)).mean()).backward()
        adam.step()
    return adversaries.scores(D)

# %% [markdown]
# One more has learned in a [GAN](GLOSSARY.md#gan), against a *generator* that learned, too: in
# turn each takes a step, and the generator is paid for being taken for real,
# [eq. (19.12)](derivations/19_the_other_road.md#eq-19-12). The loop is
# [25 lines](workbench/adversaries.py). It never saw any of the three forgers.

# %%
x, y = mv.data.digits()                                        # (1797, 64), (1797,)
ranks = {}
for k in range(3):
    x_train, y_train, x_test, y_test = held_out(x, y, 360, k)
    vae = trained(mv.VAE, x_train, k, 100, hidden_dims=(100,), latent_dim=8, activation="tanh")
    G, D = adversaries.players(k)
    adversaries.gan(G, D, x_train, k)
    measures = {"distance to the nearest": lambda a: -distances(a, x_train).min(axis=1),
                "GAN's discriminator": adversaries.scores(D)}
    for name, some in forgeries(x_train, y_train, vae, 1437, k).items():
        measures["trained on " + name] = discriminator(x_train, some, k)
    new = forgeries(x_test, y_test, vae, 1000, k)
    for name, score in measures.items():
        ranks.setdefault(name, []).append(
            [ranked_above(score(x_test), score(some)) for some in new.values()])
ranks = {name: np.array(rows) for name, rows in ranks.items()}             # (3 runs, 3 forgers)
print("\nHow often is an unseen digit ranked above a new forgery? Three runs (mean and range)")
table(["", *new], [[name, *(spread(column) for column in rows.T)] for name, rows in ranks.items()])

# %%
mean = {name: rows.mean(axis=0) for name, rows in ranks.items()}
far, own, fooled = (mean[name] for name in ("distance to the nearest", "GAN's discriminator",
                                            "trained on grainy drawings"))
near.answer("b", f"""{far[1]:.2f}, where 0.5 would be no better than chance. A mean is the least
    distant guess, so smooth pictures lie near many digits. Grain is far from everything.""")
grain.answer("c", f"""A digit is ranked above an average {fooled[0]:.2f} of the time. This net has
    learned that digits have greys and forgeries have none, and an average has many. It knows what
    its forger does, not what a digit is. The GAN's has a forger that mends whatever it is blamed
    for, so it has to learn more.""")
claim("§6", "a trained measure is better than one that a person thinks of",
      "digit ranked above averages, VAE means, grainy drawings: GAN's discriminator "
      + ", ".join(f"{value:.2f} ± 0.04" for value in own) + "; distance to the nearest "
      + ", ".join(f"{value:.2f} ± 0.04" for value in far),
      "holds of smooth forgeries, not of grainy ones",
      np.all(own[:2] > far[:2] + 0.02) and own[2] < far[2])
claim("-", "a discriminator learns what a picture is",
      f"trained on grainy drawings it ranks a digit above an average {fooled[0]:.2f} ± 0.04, above "
      f"a VAE's mean {fooled[1]:.2f} ± 0.03 of the time",
      "does not hold: it learns what its forger does", fooled[:2].max() < 0.2)

# %%
fig, ax = plt.subplots(figsize=(8.6, 5.6), layout="constrained")
ax.imshow(list(mean.values()), cmap="RdBu", vmin=0, vmax=1, extent=(0, 3, 5, 0), aspect="auto")
for row, (name, values) in enumerate(mean.items()):
    ax.text(-0.05, row + 0.5, name, ha="right", va="center", fontsize=15)
    for column, value in enumerate(values):
        dark = abs(value - 0.5) > 0.35
        ax.text(column + 0.5, row + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=17,
                color="white" if dark else "black")
for column, (name, pictures) in enumerate(new.items()):
    ax.text(column + 0.5, -1.05, name, ha="center", va="bottom", fontsize=15)
    for i in range(3):
        left = column + 0.04 + i * 0.32
        ax.imshow(pictures[i].reshape(8, 8), cmap="gray", extent=(left, left + 0.28, -0.1, -0.95),
                  aspect="auto")
ax.set(xlim=(-1.5, 3), ylim=(5, -1.5))
ax.axis("off")
ax.set_title("How often a digit is ranked above a forgery (0.5: chance)", fontsize=16)
figure(fig, "19_forgeries")
end()

# %% [markdown]
# ## Your turn
# 1. Train on all forgers at once: let `forgeries(...)` return a fourth kind, `"all": some`, where
#    `some` are the three kinds one after another (np.concatenate). Whom does that one find out?
# 2. Stop the GAN early: `adversaries.gan(G, D, x_train, k, 100)`. What does its discriminator know?
#
# ## What you should see
# 1. All of them: 0.97, 0.99, 0.95. It finds out what it has seen; nobody can show it everything.
# 2. Little: 0.61, 0.49, 0.66. What it knows it has from its forger, who has only begun to learn.
