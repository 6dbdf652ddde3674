"""A promise that is broken on purpose is named, and one that is kept is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.promises import broken

SETTING = {"number": {"type": "number", "default": 0.5, "minimum": 0}}


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({}, "number is gone"),
        ({"number": {"type": "number", "default": 0.6, "minimum": 0}}, "number.default was 0.5 and is 0.6"),
        ({"number": {"type": "number", "default": 0.5}}, "number.minimum is gone"),
        ({"number": {"type": "number", "default": 0.5, "minimum": 0, "maximum": 1}}, "number.maximum is a new limit"),
    ],
)
def test_a_broken_promise_is_named(changed: dict[str, Any], complaint: str) -> None:
    assert broken(SETTING, changed) == [complaint]


def test_what_is_added_breaks_no_promise() -> None:
    assert broken(SETTING, {"number": {**SETTING["number"], "live": True}, "other": {"type": "string"}}) == []
    assert broken({"enum": ["a", "b"]}, {"enum": ["b", "c", "a"]}) == []
    assert broken({"enum": ["a", "b"]}, {"enum": ["a", "c"]}) == ["enum has no 'b' any more"]
