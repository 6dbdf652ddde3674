"""A child of a WorkerClient that answers each question with the very line it came in."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    for line in sys.stdin.buffer:
        answer = {"answer": json.loads(line)["id"], "value": line.decode("utf-8", "surrogatepass")}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
