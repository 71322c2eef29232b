# %%
"""Lesson 12, second part: holes.

You draw codes from the prior, ask for each whether any picture has its code near there, and look
at what the decoder makes of it. Takes about 4 s.
"""
from workbench import begin, claim, end, figure, predict, rng
from workbench import held_out, posteriors, share_real, sheet, spread, table, trained

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# To draw a picture one decodes z from N(0, I), where the decoder knows its way, since the KL has
# pulled all codes there. With eight latents the heap of all codes, q(z), is some nats away from
# the prior, as the [first part](12_aggregate_posterior.py) measured. What does that do to the
# pictures?
#
# **What you need:** the [aggregate posterior](GLOSSARY.md#aggregate) q(z),
# [eq. (12.1)](derivations/12_aggregate_posterior.md#eq-12-1), and the share of 'real' pictures:
# those within a distance of 1.25 of a training picture, with all that [lesson 10](10_judge.py)
# says against it.

# %%
holes = predict("""Call a place a hole if q(z) has less than a tenth of the prior's density there.
                Eight latents, well trained. How many draws from N(0, I) fall into a hole?""",
                a="about 1 %", b="about 10 %", c="about 60 %")
filled = predict("""And codes of digits that were held out from the training: how many of those lie
                 in holes?""", a="hardly any", b="as many as of the draws")

# %% [markdown]
# ## How often was the decoder shown this place?
# The heap is a mixture of N Gaussians, so its density can be computed anywhere. Next to the
# prior's it says how much more often the decoder was shown a place than the prior asks for it:
#
# $$ \log \frac{q(z)}{p(z)} = \log \frac{1}{N} \sum_{n=1}^{N} q(z \mid x_n) - \log p(z) $$
#
# Below log 0.1 = -2.3 is a hole. The mean of this ratio over codes is KL(q(z), p), the last term
# of [eq. (12.4)](derivations/12_aggregate_posterior.md#eq-12-4).

# %%
def log_ratio(z, mu, logvar):
    """log q(z) / p(z) at each row of z (n, Z), for the posteriors mu, logvar (N, Z)."""
    out = []
    for part in np.array_split(z, max(1, len(z) // 50)):              # in parts, to save memory
        off = (part[:, None] - mu) / np.exp(logvar / 2)               # (50, N, Z)
        log_q = -0.5 * (off**2 + logvar).sum(axis=2)                  # (50, N)  log q(z | x_n)
        log_p = -0.5 * (part**2).sum(axis=1)                          # (50,)    (2 pi cancels)
        out.append(mv.evaluate.log_mean_exp(log_q.T) - log_p)         # eq. (12.1)
    return np.concatenate(out)                                        # (n,)


x, y = mv.data.digits()
found = []
for k in range(4):
    train, _, test, _ = held_out(x, y, 360, k)
    model = trained(mv.VAE, train, k, epochs=60, hidden_dims=(50,), latent_dim=8,
                    activation="tanh", likelihood="gaussian", decoder_logvar=np.log(0.05))
    mu, logvar = posteriors(model, test)
    z_test = mu + np.exp(logvar / 2) * rng(k, 2).standard_normal(mu.shape)        # (360, 8)
    z_prior = rng(k, 3).standard_normal((500, 8))                     # (500, 8)
    heap = posteriors(model, train)                                   # (1437, 8) each
    at_test, at_prior = log_ratio(z_test, *heap), log_ratio(z_prior, *heap)
    hole, pictures = at_prior < np.log(0.1), model.pixels(z_prior)
    real = [share_real(pictures[rows], train) if rows.any() else np.nan for rows in (hole, ~hole)]
    found.append([hole.mean(), np.mean(at_test < np.log(0.1)), *real])

# %%
found = np.array(found)                                               # (4, 4)
names = ("draws from the prior that fall into holes", "codes of held-out digits in holes",
         "real pictures, decoded in holes", "real pictures, decoded elsewhere")
print("\nShares, mean of four runs (smallest to largest):")
table(["", "share"], [[name, spread(column)] for name, column in zip(names, found.T)])

# %%
in_holes, held, real_in, real_out = found.mean(axis=0)
holes.answer("c", f"""{in_holes:.0%} do. The bells of the pictures are narrow, and they leave most
    of an eight-dimensional space empty.""")
filled.answer("a", f"""{held:.0%}. So the holes are empty of digits, and not only of those that the
    model was trained on. It is the prior that asks for places where no digit lives.""")
claim("§5.2", "so one may safely decode draws from N(0, I)",
      f"eight latents: {in_holes:.2f} ± 0.06 of the draws in holes (held-out codes {held:.2f} ± "
      f"0.02); real images there {real_in:.2f} ± 0.04, elsewhere {real_out:.2f} ± 0.1",
      "holds if the draw does not fall into a hole: with eight latents most do",
      in_holes > 0.5 and held < 0.1 and real_in < 0.5 * real_out)

# %%
fig, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6.6), layout="constrained",
                                  height_ratios=(1.5, 1))
bins = np.linspace(-25, 10, 36)
top.hist(at_test, bins, density=True, color=mv.plot.COLOURS[0], alpha=0.6,
         label="codes of held-out digits")
top.hist(at_prior, bins, density=True, histtype="step", linewidth=2.5, color=mv.plot.COLOURS[1],
         label="draws from the prior")
top.axvline(np.log(0.1), color="0.3", linestyle=":", linewidth=2)
top.text(np.log(0.1) - 0.4, 0.17, "holes", fontsize=14, ha="right")
top.set_xlabel("log q(z) / p(z), nats", fontsize=13)
top.set_ylabel("density", fontsize=13)
top.set_title("Most draws from the prior fall where no digit has its code", fontsize=15)
top.legend(fontsize=12, loc="upper left")
order = at_prior.argsort()                                            # the deepest holes first
sheet(bottom, pictures[[order[::-1][:50:5], order[:50:5]]], ["well known", "deep holes"])
bottom.tick_params(labelsize=13)
bottom.set_title("decoded draws", fontsize=14)
figure(fig, "12_holes", width=480)
end()

# %% [markdown]
# ## Your turn
# 1. Give the models 2 latents (`latent_dim=2`, and 2 in the place of 8 where `z_prior` is drawn).
#    Predict the first and the last two shares.
# 2. Draw from q(z) itself: in place of the line `z_prior =` write `n = rng(k, 3).integers(0,
#    len(train), 500)`, and below it `z_prior = posteriors(model, train)[0][n]`, the mu of 500
#    training pictures at random. How many pictures are real now, and what have you given up?
#
# An exercise that answers back: [ex11_importance_bound](exercises/ex11_importance_bound.py).
#
# ## What you should see
# 1. Holes 0.02, and real pictures elsewhere 0.34. Two dimensions are easily filled, and there is
#    next to nothing to avoid; but two numbers keep less of a digit, so that the pictures are
#    worse.
# 2. No draw is in a hole (hence the nan), and 0.89 are real, for each is nearly the
#    reconstruction of a training picture. You have given up the prior: now the data are needed to
#    draw. The lesson says that this run differs.
