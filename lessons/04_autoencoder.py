# %%
"""Lesson 04: an autoencoder, and PCA beside it.

You squeeze pictures of digits into a few numbers and decode them again, with an autoencoder and
with the best linear method. A reader says what can still be read. Takes about 9 s.
"""
from workbench import begin, claim, distances, end, figure, held_out, predict
from workbench import sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# An autoencoder is two networks. The [encoder](GLOSSARY.md#encoder) makes a code of a few numbers
# from a picture, the [decoder](GLOSSARY.md#decoder) makes a picture from the code,
# [eq. (4.1)](derivations/04_autoencoder.md#eq-4-1):
#
# $$ z = \mathrm{enc}(x), \qquad \hat x = \mathrm{sigmoid}(\mathrm{dec}(z)) $$
#
# The networks are trained together, to give back what went in. The essay opens with 784 pixels in
# 30 numbers. But there is an older method, [PCA](GLOSSARY.md#pca), which needs no training: it
# keeps the directions in which the pictures vary most. Is the autoencoder worth its training?
#
# **What you need:** [dense layers](03_dense_layers.py), and the loss from
# [lesson 3](03_log_sigmoid.py), [eq. (4.5)](derivations/04_autoencoder.md#eq-4-5).

# %%
eight = predict("""Digits of 8 by 8 pixels go through 8 numbers of an autoencoder. A reader then
                says which digit each decoded picture shows. How many does it get right, of digits
                that the autoencoder has not seen?""",
                a="about half", b="about 3 in 4", c="more than 9 in 10")
more = predict("""PCA may keep as many numbers as the autoencoder: 2, then 8, 16, 32. What becomes
               of the autoencoder's lead, in digits read correctly?""",
               a="it grows", b="it stays about the same", c="it shrinks, and PCA wins in the end")

# %% [markdown]
# ## The rivals
# PCA projects a picture onto the Z directions (columns of V) in which the training pictures vary
# most, and back, with their mean as the origin:
#
# $$ \hat x = \bar x + (x - \bar x)\, V V^T $$
#
# With squared error no *linear* autoencoder can do better. What it loses is the variance in the
# directions that it drops, [eq. (4.10)](derivations/04_autoencoder.md#eq-4-10). The reader is
# simple: it looks up the most similar training digit, and says its class.

# %%
def pca(x_train, Z):
    """Projects pictures on the Z directions of largest variance, and back."""
    mean = x_train.mean(axis=0)                                     # (D,)
    V = np.linalg.eigh(np.cov(x_train.T))[1][:, -Z:]                # (D, Z)  the last vary most
    V = V.astype(x_train.dtype)
    return lambda x: mean + (x - mean) @ V @ V.T                    # (n, D)


def judged(pictures, x_test, y_test, x_train, y_train):
    """Root mean square error per pixel, and the percentage that the reader reads correctly."""
    read = y_train[distances(pictures, x_train).argmin(axis=1)]     # (n,)
    error = np.sqrt(np.mean((pictures - x_test) ** 2))
    return error, 100 * np.mean(read == y_test)


def compared(x, y, n_test, Z, k, epochs=30, hidden=128):
    """Decoded unseen pictures by method, and a table (3, 2) of how they are judged; split k."""
    x_train, y_train, x_test, y_test = held_out(x, y, n_test, k)
    model = trained(mv.Autoencoder, x_train, k, epochs, hidden_dims=(hidden,), latent_dim=Z)
    pictures = {"originals": x_test, "PCA": pca(x_train, Z)(x_test),
                "autoencoder": model.reconstruct(x_test)}
    rows = [judged(p, x_test, y_test, x_train, y_train) for p in pictures.values()]
    return pictures, np.array(rows)


# %%
x, y = mv.data.digits()                                             # (1797, 64); (1797,)
SIZES, SPLITS = (2, 8, 16, 32), 6
shown, error, right = {}, {}, {}
for Z in SIZES:
    runs = [compared(x, y, 360, Z, k) for k in range(SPLITS)]
    shown[Z] = runs[0][0]
    error[Z], right[Z] = np.mean([rows for _, rows in runs], axis=0).T          # (3,) each
    leads = [rows[2, 1] - rows[1, 1] for _, rows in runs]                       # (6,)
    right[Z] = dict(zip(shown[Z], right[Z]), lead=np.mean(leads), spread=spread(leads, ".1f"))

print(f"\n360 unseen digits, 64 pixels -> Z numbers -> 64 pixels, mean of {SPLITS} splits")
print("Error per pixel (black is 0, white 1), and the percentage read correctly:")
table(["Z", "PCA: error", "read", "autoencoder: error", "read", "lead in points (range)"],
      [[Z, f"{error[Z][1]:.3f}", f"{right[Z]['PCA']:.1f}", f"{error[Z][2]:.3f}",
        f"{right[Z]['autoencoder']:.1f}", right[Z]["spread"]] for Z in SIZES])
print(f"Of the originals it reads {right[8]['originals']:.1f} %.")

# %%
fig, (left, ax) = plt.subplots(1, 2, figsize=(10, 4.9), layout="constrained",
                               width_ratios=(1.25, 1))
names = [("originals", 2)] + [(name, Z) for Z in (2, 8, 32) for name in ("PCA", "autoencoder")]
labels = ["originals"] + [f"{name.replace('autoencoder', 'AE')}, {Z}" for name, Z in names[1:]]
sheet(left, [shown[Z][name][:9] for name, Z in names], labels)
left.tick_params(labelsize=13)
left.set_title("decoded from 2, 8 and 32 numbers", fontsize=14)
for name, colour in (("autoencoder", mv.plot.COLOURS[0]), ("PCA", mv.plot.COLOURS[1])):
    ax.plot(SIZES, [right[Z][name] for Z in SIZES], "o-", color=colour, linewidth=2.5, label=name)
ax.legend(fontsize=14, loc="lower right")
ax.set_xscale("log", base=2)
ax.set_xticks(SIZES, SIZES, fontsize=13)
ax.set_xlabel("numbers per picture", fontsize=14)
ax.set_ylabel("read correctly (%)", fontsize=14)
ax.set_title("the fewer, the larger the lead", fontsize=14)
figure(fig, "04_autoencoder")

# %%
eight.answer("c", """Neighbouring pixels go together, so 64 of them hold far fewer than 64
    independent numbers.""")
more.answer("c", """PCA loses only what lies in the directions that it drops, and with 32 of 64 that
    is little. The autoencoder can bend, so that two numbers reach pictures that lie in no plane;
    but it must learn everything by training, even to copy, and its error hardly falls from 16
    numbers to 32.""")
Z8, ae, linear = right[8], "autoencoder", "PCA"
claim("§1", "a deep autoencoder packs a picture into far fewer numbers and decodes it recognisably",
      f"64 pixels in 8 numbers, percentage of unseen digits that are read correctly: "
      f"{Z8[ae]:.1f} ± 1.5 decoded, {Z8[linear]:.1f} ± 2 after PCA, {Z8['originals']:.1f} ± 0.6 of "
      "the originals",
      "holds", Z8[ae] > 90 and Z8["originals"] > 97)
claim("-", "an autoencoder keeps more of a picture than PCA does with as many numbers",
      f"lead in digits read correctly, points: {right[2]['lead']:.1f} ± 6 with 2 numbers, "
      f"{Z8['lead']:.1f} ± 2.2 with 8, {right[16]['lead']:.1f} ± 1 with 16; error per pixel with "
      f"32 {error[32][2]:.3f} ± 0.006, PCA {error[32][1]:.3f} ± 0.002",
      "holds if the numbers are few: with many PCA is as good, without any training",
      right[2]["lead"] > 8 and Z8["lead"] > 0 and right[16]["lead"] < 1
      and error[32][2] > 1.3 * error[32][1])

# %% [markdown]
# ## MNIST
# The essay's own example, if MNIST is at hand (`mv.data.mnist("test")` fetches it once); one run
# takes 3 s more. There neither is ahead: in 18 runs of ours the lead went from -1.3 to 0.8 points,
# with a mean of -0.05, though the autoencoder's error per pixel was always about a quarter smaller.

# %%
try:
    x, y = mv.data.mnist("test", download=False)                    # (10000, 784); (10000,)
    print("\nMNIST, 784 pixels -> 30 numbers -> 784 pixels, 1,000 unseen pictures:")
    pictures, rows = compared(x, y, 1000, 30, 0, epochs=8, hidden=256)
    table(["", "error", "read correctly"],
          [[name, f"{off:.3f}", f"{hits:.1f} %"] for name, (off, hits) in zip(pictures, rows)])
except mv.data.DataError:
    print("\nMNIST is not at hand, so this part is left out.")
end()

# %% [markdown]
# ## Your turn
# 1. Train for longer, `epochs=100`. Where does the autoencoder gain, and does it overtake PCA with
#    16 numbers or 32?
# 2. Take the hidden layers away: `hidden_dims=()` in place of `hidden_dims=(hidden,)`. What is the
#    autoencoder then, and what becomes of its lead?
#
# Exercises that answer back: [ex05_cross_entropy](exercises/ex05_cross_entropy.py).
#
# ## What you should see
# 1. With few numbers: the lead rises to 26 points with 2 and to 4.0 with 8. Its error with 32 falls
#    from 0.091 to 0.063, but PCA stays ahead by 0.7 points with 16 and with 32. With 300 epochs it
#    is still ahead, by about as much.
# 2. Nearly linear: a plane of logits, and the sigmoid bends that a little. PCA is the best of the
#    linear ones, and is now ahead everywhere, by 27 points with 2 numbers and by 3.4 with 8. What
#    the autoencoder was ahead with was its hidden layers.
