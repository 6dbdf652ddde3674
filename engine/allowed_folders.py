"""Which folders of this machine may be named in a setting: all of them on one's own machine, those that
FEWLAB_ALLOWED_FOLDERS lists where others reach the server too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from engine.errors import ConfigError

VARIABLE = "FEWLAB_ALLOWED_FOLDERS"


def allowed_folders() -> list[Path] | None:
    """The folders, resolved; None: every folder is allowed."""
    listed = os.environ.get(VARIABLE)
    if listed is None:
        return None
    return [Path(folder).expanduser().resolve() for folder in listed.split(os.pathsep) if folder.strip()]


def allow_only(folders: Iterable[Path]) -> None:
    """Allow nothing else from now on, here and in the processes that are started from here. A folder that cannot be
    told apart in a list, because the separator is in its path, is left out.
    """
    os.environ[VARIABLE] = os.pathsep.join(path for path in map(str, folders) if os.pathsep not in path)


def check_allowed(path: str, setting: str) -> None:
    """Raises ConfigError if `path`, with its links followed, lies in none of the allowed folders. Whether there is such
    a path is not told.
    """
    folders = allowed_folders()
    if folders is None:
        return
    try:
        resolved = Path(path).expanduser().resolve()
        is_allowed = any(resolved.is_relative_to(folder) for folder in folders)
    except (OSError, ValueError, RuntimeError):  # links in a circle, a home of nobody, characters that no path has
        is_allowed = False
    if not is_allowed:
        otherwise = "upload a zip archive, or " if setting == "data.path" else ""
        raise ConfigError(
            f"{setting} names a place that this server does not open to others: {otherwise}ask whoever runs the server"
            f" to list its folder in {VARIABLE}."
        )
