"""Drives a sweep: asks for the next trial, trains its runs, prunes, tells; then the test on new draws of labels.

It can be killed between any two lines. What it knows lies in the study's journal and in the runs; the status that pages
read is made from both.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from filelock import Timeout

from engine.errors import FewLabError, RunError
from engine.runs.folder import RESUMABLE, RunFolder, Status
from engine.runs.store import Store
from engine.tuning.side_by_side import Job, side_by_side
from engine.tuning.study import OpenTrial, Study
from engine.tuning.sweep_folder import DrawResult, FreshPlan, FreshResult, SweepFolder, SweepStatus, Trial, run_name

ACCURACY = "validation/accuracy"
_TEST_ACCURACY = "test/accuracy"
_TELL_EVERY = 1.0  # seconds
_FAILURES = 10  # in a row, after which a sweep gives up
_TRIES = 2  # of a run whose process ends under it


class TrainsRuns(Protocol):
    """Who trains: this process, the lab of a server, or the machines of a cluster."""

    @property
    def at_once(self) -> int:
        """Runs that train side by side: `train` is called from so many threads. With one, from the driver's own."""
        ...

    def train(self, run_id: str, look: Callable[[], bool]) -> None:
        """Train a run that waits, was stopped or cut off, until it has ended. `look` is asked several times a second;
        once it says True, the run is stopped. Returns at once when the sweep is to be left as it is.
        """
        ...

    @property
    def leaves(self) -> bool:
        """Whether this process is told to end: the sweep stays as it is, to go on the next time."""
        ...


@dataclass
class _Now:
    """A run that trains at this moment, and how far its curve is told."""

    run: RunFolder
    trial: OpenTrial | None
    first: int = 0  # position of the run's first step on the trial's curve
    accuracy: float | None = None
    pruned: bool = False


class SweepDriver:
    """Raises RunError if another FewLab drives the sweep."""

    def __init__(
        self,
        sweep: SweepFolder,
        checkpoints: Path,
        trainer: TrainsRuns,
        told: Callable[[SweepStatus], None] = lambda status: None,
    ) -> None:
        self.sweep, self.plan = sweep, sweep.plan()
        self._store, self._trainer, self._told = Store(checkpoints), trainer, told
        self._study: Study | None = None
        self._now: dict[int, _Now] = {}  # by trial
        self._gives_up = threading.Event()  # one of several trials could not go on: the others are left too
        self._telling = threading.RLock()  # several threads train and tell
        self._failures = 0  # trials that failed since the last one that did not
        self._accuracies: dict[str, float | None] = {}  # by run, of trials that are over
        self._told_at = 0.0

    def drive(self) -> SweepStatus:
        """Go on until the budget is used up, or until told otherwise."""
        lock = self.sweep.lock()
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(f"The sweep {self.sweep.name} goes on in another FewLab: pause or stop it there.") from None
        try:
            return self._drive()
        finally:
            lock.release()

    def _drive(self) -> SweepStatus:
        task = self.sweep.wanted().task
        self.status = replace(self.sweep.status(), state="running", reason="", task=task)
        try:
            self._study = Study(self.sweep, self.plan)
            self._tell()
            reason = self._fresh() if task == "fresh" else self._search(self._study)
        except FewLabError as error:
            self._rest()
            self._tell(state="failed", reason=str(error))
            raise
        if reason is not None:
            self._rest()
            self._tell(state="finished", reason=reason)
        elif self._trainer.leaves or self._is_asked_for_another:
            self._tell(state="waiting")
        else:
            self._tell(state="stopped" if self.sweep.wanted().action == "stop" else "paused")
        return self.status

    # the search

    def _search(self, study: Study) -> str | None:
        """Why the search is over; None if it is only left. As many trials at once as the trainer trains runs."""
        side_by_side(self._trials(study), self._trainer.at_once, self._gives_up)
        trials = study.trials()
        return None if any(trial.state == "running" for trial in trials) else self._why_over(trials)

    def _trials(self, study: Study) -> Iterator[Job]:
        """Each to be trained; those that were under way when the sweep was left come first."""
        while (study.has_left or self._why_over(study.trials()) is None) and not self._ends():
            if self._failures >= _FAILURES:
                last = [trial for trial in study.trials() if trial.state == "failed"][-1]
                raise RunError(f"{_FAILURES} trials in a row failed, the last one because: {last.reason}")
            yield partial(self._try, study.ask())

    def _why_over(self, trials: list[Trial]) -> str | None:
        """Why no further trial is begun; None while there is budget."""
        over = sum(trial.state != "running" for trial in trials)
        if len(trials) >= self.plan.trials:
            return f"All {over} trials are done."
        if self.plan.minutes and sum(trial.seconds for trial in trials) >= 60 * self.plan.minutes:
            return f"Its {self.plan.minutes:g} minutes of training are used up after {over} trials."
        return None

    def _try(self, trial: OpenTrial) -> bool:
        """Train a trial's runs and tell how it went; False if it is left before that is known."""
        accuracies: list[float] = []
        for index, seed in enumerate(self.plan.draws()):
            if trial.is_pruned:
                break
            run = self._run_of(trial, seed)
            now = _Now(run, trial, index * self.plan.config["budget"]["steps"])
            self._now[trial.number] = now
            status = self._trained(now)
            if trial.is_pruned:
                break
            if status is None:
                return False
            if status.state != "finished":
                self._end(trial, "failed", None, status.reason or f"Its run was {status.state} by hand.")
                return True
            accuracies.append(status.metrics[ACCURACY])
        if trial.is_pruned:
            self._end(trial, "pruned", None, "Its validation accuracy was below the median of the finished trials.")
        else:
            self._end(trial, "finished", statistics.mean(accuracies), "")
        return True

    def _end(self, trial: OpenTrial, state: Any, accuracy: float | None, reason: str) -> None:
        with self._telling:
            self._now.pop(trial.number, None)
            self._failures = self._failures + 1 if state == "failed" else 0
            assert self._study is not None
            self._study.tell(trial, state, accuracy, reason, self._seconds(trial.runs.values()))
            self._tell(importance=self._study.importance())

    def _run_of(self, trial: OpenTrial, seed: int) -> RunFolder:
        known = trial.runs.get(seed)
        name = run_name(self.sweep.name, f"trial {trial.number}")
        run = self._open_or_begin(known, name, trial.values, seed)
        if run.id != known:
            trial.add_run(seed, run.id)
        return run

    def _open_or_begin(self, known: str | None, name: str, values: dict[str, Any], seed: int) -> RunFolder:
        """The run that is known, or was begun under this name before a kill; else a new one, which waits."""
        if known is not None and self._status_of(known) is not None:
            return RunFolder(self._store.root / known)
        config = self.plan.run_config(name, values, seed)
        begun = next((run for run in self._store.runs() if run.config == config), None)
        return begun.folder if begun is not None else self._store.create(config)

    def _trained(self, now: _Now) -> Status | None:
        """The status of a run that has ended; None if the sweep is left first."""
        run = now.run
        for _ in range(_TRIES):
            status = self._status_of(run.id)
            if status is None or (not status.active and status.state not in RESUMABLE):
                break
            if self._ends():
                return None
            self._trainer.train(run.id, partial(self._look, now))
            status = self._status_of(run.id)
            if status is not None and status.state != "finished" and self._ends():
                return None
            if status is None or status.state != "interrupted":
                break
        return status or Status("failed", reason="Its run was deleted.")

    def _rest(self) -> None:
        """What was asked is done; what was asked for meanwhile stays."""
        if not self._is_asked_for_another:
            self.sweep.want("rest")

    @property
    def _is_asked_for_another(self) -> bool:
        """Whether somebody wants the other task now: the search, or the test on new draws."""
        return self.sweep.wanted().task != self.status.task

    def _ends(self) -> bool:
        """Whether the sweep is to be paused or stopped, to do another thing, or this process to end."""
        if self._trainer.leaves or self._gives_up.is_set() or self._is_asked_for_another:
            return True
        return self.sweep.wanted().action in ("pause", "stop")

    def _look(self, now: _Now) -> bool:
        """While a run trains: its curve is told to the study. Whether the run is to be stopped."""
        if now.trial is not None:
            every, steps = (self.plan.config["budget"][name] for name in ("evaluate_every", "steps"))
            for row in now.run.metrics():
                if ACCURACY in row and row["step"] % every == 0 and row["step"] <= steps:
                    now.accuracy = row[ACCURACY]
                    now.pruned = now.pruned or now.trial.report(now.first + row["step"], row[ACCURACY])
        if time.monotonic() - self._told_at >= _TELL_EVERY:
            self._tell()
        return self._ends() or now.pruned

    # new draws of labels

    def _fresh(self) -> str | None:
        """Why the test is over; None if it is only left."""
        plan = self.sweep.fresh_plan()
        if plan is None:
            raise RunError(f"fresh.json of the sweep {self.sweep.name} is missing: ask for the new seeds again.")
        self.status = replace(self.status, fresh=self._known_results(plan))
        runs = itertools.product(plan.seeds, (True, False))
        jobs = (partial(self._train_fresh, plan, seed, is_best) for seed, is_best in runs)
        if not side_by_side(jobs, self._trainer.at_once, self._gives_up):
            return None
        return f"The best settings and the sweep's own were trained on {len(plan.seeds)} new draws of labels."

    def _train_fresh(self, plan: FreshPlan, seed: int, is_best: bool) -> bool:
        """One run of the test; False if the sweep is left before it has ended."""
        fresh = self.status.fresh
        assert fresh is not None
        draws = fresh.best if is_best else fresh.own
        known = next((draw.run for draw in draws if draw.seed == seed), None)
        what = f"best (trial {plan.trial})" if is_best else "own settings"
        values = plan.values if is_best else self.plan.own_values()
        run = self._open_or_begin(known, run_name(self.sweep.name, what), values, seed)
        self._know(is_best, DrawResult(seed, run.id))
        status = self._trained(_Now(run, None))
        if status is None:
            return False
        accuracy = status.metrics.get(_TEST_ACCURACY) if status.state == "finished" else None
        self._know(is_best, DrawResult(seed, run.id, accuracy))
        self._tell()
        return True

    def _know(self, is_best: bool, draw: DrawResult) -> None:
        with self._telling:
            assert self.status.fresh is not None
            self.status = replace(self.status, fresh=_with(self.status.fresh, is_best, draw))

    def _known_results(self, plan: FreshPlan) -> FreshResult:
        """Those of an earlier test, where they are on these seeds; of the best settings, only if they still are."""
        fresh = self.status.fresh
        if fresh is None:
            return FreshResult(plan.trial)
        own = tuple(draw for draw in fresh.own if draw.seed in plan.seeds)
        best = tuple(draw for draw in fresh.best if draw.seed in plan.seeds) if fresh.trial == plan.trial else ()
        return FreshResult(plan.trial, best, own)

    # telling

    def _tell(self, **changes: Any) -> None:
        with self._telling:
            self._told_at = time.monotonic()
            trials = self.status.trials if self._study is None else tuple(map(self._shown, self._study.trials()))
            seconds = sum(trial.seconds for trial in trials)
            self.status = replace(self.status, trials=trials, seconds=seconds, heartbeat=time.time(), **changes)
            self.sweep.write_status(self.status)
            self._told(self.status)

    def _shown(self, trial: Trial) -> Trial:
        """With what its runs say: their accuracies, and of one that trains its time so far."""
        if trial.state != "running":
            for draw in trial.draws:
                if draw.run not in self._accuracies:
                    self._accuracies[draw.run] = self._accuracy_of(draw.run)
            return replace(
                trial, draws=tuple(replace(draw, accuracy=self._accuracies[draw.run]) for draw in trial.draws)
            )
        draws = tuple(replace(draw, accuracy=self._accuracy_of(draw.run)) for draw in trial.draws)
        now = self._now.get(trial.number)
        accuracy = trial.accuracy if now is None else now.accuracy
        return replace(trial, draws=draws, accuracy=accuracy, seconds=self._seconds(draw.run for draw in draws))

    def _accuracy_of(self, run_id: str) -> float | None:
        status = self._status_of(run_id)
        return None if status is None else status.metrics.get(ACCURACY)

    def _seconds(self, run_ids: Iterable[str]) -> float:
        """Trained by these runs."""
        return sum(status.seconds for run in run_ids if (status := self._status_of(run)) is not None)

    def _status_of(self, run_id: str) -> Status | None:
        """None of a run that is gone."""
        try:
            return RunFolder(self._store.root / run_id).status()
        except RunError:
            return None


def _with(result: FreshResult, is_best: bool, draw: DrawResult) -> FreshResult:
    def joined(draws: tuple[DrawResult, ...]) -> tuple[DrawResult, ...]:
        return (*(one for one in draws if one.seed != draw.seed), draw)

    return replace(result, best=joined(result.best)) if is_best else replace(result, own=joined(result.own))
