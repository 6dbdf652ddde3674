"""What a network's weights start from: random, an earlier run's features, a file, or weights that others trained."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui.runs.prefill import usable
from ui.runs.run_names import run_titles
from ui.shell.server import catalog, lab

_RANDOM, _PRETRAINED, _FILE = "random", "pretrained", "file:"


def choose_initial_weights(backbone: dict[str, Any], key: str) -> dict[str, Any]:
    """A choice among what fits this network; returns the backbone's settings with `init`. An earlier run brings its
    network's other settings along.
    """
    about = catalog()["backbones"][backbone["name"]]
    if not about["learns"]:
        return backbone
    runs = {
        f"run:{run.id}": run
        for run in lab().store.runs()
        if usable(run) and run.config["backbone"].get("name") == backbone["name"]
    }
    current = str(backbone.get("init", _RANDOM))
    options = [_RANDOM, *runs, *([_PRETRAINED] if about["pretrained"] else []), _FILE]
    named = _FILE if current.startswith(_FILE) else current
    if named not in options:  # a run that is gone, or of another network
        named = _RANDOM
    titles = {_RANDOM: "random weights", _PRETRAINED: "pretrained weights", _FILE: "a weights file ..."}
    of_runs = run_titles(list(runs.values()))
    titles |= {option: f"features of {of_runs[run.id]}" for option, run in runs.items()}
    chosen = st.selectbox(
        "Start from",
        options,
        options.index(named),
        format_func=lambda option: titles[option],
        key=f"{key}_init_{named}",
        help="Features learned by an earlier run, with or without labels, can be worth many labels.",
    )
    if chosen == _FILE:
        path = st.text_input(
            "Weights file",
            current.removeprefix(_FILE) if current.startswith(_FILE) else "",
            key=f"{key}_init_path",
            placeholder="/path/to/weights.safetensors",
        )
        return {**backbone, "init": f"{_FILE}{path.strip()}" if path.strip() else _RANDOM}
    if chosen in runs:
        return {**runs[chosen].config["backbone"], "init": chosen}
    return {**backbone, "init": chosen}


def newest_features(data: str) -> dict[str, Any] | None:
    """Backbone settings that start from the newest run of this data set with features to start from; None if there is
    none.
    """
    for run in lab().store.runs():
        if run.config["data"].get("name") == data and usable(run):
            return {**run.config["backbone"], "init": f"run:{run.id}"}
    return None
