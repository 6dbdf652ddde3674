"""Several labels of one image in a table: the candidates of methods for partial labels, and nothing to all others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import train
from engine.analysis.candidates import identified, survivors
from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.labels.label_records import Label, Labels, Rename
from engine.data.labels.labeled_set import with_labels
from engine.data.split import make_split
from engine.errors import ConfigError
from tests.fixtures_images import encoded, folder_of, source

GIVEN = {"kind": "partial", "generator": "given"}
# By number of the image; 10 and 11 have none.
SETS = {
    0: "cat", 1: "dog", 2: "fox", 3: "cat;dog", 4: "cat;fox", 5: "dog; fox", 6: "dog", 7: "cat;dog;fox", 8: "cat",
    9: "fox", 10: "", 11: "n/a", 12: "cat;dog", 13: "dog;fox",
}  # fmt: skip


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def folder(root: Path, sets: dict[int, str], columns: str = "file,label") -> Path:
    """An image for each number, of its brightness, and a table of the sets."""
    images = {f"{i:02}.png": encoded(np.full((10, 10), 10 * i)) for i in sets}
    lines = [columns, *(f"{i:02}.png,{labels}" for i, labels in sets.items())]
    return folder_of(root, {**images, "labels.csv": "\n".join(lines).encode()})


def known(images: ImageSet) -> dict[int, set[str]]:
    """The labels of each image, by its number."""
    assert images.candidates is not None
    found = {}
    for pixels, label, row in zip(images.images, images.labels, images.candidates, strict=True):
        assert label < 0 or not row.any()
        names = {images.class_names[k] for k in np.flatnonzero(row)}
        found[round(int(pixels[0, 0, 0]) / 10)] = names | ({images.class_names[label]} if label >= 0 else set())
    return found


def expected(sets: dict[int, str]) -> dict[int, set[str]]:
    return {i: {name.strip() for name in text.split(";")} - {"", "n/a"} for i, text in sets.items()}


@pytest.mark.parametrize("between", [";", "|"])
def test_several_labels_of_an_image_are_read_as_its_candidates(tmp_path: Path, between: str) -> None:
    sets = {i: text.replace(";", between) for i, text in SETS.items()}
    images = source(folder(tmp_path / "x", sets), labels=GIVEN).load()
    assert images.class_names == ("cat", "dog", "fox")
    assert known(images) == expected(SETS)
    report = source(tmp_path / "x", labels=GIVEN).prepare()
    assert report is not None
    assert "6 images have several labels each in 'labels.csv', one of which is taken to be true, such as '03.png'." in (
        report.notes
    )


def test_for_every_other_run_such_an_image_is_unlabeled_as_it_always_was(tmp_path: Path) -> None:
    path = folder(tmp_path / "x", SETS)
    plain = source(path).load()
    assert plain.candidates is None
    assert (plain.labels < 0).sum() == 8
    assert source(path).key() != source(path, labels=GIVEN).key()
    assert source(path).key() == source(path, labels={"kind": "partial"}).key()
    assert plain.content_hash != source(path, labels=GIVEN).load().content_hash


def test_where_no_image_has_a_single_label_the_classes_are_those_of_the_sets(tmp_path: Path) -> None:
    names = ("ant", "bee", "cat", "dog", "eel", "fox")
    sets = {i: f"{names[i % 6]};{names[(i + 1 + i // 6) % 6]}" for i in range(18)}
    images = source(folder(tmp_path / "x", sets), labels=GIVEN).load()
    assert images.class_names == names
    assert (images.labels == -1).all()
    assert not images.is_test.any()
    assert known(images) == expected(sets)


def test_sets_of_which_no_two_are_alike_are_a_column_of_labels_where_candidates_are_asked_for(tmp_path: Path) -> None:
    sets = {i: ";".join(f"class {k}" for k in range(6) if (i + 1) >> k & 1) for i in range(24)}
    path = folder(tmp_path / "x", sets)
    images = source(path, labels=GIVEN).load()
    assert known(images) == expected(sets)
    # Any other run reads what it always did: a table that tells no classes.
    assert source(path).load().class_names == ()


def split_of(images: ImageSet, **data: Any) -> Any:
    config = RunConfig.parse({"method": "cc", "data": {"name": "folder", "labels": GIVEN, "validation": 0.0, **data}})
    return make_split(images, config.data)


def test_the_pool_has_one_several_or_all_labels_as_candidates(tmp_path: Path) -> None:
    images = source(folder(tmp_path / "x", SETS), labels=GIVEN).load()
    split = split_of(images)
    assert len(split.labeled) == 0
    number = [round(int(images.images[id, 0, 0, 0]) / 10) for id in split.pool]
    sets = {
        i: {images.class_names[k] for k in np.flatnonzero(row)} for i, row in zip(number, split.candidates, strict=True)
    }
    every = {"cat", "dog", "fox"}
    assert sets == {i: names or every for i, names in expected(SETS).items() if i in number}
    assert {3, 4, 5, 7, 10, 11, 12, 13} <= set(number)  # images without a label of their own are never tested on


def test_without_an_image_of_several_labels_the_sentence_says_how_to_give_them(tmp_path: Path) -> None:
    images = source(folder(tmp_path / "x", {i: ("cat", "dog")[i % 2] for i in range(8)}), labels=GIVEN).load()
    with pytest.raises(ConfigError) as refused:
        split_of(images)
    assert str(refused.value) == (
        "data.labels.generator is 'given', but no image has several labels: write them into one column of the table"
        " beside the images, with ; or | between them, or choose another generator."
    )


@pytest.mark.parametrize("method", ["proden", "lws", "pico"])
def test_a_method_for_partial_labels_learns_from_them(tmp_path: Path, method: str) -> None:
    path = folder(tmp_path / "x", SETS)
    config = {
        "method": method,
        "data": {"name": "folder", "path": str(path), "size": 8, "labels": GIVEN},
        "backbone": {"name": "simple_cnn"},
        "budget": {"steps": 4, "batch_size": 4, "evaluate_every": 2},
        "hardware": {"device": "cpu", "threads": 1},
    }
    run = train(config, tmp_path / "runs")
    assert run.status.state == "finished"
    row = run.folder.metrics()[-1]
    # What is true of an image with several labels nobody knows.
    assert "candidates/identified" not in row
    assert 0 <= row["candidates/ambiguity"] <= 1
    sets = run.folder.candidates()
    assert sets is not None
    assert set(sets.sum(1).tolist()) == {1, 2, 3}


def test_rows_whose_truth_nobody_knows_are_not_counted() -> None:
    weights = np.array([[0.95, 0.05], [0.05, 0.95], [0.95, 0.05]], np.float32)
    every = np.ones((3, 2), bool)
    assert identified(weights, every, np.array([0, -1, 1])) == 0.5
    assert survivors(weights, every, np.array([0, -1, 1])) == 0.5
    assert identified(weights, every, np.array([-1, -1, -1])) is None
    assert survivors(weights, every, np.array([-1, -1, -1])) is None


def test_a_label_given_inside_takes_the_place_of_candidates_and_renamed_classes_keep_theirs(tmp_path: Path) -> None:
    images = source(folder(tmp_path / "x", SETS), labels=GIVEN).load()
    given = Labels()
    for record in (
        Rename(of="fox", to="vixen"),
        Label(images=("03.png",), of="cow"),
    ):
        given.apply(record)
    changed = with_labels(images, images.file_names, given)
    assert changed.candidates is not None
    assert changed.candidates.shape == (14, len(changed.class_names))
    sets = split_of(changed).candidates
    ids = split_of(changed).pool
    names = {int(i): {changed.class_names[k] for k in np.flatnonzero(row)} for i, row in zip(ids, sets, strict=True)}
    assert names[3] == {"cow"}
    assert names[5] == {"dog", "vixen"}
    assert changed.content_hash != with_labels(images, images.file_names, Labels()).content_hash
