"""LabelDiffusion: what label propagation and label spreading have in common: a graph, labels that flow over it until
they converge, and a vote for new images.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from torch import Tensor, nn
from torch.nn import functional as F

from engine.analysis.neighbors import nearest_neighbors
from engine.backbones.backbone import Backbone
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import FittedMethod, PoolData, StepResult
from engine.methods.graph.neighbor_graph import (
    Graph,
    GraphParams,
    NeighborVote,
    knn_graph,
    rbf_graph,
    row_normalized,
    scaled_gamma,
)

_CONSISTENT = 1e-9  # the largest entry of the start is 1: a residual that is further from its own is another graph's
_REPORTED = 4_096  # unlabeled images whose class probabilities are reported
Values = NDArray[np.float64]


class System(NamedTuple):
    """What the flow converges to is the solution of (I - alpha·S) X = B, and the class probabilities are scale·X where
    `free`, the given labels elsewhere.

    similarity S: symmetric [N, N], with eigenvalues of at most 1. rhs B: [N, K]. scale: [N]. free: bool [N].
    """

    similarity: Graph
    alpha: float
    rhs: Values
    scale: Values
    free: NDArray[np.bool_]


class LabelDiffusion(FittedMethod):
    """Where labels converge on a graph, by conjugate gradients: one iteration passes the residual along all edges once.

    The papers repeat the flow itself, which converges to the same labels, but in thousands of iterations where few
    edges join the parts of a graph; conjugate gradients need tens
    (docs/decisions/0009-graphs-by-conjugate-gradients.md). All classes are solved side by side, in float64.
    """

    params: GraphParams
    headline = ("test/accuracy", "validation/accuracy", "pseudo_label/accuracy")

    def __init__(self, params: GraphParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        n, k = problem.counts.get("all", 0), problem.classes
        self.solution: Tensor
        self.residue: Tensor  # the residual; checkpoints know it by this name
        self.direction: Tensor
        self.gamma: Tensor
        for name in ("solution", "residue", "direction"):
            self.register_buffer(name, torch.zeros(n, k, dtype=torch.float64))
        self.register_buffer("gamma", torch.zeros((), dtype=torch.float64))
        self._bank, self._center = torch.zeros(0, backbone.feature_size), torch.zeros(backbone.feature_size)

    def prepare(self, fitting: PoolData) -> None:
        if self.params.scaling == "unit":
            self._center = fitting.features.mean(0)
            fitting = fitting._replace(features=F.normalize(fitting.features - self._center))
        self._bank = fitting.features
        neighbors = nearest_neighbors(fitting.features.numpy(), self.params.neighbors, "euclidean")
        if not self._resumed:  # a resumed run keeps its gamma to the bit
            self.gamma.fill_(self.params.gamma or scaled_gamma(neighbors.distances))
        self.begin(
            knn_graph(neighbors) if self.params.graph == "knn" else rbf_graph(fitting.features, float(self.gamma)),
            fitting,
        )

    def begin(self, graph: Graph, fitting: PoolData) -> None:
        """Set up the flow over a given graph [N, N], symmetric and without loops."""
        known = (fitting.labels >= 0).numpy()
        self._targets = np.zeros(self.solution.shape)
        self._targets[known, fitting.labels[known].numpy()] = 1
        self._system = self.system(graph, self._targets, known)
        expected = self._system.rhs - self._applied(self.solution.cpu().numpy())
        # Also of a resumed run whose graph is no longer the same, because an earlier FewLab chose otherwise among
        # neighbors that are equally far: it goes on from where its solution is.
        if not self._resumed or np.abs(expected - self.residue.cpu().numpy()).max() > _CONSISTENT:
            self.residue.copy_(torch.as_tensor(expected))
            self.direction.copy_(self.residue)
        _, part = connected_components(sparse.csr_array(graph), directed=False)
        self._reached = np.isin(part, part[known])
        hidden = np.flatnonzero(~known)
        self._reported = hidden[np.linspace(0, len(hidden) - 1, min(_REPORTED, len(hidden))).astype(int)]
        self._ids = fitting.ids

    def iterate(self, now: StepContext) -> StepResult:
        # Graph and flow are scipy's and stay on the CPU; on another device the buffers get their values back below.
        system, (x, r, p) = (
            self._system,
            (buffer.cpu().numpy() for buffer in (self.solution, self.residue, self.direction)),
        )
        product = self._applied(p)
        old = (r * r).sum(0)  # [K]
        length = np.divide(old, (p * product).sum(0), out=np.zeros_like(old), where=old > 0)
        x += length * p
        r -= length * product
        new = (r * r).sum(0)
        p *= np.divide(new, old, out=np.zeros_like(old), where=old > 0)
        p += r
        for buffer, values in ((self.solution, x), (self.residue, r), (self.direction, p)):
            buffer.copy_(torch.as_tensor(values))
        start = (system.rhs * system.rhs).sum(0)
        change = float(np.sqrt(np.divide(new, start, out=np.zeros_like(new), where=start > 0)).max())
        shares = self.class_probabilities()[self._reported]
        pseudo_labels = PseudoLabels(
            self._ids[self._reported],
            torch.as_tensor(shares.argmax(1)),
            torch.as_tensor(shares.max(1)),
            torch.as_tensor(self._reached[self._reported]).float(),
        )
        scalars = {"change": torch.tensor(change), "unknown": torch.as_tensor(1 - self._reached.mean())}
        return StepResult(torch.tensor(change), scalars, pseudo_labels, converged=change < self.params.tolerance)

    @property
    def _resumed(self) -> bool:
        return bool(self.direction.any())

    def _applied(self, values: Values) -> Values:
        """(I - alpha·S) values, 0 where the labels are given."""
        product: Values = values - self._system.alpha * (self._system.similarity @ values)
        product[~self._system.free] = 0
        return product

    def class_probabilities(self) -> Values:
        """float64 [N, K], each row a distribution: where the labels are now. A row that no label can reach is
        uniform.
        """
        flowed = self.solution.cpu().numpy() * self._system.scale[:, None]
        flowed = np.where(self._system.free[:, None], flowed, self._targets)
        flowed = np.where(self._reached[:, None], flowed.clip(0), 0)  # rounding may leave -1e-17
        return row_normalized(flowed)

    def served(self) -> nn.Module:
        beliefs = (
            torch.as_tensor(self.class_probabilities()).float()
            if len(self._bank)
            else torch.zeros(0, self.problem.classes)
        )
        device = self.solution.device
        bank, beliefs, center = (value.to(device) for value in (self._bank, beliefs, self._center))
        return NeighborVote(self.backbone, self.params, bank, beliefs, self.gamma.clone(), center)

    @abstractmethod
    def system(self, graph: Graph, targets: Values, known: NDArray[np.bool_]) -> System:
        """The equations of the method. targets: one-hot [N, K], zero where hidden. known: bool [N]."""


def normalized(graph: Graph) -> tuple[Graph, Values]:
    """D^-½ W D^-½ and D^-½ [N]; an image without neighbors keeps a row of zeros."""
    degrees = np.asarray(graph.sum(1)).reshape(-1)
    scale = np.where(degrees > 0, degrees, 1) ** -0.5
    if sparse.issparse(graph):
        return sparse.csr_array(sparse.diags_array(scale) @ graph @ sparse.diags_array(scale)), scale
    return scale[:, None] * graph * scale, scale
