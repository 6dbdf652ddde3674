"""Batches, backward pass, optimizer, weight average."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.backbones.mixed_precision import MixedPrecision
from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.split import Split
from engine.id_positions import positions_of
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod, PoolPass, StepResult
from engine.processes.division import divided, sum_gradients
from engine.processes.group import Processes
from engine.training.evaluation.evaluator import Evaluator
from engine.training.evaluation.feature_cache import Told
from engine.training.hardware import Machine
from engine.training.loops.batches import Batches
from engine.training.loops.loop import TrainingLoop
from engine.training.loops.optimizer import ScheduledOptimizer
from engine.training.loops.weight_average import WeightAverage


class GradientLoop(TrainingLoop):
    """Batches, backward pass, optimizer, weight average. Several processes divide the batches of the networks."""

    def __init__(
        self,
        method: GradientMethod,
        config: RunConfig,
        images: ImageSet,
        split: Split,
        machine: Machine,
        evaluator: Evaluator,
        processes: Processes | None = None,
    ) -> None:
        self.method, self._machine, self._evaluator, self._processes = method, machine, evaluator, processes
        self._networks = [module for module in method.modules() if isinstance(module, MixedPrecision)]
        self.optimizer = ScheduledOptimizer(method, config.optimizer)
        averaged = {"average": method.served() if method.average_served else None}
        averaged["average_head"] = method.projection_head()
        self._averages = {
            name: WeightAverage(module, config.optimizer.ema_decay) for name, module in averaged.items() if module
        }
        self.batches = Batches(method, config, images, split, machine)
        self.images_per_step, self.steps_per_epoch = self.batches.images_per_step, self.batches.steps_per_epoch
        self._late = [group for group in method.groups() if group.from_progress > 0]
        rounds, steps = method.rounds(), config.budget.steps
        self._round_starts = [number * steps // rounds for number in range(rounds)]
        self._pool = torch.as_tensor(split.pool)
        self._pool_positions: NDArray[np.int64] = positions_of(split.pool, images.ids)
        self._latest: tuple[int, Batch] | None = None

    def begin(self, told: Told) -> None:
        """Nothing to do: every batch follows from its step."""

    def run_step(self, now: StepContext, config: RunConfig) -> StepResult:
        number, first, length = self._round(now)
        if now.step == first:
            self._begin_round(number, now)
        batch = self.batches.batch(now)
        self.optimizer.schedule(config.optimizer, now.step - first, length)
        self.method.train()
        self._open_groups(now)
        self.optimizer.torch.zero_grad(set_to_none=True)
        with self._derived_chance(now, "global"), divided(self._networks, self._processes):
            result = self.method.step(batch, now)
            result.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            if self._processes is not None:
                sum_gradients(self._networks, self._processes)
            self.method.before_update(now)
            self.optimizer.torch.step()
            self.method.after_update(batch, now)
        # Last: what is served is what the method has after its step.
        for average in self._averages.values():
            average.update(now.step - first)
        self._latest = (now.step, batch)
        return result

    def _round(self, now: StepContext) -> tuple[int, int, int]:
        """The step's round: its number, its first step, its length in steps."""
        number = max(n for n, start in enumerate(self._round_starts) if start <= now.step)
        ends = [*self._round_starts[1:], now.steps]
        return number, self._round_starts[number], ends[number] - self._round_starts[number]

    def _begin_round(self, number: int, now: StepContext) -> None:
        with self._derived_chance(now, "round"):
            self.method.begin_round(number, now, PoolPass(self._pool, self._predict_pool))
        if number > 0:
            self.optimizer.restart()
            for average in self._averages.values():
                average.restart()

    def _predict_pool(self, network: nn.Module) -> tuple[Tensor, Tensor | None]:
        features, probabilities = self._evaluator.predict(network, self._pool_positions)
        return torch.as_tensor(features), None if probabilities is None else torch.as_tensor(probabilities)

    @contextmanager
    def _derived_chance(self, now: StepContext, name: str) -> Iterator[None]:
        """Dropout takes no generator: the global one is set from (seed, step) and given back afterwards."""
        state = torch.default_generator.get_state()
        torch.default_generator.manual_seed(now.derive(name))
        if self._machine.is_cuda:
            torch.cuda.manual_seed(now.derive(name))
        try:
            yield
        finally:
            torch.default_generator.set_state(state)

    def _open_groups(self, now: StepContext) -> None:
        for group in self._late:
            begun = now.progress >= group.from_progress
            for member in group.modules:
                member.requires_grad_(begun)
                if not begun and isinstance(member, nn.Module):
                    member.eval()

    def served(self) -> nn.Module:
        return self._averages["average"].module if self.method.average_served else self.method.served()

    def projection_head(self) -> nn.Module | None:
        return self._averages["average_head"].module if "average_head" in self._averages else None

    def batch(self, now: StepContext) -> Batch:
        if self._latest is None or self._latest[0] != now.step:
            self._latest = (now.step, self.batches.batch(now))
        return self._latest[1]

    def state(self) -> dict[str, Any]:
        averages = {name: average.module.state_dict() for name, average in self._averages.items()}
        return {"average": {}, **averages, "optimizer": self.optimizer.torch.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.optimizer.torch.load_state_dict(state["optimizer"])
        for name, average in self._averages.items():
            # Checkpoints from before heads were averaged have none: it begins with the head as it is.
            head = self.method.projection_head()
            saved = head.state_dict() if name not in state and head is not None else state[name]
            average.module.load_state_dict(saved)
