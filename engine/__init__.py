"""FewLab's engine: learning with few labels, without a screen.

from engine import RunConfig, train, load_run, Predictor
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig as RunConfig
    from engine.lab.executors.inline import load_run as load_run
    from engine.lab.executors.inline import resume as resume
    from engine.lab.executors.inline import train as train
    from engine.predictor import Predictor as Predictor

# Threads that wait for each other otherwise spin for milliseconds, which beside another busy process, such as the
# browser that shows the run, takes several times the work itself: 600 steps of FixMatch on digits took 13.6 s in place
# of 75. Read when torch is loaded, by GNU's OpenMP (rounds; it takes precedence over OMP_WAIT_POLICY) and by LLVM's and
# Intel's (milliseconds).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
os.environ.setdefault("KMP_BLOCKTIME", "1")

__version__ = "0.1.0"
_HOMES = {
    "RunConfig": "engine.config.run_config",
    "train": "engine.lab.executors.inline",
    "resume": "engine.lab.executors.inline",
    "load_run": "engine.lab.executors.inline",
    "Predictor": "engine.predictor",
}
__all__ = ["Predictor", "RunConfig", "load_run", "resume", "train"]


def __getattr__(name: str) -> Any:
    # Looked up late: most of these import torch, which the app's server must never do.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
