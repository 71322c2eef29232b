# %%
"""Lesson 18, fourth part: all on one ruler.

Nine families of models, one ruler in nats, and one judge of drawings. You will say who explains
digits best and who draws best, and see why that need not be the same. Takes about 50 s.
"""
from workbench import begin, claim, end, figure, predict, rivals, rng, table

import matplotlib.pyplot as plt
import numpy as np

begin(__doc__)

# %% [markdown]
# ## The question
# Which family explains handwritten digits best, and which draws them best? All models learn from
# the same 1,437 pictures of zeros and ones. Two rulers are laid on them:
#
# * *nats*: the mean of log p(x) over 360 unseen digits. It asks: did you think this possible?
# * *looks*: a fresh net learns to tell drawings from digits, and then gets an unseen digit and a
#   new drawing. How often does it rank the digit above the drawing? 0.5 means that it cannot tell.
#
# **What you need:** [mixtures](18_mixtures.py), [HMM](18_hmm.py),
# [autoregressive](18_autoregressive.py), [what a judge does not see](10_judge.py). A *GAN* is a
# generator, built like a VAE's decoder, trained to fool a discriminator; it never computes a
# probability. But it can be read as a density, [eq. (18.13)](derivations/18_one_ruler.md#eq-18-13):
#
# $$ p(x) = \int p(z) \prod_d \frac{e^{x_d l_d}}{1 + e^{l_d}} dz $$
#
# With 2 latents the integral is a sum over a grid. With 8 the VAE has
# [its bound](derivations/15_likelihood.md#eq-15-2), and the GAN, which has no encoder, the mean
# over 100,000 random z; both are at most log p(x), on average.

# %%
ahead = predict("""The GAN and the VAE have decoders of the same kind, with 8 latents each. Which is
                ahead?""",
                a="the GAN on both rulers", b="the VAE on both rulers",
                c="the VAE in nats, the GAN in looks", d="the GAN in nats, the VAE in looks")
memory = predict("""Another model: a box that hands out training pictures, at random. Its nats on
                 unseen digits, and its looks?""",
                 a="good nats, good looks", b="no nats at all (-inf), good looks",
                 c="good nats, bad looks")

# %% [markdown]
# ## Nine models, three runs
# Each run has its own split into 1,437 and 360, and its own seeds. The settings of every family,
# the GANs' as well, were chosen by trying 5 to 30 of them, most on another split
# ([workbench/rivals.py](workbench/rivals.py) says which, and where not).

# %%
FAMILIES = {"independent pixels": lambda x, y, k: rivals.bernoulli_mixture(x, 1, rng(k, 2), 1),
            "naive Bayes": lambda x, y, k: rivals.naive_bayes(x, y),
            "HMM, 64 states": lambda x, y, k: rivals.baum_welch(x, 64, rng(k, 2)),
            "autoregressive": lambda x, y, k: rivals.autoregressive(x, k),
            "mixture of 64": lambda x, y, k: rivals.bernoulli_mixture(x, 64, rng(k, 2)),
            "VAE, 2 latents": lambda x, y, k: rivals.vae(x, k, 2, (128, 128), 150, 128, 4e-3),
            "VAE, 8 latents": lambda x, y, k: rivals.vae(x, k, 8, (128,), 180, 128, 4e-3),
            "GAN, 2 latents": lambda x, y, k: rivals.gan(x, k, steps=1500),
            "GAN, 8 latents": lambda x, y, k: rivals.gan(x, k, 8, steps=3000)}

# %%
nats, looks, soft = {}, {}, []
for k in range(3):
    x, y, x_test, _ = rivals.binary_digits(k)
    models = {name: family(x, y, k) for name, family in FAMILIES.items()}
    for name, model in models.items():
        nats.setdefault(name, []).append(model.log_prob(x_test))                       # (360,)
        drawn, fresh = model.draw(len(x), rng(k, 70)), model.draw(1000, rng(k, 71))
        looks.setdefault(name, []).append(rivals.told_apart(x, drawn, x_test, fresh, k))
    handed = x[rng(k, 72).integers(0, len(x), 1000)]     # the box of training pictures
    looks.setdefault("training pictures", []).append(rivals.told_apart(x, x, x_test, handed, k))
    generator = models["GAN, 2 latents"]                 # softened as suits the training pictures
    best = max((0.7, 0.5, 0.4, 0.3, 0.2, 0.1),
               key=lambda soft: generator.softened(soft).log_prob(x[:300]).mean())
    soft.append(generator.softened(best).log_prob(x_test).mean())
    known = {picture.tobytes() for picture in x}
    again = sum(picture.tobytes() in known for picture in x_test)
    print(f"run {k + 1}: {again} of 360 unseen digits are among the training pictures")

# %%
mean = {name: np.mean(values) for name, values in nats.items()}
error = {name: np.std(values[-1], ddof=1) / 360**0.5 for name, values in nats.items()}
look = {name: np.mean(values) for name, values in looks.items()}
rows = [["pictures all alike", f"{-64 * np.log(2):.2f}", "", "", "exact"]]
for name in sorted(mean, key=mean.get):
    how = "at least" if "8" in name else "exact"
    rows.append([name, f"{mean[name]:.2f}", f"{error[name]:.2f}", f"{look[name]:.2f}", how])
rows.append(["training pictures", "-inf", "", f"{look['training pictures']:.2f}", "exact"])
print("\nMean of three runs; the standard error is that of one run's 360 digits, eq. (15.6).")
print("The last column says whether the nats are exact, or a bound that lies below them.")
table(["", "nats", "error", "looks", ""], rows)
copies = {name: rivals.pixels_away(pictures, x) for name, pictures in
          (("unseen digits", x_test), ("VAE", models["VAE, 8 latents"].draw(360, rng(9))),
           ("GAN", models["GAN, 8 latents"].draw(360, rng(9))))}
print("\nPixels from the nearest training picture: " + ", ".join(
    f"{name} {count:.1f}" for name, count in copies.items()))
low, high = rivals.bracket(models["GAN, 8 latents"], 300, rng(8))
print(f"How far below? For the GAN's own drawings log p(x) is between {low:.2f} and {high:.2f}")
differ = np.array(nats["VAE, 8 latents"]) - np.array(nats["mixture of 64"])             # (3, 360)
paired = differ[-1].std(ddof=1) / 360**0.5               # eq. (18.16)
print(f"VAE with 8 latents over mixture of 64: {differ.mean():.2f} nats, error {paired:.2f}: "
      "both are measured on the same digits")

# %%
fig, ax = plt.subplots(figsize=(10, 4.9), layout="constrained")
names = ["training pictures", *sorted(mean, key=mean.get, reverse=True)]
rivals.ranked(ax, names, {**mean, "training pictures": -np.inf}, error, look,
              {**{name: model.draw(9, rng(6)) for name, model in models.items()},
               "training pictures": handed[:9]}, bounds={n for n in mean if "8" in n})
ax.set_title("In the order of nats; the looks have another", fontsize=17, pad=14)
figure(fig, "18_one_ruler")

# %%
vae, gan = "VAE, 8 latents", "GAN, 8 latents"
ahead.answer("c", f"""The GAN's drawings pass for digits most often ({look[gan]:.2f}; the VAE's
    {look[vae]:.2f}), and the VAE is {mean[vae] - mean[gan]:.1f} nats ahead. Nats ask whether
    *every* unseen digit was thought possible, and one that was not costs a lot. A judge asks
    whether each *drawing* is a digit, and does not miss those that are never drawn. (Nor does the
    GAN copy: its drawings are as far from the training pictures as the VAE's.)""")
memory.answer("b", """It draws perfect digits, being digits, and gives probability 0 to almost every
    unseen one: a single one makes the mean -inf. The other way round, 99 parts noise and 1 part
    the best model lose at most log 100 = 4.6 nats, eq. (18.15), and draw noise.""")
claim("-", "who explains digits best also draws them best",
      f"VAE with 8 latents {mean[vae]:.1f} ± 0.3 nats and looks {look[vae]:.2f} ± 0.05, GAN "
      f"{mean[gan]:.1f} ± 0.4 and {look[gan]:.2f} ± 0.06; both bounds lie close below log p(x)",
      "does not hold: for this judge the GAN draws best, the VAE explains best", high - low < 0.1
      and mean[vae] == max(mean.values()) and look[gan] < min(look[n] for n in mean if n != gan))

# %%
hmm, pixels, bayes = "HMM, 64 states", "autoregressive", "naive Bayes"
claim("-", "of two models the one with more nats draws better",
      f"nats and looks: HMM {mean[hmm]:.1f} ± 0.4 and {look[hmm]:.2f} ± 0.04, autoregressive "
      f"{mean[pixels]:.1f} ± 0.4 and {look[pixels]:.2f} ± 0.05, naive Bayes "
      f"{mean[bayes]:.1f} ± 0.4 and {look[bayes]:.2f} ± 0.05",
      "does not hold: no other of the three has clearly more nats than the HMM, and none is found "
      "out more easily", mean[hmm] > max(mean[pixels], mean[bayes]) - 0.2
      and mean[hmm] > mean[bayes] + 0.5 and look[hmm] > max(look[pixels], look[bayes]))
alone = "GAN, 2 latents"
claim("-", "a GAN's generator is a poor density",
      f"2 latents, exact: {mean[alone]:.1f} ± 1.5 nats as it is, {np.mean(soft):.1f} ± 1 softened, "
      f"VAE {mean['VAE, 2 latents']:.1f} ± 0.4; GAN with 8 latents {mean[gan]:.1f} ± 0.4",
      "holds if it has 2 latents; with 8 it comes near a mixture of 64, as it is",
      mean[alone] + 0.5 < np.mean(soft) < mean["VAE, 2 latents"] - 2
      and mean[gan] > mean["mixture of 64"] - 0.6)
claim("§2", "the mainstream models are HMM, naive Bayes and the mixture",
      f"best of the three {mean['mixture of 64']:.1f} ± 0.3 nats, a VAE of 8 latents "
      f"{differ.mean():.1f} ± 0.25 more; autoregressive {mean[pixels]:.1f} ± 0.3",
      "does not hold as a list to choose from: models that are not on it explain and draw better",
      differ.mean() > 3 * paired and look[gan] < look["mixture of 64"])
end()

# %% [markdown]
# ## Your turn
# 1. Nats can be bought: blend the best model with noise. Below the second table write
#    `print(np.mean(np.logaddexp(nats["VAE, 8 latents"][-1] + np.log(0.01), np.log(0.99) - 64 *
#    np.log(2))))`. What does it cost that 99 of 100 drawings are noise?
# 2. Judge the judge: give it `steps=25` (it has 400 by default) in `rivals.told_apart(x, drawn,
#    x_test, fresh, k, steps=25)`. Which order do the looks have?
#
# ## What you should see
# 1. -21.8: it lost 4.6 nats, and still stands above independent pixels. Nats say how well unseen
#    digits are explained; of 99 bad drawings in 100 they know nothing.
# 2. Most come near 0.5, for a judge that knows little finds most things fine: naive Bayes has 0.54,
#    the best 0.53. Looks are only as good as the judge, so say which. Nats need none.
