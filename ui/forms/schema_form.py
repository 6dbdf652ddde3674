"""Forms from schemas: every setting of the engine becomes a widget with its range, its symbol and its help."""

from __future__ import annotations

from typing import Any

import streamlit as st

Schema = dict[str, Any]


def settings(
    schema: Schema, values: dict[str, Any], key: str, *, advanced: bool | None = None, skip: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Widgets for the properties of a JSON schema, filled from `values`; returns the values as they are now set.

    advanced: only settings that are (True) or are not (False) marked advanced; None: all. key: prefix of the widgets'
    keys.
    """
    result = dict(values)
    for name, field in schema["properties"].items():
        if name in ("name", "kind", *skip) or (advanced is not None and bool(field.get("advanced")) != advanced):
            continue
        if has_widget(field):
            result[name] = widget(name, field, values.get(name, field.get("default")), f"{key}_{name}")
    return result


def label(name: str, field: Schema) -> str:
    """A setting in plain words, its paper's symbol beside it: "Threshold τ"."""
    words = {"lr": "learning rate", "per_class": "labels per class"}.get(name, name.replace("_", " "))
    text = words if words.isupper() else words[:1].upper() + words[1:]
    return " ".join(
        part for part in (text, field.get("symbol"), f"({field['unit']})" if field.get("unit") else None) if part
    )


def has_widget(field: Schema) -> bool:
    """Nothing to choose, nothing to show: a constant or an enumeration of one needs no widget."""
    return "const" not in field and len(field.get("enum", (0, 1))) > 1 and "$ref" not in field and "oneOf" not in field


def widget(name: str, field: Schema, value: Any, key: str) -> Any:
    """The widget that fits one property of a JSON schema; returns its value in the schema's type."""
    optional: dict[str, Any] | None = None
    if "anyOf" in field:
        optional = dict(next(part for part in field["anyOf"] if part.get("type") != "null"))
        field = {**field, **optional}
    title, text = label(name, field), field.get("description")
    if field.get("type") == "boolean":
        return st.toggle(title, bool(value), key=key, help=text)
    if "enum" in field:
        options = list(field["enum"])
        return st.selectbox(
            title,
            options,
            index=options.index(value) if value in options else 0,
            key=key,
            help=text,
            format_func=words,
        )
    if "suggestions" in field:
        return _with_suggestions(title, field["suggestions"], str(value or ""), key, text)
    if field.get("type") in ("integer", "number"):
        return _number(title, field, value, key, text, optional is not None)
    if field.get("type") == "array":
        options = field.get("items", {}).get("enum")
        if options:
            return st.multiselect(title, options, list(value or ()), key=key, help=text, format_func=words)
        return [
            part.strip()
            for part in st.text_input(title, ", ".join(map(str, value or ())), key=key, help=text).split(",")
            if part.strip()
        ]
    return st.text_input(title, str(value or ""), key=key, help=text, max_chars=field.get("maxLength"))


def words(option: Any) -> str:
    """A choice without its underscores."""
    return str(option).replace("_", " ")


def _with_suggestions(title: str, suggestions: dict[str, str], value: str, key: str, text: str | None) -> str:
    """A list that is searched by typing, and takes what is typed as it is."""
    options = list(suggestions) if value in suggestions else [value, *suggestions]
    facts = [f"- {name}: {about}" for name, about in suggestions.items()]
    chosen: str = st.selectbox(
        title,
        options,
        options.index(value),
        key=key,
        help="\n".join([text or "", "", *facts]),
        format_func=lambda name: f"{name} ({suggestions[name]})" if name in suggestions else name,
        accept_new_options=True,
    )
    return chosen


def _number(title: str, field: Schema, value: Any, key: str, text: str | None, optional: bool) -> Any:
    whole = field["type"] == "integer"
    kind: Any = int if whole else float
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    low, high = (kind(bound) if bound is not None else None for bound in (low, high))
    shown: dict[str, Any] = {"key": key, "help": text}
    if optional:
        return st.number_input(
            title,
            low,
            high,
            value=kind(value) if value is not None else None,
            step=kind(1),
            placeholder=field.get("empty"),
            **shown,
        )
    if (
        low is not None
        and high is not None
        and "exclusiveMinimum" not in field
        and "exclusiveMaximum" not in field
        and high - low <= (64 if whole else 1)
        and (whole or _in_hundredths(field.get("default")))
    ):
        return st.slider(title, low, high, kind(value), step=1 if whole else 0.01, **shown)
    if whole:
        return st.number_input(title, low, high, int(value), step=1, **shown)
    # An open bound is refused by the engine's own check; the widget only keeps to the closed ones.
    step = 10.0 ** -(2 if float(value) >= 0.1 else 4)
    return st.number_input(title, low, high, float(value), step=step, format="%.4g", **shown)


def _in_hundredths(value: Any) -> bool:
    """Whether a slider in steps of 0.01 can show this value and come back to it."""
    return not isinstance(value, (int, float)) or round(value, 2) == value
