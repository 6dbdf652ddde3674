"""The labels of an imported set as a table: what a table beside the images would say."""

from __future__ import annotations

from engine.csv_text import csv_text
from engine.data.image_set import ImageSet
from engine.data.importing.image_cache import KeptFiles


def labels_of(images: ImageSet, files: KeptFiles) -> list[tuple[str, str, str]]:
    """File, class ("" where it has none) and part of each image, in the order of the ids."""
    validation = images.is_validation
    return [
        (
            files.names[row],
            images.class_names[label] if label >= 0 else "",
            "test"
            if images.is_test[row]
            else "validation"
            if validation is not None and validation[row]
            else "training",
        )
        for row, label in enumerate(images.labels.tolist())
    ]


def labels_csv(rows: list[tuple[str, str, str]]) -> str:
    """As CSV, safe to open with a spreadsheet."""
    return csv_text([("file", "class", "part"), *rows])
