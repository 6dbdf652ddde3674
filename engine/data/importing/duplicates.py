"""Images that are in a set twice where they must not be: in two parts of the split, or in two classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.data.importing.import_report import Report


def tell_duplicates(
    names: list[str], parts: NDArray[np.int64], labels: NDArray[np.int64], digests: list[bytes], report: Report
) -> None:
    """Tell the report each image that an earlier one in another part of the split, or with another label, shows too.

    All by image: names, parts int64 [N] (any number for each part), labels int64 [N] (-1 unknown), digests.
    """
    seen: dict[bytes, list[int]] = {}  # at most five rows each: all parts are among them, and two labels
    for row, digest in enumerate(digests):
        alike = seen.setdefault(digest, [])
        in_parts = [other for other in alike if parts[other] != parts[row]]
        labeled = [other for other in alike if labels[other] >= 0] if labels[row] >= 0 else []
        in_classes = [other for other in labeled if labels[other] != labels[row]]
        if in_parts or in_classes:
            report.duplicate(names[(in_parts + in_classes)[0]], names[row], bool(in_parts), bool(in_classes))
        if len(in_parts) == len(alike) or (len(in_classes) == len(labeled) and len({*labels[labeled].tolist()}) < 2):
            alike.append(row)
