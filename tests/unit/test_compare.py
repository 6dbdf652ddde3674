"""Runs side by side: only what differs, and one line for what a method has not got at all."""

from __future__ import annotations

from engine.analysis.compare import differing, without_seeds

WEAK = {"translate": 0.1, "flip": "off"}
FIXMATCH = {"seed": 0, "name": "a", "method": {"name": "fixmatch", "threshold": 0.9}, "augment": {"weak": WEAK, "strong": {"rotate": 20, "cutout": 0.5}}}


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
    assert without_seeds({"seed": 0, "data": {"split_seed": 0}}) == without_seeds({"seed": 7, "data": {"split_seed": 7}})
    assert without_seeds({"seed": 0, "method": "a"}) != without_seeds({"seed": 0, "method": "b"})
