"""Which run stands behind the one shown: chosen, named and dismissed in the line of the run's name."""

from __future__ import annotations

import streamlit as st

from engine.runs.store import Run
from ui.figures.frame import unique_names
from ui.runs.ghost import NOTHING, choose_ghost, ghost_name, ghost_of, like_runs
from ui.runs.run_names import headline_accuracy
from ui.shell.page import escape_markdown
from ui.style import formatting


def ghost_choice(run: Run) -> None:
    """Nothing where no other run answers the same question."""
    others = like_runs(run)
    if not others:
        return
    ghost = ghost_of(run)
    titles = _titles(others, run)
    chosen = NOTHING if ghost is None or ghost.id not in titles else ghost.id
    key = f"train_ghost_{run.id}_{chosen}"

    def choose() -> None:
        choose_ghost(st.session_state[key])

    label = "Compare with …" if ghost is None else f"Compared with {escape_markdown(ghost_name(ghost, run))}"
    with st.popover(label, type="tertiary", key="train_compare_with", icon=":material/line_style:"):
        st.selectbox(
            "Compare with",
            [NOTHING, *titles],
            index=[NOTHING, *titles].index(chosen),
            format_func=lambda run_id: titles.get(run_id, "nothing"),
            key=key,
            on_change=choose,
            help="Its curves are dotted behind this run's, and the small numbers say what differs at the same step."
            " Offered are runs on the same images whose numbers answer the same question.",
        )


def _titles(others: list[Run], run: Run) -> dict[str, str]:
    """By run id: first what distinguishes it, because the rest of a long line is cut off."""
    titles = [
        " · ".join([ghost_name(one, run), headline_accuracy(one) or one.status.state, formatting.date(one.created)])
        for one in others
    ]
    return dict(zip([one.id for one in others], unique_names(titles), strict=True))
