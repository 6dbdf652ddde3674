"""Predictions as cards with bars, or as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from engine.analysis.certainty import LIKELY, Certainty, conformal_of
from engine.analysis.conformal import COVERAGES, USUAL, Conformal, labels_needed
from engine.lab.prediction_messages import Predictions
from engine.runs.store import Run
from engine.runs.stored_images import StoredImages, stored_images_of
from ui.components.gallery import GalleryItem, gallery, image_uri, png_uri
from ui.figures.probability_bars import probability_bars
from ui.predict.marked_part import File, marked_parts, named, part_frame
from ui.predict.verdicts import Judged, as_csv, judge, note, verdict
from ui.predict.where_it_looks import where_it_looks
from ui.runs.image_panel import stored_image_panel
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


@st.cache_data(max_entries=16, show_spinner=False)
def _conformal(run: str, written: int, _run: Run) -> Conformal | None:
    return conformal_of(_run.folder)


def coverage_choice(run: Run) -> float:
    """The coverage of the prediction sets, of those that the model can promise."""
    certainty = Certainty(_conformal(run.id, run.folder.model_file.stat().st_mtime_ns, run))
    offered = certainty.coverages
    if not offered:
        st.caption(
            f"Saying whether an answer is sure needs at least {labels_needed(COVERAGES[0])} labeled validation images;"
            f" this run has {certainty.labels}."
        )
        return USUAL
    chosen: float | None = st.segmented_control(
        "Coverage",
        offered,
        default=USUAL if USUAL in offered else offered[-1],
        format_func=lambda coverage: f"{coverage:.0%}".replace("%", " %"),
        key="predict_coverage",
        help=(
            "How often the true class is among the possible ones, for images like those of this data set. More coverage"
            f" means more classes and fewer sure answers. From {formatting.count(certainty.labels)} labeled validation"
            " images, by split conformal prediction."
        ),
    )
    return chosen or (USUAL if USUAL in offered else offered[-1])


def prediction_view(predictions: Predictions, run: Run, coverage: float, files: Sequence[File] = ()) -> None:
    """Cards or a table, and the download. files: those of the images, where a part of each may be marked."""
    names, certainty = predictions.class_names, predictions.certainty
    parts = marked_parts(files) or (None,) * len(predictions.images)
    images = [named(one, part) for one, part in zip(predictions.images, parts, strict=True)]
    judged = [judge(one, certainty, coverage, names) for one in images]
    if len(judged) <= CARDS:
        columns = st.columns(2 if len(judged) > 1 else 1)
        stored = stored_images_of(run.folder)
        for number, one in enumerate(judged):
            with columns[number % len(columns)]:
                prediction_card(one, number, certainty, coverage, stored, run, files[number] if files else None)
    else:
        st.dataframe([_row(one) for one in judged], hide_index=True, width="stretch")
    st.download_button(
        "Download as CSV",
        as_csv(judged, names, coverage if certainty.coverages else None),
        "fewlab-predictions.csv",
        "text/csv",
        key="predict_csv",
        icon=":material/download:",
    )
    if predictions.temperature is not None:
        st.caption(
            f"Probabilities are calibrated with the temperature {predictions.temperature:.2f}, fitted on validation"
            " images."
        )


def prediction_card(
    judged: Judged,
    number: int,
    certainty: Certainty,
    coverage: float,
    stored: StoredImages | None,
    run: Run,
    file: File | None,
    *,
    is_in_panel: bool = False,
) -> None:
    """One answer with its reasons. number: of the card on the page. stored: the run's own images. file: where a part of
    it may be marked. is_in_panel: from a panel no other opens.
    """
    prediction = judged.prediction
    is_part = file is not None and marked_parts([file]) != (None,)
    with st.container(border=True):
        if prediction.error or prediction.seen is None:
            st.error(escape_markdown(prediction.error or ""), icon=":material/broken_image:")
            if file is not None and is_part:  # another part of it may do
                part_frame(file, number)
            return
        _, height, width = prediction.seen.shape
        size = f"{width}x{height} px" + (", inverted" if prediction.inverted else "")
        size += ", cropped" if prediction.cropped else ""
        items = [GalleryItem(1, image_uri(prediction.seen), ("network input", size))]
        if prediction.thumbnail is not None:
            caption = "marked part" if is_part else "your image"
            items.insert(0, GalleryItem(0, png_uri(prediction.thumbnail), (caption, prediction.name)))
        st.markdown(f"#### {verdict(judged)}")
        explains = st.session_state.get(f"predict_explain_{number}", False)
        looks = where_it_looks(run, prediction) if explains else None
        gallery([*items, *filter(None, [looks])], key=f"predict_seen_{number}", thumb=84, is_clickable=False)
        _nearest(judged, stored, number, opens=not is_in_panel)
        with st.container(horizontal=True):
            st.toggle(
                "Where does it look?",
                key=f"predict_explain_{number}",
                help="Covers one part of the image after another. Orange: without this part the model is less sure of"
                " its answer; blue: it would be more sure.",
            )
            is_cropping = file is not None and st.toggle(
                "Crop",
                key=f"predict_crop_{number}",
                help="Mark the part of the image that shows the thing: the model then answers on that part alone.",
            )
        if file is not None and is_cropping:
            part_frame(file, number)
        if explains and looks is None:
            st.caption("No single part matters: with any of them covered, the answer keeps its probability.")
        cutoff = certainty.conformal.cutoffs.get(coverage) if certainty.conformal else None
        threshold = LIKELY if cutoff is None else cutoff
        st.caption(
            f"Class probabilities, the line: {'uncertain below' if cutoff is None else 'possible from'}"
            f" {formatting.percent(threshold)}"
        )
        st.html(probability_bars(list(judged.class_names), prediction.probabilities, decision_threshold=threshold))


def _nearest(judged: Judged, stored: StoredImages | None, number: int, opens: bool) -> None:
    """The nearest labeled images as the reason for the answer, where they can be shown; one that is clicked opens, if
    any does.
    """
    items = []
    for sample, distance in judged.prediction.neighbors:
        if stored is None or not stored.has(np.array([sample])).all():
            continue
        row = int(stored.rows(np.array([sample]))[0])
        label = int(stored.labels[row])
        name = stored.class_names[label] if label >= 0 else stored.file_name(sample) or f"image {sample}"
        items.append(GalleryItem(sample, image_uri(np.asarray(stored.images[row])), (name, f"cos {1 - distance:.2f}")))
    if stored is None or not items:
        return
    st.markdown("**Nearest labeled images**, in the network's features")
    place = f"predict_nearest_{number}"
    clicked = gallery(items, key=place if opens else f"{place}_still", thumb=56, is_clickable=opens)
    if opens:
        stored_image_panel(stored, clicked, place)


def _row(judged: Judged) -> dict[str, str]:
    prediction = judged.prediction
    best, probability = ("", None) if prediction.error else prediction.top[0]
    return {
        "image": prediction.name,
        "prediction": best,
        "probability": "" if probability is None else formatting.percent(probability),
        "note": note(judged),
        "nearest labeled image": prediction.nearest_name,
    }
