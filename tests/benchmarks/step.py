"""How long one training step (forward, backward, Adam) takes: minivae, its peers, and the matrix products alone; then how
time and memory of a minivae step grow with batch, width and depth, as a table and a figure.

    python tests/benchmarks/step.py             about five minutes
    python tests/benchmarks/step.py --pause 0   without the pauses between contestants

Peers run where they are installed (pip install torch jax autograd, in an environment of their own) and are reported as
skipped elsewhere. All train the same VAE (relu, Bernoulli, float32) on the same batch, interleaved in many short blocks
in one process, so that a slow moment of the machine hits everybody; the medians' ratios count, not the times. Before each
block there is a pause, because the second thread of NumPy's BLAS keeps its core busy for some 30 ms after its last
product: without pauses a step of PyTorch, whose turn comes next, takes up to three times as long, for no fault of its own.
All are measured twice, at the start and late in training, where running means have died away into subnormal numbers.

What was tried, each change against the version before it, interleaved, on two threads (kept; of no use; possible, but left):

    kept     Adam in stretches of 65,536 numbers, not pass by pass over everything: 1.9 -> 1.45 ms at 784-400-20
    kept     the gradients gathered a stretch at a time, into memory that stays in the cache: 1.36 -> 1.23 ms
    kept     running means set to 0 before they become subnormal numbers: Adam 6.0 -> 1.5 ms after 900 steps on MNIST
    kept     one look at the batch for bad values, no product with beta = 1, the cross-entropy in few arrays, less Python
             per node: forward and backward take 0.93 of the time before at 784-400-20, 0.81 at 64-128-2
    no use   stretches of 16,000 to 131,000 numbers; two threads for Adam (faster alone, not after a matrix product, whose
             second thread is still there); aligned, huge-page or reused memory; the cross-entropy by blocks of rows; gradients
             taken where they are, without gathering; sums over the batch as matrix products
    left     checks of types and shapes take 2 to 4 % of forward and backward at 784-400-20, the gradient that stays exact
             for large logits, eq. (4.7), takes 4 to 6 %; a step written by hand without an engine takes 0.89 of minivae's
             time and 2.0 to 2.2 times that of the matrix products
"""

import argparse
import statistics
import time
import tracemalloc

import numpy as np

import minivae as mv

SIZES = {"784-400-20, batch 128": (784, 400, 20, 128), "64-128-2, batch 64": (64, 128, 2, 64)}


def make_batch(D, B):
    return np.random.default_rng(0).random((B, D), dtype=np.float32)


def weights(D, H, Z):
    """The same initial weights for everybody: encoder (2 layers), decoder (2 layers)."""
    model = mv.VAE(D, (H,), Z, rng=np.random.default_rng(0))
    return [p.data.copy() for p in model.parameters()]


def minivae_step(D, H, Z, B):
    model, x, rng = mv.VAE(D, (H,), Z, rng=np.random.default_rng(0)), make_batch(D, B), np.random.default_rng(1)
    opt = mv.Adam(model.parameters(), lr=1e-3)

    def step():
        opt.zero_grad()
        loss = model.loss(x, rng)
        loss.backward()
        opt.step()
        return loss.item()
    return step


def products_step(D, H, Z, B):
    """The floor: the eleven matrix products of a step (four forward, seven backward) and nothing else."""
    W1, _, W2, _, W3, _, W4, _ = weights(D, H, Z)
    x, h, both, z, k, y = (np.ones((B, n), np.float32) for n in (D, H, 2 * Z, Z, H, D))

    def step():
        x @ W1, h @ W2, z @ W3, k @ W4
        k.T @ y, y @ W4.T, z.T @ k, k @ W3.T, h.T @ both, both @ W2.T, x.T @ h
    return step


def torch_step(D, H, Z, B, fused):
    import torch
    from torch import nn
    encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * Z))
    decoder = nn.Sequential(nn.Linear(Z, H), nn.ReLU(), nn.Linear(H, D))
    params, x = [*encoder.parameters(), *decoder.parameters()], torch.from_numpy(make_batch(D, B))
    with torch.no_grad():
        for p, w in zip(params, weights(D, H, Z)):
            p.copy_(torch.from_numpy(w).T if w.ndim == 2 else torch.from_numpy(w))
    opt = torch.optim.Adam(params, lr=1e-3, fused=fused)

    def step():
        opt.zero_grad()
        mu, logvar = encoder(x).chunk(2, dim=1)
        logits = decoder(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu))
        nll = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        loss = (nll + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()) / B
        loss.backward()
        opt.step()
        return loss.item()
    return step


def functional_loss(np_, params, x, eps, Z):
    """The loss written with a NumPy-like module, for jax and autograd."""
    W1, b1, W2, b2, W3, b3, W4, b4 = params
    both = np_.maximum(x @ W1 + b1, 0) @ W2 + b2
    mu, logvar = both[:, :Z], both[:, Z:]
    logits = np_.maximum((mu + np_.exp(0.5 * logvar) * eps) @ W3 + b3, 0) @ W4 + b4
    nll = np_.maximum(logits, 0) - logits * x + np_.log1p(np_.exp(-np_.abs(logits)))
    return (np_.sum(nll) + 0.5 * np_.sum(mu**2 + np_.exp(logvar) - logvar - 1)) / len(x)


def functional_adam(np_, params, grads, m, v, t):
    m = [0.9 * a + 0.1 * g for a, g in zip(m, grads)]
    v = [0.999 * a + 0.001 * g * g for a, g in zip(v, grads)]
    a, c = 1e-3 / (1 - 0.9**t), 1 / (1 - 0.999**t)
    return [p - a * i / (np_.sqrt(c * j) + 1e-8) for p, i, j in zip(params, m, v)], m, v


def jax_step(D, H, Z, B):
    import jax
    import jax.numpy as jnp

    @jax.jit
    def update(params, m, v, t, key, x):
        key, part = jax.random.split(key)
        loss, grads = jax.value_and_grad(
            lambda p: functional_loss(jnp, p, x, jax.random.normal(part, (x.shape[0], Z)), Z))(params)
        return (*functional_adam(jnp, params, grads, m, v, t), key, loss)

    params = [jnp.asarray(w) for w in weights(D, H, Z)]
    state, x = [params, [p * 0 for p in params], [p * 0 for p in params], jax.random.key(0)], jnp.asarray(make_batch(D, B))
    clock = iter(range(1, 10**9))

    def step():
        *state[:], loss = update(*state[:3], float(next(clock)), state[3], x)
        return float(loss)
    return step


def autograd_step(D, H, Z, B):
    import autograd.numpy as anp
    from autograd import value_and_grad
    params, x, rng = weights(D, H, Z), make_batch(D, B), np.random.default_rng(1)
    state, clock = [params, [p * 0 for p in params], [p * 0 for p in params]], iter(range(1, 10**9))
    gradient = value_and_grad(lambda p, eps: functional_loss(anp, p, x, eps, Z))

    def step():
        loss, grads = gradient(state[0], rng.standard_normal((B, Z), np.float32))
        state[:] = functional_adam(np, state[0], grads, *state[1:], next(clock))
        return float(loss)
    return step


PEERS = {"minivae": minivae_step, "matrix products alone": products_step, "torch, eager": lambda *s: torch_step(*s, fused=False),
         "torch, fused Adam": lambda *s: torch_step(*s, fused=True), "jax.jit": jax_step, "HIPS autograd": autograd_step}


def measure(steps, blocks, seconds, pause=0.0):
    """Median seconds per step of each, from short blocks in turn, each after a pause and a step that is not timed."""
    counts = {}
    for name, step in steps.items():
        for _ in range(5):
            step()
        start = time.perf_counter()
        step()
        counts[name] = max(1, int(seconds / (time.perf_counter() - start)))
    times = {name: [] for name in steps}
    for _ in range(blocks):
        for name, step in steps.items():
            time.sleep(pause)
            step()
            start = time.perf_counter()
            for _ in range(counts[name]):
                step()
            times[name].append((time.perf_counter() - start) / counts[name])
    return {name: statistics.median(t) for name, t in times.items()}


def compare(blocks, seconds, pause, late):
    for title, size in SIZES.items():
        steps, skipped = {}, []
        for name, make in PEERS.items():
            try:
                steps[name] = make(*size)
            except ImportError as error:
                skipped.append(f"  {name:22} skipped ({error})")
        print(f"\n{title}: measuring ...", flush=True)
        first = measure(steps, blocks, seconds, pause)
        print(f"  training each for {late} steps, measuring again ...", flush=True)
        for step in steps.values():
            for _ in range(late):
                step()
        last = measure(steps, blocks, seconds, pause)
        print(f"  {'':22} {'ms a step':>10}   minivae takes   |   late in training")
        for name in steps:
            t, u = first[name], last[name]
            print(f"  {name:22} {1e3 * t:10.3f}   {first['minivae'] / t:5.2f} times    |   {1e3 * u:8.3f}   {last['minivae'] / u:5.2f} times")
        print("\n".join(skipped) + "\n" if skipped else "", end="")


def growth(path):
    """Time per example and peak memory of a minivae step over batch, width and depth; a table and a figure."""
    import matplotlib.pyplot as plt
    axes_of = {"batch": [32, 128, 512, 2048], "width": [64, 256, 1024, 2048], "depth": [1, 2, 4, 8]}
    labels = {"batch": "images in the batch", "width": "units in each hidden layer", "depth": "hidden layers on either side"}
    ticks = [2, 5, 10, 20, 50]
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained", sharey=True)
    for ax, (what, values) in zip(axes, axes_of.items()):
        times, peaks = [], []
        print(f"\n{what:>6}   ms a step   µs an example   peak MB   left after it, MB")
        for value in values:
            B, H, depth = (value if what == name else default for name, default in (("batch", 128), ("width", 400), ("depth", 1)))
            model, x, rng = mv.VAE(784, (H,) * depth, 20, rng=np.random.default_rng(0)), make_batch(784, B), np.random.default_rng(1)
            opt = mv.Adam(model.parameters())

            def step():
                opt.zero_grad()
                model.loss(x, rng).backward()
                opt.step()
            times.append(measure({"": step}, 7, 0.1)[""])
            opt.zero_grad()
            tracemalloc.start()
            step()
            peak = tracemalloc.get_traced_memory()[1]
            opt.zero_grad()
            left = tracemalloc.get_traced_memory()[0]
            tracemalloc.stop()
            peaks.append(peak / 1e6)
            print(f"{value:6}   {1e3 * times[-1]:9.2f}   {1e6 * times[-1] / B:13.1f}   {peaks[-1]:7.1f}   {left / 1e6:.2f}")
        ax.loglog(values, [1e3 * t for t in times], "o-", color=mv.plot.COLOURS[0], label="time of a step, ms")
        ax.loglog(values, peaks, "s--", color=mv.plot.COLOURS[1], label="peak memory of a step, MB")
        ax.set(xlabel=labels[what], xticks=values, xticklabels=values, yticks=ticks, yticklabels=ticks)
        ax.minorticks_off()
    axes[0].legend()
    fig.suptitle("one training step of a 784-400-20 VAE on 128 images, one number varied at a time", fontsize=10)
    fig.savefig(path, dpi=110)
    print(f"figure: {path}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blocks", type=int, default=40, help="blocks per contestant")
    parser.add_argument("--seconds", type=float, default=0.05, help="length of a block")
    parser.add_argument("--pause", type=float, default=0.06, help="seconds of rest before a block")
    parser.add_argument("--late", type=int, default=2000, help="steps of training before the second measurement")
    parser.add_argument("--figure", default="growth.png", help="where to write the figure of growth")
    args = parser.parse_args()
    compare(args.blocks, args.seconds, args.pause, args.late)
    growth(args.figure)
