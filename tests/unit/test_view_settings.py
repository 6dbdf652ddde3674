"""A view has a name, a recipe and settings: the method's own, then what suits the data, then what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from engine.augment.recipes.crop_jitter import CropJitter
from engine.augment.recipes.strong import Strong
from engine.augment.recipes.weak import Weak
from engine.config.overlay import apply_changes
from engine.config.parts import MethodParams
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.methods.base.batch import Stream, View
from engine.methods.semi_supervised.supervised import Supervised
from engine.registry import datasets, methods
from engine.training.assemble import check


class TwoViews(Supervised):
    """Two views of one recipe, set differently, and a small one."""

    class Params(MethodParams):
        name: Literal["two_views"] = "two_views"
        pool: Literal["labeled", "unlabeled_only"] = "labeled"
        small: Literal[6] | None = None

    views: ClassVar[dict[str, dict[str, Any]]] = {
        "first": {"name": "crop_jitter", "blur": 1.0, "area": 0.2},
        "second": {"name": "crop_jitter", "blur": 0.1, "solarize": 0.2},
        "weak": {"name": "weak"},
    }
    params: Params

    def streams(self) -> dict[str, Stream]:
        views = {"first": View("first"), "weak": View("weak", size=self.params.small)}
        return {"labeled": Stream(self.params.pool, 4, views)}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    methods.register(TwoViews)
    yield
    methods.remove("two_views")


def resolved(data: str = "shapes", method: dict[str, Any] | None = None, **views: Any) -> RunConfig:
    method = {"name": "two_views", **(method or {})}
    return RunConfig.parse({"method": method, "data": {"name": data}, "augment": views})


def crop(config: RunConfig, name: str) -> CropJitter.Params:
    made = config.augment[name]
    assert isinstance(made, CropJitter.Params)
    return made


def test_two_views_of_one_recipe_have_settings_of_their_own() -> None:
    config = resolved()
    assert list(config.augment) == ["first", "second", "weak"]
    assert (crop(config, "first").blur, crop(config, "first").solarize, crop(config, "first").area) == (1.0, 0.0, 0.2)
    assert (crop(config, "second").blur, crop(config, "second").solarize) == (0.1, 0.2)
    assert crop(config, "second").area == 0.08


def test_what_is_true_of_the_images_comes_before_what_a_paper_says_of_others() -> None:
    config = resolved("digits")
    for name in ("first", "second"):
        made = crop(config, name)
        assert (made.area, made.rotate, made.shear, made.shift, made.flip) == (0.5, 20.0, 0.2, 0.125, "off"), name
    assert crop(config, "first").blur == 1.0


def test_what_is_asked_for_comes_before_all() -> None:
    config = resolved("digits", first={"area": 0.3}, second={"recipe": "weak", "translate": 0.25})
    assert crop(config, "first").area == 0.3
    assert crop(config, "first").rotate == 20.0
    second = config.augment["second"]
    assert isinstance(second, Weak.Params)
    assert (second.translate, second.rotate, second.flip) == (0.25, 10.0, "off")


def test_another_recipe_drops_the_settings_that_were_meant_for_the_methods_own() -> None:
    assert resolved(first={"name": "strong"}).augment["first"] == Strong.Params()


@pytest.mark.parametrize("key", ["augment.second.name", "augment.second.recipe"])
def test_a_recipe_can_be_set_like_any_other_name(key: str) -> None:
    plain = apply_changes(resolved().model_dump(mode="json"), {"augment.second.translate": 0.25, key: "weak"})
    second = RunConfig.parse(plain).augment["second"]
    assert isinstance(second, Weak.Params)
    assert second.translate == 0.25


def test_colors_that_tell_classes_apart_are_kept() -> None:
    data = {"name": "folder", "path": "somewhere"}
    plain = {"method": {"name": "two_views"}, "data": {**data, "color_matters": True}}
    kept, usual = RunConfig.parse(plain), RunConfig.parse({**plain, "data": data})
    assert (crop(kept, "first").hue, crop(kept, "first").grey) == (0.0, 0.0)
    assert (crop(usual, "first").hue, crop(usual, "first").grey) == (0.1, 0.2)
    assert "color_matters" not in usual.model_dump(mode="json")["data"]


def test_bright_figures_on_black_are_not_solarized() -> None:
    for name in ("digits", "mnist", "fashion_mnist"):
        assert datasets[name].traits.dark_ground, name
        strong = RunConfig.parse({"data": {"name": name}}).augment["strong"]
        assert isinstance(strong, Strong.Params)
        assert "solarize" in strong.without, name


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method.small": 6}, "The recipe weak makes views as large as the images"),
        (
            {"method.pool": "unlabeled_only", "data.labels.kind": "all"},
            "two_views learns from unlabeled images, and with these labels there is none",
        ),
    ],
)
def test_a_view_or_a_stream_that_cannot_be_made_is_refused_before_a_run_is_begun(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    check(resolved("digits"), tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        check(resolved("digits").with_changes(changes), tmp_path)


def test_a_schedule_is_a_name_or_an_object_and_is_written_as_the_shorter_of_the_two() -> None:
    by_name = RunConfig.parse({"optimizer": {"schedule": "cosine_annealing"}})
    by_object = RunConfig.parse({"optimizer": {"schedule": {"name": "cosine_annealing", "floor": 0.0}}})
    assert by_name == by_object
    assert by_name.model_dump(mode="json")["optimizer"]["schedule"] == "cosine_annealing"
    changed = by_name.with_changes({"optimizer.schedule.floor": 0.1})
    assert changed.model_dump(mode="json")["optimizer"]["schedule"] == {"name": "cosine_annealing", "floor": 0.1}
    assert changed.with_changes({"optimizer.schedule": "constant"}).optimizer.schedule.name == "constant"
    assert changed.fingerprint() != by_name.fingerprint()
