# %%
"""Lesson 09, third part: two gradients of an average.

The trick has a rival that needs no derivative of what follows the draw. You will put single draws
of the two beside each other, and find where each of them fails. Takes about 3 s.
"""
from workbench import begin, claim, end, figure, held_out, predict, rng, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Training needs the derivative of a mean, E f(z), where z is drawn from N(mu, std²) and f is
# decoder and loss. There are two ways to estimate it from one draw. Which is better?
#
# **What you need:** the [first part](09_reparameterization.py), and the density of a
# [Gaussian](GLOSSARY.md#gaussian). An estimate is *noisy* if its variance over draws is large.

# %%
plane = predict("""f is z², mu = 1 and std = 1. Two estimates from one draw, both right on
                average: 2 z, and z² (z - mu). Which is noisier?""",
                a="the first", b="the second", c="neither")
wave = predict("And if f is sin(10 z), with one latent?",
               a="the first is noisier", b="the second is noisier", c="neither")

# %% [markdown]
# ## The two ways
# *Pathwise*, [eq. (9.5)](derivations/09_reparameterization.md#eq-9-5): hold eps fixed and follow
# the draw, by the chain rule. This is what backpropagation through `mv.reparameterize` does.
#
# $$ \frac{\partial}{\partial\mu} E f(z) = E[ f'(z) \cdot 1 ] $$
#
# *Score function*, [eq. (9.6)](derivations/09_reparameterization.md#eq-9-6): leave the draws
# where they are, and let their density q change. In two lines: the derivative of log q is that of
# q, divided by q; so that of q is q times that of log q, and
#
# $$ \frac{\partial}{\partial\mu} \int f(z)\, q(z)\, dz
#    = \int f(z)\, q(z)\, \frac{\partial \log q(z)}{\partial\mu}\, dz
#    = E\left[ f(z)\, \frac{z - \mu}{\mathrm{std}^2} \right] $$
#
# since log q(z) is -(z - mu)² / (2 std²) and a constant. It needs only the value of f.

# %%
K = 10.0


@mv.primitive
def sine(z):
    return np.sin(K * z), lambda g: g * K * np.cos(K * z)


@mv.primitive
def step(z):
    return 1.0 * (z > 0), lambda g: 0 * g        # the derivative wherever there is one


def square(z):
    return z * z


def pathwise(f, eps):
    """Gradients of f(z) in mu for mu = 1 and std = 1, one for each draw."""
    mu = mv.Tensor(np.full(eps.shape, 1.0), requires_grad=True)
    f(mv.reparameterize(mu, np.zeros_like(eps), eps)).sum().backward()
    return mu.grad                               # the shape of eps         eq. (9.5)


def score(f, eps):
    return f(1 + eps) * eps                      # (z - mu) / std^2 = eps   eq. (9.6)


# %%
eps = rng(0).standard_normal(1_000_000)
exact = {square: 2, sine: K * np.cos(K) * np.exp(-(K**2) / 2), step: 0.24197}     # eq. (9.14)
mean = {(f, way): way(f, eps).mean() for f in exact for way in (pathwise, score)}
variance = {(f, way): way(f, eps).var() for f in exact for way in (pathwise, score)}
print("\nGradient of E f(z) in mu, mu = 1 and std = 1; a million draws:")
table(["f", "exact", "mean: pathwise", "score", "variance: pathwise", "score"],
      [[f.__name__, f"{abs(exact[f]):.3f}",
        *(f"{m[f, way]:.3f}" for m in (mean, variance) for way in (pathwise, score))]
       for f in exact])

# %% [markdown]
# The step from 0 to 1 has no slope wherever a draw falls: its pathwise gradient is always 0, and
# wrong, [eq. (9.14)](derivations/09_reparameterization.md#eq-9-14).

# %%
plane.answer("b", """The second multiplies the whole of f by the noise: it is right because the
    errors of many draws cancel. The first hears only how f changes.""")
wave.answer("a", """sin(10 z) is steep nearly everywhere, up as often as down. Its slopes, about
    10 in size, average to nearly nothing; its value is never larger than 1.""")
claim("§5.3", "with mu + s eps in place of the draw, the gradient reaches mu and s",
      f"gradient in mu, E z^2: {mean[square, pathwise]:.3f} ± 0.01 (exact 2); a step: "
      f"{mean[step, pathwise]:.3f} (exact {exact[step]:.3f})",
      "holds if what follows the draw has no jumps",
      abs(mean[square, pathwise] - 2) < 0.01 and mean[step, pathwise] == 0
      and abs(mean[step, score] - exact[step]) < 0.005)

# %% [markdown]
# ## More latents
# For |z|² in d dimensions the ratio of the two variances is d² + 3.5 d + 3,
# [eq. (9.12)](derivations/09_reparameterization.md#eq-9-12): the score multiplies f, with the
# noise of all latents in it, and the path hears only its own latent. In a VAE of digits we help
# the score function by subtracting the mean of f from f; on average that changes nothing.

# %%
def many_latents(d, k):
    """Variance of the score function over that of the path, for |z|^2 in d dimensions."""
    z = 1 + rng(k, d).standard_normal((20_000, d))                        # (20000, d)
    return (np.sum(z**2, axis=1) * (z[:, 0] - 1)).var() / (2 * z[:, 0]).var()


def in_a_vae(k):
    """The same for the nll of 20 digits in a trained VAE; the score function has nll - mean."""
    x, _, test, _ = held_out(*mv.data.digits(), 20, k)
    model = trained(mv.VAE, x, k, epochs=30, hidden_dims=(100,), latent_dim=8, activation="tanh")
    mu, logvar = (t.data for t in model.encode(test))                     # (20, 8) each
    eps = rng(k, 1).standard_normal((1000, 20, 8), np.float32)
    std = np.exp(logvar / 2)                                              # (20, 8)
    z = mv.Tensor((mu + std * eps).reshape(-1, 8), requires_grad=True)    # (20000, 8)
    nll = model.nll(model.decode(z), np.tile(test, (1000, 1)))            # (20000,)
    nll.sum().backward()                                                  # dz/dmu = 1
    f = nll.data.reshape(1000, 20, 1)
    scores = (f - f.mean(axis=0)) * eps / std                             # (1000, 20, 8)
    return scores.var(axis=0).mean() / z.grad.reshape(eps.shape).var(axis=0).mean()

# %%
ratios = {"z²": [variance[square, score] / variance[square, pathwise]],
          "|z|², 128 latents": [many_latents(128, k) for k in range(3)],
          "nll of digits in a VAE": [in_a_vae(k) for k in range(3)],
          "sin(10 z)": [variance[sine, score] / variance[sine, pathwise]]}
print("\nVariance of the score function over that of the path, mean and range:")
table(["f", ""], [[name, spread(r, ".2f")] for name, r in ratios.items()])
plain, many, vae, swing = (np.mean(r) for r in ratios.values())
claim("-", "the pathwise gradient is less noisy than the score function's",
      f"variance, score over path: z^2 {plain:.1f} ± 0.3, with d = 128 {many:.0f} ± 3 %; "
      f"sin(10 z) {swing:.4f} ± 0.0003",
      "holds if f changes little over the width of the noise; where it oscillates within it, "
      "the order reverses", plain > 7 and many > 16_000 and vae > 3 and swing < 0.011)

# %%
fig, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ax.barh(list(ratios), [np.mean(r) - 1 for r in ratios.values()], left=1, color=mv.plot.COLOURS[0])
ax.set(xscale="log", xlim=(0.003, 1e5))
ax.invert_yaxis()
ax.tick_params(labelsize=12)
ax.set_title("How many times noisier than the path is the score function?", fontsize=14)
ax.set_xlabel("variance, score over path", fontsize=13)
figure(fig, "09_estimators")
end()

# %% [markdown]
# ## Your turn
# 1. Give the sine another frequency, `K = 1.0`. Which of the two is noisier now?
# 2. Subtract a constant from f: `return (f(1 + eps) - 2) * eps` in `score`, where 2 is the mean
#    of z². Which columns change? Then try 4, and 20.
#
# Exercises that answer back: [ex08_reparameterize](exercises/ex08_reparameterize.py).
#
# ## What you should see
# 1. Still the pathwise, 0.37 against 0.31, but only just. Over the width of the noise, 1, sin(z)
#    bends too much for its slope to say more than its value does.
# 2. Only those of the score: for z² the variance is 18 in place of 30, while the mean stays,
#    since the mean of eps is 0. With 4 it is 14, the least there is, eq. (9.10); with 20 it is
#    270.
