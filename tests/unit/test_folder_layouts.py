"""Folders and archives as people have them: which image is of which class and of which part, what is said about it, and
what is refused because it can be read in two ways.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from engine.data.image_set import ImageSet
from engine.data.importing import image_cache
from engine.data.importing.folder_layout import arrange
from engine.data.split import make_split
from engine.errors import DataError, ShapeError
from engine.registry import datasets
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey, refusal, source, understood, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# split folders


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "VALID", "Testing"),
        ("training_set", "Validation_Set", "test_set"),
        ("Train_Set", "validation", "TEST"),
    ],
)
def test_split_folders_are_used_as_what_they_are_called(
    tmp_path: Path, train: str, validation: str, test: str, packed: bool
) -> None:
    files = {f"pets/{train}/{name}": data for name, data in CATS_AND_DOGS.items()}
    files |= {f"pets/{validation}/cat/1.png": grey(200), f"pets/{validation}/dog/1.png": grey(201)}
    files |= {f"pets/{validation}/dog/2.png": grey(202), f"pets/{test}/cat/1.png": grey(203)}
    path = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    images = source(path).load()
    assert understood(images) == {
        **{10 + i: ("cat", "training") for i in range(10)},
        **{110 + i: ("dog", "training") for i in range(10)},
        200: ("cat", "validation"),
        201: ("dog", "validation"),
        202: ("dog", "validation"),
        203: ("cat", "test"),
    }
    report = source(path).prepare()
    assert (report.skipped, report.validation, report.test) == ({}, {"cat": 1, "dog": 2}, {"cat": 1, "dog": 0})
    assert report.sentences() == ["3 images of its own validation folder are the validation part of every run."]


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("train", "test"), [("train/images", "test/Images"), ("train", "test/data"), ("x/train/img", "x/test")]
)
def test_a_folder_between_a_part_of_the_split_and_its_classes_is_looked_through(
    tmp_path: Path, train: str, test: str, packed: bool
) -> None:
    files = {f"{train}/{name}": data for name, data in CATS_AND_DOGS.items()} | {f"{test}/cat/1.png": grey(200)}
    files |= {f"{train}/unlabeled/1.png": grey(201), f"{train}/2.png": grey(202)}
    path = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    images = source(path).load()
    assert images.class_names == ("cat", "dog")
    assert {value: place for value, place in understood(images).items() if value >= 200} == {
        200: ("cat", "test"),
        201: (None, "training"),
        202: (None, "training"),
    }


def test_the_only_class_of_a_training_folder_is_no_folder_to_look_through(tmp_path: Path) -> None:
    files = {f"train/cat/{year}/1.png": grey(year - 2000) for year in (2019, 2020)}
    assert refusal(folder_of(tmp_path / "x", files)) == (
        "'x' has training images of 1 class ('cat'), but at least 2 classes are needed: put the images of each class"
        " into a folder of its own."
    )


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("labels", [{"kind": "few", "per_class": 2}, {"kind": "all"}, {"kind": "none"}])
def test_own_validation_images_are_the_validation_part_and_nothing_else(
    tmp_path: Path, labels: dict[str, object], share: float
) -> None:
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()}
    files |= {f"{part}/{kind}/1.png": grey(200) for part in ("val", "test") for kind in ("cat", "dog")}
    images = source(folder_of(tmp_path / "x", files)).load()
    assert images.is_validation is not None
    for seed in (0, 1):
        params = {"name": "folder", "split_seed": seed, "validation": share, "labels": labels}
        split = make_split(images, datasets["folder"].Params.model_validate(params))
        assert split.validation.tolist() == images.ids[images.is_validation].tolist()
        assert sorted(split.pool.tolist()) == images.ids[~images.is_validation & ~images.is_test].tolist()
        assert set(split.labeled.tolist()) <= set(split.pool.tolist())


def test_what_normalizes_a_network_is_counted_on_training_images_alone(tmp_path: Path) -> None:
    files = {"train/a/1.png": grey(1), "train/b/1.png": grey(2), "val/a/1.png": grey(3), "test/b/1.png": grey(4)}
    counts = source(folder_of(tmp_path / "x", files)).load().histogram
    assert {value: int(count) for value, count in enumerate(counts[0]) if count} == {1: 64, 2: 64}


def test_a_validation_folder_without_a_test_folder_leaves_the_test_images_to_the_training_ones(tmp_path: Path) -> None:
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()}
    files |= {f"val/cat/{i}.png": grey(200 + i) for i in range(10)}
    report = source(folder_of(tmp_path / "x", files)).prepare()
    assert (report.training, report.test) == ({"cat": 8, "dog": 8}, {"cat": 2, "dog": 2})
    assert report.validation == {"cat": 10, "dog": 0}
    assert report.sentences() == [
        "10 images of its own validation folder are the validation part of every run.",
        "A fifth of each class is held out for the test set.",
    ]


def test_a_validation_image_of_no_class_that_is_trained_is_skipped_and_said(tmp_path: Path) -> None:
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()}
    files |= {"val/cow/1.png": grey(200), "val/unlabeled/1.png": grey(201)}
    report = source(folder_of(tmp_path / "x", files)).prepare()
    assert report.skipped == {
        "a validation image of a class without training images": 1,
        "unlabeled but a validation image": 1,
    }
    assert report.validation == {}


def test_test_images_of_no_class_that_is_trained_leave_the_set_with_test_images(tmp_path: Path) -> None:
    """Or its accuracy would be of nothing."""
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()} | {"test/cow/1.png": grey(200)}
    report = source(folder_of(tmp_path / "x", files)).prepare()
    assert (report.own_test, report.test) == (False, {"cat": 2, "dog": 2})


def test_a_set_without_validation_images_keeps_its_hash_and_one_with_them_has_another() -> None:
    images, marks = np.zeros((3, 1, 2, 2), np.uint8), np.zeros(3, bool)
    plain = ImageSet("x", images, np.array([0, 1, 0]), np.arange(3), marks, ("a", "b"))
    assert plain.content_hash == "3cc4e8bd918c24b9"  # as before there were any
    own = [
        ImageSet("x", images, np.array([0, 1, 0]), np.arange(3), marks, ("a", "b"), is_validation=mark)
        for mark in (np.array([True, False, False]), np.array([False, True, False]))
    ]
    assert len({plain.content_hash, *(each.content_hash for each in own)}) == 3
    with pytest.raises(ShapeError) as refused:
        ImageSet("x", images, np.array([0, 1, 0]), np.arange(3), marks, ("a", "b"), is_validation=marks[:2])
    assert str(refused.value) == "x: is_validation must have one mark for each of 3 images, but has 2."


def test_marks_of_validation_images_that_were_damaged_in_the_cache_are_made_anew(
    tmp_path: Path, empty_cache: Path
) -> None:
    files = {"train/a/1.png": grey(1), "train/b/1.png": grey(2), "val/a/1.png": grey(3), "test/b/1.png": grey(4)}
    path = folder_of(tmp_path / "x", files)
    whole = source(path).load().content_hash
    marks = empty_cache / "decoded" / source(path).key() / "is_validation.npy"
    np.save(marks, np.zeros(4, bool))
    assert image_cache.open_decoded(source(path).key(), frozenset({"flip"})) is None
    assert source(path).load().content_hash == whole
    marks.unlink()
    assert source(path).ready() is False


# outer folders and loose files


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("outer", ["Photos", "My photos/2024/for the lab", "a/b/c/d/e/f"])
@pytest.mark.parametrize("beside", [{}, {"readme.txt": b"hello"}, {".DS_Store": b"\0"}], ids=["", "readme", "junk"])
def test_any_number_of_folders_may_lie_around_the_class_folders(
    tmp_path: Path, outer: str, beside: dict[str, bytes], packed: bool
) -> None:
    files = {f"{outer}/{name}": data for name, data in CATS_AND_DOGS.items()} | beside
    path = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    assert source(path).load().class_names == ("cat", "dog")
    report = source(path).prepare()
    assert (report.read, report.unlabeled) == (20, 0)
    assert report.skipped == ({"not an image": 1} if "readme.txt" in beside else {})


def test_a_split_may_lie_under_outer_folders(tmp_path: Path) -> None:
    files = {f"a/b/train/{name}": data for name, data in CATS_AND_DOGS.items()} | {"a/b/test/cat/1.png": grey(200)}
    images = source(folder_of(tmp_path / "x", files)).load()
    assert images.class_names == ("cat", "dog")
    assert understood(images)[200] == ("cat", "test")


@pytest.mark.parametrize("outer", ["", "pets/", "my/pets/"])
def test_loose_images_beside_class_folders_are_unlabeled_and_counted(tmp_path: Path, outer: str) -> None:
    files = CATS_AND_DOGS | {f"IMG_{i}.png": grey(200 + i) for i in range(3)} | {"unlabeled/1.png": grey(210)}
    images = source(folder_of(tmp_path / "x", {outer + name: data for name, data in files.items()})).load()
    assert {value: place for value, place in understood(images).items() if value >= 200} == {
        value: (None, "training") for value in (200, 201, 202, 210)
    }
    report = source(tmp_path / "x").prepare()
    assert (report.unlabeled, report.loose, report.skipped) == (4, 3, {})
    assert report.sentences() == [
        "3 images lie in no class folder and are used as unlabeled images.",
        "A fifth of each class is held out for the test set.",
    ]


def test_a_loose_image_on_the_way_down_is_unlabeled_too(tmp_path: Path) -> None:
    files = {f"pets/all/{name}": data for name, data in CATS_AND_DOGS.items()} | {"pets/cover.png": grey(200)}
    images = source(folder_of(tmp_path / "x", files)).load()
    assert images.class_names == ("cat", "dog")
    assert understood(images)[200] == (None, "training")
    said = source(tmp_path / "x").prepare().sentences()
    assert said[0] == "1 image lies in no class folder and is used as an unlabeled image."


def test_loose_images_of_a_split_are_unlabeled_in_train_and_skipped_elsewhere(tmp_path: Path) -> None:
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()}
    files |= {"train/1.png": grey(200), "test/cat/1.png": grey(201), "test/1.png": grey(202), "val/1.png": grey(203)}
    files |= {"overview.png": grey(204)}
    images = source(folder_of(tmp_path / "x", files)).load()
    assert {value: place for value, place in understood(images).items() if value >= 200} == {
        200: (None, "training"),
        201: ("cat", "test"),
    }
    report = source(tmp_path / "x").prepare()
    assert report.loose == 1
    assert report.skipped == {
        "beside train and test": 1,
        "unlabeled but a test image": 1,
        "unlabeled but a validation image": 1,
    }


def test_one_class_folder_with_images_beside_it_is_not_taken_for_a_folder_around_them(tmp_path: Path) -> None:
    files = {"cat/1.png": grey(1), "cat/2.png": grey(2), "3.png": grey(3)}
    with pytest.raises(DataError) as refused:
        source(folder_of(tmp_path / "x", files)).prepare()
    assert (
        str(refused.value)
        == "'x' has training images of 1 class ('cat'), but at least 2 classes are needed: put the images of each class"
        " into a folder of its own."
    )


def test_names_that_claim_thousands_of_folders_are_looked_at_at_once() -> None:
    names = [f"{'a/' * 30_000}{kind}/{i}.png" for kind in ("cat", "dog") for i in range(20)]
    start = time.perf_counter()
    layout = arrange(names)
    assert time.perf_counter() - start < 2
    assert {file.of for file in layout.files} == {"a"}  # one class, which is refused


# folders of unlabeled images


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", ["unlabeled", "Unlabelled", "UNSORTED", "unknown", "No_Label"])
def test_a_folder_named_for_having_no_label_is_no_class(tmp_path: Path, name: str, packed: bool) -> None:
    split = {f"train/{file}": data for file, data in CATS_AND_DOGS.items()} | {f"train/{name}/1.png": grey(200)}
    for files in (CATS_AND_DOGS | {f"{name}/deep/1.png": grey(200)}, split):
        path = tmp_path / str(len(files))
        images = source(zip_of(path, files) if packed else folder_of(path, files)).load()
        assert images.class_names == ("cat", "dog")
        assert understood(images)[200] == (None, "training")
        report = source(path).prepare()
        assert (report.unlabeled, report.loose) == (1, 0)
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_class_whose_name_only_begins_like_that_is_a_class(tmp_path: Path) -> None:
    files = CATS_AND_DOGS | {"unknown bird/1.png": grey(200)}
    assert source(folder_of(tmp_path / "x", files)).load().class_names == ("cat", "dog", "unknown bird")


# what can be read in two ways


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("train/1.png", "train/2.png", "test/3.png"), "'test' and 'train'"),
        (("set/Training/1.png", "set/Val/2.png", "set/test/3.png"), "'Training' and 'Val' and 'test'"),
        (("train/1.png", "test/cat/2.png", "test/dog/3.png"), "'test' and 'train'"),
        (("val/cat/1.png", "val/dog/2.png", "test/cat/3.png"), "'test' and 'val'"),
        (("train/1.png", "test/2.png", "unlabeled/3.png", "4.png"), "'test' and 'train'"),
    ],
)
def test_folders_that_can_be_classes_or_a_split_are_refused(
    tmp_path: Path, files: tuple[str, ...], named: str, packed: bool
) -> None:
    images = {name: grey(i) for i, name in enumerate(files)}
    path = zip_of(tmp_path / "x", images) if packed else folder_of(tmp_path / "x", images)
    assert refusal(path) == (
        f"'x' has no folders but {named} and no class folders inside a training folder, so these can be classes or a"
        " split: put the images of each class into a folder of its own, such as train/cat/1.jpg and test/cat/1.jpg, or"
        " rename these folders to what their images show."
    )


def test_a_test_folder_alone_is_no_training_set(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {f"test/{name}": data for name, data in CATS_AND_DOGS.items()})
    assert refusal(path) == (
        "'x' has no folder but 'test', which names a part of a split, and no training images: choose that folder"
        " itself, or put the training images beside it, such as train/cat/1.jpg."
    )
    assert source(path / "test").load().class_names == ("cat", "dog")


@pytest.mark.parametrize("name", ["test", "Validation"])
def test_a_test_folder_beside_the_classes_it_holds_is_not_a_class_in_silence(tmp_path: Path, name: str) -> None:
    files = CATS_AND_DOGS | {f"{name}/cat/1.png": grey(200), f"{name}/dog/1.png": grey(201)}
    assert refusal(folder_of(tmp_path / "x", files)) == (
        f"'x' has the folder '{name}' beside class folders of the same names as the folders inside it, so it can be a"
        " class or a part of a split: move the class folders beside it into a folder train, or rename it to what its"
        " images show."
    )


def test_trains_and_tests_among_further_classes_are_classes(tmp_path: Path) -> None:
    files = {"train/1.png": grey(1), "test/1.png": grey(2), "plane/1.png": grey(3)}
    images = source(folder_of(tmp_path / "x", files)).load()
    assert understood(images) == {1: ("train", "training"), 2: ("test", "training"), 3: ("plane", "training")}
