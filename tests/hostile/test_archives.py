"""Archives and folders brought by mistake or on purpose: each is refused in one exact sentence, or costs only its own
bad files. Nothing is left behind.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine.data.importing import image_files as image_files
from engine.errors import DataError
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey, source, zip_of


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def refusal(path: Path | str) -> str:
    with pytest.raises(DataError) as caught:
        source(path).load()
    assert caught.value.__cause__ is None
    kept = Path(os.environ["FEWLAB_CACHE"]) / "decoded"
    assert not kept.exists() or all(entry.name.endswith(".lock") for entry in kept.iterdir())
    return str(caught.value)


# What is no set of images


def test_no_path_at_all() -> None:
    assert (
        refusal("  ")
        == "data.path is empty: give the path of a folder or zip archive that holds one folder of images per class."
    )


@pytest.mark.parametrize("path", ["/no/such/folder", "/no/such.zip", "nul\0byte", "x" * 4000])
def test_a_path_where_nothing_is(path: str) -> None:
    assert refusal(path) == f"data.path is {path[:300]!r}, but there is no such folder or file: check the path."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert (
        refusal(tmp_path / "pipe")
        == f"data.path is {str(tmp_path / 'pipe')!r}, which is neither a folder nor a file: choose a folder of images"
        " or a zip archive."
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"just text", grey(5), b"PK\x05\x06" + bytes(10), b"PK\x05\x06" + b"\xff" * 18, b"x" * 70_000],
)
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    assert refusal(tmp_path / "x.zip") in (
        "'x.zip' is not a zip archive, or one that was cut off: choose a .zip file or a folder.",
        # a directory that claims 4 GB
        "'x.zip' has more than 500,000 entries: split it, or choose the archive of one data set.",
    )


def test_an_archive_cut_off_anywhere(tmp_path: Path) -> None:
    whole = zip_of(tmp_path / "x.zip", CATS_AND_DOGS).read_bytes()
    for length in range(0, len(whole) - 1, 97):
        (tmp_path / "x.zip").write_bytes(whole[:length])
        assert (
            refusal(tmp_path / "x.zip")
            == "'x.zip' is not a zip archive, or one that was cut off: choose a .zip file or a folder."
        )


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_nothing_inside(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "x"
    if packed:
        zip_of(path, {})
    else:
        path.mkdir()
    assert (
        refusal(path)
        == "'x' has no class folders (no images): put the images of each class into a folder of its own, such as"
        " cat/1.jpg and dog/1.jpg."
    )


def test_a_flat_folder_of_what_is_no_image(tmp_path: Path) -> None:
    folder_of(tmp_path / "x", {"1.txt": b"one", "2.png": b""})
    sentence = (
        "None of the files in 'x' is an image that can be read (1 empty, 1 not an image): choose a folder or zip"
        " archive of images."
    )
    assert refusal(tmp_path / "x") == sentence


def test_one_class(tmp_path: Path) -> None:
    sentence = (
        "'x' has training images of 1 class ('cat'), but at least 2 classes are needed: put the images of each"
        " class into a folder of its own."
    )
    assert (
        refusal(
            folder_of(
                tmp_path / "x", {"train/cat/1.png": grey(1), "train/cat/2.png": grey(2), "test/dog/1.png": grey(3)}
            )
        )
        == sentence
    )


def test_two_classes_of_which_one_has_no_readable_image(tmp_path: Path) -> None:
    sentence = (
        "'x' has training images of 1 class ('cat'), but at least 2 classes are needed: put the images of each"
        " class into a folder of its own."
    )
    assert refusal(folder_of(tmp_path / "x", {"cat/1.png": grey(1), "dog/1.png": b"woof"})) == sentence


def test_class_folders_without_an_image(tmp_path: Path) -> None:
    sentence = (
        "None of the files in 'x' is an image that can be read (2 not an image, 1 empty): choose a folder or zip"
        " archive of images."
    )
    assert refusal(folder_of(tmp_path / "x", {"a/1.txt": b"one", "b/2.txt": b"two", "b/3": b""})) == sentence


# Archives that mean harm


def with_names(path: Path, *names: str) -> Path:
    """An archive with these raw names, which zipfile itself would tidy up."""
    with zipfile.ZipFile(path, "w") as archive:
        for i, name in enumerate(names):
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, grey(i))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "cat/../../evil.png",
        "/etc/evil.png",
        "C:/evil.png",
        "c:evil.png",
        "cat\\..\\evil.png",
        "..",
        "cat/..",
    ],
)
def test_a_name_that_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    path = with_names(tmp_path / "x.zip", "cat/1.png", "dog/1.png", name)
    assert (
        refusal(path)
        == f"'x.zip' holds the name '{name}', which could lead out of its folder: pack the folder again, with plain"
        " relative names."
    )


def test_a_name_with_a_hidden_end(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {"cat/1.png": grey(1), "dog/1.pngX.exe": grey(2)})
    path.write_bytes(path.read_bytes().replace(b"1.pngX.exe", b"1.png\0.exe"))
    assert (
        refusal(path)
        == "'x.zip' holds the name 'dog/1.png?.exe', which could lead out of its folder: pack the folder again, with"
        " plain relative names."
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (stat.S_IFLNK, "a link"),
        (stat.S_IFIFO, "a special file"),
        (stat.S_IFCHR, "a special file"),
        (stat.S_IFSOCK, "a special file"),
    ],
)
def test_a_link_or_special_file_is_named_and_not_followed(tmp_path: Path, kind: int, told: str) -> None:
    with zipfile.ZipFile(zip_of(tmp_path / "x.zip", CATS_AND_DOGS), "a") as archive:
        info = zipfile.ZipInfo("cat/passwords.png")
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    report = source(tmp_path / "x.zip").prepare()
    assert (report.read, report.names) == (20, [["cat/passwords.png", told]])


def test_an_encrypted_archive(tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path / "x.zip", CATS_AND_DOGS).read_bytes())
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1  # the flag in the central directory
    (tmp_path / "x.zip").write_bytes(data)
    assert refusal(tmp_path / "x.zip") == "'x.zip' is encrypted: pack the images again without a password."


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packing_whose_size_cannot_be_limited(tmp_path: Path, method: int) -> None:
    sentence = (
        f"'x.zip' packs '0.png' by method {method}, but only methods 0 and 8 are read: pack it again as an ordinary"
        " zip."
    )
    assert refusal(zip_of(tmp_path / "x.zip", CATS_AND_DOGS, method)) == sentence


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["cat/1.png", "cat//1.png", "./cat/1.png"])
def test_two_files_of_one_name(tmp_path: Path, second: str) -> None:
    path = with_names(tmp_path / "x.zip", "cat/1.png", "dog/1.png", second)
    assert refusal(path) == "'x.zip' holds '1.png' twice under the same name: remove one of the two and pack it again."


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_files.MOST_FILES == 500_000
    monkeypatch.setattr(image_files, "MOST_FILES", 10)
    assert (
        refusal(zip_of(tmp_path / "x.zip", CATS_AND_DOGS))
        == "'x.zip' has more than 10 entries: split it, or choose the archive of one data set."
    )
    assert (
        refusal(folder_of(tmp_path / "y", CATS_AND_DOGS))
        == "'y' has more than 10 files: choose the folder of one data set."
    )


@pytest.mark.parametrize("packed", [True, False], ids=["archive", "folder"])
def test_many_files_too_small_for_an_image_are_refused_without_reading_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    files = {f"{'cat' if i % 2 else 'dog'}/{i}.png": b"x" * (i % 20) for i in range(1_200)}
    monkeypatch.setattr(image_files.ZipFiles, "read", None)
    monkeypatch.setattr(image_files.FolderFiles, "read", None)
    path = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x.zip", files)
    text = refusal(path)
    assert text.startswith("None of the 1,200 files in ")
    assert text.endswith(
        "x.zip' can be an image, because the largest has 19 bytes: choose a folder or zip archive of images."
    )


def test_a_bomb_of_many_members_is_refused_by_what_they_claim(tmp_path: Path) -> None:
    zeros = bytes(19_000_000)
    path = zip_of(tmp_path / "bomb.zip", {f"{'ab'[i % 2]}/{i}.png": zeros for i in range(15)})
    assert path.stat().st_size < 300_000
    sentence = refusal(path)
    assert (
        sentence == "'bomb.zip' has 0.3 MB but unpacks to more than 285 MB, which images do not: choose an archive of"
        " images, or unpack it yourself and choose the folder."
    )


def test_a_bomb_that_claims_to_be_small_is_cut_off_where_its_claim_ends(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", CATS_AND_DOGS | {"cat/huge.png": bytes(30_000_000)})
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", 30_000_000), struct.pack("<L", 1000)))
    assert source(path).prepare().skipped == {"damaged in the archive": 1}


def test_sizes_are_counted_while_reading_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = image_files.open_files(
        str(zip_of(tmp_path / "bomb.zip", {f"{'ab'[i % 2]}/{i}.png": bytes(1_000_000) for i in range(3)}))
    )
    monkeypatch.setattr(image_files, "MOST_UNPACKED", 2_500_000)  # after the claims were found harmless
    with closing(files):
        assert [len(files.read(file)) for file in files.files[:2]] == [1_000_000, 1_000_000]
        with pytest.raises(DataError) as refused:
            files.read(files.files[2])
    assert (
        str(refused.value)
        == "'bomb.zip' has 0.0 MB but unpacks to more than 2 MB, which images do not: choose an archive of images,"
        " or unpack it yourself and choose the folder."
    )


def test_one_member_of_many_megabytes_costs_only_itself(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "x.zip", CATS_AND_DOGS | {"cat/huge.png": bytes(100_000_001)})
    report = source(path).prepare()
    assert (report.read, report.skipped) == (20, {"too large": 1})


def test_members_that_share_their_bytes_cost_only_themselves(tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path / "x.zip", CATS_AND_DOGS, zipfile.ZIP_STORED).read_bytes())
    at, first = data.find(b"PK\x01\x02"), True
    while data[at : at + 4] == b"PK\x01\x02":
        if not first:
            data[at + 42 : at + 46] = struct.pack("<L", 0)  # every entry points at the first member
        at += 46 + sum(struct.unpack("<HHH", data[at + 28 : at + 34]))
        first = False
    (tmp_path / "x.zip").write_bytes(data)
    sentence = refusal(tmp_path / "x.zip")
    assert "damaged in the archive" in sentence or "at least 2 classes" in sentence


def test_damaged_members_cost_only_themselves(tmp_path: Path) -> None:
    data = bytearray(zip_of(tmp_path / "x.zip", CATS_AND_DOGS, zipfile.ZIP_STORED).read_bytes())
    for _ in range(3):
        at = data.find(b"IDAT")
        data[at : at + 4] = b"IDOT"
    (tmp_path / "x.zip").write_bytes(data)
    report = source(tmp_path / "x.zip").prepare()
    assert (report.read, report.skipped) == (17, {"damaged in the archive": 3})


def test_an_archive_beside_the_images_of_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", CATS_AND_DOGS).read_bytes()
    report = source(zip_of(tmp_path / "x.zip", CATS_AND_DOGS | {"cat/inner.zip": inner})).prepare()
    assert (report.read, report.names) == (20, [["cat/inner.zip", "an archive beside images, which is not opened"]])


def test_flipped_bytes_never_let_another_error_out(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    whole = np.frombuffer(zip_of(tmp_path / "x.zip", CATS_AND_DOGS).read_bytes(), np.uint8)
    sentences: list[str] = []
    directory = bytes(whole).find(b"PK\x01\x02")
    for i in range(120):
        broken = whole.copy()
        where = random.integers(directory if i % 2 else 0, len(whole), 3)
        broken[where] = random.integers(0, 256, 3)
        (tmp_path / "x.zip").write_bytes(broken.tobytes())
        try:
            assert source(tmp_path / "x.zip").load().images.shape[1:] in ((1, 8, 8), (3, 8, 8))
        except DataError as error:
            sentences.append(str(error))
    assert len(sentences) > 5
    assert all(sentence.startswith("'x.zip' ") and "\n" not in sentence for sentence in sentences)


def test_a_cache_that_cannot_be_written_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError) as refused:
        source(folder_of(tmp_path / "x", CATS_AND_DOGS)).load()
    sentence = (
        f"The decoded images could not be written to {tmp_path / 'file'} (Not a directory): free some disk space, or"
        " set FEWLAB_CACHE to a folder that can be written."
    )
    assert str(refused.value) == sentence
