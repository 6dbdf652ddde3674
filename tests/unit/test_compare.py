"""Runs side by side: only what differs, and one line for what a method has not got at all."""

from __future__ import annotations

import pytest

from engine.analysis.compare import budget_curve, differing, over_seeds, short_keys, without_budget, without_seeds

WEAK = {"translate": 0.1, "flip": "off"}
FIXMATCH = {
    "seed": 0,
    "name": "a",
    "method": {"name": "fixmatch", "threshold": 0.9},
    "augment": {"weak": WEAK, "strong": {"rotate": 20, "cutout": 0.5}},
}


def test_only_settings_that_differ_are_listed_and_names_are_none() -> None:
    other = {**FIXMATCH, "name": "b", "method": {"name": "fixmatch", "threshold": 0.8}}
    assert differing([FIXMATCH, other]) == {"method.threshold": [0.9, 0.8]}
    assert differing([FIXMATCH, FIXMATCH]) == {}


def test_a_view_that_one_method_does_not_use_is_one_difference() -> None:
    supervised = {**FIXMATCH, "method": {"name": "supervised"}, "augment": {"weak": {**WEAK, "translate": 0.2}}}
    assert differing([FIXMATCH, supervised]) == {
        "augment.weak.translate": [0.1, 0.2],
        "method.name": ["fixmatch", "supervised"],
        "method.threshold": [0.9, None],
        "augment.strong": ["used", None],
    }


def test_settings_without_views_are_passed_over() -> None:
    assert differing([{"seed": 0, "augment": []}, {"seed": 1}]) == {"augment": [[], None], "seed": [0, 1]}


def test_runs_that_differ_in_their_draw_alone_share_a_key() -> None:
    assert without_seeds({"seed": 0, "data": {"split_seed": 0}}) == without_seeds(
        {"seed": 7, "data": {"split_seed": 7}}
    )
    assert without_seeds({"seed": 0, "method": "a"}) != without_seeds({"seed": 0, "method": "b"})


def test_a_band_is_the_mean_and_the_extremes_at_the_steps_that_all_runs_have() -> None:
    band = over_seeds([{10: 0.5, 20: 0.7, 30: 0.9}, {10: 0.1, 30: 0.6}, {30: 0.3, 10: 0.3}])
    assert band.steps == [10, 30]
    assert band.mean == pytest.approx([0.3, 0.6])
    assert (band.low, band.high, band.runs) == ([0.1, 0.3], [0.5, 0.9], 3)
    assert over_seeds([]).steps == []
    assert over_seeds([{10: 0.5}, {20: 0.5}]).steps == []


def test_a_budget_curve_has_one_point_for_each_number_of_labels() -> None:
    points = budget_curve([(4, 0.9), (1, 0.5), (4, 0.7), (1, 0.6), (10, 0.95)])
    assert [(point.per_class, point.runs) for point in points] == [(1, 2), (4, 2), (10, 1)]
    assert [point.mean for point in points] == pytest.approx([0.55, 0.8, 0.95])
    assert [(point.low, point.high) for point in points] == [(0.5, 0.6), (0.7, 0.9), (0.95, 0.95)]


def test_runs_that_differ_in_their_labels_and_draw_alone_share_a_key_of_budgets() -> None:
    def config(per_class: int, seed: int, method: str = "a") -> dict[str, object]:
        return {
            "seed": seed,
            "method": method,
            "data": {"split_seed": seed, "labels": {"kind": "few", "per_class": per_class}},
        }

    assert without_budget(config(1, 0)) == without_budget(config(10, 3))
    assert without_budget(config(1, 0)) != without_budget(config(1, 0, "b"))
    assert without_seeds(config(1, 0)) != without_seeds(config(10, 0))


def test_settings_are_called_by_their_last_word_unless_that_is_another_ones_too() -> None:
    assert short_keys(["data.labels.per_class", "method.name", "backbone.name", "seed"]) == [
        "per class",
        "method name",
        "backbone name",
        "seed",
    ]
