"""The benchmark form: several methods on the same images, labels and seeds, queued with one click and watched on one
chart.
"""

from __future__ import annotations

import itertools
from typing import Any

import streamlit as st

from engine.config.overlay import apply_changes
from engine.runs.store import Run
from ui.runs.run_names import run_titles
from ui.shell.page import show_errors
from ui.shell.server import catalog, lab
from ui.style import formatting

Config = dict[str, Any]
_BUDGETS = (1, 2, 4, 5, 10, 25, 100)
_MANY = 60  # runs that one click may start


def benchmark_form(runs: list[Run]) -> list[str] | None:
    """Returns the ids of the runs that it has just started."""
    choices = catalog()
    titles = run_titles(runs)
    base_id = st.selectbox(
        "Images, labels, network and steps as in",
        list(titles),
        format_func=lambda run_id: titles[run_id],
        key="race_base",
    )
    base = next(run for run in runs if run.id == base_id).config
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
    first = [name for name in dict.fromkeys(("supervised", base["method"]["name"])) if name in fitting]
    left, middle, right = st.columns([3, 2, 2])
    methods = left.multiselect(
        "Methods",
        fitting,
        first,
        format_func=lambda name: choices["methods"][name]["title"],
        key=f"race_methods_{base_id}",
    )
    labels: list[int | None] = [None]
    if kind == "few":
        mine = int(base["data"]["labels"]["per_class"])
        labels = list(
            middle.multiselect(
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
    seconds = next(run for run in runs if run.id == base_id).status.seconds
    total = f" If each takes as long as that run: {formatting.duration(seconds * len(wanted))} in all."
    st.caption("Runs are queued and trained one at a time." + (total if seconds else ""))
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
