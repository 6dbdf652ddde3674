"""A run in Weights & Biases, or in any package with its functions, such as trackio."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from engine.runs.folder import RunFolder


class Tracked:
    """One of its runs, with the id of ours: a resumed one goes on in the same."""

    def __init__(self, package: str, project: str, folder: RunFolder, config: Mapping[str, Any]) -> None:
        self._run: Any = import_module(package).init(
            project=project, id=folder.id, name=config.get("name") or folder.id, config=dict(config), resume="allow"
        )

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def end(self, state: str, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._run.summary[name] = value
        self._run.finish(exit_code=0 if state in ("finished", "stopped") else 1)


class TrackedByTrackio(Tracked):
    """It knows neither ids nor a summary, and its runs have no status."""

    def __init__(self, package: str, project: str, folder: RunFolder, config: Mapping[str, Any]) -> None:
        self._run = import_module(package).init(project=project, name=folder.id, config=dict(config), resume="allow")

    def end(self, state: str, metrics: Mapping[str, float]) -> None:
        self._run.log({f"final/{name}": value for name, value in metrics.items()})
        self._run.finish()


def begin(kind: str, where: str, folder: RunFolder, config: Mapping[str, Any], step: int) -> Tracked:
    return (TrackedByTrackio if kind == "trackio" else Tracked)(kind, where, folder, config)
