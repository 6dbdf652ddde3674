"""The trials of a sweep in Optuna's journal: what is tried next, what is pruned, which settings mattered.

The only file that imports optuna, and itself only imported where a sweep is driven: never by a server. Optuna looks for
the best validation accuracy with its TPE sampler; every trial has a seed of its own, derived from the sweep's, so that
a sweep that was killed proposes what it would have proposed. Its MedianPruner ends a trial whose best validation
accuracy so far is below the median of the finished trials at the same evaluation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from engine.derived_seed import derive
from engine.errors import RunError
from engine.tuning.dimension import Dimension
from engine.tuning.sweep_folder import IMPORTANCE_FROM, DrawResult, SweepFolder, Trial
from engine.tuning.sweep_folder import TrialState as OurState
from engine.tuning.sweep_plan import SweepPlan

AT_RANDOM = 10  # trials before the sampler looks at earlier ones
UNPRUNED = 8  # finished trials before any is pruned
_UNPRUNED_SHARE = 1 / 3  # of a run's steps, in which its accuracy says little
_STATES: dict[TrialState, OurState] = {
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class OpenTrial:
    """The trial under way: its settings, and which runs it has had."""

    def __init__(self, trial: optuna.Trial, values: dict[str, Any]) -> None:
        self.number, self.values = trial.number, values
        self._trial = trial
        self._told = set(trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    @property
    def runs(self) -> dict[int, str]:
        """Run ids by the seed of their draw."""
        return {int(seed): run for seed, run in self._trial.user_attrs.get("runs", {}).items()}

    @property
    def is_pruned(self) -> bool:
        return bool(self._trial.user_attrs.get("pruned"))

    def add_run(self, seed: int, run: str) -> None:
        self._trial.set_user_attr("runs", {**{str(key): one for key, one in self.runs.items()}, str(seed): run})

    def report(self, position: int, accuracy: float) -> bool:
        """A point of the curve; whether the trial is to be pruned, which is on disk when it is said."""
        if position in self._told:
            return False
        self._told.add(position)
        self._trial.report(accuracy, position)
        if self._trial.should_prune():
            self._trial.set_user_attr("pruned", True)
            return True
        return False


class Study:
    """Whoever opens it holds the sweep's lock. Raises RunError if the journal cannot be read."""

    def __init__(self, sweep: SweepFolder, plan: SweepPlan) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._asked: set[int] = set()  # trials that are under way here
        self._plan = plan
        file = str(sweep.journal_file)
        _mend(sweep.journal_file)
        try:
            storage = JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file)))
            self._study = optuna.create_study(
                storage=storage,
                study_name=sweep.name,
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(
                    n_startup_trials=UNPRUNED,
                    n_warmup_steps=round(_UNPRUNED_SHARE * plan.config["budget"]["steps"]),
                ),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"journal.log of the sweep {sweep.name} is damaged ({type(error).__name__}): restore the file, or start"
                " another sweep."
            ) from None
        if not self._frozen():
            own = plan.own_values()
            if all(dimension.contains(own[dimension.key]) for dimension in plan.dimensions):
                self._study.enqueue_trial(own)

    @property
    def has_left(self) -> bool:
        """Whether a trial that was under way when the sweep was left waits to be gone on with."""
        return self._left() is not None

    def _left(self) -> FrozenTrial | None:
        running = (trial for trial in self._frozen() if trial.state == TrialState.RUNNING)
        return next((trial for trial in running if trial.number not in self._asked), None)

    def ask(self) -> OpenTrial:
        """A trial that was under way when the sweep was left, else the next one. The first is the settings that the
        sweep began with, where they lie in its ranges.
        """
        left = self._left()
        number = (
            len([one for one in self._frozen() if one.state != TrialState.WAITING]) if left is None else left.number
        )
        self._study.sampler = optuna.samplers.TPESampler(
            seed=derive(self._plan.seed, "trial", number) % 2**32, n_startup_trials=AT_RANDOM
        )
        # A trial that was cut off while it was asked for gets the settings that it lacks.
        trial = self._study.ask() if left is None else optuna.Trial(self._study, left._trial_id)
        self._asked.add(trial.number)
        return OpenTrial(trial, {one.key: _suggested(trial, one) for one in self._plan.dimensions})

    def tell(self, trial: OpenTrial, state: OurState, accuracy: float | None, reason: str, seconds: float) -> None:
        """End a trial: finished with its accuracy, pruned or failed."""
        for name, value in (("reason", reason), ("seconds", seconds)):
            trial._trial.set_user_attr(name, value)
        ended = next(one for one, ours in _STATES.items() if ours == state)
        self._study.tell(trial.number, accuracy if state == "finished" else None, ended)

    def trials(self) -> list[Trial]:
        """All that were begun, in their order; accuracies and times of one that trains are not known here."""
        return [_trial(one) for one in self._frozen() if one.state in _STATES]

    def importance(self) -> dict[str, float]:
        """How much of the differences in accuracy each setting explains (functional ANOVA over a random forest, Hutter
        et al. 2014); {} while too few trials have finished, or all are equally accurate.
        """
        accuracies = [one.value for one in self._frozen() if one.state == TrialState.COMPLETE]
        if len(accuracies) < IMPORTANCE_FROM or len(set(accuracies)) < 2:
            return {}
        if len(self._plan.dimensions) == 1:
            return {self._plan.dimensions[0].key: 1.0}
        return get_param_importances(self._study, evaluator=FanovaImportanceEvaluator(seed=0))

    def _frozen(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)


def _suggested(trial: optuna.Trial, dimension: Dimension) -> Any:
    if dimension.choices:
        return trial.suggest_categorical(dimension.key, dimension.choices)
    if dimension.whole:
        return trial.suggest_int(dimension.key, int(dimension.low), int(dimension.high), log=dimension.log)
    return trial.suggest_float(dimension.key, dimension.low, dimension.high, log=dimension.log)


def _trial(frozen: FrozenTrial) -> Trial:
    attributes, curve = frozen.user_attrs, frozen.intermediate_values
    accuracy = frozen.value if frozen.state == TrialState.COMPLETE else curve[max(curve)] if curve else None
    draws = tuple(DrawResult(int(seed), run) for seed, run in attributes.get("runs", {}).items())
    return Trial(
        frozen.number,
        _STATES[frozen.state],
        dict(frozen.params),
        accuracy,
        draws,
        str(attributes.get("reason", "")),
        float(attributes.get("seconds", 0.0)),
    )


def _mend(file: Path) -> None:
    """What a kill left: of a line that would swallow the next one, so that Optuna would read no further; and its lock,
    for which it would wait. Nobody else can hold that, because the sweep has a lock of its own.
    """
    file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
    if not file.exists():
        return
    with open(file, "r+b") as journal:
        data = journal.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            journal.truncate(whole)
