"""The confusion matrix, the images behind a cell, the most confident errors, and the metrics of each class."""

from __future__ import annotations

import streamlit as st

from engine.analysis.evaluated_run import EvaluatedRun, Predictions
from engine.analysis.metrics import confusion
from ui.components.live_figure import live_figure
from ui.errors.confusions import (
    cell_reader,
    errors_of,
    errors_of_class,
    images_of_cell,
    most_frequent_confusion,
    per_class_rows,
)
from ui.errors.image_browser import gallery_items, image_browser
from ui.figures.classification import CELLS_UP_TO, confusion_matrix
from ui.runs.image_panel import show_images
from ui.shell.page import escape_markdown, redraw_part
from ui.shell.remembered import read_query_param, remember, remembered, set_query_param
from ui.style import formatting


def pick_numbers(run: EvaluatedRun) -> bool:
    """Whether the cells say shares of the true class, not counts; False where there are too many cells for numbers."""
    if len(run.class_names) > CELLS_UP_TO:
        return False
    words = {False: "counts", True: "shares of the true class"}
    return bool(
        st.segmented_control(
            "Numbers in the cells",
            list(words),
            default=False,
            format_func=lambda choice: words[choice],
            key="errors_shares",
        )
    )


def confusion_matrix_view(run: EvaluatedRun, predictions: Predictions, shares: bool, page: str) -> None:
    """The matrix, and beside it accuracy and the images of the chosen cell, at first of the most frequent confusion.
    shares: the cells say shares of the true class, not counts.
    """
    counts = confusion(predictions.probabilities, predictions.true_labels)
    classes, state_key = len(run.class_names), f"errors_cell_{run.id}"
    read_query_param("cell", state_key, run.id, cell_reader(classes))
    left, right = st.columns([3, 2])
    with left:
        chosen: tuple[int, int] | None = remembered(state_key, None)
        clicked = live_figure(
            confusion_matrix(counts, run.class_names, shares=shares, chosen=chosen or most_frequent_confusion(counts)),
            key="errors_matrix",
            revision=run.id,
            height=460 if classes <= CELLS_UP_TO else 640,
            clickable=True,
        )
        if clicked is not None and clicked["customdata"]:
            remember(state_key, (int(clicked["customdata"][0]), int(clicked["customdata"][1])))
            redraw_part()  # so that the cell is marked
    with right:
        correct = int((predictions.labels == predictions.true_labels).sum())
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(
                f"Accuracy **{formatting.percent(correct / len(predictions))}**: {formatting.count(correct)} of"
                f" {formatting.count(len(predictions))} {predictions.part} images",
                width="content",
            )
            wrong = len(predictions) - correct
            if wrong and st.button(
                f"{formatting.count(wrong)} error{'' if wrong == 1 else 's'}", key="errors_all", type="tertiary"
            ):
                title = f"Misclassified {predictions.part} images"
                show_images(run, title, gallery_items(predictions, errors_of(predictions)), page)
        set_query_param("cell", chosen)
        cell = chosen or most_frequent_confusion(counts)
        if cell is None:
            st.success("No errors on these images.", icon=":material/check:")
            return
        true, predicted = cell
        positions = images_of_cell(predictions, cell)
        outcome = (
            "correctly classified"
            if true == predicted
            else f"predicted as {escape_markdown(run.class_names[predicted])}"
        )
        st.markdown(
            f"**{len(positions)} of {counts[true].sum()} images of class {escape_markdown(run.class_names[true])}"
            f" {outcome}**"
        )
        if chosen is None:
            st.caption("Most frequent confusion; click a cell to see its images.")
        image_browser(run, gallery_items(predictions, positions), "cell", page)


def most_confident_errors(run: EvaluatedRun, predictions: Predictions, page: str) -> None:
    images = gallery_items(predictions, errors_of(predictions))
    if images:  # that there is none is said beside the matrix
        st.subheader("Most confident errors", anchor=False)
        image_browser(run, images, "worst", page)


def per_class_metrics(run: EvaluatedRun, predictions: Predictions, page: str) -> None:
    """The metrics of each class; a chosen row shows the images of that class that were missed or mistaken for it."""
    st.subheader("Per-class metrics", anchor=False)
    shares = {
        name: st.column_config.NumberColumn(name, format=formatting.PERCENT_COLUMN)
        for name in ("precision", "recall", "F1")
    }
    rows = per_class_rows(predictions, run.class_names)
    table = st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        column_config=shares,
        placeholder=formatting.NOTHING,
        on_select="rerun",
        selection_mode="single-row",
        key=f"errors_classes_{run.id}_{predictions.part}",
    )
    chosen = table.selection.rows
    if not chosen:
        st.caption("Choose a class to see its errors.")
        return
    images = gallery_items(predictions, errors_of_class(predictions, chosen[0]))
    st.markdown(f"**Missed, or mistaken for {escape_markdown(run.class_names[chosen[0]])}**")
    if images:
        image_browser(run, images, "class", page)
    else:
        st.caption("None.")
