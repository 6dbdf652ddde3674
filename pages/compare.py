"""Compare: chosen runs on one chart, the settings in which they differ, their final metrics."""

from __future__ import annotations

from functools import partial

import streamlit as st

from engine.runs.store import Run
from ui.compare.benchmark_form import benchmark_button
from ui.compare.curves import draw_curves
from ui.compare.experiment_guide import experiment_guide
from ui.compare.run_choice import choose_runs, pick_runs, say_what_is_gone
from ui.compare.run_groups import as_csv
from ui.compare.settings_view import label_budgets, many_settings
from ui.compare.tables import differing_settings, final_metrics, means_over_seeds
from ui.report.report import report
from ui.runs.run_colors import color_chips
from ui.runs.run_names import run_name
from ui.shell.page import empty_state, escape_markdown, guarded_fragment, header, how_it_works, redraw_page
from ui.shell.server import lab

header("Compare", "Put runs side by side: what differs in their settings, and their results.")


def progress(runs: list[Run]) -> None:
    running = next((run for run in runs if run.status.state == "running"), None)
    queued = sum(run.status.state == "queued" for run in runs)
    if running is None:
        st.progress(0.0, text=f"{queued} in the queue")
        return
    more = f", {queued} more in the queue" if queued else ""
    share = running.status.step / max(1, running.status.steps)
    st.progress(share, text=f"Training {escape_markdown(run_name(running))}{more}")


def live_curves(shown: list[Run]) -> None:
    """The curves, again and again while one of the runs is active."""
    ids, states = [run.id for run in shown], [run.status.state for run in shown]
    is_active = any(run.status.active for run in shown)

    def live() -> None:
        runs = sorted((run for run in lab().store.runs() if run.id in ids), key=lambda run: ids.index(run.id))
        if [run.status.state for run in runs] != states:
            redraw_page()  # the tables below show what has ended
        if is_active:
            progress(runs)
        draw_curves(runs)

    guarded_fragment(live, 2.0 if is_active else None)()


# Those that have only just been queued have no curve yet, but a benchmark is watched from its start.
runs = {run.id: run for run in lab().store.runs() if run.folder.metrics_file.exists() or run.status.active}
say_what_is_gone(runs)
if not runs:
    empty_state(
        "compare",
        "Nothing to compare yet. Start two runs, for example FixMatch and its supervised baseline, and put them side"
        " by side here.",
    )
else:
    picker, buttons = st.columns([5, 2], vertical_alignment="bottom", gap="small")
    toolbar = buttons.container(horizontal=True, gap="small")
    chosen = pick_runs(runs, picker, toolbar)
    color_chips(chosen)
    with toolbar:
        started = benchmark_button(chosen, list(runs.values()))
    if started:
        choose_runs(started)
        st.rerun()
    if not chosen:
        st.info("Choose at least one run above.")
    else:
        experiment_guide(chosen)
        live_curves(chosen)
        st.subheader("Final metrics", anchor=False)
        st.caption(
            "EMA weights on the test set after the last step; not used for model selection. Choose a row to open its"
            " run."
        )
        final_metrics(chosen)
        means_over_seeds(chosen)
        label_budgets(chosen)
        differing_settings(chosen)
        many_settings(chosen)
        with st.container(horizontal=True):
            st.download_button(
                "Download as CSV",
                as_csv(chosen),
                "fewlab-runs.csv",
                "text/csv",
                key="compare_csv",
                icon=":material/download:",
            )
            st.download_button(
                "Report",
                partial(report, chosen),
                "fewlab-report.html",
                "text/html",
                key="compare_report",
                on_click="ignore",
                icon=":material/description:",
                help="One HTML file with measurements, figures, images and settings of these runs, to read and send.",
            )

how_it_works(
    "Two runs are a fair comparison when they differ in one setting and share seed, labels and steps: the order of"
    " images and their augmentations are then the same, too.",
    "With few labels, the draw of labels changes accuracy by many points: compare means over several seeds, not single"
    " runs.",
)
