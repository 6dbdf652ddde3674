"""Distances to the nearest labeled image, and which distance is usual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from engine.analysis.labeled_features import labeled_features
from engine.runs.folder import PARTS, RunFolder


def with_snapshot(root: Path, held_out: int, step: int = 10) -> tuple[RunFolder, dict[str, NDArray[Any]]]:
    draws = np.random.default_rng(step)
    counts = {"labeled": 12, "unlabeled": 30, "validation": held_out, "test": 5}
    part = np.concatenate([np.full(count, PARTS.index(name), np.uint8) for name, count in counts.items()])
    arrays = {
        "ids": draws.permutation(1000)[: len(part)].astype(np.int64),
        "part": part,
        "embeddings": draws.normal(size=(len(part), 6)).astype(np.float16),
    }
    folder = RunFolder(root)
    folder.write_snapshot(step, arrays)
    return folder, arrays


def test_the_nearest_labeled_images_are_those_of_scikit_learn(tmp_path: Path) -> None:
    folder, arrays = with_snapshot(tmp_path, 40)
    found = labeled_features(folder)
    assert found is not None
    of = {name: arrays["part"] == PARTS.index(name) for name in PARTS}
    index = NearestNeighbors(n_neighbors=3, metric="cosine").fit(arrays["embeddings"][of["labeled"]].astype(np.float64))
    queries = np.random.default_rng(5).normal(size=(25, 6)).astype(np.float32)
    distances, rows = index.kneighbors(queries)
    for count in (1, 3):
        ids, ours = found.nearest(queries, count)
        assert (ids == arrays["ids"][of["labeled"]][rows[:, :count]]).all()
        assert ours == pytest.approx(distances[:, :count], abs=1e-5)
    of_few, _ = found._replace(ids=found.ids[:2], features=found.features[:2]).nearest(queries, 4)
    assert of_few.shape == (25, 2)
    # Of 40 held-out distances the 39th: the next one lies within it with a probability of 39 of 41.
    held_out = index.kneighbors(arrays["embeddings"][of["validation"]].astype(np.float64))[0][:, 0]
    assert found.usual == pytest.approx(np.sort(held_out)[38], abs=1e-5)


def test_with_fewer_than_19_validation_images_no_distance_is_usual(tmp_path: Path) -> None:
    found = labeled_features(with_snapshot(tmp_path, 18)[0])
    assert found is not None
    assert found.usual is None


def test_it_is_of_the_evaluation_that_is_asked_for_and_absent_without_one(tmp_path: Path) -> None:
    assert labeled_features(RunFolder(tmp_path)) is None
    folder, first = with_snapshot(tmp_path, 20, step=10)
    with_snapshot(tmp_path, 20, step=20)
    found = labeled_features(folder, 10)
    assert found is not None
    assert found.ids.tolist() == first["ids"][:12].tolist()
    assert labeled_features(folder, 15) is None
    folder.snapshot_file(20).write_bytes(b"torn")
    assert labeled_features(folder) is None
