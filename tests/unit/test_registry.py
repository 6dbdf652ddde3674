"""Names to classes: registering is enough to be found, and a wrong name is answered with the nearest known one."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import create_model

from engine.catalog import catalog, summaries
from engine.config.parts import MethodParams
from engine.config.run_config import RunConfig
from engine.config.settings import param
from engine.errors import UnknownName
from engine.methods.semi_supervised.supervised import Supervised
from engine.registry import Registry, backbones, datasets, methods, optimizers, recipes
from tests.source_names import registered_in

REGISTRIES = {
    "methods": methods,
    "datasets": datasets,
    "backbones": backbones,
    "recipes": recipes,
    "optimizers": optimizers,
}


class PatientLearner(Supervised):
    """A method made up for this file."""

    class Params(MethodParams):
        name: Literal["patient_learner"] = "patient_learner"
        patience: float = param(0.5, ge=0, le=1, symbol="π", live=True, help="How patient it is.")

    title = "Patient learner"
    summary = "Waits."
    recommended: ClassVar[dict[str, Any]] = {"optimizer": {"lr": 0.25}}


@pytest.fixture
def patient() -> Iterator[None]:
    methods.register(PatientLearner)
    yield
    methods.remove("patient_learner")


def test_what_ships_is_found_by_walking_the_packages() -> None:
    for part, registry in REGISTRIES.items():
        assert list(registry) == list(registered_in(part)) != [], part


def test_a_class_is_registered_under_the_name_that_its_own_file_spells() -> None:
    for part, registry in REGISTRIES.items():
        for name, path in registered_in(part).items():
            assert Path(inspect.getfile(registry[name])) == path
            assert registry[name].Params().name == name


@pytest.mark.usefixtures("patient")
def test_a_registered_method_appears_everywhere_at_once() -> None:
    assert methods["patient_learner"] is PatientLearner
    assert {"name": "patient_learner", "title": "Patient learner", "summary": "Waits."} in summaries(methods)
    entry = catalog()["methods"]["patient_learner"]
    assert entry["title"] == "Patient learner"
    assert entry["schema"]["properties"]["patience"]["symbol"] == "π"
    assert catalog()["defaults"]["patient_learner/digits"]["method"] == {"name": "patient_learner", "patience": 0.5}
    assert RunConfig.parse({"method": {"name": "patient_learner"}}).optimizer.lr == 0.25


def test_a_removed_method_is_forgotten() -> None:
    methods.register(PatientLearner)
    methods.remove("patient_learner")
    assert "patient_learner" not in methods
    assert "patient_learner" not in catalog()["methods"]


@pytest.mark.parametrize(
    ("registry", "name", "sentence"),
    [
        (methods, "fixmach", "There is no method named 'fixmach': did you mean 'fixmatch'?"),
        (datasets, "digit", "There is no data set named 'digit': did you mean 'digits'?"),
        (backbones, "smallcnn", "There is no backbone named 'smallcnn': did you mean 'small_cnn'?"),
        (recipes, "stong", "There is no view recipe named 'stong': did you mean 'strong'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_known_one(registry: Registry, name: str, sentence: str) -> None:
    with pytest.raises(UnknownName) as refused:
        registry[name]
    assert str(refused.value) == sentence


CHOICES = "choose one of bulb, candle, lamp."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (None, f"There is no light named 'None': {CHOICES}"),
        (5, f"There is no light named '5': {CHOICES}"),
        (["lamp"], "There is no light named \"['lamp']\": did you mean 'lamp'?"),
        ({"name": "x"}, f"There is no light named \"{{'name': 'x'}}\": {CHOICES}"),
        ("", f"There is no light named '': {CHOICES}"),
        ("x" * 1000, f"There is no light named {'x' * 80!r}: {CHOICES}"),
    ],
    ids=["none", "number", "list", "object", "empty", "long"],
)
def test_a_name_like_no_other_is_answered_with_the_choices(name: Any, sentence: str) -> None:
    lights = Registry("light", "engine.analysis")
    for light in ("lamp", "candle", "bulb"):
        lights.register(type(light, (), {"Params": create_model("Params", name=(str, light))}))
    with pytest.raises(UnknownName) as refused:
        lights[name]
    assert str(refused.value) == sentence


def test_an_empty_registry_says_that_there_is_nothing_to_choose() -> None:
    registry = Registry("gadget", "engine.analysis")
    with pytest.raises(UnknownName) as refused:
        registry["lamp"]
    assert str(refused.value) == "There is no gadget named 'lamp': there is none yet."


def test_two_classes_of_one_name_are_an_error_that_names_both_files(tmp_path: Path) -> None:
    source = (
        "from typing import Literal\nfrom engine.config.run_config import MethodParams\nclass {}:\n    class"
        " Params(MethodParams):\n        name: Literal['twin'] = 'twin'\n"
    )
    loaded = []
    for name in ("First", "Second"):
        file = tmp_path / f"{name.lower()}.py"
        file.write_text(source.format(name))
        loaded.append(_load(file, name))
    registry = Registry("method", "engine.methods")
    registry.register(loaded[0])
    with pytest.raises(TypeError) as refused:
        registry.register(loaded[1])
    assert str(refused.value) == f"Two methods are named 'twin': {tmp_path / 'first.py'} and {tmp_path / 'second.py'}"


def test_two_files_with_a_class_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    source = (
        "from typing import Literal\nfrom engine.config.run_config import MethodParams\nclass Twin:\n    class"
        " Params(MethodParams):\n        name: Literal['twin'] = 'twin'\n"
    )
    registry = Registry("method", "engine.methods")
    for name in ("left", "right"):
        (tmp_path / f"{name}.py").write_text(source)
    registry.register(_load(tmp_path / "left.py", "Twin"))
    with pytest.raises(TypeError, match="Two methods are named 'twin'"):
        registry.register(_load(tmp_path / "right.py", "Twin"))


def test_the_same_class_may_be_registered_again() -> None:
    registry = Registry("method", "engine.methods")
    assert registry.register(PatientLearner) is PatientLearner
    assert registry.register(PatientLearner) is PatientLearner


def test_an_import_error_in_a_package_is_let_through() -> None:
    with pytest.raises(ModuleNotFoundError):
        list(Registry("gadget", "engine.gadgets_that_do_not_exist"))


def _load(file: Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"made_up_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where inspect.getfile looks for the file
    spec.loader.exec_module(module)
    return getattr(module, name)


def test_a_long_list_of_names_is_cut_short() -> None:
    error = UnknownName("run", "x", (f"{number:04d}" for number in range(200)))
    assert (
        str(error)
        == "There is no run named 'x': choose one of 0000, 0001, 0002, 0003, 0004, 0005, 0006, 0007, 0008, 0009, 0010,"
        " 0011 ... (200 in all)."
    )
