"""The model taken along from Predict, in a real browser."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import onnxruntime
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studied

pytestmark = pytest.mark.slow


def test_the_model_is_compared_and_comes_with_its_card_and_examples(
    page: Page, studied: Studied, tmp_path: Path
) -> None:
    run = studied.run
    page.goto(f"{studied.url}/predict?run={run.id}")
    page.get_by_role("button", name="Take the model along").click()
    page.get_by_role("button", name="Make the file").click()
    count = len(run.folder.split()["test"]) + 200
    expect(page.get_by_text(f"It answers {count} images of the run as the run does: no answer differs")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download (").click()
    with zipfile.ZipFile(download.value.path()) as made:
        made.extractall(tmp_path)
    home = tmp_path / run.id
    assert {"about.json", "MODEL_CARD.md", "predict.py", "predict.mjs"} <= {file.name for file in home.iterdir()}
    assert json.loads((home / "parity.json").read_text("utf-8"))["changed"] == 0
    session = onnxruntime.InferenceSession(home / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].name == "probabilities"
    # What was made is of another form than the one that is now asked for.
    page.get_by_text("Weights: for another FewLab").click()
    expect(page.get_by_role("button", name="Download (")).to_have_count(0)
