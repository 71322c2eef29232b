# %%
"""Lesson 09: the reparameterization trick.

A draw from N(mu, s^2) has no derivative in mu or s; mu + s eps has. Measures that the two are the same draw, how noisy the
gradient is next to its rival, where that order reverses or the trick fails, and what happens to a VAE that draws its noise
twice. Takes about 8 s; needs nothing but minivae.
"""
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np

import minivae as mv
from lesson import arguments, claim, figure, finished, show
from minivae.evaluate import elbo

args = arguments(__doc__)

# %% [markdown]
# ## The question
# The encoder gives mu and s, the code is a draw from N(mu, s^2), and the loss is computed from the draw. How can a
# gradient get back through dice, and how good is it when it does?
#
# **Predict.** (a) You draw z ~ N(mu, 1) with mu = 1, and again with mu = 1.001. By how much does z change? (b) Two honest
# estimates of the derivative of E[z^2] in mu, from one draw each: 2 z, and z^2 (z - mu)/s^2. Which is noisier, and how
# does that change in 128 dimensions? (c) A backward pass draws fresh noise in place of that of the forward pass. What is
# the gradient in the log variance, on average, and what will the VAE do with its noise?
#
# Derivation: the trick is [eq. (9.2)](derivations/09_reparameterization.md#eq-9-2), the two gradients are [eq. (9.5)](derivations/09_reparameterization.md#eq-9-5) and
# [eq. (9.6)](derivations/09_reparameterization.md#eq-9-6), their variances [eq. (9.8)](derivations/09_reparameterization.md#eq-9-8) to
# [eq. (9.15)](derivations/09_reparameterization.md#eq-9-15).
#
# ## Why a draw has no gradient
# **(a)** By anything: the new draw has nothing to do with the old one. A derivative compares z at mu and at mu + h with
# *all else equal*, and for a draw all else is not equal. Eq. 6 of the essay pulls the dice out: draw eps from N(0, 1)
# first, then z = mu + s eps. With eps held fixed, z is an ordinary function: dz/dmu = 1, dz/dlogvar = s eps / 2.

# %%
rng = np.random.default_rng(0)
mu, logvar = mv.Tensor(np.array([1.0]), requires_grad=True), mv.Tensor(np.array([-1.0]), requires_grad=True)
try:
    rng.normal(mu, 1.0)
except TypeError as error:
    print(f"rng.normal(mu, 1.0) with a Tensor mu raises:\n  {error}")
eps = rng.standard_normal(1)
z = mv.reparameterize(mu, logvar, eps)
z.backward()
print(f"mv.reparameterize(mu, logvar, eps): dz/dmu = {mu.grad[0]:g}, dz/dlogvar = {logvar.grad[0]:.4f} "
      f"(s eps / 2 = {np.exp(-0.5) * eps[0] / 2:.4f}), eq. (9.3) and eq. (9.4)")

n, worst = 100_000, 0.0
for seed in range(5):
    draws = mv.reparameterize(np.full(n, 1.0), np.full(n, -1.0), np.random.default_rng(seed).standard_normal(n))
    below = NormalDist(1.0, np.exp(-0.5)).cdf
    exact = np.array([below(q) for q in np.linspace(-2, 4, 200)])
    share = np.searchsorted(np.sort(draws), np.linspace(-2, 4, 200)) / n
    worst = max(worst, np.abs(share - exact).max() * n**0.5)
claim("§5.3", "mu + s eps has the distribution of a draw from N(mu, s^2)",
      f"share of 100,000 draws below each of 200 points, five seeds: largest error {worst / n**0.5:.4f} (tol 0.005)", "holds",
      worst < 1.95)  # Kolmogorov's limit for 1 in 1000

# %% [markdown]
# ## Two gradients of an average
# Training needs the derivative of E f(z), where f is all that comes after the draw. *Pathwise*, eq. (9.5): follow the draw,
# f'(z) dz/dmu. *Score function*, eq. (9.6): leave the draws where they are and reweight them, f(z) (z - mu)/s^2, which
# needs no f'. Both are right on average. Backpropagation through reparameterize gives the first; we compare single draws.

# %%
@mv.primitive
def sin(x):
    return np.sin(x), lambda g: g * np.cos(x)


@mv.primitive
def step(x):
    return 1.0 * (x > 0), lambda g: 0 * g  # the derivative wherever it has one


def square(z):
    return z * z


def pathwise(f, eps, mu=1.0, logvar=0.0):
    """Gradients of f(z) in mu and logvar, one per draw, by backpropagation; f acts on each draw by itself."""
    mu, logvar = (mv.Tensor(np.full(eps.shape, a), requires_grad=True) for a in (mu, logvar))
    f(mv.reparameterize(mu, logvar, eps)).sum().backward()
    return mu.grad, logvar.grad


def score_function(f, eps, baseline=0.0, mu=1.0, logvar=0.0):
    std = np.exp(logvar / 2)
    value = f(mu + std * eps) - baseline
    return value * eps / std, value * (eps**2 - 1) / 2  # eq. (9.7)


noise = [np.random.default_rng(seed).standard_normal(200_000) for seed in range(5)]
print("\nDerivatives of E[z^2] at mu = 1, s = 1; single draws, 200,000 of them, five seeds\n"
      "                                          mean   exact     variance (largest - smallest)   exact")
for name, grads, column, mean, exact in (
        ("mu, pathwise", pathwise, 0, 2, 4), ("mu, score function", score_function, 0, 2, 30),
        ("mu, score, less the mean of f", lambda f, e: score_function(f, e, 2.0), 0, 2, 18),
        ("mu, score, less the best constant", lambda f, e: score_function(f, e, 4.0), 0, 2, 14),
        ("logvar, pathwise", pathwise, 1, 1, 3), ("logvar, score function", score_function, 1, 1, 34)):
    samples = np.array([grads(square, e)[column] for e in noise])
    v = samples.var(axis=1)
    assert abs(samples.mean() - mean) < 4 * (exact / samples.size) ** 0.5
    print(f"  {name:36}{samples.mean():9.4f}{mean:6}{v.mean():13.3f} ({np.ptp(v):.3f}){exact:20}")  # eq. (9.8) to eq. (9.11)

dims, by_dim = np.array([1, 2, 8, 32, 128]), []
print("\n|z|^2 in d dimensions, gradient in one mu: variance of the score function over that of the path, five seeds")
for d in dims:
    ratio = []
    for seed in range(5):
        eps = np.random.default_rng(seed).standard_normal((20_000, d))
        path, _ = pathwise(square, eps)  # in z_0 only (z_0)^2 has a slope
        score = np.sum((1 + eps) ** 2, axis=1) * eps[:, 0]
        ratio.append(score.var() / path[:, 0].var())
    by_dim.append(np.mean(ratio))
    print(f"  d = {d:3}: {np.mean(ratio):9.1f} ({np.ptp(ratio):.1f}), exact {d * d + 3.5 * d + 3:9.1f}")  # eq. (9.12)

# %% [markdown]
# **(b)** The score function, 7.5 times as noisy in one dimension and over 16,000 times in 128: it multiplies the whole of f,
# with the noise of all latents, while the path hears only what its own latent does to f. But what makes the path precise
# is f', and that can ruin it: sin(kz) with a large k is steep nearly everywhere and averages out to nearly nothing. And a
# step has no slope wherever one looks, so the path says 0, though P(z > 0) does depend on mu.

# %%
ks, by_k = np.array([0.5, 1, 1.5, 2, 3, 5, 10]), []
print("\nsin(kz), mu = 1, s = 1: variance of a single draw's gradient in mu\n"
      "     k    pathwise   score function    ratio    exact ratio")
for k in ks:
    path, score = (np.mean([grads(lambda z: sin(k * z), e)[0].var() for e in noise]) for grads in (pathwise, score_function))
    c, mean = np.cos(2 * k) * np.exp(-2 * k * k), k * np.cos(k) * np.exp(-k * k / 2)
    exact = (0.5 * (1 - (1 - 4 * k * k) * c) - mean**2) / (0.5 * k * k * (1 + c) - mean**2)  # eq. (9.13)
    by_k.append((exact, score / path))
    print(f"{k:6g}{path:12.3f}{score:17.3f}{score / path:9.3f}{exact:15.3f}")
    assert abs(score / path / exact - 1) < 0.05
reversed_ratio = by_k[-1][1]
path, score = (np.array([grads(step, e)[0] for e in noise]) for grads in (pathwise, score_function))
truth = np.exp(-0.5) / np.sqrt(2 * np.pi)  # eq. (9.14)
print(f"a step: derivative of P(z > 0) in mu: pathwise {path.mean():.4f}, score function {score.mean():.4f}, exact {truth:.4f}")
smooth = np.mean([pathwise(square, e)[0].mean() for e in noise])
claim("§5.3", "with mu + s eps in place of the draw, the gradient reaches mu and s",
      f"gradient in mu, E z^2: {smooth:.3f} (exact 2); a step: {path.mean():.3f} (exact {truth:.3f}) (tol 0.02)",
      "holds if what follows the draw has no jumps", abs(smooth - 2) < 4 * (4 / 1e6) ** 0.5 and not path.any()
      and abs(score.mean() - truth) < 4 * score.std() / 1000)

# %% [markdown]
# ## The same noise on both sides
# The trick is to hold eps fixed. Two ways to forget it: a finite difference that draws again for mu + h and mu - h, and a
# backward pass that draws again. The second is easily written, and nothing in training complains. check_gradients does.

# %%
hs, spread = np.array([0.1, 0.01, 0.001, 0.0001]), []
print("\nFinite difference of the mean of z^2 over 1000 draws (exact derivative 2): standard deviation over 200 repeats\n"
      "       h    fresh noise   exact    common noise   exact")
rng = np.random.default_rng(0)
for h in hs:
    up, down = rng.standard_normal((2, 200, 1000))
    fresh, common = (np.std(np.mean((1 + h + up) ** 2 - (1 - h + other) ** 2, axis=1) / (2 * h)) for other in (down, up))
    exact = np.sqrt((3 / h**2 + 2) / 1000), np.sqrt(4 / 1000)  # eq. (9.15)
    spread.append((fresh, common))
    print(f"{h:8g}{fresh:15.3f}{exact[0]:8.3f}{common:16.3f}{exact[1]:8.3f}")


@mv.primitive
def drawn_twice(mu, logvar, rng):
    """WRONG: the rule of logvar draws noise of its own."""
    std = np.exp(logvar / 2)
    return (mu + std * rng.standard_normal(mu.shape, mu.dtype),
            (lambda g: g, lambda g: g * (0.5 * std * rng.standard_normal(mu.shape, mu.dtype))))


start = np.random.default_rng(1).normal(size=(2, 3, 2))
fresh = mv.check_gradients(lambda mu, logvar: mv.reparameterize(mu, logvar, rng.standard_normal((3, 2))), *start,
                           raise_error=False)
print(f"\ncheck_gradients of reparameterize, drawing inside f:\n  {fresh.diagnosis}\nAnd of the rule that draws twice:")
print(mv.check_gradients(lambda mu, logvar: drawn_twice(mu, logvar, np.random.default_rng(2)), *start, raise_error=False))
twice = []
for seed, e in enumerate(noise):
    mu, logvar = (mv.Tensor(np.full(len(e), a), requires_grad=True) for a in (1.0, 0.0))
    square(drawn_twice(mu, logvar, np.random.default_rng(seed))).sum().backward()
    twice.append(logvar.grad.mean())
print(f"\nMean gradient of E[z^2] in logvar: drawn once {np.mean([pathwise(square, e)[1].mean() for e in noise]):.3f}, "
      f"drawn twice {np.mean(twice):.3f}, exact 1.")

# %% [markdown]
# **(c)** Zero: E[f'(z) eps'] = E[f'(z)] E[eps'] = 0 when eps' has nothing to do with z. So the decoder's complaint about the
# noise never arrives, only the KL speaks for logvar, and it wants s = 1. A VAE with this bug trains, its loss falls, and its
# noise stays at that of the prior. In the healthy one we also compare the two gradients of the decoder's nll in mu.

# %%
class DrawnTwice(mv.VAE):
    def terms(self, x, rng):
        x = self.check_input(x)
        mu, logvar = self.encode(x)
        return self.nll(self.decode(drawn_twice(mu, logvar, rng)), x), mv.gaussian_kl(mu, logvar)


x, _ = mv.data.digits()
order = np.random.default_rng(0).permutation(len(x))
train, test = x[order[:1437]], x[order[1437:]]
result, ratios = {}, []
print("\nDigits, 8 latents, Gaussian decoder of variance 0.05, 50 epochs; held out, three seeds: mean (largest - smallest)\n"
      "noise drawn        noise s       ELBO, nats        KL, nats     training loss, first and last epoch")
for name, kind in (("once", mv.VAE), ("twice", DrawnTwice)):
    rows = []
    for seed in range(3):
        model = kind(64, (100,), 8, "gaussian", float(np.log(0.05)), "tanh", rng=np.random.default_rng(seed))
        history = finished(mv.fit(model, train, epochs=50, batch_size=100, lr=3e-3, rng=np.random.default_rng(seed + 10),
                                  progress=False))
        mu, logvar = (t.data for t in model.encode(test))
        rows.append((np.exp(logvar.mean() / 2), elbo(model, test, np.random.default_rng(seed), n_samples=8).mean(),
                     mv.gaussian_kl(mu, logvar).mean(), history.loss[0], history.loss[-1]))
        if kind is mv.VAE:
            eps = np.random.default_rng(seed).standard_normal((1000, 20, 8), np.float32)
            draws = mv.Tensor((mu[:20] + np.exp(logvar[:20] / 2) * eps).reshape(-1, 8), requires_grad=True)
            nll = model.nll(model.decode(draws), np.tile(test[:20], (1000, 1)))
            nll.sum().backward()  # dz/dmu = 1, so the gradient in the draw is the pathwise gradient in mu
            value = nll.data.reshape(1000, 20, 1)
            ratios.append([np.var((value - baseline) * eps / np.exp(logvar[:20] / 2), axis=0).mean()
                           / draws.grad.reshape(eps.shape).var(axis=0).mean() for baseline in (0, value.mean(axis=0))])
    result[name] = m = np.mean(rows, axis=0)
    print(f"{name:12}" + "".join(f"{a:9.2f} ({b:.2f})" for a, b in zip(m[:3], np.ptp(rows, axis=0)))
          + f"{m[3]:15.1f} to {m[4]:.1f}")
plain, less = np.mean(ratios, axis=0)
print(f"The decoder's nll in the healthy VAE, variance of the score function over that of the path: {plain:.0f}; {less:.0f} with the "
      "mean of f taken off")
claim("-", "the pathwise gradient is less noisy than the score function's",
      f"variance, score over path: z^2 {by_dim[0]:.1f}, with d = 128 {by_dim[-1]:.0f}; sin(10 z) {reversed_ratio:.4f} (tol 8 %)",
      "holds if f changes little over the width of the noise; where it oscillates within it, the order reverses",
      by_dim[0] > 5 and np.all(np.diff(by_dim) > 0) and np.min(ratios) > 3 and reversed_ratio < 0.05)
claim("-", "noise may be drawn anew for the backward pass, since it is only noise",
      f"learned noise s: drawn once {result['once'][0]:.2f}, twice {result['twice'][0]:.2f}; ELBO {result['once'][1]:.1f} and "
      f"{result['twice'][1]:.1f} nats (tol 1.5)",
      "does not hold: the gradient in logvar averages to zero, and the noise stays large",
      abs(np.mean(twice)) < 0.01 and result["twice"][0] > 2 * result["once"][0] and result["twice"][1] < result["once"][1] - 4)

# %%
fig, axes = plt.subplots(2, 2, figsize=(9.4, 7), layout="constrained")
blue, red, green = mv.plot.COLOURS[:3]
a, b, c, d = axes.ravel()
line, rng = np.linspace(0, 2, 41), np.random.default_rng(4)
for i, e in enumerate(rng.standard_normal(5)):
    a.plot(line, line + e, color=blue, label="mu + s eps, five fixed eps" if i == 0 else None)
a.plot(line, line + rng.standard_normal(41), ".", color=red, label="a new draw at each mu")
a.set(title="What moves when mu moves", xlabel="mu", ylabel="z", xticks=[0, 0.5, 1, 1.5, 2], ylim=(-3, 5.5))
b.loglog(dims, dims**2 + 3.5 * dims + 3, color=blue, label="exact, eq. (9.12)")
b.loglog(dims, by_dim, "o", color=red, label="measured")
b.set(title="$|z|^2$ in d dimensions: how much noisier?", xlabel="latents d", ylabel="variance, score over path")
c.loglog(ks, [exact for exact, _ in by_k], color=blue, label="exact, eq. (9.13)")
c.loglog(ks, [measured for _, measured in by_k], "o", color=red, label="measured")
c.axhline(1, color="0.5", linestyle=":", label="equally noisy")
c.set(title="sin(kz): the order reverses", xlabel="k", ylabel="variance, score over path")
fresh, common = np.array(spread).T
d.loglog(hs, fresh, "s--", color=red, label="fresh noise on each side")
d.loglog(hs, common, "o-", color=blue, label="the same noise on both sides")
d.set(title="finite difference of a mean of 1000 draws", xlabel="step h", ylabel="its standard deviation")
for ax in axes.ravel():
    ax.legend(fontsize=8, loc="upper left" if ax is a else "best")
figure(fig, "09_reparameterization")
show(args)

# %% [markdown]
# ## Your turn
# 1. Write z = mu + s eps with eps uniform, mean 0, variance 1. Which of eq. (9.3) and eq. (9.4) change? Does the trick ask
#    for a Gaussian at all? (Lesson 8 trains a VAE with uniform q.)
# 2. Forget the factor 1/2 in the rule of logvar. Predict what check_gradients says, then what the VAE's noise becomes.
# 3. In the table for E[z^2], find the constant that leaves the score function the least variance. Why not the mean of f?
# 4. Replace the step by sigmoid(z / t). Watch the pathwise variance as t goes to 0: where has the jump gone?
#
# Exercises that answer back: [ex08_reparameterize](exercises/ex08_reparameterize.py).
