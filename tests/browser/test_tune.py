"""The Tune page in a real browser: choose what varies, start, see trials arrive, look into the best."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.lab.executors.inline import train
from engine.tuning.sweep_folder import SweepStore
from tests.browser.browser_helpers import is_high_enough
from tests.browser.conftest import REPOSITORY, warm
from tests.waiting import until

pytestmark = pytest.mark.slow


def test_a_sweep_is_started_watched_and_its_best_trial_opened(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    checkpoints = tmp_path / "checkpoints"
    run = train(
        {
            "method": {"name": "supervised"},
            "backbone": {"name": "small_cnn", "width": 4},
            "budget": {"steps": 20, "batch_size": 8, "evaluate_every": 5},
            "hardware": {"device": "cpu", "threads": 1},
        },
        checkpoints,
    )
    address = serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(checkpoints)})
    page.goto(f"{warm(address, page.context)}/tune?run={run.id}")
    rate = page.get_by_role("textbox", name="Learning rate η")
    expect(rate).to_have_value("0.01:1:log")
    rate.fill("1:0.1")
    rate.press("Enter")
    expect(page.get_by_text("the first number must be the smaller one")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled()
    rate.fill("0.01:0.5:log")
    rate.press("Enter")
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    trials = page.get_by_role("spinbutton", name="Trials")
    trials.fill("3")
    trials.press("Enter")
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled()
    start.click()
    expect(page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Pause")).to_be_visible()
    (sweep,) = SweepStore(checkpoints).sweeps()
    until(lambda: sweep.shown_state() == "finished", "the end of the sweep")
    status = sweep.status()
    assert [trial.state for trial in status.trials] == ["finished"] * 3
    lines = "() => document.querySelector('.js-plotly-plot')?.data?.[0]?.dimensions?.at(-1)?.values?.length"
    until(lambda: page.evaluate(lines) == 3, "a line for each trial")
    is_high_enough(page, ".fewlab-figure")
    expect(page.get_by_text(re.compile(r"^3 of 3 trials · "))).to_be_visible()
    best = status.best(1)[0]
    assert best.accuracy is not None
    expect(page.get_by_text(f"{best.accuracy * 100:.1f} %").first).to_be_visible()
    assert f"sweep={sweep.name}" in page.url
    page.get_by_role("button", name="Open run").first.click()
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    until(lambda: f"run={best.draws[0].run}" in page.url, "the best trial's run")
    page.goto(f"{address}/tune")  # another visit sees the same sweep
    expect(page.get_by_text(re.compile(r"^3 of 3 trials · "))).to_be_visible(timeout=30_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_of_the_page_is_wider_than_a_telephone(
    page: Page, serve: Callable[..., str], tmp_path: Path, scheme: str
) -> None:
    address = serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(tmp_path / "checkpoints")})
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{address}/tune")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=90_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
