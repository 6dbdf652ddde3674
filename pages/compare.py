"""Compare: chosen runs on one chart, the settings in which they differ, their final figures."""

from __future__ import annotations

import csv
import io
import statistics
from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.compare import differing, without_seeds
from engine.runs.store import Run
from ui import figures, theme
from ui.figures import Series
from ui.live_figure import live_figure
from ui.names import run_name, run_title
from ui.page import header, how_it_works, nothing_yet, plain
from ui.server import lab

header("Compare", "Put runs side by side: what differs in their settings, and what came of it.")
runs = {run.id: run for run in lab().store.runs() if run.folder.metrics_file.exists()}
_DASHES: tuple[theme.Dash, ...] = ("solid", "dash", "dot", "dashdot")
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
FINAL = {"test/accuracy": "Test accuracy", "test/macro_f1": "Macro F1", "test/auc_roc": "AUC-ROC", "test/ece": "Calibration error (ECE)"}
PROBES = {f"test/linear_{count}_per_class": f"Linear probe, {count} per class" for count in (1, 5, 10)}  # shown where a run without labels has them


def default_choice() -> list[str]:
    asked = [run_id for run_id in st.query_params.get_all("runs") if run_id in runs]
    kept = [run_id for run_id in st.session_state.get("compare_chosen", []) if run_id in runs]
    return asked or kept or list(runs)[:2]


def draw_curves(chosen: list[Run]) -> None:
    journals = [run.folder.metrics() for run in chosen]
    there = {name for rows in journals for row in rows for name in row}
    offered = [name for name in CURVES if name in there] or ["test/accuracy"]
    name = st.segmented_control("Curve", offered, default=offered[0], format_func=lambda curve: CURVES[curve], key="compare_curve") or offered[0]
    series = []
    for number, (run, journal) in enumerate(zip(chosen, journals, strict=True)):
        rows = [row for row in journal if row.get(name) is not None]
        title = f"{run_name(run)} · seed {run.config['seed']}"
        series.append(Series(title, [row["step"] for row in rows], [row[name] for row in rows], theme.class_color(number), _DASHES[number // 10 % 4]))
    share = not name.startswith("loss")
    drawn = [s for s in series if np.size(s.x)]
    empty = [s.name for s in series if not np.size(s.x)]
    figure = figures.curves(f"{CURVES[name]} over the run", "share" if share else "loss (nats)", drawn, percent=share)
    live_figure(figure, key="compare_curves", revision=name + ",".join(run.id for run in chosen), height=420)
    if empty:
        st.caption("No such curve: " + ", ".join(plain(title) for title in empty))


def table(rows: list[dict[str, Any]]) -> None:
    st.dataframe(rows, hide_index=True, width="stretch")


def settings(run: Run) -> dict[str, Any]:
    """The run's config, and what was changed while it trained: such a run is no repetition of one that was left alone."""
    changes = [f"{change.key} = {change.value} at step {change.step}" for change in run.folder.changes()]
    return {**run.config, **({"changed while it trained": changes} if changes else {})}


def differences(chosen: list[Run]) -> None:
    st.subheader("What differs", anchor=False)
    rows = differing([settings(run) for run in chosen])
    if not rows:
        st.caption("These runs have the same settings.")
        return
    table([{"setting": key, **{f"{n + 1} · {run_name(run)}": _shown(value) for n, (run, value) in enumerate(zip(chosen, values, strict=True))}} for key, values in rows.items()])


def _shown(value: Any) -> str:
    return theme.NOTHING if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def final_rows(chosen: list[Run]) -> list[dict[str, Any]]:
    rows = []
    columns = FINAL | {name: title for name, title in PROBES.items() if any(name in run.status.metrics for run in chosen)}
    for run in chosen:
        metrics = run.status.metrics
        rows.append(
            {
                "run": run_name(run),
                "seed": run.config["seed"],
                "state": run.status.state,
                **{title: _figure(name, metrics.get(name)) for name, title in columns.items()},
                "training time": theme.duration(run.status.seconds),
            }
        )
    return rows


def _figure(name: str, value: float | None) -> str:
    return (f"{value:.3f}" if value is not None else theme.NOTHING) if name == "test/auc_roc" else theme.percent(value)


def spread(chosen: list[Run]) -> None:
    """Mean and range of finished runs that differ only in their seed: one run alone says little. A repeated seed counts once."""
    groups: dict[str, dict[tuple[int, int], Run]] = {}
    for run in chosen:
        if run.status.state == "finished" and "test/accuracy" in run.status.metrics:
            seeds = (run.config["seed"], run.config["data"].get("split_seed"))
            groups.setdefault(without_seeds(settings(run)), {})[seeds] = run
    for group in (list(found.values()) for found in groups.values()):
        accuracies = [run.status.metrics["test/accuracy"] for run in group]
        if len(group) > 1:
            st.markdown(
                f"**{plain(run_name(group[0]))}**: mean {theme.percent(statistics.mean(accuracies))} over {len(group)} seeds, "
                f"from {theme.percent(min(accuracies))} to {theme.percent(max(accuracies))}, standard deviation {statistics.stdev(accuracies) * 100:.1f} points."
            )


def as_csv(chosen: list[Run]) -> str:
    names = sorted({name for run in chosen for name in run.status.metrics})
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["run", "name", "seed", "state", "seconds", *names])
    for run in chosen:
        writer.writerow([run.id, run_name(run), run.config["seed"], run.status.state, run.status.seconds, *(run.status.metrics.get(name, "") for name in names)])
    return out.getvalue()


if not runs:
    nothing_yet("Nothing to compare yet. Start two runs, for example FixMatch and the labels alone, and put them side by side here.", ":material/compare_arrows:")
else:
    choice = default_choice()
    method, data = st.columns(2)
    wanted = [
        place.selectbox(title, ["all", *sorted({run.config[part]["name"] for run in runs.values()})], format_func=lambda name: str(name).replace("_", " "), key=f"compare_{part}")
        for place, part, title in ((method, "method", "Method"), (data, "data", "Data set"))
    ]
    offered = [i for i, run in runs.items() if i in choice or all(want in ("all", run.config[part]["name"]) for want, part in zip(wanted, ("method", "data"), strict=True))]
    picked = st.multiselect("Runs, newest first", offered, choice, format_func=lambda run_id: run_title(runs[run_id]), key="compare_runs")
    st.session_state["compare_chosen"] = picked
    if st.query_params.get_all("runs") != picked:
        st.query_params["runs"] = picked
    chosen = [runs[run_id] for run_id in picked]
    if not chosen:
        st.info("Choose at least one run above.")
    else:
        draw_curves(chosen)
        st.subheader("Final figures", anchor=False)
        st.caption("Averaged weights on the test pictures, after the last step; nothing was chosen by them.")
        table(final_rows(chosen))
        spread(chosen)
        differences(chosen)
        st.download_button("Download as CSV", as_csv(chosen), "fewlab-runs.csv", "text/csv", key="compare_csv", icon=":material/download:")

how_it_works(
    "Two runs are a fair pair when they differ in one setting and share seed, labels and steps: the order of pictures and their views then agree too.",
    "With few labels, the draw of labels moves accuracy by many points: compare means over several seeds, not single runs.",
)
