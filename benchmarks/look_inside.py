"""How quickly the pages that look inside answer, in a real Chromium, and what snapshots cost.

    python -m benchmarks.look_inside [--json]

A FixMatch run on digits (preset `digits-fixmatch`): from a move of the threshold slider to the redrawn figures; then,
on a Space of 5,000 points of drawn shapes, from the end of a lasso around about 1,000 of them to their gallery.
Snapshots: steps per second with an evaluation every 25 steps that writes one, against the same evaluations that write
none, in alternating runs; the share of the time that writing takes; and bytes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.app import answers, chromium, server, wait_until_warm
from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS
from engine.runs.folder import RunFolder
from engine.runs.store import Run

TIMES = 12


def slider(page: Page, url: str, run: Run) -> list[float]:
    """Seconds from a key on the threshold slider until the curve over all evaluations, the last figure to change, has
    been redrawn.
    """
    page.goto(f"{url}/pseudo_labels?run={run.id}")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.js-plotly-plot')].filter((f) => f.data).length >= 5", timeout=60_000
    )
    page.wait_for_timeout(1500)
    page.get_by_role("slider", name="Threshold").focus()
    taken = []
    for number in range(TIMES):
        title = (
            "[...document.querySelectorAll('.js-plotly-plot')].map((f) => f.layout.title.text).find((t) =>"
            " t.startsWith('With τ'))"
        )
        before = page.evaluate(title)
        began = time.perf_counter()
        page.keyboard.press("ArrowLeft" if number % 2 == 0 else "ArrowRight")
        page.wait_for_function(f"(before) => {title} !== before", arg=before, timeout=10_000, polling=5)
        taken.append(time.perf_counter() - began)
        page.wait_for_timeout(400)
    return taken


def lasso(page: Page, url: str, run: Run) -> tuple[int, list[float]]:
    """How many points were surrounded, and seconds from letting go of the mouse until their images are there."""
    page.set_viewport_size({"width": 1280, "height": 1500})
    taken, count = [], 0
    for number in range(5):
        page.goto(f"{url}/space?run={run.id}")  # anew, because a lasso that begins in an earlier one would move that
        page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data?.length > 0", timeout=90_000)
        page.wait_for_timeout(2000)
        places = """() => {
            const f = document.querySelector('.js-plotly-plot'), l = f._fullLayout, b = f.getBoundingClientRect();
            return f.data.flatMap((t) => t.x.map((x) => b.x + l.xaxis._offset + l.xaxis.d2p(x))) }"""
        across = sorted(float(x) for x in page.evaluate(places))
        box = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
        assert box is not None
        low, high = box["x"] + 20, box["x"] + box["width"] - 20  # at its corners a plot is stretched instead
        start = 200 + number * 150
        left, right = max(low, across[start]), min(high, across[min(start + 1000, len(across) - 1)])
        top, bottom = box["y"] + 20, box["y"] + box["height"] - 20
        page.mouse.move(left, top)
        page.mouse.down()
        for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
            page.mouse.move(x, y, steps=4)
        words = "(document.body.innerText.match(/([\\d,]+) chosen/) ?? [])[1]"
        began = time.perf_counter()
        page.mouse.up()
        page.wait_for_function(
            f"() => {words} && document.querySelectorAll('.fewlab-gallery button').length > 0",
            timeout=30_000,
            polling=10,
        )
        taken.append(time.perf_counter() - began)
        count = int(str(page.evaluate(words)).replace(",", ""))
    return count, taken


def snapshots(root: Path) -> dict[str, float]:
    """What writing a snapshot every 25 steps costs: speed against runs that write none, and the share of the time that
    goes into writing.
    """
    config = RunConfig.parse(PRESETS["digits-fixmatch"].config).with_changes(
        {"budget.steps": 400, "budget.evaluate_every": 25}
    )
    write = RunFolder.write_snapshot
    writing = 0.0

    def timed(self: RunFolder, step: int, arrays: Any) -> Path:
        nonlocal writing
        began = time.perf_counter()
        written = write(self, step, arrays)
        writing += time.perf_counter() - began
        return written

    def none(self: RunFolder, step: int, arrays: Any) -> Path:
        return self.snapshots / f"{step:08d}.npz"

    seconds: dict[bool, float] = {True: 0.0, False: 0.0}
    size = 0
    train(config, root)
    for number in range(16):
        # With, without, without, with: what warms up or slows down over time touches both alike.
        kept = number % 4 in (
            0,
            3,
        )
        RunFolder.write_snapshot = timed if kept else none  # type: ignore[method-assign]  # the one thing that differs
        try:
            run = train(config, root)
        finally:
            RunFolder.write_snapshot = write  # type: ignore[method-assign]
        seconds[kept] += run.status.seconds
        if kept:
            size = max(file.stat().st_size for file in run.folder.snapshots.glob("*.npz"))
    return {
        "speed with snapshots (% of without)": 100 * seconds[False] / seconds[True],
        "time spent on writing them (%)": 100 * writing / seconds[True],
        "bytes of a snapshot": size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        digits = train(RunConfig.parse(PRESETS["digits-fixmatch"].config), root)
        shapes = train(
            RunConfig.parse(
                {
                    "data": {"name": "shapes"},
                    "method": {"name": "supervised"},
                    "budget": {"steps": 50, "evaluate_every": 50},
                }
            ),
            root,
        )
        browser: Browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        with server(root) as (url, _, _):
            while not answers(url):
                time.sleep(0.05)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(url)
            page.locator("h1").wait_for(timeout=60_000)
            wait_until_warm()
            moves = slider(page, url, digits)
            found |= {"slider to figures, median (ms)": 1000 * statistics.median(moves), "slowest": 1000 * max(moves)}
            count, times = lasso(page, url, shapes)
            found |= {
                "points in the lasso": count,
                "lasso to gallery, median (ms)": 1000 * statistics.median(times),
                "slowest lasso": 1000 * max(times),
            }
        browser.close()
        found |= snapshots(root)
    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:38} {value:,.1f}")


if __name__ == "__main__":
    main()
