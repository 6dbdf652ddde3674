"""Other values of a setting than its default, from its own declaration: what a suite over a registry tries."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from engine.errors import ConfigError


def settings_of(params: type[BaseModel], *shared: type[BaseModel]) -> list[str]:
    """The settings that `params` adds to those of `shared`, without its name."""
    known = {"name", *(name for base in shared for name in base.model_fields)}
    return [name for name in params.model_fields if name not in known]


def other_values(params: type[BaseModel], name: str) -> list[Any]:
    """Every other choice, or the middle of the range on either side of the default, as far as `params` allows them."""
    declared = params.model_json_schema()["properties"][name]
    default = params.model_fields[name].default
    return [value for value in _values(declared, default) if value != default and _allowed(params, name, value)]


def _values(declared: dict[str, Any], default: Any) -> list[Any]:
    if "suggestions" in declared:
        return list(declared["suggestions"])
    if "enum" in declared:
        return list(declared["enum"])
    if declared.get("type") == "boolean":
        return [not default]
    if declared.get("type") == "array":
        return [(choice,) for choice in declared["items"]["enum"]] + [tuple(declared["items"]["enum"])]
    low = declared.get("minimum", declared.get("exclusiveMinimum"))
    high = declared.get("maximum", declared.get("exclusiveMaximum"))
    if low is None or high is None:
        pytest.fail(f"No other value is known for {declared}: a kind of setting that these suites have not met yet.")
    middles = [(low + default) / 2, (default + high) / 2]
    return [round(middle) for middle in middles] if declared["type"] == "integer" else middles


def _allowed(params: type[BaseModel], name: str, value: Any) -> bool:
    try:
        params.model_validate({name: value})
    except (ConfigError, ValidationError):
        return False
    return True
