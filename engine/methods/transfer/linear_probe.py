"""linear_probe: how much of the answer is in the features already: they are frozen, and one linear layer is fitted to
them.
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import FittedMethod, OnFrozenFeatures, PoolData, StepResult
from engine.registry import methods


class ProbeParams(MethodParams):
    """What every linear layer on frozen features has."""

    regularization: float = param(
        1.0,
        gt=0,
        le=1e6,
        symbol="C",
        help="Inverse L2 regularization strength C: smaller values regularize more.",
    )
    scaling: Literal["standardize", "unit"] = param(
        "standardize",
        added=True,
        help=(
            "standardize: every feature gets spread 1. unit: every image's features get length 1, as suits"
            " pretrained networks."
        ),
    )


class Probe(OnFrozenFeatures):
    """Images to (features, logits): the frozen backbone, scaled features, a linear layer."""

    def __init__(self, backbone: Backbone, classes: int, unit: bool) -> None:
        super().__init__()
        self._unit = unit
        self.backbone = backbone
        self.head = nn.Linear(backbone.feature_size, classes)
        self.center: Tensor
        self.spread: Tensor
        self.register_buffer("center", torch.zeros(backbone.feature_size))
        self.register_buffer("spread", torch.ones(backbone.feature_size))

    def answer(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.scaled(features))
        return logits

    def scaled(self, features: Tensor) -> Tensor:
        """[N, D], less the mean, and each feature of spread 1 or each image of length 1."""
        scaled = (features - self.center) / self.spread
        return F.normalize(scaled) if self._unit else scaled


@methods.register
class LinearProbeMethod(FittedMethod):
    """Multinomial logistic regression on frozen features (linear evaluation, as in Chen et al. 2020, arXiv:2002.05709,
    appendix B.8).

    Features come from the backbone in eval mode, without augmentation, once; they are scaled with all training images,
    labeled or not. scikit-learn fits the layer (L-BFGS, L2) in one iteration. On random weights it says what
    the network's shape alone is worth.
    """

    class Params(ProbeParams):
        name: Literal["linear_probe"] = "linear_probe"

    title = "Linear probe"
    summary = "Keeps the features as they are and fits one linear layer to the labels."
    idea = "Compute the features of every image once. If they are good, the classes are linearly separable."
    formula = r"\min_{W}\; \frac{1}{2}\|W\|^2 + C \sum_i H(y_i,\; \mathrm{softmax}(W f(x_i)))"
    paper = "linear evaluation as in Chen et al. 2020, arXiv:2002.05709"
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 1, "evaluate_every": 1}}
    transfers = True
    params: ProbeParams

    def __init__(self, params: ProbeParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.probe = Probe(backbone, problem.classes, params.scaling == "unit")

    def served(self) -> nn.Module:
        return self.probe

    def prepare(self, fitting: PoolData) -> None:
        known = fitting.labels >= 0
        self.probe.center.copy_(fitting.features.mean(0))
        if self.params.scaling == "standardize":
            self.probe.spread.copy_(fitting.features.std(0).clamp_min(1e-6))
        features = fitting.features.to(self.probe.center.device)
        self._features = self.probe.scaled(features).cpu().numpy()[known.numpy()]
        self._labels = fitting.labels[known].numpy()

    def iterate(self, now: StepContext) -> StepResult:
        loss = self.fit(self._features, self._labels)
        return StepResult(torch.tensor(0.0), {"loss/labeled": loss}, converged=True)

    def fit(self, features: NDArray[np.float32], labels: NDArray[np.int64]) -> Tensor:
        """Fit the layer to scaled features [n, D] and labels [n]: its mean cross-entropy on them, 0-d."""
        # Here, because a process that lists the methods would wait a second for it before it answers anything.
        from sklearn.linear_model import LogisticRegression

        with warnings.catch_warnings():
            # One label per class is no mistake here.
            warnings.filterwarnings("ignore", "The number of unique classes is greater")
            fitted = LogisticRegression(C=self.params.regularization, max_iter=2000).fit(
                features.astype(np.float64), labels
            )
        weight, bias = self.probe.head.weight, self.probe.head.bias
        rows = torch.as_tensor(fitted.classes_)
        # Of two classes scikit-learn gives one row: the difference of both.
        both = len(fitted.classes_) == 2
        coefficients, intercepts = (
            (np.concatenate([-part / 2, part / 2]) if both else part) for part in (fitted.coef_, fitted.intercept_)
        )
        weight.zero_()
        bias.fill_(-1e4)  # a class without a label is never answered
        weight[rows] = torch.as_tensor(coefficients, dtype=weight.dtype, device=weight.device)
        bias[rows] = torch.as_tensor(intercepts, dtype=bias.dtype, device=bias.device)
        own = fitted.predict_proba(features)[np.arange(len(labels)), np.searchsorted(fitted.classes_, labels)]
        return torch.tensor(float(-np.log(np.maximum(own, 1e-12)).mean()))
