"""Features to points on a plane or in a cube: PCA, t-SNE, UMAP and PaCMAP, of one evaluation or of several through
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.analysis.layouts.layout import Layout, Tell
from engine.analysis.layouts.pacmap import pacmap
from engine.analysis.layouts.pca import along, principal_directions
from engine.analysis.layouts.tsne import tsne
from engine.analysis.layouts.umap import umap
from engine.analysis.neighbors import Metric, unit_rows
from engine.config.settings import Settings, param
from engine.errors import ProjectionError

Floats = NDArray[np.floating[Any]]
Method = Literal["pca", "tsne", "umap", "pacmap"]

_USES: dict[Method, tuple[str, ...]] = {
    "pca": (),
    "tsne": ("perplexity", "seed"),
    "umap": ("neighbors", "min_dist", "seed"),
    "pacmap": ("neighbors", "seed"),
}


class ProjectionRequest(Settings):
    """What is wanted of a projection. A setting that the method does not use changes nothing."""

    method: Method = param(
        "umap",
        help=(
            "pca: the directions of largest spread, distances keep their meaning. tsne, umap: who is near whom; sizes"
            " of clusters and gaps between them mean little. pacmap: who is near whom, and more of where clusters lie"
            " to each other; an optional extra."
        ),
    )
    dimensions: Literal[2, 3] = param(2, help="Points on a plane or in a cube.")
    metric: Metric = param(
        "cosine",
        help="What near means: cosine compares directions, as most of these networks do; euclidean also lengths.",
    )
    perplexity: float = param(
        30.0,
        ge=2,
        le=500,
        help=(
            "t-SNE: about how many neighbors a point keeps close. Lowered to a third of the points where there are few."
        ),
    )
    neighbors: int = param(
        15,
        ge=2,
        le=200,
        help=(
            "UMAP and PaCMAP: neighbors of a point, itself counted. Few show detail, many the overall shape. Lowered"
            " where there are not as many points."
        ),
    )
    min_dist: float = param(
        0.1, ge=0, le=0.99, help="UMAP: how close points may lie in the image. Small values make tight clumps."
    )
    seed: int | None = param(
        None,
        ge=0,
        le=2**31 - 1,
        empty="another one each time",
        help=(
            "A number makes the layout repeatable, t-SNE and UMAP on one core. Empty: on all cores, and two layouts of"
            " the same data differ a little."
        ),
    )

    @staticmethod
    def unused(method: Method) -> tuple[str, ...]:
        """The settings that only other methods read."""
        return tuple(sorted({name for names in _USES.values() for name in names} - set(_USES[method])))

    def used(self) -> dict[str, Any]:
        """The settings that this method reads: equal ones give equal projections."""
        return self.model_dump(include={"method", "dimensions", "metric", *_USES[self.method]})


def project(frames: Sequence[Floats], request: ProjectionRequest, tell: Tell = lambda share, words: None) -> Layout:
    """Points float32 [E, N, 2 or 3] of features [N, D] of the same N samples at E evaluations, in order of time.

    PCA fits its directions on the last frame and shows all frames along them. The others lay out the last frame, then
    each earlier one from where the points of the next one are, turned and mirrored to lie on it as well as it can
    (Procrustes without scaling); frames have their middle at 0. Features that all points share in an earlier frame put
    them all at 0 there. Perplexity and neighbors are lowered where there are too few points for them. Raises
    ProjectionError for less than 3 points, features that are not finite, the same for all points in the last frame, or
    frames that disagree in their points.
    """
    prepared = _checked(frames, request.metric)
    if request.method == "pca":
        return _fixed_basis(prepared, request.dimensions, tell)
    layouts = np.zeros((len(prepared), len(prepared[0]), request.dimensions), np.float32)
    later: Layout | None = None
    # Backwards: the last frame, which is looked at most, does not depend on how many frames were asked for, and its
    # clear groups lend their places to the frames before. Forwards, the shapeless cloud of untrained features decides
    # where the groups go and tears some apart: on groups growing out of noise, t-SNE's trustworthiness fell behind that
    # of frames laid out alone (0.84 and 0.92 for 0.93 and 0.95).
    for count, position in enumerate(reversed(range(len(prepared)))):
        features = prepared[position]
        if _constant(features):
            continue

        def told(share: float, words: str, count: int = count) -> None:
            of = f", evaluation {count + 1} of {len(prepared)}" if len(prepared) > 1 else ""
            tell((count + share) / len(prepared), words + of)

        points = _laid_out(features, request, later, told)
        points -= points.mean(0)
        later = points if later is None else aligned(points, later)
        layouts[position] = later
    tell(1.0, "Done")
    return layouts


def _laid_out(features: NDArray[np.float32], request: ProjectionRequest, later: Layout | None, tell: Tell) -> Layout:
    dimensions, seed = request.dimensions, request.seed
    match request.method:
        case "tsne":
            return tsne(features, dimensions, request.metric, request.perplexity, seed, later, tell)
        case "umap":
            return umap(features, dimensions, request.metric, request.neighbors, request.min_dist, seed, later, tell)
        case "pacmap":
            return pacmap(features, dimensions, request.neighbors, seed, later, tell)
        case "pca":
            raise AssertionError("PCA shows all frames along the same directions and is not laid out frame by frame.")


def aligned(points: Layout, onto: Layout) -> Layout:
    """`points` [N, d] turned and mirrored to lie as near as possible on `onto` (orthogonal Procrustes, Schönemann
    1966); both centered, nothing scaled.
    """
    left, _, right = np.linalg.svd(points.astype(np.float64).T @ onto)
    turned: Layout = (points @ (left @ right)).astype(np.float32)
    return turned


def _checked(frames: Sequence[Floats], metric: Metric) -> list[NDArray[np.float32]]:
    """The frames as float32, of unit length for cosine: nearness by Euclidean distance is then nearness by cosine, also
    for PCA.
    """
    if not frames:
        raise ProjectionError("There is nothing to project: choose at least one evaluation.")
    shapes = {frame.shape[0] if frame.ndim == 2 else -1 for frame in frames}
    if len(shapes) > 1 or -1 in shapes:
        raise ProjectionError(
            "The evaluations must have features [N, D] of the same points, but theirs are"
            f" {', '.join(str(list(frame.shape)) for frame in frames[:4])}."
        )
    count = len(frames[0])
    if count < 3:
        raise ProjectionError(
            f"A projection needs at least 3 points, but there are {count}: choose more parts or a larger sample."
        )
    prepared = []
    for number, frame in enumerate(frames):
        features = np.ascontiguousarray(frame, np.float32)
        if bad := int((~np.isfinite(features)).any(1).sum()):
            where = f" in evaluation {number + 1} of {len(frames)}" if len(frames) > 1 else ""
            raise ProjectionError(
                f"{bad} of {count} points have features that are not finite numbers{where}: choose an evaluation from"
                " before the training went wrong."
            )
        prepared.append(unit_rows(features) if metric == "cosine" else features)
    if _constant(prepared[-1]):
        raise ProjectionError(
            f"All {count} points have the same features, so there is nothing to lay out: the network tells no image"
            " from another there."
        )
    return prepared


def _constant(features: NDArray[np.float32]) -> bool:
    return bool(np.ptp(features, axis=0).max(initial=0) <= 1e-6 * np.abs(features).max(initial=0))


def _fixed_basis(frames: list[NDArray[np.float32]], dimensions: int, tell: Tell) -> Layout:
    tell(0.0, "Finding the directions of largest spread")
    mean, directions = principal_directions(frames[-1], dimensions)
    widths = {frame.shape[1] for frame in frames}
    if len(widths) > 1:
        raise ProjectionError(
            f"PCA shows all evaluations along the same directions, but their features have {sorted(widths)} dimensions:"
            " choose fewer evaluations."
        )
    points = np.stack([along(frame, mean, directions) for frame in frames])
    tell(1.0, "Done")
    return points
