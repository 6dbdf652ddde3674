"""A set of own images is read once: what opens it again, what makes it anew, progress and cancelling."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.data.image_set import ImageSet
from engine.errors import DataError, ImportCancelled
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey, red, source, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_set_opens_again_without_reading_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zip_of(tmp_path / "x.zip", CATS_AND_DOGS)
    assert source(path).ready() is False
    first = source(path).load()
    assert source(path).ready() is True
    monkeypatch.setattr("engine.data.sets.folder.read_image", None)
    monkeypatch.setattr("engine.data.importing.image_files.ZipFiles.read", None)
    again = source(path).load()
    assert again.content_hash == first.content_hash
    assert isinstance(again.images, np.memmap)
    assert not again.images.flags.writeable
    shutil.move(path, tmp_path / "moved.zip")
    assert source(tmp_path / "moved.zip").ready() is True  # it is what is in it


def test_the_name_of_each_image_s_file_is_kept_in_the_order_of_the_images(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "x", {f"{of}/{k}.png": grey(10 * k) for of in ("cat", "dog") for k in (1, 2, 10)})
    (folder / "dog" / "broken.png").write_bytes(b"no image")
    for _ in range(2):
        images = source(folder).load()
        assert sorted(images.file_names) == sorted(f"{of}/{k}.png" for of in ("cat", "dog") for k in (1, 2, 10))
        for pixels, name in zip(images.images, images.file_names, strict=True):
            assert int(pixels[0, 0, 0]) == 10 * int(Path(name).stem)


@pytest.mark.parametrize("mirror", [True, False])
def test_the_hash_and_histogram_kept_from_the_import_are_those_of_the_arrays(tmp_path: Path, mirror: bool) -> None:
    images = source(
        folder_of(tmp_path / "x", CATS_AND_DOGS | {"cat/red.png": red(), "unlabeled/1.png": grey(3)}), mirror=mirror
    ).load()
    computed = ImageSet(
        images.name,
        np.array(images.images),
        images.labels,
        images.ids,
        images.is_test,
        images.class_names,
        images.symmetries,
    )
    assert images.known is not None
    assert images.content_hash == computed.content_hash
    assert images.histogram.tolist() == computed.histogram.tolist()
    assert computed.histogram.sum() == 3 * 64 * (~images.is_test).sum()
    assert images.symmetries == (frozenset({"flip"}) if mirror else frozenset())


@pytest.mark.parametrize(
    ("setting", "anew"),
    [
        ({"size": 9}, True),
        ({"fit": "pad"}, True),
        ({"color": "rgb"}, True),
        ({"mirror": False}, False),
        ({"validation": 0.2}, False),
    ],
)
def test_only_settings_that_form_the_pixels_make_a_set_anew(
    tmp_path: Path, setting: dict[str, Any], anew: bool
) -> None:
    path = folder_of(tmp_path / "x", CATS_AND_DOGS)
    source(path).prepare()
    assert source(path, **setting).ready() is not anew


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_a_file_changed_added_or_removed_makes_the_set_anew(tmp_path: Path, packed: bool) -> None:
    def state(files: dict[str, bytes]) -> str:
        path = tmp_path / "x"
        shutil.rmtree(path, ignore_errors=True)
        folder_of(path, files)
        for file in path.rglob("*.png"):
            os.utime(file, ns=(10**18, 10**18))  # only size and name differ, unless said otherwise
        return source(zip_of(tmp_path / "x.zip", files) if packed else path).key()

    plain = state(CATS_AND_DOGS)
    assert state(CATS_AND_DOGS) == plain
    assert state(CATS_AND_DOGS | {"cat/0.png": grey(11, side=50)}) != plain
    assert state({name: data for name, data in CATS_AND_DOGS.items() if name != "cat/3.png"}) != plain
    assert state(CATS_AND_DOGS | {"cow/1.png": grey(1)}) != plain
    if not packed:
        state(CATS_AND_DOGS)
        os.utime(tmp_path / "x" / "cat" / "3.png", ns=(10**18, 10**18 + 1))
        assert source(tmp_path / "x").key() != plain


def test_files_that_change_while_they_are_read_are_refused(tmp_path: Path, empty_cache: Path) -> None:
    path = folder_of(tmp_path / "x", CATS_AND_DOGS)

    def meanwhile(done: int, total: int) -> None:
        (path / "cat" / "new.png").write_bytes(grey(1))

    with pytest.raises(DataError) as refused:
        source(path).prepare(meanwhile)
    assert (
        str(refused.value)
        == "'x' changed while its images were read: import it again when nothing writes to it any more."
    )


def test_progress_is_told_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    source(zip_of(tmp_path / "x.zip", {f"{'ab'[i % 2]}/{i}.png": grey(i) for i in range(200)})).prepare(
        lambda done, total: told.append((done, total))
    )
    assert told[0] == (0, 200)
    assert told[-1] == (200, 200)
    assert len(told) >= 4
    assert told == sorted(told)


def test_a_cancelled_import_leaves_nothing(tmp_path: Path, empty_cache: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {f"{'ab'[i % 2]}/{i}.png": grey(i) for i in range(200)})
    done: list[int] = []
    with pytest.raises(ImportCancelled) as cancelled:
        source(path).prepare(lambda n, total: done.append(n), lambda: len(done) > 1)
    assert str(cancelled.value) == "The import was cancelled after 128 of 200 images: nothing of it was kept."
    assert [entry.name for entry in (empty_cache / "decoded").iterdir() if not entry.name.endswith(".lock")] == []
    assert source(path).load().images.shape[0] == 200


def test_a_cancelled_import_leaves_the_warnings_of_the_process_as_they_were(tmp_path: Path) -> None:
    """Filters that came back only when the import was collected would take those of somebody else with them."""
    path = zip_of(tmp_path / "x.zip", {f"{'ab'[i % 2]}/{i}.png": grey(i) for i in range(200)})
    before = list(warnings.filters)
    done: list[int] = []
    with pytest.raises(ImportCancelled, match="after 128 of 200") as cancelled:
        source(path).prepare(lambda n, total: done.append(n), lambda: len(done) > 1)
    assert cancelled.tb is not None  # it still holds everything that was on its way
    assert list(warnings.filters) == before
