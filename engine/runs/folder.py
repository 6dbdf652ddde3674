"""RunFolder: everything about one run, on disk."""

from __future__ import annotations

import io
import json
import math
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from engine.errors import RunError
from engine.runs import journal
from engine.runs.atomic_write import read_bytes, replace_file, write_bytes, write_json

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
CONFIG_PARTS = {"seed", "data", "method", "backbone", "budget"}
_LARGEST_HEADER = 10_000_000  # bytes of a model file's description
# What np.load raises on damaged and foreign files.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


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
        config = self._read_json("config.json")
        if not config.keys() >= CONFIG_PARTS:
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
        if not _is_status(known):
            raise RunError(f"The status of run {self.id} is not readable: delete the run or restore its status.json.")
        status = Status(**known)
        return replace(status, metrics={n: value for n, value in status.metrics.items() if math.isfinite(value)})

    def write_status(self, status: Status) -> None:
        write_json(self.path / "status.json", asdict(status))

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

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads(read_bytes(self.path / name))
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

    def events(self) -> list[journal.Row]:
        return journal.read(self.events_file)

    def content_hash(self) -> str | None:
        """A hash of the images that the run learned from, under which they are stored beside the runs; None if it has
        not begun.
        """
        noted = (event.get("pictures") for event in self.events())
        return next((value for value in noted if isinstance(value, str) and value), None)

    def add_metrics(self, row: journal.Row) -> None:
        journal.append(self.metrics_file, row)

    def changes(self) -> list[Change]:
        """The live changes, in the order in which they were made; lines that are none are passed over."""
        rows = [e for e in self.events() if e.get("event") == "change"]
        return [
            Change(e["step"], e["key"], e.get("value"))
            for e in rows
            if isinstance(e.get("step"), int) and isinstance(e.get("key"), str)
        ]

    def metrics(self) -> list[journal.Row]:
        """One row per logged step, with numbers only: what somebody else may have written between them is passed
        over.
        """
        rows = journal.read_steps(self.metrics_file)
        return [{name: value for name, value in row.items() if isinstance(value, (int, float))} for row in rows]

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
            arrays = load_arrays(self.path / "split.npz")
            return {name: arrays[name] for name in ("labeled", "pool", "validation", "test")}
        except UNREADABLE as error:
            raise RunError(f"The split of run {self.id} cannot be read ({type(error).__name__}).") from None

    def candidates(self) -> NDArray[np.bool_] | None:
        """bool [len(pool), K], the possible labels of each image of the pool; None if the run has no partial labels.
        Raises RunError.
        """
        try:
            arrays = load_arrays(self.path / "split.npz")
            return (
                np.unpackbits(arrays["candidates"], axis=1, count=int(arrays["classes"])).astype(bool)
                if "candidates" in arrays
                else None
            )
        except UNREADABLE as error:
            raise RunError(f"The candidate sets of run {self.id} cannot be read ({type(error).__name__}).") from None

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
            with open(
                self.model_file, "rb"
            ) as file:  # by hand, because safetensors brings more than a page needs: a length, and a header of JSON
                header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), _LARGEST_HEADER)))
            about = json.loads(header["__metadata__"]["fewlab"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return about if isinstance(about, dict) else {}

    # snapshots

    def write_snapshot(self, step: int, arrays: dict[str, NDArray[Any]]) -> Path:
        """One evaluation's arrays as snapshots/<step>.npz, renamed into place so that a page never opens half a
        file.
        """
        self.snapshots.mkdir(exist_ok=True)
        path = self.snapshot_file(step)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes no keyword arrays by name
        replace_file(temporary, path)
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
        return sorted(int(path.stem) for path in self.snapshots.glob("*.npz") if path.stem.isdigit())

    def snapshot(self, step: int, only: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
        """The arrays of one evaluation, or those named in `only` that are there. Raises RunError if they are missing or
        damaged.
        """
        try:
            return load_arrays(self.snapshot_file(step), only)
        except UNREADABLE as error:
            raise RunError(
                f"The snapshot of step {step} of run {self.id} cannot be read ({type(error).__name__})."
            ) from None

    def whole_snapshot(
        self, step: int, names: Collection[str], optional: Collection[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """The named arrays of one evaluation, each with a row for every image, and those of `optional` that are there.
        Raises RunError if they are missing or damaged, or differ in their number of rows.
        """
        arrays = self.snapshot(step, (*names, *optional))
        if set(names) - arrays.keys() or len({array.shape[:1] for array in arrays.values()}) > 1:
            raise RunError(f"The snapshot of step {step} of run {self.id} is incomplete: choose another evaluation.")
        return arrays

    def as_zip(self) -> bytes:
        """All files of the run but its projections, which can be computed again. Snapshots and weights are compact
        already: nothing is compressed.
        """
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(self.path.rglob("*")):
                if path.is_file() and not path.name.startswith(".") and path.parent.name != "projections":
                    archive.write(path, f"{self.id}/{path.relative_to(self.path).as_posix()}")
        return buffer.getvalue()

    def size_on_disk(self) -> int:
        """Bytes of all files of the run."""
        total = 0
        for path in self.path.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except OSError:  # a temporary file that was renamed meanwhile
                continue
        return total


def load_arrays(path: Path, only: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file, never pickled objects. Raises one of UNREADABLE."""
    # Opened here, because np.load leaves its own handle open when a file turns out to be damaged.
    with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if only is None or name in only}
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise ValueError("an entry is no array")  # np.load hands it out as bytes
    return arrays


def _is_status(plain: dict[str, Any]) -> bool:
    """Whether the fields have the types that whoever sorts, adds up and prints them relies on."""
    if plain.get("state") not in get_args(State) or not isinstance(plain.get("reason", ""), str):
        return False
    numbers = [
        plain.get(name, 0) for name in ("step", "steps", "seconds", "images_per_second", "pid", "heartbeat", "order")
    ]
    metrics = plain.get("metrics", {})
    return isinstance(metrics, dict) and all(isinstance(value, (int, float)) for value in (*numbers, *metrics.values()))
