"""Batches, backward pass, optimizer, weight average."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import Split
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod, StepResult
from engine.training.hardware import Machine
from engine.training.loops.batches import Batches
from engine.training.loops.loop import TrainingLoop
from engine.training.loops.optimizer import learning_rate, make_optimizer, set_learning_rate
from engine.training.loops.weight_average import WeightAverage


class GradientLoop(TrainingLoop):
    """Batches, backward pass, optimizer, weight average."""

    def __init__(
        self, method: GradientMethod, config: RunConfig, images: ImageSet, split: Split, machine: Machine
    ) -> None:
        self.method, self._machine = method, machine
        self.optimizer = make_optimizer(method, config.optimizer)
        self.average = WeightAverage(method.served(), config.optimizer.ema_decay)
        head = method.projection_head()
        self._average_head = WeightAverage(head, config.optimizer.ema_decay) if head is not None else None
        self.batches = Batches(method, config, images, split, machine)
        self.images_per_step = self.batches.images_per_step
        self._late = [group for group in method.groups() if group.from_progress > 0]
        self._latest: tuple[int, Batch] | None = None

    def begin(self) -> None:
        """Nothing to do: every batch follows from its step."""

    def run_step(self, now: StepContext, config: RunConfig) -> StepResult:
        batch = self.batches.batch(now)
        set_learning_rate(self.optimizer, learning_rate(config.optimizer, now.step, now.steps))
        self.method.train()
        self._open_groups(now)
        self.optimizer.zero_grad(set_to_none=True)
        # Dropout takes no generator: the global one is set from (seed, step) for the step and given back afterwards.
        state = torch.default_generator.get_state()
        torch.default_generator.manual_seed(now.derive("global"))
        if self._machine.device == "cuda":
            torch.cuda.manual_seed(now.derive("global"))
        with self._machine.autocast():
            result = self.method.step(batch, now)
        torch.default_generator.set_state(state)
        result.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.method.before_update(now)
        self.optimizer.step()
        self.average.update(now.step)
        if self._average_head is not None:
            self._average_head.update(now.step)
        self.method.after_update(batch, now)
        self._latest = (now.step, batch)
        return result

    def _open_groups(self, now: StepContext) -> None:
        for group in self._late:
            begun = now.progress >= group.from_progress
            for module in group.modules:
                module.requires_grad_(begun)
                if not begun:
                    module.eval()

    def served(self) -> nn.Module:
        return self.average.module

    def projection_head(self) -> nn.Module | None:
        return self._average_head.module if self._average_head is not None else None

    def batch(self, now: StepContext) -> Batch:
        if self._latest is None or self._latest[0] != now.step:
            self._latest = (now.step, self.batches.batch(now))
        return self._latest[1]

    def state(self) -> dict[str, Any]:
        heads = {"average_head": self._average_head.module.state_dict()} if self._average_head is not None else {}
        return {"average": self.average.module.state_dict(), "optimizer": self.optimizer.state_dict(), **heads}

    def load_state(self, state: dict[str, Any]) -> None:
        self.average.module.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        head = self.method.projection_head()
        # Checkpoints from before heads were averaged have none: it begins with the head as it is.
        if self._average_head is not None and head is not None:
            self._average_head.module.load_state_dict(state.get("average_head", head.state_dict()))
