"""Predictions as cards with bars, or as a table."""

from __future__ import annotations

import streamlit as st

from engine.lab.messages import ImagePrediction, Predictions
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.figures.classification import probability_bars
from ui.predict.verdicts import DECISION_THRESHOLD, as_csv, note, verdict
from ui.shell.page import escape_markdown
from ui.style import formatting

AUTOMATIC, AS_IT_IS = "automatic", "unchanged"
CARDS = 6  # up to so many images have a card each; more become a table


def fit_choice() -> None:
    """Whether images are cropped to what they show, and inverted, before the network sees them."""
    st.segmented_control(
        "Fit",
        [AUTOMATIC, AS_IT_IS],
        default=AUTOMATIC,
        key="predict_fit",
        help=(
            "automatic: cropped to the figure and drawn as bright, wide and large as those of the data set. unchanged:"
            " the whole image, unchanged but for its size."
        ),
    )


def prediction_view(predictions: Predictions) -> None:
    """Cards or a table, and the download."""
    images = predictions.images
    if predictions.temperature is not None:
        st.caption(
            f"Probabilities are calibrated with the temperature {predictions.temperature:.2f}, fitted on validation"
            " images."
        )
    if len(images) <= CARDS:
        columns = st.columns(2 if len(images) > 1 else 1)
        for number, prediction in enumerate(images):
            with columns[number % len(columns)]:
                _card(prediction, number, predictions.class_names)
    else:
        st.dataframe([_row(prediction) for prediction in images], hide_index=True, width="stretch")
    st.download_button(
        "Download as CSV",
        as_csv(images, predictions.class_names),
        "fewlab-predictions.csv",
        "text/csv",
        key="predict_csv",
        icon=":material/download:",
    )


def _card(prediction: ImagePrediction, number: int, class_names: list[str]) -> None:
    with st.container(border=True):
        if prediction.error or prediction.seen is None:
            st.error(escape_markdown(prediction.error or ""), icon=":material/broken_image:")
            return
        left, right = st.columns([1, 2])
        with left:
            if prediction.thumbnail is not None:
                st.image(prediction.thumbnail, width=112, caption=escape_markdown(prediction.name[:60]))
            _, height, width = prediction.seen.shape
            size = f"{width}x{height} px" + (", inverted" if prediction.inverted else "")
            size += ", cropped" if prediction.cropped else ""
            item = GalleryItem(0, image_uri(prediction.seen), ("network input", size))
            gallery([item], key=f"predict_seen_{number}", thumb=112)
        with right:
            st.markdown(verdict(prediction))
            live_figure(
                probability_bars(class_names, prediction.probabilities, decision_threshold=DECISION_THRESHOLD),
                key=f"predict_bars_{number}",
                revision=prediction.name,
                height=200,
            )


def _row(prediction: ImagePrediction) -> dict[str, str]:
    best, probability = ("", "") if prediction.error else prediction.top[0]
    return {
        "image": prediction.name,
        "prediction": best,
        "probability": formatting.percent(probability) if isinstance(probability, float) else "",
        "note": note(prediction),
    }
