"""The parts of a RunConfig that are the same for every method, data set and backbone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from engine.config.choice import NamesOf, by_name, choice
from engine.config.settings import Settings, param
from engine.registry import schedules


class MethodParams(Settings):
    name: str


class BackboneParams(Settings):
    name: str
    init: str = param(
        "random",
        pattern=r"^(random|pretrained|run:[\w-]+|file:.+)$",
        max_length=500,
        advanced=True,
        help=(
            "Initial weights: random; run:<id>, the features of an earlier run; file:<path>, a safetensors file or a"
            " state dict; pretrained, weights that others trained for this network, if it has any."
        ),
    )


class RecipeParams(Settings):
    name: str


class FewLabels(Settings):
    """A class-balanced handful of labels."""

    kind: Literal["few"] = "few"
    per_class: int = param(2, ge=1, le=1_000_000, help="Labeled images of each class; all others count as unlabeled.")
    at_most: bool = param(
        False,
        advanced=True,
        added=True,
        help=(
            "A class with fewer labeled images gives all it has. Off: it is refused, so that every class has exactly"
            " as many."
        ),
    )


class AllLabels(Settings):
    """Every label of the training images is used: of a set that came with few labels, all of those; where every image
    has one, the upper bound that few-label methods are held against.
    """

    kind: Literal["all"] = "all"


class PartialLabels(Settings):
    """Every training image comes with several possible labels, exactly one of which is true."""

    kind: Literal["partial"] = "partial"
    generator: Literal["uniform", "confusable", "instance", "given"] = param(
        "uniform",
        help=(
            "uniform: every wrong label is equally likely to be among the candidates. confusable: only the two classes"
            " beside the true one, in the order of the classes and around its end. instance: labels that an earlier run"
            " finds likely for the image. given: the labels that one's own images came with, several separated by ;"
            " or |."
        ),
    )
    rate: float = param(
        0.3,
        ge=0,
        le=0.99,
        symbol="q",
        help=(
            "Probability with which each wrong label is added to the candidates, of confusable with which each of the"
            " two is. instance: the factor of the code's rule."
        ),
    )
    repair: bool = param(
        True,
        advanced=True,
        help="Give an image without a wrong candidate one at random, so that no label is certain.",
    )
    run: str = param(
        "",
        max_length=200,
        added=True,
        help="instance: id of an earlier run on the same data, whose network says which labels are likely.",
    )
    rule: Literal["paper", "code"] = param(
        "paper",
        advanced=True,
        added=True,
        help=(
            "instance: how likely a wrong label is to join. paper: as its probability divided by the largest wrong one,"
            " which always joins. code: rate times its probability divided by the mean over all classes, as in the"
            " authors' code."
        ),
    )


class NoLabels(Settings):
    """No label reaches training. Validation and test images keep theirs, and probes of the features say how many
    labels they were given.
    """

    kind: Literal["none"] = "none"


Labels = Annotated[FewLabels | PartialLabels | AllLabels | NoLabels, Field(discriminator="kind")]


class DataParams(Settings):
    name: str
    labels: Labels = param(FewLabels(), help="How many training images keep their labels.")
    split_seed: int | None = param(
        None,
        ge=0,
        le=2**31 - 1,
        advanced=True,
        empty="follows the seed",
        help="Which images are labeled. Empty: the run's seed decides, so every seed draws its own labels.",
    )
    validation: float = param(
        0.1,
        ge=0,
        le=0.5,
        advanced=True,
        help=(
            "Share of the training images held back, with their labels, for choosing between settings. Not used where"
            " the images come with a validation folder."
        ),
    )


class ScheduleParams(Settings):
    name: str


def _schedule(value: Any) -> Any:
    return choice(schedules, "optimizer.schedule")({"name": value} if isinstance(value, str) else value)


Schedule = Annotated[ScheduleParams, BeforeValidator(_schedule), PlainSerializer(by_name), NamesOf(schedules)]


class OptimizerParams(Settings):
    """What all optimizers share; each adds its own and a default for the learning rate."""

    name: str
    lr: float
    weight_decay: float = param(
        0.0005,
        ge=0,
        le=1,
        advanced=True,
        log=True,
        help="Decay of kernels only: biases and normalization are left alone.",
    )
    weight_decay_end: float | None = param(
        None,
        ge=0,
        le=1,
        advanced=True,
        added=True,
        empty="constant",
        help="Weight decay at the end of the run, reached along half a cosine. Empty: constant.",
    )
    schedule: Schedule = param(
        "cosine",
        advanced=True,
        help=(
            "How the learning rate moves. cosine: lr · cos(7πk/16K), the schedule of FixMatch, which ends at 0.195 of"
            " the start; cosine_annealing: half a cosine to any floor; step_decay: drops at milestones; constant."
        ),
    )
    warmup_steps: int = param(20, ge=0, le=1_000_000, advanced=True, help="Steps of linear learning-rate warm-up.")
    ema_decay: float = param(
        0.99,
        ge=0,
        lt=1,
        advanced=True,
        help=(
            "EMA decay of the weights that are evaluated and saved, warmed up as min(decay, (1+t)/(10+t)). 0: no"
            " averaging."
        ),
    )


class Budget(Settings):
    steps: int = param(
        500, ge=1, le=10_000_000, symbol="K", help="Optimizer steps. The schedule is planned for exactly this many."
    )
    batch_size: int = param(
        32,
        ge=2,
        le=65_536,
        symbol="B",
        help="Labeled images in a step; of a method that learns without labels, all images in a step.",
    )
    evaluate_every: int = param(
        25, ge=1, le=1_000_000, advanced=True, help="Steps between two evaluations (metrics and a snapshot)."
    )


class Training(Settings):
    """When a run ends before its last step. The learning rate is still planned for all of them."""

    patience: int = param(
        0,
        ge=0,
        le=10_000,
        advanced=True,
        help=(
            "End after so many evaluations without a better validation accuracy. 0: never. What is kept is the network"
            " at the end, not the best one before it."
        ),
    )
    minutes: float = param(
        0.0,
        ge=0,
        le=1_000_000,
        advanced=True,
        unit="min",
        help=(
            "End after so many minutes of training, without pauses and over all lives of a resumed run. 0: no limit."
        ),
    )


Device = Literal["auto", "cpu", "cuda", "cuda:0", "cuda:1", "cuda:2", "cuda:3"]


class Hardware(Settings):
    """What a run computes with; recorded when it begins, and used again when it is resumed."""

    device: Device = param(
        "auto", advanced=True, help="Where to train. auto: a GPU if there is one; cuda:1 is the second one."
    )
    precision: Literal["auto", "float32", "bfloat16"] = param(
        "auto",
        advanced=True,
        help=(
            "auto: bfloat16 inside the network on a GPU, float32 elsewhere. bfloat16 on a processor that computes in it"
            " (AVX512-BF16) took a fifth to a third less time and changed accuracy on digits by less than a point."
        ),
    )
    threads: int = param(0, ge=0, le=1024, advanced=True, help="CPU threads; 0: one per core this process may use.")
    deterministic: bool = param(
        True,
        advanced=True,
        added=True,
        help="The same bits in every run of one seed. Off, a GPU may pick faster algorithms that add in any order.",
    )
    tf32: bool = param(
        False,
        advanced=True,
        added=True,
        help="Round the factors of float32 products to 10 bits on GPUs that compute so faster (TF32).",
    )
    compile: bool = param(
        False,
        advanced=True,
        added=True,
        help="Compile the network with torch.compile: minutes at the start, faster steps on a GPU.",
    )
