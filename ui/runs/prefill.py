"""What the Train page's form starts from: the settings of a run, or its network's features."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.runs.store import Run
from ui.shell.server import catalog

Config = dict[str, Any]
CONFIG, GENERATION = "train_config", "train_generation"


def prefill(config: Config) -> None:
    """Put a config into the form, as "Retrain" does; the widgets start from it anew."""
    st.session_state[CONFIG] = own_labels(config)
    st.session_state[GENERATION] = st.session_state.get(GENERATION, 0) + 1


def with_features(run: Run, method: str | None = None) -> Config:
    """A config that starts from a run's network, on the same images and seed: of `method`, else the run's own if that
    learns from few labels, else FixMatch.
    """
    choices = catalog()
    about = choices["methods"][run.config["method"]["name"]]
    few = method is None and "few" in about["supervision"] and not about["fitted"]
    method = run.config["method"]["name"] if few else method or "fixmatch"
    data = run.config["data"]
    defaults: Config = run.config if few else choices["defaults"][f"{method}/{data['name']}"]
    labels = data["labels"] if few else defaults["data"]["labels"]
    return {
        **defaults,
        "name": "",
        "seed": run.config["seed"],
        "data": {**data, "labels": labels},
        "backbone": {**run.config["backbone"], "init": f"run:{run.id}"},
    }


def own_labels(config: Config) -> Config:
    """The draw of the labels follows the seed again, unless it was set apart from it: then another seed in the form
    draws other labels.
    """
    data = config["data"]
    return {**config, "data": {**data, "split_seed": None}} if data.get("split_seed") == config["seed"] else config


def usable(run: Run) -> bool:
    """Whether the run's network holds features that another can start from."""
    about = catalog()["backbones"].get(run.config["backbone"].get("name"), {})
    return run.folder.model_file.exists() and bool(about.get("learns"))
