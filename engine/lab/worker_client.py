"""A child process of the engine at the end of a pipe: JSON lines both ways, started warm, started again if it dies."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from engine.errors import LabError
from engine.finite_json import finite_json
from engine.lab.request import Request
from engine.lab.worker_stdio import YIELDS

log = logging.getLogger("fewlab.lab")
Message = dict[str, Any]
R = TypeVar("R")


class _Question(NamedTuple):
    """Who waits for an answer, and how it is read."""

    future: Future[Any]
    read_reply: Callable[[Any], Any]


@dataclass
class _Child:
    """One life of the child process, with the questions it was asked: a new life neither answers nor loses those of an
    old one.
    """

    process: subprocess.Popen[bytes]
    is_ready: bool = False  # it has warmed up, so that what it does not answer it does not answer for another reason
    waiting: dict[int, _Question] = field(default_factory=dict)

    @property
    def lives(self) -> bool:
        return self.process.poll() is None


class WorkerClient:
    """Starts `python -m module` in a session of its own, so that Ctrl-C reaches only the server.

    The child ends by end-of-file on its input, whichever way this process ends. `on_event` is called from the reader
    thread with every message that is no answer, and with {"event": "died", "pid": ...} when that child is gone. yields:
    the child leaves processors to others who want them; where nobody does, it is no slower.
    """

    def __init__(
        self,
        log_file: Path,
        on_event: Callable[[Message], None] | None = None,
        yields: bool = False,
        module: str = "engine.lab.workers.training_worker",
    ) -> None:
        self._log_file, self._yields, self._module = log_file, yields, module
        self._on_event = on_event or (lambda message: None)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._child: _Child | None = None
        self._closed = False

    def start(self) -> None:
        """Start the child if it does not run. Returns at once; the child warms up by itself."""
        with self._lock:
            if self._closed or (self._child is not None and self._child.lives):
                return
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with open(self._log_file, "ab") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", self._module, *([YIELDS] if self._yields else [])],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    cwd=Path(__file__).parents[2],
                    start_new_session=os.name != "nt",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
                    | (getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0) if self._yields else 0),
                )
            self._child = _Child(process)
            assert process.stdout is not None
            threading.Thread(
                target=self._read, args=(self._child, process.stdout), daemon=True, name="fewlab-link"
            ).start()

    @property
    def pid(self) -> int | None:
        """Process id of the child that runs now."""
        return self._child.process.pid if self._child is not None and self._child.lives else None

    def send(self, message: Message) -> int:
        """Returns the process id of the child that got it. Raises LabError if none can be reached."""
        return self._send(message, None)

    def _send(self, message: Message, question: _Question | None) -> int:
        self.start()
        line = (finite_json(message) + "\n").encode("utf-8", "surrogatepass")
        with self._lock:
            child = self._child
            try:
                assert child is not None
                assert child.process.stdin is not None
                if question is not None:
                    child.waiting[message["id"]] = question
                child.process.stdin.write(line)
                child.process.stdin.flush()
            except (OSError, ValueError, AssertionError):
                if child is not None and question is not None:
                    child.waiting.pop(message["id"], None)
                raise LabError(
                    "The engine's process has ended: try again in a moment; its log is in the checkpoints folder."
                ) from None
            return child.process.pid

    def ask(self, request: Request[R], timeout: float | None = None) -> R:
        """Ask and wait for the answer. Raises LabError with the engine's own sentence, or if no answer comes within
        `timeout` seconds, by default the request's patience; then the child is ended and started again, because
        everything else that it is asked would wait as well.
        """
        limit = request.patience if timeout is None else timeout
        future = self.ask_later(request)
        child = self._child
        try:
            return future.result(limit)
        except TimeoutError:
            pass
        if child is None or not child.is_ready:
            raise LabError(
                f"The engine did not answer within {limit:.0f} s: it may still be starting; try again in a moment."
            )
        if child.lives:
            log.warning("no answer to %r within %.0f s: its process is ended", request.name, limit)
            child.process.kill()
            child.process.wait()
        self.start()
        raise LabError(
            f"The engine did not answer within {limit:.0f} s and was started again: check the paths in the settings,"
            " then try again."
        )

    def ask_later(self, request: Request[R]) -> Future[R]:
        """Ask without waiting."""
        future: Future[R] = Future()
        question = _Question(future, request.read_reply)
        message = {"do": "ask", "id": next(self._numbers), "what": request.name, "arguments": request.write()}
        self._send(message, question)
        return future

    def close(self) -> None:
        """End the child by closing its input, also one that another thread is just starting."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None and child.process.stdin is not None:
            try:
                child.process.stdin.close()
            except OSError:
                log.debug("the child had already closed its input")

    def kill(self) -> None:
        """End the child at once, whatever it does, and wait until it is gone; its questions get the sentence of any
        death.
        """
        with self._lock:
            if self._child is not None:
                self._child.process.kill()
                self._child.process.wait()

    def wait(self, timeout: float) -> bool:
        """Whether the child is gone within `timeout` seconds."""
        try:
            if self._child is not None:
                self._child.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _read(self, child: _Child, stdout: IO[bytes]) -> None:
        for line in stdout:
            try:
                message = json.loads(line)
            except ValueError:
                log.warning("not JSON from the engine's process: %r", line[:200])
                continue
            if isinstance(message, dict) and "answer" in message:
                _answer(child, message)
            elif isinstance(message, dict):
                child.is_ready = child.is_ready or message.get("event") == "ready"
                self._on_event(message)
        child.process.wait()
        with self._lock:
            stdout.close()
            if child.process.stdin is not None:
                with suppress(OSError):  # what was never sent goes down with the child
                    child.process.stdin.close()
            unanswered = list(child.waiting)
        for number in unanswered:
            _answer(child, {"answer": number, "error": "The engine's process ended before it answered: try again."})
        self._on_event({"event": "died", "pid": child.process.pid, "status": child.process.returncode})


def _answer(child: _Child, message: Message) -> None:
    question = child.waiting.pop(message["answer"], None)
    if question is None:
        return
    if message.get("error"):
        question.future.set_exception(LabError(message["error"]))
    else:
        question.future.set_result(question.read_reply(message.get("value")))
