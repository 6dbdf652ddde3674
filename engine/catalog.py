"""The catalog: what can be chosen, as plain data for forms, `--json` and the docs. Made where torch is, read
anywhere.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from engine.config.parts import AllLabels, Budget, FewLabels, Hardware, NoLabels, PartialLabels, Training
from engine.config.run_config import OWN_NETWORK, RunConfig
from engine.errors import ConfigError
from engine.metrics import declared, plain
from engine.presets import PRESETS
from engine.registry import Registry, backbones, datasets, methods, optimizers, recipes, schedules


def catalog() -> dict[str, Any]:
    """Methods, data sets, backbones, view recipes, optimizers, schedules and presets, with JSON schemas and the
    defaults of every pair of method and data set.
    """
    return {
        "methods": {name: _method(methods[name]) for name in methods},
        "datasets": {name: _described(datasets[name]) for name in datasets},
        "backbones": {
            name: {
                **_described(backbones[name]),
                "pretrained": backbones[name].has_pretrained,
                "learns": backbones[name].learns,
            }
            for name in backbones
        },
        "recipes": {name: {"schema": recipes[name].Params.model_json_schema()} for name in recipes},
        "optimizers": {name: {"schema": optimizers[name].Params.model_json_schema()} for name in optimizers},
        "schedules": {name: {"schema": schedules[name].Params.model_json_schema()} for name in schedules},
        "labels": {
            kind: {"schema": cls.model_json_schema()}
            for kind, cls in (("few", FewLabels), ("partial", PartialLabels), ("all", AllLabels), ("none", NoLabels))
        },
        "budget": {"schema": Budget.model_json_schema()},
        "training": {"schema": Training.model_json_schema()},
        "hardware": {"schema": Hardware.model_json_schema()},
        "metrics": plain(declared(tuple(metric for name in methods for metric in methods[name].metrics))),
        "presets": {
            name: {"title": p.title, "summary": p.summary, "config": RunConfig.parse(p.config).model_dump(mode="json")}
            for name, p in PRESETS.items()
        },
        "defaults": {
            f"{method}/{data}": defaults
            for method in methods
            for data in datasets
            if (defaults := _defaults(method, data)) is not None
        },
    }


def sources_hash() -> str:
    """Hash of the engine's sources: a catalog made by other sources is rebuilt."""
    digest, root = hashlib.sha256(), Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        # With its folder: a method that moves to another family is another entry.
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _described(cls: Any) -> dict[str, Any]:
    return {"title": cls.title, "summary": cls.summary, "schema": cls.Params.model_json_schema()}


def _method(cls: Any) -> dict[str, Any]:
    texts = {key: getattr(cls, key) for key in ("idea", "formula", "paper", "recommended")}
    return {
        **_described(cls),
        **texts,
        "supervision": sorted(cls.supervision),
        "backbones": None if cls.backbones is None else sorted(cls.backbones) or [OWN_NETWORK],
        "recipes": list(dict.fromkeys(view["name"] for view in cls.views.values())),
        "views": cls.views,
        "fitted": cls.fitted,
        "average_served": getattr(cls, "average_served", False),
        "family": family(cls),
        "headline": list(cls.headline),
        "views_caption": cls.views_caption,
        "view_titles": cls.view_titles,
        "transfers": cls.transfers,
    }


def family(cls: type[Any]) -> str:
    """The folder in engine/methods that a registered class lies in, such as "semi_supervised"; "" for one that lies in
    none.
    """
    package, _, inside = cls.__module__.partition("engine.methods.")
    return inside.split(".")[0] if not package and "." in inside else ""


def _defaults(method: str, data: str) -> dict[str, Any] | None:
    try:
        return RunConfig.parse({"method": {"name": method}, "data": {"name": data}}).model_dump(mode="json")
    except ConfigError:  # a method that cannot learn from this set's labels is not offered for it
        return None


def summaries(registry: Registry) -> list[dict[str, str]]:
    """name, title and summary of everything in a registry, for tables."""
    return [{"name": name, "title": registry[name].title, "summary": registry[name].summary} for name in registry]
