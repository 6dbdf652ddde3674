"""Runs whose every prediction a test knows, and what a page draws of them, as the browser would get it.

Sample ids are in no order, class names are not the alphabet's, and no test image is of the last class.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from engine.catalog import catalog
from engine.lab.lab import Lab
from engine.runs.folder import Status
from engine.runs.store import Run
from engine.runs.stored_images import store_images
from tests.app.app_helpers import put_beside

NAMES = ("zebra", "ant", "*mule*", "yak")
TEMPERATURE = 1.7
_LABELED, _UNLABELED, _VALIDATION, _TEST = range(4)
_COUNTS = (8, 90, 30, 60)
Arrays = dict[str, NDArray[Any]]


def known_images(root: Path) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]:
    """Ids, parts and true labels of all images, which are stored beside the runs; every tenth unlabeled one is of a
    class that nobody knows.
    """
    draws = np.random.default_rng(4)
    part = np.repeat(np.arange(4, dtype=np.uint8), _COUNTS)
    ids = draws.permutation(5 * len(part))[: len(part)].astype(np.int64)
    labels = draws.integers(0, len(NAMES), len(part))
    labels[: _COUNTS[0]] = np.arange(_COUNTS[0]) % len(NAMES)
    labels[part == _TEST] %= len(NAMES) - 1
    labels[np.flatnonzero(part == _UNLABELED)[::10]] = -1
    pixels = draws.integers(0, 256, (len(part), 1, 8, 8), dtype=np.uint8)
    store_images(root, "known", pixels, labels, ids, NAMES)
    return ids, part, labels


def known_run(
    lab: Lab,
    name: str,
    seed: int,
    metrics: dict[str, float],
    curves: list[dict[str, float]],
    steps: Sequence[int] = (10, 20),
    preset: str = "digits-fixmatch",
) -> Run:
    """A finished run with an evaluation after each of `steps`. Predictions lean to the truth; some are certain, and
    some exactly at 0.75.
    """
    ids, part, labels = known_images(lab.store.root)
    config = {**catalog()["presets"][preset]["config"], "name": name, "seed": seed}
    folder = put_beside(lab, config, Status("finished", 20, 20, 75.0, 900.0, metrics=metrics))
    folder.add_event("start", 0, pictures="known")
    sets = {name: ids[part == number] for number, name in enumerate(("labeled", "unlabeled", "validation", "test"))}
    pool = np.sort(np.concatenate([sets["labeled"], sets["unlabeled"]]))
    folder.write_split(labeled=sets["labeled"], pool=pool, validation=sets["validation"], test=sets["test"])
    for row in curves:
        folder.add_metrics(row)
    draws = np.random.default_rng(seed)
    for step in steps:
        # Each run and each evaluation stores its images in an order of its own.
        order = draws.permutation(len(ids))
        table = draws.dirichlet(np.full(len(NAMES), 0.4), len(ids))
        right = (draws.random(len(ids)) < step / 40) & (labels >= 0)
        table[right] = np.eye(len(NAMES))[labels[right]] * 0.6 + table[right] * 0.4
        table[::9] = np.eye(len(NAMES))[draws.integers(0, len(NAMES), len(table[::9]))]
        table[4::9] = np.roll([0.75, 0.125, 0.125, 0.0], draws.integers(0, 4))
        arrays: Arrays = {
            "ids": ids[order],
            "part": part[order],
            "probabilities": table[order].astype(np.float16),
            "embeddings": draws.normal(size=(len(ids), 5)).astype(np.float16),
        }
        folder.write_snapshot(step, arrays)
    weights = {"weight": np.zeros(1, np.float32)}
    safetensors.numpy.save_file(
        weights, folder.model_file, {"fewlab": json.dumps({"temperature": TEMPERATURE, "class_names": NAMES})}
    )
    return lab.store.run(folder.id)


def snapshot(run: Run, step: int, part: str) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Ids, probabilities and true labels of one part, read by numpy alone."""
    number = ("labeled", "unlabeled", "validation", "test").index(part)
    with np.load(run.folder.path / "snapshots" / f"{step:08d}.npz") as file:
        rows = file["part"] == number
        ids, table = file["ids"][rows], file["probabilities"][rows].astype(np.float64)
    all_ids, _, labels = known_images(run.folder.path.parent)
    truth = dict(zip(all_ids.tolist(), labels.tolist(), strict=True))
    return ids, table, np.array([truth[sample] for sample in ids.tolist()])


def component(app: AppTest, key: str) -> dict[str, Any]:
    """What the browser's part of a figure or a gallery is given."""
    (element,) = (one for one in app.get("bidi_component") if one.key == key)
    data: dict[str, Any] = json.loads(element.proto.json)
    return data


def figure(app: AppTest, key: str) -> dict[str, Any]:
    drawn: dict[str, Any] = json.loads(component(app, key)["figure"])
    return drawn


def shown_ids(app: AppTest, key: str) -> list[int]:
    """The images of a gallery, in their order."""
    return [item["id"] for item in component(app, key)["items"]]
