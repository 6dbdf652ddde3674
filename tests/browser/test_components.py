"""The live figure and the gallery in a real browser: what stays while data arrives, what a click tells Python, what a
theme changes.
"""

from __future__ import annotations

import base64
import json
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

pytestmark = pytest.mark.slow  # four seconds each

APP = """
from pathlib import Path
import numpy as np
import streamlit as st
from ui.style import colors, formatting
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.components.plotly_script import write_script
from ui.figures.classification import Bars, confidence_histogram, confusion_matrix, grouped_bars
from ui.figures.curves import Series, line_chart
from ui.figures.space import Coloring, scatter

write_script(Path(__file__).parent / "static")


def live():
    @st.fragment(run_every=0.5)
    def curves():
        n = st.session_state["n"] = st.session_state.get("n", 20) + 1
        x = np.arange(n)
        falling = Series("falling", x, 100 / (x + 1), colors.RIGHT)
        series = [falling, Series("rising", x, x * 1.0, colors.WRONG, "dash")]
        live_figure(line_chart("Values over time", "value", series, x_max=200), key="live", revision="run-1")
        st.text(f"points {n}")
    curves()


def still():
    counts = [[5, 1], [0, 4]]
    matrix = confusion_matrix(counts, ["<b>bold</b>", "b"])
    clicked = live_figure(matrix, key="matrix", revision="r", height=400, clickable=True)
    st.text(f"cell {clicked['customdata'][:2] if clicked else None}")
    figure = grouped_bars("Bars", ["a", "b"], [Bars("one", [0.9, 0.1], "#0087C3")])
    live_figure(figure, key="bars", revision="r", height=200)
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text(f"runs {st.session_state['runs']}")
    st.button("Run it again")


def images():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), np.uint8)
    items = [
        GalleryItem(100 + i, image_uri(p), ("<img src=x onerror=alert(1)>", f"line {i}"), "rgb(1, 2, 3)", "dashed")
        for i, p in enumerate(pixels)
    ]
    st.text(f"clicked {gallery(items, key='images', selected=103)}")


def refreshed():
    pixels = np.zeros((3, 1, 8, 8), np.uint8)

    @st.fragment(run_every=0.3)
    def part():
        n = st.session_state["m"] = st.session_state.get("m", 0) + 1
        clicked = gallery([GalleryItem(i, image_uri(p), (f"{n}",)) for i, p in enumerate(pixels)], key="refreshed")
        if clicked is not None:
            st.session_state["last"] = clicked
        st.text(f"drawn {n}, clicked {st.session_state.get('last')}")
    part()


def crowded():
    names = [f"accuracy of something with a long name, number {i}" for i in range(12)]
    series = [Series(name, [0, 1], [0, 1], colors.class_color(i)) for i, name in enumerate(names)]
    live_figure(line_chart("Accuracy", "accuracy", series), key="crowded", revision="r", height=260)


def narrow():
    with st.container(width=330):
        for title in ("Confidence histogram: used right of τ", "Short"):
            rising = Series("a", [0, 1], [0, 1], colors.RIGHT)
            live_figure(line_chart(title, "value", [rising]), key=title, revision="r")


def chosen():
    edges = [0, 0.25, 0.5, 0.75, 1]
    bars = confidence_histogram([10, 40, 2, 30], [3, 1, 0, 0], None, edges, None)
    bar = live_figure(bars, key="histogram", revision="r", clickable=True)
    st.text(f"bar {bar['customdata'] if bar else None}")
    places = np.array([[0, 0], [1, 0.1], [0.1, 1], [-1, 0], [0, -1], [2, 0]], np.float32)
    tips = [f"image {10 + i}<br>class a" for i in range(6)]
    coloring = Coloring("class", np.zeros(6, np.int64), ["a"], [colors.RIGHT])
    points = scatter(places, np.arange(10, 16), np.zeros(6, bool), tips, coloring, "Map")
    point = live_figure(points, key="map", revision="r", clickable=True, selectable=True)
    st.text(f"point {point['customdata'][0] if point else None}")


pages = [st.Page(live, title="Live", url_path="live", default=True), st.Page(still, title="Still", url_path="still")]
pages.append(st.Page(narrow, title="Narrow", url_path="narrow"))
pages.append(st.Page(chosen, title="Chosen", url_path="chosen"))
pages.append(st.Page(crowded, title="Crowded", url_path="crowded"))
pages.append(st.Page(refreshed, title="Refreshed", url_path="refreshed"))
st.navigation([*pages, st.Page(images, title="Images", url_path="images")]).run()
"""

FIGURE = ".fewlab-figure"
POINTS = f"document.querySelector('{FIGURE}').data.at(-1).x.length"


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(textwrap.dedent(APP), encoding="utf-8")
    return serve(
        folder / "app.py",
        env={"STREAMLIT_SERVER_ENABLE_STATIC_SERVING": "true", "STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"},
    )


def opened(page: Page, address: str) -> Page:
    page.goto(address)
    page.wait_for_selector(f"{FIGURE} .main-svg")
    return page


def x_range(page: Page) -> list[float]:
    values: list[float] = page.evaluate(f"document.querySelector('{FIGURE}').layout.xaxis.range.map(Number)")
    return values


def wait_for_more_points(page: Page, more: int = 2) -> None:
    page.wait_for_function(f"{POINTS} >= {page.evaluate(POINTS) + more}")


def plot_area(page: Page) -> FloatRect:
    box = page.locator(f"{FIGURE} .nsewdrag").first.bounding_box()
    assert box is not None
    return box


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


def test_many_curves_leave_the_plot_its_height(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 600, "height": 800})
    opened(page, f"{url}/crowded")
    # As high as with one row, which 260 pixels of figure leave 160 of.
    page.wait_for_function(f"document.querySelector('{FIGURE}').clientHeight > 300")
    assert plot_area(page)["height"] > 140


def test_points_arrive_while_element_zoom_and_hidden_curve_stay(page: Page, url: str) -> None:
    opened(page, url)
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


def test_a_zoom_being_drawn_is_not_cut_off_by_a_refresh(page: Page, url: str) -> None:
    opened(page, url)
    points = page.evaluate(POINTS)
    drag(page, 0.2, 0.6, pause=lambda: page.wait_for_timeout(1500))
    zoomed(page, 40, 120)
    page.wait_for_function(f"{POINTS} >= {points + 3}")  # what arrived under the drag is drawn after it
    zoomed(page, 40, 120)


def test_a_double_click_shows_everything_again_and_new_data_does_not_bring_the_zoom_back(page: Page, url: str) -> None:
    opened(page, url)
    drag(page, 0.1, 0.4)
    zoomed(page, 20, 80)
    area = plot_area(page)
    page.mouse.dblclick(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    zoomed(page, 0, 200)
    wait_for_more_points(page)
    zoomed(page, 0, 200)


def test_a_zoom_survives_leaving_the_page_and_coming_back(page: Page, url: str) -> None:
    opened(page, url)
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


def test_an_unchanged_figure_is_not_drawn_again(page: Page, url: str) -> None:
    opened(page, f"{url}/still")
    page.wait_for_function(f"[...document.querySelectorAll('{FIGURE}')].every((figure) => figure.data)")
    page.evaluate(
        f"window.draws = 0; document.querySelectorAll('{FIGURE}').forEach((f) => f.on('plotly_afterplot', () => {{"
        " window.draws += 1 }))"
    )
    page.get_by_role("button", name="Run it again").click()
    page.get_by_text("runs 2").wait_for()
    page.wait_for_timeout(500)
    assert page.evaluate("window.draws") == 0


def test_the_theme_recolors_a_figure_that_is_already_drawn(page: Page, url: str) -> None:
    page.emulate_media(color_scheme="light")
    opened(page, f"{url}/still")
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


def test_a_click_on_a_cell_reaches_python_once_and_class_names_stay_text(page: Page, url: str) -> None:
    opened(page, f"{url}/still")
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
def test_the_bar_of_a_figure_downloads_it(page: Page, url: str, title: str, suffix: str, begins: bytes) -> None:
    opened(page, f"{url}/still")
    page.locator(FIGURE).first.hover()
    with page.expect_download() as download:
        page.locator(f"{FIGURE} [data-title='{title}']").first.click()
    assert download.value.suggested_filename == f"confusion-matrix-errors-are-off-the-diagonal.{suffix}"
    assert Path(download.value.path()).read_bytes().startswith(begins)


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_a_downloaded_figure_has_the_typeface_of_the_page(page: Page, url: str, kind: str) -> None:
    opened(page, f"{url}/still")
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


def test_the_bar_of_a_narrow_figure_does_not_cover_its_title(page: Page, url: str) -> None:
    opened(page, f"{url}/narrow")
    figures = page.locator(FIGURE)
    expect(figures).to_have_count(2)
    for number, words in enumerate(("used right of τ", "Short")):
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
        # Where there is room it stands in the line of the title.
        assert (title["y"] + title["height"] > bar["y"]) == (words == "Short")


def test_a_finger_sees_no_bar(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = opened(context.new_page(), f"{url}/still")
    page.locator(FIGURE).first.tap()
    expect(page.locator(f"{FIGURE} .gtitle").first).to_be_visible()
    expect(page.locator(f"{FIGURE} .modebar-btn")).to_have_count(0)
    # Whoever has the page read aloud finds the table nevertheless.
    page.locator(FIGURE).first.get_by_role("button", name="Show as table").press("Enter")
    expect(page.get_by_role("dialog").get_by_role("row")).to_have_count(4)
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    context.close()


def test_the_name_of_a_figure_says_what_it_shows(page: Page, url: str) -> None:
    opened(page, f"{url}/still")
    expect(page.locator(FIGURE).first).to_have_accessible_name(
        "Confusion matrix: errors are off the diagonal. correct: largest 100.0 % at predicted class b, true class b;"
        " errors: largest 16.7 % at predicted class b, true class <b>bold</b>."
    )
    expect(page.locator(FIGURE).last).to_have_accessible_name(re.compile("largest 90.0 % at a"))
    opened(page, f"{url}/crowded")
    first = "accuracy of something with a long name, number 0: last 1 at step 1; "
    expect(page.locator(FIGURE)).to_have_accessible_name(re.compile(f"^Accuracy. {first}.*; and 4 more.$"))


def test_a_live_figure_says_anew_what_it_shows_but_not_with_every_point(page: Page, url: str) -> None:
    opened(page, url)
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


def test_the_data_of_a_figure_opens_as_a_table_by_keyboard(page: Page, url: str) -> None:
    opened(page, f"{url}/still")
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


def middle(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


MARKER = f"{FIGURE} .key-marker"


def test_the_cells_of_a_matrix_are_reached_and_opened_by_keyboard(page: Page, url: str) -> None:
    opened(page, f"{url}/still")
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


def test_bars_are_reached_one_after_the_other_and_in_their_stack(page: Page, url: str) -> None:
    opened(page, f"{url}/chosen")
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


def test_points_of_a_map_are_reached_in_the_direction_of_the_arrow(page: Page, url: str) -> None:
    opened(page, f"{url}/chosen")
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


def test_figures_fit_a_phone_and_follow_the_width_of_the_window(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, f"{url}/still")
    width = f"document.querySelector('{FIGURE} .main-svg').clientWidth"
    assert 250 < page.evaluate(width) <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 800, "height": 844})
    page.wait_for_function(f"{width} > 500")


def test_one_sentence_stands_where_a_figure_would_be_if_its_script_does_not_load(page: Page, url: str) -> None:
    page.route("**/app/static/plotly-*", lambda route: route.abort())
    page.goto(f"{url}/still")
    sentence = (
        "This figure cannot be drawn because its script did not load: reload the page, and if that does not help,"
        " restart the app."
    )
    expect(page.locator(FIGURE).first).to_have_text(sentence)
    expect(page.locator(FIGURE).last).to_have_text(sentence)


def test_a_click_in_the_gallery_and_the_enter_key_reach_python(page: Page, url: str) -> None:
    page.goto(f"{url}/images")
    buttons = page.locator(".fewlab-gallery button")
    expect(buttons).to_have_count(60)
    page.get_by_text("clicked None").wait_for()
    buttons.nth(7).click()
    page.get_by_text("clicked 107").wait_for()
    buttons.nth(7).click()
    page.wait_for_timeout(300)
    expect(page.get_by_text("clicked 107")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("clicked 108").wait_for()
    assert page.evaluate("document.activeElement.dataset.id") == "108"


@pytest.mark.parametrize("part", ["img", "span"])
def test_a_refresh_while_the_mouse_is_down_does_not_take_the_click(page: Page, url: str, part: str) -> None:
    page.goto(f"{url}/refreshed")
    drawn = page.get_by_text(re.compile("^drawn"))
    page.locator(f".fewlab-gallery button:nth-child(2) {part}").hover()
    page.mouse.down()
    before = drawn.inner_text()
    for _ in range(2):  # a whole refresh lies between press and release
        expect(drawn).not_to_have_text(before)
        before = drawn.inner_text()
    page.mouse.up()
    expect(drawn).to_have_text(re.compile("clicked 1$"))


def test_captions_of_the_gallery_stay_text_and_tiny_images_show_their_pixels(page: Page, url: str) -> None:
    page.goto(f"{url}/images")
    first = page.locator(".fewlab-gallery button").first
    expect(first.locator("span").first).to_have_text("<img src=x onerror=alert(1)>")
    end = first.locator(".long > :last-child")  # what names of one kind differ in is seen however long they are
    expect(end).to_have_text("1)>")
    right = "(element) => element.getBoundingClientRect().right"
    assert end.evaluate(right) <= first.evaluate(right)
    assert page.locator(".fewlab-gallery img").count() == 60
    image = first.locator("img")
    expect(image).to_have_css("image-rendering", "pixelated")
    expect(image).to_have_css("border-top-color", "rgb(1, 2, 3)")
    expect(image).to_have_css("border-top-style", "dashed")
    expect(page.locator(".fewlab-gallery [aria-pressed=true]")).to_have_attribute("data-id", "103")


def test_the_gallery_wraps_on_a_phone(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{url}/images")
    buttons = page.locator(".fewlab-gallery button")
    expect(buttons).to_have_count(60)
    rows = {buttons.nth(index).evaluate("(button) => button.offsetTop") for index in range(10)}
    assert len(rows) >= 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
