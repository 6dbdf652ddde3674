"""The cards of Start: one for each thing that somebody may have, what it brings first and the method second."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.presets import PRESETS
from ui.runs.current_run import open_page
from ui.runs.prefill import prefill, usable, with_features
from ui.shell.page import show_errors
from ui.shell.server import lab
from ui.start.begin import try_it
from ui.style import illustrations
from ui.style.svg import label_of


class Card(NamedTuple):
    """preset: what its button starts at once; "" where the button leads elsewhere."""

    key: str
    drawing: str
    title: str
    benefit: str
    method: str
    preset: str = ""


_DRAWINGS = illustrations.OF_SITUATIONS
_CARDS = (
    Card(
        "own",
        _DRAWINGS["own"],
        "My own photos",
        "A folder of photos with a few labels or none becomes a model, in one sitting.",
        "Label what is worth labeling; a network that has seen a million photos does the rest.",
    ),
    Card(
        "few",
        _DRAWINGS["few"],
        "Few labels, many images",
        "Two labels per digit and 1,417 images without one: far better than the labels alone.",
        "FixMatch with distribution alignment, on handwritten digits.",
        "digits-fixmatch",
    ),
    Card(
        "alone",
        illustrations.of_method("supervised", "few"),
        "The labels alone",
        "What the same 20 labels are worth without the other images: the baseline to beat.",
        "Supervised training of the same network.",
        "digits-supervised",
    ),
    Card(
        "none",
        _DRAWINGS["none"],
        "No labels",
        "Features learned from the images alone make one label per class worth much more.",
        "SimCLR on handwritten digits, measured by probes.",
        "digits-simclr",
    ),
    Card(
        "partial",
        _DRAWINGS["partial"],
        "Several possible labels each",
        "Each image has several candidate labels; the true one is identified while learning.",
        "PRODEN on handwritten digits.",
        "digits-proden",
    ),
    Card(
        "model",
        _DRAWINGS["model"],
        "A model to build on",
        "Start from features learned by an earlier run, and add a few labels.",
        "Fine-tuning, or a linear probe on frozen features.",
    ),
)
ON_CARDS = frozenset(card.preset for card in _CARDS if card.preset)
_IN_ROW = 3
_AS_FAST, _ROUGH = (0.67, 1.5), 3.0  # times as long: between which a rough time holds, from which on they are whole


def situation_cards() -> None:
    """Asks the engine nothing before a button is pressed."""
    for first in range(0, len(_CARDS), _IN_ROW):
        for column, about in zip(st.columns(_IN_ROW), _CARDS[first : first + _IN_ROW], strict=True):
            with _frame(column, about):
                _button(about)
    if (times := lab().times_as_long) is not None:
        st.caption(_told_times(times))


def _told_times(times: float) -> str:
    """What the times on the buttons are worth on this machine."""
    about = f"{times:.0f}" if times >= _ROUGH else f"{times:.1f}"
    found = "is as fast" if _AS_FAST[0] < times < _AS_FAST[1] else f"takes about {about} times as long"
    return f"Times are for two idle CPU cores. Measured when FewLab started here: this machine {found}."


def _frame(column: DeltaGenerator, about: Card) -> DeltaGenerator:
    """Of equal build; returns where its button goes."""
    frame = column.container(border=True, height="stretch", key=f"card_{about.key}", gap="small")
    words = frame.container(gap="xsmall")
    drawing, title = words.columns([2, 3], vertical_alignment="center", gap="small")
    drawing.image(about.drawing, width="stretch", alt=label_of(about.drawing))
    title.subheader(about.title, anchor=False)
    words.markdown(about.benefit)
    words.caption(about.method)
    return frame


def _button(about: Card) -> None:
    if about.preset:
        words = f"Try it: {PRESETS[about.preset].duration.removeprefix('about ')}"
        if st.button(
            words, key=f"start_{about.preset}", type="primary" if about.key == "few" else "secondary", width="stretch"
        ):
            try_it(about.preset)
    elif about.key == "own":
        if st.button("Bring them in", key="start_own", width="stretch"):
            st.switch_page("pages/data.py")
    else:
        any_model = any(run.folder.model_file.exists() for run in lab().store.runs())
        help_ = None if any_model else "Train a run first, and its features can be used here."
        if st.button("Choose one", key="start_model", width="stretch", disabled=not any_model, help=help_):
            _build_on()


def _build_on() -> None:
    """The form, prefilled to start from the features of the newest run that has a network."""
    with st.spinner("Starting …"), show_errors():
        trained = next((run for run in lab().store.runs() if usable(run)), None)
        if trained is None:
            st.info(
                "None of your runs has trained a network yet: train one first, and its features can be used here.",
                icon=":material/school:",
            )
            return
        prefill(with_features(trained, "fine_tune"))
        open_page("pages/train.py", trained.id)
