"""Predict: the user's own images, the camera's, or samples of the test set, classified by a trained run."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.images.decode import LARGEST_FILE, readable_formats
from engine.images.part import Part
from engine.lab.prediction_messages import Predict, Predictions, PredictSamples
from engine.runs.store import Run
from engine.runs.stored_images import stored_images_of
from ui.components.drawing_pad import drawing_pad
from ui.predict.folder_view import folder_view
from ui.predict.marked_part import File, marked_parts
from ui.predict.prediction_view import AS_IT_IS, CARDS, coverage_choice, fit_choice, prediction_view
from ui.runs.current_run import pick_run
from ui.runs.export_dialog import export_dialog
from ui.runs.run_names import headline_accuracy
from ui.shell.page import empty_state, header, how_it_works, show_errors
from ui.shell.server import lab
from ui.style import formatting

header("Predict", "Classify images with a trained model.")
_PAD = "a drawing"
_MINUTES = 2  # for which one upload may keep the page waiting


@st.cache_data(max_entries=8, show_spinner="Classifying …")
def _predictions(
    run: str, written: int, files: tuple[File, ...], as_it_is: bool, parts: tuple[Part | None, ...]
) -> Predictions:
    """`written`: when the model was, because a resumed run writes another one."""
    return lab().assistant.ask(Predict(run, files, as_it_is, parts), timeout=60 * _MINUTES)


def uploads(run: Run, files: list[Any], coverage: float) -> None:
    classify(run, tuple((file.name, file.getvalue()) for file in files), coverage, can_crop=len(files) <= CARDS)


def classify(run: Run, files: tuple[File, ...], coverage: float, can_crop: bool = False) -> None:
    """can_crop: whether parts may be marked; more files than have cards are asked about as a whole."""
    written = run.folder.model_file.stat().st_mtime_ns
    as_it_is = st.session_state.get("predict_fit") == AS_IT_IS
    parts = marked_parts(files) if can_crop else ()
    predictions = _predictions(str(run.folder.path), written, files, as_it_is, parts)
    if predictions.fits_figures:
        fit_choice()
    prediction_view(predictions, run, coverage, files if can_crop else ())


def is_drawn(run: Run) -> bool:
    """Whether its images have one channel, as digits, letters and doodles have: such can be drawn."""
    stored = stored_images_of(run.folder)
    return stored is not None and stored.images.shape[1] == 1


def drawn(run: Run, coverage: float) -> None:
    """The pad, and beside it the answer, anew after every stroke."""
    pad, answer = st.columns([2, 5], gap="medium")
    with pad:
        drawing = drawing_pad(key="predict_pad")
    with answer:
        if drawing is None:
            st.caption("Draw something that the model knows: it answers after every stroke.")
        else:
            classify(run, (("drawing.png", drawing),), coverage)


def samples(run: Run, coverage: float) -> None:
    if st.button("Other images", key="predict_more", icon=":material/shuffle:"):
        st.session_state["predict_draw"] = st.session_state.get("predict_draw", 0) + 1
    draw = st.session_state.get("predict_draw", 0)
    request = PredictSamples(str(run.folder.path), run.folder.content_hash() or "", CARDS, draw)
    prediction_view(lab().assistant.ask(request), run, coverage)


trained = [run for run in lab().store.runs() if run.folder.model_file.exists()]
run = pick_run(trained, "Model", "has no model: one is saved when a run finishes or is stopped")
if not trained:
    empty_state(
        "predict",
        "No trained model yet. A run saves its model when it finishes or is stopped; then it can classify your images"
        " here.",
    )
elif run is not None:
    said, along = st.columns([5, 2], vertical_alignment="center")
    if along.button("Take the model along", key="predict_export", icon=":material/deployed_code:", width="stretch"):
        export_dialog(run)
    said.caption(
        f"Test accuracy {headline_accuracy(run) or formatting.NOTHING}, trained {formatting.date(run.created)}."
    )
    left, right = st.columns([3, 2])
    sources = ["my files", "a folder", "camera", "the test set"]
    usual = sources[0]
    if is_drawn(run):
        sources.insert(0, _PAD)
        usual = _PAD if run.config["data"]["name"] != "folder" else usual  # own photos may be grey, too
    source = left.segmented_control("Images from", sources, default=usual, key="predict_source") or usual
    with right:
        coverage = coverage_choice(run)
    with show_errors():
        if source == _PAD:
            drawn(run, coverage)
        elif source == "a folder":
            folder_view(run, coverage)
        elif source == "my files":
            files = st.file_uploader(
                f"Images ({readable_formats()})",
                accept_multiple_files=True,
                max_upload_size=LARGEST_FILE // 1_000_000,
                key="predict_files",
            )
            if files:
                uploads(run, files, coverage)
        elif source == "camera":
            photo = st.camera_input("A photo", key="predict_camera")
            if photo is not None:
                uploads(run, [photo], coverage)
        else:
            samples(run, coverage)

how_it_works(
    "Your image is turned upright, fitted to the size and colors the network was trained on, and classified by the"
    " averaged network of the run.",
    "Crop marks a part of your image by hand: its original pixels are then fitted and classified as an image of its"
    " own.",
    "Where a data set holds figures that fill their frame, such as the digits, an image is first cropped to what it"
    " shows, and a dark drawing on white paper is inverted; the page says so, and Fit switches it off.",
    "Probabilities are calibrated: the logits are divided by the temperature that was fitted on validation images, as"
    " Errors shows it. Predictions do not change by it.",
    "Possible classes are a prediction set (split conformal prediction): from held-out labels it is known from which"
    " probability on a class must be counted so that the true one is among them as often as the coverage says. Sure"
    " means that one class is possible, at 50 % or more, and that the image is not unlike all labeled ones.",
    "An image whose features are farther from every labeled image than those of 95 % of the validation images is unlike"
    " what the model learned from: it may be of no class that the model knows.",
)
