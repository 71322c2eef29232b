# %%
"""Lesson 19, sixth part: blurred or sharp, and both.

One loop trains three models that draw the digit you ask for: a VAE, a GAN, and one that is both. A
judge looks at what they draw. Takes about 24 s.
"""
from workbench import begin, claim, distances, end, figure, held_out, predict
from workbench import reader, rivals, rng, sheet, sharpness, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A VAE's pictures are blurred, says the essay's summary; a GAN's are not; and a CVAE-GAN joins the
# two. Is that so, with the same decoder and as many steps? What does the joined one keep of either?
#
# **What you need:** the [VAE](10_vae.py), and [the forgers](19_forgeries.py).

# %%
sharp = predict("""Sharpness is how much a pixel differs from its neighbours. Of real digits it is
                0.82. Which drawings have more of it?""", a="a GAN's", b="a VAE's means",
                c="a VAE's grainy drawings, every pixel drawn", d="none")
joined = predict("""A decoder is trained to lower the VAE's loss and to fool a discriminator as
                 well. What becomes of the VAE's bound on log p(x)?""", a="it is better",
                 b="it is the same", c="it is worse, by a nat or two", d="it has none any more")

# %% [markdown]
# ## One loop, three models
# All nets are told the class: ten more inputs, all 0 but one. The decoder's loss is
# [eq. (19.15)](derivations/19_the_other_road.md#eq-19-15), the VAE's loss and the GAN's, each with
# a weight. Weights (1, 0) make a CVAE, (0, 1) a CGAN, (1, 10) a CVAE-GAN:
#
# $$ L = w_1 \left( \mathrm{nll} + \mathrm{KL} \right) + w_2 \log (1 + e^{-l}) $$
#
# Here l is the discriminator's logit of a drawing. It sees digits and drawings of the same classes,
# so that it asks only for a good 3, [eq. (19.14)](derivations/19_the_other_road.md#eq-19-14).

# %%
def told(a, c):
    """a (n, ...) with the class c (n,) as ten more columns."""
    return np.concatenate([a, np.eye(10, dtype=np.float32)[c]], axis=1)


def vae_loss(encoder, decoder, x, c, eps):
    """nll + KL of pictures x (n, 64) of classes c (n,), with the noise eps (n, 8): nats, (n,)."""
    code = encoder(told(x, c))
    mu, logvar = code[:, :8], code[:, 8:]
    logits = decoder(told(mv.reparameterize(mu, logvar, eps), c))
    return mv.bernoulli_nll(logits, x) + mv.gaussian_kl(mu, logvar)


def draw(decoder, c, z):
    return mv.sigmoid(decoder(told(z, c)))

# %%
def learn(x, y, k, w_vae, w_gan, steps=1000):
    encoder, decoder, judge = (mv.MLP((n + 10, 128, 128, m), rng=rng(k, n))
                               for n, m in ((64, 16), (8, 64), (64, 1)))
    ours, chance = encoder.parameters() * (w_vae > 0) + decoder.parameters(), rng(k, 4)
    adam, adam_judge = (mv.Adam(p, betas=(0, 0.999)) for p in (ours, judge.parameters()))
    mean = [p.data.copy() for p in ours]
    for step in range(steps):
        adam.lr = adam_judge.lr = 3e-3 * (1 - step / steps)
        rows = chance.integers(len(x), size=64)
        real, c = x[rows], y[rows]
        z, eps = chance.standard_normal((2, 64, 8), np.float32)
        loss = w_gan * mv.softplus(-judge(told(draw(decoder, c, z), c))).mean()
        loss = loss + w_vae * vae_loss(encoder, decoder, real, c, eps).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        forged = draw(decoder, c, z).data
        adam_judge.zero_grad()
        (mv.softplus(-judge(told(real, c))) + mv.softplus(judge(told(forged, c)))).mean().backward()
        adam_judge.step()
        for a, p in zip(mean, ours):
            a += 0.005 * (p.data - a)                          # a running mean of the weights
    for a, p in zip(mean, ours):
        p.data[...] = a
    return encoder, decoder

# %% [markdown]
# ## Draw, and be judged
# Each model draws 200 digits of each class. `reader` says which digit it sees. *Looks* are those of
# [lesson 18](18_one_ruler.py): a fresh net learns to tell drawings from digits, and then ranks an
# unseen digit above a new drawing, always (1) or half of the time (0.5).

# %%
x, y = mv.data.digits()                                        # (1797, 64), (1797,)
wanted = rng(9).permutation(np.repeat(np.arange(10), 200))     # (2000,)
MODELS = {"CVAE, means": (1, 0), "CGAN": (0, 1), "CVAE-GAN": (1, 10)}
found, bounds, shown = {}, {}, {}
for k in range(3):
    x_train, y_train, x_test, y_test = held_out(x, y, 360, k)
    drawn = {}
    for name, (w_vae, w_gan) in MODELS.items():
        encoder, decoder = learn(x_train, y_train, k, w_vae, w_gan)
        with mv.no_grad():
            z = rng(k, 5).standard_normal((2000, 8), np.float32)
            drawn[name] = draw(decoder, wanted, z).data
            if w_vae:
                eps = rng(k, 6).standard_normal((10, 360, 8), np.float32)
                bounds.setdefault(name, []).append(-np.mean(
                    [vae_loss(encoder, decoder, x_test, y_test, noise).data for noise in eps]))
    drawn["CVAE, grainy"] = mv.data.binarize(drawn["CVAE, means"], rng(k, 7))
    for name, pictures in drawn.items():
        looks = rivals.told_apart(x_train, pictures[:1500], x_test, pictures[1500:], k)
        right = np.mean(reader(x_train, y_train)(pictures) == wanted)
        near = np.median(distances(pictures, x_train).min(axis=1))
        found.setdefault(name, []).append([right, looks, sharpness(pictures), near])
        shown[name] = [pictures[wanted == c][0] for c in range(10)]

# %%
found = {name: np.array(rows) for name, rows in found.items()}             # (3 runs, 4)
real = np.median(distances(x_test, x_train).min(axis=1))
print("\nMean of three runs (and range); distance: to the nearest digit that was learned from")
table(["", "right digit", "looks", "sharpness", "distance"],
      [[name, *(spread(column) for column in rows.T)] for name, rows in found.items()]
      + [["unseen digits", "", "0.5", f"{sharpness(x_test):.2f}", f"{real:.2f}"]])
bound = {name: np.mean(values) for name, values in bounds.items()}
print("The bound on log p(x) of unseen digits, nats: "
      + ", ".join(f"{name} {spread(values)}" for name, values in bounds.items()))
means, cgan, both, grainy = (rows.mean(axis=0) for rows in found.values())
price = bound["CVAE, means"] - bound["CVAE-GAN"]
sharp.answer("c", f"""Sharpness {grainy[2]:.2f}, and the judge finds them all out ({grainy[1]:.2f}):
    sharp is not the same as good. The means have {means[2]:.2f}, the CGAN's {cgan[2]:.2f}.""")
joined.answer("c", f"""It pays {price:.1f} nats of its bound, and its drawings pass for digits more
    often: looks {both[1]:.2f} in place of {means[1]:.2f}. (Nor does it copy digits: its drawings
    are as far from those it learned from as unseen digits are.)""")

# %%
claim("summary", "a VAE's pictures are blurred, a GAN's are not",
      f"sharpness: digits 0.82, CVAE's means {means[2]:.2f} ± 0.03, its grainy drawings "
      f"{grainy[2]:.2f} ± 0.03, CGAN {cgan[2]:.2f} ± 0.04; looks {means[1]:.2f} ± 0.01, "
      f"{grainy[1]:.2f} ± 0.01, {cgan[1]:.2f} ± 0.1", "holds of the means; sharp is not yet good",
      means[2] < 0.65 and abs(cgan[2] - 0.82) < 0.08 and grainy[2] > 1.3
      and cgan[1] < 0.96 < min(means[1], grainy[1]))
claim("§7", "a CVAE-GAN joins the two",
      f"right digit: CVAE {means[0]:.2f} ± 0.02, CGAN {cgan[0]:.2f} ± 0.02, CVAE-GAN "
      f"{both[0]:.2f} ± 0.02; looks {means[1]:.2f} ± 0.01, {cgan[1]:.2f} ± 0.1, "
      f"{both[1]:.2f} ± 0.08; bound {bound['CVAE, means']:.1f} ± 0.4 nats, CVAE-GAN "
      f"{bound['CVAE-GAN']:.1f} ± 0.4, a GAN has none", "holds, at a price of one or two nats",
      both[1] < means[1] - 0.15 and both[0] > 0.96 and 1 < price < 3)

# %%
fig, ax = plt.subplots(figsize=(9, 4.4), layout="constrained")
digits = [x_test[y_test == c][0] for c in range(10)]
sheet(ax, [digits, *shown.values()],
      ["unseen digits", *(f"{name}: {found[name][:, 1].mean():.2f}" for name in shown)])
ax.tick_params(labelsize=16)
ax.set_title("Asked for 0 to 9, and how they look (0.5 is best)", fontsize=16)
figure(fig, "19_pictures")
end()

# %% [markdown]
# ## Your turn
# 1. The weight of the game: `"CVAE-GAN": (1, 100)`. What becomes of the looks and of the bound?
# 2. Train four times longer, `steps=4000` (90 s). Does the order hold? And look at the distance.
#
# ## What you should see
# 1. Worse, both: looks 0.78 in place of 0.68, and the bound 1.3 nats lower. The nll is some help to
#    the game, and a CGAN (no nll at all) has 0.86.
# 2. The two come out alike, 0.65 and 0.64; so the joined one learns sooner, and not better. But the
#    distance is 0.98 now, and 1.03 of unseen digits: they have begun to learn pictures by heart.
