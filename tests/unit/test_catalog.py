"""The catalog: everything that can be chosen, as plain data that a form, a script and another process can read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from engine.catalog import catalog, family, sources_hash, summaries
from engine.config.run_config import RunConfig
from engine.metrics import STANDARD
from engine.presets import PRESETS
from engine.registry import datasets, methods, recipes
from tests.source_names import ENGINE, WHERE, metrics_in, registered_in

CATALOG = catalog()


def leaves(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    return {
        key: value
        for name, part in config.items()
        for key, value in (
            leaves(part, f"{prefix}{name}.").items() if isinstance(part, dict) else [(prefix + name, part)]
        )
    }


def test_it_survives_json_unchanged() -> None:
    assert json.loads(json.dumps(CATALOG)) == CATALOG


@pytest.mark.parametrize("part", list(WHERE))
def test_every_class_that_a_file_registers_is_in_it(part: str) -> None:
    assert list(CATALOG[part]) == list(registered_in(part)) != []


def test_it_has_a_part_for_everything_that_a_form_asks() -> None:
    parts = {"labels", "budget", "training", "hardware", "metrics", "presets", "defaults"}
    assert set(CATALOG) == parts | set(WHERE)
    assert set(CATALOG["labels"]) == {"few", "partial", "all", "none"}


@pytest.mark.parametrize("name", list(methods))
def test_a_method_is_described_for_people_and_forms(name: str) -> None:
    entry = CATALOG["methods"][name]
    assert entry["family"] == registered_in("methods")[name].parent.name
    assert all(entry[key].strip() for key in ("title", "summary", "idea", "formula", "paper", "views_caption"))
    assert set(entry["supervision"]) <= {"few", "all", "partial", "none"}
    assert set(entry["recipes"]) <= set(recipes)
    assert set(entry["headline"]) <= set(CATALOG["metrics"])
    # One that brings a network of its own offers the one that only normalizes.
    assert entry["backbones"] is None or set() < set(entry["backbones"]) <= set(CATALOG["backbones"])
    assert (entry["backbones"] == ["pixels"]) == (methods[name].backbones == set())


def test_the_metrics_are_the_standard_ones_and_those_that_methods_declare() -> None:
    written, computed = (
        metrics_in(ENGINE / "metrics.py"),
        {metric.name for metric in STANDARD if "_per_" in metric.name},
    )
    assert len(written) > 10
    assert set(CATALOG["metrics"]) == written | computed | metrics_in(*(ENGINE / "methods").rglob("*.py"))
    assert CATALOG["metrics"]["mask_rate"]["title"] == "Mask rate"


def test_a_setting_carries_its_range_help_symbol_role_and_whether_it_is_live() -> None:
    threshold = CATALOG["methods"]["fixmatch"]["schema"]["properties"]["threshold"]
    assert threshold == {
        "default": 0.95,
        "description": "Keep a pseudo-label only at or above this confidence.",
        "live": True,
        "maximum": 1,
        "minimum": 0,
        "role": "confidence_threshold",
        "search": [0.5, 0.99],
        "symbol": "τ",
        "title": "Threshold",
        "type": "number",
    }


def test_the_defaults_of_every_pair_are_complete_configs_that_parse_to_themselves() -> None:
    assert set(CATALOG["defaults"]) == {f"{method}/{data}" for method in methods for data in datasets}
    for pair, plain in CATALOG["defaults"].items():
        method, data = pair.split("/")
        assert (plain["method"]["name"], plain["data"]["name"]) == (method, data)
        assert RunConfig.parse(plain).model_dump(mode="json") == plain


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_a_complete_config_with_every_setting_that_it_names(name: str) -> None:
    config = CATALOG["presets"][name]["config"]
    assert set(config) == set(RunConfig.model_fields) - {"training"}  # which is only written where it is set
    assert RunConfig.parse(config).model_dump(mode="json") == config
    resolved = leaves(config)
    for key, value in leaves(PRESETS[name].config).items():
        assert resolved[key] == (list(value) if isinstance(value, tuple) else value), key


def test_tables_have_a_line_of_name_title_and_summary_for_each() -> None:
    assert summaries(datasets)[list(datasets).index("digits")] == {
        "name": "digits",
        "title": "Handwritten digits",
        "summary": "1,797 real handwritten digits, 8x8 grey pixels, ten classes.",
    }
    assert [row["name"] for row in summaries(methods)] == list(registered_in("methods"))


def test_a_catalog_of_other_sources_has_another_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server keeps the catalog by this hash: a method that was edited or moved must not be shown as it was."""
    monkeypatch.setattr("engine.catalog.__file__", str(tmp_path / "catalog.py"))
    file = tmp_path / "methods" / "graph" / "one.py"
    file.parent.mkdir(parents=True)
    (tmp_path / "methods" / "transfer").mkdir()
    file.write_text("a = 1")
    first = sources_hash()
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert sources_hash() == first
    file.write_text("a = 2")
    edited = sources_hash()
    file.write_text("a = 1")
    assert sources_hash() == first
    moved = file.rename(tmp_path / "methods" / "transfer" / "one.py")  # into another family
    in_another_family = sources_hash()
    moved.unlink()
    assert len({first, edited, in_another_family, sources_hash()}) == 4


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("engine.methods.own.file", "own"),
        ("engine.methods.own.deep.file", "own"),
        ("engine.methods.file", ""),
        ("x", ""),
    ],
)
def test_the_family_is_the_folder_in_methods(module: str, name: str) -> None:
    assert family(type("Own", (), {"__module__": module})) == name
