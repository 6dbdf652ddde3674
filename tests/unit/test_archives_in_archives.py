"""Archives as people have them: tar archives, archives in archives, and links in them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.data.importing import image_files
from engine.errors import DataError
from tests.fixtures_images import CATS_AND_DOGS, grey, source, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def tar_of(path: Path, files: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # the mode is no literal
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(tmp_path: Path, files: Mapping[str, bytes]) -> bytes:
    return zip_of(tmp_path / "inner", files).read_bytes()


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as refused:
        source(path).prepare()
    return str(refused.value)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_archive_is_read_like_the_folder_it_was_made_of(tmp_path: Path, mode: str) -> None:
    path = tar_of(tmp_path / "pets.tar.gz", {f"./pets/{name}": data for name, data in CATS_AND_DOGS.items()}, mode)
    images = source(path).load()
    assert images.class_names == ("cat", "dog")
    assert images.images[:, 0, 4, 4].tolist() == [*range(10, 20), *range(110, 120)]
    assert source(path).ready()


def test_links_in_a_tar_archive_are_named_and_not_followed(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", CATS_AND_DOGS, "w")
    with tarfile.open(path, "a") as archive:
        for name, kind in (("cat/a.png", tarfile.SYMTYPE), ("cat/b.png", tarfile.LNKTYPE), ("c", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    report = source(path).prepare()
    assert report.names == [["cat/a.png", "a link"], ["cat/b.png", "a link"], ["c", "a special file"]]
    assert report.read == 20


@pytest.mark.parametrize("name", ["../1.png", "/1.png", "cat/../../1.png", "C:/1.png", "cat\\1.png"])
def test_a_tar_archive_with_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    assert refusal(tar_of(tmp_path / "x.tar", CATS_AND_DOGS | {name: grey(1)}, "w")).endswith(
        "which could lead out of its folder: pack the folder again, with plain relative names."
    )


def test_a_tar_archive_that_was_cut_off_or_unpacks_beyond_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar_of(tmp_path / "x.tar.gz", CATS_AND_DOGS)
    path.write_bytes(path.read_bytes()[:-40])
    assert refusal(path) == "'x.tar.gz' is not a tar archive, or one that was cut off: choose another, or a folder."
    monkeypatch.setattr(image_files, "UNSUSPICIOUS", 1 << 20)
    path = tar_of(tmp_path / "y.tar.gz", CATS_AND_DOGS | {"cat/x.png": b"\0" * (4 << 20)})
    assert "unpacks to more than" in refusal(path)


def test_zips_in_a_zip_are_folders_of_their_names(tmp_path: Path) -> None:
    cats, dogs = ({n.split("/")[1]: d for n, d in CATS_AND_DOGS.items() if n.startswith(k)} for k in ("cat", "dog"))
    path = zip_of(
        tmp_path / "pets.zip",
        {
            "cat.zip": zipped(tmp_path, cats),
            "dog.ZIP": zipped(tmp_path, {f"dog/{name}": data for name, data in dogs.items()}),
            "cow.zip": b"no archive at all, which is told",
        },
    )
    assert source(path).load().class_names == ("cat", "dog")
    report = source(path).prepare()
    assert (report.read, report.names) == (20, [["cow.zip", "damaged in the archive"]])
    whole = zip_of(tmp_path / "whole.zip", {"data/archive.zip": zipped(tmp_path, CATS_AND_DOGS)})
    assert source(whole).load().class_names == ("cat", "dog")


def test_archives_too_deep_inside_others_are_left_out_by_name(tmp_path: Path) -> None:
    inner = zipped(tmp_path, {"1.png": grey(1)})
    for depth in range(4):
        inner = zipped(tmp_path, {f"{depth}.zip": inner})
    path = zip_of(tmp_path / "x.zip", {"deep.zip": inner, "pets.zip": zipped(tmp_path, CATS_AND_DOGS)})
    report = source(path).prepare()
    assert report.read == 20
    assert report.skipped == {"an archive too deep inside others": 1}


def test_a_bomb_in_an_inner_archive_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "UNSUSPICIOUS", 1 << 20)
    bomb = zipped(tmp_path, {f"cat/{i}.png": b"\0" * (3 << 20) for i in range(3)})
    assert "unpacks to more than" in refusal(zip_of(tmp_path / "x.zip", {"a.zip": bomb}))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_empty_folder_is_said_before_the_import(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"x.{kind}"
    if kind == "zip":
        zip_of(path, CATS_AND_DOGS | {"cow/": b""})
    else:
        tar_of(path, CATS_AND_DOGS, "w")
        with tarfile.open(path, "a") as archive:
            info = tarfile.TarInfo("cow")
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    assert source(path).preview().warnings == ["The folder 'cow' is empty."]
