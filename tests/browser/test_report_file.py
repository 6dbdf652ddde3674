"""A report from Compare, opened as the file that it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studied

pytestmark = pytest.mark.slow


def test_a_report_draws_its_figures_and_shows_its_images_without_asking_anybody(
    page: Page, studied: Studied, tmp_path: Path
) -> None:
    page.goto(f"{studied.url}/compare?runs={studied.run.id}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Report").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    page.goto(file.as_uri())
    figures = page.locator(".plot")
    assert figures.count() >= 4
    expect(page.locator(".plot svg.main-svg").first).to_be_visible()
    assert page.locator(".plot:not(:has(svg.main-svg))").count() == 0
    broken = "images => images.filter(image => !image.naturalWidth).length"
    assert page.locator(".gallery img").count() >= 10
    assert page.locator(".gallery img").evaluate_all(broken) == 0
    figures.nth(1).hover()
    with page.expect_download() as picture:
        figures.nth(1).locator("[data-title^='Download plot']").click()
    assert picture.value.suggested_filename.endswith(".png")
    # A figure zooms: dragging over it changes its axis.
    first = figures.first
    before = first.evaluate("host => host.layout.xaxis.range")
    box = first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=5)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert first.evaluate("host => host.layout.xaxis.range") != before
