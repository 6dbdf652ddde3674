"""Twenty steps of one method of each family, held against the numbers that they gave when they were right.

`python -m tests.integration.test_golden_runs --write` writes tests/golden/ anew: only for a change that is meant to
move results, whose commit then shows which and by how much.

Formulas have oracles of their own; here a number changes whenever something between them does: which images a step
sees, in which order, what is averaged, evaluated, counted and kept. The images have ids in no order and class names
that the alphabet would sort otherwise.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import safetensors.numpy

from engine import train
from engine.config.overlay import overlay
from engine.data.image_set import ImageSet
from engine.registry import datasets
from engine.runs.folder import PARTS
from engine.runs.store import Run
from tests.contract.toy import Toy
from tests.fixtures_images import encoded, folder_of

HOME = Path(__file__).parents[1] / "golden"
# Another processor rounds otherwise, by 1e-6 after so few steps. A regression's search stops within 5e-3 of its end.
CLOSE, REGRESSION_CLOSE = 1e-3, 2e-2
STEPS = 20
SHARED: dict[str, Any] = {
    "seed": 3,
    "data": {"name": "grainy", "classes": 4, "channels": 3, "per_class": 20},
    "backbone": {"name": "small_cnn"},
    # At the usual rate the weights of such a network run apart after a difference in the seventh digit.
    "optimizer": {"name": "sgd", "lr": 0.01, "warmup_steps": 5},
    "budget": {"steps": STEPS, "batch_size": 8, "evaluate_every": 10},
    "hardware": {"device": "cpu", "precision": "float32", "threads": 1},
}
DRAWN: dict[str, Any] = {"data": {"name": "folder", "size": 8, "mirror": False}}  # the test puts the path in
FEATURES: dict[str, Any] = {"backbone": {"init": "simclr"}}  # the run of that name here
# Left out, because not every processor rounds them to the same of 256 levels.
COLORS = ["auto_contrast", "brightness", "color", "contrast", "equalize", "posterize", "sharpness", "solarize"]
SETTINGS: dict[str, dict[str, Any]] = {
    "fixmatch": {
        "method": {"name": "fixmatch", "threshold": 0.35, "unlabeled_ratio": 3, "distribution_alignment": True},
        "augment": {"strong": {"without": COLORS}},
    },
    "pseudo_label": {**DRAWN, "method": {"name": "pseudo_label", "threshold": 0.4, "unlabeled_ratio": 2}},
    "label_spreading": {"method": {"name": "label_spreading", "alpha": 0.9}, "backbone": {"name": "pixels"}},
    "simclr": {
        "method": {"name": "simclr", "projection_size": 16, "hidden_size": 16},
        "augment": {"simclr": {"area": 0.4, "jitter": 0.0}},
        "budget": {"batch_size": 16},
    },
    "proden": {"method": {"name": "proden"}, "data": {"labels": {"kind": "partial", "rate": 0.5}}},
    "vae_m2": {
        "method": {"name": "vae_m2", "latent": 8, "hidden": 32, "unlabeled_ratio": 2},
        "backbone": {"name": "pixels"},
        "optimizer": {"name": "adam", "lr": 0.003, "warmup_steps": 5},
    },
    "linear_probe": {**DRAWN, **FEATURES, "method": {"name": "linear_probe"}},
    "fine_tune": {**FEATURES, "method": {"name": "fine_tune"}},
}
FITTED = ("label_spreading", "linear_probe")  # without an optimizer
REGRESSED = {"simclr": ("weight", "bias"), "linear_probe": ("head.weight", "head.bias")}  # found by a search


class Grainy(Toy):
    """Toy with so much noise that twenty steps learn a part of it."""

    class Params(Toy.Params):
        name: Literal["grainy"] = "grainy"  # type: ignore[assignment]  # another set

    title = "Grainy"

    def load(self) -> ImageSet:
        clear = super().load()
        noise = np.random.default_rng(7).integers(0, 256, clear.images.shape)
        return dataclasses.replace(
            clear, name="grainy", images=((3 * clear.images.astype(np.int64) + 2 * noise) // 5).astype(np.uint8)
        )


@pytest.fixture(scope="module", autouse=True)
def _grainy() -> Iterator[None]:
    datasets.register(Grainy)
    yield
    datasets.remove("grainy")


@pytest.fixture(scope="module")
def trained_here(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    return trainer_in(tmp_path_factory.mktemp("golden"))


def trainer_in(root: Path) -> Callable[[str], Run]:
    """Trains each of SETTINGS once, and before it the run whose features it starts from."""
    images = drawn_images(root / "images")

    @functools.cache
    def run(name: str) -> Run:
        config = overlay(SHARED, SETTINGS[name])
        if config["data"]["name"] == "folder":
            config["data"] = {**config["data"], "path": str(images)}
        if name in FITTED:
            del config["optimizer"]
        if "init" in config["backbone"]:
            config["backbone"] = {**config["backbone"], "init": f"run:{run(config['backbone']['init']).id}"}
        return train(config, root / "checkpoints")

    return run


def drawn_images(root: Path) -> Path:
    """Three classes of stripes, in which people count 2 before 10 and a spelling before both; one file is no image."""
    draws = np.random.default_rng(11)
    files = {}
    for k, name in enumerate(("10", "2", "1 of many")):
        for number in range(16):
            image = draws.integers(0, 200, (8, 8, 3))
            image[2 * k : 2 * k + 2] += 50
            files[f"{name}/{number:02}.png"] = encoded(image)
    return folder_of(
        root, {**files, "2/05.png": b"no image at all, but as long as one", "unlabeled/a.png": files["10/00.png"]}
    )


def measured(run: Run) -> dict[str, Any]:
    """All that is compared. curves: by step what was logged. ids: a sum that changes with their order, too."""
    folder = run.folder
    last = folder.snapshot(folder.snapshot_steps()[-1])
    tensors = safetensors.numpy.load_file(folder.model_file)
    about = folder.model_about()
    return {
        "state": [run.status.state, run.status.step],
        "curves": {
            str(row["step"]): {name: value for name, value in row.items() if name not in ("step", "seconds")}
            for row in folder.metrics()
        },
        "final": run.status.metrics,
        "counts": about["problem"],
        "answers": {name: about[name] for name in ("temperature", "background")},
        "classes": about["class_names"],
        "split": {part: [len(ids), in_order(ids)] for part, ids in folder.split().items()},
        "snapshot": {
            "parts": {part: int((last["part"] == number).sum()) for number, part in enumerate(PARTS)},
            "ids": {name: in_order(array) for name, array in last.items() if name.endswith("ids")},
            "views": {
                name: float(array.mean())
                for name, array in last.items()
                if name.startswith("view_") and array.ndim == 4
            },
        },
        "weights": {
            name: [float(np.linalg.norm(tensor)), along_a_wave(tensor)] for name, tensor in sorted(tensors.items())
        },
    }


def in_order(ids: Any) -> int:
    return int((ids.astype(np.int64) * np.arange(1, len(ids) + 1)).sum())


def along_a_wave(tensor: Any) -> float:
    """A product with numbers of which no two are alike: two entries that change places change it."""
    flat = tensor.astype(np.float64).ravel()
    return float(flat @ np.cos(np.arange(flat.size)))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_short_run_gives_the_numbers_that_are_kept(name: str, trained_here: Callable[[str], Run]) -> None:
    kept, now = json.loads((HOME / f"{name}.json").read_text(encoding="utf-8")), measured(trained_here(name))
    for exact in ("state", "counts", "classes", "split"):
        assert now[exact] == kept[exact], exact
    assert (now["snapshot"]["parts"], now["snapshot"]["ids"]) == (kept["snapshot"]["parts"], kept["snapshot"]["ids"])
    assert now["snapshot"]["views"] == pytest.approx(kept["snapshot"]["views"], rel=CLOSE)
    parts = kept["snapshot"]["parts"]
    assert now["curves"].keys() == kept["curves"].keys()
    for step, row in kept["curves"].items():
        assert now["curves"][step] == near(row, parts), f"step {step}"
    assert now["final"] == near(kept["final"], parts)
    assert now["answers"] == pytest.approx(kept["answers"], rel=REGRESSION_CLOSE)
    assert now["weights"].keys() == kept["weights"].keys()
    for tensor, (norm, wave) in kept["weights"].items():
        close = REGRESSION_CLOSE if tensor in REGRESSED.get(name, ()) else CLOSE
        assert now["weights"][tensor] == [pytest.approx(norm, rel=close), pytest.approx(wave, abs=close * norm)], tensor


def near(row: dict[str, float], parts: dict[str, int]) -> dict[str, Any]:
    """Of a part's figures one image may be decided otherwise; all others are as near as rounding leaves them. parts:
    images of each part.
    """
    wanted: dict[str, Any] = {}
    for metric, value in row.items():
        part, _, name = metric.partition("/")
        if part not in ("validation", "test"):
            wanted[metric] = pytest.approx(value, rel=CLOSE, abs=1e-7)
        else:
            wanted[metric] = pytest.approx(value, abs=REGRESSION_CLOSE if name == "ece" else 1.001 / parts[part])
    return wanted


def write() -> None:
    datasets.register(Grainy)
    HOME.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        os.environ["FEWLAB_CACHE"] = f"{root}/cache"
        run = trainer_in(Path(root))
        for name in SETTINGS:
            text = json.dumps(measured(run(name)), indent=1) + "\n"
            (HOME / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        raise SystemExit(__doc__)
    write()
