"""A run from one FewLab to another, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import REPOSITORY, Serve, Studied

pytestmark = pytest.mark.slow


def test_a_run_is_shared_and_opens_in_another_lab(page: Page, studied: Studied, serve: Serve, tmp_path: Path) -> None:
    page.goto(f"{studied.url}/runs")
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    table.click(position={"x": 16, "y": 36 + 18})  # the box of the first row
    page.get_by_role("button", name="Take along").click()
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_test_id("stDialog")).to_be_visible()
    expect(page.get_by_role("button", name="Folder", exact=True)).to_have_count(0)  # the menu is closed
    page.get_by_text("With the images that were learned from").click()
    page.get_by_role("button", name="Make the file").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download (").click()
    file = tmp_path / "run.fewlab"
    download.value.save_as(file)

    there = serve(REPOSITORY / "app.py", env={"FEWLAB_CHECKPOINTS": str(tmp_path / "there")})
    page.goto(f"{there}/runs")
    page.get_by_text("Open runs of another FewLab").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text("1 run opened.")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    shared = next(path.name for path in (tmp_path / "there").iterdir() if path.name[0] != ".")
    page.goto(f"{there}/errors?run={shared}")
    expect(page.locator(".fewlab-gallery img").first).to_be_visible()
