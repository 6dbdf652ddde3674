"""The script is copied once per plotly version, whole or not at all, without importing plotly."""

from __future__ import annotations

import mimetypes
import os
import subprocess
import sys
from pathlib import Path

import plotly.offline
import pytest

from ui.components import plotly_script


def test_the_script_of_the_installed_plotly_lies_where_its_url_says(tmp_path: Path) -> None:
    url = plotly_script.write_script(tmp_path / "static")
    assert url == plotly_script.script_url() == f"app/static/plotly-{plotly.__version__}.min.js"
    written = (tmp_path / "static" / Path(url).name).read_text(encoding="utf-8")
    assert written == plotly.offline.get_plotlyjs()


def test_a_script_that_is_there_is_left_alone_and_older_ones_go(tmp_path: Path) -> None:
    (tmp_path / "plotly-1.0.0.min.js").write_text("old")
    plotly_script.write_script(tmp_path)
    target = tmp_path / plotly_script.script_name()
    os.utime(target, (1, 1))
    plotly_script.write_script(tmp_path)
    assert target.stat().st_mtime == 1
    assert [path.name for path in tmp_path.iterdir()] == [plotly_script.script_name()]


def test_a_full_disk_leaves_no_half_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(OSError, match="No space left on device"):
        plotly_script.write_script(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_javascript_is_served_as_javascript_whatever_the_system_says(tmp_path: Path) -> None:
    mimetypes.add_type("text/plain", ".js")
    plotly_script.write_script(tmp_path)
    assert mimetypes.guess_type("plotly.min.js")[0] == "text/javascript"


def test_writing_the_script_does_not_import_plotly(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from ui.components.plotly_script import write_script;"
        f" write_script(pathlib.Path({str(tmp_path)!r})); sys.exit('plotly' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
