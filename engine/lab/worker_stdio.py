"""The worker's end of the pipe: JSON lines on standard input and output, its log on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

from engine.errors import FewLabError, is_out_of_memory
from engine.finite_json import finite_json

YIELDS = "--yield"
"""Argument of a process that leaves processors to others who want them: one that trains."""
YIELDS_BY = 5  # a page that is looked at comes before the training or projection that it shows
log = logging.getLogger("fewlab.worker")


class WorkerStdio:
    """Messages of a server, one JSON object a line, and the answers to them. `say` and `reply` may be called from any
    thread.
    """

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands, self._answers = commands, answers
        self._write_lock = threading.Lock()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the server sends, until it closes the pipe or is gone; lines that are no JSON are logged and skipped."""
        for line in self._commands:
            try:
                yield json.loads(line)
            except ValueError:
                log.warning("not JSON: %r", line[:200])

    def say(self, message: dict[str, Any]) -> None:
        with self._write_lock:
            try:
                self._answers.write((finite_json(message) + "\n").encode("utf-8", "surrogatepass"))
                self._answers.flush()
            except OSError:  # the server is gone; end-of-file will end this process too
                log.warning("nobody listens any more")

    def reply(self, question: dict[str, Any], compute: Callable[[], Any]) -> None:
        """Answer a question with what `compute` returns, or with the sentence of its error."""
        number = question["id"]
        try:
            value = compute()
        except FewLabError as error:
            self.say({"answer": number, "error": str(error)})
        except Exception as error:
            if is_out_of_memory(error):
                error_sentence = "There is not enough memory to answer this: close other programs, or ask for less."
                self.say({"answer": number, "error": error_sentence})
                return
            log.exception("the question %r failed", question.get("what"))
            error_sentence = (
                f"The engine could not answer ({type(error).__name__}); its log in the checkpoints folder has the"
                " details."
            )
            self.say({"answer": number, "error": error_sentence})
        else:
            self.say({"answer": number, "value": value})


def claim_stdio() -> WorkerStdio:
    """Set up this process as the child of a WorkerClient: its priority, its log, its pipe."""
    if YIELDS in sys.argv and hasattr(os, "nice"):  # on Windows its parent starts it with a lower priority
        os.nice(YIELDS_BY)
    # Descriptor 1 carries the protocol alone: whatever a library prints goes to the log instead of between the lines.
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return WorkerStdio(sys.stdin.buffer, protocol)
