"""Back and forward, and what stays in reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.lab.executors.inline import train
from engine.runs.store import Run, Store

SETTINGS = {
    "data": {"name": "digits"},
    "method": {"name": "fixmatch"},
    "budget": {"steps": 20, "evaluate_every": 10},
    "hardware": {"device": "cpu", "threads": 1},
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser") / "checkpoints"
    train(SETTINGS, path)
    return path


@pytest.fixture(scope="module")
def run(checkpoints: Path) -> Run:
    return Store(checkpoints).runs()[0]


def go(page: Page, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_one_press_of_back_is_one_page_and_the_parameters_come_along(page: Page, url: str, run: Run) -> None:
    page.goto(f"{url}/train?run={run.id}")
    expect(page.get_by_role("heading", name="Train", level=1)).to_be_visible()
    for name, parameter in (("Pseudo-labels", "tau="), ("Space", "projection="), ("Errors", "part=")):
        go(page, name)
        page.wait_for_url(f"**{parameter}*")
        assert f"run={run.id}" in page.url
    for name in ("Space", "Pseudo-labels", "Train"):
        page.go_back()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    page.go_forward()
    expect(page.get_by_role("heading", name="Pseudo-labels", level=1)).to_be_visible()
    page.wait_for_url("**tau=*")


def test_start_stays_in_sight_and_the_form_hides_nothing_in_a_scroll_of_its_own(page: Page, url: str) -> None:
    page.goto(f"{url}/train")
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_in_viewport()
    page.get_by_text("3 · Network and budget").scroll_into_view_if_needed()
    expect(start).to_be_in_viewport()
    scrolls = page.evaluate(
        "[...document.querySelectorAll('.st-key-train_form_side, .st-key-train_form_side *')]"
        ".filter((e) => e.scrollHeight > e.clientHeight + 40 && getComputedStyle(e).overflowY === 'auto').length"
    )
    assert scrolls == 0


def test_data_method_and_threshold_are_in_sight_together_at_1280_x_800(page: Page, url: str, run: Run) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    for address in ("train", f"train?run={run.id}"):
        page.goto(f"{url}/{address}")
        form = page.locator(".st-key-train_form_side")
        launch = page.locator(".st-key-train_launch")
        expect(launch.get_by_text("on this machine")).to_be_visible()
        top = launch.bounding_box()
        assert top is not None
        for control in (
            form.get_by_role("combobox", name="Data set"),
            form.get_by_role("spinbutton", name="Labels per class"),
            form.get_by_role("combobox", name="Method"),
            form.get_by_test_id("stSlider").filter(has_text="Threshold τ"),
        ):
            expect(control).to_be_in_viewport(ratio=1)
            box = control.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= top["y"], "hidden behind Start"
