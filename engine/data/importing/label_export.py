"""The labels of an imported set as a table: what a table beside the images would say."""

from __future__ import annotations

import numpy as np

from engine.csv_text import csv_text
from engine.data.image_set import ImageSet


def labels_of(images: ImageSet) -> list[tuple[str, str, str]]:
    """File, class ("" where it has none) and part of each image, in the order of the ids. images: of files."""
    parts = np.full(len(images.labels), "training", dtype=object)
    for marks, part in (
        (images.is_test, "test"),
        (images.is_validation, "validation"),
        (images.is_excluded, "excluded"),
    ):
        if marks is not None:
            parts[marks] = part
    return [
        (name, images.class_names[label] if label >= 0 else "", str(part))
        for name, label, part in zip(images.file_names, images.labels.tolist(), parts, strict=True)
    ]


def labels_csv(rows: list[tuple[str, str, str]]) -> str:
    """As CSV, safe to open with a spreadsheet."""
    return csv_text([("file", "class", "part"), *rows])
