"""The images to be labeled next, in the order of a strategy, and what was said of them, written to the log."""

from __future__ import annotations

from uuid import uuid4

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

_NEXT, _ALIKE = 40, 24
_ORDERS: dict[str, Strategy] = {
    "what teaches most": "auto",
    "typical of a group": "typical",
    "spread over all": "spread",
    "least sure": "margin",
    "the rarest class": "rare",
    "doubtful labels": "doubtful",
    "at random": "random",
}
_GROUP = "label_group"  # in the session: the images of a group that was asked for, its name, and what they are
_ACKNOWLEDGED, _ERROR = "label_acknowledged", "label_error"


def show_group(opened: OpenSet, rows: list[int], about: str = "") -> None:
    """Show these images together on the board, to be labeled at once. about: what they are, in words."""
    st.session_state[_GROUP] = (opened.key, rows, uuid4().hex, about)


def board_view(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment."""
    labeling = opened.labeling
    if handed_over := [labeling.position[name] for name in take_group(opened.folder) if name in labeling.position]:
        show_group(opened, handed_over)
    of, rows, group, about = st.session_state.get(_GROUP, ("", [], "", ""))
    is_group = of == opened.key
    order = _order(labeling)
    queue = labeling.queue(standing, _NEXT, _ORDERS[order]) if not is_group else [Suggestion(row, "") for row in rows]
    images = [_board_image(opened.key, labeling, standing, suggestion) for suggestion in queue]
    counts = standing.counts

    def show_similar(name: str) -> None:
        if not labeling.has_features:
            st.toast("Images like this one are found once the features are there.", icon=":material/hourglass:")
        elif name in labeling.position:
            show_group(opened, labeling.nearest(labeling.position[name], _ALIKE))

    label_board(
        images,
        [
            BoardClass(name, counts[k], colors.css_color(colors.class_color(k)))
            for k, name in enumerate(standing.classes)
        ],
        of=opened.folder.name,
        order=order if labeling.has_features else "",
        group=group if is_group else "",
        about=about,
        acknowledged=st.session_state.setdefault(_ACKNOWLEDGED, {}),
        on_sent=lambda sent: _write(labeling, sent),
        on_pause=labeling.catch_up if standing.is_behind else None,
        on_similar=show_similar,
        on_leave=lambda: st.session_state.pop(_GROUP, None),
        key=f"label_board_{opened.folder.name}",
    )
    if error := st.session_state.pop(_ERROR, None):
        st.error(escape_markdown(error), icon=":material/error:")


def _order(labeling: Labeling) -> str:
    order: str = st.selectbox(
        "Next comes",
        list(_ORDERS) if labeling.has_features else ["at random"],
        key="label_order" if labeling.has_features else "label_order_random",
        format_func=lambda order: f"Next: {order}",
        label_visibility="collapsed",
    )
    return order


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
