"""What a method is: its streams and views, its loss, the state it keeps and what it serves. The trainer knows methods
only through this.

Letters used in all files: B labeled batch, U unlabeled batch (μB), N samples, K classes, D features, C H W channels and
pixels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.methods.base.batch import Batch, PseudoLabels, Stream, shown_batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.metrics import Metric


class Group(NamedTuple):
    """Parameters that share an optimizer setting: whole modules, or single parameters. weight_decay: decay those with
    two or more dimensions. schedule: a registered schedule in place of the run's, such as "constant".

    from_progress: the share of the run at which they begin to train. Until then they get no gradient and their modules
    stay in eval mode: a learning rate of 0 would still gather momentum and move batch norm's statistics.
    """

    modules: list[nn.Module | nn.Parameter]
    lr_scale: float = 1.0
    weight_decay: bool = True
    from_progress: float = 0.0
    schedule: str | None = None

    def trainable(self) -> list[nn.Parameter]:
        """Its parameters that take gradients."""
        parameters = [one for member in self.modules for one in _parameters(member)]
        return [parameter for parameter in parameters if parameter.requires_grad]


class StepResult(NamedTuple):
    """loss: scalar with gradient. scalars: detached 0-d tensors by their fixed names (`loss/labeled`, `mask_rate` ...).
    converged: no step is left to do.
    """

    loss: Tensor
    scalars: dict[str, Tensor] = {}
    pseudo_labels: PseudoLabels | None = None
    converged: bool = False


class Method(nn.Module):
    """Base of every method. All state kept between steps is a buffer or a submodule, so a checkpoint holds it by
    construction.

    supervision: the kinds of `data.labels` it can learn from. backbones: those it works with (None: any; empty: it
    brings a network of its own, and `backbone` gives it normalized pixels). views: the views it asks for, by name, each
    a recipe (`name`) with the settings in which it differs from the recipe's own. recommended: an overlay on
    RunConfig's defaults. fitted: whether it goes without optimizer and batches. transfers: whether it is made for
    features that were learned before. metrics: scalars of its own, which the screens draw as declared. headline: the
    names of up to three metrics that sum a run up while it trains.
    views_caption: what the views shown on Train are to the method; view_titles: what single ones are called, by the
    name under which `show` returns them. title, summary, idea, formula, paper: for the reader.
    """

    Params: ClassVar[type[MethodParams]]
    title: ClassVar[str]
    summary: ClassVar[str]
    idea: ClassVar[str]
    formula: ClassVar[str]
    paper: ClassVar[str]
    supervision: ClassVar[set[str]] = {"few", "all"}
    backbones: ClassVar[set[str] | None] = None
    views: ClassVar[dict[str, dict[str, Any]]] = {"weak": {"name": "weak"}}
    recommended: ClassVar[dict[str, Any]] = {}
    fitted: ClassVar[bool] = False
    transfers: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = ()
    headline: ClassVar[tuple[str, ...]] = ("test/accuracy", "validation/accuracy")
    views_caption: ClassVar[str] = "What the network was shown"
    view_titles: ClassVar[dict[str, str]] = {}

    params: Any  # the method's own Params, which a live change replaces

    def __init__(self, params: MethodParams, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__()
        self.params = params
        self.backbone = backbone
        self.problem = problem

    @abstractmethod
    def served(self) -> nn.Module:
        """What is evaluated, averaged, saved and predicted with: images [B, C, H, W] to (features [B, D], logits [B,
        K]).

        None instead of logits where the method knows no classes: it is then evaluated by probes of the features.
        """

    def projection_head(self) -> nn.Module | None:
        """From features [B, D] into the space in which the loss compares them, [B, P]: snapshots keep both. None: it
        compares none, or the features.
        """
        return None

    def candidate_weights(self) -> Tensor | None:
        """Float [n, K] by row of the pool, each row a distribution over its candidates: the weights as they are now.
        None: it keeps none.
        """
        return None

    def show(self, batch: Batch) -> dict[str, Tensor]:
        """What the method sees of this batch: views by name, each [n, C, H, W]; where a view has a count they are
        numbered from 1. Changes nothing.
        """
        shown: dict[str, Tensor] = {}
        for name, view in shown_batch(batch).views.items():
            shown |= {name: view} if view.ndim == 4 else {f"{name}_{number}": one for number, one in enumerate(view, 1)}
        return shown


class PoolPass(NamedTuple):
    """A look at every image of the pool, without augmentation, for methods that label it in rounds.

    ids: int64 [N], by row of the pool. predict: a network like `served` to features [N, D] and probabilities [N, K] (or
    None), float32 on the CPU, in eval mode.
    """

    ids: Tensor
    predict: Callable[[nn.Module], tuple[Tensor, Tensor | None]]


class GradientMethod(Method):
    """A method that learns by steps of an optimizer.

    Within a step, `step`, `before_update` and `after_update` draw from one global generator that follows from (seed,
    step), so dropout is the same in a resumed run. average_served: whether what answers is the moving average of
    `served`; False where a method keeps an average of its own, such as a teacher, and serves that.
    """

    average_served: ClassVar[bool] = True

    @abstractmethod
    def streams(self) -> dict[str, Stream]:
        """The streams of a step by name; each is a `StreamBatch` of the batch under that name."""

    @abstractmethod
    def step(self, batch: Batch, now: StepContext) -> StepResult:
        """The loss of one batch. Called in train mode; the trainer does backward, the optimizer and the weight
        average.
        """

    def groups(self) -> list[Group]:
        """Parameter groups; by default everything that trains in one group. Each trainable parameter is in exactly
        one.
        """
        return [Group([self])]

    def rounds(self) -> int:
        """Equal parts of the run. Each begins with `begin_round`, then a fresh optimizer, weight average and
        schedule.
        """
        return 1

    def begin_round(self, number: int, now: StepContext, pool: PoolPass) -> None:
        """Before the first step of a round, 0 the first: label the pool again, start from other weights."""

    def before_update(self, now: StepContext) -> None:
        """Between backward and the optimizer: clip, freeze."""

    def after_update(self, batch: Batch, now: StepContext) -> None:
        """After the optimizer: teachers, queues, centers."""


class PoolData(NamedTuple):
    """What a fitted method is fitted to, by row of the pool. features: float32 [N, D], of the backbone in eval mode on
    plain images.

    labels: int64 [N], -1 where hidden. ids: int64 [N].
    """

    features: Tensor
    labels: Tensor
    ids: Tensor


class OnFrozenFeatures(nn.Module):
    """Base of what fitted methods serve: images [B, C, H, W] to (features [B, D], logits [B, K]) by a backbone that
    nothing trains, so that its features of an image need not be computed more than once.
    """

    backbone: Backbone

    @abstractmethod
    def answer(self, features: Tensor) -> Tensor:
        """Features [B, D] to logits [B, K]."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return features, self.answer(features)


class FittedMethod(Method):
    """A method that is fitted to all training images at once, iteration by iteration, without an optimizer. Its
    result is buffers.

    The trainer counts an iteration as a step, so progress, pause, checkpoint and resume are those of every run; it ends
    at `budget.steps` or when the method says that it has converged.
    """

    fitted = True

    @abstractmethod
    def prepare(self, fitting: PoolData) -> None:
        """Called once before the first iteration, also after a resume: whatever is no buffer must follow from `fitting`
        alone.
        """

    @abstractmethod
    def iterate(self, now: StepContext) -> StepResult:
        """One iteration. `loss` is what tends to 0, without gradient; `converged` ends the run."""


def _parameters(member: nn.Module | nn.Parameter) -> Iterable[nn.Parameter]:
    return [member] if isinstance(member, nn.Parameter) else member.parameters()
