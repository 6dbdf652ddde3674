"""Iterations over the whole pool, for methods that are fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import Split
from engine.id_positions import positions_of
from engine.methods.base.context import StepContext
from engine.methods.base.method import FittedMethod, PoolData, StepResult
from engine.training.evaluation.evaluator import Evaluator
from engine.training.evaluation.feature_cache import Told
from engine.training.loops.loop import TrainingLoop


class FitLoop(TrainingLoop):
    """Features of the pool once, then iterations."""

    def __init__(self, method: FittedMethod, images: ImageSet, split: Split, evaluator: Evaluator) -> None:
        self.method, self._evaluator = method, evaluator
        self._labels = torch.full((len(split.pool),), -1)
        self._positions = positions_of(split.pool, images.ids)
        known = torch.as_tensor(np.isin(split.pool, split.labeled))
        self._labels[known] = torch.as_tensor(images.labels[self._positions])[known]
        self._ids = torch.as_tensor(split.pool)
        self.images_per_step = len(split.pool)

    def begin(self, told: Told) -> None:
        self._evaluator.freeze(self.method.backbone)
        features = self._evaluator.features(self.method.backbone, self._positions, told)
        self.method.prepare(PoolData(torch.as_tensor(features), self._labels, self._ids))

    def run_step(self, now: StepContext, config: RunConfig) -> StepResult:
        with torch.no_grad():
            return self.method.iterate(now)

    def served(self) -> nn.Module:
        return self.method.served()

    def batch(self, now: StepContext) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {"average": {}, "optimizer": {}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Nothing of its own: the method's buffers hold it all."""
