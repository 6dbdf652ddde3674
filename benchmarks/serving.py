"""A served model under load: requests a second, how long they take, and its memory.

    python -m benchmarks.serving [--clients 8] [--seconds 60] [--side 640] [--json]

Trains `digits-supervised` for a few steps, serves it with `python -m engine serve` in a process of its own, and lets
each client send JPEG photos one after the other through one connection. The clients share the processors with it.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.presets import PRESETS


def photo(seed: int, side: int) -> bytes:
    """Smooth, as photos are: JPEG of noise has ten times the bytes."""
    small = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def client(port: int, content: bytes, until: float, took: list[float], codes: list[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while time.monotonic() < until:
        began = time.monotonic()
        connection.request("POST", "/predict", content, {"content-type": "application/octet-stream"})
        response = connection.getresponse()
        response.read()
        took.append(time.monotonic() - began)
        codes.append(response.status)
    connection.close()


def resident(process: int) -> float:
    """Megabytes."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(run: str, checkpoints: Path, clients: int, seconds: float, side: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "engine", "serve", run, "--port", "0", "--waiting", str(clients)]
    server = subprocess.Popen([*command, "--checkpoints", str(checkpoints)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port = urlsplit(server.stdout.readline().strip()).port
    assert port is not None
    took: list[float] = []
    codes: list[int] = []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=client, args=(port, photo(number, side), until, took, codes))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < until:
        time.sleep(seconds / 6)
        memory.append(resident(server.pid))
    for thread in threads:
        thread.join()
    server.send_signal(signal.SIGTERM)
    server.wait(60)
    ranked = sorted(took)
    return {
        "requests": len(codes),
        "errors": sum(code != 200 for code in codes),
        "requests a second": len(codes) / seconds,
        "median ms": 1e3 * statistics.median(took),
        "p95 ms": 1e3 * ranked[int(0.95 * len(ranked))],
        "p99 ms": 1e3 * ranked[int(0.99 * len(ranked))],
        "memory MB, six times": [round(one) for one in memory],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--side", type=int, default=640, help="pixels of a photo")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from engine.lab.executors.inline import train

    with tempfile.TemporaryDirectory() as folder:
        config = RunConfig.parse(apply_changes(PRESETS["digits-supervised"].config, {"budget.steps": 50}))
        run = train(config, Path(folder))
        found = measure(run.id, Path(folder), arguments.clients, arguments.seconds, arguments.side)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24} {value if isinstance(value, list) else f'{value:,.1f}'}")


if __name__ == "__main__":
    main()
