"""Labels in a table beside the images: which columns are read is told by what they hold, and what does not fit is said
by name.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.data.importing import label_table
from engine.data.importing.file_index import FileIndex
from engine.data.importing.preview import Preview
from engine.errors import DataError
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey, source, zip_of

FLAT = {f"{i:03}.png": grey(i) for i in range(12)}
KIND = {i: ("cat", "dog")[i % 2] for i in range(12)}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def table(rows: str, heading: str = "file,label", name: str = "{:03}.png") -> bytes:
    """`rows`: what follows the heading for image i, with {file} and {kind}."""
    lines = [rows.format(file=name.format(i), kind=KIND[i], i=i) for i in range(12)]
    return "\n".join([heading, *lines]).encode()


def labels_of(path: Path, **settings: str) -> dict[int, str | None]:
    """The class of every image, by its brightness."""
    images = source(path, **settings).load()
    return {
        int(pixels[0, 4, 4]): images.class_names[label] if label >= 0 else None
        for pixels, label in zip(images.images, images.labels, strict=True)
    }


def shown(path: Path, **settings: str) -> Preview:
    return source(path, **settings).preview()


def refusal(path: Path, **settings: str) -> str:
    with pytest.raises(DataError) as refused:
        source(path, **settings).prepare()
    return str(refused.value)


# columns, separators, encodings


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize(
    "content",
    [
        table("{file},{kind}"),
        table("{kind},{file}", "what it shows,where it is"),
        table("{file};{kind}", "datei;klasse"),
        table("{file}\t{kind}", "file\tlabel"),
        table("{file}|{kind}", "file|label"),
        table("{file} {kind}", "file label"),
        table('"{file}","{kind}"', '"file","label"'),
        table("{file},{kind}").partition(b"\n")[2],
        table("{file},{kind}").replace(b"\n", b"\r\n"),
        table("./images/{file},{kind}"),
        table("C:\\photos\\{file},{kind}"),
        table("{file},{kind}", name="{:03}"),
        table("{file},{kind}", name="{:03}.PNG"),
        table("{i},{file},{kind},2024-01-{i},0.{i}5", "index,file,label,taken,score"),
        b"\xef\xbb\xbf" + table("{file},{kind}"),
        table("{file},{kind}").decode().encode("utf-16"),
        table("{file},{kind}").decode().encode("utf-16-le"),
    ],
    ids=[
        *("comma", "turned", "semicolon", "tab", "bar", "space", "quoted", "no heading", "crlf", "relative", "windows"),
        *("id", "other case", "more columns", "bom", "utf-16", "utf-16 without mark"),
    ],
)
def test_labels_are_read_from_a_table_beside_the_images(tmp_path: Path, content: bytes, packed: bool) -> None:
    files = FLAT | {"labels.csv": content}
    path = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    assert labels_of(path) == KIND
    report = source(path).prepare()
    assert report.skipped == {}
    assert report.notes[0].startswith("The classes are those of 'labels.csv', column ")
    assert shown(path).classes == {kind: {"training": 6, "validation": 0, "test": 0} for kind in ("cat", "dog")}


def test_the_preview_and_the_report_say_the_same(tmp_path: Path) -> None:
    rows = "file,label\n000.png,cat\n001.png,dog\n002.png,\n003.png,cat\n004.png,dog\n005.png,dog\n006.png,cat\n"
    rows += "nowhere.png,cat\n../../etc/passwd,dog\n"
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": rows.encode(), "notes.md": b"x"})
    preview, report = shown(path), source(path).prepare()
    left_out = {"in labels.csv, but not among the files": 2, "not an image": 1}
    assert (preview.left_out, report.skipped) == (left_out, left_out)
    assert preview.names == [
        ["nowhere.png", "in labels.csv, but not among the files"],
        ["../../etc/passwd", "in labels.csv, but not among the files"],
        ["notes.md", "not an image"],
    ]
    assert (preview.layout, report.layout) == ("labels in 'labels.csv', column 'label'",) * 2
    notes = [
        "The classes are those of 'labels.csv', column 'label'.",
        "5 images are not in 'labels.csv' and used as unlabeled images, such as '007.png'.",
    ]
    assert (preview.notes, report.notes) == (notes, notes)
    assert (preview.unlabeled, report.unlabeled) == (6, 6)  # one with an empty label, five in no row
    assert preview.classes["cat"] == {"training": 3, "validation": 0, "test": 0}
    assert preview.samples == {
        "cat": ["000.png", "003.png", "006.png"],
        "dog": ["001.png", "004.png", "005.png"],
        "": ["002.png", "007.png", "008.png", "009.png"],
    }


def test_nested_images_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    files = {f"{folder}/{i}.png": grey(10 * k + i) for k, folder in enumerate(("a", "b")) for i in range(4)}
    rows = "path,label\n" + "".join(f"{name},{'cat' if k % 3 else 'dog'}\n" for k, name in enumerate(files))
    path = folder_of(tmp_path / "x", files | {"labels.csv": rows.encode()})
    assert labels_of(path, labels_from="table") == {10 * (k // 4) + k % 4: "cat" if k % 3 else "dog" for k in range(8)}
    unclear = "file,label\n" + "".join(f"{i}.png,{'cat' if i % 2 else 'dog'}\n" for i in range(4))
    path = folder_of(tmp_path / "y", files | {"labels.csv": unclear.encode()})
    assert shown(path, labels_from="table").left_out == {"in labels.csv, but several files can be meant": 4}


def test_a_column_of_the_split_is_used_as_what_it_says(tmp_path: Path) -> None:
    rows = "file,set,label\n" + "".join(
        f"{i:03}.png,{('train', 'train', 'train', 'val', 'test')[i % 5]},{KIND[i]}\n" for i in range(12)
    )
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": rows.encode()})
    report = source(path).prepare()
    assert (report.training, report.validation, report.test) == (
        {"cat": 4, "dog": 4},
        {"cat": 1, "dog": 1},
        {"cat": 1, "dog": 1},
    )


def test_tables_of_the_parts_of_a_split_are_one_table(tmp_path: Path) -> None:
    files = {f"{part}/{i}.png": grey(20 * k + i) for k, part in enumerate(("train", "valid")) for i in range(6)}
    one_hot = "filename, cat, dog\n" + "".join(f"{i}.png,{i % 2},{1 - i % 2}\n" for i in range(6))
    files |= {f"{part}/_classes.csv": one_hot.encode() for part in ("train", "valid")}
    path = folder_of(tmp_path / "x", files)
    images = source(path).load()
    assert labels_of(path) == {20 * k + i: "cat" if i % 2 else "dog" for k in (0, 1) for i in range(6)}
    assert images.is_validation is not None
    assert images.is_validation.tolist() == [False] * 6 + [True] * 6
    assert shown(path).layout == "labels in '_classes.csv', one column per class"


def test_images_that_only_kaggles_test_folder_holds_are_left_out_and_said(tmp_path: Path) -> None:
    files = {f"train/{i:03}.png": grey(i) for i in range(12)} | {f"test/t{i}.png": grey(100 + i) for i in range(3)}
    sample = "id,cat,dog\n" + "".join(f"t{i},0.5,0.5\n" for i in range(3))
    files |= {"train.csv": table("{file},{kind}", "id,breed", "{:03}"), "sample_submission.csv": sample.encode()}
    path = folder_of(tmp_path / "x", files)
    assert labels_of(path) == KIND
    assert shown(path).left_out == {
        "unlabeled but a test image": 3,
        "a table without a column of classes": 1,
    }


# what can be read in two ways


def test_where_two_columns_can_hold_the_classes_the_person_chooses(tmp_path: Path) -> None:
    content = "\n".join(
        ["file,animal,place", *(f"{i:03}.png,{KIND[i]},{('park', 'home', 'zoo')[i % 3]}" for i in range(12))]
    ).encode()
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": content})
    assert refusal(path) == ("'x' has labels that can be read as 'animal' or 'place': choose one by data.label_column.")
    preview = shown(path)
    assert preview.question == refusal(path)
    assert [(choice.setting, choice.value, choice.words) for choice in preview.choices] == [
        ("label_column", "animal", "'labels.csv', column 'animal': cat, dog"),
        ("label_column", "place", "'labels.csv', column 'place': home, park, zoo"),
    ]
    assert labels_of(path, label_column="animal") == KIND
    assert set(labels_of(path, label_column="PLACE").values()) == {"park", "home", "zoo"}
    assert refusal(path, label_column="weather") == (
        "data.label_column is 'weather', which is no column of classes in 'x': choose one of 'animal', 'place'."
    )


def test_a_column_that_is_called_label_is_read_and_the_others_are_offered(tmp_path: Path) -> None:
    content = "\n".join(
        ["file,place,Label", *(f"{i:03}.png,{('park', 'home', 'zoo')[i % 3]},{KIND[i]}" for i in range(12))]
    ).encode()
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": content})
    assert labels_of(path) == KIND
    assert [choice.value for choice in shown(path).choices] == ["Label", "place"]


def test_folders_and_a_table_that_say_the_same_are_one_reading(tmp_path: Path) -> None:
    rows = "file,label\n" + "".join(f"{name},{name[:3].upper()}\n" for name in CATS_AND_DOGS)
    path = folder_of(tmp_path / "x", CATS_AND_DOGS | {"labels.csv": rows.encode()})
    report = source(path).prepare()
    assert (report.layout, report.skipped) == ("one folder per class", {})
    assert report.notes == ["'labels.csv' says of the images what their folders do."]
    assert source(path).load().class_names == ("cat", "dog")


def test_folders_and_a_table_that_differ_are_refused_until_the_person_chooses(tmp_path: Path) -> None:
    rows = "file,label\n" + "".join(f"{name},{('up', 'down')[i % 2]}\n" for i, name in enumerate(CATS_AND_DOGS))
    path = folder_of(tmp_path / "x", CATS_AND_DOGS | {"labels.csv": rows.encode()})
    assert refusal(path) == (
        "'x' has class folders and labels in 'labels.csv', and they say different things of the images: choose"
        " data.labels_from=folders or data.labels_from=table."
    )
    assert [(choice.value, choice.words) for choice in shown(path).choices] == [
        ("folders", "each folder is a class: cat, dog"),
        ("table", "the classes are those of 'labels.csv': down, up"),
    ]
    assert source(path, labels_from="folders").load().class_names == ("cat", "dog")
    assert source(path, labels_from="table").load().class_names == ("down", "up")
    assert source(path, labels_from="none").load().class_names == ()


def test_numbers_of_the_images_are_no_labels_where_folders_are_classes(tmp_path: Path) -> None:
    sizes = "".join(f"{name},{640 + i % 2},{480 + i % 3}\n" for i, name in enumerate(CATS_AND_DOGS))
    path = folder_of(tmp_path / "x", CATS_AND_DOGS | {"sizes.csv": f"file,width,height\n{sizes}".encode()})
    assert source(path).load().class_names == ("cat", "dog")
    assert shown(path).notes == ["'sizes.csv' has numbers of the images and is not read."]


def test_numbers_that_happen_to_be_names_of_images_are_no_column_of_files(tmp_path: Path) -> None:
    files = {f"{kind}/{i}.png": grey(10 * k + i) for k, kind in enumerate(("cat", "dog")) for i in range(8)}
    pixels = "p1,p2,p3,label\n" + "".join(f"{i % 3},{i % 5},7,{i % 2}\n" for i in range(200))
    path = folder_of(tmp_path / "x", files | {"pixels.csv": pixels.encode()})
    assert shown(path).left_out == {"a table that names none of the images": 1}
    assert source(path).load().class_names == ("cat", "dog")


def test_a_single_class_is_said_before_the_import(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "x", {"cat/1.png": grey(1), "cat/2.png": grey(2), "3.png": grey(3)})
    assert shown(path).warnings[0] == (
        "There are training images of 1 class only, but an import needs at least 2 classes."
    )


# several labels, two labels


@pytest.mark.parametrize("separator", [";", "|"])
def test_several_labels_of_one_image_are_said_and_the_image_is_unlabeled(tmp_path: Path, separator: str) -> None:
    rows = table("{file},{kind}").replace(b"000.png,cat", f"000.png,cat{separator}dog".encode())
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": rows})
    assert labels_of(path) == KIND | {0: None}
    assert shown(path).notes[1:] == [
        "1 image is given several labels in 'labels.csv', which methods for partial labels can learn from, and used as"
        " an unlabeled image: '000.png'."
    ]


def test_names_of_classes_may_hold_a_bar(tmp_path: Path) -> None:
    rows = table("{file},animal|{kind}")
    assert set(labels_of(folder_of(tmp_path / "x", FLAT | {"labels.csv": rows})).values()) == {
        "animal|cat",
        "animal|dog",
    }


def test_one_file_with_two_labels_is_left_out_by_name(tmp_path: Path) -> None:
    rows = table("{file},{kind}") + b"\n000.png,dog\n001.png,dog"
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": rows})
    assert labels_of(path) == {i: kind for i, kind in KIND.items() if i != 0}
    assert shown(path).names == [["000.png", "in labels.csv with two labels"]]


# hostile tables


def test_formulas_and_markup_are_text(tmp_path: Path) -> None:
    formula = "=HYPERLINK(1)"
    rows = "file,label\n" + "".join(f"{i:03}.png,{(formula, '<b>dog</b>')[i % 2]}\n" for i in range(12))
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": rows.encode()})
    assert source(path).load().class_names == ("<b>dog</b>", formula)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"file,label\n000.png,c\0t\n001.png,dog\n", "a table with NUL characters"),
        (b"file,label\n000.png,\x81\n001.png,dog\n", "a table that is neither UTF-8, UTF-16 nor Windows-1252"),
        (
            b'file,label\n000.png,"cat\n' + b"001.png,dog\n" * 20_000,
            "a table with a quote that is never closed, or a cell of more than 131,072 characters",
        ),
        (
            b'file,label\n000.png,cat\n001.png,dog\n002.png,"cat\n003.png,dog\n004.png,cat\n',
            "a table with a quote that is never closed, or a cell of more than 131,072 characters",
        ),
        (b"a,b\n1,2\n", "a table that names none of the images"),
        (b"", "a table that names none of the images"),
        (b"file,label\n" + b"".join(b"%03d.png,cat\n" % i for i in range(12)), "a table without a column of classes"),
    ],
    ids=["nul", "encoding", "long quote", "quote", "other", "empty", "one class"],
)
def test_a_table_that_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": content})
    assert shown(path).left_out == {reason: 1}
    report = source(path).prepare()
    assert (report.skipped, report.unlabeled) == ({reason: 1}, 12)
    assert refusal(path, labels_from="table") == (
        f"'x' has no file of labels ('labels.csv': {reason}): add a CSV file with a column of file names and a column"
        " of classes, or leave data.labels_from and data.label_column as they were."
    )


def test_windows_1252_is_read_and_said(tmp_path: Path) -> None:
    rows = table("{file},{kind}").decode().replace("dog", "bär").encode("cp1252")
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": rows})
    assert set(labels_of(path).values()) == {"cat", "bär"}
    assert shown(path).notes[1] == (
        "'labels.csv' is not UTF-8 and was read as Windows-1252: check the names of the classes, and save it as UTF-8"
        " if they look wrong."
    )


@pytest.mark.slow
def test_a_million_rows_are_read_in_seconds_and_more_are_refused() -> None:
    index = FileIndex(["1.png", "2.png"], [0, 1])
    rows = b"file,label\n1.png,cat\n2.png,dog\n" + b"x,cat\n" * (label_table.MOST_ROWS - 2)
    start = time.perf_counter()
    read = label_table.read_table("t.csv", rows, index)
    given = read.given("label", index)
    assert time.perf_counter() - start < 30
    assert (given.labels, len(given.unknown)) == ({0: ("cat",), 1: ("dog",)}, label_table.MOST_ROWS - 2)
    with pytest.raises(DataError) as refused:
        label_table.read_table("t.csv", rows + b"x,cat\n", index)
    assert str(refused.value) == (
        "'t.csv' has more than 1,000,000 rows: keep those of the images in this folder, one row for each."
    )


def test_a_table_beyond_the_limit_of_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_table, "LARGEST_TABLE", 50)
    path = folder_of(tmp_path / "x", FLAT | {"labels.csv": table("{file},{kind}")})
    assert refusal(path).startswith("'labels.csv' has more than 0 MB, but a table of labels may have at most that")


# names


def test_a_name_leads_to_the_file_that_it_agrees_with_most() -> None:
    names = ["train/1.png", "test/1.png", "a/2.png", "b/2.png", "c/Three.JPG", "deep/er/4.png"]
    index = FileIndex(names, range(6))
    assert index.find("train/1.png") == [0]
    assert index.find("/home/me/data/test/1.png") == [1]
    assert index.find("test/1") == [1]
    assert index.find("1.png") == [0, 1]
    assert index.find("1.png", beside="test") == [1]
    assert index.find("validation/1.png") == []  # no image of another part, even where it is the only one
    assert index.find("b\\2.png") == [3]
    assert index.find("three.jpg") == [4]
    assert index.find("elsewhere/4.png") == [5]
    assert index.find("a/../a/2.png") == []
    assert index.find("") == index.find("/") == index.find("5.png") == []
