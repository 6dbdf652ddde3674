"""What a screen reader and weak eyes need, checked by axe-core in a real browser, and colors that fit the theme."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from engine.runs.store import Run
from tests.browser.conftest import Studied
from tests.waiting import PATIENCE
from ui.style import colors

pytestmark = pytest.mark.slow
PAGES = (
    *("", "data", "label", "train", "pseudo_labels", "candidates"),
    *("space", "errors", "compare", "predict", "tune", "runs"),
)
# Streamlit's list of pages is a <ul> whose items lie in groups of their own: its markup, which the app cannot change.
STREAMLITS_OWN = ("[data-testid=stSidebarNavItems]",)


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=request.param)
    context.set_default_timeout(1000 * PATIENCE)
    yield context.new_page()
    context.close()


def test_axe_finds_nothing_serious_on_any_page(themed: Page, studied: Studied, run: Run) -> None:
    axe, found = Axe(), []
    for where in PAGES:
        # An empty page has texts of its own.
        asked = f"?run={run.id}" if where not in ("", "data", "label", "tune", "runs") else ""
        themed.goto(f"{studied.url}/{where}{asked}")
        expect(themed.locator("h1").first).to_be_visible()
        expect(themed.get_by_test_id("stStatusWidget")).to_have_count(0)
        expect(themed.get_by_test_id("stSkeleton")).to_have_count(0)
        answer = axe.run(themed, context={"exclude": [[one] for one in STREAMLITS_OWN]}).response
        assert answer["passes"], "axe looked at nothing"
        found += [
            (where, one["id"], node["html"][:200])
            for one in answer["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]
    assert found == []


def test_figures_and_borders_have_the_colors_of_the_theme(themed: Page, studied: Studied, run: Run) -> None:
    is_dark = themed.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    themed.goto(f"{studied.url}/pseudo_labels?run={run.id}")
    name = colors.class_color(1)
    wanted = colors.BY_THEME[name][1 if is_dark else 0]
    assert wanted != name
    themed.wait_for_function(
        "(color) => [...document.querySelectorAll('.js-plotly-plot')].some((figure) => figure.data?.some((trace) =>"
        " Array.isArray(trace.marker?.color) && trace.marker.color[1] === color))",
        arg=wanted,
    )
    themed.goto(f"{studied.url}/train?run={run.id}")
    image = themed.locator(".fewlab-gallery button[aria-label^='1'] img").first
    expect(image).to_be_visible()
    red, green, blue = (int(wanted[i : i + 2], 16) for i in (1, 3, 5))
    expect(image).to_have_css("border-top-color", f"rgb({red}, {green}, {blue})")
