"""The benchmark form: several methods on the same images, labels and seeds, queued with one click and watched on one
chart. It begins with the runs that are compared.
"""

from __future__ import annotations

import itertools
from typing import Any

import streamlit as st

from engine.config.overlay import apply_changes
from engine.runs.store import Run
from ui.compare.benchmark_time import benchmark_time
from ui.runs.run_names import run_titles
from ui.shell.page import show_errors
from ui.shell.server import catalog, lab
from ui.style import formatting

Config = dict[str, Any]
_BUDGETS = (1, 2, 4, 5, 10, 25, 100)
_MANY = 60  # runs that one click may start
_WIDTH = 560  # pixels of the form
_STARTED = "compare_races"  # in the session: how many benchmarks, because each closes the form that started it


def benchmark_button(chosen: list[Run], runs: list[Run]) -> list[str] | None:
    """A button that opens the form, which is made only once it is opened. chosen: the runs that are compared; runs: all
    of them. Returns the ids of the runs that it has just started.
    """
    number = st.session_state.get(_STARTED, 0)
    popover = st.popover(
        "Benchmark",
        icon=":material/flag:",
        help="Start several methods on the same labels.",
        width="stretch",
        key=f"compare_race_{number}",
        on_change="rerun",
    )
    if not popover.open:
        return None
    with popover, st.container(width=_WIDTH):
        started = _form(chosen, runs)
    if started:
        st.session_state[_STARTED] = number + 1
    return started


def _form(chosen: list[Run], runs: list[Run]) -> list[str] | None:
    choices = catalog()
    first_ids = [run.id for run in chosen]
    titles = run_titles([*chosen, *(run for run in runs if run.id not in first_ids)])
    base_id = st.selectbox(
        "Images, labels, network and steps as in",
        list(titles),
        format_func=lambda run_id: titles[run_id],
        key=f"race_base_{hash(tuple(first_ids))}",  # another choice of runs begins with its own first one
    )
    base_run = next(run for run in runs if run.id == base_id)
    base = base_run.config
    kind = (base["data"].get("labels") or {}).get("kind")
    if base["data"]["name"] not in choices["datasets"]:
        st.caption("This FewLab does not know the images of that run.")
        return None
    fitting = [
        name
        for name, method in choices["methods"].items()
        if kind in method["supervision"]
        and not method["transfers"]
        and (method["backbones"] is None or base["backbone"]["name"] in method["backbones"])
    ]
    proposed = ("supervised", base["method"]["name"], *(run.config["method"]["name"] for run in chosen))
    first = [name for name in dict.fromkeys(proposed) if name in fitting]
    methods = st.multiselect(
        "Methods",
        fitting,
        first,
        format_func=lambda name: choices["methods"][name]["title"],
        key=f"race_methods_{base_id}_{','.join(first)}",
    )
    left, right = st.columns(2)
    labels: list[int | None] = [None]
    if kind == "few":
        mine = int(base["data"]["labels"]["per_class"])
        labels = list(
            left.multiselect(
                "Labels per class",
                sorted({*_BUDGETS, mine}),
                [mine],
                key=f"race_labels_{base_id}",
                help="Several numbers make a curve of accuracy by labels per class.",
            )
        )
    seeds = int(
        right.segmented_control(
            "Seeds",
            [1, 3, 5],
            default=1,
            key="race_seeds",
            help="Each seed draws other labels, the same for every method.",
        )
        or 1
    )
    wanted = list(itertools.product(labels, range(seeds), methods))
    if not wanted:
        st.caption("Choose at least one method" + (" and one number of labels." if kind == "few" else "."))
        return None
    if len(wanted) > _MANY:
        st.caption(f"{len(wanted)} runs are more than can be started at once; at most {_MANY}.")
        return None
    st.caption("Runs are queued and trained one at a time." + _time([method for *_, method in wanted], base_run, runs))
    if not st.button(
        f"Start {len(wanted)} run{'' if len(wanted) == 1 else 's'}",
        key="race_start",
        type="primary",
        icon=":material/flag:",
    ):
        return None
    with show_errors(), st.spinner("Starting …"):
        configs = [config_of_entry(base, method, count, seed) for count, seed, method in wanted]
        for config in configs:
            lab().check(config)  # all or none
        return [lab().submit(config).id for config in configs]
    return None


def _time(methods: list[str], base: Run, runs: list[Run]) -> str:
    """The second sentence about how long it takes, empty where nothing is known."""
    estimate = benchmark_time(methods, base, runs)
    if estimate is None:
        return ""
    going_by = (
        "going by runs of these methods"
        if estimate.all_known
        else "if methods that have no such run yet take as long as the run above"
    )
    return f" About {formatting.duration(estimate.seconds)} in all, {going_by}."


def config_of_entry(base: Config, method: str, per_class: int | None, seed: int) -> Config:
    """The base's images, network and steps with another method at its own settings, and the draw of labels that
    belongs to the seed.
    """
    config = (
        base
        if method == base["method"]["name"]
        else {
            **catalog()["defaults"][f"{method}/{base['data']['name']}"],
            "data": base["data"],
            "backbone": base["backbone"],
            "budget": base["budget"],
        }
    )
    changes: Config = {"name": "", "seed": base["seed"] + seed}
    if seed:  # the base's own draw of labels is for its own seed
        changes["data.split_seed"] = None
    return apply_changes(config, {**changes, **({"data.labels.per_class": per_class} if per_class is not None else {})})
