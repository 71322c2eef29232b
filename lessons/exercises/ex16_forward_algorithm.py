"""Exercise 16: the forward algorithm. Belongs to lesson 18.

A hidden Markov model draws a first state with the probabilities first (S,), and from then on moves
from state i to state j with probability move[i, j]; in each of T rows it draws what is seen. You get
the log of the probability of each row in each state, log_b (B, T, S), for B pictures. Write log p(x),
one number for each picture: added up over all S**T sequences of states, but without counting them.
The probabilities of long pictures are too small for floating point, so scale them, or stay in
logarithms.

Derived in
[eq. (18.7)](../derivations/18_one_ruler.md#eq-18-7),
[eq. (18.8)](../derivations/18_one_ruler.md#eq-18-8),
[eq. (18.9)](../derivations/18_one_ruler.md#eq-18-9).
Run this file to check your answer; run it with --hint if you are stuck.
"""

import numpy as np

from check import run


def log_probability(log_b, first, move):
    """log p(x), shape (B,), for log_b (B, T, S), first (S,) and move (S, S)."""
    raise NotImplementedError("alpha (B, S) for the first row; then a row further, again and again")


if __name__ == "__main__":
    run(__file__, log_probability)
