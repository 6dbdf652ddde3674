"""Names to classes: data sets, view recipes, backbones, methods, optimizers and schedules register themselves, and are
found by walking their package and the folders in it.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, TypeVar

from engine.errors import UnknownName

C = TypeVar("C", bound=type[Any])


class Registry:
    """Classes of one kind by the default of their `Params.name`. The package is imported, module by module, at the
    first look-up.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._classes: dict[str, type[Any]] = {}
        self._loaded = False

    def register(self, cls: C) -> C:
        """Class decorator. Two classes of one name are an error that names both files."""
        name = name_of(cls)
        other = self._classes.get(name)
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"Two {self.kind}s are named {name!r}: {inspect.getfile(other)} and {inspect.getfile(cls)}")
        self._classes[name] = cls
        return cls

    def __getitem__(self, name: str) -> type[Any]:
        self._load()
        try:
            return self._classes[name]
        except (KeyError, TypeError):
            raise UnknownName(self.kind, name, self._classes) from None

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._classes))

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._classes

    def remove(self, name: str) -> None:
        """Forget a class (a test's toy method)."""
        self._classes.pop(name, None)

    def _load(self) -> None:
        if self._loaded:
            return
        package = importlib.import_module(self._package)
        for module in pkgutil.walk_packages(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        self._loaded = True


def name_of(cls: Any) -> str:
    """The registered name: the default of the class's `Params.name`."""
    return str(cls.Params.model_fields["name"].default)


datasets = Registry("data set", "engine.data.sets")
recipes = Registry("view recipe", "engine.augment.recipes")
backbones = Registry("backbone", "engine.backbones")
methods = Registry("method", "engine.methods")
optimizers = Registry("optimizer", "engine.optimizers")
schedules = Registry("schedule", "engine.schedules")
