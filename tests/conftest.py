"""Shared by all tests: one place for runs, real data sets when they are here, and a short config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import RunConfig
from engine.runs.store import Run, Store

# One thread: two on a busy machine wait for each other longer than they help.
SHORT = {"budget": {"steps": 40, "batch_size": 16, "evaluate_every": 20}, "hardware": {"device": "cpu", "threads": 1}}


def merged(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, recursively."""
    return {**base, **{key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value for key, value in top.items()}}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "checkpoints")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Train a config once per session and hand the run to every test that asks for the same settings."""
    from engine.lab.inline import train

    root = tmp_path_factory.mktemp("shared") / "checkpoints"
    done: dict[str, Run] = {}

    def get(**changes: Any) -> Run:
        config = RunConfig.parse(merged(SHORT, changes))
        key = config.fingerprint()
        if key not in done:
            done[key] = train(config, root)
        return done[key]

    return get
