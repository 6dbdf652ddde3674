"""JSON without NaN and Infinity."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from engine import train
from engine.finite_json import finite_json
from engine.runs.folder import RunFolder, Status
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null_however_deep_it_lies(value: float) -> None:
    text = finite_json({"τ": [1.5, {"b": (value, "NaN")}], "c": value, "d": True})
    assert "τ" in text
    assert json.loads(text, parse_constant=refuse) == {"τ": [1.5, {"b": [None, "NaN"]}], "c": None, "d": True}


def test_a_status_of_before_with_nan_opens_without_that_metric(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_status(Status("finished", metrics={"test/accuracy": 1.0}))
    file = tmp_path / "status.json"
    file.write_text(file.read_text(encoding="utf-8").replace("1.0", '1.0, "test/auc_roc": NaN'), encoding="utf-8")
    assert folder.status().metrics == {"test/accuracy": 1.0}


def test_a_test_part_of_one_class_gives_json_without_an_auc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()} | {"test/cat/x.png": grey(12)}
    data = {"name": "folder", "path": str(folder_of(tmp_path / "set", files)), "size": 8, "validation": 0.0}
    pixels = {"method": {"name": "linear_probe"}, "backbone": {"name": "pixels"}}
    run = train({**pixels, "data": data, "budget": {"steps": 1}}, tmp_path / "runs")
    about = json.loads((run.folder.path / "status.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert about["metrics"].keys() == {"test/accuracy", "test/ece", "test/macro_f1"}
