"""poisson_learning: labels are sources and sinks of a flow over the graph, which a handful of them is enough for."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from engine.config.settings import param
from engine.methods.graph.label_diffusion import LabelDiffusion, System, Values, normalized
from engine.methods.graph.neighbor_graph import Graph, GraphParams, row_normalized
from engine.registry import methods


@methods.register
class PoissonLearning(LabelDiffusion):
    """Poisson learning (Calder et al. 2020, arXiv:2006.11184, algorithm 1): Lu = Σ_j (y_j - ȳ) δ_j with L = D - W, and
    Σ_i d_i u_i = 0.

    With few labels, propagated labels are nearly constant and spiked at the labeled images; as sources of a flow they
    are not. The paper's graph is connected. In one of several parts ȳ is the mean of that part's labels, because a flow
    needs as much going out as coming in; a part whose labels are all of one class is of that class. The largest u is
    the answer. The probabilities are ours: the softmax of u, divided by its root mean square over all images.
    """

    class Params(GraphParams):
        name: Literal["poisson_learning"] = "poisson_learning"
        priors: Literal["labels", "uniform"] = param(
            "labels",
            help=(
                "How frequent the classes are taken to be. labels: as among the labels; uniform: all alike, which"
                " matters where some classes have more labels."
            ),
        )

    title = "Poisson learning"
    summary = "Labels as sources of a flow between similar images: made for one or two labels per class."
    idea = (
        "Connect every image to those most like it. Each labeled image pours out its class and drains the others; what"
        " collects at an image is its class."
    )
    formula = r"L u = \sum_{j} (y_j - \bar y)\, \delta_j, \qquad \sum_i d_i u_i = 0"
    paper = "Calder et al. 2020, arXiv:2006.11184"
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    recommended: ClassVar[dict[str, Any]] = {
        "backbone": {"name": "pixels"},
        "budget": {"steps": 2000, "evaluate_every": 500},
    }
    params: Params

    def system(self, graph: Graph, targets: Values, known: NDArray[np.bool_]) -> System:
        # With X = D^½ u, Lu = b is (I - S) X = D^-½ b. That is singular, and conjugate gradients that begin at 0 stay
        # among the solutions with Σ d u = 0.
        similarity, scale = normalized(graph)
        _, part = connected_components(sparse.csr_array(graph), directed=False)
        counts = np.zeros((part.max() + 1, targets.shape[1]))
        np.add.at(counts, part[known], targets[known])
        self._mean = row_normalized(counts)[part]  # [N, K], of the labels in each image's part
        self._flows = ((counts > 0).sum(1) > 1)[part]  # [N]
        sources = np.where((known & self._flows)[:, None], targets - self._mean, 0)
        every = targets[known].mean(0)
        self._prior = np.ones(len(every))
        if self.params.priors == "uniform":
            self._prior = np.divide(1 / len(every), every, out=np.zeros_like(every), where=every > 0)
        return System(similarity, 1.0, sources * scale[:, None], scale, np.ones(len(targets), bool))

    def class_probabilities(self) -> Values:
        flowed = self.solution.cpu().numpy() * self._system.scale[:, None] * self._prior
        size = np.sqrt(np.square(flowed[self._flows]).mean()) if self._flows.any() else 0.0
        powers = flowed / (size or 1.0)
        # A class without a label in this part neither gains nor loses: it is no answer here.
        powers = np.where(self._mean > 0, powers, -np.inf)
        shares = row_normalized(np.exp(powers - powers.max(1, keepdims=True)))
        shares = np.where(self._flows[:, None], shares, self._mean)
        return np.where(self._reached[:, None], shares, 1 / shares.shape[1])
