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
    part, _, name = key.partition(".")
    chosen = (config.get(part) or {}).get("name") if isinstance(config.get(part), dict) else None
    about = catalog().get(_PARTS.get(part, part), {})
    about = about.get(chosen, {}) if part in _PARTS else about
    field = about.get("schema", {}).get("properties", {}).get(name, {}) if isinstance(about, dict) else {}
    words = forms.label(key.rpartition(".")[2], {})
    return str(field.get("symbol") or (words[0].lower() + words[1:] if words[1:2].islower() else words))


def value_text(value: Any) -> str:
    """A setting's value in words: "0.6", "on", "a, b"."""
    if value is None:
        return formatting.NOTHING
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
