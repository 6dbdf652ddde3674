"""label_propagation: labels flow to similar images, and the labeled ones never change theirs."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from engine.methods.graph.label_diffusion import LabelDiffusion, System, Values, normalized
from engine.methods.graph.neighbor_graph import Graph, GraphParams
from engine.registry import methods


@methods.register
class LabelPropagation(LabelDiffusion):
    """Label propagation (Zhu & Ghahramani 2002, CMU-CALD-02-107): F <- D⁻¹WF, then the labeled rows are set back, until
    it converges.

    The fixed point on the unlabeled rows is (I - P_uu)⁻¹ P_ul Y_l with P = D⁻¹W; loops would not change it.
    """

    class Params(GraphParams):
        name: Literal["label_propagation"] = "label_propagation"

    title = "Label propagation"
    summary = "Labels spread to similar images, and given labels stay fixed; no network is trained."
    idea = (
        "Connect every image to those most like it. Give each the mean class probabilities of its neighbors, again and"
        " again, while the labeled ones keep their label."
    )
    formula = r"F \leftarrow D^{-1} W F, \qquad F_l \leftarrow Y_l"
    paper = "Zhu & Ghahramani 2002, Learning from Labeled and Unlabeled Data with Label Propagation, CMU-CALD-02-107"
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    recommended: ClassVar[dict[str, Any]] = {
        "backbone": {"name": "pixels"},
        "budget": {"steps": 2000, "evaluate_every": 500},
    }

    params: Params

    def system(self, graph: Graph, targets: Values, known: NDArray[np.bool_]) -> System:
        # (I - P_uu) F_u = P_ul Y_l with F = D^-½ X is symmetric: (I - S_uu) X_u = S_ul D_l^½ Y_l.
        similarity, scale = normalized(graph)
        rhs = np.asarray(similarity @ (targets / scale[:, None]))
        rhs[known] = 0
        return System(similarity, 1.0, rhs, scale, ~known)
