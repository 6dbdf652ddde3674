"""The training loop: one run from its first step, or from its checkpoint, to its end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from engine.config.run_config import RunConfig, live_settings
from engine.data.split import make_split
from engine.errors import ConfigError, FewLabError, NonFiniteLoss, RunError
from engine.methods.base.batch import shown_part
from engine.methods.base.context import Now
from engine.runs.folder import APP_ENDED, PAUSED_APP_ENDED, Change, RunFolder, State, Status
from engine.runs.stored_images import store_images
from engine.training import checkpoint
from engine.training.assemble import border_brightness, load_images, make_method, make_problem, set_normalization
from engine.training.commands import Command, Control
from engine.training.evaluation.evaluator import Evaluator, Served
from engine.training.hardware import Machine, resolve
from engine.training.initial_weights import start_from
from engine.training.loops.make_loop import make_course
from engine.training.loops.optimizer import learning_rate
from engine.training.model_file import save_model
from engine.training.running_metrics import Watch

CHECKPOINT_SECONDS = 10.0
HEARTBEAT_SECONDS = 5.0  # while nothing else tells
STATUS_SECONDS = 1.0
Progress = Callable[[Status], None]


class Trainer:
    """Trains the run in `folder`. Everything a person sees of it goes through the folder; commands come through
    `control`.

    Raises FewLabError if the run cannot be set up or its checkpoint is damaged; the folder's status then says why.
    """

    def __init__(
        self,
        folder: RunFolder,
        control: Control | None = None,
        progress: Progress | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.folder = folder
        self.control = control or Control()
        self._progress = progress
        self._checkpoint_seconds = checkpoint_seconds

    def run(self) -> Status:
        """Train to the end or until told to stop. Returns the final status; an error is written into the folder and
        raised.
        """
        try:
            self._set_up()
            return self._loop()
        except RunError as error:  # an unreadable checkpoint: a restored file or a newer FewLab may still open it
            self._fail(str(error), state="interrupted")
            raise
        except NonFiniteLoss as error:  # it would happen again
            self._fail(str(error))
            raise
        except FewLabError as error:
            self._fail(str(error), self._unless_new)
            raise
        except (MemoryError, torch.OutOfMemoryError):
            message = (
                "There was not enough memory for this run: make the batch, the unlabeled ratio or the network smaller,"
                " or close other programs and resume it."
            )
            self._fail(message, self._unless_new)
            raise FewLabError(message) from None
        except OSError as error:
            message = (
                f"The run folder could not be written ({error.strerror or type(error).__name__}): free some disk space,"
                " then resume the run."
            )
            self._fail(message, state="interrupted")
            raise FewLabError(message) from error
        except Exception as error:
            self._fail(f"The run failed with an unexpected {type(error).__name__}; log.txt of the run has the details.")
            raise

    def measure(self, seconds: float = 0.7) -> dict[str, float]:
        """Seconds that setting up, one step and one evaluation take on this machine. The folder must be a throwaway: it
        is left half-trained.
        """
        began = time.perf_counter()
        self._set_up()
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
        self.evaluator.evaluate(self.course.served())
        return {
            "set_up": ready - began,
            "step": sorted(times)[len(times) // 2],
            "evaluation": time.perf_counter() - start,
        }

    # setting up

    def _set_up(self) -> None:
        self.config = RunConfig.parse(self.folder.config())
        self.status = self.folder.status()
        saved = checkpoint.load(self.folder)
        events = self.folder.events()
        self.machine = self._machine(events)
        self.machine.apply()
        images = load_images(self.config)
        split = make_split(images, self.config.data)
        self._class_names = images.class_names
        self._background = border_brightness(images)
        self._problem = make_problem(self.config, images, split)
        method = make_method(self.config, self._problem)
        set_normalization(method.backbone, images)
        # A resumed run has them in its checkpoint; where they came from may be gone.
        begun = next((event for event in events if event.get("event") == "start"), {})
        weights = (
            start_from(method.backbone, self.config.backbone, self.folder.path.parent)
            if saved is None
            else str(begun.get("weights", ""))
        )
        self._fingerprint = self.config.fingerprint(images.content_hash + weights)
        self.method = self.machine.place(method)
        self.evaluator = Evaluator(images, split, self.machine)
        self.course = make_course(self.method, self.config, images, split, self.machine, self.evaluator)
        self.watch = Watch(images, self.machine.device)
        self.step, self.seconds, self._why = 0, 0.0, ""
        self._converged = False
        self._changes = self.folder.changes()
        if saved is None:
            store_images(
                self.folder.path.parent,
                images.content_hash,
                images.images,
                images.labels,
                images.ids,
                images.class_names,
            )
            self.folder.write_split(
                split.candidates, labeled=split.labeled, pool=split.pool, validation=split.validation, test=split.test
            )
        else:
            self._restore(saved)
        self.course.begin()
        kind = "start" if saved is None else "continue"
        facts = {
            "machine": self.machine.plain(),
            "fingerprint": self._fingerprint,
            "pictures": images.content_hash,
            "weights": weights,
        }
        self.folder.add_event(kind, self.step, **facts, pid=os.getpid())

    def _machine(self, events: list[dict[str, Any]]) -> Machine:
        for event in events:
            if event.get("event") == "start" and isinstance(event.get("machine"), dict):
                try:
                    machine = Machine(**event["machine"])
                except TypeError:
                    raise RunError(
                        f"events.jsonl of run {self.folder.id} does not say what it was trained on: restore the file,"
                        " or start the run again with the same settings."
                    ) from None
                if machine.device == "cuda" and not torch.cuda.is_available():
                    raise ConfigError(
                        "This run was trained on a GPU, and there is none here: start it again with the same settings"
                        " instead of resuming it."
                    )
                return machine
        return resolve(self.config.hardware)

    def _restore(self, saved: dict[str, Any]) -> None:
        if saved["fingerprint"] != self._fingerprint:
            raise ConfigError(
                "The settings or the data of this run have changed since its checkpoint was written: start a new run"
                " instead of resuming it."
            )
        try:
            self.step, self.seconds = int(saved["step"]), float(saved["seconds"])
            self.method.load_state_dict(saved["method"])
            self.course.load_state(saved)
            self._converged = bool(saved.get("converged"))
            self.watch.load_state(saved["watch"])
        except Exception as error:  # a foreign file can fail in any way
            raise RunError(
                f"The checkpoint of run {self.folder.id} does not fit its settings ({type(error).__name__}): start it"
                " again with the same settings."
            ) from None

    # the loop

    def _loop(self) -> Status:
        steps, every = self.config.budget.steps, self.config.budget.evaluate_every
        log_every = max(5, steps // 1000)
        self._clock = self._saved_at = self._told_at = time.perf_counter()
        self._speed = (self.step, self.seconds)
        if self.status.state == "queued" and (status := self.folder.status()).state == "stopped":
            return status  # another FewLab took it out of the queue while it was being set up
        self._tell("running", metrics={})
        self._replay()
        while self.step < steps and not self._converged:
            end = self._obey()
            if end is not None:
                return self._end(end)
            self._replay()
            self._step_once()
            if self.step % log_every == 0 or self.step in (1, steps) or self._converged:
                self._log()
            if self.step % every == 0 and self.step < steps and not self._converged:
                self._evaluate()
            now = time.perf_counter()
            if now - self._saved_at >= self._checkpoint_seconds:
                self._save()
            if now - self._told_at >= STATUS_SECONDS:
                self._tell("running")
        return self._end("finished")

    def _step_once(self) -> None:
        result = self.course.advance(Now(self.config.seed, self.step, self.config.budget.steps), self.config)
        self.watch.add(result)
        self._loss, self._converged = result.loss.detach(), result.converged
        self.step += 1

    def _log(self) -> None:
        scalars = self.watch.read()
        if not bool(torch.isfinite(self._loss)):
            raise NonFiniteLoss(
                self.step, learning_rate(self.config.optimizer, self.step - 1, self.config.budget.steps)
            )
        self._tick()
        self.folder.add_metrics({"step": self.step, "seconds": round(self.seconds, 3), **scalars})

    def _evaluate(self, final: Served | None = None) -> dict[str, float]:
        metrics, arrays = self.evaluator.evaluate(
            final.network if final else self.course.served(), final is not None, self.course.projection_head()
        )
        metrics |= final.metrics if final else {}
        arrays |= self.watch.pseudo_labels() or self._kept_pseudo_labels()
        more, kept = self.evaluator.candidates(self.method)
        metrics, arrays = metrics | more, arrays | kept
        batch = (
            self.course.batch(Now(self.config.seed, self.step - 1, self.config.budget.steps)) if self.step > 0 else None
        )
        if batch is not None:
            for name, view in self.method.show(batch).items():
                arrays[f"view_{name}"] = (view[:12] * 255).round().byte().cpu().numpy()
            arrays["view_ids"] = shown_part(batch).ids[:12].cpu().numpy()
        self.folder.write_snapshot(self.step, arrays)
        self.folder.add_metrics({"step": self.step, **metrics})
        return metrics

    def _first_weights(self) -> nn.Module | None:
        """The served network as it was before the first step; None if what it started from can no longer be had."""
        first = make_method(self.config, self._problem)
        try:
            start_from(first.backbone, self.config.backbone, self.folder.path.parent)
        except FewLabError:
            return None
        first.backbone.mean.copy_(self.method.backbone.mean)
        first.backbone.std.copy_(self.method.backbone.std)
        return self.machine.place(first).served()

    def _kept_pseudo_labels(self) -> dict[str, NDArray[Any]]:
        """Those that this step's snapshot already holds: a run stopped right after an evaluation writes the snapshot
        once more.
        """
        if self.step not in self.folder.snapshot_steps():
            return {}
        try:
            return {
                name: array for name, array in self.folder.snapshot(self.step).items() if name.startswith("pseudo_")
            }
        except RunError:
            return {}

    # commands

    def _obey(self) -> State | None:
        """Act on waiting commands. Returns the state to end in, or None to go on."""
        command = self.control.poll()
        while command is not None:
            if command.kind == "set":
                self._change(command)
            elif command.kind == "pause":
                command = self._pause()
                continue
            elif command.kind in ("stop", "interrupt"):
                self._why = str(command.value or "")
                return "stopped" if command.kind == "stop" else "interrupted"
            command = self.control.poll()
        return None

    def _pause(self) -> Command | None:
        self._tick()
        self._save()
        self.folder.add_event("pause", self.step)
        self._tell("paused")
        while True:
            command = self.control.wait(STATUS_SECONDS)
            if command is None:
                self._tell("paused")
            elif command.kind == "set":
                self._change(command)
            elif command.kind == "resume":
                self.folder.add_event("resume", self.step)
                break
            elif command.kind in ("stop", "interrupt"):
                if command.value == APP_ENDED:
                    command = Command(command.kind, value=PAUSED_APP_ENDED)
                break
        self._clock = self._told_at = self._saved_at = time.perf_counter()
        self._tell("running")
        return command if command.kind in ("stop", "interrupt") else self.control.poll()

    def _change(self, command: Command) -> None:
        """A live change: checked, recorded with its step, and only then in force, so that a resumed run replays it."""
        if command.key not in live_settings(self.config):
            self.folder.add_event(
                "refused", self.step, key=command.key, reason=f"{command.key} cannot be changed while training."
            )
            return
        try:
            self.config.with_changes({command.key: command.value})
        except ConfigError as error:
            self.folder.add_event("refused", self.step, key=command.key, reason=str(error))
            return
        self.folder.add_event("change", self.step, key=command.key, value=command.value)
        self._changes.append(Change(self.step, command.key, command.value))

    def _replay(self) -> None:
        # By step, not by line: after a kill a person may have changed something at an earlier step than a change that
        # waits to be replayed.
        due = sorted((change for change in self._changes if change.step <= self.step), key=lambda change: change.step)
        for change in due:
            self._changes.remove(change)
            self.config = self.config.with_changes({change.key: change.value})
            self.method.params = self.config.method

    # writing

    def _tick(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self._clock
        self._clock = now

    def _save(self) -> None:
        checkpoint.save(
            self.folder,
            {
                "step": self.step,
                "seconds": self.seconds,
                "fingerprint": self._fingerprint,
                "converged": self._converged,
                "method": self.method.state_dict(),
                "watch": self.watch.state(),
                **self.course.state(),
            },
        )
        self._saved_at = time.perf_counter()

    def _tell(self, state: State, **more: Any) -> None:
        if state == "running":
            self._tick()
        step, seconds = self._speed
        rate = (
            (self.step - step) * self.course.images_per_step / max(self.seconds - seconds, 1e-9)
            if self.step > step
            else self.status.images_per_second
        )
        if self.seconds - seconds > 5:
            self._speed = (self.step, self.seconds)
        facts: dict[str, Any] = {
            "step": self.step,
            "steps": self.config.budget.steps,
            "seconds": self.seconds,
            "images_per_second": rate,
        }
        self.status = self.folder.update_status(
            state=state, pid=os.getpid(), heartbeat=time.time(), **{"reason": "", **facts, **more}
        )
        self._told_at = time.perf_counter()
        if self._progress:
            self._progress(self.status)

    def _end(self, state: State) -> Status:
        self._tick()
        metrics: dict[str, float] = {}
        self._save()
        if state in ("finished", "stopped") and self.step > 0:
            with self._heart_beating():
                metrics = self._measure_and_keep()
        self._tick()
        if state == "finished" and self.method.fitted and not self._converged:
            self._why = (
                f"Its {self.step:,} iterations ended before all had come to rest: start it again with more steps, or a"
                " larger tolerance."
            )
        self.folder.add_event(state, self.step)
        self._tell(state, reason=self._why, **({"metrics": metrics} if metrics else {}))
        return self.status

    def _measure_and_keep(self) -> dict[str, float]:
        """The final metrics; with them, the network that answers is written into the run's folder."""
        served = self.evaluator.serve(self.course.served(), self._first_weights)
        metrics = self._evaluate(served)
        save_model(
            self.folder,
            self.config,
            self._problem,
            served.network,
            self._class_names,
            self._background,
            metrics,
            served.probe,
            self.evaluator.temperature,
        )
        return metrics

    @contextmanager
    def _heart_beating(self) -> Iterator[None]:
        """Probes of large features take minutes, in which no step tells that the run is alive."""
        self._tell("running")
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT_SECONDS):
                with suppress(OSError, FewLabError):
                    self.folder.update_status(heartbeat=time.time())

        beating = threading.Thread(target=beat, daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()

    @property
    def _unless_new(self) -> State:
        """What to call a run that cannot go on for a reason outside of it: with a checkpoint, it can once that is
        mended.
        """
        return (
            "interrupted"
            if self.folder.checkpoint_file.exists() or self.folder.previous_checkpoint_file.exists()
            else "failed"
        )

    def _fail(self, reason: str, state: State = "failed") -> None:
        try:
            self.folder.update_status(state=state, reason=reason, heartbeat=time.time())
        except (OSError, FewLabError):  # the disk itself is the trouble: the caller still gets the sentence
            return
