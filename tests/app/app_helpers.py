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


def run_rows(app: AppTest) -> list[dict[str, Any]]:
    """The rows of the list of runs, in their order."""
    tables = [table.value for table in app.dataframe if table.key and table.key.startswith("runs_")]
    return [row for table in tables for row in table.to_dict("records")]


def choose_in_list(app: AppTest, *run_ids: str) -> None:
    """Tick these runs in the list of runs, which stand in one table."""
    table = next(table for table in app.dataframe if "id" in table.value and set(run_ids) <= set(table.value["id"]))
    assert table.key is not None
    rows = [index for index, run_id in enumerate(table.value["id"]) if run_id in run_ids]
    app.session_state[table.key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    app.run()


def choose_row(app: AppTest, table: int, row: int) -> None:
    """Of the tables on the page, in their order."""
    key = app.dataframe[table].key
    assert key is not None
    app.session_state[key] = {"selection": {"rows": [row], "columns": [], "cells": []}}
    app.run()


def put_beside(lab: Lab, config: dict[str, Any], status: Status) -> RunFolder:
    """A run that was never queued here: a lab takes up what is queued before its status can be changed."""
    elsewhere = Store(lab.store.root.parent / "elsewhere").create(config)
    elsewhere.write_status(status)
    return RunFolder(Path(shutil.move(elsewhere.path, lab.store.root / elsewhere.id)))
