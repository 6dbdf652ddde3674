"""Labels in the files that annotation tools export: Label Studio and FiftyOne (JSON), COCO (JSON), CVAT (XML)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

from engine.data.importing.file_index import FileIndex
from engine.data.importing.folder_layout import SPLIT, Part
from engine.data.importing.given_labels import GivenLabels
from engine.data.importing.label_table import NoTable
from engine.images.decode import short_name

LABEL_FILE_ENDINGS = (".json", ".xml")
LARGEST_LABEL_FILE = 100_000_000  # bytes
Entry = tuple[str, list[str], Part | None]


def read_label_file(name: str, data: bytes, index: FileIndex) -> tuple[str, GivenLabels]:
    """The tool that exported it, and what it says of the listed files. Raises NoTable with the reason where it is no
    export that is read.
    """
    if len(data) > LARGEST_LABEL_FILE:
        raise NoTable(f"a file of more than {LARGEST_LABEL_FILE / 1e6:.0f} MB")
    tool, entries = _entries(name, data)
    given = GivenLabels(name, f"{short_name(name)} from {tool}")
    folder = name.rpartition("/")[0]
    for text, labels, part in entries:
        given.add(text, index.find(text, folder), labels, part)
    if not given.labels:
        raise NoTable(f"an export of {tool} that names none of the images")
    if not given.classes():
        raise NoTable(f"an export of {tool} without classes of images")
    return tool, given


def _entries(name: str, data: bytes) -> tuple[str, list[Entry]]:
    if name.lower().endswith(".xml"):
        return "CVAT", list(_cvat(data))
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise NoTable("not JSON") from None
    for tool, looks_like, read in _TOOLS:
        if looks_like(value):
            try:
                return tool, list(read(value))
            except (KeyError, TypeError, ValueError, AttributeError):
                raise NoTable(f"an export of {tool} that is damaged") from None
    raise NoTable("JSON of no tool whose exports are read")


def _is_label_studio(value: Any) -> bool:
    """Its full JSON or its JSON-MIN: a list of tasks."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(task, dict) and ("data" in task or "annotation_id" in task or "image" in task) for task in value
        )
    )


def _label_studio(tasks: list[dict[str, Any]]) -> Iterator[Entry]:
    for task in tasks:
        if "data" not in task:
            choices = [value for key, value in task.items() if key in ("choice", "label", "choices", "class")]
            labels = choices[0] if choices else []
            chosen = labels.get("choices", []) if isinstance(labels, dict) else labels
            yield str(task["image"]), [chosen] if isinstance(chosen, str) else [*map(str, chosen)], None
            continue
        image = next(value for value in task["data"].values() if isinstance(value, str))
        labels = []
        for annotation in task.get("annotations", task.get("completions", [])):
            if annotation.get("was_cancelled"):
                continue
            for result in annotation["result"]:
                if result.get("type") == "choices":
                    labels += map(str, result["value"]["choices"])
        yield str(task["data"].get("image", image)), labels, None


def _is_coco(value: Any) -> bool:
    return isinstance(value, dict) and {"images", "annotations", "categories"} <= value.keys()


def _coco(value: dict[str, Any]) -> Iterator[Entry]:
    """Several boxes of one category are one label; an image of several categories has several."""
    category = {one["id"]: str(one["name"]) for one in value["categories"]}
    labels: defaultdict[Any, list[str]] = defaultdict(list)
    for annotation in value["annotations"]:
        labels[annotation["image_id"]].append(category[annotation["category_id"]])
    for image in value["images"]:
        yield str(image["file_name"]), labels[image["id"]], None


def _is_fiftyone_dataset(value: Any) -> bool:
    """`samples.json` of a FiftyOneDataset."""
    return isinstance(value, dict) and isinstance(value.get("samples"), list)


def _fiftyone_dataset(value: dict[str, Any]) -> Iterator[Entry]:
    for sample in value["samples"]:
        labels = [
            str(field["label"])
            for field in sample.values()
            if isinstance(field, dict) and field.get("_cls") == "Classification" and field.get("label") is not None
        ]
        tags = [SPLIT[tag.lower()] for tag in sample.get("tags") or [] if str(tag).lower() in SPLIT]
        yield str(sample["filepath"]), labels, tags[0] if tags else None


def _is_fiftyone_labels(value: Any) -> bool:
    """`labels.json` of a FiftyOneImageClassificationDataset."""
    return isinstance(value, dict) and isinstance(value.get("labels"), dict)


def _fiftyone_labels(value: dict[str, Any]) -> Iterator[Entry]:
    classes = value.get("classes")
    for name, label in value["labels"].items():
        given = label if isinstance(label, list) else [] if label is None else [label]
        numbers = isinstance(classes, list) and all(isinstance(one, int) for one in given)
        yield name, [str(classes[one]) if numbers and classes else _label(one) for one in given], None


def _label(value: Any) -> str:
    return str(value["label"]) if isinstance(value, dict) else str(value)


def _cvat(data: bytes) -> Iterator[Entry]:
    """CVAT for images: tags are the labels. Entities are refused: one can unpack to any size."""
    if b"\0" in data[:200]:
        raise NoTable("XML that is not UTF-8")  # in which a document type could hide
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise NoTable("XML with a document type, which is not read")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  without a document type there is nothing to expand
    except ElementTree.ParseError:
        raise NoTable("not XML") from None
    if root.tag != "annotations":
        raise NoTable("XML of no tool whose exports are read")
    for image in root.iter("image"):
        subset = str(image.get("subset", "")).lower()
        labels = [str(tag.get("label")) for tag in image.iter("tag") if tag.get("label")]
        yield str(image.get("name", "")), labels, SPLIT.get(subset)


_TOOLS: tuple[tuple[str, Callable[[Any], bool], Callable[[Any], Iterator[Entry]]], ...] = (
    ("COCO", _is_coco, _coco),
    ("FiftyOne", _is_fiftyone_dataset, _fiftyone_dataset),
    ("FiftyOne", _is_fiftyone_labels, _fiftyone_labels),
    ("Label Studio", _is_label_studio, _label_studio),
)
