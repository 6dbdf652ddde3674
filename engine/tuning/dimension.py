"""What a sweep varies: one setting, and between which values; read from text, or proposed from its declaration.

All of it works on plain configs and the catalog's JSON schemas, so pages and the command line read ranges alike.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from engine.errors import ConfigError, UnknownName

Plain = Mapping[str, Any]
Value = bool | int | float | str
# What is learned from and on what machine is held fixed.
_PARTS = ("method", "optimizer", "augment", "backbone", "budget")
_FEW = 64  # values of a whole number that are all tried between its limits
_DECADES = 100.0  # from this ratio of its limits on, a range is searched by factors
_MOST_CHOICES = 50


@dataclass(frozen=True)
class Dimension:
    """A range `low` to `high`, both included, or `choices`. whole: whole numbers only. log: drawn evenly by factors."""

    key: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Value, ...] = ()

    def contains(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and self.low <= value <= self.high and (not self.whole or float(value).is_integer())

    def corners(self) -> tuple[Value, ...]:
        """The values at which a range would first be refused: its ends, or every choice."""
        return self.choices or (self._number(self.low), self._number(self.high))

    def _number(self, value: float) -> Value:
        return int(value) if self.whole else float(value)

    def text(self) -> str:
        """As it is typed: "0.5:0.99", "0.01:0.1:log", "true,false"."""
        if self.choices:
            return ",".join(value if isinstance(value, str) else json.dumps(value) for value in self.choices)
        ends = [f"{int(end)}" if self.whole else f"{end:.6g}" for end in (self.low, self.high)]
        return ":".join([*ends, *(["log"] if self.log else [])])

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def of_plain(value: dict[str, Any]) -> Dimension:
        """Raises TypeError, KeyError or ValueError for what is no dimension."""
        made = Dimension(**{**value, "choices": tuple(value.get("choices", ()))})
        if not isinstance(made.key, str) or not all(isinstance(end, (int, float)) for end in (made.low, made.high)):
            raise TypeError("no dimension")
        return made


def settings_to_vary(config: Plain, catalog: Plain) -> dict[str, dict[str, Any]]:
    """The JSON schema of every setting of this resolved config that a sweep can vary, by its dotted key."""
    method = catalog["methods"][config["method"]["name"]]
    found: dict[str, dict[str, Any]] = {}
    for part in _PARTS:
        if part == "optimizer" and method["fitted"]:
            continue
        for prefix, schema in _schemas(part, config, catalog):
            for name, field in schema["properties"].items():
                if (part != "budget" or name in _budget_of(method)) and _varies(field):
                    found[f"{prefix}.{name}"] = _without_null(field)
    if not method["average_served"]:  # its own average is served, and a second one is refused
        found.pop("optimizer.ema_decay", None)
    return found


def value_of(config: Plain, key: str) -> Any:
    """The config's own value of a dotted key; None where it has none."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def parse_dimension(text: str, config: Plain, catalog: Plain) -> Dimension:
    """What `--vary` says: KEY=LOW:HIGH, KEY=LOW:HIGH:log, KEY=A,B,C, or KEY alone for the range that is proposed.

    Raises ConfigError for an unknown setting and for values that it cannot have.
    """
    key, _, wanted = text.partition("=")
    key = key.strip()
    known = settings_to_vary(config, catalog)
    if key not in known:
        if value_of(config, key) is not None:
            raise ConfigError(
                f"{key} cannot vary in a sweep: vary settings of the method, optimizer, views, network or budget, such"
                f" as {next(iter(known))}, and set the others with --set."
            )
        raise UnknownName("setting to vary", key, known)
    field = known[key]
    if not wanted.strip():
        return proposed(key, field, value_of(config, key))
    return _checked(_range(key, wanted, field) if ":" in wanted else _choices(key, wanted, field), field)


def proposed(key: str, field: Plain, value: Any) -> Dimension:
    """A range to begin with: the one that the setting's declaration calls worth searching, else all that is allowed
    where that is narrow, else a factor of ten (of whole numbers: four) around `value`, within what is allowed.
    """
    if field.get("type") == "boolean":
        return Dimension(key, choices=(False, True))
    if "enum" in field:
        return Dimension(key, choices=tuple(field["enum"]))
    whole = field["type"] == "integer"
    low, high = _limits(field, whole)
    if "search" in field:
        low, high = field["search"]
        return Dimension(key, low, high, bool(field.get("log")), whole)
    both = low is not None and high is not None
    spans = both and low > 0 and high / low >= _DECADES
    if both and not field.get("log") and (high - low <= _FEW if whole else not spans and high - low <= 1):
        return Dimension(key, low, high, whole=whole)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 and (low is None or low >= 0):
        factor = 4 if whole else 10
        bottom, top = max(value / factor, low or 0, 1 if whole else 0), min(value * factor, high or math.inf)
        if whole:
            bottom, top = math.ceil(bottom), math.floor(top)
        return Dimension(key, bottom, top, True, whole)
    if low is not None and high is not None:
        return Dimension(key, low, high, log=bool(spans), whole=whole)
    raise ConfigError(f"No range can be proposed for {key}: give one, such as {key}=0.1:1.")


def _schemas(part: str, config: Plain, catalog: Plain) -> list[tuple[str, Plain]]:
    """Prefix and JSON schema of each group of settings in a part of the config."""
    if part == "budget":
        return [(part, catalog["budget"]["schema"])]
    if part == "augment":
        return [
            (f"augment.{view}", catalog["recipes"][settings["name"]]["schema"])
            for view, settings in (config.get("augment") or {}).items()
        ]
    name = config[part]["name"]
    return [
        (part, catalog[{"backbone": "backbones", "method": "methods", "optimizer": "optimizers"}[part]][name]["schema"])
    ]


def _budget_of(method: Plain) -> tuple[str, ...]:
    return ("steps",) if method["fitted"] else ("steps", "batch_size")


def _without_null(field: Plain) -> dict[str, Any]:
    """A setting that may be empty, as its other half."""
    halves = [half for half in field.get("anyOf", ()) if half.get("type") != "null"]
    return {**field, **(halves[0] if len(halves) == 1 else {})}


def _varies(field: Plain) -> bool:
    field = _without_null(field)
    if field.get("is_path") or "const" in field:
        return False
    return field.get("type") in ("integer", "number", "boolean") or len(field.get("enum", ())) > 1


def _limits(field: Plain, whole: bool) -> tuple[Any, Any]:
    """The lowest and highest allowed value; of an open end, one that is near it."""
    low, high = field.get("minimum"), field.get("maximum")
    above, below = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    if whole:
        return (above + 1 if above is not None else low), (below - 1 if below is not None else high)
    span = (high if below is None else below or 0) or 1.0
    if above is not None:
        low = above + 1e-6 * abs(span)
    if below is not None:
        high = below - 0.001 * abs(span)
    return low, high


def _range(key: str, wanted: str, field: Plain) -> Dimension:
    low, high, *more = [part.strip() for part in wanted.split(":")]
    if field.get("type") not in ("integer", "number"):
        raise ConfigError(
            f"{key}={wanted} is a range, but {key} is no number: list its values, such as {_example(key, field)}."
        )
    if more not in ([], ["log"]):
        raise ConfigError(
            f"{key}={wanted} is not understood: write LOW:HIGH or LOW:HIGH:log, such as {_example(key, field)}."
        )
    whole = field["type"] == "integer"
    bottom, top = (_number(key, end, whole) for end in (low, high))
    if bottom >= top:
        raise ConfigError(f"{key}={wanted} goes from {low} to {high}: the first number must be the smaller one.")
    if more and bottom <= 0:
        raise ConfigError(f"{key}={wanted} is searched by factors (log), so it must begin above 0.")
    return Dimension(key, bottom, top, bool(more), whole)


def _number(key: str, text: str, whole: bool) -> Any:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (whole and not number.is_integer()):
        raise ConfigError(f"{key} needs {'whole numbers' if whole else 'numbers'}, but got {text[:80]!r}.")
    return int(number) if whole else number


def _choices(key: str, wanted: str, field: Plain) -> Dimension:
    values = [_value(part.strip()) for part in wanted.split(",")]
    if field.get("type") == "number":
        values = [float(value) if type(value) is int else value for value in values]
    if len(values) < 2 or len(set(map(repr, values))) < len(values):
        raise ConfigError(
            f"{key}={wanted} leaves nothing to vary: give a range or several different values, such as"
            f" {_example(key, field)}."
        )
    if len(values) > _MOST_CHOICES:
        raise ConfigError(f"{key} has {len(values)} values, more than a sweep can try: at most {_MOST_CHOICES}.")
    return Dimension(key, choices=tuple(values))


def _value(text: str) -> Value:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) else text


def _example(key: str, field: Plain) -> str:
    if field.get("type") == "boolean":
        return f"{key}=true,false"
    return f"{key}={','.join(map(str, field['enum'][:2]))}" if "enum" in field else f"{key}=LOW:HIGH"


def _checked(dimension: Dimension, field: Plain) -> Dimension:
    """Raises ConfigError where the setting could not have one of the values."""
    for value in dimension.corners():
        allowed = _allowed(value, field)
        if allowed:
            raise ConfigError(
                f"{dimension.key}={dimension.text()} holds {value}, but {dimension.key} must be {allowed}."
            )
    return dimension


def _allowed(value: Value, field: Plain) -> str:
    """What the setting must be; "" if this value is that."""
    if "enum" in field:
        return "" if value in field["enum"] else f"one of {', '.join(map(str, field['enum']))}"
    if field["type"] == "boolean":
        return "" if isinstance(value, bool) else "true or false"
    whole = field["type"] == "integer"
    if isinstance(value, (bool, str)) or (whole and not float(value).is_integer()):
        return "a whole number" if whole else "a number"
    for name, words, outside in (
        ("minimum", "at least", operator.lt),
        ("exclusiveMinimum", "above", operator.le),
        ("maximum", "at most", operator.gt),
        ("exclusiveMaximum", "below", operator.ge),
    ):
        if name in field and outside(value, field[name]):
            return f"{words} {field[name]}"
    return ""
