"""Data in a browser: a folder with its subfolders is uploaded, looked at, imported, and opened on Train."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine.runs.store import Store
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey

PETS = CATS_AND_DOGS | {"IMG_1.png": grey(200), "notes.txt": b"hello"}


@pytest.mark.slow
def test_an_uploaded_folder_keeps_its_classes_and_is_trained_on(
    page: Page, url: str, checkpoints: Path, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path / "my pets", PETS)
    page.goto(f"{url}/data")
    page.get_by_text("Upload a folder").click()
    page.locator("input[type=file]").set_input_files(str(folder))
    expect(page.get_by_text("images.zip: 21 images, one folder per class.")).to_be_visible()
    expect(page.get_by_text("1 image without a label.")).to_be_visible()
    expect(page.get_by_text("0.png", exact=True).first).to_be_visible()  # under its image
    page.get_by_text("1 left out, and why").click()
    page.get_by_role("button", name="Read the images").click()
    page.get_by_role("button", name="Train on these images").click()
    expect(page.get_by_role("heading", name="Train", level=1)).to_be_visible()
    expect(page.get_by_role("combobox", name="Data set")).to_have_value("My own images")
    expect(page.get_by_role("textbox", name="Path")).to_have_value(re.compile(r"images\.zip$"))
    expect(page.get_by_text(re.compile("14 labeled, .* unlabeled"))).to_be_visible()
    assert Store(checkpoints).runs() == []  # nothing starts by itself


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_of_a_preview_is_wider_than_the_screen(page: Page, url: str, tmp_path: Path, width: int) -> None:
    long = "a class with a name that is longer than any telephone is wide " * 3
    folder = folder_of(tmp_path / "x", PETS | {f"{long}/{i}.png": grey(i) for i in range(3)})
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{url}/data")
    field = page.get_by_role("textbox", name="Folder or archive")
    field.fill(str(folder))
    field.press("Enter")
    expect(page.get_by_text("x: 24 images, one folder per class.")).to_be_visible()
    expect(page.get_by_text("1.png", exact=True).first).to_be_visible()
    assert page.evaluate("document.querySelector('.stMainBlockContainer').scrollWidth <= window.innerWidth")
