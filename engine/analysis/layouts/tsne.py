"""t-SNE (van der Maaten & Hinton 2008) by openTSNE, from PCA as in Kobak & Berens 2019 or from the next frame."""

from __future__ import annotations

from typing import Any

from engine.analysis.layouts.layout import Features, Layout, Tell, start_of
from engine.analysis.neighbors import Metric, nearest_neighbors
from engine.cores import usable_cores

# Steps with early exaggeration and without it, and the exaggeration: openTSNE's own, and those from the next frame.
# With no exaggeration at all, frames of an untrained network keep groups that are not there: measured by
# trustworthiness. With all of it, points travel no less than without a common start.
_STEPS, _STEPS_LATER = (250, 500), (125, 250)
_EXAGGERATION, _EXAGGERATION_LATER = 12.0, 4.0
_TOLD_EVERY = 10
_SLOWEST = 50.0  # learning rate; with the usual count / exaggeration, a handful of points falls into one
_INTERPOLATED_FROM = 2_500  # points; Barnes-Hut took twice as long for 5,000, less for 2,000


def tsne(
    features: Features,
    dimensions: int,
    metric: Metric,
    perplexity: float,
    seed: int | None,
    later: Layout | None,
    tell: Tell,
) -> Layout:
    """Points [N, dimensions] of features [N, D]; `later` are those of the next frame. The perplexity is lowered to a
    third of the points where there are few. With a seed, on one thread: sums over several are rounded in the order in
    which they end.
    """
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    perplexity = min(perplexity, (len(features) - 1) / 3)
    threads = 1 if seed is not None else usable_cores()
    tell(0.0, "Finding neighbors")
    near = nearest_neighbors(features, int(3 * perplexity), metric)
    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(near.indices, near.distances), n_jobs=threads
    )
    # The usual tiny start lets groups pass through each other; a start from the next frame is in order already and
    # keeps its size.
    size = 1e-4 if later is None else float(later[:, 0].std())
    start = start_of(features, dimensions, seed, later, noise=0.01) * size
    early, rest = _STEPS if later is None else _STEPS_LATER
    exaggeration = _EXAGGERATION if later is None else _EXAGGERATION_LATER

    def after(done: int) -> Any:
        # Called with the steps of this phase, its error and its points.
        return lambda steps, *_: tell((done + steps) / (early + rest), "Laying out with t-SNE")

    # The interpolation of Linderman et al. 2019 is for a plane only, and pays from some thousand points on.
    method = "fft" if dimensions == 2 and len(features) >= _INTERPOLATED_FROM else "bh"
    points = TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method=method,
        random_state=seed,
        n_jobs=threads,
        callbacks_every_iters=_TOLD_EVERY,
    )
    count = len(features)
    points = points.optimize(
        early,
        exaggeration=exaggeration,
        learning_rate=max(count / exaggeration, _SLOWEST),
        momentum=0.5,
        callbacks=after(0),
    )
    points = points.optimize(rest, learning_rate=max(float(count), _SLOWEST), momentum=0.8, callbacks=after(early))
    laid_out: Layout = points.view(type(start)).astype("float32")
    return laid_out
