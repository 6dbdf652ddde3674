"""A model of every kind of image, exported, answers in onnxruntime as the app does: digits of 8 pixels, color photos,
and grey drawings of 28 pixels. `python -m benchmarks.exported_models` does the same for all methods.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.exported_models import IMAGES, difference, families, run_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_probes")]
FAMILIES = ("digits, 8 px", "photos, 24 px", "drawings, 28 px")


@pytest.fixture(scope="module")
def data_of(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return families(real_data / "images", tmp_path_factory.mktemp("families"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["fixmatch", "simclr", "label_spreading"])
def test_every_answer_in_onnxruntime_is_the_apps(
    method: str, family: str, data_of: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """A classifier, a probe on a network, and neighbors."""
    one = difference(run_of(method, data_of[family], tmp_path / "runs"), tmp_path / "exported")
    assert (one.images, one.changed) == (IMAGES, 0)
    assert one.largest <= 1e-4
