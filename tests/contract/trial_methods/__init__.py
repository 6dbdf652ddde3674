"""Methods written against the contract to find out whether it carries them: each is one file and needs no second place.

None is registered but by the tests that use it.
"""

from __future__ import annotations

from typing import Any

from engine.registry import name_of
from tests.contract.trial_methods.rc import RC
from tests.contract.trial_methods.self_training import SelfTraining
from tests.contract.trial_methods.vae_m2 import VAEM2

TRIALS: dict[str, type[Any]] = {name_of(cls): cls for cls in (RC, SelfTraining, VAEM2)}
