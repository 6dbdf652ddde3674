"""Predict: your own images, the camera's, or samples of the test set, read by a trained run."""

from __future__ import annotations

import base64
import csv
import io
from typing import Any

import numpy as np
import streamlit as st

from engine.images.decode import LARGEST_FILE
from engine.runs.store import Run
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.figures.classification import probability_bars
from ui.runs.current_run import pick_run
from ui.shell.page import header, how_it_works, mistakes, nothing_yet, plain
from ui.shell.server import lab
from ui.style import formatting

header("Predict", "Show a trained model an image and see what it takes it for.")
_SURE = 0.5  # below this the page says "not sure"
_SINGLE = 6  # up to so many images each get bars of their own; more become a table
Answer = dict[str, Any]


def pixels(seen: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(base64.b64decode(seen["data"]), np.uint8).reshape(seen["shape"])


def unknown(answer: Answer) -> bool:
    """Whether all classes are alike to it: what a graph answers where no label reaches."""
    return len(answer["probabilities"]) > 1 and max(answer["probabilities"]) - min(answer["probabilities"]) < 1e-6


def verdict(answer: Answer) -> str:
    best = answer["top"][0]
    if unknown(answer):
        return "**Unknown**: all classes are as likely"
    words = f"**{plain(best['class'])}** · {formatting.percent(best['probability'])}"
    words = words if best["probability"] >= _SURE else f"Not sure: perhaps {words}"
    truth = answer.get("truth")
    if truth is None:
        return words
    return words + ("  \n✓ right" if truth == best["class"] else f"  \n✗ it is {plain(truth)}")


def show(answer: Answer, number: int, class_names: list[str]) -> None:
    with st.container(border=True):
        if answer["error"]:
            st.error(plain(answer["error"]), icon=":material/broken_image:")
            return
        left, right = st.columns([1, 2])
        with left:
            if "shown" in answer:
                st.image(base64.b64decode(answer["shown"]), width=112, caption=plain(answer["name"][:60]))
            seen = pixels(answer["seen"])
            gallery(
                [
                    GalleryItem(
                        0,
                        image_uri(seen),
                        (
                            "what the model sees",
                            f"{seen.shape[2]}x{seen.shape[1]} px" + (", inverted" if answer["inverted"] else ""),
                        ),
                    )
                ],
                key=f"predict_seen_{number}",
                thumb=112,
            )
        with right:
            st.markdown(verdict(answer))
            live_figure(
                probability_bars(class_names, answer["probabilities"], sure_from=_SURE),
                key=f"predict_bars_{number}",
                revision=answer["name"],
                height=200,
            )


def as_csv(answers: list[Answer], class_names: list[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["image", "prediction", "probability", "error", *class_names])
    for answer in answers:
        if answer["error"]:
            writer.writerow([answer["name"], "", "", answer["error"], *[""] * len(class_names)])
        else:
            best = answer["top"][0]
            writer.writerow([answer["name"], best["class"], best["probability"], "", *answer["probabilities"]])
    return out.getvalue()


def results(reply: dict[str, Any]) -> None:
    answers = reply["pictures"]
    if len(answers) <= _SINGLE:
        columns = st.columns(2 if len(answers) > 1 else 1)
        for number, answer in enumerate(answers):
            with columns[number % len(columns)]:
                show(answer, number, reply["class_names"])
    else:
        rows = [
            (
                {
                    "image": a["name"],
                    "prediction": a["top"][0]["class"],
                    "probability": formatting.percent(a["top"][0]["probability"]),
                    "note": (
                        "unknown: all classes are as likely"
                        if unknown(a)
                        else ""
                        if a["top"][0]["probability"] >= _SURE
                        else "not sure"
                    ),
                }
                if not a["error"]
                else {"image": a["name"], "prediction": "", "probability": "", "note": a["error"]}
            )
            for a in answers
        ]
        st.dataframe(rows, hide_index=True, width="stretch")
    st.download_button(
        "Download as CSV",
        as_csv(answers, reply["class_names"]),
        "fewlab-predictions.csv",
        "text/csv",
        key="predict_csv",
        icon=":material/download:",
    )


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
    nothing_yet(
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
    with mistakes():
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
