"""The files of a tar archive, packed or not."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import tarfile
import tempfile
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from engine.data.importing.image_files import (
    MOST_FILES,
    ArchiveFiles,
    File,
    Sizes,
    empty_folders,
    plain_name,
)
from engine.errors import DataError, ImageError
from engine.images.decode import LARGEST_FILE, short_name

_PACKED: dict[bytes, Callable[[Path], BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
_BLOCK = 1 << 20


def is_tar(path: Path) -> bool:
    """By its first bytes: packed by gzip, bzip2 or xz, or a tar archive itself."""
    try:
        with open(path, "rb") as file:
            head = file.read(265)
    except OSError:
        return False  # who opens it says so
    return head.startswith(tuple(_PACKED)) or (head[257:262] == b"ustar" and not head.startswith(b"PK"))


class TarFiles(ArchiveFiles):
    """The plain files of a tar archive. What is packed is unpacked once, into a file without a name, because images are
    read in the order of their names. Links are named and not followed.
    """

    def __init__(self, path: Path, listed: bool) -> None:
        self.shown = short_name(path.name)
        self.files, self.skipped, self.empty = [], [], []
        self._file: IO[bytes] | None = None
        try:
            about = path.stat()
            self.size = about.st_size
            # Without unpacking it nothing is known of its files.
            self.stamp = hashlib.sha256(f"{about.st_size} {about.st_mtime_ns}".encode()).hexdigest()
            if listed:
                self._file = self._unpacked(path)
        except OSError as error:
            raise DataError(
                f"{self.shown} cannot be unpacked ({error.strerror or type(error).__name__}): free some disk space, or"
                " choose another archive."
            ) from None
        try:
            if self._file is not None:
                self._list(self._file)
        except BaseException:
            self.close()
            raise

    def read(self, file: File, limit: int = LARGEST_FILE) -> bytes:
        assert isinstance(file.location, tarfile.TarInfo)
        try:
            member = self._archive.extractfile(file.location)
            assert member is not None  # only plain files are listed
            return member.read(limit + 1)
        except Exception:  # noqa: BLE001  one damaged member costs only itself
            raise ImageError(
                f"{short_name(file.name)} is damaged inside the archive: pack it again.", "damaged in the archive"
            ) from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _unpacked(self, path: Path) -> IO[bytes]:
        with open(path, "rb") as file:
            head = file.read(6)
        opener = next((opener for magic, opener in _PACKED.items() if head.startswith(magic)), None)
        if opener is None:
            return open(path, "rb")
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115  kept open while images are read
        size = 0
        try:
            with opener(path) as packed:
                while block := packed.read(_BLOCK):
                    size += len(block)
                    self.refuse_bomb(size)
                    unpacked.write(block)
        except (EOFError, lzma.LZMAError, gzip.BadGzipFile, ValueError) as error:
            unpacked.close()
            raise self._no_archive() from error
        except BaseException:
            unpacked.close()
            raise
        unpacked.seek(0)
        return unpacked

    def _list(self, file: IO[bytes]) -> None:
        try:
            self._archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  kept open as well
            sizes = Sizes()
            seen: set[str] = set()
            folders: list[str] = []
            for count, member in enumerate(self._archive, 1):
                if count > MOST_FILES:
                    raise self.too_many()
                self.refuse_name(member.name)
                name = plain_name(member.name)
                if member.isdir():
                    folders.append(name)
                elif member.issym() or member.islnk():
                    self.skipped.append((name, "a link"))
                elif not member.isreg():
                    self.skipped.append((name, "a special file"))
                elif name in seen:
                    raise DataError(
                        f"{self.shown} holds {short_name(name)} twice under the same name: remove one of the two and"
                        " pack it again."
                    )
                else:
                    seen.add(name)
                    sizes.add(member.size)
                    self.files.append(File(name, member))
        except (tarfile.TarError, EOFError, ValueError, OSError) as error:
            raise self._no_archive() from error
        sizes.refuse_if_too_small(self.shown)
        self.empty = empty_folders(folders, seen)

    def _no_archive(self) -> DataError:
        return DataError(f"{self.shown} is not a tar archive, or one that was cut off: choose another, or a folder.")
