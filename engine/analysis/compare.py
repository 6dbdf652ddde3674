"""Several runs side by side: which settings differ, and how runs that differ only in their seed group together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Plain = Mapping[str, Any]
_NOT_A_SETTING = ("name", "version", "hardware")


def flat(config: Plain, prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys: {"method.threshold": 0.95, ...}."""
    found: dict[str, Any] = {}
    for name, value in config.items():
        if not prefix and name in _NOT_A_SETTING:
            continue
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{key}.")
        else:
            found[key] = value
    return found


def differing(configs: Sequence[Plain]) -> dict[str, list[Any]]:
    """Dotted keys whose values are not the same in all configs, with each config's value (None where it has no such setting).

    Of a view that only some of the methods use, one row says so.
    """
    tables = [flat(config) for config in configs]
    # A view that one method has and another has not is one difference, not one for each of its settings.
    used = [set(augment) if isinstance(augment := config.get("augment"), Mapping) else set() for config in configs]
    lonely: dict[str, list[Any]] = {f"augment.{name}": ["used" if name in names else None for names in used] for name in sorted(set().union(*used))}
    lonely = {key: values for key, values in lonely.items() if None in values}
    keys = sorted({key for table in tables for key in table if not key.startswith(tuple(f"{view}." for view in lonely))})
    rows = {key: [table.get(key) for table in tables] for key in keys}
    return {**{key: values for key, values in rows.items() if any(value != values[0] for value in values)}, **lonely}


def without_seeds(config: Plain) -> str:
    """A key that is equal for runs which differ only in seed and draw of labels."""
    table = flat(config)
    return json.dumps({key: value for key, value in table.items() if key not in ("seed", "data.split_seed")}, sort_keys=True)
