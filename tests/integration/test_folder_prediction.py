"""A whole folder classified into a table: every image once, also when it is killed on the way."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.config.run_config import RunConfig
from engine.errors import DataError
from engine.folder_prediction import heading, predict_folder, read_named
from engine.lab.executors.inline import train
from engine.predictor import Predictor
from engine.runs.store import Run

SETTINGS = {
    "data": {"name": "folder", "size": 16, "labels": {"kind": "all"}},
    "method": {"name": "supervised"},
    "budget": {"steps": 6, "batch_size": 6, "evaluate_every": 6},
    "hardware": {"device": "cpu", "threads": 1},
}
CLASSES = ("=sum", "a\\b")  # the one a spreadsheet's formula, the other no name of a folder everywhere


def saved(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "PNG")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("photos")
    for number in range(20):
        saved(root / CLASSES[number % 2] / f"{number}.png", number)
    return train(RunConfig.parse(SETTINGS).with_changes({"data.path": str(root)}), tmp_path_factory.mktemp("runs"))


@pytest.fixture
def predictor(run: Run) -> Predictor:
    return Predictor(run.folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """150 images in two folders, with names that spoil tables, and among them what is no image or a broken one."""
    root = tmp_path / "images"
    for number in range(150):
        saved(root / ("left" if number % 2 else "right") / f"{number}.png", number)
    for name in ("=1+1.png", 'a "quoted", name.png', "two\nlines.png", os.fsdecode(b"\xff\xfe.png")):
        saved(root / name, 7)
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    (root / "notes.txt").write_text("no image")
    (root / "link.png").symlink_to(root / "left" / "1.png")
    os.mkfifo(root / "pipe.png")
    return root


def rows(table: Path) -> list[list[str]]:
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_every_image_has_one_row_with_what_the_run_answers(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    outcome = predict_folder(predictor, folder, table)
    columns, *found = rows(table)
    assert tuple(columns) == heading(0.9)
    assert (outcome.images, outcome.before, outcome.refused) == (156, 0, 2)
    assert len({row[0] for row in found}) == len(found) == 156
    errors = {row[0]: row[-1] for row in found if row[-1]}
    assert set(errors) == {"broken.png", "pipe.png"}
    assert "'broken.png' begins like an image" in errors["broken.png"]
    for row in found:
        if row[0] in ("left/1.png", "right/148.png", "'=1+1.png"):
            path = folder / row[0].removeprefix("'")
            best, second = predictor.top(predictor.predict([predictor.read(path.read_bytes())])[0])
            assert [cell.removeprefix("'") for cell in row[1:5:2]] == [best["class"], second["class"]]
            assert [float(cell) for cell in row[2:5:2]] == pytest.approx(
                [best["probability"], second["probability"]], abs=1e-4
            )
            assert len(row) == len(columns)


def test_what_is_there_is_not_classified_again_and_a_torn_row_is(
    predictor: Predictor, folder: Path, tmp_path: Path
) -> None:
    whole, torn = tmp_path / "whole.csv", tmp_path / "torn.csv"
    predict_folder(predictor, folder, whole)
    expected = whole.read_bytes()
    lines = expected.splitlines(keepends=True)
    torn.write_bytes(b"".join(lines[:60]) + lines[60][:9])
    outcome = predict_folder(predictor, folder, torn)
    assert outcome.before >= 55  # names with line breaks take two lines
    assert outcome.images + outcome.before == 156
    assert torn.read_bytes() == expected
    assert predict_folder(predictor, folder, torn) == (0, 156, 0)
    assert torn.read_bytes() == expected


def test_files_are_read_again_by_the_names_in_the_table(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    table, packed = tmp_path / "table.csv", tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("left/1.png", "=1+1.png"):
            archive.write(folder / name, name)
    predict_folder(predictor, folder, table)
    names = [row[0].removeprefix("'") for row in rows(table)[1:]]
    contents = dict(zip(names, read_named(folder, names), strict=True))
    for name, content in contents.items():
        if name == "pipe.png":
            assert content == "pipe.png cannot be read: it is a pipe, a device or a socket."
        else:
            odd = os.fsdecode(b"\xff\xfe.png") if "\\" in name else name
            assert content == (folder / odd).read_bytes()
    assert list(read_named(packed, ["=1+1.png", "left/1.png", "right/2.png"])) == [
        (folder / "=1+1.png").read_bytes(),
        (folder / "left" / "1.png").read_bytes(),
        f"2.png is no longer in {packed}.",
    ]


def test_no_file_outside_the_folder_is_read_again(folder: Path, tmp_path: Path) -> None:
    saved(tmp_path / "outside.png", 3)
    (folder / "left" / "1.png").unlink()
    for name in ("../outside.png", str(tmp_path / "outside.png"), "left/1.png", "link.png"):
        assert list(read_named(folder, [name])) == [f"{Path(name).name} is no longer in {folder}."]
    with pytest.raises(DataError, match="is no folder and no archive"):
        list(read_named(tmp_path / "nothing", ["a.png"]))


@pytest.mark.parametrize("left", ["nothing", "half of the heading", "the heading alone"])
def test_a_table_that_was_left_before_its_first_row_gets_one_heading(
    predictor: Predictor, tmp_path: Path, left: str
) -> None:
    saved(tmp_path / "images" / "one.png", 1)
    whole, begun = tmp_path / "whole.csv", tmp_path / "begun.csv"
    predict_folder(predictor, tmp_path / "images", whole)
    line = whole.read_bytes().splitlines(keepends=True)[0]
    begun.write_bytes({"nothing": b"", "half of the heading": line[:9], "the heading alone": line}[left])
    assert predict_folder(predictor, tmp_path / "images", begun) == (1, 0, 0)
    assert begun.read_bytes() == whole.read_bytes()


def test_copies_are_sorted_by_class_and_nothing_is_moved(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    table, into = tmp_path / "table.csv", folder / "sorted"
    predict_folder(predictor, folder, table, into)
    homes = {"=sum": "=sum", "a\\b": "a_b"}
    for row in rows(table)[1:]:
        if row[1] and "\n" not in row[0] and "\\u" not in row[0]:
            name = row[0].removeprefix("'")
            copy = into / homes[row[1].removeprefix("'")] / name
            assert copy.read_bytes() == (folder / name).read_bytes()
    assert len([file for file in into.rglob("*") if file.is_file()]) == 154
    # The copies lie below the folder and are no images of it.
    assert predict_folder(predictor, folder, table, into) == (0, 156, 0)


def test_two_images_whose_paths_differ_in_a_slash_are_two_copies(predictor: Predictor, tmp_path: Path) -> None:
    root, into = tmp_path / "images", tmp_path / "sorted"
    saved(root / "a" / "b.png", 1)
    saved(root / "a__b.png", 2)
    predict_folder(predictor, root, tmp_path / "table.csv", into)
    copies = {file.read_bytes() for file in into.rglob("*.png")}
    assert copies == {(root / "a" / "b.png").read_bytes(), (root / "a__b.png").read_bytes()}


def test_an_archive_gets_the_rows_of_the_folder_that_it_was_made_of(
    predictor: Predictor, folder: Path, tmp_path: Path
) -> None:
    plain = [path for path in sorted(folder.rglob("*.png")) if path.is_file() and not path.is_symlink()]
    plain = [path for path in plain if str(path).isprintable() and "\\" not in str(path)]
    archive, into = tmp_path / "photos.zip", tmp_path / "sorted"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in plain:
            packed.write(path, path.relative_to(folder).as_posix())
        packed.writestr("__MACOSX/left/._1.png", b"\x89PNG\r\n\x1a\n what macOS leaves")
    outcome = predict_folder(predictor, archive, tmp_path / "archive.csv", into)
    predict_folder(predictor, folder, tmp_path / "folder.csv")
    by_name = {row[0]: row for row in rows(tmp_path / "folder.csv")}
    found = rows(tmp_path / "archive.csv")
    assert outcome.images == len(found) - 1 == len(plain)
    for row in found:
        assert row == by_name[row[0]] or (row[0] == "broken.png" and row[-1])
    copies = {path.read_bytes() for path in into.rglob("*.png")}
    assert copies == {path.read_bytes() for path in plain if path.name != "broken.png"}


def test_copies_are_made_of_images_that_have_a_row_already(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    predict_folder(predictor, folder, tmp_path / "table.csv")
    again = predict_folder(predictor, folder, tmp_path / "table.csv", tmp_path / "sorted")
    assert (again.images, again.before) == (0, 156)
    predict_folder(predictor, folder, tmp_path / "at once.csv", tmp_path / "at once")
    later, at_once = (
        {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "sorted", tmp_path / "at once")
    )
    assert later == at_once
    assert len(later) == 154


def test_a_table_that_is_being_written_is_left_to_who_writes_it(
    predictor: Predictor, folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    refused: list[str] = []

    def second(done: int, total: int) -> None:
        if done and not refused:
            with pytest.raises(DataError, match="is being written already") as error:
                predict_folder(predictor, folder, table)
            refused.append(str(error.value))

    predict_folder(predictor, folder, table, told=second)
    assert len(refused) == 1
    assert len({row[0] for row in rows(table)}) == len(rows(table)) == 157


def test_another_table_is_left_as_it_is(predictor: Predictor, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "accounts.csv"
    table.write_text("name,amount\nrent,700\n")
    with pytest.raises(DataError, match="is not a table of such predictions"):
        predict_folder(predictor, folder, table)
    assert table.read_text() == "name,amount\nrent,700\n"
    predict_folder(predictor, folder, tmp_path / "table.csv")
    with pytest.raises(DataError, match="is not a table of such predictions"):
        predict_folder(predictor, folder, tmp_path / "table.csv", coverage=0.8)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="There is no image in"):
        predict_folder(predictor, tmp_path / "empty", tmp_path / "new.csv")
    assert not (tmp_path / "new.csv").exists()


@pytest.mark.slow
def test_killed_on_the_way_it_goes_on_without_a_doubled_row(run: Run, tmp_path: Path) -> None:
    root, table = tmp_path / "many", tmp_path / "table.csv"
    for number in range(3000):
        saved(root / f"{number:04}.png", number)
    command = [sys.executable, "-m", "engine", "predict", run.id, str(root), "--csv", str(table), "--json"]
    command += ["--checkpoints", str(run.folder.path.parent)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not table.exists() or len(table.read_bytes()) < 5_000:
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = len(rows(table)) - 1
    assert 0 < before < 3000
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"refused": 0' in again.stdout
    found = [row[0] for row in rows(table)[1:]]
    assert found == [f"{number:04}.png" for number in range(3000)]
