"""Runs: everything that was trained here; open, resume, rename, delete."""

from __future__ import annotations

import streamlit as st

from engine.runs.folder import RESUMABLE
from engine.runs.store import Run
from ui.runs.current_run import GHOST, forget_run, open_page
from ui.runs.run_names import automatic_name, run_name
from ui.shell.page import header, how_it_works, mistakes, nothing_yet, plain
from ui.shell.server import lab
from ui.style import formatting
from ui.train.form import prefill

header("Runs", "Everything that was trained here, newest first.")
store = lab().store
runs = store.runs()


@st.dialog("Delete this run?")
def confirm_delete(run: Run) -> None:
    st.markdown(
        f"**{plain(run_name(run))}** and its {formatting.size(run.folder.size_on_disk())} of curves, snapshots and"
        " weights will be gone for good."
    )
    yes, no = st.columns(2)
    if yes.button("Delete it", type="primary", key="runs_delete_yes", width="stretch"):
        with mistakes():
            lab().delete(run.id)
            if st.session_state.get("current_run") == run.id:
                forget_run()
            st.rerun()
    if no.button("Keep it", key="runs_delete_no", width="stretch"):
        st.rerun()


@st.dialog("Delete this folder?")
def confirm_delete_unreadable(run_id: str) -> None:
    st.markdown(
        f"{plain(run_id)} cannot be opened here. If a newer FewLab wrote it, that one can; once deleted it is gone for"
        " good."
    )
    if st.button("Delete it", type="primary", key="runs_delete_unreadable_yes"):
        with mistakes():
            lab().delete(run_id)
            st.rerun()


@st.dialog("Rename this run")
def rename(run: Run) -> None:
    name = st.text_input("Name", run.config.get("name", ""), max_chars=200, key="runs_new_name")
    if st.button("Rename", type="primary", key="runs_rename_yes"):
        with mistakes():
            store.rename(run.id, name.strip())
            st.rerun()


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def disk_used(of: list[tuple[str, str]]) -> int:
    """Bytes of these runs; counted again when one is added, deleted or ends."""
    return sum(store.open(run_id).size_on_disk() for run_id, _ in of)


def settings_line(run: Run) -> str:
    seed = f"seed {run.config['seed']}"
    return f"{automatic_name(run.config)} · {seed}" if run.name else seed


def line(run: Run) -> None:
    status = run.status
    with st.container(border=True):
        about, figures, actions = st.columns([4, 3, 4], vertical_alignment="center")
        about.markdown(f"**{plain(run_name(run))}**  \n{plain(settings_line(run))}")
        accuracy = formatting.percent(status.metrics.get("test/accuracy")) if status.metrics else "–"
        figures.markdown(
            f"{accuracy} · {status.state}  \n{formatting.duration(status.seconds)} · {formatting.date(run.created)}"
        )
        if status.reason and status.state in ("failed", "interrupted", "finished"):
            about.caption(plain(status.reason))
        with actions, st.container(horizontal=True):
            if st.button("Open", key=f"runs_open_{run.id}"):
                open_page("pages/train.py", run.id)
            if (
                status.state in RESUMABLE
                and run.id != lab().current
                and st.button("Resume", key=f"runs_resume_{run.id}")
            ):
                with mistakes():
                    lab().resume(run.id)
                    open_page("pages/train.py", run.id)
            if status.state == "queued":
                if st.button("Up", key=f"runs_up_{run.id}", icon=":material/arrow_upward:"):
                    with mistakes():
                        lab().move(run.id, -1)
                        st.rerun()
                if st.button("Cancel", key=f"runs_cancel_{run.id}"):
                    with mistakes():
                        lab().command(run.id, "stop")
                        st.rerun()
            if st.button("Retrain", key=f"runs_retrain_{run.id}"):
                prefill(run.config)
                st.session_state[GHOST] = run.id
                open_page("pages/train.py", run.id)
            with st.popover("More", key=f"runs_more_{run.id}"):
                more(run)


def more(run: Run) -> None:
    """What is asked for seldom: rename, export, delete."""
    if st.button("Rename", key=f"runs_rename_{run.id}", width="stretch"):
        rename(run)
    st.download_button(
        "Export",
        run.folder.as_zip,
        f"{run.id}.zip",
        "application/zip",
        key=f"runs_export_{run.id}",
        on_click="ignore",
        width="stretch",
    )
    if st.button(
        "Delete", key=f"runs_delete_{run.id}", disabled=run.status.state in ("running", "paused"), width="stretch"
    ):
        confirm_delete(run)


if not runs:
    nothing_yet("No run yet. Start one, and it stays here until you delete it.", ":material/list:")
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
        "test accuracy": lambda r: r.status.metrics.get("test/accuracy", -1),
        "duration": lambda r: r.status.seconds,
    }
    shown.sort(key=keys[by], reverse=True)
    shown.sort(key=lambda run: run.status.state != "interrupted")  # what was cut off stands on top
    st.caption(
        f"{formatting.count(len(runs))} run{'s' if len(runs) > 1 else ''},"
        f" {formatting.size(disk_used([(run.id, run.status.state) for run in runs]))} on disk."
    )
    for found in shown[:50]:
        line(found)
    if len(shown) > 50:
        st.caption(f"{formatting.count(len(shown) - 50)} more: search to narrow them down.")
    if not shown:
        st.caption("No run matches.")

for folder, sentence in store.unreadable():
    left, right = st.columns([8, 2], vertical_alignment="center")
    left.warning(plain(sentence))
    if right.button("Delete", key=f"runs_delete_{folder.id}"):
        confirm_delete_unreadable(folder.id)

how_it_works(
    "Every run is a folder of plain files: its settings, the journal of its curves, snapshots of each evaluation, and"
    " the model. Nothing leaves this machine.",
    "Export gives that folder as a zip. Unpacked into the checkpoints folder of another FewLab, the run opens there"
    " with its curves, its images aside.",
)
