"""Tables of the chosen runs: settings that differ, final metrics, means over seeds."""

from __future__ import annotations

import statistics
from typing import Any

import streamlit as st

from engine.analysis.compare import differing
from engine.runs.store import Run
from ui.compare.run_groups import as_text, disambiguate, grouped, legend_names, settings
from ui.runs.run_names import run_name
from ui.shell.page import plain
from ui.shell.server import catalog
from ui.style import formatting

FINAL = {
    "test/accuracy": "Test accuracy",
    "test/macro_f1": "Macro F1",
    "test/auc_roc": "AUC-ROC",
    "test/ece": "Calibration error (ECE)",
}
PROBES = {
    f"test/linear_{count}_per_class": f"Linear probe, {count} per class" for count in (1, 5, 10)
}  # shown where a run without labels has them


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
    names = disambiguate([run_name(group[0]) for group in groups], [group[0] for group in groups])
    for name, group in zip(names, groups, strict=True):
        accuracies = [run.status.metrics["test/accuracy"] for run in group]
        if len(group) > 1:
            st.markdown(
                f"**{plain(name)}**: mean {formatting.percent(statistics.mean(accuracies))} over {len(group)} seeds,"
                f" from {formatting.percent(min(accuracies))} to {formatting.percent(max(accuracies))}, standard"
                f" deviation {statistics.stdev(accuracies) * 100:.1f} points."
            )


def catalog_title(run: Run) -> str:
    return str(catalog()["methods"].get(run.config["method"]["name"], {}).get("title", run.config["method"]["name"]))
