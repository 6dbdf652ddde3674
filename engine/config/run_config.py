"""RunConfig: all that determines a run, validated. Forms, `--help`, the JSON schema and the docs' tables are made from
these declarations.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import (
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from engine.config.choice import choice
from engine.config.overlay import apply_changes, overlay
from engine.config.parts import (
    BackboneParams,
    Budget,
    DataParams,
    Hardware,
    MethodParams,
    OptimizerParams,
    PartialLabels,
    RecipeParams,
    Training,
)
from engine.config.settings import Seed, Settings, param, sentence, shown_value
from engine.errors import ConfigError
from engine.registry import backbones, datasets, methods, optimizers, recipes


class RunConfig(Settings):
    """One run, completely. Missing parts are filled from the method's and the data set's recommendations, then from the
    defaults.
    """

    version: Literal[1] = 1
    name: str = param("", max_length=200, help="A name of your own; it never decides anything.")
    seed: Seed = param(0, help="Seeds initialization, data order and augmentation.")
    data: SerializeAsAny[DataParams]
    backbone: SerializeAsAny[BackboneParams]
    augment: dict[str, SerializeAsAny[RecipeParams]]
    method: SerializeAsAny[MethodParams]
    optimizer: SerializeAsAny[OptimizerParams]
    budget: Budget = Budget()
    training: Training = param(Training(), added=True, help="When a run ends before its last step.")
    hardware: Hardware = Hardware()

    _data = field_validator("data", mode="before")(choice(datasets, "data"))
    _backbone = field_validator("backbone", mode="before")(choice(backbones, "backbone"))
    _method = field_validator("method", mode="before")(choice(methods, "method"))
    _optimizer = field_validator("optimizer", mode="before")(choice(optimizers, "optimizer"))

    @field_validator("augment", mode="before")
    @classmethod
    def _augment(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ConfigError(_NO_RECIPES)
        for name, part in value.items():
            if not isinstance(part, (dict, Settings)):
                raise ConfigError(
                    f"augment.{name} is {shown_value(part)!r} but must be an object of settings; {{}} takes the"
                    " recommended ones."
                )
        return {name: choice(recipes, f"augment.{name}")(part) for name, part in value.items()}

    @model_validator(mode="before")
    @classmethod
    def _recommended(cls, value: Any) -> Any:
        return _resolve(value) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _makes_sense(self) -> RunConfig:
        cls = methods[self.method.name]
        if cls.fitted and self.optimizer != optimizers[DEFAULTS["optimizer"]["name"]].Params():
            raise ConfigError(
                f"optimizer would do nothing: {self.method.name} is fitted without one; leave its settings as they are."
            )
        if self.data.labels.kind not in cls.supervision:
            raise ConfigError(
                f"{self.method.name} learns from {' or '.join(sorted(cls.supervision))} labels, but data.labels.kind is"
                f" {self.data.labels.kind!r}: change one of the two."
            )
        labels = self.data.labels
        if isinstance(labels, PartialLabels) and (labels.generator == "instance") != bool(labels.run):
            raise ConfigError(
                "data.labels.generator is 'instance', which takes candidates from an earlier run: name it in"
                " data.labels.run."
                if not labels.run
                else f"data.labels.run would do nothing: candidates by generator {labels.generator!r} follow from the"
                " labels; leave it empty."
            )
        if cls.backbones == set() and self.backbone.name != OWN_NETWORK:
            raise ConfigError(
                f"{self.method.name} brings a network of its own: leave backbone out, or set it to {OWN_NETWORK!r}."
            )
        if cls.backbones and self.backbone.name not in cls.backbones:
            raise ConfigError(
                f"{self.method.name} does not work with the backbone {self.backbone.name!r}: choose one of"
                f" {', '.join(sorted(cls.backbones))}."
            )
        if not cls.fitted and not cls.average_served and self.optimizer.ema_decay:
            raise ConfigError(
                f"optimizer.ema_decay would do nothing: {self.method.name} serves an average of its own; set it to 0."
            )
        return self

    def fingerprint(self, content: str = "") -> str:
        """Hash of everything but `name`, `hardware`, `backbone.init`, `data.labels.run` and paths, with `content`:
        hashes of the data, of the weights it starts from and of the candidate sets that another run made.

        Equal fingerprints on one machine and device give bit-identical runs.
        """
        data: Any = {**dict.fromkeys(self.data.paths(), True), "labels": {"run"}}
        determines = self.model_dump(
            mode="json", exclude={"name": True, "hardware": True, "data": data, "backbone": {"init"}}
        )
        return hashlib.sha256(json.dumps([determines, content], sort_keys=True).encode()).hexdigest()[:16]

    def with_changes(self, changes: dict[str, Any]) -> RunConfig:
        """A copy with dotted keys replaced (`{"method.threshold": 0.9}`). Raises ConfigError."""
        return RunConfig.parse(apply_changes(self.model_dump(mode="json"), changes))


def live_settings(config: RunConfig) -> dict[str, Any]:
    """Dotted keys, and their values, of the settings that may be changed while training."""
    live: dict[str, Any] = {}
    for part in ("method",) if methods[config.method.name].fitted else ("method", "optimizer"):
        settings = getattr(config, part)
        for name, field in type(settings).model_fields.items():
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("live"):
                live[f"{part}.{name}"] = getattr(settings, name)
    return live


OWN_NETWORK = "pixels"
"""The backbone of a method that brings a network of its own: it normalizes, and nothing else."""

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
                f'{key} is {shown_value(value[key])!r} but must be an object with a name, such as {{"name":'
                f' "{DEFAULTS[key]["name"]}"}}.'
            )
    asked_for = overlay(DEFAULTS, value)
    method, data = methods[asked_for["method"].get("name")], datasets[asked_for["data"].get("name")]
    general = {key: part for key, part in DEFAULTS.items() if key not in ("method", "data")}
    if method.backbones == set():
        general["backbone"] = {"name": OWN_NETWORK}
    resolved = overlay(
        overlay(overlay(general, method.recommended), data.recommended),
        {**value, "method": asked_for["method"], "data": asked_for["data"]},
    )
    resolved["augment"] = _views(value.get("augment"), method, data, resolved["data"])
    if not method.fitted and not method.average_served:
        resolved["optimizer"] = {"ema_decay": 0.0, **resolved["optimizer"]}
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


def _views(asked: Any, method: Any, data: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Every view of the method: its own settings, then what suits images of this kind, then what was asked for."""
    if not isinstance(asked, dict | None):
        raise ConfigError(_NO_RECIPES)
    unused = sorted(set(asked or {}) - set(method.views), key=str)
    if unused:
        raise ConfigError(
            f"augment.{unused[0]} would do nothing: {method.Params.model_fields['name'].default} uses the views"
            f" {', '.join(method.views)}."
        )
    traits = data.traits_of(settings)
    views = {}
    for name, own in method.views.items():
        wanted = (asked or {}).get(name, {})
        if isinstance(wanted, dict):
            # A view has a recipe as a run has a method: `recipe` is another word for its `name`.
            wanted = {"name" if key == "recipe" else key: setting for key, setting in wanted.items()}
            recipe = str(wanted.get("name", own["name"]))
            tuned = data.recommended.get("augment", {}).get(recipe, {})
            usual = own if recipe == own["name"] else {"name": recipe}
            wanted = {**usual, **recipes[recipe].suited(traits), **tuned, **wanted}
        views[name] = wanted
    return views


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


_NO_RECIPES = 'augment must be an object: one entry per view recipe, such as {"weak": {"translate": 0.125}}.'
