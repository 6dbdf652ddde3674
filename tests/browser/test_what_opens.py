"""Panels, dialogs and what is unfolded: for a screen reader and for weak eyes, in both themes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from engine.runs.store import Run, Store
from tests.browser.browser_helpers import is_high_enough, serious, to_dark
from tests.browser.conftest import REPOSITORY, Serve, Studied
from tests.fixtures_images import folder_of, grey
from tests.waiting import PATIENCE
from ui.style.theme import INK

pytestmark = pytest.mark.slow


def image(page: Page) -> None:
    page.locator(".fewlab-gallery button").filter(has_text="%").first.click()
    expect(page.get_by_role("dialog").get_by_text("Nearest labeled images")).to_be_visible()


def image_of_no_run(page: Page) -> None:
    page.locator(".st-key-form_images .fewlab-gallery button").first.click()
    expect(page.get_by_role("dialog").get_by_text("true class")).to_be_visible()


def views(page: Page) -> None:
    image(page)
    page.get_by_role("dialog").get_by_text("Its views in training").click()
    drawn = page.get_by_role("dialog").get_by_role("img", name="Strong view")
    expect(drawn).to_have_count(5)


def more_settings(page: Page) -> None:
    for number in range(3):
        page.get_by_text("More settings", exact=True).nth(number).click()
    expect(page.get_by_text("Name of the run")).to_be_visible()
    expect(page.get_by_text("on this machine")).to_be_visible()  # until then the line is drawn again and again


def taken_along(page: Page) -> None:
    page.get_by_role("button", name="Take the model along").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Make the file")).to_be_visible()


def presented(page: Page) -> None:
    expect(page.locator(".st-key-presentation .fewlab-figure .main-svg").first).to_be_visible()


# Text, color with its opacity, and the first ground behind it that is not transparent. Icons are no words, and what
# cannot be pressed may be faint.
WORDS = """() => {
  const numbers = (color) => [...color.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const style = (element) => getComputedStyle(element);
  const unseen = "svg, style, script, button:disabled, [aria-disabled=true]";
  const found = [];
  for (const element of document.querySelectorAll("[role=dialog] *")) {
    const text = [...element.childNodes].map((one) => (one.nodeType === 3 ? one.data.trim() : "")).join("");
    const isSeen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const isIcon = style(element).fontFamily.includes("Material");
    if (!text || !isSeen || isIcon || element.closest(unseen)) continue;
    let opacity = 1, ground = null;
    for (let around = element; around && !ground; around = around.parentElement) {
      opacity *= Number(style(around).opacity);
      const behind = numbers(style(around).backgroundColor);
      if (behind[3] > 0.99) ground = behind.slice(0, 3);
    }
    const color = numbers(style(element).color);
    if (style(element).fontSize !== "0px") found.push([text, [...color.slice(0, 3), color[3] * opacity], ground]);
  }
  return found.filter((one) => one[2]);
}"""


OPENED: dict[str, tuple[str, Callable[[Page], None]]] = {
    "image": ("train?run={}", image),
    "its views": ("pseudo_labels?run={}", views),
    "an image of the form": ("train", image_of_no_run),
    "more settings": ("train", more_settings),
    "the model": ("predict?run={}", taken_along),
    "presentation": ("train?run={}&present=1", presented),
}


@pytest.mark.parametrize("what", list(OPENED))
def test_axe_finds_nothing_serious_in_what_opens(page: Page, studied: Studied, run: Run, what: str) -> None:
    page.emulate_media(color_scheme="light")
    where, opened = OPENED[what]
    page.goto(f"{studied.url}/{where.format(run.id)}")
    opened(page)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    assert serious(page) == []
    assert faint_words(page) == []
    to_dark(page)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    assert faint_words(page) == []
    assert page.get_by_role("dialog").count() or serious(page, "color-contrast") == []


def faint_words(page: Page) -> list[tuple[str, float]]:
    """Words in an open panel with less than 4.5:1 against what is behind them: there axe cannot tell."""
    words: list[tuple[str, list[float], list[float]]] = page.evaluate(WORDS)
    assert words or not page.get_by_role("dialog").count()
    return [(text, contrast(color, ground)) for text, color, ground in words if contrast(color, ground) < 4.5]


def contrast(color: list[float], ground: list[float]) -> float:
    """WCAG 2.2: red, green, blue from 0 to 255, and of the color its opacity."""
    seen = [color[3] * one + (1 - color[3]) * other for one, other in zip(color[:3], ground, strict=True)]
    light, dark = sorted((luminance(seen), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (one / 255 for one in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_small_print_in_a_panel_has_the_color_of_the_theme(page: Page, studied: Studied, run: Run) -> None:
    """A panel lies outside the page's element, which alone has the theme's color scheme."""
    page.goto(f"{studied.url}/train?run={run.id}")
    image(page)
    said = page.get_by_role("dialog").get_by_test_id("stCaptionContainer").first
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark", "light")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        red, green, blue = (int(INK[scheme][i : i + 2], 16) for i in (1, 3, 5))
        expect(said).to_have_css("color", f"rgb({red}, {green}, {blue})")


def test_a_row_of_the_classes_that_were_understood_shows_its_images_alone(
    page: Page, studied: Studied, tmp_path: Path
) -> None:
    files = {f"{name}/{i}.png": grey(60 * k + i) for k, name in enumerate(("dark", "bright")) for i in range(5)}
    page.goto(f"{studied.url}/data")
    path = page.get_by_role("textbox", name="Folder or archive")
    path.fill(str(folder_of(tmp_path / "photos", files)))
    path.press("Enter")
    expect(page.get_by_text("What was understood")).to_be_visible()
    shown = page.locator(".fewlab-gallery button")
    expect(shown).to_have_count(8)
    is_high_enough(page, ".fewlab-gallery")
    expect(shown.first).to_be_disabled()  # nothing opens before they are imported
    assert serious(page) == []
    page.get_by_test_id("stDataFrame").click(position={"x": 16, "y": 35 + 17})  # the box of the first row
    expect(shown).to_have_count(4)
    expect(shown.filter(has_text="bright")).to_have_count(4)


def test_an_image_opens_that_is_clicked_just_when_its_run_has_ended(
    page: Page, serve: Serve, tmp_path: Path, run: Run
) -> None:
    """The page looks for the end every two seconds: what is clicked before it does is not lost to its new drawing."""
    runs = Store(shutil.copytree(run.folder.path.parent, tmp_path / "checkpoints"))
    folder, ended = runs.open(run.id), run.status
    with runs.lock():  # as another FewLab would that trains it
        folder.write_status(replace(ended, state="running", seconds=60.0, heartbeat=time.time() + PATIENCE))
        url = serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(runs.root)})
        page.goto(f"{url}/train?run={run.id}")
        expect(page.get_by_text("final evaluation …").first).to_be_visible()
        image = page.locator(".stMain .fewlab-gallery button").filter(has_text="%").first
        image.hover()
        folder.write_status(ended)
        image.click()
        expect(page.get_by_role("dialog")).to_be_in_viewport()
        # The page has followed as well: this button is not the polling part's.
        expect(page.get_by_role("button", name="Predict with it")).to_be_attached()
