"""What was promised and what is there, compared: more may be added, nothing taken away or limited."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "required"}
LIMITS |= {"minLength", "maxLength", "minItems", "maxItems", "pattern"}
EXACTLY = {"default", "required", "recommended"}
# May be put into better words.
TEXTS = {
    "title",
    "summary",
    "description",
    "help",
    "idea",
    "formula",
    "paper",
    "unit",
    "empty",
    "takes",
}


def broken(promised: Any, actual: Any, where: str = "", exactly: bool = False) -> list[str]:
    """A line for all that is promised and not there, or otherwise; what is there besides may be, if it is no limit."""
    if exactly or not isinstance(promised, (dict, list)) or not isinstance(actual, type(promised)):
        return [] if promised == actual else [f"{where} was {promised!r} and is {actual!r}"]
    if isinstance(promised, list):
        return [
            f"{where} has no {one!r} any more"
            for one in promised
            if not any(broken(one, other) == [] for other in actual)
        ]
    assert isinstance(actual, dict)
    lines: list[str] = []
    for key, value in promised.items():
        at = f"{where}.{key}".lstrip(".")
        lines += broken(value, actual[key], at, key in EXACTLY) if key in actual else [f"{at} is gone"]
    if {"type", "oneOf", "anyOf"} & promised.keys():  # a setting, or a group of them
        lines += [f"{where}.{key} is a new limit" for key in sorted(LIMITS & (actual.keys() - promised.keys()))]
    return lines


def bones(table: dict[str, Any]) -> dict[str, Any]:
    """The entries of a table without their texts, of which only the presence counts."""
    return {
        name: {
            "keys": sorted(entry),
            **{key: schema(value) if key == "schema" else value for key, value in entry.items() if key not in TEXTS},
        }
        for name, entry in table.items()
    }


def schema(node: Any, definitions: dict[str, Any] | None = None) -> Any:
    """A JSON schema without texts, and without names of our classes: what is referred to is put in place."""
    if isinstance(node, list):
        return [schema(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    definitions = node.get("$defs", definitions or {})
    if "$ref" in node:
        node = {
            **definitions[node["$ref"].rpartition("/")[2]],
            **{key: value for key, value in node.items() if key != "$ref"},
        }
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            result[key] = {name: schema(one, definitions) for name, one in value.items()}
        elif key == "discriminator":
            result[key] = {"propertyName": value["propertyName"], "values": sorted(value.get("mapping", {}))}
        elif key == "const":
            result["enum"] = [value]  # a second choice may come to stand beside the only one
        elif key in ("default", "enum"):
            result[key] = value
        elif key not in TEXTS | {"$defs", "place", "is_path"}:
            result[key] = schema(value, definitions)
    return result


def keys(value: Any) -> Any:
    """The same nest of keys with kinds of values in place of values."""
    if isinstance(value, dict):
        return {name: keys(one) for name, one in value.items()}
    if isinstance(value, list):
        return [keys(value[0])] if value else []
    kinds: dict[type, str] = {bool: "yes or no", int: "number", float: "number", str: "text", type(None): "nothing"}
    return kinds[type(value)]


def alternatives(values: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The keys of several objects of one kind, together."""
    return {name: keys(value) for one in values for name, value in one.items()}
