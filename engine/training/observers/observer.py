"""What an observer is, and which ones were asked for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

from engine.errors import ConfigError
from engine.runs.folder import RunFolder

VARIABLE = "FEWLAB_OBSERVERS"
KINDS = {"tensorboard": "engine.training.observers.tensorboard", "wandb": "engine.training.observers.wandb"}
KINDS["trackio"] = KINDS["wandb"]  # the same functions under another name

log = logging.getLogger("fewlab.training")


class Observer(Protocol):
    """One run's metrics, in another program's format."""

    def record(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def end(self, state: str, metrics: Mapping[str, float]) -> None:
        """state: as in Status. metrics: the final ones."""


class Observers:
    """All that were asked for. One that fails is left out from then on, and the run goes on."""

    def __init__(self, begun: Mapping[str, Observer]) -> None:
        self._observers = dict(begun)

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        self._each(lambda observer: observer.record(step, metrics))

    def end(self, state: str, metrics: Mapping[str, float]) -> None:
        self._each(lambda observer: observer.end(state, metrics))

    def _each(self, act: Callable[[Observer], None]) -> None:
        for name, observer in list(self._observers.items()):
            try:
                act(observer)
            except Exception:
                log.exception("The observer %s failed and hears no more of this run.", name)
                del self._observers[name]


def begin_observers(folder: RunFolder, config: Mapping[str, Any], step: int) -> Observers:
    """Those that FEWLAB_OBSERVERS lists, such as "tensorboard:/home/me/logs,wandb:my-project". step: the run goes on
    from here; what an earlier life of it has told after this step is told again. Raises ConfigError for a name that is
    none, or whose package is missing.
    """
    begun: dict[str, Observer] = {}
    for kind, where in _asked_for(os.environ.get(VARIABLE, "")).items():
        try:
            begun[kind] = import_module(KINDS[kind]).begin(kind, where, folder, config, step)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"{VARIABLE} asks for {kind}, whose package {error.name} is not installed: install it, or leave {kind}"
                " out."
            ) from None
        except Exception:
            log.exception("The observer %s cannot begin and hears nothing of this run.", kind)
    return Observers(begun)


def _asked_for(text: str) -> dict[str, str]:
    """Where each kind goes; known before one of them begins to write."""
    asked: dict[str, str] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        kind, _, where = part.partition(":")
        if kind not in KINDS or not where:
            raise ConfigError(
                f"{VARIABLE} holds {part!r}: name tensorboard with a folder, or wandb or trackio with a project, as in"
                " tensorboard:logs,wandb:my-project."
            )
        if kind in asked:
            raise ConfigError(f"{VARIABLE} names {kind} twice: leave one of them out.")
        asked[kind] = where
    return asked
