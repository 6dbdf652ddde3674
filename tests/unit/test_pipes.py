"""What travels between the server and its workers is JSON, also where a number is none."""

from __future__ import annotations

import io
import json
import math
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.lab.messages import MeasureSpeed
from engine.lab.worker_client import WorkerClient
from engine.lab.worker_stdio import WorkerStdio


def strictly(line: str | bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(line, parse_constant=refuse)


# A path on Linux may hold bytes that are no text, which Python stands half a pair of UTF-16 for.
NAME = "τ \udcff"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_question_with_a_number_that_is_none_reaches_the_worker_as_json(number: float, tmp_path: Path) -> None:
    client = WorkerClient(tmp_path / "log", module="tests.unit.raw_worker")
    try:
        line: Any = client.ask(MeasureSpeed({"optimizer": {"lr": number}, "name": NAME, "seed": 3}, 0.5), timeout=30)
    finally:
        client.close()
        assert client.wait(10)
    assert strictly(line)["arguments"] == {
        "config": {"optimizer": {"lr": None}, "name": NAME, "seed": 3},
        "seconds": 0.5,
    }


def test_a_child_that_is_just_being_started_ends_when_its_client_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, closed, really = threading.Event(), threading.Event(), subprocess.Popen

    def slowly(*args: Any, **kwargs: Any) -> Any:
        child = really(*args, **kwargs)
        started.set()
        closed.wait(0.5)
        return child

    monkeypatch.setattr(subprocess, "Popen", slowly)
    client = WorkerClient(tmp_path / "log", module="tests.unit.raw_worker")
    starting = threading.Thread(target=client.start)
    starting.start()
    assert started.wait(10)
    client.close()
    closed.set()
    starting.join()
    gone = client.wait(10)
    client.kill()
    assert gone


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_an_answer_with_a_number_that_is_none_reaches_the_server_as_json(number: float) -> None:
    sent = io.BytesIO()
    stdio = WorkerStdio(io.BytesIO(), sent)
    stdio.reply({"id": 7}, lambda: {"metrics": {"test/ece": number, "test/accuracy": 0.5}, "images": [(number, NAME)]})
    stdio.say({"event": "progress", "share": number})
    answer, event = map(strictly, sent.getvalue().splitlines())
    assert answer == {
        "answer": 7,
        "value": {"metrics": {"test/ece": None, "test/accuracy": 0.5}, "images": [[None, NAME]]},
    }
    assert event == {"event": "progress", "share": None}
