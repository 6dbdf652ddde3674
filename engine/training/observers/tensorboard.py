"""A run as TensorBoard reads it: scalars by step, the settings as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.runs.folder import RunFolder


class TensorBoard:
    """A folder of event files named after the run."""

    def __init__(self, folder: Path, config: Mapping[str, Any], step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What an earlier life of the run wrote after this step is hidden by TensorBoard.
        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        self._last = step
        self._writer.add_text("settings", f"```json\n{json.dumps(config, indent=2)}\n```", step)

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        self._last = step
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def end(self, state: str, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(f"final/{name}", value, self._last)
        self._writer.close()


def begin(kind: str, where: str, folder: RunFolder, config: Mapping[str, Any], step: int) -> TensorBoard:
    return TensorBoard(Path(where).expanduser() / folder.id, config, step)
