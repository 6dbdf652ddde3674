"""Weights that grow while a run trains."""

from __future__ import annotations

import math


def sigmoid_ramp(progress: float, end: float) -> float:
    """exp(-5 (1 - t)²) with t = progress / end, at most 1: .0067 at the start, 1 from the share `end` of the run on
    (Laine & Aila 2017, arXiv:1610.02242, appendix A, where it is called Gaussian; others call it sigmoid). 1 throughout
    if `end` is 0.
    """
    return 1.0 if end <= 0 else math.exp(-5 * (1 - min(1.0, progress / end)) ** 2)


def cosine_ramp(progress: float, end: float) -> float:
    """(1 - cos(π t)) / 2 with t = progress / end, at most 1: 0 at the start, 1 from the share `end` of the run on
    (AdaMatch, Berthelot et al. 2022, arXiv:2106.04732). 1 throughout if `end` is 0.
    """
    return 1.0 if end <= 0 else (1 - math.cos(math.pi * min(1.0, progress / end))) / 2
