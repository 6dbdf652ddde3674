"""What the Train page's form starts from: the settings of a run, or its network's features."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.errors import ConfigError
from engine.runs.store import Run
from ui.shell.server import catalog

Config = dict[str, Any]
FILLED = "train_filled"  # in the session once the form was filled in for someone who did not see it happen
CONFIG, GENERATION = "train_config", "train_generation"
# Parts of a config that the form looks up in the catalog, with the catalog's table and what a sentence calls them.
_NAMED = (
    ("method", "methods", "method"),
    ("data", "datasets", "data set"),
    ("backbone", "backbones", "network"),
    ("optimizer", "optimizers", "optimizer"),
)


def prefill(config: Config) -> None:
    """Put a config into the form, as "Edit as new run" does; the widgets start from it anew. Raises ConfigError where
    it names what this FewLab does not have: in the session, it would break the page until it is loaded again.
    """
    _check_names(config)
    st.session_state[CONFIG] = own_labels(config)
    st.session_state[GENERATION] = st.session_state.get(GENERATION, 0) + 1


def with_features(run: Run, method: str | None = None) -> Config:
    """A config that starts from a run's network, on the same images and seed: of `method`, else the run's own if that
    learns from few labels, else FixMatch. Raises ConfigError where that method cannot learn from these images.
    """
    choices = catalog()
    about = choices["methods"].get(run.config["method"]["name"], {})
    few = method is None and "few" in about.get("supervision", ()) and not about["fitted"]
    method = run.config["method"]["name"] if few else method or "fixmatch"
    data = run.config["data"]
    _check_names({"method": {"name": method}, "data": data})
    defaults: Config | None = run.config if few else choices["defaults"].get(f"{method}/{data['name']}")
    if defaults is None:
        titles = choices["methods"][method]["title"], choices["datasets"][data["name"]]["title"]
        raise ConfigError(f"{titles[0]} cannot learn from {titles[1]}: choose another run.")
    labels = data["labels"] if few else defaults["data"]["labels"]
    return {
        **defaults,
        "name": "",
        "seed": run.config["seed"],
        "data": {**data, "labels": labels},
        "backbone": {**run.config["backbone"], "init": f"run:{run.id}"},
    }


def announce_prefill() -> None:
    """Say on Train, once, that the form was filled in: it may lie below what is on the screen."""
    st.session_state[FILLED] = True


def _check_names(config: Config) -> None:
    for part, table, kind in _NAMED:
        name = (config.get(part) or {}).get("name")
        if name is not None and name not in catalog()[table]:
            raise ConfigError(f"This FewLab has no {kind} named {name!r}: choose another run to start from.")


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
