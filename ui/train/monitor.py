"""A run as it trains, looked at again and again until it ends."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from ui.runs.ghost import ghost_of
from ui.runs.run_journal import RunJournal
from ui.runs.told import told
from ui.shell.page import escape_markdown, guarded_fragment, redraw_page, show_errors
from ui.shell.server import lab
from ui.train.evaluation_view import evaluation_galleries
from ui.train.metric_curves import metric_curves
from ui.train.metric_tiles import metric_tiles
from ui.train.probe_bars import probe_bars
from ui.train.progress_view import polling_interval, progress

_KEY = "train"


def monitor(shown: Run) -> None:
    """Progress, headline metrics, curves, and what the newest evaluation shows; polls while the run is active."""
    interval = polling_interval(shown)

    def live() -> None:
        run = lab().store.run(shown.id)
        with show_errors():  # an error must not keep the page from following a run that has ended
            _draw(run)
        if polling_interval(run) != interval or run.status.state != shown.status.state:
            redraw_page()

    guarded_fragment(live, interval)()


def _draw(run: Run) -> None:
    before = ghost_of(run)
    journal, ghost = RunJournal.read(run), RunJournal.read(before) if before is not None else None
    progress(run.status, told(run))
    if run.status.active and journal.refused:
        st.warning(escape_markdown(journal.refused), icon=":material/block:")
    metric_tiles(journal, ghost, _KEY)
    metric_curves(journal, ghost, _KEY)
    probe_bars(run, _KEY)
    evaluation_galleries(run, _KEY)
