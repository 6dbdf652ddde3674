"""Predictions as cards with bars, or as a table."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import streamlit as st

from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.figures.classification import probability_bars
from ui.predict.verdicts import _SURE, Answer, as_csv, unknown, verdict
from ui.shell.page import plain
from ui.style import formatting

_SINGLE = 6  # up to so many images each get bars of their own; more become a table


def pixels(seen: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(base64.b64decode(seen["data"]), np.uint8).reshape(seen["shape"])


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
                probability_bars(class_names, answer["probabilities"], decision_threshold=_SURE),
                key=f"predict_bars_{number}",
                revision=answer["name"],
                height=200,
            )


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
