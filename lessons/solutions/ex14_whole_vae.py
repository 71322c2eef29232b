"""A solution of exercise 14: the whole VAE on one page, in plain NumPy.

    x  ->  h  ->  mu, logvar  ->  z = mu + std * eps  ->  k  ->  logits  ->  loss = nll + kl
       encoder                                       decoder

Read forward from top to bottom, then backward: it goes through the same lines from the bottom to
the top, and g_a is the gradient of the loss in a. B examples, D pixels, H hidden units, Z latents.
Run this file: it learns to draw digits.
    """

from pathlib import Path

import numpy as np


def start(rng, D, H, Z):
    """The parameters of four dense layers: D -> H -> 2 Z encodes, and Z -> H -> D decodes."""
    p = {}
    for i, (rows, columns) in enumerate([(D, H), (H, 2 * Z), (Z, H), (H, D)], start=1):
        p[f"W{i}"] = rng.normal(size=(rows, columns)) / np.sqrt(rows)
        p[f"b{i}"] = np.zeros(columns)
    return p


def forward(p, x, eps):
    """The loss in nats, a mean over x (B, D) with noise eps (B, Z); and what backward needs."""
    h = np.tanh(x @ p["W1"] + p["b1"])                              # (B, H)
    mu, logvar = np.split(h @ p["W2"] + p["b2"], 2, axis=1)         # (B, Z) each: q(z | x)
    std = np.exp(logvar / 2)
    z = mu + std * eps                                              # (B, Z)  eq. (9.2)
    k = np.tanh(z @ p["W3"] + p["b3"])                              # (B, H)
    logits = k @ p["W4"] + p["b4"]                                  # (B, D): p(x | z)
    nll = np.sum(np.logaddexp(0, logits) - logits * x, axis=1)      # (B,)    eq. (4.5)
    kl = np.sum(mu**2 + std**2 - logvar - 1, axis=1) / 2            # (B,)    eq. (8.4)
    return np.mean(nll + kl), (h, mu, std, z, k, logits)            #         eq. (10.3)


def backward(p, x, eps, values):
    """The gradient of the loss in every parameter, a dict like p."""
    h, mu, std, z, k, logits = values
    g = {}

    # The decoder.
    sigmoid = (np.tanh(logits / 2) + 1) / 2
    g_logits = (sigmoid - x) / len(x)                               # (B, D)  eq. (4.6)
    g["W4"] = k.T @ g_logits                                        # eq. (3.2)
    g["b4"] = g_logits.sum(axis=0)                                  # eq. (3.3)
    g_k = g_logits @ p["W4"].T                                      # (B, H)  eq. (3.1)
    g_in = g_k * (1 - k**2)                                         #         eq. (2.9)
    g["W3"] = z.T @ g_in
    g["b3"] = g_in.sum(axis=0)
    g_z = g_in @ p["W3"].T                                          # (B, Z)

    # The draw of z, and the KL: two paths lead to mu, and two to logvar.
    g_mu = g_z + mu / len(x)                                        # eq. (9.3) + eq. (8.6)
    g_logvar = g_z * std * eps / 2 + (std**2 - 1) / 2 / len(x)      # eq. (9.4) + eq. (8.7)
    g_both = np.concatenate([g_mu, g_logvar], axis=1)               # (B, 2 Z)

    # The encoder.
    g["W2"] = h.T @ g_both
    g["b2"] = g_both.sum(axis=0)
    g_h = g_both @ p["W2"].T                                        # (B, H)
    g_in = g_h * (1 - h**2)
    g["W1"] = x.T @ g_in
    g["b1"] = g_in.sum(axis=0)
    return g


def adam(p, g, m, v, t, lr):
    """Step t = 1, 2, ... of Adam: new entries in the dicts p, m and v."""
    for name in p:
        m[name] = 0.9 * m[name] + 0.1 * g[name]                     # eq. (3.11)
        v[name] = 0.999 * v[name] + 0.001 * g[name] ** 2
        m_hat = m[name] / (1 - 0.9**t)                              # eq. (3.12)
        v_hat = v[name] / (1 - 0.999**t)
        p[name] = p[name] - lr * m_hat / (np.sqrt(v_hat) + 1e-8)    # eq. (3.13)


def train(x, rng, epochs=30, batch=50, lr=3e-3, H=100, Z=8):
    """The parameters after so many epochs on the pictures x (n, D)."""
    p = start(rng, x.shape[1], H, Z)
    m = {name: np.zeros_like(a) for name, a in p.items()}
    v = {name: np.zeros_like(a) for name, a in p.items()}
    t = 0
    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(x)), len(x) // batch):
            eps = rng.normal(size=(len(rows), Z))
            loss, values = forward(p, x[rows], eps)
            t += 1
            adam(p, backward(p, x[rows], eps, values), m, v, t, lr)
    return p


def sample(p, rng, n):
    """n pictures (n, D) from the prior: z from N(0, I), then the decoder."""
    z = rng.normal(size=(n, len(p["W3"])))
    logits = np.tanh(z @ p["W3"] + p["b3"]) @ p["W4"] + p["b4"]
    return 1 / (1 + np.exp(-logits))


if __name__ == "__main__":
    file = Path(__file__).resolve().parents[2] / "minivae" / "digits" / "digits.csv.gz"
    rng = np.random.default_rng(0)
    x = rng.permutation(np.loadtxt(file, delimiter=",")[:, :64] / 16)
    p = train(x[:1500], rng)
    loss, _ = forward(p, x[1500:], rng.normal(size=(297, 8)))
    print(f"{loss:.1f} nats per held-out picture; knowing nothing costs {64 * np.log(2):.1f}")
    shades = np.array(["  ", "..", "::", "**", "##"])
    pictures = sample(p, rng, 4).reshape(4, 8, 8)
    for rows in np.swapaxes(shades[(4.99 * pictures).astype(int)], 0, 1):
        print("   ".join("".join(row) for row in rows))
