"""Data sets that are decoded once and then opened from the cache: what a folder of images and the downloaded sets
share.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from engine.data.image_set import Cancelled, DataSource, ImageSet, Progress
from engine.data.importing.image_cache import Decoded, Writer, cache_root, importing, open_decoded
from engine.data.importing.import_report import Report
from engine.errors import DataError, ImportCancelled


class CachedSource(DataSource):
    """A set says what it is made from (`key`) and how (`decode`); opening, waiting for another process and cleaning up
    are done here.
    """

    variants: ClassVar[tuple[frozenset[str], ...]]  # all symmetries that the settings can choose

    @abstractmethod
    def key(self) -> str:
        """A name for the cache that changes whenever the images or a setting that forms them do. Letters, digits, -
        and _. Raises DataError.
        """

    @abstractmethod
    def decode(self, writer: Writer, progress: Progress, cancelled: Cancelled) -> None:
        """Write the whole set. Raises DataError if it cannot be had; nothing is kept then."""

    @property
    def symmetries(self) -> frozenset[str]:
        """One of `variants`."""
        return self.variants[0]

    def ready(self) -> bool:
        return bool(self.ready_key())

    def ready_key(self) -> str:
        """`key` if the set is in the cache, else ""."""
        key = self.key()
        return key if open_decoded(key, self.symmetries) is not None else ""

    def prepare(self, progress: Progress | None = None, cancelled: Cancelled | None = None) -> Report:
        return self._opened(progress or _say_nothing, cancelled or _never).report

    def load(self) -> ImageSet:
        return self._opened(_say_nothing, _never).images

    def _opened(self, progress: Progress, cancelled: Cancelled) -> Decoded:
        key = self.key()
        decoded = open_decoded(key, self.symmetries)
        if decoded is None:
            with importing(key, cancelled) as writer:
                decoded = open_decoded(key, self.symmetries)  # another process may have made it meanwhile
                if decoded is None:
                    self.decode(writer, progress, cancelled)
                    decoded = open_decoded(key, self.symmetries)
        if decoded is None:
            raise DataError(
                f"The images just written to {cache_root()} cannot be read back: check the disk, or set FEWLAB_CACHE"
                " to a folder on another one."
            )
        return decoded


def stop_if(cancelled: Cancelled, done: int, total: int, unit: str) -> None:
    """Raises ImportCancelled if a person wants no more."""
    if cancelled():
        raise ImportCancelled(f"The import was cancelled after {done:,} of {total:,} {unit}: nothing of it was kept.")


def _say_nothing(done: int, total: int) -> None:
    pass


def _never() -> bool:
    return False
