"""Folders and archives as people have them: which image is of which class and of which part, what is said about it, and
what is refused because it can be read in two ways.
"""

from __future__ import annotations

import io
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from engine.data.image_set import ImageSet
from engine.data.importing import image_cache
from engine.data.importing.duplicates import tell_duplicates
from engine.data.importing.folder_layout import arrange
from engine.data.importing.import_report import Report
from engine.data.split import Split, make_split
from engine.errors import ConfigError, DataError, ShapeError
from engine.images import decode
from engine.registry import datasets
from tests.fixtures_images import CATS_AND_DOGS, encoded, folder_of, grey, source, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def understood(images: ImageSet) -> dict[int, tuple[str | None, str]]:
    """Class and part of every image, by its brightness."""
    validation = np.zeros(len(images.ids), bool) if images.is_validation is None else images.is_validation
    return {
        int(pixels[0, 4, 4]): (
            images.class_names[label] if label >= 0 else None,
            "test" if test else "validation" if held_out else "training",
        )
        for pixels, label, test, held_out in zip(images.images, images.labels, images.is_test, validation, strict=True)
    }


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


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        source(path).prepare()
    return str(refused.value)


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


# images without any label


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("inside", ["", "My photos/2024/", "unsorted/", "train/", "Photos/train/unlabeled/"])
def test_images_without_any_class_are_a_set_without_labels(tmp_path: Path, inside: str, packed: bool) -> None:
    files = {f"{inside}IMG_{i}.png": grey(i) for i in range(12)} | {"readme.txt": b"hello"}
    path = zip_of(tmp_path / "x", files) if packed else folder_of(tmp_path / "x", files)
    images = source(path).load()
    assert (images.class_names, images.classes) == ((), 0)
    assert understood(images) == {i: (None, "training") for i in range(12)}
    report = source(path).prepare()
    assert (report.read, report.unlabeled, report.training, report.test) == (12, 12, {}, {})
    assert report.classes() == "without labels"
    assert report.sentences() == [
        "No image has a label, because there are no class folders: only methods that learn without labels can be"
        " trained, such as SimCLR."
    ]


def test_loose_images_beside_class_folders_without_a_readable_image_are_not_taken_for_the_set(tmp_path: Path) -> None:
    files = {"cat/1.txt": b"x", "dog/1.txt": b"x", "1.png": grey(1)}
    assert refusal(folder_of(tmp_path / "x", files)) == (
        "'x' has training images of no class, but at least 2 classes are needed: put the images of each class into a"
        " folder of its own."
    )


def test_images_without_any_label_split_into_a_pool_alone_and_refuse_every_other_kind_of_labels(tmp_path: Path) -> None:
    images = source(folder_of(tmp_path / "x", {f"{i}.png": grey(i) for i in range(12)})).load()

    def split(**labels: object) -> Split:
        params = {"name": "folder", "split_seed": 0, "labels": labels}
        return make_split(images, datasets["folder"].Params.model_validate(params))

    parts = split(kind="none")
    assert parts.pool.tolist() == images.ids.tolist()
    assert [len(part) for part in (parts.labeled, parts.validation, parts.test)] == [0, 0, 0]
    for labels in ({"kind": "few", "per_class": 1}, {"kind": "all"}, {"kind": "partial"}):
        with pytest.raises(ConfigError) as refused:
            split(**labels)
        assert str(refused.value) == (
            "None of the images has a label: put the images of each class into a folder of its own, such as cat/1.jpg"
            " and dog/1.jpg, or choose a method that learns without labels, such as simclr."
        )


# the same image twice


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_images_in_two_parts_or_two_classes_are_counted_and_named(tmp_path: Path, packed: bool) -> None:
    files = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()}
    files |= {"test/cat/a.png": grey(10), "test/cat/b.bmp": encoded(np.full((10, 10), 11), "BMP")}
    files |= {"test/cat/c.png": grey(12, side=20), "train/dog/x.png": grey(13), "val/cat/d.png": grey(111)}
    files |= {"unlabeled/1.png": grey(14), "unlabeled/2.png": grey(14), "train/cat/5 again.png": grey(15)}
    path = zip_of(tmp_path / "x", files) if packed else folder_of(tmp_path / "x", files)
    report = source(path).prepare()
    assert (report.across_parts, report.across_classes) == (3, 2)
    assert sorted(map(sorted, report.duplicates)) == [
        ["test/cat/a.png", "train/cat/0.png"],
        ["test/cat/b.bmp", "train/cat/1.png"],  # another file of the same pixels
        ["train/cat/3.png", "train/dog/x.png"],
        ["train/dog/1.png", "val/cat/d.png"],  # c.png shows the same grey in another size: another image
    ]
    assert report.sentences()[1:] == [
        "3 images are in two of training, validation and test: accuracy on them is memory, so remove one of each two.",
        "2 images are in two class folders: remove the wrong one of each two.",
    ]
    assert report.read == len(files)


def test_a_copy_that_the_drawn_test_set_takes_from_its_training_image_is_counted(tmp_path: Path) -> None:
    files = {f"{kind}/{i}.png": grey(value) for kind, value in (("cat", 1), ("dog", 2)) for i in range(10)}
    report = source(folder_of(tmp_path / "x", files)).prepare()
    held_out = source(tmp_path / "x").load().is_test
    expected = sum(
        1 for k in (0, 10) for i in range(1, 10) if len(set(held_out[k : k + i + 1].tolist())) == 2
    )  # from the first copy in the other part on, each is in two
    assert (report.across_parts, report.across_classes) == (expected, 0)


def test_one_image_in_thousands_of_classes_is_told_at_once() -> None:
    report = Report()
    start = time.perf_counter()
    n = 100_000
    tell_duplicates([str(i) for i in range(n)], np.zeros(n, np.int64), np.arange(n), [b"x"] * n, report)
    assert time.perf_counter() - start < 5
    assert (report.across_parts, report.across_classes, len(report.duplicates)) == (0, n - 1, 50)


# photos of phones


def test_heic_photos_that_cannot_be_read_are_counted_apart_and_read_once_they_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    photo = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (16, 16), (200, 30, 40))).save(photo, quality=-1, chroma=444)
    files = CATS_AND_DOGS | {f"cat/IMG_{i}.HEIC": photo.getvalue() for i in range(3)}
    path = folder_of(tmp_path / "x", files)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pillow_heif", None)
        decode._heif_opener.cache_clear()
        report = source(path).prepare()
        key = source(path).key()
    decode._heif_opener.cache_clear()
    assert report.read == 20
    assert report.skipped == {"a HEIC photo, and pillow-heif is not installed": 3}
    assert "3 HEIC photos were left out: install pillow-heif, or export them as JPEG." in report.sentences()
    assert source(path).key() != key  # what was kept without them is not opened again
    images = source(path).load()
    assert (len(images.ids), images.channels) == (23, 3)
    red = images.images[images.ids[10:13], :, 4, 4].astype(int)
    assert np.abs(red - [200, 30, 40]).max() <= 8


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_photos_are_images(tmp_path: Path) -> None:
    avif = encoded(np.full((16, 16, 3), 90), "AVIF", quality=100)
    images = source(zip_of(tmp_path / "x.zip", CATS_AND_DOGS | {"dog/z.avif": avif})).load()
    assert images.labels[-1] == 1
    assert np.abs(images.images[-1, :, 4, 4].astype(int) - 90).max() <= 3
