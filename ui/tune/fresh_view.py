"""Whether a gain holds: the best settings against those the sweep began with, on draws of labels that no trial saw."""

from __future__ import annotations

import streamlit as st

from engine.tuning.sweep_folder import SweepFolder, SweepStatus
from engine.tuning.sweep_plan import SweepPlan
from engine.tuning.verdict import Verdict, verdict
from ui.runs.current_run import open_comparison
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import sweeps
from ui.style import formatting

SEEDS = 5


def fresh_seeds(sweep: SweepFolder, plan: SweepPlan, status: SweepStatus) -> None:
    """The button, and what came of it so far."""
    st.subheader("On new draws of labels", anchor=False)
    best = status.best(1)
    is_busy = sweep.shown_state() in ("running", "waiting") or sweep.is_leaving()
    is_own = bool(best) and best[0].values == plan.own_values()
    if st.button(
        f"Run the best with {SEEDS} new seeds",
        key="tune_fresh",
        type="primary" if best and not is_busy else "secondary",
        icon=":material/verified:",
        disabled=is_busy or not best or is_own,
        help="Trains the best settings and those the sweep began with on draws of labels that no trial has seen, and"
        " compares their test accuracies.",
    ):
        with show_errors():
            sweeps().test_on_new_seeds(sweep, SEEDS)
            st.rerun()
    if is_own and not is_busy:
        st.caption("No trial is better than the settings that the sweep began with, so there is nothing to test.")
    judged = None if status.fresh is None else verdict(status.fresh)
    if status.fresh is None or judged is None:
        st.caption("Test accuracy on labels that no trial has seen tells what the best settings gain.")
        return
    st.markdown(
        f"Best settings (trial {status.fresh.trial}): **{_mean(judged.best, judged.best_spread)}**  \n"
        f"Settings it began with: **{_mean(judged.own, judged.own_spread)}**"
    )
    _sentence(judged, len(asked.seeds) if (asked := sweep.fresh_plan()) is not None else 0)
    runs = [draw.run for draw in (*status.fresh.best, *status.fresh.own)]
    if st.button("Compare these runs", key="tune_fresh_compare", icon=":material/compare_arrows:"):
        open_comparison(runs)


def _mean(mean: float, spread: float | None) -> str:
    return formatting.percent(mean) if spread is None else f"{mean * 100:.1f} ± {spread * 100:.1f} %"


def _sentence(judged: Verdict, asked: int) -> None:
    so_far = f"After {judged.draws} of {asked} draws: " if judged.draws < asked else ""
    is_clear = judged.best_spread is not None and judged.gain >= max(judged.best_spread, judged.own_spread or 0.0) > 0
    show = st.success if is_clear else st.info
    show(escape_markdown(so_far + judged.sentence), icon=":material/balance:")
