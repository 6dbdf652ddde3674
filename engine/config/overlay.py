"""Plain configs laid over one another, and dotted keys set in them."""

from __future__ import annotations

import json
from typing import Any

from engine.errors import ConfigError


def apply_changes(plain: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Set dotted keys in a copy of a plain config. Changing a `name` or `kind` drops the settings of the old choice. A
    part that is written as its name alone can be given settings.
    """
    result: dict[str, Any] = json.loads(json.dumps(plain))
    for key, value in sorted(changes.items(), key=lambda item: not item[0].endswith((".name", ".kind", ".recipe"))):
        *path, last = key.split(".")
        if path[:1] == ["augment"] and last == "recipe":
            last = "name"
        container = result
        for part in path:
            if isinstance(container.get(part), str):
                container[part] = {"name": container[part]}
            container = container.setdefault(part, {})
            if not isinstance(container, dict):
                raise ConfigError(f"There is no setting {key!r}: {part!r} has no parts.")
        if last in ("name", "kind") and path and container.get(last) not in (None, value):
            container.clear()
        container[last] = value
    return result


def overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, recursively; a part whose `name` or `kind` differs replaces the part below instead of mixing
    with it.
    """
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        if (
            isinstance(value, dict)
            and isinstance(below, dict)
            and all(value.get(tag, below.get(tag)) == below.get(tag, value.get(tag)) for tag in ("name", "kind"))
        ):
            result[key] = overlay(below, value)
        else:
            result[key] = value
    return result


def not_kept(wanted: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """What is in `wanted` and not in `config`, or in it with another value, by dotted key. A part may be written as its
    name alone in `wanted`.
    """
    found: dict[str, Any] = {}
    for key, value in wanted.items():
        there = config.get(key)
        if isinstance(value, dict):
            inside = there if isinstance(there, dict) else {}
            found |= {f"{key}.{part}": lost for part, lost in not_kept(value, inside).items()}
        elif value != (there.get("name") if isinstance(there, dict) else there):
            found[key] = value
    return found
