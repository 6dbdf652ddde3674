"""What the app costs and how quick it is, in a real Chromium: start, click to first point, reruns while training, one
viewer's price.

    python -m benchmarks.app [--json]

Every figure is measured from outside, by a browser. The viewer's price compares steps per second of the same settings
on the command line with the app's, unwatched and while a browser on the same cores watches; the server's own part of
that price is its processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from engine.runs.store import Store

ROOT = Path(__file__).resolve().parents[1]
STEPS = 1500
LONG = {"data": {"name": "digits"}, "method": {"name": "fixmatch"}, "budget": {"steps": STEPS}}


@contextmanager
def server(checkpoints: Path) -> Iterator[tuple[str, float, subprocess.Popen[bytes]]]:
    """A fresh app; gives its address, the moment it was started, and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        f"--server.port={port}",
        "--server.address=127.0.0.1",
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FEWLAB_CHECKPOINTS": str(checkpoints)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}", began, process
    finally:
        process.terminate()
        process.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
            return True
    except OSError:
        return False


def open_start(browser: Browser, url: str) -> Page:
    while not answers(url):
        time.sleep(0.02)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    page.get_by_role("button", name=re.compile("Try it")).first.wait_for(timeout=60_000)
    return page


def seconds_to_start_page(browser: Browser, root: Path) -> float:
    with server(root) as (url, began, _):
        page = open_start(browser, url)
        taken = time.perf_counter() - began
        page.close()
        wait_until_warm()
        return taken


def wait_until_warm() -> None:
    """Both child processes have trained their throwaway steps: the machine is quiet again."""
    deadline = time.monotonic() + 60
    quiet = 0
    while time.monotonic() < deadline and quiet < 4:
        time.sleep(0.5)
        quiet = quiet + 1 if load() < 0.3 else 0


def load() -> float:
    """Share of all cores in use over a tenth of a second (Linux); elsewhere a guess of none."""
    try:
        first = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        time.sleep(0.1)
        second = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    except OSError:
        return 0.0
    spent = [b - a for a, b in zip(first, second, strict=True)]
    return 1 - (spent[3] + spent[4]) / max(1, sum(spent))


def click_to_first_point(browser: Browser, root: Path, times: int = 3) -> list[float]:
    taken = []
    with server(root) as (url, _, _):
        open_start(browser, url).close()
        wait_until_warm()
        for _ in range(times):
            page = open_start(browser, url)
            time.sleep(1)
            before = {run.id for run in Store(root).runs()}
            start = time.perf_counter()
            page.get_by_role("button", name=re.compile("Try it")).first.click(no_wait_after=True)
            page.wait_for_function(
                "() => { const f = document.querySelector('.js-plotly-plot'); return f && f.data && f.data.some(t =>"
                " t.x && t.x.length > 0) }",
                polling=20,
            )
            taken.append(time.perf_counter() - start)
            finish(root, before)
            page.close()
    return taken


def finish(root: Path, before: set[str]) -> dict[str, Any]:
    while True:
        mine = [run for run in Store(root).runs() if run.id not in before]
        if mine and not mine[0].status.active:
            return {"rate": mine[0].status.images_per_second, "seconds": mine[0].status.seconds, "id": mine[0].id}
        time.sleep(0.2)


def reruns_while_training(browser: Browser, root: Path, times: int = 15) -> list[float]:
    """Seconds from a click on a page's link to its heading, and from a changed widget to the page standing still, while
    a run trains.
    """
    taken = []
    with server(root) as (url, _, _):
        page = open_start(browser, url)
        wait_until_warm()
        queue(root, LONG)
        time.sleep(4)
        for i in range(times):
            name = ("Runs", "Compare", "Start", "Predict")[i % 4]
            heading = "FewLab" if name == "Start" else name
            start = time.perf_counter()
            page.get_by_role("link", name=name).first.click(no_wait_after=True)
            page.get_by_role("heading", name=heading, exact=True).wait_for()
            taken.append(time.perf_counter() - start)
            time.sleep(0.3)
        stop_all(root)
        page.close()
    return taken


def queue(root: Path, config: dict[str, Any]) -> str:
    from engine.config.run_config import RunConfig

    return Store(root).create(RunConfig.parse(config).model_dump(mode="json")).id


def stop_all(root: Path) -> None:
    """The server ends right after this; its runs end with it."""
    for run in Store(root).queue():
        run.folder.update_status(state="stopped")


def rate_in_app(browser: Browser, root: Path, watched: bool) -> tuple[float, float]:
    """LONG in the app: steps per second, and the share of all cores that the server's process took meanwhile (0 where
    /proc is missing).
    """
    with server(root) as (url, _, process):
        page = open_start(browser, url)  # the first visit starts the Lab
        wait_until_warm()
        before = {run.id for run in Store(root).runs()}
        run_id = queue(root, LONG)
        page.goto(f"{url}/train?run={run_id}") if watched else page.close()
        spent = processor_seconds(process.pid)
        done = finish(root, before)
        share = (processor_seconds(process.pid) - spent) / float(done["seconds"]) / (os.cpu_count() or 1)
        if watched:
            page.close()
        return STEPS / float(done["seconds"]), share


def processor_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def chromium() -> str:
    found = (
        os.environ.get("FEWLAB_CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("google-chrome")
        or shutil.which("chrome")
    )
    if found is None:
        raise SystemExit("No Chromium found: install one, or name it in FEWLAB_CHROMIUM.")
    return found


def rate_on_command_line(root: Path) -> float:
    changes = [f"--set=budget.steps={STEPS}"]
    out = subprocess.run(
        [sys.executable, "-m", "engine", "train", *changes, "--checkpoints", str(root), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return STEPS / float(json.loads(out.stdout.splitlines()[-1])["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of command line, unwatched app and watched app")
    arguments = parser.parse_args()
    rows: dict[str, float] = {}

    def tell(name: str, value: float) -> None:
        rows[name] = value
        if not arguments.json:
            print(f"{name:56}{value:10.2f}", flush=True)

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder) / "checkpoints"
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        starts = [seconds_to_start_page(browser, root) for _ in range(4)]
        tell("start to Start page, first time (s)", starts[0])
        tell("start to Start page, later (median s)", statistics.median(starts[1:]))
        points = click_to_first_point(browser, root)
        tell("click to first point (median s)", statistics.median(points))
        tell("click to first point (worst s)", max(points))
        switches = reruns_while_training(browser, root)
        tell("page change while training (median s)", statistics.median(switches))
        tell("page change while training (worst s)", max(switches))
        line, alone, watched = [], [], []
        for _ in range(arguments.rounds):
            line.append(rate_on_command_line(Path(folder) / "line"))
            alone.append(rate_in_app(browser, root, watched=False))
            watched.append(rate_in_app(browser, root, watched=True))
        tell("command line (median steps/s)", statistics.median(line))
        tell("app, nobody looks (median steps/s)", statistics.median(rate for rate, _ in alone))
        tell("app, one viewer on the same cores (median steps/s)", statistics.median(rate for rate, _ in watched))
        tell(
            "the server's own work for one viewer (% of all cores)",
            100 * statistics.median(share for _, share in watched),
        )
        browser.close()
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
