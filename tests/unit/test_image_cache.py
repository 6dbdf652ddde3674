"""The cache of decoded sets: whole or not there, whoever dies, whoever comes second, and whatever happens to its
files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.data.importing import image_cache as decoded
from engine.data.importing.image_cache import cache_root, importing
from engine.errors import DataError, ImportCancelled
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey, source, zip_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entries(cache: Path) -> list[str]:
    return sorted(entry.name for entry in (cache / "decoded").iterdir() if not entry.name.endswith(".lock"))


def test_the_cache_is_where_the_environment_says_or_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root() == tmp_path / "cache"
    monkeypatch.delenv("FEWLAB_CACHE")
    assert cache_root() == Path.home() / ".cache" / "fewlab"


def cut(folder: Path) -> None:
    with open(folder / "images.npy", "r+b") as file:
        file.truncate(500)


def other_version(folder: Path) -> None:
    about = json.loads((folder / "about.json").read_bytes())
    (folder / "about.json").write_text(json.dumps({**about, "version": 0}))


def other_labels(folder: Path) -> None:
    np.save(folder / "labels.npy", np.load(folder / "labels.npy")[::-1])


DAMAGES: list[Callable[[Path], object]] = [
    cut,
    other_version,
    other_labels,
    lambda folder: (folder / "about.json").write_text("{"),
    lambda folder: (folder / "about.json").write_text("[]"),
    lambda folder: (folder / "about.json").unlink(),
    lambda folder: (folder / "images.npy").unlink(),
    lambda folder: (folder / "ids.npy").write_bytes(b""),
    lambda folder: np.save(folder / "images.npy", np.zeros((20, 1, 8, 8))),
    lambda folder: np.save(folder / "is_test.npy", np.array([{}], dtype=object), allow_pickle=True),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_set_is_made_anew(tmp_path: Path, empty_cache: Path, damage: Callable[[Path], object]) -> None:
    path = folder_of(tmp_path / "x", CATS_AND_DOGS)
    good = source(path).load().content_hash
    (kept,) = entries(empty_cache)
    damage(empty_cache / "decoded" / kept)
    assert source(path).ready() is False
    images = source(path).load()
    assert images.content_hash == good
    assert images.images[:, 0, 0, 0].tolist() == [*range(10, 20), *range(110, 120)]
    assert entries(empty_cache) == [kept]


def test_what_dead_imports_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path, empty_cache: Path) -> None:
    left = empty_cache / "decoded" / ".folder-dead.123-456.tmp"
    left.mkdir(parents=True)
    (left / "images.npy").write_bytes(bytes(1000))
    with importing("folder-alive", None) as writer:
        writer.add(np.zeros((1, 1, 8, 8), np.uint8))
        source(folder_of(tmp_path / "x", CATS_AND_DOGS)).load()
        found = entries(empty_cache)
        assert len(found) == 2
        assert found[0].startswith(".folder-alive.")
    assert len(entries(empty_cache)) == 1


def test_a_process_killed_in_the_middle_leaves_no_set(tmp_path: Path, empty_cache: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {f"{'ab'[i % 2]}/{i}.png": grey(i) for i in range(200)})
    program = (
        f"import os; from tests.fixtures_images import source; source({str(path)!r}).prepare(lambda done, total:"
        " os._exit(9) if done > 100 else None)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 9
    assert len(entries(empty_cache)) == 1
    assert source(path).ready() is False
    assert len(source(path).load().ids) == 200
    assert len(entries(empty_cache)) == 1
    assert not entries(empty_cache)[0].startswith(".")


def test_two_processes_at_once_end_with_one_whole_set(tmp_path: Path, empty_cache: Path) -> None:
    path = zip_of(tmp_path / "x.zip", {f"{'ab'[i % 2]}/{i}.png": grey(i % 256) for i in range(600)})
    program = (
        "import sys, time; from tests.fixtures_images import source; print('ready', flush=True); sys.stdin.readline();"
        f" decoded = []\nimages = source({str(path)!r}); report = images.prepare(lambda done, total:"
        " (decoded.append(done), time.sleep(0.02)))\nprint(len(decoded), images.load().content_hash, report.read)"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    # The second found what the first had made.
    assert sorted(int(count) > 0 for count, _, _ in answers) == [
        False,
        True,
    ]
    assert answers[0][1:] == answers[1][1:]
    assert len(entries(empty_cache)) == 1


def test_who_waits_for_another_can_cancel(empty_cache: Path) -> None:
    with importing("folder-busy", None):
        caught: list[BaseException] = []

        def second() -> None:
            try:
                with importing("folder-busy", lambda: True):
                    pass
            except ImportCancelled as error:
                caught.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
    assert [str(error) for error in caught] == [
        "The import was cancelled while another process was making the same set: nothing was changed."
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded, "_begin", lambda path, shape: open("/dev/full", "wb", buffering=0))  # noqa: SIM115  the writer closes it
    with pytest.raises(DataError) as refused:
        source(folder_of(tmp_path / "x", CATS_AND_DOGS)).load()
    sentence = (
        f"The decoded images could not be written to {empty_cache} (No space left on device): free some disk space,"
        " or set FEWLAB_CACHE to a folder that can be written."
    )
    assert str(refused.value) == sentence
    assert entries(empty_cache) == []


def test_an_open_set_stays_readable_while_its_cache_is_made_anew(tmp_path: Path, empty_cache: Path) -> None:
    if os.name == "nt":
        pytest.skip("Windows keeps a mapped file from being removed")
    path = folder_of(tmp_path / "x", CATS_AND_DOGS)
    images = source(path).load()
    other_version(empty_cache / "decoded" / entries(empty_cache)[0])
    source(path).load()
    assert images.images[:, 0, 0, 0].tolist() == [*range(10, 20), *range(110, 120)]
