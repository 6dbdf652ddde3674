"""The pages that look into a run, in a real browser: each number and image is the one that the run left on disk,
counted here by hand.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from engine.runs.store import Run
from engine.runs.stored_images import StoredImages, load_stored_images
from tests.browser.browser_helpers import as_csv
from tests.browser.conftest import Studied
from tests.waiting import until
from ui.components.gallery import image_uri


@pytest.fixture
def url(studied: Studied) -> str:
    return studied.url


@pytest.fixture
def images(studied: Studied) -> StoredImages:
    return load_stored_images(
        studied.checkpoints, next(event["pictures"] for event in studied.run.folder.events() if event.get("pictures"))
    )


def stored(run: Run, part: int, step: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Ids and probabilities, straight from the file."""
    files = sorted(run.folder.snapshots.glob("*.npz"))
    with np.load(files[-1] if step is None else run.folder.snapshots / f"{step:08d}.npz") as arrays:
        rows = arrays["part"] == part
        return arrays["ids"][rows], arrays["probabilities"][rows]


def tile(page: Page, label: str) -> Locator:
    return page.get_by_test_id("stMetric").filter(has_text=label).get_by_test_id("stMetricValue")


def opened(page: Page, url: str, where: str, run: Run) -> None:
    page.goto(f"{url}/{where}?run={run.id}")
    expect(page.locator("h1")).to_be_visible()


def gallery(page: Page, number: int = 0) -> list[tuple[int, str]]:
    """Id and image of each button of the gallery, in order."""
    found = page.evaluate(
        "n => [...(document.querySelectorAll('.fewlab-gallery')[n]?.querySelectorAll('button') ?? [])].map((b) =>"
        " [Number(b.dataset.id), b.querySelector('img').src])",
        number,
    )
    return [(int(sample), str(source)) for sample, source in found]


@pytest.mark.slow
def test_the_threshold_that_is_slid_to_counts_the_stored_confidences(
    page: Page, url: str, run: Run, images: StoredImages
) -> None:
    opened(page, url, "pseudo_labels", run)
    ids, probabilities = stored(run, part=1)
    truth = images.labels[np.searchsorted(images.ids, ids)]
    slider = page.get_by_role("slider", name=re.compile("^Threshold"))
    slider.focus()
    threshold = 0.9
    for press, times in (("ArrowLeft", 3), ("ArrowRight", 6)):
        for _ in range(times):
            slider.press(press)
            threshold = round(threshold + (0.01 if press == "ArrowRight" else -0.01), 2)
        above = [i for i in range(len(ids)) if float(probabilities[i].max()) >= threshold]
        correct = sum(int(probabilities[i].argmax()) == truth[i] for i in above)
        expect(tile(page, "Incorrect pseudo-labels")).to_have_text(str(len(above) - correct))
        expect(tile(page, "Above threshold")).to_have_text(f"{100 * len(above) / len(ids):.1f} %")
        expect(tile(page, "Pseudo-label accuracy")).to_have_text(f"{100 * correct / len(above):.1f} %")
        expect(page.get_by_role("button", name=f"Retrain at {threshold:.2f}")).to_be_visible()


def test_the_images_beside_the_histogram_are_those_next_to_the_threshold(page: Page, url: str, run: Run) -> None:
    opened(page, url, "pseudo_labels", run)
    figure = page.locator(".fewlab-figure").first
    images = page.locator(".fewlab-gallery").first
    expect(figure.locator(".main-svg").first).to_be_visible()
    expect(figure).to_be_in_viewport(ratio=1)
    expect(images.locator("button").nth(11)).to_be_in_viewport(ratio=1)
    left, right = figure.bounding_box(), images.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] <= right["x"]
    ids, probabilities = stored(run, part=1)
    confidence = {int(sample): float(p.max()) for sample, p in zip(ids, probabilities, strict=True)}

    def lowest(threshold: float) -> list[float]:
        return sorted(value for value in confidence.values() if value >= threshold)[:24]

    def shown() -> list[float]:
        return [confidence[sample] for sample, _ in gallery(page)]

    until(lambda: shown() == lowest(0.9), "those just above 0.90")
    slider = page.get_by_role("slider", name=re.compile("^Threshold"))
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    assert lowest(0.87) != lowest(0.9)
    until(lambda: shown() == lowest(0.87), "those just above 0.87")


def test_the_most_confident_errors_are_those_and_a_click_opens_one_images_history(
    page: Page, url: str, run: Run, images: StoredImages
) -> None:
    opened(page, url, "pseudo_labels", run)
    ids, probabilities = stored(run, part=1)
    truth = images.labels[np.searchsorted(images.ids, ids)]
    wrong = [i for i in range(len(ids)) if int(probabilities[i].argmax()) != truth[i]]
    expected = {int(ids[i]) for i in sorted(wrong, key=lambda i: -float(probabilities[i].max()))[:24]}
    page.get_by_text("Confident errors", exact=True).click()
    until(lambda: {sample for sample, _ in gallery(page)} <= {int(ids[i]) for i in wrong}, "errors alone")
    until(lambda: len(gallery(page)) == min(24, len(wrong)), "the gallery")
    shown = gallery(page)
    assert {float(probabilities[list(ids).index(sample)].max()) for sample, _ in shown} == {
        float(probabilities[list(ids).index(sample)].max()) for sample in expected
    }
    for sample, source in shown:
        assert source == image_uri(np.asarray(images.images[int(np.searchsorted(images.ids, sample))]))
    sample = shown[0][0]
    page.locator(".fewlab-gallery button").first.click()
    expect(page.get_by_text(f"Image {sample}")).to_be_visible()
    predicted = {}
    for step in run.folder.snapshot_steps():
        at, p = stored(run, 1, step)
        predicted[step] = int(p[list(at).index(sample)].argmax())
    steps = list(predicted)
    flips = [after for before, after in itertools.pairwise(steps) if predicted[before] != predicted[after]]
    words = (
        f"The prediction changed at step {', '.join(f'{step:,}' for step in flips)}."
        if flips
        else "The prediction never changed."
    )
    expect(page.get_by_text(words)).to_be_visible()


@pytest.mark.slow
def test_a_number_of_images_opens_them_and_one_of_them_leads_back(
    page: Page, url: str, run: Run, images: StoredImages
) -> None:
    opened(page, url, "pseudo_labels", run)
    ids, probabilities = stored(run, part=1)
    truth = images.labels[np.searchsorted(images.ids, ids)]
    wrong = {
        int(ids[i])
        for i in range(len(ids))
        if float(probabilities[i].max()) >= 0.9 and int(probabilities[i].argmax()) != truth[i]
    }
    expect(tile(page, "Incorrect pseudo-labels")).to_have_text(str(len(wrong)))
    page.get_by_role("button", name="Show images: Incorrect pseudo-labels").click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_text(f"Incorrect pseudo-labels at τ = 0.90: {len(wrong)}")).to_be_visible()
    shown = panel.locator(".fewlab-gallery button")
    expect(shown).to_have_count(len(wrong))
    assert {int(sample) for sample in shown.evaluate_all("all => all.map((one) => one.dataset.id)")} == wrong
    shown.first.click()
    expect(panel.get_by_text("Nearest labeled images")).to_be_visible()
    panel.get_by_role("button", name=f"All {len(wrong)} images").click()
    expect(shown).to_have_count(len(wrong))
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    selected = sum(
        float(probabilities[i].max()) >= 0.9 and int(probabilities[i].argmax()) == truth[i] for i in range(len(ids))
    )
    page.get_by_role("button", name="Show images: Pseudo-label accuracy").click()
    expect(panel.get_by_text(f"Correct pseudo-labels at τ = 0.90: {selected:,}")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    # The last bar of the histogram: the bottom layer, predictions of 0.95 and more that are correct.
    right = sum(
        float(probabilities[i].max()) >= 0.95 and int(probabilities[i].argmax()) == truth[i] for i in range(len(ids))
    )
    box = page.locator(".fewlab-figure .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * 0.975, box["y"] + box["height"] - 4)
    expect(panel.get_by_text(f"Correct, confidence 0.95–1.00: {right:,}")).to_be_visible()


@pytest.mark.slow
def test_playing_goes_through_all_evaluations_to_the_last(page: Page, url: str, run: Run) -> None:
    opened(page, url, "pseudo_labels", run)
    steps = run.folder.snapshot_steps()
    page.locator(".fewlab-figure .main-svg").first.wait_for()
    # All that the address says, one after the other: a look from here may come between two of them, or too late.
    page.evaluate(
        """() => { window.shown = []; for (const name of ["pushState", "replaceState"]) {
          const was = history[name].bind(history);
          history[name] = (state, title, url) => { window.shown.push(String(url)); return was(state, title, url); };
        } }"""
    )
    page.get_by_role("button", name="Play").click()

    def shown() -> list[int]:
        found = [re.search(r"step=(\d+)", address) for address in page.evaluate("window.shown")]
        return [int(step[1]) for step in found if step]

    until(lambda: len(set(shown())) > 1 and shown()[-1] == steps[-1], f"the last of {steps}")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    assert list(dict.fromkeys(shown())) == steps
    expect(tile(page, "Above threshold")).to_have_text(
        f"{100 * float((stored(run, 1)[1].max(1).astype(float) >= 0.9).mean()):.1f} %"
    )


def test_a_cell_of_the_confusion_matrix_opens_exactly_its_images(
    page: Page, url: str, run: Run, images: StoredImages
) -> None:
    opened(page, url, "errors", run)
    ids, probabilities = stored(run, part=3)
    truth = images.labels[np.searchsorted(images.ids, ids)]
    counts = np.zeros((10, 10), int)
    for i in range(len(ids)):
        counts[truth[i], probabilities[i].argmax()] += 1
    true, predicted = 4, 4
    expected = {int(ids[i]) for i in range(len(ids)) if truth[i] == true and probabilities[i].argmax() == predicted}
    page.wait_for_selector(".fewlab-figure .nsewdrag")
    box = page.locator(".fewlab-figure .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] * (predicted + 0.5) / 10, box["y"] + box["height"] * (true + 0.5) / 10)
    expect(
        page.get_by_text(f"{len(expected)} of {counts[true].sum()} images of class 4 correctly classified")
    ).to_be_visible()
    # Those of the most frequent confusion stay until these are drawn.
    until(
        lambda: len(there := {i for i, _ in gallery(page)}) == min(36, len(expected)) and there <= expected,
        "the images of the cell",
    )
    shown = gallery(page)
    for sample, source in shown:
        assert source == image_uri(np.asarray(images.images[int(np.searchsorted(images.ids, sample))]))

    # One of them opens: all that was ever predicted for it.
    sample = shown[0][0]
    page.locator(".fewlab-gallery button").first.click()
    expect(page.get_by_text(f"Image {sample} · 8 x 8 px · true class 4")).to_be_visible()
    row = probabilities[list(ids).index(sample)].astype(float)
    expect(page.get_by_text(f"4 ({100 * row[4]:.1f} %)")).to_be_visible()


@pytest.mark.slow
def test_the_data_of_the_confusion_matrix_is_counted_from_the_snapshot(
    page: Page, url: str, run: Run, images: StoredImages
) -> None:
    opened(page, url, "errors", run)
    ids, probabilities = stored(run, part=3)
    truth = images.labels[np.searchsorted(images.ids, ids)]
    counted = Counter(zip(truth.tolist(), probabilities.argmax(1).tolist(), strict=True))
    rows = as_csv(page, page.locator(".fewlab-figure").first)
    assert {(int(row["true class"]), int(row["predicted class"])): int(row["images"]) for row in rows} == counted


@pytest.mark.slow
def test_the_data_of_a_figure_is_what_the_run_wrote(page: Page, url: str, run: Run) -> None:
    opened(page, url, "train", run)
    rows = as_csv(page, page.locator(".fewlab-figure").filter(has_text="validation"))
    drawn = {int(float(row["x"])): float(row["y"]) for row in rows if row["series"] == "test"}
    written = {row["step"]: row["test/accuracy"] for row in run.folder.metrics() if "test/accuracy" in row}
    assert drawn.keys() == written.keys()
    assert all(drawn[step] == pytest.approx(written[step], rel=1e-5) for step in drawn)


@pytest.mark.slow
def test_a_downloaded_figure_opens_by_itself(page: Page, url: str, run: Run, tmp_path: Path) -> None:
    opened(page, url, "errors", run)
    figure = page.locator(".fewlab-figure").first
    figure.locator(".main-svg").first.wait_for()
    figure.hover()
    with page.expect_download() as download:
        figure.locator("[data-title='Download as a page that can be zoomed']").click()
    file = tmp_path / "figure.html"
    file.write_bytes(Path(download.value.path()).read_bytes())
    alone = page.context.new_page()
    alone.goto(file.as_uri())
    alone.wait_for_selector(".main-svg")
    assert alone.evaluate("document.getElementById('figure').data.length") == 2
    alone.close()


def test_a_link_brings_evaluation_and_threshold_along_and_they_stay_when_the_page_is_left(
    page: Page, url: str, run: Run
) -> None:
    page.goto(f"{url}/pseudo_labels?run={run.id}&step=60&tau=0.55")
    expect(page.get_by_role("button", name="Retrain at 0.55")).to_be_visible()
    above = float((stored(run, 1, 60)[1].max(1).astype(float) >= 0.55).mean())
    expect(tile(page, "Above threshold")).to_have_text(f"{100 * above:.1f} %")
    page.get_by_role("slider", name=re.compile("^Threshold")).press("ArrowRight")
    expect(page.get_by_role("button", name="Retrain at 0.56")).to_be_visible()
    until(lambda: "tau=0.56" in page.url, "the threshold in the address")
    page.get_by_role("link", name="Runs", exact=True).click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    page.get_by_role("link", name="Pseudo-labels", exact=True).click()
    expect(page.get_by_role("button", name="Retrain at 0.56")).to_be_visible()
    until(lambda: "step=60" in page.url, "the evaluation in the address")


@pytest.mark.slow
def test_a_link_opens_the_cell_part_and_projection_that_it_names(
    page: Page, url: str, run: Run, images: StoredImages
) -> None:
    page.goto(f"{url}/errors?run={run.id}&part=validation&cell=(4, 4)&step=90")
    ids, probabilities = stored(run, 2, 90)
    truth = images.labels[np.searchsorted(images.ids, ids)]
    correct = int(((truth == 4) & (probabilities.argmax(1) == 4)).sum())
    expect(
        page.get_by_text(f"{correct} of {(truth == 4).sum()} images of class 4 correctly classified")
    ).to_be_visible()
    page.goto(f"{url}/space?run={run.id}&projection=pca&dimensions=3&of=pixels&color=right")
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data?.[0]?.type === 'scatter3d'")
    expect(page.get_by_text("PCA of raw pixels")).to_be_visible()
    assert {"correct", "incorrect"} >= set(
        page.evaluate("document.querySelector('.js-plotly-plot').data.map((t) => t.name.replace(', labeled', ''))")
    )


def test_a_link_that_says_nonsense_shows_the_run_as_it_is(page: Page, url: str, run: Run) -> None:
    page.goto(f"{url}/pseudo_labels?run={run.id}&step=61&tau=nan")
    expect(page.get_by_role("button", name="Retrain at 0.90")).to_be_visible()
    page.goto(f"{url}/errors?run={run.id}&cell=(99, x)&part=elsewhere")
    expect(page.get_by_text("Most frequent confusion; click a cell to see its images.")).to_be_visible()
    page.goto(f"{url}/space?run={run.id}&projection=magic&color=7&of=nothing&dimensions=4")
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data?.length > 0")
    assert page.get_by_test_id("stException").count() == 0
