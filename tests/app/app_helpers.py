"""What the tests of pages share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from engine.lab.lab import Lab
from engine.runs.folder import RunFolder, Status
from engine.runs.store import Store

Open = Callable[..., AppTest]
"""The fixture `open_page`: a page by its file's name, and the parameters of its address."""


def words(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "warning", "error", "subheader", "header")
    return " ".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def put_beside(lab: Lab, config: dict[str, Any], status: Status) -> RunFolder:
    """A run that was never queued here: a lab takes up what is queued before its status can be changed."""
    elsewhere = Store(lab.store.root.parent / "elsewhere").create(config)
    elsewhere.write_status(status)
    return RunFolder(Path(shutil.move(elsewhere.path, lab.store.root / elsewhere.id)))
