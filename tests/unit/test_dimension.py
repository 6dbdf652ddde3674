"""What a sweep varies, read from text and proposed from the declarations of settings."""

from __future__ import annotations

from typing import Any

import pytest

from engine.catalog import catalog
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.presets import PRESETS
from engine.tuning.dimension import Dimension, parse_dimension, proposed, settings_to_vary, value_of

CATALOG = catalog()


def config(preset: str = "digits-fixmatch") -> dict[str, Any]:
    return RunConfig.parse(PRESETS[preset].config).model_dump(mode="json")


FIXMATCH = config()


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("method.threshold=0.5:0.99", Dimension("method.threshold", 0.5, 0.99)),
        ("optimizer.lr=0.01:0.1:log", Dimension("optimizer.lr", 0.01, 0.1, log=True)),
        ("method.unlabeled_ratio=1:8", Dimension("method.unlabeled_ratio", 1, 8, whole=True)),
        ("method.unlabeled_ratio=1,2,7", Dimension("method.unlabeled_ratio", choices=(1, 2, 7))),
        ("method.distribution_alignment=true,false", Dimension("method.distribution_alignment", choices=(True, False))),
        ("optimizer.schedule=cosine,constant", Dimension("optimizer.schedule", choices=("cosine", "constant"))),
        ("augment.strong.cutout=0:0.5", Dimension("augment.strong.cutout", 0.0, 0.5)),
        ("budget.steps=100:1000:log", Dimension("budget.steps", 100, 1000, log=True, whole=True)),
        ("optimizer.weight_decay_end=0.001:0.1:log", Dimension("optimizer.weight_decay_end", 0.001, 0.1, log=True)),
    ],
)
def test_a_range_is_read_as_it_is_meant_and_written_as_it_is_typed(text: str, dimension: Dimension) -> None:
    read = parse_dimension(text, FIXMATCH, CATALOG)
    assert read == dimension
    assert parse_dimension(f"{read.key}={read.text()}", FIXMATCH, CATALOG) == read
    assert Dimension.of_plain(read.plain()) == read


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("method.threshold", Dimension("method.threshold", 0.5, 0.99)),  # said to be worth searching
        ("optimizer.lr", Dimension("optimizer.lr", 0.01, 1.0, log=True)),  # a factor of ten around 0.1
        ("method.unlabeled_weight", Dimension("method.unlabeled_weight", 0.1, 10.0, log=True)),
        ("method.unlabeled_ratio", Dimension("method.unlabeled_ratio", 1, 64, whole=True)),  # all that is allowed
        ("method.distribution_alignment", Dimension("method.distribution_alignment", choices=(False, True))),
        ("budget.steps", Dimension("budget.steps", 250, 4000, log=True, whole=True)),  # a factor of four around 1,000
        ("optimizer.momentum", Dimension("optimizer.momentum", 0.5, 0.99)),  # what is worth searching
        ("optimizer.ema_decay", Dimension("optimizer.ema_decay", 0.0, 0.999)),  # below 1
    ],
)
def test_without_a_range_one_is_proposed_from_the_declaration(text: str, dimension: Dimension) -> None:
    assert FIXMATCH["budget"]["steps"] == 1000
    assert parse_dimension(text, FIXMATCH, CATALOG) == dimension


def test_a_range_that_is_proposed_ends_where_the_setting_ends() -> None:
    field = {"type": "number", "minimum": 0, "maximum": 10, "log": True}
    assert proposed("a.b", field, 5.0) == Dimension("a.b", 0.5, 10.0, log=True)
    decades = {"type": "number", "minimum": 0.001, "maximum": 0.9}
    assert proposed("a.b", decades, None) == Dimension("a.b", 0.001, 0.9, log=True)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_range_that_is_proposed_for_a_preset_holds_only_what_its_settings_can_be(preset: str) -> None:
    plain = config(preset)
    for key, field in settings_to_vary(plain, CATALOG).items():
        if field.get("type") == "number" and not {"minimum", "exclusiveMinimum"} & set(field):
            continue
        dimension = proposed(key, field, value_of(plain, key))
        # Read from its own text, it is checked against the schema.
        assert parse_dimension(f"{key}={dimension.text()}", plain, CATALOG).key == key
        # And a run can have both of its ends, also where settings depend on each other.
        ends = dimension.choices or (dimension.low, dimension.high)
        for end in ends if key.startswith("optimizer.") else ():
            RunConfig.parse(plain).with_changes({key: end})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "method.treshold=0.5:0.9",
            "There is no setting to vary named 'method.treshold': did you mean 'method.threshold'?",
        ),
        (
            "method.threshold=0.5:1.5",
            "method.threshold=0.5:1.5 holds 1.5, but method.threshold must be at most 1.",
        ),
        ("optimizer.lr=0:0.1", "optimizer.lr=0:0.1 holds 0.0, but optimizer.lr must be above 0."),
        (
            "optimizer.lr=0:0.1:log",
            "optimizer.lr=0:0.1:log is searched by factors (log), so it must begin above 0.",
        ),
        (
            "method.threshold=0.9:0.5",
            "method.threshold=0.9:0.5 goes from 0.9 to 0.5: the first number must be the smaller one.",
        ),
        ("method.threshold=a:b", "method.threshold needs numbers, but got 'a'."),
        ("method.unlabeled_ratio=1:2.5", "method.unlabeled_ratio needs whole numbers, but got '2.5'."),
        (
            "method.unlabeled_ratio=1,2.5",
            "method.unlabeled_ratio=1,2.5 holds 2.5, but method.unlabeled_ratio must be a whole number.",
        ),
        (
            "method.threshold=0.9",
            "method.threshold=0.9 leaves nothing to vary: give a range or several different values, such as"
            " method.threshold=LOW:HIGH.",
        ),
        (
            "method.distribution_alignment=0:1",
            "method.distribution_alignment=0:1 is a range, but method.distribution_alignment is no number: list its"
            " values, such as method.distribution_alignment=true,false.",
        ),
        (
            "optimizer.schedule=cosine,linear",
            "optimizer.schedule=cosine,linear holds linear, but optimizer.schedule must be one of constant, cosine,"
            " cosine_annealing, step_decay.",
        ),
        (
            "method.threshold=0.5:0.9:lin",
            "method.threshold=0.5:0.9:lin is not understood: write LOW:HIGH or LOW:HIGH:log, such as"
            " method.threshold=LOW:HIGH.",
        ),
        (
            "seed=0,1",
            "seed cannot vary in a sweep: vary settings of the method, optimizer, views, network or budget, such as"
            " method.threshold, and set the others with --set.",
        ),
        (
            "data.labels.per_class=2:8",
            "data.labels.per_class cannot vary in a sweep: vary settings of the method, optimizer, views, network or"
            " budget, such as method.threshold, and set the others with --set.",
        ),
    ],
)
def test_what_cannot_vary_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_dimension(text, FIXMATCH, CATALOG)
    assert str(refused.value) == sentence


def test_a_fitted_method_has_no_optimizer_to_vary() -> None:
    keys = settings_to_vary(config("digits-label-spreading"), CATALOG)
    assert keys
    assert not [key for key in keys if key.startswith("optimizer.")]
    assert "budget.batch_size" not in keys


def test_a_range_holds_its_ends_and_only_whole_numbers_where_it_has_no_others() -> None:
    ratio = Dimension("method.unlabeled_ratio", 1, 8, whole=True)
    assert [ratio.contains(value) for value in (1, 8, 0, 9, 2.5, True, "2", None)] == [True, True, *[False] * 6]
    assert Dimension("a", choices=(True, "x")).contains("x")
