"""The child process: `python -m engine.lab.workers.training_worker`, JSON lines on standard input and output, torch
imported once and kept warm.

Commands: run, pause, resume, stop, set, ask. A run's results go only through its run folder. End-of-file on the input
ends the process, with a checkpoint if it was training.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from engine.lab.worker_stdio import YIELDS, WorkerStdio, claim_stdio
from engine.training.commands import Command, Control

log = logging.getLogger("fewlab.worker")
_SETTLED = 8.0  # seconds without a job, after which the machine is measured


class TrainingWorker:
    """One job at a time, but for slow questions; commands to the running job are passed on at once by the reading
    thread. trains: runs are what it is there for, so it warms up for the first one.
    """

    def __init__(self, stdio: WorkerStdio, trains: bool) -> None:
        self._stdio, self._trains, self._measured = stdio, trains, False
        self._jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._controls: dict[str, Control] = {}

    def serve(self) -> None:
        threading.Thread(target=self._read, daemon=True, name="commands").start()
        from engine.lab.workers.requests import answer, is_slow, warm_up

        if self._trains:
            warm_up()
        self._stdio.say({"event": "ready", "pid": os.getpid()})
        while (job := self._next_job()) is not None:
            if job["do"] == "run":
                self._run(job["run"], self._controls[job["run"]])
                continue
            arguments = (job, partial(answer, job["what"], job["arguments"]))
            if is_slow(job["what"]):
                threading.Thread(target=self._stdio.reply, args=arguments, name=job["what"]).start()
            else:
                self._stdio.reply(*arguments)

    def _next_job(self) -> dict[str, Any] | None:
        """The first time that no job comes for a while, the machine is measured: before, other processes start too."""
        if self._trains and not self._measured:
            try:
                return self._jobs.get(timeout=_SETTLED)
            except queue.Empty:
                self._measured = True
                self._measure()
        return self._jobs.get()

    def _measure(self) -> None:
        """Nothing is lost without it, so where there is no room for the throwaway run this process lives on."""
        from engine.errors import FewLabError
        from engine.lab.workers.requests import times_as_long

        try:
            self._stdio.say({"event": "measured", "times_as_long": times_as_long()})
        except (FewLabError, OSError):
            log.exception("the machine could not be measured")

    def _read(self) -> None:
        for message in self._stdio.messages():
            if message["do"] == "run":
                self._controls[message["run"]] = Control()  # here, so that a command sent right behind it is not lost
            if message["do"] in ("run", "ask"):
                self._jobs.put(message)
            elif (control := self._controls.get(message.get("run", ""))) is not None:
                control.send(Command(message["do"], message.get("key", ""), message.get("value")))
        self.end()

    def end(self) -> None:
        """Train no further: the current run writes a checkpoint, and the process ends."""
        from engine.runs.folder import APP_ENDED

        for control in list(self._controls.values()):
            control.send(Command("interrupt", value=APP_ENDED))
        self._jobs.put(None)

    def _run(self, run: str, control: Control) -> None:
        from engine.errors import FewLabError
        from engine.runs.folder import RunFolder
        from engine.training.run_log import run_log
        from engine.training.trainer import Trainer, forget_ended_runs, unexpected

        folder, reason = RunFolder(Path(run)), ""
        try:
            with run_log(folder):
                Trainer(folder, control).run()
        except FewLabError as error:
            reason = str(error)
        except Exception as error:
            reason = unexpected(error)
        finally:
            # Before it is said: the answer may be the same run again, with a control of its own.
            self._controls.pop(run, None)
            self._stdio.say({"event": "ended", "run": run, "reason": reason})
        forget_ended_runs()


def main() -> None:
    worker = TrainingWorker(claim_stdio(), trains=YIELDS in sys.argv)
    # A service that is stopped signals all its processes, not only the server.
    signal.signal(signal.SIGTERM, lambda number, frame: worker.end())
    try:
        worker.serve()
    except BaseException:
        log.exception("the process ends")
        os._exit(1)
    # Not by the interpreter's own end, which aborts while a thread still reads the standard input.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
