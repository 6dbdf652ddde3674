"""Predict: your own images, the camera's, or samples of the test set, read by a trained run."""

from __future__ import annotations

import base64
from typing import Any

import streamlit as st

from engine.images.decode import LARGEST_FILE
from engine.runs.store import Run
from ui.predict.answer_view import _SINGLE, results
from ui.runs.current_run import pick_run
from ui.shell.page import empty_state, header, how_it_works, show_errors
from ui.shell.server import lab
from ui.style import formatting

header("Predict", "Show a trained model an image and see what it takes it for.")


@st.cache_data(max_entries=8, show_spinner="Looking …")
def _answers(run: str, written: int, files: list[tuple[str, bytes]]) -> dict[str, Any]:
    """`written`: when the model was, because a resumed run writes it anew."""
    images = [{"name": name, "data": base64.b64encode(content).decode()} for name, content in files]
    reply: dict[str, Any] = lab().assistant.ask("predict", run=run, images=images, timeout=120)
    return reply


def uploaded(run: Run, files: list[Any]) -> None:
    results(
        _answers(
            str(run.folder.path),
            run.folder.model_file.stat().st_mtime_ns,
            [(file.name, file.getvalue()) for file in files],
        )
    )


def samples(run: Run) -> None:
    if st.button("Other images", key="predict_more", icon=":material/shuffle:"):
        st.session_state["predict_draw"] = st.session_state.get("predict_draw", 0) + 1
    kept = next((event["pictures"] for event in run.folder.events() if event.get("pictures")), "")
    reply = lab().assistant.ask(
        "predict_samples",
        run=str(run.folder.path),
        content_hash=kept,
        count=_SINGLE,
        seed=st.session_state.get("predict_draw", 0),
    )
    results(reply)


usable = [run for run in lab().store.runs() if run.folder.model_file.exists()]
if not usable:
    empty_state(
        "No trained model yet. A run keeps its model when it finishes or is stopped; then it can read your images"
        " here.",
        ":material/image_search:",
    )
else:
    run = pick_run(usable, "Model")
    assert run is not None
    accuracy = run.status.metrics.get("test/accuracy")
    st.caption(
        f"Right on {formatting.percent(accuracy)} of its test images, trained {formatting.date(run.created)}. It"
        " knows only its own classes and will find one of them in anything."
    )
    source = (
        st.segmented_control(
            "Images from", ["my files", "camera", "the test set"], default="my files", key="predict_source"
        )
        or "my files"
    )
    with show_errors():
        if source == "my files":
            files = st.file_uploader(
                "Images (PNG, JPEG, GIF, BMP, WebP, TIFF)",
                accept_multiple_files=True,
                max_upload_size=LARGEST_FILE // 1_000_000,
                key="predict_files",
            )
            if files:
                uploaded(run, files)
        elif source == "camera":
            photo = st.camera_input("A photo", key="predict_camera")
            if photo is not None:
                uploaded(run, [photo])
        else:
            samples(run)

how_it_works(
    "Your image is turned upright, fitted to the size and colors the network was trained on, and given to the"
    " averaged network of the run.",
    "For images of light strokes on dark ground, such as the digits, a dark drawing on white paper is inverted first;"
    " the page says so.",
)
