"""The training loop: one run from its first step, or from its checkpoint, to its end."""

from __future__ import annotations

import gc
import os
import time
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from engine.config.run_config import RunConfig
from engine.errors import (
    ConfigError,
    FewLabError,
    NonFiniteLoss,
    NonFiniteOutput,
    RunError,
    is_out_of_memory,
)
from engine.methods.base.batch import shown_batch
from engine.methods.base.context import StepContext
from engine.processes.group import Processes
from engine.runs.folder import RunFolder, State, Status
from engine.runs.stored_images import store_images
from engine.training import checkpoint
from engine.training.assemble import (
    assemble,
    border_brightness,
    candidates_follow_from_a_run,
    initial_network,
    machine_of,
)
from engine.training.commands import CommandHandler, Control
from engine.training.early_end import EarlyEnd
from engine.training.evaluation.evaluator import Evaluator, FinalModel
from engine.training.loops.loop import is_logged
from engine.training.loops.make_loop import make_loop
from engine.training.loops.optimizer import learning_rate
from engine.training.model_file import save_model
from engine.training.observers.observer import begin_observers
from engine.training.recorder import CHECKPOINT_SECONDS, Progress, Recorder
from engine.training.running_metrics import RunningMetrics
from engine.training.together import Leader


def forget_ended_runs() -> None:
    """Give back what the runs of this process that have ended still hold: a trainer and its parts refer to each other,
    and Python would keep their images and networks until its collector looks at what is old, some twenty runs later.
    """
    gc.collect()


def unexpected(error: BaseException) -> str:
    """What a run says that ended by an error that nobody foresaw."""
    return f"The run failed with an unexpected {type(error).__name__}; log.txt of the run has the details."


_AT_ONCE = 0.5  # seconds that obeying a command takes at most, unless the command is to pause


class _ToldToEndError(Exception):
    """The run was told to end before its first step, or while it was measured after its last one."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.state = state


class _EnoughError(Exception):
    """So much of it was done that its time is known."""


class Trainer:
    """Trains the run in `folder`. Everything the user sees of it goes through the folder; commands come through
    `control`. processes: those that train it together, of which this one leads.

    Raises FewLabError if the run cannot be set up or its checkpoint is damaged; the folder's status then says why.
    """

    def __init__(
        self,
        folder: RunFolder,
        control: Control | None = None,
        progress: Progress | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
        processes: Processes | None = None,
    ) -> None:
        self.folder = folder
        self.control = control or Control()
        self.recorder = Recorder(folder, progress, checkpoint_seconds)
        self._processes, self._leader = processes, Leader(processes)

    def run(self) -> Status:
        """Train to the end or until told to stop. Returns the final status; an error is written into the folder and
        raised.
        """
        try:
            self._set_up()
            return self._loop()
        except RunError as error:  # an unreadable checkpoint: a restored file or a newer FewLab may still open it
            self.recorder.fail(str(error), state="interrupted")
            raise
        except NonFiniteLoss as error:  # it would happen again
            self.recorder.fail(str(error))
            raise
        except NonFiniteOutput:  # the last update did it, after its loss was looked at
            diverged = self._diverged()
            self.recorder.fail(str(diverged))
            raise diverged from None
        except FewLabError as error:
            self.recorder.fail(str(error), self.recorder.interrupted_or_failed)
            raise
        except Exception as error:
            if is_out_of_memory(error):
                message = (
                    "There was not enough memory for this run: make the batch, the unlabeled ratio or the network"
                    " smaller, or close other programs and resume it."
                )
                self.recorder.fail(message, self.recorder.interrupted_or_failed)
                raise FewLabError(message) from None
            if isinstance(error, OSError):
                message = (
                    f"The run folder could not be written ({error.strerror or type(error).__name__}): free some disk"
                    " space, then resume the run."
                )
                self.recorder.fail(message, state="interrupted")
                raise FewLabError(message) from error
            self.recorder.fail(unexpected(error))
            raise

    def measure(self, seconds: float = 0.7) -> dict[str, float]:
        """Seconds that setting up, one step and one evaluation take on this machine, and features that are computed
        once for all runs. The folder must be a throwaway: it is left half-trained.
        """
        began = time.perf_counter()
        self._set_up()
        features = self._time_of_features()
        if features is not None:
            # What comes after them is over in a moment.
            return {"set_up": time.perf_counter() - began, "features": features, "step": 0.0, "evaluation": 0.0}
        self._step_once()  # the first step also prepares the convolutions
        ready = time.perf_counter()
        times: list[float] = []
        # One step that takes seconds is figure enough: whoever asks next waits behind it.
        while (
            not times
            or (len(times) < 3 and sum(times) < seconds + 1)
            or (time.perf_counter() - ready < seconds and len(times) < 40)
        ):
            start = time.perf_counter()
            self._step_once()
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        self.evaluator.evaluate(self.loop.served())
        return {
            "set_up": ready - began,
            "step": sorted(times)[len(times) // 2],
            "evaluation": time.perf_counter() - start,
        }

    def _time_of_features(self) -> float | None:
        """Begins the loop. Where features of a frozen network have to be computed first, it is broken off after some of
        them, and these are the seconds that the others take.
        """
        began: list[tuple[float, int]] = []
        total = 0

        def told(done: int, of: int) -> None:
            nonlocal total
            began.append((time.perf_counter(), done))
            total = of
            if len(began) > 1 and done < of:
                raise _EnoughError

        try:
            self.loop.begin(told)
        except _EnoughError:
            (start, ready), (now, done) = began
            return (now - start) / (done - ready) * (total - done)
        return None

    # setting up

    def _set_up(self) -> None:
        self.folder.clean()
        self.config = RunConfig.parse(self.folder.config())
        self._was_queued = self.folder.status().state == "queued"
        saved = checkpoint.load(self.folder)
        events = self.folder.events()
        self.machine = machine_of(self.config, self.folder, events, self._processes)
        self.machine.apply()
        begun = next((event for event in events if event.get("event") == "start"), {})
        known = None if saved is None else str(begun.get("weights", ""))
        sets = None if saved is None or not candidates_follow_from_a_run(self.config) else self.folder.candidates()
        images, split, self._task, method, weights, made = assemble(self.config, self.folder.path.parent, known, sets)
        self._class_names, self._candidates = images.class_names, split.candidates
        self._background = border_brightness(images)
        self._fingerprint = self.config.fingerprint(images.content_hash + weights + made)
        self.method = self.machine.place(method)
        self.evaluator = Evaluator(images, split, self.machine)
        self.loop = make_loop(self.method, self.config, images, split, self.machine, self.evaluator, self._processes)
        self.running = RunningMetrics(images, self.machine.device)
        self._early = EarlyEnd(self.config.training)
        self._converged = self._cancelled = False
        self._features_since: tuple[float, int] | None = None
        self._commands = CommandHandler(self.control, self.recorder, lambda: self._save(wait=True))
        if saved is None:
            store_images(
                self.folder.path.parent,
                images.content_hash,
                images.images,
                images.labels,
                images.ids,
                images.class_names,
                images.file_names or None,
            )
            self.folder.write_split(
                split.candidates, labeled=split.labeled, pool=split.pool, validation=split.validation, test=split.test
            )
        else:
            self._restore(saved)
        facts = {
            "machine": self.machine.plain(),
            "fingerprint": self._fingerprint,
            "pictures": images.content_hash,
            "weights": weights,
        }
        self.folder.add_event("start" if saved is None else "continue", self.recorder.step, **facts, pid=os.getpid())

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved["fingerprint"] != self._fingerprint:
            raise ConfigError(
                "The settings or the data of this run have changed since its checkpoint was written: start a new run"
                " instead of resuming it."
            )
        try:
            self.recorder.step, self.recorder.seconds = int(saved["step"]), float(saved["seconds"])
            self.method.load_state_dict(saved["method"])
            self.loop.load_state(saved)
            self._early.load_state(saved)
            self._converged = bool(saved.get("converged"))
            self.running.load_state(saved["watch"])
        except Exception as error:  # a foreign file can fail in any way
            raise RunError(
                f"The checkpoint of run {self.folder.id} does not fit its settings ({type(error).__name__}): start it"
                " again with the same settings."
            ) from None

    # the loop

    def _loop(self) -> Status:
        recorder, steps, every = self.recorder, self.config.budget.steps, self.config.budget.evaluate_every
        recorder.begin(steps, self.loop.images_per_step)
        if self._was_queued and recorder.status.state == "stopped":
            return recorder.status  # another FewLab took it out of the queue while it was being set up
        recorder.tell("running")
        seconds = recorder.seconds
        try:
            self.loop.begin(self._features_told)
        except _ToldToEndError as told:
            # A method that was not begun knows nothing: what an earlier life of the run has left stays as it is.
            return recorder.end(told.state, self._commands.reason, {})
        # The time of its steps tells how long the others will take; features are there already when it is resumed.
        recorder.take_back_to(seconds)
        recorder.tell("running", metrics={})
        recorder.observers = begin_observers(self.folder, self.folder.config(), recorder.step)
        self._replay()
        state = {"method": self.method.state_dict(), **self.loop.state()}
        self._leader.begin(self.folder, self.config, self.machine, self._candidates, recorder.step, state)
        while recorder.step < steps and not self._converged and not self._ends_early():
            end = self._commands.obey(self.config)
            if end is not None:
                return self._end(end)
            self._replay()
            self._step_once()
            if is_logged(recorder.step, steps) or self._converged:
                self._log()
            if recorder.step % every == 0 and recorder.step < steps and not self._converged:
                self._early.evaluated(recorder.step, self._evaluate())
            if recorder.checkpoint_due:
                self._save(wait=False)
            if recorder.status_due:
                recorder.tell("running")
        return self._end("finished")

    def _ends_early(self) -> str:
        """Why the run ends before its last step, "" while it goes on."""
        self.recorder.tick()
        return self._early.reason(self.recorder.step, self.config.budget.steps, self.recorder.seconds)

    def _features_told(self, done: int, total: int) -> None:
        """Tells how far the features of a frozen network are, and does what the run is told meanwhile."""
        asked = time.perf_counter()
        # What is there already is read at once: a command waits for the first step as ever.
        end = self._commands.obey(self.config) if self._features_since is not None else None
        if end is not None:
            raise _ToldToEndError(end)
        now = time.perf_counter()
        was_paused = now - asked > _AT_ONCE
        if self._features_since is None or was_paused:
            self._features_since = (now, done)
        began, first = self._features_since
        left = (now - began) / (done - first) * (total - done) if done > first else None
        words = f"features of {done:,} of {total:,} images"
        self.recorder.tell("running", reason=words if left is None else f"{words}, {round(left)} s left")

    def _replay(self) -> None:
        config = self._commands.replay(self.config)
        if config is not self.config:
            self.config = config
            self.method.params = config.method

    def _step_once(self) -> None:
        now = self._context(self.recorder.step)
        with self._leader.step(self.config):
            result = self.loop.run_step(now, self.config)
        self.running.add(result)
        self._loss, self._converged = result.loss.detach(), result.converged
        self.recorder.step += 1

    def _context(self, step: int) -> StepContext:
        steps = self.config.budget.steps
        return StepContext(self.config.seed, step, steps, self.loop.steps_per_epoch, is_logged(step + 1, steps))

    def _log(self) -> None:
        scalars = self.running.read()
        if not bool(torch.isfinite(self._loss)):
            raise self._diverged()
        self.recorder.log(scalars)

    def _diverged(self) -> NonFiniteLoss:
        step = self.recorder.step
        return NonFiniteLoss(step, learning_rate(self.config.optimizer, step - 1, self.config.budget.steps))

    def _save(self, wait: bool) -> None:
        self._leader.compare(self.method, self.recorder.step)
        self.recorder.save(
            {
                "fingerprint": self._fingerprint,
                "converged": self._converged,
                **self._early.state(),
                "method": self.method.state_dict(),
                "watch": self.running.state(),
                **self.loop.state(),
            },
            wait,
        )

    def _evaluate(self, final: FinalModel | None = None) -> dict[str, float]:
        step = self.recorder.step
        metrics, arrays = self.evaluator.evaluate(
            final.network if final else self.loop.served(), final is not None, self.loop.projection_head()
        )
        metrics |= final.metrics if final else {}
        arrays |= self.running.pseudo_labels() or self._stored_pseudo_labels()
        more, weights = self.evaluator.candidates(self.method)
        metrics, arrays = metrics | more, arrays | weights
        batch = self.loop.batch(self._context(step - 1)) if step > 0 else None
        if batch is not None:
            for name, view in self.method.show(batch).items():
                arrays[f"view_{name}"] = (view[:12] * 255).round().byte().cpu().numpy()
            arrays["view_ids"] = shown_batch(batch).ids[:12].cpu().numpy()
        self.folder.write_snapshot(step, arrays)
        self.recorder.record(metrics)
        return metrics

    def _stored_pseudo_labels(self) -> dict[str, NDArray[Any]]:
        """Those that this step's snapshot already holds: a run stopped right after an evaluation writes the snapshot
        once more.
        """
        if self.recorder.step not in self.folder.snapshot_steps():
            return {}
        try:
            arrays = self.folder.snapshot(self.recorder.step)
        except RunError:
            return {}
        return {name: array for name, array in arrays.items() if name.startswith("pseudo_")}

    # the end

    def _end(self, state: State) -> Status:
        self.recorder.tick()
        self._save(wait=True)
        self._leader.end()
        metrics: dict[str, float] = {}
        if state in ("finished", "stopped") and self.recorder.step > 0:
            try:
                with self.recorder.heart_beating():
                    metrics = self._measure_and_keep()
            except _ToldToEndError as told:
                return self.recorder.end(told.state, self._commands.reason, {})
        reason = self._commands.reason
        if state == "finished" and not self._converged:
            reason = reason or self._ends_early()
        if state == "finished" and not reason and self.method.fitted and not self._converged:
            reason = (
                f"It did not converge within {self.recorder.step:,} iterations: start it again with more steps, or a"
                " larger tolerance."
            )
        if self._cancelled:
            reason = "The final measurements were cut short: the probes that are missing were not taken."
        return self.recorder.end(state, reason, metrics)

    def _measure_and_keep(self) -> dict[str, float]:
        """The final metrics; with them, the network that answers is written into the run's folder."""
        final = self.evaluator.finalize(self.loop.served(), self._initial_network, self._measured)
        if not all(bool(torch.isfinite(t).all()) for t in final.network.state_dict().values()):
            raise self._diverged()
        metrics = self._evaluate(final)
        save_model(
            self.folder,
            self.config,
            self._task,
            final.network,
            self._class_names,
            self._background,
            metrics,
            final.probe,
            self.evaluator.temperature,
            self.evaluator.conformal,
            self.recorder.step,
        )
        return metrics

    def _measured(self, done: int, every: int) -> bool:
        """Tells how far the final probes are; False once they were told to stop. Told to end for another reason, such
        as a server that is closed, the run is measured when it is resumed.
        """
        end = self._commands.ends() if done < every else None
        if end == "interrupted":
            raise _ToldToEndError(end)
        self._cancelled = self._cancelled or end == "stopped"
        self.recorder.tell("running", reason=f"final probes: {done} of {every} done")
        return not self._cancelled

    def _initial_network(self) -> nn.Module | None:
        network = initial_network(self.config, self._task, self.method.backbone, self.folder.path.parent)
        return self.machine.place(network) if network is not None else None
