# %%
"""Lesson 12, third part: what the prior is for.

You train one VAE from whose loss the prior is left out, and one whose decoder is shown pictures
with codes drawn from the prior. Then both draw. Takes about 5 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import finished, held_out, share_real, sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Section 5.1 of the essay weighs what a VAE needs. It says that the [prior](GLOSSARY.md#prior)
# p(z) = N(0, I) is not what matters, but that q(z given x) is normal. And it says why one cannot
# simply draw z from the prior, put a picture beside it, and train the decoder on the pair: nobody
# knows which picture belongs to which draw. We do both.
#
# **What you need:** the [VAE](10_vae.py), and the share of 'real' pictures: those within a
# distance of 1.25 of a training picture ([lesson 10](10_judge.py)).

# %%
left_out = predict("""Leave p(z) out of the loss: no KL. Everything else stays, and q(z given x) is
                   normal as before. Of the pictures decoded from N(0, I), how many are real,
                   compared with the VAE?""", a="about as many", b="about half as many",
                   c="hardly any")
pairs = predict("""Draw z from N(0, I), whatever the picture is, and train the decoder on these
                pairs. What does it draw in the end?""", a="noise", b="the mean of all digits",
                c="a different digit for each z, but the wrong one")

# %% [markdown]
# ## Three models
# The prior stands in one place of the loss, [eq. (10.2)](derivations/10_vae.md#eq-10-2),
#
# $$ \mathrm{nll} + \mathrm{KL}(q(z \mid x) \Vert p(z)) $$
#
# so beta = 0 leaves it out. For the wrong pairs, the encoder gives mu = 0 and logvar = 0 for
# every picture: then z is a draw from the prior, the KL is 0, and z says nothing of the picture,
# [eq. (12.2)](derivations/12_aggregate_posterior.md#eq-12-2). What the best decoder does with
# such pairs is [eq. (10.12)](derivations/10_vae.md#eq-10-12): for each z the mean of the pictures
# that came with it.

# %%
class WrongPairs(mv.VAE):
    def encode(self, x):
        zeros = mv.Tensor(np.zeros((len(x), self.latent_dim), self.dtype))
        return zeros, zeros                                           # (B, Z) each: N(0, I)


# %%
x, y = mv.data.digits()
net = {"hidden_dims": (50,), "latent_dim": 8, "activation": "tanh", "likelihood": "gaussian",
       "decoder_logvar": np.log(0.05)}
draws, real, gap, off = {}, {}, [], []
for k in range(4):
    train, _, test, _ = held_out(x, y, 360, k)
    models = {"VAE": trained(mv.VAE, train, k, epochs=60, **net),
              "no prior": trained(mv.VAE, train, k, epochs=60, beta=0, **net),
              "wrong pairs": WrongPairs(64, rng=rng(k), **net)}
    adam = mv.Adam(models["wrong pairs"].decoder.parameters())
    for adam.lr, epochs in ((3e-3, 30), (3e-4, 15)):
        finished(mv.fit(models["wrong pairs"], train, epochs=epochs, batch_size=100, optimizer=adam,
                        rng=rng(k, 2)))
    for name, model in models.items():
        pictures = model.sample(500, rng(k, 3))                       # (500, 64)
        real.setdefault(name, []).append(share_real(pictures, train))
        draws.setdefault(name, pictures[:10])
    gap.append(mv.evaluate.aggregated_posterior(models["no prior"], train, rng(k, 4)).marginal_kl)
    mean = train.mean(axis=0)                                         # (64,)
    off.append([np.sqrt(np.mean((p - mean) ** 2)) for p in (pictures, test)])

# %%
print("\nShare of real pictures among 500 draws, mean of four runs (smallest to largest):")
table(["", "share"], [[name, spread(shares)] for name, shares in real.items()])
wrong, digits = np.mean(off, axis=0)
print(f"\nDistance of the wrong pairs' draws from the mean picture: {wrong:.3f} per pixel, "
      f"root mean square;\nof held-out digits: {digits:.3f}")
print(f"No prior: KL(q(z), N(0, I)) is {spread(gap, '.0f')} nats")

# %%
left_out.answer("c", """Without the KL nothing keeps the codes where N(0, I) draws from. They run
    tens of nats away, and the decoder never learns the places that the draws come from.""")
pairs.answer("b", """Over all pairs, every z is shown the same mixture of digits. The picture with
    the least squared error to all of them is their mean, whatever z is.""")
claim("§5.1", "that p(z) is N(0, I) is not important; that q(z given x) is normal is",
      f"p(z) left out of the loss: KL(q(z), p) {np.mean(gap):.0f} ± 30 % nats; real draws "
      f"{np.mean(real['no prior']):.2f} ± 0.03 instead of {np.mean(real['VAE']):.2f} ± 0.06",
      "does not hold: p(z) stands in the KL, and without it draws from it decode to junk",
      min(gap) > 10 and max(real["no prior"]) < 0.5 * min(real["VAE"]))
claim("§5.1", "images paired with draws from the prior teach the decoder nothing",
      f"decoded draws {wrong:.3f} ± 0.01 from the mean image per pixel, digits {digits:.3f} ± 0.01",
      "holds: it learns the mean image", wrong < 0.15 * digits)

# %%
fig, ax = plt.subplots(figsize=(8, 3.7), layout="constrained")
sheet(ax, [test[:10], *draws.values()], ["digits", *draws])
ax.tick_params(labelsize=14)
ax.set_title("Draws from N(0, I), decoded by three models", fontsize=15)
figure(fig, "12_prior")
end()

# %% [markdown]
# ## Your turn
# 1. A little of the prior: `beta=0.1` in place of `beta=0`. Nine tenths of the KL are gone. How
#    many draws are real now?
# 2. Let each latent of the wrong pairs know one thing about the picture, how bright one of its
#    eight columns is: in `WrongPairs.encode` write `mu = 6 * (x.reshape(-1, 8, 8).mean(axis=1) -
#    0.3) + zeros` and return `mu, zeros`. What does the decoder learn now? Look at the figure.
#
# An exercise that answers back: [ex09_kl_rule](exercises/ex09_kl_rule.py).
#
# ## What you should see
# 1. Hardly any, 0.02: KL(q(z), p) is still 13 nats.
# 2. It learns to draw what z tells of a picture: different digits, of a kind, 0.288 from the mean
#    picture. But hardly any of the draws is real (0.01), since the codes of pictures are now not
#    spread like N(0, I): an outer column, say, is dark in every digit, and the draw knows nothing
#    of that. Then the first half of this lesson applies. The lesson says that this run differs.
