"""Which initial weights suit the public MNIST example? A 784-400-20 relu VAE after 3 and 10 epochs.

    python tests/benchmarks/start.py

prints the test loss for two seeds of He's start and of PyTorch's uniform one (about five minutes).
Grey pixels, Adam 1e-3, batch 128, z sampled. PyTorch's own example gives 111.4 and 111.9 after
epoch 3, 105.25 and 105.73 after epoch 10 (two seeds).
"""

import numpy as np

import minivae as mv


def uniform_start(seed):
    return mv.VAE(784, hidden_dims=(400,), latent_dim=20, rng=np.random.default_rng(seed))


def he_start(seed):
    rng = np.random.default_rng(seed)
    model = mv.VAE(784, hidden_dims=(400,), latent_dim=20, rng=rng)
    model.encoder = mv.MLP((784, 400, 40), "relu", rng=rng)
    model.decoder = mv.MLP((20, 400, 784), "relu", rng=rng)
    return model


if __name__ == "__main__":
    x, _ = mv.data.mnist("train")
    x_test, _ = mv.data.mnist("test")
    for name, start in [("uniform", uniform_start), ("He", he_start)]:
        for seed in (0, 1):
            rng = np.random.default_rng(seed + 100)
            model = start(seed)
            settings = {"epochs": 10, "batch_size": 128, "lr": 1e-3}
            history = mv.fit(model, x, rng=rng, x_val=x_test, **settings)
            third, tenth = history.val_loss[2], history.val_loss[9]
            found = f"epoch 3 {third:.2f}, epoch 10 {tenth:.2f} nats"
            print(f"{name:8} seed {seed}: {found}", flush=True)
