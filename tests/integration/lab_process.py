"""A server to be killed: starts a Lab on a folder, submits a long run, prints one line of JSON when it trains, and waits.

python -m tests.integration.lab_process CHECKPOINTS
"""

from __future__ import annotations

import json
import sys
import time

from engine.lab.lab import Lab


def main() -> None:
    lab = Lab(sys.argv[1]).start()
    long = {"budget": {"steps": 200_000, "batch_size": 8, "evaluate_every": 100_000}, "hardware": {"device": "cpu", "threads": 1}, "method": "supervised"}
    folder = lab.submit(long)
    while folder.status().step == 0:
        time.sleep(0.05)
    print(json.dumps({"run": folder.id, "children": [lab.trainer.pid, lab.assistant.pid]}), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
