"""The live figure in a real browser: what stays while data arrives, what a click tells Python, what a theme changes,
what is downloaded.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browser_helpers import FIGURE, opened, plot_area

pytestmark = pytest.mark.slow  # four seconds each

POINTS = f"document.querySelector('{FIGURE}').data.at(-1).x.length"


def x_range(page: Page) -> list[float]:
    values: list[float] = page.evaluate(f"document.querySelector('{FIGURE}').layout.xaxis.range.map(Number)")
    return values


def wait_for_more_points(page: Page, more: int = 2) -> None:
    page.wait_for_function(f"{POINTS} >= {page.evaluate(POINTS) + more}")


def drag(page: Page, start: float, end: float, pause: Callable[[], None] | None = None) -> None:
    """A zoom drawn by mouse over the shares `start` to `end` of the plot's width."""
    area = plot_area(page)
    middle = area["y"] + area["height"] / 2
    page.mouse.move(area["x"] + start * area["width"], middle)
    page.mouse.down()
    page.mouse.move(area["x"] + (start + end) / 2 * area["width"], middle, steps=4)
    if pause:
        pause()
    page.mouse.move(area["x"] + end * area["width"], middle, steps=4)
    page.mouse.up()


def zoomed(page: Page, low: float, high: float) -> None:
    page.wait_for_function(
        f"(() => {{ const [a, b] = document.querySelector('{FIGURE}').layout.xaxis.range; return Math.abs(a - {low}) <"
        f" 3 && Math.abs(b - {high}) < 3 }})()"
    )


def test_many_curves_leave_the_plot_its_height(page: Page, components: str) -> None:
    page.set_viewport_size({"width": 600, "height": 800})
    opened(page, f"{components}/crowded")
    # As high as with one row, which 260 pixels of figure leave 160 of.
    page.wait_for_function(f"document.querySelector('{FIGURE}').clientHeight > 300")
    assert plot_area(page)["height"] > 140
    place = f"document.querySelector('{FIGURE}').closest('.stElementContainer')"
    assert page.evaluate(f"{place}.clientHeight >= {place}.scrollHeight"), "the figure is scrolled within its place"


def test_points_arrive_while_element_zoom_and_hidden_curve_stay(page: Page, components: str) -> None:
    opened(page, components)
    page.evaluate(f"document.querySelector('{FIGURE}').taggedByTest = true")
    drag(page, 0.1, 0.4)
    zoomed(page, 20, 80)
    before = x_range(page)
    page.locator(f"{FIGURE} .legendtoggle").first.click()
    page.wait_for_function(f"document.querySelector('{FIGURE}').data[0].visible === 'legendonly'")

    wait_for_more_points(page, 4)

    assert x_range(page) == before
    assert page.evaluate(f"document.querySelector('{FIGURE}')._fullData.map((trace) => trace.visible)") == [
        "legendonly",
        True,
    ]
    assert page.evaluate(f"document.querySelector('{FIGURE}').taggedByTest")
    assert page.locator("script[src*='app/static/plotly-']").count() == 1


def test_a_zoom_being_drawn_is_not_cut_off_by_a_refresh(page: Page, components: str) -> None:
    opened(page, components)
    points = page.evaluate(POINTS)
    drag(page, 0.2, 0.6, pause=lambda: page.wait_for_timeout(1500))
    zoomed(page, 40, 120)
    page.wait_for_function(f"{POINTS} >= {points + 3}")  # what arrived under the drag is drawn after it
    zoomed(page, 40, 120)


def test_a_double_click_shows_everything_again_and_new_data_does_not_bring_the_zoom_back(
    page: Page, components: str
) -> None:
    opened(page, components)
    drag(page, 0.1, 0.4)
    zoomed(page, 20, 80)
    area = plot_area(page)
    page.mouse.dblclick(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    zoomed(page, 0, 200)
    wait_for_more_points(page)
    zoomed(page, 0, 200)


def test_a_zoom_survives_leaving_the_page_and_coming_back(page: Page, components: str) -> None:
    opened(page, components)
    drag(page, 0.1, 0.4)
    zoomed(page, 20, 80)
    before = x_range(page)
    page.get_by_role("link", name="Still").click()
    page.get_by_text("cell None").wait_for()
    page.get_by_role("link", name="Live").click()
    page.get_by_text("points ").wait_for()
    page.wait_for_selector(f"{FIGURE} .main-svg")
    zoomed(page, 20, 80)
    wait_for_more_points(page)
    assert x_range(page) == before
    area = plot_area(page)
    page.mouse.dblclick(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    zoomed(page, 0, 200)


def test_an_unchanged_figure_is_not_drawn_again(page: Page, components: str) -> None:
    opened(page, f"{components}/still")
    page.wait_for_function(f"[...document.querySelectorAll('{FIGURE}')].every((figure) => figure.data)")
    page.evaluate(
        f"window.draws = 0; document.querySelectorAll('{FIGURE}').forEach((f) => f.on('plotly_afterplot', () => {{"
        " window.draws += 1 }))"
    )
    page.get_by_role("button", name="Run it again").click()
    page.get_by_text("runs 2").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("window.draws") == 0


def test_the_theme_recolors_a_figure_that_is_already_drawn(page: Page, components: str) -> None:
    page.emulate_media(color_scheme="light")
    opened(page, f"{components}/still")
    probe = (
        f"(() => {{ const l = document.querySelector('{FIGURE}')._fullLayout; return [l.font.color, l.yaxis.linecolor,"
        " l.hoverlabel.bgcolor] })()"
    )
    light = page.evaluate(probe)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"JSON.stringify({probe}) !== {json.dumps(json.dumps(light, separators=(',', ':')))}")
    page.wait_for_timeout(300)
    dark = page.evaluate(probe)
    assert all(one != other for one, other in zip(light, dark, strict=True))
    title = page.locator(f"{FIGURE} .gtitle").first.evaluate("(title) => getComputedStyle(title).fill")
    # Light letters on a dark page.
    assert sum(map(int, title.removeprefix("rgb(").removesuffix(")").split(","))) > 3 * 200


def test_a_click_on_a_cell_reaches_python_once_and_class_names_stay_text(page: Page, components: str) -> None:
    opened(page, f"{components}/still")
    expect(page.locator(FIGURE).first.locator(".ytick text").last).to_have_text("<b>bold</b>")
    area = plot_area(page)
    page.mouse.move(area["x"] + area["width"] * 0.7, area["y"] + area["height"] * 0.2)
    page.mouse.click(area["x"] + area["width"] * 0.75, area["y"] + area["height"] * 0.25)
    page.get_by_text("cell [0, 1]").wait_for()
    page.get_by_role("button", name="Run it again").click()
    page.get_by_text("cell None").wait_for()


@pytest.mark.parametrize(
    ("title", "suffix", "begins"), [("Download as PNG", "png", b"\x89PNG"), ("Download as SVG", "svg", b"<svg")]
)
def test_the_bar_of_a_figure_downloads_it(page: Page, components: str, title: str, suffix: str, begins: bytes) -> None:
    opened(page, f"{components}/still")
    page.locator(FIGURE).first.hover()
    with page.expect_download() as download:
        page.locator(f"{FIGURE} [data-title='{title}']").first.click()
    assert download.value.suggested_filename == f"confusion-matrix-errors-are-off-the-diagonal.{suffix}"
    assert Path(download.value.path()).read_bytes().startswith(begins)


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_a_downloaded_figure_has_the_typeface_of_the_page(page: Page, components: str, kind: str) -> None:
    opened(page, f"{components}/still")
    title = page.locator(f"{FIGURE} .gtitle").first
    page.evaluate("document.fonts.ready")
    wanted, plain = title.evaluate(
        "(title) => { const style = getComputedStyle(title), pen = document.createElement('canvas').getContext('2d');"
        " pen.font = `${style.fontWeight} ${style.fontSize} sans-serif`;"
        " return [title.getBoundingClientRect().width, pen.measureText(title.textContent).width] }"
    )
    assert abs(wanted - plain) > 8  # of another font it would be seen
    page.locator(FIGURE).first.hover()
    with page.expect_download() as download:
        page.locator(f"{FIGURE} [data-title='Download as {kind}']").first.click()
    content = Path(download.value.path()).read_bytes()
    mime = "image/png" if kind == "PNG" else "image/svg+xml"
    # The words of the title reach from 10 pixels, where they begin, to the last pixel that is not the ground.
    ends = """async (source) => {
        const image = new Image(); image.src = source; await image.decode();
        const canvas = document.createElement('canvas'), scale = image.width / %d;
        Object.assign(canvas, { width: image.width, height: image.height });
        const pen = canvas.getContext('2d'); pen.drawImage(image, 0, 0);
        const { data, width } = pen.getImageData(0, 0, image.width, Math.round(24 * scale)); let last = 0;
        for (let i = 0; i < data.length; i += 4)
            if (Math.abs(data[i] - data[0]) > 60) last = Math.max(last, (i / 4) %% width);
        return last / scale }"""
    here = page.locator(FIGURE).first.evaluate("(figure) => figure.clientWidth")
    last = page.evaluate(ends % here, f"data:{mime};base64,{base64.b64encode(content).decode()}")
    assert last - 10 == pytest.approx(wanted, abs=3)


def test_the_bar_of_a_narrow_figure_does_not_cover_its_title(page: Page, components: str) -> None:
    opened(page, f"{components}/narrow")
    figures = page.locator(FIGURE)
    expect(figures).to_have_count(3)
    for number, words in enumerate(("used right of τ", "Short", "marked right of τ")):
        figure = figures.nth(number)
        expect(figure.locator(".gtitle")).to_contain_text(words)
        assert figure.evaluate("(one) => one.clientWidth") <= 330
        figure.hover()
        expect(figure.locator(".modebar-group").first).to_have_css("opacity", "1")
        title, bar = figure.locator(".gtitle").bounding_box(), figure.locator(".modebar").bounding_box()
        assert title is not None
        assert bar is not None
        apart = title["x"] + title["width"] <= bar["x"] or title["y"] + title["height"] <= bar["y"]
        assert apart, (title, bar)
        for label in figure.locator(".annotation-text").all():
            what = label.bounding_box()
            assert what is not None
            assert what["y"] + what["height"] <= bar["y"], (what, bar)
        # Where there is room it stands in the line of the title.
        assert (title["y"] + title["height"] > bar["y"]) == (words == "Short")


def test_a_finger_sees_no_bar(browser: Browser, components: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = opened(context.new_page(), f"{components}/still")
    page.locator(FIGURE).first.tap()
    expect(page.locator(f"{FIGURE} .gtitle").first).to_be_visible()
    expect(page.locator(f"{FIGURE} .modebar-btn")).to_have_count(0)
    # Whoever has the page read aloud finds the table nevertheless.
    page.locator(FIGURE).first.get_by_role("button", name="Show as table").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("row")).to_have_count(4)
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    context.close()


def test_the_name_of_a_figure_says_what_it_shows(page: Page, components: str) -> None:
    opened(page, f"{components}/still")
    expect(page.locator(FIGURE).first).to_have_accessible_name(
        "Confusion matrix: errors are off the diagonal. correct: largest 100.0 % at predicted class b, true class b;"
        " errors: largest 16.7 % at predicted class b, true class <b>bold</b>."
    )
    expect(page.locator(FIGURE).last).to_have_accessible_name(re.compile("largest 90.0 % at a"))
    opened(page, f"{components}/crowded")
    first = "accuracy of something with a long name, number 0: last 1 at step 1; "
    expect(page.locator(FIGURE)).to_have_accessible_name(re.compile(f"^Accuracy. {first}.*; and 4 more.$"))


def test_a_live_figure_says_anew_what_it_shows_but_not_with_every_point(page: Page, components: str) -> None:
    opened(page, components)
    page.evaluate(
        f"window.said = []; new MutationObserver(() => said.push(performance.now())).observe("
        f"document.querySelector('{FIGURE}'), {{attributes: true, attributeFilter: ['aria-label']}})"
    )
    points = page.evaluate(POINTS)
    page.wait_for_function("window.said.length >= 2")
    first, second = page.evaluate("window.said.slice(0, 2)")
    assert second - first > 4900
    assert page.evaluate(POINTS) >= points + 4
    label = page.locator(FIGURE).get_attribute("aria-label") or ""
    (step,) = re.findall(r"rising: last \d+ at step (\d+)", label)
    assert int(step) > points


def test_the_data_of_a_figure_opens_as_a_table_by_keyboard(page: Page, components: str) -> None:
    opened(page, f"{components}/still")
    figure = page.locator(FIGURE).first
    button = figure.get_by_role("button", name="Show as table")
    figure.locator(".modebar-btn").first.focus()
    while not button.evaluate("(one) => one === document.activeElement"):
        page.keyboard.press("Tab")
    expect(figure.locator(".modebar-group").first).to_have_css("opacity", "1")
    page.keyboard.press("Enter")
    shown = page.get_by_role("dialog", name="Confusion matrix: errors are off the diagonal, as a table")
    heads = ["true class", "predicted class", "images", "share of the true class"]
    expect(shown.get_by_role("columnheader")).to_have_text(heads)
    rows = shown.get_by_role("row").filter(has=page.get_by_role("cell"))
    expect(rows).to_have_count(3)  # no image is in the fourth cell
    expect(rows.first.get_by_role("cell")).to_have_text(["<b>bold</b>", "<b>bold</b>", "5", "0.8333"])
    page.keyboard.press("Escape")
    expect(shown).to_have_count(0)
    expect(button).to_be_focused()


def test_figures_fit_a_phone_and_follow_the_width_of_the_window(page: Page, components: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, f"{components}/still")
    width = f"document.querySelector('{FIGURE} .main-svg').clientWidth"
    assert 250 < page.evaluate(width) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 800, "height": 844})
    page.wait_for_function(f"{width} > 500")


def test_one_sentence_stands_where_a_figure_would_be_if_its_script_does_not_load(page: Page, components: str) -> None:
    page.route("**/app/static/plotly-*", lambda route: route.abort())
    page.goto(f"{components}/still")
    sentence = (
        "This figure cannot be drawn because its script did not load: reload the page, and if that does not help,"
        " restart the app."
    )
    expect(page.locator(FIGURE).first).to_have_text(sentence)
    expect(page.locator(FIGURE).last).to_have_text(sentence)
