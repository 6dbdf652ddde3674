"""What is projected: which samples of which evaluations of a run, and their features. Both sides of the pipe ask here;
no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.analysis.projection import ProjectionRequest
from engine.analysis.stratified import stratified
from engine.config.settings import Settings, param
from engine.errors import ProjectionError, RunError
from engine.id_positions import positions_of
from engine.runs import projections
from engine.runs.folder import PARTS, Part, RunFolder
from engine.runs.stored_images import StoredImages, load_stored_images

Source = Literal["embeddings", "projections", "pixels"]
PIXELS = 4096  # numbers of one image; of a larger one the means of squares of pixels are taken


class Sample(Settings):
    """Which points are drawn: the same ones in every frame."""

    parts: tuple[Part, ...] = param(PARTS, min_length=1, help="Which of the run's images are drawn.")
    limit: int = param(
        5_000,
        ge=3,
        le=20_000,
        help="At most this many points: all labeled ones, and of the others each class its share.",
    )


@dataclass(frozen=True)
class ProjectionInputs:
    """ids: int64 [N], rising. part: uint8 [N]. labels: int64 [N], -1 unknown. steps: the frames' steps, rising.
    classes: K, 0 if unknown.

    content: a hash of all that is projected or measured.
    """

    ids: NDArray[np.int64]
    part: NDArray[np.uint8]
    labels: NDArray[np.int64]
    steps: tuple[int, ...]
    classes: int
    content: str
    _stored: list[NDArray[np.floating[Any]]]
    _pixels_of: StoredImages | None

    def features(self) -> list[NDArray[np.float32]]:
        """One table [N, D] for each frame."""
        if self._pixels_of is not None:
            return [_pixels(self._pixels_of, self._pixels_of.rows(self.ids))]
        return [frame.astype(np.float32) for frame in self._stored]

    def last(self) -> NDArray[np.float32]:
        """The last frame's table [N, D] alone."""
        return self.features()[-1] if self._pixels_of is not None else self._stored[-1].astype(np.float32)

    def key(self, source: Source, request: ProjectionRequest) -> str:
        """Name under which this projection is kept."""
        return projections.key(source=source, request=request.used(), steps=self.steps, content=self.content)


def load_inputs(run: Path, source: Source, steps: Sequence[int], sample: Sample) -> ProjectionInputs:
    """The samples that are in the snapshots of all `steps`, drawn as `sample` says.

    embeddings: the features that each evaluation stored; projections: what the projection head made of them, where the
    method has one. pixels: the images themselves, 0..1, which no training changes: one frame, said to be of step 0.
    Raises ProjectionError if nothing is left to project, RunError if a snapshot or, for pixels, the images cannot be
    read.
    """
    if not steps:
        raise ProjectionError("There is nothing to project: choose at least one evaluation.")
    folder, ordered = RunFolder(run), sorted(set(steps))
    name = "embeddings" if source == "pixels" else source
    snapshots = [_snapshot(folder, step, name) for step in ordered]
    ids, rows = _in_all(snapshots)
    part = snapshots[-1]["part"][rows[-1]]
    images, content = _images(folder, needed=source == "pixels")
    if images is not None and source == "pixels":
        images.rows(ids)  # of all samples, not only those that are drawn below
    labels = np.full(len(ids), -1, np.int64) if images is None else images.true_labels(ids)
    wanted = np.nonzero(np.isin(part, [PARTS.index(name) for name in sample.parts]))[0]
    strata = part[wanted].astype(np.int64) << 32 | labels[wanted] + 1
    chosen = wanted[stratified(ids[wanted], strata, part[wanted] == 0, sample.limit)]
    if len(chosen) == 0:
        raise ProjectionError(
            f"There are no {' or '.join(sample.parts)} images in"
            f" {'these evaluations' if len(ordered) > 1 else 'this evaluation'}: choose other parts."
        )
    ids, part, labels = ids[chosen], part[chosen], labels[chosen]
    stored = (
        [snapshot[name][row[chosen]] for snapshot, row in zip(snapshots, rows, strict=True)]
        if source != "pixels"
        else []
    )
    digest = hashlib.sha256(content.encode() if source == "pixels" else b"")
    for array in (ids, part, labels, *stored):
        digest.update(f"{array.dtype} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    classes = len(images.class_names) if images is not None else 0
    return ProjectionInputs(
        ids,
        part,
        labels,
        tuple(ordered if source != "pixels" else [0]),
        classes,
        digest.hexdigest(),
        stored,
        images if source == "pixels" else None,
    )


def _snapshot(folder: RunFolder, step: int, name: str) -> dict[str, NDArray[Any]]:
    snapshot = folder.whole_snapshot(step, ("ids", "part"), (name,))
    if name not in snapshot or snapshot[name].ndim != 2 or snapshot["ids"].ndim != 1:
        what = "features" if name == "embeddings" else "projections"
        raise RunError(
            f"The snapshot of step {step} of run {folder.id} holds no {what} of its images: choose another evaluation."
        )
    return snapshot


def _in_all(snapshots: list[dict[str, NDArray[Any]]]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The ids that all snapshots have, rising, and where each snapshot has them."""
    ids = np.unique(reduce(np.intersect1d, (snapshot["ids"] for snapshot in snapshots)))
    return ids, [positions_of(ids, snapshot["ids"]) for snapshot in snapshots]


def _images(folder: RunFolder, needed: bool) -> tuple[StoredImages | None, str]:
    """The run's images and their content's hash; None where they are gone and only their labels would be missed."""
    content = folder.content_hash()
    if content is None:
        if needed:
            raise RunError(
                f"Run {folder.id} does not say which images it was trained on, so their pixels cannot be shown:"
                " choose embeddings."
            )
        return None, ""
    try:
        return load_stored_images(folder.path.parent, content), content
    except RunError:
        if needed:
            raise
        return None, ""


def _pixels(images: StoredImages, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """[N, D] in 0..1, D at most PIXELS but for the channels' sake."""
    channels, height, width = images.images.shape[1:]
    square = int(np.ceil(np.sqrt(channels * height * width / PIXELS)))
    h, w = max(1, height // square), max(1, width // square)
    down, across = min(square, height), min(square, width)
    pixels = np.empty((len(rows), channels * h * w), np.float32)
    for start in range(0, len(rows), 256):
        block = np.asarray(images.images[rows[start : start + 256]])[:, :, : h * down, : w * across]
        means = block.reshape(len(block), channels, h, down, w, across).mean((3, 5), dtype=np.float32)
        pixels[start : start + 256] = means.reshape(len(block), -1) / 255
    return pixels
