"""The cache of decoded sets: images as one memory-mapped array, made once, so that a large set opens at once and
never fills the memory.

A set is a folder under its key: images.npy (uint8 [N, C, H, W]), labels.npy, ids.npy, is_test.npy, about.json,
is_validation.npy where it brings validation images of its own, candidates.npy where images have several labels, and
files.json where each image is a file. It is written into a temporary folder and renamed whole, so a folder under its
final name is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from engine.data.image_set import Cancelled, ImageSet, Known, histogram
from engine.data.importing.import_report import Report
from engine.errors import DataError, ImportCancelled
from engine.runs.atomic_write import sync_folder, write_json

VERSION = 1  # of the files; a set written in another version is rebuilt
BLOCK = 16 << 20  # bytes handled at once


class Decoded(NamedTuple):
    images: ImageSet
    report: Report


class KeptFiles(NamedTuple):
    """Of the files of a set, by id. names: as they stand in the folder or archive. digests: equal for files that show
    the same image. sizes: width and height as decoded, where a large JPEG may come at a fraction of its own.
    """

    names: list[str]
    digests: list[str]
    sizes: list[tuple[int, int]]


def cache_root() -> Path:
    """Where decoded sets and downloads are kept: $FEWLAB_CACHE, else ~/.cache/fewlab."""
    chosen = os.environ.get("FEWLAB_CACHE")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache" / "fewlab"


def open_decoded(key: str, symmetries: frozenset[str]) -> Decoded | None:
    """The set under `key`, memory-mapped and read-only, or None if it is not there, damaged or of another version."""
    folder = _folder(key)
    try:
        about = json.loads((folder / "about.json").read_bytes())
        if about["version"] != VERSION:
            return None
        images, labels, ids, is_test = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("images", "labels", "ids", "is_test")
        )
        # Hashing the images would take longer than all the rest; np.load has refused a file that is shorter than its
        # header says.
        labels, ids, is_test = (np.array(array) for array in (labels, ids, is_test))
        is_validation, candidates = (
            np.load(own, allow_pickle=False) if (own := folder / f"{name}.npy").exists() else None
            for name in ("is_validation", "candidates")
        )
        if (
            list(images.shape) != about["shape"]
            or images.dtype != np.uint8
            or _stamp(labels, ids, is_test, *_given(is_validation), *_given(candidates)) != about["stamp"]
        ):
            return None
        known = Known(about["hashes"][_spelled(symmetries)], np.array(about["histogram"], dtype=np.int64))
        names = tuple(about["class_names"])
        files = kept_files(key)
        if files is not None and len(files.names) != len(labels):
            return None
        return Decoded(
            ImageSet(
                about["name"],
                images,
                labels,
                ids,
                is_test,
                names,
                symmetries,
                known,
                is_validation,
                file_names=() if files is None else tuple(files.names),
                candidates=candidates,
            ),
            Report(**about["report"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def kept_files(key: str) -> KeptFiles | None:
    """The names of the files that the set under `key` was made from; None where it was made from no files."""
    try:
        kept = json.loads((_folder(key) / "files.json").read_bytes())
        sizes = [(int(width), int(height)) for width, height in kept["sizes"]]
        return KeptFiles(list(map(str, kept["names"])), list(map(str, kept["digests"])), sizes)
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def importing(key: str, cancelled: Cancelled | None) -> Iterator[Writer]:
    """Hold the place of `key` while its set is written; whoever else wants the same set waits. Check `open_decoded`
    again inside.

    What dead processes left unfinished is removed first. Raises ImportCancelled if `cancelled()` says so while waiting,
    DataError if the cache cannot be written.
    """
    folder = _folder(key)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder)
        while True:
            try:
                lock.acquire(timeout=0.2)
                break
            except Timeout:
                if cancelled is not None and cancelled():
                    raise ImportCancelled(
                        "The import was cancelled while another process was making the same set: nothing was changed."
                    ) from None
    except OSError as error:
        raise _unwritable(error) from None
    try:
        _remove_leftovers(folder.parent, key)
        temporary = folder.with_name(f".{key}.{os.getpid()}-{time.monotonic_ns()}.tmp")
        writer = Writer(temporary, folder)
        try:
            yield writer
        finally:
            writer.close()
            shutil.rmtree(temporary, ignore_errors=True)
    finally:
        lock.release()


class Writer:
    """Writes one set, image by image: what it holds in memory does not grow with the set."""

    def __init__(self, temporary: Path, folder: Path) -> None:
        self._temporary, self._folder = temporary, folder
        self._file: BinaryIO | None = None
        self.shape = (0, 0, 0, 0)  # [N, C, H, W] so far

    def add(self, images: NDArray[np.uint8]) -> None:
        """Append images, uint8 [n, C, H, W]. A set is grey until its first image in color: then all that came
        before get three equal channels.
        """
        try:
            n, channels, height, width = images.shape
            if self._file is None:
                self._temporary.mkdir(parents=True)
                self.shape = (0, channels, height, width)
                self._file = _begin(self._temporary / "images.npy", self.shape)
            if channels > self.shape[1]:
                self._widen(channels)
            elif channels < self.shape[1]:
                images = np.repeat(images, self.shape[1], axis=1)
            self._file.write(np.ascontiguousarray(images).data)
            self.shape = (self.shape[0] + n, *self.shape[1:])
        except OSError as error:
            raise _unwritable(error) from None

    def keep_files(self, files: KeptFiles) -> None:
        """Keep, beside the images, what their files were; in the order in which the images were added."""
        try:
            write_json(self._temporary / "files.json", files._asdict())
        except OSError as error:
            raise _unwritable(error) from None

    def finish(
        self,
        name: str,
        labels: NDArray[np.int64],
        is_test: NDArray[np.bool_],
        class_names: Sequence[str],
        variants: Sequence[frozenset[str]],
        report: Report,
        is_validation: NDArray[np.bool_] | None = None,
        candidates: NDArray[np.bool_] | None = None,
    ) -> None:
        """Complete the set and put it in place. labels, is_test, is_validation and candidates: one row per image added.
        variants: all symmetries that it may be opened with.
        """
        assert self._file is not None
        try:
            _end(self._file, self.shape)
            ids = np.arange(len(labels), dtype=np.int64)
            arrays: dict[str, NDArray[Any]] = {"labels": labels, "ids": ids, "is_test": is_test}
            if is_validation is not None:
                arrays["is_validation"] = is_validation
            if candidates is not None:
                arrays["candidates"] = candidates
            for array_name, array in arrays.items():
                with open(self._temporary / f"{array_name}.npy", "wb") as file:
                    np.save(file, array)
                    _flush(file)
            images = np.load(self._temporary / "images.npy", mmap_mode="r", allow_pickle=False)
            plain = ImageSet(
                name,
                images,
                labels,
                ids,
                is_test,
                tuple(class_names),
                is_validation=is_validation,
                candidates=candidates,
            )
            sets = {_spelled(symmetries): replace(plain, symmetries=symmetries) for symmetries in variants}
            about: dict[str, Any] = {
                "version": VERSION,
                "name": name,
                "class_names": list(class_names),
                "shape": list(self.shape),
                "stamp": _stamp(*arrays.values()),
                "hashes": {spelled: images.content_hash for spelled, images in sets.items()},
                "histogram": histogram(images, plain.is_training).tolist(),
                "report": report.plain(),
            }
            write_json(self._temporary / "about.json", about)
            del images, plain, sets  # Windows renames no folder with a mapped file in it
            if self._folder.exists():  # damaged, or of another version, or it would have been opened
                shutil.rmtree(self._folder)
            self._temporary.rename(self._folder)
            sync_folder(self._folder.parent)
        except OSError as error:
            raise _unwritable(error) from None

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written was reported, and goes with the folder
                self._file.close()

    def _widen(self, channels: int) -> None:
        assert self._file is not None
        n, _, height, width = self.shape
        _end(self._file, self.shape)
        narrow = self._temporary / "narrow.npy"
        (self._temporary / "images.npy").rename(narrow)
        grey = np.load(narrow, mmap_mode="r", allow_pickle=False) if n else np.empty(self.shape, np.uint8)
        self.shape = (n, channels, height, width)
        self._file = _begin(self._temporary / "images.npy", self.shape)
        rows = max(1, BLOCK // (channels * height * width))
        for start in range(0, n, rows):
            self._file.write(np.repeat(grey[start : start + rows], channels, axis=1).data)
        del grey
        narrow.unlink()


def _begin(path: Path, shape: tuple[int, ...]) -> BinaryIO:
    file = open(path, "w+b")  # noqa: SIM115  kept open while images come
    _write_header(file, shape)
    return file


def _end(file: BinaryIO, shape: tuple[int, ...]) -> None:
    # numpy leaves room in the header for N to grow, so that it can be written again in place.
    end = file.tell()
    file.seek(0)
    _write_header(file, shape)
    assert end == file.tell() + int(np.prod(shape))
    file.seek(end)
    _flush(file)
    file.close()


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _flush(file: BinaryIO) -> None:
    # A rename may reach the disk before the pixels do: after a power cut a set must be whole or not there.
    file.flush()
    os.fsync(file.fileno())


def _folder(key: str) -> Path:
    return cache_root() / "decoded" / key


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.with_name(f".{folder.name}.lock"), thread_local=False)


def _remove_leftovers(root: Path, in_use: str) -> None:
    """Unfinished imports whose lock nobody holds: their process is dead."""
    for path in root.glob(".*.tmp"):
        key = path.name[1:].split(".")[0]
        lock = _lock(root / key)
        try:
            if key != in_use:
                lock.acquire(timeout=0)
            shutil.rmtree(path, ignore_errors=True)
        except Timeout:
            continue
        finally:
            if key != in_use:
                lock.release()


def _stamp(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr((array.dtype.str, array.shape)).encode() + array.tobytes())
    return digest.hexdigest()[:16]


def _given(array: NDArray[Any] | None) -> tuple[NDArray[Any], ...]:
    return () if array is None else (array,)


def _spelled(symmetries: frozenset[str]) -> str:
    return " ".join(sorted(symmetries))


def _unwritable(error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"The decoded images could not be written to {cache_root()} ({reason}): free some disk space, or set"
        " FEWLAB_CACHE to a folder that can be written."
    )
