"""Projections for pages: asked for, waited for, cancelled; computed one after another in a warm process of their own.
No torch.
"""

from __future__ import annotations

import atexit
import itertools
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from engine.analysis.projection import ProjectionRequest
from engine.errors import FewLabError, LabError, ProjectionCancelled
from engine.lab.messages import ComputeProjection
from engine.lab.projections.projection_inputs import Sample, Source, load_inputs
from engine.lab.worker_client import Message, WorkerClient
from engine.runs.projections import Projection, read_projection


class Job:
    """One projection that was asked for; the same object for everybody who asks for the same one while it is
    computed.
    """

    def __init__(
        self, projector: ProjectionQueue, number: int, run: Path, name: str, message: ComputeProjection
    ) -> None:
        self.run, self.name, self.number, self.message = run, name, number, message
        self._projector = projector
        self._future: Future[Projection] = Future()
        self._progress = (0.0, "Waiting for another projection")

    def done(self) -> bool:
        """Whether `result` returns, or raises, at once."""
        return self._future.done()

    def progress(self) -> tuple[float, str]:
        """Share done, 0..1, and what is being done, in words."""
        return (1.0, "Done") if self.done() else self._progress

    def result(self, timeout: float | None = None) -> Projection:
        """Wait for the projection. Raises FewLabError with one sentence if there is none: ProjectionCancelled if it was
        cancelled.
        """
        try:
            return self._future.result(timeout)
        except TimeoutError:
            raise LabError(f"The projection is not done after {timeout:.0f} s: wait for it or cancel it.") from None

    def cancel(self) -> None:
        """Stop it, for all who wait for it; nothing of it is kept. A job that is done stays done."""
        self._projector._cancel(self)


class ProjectionQueue:
    """Answers from the run's folder what is kept there; all else is computed in a process that starts with `start` or
    the first such question.
    """

    def __init__(self, root: Path | str) -> None:
        """root: the checkpoints folder; the process writes its log there."""
        self._link = WorkerClient(
            Path(root).resolve() / ".projections.log",
            self._on_event,
            yields=True,
            module="engine.lab.projections.projection_worker",
        )
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """Process id of the process that computes, None while there is none."""
        return self._link.pid

    def start(self) -> None:
        """Start the process before the first question, which then waits for no library to load; returns at once."""
        self._link.start()

    def ask(self, run: Path, source: Source, request: ProjectionRequest, steps: Sequence[int], sample: Sample) -> Job:
        """Ask for a projection of the snapshots of `steps`; returns when it is known what is to be projected, before it
        is computed.

        Pixels do not change from step to step and have one frame, said to be of step 0. Raises FewLabError if there is
        nothing to project.
        """
        name = load_inputs(run, source, steps, sample).key(source, request)
        with self._lock:
            for job in (self._running, *self._waiting):
                if job is not None and (job.run, job.name) == (run, name):
                    return job
            number = next(self._numbers)
            message = ComputeProjection(
                number, str(run), source, request.model_dump(), [int(step) for step in steps], sample.model_dump()
            )
            job = Job(self, number, run, name, message)
            stored = read_projection(run, name)
            if stored is not None:
                job._future.set_result(stored)
            else:
                self._waiting.append(job)
                self._next()
        return job

    def close(self) -> None:
        """End the process at once; who still waits is told so."""
        with self._lock:
            jobs = [*self._waiting, *([self._running] if self._running else [])]
            self._waiting.clear()
            self._running = None
        self._link.close()
        self._link.kill()
        for job in jobs:
            job._future.set_exception(ProjectionCancelled("FewLab is being closed, so this projection was stopped."))

    def _next(self) -> None:
        """Hand the process its next question. Only ever one: what is killed by a cancel is then no one else's."""
        while self._running is None and self._waiting:
            job = self._waiting.popleft()
            job._progress = (0.0, "Starting")
            try:
                answer = self._link.ask_later(job.message)
            except FewLabError as error:
                job._future.set_exception(error)
                continue
            self._running = job
            answer.add_done_callback(lambda answer, job=job: self._ended(job, answer))  # type: ignore[misc]

    def _ended(self, job: Job, answer: Future[Any]) -> None:
        """In the thread that reads from the process."""
        error = answer.exception()
        stored = read_projection(job.run, answer.result()) if error is None else None
        if error is None and stored is None:
            error = LabError(
                "The projection was computed but could not be read back: check that the disk has room and try again."
            )
        with self._lock:
            if self._running is not job:  # cancelled
                return
            self._running = None
            self._next()
        if stored is not None:
            job._future.set_result(stored)
        else:
            job._future.set_exception(error)

    def _cancel(self, job: Job) -> None:
        with self._lock:
            if job in self._waiting:
                self._waiting.remove(job)
            elif self._running is job:
                self._link.kill()
                self._running = None
                self._next()
            else:
                return
        job._future.set_exception(ProjectionCancelled("The projection was cancelled."))

    def _on_event(self, message: Message) -> None:
        job = self._running
        if message.get("event") == "progress" and job is not None and message.get("job") == job.number:
            job._progress = (float(message["share"]), str(message["words"]))
