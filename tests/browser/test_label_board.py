"""The label board alone in a real browser, on a page whose buttons bring what else only a slow server brings."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow  # four seconds

APP = """
import numpy as np
import streamlit as st
from ui.components.gallery import image_uri
from ui.components.label_board import BoardClass, BoardImage, label_board

pixels = image_uri(np.zeros((1, 8, 8), np.uint8))
names = {"": "abcdef", "typical": "fedcba", "least sure": "cfbead"}
st.session_state.setdefault("order", "")


def choose(order):
    st.session_state["order"] = order


st.button("Features arrive", on_click=choose, args=("typical",))
st.button("Least sure first", on_click=choose, args=("least sure",))
order = st.session_state["order"]
label_board(
    [BoardImage(name, pixels, *(("cat", "90 %") if name == "c" else ())) for name in names[order]],
    [BoardClass("cat", len(order), "red"), BoardClass("dog", 0, "blue")],  # a number that says what is drawn
    of="letters",
    order=order,
    group="", about="",
    acknowledged=st.session_state.setdefault("acknowledged", {}),
    on_sent=lambda sent: [
        st.session_state["acknowledged"].update({one.tab: one.first + len(one.records) - 1}) for one in sent
    ],
    on_pause=None,
    on_similar=lambda name: None,
    on_leave=lambda: None,
    key="board",
)
"""


@pytest.fixture(scope="module")
def url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(textwrap.dedent(APP), encoding="utf-8")
    return serve(folder / "app.py")


def test_only_a_choice_of_order_takes_the_place_of_the_image_that_is_looked_at(page: Page, url: str) -> None:
    """Features bring an order by themselves, and a key that is being pressed is meant for the image in sight."""
    page.goto(url)
    shown = page.locator(".fewlab-board .stage .file").last
    expect(shown).to_have_text("a")
    page.keyboard.press("1")
    expect(shown).to_have_text("b")
    expect(page.locator(".fewlab-board .status")).to_have_text("all saved")
    page.get_by_role("button", name="Features arrive").click()
    expect(page.locator(".fewlab-board .keys .count").first).to_have_text(str(len("typical")))
    expect(shown).to_have_text("b")
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_text("f")  # what comes next is in the new order already
    page.get_by_role("button", name="Least sure first").click()
    expect(shown).to_have_text("c")
    page.keyboard.press("ArrowLeft")
    expect(shown).to_have_text("b")  # what came before stays for a look back


def test_images_of_a_row_begin_at_one_height_however_much_is_said_below_each(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Many at once").click()
    images = page.locator(".fewlab-board .grid img")
    expect(images).to_have_count(6)
    expect(page.locator(".fewlab-board .grid").get_by_text("90 %?")).to_be_visible()
    assert len(set(images.evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)"))) == 1
