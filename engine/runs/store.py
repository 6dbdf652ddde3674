"""Store: the list of runs in a checkpoints folder. The queue is the set of queued folders, so any process can add to
it.
"""

from __future__ import annotations

import errno
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from engine.errors import RunError, UnknownName
from engine.runs.atomic_write import is_abandoned, replace_file, sync_folder
from engine.runs.folder import RESUMABLE, RunFolder, Status
from engine.runs.notes import NO_NOTES, Notes, checked_notes

ID = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9_]+-[a-z0-9_]+-[a-z0-9]+")
OPENING = ".opening-"  # and of one that holds shared runs until they are checked
PREDICTIONS = ".predictions"
_NEW = ".new-"  # how the name of a folder begins that is just being made
_YEARS = range(1971, 2200)  # that every time zone and every platform can count


@dataclass(frozen=True)
class Run:
    """One line of the list of runs. notes: empty also where they cannot be read, which hides no run."""

    folder: RunFolder
    config: dict[str, Any]
    status: Status
    notes: Notes = NO_NOTES

    @property
    def id(self) -> str:
        return self.folder.id

    @property
    def name(self) -> str:
        """What a person called it, "" if nobody did."""
        return str(self.config.get("name") or "").strip()

    @property
    def created(self) -> datetime:
        return _date_of(self.id)


class Store:
    """Runs under one folder. Ids sort by time and say what they are; nothing that a person typed ever becomes a
    path.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def lock(self) -> FileLock:
        """Whoever holds this lock trains; everyone else only adds to the queue and watches."""
        self.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.root / ".lock", thread_local=False)

    def create(self, config: dict[str, Any]) -> RunFolder:
        """A new queued run of a validated, resolved config: its folder appears whole or not at all. Raises RunError if
        it cannot be written.
        """
        words = [re.sub(r"[^a-z0-9_]", "", str(config[part]["name"]).lower()) or "x" for part in ("method", "data")]
        status = Status("queued", steps=config["budget"]["steps"], order=time.time())
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            while True:
                run_id = "-".join([datetime.now().strftime("%Y%m%d-%H%M%S"), *words, secrets.token_hex(2)])
                if not (self.root / run_id).exists() and self._write_new(run_id, config, status):
                    return RunFolder(self.root / run_id)
        except OSError as error:
            raise RunError(
                f"No run can be written to {self.root} ({error.strerror or type(error).__name__}): choose a folder that"
                " this user may write to and that has room, or free some disk space."
            ) from None

    def _write_new(self, run_id: str, config: dict[str, Any], status: Status) -> bool:
        """Whether the id was still free."""
        made = RunFolder(self.root / f"{_NEW}{run_id}")
        try:
            made.path.mkdir()
        except FileExistsError:
            return False
        try:
            made.write_config(config)
            made.write_status(status)
            replace_file(made.path, self.root / run_id)
        except OSError as error:
            shutil.rmtree(made.path, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
        sync_folder(self.root)
        return True

    def open(self, run_id: str) -> RunFolder:
        """Raises UnknownName unless `run_id` is a run here; a path or anything else that is no id is refused."""
        if not ID.fullmatch(run_id) or not (self.root / run_id).is_dir():
            raise UnknownName("run", run_id, (run.id for run in self.runs()))
        return RunFolder(self.root / run_id)

    def run(self, run_id: str) -> Run:
        """Raises UnknownName, or RunError if it cannot be read."""
        return _read(self.open(run_id))

    def runs(self) -> list[Run]:
        """All readable runs, newest first."""
        readable = []
        for folder in self._folders():
            try:
                readable.append(_read(folder))
            except RunError:
                continue
        return sorted(readable, key=lambda run: run.id, reverse=True)

    def unreadable(self) -> list[tuple[RunFolder, str]]:
        """Runs that cannot be opened, each with its sentence."""
        broken = []
        for folder in self._folders():
            try:
                _read(folder)
            except RunError as error:
                broken.append((folder, str(error)))
        return broken

    def queue(self) -> list[Run]:
        """Queued runs, next first."""
        return sorted(
            (run for run in self.runs() if run.status.state == "queued"), key=lambda run: (run.status.order, run.id)
        )

    def requeue(self, run_id: str, reason: str = "", keeps_place: bool = False) -> RunFolder:
        """Queue a stopped or interrupted run again, behind all that wait, or where it was before (keeps_place). Raises
        RunError for any other.
        """
        folder = self.open(run_id)
        status = folder.status()
        if status.state not in RESUMABLE:
            words = {
                "failed": f"it failed: {status.reason}",
                "paused": "it is paused in another FewLab: resume it there.",
            }
            raise RunError(
                f"Run {run_id} cannot be resumed because {words.get(status.state, f'it is {status.state}.')}"
            )
        folder.add_event("resume", status.step, reason=reason)
        folder.update_status(state="queued", reason=reason, **({} if keeps_place else {"order": time.time()}))
        return folder

    def rename(self, run_id: str, name: str) -> None:
        """Change what the run is called; its id stays. Raises RunError for a name over 200 characters."""
        if len(name) > 200:
            raise RunError(f"A name may have at most 200 characters, but this one has {len(name)}.")
        folder = self.open(run_id)
        folder.write_config({**folder.config(), "name": name})

    def annotate(self, run_id: str, note: str, tags: Iterable[str]) -> None:
        """Change a run's note and tags; empty ones take them away. Raises RunError for what is too long or no word."""
        self.open(run_id).write_notes(checked_notes(note, tags))

    def prediction_table(self, run_id: str, key: str) -> Path:
        """Where a run's predictions for one folder of images go; it is deleted with the run. key: of file name
        characters, one for each folder and way of asking.
        """
        return self.root / PREDICTIONS / f"{run_id}.{key}.csv"

    def delete(self, run_id: str, is_over: bool = False) -> None:
        """Remove a run and everything in it. Raises RunError while it trains, unless it is_over."""
        folder = self.open(run_id)
        try:
            state = folder.status().state
        except RunError:
            state = "failed"
        if state in ("running", "paused") and not is_over:
            raise RunError(f"Run {run_id} is {state}: stop it before deleting it.")
        # Renamed first: the list of runs never shows a folder that is half gone.
        doomed = folder.path.with_name(f".deleted-{folder.id}")
        try:
            replace_file(folder.path, doomed)
        except PermissionError:
            raise RunError(
                f"Run {run_id} cannot be deleted while a program has one of its files open: close that program and try"
                " again."
            ) from None
        for table in (self.root / PREDICTIONS).glob(f"*{run_id}.*"):  # and the lock file of one
            table.unlink(missing_ok=True)
        _remove(doomed)

    def sweep(self) -> None:
        """Finish deletions that were cut off, and remove what a killed process left half made."""
        for path in (*self.root.glob(".deleted-*"), *filter(is_abandoned, self._half_made())):
            _remove(path)

    def _half_made(self) -> Iterator[Path]:
        for beginning in (_NEW, OPENING):
            yield from self.root.glob(f"{beginning}*")

    def _folders(self) -> Iterator[RunFolder]:
        if self.root.is_dir():
            for path in self.root.iterdir():
                if ID.fullmatch(path.name) and path.is_dir():
                    yield RunFolder(path)


def _remove(folder: Path) -> None:
    if folder.is_symlink():  # what it leads to is not ours
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _read(folder: RunFolder) -> Run:
    try:
        _date_of(folder.id)
    except ValueError:
        raise RunError(
            f"The name of run {folder.id} begins with no date: delete the run, or give its folder its name back."
        ) from None
    folder.check_journals()
    try:
        notes = folder.notes()
    except RunError:
        notes = NO_NOTES
    return Run(folder, folder.config(), folder.status(), notes)


def _date_of(run_id: str) -> datetime:
    """Raises ValueError."""
    moment = datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S")
    if moment.year not in _YEARS:
        raise ValueError(f"the year {moment.year}")
    return moment
