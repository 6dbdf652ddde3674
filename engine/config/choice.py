"""A part of a config that is one of a registry's classes, written as an object with a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from engine.config.settings import Settings, sentence, shown_value
from engine.errors import ConfigError
from engine.registry import Registry


def choice(registry: Registry, where: str) -> Callable[[Any], Any]:
    """A validator that turns `{"name": ..., ...}` into the Params of the registered class; `where` names the place in
    complaints.
    """

    def validate(value: Any) -> Any:
        if isinstance(value, Settings):
            return value
        if not isinstance(value, dict):
            raise ConfigError(
                f'{where} is {shown_value(value)!r} but must be an object with a name, such as {{"name":'
                f' "{next(iter(registry), "...")}"}}.'
            )
        try:
            return registry[str(value.get("name"))].Params.model_validate(value)
        except ValidationError as error:
            raise ConfigError(sentence(error, where)) from None

    return validate


def by_name(part: Settings) -> Any:
    """The part as its name alone where all its settings are the default ones, else as an object."""
    plain = part.model_dump(mode="json")
    return plain["name"] if part == type(part)() else plain


class NamesOf:
    """In a JSON schema: the names of a registry, looked up when the schema is made."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self._registry)}
