"""The suite that every registered data set passes that can be had here, without anyone writing a test for it.

A set whose files are not on this machine is skipped; one that has a path and no line in `params_of` fails.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.config.parts import DataParams
from engine.data.image_set import DataSource, ImageSet
from engine.data.sets.torchvision_source import TorchvisionSet
from engine.data.split import make_split
from engine.registry import datasets
from tests.fixtures_images import encoded, folder_of

pytestmark = pytest.mark.usefixtures("toy")

DATASETS = [*datasets, "toy"]  # the toy's ids are scattered and in no order
# A changed hash means that old runs can no longer be repeated: it belongs into the change log.
CONTENT = {
    "digits": "7260fa69e3236f68",
    "noise": "df27e62d1cdbf08c",
    "shapes": "7e599b251a6f4ef4",
    "mnist": "ed70ff333a217908",
    "fashion_mnist": "c0b8dc7d553df804",
    "folder": "76ee89ea692d2dec",  # of `own_folder`
}
# Classes in no order, neither as text nor as numbers; files numbered with gaps. Natural order is 2, 10, Apple, zebra.
CLASSES = {"zebra": 200, "10": 80, "Apple": 140, "2": 20}
IN_ANOTHER_PROCESS = """
import json, sys
import numpy as np
from engine.registry import datasets
from tests.contract.toy import Toy

datasets.register(Toy)
np.random.seed(int(sys.argv[1]))
asked = json.loads(sys.stdin.read())
print(json.dumps({
    name: datasets[name](datasets[name].Params.model_validate(params)).load().content_hash
    for name, params in asked.items()
}))
"""


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {
        f"{name}/{7 * i * i % 90 + 100 * (i % 2)}.png": encoded(np.full((9, 9), brightness + i))
        for name, brightness in CLASSES.items()
        for i in range(10)
    }
    return folder_of(tmp_path_factory.mktemp("own") / "animals", files)


Params = Callable[[str], DataParams]
Loaded = Callable[[str], ImageSet]


@pytest.fixture(scope="module")
def params_of(own_folder: Path, request: pytest.FixtureRequest) -> Params:
    """The settings under which a set can be loaded here."""

    def get(name: str) -> DataParams:
        cls = datasets[name]
        given: dict[str, Any] = {}
        if issubclass(cls, TorchvisionSet):
            root = request.getfixturevalue("real_data") / "torchvision"
            given = {"root": str(root)}
            if not all(
                (root / cls.folder / file.name).exists() for file in cls(cls.Params.model_validate(given)).downloads()
            ):
                pytest.skip(f"the files of {cls.title} are not in {root}")
        elif name == "folder":
            given = {"path": str(own_folder), "size": 8}
        else:
            assert not paths_of(cls.Params), f"say in `params_of` where the files of {name} are for its tests"
        params: DataParams = cls.Params.model_validate(given)
        return params

    return get


@pytest.fixture(scope="module")
def loaded(params_of: Params) -> Loaded:
    done: dict[str, ImageSet] = {}

    def get(name: str) -> ImageSet:
        params = params_of(name)
        if name not in done:
            done[name] = source(params).load()
        return done[name]

    return get


def source(params: DataParams) -> DataSource:
    made: DataSource = datasets[params.name](params)
    return made


def paths_of(params: type[DataParams]) -> list[str]:
    properties = params.model_json_schema()["properties"]
    return [name for name, declared in properties.items() if declared.get("is_path")]


@pytest.mark.parametrize("dataset", DATASETS)
def test_images_are_square_bytes_of_one_or_three_channels(dataset: str, loaded: Loaded) -> None:
    images = loaded(dataset)
    assert images.name == dataset
    assert images.images.dtype == np.uint8
    count, channels, height, width = images.images.shape
    assert count == len(images.labels)
    assert channels == images.channels
    assert channels in (1, 3)
    assert height == width == images.size
    assert images.images.min() < images.images.max()


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_image_has_an_id_of_its_own(dataset: str, loaded: Loaded) -> None:
    ids = loaded(dataset).ids
    assert ids.dtype == np.int64
    assert len(np.unique(ids)) == len(ids)
    assert ids.min() >= 0


@pytest.mark.parametrize("dataset", DATASETS)
def test_labels_are_those_of_the_named_classes_and_every_class_is_learned_and_tested(
    dataset: str, loaded: Loaded
) -> None:
    images = loaded(dataset)
    assert images.labels.dtype == np.int64
    assert images.is_test.dtype == np.bool_
    assert len(set(images.class_names)) == images.classes >= 2
    assert all(isinstance(name, str) and name.strip() for name in images.class_names)
    assert set(images.labels[~images.is_test].tolist()) - {-1} == set(range(images.classes))  # -1: unlabeled
    assert set(images.labels[images.is_test].tolist()) == set(range(images.classes))
    assert images.symmetries <= {"flip"}


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_test_part_is_the_same_for_every_seed_and_never_learned_from(dataset: str, loaded: Loaded) -> None:
    images = loaded(dataset)
    splits = [
        make_split(
            images,
            datasets[dataset].Params.model_validate({"split_seed": seed, "labels": {"kind": "few", "per_class": 1}}),
        )
        for seed in (0, 1)
    ]
    tests = set(images.ids[images.is_test].tolist())
    for split in splits:
        assert set(split.test.tolist()) == tests
        assert not tests & {*split.pool.tolist(), *split.labeled.tolist(), *split.validation.tolist()}
    assert set(splits[0].labeled.tolist()) != set(splits[1].labeled.tolist())


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_set_loaded_twice_is_the_same(dataset: str, loaded: Loaded, params_of: Params) -> None:
    first, again = loaded(dataset), source(params_of(dataset)).load()
    for name in ("images", "labels", "ids", "is_test"):
        assert np.array_equal(getattr(first, name), getattr(again, name)), name
    assert (first.class_names, first.symmetries) == (again.class_names, again.symmetries)


def test_a_set_made_in_another_process_with_other_chance_and_an_empty_cache_is_the_same(
    loaded: Loaded, own_folder: Path, tmp_path: Path
) -> None:
    asked: dict[str, dict[str, object]] = {"folder": {"path": str(own_folder), "size": 8}}
    asked |= {name: {} for name in DATASETS if not paths_of(datasets[name].Params)}
    done = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, "7"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": "7", "FEWLAB_CACHE": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {name: loaded(name).content_hash for name in asked}


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_content_is_what_it_always_was(dataset: str, loaded: Loaded) -> None:
    content = loaded(dataset).content_hash
    if dataset == "toy":
        pytest.skip("the toy is made for tests, and no run of it is kept")
    assert dataset in CONTENT, f"a new data set: write its content hash {content!r} down in CONTENT"
    assert content == CONTENT[dataset]


@pytest.mark.parametrize("dataset", DATASETS)
def test_where_the_files_lie_is_no_part_of_the_content(
    dataset: str, loaded: Loaded, params_of: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = params_of(dataset)
    settings = [setting for setting in paths_of(type(params)) if getattr(params, setting)]
    if not settings:
        pytest.skip(f"{dataset} is made of no files")
    moved = {}
    for setting in settings:
        here, there = Path(getattr(params, setting)), tmp_path / "another name" / setting
        if dataset == "folder":
            shutil.copytree(here, there)
        else:
            there.parent.mkdir(parents=True)
            there.symlink_to(here)
        moved[setting] = str(there)
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))  # nothing that was decoded before
    assert source(params.model_copy(update=moved)).load().content_hash == loaded(dataset).content_hash


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_an_import_noted_is_what_would_be_computed(dataset: str, loaded: Loaded) -> None:
    images = loaded(dataset)
    computed = dataclasses.replace(images, known=None)
    assert images.content_hash == computed.content_hash
    assert np.array_equal(images.histogram, computed.histogram)
    values, counts = np.unique(images.images[~images.is_test][:, 0], return_counts=True)
    assert np.flatnonzero(images.histogram[0]).tolist() == values.tolist()
    assert images.histogram[0][values].tolist() == counts.tolist()


def test_an_own_folder_has_its_classes_in_natural_order_and_every_image_in_its_class(loaded: Loaded) -> None:
    images = loaded("folder")
    assert images.class_names == ("2", "10", "Apple", "zebra")
    brightness: NDArray[np.float64] = images.images.mean((1, 2, 3))
    for k, name in enumerate(images.class_names):
        assert sorted(brightness[images.labels == k].tolist()) == [CLASSES[name] + i for i in range(10)]
        assert images.is_test[images.labels == k].sum() == 2  # a fifth


@pytest.mark.parametrize("dataset", DATASETS)
def test_people_are_told_what_it_is(dataset: str) -> None:
    cls = datasets[dataset]
    assert cls.title.strip()
    assert cls.summary.strip().endswith(".")
    for name, field in cls.Params.model_fields.items():
        assert field.description or name == "name", name
