"""No method collapses on digits; without what prevents it the page warns, judging by the untrained network."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.analysis.collapse import collapse_warning
from engine.config.run_config import RunConfig
from engine.lab.executors.inline import train
from engine.presets import PRESETS

pytestmark = pytest.mark.slow
SHORT = {"seed": 20, "budget.steps": 150, "budget.evaluate_every": 150, "hardware.device": "cpu", "hardware.threads": 1}


def warning_of(method: str, store: Path, **changes: object) -> str | None:
    name = method.replace("_", "-")
    run = train(RunConfig.parse(PRESETS[f"digits-{name}"].config).with_changes({**SHORT, **changes}), store)
    assert run.status.state == "finished", run.status.reason
    rows = run.folder.metrics()
    spreads, ranks = ([row[name] for row in rows if name in row] for name in ("embedding/spread", "embedding/rank"))
    assert len(spreads) == len(ranks) > 5
    return collapse_warning(spreads, ranks)


# Barlow Twins and DINO warn of lost rank for a while before their embeddings unfold.
@pytest.mark.parametrize("method", ["byol", "moco", "simsiam", "swav", "vicreg"])
def test_no_preset_on_digits_warns(method: str, tmp_path: Path) -> None:
    assert warning_of(method, tmp_path) is None


def test_without_the_stopped_gradient_the_page_warns(tmp_path: Path) -> None:
    assert "its rank fell from" in str(warning_of("simsiam", tmp_path, **{"method.stop_gradient": False}))
