"""The whole path in a real browser: start, train, watch, zoom, move the threshold, retrain, compare, predict, rename,
delete.
"""

from __future__ import annotations

import io
import re
import secrets
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from engine.lab.executors.inline import train
from engine.runs.store import Run, Store
from tests.browser.browser_helpers import newest, points, set_steps
from tests.browser.conftest import REPOSITORY
from tests.waiting import until

# Whichever test comes first trains two runs and starts a server; most that follow take long themselves.
pytestmark = pytest.mark.slow
Scheme = Literal["light", "dark"]
SETTINGS = {
    "data": {"name": "digits"},
    "method": {"name": "fixmatch", "threshold": 0.85},
    "budget": {"steps": 300, "evaluate_every": 150},
    "hardware": {"device": "cpu", "threads": 1},
}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs, trained before the server starts: while it lives, only it trains here."""
    path = tmp_path_factory.mktemp("browser") / "checkpoints"
    train(SETTINGS, path)
    train({**SETTINGS, "method": {"name": "supervised"}}, path)
    return path


@pytest.fixture(scope="module")
def finished(checkpoints: Path) -> Run:
    return Store(checkpoints).runs()[-1]


def stop(page: Page, run: Run) -> None:
    """End a run on its Train page, so that none is left for the tests that follow."""
    # While a script runs, Streamlit has a Stop of its own in the header.
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop").click()
    until(lambda: run.folder.status().state == "stopped", "the stop")


def try_it(page: Page, url: str, checkpoints: Path) -> Run:
    """Press Start's button and wait for the first point of the run's curves."""
    before = newest(checkpoints).id
    page.goto(url)
    expect(page.get_by_role("heading", name="FewLab")).to_be_visible()
    # Loaded while a person reads, so that the first curve need not wait for it.
    page.wait_for_function("() => window.Plotly?.react")
    page.get_by_role("button", name=re.compile("Try it")).first.click()
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    until(lambda: newest(checkpoints).id != before, "the run")
    until(lambda: points(page) > 0, "the first point")
    return newest(checkpoints)


def test_a_link_to_a_page_is_the_first_thing_that_a_new_server_is_asked_for(
    page: Page, serve: Callable[..., str], tmp_path: Path
) -> None:
    """Streamlit would run the page without app.py, because the folder is named pages."""
    address = serve(REPOSITORY / "app.py", cwd=REPOSITORY, env={"FEWLAB_CHECKPOINTS": str(tmp_path / "checkpoints")})
    page.goto(f"{address}/runs")
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    lab, inside = ("Start", "Train", "Compare", "Tune", "Runs"), ("Pseudo-labels", "Candidates", "Space", "Errors")
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_text(
        [re.compile(f"{name}$") for name in (*lab, *inside, "Data", "Label", "Predict")]
    )
    assert page.evaluate("location.pathname") == "/runs"


def test_one_click_trains_and_points_arrive_while_zoom_stays(page: Page, url: str, checkpoints: Path) -> None:
    run = try_it(page, url, checkpoints)
    assert f"run={run.id}" in page.evaluate("location.href")
    # By its title: until all figures are there, a later one may come between.
    accuracy = "[...document.querySelectorAll('.js-plotly-plot')].find(f => f.layout?.title?.text === 'Accuracy')"
    until(lambda: page.evaluate(f"Boolean({accuracy})"), "the curve of accuracy")
    page.evaluate(f"{accuracy}.mine = true")
    page.evaluate("window.Plotly.relayout(document.querySelectorAll('.js-plotly-plot')[0], {'xaxis.range': [0, 90]})")
    before = points(page)
    until(lambda: points(page) > before + 3, "more points")
    assert page.evaluate("document.querySelectorAll('.js-plotly-plot')[0].layout.xaxis.range") == [0, 90]
    assert page.evaluate(f"{accuracy}.mine") is True
    # What trains takes room in the sidebar, just when the tour goes on.
    lower_edges = (
        "[...document.querySelectorAll('.st-key-training_now button, .st-key-tour button')]"
        ".map(button => button.getBoundingClientRect().bottom)"
    )
    until(lambda: len(edges := page.evaluate(lower_edges)) >= 4 and max(edges) <= 800, "all buttons in sight")
    stop(page, run)


def test_pause_a_moved_threshold_and_resume(page: Page, url: str, checkpoints: Path) -> None:
    before = newest(checkpoints).id
    page.goto(f"{url}/train")
    set_steps(page, 500)
    page.get_by_role("button", name="Start", exact=True).click()
    until(lambda: newest(checkpoints).id != before, "the run")
    run = newest(checkpoints)
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Pause").click()
    until(lambda: run.folder.status().state == "paused", "the pause")
    slider = page.get_by_role("slider", name="Threshold τ of this run")
    slider.focus()
    wanted = round(run.config["method"]["threshold"] - 0.05, 2)

    def changes() -> list[float]:
        return [round(e["value"], 2) for e in run.folder.events() if e["event"] == "change"]

    def moved() -> bool:
        """A slider that is drawn anew under the keys of a busy machine loses one: whoever looks presses again."""
        shown = round(float(slider.evaluate("(one) => one.getAttribute('aria-valuenow') ?? one.value")), 2)
        if shown != wanted:
            slider.press("ArrowLeft" if shown > wanted else "ArrowRight")
        return shown == wanted and changes()[-1:] == [wanted]

    until(moved, "the change, as far as the slider was moved")
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Resume").click()
    until(lambda: run.folder.status().state == "finished", "the end")
    assert changes()[-1] == wanted
    expect(page.get_by_text(re.compile("Finished: step 500 of 500"))).to_be_visible()
    annotations = page.evaluate("document.querySelectorAll('.js-plotly-plot')[0].layout.annotations.map(a => a.text)")
    assert any(f"τ {wanted:.2f}" in text for text in annotations)


def test_retrain_keeps_the_previous_run_as_ghost_curves(page: Page, url: str, checkpoints: Path, finished: Run) -> None:
    before = newest(checkpoints).id
    page.goto(f"{url}/train?run={finished.id}")
    page.get_by_role("button", name="Retrain at 0.85").click()
    until(lambda: newest(checkpoints).id != before, "the second run")
    run = newest(checkpoints)
    until(
        lambda: (
            points(page) > 0
            and "earlier run"  # its settings are the same
            in page.evaluate(
                "JSON.stringify([...document.querySelectorAll('.js-plotly-plot')].map(f => f.data.map(t => t.name)))"
            )
        ),
        "the ghost",
    )
    if run.folder.status().active:
        stop(page, run)
    assert run.folder.model_file.exists()
    assert run.config["method"]["threshold"] == pytest.approx(0.85)


def test_a_reload_and_a_second_tab_show_the_same_run(page: Page, url: str, finished: Run) -> None:
    page.goto(f"{url}/train?run={finished.id}")
    expect(page.get_by_text(re.compile("Finished: step 300"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("Finished: step 300"))).to_be_visible()
    other = page.context.new_page()
    other.goto(page.evaluate("location.href"))
    expect(other.get_by_text(re.compile("Finished: step 300"))).to_be_visible()
    # The sidebar drops the URL's parameters; the run of this tab comes back by itself.
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    page.get_by_role("link", name="Train").click()
    expect(page.get_by_text(re.compile("Finished: step 300"))).to_be_visible()
    until(lambda: f"run={finished.id}" in page.evaluate("location.href"), "the run in the URL")


def test_an_uploaded_digit_is_classified(page: Page, url: str, finished: Run) -> None:
    from sklearn.datasets import load_digits

    from engine.predictor import Predictor

    digits = load_digits()
    candidates = np.round(digits.images[:200] * (255 / 16)).astype(np.uint8)
    predictor = Predictor(finished.folder)
    confident = [
        i
        for i, p in enumerate(predictor.probabilities(candidates[:, None]))
        if p.max() > 0.9 and p.argmax() == digits.target[i]
    ]
    assert confident, "a trained model is confident about some of the first 200 digits"
    image = Image.fromarray(candidates[confident[0]])
    page.goto(f"{url}/predict?run={finished.id}")
    page.get_by_role("radio", name="my files").or_(page.get_by_role("button", name="my files")).first.click()
    files: list[FilePayload] = [
        {"name": "digit.png", "mimeType": "image/png", "buffer": png(image)},
        # Dark on white paper and large, as it would be photographed.
        {
            "name": "paper <i>.png",
            "mimeType": "image/png",
            "buffer": png(Image.fromarray(255 - np.asarray(image.resize((160, 160), Image.Resampling.BICUBIC)))),
        },
        {"name": "letter.png", "mimeType": "image/png", "buffer": b"not an image at all"},
    ]
    page.locator("input[type=file]").set_input_files(files)
    expect(page.get_by_text("Class probabilities").first).to_be_visible()
    label = str(digits.target[confident[0]])
    answers = page.get_by_test_id("stMarkdownContainer").filter(has_text=re.compile(rf"^{label} · \d+\.\d %"))
    expect(answers.first).to_be_visible()
    expect(page.get_by_text("8x8 px, inverted")).to_be_visible()
    expect(page.get_by_test_id("stAlert").filter(has_text="letter.png")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    rows = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("image,prediction,probability,sure at ")
    assert ",error,0,1,2" in rows[0]
    assert rows[1].startswith(f"digit.png,{label},")
    assert len(rows) == 4


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_compare_shows_both_runs_and_their_difference(page: Page, url: str, finished: Run) -> None:
    page.goto(f"{url}/compare")
    expect(page.get_by_role("heading", name="Settings that differ")).to_be_visible()
    until(
        lambda: page.evaluate("(document.querySelector('.js-plotly-plot') || {data: []}).data.length") >= 2,
        "both curves",
    )


def choose_newest(page: Page) -> None:
    """Tick the first row of the list of runs, a canvas: its box lies in the first column, below the headings."""
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    table.click(position={"x": 16, "y": 36 + 18})
    expect(page.get_by_text("1 chosen")).to_be_visible()


def test_a_run_is_renamed_and_deleted_only_when_confirmed(
    page: Page, url: str, checkpoints: Path, finished: Run
) -> None:
    mine = f"{time.strftime('%Y%m%d-%H%M%S')}-fixmatch-digits-{secrets.token_hex(2)}"
    shutil.copytree(finished.folder.path, checkpoints / mine)
    run = Store(checkpoints).run(mine)
    page.goto(f"{url}/runs")
    choose_newest(page)
    page.get_by_role("button", name="Describe").click()
    name = page.get_by_test_id("stDialog").get_by_label("Name")
    expect(name).to_have_value("FixMatch on handwritten digits, 2 labels per class")
    name.fill("a name of mine")
    tags = page.get_by_test_id("stDialog").get_by_role("combobox")
    for word in ("two words", "baseline"):
        tags.fill(word)
        tags.press("Enter")
    page.get_by_text("Describe this run").click()  # closes the list of tags
    page.get_by_test_id("stDialog").get_by_label("Note").fill("as in the paper")
    save = page.get_by_test_id("stDialog").get_by_role("button", name="Save")
    save.click()
    expect(page.get_by_test_id("stDialog").get_by_text("A tag is one word")).to_be_visible()
    page.get_by_test_id("stDialog").get_by_role("button", name="Remove two words").click()
    save.click()
    until(lambda: Store(checkpoints).run(run.id).name == "a name of mine", "the new name")
    assert Store(checkpoints).run(run.id).notes == ("as in the paper", ("baseline",))
    expect(page.get_by_test_id("stDialog")).to_have_count(0)
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_test_id("stDialog").get_by_text("a name of mine")).to_be_visible()
    page.get_by_role("button", name="Keep").click()
    assert run.folder.path.is_dir()
    expect(page.get_by_test_id("stDialog")).to_have_count(0)
    page.get_by_role("button", name="Take along").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Folder", exact=True).click()
    assert download.value.suggested_filename == f"{run.id}.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {f"{run.id}/config.json", f"{run.id}/metrics.jsonl", f"{run.id}/model.safetensors"} <= set(
            archive.namelist()
        )
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete this run").click()
    until(lambda: not run.folder.path.exists(), "the end of the run")


def test_a_click_on_open_in_the_list_of_runs_opens_the_run(
    page: Page, url: str, checkpoints: Path, finished: Run
) -> None:
    page.goto(f"{url}/runs")
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    table.click(position={"x": 33 + 26, "y": 36 + 18})
    expect(page.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    until(lambda: f"run={newest(checkpoints).id}" in page.url, "the run in the address")


def kind_of_message(data: bytes | str) -> str | None:
    message = ForwardMsg()
    message.ParseFromString(data if isinstance(data, bytes) else data.encode())
    return message.WhichOneof("type")


def test_two_tabs_pressing_start_never_train_two_runs_at_once(page: Page, url: str, checkpoints: Path) -> None:
    tabs = [page, page.context.new_page()]
    kinds: set[str | None] = set()
    for tab in tabs:
        tab.on("websocket", lambda socket: socket.on("framereceived", lambda data: kinds.add(kind_of_message(data))))
    before = {run.id for run in Store(checkpoints).runs()}
    for tab in tabs:
        tab.goto(f"{url}/train")
        set_steps(tab, 200)
    for tab in tabs:
        tab.get_by_role("button", name="Start", exact=True).click(no_wait_after=True)
    running_at_once = set()

    def both_have_finished() -> bool:
        states = [run.status.state for run in Store(checkpoints).runs() if run.id not in before]
        running_at_once.add(states.count("running"))
        return states == ["finished", "finished"]

    until(both_have_finished, "the ends of both runs")
    assert max(running_at_once) == 1
    # A busy tab that is sent references to earlier messages can fail on them: .streamlit/config.toml says why.
    page.wait_for_timeout(500)  # playwright tells of messages only while it is called
    assert "delta" in kinds
    assert "ref_hash" not in kinds


@pytest.mark.parametrize(("width", "first", "then"), [(390, "dark", "light"), (1280, "light", "dark")])
def test_no_page_is_wider_than_its_window(
    page: Page, url: str, checkpoints: Path, width: int, first: Scheme, then: Scheme
) -> None:
    """As it is opened in one scheme, and when the device changes to the other; nor a choice wider than its place."""
    page.set_viewport_size({"width": width, "height": 800})
    for name in ("", "train", "compare", "runs", "pseudo_labels", "candidates", "space", "errors", "predict"):
        page.emulate_media(color_scheme=first)
        page.goto(f"{url}/{name}")
        expect(page.locator("h1")).to_have_count(1)
        if name == "predict":
            expect(page.get_by_role("radiogroup").first).to_be_visible()
        fits(page, f"{name or 'start'} to fit {width} px in {first}")
        page.emulate_media(color_scheme=then)
        expect(page.locator("h1")).to_have_count(1)
        fits(page, f"{name or 'start'} to fit {width} px in {then}")


def fits(page: Page, what: str) -> None:
    narrow = (
        "document.querySelector('[data-testid=stMain]').scrollWidth <= window.innerWidth"
        " && [...document.querySelectorAll('[role=radiogroup]')].every(one => one.scrollWidth <= one.clientWidth + 1)"
    )
    until(lambda: page.evaluate(narrow), what)
    expect(page.get_by_test_id("stException")).to_have_count(0)
