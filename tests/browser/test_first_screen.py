"""What docs/DESIGN_LANGUAGE.md promises of the first screen, and the panel that an image opens on every page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.lab.executors.inline import train
from engine.runs.folder import RunFolder
from engine.runs.store import Run, Store
from tests.browser.browser_helpers import is_high_enough, serious
from tests.browser.conftest import REPOSITORY, Serve, Studied, warm
from tests.waiting import until

pytestmark = pytest.mark.slow
LEAST_PLOT = 180  # pixels of height within a figure's axes, whatever its legend


@pytest.mark.parametrize(
    ("where", "main"),
    [
        ("train", ".fewlab-figure"),
        ("pseudo_labels", ".fewlab-figure"),
        ("space", ".fewlab-figure"),
        ("errors", ".fewlab-figure"),
        ("compare", ".fewlab-figure"),
        ("predict", ".fewlab-pad"),
        ("", "[class*=st-key-card_]"),
        ("runs", "[data-testid=stDataFrame]"),
    ],
)
def test_the_answer_is_on_the_first_screen(page: Page, studied: Studied, run: Run, where: str, main: str) -> None:
    page.goto(f"{studied.url}/{where}?run={run.id}")
    # Beside the form of Train stand the labeled images, which are no answer.
    shown = page.locator(f".stMain {main}").filter(visible=True).first
    expect(shown).to_be_visible()
    if main == ".fewlab-figure":
        expect(shown.locator(".main-svg").first).to_be_visible()
    is_high_enough(page, main)


@pytest.mark.parametrize("where", ["pseudo_labels", "errors"])
def test_header_run_and_evaluation_take_at_most_150_pixels(page: Page, studied: Studied, run: Run, where: str) -> None:
    page.goto(f"{studied.url}/{where}?run={run.id}")
    slider = page.locator(".stMain [data-testid=stSlider]").filter(has_text="Evaluation after step")
    expect(slider).to_be_visible()
    header = page.locator(".st-key-page_header")

    def height() -> float:
        return float(
            slider.evaluate("(one) => one.getBoundingClientRect().bottom")
            - header.evaluate("(one) => one.getBoundingClientRect().top")
        )

    until(lambda: height() <= 150, "all three within 150 pixels")


def test_candidates_are_on_the_first_screen_and_an_image_opens_the_panel(
    tmp_path: Path, serve: Serve, page: Page
) -> None:
    config = {
        "data": {"name": "digits", "labels": {"kind": "partial"}},
        "method": {"name": "proden"},
        "budget": {"steps": 10, "batch_size": 16, "evaluate_every": 5},
        "hardware": {"device": "cpu", "threads": 1},
    }
    partial = train(config, tmp_path / "checkpoints")
    url = serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(tmp_path / "checkpoints")})
    for where in ("candidates", "train"):
        page.goto(f"{warm(url, page.context)}/{where}?run={partial.id}")
        expect(page.locator(".stMain .fewlab-figure .main-svg").first).to_be_visible()
        is_high_enough(page, ".fewlab-figure")
        weighed = page.locator("[class*=st-key-candidates_open_], [class*=st-key-train_candidate_]").first
        image = weighed.locator(".fewlab-gallery button")
        sample = image.get_attribute("data-id")
        image.click()
        panel = page.get_by_role("dialog")
        expect(panel).to_be_in_viewport()
        expect(panel.get_by_text(f"Image {sample}")).to_be_visible()
        expect(panel.get_by_text("Nearest labeled images")).to_be_hidden()  # no label is certain here
        assert serious(page) == []


def test_another_run_behind_takes_no_height_from_the_first_screen(
    tmp_path: Path, serve: Serve, page: Page, run: Run
) -> None:
    """The numbers that say what differs stand beside the figures, not below them."""
    runs = Store(shutil.copytree(run.folder.path.parent, tmp_path / "checkpoints"))
    config = run.folder.config()
    before = shutil.copytree(runs.open(run.id).path, runs.root / f"20250101-000000-{run.id[16:]}")
    RunFolder(before).write_config({**config, "method": {**config["method"], "threshold": 0.7}})
    url = serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(runs.root)})
    page.goto(f"{warm(url, page.context)}/train?run={run.id}")
    page.get_by_role("button", name="Compare with").click()
    page.get_by_role("combobox", name="Compare with").click()
    page.get_by_role("option", name="τ 0.7").click()
    expect(page.get_by_role("button", name="Compared with τ 0.7")).to_be_visible()
    expect(page.get_by_test_id("stMetricDelta").first).to_have_text("±0.0 points")
    expect(page.get_by_test_id("stMetricDelta").first.locator("svg")).to_have_count(0)
    is_high_enough(page, ".fewlab-figure")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_benchmark_opens_in_sight(page: Page, studied: Studied, run: Run, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{studied.url}/compare?runs={run.id}")
    page.get_by_role("button", name="Benchmark").click()
    expect(page.get_by_role("button", name="Start 2 runs")).to_be_in_viewport(ratio=1)
    expect(page.get_by_label("Images, labels, network and steps as in")).to_be_in_viewport(ratio=1)


def test_the_file_of_a_figure_says_what_it_shows_and_of_which_run(page: Page, studied: Studied, run: Run) -> None:
    page.goto(f"{studied.url}/train?run={run.id}")
    figure = page.locator(".st-key-train_accuracy .fewlab-figure")
    expect(figure.locator(".main-svg").first).to_be_visible()
    figure.hover()
    with page.expect_download() as download:
        figure.locator("[data-title='Download the data as CSV']").click()
    assert download.value.suggested_filename == f"accuracy-{run.id}.csv"


@pytest.mark.parametrize(("height", "least", "most"), [(800, 500, 560), (1200, 800, 980)])
def test_the_map_fills_a_tall_window_and_its_lower_edge_stays_in_it(
    page: Page, studied: Studied, run: Run, height: int, least: int, most: int
) -> None:
    page.set_viewport_size({"width": 1920, "height": height})
    page.goto(f"{studied.url}/space?run={run.id}")
    expect(page.locator(".stMain .fewlab-figure .main-svg").first).to_be_visible()
    page.wait_for_function(
        "([least, most]) => { const box = document.querySelector('.stMain .fewlab-figure')?.getBoundingClientRect();"
        " return box?.height >= least && box.height <= most && box.bottom <= innerHeight; }",
        arg=[least, most],
    )


@pytest.mark.parametrize("where", ["train", "pseudo_labels", "compare"])
def test_a_legend_takes_no_height_from_a_plot(page: Page, studied: Studied, run: Run, where: str) -> None:
    page.goto(f"{studied.url}/{where}?run={run.id}")
    expect(page.locator(".fewlab-figure .main-svg").first).to_be_visible()
    # A figure is drawn a second time where its legend has more than one row.
    page.wait_for_function(
        "(least) => { const heights = [...document.querySelectorAll('.fewlab-figure')]"
        ".map((one) => one._fullLayout?._size?.h).filter((height) => height !== undefined);"
        " return heights.length > 0 && Math.min(...heights) >= least; }",
        arg=LEAST_PLOT,
    )


def test_what_stands_below_a_figure_does_not_move_when_it_is_drawn(page: Page, studied: Studied, run: Run) -> None:
    page.add_init_script(
        "window.apart = []; const look = () => {"
        " const [above, below] = ['train_loss', 'train_mask'].map((key) => document.querySelector(`.st-key-${key}`));"
        " const top = (one) => one.getBoundingClientRect().top;"
        " if (above && below) window.apart.push(top(below) - top(above));"
        " requestAnimationFrame(look); }; look();"
    )
    page.goto(f"{studied.url}/train?run={run.id}")
    expect(page.locator(".st-key-train_mask .main-svg").first).to_be_visible()
    least, most = page.evaluate("[Math.min(...window.apart), Math.max(...window.apart)]")
    # A second row of a legend, once it is measured, is all that may be added.
    assert least >= 325
    assert most - least <= 30


@pytest.mark.parametrize("where", ["train", "pseudo_labels", "errors"])
def test_an_image_opens_one_panel_in_sight_and_escape_closes_it(
    page: Page, studied: Studied, run: Run, where: str
) -> None:
    page.goto(f"{studied.url}/{where}?run={run.id}")
    # The gallery of a page is the last one drawn: on Train the form has one too, of images of no run.
    captioned = page.locator(".fewlab-gallery button").filter(has_text="%").first
    captioned.click()
    panel = page.get_by_role("dialog")
    expect(panel).to_be_in_viewport()
    expect(panel.get_by_text("true class").first).to_be_visible()
    expect(panel.get_by_text("Nearest labeled images")).to_be_visible()
    before = panel.locator(".fewlab-gallery button").first.get_attribute("data-id")
    near = panel.locator(".fewlab-gallery").nth(1).locator("button").first
    wanted = near.get_attribute("data-id")
    assert wanted != before
    # Escape is heard where the focus is: it must not leave the panel for a moment, however long the next image takes.
    panel.evaluate(
        "(panel) => { window.focusLost = false; new MutationObserver(() => {"
        " window.focusLost ||= !panel.contains(document.activeElement); })"
        ".observe(panel, {childList: true, subtree: true}); }"
    )
    near.click()
    expect(panel.locator(f".fewlab-gallery button[data-id='{wanted}']").first).to_be_visible()
    expect(panel.get_by_text(f"Image {wanted}")).to_be_visible()
    expect(panel.locator(".fewlab-gallery").nth(1).locator(f"button[data-id='{wanted}']")).to_have_count(0)
    assert not page.evaluate("window.focusLost")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_what_is_drawn_is_classified_after_the_stroke_and_the_pad_can_be_emptied(
    page: Page, studied: Studied, run: Run
) -> None:
    page.goto(f"{studied.url}/predict?run={run.id}")
    pad = page.locator(".fewlab-pad canvas")
    expect(pad).to_be_visible()
    expect(page.get_by_text("Draw something that the model knows")).to_be_visible()
    box = pad.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 40, steps=8)
    page.mouse.up()
    expect(page.get_by_text("network input")).to_be_visible()
    page.get_by_text("Where does it look?").click()
    expect(page.get_by_text("where it looks").or_(page.get_by_text("No single part matters"))).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Draw something that the model knows")).to_be_visible()
    expect(page.get_by_role("button", name="Clear")).to_be_disabled()


def test_the_sidebar_says_on_a_page_of_another_run_that_nothing_trains(page: Page, studied: Studied, run: Run) -> None:
    page.goto(f"{studied.url}/errors?run={run.id}")
    expect(page.get_by_test_id("stSidebar").get_by_text("Nothing is training.")).to_be_visible()


def test_a_tour_leads_through_four_pages_and_never_comes_back(page: Page, studied: Studied) -> None:
    seen = studied.checkpoints / ".tour.json"
    seen.unlink(missing_ok=True)
    page.goto(studied.url)
    sidebar = page.get_by_test_id("stSidebar")
    for number, name in ((1, "Train"), (2, "Pseudo-labels"), (3, "Data")):
        expect(sidebar.get_by_text(f"Tour, step {number} of 4")).to_be_visible()
        sidebar.get_by_role("button", name="Next").click()
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    sidebar.get_by_role("button", name="Done").click()
    expect(sidebar.get_by_text("Tour, step")).to_have_count(0)
    page.reload()
    expect(sidebar.get_by_text("Nothing is training.")).to_be_visible()
    expect(sidebar.get_by_text("Tour, step")).to_have_count(0)


def test_who_wants_no_tour_is_not_asked_again(page: Page, studied: Studied) -> None:
    (studied.checkpoints / ".tour.json").unlink(missing_ok=True)
    page.goto(f"{studied.url}/runs")
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_role("button", name="No tour").click()
    expect(sidebar.get_by_text("Tour, step")).to_have_count(0)
    page.reload()
    expect(sidebar.get_by_text("Nothing is training.")).to_be_visible()
    expect(sidebar.get_by_text("Tour, step")).to_have_count(0)


def test_a_run_before_an_audience_stands_alone_and_larger(page: Page, studied: Studied, run: Run) -> None:
    page.goto(f"{studied.url}/train?run={run.id}")
    figure = page.locator(".stMain .fewlab-figure").filter(has=page.locator(".main-svg")).first
    expect(figure).to_be_visible()
    before = figure.evaluate("(one) => one._fullLayout.font.size")
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.get_by_role("button", name="Start", exact=True)).to_have_count(0)
    page.wait_for_function(
        "(least) => document.querySelector('.st-key-presentation .fewlab-figure')?._fullLayout?.font.size > least",
        arg=1.3 * before,
    )
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible()
    expect(page.get_by_test_id("stSidebar")).to_be_visible()


@pytest.mark.parametrize("name", ["train", "pseudo_labels"])
def test_on_a_telephone_the_three_figures_stand_in_one_row(page: Page, studied: Studied, run: Run, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{studied.url}/{name}?run={run.id}")
    lower_edges = (
        "[...document.querySelectorAll('.stMain [data-testid=stMetric]')].map((one) =>"
        " Math.round(one.getBoundingClientRect().bottom))"
    )
    until(lambda: len(page.evaluate(lower_edges)) == 3, "the three figures")
    until(lambda: len(set(page.evaluate(lower_edges))) == 1, "one row")
