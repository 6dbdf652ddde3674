"""Each layout as a small archive: what the preview says of it, and that the import then finds the same."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.data.importing.preview import Preview
from engine.errors import DataError
from tests.fixtures_images import encoded, folder_of, grey, source
from ui.data.imported_view import proposed_size


class Case(NamedTuple):
    """files, and what is said of them. classes: training, validation and test images of each. settings: what a person
    chose.
    """

    files: dict[str, bytes]
    layout: str
    classes: dict[str, tuple[int, int, int]]
    unlabeled: int = 0
    left_out: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    settings: dict[str, str] = {}


def images(*names: str) -> dict[str, bytes]:
    return {name: grey(i) for i, name in enumerate(names)}


def some(folder: str, count: int, first: int = 0) -> dict[str, bytes]:
    return {f"{folder}/{first + i}.png": grey(first + i) for i in range(count)}


def packed(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


PETS = {**some("cat", 5), **some("dog", 5, 10)}
TWO = {"cat": (5, 0, 0), "dog": (5, 0, 0)}
FLAT = {f"{i}.png": grey(i) for i in range(10)}
ROWS = "".join(f"{i}.png,{'cat' if i < 5 else 'dog'}\n" for i in range(10))
GAPS = ROWS.replace("9.png,dog", "9.png,")
COCO = {
    "images": [{"id": i, "file_name": f"{i}.png"} for i in range(10)],
    "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
    "annotations": [{"id": i, "image_id": i, "category_id": int(i >= 5)} for i in range(10)],
}
CASES = {
    "class folders": Case(PETS, "one folder per class", TWO),
    "under outer folders": Case({f"a/b/{name}": data for name, data in PETS.items()}, "one folder per class", TWO),
    "beside loose files": Case(
        PETS | images("IMG_1.png", "IMG_2.png") | {"readme.md": b"hello", "Thumbs.db": b"\0"},
        "one folder per class",
        TWO,
        unlabeled=2,
        left_out={"not an image": 1},
    ),
    "a split": Case(
        {
            **some("Training_Set/cat", 3),
            **some("Training_Set/dog", 3, 10),
            **some("VALID/cat", 2, 20),
            **some("test/images/dog", 1, 30),
        },
        "class folders in folders of a split",
        {"cat": (3, 2, 0), "dog": (3, 0, 1)},
        warnings=("Class 'cat' has no test image, so test accuracy says nothing of it.",),
    ),
    "unlabeled folders": Case(PETS | some("Unsorted", 3, 20), "one folder per class", TWO, unlabeled=3),
    "no labels at all": Case(some("My photos/2024", 6), "images without labels", {}, unlabeled=6),
    "a table": Case(
        FLAT | {"labels.csv": f"file,label\n{ROWS}".encode()},
        "labels in 'labels.csv', column 'label'",
        TWO,
        notes=("The classes are those of 'labels.csv', column 'label'.",),
    ),
    "a table as Kaggle writes it": Case(
        {f"train/{name}": data for name, data in FLAT.items()}
        | some("test", 2, 20)
        | {"train.csv": f"id,breed\n{ROWS}".replace(".png", "").encode()},
        "labels in 'train.csv', column 'breed'",
        TWO,
        left_out={"unlabeled but a test image": 2},
        notes=("The classes are those of 'train.csv', column 'breed'.",),
    ),
    "a table with gaps": Case(
        FLAT | {"labels.tsv": f"file,label\n{GAPS}11.png,cat\n".replace(",", "\t").encode()},
        "labels in 'labels.tsv', column 'label'",
        {"cat": (5, 0, 0), "dog": (4, 0, 0)},
        unlabeled=1,
        left_out={"in labels.tsv, but not among the files": 1},
        notes=("The classes are those of 'labels.tsv', column 'label'.",),
    ),
    "several labels": Case(
        FLAT | {"labels.csv": f"file,label\n{ROWS}".replace("\n0.png,cat", "\n0.png,cat;dog").encode()},
        "labels in 'labels.csv', column 'label'",
        {"cat": (4, 0, 0), "dog": (5, 0, 0)},
        unlabeled=1,
        notes=(
            "The classes are those of 'labels.csv', column 'label'.",
            "1 image is given several labels in 'labels.csv', which methods for partial labels can learn from, and used"
            " as an unlabeled image: '0.png'.",
        ),
    ),
    "COCO": Case(
        FLAT | {"_annotations.coco.json": json.dumps(COCO).encode()},
        "labels in '_annotations.coco.json' from COCO",
        TWO,
        notes=("The classes are those of '_annotations.coco.json' from COCO.",),
    ),
    "names of files": Case(
        {f"{'cat' if i < 5 else 'dog'}_{i:03}.png": grey(i) for i in range(10)},
        "the class in the name of each file",
        TWO,
        notes=("The classes are those of the file names.",),
        settings={"labels_from": "names"},
    ),
    "Teachable Machine": Case(
        {f"{'cat' if i < 5 else 'dog'}-!-{i}.png": grey(i) for i in range(10)} | {"manifest.json": b"{}"},
        "the class in the name of each file",
        TWO,
        left_out={"JSON of no tool whose exports are read": 1},
        notes=("The classes are those of the file names.",),
    ),
    "zips in a zip": Case(
        {"cat.zip": packed(some("cat", 5)), "dog.zip": packed(images("1.png", "2.png", "3.png", "4.png", "5.png"))},
        "one folder per class",
        TWO,
    ),
    "other formats": Case(
        PETS | {"cat/a.webp": encoded([[1]], "WEBP"), "cat/b": grey(40), "dog/c.pdf": b"%PDF-1.7", "dog/d": b"text"},
        "one folder per class",
        {"cat": (7, 0, 0), "dog": (5, 0, 0)},
        left_out={"not an image": 2},
    ),
    "small classes": Case(
        PETS | images("cow/1.png", "hen/1.png", "hen/2.png"),
        "one folder per class",
        TWO | {"cow": (1, 0, 0), "hen": (2, 0, 0)},
        warnings=(
            "Class 'cow' has 1 training image.",
            "2 classes ('cow', 'hen') have no test image, so test accuracy says nothing of them.",
        ),
    ),
    "a class of no images": Case(
        PETS | {"notes/a.txt": b"x"},
        "one folder per class",
        TWO | {"notes": (0, 0, 0)},
        left_out={"not an image": 1},
        warnings=("Class 'notes' has no training image.",),
    ),
}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def archive(path: Path, files: dict[str, bytes], kind: str) -> Path:
    if kind == "zip":
        path.write_bytes(packed(files))
        return path
    with tarfile.open(path, "w:gz") as written:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            written.addfile(info, io.BytesIO(data))
    return path


KINDS = [(name, kind) for name in CASES for kind in ("folder", "zip", "tar.gz")]
KINDS = [case for case in KINDS if case[0] != "zips in a zip" or case[1] == "zip"]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_the_preview_of_a_layout_says_what_the_import_then_finds(tmp_path: Path, name: str, kind: str) -> None:
    case = CASES[name]
    path = tmp_path / f"x.{kind}"
    folder(path, case.files) if kind == "folder" else archive(path, case.files, kind)
    preview: Preview = source(path, **case.settings).preview()
    assert preview.layout == case.layout
    assert {of: tuple(counts.values()) for of, counts in preview.classes.items()} == case.classes
    assert (preview.unlabeled, preview.left_out) == (case.unlabeled, case.left_out)
    assert (tuple(preview.notes), tuple(preview.warnings)) == (case.notes, case.warnings)
    report = source(path, **case.settings).prepare()
    assert (report.layout, report.unlabeled, report.skipped) == (case.layout, case.unlabeled, case.left_out)
    held_out = {of: report.training[of] + (0 if report.own_test else report.test[of]) for of in report.training}
    assert held_out == {of: counts[0] for of, counts in case.classes.items() if counts[0]}
    assert report.read == preview.images


def test_what_is_no_set_of_images_has_no_preview(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        source(folder(tmp_path / "x", {".hidden": b"x"})).preview()
    assert str(refused.value) == (
        "'x' has no class folders (no images): put the images of each class into a folder of its own, such as cat/1.jpg"
        " and dog/1.jpg."
    )


def test_the_side_of_the_samples_is_told_and_a_size_proposed_from_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", {f"{k}.png": grey(k, 300) for k in range(3)} | {"3.png": grey(3, 40)})
    preview = source(folder).preview(1)
    assert preview is not None
    assert preview.side == 300
    without = source(folder).preview(0)
    assert without is not None
    assert without.side == 0


@pytest.mark.parametrize(
    ("side", "size"), [(3, 8), (8, 8), (28, 28), (32, 32), (100, 96), (223, 192), (224, 224), (4000, 224)]
)
def test_the_proposed_size_is_no_larger_than_the_images(side: int, size: int) -> None:
    assert proposed_size(side) == size
