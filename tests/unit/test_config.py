"""RunConfig: what a person writes becomes one complete, checked description of a run, and every mistake has its
sentence.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import types
import typing
from typing import Any

import pytest

import engine
from engine.config.overlay import apply_changes, not_kept, overlay
from engine.config.parts import AllLabels, Budget, FewLabels, Hardware, NoLabels, PartialLabels
from engine.config.run_config import DEFAULTS, RunConfig, live_settings
from engine.config.settings import Settings
from engine.errors import ConfigError
from engine.optimizers.adamw import AdamW
from engine.optimizers.sgd import SGD
from engine.presets import PRESETS
from engine.registry import backbones, datasets, methods, optimizers, recipes

NAN, INFINITE = float("nan"), float("inf")

SENTENCES: list[tuple[Any, str]] = [
    (None, "The configuration is 'None': input should be a valid dictionary or instance of RunConfig."),
    ({"sed": 1}, "There is no setting 'sed': remove it, or check its spelling."),
    ({"seed": -1}, "seed is -1 but must be at least 0."),
    ({"seed": 2**31}, "seed is 2147483648 but must be at most 2147483647."),
    ({"seed": "x"}, "seed is 'x': input should be a valid integer, unable to parse string as an integer."),
    ({"seed": 1.5}, "seed is '1.5': input should be a valid integer, got a number with a fractional part."),
    ({"name": "n" * 201}, f"name is '{'n' * 80}': string should have at most 200 characters."),
    ({"version": 2}, "version is '2' but must be one of 1."),
    ({"data": 5}, 'data is \'5\' but must be an object with a name, such as {"name": "digits"}.'),
    ({"data": {"name": "digit"}}, "There is no data set named 'digit': did you mean 'digits'?"),
    (
        {"data": {"labels": {"kind": "many"}}},
        "data.labels has the kind 'many' but must have one of 'few', 'partial', 'all', 'none'.",
    ),
    ({"data": {"labels": {"kind": "few", "per_class": 0}}}, "data.labels.per_class is 0 but must be at least 1."),
    (
        {"data": {"labels": {"kind": "all", "per_class": 2}}},
        "There is no setting 'data.labels.per_class': remove it, or check its spelling.",
    ),
    ({"data": {"validation": 0.6}}, "data.validation is 0.6 but must be at most 0.5."),
    ({"data": {"split_seed": -3}}, "data.split_seed is -3 but must be at least 0."),
    ({"backbone": {"width": 3}}, "backbone.width is 3 but must be at least 4."),
    (
        {"backbone": {"name": "simple_cnn", "width": 8}},
        "There is no setting 'backbone.width': remove it, or check its spelling.",
    ),
    (
        {"backbone": {"init": "warm"}},
        "backbone.init is 'warm' but must be random, pretrained, run:<id of a run> or file:<path of a weights file>.",
    ),
    ({"augment": 5}, 'augment must be an object: one entry per view recipe, such as {"weak": {"translate": 0.125}}.'),
    (
        {"augment": ["weak"]},
        'augment must be an object: one entry per view recipe, such as {"weak": {"translate": 0.125}}.',
    ),
    ({"augment": {"zoom": {}}}, "augment.zoom would do nothing: fixmatch uses the views weak, strong."),
    ({"augment": {"weak": 5}}, "augment.weak is '5' but must be an object of settings; {} takes the recommended ones."),
    (
        {"augment": {"weak": {"name": "stronk"}}},
        "There is no view recipe named 'stronk': did you mean 'strong'?",
    ),
    ({"augment": {"weak": {"translate": 2}}}, "augment.weak.translate is 2 but must be at most 0.5."),
    (
        {"method": {"name": "supervised"}, "augment": {"strong": {}}},
        "augment.strong would do nothing: supervised uses the views weak.",
    ),
    ({"method": {"name": "fixmach"}}, "There is no method named 'fixmach': did you mean 'fixmatch'?"),
    ({"method": {"treshold": 0.9}}, "There is no setting 'method.treshold': remove it, or check its spelling."),
    ({"method": {"threshold": 1.4}}, "method.threshold is 1.4 but must be at most 1.0."),
    ({"method": {"threshold": NAN}}, "method.threshold is 'nan': input should be a finite number."),
    (
        {"method": {"threshold": "high"}},
        "method.threshold is 'high': input should be a valid number, unable to parse string as a number.",
    ),
    ({"method": []}, 'method is \'[]\' but must be an object with a name, such as {"name": "fixmatch"}.'),
    ({"optimizer": {"name": "adamww"}}, "There is no optimizer named 'adamww': did you mean 'adamw'?"),
    ({"optimizer": {"lr": 0}}, "optimizer.lr is 0 but must be above 0.0."),
    ({"optimizer": {"momentum": 1}}, "optimizer.momentum is 1 but must be below 1.0."),
    ({"optimizer": {"lr": INFINITE}}, "optimizer.lr is 'inf': input should be a finite number."),
    (
        {"optimizer": {"name": "adamw", "momentum": 0.9}},
        "There is no setting 'optimizer.momentum': remove it, or check its spelling.",
    ),
    (
        {"optimizer": {"momentum": 0}},
        "Nesterov's momentum needs momentum above 0: switch optimizer.nesterov off or raise optimizer.momentum.",
    ),
    ({"budget": {"steps": 0}}, "budget.steps is 0 but must be at least 1."),
    ({"budget": {"steps": 10**30}}, f"budget.steps is {10**30} but must be at most 10000000."),
    ({"budget": {"batch_size": 1}}, "budget.batch_size is 1 but must be at least 2."),
    ({"budget": []}, "budget is '[]': input should be a valid dictionary or instance of Budget."),
    (
        {"hardware": {"device": "tpu"}},
        "hardware.device is 'tpu' but must be one of 'auto', 'cpu', 'cuda', 'cuda:0', 'cuda:1', 'cuda:2' or 'cuda:3'.",
    ),
]


@pytest.mark.parametrize(("value", "sentence"), SENTENCES, ids=[sentence[:40] for _, sentence in SENTENCES])
def test_every_mistake_has_its_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse(value)
    assert str(refused.value) == sentence


def test_a_method_that_cannot_learn_from_the_labels_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods["fixmatch"], "supervision", {"few"})
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({"data": {"labels": {"kind": "all"}}})
    assert (
        str(refused.value) == "fixmatch learns from few labels, but data.labels.kind is 'all': change one of the two."
    )


def test_a_method_that_needs_another_backbone_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods["fixmatch"], "backbones", {"simple_cnn"})
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({"backbone": {"name": "small_cnn"}})
    assert str(refused.value) == "fixmatch does not work with the backbone 'small_cnn': choose one of simple_cnn."


# what a config is made of


DESIGN = {
    "name": "digits, FixMatch, 2 per class",
    "seed": 0,
    "data": {"name": "digits", "labels": {"kind": "few", "per_class": 2}, "split_seed": 0, "validation": 0.1},
    "backbone": {"name": "small_cnn", "width": 16, "init": "random"},
    "augment": {
        "weak": {"translate": 0.125, "flip": "auto"},
        "strong": {"policy": "randaugment", "operations": 2, "magnitude": 10, "cutout": 0.5, "color": "exact"},
    },
    "method": {"name": "fixmatch", "threshold": 0.95, "unlabeled_weight": 1.0, "unlabeled_ratio": 4},
    "optimizer": {
        "name": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 0.0005,
        "schedule": "cosine",
        "warmup_steps": 20,
        "ema_decay": 0.99,
    },
    "budget": {"steps": 500, "batch_size": 32, "evaluate_every": 25},
    "hardware": {"device": "auto", "precision": "auto", "threads": 0},
}


def test_a_config_written_out_in_full_keeps_every_value() -> None:
    plain = RunConfig.parse(DESIGN).model_dump(mode="json")
    for part, value in DESIGN.items():
        assert overlay(plain[part], value) == plain[part] if isinstance(value, dict) else plain[part] == value


def test_nothing_at_all_is_fixmatch_on_digits() -> None:
    config = RunConfig.parse({})
    assert (config.method.name, config.data.name, config.backbone.name, config.optimizer.name) == (
        "fixmatch",
        "digits",
        "small_cnn",
        "sgd",
    )
    assert (config.budget.steps, config.budget.batch_size, config.data.labels) == (500, 32, FewLabels(per_class=2))
    assert list(config.augment) == ["weak", "strong"]


def test_a_bare_name_stands_for_a_part() -> None:
    assert RunConfig.parse({"method": "supervised", "data": "noise"}) == RunConfig.parse(
        {"method": {"name": "supervised"}, "data": {"name": "noise"}}
    )


def test_a_parsed_config_parses_to_itself_through_json() -> None:
    for value in (
        {},
        {"seed": 3},
        DESIGN,
        {"optimizer": "adamw", "data": {"name": "shapes", "labels": {"kind": "all"}}},
    ):
        config = RunConfig.parse(value)
        again = RunConfig.parse(json.loads(config.model_dump_json()))
        assert again == config
        assert again.fingerprint() == config.fingerprint()


def test_defaults_yield_to_the_method_the_method_to_the_data_and_all_to_the_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        methods["supervised"], "recommended", {"optimizer": {"lr": 0.2, "momentum": 0.7, "warmup_steps": 7}}
    )
    monkeypatch.setattr(datasets["digits"], "recommended", {"optimizer": {"momentum": 0.6, "warmup_steps": 6}})
    optimizer = RunConfig.parse({"method": "supervised", "optimizer": {"warmup_steps": 5}}).optimizer
    assert isinstance(optimizer, SGD.Params)
    assert (optimizer.weight_decay, optimizer.lr, optimizer.momentum, optimizer.warmup_steps) == (0.0005, 0.2, 0.6, 5)


def test_a_recommendation_for_another_optimizer_is_not_mixed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods["supervised"], "recommended", {"optimizer": {"name": "sgd", "momentum": 0.7}})
    assert RunConfig.parse({"method": "supervised", "optimizer": {"name": "adamw"}}).optimizer == AdamW.Params()


def test_digits_are_never_mirrored_unless_a_person_asks_for_it() -> None:
    assert RunConfig.parse({}).augment["weak"].flip == "off"  # type: ignore[attr-defined]  # the recipe's own settings
    assert RunConfig.parse({"augment": {"weak": {"flip": "on"}}}).augment["weak"].flip == "on"  # type: ignore[attr-defined]
    assert RunConfig.parse({"augment": {"weak": {"flip": "on"}}}).augment["strong"].flip == "off"  # type: ignore[attr-defined]


def test_the_seed_draws_the_labels_unless_they_have_a_seed_of_their_own() -> None:
    assert RunConfig.parse({"seed": 7}).data.split_seed == 7
    assert RunConfig.parse({"seed": 7, "data": {"split_seed": 3}}).data.split_seed == 3
    assert RunConfig.parse({"seed": 7, "data": {"split_seed": None}}).data.split_seed == 7


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_a_valid_config_and_says_what_it_is(name: str) -> None:
    config = RunConfig.parse(PRESETS[name].config)
    images = config.data.name.removesuffix("_mnist").replace("folder", "photos")
    # Those for own photos are called in a word each.
    short = {"linear_probe": "probe", "label_spreading": "spread"} if images == "photos" else {}
    method = short.get(config.method.name, config.method.name)
    # Made for a GPU are a paper's own configurations, and those in which others repeat it on a set.
    assert name in {f"{of}-{method}".replace("_", "-") for of in (images, *["paper"] * PRESETS[name].gpu)}
    assert PRESETS[name].title
    assert PRESETS[name].summary.endswith(".")


# the fingerprint

OTHERS: dict[str, Any] = {
    "seed": 1,
    "data.name": "shapes",
    "data.labels.kind": "all",
    "data.labels.per_class": 3,
    "data.split_seed": 9,
    "data.validation": 0.2,
    "backbone.name": "simple_cnn",
    "backbone.width": 8,
    "augment.weak.flip": "on",
    "augment.strong.policy": "none",
    "augment.strong.flip": "on",
    "augment.strong.color": "folded",
    "augment.strong.interpolation": "nearest",
    "augment.strong.without": ["rotate"],
    "method.name": "pseudo_label",
    "optimizer.name": "adamw",
    "optimizer.schedule": "constant",
    "optimizer.nesterov": False,
}
ONLY_CHOICE = {"version", "backbone.init", "augment.weak.name", "augment.strong.name"}


def leaves(plain: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in plain.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


FULL = RunConfig.parse({}).model_dump(mode="json")
DETERMINING = sorted(
    key for key in leaves(FULL) if not key.startswith(("name", "hardware.")) and key not in ONLY_CHOICE
)


@pytest.mark.parametrize("key", DETERMINING)
def test_every_setting_that_decides_something_changes_the_fingerprint(key: str) -> None:
    value = leaves(FULL)[key]
    other = OTHERS[key] if key in OTHERS else value + 1 if isinstance(value, int) else value / 2 if value else 0.25
    plain = {part: settings for part, settings in FULL.items() if not (part == "augment" and key == "method.name")}
    assert RunConfig.parse(apply_changes(plain, {key: other})).fingerprint() != RunConfig.parse(FULL).fingerprint()


@pytest.mark.parametrize(
    ("key", "value"),
    [("name", "another"), ("hardware.device", "cpu"), ("hardware.precision", "float32"), ("hardware.threads", 1)],
)
def test_a_name_and_the_hardware_leave_the_fingerprint_alone(key: str, value: Any) -> None:
    changed = RunConfig.parse(FULL).with_changes({key: value})
    assert changed.fingerprint() == RunConfig.parse(FULL).fingerprint()
    assert changed != RunConfig.parse(FULL)


def test_the_content_of_the_data_is_part_of_the_fingerprint() -> None:
    config = RunConfig.parse({})
    assert len({config.fingerprint(), config.fingerprint("a"), config.fingerprint("b")}) == 3


def test_how_a_number_is_written_does_not_matter() -> None:
    assert (
        RunConfig.parse({"method": {"unlabeled_weight": 1}}).fingerprint()
        == RunConfig.parse({"method": {"unlabeled_weight": 1.0}}).fingerprint()
    )


# changes


def test_dotted_keys_reach_any_depth_and_the_original_stays() -> None:
    plain = {"method": {"name": "fixmatch", "threshold": 0.9}}
    assert apply_changes(plain, {"method.threshold": 0.8, "data.labels.per_class": 4, "seed": 2}) == {
        "method": {"name": "fixmatch", "threshold": 0.8},
        "data": {"labels": {"per_class": 4}},
        "seed": 2,
    }
    assert plain == {"method": {"name": "fixmatch", "threshold": 0.9}}


@pytest.mark.parametrize("order", [("method.name", "method.ramp"), ("method.ramp", "method.name")])
def test_another_choice_drops_the_settings_of_the_old_one_and_keeps_those_given_with_it(order: tuple[str, str]) -> None:
    changes = {"method.name": "pseudo_label", "method.ramp": 0.2}
    assert apply_changes({"method": {"name": "fixmatch", "threshold": 0.9}}, {key: changes[key] for key in order}) == {
        "method": {"name": "pseudo_label", "ramp": 0.2}
    }


def test_choosing_the_same_name_again_drops_nothing() -> None:
    assert apply_changes({"method": {"name": "fixmatch", "threshold": 0.9}}, {"method.name": "fixmatch"}) == {
        "method": {"name": "fixmatch", "threshold": 0.9}
    }


def test_what_a_replaced_choice_took_along_is_named_and_what_came_back_alike_is_not() -> None:
    wanted = {
        "seed": 3,
        "augment": {"weak": "crop"},
        "data": {"name": "digits", "labels": {"kind": "few", "rate": 0.3}},
    }
    assert not_kept(wanted, {"seed": 3, "augment": {"weak": {"name": "crop", "by": 2}}, "data": {"name": "mnist"}}) == {
        "data.name": "digits",
        "data.labels.kind": "few",
        "data.labels.rate": 0.3,
    }
    assert not_kept(wanted, {**wanted, "more": 1}) == {}
    assert not_kept({"lr": 1}, {"lr": 1.0}) == {}


def test_a_preset_as_it_is_keeps_all_it_says() -> None:
    for name, preset in PRESETS.items():
        assert not_kept(preset.config, RunConfig.parse(preset.config).model_dump(mode="json")) == {}, name


def test_a_full_config_can_change_to_all_labels_and_back() -> None:
    everything = RunConfig.parse(FULL).with_changes({"data.labels.kind": "all"})
    assert everything.data.labels == AllLabels()
    assert everything.with_changes({"data.labels.kind": "few", "data.labels.per_class": 5}).data.labels == FewLabels(
        per_class=5
    )


def test_a_setting_has_no_settings_inside_it() -> None:
    with pytest.raises(ConfigError) as refused:
        RunConfig.parse({}).with_changes({"method.threshold.exact": 0.9})
    assert str(refused.value) == "There is no setting 'method.threshold.exact': 'threshold' has no parts."


def test_overlay_replaces_a_part_with_another_name_and_mixes_one_with_the_same() -> None:
    base = {"optimizer": {"name": "sgd", "momentum": 0.9}, "seed": 1}
    assert overlay(base, {"optimizer": {"name": "adamw"}}) == {"optimizer": {"name": "adamw"}, "seed": 1}
    assert overlay(base, {"optimizer": {"lr": 1}}) == {
        "optimizer": {"name": "sgd", "momentum": 0.9, "lr": 1},
        "seed": 1,
    }


# live settings


def test_the_threshold_the_weight_and_the_learning_rate_may_change_while_training() -> None:
    assert live_settings(RunConfig.parse({})) == {
        "method.threshold": 0.95,
        "method.unlabeled_weight": 1.0,
        "optimizer.lr": 0.1,
    }
    assert live_settings(RunConfig.parse({"method": "supervised", "optimizer": "adamw"})) == {"optimizer.lr": 0.001}


# declarations


def models() -> list[type[Settings]]:
    """Everything that a person sets, wherever in the engine it is declared: what has subclasses is no choice itself."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = [], [Settings]
    while waiting:
        waiting += (below := waiting.pop().__subclasses__())
        found += [cls for cls in below if not cls.__subclasses__() and cls.__module__.startswith("engine.")]
    return sorted(found, key=lambda cls: f"{cls.__module__}.{cls.__qualname__}")


def test_what_is_checked_below_is_every_choice_and_every_group_of_settings() -> None:
    registries = (methods, datasets, backbones, recipes, optimizers)
    chosen = {registry[name].Params for registry in registries for name in registry}
    assert {RunConfig, Budget, Hardware, FewLabels, PartialLabels, AllLabels, NoLabels, *chosen} <= set(models())


@pytest.mark.parametrize("model", models(), ids=lambda model: f"{model.__module__}.{model.__qualname__}")
def test_every_setting_explains_itself(model: type[Settings]) -> None:
    for name, field in model.model_fields.items():
        if model is RunConfig and name in (*DEFAULTS, "augment", "budget", "hardware", "version"):
            continue  # groups: their settings explain themselves
        if name in ("name", "kind") and field.default is not None and _is_literal(field.annotation):
            continue  # what the choice is called
        assert field.description, name
        assert field.description.strip().endswith("."), (name, field.description)


@pytest.mark.parametrize("model", models(), ids=lambda model: f"{model.__module__}.{model.__qualname__}")
def test_every_number_has_a_range(model: type[Settings]) -> None:
    for name, described in model.model_json_schema().get("properties", {}).items():
        for option in described.get("anyOf", [described]):
            # A choice is closed by itself.
            if option.get("type") in ("integer", "number") and not {"const", "enum"} & option.keys():
                assert {"minimum", "exclusiveMinimum"} & option.keys(), name
                assert {"maximum", "exclusiveMaximum"} & option.keys(), name


def test_a_validated_config_cannot_be_changed_in_place() -> None:
    config = RunConfig.parse({})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 5
    with pytest.raises(ValueError, match="frozen"):
        config.method.threshold = 0.5  # type: ignore[attr-defined]  # fixmatch's own


def _is_literal(annotation: Any) -> bool:
    if isinstance(annotation, types.UnionType):
        return all(_is_literal(part) for part in typing.get_args(annotation))
    return typing.get_origin(annotation) is typing.Literal
