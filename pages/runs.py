"""Runs: everything that was trained here; open, resume, rename, delete."""

from __future__ import annotations

import streamlit as st

from ui.run_list.actions import actions
from ui.run_list.dialogs import confirm_delete_unreadable
from ui.run_list.run_table import disk_used, run_table, searched_text
from ui.run_list.sharing import open_shared_file
from ui.run_list.sweep_groups import sweep_groups
from ui.run_list.unfinished import UNFINISHED, unfinished_runs
from ui.runs.run_names import accuracy_order
from ui.runs.sweep_runs import without_sweeps
from ui.shell.page import empty_state, escape_markdown, expander, header, how_it_works
from ui.shell.server import lab, sweeps
from ui.style import formatting

header("Runs", "Everything that was trained here, newest first.")
store = lab().store
_SHOWN = 200  # rows
runs = store.runs()


if not runs:
    empty_state("runs", "No run yet. Start one, and it stays here until you delete it.")
else:
    tags = sorted({tag for run in runs for tag in run.notes.tags}, key=str.lower)
    search, state, order, *filters = st.container(key="controls_runs").columns([4, 2, 2, 3] if tags else [4, 2, 2])
    typed = search.text_input("Search", key="runs_search", placeholder="name, method, data set, tag or note")
    words = typed.lower().split()
    wanted = state.selectbox(
        "State",
        ["all", "finished", "running", "queued", "paused", "stopped", "interrupted", "failed"],
        key="runs_state",
    )
    by = order.selectbox("Sort by", ["newest", "test accuracy", "duration"], key="runs_sort")
    tagged = set(filters[0].multiselect("Tags", tags, key="runs_tags", placeholder="all")) if filters else set()
    shown = [
        run
        for run in runs
        if wanted in ("all", run.status.state)
        and tagged <= set(run.notes.tags)
        and all(word in searched_text(run) for word in words)
    ]
    keys = {
        "newest": lambda r: r.id,
        "test accuracy": accuracy_order,
        "duration": lambda r: r.status.seconds,
    }
    shown.sort(key=keys[by], reverse=True)
    unfinished_runs([run for run in shown if run.status.state in UNFINISHED])
    ended = [run for run in shown if not run.status.active]
    # Who searches wants the rows, also those of a sweep.
    all_sweeps = sweeps().store.sweeps()
    alone = ended if words or tagged else without_sweeps(ended, all_sweeps)
    if alone:
        line = st.container()
        chosen = run_table(alone[:_SHOWN], "runs_table", runs)
        with line:
            actions(chosen, "runs")
    if not (words or tagged):
        sweep_groups(ended, all_sweeps, runs)
    on_disk = formatting.size(sum(disk_used(run.id, run.status.state) for run in runs))
    said = f"{formatting.count(len(runs))} run{'s' if len(runs) > 1 else ''}, {on_disk} on disk."
    if len(alone) > _SHOWN:
        said += f" {formatting.count(len(alone) - _SHOWN)} more than are listed: search to narrow the list."
    st.caption(said if shown else f"No run matches. {said}")

for folder, sentence in store.unreadable():
    left, right = st.columns([8, 2], vertical_alignment="center")
    left.warning(escape_markdown(sentence))
    if right.button("Delete", key=f"runs_delete_{folder.id}", disabled=not lab().may_delete):
        confirm_delete_unreadable(folder.id)

if (more := expander("Open runs of another FewLab", "runs_opening", icon=":material/file_open:")) is not None:
    with more:
        open_shared_file()

how_it_works(
    "Every run is a folder of plain files: its settings, the journal of its curves, a snapshot of each evaluation, and"
    " the model. Nothing leaves this machine.",
    "Share makes one file that another FewLab opens below its list of runs, after checking each part of it. Export"
    " gives the whole folder as a zip, with what resuming needs.",
)
