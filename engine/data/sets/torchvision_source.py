"""Well-known sets as torchvision reads them: found in a folder, read-only or not, downloaded only if they are nowhere,
and decoded once.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import urllib.request
from abc import abstractmethod
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from urllib.error import HTTPError

import numpy as np
from numpy.typing import NDArray

from engine.config.parts import DataParams
from engine.config.settings import param
from engine.data.image_set import Cancelled, Progress
from engine.data.importing.cached_source import CachedSource, stop_if
from engine.data.importing.image_cache import Writer, cache_root
from engine.data.importing.import_report import Report
from engine.errors import DataError

PATIENCE = 20.0  # seconds without a byte before a download is given up
BLOCK = 1 << 16


class Download(NamedTuple):
    """One file: its name in `folder`, its md5 sum as torchvision lists it, and where it can be had."""

    name: str
    md5: str
    urls: list[str]


class TorchvisionParams(DataParams):
    root: str = param(
        "data",
        max_length=4096,
        is_path=True,
        advanced=True,
        help=(
            "Folder in torchvision's layout. An existing copy is used, also a read-only one; missing files are"
            " downloaded."
        ),
    )


class Part(NamedTuple):
    """Some images of a set, uint8 [n, C, H, W], and their labels [n], -1 where unknown."""

    images: NDArray[np.uint8]
    labels: Any


class TorchvisionSet(CachedSource):
    """A set that torchvision has a class for. Its files are checked by their md5 sums, and never changed: torchvision
    unpacks in a temporary folder.
    """

    params: TorchvisionParams
    known_as: ClassVar[str]  # for sentences
    class_names: ClassVar[tuple[str, ...]]
    folder: ClassVar[str]  # of the packed files, inside the root
    shape: ClassVar[tuple[int, int, int, int]]  # [N, C, H, W], training images first
    training: ClassVar[int]

    @abstractmethod
    def downloads(self) -> list[Download]:
        """The packed files."""

    def unpacked(self) -> dict[str, str]:
        """md5 sums of the files that make unpacking unnecessary, by their names inside the root; none where nothing is
        packed.
        """
        return {}

    @abstractmethod
    def parts(self, root: Path) -> Iterable[Part]:
        """The images, those of the training part first, by torchvision's class, which unpacks in `root` if need be. One
        block after the other: what is not asked for yet need not be in memory.
        """

    def key(self) -> str:
        # The files are the official ones or they are refused: where they lay does not matter, and a set once decoded
        # needs them no more.
        return f"{self.params.name}-1"

    def decode(self, writer: Writer, progress: Progress, cancelled: Cancelled) -> None:
        start = time.perf_counter()
        names = self._find_or_download(progress, cancelled)
        progress(0, self.shape[0])
        with tempfile.TemporaryDirectory(prefix="fewlab-") as temporary:
            for source, name in names:
                target = Path(temporary) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    target.symlink_to(source)
                except OSError:  # Windows lets only some users make links
                    shutil.copyfile(source, target)
            blocks: list[NDArray[np.int64]] = []
            try:
                for part in self.parts(Path(temporary)):
                    if part.images.shape[1:] != self.shape[1:]:
                        raise self._other_files(names[0][0].parent)
                    writer.add(part.images)
                    blocks.append(np.asarray(part.labels, dtype=np.int64))
                    stop_if(cancelled, writer.shape[0], self.shape[0], "images")
                    progress(writer.shape[0], self.shape[0])
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise DataError(
                    f"{self.known_as} could not be unpacked in {tempfile.gettempdir()} ({reason}): free some space"
                    " there, or set TMPDIR to another folder."
                ) from None
            except (RuntimeError, ValueError, EOFError, KeyError) as error:
                reason = " ".join(str(error).split())[:100]
                raise DataError(
                    f"The files of {self.known_as} in {names[0][0].parent} cannot be unpacked ({reason}): remove them,"
                    " so that they are downloaded again."
                ) from None
        ends = np.cumsum([len(block) for block in blocks])
        if not len(ends) or ends[-1] != self.shape[0] or self.training not in ends:
            raise self._other_files(names[0][0].parent)
        labels = np.concatenate(blocks)
        is_test = np.arange(len(labels)) >= self.training
        counts = [
            {name: int((labels[is_test == test] == k).sum()) for k, name in enumerate(self.class_names)}
            for test in (False, True)
        ]
        report = Report(
            len(labels),
            training=counts[0],
            test=counts[1],
            unlabeled=int((labels < 0).sum()),
            channels=self.shape[1],
            size=self.shape[2],
            seconds=round(time.perf_counter() - start, 2),
        )
        writer.finish(self.params.name, labels, is_test, self.class_names, self.variants, report)

    def _find_or_download(self, progress: Progress, cancelled: Cancelled) -> list[tuple[Path, str]]:
        """Files to hand to torchvision, with their names inside its root: the unpacked ones if all are there, else the
        packed ones.
        """
        root = Path(self.params.root).expanduser().absolute()
        own = cache_root() / "downloads"
        wanted = self.downloads()
        unpacked, wrong = self.unpacked(), None
        for place in (root, own):
            if unpacked and all((place / name).is_file() for name in unpacked):
                wrong = next((place / name for name, md5 in unpacked.items() if not _has_md5(place / name, md5)), None)
                if wrong is None:
                    return [(place / name, name) for name in unpacked]
        found: list[tuple[Path, str]] = []
        missing: list[Download] = []
        for file in wanted:
            name = f"{self.folder}/{file.name}" if self.folder else file.name
            paths = [place / name for place in (root, own) if (place / name).is_file()]
            if not paths:
                missing.append(file)
            elif not _has_md5(paths[0], file.md5):
                raise self._wrong(paths[0])
            else:
                found.append((paths[0], name))
        if missing and wrong is not None:
            raise self._wrong(wrong)
        if missing:
            target = root if _writable(root) else own
            for file in missing:
                name = f"{self.folder}/{file.name}" if self.folder else file.name
                try:
                    _download(file, target / name, progress, cancelled)
                except OSError as error:
                    raise self._missing(missing, root, error) from None
                found.append((target / name, name))
        return found

    def _other_files(self, folder: Path) -> DataError:
        return DataError(
            f"The files in {folder} are not those of {self.known_as}: remove them, or set data.root to another folder."
        )

    def _wrong(self, path: Path) -> DataError:
        return DataError(
            f"{path} is not the file of {self.known_as} (its md5 sum differs): remove it, so that it is downloaded"
            " again, or set data.root to another folder."
        )

    def _missing(self, missing: list[Download], root: Path, error: Exception) -> DataError:
        reason = (
            getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__
        )
        names = ", ".join(file.name for file in missing)
        return DataError(
            f"{self.known_as} is not on this computer ({names} not found in {root / self.folder}) and could not be"
            f" downloaded ({' '.join(str(reason).split())[:120]}): connect to the internet, put the files there, set"
            " data.root to a folder that has them, or choose a data set that comes with FewLab (digits, shapes)."
        )


def _download(file: Download, path: Path, progress: Progress, cancelled: Cancelled) -> None:
    """To a temporary name, checked, then renamed: a file under its own name is whole. Raises OSError of the last
    address tried.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    last: OSError = OSError("no address is known")
    for url in file.urls:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310  torchvision's own addresses
                path.parent.mkdir(parents=True, exist_ok=True)
                total, done = int(answer.headers.get("Content-Length") or 0), 0
                with open(temporary, "wb") as kept:
                    while block := answer.read(BLOCK):
                        kept.write(block)
                        done += len(block)
                        progress(done, max(total, done))
                        stop_if(cancelled, done, max(total, done), "bytes")
            if not _has_md5(temporary, file.md5):
                raise OSError(f"{url} answered with another file")
            os.replace(temporary, path)
            return
        except OSError as error:
            if isinstance(error, HTTPError):
                error.close()  # a refusal is also an open connection
            last = error
        except (HTTPException, ValueError) as error:  # an answer that is none, or cut off
            last = OSError(f"{url} answered wrongly: {type(error).__name__}")
        finally:
            temporary.unlink(missing_ok=True)
    raise last


def _has_md5(path: Path, md5: str) -> bool:
    from torchvision.datasets.utils import check_integrity

    return bool(check_integrity(str(path), md5))


def _writable(root: Path) -> bool:
    """Whether files can be put into `root`, or into the folder in which it would be made."""
    place = root
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        return False
    try:  # asking for the rights alone is answered wrongly on read-only disks and for the super-user
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False
