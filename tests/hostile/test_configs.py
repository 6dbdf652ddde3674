"""Whatever a config file holds: a config that is complete and runs, or one clear sentence. Never another exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.runs.store import ID, Store


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


WRONG: dict[str, Any] = {
    "nothing": None,
    "a list": [],
    "a list of pairs": [["seed", 1]],
    "text": "fixmatch",
    "a number": 5,
    "keys that are numbers": {1: {}, "seed": 2},
    "endless nesting": nested(5000),
    "endless nesting in a part": {"data": nested(5000)},
    "endless nesting in a setting": {"method": {"threshold": nested(5000)}},
    "endless nesting in a view": {"augment": {"weak": nested(5000)}},
    "a huge number": {"budget": {"steps": 10**5000}},
    "a huge float": {"optimizer": {"lr": 1e308}},
    "no number": {"optimizer": {"lr": float("nan")}},
    "infinity": {"method": {"unlabeled_weight": float("inf")}},
    "a huge seed": {"seed": 2**63},
    "an object for a number": {"seed": {}},
    "a list for a part": {"data": [1, 2]},
    "a number for views": {"augment": 5},
    "nested lists for views": {"augment": [[1]]},
    "names for views": {"augment": ["weak", "strong"]},
    "views with keys that are numbers": {"augment": {1: {}, "a": {}}},
    "a recipe that does not exist": {"augment": {"weak": {"name": "stronk"}}},
    "settings of another recipe": {"augment": {"weak": {"name": "crop_jitter", "translate": 0.1}}},
    "a schedule that does not exist": {"optimizer": {"schedule": "cosign"}},
    "a list for a schedule": {"optimizer": {"schedule": []}},
    "milestones out of order": {"optimizer": {"schedule": {"name": "step_decay", "milestones": [0.6, 0.3]}}},
    "a number for milestones": {"optimizer": {"schedule": {"name": "step_decay", "milestones": 5}}},
    "a path for a data set": {"data": {"name": "../../etc/passwd"}},
    "a path for a method": {"method": "/dev/zero"},
    "a list for a name": {"method": {"name": ["fixmatch"]}},
    "an object for a kind": {"data": {"labels": {"kind": {}}}},
    "half a character": {"name": "\ud800"},
    "a setting of pydantic": {"model_config": {}},
    "a dunder": {"__class__": "x"},
}


@pytest.mark.parametrize("value", WRONG.values(), ids=list(WRONG))
def test_a_wrong_config_is_one_sentence(value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse(value)
    sentence = str(refused.value)
    assert sentence.endswith((".", "?"))
    assert "\n" not in sentence
    assert len(sentence) < 400


ODD: dict[str, tuple[dict[str, Any], str, Any]] = {
    "numbers in quotes": ({"seed": "7"}, "seed", 7),
    "a whole number as a float": ({"seed": 7.0}, "seed", 7),
    "a name with control characters": ({"name": "a\0b\nc<script>"}, "name", "a\0b\nc<script>"),
    "no views at all": ({"augment": None}, "version", 1),
}


@pytest.mark.parametrize(("value", "key", "expected"), ODD.values(), ids=list(ODD))
def test_what_is_odd_but_clear_is_understood(value: dict[str, Any], key: str, expected: Any) -> None:
    config = RunConfig.parse(value)
    assert getattr(config, key) == expected
    assert RunConfig.parse(json.loads(config.model_dump_json())) == config


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
KEYS = ["version", "name", "seed", "data", "backbone", "augment", "method", "optimizer", "budget", "hardware"]
KEYS += ["labels", "kind", "weak", "strong", "threshold", "lr", "steps", "per_class", "flip", "without"]
LIKELY = st.recursive(
    JSON | st.sampled_from(["fixmatch", "digits", "sgd", "adamw", "few", "all", "small_cnn", "weak"]),
    lambda inner: st.dictionaries(st.sampled_from(KEYS), inner, max_size=4) | st.lists(inner, max_size=2),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(JSON | LIKELY | st.dictionaries(st.sampled_from(KEYS), LIKELY, max_size=5))
def test_any_json_is_a_config_or_one_sentence(value: Any) -> None:
    try:
        config = RunConfig.parse(value)
    except ConfigError:
        return
    assert RunConfig.parse(config.model_dump(mode="json")) == config


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.lists(st.sampled_from([*KEYS, "", "name"]), min_size=1, max_size=4).map(".".join) | st.text(max_size=10),
        JSON,
        max_size=4,
    )
)
def test_any_changes_are_a_config_or_one_sentence(changes: dict[str, Any]) -> None:
    try:
        config = RunConfig.parse(apply_changes(RunConfig.parse({}).model_dump(mode="json"), changes))
    except ConfigError:
        return
    assert RunConfig.parse(config.model_dump(mode="json")) == config


def test_the_name_of_a_run_never_reaches_the_file_system(tmp_path: Path) -> None:
    store = Store(tmp_path / "checkpoints")
    for name in ("../../up", "/tmp/absolute", "C:\\Windows", "a\0b", "x" * 200, "CON", ".", "<b>"):
        folder = store.create(RunConfig.parse({"name": name}).model_dump(mode="json"))
        assert ID.fullmatch(folder.id)
        assert store.run(folder.id).name == name
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]
