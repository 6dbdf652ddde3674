"""SweepFolder: everything about one sweep, in checkpoints/sweeps/<name>/; its runs lie where all runs lie.

| file | what | written by |
| --- | --- | --- |
| `plan.json` | what was asked for | whoever starts the sweep, or gives it a larger budget |
| `wanted.json` | search, test on new seeds, pause, stop | whoever presses the button; the driver, when it is done |
| `journal.log` | the trials, as Optuna's journal keeps them | the driver |
| `fresh.json` | settings and seeds of the comparison on new draws of labels | whoever asks for it |
| `status.json` | all that is shown: written anew from the journal and the runs | the driver |
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from engine.config.settings import shown_value
from engine.errors import ConfigError, RunError, UnknownName
from engine.runs import contents
from engine.runs.atomic_write import read_bytes, write_json
from engine.tuning.sweep_plan import NAME, SweepPlan

ROOM = "sweeps"
Task = Literal["search", "fresh"]
Action = Literal["run", "pause", "stop", "rest"]
SweepState = Literal["waiting", "running", "paused", "stopped", "finished", "failed"]
TrialState = Literal["running", "finished", "pruned", "failed"]
IMPORTANCE_FROM = 8  # finished trials, before which importance says nothing
HEARD = 10.0  # seconds: a driver writes the status at least every other one of them
_LARGEST = 16_000_000  # bytes


class Wanted(NamedTuple):
    """What the driver shall do. rest: nothing, it is done."""

    task: Task
    action: Action


@dataclass(frozen=True)
class DrawResult:
    """One run of a trial: of which seed, under which id, and its accuracy once it has ended."""

    seed: int
    run: str = ""
    accuracy: float | None = None


@dataclass(frozen=True)
class Trial:
    """accuracy: mean validation accuracy over the draws; of one that trains, or was pruned, the latest of its curve.
    seconds: of training.
    """

    number: int
    state: TrialState
    values: dict[str, Any]
    accuracy: float | None = None
    draws: tuple[DrawResult, ...] = ()
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class FreshPlan:
    """A comparison on draws of labels that no trial has seen: the settings of `trial` against the sweep's own."""

    trial: int
    values: dict[str, Any]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class FreshResult:
    """Test accuracies on the new draws, of the best settings and of those that the sweep began with."""

    trial: int
    best: tuple[DrawResult, ...] = ()
    own: tuple[DrawResult, ...] = ()


@dataclass(frozen=True)
class SweepStatus:
    """seconds: trained in all. importance: share of the differences in accuracy by setting; empty while too few trials
    have finished.
    """

    state: SweepState = "waiting"
    reason: str = ""
    task: Task = "search"
    seconds: float = 0.0
    heartbeat: float = 0.0
    trials: tuple[Trial, ...] = ()
    importance: dict[str, float] = field(default_factory=dict)
    fresh: FreshResult | None = None

    @property
    def over(self) -> int:
        """Trials that the budget counts."""
        return sum(trial.state != "running" for trial in self.trials)

    def best(self, count: int = 5) -> list[Trial]:
        """Finished trials, the most accurate first; of equal ones the earlier."""
        finished = [trial for trial in self.trials if trial.state == "finished" and trial.accuracy is not None]
        return sorted(finished, key=lambda trial: (-(trial.accuracy or 0.0), trial.number))[:count]

    def run_ids(self) -> list[str]:
        """All runs of the sweep."""
        fresh = () if self.fresh is None else (*self.fresh.best, *self.fresh.own)
        return [draw.run for draw in (*(draw for trial in self.trials for draw in trial.draws), *fresh) if draw.run]


class SweepFolder:
    """Paths and formats of one sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.journal_file = path / "journal.log"

    def plan(self) -> SweepPlan:
        """Raises RunError if it cannot be read."""
        try:
            return SweepPlan.of_plain(self._read("plan.json"))
        except (TypeError, KeyError, ValueError, ConfigError):
            raise RunError(f"plan.json of the sweep {self.name} is not readable: restore the file.") from None

    def write_plan(self, plan: SweepPlan) -> None:
        write_json(self.path / "plan.json", plan.plain())

    def wanted(self) -> Wanted:
        plain = self._read("wanted.json")
        return Wanted(plain.get("task", "search"), plain.get("action", "rest"))

    def want(self, action: Action, task: Task | None = None) -> None:
        """Ask the driver; it looks several times a second."""
        write_json(self.path / "wanted.json", {"task": task or self.wanted().task, "action": action})

    def fresh_plan(self) -> FreshPlan | None:
        plain = self._read("fresh.json")
        return FreshPlan(plain["trial"], plain["values"], tuple(plain["seeds"])) if plain else None

    def ask_for_fresh_seeds(self, count: int) -> None:
        """Test the best settings and the sweep's own on new draws of labels. Raises ConfigError if there is nothing to
        test.
        """
        plan, best = self.plan(), self.status().best(1)
        if self.is_driven():
            raise ConfigError(f"The sweep {self.name} goes on at this moment: pause it, or wait for its end.")
        if not best:
            raise ConfigError(f"No trial of the sweep {self.name} has finished yet: let it go on first.")
        if best[0].values == plan.own_values():
            raise ConfigError(
                f"No trial of the sweep {self.name} has a better validation accuracy than the settings that it began"
                " with, so there is nothing to test: they are the best found."
            )
        seeds = plan.fresh_seeds(count)
        write_json(self.path / "fresh.json", asdict(FreshPlan(best[0].number, best[0].values, tuple(seeds))))
        self.want("run", "fresh")

    def status(self) -> SweepStatus:
        """Raises RunError if it cannot be read."""
        plain = self._read("status.json")
        try:
            return _status(plain)
        except (TypeError, KeyError, ValueError, AttributeError):
            raise RunError(
                f"status.json of the sweep {self.name} is not readable: remove the file, and start the sweep again."
            ) from None

    def write_status(self, status: SweepStatus) -> None:
        write_json(self.path / "status.json", asdict(status))

    def shown_state(self) -> SweepState:
        """The state as a person sees it: one that shall run and has no driver waits."""
        status, wanted = self.status(), self.wanted()
        if wanted.action == "run":
            return "running" if time.time() - status.heartbeat < HEARD and status.state == "running" else "waiting"
        return "paused" if status.state in ("running", "waiting") else status.state

    def is_leaving(self) -> bool:
        """Whether it was told to pause or stop and its run has not ended yet."""
        status = self.status()
        asked = self.wanted().action in ("pause", "stop")
        return asked and status.state == "running" and time.time() - status.heartbeat < HEARD

    def is_driven(self) -> bool:
        """Whether a process drives it now."""
        try:
            with self.lock().acquire(timeout=0):
                return False
        except Timeout:
            return True

    def lock(self) -> FileLock:
        """Whoever holds it drives the sweep."""
        return FileLock(self.path / ".lock", thread_local=False)

    def _read(self, name: str) -> dict[str, Any]:
        """{} if there is no such file."""
        try:
            value = contents.read_json(read_bytes(self.path / name, _LARGEST))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(
                f"{name} of the sweep {self.name} cannot be read ({type(error).__name__}): restore the file."
            ) from None
        if not isinstance(value, dict):
            raise RunError(f"{name} of the sweep {self.name} is not readable: restore the file.")
        return value


class SweepStore:
    """The sweeps of a checkpoints folder."""

    def __init__(self, checkpoints: Path) -> None:
        self.checkpoints = checkpoints
        self.root = checkpoints / ROOM

    def sweeps(self) -> list[SweepFolder]:
        """Readable ones, the newest first."""
        if not self.root.is_dir():
            return []
        folders = [SweepFolder(path) for path in self.root.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]
        readable = [(plan.created, sweep) for sweep in folders if (plan := _readable(sweep)) is not None]
        return [sweep for _, sweep in sorted(readable, key=lambda one: (one[0], one[1].name), reverse=True)]

    def asked_to_run(self) -> list[SweepFolder]:
        """Those that shall run, the oldest first."""
        return [sweep for sweep in reversed(self.sweeps()) if sweep.wanted().action == "run"]

    def open(self, name: str) -> SweepFolder:
        """Raises UnknownName."""
        if not NAME.fullmatch(name) or not (self.root / name / "plan.json").is_file():
            raise UnknownName("sweep", name, (sweep.name for sweep in self.sweeps()))
        return SweepFolder(self.root / name)

    def create(self, plan: SweepPlan) -> SweepFolder:
        """A sweep that shall run. Raises ConfigError if there is one of this name, RunError if none can be written."""
        plan.check()
        sweep = SweepFolder(self.root / plan.name)
        if (sweep.path / "plan.json").exists():
            raise ConfigError(f"There is a sweep named {plan.name!r} already: choose another name, or go on with it.")
        try:
            sweep.path.mkdir(parents=True, exist_ok=True)
            sweep.write_plan(plan)
            sweep.want("run", "search")
        except OSError as error:
            raise RunError(
                f"No sweep can be written to {self.root} ({error.strerror or type(error).__name__}): choose a folder"
                " that this user may write to and that has room, or free some disk space."
            ) from None
        return sweep

    def free_name(self, source: str) -> str:
        """`source`, with a number behind it if there is such a sweep already."""
        stem = "".join(c if (c.isalnum() and c.isascii()) or c in "-_" else "-" for c in source.lower())[:50].strip(
            "-_"
        )
        stem = stem or "sweep"
        names = [stem, *(f"{stem}-{number}" for number in range(2, 10_000))]
        return next(name for name in names if not (self.root / name).exists())


def run_name(sweep: str, what: str) -> str:
    """What the runs of a sweep are called; what: "trial 7", "best", "own settings"."""
    return f"{sweep}, {what}"


def _readable(sweep: SweepFolder) -> SweepPlan | None:
    """Its plan, if all else of it can be read as well."""
    try:
        sweep.status()
        sweep.wanted()
        return sweep.plan()
    except RunError:
        return None


def _status(plain: dict[str, Any]) -> SweepStatus:
    known = {one.name for one in fields(SweepStatus)}
    fresh = plain.get("fresh")
    status = SweepStatus(
        **{
            **{key: value for key, value in plain.items() if key in known},
            "trials": tuple(
                Trial(**{**trial, "draws": _draws(trial["draws"]), "values": dict(trial["values"])})
                for trial in plain.get("trials", ())
            ),
            "importance": {str(key): float(value) for key, value in plain.get("importance", {}).items()},
            "fresh": None
            if fresh is None
            else FreshResult(fresh["trial"], _draws(fresh["best"]), _draws(fresh["own"])),
        }
    )
    numbers = (status.seconds, status.heartbeat, *(trial.number for trial in status.trials))
    accuracies = [trial.accuracy for trial in status.trials if trial.accuracy is not None]
    if not all(map(contents.is_number, (*numbers, *accuracies))):
        raise ValueError(shown_value(plain))
    return status


def _draws(plain: Iterable[dict[str, Any]]) -> tuple[DrawResult, ...]:
    return tuple(DrawResult(draw["seed"], str(draw["run"]), draw["accuracy"]) for draw in plain)
