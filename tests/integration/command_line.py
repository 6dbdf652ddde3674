"""The command line, asked in this process or as one of its own.

What it prints, answers and writes is the same in both, and a process that imports torch costs seconds: a test asks for
one where the process is the point, such as a signal, a pipe, or what a library prints past Python.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from typer.testing import CliRunner

from engine.__main__ import app
from tests.integration.process_helpers import ROOT

# A wide terminal without colors, so that help is in whole lines.
PLAIN = {"COLUMNS": "160", "TERM": "dumb", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}


# A run that is over in seconds.
SHORT = (
    "--set",
    "budget.steps=30",
    "--set",
    "budget.batch_size=8",
    "--set",
    "budget.evaluate_every=10",
    "--set",
    "hardware.threads=1",
    "--set",
    "hardware.device=cpu",
)


class Answer(NamedTuple):
    stdout: str
    stderr: str
    code: int


def engine(*arguments: str | Path, code: int = 0) -> Answer:
    """What `python -m engine` with these arguments prints; fails unless it exits with `code`."""
    done = CliRunner(env=PLAIN).invoke(app, [str(argument) for argument in arguments], prog_name="python -m engine")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception  # a person would have seen a traceback
    return _checked(arguments, Answer(done.stdout, done.stderr, done.exit_code), code)


def engine_process(*arguments: str | Path, code: int = 0) -> Answer:
    """The same of a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "engine", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **PLAIN},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return _checked(arguments, Answer(done.stdout, done.stderr, done.returncode), code)


def _checked(arguments: tuple[str | Path, ...], answer: Answer, code: int) -> Answer:
    assert answer.code == code, (arguments, answer)
    assert "Traceback" not in answer.stderr
    return answer


def answer(done: Answer) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def refusal(*arguments: str | Path) -> str:
    """The one sentence on stderr of a wrong request."""
    done = engine(*arguments, code=2)
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    return sentence


def train_shortly(checkpoints: Path) -> Answer:
    """A short run of FixMatch on digits, answered for machines."""
    changes = (*SHORT, "--set", "method.threshold=0.9", "--seed", "3")
    return engine("train", "--preset", "digits-fixmatch", *changes, "--checkpoints", checkpoints, "--json")
