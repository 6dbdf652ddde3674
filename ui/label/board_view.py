"""The images to be labeled next, in the order of a strategy, and what was said of them, written to the log."""

from __future__ import annotations

from typing import Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.labeling.suggestions import WHY, Strategy, Suggestion
from engine.data.labels.labeling import Labeling, Standing
from engine.errors import LabelError
from ui.components.label_board import BoardClass, BoardImage, Sent, label_board, shown
from ui.label.image_choice import OpenSet
from ui.runs.label_group import take_group
from ui.shell.page import escape_markdown
from ui.style import colors, formatting

_NEXT, _IN_A_GROUP = 40, 24
_ORDERS: dict[str, Strategy] = {
    "what teaches most": "auto",
    "typical of a group": "typical",
    "spread over all": "spread",
    "least sure": "margin",
    "the rarest class": "rare",
    "doubtful labels": "doubtful",
    "at random": "random",
}
_GROUP = "label_group"  # in the session: the images of a group that was asked for, by name
_ACKNOWLEDGED, _ERROR = "label_acknowledged", "label_error"


def show_group(opened: OpenSet, rows: list[int]) -> None:
    """Show these images together on the board, to be labeled at once."""
    st.session_state[_GROUP] = (opened.key, rows)


def board_view(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment."""
    labeling = opened.labeling
    if handed_over := [labeling.position[name] for name in take_group(opened.folder) if name in labeling.position]:
        show_group(opened, handed_over)
    group = st.session_state.get(_GROUP)
    rows: list[int] | None = group[1] if group is not None and group[0] == opened.key else None
    order, mode = _toolbar(labeling, rows is not None)
    queue = (
        labeling.queue(standing, _NEXT if mode == "one" else _IN_A_GROUP, _ORDERS[order])
        if rows is None
        else [Suggestion(row, "") for row in rows]
    )
    images = [_board_image(opened.key, labeling, standing, suggestion) for suggestion in queue]
    counts = standing.counts

    def show_similar(name: str) -> None:
        if not labeling.has_features:
            st.toast("Images like this one are found once the features are there.", icon=":material/hourglass:")
        elif name in labeling.position:
            show_group(opened, labeling.nearest(labeling.position[name], _IN_A_GROUP))

    label_board(
        images,
        [
            BoardClass(name, counts[k], colors.css_color(colors.class_color(k)))
            for k, name in enumerate(standing.classes)
        ],
        of=opened.folder.name,
        mode="grid" if rows is not None or mode == "many" else "one",
        acknowledged=st.session_state.setdefault(_ACKNOWLEDGED, {}),
        on_sent=lambda sent: _write(labeling, sent),
        on_pause=labeling.catch_up if standing.is_behind else None,
        on_similar=show_similar,
        key=f"label_board_{opened.folder.name}",
    )
    if error := st.session_state.pop(_ERROR, None):
        st.error(escape_markdown(error), icon=":material/error:")


def _toolbar(labeling: Labeling, is_group: bool) -> tuple[str, Literal["one", "many"]]:
    left, right = st.columns([3, 1], vertical_alignment="center")
    if is_group:
        left.markdown("**A group**: select what belongs to one class, then press its key.")
        right.button(
            "Back to the queue",
            key="label_ungroup",
            icon=":material/arrow_back:",
            width="stretch",
            on_click=lambda: st.session_state.pop(_GROUP, None),
        )
        return next(iter(_ORDERS)), "many"
    orders = list(_ORDERS) if labeling.has_features else ["at random"]
    order = left.selectbox(
        "Next comes",
        orders,
        key="label_order" if labeling.has_features else "label_order_random",
        format_func=lambda order: f"Next: {order}",
        label_visibility="collapsed",
    )
    mode = right.segmented_control(
        "At once", ["one", "many"], default="one", key="label_mode", label_visibility="collapsed"
    )
    return order, "many" if mode == "many" else "one"


@st.cache_data(max_entries=2_000, show_spinner=False)
def _shown(key: str, row: int, _images: NDArray[np.uint8]) -> str:
    """Of photos the encoding takes longer than all the rest, and most images in a queue were in the one before."""
    return shown(_images[row])


def _board_image(key: str, labeling: Labeling, standing: Standing, suggestion: Suggestion) -> BoardImage:
    row, head = suggestion.row, standing.head
    label = int(standing.labels[row])
    prediction = sure = ""
    if head is not None and len(standing.classes) > 1:
        best = int(head.predictions[row])
        prediction, sure = standing.classes[best], formatting.percent(float(head.probabilities[row, best]))
    return BoardImage(
        labeling.names[row],
        _shown(key, row, labeling.images.images),
        prediction,
        sure,
        WHY.get(suggestion.strategy, ""),
        standing.classes[label] if label >= 0 else None,
    )


def _write(labeling: Labeling, sent: list[Sent]) -> None:
    acknowledged = st.session_state.setdefault(_ACKNOWLEDGED, {})
    try:
        for one in sent:
            acknowledged[one.tab] = labeling.log.append(one.tab, one.first, one.records)
    except LabelError as error:
        st.session_state[_ERROR] = str(error)
