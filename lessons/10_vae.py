# %%
"""Lesson 10: the variational autoencoder at work.

The whole machine on one page: you train it on small pictures of digits, look at what it has
learned, and let it draw. Takes about 10 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import distances, entropy_floor, finished, held_out, share_real, spread, table
from workbench import digit_map, sheet, trained, window

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# A VAE sees 1,500 pictures of handwritten digits, 8 by 8 pixels each, and nothing else: nobody
# tells it which digit is which. It may keep only a few numbers of each picture. What does it
# learn to keep, and can it draw?
#
# **What you need:** an [autoencoder](04_autoencoder.py), its [noise](09_reparameterization.py)
# and the [KL](08_gaussian_kl.py). *nll* is what the pixels cost, *kl* what the code costs, both
# in nats ([glossary](GLOSSARY.md#nll)).

# %%
classes = predict("""It keeps 2 numbers of each picture, and nobody told it the classes. You look
                  up ten neighbours on its map and guess the class. How often are you right?""",
                  a="hardly more than by chance, 1 in 10", b="about 3 in 10", c="about 7 in 10",
                  d="nearly always")
drawn = predict("""It keeps 8 numbers. You draw them from N(0, I) and decode. How many of the
                pictures look real? And if an autoencoder, without noise or KL, does it?""",
                a="about half of both", b="most of the VAE's, hardly any of the autoencoder's",
                c="hardly any of both")

# %% [markdown]
# ## One step of the training
# The loss is the batch mean of what the pixels cost and what the code costs,
# [eq. (10.3)](derivations/10_vae.md#eq-10-3):
#
# $$ \mathrm{loss} = \frac{1}{B} \sum_{n=1}^{B} ( \mathrm{nll}(x_n) + \mathrm{KL}(x_n) ) $$
#
# Here is one step, line by line. `model.loss` in [minivae/models.py](../minivae/models.py) is the
# same in one call, and `mv.fit` repeats it.

# %%
x, y = mv.data.digits()                                  # (1797, 64) in [0, 1]; (1797,)
x_train, y_train, x_test, y_test = held_out(x, y, 297)
model = mv.VAE(64, hidden_dims=(128,), latent_dim=2, activation="tanh", rng=rng(1))
adam = mv.Adam(model.parameters(), lr=3e-3)

batch = x_train[:64]                                     # (64, 64)  64 pictures of 64 pixels
mu, logvar = model.encode(batch)                         # (64, 2) each             eq. (10.1)
eps = rng(2).standard_normal(mu.shape, np.float32)       # (64, 2)  the noise
z = mv.reparameterize(mu, logvar, eps)                   # (64, 2)                  eq. (9.2)
logits = model.decode(z)                                 # (64, 64)
nll = mv.bernoulli_nll(logits, batch)                    # (64,)  the pixels' cost  eq. (4.5)
kl = mv.gaussian_kl(mu, logvar)                          # (64,)  the code's cost   eq. (8.4)
loss = (nll + kl).mean()                                 # scalar                   eq. (10.3)
loss.backward()
adam.step()
print(f"before training: nll {nll.data.mean():.1f}, kl {kl.data.mean():.1f} nats per picture")
print(f"a decoder that knows nothing pays 64 log 2 = {64 * np.log(2):.1f}")

# %% [markdown]
# ## And 3,600 more of them

# %%
finished(mv.fit(model, x_train, epochs=150, batch_size=64, lr=3e-3, rng=rng(3)))
with mv.no_grad():
    nll, kl = (term.data.mean() for term in model.terms(x_test, rng(4)))
print(f"\nAfter training, on {len(x_test)} pictures that it has not seen, nats per picture:")
print(f"  nll {nll:5.1f}   for the pixels, given the code; of this {entropy_floor(x_test):.1f}")
print("              cannot be avoided, since a grey pixel is never certain, eq. (4.8)")
print(f"  kl  {kl:5.1f}   for the code: how far q(z | x) is from the prior N(0, I)")
print(f"  sum {nll + kl:5.1f}   which is -ELBO, at least -log p(x), eq. (10.2)")

# %%
away = distances(model.codes(x_test), model.codes(x_train))              # (297, 1500)
near = away.argsort(axis=1)[:, :10]                                      # (297, 10)
guess = np.array([np.bincount(row).argmax() for row in y_train[near]])   # (297,)
print(f"\nClass read off from ten neighbours on the map: right for {np.mean(guess == y_test):.0%}")
classes.answer("c", """Pictures that look alike cost least if they share a place: the noise mixes
    neighbouring codes up, and that does little harm where neighbours look alike. Classes come
    together because digits of one class look alike, not because it was told.""")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
digit_map(left, model.codes(x_test), y_test)
left.set_title("where it puts digits that it has not seen", fontsize=14)
side = np.linspace(-2, 2, 15)
grid = np.array([(a, b) for b in side[::-1] for a in side], np.float32)                 # (225, 2)
sheet(right, model.pixels(grid).reshape(15, 15, 64))
right.set_title("what it draws from there, from -2 to 2", fontsize=14)
figure(fig, "10_vae", width=900)

# %% [markdown]
# ## Let it draw
# With 8 numbers it keeps more. We draw z from N(0, I) and decode, and beside it decode the same z
# with an autoencoder: the same networks without noise and without the KL. A picture counts as
# real if it is within a distance of 1.25 of some training picture; the part
# [10_judge](10_judge.py) asks how much that means.

# %%
z = rng(5).standard_normal((500, 8), np.float32)                                         # (500, 8)
rows, real = {}, {}
for name, kind in (("VAE", mv.VAE), ("autoencoder", mv.Autoencoder)):
    models = [trained(kind, x_train, k, epochs=80, hidden_dims=(100,), latent_dim=8,
                      activation="tanh") for k in range(3)]
    real[name] = [share_real(m.pixels(z), x_train) for m in models]
    rows[name] = models[0].pixels(z[:10])
print("\nShare of the drawn pictures that count as real, mean of three models (and range):")
table(["", "share"], [[name, spread(shares)] for name, shares in real.items()])
drawn.answer("b", """The KL pulls all codes to where N(0, I) draws from, so the decoder has been
    trained there. The autoencoder's codes lie wherever they like. It can draw, too, but nobody
    knows from where: lesson 4 finds the place.""")
claim("§3.3", "decoding z drawn from N(0, I) gives real images from a VAE "
      "and not from an autoencoder",
      f"real samples with 8 latents: VAE {np.mean(real['VAE']):.2f} ± 0.12, autoencoder "
      f"{np.mean(real['autoencoder']):.2f} ± 0.05",
      "holds if there are more than a few latents: with 2 the autoencoder may be lucky",
      min(real["VAE"]) > 0.4 > 0.1 > max(real["autoencoder"]))

# %%
fig, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
sheet(ax, [x_test[:10], rows["VAE"], rows["autoencoder"]], ["real digits", "VAE", "autoencoder"])
ax.tick_params(labelsize=13)
ax.set_title("Ten draws from N(0, I), decoded", fontsize=14)
figure(fig, "10_samples")
window(lambda: mv.plot.explore(model, x_test, y_test))       # --show: it follows your mouse
end()

# %% [markdown]
# ## Your turn
# 1. Give the first model 8 latents: `latent_dim=8`, and below the grid a line that adds six
#    columns of zeros, `grid = np.pad(grid, ((0, 0), (0, 6)))`. Which of nll, kl and their sum
#    falls?
# 2. Weigh the KL four times: pass `beta=4` to `mv.fit`. What becomes of the map and of the
#    pictures? Predict first.
# 3. Let the VAE and the autoencoder of the last part have 2 latents (and z 2 columns). Is the
#    autoencoder still that bad?
#
# Exercises that answer back: [ex08_reparameterize](exercises/ex08_reparameterize.py),
# [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. nll falls by 1.5 nats, kl rises by 1.2: more latents pay, but hardly. The neighbours are now
#    right for 93 %: two numbers were too few to keep ten classes apart. The picture on the right
#    shows a slice of an eight-dimensional space, and no longer all the VAE can draw.
# 2. kl falls to 0.0. At that price no information about the picture is worth its cost, the codes
#    all lie at one place (chapter 11 calls it collapse), and every picture in the grid is the
#    same mean digit. The class is still right for 47 %: the map is tiny, but neighbours are found
#    at any scale.
# 3. No: about 0.4, where the VAE has 0.46. In two dimensions N(0, I) often falls among the codes
#    by luck; in eight it hardly ever does. The lesson says that this run differs.
