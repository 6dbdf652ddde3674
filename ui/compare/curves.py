"""Curves of the chosen runs, and their accuracy against labels and settings."""

from __future__ import annotations

import streamlit as st

from engine.analysis.compare import budget_curve, differing, over_seeds, without_budget
from engine.runs.store import Run
from ui.compare.run_groups import disambiguate, grouped, journal, legend_names, settings
from ui.compare.tables import catalog_title
from ui.components.live_figure import live_figure
from ui.figures.compare import label_budget_curves, parallel_coordinates, run_dash, seed_bands
from ui.figures.curves import Series, line_chart
from ui.runs.run_names import run_name
from ui.shell.page import plain
from ui.style import colors

_AXES = 8  # settings that parallel coordinates show side by side
CURVES = {
    "test/accuracy": "Test accuracy",
    "validation/accuracy": "Validation accuracy",
    "loss/labeled": "Loss, labeled",
    "loss/unlabeled": "Loss, unlabeled",
    "mask_rate": "Pseudo-labels used",
    "pseudo_label/accuracy": "Pseudo-labels right",
    "candidates/identified": "True candidate on top",
    "candidates/ambiguity": "Ambiguity left",
    "test/knn_1_per_class": "1-NN, 1 label per class",
    "test/knn_5_per_class": "1-NN, 5 labels per class",
}


def draw_curves(chosen: list[Run]) -> None:
    journals = {run.id: journal(run) for run in chosen}
    there = {name for rows in journals.values() for row in rows for name in row}
    # Before the first evaluation of a race, too: the curve that is waited for.
    offered = [
        name
        for name in CURVES
        if name in there or (name == "test/accuracy" and not any(one.startswith("test/") for one in there))
    ]
    name = (
        st.segmented_control(
            "Curve", offered, default=offered[0], format_func=lambda curve: CURVES[curve], key="compare_curve"
        )
        or offered[0]
    )
    values = {i: {row["step"]: row[name] for row in rows if row.get(name) is not None} for i, rows in journals.items()}
    drawn = [run for run in chosen if values[run.id]]
    names = legend_names(chosen)
    groups = grouped(drawn)
    together = len(groups) < len(drawn) and st.toggle(
        "Over seeds",
        True,
        key="compare_seeds",
        help=(
            "One curve for runs that differ in their seed alone: their mean, and the range between the lowest and the"
            " highest."
        ),
    )
    share = not name.startswith("loss")
    title, y_title = f"{CURVES[name]} over the run", "share" if share else "loss (nats)"
    if together:
        # A run that is still on its way would cut its whole group's band off where it is now.
        ended = [[run for run in group if not run.status.active] or group for group in groups]
        titles = disambiguate([run_name(group[0]) for group in ended], [group[0] for group in ended])
        named = [
            (title_, over_seeds([values[run.id] for run in group])) for title_, group in zip(titles, ended, strict=True)
        ]
        figure = seed_bands(title, named, percent=share, y_title=y_title)
        if waiting := sum(run.status.active for run in drawn) - sum(
            run.status.active for group in ended for run in group
        ):
            st.caption(f"{waiting} run{' joins its' if waiting == 1 else 's join their'} band when finished.")
    else:
        series = [
            Series(
                names[run.id],
                list(values[run.id]),
                list(values[run.id].values()),
                colors.class_color(number),
                run_dash(number),
            )
            for number, run in enumerate(chosen)
            if values[run.id]
        ]
        figure = line_chart(title, y_title, series, percent=share)
    live_figure(
        figure, key="compare_curves", revision=f"{name} {together} " + ",".join(run.id for run in chosen), height=420
    )
    empty = [names[run.id] for run in chosen if not values[run.id] and not run.status.active]
    if empty:
        st.caption("No such curve: " + ", ".join(plain(title) for title in empty))


def label_budgets(chosen: list[Run]) -> None:
    """Accuracy against labels per class, once there are two numbers of them to draw a line between."""
    groups: dict[str, list[Run]] = {}
    for run in chosen:
        if (
            run.status.state == "finished"
            and "test/accuracy" in run.status.metrics
            and "per_class" in (run.config["data"].get("labels") or {})
        ):
            groups.setdefault(without_budget(settings(run)), []).append(run)
    firsts = [group[0] for group in groups.values()]
    names = disambiguate(
        [catalog_title(run) for run in firsts], firsts, alike=("seed", "data.split_seed", "data.labels.per_class")
    )
    points_of = [
        budget_curve(
            [(run.config["data"]["labels"]["per_class"], run.status.metrics["test/accuracy"]) for run in group]
        )
        for group in groups.values()
    ]
    curves = list(zip(names, points_of, strict=True))
    if any(len(points) > 1 for _, points in curves):
        live_figure(
            label_budget_curves("What more labels are worth", curves),
            key="compare_budgets",
            revision="budgets",
            height=360,
        )


def many_settings(chosen: list[Run]) -> None:
    """Parallel coordinates over the settings in which at least three finished runs differ."""
    ended = [run for run in chosen if run.status.state == "finished" and "test/accuracy" in run.status.metrics]
    rows = (
        {
            key: values
            for key, values in differing([run.config for run in ended]).items()
            if not any(isinstance(value, (list, dict)) for value in values)
        }
        if len(ended) > 2
        else {}
    )
    if rows:
        shown = list(rows.items())[:_AXES]
        figure = parallel_coordinates(
            "Which settings lead where: each line is a run",
            shown,
            [run.status.metrics["test/accuracy"] for run in ended],
        )
        live_figure(
            figure, key="compare_parallel", revision="parallel " + ",".join(run.id for run in ended), height=380
        )
        if len(rows) > _AXES:
            st.caption(f"The first {_AXES} of {len(rows)} settings that differ.")
