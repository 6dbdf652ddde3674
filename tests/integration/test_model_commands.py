"""What the command line does with a trained model: predict, share, export."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from engine.images.decode import readable_formats
from engine.predictor import Predictor
from engine.runs.store import Store
from tests.integration.command_line import answer, engine, refusal, train_shortly

# Promised to scripts. A change here is a broken promise: it needs a line in the change log.
IMAGE = ["path", "top", "error", "sure", "possible", "nearest", "distance", "unfamiliar"]
TOP = ["class", "probability"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models") / "checkpoints"


@pytest.fixture(scope="module")
def trained(root: Path) -> dict[str, Any]:
    summary: dict[str, Any] = answer(train_shortly(root))
    return summary


def test_predict_answers_each_image_it_can_and_gives_a_refused_one_its_sentence(
    trained: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    good, missing, text = tmp_path / "seven.png", tmp_path / "missing.png", tmp_path / "notes.png"
    digit = np.round(load_digits().images[7] * (255 / 16)).astype(np.uint8)
    Image.fromarray(digit).resize((64, 64)).save(good)
    text.write_text("Dear diary")
    done = engine("predict", trained["run"], good, missing, text, "--checkpoints", root, "--json", code=2)
    first, second, third = answer(done)["pictures"]
    assert [list(image) for image in (first, second, third)] == [IMAGE] * 3
    assert [image["path"] for image in (first, second, third)] == [str(good), str(missing), str(text)]
    assert first["error"] is None
    assert [list(top) for top in first["top"]] == [TOP] * 5
    assert {top["class"] for top in first["top"]} <= set("0123456789")
    shares = [top["probability"] for top in first["top"]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1 + 1e-6
    assert second == {
        "path": str(missing),
        "top": [],
        "error": "missing.png cannot be read: No such file or directory.",
        **dict.fromkeys(["sure", "possible", "nearest", "distance", "unfamiliar"]),
    }
    assert first["sure"] is (len(first["possible"]) == 1 and not first["unfamiliar"])
    assert {first["top"][k]["class"] for k in range(min(5, len(first["possible"])))} <= set(first["possible"])
    assert first["nearest"].startswith("image ")
    assert 0 <= first["distance"] <= 2
    assert third["top"] == []
    assert (
        third["error"] == "'notes.png' is not an image this app reads (it looks like text): save it as"
        f" {readable_formats()} and try again."
    )
    assert done.stderr.splitlines() == [second["error"], third["error"]]


def test_predict_for_people_names_the_best_classes(trained: dict[str, Any], root: Path, tmp_path: Path) -> None:
    Image.new("L", (20, 20), 0).save(tmp_path / "black.png")
    (line,) = engine("predict", trained["run"], tmp_path / "black.png", "--checkpoints", root).stdout.splitlines()
    assert line.startswith(f"{tmp_path / 'black.png'}: ")
    assert line.count("%") == 5


def test_predict_says_what_is_possible_at_the_coverage_that_is_asked_for(
    trained: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    """More classes with more coverage: of a network that has hardly learned, nearly all of them."""
    Image.new("L", (20, 20), 0).save(tmp_path / "black.png")
    conformal = Predictor(Store(root).open(trained["run"])).certainty.conformal
    assert conformal is not None
    counts = []
    for coverage in (0.8, 0.99):
        done = engine(
            "predict",
            trained["run"],
            tmp_path / "black.png",
            "--coverage",
            str(coverage),
            "--checkpoints",
            root,
            "--json",
        )
        (image,) = answer(done)["pictures"]
        reach = sum(top["probability"] >= conformal.cutoffs[coverage] for top in image["top"])
        assert min(5, len(image["possible"])) == reach
        counts.append(len(image["possible"]))
    assert counts[0] < counts[1]


@pytest.mark.parametrize("coverage", ["0.8", "0.99"])
def test_a_folder_is_answered_at_the_coverage_and_copied_to_the_place_that_are_asked_for(
    trained: dict[str, Any], root: Path, tmp_path: Path, coverage: str
) -> None:
    """As the same images are one by one."""
    folder, table, sorted_into = tmp_path / "images", tmp_path / "table.csv", tmp_path / "sorted"
    folder.mkdir()
    for number, image in enumerate(load_digits().images[:4]):
        Image.fromarray((image * 15).astype(np.uint8)).save(folder / f"{number}.png")
    files = sorted(folder.iterdir())
    common = ("--coverage", coverage, "--checkpoints", root, "--json")
    places = ("--csv", table, "--sort-into", sorted_into)
    engine("predict", trained["run"], folder, *places, *common)
    alone = answer(engine("predict", trained["run"], *files, *common))["pictures"]
    with table.open(encoding="utf-8", newline="") as file:
        heading, *rows = csv.reader(file)
    assert heading[7:9] == [f"sure at {float(coverage):.0%}", "possible classes"]
    assert [row[8] for row in rows] == ["; ".join(image["possible"]) for image in alone]
    assert [row[7] for row in rows] == ["yes" if image["sure"] else "no" for image in alone]
    copies = sorted(path.relative_to(sorted_into).as_posix() for path in sorted_into.rglob("*.png"))
    assert copies == sorted(f"{image['top'][0]['class']}/{Path(image['path']).name}" for image in alone)


@pytest.mark.parametrize("options", [(), ("--with-images",)])
def test_a_shared_file_holds_images_where_they_are_asked_for(
    trained: dict[str, Any], root: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "digits.fewlab"
    engine("share", trained["run"], "--to", file, *options, "--checkpoints", root)
    with zipfile.ZipFile(file) as archive:
        folders = {name.split("/")[0] for name in archive.namelist() if "/" in name}
    assert folders == ({"runs", "images"} if options else {"runs"})


def test_an_export_is_in_the_format_that_is_asked_for(trained: dict[str, Any], root: Path, tmp_path: Path) -> None:
    common = ("--to", tmp_path / "model", "--checkpoints", root)
    engine("export", trained["run"], "--format", "safetensors", *common)
    assert {path.suffix for path in (tmp_path / "model").iterdir()} == {".safetensors", ".json", ".md"}
    assert "paper" in refusal("export", trained["run"], "--format", "paper", *common)


def test_a_coverage_that_nobody_can_promise_is_refused_in_a_sentence(
    trained: dict[str, Any], root: Path, tmp_path: Path
) -> None:
    Image.new("L", (20, 20), 0).save(tmp_path / "black.png")
    done = engine("predict", trained["run"], tmp_path / "black.png", "--coverage", "0.5", "--checkpoints", root, code=2)
    assert done.stderr.splitlines() == ["A coverage is one of 0.8, 0.9, 0.95, 0.99."]
    assert done.stdout == ""
