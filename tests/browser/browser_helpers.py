"""What browser tests wait for and look at."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FloatRect, Locator, Page, expect

from engine.runs.store import Run, Store
from tests.waiting import until

# Streamlit's own markup, which the app cannot change: its list of pages is a <ul> whose items lie in groups of their
# own, and the button that its header has while a script runs fades in.
_STREAMLITS_OWN = (
    "[data-testid=stSidebarNavItems]",
    "[data-testid=stStatusWidget]",
    "[data-testid=stBaseButton-header]",
)
FIGURE = ".fewlab-figure"
_HIGHEST = 260  # pixels from the top of the window, at 1280 x 800


def newest(checkpoints: Path) -> Run:
    return Store(checkpoints).runs()[0]


def set_steps(page: Page, steps: int) -> None:
    """On Train's form."""
    field = page.get_by_role("spinbutton", name=re.compile("^Steps"))
    field.fill(str(steps))
    field.press("Enter")
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def opened(page: Page, address: str) -> Page:
    """With its first figure drawn."""
    page.goto(address)
    page.wait_for_selector(f"{FIGURE} .main-svg")
    return page


def plot_area(page: Page) -> FloatRect:
    box = page.locator(f"{FIGURE} .nsewdrag").first.bounding_box()
    assert box is not None
    return box


def points(page: Page, number: int = 0) -> int:
    """Points on the first curve of the figure."""
    return int(
        page.evaluate(
            "n => { const f = document.querySelectorAll('.js-plotly-plot')[n]; return f && f.data && f.data.length ?"
            " f.data[0].x.length : 0 }",
            number,
        )
    )


def points_on_screen(page: Page) -> list[tuple[int, float, float]]:
    """Id and place on the screen of every point of the first figure, a map of images."""
    found: list[Any] = page.evaluate("""() => {
        const f = document.querySelector('.js-plotly-plot'), l = f._fullLayout, box = f.getBoundingClientRect();
        const left = (x) => box.x + l.xaxis._offset + l.xaxis.d2p(x);
        const top = (y) => box.y + l.yaxis._offset + l.yaxis.d2p(y);
        return f.data.flatMap((t) => t.x.map((x, i) => [t.customdata[i][0], left(x), top(t.y[i])])) }""")
    return [(int(i), float(x), float(y)) for i, x, y in found]


def lasso(page: Page, corners: Sequence[tuple[float, float]]) -> None:
    """Drawn with the mouse, in the screen's pixels."""
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner, steps=8)
    page.mouse.up()


def as_csv(page: Page, figure: Locator) -> list[dict[str, str]]:
    """What a figure's download holds."""
    expect(figure.locator(".main-svg").first).to_be_visible()
    figure.hover()
    with page.expect_download() as download:
        figure.locator("[data-title='Download the data as CSV']").click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))


def is_high_enough(page: Page, main: str) -> None:
    """Waits until the first of the main figures, galleries or pads begins where it is seen without scrolling."""
    page.wait_for_function(
        "([main, highest]) => [...document.querySelectorAll(`.stMain ${main}`)]"
        ".some((one) => one.getBoundingClientRect().height > 0 && one.getBoundingClientRect().top <= highest)",
        arg=[main, _HIGHEST],
    )


def to_dark(page: Page) -> None:
    """From the light theme."""
    ground = "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    before = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    until(lambda: page.evaluate(ground) != before, "dark ground")


def serious(page: Page, *rules: str) -> list[tuple[str, str]]:
    """Rule and element of what axe finds, by these rules or all."""
    options = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    answer = Axe().run(page, context={"exclude": [[one] for one in _STREAMLITS_OWN]}, options=options).response
    assert answer["passes"], "axe looked at nothing"
    return [
        (one["id"], node["html"][:200])
        for one in answer["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
