"""What Predict offers as CSV, against the probabilities that the run's last evaluation stored and the temperature that
its model file states.
"""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from numpy.typing import NDArray

from engine import train
from engine.lab.lab import Lab
from engine.runs.store import Run
from tests.app.app_helpers import Open, words
from tests.app.conftest import Downloads
from tests.fixtures_images import encoded, folder_of

NAMES = ("2", "10", "b")  # as people count; the alphabet has 10 before 2
FILES = {
    f"{name}/{number:02}.png": encoded(np.random.default_rng(100 * k + number).integers(0, 160 + 40 * k, (8, 8, 3)))
    for k, name in enumerate(NAMES)
    for number in range(15)
}


@pytest.fixture(scope="module")
def run(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Run:
    images = folder_of(tmp_path_factory.mktemp("images"), FILES)
    data = {"name": "folder", "path": str(images), "size": 8, "validation": 0.3}
    budget = {"steps": 12, "batch_size": 6, "evaluate_every": 12}
    config = {"method": {"name": "supervised"}, "data": data, "budget": budget, "hardware": {"threads": 1}}
    return train(config, lab.store.root)


def about_model(run: Run) -> dict[str, float]:
    data = run.folder.model_file.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about: dict[str, float] = json.loads(header["__metadata__"]["fewlab"])
    return about


def calibrated(run: Run) -> dict[int, NDArray[np.float64]]:
    """Of each test image, by id: what it is worth after its logits were divided by the temperature."""
    (file,) = (run.folder.path / "snapshots").glob("*12.npz")
    with np.load(file) as arrays:
        rows = arrays["part"] == 3
        ids, table = arrays["ids"][rows], arrays["probabilities"][rows].astype(np.float64)
    powers = table ** (1 / about_model(run)["temperature"])
    return dict(zip(ids.tolist(), powers / powers.sum(1, keepdims=True), strict=True))


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def probabilities(row: dict[str, str]) -> list[float]:
    return [float(row[name]) for name in NAMES]


def test_images_of_the_test_set_are_answered_with_calibrated_probabilities(
    run: Run, open_page: Open, downloads: Downloads
) -> None:
    app = open_page("predict", run=run.id)
    app.button_group(key="predict_source").set_value("the test set").run()
    assert not app.exception
    temperature = about_model(run)["temperature"]
    assert abs(temperature - 1) > 0.02
    assert f"calibrated with the temperature {temperature:.2f}, fitted on validation images." in words(app)
    rows, known = rows_of(downloads["fewlab-predictions.csv"]), calibrated(run)
    assert len(rows) == len({row["image"] for row in rows}) == 6
    for row in rows:
        wanted = known[int(row["image"].removeprefix("test image "))]
        assert probabilities(row) == pytest.approx(wanted, abs=5e-3)
        assert row["prediction"] == NAMES[int(np.argmax(wanted))]
        assert float(row["probability"]) == max(probabilities(row))
        assert row["error"] == ""


def test_files_are_answered_each_in_its_line_and_a_table_says_the_same(
    run: Run, open_page: Open, downloads: Downloads
) -> None:
    app = open_page("predict", run=run.id)
    # The set's own files, by their ids: in the order of their names.
    in_order, known = sorted(FILES, key=lambda name: name.split("/")), calibrated(run)
    sent = [(f"={sample}.png", FILES[in_order[sample]], "image/png") for sample in list(known)[:7]]
    app.file_uploader(key="predict_files").set_value([*sent, ("notes.png", b"text", "image/png")]).run()
    assert not app.exception
    rows = rows_of(downloads["fewlab-predictions.csv"])
    assert [row["image"] for row in rows] == [f"'{name}" for name, _, _ in sent] + ["notes.png"]
    for sample, row in zip(known, rows[:7], strict=False):
        assert probabilities(row) == pytest.approx(known[sample], abs=5e-3)
        assert row["prediction"] == NAMES[int(np.argmax(known[sample]))]
    assert (rows[7]["prediction"], rows[7]["2"]) == ("", "")
    assert rows[7]["error"] != ""
    table = app.dataframe[0].value
    assert list(table["image"]) == [name for name, _, _ in sent] + ["notes.png"]
    assert list(table["prediction"]) == [row["prediction"] for row in rows]
    assert list(table["probability"])[:7] == [f"{max(known[sample]) * 100:.1f} %" for sample in list(known)[:7]]
