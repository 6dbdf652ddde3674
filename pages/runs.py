"""Runs: everything that was trained here; open, resume, rename, delete."""

from __future__ import annotations

import streamlit as st

from ui.run_list.dialogs import confirm_delete_unreadable
from ui.run_list.row import run_row
from ui.run_list.sharing import open_shared_file
from ui.run_list.sweep_groups import sweep_groups
from ui.runs.run_names import accuracy_order, run_name
from ui.shell.page import empty_state, escape_markdown, expander, header, how_it_works
from ui.shell.server import lab, sweeps
from ui.style import formatting

header("Runs", "Everything that was trained here, newest first.")
store = lab().store
_SHOWN = 50  # rows
runs = store.runs()


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def disk_used(of: list[tuple[str, str]]) -> int:
    """Bytes of these runs; counted again when one is added, deleted or ends."""
    return sum(store.open(run_id).size_on_disk() for run_id, _ in of)


if not runs:
    empty_state("No run yet. Start one, and it stays here until you delete it.", ":material/list:")
else:
    search, state, order = st.columns([4, 2, 2])
    words = search.text_input("Search", key="runs_search", placeholder="name, method or data set").lower().split()
    wanted = state.selectbox(
        "State",
        ["all", "finished", "running", "queued", "paused", "stopped", "interrupted", "failed"],
        key="runs_state",
    )
    by = order.selectbox("Sort by", ["newest", "test accuracy", "duration"], key="runs_sort")
    shown = [
        run
        for run in runs
        if wanted in ("all", run.status.state) and all(word in f"{run_name(run)} {run.id}".lower() for word in words)
    ]
    keys = {
        "newest": lambda r: r.id,
        "test accuracy": accuracy_order,
        "duration": lambda r: r.status.seconds,
    }
    shown.sort(key=keys[by], reverse=True)
    shown.sort(key=lambda run: run.status.state != "interrupted")  # interrupted runs stand on top
    st.caption(
        f"{formatting.count(len(runs))} run{'s' if len(runs) > 1 else ''},"
        f" {formatting.size(disk_used([(run.id, run.status.state) for run in runs]))} on disk."
    )
    # Who searches wants the rows.
    rest = shown if words else sweep_groups(shown, sweeps().store.sweeps(), _SHOWN)
    for run in rest[:_SHOWN]:
        run_row(run)
    if len(rest) > _SHOWN:
        st.caption(f"{formatting.count(len(rest) - _SHOWN)} more: search to narrow the list.")
    if not shown:
        st.caption("No run matches.")

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
