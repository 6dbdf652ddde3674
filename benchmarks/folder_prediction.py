"""A folder of photos classified into one table, against the command that takes images one by one.

    python -m benchmarks.folder_prediction [--files 10000] [--single 500] [--side 640] [--json]

Writes JPEG photos into a temporary folder, trains a small network on photos of 64 px for a few steps, and classifies
the folder with `python -m engine predict RUN FOLDER --csv`, killed once halfway and started again; then as many as
--single says with `python -m engine predict RUN IMAGE ...`. Both times the start of the process is left out. Linux
only: the memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.runs.store import Run


def photo(seed: int, side: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((side, side * 3 // 4), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def trained(root: Path, side: int) -> Run:
    for number in range(60):
        home = root / "set" / f"class {number % 3}"
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number}.jpg").write_bytes(photo(number, side))
    config = {
        "data": {"name": "folder", "path": str(root / "set"), "size": 64, "labels": {"kind": "all"}},
        "method": {"name": "supervised"},
        "budget": {"steps": 10, "batch_size": 8, "evaluate_every": 10},
    }
    return train(RunConfig.parse(config), root / "runs")


def peak(process: int) -> float:
    """Megabytes, until now."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(match[1]) / 1e3 if match else 0.0


def rows(table: Path) -> int:
    if not table.exists():
        return 0
    with table.open(newline="") as file:
        return max(0, sum(1 for _ in csv.reader(file)) - 1)


def folder(run: Run, images: Path, table: Path, until: int) -> tuple[float, float]:
    """Images a second once the first rows are there, and the most memory. until: rows at which it is killed."""
    command = [sys.executable, "-m", "engine", "predict", run.id, str(images), "--csv", str(table)]
    process = subprocess.Popen(
        [*command, "--checkpoints", str(run.folder.path.parent)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    before, first, began, most = rows(table), 0, 0.0, 0.0
    while process.poll() is None:
        time.sleep(0.2)
        here = rows(table)
        if here > before and not first:
            first, began = here, time.monotonic()
        try:
            most = max(most, peak(process.pid))
        except OSError:
            break
        if here >= until:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    return (rows(table) - first) / (time.monotonic() - began), most


def one_by_one(run: Run, images: list[Path]) -> float:
    """Images a second; the time of one alone is taken off, which is the start of the process."""

    def seconds(paths: list[Path]) -> float:
        began = time.monotonic()
        command = [sys.executable, "-m", "engine", "predict", run.id, *map(str, paths)]
        subprocess.run([*command, "--checkpoints", str(run.folder.path.parent)], stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - began

    start = min(seconds(images[:1]) for _ in range(2))
    return (len(images) - 1) / (seconds(images) - start)


def measure(count: int, single: int, side: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        run = trained(root, side)
        images, table = root / "images", root / "table.csv"
        images.mkdir()
        for number in range(count):
            (images / f"{number:06}.jpg").write_bytes(photo(number, side))
        rate, memory = folder(run, images, table, count // 2)
        after, more = folder(run, images, table, count * 2)
        with table.open(newline="") as file:
            names = [row["file"] for row in csv.DictReader(file)]
        alone = one_by_one(run, sorted(images.iterdir())[:single])
    return {
        "images a second": rate,
        "after the kill": after,
        "one by one": alone,
        "times as fast": rate / alone,
        "memory MB, two lives": [round(memory), round(more)],
        "rows": len(names),
        "doubled rows": len(names) - len(set(names)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--single", type=int, default=500)
    parser.add_argument("--side", type=int, default=640, help="pixels of a photo")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.files, arguments.single, arguments.side)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:22} {value if isinstance(value, list) else f'{value:,.1f}'}")


if __name__ == "__main__":
    main()
