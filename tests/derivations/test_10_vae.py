"""Chapter 10: the VAE."""

import itertools
import math
from statistics import NormalDist

import numpy as np
import pytest

import minivae as mv
from cases import (GRID, IMAGES, LOGVAR, MEAN, MU, OBSERVED, PIXELS, TAU, T,
                   bernoulli, bound, curve, draw, toy)
from page import holds, page
from tools import NODES, WEIGHTS, close, gradients, kl, log_normal, normal, numeric, rng


def test_eq_10_1_prior_decoder_and_encoder():
    prior = page("10.1", 1)(I=np.eye(3))
    close(mv.gaussian_kl(np.tile(prior.mean, (1, 3)), np.log(np.diag(prior.var))[None]), 0)
    decoder = page("10.1", 3)(x=PIXELS[0], z=0.7, p_theta=lambda x, z: normal(x, np.sin(z), 0.3))
    means = np.full((1, 3), np.sin(0.7))
    close(-np.log(decoder), mv.gaussian_nll(means, np.log(0.3), PIXELS[:1])[0])
    z = rng().normal(size=(4, 3))
    encoder = page("10.1", 5)(z=z, x=0.4, mu=lambda x: x + MU[0],
                              sigma=lambda x: np.exp(x * LOGVAR[0] / 2))
    close(np.log(encoder), np.sum(log_normal(z, 0.4 + MU[0], np.exp(0.4 * LOGVAR[0])), axis=1))


def test_eq_10_2_one_draw_of_noise_is_unbiased():
    joint, _, _ = toy()

    def nll(z):
        return mv.gaussian_nll(curve(z)[:, None], 2 * np.log(TAU), np.full((40, 1), OBSERVED))
    holds("10.2", mu=0.4, sigma=0.3**0.5, eps=NODES, nll=nll,
          KL=mv.gaussian_kl(np.array([[0.4]]), np.log([[0.3]]))[0],
          E=lambda values: WEIGHTS @ values, L_b=bound(log_normal(GRID, 0.4, 0.3), joint))
    close(draw(0.4, np.log(0.3)), 0.4 + 0.3**0.5 * NODES)  # and minivae draws this z


@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_eq_10_3_the_loss_is_a_mean_over_the_batch(beta):
    x = rng().random((5, 6))
    model = mv.VAE(6, (4,), 2, dtype=np.float64, rng=rng())
    nll, kls = (t.data for t in model.terms(x, rng()))
    examples = np.arange(1, 6)
    by_page = page("10.3", 1)(B=5, x=examples, beta=beta, nll=lambda n: nll[n - 1],
                              KL=lambda n: kls[n - 1])
    close(model.loss(x, rng(), beta=beta).item(), by_page, 1e-13)
    if beta == 1:
        close(mv.evaluate.elbo(model, x, rng()).mean(), -by_page, 1e-13)


def test_eq_10_4_batches_are_unbiased():
    losses = np.array([3.0, -1.0, 4.0, 1.5, 9.0])
    of_batches = np.array([np.mean(losses[list(batch)])
                           for batch in itertools.combinations(range(5), 2)])
    truth = page("10.4", 0)(E_batch=np.mean, loss=of_batches)
    for side in (1, 2):
        close(page("10.4", side)(B=2, N=5, x=losses, loss=lambda x: x), truth)


def gaussian(mean, t, x=PIXELS):
    return sum(-math.log(NormalDist(m, math.exp(s / 2)).pdf(a))
               for m, s, a in zip(mean.ravel(), t.ravel(), x.ravel()))


def test_eq_10_5_gaussian_nll():
    for n in (0, 1):
        by_page = page("10.5", 1)(x=PIXELS[n], x_hat=MEAN[n], t=T[n])
        close(by_page, gaussian(MEAN[n], T[n], PIXELS[n]))
        close(mv.gaussian_nll(MEAN, T, PIXELS)[n], by_page)


def test_eq_10_6_gradient_in_the_mean():
    by_page = page("10.6", 1)(x=PIXELS, x_hat=MEAN, t=T)
    holds("10.6", tol=1e-8, x=PIXELS, x_hat=MEAN, t=T, nll=lambda x_hat, t: gaussian(x_hat, t))
    close(gradients(lambda m: mv.gaussian_nll(m, T, PIXELS), MEAN)[0], by_page, 1e-13)


def test_eq_10_7_gradient_in_the_decoders_logvar():
    by_page = page("10.7", 1)(x=PIXELS, x_hat=MEAN, t=T)
    holds("10.7", tol=1e-8, x=PIXELS, x_hat=MEAN, t=T, nll=lambda x_hat, t: gaussian(x_hat, t))
    close(gradients(lambda t: mv.gaussian_nll(MEAN, t, PIXELS), T)[0], by_page, 1e-13)


def test_eq_10_8_the_best_shared_variance_is_the_mean_squared_error():
    mse = np.mean((PIXELS - MEAN) ** 2)
    tries = np.log(mse) + np.linspace(-1, 1, 2001)
    costs = np.array([mv.gaussian_nll(MEAN, t, PIXELS).mean() for t in tries])
    best = tries[np.argmin(costs)]
    holds("10.8", t=best, sigma_x=np.exp(best / 2), mse=mse, D=3, nll=costs)


def test_eq_10_9_a_variance_per_pixel_has_no_floor():
    for t in (0.0, -100.0, -600.0):
        cost = mv.gaussian_nll(PIXELS[:1, :1], np.full((1, 1), t), PIXELS[:1, :1])[0]
        close(page("10.9", 0)(nll=lambda x: cost, x=0), cost)
        close(page("10.9", 1)(t=t), cost)
    holds("10.9", nll=lambda x: -np.inf, x=0, t=-np.inf)


def test_eq_10_10_gradients_at_the_encoders_outputs():
    mu, s = MU[:, :2], LOGVAR[:, :2]
    eps = rng().standard_normal((2, 2))
    V = rng().normal(size=(2, 3))
    beta = 1.7
    mu_p = np.array([[0.3, -0.5]])

    def loss(mu, s):
        z = mv.reparameterize(mu, s, eps)
        return mv.bernoulli_nll(np.tanh(z) @ V, PIXELS) + beta * mv.gaussian_kl(mu, s, mu_p)
    sigma = np.exp(s / 2)
    delta = numeric(lambda z: bernoulli(np.tanh(z) @ V, PIXELS).sum(), mu + sigma * eps)
    in_mu, in_logvar = gradients(loss, mu, s)
    n = 1  # one example
    holds("10.10", tol=1e-8, mu_bar=in_mu[n], s_bar=in_logvar[n], delta=delta[n], beta=beta,
          mu=mu[n], mu_p=mu_p[0], sigma=sigma[n], eps=eps[n])


def test_eq_10_11_squared_error_is_a_decoder_with_variance_one_half():
    for error, statement, var in ((0, 1, 0.5), (4, 3, 1.0)):
        holds("10.11", statement, sigma_x=var**0.5)
        symbols = {"x": PIXELS[0], "x_hat": MEAN[0], "D": 3}
        nll = mv.gaussian_nll(MEAN[:1], np.log(var), PIXELS[:1])[0]
        close(page("10.11", error)(**symbols), page("10.11", error + 1)(**symbols, nll=nll))


def test_eq_10_12_codes_from_the_prior_teach_the_mean_image():
    codes = np.array([-1.0, 0.0, 2.0])  # every code is paired with every image equally often

    def cost(decoded):
        return sum(np.sum((x - d) ** 2) for d in decoded for x in IMAGES)
    best = np.tile(page("10.12", 1)(x=IMAGES, N=len(IMAGES)), (len(codes), 1))
    close(numeric(cost, best), np.zeros_like(best), 1e-7)
    assert cost(best + 0.01) > cost(best)


def test_eq_10_13_the_gap_has_two_parts():
    joint, evidence, log_posterior = toy()
    family = [log_normal(GRID, mu, var) for mu, var in ((0.4, 0.6), (0.9, 0.2), (1.0, 0.4))]
    bounds = np.array([bound(log_q, joint) for log_q in family])
    symbols = {"p_x": np.exp(evidence), "L_b": lambda q: bounds[q], "phi": 0, "q": [0, 1, 2]}
    holds("10.13", **symbols)
    close(page("10.13", 1)(**symbols), kl(family[0], log_posterior, GRID))


@pytest.mark.parametrize("mu, sigma", [(0.8, 0.1), (0.9, 0.3), (1.2, 0.05)])
def test_eq_10_14_amortisation_gap_at_a_gaussian_posterior(mu, sigma):
    w, tau, x = 1.5, 0.3, 1.1  # x = w z + tau eps
    precision = 1 + w**2 / tau**2
    mu_0, sigma_0 = w * x / tau**2 / precision, precision**-0.5
    z = np.linspace(-4, 4, 160_001)
    joint = log_normal(z) + log_normal(x, w * z, tau**2)
    of_encoder, best = (bound_on(z, m, s, joint) for m, s in ((mu, sigma), (mu_0, sigma_0)))
    holds("10.14", tol=1e-8, mu=mu, sigma=sigma, mu_0=mu_0, sigma_0=sigma_0, q=0, phi=1,
          L_b=lambda which: of_encoder if which else np.array([of_encoder, best]))


def bound_on(z, mu, sigma, joint):
    """L_b by quadrature."""
    log_q = log_normal(z, mu, sigma**2)
    return np.sum(np.exp(log_q) * (joint - log_q)) * (z[1] - z[0])


def test_the_worked_number():
    def loss(mu, s):
        z = mv.reparameterize(mu, s, np.array([[1.2]]))
        return mv.bernoulli_nll(2 * z - 1, np.ones((1, 1))) + mv.gaussian_kl(mu, s)
    mu, s = np.array([[0.5]]), np.array([[-1.0]])
    close(loss(mu, s), 0.5186, 1e-4)
    close(gradients(loss, mu, s), [[[0.1218]], [[-0.4537]]], 1e-4)


def test_eq_10_15_a_loss_is_read_from_its_values():
    for seed in range(5):
        w, beta, constant = np.random.default_rng(seed).uniform(0.1, 9, 3)

        def loss(x, logits, mu, logvar):
            elbo = mv.bernoulli_nll(logits, x) + beta * mv.gaussian_kl(mu, logvar)
            return (w * elbo + constant).mean()

        report = mv.check_loss(loss, sizes=(6, 10, 3), rng=np.random.default_rng(seed))
        weights = {name: value for name, value, _ in report.terms}
        assert report.is_kl and report.beta == pytest.approx(beta, rel=1e-9)
        assert weights["cross-entropy (logits)"] * 6 == pytest.approx(w, rel=1e-9)
        x, logits, mu, logvar = np.random.default_rng(seed).uniform(size=(4, 5, 3))
        holds("10.15", loss=loss(x, logits, mu, logvar), w=w, B=5, beta=report.beta, c=constant,
              x=np.arange(5), nll=lambda n: mv.bernoulli_nll(logits, x)[n],
              KL=lambda n: mv.gaussian_kl(mu, logvar)[n])
        assert weights["constant"] == pytest.approx(constant - w * beta * 3 / 2, rel=1e-8)


def worlds(n_pixels, n_codes, n_images, rng):
    """Images (n, D), their probabilities (n,), q(z | x) (n, K) over K codes, and a prior (K,)."""
    sharpness = rng.choice([0.05, 0.3, 3.0], 3)
    images = rng.beta(sharpness[0], sharpness[0], (n_images, n_pixels))
    images = np.round(images) if rng.random() < 0.3 else images
    p = rng.dirichlet(np.ones(n_images))
    q = rng.dirichlet(np.full(n_codes, sharpness[1]), n_images) + 1e-9
    q /= q.sum(1, keepdims=True)
    prior = rng.dirichlet(np.full(n_codes, 1.0 + sharpness[2]))
    return images, p, q, prior


def worth(images, p, q, prior):
    """Gain in nll (nats) and in squared error by the best decoder that sees z, and I and KL."""
    marginal = p @ q
    given_z = (p[:, None] * q).T @ images / marginal[:, None]

    def entropy(m):
        m = np.clip(m, 1e-300, 1 - 1e-16)
        return -(m * np.log(m) + (1 - m) * np.log1p(-m))

    mean = p @ images
    nll_gain = entropy(mean).sum() - marginal @ entropy(given_z).sum(1)
    square_gain = marginal @ ((given_z - mean) ** 2).sum(1)
    information = p @ (q * np.log(q / marginal)).sum(1)
    kl = p @ (q * np.log(q / prior)).sum(1)
    return nll_gain, square_gain, information, kl


ROUNDING = 1e-12


def random_worlds():
    random = np.random.default_rng(0)
    for _ in range(500):
        D, n_codes, n_images = (int(random.integers(*span)) for span in ((1, 6), (2, 6), (2, 7)))
        yield D, worth(*worlds(D, n_codes, n_images, random))


def test_eq_10_16_a_code_is_worth_at_most_d_times_its_kl():
    for D, (nll_gain, _, information, kl) in random_worlds():
        holds("10.16", a_0=nll_gain, a=ROUNDING, D=D, I=information, KL=kl)


def test_eq_10_17_for_squared_error():
    for D, (_, square_gain, information, kl) in random_worlds():
        holds("10.17", r_0=square_gain, r=ROUNDING, D=D, I=information, KL=kl)


def test_eq_10_16_cannot_be_better():
    # Two images, black and white, and a code that tells which: each pixel wins log 2 by one bit.
    D = 5
    images = np.array([np.zeros(D), np.ones(D)])
    q = np.array([[1 - 1e-12, 1e-12], [1e-12, 1 - 1e-12]])
    nll_gain, _, information, kl = worth(images, np.full(2, 0.5), q, np.full(2, 0.5))
    assert nll_gain == pytest.approx(D * np.log(2))
    assert information == pytest.approx(np.log(2)) == kl


def test_eq_10_17_cannot_be_better():
    D, d = 5, 1e-3  # the same two images, and a code that hardly tells them apart
    images = np.array([np.zeros(D), np.ones(D)])
    q = np.array([[0.5 + d, 0.5 - d], [0.5 - d, 0.5 + d]])
    _, square_gain, information, _ = worth(images, np.full(2, 0.5), q, np.full(2, 0.5))
    assert square_gain == pytest.approx(D / 2 * information, rel=1e-5)


def test_eq_10_16_at_the_limit_training_ends_without_a_code():
    x = mv.data.digits()[0][:600]
    model = mv.VAE(x.shape[1], (32,), 2, rng=np.random.default_rng(0))
    beta = x.shape[1]
    mv.fit(model, x, epochs=40, batch_size=50, lr=5e-3, beta=beta, rng=np.random.default_rng(1))
    assert mv.evaluate.active_units(model, x).sum() == 0
