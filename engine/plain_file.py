"""Opening what should be a file: a pipe, a device or a directory in its place is refused and never waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain_file(path: Path) -> BinaryIO:
    """The file at `path`, for reading. Raises OSError, also for what is no file: opening a pipe would wait for somebody
    to write into it, and a device has no end.
    """
    _refuse_others(path.stat().st_mode, path)
    # Another may have been put in its place since: without this flag, opening a pipe could still wait.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _refuse_others(os.fstat(handle).st_mode, path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_plain_file(path: Path, limit: int) -> bytes:
    """All of the file. Raises OSError, also if it has more than `limit` bytes."""
    with open_plain_file(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit / 1e6:,.0f} MB", str(path))
    return data


def _refuse_others(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe, a device or a socket", str(path))
