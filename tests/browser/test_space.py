"""The Space page in a real browser: what the lasso surrounds is what is shown, a projection is computed aside, and
points travel.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from engine.runs.store import Run
from engine.runs.stored_images import load_stored_images
from tests.browser.browser_helpers import as_csv, lasso, points_on_screen
from tests.browser.conftest import Studied
from tests.waiting import until
from ui.components.gallery import image_uri

pytestmark = pytest.mark.slow


@pytest.fixture
def url(studied: Studied) -> str:
    return studied.url


def opened(page: Page, url: str, run: Run) -> None:
    page.set_viewport_size({"width": 1280, "height": 1500})  # the whole figure in reach of the mouse
    page.goto(f"{url}/space?run={run.id}")
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data?.length > 0")


def test_a_point_shows_its_image_while_the_mouse_is_on_it(page: Page, url: str, studied: Studied) -> None:
    opened(page, url, studied.run)
    there = points_on_screen(page)
    spots = np.array([(x, y) for _, x, y in there])
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 1e9 * np.eye(len(spots))
    sample, x, y = there[int(gaps.min(1).argmax())]  # the loneliest: no neighbor answers for it
    shown = page.locator(".fewlab-figure .image-of-point")
    expect(shown).to_have_count(0)
    page.mouse.move(x + 40, y)
    page.mouse.move(x, y, steps=4)
    expect(shown).to_be_visible()
    tile = """async () => {
        const one = document.querySelector('.image-of-point'), style = getComputedStyle(one);
        const sheet = new Image(); sheet.src = style.backgroundImage.slice(5, -2); await sheet.decode();
        const columns = sheet.width / 8, [left, top] = style.backgroundPosition.split(' ').map(parseFloat);
        const canvas = document.createElement('canvas'); canvas.width = canvas.height = 8;
        canvas.getContext('2d').drawImage(sheet, left / 12, top / 12);
        const pixels = canvas.getContext('2d').getImageData(0, 0, 8, 8).data;
        return [parseFloat(style.backgroundSize) / 12 / 8 === columns, [...pixels].filter((_, k) => k % 4 === 0)] }"""
    images = load_stored_images(
        studied.checkpoints, next(event["pictures"] for event in studied.run.folder.events() if event.get("pictures"))
    )
    wanted = [True, images.images[images.rows(np.array([sample]))[0]].ravel().tolist()]
    # On its way to the point the mouse may have passed another one, whose image is there first.
    until(lambda: page.evaluate(tile) == wanted, "the image of the point under the mouse")
    page.mouse.move(5, 5)
    expect(shown).to_have_count(0)


def test_points_become_their_images_where_the_map_is_zoomed_in(page: Page, url: str, studied: Studied) -> None:
    opened(page, url, studied.run)
    there = points_on_screen(page)
    drawn = ".js-plotly-plot .imagelayer image"
    expect(page.locator(drawn)).to_have_count(0)
    _, x, y = there[0]
    page.mouse.move(x, y)
    area = page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert area is not None

    def in_sight() -> set[int]:
        return {
            i
            for i, x, y in points_on_screen(page)
            if 0 <= x - area["x"] <= area["width"] and 0 <= y - area["y"] <= area["height"]
        }

    # No further than it takes, however long the images take: far in, the point has drifted away from the mouse.
    while len(in_sight()) > 80:
        page.mouse.wheel(0, -200)
        page.wait_for_timeout(600)
    until(lambda: page.locator(drawn).count() > 0, "the images")
    until(lambda: page.locator(drawn).count() == len(in_sight()), "those of the points in sight, and no other")
    images = load_stored_images(
        studied.checkpoints, next(event["pictures"] for event in studied.run.folder.events() if event.get("pictures"))
    )
    wanted = {image_uri(np.asarray(images.images[int(np.searchsorted(images.ids, i))])) for i in in_sight()}
    assert set(page.locator(drawn).evaluate_all("all => all.map((one) => one.getAttribute('href'))")) == wanted
    page.mouse.dblclick(area["x"] + 3, area["y"] + 3)
    expect(page.locator(drawn)).to_have_count(0)


def test_the_lasso_opens_exactly_the_images_it_surrounds_and_their_neighbors_are_those_of_the_full_space(
    page: Page, url: str, studied: Studied
) -> None:
    run = studied.run
    opened(page, url, run)
    there = points_on_screen(page)
    with np.load(sorted(run.folder.snapshots.glob("*.npz"))[-1]) as arrays:
        ids, embeddings = arrays["ids"], arrays["embeddings"].astype(np.float64)
    assert {i for i, _, _ in there} == set(ids.tolist())
    middle = np.median([(x, y) for _, x, y in there], axis=0)
    half = 14
    corners = [
        (middle[0] + dx * half, middle[1] + dy * half) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ]
    lasso(page, corners)
    inside = {i for i, x, y in there if abs(x - middle[0]) < half - 1 and abs(y - middle[1]) < half - 1}
    at_most = {i for i, x, y in there if abs(x - middle[0]) <= half + 1 and abs(y - middle[1]) <= half + 1}
    assert len(inside) > 2
    said = page.get_by_text(re.compile(r"^\d+ images: "))
    expect(said).to_be_visible()
    gallery = (
        "n => [...(document.querySelectorAll('.fewlab-gallery')[n]?.querySelectorAll('button') ?? [])].map((b) =>"
        " [Number(b.dataset.id), b.querySelector('img').src])"
    )
    # The images shown before, the labeled ones, stay until these are drawn.
    until(lambda: bool(there_now := {i for i, _ in page.evaluate(gallery, 0)}) and there_now <= at_most, "the images")
    shown = page.evaluate(gallery, 0)
    count = int(re.findall(r"(\d+) images", said.inner_text())[0])
    assert len(inside) <= count <= len(at_most)
    if count <= 60:
        assert {i for i, _ in shown} >= inside
    images = load_stored_images(
        studied.checkpoints, next(event["pictures"] for event in run.folder.events() if event.get("pictures"))
    )
    for sample, source in shown:
        assert source == image_uri(np.asarray(images.images[int(np.searchsorted(images.ids, sample))]))
    # The neighbors of one of them, against cosines in double precision.
    sample = shown[0][0]
    page.locator(".fewlab-gallery button").first.click()
    expect(page.get_by_text(f"Nearest to image {sample}")).to_be_visible()
    until(lambda: len(page.evaluate(gallery, 1)) == 12, "the neighbors")
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    cosines = unit @ unit[ids.tolist().index(sample)]
    cosines[ids.tolist().index(sample)] = -2
    near = [int(i) for i, _ in page.evaluate(gallery, 1)]
    reached = np.array([cosines[ids.tolist().index(i)] for i in near])
    np.testing.assert_allclose(reached, np.sort(cosines)[::-1][:12], atol=1e-5)


def test_the_data_of_the_points_is_downloaded_with_what_each_is(page: Page, url: str, run: Run) -> None:
    opened(page, url, run)
    rows = as_csv(page, page.locator(".fewlab-figure").first)
    with np.load(sorted(run.folder.snapshots.glob("*.npz"))[-1]) as arrays:
        ids, probabilities = arrays["ids"].tolist(), arrays["probabilities"].astype(float)
    told = {int(re.findall(r"image (\d+)", row["about"])[0]): row["about"] for row in rows}
    assert sorted(told) == sorted(ids)
    for position in (0, len(ids) // 2, len(ids) - 1):
        assert (
            f"predicted {probabilities[position].argmax()} ({100 * probabilities[position].max():.1f} %)"
            in told[ids[position]]
        )


def test_points_travel_through_all_evaluations(page: Page, url: str, run: Run) -> None:
    opened(page, url, run)
    page.get_by_text("Animate").click()
    player = page.locator(".fewlab-player")
    expect(player).to_be_visible()
    steps = run.folder.snapshot_steps()
    expect(player.locator("output")).to_have_text(f"step {steps[-1]:,}")
    canvas = "() => document.querySelector('.fewlab-player canvas').toDataURL()"
    end = page.evaluate(canvas)
    player.get_by_role("button", name="Play").click()
    until(
        lambda: player.locator("output").inner_text() == f"step {steps[0]:,}" or page.evaluate(canvas) != end,
        "points to move",
    )
    until(lambda: player.get_by_role("button", name="Play").count() == 1, "the end")
    expect(player.locator("output")).to_have_text(f"step {steps[-1]:,}")
    assert page.evaluate(canvas) == end


def test_a_slow_projection_is_computed_aside_while_the_page_answers_and_is_there_at_once_afterwards(
    page: Page, url: str, run: Run
) -> None:
    opened(page, url, run)
    page.get_by_role("radio", name="t-SNE").or_(page.get_by_role("button", name="t-SNE")).first.click()
    page.get_by_role("button", name="Compute t-SNE").click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    page.get_by_role("link", name="Runs", exact=True).click()  # another page, meanwhile
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    page.get_by_role("link", name="Space", exact=True).click()
    # The choice is still there.
    expect(page.get_by_text("t-SNE of network features")).to_be_visible(timeout=100_000)
