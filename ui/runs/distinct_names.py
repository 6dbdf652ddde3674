"""Names of several runs that stand beside each other: what distinguishes them is in the name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from engine.analysis.compare import differing
from ui.forms import schema_form as forms
from ui.shell.server import catalog, title_of
from ui.style import formatting

CHANGED = "changed while it trained"  # beside a run's settings, in words, one by one
_SAID = 2  # differing settings that a name is given to tell it from another
_PARTS = {"method": "methods", "data": "datasets", "backbone": "backbones", "optimizer": "optimizers"}
_WORDS = {"data": "data set", "backbone": "network", "data.labels.kind": "labels"}


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
            differs = {key: values[number] for key, values in rows.items() if values[number] is not None}
            last = sorted(differs, key=lambda key: key == CHANGED)
            words = [_setting_phrase(key, differs[key], configs[i]) for key in last]
            said[i] = ", ".join(words[:_SAID])
    return said


def _setting_phrase(key: str, value: Any, config: dict[str, Any]) -> str:
    if key == "budget.steps":
        return f"{formatting.count(value)} steps"
    if key == CHANGED:
        first, *others = value
        return f"{first} and {len(others)} more change{'' if len(others) == 1 else 's'}" if others else str(first)
    return f"{setting_words(key, config)} {value_text(value, key)}"


def setting_words(key: str, config: dict[str, Any]) -> str:
    """A dotted key as the form calls it: its symbol, else its words: "τ", "labels per class"."""
    return str(_field(key, config).get("symbol") or _plain(key))


def setting_titles(keys: Iterable[str], configs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """By dotted key, a title where there is room: words and symbol, "threshold τ", with the part where two would be
    called alike, "momentum (optimizer)". configs: of the runs that have these settings. A symbol that another of their
    methods uses for something else, or writes otherwise, is left out.
    """
    titles = {}
    for key in keys:
        symbols = {known.get("symbol") for config in configs if (known := _field(key, config))}
        titles[key] = " ".join(filter(None, [_plain(key), symbols.pop() if len(symbols) == 1 else None]))
    alike = Counter(titles.values())
    return {
        key: f"{title} ({_WORDS.get(part := key.partition('.')[0], part)})" if alike[title] > 1 else title
        for key, title in titles.items()
    }


def _plain(key: str) -> str:
    """Words for a dotted key; of a name or a kind, what has it; of what a view has, which view."""
    owner = key.removesuffix(".name")
    if key in _WORDS or owner in _WORDS:
        return _WORDS.get(key) or _WORDS[owner]
    part, _, name = owner.partition(".")
    if part == "augment":
        view, _, setting = name.partition(".")
        return f"{view} view{f' {_uncapitalized(forms.label(setting, {}))}' if setting else ''}"
    return _uncapitalized(forms.label(owner.rpartition(".")[2], {}))


def _field(key: str, config: dict[str, Any]) -> dict[str, Any]:
    """What the schema says of a setting; empty if it says nothing."""
    part, _, name = key.partition(".")
    settings: dict[str, Any] = found if isinstance(found := config.get(part), dict) else {}
    about = catalog().get(_PARTS.get(part, part), {})
    if key.startswith("data.labels."):
        name = name.partition(".")[2]
        about = catalog()["labels"].get((settings.get("labels") or {}).get("kind"), {})
    elif part in _PARTS:
        about = about.get(settings.get("name"), {})
    properties = about.get("schema", {}).get("properties", {}) if isinstance(about, dict) else {}
    return dict(properties.get(name, {}))


def _uncapitalized(words: str) -> str:
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


def value_text(value: Any, key: str = "") -> str:
    """A setting's value in words: "0.6", "on", "a, b"; of the name of a method, network, ..., its title."""
    if value is None:
        return formatting.NOTHING
    part, _, name = key.partition(".")
    if name == "name" and part in _PARTS:
        return title_of(_PARTS[part], value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.6g}"  # what a search draws has sixteen digits
    return ", ".join(map(value_text, value)) if isinstance(value, list) else str(value)
