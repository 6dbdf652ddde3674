"""Settings: how one setting is declared, validated, and complained about in one sentence."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from engine.errors import ConfigError

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


def param(
    default: Any,
    *,
    help: str,
    symbol: str | None = None,
    live: bool = False,
    advanced: bool = False,
    unit: str | None = None,
    is_path: bool = False,
    role: str | None = None,
    empty: str | None = None,
    added: bool = False,
    suggestions: dict[str, str] | None = None,
    log: bool = False,
    search: tuple[float, float] | None = None,
    **limits: Any,
) -> Any:
    """A setting: its default, its range (`ge`, `le`, ...), one sentence of help, the paper's symbol.

    live: may be changed while training. advanced: shown under "More settings". unit: shown beside the number.
    is_path: a path on this machine, which says where something lies and not what it is: no part of the fingerprint.
    role: what the screens use it for, whatever it is called: "confidence_threshold" is the one that Train shows as a
    slider and Pseudo-labels moves. empty: what it means to leave it empty, in a few words. added: newer than the first
    runs that have its part: not written while it has its default, so that configs and fingerprints stay as they were.
    suggestions: good values of a text, each with a few facts; others may be typed in. log: it is felt by its factors
    (0.01 to 0.1 like 0.1 to 1), and is searched so. search: the range that is worth searching, where that is narrower
    than what is allowed.
    """
    extra: dict[str, Any] = {
        "live": live,
        "advanced": advanced,
        "symbol": symbol,
        "unit": unit,
        "is_path": is_path,
        "role": role,
        "empty": empty,
        "added": added,
        "suggestions": suggestions,
        "log": log,
        "search": search,
    }
    return Field(default, description=help, json_schema_extra={k: v for k, v in extra.items() if v}, **limits)


class Settings(BaseModel):
    """Base of every group of settings: unknown fields are errors, and a value is immutable once validated."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _without_added(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = dump(self)
        for name, field in type(self).model_fields.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra.get("added") and getattr(self, name) == field.default:
                plain.pop(name, None)
        return plain

    @classmethod
    def paths(cls) -> set[str]:
        """Names of the settings that are paths on this machine."""
        return {
            name
            for name, field in cls.model_fields.items()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("is_path")
        }

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Validate a plain object. Raises ConfigError with one sentence on the first thing that is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigError(sentence(error)) from None
        except RecursionError:
            raise ConfigError(
                "The configuration is nested too deeply to be one of FewLab's: check its brackets."
            ) from None


def sentence(error: ValidationError, prefix: str = "") -> str:
    """pydantic's first complaint as one sentence: the setting, its value, what is allowed."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in (prefix, *first["loc"]) if part not in ("", *_TAGS))
    if where == "backbone.init":
        return (
            f"backbone.init is {shown_value(first.get('input'))!r} but must be random, pretrained, run:<id of a run> or"
            " file:<path of a weights file>."
        )
    kind, context, given = first["type"], first.get("ctx") or {}, shown_value(first.get("input"))
    if kind == "extra_forbidden":
        return f"There is no setting {where!r}: remove it, or check its spelling."
    if kind == "missing":
        return f"{where} is missing: give it a value."
    if kind == "union_tag_invalid":
        return (
            f"{where} has the {str(context['discriminator']).strip(chr(39))} {shown_value(context['tag'])!r} but must"
            f" have one of {context['expected_tags']}."
        )
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return f"{where} is {given} but must be {words} {context[key]}."
    if kind == "literal_error":
        return f"{where} is {given!r} but must be one of {context['expected']}."
    return f"{where or 'The configuration'} is {given!r}: {first['msg'][0].lower()}{first['msg'][1:]}."


def shown_value(value: Any) -> str:
    """A value as a sentence quotes it: cut, whatever it is."""
    try:
        return str(value)[:80]
    except (ValueError, RecursionError):  # a number of thousands of digits, nesting of thousands of levels
        return f"a {type(value).__name__} beyond measure"


# Pydantic names the chosen part of a union on the way to a setting; no setting's key has it.
_TAGS = ("few", "partial", "all", "none")
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
