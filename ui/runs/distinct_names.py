"""Names of several runs that stand beside each other: what distinguishes them is in the name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.analysis.compare import differing
from ui.forms import schema_form as forms
from ui.shell.server import catalog
from ui.style import formatting

_SAID = 2  # differing settings that a name is given to tell it from another
_PARTS = {"method": "methods", "data": "datasets", "backbone": "backbones", "optimizer": "optimizers"}
_CHOICES = {
    **{f"{part}.name": part for part in ("method", "optimizer")},
    "data.name": "data set",
    "backbone.name": "network",
    "data.labels.kind": "labels",
}


def distinct_names(
    names: Sequence[str], configs: Sequence[dict[str, Any]], alike: Sequence[str] = ("seed", "data.split_seed")
) -> list[str]:
    """Unique names: to equal ones is added in which settings they differ ("τ 0.60"), but for those in `alike`, or a
    number where in none.
    """
    unique = [
        ", ".join(filter(None, [name, more]))
        for name, more in zip(names, what_differs(names, configs, alike), strict=True)
    ]
    return [
        name if unique.count(name) == 1 else f"{name} ({unique[: i + 1].count(name)})" for i, name in enumerate(unique)
    ]


def what_differs(
    names: Sequence[str], configs: Sequence[dict[str, Any]], alike: Sequence[str] = ("data.split_seed",)
) -> list[str]:
    """Of each run, in which settings those of its name differ, but for those in `alike`: "τ 0.6, seed 3"; empty where
    no other has its name, or nothing differs.
    """
    said = [""] * len(names)
    for name in {name for name in names if list(names).count(name) > 1}:
        alike_at = [i for i, other in enumerate(names) if other == name]
        rows = {key: values for key, values in differing([configs[i] for i in alike_at]).items() if key not in alike}
        for number, i in enumerate(alike_at):
            words = [
                f"{setting_words(key, configs[i])} {value_text(values[number])}"
                for key, values in rows.items()
                if values[number] is not None
            ]
            said[i] = ", ".join(words[:_SAID])
    return said


def setting_words(key: str, config: dict[str, Any]) -> str:
    """A dotted key as the form calls it: its symbol, else its words: "τ", "labels per class"."""
    return str(_field(key, config).get("symbol") or _uncapitalized(forms.label(key.rpartition(".")[2], {})))


def setting_title(key: str, *configs: dict[str, Any]) -> str:
    """A dotted key where there is room: its words and its symbol, "threshold τ"; of a name or a kind, what has it; of
    views, which one. configs: in one of which the method, or whatever has the setting, knows it.
    """
    part, _, name = key.partition(".")
    if part == "augment":
        view, _, setting = name.partition(".")
        return f"{view} view{f', {forms.label(setting, {}).lower()}' if setting else ''}"
    field = next((known for config in configs if (known := _field(key, config))), {})
    return _CHOICES.get(key) or _uncapitalized(forms.label(key.rpartition(".")[2], field))


def _field(key: str, config: dict[str, Any]) -> dict[str, Any]:
    """What the schema says of a setting; empty if it says nothing."""
    part, _, name = key.partition(".")
    chosen = (config.get(part) or {}).get("name") if isinstance(config.get(part), dict) else None
    about = catalog().get(_PARTS.get(part, part), {})
    about = about.get(chosen, {}) if part in _PARTS else about
    found = about.get("schema", {}).get("properties", {}).get(name, {}) if isinstance(about, dict) else {}
    return dict(found)


def _uncapitalized(words: str) -> str:
    return words[0].lower() + words[1:] if words[1:2].islower() else words


def value_text(value: Any, key: str = "") -> str:
    """A setting's value in words: "0.6", "on", "a, b"; of the name of a method, network, ..., its title."""
    if value is None:
        return formatting.NOTHING
    part, _, name = key.partition(".")
    if name == "name" and part in _PARTS:
        return str(catalog().get(_PARTS[part], {}).get(value, {}).get("title", value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
