"""check_loss names what a VAE's loss is: by formula, in every sentence it can say, no guesses."""

import math

import numpy as np
import pytest

import minivae as mv
from minivae.checks import loss_words, losses

B, D, Z = losses.SIZES[-1]
SMALL = {"sizes": (9, 40, 5)}  # for what does not depend on the size: a tenth of the time


# The pieces, per entry, as users write them.


def bce(x, p):
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def clamped_bce(x, p):
    with np.errstate(divide="ignore"):
        return -x * np.maximum(np.log(p), -100) - (1 - x) * np.maximum(np.log(1 - p), -100)


def bce_logits(x, l):
    return np.maximum(l, 0) - l * x + np.log1p(np.exp(-np.abs(l)))


def square(x, x_hat):
    return (x - x_hat) ** 2


def kl(m, s):
    return -0.5 * (1 + s - m**2 - np.exp(s))


def kl_std(m, s):
    return 0.5 * (m**2 + s**2 - 1) - np.log(s)


def per_example(*terms):
    """Each term summed over its entries, the batch averaged."""
    return sum(term.sum(1) for term in terms).mean()


def check(loss, **wanted):
    """The report, after comparing its fields; `says`: pieces of its diagnosis, facts and title."""
    report = mv.check_loss(loss, **wanted.pop("arguments", {}))
    text = " ".join(str(report).split())
    for piece in np.atleast_1d(wanted.pop("says", [])):
        assert piece in text, f"{piece!r} is not in\n{report}"
    for name, value in wanted.items():
        if isinstance(value, float):
            value = pytest.approx(value, rel=1e-6, nan_ok=True)
        assert getattr(report, name) == value, f"{name}\n{report}"
    assert all(len(line) < 80 for line in str(report).splitlines()), report
    return report


# A right loss, whatever the frame it is written in.

RIGHT = {
    "PyTorch's example": lambda x, p, m, s: clamped_bce(x, p).sum() + kl(m, s).sum(),
    "averaged over the batch": lambda x, p, m, s: per_example(bce(x, p), kl(m, s)),
    "both means over all pixels": lambda x, p, m, s: bce(x, p).mean() + kl(m, s).sum() / x.size,
    "in bits per pixel": lambda x, p, m, s: per_example(bce(x, p), kl(m, s))
    / x.shape[1]
    / math.log(2),
    "D times the mean": lambda x, p, m, s: (
        x.shape[1] * bce(x, p).mean(1) + kl(m, s).sum(1)
    ).mean(),
    "of logits": lambda x, l, m, s: per_example(bce_logits(x, l), kl(m, s)),
    "minivae's own": lambda x, l, m, s: (mv.bernoulli_nll(l, x) + mv.gaussian_kl(m, s)).mean(),
    "an array of one number": lambda x, l, m, s: np.array(
        [per_example(bce_logits(x, l), kl(m, s))]
    ),
    "in float32": lambda *a: np.float32(
        per_example(*(f(*np.float32(b)) for f, b in ((bce, a[:2]), (kl, a[2:]))))
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_loss_passes(name):
    report = check(
        RIGHT[name],
        reconstruction="bernoulli",
        second="logvar",
        is_kl=True,
        beta=1.0,
        sigma2=math.nan,
        ok=True,
        says=["passed: a negative ELBO, beta = 1", "the negative ELBO, eq. (10.3)"],
    )
    assert report and "FAILED" not in str(report)


@pytest.mark.parametrize(
    "second, penalty",
    [
        ("logvar", kl),
        ("logstd", lambda m, s: kl(m, 2 * s)),
        ("std", kl_std),
        ("std", lambda m, s: kl(m, np.log(s**2))),
        ("variance", lambda m, s: kl(m, np.log(s))),
        ("", lambda m, s: kl_std(m, np.log1p(np.exp(s)))),
    ],
)
def test_what_the_second_output_is(second, penalty):
    std = {
        "logvar": "e^(s/2)",
        "logstd": "e^s",
        "std": "s",
        "variance": "s^(1/2)",
        "": "softplus(s)",
    }[second]
    says = [f"({second or 'softplus'}), so draw z with the standard deviation {std} penalty"]
    check(
        lambda x, p, m, s: per_example(bce(x, p), penalty(m, s)),
        second=second,
        is_kl=True,
        ok=True,
        says=says,
    )


def test_only_where_s_has_to_be_positive():
    check(lambda x, p, m, s: per_example(bce(x, p), kl_std(m, s)), says="it was checked for s > 0")
    squared = mv.check_loss(lambda x, p, m, s: per_example(bce(x, p), kl(m, np.log(s**2))))
    assert "s > 0" not in squared.diagnosis


# Sums and means: the law of beta. Expected at (B, D, Z) = (16, 784, 20).

SCALES = {
    "D": (lambda x, p, m, s: bce(x, p).mean() + kl(m, s).sum(1).mean(), D),
    "1/Z": (lambda x, p, m, s: bce(x, p).sum(1).mean() + kl(m, s).mean(), 1 / Z),
    "D/Z": (lambda x, p, m, s: bce(x, p).mean() + kl(m, s).mean(), D / Z),
    "D/(1000 Z)": (lambda x, p, m, s: bce(x, p).mean() + 1e-3 * kl(m, s).mean(), D / Z / 1000),
    "B": (lambda x, p, m, s: bce(x, p).sum(1).mean() + kl(m, s).sum(), B),
    "B D": (lambda x, p, m, s: bce(x, p).mean() + kl(m, s).sum(), B * D),
    "D/B": (lambda x, l, m, s: bce_logits(x, l).mean() + kl(m, s).sum(1).mean() / len(x), D / B),
    "B D/100352": (lambda x, p, m, s: bce(x, p).mean() + kl(m, s).sum() / (128 * 784), B / 128),
    "B/60000": (lambda x, p, m, s: bce(x, p).sum(1).mean() + kl(m, s).sum() / 60000, B / 60000),
}


@pytest.mark.parametrize("law", SCALES)
def test_the_effective_beta_and_its_law(law):
    loss, beta = SCALES[law]
    report = check(
        loss,
        reconstruction="bernoulli",
        is_kl=True,
        beta=float(beta),
        ok=False,
        says=[f"beta = {law}, here {beta:.6g}", "an ELBO sums over pixels and over latents"],
    )
    assert ("all latents will collapse" in report.diagnosis) == (beta >= D)


@pytest.mark.parametrize(
    "factor, beta, says",
    [
        (2, 2, "the KL counts twice. Its 1/2 is missing"),
        (0.5, 0.5, "There is a 1/2 too many"),
        (-1, -1, "the KL has the wrong sign"),
        (4, 4, "as in a beta-VAE"),
        (0.7, 0.7, "as in a beta-VAE"),
        (1 / math.log(2), 1 / math.log(2), "the other in nats"),
        (math.log(2), math.log(2), "the other in nats"),
    ],
)
def test_a_plain_factor_on_the_kl(factor, beta, says):
    report = check(
        lambda x, p, m, s: per_example(bce(x, p), factor * kl(m, s)),
        is_kl=True,
        beta=float(beta),
        ok=False,
        says=says,
    )
    assert (
        "collapse" not in report.diagnosis
        and f"FAILED: beta = {beta:.6g}, where an ELBO has 1" in str(report)
    )


def test_a_weight_of_1000_collapses_and_is_named_as_a_weight():
    check(
        lambda x, p, m, s: per_example(bce(x, p), 1000 * kl(m, s)),
        beta=1000.0,
        says=["as in a beta-VAE", "all latents will collapse", "costs 1000 times"],
    )


def test_a_beta_that_is_no_product_of_powers():
    check(
        lambda x, p, m, s: bce(x, p).sum() / len(x) ** 0.5 + kl(m, s).sum(1).mean(),
        beta=B**-0.5,
        ok=False,
        says=["no product of powers", "probabilities, with weight 0.25"],
    )


# Other reconstructions.

SQUARED = {
    "1/2": (lambda x, y, m, s: per_example(square(x, y), kl(m, s)), 0.5),
    "1": (lambda x, y, m, s: per_example(square(x, y) / 2, kl(m, s)), 1.0),
    "0.01": (lambda x, y, m, s: per_example(50 * square(x, y), kl(m, s)), 0.01),
    "D/8000": (lambda x, y, m, s: square(x, y).mean() + 0.00025 * kl(m, s).sum(1).mean(), D / 8000),
    "B D/120000": (
        lambda x, y, m, s: square(x, y).mean() + len(x) / 60000 * kl(m, s).sum(1).mean(),
        B * D / 120000,
    ),
    "D/2000": (lambda x, y, m, s: 1000 * square(x, y).mean() + kl(m, s).sum(1).mean(), D / 2000),
    "sigmoid": (lambda x, l, m, s: per_example(square(x, 1 / (1 + np.exp(-l))), kl(m, s)), 0.5),
}


@pytest.mark.parametrize("name", SQUARED)
def test_squared_error_is_an_elbo_of_some_variance(name):
    loss, sigma2 = SQUARED[name]
    report = check(
        loss,
        reconstruction="squared",
        second="logvar",
        is_kl=True,
        beta=sigma2,
        sigma2=sigma2,
        ok=True,
        says=[
            f"standard deviation {sigma2**0.5:.3g}",
            "passed: a negative ELBO for the decoder variance",
        ],
    )
    assert (
        name == "sigmoid"
        or f"sigma2 = {name}" in str(report)
        or f"sigma2 = {sigma2:g}" in str(report)
    )
    assert "collapse" not in report.diagnosis


def test_a_mean_squared_error_beside_a_summed_kl_collapses():
    report = check(
        lambda x, y, m, s: square(x, y).mean() + kl(m, s).sum(1).mean(),
        sigma2=D / 2,
        ok=True,
        says=[
            "sigma2 = D/2, here 392",
            "all latents will collapse if pixels lie in [0, 1]",
            "costs 784 times",
        ],
    )
    assert "sigma2 = 392" in report.diagnosis
    quarter = check(
        lambda x, y, m, s: 2 * square(x, y).mean() + kl(m, s).sum(1).mean(), sigma2=D / 4
    )
    assert "collapse" in quarter.diagnosis
    below = check(
        lambda x, y, m, s: 2.01 * square(x, y).mean() + kl(m, s).sum(1).mean(), sigma2=D / 4.02
    )
    assert "collapse" not in below.diagnosis


def test_a_negative_kl_beside_squared_error():
    check(
        lambda x, y, m, s: per_example(square(x, y), -kl(m, s)),
        beta=-0.5,
        is_kl=True,
        ok=False,
        says="the KL has the wrong sign",
    )


def test_the_constant_of_a_gaussian_density():
    gaussian = lambda sigma2: lambda x, y, m, s: per_example(
        0.5 * (np.log(2 * np.pi * sigma2) + square(x, y) / sigma2), kl(m, s)
    )
    check(
        gaussian(0.01),
        sigma2=0.01,
        ok=True,
        says=["1/2 log(2 pi sigma2) per pixel with sigma2 = 0.01", "eq. (10.5)"],
    )
    check(
        lambda x, y, m, s: gaussian(1.0)(x, y, m, s) / x.shape[1],
        sigma2=1.0,
        ok=True,
        says="the nll is whole",
    )
    check(
        lambda x, y, m, s: per_example(0.5 * np.log(2 * np.pi) + 50 * square(x, y), kl(m, s)),
        sigma2=0.01,
        says="a constant, 0.918939 D, here 720.448, depends on nothing",
    )


def test_whether_the_decoder_ends_in_a_sigmoid():
    check(RIGHT["of logits"], says="a logit: the decoder must not end in a sigmoid")
    check(
        RIGHT["averaged over the batch"], says="a probability: the decoder has to end in a sigmoid"
    )
    check(SQUARED["sigmoid"][0], says="a logit: the decoder must not end in a sigmoid")
    assert "sigmoid" not in str(mv.check_loss(SQUARED["1"][0]))


def test_absolute_error():
    check(
        lambda x, y, m, s: per_example(np.abs(x - y), kl(m, s)),
        reconstruction="absolute",
        beta=1.0,
        ok=True,
        sigma2=math.nan,
        says=["Laplace density", "the scale 1"],
    )
    report = check(
        lambda x, y, m, s: 3 * np.abs(x - y).mean() + kl(m, s).sum(1).mean(),
        beta=D / 3,
        ok=True,
        says="absolute error, averaged over pixels and batch, times 3",
    )
    assert "collapse" not in report.diagnosis  # a code may pay, however small its share: no theorem


def test_in_bits():
    check(
        RIGHT["in bits per pixel"],
        says=[
            "probabilities, averaged over pixels and batch, in bits",
            "summed over latents, averaged over the batch, times 1/D, in bits",
        ],
    )
    check(
        RIGHT["averaged over the batch"],
        says="summed over pixels, averaged over the batch, in nats",
    )


# Penalties that are no KL.


def with_penalty(penalty):
    return lambda x, p, m, s: per_example(bce(x, p), penalty(m, s))


NO_KL = {
    "no mu^2": (
        lambda m, s: 0.5 * (np.exp(s) - 1 - s),
        "logvar",
        ["mu^2 is missing: nothing keeps the means near 0"],
    ),
    "no sigma^2": (lambda m, s: 0.5 * (m**2 - 1 - s), "logvar", ["sigma^2 = e^s is missing"]),
    "no logvar": (
        lambda m, s: 0.5 * (m**2 + np.exp(s) - 1),
        "logvar",
        ["-log sigma^2 = -s is missing"],
    ),
    "no log of a std": (
        lambda m, s: 0.5 * (m**2 + s**2 - 1) + 0 * np.log(s),
        "std",
        ["-log sigma^2 = -2 log s is missing"],
    ),
    "sign of mu^2": (
        lambda m, s: 0.5 * (-(m**2) + np.exp(s) - 1 - s),
        "logvar",
        ["mu^2 has the wrong sign"],
    ),
    "sign of sigma^2": (
        lambda m, s: 0.5 * (m**2 - np.exp(s) - 1 - s),
        "logvar",
        ["sigma^2 = e^s has the wrong sign"],
    ),
    "sign of logvar": (
        lambda m, s: 0.5 * (m**2 + np.exp(s) - 1 + s),
        "logvar",
        ["-log sigma^2 = -s has the wrong sign"],
    ),
    "mu^2 without 1/2": (
        lambda m, s: m**2 + 0.5 * (np.exp(s) - 1 - s),
        "logvar",
        ["mu^2 counts 2 times what sigma^2 counts"],
    ),
    "two lost 1/2": (
        lambda m, s: m**2 + np.exp(2 * s) - s - 0.5,
        "logstd",
        [
            "sigma^2 counts 2 times",
            "smallest at sigma^2 = 0.5, not at 1: a 1/2 is lost",
            "another prior, N(0, 0.5 I)",
            "is s meant as log sigma^2? Then e^2s should be e^s",
        ],
    ),
    "log sigma for log sigma^2": (
        lambda m, s: m**2 + s**2 - np.log(s) - 0.5,
        "std",
        ["was log s written for log s^2"],
    ),
    "e^s beside 2 s": (
        lambda m, s: 0.5 * (m**2 + np.exp(s) - 1 - 2 * s),
        "logvar",
        ["Then e^s should be e^2s", "sigma^2 = 2"],
    ),
    "another prior": (
        lambda m, s: 0.5 * (4 * m**2 + 4 * np.exp(s) - 1 - s),
        "logvar",
        ["another prior, N(0, 0.25 I)"],
    ),
    "square of the logarithm": (
        lambda m, s: 0.5 * (np.exp(2 * s) + m**2 - 1 + s**2),
        "logstd",
        ["-2 s is missing", "was (log sigma)^2 or (log sigma^2)^2 written for log sigma^2?"],
    ),
    "sigma for sigma^2": (
        lambda m, s: 0.5 * (m**2 + np.exp(s / 2) - 1 - s),
        "logvar",
        ["it is sigma, where sigma^2 is due"],
    ),
    "prior mean 1": (
        lambda m, s: 0.5 * ((m - 1) ** 2 + np.exp(s) - 1 - s),
        "logvar",
        ["another place than 0"],
    ),
    "the other way round": (
        lambda m, s: 0.5 * ((1 + m**2) * np.exp(-s) - 1 + s),
        "logvar",
        ["KL(N(0, I) || q)"],
    ),
    "the other way round, logstd": (
        lambda m, s: 0.5 * ((1 + m**2) * np.exp(-2 * s) - 1) + s,
        "logstd",
        ["KL(N(0, I) || q)"],
    ),
    "a ridge": (
        lambda m, s: 0.5 * m**2,
        "",
        ["a penalty on the size of the code alone", "not used"],
    ),
    "|mu|": (lambda m, s: np.abs(m), "", ["its terms are |mu|, and whatever s is", "unclear"]),
    "two readings": (
        lambda m, s: 0.5 * (m**2 + s**2 - 1 - s),
        "",
        ["its terms are 1/2 mu^2, 1/2 s^2, 1/2 s", "unclear"],
    ),
    "nothing": (lambda m, s: 0 * m, "", ["it is the loss of an autoencoder", "none"]),
    "no 1": (
        lambda m, s: 0.5 * (m**2 + np.exp(s) - s),
        "logvar",
        ["the KL lacks its -1 per latent", "FAILED: no ELBO"],
    ),
}


@pytest.mark.parametrize("name", NO_KL)
def test_a_penalty_that_is_no_kl(name):
    penalty, second, says = NO_KL[name]
    check(
        with_penalty(penalty),
        reconstruction="bernoulli",
        second=second,
        is_kl=False,
        beta=math.nan,
        ok=False,
        says=says,
        arguments=SMALL,
    )


def test_what_else_belongs_to_no_elbo():
    check(
        lambda x, p, m, s: -per_example(bce(x, p), kl(m, s)),
        beta=1.0,
        is_kl=True,
        ok=False,
        says=["upside down", "it is a bound to be maximised"],
    )
    check(
        lambda x, p, m, s: per_example(bce(x, p), square(x, p), kl(m, s)),
        reconstruction="",
        beta=math.nan,
        ok=False,
        says=["two reconstructions at once", "probabilities + squared error"],
    )
    check(
        lambda x, p, m, s: per_example(kl(m, s)),
        reconstruction="",
        is_kl=True,
        beta=math.nan,
        ok=False,
        says="there is no reconstruction term",
    )


def test_constants():
    check(
        lambda x, p, m, s: 3.0,
        reconstruction="",
        is_kl=False,
        ok=False,
        says="a constant, 3, depends on nothing",
    )
    check(
        lambda x, p, m, s: 0.0,
        reconstruction="",
        is_kl=False,
        ok=False,
        says="there is no reconstruction term",
    )
    check(
        lambda x, p, m, s: 7 + per_example(bce(x, p), kl(m, s)),
        beta=1.0,
        ok=True,
        says="a constant, 7, depends on nothing",
    )


# Never a guess.


@pytest.mark.parametrize(
    "penalty",
    [
        lambda m, s: np.maximum(kl(m, s).sum(1), 0.5 * m.shape[1]).mean(),  # a tolerance
        lambda m, s: np.maximum(kl(m, s), 0.1).sum(1).mean(),  # free bits
        lambda m, s: np.maximum(
            kl(m, s).sum(1), 0.05
        ).mean(),  # a tolerance that shows close to the prior alone
        lambda m, s: 100 * np.abs(kl(m, s).sum(1).mean() - 5),  # a capacity
        lambda m, s: (kl(m, s) + 0.001 * np.sin(m))
        .sum(1)
        .mean(),  # a small term, some 1e-4 of the whole
        lambda m, s: kl(m, np.clip(s, -4, 2)).sum(1).mean(),
        lambda m, s: kl(m, np.maximum(s, 0)).sum(1).mean(),  # right for s > 0
        lambda m, s: (kl(m, s).sum(1) ** 2).mean(),
        lambda m, s: (kl(m, s) * np.arange(m.shape[1]))
        .sum(1)
        .mean(),  # another weight for each latent
        lambda m, s: np.exp(-((m[:, None] - m) ** 2).sum(2)).mean(),
    ],
)
def test_what_is_no_sum_of_known_terms_is_not_named(penalty):
    check(
        lambda x, p, m, s: bce(x, p).sum(1).mean() + penalty(m, s),
        reconstruction="",
        second="",
        is_kl=False,
        beta=math.nan,
        ok=False,
        says=["nothing was recognised", "no sum of the known terms is this loss"],
        arguments=SMALL,
    )


@pytest.mark.parametrize(
    "reconstruction",
    [
        lambda x, y: np.where(np.abs(x - y) < 0.5, square(x, y) / 2, np.abs(x - y) / 2 - 0.125)
        .sum(1)
        .mean(),
        lambda x, y: bce_logits(x, np.clip(y, -0.5, 1.5))
        .sum(1)
        .mean(),  # as of logits, for x_hat in (0, 1) alone
        lambda x, y: np.sqrt(square(x, y).mean()),
        lambda x, y: (square(x, y) * np.arange(x.shape[1])).sum(1).mean(),
        lambda x, y: bce(x, y).sum(1).mean()
        - np.log(2 * np.arctanh(1 - 2 * y) / (1 - 2 * y)).sum(1).mean(),
    ],
)
def test_a_reconstruction_that_is_not_known_is_not_named(reconstruction):
    check(
        lambda x, y, m, s: reconstruction(x, y) + kl(m, s).sum(1).mean(),
        reconstruction="",
        ok=False,
        says="no sum of the known terms",
        arguments=SMALL,
    )


def test_a_loss_that_draws_noise():
    rng = np.random.default_rng(0)

    def loss(x, p, m, s):
        z = m + np.exp(s / 2) * rng.normal(size=m.shape)
        return per_example(bce(x, p), 0.5 * (z**2 - (z - m) ** 2 / np.exp(s) - s))

    check(
        loss,
        reconstruction="",
        is_kl=False,
        ok=False,
        says=["it draws noise", "the KL in closed form, eq. (8.4)"],
    )


def test_a_loss_that_is_not_finite_or_not_one_number():
    check(
        lambda x, p, m, s: math.nan,
        ok=False,
        says=["it is nan for x_hat within (", "every VAE's loss is finite"],
    )
    check(
        lambda x, p, m, s: bce(x, p).sum(1),
        ok=False,
        says="an array of shape (16,), and a loss is one number",
    )


def test_rounding_is_not_read_as_a_mistake():
    float32 = lambda loss: lambda *a: float(loss(*map(np.float32, a)))
    report = check(
        float32(
            lambda x, y, m, s: square(x, y).mean() + np.float32(0.00025) * kl(m, s).sum(1).mean()
        ),
        reconstruction="squared",
        second="logvar",
        is_kl=True,
        ok=True,
        says="computed in float32",
    )
    assert report.beta == pytest.approx(D / 8000, rel=1e-3)
    tiny = check(
        float32(lambda x, y, m, s: square(x, y).mean() + np.float32(1e-6) * kl(m, s).mean()),
        ok=False,
    )
    assert "rounding hides their weights" in tiny.diagnosis and tiny.second == ""


@pytest.mark.parametrize("wrong", [1e-4, 1e-3])
def test_a_small_wrong_term_is_no_rounding(wrong):
    report = mv.check_loss(lambda x, p, m, s: per_example(bce(x, p), kl(m, s) + wrong * m**2))
    assert not report.is_kl and "float32" not in report.diagnosis
    assert f"mu^2 counts {1 + 2 * wrong:.6g} times" in " ".join(str(report).split())


@pytest.mark.parametrize("eps", [1e-10, 1e-8, 1e-7, 1e-5])
def test_an_eps_inside_a_logarithm_is_told_apart(eps):
    with_eps = lambda x, p: -x * np.log(p + eps) - (1 - x) * np.log(1 - p + eps)
    check(
        lambda x, p, m, s: per_example(with_eps(x, p), kl(m, s)),
        beta=1.0,
        ok=True,
        says=[f"{eps:.2g} is added inside a logarithm (log p)", f"costs {-math.log(eps):.3g} nats"],
    )


@pytest.mark.parametrize("eps", [1e-8, 1e-6])
def test_an_eps_inside_the_kl_is_told_apart(eps):
    check(
        lambda x, p, m, s: per_example(bce(x, p), 0.5 * (m**2 + s**2 - np.log(s**2 + eps) - 1)),
        second="std",
        ok=True,
        says=[f"{eps:.2g} is added inside a logarithm (log s^2)", "it was checked for s > 0"],
    )
    check(
        lambda x, p, m, s: per_example(bce(x, p), 0.5 * (m**2 + s - np.log(s + eps) - 1)),
        second="variance",
        ok=True,
        says=f"{eps:.2g} is added inside a logarithm (log s)",
    )


# Certain pixels, and inputs a loss does not take.


def test_what_a_certain_pixel_costs():
    check(
        RIGHT["PyTorch's example"],
        says=["x_hat = 1 where x = 0 costs 100 nats, and should cost infinitely many"],
    )
    check(
        RIGHT["averaged over the batch"], says=["unstable", "costs inf if x = 0, and nan if x = 1"]
    )
    assert "x_hat = " not in mv.check_loss(RIGHT["of logits"]).diagnosis
    sigmoid = lambda l: 1 / (1 + np.exp(-l))
    check(
        lambda x, l, m, s: per_example(bce(x, sigmoid(l)), kl(m, s)),
        ok=True,
        says=["x_hat = 60 costs inf if x = 0"],
    )
    cut = lambda x, p: -x * np.log(p + 1e-10) - (1 - x) * np.log(1 - p + 1e-10)
    check(
        lambda x, l, m, s: per_example(cut(x, sigmoid(l)), kl(m, s)),
        ok=True,
        says=[
            "1e-10 is added inside a logarithm (log sigmoid)",
            "x_hat = 60 where x = 0 costs 23 nats, and should cost 60",
        ],
    )

    def picky(x, p, m, s):
        assert np.all(p < 1)
        return per_example(bce(x, p), kl(m, s))

    check(picky, ok=True, says="for a pixel with x_hat = 1 it raises AssertionError")


def test_a_loss_for_binary_pixels():
    def loss(x, l, m, s):
        assert set(np.unique(x)) <= {0, 1}, "x must be binary"
        return per_example(bce_logits(x, l), kl(m, s))

    check(loss, beta=1.0, ok=True, says="it was checked for x of 0 and 1")


def test_a_loss_for_one_number_of_pixels():
    def loss(x, p, m, s):
        return (
            bce(x.reshape(-1, 1, 28, 28), p.reshape(-1, 1, 28, 28)).mean() + kl(m, s).sum(1).mean()
        )

    check(
        loss,
        beta=784.0,
        says=[
            "beta = D, here 784",
            "it was called with D = 784 alone, where a size cannot be told",
            "at 4 of 7 sizes it could not be used, such as (B, D, Z) = (6, 20, 3): cannot reshape",
        ],
    )


def test_a_huber_loss_is_squared_error_between_0_and_1_and_that_is_said():
    huber = lambda r: np.where(np.abs(r) < 1, r**2 / 2, np.abs(r) - 0.5)
    check(
        lambda x, y, m, s: per_example(huber(x - y), kl(m, s)),
        reconstruction="squared",
        sigma2=1.0,
        says="it was checked for x_hat in (0, 1): further away it raises, or is something else",
    )


def test_one_size():
    check(
        SCALES["D"][0],
        arguments={"sizes": (128, 784, 20)},
        beta=784.0,
        ok=False,
        says=[
            "beta = D, here 784",
            "B = 128 examples, D = 784 pixels, Z = 20 latents",
            "all latents will collapse",
            "with D = 784 alone, where a size cannot be told",
        ],
    )
    assert (
        "alone"
        not in check(
            RIGHT["averaged over the batch"], arguments={"sizes": (4, 9, 2)}, beta=1.0, ok=True
        ).diagnosis
    )
    check(
        with_penalty(lambda m, s: 2 * kl(m, s)),
        arguments={"sizes": (4, 9, 2)},
        beta=2.0,
        says="its 1/2 is missing".capitalize(),
    )
    check(SCALES["1/Z"][0], arguments={"sizes": (20, 784, 20)}, beta=0.05, says="1/Z")


def test_arguments_of_the_wrong_kind():
    with pytest.raises(TypeError, match=r"a function loss\(x, x_hat, mu, s\), not 3"):
        mv.check_loss(3)
    with pytest.raises(ValueError, match=r"sizes is \(B, D, Z\), three numbers"):
        mv.check_loss(RIGHT["of logits"], sizes=(3, 4))
    with pytest.raises(TypeError, match="default_rng"):
        mv.check_loss(RIGHT["of logits"], rng=0)
    with pytest.raises(
        ValueError, match="the loss raises AttributeError: .*torch.as_tensor"
    ) as raised:
        mv.check_loss(lambda x, p, m, s: x.view_as(p).sum())
    assert isinstance(raised.value.__cause__, AttributeError)


# The machinery.


def test_other_seeds_say_the_same():
    for seed in range(1, 6):
        check(
            SCALES["D/Z"][0],
            arguments={"rng": np.random.default_rng(seed)},
            beta=D / Z,
            says="beta = D/Z, here 39.2",
        )
        check(
            with_penalty(NO_KL["two lost 1/2"][0]),
            arguments={"rng": np.random.default_rng(seed)},
            second="logstd",
            says="sigma^2 counts 2 times",
        )


def test_the_loss_may_write_into_its_inputs():
    def loss(x, l, m, s):
        total = per_example(bce_logits(x, l), kl(m, s))
        for a in (x, l, m, s):
            a[:] = 0.5
        return total

    check(loss, beta=1.0, ok=True)


def test_every_known_term_is_found_alone():
    rng = np.random.default_rng(0)
    for name in losses.PLAIN + sum(losses.FURTHER, ()):
        domain = losses.Domain(positive="log s" in name)
        inputs = [losses.random_inputs((5, 8, 3), domain, rng) for _ in range(losses.DRAWS)]
        terms = [losses.known_terms(*i) for i in inputs]
        found = losses.best_fit(terms, np.array([-3 * t[name] for t in terms]), (5, 8, 3))
        assert found.weights == {name: pytest.approx(-3, rel=1e-8)}


@pytest.mark.parametrize(
    "factor, powers, text",
    [
        (1, (0, 0, 0), "1"),
        (-1, (0, 0, 0), "-1"),
        (1, (0, 1, -1), "D/Z"),
        (-2, (-1, 0, 0), "-2/B"),
        (1, (-1, -1, 0), "1/(B D)"),
        (0.001, (0, 1, -1), "D/(1000 Z)"),
        (0.00025, (-1, 0, 0), "1/(4000 B)"),
        (1 / 60000, (1, 0, 0), "B/60000"),
        (0.7, (0, 0, 2), "0.7 Z^2"),
        (0.5, (1, 0, 1), "B Z/2"),
    ],
)
def test_products_of_powers(factor, powers, text):
    sizes = np.array(losses.SIZES)
    found = loss_words.law(factor * np.prod(sizes ** np.array(powers, float), axis=1), sizes, 1e-9)
    assert (found.text, found.powers) == (text, powers) and found.factor == pytest.approx(factor)
