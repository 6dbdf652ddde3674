"""What can be done with imported images: train on them, check them, take their labels along."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from engine.data.importing.preview import Preview
from engine.lab.messages import CheckedImages, CheckImages
from ui.data.exclusions import excluded_images, without_excluded
from ui.data.issues_view import issues_view
from ui.forms.feature_job import features_file
from ui.forms.import_form import images_key
from ui.runs.current_run import forget_run, open_page
from ui.runs.label_group import folder_of
from ui.runs.prefill import announce_prefill, prefill
from ui.shell.page import show_errors
from ui.shell.server import catalog, lab
from ui.style import formatting

Config = dict[str, Any]
_STEP, _LARGEST = 32, 224  # pixels
_LABELS = 10  # of each class, where there are so many


def first_config(preview: Preview) -> Config:
    """What Train begins with on such images, at a size that suits their own: a probe of pretrained features, which ten
    labels per class are enough for; SimCLR where no image has a label.
    """
    if preview.classes:
        config: Config = catalog()["presets"]["photos-probe"]["config"]
        smallest = min(of["training"] for of in preview.classes.values())
        # A fifth of them are test images, and a tenth of the rest are held out for validation.
        per_class = max(1, min(_LABELS, int(0.7 * smallest)))
        labels: Config = {"labels": {"kind": "few", "per_class": per_class}}
    else:
        config, labels = catalog()["defaults"]["simclr/folder"], {}
    size = {} if preview.side == 0 else {"size": proposed_size(preview.side), "fit": "squash"}
    return {**config, "data": {**config["data"], **labels, **size}}


def proposed_size(side: int) -> int:
    """For images whose shorter side has so many pixels: as large as pretrained networks saw theirs, but no larger than
    they are.
    """
    return max(8, side if side < _STEP else min(_LARGEST, side // _STEP * _STEP))


def imported_view(config: Config, has_labels: bool) -> None:
    """config: what Train begins with on these images. Without labels, giving some comes first."""
    name = json.dumps(config["data"], sort_keys=True)
    checks: dict[str, CheckedImages] = st.session_state.setdefault("data_checked", {})
    excluded = excluded_images(config["data"])
    with st.container(horizontal=True):
        if st.button(
            "Train on these images",
            type="primary" if has_labels else "secondary",
            key="data_train",
            icon=":material/play_circle:",
        ):
            with show_errors():
                prefill({**config, "data": without_excluded(config["data"])})
                announce_prefill()
                forget_run()
                open_page("pages/train.py")
        if st.button(
            "Label these images",
            type="secondary" if has_labels else "primary",
            key="data_label",
            icon=":material/new_label:",
        ):
            with show_errors():
                st.switch_page("pages/label.py", query_params={"images": folder_of(config["data"]).name})
        if st.button("Check the images", key="data_check", icon=":material/fact_check:"):
            with show_errors(), st.spinner("Checking …"):
                checks[name] = lab().assistant.ask(CheckImages(config["data"]))
        if name in checks:
            st.download_button(
                "Labels as CSV", checks[name].labels, "labels.csv", "text/csv", key="data_labels", on_click="ignore"
            )
    if name in checks:
        issues_view(checks[name], config["data"])
        with show_errors():
            _look_closer(name, checks, config["data"])
    elif excluded:
        st.caption(f"{formatting.count(len(excluded))} images are excluded: no run sees them.")


def _look_closer(name: str, checks: dict[str, CheckedImages], data: Config) -> None:
    """What takes features of all images to tell: asked for once, and then there after every check."""
    asked: set[str] = st.session_state.setdefault("data_looks_closer", set())
    if name not in asked:
        if st.button(
            "Look for wrong labels and outliers",
            key="data_look_closer",
            icon=":material/search:",
            help="By the features of a network that was trained on photos: a minute for some thousands.",
        ):
            asked.add(name)
            st.rerun()
        return
    if checks[name].features:
        return
    path = features_file(images_key(data), data, "data")
    if path is not None:
        with st.spinner("Comparing labels and features …"):
            checks[name] = lab().assistant.ask(CheckImages(data, str(path)))
        st.rerun()
