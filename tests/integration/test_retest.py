"""`test` measures the images that the run learned from, or says that they have changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine import train
from engine.errors import RunError
from engine.training.retest import retest
from tests.fixtures_images import CATS_AND_DOGS, folder_of, grey


def renamed(photos: Path) -> None:
    (photos / "cat").rename(photos / "zebra")


def removed(photos: Path) -> None:
    (photos / "dog" / "9.png").unlink()


def repainted(photos: Path) -> None:
    (photos / "dog" / "3.png").write_bytes(grey(250))


@pytest.mark.parametrize("change", [renamed, removed, repainted])
def test_changed_images_are_refused_in_one_sentence(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    photos = folder_of(tmp_path / "photos", CATS_AND_DOGS)
    data = {"name": "folder", "path": str(photos), "size": 8, "labels": {"kind": "all"}}
    config = {"method": {"name": "linear_probe"}, "backbone": {"name": "pixels"}, "data": data, "budget": {"steps": 1}}
    run = train(config, tmp_path / "runs")
    assert retest(run.folder)["test/accuracy"] == run.status.metrics["test/accuracy"]
    change(photos)
    with pytest.raises(RunError) as refused:
        retest(run.folder)
    assert str(refused.value) == (
        f"The images of run {run.id} have changed since it learned from them: restore them as they were, or start the"
        " run again."
    )
