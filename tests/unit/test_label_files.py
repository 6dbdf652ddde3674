"""Labels as annotation tools export them, and classes in the names of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data.importing.names_as_classes import classes_in_names
from engine.errors import DataError
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey, source, zip_of

KIND = {i: ("cat", "dog")[i % 2] for i in range(12)}
NAMES = {i: f"photo {i}.png" for i in range(12)}
FILES = {f"images/{NAMES[i]}": grey(i) for i in range(12)}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def labels_of(path: Path, **settings: str) -> dict[int, str | None]:
    images = source(path, **settings).load()
    return {
        int(pixels[0, 4, 4]): images.class_names[label] if label >= 0 else None
        for pixels, label in zip(images.images, images.labels, strict=True)
    }


def refusal(path: Path, **settings: str) -> str:
    with pytest.raises(DataError) as refused:
        source(path, **settings).prepare()
    return str(refused.value)


def choices(*labels: str) -> dict[str, Any]:
    return {"type": "choices", "from_name": "choice", "to_name": "image", "value": {"choices": list(labels)}}


LABEL_STUDIO = [
    {
        "id": i,
        "annotations": [{"was_cancelled": False, "result": [choices(KIND[i])]}],
        "data": {"image": f"/data/upload/1/0a1b2c3d-photo%20{i}.png"},
    }
    for i in KIND
]
LOCAL = [
    {**task, "data": {"image": f"/data/local-files/?d=images/photo%20{i}.png"}} for i, task in enumerate(LABEL_STUDIO)
]
JSON_MIN = [{"image": f"s3://bucket/images/photo {i}.png", "id": i, "choice": KIND[i]} for i in KIND]
COCO: dict[str, Any] = {
    "images": [{"id": i, "file_name": NAMES[i], "width": 10, "height": 10} for i in KIND],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [{"id": 2 * i + k, "image_id": i, "category_id": 1 + i % 2} for i in KIND for k in (0, 1)],
}
FIFTYONE = {
    "samples": [
        {"filepath": f"data/{NAMES[i]}", "tags": [], "ground_truth": {"_cls": "Classification", "label": KIND[i]}}
        for i in KIND
    ]
}
FIFTYONE_LABELS = {"classes": ["cat", "dog"], "labels": {f"photo {i}": i % 2 for i in KIND}}
CVAT = (
    "<?xml version='1.0' encoding='utf-8'?><annotations><version>1.1</version>"
    + "".join(f'<image id="{i}" name="{NAMES[i]}"><tag label="{KIND[i]}" source="manual"/></image>' for i in KIND)
    + "</annotations>"
)


def test_label_studios_table_gives_the_classes_too(tmp_path: Path) -> None:
    heading = "annotation_id,annotator,choice,created_at,id,image,lead_time,updated_at\n"
    name = "/data/upload/1/0a1b2c3d-photo%20{}.png"
    rows = "".join(f"{i},1,{KIND[i]},2024-01-01T00:{i:02},{i},{name.format(i)},1.{i},2024\n" for i in KIND)
    path = folder_of(tmp_path / "x", FILES | {"project.csv": (heading + rows).encode()})
    assert labels_of(path) == KIND


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("name", "content", "tool"),
    [
        ("project-1.json", json.dumps(LABEL_STUDIO), "Label Studio"),
        ("project-1.json", json.dumps(LOCAL), "Label Studio"),
        ("project-1-min.json", json.dumps(JSON_MIN), "Label Studio"),
        ("_annotations.coco.json", json.dumps(COCO), "COCO"),
        ("samples.json", json.dumps(FIFTYONE), "FiftyOne"),
        ("labels.json", json.dumps(FIFTYONE_LABELS), "FiftyOne"),
        ("annotations.xml", CVAT, "CVAT"),
    ],
    ids=["label studio", "label studio local", "label studio min", "coco", "fiftyone", "fiftyone labels", "cvat"],
)
def test_an_export_of_an_annotation_tool_gives_the_classes(
    tmp_path: Path, name: str, content: str, tool: str, packed: bool
) -> None:
    files = FILES | {name: content.encode()}
    path = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    assert labels_of(path) == KIND
    report = source(path).prepare()
    assert report.skipped == {}
    assert report.layout == f"labels in '{name}' from {tool}"
    assert source(path).preview().notes == [f"The classes are those of '{name}' from {tool}."]


def test_images_without_an_annotation_are_unlabeled_and_unknown_ones_said(tmp_path: Path) -> None:
    coco = {
        **COCO,
        "images": [*COCO["images"][:11], {"id": 99, "file_name": "gone.png"}],
        "annotations": [one for one in COCO["annotations"] if one["image_id"] not in (0, 11)]
        + [{"id": 100, "image_id": 1, "category_id": 1}],
    }
    path = folder_of(tmp_path / "x", FILES | {"coco.json": json.dumps(coco).encode()})
    assert labels_of(path) == KIND | {0: None, 1: None, 11: None}
    preview = source(path).preview()
    assert preview.left_out == {"in coco.json, but not among the files": 1}
    assert preview.names == [["gone.png", "in coco.json, but not among the files"]]
    assert preview.notes[1:] == [
        "1 image is not in 'coco.json' and used as an unlabeled image: 'photo 11.png'.",
        "1 image is given several labels in 'coco.json', which methods for partial labels can learn from, and used as"
        " an unlabeled image: 'photo 1.png'.",
    ]


def test_coco_files_in_the_folders_of_a_split_are_one_export(tmp_path: Path) -> None:
    files = {f"{part}/{i}.png": grey(20 * k + i) for k, part in enumerate(("train", "valid", "test")) for i in range(6)}
    coco = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(6)],
        "categories": COCO["categories"],
        "annotations": [{"id": i, "image_id": i, "category_id": 1 + i % 2} for i in range(6)],
    }
    files |= {f"{part}/_annotations.coco.json": json.dumps(coco).encode() for part in ("train", "valid", "test")}
    report = source(folder_of(tmp_path / "x", files)).prepare()
    three = {"cat": 3, "dog": 3}
    assert (report.training, report.validation, report.test) == (three, three, three)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b"[" * 100_000, "not JSON"),
        ("a.json", b'{"version": 3}', "JSON of no tool whose exports are read"),
        ("a.json", b'{"images": 3, "annotations": [], "categories": []}', "an export of COCO that is damaged"),
        ("a.json", b'{"labels": {"x": "cat"}}', "an export of FiftyOne that names none of the images"),
        ("a.xml", b"<annotations>", "not XML"),
        ("a.xml", b"<html></html>", "XML of no tool whose exports are read"),
        (
            "a.xml",
            b'<!DOCTYPE a [<!ENTITY x "y">]><annotations>&x;</annotations>',
            "XML with a document type, which is not read",
        ),
        (
            "a.xml",
            "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><annotations>&x;</annotations>".encode("utf-16"),
            "XML that is not UTF-8",
        ),
    ],
)
def test_a_file_that_is_no_export_is_left_out_with_its_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = folder_of(tmp_path / "x", CATS_AND_DOGS | {name: content})
    assert source(path).preview().left_out == {reason: 1}
    assert source(path).prepare().skipped == {reason: 1}


def test_an_export_beside_a_table_is_chosen_by_its_name(tmp_path: Path) -> None:
    rows = "file,label\n" + "".join(f"{NAMES[i]},{('up', 'down')[i % 2]}\n" for i in KIND)
    path = folder_of(tmp_path / "x", FILES | {"coco.json": json.dumps(COCO).encode(), "labels.csv": rows.encode()})
    assert refusal(path) == (
        "'x' has labels that can be read as 'labels.csv:label' or 'coco.json': choose one by data.label_column."
    )
    assert labels_of(path, label_column="coco.json") == KIND
    assert set(labels_of(path, label_column="labels.csv:label").values()) == {"up", "down"}


# classes in the names of files


@pytest.mark.parametrize(
    "pattern",
    ["{}_{:03}.png", "{} ({}).png", "{}.{}.png", "my {}-{}.png", "{}{}.png"],
    ids=lambda pattern: str(pattern),
)
def test_classes_in_file_names_are_offered_and_read_if_chosen(tmp_path: Path, pattern: str) -> None:
    files = {pattern.format(KIND[i], i): grey(i) for i in KIND}
    path = folder_of(tmp_path / "x", files)
    word = "my " if pattern.startswith("my") else ""
    classes = f"{word}cat, {word}dog"
    assert refusal(path) == (
        f"'x' can be read in 2 ways: choose data.labels_from=names (the class is in the name of each file: {classes})"
        " or data.labels_from=none (images without labels)."
    )
    assert [choice.value for choice in source(path).preview().choices] == ["names", "none"]
    assert labels_of(path, labels_from="names") == {i: word + kind for i, kind in KIND.items()}
    assert labels_of(path, labels_from="none") == dict.fromkeys(KIND)


def test_classes_in_the_names_of_a_flat_training_folder_are_not_taken_for_one_class(tmp_path: Path) -> None:
    files = {f"train/{KIND[i]}.{i}.png": grey(i) for i in KIND} | {f"test1/{i}.png": grey(50 + i) for i in range(3)}
    path = folder_of(tmp_path / "x", files)
    assert [choice.value for choice in source(path).preview().choices] == ["folders", "names", "none"]
    assert refusal(path).startswith("'x' can be read in 3 ways")
    assert labels_of(path, labels_from="names") == KIND | dict.fromkeys(range(50, 53))


def test_teachable_machines_names_are_read_without_asking(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.tm", {f"Class {1 + i % 2}-!-{i}.png": grey(i) for i in KIND})
    assert labels_of(path) == {i: f"Class {1 + i % 2}" for i in KIND}


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_{i}.jpg" for i in range(4)] + [f"DSC_{i}.jpg" for i in range(4)],
        ["cat_1.jpg", "cat_2.jpg", "cat_3.jpg"],
        ["cat_1.jpg", "cat_2.jpg", "dog_1.jpg"],
        ["cat_1.jpg", "cat_2.jpg", "dog_1.jpg", "dog_2.jpg", "me at the sea.jpg"],
        [f"2024-01-{i}.jpg" for i in range(10, 20)],
    ],
    ids=["cameras", "one word", "a word once", "a name without number", "dates"],
)
def test_names_that_need_not_be_classes_are_none(names: list[str]) -> None:
    assert classes_in_names(names, range(len(names))) is None
