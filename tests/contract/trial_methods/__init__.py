"""Methods written against the contract to find out whether it carries them: each is one file and needs no second place.

None is registered but by the tests that use it.
"""

from __future__ import annotations

from typing import Any

from engine.registry import name_of
from tests.contract.trial_methods.byol import BYOL
from tests.contract.trial_methods.mean_teacher import MeanTeacher
from tests.contract.trial_methods.moco import MoCo

TRIALS: dict[str, type[Any]] = {name_of(cls): cls for cls in (BYOL, MeanTeacher, MoCo)}
