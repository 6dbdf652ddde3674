"""A whole folder of images classified into one table, row by row: it can be stopped at any moment and goes on."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol

import numpy as np
from filelock import FileLock, Timeout

from engine.analysis.conformal import USUAL
from engine.csv_text import cell_as_it_was, csv_text, ends_of_records, yes_or_no
from engine.data.importing.folder_layout import is_junk
from engine.data.importing.image_files import open_files
from engine.errors import DataError, ImageError
from engine.images.decode import LARGEST_FILE, Pixels, begins_like_image
from engine.plain_file import open_plain_file, read_plain_file
from engine.predictor import Predictor, each

_CLASSES = ("class", "probability", "second", "probability 2", "third", "probability 3")
_AT_ONCE = 64  # images that are decoded while as many are classified
_HEAD = 64  # bytes that tell an image from any other file
_LARGEST_TABLE = 2_000_000_000  # bytes
_STRANGE = "backslashreplace"
_UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f]')

Told = Callable[[int, int], None]
"""How many images of how many are done; may raise to stop."""


class Outcome(NamedTuple):
    """images: classified now. before: rows that were there already. refused: images that could not be read."""

    images: int
    before: int
    refused: int


def predict_folder(
    predictor: Predictor,
    images: Path,
    table: Path,
    sort_into: Path | None = None,
    told: Told = lambda done, total: None,
    coverage: float = USUAL,
) -> Outcome:
    """Classify every image below the folder `images`, or in that archive, and write one row each to `table`, a CSV with
    the columns of `heading`, in the order of their paths. Images that it has a row for are not classified again, and a
    row that was torn by a kill is written anew.

    sort_into: a folder that gets a copy of each image under the name of its class; nothing is moved. What is no image
    by its first bytes is passed over; an image that cannot be read gets a row with the sentence why. Links are not
    followed. coverage: of the prediction sets by which an answer is called sure. Raises DataError.
    """
    source = _source(images, {table.resolve(), *([sort_into.resolve()] if sort_into else [])})
    if not source.names:
        raise DataError(f"There is no image in {images}: name the folder or archive that holds them.")
    lock = FileLock(table.with_name(f".{table.name}.lock"))
    try:
        with closing(source), lock.acquire(timeout=0):
            return _continued(predictor, source, table, sort_into, told, coverage)
    except Timeout:
        raise DataError(f"{table.name} is being written already: wait until that is done.") from None


def read_named(images: Path, names: Iterable[str]) -> Iterator[bytes | str]:
    """Of each of the files, named as the table names them, its content, or the sentence why it cannot be read any more.
    Raises DataError.
    """
    with closing(_source(images, set())) as source:
        for name in names:
            try:
                found = source.find(name)
                yield f"{Path(name).name} is no longer in {images}." if found is None else source.read(found)
            except (OSError, ImageError) as error:
                yield _why(name, error)


def _continued(
    predictor: Predictor, source: _Source, table: Path, sort_into: Path | None, told: Told, coverage: float
) -> Outcome:
    columns = heading(coverage)
    have = _complete_rows(table, columns)
    missing = [name for name in source.names if _in_table(name) not in have]
    every = len(source.names)
    done, refused = every - len(missing), 0
    outcome = Outcome(len(missing), done, 0)
    told(done, every)
    if sort_into is not None:  # rows of an earlier time, when copies were not asked for
        _copy(source, sort_into, [(name, have[_in_table(name)]) for name in source.names if _in_table(name) in have])
    with (
        table.open("a", newline="", encoding="utf-8", errors=_STRANGE) as out,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        if not have and not table.stat().st_size:
            out.write(csv_text([columns]))
        for names, decoded in _decoded(threads, predictor, source, missing):
            rows, failed = _rows(predictor, names, decoded, coverage)
            if sort_into is not None:
                _copy(source, sort_into, [(str(row[0]), str(row[1])) for row in rows])
            out.write(csv_text(rows))
            out.flush()
            done, refused = done + len(names), refused + failed
            told(done, every)
    return outcome._replace(refused=refused)


def heading(coverage: float) -> tuple[str, ...]:
    """possible classes: the prediction set. unfamiliar: farther from the labeled images than is usual."""
    sure = (f"sure at {coverage:.0%}", "possible classes", "nearest labeled image", "distance", "unfamiliar")
    return ("file", *_CLASSES, *sure, "error")


class _Source(Protocol):
    """Images by name: paths with slashes, in a fixed order."""

    @property
    def names(self) -> list[str]: ...

    def find(self, in_table: str) -> str | None:
        """The file of this name in the table, if it is there. Raises OSError."""

    def read(self, name: str) -> bytes:
        """Raises OSError or ImageError."""

    def copy(self, name: str, to: Path) -> None: ...

    def close(self) -> None: ...


def _source(images: Path, without: set[Path]) -> _Source:
    """without: files and folders that are the answer. Raises DataError."""
    if images.is_dir():
        return _Folder(images, without)
    if images.is_file():
        return _Archive(images)
    raise DataError(f"{images} is no folder and no archive: name the one that holds the images.")


class _Folder:
    def __init__(self, root: Path, without: set[Path]) -> None:
        self._root, self._without = root, without

    @cached_property
    def names(self) -> list[str]:
        return [name for name in self._walk() if self._is_image(name)]

    def _walk(self) -> Iterator[str]:
        for root, folders, names in os.walk(self._root):
            folders[:] = sorted(name for name in folders if (Path(root) / name).resolve() not in self._without)
            for name in sorted(names):
                path = Path(root) / name
                if not path.is_symlink() and path.resolve() not in self._without:
                    yield path.relative_to(self._root).as_posix()

    def _is_image(self, name: str) -> bool:
        try:
            with open_plain_file(self._root / name) as file:
                return begins_like_image(file.read(_HEAD))
        except OSError:
            return True  # said in its row, when it is read

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {_in_table(name): name for name in self._walk()}

    def find(self, in_table: str) -> str | None:
        if "\\" in in_table:  # perhaps an escape, for a character that no table holds
            return self._by_name.get(in_table)
        # The folder may hold a million others, which are not listed for the sake of one.
        path, place = Path(in_table), self._root
        if path.anchor or ".." in path.parts:
            return None
        for part in path.parts:
            place = place / part
            if place.is_symlink():
                return None
        return in_table if not place.is_dir() and place.exists() else None

    def read(self, name: str) -> bytes:
        return read_plain_file(self._root / name, LARGEST_FILE)

    def copy(self, name: str, to: Path) -> None:
        shutil.copy2(self._root / name, to)

    def close(self) -> None:
        pass  # a folder has nothing to close


class _Archive:
    """Members are read one after the other, and decoded side by side."""

    def __init__(self, path: Path) -> None:
        self._files, self._lock = open_files(str(path)), Lock()
        self._by_name = {file.name: file for file in self._files.files}
        self._in_table = {_in_table(name): name for name in self._by_name}

    @cached_property
    def names(self) -> list[str]:
        return [name for name in sorted(self._by_name) if self._is_image(name)]

    def _is_image(self, name: str) -> bool:
        if is_junk(name.split("/")):
            return False
        try:
            return begins_like_image(self._files.read(self._by_name[name], _HEAD))
        except ImageError:
            return True  # as above

    def find(self, in_table: str) -> str | None:
        return self._in_table.get(in_table)

    def read(self, name: str) -> bytes:
        with self._lock:
            return self._files.read(self._by_name[name])

    def copy(self, name: str, to: Path) -> None:
        to.write_bytes(self.read(name))

    def close(self) -> None:
        self._files.close()


def _why(name: str, error: OSError | ImageError) -> str:
    if isinstance(error, ImageError):
        return str(error)
    return f"{Path(name).name} cannot be read: {error.strerror or type(error).__name__}."


def _in_table(name: str) -> str:
    """A path as the table holds it: names in no known encoding cannot be written as they are."""
    return name.encode("utf-8", _STRANGE).decode("utf-8")


def _complete_rows(table: Path, columns: tuple[str, ...]) -> dict[str, str]:
    """Files that have a row, and their classes; what was torn behind the last one is cut off. Raises DataError if the
    file is no such table.
    """
    if not table.exists():
        return {}
    data = read_plain_file(table, _LARGEST_TABLE)
    kept, files = 0, dict[str, str]()
    lines = data.decode("utf-8", "replace")
    reader = csv.reader(io.StringIO(lines, newline=""))
    ends = ends_of_records(lines)
    for number, (row, end) in enumerate(zip(reader, ends, strict=False)):
        if number == 0 and tuple(row) != columns:
            raise DataError(f"{table} is not a table of such predictions: choose another file for them.")
        if number:
            files[cell_as_it_was(row[0])] = cell_as_it_was(row[1])
        kept = end
    whole = len(lines[:kept].encode("utf-8", "replace"))
    if whole < len(data):
        with table.open("r+b") as out:
            out.truncate(whole)
    return files


def _decoded(
    threads: ThreadPoolExecutor, predictor: Predictor, source: _Source, files: list[str]
) -> Iterator[tuple[list[str], list[Pixels | str]]]:
    """In parts: names, and fitted images uint8 [C, S, S], or the sentence why one cannot be read. The next part is
    decoded meanwhile.
    """

    def read(name: str) -> Pixels | str:
        try:
            return predictor.preparation.fitted(predictor.read(source.read(name), name)).pixels
        except (OSError, ImageError) as error:
            return _why(name, error)

    names = iter(files)
    waiting: tuple[list[str], list[Future[Pixels | str]]] | None = None
    while True:
        part = list(islice(names, _AT_ONCE))
        following = (part, [threads.submit(read, name) for name in part])
        if waiting is not None:
            yield waiting[0], [future.result() for future in waiting[1]]
        if not part:
            return
        waiting = following


def _rows(
    predictor: Predictor, names: list[str], images: list[Pixels | str], coverage: float
) -> tuple[list[tuple[str | float, ...]], int]:
    """A row of `heading` each, and how many could not be read."""
    readable = [image for image in images if not isinstance(image, str)]
    answers = each(predictor.answers(np.stack(readable))) if readable else iter(())
    rows: list[tuple[str | float, ...]] = []
    for name, image in zip(names, images, strict=True):
        if isinstance(image, str):
            rows.append((name, *[""] * (len(heading(coverage)) - 2), image))
            continue
        probabilities, neighbors = next(answers)
        nearest, distance = neighbors[0] if neighbors else (None, None)
        best = np.argsort(-probabilities, kind="stable")[:3]
        cells = [cell for k in best for cell in (predictor.class_names[k], f"{probabilities[k]:.4f}")]
        decision = predictor.certainty.decide(probabilities, distance, coverage)
        sureness = (
            yes_or_no(decision.sure),
            "; ".join(predictor.class_names[k] for k in decision.possible or ()),
            "" if nearest is None else predictor.name_of(nearest),
            "" if distance is None else f"{distance:.4f}",
            yes_or_no(decision.unfamiliar),
        )
        rows.append((name, *cells, *[""] * (len(_CLASSES) - len(cells)), *sureness, ""))
    return rows, len(images) - len(readable)


def _copy(source: _Source, sort_into: Path, rows: list[tuple[str, str]]) -> None:
    """Each classified image into the folder of its class, unless it is there, in the folders it had below the one that
    was named: so no two have one name. rows: names and classes, "" where an image was refused.
    """
    for name, label in rows:
        if not label:
            continue
        copy = sort_into / (_UNSAFE.sub("_", label).strip(". ") or "class") / name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            source.copy(name, copy)
