# %%
"""Lesson 18, second part: reading a picture row by row.

A hidden Markov model reads digits down their rows. You will add up over more sequences of states
than could ever be counted. Takes about 10 s.
"""
from workbench import begin, claim, end, figure, predict, rivals, rng, sheet, spread, table

import itertools

import matplotlib.pyplot as plt
import numpy as np

begin(__doc__)

# %% [markdown]
# ## The question
# The third family that the essay names is the hidden Markov model (HMM). It was made for speech:
# something hidden moves from state to state, and each state utters something. Our digits have 8
# rows of 8 pixels; let each row be an utterance. With 64 states there are 64⁸ ways in which a digit
# may have come about. How can they be added up, and does this model explain digits well?
#
# **What you need:** [the first part](18_mixtures.py): EM, and nats per unseen picture.

# %%
better = predict("""Unseen digits, learnt from 1,437: a mixture of 64 components with 4,159
                 parameters, or an HMM of 64 states with 4,607. Which explains them better?""",
                 a="the HMM, since it can combine rows in new ways",
                 b="about the same", c="the mixture, since it sees the picture as a whole")
viterbi = predict("""Somebody saves work: instead of adding up over the states one may come from, he
                  takes the likeliest only. What do the probabilities of all pictures add up to?""",
                  a="still 1", b="more than 1", c="less than 1")

# %% [markdown]
# ## The forward recursion
# The picture and its states together have the probability
# [eq. (18.6)](derivations/18_one_ruler.md#eq-18-6): a first state, its row, a move, the next row.
# To add up over all sequences, let alpha be the probability of the rows so far *and* of being in
# state i now. Sequences that meet in a state have the same future, so they are added up at once,
# [eq. (18.7)](derivations/18_one_ruler.md#eq-18-7):
#
# $$ \alpha_{t+1,j} = b_{t+1,j} \sum_i \alpha_{ti} A_{ij} $$
#
# and p(x) is the sum of the last alpha, [eq. (18.8)](derivations/18_one_ruler.md#eq-18-8).

# %%
def emissions(rows, white):
    """b (T, S): the probability of each row (T, W) in each state, whose pixels are white (S, W)."""
    return np.where(rows[:, None] > 0, white, 1 - white).prod(axis=2)   # (T, S)


def forward(rows, first, move, white):
    """log p(x) of one picture; alpha is scaled after each row, eq. (18.9)."""
    b = emissions(rows, white)
    alpha = first * b[0]                                                # (S,)  eq. (18.7)
    log_p = 0.0
    for t in range(1, len(rows)):
        log_p += np.log(alpha.sum())
        alpha = b[t] * (alpha / alpha.sum() @ move)                     # (S,)  a row further
    return log_p + np.log(alpha.sum())


def one_by_one(rows, first, move, white):
    """log p(x), by adding up over every sequence of states, eq. (18.6)."""
    b, total = emissions(rows, white), 0.0
    for s in itertools.product(range(len(first)), repeat=len(rows)):
        steps = [move[s[t - 1], s[t]] * b[t, s[t]] for t in range(1, len(rows))]
        total += first[s[0]] * b[0, s[0]] * np.prod(steps)
    return np.log(total)

# %%
S = 3                                                    # a tiny one: 3 states, 3 rows of 3 pixels
first, move = rng(1).dirichlet(np.ones(S)), rng(2).dirichlet(np.ones(S), S)
white = rng(3).uniform(0.1, 0.9, (S, 3))
tiny = [np.reshape(bits, (3, 3)) for bits in itertools.product([0, 1], repeat=9)]
by_forward = np.array([forward(rows, first, move, white) for rows in tiny])             # (512,)
by_paths = np.array([one_by_one(rows, first, move, white) for rows in tiny])
apart = np.abs(by_forward - by_paths).max()
total = np.exp(by_forward).sum()
print(f"\nAll 512 pictures of 3 x 3: forward and one by one differ by at most {apart:.0e} nats")
print(f"The 512 probabilities add up to {total:.12f}")
print(f"A digit, 64 states: forward {8 * 64**2:,} products, one by one {64**8:,} sequences")
claim("-", "the probability of a picture can be had without counting the hidden sequences",
      f"forward recursion against all sequences: equal to 1e-12 nats in 512 pictures, and their "
      f"probabilities add up to {total:.3f} ± 0.001", "holds",
      apart < 1e-12 and abs(total - 1) < 1e-12)

# %% [markdown]
# With max in place of the sum over i: Viterbi's recursion, for the likeliest sequence of states.
# %%
def likeliest(rows, first, move, white):
    """The largest log p(x, s) over all sequences of states s."""
    b = emissions(rows, white)
    alpha = first * b[0]
    for t in range(1, len(rows)):
        alpha = b[t] * (alpha[:, None] * move).max(axis=0)              # (S,)  max, not a sum
    return np.log(alpha.max())


by_max = np.array([likeliest(rows, first, move, white) for rows in tiny])
print(f"\nWith max for the sum, the 512 'probabilities' add up to {np.exp(by_max).sum():.2f}")
viterbi.answer("c", """All the other ways to come by the picture are dropped. It is a lower bound of
    p(x), and nats computed with it are too few.""")

# %% [markdown]
# ## Learning: EM again
# In which state was each row? Bayes' rule, with what lies above the row (alpha) and what lies below
# it (beta, [eq. (18.10)](derivations/18_one_ruler.md#eq-18-10)), gives each state its share of the
# row; then one counts, as for a mixture, and counts the moves, too
# ([eq. (18.11)](derivations/18_one_ruler.md#eq-18-11)). Its name is Baum and Welch's algorithm,
# `baum_welch_step` in [workbench/rivals.py](workbench/rivals.py).

# %%
x, y, x_test, y_test = rivals.binary_digits(0)
model = rivals.baum_welch(x, 16, rng(1), steps=1)        # 16 states, and one step of EM
climb = []
for step in range(30):
    climb.append(model.log_prob(x).mean())
    model = rivals.baum_welch_step(model, x)
climb = np.array(climb)
print(f"\n16 states, training digits: {climb[0]:.1f} nats, after 30 steps {climb[-1]:.1f}; the "
      f"smallest step up is {np.diff(climb).min():.3f}")
mine = forward(x_test[0].reshape(8, 8), model.first, model.move, model.pixel)
print(f"One unseen digit: {mine:.4f} by the function above, {model.log_prob(x_test[:1])[0]:.4f} by "
      "the workbench")


# %%
found = rivals.runs({
    "mixture of 64": lambda x, y, k: rivals.bernoulli_mixture(x, 64, rng(k, 2)),
    "HMM, 32 states": lambda x, y, k: rivals.baum_welch(x, 32, rng(k, 2)),
    "HMM, 64 states": lambda x, y, k: rivals.baum_welch(x, 64, rng(k, 2))})
print("\nNats per unseen digit, mean of three runs (smallest to largest):")
table(["", "nats"], [[name, spread(values)] for name, values in found.items()])
mixture, few, hmm = (values.mean() for values in found.values())
better.answer("c", f"""The mixture is {mixture - hmm:.1f} nats ahead. To the HMM the rows above are
    one state, a number from 1 to 64, so at row 8 it has forgotten whether the digit began with a
    bar or an arch. A mixture's component remembers all rows.""")
claim("-", "a hidden Markov model explains digits as well as a mixture of as many parameters",
      f"HMM with 64 states {hmm:.1f} ± 0.4, with 32 {few:.1f} ± 0.5, mixture of 64 "
      f"{mixture:.1f} ± 0.3 nats per unseen digit",
      "does not hold of digits read by rows: a state forgets what the rows above were",
      mixture - hmm > 0.4 and hmm > few)

# %%
drawers = {"mixture": (rivals.bernoulli_mixture(x, 64, rng(0, 2)), mixture),
           "HMM": (rivals.baum_welch(x, 64, rng(0, 2)), hmm)}
rows = {"real digits": x_test[:12]}
for name, (drawer, nats) in drawers.items():
    rows[f"{name}\n{nats:.1f} nats"] = drawer.draw(12, rng(5))
fig, ax = plt.subplots(figsize=(9, 2.7), layout="constrained")
sheet(ax, list(rows.values()), list(rows))
ax.tick_params(labelsize=17)
ax.set_title("The HMM's lower rows forget the upper ones", fontsize=18)
figure(fig, "18_hmm")
end()

# %% [markdown]
# ## Your turn
# 1. Transpose the moves, as is easily done: `alpha / alpha.sum() @ move.T`. Do the 512
#    probabilities still add up to 1, and would you have noticed?
# 2. Let the HMM have 64 states from the start, `rivals.baum_welch(x, 64, rng(1), steps=1)`. How
#    many nats on training digits after 30 steps?
#
# ## What you should see
# 1. They add up to 1.38, and one by one differs: that is how the mistake is found. From the nats of
#    one picture nobody would notice.
# 2. -18.2, not -20.7 (the line still says 16): more states remember more of the rows above.
