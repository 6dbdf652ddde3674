"""Data: people's own images from a path or an upload, looked at first, then imported and trained on."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from engine.config.run_config import RunConfig
from engine.data.labels.label_folders import label_folders
from engine.lab.lab import Lab
from engine.training.assemble import load_images
from tests.app.app_helpers import Open, words
from tests.app.conftest import Downloads
from tests.fixtures_images import CATS_AND_DOGS, encoded, folder_of, grey
from tests.waiting import PATIENCE
from ui.forms.uploads import stored_upload
from ui.shell.server import UPLOADS


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def shown(app: AppTest) -> str:
    """What the page says, without the backslashes that keep it from being markup, and without stars."""
    return words(app).replace("\\", "").replace("*", "")


def wait(app: AppTest, until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline, shown(app)
        time.sleep(0.2)
        app.run()


def imported(app: AppTest) -> None:
    app.button(key="data_import").click().run()
    wait(app, lambda: "data_train" in {button.key for button in app.button})


PETS = {f"pets/{name}": data for name, data in CATS_AND_DOGS.items()} | {
    "pets/IMG_1.png": grey(200),
    "pets/cow/1.png": grey(201),
    "pets/<b>notes.txt": b"x",
}


def test_an_empty_page_says_what_will_be_here(open_page: Open) -> None:
    app = open_page("data")
    assert "Choose a folder or an archive, or upload images" in shown(app)
    assert "How this works" in [expander.label for expander in app.expander]


def test_a_folder_is_looked_at_imported_checked_and_trained_on(
    open_page: Open, tmp_path: Path, downloads: Downloads
) -> None:
    path = folder_of(tmp_path / "x", PETS)
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(path)).run()
    assert not app.exception
    assert "x: 22 images, one folder per class." in shown(app)
    assert "1 image without a label." in shown(app)
    assert "Class 'cow' has 1 training image." in shown(app)
    assert app.dataframe[0].value.to_dict("records") == [
        {"class": "cat", "training": 10},
        {"class": "cow", "training": 1},
        {"class": "dog", "training": 10},
    ]
    assert "data_train" not in {button.key for button in app.button}
    imported(app)
    assert "Read 22 images of 3 classes" in shown(app)
    app.button(key="data_check").click().run()
    assert "is low information: 22 images are nearly of one tone." in shown(app)
    assert downloads["labels.csv"].splitlines()[1] == "pets/IMG_1.png,,training"
    app.button(key="data_train").click().run()
    assert not app.exception
    assert app.title[0].value == "Train"
    config = app.session_state["train_config"]
    assert (config["data"]["name"], config["data"]["path"]) == ("folder", str(path))
    assert config["method"]["name"] == "linear_probe"
    assert (config["data"]["labels"]["kind"], config["data"]["labels"]["per_class"]) == ("few", 1)


def test_copies_are_left_out_with_one_click_and_taken_back_with_another(open_page: Open, tmp_path: Path) -> None:
    copies = {f"{of}/{k}.png": encoded(noise(100 * (of == "dog") + k)) for of in ("cat", "dog") for k in range(10)}
    copies["cat/copy.png"] = copies["cat/3.png"]
    path = folder_of(tmp_path / "x", copies)
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(path)).run()
    imported(app)
    app.button(key="data_check").click().run()
    button = "data_exclude_exact_duplicates"
    assert app.button(key=button).label == "Exclude 1"
    app.button(key=button).click().run()
    assert app.button(key=button).label == "Take them back"
    app.button(key="data_train").click().run()
    config = RunConfig.parse(app.session_state["train_config"])
    assert config.data.model_dump()["label_records"] == 1
    images = load_images(config)
    assert images.is_excluded is not None
    assert [images.file_names[k] for k in np.flatnonzero(images.is_excluded)] == ["cat/copy.png"]
    assert images.class_names == ("cat", "dog")
    assert (images.labels >= 0).sum() == 20
    app.switch_page("pages/data.py").run()
    app.text_input(key="data_path").set_value(str(path)).run()
    app.button(key="data_check").click().run()
    app.button(key=button).click().run()
    assert app.button(key=button).label == "Exclude 1"
    app.button(key="data_train").click().run()
    assert "label_log" not in app.session_state["train_config"]["data"]


def test_wrong_labels_are_looked_for_when_somebody_asks(open_page: Open, tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {f"{of}/{k}.png": grey(30 * k, 24) for of in ("cat", "dog") for k in range(8)})
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(path)).run()
    imported(app)
    app.button(key="data_check").click().run()
    assert "unlike all others" not in shown(app)
    app.button(key="data_look_closer").click().run()
    wait(app, lambda: any(checked.features for checked in app.session_state["data_checked"].values()))
    assert not app.exception
    # The very same images in both folders: their labels contradict each other, whoever looks.
    assert "exact duplicates with two classes" in shown(app)
    assert "data_look_closer" not in {button.key for button in app.button}


def noise(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def test_images_without_labels_begin_with_a_method_that_needs_none(open_page: Open, tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {f"{i}.png": grey(i) for i in range(12)})
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(path)).run()
    assert "x: 12 images, images without labels." in shown(app)
    imported(app)
    app.button(key="data_train").click().run()
    assert app.session_state["train_config"]["method"]["name"] == "simclr"


def test_imported_images_are_opened_for_labeling(open_page: Open, tmp_path: Path, lab: Lab) -> None:
    import_module("sklearn.linear_model")  # Label loads it in a thread, which must not outlive the test
    path = folder_of(tmp_path / "garden", {f"{i}.png": grey(i) for i in range(12)})
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(path)).run()
    imported(app)
    app.button(key="data_label").click().run()
    assert not app.exception
    assert app.title[0].value == "Label"
    opened = {one.path: one.folder.name for one in label_folders(lab.store.root)}
    assert app.query_params["images"] == opened[str(path)]


def test_where_two_readings_are_possible_the_person_chooses(open_page: Open, tmp_path: Path) -> None:
    rows = "file,place,animal\n" + "".join(f"{i}.png,{'abc'[i % 3]},{('cat', 'dog')[i % 2]}\n" for i in range(12))
    files = {f"{i}.png": grey(i) for i in range(12)} | {"labels.csv": rows.encode()}
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(folder_of(tmp_path / "x", files))).run()
    assert "The files can be read in several ways: choose one." in shown(app)
    assert "data_import" not in {button.key for button in app.button}
    (choice,) = app.radio
    assert [option.replace("\\", "") for option in choice.options] == [
        "'labels.csv', column 'place': a, b, c",
        "'labels.csv', column 'animal': cat, dog",
    ]
    choice.set_value("animal").run()
    assert [row["class"] for row in app.dataframe[0].value.to_dict("records")] == ["cat", "dog"]
    imported(app)
    app.button(key="data_train").click().run()
    assert app.session_state["train_config"]["data"]["label_column"] == "animal"


def test_what_is_no_set_of_images_is_said_in_one_sentence(open_page: Open, tmp_path: Path) -> None:
    app = open_page("data")
    app.text_input(key="data_path").set_value(str(tmp_path / "none")).run()
    assert [str(error.value).replace("\\", "") for error in app.error] == [
        f"data.path is '{tmp_path / 'none'}', but there is no such folder or file: check the path."
    ]


def test_many_uploaded_files_are_one_archive_under_their_own_names(open_page: Open, lab: Lab) -> None:
    app = open_page("data")
    app.segmented_control(key="data_source").set_value("files").run()
    uploads = [(f"{kind}_{i}.png", grey(10 * k + i), "image/png") for k, kind in enumerate("ab") for i in range(3)]
    app.file_uploader(key="data_files").set_value(uploads).run()
    assert not app.exception, app.exception
    assert "The files can be read in several ways: choose one." in shown(app)
    app.radio[0].set_value("names").run()
    assert "images.zip: 6 images, the class in the name of each file." in shown(app)
    (archive,) = (lab.store.root / UPLOADS).glob("*/images.zip")
    with zipfile.ZipFile(archive) as kept:
        assert kept.namelist() == [name for name, _, _ in uploads]


def test_an_uploaded_archive_is_stored_as_it_is(open_page: Open, lab: Lab) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in CATS_AND_DOGS.items():
            archive.writestr(name, data)
    app = open_page("data")
    app.segmented_control(key="data_source").set_value("files").run()
    app.file_uploader(key="data_files").set_value([("my pets.zip", content.getvalue(), "application/zip")]).run()
    assert "my pets.zip: 20 images, one folder per class." in shown(app)
    (stored,) = (lab.store.root / UPLOADS).glob("*/my pets.zip")
    assert stored.read_bytes() == content.getvalue()


class _Upload:
    """As far as it is asked of an uploaded file."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name, self._data, self.file_id = name, data, f"{name}{data!r}"

    def getbuffer(self) -> memoryview:
        return memoryview(self._data)


def test_names_of_uploads_lead_nowhere_and_none_is_lost(lab: Lab) -> None:
    names = ["../../a.png", "pets/cat/1.png", "pets\\cat\\1.png", "C:\\x.png", "/b.png", "pets/cat/1.png", ""]
    files = [_Upload(name, bytes([i])) for i, name in enumerate(names)]
    with zipfile.ZipFile(stored_upload(files)) as kept:  # type: ignore[arg-type]  # what it asks of them they have
        assert sorted(kept.namelist()) == [
            *("C_/x.png", "a.png", "b.png", "image", "pets/cat/1 (2).png", "pets/cat/1 (3).png", "pets/cat/1.png"),
        ]
        assert sorted(kept.read(name)[0] for name in kept.namelist()) == list(range(7))
    again = [_Upload(file.name, bytes([i])) for i, file in enumerate(files)]
    for file in again:
        file.file_id += "another upload of the same files"
    before = stored_upload(files)  # type: ignore[arg-type]
    assert stored_upload(again) == before  # type: ignore[arg-type]
    assert list(Path(before).parents[1].glob(".*")) == []  # nothing half written stays
