# %%
"""Lesson 14: ask for a digit.

A VAE whose prior has one learned mean per class: a label then chooses where z is drawn, and a classifier trained on real
digits says how often the digit drawn is the one that was asked for. Shows what limits that (it is not the size of the
nets), how it changes over the training, and what a code still says once its class is taken out.
Takes about 30 s; needs nothing but minivae.
"""

from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show

args = arguments(__doc__)

# %% [markdown]
# **The question.** The essay's section 7 gives each class y its own prior N(mu^y, I), and lets the model learn the means
# mu^y: its equation (8). Can we then draw the digit we ask for, and what stands in the way where we cannot?
#
# **Predict.** Ten classes, 2 latents or 8. (a) How often is a drawn digit the one that was asked for, after 100 epochs? After
# 200? (b) The essay blames misses on nets that are too simple. The encoder and decoder stay as they are, and the decoder is
# told the label besides z: how often is it right now? (c) Take a slanted 7, move its code by mu^3 - mu^7: is the 3 slanted?
#
# **Derivation.** The KL with a prior mean is [eq. (8.5)](derivations/08_gaussian_kl.md#eq-8-5), the bound it belongs to
# [eq. (14.2)](derivations/14_conditional_vae.md#eq-14-2), the class means at the optimum [eq. (14.4)](derivations/14_conditional_vae.md#eq-14-4), the best guess of
# y from z [eq. (14.5)](derivations/14_conditional_vae.md#eq-14-5), two classes alone [eq. (14.6)](derivations/14_conditional_vae.md#eq-14-6).
#
# **Code.** First the judge: a dense net with a softmax, trained on the same digits. Its loss is a primitive of our own: value
# and gradient, (softmax - one-hot), side by side.

# %%
x, y = mv.data.digits()
order = np.random.default_rng(0).permutation(len(x))
train, train_y, test, test_y = x[order[360:]], y[order[360:]], x[order[:360]], y[order[:360]]
SEEDS, EPOCHS = {2: range(5), 8: range(3)}, (25, 50, 100, 200)  # 2 latents vary more from seed to seed
asked = np.repeat(np.arange(10), 100)


@mv.primitive
def cross_entropy(logits, labels):
    """-log softmax(logits)[label], (B,) nats."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p, rows = e / e.sum(axis=1, keepdims=True), np.arange(len(labels))
    return -np.log(p[rows, labels]), lambda g: g[:, None] * (p - (np.arange(p.shape[1]) == labels[:, None]))


def train_judge(epochs=60):
    rng = np.random.default_rng(0)
    net = mv.MLP((64, 64, 10), "relu", rng=rng)
    optimizer = mv.Adam(net.parameters(), lr=3e-3)
    for _ in range(epochs):
        for batch in np.array_split(rng.permutation(len(train)), 14):
            optimizer.zero_grad()
            cross_entropy(net(train[batch]), train_y[batch]).mean().backward()
            optimizer.step()
    return net


judge = train_judge()


def digit_in(images):
    return judge(images).data.argmax(axis=1)


judge_accuracy = np.mean(digit_in(test) == test_y)
print(f"The judge names {100 * judge_accuracy:.1f} % of 360 held-out real digits rightly.")

# %% [markdown]
# **The models.** All have 64-100-Z-100-64 tanh nets. `mv.ConditionalVAE` is the essay's: the label enters the KL and nothing
# else. For comparison: a plain VAE, drawn around the mean code of each class; and a VAE whose *decoder* gets the label as ten
# more inputs, the prior being N(0, I) for all.

# %%
class ToldDecoder(mv.ConditionalVAE):
    """The decoder sees z and the label as one-hot; the class means stay 0."""

    def __init__(self, latent_dim, rng):
        super().__init__(64, (100,), latent_dim, activation="tanh", n_classes=10, rng=rng)
        self.decoder = mv.MLP((latent_dim + 10, 100, 64), "tanh", rng=rng)
        self.prior_mu = mv.Tensor(np.zeros((10, latent_dim), np.float32))  # no gradient: not learned

    def told(self, z, y):
        return self.decoder(np.concatenate([z, np.eye(10, dtype=np.float32)[y]], axis=1))

    def terms(self, x, rng, y):
        mu, logvar = self.encode(x)
        z = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape, self.dtype))
        return mv.bernoulli_nll(self.told(z, y), x), mv.gaussian_kl(mu, logvar)

    def sample(self, n, rng, y):
        with mv.no_grad():
            return mv.sigmoid(self.told(rng.standard_normal((n, self.latent_dim), self.dtype), y)).data


def decoded(model, z):
    with mv.no_grad():
        return mv.sigmoid(model.decode(z)).data


def codes(model, images):
    with mv.no_grad():
        return model.encode(images)[0].data


def obeyed(model, means, seed):
    """Of draws z ~ N(means[y], I): the share that the judge reads as y, and the share nearest to their own mean. That is
    the best guess of y from z, eq. (14.5) with equal shares, so for any decoder and any judge it is the ceiling."""
    y = np.repeat(np.arange(10), 200)
    z = means[y] + np.random.default_rng(seed).standard_normal((len(y), model.latent_dim), np.float32)
    closest = ((z[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return np.mean(digit_in(decoded(model, z)) == y), np.mean(closest == y)


def distances(means):
    """The 45 distances between two class means, and the pairs they belong to."""
    pairs = np.triu_indices(10, 1)
    return np.linalg.norm(means[pairs[0]] - means[pairs[1]], axis=1), np.transpose(pairs)


def bound(model):
    """The mean bound on log p(x given y) over the held-out digits, nats, 20 draws of the noise: eq. (14.2)."""
    with mv.no_grad():
        draws = [model.terms(test, np.random.default_rng(k), y=test_y) for k in range(20)]
    return -np.mean([nll.data + kl.data for nll, kl in draws])


def train_on(model, rng, epochs, y=train_y, optimizer=None):
    finished(mv.fit(model, train, y=y, epochs=epochs, batch_size=100, lr=3e-3, optimizer=optimizer, rng=rng))
    return model


# %% [markdown]
# **Measurement 1: the digit that was asked for.** 2,000 draws per model, five seeds with 2 latents, three with 8. The
# ceiling asks no net at all: two unit Gaussians overlap, and a draw that falls nearer to another class's mean is more
# likely of that class.

# %%
table, kept, bounds = {}, {}, {2: [], 8: []}
for latents in (2, 8):
    for seed in SEEDS[latents]:
        model = mv.ConditionalVAE(64, (100,), latents, activation="tanh", n_classes=10, rng=np.random.default_rng(seed))
        optimizer, rng, done = mv.Adam(model.parameters(), lr=3e-3), np.random.default_rng(seed + 100), 0
        for epochs in EPOCHS:
            train_on(model, rng, epochs - done, optimizer=optimizer)
            done = epochs
            means = model.prior_mu.data
            table.setdefault((latents, epochs), []).append((*obeyed(model, means, seed), distances(means)[0].min()))
        kept[latents, seed] = model
        bounds[latents].append(bound(model))

plain, told, told_bounds = [], {2: [], 8: []}, {2: [], 8: []}
for seed in SEEDS[8]:
    model = mv.VAE(64, (100,), 8, activation="tanh", rng=np.random.default_rng(seed))
    z = codes(train_on(model, np.random.default_rng(seed + 100), 100, y=None), train)
    plain.append(obeyed(model, np.array([z[train_y == k].mean(axis=0) for k in range(10)]), seed))
    for latents in told:
        model = train_on(ToldDecoder(latents, np.random.default_rng(seed)), np.random.default_rng(seed + 100), 50)
        told[latents].append(np.mean(digit_in(model.sample(1000, np.random.default_rng(seed), asked)) == asked))
        told_bounds[latents].append(bound(model))

print("\nShare of draws that show the digit asked for, mean of 5 or 3 seeds (spread); least distance between two class means")
print("latents  epochs   right          ceiling        least distance")
for (latents, epochs), values in table.items():
    (a, c, d), (da, dc, dd) = np.mean(values, axis=0), np.ptp(values, axis=0)
    print(f"   {latents}      {epochs:3}     {a:.3f} ({da:.3f})  {c:.3f} ({dc:.3f})  {d:.2f} ({dd:.2f})")
print(f"   8      100     {np.mean(plain, axis=0)[0]:.3f} ({np.ptp(plain, axis=0)[0]:.3f})  {np.mean(plain, axis=0)[1]:.3f}"
      f" ({np.ptp(plain, axis=0)[1]:.3f})  plain VAE, around the mean code of the class")
for latents, values in told.items():
    print(f"   {latents}       50     {np.mean(values):.3f} ({np.ptp(values):.3f})  -              decoder told the label")
print("Nearly all misses are draws that fell nearer to another class: right is close to the ceiling, in every row. The class\n"
      "means move apart as long as we train, so both rise together; with 2 latents there is less room, and it takes longer.")
d, pairs = distances(kept[2, 0].prior_mu.data)
one, other = pairs[d.argmin()]
print(f"The closest two with 2 latents (seed 0) are {one} and {other}, {d.min():.2f} apart: of these two alone"
      f" {NormalDist().cdf(d.min() / 2):.3f}\nof the draws can be right, eq. (14.6).")
print("Held-out bound on log p(x given y), nats: " + ", ".join(
    f"{n} latents {np.mean(bounds[n]):.1f} (decoder told: {np.mean(told_bounds[n]):.1f})" for n in (2, 8)))

# %% [markdown]
# **Measurement 2: where the class means lie.** Equation (8) pulls codes and class mean together: at the optimum mu^y is the
# mean of the codes of its class, eq. (14.4).

# %%
off, read = [], []
for seed in SEEDS[8]:
    model, z = kept[8, seed], codes(kept[8, seed], train)
    means = model.prior_mu.data
    off.append(np.mean([np.linalg.norm(means[k] - z[train_y == k].mean(axis=0)) for k in range(10)]))
    read.append(np.sum(digit_in(decoded(model, means)) == np.arange(10)))
spacing = np.mean([distances(kept[8, seed].prior_mu.data)[0].mean() for seed in SEEDS[8]])
print(f"\n8 latents, mean of 3 seeds: a class mean and the mean code of its class are {np.mean(off):.2f} apart, two class means\n"
      f"{spacing:.2f}. Decoded, at least {min(read)} of the 10 class means show their own digit, in every seed.")

# %% [markdown]
# **Measurement 3: style kept, class changed.** z - mu^y is what a code says besides its class. Put it on another class's
# mean, z - mu^y + mu^c, decode, and compare the new digit with the old: its slant (how far the ink moves sideways per row)
# and its width, as correlations within the classes (class means taken out). The control draws a digit of the new class at
# random.

# %%
row, column = np.mgrid[:8, :8].reshape(2, 64)


def slant_and_width(images):
    ink = images / images.sum(axis=1, keepdims=True)
    r, c = row - (ink @ row)[:, None], column - (ink @ column)[:, None]
    return (ink * r * c).sum(axis=1) / (ink * r * r).sum(axis=1), np.sqrt((ink * c * c).sum(axis=1))


def within(v, label):
    """v less the mean of its class."""
    return v - np.array([v[label == k].mean() for k in range(10)])[label]


def kept_style(images, new):
    """Correlations of slant and of width between the held-out digits and these images of the classes new."""
    return [np.corrcoef(within(a, test_y), within(b, new))[0, 1]
            for a, b in zip(slant_and_width(test), slant_and_width(images))]


style = {2: [], 8: []}
for (latents, seed), model in kept.items():
    z, means, rng, rows = codes(model, test), model.prior_mu.data, np.random.default_rng(seed), []
    for shift in range(1, 10):
        new = (test_y + shift) % 10
        moved, control = decoded(model, z - means[test_y] + means[new]), model.sample(len(test), rng, y=new)
        rows.append((np.mean(digit_in(moved) == new), *kept_style(moved, new), *kept_style(control, new)))
    style[latents].append((*np.mean(rows, axis=0), *kept_style(decoded(model, z), test_y)))
print("\nHeld-out digits moved to each of the 9 other classes, mean over seeds. Correlation with the old digit:")
print("          read as             moved          control       not moved")
print("latents   the new class   slant  width     slant  width     slant  width")
for latents, values in style.items():
    share, *s = np.mean(values, axis=0)
    print(f"   {latents}          {share:.3f}       " + "    ".join(f" {a:5.2f}  {b:5.2f}" for a, b in zip(s[::2], s[1::2])))
print("2 latents, seed by seed: right " + ", ".join(f"{v[0]:.2f}" for v in table[2, EPOCHS[-1]])
      + "; slant kept " + ", ".join(f"{v[1]:.2f}" for v in style[2]))
print("With 8 latents the moved digit leans as the old one did. With 2 a code also says how its own digit leans (not moved),\n"
      "but in most runs the same step from another class mean means something else there.")

# %% [markdown]
# ## Claim -> verdict

# %%
last = EPOCHS[-1]
right = {n: np.mean(table[n, last], axis=0)[0] for n in (2, 8)}
ceiling = {n: np.mean(table[n, last], axis=0)[1] for n in (2, 8)}
claim("§7", "with a learned mean per class we draw the digit we ask for",
      f"right digit: 8 latents {right[8]:.2f}, 2 latents {right[2]:.2f}, plain VAE at its class means "
      f"{np.mean(plain, axis=0)[0]:.2f} (tol 0.06)",
      "holds if the class means have come apart: soon with 8 latents, late with 2",
      min(v[0] for v in table[8, last]) > 0.88 and right[2] < right[8] - 0.06 and np.mean(plain, axis=0)[0] < 0.6)
claim("§7", "the control is imperfect because encoder and decoder are simple nets",
      f"8 latents: right {right[8]:.2f}, ceiling {ceiling[8]:.2f}; 2 latents: {right[2]:.2f}, {ceiling[2]:.2f}; "
      f"the same nets, decoder told the label: {np.mean(told[8]):.2f}, {np.mean(told[2]):.2f} (tol 0.06)",
      "does not hold: nearly all misses come from the overlap of the class priors",
      all(ceiling[n] - right[n] < 0.4 * (1 - right[n]) and np.mean(told[n]) > 0.98 for n in (2, 8)))
s2, s8 = (np.mean(style[n], axis=0) for n in (2, 8))
claim("-", "moving a code from one class mean to another changes the class and keeps the style",
      f"new class and correlation of slant: 8 latents {s8[0]:.2f}, {s8[1]:.2f}; 2 latents {s2[0]:.2f}, {s2[1]:.2f} (tol 0.15)",
      "holds if there are latents enough: with 8; with 2 little of the style is kept",
      s8[0] > 0.9 and s8[1] > 0.5 and s2[1] < s8[1] - 0.25)

# %%
def sheet(ax, rows, title, labels=()):
    cells = np.pad(np.reshape(rows, (len(rows), -1, 8, 8)), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=0.5)
    ax.imshow(cells.transpose(0, 2, 1, 3).reshape(len(rows) * 10, -1), cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=np.arange(5, len(rows) * 10, 10))
    ax.set_yticklabels(labels, fontsize=8)
    ax.set_title(title, fontsize=9)


fig = plt.figure(figsize=(11, 5.6), layout="constrained")
left, right_side = fig.subfigures(1, 2, width_ratios=(1, 1.15))
ax = left.subplots()
for n, colour, mark in ((2, mv.plot.COLOURS[1], "o"), (8, mv.plot.COLOURS[0], "s")):
    values = np.array([table[n, e] for e in EPOCHS])
    ax.plot(EPOCHS, values[..., 1].mean(axis=1), color=colour, linestyle="--", label=f"{n} latents, ceiling")
    ax.plot(EPOCHS, values[..., 0].mean(axis=1), color=colour, marker=mark, label=f"{n} latents, right (band: all seeds)")
    ax.fill_between(EPOCHS, values[..., 0].min(axis=1), values[..., 0].max(axis=1), color=colour, alpha=0.2, linewidth=0)
ax.axhline(np.mean(told[2]), color=mv.plot.COLOURS[2], linestyle="-.", label="2 latents, decoder told (50 epochs)")
ax.axhline(np.mean(plain, axis=0)[0], color=mv.plot.COLOURS[7], linestyle=":", label="plain VAE, 8 latents (100 epochs)")
ax.set(xscale="log", xlabel="epochs of training", ylabel="share of draws with the digit asked for", ylim=(0, 1.04))
ax.set_xticks(EPOCHS, EPOCHS)
ax.minorticks_off()
ax.legend(loc="lower right", fontsize=8)

model = kept[8, 0]
means, rng = model.prior_mu.data, np.random.default_rng(3)
top, bottom = right_side.subplots(2, 1, height_ratios=(5, 3.2))
draws = [model.sample(10, rng, y=np.arange(10)) for _ in range(4)]
sheet(top, [decoded(model, means), *draws], "8 latents: the class means decoded, and draws of 0 to 9",
      ["class means", *(f"draw {k}" for k in range(1, 5))])
slants = within(slant_and_width(test)[0], test_y)
chosen = {"leans left": slants.argmax(), "between": np.abs(slants).argmin(), "leans right": slants.argmin()}
moved = [[test[n], *decoded(model, codes(model, test[n:n + 1]) - means[test_y[n]] + means)] for n in chosen.values()]
sheet(bottom, moved, "a held-out digit (first column), and its code moved to the means of 0 to 9", chosen)
figure(fig, "14_conditional_vae")

# %% [markdown]
# **Why.** In eq. (8.5) only distances *to its own mean* cost a code anything. How far apart the means are costs nothing; what
# drives them is the decoder, which saves nats when two classes do not share a code. So they drift apart, and the drawn
# digit gets righter, for as long as the training goes on. In 8 dimensions ten means can all be far from each other; in a
# plane most of them have close neighbours, on other sides each, and no direction can mean 'slant' around all of them.
# Stronger nets do raise the share (your turn, 2), but in the same way: by parting the means. A decoder that is told the
# label needs no parting.
#
# **Your turn.**
# 1. Train the 2-latent model for 700 epochs. Predict the share, and how far the means are apart, then run.
# 2. Give the 8-latent model hidden layers (300, 300). Do right and ceiling rise together?
# 3. Draw with half of the noise, z = mu^y + eps/2. What happens to the share of right digits? And what do the draws lose?
# 4. `ToldDecoder` with no latents to speak of: 1 latent. What can it draw, and what does the bound say?
#
# Exercises that answer back: [ex10_class_kl](exercises/ex10_class_kl.py).

# %%
show(args)
