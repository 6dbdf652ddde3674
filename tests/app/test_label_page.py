"""Label: the editor of classes, labels from a file, the test set held back, and features paused and gone on with. What
happens in the browser is in tests/browser/test_label.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.data.importing.image_cache import cache_root
from engine.data.labels.label_folders import label_folder
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import Classes, Label, Labels
from engine.data.sets.folder import Folder
from engine.lab.lab import Lab
from engine.runs.folder import RunFolder
from tests.app.app_helpers import Open, words
from tests.fixtures_images import folder_of, grey
from tests.waiting import PATIENCE

COUNT = 24
NAMES = [f"{k:02}.png" for k in range(COUNT)]


class Set:
    """A set of grey images that is open for labeling."""

    def __init__(self, lab: Lab, folder: Path, count: int, size: int) -> None:
        path = folder_of(folder, {f"{k:02}.png": grey(k % 256, 8 + k // 256) for k in range(count)})
        data: dict[str, Any] = {"name": "folder", "path": str(path), "size": size, "fit": "squash"}
        Folder(Folder.Params.parse(data)).prepare()
        self.log = LabelLog(label_folder(lab.store.root, data))

    @property
    def query(self) -> str:
        return self.log.folder.name

    def said(self) -> Labels:
        return self.log.labels()


@pytest.fixture
def photos(lab: Lab, tmp_path: Path) -> Set:
    made = Set(lab, tmp_path / "photos", COUNT, 8)
    made.log.append("test", 1, [Classes(classes=("cat", "dog"))])
    return made


@pytest.fixture
def page(open_page: Open, photos: Set) -> AppTest:
    return open_page("label", images=photos.query)


def shown(app: AppTest) -> str:
    successes = " ".join(str(element.value) for element in app.success)
    return f"{words(app)} {successes}".replace("\\", "")


def wait(app: AppTest, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, shown(app)
        time.sleep(0.1)
        app.run()


def press(app: AppTest, label: str) -> None:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception


def add(app: AppTest, names: str) -> None:
    next(field for field in app.text_input if field.label == "New classes, separated by commas").set_value(names)
    press(app, "Add")


def rename(app: AppTest, before: str, after: str) -> None:
    app.selectbox(key="label_class").set_value(before).run()
    next(field for field in app.text_input if field.label == "New name").set_value(after)
    press(app, "Rename or merge")


def options(app: AppTest) -> list[str]:
    return list(app.selectbox(key="label_class").options)


LONG = "long-tailed duck of the northern shore in its first winter plumage, hen"


@pytest.mark.parametrize(
    ("typed", "classes"),
    [
        ("bird", ("cat", "dog", "bird")),
        (" bird ,, fish,", ("cat", "dog", "bird", "fish")),
        ("Bird, bird, BIRD  ", ("cat", "dog", "Bird")),
        ("sea  gull, sea gull", ("cat", "dog", "sea gull")),
        ("caf\u00e9, cafe\u0301", ("cat", "dog", "caf\u00e9")),
        (LONG.replace(",", ""), ("cat", "dog", LONG.replace(",", ""))),
        ("**bold**, [a](http://b.c), $x$, <b>", ("cat", "dog", "**bold**", "[a](http://b.c)", "$x$", "<b>")),
        ("\U0001f431, \U0001f469\u200d\U0001f52c", ("cat", "dog", "\U0001f431", "\U0001f469\u200d\U0001f52c")),
    ],
    ids=["one", "two", "capitals", "spaces", "accents", "long", "markdown", "emoji"],
)
def test_classes_are_added_and_what_differs_in_spaces_or_capitals_is_one(
    page: AppTest, photos: Set, typed: str, classes: tuple[str, ...]
) -> None:
    add(page, typed)
    assert photos.said().classes == classes
    assert options(page) == list(classes)
    assert not page.error


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Type the name of a new class first."),
        (" , ,", "Type the name of a new class first."),
        ("Cat,  DOG", "These classes are there already: capitals and spaces make no new one."),
        ("x" * 201, "The name '" + "x" * 40 + "…' has 201 letters, but a class may have 200: shorten it."),
        (
            ",".join(f"c{k}" for k in range(999)),
            "1,001 classes are more than the 1,000 that a set may have: name only those that are told apart.",
        ),
    ],
    ids=["nothing", "commas", "there already", "too long", "too many"],
)
def test_what_makes_no_class_is_said_in_a_sentence_and_not_written(
    page: AppTest, photos: Set, typed: str, sentence: str
) -> None:
    before = photos.said()
    add(page, typed)
    assert sentence in shown(page)
    assert photos.said() == before


def test_a_class_is_renamed_merged_moved_and_deleted_with_its_labels(page: AppTest, photos: Set) -> None:
    photos.log.append("test", 2, [Label(images=("00.png",), of="cat"), Label(images=("01.png",), of="dog")])
    page.run()
    rename(page, "cat", "")
    assert "Type the new name of 'cat' first." in shown(page)
    assert photos.said().classes == ("cat", "dog")
    rename(page, "cat", "Cat")  # its own name, written otherwise
    assert photos.said().classes == ("Cat", "dog")
    add(page, "bird, fish")
    page.selectbox(key="label_class").set_value("bird").run()
    press(page, "Move down")
    assert photos.said().classes == ("Cat", "dog", "fish", "bird")
    assert options(page) == ["Cat", "dog", "fish", "bird"]
    assert page.button(key="label_move_1").disabled  # it is the last
    press(page, "Delete this class")
    assert photos.said().classes == ("Cat", "dog", "fish")
    page.selectbox(key="label_class").set_value("dog").run()
    assert page.button(key="label_delete_class").disabled  # it has a label
    rename(page, "dog", " CAT ")
    assert photos.said().classes == ("Cat", "fish")
    assert {name: given.of for name, given in photos.said().given.items()} == {"00.png": "Cat", "01.png": "Cat"}
    assert options(page) == ["Cat", "fish"]
    assert page.button(key="label_delete_class").disabled  # one class would be left


def bring(app: AppTest, content: bytes) -> None:
    app.file_uploader(key="label_csv_in").upload("labels.csv", content, "text/csv").run()
    app.button(key="label_csv_add").click().run()
    assert not app.exception, app.exception


def test_labels_from_a_file_are_added_and_what_is_left_out_is_named(page: AppTest, photos: Set) -> None:
    rows = [
        "file,class,given",
        "00.png,cat,hand",
        "some/folder/01.PNG,Cat,hand",  # from another machine
        "02,  sea   gull ,",  # without its ending
        "03.png,dog,",
        "03.png,cat,",
        "04.png,dog,",
        "04.png,dog,",
        "05.png,,",
        "'=06.png,dog,",
        "nobody.png,dog,",
    ]
    bring(page, "\r\n".join(rows).encode("utf-8-sig"))
    said = photos.said()
    assert {name: (given.of, given.how) for name, given in said.given.items()} == {
        "00.png": ("cat", "imported"),
        "01.png": ("cat", "imported"),
        "02.png": ("sea gull", "imported"),
        "04.png": ("dog", "imported"),
    }
    assert said.classes == ("cat", "dog", "sea gull")
    assert (
        "4 labels were added. 2 names are not among the images: =06.png, nobody.png."
        " 1 image has two labels and got none: 03.png."
    ) in shown(page)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("file,class\n00.png,Kät\xdfchen".encode("latin-1"), "The file is no CSV in UTF-8: save it again as such."),
        ("file,class\n00.png,cat".encode("utf-16"), "The file is no CSV in UTF-8: save it again as such."),
        (b"file,class\n00.png,ca\0t", "The file is no CSV in UTF-8: save it again as such."),
        (b"name,label\n00.png,cat", "The file has no columns named file and class: its first line must name them."),
        (b"", "The file has no columns named file and class: its first line must name them."),
        (
            b"file,class\n../../etc/passwd,cat\n",
            "The file gives no label to any of these images. 1 name is not among the images: ../../etc/passwd.",
        ),
        (
            b"file,class\n00.png,cat\n00.png,dog\n",
            "The file gives no label to any of these images. 1 image has two labels and got none: 00.png.",
        ),
        (b"file,class\n00.png," + b"x" * 300, "has 300 letters, but a class may have 200: shorten it."),
    ],
    ids=["latin-1", "utf-16", "NUL", "other columns", "empty", "a path", "two labels", "a long class"],
)
def test_a_file_that_gives_no_label_says_why_and_changes_nothing(
    page: AppTest, photos: Set, content: bytes, sentence: str
) -> None:
    before = photos.said()
    bring(page, content)
    assert sentence in shown(page)
    assert photos.said() == before


def test_a_test_set_is_held_back_labeled_first_and_drawn_again(page: AppTest, photos: Set) -> None:
    app = page
    assert "never trained on: accuracy on it holds for all of them" in shown(app)
    app.number_input(key="label_hold_back_count").set_value(10).run()
    press(app, "Hold these back")
    first = photos.said().held_back
    assert len(set(first)) == 10
    assert set(first) <= set(NAMES)
    assert "10 images are held back, and 10 of them wait for a label. No run is trained on them." in shown(app)
    photos.log.append("test", 2, [Label(images=first[:1], of="cat")])
    app.run()
    assert "10 images are held back, and 9 of them wait for a label." in shown(app)
    press(app, "Draw another test set")
    assert set(photos.said().held_back) != set(first)
    assert len(photos.said().held_back) == 10


def test_of_few_images_at_most_half_are_held_back(open_page: Open, lab: Lab, tmp_path: Path) -> None:
    few = Set(lab, tmp_path / "few", 7, 8)
    few.log.append("test", 1, [Classes(classes=("cat", "dog"))])
    app = open_page("label", images=few.query)
    press(app, "Hold these back")
    assert len(few.said().held_back) == 3


def test_a_race_learns_from_the_labels_as_they_are_and_from_none_that_come_later(
    page: AppTest, photos: Set, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[dict[str, Any]] = []

    def submit(config: dict[str, Any]) -> RunFolder:
        queued.append(config)
        return RunFolder(lab.store.root / "20260101-000000-linear_probe-folder-0000")

    monkeypatch.setattr(lab, "submit", submit)
    for number, (name, of) in enumerate(zip(NAMES[:4], ("cat", "cat", "dog", "dog"), strict=True), 2):
        photos.log.append("test", number, [Label(images=(name,), of=of)])
    page.run()
    page.button(key="label_race").click().run()
    assert not page.exception, page.exception
    assert len(queued) == 2
    photos.log.append("test", 6, [Label(images=(NAMES[4],), of="cat")])
    for config in queued:
        data = Folder(Folder.Params.parse(config["data"])).load()
        assert dict(zip(data.file_names, data.labels.tolist(), strict=True)) == {
            name: [0, 0, 1, 1][number] if number < 4 else -1 for number, name in enumerate(NAMES)
        }


@pytest.mark.slow
def test_features_are_paused_and_gone_on_with(open_page: Open, lab: Lab, tmp_path: Path) -> None:
    many = Set(lab, tmp_path / "many", 1_024, 64)
    many.log.append("test", 1, [Classes(classes=("cat", "dog"))])
    before = set(cache_root().glob("features/*/done.npy"))

    def done() -> list[bool]:
        marks = set(cache_root().glob("features/*/done.npy")) - before
        return [bool(mark) for file in marks for mark in np.load(file)]

    app = open_page("label", images=many.query)
    wait(app, lambda: any(done()))
    app.button(key="label_features_pause").click().run()
    wait(app, lambda: "label_features_again" in {button.key for button in app.button})
    there = done()
    assert any(there)
    assert not all(there)
    assert f"The features of {128 * sum(there):,} of 1,024 images are there: the rest can follow later." in shown(app)
    assert "What the labels are worth is shown here when the features are there." in shown(app)
    app.button(key="label_features_again").click().run()
    wait(app, lambda: "Name at least two" in shown(app) or "After two labels in each of two classes" in shown(app))
    assert done() == [True] * 8
