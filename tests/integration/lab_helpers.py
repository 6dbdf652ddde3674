"""What tests of a Lab with real processes share."""

from __future__ import annotations

from typing import Any

from engine.config.run_config import RunConfig
from engine.lab.lab import Lab
from engine.runs.folder import RunFolder
from engine.runs.store import Store
from tests.waiting import until


def plain(steps: int = 40, **more: Any) -> dict[str, Any]:
    return {
        "method": "supervised",
        "budget": {"steps": steps, "batch_size": 8, "evaluate_every": max(20, steps // 2)},
        "hardware": {"device": "cpu", "threads": 1},
        **more,
    }


def created(store: Store, **more: Any) -> RunFolder:
    return store.create(RunConfig.parse(plain(**more)).model_dump(mode="json"))


def close(lab: Lab) -> None:
    lab.close()
    assert lab.trainer.wait(60)
    assert lab.assistant.wait(60)


def until_state(folder: RunFolder, *states: str) -> None:
    until(lambda: folder.status().state in states, f"state {' or '.join(states)} of {folder.id}")


def happened(folder: RunFolder) -> list[str]:
    return [event["event"] for event in folder.events()]
