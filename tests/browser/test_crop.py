"""A part of an uploaded photo, marked by mouse or keys, in a real browser: its answer is that of the part's pixels."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Page, expect

from engine.predictor import Predictor
from engine.runs.store import Run
from tests.browser.conftest import Studied
from tests.fixtures_images import encoded
from ui.style import formatting

pytestmark = pytest.mark.slow  # eight seconds


def sheet() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """White paper, 300 x 200: a zero in the left half, a one in the right half."""
    y, x = np.mgrid[:200, :300]
    ring = np.abs(np.hypot((x - 75) / 45, (y - 100) / 65) - 1) < 0.2
    bar = (np.abs(x - 225) < 9) & (np.abs(y - 100) < 70)
    return np.where(ring | bar, 20, 255).astype(np.uint8)


def test_a_marked_part_is_answered_and_the_whole_image_comes_back(page: Page, studied: Studied, run: Run) -> None:
    page.goto(f"{studied.url}/predict?run={run.id}")
    page.get_by_text("my files", exact=True).click()
    upload = FilePayload(name="two digits.png", mimeType="image/png", buffer=encoded(sheet()))
    page.locator("input[type=file]").set_input_files(upload)
    answer = page.locator(".stMain h4")
    expect(answer).to_contain_text("%")
    whole = answer.inner_text()
    page.get_by_text("Crop", exact=True).click()
    frame = page.get_by_role("application", name="Part of two digits.png")
    use, back = page.get_by_role("button", name="Use this part"), page.get_by_role("button", name="Whole image")
    expect(frame).to_be_visible()
    expect(back).to_be_disabled()

    found = Axe().run(page, context={"include": [[".fewlab-crop"]]}).response
    assert found["passes"], "axe looked at nothing"
    assert found["violations"] == []

    # By mouse: a frame from corner to corner around the zero.
    stage = page.locator(".fewlab-crop .stage")
    stage.scroll_into_view_if_needed()
    area = stage.bounding_box()
    assert area is not None
    assert area["width"] / area["height"] == pytest.approx(1.5, abs=0.02)
    scale = area["width"] / 300
    for point, act in (((10, 15), page.mouse.down), ((140, 185), page.mouse.up)):
        page.mouse.move(area["x"] + point[0] * scale, area["y"] + point[1] * scale, steps=6)
        act()
    marked = marked_in(frame.get_attribute("aria-label"))
    assert marked == pytest.approx((10, 15, 140, 185), abs=1)
    assert answer.inner_text() == whole  # nothing is asked before it is said to
    use.click()
    expect(answer).to_have_text(expected(run, marked))
    zero = answer.inner_text()
    assert zero != whole
    expect(page.get_by_text("marked part", exact=True)).to_be_visible()
    expect(use).to_be_disabled()

    # By keys: to the right by a percent of the width each, larger and smaller again, and Enter.
    frame.focus()
    for key in ("+", "-", *["ArrowRight"] * 60, "ArrowUp"):
        page.keyboard.press(key)
    moved = marked_in(frame.get_attribute("aria-label"))
    assert moved[0] > 150
    assert moved[2] == 300  # at the edge it stays, and keeps its size
    assert moved[2] - moved[0] == pytest.approx(marked[2] - marked[0], abs=3)
    page.keyboard.press("Enter")
    page.keyboard.press("-")
    smaller = marked_in(frame.get_attribute("aria-label"))
    expect(answer).to_have_text(expected(run, moved))
    assert answer.inner_text() != zero
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(300)  # the frame is drawn after that
    assert marked_in(frame.get_attribute("aria-label")) == smaller  # what was marked while the answer was under way
    assert smaller != moved

    # As small as it goes, in the corner: no pixel less than an image needs.
    for _ in range(60):
        page.keyboard.press("-")
    least = marked_in(frame.get_attribute("aria-label"))
    assert (least[2] - least[0], least[3] - least[1]) == (4, 4)

    back.click()
    assert marked_in(frame.get_attribute("aria-label")) == (83, 33, 216, 166)  # two thirds of the height, in the middle
    expect(answer).to_have_text(whole)
    expect(page.get_by_text("your image", exact=True)).to_be_visible()


def marked_in(label: str | None) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, as a screen reader says them."""
    found = re.search(r"(\d+) by (\d+) pixels, (\d+) from the left and (\d+) from the top", label or "")
    assert found
    width, height, left, top = map(int, found.groups())
    return left, top, left + width, top + height


def expected(run: Run, part: tuple[int, int, int, int]) -> re.Pattern[str]:
    """The answer to an image of nothing but these pixels: each class that it names, with its probability."""
    left, top, right, bottom = part
    predictor = Predictor(run.folder)
    (alone,) = predictor.predict([sheet()[top:bottom, left:right, None]])
    (best, *_) = predictor.top(alone)
    return re.compile(rf"\b{best['class']} · {re.escape(formatting.percent(best['probability']))}")
