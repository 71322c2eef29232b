"""Settings for all tests: a quick hypothesis profile by default, and figures without a screen.

`pytest --hypothesis-profile=thorough` draws many more examples. Where CI is set, the examples are
the same at each run.
"""

import os
import sys

import matplotlib
import pytest
from hypothesis import HealthCheck, settings

matplotlib.use("Agg")

# No deadline: a loaded machine is not a wrong gradient.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
repeatable = {"derandomize": True, "database": None, "print_blob": True}

settings.register_profile("quick", patient, max_examples=15)
settings.register_profile("ci", patient, max_examples=15, **repeatable)
settings.register_profile("thorough", patient, max_examples=500)
settings.load_profile("ci" if os.environ.get("CI") else "quick")


@pytest.fixture(autouse=True)
def the_recursion_limit_stays():
    """An answer to an exercise may raise it, and what comes after would overflow the stack."""
    before = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(before)
