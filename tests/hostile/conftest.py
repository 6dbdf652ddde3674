"""A run to be damaged, and the trace that an attack would leave."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs.folder import RunFolder
from engine.runs.store import Run


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "the attack worked"


@pytest.fixture
def run(trained: Callable[..., Run], tmp_path: Path) -> RunFolder:
    """A finished run of its own, to be damaged."""
    original = trained(method={"name": "supervised"}).folder
    shutil.copytree(original.path, tmp_path / "checkpoints" / original.id)
    return RunFolder(tmp_path / "checkpoints" / original.id)
