"""dino: a student predicts the teacher's soft choice among prototypes from another view."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.methods.parts.ema import cosine_momentum, ema_, frozen_copy
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.losses import linear_ramp
from engine.methods.parts.networks import Encoder, Head
from engine.metrics import Metric
from engine.registry import methods

CLIPPED_AT = 3.0
"""Length to which each parameter tensor's gradient is cut, tensor by tensor, as in the authors' code."""
CENTER_MOMENTUM = 0.9


@methods.register
class DINO(EncoderMethod):
    """Self-distillation with no labels (Caron et al. 2021, arXiv:2104.14294, eq. 1 to 4, algorithm 1).

    Student and teacher choose softly among K prototypes; the student matches the teacher's choice of the same image's
    other global view. What keeps both from collapsing: the teacher's outputs are centered by a moving average, which is
    taken after the loss, and sharpened by a low temperature. The teacher is a moving average of the student and is what
    is served. It runs in train mode and keeps running statistics of its own, as in the authors' code. Global views go
    through one forward pass, so batch norm uses their common statistics; local views are normalized by themselves and
    do not move the running ones.

    The head has three layers with GELU and no batch norm, then unit vectors and prototypes of length 1, which are not
    trained in the first epoch. With local views the paper crops global ones from 40 % of the area on; without, from
    14 %, which is the default here. The paper has 65,536 prototypes; more than there are images serve nothing. AdamW,
    as in the paper: at the rate of 0.1 that other methods take, SGD ends in even choices for all images on digits.
    """

    class Params(MethodParams):
        name: Literal["dino"] = "dino"
        prototypes: int = param(
            256, ge=2, le=65_536, symbol="K", help="Prototypes to choose among; the paper has 65,536 for ImageNet."
        )
        student_temperature: float = param(
            0.1, gt=0, le=10, symbol="τₛ", live=True, help="Divides the student's outputs."
        )
        teacher_temperature: float = param(
            0.04,
            gt=0,
            le=10,
            symbol="τₜ",
            live=True,
            help=(
                "Divides the teacher's outputs once it is warm; the paper goes up to 0.07. Lower it if the teacher's"
                " entropy stays at 1."
            ),
        )
        first_teacher_temperature: float = param(
            0.04, gt=0, le=10, advanced=True, help="The teacher's temperature at the start, from which it rises evenly."
        )
        temperature_warmup: float = param(
            0.1,
            ge=0,
            le=1,
            advanced=True,
            help="Share of the run in which the teacher's temperature rises; in the paper 30 epochs of 300.",
        )
        momentum: float = param(
            0.99,
            ge=0,
            le=1,
            symbol="m",
            help="EMA decay of the teacher in the first step; it rises to 1 along a cosine. The paper has 0.996.",
        )
        local_views: int = param(
            0,
            ge=0,
            le=8,
            help=(
                "Small crops of half the side that only the student sees; the paper has 8 for photos. Crop the global"
                " views larger then, from 0.4 of the area on."
            ),
        )
        frozen_epochs: int = param(
            1, ge=0, le=100, advanced=True, help="Epochs at the start in which the prototypes are not trained."
        )
        bottleneck_size: int = param(
            64, ge=2, le=8192, advanced=True, help="Dimensions in which prototypes are compared; the paper has 256."
        )
        hidden_size: int = param(
            256, ge=2, le=8192, advanced=True, help="Width of the head's hidden layers; the paper has 2,048."
        )

    title = "DINO"
    summary = "Learns features without any label: a student predicts a teacher's soft choice among prototypes."
    idea = (
        "From one view of an image, predict which prototypes a slowly following teacher sees in another view, while the"
        " teacher's choices are kept varied and sharp."
    )
    formula = (
        r"L = -\sum_{k} t_k(x_1) \log s_k(x_2), \quad t = \mathrm{softmax}\left(\frac{g_t(x_1) - c}{\tau_t}\right),"
        r" \quad s = \mathrm{softmax}\left(\frac{g_s(x_2)}{\tau_s}\right)"
    )
    paper = "Caron et al. 2021, arXiv:2104.14294"
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "first": {"name": "crop_jitter", "area": 0.14, "blur": 1.0},
        "second": {"name": "crop_jitter", "area": 0.14, "blur": 0.1, "solarize": 0.2},
        "local": {"name": "crop_jitter", "area": 0.05, "area_most": 0.4, "blur": 0.5},
    }
    headline = ("test/knn_1_per_class", "test/knn_5_per_class", "dino/entropy")
    metrics = (
        Metric(
            "dino/entropy",
            "Teacher entropy",
            "Entropy of the teacher's choices, averaged over images, as a share of ln K: near 1 it chooses nothing,"
            " near 0 always one prototype; with either, the student learns little.",
            better=None,
            chart="share",
            note="1 = uniform, 0 = one prototype",
        ),
        Metric(
            "dino/divergence",
            "Student divergence",
            "Kullback-Leibler divergence of the student's choices from the teacher's: the loss less the teacher's"
            " entropy.",
            unit="nats",
            better="lower",
            chart="loss",
            legend="divergence",
        ),
    )
    views_caption = "The views it compared: from each, the student predicts the teacher's choice for the global ones"
    view_titles: ClassVar[dict[str, str]] = {"first": "global 1", "second": "global 2"}
    average_served = False
    recommended: ClassVar[dict[str, Any]] = {
        "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.04},
        "budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50},
    }
    center: Tensor

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        if params.local_views:
            _check_local(backbone, self._local_size)
        self.projection = _bottleneck(backbone.feature_size, params.hidden_size, params.bottleneck_size)
        self.prototypes = Prototypes(params.bottleneck_size, params.prototypes)
        self.teacher = frozen_copy(backbone)
        self.teacher_projection = frozen_copy(self.projection)
        self.teacher_prototypes = frozen_copy(self.prototypes)
        self.register_buffer("center", torch.zeros(params.prototypes))

    @property
    def _local_size(self) -> int:
        return max(1, self.problem.size // 2)

    def served(self) -> nn.Module:
        return Encoder(self.teacher)

    def projection_head(self) -> nn.Module:
        return self.teacher_projection

    def streams(self) -> dict[str, Stream]:
        views = {"first": View("first"), "second": View("second")}
        if self.params.local_views:
            views["local"] = View("local", self.params.local_views, self._local_size)
        return {"unlabeled": Stream("unlabeled", self.problem.batch_size, views)}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        part, params = batch["unlabeled"], self.params
        views = torch.cat((part.first, part.second))
        embedded = self.projection(self.backbone(views))
        student = self.prototypes(embedded).unflatten(0, (2, -1))  # [2, N, K]
        if params.local_views:
            with bn_stats_frozen(self.backbone):
                local = self.prototypes(self.projection(self.backbone(part.local.flatten(0, 1))))
            student = torch.cat((student, local.unflatten(0, (params.local_views, -1))))
        with torch.no_grad():
            teacher = self.teacher_prototypes(self.teacher_projection(self.teacher(views))).unflatten(0, (2, -1))
            choices = teacher_choices(teacher, self.center, self._teacher_temperature(now))
            entropy = -torch.xlogy(choices, choices).sum(2).mean()
        loss = dino_loss(choices, student, params.student_temperature)
        # After the loss, which has taken the center as it was.
        self.center.copy_(moved_center(self.center, teacher))
        scalars = {
            "loss/unlabeled": loss.detach(),
            "dino/entropy": entropy / math.log(params.prototypes),
            "dino/divergence": loss.detach() - entropy,
        }
        figures = embedding_metrics(*embedded.detach().chunk(2)) if now.logged else {}
        return StepResult(loss, scalars | figures)

    def _teacher_temperature(self, now: StepContext) -> float:
        first, last = self.params.first_teacher_temperature, self.params.teacher_temperature
        return float(first + (last - first) * linear_ramp(now.progress, self.params.temperature_warmup))

    def before_update(self, now: StepContext) -> None:
        for parameter in self.parameters():
            if parameter.grad is not None:
                nn.utils.clip_grad_norm_(parameter, CLIPPED_AT)
        if now.epoch < self.params.frozen_epochs:
            for parameter in self.prototypes.parameters():
                parameter.grad = None

    def after_update(self, batch: Batch, now: StepContext) -> None:
        # Only parameters: the teacher's running statistics are its own.
        momentum = cosine_momentum(self.params.momentum, now.progress)
        for teacher, student in (
            (self.teacher, self.backbone),
            (self.teacher_projection, self.projection),
            (self.teacher_prototypes, self.prototypes),
        ):
            ema_(teacher, student, momentum, buffers=False)

    def show(self, batch: Batch) -> dict[str, Tensor]:
        """Local views are enlarged to the images' size."""
        shown = super().show(batch)
        return {name: F.interpolate(view, (self.problem.size,) * 2) for name, view in shown.items()}


class Prototypes(nn.Module):
    """Cosines [N, K] of rows [N, D] with K directions: the authors' weight-normed layer with its gain fixed at 1."""

    def __init__(self, size: int, count: int) -> None:
        super().__init__()
        self.directions = nn.Parameter(torch.empty(count, size))
        nn.init.kaiming_uniform_(self.directions, a=5**0.5)  # as nn.Linear, which the authors wrap

    def forward(self, rows: Tensor) -> Tensor:
        return F.normalize(rows) @ F.normalize(self.directions).T


def _bottleneck(features: int, hidden: int, size: int) -> Head:
    head = Head(nn.Linear(features, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, size))
    for layer in head[::2]:
        assert isinstance(layer, nn.Linear)
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(layer.bias)
    return head


def teacher_choices(outputs: Tensor, center: Tensor, temperature: float) -> Tensor:
    """Softmax of the centered outputs over the temperature (eq. 1 and section 3.1).

    outputs: [2, N, K]. center: [K]. Returns [2, N, K], each row sums to 1.
    """
    return ((outputs - center) / temperature).softmax(-1)


def dino_loss(choices: Tensor, student: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the student's choices against the teacher's, averaged over images and all pairs of a global view
    and another view (eq. 3).

    choices: [G, N, K], the teacher's for the global views. student: outputs [V, N, K], the global views first. Scalar
    in nats: ln K if all choose evenly.
    """
    log_choices = (student / temperature).log_softmax(-1)
    pairs = -torch.einsum("gnk,vnk->gv", choices.detach(), log_choices) / choices.shape[1]  # [G, V]
    # A view is not compared with itself.
    others = ~torch.eye(*pairs.shape, dtype=torch.bool, device=pairs.device)
    return pairs[others].mean()


def moved_center(center: Tensor, outputs: Tensor) -> Tensor:
    """c ← m c + (1 - m) · the teacher's mean output over both global views of the batch (eq. 4)."""
    return CENTER_MOMENTUM * center + (1 - CENTER_MOMENTUM) * outputs.mean((0, 1))


def _check_local(backbone: Backbone, size: int) -> None:
    """Raises ConfigError if the network makes no features of the same size from views of so few pixels."""
    training = backbone.training
    try:
        with torch.no_grad():
            features = backbone.eval()(torch.zeros(1, backbone.channels, size, size))
        fits = features.shape[1] == backbone.feature_size
    except (RuntimeError, ValueError, AssertionError):
        fits = False
    finally:
        backbone.train(training)
    if not fits:
        raise ConfigError(
            f"{backbone.params.name} does not take local views of {size} pixels: set method.local_views to 0, or choose"
            " another backbone or larger images."
        )
