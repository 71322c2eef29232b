# %%
"""Lesson 09, second part: noise that is drawn twice.

A backward pass needs the noise of its forward pass. You will train a VAE that draws new noise
instead, and see how much of that shows. Takes about 3 s.
"""
from workbench import begin, claim, end, figure, finished, held_out, predict, rng, spread, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# The rule for logvar needs eps, [eq. (9.4)](derivations/09_reparameterization.md#eq-9-4):
#
# $$ \frac{\partial z}{\partial\, \mathrm{logvar}} = \frac{1}{2}\, \mathrm{std}\; \varepsilon $$
#
# Somebody who writes that rule has no eps at hand, and draws one. It comes from the same N(0, 1),
# and noise is noise. What does the VAE learn?
#
# **What you need:** the [first part](09_reparameterization.py); the [KL](08_gaussian_kl.py),
# which is least where mu = 0 and std = 1; and the [ELBO](GLOSSARY.md#elbo), larger is better.

# %%
loss = predict("The VAE with that mistake is trained on digits. What does its training loss do?",
               a="it falls as smoothly as ever", b="it jumps about", c="it grows")
noise = predict("And the std that its encoder learns for the codes, compared with the right VAE's?",
                a="it becomes smaller", b="it stays the same", c="it stays near 1",
                d="it grows without limit")

# %% [markdown]
# ## Beside the right rule
# `mv.primitive` takes a value and the rule of each input: what turns the gradient g of the output
# into that of the input ([lesson 2](02_backprop.py)). The right one is `reparameterize` in
# [minivae/vae_ops.py](../minivae/vae_ops.py). Here is the other. We average the gradient of z² in
# logvar over 200,000 draws with mu = 1 and std = 1: that of mu² + exp(logvar), which is 1.

# %%
@mv.primitive
def drawn_twice(mu, logvar, chance):
    """WRONG: the rule of logvar draws noise of its own."""
    std = np.exp(logvar / 2)
    eps = chance.standard_normal(mu.shape, mu.dtype)
    other = chance.standard_normal(mu.shape, mu.dtype)
    return mu + std * eps, (lambda g: g, lambda g: g * 0.5 * std * other)


def drawn_once(mu, logvar, chance):
    return mv.reparameterize(mu, logvar, chance.standard_normal(mu.shape, mu.dtype))


def mean_gradients(draw, k):
    """Mean gradients of z^2 in mu and in logvar, at mu = 1 and logvar = 0."""
    mu = mv.Tensor(np.full(200_000, 1.0), requires_grad=True)
    logvar = mv.Tensor(np.zeros(200_000), requires_grad=True)
    z = draw(mu, logvar, rng(k))                              # (200000,)
    (z * z).sum().backward()
    return mu.grad.mean(), logvar.grad.mean()


means = {draw: np.array([mean_gradients(draw, k) for k in range(5)])
         for draw in (drawn_once, drawn_twice)}               # (5, 2)
print("\nMean gradient of z^2, five seeds (smallest to largest):")
table(["noise", "in mu (exact 2)", "in logvar (exact 1)"],
      [[draw.__name__, *(spread(column, ".3f") for column in m.T)] for draw, m in means.items()])

# %% [markdown]
# The new noise eps' has nothing to do with z, so the mean of the product is the product of the
# means, and the mean of eps' is 0:
#
# $$ E[ f'(z)\, \tfrac{1}{2}\, \mathrm{std}\; \varepsilon' ]
#    = E[ f'(z) ]\; \tfrac{1}{2}\, \mathrm{std}\; E[ \varepsilon' ] = 0 $$
#
# Whatever the decoder has to say about the noise does not arrive. Now the VAE: 8 latents, a
# Gaussian decoder of variance 0.05, three splits of the digits.

# %%
class DrawnTwice(mv.VAE):
    def terms(self, x, rng):
        mu, logvar = self.encode(x)                           # (B, 8) each
        z = drawn_twice(mu, logvar, rng)                      # (B, 8)
        return self.nll(self.decode(z), x), mv.gaussian_kl(mu, logvar)


def train(kind, k, epochs=30):
    """Loss and std after each epoch, and the ELBO of held-out digits."""
    x_train, _, x_test, _ = held_out(*mv.data.digits(), 297, k)
    model = kind(64, (100,), 8, "gaussian", float(np.log(0.05)), "tanh", rng=rng(k))
    stds = []

    def look(model, history):
        with mv.no_grad():
            _, logvar = model.encode(x_test)
        stds.append(np.exp(0.5 * logvar.data.mean()))         # the geometric mean of all std

    history = finished(mv.fit(model, x_train, epochs=epochs, batch_size=100, lr=4e-3,
                              rng=rng(k, 1), callback=look))
    return history.loss, stds, mv.evaluate.elbo(model, x_test, rng(k, 2), n_samples=8).mean()


runs = {"once": [train(mv.VAE, k) for k in range(3)],
        "twice": [train(DrawnTwice, k) for k in range(3)]}
final = {name: np.array([(losses[0], losses[-1], stds[-1], bound) for losses, stds, bound in run])
         for name, run in runs.items()}                       # (3, 4)
print("\nTrained for 30 epochs, mean of three splits (smallest to largest):")
table(["noise drawn", "loss, first epoch", "loss, last", "std of the codes", "held-out ELBO"],
      [[name, *(spread(column) for column in f.T)] for name, f in final.items()])

# %%
loss.answer("a", """Its loss is higher at the end, but it falls smoothly, and without the right
    VAE beside it nobody would know.""")
noise.answer("c", """Two forces set the std: the decoder, which wants less noise, and the KL,
    which wants std = 1. The gradient of the first averages to zero here, the second is computed
    without any draw. So the KL has its way.""")
once, twice = (f.mean(axis=0) for f in final.values())
claim("-", "noise may be drawn anew for the backward pass, since it is only noise",
      f"learned std: drawn once {once[2]:.2f} ± 0.05, twice {twice[2]:.2f} ± 0.05; "
      f"ELBO {once[3]:.1f} ± 1.2 and {twice[3]:.1f} ± 1.2 nats",
      "does not hold: the gradient in logvar averages to zero, and the noise stays large",
      np.abs(means[drawn_twice][:, 1]).max() < 0.02 and twice[2] > 2 * once[2]
      and twice[3] < once[3] - 3)

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for (name, run), colour in zip(runs.items(), mv.plot.COLOURS):
    for ax, part in ((left, 0), (right, 1)):
        lines = ax.plot(range(1, 31), np.array([r[part] for r in run]).T, color=colour, linewidth=2)
        lines[0].set_label(f"noise drawn {name}")
left.set_title("the loss falls either way", fontsize=13)
left.set_ylabel("training loss, nats", fontsize=12)
right.set_title("drawn twice, the noise stays at 1", fontsize=13)
right.set_ylabel("std of the codes", fontsize=12)
right.set_ylim(0, 1.2)
for ax in (left, right):
    ax.set_xlabel("epoch", fontsize=12)
left.legend(fontsize=11)
figure(fig, "09_drawn_twice")

# %% [markdown]
# ## What finds it
# A gradient check compares the rule with finite differences, and with the same seed for each call
# of the function these see the noise of the forward pass only.

# %%
start = rng(4).normal(size=(2, 3, 2))                         # mu and logvar, (3, 2) each
for draw in (drawn_once, drawn_twice):
    check = mv.check_gradients(lambda mu, logvar: draw(mu, logvar, rng(5)), *start,
                               raise_error=False)
    print(f"\nmv.check_gradients, {draw.__name__}:\n{check}")
end()

# %% [markdown]
# ## Your turn
# 1. Let the second noise resemble the first: below `other = ...` add the line `other = 0.5 * eps
#    + 0.75**0.5 * other`, which has a correlation of 0.5 with eps. Which part of the gradient in
#    logvar arrives? And which std does the VAE learn?
# 2. Take the KL away: pass `beta=0` to `mv.fit`. Which std do the two VAEs learn now?
#
# Exercises that answer back: [ex08_reparameterize](exercises/ex08_reparameterize.py).
#
# ## What you should see
# 1. Half of it: 0.500 in place of 1. The VAE learns a std of 0.60, between 0.37 and 1: the
#    decoder is heard, but only with half its voice.
# 2. The right VAE shrinks its noise to 0.02, since now nothing holds against the decoder. The
#    other one hears neither decoder nor KL: its std drifts with the noise of the gradients, to
#    somewhere between 0.8 and 1.4, and its ELBO falls to -244 nats.
