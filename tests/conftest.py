"""Settings for all tests: a quick hypothesis profile by default, and figures without a screen.

`pytest --hypothesis-profile=thorough` draws many more examples. Where CI is set, the examples are the same at each run.
"""

import os

import matplotlib
from hypothesis import HealthCheck, settings

matplotlib.use("Agg")

# No deadline: a loaded machine is not a wrong gradient.
slow_is_fine = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=15, **slow_is_fine)
settings.register_profile("ci", max_examples=15, derandomize=True, database=None, print_blob=True, **slow_is_fine)
settings.register_profile("thorough", max_examples=500, **slow_is_fine)
settings.load_profile("ci" if os.environ.get("CI") else "quick")
