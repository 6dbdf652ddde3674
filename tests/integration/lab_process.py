"""A server to be killed: starts a Lab on a folder, submits a long run, prints one line of JSON when it trains, and
waits.

python -m tests.integration.lab_process CHECKPOINTS
"""

from __future__ import annotations

import faulthandler
import json
import signal
import sys
import time

from engine.lab.lab import Lab


def main() -> None:
    if hasattr(signal, "SIGUSR1"):
        faulthandler.register(signal.SIGUSR1)  # a test that waits in vain for the end asks for every thread's stack
    lab = Lab(sys.argv[1]).start()
    long = {
        "budget": {"steps": 200_000, "batch_size": 8, "evaluate_every": 100_000},
        "hardware": {"device": "cpu", "threads": 1},
        "method": "supervised",
    }
    folder = lab.submit(long)
    while folder.status().step == 0:
        time.sleep(0.05)
    print(json.dumps({"run": folder.id, "children": [lab.trainer.pid, lab.assistant.pid]}), flush=True)
    # Short sleeps: a signal that comes between Python's last check and one long sleep would be noticed only after it.
    until = time.monotonic() + 600
    while time.monotonic() < until:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
