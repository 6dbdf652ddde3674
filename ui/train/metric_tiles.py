"""The metrics that sum a run up while it trains, with what changed against the run before."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.analysis.collapse import collapse_warning
from engine.metrics import declaration_of
from ui.runs.metrics import declared_metrics, formatted, formatted_difference
from ui.runs.run_journal import RunJournal
from ui.shell.server import catalog

_TILES = 3
_BETTER: dict[str | None, Any] = {"higher": "normal", "lower": "inverse", None: "off"}


def metric_tiles(journal: RunJournal, ghost: RunJournal | None) -> None:
    """The method's headline metrics; deltas against the ghost at the same step. And the warning of a collapse."""
    run, declared = journal.run, declared_metrics()
    names = catalog()["methods"].get(run.config["method"]["name"], {}).get("headline", ["test/accuracy"])
    for column, name in zip(st.columns(_TILES), names, strict=False):
        metric, value = declaration_of(name, declared), journal.latest(name)
        before = ghost.latest(name, run.status.step) if ghost is not None else None
        delta = formatted_difference(metric, value - before) if value is not None and before is not None else None
        column.metric(
            metric.title, formatted(metric, value), delta, delta_color=_BETTER[metric.better], help=metric.help or None
        )
    spreads, ranks = journal.column("embedding/spread")[1], journal.column("embedding/rank")[1]
    warning = collapse_warning(spreads, ranks) if spreads else None
    if warning:
        st.warning(warning, icon=":material/compress:")
