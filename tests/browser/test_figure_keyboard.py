"""Figures by keyboard: arrow keys lead from part to part, Enter opens what a click opens."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browser_helpers import FIGURE, opened, plot_area

pytestmark = pytest.mark.slow  # four seconds each

MARKER = f"{FIGURE} .key-marker"


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_cells_of_a_matrix_are_reached_and_opened_by_keyboard(page: Page, components: str) -> None:
    opened(page, f"{components}/still")
    figure = page.locator(FIGURE).first
    area = plot_area(page)

    def cell(row: int, column: int) -> tuple[float, float]:
        return area["x"] + area["width"] * (1 + 2 * column) / 4, area["y"] + area["height"] * (1 + 2 * row) / 4

    assert page.locator(FIGURE).last.get_attribute("tabindex") is None  # nothing in it can be opened
    figure.focus()
    expect(page.locator(MARKER)).to_have_count(0)
    page.keyboard.press("ArrowRight")
    assert middle(page, MARKER) == pytest.approx(cell(0, 0), abs=3)
    page.keyboard.press("ArrowRight")
    assert middle(page, MARKER) == pytest.approx(cell(0, 1), abs=3)
    expect(figure.locator("[aria-live]")).to_have_text(re.compile("true: <b>bold</b>, predicted: b, 1 images, 16.7 %"))
    page.keyboard.press("Enter")
    page.get_by_text("cell [0, 1]").wait_for()
    expect(page.locator(MARKER)).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # there is no further row
    assert middle(page, MARKER) == pytest.approx(cell(1, 1), abs=3)
    page.keyboard.press("Enter")
    page.get_by_text("cell [1, 1]").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator(MARKER)).to_have_count(0)
    expect(figure).to_be_focused()


def test_bars_are_reached_one_after_the_other_and_in_their_stack(page: Page, components: str) -> None:
    opened(page, f"{components}/chosen")
    page.locator(FIGURE).first.focus()
    for key, bar in (
        ("ArrowRight", ["0.00–0.25", 3, 0, "incorrect"]),  # uppermost on the left
        ("ArrowRight", ["0.25–0.50", 40, 1, "correct"]),  # of the next two the one beside it
        ("ArrowUp", ["0.25–0.50", 1, 1, "incorrect"]),
        ("ArrowDown", ["0.25–0.50", 40, 1, "correct"]),
        ("ArrowRight", ["0.50–0.75", 2, 2, "correct"]),
        ("ArrowUp", ["0.50–0.75", 2, 2, "correct"]),  # no mistake is above it
        ("ArrowRight", ["0.75–1.00", 30, 3, "correct"]),
        ("ArrowLeft", ["0.50–0.75", 2, 2, "correct"]),
    ):
        page.keyboard.press(key)
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"bar {bar}")).to_be_visible()


def test_points_of_a_map_are_reached_in_the_direction_of_the_arrow(page: Page, components: str) -> None:
    opened(page, f"{components}/chosen")
    page.locator(FIGURE).last.focus()
    # One in the middle, four around it, and one far to the right.
    for key, point in (
        ("ArrowUp", 10),
        ("ArrowUp", 12),
        ("ArrowDown", 10),
        ("ArrowRight", 11),
        ("ArrowRight", 15),
        ("ArrowLeft", 11),
    ):
        page.keyboard.press(key)
        expect(page.locator(f"{FIGURE} [aria-live]")).to_have_text(f"image {point}, class a")
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"point {point}", exact=True)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(MARKER)).to_have_count(0)
