"""Which initial weights suit the public MNIST example? Test loss of a 784-400-20 relu VAE after 3 and 10 epochs.

    python tests/benchmarks/start.py           two seeds of He's start and of PyTorch's uniform one (about five minutes)

Grey pixels, Adam 1e-3, batch 128, z sampled. PyTorch's own example gives 111.4 and 111.9 after epoch 3, 105.25 and
105.73 after epoch 10 (two seeds).
"""

import numpy as np

import minivae as mv

x, test = mv.data.mnist("train")[0], mv.data.mnist("test")[0]
for start in ("uniform", "He"):
    for seed in (0, 1):
        rng = np.random.default_rng(seed)
        model = mv.VAE(784, hidden_dims=(400,), latent_dim=20, rng=rng)
        if start == "He":
            model.encoder = mv.MLP((784, 400, 40), "relu", rng=rng)
            model.decoder = mv.MLP((20, 400, 784), "relu", rng=rng)
        history = mv.fit(model, x, epochs=10, batch_size=128, lr=1e-3, rng=np.random.default_rng(seed + 100), x_val=test)
        print(f"{start:8} seed {seed}: epoch 3 {history.val_loss[2]:.2f}, epoch 10 {history.val_loss[9]:.2f} nats", flush=True)
