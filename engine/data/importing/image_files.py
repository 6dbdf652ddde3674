"""The files of a folder or a zip archive, by name, read one at a time into memory. Nothing is ever written under a name
from an archive.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from engine.data.importing.folder_layout import called_image, is_junk
from engine.errors import DataError, ImageError
from engine.images.decode import LARGEST_FILE, short_name

MOST_FILES = 500_000
MOST_UNPACKED = 64 << 30  # bytes of all members together
MOST_TIMES = 200  # unpacked size against the archive's; photographs reach 1.1, blank drawings as bitmaps about 100
UNSUSPICIOUS = 256 << 20  # bytes below which that ratio is not looked at
LARGEST_DIRECTORY = 128 << 20
_SOON_READ = 1_000  # files that are read, and each of them is told why it is no image
_DEEPEST, _MOST_INNER = 3, 1_000  # archives in archives
_SMALLEST_IMAGE = 20  # bytes; the smallest image of any format that is read has 26
_DIRECTORY_ENTRY, _END, _END_64, _LOCATOR_64 = b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"


class ZipMember(NamedTuple):
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo


class File(NamedTuple):
    """name: parts joined by /, in composed Unicode, for layout and reports. location: what its owner finds it by."""

    name: str
    location: str | ZipMember | tarfile.TarInfo


@dataclass
class Sizes:
    """Of the files of a set, as its listing says: whether one of them can be an image is known before any is read."""

    count: int = 0
    largest: int = 0

    def add(self, size: int) -> None:
        self.count += 1
        self.largest = max(self.largest, size)

    def refuse_if_too_small(self, shown: str) -> None:
        """Raises DataError."""
        if self.count > _SOON_READ and self.largest < _SMALLEST_IMAGE:
            raise DataError(
                f"None of the {self.count:,} files in {shown} can be an image, because the largest has"
                f" {self.largest} bytes: choose a folder or zip archive of images."
            )


class ImageFiles(ABC):
    """Open once, list, read. `stamp` changes whenever a file does, without reading any."""

    shown: str  # the name for sentences
    stamp: str
    files: list[File]
    skipped: list[tuple[str, str]]  # names and reasons of what is no plain file
    empty: list[str]  # folders without anything in them

    @abstractmethod
    def read(self, file: File, limit: int = LARGEST_FILE) -> bytes:
        """At most `limit` + 1 bytes, which is enough to be refused. Raises ImageError for this file, DataError for
        all.
        """

    def close(self) -> None:  # noqa: B027  a folder has nothing to close
        """Let go of what was opened."""


def open_files(path: str, listed: bool = True) -> ImageFiles:
    """The folder or zip archive at `path`. listed: False only computes the stamp. Raises DataError in one sentence."""
    if not path.strip():
        raise DataError(
            "data.path is empty: give the path of a folder or zip archive that holds one folder of images per class."
        )
    location = Path(path).expanduser()
    try:
        mode = location.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise DataError(
                f"data.path is {path[:300]!r}, which may not be read: allow this user to read it, or choose another"
                " folder or zip archive."
            ) from None
        raise DataError(f"data.path is {path[:300]!r}, but there is no such folder or file: check the path.") from None
    if stat.S_ISDIR(mode):
        return FolderFiles(location)
    if stat.S_ISREG(mode):
        from engine.data.importing.tar_files import TarFiles, is_tar

        return TarFiles(location, listed) if is_tar(location) else ZipFiles(location, listed)
    raise DataError(
        f"data.path is {path[:300]!r}, which is neither a folder nor a file: choose a folder of images or a zip"
        " archive."
    )


class FolderFiles(ImageFiles):
    """The plain files under a folder. Links are not followed: one that points upwards would never end."""

    def __init__(self, root: Path) -> None:
        self.shown = short_name(str(root.absolute()))
        self.files, self.skipped, self.empty = [], [], []
        self._root = root
        entries: list[str] = []
        sizes = Sizes()
        # Plain strings and scandir: pathlib, and asking for each file on its own, took as long as decoding small files.
        waiting = [(str(root), "")]
        while waiting:
            folder, inside = waiting.pop()
            listing = self._entries(folder)
            if not listing and inside:
                self.empty.append(_readable(inside.rstrip("/")))
            for entry in listing:
                name, readable = inside + entry.name, _readable(inside + entry.name)
                try:
                    about = entry.stat(follow_symlinks=False)
                except OSError:  # gone since it was listed
                    self.skipped.append((readable, "cannot be read"))
                    continue
                if stat.S_ISDIR(about.st_mode):
                    waiting.append((entry.path, name + "/"))
                    continue
                if not stat.S_ISREG(about.st_mode):
                    self.skipped.append((readable, kind_of(about.st_mode)))
                    continue
                self.files.append(File(readable, entry.path))
                sizes.add(about.st_size)
                entries.append(f"{name}\0{about.st_size}\0{about.st_mtime_ns}")
                if len(entries) > MOST_FILES:
                    raise DataError(
                        f"{self.shown} has more than {MOST_FILES:,} files: choose the folder of one data set."
                    )
        self.skipped.sort()
        self.empty.sort()
        sizes.refuse_if_too_small(self.shown)
        self.stamp = hashlib.sha256("\n".join(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()

    def read(self, file: File, limit: int = LARGEST_FILE) -> bytes:
        try:
            with open(str(file.location), "rb") as opened:
                return opened.read(limit + 1)
        except OSError as error:
            raise ImageError(
                f"{short_name(file.name)} cannot be read: {error.strerror or type(error).__name__}.", "cannot be read"
            ) from None

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as listing:
                return list(listing)
        except OSError as error:
            where = short_name(str(error.filename))
            raise DataError(
                f"The folder {where} cannot be read ({error.strerror or type(error).__name__}): allow this user to read"
                " it, or choose another."
            ) from None


class ArchiveFiles(ImageFiles):
    """What the members of every archive are held against. size: of the archive, in bytes."""

    size: int

    def refuse_name(self, name: str) -> None:
        """Raises DataError for the name of a member that could be of a file outside the folder it is unpacked to."""
        parts = name.split("/")
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\\" in name or "\0" in name or ".." in parts:
            raise DataError(
                f"{self.shown} holds the name {_quoted(name)}, which could lead out of its folder: pack the folder"
                " again, with plain relative names."
            )

    def refuse_bomb(self, unpacked: int) -> None:
        if unpacked > MOST_UNPACKED or (unpacked > UNSUSPICIOUS and unpacked > MOST_TIMES * self.size):
            raise DataError(
                f"{self.shown} has {self.size / 1e6:,.1f} MB but unpacks to more than"
                f" {min(unpacked, MOST_UNPACKED) / 1e6:,.0f} MB, which images do not: choose an archive of images,"
                " or unpack it yourself and choose the folder."
            )

    def too_many(self) -> DataError:
        return DataError(
            f"{self.shown} has more than {MOST_FILES:,} entries: split it, or choose the archive of one data set."
        )


class ZipFiles(ArchiveFiles):
    """The members of a zip archive, and of zip archives in it, checked before the first is read: names, encryption,
    number and claimed sizes; the true sizes while reading. Links are named and not followed.
    """

    def __init__(self, path: Path, listed: bool) -> None:
        self.shown = short_name(path.name)
        self.files, self.skipped, self.empty = [], [], []
        self._unpacked = 0
        self._inner: list[IO[bytes]] = []
        self._folders: list[str] = []
        try:
            self._file: IO[bytes] = open(path, "rb")  # noqa: SIM115  kept open: the archive that was checked is the one that is read
        except OSError as error:
            raise DataError(
                f"{self.shown} cannot be read ({error.strerror or type(error).__name__}): choose another zip archive."
            ) from None
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            directory = self._directory(self._file, self.size)
            self.stamp = hashlib.sha256(directory + str(self.size).encode()).hexdigest()
            if listed:
                self._list()
        except BaseException:
            self.close()
            raise

    def read(self, file: File, limit: int = LARGEST_FILE) -> bytes:
        assert isinstance(file.location, ZipMember)
        try:
            with file.location.archive.open(file.location.info) as member:
                data = member.read(limit + 1)
        except Exception:  # noqa: BLE001  a prepared archive may fail in any way, and one damaged member costs only itself
            raise ImageError(
                f"{short_name(file.name)} is damaged inside the archive: pack it again.", "damaged in the archive"
            ) from None
        self._unpacked += len(data)
        self.refuse_bomb(self._unpacked)
        return data

    def close(self) -> None:
        for inner in self._inner:
            inner.close()
        self._file.close()

    def _directory(self, file: IO[bytes], whole: int) -> bytes:
        """The central directory as it stands: names, sizes and checksums of all members, 15 ms for 60,000, where
        listing them takes half a second.
        """
        not_a_zip = DataError(
            f"{self.shown} is not a zip archive, or one that was cut off: choose a .zip file or a folder."
        )
        tail_at = max(0, whole - (1 << 16) - 22)
        file.seek(tail_at)
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < 22:
            raise not_a_zip
        (size,) = struct.unpack("<L", tail[at + 12 : at + 16])
        end = tail_at + at
        if tail[at - 20 : at - 16] == _LOCATOR_64 and at >= 20:
            (end_64,) = struct.unpack("<Q", tail[at - 12 : at - 4])
            file.seek(min(end_64, whole))
            record = file.read(56)
            if len(record) == 56 and record[:4] == _END_64:
                (size,) = struct.unpack("<Q", record[40:48])
                end = end_64
        if size > LARGEST_DIRECTORY:
            raise self.too_many()
        if size > end:
            raise not_a_zip
        file.seek(end - size)  # it ends where the end record begins, also where bytes stand before the archive
        directory = file.read(size)
        count, files, offset = 0, Sizes(), 0
        while offset + 46 <= size:
            if directory[offset : offset + 4] != _DIRECTORY_ENTRY:
                raise not_a_zip
            unpacked, *lengths = struct.unpack("<LHHH", directory[offset + 24 : offset + 34])
            if not directory.startswith(b"/", offset + 45 + lengths[0]):  # a folder's name ends so
                files.add(unpacked)
            offset += 46 + sum(lengths)
            count += 1
            if count > MOST_FILES:
                raise self.too_many()
        files.refuse_if_too_small(self.shown)
        return directory

    def _list(self) -> None:
        seen: set[str] = set()
        claimed = self._list_archive(self._file, "", seen, 0)
        self.empty = empty_folders(self._folders, seen)
        if len(self.files) > MOST_FILES:
            raise self.too_many()
        self.refuse_bomb(claimed)

    def _list_archive(self, file: IO[bytes], inside: str, seen: set[str], depth: int) -> int:
        """Adds the members, their names after `inside`; what they claim to unpack to, in bytes."""
        try:
            archive = zipfile.ZipFile(file)
        except Exception:  # noqa: BLE001  as above
            raise DataError(
                f"{self.shown} is not a zip archive, or one that was cut off: choose a .zip file or a folder."
            ) from None
        members = archive.infolist()
        if len(members) > MOST_FILES:
            raise self.too_many()
        names = {id(member): self._checked_name(member) for member in members}
        if inside and {name.split("/")[0] for name in names.values() if name} == {inside.split("/")[-2]}:
            inside = inside.rpartition("/")[0].rpartition("/")[0]  # cat.zip holds one folder, and it is cat
            inside = f"{inside}/" if inside else ""
        claimed = 0
        has_images = any(called_image(name) for name in names.values())
        for member in members:
            name = inside + names[id(member)]
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                self.skipped.append((name, kind_of(mode)))  # where it leads is never looked at
                continue
            if member.is_dir():
                self._folders.append(name)
                continue
            if member.flag_bits & 0x1:
                raise DataError(f"{self.shown} is encrypted: pack the images again without a password.")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # The others unpack a whole block at a time, of any size: no limit could be kept.
                raise DataError(
                    f"{self.shown} packs {short_name(name)} by method {member.compress_type}, but only methods 0 and 8"
                    " are read: pack it again as an ordinary zip."
                )
            if name in seen:
                raise DataError(
                    f"{self.shown} holds {short_name(name)} twice under the same name: remove one of the two and pack"
                    " it again."
                )
            seen.add(name)
            if name.lower().endswith(".zip") and not is_junk(name.split("/")):
                if has_images:  # of which class its images are would be a guess
                    self.skipped.append((name, "an archive beside images, which is not opened"))
                else:
                    claimed += self._list_inner(archive, member, name, seen, depth)
            else:
                self.files.append(File(name, ZipMember(archive, member)))
                claimed += min(member.file_size, LARGEST_FILE + 1)
        return claimed

    def _list_inner(
        self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, seen: set[str], depth: int
    ) -> int:
        """An archive in the archive, unpacked into a file without a name. What is none is left out by its name."""
        if depth == _DEEPEST or len(self._inner) == _MOST_INNER:
            self.skipped.append((name, "an archive too deep inside others"))
            return 0
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115  kept open like the outer archive
        self._inner.append(unpacked)
        size = 0
        try:
            with archive.open(member) as packed:
                while block := packed.read(1 << 20):
                    size += len(block)
                    self.refuse_bomb(self._unpacked + size)
                    unpacked.write(block)
            unpacked.seek(0)
            self._directory(unpacked, size)
        except DataError:
            if size > UNSUSPICIOUS:
                raise
            self.skipped.append((name, "damaged in the archive"))
            return size
        except OSError as error:
            raise DataError(
                f"{self.shown} holds {short_name(name)}, for which there is no room to unpack it"
                f" ({error.strerror or type(error).__name__}): free some disk space, or unpack it yourself."
            ) from None
        except Exception:  # noqa: BLE001  as above
            self.skipped.append((name, "damaged in the archive"))
            return size
        self._unpacked += size
        return size + self._list_archive(unpacked, name[: -len(".zip")] + "/", seen, depth + 1)

    def _checked_name(self, member: zipfile.ZipInfo) -> str:
        raw = member.orig_filename
        name = member.filename
        if not member.flag_bits & 0x800:  # not marked as UTF-8, but macOS packs it so
            try:
                raw = name = raw.encode("cp437").decode("utf-8")
            except UnicodeError:
                name = raw
        self.refuse_name(raw)
        return plain_name(name)


def plain_name(name: str) -> str:
    """The name of a member for layout and reports."""
    return _readable("/".join(part for part in name.split("/") if part not in ("", ".")))


def empty_folders(folders: Iterable[str], files: Iterable[str]) -> list[str]:
    """Those of an archive's folders that hold neither files nor folders."""
    folders = set(folders) - {""}
    parents = {name.rpartition("/")[0] for name in (*files, *folders)}
    return sorted(folders - parents)


def kind_of(mode: int) -> str:
    """What is no plain file, as the reason for leaving it out. mode: st_mode."""
    return "a link" if stat.S_ISLNK(mode) else "a special file"


def _readable(name: str) -> str:
    """Composed Unicode, because macOS decomposes names; what is no character becomes a question mark."""
    return unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())


def _quoted(name: str) -> str:
    clean = "".join(c if c.isprintable() else "?" for c in name)
    return f"'{clean if len(clean) <= 60 else clean[:45] + '…' + clean[-14:]}'"
