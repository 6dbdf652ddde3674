"""The JavaScript example beside an exported model, run by node as it was written: it answers as the run does.

What it imports is installed by `.ci/run` (npm, the versions of `.ci/package.json`) into $FEWLAB_NODE_MODULES.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.config.run_config import RunConfig
from engine.export.export_run import export
from engine.lab.executors.inline import train
from engine.predictor import Predictor
from tests.fixtures_images import awkward_files, encoded, folder_of

SIDE = 24  # pixels of the models


class Model(NamedTuple):
    """home: where it was exported, with what npm would have installed there."""

    home: Path
    predictor: Predictor


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """Where onnxruntime-node and sharp lie; without them the tests skip, or fail if FEWLAB_REQUIRE_EXTRAS=1."""
    folder = Path(os.environ.get("FEWLAB_NODE_MODULES", "$FEWLAB_NODE_MODULES"))
    missing = [
        name for name in ("onnxruntime-node", "sharp") if shutil.which("node") is None or not (folder / name).is_dir()
    ]
    if missing:
        reason = f"the JavaScript example needs node, and {' and '.join(missing)} in {folder}"
        if os.environ.get("FEWLAB_REQUIRE_EXTRAS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder.resolve()


@pytest.fixture(scope="module", params=[3, 1], ids=["color photos", "grey sheets"])
def model(request: pytest.FixtureRequest, node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Of a short run on two classes that differ in brightness, and in color where they have any."""
    root, draws = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, level in (("night", [20, 60, 140]), ("day", [220, 180, 100])):
        (root / name).mkdir()
        for number in range(20):
            pixels = np.clip(draws.normal(level[: request.param], 30, (SIDE, SIDE, request.param)), 0, 255)
            (root / name / f"{number}.png").write_bytes(encoded(pixels.squeeze()))
    plain = {
        "data": {"name": "folder", "path": str(root), "size": SIDE, "fit": "pad", "labels": {"kind": "all"}},
        "method": {"name": "supervised"},
        "budget": {"steps": 6, "batch_size": 6, "evaluate_every": 6},
        "hardware": {"device": "cpu", "threads": 1},
    }
    run = train(RunConfig.parse(plain), tmp_path_factory.mktemp("runs"))
    home = tmp_path_factory.mktemp("export with a space")
    export(run, "onnx", home)
    (home / "node_modules").symlink_to(node_modules)
    predictor = Predictor(run.folder)
    assert predictor.preparation.channels == request.param
    return Model(home, predictor)


def answers(model: Model, files: list[Path]) -> list[dict[str, float]]:
    """What predict.mjs prints of each file: the probability of each class."""
    done = subprocess.run(
        ["node", str(model.home / "predict.mjs"), *map(str, files)], capture_output=True, text=True, cwd=files[0].parent
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.rsplit(": ", 1)[0] for line in lines] == [str(file) for file in files]
    return [{name: float(share) / 100 for name, share in re.findall(r"(\w+) ([\d.]+)%", line)} for line in lines]


def expected(model: Model, file: Path) -> dict[str, float]:
    prediction = model.predictor.predict([model.predictor.read(file.read_bytes(), file.name)])[0]
    return {top["class"]: top["probability"] for top in model.predictor.top(prediction)}


def test_files_of_the_models_size_are_answered_as_the_run_does(model: Model, tmp_path: Path) -> None:
    """Nothing is resized: only how a file is read can differ."""
    draws = np.random.default_rng(2)
    plain = {
        f"{level}.png": encoded(np.clip(draws.normal([level, 255 - level, 128], 40, (SIDE, SIDE, 3)), 0, 255))
        for level in (20, 90, 160, 230)
    }
    files = sorted(folder_of(tmp_path, {**plain, **awkward_files(SIDE, SIDE)}).iterdir())
    told = answers(model, files)
    assert len({round(answer["day"], 2) for answer in told}) > 3  # images that are told apart
    for file, answer in zip(files, told, strict=True):
        # Of 16 bits sharp drops the lower eight, where FewLab rounds: one level of 255.
        within = 0.01 if file.name == "sixteen.png" else 0.001
        assert answer == pytest.approx(expected(model, file), abs=within), file.name


def test_a_color_profile_is_ignored_as_the_run_does(model: Model, tmp_path: Path) -> None:
    """It would swap red and blue."""
    red = np.full((SIDE, SIDE, 3), [230, 120, 20], np.uint8)
    usual = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = usual.replace(b"rXYZ", b"????", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"????", b"bXYZ", 1)
    image = Image.fromarray(red)
    image.save(tmp_path / "profile.png", icc_profile=swapped)
    assert answers(model, [tmp_path / "profile.png"])[0] == pytest.approx(
        expected(model, tmp_path / "profile.png"), abs=0.001
    )


def test_what_lies_beside_a_wide_image_has_the_color_of_its_border(model: Model, tmp_path: Path) -> None:
    """One color, so that every filter resizes it to the same: half of the model's square lies beside it."""
    file = tmp_path / "wide.png"
    file.write_bytes(encoded(np.full((SIDE, 2 * SIDE, 3), [30, 70, 150])))
    assert answers(model, [file])[0] == pytest.approx(expected(model, file), abs=0.001)


def test_photos_of_another_size_differ_little(model: Model, tmp_path: Path) -> None:
    files = sorted(folder_of(tmp_path, awkward_files(70, 40)).iterdir())
    for file, answer in zip(files, answers(model, files), strict=True):
        assert answer == pytest.approx(expected(model, file), abs=0.05), file.name
