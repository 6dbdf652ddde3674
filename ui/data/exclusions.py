"""Images that a person left out of a set: told to the log of its labels, which every run that is started here reads."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from engine.data.labels.label_folders import find_label_folder
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import Exclude
from ui.runs.label_group import folder_of
from ui.shell.server import lab

Data = dict[str, Any]


def excluded_images(data: Data) -> set[str]:
    """Names of the images that are excluded. Raises LabelError."""
    folder = find_label_folder(lab().store.root, str(data["path"]))
    return set() if folder is None else set(LabelLog(folder).labels().excluded)


def exclude(data: Data, names: Sequence[str], why: str, undo: bool = False) -> None:
    """Raises LabelError."""
    record = Exclude(images=tuple(names), why=why[:200], undo=undo)
    LabelLog(folder_of(data)).append(secrets.token_hex(8), 1, [record])


def without_excluded(data: Data) -> Data:
    """Settings with which a run does not see the excluded images; as they are where there are none."""
    folder = find_label_folder(lab().store.root, str(data["path"]))
    labels = None if folder is None else LabelLog(folder).labels()
    if labels is None or not labels.excluded:
        return data
    return {**data, "label_log": str(folder), "label_records": labels.number}
