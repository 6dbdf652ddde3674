"""Every page before there is a run: no test of this module makes one."""

from __future__ import annotations

import pytest

from tests.app.app_helpers import Open, words


@pytest.mark.parametrize(
    ("page", "title", "sentence"),
    [
        ("start", "FewLab", "Thousands of images, a handful of labels: see what can be done."),
        (
            "train",
            "Train",
            "No run is open. Choose settings, or simply press Start: its curves appear here.",
        ),
        (
            "compare",
            "Compare",
            (
                "Nothing to compare yet. Start two runs, for example FixMatch and its supervised baseline, and put them"
                " side by side here."
            ),
        ),
        (
            "tune",
            "Tune",
            (
                "No sweep yet. Choose what varies and press Start: each trial is a line here, and the best five are"
                " runs to look into."
            ),
        ),
        ("runs", "Runs", "No run yet. Start one, and it stays here until you delete it."),
        (
            "pseudo_labels",
            "Pseudo-labels",
            "No run with unlabeled images yet. Start one, and its pseudo-labels can be inspected here.",
        ),
        (
            "candidates",
            "Candidates",
            "No run with several possible labels per image yet. Start one, and its candidates can be inspected here.",
        ),
        ("space", "Space", "No run has been evaluated yet. Start one, and its feature space can be explored here."),
        ("errors", "Errors", "No run has been evaluated yet. Start one, and its errors can be inspected here."),
        (
            "predict",
            "Predict",
            (
                "No trained model yet. A run saves its model when it finishes or is stopped; then it can classify your"
                " images here."
            ),
        ),
    ],
)
def test_an_empty_page_has_one_heading_and_says_what_to_do(
    page: str, title: str, sentence: str, open_page: Open
) -> None:
    app = open_page(page)
    assert [heading.value for heading in app.title] == [title]
    assert sentence in words(app)
