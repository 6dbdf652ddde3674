"""JSON for others to read: what is no finite number is null, because JSON has no NaN and no Infinity."""

from __future__ import annotations

import json
import math
from typing import Any


def finite_json(value: Any, indent: int | None = None) -> str:
    """`value` as JSON text, with null in place of every number that is not finite. Letters stay letters."""
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
