"""simsiam: one view's embedding predicts the other's, and a stopped gradient is all that prevents collapse."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import Group, StepResult
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.networks import Head, mlp
from engine.registry import methods


@methods.register
class SimSiam(EncoderMethod):
    """Simple Siamese networks: two views, one network, a predictor on one side and a stopped gradient on the other
    (Chen & He 2021, arXiv:2011.10566, eq. 1 to 4, algorithm 1).

    The projection head has batch norm behind every layer, its output included (there without scale and shift, as in the
    authors' code); the predictor is a bottleneck whose output is plain. The predictor's learning rate stays constant
    while the rest follows the schedule (section 4.2 and the authors' `fix_pred_lr`). Both views go through one forward
    pass, so batch norm uses their common statistics and moves once; the authors' code makes one pass for each view. Two
    layers of projection are what the paper has for CIFAR-10 (appendix D); for ImageNet it has three. A loss that is
    near -1 at once is a collapse: watch the embedding's std.
    """

    class Params(MethodParams):
        name: Literal["simsiam"] = "simsiam"
        projection_size: int = param(
            256, ge=2, le=8192, symbol="D", help="Width of the projection head's layers; the paper has 2,048."
        )
        layers: int = param(
            2, ge=2, le=3, advanced=True, help="Layers of the projection head: the paper has 2 on CIFAR-10, else 3."
        )
        bottleneck_size: int = param(
            64,
            ge=2,
            le=8192,
            advanced=True,
            help="Width of the predictor's hidden layer; in the paper a quarter of the projection's.",
        )
        stop_gradient: bool = param(
            True,
            advanced=True,
            added=True,
            help="Off, as in the paper's ablation, the loss comes nearer to -1 than ever while all embeddings fall into"
            " one point.",
        )

    title = "SimSiam"
    summary = "Learns features without labels, negatives or a second network: each view predicts the other one."
    idea = "Predict one view's embedding from the other's, and let the gradient flow through the predicting side only."
    formula = (
        r"L = -\tfrac{1}{2} \cos\left(q(z_1), \mathrm{sg}(z_2)\right) - \tfrac{1}{2} \cos\left(q(z_2),"
        r" \mathrm{sg}(z_1)\right)"
    )
    paper = "Chen & He 2021, arXiv:2011.10566"
    views: ClassVar[dict[str, dict[str, Any]]] = {"crop": {"name": "crop_jitter", "area": 0.2, "saturation": 0.4}}
    views_of_each = 2
    views_caption = "The pairs it compared: each view's embedding predicts the other one's"
    view_titles: ClassVar[dict[str, str]] = {"crop_1": "view 1", "crop_2": "view 2"}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        size = params.projection_size
        hidden: list[nn.Module] = []
        for inputs in (backbone.feature_size, *[size] * (params.layers - 2)):
            hidden += [nn.Linear(inputs, size, bias=False), nn.BatchNorm1d(size), nn.ReLU(inplace=True)]
        self.projection = Head(*hidden, nn.Linear(size, size, bias=False), nn.BatchNorm1d(size, affine=False))
        self.predictor = mlp(size, params.bottleneck_size, size)

    def groups(self) -> list[Group]:
        return [Group([self.backbone, self.projection]), Group([self.predictor], schedule="constant")]

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        views: Tensor = batch["unlabeled"].crop  # [2, N, C, H, W]
        projections = self.projection(self.backbone(views.flatten(0, 1)))  # [2N, D]
        predictions = self.predictor(projections).chunk(2)
        loss = simsiam_loss(*predictions, *projections.chunk(2), stop_gradient=self.params.stop_gradient)
        figures = embedding_metrics(*projections.detach().chunk(2)) if now.logged else {}
        return StepResult(loss, {"loss/unlabeled": loss.detach(), **figures})


def simsiam_loss(
    first: Tensor, second: Tensor, first_projection: Tensor, second_projection: Tensor, *, stop_gradient: bool = True
) -> Tensor:
    """Negative cosine of each view's prediction and the other view's projection, both directions averaged (eq. 2).

    All [N, D]. stop_gradient: none flows into the projections here; without that stop, all embeddings fall into one
    point. Scalar, -1 to 1.
    """
    cosines = [
        F.cosine_similarity(prediction, projection.detach() if stop_gradient else projection)
        for prediction, projection in ((first, second_projection), (second, first_projection))
    ]
    return -(cosines[0] + cosines[1]).mean() / 2
