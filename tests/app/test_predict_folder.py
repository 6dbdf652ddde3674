"""Predict on a whole folder: what is asked, what is found, and what is refused."""

from __future__ import annotations

import csv
import io
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from engine.csv_text import csv_text
from engine.errors import ConfigError
from engine.folder_prediction import heading
from engine.lab.executors.inline import train
from engine.lab.lab import Lab
from engine.lab.messages import PredictFolder
from engine.lab.workers.prediction_requests import predict_all
from engine.runs.store import Run
from tests.app.app_helpers import Open, choose_row, words
from tests.app.conftest import Downloads
from tests.app.known_runs import component
from ui.predict.folder_results import whole_rows


@pytest.fixture(scope="module")
def run(lab: Lab) -> Run:
    config = {"method": {"name": "supervised"}, "data": {"name": "digits"}, "budget": {"steps": 5, "batch_size": 16}}
    return train(config, lab.store.root)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(30):
        pixels = np.random.default_rng(number).integers(0, 256, (24, 24), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    return folder


def asked(open_page: Open, run: Run, path: object) -> AppTest:
    app = open_page("predict", run=run.id)
    app.button_group(key="predict_source").set_value("a folder").run()
    app.text_input(key="predict_path").set_value(str(path)).run()
    assert not app.exception
    return app


def finished(app: AppTest) -> AppTest:
    """Waits until the job is through, as the page's own clock would."""
    app.button(key="predict_folder_go").click().run()
    for _ in range(120):
        if "Classifying" not in words(app) and not [b for b in app.button if b.key == "predict_folder_pause"]:
            return app
        time.sleep(0.25)
        app.run()
    raise AssertionError("the folder was not classified within 30 s")


def test_a_folder_becomes_a_table_with_counts_refusals_and_copies(
    open_page: Open, run: Run, photos: Path, tmp_path: Path, downloads: Downloads
) -> None:
    app = asked(open_page, run, photos)
    app.text_input(key="predict_sort").set_value(str(tmp_path / "sorted")).run()
    app = finished(app)
    assert not app.exception
    assert "30 images classified" in words(app)
    assert "1 refused" in words(app)
    rows = list(csv.DictReader(io.StringIO(downloads[f"{run.id}-predictions.csv"])))
    assert {row["file"] for row in rows} == {path.name for path in photos.iterdir()}
    assert all(row["error"] or row["sure at 90%"] in ("yes", "no") for row in rows)
    for row in rows:
        if not row["error"]:
            copy = tmp_path / "sorted" / row["class"] / row["file"]
            assert copy.read_bytes() == (photos / row["file"]).read_bytes()
    assert len(list((tmp_path / "sorted").rglob("*.png"))) == 30


def test_a_table_that_is_there_is_shown_again_and_goes_on(open_page: Open, run: Run, photos: Path) -> None:
    finished(asked(open_page, run, photos))
    Image.new("L", (10, 10), 128).save(photos / "new.png")
    app = asked(open_page, run, photos)
    assert "30 images classified" in words(app)
    assert app.button(key="predict_folder_go").label == "Go on"
    assert "31 images classified" in words(finished(app))


def test_a_class_opens_its_images_the_least_probable_first_and_each_its_card(
    open_page: Open, run: Run, photos: Path, downloads: Downloads
) -> None:
    app = finished(asked(open_page, run, photos))
    assert "Choose a class to see its images." in words(app)
    rows = [row for row in csv.DictReader(io.StringIO(downloads[f"{run.id}-predictions.csv"])) if not row["error"]]
    counts = app.dataframe[0].value.to_dict("records")
    assert {row["class"]: row["images"] for row in counts} == Counter(row["class"] for row in rows)
    choose_row(app, 0, 0)
    assert not app.exception
    assert f"**“{counts[0]['class']}”**: {counts[0]['images']}" in words(app)
    of_class = sorted((row for row in rows if row["class"] == counts[0]["class"]), key=lambda row: row["probability"])
    assert {row["file"] for row in app.dataframe[1].value.to_dict("records")} == {row["file"] for row in of_class}
    shown = [item["lines"] for item in component(app, "predict_folder_gallery")["items"]]
    assert [lines[0] for lines in shown] == [counts[0]["class"]] * min(24, len(of_class))
    shares = [float(lines[1].removesuffix(" %")) for lines in shown]
    assert shares == sorted(shares)
    assert shares == pytest.approx([100 * float(row["probability"]) for row in of_class[:24]], abs=0.06)


def test_images_that_are_gone_are_said_and_the_others_are_shown(open_page: Open, run: Run, photos: Path) -> None:
    app = finished(asked(open_page, run, photos))
    contents = {path.name: path.read_bytes() for path in photos.glob("[12]*.png")}
    for name in contents:
        (photos / name).unlink()
    choose_row(app, 0, 0)
    assert not app.exception
    rows = sorted(app.dataframe[1].value.to_dict("records"), key=lambda row: float(row["probability"]))[:24]
    unread = [row["file"] for row in rows if row["file"] in contents]
    assert 1 < len(unread) < len(rows)
    assert f"{len(unread)} of these cannot be read now. {unread[0]} is no longer in" in words(app).replace("\\", "")
    assert len(component(app, "predict_folder_gallery")["items"]) == len(rows) - len(unread)
    # They come back, and are shown.
    for name, content in contents.items():
        (photos / name).write_bytes(content)
    app.run()
    assert "cannot be read now" not in words(app)
    assert len(component(app, "predict_folder_gallery")["items"]) == len(rows)


def test_a_table_that_was_torn_anywhere_has_its_whole_rows_and_no_other() -> None:
    whole = csv_text(
        [
            heading(0.9),
            ("a.png", "cat", "0.9000", *[""] * 4, "yes", "cat", "b", "0.1", "no", ""),
            ("c.png", *[""] * 11, "c.png cannot be read."),
            ("two\nlines.png", "dog", "0.8000", *[""] * 4, "no", "dog", "b", "0.1", "no", ""),
        ]
    ).encode()
    ends = [whole.index(line) + len(line) for line in (b"no,\r\n", b"read.\r\n")] + [len(whole)]
    for size in range(len(whole) + 1):
        names = [row["file"] for row in whole_rows(whole[:size])]
        assert names == ["a.png", "c.png", "two\nlines.png"][: sum(end <= size for end in ends)]


def test_where_the_folder_is_gone_the_table_stays(open_page: Open, run: Run, photos: Path) -> None:
    app = finished(asked(open_page, run, photos))
    shutil.rmtree(photos)
    choose_row(app, 0, 0)
    assert not app.exception
    assert "is no folder and no archive" in words(app)
    assert "30 images classified" in words(app)
    assert len(app.dataframe[1].value) == app.dataframe[0].value["images"][0]


def test_another_coverage_is_another_table(open_page: Open, run: Run, photos: Path) -> None:
    app = finished(asked(open_page, run, photos))
    app.button_group(key="predict_coverage").set_value(0.8).run()
    assert not app.exception
    assert "images classified" not in words(app)
    assert app.button(key="predict_folder_go").label == "Classify them"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("nothing here", "is no folder and no archive"), ("empty", "There is no image in"), ("text", "not a zip archive")],
)
def test_what_holds_no_images_is_refused_in_a_sentence(
    open_page: Open, run: Run, tmp_path: Path, path: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("Dear diary")
    app = finished(asked(open_page, run, tmp_path / path))
    assert not app.exception
    assert sentence in words(app)


def test_elsewhere_only_open_folders_are_read_and_nothing_is_copied(
    open_page: Open, run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWLAB_ALLOWED_FOLDERS", str(tmp_path / "open"))
    app = asked(open_page, run, photos)
    assert not [one for one in app.text_input if one.key == "predict_sort"]
    for path, sort_into in ((photos, ""), (tmp_path / "open", str(tmp_path / "elsewhere"))):
        request = PredictFolder(str(run.folder.path), str(path), str(tmp_path / "t.csv"), sort_into, 0.9, "p.json")
        with pytest.raises(ConfigError, match="a place that this server does not open to others"):
            predict_all(request)
    assert not (tmp_path / "t.csv").exists()
