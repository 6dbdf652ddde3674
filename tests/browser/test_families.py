"""One run of each other family, as a person makes it: images of one's own, features without labels, several possible
labels each.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, expect

from engine.runs.store import Run, Store
from tests.browser.browser_helpers import newest, set_steps
from tests.fixtures_images import encoded, zip_of
from tests.waiting import until

pytestmark = pytest.mark.slow


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option).click()


def start_and_finish(page: Page, checkpoints: Path, what: str) -> None:
    store = Store(checkpoints)
    before = {run.id for run in store.runs()}
    page.get_by_role("button", name="Start", exact=True).click()
    until(lambda: {run.id for run in store.runs()} > before, f"a run of {what}")
    until(lambda: not newest(checkpoints).status.active, f"the end of {what}")
    assert newest(checkpoints).status.state == "finished", newest(checkpoints).status.reason


def fruit(kind: int, seed: int, side: int = 24) -> bytes:
    """A noisy disc: red, green or blue, with a place and a size of its own."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    middle, radius = random.uniform(9, 15, 2), random.uniform(5, 8)
    pixels = random.integers(60, 120, (side, side, 3))
    pixels[(y - middle[0]) ** 2 + (x - middle[1]) ** 2 < radius**2, kind] += 120
    return encoded(pixels)


def test_a_zip_of_class_folders_is_uploaded_trained_on_and_a_new_photo_is_classified(
    page: Page, url: str, checkpoints: Path, tmp_path: Path
) -> None:
    names = ("strawberry", "lime", "plum")
    archive = zip_of(
        tmp_path / "fruit.zip",
        {f"{name}/{i}.png": fruit(kind, 100 * kind + i) for kind, name in enumerate(names) for i in range(30)}
        | {"lime/broken.png": b"no image"},
    )
    page.goto(f"{url}/train")
    choose(page, "Data set", "My own images")
    page.locator("input[type=file]").set_input_files(str(archive))
    page.get_by_role("button", name="Read the images").click()
    expect(page.get_by_text(re.compile("6 labeled, .* unlabeled"))).to_be_visible()
    expect(page.get_by_text("broken.png")).to_have_count(0)  # folded away until it is asked for
    (archive_of_run,) = (checkpoints / ".uploads").glob("*/fruit.zip")
    written = archive_of_run.stat().st_mtime_ns
    set_steps(page, 80)
    start_and_finish(page, checkpoints, "FixMatch on the uploaded images")
    # Whoever hashes it again touches it: it was read once, not with every click.
    assert archive_of_run.stat().st_mtime_ns == written
    run = newest(checkpoints)
    assert run.config["data"]["name"] == "folder"
    assert run.config["method"]["name"] == "fixmatch"
    page.goto(f"{url}/predict?run={run.id}")
    page.locator("input[type=file]").set_input_files(
        [FilePayload(name="new.png", mimeType="image/png", buffer=fruit(2, 999, 40))]
    )
    expect(
        page.get_by_test_id("stMarkdownContainer")
        .filter(has_text=re.compile(r"^(Uncertain, most likely )?plum · "))
        .first
    ).to_be_visible()


def test_a_benchmark_is_watched_to_its_end(page: Page, url: str, checkpoints: Path) -> None:
    before = {run.id for run in Store(checkpoints).runs()}
    page.goto(f"{url}/compare")
    page.get_by_role("button", name="Benchmark").click()
    page.get_by_role("button", name="Start 2 runs").click()

    def entered() -> list[Run]:
        return [run for run in Store(checkpoints).runs() if run.id not in before]

    until(lambda: len(entered()) == 2 and all(run.status.state == "finished" for run in entered()), "the end of both")
    # What a run is called in the list changes when it ends: the choice must outlive that.
    curves = "() => document.querySelector('.js-plotly-plot')?.data?.map((t) => t.x.length) ?? []"
    until(lambda: len(page.evaluate(curves)) == 2 and min(page.evaluate(curves)) > 0, "both curves")
    assert {run.id for run in entered()} == set(re.findall(r"runs=([\w-]+)", page.url))
    expect(page.get_by_test_id("stProgress")).to_have_count(0)


def test_features_of_simclr_are_where_the_next_run_starts(page: Page, url: str, checkpoints: Path) -> None:
    page.goto(f"{url}/train")
    choose(page, "What do you have?", "No labels")
    expect(page.get_by_role("combobox", name="Method")).to_have_value("SimCLR")
    set_steps(page, 30)
    start_and_finish(page, checkpoints, "SimCLR")
    first = newest(checkpoints)
    assert first.config["method"]["name"] == "simclr"
    page.get_by_role("button", name="Use these features").click()
    expect(page.get_by_role("combobox", name="Method")).to_have_value("FixMatch")
    set_steps(page, 30)
    start_and_finish(page, checkpoints, "FixMatch on these features")
    second = newest(checkpoints)
    assert second.config["backbone"]["init"] == f"run:{first.id}"
    assert second.folder.events()[0]["weights"]


def test_the_bars_of_candidates_move_while_proden_trains(page: Page, url: str, checkpoints: Path) -> None:
    page.goto(url)
    page.locator(".st-key-start_digits-proden button").click()
    expect(page.get_by_text("Candidate label weights")).to_be_visible()
    bars = page.get_by_test_id("stImage").locator("img[src*='svg']")

    def drawn() -> list[str | None]:
        return [bar.get_attribute("src") for bar in bars.all()]

    until(lambda: len(drawn()) >= 4, "the bars")
    first = drawn()
    until(lambda: len(drawn()) >= 4 and drawn() != first, "bars that moved")
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop").click()
    until(lambda: not newest(checkpoints).status.active, "the end of PRODEN")
    steps = newest(checkpoints).folder.snapshot_steps()
    early, late = (
        newest(checkpoints).folder.snapshot(steps[i])["candidate_weights"].astype(float).max(1).mean() for i in (0, -1)
    )
    assert late > early  # what the bars showed: the weights gather on one candidate
