"""Settings in which runs differ are said in words, each by the schema of a run that has it."""

from __future__ import annotations

import pytest

from engine.catalog import catalog
from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from ui.runs import distinct_names
from ui.runs.settings_table import setting_columns, setting_order, settings_table
from ui.shell import server
from ui.style import formatting


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog without a process that answers for it."""
    for module in (distinct_names, server):
        monkeypatch.setattr(module, "catalog", catalog)


def test_settings_and_what_was_chosen_are_in_words_with_the_key_beside() -> None:
    alone, fixmatch = (
        RunConfig.parse(PRESETS[name].config).model_dump() for name in ("digits-supervised", "digits-fixmatch")
    )
    rows = {row["in the config"]: row for row in settings_table([alone, fixmatch], ["first", "second"])}
    # The method without a threshold comes first: its schema does not know one.
    assert rows["method.threshold"] == {
        "setting": "threshold τ",
        "first": formatting.NOTHING,
        "second": str(fixmatch["method"]["threshold"]),
        "in the config": "method.threshold",
    }
    assert rows["method.name"] == {
        "setting": "method",
        "first": "Supervised",
        "second": "FixMatch",
        "in the config": "method.name",
    }
    assert rows["augment.strong"]["setting"] == "strong view"
    assert settings_table([alone, alone], ["first", "second"]) == []


def test_a_column_of_a_setting_has_every_run_and_the_method_comes_before_its_settings_and_the_rest() -> None:
    configs = [RunConfig.parse(PRESETS[name].config).model_dump() for name in ("digits-supervised", "digits-fixmatch")]
    configs[1] = {**configs[1], "seed": 4}
    columns = setting_columns(configs)
    assert columns[0] == ("method", "method.name", ["Supervised", "FixMatch"])
    assert columns[-1] == ("seed", "seed", ["0", "4"])
    assert ("threshold τ", "method.threshold", [formatting.NOTHING, "0.9"]) in columns
    assert len({column.title for column in columns}) == len(columns)
    parts = [column.key.partition(".")[0] for column in columns]
    assert [part for part in parts if part == "method"] == parts[: parts.count("method")]
    assert setting_columns(configs[:1] * 2) == []


def test_of_many_settings_the_method_comes_first_and_the_seed_last() -> None:
    keys = ["augment.weak.name", "backbone.width", "backbone.name", "method.threshold", "method.name", "seed"]
    assert sorted(keys, key=setting_order) == [
        *("method.name", "method.threshold", "backbone.name", "backbone.width", "augment.weak.name", "seed")
    ]


def of(preset: str, **parts: object) -> dict[str, object]:
    return {**RunConfig.parse(PRESETS[preset].config).model_dump(), **parts}


@pytest.mark.parametrize(
    ("keys", "configs", "titles"),
    [
        (
            ["optimizer.momentum", "backbone.momentum"],
            [of("digits-supervised", backbone={"name": "wide_resnet"})],
            ["momentum (optimizer)", "momentum (network)"],
        ),
        (["optimizer.schedule.name"], [of("digits-supervised")], ["schedule"]),
        (["augment.weak.name", "augment.weak.shift"], [of("digits-fixmatch")], ["weak view", "weak view shift"]),
        (["method.temperature"], [of("digits-mixmatch")], ["temperature T"]),
        (["method.temperature"], [of("digits-mixmatch"), of("digits-simclr")], ["temperature"]),
        (["data.labels.rate"], [of("digits-proden")], ["rate q"]),
        (["method."], [of("digits-fixmatch")], [""]),  # which a config by hand may hold
    ],
)
def test_titles_say_the_part_where_they_would_be_alike_and_a_symbol_only_where_all_mean_the_same(
    keys: list[str], configs: list[dict[str, object]], titles: list[str]
) -> None:
    assert distinct_names.setting_titles(keys, configs) == dict(zip(keys, titles, strict=True))


def test_names_that_differ_in_a_network_say_so_in_words() -> None:
    configs = [of("digits-fixmatch", backbone={"name": name}) for name in ("small_cnn", "resnet18")]
    assert distinct_names.distinct_names(["x", "x"], configs) == ["x, network Small CNN", "x, network ResNet-18"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.5085697293415039, "0.50857"),
        (0.9995, "0.9995"),
        (0.03, "0.03"),
        (2, "2"),
        (True, "on"),
        ([0.5085697293415039, 3], "0.50857, 3"),
    ],
)
def test_what_a_search_draws_is_rounded_and_what_a_person_typed_is_not(value: object, said: str) -> None:
    assert distinct_names.value_text(value) == said


def test_a_name_says_in_words_what_distinguishes_it_and_nothing_where_nothing_does() -> None:
    short = RunConfig.parse(PRESETS["digits-fixmatch"].config).model_dump()
    long = {**short, "budget": {**short["budget"], "steps": 60_000}, "seed": 3}
    assert distinct_names.what_differs(["a", "a", "b"], [short, long, short]) == [
        f"{short['budget']['steps']:,} steps, seed 0",
        "60,000 steps, seed 3",
        "",
    ]
    assert distinct_names.what_differs(["a", "a"], [short, short]) == ["", ""]
