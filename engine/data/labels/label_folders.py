"""Where the labels of each set of own images lie: a folder beside the runs, named by where the images are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from engine.data.labels.label_log import FILE
from engine.plain_file import read_plain_file
from engine.runs.atomic_write import write_json

LABELS = "labels"
_ABOUT = "about.json"
_LARGEST = 1 << 20


class LabelFolder(NamedTuple):
    """folder: of the log. data: the data settings with which the images were opened. changed: when, in seconds."""

    folder: Path
    data: dict[str, Any]
    changed: float

    @property
    def path(self) -> str:
        return str(self.data["path"])

    @property
    def name(self) -> str:
        """The last part of the images' path."""
        return Path(self.path).name or self.path


def label_folder(root: Path, data: dict[str, Any]) -> Path:
    """The folder for the images at `data["path"]`, made if it is new; `data` is kept in it for the next time.

    root: of the runs. Raises OSError.
    """
    path = _absolute(data["path"])
    folder = _folder(root, path)
    folder.mkdir(parents=True, exist_ok=True)
    about = {"data": {**data, "path": path}}
    if _about(folder) != about:
        write_json(folder / _ABOUT, about)
    return folder


def find_label_folder(root: Path, path: str) -> Path | None:
    """The folder for the images at `path`, if there is one."""
    folder = _folder(root, _absolute(path))
    return folder if folder.is_dir() else None


def label_folders(root: Path) -> list[LabelFolder]:
    """All that can be read, those labeled last first."""
    found = []
    for folder in (root / LABELS).glob("*"):
        data = (_about(folder) or {}).get("data")
        if isinstance(data, dict) and isinstance(data.get("path"), str) and data.get("name") == "folder":
            try:
                log = folder / FILE
                changed = (log if log.exists() else folder / _ABOUT).stat().st_mtime
            except OSError:
                continue
            found.append(LabelFolder(folder, data, changed))
    return sorted(found, key=lambda one: -one.changed)


def _folder(root: Path, path: str) -> Path:
    stem = "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(path).stem)[:40]
    return root / LABELS / f"{stem or 'images'}-{hashlib.sha256(path.encode('utf-8', 'replace')).hexdigest()[:10]}"


def _absolute(path: Any) -> str:
    return str(Path(str(path)).expanduser().absolute())


def _about(folder: Path) -> dict[str, Any] | None:
    try:
        about = json.loads(read_plain_file(folder / _ABOUT, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return about if isinstance(about, dict) else None
