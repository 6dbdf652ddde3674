"""What the labels so far are worth: accuracy with its interval, the curve so far, and what stands in doubt."""

from __future__ import annotations

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.labeling.label_head import Outlook
from engine.data.labels.labeling import Standing
from ui.label.board_view import show_group
from ui.label.image_choice import OpenSet
from ui.runs.counted_images import metric_of_images
from ui.style import formatting

_TOGETHER = 48  # images on the board


def standing_view(opened: OpenSet, standing: Standing) -> None:
    """Inside a fragment."""
    total = len(opened.labeling.names)
    labeled = opened.labeling.labeled(standing)
    of_all = f"Of {formatting.count(total)} images."
    _counted(opened, "Labels", formatting.count(len(labeled)), labeled, "Labeled last", key="label_labels", help=of_all)
    if standing.accuracy is None:
        st.caption(_what_is_missing(opened, standing))
        return
    accuracy = standing.accuracy
    of = "held-back images" if standing.is_held_back else "labels, each left out once"
    _counted(
        opened,
        "Accuracy",
        formatting.percent(accuracy.accuracy),
        standing.mistakes,
        "Answered wrongly, the most confident first",
        key="label_accuracy",
        help=(
            "Of a linear head on pretrained features. Held-back images were drawn at random and are never trained on."
            if standing.is_held_back
            else "Of a linear head on pretrained features, by cross-validation over the labels. Images that were chosen"
            " because they are difficult make it lower than it is on all images: hold a test set back to know."
        ),
    )
    st.caption(
        f"{formatting.count(accuracy.right)} of {formatting.count(accuracy.total)} {of};"
        f" 95 % interval {formatting.percent(accuracy.low)} to {formatting.percent(accuracy.high)}."
    )
    if accuracy.accuracy <= standing.largest:
        st.warning(
            f"No better than always answering the most frequent class ({formatting.percent(standing.largest)} of the"
            " labels).",
            icon=":material/trending_flat:",
        )
    _outlook(opened.labeling.outlook())
    found = opened.labeling.suspects(standing)
    if len(found) and st.button(
        f"Look wrong: {formatting.count(len(found))}",
        key="label_suspects",
        icon=":material/flag:",
        width="stretch",
        help="Labels that a head trained on all others contradicts.",
    ):
        _show(opened, found, "Contradicted by a head trained on all other labels")


def _counted(
    opened: OpenSet, label: str, value: str, rows: NDArray[np.int64], about: str, *, key: str, help: str
) -> None:
    """A metric that opens the images behind it, of an accuracy those that were wrong, if there are any."""
    if not len(rows):
        st.metric(label, value, help=help)
    elif metric_of_images(label, value, key, help=help):
        _show(opened, rows, about)


def _show(opened: OpenSet, rows: NDArray[np.int64], about: str) -> None:
    """The first of them, on the board."""
    count = formatting.count(len(rows))
    some = f"the first {_TOGETHER} of {count}" if len(rows) > _TOGETHER else count
    show_group(opened, [int(row) for row in rows[:_TOGETHER]], f"{about}: {some}")
    st.rerun(scope="fragment")


def _what_is_missing(opened: OpenSet, standing: Standing) -> str:
    if not opened.labeling.has_features:
        return "What the labels are worth is shown here when the features are there."
    if len(standing.classes) < 2:
        return "Name at least two classes, and label two images of each."
    return "After two labels in each of two classes, accuracy is shown here."


def _outlook(found: Outlook) -> None:
    if found.more is None:
        return
    now = found.accuracies[-1]
    st.caption(
        "Accuracy by number of labels: "
        + ", ".join(
            f"{formatting.count(count)}: {formatting.percent(accuracy)}"
            for count, accuracy in zip(found.labels, found.accuracies, strict=True)
        )
        + f". Ten more may bring {formatting.points(max(0.0, found.more - now))}."
    )
