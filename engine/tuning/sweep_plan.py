"""A sweep as it was asked for: from which settings, what varies, how much of it, on which draws of labels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from engine.config.overlay import apply_changes
from engine.errors import ConfigError
from engine.tuning.dimension import Dimension, value_of

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_MOST_TRIALS, _MOST_DRAWS, _MOST_SEED = 10_000, 100, 1_000_000
_BLOCK, _FRESH = 1000, 500  # label draws of one sweep's seed, and from which of them on they are left for the end


@dataclass(frozen=True)
class SweepPlan:
    """config: a resolved run config, whose own seed and draw of labels no run of the sweep has. source: the preset or
    run that it comes from. minutes: of training in all, 0 for no limit. label_draws: runs of each trial, whose
    validation accuracies are averaged. created: seconds since 1970.
    """

    name: str
    config: dict[str, Any]
    source: str
    dimensions: tuple[Dimension, ...]
    trials: int = 40
    minutes: float = 0.0
    label_draws: int = 2
    seed: int = 0
    created: float = 0.0
    version: int = 1

    def check(self) -> SweepPlan:
        """Raises ConfigError with one sentence for what cannot be asked for."""
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"A sweep cannot be named {self.name[:80]!r}: use small letters, digits, - and _, at most 60 of them."
            )
        if not self.dimensions:
            raise ConfigError("Nothing varies: name at least one setting, such as --vary method.threshold=0.5:0.99.")
        keys = [dimension.key for dimension in self.dimensions]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ConfigError(f"{twice} is asked to vary twice: give it one range.")
        for words, value, low, high in (
            ("trials", self.trials, 1, _MOST_TRIALS),
            ("draws of labels", self.label_draws, 1, _MOST_DRAWS),
            ("as its seed", self.seed, 0, _MOST_SEED),
        ):
            if not low <= value <= high:
                raise ConfigError(f"A sweep has {low:,} to {high:,} {words}, but {value:,} was asked for.")
        if not 0 <= self.minutes < float("inf"):
            raise ConfigError(f"A sweep's minutes are 0, for no limit, or more, but {self.minutes} was asked for.")
        return self

    def draws(self) -> list[int]:
        """Seeds of the label draws that trials are judged on."""
        return list(itertools.islice(self._seeds(0), self.label_draws))

    def fresh_seeds(self, count: int) -> list[int]:
        """Seeds of label draws that no trial has seen. Raises ConfigError for more than there are."""
        if not 1 <= count <= _MOST_DRAWS:
            raise ConfigError(f"New seeds are 1 to {_MOST_DRAWS}, but {count} were asked for.")
        return list(itertools.islice(self._seeds(_FRESH), count))

    def _seeds(self, first: int) -> Iterator[int]:
        own = (self.config["seed"], self.config["data"].get("split_seed"))
        return (seed for seed in itertools.count(_BLOCK * (self.seed + 1) + first) if seed not in own)

    def run_config(self, name: str, values: dict[str, Any], seed: int) -> dict[str, Any]:
        """The config of one run: these settings, on the draw of labels of this seed."""
        return apply_changes(self.config, {**values, "name": name, "seed": seed, "data.split_seed": seed})

    def own_values(self) -> dict[str, Any]:
        """What the config itself has for the settings that vary."""
        return {dimension.key: value_of(self.config, dimension.key) for dimension in self.dimensions}

    def with_budget(self, trials: int | None, minutes: float | None) -> SweepPlan:
        """The same sweep with more or less of it."""
        return replace(
            self,
            trials=self.trials if trials is None else trials,
            minutes=self.minutes if minutes is None else minutes,
        ).check()

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "dimensions": [dimension.plain() for dimension in self.dimensions]}

    @staticmethod
    def of_plain(value: dict[str, Any]) -> SweepPlan:
        """Raises TypeError, KeyError, ValueError or ConfigError for what is no plan."""
        dimensions = tuple(Dimension.of_plain(one) for one in value["dimensions"])
        return SweepPlan(**{**value, "dimensions": dimensions}).check()
