"""When a run ends before its last step: its validation accuracy no longer improves, or its minutes are used up."""

from __future__ import annotations

from typing import Any

from engine.config.parts import Training
from engine.errors import ConfigError

_ACCURACY = "validation/accuracy"


class EarlyEnd:
    """Counts the evaluations since the best validation accuracy. What it has seen goes into the checkpoint, so that a
    resumed run ends at the very step at which it would have ended.
    """

    def __init__(self, params: Training) -> None:
        self._params = params
        self._best: float | None = None
        self._best_step = self._since = 0

    def evaluated(self, step: int, metrics: dict[str, float]) -> None:
        """Take in an evaluation between steps. Raises ConfigError where patience has nothing to go by."""
        if not self._params.patience:
            return
        accuracy = metrics.get(_ACCURACY)
        if accuracy is None:
            raise ConfigError(
                "training.patience has no validation accuracy to go by: set it to 0, or data.validation above 0 and a"
                " method that answers with classes."
            )
        if self._best is None or accuracy > self._best:
            self._best, self._best_step, self._since = accuracy, step, 0
        else:
            self._since += 1

    def reason(self, step: int, steps: int, seconds: float) -> str:
        """Why the run, trained for so many seconds, ends after this step of so many; "" while it goes on."""
        if not 0 < step < steps:
            return ""
        where = f"It ended at step {step:,} of {steps:,}"
        if self._params.patience and self._since >= self._params.patience:
            evaluations = "evaluation" if self._since == 1 else "evaluations"
            return (
                f"{where}: {self._since} {evaluations} without a better validation accuracy than {self._best:.1%} at"
                f" step {self._best_step:,} (training.patience)."
            )
        if self._params.minutes and seconds >= 60 * self._params.minutes:
            minutes = "minute of training is" if self._params.minutes == 1 else "minutes of training are"
            return f"{where}: its {self._params.minutes:g} {minutes} used up (training.minutes)."
        return ""

    def state(self) -> dict[str, Any]:
        """For the checkpoint; empty where nothing is counted."""
        if not self._params.patience:
            return {}
        return {"patience": {"best": self._best, "step": self._best_step, "since": self._since}}

    def load_state(self, saved: dict[str, Any]) -> None:
        counted = saved.get("patience")
        if counted is not None:
            self._best, self._best_step, self._since = counted["best"], int(counted["step"]), int(counted["since"])
