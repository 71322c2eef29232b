# %%
"""Lesson 14, second part: why it misses.

You ask for a 3 and sometimes get an 8. You look at where such draws come from, and give the same
networks one more piece of information. Takes about 10 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import distances, held_out, reader, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# In the [first part](14_conditional_vae.py) the digit that was asked for came three times in four
# with 2 latents, and nine times in ten with 8. The essay says that encoder and decoder are simple
# networks, so the control is not perfect. Is it the networks?
#
# **What you need:** the [first part](14_conditional_vae.py): z is drawn from N(mu^y, I), a
# Gaussian of std 1 around the mean of the class y.

# %%
told = predict("""The encoder and the decoder keep their sizes. Only the decoder is told the label,
               besides z, and all classes share the prior N(0, I). With 2 latents, how often is it
               right?""", a="nearly always", b="as often as before", c="less often")
nearer = predict("""Some of the draws for a 3 fall nearer to the mean of another class than to that
                 of the 3. How often are these read as a 3?""",
                 a="nearly always", b="half of the time", c="seldom")

# %% [markdown]
# ## Ten unit circles
# A z that lies nearer to the mean of another class is more likely of that class
# ([eq. (14.5)](derivations/14_conditional_vae.md#eq-14-5)). So whatever decoder follows, it does
# best to draw the class whose mean is nearest, and the share of draws nearest to their own mean
# is the **ceiling** of what can be right. For two classes at the distance d it is
# [eq. (14.6)](derivations/14_conditional_vae.md#eq-14-6), with the normal distribution function:
#
# $$ P(\text{right}) = \Phi(d / 2), \qquad \Phi(\tfrac12) = 0.69, \Phi(1) = 0.84, \Phi(2) = 0.98 $$

# %%
x, y = mv.data.digits()                                        # (1797, 64), (1797,)
wanted = np.repeat(np.arange(10), 200)                         # (2000,)
parts = [held_out(x, y, 297, k) for k in range(3)]
judges = [reader(x_train, y_train) for x_train, y_train, _, _ in parts]
models = {latents: [trained(mv.ConditionalVAE, x_train, k, epochs=100, lr=6e-3, y=y_train,
                            hidden_dims=(100,), latent_dim=latents, activation="tanh",
                            n_classes=10)
                    for k, (x_train, y_train, _, _) in enumerate(parts)] for latents in (2, 8)}


def looked_at(model, k):
    """Of 2,000 draws: right; ceiling; right of those nearest to their own mean, of the others."""
    means = model.prior_mu.data                                # (10, Z)
    z = means[wanted] + rng(k, 2).standard_normal((2000, model.latent_dim), np.float32)
    own = distances(z, means).argmin(axis=1) == wanted         # (2000,)
    judge = judges[k]
    right = judge(model.pixels(z)) == wanted                   # (2000,)
    return right.mean(), own.mean(), right[own].mean(), right[~own].mean()


found = {latents: np.mean([looked_at(model, k) for k, model in enumerate(three)], axis=0)
         for latents, three in models.items()}                 # (4,) each
print("\nShare of the draws that show the digit asked for, mean of three models:")
table(["", "all draws", "ceiling", "nearest to own mean", "nearer to another"],
      [[f"{latents} latents", *(f"{share:.2f}" for share in shares)]
       for latents, shares in found.items()])
nearer.answer("c", """They are drawn as the class that they fell to. The misses are mostly these,
    and no decoder could tell them from the draws of that class.""")

# %%
model = models[2][0]
means = model.prior_mu.data
fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
reach = np.abs(means).max() + 1.3
side = np.linspace(-reach, reach, 100, dtype=np.float32)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)               # (10000, 2)
judge = judges[0]
drawn_as = judge(model.pixels(grid)).reshape(100, 100)
ax.contourf(side, side, drawn_as, levels=np.arange(-0.5, 10), colors=mv.plot.COLOURS, alpha=0.35)
for digit, mean in enumerate(means):
    ax.add_patch(plt.Circle(mean, 1, fill=False, color="black", linewidth=1.5))
    ax.text(*mean, digit, fontsize=20, ha="center", va="center")
ax.set(aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
ax.set_xlabel("latent 0", fontsize=14)
ax.set_ylabel("latent 1", fontsize=14)
ax.set_title("Two latents: ten unit circles crowd the plane\n(colour: the digit drawn there)",
             fontsize=15)
figure(fig, "14_ceiling")

# %% [markdown]
# ## Tell the decoder
# The other way to ask for a class: the decoder gets the label as ten more inputs, one-hot. Then z
# need not carry it, and the class means can all stay at 0.

# %%
class ToldDecoder(mv.ConditionalVAE):
    """The decoder sees z and the label as one-hot; the prior is N(0, I) for all classes."""

    def __init__(self, input_dim, latent_dim, rng, **options):
        super().__init__(input_dim, (100,), latent_dim, rng=rng, n_classes=10, **options)
        self.decoder = mv.MLP((latent_dim + 10, 100, input_dim), "tanh", rng=rng)
        self.prior_mu = mv.Tensor(np.zeros((10, latent_dim), np.float32))      # not learned

    def told(self, z, y):
        return self.decoder(np.concatenate([z, np.eye(10, dtype=np.float32)[y]], axis=1))

    def terms(self, x, rng, y):
        mu, logvar = self.encode(x)
        z = mv.reparameterize(mu, logvar, rng.standard_normal(mu.shape, self.dtype))
        return mv.bernoulli_nll(self.told(z, y), x), mv.gaussian_kl(mu, logvar)


shares = {2: [], 8: []}
for latents in shares:
    for k, (x_train, y_train, _, _) in enumerate(parts):
        judge = judges[k]
        model = trained(ToldDecoder, x_train, k, epochs=40, y=y_train, latent_dim=latents,
                        activation="tanh")
        z = rng(k, 2).standard_normal((2000, latents), np.float32)
        with mv.no_grad():
            pixels = mv.sigmoid(model.told(z, wanted)).data                    # (2000, 64)
        shares[latents].append(np.mean(judge(pixels) == wanted))
print("\nDecoder told the label: "
      + ", ".join(f"{latents} latents {np.mean(three):.3f}" for latents, three in shares.items()))

# %%
told.answer("a", """It never has to guess the class from z. The networks are as simple as before,
    so it was not they.""")
(right_2, top_2), (right_8, top_8) = found[2][:2], found[8][:2]
claim("§7", "the control is imperfect because encoder and decoder are simple nets",
      f"8 latents: right {right_8:.2f} ± 0.03, ceiling {top_8:.2f} ± 0.03; 2 latents: "
      f"{right_2:.2f} ± 0.07, {top_2:.2f} ± 0.07; the same nets, decoder told the label: "
      f"{np.mean(shares[8]):.2f} ± 0.01, {np.mean(shares[2]):.2f} ± 0.01",
      "does not hold: most misses come from the overlap of the class priors",
      1 - top_8 > 0.6 * (1 - right_8) and 1 - top_2 > 0.8 * (1 - right_2)
      and min(shares[2] + shares[8]) > 0.98)
end()

# %% [markdown]
# ## Your turn
# 1. Give the networks three times the units: `hidden_dims=(300,)` in `models`. Do right and
#    ceiling part, or do they move together?
# 2. Train only 30 epochs (`epochs=100` becomes `epochs=30`). What has happened to the circles?
# 3. On paper: two classes, one latent. How far apart must the means be for 99 % right draws?
#
# An exercise that answers back: [ex10_class_kl](exercises/ex10_class_kl.py).
#
# ## What you should see
# 1. They move together. With 2 latents both are a little lower, 0.68 and 0.70; with 8 latents
#    nothing changes, 0.90 and 0.92. Larger networks help only as far as they part the means.
# 2. They lie nearly on top of one another: right 0.37, ceiling 0.40 with 2 latents. All means
#    start at 0, and have only begun to part.
# 3. 4.65: the normal distribution function is 0.99 at 2.33, and that must be d / 2.
