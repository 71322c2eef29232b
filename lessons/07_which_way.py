# %%
"""Lesson 07, third part: which way does the decoder go?

A step raises L_b. Has the model become better? You follow a decoder of one number, where everything
can be computed exactly. Takes about 2 s.
"""
from workbench import begin, claim, end, figure, predict, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv

begin(__doc__)

# %% [markdown]
# ## The question
# Training makes steps that raise L_b, because p(x) itself cannot be computed. Some steps change the
# encoder, that is q; others change the decoder, that is the model. The essay says that the decoder
# can then only go forward: log p(x) rises with L_b, and never falls. Is that so?
#
# **What you need:** [what the ELBO is](07_elbo.py), log p(x) = L_b + gap, and [the gap](07_gap.py)
# of a q that may not have every shape.

# %%
reach = predict("""You take turns. q becomes the posterior, whatever shape that has; then the
                decoder is improved for this q. Can log p(x) fall on the way?""",
                a="no", b="yes, in the steps of q", c="yes, in the steps of the decoder")
forward = predict("""Now q may only have independent latents, as in a VAE. You begin with the best
                  decoder there is, and take turns again. What happens to log p(x)?""",
                  a="nothing, it is at its maximum already", b="it falls, while L_b rises",
                  c="it falls, and L_b with it")

# %% [markdown]
# ## A decoder of one number
# Two latents and one pixel: x = w (z1 + z2) + noise of variance 0.25, and data with mean 0 and
# variance 2. The decoder is the number w, and p(x) is a Gaussian of variance 2 w² + 0.25
# ([eq. (6.9)](derivations/06_mixtures.md#eq-6-9)). An x tells about the sum of z1 and z2 only: if
# one is larger, the other must be smaller. So in the posterior they are *correlated*.
#
# For any w the best q has the mean c x for both latents, the variance v and the correlation rho:
# with a = w² / 0.25, c = w / 0.25 / (1 + 2a). The posterior has rho = -a / (1 + a); with
# independent latents, v = 1 / (1 + a), and the gap is
# [eq. (7.13)](derivations/07_elbo.md#eq-7-13):
#
# $$ \mathrm{gap}(w) = \tfrac12 \log \frac{(1 + a)^2}{1 + 2a} $$

# %%
V, NOISE = 2.0, 0.25
w_best = np.sqrt((V - NOISE) / 2)                              # 2 w² + noise = V


def log_px(w):
    """Mean of log p(x) over the data."""
    variance = 2 * w * w + NOISE
    return -0.5 * (np.log(2 * np.pi * variance) + V / variance)


def best_q(w, independent):
    a = w * w / NOISE
    c = w / NOISE / (1 + 2 * a)
    return (c, 1 / (1 + a), 0.0) if independent else (c, (1 + a) / (1 + 2 * a), -a / (1 + a))


def best_w(q):
    c, v, rho = q                                              # the best decoder for this q
    return 2 * c * V / (4 * c * c * V + 2 * v * (1 + rho))


def l_b(w, q):
    """Mean of L_b over the data: reconstruction less KL, eq. (7.7), the KL by eq. (8.18)."""
    c, v, rho = q
    error = V * (1 - 2 * w * c) ** 2 + 2 * w * w * v * (1 + rho)
    kl = c * c * V + v - 1 - 0.5 * np.log(v * v * (1 - rho * rho))
    return -0.5 * (np.log(2 * np.pi * NOISE) + error / NOISE) - kl


# %%
def in_turn(w, independent, rounds):
    """Rows (w, L_b, log p(x)) after each half round: a step of q, then a step of the decoder."""
    rows = []
    for _ in range(rounds):
        q = best_q(w, independent)
        rows.append((w, l_b(w, q), log_px(w)))
        w = best_w(q)
        rows.append((w, l_b(w, q), log_px(w)))
    return np.array(rows)


def show(title, rows):
    print(f"\n{title}; nats per example")
    table(["step of", "w", "L_b", "gap", "log p(x)"],
          [[kind, f"{w:.4f}", f"{bound:.4f}", f"{abs(lp - bound):.4f}", f"{lp:.4f}"]
           for kind, (w, bound, lp) in zip(["q", "decoder"] * 2 + ["(last)"],
                                           [*rows[:4], rows[-1]])])


em = in_turn(0.3, independent=False, rounds=100)
show("q as good as the posterior, from a poor decoder", em)
reach.answer("a", """A step of q does not touch the model, so log p(x) stays; it closes the gap.
    With no gap left L_b is log p(x), and whatever raises L_b further has raised log p(x). This is
    the EM algorithm, eq. (7.12).""")

# %%
diagonal = in_turn(w_best, independent=True, rounds=300)
show("q with independent latents, from the best decoder", diagonal)
h = 1e-5
pull = (l_b(w_best + h, best_q(w_best + h, True)) - l_b(w_best - h, best_q(w_best - h, True)))
print(f"At the best decoder log p(x) is flat, and L_b slopes by {pull / (2 * h):.3f} nats per unit "
      "of w.")
forward.answer("b", """log p(x) = L_b + gap, so L_b also rises where the gap shrinks. A smaller w
    makes the latents less correlated, so that an independent q fits better. At the best decoder log
    p(x) is flat and only the gap pulls: the decoder goes back, to where q can follow.""")

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for ax, rows, title in ((axes[0], em, "any q: both rise"),
                        (axes[1], diagonal[1:], "independent q: the model gets worse")):
    ax.plot(rows[:16, 2], "o-", color=mv.plot.COLOURS[2], linewidth=2, label="log p(x)")
    ax.plot(rows[:16, 1], "s--", color=mv.plot.COLOURS[0], linewidth=2, label="L_b")
    ax.set_title(title, fontsize=16)
    ax.set_xlabel("steps: q, decoder, q, decoder, ...", fontsize=14)
    ax.set_xticks(range(0, 16, 5))
    ax.tick_params(labelsize=12)
axes[0].set_ylabel("nats per example", fontsize=14)
axes[0].legend(fontsize=15, loc="lower right")
figure(fig, "07_which_way")
claim("§2",
      "log p(x) never falls if q is brought up to the posterior before each step of the decoder",
      f"100 rounds of EM: log p from {em[0, 2]:.3f} to {em[-1, 2]:.3f} nats, no fall", "holds",
      np.diff(em[:, 2]).min() > -1e-12 and em[-1, 2] > em[0, 2] + 0.1
      and np.allclose(em[::2, 1], em[::2, 2], rtol=0, atol=1e-12))
start, last = diagonal[0], diagonal[-1]
claim("§2", "to maximise L_b is to maximise log p(x)",
      f"best w for log p {w_best:.3f}, for L_b with the posterior {em[-1, 0]:.3f} ± 0.001, with "
      f"independent latents {last[0]:.3f} ± 0.001", "holds if q can reach the posterior",
      abs(em[-1, 0] - w_best) < 1e-3 and last[0] < w_best - 0.1
      and np.diff(diagonal[:, 1]).min() > -1e-12 and np.diff(diagonal[:, 2]).max() < 1e-12)
end()

# %% [markdown]
# ## Your turn
# 1. Make the noise four times as large, `V, NOISE = 2.0, 1.0`. Are z1 and z2 more or less
#    correlated, given x? Does the decoder go back further, or less far?
# 2. Begin the independent latents at `in_turn(0.3, independent=True, rounds=300)`. Does log p(x)
#    fall on the way? Where does w stop?
#
# ## What you should see
# 1. Less correlated, for the noise hides most of what ties them: the gap is 0.059 where it was
#    0.464. So there is less to gain by going back, and log p(x) falls by 0.012 in place of 0.076.
# 2. It rises all the way, from -2.823 to -1.842, and w stops at 0.692: the same place, from the
#    other side. From a poor decoder one does not see that anything is lost.
