"""What a screen reader and weak eyes need, checked by axe-core in a real browser, and colors that fit the theme."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from engine.runs.store import Run
from tests.browser.browser_helpers import serious, to_dark
from tests.browser.conftest import Studied
from ui.style import colors

pytestmark = pytest.mark.slow
PAGES = (
    *("", "data", "label", "train", "pseudo_labels", "candidates"),
    *("space", "errors", "compare", "predict", "tune", "runs"),
)


def test_axe_finds_nothing_serious_on_any_page(page: Page, studied: Studied, run: Run) -> None:
    found = []
    for where in PAGES:
        page.emulate_media(color_scheme="light")
        # An empty page has texts of its own.
        asked = f"?run={run.id}" if where not in ("", "data", "label", "tune", "runs") else ""
        page.goto(f"{studied.url}/{where}{asked}")
        expect(page.locator("h1").first).to_be_visible()
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        found += [(where, "light", *one) for one in serious(page)]
        to_dark(page)
        # Only colors differ between the two.
        found += [(where, "dark", *one) for one in serious(page, "color-contrast")]
    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_and_borders_have_the_colors_of_the_theme(
    page: Page, studied: Studied, run: Run, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{studied.url}/space?run={run.id}")
    name = colors.class_color(1)
    wanted = colors.BY_THEME[name][1 if scheme == "dark" else 0]
    assert wanted != name
    page.wait_for_function(
        "(color) => [...document.querySelectorAll('.js-plotly-plot')].some((figure) => figure.data?.some((trace) =>"
        " trace.marker?.color === color))",
        arg=wanted,
    )
    page.goto(f"{studied.url}/train?run={run.id}")
    image = page.locator(".fewlab-gallery button[aria-label^='1'] img").first
    expect(image).to_be_visible()
    red, green, blue = (int(wanted[i : i + 2], 16) for i in (1, 3, 5))
    expect(image).to_have_css("border-top-color", f"rgb({red}, {green}, {blue})")
