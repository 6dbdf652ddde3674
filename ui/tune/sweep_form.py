"""The form of a new sweep: from which settings it begins, what varies and how far, and how much of it."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from engine.errors import ConfigError, FewLabError
from engine.presets import PRESETS
from engine.runs.store import Run
from engine.tuning.dimension import Dimension, parse_dimension, proposed, settings_to_vary, value_of
from engine.tuning.sweep_plan import SweepPlan
from ui.forms.schema_form import label
from ui.runs.run_names import run_titles
from ui.shell.page import escape_markdown
from ui.shell.server import catalog, sweeps
from ui.style import formatting

Config = dict[str, Any]
_USUAL = ("method.threshold", "optimizer.lr", "method.unlabeled_weight")
_FIRST = "digits-fixmatch"
_RANGE = "LOW:HIGH, LOW:HIGH:log to search by factors, or values with commas between them."
_RUNS = 50  # of the newest, to begin with


def sweep_form(runs: list[Run], chosen: Run | None) -> SweepPlan | None:
    """The sweep as it is set now, None while a range is not one. chosen: the run that the form begins with, if any."""
    source, base = _begin_with(runs, chosen)
    fields = settings_to_vary(base, catalog())
    usual = [key for key in _USUAL if key in fields] or list(fields)[:2]
    titles = _titles(fields)
    keys = st.multiselect(
        "What varies", list(fields), usual, format_func=lambda key: titles[key], key=f"tune_keys_{source}"
    )
    with st.container():  # what stands below keeps its place, and with it what is being typed there
        dimensions = [_dimension(key, fields[key], titles[key], base, source) for key in keys]
    left, right = st.columns(2)
    trials = left.number_input("Trials", 1, 10_000, 40, key="tune_trials", help="Settings that are tried.")
    draws = right.number_input(
        "Label draws",
        1,
        20,
        2,
        key="tune_draws",
        help="Runs of each trial, on other labels each; their validation accuracies are averaged.",
    )
    left, right = st.columns(2)
    minutes = left.number_input(
        "Minutes",
        0.0,
        100_000.0,
        0.0,
        step=5.0,
        format="%g",
        key="tune_minutes",
        help="Of training in all; the trial under way is finished. 0: no limit.",
    )
    seed = right.number_input(
        "Seed", 0, 1_000_000, 0, key="tune_seed", help="Which settings are tried, on which draws."
    )
    st.caption(_effort(source, runs, int(trials), int(draws)))
    if not dimensions:
        st.caption("Choose at least one setting.")
    if not dimensions or None in dimensions:
        return None
    return SweepPlan(
        sweeps().store.free_name(source),
        base,
        source,
        tuple(dimension for dimension in dimensions if dimension is not None),
        int(trials),
        float(minutes),
        int(draws),
        int(seed),
        created=time.time(),
    )


def _begin_with(runs: list[Run], chosen: Run | None) -> tuple[str, Config]:
    """A preset or a run: its name, and its settings."""
    presets = {
        name: preset["config"]
        for name, preset in catalog()["presets"].items()
        if preset["config"]["data"]["labels"]["kind"] != "none"
    }
    known = {run.id: run for run in runs[:_RUNS] if _is_known(run)}
    if chosen is not None and _is_known(chosen):
        known = {chosen.id: chosen, **known}
    titles = {name: PRESETS[name].title for name in presets} | run_titles(list(known.values()))
    names = [*presets, *known]
    first = chosen.id if chosen is not None and chosen.id in known else _FIRST
    source: str = st.selectbox(
        "Begin with the settings of",
        names,
        names.index(first),
        format_func=lambda name: titles[name] if name in presets else f"Run: {titles[name]}",
        key=f"tune_source_{first}",
    )
    if source in presets:
        st.caption(escape_markdown(PRESETS[source].summary))
        return source, presets[source]
    return source, {**known[source].config, "name": ""}


def _is_known(run: Run) -> bool:
    """Whether this FewLab has what the run consists of, and a sweep of it could be judged."""
    choices = catalog()
    names = (("methods", "method"), ("datasets", "data"), ("backbones", "backbone"), ("optimizers", "optimizer"))
    return (run.config["data"].get("labels") or {}).get("kind") != "none" and all(
        (run.config.get(part) or {}).get("name") in choices[table] for table, part in names
    )


def _titles(fields: dict[str, Config]) -> dict[str, str]:
    """Settings in plain words, with the part they belong to where two would be called alike."""
    words = {key: label(key.split(".")[-1], field) for key, field in fields.items()}
    alike = [title for title in words.values() if list(words.values()).count(title) > 1]
    where = {key: key.split(".")[1] + " view" if key.startswith("augment.") else key.split(".")[0] for key in fields}
    return {key: f"{title} ({where[key]})" if title in alike else title for key, title in words.items()}


def _dimension(key: str, field: Config, title: str, base: Config, source: str) -> Dimension | None:
    """The range of one setting, as it is typed; the one that is proposed to begin with."""
    try:
        text = proposed(key, field, value_of(base, key)).text()
    except ConfigError:
        text = ""
    typed = st.text_input(
        title,
        text,
        key=f"tune_range_{source}_{key}",
        placeholder="0.1:1",
        help=f"{field.get('description', '')} Now {value_of(base, key)}. {_RANGE}",
    )
    try:
        return parse_dimension(f"{key}={typed}" if typed.strip() else key, base, catalog())
    except FewLabError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return None


def _effort(source: str, runs: list[Run], trials: int, draws: int) -> str:
    """How many runs it is, and how long they take if none is pruned."""
    words = f"At most {formatting.count(trials * draws)} runs, those of poor trials stopped early"
    seconds = next((run.status.seconds for run in runs if run.id == source), 0.0)
    if seconds:
        return f"{words}; if each takes as long as that run: {formatting.duration(seconds * trials * draws)}."
    duration = PRESETS[source].duration if source in PRESETS else ""
    return f"{words}; one run takes {duration}." if duration.startswith("about") else f"{words}."
