"""label_spreading: labels flow to similar images, and each keeps a little of what it started with."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from engine.config.settings import param
from engine.methods.graph.label_diffusion import LabelDiffusion, System, Values, normalized
from engine.methods.graph.neighbor_graph import Graph, GraphParams
from engine.registry import methods


@methods.register
class LabelSpreading(LabelDiffusion):
    """Learning with local and global consistency (Zhou et al. 2004, NIPS 16): F <- αSF + (1-α)Y with S = D^-½ W D^-½,
    until it converges.

    The fixed point is (1-α)(I-αS)⁻¹Y. α = .99 is the paper's; scikit-learn's default is .2. The graph has no loops and
    is symmetric.
    """

    class Params(GraphParams):
        name: Literal["label_spreading"] = "label_spreading"
        alpha: float = param(
            0.99,
            gt=0,
            lt=1,
            symbol="α",
            help="Share of the class probabilities that comes from the neighbors; the rest is the initial label.",
        )

    title = "Label spreading"
    summary = "Labels spread to similar images; no network is trained."
    idea = (
        "Connect every image to those most like it. Let the few labels spread along these edges again and again, and"
        " read off what arrives where."
    )
    formula = r"F \leftarrow \alpha D^{-1/2} W D^{-1/2} F + (1-\alpha) Y"
    paper = "Zhou et al. 2004, Learning with Local and Global Consistency, NIPS 16"
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    recommended: ClassVar[dict[str, Any]] = {
        "backbone": {"name": "pixels"},
        "budget": {"steps": 2000, "evaluate_every": 500},
    }

    params: Params

    def system(self, graph: Graph, targets: Values, known: NDArray[np.bool_]) -> System:
        similarity, _ = normalized(graph)
        return System(
            similarity,
            self.params.alpha,
            (1 - self.params.alpha) * targets,
            np.ones(len(targets)),
            np.ones(len(targets), bool),
        )
