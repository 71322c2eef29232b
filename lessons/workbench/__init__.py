"""What the lessons share and no lesson is about. You need not read this to work through them.

page: the form of a lesson (begin, predict, claim, figure, end).
measure: training over seeds, tables, judges of pictures and codes.
draw: pictures, maps and graphs.
rivals: the families of models that chapter 18 compares, and its judge of drawings.
adversaries: the plainest GAN. Only chapters 18 and 19 import these two.
"""

import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the arrays are small: more threads mostly wait
if importlib.util.find_spec("minivae") is None:  # not installed: it stands beside lessons/
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from .draw import digit_map, graph, sheet  # noqa: E402, F401
from .measure import (  # noqa: E402, F401
    at_the_same_pixels,
    balanced_std,
    class_accuracy,
    distance_from_prior,
    distances,
    entropy_floor,
    finished,
    fit_mixture,
    held_out,
    log_mixture,
    log_normal,
    milliseconds,
    one_pixel_edits,
    posteriors,
    ranked_above,
    reader,
    rms,
    rng,
    seed,
    share_real,
    sharpness,
    shifted_js,
    spread,
    table,
    total_variation,
    trained,
)
from .page import begin, claim, end, figure, predict, window  # noqa: E402, F401
