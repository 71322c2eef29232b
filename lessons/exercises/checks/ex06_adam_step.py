"""What exercise 6 knows: its hints, its cases, and wrong answers by name."""

import numpy as np

import minivae as mv
from check import Case, draw, examine

HINTS = (
    "First eq. (3.11): each running mean keeps the share beta of what it was and takes the share 1 - beta of the new "
    "value; m averages g, "
    "and v averages g squared.",
    "Both start at 0, so at first they are too small, by the factors 1 - beta1**t and 1 - beta2**t, eq. (3.12). Divide by "
    "these only for the "
    "step: what you return as m and v stays undivided.",
    "m = beta1 * m + (1 - beta1) * g, and the same for v with beta2 and g**2. With m_hat and v_hat corrected, "
    "p = p - lr * m_hat / (np.sqrt(v_hat) + eps): eps stands outside of the root.",
)


def check(answer):
    rng, cases = np.random.default_rng(6), []
    for shape, t, start in (((1,), 1, 0), ((2,), 1, 0), ((1,), 2, 1), ((3,), 5, 1), ((2, 3), 3, 1), ((2, 3), 40, 1)):
        r = lambda: np.round(rng.normal(size=shape), 2) + 0.0
        for betas, lr, eps in (((0.9, 0.999), 0.1, 1e-8), ((0.8, 0.5), 0.2, 0.3)):
            cases.append(Case({"p": r(), "g": r() + 0.01, "m": start * r() + 0.0,
                               "v": start * np.round(rng.uniform(0.1, 2, size=shape), 2), "t": t, "lr": lr,
                               "beta1": betas[0], "beta2": betas[1], "eps": eps}, t=t))

    def right(c):
        p = mv.Tensor(c.p.copy(), requires_grad=True)
        adam = mv.Adam([p], c.lr, (c.beta1, c.beta2), c.eps)
        adam.t, p.grad = c.t - 1, c.g
        adam.state["M"][...], adam.state["V"][...] = c.m.ravel() / (1 - c.beta1), c.v.ravel() / (1 - c.beta2)
        adam.step()
        return (p.data.copy(), adam.state["M"].reshape(c.p.shape) * (1 - c.beta1),
                adam.state["V"].reshape(c.p.shape) * (1 - c.beta2))

    def step(c, m=None, v=None, tm=None, tv=None, **other):
        """p after a step that is wrong somewhere; o: what differs."""
        o = {"sign": -1, "m_hat": True, "v_hat": True, "root": np.sqrt, "eps_in": 0, "eps": c.eps, "lr": c.lr,
             "b1": c.beta1, "b2": c.beta2, "bt": lambda b, t: b**t} | other
        _, new_m, new_v = right(c)
        m, v, tm, tv = (new if a is None else a for a, new in ((m, new_m), (v, new_v), (tm, c.t), (tv, c.t)))
        m = m / (1 - o["bt"](o["b1"], tm)) if o["m_hat"] else m
        v = v / (1 - o["bt"](o["b2"], tv)) if o["v_hat"] else v
        return c.p + o["sign"] * o["lr"] * m / (o["root"](v + o["eps_in"]) + o["eps"])

    new = lambda c: right(c)[1:]
    suspects = {
        "p": {"it goes uphill: subtract the step from p": lambda c: step(c, sign=1),
              "the bias is not corrected, neither that of m nor that of v": lambda c: step(c, m_hat=False, v_hat=False),
              "the bias of m is not corrected: divide by 1 - beta1**t": lambda c: step(c, m_hat=False),
              "the bias of v is not corrected: divide by 1 - beta2**t": lambda c: step(c, v_hat=False),
              **{f"{text}, in the correction of {which}":
                     (lambda f, keys: lambda c: step(c, **{k: f(c) for k in keys}))(f, keys)
                 for text, f in (("1 - beta where 1 - beta**t is due", lambda c: 1),
                                 ("t is counted one too many, beta**(t + 1)", lambda c: c.t + 1),
                                 ("t is counted one too few, beta**(t - 1)", lambda c: c.t - 1))
                 for which, keys in (("m and v", ("tm", "tv")), ("m", ("tm",)), ("v", ("tv",)))},
              "1 - beta * t where 1 - beta**t is due": lambda c: step(c, bt=lambda b, t: b * t),
              "the two corrections are exchanged: m goes with beta1, v with beta2": lambda c:
                  step(c, b1=c.beta2, b2=c.beta1),
              "both are corrected with beta1": lambda c: step(c, b2=c.beta1),
              "both are corrected with beta2": lambda c: step(c, b1=c.beta2),
              "the root of v is missing": lambda c: step(c, root=lambda v: v),
              "eps is inside of the root: it belongs outside": lambda c: step(c, eps_in=c.eps, eps=0),
              "eps is missing, or is not the one that is given": lambda c: step(c, eps=0),
              "eps is not the one that is given: it is 1e-8 always": lambda c: step(c, eps=1e-8),
              "lr is missing": lambda c: step(c, lr=1),
              "lr is not the one that is given: it is 0.001 always": lambda c: step(c, lr=1e-3),
              "the gradient stands above, where the corrected mean m belongs": lambda c: step(c, m=c.g, m_hat=False),
              "the old m is used: update m first": lambda c: step(c, m=c.m),
              "the old v is used: update v first": lambda c: step(c, v=c.v),
              "the old m and v are used: update both first": lambda c: step(c, m=c.m, v=c.v),
              "the root of the bias-corrected v is taken before the correction: sqrt(v) / (1 - beta2**t)":
                  lambda c: c.p - c.lr * new(c)[0] / (1 - c.beta1**c.t) / (np.sqrt(new(c)[1]) / (1 - c.beta2**c.t) + c.eps),
              "eps is added before the correction of v": lambda c: c.p - c.lr * new(c)[0] / (1 - c.beta1**c.t)
                  / ((np.sqrt(new(c)[1]) + c.eps) / np.sqrt(1 - c.beta2**c.t)),
              "multiplied by 1 - beta**t, where it should be divided": lambda c: c.p - c.lr * new(c)[0] * (1 - c.beta1**c.t)
                  / (np.sqrt(new(c)[1] * (1 - c.beta2**c.t)) + c.eps),
              "plain gradient descent, p - lr g": lambda c: c.p - c.lr * c.g,
              "gradient descent with momentum, p - lr m": lambda c: c.p - c.lr * new(c)[0],
              "the step itself and not p minus the step": lambda c: c.p - step(c),
              "the negative of the step, without p": lambda c: step(c) - c.p,
              "p was not changed": lambda c: c.p},
        "m": {"the two shares are exchanged: beta1 is that of the old m": lambda c: (1 - c.beta1) * c.m + c.beta1 * c.g,
              "the factor 1 - beta1 of g is missing": lambda c: c.beta1 * c.m + c.g,
              "it uses beta2: m goes with beta1": lambda c: c.beta2 * c.m + (1 - c.beta2) * c.g,
              "the corrected mean m_hat: return m without the correction, since the next step goes on from it": lambda c:
                  new(c)[0] / (1 - c.beta1**c.t),
              "a mean of the squares: that is v": lambda c: c.beta1 * c.m + (1 - c.beta1) * c.g**2,
              "m was not changed": lambda c: c.m,
              "the old m is dropped": lambda c: (1 - c.beta1) * c.g, "the gradient g itself": lambda c: c.g,
              "the factor beta1 of the old m is missing": lambda c: c.m + (1 - c.beta1) * c.g},
        "v": {"the two shares are exchanged: beta2 is that of the old v": lambda c: (1 - c.beta2) * c.v + c.beta2 * c.g**2,
              "the factor 1 - beta2 of g**2 is missing": lambda c: c.beta2 * c.v + c.g**2,
              "it uses beta1: v goes with beta2": lambda c: c.beta1 * c.v + (1 - c.beta1) * c.g**2,
              "g is not squared": lambda c: c.beta2 * c.v + (1 - c.beta2) * c.g,
              "the absolute value of g, where its square is due": lambda c: c.beta2 * c.v + (1 - c.beta2) * abs(c.g),
              "the factor 1 - beta2 is squared together with g": lambda c: c.beta2 * c.v + ((1 - c.beta2) * c.g) ** 2,
              "m is squared, where g is due": lambda c: c.beta2 * c.v + (1 - c.beta2) * new(c)[0] ** 2,
              "the variance about m; the plain mean of g**2 is due": lambda c:
                  c.beta2 * c.v + (1 - c.beta2) * (c.g - new(c)[0]) ** 2,
              "the corrected mean v_hat: return v without the correction, since the next step goes on from it": lambda c:
                  new(c)[1] / (1 - c.beta2**c.t),
              "the square root of v: return v itself": lambda c: np.sqrt(new(c)[1]), "v was not changed": lambda c: c.v,
              "the old v is dropped": lambda c: (1 - c.beta2) * c.g**2, "the square of g itself": lambda c: c.g**2,
              "the factor beta2 of the old v is missing": lambda c: c.v + (1 - c.beta2) * c.g**2},
    }
    shape = lambda c: c.p.shape
    reorder = ("m", "v", "p")  # p can only be right where m and v are
    return examine(answer, cases, {"p": shape, "m": shape, "v": shape}, right, suspects, order=reorder)
