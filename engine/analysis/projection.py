"""Features to points on a plane or in a cube: PCA, t-SNE and UMAP, of one evaluation or of several through time.

scikit-learn and umap-learn do the work. They are imported when they are used: together they take seconds, and UMAP is
compiled at first use.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.analysis.neighbors import Metric, nearest_neighbors, unit_rows
from engine.config.settings import Settings, param
from engine.errors import ProjectionError

Floats = NDArray[np.floating[Any]]
Layout = NDArray[np.float32]
Tell = Callable[[float, str], None]
"""How far a projection is: share done, 0..1, and what it does, in words."""

_USES = {"pca": (), "tsne": ("perplexity", "seed"), "umap": ("neighbors", "min_dist", "seed")}
_TSNE_STEPS, _TSNE_LATER = 1000, 500
# Early exaggeration at the start of a layout (scikit-learn's default), and from the next frame. With none at all,
# frames of an untrained network keep groups that are not there: measured by trustworthiness. With all of it, points
# travel no less than without a common start.
_EXAGGERATION, _EXAGGERATION_LATER = 12.0, 4.0
# Share of the steps, and their length, of a layout from the next frame: as trustworthy as with all, half the way.
_UMAP_LATER, _UMAP_RATE = (
    0.5,
    0.25,
)


class ProjectionRequest(Settings):
    """What is wanted of a projection. A setting that the method does not use changes nothing."""

    method: Literal["pca", "tsne", "umap"] = param(
        "umap",
        help=(
            "pca: the directions of largest spread, distances keep their meaning. tsne, umap: who is near whom; sizes"
            " of clusters and gaps between them mean little."
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
            "UMAP: neighbors of a point, itself counted. Few show detail, many the large image. Lowered where there"
            " are not as many points."
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
            "t-SNE and UMAP: a number makes the image repeatable, on one core. Empty: on all cores, and two UMAPs of"
            " the same data differ a little."
        ),
    )

    def used(self) -> dict[str, Any]:
        """The settings that this method reads: equal ones give equal projections."""
        return self.model_dump(include={"method", "dimensions", "metric", *_USES[self.method]})


def project(frames: Sequence[Floats], request: ProjectionRequest, tell: Tell = lambda share, words: None) -> Layout:
    """Points float32 [E, N, 2 or 3] of features [N, D] of the same N samples at E evaluations, in order of time.

    PCA fits its directions on the last frame and shows all frames along them. t-SNE and UMAP lay out the last frame,
    then each earlier one from where the points of the next one are, turned and mirrored to lie on it as well as it can
    (Procrustes without scaling); frames have their middle at 0. Features that all points share in an earlier frame put
    them all at 0 there. Perplexity and neighbors are lowered where there are too few points for them. Raises
    ProjectionError for less than 3 points, features that are not finite, the same for all points in the last frame, or
    frames that disagree in their points.
    """
    prepared = _checked(frames, request.metric)
    if request.method == "pca":
        return _fixed_basis(prepared, request.dimensions, tell)
    layout = {"tsne": _tsne, "umap": _umap}[request.method]
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

        points = layout(features, request, later, told)
        points -= points.mean(0)
        later = points if later is None else aligned(points, later)
        layouts[position] = later
    tell(1.0, "Done")
    return layouts


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
    mean, basis = _directions(frames[-1], dimensions)
    widths = {frame.shape[1] for frame in frames}
    if len(widths) > 1:
        raise ProjectionError(
            f"PCA shows all evaluations along the same directions, but their features have {sorted(widths)} dimensions:"
            " choose fewer evaluations."
        )
    points = np.stack([_along(frame, mean, basis) for frame in frames])
    tell(1.0, "Done")
    return points


def _along(features: NDArray[np.float32], mean: NDArray[np.float32], basis: NDArray[np.float32]) -> Layout:
    points: Layout = ((features - mean) @ basis).astype(np.float32)
    return points


def _directions(features: NDArray[np.float32], dimensions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean [D] and the directions of largest spread, one in each column [D, dimensions]; columns of zeros where the
    features have no more.

    Of each direction and its opposite, the one whose largest entry is positive: the same image on every machine.
    """
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    count = min(dimensions, *features.shape)
    # One thread: beside a training, several wait for each other; 10,000 x 128 took 0.5 s with two and 0.04 s with one.
    with threadpool_limits(1, user_api="blas"):
        # A seed, because many features are handed to a randomized solver.
        fitted = PCA(count, random_state=0).fit(features)
    basis = np.zeros((features.shape[1], dimensions), np.float32)
    rows = fitted.components_
    basis[:, :count] = (rows * np.sign(rows[np.arange(count), np.abs(rows).argmax(1)])[:, None]).T
    return fitted.mean_.astype(np.float32), basis


def _start(features: NDArray[np.float32], request: ProjectionRequest, later: Layout | None, noise: float) -> Layout:
    """Where points start, with the first axis at spread 1: where they are in the next frame, or along the directions of
    largest spread.

    noise, in that unit: tells points apart that start at the same place. The request's seed draws it.
    """
    coordinates = later if later is not None else _along(features, *_directions(features, request.dimensions))
    drawn = np.random.default_rng(request.seed or 0).normal(scale=noise, size=coordinates.shape)
    started: Layout = (coordinates / coordinates[:, 0].std() + drawn).astype(np.float32)
    return started


def _tsne(features: NDArray[np.float32], request: ProjectionRequest, later: Layout | None, tell: Tell) -> Layout:
    """t-SNE (van der Maaten & Hinton 2008) by Barnes-Hut, from PCA as in Kobak & Berens 2019 or from the next frame."""
    from scipy.sparse import csr_array
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count = len(features)
    perplexity = min(request.perplexity, (count - 1) / 3)
    tell(0.0, "Finding neighbors")
    near = nearest_neighbors(features, int(3 * perplexity) + 1, request.metric)
    k = near.indices.shape[1] + 1  # scikit-learn wants each point first among its own neighbors
    columns = np.concatenate([np.arange(count)[:, None], near.indices], 1).ravel()
    values = np.concatenate([np.zeros((count, 1), np.float32), near.distances], 1).ravel()
    graph = csr_array((values, columns, np.arange(0, count * k + 1, k)), shape=(count, count))
    steps = _TSNE_STEPS if later is None else _TSNE_LATER
    fit = TSNE(
        request.dimensions,
        perplexity=perplexity,
        metric="precomputed",
        # The usual tiny start lets groups pass through each other; a start from the next frame is in order already and
        # keeps its size.
        init=_start(features, request, later, 0.01) * (1e-4 if later is None else later[:, 0].std()),
        early_exaggeration=_EXAGGERATION if later is None else _EXAGGERATION_LATER,
        learning_rate=max(count / _EXAGGERATION / 4, 50.0),  # "auto", for all frames alike
        max_iter=steps,
        random_state=request.seed,
        verbose=2,
    )
    printed = _Counted(r"Iteration (\d+)", lambda done: tell(done / steps, "Laying out with t-SNE"))
    threads = 1 if request.seed is not None else None  # sums over several are rounded in the order in which they end
    with contextlib.redirect_stdout(printed), threadpool_limits(threads, user_api="openmp"):
        points: Layout = fit.fit_transform(graph)
    return points


def _umap(features: NDArray[np.float32], request: ProjectionRequest, later: Layout | None, tell: Tell) -> Layout:
    """UMAP (McInnes, Healy & Melville 2018, arXiv:1802.03426) on exact neighbors."""
    count = len(features)
    neighbors = min(request.neighbors, count - 1)
    tell(0.0, "Finding neighbors")
    near = nearest_neighbors(features, neighbors - 1, request.metric)
    # UMAP counts the point itself.
    indices = np.concatenate([np.arange(count)[:, None], near.indices], 1).astype(np.int32)
    distances = np.concatenate([np.zeros((count, 1), np.float32), near.distances], 1)
    tell(
        0.02,
        (
            "Laying out with UMAP"
            if "umap" in sys.modules
            else "Starting UMAP: the first time it is compiled, which takes a while"
        ),
    )
    UMAP = _imported()
    # Umap-learn's own numbers, but without its jump from 500 to 200 at 10,000 points.
    steps = int(np.clip(2_500_000 / count, 200, 500))
    steps = steps if later is None else int(steps * _UMAP_LATER)
    printed = _Counted(r"(\d+)/", lambda done: tell(0.1 + 0.9 * done / steps, "Laying out with UMAP"))
    bar = {"disable": False, "file": printed, "bar_format": "{n}/{total}"}
    fit = UMAP(
        n_neighbors=neighbors,
        n_components=request.dimensions,
        metric=request.metric,
        min_dist=request.min_dist,
        n_epochs=steps,
        init=_start(features, request, None, 1e-3) if later is None else "random",
        random_state=request.seed,
        n_jobs=1 if request.seed is not None else -1,
        precomputed_knn=(indices, distances, None),
        disconnection_distance=np.inf,  # else points opposite to all others get no place at all
        transform_mode="embedding" if later is None else "graph",
        tqdm_kwds=bar,
    )
    with warnings.catch_warnings():
        # It misses the index that it would place new points with; we place none.
        warnings.filterwarnings(
            "ignore", r"precomputed_knn\[2\] \(knn_search_index\) is not an NNDescent object", UserWarning
        )
        fitted = fit.fit_transform(features)
    points: Layout = fitted if later is None else _continued(fitted, steps, request, later, bar)
    return points


def _continued(graph: Any, steps: int, request: ProjectionRequest, later: Layout, bar: dict[str, Any]) -> Layout:
    """The layout of a neighbor graph [N, N] from where the points are in the next frame.

    UMAP itself squeezes whatever it is told to start from into a box, one axis more than the other, and all points
    would jump.
    """
    from umap.layouts import optimize_layout_euclidean
    from umap.umap_ import find_ab_params, make_epochs_per_sample

    edges = graph.tocoo()
    edges.sum_duplicates()
    edges.data[edges.data < edges.data.max() / steps] = 0  # would not have a single turn
    edges.eliminate_zeros()
    rng = np.random.default_rng(request.seed)
    points = np.ascontiguousarray(later + rng.normal(scale=1e-3, size=later.shape), np.float32)
    moved: Layout = optimize_layout_euclidean(
        points,
        points,
        edges.row,
        edges.col,
        steps,
        len(points),
        make_epochs_per_sample(edges.data, steps),
        *find_ab_params(1.0, request.min_dist),
        rng.integers(-(2**31) + 1, 2**31 - 1, 3),
        initial_alpha=_UMAP_RATE,
        parallel=request.seed is None,
        tqdm_kwds=bar,
        move_other=True,
    )
    return moved


def _imported() -> Any:
    with warnings.catch_warnings():
        # Of a variant that trains a network, which we do not use.
        warnings.filterwarnings("ignore", "Tensorflow not installed; ParametricUMAP will be unavailable", ImportWarning)
        from umap import UMAP
    return UMAP


class _Counted(io.TextIOBase):
    """Stands in for the screen that a library prints its progress on: hands on the first number that `pattern` finds in
    what is printed.
    """

    def __init__(self, pattern: str, tell: Callable[[int], None]) -> None:
        self._pattern, self._tell = re.compile(pattern), tell

    def write(self, text: str) -> int:
        if match := self._pattern.search(text):
            self._tell(int(match[1]))
        return len(text)
