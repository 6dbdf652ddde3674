"""The metrics that sum a run up while it trains, with what changed against the run before."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.analysis.collapse import collapse_warning
from engine.metrics import declaration_of
from engine.runs.store import Run
from ui.runs.counted_images import metric_of_images, show_predicted
from ui.runs.metrics import declared_metrics, difference_from, formatted
from ui.runs.run_bar import open_run
from ui.runs.run_journal import RunJournal
from ui.shell.server import catalog
from ui.style import formatting
from ui.train.latest_evaluation import latest_evaluation

_TILES = 3
_BETTER: dict[str | None, Any] = {"higher": "normal", "lower": "inverse", None: "off"}


_PARTS = {"test/accuracy": "test", "validation/accuracy": "validation"}
_PSEUDO = "pseudo_label/accuracy"
_MASK = "mask_rate"


def metric_tiles(journal: RunJournal, ghost: RunJournal | None, page: str) -> None:
    """The method's headline metrics; deltas against the ghost at the same step. An accuracy opens the errors behind it,
    the mask rate what it let through. And the warning of a collapse.
    """
    run, declared = journal.run, declared_metrics()
    names = catalog()["methods"].get(run.config["method"]["name"], {}).get("headline", ["test/accuracy"])
    for column, name in zip(st.columns(_TILES), names, strict=False):
        metric, value = declaration_of(name, declared), journal.latest(name)
        before = ghost.latest(name, run.status.step) if ghost is not None else None
        delta = difference_from(metric, value, before) if value is not None and before is not None else None
        is_same = delta is not None and delta.startswith("±")  # neither better nor worse
        tile: dict[str, Any] = {
            "label": metric.title,
            "value": formatted(metric, value),
            "delta": delta,
            "delta_color": "off" if is_same else _BETTER[metric.better],
            "delta_arrow": "off" if is_same else "auto",
            "help": metric.help or None,
        }
        with column:
            if name not in (*_PARTS, _PSEUDO, _MASK) or value is None:
                st.metric(**tile)
            elif metric_of_images(**tile, key=f"{page}_{name.replace('/', '_')}"):
                _show_images(run, name, page)
    spreads, ranks = journal.column("embedding/spread")[1], journal.column("embedding/rank")[1]
    warning = collapse_warning(spreads, ranks) if spreads else None
    if warning:
        st.warning(warning, icon=":material/compress:")


def _show_images(run: Run, name: str, page: str) -> None:
    """Those of the newest evaluation, if there is one by now."""
    latest = latest_evaluation(run)
    if latest is None:
        return
    evaluated, after = open_run(run), f"after step {formatting.count(latest.step)}"
    if name in _PARTS:
        predicted = evaluated.predictions(latest.step, _PARTS[name]).as_pseudo_labels()
        show_predicted(evaluated, f"Misclassified {_PARTS[name]} images {after}", predicted, predicted.incorrect, page)
    elif "pseudo_ids" in latest.arrays:
        predicted, used = latest.pseudo_labels(), latest.arrays["pseudo_weight"] > 0
        kind, among = (
            ("Incorrect pseudo-labels", used & predicted.incorrect) if name == _PSEUDO else ("Pseudo-labels used", used)
        )
        show_predicted(evaluated, f"{kind} in the last batches, {after}", predicted, among, page)
