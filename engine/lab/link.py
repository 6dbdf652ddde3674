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
from pathlib import Path
from typing import IO, Any

from engine.errors import LabError

log = logging.getLogger("fewlab.lab")
Message = dict[str, Any]


class Link:
    """Starts `python -m engine.lab.process` in a session of its own, so that Ctrl-C reaches only the server.

    The child ends by end-of-file on its input, whichever way this process ends. `on_event` is called from the reader thread with every
    message that is no answer, and with {"event": "died"} when the child is gone.
    """

    def __init__(self, log_file: Path, on_event: Callable[[Message], None] | None = None) -> None:
        self._log_file = log_file
        self._on_event = on_event or (lambda message: None)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the child if it does not run. Returns at once; the child warms up by itself."""
        with self._lock:
            if self._closed or (self._child is not None and self._child.poll() is None):
                return
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with open(self._log_file, "ab") as output:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "engine.lab.process"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=output,
                    cwd=Path(__file__).parents[2],
                    start_new_session=os.name != "nt",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
            assert self._child.stdout is not None
            threading.Thread(target=self._read, args=(self._child, self._child.stdout), daemon=True, name="fewlab-link").start()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def send(self, message: Message) -> None:
        """Raises LabError if the child cannot be reached."""
        self.start()
        line = (json.dumps(message) + "\n").encode()
        with self._lock:
            try:
                assert self._child is not None
                assert self._child.stdin is not None
                self._child.stdin.write(line)
                self._child.stdin.flush()
            except (OSError, ValueError, AssertionError):
                raise LabError("The engine's process has ended: try again in a moment; its log is in the checkpoints folder.") from None

    def ask(self, what: str, timeout: float = 60.0, **arguments: Any) -> Any:
        """Ask and wait for the answer. Raises LabError with the engine's own sentence, or if no answer comes in `timeout` seconds."""
        future = self.ask_later(what, **arguments)
        try:
            return future.result(timeout)
        except TimeoutError:
            raise LabError(f"The engine did not answer within {timeout:.0f} s: it may still be starting; try again in a moment.") from None

    def ask_later(self, what: str, **arguments: Any) -> Future[Any]:
        """Ask without waiting."""
        number = next(self._numbers)
        future: Future[Any] = Future()
        self._waiting[number] = future
        try:
            self.send({"do": "ask", "id": number, "what": what, "arguments": arguments})
        except LabError:
            self._waiting.pop(number, None)
            raise
        return future

    def close(self) -> None:
        """End the child by closing its input."""
        self._closed = True
        child = self._child
        if child is not None and child.stdin is not None:
            try:
                child.stdin.close()
            except OSError:
                log.debug("the child had already closed its input")

    def wait(self, timeout: float) -> None:
        if self._child is not None:
            self._child.wait(timeout)

    def _read(self, child: subprocess.Popen[bytes], stdout: IO[bytes]) -> None:
        for line in stdout:
            try:
                message = json.loads(line)
            except ValueError:
                log.warning("not JSON from the engine's process: %r", line[:200])
                continue
            if isinstance(message, dict) and "answer" in message:
                self._answer(message)
            elif isinstance(message, dict):
                self._on_event(message)
        child.wait()
        with self._lock:
            stdout.close()
            if child.stdin is not None:
                with suppress(OSError):  # what was never sent goes down with the child
                    child.stdin.close()
        for number in list(self._waiting):
            self._answer({"answer": number, "error": "The engine's process ended before it answered: try again."})
        self._on_event({"event": "died", "status": child.returncode})

    def _answer(self, message: Message) -> None:
        future = self._waiting.pop(message["answer"], None)
        if future is None:
            return
        if message.get("error"):
            future.set_exception(LabError(message["error"]))
        else:
            future.set_result(message.get("value"))
