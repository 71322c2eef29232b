"""Exercise 6, one step of Adam: hints, inputs, the right answer, mistakes by name."""

import numpy as np

from machinery.cases import Case, draw, table

HINTS = (
    """First eq. (3.11): each running mean keeps the share beta of what it was and takes the share
    1 - beta of the new value; m averages g, and v averages g squared.""",
    """Both start at 0, so at first they are too small, by the factors 1 - beta1**t and 1 -
    beta2**t, eq. (3.12). Divide by these only for the step: what you return as m and v stays
    undivided.""",
    """m = beta1 * m + (1 - beta1) * g, and the same for v with beta2 and g**2. With m_hat and
    v_hat corrected, p = p - lr * m_hat / (np.sqrt(v_hat) + eps): eps stands outside of the
    root.""",
)

INPUTS = {"p": "N", "g": "N", "m": "N", "v": "N"}
OUTPUTS = {name: lambda case: case.inputs["p"].shape for name in "pmv"}
ORDER = ("m", "v", "p")  # p can only be right where m and v are


def cases(rng):
    for shape, t in (
        ((1,), 1),
        ((2,), 1),
        ((1,), 2),
        ((3,), 5),
        ((2, 3), 3),
        ((2, 3), 40),
        ((2,), 3000),
    ):
        for betas, lr, eps in (((0.9, 0.999), 0.1, 1e-8), ((0.8, 0.5), 0.2, 0.3)):
            yield _case(rng, shape, t, betas, lr, eps)
    first = _case(rng, (3,), 4, (0.9, 0.999), 0.1, 1e-8)
    first.inputs |= {"m": np.zeros(3), "v": np.zeros(3)}  # no gradient in the steps before
    yield first
    yield _with(rng, "a gradient of 50, 5 and -20", g=np.array([50.0, 5, -20]))
    yield _with(rng, "a gradient of 0", g=np.zeros(3))
    yield _with(
        rng,
        "a gradient of 1e-9, beside which eps is large",
        g=np.array([1e-9, -1e-9, 1e-9]),
        m=np.zeros(3),
        v=np.zeros(3),
        t=1,
    )
    yield _with(
        rng,
        "a v that is far above, and far below the new g**2",
        g=np.array([0.1, 3.0, 0.01]),
        v=np.array([40.0, 1e-4, 9.0]),
    )


def _case(rng, shape, t, betas, lr, eps, note=""):
    n = int(np.prod(shape))
    c = {name: a.reshape(shape) for name, a in draw(rng, INPUTS, N=n).items()}
    c["v"] = np.round(rng.uniform(0.1, 2, size=shape), 2)
    if t == 1:
        c["m"] = np.zeros(shape)
        c["v"] = np.zeros(shape)
    return Case(
        c | {"t": t, "lr": lr, "beta1": betas[0], "beta2": betas[1], "eps": eps}, note, entries=n
    )


def _with(rng, note, **inputs):
    c = _case(rng, (3,), 4, (0.9, 0.99), 0.1, 1e-6)
    return Case(c.inputs | inputs, note, entries=3)


def right(p, g, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


def names(p, g, m, v, t, lr, beta1, beta2, eps):
    """The new means M and V, their corrections cm and cv, and the step from p with any two
    means."""
    M = beta1 * m + (1 - beta1) * g
    V = beta2 * v + (1 - beta2) * g**2
    cm = 1 - beta1**t
    cv = 1 - beta2**t

    def step(m_hat, v_hat, lr=lr, eps=eps):
        return p - lr * m_hat / (np.sqrt(v_hat) + eps)

    return {"M": M, "V": V, "cm": cm, "cv": cv, "step": step}


MISTAKES = table("""
m
    (1 - beta1) * m + beta1 * g
        the two shares are exchanged: beta1 is that of the old m
    beta1 * m + g
        the factor 1 - beta1 of g is missing
    beta2 * m + (1 - beta2) * g
        it uses beta2: m goes with beta1
    M / cm
        this is the corrected mean: return m without the correction, since the next step goes on
        from it
    beta1 * m + (1 - beta1) * g**2
        g is squared: that belongs to v
    m
        m is not changed
    (1 - beta1) * g
        the old m is dropped
    g
        this is the gradient g itself
    m + (1 - beta1) * g
        the factor beta1 of the old m is missing
    beta1 * m - (1 - beta1) * g
        the sign of g is flipped
    beta1 * m + (1 - beta1) * np.clip(g, -1, 1)
        g is clipped at 1

v
    (1 - beta2) * v + beta2 * g**2
        the two shares are exchanged: beta2 is that of the old v
    beta2 * v + g**2
        the factor 1 - beta2 of g**2 is missing
    beta1 * v + (1 - beta1) * g**2
        it uses beta1: v goes with beta2
    beta2 * v + (1 - beta2) * g
        g is not squared
    beta2 * v + (1 - beta2) * np.abs(g)
        this has the size of g, where its square is due
    beta2 * v + ((1 - beta2) * g)**2
        the factor 1 - beta2 is squared together with g
    beta2 * v + (1 - beta2) * M**2
        m is squared, where g is due
    beta2 * v + (1 - beta2) * (g - M)**2
        this is the spread about m: the plain mean of g**2 is due
    V / cv
        this is the corrected mean: return v without the correction, since the next step goes on
        from it
    np.sqrt(V)
        this is the root of v: return v itself
    v
        v is not changed
    (1 - beta2) * g**2
        the old v is dropped
    g**2
        this is the square of g itself
    v + (1 - beta2) * g**2
        the factor beta2 of the old v is missing
    v + g**2
        this sums the squares without forgetting any, as Adagrad does
    np.maximum(v, V)
        v never falls: this is AMSGrad, and not Adam
    np.maximum(beta2 * v, np.abs(g))
        this is AdaMax: Adam has the mean of the squares

p
    2 * p - step(M / cm, V / cv)
        it goes uphill: subtract the step from p
    step(M, V)
        the bias is not corrected, neither that of m nor that of v
    step(M, V / cv)
        the bias of m is not corrected: divide by 1 - beta1**t
    step(M / cm, V)
        the bias of v is not corrected: divide by 1 - beta2**t
    step(M / (1 - beta1), V / (1 - beta2))
        1 - beta stands where 1 - beta**t is due
    step(M / (1 - beta1**(t + 1)), V / (1 - beta2**(t + 1)))
        t is counted one too many, beta**(t + 1)
    step(M / (1 - beta1**(t - 1)), V / (1 - beta2**(t - 1)))
        t is counted one too few, beta**(t - 1)
    step(M / (1 - beta1 * t), V / (1 - beta2 * t))
        1 - beta * t stands where 1 - beta**t is due
    step(M / cv, V / cm)
        the two corrections are exchanged: m goes with beta1, v with beta2
    step(M / cm, V / cm)
        both are corrected with beta1: v goes with beta2
    step(M / cv, V / cv)
        both are corrected with beta2: m goes with beta1
    step(M * cm, V * cv)
        it is multiplied by 1 - beta**t where it should be divided
    p - lr * M / cm / (V / cv + eps)
        the root of v is missing
    p - lr * M / cm / np.sqrt(V / cv + eps)
        eps is inside of the root: it belongs outside
    p - lr * M / cm / np.sqrt(V / cv)
        eps is missing
    p - lr * M / cm / np.maximum(np.sqrt(V / cv), eps)
        the larger one of the root and eps is taken: their sum is due
    step(M / cm, V / cv) - lr * p * 0.01
        0.01 lr p is subtracted as well, a weight decay: Adam has none
    step(M / cm, V / cv, eps=1e-8)
        eps is not the one that is given: it is 1e-8 always
    step(M / cm, V / cv, lr=1)
        lr is missing
    step(M / cm, V / cv, lr=1e-3)
        lr is not the one that is given: it is 0.001 always
    step(M / cm, V / cv, lr=lr / np.sqrt(t))
        lr falls with the root of t: Adam's does not
    step(g, V / cv)
        the gradient stands above, where the corrected m belongs
    step(m / cm, V / cv)
        the old m is used: update m first
    step(M / cm, v / cv)
        the old v is used: update v first
    step(m / cm, v / cv)
        the old m and v are used: update both first
    p - lr * M / cm / (np.sqrt(V) / cv + eps)
        the root of v is taken before the correction: sqrt(v) / (1 - beta2**t)
    p - lr * M / cm * np.sqrt(cv) / (np.sqrt(V) + eps)
        eps is added before the correction of v
    step((beta1 * M + (1 - beta1) * g) / cm, V / cv)
        m looks one step ahead, as in NAdam
    step(M / cm, np.maximum(v, V) / cv)
        the larger one of the old and the new v is used: this is AMSGrad
    p - lr * g
        this is plain gradient descent, p - lr g
    p - lr * M
        this is gradient descent with momentum, p - lr m
    p - step(M / cm, V / cv)
        this is the step itself: subtract it from p
    step(M / cm, V / cv) - p
        this is minus the step, without p
    p
        p is not changed
""")

OTHERWISE = {
    "v": "m is right: it is the line of v",
    "p": "m and v are right: it is the correction of their bias, or the line of p",
}
