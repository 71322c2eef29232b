# %%
"""Lesson 04, second part: what lies halfway between two moons?

You decode the place halfway between the codes of the half moon and the full moon, with an
autoencoder and a VAE, which have seen these two moons or many. Takes about 6 s.
"""
from workbench import begin, claim, distances, end, figure, predict, rms, rng
from workbench import sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The essay's best-known picture: an autoencoder has learned the half moon and the full moon. What
# does the decoder show halfway between their two codes? Garbage, says the essay; a VAE, trained
# with noise on its codes, would have to compromise between the two, and show the 3/4 moon. Of
# moons all true pictures are known: a moon of phase f is a disc of which exactly the share f is
# lit, [eq. (4.11)](derivations/04_autoencoder.md#eq-4-11). So it can be tried.
#
# **What you need:** [autoencoders](04_autoencoder.py). Of the VAE it is enough here that noise is
# added to its [code](GLOSSARY.md#latent), of a size that it learns; that begins in
# [lesson 5](05_noise.py).

# %%
two = predict("""A VAE has seen two pictures only, the half moon and the full moon. Decoded halfway
              between their codes, what does it show?""",
              a="a 3/4 moon", b="the half and the full moon, one through the other",
              c="the half moon or the full moon", d="nothing like a moon")
many = predict("""Now the models have seen 256 moons of all phases. Which of them comes near the 3/4
               moon halfway between half and full?""",
               a="only the VAE", b="only the autoencoder", c="both, the VAE nearer",
               d="both, the autoencoder nearer")

# %% [markdown]
# ## Two moons or many, noise or none
# On the line from one code to the other, with t from 0 to 1:
#
# $$ z(t) = z_{half} + t\, (z_{full} - z_{half}) $$
#
# The distance between two pictures is the root mean square (RMS) of the difference per pixel.

# %%
SIDE = 16                                                               # 256 pixels
half, three_quarters, full = mv.data.moons(3, SIDE, phases=[0.5, 0.75, 1])[0]       # (256,) each
average = (half + full) / 2
every_moon, phase = mv.data.moons(501, SIDE, phases=np.linspace(0, 1, 501))         # (501, 256)


def seen_moons(n, k):
    """What a model is trained on: two moons, many times, or n of random phase; (64 or n, 256)."""
    if n == 2:
        return np.stack([half, full]).repeat(32, axis=0)
    return mv.data.moons(n, SIDE, rng=rng(k, 2))[0]


def between(model, t):
    """Decoded from the line between the codes of half and full moon, at t (T,): (T, 256)."""
    start, stop = model.codes(np.stack([half, full]))                   # (2,) each
    return model.pixels(start + np.outer(t, stop - start))


# %%
SEEN = {2: 300, 256: 200}                                               # moons seen: epochs
models, off = {}, {}
for n, epochs in SEEN.items():
    for name, kind in (("autoencoder", mv.Autoencoder), ("VAE", mv.VAE)):
        models[n, name] = [trained(kind, seen_moons(n, k), k, epochs, batch_size=64,
                                   hidden_dims=(64,), latent_dim=2, activation="tanh")
                           for k in range(4)]
        halfway = np.concatenate([between(m, [0.5]) for m in models[n, name]])      # (4, 256)
        away = distances(halfway, every_moon) / SIDE                                # (4, 501)
        off[n, name] = {"3/4 moon": rms(halfway, three_quarters),                   # (4,) each
                        "average": rms(halfway, average),
                        "nearest moon": away.min(axis=1),
                        "its phase": phase[away.argmin(axis=1)]}

print("\nDecoded halfway, RMS difference per pixel from three pictures: the 3/4 moon, the average")
print("of half and full moon, and whichever true moon is nearest. Mean of 4 seeds (and range).")
table(["seen by", *off[2, "VAE"]],
      [[f"{n}, {name}", *(spread(values, ".2f") for values in off[n, name].values())]
       for n, name in off])
print(f"For comparison: from the 3/4 moon the average is {rms(average, three_quarters):.2f} away, "
      f"the half moon {rms(half, three_quarters):.2f}.")

# %%
two.answer("b", """Nothing that it has seen says how a moon grows. Every pixel that differs between
    the two pictures changes from dark to light along the way, all of them together; so halfway is
    nearest to the average.""")
many.answer("d", """What was missing were pictures in between, not noise. Networks are smooth, so
    codes of similar moons are neighbours without any noise. The VAE, too, shows a true moon, but
    of a phase a little off: nothing asks it to make equal steps of the code equal steps of
    phase.""")
mean = {key: {name: values.mean() for name, values in parts.items()} for key, parts in off.items()}
ae, vae = (mean[256, name]["3/4 moon"] for name in ("autoencoder", "VAE"))
claim("§1",
      "halfway between half and full moon the autoencoder decodes garbage, the VAE a 3/4 moon",
      "RMS from the 3/4 moon, two moons seen: autoencoder "
      f"{mean[2, 'autoencoder']['3/4 moon']:.3f} ± 0.015, VAE {mean[2, 'VAE']['3/4 moon']:.3f} ± "
      f"0.03, and {mean[2, 'VAE']['average']:.3f} ± 0.03 from the average of the two; 256 moons "
      f"seen: {ae:.3f} ± 0.02 and {vae:.3f} ± 0.05",
      "does not hold: two pictures give neither model the phase between; with many phases the "
      "autoencoder finds it, too",
      min(mean[2, name]["3/4 moon"] for name in ("autoencoder", "VAE")) > 0.2
      and mean[2, "VAE"]["average"] < 0.14 and ae < 0.05)

# %%
t = np.linspace(0, 1, 9)
rows = {"true moons": mv.data.moons(9, SIDE, phases=0.5 + t / 2)[0],
        "2 seen, AE": between(models[2, "autoencoder"][0], t),
        "2 seen, VAE": between(models[2, "VAE"][0], t),
        "256 seen, AE": between(models[256, "autoencoder"][0], t),
        "256 seen, VAE": between(models[256, "VAE"][0], t)}
fig, ax = plt.subplots(figsize=(9, 4.9), layout="constrained")
sheet(ax, list(rows.values()), list(rows))
ax.tick_params(labelsize=15)
ax.set_title("From the code of the half moon to that of the full moon", fontsize=16)
figure(fig, "04_moons")
end()

# %% [markdown]
# ## Your turn
# 1. Show the models the 3/4 moon, too: in `seen_moons`, `np.stack([half, three_quarters,
#    full]).repeat(21, axis=0)`. Does either of them put it halfway?
# 2. Show them all phases but those between 0.65 and 0.85. What do you expect halfway?
#
# ## What you should see
# 1. Both do, the autoencoder at 0.01 from it and the VAE at 0.03. Nobody told them the order: a
#    smooth encoder puts the 3/4 moon between the two pictures that it resembles.
# 2. Something between: 0.12 and 0.15 from the 3/4 moon, 0.20 and 0.19 from the average. The models
#    go a part of the way into what they have not seen, and at the rest they fade.
