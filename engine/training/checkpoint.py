"""Everything needed to go on bit-identically, as one file of torch's own format that is loaded without pickle's
powers.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from engine.errors import RunError
from engine.plain_file import open_plain_file
from engine.runs.folder import RunFolder

VERSION = 1
PARTS = {"step", "seconds", "fingerprint", "method", "average", "optimizer", "watch"}


def save(folder: RunFolder, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save({"version": VERSION, **state}, buffer)
    folder.write_checkpoint(buffer.getvalue())


def load(folder: RunFolder) -> dict[str, Any] | None:
    """The newest whole checkpoint, or None if none was written yet. Raises RunError if there are some and none can be
    read.
    """
    files = [path for path in (folder.checkpoint_file, folder.previous_checkpoint_file) if path.exists()]
    problems = []
    for path in files:
        try:
            return _read(path)
        except RunError as error:
            problems.append(str(error))
    if problems:
        raise RunError(f"Run {folder.id} cannot be resumed: {problems[0]} Start it again with the same settings.")
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        with open_plain_file(path) as file:
            with zipfile.ZipFile(file) as archive:
                damaged = archive.testzip()  # torch.load itself does not look at the checksums
            if damaged is not None:
                raise RunError(f"{path.name} is damaged (its part {damaged} fails its checksum).")
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except RunError:
        raise
    except Exception as error:  # a damaged archive can fail in any way; all of them mean the same to a person
        raise RunError(f"{path.name} is damaged ({type(error).__name__}).") from None
    version = state.get("version") if isinstance(state, dict) else None
    if not isinstance(version, int):
        raise RunError(f"{path.name} is not a checkpoint of FewLab.")
    if version > VERSION:
        raise RunError(
            f"{path.name} was written in format {version} and this FewLab reads up to {VERSION}: update FewLab to"
            " resume it."
        )
    if not state.keys() >= PARTS:
        raise RunError(f"{path.name} is not a checkpoint of FewLab.")
    return dict(state)
