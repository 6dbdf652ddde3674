"""The gallery in a real browser: what a click tells Python, and what stays text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow  # four seconds each


def test_a_click_in_the_gallery_and_the_enter_key_reach_python(page: Page, components: str) -> None:
    page.goto(f"{components}/images")
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
def test_a_refresh_while_the_mouse_is_down_does_not_take_the_click(page: Page, components: str, part: str) -> None:
    page.goto(f"{components}/refreshed")
    drawn = page.get_by_text(re.compile("^drawn"))
    page.locator(f".fewlab-gallery button:nth-child(2) {part}").hover()
    page.mouse.down()
    before = drawn.inner_text()
    for _ in range(2):  # a whole refresh lies between press and release
        expect(drawn).not_to_have_text(before)
        before = drawn.inner_text()
    page.mouse.up()
    expect(drawn).to_have_text(re.compile("clicked 1$"))


def test_a_part_that_has_the_page_drawn_again_does_not_take_the_click_of_another(
    page: Page, components: str, tmp_path: Path
) -> None:
    sent: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{components}/together?until={tmp_path / 'clicked'}")
    button = page.locator(".fewlab-gallery button")
    button.wait_for()
    before = len(sent)
    page.wait_for_timeout(300)
    while len(sent) == before:  # until the other part has asked for its turn
        page.wait_for_timeout(50)
    before = len(sent)
    button.dispatch_event("click")
    while len(sent) == before:
        page.wait_for_timeout(50)
    (tmp_path / "clicked").touch()
    expect(page.get_by_text("drawn 2, clicked 1")).to_be_visible()


def test_captions_of_the_gallery_stay_text_and_tiny_images_show_their_pixels(page: Page, components: str) -> None:
    page.goto(f"{components}/images")
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


def test_the_gallery_wraps_on_a_phone(page: Page, components: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{components}/images")
    buttons = page.locator(".fewlab-gallery button")
    expect(buttons).to_have_count(60)
    rows = {buttons.nth(index).evaluate("(button) => button.offsetTop") for index in range(10)}
    assert len(rows) >= 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
