"""Pages beside and on run folders that are wrong in every way that tests/hostile knows."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from engine.lab.lab import Lab
from engine.runs.folder import RunFolder
from tests.hostile.run_variants import DAMAGED, GOOD, LISTED, make

BESIDE = "20260401-120000-supervised-digits-0000"
PAGES = ("start", "train", "compare", "runs", "pseudo_labels", "candidates", "space", "errors", "predict")


@pytest.fixture(scope="module")
def strangers(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """All variants beside one good run, by what is wrong with them."""
    root, template = lab.store.root, make(tmp_path_factory.mktemp("template"))
    make(root, BESIDE)
    ids = {}
    for number, (name, damage) in enumerate({**DAMAGED, **LISTED}.items()):
        if "six hundred megabytes" in name:
            continue
        folder = RunFolder(root / f"20260301-{number // 60:02}{number % 60:02}00-{GOOD[16:]}")
        shutil.copytree(template.path, folder.path)
        damage(folder)
        ids[name] = folder.id
    return ids


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_the_good_run_beside_all_that_are_damaged(
    open_page: Callable[..., AppTest], lab: Lab, strangers: dict[str, str], page: str
) -> None:
    app = open_page(page, run=BESIDE)
    assert not app.error, [one.value for one in app.error]
    if page == "runs":
        assert len(lab.store.unreadable()) == len(DAMAGED)
        assert len(app.warning) == len(DAMAGED)


OWN = [
    ("train", "event: a change out of range"),
    ("train", "config: a threshold in words"),
    ("train", "config: a threshold out of range"),
    ("train", "snapshot: pseudo-labels without confidence"),
    ("train", "snapshot: pseudo-labels of strange images"),
    ("train", "snapshot: views of two channels"),
    ("train", "snapshot: a name of superscript digits"),
    ("train", "metrics: two thousand names"),
    ("pseudo_labels", "config: a threshold in words"),
    ("pseudo_labels", "snapshot: probabilities a scalar"),
    ("pseudo_labels", "snapshot: ids that are no images"),
    ("errors", "snapshot: more classes than the images have"),
    ("errors", "snapshot: parts out of range"),
    ("errors", "model: a temperature in words"),
    ("errors", "split: test images in words"),
    ("space", "snapshot: no images at all"),
    ("space", "snapshot: infinite embeddings"),
    ("compare", "metrics: a loss of four hundred digits"),
    ("predict", "images named by a path"),
]


@pytest.mark.parametrize(("page", "wrong"), OWN, ids=[f"{page}, {wrong}" for page, wrong in OWN])
def test_a_wrong_run_s_own_pages_show_what_is_right_or_a_sentence(
    open_page: Callable[..., AppTest], strangers: dict[str, str], page: str, wrong: str
) -> None:
    app = open_page(page, run=strangers[wrong])  # which asserts that there is no exception
    assert app.title
    assert not [one.value for one in app.error if "encountered" in one.value]
