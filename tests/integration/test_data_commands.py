"""`python -m engine data`: people's own images from the command line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fixtures_images import CATS_AND_DOGS, encoded, folder_of, grey, zip_of
from tests.integration.command_line import engine


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def answer(*arguments: str | Path) -> dict[str, Any]:
    value = json.loads(engine("data", *arguments, "--json").stdout)
    assert isinstance(value, dict)
    return value


PETS = {f"train/{name}": data for name, data in CATS_AND_DOGS.items()} | {
    "test/cat/1.png": grey(200),
    "train/unsorted/a.png": grey(201),
    "train/cow/1.png": grey(202),
    "readme.txt": b"hello",
}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_show_says_what_was_understood_and_reads_no_image(tmp_path: Path, packed: bool) -> None:
    path = zip_of(tmp_path / "pets.zip", PETS) if packed else folder_of(tmp_path / "pets", PETS)
    shown = engine("data", "show", path).stdout.splitlines()
    assert shown == [
        f"{path.name}: 23 images, class folders in folders of a split.",
        "       training        test",
        "cat          10           1",
        "cow           1           0",
        "dog          10           0",
        "1 unlabeled",
        "1 left out: beside train and test",
        "  readme.txt",
        "Class 'cow' has 1 training image.",
        "2 classes ('cow', 'dog') have no test image, so test accuracy says nothing of them.",
    ]
    plain = answer("show", path)
    assert plain["classes"]["cat"] == {"training": 10, "validation": 0, "test": 1}
    assert (plain["unlabeled"], plain["left_out"], plain["question"]) == (1, {"beside train and test": 1}, None)
    assert plain["names"] == [["readme.txt", "beside train and test"]]
    assert not (tmp_path / "cache").exists()


def test_where_nothing_can_be_understood_one_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "none", tmp_path / "empty"):
        for command in ("show", "import", "check", "export"):
            done = engine("data", command, wrong, "--json", code=2)
            assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_what_can_be_read_in_two_ways_is_shown_and_not_imported_before_one_is_chosen(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {"train/1.png": grey(1), "test/2.png": grey(2)})
    shown = engine("data", "show", path).stdout.splitlines()
    assert shown[-3:] == [
        "It can be read as:",
        "  --set data.labels_from=folders  each folder is a class: test, train",
        "  --set data.labels_from=none  images without labels",
    ]
    refused = engine("data", "import", path, code=2)
    assert refused.stderr.startswith("'x' has no folders but 'test' and 'train'")
    engine("data", "import", path, "--set", "data.labels_from=none")
    chosen = engine("data", "import", path, "--set", "data.labels_from=folders", "--json")
    assert {name: of["training"] for name, of in json.loads(chosen.stdout)["classes"].items()} == {
        "test": 1,
        "train": 1,
    }


def test_a_folder_that_is_not_opened_to_others_is_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder_of(tmp_path / "pets", PETS)
    monkeypatch.setenv("FEWLAB_ALLOWED_FOLDERS", str(tmp_path / "others"))
    for command in ("show", "import", "check", "export"):
        refused = engine("data", command, path, code=2)
        assert refused.stderr.startswith("data.path names a place that this server does not open to others")
    monkeypatch.setenv("FEWLAB_ALLOWED_FOLDERS", str(tmp_path))
    assert answer("show", path)["unlabeled"] == 1


def test_the_table_of_an_import_has_each_part_under_its_name(tmp_path: Path) -> None:
    counts = {"train": {"cat": 5, "dog": 4}, "val": {"cat": 3, "dog": 2}, "test": {"cat": 1, "dog": 6}}
    names = [f"{part}/{of}/{k}.png" for part in counts for of, count in counts[part].items() for k in range(count)]
    files = {name: grey(10 * number) for number, name in enumerate(names)}
    path = folder_of(tmp_path / "pets", files)
    table = [
        "       training  validation        test",
        "cat           5           3           1",
        "dog           4           2           6",
    ]
    assert engine("data", "import", path).stdout.splitlines() == table
    assert engine("data", "show", path).stdout.splitlines()[1:4] == table


def test_import_reads_the_images_once_and_says_what_is_too_little(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "pets", PETS)
    report = answer("import", path, "--set", "data.size=16")
    assert (report["images"], report["size"], report["layout"]) == (23, 16, "class folders in folders of a split")
    shown = answer("show", path)
    assert {key: report[key] for key in ("classes", "unlabeled", "left_out", "names", "own_test", "layout")} == {
        key: shown[key] for key in ("classes", "unlabeled", "left_out", "names", "own_test", "layout")
    }
    assert report["warnings"] == [
        "Class 'cow' has 1 training image.",
        "2 classes ('cow', 'dog') have no test image, so test accuracy says nothing of them.",
    ]
    again = engine("data", "import", path, "--set", "data.size=16")
    assert again.stdout.splitlines()[1] == "cat          10           1"
    refused = engine("data", "import", path, "--set", "data.depth=3", code=2)
    assert refused.stderr == "There is no setting 'depth': remove it, or check its spelling.\n"
    refused = engine("data", "import", path, "--set", "seed=3", code=2)
    assert refused.stderr == "--set needs a setting of the data set, such as data.size=64, but got 'seed'.\n"


def test_check_finds_copies_and_images_that_show_nothing(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)

    def photo() -> bytes:
        return encoded(chance.integers(0, 256, (40, 40)))

    twice, leaked = photo(), photo()
    files = {f"train/{kind}/{i}.png": photo() for kind in ("cat", "dog") for i in range(4)}
    files |= {f"test/{kind}/9.png": photo() for kind in ("cat", "dog")}
    assert answer("check", folder_of(tmp_path / "good", files), "--set", "data.size=32")["issues"] == []
    files |= {"train/cat/a.png": twice, "train/dog/b.png": twice, "train/cat/c.png": leaked, "test/cat/d.png": leaked}
    files |= {"train/cat/night.png": encoded(chance.integers(0, 30, (40, 40)))}
    files |= {"train/cat/tiny.png": encoded(chance.integers(0, 256, (20, 20)))}
    files |= {"train/cat/wide.png": encoded(chance.integers(0, 256, (33, 100)))}
    files |= {"train/dog/snow.png": encoded(chance.integers(250, 256, (40, 40))), "train/dog/grey.png": grey(128)}
    path = folder_of(tmp_path / "bad", files)
    issues = {issue["name"]: issue for issue in answer("check", path, "--set", "data.size=32")["issues"]}
    assert {name: issue["files"] for name, issue in issues.items()} == {
        "exact_duplicates_across_parts": [["test/cat/d.png", "train/cat/c.png"]],
        "exact_duplicates_with_two_classes": [["train/cat/a.png", "train/dog/b.png"]],
        "exact_duplicates": [["test/cat/d.png", "train/cat/c.png"], ["train/cat/a.png", "train/dog/b.png"]],
        "is_odd_size": [["train/cat/tiny.png"], ["train/dog/grey.png"]],
        "is_odd_aspect_ratio": [["train/cat/wide.png"]],
        "is_dark": [["train/cat/night.png"]],
        "is_light": [["train/dog/snow.png"]],
        "is_low_information": [["train/dog/grey.png"]],
        "is_blurry": [["train/cat/night.png"]],
    }
    assert issues["exact_duplicates"]["count"] == 4
    said = engine("data", "check", path, "--set", "data.size=32").stdout
    assert "exact_duplicates: 4 images are there more than once, as 2 sets of copies.\n" in said
    assert engine("data", "check", tmp_path / "good", "--set", "data.size=32").stdout == "Nothing was found.\n"


def test_check_finds_a_wrong_label_by_what_a_network_sees(tmp_path: Path) -> None:
    """Two kinds of images that any network tells apart, one of them in the wrong folder."""
    rng = np.random.default_rng(2)
    stripes = {k: np.kron(np.arange(24) // 3 % 2, np.ones((24, 1))) for k in range(8)}
    files = {f"stripes/{k}.png": encoded(_tinted(of, rng)) for k, of in stripes.items()}
    files |= {f"plain/{k}.png": encoded(_tinted(np.zeros((24, 24)), rng)) for k in range(8)}
    files["plain/wrong.png"] = encoded(_tinted(stripes[0], rng))
    path = folder_of(tmp_path / "x", files)
    plain = {issue["name"] for issue in answer("check", path)["issues"]}
    assert "likely_wrong_labels" not in plain
    closer = {issue["name"]: issue for issue in answer("check", path, "--features")["issues"]}
    assert closer["likely_wrong_labels"]["exclude"] == ["plain/wrong.png"]


def _tinted(pattern: NDArray[np.floating[Any]], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The pattern, 0 to 1, in some color with some grain."""
    color, noise = rng.uniform(100, 200, 3), rng.normal(0, 12, (24, 24, 3))
    return np.clip(pattern[:, :, None] * (color - 220) + 220 + noise - 40, 0, 255).astype(np.uint8)


def test_export_is_a_table_that_an_import_reads_back_and_no_spreadsheet_runs(tmp_path: Path) -> None:
    files = {name.replace("cat/", "=cat()/"): data for name, data in PETS.items()}
    path = folder_of(tmp_path / "x", files)
    printed = engine("data", "export", path).stdout
    rows = list(csv.reader(io.StringIO(printed)))
    assert rows[0] == ["file", "class", "part"]
    assert ["train/=cat()/1.png", "'=cat()", "training"] in rows
    assert ["train/unsorted/a.png", "", "training"] in rows
    assert ["test/=cat()/1.png", "'=cat()", "test"] in rows
    assert len(rows) == 24
    flat = {f"{i}.png": grey(i) for i in range(12)}
    labels = "file,label\n" + "".join(f"{i}.png,{'cat' if i % 3 else 'dog'}\n" for i in range(12))
    path = folder_of(tmp_path / "flat", flat | {"labels.csv": labels.encode()})
    before = answer("export", path)["images"]
    folder_of(tmp_path / "again", flat | {"labels.csv": engine("data", "export", path).stdout.encode()})
    assert answer("export", tmp_path / "again")["images"] == before
