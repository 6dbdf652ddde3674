"""What a method is: its streams and views, its loss, the state it keeps and what it serves. The trainer knows methods
only through this.

Letters used in all files: B labeled batch, U unlabeled batch (μB), N samples, K classes, D features, C H W channels and
pixels.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.run_config import MethodParams
from engine.derived_seed import derive

Pool = Literal["labeled", "unlabeled", "all"]


@dataclass(frozen=True)
class View:
    """One augmented version of a batch, by the name of its recipe: [B, C, H, W], or [count, B, C, H, W] if a count is
    given.
    """

    recipe: str
    count: int | None = None


class Stream(NamedTuple):
    """A source of batches: which pictures, how many at once, which views of each."""

    pool: Pool
    batch: int
    views: dict[str, View]


class Group(NamedTuple):
    """Parameters that share an optimizer setting. weight_decay: decay those with two or more dimensions.

    from_progress: the share of the run at which they begin to train. Until then they get no gradient and their modules
    stay in eval mode: a learning rate of 0 would still gather momentum and move batch norm's statistics.
    """

    modules: list[nn.Module]
    lr_scale: float = 1.0
    weight_decay: bool = True
    from_progress: float = 0.0


class PseudoLabels(NamedTuple):
    """What the method believed of unlabeled pictures in this step: histogram, gallery and biography feed on it.

    ids: int64 [U]. labels: int64 [U]. confidence: float [U] in [0, 1]. weight: float [U] in [0, 1], the share with
    which each counts. threshold: float [U], the threshold each row had to reach, or None.
    """

    ids: Tensor
    labels: Tensor
    confidence: Tensor
    weight: Tensor
    threshold: Tensor | None = None


class StepResult(NamedTuple):
    """loss: scalar with gradient. scalars: detached 0-d tensors by their fixed names (`loss/labeled`, `mask_rate` ...).
    converged: no step is left to do.
    """

    loss: Tensor
    scalars: dict[str, Tensor] = {}
    pseudo_labels: PseudoLabels | None = None
    converged: bool = False


@dataclass
class Part:
    """One stream's batch. Views are attributes: float [B, C, H, W] in [0, 1]. ids: int64 [B]. rows: int64 [B], dense in
    the pool, for tables.

    labels: int64 [B], only in the labeled stream: no hidden label ever reaches a method. candidates: bool [B, K], the
    labels each picture may have, only where the data has partial labels, in the streams of the whole pool.
    """

    ids: Tensor
    rows: Tensor
    labels: Tensor | None
    views: dict[str, Tensor] = field(default_factory=dict)
    candidates: Tensor | None = None

    @property
    def known_candidates(self) -> Tensor:
        """The candidate sets of a stream that has them. Raises ValueError in any other."""
        if self.candidates is None:
            raise ValueError("this stream has no candidate sets")
        return self.candidates

    @property
    def known_labels(self) -> Tensor:
        """The labels of a labeled stream. Raises ValueError in any other, where they are hidden."""
        if self.labels is None:
            raise ValueError("the labels of this stream are hidden")
        return self.labels

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self.__dict__["views"][name]  # type: ignore[no-any-return]  # __dict__ is untyped
        except KeyError:
            raise AttributeError(
                f"this stream has no view {name!r}, only {sorted(self.__dict__.get('views', ()))}"
            ) from None


Batch = dict[str, Part]


def shown_part(batch: Batch) -> Part:
    """The stream that a person is shown: the unlabeled pictures if there are such, else the first stream."""
    return batch.get("unlabeled") or next(iter(batch.values()))


@dataclass(frozen=True)
class Now:
    """Where the run is: the only clock and the only source of chance."""

    seed: int
    step: int  # 0-based
    steps: int

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 at the first step."""
        return self.step / self.steps

    def rng(self, name: str) -> torch.Generator:
        """A CPU generator derived from (seed, name, step): nothing of it needs saving."""
        return torch.Generator().manual_seed(self.derive(name))

    def derive(self, name: str) -> int:
        """A 63-bit seed from (seed, name, step)."""
        return derive(self.seed, name, self.step)


class Problem(NamedTuple):
    """What the data asks: classes, channels, pixels, and how many pictures each pool has.

    candidates: bool [n, K] by row of the pool, where the data has partial labels; None also where a trained model is
    only used.
    """

    classes: int
    channels: int
    size: int
    counts: dict[str, int]
    batch_size: int
    candidates: Tensor | None = None


class Method(nn.Module):
    """Base of every method. All state kept between steps is a buffer or a submodule, so a checkpoint holds it by
    construction.

    supervision: the kinds of `data.labels` it can learn from. backbones: those it works with (None: any). recipes: the
    view recipes it uses. recommended: an overlay on RunConfig's defaults. fitted: whether it goes without optimizer and
    batches. transfers: whether it is made for features that were learned before. title, summary, idea, paper: for
    people.
    """

    Params: ClassVar[type[MethodParams]]
    title: ClassVar[str]
    summary: ClassVar[str]
    idea: ClassVar[str]
    formula: ClassVar[str]
    paper: ClassVar[str]
    supervision: ClassVar[set[str]] = {"few", "all"}
    backbones: ClassVar[set[str] | None] = None
    recipes: ClassVar[tuple[str, ...]] = ("weak",)
    recommended: ClassVar[dict[str, Any]] = {}
    fitted: ClassVar[bool] = False
    transfers: ClassVar[bool] = False

    params: Any  # the method's own Params, which a live change replaces

    def __init__(self, params: MethodParams, backbone: Backbone, problem: Problem) -> None:
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
        """Float [n, K] by row of the pool, each row a distribution over its candidates: what the method believes now.
        None: it keeps none.
        """
        return None

    def show(self, batch: Batch) -> dict[str, Tensor]:
        """What the method sees of this batch: views by name, each [n, C, H, W]; several of one recipe are numbered from
        1. Changes nothing.
        """
        shown: dict[str, Tensor] = {}
        for name, view in shown_part(batch).views.items():
            shown |= {name: view} if view.ndim == 4 else {f"{name}_{number}": one for number, one in enumerate(view, 1)}
        return shown


class GradientMethod(Method):
    """A method that learns by steps of an optimizer."""

    @abstractmethod
    def streams(self) -> dict[str, Stream]:
        """The streams of a step by name; each is a `Part` of the batch under that name."""

    @abstractmethod
    def step(self, batch: Batch, now: Now) -> StepResult:
        """The loss of one batch. Called in train mode; the trainer does backward, the optimizer and the weight
        average.
        """

    def groups(self) -> list[Group]:
        """Parameter groups; by default everything that trains in one group."""
        return [Group([self])]

    def before_update(self, now: Now) -> None:
        """Between backward and the optimizer: clip, freeze."""

    def after_update(self, batch: Batch, now: Now) -> None:
        """After the optimizer: teachers, queues, centers."""


class Fitting(NamedTuple):
    """What a fitted method is fitted to, by row of the pool. features: float32 [N, D], of the backbone in eval mode on
    plain pictures.

    labels: int64 [N], -1 where hidden. ids: int64 [N].
    """

    features: Tensor
    labels: Tensor
    ids: Tensor


class FittedMethod(Method):
    """A method that is fitted to all training pictures at once, iteration by iteration, without an optimizer. Its
    result is buffers.

    The trainer counts an iteration as a step, so progress, pause, checkpoint and resume are those of every run; it ends
    at `budget.steps` or when the method says that it has converged.
    """

    fitted = True

    @abstractmethod
    def prepare(self, fitting: Fitting) -> None:
        """Called once before the first iteration, also after a resume: whatever is no buffer must follow from `fitting`
        alone.
        """

    @abstractmethod
    def iterate(self, now: Now) -> StepResult:
        """One iteration. `loss` is what tends to 0, without gradient; `converged` ends the run."""


class Classifier(nn.Module):
    """A backbone and a linear head: images [B, C, H, W] to (features [B, D], logits [B, K]), logits in float32."""

    def __init__(self, backbone: Backbone, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.feature_size, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return features, self.head(features).float()

    def logits(self, *views: Tensor) -> list[Tensor]:
        """Logits of several views from one forward pass, so that batch norm sees them all together and updates once."""
        _, logits = self(torch.cat(views))
        return list(logits.split([len(view) for view in views]))


class Encoder(nn.Module):
    """A backbone alone, for methods that learn no classes: images [B, C, H, W] to (features [B, D], None)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        return self.backbone(images), None


def decayed(modules: Iterable[nn.Module]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The trainable parameters of `modules`, kernels (two or more dimensions) apart from biases and normalization."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]


@contextmanager
def bn_stats_frozen(*modules: nn.Module) -> Iterator[None]:
    """Batch norm normalizes with the batch's statistics as before, but leaves its running ones untouched."""
    norms = [
        m
        for module in modules
        for m in module.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
