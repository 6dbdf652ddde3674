"""A real Ray cluster of this machine for tests, of which nothing is left afterwards, whatever happens in between."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.process_helpers import ROOT
from tests.waiting import until

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None and os.environ.get("FEWLAB_REQUIRE_EXTRAS") != "1",
    reason="ray is not installed: pip install -r requirements-extras.txt",
)


@contextmanager
def ray_cluster(workers: int) -> Iterator[str]:
    """Its address. A machine with room for so many workers of one thread; whoever is to reach it inherits its token
    from this process.
    """
    folder = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie below it
    ours = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "300",  # a busy machine takes more than its half minute
    }
    port = _free_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ours.items():
            patch.setenv(name, value)
        head = subprocess.Popen(
            [
                *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
                *("--node-ip-address=127.0.0.1", f"--port={_free_port()}", f"--ray-client-server-port={port}"),
                *(f"--num-cpus={workers}", "--num-gpus=0", "--object-store-memory=80000000"),
                *("--include-dashboard=false", f"--temp-dir={folder}"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # by which its processes are known
        )
        try:
            until(lambda: _answers(port) or head.poll() is not None, "the start of Ray", every=0.1)
            assert head.poll() is None, "Ray did not start"
            yield f"ray://127.0.0.1:{port}"
        finally:
            head.terminate()
            with suppress(subprocess.TimeoutExpired):
                head.wait(20)
            for pid in session(head.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            head.wait()
            until(lambda: not session(head.pid), "the end of all of Ray's processes")
            shutil.rmtree(folder, ignore_errors=True)


def session(leader: int) -> list[int]:
    """Processes that this one began, and those that they began."""
    members = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                state, _, _, of, *_ = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(of) == leader and state != "Z":
                    members.append(int(entry.name))
    return members


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
