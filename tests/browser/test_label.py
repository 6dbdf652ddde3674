"""Labeling in a real browser: an upload without labels, classes, keys, undo, a group, a killed server, labels out."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from engine.data.labels.label_folders import label_folders
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import Labels
from engine.runs.store import Store
from tests.browser.browser_helpers import is_high_enough, lasso, points_on_screen, serious, to_dark
from tests.browser.conftest import REPOSITORY, Serve, forget, warm
from tests.fixtures_images import grey, zip_of
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.slow

COUNT = 90
CLASSES = ("dark", "middle", "bright")


def shade(k: int) -> int:
    return (10, 120, 230)[k % 3] + k // 9


def true_class(name: str) -> str:
    return CLASSES[int(Path(name).stem.removeprefix("photo")) % 3]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety images of three shades, without a label."""
    folder = tmp_path_factory.mktemp("photos")
    return zip_of(folder / "shades.zip", {f"photo{k:02}.png": grey(shade(k), 32) for k in range(COUNT)})


@pytest.fixture(scope="module")
def labeled(serve: Serve, visitor: BrowserContext, checkpoints: Path, archive: Path) -> str:
    """The server's address, once the images are open for labeling with three classes and their features are there."""
    address = warm(serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(checkpoints)}), visitor)
    visit = visitor.new_page()
    visit.goto(f"{address}/label")
    visit.locator("input[type=file]").first.set_input_files(str(archive))
    visit.get_by_role("button", name="Read the images").click()
    visit.get_by_label("Names, separated by commas").fill("dark, middle, bright")
    visit.get_by_role("button", name="Start labeling").click()
    expect(visit.locator(".fewlab-board .stage img")).to_be_visible()
    order = visit.get_by_role("combobox", name=re.compile("Next comes"))
    expect(order).to_have_value("Next: what teaches most")  # which needs features
    forget(visit)
    visit.close()
    return address


@pytest.fixture
def board(page: Page, labeled: str) -> Page:
    page.goto(f"{labeled}/label")
    expect(page.locator(".fewlab-board .stage img")).to_be_visible()
    return page


def labels(checkpoints: Path) -> Labels:
    return LabelLog(label_folders(checkpoints)[0].folder).labels()


def shown(page: Page) -> str:
    return page.locator(".fewlab-board .stage .file").last.inner_text()


def saved(page: Page) -> None:
    expect(page.locator(".fewlab-board .status").last).to_have_text("all saved")


def answer(page: Page) -> str:
    """Label the image that is shown by its class's key; returns its name."""
    name = shown(page)
    page.keyboard.press(str(1 + CLASSES.index(true_class(name))))
    expect(page.locator(".fewlab-board .stage .file").last).not_to_have_text(name)
    return name


def test_axe_finds_nothing_serious_on_the_board(board: Page) -> None:
    board.emulate_media(color_scheme="light")
    is_high_enough(board, ".fewlab-board .stage")
    assert serious(board) == []
    to_dark(board)
    assert serious(board, "color-contrast") == []


def test_thirty_images_are_labeled_by_key_and_each_is_on_the_disk_once(board: Page, checkpoints: Path) -> None:
    before = labels(checkpoints).number
    names = [answer(board) for _ in range(30)]
    assert len(set(names)) == 30
    saved(board)
    said = labels(checkpoints)
    assert said.number == before + 30
    assert {name: said.given[name].of for name in names} == {name: true_class(name) for name in names}
    assert {said.given[name].how for name in names} == {"hand"}
    expect(board.get_by_text(re.compile(r"of 30 labels, each left out once; 95 % interval"))).to_be_visible()


def test_undo_takes_the_last_answer_back_and_none_of_these_leaves_an_image_out(board: Page, checkpoints: Path) -> None:
    first = answer(board)
    board.keyboard.press("Backspace")
    expect(board.locator(".fewlab-board .stage .file").last).to_have_text(first)
    board.keyboard.press("0")
    expect(board.locator(".fewlab-board .stage .file").last).not_to_have_text(first)
    second = shown(board)
    board.keyboard.press("Enter")  # accepts the prediction
    saved(board)
    said = labels(checkpoints)
    assert first not in said.given
    assert said.excluded[first] == "none of these"
    assert said.given[second].how == "accepted"
    assert said.given[second].of == true_class(second)


def test_a_group_gets_its_label_at_once(board: Page, checkpoints: Path) -> None:
    board.get_by_role("button", name="More like this").click()
    expect(board.locator(".fewlab-board .grid button")).to_have_count(24)
    of = true_class(board.locator(".fewlab-board .grid button").first.get_attribute("title") or "")
    group = [
        name
        for button in board.locator(".fewlab-board .grid button").all()
        if true_class(name := button.get_attribute("title") or "") == of
    ][:6]
    assert len(group) == 6
    for name in group:
        board.locator(f".fewlab-board .grid button[title='{name}']").click()
    board.keyboard.press(str(1 + CLASSES.index(of)))
    saved(board)
    said = labels(checkpoints)
    assert {said.given[name].of for name in group} == {of}
    assert len({said.given[name].number for name in group}) == 1
    assert {said.given[name].how for name in group} == {"group"}
    board.get_by_role("button", name="Back to the queue").click()
    expect(board.locator(".fewlab-board .stage img")).to_be_visible()


def test_many_images_of_the_queue_are_labeled_at_once_and_one_by_one_again(board: Page, checkpoints: Path) -> None:
    first = shown(board)
    board.get_by_role("button", name="Many at once").click()
    buttons = board.locator(".fewlab-board .grid button")
    expect(buttons).to_have_count(24)
    assert buttons.first.get_attribute("title") == first
    board.keyboard.press("1")  # of nothing that is selected
    names = [buttons.nth(k).get_attribute("title") or "" for k in (2, 5)]
    for name in names:
        board.locator(f".fewlab-board .grid button[title='{name}']").click()
    board.keyboard.press("2")
    saved(board)
    said = labels(checkpoints)
    assert {said.given[name].of for name in names} == {CLASSES[1]}
    assert first not in said.given
    for name in names:  # the answer brings others in their places
        expect(board.locator(f".fewlab-board .grid button[title='{name}']")).to_have_count(0)
    expect(buttons).to_have_count(24)
    board.keyboard.press("Backspace")
    saved(board)
    board.get_by_role("button", name="One by one").click()
    expect(board.locator(".fewlab-board .stage img")).to_be_visible()
    assert not set(names) & labels(checkpoints).given.keys()


def test_another_order_brings_its_own_first_image(board: Page) -> None:
    """An image that nothing was said of does not stand before it."""
    first = shown(board)
    orders = board.get_by_role("combobox", name=re.compile("Next comes"))
    for order in ("at random", "what teaches most"):
        orders.click()
        board.get_by_role("option", name=f"Next: {order}").click()
        until(lambda: (shown(board) != first) == (order == "at random"), order)  # noqa: B023


def test_on_a_telephone_the_board_has_the_whole_width(board: Page) -> None:
    """What the labels are worth stands below it; beside it both would be too narrow to be read."""
    board.set_viewport_size({"width": 390, "height": 800})
    width = "document.querySelector('.fewlab-board')?.getBoundingClientRect().width ?? 0"
    until(lambda: board.evaluate(width) >= 350, "a board as wide as the screen")


def test_a_group_is_left_at_once_and_what_it_labeled_is_not_asked_again(board: Page, checkpoints: Path) -> None:
    first = shown(board)
    board.get_by_role("button", name="More like this").click()
    buttons = board.locator(".fewlab-board .grid button")
    expect(buttons).to_have_count(24)
    board.locator(f".fewlab-board .grid button[title='{first}']").click()
    board.keyboard.press("2")
    saved(board)
    board.get_by_role("button", name="Back to the queue").click()
    expect(board.locator(".fewlab-board .stage .file").last).not_to_have_text(first)
    second = shown(board)
    board.get_by_role("button", name="More like this").click()
    expect(board.locator(f".fewlab-board .grid button[title='{second}']")).to_be_visible()
    board.get_by_role("button", name="Back to the queue").click()
    expect(board.locator(".fewlab-board .stage .file").last).to_have_text(second)
    board.keyboard.press("3")
    saved(board)
    said = labels(checkpoints)
    assert (said.given[first].of, said.given[second].of) == (CLASSES[1], CLASSES[2])


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_number_of_labels_brings_what_was_labeled_last_onto_the_board_and_into_sight(
    board: Page, checkpoints: Path, key: str
) -> None:
    names = [answer(board) for _ in range(3)]
    saved(board)
    said = labels(checkpoints)
    given = said.given
    board.set_viewport_size({"width": 390, "height": 844})
    # By keyboard: what has the focus is pressed, and no image labeled or skipped.
    board.get_by_role("button", name="Show images: Labels").press(key)
    grid = board.locator(".fewlab-board .grid button")
    expect(grid).to_have_count(min(48, len(given)))
    expect(grid.first).to_be_in_viewport()
    expect(board.locator(".fewlab-board .hint")).to_contain_text(re.compile(r"^Labeled last: "))
    assert labels(checkpoints).number == said.number
    shown = [one.get_attribute("data-name") or "" for one in grid.all()]
    assert set(shown[:3]) == set(names)
    # A group was labeled in one word, and has one number.
    assert [given[name].number for name in shown] == sorted((one.number for one in given.values()), reverse=True)[:48]


def test_a_lasso_on_the_map_brings_what_it_surrounds_onto_the_board(board: Page) -> None:
    board.get_by_text("Map of all images").click()
    figure = board.locator(".js-plotly-plot")
    expect(figure.locator(".main-svg").first).to_be_visible()
    figure.scroll_into_view_if_needed()
    area = figure.locator(".nsewdrag").first.bounding_box()
    assert area is not None
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.02)]
    lasso(board, [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in corners])
    expect(board.get_by_text("Select what belongs to one class")).to_be_visible()
    expect(board.locator(".fewlab-board .grid button")).to_have_count(COUNT)
    board.get_by_role("button", name="Back to the queue").click()


def test_labels_are_downloaded_as_csv(board: Page, checkpoints: Path) -> None:
    board.get_by_role("button", name="Labels as CSV").click()
    with board.expect_download() as download:
        board.get_by_role("button", name="Download", exact=True).click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {row["file"]: row["class"] for row in rows} == {
        name: given.of for name, given in labels(checkpoints).given.items()
    }
    assert len(rows) > 30


def test_a_race_on_the_labels_is_run_and_its_model_reads_a_new_photo(
    board: Page, checkpoints: Path, tmp_path: Path
) -> None:
    said = labels(checkpoints)
    board.get_by_role("button", name="Race methods").click()
    board.get_by_role("button", name="Start 2 runs").click()
    expect(board.get_by_role("heading", name="Compare", exact=True)).to_be_visible()
    store = Store(checkpoints)
    until(
        lambda: len(store.runs()) == 2 and all(run.status.state == "finished" for run in store.runs()), "the runs", 120
    )
    for run in store.runs():
        assert run.config["data"]["label_records"] == said.number
        split = run.folder.split()
        assert sum(len(split[part]) for part in ("labeled", "validation", "test")) == len(said.given)
        assert run.status.metrics["test/accuracy"] == 1.0
    new = tmp_path / "new.png"
    new.write_bytes(grey(225, 40))
    board.goto(f"{board.url.split('/compare')[0]}/predict?run={store.runs()[0].id}")
    board.locator("input[type=file]").first.set_input_files(str(new))
    expect(board.get_by_text("bright").first).to_be_visible()
    board.goto(f"{board.url.split('/predict')[0]}/errors?run={store.runs()[0].id}")
    expect(board.get_by_text("No errors on these images").first).to_be_visible()


def test_a_lasso_on_the_space_of_a_run_brings_its_images_onto_the_board(board: Page, checkpoints: Path) -> None:
    """By name: an id of a run is a place among the sorted files."""
    run = next(run for run in Store(checkpoints).runs() if run.status.state == "finished")
    board.set_viewport_size({"width": 1280, "height": 1500})
    board.goto(f"{board.url.split('/label')[0]}/space?run={run.id}")
    board.wait_for_function("() => document.querySelector('.js-plotly-plot')?.data?.length > 0")
    places = points_on_screen(board)
    middle = sorted(x for _, x, _ in places)[len(places) // 3] + 2
    left, top = min(x for _, x, _ in places) - 8, min(y for _, _, y in places) - 8
    bottom = max(y for _, _, y in places) + 8
    lasso(board, [(left, top), (middle, top), (middle, bottom), (left, bottom), (left, top)])
    counted = board.get_by_text(re.compile(r"^\d+ images: "))
    expect(counted).to_be_visible()
    count = int(counted.inner_text().split()[0])
    assert 2 < count <= 60  # of so many all are shown
    gallery = board.locator(".fewlab-gallery").first.locator("button")
    there = "all => all.map((one) => Number(one.dataset.id))"
    surrounded = {i for i, x, _ in places if x <= middle + 1}
    # The images shown before, the labeled ones, stay until these are drawn.
    until(lambda: len(now := gallery.evaluate_all(there)) == count and surrounded.issuperset(now), "the images")
    selected = {f"photo{i:02}.png" for i in gallery.evaluate_all(there)}
    board.get_by_role("button", name="Label these").click()
    expect(board.get_by_text("Select what belongs to one class")).to_be_visible()
    expect(board.locator(".fewlab-board .grid button")).to_have_count(count)
    assert "/label?images=" in board.url
    assert len(board.url) < 200
    shown = {button.get_attribute("title") for button in board.locator(".fewlab-board .grid button").all()}
    assert shown == selected
    before = labels(checkpoints).number
    board.get_by_role("button", name="Select all").click()
    board.keyboard.press("3")
    saved(board)
    said = labels(checkpoints)
    assert said.number == before + 1
    assert {said.given[name].of for name in selected} == {"bright"}
    board.keyboard.press("Backspace")  # the tests after this one find the labels as they were
    saved(board)
    board.get_by_role("button", name="Back to the queue").click()
    expect(board.locator(".fewlab-board .stage img")).to_be_visible()


@pytest.mark.parametrize(("count", "seconds"), [(100, 0.0), (100, 0.1)], ids=["as fast as they go", "ten a second"])
def test_keys_are_all_there_in_their_order(board: Page, checkpoints: Path, count: int, seconds: float) -> None:
    """One image gets all answers, so that there are enough of them. seconds: from one key to the next, at least."""
    before = labels(checkpoints).number
    board.get_by_role("button", name="More like this").click()
    expect(board.locator(".fewlab-board .grid button")).to_have_count(24)
    board.locator(".fewlab-board .grid button").first.click()
    name = board.locator(".fewlab-board .grid button").first.get_attribute("title") or ""
    pressed: list[str] = []
    began = time.monotonic()
    for k in range(count):
        board.wait_for_timeout(max(0.0, 1000 * (began + k * seconds - time.monotonic())))
        key = "123"[k * k % 3]
        board.keyboard.press(key)
        pressed.append(CLASSES[int(key) - 1])
        board.locator(f".fewlab-board .grid button[title='{name}']").dispatch_event("click")  # however busy it is
    saved(board)
    log = LabelLog(label_folders(checkpoints)[0].folder)
    assert log.labels().number == before + count
    said: list[str] = [log.labels_at(before + k).given[name].of for k in range(1, count + 1)]
    assert said == pressed
    board.get_by_role("button", name="Back to the queue").click()


@pytest.mark.usefixtures("labeled")
def test_an_answer_that_comes_while_a_button_is_held_down_does_not_take_the_click(board: Page) -> None:
    board.get_by_role("button", name="More like this").click()
    buttons = board.locator(".fewlab-board .grid button")
    expect(buttons).to_have_count(24)
    buttons.nth(0).click()
    board.keyboard.press("1")
    box = buttons.nth(5).bounding_box()
    assert box is not None
    board.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    board.mouse.down()
    board.wait_for_timeout(2000)  # the answer to the key is there by now
    board.mouse.up()
    expect(buttons.nth(5)).to_have_attribute("aria-pressed", "true")
    saved(board)


def test_nothing_is_lost_when_the_server_is_killed_between(browser: Browser, checkpoints: Path, labeled: str) -> None:
    """A server on the same folder is killed while labels wait; its successor on the same address gets them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = killable(port, checkpoints)
    context = browser.new_context()
    tab = context.new_page()
    asked: list[float] = []
    tab.on("websocket", lambda socket: socket.on("framesent", lambda _: asked.append(time.monotonic())))
    try:
        until(lambda: answers(port), "the server")
        tab.goto(f"http://127.0.0.1:{port}/label")
        expect(tab.locator(".fewlab-board .stage img")).to_be_visible()
        is_quiet(tab, asked)  # what polls on a page asks for all of it when it is connected again
        before = labels(checkpoints).number
        first.send_signal(signal.SIGKILL)
        first.wait()
        names = []
        for _ in range(3):
            names.append(shown(tab))
            tab.keyboard.press("2")
            tab.wait_for_timeout(50)
        expect(tab.get_by_role("status").filter(has_text="saving 3")).to_be_visible()
        assert labels(checkpoints).number == before
        second = killable(port, checkpoints)
        try:
            until(lambda: answers(port), "the next server")
            until(lambda: labels(checkpoints).number == before + 3, "the labels of the dead server")
            said = labels(checkpoints)
            assert [said.given[name].of for name in names] == ["middle"] * 3
            expect(tab.get_by_role("status").filter(has_text="all saved")).to_be_visible()
        finally:
            second.kill()
            second.wait()
    finally:
        first.kill()
        context.close()


def is_quiet(tab: Page, asked: list[float], seconds: float = 5.0) -> None:
    """Returns once the page has asked its server nothing for so long. asked: when it did, filled as it does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() - max(asked, default=time.monotonic()) < seconds:
        assert time.monotonic() < deadline, "the page polls without an end"
        tab.wait_for_timeout(500)


def killable(port: int, checkpoints: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", "--server.headless=true"]
    return subprocess.Popen(
        [*command, "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"],
        cwd=REPOSITORY,
        env={**os.environ, "FEWLAB_CHECKPOINTS": str(checkpoints)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
