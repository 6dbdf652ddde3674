"""A server with a Lab that is ended from outside, and another Lab beside it: what each leaves and takes over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LabError
from engine.lab.lab import Lab
from engine.runs.store import Store
from engine.training import checkpoint
from tests.integration.lab_helpers import close, happened, plain, until_state
from tests.integration.process_helpers import alive, child
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Another server in a process group of its own, training a long run in `tmp_path`, and what it told: the run's id
    and its processes.
    """
    if os.name == "nt":
        pytest.skip("Windows has no SIGKILL and no SIGINT for groups")
    command = [sys.executable, "-m", "tests.integration.lab_process", str(tmp_path)]
    with child(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
        process.kill()
        process.communicate(timeout=60)


def assert_ended_with_a_checkpoint(told: dict[str, Any], root: Path) -> None:
    until(lambda: not any(alive(pid) for pid in told["children"]), "the end of the server's processes")
    folder = Store(root).open(told["run"])
    status = folder.status()
    assert (status.state, status.reason) == ("interrupted", "FewLab ended while this run trained.")
    saved = checkpoint.load(folder)
    assert saved is not None
    assert saved["step"] == status.step > 0
    assert happened(folder) == ["start", "interrupted"]


def test_ctrl_c_in_the_servers_terminal_ends_its_processes_with_a_checkpoint(
    server: tuple[subprocess.Popen[bytes], dict[str, Any]], tmp_path: Path
) -> None:
    process, told = server
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        process.kill()
        pytest.fail(f"the server went on after Ctrl-C:\n{process.communicate(timeout=60)[1].decode()}")
    assert_ended_with_a_checkpoint(told, tmp_path)
    with Store(tmp_path).lock().acquire(timeout=0):
        pass  # nobody holds it any more


def test_a_second_lab_only_watches_and_takes_over_run_and_queue_when_the_first_server_is_killed(
    server: tuple[subprocess.Popen[bytes], dict[str, Any]], tmp_path: Path
) -> None:
    process, told = server
    second = Lab(tmp_path).start()
    try:
        waiting = second.submit(plain())
        assert not second.trains
        assert second.current is None
        assert waiting.status().state == "queued"
        with pytest.raises(LabError) as refused:
            second.command(told["run"], "pause")
        assert (
            str(refused.value)
            == f"Run {told['run']} is not training here, so it cannot be told to pause: its state is running."
        )
        process.kill()
        process.communicate(timeout=60)
        until(lambda: second.trains, "the lock in other hands")
        cut_off = second.store.open(told["run"])
        until(lambda: "continue" in happened(cut_off), "the cut off run to go on by itself")
        assert waiting.status().state == "queued"  # the cut off run has kept its place
        until(lambda: second.current == cut_off.id, "the cut off run in the new process")
        second.command(cut_off.id, "stop")
        until_state(waiting, "finished")
        assert happened(cut_off)[:4] == ["start", "interrupted", "resume", "continue"]
        ended, resumed = cut_off.events()[1:3]
        assert ended["step"] == resumed["step"] > 0
        assert cut_off.events()[3]["step"] == ended["step"]
    finally:
        close(second)
