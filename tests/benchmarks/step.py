"""How long does one training step (forward, backward, Adam) take?

    python tests/benchmarks/step.py             about seven minutes
    python tests/benchmarks/step.py --pause 0   without the pauses between contestants

First minivae beside its peers and beside the matrix products alone; then what a user waits for, an
epoch of MNIST and a cold start (epoch.py beside this file); then how time and memory of a minivae
step grow with batch, width and depth, as a table and a figure.

Peers run where they are installed (pip install torch jax autograd, in an environment of their own)
and are reported as skipped elsewhere. All train the same VAE (relu, Bernoulli, float32) on the same
batch, interleaved in many short blocks in one process, so that a slow moment of the machine hits
everybody; the medians' ratios count, not the times. Before each block there is a pause, because the
second thread of NumPy's BLAS keeps its core busy for some 30 ms after its last product: without
pauses a step of PyTorch, whose turn comes next, takes up to three times as long, for no fault of
its own. All are measured twice, at the start and late in training, where running means have died
away into subnormal numbers.

What was tried, each change against the version before it, interleaved, on two threads.

Kept:
  - Adam in stretches of 65,536 numbers, not pass by pass over everything: 1.9 -> 1.45 ms at
    784-400-20
  - the gradients gathered a stretch at a time, into memory that stays in the cache: 1.36 -> 1.23 ms
  - running means set to 0 before they become subnormal numbers: Adam 6.0 -> 1.5 ms after 900 steps
    on MNIST
  - one look at the batch for bad values, no product with beta = 1, the cross-entropy in few arrays,
    less Python per node: forward and backward take 0.93 of the time before at 784-400-20, 0.81 at
    64-128-2
  - a.shape, g.reshape(-1) and math.isfinite(number) in place of np.shape, np.reshape and
    np.isfinite, which first look for foreign arrays: 3.085 -> 3.011 million instructions a step at
    64-128-2 (valgrind --tool=callgrind)
Of no use:
  - stretches of 16,000 to 131,000 numbers
  - two threads for Adam (faster alone, not after a matrix product, whose second thread is still
    there)
  - aligned, huge-page or reused memory
  - the cross-entropy by blocks of rows
  - gradients taken where they are, without gathering
  - sums over the batch as matrix products
  - in the cross-entropy, the logarithm of the product of eight pixels' terms in place of the sum
    of eight logarithms: 0.198 against 0.200 ms
  - all gradients gathered by one np.concatenate: Adam takes 1.10 of its time at 784-400-20
Possible, but left:
  - checks of types and shapes take 2 to 4 % of forward and backward at 784-400-20
  - the gradient that stays exact for large logits, eq. (4.7), takes 4 to 6 %
  - a step written by hand without an engine takes 0.89 to 0.91 of minivae's time and 2.0 to 2.2
    times that of the matrix products: the engine cannot come below that
  - in fit, the look whether every gradient is finite takes 0.12 ms a step of 4.7
"""

import argparse
import functools
import statistics
import time
import tracemalloc

import numpy as np

import minivae as mv

SIZES = {
    # D, H, Z, B
    "784-400-20, batch 128": (784, 400, 20, 128),
    "64-128-2, batch 64": (64, 128, 2, 64),
}


# The contestants. Each function makes one and returns its step, a function without arguments.

def make_batch(D, B):
    return np.random.default_rng(0).random((B, D), dtype=np.float32)


def weights(D, H, Z):
    """The same initial weights for everybody: encoder (2 layers), decoder (2 layers)."""
    model = mv.VAE(D, (H,), Z, rng=np.random.default_rng(0))
    return [p.data.copy() for p in model.parameters()]


def training_step(model, x):
    """A step of minivae; its gradients are left behind."""
    rng = np.random.default_rng(1)
    opt = mv.Adam(model.parameters(), lr=1e-3)

    def step():
        opt.zero_grad()
        loss = model.loss(x, rng)
        loss.backward()
        opt.step()
        return loss.item()

    return step


def minivae_step(D, H, Z, B):
    model = mv.VAE(D, (H,), Z, rng=np.random.default_rng(0))
    return training_step(model, make_batch(D, B))


def products_step(D, H, Z, B):
    """The floor: the eleven matrix products of a step (four forward, seven backward), no more."""
    W1, _, W2, _, W3, _, W4, _ = weights(D, H, Z)
    x = np.ones((B, D), np.float32)
    h = np.ones((B, H), np.float32)
    both = np.ones((B, 2 * Z), np.float32)
    z = np.ones((B, Z), np.float32)
    k = np.ones((B, H), np.float32)
    y = np.ones((B, D), np.float32)

    def step():
        x @ W1, h @ W2, z @ W3, k @ W4
        k.T @ y, y @ W4.T, z.T @ k, k @ W3.T, h.T @ both, both @ W2.T, x.T @ h

    return step


def torch_step(D, H, Z, B, fused):
    import torch
    from torch import nn

    encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * Z))
    decoder = nn.Sequential(nn.Linear(Z, H), nn.ReLU(), nn.Linear(H, D))
    params = [*encoder.parameters(), *decoder.parameters()]
    with torch.no_grad():
        for p, w in zip(params, weights(D, H, Z)):
            p.copy_(torch.from_numpy(w.T))  # a weight is (out, in) there
    opt = torch.optim.Adam(params, lr=1e-3, fused=fused)
    x = torch.from_numpy(make_batch(D, B))
    cross_entropy = nn.functional.binary_cross_entropy_with_logits

    def step():
        opt.zero_grad()
        mu, logvar = encoder(x).chunk(2, dim=1)
        logits = decoder(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu))
        nll = cross_entropy(logits, x, reduction="sum")
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()
        loss = (nll + kl) / B
        loss.backward()
        opt.step()
        return loss.item()

    return step


def functional_loss(np_, params, x, eps, Z):
    """The loss written with a NumPy-like module np_, for jax and autograd."""
    W1, b1, W2, b2, W3, b3, W4, b4 = params
    both = np_.maximum(x @ W1 + b1, 0) @ W2 + b2
    mu, logvar = both[:, :Z], both[:, Z:]
    z = mu + np_.exp(0.5 * logvar) * eps
    logits = np_.maximum(z @ W3 + b3, 0) @ W4 + b4
    nll = np_.maximum(logits, 0) - logits * x + np_.log1p(np_.exp(-np_.abs(logits)))
    kl = 0.5 * (mu**2 + np_.exp(logvar) - logvar - 1)
    return (np_.sum(nll) + np_.sum(kl)) / len(x)


def functional_adam(np_, params, grads, m, v, t):
    m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
    v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
    a = 1e-3 / (1 - 0.9**t)
    c = 1 / (1 - 0.999**t)
    params = [p - a * i / (np_.sqrt(c * j) + 1e-8) for p, i, j in zip(params, m, v)]
    return params, m, v


def jax_step(D, H, Z, B):
    import jax
    import jax.numpy as jnp

    @jax.jit
    def update(params, m, v, t, key, x):
        key, part = jax.random.split(key)
        eps = jax.random.normal(part, (x.shape[0], Z))
        loss_of = functools.partial(functional_loss, jnp, x=x, eps=eps, Z=Z)
        loss, grads = jax.value_and_grad(loss_of)(params)
        return *functional_adam(jnp, params, grads, m, v, t), key, loss

    x = jnp.asarray(make_batch(D, B))
    params = [jnp.asarray(w) for w in weights(D, H, Z)]
    m = [p * 0 for p in params]
    v = [p * 0 for p in params]
    key = jax.random.key(0)
    t = 0.0

    def step():
        nonlocal params, m, v, t, key
        t += 1
        params, m, v, key, loss = update(params, m, v, t, key, x)
        return float(loss)

    return step


def autograd_step(D, H, Z, B):
    import autograd.numpy as anp
    from autograd import value_and_grad

    x = make_batch(D, B)
    rng = np.random.default_rng(1)
    params = weights(D, H, Z)
    m = [p * 0 for p in params]
    v = [p * 0 for p in params]
    t = 0
    gradient = value_and_grad(lambda p, eps: functional_loss(anp, p, x, eps, Z))

    def step():
        nonlocal params, m, v, t
        t += 1
        loss, grads = gradient(params, rng.standard_normal((B, Z), np.float32))
        params, m, v = functional_adam(np, params, grads, m, v, t)
        return float(loss)

    return step


PEERS = {
    "minivae": minivae_step,
    "matrix products alone": products_step,
    "torch, eager": functools.partial(torch_step, fused=False),
    "torch, fused Adam": functools.partial(torch_step, fused=True),
    "jax.jit": jax_step,
    "HIPS autograd": autograd_step,
}


# Measuring

def seconds_of(step, times=1):
    start = time.perf_counter()
    for _ in range(times):
        step()
    return time.perf_counter() - start


def measure(steps, blocks, seconds, pause=0.0):
    """Median seconds per step of each: dict name -> step to dict name -> seconds.

    blocks: how many for each, in turn.
    seconds: about how long a block takes.
    pause: seconds of rest before a block, which then begins with a step that is not timed.
    """
    counts = {}
    for name, step in steps.items():
        seconds_of(step, times=5)
        counts[name] = max(1, int(seconds / seconds_of(step)))
    times = {name: [] for name in steps}
    for _ in range(blocks):
        for name, step in steps.items():
            time.sleep(pause)
            step()
            times[name].append(seconds_of(step, counts[name]) / counts[name])
    return {name: statistics.median(t) for name, t in times.items()}


def contestants(size):
    """dict name -> step of those that are installed, and dict name -> error of the others."""
    steps = {}
    skipped = {}
    for name, make in PEERS.items():
        try:
            steps[name] = make(*size)
        except ImportError as error:
            skipped[name] = error
    return steps, skipped


def compare(blocks, seconds, pause, late):
    """Print all contestants at both sizes, at the start and after `late` steps of training."""
    for title, size in SIZES.items():
        steps, skipped = contestants(size)
        print(f"\n{title}: measuring ...", flush=True)
        first = measure(steps, blocks, seconds, pause)
        print(f"  training each for {late} steps, measuring again ...", flush=True)
        for step in steps.values():
            seconds_of(step, times=late)
        last = measure(steps, blocks, seconds, pause)

        print(f"  {'':22} {'ms a step':>10}   minivae takes   |   late in training")
        for name in steps:
            t, u = first[name], last[name]
            early = f"{1e3 * t:10.3f}   {first['minivae'] / t:5.2f} times"
            later = f"{1e3 * u:8.3f}   {last['minivae'] / u:5.2f} times"
            print(f"  {name:22} {early}    |   {later}")
        for name, error in skipped.items():
            print(f"  {name:22} skipped ({error})")


# Growth

DEFAULTS = {"batch": 128, "width": 400, "depth": 1}
VARIED = {
    # what is varied: over what, and what the axis says
    "batch": ([32, 128, 512, 2048], "images in the batch"),
    "width": ([64, 256, 1024, 2048], "units in each hidden layer"),
    "depth": ([1, 2, 4, 8], "hidden layers on either side"),
}


def clear_gradients(model):
    for p in model.parameters():
        p.grad = None


def time_and_memory(batch, width, depth):
    """Seconds of a step, and in MB its peak memory and what is left after it."""
    model = mv.VAE(784, (width,) * depth, 20, rng=np.random.default_rng(0))
    step = training_step(model, make_batch(784, batch))
    seconds = measure({"": step}, blocks=7, seconds=0.1)[""]

    clear_gradients(model)
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    clear_gradients(model)
    left = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return seconds, peak / 1e6, left / 1e6


def growth(path):
    """Print time per example and peak memory over batch, width and depth, and draw them."""
    import matplotlib.pyplot as plt

    blue, vermilion, *_ = mv.plot.COLOURS
    ticks = [2, 5, 10, 20, 50]
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained", sharey=True)
    for ax, (what, (values, label)) in zip(axes, VARIED.items()):
        milliseconds = []
        peaks = []
        print(f"\n{what:>6}   ms a step   µs an example   peak MB   left after it, MB")
        for value in values:
            setting = {**DEFAULTS, what: value}
            t, peak, left = time_and_memory(**setting)
            each = 1e6 * t / setting["batch"]
            print(f"{value:6}   {1e3 * t:9.2f}   {each:13.1f}   {peak:7.1f}   {left:.2f}")
            milliseconds.append(1e3 * t)
            peaks.append(peak)

        ax.loglog(values, milliseconds, "o-", color=blue, label="time of a step, ms")
        ax.loglog(values, peaks, "s--", color=vermilion, label="peak memory of a step, MB")
        ax.set(xlabel=label, xticks=values, xticklabels=values, yticks=ticks, yticklabels=ticks)
        ax.minorticks_off()
    axes[0].legend()
    title = "one training step of a 784-400-20 VAE on 128 images, one number varied at a time"
    fig.suptitle(title, fontsize=10)
    fig.savefig(path, dpi=110)
    print(f"figure: {path}")


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--blocks", type=int, default=40, help="blocks per contestant")
    add("--seconds", type=float, default=0.05, help="length of a block")
    add("--pause", type=float, default=0.06, help="seconds of rest before a block")
    add("--late", type=int, default=2000, help="steps of training before the second measurement")
    add("--figure", default="growth.png", help="where to write the figure of growth")
    return parser.parse_args()


if __name__ == "__main__":
    from epoch import compare_cold_starts, compare_epochs

    args = arguments()
    compare(args.blocks, args.seconds, args.pause, args.late)
    compare_epochs(args.pause)
    compare_cold_starts()
    growth(args.figure)
