"""RunConfig: all that determines a run, validated. Forms, `--help`, the JSON schema and the docs' tables are made from
these declarations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from engine.errors import ConfigError
from engine.registry import Registry, backbones, datasets, methods, recipes

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


def param(
    default: Any,
    *,
    help: str,
    symbol: str | None = None,
    live: bool = False,
    advanced: bool = False,
    unit: str | None = None,
    place: bool = False,
    empty: str | None = None,
    **limits: Any,
) -> Any:
    """A setting: its default, its range (`ge`, `le`, ...), one sentence of help, the paper's symbol.

    live: may be changed while training. advanced: shown under "More settings". unit: shown beside the number. place: a
    path on this machine, which says where something lies and not what it is: no part of the fingerprint. empty: what it
    means to leave it empty, in a few words.
    """
    extra = {"live": live, "advanced": advanced, "symbol": symbol, "unit": unit, "place": place, "empty": empty}
    return Field(default, description=help, json_schema_extra={k: v for k, v in extra.items() if v}, **limits)


class Settings(BaseModel):
    """Base of every group of settings: unknown fields are errors, and a value is immutable once validated."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Validate a plain object. Raises ConfigError with one sentence on the first thing that is wrong."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise ConfigError(sentence(error)) from None
        except RecursionError:
            raise ConfigError(
                "The configuration is nested too deeply to be one of FewLab's: check its brackets."
            ) from None


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
            "What the weights start from: random; run:<id>, the features of an earlier run; file:<path>, a safetensors"
            " file or a state dict; pretrained, torchvision's weights for this network, if it has any."
        ),
    )


class RecipeParams(Settings):
    name: str


class FewLabels(Settings):
    """A class-balanced handful of labels."""

    kind: Literal["few"] = "few"
    per_class: int = param(2, ge=1, le=1_000_000, help="Labeled pictures of each class; all others count as unlabeled.")


class AllLabels(Settings):
    """Every training picture keeps its label: the upper bound that few-label methods are held against."""

    kind: Literal["all"] = "all"


class PartialLabels(Settings):
    """Every training picture comes with several possible labels, exactly one of which is true."""

    kind: Literal["partial"] = "partial"
    generator: Literal["uniform"] = param(
        "uniform", help="uniform: every wrong label is equally likely to be among the candidates."
    )
    rate: float = param(
        0.3, ge=0, le=0.99, symbol="q", help="Probability with which each wrong label joins the true one."
    )
    repair: bool = param(
        True,
        advanced=True,
        help="Give a picture that no wrong label joined one at random, so that no label is known for sure.",
    )


class NoLabels(Settings):
    """No label reaches training. Validation and test pictures keep theirs, and probes of the features say how many
    labels they were given.
    """

    kind: Literal["none"] = "none"


Labels = Annotated[FewLabels | PartialLabels | AllLabels | NoLabels, Field(discriminator="kind")]


class DataParams(Settings):
    name: str
    labels: Labels = param(FewLabels(), help="How many of the training pictures keep their labels.")
    split_seed: int | None = param(
        None,
        ge=0,
        le=2**31 - 1,
        advanced=True,
        empty="follows the seed",
        help="Which pictures are labeled. Empty: the run's seed decides, so every seed draws its own labels.",
    )
    validation: float = param(
        0.1,
        ge=0,
        le=0.5,
        advanced=True,
        help="Share of the training pictures held back, with their labels, for choosing between settings.",
    )


class OptimizerParams(Settings):
    """What all optimizers share."""

    name: str
    lr: float
    weight_decay: float = param(
        0.0005, ge=0, le=1, advanced=True, help="Decay of kernels only: biases and normalization are left alone."
    )
    schedule: Literal["cosine", "constant"] = param(
        "cosine",
        advanced=True,
        help="cosine: lr · cos(7πk/16K), the schedule of FixMatch, which ends at 0.195 of the start.",
    )
    warmup_steps: int = param(
        20, ge=0, le=1_000_000, advanced=True, help="Steps in which the learning rate rises linearly from 0."
    )
    ema_decay: float = param(
        0.99,
        ge=0,
        lt=1,
        advanced=True,
        help=(
            "Decay of the averaged weights that are evaluated and kept; shortened to (1+t)/(10+t) early on. 0: no"
            " averaging."
        ),
    )


class SGDParams(OptimizerParams):
    """Stochastic gradient descent with momentum; weight decay is L2 in the gradient."""

    name: Literal["sgd"] = "sgd"
    lr: float = param(0.1, gt=0, le=10, symbol="η", live=True, help="Learning rate at the start of the schedule.")
    momentum: float = param(0.9, ge=0, lt=1, advanced=True, help="Share of the last step's direction that is kept.")
    nesterov: bool = param(True, advanced=True, help="Nesterov's momentum; needs momentum above 0.")

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> SGDParams:
        if self.nesterov and self.momentum == 0:
            raise ConfigError(
                "Nesterov's momentum needs momentum above 0: switch optimizer.nesterov off or raise optimizer.momentum."
            )
        return self


class AdamWParams(OptimizerParams):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101); weight decay is decoupled from the gradient."""

    name: Literal["adamw"] = "adamw"
    lr: float = param(0.001, gt=0, le=10, symbol="η", live=True, help="Learning rate at the start of the schedule.")
    beta1: float = param(0.9, ge=0, lt=1, symbol="β₁", advanced=True, help="Decay of the first moment.")
    beta2: float = param(0.999, ge=0, lt=1, symbol="β₂", advanced=True, help="Decay of the second moment.")


Optimizer = Annotated[SGDParams | AdamWParams, Field(discriminator="name")]


class Budget(Settings):
    steps: int = param(
        500, ge=1, le=10_000_000, symbol="K", help="Optimizer steps. The schedule is planned for exactly this many."
    )
    batch_size: int = param(
        32,
        ge=2,
        le=65_536,
        symbol="B",
        help="Labeled pictures in a step; of a method that learns without labels, all pictures in a step.",
    )
    evaluate_every: int = param(
        25, ge=1, le=1_000_000, advanced=True, help="Steps between two evaluations (metrics and a snapshot)."
    )


class Hardware(Settings):
    device: Literal["auto", "cpu", "cuda"] = param(
        "auto", advanced=True, help="Where to train. auto: a GPU if there is one."
    )
    precision: Literal["auto", "float32", "bfloat16"] = param(
        "auto", advanced=True, help="auto: bfloat16 inside the network on a GPU, float32 elsewhere."
    )
    threads: int = param(0, ge=0, le=1024, advanced=True, help="CPU threads; 0: one per core this process may use.")


def _choice(registry: Registry, where: str) -> Callable[[Any], Any]:
    """A validator that turns `{"name": ..., ...}` into the Params of the registered class; `where` names the place in
    complaints.
    """

    def validate(value: Any) -> Any:
        if isinstance(value, Settings):
            return value
        if not isinstance(value, dict):
            raise ConfigError(
                f'{where} is {_shown(value)!r} but must be an object with a name, such as {{"name":'
                f' "{next(iter(registry), "...")}"}}.'
            )
        try:
            return registry[str(value.get("name"))].Params.model_validate(value)
        except ValidationError as error:
            raise ConfigError(sentence(error, where)) from None

    return validate


class RunConfig(Settings):
    """One run, completely. Missing parts are filled from the method's and the data set's recommendations, then from the
    defaults.
    """

    version: Literal[1] = 1
    name: str = param("", max_length=200, help="A name of your own; it never decides anything.")
    seed: Seed = param(0, help="Decides the first weights, the order of pictures and every random view.")
    data: SerializeAsAny[DataParams]
    backbone: SerializeAsAny[BackboneParams]
    augment: dict[str, SerializeAsAny[RecipeParams]]
    method: SerializeAsAny[MethodParams]
    optimizer: Optimizer
    budget: Budget = Budget()
    hardware: Hardware = Hardware()

    _data = field_validator("data", mode="before")(_choice(datasets, "data"))
    _backbone = field_validator("backbone", mode="before")(_choice(backbones, "backbone"))
    _method = field_validator("method", mode="before")(_choice(methods, "method"))

    @field_validator("augment", mode="before")
    @classmethod
    def _augment(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ConfigError(_NO_RECIPES)
        for name, part in value.items():
            if not isinstance(part, (dict, Settings)):
                raise ConfigError(
                    f"augment.{name} is {_shown(part)!r} but must be an object of settings; {{}} takes the recommended"
                    " ones."
                )
            if isinstance(part, dict) and part.get("name", name) != name:
                raise ConfigError(
                    f"augment.{name}.name is {_shown(part['name'])!r} but must be {name!r}: a view is made by the"
                    " recipe of its own name."
                )
        return {
            name: _choice(recipes, f"augment.{name}")({"name": name, **part} if isinstance(part, dict) else part)
            for name, part in value.items()
        }

    @model_validator(mode="before")
    @classmethod
    def _recommended(cls, value: Any) -> Any:
        return _resolve(value) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> RunConfig:
        cls = methods[self.method.name]
        if cls.fitted and self.optimizer != SGDParams():
            raise ConfigError(
                f"optimizer would do nothing: {self.method.name} is fitted without one; leave its settings as they are."
            )
        if self.data.labels.kind not in cls.supervision:
            raise ConfigError(
                f"{self.method.name} learns from {' or '.join(sorted(cls.supervision))} labels, but data.labels.kind is"
                f" {self.data.labels.kind!r}: change one of the two."
            )
        if cls.backbones is not None and self.backbone.name not in cls.backbones:
            raise ConfigError(
                f"{self.method.name} does not work with the backbone {self.backbone.name!r}: choose one of"
                f" {', '.join(sorted(cls.backbones))}."
            )
        return self

    def fingerprint(self, content: str = "") -> str:
        """Hash of everything but `name`, `hardware`, `backbone.init` and paths, with `content`: hashes of the data and
        of the weights it starts from.

        Equal fingerprints on one machine and device give bit-identical runs.
        """
        places = {
            name
            for name, field in type(self.data).model_fields.items()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("place")
        }
        determines = self.model_dump(
            mode="json", exclude={"name": True, "hardware": True, "data": places, "backbone": {"init"}}
        )
        return hashlib.sha256(json.dumps([determines, content], sort_keys=True).encode()).hexdigest()[:16]

    def with_changes(self, changes: dict[str, Any]) -> RunConfig:
        """A copy with dotted keys replaced (`{"method.threshold": 0.9}`). Raises ConfigError."""
        return RunConfig.parse(apply_changes(self.model_dump(mode="json"), changes))


def live_settings(config: RunConfig) -> dict[str, Any]:
    """Dotted keys, and their values, of the settings that may be changed while training."""
    found: dict[str, Any] = {}
    for part in ("method",) if methods[config.method.name].fitted else ("method", "optimizer"):
        settings = getattr(config, part)
        for name, field in type(settings).model_fields.items():
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("live"):
                found[f"{part}.{name}"] = getattr(settings, name)
    return found


def apply_changes(plain: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Set dotted keys in a copy of a plain config. Changing a `name` or `kind` drops the settings of the old choice."""
    result: dict[str, Any] = json.loads(json.dumps(plain))
    for key, value in sorted(changes.items(), key=lambda item: not item[0].endswith((".name", ".kind"))):
        *path, last = key.split(".")
        place = result
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"There is no setting {key!r}: {part!r} has no parts.")
        if last in ("name", "kind") and path and place.get(last) not in (None, value):
            place.clear()
        place[last] = value
    return result


def overlay(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, recursively; a part whose `name` or `kind` differs replaces the part below instead of mixing
    with it.
    """
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        if (
            isinstance(value, dict)
            and isinstance(below, dict)
            and all(value.get(tag, below.get(tag)) == below.get(tag, value.get(tag)) for tag in ("name", "kind"))
        ):
            result[key] = overlay(below, value)
        else:
            result[key] = value
    return result


DEFAULTS: dict[str, Any] = {
    "data": {"name": "digits"},
    "backbone": {"name": "small_cnn"},
    "method": {"name": "fixmatch"},
    "optimizer": {"name": "sgd"},
}


def _resolve(value: dict[str, Any]) -> dict[str, Any]:
    value = {key: {"name": part} if key in DEFAULTS and isinstance(part, str) else part for key, part in value.items()}
    for key in DEFAULTS:
        if not isinstance(value.get(key, {}), dict):
            raise ConfigError(
                f'{key} is {_shown(value[key])!r} but must be an object with a name, such as {{"name":'
                f' "{DEFAULTS[key]["name"]}"}}.'
            )
    asked_for = overlay(DEFAULTS, value)
    method, data = methods[asked_for["method"].get("name")], datasets[asked_for["data"].get("name")]
    general = {key: part for key, part in DEFAULTS.items() if key not in ("method", "data")}
    resolved = overlay(
        overlay(overlay(general, method.recommended), data.recommended),
        {**value, "method": asked_for["method"], "data": asked_for["data"]},
    )
    used = method.recipes
    asked = resolved.get("augment") or {}
    if not isinstance(asked, dict):
        raise ConfigError(_NO_RECIPES)
    unused = sorted(set(value.get("augment") or {}) - set(used), key=str)
    if unused:
        raise ConfigError(
            f"augment.{unused[0]} would do nothing: {asked_for['method']['name']} uses the views {', '.join(used)}."
        )
    resolved["augment"] = {name: asked.get(name, {}) for name in used}
    data_part = resolved["data"] = dict(resolved["data"])
    data_part["labels"] = _labels(
        data_part.get("labels"), method.supervision, data.Params.model_fields["labels"].default
    )
    if data_part.get("split_seed") is None:
        try:  # checked here, or a wrong seed would be reported as a wrong data.split_seed
            data_part["split_seed"] = TypeAdapter(Seed).validate_python(value.get("seed", 0))
        except ValidationError as error:
            raise ConfigError(sentence(error, "seed")) from None
    return resolved


def _labels(asked: Any, supervision: set[str], usual: Settings) -> Any:
    """The labels as asked for; what was not said follows the data set's usual kind, or, where the method cannot learn
    from that, its own.
    """
    if asked is not None and not isinstance(asked, dict):
        return asked
    kind = usual.kind if usual.kind in supervision else sorted(supervision)[0]  # type: ignore[attr-defined]  # every member of the union has a kind
    if not asked:
        return usual.model_dump() if kind == usual.kind else {"kind": kind}  # type: ignore[attr-defined]
    return {"kind": kind, **asked}


def sentence(error: ValidationError, prefix: str = "") -> str:
    """pydantic's first complaint as one sentence: the setting, its value, what is allowed."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in (prefix, *first["loc"]) if part not in ("", *_TAGS))
    if where == "backbone.init":
        return (
            f"backbone.init is {_shown(first.get('input'))!r} but must be random, pretrained, run:<id of a run> or"
            " file:<path of a weights file>."
        )
    kind, context, shown = first["type"], first.get("ctx") or {}, _shown(first.get("input"))
    if kind == "extra_forbidden":
        return f"There is no setting {where!r}: remove it, or check its spelling."
    if kind == "missing":
        return f"{where} is missing: give it a value."
    if kind == "union_tag_invalid":
        return (
            f"{where} has the {str(context['discriminator']).strip(chr(39))} {_shown(context['tag'])!r} but must have"
            f" one of {context['expected_tags']}."
        )
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        return f"{where} is {shown} but must be {words} {context[key]}."
    if kind == "literal_error":
        return f"{where} is {shown!r} but must be one of {context['expected']}."
    return f"{where or 'The configuration'} is {shown!r}: {first['msg'][0].lower()}{first['msg'][1:]}."


def _shown(value: Any) -> str:
    try:
        return str(value)[:80]
    except (ValueError, RecursionError):  # a number of thousands of digits, nesting of thousands of levels
        return f"a {type(value).__name__} beyond measure"


_NO_RECIPES = 'augment must be an object: one entry per view recipe, such as {"weak": {"translate": 0.125}}.'
_TAGS = (
    "few",
    "partial",
    "all",
    "none",
    "sgd",
    "adamw",
)  # pydantic names the chosen part of a union on the way to a setting; no setting's key has it
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("below", "lt"),
}
