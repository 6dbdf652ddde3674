"""Label: own images get labels, a model learns again after each, and what to label next is proposed."""

from __future__ import annotations

import streamlit as st

from ui.label.actions import actions
from ui.label.board_view import board_view
from ui.label.class_list import class_list, name_first_classes
from ui.label.image_choice import OpenSet, choose_images, features_ready
from ui.label.map_view import map_view
from ui.label.standing_view import standing_view
from ui.shell.page import guarded_fragment, header, how_it_works, show_errors

header("Label", "Label what teaches most; a model learns again after every label.")


@guarded_fragment
def label(opened: OpenSet) -> None:
    standing = opened.labeling.standing()
    board, beside = st.columns([3, 1], gap="large")
    with board:
        board_view(opened, standing)
        map_view(opened, standing)
    with beside:
        standing_view(opened, standing)
        class_list(opened.labeling, standing)
        actions(opened, standing)


with show_errors():
    opened = choose_images()
    if opened is not None:
        with st.container():  # always there, so that what stands below stays where it is when the progress goes
            features_ready(opened)
        if opened.labeling.standing().classes:
            label(opened)
        else:
            name_first_classes(opened.labeling)

how_it_works(
    "Features of all images are computed once by a network that has seen a million photos. After every label a linear"
    " head is fitted to the features of the labeled images; its predictions and its doubts choose what comes next.",
    "First come images that stand for many others (maximum coverage), until each class has ten labels; then those"
    " between two classes (smallest margin). Pretrained features help photos; for drawings, scans or faces compare"
    " them in a race with a network trained on the images themselves.",
    "Every label is written to the disk before the board says that it is saved. Keys: 1 to 9 and letters for classes,"
    " Enter accepts the prediction, 0 none of these, space skips, backspace undoes, arrows look back and forth.",
    "Papers: Bae et al. 2024, arXiv:2407.12212 (maximum herding); Hacohen et al. 2022, arXiv:2202.02794 (typical"
    " images); Northcutt et al. 2021, arXiv:1911.00068 (doubtful labels)",
)
