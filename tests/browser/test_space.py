"""The Space page in a real browser: what the lasso surrounds is what is shown, a projection is computed aside, and
points travel.
"""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from engine.runs.store import Run
from engine.runs.stored_images import load_stored_images
from tests.browser.browser_helpers import as_csv, lasso, points_on_screen
from tests.browser.conftest import Studied
from tests.waiting import until
from ui.components.gallery import image_uri
from ui.style import colors

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


def test_the_numbers_below_the_map_open_the_points_behind_them(page: Page, url: str, studied: Studied) -> None:
    opened(page, url, studied.run)
    with np.load(sorted(studied.run.folder.snapshots.glob("*.npz"))[-1]) as arrays:
        ids, embeddings = arrays["ids"], arrays["embeddings"].astype(np.float64)
    images = load_stored_images(
        studied.checkpoints, next(event["pictures"] for event in studied.run.folder.events() if event.get("pictures"))
    )
    labels = images.true_labels(ids)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    likeness = unit @ unit.T
    np.fill_diagonal(likeness, -np.inf)
    near = np.argsort(-likeness, axis=1)[:, :15]
    purity = dict(zip(ids.tolist(), (labels[near] == labels[:, None]).mean(1).tolist(), strict=True))
    sample = ids[np.sort(np.random.default_rng(0).permutation(len(ids))[:1000])]  # that both shares are taken of
    below = sum(purity[one] < 1 for one in sample.tolist())
    panel = page.get_by_role("dialog")
    for label in ("Trustworthiness", "Neighbors of the same class", "Points"):
        page.get_by_role("button", name=f"Show images: {label}").click()
        expect(panel).to_be_in_viewport()
        # Of the panel that is drawn anew the images come after its words.
        buttons = panel.locator(".fewlab-gallery button")
        expect(buttons.first).to_be_visible()
        count = int(
            re.findall(r": ([\d,]+)$", panel.locator("p", has=page.locator("strong")).first.inner_text())[0].replace(
                ",", ""
            )
        )
        shown = buttons.evaluate_all("all => all.map((one) => [Number(one.dataset.id), one.innerText])")
        assert len(shown) == min(count, 120)
        if label == "Points":
            assert count == len(ids)
        else:
            shares = [float(text.splitlines()[-1].removesuffix(" %")) for _, text in shown]
            assert shares == sorted(shares)
            assert shares[0] < 100
            if label == "Neighbors of the same class":
                assert shares == pytest.approx([100 * purity[one] for one, _ in shown], abs=0.06)
                assert count == pytest.approx(below, abs=2)  # equally far neighbors: the last digit decides
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)


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


def animated(page: Page) -> Locator:
    page.get_by_text("Animate").click()
    player = page.locator(".fewlab-player")
    expect(player).to_be_visible()
    return player


CANVAS = "() => document.querySelector('.fewlab-player canvas').toDataURL()"


def test_points_travel_through_all_evaluations(page: Page, url: str, run: Run) -> None:
    opened(page, url, run)
    player = animated(page)
    steps = run.folder.snapshot_steps()
    expect(player.locator("output")).to_have_text(f"step {steps[-1]:,}")
    end = page.evaluate(CANVAS)
    player.get_by_role("button", name="Play").click()
    until(
        lambda: player.locator("output").inner_text() == f"step {steps[0]:,}" or page.evaluate(CANVAS) != end,
        "points to move",
    )
    until(lambda: player.get_by_role("button", name="Play").count() == 1, "the end")
    expect(player.locator("output")).to_have_text(f"step {steps[-1]:,}")
    assert page.evaluate(CANVAS) == end


def test_a_traveling_point_shows_its_image_and_its_class_under_the_mouse(
    page: Page, url: str, studied: Studied
) -> None:
    opened(page, url, studied.run)
    player = animated(page)
    player.get_by_role("slider", name="Evaluation").fill("0")
    box = player.locator("canvas").bounding_box()
    assert box is not None
    # Where the first frame has the points, by its own numbers: the widest of all frames reaches 12 pixels from an edge.
    places = np.array(
        player.evaluate("(one) => [...one.fewlab.frames.slice(0, 2 * one.fewlab.groups.length)]"), float
    ).reshape(-1, 2)
    reach = player.evaluate("(one) => one.fewlab.extent")
    scale = min((box["width"] - 24) / 2 / reach[0], (box["height"] - 24) / 2 / reach[1])
    spots = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]) + places * [scale, -scale]
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=2) + 1e9 * np.eye(len(spots))
    lonely = int(gaps.min(1).argmax())
    shown = player.locator(".image-of-point")
    expect(shown).to_have_count(0)
    page.mouse.move(*(spots[lonely] + 1))
    expect(shown).to_be_visible()
    columns, left, top = shown.evaluate(
        "(one) => [one.style.backgroundSize, ...one.style.backgroundPosition.split(' ')].map(parseFloat)"
    )
    assert round(-top / 96) * round(columns / 96) + round(-left / 96) == lonely
    with np.load(sorted(studied.run.folder.snapshots.glob("*.npz"))[-1]) as arrays:
        ids = np.sort(arrays["ids"])
    images = load_stored_images(
        studied.checkpoints, next(event["pictures"] for event in studied.run.folder.events() if event.get("pictures"))
    )
    truth = int(images.true_labels(ids[[lonely]])[0])
    assert shown.inner_text() == images.class_names[truth]
    page.mouse.move(5, 5)
    expect(shown).to_have_count(0)


def test_traveling_points_stand_where_the_map_stood(page: Page, url: str, run: Run) -> None:
    page.goto(f"{url}/space?run={run.id}")
    place = "(one) => { const box = one.getBoundingClientRect(); return [box.left, box.top, box.width, box.height] }"
    the_map = page.locator(".stMain .fewlab-figure")
    expect(the_map.locator(".main-svg").first).to_be_visible()
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
    title = the_map.locator(".gtitle").first
    before, name = the_map.evaluate(place), title.text_content()
    foot = title.bounding_box()
    player = animated(page)
    expect(the_map).to_have_count(0)
    until(lambda: player.evaluate(place) == pytest.approx(before, abs=2), "the same place")
    assert player.locator(".title").text_content() == name
    heading = player.locator(".title").evaluate(
        "(one) => { const words = document.createRange(); words.selectNodeContents(one);"
        " const box = words.getBoundingClientRect(); return [box.left, box.top + box.height / 2] }"
    )
    assert foot is not None
    assert heading == pytest.approx([foot["x"], foot["y"] + foot["height"] / 2], abs=3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_traveling_points_have_the_markers_of_the_map_and_the_colors_of_the_theme(
    page: Page, url: str, run: Run, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    opened(page, url, run)
    animated(page)
    # Diamonds are opaque: the middle of one has its color and no other.
    seen = """() => { const canvas = document.querySelector('.fewlab-player canvas');
        const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, found = new Set();
        for (let i = 0; i < all.length; i += 4)
            if (all[i + 3] === 255) found.add([all[i], all[i + 1], all[i + 2]].join());
        return [...found] }"""

    def rgb(color: str) -> str:
        return ",".join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))

    variant = 1 if scheme == "dark" else 0
    with np.load(sorted(run.folder.snapshots.glob("*.npz"))[-1]) as arrays:
        assert (arrays["part"] == 0).sum() >= 10
    wanted = {rgb(colors.BY_THEME[colors.class_color(k)][variant]) for k in range(10)}
    until(lambda: wanted <= set(page.evaluate(seen)), "each class in its color on this ground")
    other = {rgb(colors.BY_THEME[colors.class_color(k)][1 - variant]) for k in range(10)} - wanted
    assert not other & set(page.evaluate(seen))
    reach = """([which, x, y]) => {
        const { image, room } = document.querySelector('.fewlab-player').fewlab.stamps[0][which];
        const ratio = image.width / room / 2;
        return image.getContext('2d').getImageData((room + x) * ratio, (room + y) * ratio, 1, 1).data[3] > 0 }"""
    # A diamond of 11 pixels reaches 7 to each side and not 4.4 to two of them; a circle of 5 reaches 2.
    assert page.evaluate(reach, [1, 6, 0])
    assert not page.evaluate(reach, [1, 5, 5])
    assert page.evaluate(reach, [0, 1, 1])
    assert not page.evaluate(reach, [0, 3, 3])


def test_an_evaluation_of_the_animation_can_be_explored_on_the_standing_map(page: Page, url: str, run: Run) -> None:
    opened(page, url, run)
    player = animated(page)
    steps = run.folder.snapshot_steps()
    player.get_by_role("slider", name="Evaluation").fill("1")
    expect(player.locator("output")).to_have_text(f"step {steps[1]:,}")
    expect(player.get_by_role("slider", name="Evaluation")).to_have_attribute("aria-valuetext", f"step {steps[1]:,}")
    player.get_by_role("button", name="Explore this evaluation").click()
    expect(page.locator(".fewlab-figure .main-svg").first).to_be_visible()
    expect(player).to_have_count(0)
    expect(page.get_by_test_id("stSlider").get_by_text(str(steps[1]), exact=True).first).to_be_visible()
    expect(page.get_by_role("switch", name="Animate").or_(page.get_by_label("Animate")).first).not_to_be_checked()
    page.wait_for_url(re.compile(f"step={steps[1]}"))


def test_a_cube_offers_no_tools_of_the_plane(page: Page, url: str, run: Run) -> None:
    page.goto(f"{url}/space?run={run.id}&dimensions=3")
    figure = page.locator(".stMain .fewlab-figure")
    expect(figure.locator(".main-svg").first).to_be_visible()
    figure.hover()
    tools = figure.locator(".modebar-btn")
    expect(tools.first).to_be_visible()
    expect(figure.locator("[data-title='Turntable rotation']")).to_have_count(1)
    # Those of the plane set its mode of dragging, those of a cube that of the scene.
    assert tools.evaluate_all("all => all.map((one) => one.dataset.attr).filter((one) => one === 'dragmode')") == []
    expect(figure.locator("[data-title='Show everything again (or double-click)']")).to_have_count(0)


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
