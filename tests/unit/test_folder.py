"""A person's own images: every layout that is understood, what comes out pixel by pixel, what is said about the rest,
and when it is made anew.
"""

from __future__ import annotations

import itertools
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.config.parts import DataParams
from engine.data.importing.folder_layout import arrange, natural, titles
from engine.data.split import make_split
from engine.errors import ConfigError
from engine.images.decode import read_image
from engine.images.fit import fit_image
from tests.fixtures_images import CATS_AND_DOGS, encoded, folder_of, grey, red, source, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def under(root: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{root}/{name}": data for name, data in files.items()}


JUNK = {
    "__MACOSX/cat/._0.png": b"\0\5\x16\7",
    "cat/.DS_Store": b"\0\0\0\1Bud1",
    "cat/Thumbs.db": b"\xd0\xcf",
    "dog/._3.png": b"\0",
    ".git/config": b"[core]",
}


# layouts


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    "files",
    [CATS_AND_DOGS, under("My images", CATS_AND_DOGS), CATS_AND_DOGS | JUNK, under("pets", CATS_AND_DOGS) | JUNK],
    ids=["plain", "wrapped", "junk", "both"],
)
def test_one_folder_per_class_is_a_set_with_a_fifth_of_each_class_for_testing(
    tmp_path: Path, files: dict[str, bytes], packed: bool
) -> None:
    path = zip_of(tmp_path / "pets.zip", files) if packed else folder_of(tmp_path / "pets", files)
    images = source(path).load()
    assert images.class_names == ("cat", "dog")
    assert images.images.shape == (20, 1, 8, 8)
    assert images.images[:, 0, 4, 4].tolist() == [*range(10, 20), *range(110, 120)]
    assert images.labels.tolist() == [0] * 10 + [1] * 10
    assert images.ids.tolist() == list(range(20))
    assert [int(images.is_test[images.labels == k].sum()) for k in (0, 1)] == [2, 2]
    assert source(path).prepare().skipped == {}


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "Testing"), ("TRAIN", "Test")])
@pytest.mark.parametrize("wrapper", ["", "set/"])
def test_train_and_test_folders_are_the_official_split(tmp_path: Path, train: str, test: str, wrapper: str) -> None:
    files = {
        f"{wrapper}{train}/cat/1.png": grey(1),
        f"{wrapper}{train}/dog/1.png": grey(2),
        f"{wrapper}{train}/dog/2.png": grey(3),
        f"{wrapper}{test}/dog/1.png": grey(4),
    }
    images = source(folder_of(tmp_path / "x", files)).load()
    seen = {
        int(p[0, 4, 4]): (int(k), bool(t)) for p, k, t in zip(images.images, images.labels, images.is_test, strict=True)
    }
    assert seen == {1: (0, False), 2: (1, False), 3: (1, False), 4: (1, True)}
    assert source(tmp_path / "x").prepare().own_test is True


def test_without_a_test_folder_a_fifth_of_the_training_images_is_held_out(tmp_path: Path) -> None:
    report = source(folder_of(tmp_path / "x", under("train", CATS_AND_DOGS))).prepare()
    assert (report.own_test, report.training, report.test) == (False, {"cat": 8, "dog": 8}, {"cat": 2, "dog": 2})


@pytest.mark.parametrize("place", ["unlabeled", "Unlabelled/deep/er", "train/unlabeled"])
def test_unlabeled_images_join_the_training_pool_without_a_label(tmp_path: Path, place: str) -> None:
    labeled = under("train", CATS_AND_DOGS) if place.startswith("train") else CATS_AND_DOGS
    images = source(folder_of(tmp_path / "x", labeled | {f"{place}/{i}.png": grey(200 + i) for i in range(7)})).load()
    assert images.class_names == ("cat", "dog")
    unknown = images.labels < 0
    assert unknown.sum() == 7
    assert not images.is_test[unknown].any()
    split = make_split(images, DataParams(name="folder", split_seed=0))
    assert np.isin(images.ids[unknown], split.unlabeled).all()
    assert not np.isin(images.ids[unknown], np.concatenate([split.labeled, split.validation, split.test])).any()
    assert (len(split.labeled), len(split.validation), len(split.test)) == (4, 2, 4)
    report = source(tmp_path / "x").prepare()
    assert (report.read, report.unlabeled, report.training) == (27, 7, {"cat": 8, "dog": 8})


def test_images_may_lie_deeper_than_their_class_folder(tmp_path: Path) -> None:
    files = {"cat/2019/summer/1.png": grey(1), "cat/2.png": grey(2), "dog/x/1.png": grey(3)}
    assert source(folder_of(tmp_path / "x", files)).load().labels.tolist() == [0, 0, 1]


def test_vehicles_may_be_trains() -> None:
    layout = arrange(["train/1.png", "plane/1.png", "car/1.png"])
    assert sorted(str(file.of) for file in layout.files) == ["car", "plane", "train"]


def test_a_class_of_test_images_only_and_folders_beside_the_split_are_skipped_and_said(tmp_path: Path) -> None:
    files = under("train", CATS_AND_DOGS) | {
        "test/cat/1.png": grey(5),
        "test/cow/1.png": grey(6),
        "extra/cat/1.png": grey(7),
        "notes.txt": b"hello",
    }
    report = source(folder_of(tmp_path / "x", files)).prepare()
    assert report.skipped == {
        "beside train and test": 2,
        "a test image of a class without training images": 1,
    }
    assert sorted(report.names) == [
        ["extra/cat/1.png", "beside train and test"],
        ["notes.txt", "beside train and test"],
        ["test/cow/1.png", "a test image of a class without training images"],
    ]
    assert report.test == {"cat": 1, "dog": 0}


def test_classes_are_sorted_as_people_count() -> None:
    assert sorted(["class 10", "class 2", "b", "a10b", "a9b", "7"], key=natural) == [
        "7",
        "a9b",
        "a10b",
        "b",
        "class 2",
        "class 10",
    ]


def test_a_hundred_classes_are_a_hundred_classes(tmp_path: Path) -> None:
    images = source(
        zip_of(tmp_path / "many.zip", {f"{k}/{i}.png": grey(2 * k + i) for k in range(100) for i in range(2)})
    ).load()
    assert images.class_names == tuple(str(k) for k in range(100))
    assert sorted(images.labels.tolist()) == [k for k in range(100) for _ in range(2)]
    assert (images.images[:, 0, 0, 0] // 2).tolist() == images.labels.tolist()


def test_strange_class_names_are_data(tmp_path: Path) -> None:
    names = ["<b onload=x>bold", "**stars** $x$", "größe ✓", "a'b\"c", "; rm -rf", "名前"]
    images = source(zip_of(tmp_path / "x.zip", {f"{name}/1.png": grey(k) for k, name in enumerate(names)})).load()
    assert set(images.class_names) == set(names)
    assert {images.class_names[k]: int(p[0, 0, 0]) for k, p in zip(images.labels, images.images, strict=True)} == {
        name: k for k, name in enumerate(names)
    }


def test_names_that_look_the_same_stay_different_and_fit_on_a_line() -> None:
    assert titles(["a\nb", "a b", "a\u202eb", "x" * 100, "x" * 99 + "y", "\t"]) == [
        "a b",
        "a b (2)",
        "a b (3)",
        "x" * 59 + "…",
        "x" * 59 + "… (2)",
        "?",
    ]


def test_five_thousand_names_that_begin_alike_are_told_apart_at_once() -> None:
    start = time.perf_counter()
    shown = titles([f"{'x' * 70}{number}" for number in range(5_000)])
    assert time.perf_counter() - start < 2
    assert len(set(shown)) == 5_000
    assert (shown[0], shown[1], shown[-1]) == tuple("x" * 59 + end for end in ("…", "… (2)", "… (5000)"))


def test_a_number_that_a_name_already_has_is_passed_over() -> None:
    assert titles(["a (2)", "a", "a ", " a"]) == ["a (2)", "a", "a (3)", "a (4)"]


def test_a_name_macos_decomposed_is_the_same_class(tmp_path: Path) -> None:
    files = {"train/e\u0301te\u0301/1.png": grey(1), "train/hiver/1.png": grey(2), "test/\u00e9t\u00e9/1.png": grey(3)}
    assert source(zip_of(tmp_path / "x.zip", files)).load().class_names == ("hiver", "\u00e9t\u00e9")


# pixels


def test_any_format_size_and_color_becomes_the_pixels_that_reading_and_fitting_it_gives(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    files: dict[str, bytes] = {}
    for i, (format, shape) in enumerate(
        [
            ("PNG", (9, 30, 3)),
            ("JPEG", (11, 12, 3)),
            ("BMP", (40, 20, 3)),
            ("GIF", (15, 15)),
            ("WEBP", (10, 16, 3)),
            ("TIFF", (33, 8)),
            ("JPEG", (20, 20)),
        ]
    ):
        files[f"{'ab'[i % 2]}/{i}.{format.lower()}"] = encoded(noise.integers(0, 256, shape), format)
    images = source(folder_of(tmp_path / "x", files)).load()
    assert images.channels == 3
    for image, name in zip(images.images, sorted(files), strict=True):
        assert (image == fit_image(read_image(files[name]), 8, 3, "crop")).all(), name


def test_grey_images_read_before_the_first_color_get_three_equal_channels(tmp_path: Path) -> None:
    images = source(
        folder_of(tmp_path / "x", {"a/1.png": grey(70), "a/2.png": grey(80), "b/1.png": red(), "b/2.png": grey(90)})
    ).load()
    assert images.images.shape == (4, 3, 8, 8)
    assert images.images[:, :, 3, 3].tolist() == [[70, 70, 70], [80, 80, 80], [200, 0, 0], [90, 90, 90]]


def test_grey_stored_as_color_is_grey(tmp_path: Path) -> None:
    stored = encoded(np.full((10, 10, 3), 60))
    assert source(folder_of(tmp_path / "x", {"a/1.png": stored, "b/1.png": grey(9)})).load().images[
        :, :, 0, 0
    ].tolist() == [[60], [9]]


def test_color_can_be_chosen(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {"a/1.png": red(), "b/1.png": grey(9)})
    assert source(path, color="grey").load().images[:, :, 0, 0].tolist() == [[60], [9]]  # 0.299 of 200
    assert source(path, color="rgb").load().channels == source(path, color="auto").load().channels == 3
    assert source(folder_of(tmp_path / "y", CATS_AND_DOGS), color="rgb").load().channels == 3


def test_the_three_ways_to_a_square(tmp_path: Path) -> None:
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255  # white in the middle third
    path = folder_of(tmp_path / "x", {"a/1.png": encoded(wide), "b/1.png": grey(0)})
    assert source(path, fit="crop").load().images[0, 0, 4].tolist() == [255] * 8
    squashed = source(path, fit="squash").load().images[0, 0]
    assert (squashed[0] == squashed[7]).all()
    assert squashed[0, 0] == 0
    padded = source(path, fit="pad").load().images[0, 0]
    assert padded[0].tolist() == [0] * 8
    assert padded[4, 4] > 200


def test_a_large_jpeg_decoded_at_a_fraction_of_its_size_is_nearly_the_same_image(tmp_path: Path) -> None:
    smooth = np.asarray(
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)).resize(
            (640, 480), Image.Resampling.BICUBIC
        )
    )
    data = encoded(smooth, "JPEG", quality=95)
    images = source(folder_of(tmp_path / "x", {"a/1.jpg": data, "b/1.png": grey(1)}), size=32).load()
    full = fit_image(read_image(data), 32, 3, "crop").astype(int)
    assert np.abs(images.images[0].astype(int) - full).mean() < 2
    assert read_image(data, smallest=64).shape == (120, 160, 3)  # a quarter: an eighth would have fewer than 64 rows


# the report


def test_what_cannot_be_read_is_skipped_counted_and_named(tmp_path: Path) -> None:
    broken = CATS_AND_DOGS | {f"cat/note {i:03}.txt": b"just text" for i in range(60)}
    broken |= {"dog/cut.png": grey(1)[:40], "dog/empty.png": b"", "dog/doc.pdf": b"%PDF-1.7", "readme.md": b"#"}
    report = source(folder_of(tmp_path / "x", broken)).prepare()
    assert report.read == 20
    assert report.skipped == {"not an image": 62, "damaged": 1, "empty": 1}
    assert len(report.names) == 50
    assert report.names[:2] == [["cat/note 000.txt", "not an image"], ["cat/note 001.txt", "not an image"]]
    assert source(tmp_path / "x").prepare() == report  # kept beside the images


def test_links_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", CATS_AND_DOGS)
    try:
        (path / "cat" / "secret.png").symlink_to(folder_of(tmp_path / "elsewhere", {"s.png": grey(99)}) / "s.png")
        (path / "cat" / "loop").symlink_to(path)
    except OSError:
        pytest.skip("links cannot be made here")
    report = source(path).prepare()
    assert (report.read, report.skipped) == (20, {"a link": 2})


# archives as they come


def test_an_archive_with_a_comment_with_bytes_before_it_or_of_the_large_kind_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = source(zip_of(tmp_path / "x.zip", CATS_AND_DOGS)).load().content_hash
    with zipfile.ZipFile(tmp_path / "x.zip", "a") as archive:
        archive.comment = b"PK and other words " * 50
    assert source(tmp_path / "x.zip").load().content_hash == plain
    (tmp_path / "x.zip").write_bytes(b"#!/bin/sh\n" * 99 + (tmp_path / "x.zip").read_bytes())
    assert source(tmp_path / "x.zip").load().content_hash == plain
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 5)  # as if 20 were more entries than the old format can count
    assert source(zip_of(tmp_path / "large.zip", CATS_AND_DOGS)).load().content_hash == plain
    assert b"PK\x06\x06" in (tmp_path / "large.zip").read_bytes()


# budgets


def test_a_label_budget_that_the_smallest_class_cannot_fill_says_how_far_it_goes(tmp_path: Path) -> None:
    files = CATS_AND_DOGS | {"cow/1.png": grey(1), "cow/2.png": grey(2), "unlabeled/1.png": grey(3)}
    images = source(folder_of(tmp_path / "x", files)).load()
    assert len(make_split(images, DataParams(name="folder", split_seed=0)).labeled) == 6
    with pytest.raises(ConfigError) as refused:
        make_split(
            images,
            DataParams.model_validate({"name": "folder", "split_seed": 0, "labels": {"kind": "few", "per_class": 4}}),
        )
    assert (
        str(refused.value)
        == "4 labels per class are asked for, but class 'cow' has 2 training images: ask for at most 2, or switch"
        " data.labels.at_most on."
    )


def test_every_label_of_an_unbalanced_set_can_be_used(tmp_path: Path) -> None:
    images = source(
        folder_of(tmp_path / "x", CATS_AND_DOGS | {"cow/1.png": grey(1), "unlabeled/1.png": grey(3)})
    ).load()
    split = make_split(
        images,
        DataParams.model_validate({"name": "folder", "split_seed": 0, "validation": 0.5, "labels": {"kind": "all"}}),
    )
    # Cat, cow, dog.
    assert sorted(images.labels[np.isin(images.ids, split.labeled)].tolist()) == [0] * 4 + [1] + [2] * 4
    assert len(split.pool) == 10


@pytest.mark.parametrize("names", [("1", "01", "001"), ("a2", "a02", "a002", "a1"), ("x", "x1y", "x01y", "X1y")])
def test_names_that_are_equal_as_numbers_have_one_order(names: tuple[str, ...]) -> None:
    orders = {tuple(sorted(mixed, key=natural)) for mixed in itertools.permutations(names)}
    assert len(orders) == 1
