"""Graphs of similar images: who is whose neighbor, and how labels that spread over a graph are read for a new
image.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from engine.analysis.neighbors import Neighbors
from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.methods.base.method import OnFrozenFeatures

DENSE_UP_TO = 12_000  # images: a dense graph of so many is 1.2 GB in float64, and each iteration reads it once
AUTO = 15.0  # gamma times the median squared distance to the k-th neighbor, where gamma is chosen by itself
_BLOCK = 1_000_000  # distances that are in memory at a time, a few times over: 8 MB each time, which a cache can keep
Graph = sparse.csr_array | NDArray[np.float64]


class GraphParams(MethodParams):
    """What both methods that spread labels over a graph share."""

    graph: Literal["knn", "rbf"] = param(
        "knn",
        help=(
            "knn: each image is connected to its nearest neighbors. rbf: to all, with weights that fall with distance;"
            " for up to 12,000 images."
        ),
    )
    neighbors: int = param(
        7, ge=1, le=1000, symbol="k", help="Neighbors per image in the graph, and for the prediction of a new image."
    )
    gamma: float = param(
        0.0,
        ge=0,
        le=1e6,
        symbol="γ",
        help="rbf: how fast similarity falls with squared distance. 0: chosen from the data.",
        advanced=True,
    )
    scaling: Literal["none", "unit"] = param(
        "none",
        added=True,
        help=(
            "none: features as the network gives them. unit: less their mean and of length 1, as suits pretrained"
            " networks."
        ),
    )
    tolerance: float = param(
        1e-10,
        ge=1e-13,
        le=1,
        advanced=True,
        help="Relative residual tolerance: converged when the residual is below this share of its start.",
    )


class VotingNeighbors(NamedTuple):
    """For each query, nearest first. distances: float64 [Q, k], Euclidean and squared. rows: int64 [Q, k], rows of the
    bank.
    """

    distances: Tensor
    rows: Tensor


def nearest(queries: Tensor, bank: Tensor, k: int) -> VotingNeighbors:
    """The k nearest rows of `bank` [N, D] to each of `queries` [Q, D], on their device and without leaving torch: what
    a network that answers by them needs. Squared distances are rounded as the product of float32 is.
    """
    k = min(k, len(bank))
    squares = bank.double().square().sum(1)

    def of(block: Tensor) -> VotingNeighbors:
        products = (block @ bank.T).double()
        squared = (block.double().square().sum(1, keepdim=True) + squares - 2 * products).clamp_min_(0)  # [b, N]
        return VotingNeighbors(*squared.topk(k, dim=1, largest=False, sorted=True))

    # An exported program has no loop over a number of rows that it does not know.
    if torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
        return of(queries)
    blocks = [of(block) for block in torch.split(queries, max(1, min(1024, _BLOCK // max(1, len(bank)))))]
    return VotingNeighbors(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))


def knn_graph(neighbors: Neighbors) -> sparse.csr_array:
    """1 where one of two images is among the other's nearest, else 0: symmetric, no loops. [N, N] with at most 2kN
    entries.

    At 70,000 images and k = 10: at most 1.4 million entries, 17 MB; finding the neighbors takes 8 MB meanwhile.
    """
    n, k = neighbors.indices.shape
    starts = np.arange(0, n * k + 1, k)
    directed = sparse.csr_array((np.ones(n * k), neighbors.indices.reshape(-1), starts), shape=(n, n))
    return sparse.csr_array(directed.maximum(directed.T))


def rbf_graph(features: Tensor, gamma: float) -> NDArray[np.float64]:
    """exp(-gamma·d²) between all pairs, 0 on the diagonal: float64 [N, N]. Raises ConfigError above 12,000 images."""
    if len(features) > DENSE_UP_TO:
        raise ConfigError(
            f"An rbf graph of {len(features):,} images would not fit into memory: choose method.graph knn, or at most"
            f" {DENSE_UP_TO:,} images."
        )
    values = features.double()
    squares = values.square().sum(1)
    squared = (squares[:, None] + squares - 2 * values @ values.T).clamp_min_(0)
    graph: NDArray[np.float64] = torch.exp(-gamma * squared).fill_diagonal_(0).numpy()
    return graph


def scaled_gamma(distances: NDArray[np.float32]) -> float:
    """gamma from the data: 15 over the median squared distance to the last of the neighbors given, so that it does not
    depend on the pixels' scale. distances: Euclidean, [N, k], nearest first.
    """
    return AUTO / max(float(np.median(distances[:, -1].astype(np.float64) ** 2)), 1e-12)


def row_normalized(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their sum; a row of zeros, which no label has reached, becomes uniform: "unknown"."""
    sums = weights.sum(1, keepdims=True)
    return np.where(sums > 0, weights / np.where(sums > 0, sums, 1), 1 / weights.shape[1])


class NeighborVote(OnFrozenFeatures):
    """Images to (features, logarithms of probabilities): the mean class probabilities of the nearest known images,
    weighted as in the graph.

    bank: float32 [N, D] features of the known images, scaled. center: what is subtracted from features where they are
    scaled. beliefs: float32 [N, K], their class probabilities, by the name that model files know. All are saved:
    predicting needs no training set.
    """

    def __init__(
        self,
        backbone: Backbone,
        params: GraphParams,
        bank: Tensor,
        beliefs: Tensor,
        gamma: Tensor,
        center: Tensor,
    ) -> None:
        super().__init__()
        self.backbone, self.params = backbone, params
        self.bank: Tensor
        self.beliefs: Tensor
        self.gamma: Tensor
        for name, value in (("bank", bank), ("beliefs", beliefs), ("gamma", gamma)):
            self.register_buffer(name, value)
        if params.scaling != "none":
            self.register_buffer("center", center)

    def answer(self, features: Tensor) -> Tensor:
        if self.params.scaling == "unit":
            features = F.normalize(features - self.get_buffer("center"))
        nearest_rows = nearest(features, self.bank, self.params.neighbors)
        slope = self.gamma.double() if self.params.graph == "rbf" else 0.0
        # Relative to the nearest, so that far away nothing underflows.
        weights = torch.softmax(-slope * nearest_rows.distances, 1)
        probabilities = (weights[:, :, None] * self.beliefs[nearest_rows.rows]).sum(1)  # [Q, K]
        return probabilities.clamp_min(1e-12).log().float()

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *more: Any) -> None:
        # A model file holds as many images as the run had; before it is read, this module holds none.
        for name, columns in (("bank", self.bank.shape[1]), ("beliefs", self.beliefs.shape[1])):
            if (saved := state.get(f"{prefix}{name}")) is not None:
                setattr(self, name, saved.new_empty(len(state[f"{prefix}bank"]), columns))
        super()._load_from_state_dict(state, prefix, *more)
