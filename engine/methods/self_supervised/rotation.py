"""rotation: by how many quarter turns was the image rotated?"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.methods.parts.networks import Head
from engine.methods.parts.rotations import TURNS, rotations
from engine.metrics import Metric
from engine.registry import methods


@methods.register
class Rotation(EncoderMethod):
    """RotNet: every image is classified by its rotation, 0, 90, 180 or 270 degrees (Gidaris et al. 2018,
    arXiv:1803.07728, eq. 2 and 3).

    All four rotations of an image are in one batch, as in the authors' code, so a step sees four times as many images
    as its batch size; one forward pass moves batch norm once. Rotations are counterclockwise, come after the weak
    augmentation (shift and flip) and only exchange pixels: a resampled image would give its rotation away. A random
    network is at 25 % and a loss of ln 4. Images that look alike upside down (0, 8), or turn into another class (6 and
    9), cannot be told apart by their rotation. Later layers specialize in rotations: the paper's best features on
    CIFAR-10 are those of the second of four blocks, while here, as with every method, the last ones are served.
    """

    class Params(MethodParams):
        name: Literal["rotation"] = "rotation"

    title = "Rotation"
    summary = "Learns features without any label: which way up was the image before it was rotated?"
    idea = "To tell whether an image was rotated by 0, 90, 180 or 270 degrees, a network must know what is in it."
    formula = r"L = -\frac{1}{4N} \sum_{i=1}^{N} \sum_{y=0}^{3} \log p\left(y \mid \mathrm{rot}_{90° y}(x_i)\right)"
    paper = "Gidaris et al. 2018, arXiv:1803.07728"
    views: ClassVar[dict[str, dict[str, Any]]] = {"image": {"name": "weak"}}
    headline = ("test/knn_1_per_class", "test/knn_5_per_class", "rotation/accuracy")
    metrics = (
        Metric(
            "rotation/accuracy",
            "Rotation accuracy",
            "Share of the rotated images of a step whose rotation is predicted correctly; 25 % is chance.",
            chart="share",
            note="25 % = chance",
        ),
    )
    views_caption = "The four rotations of each image, which the network tells apart"
    view_titles: ClassVar[dict[str, str]] = {f"rotation_{turn + 1}": f"{90 * turn}°" for turn in range(TURNS)}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.head = Head(nn.Linear(backbone.feature_size, TURNS))

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        images = batch["unlabeled"].image
        turns = torch.arange(TURNS, device=images.device).repeat_interleave(len(images))  # [4N]
        logits = self.head(self.backbone(rotations(images).flatten(0, 1)))  # [4N, 4]
        loss = F.cross_entropy(logits, turns)
        right = (logits.detach().argmax(1) == turns).float().mean()
        return StepResult(loss, {"loss/unlabeled": loss.detach(), "rotation/accuracy": right})

    def show(self, batch: Batch) -> dict[str, Tensor]:
        return {f"rotation_{number}": turned for number, turned in enumerate(rotations(batch["unlabeled"].image), 1)}
