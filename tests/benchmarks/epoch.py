"""What a user waits for: an epoch of MNIST, and a small VAE from a cold start to trained.

    python tests/benchmarks/epoch.py            about two minutes; step.py runs it as well

An epoch is timed in one process, contestants in turn, three times each after one that does not
count. They are mv.fit; a PyTorch loop written with care (the data in memory, a batch by an index,
the default Adam and the fused one); one with a DataLoader over a TensorDataset; and one as in
PyTorch's public example, whose DataLoader takes each image by itself from Pillow, as torchvision's
MNIST does (written out here, so that torchvision need not be there).
Without MNIST at hand (MINIVAE_DATA), 60,000 images of noise stand in: the time is the same.

The cold start is a process of its own each time: import, read the digits, train 64-128-2 for 30
epochs. Peers that are not installed are reported as skipped.
"""

import functools
import statistics
import subprocess
import sys
import time

import numpy as np
from step import weights

import minivae as mv

BATCH = 128
D, H, Z = 784, 400, 20


def images():
    """(60000, 784) float32: MNIST, or noise in its place."""
    try:
        return mv.data.mnist("train", download=False)[0]
    except mv.data.DataError:
        print("  no MNIST at hand: images of noise in its place")
        return np.random.default_rng(0).random((60000, 784), dtype=np.float32)


# An epoch. Each function makes a contestant and returns its epoch, without arguments.

def by_fit(x):
    model = mv.VAE(D, (H,), Z, rng=np.random.default_rng(0))
    opt = mv.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(1)
    return lambda: mv.fit(model, x, epochs=1, batch_size=BATCH, rng=rng, optimizer=opt)


def torch_model(fused):
    import torch
    from torch import nn

    encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * Z))
    decoder = nn.Sequential(nn.Linear(Z, H), nn.ReLU(), nn.Linear(H, D))
    params = [*encoder.parameters(), *decoder.parameters()]
    with torch.no_grad():
        for p, w in zip(params, weights(D, H, Z)):
            p.copy_(torch.from_numpy(w.T))  # a weight is (out, in) there
    opt = torch.optim.Adam(params, lr=1e-3, fused=fused)
    cross_entropy = nn.functional.binary_cross_entropy_with_logits

    def step(x):
        opt.zero_grad()
        mu, logvar = encoder(x).chunk(2, dim=1)
        logits = decoder(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu))
        nll = cross_entropy(logits, x, reduction="sum")
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()
        loss = nll + kl
        (loss / len(x)).backward()
        opt.step()
        return loss.item()

    return step


def by_careful_torch(x, fused):
    import torch

    step = torch_model(fused)
    x = torch.from_numpy(x)

    def epoch():
        order = torch.randperm(len(x))
        return sum(step(x[order[i : i + BATCH]]) for i in range(0, len(x), BATCH)) / len(x)

    return epoch


def by_data_loader(x):
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    step = torch_model(fused=False)
    loader = DataLoader(TensorDataset(torch.from_numpy(x)), batch_size=BATCH, shuffle=True)
    return lambda: sum(step(batch) for (batch,) in loader) / len(x)


def by_image_files(x):
    """As in PyTorch's public example: torchvision hands each image on by itself, from Pillow."""
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    pixels = (255 * x).astype(np.uint8).reshape(-1, 28, 28)

    class Images(Dataset):
        def __len__(self):
            return len(pixels)

        def __getitem__(self, i):
            image = torch.from_numpy(np.array(Image.fromarray(pixels[i])))
            return image.view(28, 28, 1).permute(2, 0, 1).contiguous().float().div(255), 0

    step = torch_model(fused=False)
    loader = DataLoader(Images(), batch_size=BATCH, shuffle=True)
    return lambda: sum(step(batch.view(-1, D)) for batch, _ in loader) / len(x)


EPOCHS = {
    "mv.fit": by_fit,
    "torch, a careful loop": functools.partial(by_careful_torch, fused=False),
    "torch, careful and fused Adam": functools.partial(by_careful_torch, fused=True),
    "torch, with a DataLoader": by_data_loader,
    "torch, an image at a time": by_image_files,
}


def seconds_of(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def compare_epochs(pause, rounds=3):
    """Print how long an epoch of MNIST takes each contestant."""
    print(f"\nan epoch of MNIST, {D}-{H}-{Z}, batch {BATCH}: measuring ...", flush=True)
    x = images()
    contestants = {}
    for name, make in EPOCHS.items():
        try:
            contestants[name] = make(x)
        except ImportError as error:
            print(f"  {name:30} skipped ({error})")
    times = {name: [] for name in contestants}
    for _ in range(rounds + 1):
        for name, epoch in contestants.items():
            time.sleep(pause)
            times[name].append(seconds_of(epoch))
    medians = {name: statistics.median(t[1:]) for name, t in times.items()}
    for name, t in medians.items():
        print(f"  {name:30} {t:6.2f} s   mv.fit takes {medians['mv.fit'] / t:5.2f} times")


# A cold start

SMALL = {
    "minivae": """
import numpy as np, minivae as mv
x, _ = mv.data.digits()
model = mv.VAE(64, (128,), 2, rng=np.random.default_rng(0))
mv.fit(model, x, epochs=30, batch_size=64, rng=np.random.default_rng(1))
""",
    "torch": """
import numpy as np, torch
from torch import nn
from minivae.data import digits
x = torch.from_numpy(digits()[0])
encoder = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 4))
decoder = nn.Sequential(nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 64))
opt = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
for epoch in range(30):
    order = torch.randperm(len(x))
    for i in range(0, len(x), 64):
        batch = x[order[i : i + 64]]
        mu, logvar = encoder(batch).chunk(2, dim=1)
        logits = decoder(mu + torch.exp(0.5 * logvar) * torch.randn_like(mu))
        nll = nn.functional.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
        loss = (nll + 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum()) / len(batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
""",
}


def compare_cold_starts(rounds=3):
    """Print how long a process takes that trains a small VAE and ends."""
    print("\na process that trains 64-128-2 on the digits for 30 epochs: measuring ...", flush=True)
    times = {name: [] for name in SMALL}
    for _ in range(rounds + 1):  # the first reads the files into the disk's cache
        for name, code in SMALL.items():
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            times[name].append(time.perf_counter() - start)
            if done.returncode:
                print(f"  {name:30} skipped ({done.stderr.strip().splitlines()[-1]})")
                return
    medians = {name: statistics.median(t[1:]) for name, t in times.items()}
    for name, t in medians.items():
        print(f"  {name:30} {t:6.2f} s   minivae takes {medians['minivae'] / t:5.2f} times")


if __name__ == "__main__":
    compare_epochs(pause=0.06)
    compare_cold_starts()
