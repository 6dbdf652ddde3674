"""What the files of a run folder may hold. Whoever wrote them, pages get values of these types and within these bounds,
or one sentence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from numpy.typing import NDArray

from engine.runs.arrays import ArraySpec, WrongContent

Plain = dict[str, Any]
_MOST = 10**12  # steps, seconds, process ids: above what any run reaches, within what every consumer can add up
_LONGEST = 10_000  # characters of a text
_LONGEST_NAME = 200
_DEEPEST = 8  # levels of settings
_MOST_ENTRIES = 1_000  # of one object or list of settings, and metrics of a status


def read_json(data: bytes, strict: bool = False) -> Any:
    """JSON in which every number is finite: another one reads as None, which is how journals write an absent number.

    strict: it is refused instead. Raises ValueError or RecursionError.
    """

    def beyond(text: str) -> Any:
        if strict:
            raise ValueError(f"the number {text[:20]} is beyond measure")
        return None

    def whole(text: str) -> Any:
        return int(text) if len(text) <= 18 else beyond(text)

    def broken(text: str) -> Any:
        number = float(text)
        return number if math.isfinite(number) else beyond(text)

    return json.loads(data, parse_int=whole, parse_float=broken, parse_constant=beyond)


def is_config(plain: Plain) -> bool:
    """Whether it has the shape that pages rely on; what the names and values mean is up to RunConfig, which needs
    torch.
    """
    parts = {part: plain.get(part) for part in ("data", "method", "backbone")}
    if not all(isinstance(part, dict) and _is_text(part.get("name"), _LONGEST_NAME) for part in parts.values()):
        return False
    data, labels = plain["data"], plain["data"].get("labels")
    budget, optimizer, augment = plain.get("budget"), plain.get("optimizer"), plain.get("augment")
    return (
        _is_count(plain.get("seed"))
        and (plain.get("name") is None or _is_text(plain["name"]))
        and isinstance(budget, dict)
        and _is_count(budget.get("steps"))
        and (labels is None or (isinstance(labels, dict) and _are_labels(labels)))
        and (data.get("split_seed") is None or _is_count(data["split_seed"]))
        and (data.get("path") is None or _is_text(data["path"]))
        and _is_text(plain["backbone"].get("init", ""))
        and (optimizer is None or (isinstance(optimizer, dict) and _is_text(optimizer.get("name"), _LONGEST_NAME)))
        and (
            augment is None or (isinstance(augment, dict) and all(isinstance(view, dict) for view in augment.values()))
        )
        and isinstance(plain.get("hardware", {}), dict)
        and _is_plain(plain)
    )


def is_status(plain: Plain, states: tuple[str, ...]) -> bool:
    """Whether the fields have the types that whoever sorts, adds up and prints them relies on."""
    metrics = plain.get("metrics", {})
    return (
        plain.get("state") in states
        and _is_text(plain.get("reason", ""))
        and all(_is_count(plain.get(name, 0)) for name in ("step", "steps", "pid"))
        and all(
            is_number(plain.get(name, 0)) and 0 <= plain.get(name, 0) <= _MOST
            for name in ("seconds", "images_per_second", "heartbeat")
        )
        and is_number(plain.get("order", 0))
        and isinstance(metrics, dict)
        and len(metrics) <= _MOST_ENTRIES
        and all(len(name) <= _LONGEST_NAME and (value is None or is_number(value)) for name, value in metrics.items())
    )


def event(row: Plain) -> Plain | None:
    """A line of events.jsonl, or None for one that says neither what happened nor when."""
    return row if _is_text(row.get("event"), _LONGEST_NAME) and _is_count(row.get("step")) else None


def metrics_row(row: Plain) -> Plain | None:
    """The step and the numbers of a line of metrics.jsonl, or None for one without a step."""
    if not _is_count(row.get("step")):
        return None
    return {name: value for name, value in row.items() if is_number(value) and len(name) <= _LONGEST_NAME}


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST


def _is_text(value: object, longest: int = _LONGEST) -> bool:
    return isinstance(value, str) and len(value) <= longest


def _are_labels(plain: Plain) -> bool:
    return (
        _is_text(plain.get("kind", ""), _LONGEST_NAME)
        and _is_count(plain.get("per_class", 0))
        and is_number(plain.get("rate", 0))
        and isinstance(plain.get("at_most", False), bool)
    )


def _is_plain(value: object, depth: int = 0) -> bool:
    if isinstance(value, (dict, list)):
        if depth == _DEEPEST or len(value) > _MOST_ENTRIES:
            return False
        inside = value.values() if isinstance(value, dict) else value
        names = value if isinstance(value, dict) else ()
        return all(_is_text(name, _LONGEST_NAME) for name in names) and all(_is_plain(one, depth + 1) for one in inside)
    return value is None or isinstance(value, (bool, int, float)) or _is_text(value)


# The arrays of a split and of a snapshot. Axes: N images of the sample, K classes, D features, P outputs of a
# projection head, M pseudo-labels, C images of the pool, V images that were shown, with c channels of h x w pixels.

_INT = "int"
_SPLIT: Mapping[str, ArraySpec] = {
    "labeled": ArraySpec("L", _INT, 0),
    "pool": ArraySpec("C", _INT, 0),
    "validation": ArraySpec("v", _INT, 0),
    "test": ArraySpec("t", _INT, 0),
    "candidates": ArraySpec("CB", "uint8"),
    "classes": ArraySpec("", _INT, 1, 100_000),
}
_SNAPSHOT: Mapping[str, ArraySpec] = {
    "ids": ArraySpec("N", _INT, 0),
    "part": ArraySpec("N", "uint8", 0, 3),
    "probabilities": ArraySpec("NK", "float", 0, 1.01),
    "embeddings": ArraySpec("ND", "float"),
    "projections": ArraySpec("NP", "float"),
    "pseudo_ids": ArraySpec("M", _INT, 0),
    "pseudo_labels": ArraySpec("M", _INT, -1, 100_000),
    "pseudo_confidence": ArraySpec("M", "float", 0, 1.01),
    "pseudo_weight": ArraySpec("M", "float"),
    "pseudo_threshold": ArraySpec("M", "float"),
    "candidate_ids": ArraySpec("C", _INT, 0),
    "candidate_weights": ArraySpec("CK", "float", 0, 1.01),
    "candidate_sets": ArraySpec("CK", "bool"),
    "view_ids": ArraySpec("V", _INT, 0),
}
_VIEW = ArraySpec("Vchw", "uint8")
# What is read together is there together.
_TOGETHER = (
    frozenset({"pseudo_ids", "pseudo_labels", "pseudo_confidence", "pseudo_weight"}),
    frozenset({"candidate_ids", "candidate_weights", "candidate_sets"}),
)


def snapshot_array(name: str) -> ArraySpec | None:
    """What an array of a snapshot may be; None for one that nobody reads."""
    return _SNAPSHOT.get(name) or (_VIEW if name.startswith("view_") else None)


def check_snapshot(arrays: Mapping[str, NDArray[Any]], whole: bool) -> None:
    """What no array says alone. whole: all arrays of the file were read. Raises WrongContent."""
    for group in _TOGETHER if whole else ():
        missing = sorted(group - arrays.keys())
        if missing and len(missing) < len(group):
            raise WrongContent(f"{missing[0]} is missing")
    labels, probabilities = arrays.get("pseudo_labels"), arrays.get("probabilities")
    if labels is not None and probabilities is not None and (labels >= probabilities.shape[1]).any():
        raise WrongContent("pseudo_labels holds values out of range")


def split_array(name: str) -> ArraySpec | None:
    return _SPLIT.get(name)
