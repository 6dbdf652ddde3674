"""RunFolder: everything about one run, on disk."""

from __future__ import annotations

import io
import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.plain_file import open_plain_file
from engine.runs import contents, journal
from engine.runs.arrays import UNREADABLE, WrongContent, read_arrays
from engine.runs.atomic_write import is_abandoned, read_bytes, replace_file, write_bytes, write_json
from engine.runs.notes import NO_NOTES, Notes, plain_notes, read_notes

FORMAT = 1
State = Literal["queued", "running", "paused", "finished", "stopped", "failed", "interrupted"]
ACTIVE = ("queued", "running", "paused")
RESUMABLE = ("stopped", "interrupted")
# Why a run is interrupted: the first goes on by itself when FewLab is started again, the second waits to be resumed.
APP_ENDED = "FewLab ended while this run trained."
PAUSED_APP_ENDED = "FewLab ended while this run was paused."
TAKEN_OUT = "It was taken out of the queue."
HEARD = 3.0  # seconds: a run whose process lives writes its status three times as often
Part = Literal["labeled", "unlabeled", "validation", "test"]
PARTS: tuple[Part, ...] = ("labeled", "unlabeled", "validation", "test")  # in the order of the numbers in a snapshot
_LARGEST_JSON = 4_000_000  # bytes of config.json and status.json
_NOTES = "notes.json"
_LARGEST_HEADER = 10_000_000  # bytes of a model file's description
_CONTENT_HASH = re.compile(r"[0-9a-z]{1,64}")
_HALF_SNAPSHOT = ".tmp.npz"
_ONLY_TRAINING_WRITES = (".checkpoint.pt.", ".model.safetensors.")  # how such temporary files begin
_SNAPSHOT_NAME = re.compile(r"[0-9]{8,12}")


@dataclass(frozen=True)
class Status:
    """Where a run is. seconds: training time so far, pauses left out. order: place in the queue, lower first.
    heartbeat: seconds since 1970.
    """

    state: State
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    images_per_second: float = 0.0
    reason: str = ""
    pid: int = 0
    heartbeat: float = 0.0
    order: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    version: int = FORMAT

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


class Change(NamedTuple):
    """A setting changed while training: in force from `step` on."""

    step: int
    key: str
    value: Any


class RunFolder:
    """Paths and formats of one run. Reading never changes anything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.metrics_file = path / "metrics.jsonl"
        self.events_file = path / "events.jsonl"
        self.log_file = path / "log.txt"
        self.model_file = path / "model.safetensors"
        self.checkpoint_file = path / "checkpoint.pt"
        self.snapshots = path / "snapshots"

    # config and status

    def config(self) -> dict[str, Any]:
        """The RunConfig as started, as a plain object. Raises RunError if it cannot be read."""
        config = self._read_json("config.json", strict=True)
        if not contents.is_config(config):
            raise RunError(
                f"config.json of run {self.id} does not hold a run's settings: delete the run or restore the file."
            )
        return config

    def write_config(self, config: dict[str, Any]) -> None:
        write_json(self.path / "config.json", config)

    def status(self) -> Status:
        """Raises RunError if status.json is unreadable or from a newer format."""
        plain = self._read_json("status.json")
        version = plain.get("version", FORMAT)
        if not isinstance(version, int) or version > FORMAT:
            raise RunError(
                f"Run {self.id} was written in format {version} and this FewLab reads up to {FORMAT}: update FewLab to"
                " open it."
            )
        known = {f.name: plain[f.name] for f in fields(Status) if f.name in plain}
        if not contents.is_status(known, get_args(State)):
            raise RunError(f"The status of run {self.id} is not readable: delete the run or restore its status.json.")
        return Status(**{**known, "metrics": _numbers(known.get("metrics", {}))})

    def write_status(self, status: Status) -> None:
        write_json(self.path / "status.json", {**asdict(status), "metrics": _numbers(status.metrics)})

    def update_status(self, **changes: Any) -> Status:
        status = replace(self.status(), **changes)
        self.write_status(status)
        return status

    def status_when_quiet(self, give_up: Callable[[], bool] = lambda: False) -> Status:
        """The status once nobody writes it any more: the process of a killed server may still be writing its last
        checkpoint.
        """
        status = self.status()
        while status.state in ("running", "paused") and 0 <= time.time() - status.heartbeat < HEARD and not give_up():
            time.sleep(0.1)
            status = self.status()
        return status

    def notes(self) -> Notes:
        """A person's note and tags; empty where nobody gave any. Raises RunError if they cannot be read."""
        if not os.path.lexists(self.path / _NOTES):
            return NO_NOTES
        plain = self._read_json(_NOTES)
        try:
            return read_notes(plain)
        except RunError as error:
            raise RunError(f"The note and tags of run {self.id} cannot be read: write them anew. {error}") from None

    def write_notes(self, notes: Notes) -> None:
        write_json(self.path / _NOTES, plain_notes(notes))

    def _read_json(self, name: str, strict: bool = False) -> dict[str, Any]:
        try:
            value = contents.read_json(read_bytes(self.path / name, _LARGEST_JSON), strict)
        except FileNotFoundError:
            raise RunError(f"Run {self.id} has no {name}: it was not made by FewLab or is being deleted.") from None
        except OSError as error:
            raise RunError(
                f"{name} of run {self.id} cannot be opened ({error.strerror or type(error).__name__}): check its"
                " permissions, or close what holds it open."
            ) from None
        except (ValueError, RecursionError) as error:
            raise RunError(
                f"{name} of run {self.id} cannot be read ({type(error).__name__}): delete the run or restore the file."
            ) from None
        if not isinstance(value, dict):
            raise RunError(f"{name} of run {self.id} is not an object: delete the run or restore the file.")
        return value

    # journals

    def add_event(self, kind: str, step: int, **more: Any) -> None:
        """Record a start, pause, live change, resume or stop; flushed to disk, because a resumed run replays it."""
        journal.append(self.events_file, {"event": kind, "step": step, "time": time.time(), **more})
        with open(self.events_file, "rb+") as file:
            os.fsync(file.fileno())

    def check_journals(self) -> None:
        """Raises RunError if something else than a file stands in the place of one."""
        for path in (self.events_file, self.metrics_file):
            if path.exists() and not path.is_file():
                raise RunError(f"{path.name} of run {self.id} is not a file: delete the run or restore the file.")

    def events(self) -> list[journal.Row]:
        """What happened, oldest first; lines that do not say what and at which step are passed over."""
        return journal.read(self.events_file, contents.event)

    def content_hash(self) -> str | None:
        """A hash of the images that the run learned from, under which they are stored beside the runs; None if it has
        not begun.
        """
        noted = (event.get("pictures") for event in self.events())
        return next((value for value in noted if isinstance(value, str) and _CONTENT_HASH.fullmatch(value)), None)

    def add_metrics(self, row: journal.Row) -> None:
        journal.append(self.metrics_file, row)

    def changes(self) -> list[Change]:
        """The live changes, in the order in which they were made; lines that are none are passed over."""
        rows = [e for e in self.events() if e["event"] == "change"]
        return [Change(e["step"], e["key"], e.get("value")) for e in rows if isinstance(e.get("key"), str)]

    def metrics(self) -> list[journal.Row]:
        """One row per logged step, with numbers only: what somebody else may have written between them is passed
        over.
        """
        return journal.read_steps(self.metrics_file, contents.metrics_row)

    # split

    def write_split(self, candidates: NDArray[np.bool_] | None = None, **ids: NDArray[np.int64]) -> None:
        """Sample ids of labeled, pool, validation and test, in the order that rows refer to; candidates: bool
        [len(pool), K], kept as bits.
        """
        more = (
            {}
            if candidates is None
            else {"candidates": np.packbits(candidates, axis=1), "classes": np.int64(candidates.shape[1])}
        )
        np.savez(self.path / "split.npz", **ids, **more)  # type: ignore[arg-type]  # numpy's stub takes no keyword arrays by name

    def split(self) -> dict[str, NDArray[np.int64]]:
        """Sample ids by part. Raises RunError if they are missing or damaged."""
        try:
            arrays = read_arrays(self.path / "split.npz", contents.split_array)
            return {name: arrays[name] for name in ("labeled", "pool", "validation", "test")}
        except UNREADABLE as error:
            raise RunError(f"The split of run {self.id} cannot be read ({_words(error)}).") from None

    def candidates(self) -> NDArray[np.bool_] | None:
        """bool [len(pool), K], the possible labels of each image of the pool; None if the run has no partial labels.
        Raises RunError.
        """
        try:
            arrays = read_arrays(self.path / "split.npz", contents.split_array)
            if "candidates" not in arrays:
                return None
            classes = int(arrays["classes"])
            if arrays["candidates"].shape != (len(arrays["pool"]), -(-classes // 8)):
                raise WrongContent("the candidate sets do not fit the number of classes")
            return np.unpackbits(arrays["candidates"], axis=1, count=classes).astype(bool)
        except UNREADABLE as error:
            raise RunError(f"The candidate sets of run {self.id} cannot be read ({_words(error)}).") from None

    # checkpoints: the bytes are torch's, the generations are ours

    def write_checkpoint(self, data: bytes) -> None:
        """Keep the previous generation as checkpoint.previous.pt: a kill between the two renames still leaves one whole
        file.
        """
        if self.checkpoint_file.exists():
            replace_file(self.checkpoint_file, self.previous_checkpoint_file)
        write_bytes(self.checkpoint_file, data)

    @property
    def previous_checkpoint_file(self) -> Path:
        return self.path / "checkpoint.previous.pt"

    def model_about(self) -> dict[str, Any]:
        """What the model file says about the model (`config`, `class_names`, `temperature` ...), without its weights.
        Empty if there is none to be read.
        """
        try:
            # By hand, because safetensors brings more than a page needs: a length, and a header of JSON.
            with open_plain_file(self.model_file) as file:
                header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), _LARGEST_HEADER)))
            about = contents.read_json(header["__metadata__"]["fewlab"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return about if isinstance(about, dict) else {}

    def temperature(self) -> float | None:
        """That its model was given on the validation images; None if there is no model or it says none."""
        value = self.model_about().get("temperature")
        return float(value) if contents.is_number(value) and value > 0 else None

    # snapshots

    def write_snapshot(self, step: int, arrays: dict[str, NDArray[Any]]) -> Path:
        """One evaluation's arrays as snapshots/<step>.npz, renamed into place so that a page never opens half a
        file.
        """
        self.snapshots.mkdir(exist_ok=True)
        path = self.snapshot_file(step)
        temporary = path.with_suffix(_HALF_SNAPSHOT)
        try:
            np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes no keyword arrays by name
            replace_file(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def snapshot_file(self, step: int) -> Path:
        return self.snapshots / f"{step:08d}.npz"

    def snapshot_written(self, step: int) -> int:
        """When, in nanoseconds: changes whenever a resumed run writes the snapshot again. 0 if there is none."""
        try:
            return self.snapshot_file(step).stat().st_mtime_ns
        except OSError:
            return 0

    def snapshot_steps(self) -> list[int]:
        names = (path.stem for path in self.snapshots.glob("*.npz") if _SNAPSHOT_NAME.fullmatch(path.stem))
        return sorted(step for name in names if f"{(step := int(name)):08d}" == name)

    def snapshot(self, step: int, only: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
        """The arrays of one evaluation, or those named in `only` that are there. Raises RunError if they are missing or
        damaged.
        """
        try:
            arrays = read_arrays(self.snapshot_file(step), contents.snapshot_array, only)
            contents.check_snapshot(arrays, whole=only is None)
            return arrays
        except UNREADABLE as error:
            raise RunError(f"The snapshot of step {step} of run {self.id} cannot be read ({_words(error)}).") from None

    def whole_snapshot(
        self, step: int, names: Collection[str], optional: Collection[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """The named arrays of one evaluation, and those of `optional` that are there. Raises RunError if they are
        missing or damaged.
        """
        arrays = self.snapshot(step, (*names, *optional))
        if set(names) - arrays.keys():
            raise RunError(f"The snapshot of step {step} of run {self.id} is incomplete: choose another evaluation.")
        return arrays

    def as_zip(self) -> bytes:
        """This run alone, as `runs_as_zip` puts it."""
        return runs_as_zip([self])

    def add_to(self, archive: zipfile.ZipFile) -> None:
        """All files of the run but its projections, which can be computed again, and what is just being written.
        Snapshots and weights are compact already: nothing is compressed. Links are left out: they could lead anywhere.
        """
        for path in self._own_files():
            if path.name.startswith(".") or ".tmp" in path.suffixes or path.parent.name == "projections":
                continue
            try:
                with open_plain_file(path) as file:
                    information = zipfile.ZipInfo.from_file(path, f"{self.id}/{path.relative_to(self.path).as_posix()}")
                    content = file.read()
            except FileNotFoundError:  # renamed meanwhile by the run that trains
                continue
            archive.writestr(information, content)

    def _own_files(self) -> list[Path]:
        """The plain files in the folder, without following any link."""
        paths = (Path(folder) / name for folder, _, names in os.walk(self.path) for name in names)
        return sorted(path for path in paths if not path.is_symlink() and path.is_file())

    def clean(self) -> None:
        """Remove what a killed process left half written. For whoever trains the run: nobody else writes most of it."""
        for path in (*self.path.glob(".*.tmp"), *self.snapshots.glob(f"*{_HALF_SNAPSHOT}")):
            if path.name.startswith(_ONLY_TRAINING_WRITES) or path.suffix == ".npz" or is_abandoned(path):
                with suppress(OSError):
                    path.unlink()

    def size_on_disk(self) -> int:
        """Bytes of all files of the run."""
        total = 0
        for path in self._own_files():
            try:
                total += path.stat().st_size
            except OSError:  # a temporary file that was renamed meanwhile
                continue
        return total


def runs_as_zip(folders: Sequence[RunFolder]) -> bytes:
    """A zip archive with each of these runs in a folder of its own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for folder in folders:
            folder.add_to(archive)
    return buffer.getvalue()


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """Without those that are no numbers: JSON has no NaN."""
    return {name: value for name, value in metrics.items() if contents.is_number(value)}


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, WrongContent) else type(error).__name__
