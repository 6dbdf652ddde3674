"""AppTest with a real Lab in a folder of its own, shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
import streamlit.testing.v1.app_test as app_test
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.testing.v1 import AppTest

from engine.lab.lab import Lab
from tests.app.app_helpers import Open
from tests.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
Downloads = dict[str, str]
"""The text behind each download button, by the file's name."""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app") / "checkpoints"


@pytest.fixture(scope="module")
def lab(checkpoints: Path) -> Iterator[Lab]:
    """The Lab that the pages of this module see."""
    patch = pytest.MonkeyPatch()
    patch.setenv("FEWLAB_CHECKPOINTS", str(checkpoints))
    patch.chdir(ROOT)
    st.cache_resource.clear()
    st.cache_data.clear()
    from ui.shell.server import lab as the_lab
    from ui.shell.server import sweeps

    made = the_lab()
    yield made
    sweeps().close()
    made.close()
    st.cache_resource.clear()
    st.cache_data.clear()
    patch.undo()


@pytest.fixture
def open_page(lab: Lab) -> Open:
    def go(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE).run()
        app.switch_page(f"pages/{page}.py")
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return go


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> Downloads:
    """Filled while a page is drawn."""
    offered: Downloads = {}

    class Kept(MemoryMediaFileStorage):
        def load_and_get_id(self, path_or_data: Any, mimetype: str, kind: Any, filename: str | None = None) -> str:
            if filename is not None:
                offered[filename] = path_or_data.decode() if isinstance(path_or_data, bytes) else str(path_or_data)
            return super().load_and_get_id(path_or_data, mimetype, kind, filename)

    monkeypatch.setattr(app_test, "MemoryMediaFileStorage", Kept)
    return offered
