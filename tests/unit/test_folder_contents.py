"""What lies in the folders of a set: images without any label, the same image twice, photos of phones."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from engine.data.importing.duplicates import tell_duplicates
from engine.data.importing.import_report import Report
from engine.data.split import Split, make_split
from engine.errors import ConfigError
from engine.images import decode
from engine.registry import datasets
from tests.fixtures_images import CATS_AND_DOGS, encoded, folder_of, grey, refusal, source, understood, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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
