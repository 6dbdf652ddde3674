"""The child process: `python -m engine.lab.workers.training_worker`, JSON lines on standard input and output, torch
imported once and kept warm.

Commands: run, pause, resume, stop, set, ask. A run's results go only through its run folder. End-of-file on the input
ends the process, with a checkpoint if it was training.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any

from engine.lab.worker_stdio import claim_stdio
from engine.training.commands import Command, Control

log = logging.getLogger("fewlab.process")


class TrainingWorker:
    """One job at a time, but for slow questions; commands to the running job are passed on at once by the reading
    thread.
    """

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands, self._answers = commands, answers
        self._write_lock = threading.Lock()
        self._jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._controls: dict[str, Control] = {}

    def serve(self) -> None:
        threading.Thread(target=self._read, daemon=True, name="commands").start()
        from engine.lab.workers import requests as answers

        answers.warm_up()
        self._say({"event": "ready", "pid": os.getpid()})
        while (job := self._jobs.get()) is not None:
            if job["do"] == "run":
                self._run(job["run"], self._controls[job["run"]])
            elif job["what"] in answers.SLOW:  # nobody who asks something short waits for these
                threading.Thread(target=self._answer, args=(job, answers), name=job["what"]).start()
            else:
                self._answer(job, answers)

    def _read(self) -> None:
        for line in self._commands:
            try:
                message = json.loads(line)
            except ValueError:
                log.warning("not JSON: %r", line[:200])
                continue
            if message["do"] == "run":
                self._controls[message["run"]] = Control()  # here, so that a command sent right behind it is not lost
            if message["do"] in ("run", "ask"):
                self._jobs.put(message)
            elif (control := self._controls.get(message.get("run"))) is not None:
                control.send(Command(message["do"], message.get("key", ""), message.get("value")))
        from engine.runs.folder import APP_ENDED

        for control in list(self._controls.values()):
            control.send(Command("interrupt", value=APP_ENDED))
        self._jobs.put(None)

    def _run(self, run: str, control: Control) -> None:
        from engine.errors import FewLabError
        from engine.runs.folder import RunFolder
        from engine.training.trainer import Trainer

        folder = RunFolder(Path(run))
        handler = logging.FileHandler(folder.log_file, encoding="utf-8")
        logging.getLogger().addHandler(handler)
        try:
            Trainer(folder, control).run()
        except FewLabError as error:
            log.warning("%s: %s", folder.id, error)
        except Exception:
            log.exception("run %s failed", folder.id)
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()
            self._controls.pop(
                run, None
            )  # before it is said: the answer may be the same run again, with a control of its own
            self._say({"event": "ended", "run": run})

    def _answer(self, job: dict[str, Any], answers: Any) -> None:
        from engine.errors import FewLabError

        try:
            value = answers.HANDLERS[job["what"]](**job["arguments"])
            self._say({"answer": job["id"], "value": value})
        except FewLabError as error:
            self._say({"answer": job["id"], "error": str(error)})
        except Exception as error:
            log.exception("the question %r failed", job.get("what"))
            self._say(
                {
                    "answer": job["id"],
                    "error": (
                        f"The engine could not answer ({type(error).__name__}); its log in the checkpoints folder has"
                        " the details."
                    ),
                }
            )

    def _say(self, message: dict[str, Any]) -> None:
        with self._write_lock:
            try:
                self._answers.write((json.dumps(message) + "\n").encode())
                self._answers.flush()
            except OSError:  # the server is gone; end-of-file will end this process too
                log.warning("nobody listens any more")


def main() -> None:
    answers = claim_stdio()
    TrainingWorker(sys.stdin.buffer, answers).serve()


if __name__ == "__main__":
    main()
