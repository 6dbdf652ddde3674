"""Compare: chosen runs on one chart, the settings in which they differ, their final figures."""

from __future__ import annotations

import statistics
from typing import Any

import streamlit as st

from engine.analysis.compare import budget_curve, differing, over_seeds, without_budget
from engine.runs.store import Run
from ui.compare.benchmark_form import race
from ui.compare.run_groups import as_csv, as_text, grouped, journal, legend_names, settings, told_apart
from ui.components.live_figure import live_figure
from ui.figures.compare import label_budget_curves, parallel_coordinates, run_dash, seed_bands
from ui.figures.curves import Series, line_chart
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import folded, header, how_it_works, nothing_yet, plain
from ui.shell.server import catalog, lab
from ui.style import colors, formatting

header("Compare", "Put runs side by side: what differs in their settings, and what came of it.")
_AXES = 8  # settings that parallel coordinates show side by side
# Those that have only just been queued have no curve yet, but a race is watched from its start.
runs = {run.id: run for run in lab().store.runs() if run.folder.metrics_file.exists() or run.status.active}
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
FINAL = {
    "test/accuracy": "Test accuracy",
    "test/macro_f1": "Macro F1",
    "test/auc_roc": "AUC-ROC",
    "test/ece": "Calibration error (ECE)",
}
PROBES = {
    f"test/linear_{count}_per_class": f"Linear probe, {count} per class" for count in (1, 5, 10)
}  # shown where a run without labels has them


def default_choice() -> list[str]:
    asked = [run_id for run_id in st.query_params.get_all("runs") if run_id in runs]
    kept = [run_id for run_id in st.session_state.get("compare_chosen", []) if run_id in runs]
    linked = st.query_params.get("run")  # from a page that looks at one run
    if not asked and linked in runs:
        return [linked, *(run_id for run_id in kept or list(runs)[:2] if run_id != linked)]
    return asked or kept or list(runs)[:2]


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
        titles = told_apart([run_name(group[0]) for group in ended], [group[0] for group in ended])
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


def table(rows: list[dict[str, Any]]) -> None:
    """Shares stay numbers, so that a click on their heading sorts them."""
    shares = {
        title: st.column_config.NumberColumn(
            title, format="%.3f" if title == FINAL["test/auc_roc"] else formatting.PERCENT_COLUMN
        )
        for title in (*FINAL.values(), *PROBES.values())
    }
    st.dataframe(rows, hide_index=True, width="stretch", column_config=shares, placeholder=formatting.NOTHING)


def differences(chosen: list[Run]) -> None:
    st.subheader("What differs", anchor=False)
    rows, names = differing([settings(run) for run in chosen]), legend_names(chosen)
    if not rows:
        st.caption("These runs have the same settings.")
        return
    table(
        [
            {"setting": key, **{names[run.id]: as_text(value) for run, value in zip(chosen, values, strict=True)}}
            for key, values in rows.items()
        ]
    )


def final_rows(chosen: list[Run]) -> list[dict[str, Any]]:
    rows, names = [], legend_names(chosen)
    columns = FINAL | {
        name: title for name, title in PROBES.items() if any(name in run.status.metrics for run in chosen)
    }
    for run in chosen:
        metrics = run.status.metrics
        rows.append(
            {
                "run": names[run.id],
                "state": run.status.state,
                **{
                    title: metrics.get(name) if name == "test/auc_roc" or name not in metrics else 100 * metrics[name]
                    for name, title in columns.items()
                },
                "training time": formatting.duration(run.status.seconds),
            }
        )
    return rows


def spread(chosen: list[Run]) -> None:
    """Mean and range of finished runs that differ only in their seed: one run alone says little."""
    groups = grouped(
        [run for run in chosen if run.status.state == "finished" and "test/accuracy" in run.status.metrics]
    )
    names = told_apart([run_name(group[0]) for group in groups], [group[0] for group in groups])
    for name, group in zip(names, groups, strict=True):
        accuracies = [run.status.metrics["test/accuracy"] for run in group]
        if len(group) > 1:
            st.markdown(
                f"**{plain(name)}**: mean {formatting.percent(statistics.mean(accuracies))} over {len(group)} seeds,"
                f" from {formatting.percent(min(accuracies))} to {formatting.percent(max(accuracies))}, standard"
                f" deviation {statistics.stdev(accuracies) * 100:.1f} points."
            )


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
    names = told_apart(
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


def catalog_title(run: Run) -> str:
    return str(catalog()["methods"].get(run.config["method"]["name"], {}).get("title", run.config["method"]["name"]))


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


if not runs:
    nothing_yet(
        "Nothing to compare yet. Start two runs, for example FixMatch and the labels alone, and put them side by side"
        " here.",
        ":material/compare_arrows:",
    )
else:
    choice = default_choice()
    method, data = st.columns(2)
    wanted = [
        place.selectbox(
            title,
            ["all", *sorted({run.config[part]["name"] for run in runs.values()})],
            format_func=lambda name: str(name).replace("_", " "),
            key=f"compare_{part}",
        )
        for place, part, title in ((method, "method", "Method"), (data, "data", "Data set"))
    ]
    offered = [
        i
        for i, run in runs.items()
        if i in choice
        or all(want in ("all", run.config[part]["name"]) for want, part in zip(wanted, ("method", "data"), strict=True))
    ]
    titles = run_titles([runs[run_id] for run_id in offered])
    # A choice is known by its text, and that changes when a run ends: then the widget is another one, which begins with
    # what was chosen.
    place = f"compare_runs_{st.session_state.get('compare_generation', 0)}_{hash(tuple(titles.values()))}"
    picked = st.multiselect("Runs, newest first", offered, choice, format_func=lambda run_id: titles[run_id], key=place)
    st.session_state["compare_chosen"] = picked
    if st.query_params.get_all("runs") != picked:
        st.query_params["runs"] = picked
    chosen = [runs[run_id] for run_id in picked]
    if not chosen:
        st.info("Choose at least one run above.")
    else:
        watched = [run.id for run in chosen]
        active = any(run.status.active for run in chosen)

        @st.fragment(run_every=2.0 if active else None)
        def live() -> None:
            now = [run for run in lab().store.runs() if run.id in watched]
            if [run.status.state for run in sorted(now, key=lambda run: watched.index(run.id))] != [
                run.status.state for run in chosen
            ]:
                st.rerun()  # the whole page: the tables below show what has ended
            now.sort(key=lambda run: watched.index(run.id))
            if active:
                trains = next((run for run in now if run.status.state == "running"), None)
                waiting = sum(run.status.state == "queued" for run in now)
                st.progress(
                    trains.status.step / max(1, trains.status.steps) if trains else 0.0,
                    text=(
                        f"{plain(run_name(trains))} trains" + (f", {waiting} more wait" if waiting else "")
                        if trains
                        else f"{waiting} wait"
                    ),
                )
            draw_curves(now)

        live()
        st.subheader("Final figures", anchor=False)
        st.caption("Averaged weights on the test images, after the last step; nothing was chosen by them.")
        table(final_rows(chosen))
        spread(chosen)
        label_budgets(chosen)
        differences(chosen)
        many_settings(chosen)
        st.download_button(
            "Download as CSV",
            as_csv(chosen),
            "fewlab-runs.csv",
            "text/csv",
            key="compare_csv",
            icon=":material/download:",
        )
    if (
        more := folded("Race: start several methods on the same labels", "compare_race", icon=":material/flag:")
    ) is not None:
        with more:
            started = race(list(runs.values()))
        if started:
            st.session_state["compare_chosen"] = started
            st.query_params["runs"] = started
            st.session_state["compare_generation"] = st.session_state.get("compare_generation", 0) + 1
            st.rerun()

how_it_works(
    "Two runs are a fair pair when they differ in one setting and share seed, labels and steps: the order of images"
    " and their views then agree too.",
    "With few labels, the draw of labels moves accuracy by many points: compare means over several seeds, not single"
    " runs.",
)
