"""Projections kept in the run folder, each under a hash of everything that determines it."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runs.arrays import UNREADABLE, ArraySpec, read_arrays
from engine.runs.atomic_write import is_abandoned, write_bytes

FORMAT = 1  # raised when the way from features to points or figures changes: what was kept before is computed anew
NEWEST = 24  # projections kept of a run; each is at most a few megabytes, and what is gone is only computed again


@dataclass(frozen=True)
class Projection:
    """One projection through time, with its figures of trust.

    ids: int64 [N], rising. part: uint8 [N], 0 labeled, 1 unlabeled, 2 validation, 3 test. labels: int64 [N], the true
    class, -1 unknown. frames: float32 [E, N, 2 or 3], the middle of the last one at 0. steps: int64 [E], rising.
    trustworthiness: float64 [E], how far neighbors in the frame are neighbors in the full space. purity: float64 [E],
    the share of neighbors in the full space that have a point's own label, NaN where no label is known;
    purity_per_class: float64 [E, K]. seconds: what it took to compute.
    """

    ids: NDArray[np.int64]
    part: NDArray[np.uint8]
    labels: NDArray[np.int64]
    frames: NDArray[np.float32]
    steps: NDArray[np.int64]
    trustworthiness: NDArray[np.float64]
    purity: NDArray[np.float64]
    purity_per_class: NDArray[np.float64]
    seconds: float

    def _plain(self) -> dict[str, NDArray[Any]]:
        return {name: np.asarray(value) for name, value in vars(self).items()}


_ARRAYS = {
    "ids": ArraySpec("N", "int"),
    "part": ArraySpec("N", "uint8", 0, 3),
    "labels": ArraySpec("N", "int", -1),
    "frames": ArraySpec("ENd", "float"),
    "steps": ArraySpec("E", "int", 0),
    "trustworthiness": ArraySpec("E", "float"),
    "purity": ArraySpec("E", "float or NaN"),
    "purity_per_class": ArraySpec("EK", "float or NaN"),
    "seconds": ArraySpec("", "float"),
}


def key(**determines: Any) -> str:
    """Name of a projection: a hash of what determines it, as plain values, and of the libraries that compute it."""
    libraries = {name: version(name) for name in ("scikit-learn", "umap-learn", "numpy")}
    return hashlib.sha256(json.dumps([FORMAT, libraries, determines], sort_keys=True).encode()).hexdigest()[:32]


def write_projection(run: Path, name: str, projection: Projection) -> None:
    """Keep a projection, whole or not at all, and of older ones as many as make NEWEST."""
    folder = run / "projections"
    folder.mkdir(exist_ok=True)
    for left in folder.glob(".*.tmp"):
        if is_abandoned(left):
            left.unlink(missing_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, **projection._plain())  # type: ignore[arg-type]  # numpy's stub takes no keyword arrays by name
    write_bytes(_path(run, name), buffer.getvalue())
    for old in sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)[NEWEST:]:
        old.unlink(missing_ok=True)


def read_projection(run: Path, name: str) -> Projection | None:
    """None if it is not there or damaged: then it is computed anew."""
    try:
        arrays = read_arrays(_path(run, name), _ARRAYS.get)
        seconds = float(arrays.pop("seconds"))
        return Projection(**arrays, seconds=seconds)
    except UNREADABLE:
        return None


def _path(run: Path, name: str) -> Path:
    return run / "projections" / f"{name}.npz"
