"""minivae's VAE in PyTorch: the same weights give the same ELBO. Needs torch: pip install torch.

    python lessons/elsewhere/in_pytorch.py    trains in minivae, moves to PyTorch, compares
"""

import torch
from torch import nn
from torch.nn import functional as F


class VAE(nn.Module):
    def __init__(self, D, H, Z):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, 2 * Z))
        self.decoder = nn.Sequential(nn.Linear(Z, H), nn.ReLU(), nn.Linear(H, D))

    def elbo(self, x, eps):
        mu, logvar = self.encoder(x).chunk(2, dim=1)  # (B, Z) each
        z = mu + torch.exp(logvar / 2) * eps  # eq. (9.2)
        logits = self.decoder(z)  # (B, D)
        nll = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)  # eq. (4.5)
        kl = 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1)  # eq. (8.4)
        return -(nll + kl)  # (B,), nats


def from_minivae(state):
    """The state_dict of minivae's VAE as one for the class above.

    There layer k of encoder and decoder is x @ weight + bias; nn.Linear keeps weight.T, and in an
    nn.Sequential it is entry 2 k, for each ReLU counts as one.
    """
    moved = {}
    for name, array in state.items():
        part, k, kind = name.split(".")
        moved[f"{part}.{2 * int(k)}.{kind}"] = torch.as_tensor(array.T.copy())
    return moved


def main():
    import numpy as np

    import minivae as mv

    x = mv.data.digits()[0]
    ours = mv.VAE(64, (128,), 2, rng=np.random.default_rng(0))
    mv.fit(ours, x, epochs=20, rng=np.random.default_rng(1))

    theirs = VAE(D=64, H=128, Z=2)
    theirs.load_state_dict(from_minivae(ours.state_dict()))
    eps = np.random.default_rng(2).standard_normal((len(x), 2), np.float32)
    with torch.no_grad():
        there = theirs.elbo(torch.as_tensor(x), torch.as_tensor(eps)).numpy()
    here = mv.evaluate.elbo(ours, x, np.random.default_rng(2))
    print(f"ELBO of {len(x)} digits: minivae {here.mean():.5f} nats, PyTorch {there.mean():.5f}, "
          f"largest difference {abs(here - there).max():.0e}")


if __name__ == "__main__":
    main()
