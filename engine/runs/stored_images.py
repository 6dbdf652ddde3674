"""The images of a data set, decoded once and memory-mapped: what galleries show and what a large set trains from."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.id_positions import find_rising_ids
from engine.plain_file import open_plain_file
from engine.runs.atomic_write import read_bytes, write_json
from engine.runs.folder import RunFolder

_LARGEST_ABOUT = 50_000_000  # bytes of class names
_LARGEST_NAMES = 500_000_000  # bytes of names of files
_NAMES = "files.json"


@dataclass(frozen=True)
class StoredImages:
    """images: uint8 [N, C, H, W], memory-mapped. labels: int64 [N], -1 unknown. ids: int64 [N], rising. names_file:
    where the names of their files are, if they came from any.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    ids: NDArray[np.int64]
    class_names: tuple[str, ...]
    names_file: Path | None = None

    def file_name(self, sample: int) -> str | None:
        """As it stood in the person's folder or archive; None where the image came from no file."""
        position = int(find_rising_ids(np.array([sample]), self.ids)[0])
        if self.names_file is None or position < 0:
            return None
        names = _file_names(self.names_file)
        return names[position] if len(names) == len(self.ids) else None

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 [n]: where the samples with these ids stand. Raises RunError for one that is not there."""
        positions = find_rising_ids(ids, self.ids)
        if (positions < 0).any():
            raise RunError(
                "The images in the cache are not those of this run: start a run on the same data set to bring them"
                " back."
            )
        return positions

    def true_labels(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64 [n]: the labels of the samples with these ids, -1 where they are unknown or a sample is not there."""
        positions = find_rising_ids(ids, self.ids)
        return np.where(positions >= 0, self.labels[positions], -1) if len(self.ids) else positions

    def has(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool [n]: which of these ids are here."""
        return find_rising_ids(ids, self.ids) >= 0


def store_images(
    root: Path,
    content_hash: str,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    ids: NDArray[np.int64],
    class_names: tuple[str, ...],
    file_names: Sequence[str] | None = None,
) -> Path:
    """Keep a set under its content's hash, once. file_names: of each image, where they came from files. The folder is
    renamed into place whole. Images mapped from a file are linked, not copied, where the disk allows it.
    """
    folder = stored_images_folder(root, content_hash)
    if folder.exists():
        try:
            load_stored_images(root, content_hash)
            if file_names is not None and not (folder / _NAMES).exists():  # stored before names were kept
                write_json(folder / _NAMES, [file_names[row] for row in np.argsort(ids, kind="stable")])
            return folder
        except RunError:  # damaged, or linked to what was deleted since
            shutil.rmtree(folder, ignore_errors=True)
    temporary = folder.with_name(f".{folder.name}-{os.getpid()}-{time.monotonic_ns()}")
    temporary.mkdir(parents=True)
    order = np.argsort(ids, kind="stable")
    in_order = bool((order == np.arange(len(order))).all())
    for name, array in (("images", images), ("labels", labels), ("ids", ids)):
        if name != "images" or not (in_order and _link(images, temporary / "images.npy")):
            np.save(temporary / f"{name}.npy", array if in_order else array[order])
    write_json(temporary / "about.json", {"version": 1, "class_names": list(class_names)})
    if file_names is not None:
        write_json(temporary / _NAMES, [file_names[row] for row in order])
    try:
        temporary.rename(folder)
    except OSError:  # another process was quicker; the content is the same
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def load_stored_images(root: Path, content_hash: str) -> StoredImages:
    """Raises RunError if the set is not there."""
    folder = stored_images_folder(root, content_hash)
    try:
        images, labels, ids = (
            np.load(_plain_file(folder / f"{name}.npy"), mmap_mode="r", allow_pickle=False)
            for name in ("images", "labels", "ids")
        )
        names = tuple(json.loads(read_bytes(folder / "about.json", _LARGEST_ABOUT))["class_names"])
        if not _belong_together(images, labels, ids, names):
            raise ValueError("these are not the files of one set")
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError):
        raise RunError(
            "The images of this run are no longer in the cache: start a run on the same data set to bring them back."
        ) from None
    names_file = folder / _NAMES
    return StoredImages(images, labels, ids, names, names_file if names_file.exists() else None)


def stored_images_of(folder: RunFolder) -> StoredImages | None:
    """The images that a run learned from, None where they are not on this machine."""
    content = folder.content_hash()
    try:
        return load_stored_images(folder.path.parent, content) if content is not None else None
    except RunError:
        return None


@lru_cache(maxsize=4)
def _file_names(path: Path) -> tuple[str, ...]:
    """Empty where they cannot be read: an image is shown without its name then."""
    try:
        names = json.loads(read_bytes(path, _LARGEST_NAMES))
    except (OSError, ValueError, RecursionError):
        return ()
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if is_list else ()


def _plain_file(path: Path) -> Path:
    """Raises OSError if there is something else in its place, such as a pipe, which numpy would wait for."""
    open_plain_file(path).close()
    return path


def _belong_together(images: NDArray[Any], labels: NDArray[Any], ids: NDArray[Any], names: tuple[object, ...]) -> bool:
    count = len(ids) if ids.ndim == 1 else -1
    return bool(
        images.ndim == 4
        and images.dtype == np.uint8
        and images.shape[1] in (1, 3)
        and len(images) == count
        and labels.shape == (count,)
        and labels.dtype == ids.dtype == np.int64
        and all(isinstance(name, str) for name in names)
        and (count == 0 or (labels.min() >= -1 and labels.max() < len(names) and (ids[1:] > ids[:-1]).all()))
    )


def _link(images: NDArray[np.uint8], path: Path) -> bool:
    """Whether `path` is now the file that `images` is the whole map of."""
    source = getattr(images, "filename", None)
    if source is None or not isinstance(images.base, mmap.mmap):  # a view of a map is not the file
        return False
    try:
        os.link(source, path)  # a second name for the same file: it stays when the first one goes
        return True
    except OSError:  # another disk, or one without links
        pass
    try:
        path.symlink_to(source)
        return True
    except OSError:
        return False


def stored_images_folder(root: Path, content_hash: str) -> Path:
    """Where the images of this content are, if they are here."""
    return Path(root) / ".pictures" / content_hash
