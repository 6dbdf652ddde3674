"""The catalog: everything that can be chosen, as plain data that a form, a script and another process can read."""

from __future__ import annotations

import json

import pytest

from engine.catalog import catalog, describe, sources_hash
from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from engine.registry import backbones, datasets, methods, recipes

CATALOG = catalog()


def test_it_survives_json_unchanged() -> None:
    assert json.loads(json.dumps(CATALOG)) == CATALOG


def test_everything_registered_is_in_it() -> None:
    assert list(CATALOG["methods"]) == list(methods)
    assert list(CATALOG["datasets"]) == list(datasets)
    assert list(CATALOG["backbones"]) == list(backbones)
    assert list(CATALOG["recipes"]) == list(recipes)
    assert list(CATALOG["presets"]) == list(PRESETS)
    assert set(CATALOG) == {
        "methods",
        "datasets",
        "backbones",
        "recipes",
        "optimizers",
        "labels",
        "budget",
        "hardware",
        "presets",
        "defaults",
    }


@pytest.mark.parametrize("name", list(methods))
def test_a_method_is_described_for_people_and_forms(name: str) -> None:
    entry = CATALOG["methods"][name]
    assert set(entry) == {
        "title",
        "summary",
        "schema",
        "idea",
        "formula",
        "paper",
        "recommended",
        "supervision",
        "backbones",
        "recipes",
        "fitted",
        "transfers",
    }
    assert all(entry[key].strip() for key in ("title", "summary", "idea", "formula", "paper"))
    assert set(entry["supervision"]) <= {"few", "all", "partial", "none"}
    assert set(entry["recipes"]) <= set(recipes)


def test_a_setting_carries_its_range_help_symbol_and_whether_it_is_live() -> None:
    threshold = CATALOG["methods"]["fixmatch"]["schema"]["properties"]["threshold"]
    assert threshold == {
        "default": 0.95,
        "description": "Keep a pseudo-label only at or above this confidence.",
        "live": True,
        "maximum": 1,
        "minimum": 0,
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


def test_presets_are_resolved() -> None:
    for name, entry in CATALOG["presets"].items():
        assert entry["config"] == RunConfig.parse(PRESETS[name].config).model_dump(mode="json")


def test_tables_have_a_line_for_each() -> None:
    assert [row["name"] for row in describe(methods)] == list(methods)
    assert all(set(row) == {"name", "title", "summary"} for row in describe(datasets))


def test_the_hash_of_the_sources_is_stable_while_they_are() -> None:
    assert sources_hash() == sources_hash()
    assert len(sources_hash()) == 16
