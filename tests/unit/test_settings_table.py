"""Settings in which runs differ are said in words, each by the schema of a run that has it."""

from __future__ import annotations

import pytest

from engine.catalog import catalog
from engine.config.run_config import RunConfig
from engine.presets import PRESETS
from ui.runs import distinct_names
from ui.runs.settings_table import settings_table
from ui.style import formatting


def test_settings_and_what_was_chosen_are_in_words_with_the_key_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distinct_names, "catalog", catalog)
    alone, fixmatch = (
        RunConfig.parse(PRESETS[name].config).model_dump() for name in ("digits-supervised", "digits-fixmatch")
    )
    rows = {row["in the config"]: row for row in settings_table([alone, fixmatch], ["first", "second"])}
    # The method without a threshold comes first: its schema does not know one.
    assert rows["method.threshold"] == {
        "setting": "threshold τ",
        "first": formatting.NOTHING,
        "second": str(fixmatch["method"]["threshold"]),
        "in the config": "method.threshold",
    }
    assert rows["method.name"] == {
        "setting": "method",
        "first": "Supervised",
        "second": "FixMatch",
        "in the config": "method.name",
    }
    assert rows["augment.strong"]["setting"] == "strong view"
    assert settings_table([alone, alone], ["first", "second"]) == []
