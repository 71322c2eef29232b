"""minivae's VAE in JAX: the same weights give the same ELBO. Needs jax: pip install jax.

    python lessons/elsewhere/in_jax.py    trains in minivae, moves to JAX, compares
"""

import jax
import jax.numpy as jnp


def mlp(p, part, x):
    hidden = jax.nn.relu(x @ p[f"{part}.0.weight"] + p[f"{part}.0.bias"])
    return hidden @ p[f"{part}.1.weight"] + p[f"{part}.1.bias"]


def elbo(p, x, eps):
    """p: the state_dict of minivae's VAE, just as it is. Its gradient in p is jax.grad's."""
    mu, logvar = jnp.split(mlp(p, "encoder", x), 2, axis=1)  # (B, Z) each
    z = mu + jnp.exp(logvar / 2) * eps  # eq. (9.2)
    logits = mlp(p, "decoder", z)  # (B, D)
    nll = jnp.sum(jnp.logaddexp(0, logits) - logits * x, axis=1)  # eq. (4.5)
    kl = 0.5 * jnp.sum(mu**2 + jnp.exp(logvar) - logvar - 1, axis=1)  # eq. (8.4)
    return -(nll + kl)  # (B,), nats


def main():
    import numpy as np

    import minivae as mv

    x = mv.data.digits()[0]
    ours = mv.VAE(64, (128,), 2, rng=np.random.default_rng(0))
    mv.fit(ours, x, epochs=20, rng=np.random.default_rng(1))

    eps = np.random.default_rng(2).standard_normal((len(x), 2), np.float32)
    there = np.asarray(jax.jit(elbo)(ours.state_dict(), x, eps))
    here = mv.evaluate.elbo(ours, x, np.random.default_rng(2))
    print(f"ELBO of {len(x)} digits: minivae {here.mean():.5f} nats, JAX {there.mean():.5f}, "
          f"largest difference {abs(here - there).max():.0e}")


if __name__ == "__main__":
    main()
