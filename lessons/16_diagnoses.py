# %%
"""Lesson 16, second part: which check catches it?

Five checks are put to the nine programs of the museum. You see which of them tells which fault,
and how few are enough. Takes about 8 s.
"""
import itertools

from workbench import begin, claim, end, figure, predict, rng, table

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from exhibits import FAULTS, PROGRAMS, loss_of

begin(__doc__)

# %% [markdown]
# ## The question
# The [first part](16_bug_museum.py) has nine programs: one healthy VAE, and eight with a fault
# each. Losses and pictures gave few of them away. Which checks do? A check may not compare with
# the healthy program, for you would not have one.
#
# **What you need:** the [first part](16_bug_museum.py) and the list of faults in it; the gradient
# check of [lesson 01](01_gradient_check.py). The faults' code is in [exhibits.py](exhibits.py).

# %%
passes = predict("""A gradient check compares the program's gradient with differences of its own
                 loss. How many of the eight faults does it let pass?""",
                 a="none", b="two", c="four", d="six")
enough = predict("Of five checks, how many must you run, at least, to catch all eight faults?",
                 a="one", b="two", c="three", d="all five")

# %% [markdown]
# ## Does the gradient belong to the loss?
# Two checks ask this, with the noise held fixed: differences in single weights,
# [eq. (1.4)](derivations/01_finite_differences.md#eq-1-4), and the remainder in Taylor's formula,
# which falls as h² for a right gradient,
# [eq. (1.9)](derivations/01_finite_differences.md#eq-1-9), and as h for a wrong one.

# %%
x = mv.data.digits()[0]                                                    # (1797, 64)


def small_loss(kind, k):
    """The loss of a small model on one batch, a function of its parameters; and these."""
    model = kind(64, (6,), 2, activation="tanh", dtype=np.float64, rng=rng(k))
    batch = x[rng(k, 1).permutation(len(x))[:64]]                          # (64, 64)
    return lambda *parameters: model.loss(batch, rng(k, 2)), *model.parameters()


def gradient(kind, k):
    report = mv.check_gradients(*small_loss(kind, k), h=1e-4, samples=6, raise_error=False)
    return report.error, report.ok


def taylor(kind, k):
    report = mv.taylor_test(*small_loss(kind, k))
    return report.slope, report.ok


# %% [markdown]
# ## Is z drawn from q(z given x)?
# The draws should have the mean mu and the variance exp(logvar),
# [eq. (9.2)](derivations/09_reparameterization.md#eq-9-2). Then u = (z - mu) / std has the mean 0
# and the variance 1. How many standard errors is it off? More than 5 is no accident.

# %%
def moments(kind, k, n=20_000):
    mu, logvar = (np.tile(v, (n, 1)) for v in (rng(k).normal(size=6), rng(k, 1).uniform(-3, 1, 6)))
    model = kind(64, (), 6, dtype=np.float64, rng=rng(k))
    z = np.asarray(model.draw(mu, logvar, rng(k, 2)).data)                 # (n, 6)
    u = (z - mu) / np.exp(logvar / 2)
    mean, variance = u.mean(axis=0), (u**2).mean(axis=0)                   # (6,) each
    worst = n**0.5 * max(np.abs(mean).max(), np.abs(variance - 1).max() / 2**0.5)
    return worst, worst < 5


# %% [markdown]
# ## A model with a known answer, and an X-ray
# The linear VAE that is probabilistic PCA has an exact log p(x),
# [eq. (15.8)](derivations/15_likelihood.md#eq-15-8), and its ELBO is equal to it ([lesson
# 15](15_exact.py)). Whatever a right program reports for it must be -log p(x), on average.
# And `mv.check_loss` ([minivae/checks/losses.py](../minivae/checks/losses.py)) takes a loss apart
# into terms; [the third part](16_xray.py) shows how.

# %%
pca = mv.evaluate.ppca(x, 4)


def exact(kind, k):
    model = kind(64, (), 4, "gaussian", "shared", dtype=np.float64)
    model.load_state_dict(pca.linear_vae().state_dict())
    excess = model.test_loss(x, rng(k)) + pca.log_prob(x)                            # (1797,)
    return excess.mean(), abs(excess.mean()) < 5 * excess.std() / len(x) ** 0.5


def xray(kind, k):
    report = mv.check_loss(loss_of(kind), sizes=(8, 32, 4), rng=rng(k))
    return report.beta, report.ok and "unstable" not in report.diagnosis


# %%
CHECKS = {"gradient": gradient, "Taylor": taylor, "moments": moments, "exact": exact, "X-ray": xray}
results = {(name, check): [function(kind, k) for k in range(3)]
           for name, kind in PROGRAMS.items() for check, function in CHECKS.items()}
caught = {pair: all(not ok for _, ok in three) for pair, three in results.items()}
print("\nWhat each check finds, median of three seeds; * if it objects with every seed")
table(["", *CHECKS], [[name, *(f"{np.median([v for v, _ in results[name, check]]):.1g}"
                               + (" *" if caught[name, check] else "  ") for check in CHECKS)]
                      for name in PROGRAMS])
sets = [names for n in range(1, 6) for names in itertools.combinations(CHECKS, n)
        if all(any(caught[fault, check] for check in names) for fault in FAULTS)]
smallest = [names for names in sets if len(names) == len(sets[0])]
print("\nThe smallest sets that catch all:", ", or ".join(" + ".join(names) for names in smallest))

# %%
slips = [sum(not caught[fault, check] for fault in FAULTS) for check in ("gradient", "Taylor")]
alarms = sum(not ok for check in CHECKS for _, ok in results["healthy", check])
passes.answer("d", """Only 2 and 6 have a gradient that is not that of their loss. In 1, 3, 4 and
    5 the gradient is right and the loss is wrong, 7 reports another loss than it trains, and 8 is
    right as long as the numbers are small.""")
enough.answer("c", """One for each kind of mistake: does the gradient belong to the loss, is the
    loss the one that is meant, and does the whole program find an answer that is known?""")
claim("-", "a program that passes a gradient check is right",
      f"of 8 faults {slips[0]} pass central differences, {slips[1]} the Taylor test",
      "does not hold: a wrong loss has a right gradient", slips == [6, 6])
claim("-", "every one of the eight is caught by some check that the healthy program passes",
      f"{sum(any(caught[f, c] for c in CHECKS) for f in FAULTS)} of 8 caught, {alarms} false "
      f"alarms; {len(sets[0])} checks are enough", "holds",
      len(sets[0]) == 3 and alarms == 0 and ("gradient", "exact", "X-ray") in smallest)

# %%
fig, ax = plt.subplots(figsize=(8, 5), layout="constrained")
marks = np.array([[caught[name, check] for check in CHECKS] for name in PROGRAMS])   # (9, 5)
ax.imshow(marks, cmap="Blues", vmax=1.4, aspect="auto")
ax.set_xticks(range(5), CHECKS, fontsize=14)
ax.set_yticks(range(9), PROGRAMS, fontsize=14)
ax.xaxis.tick_top()
ax.set_xticks(np.arange(4) + 0.5, minor=True)
ax.set_yticks(np.arange(8) + 0.5, minor=True)
ax.grid(which="minor", color="0.8")
ax.tick_params(which="both", length=0)
ax.set_title("Which check (blue) catches which fault", fontsize=15)
figure(fig, "16_diagnoses")
end()

# %% [markdown]
# ## Your turn
# 1. Let the noise be fresh at every call of the loss: in `small_loss`, a line `noise = rng(k, 2)`
#    above the last, and `model.loss(batch, noise)` in it. Who passes the gradient check now?
# 2. Ask `exact` with 8 pictures: `model.test_loss(x[:8], rng(k)) + pca.log_prob(x[:8])`, and `8
#    ** 0.5`. Which faults does it still catch?
#
# An exercise that answers back: [ex13_repair](exercises/ex13_repair.py).
#
# ## What you should see
# 1. Nobody, the healthy program neither. With fresh noise the loss is another function at each
#    call, and a difference quotient divides that noise by h. Hold the noise fixed before you
#    check a gradient, and do not believe an alarm that everybody sets off.
# 2. All but 3. Its report is off by 12 nats on average, but by how much depends on the picture,
#    so with 8 of them it may be chance; a constant error such as that of 5 is seen at once. A
#    known answer needs an error bar, and an error bar needs pictures.
