"""Which of a method's settings is its confidence threshold: the schema says so, whatever the setting is called."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from engine.analysis.evaluated_run import EvaluatedRun
from engine.config.overlay import apply_changes
from ui.shell.server import catalog

_DEFAULT = 0.95  # where a run says nothing of a threshold


class ThresholdParameter(NamedTuple):
    """key: dotted, as in a config, such as "method.threshold". schema: of the setting."""

    key: str
    schema: dict[str, Any]

    @property
    def symbol(self) -> str:
        return self.schema.get("symbol") or "τ"


def threshold_parameter(config: dict[str, Any]) -> ThresholdParameter | None:
    """None of a method without one, or one that this FewLab does not know."""
    method = catalog()["methods"].get(config["method"]["name"], {})
    for name, schema in method.get("schema", {}).get("properties", {}).items():
        if schema.get("role") == "confidence_threshold":
            return ThresholdParameter(f"method.{name}", schema)
    return None


def retrained(config: dict[str, Any], key: str, value: float) -> dict[str, Any]:
    """The config of a run that differs from this one in one setting, `key` dotted; without the name that a user typed,
    which two runs would then share.
    """
    return apply_changes(config, {"name": "", key: value})


def last_threshold(run: EvaluatedRun) -> float:
    """The threshold that was in force at the end, in hundredths.

    Of a method without one it is the median confidence of the last predictions of unlabeled images, rounded down, so
    that half of them or more are selected: what a graph spreads over many images is far below any usual threshold.
    """
    parameter = threshold_parameter(run.config)
    if parameter is None:
        confidence = run.predictions(run.steps[-1], "unlabeled").confidence
        usual = float(np.median(confidence)) if len(confidence) else _DEFAULT
        return math.floor(100 * usual) / 100 if 0 <= usual <= 1 else _DEFAULT  # a stranger's run may hold no numbers
    values = [change.value for change in run.folder.changes() if change.key == parameter.key]
    numbers = [value for value in values if isinstance(value, (int, float))]
    stored = run.config["method"].get(parameter.key.removeprefix("method."))
    value = numbers[-1] if numbers else stored if isinstance(stored, (int, float)) else _DEFAULT
    return round(min(max(float(value), 0.0), 1.0), 2)
