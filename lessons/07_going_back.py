# %%
"""Lesson 07, fourth part: a VAE that goes back.

You put a VAE on the best decoder there is, train it, and watch the exact log p(x) beside its
bound. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, finished, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# In [the third part](07_which_way.py) a decoder of one number went back while L_b rose, because q
# could not have the shape of the posterior. There each step was worked out on paper. Does a VAE,
# trained by Adam on noisy gradients, do so too?
#
# **What you need:** [the third part](07_which_way.py): log p(x) = L_b + gap, so L_b also rises
# where the decoder makes the gap smaller,
# [eq. (7.11)](derivations/07_elbo.md#eq-7-11).

# %%
path = predict("""A linear VAE with two latents and one pixel starts from the decoder with the
               largest log p(x), and from the best q for it. You train it for 150 epochs. What does
               its log p(x) do?""",
               a="it stays where it is", b="it falls, and stays below",
               c="it falls, and comes back")

# %% [markdown]
# ## The same model as an mv.VAE
# x = w1 z1 + w2 z2 + noise of variance 0.25; the decoder has one freedom more than before, two
# weights. Then p(x) is a Gaussian of variance w1² + w2² + 0.25, so log p(x) is known exactly
# ([eq. (6.9)](derivations/06_mixtures.md#eq-6-9)), and so is L_b, without drawing noise: the mean
# of the squared error over z has a closed form
# ([eq. (5.10)](derivations/05_noise.md#eq-5-10)).

# %%
V, NOISE = 2.0, 0.25
w = np.sqrt((V - NOISE) / 2)                                   # 2 w² + noise = V, the best
a = w * w / NOISE
c, s = w / NOISE / (1 + 2 * a), -np.log(1 + a)                 # the best q: mean c x, logvar s
START = {"encoder.0.weight": np.array([[c, c, 0, 0]]), "encoder.0.bias": np.array([0, 0, s, s]),
         "decoder.0.weight": np.full((2, 1), w), "decoder.0.bias": np.zeros(1)}


def exact(model, x):
    """L_b, log p(x), w1 and w2; means over the data, in nats."""
    W, b = (p.data for p in model.decoder.parameters())        # (2, 1), (1,)
    mu, logvar = (t.data for t in model.encode(x))             # (n, 2)
    error = (x - mu @ W - b) ** 2 + np.exp(logvar) @ W**2      # (n, 1)  eq. (5.10)
    nll = 0.5 * (np.log(2 * np.pi * NOISE) + error[:, 0] / NOISE)
    variance = np.sum(W**2) + NOISE
    log_px = -0.5 * (np.log(2 * np.pi * variance) + (x - b) ** 2 / variance)
    return -np.mean(nll + mv.gaussian_kl(mu, logvar)), np.mean(log_px), *W[:, 0]


def followed(k, epochs=150):
    """Rows (L_b, log p, w1, w2) before each epoch: (epochs, 4)."""
    x = rng(k).normal(size=(512, 1))
    x = (x - x.mean()) / x.std() * V**0.5                      # mean 0, variance 2
    model = mv.VAE(1, (), 2, likelihood="gaussian", decoder_logvar=float(np.log(NOISE)),
                   dtype=np.float64, rng=rng(k))
    model.load_state_dict(START)
    adam, rows, chance = mv.Adam(model.parameters(), lr=5e-3), [], rng(k, 1)
    for _ in range(epochs):
        rows.append(exact(model, x))
        finished(mv.fit(model, x, epochs=1, rng=chance, optimizer=adam, progress=False))
    return np.array(rows)

# %%
paths = np.array([followed(k) for k in range(4)])              # (4, 150, 4)
low = np.array([rows[rows[:, 1].argmin()] for rows in paths])  # where log p(x) is lowest, (4, 4)
first, end_of = paths[:, 0], paths[:, -1]
print("\nExact values, nats per example:")
table(["seed", "when", "L_b", "log p(x)", "w1", "w2"],
      [[k, when, *(f"{v:.3f}" for v in rows[k])] for k in range(4)
       for when, rows in (("start", first), ("lowest log p(x)", low), ("150 epochs", end_of))])

# %%
path.answer("c", """It goes back, as the exact steps did, and then finds a way out: once one weight
    is near 0 only the other latent explains x, nothing is correlated any more, and the gap closes.
    A linear decoder can turn so without loss. For others there need be no such way.""")

# %%
fig, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
for k, rows in enumerate(paths):
    ax.plot(rows[:, 1], color=mv.plot.COLOURS[2], linewidth=2, label=None if k else "log p(x)")
    ax.plot(rows[:, 0], "--", color=mv.plot.COLOURS[0], linewidth=2, label=None if k else "L_b")
ax.set_xlabel("epoch", fontsize=14)
ax.set_ylabel("nats per example", fontsize=14)
ax.tick_params(labelsize=12)
ax.legend(fontsize=15, loc="lower right")
ax.set_title("From the best decoder: the bound rises, the model gets worse", fontsize=15)
figure(fig, "07_going_back")
fall, rise = first[0, 1] - low[:, 1].mean(), (low[:, 0] - first[:, 0]).mean()
claim("§2", "in a VAE the decoder can only go forward, never back",
      f"mv.VAE from the best decoder, four seeds: L_b up by {rise:.3f} ± 0.04 while log p(x) down "
      f"by {fall:.3f} ± 0.03",
      "does not hold: where q leaves a gap, the decoder may go back to close it",
      np.all(low[:, 1] < first[:, 1] - 0.03) and np.all(low[:, 0] > first[:, 0] + 0.05)
      and np.all(end_of[:, 1] > first[:, 1] - 0.01))
end()

# %% [markdown]
# ## Your turn
# 1. Begin where there is no gap to close: all on one latent, so in `START` the encoder's weight
#    `[[c1, 0, 0, 0]]`, its bias `[0, 0, s1, 0]` and the decoder's weight `[[w1], [0]]`, with w1 =
#    1.323, c1 = 0.661 and s1 = -2.079. Does log p(x) still fall?
# 2. Let the steps be twenty times larger, `lr=0.1`. Does it still go back first?
#
# ## What you should see
# 1. No. It stays, but for the noise of the gradients: with one latent in use nothing is correlated
#    in the posterior, and a q with independent latents fits it exactly.
# 2. It does, and deeper, to -1.92: larger steps go further before the way out is found.
